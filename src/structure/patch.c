/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two runs, and the values of one put into the other at each place in turn: one number for
 * every layer and position, or layer and head; or all of them guessed by one gradient, and the
 * strongest put in to see.
 */
#include "structure/patch.h"

#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double LEAST_DIFFERENCE = 0.1;

static const glim_report_words words[] = {
    {"patch", "activation-patching", "what inner values of one input do in the run of another",
     "Vig et al. 2020, arXiv:2004.12265; Heimersheim, Nanda 2024, arXiv:2404.15255",
     "What is enough to restore an answer need not be what the model uses, and what is needed need "
     "not be where it is worked out: look from both sides."},
    {"patch", "attribution-patching", "what such patches would do, by one gradient",
     "Nanda 2023; Kramar et al. 2024, arXiv:2403.00745",
     "A first-order guess: it misses where attention or norms are saturated. The strongest are "
     "put in exactly beside it."}};

/* ---- which ---- */

static bool is_by_head(glim_patch_kind kind) {
    return kind >= GLIM_PATCH_Z;
}

glim_patch_item glim__patch_item(const glim_patch_map *m, size_t i) {
    size_t layer = i / m->columns, column = i % m->columns;
    bool head = is_by_head(m->kind);
    return (glim_patch_item){.kind = m->kind,
                             .encoder = m->encoder,
                             .first = layer,
                             .past = layer + 1,
                             .position = head ? GLIM_EVERY : column,
                             .head = head ? column : GLIM_EVERY};
}

static glim_status add_map(glim_patch_work *w, glim_patch_kind kind, bool encoder,
                           glim_error *err) {
    const glim_model *m = ((const glim_lm *)w->base)->model;
    const glim_hyper *h = &(encoder ? m->encoder : m)->hyper;
    for (size_t i = 0; i < w->n_maps; i++)
        if (w->maps[i].kind == kind && w->maps[i].encoder == encoder)
            return GLIM_OK;
    glim_patch_map *map = &w->maps[w->n_maps];
    size_t heads = (size_t)(kind == GLIM_PATCH_K || kind == GLIM_PATCH_V ? h->G : h->H);
    *map = (glim_patch_map){
        .kind = kind,
        .encoder = encoder,
        .layers = (size_t)h->L,
        .columns = is_by_head(kind) ? heads : glim__lm_positions(w->base, encoder, NULL)};
    map->value = glim__calloc(w->base->ctx, map->layers * map->columns, sizeof *map->value);
    if (!map->value)
        return glim__oom(w->base->ctx, err, "effects", map->layers * map->columns * 8);
    for (size_t i = 0; i < map->layers * map->columns; i++)
        map->value[i] = NAN;
    w->n_items += map->layers * map->columns;
    w->n_maps++;
    return GLIM_OK;
}

glim_status glim__patch_choose(glim_patch_work *w, const char *sites, glim_error *err) {
    const char *all = "resid_pre, resid_mid, attn_out, mlp_out, z, q, k, v";
    bool two = ((const glim_lm *)w->base)->written != NULL;
    glim_status status = GLIM_OK;
    for (const char *s = sites ? sites : "resid_pre,attn_out,mlp_out,z"; *s && !status;) {
        size_t n = strcspn(s, ",");
        glim_patch_kind kind = glim__patch_kind_find(s, n);
        if (kind == GLIM_PATCH_KINDS)
            return glim_fail(err, GLIM_EUSAGE, "'%.*s' is none of %s", (int)(n < 40 ? n : 40), s,
                             all);
        if (two)
            status = add_map(w, kind, true, err);
        if (!status)
            status = add_map(w, kind, false, err);
        s += n + (s[n] == ',');
    }
    if (!status && !w->n_maps)
        status = glim_fail(err, GLIM_EUSAGE, "no site is named (%s)", all);
    return status;
}

/* ---- alignment ---- */

