/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a file as samples of a head that is fitted here: against the table in memory and the
   fit of all rows at once, in memory that hardly grows. */
#include "../predict/fit-testing.h"

#include "influence/head-columns.h"
#include "influence/head-fit.h"
#include "influence/head-samples.h"
#include "influence/least-squares.h"
#include "influence/row-set.h"
#include "influence/twins.h"

#include <string.h>
#include <unistd.h>

static const char *path_of(const char *what) {
    static char path[80];
    snprintf(path, sizeof path, "/tmp/glim-samples-%d-%s.csv", (int)getpid(), what);
    return path;
}

enum { HOLES = 1, WIDE = 2 };

/* Columns a, b, colour, then a number and a class to predict. */
static const char *write_rows(const char *what, size_t n, unsigned kind) {
    static const char *const colours[] = {"red", "green", "blue"};
    static const char *const classes[] = {"no", "perhaps", "yes"};
    const char *path = path_of(what);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("a,b,colour", f);
    for (size_t j = 0; kind & WIDE && j < 600; j++)
        fprintf(f, ",w%zu", j);
    fputs(",y,said,two\n", f);
    for (size_t i = 0; i < n; i++) {
        double a = glim__rng_normal(5, i, 0), b = 3 + 2 * glim__rng_normal(5, i, 1);
        size_t c = glim__rng_below(5, i, 2, 3);
        double z = a - b + 3 + 0.5 * (double)c + glim__rng_normal(5, i, 3);
        if (kind & HOLES && i % 7 == 3)
            fputs(",", f);
        else
            fprintf(f, "%.6f,", a);
        fprintf(f, "%.6f,%s", b, colours[c]);
        for (size_t j = 0; kind & WIDE && j < 600; j++)
            fprintf(f, ",%.6f", glim__rng_normal(6, i, j));
        fprintf(f, ",%.6f,%s,%d\n", z, classes[z < -1 ? 0 : z < 1 ? 1 : 2], z > 0);
    }
    fclose(f);
    return path;
}

/* A head and its samples, in a context of their own. */
struct opened {
    glim_context *ctx;
    glim_rows *rows;
    glim_linear *linear;
    glim_head_samples *s;
};

static glim_status try_open(struct opened *o, const char *path, const char *label,
                            const char *columns, bool drop, glim_error *err) {
    o->rows = NULL;
    o->linear = NULL;
    o->s = NULL;
    glim_status status = glim__rows_open(&o->rows, o->ctx, path, false, err);
    if (!status)
        status =
            glim__head_columns(&o->linear, o->ctx, o->rows, label, columns, GLIM_HEAD_AUTO, err);
    const glim_head_samples_options how = {.rows = o->rows, .label = label, .drop = drop};
    if (!status)
        status = glim__head_samples_open(&o->s, o->linear, &how, err);
    return status;
}

static void open_rows(struct opened *o, const char *path, const char *label, const char *columns,
                      bool drop) {
    glim_error err = {0};
    o->ctx = begin(2);
    if (try_open(o, path, label, columns, drop, &err))
        fail_msg("%s", err.message);
}

static void close_parts(struct opened *o) {
    glim__head_samples_close(o->s);
    glim_linear_close(o->linear);
    glim__rows_close(o->rows);
}

static void close_rows(struct opened *o) {
    close_parts(o);
    glim_context_free(o->ctx);
}

/* ---- sets of rows ---- */

static void the_ith_row_of_a_set_is_found(void **state) {
    glim_context *ctx = begin(1);
    for (uint32_t every = 1; every < 2000; every = every * 3 + 1) {
        glim_row_set s;
        size_t n = 0, rows = 5003;
        assert_true(glim__row_set_init(&s, ctx, rows));
        for (size_t i = 0; i < rows; i++)
            glim__row_set_put(&s, i, glim__rng_below(1, i, every, every) == 0);
        glim__row_set_put(&s, rows - 1, true);
        glim__row_set_put(&s, 0, false);
        glim__row_set_count(&s);
        for (size_t i = 0; i < rows; i++)
            if (glim__row_set_has(&s, i))
                assert_int_equal(glim__row_set_find(&s, n++), i);
        assert_int_equal(n, s.n);
        glim__row_set_release(&s, ctx);
    }
    glim_context_free(ctx);
}

