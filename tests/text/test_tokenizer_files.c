/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of model directories one by one: what stands beside the vocabulary,
 * files that are broken, memory that is refused, texts that are long.
 */
#include "text-testing.h"

#include "text/pipeline.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN GLIM_TESTS "/golden/text/json"

static glim_context *ctx;
static char dir[64];

static void put_file(const char *name, const char *text, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put_text(const char *name, const char *text) {
    put_file(name, text, strlen(text));
}

static void clear_dir(void) {
    char path[512];
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
}

static glim_tokenizer *open_dir(const char *model_type) {
    glim_tokenizer *t;
    glim_error err = {0};
    if (glim__tokenizer_open_dir(&t, ctx, dir, model_type, &err))
        fail_msg("%s", err.message);
    return t;
}

static void check_ids(const glim_tokenizer *t, const char *text, bool specials, const int32_t *ids,
                      size_t n) {
    glim_token_list list = {.ctx = ctx};
    glim_error err = {0};
    if (glim__tokenize(t, &list, text, strlen(text), 0, true, specials, &err))
        fail_msg("%s", err.message);
    bool same = list.count == n;
    for (size_t i = 0; i < n && same; i++)
        same = list.at[i].id == ids[i];
    for (size_t i = 0; i < list.count && !same; i++)
        print_message("%d ", list.at[i].id);
    if (!same)
        fail_msg("other tokens of '%s'", text);
    glim__token_list_release(&list);
}
#define CHECK(t, text, specials, ...)                                                              \
    check_ids(t, text, specials, (const int32_t[]){__VA_ARGS__},                                   \
              sizeof(const int32_t[]){__VA_ARGS__} / sizeof(int32_t))

#define VOCAB "\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"<s>\": 3, \"</s>\": 4, \"c\": 5}"
#define SPECIAL(id, text)                                                                          \
    "{\"id\": " #id ", \"content\": \"" text "\", \"special\": true, \"normalized\": false}"
#define SMALL(more, model)                                                                         \
    "{\"added_tokens\": [" SPECIAL(3, "<s>") ", " SPECIAL(4, "</s>") ", " SPECIAL(                 \
        6, "<|im_end|>") "], " more "\"model\": {\"type\": \"BPE\", " VOCAB model "}}"
#define MERGES ", \"merges\": [\"a b\"]"

/* ---- beside the vocabulary ---- */

static void files_beside_say_what_the_special_tokens_are(void **state) {
    clear_dir();
    put_text("tokenizer.json", SMALL("", MERGES));
    put_text("tokenizer_config.json",
             "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\"}, "
             "\"add_bos_token\": true, \"add_eos_token\": false, \"chat_template\": "
             "[{\"name\": \"tool\", \"template\": \"x\"}, {\"name\": \"default\", \"template\": "
             "\"<|im_start|>\"}]}");
    put_text("special_tokens_map.json", "{\"pad_token\": \"</s>\", \"bos_token\": \"</s>\"}");
    put_text("generation_config.json", "{\"eos_token_id\": [4, 5, 99]}");
    glim_tokenizer *t = open_dir(NULL);
    const glim_tokenizer_info *info = glim__tokenizer_info(t);
    assert_int_equal(info->vocab, 7);
    assert_int_equal(info->bos, 3);
    assert_int_equal(info->eos, 4);
    assert_int_equal(info->pad, 4);
    assert_int_equal(info->unk, -1);
    assert_true(info->add_bos && !info->add_eos);
    assert_string_equal(info->chat_template, "<|im_start|>");
    assert_true(glim__token_ends(t, 4) && glim__token_ends(t, 5) && glim__token_ends(t, 6));
    assert_false(glim__token_ends(t, 3) || glim__token_ends(t, 0));
    assert_true(glim__token_is_control(t, 6) && !glim__token_is_control(t, 2));
    assert_int_equal(glim__token_by_name(t, "<|im_end|>"), 6);
    assert_int_equal(glim__token_by_bytes(t, "ab", 2), 2);
    CHECK(t, "ab<s>a", true, 2, 3, 0);
    glim_tokens *tokens;
    assert_int_equal(glim__tokens_from_text(&tokens, t, "abc", 3, NULL), GLIM_OK);
    assert_int_equal(tokens->count, 3);
    assert_int_equal(tokens->at[0].id, 3);
    assert_int_equal(tokens->at[0].kind, GLIM_TOKEN_SPECIAL);
    glim_tokens_free(tokens);
    glim__tokenizer_close(t);
    put_text("chat_template.jinja", "from its own file");
    t = open_dir(NULL);
    assert_string_equal(glim__tokenizer_info(t)->chat_template, "from its own file");
    glim__tokenizer_close(t);
}

/* A user's text never becomes a control token, however the model would look it up. */
static void control_tokens_stay_text_for_every_model(void **state) {
    clear_dir();
    put_text("tokenizer.json", SMALL("", ", \"ignore_merges\": true, \"merges\": [\"a b\"], "
                                         "\"unk_token\": \"c\""));
    glim_tokenizer *t = open_dir(NULL);
    CHECK(t, "<s>", false, 5, 5, 5);
    CHECK(t, "<s>", true, 3);
    glim__tokenizer_close(t);
    put_text("tokenizer.json",
             "{\"added_tokens\": [" SPECIAL(1, "ab") "], \"model\": {\"type\": \"Unigram\", "
                                                     "\"unk_id\": 0, \"vocab\": [[\"?\", 0], "
                                                     "[\"ab\", 5], [\"a\", -1], [\"b\", -1e0]]}}");
    t = open_dir(NULL);
    CHECK(t, "ab", false, 2, 3);
    CHECK(t, "abb", true, 1, 3);
    glim__tokenizer_close(t);
}

static void whole_words_are_taken_without_merges_where_the_model_says_so(void **state) {
#define WHOLE(yes)                                                                                 \
    "{\"model\": {\"type\": \"BPE\", \"ignore_merges\": " yes                                      \
    ", \"vocab\": {\"a\": 0, \"b\": 1, \"ba\": 2}, \"merges\": []}}"
    clear_dir();
    put_text("tokenizer.json", WHOLE("true"));
    glim_tokenizer *t = open_dir(NULL);
    CHECK(t, "ba", false, 2);
    CHECK(t, "bab", false, 1, 0, 1);
    glim__tokenizer_close(t);
    put_text("tokenizer.json", WHOLE("false"));
    t = open_dir(NULL);
    CHECK(t, "ba", false, 1, 0);
    glim__tokenizer_close(t);
}

static void a_chat_lets_tokens_swallow_the_spaces_that_they_would(void **state) {
    static const glim_message talk[] = {{"user", "ab", 2}};
    const glim_chat_template *form;
    glim_tokens *tokens;
    glim_error err = {0};
    clear_dir();
    put_text(
        "tokenizer.json",
        "{\"added_tokens\": [{\"id\": 7, \"content\": \"<|user|>\", \"special\": true, "
        "\"rstrip\": true}, {\"id\": 8, \"content\": \"<|end|>\", \"special\": true, "
        "\"rstrip\": true}, {\"id\": 9, \"content\": \"<|assistant|>\", \"special\": true, "
        "\"rstrip\": true}], \"model\": {\"type\": \"BPE\", \"unk_token\": \"c\", " VOCAB MERGES
        "}}");
    glim_tokenizer *t = open_dir(NULL);
    assert_int_equal(glim__chat_template_find(&form, ctx, "phi3", glim__tokenizer_info(t), &err),
                     GLIM_OK);
    assert_int_equal(glim__tokens_from_chat(&tokens, t, form, talk, 1, &err), GLIM_OK);
    static const int32_t want[] = {7, 2, 8, 9};
    assert_int_equal(tokens->count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(tokens->at[i].id, want[i]);
    assert_true(tokens->at[1].kind == GLIM_TOKEN_TEXT && tokens->at[1].end == 2);
    glim_tokens_free(tokens);
    glim__tokenizer_close(t);
}

static void a_pair_is_two_turns_of_one_source(void **state) {
    glim_tokens *tokens;
    uint8_t types[8];
    clear_dir();
    put_text("tokenizer.json",
             SMALL("\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"</s>\", 4], "
                   "\"cls\": [\"<s>\", 3]}, ",
                   MERGES));
    glim_tokenizer *t = open_dir(NULL);
    assert_int_equal(glim__tokens_from_pair(&tokens, t, "ab", 2, "cab", 3, NULL), GLIM_OK);
    static const int32_t want[] = {3, 2, 4, 5, 2, 4}, turns[] = {-1, 0, -1, 1, 1, -1};
    static const size_t starts[] = {0, 0, 2, 3, 4, 6};
    assert_string_equal(tokens->text, "ab\ncab");
    assert_int_equal(tokens->count, 6);
    glim__token_types(t, tokens, types);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(tokens->at[i].id, want[i]);
        assert_int_equal(tokens->at[i].turn, turns[i]);
        assert_int_equal(tokens->at[i].start, starts[i]);
        assert_int_equal(types[i], i > 2);
    }
    glim_units units;
    assert_int_equal(glim_units_make(&units, tokens, GLIM_UNIT_TURN, NULL), GLIM_OK);
    assert_int_equal(units.count, 5);
    glim_units_free(&units);
    glim_tokens_free(tokens);
    glim__tokenizer_close(t);
}

static void bytes_of_tokens_are_those_of_the_text(void **state) {
    clear_dir();
    put_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nplay\n##ing\n,\n");
    glim_tokenizer *t = open_dir("bert");
    glim_gguf_string s = glim__token_bytes(t, 6);
    assert_true(s.len == 3 && !memcmp(s.data, "ing", 3));
    assert_int_equal(glim__token_by_bytes(t, " play", 5), 5);
    assert_int_equal(glim__token_by_bytes(t, "play", 4), 5);
    assert_int_equal(glim__tokenizer_info(t)->mask, 4);
    CHECK(t, "Pl\xc3\xa1ying, Play", false, 5, 6, 7, 5);
    CHECK(t, "player", false, 1);
    glim__tokenizer_close(t);
    clear_dir();
    put_text(
        "tokenizer.json",
        "{\"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"unk_token\": \"<unk>\", "
        "\"vocab\": {\"<unk>\": 0, \"<0xE4>\": 1, \"<0xB8>\": 2, \"<0xAD>\": 3, \"\xe2\x96\x81\": "
        "4, "
        "\"a\": 5, \"\xe2\x96\x81"
        "a\": 6}, \"merges\": [[\"\xe2\x96\x81\", \"a\"]]}, "
        "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": "
        "\"\xe2\x96\x81\"}}");
    t = open_dir(NULL);
    CHECK(t, " a\xe4\xb8\xad", false, 6, 1, 2, 3);
    s = glim__token_bytes(t, 6);
    assert_true(s.len == 2 && !memcmp(s.data, " a", 2));
    s = glim__token_bytes(t, 1);
    assert_true(s.len == 1 && (uint8_t)s.data[0] == 0xe4);
    glim__tokenizer_close(t);
}

static void check_masked(const glim_tokenizer *t, const char *text, bool masked, const int32_t *ids,
                         size_t n) {
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    glim_status status = masked ? glim__tokens_from_masked(&tokens, t, text, strlen(text), &err)
                                : glim__tokens_from_text(&tokens, t, text, strlen(text), &err);
    if (status)
        fail_msg("%s", err.message);
    size_t masks = 0;
    assert_int_equal(tokens->count, n);
    for (size_t i = 0; i < n; i++) {
        const glim_token *x = &tokens->at[i];
        assert_int_equal(x->id, ids[i]);
        if (x->kind != GLIM_TOKEN_TEMPLATE)
            continue;
        masks++;
        assert_int_equal(x->id, glim__tokenizer_info(t)->mask);
        glim_gguf_string name = glim__token_bytes(t, x->id);
        assert_int_equal(x->end - x->start, name.len);
        assert_memory_equal(text + x->start, name.data, name.len);
    }
    assert_int_equal(masks > 0, masked);
    glim_tokens_free(tokens);
}
#define MASKED(t, text, masked, ...)                                                               \
    check_masked(t, text, masked, (const int32_t[]){__VA_ARGS__},                                  \
                 sizeof(const int32_t[]){__VA_ARGS__} / sizeof(int32_t))

/* A text may hold the mask only where it is asked to; <mask> takes the space before it. */
static void the_name_of_the_mask_is_the_mask_where_words_are_masked(void **state) {
    clear_dir();
    put_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nplay\n##ing\n,\nmask\n[\n]\n");
    glim_tokenizer *t = open_dir("bert");
    MASKED(t, "Play [MASK], playing", true, 2, 5, 4, 7, 5, 6, 3);
    MASKED(t, "[MASK][MASK] play", true, 2, 4, 4, 5, 3);
    MASKED(t, "play [MASK]", true, 2, 5, 4, 3);
    MASKED(t, "play [MASK]", false, 2, 5, 9, 8, 10, 3);
    glim__tokenizer_close(t);
    clear_dir();
    put_text("tokenizer.json",
             "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"\xc4\xa0\": 1, \"b\": 2, "
             "\"<mask>\": 3}, \"merges\": []}, \"added_tokens\": [{\"id\": 3, \"content\": "
             "\"<mask>\", \"special\": true, \"normalized\": false, \"lstrip\": true}], "
             "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}}");
    t = open_dir(NULL);
    MASKED(t, "a <mask> b", true, 0, 3, 1, 2);
    MASKED(t, "<mask>b", true, 3, 2);
    glim__tokenizer_close(t);
}

/* GLM's own lists: ids of names behind the pieces, and the two tokens in front. */
static void the_lists_of_glm_get_their_names_and_their_beginning(void **state) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[1 << 13];
    size_t n = 0;
    clear_dir();
    for (unsigned i = 0; i < 256; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%c%c== %u\n", alphabet[i >> 2],
                              alphabet[(i & 3) << 4], i);
    n += (size_t)snprintf(text + n, sizeof text - n, "YWI= 256\n"); /* "ab" */
    put_file("tokenizer.model", text, n);
    glim_tokenizer *t = open_dir("chatglm");
    CHECK(t, "ab c<|user|>a", true, 256, ' ', 'c', 264, 'a');
    CHECK(t, "ab", false, 256);
    assert_int_equal(glim__token_by_name(t, "[gMASK]"), 259);
    assert_true(glim__token_ends(t, 257) && glim__token_ends(t, 264) && glim__token_ends(t, 266));
    glim_tokens *tokens;
    assert_int_equal(glim__tokens_from_text(&tokens, t, "a", 1, NULL), GLIM_OK);
    assert_int_equal(tokens->count, 3);
    assert_int_equal(tokens->at[0].id, 259);
    assert_int_equal(tokens->at[1].id, 261); /* <sop> */
    glim_tokens_free(tokens);
    glim__tokenizer_close(t);
}

