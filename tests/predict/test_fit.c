/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting: against scikit-learn, by finite differences, in bits, and where there is
   nothing to fit. */
#include "fit-testing.h"

#include "base/json.h"

#include <dirent.h>

/* ---- against scikit-learn ---- */

static double *numbers(const json_t *list, size_t *n) {
    size_t rows = json_array_size(list), at = 0;
    size_t cols =
        json_is_array(json_array_get(list, 0)) ? json_array_size(json_array_get(list, 0)) : 0;
    double *out = malloc(rows * (cols ? cols : 1) * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < (cols ? cols : 1); j++) {
            const json_t *v = json_array_get(list, i);
            out[at++] = json_number_value(cols ? json_array_get(v, j) : v);
        }
    *n = at;
    return out;
}

static double real_at(const json_t *o, const char *name) {
    return json_number_value(json_object_get(o, name));
}

static void compare(const char *file, const double *got, const double *want, size_t n) {
    double size = 0;
    for (size_t i = 0; i < n; i++)
        size = fmax(size, fabs(want[i]));
    for (size_t i = 0; i < n; i++) {
        double off = fabs(got[i] - want[i]) / fmax(fabs(want[i]), 1e-3 * size);
        if (!(off <= 2e-5))
            fail_msg("%s: number %zu is %.9g, not %.9g", file, i, got[i], want[i]);
    }
}

static void check_choice(const char *file, const json_t *root, const glim_fit_report *r) {
    size_t n;
    double *scores = numbers(json_object_get(root, "scores"), &n);
    assert_int_equal(n, r->n_grid);
    for (size_t i = 0; i < n; i++)
        if (fabs(scores[i] - r->grid[i].score) > 1e-6 * fabs(scores[i]))
            fail_msg("%s: strength %g scores %.9g, not %.9g", file, r->grid[i].strength,
                     r->grid[i].score, scores[i]);
    if (fabs(r->strength / real_at(root, "chosen") - 1) > 1e-9)
        fail_msg("%s: took %g, not %g", file, r->strength, real_at(root, "chosen"));
    free(scores);
}

static void check_recording(glim_context *ctx, const char *file, const json_t *root) {
    const json_t *o = json_object_get(root, "options");
    size_t cells, n, n_coef, n_bias, n_fold = 0;
    double *x = numbers(json_object_get(root, "x"), &cells);
    double *y = numbers(json_object_get(root, "y"), &n);
    double *coef = numbers(json_object_get(root, "coef"), &n_coef);
    double *bias = numbers(json_object_get(root, "intercept"), &n_bias);
    double *fold = numbers(json_object_get(root, "fold"), &n_fold);
    size_t K = (size_t)json_integer_value(json_object_get(root, "classes"));
    static const char *const names[] = {"0", "1", "2", "3"};
    int32_t *labels = calloc(n, sizeof *labels), *folds = calloc(n, sizeof *folds);
    for (size_t i = 0; i < n; i++) {
        labels[i] = (int32_t)y[i];
        folds[i] = n_fold ? (int32_t)fold[i] : 0;
    }
    glim_fit_data data = {.f64 = x,
                          .n = n,
                          .width = cells / n,
                          .labels = K ? labels : NULL,
                          .classes = names,
                          .n_classes = K,
                          .values = K ? NULL : y};
    glim_fit_options how = {.kind = K ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR,
                            .strength = real_at(o, "strength"),
                            .l1_ratio = real_at(o, "l1_ratio"),
                            .raw_scale = json_is_true(json_object_get(o, "raw_scale")),
                            .class_weights = json_string_value(json_object_get(o, "class_weights")),
                            .fold = n_fold ? folds : NULL,
                            .max_iterations = 100000};
    glim_linear *l;
    glim_fit_report report;
    glim_error err;
    if (glim_fit(&l, &report, ctx, &data, &how, &err))
        fail_msg("%s: %s", file, err.message);
    assert_int_equal(report.rows, n);
    double *w = malloc((n_coef + n_bias) * sizeof *w);
    assert_int_equal(glim_linear_facts(l)->outputs * data.width, n_coef);
    glim_linear_weights(l, w, w + n_coef);
    compare(file, w, coef, n_coef);
    compare(file, w + n_coef, bias, n_bias);
    if (n_fold)
        check_choice(file, root, &report);
    glim_linear_close(l);
    double *const all[] = {x, y, coef, bias, fold, w};
    for (size_t i = 0; i < 6; i++)
        free(all[i]);
    free(labels);
    free(folds);
}

