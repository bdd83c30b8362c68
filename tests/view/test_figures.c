/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of the hard cases: nothing outside of the page, no small print, no bad byte; refused
   memory and hostile documents of other schemas. */
#include "drawing-testing.h"
#include "panels-testing.h"

#include "base/json.h"
#include "view/figures.h"

static const double LEAST = 28 / 3.0; /* 7 points */

static double attribute(const char *element, const char *end, const char *name) {
    const char *at = memmem(element, (size_t)(end - element), name, strlen(name));
    return at ? strtod(at + strlen(name), NULL) : NAN;
}

/* Rules that every picture keeps. */
static void check(const char *text, size_t n, const char *name) {
    double width = attribute(text, text + n, " viewBox=\"0 0 ");
    size_t open = 0;
    assert_int_equal(glim__utf8_check(text, n), n);
    for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        open += !strncmp(at, "<g", 2) && strncmp(at, "<g>", 2) == 0;
        open -= !strncmp(at, "</g>", 4);
        if (!strncmp(at, "<text", 5)) {
            double x = attribute(at, end, " x=\"");
            if (!(attribute(at, end, " font-size=\"") >= LEAST) || x < 0 || x > width)
                fail_msg("%s: %.*s", name, (int)(end - at), at);
        }
        if (!strncmp(at, "<rect", 5)) {
            double x = attribute(at, end, " x=\""), w = attribute(at, end, " width=\"");
            if (x < 0 || x + w > width + 0.51)
                fail_msg("%s: %.*s", name, (int)(end - at), at);
        }
    }
    assert_int_equal(open, 0);
    const char *bad = strstr(text, "\"nan");
    if (bad)
        fail_msg("%s: %.200s", name, bad - 100);
    assert_null(strstr(text, " style="));
    assert_null(strchr(text, '\x1b'));
}

static void all_widths(const glim_document *d, const char *name) {
    static const double widths[] = {0, 85};
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        glim_view_options o = {.figure.width_mm = widths[i], .lang = i ? "zh-CN" : "en"};
        char *text = render(d, "svg", &o, &n);
        check(text, n, name);
        glim_view_free(d->ctx, text);
    }
}