void glim__patch_common(const int32_t *x, size_t n, const int32_t *y, size_t m, size_t *head,
                        size_t *tail) {
    size_t least = n < m ? n : m;
    *head = *tail = 0;
    while (*head < least && x[*head] == y[*head])
        ++*head;
    while (*tail < least - *head && x[n - 1 - *tail] == y[m - 1 - *tail])
        ++*tail;
}

static glim_status align_half(glim_patch_work *w, bool encoder, glim_error *err) {
    const int32_t *x, *y;
    size_t n = glim__lm_positions(w->base, encoder, &x),
           m = glim__lm_positions(w->donor, encoder, &y), head, tail;
    if (n == m)
        return GLIM_OK;
    glim__patch_common(x, n, y, m, &head, &tail);
    if (!tail)
        return glim_fail(err, GLIM_EUSAGE,
                         "the inputs have %zu and %zu tokens and no common end, so nothing tells "
                         "which belong together (write them with as many tokens: glim tokenize)",
                         n, m);
    w->map[encoder] = glim__calloc(w->base->ctx, n, sizeof *w->map[encoder]);
    if (!w->map[encoder])
        return glim__oom(w->base->ctx, err, "the alignment", n * sizeof *w->map[encoder]);
    for (size_t i = 0; i < n; i++)
        w->map[encoder][i] = i < head ? (int64_t)i : i >= n - tail ? (int64_t)(i + m - n) : -1;
    return GLIM_OK;
}

glim_status glim__patch_align(glim_patch_work *w, glim_error *err) {
    glim_status status = align_half(w, false, err);
    if (!status && ((const glim_lm *)w->base)->written)
        status = align_half(w, true, err);
    return status;
}

/* ---- runs ---- */

double glim__patch_target(const glim_predictor *p) {
    double sum = 0;
    for (size_t r = 0; r < p->n_rows; r++)
        sum += p->value[r];
    return sum;
}

glim_status glim__patch_check(const glim_predictor *a, const glim_predictor *b, glim_error *err) {
    const glim_lm *x = (const glim_lm *)a, *y = (const glim_lm *)b;
    if (!a->model || a->model != b->model || a->image)
        return glim_fail(err, GLIM_EUSAGE, "patches are between two inputs of one language model");
    if (x->labels || y->labels || x->direction || y->direction)
        return glim_fail(err, GLIM_EUSAGE, "patches need a token or a class as the target");
    bool same = a->n_rows == b->n_rows && x->output == y->output;
    for (size_t r = 0; r < a->n_rows && same; r++)
        same = x->rows[r].id == y->rows[r].id && x->rows[r].against == y->rows[r].against;
    return same ? GLIM_OK
                : glim_fail(err, GLIM_EUSAGE, "the two inputs have other targets (name one)");
}

static glim_status start(glim_patch_work *w, glim_error *err) {
    glim_status status = glim__patch_choose(w, w->o->sites, err);
    if (!status)
        status = glim__patch_align(w, err);
    w->from = glim__patch_target(w->base);
    w->to = glim__patch_target(w->donor);
    if (!status && !(fabs(w->to - w->from) >= LEAST_DIFFERENCE))
        status = glim_fail(err, GLIM_EUSAGE,
                           "the target is %.3g on one input and %.3g on the other: too near each "
                           "other to say what makes the difference (another target, or --against)",
                           w->to, w->from);
    if (!status)
        status = glim__patching_init(&w->run, w->base, NULL, err);
    for (int e = 0; e < 2; e++)
        w->run.map[e] = w->map[e];
    for (size_t i = 0; i < w->n_maps && !status; i++)
        status = glim__patching_room(&w->run, w->maps[i].kind, w->maps[i].encoder,
                                     glim__lm_positions(w->donor, w->maps[i].encoder, NULL), err);
    if (!status)
        status = glim__patching_donate(&w->run, w->donor, err);
    if (!status)
        status = glim__work_open(&w->kept, w->run.m, w->o->store, err);
    if (!status)
        glim__patching_keep(&w->run, &w->kept);
    return status;
}

