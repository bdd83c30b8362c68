/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as JSON: what is written is read back, and nothing else is taken. */
#include "drawing-testing.h"
#include "panels-testing.h"

#include "base/json.h"
#include "view/views.h"

static glim_status parse(glim_document **out, glim_context *ctx, const json_t *all,
                         glim_error *err) {
    char *text = json_dumps(all, JSON_ENCODE_ANY);
    *err = (glim_error){0};
    glim_status status = glim_document_parse(out, ctx, text, strlen(text), "a.json", err);
    free(text);
    return status;
}

static void same_number(double a, double b) {
    assert_true(a == b || (isnan(a) && isnan(b)));
}

/* Broken bytes become U+FFFD on the way, so only valid text is the same. */
static void same_text(const char *a, size_t n, const char *b, size_t m) {
    if (!a || !b)
        assert_true(!a && !b);
    else if (glim__utf8_check(a, n) == n)
        assert_true(n == m && !memcmp(a, b, n));
    else
        assert_int_equal(glim__utf8_check(b, m), m);
}

static void same_documents(const glim_document *a, const glim_document *b) {
    assert_string_equal(a->kind, b->kind);
    assert_int_equal(a->input.n_units, b->input.n_units);
    assert_int_equal(a->input.n_turns, b->input.n_turns);
    assert_int_equal(a->n_rows, b->n_rows);
    assert_int_equal(a->partial, b->partial);
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->n_notes, b->n_notes);
    assert_int_equal(a->n_checks, b->n_checks);
    assert_string_equal(a->method.params, b->method.params);
    same_text(a->target.text, a->target.text_len, b->target.text, b->target.text_len);
    same_text(a->target.against, a->target.against_len, b->target.against, b->target.against_len);
    same_number(a->target.value, b->target.value);
    same_number(a->target.baseline_value, b->target.baseline_value);
    same_number(a->target.prob, b->target.prob);
    assert_int_equal(!a->error, !b->error);
    for (size_t u = 0; u < a->input.n_units; u++) {
        const glim_document_unit *x = &a->input.units[u], *y = &b->input.units[u];
        same_text(x->text, x->text_len, y->text, y->text_len);
        assert_true(x->fixed == y->fixed && x->turn == y->turn && x->first == y->first);
        assert_true(y->end - y->start == y->text_len);
        assert_memory_equal(b->input.text + y->start, y->text, y->text_len);
    }
    assert_int_equal(a->n_levels, b->n_levels);
    for (size_t k = 0; k < a->n_levels; k++) {
        const glim_document_level *x = &a->levels[k], *y = &b->levels[k];
        assert_string_equal(x->unit, y->unit);
        assert_string_equal(x->rule, y->rule);
        assert_int_equal(x->n_groups, y->n_groups);
        assert_int_equal(!x->error, !y->error);
        for (size_t i = 0; i < x->n_groups; i++)
            assert_true(x->groups[i].first == y->groups[i].first &&
                        x->groups[i].count == y->groups[i].count &&
                        x->groups[i].turn == y->groups[i].turn);
        for (size_t i = 0; i < a->n_rows * x->n_groups; i++) {
            same_number(x->scores[i], y->scores[i]);
            if (x->error)
                same_number(x->error[i], y->error[i]);
        }
    }
    assert_int_equal(!a->attention.side, !b->attention.side);
    assert_int_equal(a->attention.n_stats, b->attention.n_stats);
    assert_int_equal(a->links.n_found, b->links.n_found);
    assert_int_equal(a->links.n_gold, b->links.n_gold);
    for (size_t i = 0; i < a->n_rows * a->input.n_units; i++) {
        same_number(a->scores[i], b->scores[i]);
        if (a->error)
            same_number(a->error[i], b->error[i]);
    }
}

static void what_is_written_is_read_back(void **state) {
    for (size_t i = 0; i < N_CASES; i++) {
        glim_context *ctx = view_context();
        glim_document *d = document_of(ctx, &cases[i], 1), *again = NULL;
        glim_error err = {0};
        size_t n, m;
        char *text = render(d, "json", NULL, &n);
        if (glim_document_parse(&again, ctx, text, n, "a.json", &err))
            fail_msg("%s: %s", cases[i].name, err.message);
        same_documents(d, again);
        char *second = render(again, "json", NULL, &m);
        assert_string_equal(text, second);
        glim_view_free(ctx, text);
        glim_view_free(ctx, second);
        glim_document_free(d);
        glim_document_free(again);
        glim_context_free(ctx);
    }
}

