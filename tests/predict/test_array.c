/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of numbers and a function: what it is asked, what the methods make of it, and what
   broken functions, bad rows and refused memory do. */
#include "box-testing.h"

#include <glim/array.h>
#include <glim/explain.h>

enum { N = 40, D = 3 };

/* value of class 1 = 2 x - y + a constant, whatever the third column is. */
struct function {
    size_t asked, largest;
    double bad; /* put into the last answer when it is not 0 */
    bool fails;
    glim_context *cancel;
};

static glim_status linear(void *data, const double *rows, size_t n, double *values,
                          glim_error *err) {
    struct function *f = data;
    f->asked += n;
    f->largest = n > f->largest ? n : f->largest;
    if (f->fails && n > 1)
        return glim_fail(err, GLIM_EIO, "out of paper");
    if (f->cancel && n > 1)
        glim_context_cancel(f->cancel);
    for (size_t i = 0; i < n; i++) {
        values[2 * i + 1] = 2 * rows[D * i] - rows[D * i + 1] + 0.5;
        values[2 * i] = -values[2 * i + 1];
    }
    if (f->bad != 0 && n > 1)
        values[2 * n - 1] = f->bad;
    return GLIM_OK;
}

static const char *const columns[] = {"x", "y", "kind"}, *const classes[] = {"no", "yes"};

static void fill(double *x) {
    for (size_t i = 0; i < N; i++) {
        x[D * i] = (double)(i % 7) - 3;
        x[D * i + 1] = (double)(i * i % 11) / 2;
        x[D * i + 2] = (double)(i % 2);
    }
}

/* The whole way; what was made is freed whatever happens. */
static glim_status explain(glim_document **doc, glim_context *ctx, struct function *f,
                           const char *method, const double *row, size_t class_index,
                           glim_error *err) {
    double x[N * D];
    glim_array *array = NULL;
    glim_predictor *p = NULL;
    const glim_array_target target = {.classes = classes,
                                      .n_classes = 2,
                                      .class_index = class_index,
                                      .function = linear,
                                      .data = f};
    *doc = NULL;
    fill(x);
    glim_status status = glim_array_new(&array, ctx, x, N, D, columns, NULL, err);
    if (!status)
        status = glim_predictor_array(&p, array, row, &target, err);
    if (!status)
        status = glim_explain(doc, p, glim_method_find(method), NULL, 1, err);
    glim_predictor_free(p);
    glim_array_free(array);
    return status;
}

static const double row[] = {3, 1, 1};

static void occlusion_is_weight_times_distance_from_the_mean(void **state) {
    glim_context *ctx = begin();
    struct function f = {0};
    glim_error err = {0};
    glim_document *doc;
    double x[N * D], mean[D] = {0};
    fill(x);
    for (size_t i = 0; i < N * D; i++)
        mean[i % D] += x[i] / N;
    assert_int_equal(explain(&doc, ctx, &f, "occlusion", row, SIZE_MAX, &err), GLIM_OK);
    assert_string_equal(doc->target.text, "yes"); /* the larger */
    assert_true(fabs(doc->target.value - 5.5) < 1e-12);
    assert_true(fabs(doc->scores[0] - 2 * (3 - mean[0])) < 1e-9);
    assert_true(fabs(doc->scores[1] + (1 - mean[1])) < 1e-9);
    assert_true(fabs(doc->scores[2]) < 1e-12);
    glim_document_free(doc);
    glim_context_free(ctx);
}

static void lime_draws_from_the_columns_in_large_batches(void **state) {
    glim_context *ctx = begin();
    struct function f = {0};
    glim_error err = {0};
    glim_document *doc;
    assert_int_equal(explain(&doc, ctx, &f, "lime", row, 1, &err), GLIM_OK);
    assert_int_equal(f.asked, 5001); /* the row, and 5000 with it among them */
    assert_int_equal(f.largest, 5000);
    assert_true(doc->scores[0] > 0 && doc->scores[1] > 0);
    assert_true(fabs(doc->scores[2]) < 0.05 * doc->scores[0]);
    assert_non_null(strstr(doc->input.text, "x > "));
    glim_document_free(doc);
    glim_context_free(ctx);
}

