/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits by every pre-tokenizer name against recordings by another engine
 * (scripts/record-splits.py), and tiny tokenizers of both kinds whose tokens can
 * be told by hand.
 */
#include "chat-testing.h"
#include "text-testing.h"

static glim_context *ctx;

/* ---- splits ---- */

struct pieces {
    const char *name, *text;
    const json_t *want;
    size_t i, at;
};

static glim_status compare_piece(void *data, size_t start, size_t end, glim_error *err) {
    struct pieces *p = data;
    const json_t *want = json_array_get(p->want, p->i++);
    if (start != p->at)
        fail_msg("%s: '%s' has a gap at byte %zu", p->name, p->text, p->at);
    if (json_string_length(want) != end - start ||
        memcmp(json_string_value(want), p->text + start, end - start))
        fail_msg("%s: '%s' has the piece '%.*s' where '%s' was recorded", p->name, p->text,
                 (int)(end - start), p->text + start, json_string_value(want));
    p->at = end;
    return GLIM_OK;
}

static const json_t *splits_of(const json_t *golden, const char *name) {
    const json_t *groups = json_object_get(golden, "groups");
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *group = json_array_get(groups, g), *names = json_object_get(group, "names");
        for (size_t i = 0; i < json_array_size(names); i++)
            if (!strcmp(json_string_value(json_array_get(names, i)), name))
                return json_object_get(group, "splits");
    }
    fail_msg("the pre-tokenizer '%s' has no recording", name);
    return NULL;
}

static void texts_are_split_as_published_for_every_name(void **state) {
    json_t *golden = read_golden(ctx, GLIM_TESTS "/golden/text/splits.json");
    const json_t *texts = json_object_get(golden, "texts");
    const char *name;
    size_t names = 0;
    for (; (name = glim__pretokenizer_name(names)); names++) {
        const json_t *splits = splits_of(golden, name);
        glim_pretokenizer *p;
        glim_error err = {0};
        if (glim__pretokenizer_open(&p, ctx, name, &err))
            fail_msg("%s", err.message);
        for (size_t i = 0; i < json_array_size(texts); i++) {
            const json_t *text = json_array_get(texts, i);
            struct pieces data = {name, json_string_value(text), json_array_get(splits, i), 0, 0};
            size_t n = json_string_length(text);
            if (glim__pretokenize(p, data.text, n, compare_piece, &data, &err))
                fail_msg("%s", err.message);
            assert_int_equal(data.i, json_array_size(data.want));
            assert_int_equal(data.at, n);
        }
        glim__pretokenizer_close(p);
    }
    assert_true(names > 40);
    json_decref(golden);
}

static void an_unknown_pretokenizer_is_refused_by_name(void **state) {
    glim_pretokenizer *p;
    glim_error err = {0};
    assert_int_equal(glim__pretokenizer_open(&p, ctx, "gpt-9", &err), GLIM_EUNSUPPORTED);
    assert_null(p);
    assert_contains(err.message, "gpt-9");
    assert_contains(err.message, "tokenizer.ggml.pre");
}

static glim_status count_piece(void *data, size_t start, size_t end, glim_error *err) {
    *(size_t *)data += end - start;
    return GLIM_OK;
}

/* No expression looks at a run again from each of its places, or runs out of stack. */
static void long_runs_are_split_by_every_name(void **state) {
    enum { N = 1 << 17 };
    static const char *const parts[] = {"a",       "A", "1", " ", "\n", "!", "aB", "\xe4\xb8\xad",
                                        "\xcc\x81"};
    static char text[N + 1];
    const char *name;
    for (size_t k = 0; (name = glim__pretokenizer_name(k)); k++) {
        glim_pretokenizer *p;
        glim_error err = {0};
        if (glim__pretokenizer_open(&p, ctx, name, &err))
            fail_msg("%s", err.message);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            size_t len = strlen(parts[i]), n = N / len * len, pieces = 0;
            for (size_t at = 0; at < n; at += len)
                memcpy(text + at, parts[i], len);
            text[n++] = 'x';
            if (glim__pretokenize(p, text, n, count_piece, &pieces, &err))
                fail_msg("%s: %s", name, err.message);
            assert_int_equal(pieces, n);
        }
        glim__pretokenizer_close(p);
    }
}

