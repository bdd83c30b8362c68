/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DataInf in passes. H is of the sum of losses (influence.h), so what the paper's mean gives
 * is divided by the number of samples. A sample's gradient is formed once for all queries:
 * it has to be added to their matrices anyway.
 */
#include "influence/inverse-mean.h"
#include "influence/shares.h"
#include "influence/why.h"

#include <math.h>
#include <string.h>

struct run {
    const glim_inverse_mean *f;
    glim_context *ctx;
    glim_products *products; /* formed: v, at last H^-1 v */
    float **sums;            /* (weights, queries): of g_i <g_i, v> / (rho + ||g_i||^2) */
    float **parts;           /* the same, of a piece of the samples */
    double *rho;             /* (weights), before that sums of ||g_i||^2 */
    double *squares;         /* (run, weights) ||g_i||^2, records */
    float *form;             /* one gradient of any weight */
    double *values, *met;    /* (run, queries), records; (queries) */
    glim_influence_column *columns;
    size_t used, blocks, taken, first, queries;
    glim_influence_sink sink;
    glim_arena arena;
    glim_parts modules;
    glim_why_room why; /* of the sample that is taken apart */
};

static size_t size_of(const glim_weight *w) {
    return w->rows * w->cols;
}

/* Whether a block is one of those that the mean is of: `taken` of `blocks`, spread evenly. */
static bool taken(void *data, size_t first) {
    const struct run *r = data;
    size_t b = first / GLIM_GRADIENTS_BLOCK;
    return (b + 1) * r->taken / r->blocks > b * r->taken / r->blocks;
}

/* ---- lengths ---- */

static glim_status see_length(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                              const float *a, glim_error *err) {
    struct run *r = data;
    const glim_factors_view view = {weight, rows, g, a};
    double square = 0;
    glim_status status =
        glim__product_square(r->ctx, &r->f->train->weights[weight], &view, &square, err);
    r->squares[(sample - r->first) * r->f->train->n_weights + weight] = square;
    return status;
}

static glim_status lengths(void *data, size_t first, size_t count, void *records, glim_error *err) {
    struct run *r = data;
    const glim_pass_visitor visitor = {.weight = see_length, .data = r};
    r->first = first;
    r->squares = records;
    return r->f->train->walk(r->f->train->data, first, count, &visitor, err);
}

static glim_status add_lengths(void *data, size_t first, size_t count, const void *records,
                               glim_error *err) {
    struct run *r = data;
    const double *squares = records;
    size_t n = r->f->train->n_weights;
    for (size_t i = 0; i < count && squares; i++)
        for (size_t w = 0; w < n; w++)
            r->rho[w] += squares[i * n + w];
    return GLIM_OK;
}

static size_t count_used(struct run *r) {
    size_t n = r->f->train->n, used = 0;
    for (size_t at = 0; at < n; at += GLIM_GRADIENTS_BLOCK)
        if (taken(r, at))
            used += n - at < GLIM_GRADIENTS_BLOCK ? n - at : GLIM_GRADIENTS_BLOCK;
    return used;
}

static glim_status find_rho(struct run *r, glim_error *err) {
    size_t n = r->f->train->n_weights;
    const glim_share share = {.ctx = r->ctx,
                              .stage = "lengths",
                              .n = r->f->train->n,
                              .block = GLIM_GRADIENTS_BLOCK,
                              .bytes = n * sizeof *r->squares,
                              .wanted = taken,
                              .work = lengths,
                              .take = add_lengths,
                              .data = r};
    r->used = count_used(r);
    glim_status status = glim__share(&share, err);
    if (!status)
        status = glim__team_broadcast(r->ctx, 0, r->rho, n * sizeof *r->rho, err);
    for (size_t w = 0; w < n; w++)
        r->rho[w] *= r->f->damping / ((double)r->used * (double)size_of(&r->f->train->weights[w]));
    return status;
}

/* ---- inverses ---- */

static glim_status see_sample(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                              const float *a, glim_error *err) {
    struct run *r = data;
    const glim_weight *w = &r->f->train->weights[weight];
    const glim_factors_view view = {weight, rows, g, a};
    size_t size = size_of(w);
    glim_status status = glim__product_form(r->ctx, w, &view, r->form, err);
    if (status)
        return status;
    double below = ((double)r->used) * (r->rho[weight] + glim__product_dot(r->form, r->form, size));
    for (size_t q = 0; q < r->queries && below > 0; q++) {
        const float *v = glim__products_formed(r->products, weight, q);
        float *sum = r->parts[weight * r->queries + q];
        float by = v ? (float)(glim__product_dot(r->form, v, size) / below) : 0;
        for (size_t k = 0; k < size && v; k++)
            sum[k] += by * r->form[k];
    }
    return GLIM_OK;
}