/* ---- broken files ---- */

static void broken_files_are_refused_with_their_reason(void **state) {
#define M(rest)    "{\"model\": {\"type\": \"BPE\", " rest "}}"
#define WITH(part) "{" part ", \"model\": {\"type\": \"BPE\", " VOCAB MERGES "}}"
    static const struct {
        const char *text;
        glim_status status;
        const char *says;
    } cases[] = {
        {"", GLIM_EFORMAT, "expected an object"},
        {"[]", GLIM_EFORMAT, "expected an object"},
        {"{}", GLIM_EFORMAT, "no 'model'"},
        {"{\"model\": {}}", GLIM_EUNSUPPORTED, "without a type"},
        {M(VOCAB MERGES) "x", GLIM_EFORMAT, "the end of the file"},
        {"{\"model\": {\"type\": \"WordLevel\", " VOCAB "}}", GLIM_EUNSUPPORTED, "WordLevel"},
        {M("\"vocab\": {}, \"merges\": []"), GLIM_EFORMAT, "empty"},
        {M(VOCAB), GLIM_EFORMAT, "no merges"},
        {M("\"merges\": []"), GLIM_EFORMAT, "no vocab"},
        {M("\"vocab\": [1], \"merges\": []"), GLIM_EFORMAT, "an object"},
        {M("\"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []"), GLIM_EFORMAT, "the id 0"},
        {M("\"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []"), GLIM_EFORMAT, "'a' twice"},
        {M("\"vocab\": {\"a\": -1}, \"merges\": []"), GLIM_EFORMAT, "a token's number"},
        {M("\"vocab\": {\"a\": 1.5}, \"merges\": []"), GLIM_EFORMAT, "a token's number"},
        {M("\"vocab\": {\"a\": 4294967296}, \"merges\": []"), GLIM_EFORMAT, "a token's number"},
        {M("\"vocab\": {\"a\": 2000000000}, \"merges\": []"), GLIM_ELIMIT, "2000000000"},
        {M("\"vocab\": {\"a\": 0,}, \"merges\": []"), GLIM_EFORMAT, "a value"},
        {M("\"vocab\": {\"\\ud800\": 0}, \"merges\": []"), GLIM_EFORMAT, "a valid escape"},
        {M("\"vocab\": {\"\\udc00\\udc00\": 0}, \"merges\": []"), GLIM_EFORMAT, "a valid escape"},
        {M("\"vocab\": {\"\\ud800\\u0041\": 0}, \"merges\": []"), GLIM_EFORMAT, "a valid escape"},
        {M("\"vocab\": {\"\\u00g0\": 0}, \"merges\": []"), GLIM_EFORMAT, "a valid escape"},
        {M("\"vocab\": {\"a\tb\": 0}, \"merges\": []"), GLIM_EFORMAT, "control character"},
        {M(VOCAB ", \"merges\": [\"ab\"]"), GLIM_EFORMAT, "merge 0 has no space"},
        {M(VOCAB ", \"merges\": [\"a b\", \"a d\"]"), GLIM_EFORMAT, "merge 1 names 'd'"},
        {M(VOCAB ", \"merges\": [\"b a\"]"), GLIM_EFORMAT, "names 'ba'"},
        {M(VOCAB ", \"merges\": [[\"a\"]]"), GLIM_EFORMAT, "expected"},
        {M(VOCAB MERGES ", \"unk_token\": \"?\""), GLIM_EFORMAT, "'?' is not in"},
        {M(VOCAB MERGES ", \"dropout\": 0.1"), GLIM_EUNSUPPORTED, "dropout"},
        {M(VOCAB MERGES ", \"vocab\": {}"), GLIM_EFORMAT, "'vocab' twice"},
        {M(VOCAB MERGES) "}", GLIM_EFORMAT, "the end of the file"},
        {"{\"model\": {\"type\": \"BPE\"}, \"model\": {}}", GLIM_EFORMAT, "'model' twice"},
        {WITH("\"normalizer\": {\"type\": \"Nmt\"}"), GLIM_EUNSUPPORTED, "normalizer 'Nmt'"},
        {WITH("\"normalizer\": {\"type\": \"Sequence\"}"), GLIM_EFORMAT, "no normalizers"},
        {WITH("\"normalizer\": {\"type\": \"Prepend\"}"), GLIM_EFORMAT, "'prepend'"},
        {WITH("\"normalizer\": 3"), GLIM_EFORMAT, "no type"},
        {WITH("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"!\"}"),
         GLIM_EFORMAT, "base64"},
        {WITH(
             "\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"/////w==\"}"),
         GLIM_EFORMAT, "broken"},
        {WITH("\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}"), GLIM_EUNSUPPORTED,
         "pre_tokenizer 'UnicodeScripts'"},
        {WITH("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}}"),
         GLIM_EUNSUPPORTED, "'('"},
        {WITH("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"[a&&b]\"}}"),
         GLIM_EUNSUPPORTED, "a class"},
        {WITH("\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\"}"), GLIM_EFORMAT,
         "no pattern"},
        {WITH("\"pre_tokenizer\": {\"type\": \"Punctuation\", \"behavior\": \"Odd\"}"),
         GLIM_EUNSUPPORTED, "Odd"},
        {WITH("\"post_processor\": {\"type\": \"Odd\"}"), GLIM_EUNSUPPORTED,
         "post_processor 'Odd'"},
        {WITH("\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"x\", 9], \"cls\": "
              "[\"x\", 1]}"),
         GLIM_EFORMAT, "'sep'"},
        {WITH("\"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"x\", 1]}"),
         GLIM_EFORMAT, "'cls'"},
        {WITH("\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": "
              "[{\"SpecialToken\": {\"id\": \"x\", \"type_id\": 0}}]}"),
         GLIM_EFORMAT, "'x'"},
        {WITH("\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [3]}"),
         GLIM_EFORMAT, "part 0"},
        {WITH("\"added_tokens\": [{\"content\": \"x\"}]"), GLIM_EFORMAT, "added token 0"},
        {WITH("\"added_tokens\": [{\"id\": 1, \"content\": \"x\"}]"), GLIM_EFORMAT, "the id 1"},
        {WITH("\"added_tokens\": [{\"id\": 1e3, \"content\": \"x\"}]"), GLIM_EFORMAT,
         "added token"},
        {WITH("\"added_tokens\": [{\"id\": 900000, \"content\": \"x\"}]"), GLIM_ELIMIT, "900000"},
        {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": [[\"a\", 0]]}}",
         GLIM_EFORMAT, "unk_id 1"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", x]]}}", GLIM_EFORMAT, "a number"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 1e999]]}}", GLIM_EFORMAT,
         "a number"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0, 1]]}}", GLIM_EFORMAT, "']'"},
        {"{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"u\", \"vocab\": {\"a\": 0}}}",
         GLIM_EFORMAT, "'u' is not in"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_tokenizer *t;
        glim_error err = {0};
        clear_dir();
        put_text("tokenizer.json", cases[i].text);
        glim_status status = glim__tokenizer_open_dir(&t, ctx, dir, NULL, &err);
        if (status != cases[i].status || t)
            fail_msg("case %zu, %s: status %d: %s", i, cases[i].text, status, err.message);
        assert_contains(err.message, cases[i].says);
        assert_int_equal(glim_context_bytes(ctx), 0);
    }
}