/* ---- byte-level BPE ---- */

static const char *const merges[] = {"l l", "h e", "he ll", "hell o", "e l", "\xc4\xa0 hello",
                                     NULL};
enum { LL = 256, HE, HELL, HELLO, EL, SPACE_HELLO };

static void check_ids(const struct tiny *y, const char *text, const int32_t *ids, size_t n) {
    glim_token_list list = tiny_tokens(y, text, strlen(text), false);
    bool same = list.count == n;
    for (size_t i = 0; i < n && same; i++)
        same = list.at[i].id == ids[i];
    for (size_t i = 0; i < list.count && !same; i++)
        print_message("%d ", list.at[i].id);
    if (!same)
        fail_msg("other tokens of '%s'", text);
    check_cover(list.at, list.count, strlen(text), text);
    glim__token_list_release(&list);
}
#define CHECK(y, text, ...)                                                                        \
    check_ids(y, text, (const int32_t[]){__VA_ARGS__},                                             \
              sizeof(const int32_t[]){__VA_ARGS__} / sizeof(int32_t))

static void merges_go_by_rank_and_stay_inside_pieces(void **state) {
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .merges = merges});
    CHECK(&y, "hello", HELLO);
    CHECK(&y, "hello hello", HELLO, SPACE_HELLO);
    CHECK(&y, "helo", HE, 'l', 'o'); /* "h e" stands before "e l" */
    CHECK(&y, "xelo", 'x', EL, 'o');
    CHECK(&y, "lll", LL, 'l'); /* leftmost first */
    CHECK(&y, "hel\nlo", HE, 'l', '\n', 'l', 'o');
    CHECK(&y, "\xe4\xb8\xad", 0xe4, 0xb8, 0xad);
    tiny_close(&y);
}

/* Runs of spaces and letters are long tokens in some vocabularies. */
static void merges_may_be_long(void **state) {
    enum { DOUBLINGS = 11 };
    static char text[DOUBLINGS][TINY_TEXT];
    const char *list[DOUBLINGS + 1] = {NULL};
    struct tiny y;
    for (size_t i = 0, n = 1; i < DOUBLINGS; i++, n *= 2) {
        memset(text[i], 'a', 2 * n + 1);
        text[i][n] = ' ';
        list[i] = text[i];
    }
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .merges = list});
    char run[2049] = "";
    memset(run, 'a', 2048);
    CHECK(&y, run, 256 + DOUBLINGS - 1);
    tiny_close(&y);
}

/* More lengths of special tokens than any real file has. */
static void special_tokens_of_every_length_are_found(void **state) {
    enum { KINDS = 140 };
    static char text[KINDS][KINDS + 4];
    const char *list[KINDS + 1] = {NULL};
    struct tiny y;
    for (size_t i = 0; i < KINDS; i++) {
        memset(text[i], '-', i + 1);
        strcat(text[i], ">");
        list[i] = text[i];
    }
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .control = list});
    for (size_t i = 0; i < KINDS; i++) {
        glim_token_list tokens = tiny_tokens(&y, text[i], i + 2, true);
        assert_int_equal(tokens.count, 1);
        assert_int_equal(tokens.at[0].id, 256 + i);
        glim__token_list_release(&tokens);
    }
    tiny_close(&y);
}

