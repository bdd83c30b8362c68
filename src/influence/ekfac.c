/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row has all queries' columns, but queries may come in groups, a pass each. So scores of
 * all groups but the last wait in a file without a name; the last pass puts rows together.
 * To make queries ready again for every block of samples would need no file, and cost more
 * than the passes.
 */
#include "influence/ekfac.h"
#include "influence/queries.h"
#include "influence/shares.h"
#include "influence/spool.h"
#include "influence/why.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 128 }; /* samples of a run at most */

struct run {
    const glim_ekfac *k;
    glim_context *ctx;
    glim_arena arena;
    glim_parts parts;
    glim_factors factors;
    glim_spectrum spectrum;
    glim_gather gather;
    glim_influence_column *columns;
    size_t n_columns, each; /* each: columns of a query */
    glim_influence_sink sink;
    double *row;   /* (BATCH, n_columns) */
    double *score; /* (GATHER_MOST, queries of a group) */
    glim_spool spool;
    glim_queries queries;
    size_t first, count; /* the group of queries */
    size_t base;         /* first sample of the run at hand */
    double *records;     /* of the run: self-influence with the last group, then the scores of
                            this one; without an answer NaN */
    glim_why_room why;   /* of the sample that is taken apart */
};

/* ---- columns ---- */

static size_t self_columns(const struct run *r) {
    return r->k->self ? 1 : 0;
}

static const char *column_name(struct run *r, size_t part) {
    char name[160];
    snprintf(name, sizeof name, "influence.%s", r->parts.names[part]);
    return glim__arena_strdup(&r->arena, name);
}

static glim_status name_columns(struct run *r, glim_error *err) {
    size_t n = 0, Q = r->k->queries.count;
    r->each = r->parts.n > 1 ? 1 + r->parts.n : 1;
    r->n_columns = self_columns(r) + Q * r->each;
    r->columns = glim__arena_calloc(&r->arena, r->n_columns + 1, sizeof *r->columns);
    if (!r->columns)
        return glim__oom(r->ctx, err, "columns", r->n_columns * sizeof *r->columns);
    if (r->k->self)
        r->columns[n++] = (glim_influence_column){
            .name = "self-influence", .query = GLIM_NO_QUERY, .threshold = NAN};
    for (size_t q = 0; q < Q; q++)
        for (size_t p = 0; p < r->each; p++, n++) {
            r->columns[n] = (glim_influence_column){.name = p ? column_name(r, p - 1) : "influence",
                                                    .query = q,
                                                    .threshold = NAN,
                                                    .is_signed = true};
            if (!r->columns[n].name)
                return glim__oom(r->ctx, err, "columns", 160);
        }
    return GLIM_OK;
}

static glim_status make_room(struct run *r, glim_error *err) {
    glim_gradients weights = {.ctx = r->ctx,
                              .weights = r->k->factors.weights,
                              .n_weights = r->k->factors.n_weights,
                              .chosen = r->k->factors.chosen};
    glim_status status = glim__parts_make(&r->parts, &r->arena, &weights, r->k->parts, err);
    if (!status)
        status = name_columns(r, err);
    if (status)
        return status;
    r->row = glim__arena_calloc(&r->arena, BATCH * r->n_columns + 1, sizeof *r->row);
    r->score = glim__arena_calloc(&r->arena, GLIM_GATHER_MOST * (r->k->queries.count + 1),
                                  sizeof *r->score);
    return r->row && r->score ? GLIM_OK
                              : glim__oom(r->ctx, err, "scores", BATCH * r->n_columns * 8);
}

/* ---- scores ---- */

static bool last_group(const struct run *r) {
    return r->first + r->count == r->k->queries.count;
}

static size_t record_self(const struct run *r) {
    return last_group(r) ? self_columns(r) : 0;
}

static size_t record_width(const struct run *r) {
    return record_self(r) + r->count * r->each;
}

static glim_status add_self(struct run *r, const glim_factor *f, const glim_gathered *all,
                            glim_error *err) {
    double out[GLIM_GATHER_MOST], damping = glim__factor_damping(f, r->k->damping);
    glim_status status = glim__spectrum_self(&r->spectrum, f, all, damping, out, err);
    for (size_t i = 0; i < all->count && !status; i++)
        r->records[(all->sample[i] - r->base) * record_width(r)] +=
            out[i] / (double)r->k->train.count;
    return status;
}

static glim_status take(void *data, const glim_gathered *all, glim_error *err) {
    struct run *r = data;
    const glim_factor *f = glim__factors_of(&r->factors, all->weight);
    glim_status status = GLIM_OK;
    if (r->k->self && last_group(r))
        status = add_self(r, f, all, err);
    if (status || !r->count)
        return status;
    status = glim__queries_score(&r->queries, (size_t)(f - r->factors.each), all, r->score, err);
    double by = r->k->sign / (double)r->k->train.count;
    for (size_t i = 0; i < all->count && !status; i++) {
        double *row = r->records + (all->sample[i] - r->base) * record_width(r) + record_self(r);
        for (size_t q = 0; q < r->count; q++) {
            double *to = row + q * r->each, x = by * r->score[i * r->count + q];
            to[0] += x;
            if (r->each > 1)
                to[1 + r->parts.of[all->weight]] += x;
        }
    }
    return status;
}