static void deep_nesting_and_bad_utf8_are_refused(void **state) {
    char text[4096] = "{\"normalizer\": ";
    glim_tokenizer *t;
    glim_error err = {0};
    size_t n = strlen(text);
    memset(text + n, '[', 1000);
    memset(text + n + 1000, ']', 1000);
    strcpy(text + n + 2000, "}");
    clear_dir();
    put_text("tokenizer.json", text);
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "nests deeper");
    put_text("tokenizer.json", "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"\xff\": 0}}}");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "UTF-8");
}

static void directories_without_a_tokenizer_say_what_is_missing(void **state) {
    glim_tokenizer *t;
    glim_error err = {0};
    clear_dir();
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, NULL, &err), GLIM_EIO);
    assert_contains(err.message, "expected tokenizer.json");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, "/nowhere/at/all", NULL, &err), GLIM_EIO);
    assert_contains(err.message, "/nowhere/at/all");
    put_text("vocab.json", "{\"a\": 0}");
    put_text("merges.txt", "#version: 0.2\n");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, "unheard-of", &err), GLIM_EUNSUPPORTED);
    assert_contains(err.message, "unheard-of");
    clear_dir();
    put_text("spiece.model", "\nno protobuf");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, "t5", &err), GLIM_EFORMAT);
    assert_contains(err.message, "spiece.model");
    put_text("spiece.model", "bm8= zero\n");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, "t5", &err), GLIM_EFORMAT);
    put_text("spiece.model", "");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, "t5", &err), GLIM_EFORMAT);
    put_text("tokenizer.json", SMALL("", MERGES));
    put_text("tokenizer_config.json", "[]");
    assert_int_equal(glim__tokenizer_open_dir(&t, ctx, dir, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "tokenizer_config.json");
}