/* "ell" is a token that no merge makes. */
static void whole_pieces_are_taken_without_merges_where_the_model_does(void **state) {
    static const char *const odd[] = {"e ll", "l l", NULL};
    static const struct {
        const char *pre;
        bool whole;
    } cases[] = {{"llama-bpe", true}, {"glm4", true},        {"tekken", true},
                 {"gpt-2", false},    {"qwen2", false},      {"smollm", false},
                 {"default", false},  {"chatglm-bpe", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny y;
        tiny_open(&y, ctx, &(struct tiny_options){.pre = cases[i].pre, .merges = odd});
        assert_int_equal(glim__pretokenizer_ignores_merges(cases[i].pre), cases[i].whole);
        CHECK(&y, "ell", 256); /* by merges as well */
        tiny_close(&y);
        static const char *const hidden[] = {"z zz", NULL}; /* "zzz" exists, "zz" does not */
        tiny_open(&y, ctx, &(struct tiny_options){.pre = cases[i].pre, .merges = hidden});
        if (cases[i].whole)
            CHECK(&y, "zzz", 256);
        else
            CHECK(&y, "zzz", 'z', 'z', 'z');
        tiny_close(&y);
    }
}

static void digits_are_taken_as_the_name_says(void **state) {
    static const char *const digits[] = {"1 2", "12 3", "123 4", NULL};
    enum { N12 = 256, N123, N1234 };
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .merges = digits});
    CHECK(&y, "1234", N1234);
    tiny_close(&y);
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "smollm", .merges = digits});
    CHECK(&y, "1234", '1', '2', '3', '4');
    tiny_close(&y);
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "qwen2", .merges = digits});
    CHECK(&y, "1234", '1', '2', '3', '4');
    tiny_close(&y);
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "llama-bpe", .merges = digits});
    CHECK(&y, "1234", N123, '4');
    tiny_close(&y);
}

static void qwen_composes_and_keeps_the_source_spans(void **state) {
    static const char text[] = "ae\xcc\x81z"; /* e and a combining acute */
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "qwen2"});
    glim_token_list list = tiny_tokens(&y, text, sizeof text - 1, false);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.at[1].id, 0xc3); /* the two bytes of U+00E9 */
    assert_int_equal(list.at[2].id, 0xa9);
    assert_int_equal(list.at[1].start, 1);
    assert_int_equal(list.at[2].end, 4);
    for (size_t i = 1; i < list.count; i++)
        assert_true(list.at[i].start >= list.at[i - 1].start && list.at[i].end <= 5);
    glim__token_list_release(&list);
    tiny_close(&y);
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "llama-bpe"});
    CHECK(&y, text, 'a', 'e', 0xcc, 0x81, 'z');
    tiny_close(&y);
}

/* U+11A7 looks like a final consonant and is none; marks are sorted stably. */
static void composing_follows_unicode(void **state) {
    static const struct {
        const char *text, *want;
    } cases[] = {{"\xea\xb0\x80\xe1\x86\xa7", "\xea\xb0\x80\xe1\x86\xa7"},
                 {"\xea\xb0\x80\xe1\x86\xa8", "\xea\xb0\x81"},
                 {"\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"},
                 {"q\xcc\x81\xcc\x96\xcc\x80", "q\xcc\x96\xcc\x81\xcc\x80"},
                 {"a\xcc\x96\xcc\x81", "\xc3\xa1\xcc\x96"},
                 {"\xe2\x84\xab", "\xc3\x85"}};
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "qwen2"});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        glim_token_list list = tiny_tokens(&y, cases[i].text, n, false);
        bool same = list.count == strlen(cases[i].want);
        for (size_t k = 0; k < list.count && same; k++)
            same = list.at[k].id == (uint8_t)cases[i].want[k];
        if (!same)
            fail_msg("'%s' is not composed to '%s'", cases[i].text, cases[i].want);
        check_cover(list.at, list.count, n, cases[i].text);
        glim__token_list_release(&list);
    }
    tiny_close(&y);
}

static void control_tokens_in_a_text_are_text_unless_asked(void **state) {
    static const char *const control[] = {"<|end|>", NULL}, *const user[] = {"<b>", NULL};
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .control = control, .user = user});
    CHECK(&y, "a<b>c", 'a', 257, 'c');
    CHECK(&y, "<|end|>", '<', '|', 'e', 'n', 'd', '|', '>');
    glim_token_list list = tiny_tokens(&y, "a<|end|>b", 9, true);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.at[1].id, 256);
    check_cover(list.at, list.count, 9, "specials");
    glim__token_list_release(&list);
    assert_true(glim__token_is_control(y.t, 256) && !glim__token_is_control(y.t, 257));
    assert_int_equal(glim__token_by_name(y.t, "<|end|>"), 256);
    tiny_close(&y);
}

