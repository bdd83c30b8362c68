/* SPDX-License-Identifier: Apache-2.0 */
/* LIME for rows of tables, on functions whose answer is known. */
#include "analytic.h"

#include "explain/lime.h"
#include "file/table.h"

#include <stdio.h>

static glim_context *ctx;

/* ---- a function of cells as a predictor ---- */

enum { MOST = 8, MOST_SEEN = 20000 };

typedef double cells_fn(const glim_cell *c, size_t k);

struct rows {
    glim_predictor base;
    glim_unit unit[MOST];
    glim_units units;
    glim_table *t;
    cells_fn *f;
    size_t row_end, n_seen;
    double value;
    char text[512];
    glim_cell *seen; /* (MOST_SEEN, U) */
};

static glim_status other_rows(glim_predictor *p, const glim_cell *cells, size_t n, bool each,
                              double *out, glim_error *err) {
    struct rows *r = (struct rows *)p;
    size_t U = r->units.count, K = each ? p->n_classes : 1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++)
            out[i * K + k] = r->f(cells + i * U, each ? k : 0);
    for (size_t i = 0; i < n && r->seen && r->n_seen < MOST_SEEN; i++)
        memcpy(r->seen + U * r->n_seen++, cells + i * U, U * sizeof *cells);
    return GLIM_OK;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct rows *r = (const struct rows *)p;
    doc->n_rows = 1;
    doc->target.output = "prob";
    doc->target.value = r->value;
    return glim__columns_describe(r->text, strlen(r->text), r->unit, r->units.count, doc)
               ? GLIM_OK
               : glim__oom(ctx, err, "the document", 0);
}

static void rows_begin(struct rows *r, const char *csv, size_t row, cells_fn *f) {
    glim_error err = {0};
    *r = (struct rows){.f = f};
    if (glim__table_read(&r->t, ctx, csv, strlen(csv), GLIM_TABLE_CSV, "t.csv", &err))
        fail_msg("%s", err.message);
    size_t U = r->t->n_columns, at = 0;
    assert_true(U <= MOST);
    for (size_t u = 0; u < U; u++) {
        r->unit[u] = (glim_unit){.start = at, .first = u, .count = 1, .turn = -1};
        at += (size_t)snprintf(r->text + at, sizeof r->text - at, "%s = %s", r->t->columns[u],
                               glim__table_cell(r->t, row, u));
        r->unit[u].end = at;
    }
    r->units = (glim_units){.ctx = ctx, .at = r->unit, .count = U};
    r->row_end = U;
    r->base = (glim_predictor){.ctx = ctx,
                               .name = "rows",
                               .can = GLIM_CAN_PREDICT,
                               .columns = true,
                               .units = &r->units,
                               .n_rows = 1,
                               .row_end = &r->row_end,
                               .value = &r->value,
                               .table = r->t,
                               .table_row = row,
                               .column_names = r->t->columns,
                               .rows = other_rows,
                               .describe = describe,
                               .cost = analytic_cost};
}

static void rows_end(struct rows *r) {
    glim__table_close(r->t);
    free(r->seen);
}

struct setting {
    const char *name, *value;
};

static glim_status try_explain(glim_document **doc, struct rows *r, const struct setting *s,
                               glim_error *err) {
    const glim_method *m = glim_method_find("lime");
    void *opts = calloc(1, m->opts_size + 1);
    glim_param_defaults(m->params, opts);
    for (; s && s->name; s++)
        if (glim_param_set(glim_param_find(m->params, s->name), opts, s->value, err))
            fail_msg("%s", err->message);
    glim_status status = glim_explain(doc, &r->base, m, opts, 3, err);
    free(opts);
    return status;
}

static glim_document *explain(struct rows *r, const struct setting *s) {
    glim_error err = {0};
    glim_document *doc = NULL;
    if (try_explain(&doc, r, s, &err))
        fail_msg("%s", err.message);
    return doc;
}

static void assert_near(double a, double b, double off) {
    if (!(fabs(a - b) <= off))
        fail_msg("%.12g is not %.12g", a, b);
}

static void assert_unit(const glim_document *doc, size_t u, const char *text) {
    char mine[200];
    snprintf(mine, sizeof mine, "%.*s", (int)doc->input.units[u].text_len,
             doc->input.units[u].text);
    assert_string_equal(mine + (u > 0), text); /* a space before all but the first */
}

