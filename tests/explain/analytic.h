/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A predictor whose function is known in closed form, so that methods can be
 * compared with the truth. T tokens of width C, one unit a token, the first one
 * fixed when asked. The kinds:
 *
 *   LINEAR    f = <w, x>
 *   PRODUCT   f = sum_c x_0c x_1c
 *   SATURATED f = sum_tc 1 - relu(1 - x_tc)
 *   STEEP     f = sum_t tanh(50 (x_t0 - 0.5))
 */
#ifndef GLIM_TESTS_ANALYTIC_H
#define GLIM_TESTS_ANALYTIC_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "explain/methods.h"

enum analytic_kind { LINEAR, PRODUCT, SATURATED, STEEP };
enum { AT = 5, AC = 3 };

struct analytic {
    glim_predictor base;
    enum analytic_kind kind;
    glim_unit unit[AT];
    glim_units units;
    float x[AT * AC], w[AT * AC];
    double value[1];
    size_t row_end[1];
    int calls, cancel_after;
};

static inline double analytic_f(const struct analytic *a, const float *x, float *g) {
    double f = 0;
    for (int i = 0; i < AT * AC; i++) {
        int t = i / AC, c = i % AC;
        double d = 0;
        if (a->kind == LINEAR) {
            f += (double)a->w[i] * x[i];
            d = a->w[i];
        } else if (a->kind == PRODUCT && t < 2) {
            f += t ? 0 : (double)x[c] * x[AC + c];
            d = t ? x[c] : x[AC + c];
        } else if (a->kind == SATURATED) {
            f += x[i] < 1 ? x[i] : 1;
            d = x[i] < 1;
        } else if (a->kind == STEEP && c == 0) {
            double u = tanh(50 * (x[i] - 0.5));
            f += u;
            d = 50 * (1 - u * u);
        }
        if (g)
            g[i] = (float)d;
    }
    return f;
}

static inline glim_status analytic_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                                            double *values, glim_gradient_sink *sink, void *data,
                                            glim_error *err) {
    struct analytic *a = (struct analytic *)p;
    float g[AT * AC];
    for (size_t i = 0; i < n; i++) {
        values[i] = analytic_f(a, xs + i * AT * AC, g);
        if (a->cancel_after && ++a->calls > a->cancel_after)
            glim_context_cancel(p->ctx);
        glim_status status = sink ? sink(data, i, 0, g, err) : GLIM_OK;
        if (status)
            return status;
    }
    return GLIM_OK;
}

static inline glim_status analytic_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                          glim_absent absent, double *out, glim_error *err) {
    struct analytic *a = (struct analytic *)p;
    for (size_t i = 0; i < n; i++) {
        float x[AT * AC];
        for (int k = 0; k < AT * AC; k++)
            x[k] = keep[i * AT + (size_t)(k / AC)] || a->unit[k / AC].fixed ? a->x[k] : 0;
        if (a->cancel_after && ++a->calls > a->cancel_after)
            glim_context_cancel(p->ctx);
        out[i] = analytic_f(a, x, NULL);
    }
    return GLIM_OK;
}

static inline glim_status analytic_embed(glim_predictor *p, float *x, glim_error *err) {
    memcpy(x, ((struct analytic *)p)->x, sizeof(float) * AT * AC);
    return GLIM_OK;
}

static inline glim_status analytic_baseline(glim_predictor *p, glim_baseline kind, float *x,
                                            glim_error *err) {
    struct analytic *a = (struct analytic *)p;
    for (int k = 0; k < AT * AC; k++)
        x[k] = a->unit[k / AC].fixed ? a->x[k] : kind == GLIM_BASELINE_ZERO ? 0 : 0.25f;
    return GLIM_OK;
}

static inline void analytic_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                        glim_absent absent, glim_plan *out) {
    out->forward_tokens += n * AT;
}

static inline void analytic_plan_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    out->forward_tokens += n * AT;
    out->backward_tokens += n * AT;
}

static inline glim_status analytic_describe(const glim_predictor *p, glim_document *doc,
                                            glim_error *err) {
    doc->input.text = "abcde";
    doc->input.text_len = AT;
    doc->input.units = glim_document_alloc(doc, AT * sizeof *doc->input.units);
    if (!doc->input.units)
        return glim__oom(p->ctx, err, "units", 0);
    for (size_t u = 0; u < AT; u++)
        doc->input.units[u] = (glim_document_unit){.text = "abcde" + u,
                                                   .text_len = 1,
                                                   .start = u,
                                                   .end = u + 1,
                                                   .first = u,
                                                   .count = 1,
                                                   .fixed = p->units->at[u].fixed,
                                                   .turn = -1};
    doc->input.n_units = AT;
    doc->n_rows = 1;
    doc->target.value = p->value[0];
    doc->target.text = "f";
    doc->target.text_len = 1;
    return GLIM_OK;
}

static inline void analytic_cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = *backward = 0;
}

static inline void analytic_init(struct analytic *a, glim_context *ctx, enum analytic_kind kind,
                                 bool first_fixed) {
    *a = (struct analytic){.kind = kind};
    for (size_t i = 0; i < AT * AC; i++) {
        a->x[i] = kind == SATURATED || kind == STEEP ? 2 : (float)glim__rng_normal(1, 1, i);
        a->w[i] = (float)glim__rng_normal(1, 2, i);
    }
    for (size_t u = 0; u < AT; u++)
        a->unit[u] = (glim_unit){.start = u,
                                 .end = u + 1,
                                 .first = u,
                                 .count = 1,
                                 .turn = -1,
                                 .fixed = !u && first_fixed};
    a->units = (glim_units){.ctx = ctx, .at = a->unit, .count = AT};
    a->row_end[0] = AT;
    a->value[0] = analytic_f(a, a->x, NULL);
    a->base = (glim_predictor){.ctx = ctx,
                               .name = "analytic",
                               .can = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT,
                               .units = &a->units,
                               .n_rows = 1,
                               .T = AT,
                               .C = AC,
                               .row_end = a->row_end,
                               .value = a->value,
                               .values = analytic_values,
                               .embed = analytic_embed,
                               .baseline = analytic_baseline,
                               .gradient = analytic_gradient,
                               .plan_values = analytic_plan_values,
                               .plan_gradient = analytic_plan_gradient,
                               .describe = analytic_describe,
                               .cost = analytic_cost};
}

#endif
