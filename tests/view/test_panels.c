/* SPDX-License-Identifier: Apache-2.0 */
/* Panels kept: read back as written, wrong ones named, whole or refused. */
#include "panels-testing.h"

#include "view/panels.h"

static void what_is_written_is_read_back(void **state) {
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_PANEL_CASES; i++) {
        glim_document *d = panel_document(ctx, i), *again = NULL;
        glim_error err = {0};
        size_t n, m;
        char *text = render(d, "json", NULL, &n);
        assert_int_equal(glim__utf8_check(text, n), n);
        if (glim_document_parse(&again, ctx, text, n, "a.json", &err))
            fail_msg("%s: %s", panel_cases[i].name, err.message);
        char *second = render(again, "json", NULL, &m);
        assert_string_equal(text, second);
        const glim_panel *a = &d->panels[0], *b = &again->panels[0];
        assert_int_equal(again->n_panels, 1);
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->scale, b->scale);
        assert_int_equal(a->rows.n, b->rows.n);
        for (size_t k = 0; a->values && k < a->rows.n * a->columns.n; k++)
            assert_true(a->values[k] == b->values[k] ||
                        (isnan(a->values[k]) && isnan(b->values[k])));
        glim_view_free(ctx, text);
        glim_view_free(ctx, second);
        glim_document_free(again);
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