static double check_value(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

/* 40 people: ages 1 to 40, three jobs, a constant. */
static const char *people(void) {
    static char csv[4096];
    static const char *const jobs[] = {"smith", "baker", "\"king, once\"", "baker"};
    size_t at = (size_t)snprintf(csv, sizeof csv, "age,job,planet\n");
    for (int i = 1; i <= 40; i++)
        at += (size_t)snprintf(csv + at, sizeof csv - at, "%d,%s,earth\n", i, jobs[i % 4]);
    return csv;
}

/* ---- functions of cells ---- */

static double in_bins(const glim_cell *c, size_t k) {
    return 2 + (c[0].number > 10.75 && c[0].number <= 20.5 ? 3 : 0) -
           (!strcmp(c[1].text, "baker") ? 1 : 0);
}

static double straight(const glim_cell *c, size_t k) {
    return 5 + 0.25 * c[0].number + (!strcmp(c[1].text, "baker") ? 2 : 0);
}

static double nothing(const glim_cell *c, size_t k) {
    return 0.3;
}

static double shares(const glim_cell *c, size_t k) {
    double p = 1 / (1 + exp(0.2 * (c[0].number - 20)));
    return k == 0 ? 0.2 * p : k == 1 ? 0.8 * p : 1 - p;
}

static double when_missing(const glim_cell *c, size_t k) {
    return isnan(c[0].number) ? 4 : c[1].text ? 1 : 2;
}

/* ---- the local model ---- */

static void sums_of_bins_and_words_are_found(void **state) {
    struct setting exact[] = {{"alpha", "0"}, {0}};
    struct rows r;
    rows_begin(&r, people(), 12, in_bins); /* age 13, a baker */
    glim_document *doc = explain(&r, exact);
    assert_unit(doc, 0, "age in (10.75, 20.5]");
    assert_unit(doc, 1, "job = baker");
    assert_unit(doc, 2, "planet = earth");
    assert_near(doc->scores[0], 3, 1e-8);
    assert_near(doc->scores[1], -1, 1e-8);
    assert_true(isnan(doc->scores[2]));
    assert_near(doc->target.baseline_value, 2, 1e-8);
    assert_near(check_value(doc, "local_r2"), 1, 1e-9);
    assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
    glim_document_free(doc);
    rows_end(&r);
}

static void without_bins_a_slope_counts_in_deviations(void **state) {
    struct setting with[] = {{"alpha", "0"}, {"discretizer", "none"}, {0}, {0}};
    for (int around = 0; around < 2; around++) {
        struct rows r;
        if (around)
            with[2] = (struct setting){"sample-around-instance", "true"};
        rows_begin(&r, people(), 0, straight);
        r.seen = calloc(MOST_SEEN * MOST, sizeof *r.seen);
        glim_document *doc = explain(&r, with);
        double mean = 0;
        for (size_t i = 0; i < r.n_seen; i++)
            mean += r.seen[3 * i].number / (double)r.n_seen;
        assert_near(mean, around ? 1 : 20.5, 0.8);
        assert_near(doc->scores[0], 0.25 * sqrt((40.0 * 40 - 1) / 12), 1e-8);
        assert_near(doc->scores[1], 2, 1e-8);
        assert_unit(doc, 0, "age per 11.5");
        glim_document_free(doc);
        rows_end(&r);
    }
}

static void numbers_are_names_when_asked(void **state) {
    struct setting with[] = {{"categorical", "age"}, {0}};
    struct setting wrong[] = {{"categorical", "age,shoes"}, {0}};
    glim_error err = {0};
    glim_document *doc;
    struct rows r;
    rows_begin(&r, people(), 4, in_bins);
    doc = explain(&r, with);
    assert_unit(doc, 0, "age = 5");
    glim_document_free(doc);
    assert_int_equal(try_explain(&doc, &r, wrong, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "shoes"));
    rows_end(&r);
}

static void draws_lie_in_bins_and_are_as_frequent_as_in_the_table(void **state) {
    struct setting with[] = {{"discretizer", "quartile"}, {0}};
    const double cuts[] = {10.75, 20.5, 30.25};
    struct rows r;
    double bins[4] = {0}, bakers = 0;
    rows_begin(&r, people(), 12, in_bins);
    r.seen = calloc(MOST_SEEN * MOST, sizeof *r.seen);
    glim_document_free(explain(&r, with));
    assert_int_equal(r.n_seen, 5000);
    assert_true(r.seen[0].number == 13 && !strcmp(r.seen[1].text, "baker"));
    for (size_t i = 1; i < r.n_seen; i++) {
        double x = r.seen[3 * i].number;
        assert_true(x >= 1 && x <= 40);
        bins[(x > cuts[0]) + (x > cuts[1]) + (x > cuts[2])]++;
        bakers += !strcmp(r.seen[3 * i + 1].text, "baker");
        assert_string_equal(r.seen[3 * i + 2].text, "earth");
    }
    double chi = 0;
    for (int b = 0; b < 4; b++)
        chi += (bins[b] - 4999 / 4.0) * (bins[b] - 4999 / 4.0) / (4999 / 4.0);
    assert_true(chi < 16.3); /* 0.1 % of three degrees of freedom */
    assert_near(bakers / 4999, 0.5, 0.03);
    rows_end(&r);
}

static void samples_count_by_how_much_differs(void **state) {
    struct setting with[] = {{"discretizer", "quartile"}, {0}, {0}};
    for (int own = 0; own < 2; own++) {
        struct rows r;
        double sum = 0, squares = 0, width = own ? 0.7 : 0.75 * sqrt(3);
        if (own)
            with[1] = (struct setting){"kernel-width", "0.7"};
        rows_begin(&r, people(), 12, in_bins);
        r.seen = calloc(MOST_SEEN * MOST, sizeof *r.seen);
        glim_document *doc = explain(&r, with);
        for (size_t i = 0; i < r.n_seen; i++) {
            const glim_cell *c = r.seen + 3 * i;
            double off = !(c->number > 10.75 && c->number <= 20.5);
            off += strcmp(c[1].text, "baker") != 0;
            double w = exp(-off / (2 * width * width)); /* lime's sqrt(exp(-D^2 / width^2)) */
            sum += w;
            squares += w * w;
        }
        assert_near(check_value(doc, "effective_samples"), sum * sum / squares, 1e-6);
        glim_document_free(doc);
        rows_end(&r);
    }
}

static void likeliest_classes_are_rows(void **state) {
    static const char *const classes[] = {"a", "b", "c"};
    struct setting two[] = {{"top-labels", "2"}, {0}};
    glim_error err = {0};
    struct rows r;
    rows_begin(&r, people(), 2, shares);
    glim_document *doc = NULL;
    assert_int_equal(try_explain(&doc, &r, two, &err), GLIM_EUSAGE); /* no classes */
    r.base.classes = classes;
    r.base.n_classes = 3;
    doc = explain(&r, two);
    assert_int_equal(doc->n_rows, 2);
    assert_string_equal(doc->rows[0].text, "b");
    assert_string_equal(doc->rows[1].text, "a");
    for (size_t u = 0; u < 2; u++) /* b is four times a */
        assert_near(doc->scores[u], 4 * doc->scores[3 + u], 1e-9);
    assert_near(doc->rows[0].value, shares(&(glim_cell){.number = 3}, 1), 1e-12);
    glim_document_free(doc);
    rows_end(&r);
}

/* ---- odd tables ---- */

static void a_missing_cell_is_a_feature_of_its_own(void **state) {
    static const char csv[] = "a,b\n1,x\n,y\n3,\nNA,x\n5,y\n6,\n,x\n8,y\n";
    struct setting exact[] = {{"alpha", "0"}, {0}};
    struct rows r;
    rows_begin(&r, csv, 1, when_missing);
    r.seen = calloc(MOST_SEEN * MOST, sizeof *r.seen);
    glim_document *doc = explain(&r, exact);
    assert_unit(doc, 0, "a is missing");
    assert_near(doc->scores[0], 3, 1e-8); /* 4 and not 1 */
    assert_near(doc->scores[1], 0, 1e-8);
    for (size_t i = 0; i < r.n_seen; i++)
        assert_non_null(r.seen[2 * i + 1].text); /* b is there in this row */
    glim_document_free(doc);
    rows_end(&r);
}

static void tables_with_little_to_tell_are_explained_calmly(void **state) {
    static const char *const tables[] = {"a\n1x\n", "a,b\n1,x\n1,x\n", "a\n1\n2\n", "a,b\n,\n,\n",
                                         "a,b\n1,\n1,\n"};
    static const char *const ways[] = {"quartile", "decile", "none"};
    for (size_t t = 0; t < 5; t++)
        for (size_t i = 0; i < 3; i++) {
            struct setting with[] = {{"discretizer", ways[i]}, {"num-samples", "50"}, {0}};
            struct rows r;
            rows_begin(&r, tables[t], 0, nothing);
            glim_document *doc = explain(&r, with);
            for (size_t u = 0; u < r.units.count; u++)
                assert_true(isnan(doc->scores[u]) || fabs(doc->scores[u]) < 1e-12);
            assert_int_equal(isnan(doc->scores[0]), t != 2);
            glim_document_free(doc);
            rows_end(&r);
        }
}

static void a_constant_target_has_no_reasons(void **state) {
    struct rows r;
    rows_begin(&r, people(), 7, nothing);
    glim_document *doc = explain(&r, NULL);
    assert_near(doc->scores[0], 0, 1e-12);
    assert_near(doc->scores[1], 0, 1e-12);
    assert_near(doc->target.baseline_value, 0.3, 1e-12);
    glim_document_free(doc);
    rows_end(&r);
}

static void entropy_needs_labels_and_bears_a_class_with_one_example(void **state) {
    static const char csv[] = "x,y\n1,a\n2,a\n3,a\n4,b\n5,a\n6,\n";
    struct setting with[] = {{"discretizer", "entropy"}, {0}, {0}};
    glim_error err = {0};
    glim_document *doc = NULL;
    struct rows r;
    rows_begin(&r, csv, 3, nothing);
    assert_int_equal(try_explain(&doc, &r, with, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "--label-column"));
    with[1] = (struct setting){"label-column", "y"};
    doc = explain(&r, with);
    assert_unit(doc, 0, "x in (3.5, 4.5]");
    glim_document_free(doc);
    rows_end(&r);
}

static void plans_count_no_less_than_is_taken(void **state) {
    static const char *const ways[] = {"quartile", "none"};
    for (int i = 0; i < 2; i++) {
        struct setting with[] = {{"discretizer", ways[i]}, {0}};
        struct rows r;
        glim_plan plan;
        rows_begin(&r, people(), 7, in_bins);
        const glim_method *m = glim_method_find("lime");
        assert_int_equal(glim_explain_plan(&plan, &r.base, m, NULL, NULL), GLIM_OK);
        assert_int_equal(plan.asks, 5000);
        glim_document *doc = explain(&r, with);
        assert_true(doc->cost.peak_bytes <= plan.bytes);
        glim_document_free(doc);
        rows_end(&r);
    }
}

static void no_refused_allocation_leaks(void **state) {
    struct setting with[] = {
        {"num-samples", "60"}, {"discretizer", "entropy"}, {"label-column", "job"}, {0}};
    struct rows r;
    rows_begin(&r, people(), 7, in_bins);
    glim_context_reset(ctx);
    uint64_t before = glim_context_bytes(ctx);
    glim_status status = GLIM_ENOMEM;
    for (uint64_t n = 1; status && n < 2000; n++) {
        glim_error err = {0};
        glim_document *doc = NULL;
        glim__fail_allocation(ctx, n);
        status = try_explain(&doc, &r, with, &err);
        glim__fail_allocation(ctx, 0);
        assert_true(!status || status == GLIM_ENOMEM);
        glim_document_free(doc);
        assert_int_equal(glim_context_bytes(ctx), before);
    }
    assert_int_equal(status, GLIM_OK);
    rows_end(&r);
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
        cmocka_unit_test(sums_of_bins_and_words_are_found),
        cmocka_unit_test(without_bins_a_slope_counts_in_deviations),
        cmocka_unit_test(numbers_are_names_when_asked),
        cmocka_unit_test(draws_lie_in_bins_and_are_as_frequent_as_in_the_table),
        cmocka_unit_test(samples_count_by_how_much_differs),
        cmocka_unit_test(likeliest_classes_are_rows),
        cmocka_unit_test(a_missing_cell_is_a_feature_of_its_own),
        cmocka_unit_test(tables_with_little_to_tell_are_explained_calmly),
        cmocka_unit_test(a_constant_target_has_no_reasons),
        cmocka_unit_test(entropy_needs_labels_and_bears_a_class_with_one_example),
        cmocka_unit_test(plans_count_no_less_than_is_taken),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