/* Every member of every object: another type in its place, and gone. What a reader
   may do without is read; what it takes must render; the rest names the member. */
static void try_member(glim_context *ctx, json_t *root, json_t *object, const char *key) {
    json_t *was = json_incref(json_object_get(object, key));
    for (int k = 0; k < 8; k++) {
        json_t *other = k == 0   ? json_null()
                        : k == 1 ? json_integer(-5)
                        : k == 2 ? json_real(1e300)
                        : k == 3 ? json_string("\x1b[31m")
                        : k == 4 ? json_array()
                        : k == 5 ? json_object()
                        : k == 6 ? json_true()
                                 : NULL;
        glim_document *d = NULL;
        glim_error err;
        if (other)
            json_object_set_new(object, key, other);
        else
            json_object_del(object, key);
        glim_status status = parse(&d, ctx, root, &err);
        if (status && (status != GLIM_EFORMAT || !*err.message || d))
            fail_msg("%s, %d: status %d, '%s'", key, k, status, err.message);
        for (size_t v = 0; !status && glim_views()[v]; v++) {
            size_t n;
            char *text = render(d, glim_views()[v]->name, NULL, &n);
            assert_true(strcmp(glim_views()[v]->name, "terminal") || !strchr(text, '\x1b'));
            glim_view_free(ctx, text);
        }
        glim_document_free(d);
        json_object_set(object, key, was);
    }
    json_decref(was);
}

static void try_all(glim_context *ctx, json_t *root, json_t *at) {
    if (json_is_array(at))
        for (size_t i = 0; i < json_array_size(at) && i < 2; i++)
            try_all(ctx, root, json_array_get(at, i));
    if (!json_is_object(at))
        return;
    const char *keys[64];
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(at, key, value) keys[n++] = key;
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", keys[i]);
        try_all(ctx, root, json_object_get(at, name));
        try_member(ctx, root, at, name);
    }
}

static void try_document(glim_context *ctx, glim_document *d) {
    size_t n;
    char *text = render(d, "json", NULL, &n);
    json_t *root = json_loads(text, JSON_ALLOW_NUL, NULL);
    try_all(ctx, root, root);
    json_decref(root);
    glim_view_free(ctx, text);
    glim_document_free(d);
}

static void any_member_of_panels_is_taken_or_named(void **state) {
    static const char *const names[] = {"words", "intervals", "one series", "table", "texts"};
    for (size_t k = 0; k < 5; k++)
        for (size_t i = 0; i < N_PANEL_CASES; i++) {
            if (strcmp(panel_cases[i].name, names[k]) != 0)
                continue;
            glim_context *ctx = view_context();
            try_document(ctx, panel_document(ctx, i));
            glim_context_free(ctx);
        }
}

static void any_member_of_any_type_is_taken_or_named(void **state) {
    static const char *const names[] = {"plain", "strange", "matrix"};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < N_CASES; i++) {
            if (strcmp(cases[i].name, names[k]))
                continue;
            glim_context *ctx = view_context();
            try_document(ctx, document_of(ctx, &cases[i], 1));
            glim_context_free(ctx);
        }
}

static void refuses(glim_context *ctx, const char *text, const char *says) {
    glim_document *d = NULL;
    glim_error err = {0};
    assert_int_equal(glim_document_parse(&d, ctx, text, strlen(text), "a.json", &err),
                     GLIM_EFORMAT);
    assert_null(d);
    if (!strstr(err.message, says))
        fail_msg("'%s' does not say '%s'", err.message, says);
}

static void what_is_no_document_is_refused_by_name(void **state) {
    glim_context *ctx = view_context();
    refuses(ctx, "", "JSON");
    refuses(ctx, "[]", "not a glim document");
    refuses(ctx, "3", "not a glim document");
    refuses(ctx, "{}", "schema");
    refuses(ctx, "{\"schema\": \"glim.explanation/2\", \"kind\": \"attribution\"}", "schema");
    refuses(ctx, "{\"schema\": \"glim.explanation/1\", \"kind\": \"poem\"}", "kind");
    refuses(ctx, "{\"schema\": \"glim.explanation/1\", \"kind\": \"attribution\"}", "input");
    refuses(ctx, "{\"schema\": \"glim.explanation/1\", \"kind\": NaN}", "JSON");
    glim_context_free(ctx);
}