/* ---- samples ---- */

static void samples_are_the_rows_of_the_table(void **state) {
    struct opened o;
    glim_table *t;
    const char *path = write_rows("holes", 1500, HOLES);
    open_rows(&o, path, "y", "b,a,colour", true);
    assert_int_equal(glim__table_open(&t, o.ctx, path, NULL), GLIM_OK);
    const glim_features *f = glim__head_samples_features(o.s);
    size_t P = f->width, left = 0, n = 0;
    assert_int_equal(P, 5);
    assert_int_equal(o.linear->info.n_classes, 0);
    double *x = malloc((f->n * (P + 1)) * sizeof *x), *y = x + f->n * P, one[6];
    assert_int_equal(f->read(f->data, 0, f->n, x, y, NULL), GLIM_OK);
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *cells[] = {glim__table_cell(t, i, 1), glim__table_cell(t, i, 0),
                               glim__table_cell(t, i, 2)};
        bool missing = false;
        double said;
        assert_int_equal(glim__fit_encode(o.linear->columns, 3, cells, "row", &missing, one, NULL),
                         GLIM_OK);
        left += missing;
        if (missing)
            continue;
        assert_int_equal(glim__head_samples_row(o.s, n), i);
        assert_memory_equal(one, x + n * P, P * sizeof *x);
        assert_true(glim__table_number(glim__table_cell(t, i, 3), &said));
        assert_true(said == y[n]);
        const char *const *own;
        assert_int_equal(glim__head_samples_cells(o.s, n, &own, NULL), GLIM_OK);
        assert_string_equal(own[1], cells[0]);
        n++;
    }
    assert_int_equal(n, f->n);
    assert_int_equal(left, glim__head_samples_left_out(o.s));
    for (size_t k = 0; k < 50; k++) { /* in any order, blocks of any size */
        size_t first = glim__rng_below(2, k, 0, (uint32_t)n), count = n - first < 300 ? 1 : 300;
        double *some = malloc(count * (P + 1) * sizeof *some);
        assert_int_equal(f->read(f->data, first, count, some, some + count * P, NULL), GLIM_OK);
        assert_memory_equal(some, x + first * P, count * P * sizeof *x);
        assert_memory_equal(some + count * P, y + first, count * sizeof *y);
        free(some);
    }
    free(x);
    glim__table_close(t);
    close_rows(&o);
    unlink(path);
}

static void rows_without_a_cell_are_named(void **state) {
    struct opened o = {.ctx = begin(1)};
    glim_error err = {0};
    const char *path = write_rows("holes", 20, HOLES);
    assert_int_equal(try_open(&o, path, "y", "a", false, &err), GLIM_EFORMAT);
    assert_non_null(strstr(err.message, "row 4 of"));
    close_parts(&o);
    assert_int_equal(try_open(&o, path, "y", "a,y", false, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "is the label"));
    close_parts(&o);
    assert_int_equal(try_open(&o, path, "y", "a,b,a", false, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "named twice"));
    close_rows(&o);
    unlink(path);
}

static void rows_that_were_held_out_are_drawn_again(void **state) {
    struct opened o;
    const char *path = write_rows("held", 700, 0);
    glim_linear *fitted;
    glim_fit_report report;
    glim_error err = {0};
    open_rows(&o, path, "said", "a,b", false);
    const glim_fit_table table = {.path = path, .label = "said", .columns = "a,b"};
    const glim_fit_options how = {.strength = 1, .held_out = 0.2, .seed = 9};
    if (glim_fit_columns(&fitted, &report, o.ctx, &table, &how, &err))
        fail_msg("%s", err.message);
    glim_head_samples *s;
    const glim_head_samples_options options = {.rows = o.rows, .label = "said"};
    assert_int_equal(glim__head_samples_open(&s, fitted, &options, NULL), GLIM_OK);
    const glim_features *f = glim__head_samples_features(s);
    assert_int_equal(f->n, 700);
    assert_int_equal(glim__head_samples_leave_held_out(s, 9, NULL), GLIM_OK);
    assert_int_equal(f->n, report.rows);
    assert_int_equal(glim__head_samples_held_out(s), report.held_out);
    /* the fit is at its best on just those */
    glim_linear *again;
    assert_int_equal(glim__head_columns(&again, o.ctx, o.rows, "said", "a,b", GLIM_HEAD_AUTO, NULL),
                     GLIM_OK);
    assert_int_equal(glim__head_fit(again, f, 1, NULL), GLIM_OK);
    for (size_t j = 0; j < 3 * 2; j++)
        assert_true(fabs(again->weights[j] - fitted->weights[j]) < 1e-5);
    glim_linear_close(again);
    glim__head_samples_close(s);
    glim_linear_close(fitted);
    close_rows(&o);
    unlink(path);
}