/* ---- scored pieces ---- */

#define SP "\xe2\x96\x81"
static const char *const pieces[] = {SP "the", "th", "he",           SP "t", "t", "h",
                                     "e",      SP,   "\xe4\xb8\xad", SP "a", "a", NULL};
enum { P_THE = 3 + 256, P_TH, P_HE, P_SPACE_T, P_T, P_H, P_E, P_SPACE, P_ZHONG, P_SPACE_A, P_A };

static void scored_pieces_merge_best_first_with_a_space_before(void **state) {
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pieces = pieces});
    CHECK(&y, "the", P_SPACE, P_TH, P_E); /* "th" scores above "he" and " t" */
    CHECK(&y, "he", P_SPACE, P_HE);
    CHECK(&y, " a", P_SPACE, P_SPACE_A);
    CHECK(&y, "a the", P_SPACE_A, P_SPACE, P_TH, P_E);
    tiny_close(&y);
    tiny_open(&y, ctx, &(struct tiny_options){.pieces = pieces, .no_prefix = true});
    CHECK(&y, "the", P_TH, P_E);
    CHECK(&y, "t", P_T);
    tiny_close(&y);
}

static void what_is_no_piece_becomes_bytes_or_the_unknown_token(void **state) {
    struct tiny y;
    tiny_open(&y, ctx, &(struct tiny_options){.pieces = pieces, .no_prefix = true});
    CHECK(&y, "\xe4\xb8\xad\xe6\x96\x87", P_ZHONG, TINY_BYTES + 0xe6, TINY_BYTES + 0x96,
          TINY_BYTES + 0x87);
    CHECK(&y, "\n", TINY_BYTES + '\n');
    glim_gguf_string s = glim__token_bytes(y.t, TINY_BYTES + 0xe6);
    assert_true(s.len == 1 && (uint8_t)s.data[0] == 0xe6);
    s = glim__token_bytes(y.t, P_THE);
    assert_true(s.len == 4 && !memcmp(s.data, " the", 4));
    assert_int_equal(glim__token_by_bytes(y.t, " the", 4), P_THE);
    tiny_close(&y);
    tiny_open(&y, ctx,
              &(struct tiny_options){.pieces = pieces, .no_prefix = true, .no_bytes = true});
    CHECK(&y, "ax", P_A - 256, 0);
    tiny_close(&y);
}

/* ---- any text ---- */

static const char *const kinds[] = {"gpt-2",  "llama-bpe", "qwen2", "glm4",
                                    "smollm", "default",   NULL,    "deepseek-v3"};

static void spans_cover_every_text_and_bytes_give_it_back(void **state) {
    json_t *golden = read_golden(ctx, GLIM_TESTS "/golden/text/splits.json");
    const json_t *texts = json_object_get(golden, "texts");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct tiny y;
        tiny_open(&y, ctx,
                  &(struct tiny_options){
                      .pre = kinds[k], .pieces = pieces, .merges = merges, .no_prefix = true});
        for (size_t i = 0; i < json_array_size(texts); i++) {
            const char *text = json_string_value(json_array_get(texts, i));
            size_t n = json_string_length(json_array_get(texts, i));
            glim_token_list list = tiny_tokens(&y, text, n, false);
            glim_buffer back;
            glim__buffer_init(&back, ctx);
            for (size_t j = 0; j < list.count; j++) {
                glim_gguf_string s = glim__token_bytes(y.t, list.at[j].id);
                glim__buffer_append(&back, s.data, s.len);
            }
            bool composed = kinds[k] && !strcmp(kinds[k], "qwen2"); /* NFC is not undone */
            check_cover(list.at, list.count, n, text);
            if (!composed && (back.len != n || memcmp(back.data, text, n)))
                fail_msg("'%s' comes back as '%s'", text, back.data);
            glim__buffer_release(&back);
            glim__token_list_release(&list);
        }
        tiny_close(&y);
    }
    json_decref(golden);
}

