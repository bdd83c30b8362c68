/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ablation: what the target loses when a part says nothing of this input. Its mean over other
 * inputs stays near what later layers are used to; zeros may be further from it than any
 * input is; with another input's values (resample) nothing is out of place but the content.
 */
#include "structure/patch.h"

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
    glim_patching run;
    glim_patch_item *items;
    size_t n, halves, L[2], H[2], first[2]; /* of a half's items */
    double *lost, *out;                     /* [n] */
    float *mean[2][KINDS];                  /* (layers, width) of the inputs so far */
    double rows[2];
};

static size_t positions(const glim_predictor *p, size_t half) {
    return glim__lm_positions(p, half == 1, NULL);
}

static glim_status list_items(struct ablation *a, glim_error *err) {
    const glim_model *m = ((const glim_lm *)a->p)->model;
    a->halves = ((const glim_lm *)a->p)->written ? 2 : 1;
    for (size_t e = 0; e < a->halves; e++) {
        const glim_hyper *h = &(e ? m->encoder : m)->hyper;
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

/* The first position draws attention whatever it says: it is no text's. */
static glim_status add_means(struct ablation *a, glim_predictor *p, glim_error *err) {
    glim_status status = make_room(a, p, err);
    if (!status)
        status = glim__patching_donate(&a->run, p, err);
    for (size_t i = 0; i < a->halves * KINDS && !status; i++) {
        const glim_patch_store *s = &a->run.donor[i / KINDS][kinds[i % KINDS]];
        float **mean = &a->mean[i / KINDS][i % KINDS];
        if (!*mean)
            *mean = glim__calloc(p->ctx, s->layers * s->width, sizeof **mean);
        if (!*mean)
            return glim__oom(p->ctx, err, "means", s->layers * s->width * sizeof(float));
        for (size_t l = 0; l < s->layers; l++)
            for (size_t t = s->T > 1; t < s->T; t++)
                for (size_t c = 0; c < s->width; c++)
                    (*mean)[l * s->width + c] += s->values[(l * s->T + t) * s->width + c];
    }
    for (size_t e = 0; e < a->halves; e++)
        a->rows[e] += (double)(positions(p, e) - (positions(p, e) > 1));
    return status;
}

static glim_status put_means(struct ablation *a, glim_error *err) {
    glim_status status = make_room(a, a->p, err);
    for (size_t i = 0; i < a->halves * KINDS && !status; i++) {
        const glim_patch_store *s = &a->run.donor[i / KINDS][kinds[i % KINDS]];
        const float *mean = a->mean[i / KINDS][i % KINDS];
        for (size_t v = 0; v < s->layers * s->T * s->width && mean; v++)
            s->values[v] =
                (float)(mean[v / (s->T * s->width) * s->width + v % s->width] / a->rows[i / KINDS]);
    }
    return status;
}

/* ---- other inputs ---- */

static glim_status resample(struct ablation *a, glim_predictor *const *others, size_t n,
                            glim_error *err) {
    size_t own[2] = {positions(a->p, 0), a->halves == 2 ? positions(a->p, 1) : 0};
    int64_t *map = glim__calloc(a->p->ctx, own[0] + own[1], sizeof *map);
    glim_status status =
        map ? GLIM_OK : glim__oom(a->p->ctx, err, "positions", (own[0] + own[1]) * sizeof *map);
    for (size_t i = 0; i < n && !status; i++) {
        for (size_t e = 0; e < a->halves; e++) {
            int64_t *mine = map + e * own[0], T = (int64_t)positions(others[i], e);
            for (size_t t = 0; t < own[e]; t++) /* a shorter one ends with its last */
                mine[t] = (int64_t)t < T ? (int64_t)t : T - 1;
            a->run.map[e] = mine;
        }
        status = make_room(a, others[i], err);
        if (!status)
            status = glim__patching_donate(&a->run, others[i], err);
        if (!status)
            status = glim__patching_run(&a->run, a->items, a->n, a->out, err);
        for (size_t k = 0; k < a->n && !status; k++)
            a->lost[k] += (a->run.value - a->out[k]) / (double)n;
    }
    a->run.map[0] = a->run.map[1] = NULL;
    glim__free(a->p->ctx, map);
    return status;
}

static glim_status run(struct ablation *a, glim_ablation how, glim_predictor *const *others,
                       size_t n, glim_error *err) {
    glim_predictor *self[] = {a->p};
    glim_status status = GLIM_OK;
    if (how == GLIM_ABLATE_RESAMPLE)
        return n ? resample(a, others, n, err)
                 : glim_fail(err, GLIM_EUSAGE,
                             "resampling puts in what other inputs have: name some (--data FILE)");
    for (size_t i = 0; i < (n ? n : 1) && how == GLIM_ABLATE_MEAN && !status; i++)
        status = add_means(a, n ? others[i] : self[0], err);
    if (!status)
        status = put_means(a, err);
    if (!status)
        status = glim__patching_run(&a->run, a->items, a->n, a->out, err);
    for (size_t k = 0; k < a->n && !status; k++)
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
    size_t L = a->L[half], H = a->H[half], columns = heads ? H : 2, skip = heads ? 2 : 0;
    const double *lost = a->lost + a->first[half] + skip;
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
    for (size_t i = 0; i < 2 * KINDS; i++)
        glim__free(a->p->ctx, a->mean[i / KINDS][i % KINDS]);
    glim__free(a->p->ctx, a->items);
    glim__free(a->p->ctx, a->lost);
}

glim_status glim_patch_ablate(glim_document **out, glim_predictor *p, glim_ablation how,
                              glim_predictor *const *others, size_t n, glim_error *err) {
    static const char *const names[] = {"mean", "zero", "resample"};
    struct ablation a = {.p = p};
    glim_report r = {0};
    char params[64];
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (others[i]->model != p->model)
            return glim_fail(err, GLIM_EUSAGE, "other inputs must be the same model's");
    if (!p->model || !p->observe || p->image)
        return glim_fail(err, GLIM_EUSAGE, "ablation is for models of texts");
    snprintf(params, sizeof params, "{\"ablate\": \"%s\", \"inputs\": %zu}", names[how], n);
    glim_status status = glim__report_begin(&r, p, &words, params, err);
    if (!status)
        status = glim__patching_init(&a.run, p, NULL, err);
    if (!status)
        status = list_items(&a, err);
    glim__progress_begin_items(p->ctx, words.name,
                               a.n * (how == GLIM_ABLATE_RESAMPLE && n ? n : 1));
    if (!status)
        status = run(&a, how, others, n, err);
    glim__progress_end(p->ctx);
    bool ok = !status;
    for (size_t i = 0; i < 2 * a.halves && ok; i++)
        ok = put_grid(&a, &r, i / 2, i % 2 == 1);
    if (!status && !(ok && glim_document_check_add(r.doc, "target", a.run.value, "with all parts")))
        status = glim__oom(p->ctx, err, "the document", a.n * 8);
    release(&a);
    if (status) {
        glim_document_free(r.doc);
        return status;
    }
    return glim__report_end(&r, status, out);
}
