/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of samples go through every checkpoint before their rows are handed on, so that
 * nothing is kept of a sample but its row. Going through all samples once a checkpoint would
 * open each model once, and keep a number for every sample and query.
 */
#include "influence/first-order.h"
#include "influence/shares.h"
#include "influence/why.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct run {
    const glim_first_order *f;
    glim_context *ctx;
    glim_arena arena;
    glim_parts parts;
    glim_products **products; /* [checkpoints] */
    glim_influence_column *columns;
    size_t n_columns, queries, self; /* self: its column */
    double *values;                  /* (block, columns), records */
    double *sums;                    /* (block, parts, queries) of one checkpoint */
    double *squares;                 /* (block) ||grad L_i||^2 */
    double *met;                     /* (queries) */
    size_t *answers;                 /* (block) */
    size_t first, checkpoint;
    glim_influence_sink sink;
    glim_why_room why; /* of the sample that is taken apart */
};

static size_t checkpoints(const glim_first_order *f) {
    return f->n ? f->n : 1;
}

static double rate(const glim_first_order *f, size_t k) {
    return f->rates ? f->rates[k] : 1;
}

/* ---- columns ---- */

static const char *column_name(struct run *r, size_t part) {
    char name[160];
    snprintf(name, sizeof name, "influence.%s", r->parts.names[part]);
    return glim__arena_strdup(&r->arena, name);
}

/* Of each query its influence and that by parts; then self-influence. */
static glim_status name_columns(struct run *r, glim_error *err) {
    size_t parts = r->parts.n > 1 ? r->parts.n : 0, n = 0;
    r->n_columns = r->queries * (1 + parts) + r->f->self;
    r->columns = glim__arena_calloc(&r->arena, r->n_columns + 1, sizeof *r->columns);
    if (!r->columns)
        return glim__oom(r->ctx, err, "columns", r->n_columns * sizeof *r->columns);
    for (size_t q = 0; q < r->queries; q++)
        for (size_t k = 0; k <= parts; k++, n++) {
            r->columns[n] = (glim_influence_column){.name = k ? column_name(r, k - 1) : "influence",
                                                    .query = q,
                                                    .threshold = NAN,
                                                    .is_signed = true};
            if (!r->columns[n].name)
                return glim__oom(r->ctx, err, "columns", 160);
        }
    r->self = n;
    if (r->f->self)
        r->columns[n] = (glim_influence_column){
            .name = "self-influence", .query = GLIM_NO_QUERY, .threshold = NAN};
    return GLIM_OK;
}

/* ---- a block ---- */

static glim_status see(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                       const float *a, glim_error *err) {
    struct run *r = data;
    const glim_weight *w = &r->f->train->weights[weight];
    const glim_factors_view view = {weight, rows, g, a};
    size_t i = sample - r->first;
    glim_status status = GLIM_OK;
    if (r->queries)
        status = glim__products_take(r->products[r->checkpoint], &view, r->met, err);
    double *to = r->sums + (i * r->parts.n + r->parts.of[weight]) * r->queries;
    for (size_t q = 0; q < r->queries && !status; q++)
        to[q] += r->met[q];
    if (status || !(r->f->cosine || r->f->self))
        return status;
    double square;
    status = glim__product_square(r->ctx, w, &view, &square, err);
    r->squares[i] += status ? 0 : square;
    return status;
}

/* ||grad L_q||^2 of all chosen weights. */
static double query_square(const struct run *r, size_t q) {
    double sum = 0;
    for (size_t w = 0; w < r->f->train->n_weights; w++)
        sum += glim__products_norm2(r->products[r->checkpoint], w, q);
    return sum;
}

/* What the sums of one checkpoint are multiplied with; NaN where it is not defined. */
static double factor(const struct run *r, size_t i, double square) {
    double by = rate(r->f, r->checkpoint) * (r->f->sign < 0 ? -1 : 1);
    if (r->f->cosine)
        return r->squares[i] > 0 && square > 0 ? by / sqrt(r->squares[i] * square) : NAN;
    return r->f->per_answer ? by / (double)r->answers[i] : by;
}

