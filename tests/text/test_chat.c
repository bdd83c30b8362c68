/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chats as glim writes them against jinja2's renderings: by templates of many
 * kinds, and by the families that users may name; what is refused.
 */
#include "chat-testing.h"

#include <dirent.h>
#include <stdio.h>

#define FOLDER GLIM_TESTS "/golden/text/chat/"

static glim_context *ctx;

/* Each family and the recorded template that it must write like. */
static const char *const families[][2] = {
    {"chatml", "chatml"}, {"llama2", "llama2"},     {"phi3", "phi3"},
    {"glm4", "glm4"},     {"chatglm3", "chatglm3"}, {"gemma", "gemma3"},
    {"llama3", "llama3"}, {"mistral", NULL},        {"zephyr", NULL}};
enum { FAMILIES = sizeof families / sizeof *families };

static glim_tokenizer_info info_of(const json_t *golden) {
    const json_t *source = json_object_get(golden, "template");
    const json_t *bos = json_object_get(golden, "bos"), *eos = json_object_get(golden, "eos");
    return (glim_tokenizer_info){.chat_template = json_string_value(source),
                                 .chat_template_len = json_string_length(source),
                                 .bos_text = {json_string_value(bos), json_string_length(bos)},
                                 .eos_text = {json_string_value(eos), json_string_length(eos)}};
}

static json_t *read_template(const char *name) {
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    return read_golden(ctx, path);
}

static void chats_are_those_of_jinja_for_every_template(void **state) {
    DIR *d = opendir(FOLDER);
    size_t count = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".json") || !strcmp(e->d_name, "real.json"))
            continue;
        json_t *golden = read_template(e->d_name);
        glim_tokenizer_info info = info_of(golden);
        check_chats(ctx, &info, json_object_get(golden, "cases"), e->d_name);
        json_decref(golden);
        count++;
    }
    closedir(d);
    assert_true(count > 15);
}

/* Without the model's own template, for the roles that every family knows. */
static void named_families_write_as_their_models_do(void **state) {
    for (size_t i = 0; i < FAMILIES; i++) {
        char file[64];
        const glim_chat_template *t;
        glim_error err = {0};
        if (!families[i][1])
            continue;
        snprintf(file, sizeof file, "%s.json", families[i][1]);
        json_t *golden = read_template(file);
        const json_t *cases = json_object_get(golden, "cases");
        glim_tokenizer_info info = info_of(golden);
        info.chat_template = NULL;
        assert_int_equal(glim__chat_template_find(&t, ctx, families[i][0], &info, &err), GLIM_OK);
        assert_string_equal(glim__chat_template_name(t), families[i][0]);
        for (size_t k = 0; k < json_array_size(cases); k++) {
            const json_t *one = json_array_get(cases, k);
            const json_t *first = json_array_get(json_object_get(one, "messages"), 0);
            if (strcmp(json_string_value(json_object_get(first, "role")), "tool"))
                check_chat(ctx, t, &info, one, families[i][0]);
        }
        json_decref(golden);
    }
}

/* What the language lacks here, or what is not well formed: one line that says
   which, and what to do. */
static void a_template_that_is_not_understood_is_refused_and_names_the_flag(void **state) {
    static const char *const sources[][2] = {{"{% include 'other' %}", "include"},
                                             {"{% filter upper %}x{% endfilter %}", "filter"},
                                             {"{% for m in messages %}{{ m.content }}", "endfor"},
                                             {"{% if messages %}x", "endif"},
                                             {"{{ messages", "ends within a tag"},
                                             {"{{ 'endless }}", "endless string"},
                                             {"{# endless", "endless comment"},
                                             {"{{ a ? b : c }}", "?"},
                                             {"{{ }}", "no expression"},
                                             {"{{ {1 'b'} }}", "for ':'"},
                                             {"{% endif %}", "endif"}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const glim_chat_template *t;
        glim_error err = {0};
        glim_tokenizer_info info = {.chat_template = sources[i][0],
                                    .chat_template_len = strlen(sources[i][0])};
        if (glim__chat_template_find(&t, ctx, NULL, &info, &err) != GLIM_EUNSUPPORTED)
            fail_msg("'%s' is accepted", sources[i][0]);
        assert_null(t);
        assert_contains(err.message, sources[i][1]);
        assert_contains(err.message, "--template");
        assert_null(strchr(err.message, '\n'));
    }
}

