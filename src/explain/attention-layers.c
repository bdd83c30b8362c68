/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of a model from the top down, each with its heads made one. A pass goes from
 * the bottom up, so the layers of interest are kept until it is over: as many as memory
 * allows, the top ones first; each further group costs a pass more. Keeping the whole
 * product of layers instead (rollout from the bottom up) takes T^3 a layer where rows
 * from the top down take T^2.
 *
 * Columns are cut into fixed blocks that workers share, so bits do not depend on threads.
 */
#include "explain/attention.h"

#include <string.h>

enum { COLUMNS = 128, ROWS = 16 };
/* Kept at once when no budget says otherwise. */
static const uint64_t KEEP_WITHOUT_BUDGET = (uint64_t)1 << 30;

struct slot {
    glim_pattern_kind kind;
    int layer;
    size_t floats;
    float *weights; /* while it is kept */
};

struct down {
    glim_predictor *p;
    const glim_attended_how *how;
    glim_pattern_shape shapes[GLIM_PATTERN_KINDS];
    struct slot *slots;    /* in the order of a pass */
    size_t n, first, past; /* those that this pass keeps */
};

static size_t floats_of(const glim_pattern_shape *s) {
    return s->causal ? s->T * (s->T + 1) / 2 : s->T * s->S;
}

/* Slots in the order in which a pass meets them; NULL counts them. */
static size_t list_slots(const glim_predictor *p, unsigned kinds, struct slot *out,
                         glim_pattern_shape *shapes) {
    size_t n = 0;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        shapes[k] = kinds & 1u << k ? glim__pattern_shape(p, (glim_pattern_kind)k)
                                    : (glim_pattern_shape){0};
    const glim_pattern_shape *e = &shapes[GLIM_PATTERN_ENCODER];
    for (int i = 0; i < e->layers; i++, n++)
        if (out)
            out[n] = (struct slot){GLIM_PATTERN_ENCODER, i, floats_of(e), NULL};
    int most = shapes[GLIM_PATTERN_SELF].layers;
    most = shapes[GLIM_PATTERN_CROSS].layers > most ? shapes[GLIM_PATTERN_CROSS].layers : most;
    for (int i = 0; i < most; i++)
        for (int k = GLIM_PATTERN_SELF; k <= GLIM_PATTERN_CROSS; k++) {
            if (i >= shapes[k].layers)
                continue;
            if (out)
                out[n] = (struct slot){(glim_pattern_kind)k, i, floats_of(&shapes[k]), NULL};
            n++;
        }
    return n;
}

/* ---- one head into its layer ---- */

struct mix {
    const struct down *d;
    const glim_pattern *one;
    glim_attended layer;
    glim_sinks *sinks;
};

static void mix_row(const struct mix *m, float *into, const float *row, size_t from, size_t to) {
    const glim_head_choice *heads = &m->d->how->heads;
    int head = m->one->head;
    if (heads->how == GLIM_HEADS_ONE ? head == heads->one : !head) {
        memcpy(into + from, row + from, (to - from) * sizeof *into);
        return;
    }
    for (size_t k = from; k < to && heads->how == GLIM_HEADS_MEAN; k++)
        into[k] += row[k];
    for (size_t k = from; k < to && heads->how == GLIM_HEADS_MAX; k++)
        into[k] = row[k] > into[k] ? row[k] : into[k];
    for (size_t k = from; k < to && heads->how == GLIM_HEADS_MIN; k++)
        into[k] = row[k] < into[k] ? row[k] : into[k];
}

static void mix_item(void *data, size_t item, int worker) {
    const struct mix *m = data;
    size_t S = m->one->shape.S, from = item * COLUMNS, to = from + COLUMNS < S ? from + COLUMNS : S;
    for (size_t t = m->layer.shape.causal ? from : 0; t < m->layer.shape.T; t++) {
        size_t n;
        float *into = glim__attended_row(&m->layer, t, &n);
        mix_row(m, into, m->one->weights + t * S, from, n < to ? n : to);
    }
    if (m->sinks)
        glim__sinks_add(m->sinks, m->one, from, to);
}

/* After the last head: the mean, and what is done about sinks. */
static void end_item(void *data, size_t item, int worker) {
    const struct mix *m = data;
    size_t first = item * ROWS, T = m->layer.shape.T, past = first + ROWS < T ? first + ROWS : T;
    float share = 1.0f / (float)m->layer.shape.heads;
    for (size_t t = first; t < past; t++) {
        size_t n;
        float *row = glim__attended_row(&m->layer, t, &n);
        for (size_t k = 0; k < n && m->d->how->heads.how == GLIM_HEADS_MEAN; k++)
            row[k] *= share;
        if (m->sinks)
            glim__sinks_apply(m->sinks, row, n, m->layer.kind == GLIM_PATTERN_CROSS ? SIZE_MAX : t);
    }
}

