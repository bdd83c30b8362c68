/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units: words, sentences and turns of English and Chinese, and characters that
 * are never parted, whatever the tokenizer makes of them.
 */
#include "text-testing.h"

static glim_context *ctx;

static const char *const pieces[] = {"\xe4\xb8\xad", "a", "b", "\xe2\x96\x81", NULL};

/* Tokens of a text by a byte-level or scored tokenizer that knows next to no
   merge, so that the parts are as small as they get. */
static glim_tokens *tokens_of(struct tiny *y, const char *pre, const char *text) {
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    tiny_open(y, ctx, &(struct tiny_options){.pre = pre, .pieces = pieces, .no_prefix = true});
    if (glim__tokens_from_text(&tokens, y->t, text, strlen(text), &err))
        fail_msg("%s", err.message);
    return tokens;
}

static bool inside_character(const char *text, size_t at) {
    return ((unsigned char)text[at] & 0xc0) == 0x80;
}

/* Units follow each other without gap or overlap, tokens as well as bytes, and
   no boundary lies within a character. */
static void check_units(const glim_units *u, const glim_tokens *tokens) {
    size_t byte = 0, token = 0;
    for (size_t i = 0; i < u->count; i++) {
        const glim_unit *unit = &u->at[i];
        assert_int_equal(unit->first, token);
        assert_true(unit->count > 0);
        token += unit->count;
        if (unit->fixed) {
            assert_int_equal(unit->count, 1);
            continue;
        }
        if (unit->start != byte || unit->end < unit->start)
            fail_msg("'%s': unit %zu has the bytes %zu to %zu after %zu", tokens->text, i,
                     unit->start, unit->end, byte);
        if (inside_character(tokens->text, unit->start) ||
            inside_character(tokens->text, unit->end))
            fail_msg("'%s': unit %zu parts a character", tokens->text, i);
        byte = unit->end;
    }
    assert_int_equal(token, tokens->count);
    assert_int_equal(byte, tokens->text_len);
}

/* `want` is the units with | between. */
static void check_text(const char *pre, const char *text, glim_unit_kind kind, const char *want) {
    struct tiny y;
    glim_units units;
    glim_error err = {0};
    glim_tokens *tokens = tokens_of(&y, pre, text);
    char got[512] = "";
    size_t n = 0;
    if (glim_units_make(&units, tokens, kind, &err))
        fail_msg("%s", err.message);
    check_units(&units, tokens);
    for (size_t i = 0; i < units.count; i++) {
        const glim_unit *u = &units.at[i];
        if (!u->fixed)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", n ? "|" : "",
                                  (int)(u->end - u->start), text + u->start);
    }
    if (want && strcmp(got, want))
        fail_msg("'%s' has the units\n'%s'\nand not\n'%s'", text, got, want);
    glim_units_free(&units);
    glim_tokens_free(tokens);
    tiny_close(&y);
}

static void both(const char *text, glim_unit_kind kind, const char *want) {
    check_text("gpt-2", text, kind, want);
    check_text(NULL, text, kind, want);
}

static void words_take_their_space_and_leave_marks_alone(void **state) {
    both("The quick brown fox.", GLIM_UNIT_WORD, "The| quick| brown| fox|.");
    both("can't won't", GLIM_UNIT_WORD, "can't| won't");
    both("3.14 and 1,000", GLIM_UNIT_WORD, "3.14| and| 1,000");
    both("say \"yes\"!", GLIM_UNIT_WORD, "say| \"|yes|\"|!");
    both("x", GLIM_UNIT_WORD, "x");
    both("a  b\n    c ", GLIM_UNIT_WORD, "a|  b|\n|    c| ");
    both("na\xc3\xafve caf\xc3\xa9", GLIM_UNIT_WORD, "na\xc3\xafve| caf\xc3\xa9");
}

