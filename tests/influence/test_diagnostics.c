/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics against statsmodels, refits and Newton steps. */
#include "influence-testing.h"

#include "base/json.h"
#include "base/solve.h"
#include "base/student.h"
#include "influence/head.h"
#include "influence/least-squares.h"

static const char *const all_columns[] = {"dfbetas", NULL};

/* ---- statsmodels ---- */

static double *numbers(const json_t *o, const char *name, size_t *n) {
    const json_t *list = json_object_get(o, name);
    size_t width =
        json_is_array(json_array_get(list, 0)) ? json_array_size(json_array_get(list, 0)) : 1;
    *n = json_array_size(list) * width;
    double *out = malloc(*n * sizeof *out);
    for (size_t i = 0; i < *n; i++) {
        const json_t *row = json_array_get(list, i / width);
        out[i] = json_number_value(json_is_array(row) ? json_array_get(row, i % width) : row);
    }
    return out;
}

static void agree(const kept *k, const json_t *o, const char *recorded, const char *name) {
    size_t n;
    double *want = numbers(o, recorded, &n);
    assert_int_equal(n, k->n);
    for (size_t i = 0; i < n; i++)
        assert_near(kept_value(k, i, name), want[i], 1e-10, name, i);
    free(want);
}

static void agree_on_file(const char *file, const char *const (*names)[2]) {
    glim_context *ctx = begin(1);
    glim_buffer text;
    json_t *o;
    char path[400];
    glim__buffer_init(&text, ctx);
    snprintf(path, sizeof path, GLIM_TESTS "/golden/influence/%s.json", file);
    assert_int_equal(glim__file_read(&text, path, 1 << 24, NULL), GLIM_OK);
    assert_int_equal(glim__json_parse(&o, text.data, text.len, file, NULL), GLIM_OK);
    size_t n, cells;
    double *y = numbers(o, "y", &n), *x = numbers(o, "x", &cells);
    size_t P = cells / n;
    int32_t *labels = malloc(n * sizeof *labels);
    for (size_t i = 0; i < n; i++)
        labels[i] = (int32_t)y[i];
    bool two = strstr(file, "two");
    glim_fit_data d = {.f64 = x, .n = n, .width = P};
    d.labels = two ? labels : NULL;
    d.classes = made_classes;
    d.n_classes = two ? 2 : 0;
    d.values = two ? NULL : y;
    glim_linear *l = fit_of(ctx, &d, 0);
    bench b;
    set_bench(&b, ctx, l, x, y, n, P);
    kept k = run_method(&b.work, "diagnostics", all_columns);
    for (size_t i = 0; names[i][0]; i++)
        agree(&k, o, names[i][0], names[i][1]);
    double *want = numbers(o, "dfbetas", &cells);
    size_t first = kept_column(&k, "dfbetas:(intercept)", GLIM_NO_QUERY);
    for (size_t i = 0; i < cells; i++)
        assert_near(k.values[i / (P + 1) * k.n_columns + first + i % (P + 1)], want[i], 1e-10,
                    "dfbetas", i);
    assert_int_equal(k.doc->verdict, GLIM_VERDICT_OK);
    kept_release(&k);
    free(want);
    free(x);
    free(y);
    free(labels);
    json_decref(o);
    glim__buffer_release(&text);
    glim_linear_close(l);
    glim_context_free(ctx);
}

static void numbers_are_those_of_statsmodels(void **state) {
    static const char *const names[][2] = {{"leverage", "leverage"},
                                           {"residual", "residual"},
                                           {"studentised_internal", "studentised-internal"},
                                           {"studentised_external", "studentised-external"},
                                           {"cooks_distance", "cooks-distance"},
                                           {"dffits", "dffits"},
                                           {"covratio", "covratio"},
                                           {"press_residual", "press-residual"},
                                           {NULL}};
    agree_on_file("numbers", names);
}

static void two_classes_are_those_of_statsmodels(void **state) {
    static const char *const names[][2] = {{"leverage", "leverage"},
                                           {"pearson_residual", "pearson-residual"},
                                           {"deviance_residual", "deviance-residual"},
                                           {"studentised_internal", "studentised-internal"},
                                           {"cooks_distance", "cooks-distance"},
                                           {NULL}};
    agree_on_file("two-classes", names);
}

