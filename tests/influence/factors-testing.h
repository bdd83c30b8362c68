/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples whose factors are known: random ones, and those of a softmax head, for which all
 * that the methods say can be computed by hand. A sink that keeps all rows.
 */
#ifndef GLIM_TESTS_FACTORS_TESTING_H
#define GLIM_TESTS_FACTORS_TESTING_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/rng.h"
#include "influence/influence-methods.h"
#include "influence/gradients.h"

static glim_context *ctx;

static inline glim_context *context_of(int threads) {
    glim_context *c;
    glim_context_options o = {.threads = threads};
    assert_int_equal(glim_context_new(&c, &o, NULL), GLIM_OK);
    return c;
}

/* ---- random factors: of sample i and weight w 0 .. 4 rows more than `least` ---- */

typedef struct made_up {
    glim_gradients g;
    uint64_t seed;
    size_t least;
    bool silent; /* sample 1 has no rows */
    size_t stop; /* walks end with ECANCELLED at this sample; 0 = never */
} made_up;

static const glim_weight made_up_weights[] = {
    {.name = "blocks.0.attn.W_O", .rows = 9, .cols = 7},
    {.name = "blocks.0.mlp.W_in", .rows = 17, .cols = 30},
    {.name = "blocks.1.mlp.W_in", .rows = 17, .cols = 30},
    {.name = "unembed.W_U", .rows = 40, .cols = 5},
};
static const uint8_t made_up_chosen[] = {1, 1, 1, 0};
enum { MADE_UP = 4 };

static inline size_t made_up_rows(const made_up *m, size_t i) {
    return m->silent && i == 1 ? 0 : m->least + glim__rng_below(m->seed, 1000 + i, 0, 5);
}

static inline double made_up_number(const made_up *m, size_t i, size_t w, size_t side, size_t at) {
    return glim__rng_normal(m->seed + side, i * MADE_UP + w, at);
}

/* The gradient of one sample and weight, formed in double. */
static inline double *made_up_gradient(const made_up *m, size_t i, size_t w) {
    size_t F = made_up_weights[w].rows, C = made_up_weights[w].cols;
    double *G = calloc(F * C, sizeof *G), g[64], x[64];
    for (size_t t = 0; t < made_up_rows(m, i); t++) {
        for (size_t f = 0; f < F; f++)
            g[f] = (double)(float)made_up_number(m, i, w, 0, t * F + f);
        for (size_t c = 0; c < C; c++)
            x[c] = (double)(float)made_up_number(m, i, w, 1, t * C + c);
        for (size_t f = 0; f < F; f++)
            for (size_t c = 0; c < C; c++)
                G[f * C + c] += g[f] * x[c];
    }
    return G;
}

static inline double made_up_dot(const made_up *a, size_t i, const made_up *b, size_t j, size_t w) {
    size_t n = made_up_weights[w].rows * made_up_weights[w].cols;
    double *x = made_up_gradient(a, i, w), *y = made_up_gradient(b, j, w), sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k] * y[k];
    free(x);
    free(y);
    return sum;
}

static inline double made_up_loss(size_t i) {
    return 0.1 + 0.3 * (double)(i % 5);
}

static inline glim_status made_up_show(const made_up *m, size_t i, size_t w,
                                       const glim_pass_visitor *v, glim_error *err) {
    size_t F = made_up_weights[w].rows, C = made_up_weights[w].cols, T = made_up_rows(m, i);
    float *g = malloc((T * F + 1) * sizeof *g), *a = malloc((T * C + 1) * sizeof *a);
    for (size_t k = 0; k < T * F; k++)
        g[k] = (float)made_up_number(m, i, w, 0, k);
    for (size_t k = 0; k < T * C; k++)
        a[k] = (float)made_up_number(m, i, w, 1, k);
    glim_status status = v->weight(v->data, i, w, T, g, a, err);
    free(g);
    free(a);
    return status;
}

/* In batches of three samples, weight by weight from the last. */
static inline glim_status made_up_walk(void *data, size_t first, size_t count,
                                       const glim_pass_visitor *v, glim_error *err) {
    const made_up *m = data;
    for (size_t at = first; at < first + count; at += 3) {
        size_t n = first + count - at < 3 ? first + count - at : 3;
        double loss[3];
        if (m->stop && at + n > m->stop)
            return glim_fail(err, GLIM_ECANCELLED, "stopped");
        for (size_t w = MADE_UP; w-- > 0;)
            for (size_t i = at; i < at + n && v->weight; i++) {
                glim_status status = GLIM_OK;
                if (made_up_chosen[w] && made_up_rows(m, i))
                    status = made_up_show(m, i, w, v, err);
                if (status)
                    return status;
            }
        for (size_t i = 0; i < n; i++)
            loss[i] = made_up_loss(at + i);
        glim_status status = v->batch ? v->batch(v->data, at, n, loss, err) : GLIM_OK;
        if (status)
            return status;
    }
    return GLIM_OK;
}

static inline glim_status made_up_sizes(void *data, size_t first, size_t count, size_t *rows,
                                        size_t *answers, glim_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (rows)
            rows[i] = made_up_rows(data, first + i);
        if (answers)
            answers[i] = made_up_rows(data, first + i);
    }
    return GLIM_OK;
}

static inline const glim_gradients *make_up(made_up *m, size_t n, uint64_t seed, size_t least) {
    *m = (made_up){.seed = seed, .least = least};
    m->g = (glim_gradients){.ctx = ctx,
                            .n = n,
                            .weights = made_up_weights,
                            .n_weights = MADE_UP,
                            .chosen = made_up_chosen,
                            .walk = made_up_walk,
                            .sizes = made_up_sizes,
                            .data = m};
    return &m->g;
}

