/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chats as glim writes them against jinja2's renderings, for every template
 * family; what is recognised and what is refused.
 */
#include "chat-testing.h"

#include <dirent.h>
#include <stdio.h>

#define FOLDER GLIM_TESTS "/golden/text/chat/"

static glim_context *ctx;
static bool seen[16];

static void note_family(const char *family) {
    const char *const *names = glim__chat_template_names();
    size_t i = 0;
    while (names[i] && strcmp(names[i], family))
        i++;
    assert_non_null(names[i]);
    seen[i] = true;
}

static void check_file(const char *name) {
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", name);
    json_t *golden = read_golden(ctx, path);
    const json_t *source = json_object_get(golden, "template");
    const char *family = json_string_value(json_object_get(golden, "family"));
    glim_tokenizer_info info = {.chat_template = json_string_value(source),
                                .chat_template_len = json_string_length(source)};
    check_chats(ctx, &info, family, json_object_get(golden, "cases"), name);
    note_family(family);
    json_decref(golden);
}

static void chats_are_those_of_jinja_for_every_family(void **state) {
    DIR *d = opendir(FOLDER);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".json") && strcmp(e->d_name, "real.json"))
            check_file(e->d_name);
    closedir(d);
    for (size_t i = 0; glim__chat_template_names()[i]; i++)
        if (!seen[i])
            fail_msg("'%s' has no recording", glim__chat_template_names()[i]);
}

/* Templates that look like a family and are written otherwise. */
static void a_template_that_is_not_known_is_refused_and_names_the_flag(void **state) {
    static const char *const sources[] = {
        "",
        "{{ messages }}",
        "{% for m in messages %}### {{ m.role }}: {{ m.content }}{% endfor %}",
        "{{ '<|im_start|>user<|im_sep|>' + m.content + '<|im_end|>' }}",
        "{{ '[SYSTEM_PROMPT]' + s + '[/SYSTEM_PROMPT]' }}{{ '[INST]' + m.content + '[/INST]' }}",
        "{{ '<|' + role + '|>' + '<|/tool|>' + '<|end|>' }}{{ '<|assistant|>' }}",
        "[gMASK]<sop><|user|>{{ m.content }}<|assistant|><think></think>",
        "{{ '<|user|>\\n' + m.content + '\\n' }}{{ '<|assistant|>\\n' + m.content + eos_token }}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const glim_chat_template *t;
        glim_error err = {0};
        glim_tokenizer_info info = {.chat_template = sources[i],
                                    .chat_template_len = strlen(sources[i])};
        if (glim__chat_template_find(&t, NULL, &info, &err) != GLIM_EUNSUPPORTED)
            fail_msg("'%s' is recognised", sources[i]);
        assert_null(t);
        assert_contains(err.message, "not known");
        assert_contains(err.message, "--template");
        assert_null(strchr(err.message, '\n'));
    }
}

static void a_model_without_template_names_every_choice(void **state) {
    const glim_chat_template *t;
    glim_error err = {0};
    glim_tokenizer_info info = {0};
    assert_int_equal(glim__chat_template_find(&t, NULL, &info, &err), GLIM_EUNSUPPORTED);
    assert_contains(err.message, "--template");
    for (size_t i = 0; glim__chat_template_names()[i]; i++)
        assert_contains(err.message, glim__chat_template_names()[i]);
}

static void every_family_can_be_named_and_others_cannot(void **state) {
    const glim_chat_template *t;
    glim_error err = {0};
    glim_tokenizer_info info = {0};
    for (size_t i = 0; glim__chat_template_names()[i]; i++) {
        const char *name = glim__chat_template_names()[i];
        assert_int_equal(glim__chat_template_find(&t, name, &info, &err), GLIM_OK);
        assert_string_equal(glim__chat_template_name(t), name);
    }
    assert_int_equal(glim__chat_template_find(&t, "alpaca", &info, &err), GLIM_EUSAGE);
    assert_contains(err.message, "alpaca");
    assert_contains(err.message, "--template");
}

/* Without the model's own source, a named family still writes every message. */
static void a_named_family_writes_every_message(void **state) {
    static const glim_message messages[] = {{"system", "first words", 11},
                                            {"user", "second words", 12},
                                            {"assistant", "third words", 11},
                                            {"user", "fourth words", 12}};
    glim_tokenizer_info info = {0};
    for (size_t i = 0; glim__chat_template_names()[i]; i++) {
        const glim_chat_template *t;
        glim_error err = {0};
        glim_chat_input in = {messages, 4, &info};
        size_t skipped[4] = {0};
        glim_chat_text chat = {.skipped = skipped};
        glim__buffer_init(&chat.text, ctx);
        glim__buffer_init(&chat.turn_of, ctx);
        if (glim__chat_template_find(&t, glim__chat_template_names()[i], &info, &err) ||
            glim__chat_write(&chat, t, &in, &err))
            fail_msg("%s", err.message);
        check_owners(&chat, &in);
        const char *at = chat.text.data;
        for (size_t k = 0; k < 4; k++) {
            at = strstr(at, messages[k].content);
            assert_non_null(at);
        }
        glim__buffer_release(&chat.text);
        glim__buffer_release(&chat.turn_of);
    }
}

static void chats_without_messages_or_with_unknown_roles_are_refused(void **state) {
    glim_message pirate = {"pirate", "x", 1};
    glim_tokenizer_info info = {0};
    const glim_chat_template *t;
    glim_error err = {0};
    size_t skipped[1] = {0};
    glim_chat_text chat = {.skipped = skipped};
    glim_chat_input none = {&pirate, 0, &info}, one = {&pirate, 1, &info};
    glim__buffer_init(&chat.text, ctx);
    glim__buffer_init(&chat.turn_of, ctx);
    assert_int_equal(glim__chat_template_find(&t, "chatml", &info, &err), GLIM_OK);
    assert_int_equal(glim__chat_write(&chat, t, &none, &err), GLIM_EUSAGE);
    assert_contains(err.message, "no message");
    assert_int_equal(glim__chat_write(&chat, t, &one, &err), GLIM_EUSAGE);
    assert_contains(err.message, "pirate");
    glim__buffer_release(&chat.text);
    glim__buffer_release(&chat.turn_of);
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
        cmocka_unit_test(chats_are_those_of_jinja_for_every_family),
        cmocka_unit_test(a_template_that_is_not_known_is_refused_and_names_the_flag),
        cmocka_unit_test(a_model_without_template_names_every_choice),
        cmocka_unit_test(every_family_can_be_named_and_others_cannot),
        cmocka_unit_test(a_named_family_writes_every_message),
        cmocka_unit_test(chats_without_messages_or_with_unknown_roles_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