static void quantiles_of_student_are_those_of_tables(void **state) {
    assert_near(glim__student_quantile(0.025, 10), 2.228138851986274, 1e-12, "t", 10);
    assert_near(glim__student_quantile(0.005, 3), 5.840909309733355, 1e-12, "t", 3);
    assert_near(glim__student_quantile(1e-6, 200), 4.897302102820449, 1e-9, "t", 200);
    assert_near(glim__student_tail(2, 1), 0.14758361765043326, 1e-13, "tail", 1);
    assert_true(isnan(glim__student_quantile(0.1, 0)));
}

/* ---- refits ---- */

/* Ridge with a free intercept by normal equations, without sample `skip`. */
static double predict_without(const double *x, const double *y, size_t n, size_t P, size_t skip,
                              const double *penalty) {
    size_t p = P + 1;
    double *a = calloc(p * p + p, sizeof *a), *b = a + p * p, sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p && i != skip; j++) {
            double xj = j < P ? x[i * P + j] : 1;
            for (size_t k = 0; k < p; k++)
                a[j * p + k] += xj * (k < P ? x[i * P + k] : 1);
            b[j] += xj * y[i];
        }
    for (size_t j = 0; j < P; j++)
        a[j * p + j] += penalty[j];
    assert_true(glim__cholesky(a, p));
    glim__cholesky_solve(a, p, b);
    for (size_t j = 0; j < p; j++)
        sum += b[j] * (j < P ? x[skip * P + j] : 1);
    free(a);
    return sum;
}

static void press_residuals_of_ridge_are_those_of_refits(void **state) {
    enum { N = 40, P = 6 };
    glim_context *ctx = begin(2);
    made m = make_data(N, P, 0, 5);
    glim_linear *l = fit_of(ctx, &m.data, 3.5);
    double penalty[P];
    bench b;
    set_bench(&b, ctx, l, m.x, m.y, N, P);
    kept k = run_method(&b.work, "diagnostics", NULL);
    for (size_t j = 0; j < P; j++)
        penalty[j] = 3.5 * l->scale[j] * l->scale[j];
    for (size_t i = 0; i < N; i++)
        assert_near(kept_value(&k, i, "press-residual"),
                    m.y[i] - predict_without(m.x, m.y, N, P, i, penalty), 1e-11, "press", i);
    assert_true(kept_check(&k, "free_coefficients") < P + 1);
    assert_true(kept_check(&k, "leverage_sum") < 1e-12);
    kept_release(&k);
    glim_linear_close(l);
    free_data(&m);
    glim_context_free(ctx);
}

/* Cook's distance is one Newton step of the problem without the sample. */
static void steps_are_newton_steps(size_t K) {
    enum { N = 90, P = 4 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, K, 6);
    for (size_t i = 0; i < N; i++)
        m.y[i] = m.labels[i];
    glim_linear *l = fit_of(ctx, &m.data, 0.7);
    bench b;
    glim_head h;
    set_bench(&b, ctx, l, m.x, m.y, N, P);
    kept k = run_method(&b.work, "diagnostics", NULL);
    size_t steps, O = l->info.outputs, dim = O * (P + 1);
    double w[4 * (P + 1)], left, df = 0;
    assert_int_equal(glim__head_init(&h, ctx, l, &b.features, NULL), GLIM_OK);
    assert_int_equal(glim__head_polish(&h, &steps, NULL), GLIM_OK);
    assert_int_equal(glim__head_factor(&h, -1, NULL), GLIM_OK);
    for (size_t i = 0; i < N; i++)
        df += kept_value(&k, i, "leverage");
    assert_true(kept_check(&k, "leverage_sum") < 1e-10);
    for (size_t i = 0; i < N; i += 7) {
        uint8_t keep[N];
        double size = 0;
        memset(keep, 1, N);
        keep[i] = 0;
        assert_int_equal(glim__head_refit(&h, keep, 1, w, &left, NULL), GLIM_OK);
        for (size_t r = 0; r < dim; r++)
            for (size_t c = 0; c < dim; c++)
                size += (w[r] - h.w[r]) * h.hessian[r * dim + c] * (w[c] - h.w[c]);
        assert_near(kept_value(&k, i, "cooks-distance"), size / df, 1e-10, "Cook's distance", i);
    }
    glim__head_release(&h);
    kept_release(&k);
    glim_linear_close(l);
    free_data(&m);
    glim_context_free(ctx);
}