/* One member of the first panel set to what stands there; the message names it. */
static void a_wrong_member_is_named(void **state) {
    static const struct {
        const char *of, *key, *value, *says;
    } wrongs[] = {
        {"words", "name", "3", "panels[0].name"},
        {"words", "title", "null", "panels[0].title"},
        {"words", "caption", "[]", "panels[0].caption"},
        {"words", "kind", "\"heat\"", "panels[0].kind"},
        {"words", "scale", "\"loud\"", "panels[0].scale"},
        {"words", "rows", "[]", "panels[0].rows"},
        {"words", "rows", "{\"name\": \"x\", \"labels\": null}", "panels[0].rows"},
        {"words", "columns", "{\"name\": 3, \"labels\": [1]}", "panels[0].values"},
        {"words", "values", "[[1]]", "panels[0].values"},
        {"words", "values", "null", "panels[0].values"},
        {"words", "low", "[[1], [2]]", "panels[0].low"},
        {"words", "high", "5", "panels[0].high"},
        {"words", "texts", "[\"a\"]", "panels[0].texts"},
        {"words", "marked", "{}", "panels[0].marked"},
        {"one cell", "values", "[[\"a\"]]", "panels[0].values"},
        {"one cell", "low", "[[true]]", "panels[0].low"},
        {"one cell", "texts", "[[3]]", "panels[0].texts"},
        {"one cell", "marked", "[[1]]", "panels[0].marked"},
        {"one cell", "columns", "{\"name\": 3, \"labels\": [\"\"]}", "panels[0].columns"},
        {"one cell", "columns", "{\"name\": \"\", \"labels\": [3]}", "panels[0].columns"},
        {"table", "cells", "[[]]", "panels[0].cells"},
        {"table", "cells", "3", "panels[0].cells"},
        {"no cells", "cells", "[[1, {}, 2]]", "panels[0].cells"},
        {"texts", "texts", "null", "panels[0].texts"},
        {"texts", "texts", "[3]", "panels[0].texts"},
        {"texts", "texts", "[{\"pieces\": [\"a\"], \"values\": []}]", "panels[0].texts"},
        {"texts", "texts", "[{\"pieces\": [3], \"values\": [1]}]", "panels[0].texts"},
        {"texts", "texts", "[{\"pieces\": [\"a\"], \"values\": [\"b\"]}]", "panels[0].texts"},
        {"texts", "texts", "[{\"pieces\": [\"a\"], \"values\": [1], \"best\": 1}]",
         "panels[0].texts"},
        {"texts", "texts", "[{\"pieces\": [], \"values\": [], \"label\": 3}]", "panels[0].label"},
    };
    glim_context *ctx = view_context();
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        glim_document *d = panel_document(ctx, case_named(wrongs[i].of)), *again = NULL;
        size_t n;
        char *text = render(d, "json", NULL, &n);
        json_t *root = json_loads(text, JSON_ALLOW_NUL, NULL);
        json_t *panel = json_array_get(json_object_get(root, "panels"), 0);
        json_object_set_new(panel, wrongs[i].key,
                            json_loads(wrongs[i].value, JSON_DECODE_ANY, NULL));
        char *changed = json_dumps(root, 0);
        glim_error err = {0};
        glim_status status =
            glim_document_parse(&again, ctx, changed, strlen(changed), "a.json", &err);
        if (status != GLIM_EFORMAT || again || !strstr(err.message, wrongs[i].says))
            fail_msg("%s of '%s' = %s: status %d, '%s'", wrongs[i].key, wrongs[i].of,
                     wrongs[i].value, status, err.message);
        free(changed);
        json_decref(root);
        glim_view_free(ctx, text);
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

static glim_status reads(glim_context *ctx, json_t *root, char message[512]) {
    glim_document *d = NULL;
    glim_error err = {0};
    char *text = json_dumps(root, 0);
    glim_status status = glim_document_parse(&d, ctx, text, strlen(text), "a.json", &err);
    snprintf(message, 512, "%s", err.message);
    glim_document_free(d);
    free(text);
    return status;
}

static void what_documents_of_panels_may_lack(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = panel_document(ctx, 0);
    char message[512];
    size_t n;
    char *text = render(d, "json", NULL, &n);
    json_t *root = json_loads(text, JSON_ALLOW_NUL, NULL);
    json_t *list = json_object_get(root, "panels");
    assert_true(json_is_null(json_object_get(root, "scores")));
    json_object_del(root, "scores");
    assert_int_equal(reads(ctx, root, message), GLIM_OK);
    json_array_append(list, json_array_get(list, 0)); /* a name that was there */
    assert_int_equal(reads(ctx, root, message), GLIM_EFORMAT);
    contains(message, "panels[1].name");
    for (int i = 0; i < GLIM_PANELS_MOST; i++)
        json_array_append(list, json_array_get(list, 0));
    assert_int_equal(reads(ctx, root, message), GLIM_EFORMAT);
    contains(message, "at most 256");
    json_array_clear(list);
    assert_int_equal(reads(ctx, root, message), GLIM_OK);
    json_object_del(root, "panels");
    assert_int_equal(reads(ctx, root, message), GLIM_EFORMAT);
    contains(message, "'panels'");
    json_object_set_new(root, "panels", json_array());
    json_object_set_new(root, "kind", json_string("attribution")); /* which needs scores */
    assert_int_equal(reads(ctx, root, message), GLIM_EFORMAT);
    json_decref(root);
    glim_view_free(ctx, text);
    glim_document_free(d);
    glim_context_free(ctx);
}

/* Behind scores: in JSON, terminal and report; the table of scores stays what it was. */
static void panels_stand_behind_scores(void **state) {
    glim_context *ctx = view_context();
    glim_document *plain = document_of(ctx, &cases[0], 1), *both = document_of(ctx, &cases[0], 1);
    add_panel(both, &panel_cases[case_named("accuracy")]);
    size_t n, m;
    static const char *const views[] = {"json", "csv", "terminal", "html"};
    for (size_t i = 0; i < 4; i++) {
        char *a = render(plain, views[i], NULL, &n), *b = render(both, views[i], NULL, &m);
        assert_int_equal(strcmp(a, b) == 0, !strcmp(views[i], "csv"));
        assert_null(strstr(a, "\"panels\""));
        if (!strcmp(views[i], "terminal")) {
            char *at = strstr(b, "\naccuracy\n"), *foot = strstr(a, "a note");
            assert_non_null(at);
            assert_memory_equal(a, b, foot - a - (*foot == '\n'));
            contains(at, foot);
        }
        if (!strcmp(views[i], "html"))
            contains(b, "<section class=\"panel\" id=\"glim-panel-0\">");
        glim_view_free(ctx, a);
        glim_view_free(ctx, b);
    }
    char *text = render(both, "json", NULL, &n);
    glim_document *again = NULL;
    assert_int_equal(glim_document_parse(&again, ctx, text, n, "a.json", NULL), GLIM_OK);
    char *second = render(again, "json", NULL, &m);
    assert_string_equal(text, second);
    glim_view_free(ctx, text);
    glim_view_free(ctx, second);
    glim_document_free(again);
    glim_document_free(plain);
    glim_document_free(both);
    glim_context_free(ctx);
}

/* ---- CSV ---- */

static void every_number_is_in_the_table(void **state) {
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_PANEL_CASES; i++) {
        const panel_case *c = &panel_cases[i];
        glim_document *d = panel_document(ctx, i);
        const glim_panel *p = &d->panels[0];
        size_t n, lines = c->rows * c->columns;
        char *text = render(d, "csv", NULL, &n), want[64];
        assert_int_equal(strncmp(text, "panel,row,column,value,low,high,text,", 37), 0);
        for (size_t k = 0; c->panel == GLIM_PANEL_TEXTS && k < c->rows; k++)
            lines += 1 + p->strings[k].n;
        assert_int_equal(count(text, "\r\n"), lines + 1);
        for (size_t k = 0; p->values && k < c->rows * c->columns && k < 50; k++) {
            if (!isfinite(p->values[k]))
                continue;
            snprintf(want, sizeof want, ",%.9g,", p->values[k]);
            contains(text, want);
        }
        glim_view_free(ctx, text);
        glim_document_free(d);
    }
    glim_context_free(ctx);
}