static void chinese_words_hold_whole_characters(void **state) {
#ifdef GLIM_WITH_ICU
    both("我们喜欢北京", GLIM_UNIT_WORD, "我们|喜欢|北京");
    both("今天天气很好，去公园。", GLIM_UNIT_WORD, "今天|天气|很好|，|去|公园|。");
#endif
    both("中文 English 中文", GLIM_UNIT_WORD, NULL);
}

static void sentences_end_where_people_end_them(void **state) {
    both("One here. Two here! Three?", GLIM_UNIT_SENTENCE, "One here.| Two here!| Three?");
    both("It costs 3.50 today. Buy it.", GLIM_UNIT_SENTENCE, "It costs 3.50 today.| Buy it.");
    both("We use e.g. apples and pears. Good.", GLIM_UNIT_SENTENCE,
         "We use e.g. apples and pears.| Good.");
    both("He said \"Stop.\" She stopped.", GLIM_UNIT_SENTENCE, "He said \"Stop.\"| She stopped.");
    both("Dr. Smith met Mr. and Mrs. Jones vs. the State. End.", GLIM_UNIT_SENTENCE,
         "Dr. Smith met Mr. and Mrs. Jones vs. the State.| End.");
    both("A. B. Smith left the U.S. Army. The U.S. He went on.", GLIM_UNIT_SENTENCE,
         "A. B. Smith left the U.S. Army.| The U.S.| He went on.");
    both("See p. 5 and Fig. 3. It is No. 7. No. Stop.", GLIM_UNIT_SENTENCE,
         "See p. 5 and Fig. 3.| It is No. 7.| No.| Stop.");
    both("Wait... what? Yes \xe2\x80\xa6 no. Ok...", GLIM_UNIT_SENTENCE,
         "Wait... what?| Yes \xe2\x80\xa6 no.| Ok...");
    both("See https://a.org/x.html?y=1. Then go!", GLIM_UNIT_SENTENCE,
         "See https://a.org/x.html?y=1.| Then go!");
    both("\"Why?\" she asked. (Really?) Yes.", GLIM_UNIT_SENTENCE,
         "\"Why?\" she asked.| (Really?)| Yes.");
    both("1. One thing. 2. Another.", GLIM_UNIT_SENTENCE, "1. One thing.| 2. Another.");
    both("No end", GLIM_UNIT_SENTENCE, "No end");
    both(" Spaces around ", GLIM_UNIT_SENTENCE, " Spaces around ");
    both("line one\nline two", GLIM_UNIT_SENTENCE, "line one\n|line two");
}

static void chinese_sentences_keep_their_closing_marks(void **state) {
    both("你好。再见！走吗？好", GLIM_UNIT_SENTENCE, "你好。|再见！|走吗？|好");
    both("他说：“你好！”然后走了。", GLIM_UNIT_SENTENCE, "他说：“你好！”|然后走了。");
    both("真的吗？！是的……好。", GLIM_UNIT_SENTENCE, "真的吗？！|是的……|好。");
    both("第一行\n第二行。", GLIM_UNIT_SENTENCE, "第一行\n|第二行。");
    both("「好。」「不。」…完", GLIM_UNIT_SENTENCE, "「好。」|「不。」|…完");
    both("你好。Hello there. 再见。用e.g.这个。", GLIM_UNIT_SENTENCE,
         "你好。|Hello there.| 再见。|用e.g.这个。");
    both("一；二。\n\n三。", GLIM_UNIT_SENTENCE, "一；|二。\n\n|三。");
    both("我有3.5元。够吗？", GLIM_UNIT_SENTENCE, "我有3.5元。|够吗？");
}

