/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sample influence on made-up data, one thread, user time of the processor; influence.py
 * measures the same beside statsmodels and NumPy. Lines: what, seconds, a number to compare.
 */
#include "base/rng.h"
#include "influence/influence-methods.h"
#include "influence/least-squares.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct sum {
    double most;
    size_t columns, watched, query;
};

static double user(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec;
}

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    struct sum *s = data;
    for (size_t i = 0; i < b->count; i++) {
        double v = b->values[i * s->columns + s->watched];
        s->most = v > s->most ? v : s->most;
    }
    return GLIM_OK;
}

static const char *watched;

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    struct sum *s = data;
    s->columns = n;
    for (size_t i = n; i-- > 0;)
        if (!strcmp(columns[i].name, watched))
            s->watched = i;
    *sink = (glim_influence_sink){take, s};
    return GLIM_OK;
}

/* x_ij = u_ij - 1/2 + j a_i: every language can make it. */
static double cell(size_t i, size_t j) {
    return fmod(sin((double)(i * 131 + j * 71 + 1)) * 43758.5453123, 1.0);
}

static void measure(glim_context *ctx, const char *what, glim_influence_work *w, const char *method,
                    const void *opts, bool fit) {
    double best = INFINITY, most = 0;
    for (int round = 0; round < 2; round++) {
        glim_document *doc;
        glim_linear *l = NULL;
        struct sum s = {.most = -INFINITY};
        glim_influence_out out = {begin, &s, NULL};
        glim_error err = {0};
        if (glim_document_new(&doc, ctx, &err))
            exit(1);
        out.doc = doc;
        double start = user();
        glim_status status = GLIM_OK;
        if (fit) {
            status = glim__linear_new(&l, ctx, &err);
            if (!status)
                status = glim__linear_shape(l, w->train->width, 1, &err);
            if (!status)
                status = glim__least_squares(l, w->train, 0, &err);
            w->head = l;
        }
        if (!status)
            status = glim__influence_run(w, glim__influence_find(method), opts, &out, &err);
        double took = user() - start;
        if (status)
            fprintf(stderr, "%s: %s\n", what, err.message);
        best = took < best ? took : best;
        most = s.most;
        glim_linear_close(l);
        glim_document_free(doc);
    }
    printf("%s %.4f %.12g\n", what, best, most);
}

static double *rows(size_t n, size_t P) {
    double *x = malloc(n * P * sizeof *x);
    for (size_t i = 0; i < n * P; i++)
        x[i] = cell(i / P, i % P);
    return x;
}

static void cook(glim_context *ctx) {
    enum { N = 100000, P = 20 };
    double *x = rows(N, P), *y = malloc(N * sizeof *y);
    for (size_t i = 0; i < N; i++)
        y[i] = x[i * P] - 2 * x[i * P + 1] + 3 * cell(i, 1000);
    glim_features_array a = {.x = x, .y = y, .width = P};
    glim_features f = glim__features_of(&a, N);
    glim_influence_work w = {.ctx = ctx, .n = N, .train = &f};
    watched = "cooks-distance";
    measure(ctx, "cook", &w, "diagnostics", NULL, true);
    free(x);
    free(y);
}

static void head(glim_context *ctx) {
    enum { N = 10000, P = 384, Q = 100 };
    double *x = rows(N + Q, P), *y = malloc((N + Q) * sizeof *y);
    int32_t *labels = malloc(N * sizeof *labels);
    static const char *const classes[] = {"no", "yes"};
    for (size_t i = 0; i < N + Q; i++)
        y[i] = x[i * P] - 2 * x[i * P + 1] + cell(i, 1000) > 0;
    for (size_t i = 0; i < N; i++)
        labels[i] = (int32_t)y[i];
    glim_fit_data d = {
        .f64 = x, .n = N, .width = P, .labels = labels, .classes = classes, .n_classes = 2};
    glim_linear *l;
    glim_fit_report report;
    glim_error err;
    glim_fit_options o = {.strength = 10, .tolerance = 1e-10};
    if (glim_fit(&l, &report, ctx, &d, &o, &err))
        exit(1);
    glim_features_array a = {.x = x, .y = y, .width = P},
                        b = {.x = x + N * P, .y = y + N, .width = P};
    glim_features f = glim__features_of(&a, N), g = glim__features_of(&b, Q);
    glim_influence_work w = {
        .ctx = ctx, .n = N, .n_queries = Q, .train = &f, .queries = &g, .head = l};
    watched = "influence";
    const glim_influence_method *m = glim__influence_find("influence-functions");
    char opts[256] = {0};
    glim_param_defaults(m->params, opts);
    measure(ctx, "all", &w, "influence-functions", opts, false);
    *(bool *)(void *)(opts + glim_param_find(m->params, "plain")->offset) = true;
    measure(ctx, "plain", &w, "influence-functions", opts, false);
    glim_linear_close(l);
    free(x);
    free(y);
    free(labels);
}

int main(void) {
    glim_context *ctx;
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL))
        return 1;
    cook(ctx);
    head(ctx);
    glim_context_free(ctx);
    return 0;
}