static void cooks_distance_of_classes_is_a_newton_step(void **state) {
    steps_are_newton_steps(2);
    steps_are_newton_steps(3);
    steps_are_newton_steps(4);
}

static void refits_end_where_a_fit_of_the_rest_ends(void **state) {
    enum { N = 200, P = 3 };
    glim_context *ctx = begin(2);
    for (size_t K = 2; K < 4; K++) {
        made m = make_data(N, P, K, 11);
        uint8_t keep[N];
        for (size_t i = 0; i < N; i++) {
            m.y[i] = m.labels[i];
            keep[i] = i % 2;
        }
        glim_linear *l = fit_of(ctx, &m.data, 1);
        bench b;
        glim_head h;
        size_t steps;
        double w[3 * (P + 1)], left, slope[3 * (P + 1)];
        set_bench(&b, ctx, l, m.x, m.y, N, P);
        assert_int_equal(glim__head_init(&h, ctx, l, &b.features, NULL), GLIM_OK);
        assert_int_equal(glim__head_polish(&h, &steps, NULL), GLIM_OK);
        assert_int_equal(glim__head_factor(&h, -1, NULL), GLIM_OK);
        assert_int_equal(glim__head_refit(&h, keep, 50, w, &left, NULL), GLIM_OK);
        glim_head_terms t = {.slope = slope};
        assert_int_equal(glim__head_terms(&h, w, keep, &t, NULL), GLIM_OK);
        for (size_t i = 0; i < h.dim; i++)
            assert_true(fabs(slope[i]) < 1e-9);
        glim__head_release(&h);
        glim_linear_close(l);
        free_data(&m);
    }
    glim_context_free(ctx);
}

/* ---- what is not as it should be ---- */

static void a_flipped_label_leads_by_cooks_distance(void **state) {
    enum { N = 120, P = 2 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, 2, 8);
    for (size_t i = 0; i < N; i++) {
        m.labels[i] = i % 2;
        m.x[i * P] += i % 2 ? 4 : -4;
        if (i == 31)
            m.labels[i] = 0;
        m.y[i] = m.labels[i];
    }
    glim_linear *l = fit_of(ctx, &m.data, 1);
    bench b;
    set_bench(&b, ctx, l, m.x, m.y, N, P);
    kept k = run_method(&b.work, "diagnostics", NULL);
    for (size_t i = 0; i < N; i++)
        assert_true(kept_value(&k, i, "cooks-distance") <= kept_value(&k, 31, "cooks-distance"));
    kept_release(&k);
    glim_linear_close(l);
    free_data(&m);
    glim_context_free(ctx);
}

static void columns_that_depend_on_others_are_named_and_change_nothing(void **state) {
    enum { N = 50, P = 3, MORE = 5 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, 0, 9);
    double wide[N * MORE];
    for (size_t i = 0; i < N; i++) {
        const double *x = m.x + i * P;
        double row[MORE] = {x[0], 7.3, x[1], 2 * x[0] - x[1] + 4, x[2]};
        memcpy(wide + i * MORE, row, sizeof row);
    }
    glim_linear *l = fit_of(ctx, &m.data, 0), *more;
    bench a, b;
    set_bench(&a, ctx, l, m.x, m.y, N, P);
    set_bench(&b, ctx, NULL, wide, m.y, N, MORE);
    assert_int_equal(glim__linear_new(&more, ctx, NULL), GLIM_OK);
    assert_int_equal(glim__linear_shape(more, MORE, 1, NULL), GLIM_OK);
    assert_int_equal(glim__least_squares(more, &b.features, 0, NULL), GLIM_OK);
    b.work.head = more;
    static const char *const names[] = {"a", "constant", "b", "c", "d"};
    b.features.names = names;
    kept one = run_method(&a.work, "diagnostics", NULL);
    kept two = run_method(&b.work, "diagnostics", all_columns);
    assert_true(kept_check(&two, "rank") == P + 1);
    for (size_t i = 0; i < N; i++) {
        assert_near(kept_value(&two, i, "cooks-distance"), kept_value(&one, i, "cooks-distance"),
                    1e-9, "Cook's distance", i);
        assert_true(isnan(kept_value(&two, i, "dfbetas:constant")));
    }
    char notes[2000] = "";
    for (size_t i = 0; i < two.doc->n_notes; i++)
        snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s\n", two.doc->notes[i]);
    assert_contains(notes, "column 'constant' is constant");
    assert_contains(notes, " = ");
    kept_release(&one);
    kept_release(&two);
    glim_linear_close(l);
    glim_linear_close(more);
    free_data(&m);
    glim_context_free(ctx);
}

