/* SPDX-License-Identifier: Apache-2.0 */
/* Methods against functions whose answer is known, and the table of methods. */
#include "analytic.h"
#include "default-options.h"

static glim_context *ctx;

struct setting {
    const char *name, *value;
};

static glim_document *explain(struct analytic *a, const char *method, const struct setting *s,
                              glim_status want) {
    const glim_method *m = glim_method_find(method);
    glim_error err = {0};
    glim_document *doc = NULL;
    assert_non_null(m);
    void *opts = calloc(1, m->opts_size + 1);
    if (m->params)
        glim_param_defaults(m->params, opts);
    for (; s && s->name; s++)
        assert_int_equal(glim_param_set(glim_param_find(m->params, s->name), opts, s->value, &err),
                         GLIM_OK);
    glim_status status = glim_explain(&doc, &a->base, m, opts, 3, &err);
    if (status != want)
        fail_msg("%s: status %d, %s", method, status, err.message);
    free(opts);
    return doc;
}

static double linear_score(const struct analytic *a, int t, double baseline) {
    double sum = 0;
    for (int c = 0; c < AC; c++)
        sum += (double)a->w[t * AC + c] * (a->x[t * AC + c] - baseline);
    return sum;
}

static void assert_close(double a, double b, double off) {
    if (!(fabs(a - b) <= off * fmax(1, fabs(b))))
        fail_msg("%.9g is not %.9g", a, b);
}

