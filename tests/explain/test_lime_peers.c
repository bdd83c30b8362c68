/* SPDX-License-Identifier: Apache-2.0 */
/* Tables beside lime (scripts/record-lime-tables.py): bins, fits of its samples, picks. */
#include "analytic.h"

#include "explain/columns.h"
#include "explain/lime.h"
#include "explain/submodular.h"

#include <jansson.h>
#include <stdio.h>

static glim_context *ctx;

enum { MOST = 8 };

static void assert_near(double a, double b, double off) {
    if (!(fabs(a - b) <= off))
        fail_msg("%.12g is not %.12g", a, b);
}

static json_t *recording(const char *name) {
    json_error_t e;
    json_t *all = json_load_file(GLIM_TESTS "/golden/lime-tables.json", 0, &e);
    assert_non_null(all);
    json_t *list = json_incref(json_object_get(all, name));
    json_decref(all);
    return list;
}

static double number_at(const json_t *list, size_t i) {
    return json_number_value(json_array_get(list, i));
}

static double real(const json_t *o, const char *name) {
    return json_number_value(json_object_get(o, name));
}

/* The columns as CSV, so that the way of a number through a file is tested as well. */
static glim_table *table_of(const json_t *columns) {
    size_t C = json_array_size(columns), N = json_array_size(json_array_get(columns, 0)), at = 0;
    char *csv = malloc(32 * (N + 1) * (C + 1));
    glim_table *t;
    for (size_t c = 0; c < C; c++)
        at += (size_t)sprintf(csv + at, "c%zu%c", c, c + 1 < C ? ',' : '\n');
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < C; c++)
            at += (size_t)sprintf(csv + at, "%.17g%c", number_at(json_array_get(columns, c), i),
                                  c + 1 < C ? ',' : '\n');
    assert_int_equal(glim__table_read(&t, ctx, csv, at, GLIM_TABLE_CSV, "t.csv", NULL), GLIM_OK);
    free(csv);
    return t;
}

static void one_column(const json_t *want, const glim_column *c) {
    const json_t *counts = json_object_get(want, "counts"), *means = json_object_get(want, "means"),
                 *least = json_object_get(want, "least"), *most = json_object_get(want, "most"),
                 *deviations = json_object_get(want, "deviations");
    assert_int_equal(c->n_cuts + 1, json_array_size(counts));
    for (size_t b = 0; b <= c->n_cuts; b++) {
        const glim_bin *bin = &c->bins[b];
        double n = number_at(counts, b);
        assert_true(b == c->n_cuts || c->cuts[b] == number_at(most, b));
        assert_true(bin->least == number_at(least, b) && bin->most == number_at(most, b));
        assert_true(bin->share == n / (double)c->there);
        double mean = number_at(means, b), size = fmax(1, fabs(mean));
        assert_near(bin->mean, mean, 1e-14 * size);
        assert_near(bin->deviation, number_at(deviations, b), 1e-13 * size);
    }
}

static void bins_are_those_of_lime(void **state) {
    static const char *const ways[] = {"quartile", "decile", "entropy"};
    json_t *list = recording("tables");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *one = json_array_get(list, k), *labels = json_object_get(one, "labels");
        glim_table *t = table_of(json_object_get(one, "columns"));
        int32_t *classes = malloc(t->n_rows * sizeof *classes);
        for (size_t i = 0; i < t->n_rows; i++)
            classes[i] = (int32_t)number_at(labels, i);
        for (int way = 0; way < 3; way++)
            for (size_t c = 0; c < t->n_columns; c++) {
                glim_arena arena;
                glim_column column = {.at = c};
                glim__arena_init(&arena, ctx, 1024);
                assert_int_equal(
                    glim__column_learn(&column, t, &arena, (glim_discretizer)way, classes, NULL),
                    GLIM_OK);
                one_column(
                    json_array_get(json_object_get(json_object_get(one, "ways"), ways[way]), c),
                    &column);
                glim__arena_release(&arena);
            }
        free(classes);
        glim__table_close(t);
    }
    json_decref(list);
}

static void one_fit(const json_t *fit, const glim_lime_data *a) {
    double coefficients[MOST], errors[MOST];
    const json_t *want = json_object_get(fit, "coefficients");
    glim_lime_result got = {.coefficients = coefficients, .errors = errors};
    glim_lime_options o = {.num_features = (size_t)real(fit, "most"), .alpha = 1};
    assert_int_equal(glim__lime_fit(a, &o, &got, NULL), GLIM_OK);
    assert_int_equal(got.used, json_array_size(want));
    for (size_t i = 0; i < got.used; i++) {
        const json_t *pair = json_array_get(want, i);
        assert_near(coefficients[(size_t)number_at(pair, 0)], number_at(pair, 1), 1e-6);
    }
    assert_near(got.intercept, real(fit, "intercept"), 1e-6);
    assert_near(got.r2, real(fit, "r2"), 1e-6);
    assert_near(got.local_pred, real(fit, "predicted"), 1e-6);
}

