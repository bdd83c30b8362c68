/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokenizers of model directories against the reference (recorded by
 * scripts/record-json-tokenizers.py): every directory of golden/text/json. Ids are
 * equal. The reference's spans are in whole characters: ours, widened to whole
 * characters, are the same; what a tokenizer inserted has no bytes of ours.
 * Where normalisation makes the reference's spans inexact ("loose"), ours must meet
 * them in a grapheme: the reference leaves out the mark that a letter was composed
 * with. ONLY=NAME in the environment checks one directory.
 */
#include "chat-testing.h"
#include "text-testing.h"

#include "text/breaks.h"

#include <dirent.h>

#define GOLDEN GLIM_TESTS "/golden/text/json"

static glim_context *ctx;

static json_t *read_file(const char *name, const char *file) {
    char path[512];
    glim_buffer in;
    json_t *json = NULL;
    glim_error err = {0};
    snprintf(path, sizeof path, GOLDEN "/%s%s%s", name, *name ? "/" : "", file);
    glim__buffer_init(&in, ctx);
    if (glim__file_read(&in, path, 1 << 24, &err) ||
        glim__json_parse(&json, in.data, in.len, path, &err))
        fail_msg("%s", err.message);
    glim__buffer_release(&in);
    return json;
}

static size_t floor_character(const char *s, size_t at) {
    while (at && ((unsigned char)s[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static size_t ceil_character(const char *s, size_t n, size_t at) {
    while (at < n && ((unsigned char)s[at] & 0xc0) == 0x80)
        at++;
    return at;
}

static size_t widen(const uint8_t *graphemes, size_t at, bool up) {
    while (!graphemes[at])
        at = up ? at + 1 : at - 1;
    return at;
}

static void check_span(const char *name, const char *s, size_t n, const glim_token *t,
                       const json_t *spans, size_t i, bool loose, const uint8_t *graphemes) {
    size_t start = (size_t)json_integer_value(json_array_get(spans, 2 * i));
    size_t end = (size_t)json_integer_value(json_array_get(spans, 2 * i + 1));
    size_t a = floor_character(s, t->start), b = ceil_character(s, n, t->end);
    assert_true(t->start <= t->end && t->end <= n);
    if (loose) {
        start = widen(graphemes, start, false);
        end = widen(graphemes, end, true);
        a = widen(graphemes, a, false);
        b = widen(graphemes, b, true);
    }
    bool same = t->start == t->end || (a == start && b == end) ||
                (loose && (start == end || (a < end && start < b)));
    if (!same)
        fail_msg("%s: '%s' token %zu (%d) has the bytes %zu to %zu; recorded %zu to %zu", name, s,
                 i, t->id, t->start, t->end, start, end);
}

static void check_ids_of(const char *name, const char *s, const glim_token *at, size_t count,
                         const json_t *ids) {
    bool same = count == json_array_size(ids);
    for (size_t i = 0; i < count && same; i++)
        same = at[i].id == json_integer_value(json_array_get(ids, i));
    if (same)
        return;
    for (size_t i = 0; i < count; i++)
        print_message("%d ", at[i].id);
    print_message("\n");
    for (size_t i = 0; i < json_array_size(ids); i++)
        print_message("%d ", (int)json_integer_value(json_array_get(ids, i)));
    print_message("\n");
    fail_msg("%s: '%s' has other tokens than recorded", name, s);
}

static void check_line(const char *name, const glim_tokenizer *t, const json_t *line,
                       const json_t *ids, const json_t *spans, bool plain, bool loose) {
    const char *s = json_string_value(line);
    size_t n = json_string_length(line), last = 0;
    glim_token_list list = {.ctx = ctx};
    glim_error err = {0};
    if (glim__tokenize(t, &list, s, n, 0, true, !plain, &err))
        fail_msg("%s: '%s': %s", name, s, err.message);
    check_ids_of(name, s, list.at, list.count, ids);
    uint8_t graphemes[4096];
    assert_true(n < sizeof graphemes);
    assert_int_equal(glim__breaks(graphemes, ctx, s, n, GLIM_BREAK_GRAPHEME, &err), GLIM_OK);
    for (size_t i = 0; i < list.count; i++) {
        if (json_is_array(spans))
            check_span(name, s, n, &list.at[i], spans, i, loose, graphemes);
        if (list.at[i].end < last)
            fail_msg("%s: '%s' token %zu ends before the one in front of it", name, s, i);
        last = list.at[i].end;
    }
    glim__token_list_release(&list);
}

/* With special tokens: both texts, their types, and the first alone. Texts that
   spell special tokens are left out: a user's text never makes them. */
static void check_pair(const char *name, const glim_tokenizer *t, const json_t *lines, size_t i,
                       const json_t *want) {
    const json_t *a = json_array_get(lines, i), *b = json_array_get(lines, i + 1);
    const json_t *types = json_array_get(want, 1);
    glim_tokens *tokens;
    glim_error err = {0};
    uint8_t own[4096];
    if (glim__tokens_from_pair(&tokens, t, json_string_value(a), json_string_length(a),
                               json_string_value(b), json_string_length(b), &err))
        fail_msg("%s: %s", name, err.message);
    check_ids_of(name, json_string_value(a), tokens->at, tokens->count, json_array_get(want, 0));
    assert_true(tokens->count <= sizeof own);
    glim__token_types(t, tokens, own);
    for (size_t k = 0; k < tokens->count; k++) {
        const glim_token *x = &tokens->at[k];
        if (own[k] != json_integer_value(json_array_get(types, k)))
            fail_msg("%s: token %zu of pair %zu has the type %d", name, k, i, own[k]);
        assert_true(x->kind == GLIM_TOKEN_SPECIAL ? x->turn == -1 && x->start == x->end
                                                  : x->turn == (x->start > json_string_length(a)));
    }
    glim_tokens_free(tokens);
    if (glim__tokens_from_text(&tokens, t, json_string_value(a), json_string_length(a), &err))
        fail_msg("%s: %s", name, err.message);
    check_ids_of(name, json_string_value(a), tokens->at, tokens->count, json_array_get(want, 2));
    glim_tokens_free(tokens);
}

static void check_directory(const char *name) {
    char dir[512];
    glim_tokenizer *t;
    glim_error err = {0};
    json_t *want = read_file(name, "expected.json"), *lines = read_file("", "lines.json");
    const json_t *ids = json_object_get(want, "ids"), *spans = json_object_get(want, "spans");
    const json_t *pairs = json_object_get(want, "pairs");
    bool plain = json_is_true(json_object_get(want, "plain"));
    bool loose = json_is_true(json_object_get(want, "loose"));
    snprintf(dir, sizeof dir, GOLDEN "/%s", name);
    if (glim__tokenizer_open_dir(&t, ctx, dir,
                                 json_string_value(json_object_get(want, "model_type")), &err))
        fail_msg("%s: %s", name, err.message);
    assert_true(json_array_size(lines) >= 145 && json_array_size(lines) == json_array_size(ids));
    for (size_t i = 0; i < json_array_size(lines); i++)
        check_line(name, t, json_array_get(lines, i), json_array_get(ids, i),
                   json_array_get(spans, i), plain, loose);
    for (size_t i = 0; i < json_array_size(pairs); i++)
        check_pair(name, t, lines, 2 * i, json_array_get(pairs, i));
    glim__tokenizer_close(t);
    json_decref(want);
    json_decref(lines);
}

static void every_directory_has_the_recorded_tokens(void **state) {
    DIR *d = opendir(GOLDEN);
    size_t n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' || strchr(e->d_name, '.'))
            continue;
        const char *only = getenv("ONLY");
        if (only && strcmp(only, e->d_name))
            continue;
        print_message("%s\n", e->d_name);
        check_directory(e->d_name);
        n++;
    }
    closedir(d);
    assert_true(n >= 42 || getenv("ONLY"));
}

static int set_up(void **state) {
    ctx = make_context(1, 0);
    return 0;
}

static int tear_down(void **state) {
    end_context(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_directory_has_the_recorded_tokens),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
