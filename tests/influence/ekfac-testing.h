/* SPDX-License-Identifier: Apache-2.0 */
/* ekfac-testing.h: kronfluence's recordings as walks, and a sink that keeps rows. */
#ifndef GLIM_TESTS_EKFAC_TESTING_H
#define GLIM_TESTS_EKFAC_TESTING_H

#include "walk-testing.h"

#include "influence/ekfac.h"

enum { T = 12, N = 40, Q = 3, MOST = 32, COLUMNS = 256 };

typedef struct table {
    double *values; /* (rows, columns) */
    size_t n_columns, rows;
    struct {
        char name[64];
        size_t query;
    } columns[COLUMNS];
} table;

static inline glim_status table_take(void *data, const glim_influence_block *b, glim_error *err) {
    table *t = data;
    assert_int_equal(b->first, t->rows);
    size_t n = b->count * t->n_columns;
    t->values = realloc(t->values, (t->rows * t->n_columns + n + 1) * sizeof *t->values);
    memcpy(t->values + t->rows * t->n_columns, b->values, n * sizeof *t->values);
    t->rows += b->count;
    return GLIM_OK;
}

static inline glim_status table_begin(void *data, const glim_influence_column *columns, size_t n,
                                      glim_influence_sink *sink, glim_error *err) {
    table *t = data;
    *t = (table){.n_columns = n};
    assert_true(n <= COLUMNS);
    for (size_t i = 0; i < n; i++) {
        snprintf(t->columns[i].name, sizeof t->columns[i].name, "%s", columns[i].name);
        t->columns[i].query = columns[i].query;
    }
    *sink = (glim_influence_sink){table_take, t};
    return GLIM_OK;
}

typedef struct recorded {
    glim_context *ctx;
    glim_model *m;
    glim_safetensors *st;
    id_walk train, asked;
    uint8_t chosen[MOST];
    glim_ekfac k;
    glim_ekfac_told told;
} recorded;

static inline const glim_st_tensor *recorded_tensor(const recorded *r, const char *kind,
                                                    const char *what) {
    char name[96];
    snprintf(name, sizeof name, "%.20s%s%.60s", kind, *kind ? "." : "", what);
    const glim_st_tensor *t = glim__safetensors_find(r->st, name);
    if (!t)
        fail_msg("no %s", name);
    return t;
}

static inline void recorded_open(recorded *r, const char *name, int threads, size_t batch,
                                 bool empirical) {
    char path[256];
    size_t n;
    memset(r, 0, sizeof *r);
    r->ctx = context_with(threads, 0);
    snprintf(path, sizeof path, "published/%s", name);
    r->m = open_model(r->ctx, path);
    snprintf(path, sizeof path, GLIM_TESTS "/golden/influence/kronfluence-%s.safetensors", name);
    assert_int_equal(glim__safetensors_open(&r->st, r->ctx, path, NULL), GLIM_OK);
    r->train = (id_walk){.m = r->m,
                         .ids = recorded_tensor(r, "", "ids")->data,
                         .drawn = recorded_tensor(r, "", "drawn")->data,
                         .T = T,
                         .batch = batch};
    r->asked = (id_walk){
        .m = r->m, .ids = recorded_tensor(r, "", "queries")->data, .T = T, .batch = batch % 3 + 1};
    const glim_weight *all = glim_model_weights(r->m, &n);
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++)
        r->chosen[i] = strncmp(all[i].name, "blocks.", 7) == 0;
    r->k = (glim_ekfac){
        .ctx = r->ctx,
        .train = {walk_ids, &r->train, N},
        .queries = {walk_ids, &r->asked, Q},
        .factors = {.weights = all, .chosen = r->chosen, .n_weights = n, .empirical = empirical},
        .damping = NAN,
        .sign = 1};
}

static inline void recorded_close(recorded *r) {
    glim__safetensors_close(r->st);
    glim_model_close(r->m);
    glim_context_free(r->ctx);
}

static inline table recorded_run(recorded *r) {
    glim_error err = {0};
    table t = {0};
    glim_influence_out out = {.begin = table_begin, .data = &t};
    if (glim__ekfac_run(&r->k, &out, &r->told, &err))
        fail_msg("%s", err.message);
    assert_int_equal(t.rows, N);
    return t;
}

#endif