/* ---- memory and time ---- */

static glim_status open_and_use(const char *name, const char *model_type, glim_error *err) {
    static const char text[] =
        "The caf\xc3\xa9, e\xcc\x81\xcc\xa3 \xe4\xb8\xad\xe5\x9b\xbd \xef\xac\x81 12 <mask>!\n";
    char path[512];
    glim_tokenizer *t;
    glim_tokens *tokens = NULL;
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    glim_status status = glim__tokenizer_open_dir(&t, ctx, path, model_type, err);
    if (!status)
        status = glim__tokens_from_pair(&tokens, t, text, sizeof text - 1, "b", 1, err);
    glim_tokens_free(tokens);
    glim__tokenizer_close(t);
    return status;
}

typedef void each_fn(const char *name, const char *model_type);

static void each_directory(each_fn *fn) {
    DIR *d = opendir(GOLDEN);
    size_t n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (strchr(e->d_name, '.'))
            continue;
        const char *type = !strncmp(e->d_name, "files-", 6) ? e->d_name + 6 : "mt5";
        fn(e->d_name, strstr(e->d_name, "marian") ? "marian" : type);
        n++;
    }
    closedir(d);
    assert_true(n >= 40);
}

static void refuse_all(const char *name, const char *model_type) {
    for (uint64_t nth = 1;; nth++) {
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = open_and_use(name, model_type, &err);
        glim__fail_allocation(ctx, 0);
        assert_int_equal(glim_context_bytes(ctx), 0);
        if (!status)
            break;
        if (status != GLIM_ENOMEM)
            fail_msg("%s: allocation %d refused: status %d: %s", name, (int)nth, status,
                     err.message);
        assert_true(nth < 5000);
    }
}

