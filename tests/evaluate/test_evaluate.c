/* SPDX-License-Identifier: Apache-2.0 */
/* The engine that judges, on a linear function whose explanation is known. */
#include "../explain/analytic.h"

#include "tabled.h"

static glim_context *ctx;

/* Leave-one-out, which is exact for a linear function. */
static glim_document *exact(struct analytic *a) {
    glim_document *doc;
    glim_error err = {0};
    analytic_init(a, ctx, LINEAR, false);
    if (glim_explain(&doc, &a->base, &glim_method_occlusion, NULL, 0, &err))
        fail_msg("%s", err.message);
    return doc;
}

static void exact_scores_have_the_best_order(void **state) {
    struct analytic a;
    glim_document *doc = exact(&a);
    glim_evaluation *e;
    glim_error err = {0};
    assert_int_equal(glim_evaluate(&e, &a.base, doc, NULL, &err), GLIM_OK);
    const glim_measure *m = measure(e, "aopc-comprehensiveness");
    assert_true(m->value > m->random && m->random > m->reversed);
    m = measure(e, "aopc-sufficiency");
    assert_true(m->value < m->random && m->random < m->reversed);
    /* 2^5 masks at most, since equal ones are asked once, beside those that come first */
    assert_true(e->asked > 0 && e->asked <= 32 + 1 + AT);
    glim_evaluation_free(e);
    glim_document_free(doc);
}

static void the_same_seed_gives_the_same_bits(void **state) {
    struct analytic a;
    glim_document *doc = exact(&a);
    glim_evaluation *e[2];
    glim_error err = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(glim_evaluate(&e[i], &a.base, doc, NULL, &err), GLIM_OK);
    for (size_t i = 0; i < e[0]->n_measures; i++) {
        assert_memory_equal(&e[0]->measures[i].value, &e[1]->measures[i].value, sizeof(double));
        assert_memory_equal(&e[0]->measures[i].random, &e[1]->measures[i].random, sizeof(double));
    }
    glim_evaluation_free(e[0]);
    glim_evaluation_free(e[1]);
    glim_document_free(doc);
}

static void equal_scores_stay_in_place(void **state) {
    const double phi[] = {1, 3, NAN, 3, -5, 0};
    size_t order[6];
    const size_t by_sign[] = {1, 3, 0, 2, 5, 4}, by_size[] = {4, 1, 3, 0, 2, 5};
    glim__importance_order(phi, 6, true, order);
    assert_memory_equal(order, by_sign, sizeof order);
    glim__importance_order(phi, 6, false, order);
    assert_memory_equal(order, by_size, sizeof order);
}

static void an_explanation_of_another_input_is_refused(void **state) {
    struct analytic a;
    glim_document *doc = exact(&a);
    glim_evaluation *e;
    glim_error err = {0};
    doc->input.n_units--;
    assert_int_equal(glim_evaluate(&e, &a.base, doc, NULL, &err), GLIM_EUSAGE);
    assert_null(e);
    doc->input.n_units++;
    glim_document_free(doc);
}

static int open_context(void **state) {
    return glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL);
}

static int close_context(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_scores_have_the_best_order),
        cmocka_unit_test(the_same_seed_gives_the_same_bits),
        cmocka_unit_test(equal_scores_stay_in_place),
        cmocka_unit_test(an_explanation_of_another_input_is_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
