/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Causal tracing (Meng et al. 2022): the subject's embeddings are drowned in noise, so that the
 * answer goes, and values of the clean run are put back one place at a time: what enters a
 * block alone, what attention or feed-forward parts add over a window of blocks. Effects are means
 * over draws of the noise, with the same draws everywhere.
 */
#include "base/rng.h"
#include "model/model.h"
#include "structure/patch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const glim_report_words words = {
    "patch", "causal-tracing", "what restores the answer when the subject is drowned in noise",
    "Meng et al. 2022, arXiv:2202.05262",
    "Where an answer is restored says where it passes, not where it is stored."};

struct trace {
    glim_patch_work w;
    const glim_trace_options *o;
    uint64_t seed;
    size_t draws, window, T, C;
    double level; /* standard deviation of the noise */
    float *clean; /* (T, C) embeddings */
    float *noisy;
    double from;   /* sum over draws */
    double *value; /* [n_items] likewise */
    size_t done;   /* draws */
};

/* Of all entries of the embedding, as it enters the model. */
static glim_status spread(const glim_model *m, double *out, glim_error *err) {
    size_t C = (size_t)m->hyper.C, V = (size_t)m->hyper.V;
    float *row = glim__calloc(m->ctx, C, sizeof *row);
    double sum = 0, squares = 0, n = (double)V * (double)C;
    glim_status status = row ? GLIM_OK : glim__oom(m->ctx, err, "an embedding", C * sizeof *row);
    for (size_t v = 0; v < V && !status; v++) {
        status = glim_model_embedding(m, (int32_t)v, row, err);
        for (size_t c = 0; c < C; c++) {
            sum += row[c];
            squares += (double)row[c] * row[c];
        }
    }
    glim__free(m->ctx, row);
    *out = sqrt(fmax(squares / n - (sum / n) * (sum / n), 0));
    return status;
}

static void drown(struct trace *t, size_t draw) {
    memcpy(t->noisy, t->clean, t->T * t->C * sizeof *t->noisy);
    for (size_t k = t->o->first; k < t->o->first + t->o->count; k++)
        for (size_t c = 0; c < t->C; c++)
            t->noisy[k * t->C + c] +=
                (float)(t->level * glim__rng_normal(t->seed, draw, k * t->C + c));
}

/* Item k of a map; what parts add is restored over a window around its block. */
static glim_patch_item item_of(const struct trace *t, const glim_patch_map *m, size_t k) {
    glim_patch_item item = glim__patch_item(m, k);
    size_t half = t->window / 2, layer = item.first;
    if (m->kind == GLIM_PATCH_RESID_PRE)
        return item;
    item.first = layer > half ? layer - half : 0;
    item.past = item.first + t->window < m->layers ? item.first + t->window : m->layers;
    return item;
}

/* What a draw has, beside those before it; of one that was interrupted only where it is the
   first, since means are over the same draws everywhere. */
static void add_draw(struct trace *t, double base, const double *out) {
    for (size_t i = 0; i < t->w.n_items; i++)
        t->value[i] += out[i];
    t->from += base;
    t->done++;
}

static glim_status run_draw(struct trace *t, size_t draw, const glim_patch_item *items, double *out,
                            glim_error *err) {
    glim_patching run;
    drown(t, draw);
    glim_status status = glim__patching_init(&run, t->w.base, t->noisy, err);
    for (size_t i = 0; i < t->w.n_maps && !status; i++)
        status = glim__patching_room(&run, t->w.maps[i].kind, false, t->T, err);
    if (!status)
        status = glim__patching_donate(&run, t->w.donor, err);
    bool ready = !status;
    if (!status) {
        glim__patching_keep(&run, &t->w.kept);
        status = glim__patching_run(&run, items, t->w.n_items, out, err);
    }
    if (!status || (status == GLIM_ECANCELLED && ready && !draw))
        add_draw(t, run.value, out);
    glim__patching_release(&run);
    return status;
}

/* Means over the draws that were done, as effects. */
static glim_status finish(struct trace *t, glim_error *err) {
    size_t at = 0;
    t->w.from = t->from / (double)t->done;
    t->w.to = t->w.donor->value[0];
    if (!(fabs(t->w.to - t->w.from) >= 0.1))
        return glim_fail(err, GLIM_EUSAGE,
                         "noise on these tokens moves the target from %.3g to %.3g only: nothing "
                         "to restore (--subject the words that the answer hangs on)",
                         t->w.to, t->w.from);
    for (size_t i = 0; i < t->w.n_maps; i++)
        for (size_t k = 0; k < t->w.maps[i].layers * t->w.maps[i].columns; k++)
            t->w.maps[i].value[k] =
                (t->value[at++] / (double)t->done - t->w.from) / (t->w.to - t->w.from);
    return GLIM_OK;
}