static double effect(const glim_patch_work *w, double value) {
    return (value - w->from) / (w->to - w->from);
}

static glim_status run_maps(glim_patch_work *w, glim_error *err) {
    glim_patch_item *items = glim__calloc(w->base->ctx, w->n_items, sizeof *items);
    double *out = glim__calloc(w->base->ctx, w->n_items, sizeof *out);
    size_t n = 0;
    glim_status status = items && out
                             ? GLIM_OK
                             : glim__oom(w->base->ctx, err, "patches", w->n_items * sizeof *items);
    for (size_t i = 0; i < w->n_maps && !status; i++)
        for (size_t k = 0; k < w->maps[i].layers * w->maps[i].columns; k++)
            items[n++] = glim__patch_item(&w->maps[i], k);
    if (!status)
        status = glim__patching_run(&w->run, items, n, out, err);
    n = 0;
    for (size_t i = 0; i < w->n_maps && out && (!status || status == GLIM_ECANCELLED); i++)
        for (size_t k = 0; k < w->maps[i].layers * w->maps[i].columns; k++)
            w->maps[i].value[k] = effect(w, out[n++]);
    glim__free(w->base->ctx, items);
    glim__free(w->base->ctx, out);
    return status;
}

size_t glim__patch_strongest(const glim_patch_work *w, size_t most, size_t *map, size_t *item) {
    size_t n = 0;
    bool parts = false;
    for (size_t i = 0; i < w->n_maps; i++)
        parts = parts || w->maps[i].kind > GLIM_PATCH_RESID_MID;
    for (size_t i = 0; i < w->n_maps; i++)
        for (size_t k = 0; k < w->maps[i].layers * w->maps[i].columns; k++) {
            if (parts && w->maps[i].kind <= GLIM_PATCH_RESID_MID)
                break; /* the stream where inputs differ is the whole difference anyway */
            double size = fabs(w->maps[i].value[k]);
            if (!(size >= 0) ||
                (n == most && !(size > fabs(w->maps[map[n - 1]].value[item[n - 1]]))))
                continue;
            size_t at = n < most ? n++ : n - 1;
            for (; at > 0 && size > fabs(w->maps[map[at - 1]].value[item[at - 1]]); at--) {
                map[at] = map[at - 1];
                item[at] = item[at - 1];
            }
            map[at] = i;
            item[at] = k;
        }
    return n;
}

struct strongest {
    size_t *map, *item, n;
    double *exact;
};

/* The strongest of a guess, put in. */
static glim_status see(glim_patch_work *w, struct strongest *s, glim_error *err) {
    glim_patch_item *items = glim__calloc(w->base->ctx, s->n + 1, sizeof *items);
    glim_status status =
        items ? GLIM_OK : glim__oom(w->base->ctx, err, "patches", s->n * sizeof *items);
    for (size_t i = 0; i < s->n && !status; i++)
        items[i] = glim__patch_item(&w->maps[s->map[i]], s->item[i]);
    if (!status)
        status = glim__patching_run(&w->run, items, s->n, s->exact, err);
    for (size_t i = 0; i < s->n; i++)
        s->exact[i] = effect(w, s->exact[i]);
    glim__free(w->base->ctx, items);
    return status;
}

