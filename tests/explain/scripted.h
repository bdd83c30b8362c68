/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A predictor whose attention is written down: L layers of H heads of (T, T), with
 * gradients, so that methods of attention can be compared with sums done by hand. One
 * unit a token; the target is at `at`.
 */
#ifndef GLIM_TESTS_SCRIPTED_H
#define GLIM_TESTS_SCRIPTED_H

#include "analytic.h"
#include "explain/attention.h"
#include "model/model.h"

enum { SL = 4, SH = 3, ST = 24 }; /* the most of each */

struct scripted {
    glim_predictor base;
    struct glim_model model;
    int L, H;
    size_t T, at;
    float a[SL][SH][ST * ST], d[SL][SH][ST * ST];
    glim_unit unit[ST];
    glim_units units;
    size_t row_end[1];
    double value[1];
};

static inline glim_status scripted_show(struct scripted *s, const glim_hook *hook, int l, int h,
                                        bool gradient, glim_error *err) {
    float copy[ST * ST], other[ST * ST];
    memcpy(copy, gradient ? s->d[l][h] : s->a[l][h], sizeof copy);
    memcpy(other, s->a[l][h], sizeof other);
    glim_site site = {.name = "blocks.0.attn.hook_pattern",
                      .layer = l,
                      .n_dims = 2,
                      .dims = {s->T, s->T},
                      .data = copy,
                      .gradient = gradient,
                      .head = h,
                      .heads = s->H,
                      .value = gradient ? other : NULL};
    return hook->visit(hook->data, &site, err);
}

static inline glim_status scripted_observe(glim_predictor *p, const glim_hook *hooks, size_t n,
                                           long row, glim_error *err) {
    struct scripted *s = (struct scripted *)p;
    glim_status status = GLIM_OK;
    assert_int_equal(n, 1);
    assert_true(hooks[0].actions & GLIM_HOOK_HEADS);
    for (int l = 0; l < s->L && !status; l++)
        for (int h = 0; h < s->H && !status && (hooks[0].actions & GLIM_HOOK_READ); h++)
            status = scripted_show(s, hooks, l, h, false, err);
    for (int l = s->L - 1; l >= 0 && !status; l--)
        for (int h = 0; h < s->H && !status && (hooks[0].actions & GLIM_HOOK_GRAD); h++)
            status = scripted_show(s, hooks, l, h, true, err);
    return status;
}

static inline void scripted_plan(const glim_predictor *p, const glim_hook *hooks, size_t n,
                                 long row, glim_plan *out) {
    out->forward_tokens += p->T;
    out->bytes += 1 << 16;
}

static inline size_t scripted_at(const glim_predictor *p, size_t row) {
    return ((const struct scripted *)p)->at;
}

static inline glim_status scripted_describe(const glim_predictor *p, glim_document *doc,
                                            glim_error *err) {
    doc->input.text = "abcdefghijklmnopqrstuvwxyz";
    doc->input.text_len = p->T;
    doc->input.units = glim_document_alloc(doc, p->T * sizeof *doc->input.units);
    for (size_t u = 0; u < p->T; u++)
        doc->input.units[u] = (glim_document_unit){.text = doc->input.text + u,
                                                   .text_len = 1,
                                                   .first = u,
                                                   .count = 1,
                                                   .fixed = p->units->at[u].fixed,
                                                   .turn = -1};
    doc->input.n_units = p->T;
    doc->n_rows = 1;
    doc->target.output = "logit";
    return GLIM_OK;
}

/* Patterns drawn from a stream, rows that sum to one; gradients of both signs. */
static inline void scripted_init(struct scripted *s, glim_context *ctx, int L, int H, size_t T,
                                 bool causal, uint64_t stream) {
    memset(s, 0, sizeof *s);
    s->L = L;
    s->H = H;
    s->T = T;
    s->at = causal ? T - 1 : 0;
    s->model.info = (glim_model_info){.layers = L, .heads = H, .both_ways = !causal};
    for (int l = 0; l < L; l++)
        for (int h = 0; h < H; h++)
            for (size_t t = 0; t < T; t++) {
                size_t n = causal ? t + 1 : T;
                double sum = 0;
                for (size_t k = 0; k < n; k++) {
                    uint64_t draw = (((uint64_t)l * SH + (uint64_t)h) * ST + t) * ST + k;
                    s->a[l][h][t * T + k] = (float)exp(glim__rng_normal(1, stream, draw));
                    s->d[l][h][t * T + k] = (float)glim__rng_normal(2, stream, draw);
                    sum += s->a[l][h][t * T + k];
                }
                for (size_t k = 0; k < n; k++)
                    s->a[l][h][t * T + k] /= (float)sum;
            }
    for (size_t u = 0; u < T; u++)
        s->unit[u] = (glim_unit){.start = u, .end = u + 1, .first = u, .count = 1, .turn = -1};
    s->units = (glim_units){.ctx = ctx, .at = s->unit, .count = T};
    s->row_end[0] = T;
    s->base = (glim_predictor){.ctx = ctx,
                               .name = "scripted",
                               .model = &s->model,
                               .can = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT | GLIM_CAN_ATTENTION,
                               .units = &s->units,
                               .n_rows = 1,
                               .T = T,
                               .C = 1,
                               .row_end = s->row_end,
                               .value = s->value,
                               .observe = scripted_observe,
                               .row_at = scripted_at,
                               .plan_observe = scripted_plan,
                               .describe = scripted_describe,
                               .cost = analytic_cost};
}

#endif