static void add_checkpoint(struct run *r, size_t count) {
    size_t P = r->parts.n, each = 1 + (P > 1 ? P : 0);
    for (size_t q = 0; q < r->queries; q++) {
        double square = r->f->cosine ? query_square(r, q) : 1;
        for (size_t i = 0; i < count; i++) {
            double *to = r->values + i * r->n_columns + q * each, by = factor(r, i, square);
            for (size_t p = 0; p < P; p++) {
                double part = by * r->sums[(i * P + p) * r->queries + q];
                to[0] += part;
                if (P > 1)
                    to[1 + p] += part;
            }
        }
    }
    for (size_t i = 0; i < count && r->f->self; i++) {
        double per = r->f->per_answer ? (double)r->answers[i] : 1;
        r->values[i * r->n_columns + r->self] +=
            rate(r->f, r->checkpoint) * r->squares[i] / (per * per);
    }
}

static glim_status work(void *data, size_t first, size_t count, void *records, glim_error *err) {
    struct run *r = data;
    const glim_gradients *all = r->f->train;
    const glim_pass_visitor visitor = {.weight = see, .data = r};
    glim_status status = GLIM_OK;
    r->first = first;
    r->values = records;
    if (r->f->per_answer)
        status = all->sizes(all->data, first, count, NULL, r->answers, err);
    for (r->checkpoint = 0; r->checkpoint < checkpoints(r->f) && !status; r->checkpoint++) {
        const glim_gradients *g = &all[r->checkpoint];
        memset(r->sums, 0, count * r->parts.n * r->queries * sizeof *r->sums);
        memset(r->squares, 0, count * sizeof *r->squares);
        status = g->walk(g->data, first, count, &visitor, err);
        if (!status)
            add_checkpoint(r, count);
    }
    return status;
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
    double square;
    glim_status status = glim__why_meet(&r->why, r->ctx, r->products[r->checkpoint], &view, 1, err);
    if (!status && r->f->cosine) {
        status = glim__product_square(r->ctx, &r->f->train->weights[weight], &view, &square, err);
        r->squares[0] += status ? 0 : square;
    }
    return status;
}

/* One checkpoint, into sum (n, queries) and its rest. */
static glim_status why_checkpoint(struct run *r, double *sum, size_t n, double *out, double *rest,
                                  glim_error *err) {
    const glim_gradients *g = &r->f->train[r->checkpoint];
    const glim_pass_visitor visitor = {.weight = see_why, .data = r};
    size_t Q = r->queries;
    r->why.out = sum;
    r->why.rest = sum + n * Q;
    memset(sum, 0, (n + 1) * Q * sizeof *sum);
    r->squares[0] = 0;
    glim_status status = g->walk(g->data, r->why.sample->sample, 1, &visitor, err);
    for (size_t q = 0; q < Q && !status; q++) {
        double by = factor(r, 0, r->f->cosine ? query_square(r, q) : 1);
        for (size_t k = 0; k < n; k++)
            out[k * Q + q] += by * sum[k * Q + q];
        rest[q] += by * r->why.rest[q];
    }
    return status;
}

static glim_status tell(void *data, const glim_why_sample *s, double *out, double *rest,
                        glim_error *err) {
    struct run *r = data;
    const glim_gradients *g = r->f->train;
    size_t Q = r->queries, n = glim__why_size(&r->parts, s), bytes = (n + 1) * Q * sizeof(double);
    double *sum = glim__calloc(r->ctx, 1, bytes);
    if (!sum)
        return glim__oom(r->ctx, err, "the parts of scores", bytes);
    r->why = (glim_why_room){.sample = s, .weights = g->weights, .parts = &r->parts, .count = Q};
    memset(out, 0, n * Q * sizeof *out);
    memset(rest, 0, Q * sizeof *rest);
    glim_status status =
        r->f->per_answer ? g->sizes(g->data, s->sample, 1, NULL, r->answers, err) : GLIM_OK;
    for (r->checkpoint = 0; r->checkpoint < checkpoints(r->f) && !status; r->checkpoint++)
        status = why_checkpoint(r, sum, n, out, rest, err);
    glim__free(r->ctx, sum);
    return status;
}

