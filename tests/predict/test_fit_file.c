/* SPDX-License-Identifier: Apache-2.0 */
/* From a table to a file, back, and to an explanation of a row; files that lie. */
#include "fit-testing.h"

#include "base/buffer.h"
#include "explain/methods.h"

#include <unistd.h>

static char folder[64], data[96], file[96];

static int make_folder(void **state) {
    strcpy(folder, "/tmp/glim-fit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(data, sizeof data, "%s/data.csv", folder);
    snprintf(file, sizeof file, "%s/model.json", folder);
    return 0;
}

static int remove_folder(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

/* 90 rows: two numbers and a category; the class follows from them. */
static void write_rows(int classes, const char *more) {
    static const char *const cities[] = {"北京", "Paris", "Rome, old"};
    static const char *const names[] = {"好", "bad", "so-so"};
    FILE *f = fopen(data, "w");
    fprintf(f, "\xef\xbb\xbfsize,city,\"with, comma\",mood\r\n");
    for (uint64_t i = 0; i < 90; i++) {
        double a = glim__rng_normal(1, i, 0), b = glim__rng_normal(1, i, 1);
        int city = (int)glim__rng_below(1, i, 2, 3);
        double z = a - 2 * b + city + glim__rng_normal(1, i, 3);
        fprintf(f, "%.3f,\"%s\",%.4f,%s\r\n", 1000 + 20 * a, cities[city], b,
                names[z > 1                  ? 0
                      : classes > 2 && z > 0 ? 2
                                             : 1]);
    }
    fputs(more, f);
    fclose(f);
}

static glim_linear *fit_rows(glim_context *ctx, const glim_fit_table *how, glim_fit_report *r) {
    static const glim_fit_options o = {.strength = 0.5, .held_out = 0.2};
    glim_linear *l;
    glim_error err;
    if (glim_fit_columns(&l, r, ctx, how, &o, &err))
        fail_msg("%s", err.message);
    return l;
}

static const char *const names[] = {"mood", "with, comma", "city", "size"};
static const char *const cells[] = {"", "0.25", "Paris", "1013"};

static void a_file_says_the_same_to_the_bit(void **state) {
    for (int classes = 2; classes <= 3; classes++) {
        glim_context *ctx = begin(1);
        glim_fit_report r;
        glim_error err;
        glim_linear *back;
        write_rows(classes, "");
        glim_linear *l = fit_rows(ctx, &(glim_fit_table){data, "mood", NULL, false}, &r);
        const glim_linear_info *i = glim_linear_facts(l);
        assert_int_equal(i->n_columns, 3);
        assert_int_equal(i->width, 5);
        assert_string_equal(i->classes[classes - 1], "好");
        assert_int_equal(i->outputs, classes == 2 ? 1 : 3);
        assert_int_equal(glim_linear_save(l, file, &err), GLIM_OK);
        if (glim_linear_open(&back, ctx, file, &err))
            fail_msg("%s", err.message);
        const glim_linear_info *b = glim_linear_facts(back);
        assert_string_equal(b->target, "mood");
        assert_string_equal(b->columns[1], "city");
        assert_true(b->accuracy == i->accuracy && b->low == i->low && b->rows == i->rows);
        assert_memory_equal(l->weights, back->weights, i->outputs * 5 * sizeof(double));
        assert_memory_equal(l->mean, back->mean, 5 * sizeof(double));
        assert_memory_equal(l->scale, back->scale, 5 * sizeof(double));
        double one[3], two[3];
        assert_int_equal(glim_linear_row(l, names, cells, 4, one, &err), GLIM_OK);
        assert_int_equal(glim_linear_row(back, names, cells, 4, two, &err), GLIM_OK);
        assert_memory_equal(one, two, (size_t)classes * sizeof(double));
        glim_linear_close(l);
        glim_linear_close(back);
        glim_context_free(ctx);
    }
}

/* ---- explanations ---- */

static glim_document *explain(const glim_linear *l, const char *method,
                              const glim_class_options *o) {
    glim_predictor *p;
    glim_document *doc;
    glim_error err;
    if (glim_predictor_row(&p, l, names, cells, 4, o, &err))
        fail_msg("%s", err.message);
    if (glim_explain(&doc, p, glim_method_find(method), NULL, 0, &err))
        fail_msg("%s", err.message);
    glim_predictor_free(p);
    return doc;
}

/* Weight times distance from the mean, by the raw weights. */
static void by_hand(const glim_linear *l, size_t k, double scores[3], double *sum) {
    double w[15], bias[3], x[5] = {1013, 1, 0, 0, 0.25}, mean = 0;
    glim_linear_weights(l, w, bias);
    *sum = bias[k];
    for (size_t j = 0; j < 5; j++)
        *sum += w[k * 5 + j] * x[j];
    memset(scores, 0, 3 * sizeof *scores);
    for (size_t j = 0; j < 5; j++) {
        mean = w[k * 5 + j] * (x[j] - l->mean[j]);
        scores[j == 0 ? 0 : j == 4 ? 2 : 1] += mean;
    }
}

static void linear_targets_are_explained_exactly(void **state) {
    static const char *const methods[] = {"input-x-gradient", "occlusion", "integrated-gradients"};
    for (int classes = 2; classes <= 3; classes++) {
        glim_context *ctx = begin(1);
        glim_fit_report r;
        write_rows(classes, "");
        glim_linear *l = fit_rows(ctx, &(glim_fit_table){data, "mood", NULL, false}, &r);
        for (int m = 0; m < 3; m++) {
            double want[3], value;
            glim_document *doc = explain(l, methods[m], &(glim_class_options){.class_name = "好"});
            by_hand(l, classes == 2 ? 0 : 2, want, &value);
            assert_string_equal(doc->input.unit, "column");
            assert_int_equal(doc->input.n_units, 3);
            assert_true(fabs(doc->target.value - value) < 1e-9);
            for (int u = 0; u < 3; u++)
                if (fabs(doc->scores[u] - want[u]) > 2e-6 * (1 + fabs(want[u])))
                    fail_msg("%s: %g, not %g", methods[m], doc->scores[u], want[u]);
            glim_document_free(doc);
        }
        glim_linear_close(l);
        glim_context_free(ctx);
    }
}

struct seen {
    float g[5];
};

static glim_status keep_gradient(void *to, size_t sample, size_t row, const float *g,
                                 glim_error *err) {
    memcpy(((struct seen *)to)->g, g, sizeof((struct seen *)to)->g);
    return GLIM_OK;
}

static void gradients_of_every_output_are_differences(void **state) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    for (int i = 0; i < 12; i++) {
        int classes = 2 + i % 2;
        glim_context *ctx = begin(1);
        glim_fit_report r;
        glim_error err;
        glim_predictor *p;
        write_rows(classes, "");
        glim_linear *l = fit_rows(ctx, &(glim_fit_table){data, "mood", NULL, false}, &r);
        glim_class_options o = {
            .class_name = "bad", .output = outputs[i / 4], .against = i % 4 > 1 ? "好" : NULL};
        assert_int_equal(glim_predictor_row(&p, l, names, cells, 4, &o, &err), GLIM_OK);
        float x[5], two[10];
        double value, both[2];
        struct seen seen;
        p->embed(p, x, &err);
        p->gradient(p, x, 1, -1, &value, keep_gradient, &seen, &err);
        assert_true(fabs(value - p->value[0]) < 1e-6);
        for (int t = 0; t < 5; t++) {
            memcpy(two, x, sizeof x);
            memcpy(two + 5, x, sizeof x);
            two[t] += 1e-2F;
            two[5 + t] -= 1e-2F;
            p->gradient(p, two, 2, -1, both, NULL, NULL, &err);
            double slope = (both[0] - both[1]) / ((double)two[t] - two[5 + t]);
            assert_true(fabs(slope - seen.g[t]) < 1e-4 * (1 + fabs(slope)));
        }
        glim_predictor_free(p);
        glim_linear_close(l);
        glim_context_free(ctx);
    }
}

static void rows_that_do_not_fit_are_refused(void **state) {
    static const struct {
        const char *cells[4], *says;
    } cases[] = {
        {{"", "", "Paris", "1"}, "has no 'with, comma'"},
        {{"", "NA", "Paris", "1"}, "has no 'with, comma'"},
        {{"", "x", "Paris", "1"}, "'x' is no number"},
        {{"", "1", "Oslo", "1"}, "'city' holds 'Oslo'"},
        {{"", "1", "", "1"}, "has no 'city'"},
    };
    glim_context *ctx = begin(1);
    glim_fit_report r;
    glim_error err;
    double z[3];
    write_rows(3, "");
    glim_linear *l = fit_rows(ctx, &(glim_fit_table){data, "mood", NULL, false}, &r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(glim_linear_row(l, names, cases[i].cells, 4, z, &err), GLIM_EFORMAT);
        assert_contains(err.message, cases[i].says);
    }
    assert_int_equal(glim_linear_row(l, names, cells, 3, z, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no column 'size'");
    glim_predictor *p;
    glim_class_options o = {.class_name = "good"};
    assert_int_equal(glim_predictor_row(&p, l, names, cells, 4, &o, &err), GLIM_EUSAGE);
    assert_contains(err.message, "there is no class 'good' (there are bad, so-so, 好)");
    glim_linear_close(l);
    glim_context_free(ctx);
}

/* ---- tables ---- */

static void missing_cells_are_an_error_or_left_out(void **state) {
    glim_context *ctx = begin(1);
    glim_fit_report r;
    glim_linear *l;
    glim_error err;
    static const glim_fit_options o = {.strength = 1};
    write_rows(2, "1000,Paris,NA,bad\n1000,,1,bad\n,Paris,1,bad\n1000,Paris,1,\n");
    glim_fit_table table = {data, "mood", NULL, false};
    assert_int_equal(glim_fit_columns(&l, &r, ctx, &table, &o, &err), GLIM_EFORMAT);
    assert_contains(err.message, "row 91");
    assert_contains(err.message, "has no 'with, comma'");
    table.drop_missing = true;
    l = fit_rows(ctx, &table, &r);
    assert_int_equal(r.left_out, 4);
    assert_int_equal(r.rows + r.held_out, 90);
    glim_linear_close(l);
    table.columns = "size,size";
    assert_int_equal(glim_fit_columns(&l, &r, ctx, &table, &o, &err), GLIM_EUSAGE);
    table.columns = "size,mood";
    assert_int_equal(glim_fit_columns(&l, &r, ctx, &table, &o, &err), GLIM_EUSAGE);
    table.columns = "size,weight";
    assert_int_equal(glim_fit_columns(&l, &r, ctx, &table, &o, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no column 'weight'");
    table.columns = "city";
    l = fit_rows(ctx, &table, &r);
    assert_int_equal(r.width, 3);
    glim_linear_close(l);
    write_text(data, "a,mood\n1,x\n2,x\n3,x\n");
    assert_int_equal(
        glim_fit_columns(&l, &r, ctx, &(glim_fit_table){data, "mood", NULL, false}, &o, &err),
        GLIM_EUSAGE);
    assert_contains(err.message, "only one class, 'x'");
    glim_context_free(ctx);
}

static void the_order_of_rows_names_no_class(void **state) {
    glim_context *ctx = begin(1);
    glim_fit_report r;
    write_text(data, "a,mood\n1,10\n2,9\n3,10\n4,9\n1,9.5\n2,9.5\n");
    glim_linear *l = fit_rows(ctx, &(glim_fit_table){data, "mood", NULL, false}, &r);
    const glim_linear_info *i = glim_linear_facts(l);
    assert_string_equal(i->classes[0], "9");
    assert_string_equal(i->classes[1], "9.5");
    assert_string_equal(i->classes[2], "10");
    glim_linear_close(l);
    glim_context_free(ctx);
}

/* ---- files that lie ---- */

static void lying_files_are_refused_by_member(void **state) {
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"glim.linear/1", "glim.linear/2", "\"schema\""},
        {"\"logistic\"", "\"cubic\"", "\"kind\""},
        {"\"logistic\"", "\"linear\"", "\"classes\""},
        {"\"mean\": [", "\"mean\": [1, ", "\"weights\""},
        {"\"scale\": [", "\"scale\": [1, ", "\"scale\""},
        {"\"scale\": [", "\"scale\": [0, ", "\"scale\""},
        {"\"bias\": [", "\"bias\": [\"x\", ", "\"bias\""},
        {"\"bias\": [", "\"bias\": [1e999, ", "JSON"},
        {"\"table\"", "\"picture\"", "\"kind\""},
        {"\"name\": \"city\"", "\"name\": \"size\"", "different names"},
        {"\"name\": \"city\"", "\"name\": 3", "\"name\""},
        {"\"name\": \"city\"", "\"name\": \"a\\u0000b\"", "\"name\""},
        {"\"Paris\", ", "", "\"columns\""},
        {"\"Paris\", ", "\"Paris\", \"Paris\", ", "sorted"},
        {"\"columns\": [", "\"columns\": [7, ", "\"name\""},
        {"\"so-so\", ", "", "\"weights\""},
        {"{", "[{", "JSON"},
    };
    glim_context *ctx = begin(1);
    glim_fit_report r;
    glim_error err;
    glim_buffer text;
    write_rows(3, "");
    glim_linear *l = fit_rows(ctx, &(glim_fit_table){data, "mood", NULL, false}, &r);
    assert_int_equal(glim_linear_save(l, file, &err), GLIM_OK);
    glim_linear_close(l);
    glim__buffer_init(&text, ctx);
    assert_int_equal(glim__file_read(&text, file, 1 << 20, &err), GLIM_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *at = strstr(text.data, cases[i].from);
        assert_non_null(at);
        size_t n = text.len + 64, head = (size_t)(at - text.data);
        char *lie = calloc(n, 1);
        snprintf(lie, n, "%.*s%s%s", (int)head, text.data, cases[i].to, at + strlen(cases[i].from));
        glim_status status = glim__linear_read(&l, ctx, lie, strlen(lie), "m", &err);
        if (status != GLIM_EFORMAT || !strstr(err.message, cases[i].says))
            fail_msg("case %zu: %d %s", i, status, status ? err.message : "");
        assert_null(l);
        free(lie);
    }
    for (size_t cut = 0; cut < text.len - 1; cut += 7)
        assert_int_equal(glim__linear_read(&l, ctx, text.data, cut, "m", &err), GLIM_EFORMAT);
    glim__buffer_release(&text);
    glim_context_free(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    static const glim_fit_options o = {.strength = 1, .max_iterations = 5};
    glim_status status = GLIM_ENOMEM;
    write_rows(2, "");
    for (uint64_t nth = 1; status; nth++) {
        glim_context *ctx = begin(1);
        glim_linear *l = NULL, *back = NULL;
        glim_predictor *p = NULL;
        glim_fit_report r;
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        status =
            glim_fit_columns(&l, &r, ctx, &(glim_fit_table){data, "mood", NULL, false}, &o, &err);
        if (!status)
            status = glim_linear_save(l, file, &err);
        if (!status)
            status = glim_linear_open(&back, ctx, file, &err);
        if (!status)
            status = glim_predictor_row(&p, back, names, cells, 4, &(glim_class_options){0}, &err);
        if (status && status != GLIM_ENOMEM)
            fail_msg("%s", err.message);
        glim__fail_allocation(ctx, 0);
        glim_predictor_free(p);
        glim_linear_close(l);
        glim_linear_close(back);
        glim_context_free(ctx);
        assert_true(nth < 5000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_says_the_same_to_the_bit),
        cmocka_unit_test(linear_targets_are_explained_exactly),
        cmocka_unit_test(gradients_of_every_output_are_differences),
        cmocka_unit_test(rows_that_do_not_fit_are_refused),
        cmocka_unit_test(missing_cells_are_an_error_or_left_out),
        cmocka_unit_test(the_order_of_rows_names_no_class),
        cmocka_unit_test(lying_files_are_refused_by_member),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