/* Where the scores of this group, or of an earlier one, wait: groups one after the other. */
static uint64_t place(const struct run *r, size_t sample, size_t first, size_t count) {
    return (uint64_t)r->k->train.count * first * r->each + (uint64_t)sample * count * r->each;
}

static glim_status store_run(struct run *r, size_t first, size_t count, const double *records,
                             glim_error *err) {
    glim_status status = GLIM_OK;
    size_t n = record_width(r);
    for (size_t i = 0; i < count && !status; i++)
        status = glim__spool_write(&r->spool, place(r, first + i, r->first, r->count),
                                   records + i * n, n, err);
    return status;
}

/* Scores of earlier groups, which have one size: that of the first. */
static glim_status fetch_run(struct run *r, size_t sample, size_t count, glim_error *err) {
    glim_status status = GLIM_OK;
    size_t group = r->k->group;
    for (size_t first = 0; first < r->first; first += group)
        for (size_t i = 0; i < count && !status; i++)
            status = glim__spool_read(&r->spool, place(r, sample + i, first, group),
                                      r->row + i * r->n_columns + self_columns(r) + first * r->each,
                                      group * r->each, err);
    return status;
}

/* With the last group, rows are whole: on with them. */
static glim_status take_run(void *data, size_t first, size_t count, const void *records,
                            glim_error *err) {
    struct run *r = data;
    const double *x = records;
    size_t n = record_width(r), self = self_columns(r);
    if (!last_group(r))
        return store_run(r, first, count, x, err);
    glim_status status = fetch_run(r, first, count, err);
    for (size_t i = 0; i < count && !status; i++) {
        double *row = r->row + i * r->n_columns;
        memcpy(row, x + i * n, self * sizeof *row);
        memcpy(row + self + r->first * r->each, x + i * n + self, (n - self) * sizeof *row);
    }
    const glim_influence_block b = {first, count, r->row};
    return status ? status : r->sink.take(r->sink.data, &b, err);
}

/* Without an answer there is no influence. */
static glim_status batch_ends(void *data, size_t first, size_t count, const double *loss,
                              glim_error *err) {
    struct run *r = data;
    size_t n = record_width(r);
    glim_status status = glim__gather_flush(&r->gather, err);
    for (size_t i = 0; i < count && loss && !status; i++)
        for (size_t c = 0; c < n && isnan(loss[i]); c++)
            r->records[(first + i - r->base) * n + c] = NAN;
    return status;
}

/* The pass has visitors of its own for weights and batches; both see this run. */
static glim_status see(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                       const float *a, glim_error *err) {
    struct run *r = data;
    return glim__gather_add(&r->gather, sample, weight, rows, g, a, err);
}

static glim_status run_samples(void *data, size_t first, size_t count, void *records,
                               glim_error *err) {
    struct run *r = data;
    const glim_ekfac *k = r->k;
    const glim_pass_visitor visitor = {.weight = see, .batch = batch_ends, .data = r};
    r->base = first;
    r->records = records;
    glim_status status =
        k->train.go(k->train.data, first, count, false, k->factors.chosen, &visitor, err);
    return status ? status : glim__gather_flush(&r->gather, err);
}

static glim_status make_queries(struct run *r, glim_error *err) {
    const glim_ekfac *k = r->k;
    glim_query_options how = {.walk = &k->queries,
                              .factors = &k->factors,
                              .damping = k->damping,
                              .rank = k->rank,
                              .seed = k->seed};
    return glim__queries_make(&r->queries, &r->factors, &how, r->first, r->count, err);
}

static glim_status group_pass(struct run *r, glim_ekfac_told *told, glim_error *err) {
    const glim_ekfac *k = r->k;
    const glim_share share = {.ctx = r->ctx,
                              .stage = "samples, forward and back",
                              .n = k->train.count,
                              .block = BATCH,
                              .bytes = record_width(r) * sizeof *r->records,
                              .inner = true,
                              .work = run_samples,
                              .take = take_run,
                              .data = r};
    glim_status status = GLIM_OK;
    if (r->count)
        status = make_queries(r, err);
    for (size_t q = 0; q < r->count && !status; q++)
        if (r->queries.size[q] > 0)
            told->lost = fmax(told->lost, sqrt(r->queries.lost[q] / r->queries.size[q]));
    if (!status)
        status = glim__share(&share, err);
    glim__queries_release(&r->queries);
    return status;
}

/* ---- the whole ---- */

/* Queries at a time: half of what is left, in sixteens; all have the same bits in any. */
size_t glim__ekfac_group(const glim_ekfac *k, uint64_t left) {
    size_t n = k->queries.count;
    uint64_t each = glim__queries_plan(&k->factors, k->rank, 16);
    if (k->group || !n)
        return k->group && k->group < n ? k->group : n;
    size_t sixteens = each && left / 2 / each < n ? (size_t)(left / 2 / each) : n;
    size_t most = sixteens > 1 ? sixteens * 16 : 16;
    return most < n ? most : n;
}