/* Of a piece those samples whose blocks are taken. */
static glim_status inverses(void *data, size_t first, size_t count, glim_error *err) {
    struct run *r = data;
    const glim_pass_visitor visitor = {.weight = see_sample, .data = r};
    size_t B = GLIM_GRADIENTS_BLOCK, end = first + count;
    glim_status status = GLIM_OK;
    for (size_t at = first, n; at < end && !status; at += n) {
        n = end - at < B - at % B ? end - at : B - at % B;
        status = glim__check_cancel(r->ctx, err);
        if (!status && taken(r, at))
            status = r->f->train->walk(r->f->train->data, at, n, &visitor, err);
    }
    return status;
}

static glim_status add_inverses(void *data, size_t first, size_t count, glim_error *err) {
    struct run *r = data;
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < r->f->train->n_weights * r->queries && !status; k++) {
        size_t n = r->parts[k] ? size_of(&r->f->train->weights[k / r->queries]) : 0;
        const glim_partial sum = {GLIM_SUM_F32, n, r->parts[k], r->sums[k],
                                  glim__sum_owner(r->ctx, k)};
        if (!n)
            continue;
        status = glim__pieces_add(r->ctx, first, count, &sum, err);
        memset(r->parts[k], 0, n * sizeof **r->parts);
    }
    return status;
}

static glim_status find_inverses(struct run *r, glim_error *err) {
    const glim_piecewise pieces = {.ctx = r->ctx,
                                   .stage = "inverses",
                                   .n = r->f->train->n,
                                   .inner = true,
                                   .piece = inverses,
                                   .add = add_inverses,
                                   .data = r};
    glim_status status = glim__piecewise(&pieces, err);
    for (size_t k = 0; k < r->f->train->n_weights * r->queries && !status; k++)
        if (r->sums[k])
            status = glim__team_broadcast(
                r->ctx, glim__sum_owner(r->ctx, k), r->sums[k],
                size_of(&r->f->train->weights[k / r->queries]) * sizeof **r->sums, err);
    return status;
}

/* v becomes H^-1 v. A weight without any gradient of a sample says nothing. */
static void finish_inverses(struct run *r) {
    for (size_t w = 0; w < r->f->train->n_weights; w++)
        for (size_t q = 0; q < r->queries; q++) {
            float *v = glim__products_formed(r->products, w, q);
            const float *sum = r->sums[w * r->queries + q];
            size_t size = v ? size_of(&r->f->train->weights[w]) : 0;
            double by = r->rho[w] > 0 ? 1 / r->rho[w] : 0;
            for (size_t k = 0; k < size; k++)
                v[k] = (float)(by * ((double)v[k] - (double)sum[k]));
        }
}

/* ---- products ---- */

static double scale(const struct run *r) {
    return (r->f->sign < 0 ? -1 : 1) / (double)r->f->train->n;
}

static glim_status see_product(void *data, size_t sample, size_t weight, size_t rows,
                               const float *g, const float *a, glim_error *err) {
    struct run *r = data;
    const glim_factors_view view = {weight, rows, g, a};
    double *to = r->values + (sample - r->first) * r->queries;
    double by = scale(r);
    glim_status status = glim__products_take(r->products, &view, r->met, err);
    for (size_t q = 0; q < r->queries && !status; q++)
        to[q] += by * r->met[q];
    return status;
}

static glim_status products(void *data, size_t first, size_t count, void *records,
                            glim_error *err) {
    struct run *r = data;
    const glim_pass_visitor visitor = {.weight = see_product, .data = r};
    r->first = first;
    r->values = records;
    return r->f->train->walk(r->f->train->data, first, count, &visitor, err);
}

static glim_status hand_out(void *data, size_t first, size_t count, const void *records,
                            glim_error *err) {
    struct run *r = data;
    const glim_influence_block rows = {first, count, records};
    return r->sink.take(r->sink.data, &rows, err);
}

/* ---- why ---- */

static glim_status see_why(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                           const float *a, glim_error *err) {
    struct run *r = data;
    const glim_factors_view view = {weight, rows, g, a};
    return glim__why_meet(&r->why, r->ctx, r->products, &view, scale(r), err);
}

static glim_status tell(void *data, const glim_why_sample *s, double *out, double *rest,
                        glim_error *err) {
    struct run *r = data;
    const glim_gradients *g = r->f->train;
    const glim_pass_visitor visitor = {.weight = see_why, .data = r};
    r->why = (glim_why_room){s, g->weights, &r->modules, r->queries, out, rest};
    memset(out, 0, glim__why_size(&r->modules, s) * r->queries * sizeof *out);
    memset(rest, 0, r->queries * sizeof *rest);
    return g->walk(g->data, s->sample, 1, &visitor, err);
}

static glim_status say_why(struct run *r, const glim_influence_out *out, glim_error *err) {
    glim_why why = {.count = r->queries, .tell = tell, .data = r};
    if (!r->f->by || !out->why || !glim__team_first(r->ctx))
        return GLIM_OK;
    glim_status status = glim__parts_make(&r->modules, &r->arena, r->f->train, r->f->by, err);
    if (status)
        return status;
    glim__why_parts(&why, &r->modules);
    return out->why(out->data, &why, err);
}