/* ---- fits ---- */

static void a_streamed_fit_is_the_fit_of_all_rows(void **state) {
    static const struct {
        const char *label, *columns;
        double strength, near;
        unsigned kind;
    } cases[] = {{"y", "a,b,colour", 2, 1e-9, 0},
                 {"two", "a,b,colour", 1, 1e-7, 0},
                 {"said", "a,b,colour", 0.5, 1e-6, 0},
                 {"two", "a,b", 0, 1e-6, 0},
                 {"two", NULL, 3, 1e-6, WIDE}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct opened o;
        const char *path = write_rows("fit", 400, cases[k].kind);
        const char *columns = cases[k].columns;
        glim_linear *l;
        glim_fit_report report;
        glim_error err = {0};
        open_rows(&o, path, cases[k].label, columns, false);
        const glim_fit_table table = {.path = path, .label = cases[k].label, .columns = columns};
        const glim_fit_options how = {
            .kind = o.linear->info.kind, .strength = cases[k].strength, .tolerance = 1e-10};
        if (glim_fit_columns(&l, &report, o.ctx, &table, &how, &err) ||
            glim__head_fit(o.linear, glim__head_samples_features(o.s), cases[k].strength, &err))
            fail_msg("%s", err.message);
        assert_int_equal(o.linear->info.width, l->info.width);
        assert_int_equal(o.linear->info.outputs, l->info.outputs);
        assert_int_equal(o.linear->info.rows, 400);
        for (size_t i = 0; i < l->info.n_classes; i++)
            assert_string_equal(o.linear->info.classes[i], l->info.classes[i]);
        for (size_t j = 0; j < l->info.width * l->info.outputs; j++)
            if (!(fabs(o.linear->weights[j] - l->weights[j]) < cases[k].near))
                fail_msg("fit %zu, weight %zu: %.12g, not %.12g", k, j, o.linear->weights[j],
                         l->weights[j]);
        for (size_t j = 0; j < l->info.outputs; j++)
            assert_true(fabs(o.linear->bias[j] - l->bias[j]) < 10 * cases[k].near);
        glim_linear_close(l);
        close_rows(&o);
        unlink(path);
    }
}

/* Classes that are told apart have no best weights: the loss is small and the steps end. */
static void a_fit_without_an_end_ends(void **state) {
    glim_context *ctx = begin(1);
    double x[40], y[40];
    for (size_t i = 0; i < 40; i++) {
        x[i] = (double)i;
        y[i] = i >= 20;
    }
    const glim_features_array array = {.x = x, .y = y, .width = 1};
    const glim_features f = glim__features_of(&array, 40);
    glim_linear *l;
    assert_int_equal(glim__linear_new(&l, ctx, NULL), GLIM_OK);
    l->info.kind = GLIM_FIT_LOGISTIC;
    l->info.n_classes = 2;
    l->classes = glim__arena_calloc(&l->arena, 2, sizeof *l->classes);
    l->classes[0] = "no";
    l->classes[1] = "yes";
    l->info.classes = l->classes;
    assert_int_equal(glim__linear_shape(l, 1, 1, NULL), GLIM_OK);
    assert_int_equal(glim__head_fit(l, &f, 0, NULL), GLIM_OK);
    assert_true(l->weights[0] > 20 && isfinite(l->weights[0]));
    glim_linear_close(l);
    glim_context_free(ctx);
}

