/* SPDX-License-Identifier: Apache-2.0 */
/* What influence says against refits, on problems whose answer is known. */
#include "influence-testing.h"

#include "influence/truth.h"

enum { N = 100, P = 8, Q = 4 };

struct scene {
    glim_context *ctx;
    made m;
    glim_linear *l;
    bench b;
    glim_head h;
    glim_features asked;
};

static struct scene make_scene(size_t K, double strength, uint64_t seed) {
    struct scene s = {.ctx = begin(2), .m = make_data(N, P, K, seed)};
    for (size_t i = 0; i < N && K; i++)
        s.m.y[i] = s.m.labels[i];
    s.l = fit_of(s.ctx, &s.m.data, strength);
    return s;
}

static void open_scene(struct scene *s) {
    size_t steps;
    set_bench(&s->b, s->ctx, s->l, s->m.x, s->m.y, N, P);
    s->asked = s->b.features;
    s->asked.n = Q;
    assert_int_equal(glim__head_init(&s->h, s->ctx, s->l, &s->b.features, NULL), GLIM_OK);
    assert_int_equal(glim__head_polish(&s->h, &steps, NULL), GLIM_OK);
    assert_int_equal(glim__head_factor(&s->h, -1, NULL), GLIM_OK);
}

static void end_scene(struct scene *s) {
    glim__head_release(&s->h);
    glim_linear_close(s->l);
    free_data(&s->m);
    glim_context_free(s->ctx);
}

static void influences_of_logistic_models_agree_with_refits(void **state) {
    for (uint64_t seed = 1; seed <= 5; seed++)
        for (size_t K = 2; K < 4; K++) {
            struct scene s = make_scene(K, 1, seed);
            glim_truth t = {0};
            open_scene(&s);
            glim_influence_target target = {0};
            assert_int_equal(glim__truth_check(&t, &s.h, &s.asked, &target, 30, seed, NULL, NULL),
                             GLIM_OK);
            assert_true(t.pearson > 0.98);
            assert_true(t.spearman > 0.98);
            assert_true(t.lds > 0.8);
            assert_true(t.left < 1e-9);
            glim__truth_release(&t);
            end_scene(&s);
        }
}

/* Of squares a step is the whole way, so groups have the block formula exactly. */
static void changes_of_ridge_are_those_of_the_leave_one_out_formula(void **state) {
    struct scene s = make_scene(0, 2, 7);
    glim_truth t = {0};
    open_scene(&s);
    s.b.work.queries = &s.asked;
    s.b.work.n_queries = Q;
    glim_influence_target target = {.output = "logit"};
    size_t of[N], sizes[2] = {0};
    double sum[2 * Q] = {0}, actual[2 * Q];
    glim_groups g = {.n = 2, .of = of, .sizes = sizes, .sum = sum, .actual = actual};
    for (size_t i = 0; i < N; i++)
        sizes[of[i] = i % 5 == 0]++;
    assert_int_equal(glim__truth_check(&t, &s.h, &s.asked, &target, 20, 3, &g, NULL), GLIM_OK);
    kept d = run_method(&s.b.work, "diagnostics", NULL);
    for (size_t k = 0; k < t.removed; k++) {
        double h = kept_value(&d, t.samples[k], "leverage");
        for (size_t q = 0; q < Q; q++)
            assert_near(t.actual[k * Q + q], t.predicted[k * Q + q] / (1 - h), 1e-9, "change", k);
    }
    assert_true(isfinite(actual[0]) && isfinite(actual[Q]));
    kept_release(&d);
    glim__truth_release(&t);
    end_scene(&s);
}

/* ---- one by one, fitted anew by what fits models ---- */

/* What a fit says of sample q: the log-probability of its class, or its number. */
static double said(const glim_linear *l, const made *m, size_t q) {
    double z[4];
    glim__linear_outputs(l, m->x + q * P, z);
    if (!m->data.labels)
        return z[0];
    return -log1p(exp(m->labels[q] ? -z[0] : z[0]));
}

static glim_linear *fit_raw(glim_context *ctx, const glim_fit_data *d, double strength) {
    glim_linear *l;
    glim_fit_report report;
    glim_fit_options o = {.kind = d->labels ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR,
                          .strength = strength,
                          .raw_scale = true, /* deviations would be others without a sample */
                          .tolerance = 1e-11};
    assert_int_equal(glim_fit(&l, &report, ctx, d, &o, NULL), GLIM_OK);
    return l;
}

/* (N, Q) what a fit without sample i changes. */
static void fit_without_each(struct scene *s, double strength, double *change) {
    made rest = make_data(N, P, 0, 1);
    for (size_t i = 0; i < N; i++) {
        size_t n = 0;
        for (size_t k = 0; k < N; k++)
            if (k != i) {
                memcpy(rest.x + n * P, s->m.x + k * P, P * sizeof *rest.x);
                rest.y[n] = s->m.y[k];
                rest.labels[n++] = s->m.labels[k];
            }
        glim_fit_data d = s->m.data;
        d.f64 = rest.x;
        d.n = n;
        d.labels = d.labels ? rest.labels : NULL;
        d.values = d.values ? rest.y : NULL;
        glim_linear *l = fit_raw(s->ctx, &d, strength);
        for (size_t q = 0; q < Q; q++)
            change[i * Q + q] = said(l, &s->m, q) - said(s->l, &s->m, q);
        glim_linear_close(l);
    }
    free_data(&rest);
}