static glim_status take_head(void *data, const glim_pattern *one, glim_error *err) {
    const struct down *d = data;
    glim_context *ctx = d->p->ctx;
    size_t i = d->first;
    while (i < d->past && (d->slots[i].kind != one->kind || d->slots[i].layer != one->layer))
        i++;
    if (i == d->past)
        return GLIM_OK;
    struct mix m = {.d = d,
                    .one = one,
                    .layer = {one->kind, one->layer, one->shape, d->slots[i].weights},
                    .sinks = d->how->sinks[one->kind]};
    bool last = one->head == one->shape.heads - 1;
    glim__parallel(ctx, (one->shape.S + COLUMNS - 1) / COLUMNS, mix_item, &m);
    if (last && m.sinks)
        glim__sinks_find(m.sinks, &one->shape);
    if (last)
        glim__parallel(ctx, (one->shape.T + ROWS - 1) / ROWS, end_item, &m);
    return GLIM_OK;
}

/* ---- passes ---- */

/* Floats that may be kept beside a pass. */
static uint64_t room(const glim_predictor *p, unsigned kinds, uint64_t left) {
    glim_plan pass = {0};
    glim__patterns_plan(p, kinds, false, &pass);
    if (left == UINT64_MAX)
        return KEEP_WITHOUT_BUDGET / 4;
    return left > pass.bytes ? (left - pass.bytes) / 4 : 0;
}

/* The first slot of the group that ends before `past`. */
static size_t group_first(const struct slot *slots, size_t past, uint64_t floats) {
    size_t first = past - 1;
    uint64_t used = slots[first].floats;
    while (first && used + slots[first - 1].floats + 32 <= floats)
        used += slots[--first].floats + 32;
    return first;
}

static glim_status run_group(struct down *d, unsigned kinds, glim_attended_visit *visit, void *data,
                             glim_error *err) {
    glim_context *ctx = d->p->ctx;
    glim_status status = GLIM_OK;
    for (size_t i = d->first; i < d->past && !status; i++) {
        d->slots[i].weights = glim__alloc(ctx, d->slots[i].floats * sizeof(float));
        if (!d->slots[i].weights)
            status = glim__oom(ctx, err, "a layer's attention", d->slots[i].floats * sizeof(float));
    }
    if (!status)
        status = glim__patterns_each(d->p, kinds, take_head, d, err);
    for (size_t i = d->past; i > d->first; i--) {
        struct slot *s = &d->slots[i - 1];
        glim_attended layer = {s->kind, s->layer, d->shapes[s->kind], s->weights};
        if (!status)
            status = visit(data, &layer, err);
        if (!status)
            status = glim__check_cancel(ctx, err);
        glim__free(ctx, s->weights);
        s->weights = NULL;
    }
    return status;
}

glim_status glim__attended_down(glim_predictor *p, unsigned kinds, const glim_attended_how *how,
                                glim_attended_visit *visit, void *data, glim_error *err) {
    struct down d = {.p = p, .how = how};
    d.n = list_slots(p, kinds, NULL, d.shapes);
    d.slots = glim__calloc(p->ctx, d.n + 1, sizeof *d.slots);
    if (!d.slots)
        return glim__oom(p->ctx, err, "the layers", d.n * sizeof *d.slots);
    list_slots(p, kinds, d.slots, d.shapes);
    uint64_t floats = room(p, kinds, glim__budget_left(p->ctx));
    glim_status status = GLIM_OK;
    for (d.past = d.n; d.past && !status; d.past = d.first) {
        d.first = group_first(d.slots, d.past, floats);
        status = run_group(&d, kinds, visit, data, err);
    }
    glim__free(p->ctx, d.slots);
    return status;
}

void glim__attended_plan(const glim_predictor *p, unsigned kinds, glim_plan *out) {
    glim_pattern_shape shapes[GLIM_PATTERN_KINDS];
    size_t n = list_slots(p, kinds, NULL, shapes);
    struct slot *slots = glim__calloc(p->ctx, n + 1, sizeof *slots);
    glim_plan pass = {0};
    glim__patterns_plan(p, kinds, false, &pass);
    uint64_t largest = 0, all = 0, own = (n + 1) * sizeof *slots + 192, passes = 0;
    list_slots(p, kinds, slots, shapes);
    for (size_t i = 0; i < n && slots; i++) {
        largest = slots[i].floats > largest ? slots[i].floats : largest;
        all += slots[i].floats + 32;
    }
    uint64_t floats = room(p, kinds, glim__budget_left(p->ctx));
    for (size_t past = n; past && slots; passes++)
        past = group_first(slots, past, floats);
    glim__free(p->ctx, slots);
    uint64_t bytes = pass.bytes + own + 4 * (largest + 32),
             most = pass.bytes_wanted + own + 4 * all;
    out->forward_tokens += passes * pass.forward_tokens;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = most > out->bytes_wanted ? most : out->bytes_wanted;
}