static void an_empty_text_has_no_tokens(void **state) {
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct tiny y;
        tiny_open(&y, ctx, &(struct tiny_options){.pre = kinds[k], .pieces = pieces});
        glim_token_list list = tiny_tokens(&y, "", 0, true);
        assert_int_equal(list.count, 0);
        glim__token_list_release(&list);
        tiny_close(&y);
    }
}

static void invalid_utf8_is_refused_at_its_byte(void **state) {
    static const struct {
        const char *text;
        int at;
    } cases[] = {{"\xff", 0},         {"ab\xc3", 2},          {"\x80", 0},
                 {"a\xc0\xaf", 1},    {"\xed\xa0\x80", 0},    {"ok\xf4\x90\x80\x80", 2},
                 {"\xe4\xb8 x", 0},   {"\xf0\x9f\x98", 0},    {"\xe4\xb8\xad\xe4\xb8", 3},
                 {"\xe0\x80\x80", 0}, {"\xf8\x88\x80\x80", 0}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct tiny y;
        tiny_open(&y, ctx, &(struct tiny_options){.pre = kinds[k], .pieces = pieces});
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            glim_token_list list = {.ctx = ctx};
            glim_error err = {0};
            char want[32];
            snprintf(want, sizeof want, "at byte %d", cases[i].at);
            assert_int_equal(glim__tokenize(y.t, &list, cases[i].text, strlen(cases[i].text), 0,
                                            true, false, &err),
                             GLIM_EFORMAT);
            assert_contains(err.message, want);
            glim__token_list_release(&list);
        }
        tiny_close(&y);
    }
}

/* A million bytes of one kind: no stack runs out, no work grows with the square. */
static void a_megabyte_of_anything_is_tokenised(void **state) {
    enum { N = 1 << 20 };
    static const char *const three[] = {"gpt-2", "qwen2", NULL};
    static const char *const parts[] = {
        "a",  " ", "\n",        "hello world, ",    "\xe4\xb8\xad", "a\n  \t", "\xf0\x9f\x98\x80",
        "'s", "1", "e\xcc\x81", "\xcc\x81\xcc\x96", /* marks out of order */
        "<",  "!"};
    char *text = malloc(N);
    for (size_t k = 0; k < sizeof three / sizeof *three; k++) {
        struct tiny y;
        tiny_open(&y, ctx,
                  &(struct tiny_options){
                      .pre = three[k], .pieces = pieces, .merges = merges, .no_prefix = true});
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            size_t len = strlen(parts[i]), n = N / len * len;
            for (size_t at = 0; at < n; at += len)
                memcpy(text + at, parts[i], len);
            glim_token_list list = tiny_tokens(&y, text, n, false);
            check_cover(list.at, list.count, n, parts[i]);
            glim__token_list_release(&list);
        }
        tiny_close(&y);
    }
    free(text);
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
        cmocka_unit_test(texts_are_split_as_published_for_every_name),
        cmocka_unit_test(an_unknown_pretokenizer_is_refused_by_name),
        cmocka_unit_test(long_runs_are_split_by_every_name),
        cmocka_unit_test(merges_go_by_rank_and_stay_inside_pieces),
        cmocka_unit_test(merges_may_be_long),
        cmocka_unit_test(special_tokens_of_every_length_are_found),
        cmocka_unit_test(whole_pieces_are_taken_without_merges_where_the_model_does),
        cmocka_unit_test(digits_are_taken_as_the_name_says),
        cmocka_unit_test(qwen_composes_and_keeps_the_source_spans),
        cmocka_unit_test(composing_follows_unicode),
        cmocka_unit_test(control_tokens_in_a_text_are_text_unless_asked),
        cmocka_unit_test(scored_pieces_merge_best_first_with_a_space_before),
        cmocka_unit_test(what_is_no_piece_becomes_bytes_or_the_unknown_token),
        cmocka_unit_test(spans_cover_every_text_and_bytes_give_it_back),
        cmocka_unit_test(an_empty_text_has_no_tokens),
        cmocka_unit_test(invalid_utf8_is_refused_at_its_byte),
        cmocka_unit_test(a_megabyte_of_anything_is_tokenised),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