/* Byte-level and byte-fallback tokenizers cut these into single bytes. */
static void characters_are_never_parted(void **state) {
    both("中文字", GLIM_UNIT_TOKEN, "中|文|字");
    both("a😀b", GLIM_UNIT_TOKEN, "a|😀|b");
    both("👩‍👩‍👧", GLIM_UNIT_TOKEN, "👩‍👩‍👧"); /* three people joined */
    both("👍🏽!", GLIM_UNIT_TOKEN, "👍🏽|!");                  /* with a skin tone */
    both("🇫🇷🇨🇳", GLIM_UNIT_TOKEN, "🇫🇷|🇨🇳");             /* letters in pairs are flags */
    both("e\xcc\x81z", GLIM_UNIT_TOKEN, "e\xcc\x81|z"); /* a combining acute */
    both("\r\nx", GLIM_UNIT_TOKEN, "\r\n|x");
    both("\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\x95", GLIM_UNIT_TOKEN,
         "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7|\xe0\xa4\x95"); /* a Hindi conjunct */
    both("\xf0\xa0\xae\xb7", GLIM_UNIT_WORD, "\xf0\xa0\xae\xb7");
}

/* What tokens can part, they part; what they hold together stays one unit. */
static void units_of_characters_are_whole_graphemes(void **state) {
    both("中文字", GLIM_UNIT_CHARACTER, "中|文|字"); /* the last two in parts of tokens */
    both("a😀b", GLIM_UNIT_CHARACTER, "a|😀|b");
    both("👩‍👩‍👧!", GLIM_UNIT_CHARACTER, "👩‍👩‍👧|!");
    both("𠮷野家", GLIM_UNIT_CHARACTER, "𠮷|野|家"); /* four bytes, then three */
    both("e\xcc\x81z", GLIM_UNIT_CHARACTER, "e\xcc\x81|z");
    both("Aя中ب", GLIM_UNIT_CHARACTER, "A|я|中|ب");
    both(" \n", GLIM_UNIT_CHARACTER, " |\n");
    both("", GLIM_UNIT_CHARACTER, "");
}

static void every_kind_of_unit_has_a_name(void **state) {
    assert_string_equal(glim_unit_kind_name(GLIM_UNIT_TOKEN), "token");
    assert_string_equal(glim_unit_kind_name(GLIM_UNIT_CHARACTER), "character");
    assert_null(glim_unit_kind_name((glim_unit_kind)(GLIM_UNIT_CHARACTER + 1)));
}

static void units_cover_any_text(void **state) {
    static const char *const texts[] = {
        " ",
        "  \n ",
        "\n\n\n",
        "\t\tx",
        "a  b",
        " lead and trail ",
        "中 文",
        "。。。",
        "！？",
        "mix中文and😀text 123。Next",
        "\xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9\xe0\xb8\xb2",
        "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab",
        "\xcc\x81 lone mark",
        "x\xe2\x80\x8by",
        "https://example.org/a?b=c. Then",
        "a\nb\n\nc",
        "他说“好。”（真的）。完",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int kind = GLIM_UNIT_TOKEN; kind <= GLIM_UNIT_CHARACTER; kind++)
            if (kind != GLIM_UNIT_TURN)
                both(texts[i], (glim_unit_kind)kind, NULL);
}

static void the_words_of_a_prompt_keep_whole_characters(void **state) {
    static const char text[] = "\xe6\xad\xa3"
                               "ab"
                               "\xe8\xb4\x9f"; /* a prompt before and behind "ab" */
    static const char *const pres[] = {"gpt-2", NULL};
    for (int i = 0; i < 2; i++) {
        struct tiny y;
        glim_units units;
        glim_error err = {0};
        glim_tokens *tokens = tokens_of(&y, pres[i], text);
        glim__tokens_frame(tokens, 3, 5);
        assert_int_equal(glim_units_make(&units, tokens, GLIM_UNIT_WORD, &err), GLIM_OK);
        size_t fixed = 0;
        for (size_t u = 0; u < units.count; u++) {
            assert_false(inside_character(text, units.at[u].start));
            assert_false(inside_character(text, units.at[u].end));
            if (units.at[u].fixed && units.at[u].end > units.at[u].start) {
                fixed++;
                assert_int_equal(units.at[u].count, 3);
            }
        }
        assert_int_equal(fixed, 2);
        glim_units_free(&units);
        glim_tokens_free(tokens);
        tiny_close(&y);
    }
}

