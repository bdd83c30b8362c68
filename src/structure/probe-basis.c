/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A site is fitted hundreds of times: folds, strengths, controls, pieces of a code. Its features
 * depend on each other much the same in all of them, and that is what makes L-BFGS take many
 * steps. So the eigenvectors of their correlations are found once, from four rows a feature at
 * most, and all fits step in those coordinates. Whose rows they come from shows in how many steps
 * are taken, not in where they end.
 */
#include "structure/probe-rows.h"
#include "tensor/eigen.h"
#include "tensor/kernels.h"

#include <string.h>

enum { STRIP = 96, ROWS_EACH = 4 };

struct gram {
    glim_fit_problem p;
    glim_fit_data data;
    uint32_t *rows;
    float *x; /* (m, ld) standardised */
    float *g; /* (P, ld) */
    size_t m;
};

static void fill_block(void *data, size_t item, int worker) {
    struct gram *s = data;
    double *own = glim__scratch(s->p.ctx, worker);
    size_t first = item * s->p.block, left = s->m - first;
    size_t m = left < s->p.block ? left : s->p.block;
    glim__fit_rows(&s->p, s->rows + first, m, own);
    for (size_t i = 0; i < m * s->p.ld; i++)
        s->x[first * s->p.ld + i] = (float)own[i];
}

static void multiply(void *data, size_t item, int worker) {
    struct gram *s = data;
    size_t P = s->p.P, first = item * STRIP, n = P - first < STRIP ? P - first : STRIP;
    ptrdiff_t ld = (ptrdiff_t)s->p.ld;
    glim__kernels(s->p.ctx)->tile((int)n, (int)P, s->m, s->x + first, 1, ld, s->x, ld,
                                  s->g + first * s->p.ld, ld, false);
}

static glim_status make(struct gram *s, const glim_probe_learner *l, glim_fit_basis *out,
                        glim_error *err) {
    glim_context *ctx = l->ctx;
    size_t P = l->width, n = l->target.n;
    s->m = n < ROWS_EACH * P ? n : ROWS_EACH * P;
    s->rows = glim__calloc(ctx, s->m, sizeof *s->rows);
    if (!s->rows)
        return glim__oom(ctx, err, "the rows", s->m * sizeof *s->rows);
    for (size_t i = 0; i < s->m; i++)
        s->rows[i] = (uint32_t)(i * n / s->m);
    s->data = (glim_fit_data){
        .f32 = l->x, .n = n, .width = P, .labels = l->target.labels, .n_classes = 2};
    glim_status status = glim__fit_problem_init(&s->p, ctx, &s->data, s->rows, s->m, false, err);
    if (status)
        return status;
    s->x = glim__calloc(ctx, s->m * s->p.ld + 16, sizeof *s->x);
    s->g = glim__calloc(ctx, P * s->p.ld + 16, sizeof *s->g);
    out->vectors = glim__calloc(ctx, P * P + 16, sizeof *out->vectors);
    out->turned = glim__calloc(ctx, P * P + 16, sizeof *out->turned);
    out->values = glim__calloc(ctx, P, sizeof *out->values);
    if (!s->x || !s->g || !out->vectors || !out->turned || !out->values)
        return glim__oom(ctx, err, "the correlations", 2 * P * P * sizeof *out->turned);
    size_t block = s->p.block ? s->p.block : 1;
    glim__parallel(ctx, (s->m + block - 1) / block, fill_block, s);
    glim__parallel(ctx, (P + STRIP - 1) / STRIP, multiply, s);
    for (size_t i = 0; i < P; i++)
        for (size_t j = 0; j < P; j++)
            out->turned[i * P + j] = (double)s->g[i * s->p.ld + j] / (double)s->m;
    status = glim__eigen(ctx, out->turned, P, out->values, out->vectors, err);
    for (size_t i = 0; i < P && !status; i++)
        for (size_t j = 0; j < P; j++)
            out->turned[j * P + i] = out->vectors[i * P + j];
    return status;
}

glim_status glim__probe_basis(const glim_probe_learner *l, glim_fit_basis *out, glim_error *err) {
    struct gram s = {0};
    *out = (glim_fit_basis){0};
    if (l->target.values || l->how->kind == GLIM_PROBE_MLP ||
        !glim__probe_basis_pays(l->target.n, l->width))
        return GLIM_OK;
    glim_status status = make(&s, l, out, err);
    glim__free(l->ctx, s.rows);
    glim__free(l->ctx, s.x);
    glim__free(l->ctx, s.g);
    glim__fit_problem_release(&s.p);
    return status;
}

void glim__probe_basis_release(glim_fit_basis *b, glim_context *ctx) {
    glim__free(ctx, b->vectors);
    glim__free(ctx, b->turned);
    glim__free(ctx, b->values);
    *b = (glim_fit_basis){0};
}

uint64_t glim__probe_basis_plan(const glim_probe_target *t, size_t width) {
    uint64_t P = width, m = t->n < ROWS_EACH * P ? t->n : ROWS_EACH * P;
    return t->values || !glim__probe_basis_pays(t->n, width)
               ? 0
               : 16 * P * P + 4 * (m + P) * (P + 16) + glim__eigen_plan(P);
}
