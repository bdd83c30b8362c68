/* SPDX-License-Identifier: Apache-2.0 */
/* chat-testing.h: recorded chats (scripts/record-chats.py) against glim's. */
#ifndef GLIM_TESTS_CHAT_TESTING_H
#define GLIM_TESTS_CHAT_TESTING_H

#include "../base/base-testing.h"

#include "base/json.h"
#include "text/chat.h"

#include <stdlib.h>

enum { MOST_MESSAGES = 8 };

static inline json_t *read_golden(glim_context *ctx, const char *path) {
    glim_buffer in;
    json_t *golden = NULL;
    glim_error err = {0};
    glim__buffer_init(&in, ctx);
    if (glim__file_read(&in, path, 1 << 20, &err) ||
        glim__json_parse(&golden, in.data, in.len, path, &err))
        fail_msg("%s", err.message);
    glim__buffer_release(&in);
    return golden;
}

static inline size_t read_messages(glim_message *out, const json_t *list) {
    size_t n = json_array_size(list);
    assert_true(n > 0 && n <= MOST_MESSAGES);
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(list, i), *text = json_object_get(m, "content");
        out[i] = (glim_message){json_string_value(json_object_get(m, "role")),
                                json_string_value(text), json_string_length(text)};
    }
    return n;
}

/* Every byte marked as a message's is that message's, in order, without gaps. */
static inline void check_owners(const glim_chat_text *chat, const glim_chat_input *in) {
    const int32_t *turn_of = (const int32_t *)(const void *)chat->turn_of.data;
    assert_int_equal(chat->turn_of.len, chat->text.len * sizeof *turn_of);
    size_t done[MOST_MESSAGES] = {0};
    for (size_t i = 0; i < chat->text.len; i++) {
        if (turn_of[i] < 0)
            continue;
        size_t m = (size_t)turn_of[i];
        assert_true(m < in->n);
        size_t at = chat->skipped[m] + done[m]++;
        assert_true(at < in->messages[m].content_len);
        assert_int_equal(chat->text.data[i], in->messages[m].content[at]);
    }
}

/* One recorded chat: the same text, or refused by both. */
static inline void check_chat(glim_context *ctx, const glim_chat_template *t,
                              const glim_tokenizer_info *info, const json_t *one,
                              const char *name) {
    glim_message messages[MOST_MESSAGES];
    glim_chat_input in = {messages, read_messages(messages, json_object_get(one, "messages")),
                          info};
    glim_chat_text chat = {.skipped = calloc(MOST_MESSAGES, sizeof(size_t))};
    glim_error err = {0};
    const json_t *want = json_object_get(one, "text");
    glim__buffer_init(&chat.text, ctx);
    glim__buffer_init(&chat.turn_of, ctx);
    glim_status status = glim__chat_write(&chat, t, &in, &err);
    if (json_is_null(want)) {
        if (status != GLIM_EUSAGE)
            fail_msg("%s: '%s' is written, where the template raises", name, chat.text.data);
    } else if (status) {
        fail_msg("%s: %s; expected '%s'", name, err.message, json_string_value(want));
    } else {
        if (chat.text.len != json_string_length(want) ||
            memcmp(chat.text.data, json_string_value(want), chat.text.len))
            fail_msg("%s:\n'%s'\nis not\n'%s'", name, chat.text.data, json_string_value(want));
        check_owners(&chat, &in);
    }
    glim__buffer_release(&chat.text);
    glim__buffer_release(&chat.turn_of);
    free(chat.skipped);
}

static inline void check_chats(glim_context *ctx, const glim_tokenizer_info *info,
                               const char *family, const json_t *cases, const char *name) {
    const glim_chat_template *t = NULL;
    glim_error err = {0};
    if (glim__chat_template_find(&t, NULL, info, &err))
        fail_msg("%s: %s", name, err.message);
    assert_string_equal(glim__chat_template_name(t), family);
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_chat(ctx, t, info, json_array_get(cases, i), name);
}

#endif
