/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EK-FAC against kronfluence's scores (scripts/record-kronfluence.py), with the same labels and
 * damping; bits that neither batches, threads, rounds nor groups of queries change.
 */
#include "walk-testing.h"

enum { T = 12, N = 40, Q = 3, MOST = 32 };

struct run {
    glim_context *ctx;
    glim_model *m;
    glim_safetensors *st;
    id_walk train, asked;
    glim_walk walk, ask;
    uint8_t chosen[MOST];
    glim_factor_options options;
    glim_factors factors;
    glim_queries queries;
    double scores[N * Q], module[MOST][N * Q], self[N], tokens[Q * N * T];
    glim_spectrum spectrum;
    glim_gather gather;
};

static const glim_st_tensor *tensor(const struct run *r, const char *kind, const char *what) {
    char name[96];
    snprintf(name, sizeof name, "%s%s%s", kind, *kind ? "." : "", what);
    const glim_st_tensor *t = glim__safetensors_find(r->st, name);
    if (!t)
        fail_msg("no %s", name);
    return t;
}

static void open_run(struct run *r, const char *name, int threads, size_t batch, bool empirical) {
    char path[256];
    size_t n;
    memset(r, 0, sizeof *r);
    r->ctx = context_with(threads, 0);
    snprintf(path, sizeof path, "published/%s", name);
    r->m = open_model(r->ctx, path);
    snprintf(path, sizeof path, GLIM_TESTS "/golden/influence/kronfluence-%s.safetensors", name);
    assert_int_equal(glim__safetensors_open(&r->st, r->ctx, path, NULL), GLIM_OK);
    r->train = (id_walk){.m = r->m,
                         .ids = tensor(r, "", "ids")->data,
                         .drawn = tensor(r, "", "drawn")->data,
                         .T = T,
                         .batch = batch};
    r->asked =
        (id_walk){.m = r->m, .ids = tensor(r, "", "queries")->data, .T = T, .batch = batch % 3 + 1};
    r->walk = (glim_walk){walk_ids, &r->train, N};
    r->ask = (glim_walk){walk_ids, &r->asked, Q};
    const glim_weight *all = glim_model_weights(r->m, &n);
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++)
        r->chosen[i] = strncmp(all[i].name, "blocks.", 7) == 0;
    r->options = (glim_factor_options){
        .weights = all, .chosen = r->chosen, .n_weights = n, .empirical = empirical};
    r->spectrum.ctx = r->ctx;
}

static void close_run(struct run *r) {
    glim__factors_release(&r->factors);
    glim__spectrum_release(&r->spectrum);
    glim__safetensors_close(r->st);
    glim_model_close(r->m);
    glim_context_free(r->ctx);
}

static size_t at(const struct run *r, size_t weight) {
    return (size_t)(glim__factors_of(&r->factors, weight) - r->factors.each);
}

static glim_status take_scores(void *data, const glim_gathered *all, glim_error *err) {
    struct run *r = data;
    size_t i = at(r, all->weight), first = r->queries.count == Q ? 0 : r->scores[0] != 0 ? 2 : 0;
    double out[GLIM_GATHER_MOST * Q], row[T];
    glim_status status = glim__queries_score(&r->queries, i, all, out, err);
    for (size_t k = 0; k < all->count && !status; k++)
        for (size_t q = 0; q < r->queries.count; q++) {
            double x = out[k * r->queries.count + q];
            r->scores[q * N + all->sample[k]] += x;
            r->module[i][q * N + all->sample[k]] = x;
            status = glim__queries_tokens(&r->queries, i, all, k, q, row, err);
            for (size_t t = 0; t < T; t++)
                r->tokens[(q * N + all->sample[k]) * T + t] += row[t];
        }
    (void)first;
    return status;
}

static glim_status take_self(void *data, const glim_gathered *all, glim_error *err) {
    struct run *r = data;
    const glim_factor *f = glim__factors_of(&r->factors, all->weight);
    double out[GLIM_GATHER_MOST];
    glim_status status =
        glim__spectrum_self(&r->spectrum, f, all, glim__factor_damping(f, NAN), out, err);
    for (size_t k = 0; k < all->count; k++)
        r->self[all->sample[k]] += out[k];
    return status;
}

static glim_status batch_ends(void *data, size_t first, size_t count, const double *loss,
                              glim_error *err) {
    return glim__gather_flush(data, err);
}

static void pass(struct run *r, glim_status (*take)(void *, const glim_gathered *, glim_error *)) {
    glim_error err = {0};
    glim_gather gather = {.ctx = r->ctx, .weights = r->options.weights, .take = take, .data = r};
    glim_pass_visitor v = {.weight = glim__gather_add, .batch = batch_ends, .data = &gather};
    if (walk_ids(&r->train, 0, N, false, r->chosen, &v, &err))
        fail_msg("%s", err.message);
    glim__gather_release(&gather);
}

static void score(struct run *r, double damping) {
    glim_error err = {0};
    memset(r->scores, 0, sizeof r->scores);
    memset(r->tokens, 0, sizeof r->tokens);
    if (glim__queries_make(&r->queries, &r->factors, &r->ask, &r->options, damping, 0, Q, &err))
        fail_msg("%s", err.message);
    pass(r, take_scores);
    glim__queries_release(&r->queries);
}

static void fit(struct run *r) {
    glim_error err = {0};
    if (glim__factors_fit(&r->factors, r->ctx, &r->walk, &r->options, &err))
        fail_msg("%s", err.message);
}

/* Within 1e-4 of the largest. */
static void same(const double *have, const glim_st_tensor *want, size_t n, const char *what) {
    const float *x = want->data;
    double most = 0, off = 0;
    assert_int_equal(want->bytes, n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)x[i]));
        off = fmax(off, fabs(have[i] - (double)x[i]));
    }
    if (getenv("SHOW"))
        printf("%-40s %g\n", what, off / most);
    if (!(off <= 1e-4 * most))
        fail_msg("%s: off by %g of %g", what, off, most);
}

static void check_peer(const char *model, bool empirical) {
    struct run r;
    char what[96];
    const char *kind = empirical ? "empirical" : "sampled";
    open_run(&r, model, 2, 5, empirical);
    fit(&r);
    assert_int_equal(r.factors.n, 14);
    assert_int_equal(r.factors.rounds, 1);
    score(&r, 1e-3);
    same(r.scores, tensor(&r, kind, "damped"), Q * N, "damped");
    score(&r, NAN);
    same(r.scores, tensor(&r, kind, "pairwise"), Q * N, "pairwise");
    same(r.tokens, tensor(&r, kind, "tokens"), Q * N * T, "tokens");
    for (size_t i = 0; i < r.factors.n; i++) {
        snprintf(what, sizeof what, "module.%s", r.options.weights[r.factors.each[i].weight].name);
        same(r.module[i], tensor(&r, kind, what), Q * N, what);
    }
    pass(&r, take_self);
    same(r.self, tensor(&r, kind, "self"), N, "self");
    close_run(&r);
}

static void scores_are_those_of_kronfluence(void **state) {
    check_peer("llama-biases", true);
    check_peer("llama-biases", false);
    check_peer("llama", true);
    check_peer("llama", false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_kronfluence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
