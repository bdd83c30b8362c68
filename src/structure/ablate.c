/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ablation: what the target loses when a part says nothing of this input. Its mean over other
 * inputs stays near what later layers are used to; zeros may be further from it than any
 * input is; with another input's values (resample) nothing is out of place but the content.
 */
#include "structure/patch.h"
#include "structure/site-means.h"

#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const glim_report_words words = {
    "patch", "ablation", "what the target loses without a part",
    "Wang et al. 2023, arXiv:2211.00593; Heimersheim, Nanda 2024, arXiv:2404.15255",
    "What is lost without a part is not what it adds: others may take its place."};

enum { KINDS = 3 };
static const glim_patch_kind kinds[KINDS] = {GLIM_PATCH_ATTN_OUT, GLIM_PATCH_MLP_OUT, GLIM_PATCH_Z};

struct ablation {
    glim_predictor *p;
    const glim_ablate_options *o;
    glim_patching run;
    glim_kept_work kept;
    glim_site_means means;
    glim_patch_item *items;
    size_t n, L, H, done; /* done: inputs that were put in, of resampling */
    double *lost, *out;   /* [n] */
};

static glim_status list_items(struct ablation *a, glim_error *err) {
    const glim_hyper *h = &((const glim_lm *)a->p)->model->hyper;
    a->L = (size_t)h->L;
    a->H = (size_t)h->H;
    a->n = a->L * (2 + a->H);
    a->items = glim__calloc(a->p->ctx, a->n, sizeof *a->items);
    a->lost = glim__calloc(a->p->ctx, 2 * a->n, sizeof *a->lost);
    if (!a->items || !a->lost)
        return glim__oom(a->p->ctx, err, "patches", a->n * sizeof *a->items);
    a->out = a->lost + a->n;
    for (size_t i = 0; i < a->n; i++) {
        size_t layer = i / (2 + a->H), part = i % (2 + a->H);
        a->items[i] = (glim_patch_item){.kind = kinds[part < 2 ? part : 2],
                                        .first = layer,
                                        .past = layer + 1,
                                        .position = GLIM_EVERY,
                                        .head = part < 2 ? GLIM_EVERY : part - 2};
    }
    return GLIM_OK;
}

static glim_status make_room(struct ablation *a, size_t T, glim_error *err) {
    glim_status status = GLIM_OK;
    for (int k = 0; k < KINDS && !status; k++) {
        glim__free(a->p->ctx, a->run.donor[0][kinds[k]].values);
        status = glim__patching_room(&a->run, kinds[k], false, T, err);
    }
    return status;
}

/* ---- means ---- */

static glim_status put_means(struct ablation *a, glim_error *err) {
    glim_status status = make_room(a, a->run.T, err);
    for (int k = 0; k < KINDS && !status; k++) {
        const glim_patch_store *s = &a->run.donor[0][kinds[k]];
        for (size_t i = 0; i < s->layers * s->T * s->width; i++)
            s->values[i] = glim__site_mean(&a->means, k, i / (s->T * s->width), i % s->width);
    }
    return status;
}

static glim_status find_means(struct ablation *a, glim_error *err) {
    const glim_ablate_options *o = a->o;
    const char *names[KINDS];
    for (int k = 0; k < KINDS; k++)
        names[k] = glim__patch_site(kinds[k]);
    uint64_t *ran = &((glim_lm *)a->p)->forward;
    glim_status status = GLIM_OK;
    glim__site_means_init(&a->means, a->run.m, names, KINDS);
    if (o->data)
        status = glim__site_means_corpus(&a->means, o->data, o->text_column, &a->kept, ran, err);
    for (size_t i = 0; i < (o->n_others ? o->n_others : 1) && !o->data && !status; i++)
        status = glim__site_means_input(&a->means, o->n_others ? o->others[i] : a->p, err);
    return status ? status : put_means(a, err);
}

/* ---- other inputs ---- */

static glim_status resample(struct ablation *a, glim_error *err) {
    const glim_ablate_options *o = a->o;
    int64_t *map = glim__calloc(a->p->ctx, a->run.T, sizeof *map);
    glim_status status = map ? GLIM_OK : glim__oom(a->p->ctx, err, "positions", a->run.T * 8);
    for (size_t i = 0; i < o->n_others && !status; i++) {
        size_t T = o->others[i]->T;
        for (size_t t = 0; t < a->run.T; t++)
            map[t] = (int64_t)(t < T ? t : T - 1); /* a shorter one ends with its last */
        a->run.map[0] = map;
        status = make_room(a, T, err);
        if (!status)
            status = glim__patching_donate(&a->run, o->others[i], err);
        if (!status) {
            glim__patching_keep(&a->run, &a->kept);
            status = glim__patching_run(&a->run, a->items, a->n, a->out, err);
        }
        a->done += !status;
        for (size_t k = 0; k < a->n && !status; k++)
            a->lost[k] += a->run.value - a->out[k];
    }
    for (size_t k = 0; k < a->n; k++)
        a->lost[k] = a->done ? a->lost[k] / (double)a->done : NAN;
    a->run.map[0] = NULL;
    glim__free(a->p->ctx, map);
    return status;
}