static void every_case_keeps_to_its_page(void **state) {
    glim_context *ctx = view_context();
    for (size_t i = 0; i < N_CASES; i++) {
        glim_document *d = document_of(ctx, &cases[i], 1);
        all_widths(d, cases[i].name);
        glim_document_free(d);
    }
    for (size_t i = 0; i < N_PANEL_CASES; i++) {
        glim_document *d = panel_document(ctx, i);
        all_widths(d, panel_cases[i].name);
        glim_document_free(d);
    }
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

static void thousands_of_units_are_drawn_and_the_same_twice(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = document_of(ctx, &cases[1], 456); /* 4,104 units */
    size_t n, m;
    char *text = render(d, "svg", NULL, &n), *again = render(d, "svg", NULL, &m);
    check(text, n, "many");
    assert_non_null(strstr(text, "data-unit=\"4100\""));
    assert_int_equal(n, m);
    assert_memory_equal(text, again, n);
    glim_view_free(ctx, text);
    glim_view_free(ctx, again);
    glim_document_free(d);
    glim_context_free(ctx);
}

static void one_figure_can_be_asked_for(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = document_of(ctx, &cases[0], 1);
    static const char *const names[] = {"bars", "2"};
    glim_error err;
    size_t n;
    for (size_t i = 0; i < 2; i++) {
        glim_view_options o = {.figure.name = names[i]};
        char *text = render(d, "svg", &o, &n);
        assert_true(strstr(text, "data-figure=\"bars\"") && !strstr(text, "data-figure=\"strip\""));
        glim_view_free(ctx, text);
    }
    glim_view_options o = {.figure.name = "no such"};
    char *text = NULL;
    assert_int_equal(glim_view_render(glim_view_find("svg"), d, &o, &text, &n, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "1 strip, 2 bars"));
    glim_document_free(d);
    glim_context_free(ctx);
}

/* From the base to the prediction: each bar begins where the one below ends. */
static void a_waterfall_runs_from_the_base_to_the_prediction(void **state) {
    glim_context *ctx = view_context();
    glim_document *d = document_of(ctx, &cases[1], 2);
    glim_view_options o = {.figure.name = "waterfall"};
    size_t n;
    double sum = 0, value = 0;
    d->method.additive = true;
    for (size_t u = 0; u < d->input.n_units; u++)
        value += isfinite(d->scores[u]) ? d->scores[u] : 0;
    d->target.baseline_value = 1;
    d->target.value = 1.5 + value + (isfinite(d->fixed_total) ? d->fixed_total : 0);
    char *text = render(d, "svg", &o, &n), *page = render(d, "html", NULL, &n);
    for (const char *at = text; (at = strstr(at, "data-score=\"")); at++)
        sum += strtod(at + 12, NULL);
    assert_true(fabs(sum - (d->target.value - 1)) < 1e-4);
    assert_non_null(strstr(text, "not accounted for"));
    assert_non_null(strstr(page, "id=\"glim-waterfall\""));
    glim_view_free(ctx, page);
    d->method.additive = false;
    glim_view_free(ctx, text);
    page = render(d, "html", NULL, &n);
    assert_null(strstr(page, "id=\"glim-waterfall\""));
    glim_view_free(ctx, page);
    glim_document_free(d);
    glim_context_free(ctx);
}

/* ---- refused memory ---- */

static void refuse(glim_context *ctx, const glim_document *d, const char *view, uint64_t step) {
    uint64_t before = glim_context_bytes(ctx);
    for (uint64_t nth = 1;; nth += step) {
        char *out = NULL;
        size_t n = 0;
        glim_error err;
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_view_render(glim_view_find(view), d, NULL, &out, &n, &err);
        glim__fail_allocation(ctx, 0);
        glim_view_free(ctx, out);
        assert_int_equal(glim_context_bytes(ctx), before);
        if (!status)
            return;
        assert_int_equal(status, GLIM_ENOMEM);
    }
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    static const size_t some[] = {2, 13};
    glim_context *ctx = view_context();
    for (size_t i = 0; i < 2; i++) {
        glim_document *d = document_of(ctx, &cases[some[i]], 1);
        refuse(ctx, d, "svg", 19);
        glim_document_free(d);
    }
    glim_document *d = document_of(ctx, &cases[3], 1);
    refuse(ctx, d, "png", 13);
    refuse(ctx, d, "pdf", 13);
    glim_document_free(d);
    glim_context_free(ctx);
}

/* ---- documents with a schema of their own ---- */

static const char comparison[] =
    "{\"schema\":\"glim.comparison/1\",\"glim\":\"0.1.0\",\"target\":{\"text\":\"<b>\"},\"units\":"
    "[\"a\",\" 法国\",\"\"],\"runs\":[{\"method\":\"x\",\"signed\":true,\"scores\":[1,-2,null]},"
    "{\"method\":\"y\",\"signed\":true,\"scores\":[[1,2,3],[0,1,null]]}],\"models\":[{\"name\":"
    "\"m\",\"kl\":0,\"drift\":[0,0.1]},{\"name\":\"n\",\"kl\":0.5,\"drift\":[0,0.5,null]}],"
    "\"agreement\":{\"kendall\":[[1,0.5],[0.5,1]]},\"many\":{\"judged\":[{\"metric\":\"gini\","
    "\"means\":[{\"mean\":1,\"low\":0,\"high\":2}]}]},\"notes\":[\"n\"]}";
static const char influence[] =
    "{\"schema\":\"glim.influence/1\",\"method\":{\"name\":\"m\",\"caption\":\"c\"},\"model\":"
    "{\"kind\":\"linear\",\"features\":2,\"strength\":0},\"train\":{\"file\":\"f\",\"samples\":9,"
    "\"done\":9},\"queries\":[{\"text\":\"q\",\"value\":1}],\"columns\":[{\"name\":\"influence\","
    "\"query\":1,\"high\":[{\"row\":1,\"value\":2,\"text\":\"法\",\"label\":\"l\"}],\"low\":[{"
    "\"row\":2,\"value\":-1}]},{\"name\":\"cooks-distance\",\"query\":null,\"high\":[{\"row\":3,"
    "\"value\":1}],\"beyond\":1,\"defined\":9},{\"name\":\"leverage\",\"threshold\":0.4}],"
    "\"flags\":"
    "{\"score_limit\":0.4,\"mislabelled\":{\"count\":1,\"samples\":[{\"row\":1,\"value\":1}]},"
    "\"duplicates\":{\"count\":1}},\"shares\":[{\"query\":1,\"row\":1,\"score\":1,\"names\":[\"a\"]"
    ","
    "\"values\":[1]}],\"truth\":{\"spearman\":1},\"figures\":{\"stems\":{\"each\":2,\"place\":[0,1]"
    ","
    "\"row\":[0,1],\"value\":[0.1,0.9]},\"plane\":{\"row\":[1],\"leverage\":[0.2],\"residual\":[9],"
    "\"value\":[0.9]}},\"verdict\":\"ok\"}";
static const char map[] =
    "{\"schema\":\"glim.map/"
    "1\",\"title\":\"t\",\"method\":{\"name\":\"tsne\"},\"params\":{\"a\":1},"
    "\"points\":3,\"xy\":[[0,0],[1,2],[3,null]],\"labels\":{\"names\":[\"x\",\"y\"],\"of\":[0,1,"
    "null]},\"colors\":[{\"name\":\"c\",\"kind\":\"number\",\"values\":[1,null,3]}],\"color_by\":"
    "\"c\",\"quality\":{\"recall_10\":0.5},\"variance\":[0.5,0.2],\"verdict\":\"v\"}";
static const char evaluation[] =
    "{\"schema\":\"glim.evaluation/"
    "1\",\"explanation\":{\"method\":\"m\",\"target\":{\"text\":\"t\"}}"
    ",\"inputs\":{\"intervals\":{\"accuracy\":[0.1,0.5]}},\"marks\":{\"accuracy\":0.5},"
    "\"measures\":"
    "[{\"metric\":\"gini\",\"quality\":\"accuracy\",\"value\":1,\"random\":0,\"best\":2,\"skill\":"
    "0.5,\"low\":0,\"high\":2,\"failed\":true},{\"metric\":\"w\",\"why\":\"\\u001b\"}],\"verdict\":"
    "\"careful\",\"reason\":\"r\"}";

static void draw(glim_context *ctx, const json_t *all, const char *name) {
    char *text = NULL;
    size_t n = 0;
    glim_error err;
    glim_view_options o = {.width = 80};
    if (glim__figures_json("svg", ctx, all, "{}", 2, &o, &text, &n, &err))
        fail_msg("%s: %s", name, err.message);
    check(text, n, name);
    glim_view_free(ctx, text);
}

static void vary(glim_context *ctx, const json_t *all, json_t *at) {
    const char *key;
    json_t *value;
    void *next;
    size_t i;
    json_array_foreach(at, i, value) vary(ctx, all, value);
    json_object_foreach_safe(at, next, key, value) {
        json_t *others[] = {json_string("\x1b<"), json_pack("[[f]]", 1e300)};
        vary(ctx, all, value);
        json_incref(value);
        json_object_set(at, key, others[strlen(key) % 2]);
        if (strcmp(key, "schema") != 0)
            draw(ctx, all, key);
        json_object_set_new(at, key, value);
        json_decref(others[0]);
        json_decref(others[1]);
    }
}

static void members_of_any_type_are_drawn_or_left_out(void **state) {
    static const char *const all[] = {comparison, influence, map, evaluation};
    glim_context *ctx = view_context();
    for (size_t i = 0; i < 4; i++) {
        json_t *o = json_loads(all[i], 0, NULL);
        assert_non_null(o);
        assert_true(glim__figures_know(o));
        draw(ctx, o, "whole");
        vary(ctx, o, o);
        json_decref(o);
    }
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_keeps_to_its_page),
        cmocka_unit_test(thousands_of_units_are_drawn_and_the_same_twice),
        cmocka_unit_test(one_figure_can_be_asked_for),
        cmocka_unit_test(a_waterfall_runs_from_the_base_to_the_prediction),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
        cmocka_unit_test(members_of_any_type_are_drawn_or_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