static void fits_agree_with_scikit_learn(void **state) {
    DIR *d = opendir(GLIM_TESTS "/golden/fit");
    int seen = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        json_error_t why;
        if (!strstr(e->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, GLIM_TESTS "/golden/fit/%s", e->d_name);
        json_t *root = json_load_file(path, 0, &why);
        assert_non_null(root);
        glim_context *ctx = begin(2);
        check_recording(ctx, e->d_name, root);
        glim_context_free(ctx);
        json_decref(root);
        seen++;
    }
    closedir(d);
    assert_true(seen >= 19);
}

/* ---- the loss ---- */

static uint32_t *all_rows(size_t n) {
    uint32_t *rows = malloc(n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (uint32_t)i;
    return rows;
}

static void slopes_are_differences_of_the_loss(void **state) {
    static const double weight[] = {1, 2, 0.5, 3};
    for (size_t K = 2; K <= 4; K++) {
        glim_context *ctx = begin(2);
        glim_error err;
        made m = make_data(203, 13, K, K);
        uint32_t *rows = all_rows(203);
        glim_fit_problem p;
        assert_int_equal(glim__fit_problem_init(&p, ctx, &m.data, rows, 203, false, &err), 0);
        glim__fit_problem_set(&p, weight, 3, 0);
        size_t n = p.O * (p.P + 1);
        double *w = malloc(3 * n * sizeof *w), *g = w + n, *unused = g + n;
        for (size_t i = 0; i < n; i++)
            w[i] = glim__rng_normal(9, K, i);
        glim__fit_loss(&p, w, g);
        for (size_t i = 0; i < n; i++) {
            double at = w[i], h = 1e-6;
            w[i] = at + h;
            double up = glim__fit_loss(&p, w, unused);
            w[i] = at - h;
            double down = glim__fit_loss(&p, w, unused);
            w[i] = at;
            assert_true(fabs((up - down) / (2 * h) - g[i]) < 1e-7);
        }
        free(w);
        free(rows);
        free_data(&m);
        glim__fit_problem_release(&p);
        glim_context_free(ctx);
    }
}

/* Weights of a fit with these options; the caller frees. */
static double *weights_of(int threads, const glim_fit_data *data, const glim_fit_options *how,
                          size_t *n, glim_fit_report *report) {
    glim_context *ctx = begin(threads);
    glim_linear *l;
    glim_error err;
    if (glim_fit(&l, report, ctx, data, how, &err))
        fail_msg("%s", err.message);
    size_t O = glim_linear_facts(l)->outputs;
    *n = O * (data->width + 1);
    double *w = malloc(*n * sizeof *w);
    glim_linear_weights(l, w, w + O * data->width);
    glim_linear_close(l);
    glim_context_free(ctx);
    return w;
}

static void bits_do_not_depend_on_threads(void **state) {
    static const int threads[] = {2, 3, 7};
    for (size_t K = 0; K <= 4; K += 2) {
        made m = make_data(1203, 57, K, 5);
        for (int l1 = 0; l1 < 2; l1++) {
            glim_fit_options how = {.kind = K ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR,
                                    .strength = 3,
                                    .l1_ratio = 0.5 * l1,
                                    .held_out = 0.25,
                                    .seed = 7};
            size_t n;
            glim_fit_report report;
            double *one = weights_of(1, &m.data, &how, &n, &report);
            for (int t = 0; t < 3; t++) {
                double *more = weights_of(threads[t], &m.data, &how, &n, &report);
                assert_memory_equal(one, more, n * sizeof *one);
                free(more);
            }
            free(one);
        }
        free_data(&m);
    }
}

static void floats_and_doubles_fit_alike(void **state) {
    made m = make_data(300, 20, 3, 2);
    glim_fit_data floats = m.data;
    glim_fit_options how = {.strength = 1};
    glim_fit_report report;
    size_t n;
    floats.f64 = NULL;
    floats.f32 = m.f;
    double *a = weights_of(1, &m.data, &how, &n, &report);
    double *b = weights_of(1, &floats, &how, &n, &report);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
    free_data(&m);
}

static void an_l1_part_makes_zeros_that_are_best(void **state) {
    made m = make_data(200, 30, 2, 8);
    glim_context *ctx = begin(1);
    glim_fit_report r;
    glim_linear *l;
    glim_error err;
    glim_fit_options how = {.strength = 20, .l1_ratio = 1};
    assert_int_equal(glim_fit(&l, &r, ctx, &m.data, &how, &err), GLIM_OK);
    assert_true(r.zeros > 5 && r.zeros < 30 && r.converged);
    glim_linear_close(l);
    glim_context_free(ctx);
    free_data(&m);
}

/* ---- rows ---- */

static void a_split_keeps_the_shares_of_classes_and_follows_the_seed(void **state) {
    enum { N = 1000 };
    glim_context *ctx = begin(1);
    glim_error err;
    made m = make_data(N, 2, 3, 1);
    int32_t a[N], b[N], count[3] = {0}, out[3] = {0}, folds[5] = {0};
    assert_int_equal(glim__fit_split(ctx, &m.data, 0.25, 5, 3, a, &err), GLIM_OK);
    assert_int_equal(glim__fit_split(ctx, &m.data, 0.25, 5, 3, b, &err), GLIM_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(glim__fit_split(ctx, &m.data, 0.25, 5, 4, b, &err), GLIM_OK);
    assert_memory_not_equal(a, b, sizeof a);
    for (int i = 0; i < N; i++) {
        count[m.labels[i]]++;
        out[m.labels[i]] += a[i] < 0;
        if (a[i] >= 0)
            folds[a[i]]++;
    }
    for (int k = 0; k < 3; k++)
        assert_int_equal(out[k], (int)floor(count[k] * 0.25 + 0.5));
    for (int f = 1; f < 5; f++)
        assert_true(abs(folds[f] - folds[0]) <= 1);
    free_data(&m);
    glim_context_free(ctx);
}

static void wilson_gives_the_published_interval(void **state) {
    double low, high;
    glim__wilson(81, 263, &low, &high); /* Newcombe 1998, table I, method 3 */
    assert_true(fabs(low - 0.2553) < 5e-5 && fabs(high - 0.3662) < 5e-5);
    glim__wilson(15, 148, &low, &high);
    assert_true(fabs(low - 0.0624) < 5e-5 && fabs(high - 0.1605) < 5e-5);
    glim__wilson(0, 20, &low, &high);
    assert_true(low == 0 && fabs(high - 0.1611) < 5e-5);
    glim__wilson(29, 29, &low, &high);
    assert_true(high == 1 && fabs(low - 0.8830) < 5e-5);
}

static void held_out_rows_are_measured_and_not_fitted(void **state) {
    made m = make_data(400, 5, 2, 4);
    glim_fit_options how = {.strength = 1, .held_out = 0.5, .seed = 1};
    glim_fit_report r;
    size_t n;
    double *a = weights_of(1, &m.data, &how, &n, &r);
    assert_int_equal(r.rows + r.held_out, 400);
    assert_true(r.held_out >= 199 && r.held_out <= 201); /* each class is rounded */
    assert_true(r.accuracy == (double)r.correct / (double)r.held_out);
    assert_true(r.low < r.accuracy && r.accuracy < r.high && r.majority >= 0.5);
    glim_context *ctx = begin(1);
    glim_error err;
    int32_t fold[400];
    glim__fit_split(ctx, &m.data, 0.5, 5, 1, fold, &err);
    glim_context_free(ctx);
    for (int i = 0; i < 400; i++)
        if (fold[i] < 0)
            m.x[i * 5] += 100; /* what is held out may be anything */
    double *b = weights_of(1, &m.data, &how, &n, &r);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
    free_data(&m);
}

/* ---- where there is nothing to fit ---- */

static void refuse(const made *m, const glim_fit_options *how, glim_status want, const char *says) {
    glim_context *ctx = begin(1);
    glim_linear *l;
    glim_fit_report r;
    glim_error err = {0};
    assert_int_equal(glim_fit(&l, &r, ctx, &m->data, how, &err), want);
    assert_null(l);
    assert_contains(err.message, says);
    glim_context_free(ctx);
}

static void what_cannot_be_fitted_is_refused_by_name(void **state) {
    made m = make_data(60, 4, 2, 1), few = make_data(3, 4, 0, 1), none = make_data(0, 4, 2, 1);
    static const glim_fit_options fit = {.strength = 1}, cv = {.strength = -1};
    m.x[17] = NAN;
    refuse(&m, &fit, GLIM_ENUMERIC, "feature 2 of row 5");
    m.x[17] = -INFINITY;
    refuse(&m, &fit, GLIM_ENUMERIC, "feature 2 of row 5");
    m.x[17] = 1e308;
    m.x[21] = 1e308;
    refuse(&m, &fit, GLIM_ENUMERIC, "too large");
    m.x[17] = m.x[21] = 0;
    refuse(&none, &fit, GLIM_EUSAGE, "nothing to fit");
    refuse(&few, &(glim_fit_options){.kind = GLIM_FIT_LINEAR, .strength = -1}, GLIM_EUSAGE,
           "3 rows to fit are fewer than 5 folds");
    refuse(&m, &(glim_fit_options){.strength = NAN}, GLIM_EUSAGE, "no number");
    refuse(&m, &(glim_fit_options){.l1_ratio = 2}, GLIM_EUSAGE, "not between 0 and 1");
    refuse(&m, &(glim_fit_options){.held_out = 1}, GLIM_EUSAGE, "not between 0 and 1");
    refuse(&m, &(glim_fit_options){.class_weights = "zero=0"}, GLIM_EUSAGE, "no weight");
    refuse(&m, &(glim_fit_options){.class_weights = "five=1"}, GLIM_EUSAGE, "no class 'five'");
    for (int i = 0; i < 60; i++)
        m.labels[i] = i == 0;
    refuse(&m, &cv, GLIM_EUSAGE, "class 'one' has 1 row to fit");
    m.labels[0] = 0;
    refuse(&m, &fit, GLIM_EUSAGE, "class 'one' has 0 rows to fit");
    m.data.n_classes = 1;
    refuse(&m, &fit, GLIM_EUSAGE, "only one class, 'zero'");
    m.data.n_classes = 2;
    m.labels[3] = 2;
    refuse(&m, &fit, GLIM_EUSAGE, "row 4 has the class 2");
    free_data(&m);
    free_data(&few);
    free_data(&none);
}

static void separable_classes_are_told(void **state) {
    made m = make_data(50, 2, 2, 1);
    glim_fit_report r;
    size_t n;
    for (int i = 0; i < 50; i++)
        m.labels[i] = m.x[2 * i] > 0;
    double *w = weights_of(1, &m.data, &(glim_fit_options){.strength = 0}, &n, &r);
    assert_true(r.separable && isfinite(w[0]) && w[0] > 10);
    free(w);
    w = weights_of(1, &m.data, &(glim_fit_options){.strength = 1}, &n, &r);
    assert_true(!r.separable && r.converged && w[0] < 10);
    free(w);
    free_data(&m);
}

static void constant_columns_have_no_weight(void **state) {
    for (size_t K = 0; K <= 3; K += 3) {
        made m = make_data(100, 4, K, 1);
        glim_fit_report r;
        size_t n;
        for (int i = 0; i < 100; i++)
            m.x[4 * i + 2] = 1e9;
        for (int strength = 0; strength < 2; strength++) {
            double *w =
                weights_of(1, &m.data,
                           &(glim_fit_options){.kind = K ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR,
                                               .strength = strength},
                           &n, &r);
            assert_true(w[2] == 0 && r.converged && fabs(w[0]) > 0.01);
            free(w);
        }
        free_data(&m);
    }
}

static void columns_that_depend_on_each_other_need_a_penalty(void **state) {
    made m = make_data(100, 4, 0, 1);
    for (int i = 0; i < 100; i++)
        m.x[4 * i + 2] = 3 * m.x[4 * i] - m.x[4 * i + 1];
    refuse(&m, &(glim_fit_options){.kind = GLIM_FIT_LINEAR}, GLIM_EUSAGE, "depend on each other");
    glim_fit_report r;
    size_t n;
    free(weights_of(1, &m.data, &(glim_fit_options){.kind = GLIM_FIT_LINEAR, .strength = 1e-3}, &n,
                    &r));
    free_data(&m);
}

/* ---- memory, interruption ---- */

static void no_refused_allocation_leaks(void **state) {
    for (size_t K = 0; K <= 3; K += 3) {
        made m = make_data(40, 5, K, 1);
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status; nth++) {
            glim_context *ctx = begin(1);
            glim_linear *l;
            glim_fit_report r;
            glim_error err = {0};
            glim__fail_allocation(ctx, nth);
            glim_fit_options how = {.kind = K ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR,
                                    .strength = -1,
                                    .folds = 2,
                                    .held_out = 0.2,
                                    .class_weights = K ? "balanced" : NULL};
            status = glim_fit(&l, &r, ctx, &m.data, &how, &err);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim__fail_allocation(ctx, 0);
            glim_linear_close(l);
            glim_context_free(ctx);
            assert_true(nth < 5000);
        }
        free_data(&m);
    }
}

static void an_interrupted_fit_ends(void **state) {
    for (size_t K = 0; K <= 3; K += 3) {
        glim_context *ctx = begin(1);
        glim_linear *l;
        glim_fit_report r;
        glim_error err = {0};
        made m = make_data(400, 50, K, 1);
        glim_fit_options how = {.kind = K ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR, .strength = -1};
        glim_context_cancel(ctx);
        assert_int_equal(glim_fit(&l, &r, ctx, &m.data, &how, &err), GLIM_ECANCELLED);
        assert_null(l);
        glim_context_free(ctx);
        free_data(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_agree_with_scikit_learn),
        cmocka_unit_test(slopes_are_differences_of_the_loss),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(floats_and_doubles_fit_alike),
        cmocka_unit_test(an_l1_part_makes_zeros_that_are_best),
        cmocka_unit_test(a_split_keeps_the_shares_of_classes_and_follows_the_seed),
        cmocka_unit_test(wilson_gives_the_published_interval),
        cmocka_unit_test(held_out_rows_are_measured_and_not_fitted),
        cmocka_unit_test(what_cannot_be_fitted_is_refused_by_name),
        cmocka_unit_test(separable_classes_are_told),
        cmocka_unit_test(constant_columns_have_no_weight),
        cmocka_unit_test(columns_that_depend_on_each_other_need_a_penalty),
        cmocka_unit_test(no_refused_allocation_leaks),
        cmocka_unit_test(an_interrupted_fit_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
