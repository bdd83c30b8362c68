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

/* Half 1 is the encoder of an encoder-decoder. */
struct ablation {
    glim_predictor *p;
    const glim_ablate_options *o;
    glim_patching run;
    glim_kept_work kept;
    glim_site_means means[2];
    glim_patch_item *items;
    size_t n, halves, L[2], H[2], first[2]; /* first: of a half's items */
    size_t done;                            /* inputs that were put in, of resampling */
    double *lost, *out;                     /* [n] */
};

static size_t positions(const glim_predictor *p, size_t half) {
    return glim__lm_positions(p, half == 1, NULL);
}

static const glim_model *model_of(const struct ablation *a, size_t half) {
    const glim_model *m = ((const glim_lm *)a->p)->model;
    return half ? m->encoder : m;
}

static glim_status list_items(struct ablation *a, glim_error *err) {
    a->halves = ((const glim_lm *)a->p)->written ? 2 : 1;
    for (size_t e = 0; e < a->halves; e++) {
        const glim_hyper *h = &model_of(a, e)->hyper;
        a->L[e] = (size_t)h->L;
        a->H[e] = (size_t)h->H;
        a->first[e] = a->n;
        a->n += a->L[e] * (2 + a->H[e]);
    }
    a->items = glim__calloc(a->p->ctx, a->n, sizeof *a->items);
    a->lost = glim__calloc(a->p->ctx, 2 * a->n, sizeof *a->lost);
    if (!a->items || !a->lost)
        return glim__oom(a->p->ctx, err, "patches", a->n * sizeof *a->items);
    a->out = a->lost + a->n;
    for (size_t i = 0; i < a->n; i++) {
        size_t e = a->halves == 2 && i >= a->first[1], k = i - a->first[e];
        size_t layer = k / (2 + a->H[e]), part = k % (2 + a->H[e]);
        a->items[i] = (glim_patch_item){.kind = kinds[part < 2 ? part : 2],
                                        .encoder = e == 1,
                                        .first = layer,
                                        .past = layer + 1,
                                        .position = GLIM_EVERY,
                                        .head = part < 2 ? GLIM_EVERY : part - 2};
    }
    return GLIM_OK;
}

/* For the values that p has. */
static glim_status make_room(struct ablation *a, const glim_predictor *p, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < a->halves * KINDS && !status; i++) {
        size_t e = i / KINDS, k = i % KINDS;
        glim__free(a->p->ctx, a->run.donor[e][kinds[k]].values);
        status = glim__patching_room(&a->run, kinds[k], e == 1, positions(p, e), err);
    }
    return status;
}

/* ---- means ---- */

static glim_status put_means(struct ablation *a, glim_error *err) {
    glim_status status = make_room(a, a->p, err);
    for (size_t i = 0; i < a->halves * KINDS && !status; i++) {
        const glim_patch_store *s = &a->run.donor[i / KINDS][kinds[i % KINDS]];
        for (size_t v = 0; v < s->layers * s->T * s->width; v++)
            s->values[v] = glim__site_mean(&a->means[i / KINDS], (int)(i % KINDS),
                                           v / (s->T * s->width), v % s->width);
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
    for (size_t e = 0; e < a->halves; e++)
        glim__site_means_init(&a->means[e], model_of(a, e), names, KINDS);
    if (o->data)
        status = glim__site_means_corpus(&a->means[0], o->data, o->text_column, &a->kept, ran, err);
    for (size_t i = 0; i < (o->n_others ? o->n_others : 1) && !o->data; i++)
        for (size_t e = 0; e < a->halves && !status; e++)
            status = glim__site_means_input(&a->means[e], o->n_others ? o->others[i] : a->p, err);
    return status ? status : put_means(a, err);
}

/* ---- other inputs ---- */

static glim_status resample(struct ablation *a, glim_error *err) {
    const glim_ablate_options *o = a->o;
    size_t own[2] = {positions(a->p, 0), a->halves == 2 ? positions(a->p, 1) : 0};
    int64_t *map = glim__calloc(a->p->ctx, own[0] + own[1], sizeof *map);
    glim_status status =
        map ? GLIM_OK : glim__oom(a->p->ctx, err, "positions", (own[0] + own[1]) * sizeof *map);
    for (size_t i = 0; i < o->n_others && !status; i++) {
        for (size_t e = 0; e < a->halves && e < 2; e++) {
            int64_t *mine = map + e * own[0], T = (int64_t)positions(o->others[i], e);
            for (size_t t = 0; t < own[e]; t++) /* a shorter one ends with its last */
                mine[t] = (int64_t)t < T ? (int64_t)t : T - 1;
            a->run.map[e] = mine;
        }
        status = make_room(a, o->others[i], err);
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
    a->run.map[0] = a->run.map[1] = NULL;
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
        status = a->o->how == GLIM_ABLATE_MEAN ? find_means(a, err) : make_room(a, a->p, err);
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

static bool put_grid(const struct ablation *a, const glim_report *r, size_t half, bool heads) {
    static const char *const names[2][2] = {{"ablated", "ablated-heads"},
                                            {"encoder-ablated", "encoder-ablated-heads"}};
    static const char *const titles[2][2] = {
        {"Lost without a part of a layer", "Lost without a head"},
        {"Encoder: Lost without a part of a layer", "Encoder: Lost without a head"}};
    size_t L = a->L[half], H = a->H[half], columns = heads ? H : 2;
    const double *lost = a->lost + a->first[half] + (heads ? 2 : 0);
    glim_panel *p = glim_document_panel_add(r->doc, GLIM_PANEL_GRID, names[half][heads],
                                            titles[half][heads], L, columns);
    bool ok = p != NULL;
    for (size_t c = 0; c < columns && ok; c++)
        ok = heads ? glim_document_label(r->doc, &p->columns, c, "%zu", c)
                   : glim_document_label(r->doc, &p->columns, c, c ? "feed-forward" : "attention");
    for (size_t i = 0; i < L && ok; i++) {
        size_t l = L - 1 - i;
        ok = glim_document_label(r->doc, &p->rows, i, "%zu", l);
        memcpy(p->values + i * columns, lost + l * (2 + H), columns * sizeof(double));
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
    for (size_t e = 0; e < a->halves; e++)
        glim__site_means_release(&a->means[e]);
    glim__free(a->p->ctx, a->items);
    glim__free(a->p->ctx, a->lost);
}

static bool show(const struct ablation *a, const glim_report *r) {
    const glim_site_means *m = &a->means[0];
    bool ok = true;
    if (a->o->data && m->ctx)
        glim_document_note(r->doc, "means of %llu texts (longer ones in passages), %llu tokens",
                           (unsigned long long)m->passages, (unsigned long long)m->rows);
    for (size_t i = 0; i < 2 * a->halves && ok; i++)
        ok = put_grid(a, r, i / 2, i % 2 == 1);
    return ok && glim_document_check_add(r->doc, "target", a->run.value, "with all parts");
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
    if (!p->model || !p->observe || p->image)
        return glim_fail(err, GLIM_EUSAGE, "ablation is for models of texts");
    if (o->data && (o->how != GLIM_ABLATE_MEAN || ((glim_lm *)p)->written))
        return glim_fail(err, GLIM_EUSAGE, "a corpus is for means, and for one stack of blocks");
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