/* ---- a run ---- */

static glim_status make_room(struct run *r, glim_error *err) {
    const glim_gradients *g = r->f->train;
    size_t largest = 1;
    for (size_t w = 0; w < g->n_weights; w++)
        if (g->chosen[w] && size_of(&g->weights[w]) > largest)
            largest = size_of(&g->weights[w]);
    r->sums = glim__calloc(r->ctx, g->n_weights * r->queries + 1, sizeof *r->sums);
    r->parts = glim__calloc(r->ctx, g->n_weights * r->queries + 1, sizeof *r->parts);
    r->rho = glim__calloc(r->ctx, g->n_weights + 1, sizeof *r->rho);
    r->form = glim__alloc(r->ctx, largest * sizeof *r->form);
    r->met = glim__calloc(r->ctx, r->queries, sizeof *r->met);
    r->columns = glim__calloc(r->ctx, r->queries, sizeof *r->columns);
    if (!r->sums || !r->parts || !r->rho || !r->form || !r->met || !r->columns)
        return glim__oom(r->ctx, err, "inverses", largest * sizeof *r->form);
    for (size_t w = 0; w < g->n_weights; w++)
        for (size_t q = 0; q < r->queries && g->chosen[w]; q++) {
            size_t k = w * r->queries + q, n = size_of(&g->weights[w]);
            r->sums[k] = glim__calloc(r->ctx, n, sizeof **r->sums);
            r->parts[k] = glim__calloc(r->ctx, n, sizeof **r->parts);
            if (!r->sums[k] || !r->parts[k])
                return glim__oom(r->ctx, err, "inverses", 2 * n * sizeof **r->sums);
        }
    for (size_t q = 0; q < r->queries; q++)
        r->columns[q] = (glim_influence_column){
            .name = "influence", .query = q, .threshold = NAN, .is_signed = true};
    return GLIM_OK;
}

static void release(struct run *r) {
    for (size_t k = 0; r->sums && k < r->f->train->n_weights * r->queries; k++)
        glim__free(r->ctx, r->sums[k]);
    for (size_t k = 0; r->parts && k < r->f->train->n_weights * r->queries; k++)
        glim__free(r->ctx, r->parts[k]);
    glim__free(r->ctx, r->parts);
    glim__free(r->ctx, r->sums);
    glim__free(r->ctx, r->rho);
    glim__free(r->ctx, r->form);
    glim__free(r->ctx, r->met);
    glim__free(r->ctx, r->columns);
    glim__products_free(r->products);
    glim__arena_release(&r->arena);
}

static glim_status passes(struct run *r, glim_error *err) {
    const glim_share share = {.ctx = r->ctx,
                              .stage = "samples",
                              .n = r->f->train->n,
                              .block = GLIM_GRADIENTS_BLOCK,
                              .bytes = r->queries * sizeof *r->values,
                              .work = products,
                              .take = hand_out,
                              .data = r};
    glim_status status = find_rho(r, err);
    if (!status)
        status = find_inverses(r, err);
    if (!status)
        finish_inverses(r);
    return status ? status : glim__share(&share, err);
}

glim_status glim__inverse_mean_run(const glim_inverse_mean *f, const glim_influence_out *out,
                                   glim_error *err) {
    struct run r = {.f = f, .ctx = f->train->ctx, .queries = f->queries->n};
    size_t B = GLIM_GRADIENTS_BLOCK, n = f->train->n;
    glim__arena_init(&r.arena, r.ctx, 4096);
    r.blocks = (n + B - 1) / B;
    r.taken = f->most && f->most < n ? (f->most + B - 1) / B : r.blocks;
    glim_status status = make_room(&r, err);
    if (!status)
        status = glim__products_new(&r.products, f->queries, true, err);
    if (!status && glim__team_first(r.ctx))
        status = out->begin(out->data, r.columns, r.queries, &r.sink, err);
    if (!status)
        status = passes(&r, err);
    if (!status)
        status = say_why(&r, out, err);
    release(&r);
    return status;
}

glim_status glim__inverse_mean_plan(const glim_inverse_mean *f, uint64_t *bytes, glim_error *err) {
    size_t Q = f->queries->n;
    uint64_t largest = 0;
    for (size_t w = 0; w < f->train->n_weights; w++)
        if (f->train->chosen[w] && size_of(&f->train->weights[w]) > largest)
            largest = size_of(&f->train->weights[w]);
    glim_status status = glim__products_plan(f->queries, true, 0, bytes, err);
    *bytes += 4 * (2 * glim__gradients_width(f->train) * Q + largest) +
              (uint64_t)f->train->n_weights * (2 * Q + 1 + GLIM_GRADIENTS_BLOCK) * 8 +
              (GLIM_GRADIENTS_BLOCK + 8) * 8 * Q;
    return status;
}