/* ---- a softmax head over x: one row, g = p - onehot(y), a = x ---- */

typedef struct head {
    glim_gradients g;
    glim_weight weight;
    size_t K, p;
    const double *theta, *x; /* (K, p), (n, p) */
    const int *y;
} head;

static inline void head_probabilities(const head *h, size_t i, double *out) {
    double total = 0;
    for (size_t k = 0; k < h->K; k++) {
        double z = 0;
        for (size_t c = 0; c < h->p; c++)
            z += h->theta[k * h->p + c] * h->x[i * h->p + c];
        total += out[k] = exp(z);
    }
    for (size_t k = 0; k < h->K; k++)
        out[k] /= total;
}

static inline glim_status head_walk(void *data, size_t first, size_t count,
                                    const glim_pass_visitor *v, glim_error *err) {
    const head *h = data;
    for (size_t i = first; i < first + count; i++) {
        double p[8];
        float g[8], a[64];
        head_probabilities(h, i, p);
        for (size_t k = 0; k < h->K; k++)
            g[k] = (float)(p[k] - (h->y[i] == (int)k));
        for (size_t c = 0; c < h->p; c++)
            a[c] = (float)h->x[i * h->p + c];
        double loss = -log(p[h->y[i]]);
        glim_status status = v->weight ? v->weight(v->data, i, 0, 1, g, a, err) : GLIM_OK;
        if (!status && v->batch)
            status = v->batch(v->data, i, 1, &loss, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

static inline glim_status head_sizes(void *data, size_t first, size_t count, size_t *rows,
                                     size_t *answers, glim_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (rows)
            rows[i] = 1;
        if (answers)
            answers[i] = 1;
    }
    return GLIM_OK;
}

static inline const glim_gradients *make_head(head *h, size_t n, size_t K, size_t p) {
    static const uint8_t chosen = 1;
    h->K = K;
    h->p = p;
    h->weight = (glim_weight){.name = "unembed.W_U", .rows = K, .cols = p};
    h->g = (glim_gradients){.ctx = ctx,
                            .n = n,
                            .weights = &h->weight,
                            .n_weights = 1,
                            .chosen = &chosen,
                            .walk = head_walk,
                            .sizes = head_sizes,
                            .data = h};
    return &h->g;
}

/* ---- all rows ---- */

typedef struct all_rows {
    const glim_influence_column *columns;
    char names[32][64];
    size_t n_columns, rows;
    double values[400 * 32];
    glim_influence_out out;
    const made_up *made; /* whose scores are taken apart, with out.why = all_rows_why */
    size_t apart;        /* samples that were */
} all_rows;

static inline glim_status all_rows_take(void *data, const glim_influence_block *b,
                                        glim_error *err) {
    all_rows *r = data;
    assert_int_equal(b->first, r->rows);
    memcpy(r->values + b->first * r->n_columns, b->values,
           b->count * r->n_columns * sizeof *b->values);
    r->rows += b->count;
    return GLIM_OK;
}

static inline glim_status all_rows_begin(void *data, const glim_influence_column *columns, size_t n,
                                         glim_influence_sink *sink, glim_error *err) {
    all_rows *r = data;
    assert_true(n <= 32);
    r->n_columns = n;
    for (size_t i = 0; i < n; i++) {
        strncpy(r->names[i], columns[i].name, sizeof r->names[i] - 1);
        r->names[i][sizeof r->names[i] - 1] = 0;
    }
    *sink = (glim_influence_sink){all_rows_take, r};
    return GLIM_OK;
}

static inline all_rows *new_rows(void) {
    all_rows *r = calloc(1, sizeof *r);
    r->out = (glim_influence_out){.begin = all_rows_begin, .data = r};
    return r;
}

static inline double row_value(const all_rows *r, size_t sample, size_t column) {
    return r->values[sample * r->n_columns + column];
}

static inline void close_to(double have, double want, double scale) {
    if (!(fabs(have - want) <= 2e-6 * scale + 1e-12))
        fail_msg("%.9g is not %.9g", have, want);
}

/* The column of a query's influence. */
static inline size_t influence_column(const all_rows *r, size_t query) {
    size_t k = 0;
    for (size_t seen = 0; k < r->n_columns; k++)
        if (!strcmp(r->names[k], "influence") && seen++ == query)
            break;
    return k;
}

/* What rows, layers or modules have sums to what was handed out. */
static inline glim_status all_rows_why(void *data, const glim_why *why, glim_error *err) {
    all_rows *r = data;
    double out[64 * 8], rest[8];
    for (size_t i = 0; i < r->made->g.n; i += 2) {
        const glim_why_sample s = {i, 0, made_up_rows(r->made, i), NULL};
        size_t n = why->parts ? why->parts : s.tokens, Q = why->count;
        assert_true(n <= 64 && Q <= 8);
        glim_status status = why->tell(why->data, &s, out, rest, err);
        if (status)
            return status;
        for (size_t q = 0; q < Q; q++) {
            double sum = rest[q], size = fabs(rest[q]);
            for (size_t k = 0; k < n; k++) {
                sum += out[k * Q + q];
                size += fabs(out[k * Q + q]);
            }
            close_to(sum, row_value(r, i, influence_column(r, why->first + q)), size);
            assert_true(rest[q] == 0); /* all rows are tokens' */
        }
        r->apart++;
    }
    return GLIM_OK;
}

#endif