static void any_refused_allocation_is_an_error_without_leaks(void **state) {
    each_directory(refuse_all);
}

static void tokenise_long(const char *name, const char *model_type) {
    enum { N = 1 << 17 };
    static const char *const parts[] = {"a",
                                        " ",
                                        "\n",
                                        "hello world, ",
                                        "\xe4\xb8\xad",
                                        "a\n  \t",
                                        "\xf0\x9f\x98\x80",
                                        "'s",
                                        "1",
                                        "e\xcc\x81",
                                        "<",
                                        "!",
                                        "\xcc\x81\xcc\xa3",
                                        "<mask> [MASK]",
                                        "\xef\xac\x81",
                                        "\xea\xb0\x81",
                                        "\r\n",
                                        "\xe2\x96\x81"};
    char path[512], *text = malloc(N);
    glim_tokenizer *t;
    glim_error err = {0};
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    if (glim__tokenizer_open_dir(&t, ctx, path, model_type, &err))
        fail_msg("%s: %s", name, err.message);
    double began = glim__seconds();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t len = strlen(parts[i]), n = N / len * len, last = 0;
        for (size_t at = 0; at < n; at += len)
            memcpy(text + at, parts[i], len);
        glim_token_list list = {.ctx = ctx};
        if (glim__tokenize(t, &list, text, n, 0, true, true, &err))
            fail_msg("%s: '%s': %s", name, parts[i], err.message);
        for (size_t k = 0; k < list.count; k++) {
            assert_true(list.at[k].end >= last && list.at[k].end <= n);
            last = list.at[k].end;
        }
        glim__token_list_release(&list);
    }
    double took = glim__seconds() - began; /* a square of N would be hours */
    if (took > 60)
        fail_msg("%s: %.1f s for 18 texts of 128 KiB", name, took);
    glim__tokenizer_close(t);
    free(text);
}