static void too_few_samples_are_refused_with_advice(void **state) {
    enum { N = 10, P = 5 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, 0, 10);
    glim_linear *l = fit_of(ctx, &m.data, 0), *ridge = fit_of(ctx, &m.data, 1);
    bench b;
    kept k;
    glim_error err;
    set_bench(&b, ctx, l, m.x, m.y, N, P);
    assert_int_equal(try_run(&k, &b.work, "diagnostics", NULL, &err), GLIM_EUSAGE);
    assert_contains(err.message, "10 samples for 6 coefficients");
    assert_contains(err.message, "--strength");
    kept_release(&k);
    b.work.head = ridge;
    k = run_method(&b.work, "diagnostics", NULL);
    kept_release(&k);
    m.x[3] = NAN;
    assert_int_equal(try_run(&k, &b.work, "diagnostics", NULL, &err), GLIM_ENUMERIC);
    assert_contains(err.message, "'feature 4' of sample 1 is not finite");
    kept_release(&k);
    glim_linear_close(l);
    glim_linear_close(ridge);
    free_data(&m);
    glim_context_free(ctx);
}

static void a_sample_that_decides_alone_is_marked(void **state) {
    enum { N = 30, P = 2 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, 0, 12);
    for (size_t i = 0; i < N; i++)
        m.x[i * P] = i == 4;
    glim_linear *l = fit_of(ctx, &m.data, 0);
    bench b;
    set_bench(&b, ctx, l, m.x, m.y, N, P);
    kept k = run_method(&b.work, "diagnostics", NULL);
    assert_true(isnan(kept_value(&k, 4, "cooks-distance")));
    assert_false(isnan(kept_value(&k, 5, "cooks-distance")));
    bool told = false;
    for (size_t i = 0; i < k.doc->n_notes; i++)
        told |= strstr(k.doc->notes[i], "1 samples have a leverage of 1") != NULL;
    assert_true(told);
    kept_release(&k);
    glim_linear_close(l);
    free_data(&m);
    glim_context_free(ctx);
}

static void other_samples_than_those_of_the_fit_are_told(void **state) {
    enum { N = 60, P = 2 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, 2, 13), other = make_data(N, P, 2, 14);
    for (size_t i = 0; i < N; i++)
        other.y[i] = other.labels[i];
    glim_linear *l = fit_of(ctx, &m.data, 1);
    bench b;
    set_bench(&b, ctx, l, other.x, other.y, N, P);
    kept k = run_method(&b.work, "diagnostics", NULL);
    assert_int_equal(k.doc->verdict, GLIM_VERDICT_CAREFUL);
    assert_contains(k.doc->verdict_reason, "not at its best");
    kept_release(&k);
    glim_linear_close(l);
    free_data(&m);
    free_data(&other);
    glim_context_free(ctx);
}

static void classes_without_overlap_are_told(void **state) {
    enum { N = 60, P = 2 };
    glim_context *ctx = begin(1);
    made m = make_data(N, P, 2, 13);
    for (size_t i = 0; i < N; i++)
        m.y[i] = m.labels[i] = m.x[i * P] > 0;
    glim_linear *l = fit_of(ctx, &m.data, 0);
    bench b;
    kept k;
    set_bench(&b, ctx, l, m.x, m.y, N, P);
    glim_status status = try_run(&k, &b.work, "diagnostics", NULL, NULL);
    assert_int_equal(status, GLIM_OK);
    assert_int_equal(k.doc->verdict, GLIM_VERDICT_DISTRUST);
    assert_contains(k.doc->verdict_reason, "without error");
    kept_release(&k);
    glim_linear_close(l);
    free_data(&m);
    glim_context_free(ctx);
}

