/* SPDX-License-Identifier: Apache-2.0 */
/* Influence functions of heads: identities that hold to rounding, and both solvers. */
#include "influence-testing.h"

#include "base/solve.h"
#include "influence/head.h"

enum { N = 150, P = 5, Q = 6 };

/* Data, a fit, and the first Q samples as queries. */
typedef struct scene {
    glim_context *ctx;
    made m;
    glim_linear *l;
    bench b;
    glim_features_array asked;
    glim_features queries;
} scene;

static scene make_scene(size_t K, double strength, int threads) {
    scene s = {.ctx = begin(threads), .m = make_data(N, P, K, 21)};
    for (size_t i = 0; i < N && K; i++)
        s.m.y[i] = s.m.labels[i];
    s.l = fit_of(s.ctx, &s.m.data, strength);
    return s;
}

static void ask(scene *s, const char *output) {
    set_bench(&s->b, s->ctx, s->l, s->m.x, s->m.y, N, P);
    s->asked = (glim_features_array){.x = s->m.x, .y = s->m.y, .width = P};
    s->queries = glim__features_of(&s->asked, Q);
    s->b.work.queries = &s->queries;
    s->b.work.n_queries = Q;
    s->b.work.target.output = output;
}

static void end_scene(scene *s) {
    glim_linear_close(s->l);
    free_data(&s->m);
    glim_context_free(s->ctx);
}

static double at(const kept *k, size_t i, const char *name, size_t q) {
    return k->values[i * k->n_columns + kept_column(k, name, q)];
}

static void of_squares_it_is_the_exact_change_times_what_is_not_leverage(void **state) {
    scene s = make_scene(0, 2, 1);
    ask(&s, "logit");
    kept d = run_method(&s.b.work, "diagnostics", NULL);
    kept k = run_method(&s.b.work, "influence-functions", NULL);
    for (size_t i = 0; i < Q; i++) {
        double change = kept_value(&d, i, "press-residual") - kept_value(&d, i, "residual");
        assert_near(at(&k, i, "influence", i), change * (1 - kept_value(&d, i, "leverage")), 1e-11,
                    "influence", i);
    }
    kept_release(&d);
    kept_release(&k);
    end_scene(&s);
}

static void own_influence_is_that_on_the_own_loss(void **state) {
    for (size_t K = 0; K < 4; K += K ? 1 : 2) {
        scene s = make_scene(K, 1, 1);
        ask(&s, "loss");
        static const char *const relative[] = {"relative", NULL};
        kept k = run_method(&s.b.work, "influence-functions", relative);
        for (size_t i = 0; i < Q; i++) {
            double own = kept_value(&k, i, "self-influence");
            assert_true(own >= 0);
            assert_near(at(&k, i, "influence", i), -own, 1e-12, "influence", i);
            assert_near(at(&k, i, "relative-influence", i), -sqrt(own), 1e-12, "relative", i);
            assert_near(at(&k, i, "cosine", i), 1, 1e-12, "cosine", i);
            assert_near(at(&k, i, "gradient-cosine", i), -1, 1e-12, "gradient cosine", i);
        }
        kept_release(&k);
        end_scene(&s);
    }
}

/* At the optimum the slopes of all losses sum to minus the penalty's. */
static void influences_sum_to_what_the_penalty_holds_back(void **state) {
    for (size_t K = 2; K < 5; K++) {
        scene s = make_scene(K, 3, 2);
        ask(&s, "logit");
        kept k = run_method(&s.b.work, "influence-functions", NULL);
        glim_head h;
        size_t steps;
        assert_int_equal(glim__head_init(&h, s.ctx, s.l, &s.b.features, NULL), GLIM_OK);
        assert_int_equal(glim__head_polish(&h, &steps, NULL), GLIM_OK);
        assert_int_equal(glim__head_factor(&h, 0, NULL), GLIM_OK);
        for (size_t q = 0; q < Q; q++) {
            double v[4 * (P + 1)], total = 0, want = 0, mean = 1.0 / (double)h.O;
            size_t own = s.m.labels[q];
            for (size_t c = 0; c < h.O; c++)
                for (size_t j = 0; j < h.p; j++) {
                    double x = j < P ? (s.m.x[q * P + j] - s.l->mean[j]) / s.l->scale[j] : 1;
                    double a = h.O == 1 ? (own ? 1 : -1) : (c == own) - mean;
                    v[c * h.p + j] = a * x;
                }
            glim__cholesky_solve(h.factor, h.dim, v);
            for (size_t c = 0; c < h.dim; c++)
                want += c % h.p < P ? 3 * h.w[c] * v[c] : 0;
            for (size_t i = 0; i < N; i++)
                total += at(&k, i, "influence", q);
            assert_near(total, want, 1e-10, "the sum", q);
        }
        glim__head_release(&h);
        kept_release(&k);
        end_scene(&s);
    }
}