static void resampled_rows_are_the_tables(void **state) {
    glim_context *ctx = begin();
    struct function f = {0};
    glim_error err = {0};
    glim_document *doc;
    assert_int_equal(explain(&doc, ctx, &f, "kernel-shap", row, 1, &err), GLIM_OK);
    double sum = doc->scores[0] + doc->scores[1] + doc->scores[2];
    assert_true(fabs(sum - (doc->target.value - doc->target.baseline_value)) < 1e-6);
    glim_document_free(doc);
    glim_context_free(ctx);
}

static void broken_functions_end_the_call(void **state) {
    const double inf_row[] = {INFINITY, 0, 0};
    struct {
        struct function f;
        const double *row;
        size_t class_index;
        glim_status want;
        const char *says;
    } cases[] = {
        {{.bad = NAN}, row, 1, GLIM_ENUMERIC, "NaN"},
        {{.bad = INFINITY}, row, 1, GLIM_ENUMERIC, "infinity"},
        {{.fails = true}, row, 1, GLIM_EIO, "out of paper"},
        {{0}, row, 2, GLIM_EUSAGE, "no class 2"},
        {{0}, inf_row, 1, GLIM_ENUMERIC, "'x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_context *ctx = begin();
        glim_error err = {0};
        glim_document *doc;
        assert_int_equal(
            explain(&doc, ctx, &cases[i].f, "lime", cases[i].row, cases[i].class_index, &err),
            cases[i].want);
        if (!strstr(err.message, cases[i].says))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].says);
        glim_document_free(doc);
        glim_context_free(ctx);
    }
}

static void bad_tables_are_refused(void **state) {
    glim_context *ctx = begin();
    glim_array *array;
    glim_error err = {0};
    const double x[] = {1, 2, INFINITY, 4};
    const char *const twice[] = {"a", "a"}, *const names[] = {"a", "b"},
                      *const bad[] = {"a", "\xff"};
    assert_int_equal(glim_array_new(&array, ctx, x, 2, 2, names, NULL, &err), GLIM_ENUMERIC);
    assert_int_equal(glim_array_new(&array, ctx, x, 1, 2, twice, NULL, &err), GLIM_EUSAGE);
    assert_int_equal(glim_array_new(&array, ctx, x, 1, 2, bad, NULL, &err), GLIM_EFORMAT);
    assert_int_equal(glim_array_new(&array, ctx, x, 0, 2, names, NULL, &err), GLIM_EUSAGE);
    assert_null(array);
    glim_context_free(ctx);
}

static void refused_memory_leaves_nothing(void **state) {
    for (uint64_t nth = 1; nth < 2000; nth++) {
        glim_context *ctx = begin();
        struct function f = {0};
        glim_error err = {0};
        glim_document *doc;
        glim__fail_allocation(ctx, nth);
        glim_status status = explain(&doc, ctx, &f, "occlusion", row, 1, &err);
        glim__fail_allocation(ctx, 0);
        if (status)
            assert_int_equal(status, GLIM_ENOMEM);
        glim_document_free(doc);
        glim_context_free(ctx);
        if (!status)
            return;
    }
    fail_msg("the way never ends");
}

static void cancelling_leaves_a_partial_document_or_none(void **state) {
    glim_context *ctx = begin();
    struct function f = {.cancel = ctx};
    glim_error err = {0};
    glim_document *doc;
    assert_int_equal(explain(&doc, ctx, &f, "occlusion", row, 1, &err), GLIM_ECANCELLED);
    glim_document_free(doc);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(occlusion_is_weight_times_distance_from_the_mean),
        cmocka_unit_test(lime_draws_from_the_columns_in_large_batches),
        cmocka_unit_test(resampled_rows_are_the_tables),
        cmocka_unit_test(broken_functions_end_the_call),
        cmocka_unit_test(bad_tables_are_refused),
        cmocka_unit_test(refused_memory_leaves_nothing),
        cmocka_unit_test(cancelling_leaves_a_partial_document_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
