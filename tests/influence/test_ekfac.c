/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EK-FAC against kronfluence's scores (scripts/record-kronfluence.py), with the same labels and
 * damping; bits that neither batches, threads, rounds nor groups of queries change.
 */
#include "ekfac-testing.h"

/* `have` (n), `stride` numbers apart, 1/N of what is recorded, within 1e-5 of the largest. */
static void same(const double *have, size_t stride, const float *want, size_t n, const char *what) {
    double most = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)want[i]));
        off = fmax(off, fabs(have[i * stride] * N - (double)want[i]));
    }
    if (!(off <= 2e-5 * most))
        fail_msg("%s: off by %g of %g", what, off, most);
}

static void check_queries(const recorded *r, const table *t, const char *kind, const char *what) {
    const float *want = recorded_tensor(r, kind, what)->data;
    for (size_t q = 0, c = 0; c < t->n_columns; c++)
        if (t->columns[c].query == q && !strcmp(t->columns[c].name, "influence"))
            same(t->values + c, t->n_columns, want + q++ * N, N, what);
}

/* A part has the name of its module without the block: sums of two recordings. */
static void check_parts(const recorded *r, const table *t, const char *kind) {
    for (size_t c = 0; c < t->n_columns; c++) {
        float sum[N] = {0};
        char what[96];
        const char *name = t->columns[c].name;
        if (strncmp(name, "influence.", 10) != 0)
            continue;
        for (int b = 0; b < 2; b++) {
            snprintf(what, sizeof what, "module.blocks.%d.%.40s", b, name + 10);
            const float *x = recorded_tensor(r, kind, what)->data;
            for (size_t i = 0; i < N; i++)
                sum[i] += x[t->columns[c].query * N + i];
        }
        same(t->values + c, t->n_columns, sum, N, what);
    }
}

static void check_peer(const char *model, bool empirical) {
    recorded r;
    const char *kind = empirical ? "empirical" : "sampled";
    recorded_open(&r, model, 2, 5, empirical);
    r.k.self = true;
    r.k.parts = "module";
    table t = recorded_run(&r);
    assert_int_equal(t.n_columns, 1 + Q * (1 + 7));
    assert_int_equal(r.told.weights, 14);
    assert_int_equal(r.told.rounds, 1);
    check_queries(&r, &t, kind, "pairwise");
    check_parts(&r, &t, kind);
    same(t.values, t.n_columns, recorded_tensor(&r, kind, "self")->data, N, "self");
    free(t.values);
    r.k.damping = 1e-3;
    t = recorded_run(&r);
    check_queries(&r, &t, kind, "damped");
    free(t.values);
    recorded_close(&r);
}

static void scores_are_those_of_kronfluence(void **state) {
    check_peer("llama-biases", true);
    check_peer("llama-biases", false);
    check_peer("llama", true);
    check_peer("llama", false);
}

/* ---- tokens ---- */

struct tokens {
    const glim_factors *factors;
    const glim_queries *queries;
    double *out; /* (Q, N, T) */
};

static glim_status take_tokens(void *data, const glim_gathered *all, glim_error *err) {
    const struct tokens *s = data;
    size_t i = (size_t)(glim__factors_of(s->factors, all->weight) - s->factors->each);
    double row[T];
    for (size_t k = 0; k < all->count; k++)
        for (size_t q = 0; q < Q; q++) {
            glim__queries_tokens(s->queries, i, all, k, q, row, err);
            for (size_t t = 0; t < T; t++)
                s->out[(q * N + all->sample[k]) * T + t] += row[t] / N;
        }
    return GLIM_OK;
}

static void tokens_have_the_parts_that_kronfluence_gives_them(void **state) {
    recorded r;
    glim_factors factors;
    glim_queries queries;
    double *out = calloc(Q * N * T, sizeof *out);
    recorded_open(&r, "llama-biases", 1, 7, false);
    const glim_factor_options *o = &r.k.factors;
    glim_query_options how = {.walk = &r.k.queries, .factors = o, .damping = NAN};
    assert_int_equal(glim__factors_fit(&factors, r.ctx, &r.k.train, o, NULL), GLIM_OK);
    assert_int_equal(glim__queries_make(&queries, &factors, &how, 0, Q, NULL), GLIM_OK);
    struct tokens s = {&factors, &queries, out};
    glim_gather gather = {.ctx = r.ctx, .weights = o->weights, .take = take_tokens, .data = &s};
    glim_pass_visitor v = {.weight = glim__gather_add, .data = &gather};
    assert_int_equal(walk_ids(&r.train, 0, N, false, r.chosen, &v, NULL), GLIM_OK);
    assert_int_equal(glim__gather_flush(&gather, NULL), GLIM_OK);
    same(out, 1, recorded_tensor(&r, "sampled", "tokens")->data, Q * N * T, "tokens");
    glim__gather_release(&gather);
    glim__queries_release(&queries);
    glim__factors_release(&factors);
    free(out);
    recorded_close(&r);
}