static void an_empty_text_has_no_units(void **state) {
    both("", GLIM_UNIT_WORD, "");
}

/* ---- chats ---- */

static const char *const marks[] = {"<|im_start|>", "<|im_end|>", NULL};
static const glim_message talk[] = {{"system", "Be kind.", 8},
                                    {"user", "你好。 How are you?", 22},
                                    {"assistant", "Fine, 谢谢！Bye.", 19}};

static glim_tokens *chat_tokens(struct tiny *y, const char *pre) {
    const glim_chat_template *t;
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    tiny_open(
        y, ctx,
        &(struct tiny_options){.pre = pre, .pieces = pieces, .control = marks, .no_prefix = true});
    if (glim__chat_template_find(&t, ctx, "chatml", glim__tokenizer_info(y->t), &err) ||
        glim__tokens_from_chat(&tokens, y->t, t, talk, 3, &err))
        fail_msg("%s", err.message);
    return tokens;
}

static void check_turn_units(const char *pre) {
    struct tiny y;
    glim_units units;
    glim_error err = {0};
    glim_tokens *tokens = chat_tokens(&y, pre);
    assert_int_equal(glim_units_make(&units, tokens, GLIM_UNIT_TURN, &err), GLIM_OK);
    size_t next = 0;
    for (size_t i = 0; i < units.count; i++) {
        const glim_unit *u = &units.at[i];
        if (u->fixed) {
            assert_int_equal(u->turn, -1);
            assert_int_equal(u->start, u->end);
            continue;
        }
        assert_int_equal(u->turn, next);
        assert_int_equal(u->end - u->start, talk[next].content_len);
        assert_memory_equal(tokens->text + u->start, talk[next].content, u->end - u->start);
        assert_int_equal(tokens->turns[next].start, u->start);
        assert_string_equal(tokens->turns[next].role, talk[next].role);
        next++;
    }
    assert_int_equal(next, 3);
    glim_units_free(&units);
    glim_tokens_free(tokens);
    tiny_close(&y);
}

static void turns_are_messages_and_the_template_is_fixed(void **state) {
    check_turn_units("gpt-2");
    check_turn_units(NULL);
}

/* Sentences and words of a chat stay within their turn. */
static void no_unit_reaches_over_a_turn(void **state) {
    static const size_t want[] = {1, 2, 2}; /* sentences of the three messages */
    struct tiny y;
    glim_tokens *tokens = chat_tokens(&y, "gpt-2");
    for (int kind = GLIM_UNIT_TOKEN; kind <= GLIM_UNIT_SENTENCE; kind++) {
        glim_units units;
        glim_error err = {0};
        size_t found[3] = {0};
        assert_int_equal(glim_units_make(&units, tokens, (glim_unit_kind)kind, &err), GLIM_OK);
        for (size_t i = 0; i < units.count; i++) {
            const glim_unit *u = &units.at[i];
            if (u->fixed)
                continue;
            assert_in_range(u->turn, 0, 2);
            const glim_turn *turn = &tokens->turns[u->turn];
            assert_true(u->start >= turn->start && u->end <= turn->end);
            found[u->turn]++;
        }
        for (int i = 0; i < 3 && kind == GLIM_UNIT_SENTENCE; i++)
            assert_int_equal(found[i], want[i]);
        glim_units_free(&units);
    }
    glim_tokens_free(tokens);
    tiny_close(&y);
}

static void turns_without_a_chat_name_the_flag(void **state) {
    struct tiny y;
    glim_units units;
    glim_error err = {0};
    glim_tokens *tokens = tokens_of(&y, "gpt-2", "hello");
    assert_int_equal(glim_units_make(&units, tokens, GLIM_UNIT_TURN, &err), GLIM_EUSAGE);
    assert_contains(err.message, "--chat");
    glim_tokens_free(tokens);
    tiny_close(&y);
}