static glim_status run_and_show(glim_patch_work *w, const glim_report *r, glim_error *err) {
    const glim_patch_options *o = w->o;
    size_t most = o->estimate ? (o->check ? o->check : 10) : o->top ? o->top : 10;
    glim_context *ctx = w->base->ctx;
    struct strongest s = {.map = glim__calloc(ctx, most, sizeof *s.map),
                          .item = glim__calloc(ctx, most, sizeof *s.item),
                          .exact = glim__calloc(ctx, most, sizeof *s.exact)};
    glim_status status = s.map && s.item && s.exact
                             ? GLIM_OK
                             : glim__oom(ctx, err, "patches", most * 3 * sizeof *s.map);
    glim__progress_begin_items(ctx, words[o->estimate].name, o->estimate ? most : w->n_items);
    if (!status)
        status = o->estimate ? glim__patch_estimate(w, err) : run_maps(w, err);
    if (s.exact && (!status || status == GLIM_ECANCELLED))
        s.n = glim__patch_strongest(w, most, s.map, s.item);
    if (!status && o->estimate)
        status = see(w, &s, err);
    glim__progress_end(ctx);
    if ((!status || status == GLIM_ECANCELLED) &&
        !glim__patch_show(w, r, s.map, s.item, o->estimate ? s.exact : NULL, s.n))
        status = glim__oom(ctx, err, "the document", w->n_items * 8);
    glim__free(ctx, s.map);
    glim__free(ctx, s.item);
    glim__free(ctx, s.exact);
    return status;
}

static void set_up(glim_patch_work *w, glim_predictor *clean, glim_predictor *corrupted,
                   const glim_patch_options *o) {
    *w = (glim_patch_work){.clean = clean, .corrupted = corrupted, .o = o};
    w->base = o->noise ? clean : corrupted;
    w->donor = o->noise ? corrupted : clean;
}

static void release(glim_patch_work *w) {
    glim__patching_release(&w->run);
    glim__work_close(&w->kept);
    for (size_t i = 0; i < w->n_maps; i++)
        glim__free(w->base->ctx, w->maps[i].value);
    for (int e = 0; e < 2; e++)
        glim__free(w->base->ctx, w->map[e]);
}

glim_status glim_patch_read(glim_document **out, glim_predictor *clean, glim_predictor *corrupted,
                            const glim_patch_options *o, glim_error *err) {
    glim_patch_work w;
    glim_report r = {0};
    char params[256];
    *out = NULL;
    glim_status status = glim__patch_check(clean, corrupted, err);
    if (status)
        return status;
    set_up(&w, clean, corrupted, o);
    snprintf(params, sizeof params, "{\"sites\": \"%.120s\", \"noise\": %s, \"estimate\": %s}",
             o->sites ? o->sites : "resid_pre,attn_out,mlp_out,z", o->noise ? "true" : "false",
             o->estimate ? "true" : "false");
    status = glim__report_begin(&r, clean, &words[o->estimate], params, err);
    if (!status)
        glim__report_count(&r, corrupted);
    if (!status)
        status = start(&w, err);
    if (!status)
        status = run_and_show(&w, &r, err);
    release(&w);
    return glim__report_end(&r, status, out);
}

glim_status glim_patch_plan(const glim_predictor *clean, const glim_predictor *corrupted,
                            const glim_patch_options *o, glim_plan *out, glim_error *err) {
    glim_patch_work w;
    glim_status status = glim__patch_check(clean, corrupted, err);
    if (status)
        return status;
    set_up(&w, (glim_predictor *)clean, (glim_predictor *)corrupted, o);
    status = glim__patch_choose(&w, o->sites, err);
    const glim_lm *lm = (const glim_lm *)w.base;
    uint64_t T = lm->written ? w.base->n_rows + w.base->T : w.base->T;
    uint64_t check_of = o->check ? o->check : 10;
    *out = (glim_plan){.seconds = -1, .bounded = true};
    out->forward_tokens = 2 * T;
    if (o->estimate) {
        out->backward_tokens = T;
        out->forward_tokens += T + check_of * T / 2;
    }
    for (size_t i = 0; i < w.n_maps && !o->estimate; i++) {
        const glim_patch_map *m = &w.maps[i];
        uint64_t n = m->layers * m->columns;
        /* the rows behind a position, and the blocks above a layer: half of each */
        bool rows_too = !lm->whole && !lm->written && !is_by_head(m->kind);
        out->forward_tokens += m->encoder ? n * T : n * T / (rows_too ? 4 : 2);
    }
    out->bytes = out->bytes_wanted =
        glim__patching_plan(lm, w.n_maps) + glim_context_bytes(w.base->ctx);
    release(&w);
    return status;
}