/* ---- bits ---- */

static void neither_batches_nor_threads_nor_groups_change_a_bit(void **state) {
    static const struct {
        int threads;
        size_t batch, group;
        uint64_t room; /* of sums: 1 = one weight a round */
    } ways[] = {{1, 1, 0, 0}, {3, 7, 1, 0}, {2, 40, 2, 1}, {1, 13, 0, 4000000}};
    table first = {0};
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        recorded r;
        recorded_open(&r, "llama-biases", ways[k].threads, ways[k].batch, false);
        r.k.self = true;
        r.k.parts = "layer";
        r.k.group = ways[k].group;
        r.k.factors.room = ways[k].room;
        table t = recorded_run(&r);
        assert_int_equal(r.told.groups,
                         ways[k].group ? (Q + ways[k].group - 1) / ways[k].group : 1);
        assert_true(ways[k].room == 1 ? r.told.rounds == 14 : r.told.rounds < 14);
        if (k)
            assert_memory_equal(t.values, first.values, N * t.n_columns * sizeof *t.values);
        else
            first = t;
        if (k)
            free(t.values);
        recorded_close(&r);
    }
    free(first.values);
}

/* ---- low rank ---- */

/* Rank 31 of 32: hardly less than all; fewer: not the same, and told. Bits as before. */
static void queries_of_low_rank_are_near(void **state) {
    static const size_t ranks[] = {0, 30, 6, 6};
    table t[4];
    double lost[4], off[4] = {0}, most = 0;
    size_t n = 0;
    for (size_t k = 0; k < 4; k++) {
        recorded r;
        recorded_open(&r, "llama", k == 3 ? 3 : 1, k == 3 ? 9 : 4, true);
        r.k.rank = ranks[k];
        r.k.group = k == 3 ? 2 : 0;
        t[k] = recorded_run(&r);
        lost[k] = r.told.lost;
        n = N * t[k].n_columns;
        recorded_close(&r);
    }
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(t[0].values[i]));
    for (size_t k = 1; k < 4; k++)
        for (size_t i = 0; i < n; i++)
            off[k] = fmax(off[k], fabs(t[k].values[i] - t[0].values[i]) / most);
    assert_true(lost[0] == 0 && lost[1] < 0.05 && lost[2] > lost[1] && lost[2] < 0.9);
    assert_true(off[1] < 0.02 && off[1] < off[2]);
    assert_memory_equal(t[2].values, t[3].values, n * sizeof *t[2].values);
    for (size_t k = 0; k < 4; k++)
        free(t[k].values);
}

/* ---- calm ---- */

static glim_status take_apart(void *data, const glim_why *why, glim_error *err) {
    static double out[T * Q], rest[Q];
    const glim_why_sample s = {2, 0, T, NULL};
    return why->tell(why->data, &s, out, rest, err);
}

static void memory_that_is_refused_is_said(void **state) {
    uint64_t nth = 1;
    for (glim_status status = GLIM_ENOMEM; status; nth += 1 + nth / 8) {
        recorded r;
        table t = {0};
        recorded_open(&r, "llama-biases", 1, 40, true);
        for (size_t i = 2; i < r.k.factors.n_weights; i++)
            r.chosen[i] = 0;
        r.k.train.count = 5;
        r.k.self = true;
        r.k.parts = "token";
        glim_influence_out out = {.begin = table_begin, .data = &t, .why = take_apart};
        glim__fail_allocation(r.ctx, nth);
        status = glim__ekfac_run(&r.k, &out, &r.told, NULL);
        glim__fail_allocation(r.ctx, 0);
        assert_true(!status || status == GLIM_ENOMEM);
        free(t.values);
        recorded_close(&r);
        assert_true(nth < 100000);
    }
    assert_true(nth > 20);
}

static void what_is_not_finite_names_its_matrix(void **state) {
    recorded r;
    glim_error err = {0};
    table t = {0};
    glim_influence_out out = {.begin = table_begin, .data = &t};
    recorded_open(&r, "llama-biases", 1, 8, true);
    r.train.poison = 1 + 17;
    assert_int_equal(glim__ekfac_run(&r.k, &out, &r.told, &err), GLIM_ENUMERIC);
    assert_non_null(strstr(err.message, "blocks."));
    free(t.values);
    recorded_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_kronfluence),
        cmocka_unit_test(tokens_have_the_parts_that_kronfluence_gives_them),
        cmocka_unit_test(neither_batches_nor_threads_nor_groups_change_a_bit),
        cmocka_unit_test(queries_of_low_rank_are_near),
        cmocka_unit_test(memory_that_is_refused_is_said),
        cmocka_unit_test(what_is_not_finite_names_its_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