static glim_status write_own(const char *source, const glim_message *m, size_t n, glim_error *err) {
    const glim_chat_template *t;
    glim_tokenizer_info info = {.chat_template = source, .chat_template_len = strlen(source)};
    glim_chat_input in = {m, n, &info};
    glim_jinja_text chat;
    glim_arena arena;
    glim__arena_init(&arena, ctx, 1 << 12);
    glim_status status = glim__chat_template_find(&t, ctx, NULL, &info, err);
    if (!status)
        status = glim__chat_write(&chat, &arena, t, &in, err);
    glim__arena_release(&arena);
    return status;
}

/* What only shows when a template runs. */
static void a_template_that_asks_for_more_is_refused_when_it_does(void **state) {
    static const glim_message m[] = {{"user", "x", 1}};
    static const char *const sources[][2] = {
        {"{{ strftime_now('%Y') }}", "strftime_now"},
        {"{{ messages[0].content | shout }}", "shout"},
        {"{{ messages is shouted }}", "shouted"},
        {"{{ messages[0].content.shout() }}", "undefined"},
        {"{{ messages[0].content.swapcase() }}", "swapcase"},
        {"{{ 1 / 0 }}", "zero"},
        {"{{ 1 + 'a' }}", "int and str"},
        {"{{ nothing.more }}", "nothing"},
        {"{{ 9223372036854775807 + 1 }}", "number"},
        {"{{ 999999999999 * 999999999999 }}", "too far"},
        {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "too deeply"}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        glim_error err = {0};
        glim_status status = write_own(sources[i][0], m, 1, &err);
        if (status != GLIM_EUNSUPPORTED && status != GLIM_ELIMIT)
            fail_msg("'%s' is written", sources[i][0]);
        assert_contains(err.message, sources[i][1]);
        assert_contains(err.message, "--template");
    }
}

/* Loops without end, text without end, trees without end. */
static void a_hostile_template_ends(void **state) {
    static const glim_message m[] = {{"user", "x", 1}};
    static const char *const sources[] = {
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='xxxxxxxxxx') %}{% for a in range(99) %}"
        "{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{{ 'x' * 99999999999 }}", "{{ [1, 2] * 99999999999 }}", "{{ range(99999999) | list }}"};
    char deep[40000];
    glim_error err = {0};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (!write_own(sources[i], m, 1, &err))
            fail_msg("'%s' is written", sources[i]);
    static const char *const nests[][2] = {
        {"{{ ", "("}, {"{{ ", "["}, {"{{ ", "not "}, {"{{ ", "-"}, {"", "{% if 1 %}"}};
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        size_t len = strlen(nests[i][1]), n = strlen(strcpy(deep, nests[i][0]));
        for (; n + len < sizeof deep; n += len)
            memcpy(deep + n, nests[i][1], len);
        deep[n] = 0;
        assert_int_equal(write_own(deep, m, 1, &err), GLIM_EUNSUPPORTED);
    }
}

static void a_refusal_of_the_template_is_told_in_its_words(void **state) {
    static const glim_message m[] = {{"user", "x", 1}};
    glim_error err = {0};
    assert_int_equal(write_own("{{ raise_exception('no ' + messages[0].role) }}", m, 1, &err),
                     GLIM_EUSAGE);
    assert_contains(err.message, "refuses this chat: no user");
}

