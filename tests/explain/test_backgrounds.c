/* SPDX-License-Identifier: Apache-2.0 */
/* Absent columns that have the cells of other rows: beside shap's KernelExplainer on fitted
   models, and black boxes beside fitted models. */
#include "games.h"

#include "predict/background.h"
#include "predict/black-box.h"

static json_t *recording(void) {
    json_error_t e;
    json_t *all = json_load_file(GLIM_TESTS "/golden/backgrounds.json", 0, &e);
    assert_non_null(all);
    return all;
}

static glim_table *read_table(const char *csv) {
    glim_table *t;
    glim_error err;
    if (glim__table_read(&t, ctx, csv, strlen(csv), GLIM_TABLE_CSV, "rows.csv", &err))
        fail_msg("%s", err.message);
    return t;
}

static glim_table *recorded_table(const json_t *all) {
    return read_table(json_string_value(json_object_get(all, "csv")));
}

static glim_linear *read_model(const json_t *one) {
    glim_linear *l;
    glim_error err;
    char *text = json_dumps(json_object_get(one, "model"), JSON_COMPACT);
    if (glim__linear_read(&l, ctx, text, strlen(text), "model", &err))
        fail_msg("%s", err.message);
    free(text);
    return l;
}

static glim_predictor *row_of(const glim_linear *l, const glim_table *t, size_t row,
                              const json_t *one) {
    glim_predictor *p;
    glim_error err;
    glim_class_options o = {.class_name = json_string_value(json_object_get(one, "class")),
                            .output = json_string_value(json_object_get(one, "output"))};
    if (glim_predictor_row(&p, l, t->columns, t->cells + row * t->n_columns, t->n_columns, &o,
                           &err))
        fail_msg("%s", err.message);
    p->table = t;
    p->table_row = row;
    return p;
}

static glim_document *explain_by(glim_predictor *p, const char *method, const struct setting *s,
                                 uint64_t seed, glim_status want) {
    const glim_method *m = glim_method_find(method);
    glim_error err = {0};
    glim_document *doc = NULL;
    void *opts = calloc(1, m->opts_size + 1);
    glim_param_defaults(m->params, opts);
    for (; s->name; s++)
        assert_int_equal(glim_param_set(glim_param_find(m->params, s->name), opts, s->value, &err),
                         GLIM_OK);
    glim_status status = glim_explain(&doc, p, m, opts, seed, &err);
    if (status != want)
        fail_msg("%s: %s", method, err.message);
    free(opts);
    return doc;
}

static const struct setting resample[] = {{"absent", "resample"}, {0}};

static void values_are_those_of_shaps_kernel_explainer(void **state) {
    static const char *const methods[] = {"kernel-shap", "shapley", "owen"};
    json_t *all = recording(), *cases = json_object_get(all, "cases");
    size_t row = (size_t)json_integer_value(json_object_get(all, "row")) - 1;
    glim_table *t = recorded_table(all);
    for (size_t c = 0; c < json_array_size(cases); c++) {
        const json_t *one = json_array_get(cases, c), *want = json_object_get(one, "values");
        glim_linear *l = read_model(one);
        glim_predictor *p = row_of(l, t, row, one);
        for (int m = 0; m < 3; m++) { /* five columns: all are exact */
            glim_document *doc = explain_by(p, methods[m], resample, 1, GLIM_OK);
            assert_int_equal(doc->input.n_units, json_array_size(want));
            for (size_t u = 0; u < doc->input.n_units; u++)
                assert_near(doc->scores[u], json_number_value(json_array_get(want, u)), 1e-8);
            assert_near(doc->target.baseline_value, json_number_value(json_object_get(one, "base")),
                        1e-8);
            glim_document_free(doc);
        }
        glim_predictor_free(p);
        glim_linear_close(l);
    }
    glim__table_close(t);
    json_decref(all);
}

/* ---- a black box that is the same model ---- */

struct twin {
    const glim_linear *l;
    size_t asked;
};

static glim_status answer(void *data, glim_input_kind kind, const glim_input *inputs, size_t n,
                          double *out, glim_error *err) {
    struct twin *t = data;
    const glim_linear_info *info = glim_linear_facts(t->l);
    for (size_t i = 0; i < n; i++) {
        const char *cells[8];
        char numbers[8][40];
        json_t *row = json_loadb(inputs[i].text, inputs[i].len, 0, NULL);
        for (size_t c = 0; c < info->n_columns; c++) {
            const json_t *cell = json_object_get(row, info->columns[c]);
            snprintf(numbers[c], sizeof *numbers, "%.17g", json_number_value(cell));
            cells[c] = json_is_string(cell) ? json_string_value(cell) : numbers[c];
        }
        glim_status status =
            glim_linear_row(t->l, info->columns, cells, info->n_columns, out + i, err);
        json_decref(row);
        if (status)
            return status;
    }
    t->asked += n;
    return GLIM_OK;
}