static void fit_anew(struct scene *s, size_t K, uint64_t seed, double strength, double *change) {
    *s = make_scene(K, strength, seed);
    glim_linear_close(s->l);
    s->l = fit_raw(s->ctx, &s->m.data, strength);
    fit_without_each(s, strength, change);
    open_scene(s);
    s->b.work.queries = &s->asked;
    s->b.work.n_queries = Q;
    s->b.work.target.output = K ? "logprob" : "logit";
}

/* Twelve samples a coefficient and a penalty: no sample holds a direction by itself. */
static void influences_foretell_every_fit_without_a_sample(void **state) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        double change[N * Q], a[N], b[N], rho;
        struct scene s;
        fit_anew(&s, 2, seed, 4, change);
        kept k = run_method(&s.b.work, "influence-functions", NULL);
        for (size_t q = 0; q < Q; q++) {
            size_t column = kept_column(&k, "influence", q);
            for (size_t i = 0; i < N; i++) {
                a[i] = -k.values[i * k.n_columns + column];
                b[i] = change[i * Q + q];
            }
            assert_int_equal(glim__truth_spearman(s.ctx, a, b, N, &rho, NULL), GLIM_OK);
            assert_true(glim__truth_pearson(a, b, N) >= 0.995 && rho >= 0.995);
        }
        kept_release(&k);
        end_scene(&s);
    }
}

static void of_ridge_every_fit_without_a_sample_is_the_formula(void **state) {
    double change[N * Q];
    struct scene s;
    fit_anew(&s, 0, 7, 2, change);
    kept k = run_method(&s.b.work, "influence-functions", NULL);
    for (size_t i = 0; i < N; i++) {
        double h = kept_value(&k, i, "leverage");
        for (size_t q = 0; q < Q; q++)
            assert_near(change[i * Q + q],
                        -k.values[i * k.n_columns + kept_column(&k, "influence", q)] / (1 - h),
                        1e-9, "the change", i);
    }
    kept_release(&k);
    end_scene(&s);
}

static void wrong_labels_are_found_far_better_than_by_chance(void **state) {
    for (size_t K = 2; K < 4; K++) {
        struct scene s = make_scene(K, 1, 3);
        for (size_t i = 0; i < N; i++) { /* apart */
            s.m.labels[i] = (int32_t)(i % K);
            s.m.x[i * P] += 6 * (double)(i % K);
            s.m.y[i] = s.m.labels[i];
        }
        glim_linear_close(s.l);
        s.l = fit_of(s.ctx, &s.m.data, 1);
        glim_truth t = {0};
        open_scene(&s);
        assert_int_equal(glim__truth_mislabel(&t, &s.h, 1, NULL), GLIM_OK);
        assert_int_equal(t.planted, N / 10);
        for (size_t k = 0; k < (K == 2 ? 3 : 2); k++) { /* the middle class is like both */
            assert_true(t.found[k].area > 0.85);
            assert_true(t.found[k].recall > 0.5);
            assert_true(t.found[k].curve[0] == 0 && t.found[k].curve[GLIM_TRUTH_CURVE - 1] == 1);
        }
        glim__truth_release(&t);
        end_scene(&s);
    }
}

static void correlations_have_known_values(void **state) {
    glim_context *ctx = begin(1);
    const double a[] = {1, 2, 2, 4, 5}, b[] = {2, 1, 3, 30, 4}, same[] = {1, 1, 1, 1, 1};
    double r;
    assert_int_equal(glim__truth_spearman(ctx, a, b, 5, &r, NULL), GLIM_OK);
    assert_near(r, 0.718184846459608, 1e-10, "Spearman", 0);
    assert_near(glim__truth_pearson(a, b, 5), 0.468173471604563, 1e-10, "Pearson", 0);
    assert_true(isnan(glim__truth_pearson(a, same, 5)));
    glim_context_free(ctx);
}

static void refused_memory_is_said(void **state) {
    struct scene s = make_scene(3, 1, 2);
    open_scene(&s);
    glim_status status = GLIM_ENOMEM;
    glim_influence_target target = {0};
    for (uint64_t nth = 1; status == GLIM_ENOMEM; nth += 1 + nth / 8) {
        glim_truth t = {0};
        glim__fail_allocation(s.ctx, nth);
        status = glim__truth_check(&t, &s.h, &s.asked, &target, 4, 1, NULL, NULL);
        if (!status)
            status = glim__truth_mislabel(&t, &s.h, 1, NULL);
        glim__fail_allocation(s.ctx, 0);
        glim__truth_release(&t);
    }
    assert_int_equal(status, GLIM_OK);
    end_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(influences_of_logistic_models_agree_with_refits),
        cmocka_unit_test(changes_of_ridge_are_those_of_the_leave_one_out_formula),
        cmocka_unit_test(influences_foretell_every_fit_without_a_sample),
        cmocka_unit_test(of_ridge_every_fit_without_a_sample_is_the_formula),
        cmocka_unit_test(wrong_labels_are_found_far_better_than_by_chance),
        cmocka_unit_test(correlations_have_known_values),
        cmocka_unit_test(refused_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