static void bits_do_not_depend_on_threads(void **state) {
    enum { N = 700, P = 20 };
    for (size_t K = 0; K < 4; K += K ? 1 : 2) {
        kept k[2];
        for (int t = 0; t < 2; t++) {
            glim_context *ctx = begin(t ? 3 : 1);
            made m = make_data(N, P, K, 15);
            for (size_t i = 0; i < N && K; i++)
                m.y[i] = m.labels[i];
            glim_linear *l = fit_of(ctx, &m.data, 1);
            bench b;
            set_bench(&b, ctx, l, m.x, m.y, N, P);
            k[t] = run_method(&b.work, "diagnostics", NULL);
            glim_document_free(k[t].doc);
            glim_linear_close(l);
            free_data(&m);
            glim_context_free(ctx);
        }
        assert_memory_equal(k[0].values, k[1].values, N * k[0].n_columns * sizeof(double));
        free(k[0].values);
        free(k[1].values);
    }
}

static void plans_cover_what_is_taken(void **state) {
    enum { N = 600, P = 30 };
    for (size_t K = 0; K < 4; K += K ? 1 : 2) {
        glim_context *ctx = begin(1);
        made m = make_data(N, P, K, 15);
        for (size_t i = 0; i < N && K; i++)
            m.y[i] = m.labels[i];
        glim_linear *l = fit_of(ctx, &m.data, 1);
        bench b;
        glim_plan plan;
        set_bench(&b, ctx, l, m.x, m.y, N, P);
        assert_int_equal(
            glim__influence_plan(&b.work, glim__influence_find("diagnostics"), NULL, &plan, NULL),
            GLIM_OK);
        uint64_t before = glim_context_bytes(ctx);
        glim_context_reset_peak(ctx);
        kept k = run_method(&b.work, "diagnostics", NULL);
        uint64_t took = glim_context_peak(ctx) - before;
        assert_true(plan.bytes >= took);
        assert_true(plan.bytes < 4 * took + (1 << 20));
        kept_release(&k);
        glim_linear_close(l);
        free_data(&m);
        glim_context_free(ctx);
    }
}

static void refused_memory_and_interruptions_are_said(void **state) {
    enum { N = 300, P = 3 };
    for (size_t K = 0; K < 4; K += K ? 1 : 2) {
        made m = make_data(N, P, K, 16);
        for (size_t i = 0; i < N && K; i++)
            m.y[i] = m.labels[i];
        glim_context *ctx = begin(1);
        glim_linear *l = fit_of(ctx, &m.data, 1);
        bench b;
        glim_error err;
        set_bench(&b, ctx, l, m.x, m.y, N, P);
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status == GLIM_ENOMEM; nth++) {
            kept k = {0};
            assert_int_equal(glim_document_new(&k.doc, ctx, NULL), GLIM_OK);
            glim_influence_out out = {kept_begin, &k, k.doc};
            glim__fail_allocation(ctx, nth);
            status =
                glim__influence_run(&b.work, glim__influence_find("diagnostics"), NULL, &out, &err);
            glim__fail_allocation(ctx, 0);
            kept_release(&k);
        }
        assert_int_equal(status, GLIM_OK);
        glim_context_cancel(ctx);
        kept k;
        assert_int_equal(try_run(&k, &b.work, "diagnostics", NULL, &err), GLIM_ECANCELLED);
        kept_release(&k);
        glim_context_reset(ctx);
        glim_linear_close(l);
        free_data(&m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_statsmodels),
        cmocka_unit_test(two_classes_are_those_of_statsmodels),
        cmocka_unit_test(quantiles_of_student_are_those_of_tables),
        cmocka_unit_test(press_residuals_of_ridge_are_those_of_refits),
        cmocka_unit_test(cooks_distance_of_classes_is_a_newton_step),
        cmocka_unit_test(refits_end_where_a_fit_of_the_rest_ends),
        cmocka_unit_test(a_flipped_label_leads_by_cooks_distance),
        cmocka_unit_test(columns_that_depend_on_others_are_named_and_change_nothing),
        cmocka_unit_test(too_few_samples_are_refused_with_advice),
        cmocka_unit_test(a_sample_that_decides_alone_is_marked),
        cmocka_unit_test(other_samples_than_those_of_the_fit_are_told),
        cmocka_unit_test(classes_without_overlap_are_told),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(plans_cover_what_is_taken),
        cmocka_unit_test(refused_memory_and_interruptions_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