static glim_status run_draws(struct trace *t, glim_error *err) {
    glim_context *ctx = t->w.base->ctx;
    size_t n = t->w.n_items, at = 0;
    glim_patch_item *items = glim__calloc(ctx, n, sizeof *items);
    double *out = glim__calloc(ctx, n, sizeof *out);
    t->value = glim__calloc(ctx, n, sizeof *t->value);
    glim_status status = items && out && t->value
                             ? glim__work_open(&t->w.kept, t->w.base->model, t->o->store, err)
                             : glim__oom(ctx, err, "patches", n * 64);
    for (size_t i = 0; i < t->w.n_maps && !status; i++)
        for (size_t k = 0; k < t->w.maps[i].layers * t->w.maps[i].columns; k++)
            items[at++] = item_of(t, &t->w.maps[i], k);
    glim__progress_begin_items(ctx, words.name, t->draws * n);
    for (size_t d = 0; d < t->draws && !status; d++)
        status = run_draw(t, d, items, out, err);
    glim__progress_end(ctx);
    if (t->done && (!status || status == GLIM_ECANCELLED)) {
        glim_status told = finish(t, status ? NULL : err);
        status = status ? status : told;
    }
    glim__work_close(&t->w.kept);
    glim__free(ctx, items);
    glim__free(ctx, out);
    return status;
}

static bool show(struct trace *t, const glim_report *r) {
    enum { TOP = 10 };
    size_t map[TOP], item[TOP], n = glim__patch_strongest(&t->w, TOP, map, item);
    return glim__patch_show(&t->w, r, map, item, NULL, n) &&
           glim_document_check_add(r->doc, "noise", t->level, "its standard deviation");
}

static glim_status start(struct trace *t, glim_predictor *p, const glim_trace_options *o,
                         glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    size_t L = (size_t)lm->model->hyper.L, window = o->window ? o->window : 10;
    t->draws = o->draws ? o->draws : 10;
    t->window = window < (L + 2) / 3 || o->window ? window : (L + 2) / 3;
    t->T = p->T;
    t->C = p->C;
    t->clean = glim__calloc(p->ctx, t->T * t->C, sizeof *t->clean);
    t->noisy = glim__calloc(p->ctx, t->T * t->C, sizeof *t->noisy);
    glim_status status = t->clean && t->noisy
                             ? p->embed(p, t->clean, err)
                             : glim__oom(p->ctx, err, "embeddings", t->T * t->C * 8);
    if (!status)
        status = spread(lm->model, &t->level, err);
    t->level *= o->noise > 0 ? o->noise : 3;
    return status ? status : glim__patch_choose(&t->w, "resid_pre,attn_out,mlp_out", err);
}

glim_status glim_patch_trace(glim_document **out, glim_predictor *p, const glim_trace_options *o,
                             uint64_t seed, glim_error *err) {
    const glim_patch_options plain = {0};
    struct trace t = {.o = o, .seed = seed};
    glim_report r = {0};
    char params[160];
    *out = NULL;
    if (!p->model || !p->observe || p->image || ((glim_lm *)p)->written || p->n_rows != 1)
        return glim_fail(err, GLIM_EUSAGE,
                         "tracing is for one token or class that a text model says of its input");
    if (!o->count || o->first >= p->T || o->count > p->T - o->first)
        return glim_fail(err, GLIM_EUSAGE, "the subject is no part of the input's %zu tokens",
                         p->T);
    t.w = (glim_patch_work){.clean = p, .base = p, .donor = p, .o = &plain};
    t.w.marked_first = o->first;
    t.w.marked_count = o->count;
    snprintf(params, sizeof params, "{\"subject\": [%zu, %zu], \"noise\": %g, \"draws\": %zu}",
             o->first, o->first + o->count, o->noise > 0 ? o->noise : 3, o->draws ? o->draws : 10);
    glim_status status = glim__report_begin(&r, p, &words, params, err);
    if (!status)
        status = start(&t, p, o, err);
    if (!status)
        status = run_draws(&t, err);
    if ((!status || (status == GLIM_ECANCELLED && t.w.n_maps)) && !show(&t, &r))
        status = glim__oom(p->ctx, err, "the document", t.w.n_items * 8);
    if (r.doc)
        r.doc->seed = seed;
    if (status == GLIM_ECANCELLED && r.doc)
        glim_document_note(r.doc, "interrupted: %zu of %zu draws", t.done, t.draws);
    for (size_t i = 0; i < t.w.n_maps; i++)
        glim__free(p->ctx, t.w.maps[i].value);
    glim__free(p->ctx, t.clean);
    glim__free(p->ctx, t.noisy);
    glim__free(p->ctx, t.value);
    return glim__report_end(&r, status, out);
}