static void black_boxes_are_asked_the_same_rows(void **state) {
    static const char *const class_names[] = {"y"};
    json_t *all = recording();
    const json_t *one = json_array_get(json_object_get(all, "cases"), 0);
    glim_table *t = recorded_table(all);
    glim_linear *l = read_model(one);
    glim_predictor *p = row_of(l, t, 4, one), *q;
    struct twin twin = {.l = l};
    glim_cell cells[5], usual[5];
    glim_black_box *box;
    glim_error err;
    for (size_t c = 0; c < 5; c++) {
        bool number = glim__table_number(glim__table_cell(t, 4, c), &cells[c].number);
        cells[c].text = number ? NULL : glim__table_cell(t, 4, c);
        usual[c] = cells[c];
    }
    glim_row row = {t->columns, cells, usual, 5};
    assert_int_equal(
        glim_black_box_new(&box, ctx, answer, &twin, class_names, 1, GLIM_SCALE_RAW, &err),
        GLIM_OK);
    if (glim_predictor_black_box_row(&q, box, &row, &(glim_class_options){0}, &err))
        fail_msg("%s", err.message);
    q->table = t;
    struct setting some[] = {{"absent", "resample"}, {"background", "7"}, {0}};
    glim_plan plan = {0};
    glim_document *a = explain_by(p, "occlusion", some, 9, GLIM_OK);
    glim_document *b = explain_by(q, "occlusion", some, 9, GLIM_OK);
    glim_document *other = explain_by(q, "occlusion", some, 10, GLIM_OK);
    for (size_t u = 0; u < 5; u++)
        assert_near(a->scores[u], b->scores[u], 1e-9);
    assert_memory_not_equal(b->scores, other->scores, 5 * sizeof(double)); /* other rows */
    q->plan_values(q, NULL, 3, GLIM_ABSENT_RESAMPLE, &plan);
    assert_int_equal(plan.asks, 3 * 7);
    assert_true(twin.asked <= 1 + 2 * 6 * 7); /* six masks, two draws */
    glim_document_free(a);
    glim_document_free(b);
    glim_document_free(other);
    glim_predictor_free(p);
    glim_predictor_free(q);
    glim_black_box_close(box);
    glim_linear_close(l);
    glim__table_close(t);
    json_decref(all);
}

static void rows_are_drawn_once_each(void **state) {
    glim_table *t = read_table("a\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    glim_predictor p = {.ctx = ctx, .columns = true, .table = t, .background = 6};
    size_t *rows, n, times[10] = {0};
    for (p.background_seed = 0; p.background_seed < 2000; p.background_seed++) {
        assert_int_equal(glim__background_rows(&p, &rows, &n, NULL), GLIM_OK);
        assert_int_equal(n, 6);
        for (size_t i = 0; i < n; i++) {
            assert_true(!i || rows[i] > rows[i - 1]);
            times[rows[i]]++;
        }
        glim__free(ctx, rows);
    }
    for (int i = 0; i < 10; i++)
        assert_near((double)times[i], 1200, 5 * sqrt(2000 * 0.6 * 0.4));
    p.background = 0;
    assert_int_equal(glim__background_count(&p), 10);
    glim__table_close(t);
}

static void what_cannot_be_drawn_is_refused(void **state) {
    json_t *all = recording();
    const json_t *one = json_array_get(json_object_get(all, "cases"), 1);
    glim_table *t = recorded_table(all);
    glim_linear *l = read_model(one);
    glim_predictor *p = row_of(l, t, 4, one);
    p->table = NULL;
    assert_null(explain_by(p, "shapley", resample, 1, GLIM_EUSAGE));
    glim_table *other = read_table("age,height,colour,weight\n1,2,red,3\n");
    p->table = other;
    assert_null(explain_by(p, "kernel-shap", resample, 1, GLIM_EUSAGE));
    glim_table *holes = read_table("age,height,colour,weight,income\n1,,red,3,4\n,2,red,3,4\n");
    p->table = holes;
    assert_null(explain_by(p, "owen", resample, 1, GLIM_EUSAGE));
    glim_table *strange = read_table("age,height,colour,weight,income\n1,2,pink,3,4\n");
    p->table = strange;
    assert_null(explain_by(p, "owen", resample, 1, GLIM_EFORMAT));
    struct game g;
    random_game(&g, 3);
    assert_null(explain_by(&g.base, "shapley", resample, 1, GLIM_EUSAGE));
    glim_predictor_free(p);
    glim_linear_close(l);
    glim__table_close(t);
    glim__table_close(other);
    glim__table_close(holes);
    glim__table_close(strange);
    json_decref(all);
}

/* The n-th allocation and all later ones are refused, for every n. */
static void no_refused_allocation_leaks(void **state) {
    json_t *all = recording();
    const json_t *one = json_array_get(json_object_get(all, "cases"), 2);
    glim_table *t = recorded_table(all);
    glim_linear *l = read_model(one);
    glim_predictor *p = row_of(l, t, 4, one);
    uint8_t keep[10] = {1, 0, 1, 0, 0, 0, 1, 1, 1, 0};
    double out[2];
    glim_error err;
    for (uint64_t nth = 1;; nth++) {
        uint64_t before = glim_context_bytes(ctx);
        p->background_seed = nth;
        glim__fail_allocation(ctx, nth);
        glim_status status = p->values(p, keep, 2, GLIM_ABSENT_RESAMPLE, out, &err);
        glim__fail_allocation(ctx, 0);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(isnan(out[0]) && isnan(out[1]));
        assert_int_equal(glim_context_bytes(ctx), before);
    }
    glim_predictor_free(p);
    glim_linear_close(l);
    glim__table_close(t);
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_shaps_kernel_explainer),
        cmocka_unit_test(black_boxes_are_asked_the_same_rows),
        cmocka_unit_test(rows_are_drawn_once_each),
        cmocka_unit_test(what_cannot_be_drawn_is_refused),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, games_set_up, games_tear_down);
}