static void every_additive_method_is_exact_on_a_linear_function(void **state) {
    static const struct {
        const char *method;
        struct setting with[3];
        double baseline;
    } cases[] = {
        {"input-x-gradient", {{0}}, 0},
        {"occlusion", {{0}}, 0},
        {"occlusion", {{"window", "1"}, {"absent", "mask"}}, 0},
        {"integrated-gradients", {{"baseline", "zero"}, {"steps", "1"}}, 0},
        {"integrated-gradients", {{"baseline", "token"}, {"rule", "midpoint"}}, 0.25},
        {"integrated-gradients", {{"baseline", "mean"}, {"refine", "adaptive"}}, 0.25},
        {"smoothgrad", {{"stdevs", "0"}, {"n-samples", "4"}}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct analytic a;
        analytic_init(&a, ctx, LINEAR, false);
        glim_document *doc = explain(&a, cases[i].method, cases[i].with, GLIM_OK);
        for (int t = 0; t < AT; t++)
            assert_close(doc->scores[t], linear_score(&a, t, cases[i].baseline), 1e-5);
        assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
        glim_document_free(doc);
    }
}

static void fixed_units_have_no_score_but_keep_their_sum(void **state) {
    struct analytic a;
    analytic_init(&a, ctx, LINEAR, true);
    glim_document *doc = explain(&a, "input-x-gradient", NULL, GLIM_OK);
    assert_true(isnan(doc->scores[0]));
    assert_close(doc->fixed_total, linear_score(&a, 0, 0), 1e-5);
    glim_document_free(doc);
}

static void gradient_norms_are_those_of_the_weights(void **state) {
    static const char *const norms[] = {"l2", "l1", "sum"};
    for (int k = 0; k < 3; k++) {
        struct analytic a;
        struct setting with[] = {{"norm", norms[k]}, {0}};
        analytic_init(&a, ctx, LINEAR, false);
        glim_document *doc = explain(&a, "gradient", with, GLIM_OK);
        for (int t = 0; t < AT; t++) {
            double sum = 0;
            for (int c = 0; c < AC; c++) {
                double w = a.w[t * AC + c];
                sum += k == 0 ? w * w : k == 1 ? fabs(w) : w;
            }
            assert_close(doc->scores[t], k ? sum : sqrt(sum), 1e-6);
        }
        glim_document_free(doc);
    }
}

static void products_are_shared_by_integrated_gradients(void **state) {
    struct analytic a;
    struct setting with[] = {{"baseline", "zero"}, {"steps", "2"}, {0}};
    analytic_init(&a, ctx, PRODUCT, false);
    glim_document *doc = explain(&a, "integrated-gradients", with, GLIM_OK);
    assert_close(doc->scores[0], a.value[0] / 2, 1e-5);
    assert_close(doc->scores[1], a.value[0] / 2, 1e-5);
    assert_close(doc->scores[2], 0, 1e-9);
    glim_document_free(doc);
    doc = explain(&a, "occlusion", NULL, GLIM_OK);
    assert_close(doc->scores[0], a.value[0], 1e-5); /* each alone carries all of it */
    assert_close(doc->scores[1], a.value[0], 1e-5);
    glim_document_free(doc);
}

static void saturation_hides_from_slopes_and_not_from_paths(void **state) {
    struct analytic a;
    struct setting with[] = {{"baseline", "zero"},
                             {"refine", "adaptive"},
                             {"max-steps", "4096"},
                             {"tolerance", "0.001"},
                             {0}};
    analytic_init(&a, ctx, SATURATED, false);
    glim_document *doc = explain(&a, "input-x-gradient", NULL, GLIM_OK);
    assert_close(doc->scores[1], 0, 1e-9);
    glim_document_free(doc);
    doc = explain(&a, "integrated-gradients", with, GLIM_OK);
    for (int t = 0; t < AT; t++)
        assert_close(doc->scores[t], AC, 0.01);
    assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
    glim_document_free(doc);
}

static double check_value(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

static void a_path_that_is_too_rough_is_not_trusted(void **state) {
    struct analytic a;
    struct setting few[] = {{"baseline", "zero"}, {"steps", "3"}, {"refine", "none"}, {0}};
    struct setting more[] = {{"baseline", "zero"}, {"steps", "4"}, {"max-steps", "512"}, {0}};
    analytic_init(&a, ctx, STEEP, false);
    glim_document *doc = explain(&a, "integrated-gradients", few, GLIM_OK);
    assert_true(check_value(doc, "completeness_residual") > 0.2);
    assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
    assert_non_null(strstr(doc->verdict_reason, "occlusion"));
    assert_int_equal(doc->n_notes, 0);
    glim_document_free(doc);
    doc = explain(&a, "integrated-gradients", more, GLIM_OK); /* doubling finds its way */
    assert_true(check_value(doc, "completeness_residual") <= 0.01);
    assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
    assert_non_null(strstr(doc->notes[0], "the residual is within"));
    glim_document_free(doc);
    struct setting split[] = {
        {"baseline", "zero"}, {"refine", "adaptive"}, {"max-steps", "24"}, {0}};
    doc = explain(&a, "integrated-gradients", split, GLIM_OK); /* 8, then 16: one split */
    assert_true(check_value(doc, "gradients") == 24);
    assert_string_equal(doc->notes[0], "the path was split into 2 intervals of 8 gradients; the "
                                       "residual is still larger than --tolerance");
    glim_document_free(doc);
}

static void windows_are_averaged(void **state) {
    struct analytic a;
    struct setting with[] = {{"window", "2"}, {0}};
    analytic_init(&a, ctx, LINEAR, false);
    glim_document *doc = explain(&a, "occlusion", with, GLIM_OK);
    double s[AT];
    for (int t = 0; t < AT; t++)
        s[t] = linear_score(&a, t, 0);
    assert_close(doc->scores[0], s[0] + s[1], 1e-6);
    assert_close(doc->scores[2], (s[1] + s[2] + s[2] + s[3]) / 2, 1e-6);
    assert_close(doc->scores[4], s[3] + s[4], 1e-6);
    glim_document_free(doc);
}

static void smoothgrad_repeats_with_its_seed_and_tells_its_error(void **state) {
    struct analytic a;
    struct setting with[] = {{"n-samples", "16"}, {"stdevs", "0.5"}, {0}};
    analytic_init(&a, ctx, PRODUCT, false);
    glim_document *one = explain(&a, "smoothgrad", with, GLIM_OK);
    glim_document *two = explain(&a, "smoothgrad", with, GLIM_OK);
    assert_memory_equal(one->scores, two->scores, AT * sizeof(double));
    assert_true(one->error[0] > 0);
    assert_close(one->scores[2], 0, 1e-9);
    glim_document_free(one);
    glim_document_free(two);
}

static void gauss_legendre_integrates_polynomials_exactly(void **state) {
    for (int n = 1; n <= 64; n *= 2) {
        double a[64], w[64], sum = 0, power = 0;
        glim__gauss_legendre(n, a, w);
        for (int i = 0; i < n; i++) {
            sum += w[i];
            power += w[i] * pow(a[i], 2 * n - 1);
        }
        assert_close(sum, 1, 1e-13);
        assert_close(power, 1.0 / (2 * n), 1e-13);
    }
}

static void cancelling_keeps_a_valid_partial_document(void **state) {
    static const char *const methods[] = {"occlusion", "integrated-gradients", "smoothgrad",
                                          "expected-gradients"};
    for (int i = 0; i < 4; i++) {
        struct analytic a;
        analytic_init(&a, ctx, LINEAR, false);
        a.cancel_after = 1;
        glim_document *doc = explain(&a, methods[i], NULL, GLIM_ECANCELLED);
        glim_context_reset(ctx);
        assert_non_null(doc);
        assert_true(doc->partial);
        assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
        assert_non_null(doc->scores);
        glim_document_free(doc);
    }
}

static void a_method_that_needs_more_names_another(void **state) {
    struct analytic a;
    glim_document *doc = NULL;
    glim_error err;
    analytic_init(&a, ctx, LINEAR, false);
    a.base.can = GLIM_CAN_PREDICT;
    assert_int_equal(glim_explain(&doc, &a.base, glim_method_find("gradient"), NULL, 0, &err),
                     GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "gradients"));
    assert_non_null(strstr(err.message, "occlusion"));
}

static void every_descriptor_is_complete(void **state) {
    for (size_t i = 0; glim_methods()[i]; i++) {
        const glim_method *m = glim_methods()[i];
        assert_true(m->needs != 0);
        assert_non_null(strstr(m->cite, "arXiv:"));
        assert_true(strlen(m->summary) < 80 && m->caption && m->family && m->plan && m->run);
        assert_true(m->formula && m->use && m->avoid && strlen(m->use) < 140);
        assert_ptr_equal(glim_method_find(m->name), m);
        for (const glim_param *p = m->params; p && p->type != GLIM_PARAM_END; p++) {
            assert_ptr_equal(glim_param_find(m->params, p->name), p);
            if (p->type == GLIM_INT)
                assert_true(p->def.i >= p->min && p->def.i <= p->max);
            if (p->type == GLIM_REAL)
                assert_true(p->def.r >= p->min && p->def.r <= p->max);
            if (p->type == GLIM_CHOICE)
                assert_non_null(strstr(p->choices, p->def.s));
            assert_true(strlen(p->help) > 5);
        }
    }
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    for (size_t i = 0; glim_methods()[i]; i++)
        for (uint64_t nth = 1; nth < 1000; nth++) {
            struct analytic a;
            if (glim_methods()[i]->needs & ~(unsigned)(GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT))
                break; /* needs a model: test_allocations.c */
            glim_document *doc = NULL;
            glim_error err = {0};
            void *opts = default_options(glim_methods()[i]);
            analytic_init(&a, ctx, LINEAR, false);
            if (glim_methods()[i]->needs & ~a.base.can) /* inner values: test_allocations.c */
                break;
            uint64_t before = glim_context_bytes(ctx);
            glim__fail_allocation(ctx, nth);
            glim_status status = glim_explain(&doc, &a.base, glim_methods()[i], opts, 0, &err);
            glim__fail_allocation(ctx, 0);
            free(opts);
            glim_document_free(doc);
            assert_int_equal(glim_context_bytes(ctx), before);
            if (!status)
                break;
            assert_int_equal(status, GLIM_ENOMEM);
            assert_true(nth < 999);
        }
}

static int set_up(void **state) {
    glim_context_options options = {.threads = 1};
    return glim_context_new(&ctx, &options, NULL);
}

static int tear_down(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_additive_method_is_exact_on_a_linear_function),
        cmocka_unit_test(fixed_units_have_no_score_but_keep_their_sum),
        cmocka_unit_test(gradient_norms_are_those_of_the_weights),
        cmocka_unit_test(products_are_shared_by_integrated_gradients),
        cmocka_unit_test(saturation_hides_from_slopes_and_not_from_paths),
        cmocka_unit_test(a_path_that_is_too_rough_is_not_trusted),
        cmocka_unit_test(windows_are_averaged),
        cmocka_unit_test(smoothgrad_repeats_with_its_seed_and_tells_its_error),
        cmocka_unit_test(gauss_legendre_integrates_polynomials_exactly),
        cmocka_unit_test(cancelling_keeps_a_valid_partial_document),
        cmocka_unit_test(a_method_that_needs_more_names_another),
        cmocka_unit_test(every_descriptor_is_complete),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