static glim_status groups(struct run *r, size_t group, glim_ekfac_told *told, glim_error *err) {
    size_t n = r->k->queries.count;
    glim_status status =
        group < n ? glim__spool_open(&r->spool, "scores of earlier queries", err) : GLIM_OK;
    do {
        r->count = n - r->first < group ? n - r->first : group;
        status = status ? status : group_pass(r, told, err);
        told->groups++;
        r->first += r->count;
    } while (r->first < n && !status);
    return status;
}

/* ---- why ---- */

static glim_status take_why(void *data, const glim_gathered *all, glim_error *err) {
    struct run *r = data;
    const glim_factor *f = glim__factors_of(&r->factors, all->weight);
    size_t Q = r->count, rows = all->start[1], bytes = rows * (Q + 1) * sizeof(double);
    double *each = glim__spare_take(r->ctx, bytes), *one = each + rows * Q;
    glim_status status = each ? GLIM_OK : glim__oom(r->ctx, err, "rows of a sample", bytes);
    for (size_t q = 0; q < Q && !status; q++) {
        memset(one, 0, rows * sizeof *one);
        if (!r->why.sample->wanted || r->why.sample->wanted[q])
            status = glim__queries_tokens(&r->queries, (size_t)(f - r->factors.each), all, 0, q,
                                          one, err);
        for (size_t t = 0; t < rows && !status; t++)
            each[t * Q + q] = one[t];
    }
    if (!status)
        glim__why_add(&r->why, all->weight, rows, each, r->k->sign / (double)r->k->train.count);
    glim__spare_give(r->ctx, each);
    return status;
}

static glim_status tell_why(void *data, const glim_why_sample *s, double *out, double *rest,
                            glim_error *err) {
    struct run *r = data;
    const glim_walk *walk = &r->k->train;
    glim_pass_visitor visitor = {.weight = see, .data = r};
    r->why = (glim_why_room){s, r->k->factors.weights, &r->parts, r->count, out, rest};
    r->gather.take = take_why;
    memset(out, 0, glim__why_size(&r->parts, s) * r->count * sizeof *out);
    memset(rest, 0, r->count * sizeof *rest);
    glim_status status =
        walk->go(walk->data, s->sample, 1, false, r->k->factors.chosen, &visitor, err);
    return status ? status : glim__gather_flush(&r->gather, err);
}

/* Queries are made ready once more: which scores are asked about is known only now. */
static glim_status say_why(struct run *r, size_t group, const glim_influence_out *out,
                           glim_error *err) {
    size_t n = r->k->queries.count;
    glim_status status = GLIM_OK;
    bool asked = r->k->parts && out->why && glim__team_first(r->ctx);
    for (r->first = 0; r->first < n && asked && !status; r->first += r->count) {
        r->count = n - r->first < group ? n - r->first : group;
        glim_why why = {.first = r->first, .count = r->count, .tell = tell_why, .data = r};
        glim__why_parts(&why, &r->parts);
        status = make_queries(r, err);
        if (!status)
            status = out->why(out->data, &why, err);
        glim__queries_release(&r->queries);
    }
    return status;
}

static void tell(const struct run *r, glim_ekfac_told *told) {
    told->rounds = r->factors.rounds;
    told->zero = r->factors.zero;
    told->weights = r->factors.n;
    for (size_t i = 0; i < r->factors.n; i++)
        told->damping +=
            glim__factor_damping(&r->factors.each[i], r->k->damping) / (double)r->factors.n;
}

glim_status glim__ekfac_run(const glim_ekfac *given, const glim_influence_out *out,
                            glim_ekfac_told *told, glim_error *err) {
    glim_ekfac k = *given;
    struct run r = {.k = &k, .ctx = k.ctx, .spectrum = {.ctx = k.ctx}, .spool = {-1}};
    *told = (glim_ekfac_told){0};
    r.gather = (glim_gather){.ctx = k.ctx, .weights = k.factors.weights, .take = take, .data = &r};
    glim__arena_init(&r.arena, k.ctx, 1 << 16);
    glim_status status = make_room(&r, err);
    if (!status)
        status = glim__factors_fit(&r.factors, k.ctx, &k.train, &k.factors, err);
    if (!status && glim__team_first(k.ctx))
        status = out->begin(out->data, r.columns, r.n_columns, &r.sink, err);
    uint64_t left = glim__budget_left(k.ctx);
    if (!status)
        status = glim__team_least(k.ctx, &left, err);
    k.group = glim__ekfac_group(&k, left);
    if (!status)
        status = groups(&r, k.group, told, err);
    if (!status)
        status = say_why(&r, k.group, out, err);
    tell(&r, told);
    glim__gather_release(&r.gather);
    glim__spectrum_release(&r.spectrum);
    glim__factors_release(&r.factors);
    glim__spool_close(&r.spool);
    glim__arena_release(&r.arena);
    return status;
}