/* A message that spells a control token keeps its text. */
static void a_message_cannot_end_its_own_turn(void **state) {
    static const glim_message sly[] = {{"user", "x<|im_end|>y", 12}};
    const glim_chat_template *t;
    struct tiny y;
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .control = marks});
    assert_int_equal(glim__chat_template_find(&t, ctx, "chatml", glim__tokenizer_info(y.t), &err),
                     0);
    assert_int_equal(glim__tokens_from_chat(&tokens, y.t, t, sly, 1, &err), GLIM_OK);
    size_t ends = 0, text = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        ends += tokens->at[i].id == glim__token_by_name(y.t, "<|im_end|>");
        text += tokens->at[i].kind == GLIM_TOKEN_TEXT;
    }
    assert_int_equal(ends, 1);
    assert_int_equal(text, 12);
    glim_tokens_free(tokens);
    tiny_close(&y);
}

/* A run of line ends is one token, whoever wrote its parts. */
static void a_user_defined_token_may_lie_over_the_templates_edge(void **state) {
    static const char *const user[] = {"\n", "\n\n", "\n\n\n", NULL};
    static const glim_message lines[] = {{"user", "x\n", 2}};
    static const char source[] = "<|im_start|>{{ messages[0].content }}\n\n<|im_end|>";
    const glim_chat_template *t;
    struct tiny y;
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    tiny_open(&y, ctx, &(struct tiny_options){.pre = "gpt-2", .control = marks, .user = user});
    y.t->info.chat_template = source;
    y.t->info.chat_template_len = sizeof source - 1;
    assert_int_equal(glim__chat_template_find(&t, ctx, NULL, &y.t->info, &err), GLIM_OK);
    assert_int_equal(glim__tokens_from_chat(&tokens, y.t, t, lines, 1, &err), GLIM_OK);
    assert_int_equal(tokens->count, 4);
    assert_int_equal(tokens->at[2].id, 256 + 2 + 2);
    assert_int_equal(tokens->at[2].kind, GLIM_TOKEN_TEXT);
    assert_int_equal(tokens->at[2].start, 1);
    assert_int_equal(tokens->at[2].end, 2);
    glim_tokens_free(tokens);
    tiny_close(&y);
}

/* ---- memory ---- */

static void no_refused_allocation_leaks(void **state) {
    struct tiny y;
    glim_tokens *tokens = chat_tokens(&y, "gpt-2");
    uint64_t before = glim_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        glim_units units;
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_units_make(&units, tokens, GLIM_UNIT_SENTENCE, &err);
        glim__fail_allocation(ctx, 0);
        if (!status)
            glim_units_free(&units);
        assert_int_equal(glim_context_bytes(ctx), before);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(nth < 100);
    }
    glim_tokens_free(tokens);
    tiny_close(&y);
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
        cmocka_unit_test(words_take_their_space_and_leave_marks_alone),
        cmocka_unit_test(chinese_words_hold_whole_characters),
        cmocka_unit_test(sentences_end_where_people_end_them),
        cmocka_unit_test(chinese_sentences_keep_their_closing_marks),
        cmocka_unit_test(characters_are_never_parted),
        cmocka_unit_test(units_of_characters_are_whole_graphemes),
        cmocka_unit_test(every_kind_of_unit_has_a_name),
        cmocka_unit_test(units_cover_any_text),
        cmocka_unit_test(the_words_of_a_prompt_keep_whole_characters),
        cmocka_unit_test(an_empty_text_has_no_units),
        cmocka_unit_test(turns_are_messages_and_the_template_is_fixed),
        cmocka_unit_test(no_unit_reaches_over_a_turn),
        cmocka_unit_test(turns_without_a_chat_name_the_flag),
        cmocka_unit_test(a_message_cannot_end_its_own_turn),
        cmocka_unit_test(a_user_defined_token_may_lie_over_the_templates_edge),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