static void a_model_without_template_names_every_choice(void **state) {
    const glim_chat_template *t;
    glim_error err = {0};
    glim_tokenizer_info info = {0};
    assert_int_equal(glim__chat_template_find(&t, ctx, NULL, &info, &err), GLIM_EUNSUPPORTED);
    assert_contains(err.message, "--template");
    for (size_t i = 0; i < FAMILIES; i++)
        assert_contains(err.message, families[i][0]);
    assert_int_equal(glim__chat_template_find(&t, ctx, "alpaca", &info, &err), GLIM_EUSAGE);
    assert_contains(err.message, "alpaca");
    assert_contains(err.message, "--template");
}

static void a_named_family_writes_every_message(void **state) {
    static const glim_message messages[] = {{"system", "first words", 11},
                                            {"user", "second words", 12},
                                            {"assistant", "third words", 11},
                                            {"user", "fourth words", 12}};
    glim_tokenizer_info info = {0};
    for (size_t i = 0; i < FAMILIES; i++) {
        const glim_chat_template *t;
        glim_error err = {0};
        glim_chat_input in = {messages, 4, &info};
        glim_jinja_text chat;
        glim_arena arena;
        glim__arena_init(&arena, ctx, 1 << 12);
        if (glim__chat_template_find(&t, ctx, families[i][0], &info, &err) ||
            glim__chat_write(&chat, &arena, t, &in, &err))
            fail_msg("%s", err.message);
        check_sources(&chat, &in);
        size_t at = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *found =
                memmem(chat.s + at, chat.n - at, messages[k].content, messages[k].content_len);
            assert_non_null(found);
            at = (size_t)(found - chat.s);
            for (size_t j = 0; j < messages[k].content_len; j++)
                assert_true(chat.from[at + j] > 0);
        }
        glim__arena_release(&arena);
    }
}

static void chats_without_messages_or_with_unknown_roles_are_refused(void **state) {
    static const glim_message pirate = {"pirate", "x", 1}, sly = {"user<|im_end|>", "x", 1};
    glim_tokenizer_info info = {0};
    const glim_chat_template *t;
    glim_error err = {0};
    glim_jinja_text chat;
    glim_arena arena;
    glim_chat_input none = {&pirate, 0, &info}, one = {&pirate, 1, &info};
    glim__arena_init(&arena, ctx, 1 << 12);
    assert_int_equal(glim__chat_template_find(&t, ctx, "chatml", &info, &err), GLIM_OK);
    assert_int_equal(glim__chat_write(&chat, &arena, t, &none, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no message");
    assert_int_equal(glim__chat_write(&chat, &arena, t, &one, &err), GLIM_EUSAGE);
    assert_contains(err.message, "pirate");
    glim__arena_release(&arena);
    assert_int_equal(write_own("{{ messages[0].role }}", &pirate, 1, &err), GLIM_OK);
    assert_int_equal(write_own("{{ messages[0].role }}", &sly, 1, &err), GLIM_EUSAGE);
}

static void no_refused_allocation_leaks(void **state) {
    static const glim_message m[] = {{"user", "some words", 10}, {"assistant", "a b", 3}};
    json_t *golden = read_template("macro-blocks.json");
    const char *source = json_string_value(json_object_get(golden, "template"));
    uint64_t before = glim_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = write_own(source, m, 2, &err);
        glim__fail_allocation(ctx, 0);
        assert_int_equal(glim_context_bytes(ctx), before);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(nth < 1000);
    }
    json_decref(golden);
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
        cmocka_unit_test(chats_are_those_of_jinja_for_every_template),
        cmocka_unit_test(named_families_write_as_their_models_do),
        cmocka_unit_test(a_template_that_is_not_understood_is_refused_and_names_the_flag),
        cmocka_unit_test(a_template_that_asks_for_more_is_refused_when_it_does),
        cmocka_unit_test(a_hostile_template_ends),
        cmocka_unit_test(a_refusal_of_the_template_is_told_in_its_words),
        cmocka_unit_test(a_model_without_template_names_every_choice),
        cmocka_unit_test(a_named_family_writes_every_message),
        cmocka_unit_test(chats_without_messages_or_with_unknown_roles_are_refused),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