/* ---- memory ---- */

static void refused_memory_is_an_error_in_every_view(void **state) {
    static const size_t most = 4000;
    for (size_t i = 0; i < N_PANEL_CASES; i++) {
        if (panel_cases[i].rows * panel_cases[i].columns > 1000 || panel_cases[i].rows > 100)
            continue;
        glim_context *ctx = view_context();
        glim_document *d = panel_document(ctx, i);
        for (size_t v = 0; glim_views()[v]; v++)
            for (uint64_t nth = 1;; nth += nth / 40 + 1) {
                glim_error err = {0};
                char *text = NULL;
                size_t n;
                glim__fail_allocation(ctx, nth);
                glim_status status = glim_view_render(glim_views()[v], d, NULL, &text, &n, &err);
                glim__fail_allocation(ctx, 0);
                glim_view_free(ctx, text);
                if (!status)
                    break;
                assert_int_equal(status, GLIM_ENOMEM);
                assert_true(*err.message && nth < most);
            }
        glim_document_free(d);
        glim_context_free(ctx);
    }
}

static void refused_memory_is_an_error_when_read(void **state) {
    for (size_t i = 0; i < N_PANEL_CASES; i++) {
        if (panel_cases[i].rows * panel_cases[i].columns > 1000 || panel_cases[i].rows > 100)
            continue;
        glim_context *ctx = view_context();
        glim_document *d = panel_document(ctx, i);
        size_t n;
        char *text = render(d, "json", NULL, &n);
        for (uint64_t nth = 1;; nth++) {
            glim_document *again = NULL;
            glim_error err = {0};
            glim__fail_allocation(ctx, nth);
            glim_status status = glim_document_parse(&again, ctx, text, n, "a.json", &err);
            glim__fail_allocation(ctx, 0);
            glim_document_free(again);
            if (!status)
                break;
            assert_int_equal(status, GLIM_ENOMEM);
            assert_true(*err.message && nth < 100);
        }
        glim_view_free(ctx, text);
        glim_document_free(d);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_wrong_member_is_named),
        cmocka_unit_test(what_documents_of_panels_may_lack),
        cmocka_unit_test(panels_stand_behind_scores),
        cmocka_unit_test(every_number_is_in_the_table),
        cmocka_unit_test(refused_memory_is_an_error_in_every_view),
        cmocka_unit_test(refused_memory_is_an_error_when_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