/* What was not reached is NaN. */
static glim_status run(struct ablation *a, glim_error *err) {
    glim_status status = glim__work_open(&a->kept, a->run.m, a->o->store, err);
    if (!status && a->o->how == GLIM_ABLATE_RESAMPLE)
        return a->o->n_others
                   ? resample(a, err)
                   : glim_fail(
                         err, GLIM_EUSAGE,
                         "resampling puts in what other inputs have: name some (--data FILE)");
    for (size_t k = 0; k < a->n; k++)
        a->out[k] = NAN;
    if (!status)
        status = a->o->how == GLIM_ABLATE_MEAN ? find_means(a, err) : make_room(a, a->run.T, err);
    if (!status) {
        glim__patching_keep(&a->run, &a->kept);
        glim__progress_begin_items(a->p->ctx, words.name, a->n);
        status = glim__patching_run(&a->run, a->items, a->n, a->out, err);
        glim__progress_end(a->p->ctx);
    }
    for (size_t k = 0; k < a->n; k++)
        a->lost[k] = a->run.value - a->out[k];
    return status;
}

/* ---- panels ---- */

static bool put_grid(const struct ablation *a, const glim_report *r, bool heads) {
    size_t columns = heads ? a->H : 2, skip = heads ? 2 : 0;
    glim_panel *p = glim_document_panel_add(
        r->doc, GLIM_PANEL_GRID, heads ? "ablated-heads" : "ablated",
        heads ? "Lost without a head" : "Lost without a part of a layer", a->L, columns);
    bool ok = p != NULL;
    for (size_t c = 0; c < columns && ok; c++)
        ok = heads ? glim_document_label(r->doc, &p->columns, c, "%zu", c)
                   : glim_document_label(r->doc, &p->columns, c, c ? "feed-forward" : "attention");
    for (size_t i = 0; i < a->L && ok; i++) {
        size_t l = a->L - 1 - i;
        ok = glim_document_label(r->doc, &p->rows, i, "%zu", l);
        memcpy(p->values + i * columns, a->lost + l * (2 + a->H) + skip, columns * sizeof(double));
    }
    if (!ok)
        return false;
    p->unit = r->doc->target.output;
    p->scale = GLIM_SCALE_SIGNED;
    p->rows.name = "layer";
    p->columns.name = heads ? "head" : "part";
    return true;
}

static void release(struct ablation *a) {
    glim__patching_release(&a->run);
    glim__work_close(&a->kept);
    glim__site_means_release(&a->means);
    glim__free(a->p->ctx, a->items);
    glim__free(a->p->ctx, a->lost);
}

static bool show(const struct ablation *a, const glim_report *r) {
    const glim_site_means *m = &a->means;
    if (a->o->data && m->ctx)
        glim_document_note(r->doc, "means of %llu texts (longer ones in passages), %llu tokens",
                           (unsigned long long)m->passages, (unsigned long long)m->rows);
    return put_grid(a, r, false) && put_grid(a, r, true) &&
           glim_document_check_add(r->doc, "target", a->run.value, "with all parts");
}

glim_status glim_patch_ablate(glim_document **out, glim_predictor *p, const glim_ablate_options *o,
                              glim_error *err) {
    static const char *const names[] = {"mean", "zero", "resample"};
    struct ablation a = {.p = p, .o = o};
    glim_report r = {0};
    char params[64];
    *out = NULL;
    for (size_t i = 0; i < o->n_others; i++)
        if (o->others[i]->model != p->model)
            return glim_fail(err, GLIM_EUSAGE, "other inputs must be the same model's");
    if (!p->model || !p->observe || p->image || ((glim_lm *)p)->written)
        return glim_fail(err, GLIM_EUSAGE, "ablation is for models of one stack of blocks");
    if (o->data && o->how != GLIM_ABLATE_MEAN)
        return glim_fail(err, GLIM_EUSAGE, "a corpus is for means");
    snprintf(params, sizeof params, "{\"ablate\": \"%s\", \"inputs\": %zu}", names[o->how],
             o->n_others);
    glim_status status = glim__report_begin(&r, p, &words, params, err);
    if (!status)
        status = glim__patching_init(&a.run, p, NULL, err);
    if (!status)
        status = list_items(&a, err);
    bool ready = !status;
    if (!status)
        status = run(&a, err);
    if ((!status || (ready && status == GLIM_ECANCELLED)) && !show(&a, &r))
        status = glim__oom(p->ctx, err, "the document", a.n * 8);
    release(&a);
    return glim__report_end(&r, status, out);
}