/* Jansson's memory: one allocation is refused, then all are granted again. */
static long countdown;

static void *refusing_malloc(size_t n) {
    return countdown && !--countdown ? NULL : malloc(n);
}

static void a_refused_value_is_an_error_and_never_a_gap(void **state) {
    static const char *const views[] = {"json", "csv"};
    glim_context *ctx = view_context();
    json_malloc_t was;
    json_free_t freed;
    json_get_alloc_funcs(&was, &freed);
    for (size_t i = 0; i < N_CASES + 3; i++)
        for (size_t v = 0; v < 2; v++) {
            static const size_t panels[] = {0, 16, 20}; /* words, a table, texts */
            glim_document *d = i < N_CASES ? document_of(ctx, &cases[i], 1)
                                           : panel_document(ctx, panels[i - N_CASES]);
            const char *name = i < N_CASES ? cases[i].name : panel_cases[panels[i - N_CASES]].name;
            size_t n, m;
            char *want = render(d, views[v], NULL, &n), *text = NULL;
            json_set_alloc_funcs(refusing_malloc, free);
            for (long nth = 1, left = 0; !left; nth++) {
                countdown = nth;
                glim_error err = {0};
                glim_status status =
                    glim_view_render(glim_view_find(views[v]), d, NULL, &text, &m, &err);
                left = countdown;
                countdown = 0;
                if (status && status != GLIM_ENOMEM)
                    fail_msg("%s, %s, %ld: %s", name, views[v], nth, err.message);
                if (!status)
                    assert_string_equal(text, want);
                glim_view_free(ctx, text);
                text = NULL;
            }
            json_set_alloc_funcs(was, freed);
            glim_view_free(ctx, want);
            glim_document_free(d);
        }
    glim_context_free(ctx);
}

/* Classes and a row's values come back; what is no probability does not. */
static void a_prediction_is_read_back_and_drawn(void **state) {
    static const char *const wrong[] = {
        "{\"classes\":[{\"text\":\"a\",\"prob\":2}],\"other\":null}",
        "{\"classes\":{},\"other\":null}", "{\"classes\":[{\"prob\":0.5}],\"other\":null}",
        "{\"classes\":[],\"other\":null,\"row\":[{\"column\":\"a\"}]}", "[]"};
    static const char *const views[] = {"terminal", "html", "svg"};
    glim_context *ctx = view_context();
    glim_document *d = document_of(ctx, &cases[0], 1), *again = NULL;
    const glim_document_class classes[] = {{"\xe6\xb3\x95\xe5\x9b\xbd", 6, 0.75}, {"<i7>", 4, 0.2}};
    const char **names = glim_document_alloc(d, d->input.n_units * sizeof *names);
    glim_error err;
    for (size_t u = 0; u < d->input.n_units; u++)
        names[u] = u ? "v" : "</script>";
    d->prediction.classes = classes;
    d->prediction.n_classes = 2;
    d->prediction.other = 0.05;
    d->prediction.columns = d->prediction.values = names;
    json_t *all = glim__document_json(d);
    assert_int_equal(parse(&again, ctx, all, &err), GLIM_OK);
    assert_int_equal(again->prediction.n_classes, 2);
    assert_string_equal(again->prediction.classes[1].text, "<i7>");
    same_number(again->prediction.classes[0].prob, 0.75);
    same_number(again->prediction.other, 0.05);
    assert_string_equal(again->prediction.values[0], "</script>");
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        char *text = render(again, views[i], NULL, &n);
        assert_true(strstr(text, "\xe6\xb3\x95\xe5\x9b\xbd") && strstr(text, "75.0"));
        assert_null(i ? strstr(text, "<i7>") : NULL);
        glim_view_free(ctx, text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        glim_document *none = NULL;
        json_object_set_new(all, "prediction", json_loads(wrong[i], 0, NULL));
        assert_int_equal(parse(&none, ctx, all, &err), GLIM_EFORMAT);
    }
    json_decref(all);
    glim_document_free(again);
    glim_document_free(d);
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(any_member_of_any_type_is_taken_or_named),
        cmocka_unit_test(any_member_of_panels_is_taken_or_named),
        cmocka_unit_test(what_is_no_document_is_refused_by_name),
        cmocka_unit_test(a_refused_value_is_an_error_and_never_a_gap),
        cmocka_unit_test(a_prediction_is_read_back_and_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