static void leverages_are_those_of_the_diagnostics(void **state) {
    for (size_t K = 0; K < 5; K += K ? 1 : 2) {
        scene s = make_scene(K, 1, 1);
        ask(&s, NULL);
        kept d = run_method(&s.b.work, "diagnostics", NULL);
        kept k = run_method(&s.b.work, "influence-functions", NULL);
        for (size_t i = 0; i < N; i++)
            assert_near(kept_value(&k, i, "leverage"), kept_value(&d, i, "leverage"), 1e-8,
                        "leverage", i);
        assert_near(k.columns[kept_column(&k, "leverage", GLIM_NO_QUERY)].threshold,
                    d.columns[kept_column(&d, "leverage", GLIM_NO_QUERY)].threshold, 1e-8,
                    "the threshold", K);
        kept_release(&d);
        kept_release(&k);
        end_scene(&s);
    }
}

static void a_contrast_is_the_difference_of_logits(void **state) {
    scene s = make_scene(3, 1, 1);
    ask(&s, "logit");
    kept k[3];
    for (int i = 0; i < 3; i++) {
        s.b.work.target.class_name = i == 1 ? "one" : "zero";
        s.b.work.target.against = i == 2 ? "one" : NULL;
        k[i] = run_method(&s.b.work, "influence-functions", NULL);
    }
    for (size_t i = 0; i < N; i++)
        assert_near(at(&k[2], i, "influence", 1),
                    at(&k[0], i, "influence", 1) - at(&k[1], i, "influence", 1), 1e-12, "contrast",
                    i);
    for (int i = 0; i < 3; i++)
        kept_release(&k[i]);
    glim_error err;
    s.b.work.target.class_name = "five";
    assert_int_equal(try_run(&k[0], &s.b.work, "influence-functions", NULL, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no class 'five'");
    kept_release(&k[0]);
    end_scene(&s);
}

static void conjugate_gradients_find_what_cholesky_finds(void **state) {
    static const char *const steps[] = {"solver=cg", NULL};
    for (size_t K = 0; K < 5; K += K ? 1 : 2) {
        scene s = make_scene(K, 1, 2);
        ask(&s, NULL);
        kept a = run_method(&s.b.work, "influence-functions", NULL);
        kept b = run_method(&s.b.work, "influence-functions", steps);
        for (size_t i = 0; i < N; i++)
            for (size_t q = 0; q < Q; q++)
                assert_near(at(&b, i, "influence", q), at(&a, i, "influence", q), 1e-6, "influence",
                            i);
        assert_true(kept_check(&b, "solver_residual") < 1e-7);
        assert_true(kept_check(&a, "damping") == 0);
        kept_release(&a);
        kept_release(&b);
        end_scene(&s);
    }
}

static void away_from_the_optimum_the_hessian_is_damped_and_it_is_said(void **state) {
    scene s = make_scene(2, 1, 1);
    ask(&s, NULL);
    s.l->weights[1] += 0.5;
    kept k = run_method(&s.b.work, "influence-functions", NULL);
    assert_true(kept_check(&k, "damping") > 0);
    assert_int_equal(k.doc->verdict, GLIM_VERDICT_CAREFUL);
    kept_release(&k);
    end_scene(&s);
}

static void bits_do_not_depend_on_threads(void **state) {
    for (size_t K = 0; K < 4; K += K ? 1 : 2)
        for (int cg = 0; cg < 2; cg++) {
            static const char *const steps[] = {"solver=cg", NULL};
            kept k[2];
            for (int t = 0; t < 2; t++) {
                scene s = make_scene(K, 1, t ? 3 : 1);
                ask(&s, NULL);
                k[t] = run_method(&s.b.work, "influence-functions", cg ? steps : NULL);
                glim_document_free(k[t].doc);
                end_scene(&s);
            }
            assert_memory_equal(k[0].values, k[1].values, N * k[0].n_columns * sizeof(double));
            free(k[0].values);
            free(k[1].values);
        }
}

static void plans_cover_what_is_taken(void **state) {
    static const char *const names[] = {"auto", "cg"};
    for (size_t K = 0; K < 4; K += K ? 1 : 2)
        for (int i = 0; i < 2; i++) {
            scene s = make_scene(K, 1, 2);
            ask(&s, NULL);
            const glim_influence_method *m = glim__influence_find("influence-functions");
            char own[256] = {0};
            glim_plan plan;
            glim_param_defaults(m->params, own);
            glim_param_set(&m->params[0], own, names[i], NULL);
            assert_int_equal(glim__influence_plan(&s.b.work, m, own, &plan, NULL), GLIM_OK);
            uint64_t before = glim_context_bytes(s.ctx);
            glim_context_reset_peak(s.ctx);
            static const char *const steps[] = {"solver=cg", NULL};
            kept k = run_method(&s.b.work, "influence-functions", i ? steps : NULL);
            assert_true(plan.bytes >= glim_context_peak(s.ctx) - before);
            kept_release(&k);
            end_scene(&s);
        }
}

static void refused_memory_is_said(void **state) {
    for (size_t K = 2; K < 4; K++) {
        scene s = make_scene(K, 1, 1);
        ask(&s, NULL);
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status == GLIM_ENOMEM; nth++) {
            kept k = {0};
            assert_int_equal(glim_document_new(&k.doc, s.ctx, NULL), GLIM_OK);
            glim_influence_out out = {kept_begin, &k, k.doc};
            const glim_influence_method *m = glim__influence_find("influence-functions");
            glim__fail_allocation(s.ctx, nth);
            status = glim__influence_run(&s.b.work, m, NULL, &out, NULL);
            glim__fail_allocation(s.ctx, 0);
            kept_release(&k);
        }
        assert_int_equal(status, GLIM_OK);
        end_scene(&s);
    }
}

static void what_is_missing_is_named(void **state) {
    glim_context *ctx = begin(1);
    glim_influence_work w = {.ctx = ctx};
    glim_error err;
    kept k;
    assert_int_equal(try_run(&k, &w, "influence-functions", NULL, &err), GLIM_EUSAGE);
    assert_contains(err.message, "--predictor fit:FILE");
    kept_release(&k);
    glim_context_free(ctx);
}

static void descriptors_are_whole(void **state) {
    for (size_t i = 0; glim__influence_methods()[i]; i++) {
        const glim_influence_method *m = glim__influence_methods()[i];
        assert_true(m->name && m->summary && m->cite && m->costs && m->caption && m->needs);
        assert_true(m->plan && m->run);
        assert_ptr_equal(glim__influence_find(m->name), m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_squares_it_is_the_exact_change_times_what_is_not_leverage),
        cmocka_unit_test(own_influence_is_that_on_the_own_loss),
        cmocka_unit_test(influences_sum_to_what_the_penalty_holds_back),
        cmocka_unit_test(leverages_are_those_of_the_diagnostics),
        cmocka_unit_test(a_contrast_is_the_difference_of_logits),
        cmocka_unit_test(conjugate_gradients_find_what_cholesky_finds),
        cmocka_unit_test(away_from_the_optimum_the_hessian_is_damped_and_it_is_said),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(plans_cover_what_is_taken),
        cmocka_unit_test(refused_memory_is_said),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(descriptors_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