static void fits_of_the_samples_of_lime_are_its_own(void **state) {
    json_t *list = recording("fits");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *one = json_array_get(list, k), *rows = json_object_get(one, "x"),
                     *ys = json_object_get(one, "y"), *ws = json_object_get(one, "weights"),
                     *fits = json_object_get(one, "fits");
        size_t n = json_array_size(rows), d = json_array_size(json_array_get(rows, 0));
        double *x = malloc(n * (d + 2) * sizeof *x), *y = x + n * d, *w = y + n;
        uint8_t *z = malloc(n * d);
        bool binary = true;
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < d; j++) {
                x[i * d + j] = number_at(json_array_get(rows, i), j);
                binary = binary && (x[i * d + j] == 0 || x[i * d + j] == 1);
                z[i * d + j] = x[i * d + j] > 0;
            }
            y[i] = number_at(ys, i);
            w[i] = number_at(ws, i);
        }
        assert_int_equal(binary, k < 2);
        glim_lime_data a = {.ctx = ctx, .n = n, .d = d, .x = x, .weight = w, .y = y, .step = 1};
        for (size_t i = 0; i < json_array_size(fits); i++)
            one_fit(json_array_get(fits, i), &a);
        a.z = z;
        a.x = NULL;
        for (size_t i = 0; i < json_array_size(fits) && binary; i++)
            one_fit(json_array_get(fits, i), &a);
        free(x);
        free(z);
    }
    json_decref(list);
}

/* Which share of all worth lime's first picks have: of equally good ones it takes the last. */
static double covered_by(const json_t *picks, size_t k, const double *w, size_t d,
                         const double *worth) {
    double all = 0, have = 0;
    for (size_t j = 0; j < d; j++) {
        bool there = false;
        for (size_t i = 0; i <= k; i++)
            there = there || w[(size_t)number_at(picks, i) * d + j] != 0;
        all += worth[j];
        have += there ? worth[j] : 0;
    }
    return have / all;
}

static void picks_are_as_good_as_those_of_lime(void **state) {
    json_t *list = recording("picks");
    size_t same = 0;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *one = json_array_get(list, k), *rows = json_object_get(one, "w"),
                     *want = json_object_get(one, "picks");
        size_t n = json_array_size(rows), d = json_array_size(json_array_get(rows, 0));
        double *w = malloc(n * d * sizeof *w), worth[64], covered[8], last = 0, step = 2;
        uint8_t seen[64] = {0};
        size_t picks[8];
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < d; j++)
                w[i * d + j] = number_at(json_array_get(rows, i), j);
        assert_int_equal(glim__pick(w, n, d, 8, picks, worth, covered, seen), n < 8 ? n : 8);
        for (size_t i = 0; i < json_array_size(want); i++) {
            assert_near(covered[i], covered_by(want, i, w, d, worth), 1e-12);
            assert_true(covered[i] - last <= step + 1e-12); /* each adds less */
            step = covered[i] - last;
            last = covered[i];
            same += picks[i] == (size_t)number_at(want, i);
        }
        free(w);
    }
    assert_true(same >= 10); /* of 16; the others are ties */
    json_decref(list);
}

static void disjoint_examples_are_picked_by_weight(void **state) {
    const double w[] = {1, 0, 0, 0, 3, 0, 0, 0, -2};
    size_t picks[3];
    double worth[3], covered[3];
    uint8_t seen[3] = {0};
    assert_int_equal(glim__pick(w, 3, 3, 2, picks, worth, covered, seen), 2);
    assert_int_equal(picks[0], 1);
    assert_int_equal(picks[1], 2);
    assert_near(covered[1], (sqrt(3) + sqrt(2)) / (1 + sqrt(3) + sqrt(2)), 1e-12);
}

static int set_up(void **state) {
    glim_context_options o = {.threads = 1};
    return glim_context_new(&ctx, &o, NULL) != GLIM_OK;
}

static int tear_down(void **state) {
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_are_those_of_lime),
        cmocka_unit_test(fits_of_the_samples_of_lime_are_its_own),
        cmocka_unit_test(picks_are_as_good_as_those_of_lime),
        cmocka_unit_test(disjoint_examples_are_picked_by_weight),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
