/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DataInf in passes. H is of the sum of losses (influence.h), so what the paper's mean gives
 * is divided by the number of samples. A sample's gradient is formed once for all queries:
 * it has to be added to their matrices anyway.
 */
#include "influence/inverse-mean.h"
#include "influence/why.h"

#include <math.h>
#include <string.h>

struct run {
    const glim_inverse_mean *f;
    glim_context *ctx;
    glim_products *products; /* formed: v, at last H^-1 v */
    float **sums;            /* (weights, queries): of g_i <g_i, v> / (rho + ||g_i||^2) */
    double *rho;             /* (weights), before that sums of ||g_i||^2 */
    float *form;             /* one gradient of any weight */
    double *values, *met;    /* (block, queries), (queries) */
    glim_influence_column *columns;
    size_t used, blocks, taken, first, queries;
    glim_influence_sink sink;
    glim_arena arena;
    glim_parts parts;
    glim_why_room why; /* of the sample that is taken apart */
};

static size_t size_of(const glim_weight *w) {
    return w->rows * w->cols;
}

/* Whether a block is one of those that the mean is of: `taken` of `blocks`, spread evenly. */
static bool taken(const struct run *r, size_t first) {
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
    r->rho[weight] += square;
    return status;
}

static glim_status lengths(void *data, size_t first, size_t count, glim_error *err) {
    struct run *r = data;
    const glim_pass_visitor visitor = {.weight = see_length, .data = r};
    if (!taken(r, first))
        return GLIM_OK;
    r->used += count;
    return r->f->train->walk(r->f->train->data, first, count, &visitor, err);
}

static void find_rho(struct run *r) {
    for (size_t w = 0; w < r->f->train->n_weights; w++)
        r->rho[w] *= r->f->damping / ((double)r->used * (double)size_of(&r->f->train->weights[w]));
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
        float *sum = r->sums[weight * r->queries + q];
        float by = v ? (float)(glim__product_dot(r->form, v, size) / below) : 0;
        for (size_t k = 0; k < size && v; k++)
            sum[k] += by * r->form[k];
    }
    return GLIM_OK;
}

static glim_status inverses(void *data, size_t first, size_t count, glim_error *err) {
    struct run *r = data;
    const glim_pass_visitor visitor = {.weight = see_sample, .data = r};
    return taken(r, first) ? r->f->train->walk(r->f->train->data, first, count, &visitor, err)
                           : GLIM_OK;
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

static glim_status products(void *data, size_t first, size_t count, glim_error *err) {
    struct run *r = data;
    const glim_pass_visitor visitor = {.weight = see_product, .data = r};
    r->first = first;
    memset(r->values, 0, count * r->queries * sizeof *r->values);
    glim_status status = r->f->train->walk(r->f->train->data, first, count, &visitor, err);
    const glim_influence_block rows = {first, count, r->values};
    return status ? status : r->sink.take(r->sink.data, &rows, err);
}

/* ---- why ---- */

static glim_status see_why(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                           const float *a, glim_error *err) {
    struct run *r = data;
    const glim_factors_view view = {weight, rows, g, a};
    size_t bytes = rows * r->queries * sizeof(double);
    double *each = glim__spare_take(r->ctx, bytes);
    if (!each)
        return glim__oom(r->ctx, err, "rows of a sample", bytes);
    memset(each, 0, bytes);
    glim_status status = glim__products_rows(r->products, &view, each, err);
    if (!status)
        glim__why_add(&r->why, weight, rows, each, scale(r));
    glim__spare_give(r->ctx, each);
    return status;
}

static glim_status tell(void *data, const glim_why_sample *s, double *out, double *rest,
                        glim_error *err) {
    struct run *r = data;
    const glim_gradients *g = r->f->train;
    const glim_pass_visitor visitor = {.weight = see_why, .data = r};
    r->why = (glim_why_room){s, g->weights, &r->parts, r->queries, out, rest};
    memset(out, 0, glim__why_size(&r->parts, s) * r->queries * sizeof *out);
    memset(rest, 0, r->queries * sizeof *rest);
    return g->walk(g->data, s->sample, 1, &visitor, err);
}

static glim_status say_why(struct run *r, const glim_influence_out *out, glim_error *err) {
    glim_why why = {.count = r->queries, .tell = tell, .data = r};
    if (!r->f->by || !out->why)
        return GLIM_OK;
    glim_status status = glim__parts_make(&r->parts, &r->arena, r->f->train, r->f->by, err);
    if (status)
        return status;
    glim__why_parts(&why, &r->parts);
    return out->why(out->data, &why, err);
}

/* ---- a run ---- */

static glim_status make_room(struct run *r, glim_error *err) {
    const glim_gradients *g = r->f->train;
    size_t largest = 1, B = GLIM_GRADIENTS_BLOCK;
    for (size_t w = 0; w < g->n_weights; w++)
        if (g->chosen[w] && size_of(&g->weights[w]) > largest)
            largest = size_of(&g->weights[w]);
    r->sums = glim__calloc(r->ctx, g->n_weights * r->queries + 1, sizeof *r->sums);
    r->rho = glim__calloc(r->ctx, g->n_weights + 1, sizeof *r->rho);
    r->form = glim__alloc(r->ctx, largest * sizeof *r->form);
    r->values = glim__calloc(r->ctx, B * r->queries, sizeof *r->values);
    r->met = glim__calloc(r->ctx, r->queries, sizeof *r->met);
    r->columns = glim__calloc(r->ctx, r->queries, sizeof *r->columns);
    if (!r->sums || !r->rho || !r->form || !r->values || !r->met || !r->columns)
        return glim__oom(r->ctx, err, "inverses", largest * sizeof *r->form);
    for (size_t w = 0; w < g->n_weights; w++)
        for (size_t q = 0; q < r->queries && g->chosen[w]; q++) {
            float **sum = &r->sums[w * r->queries + q];
            *sum = glim__calloc(r->ctx, size_of(&g->weights[w]), sizeof **sum);
            if (!*sum)
                return glim__oom(r->ctx, err, "inverses", size_of(&g->weights[w]) * sizeof **sum);
        }
    for (size_t q = 0; q < r->queries; q++)
        r->columns[q] = (glim_influence_column){
            .name = "influence", .query = q, .threshold = NAN, .is_signed = true};
    return GLIM_OK;
}

static void release(struct run *r) {
    for (size_t k = 0; r->sums && k < r->f->train->n_weights * r->queries; k++)
        glim__free(r->ctx, r->sums[k]);
    glim__free(r->ctx, r->sums);
    glim__free(r->ctx, r->rho);
    glim__free(r->ctx, r->form);
    glim__free(r->ctx, r->values);
    glim__free(r->ctx, r->met);
    glim__free(r->ctx, r->columns);
    glim__products_free(r->products);
    glim__arena_release(&r->arena);
}

static glim_status passes(struct run *r, glim_error *err) {
    glim_status status = glim__gradients_each(r->f->train, "lengths", lengths, r, err);
    find_rho(r);
    if (!status)
        status = glim__gradients_each(r->f->train, "inverses", inverses, r, err);
    if (!status)
        finish_inverses(r);
    return status ? status : glim__gradients_each(r->f->train, "samples", products, r, err);
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
    if (!status)
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
    *bytes += 4 * (glim__gradients_width(f->train) * Q + largest) +
              (uint64_t)f->train->n_weights * (Q + 1) * 8 + (GLIM_GRADIENTS_BLOCK + 8) * 8 * Q;
    return status;
}