static glim_status say_why(struct run *r, const glim_influence_out *out, glim_error *err) {
    glim_why why = {.count = r->queries, .tell = tell, .data = r};
    glim__why_parts(&why, &r->parts);
    return r->f->by && r->queries && out->why && glim__team_first(r->ctx)
               ? out->why(out->data, &why, err)
               : GLIM_OK;
}

/* ---- a run ---- */

static glim_status make_room(struct run *r, glim_error *err) {
    size_t B = GLIM_GRADIENTS_BLOCK, numbers = B * (r->n_columns + r->parts.n * r->queries);
    r->sums = glim__calloc(r->ctx, B * r->parts.n * r->queries + 1, sizeof *r->sums);
    r->squares = glim__calloc(r->ctx, B, sizeof *r->squares);
    r->answers = glim__calloc(r->ctx, B, sizeof *r->answers);
    r->met = glim__calloc(r->ctx, r->queries + 1, sizeof *r->met);
    r->products = glim__calloc(r->ctx, checkpoints(r->f), sizeof *r->products);
    bool ok = r->sums && r->squares && r->answers && r->met && r->products;
    return ok ? GLIM_OK : glim__oom(r->ctx, err, "rows of influence", numbers * sizeof(double));
}

static glim_status prepare(struct run *r, glim_error *err) {
    glim_status status = glim__parts_make(&r->parts, &r->arena, r->f->train, r->f->by, err);
    if (!status)
        status = name_columns(r, err);
    if (!status)
        status = make_room(r, err);
    for (size_t k = 0; k < checkpoints(r->f) && !status && r->queries; k++)
        status = glim__products_new(&r->products[k], &r->f->queries[k], false, err);
    return status;
}

static void begin(struct run *r, const glim_first_order *f) {
    *r = (struct run){.f = f, .ctx = f->train->ctx, .queries = f->queries ? f->queries->n : 0};
    glim__arena_init(&r->arena, r->ctx, 4096);
}

static void release(struct run *r) {
    for (size_t k = 0; k < checkpoints(r->f) && r->products; k++)
        glim__products_free(r->products[k]);
    glim__free(r->ctx, r->sums);
    glim__free(r->ctx, r->squares);
    glim__free(r->ctx, r->answers);
    glim__free(r->ctx, r->met);
    glim__free(r->ctx, r->products);
    glim__arena_release(&r->arena);
}

glim_status glim__first_order_run(const glim_first_order *f, const glim_influence_out *out,
                                  glim_error *err) {
    struct run r;
    begin(&r, f);
    glim_status status = prepare(&r, err);
    const glim_share share = {.ctx = r.ctx,
                              .stage = "samples",
                              .n = f->train->n,
                              .block = GLIM_GRADIENTS_BLOCK,
                              .bytes = r.n_columns * sizeof *r.values,
                              .work = work,
                              .take = hand_out,
                              .data = &r};
    if (!status && glim__team_first(r.ctx))
        status = out->begin(out->data, r.columns, r.n_columns, &r.sink, err);
    if (!status)
        status = glim__share(&share, err);
    if (!status)
        status = say_why(&r, out, err);
    release(&r);
    return status;
}

glim_status glim__first_order_plan(const glim_first_order *f, uint64_t *bytes, glim_error *err) {
    size_t Q = f->queries ? f->queries->n : 0, parts = f->by ? f->train->n_weights : 1;
    *bytes = GLIM_GRADIENTS_BLOCK * 8 * (Q * (1 + 2 * parts) + 4) + (uint64_t)Q * parts * 400;
    for (size_t k = 0; k < checkpoints(f) && Q; k++) {
        uint64_t kept;
        glim_status status = glim__products_plan(&f->queries[k], false, 0, &kept, err);
        if (status)
            return status;
        *bytes += kept;
    }
    return GLIM_OK;
}
