/* SPDX-License-Identifier: Apache-2.0 */
/* influence-testing.h: a method is run on a fit of made-up data, and all its numbers kept. */
#ifndef GLIM_TESTS_INFLUENCE_TESTING_H
#define GLIM_TESTS_INFLUENCE_TESTING_H

#include "../predict/fit-testing.h"

#include "influence/influence-methods.h"

#include <string.h>

enum { MOST_COLUMNS = 64 };

/* What came of a run. */
typedef struct kept {
    glim_influence_column columns[MOST_COLUMNS];
    char names[MOST_COLUMNS][96];
    size_t n_columns, n, blocks;
    double *values; /* (n, n_columns) */
    glim_document *doc;
} kept;

static glim_status kept_take(void *data, const glim_influence_block *b, glim_error *err) {
    kept *k = data;
    assert_int_equal(b->first, k->n);
    k->n += b->count;
    k->blocks++;
    k->values = realloc(k->values, k->n * k->n_columns * sizeof *k->values);
    memcpy(k->values + b->first * k->n_columns, b->values,
           b->count * k->n_columns * sizeof *k->values);
    return GLIM_OK;
}

static glim_status kept_begin(void *data, const glim_influence_column *columns, size_t n,
                              glim_influence_sink *sink, glim_error *err) {
    kept *k = data;
    assert_true(n <= MOST_COLUMNS);
    k->n_columns = n;
    for (size_t i = 0; i < n; i++) {
        k->columns[i] = columns[i];
        snprintf(k->names[i], sizeof k->names[i], "%s", columns[i].name);
    }
    *sink = (glim_influence_sink){kept_take, k};
    return GLIM_OK;
}

/* `opts` are "name=value" of the method's parameters, NULL-terminated; or NULL. */
static inline glim_status try_run(kept *k, const glim_influence_work *w, const char *method,
                                  const char *const *opts, glim_error *err) {
    const glim_influence_method *m = glim__influence_find(method);
    char own[256] = {0};
    *k = (kept){0};
    assert_non_null(m);
    assert_int_equal(glim_document_new(&k->doc, w->ctx, NULL), GLIM_OK);
    if (m->params)
        glim_param_defaults(m->params, own);
    for (; opts && *opts; opts++) {
        char name[64];
        size_t n = strcspn(*opts, "=");
        snprintf(name, sizeof name, "%.*s", (int)n, *opts);
        const glim_param *p = glim_param_find(m->params, name);
        assert_non_null(p);
        if (p->type == GLIM_BOOL)
            *(bool *)(void *)(own + p->offset) = true;
        else
            assert_int_equal(glim_param_set(p, own, *opts + n + 1, NULL), GLIM_OK);
    }
    glim_influence_out out = {kept_begin, k, k->doc};
    return glim__influence_run(w, m, own, &out, err);
}

static inline kept run_method(const glim_influence_work *w, const char *method,
                              const char *const *opts) {
    kept k;
    glim_error err = {0};
    if (try_run(&k, w, method, opts, &err))
        fail_msg("%s", err.message);
    return k;
}

/* With the defaults, and the nth allocation of the run and all later ones refused. */
static inline glim_status run_refused(kept *k, const glim_influence_work *w, const char *method,
                                      uint64_t nth, glim_error *err) {
    *k = (kept){0};
    assert_int_equal(glim_document_new(&k->doc, w->ctx, NULL), GLIM_OK);
    glim_influence_out out = {kept_begin, k, k->doc};
    glim__fail_allocation(w->ctx, nth);
    glim_status status = glim__influence_run(w, glim__influence_find(method), NULL, &out, err);
    glim__fail_allocation(w->ctx, 0);
    return status;
}

static inline void kept_release(kept *k) {
    glim_document_free(k->doc);
    free(k->values);
}

static inline size_t kept_column(const kept *k, const char *name, size_t query) {
    for (size_t i = 0; i < k->n_columns; i++)
        if (!strcmp(k->names[i], name) && k->columns[i].query == query)
            return i;
    fail_msg("there is no column %s", name);
    return 0;
}

static inline double kept_value(const kept *k, size_t i, const char *name) {
    return k->values[i * k->n_columns + kept_column(k, name, GLIM_NO_QUERY)];
}

static inline double kept_check(const kept *k, const char *name) {
    for (size_t i = 0; i < k->doc->n_checks; i++)
        if (!strcmp(k->doc->checks[i].name, name))
            return k->doc->checks[i].value;
    fail_msg("there is no check %s", name);
    return 0;
}

static inline void assert_near(double a, double b, double tolerance, const char *what, size_t i) {
    if (!(fabs(a - b) <= tolerance * (1 + fabs(b))))
        fail_msg("%s of sample %zu: %.15g, not %.15g", what, i, a, b);
}

/* A work on rows in memory. */
typedef struct bench {
    glim_features_array array;
    glim_features features;
    glim_influence_work work;
} bench;

static inline void set_bench(bench *b, glim_context *ctx, const glim_linear *head, const double *x,
                             const double *y, size_t n, size_t P) {
    b->array = (glim_features_array){.x = x, .y = y, .width = P};
    b->features = glim__features_of(&b->array, n);
    b->work = (glim_influence_work){.ctx = ctx, .n = n, .head = head, .train = &b->features};
}

/* A fit of the data without rows held out. */
static inline glim_linear *fit_of(glim_context *ctx, const glim_fit_data *d, double strength) {
    glim_linear *l;
    glim_fit_report report;
    glim_error err = {0};
    glim_fit_options o = {.kind = d->labels ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR,
                          .strength = strength};
    if (glim_fit(&l, &report, ctx, d, &o, &err))
        fail_msg("%s", err.message);
    return l;
}

#endif
