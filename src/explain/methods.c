/* SPDX-License-Identifier: Apache-2.0 */
/* The list of methods, and the small things that they share. */
#include "explain/methods.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

static const glim_method *const methods[] = {
    &glim_method_occlusion,       &glim_method_input_x_gradient,
    &glim_method_gradient,        &glim_method_integrated_gradients,
    &glim_method_smoothgrad,      &glim_method_shapley,
    &glim_method_kernel_shap,     &glim_method_lime,
    &glim_method_attention,       &glim_method_attention_rollout,
    &glim_method_attention_flow,  &glim_method_attention_gradient,
    &glim_method_attention_norm,  &glim_method_weighted_sum,
    &glim_method_value_zeroing,   &glim_method_expected_gradients,
    &glim_method_guided_backprop, &glim_method_lrp,
    &glim_method_reagent,         &glim_method_owen,
    &glim_method_grad_cam,        NULL,
};

const glim_method *const *glim_methods(void) {
    return methods;
}

const glim_method *glim_method_find(const char *name) {
    for (size_t i = 0; methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}

void glim__units_sum(const glim_predictor *p, size_t row, const double *tokens, double *scores,
                     double *fixed) {
    double rest = 0;
    for (size_t u = 0; u < p->units->count; u++) {
        const glim_unit *unit = &p->units->at[u];
        double sum = 0;
        for (size_t t = unit->first; t < unit->first + unit->count && t < p->T; t++)
            sum += tokens[t];
        scores[u] = unit->fixed || u >= p->row_end[row] ? NAN : sum;
        rest += unit->fixed ? sum : 0;
    }
    if (fixed)
        *fixed = rest;
}

void glim__fixed_add(const glim_predictor *p, const double *tokens, bool squares,
                     glim_document *doc) {
    double size = 0;
    for (size_t u = 0; u < p->units->count; u++) {
        const glim_unit *unit = &p->units->at[u];
        double sum = 0;
        for (size_t t = unit->first; t < unit->first + unit->count && t < p->T; t++)
            sum += tokens[t];
        if (unit->fixed)
            size += squares ? sqrt(sum) : fabs(sum);
    }
    doc->fixed_size = (isnan(doc->fixed_size) ? 0 : doc->fixed_size) + size;
}

double glim__tokens_total(const glim_predictor *p, const double *tokens) {
    double sum = 0;
    for (size_t t = 0; t < p->T; t++)
        sum += tokens[t];
    return sum;
}

glim_status glim__scores_new(const glim_predictor *p, glim_document *doc, bool error,
                             glim_error *err) {
    size_t n = p->n_rows * p->units->count;
    doc->scores = glim_document_alloc(doc, n * sizeof *doc->scores);
    doc->error = error ? glim_document_alloc(doc, n * sizeof *doc->error) : NULL;
    if (!doc->scores || (error && !doc->error))
        return glim__oom(p->ctx, err, "the scores", n * sizeof *doc->scores);
    for (size_t i = 0; i < n; i++) {
        doc->scores[i] = NAN;
        if (error)
            doc->error[i] = NAN;
    }
    return GLIM_OK;
}

glim_status glim__embedded(glim_predictor *p, float **out, size_t copies, glim_error *err) {
    *out = glim__calloc(p->ctx, copies * p->T * p->C, sizeof **out);
    if (!*out)
        return glim__oom(p->ctx, err, "embeddings", copies * p->T * p->C * sizeof **out);
    return p->embed(p, *out, err);
}

glim_status glim__gradient_check(glim_predictor *p, const float *x, const float *gradient,
                                 uint64_t seed, glim_document *doc, glim_error *err) {
    size_t n = p->T * p->C;
    double norm = 0, slope = 0, size = 0, values[2];
    float *two = glim__calloc(p->ctx, 2 * n, sizeof *two);
    double *all = glim__calloc(p->ctx, 2 * p->n_rows, sizeof *all);
    glim_status status =
        two && all ? GLIM_OK : glim__oom(p->ctx, err, "a check", 2 * n * sizeof *two);
    for (size_t i = 0; i < n; i++)
        norm += (double)x[i] * x[i];
    double h = 1e-3 * sqrt(norm / (double)n);
    for (size_t i = 0; i < n && !status; i++) {
        double u = glim__rng_normal(seed, UINT64_MAX, i);
        two[i] = (float)(x[i] + h * u);
        two[n + i] = (float)(x[i] - h * u);
        slope += gradient[i] * u;
        size += (double)gradient[i] * gradient[i];
    }
    if (!status)
        status = p->gradient(p, two, 2, 0, all, NULL, NULL, err);
    if (!status) {
        values[0] = all[0];
        values[1] = all[p->n_rows];
        double numeric = (values[0] - values[1]) / (2 * h);
        double off = size > 0 ? fabs(numeric - slope) / sqrt(size) : fabs(numeric);
        glim_document_check_add(doc, "gradient_check", off,
                                "slope along a random direction, by differences, against the "
                                "gradient; relative to its length");
        if (off > 0.2)
            glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                                "the slope by differences is off by %.0f %%: the model is rough "
                                "around this input",
                                100 * off);
    }
    glim__free(p->ctx, two);
    glim__free(p->ctx, all);
    return status;
}

glim_status glim__ruled_gradient(glim_predictor *p, const glim_rules *rules, const float *x,
                                 double *values, glim_gradient_sink *sink, void *data,
                                 glim_error *err) {
    p->rules = rules;
    glim_status status = p->gradient(p, x, 1, -1, values, sink, data, err);
    p->rules = NULL;
    return status;
}

void glim__ruled_plan(const glim_predictor *p, const glim_rules *rules, size_t gradients,
                      glim_plan *out) {
    glim_predictor *mine = (glim_predictor *)p;
    mine->rules = rules;
    p->plan_gradient(p, gradients, out);
    mine->rules = NULL;
}

/* Roots of the Legendre polynomial by Newton's method from Chebyshev's guess. */
void glim__gauss_legendre(int n, double *nodes, double *weights) {
    const double pi = acos(-1.0);
    for (int i = 0; i < n; i++) {
        double z = cos(pi * (i + 0.75) / (n + 0.5)), slope = 1;
        for (int step = 0; step < 100; step++) {
            double p = 1, before = 0;
            for (int k = 0; k < n; k++) {
                double older = before;
                before = p;
                p = ((2 * k + 1) * z * before - k * older) / (k + 1);
            }
            slope = n * (z * p - before) / (z * z - 1);
            double move = p / slope;
            z -= move;
            if (fabs(move) < 1e-15)
                break;
        }
        nodes[n - 1 - i] = (1 + z) / 2;
        weights[n - 1 - i] = 1 / ((1 - z * z) * slope * slope);
    }
}