static void long_runs_of_anything_are_tokenised(void **state) {
    each_directory(tokenise_long);
}

static int set_up(void **state) {
    ctx = make_context(1, 0);
    strcpy(dir, "/tmp/glim-tokenizer-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state) {
    clear_dir();
    rmdir(dir);
    end_context(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_beside_say_what_the_special_tokens_are),
        cmocka_unit_test(control_tokens_stay_text_for_every_model),
        cmocka_unit_test(whole_words_are_taken_without_merges_where_the_model_says_so),
        cmocka_unit_test(a_chat_lets_tokens_swallow_the_spaces_that_they_would),
        cmocka_unit_test(a_pair_is_two_turns_of_one_source),
        cmocka_unit_test(bytes_of_tokens_are_those_of_the_text),
        cmocka_unit_test(the_name_of_the_mask_is_the_mask_where_words_are_masked),
        cmocka_unit_test(the_lists_of_glm_get_their_names_and_their_beginning),
        cmocka_unit_test(broken_files_are_refused_with_their_reason),
        cmocka_unit_test(deep_nesting_and_bad_utf8_are_refused),
        cmocka_unit_test(directories_without_a_tokenizer_say_what_is_missing),
        cmocka_unit_test(any_refused_allocation_is_an_error_without_leaks),
        cmocka_unit_test(long_runs_of_anything_are_tokenised),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