/* ---- twins ---- */

struct repeating {
    size_t period, other; /* sample `other` has another label than its twins */
};

static glim_status read_repeating(void *data, size_t first, size_t count, double *x, double *y,
                                  glim_error *err) {
    const struct repeating *r = data;
    for (size_t i = 0; i < count; i++) {
        x[2 * i] = (double)((first + i) % r->period);
        x[2 * i + 1] = 1;
        y[i] = first + i == r->other ? 1 : 0;
    }
    return GLIM_OK;
}

static void twins_are_counted_however_many(void **state) {
    static const size_t sizes[] = {10, 1000, 32768, 32769, 70000, 150001};
    glim_context *ctx = begin(1);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k];
        struct repeating r = {.period = n - n / 10, .other = n - 1};
        const glim_features f = {.n = n, .width = 2, .read = read_repeating, .data = &r};
        glim_twins t;
        assert_int_equal(glim__twins_find(&t, ctx, &f, NULL), GLIM_OK);
        assert_int_equal(t.pairs, n / 10);
        assert_int_equal(t.groups, n / 10);
        assert_int_equal(t.differing, 1);
        assert_int_equal(t.n, n / 10 < GLIM_TWINS ? n / 10 : GLIM_TWINS);
        assert_int_equal(t.other[0], n - 1);
        for (size_t i = 0; i < t.n; i++)
            assert_int_equal(t.other[i] - t.first[i], r.period);
        for (size_t i = 1; i < t.n; i++)
            assert_int_equal(t.other[i], r.period + i - 1);
        r.period = 2;
        assert_int_equal(glim__twins_find(&t, ctx, &f, NULL), GLIM_OK);
        assert_int_equal(t.groups, 2);
        assert_int_equal(t.pairs, n - 2);
    }
    glim_context_free(ctx);
}

/* ---- memory ---- */

static void memory_hardly_grows_with_samples(void **state) {
    uint64_t peak[2];
    for (size_t k = 0; k < 2; k++) {
        struct opened o;
        glim_twins t;
        const char *path = write_rows("many", k ? 40000 : 4000, 0);
        open_rows(&o, path, "y", "a,b,colour", false);
        assert_int_equal(glim__head_fit(o.linear, glim__head_samples_features(o.s), 0, NULL),
                         GLIM_OK);
        assert_int_equal(glim__twins_find(&t, o.ctx, glim__head_samples_features(o.s), NULL),
                         GLIM_OK);
        peak[k] = glim_context_peak(o.ctx);
        close_rows(&o);
        unlink(path);
    }
    assert_true(peak[1] < peak[0] + 40000); /* a byte a sample */
}

static void refused_memory_is_an_error(void **state) {
    const char *path = write_rows("few", 300, HOLES);
    static const char *const labels[] = {"y", "said"};
    for (size_t k = 0; k < 2; k++) {
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status; nth++) {
            struct opened o = {.ctx = begin(1)};
            glim_twins t;
            glim_error err = {0};
            glim__fail_allocation(o.ctx, nth);
            status = try_open(&o, path, labels[k], "a,b,colour", true, &err);
            if (!status)
                status = glim__head_fit(o.linear, glim__head_samples_features(o.s), 1, &err);
            if (!status)
                status = glim__twins_find(&t, o.ctx, glim__head_samples_features(o.s), &err);
            glim__fail_allocation(o.ctx, 0);
            if (status && status != GLIM_ENOMEM)
                fail_msg("allocation %d: %s", (int)nth, err.message);
            close_rows(&o);
            assert_true(nth < 1000);
        }
    }
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ith_row_of_a_set_is_found),
        cmocka_unit_test(samples_are_the_rows_of_the_table),
        cmocka_unit_test(rows_without_a_cell_are_named),
        cmocka_unit_test(rows_that_were_held_out_are_drawn_again),
        cmocka_unit_test(a_streamed_fit_is_the_fit_of_all_rows),
        cmocka_unit_test(a_fit_without_an_end_ends),
        cmocka_unit_test(twins_are_counted_however_many),
        cmocka_unit_test(memory_hardly_grows_with_samples),
        cmocka_unit_test(refused_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
