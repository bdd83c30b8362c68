/* SPDX-License-Identifier: Apache-2.0 */
/* A step on one sample, as an addition to every product with a chosen weight. */
#include "influence/tail-patch.h"
#include "influence/products.h"
#include "tensor/linear.h"

#include <string.h>

/* The factors of the sample's gradient of one weight. */
struct factors {
    size_t rows;
    float *g, *a;
};

struct glim_tail_patch {
    const glim_gradient_work *work;
    glim_context *ctx;
    size_t queries, n_weights;
    struct factors *step; /* (n_weights), of the sample that is tried */
    double square, rate;
    double *before, *after; /* (queries) losses */
    double *losses;         /* whichever is being filled */
};

/* ---- the sample ---- */

static void forget(glim_tail_patch *t) {
    for (size_t w = 0; t->step && w < t->n_weights; w++) {
        glim__free(t->ctx, t->step[w].g);
        glim__free(t->ctx, t->step[w].a);
        t->step[w] = (struct factors){0};
    }
}

static glim_status see(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                       const float *a, glim_error *err) {
    glim_tail_patch *t = data;
    const glim_weight *w = &t->work->train->weights[weight];
    const glim_factors_view view = {weight, rows, g, a};
    struct factors *f = &t->step[weight];
    size_t G = rows * w->rows * sizeof *g, A = rows * w->cols * sizeof *a;
    double square;
    *f = (struct factors){rows, glim__alloc(t->ctx, G), glim__alloc(t->ctx, A)};
    if (!f->g || !f->a)
        return glim__oom(t->ctx, err, "a step", G + A);
    memcpy(f->g, g, G);
    memcpy(f->a, a, A);
    glim_status status = glim__product_square(t->ctx, w, &view, &square, err);
    t->square += status ? 0 : square;
    return status;
}

static glim_status take_sample(glim_tail_patch *t, size_t sample, glim_error *err) {
    const glim_gradients *g = t->work->train;
    const glim_pass_visitor visitor = {.weight = see, .data = t};
    forget(t);
    t->square = 0;
    return g->walk(g->data, sample, 1, &visitor, err);
}

/* ---- the queries ---- */

/* y -= eta (x a^T) g, of the weight that the site names. */
static glim_status patch(void *data, const glim_site *site, glim_error *err) {
    const glim_tail_patch *t = data;
    const glim_weight *weights = t->work->train->weights;
    size_t w = 0, rows = site->dims[0], F = site->dims[1], C = site->dims[2];
    while (w < t->n_weights && strcmp(weights[w].name, site->name) != 0)
        w++;
    if (w == t->n_weights || !t->step[w].rows)
        return GLIM_OK;
    const struct factors *f = &t->step[w];
    const glim_matrix a = {.data = f->a,
                           .type = GLIM_TYPE_F32,
                           .rows = (int64_t)f->rows,
                           .cols = (int64_t)C,
                           .row_bytes = C * sizeof *f->a};
    const glim_matrix g = {.data = f->g,
                           .type = GLIM_TYPE_F32,
                           .rows = (int64_t)f->rows,
                           .cols = (int64_t)F,
                           .row_bytes = F * sizeof *f->g};
    float *met = glim__spare_take(t->ctx, rows * f->rows * sizeof *met);
    if (!met)
        return glim__oom(t->ctx, err, "a step", rows * f->rows * sizeof *met);
    glim_status status =
        glim__linear(t->ctx, met, f->rows, site->value, C, (int64_t)rows, &a, NULL, err);
    for (size_t i = 0; i < rows * f->rows; i++)
        met[i] *= -(float)t->rate;
    if (!status)
        status = glim__linear_backward(t->ctx, site->data, F, met, f->rows, (int64_t)rows, &g, err);
    glim__spare_give(t->ctx, met);
    return status;
}

static glim_status take_losses(void *data, size_t first, size_t count, const double *loss,
                               glim_error *err) {
    glim_tail_patch *t = data;
    memcpy(t->losses + first, loss, count * sizeof *loss);
    return GLIM_OK;
}

static glim_status ask(glim_tail_patch *t, double *losses, bool patched, glim_error *err) {
    const glim_hook hook = {
        .pattern = "*", .actions = GLIM_HOOK_WEIGHT | GLIM_HOOK_WRITE, .visit = patch, .data = t};
    const glim_pass_options options = {.hook = patched ? &hook : NULL};
    const glim_pass_visitor visitor = {.batch = take_losses, .data = t};
    t->losses = losses;
    return glim__pass(t->work->work->model, t->work->work->query_samples, 0, t->queries, &options,
                      &visitor, err);
}

glim_status glim__tail_patch_square(glim_tail_patch *t, size_t sample, double *out,
                                    glim_error *err) {
    glim_status status = take_sample(t, sample, err);
    *out = t->square;
    return status;
}

glim_status glim__tail_patch_try(glim_tail_patch *t, size_t sample, double rate, double *changes,
                                 glim_error *err) {
    t->rate = rate;
    glim_status status = take_sample(t, sample, err);
    if (!status)
        status = ask(t, t->after, true, err);
    for (size_t q = 0; q < t->queries && !status; q++)
        changes[q] = t->work->sign * (t->before[q] - t->after[q]);
    return status;
}

/* ---- opening ---- */

glim_status glim__tail_patch_new(glim_tail_patch **out, const glim_gradient_work *g,
                                 glim_error *err) {
    size_t Q = g->work->n_queries;
    *out = NULL;
    glim_tail_patch *t = glim__calloc(g->ctx, 1, sizeof *t);
    if (!t)
        return glim__oom(g->ctx, err, "a step", sizeof *t);
    *t =
        (glim_tail_patch){.work = g, .ctx = g->ctx, .queries = Q, .n_weights = g->train->n_weights};
    t->step = glim__calloc(g->ctx, t->n_weights + 1, sizeof *t->step);
    t->before = glim__calloc(g->ctx, Q + 1, sizeof *t->before);
    t->after = glim__calloc(g->ctx, Q + 1, sizeof *t->after);
    glim_status status = t->step && t->before && t->after
                             ? ask(t, t->before, false, err)
                             : glim__oom(g->ctx, err, "a step", t->n_weights * sizeof *t->step);
    if (status)
        glim__tail_patch_free(t);
    else
        *out = t;
    return status;
}

void glim__tail_patch_free(glim_tail_patch *t) {
    if (!t)
        return;
    forget(t);
    glim__free(t->ctx, t->step);
    glim__free(t->ctx, t->before);
    glim__free(t->ctx, t->after);
    glim__free(t->ctx, t);
}
