/* SPDX-License-Identifier: Apache-2.0 */
/* chat-testing.h: recorded chats (scripts/record-chats.py) against glim's. */
#ifndef GLIM_TESTS_CHAT_TESTING_H
#define GLIM_TESTS_CHAT_TESTING_H

#include "../base/base-testing.h"

#include "base/buffer.h"
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

/* Every byte that is a message's is that byte of it, and none is given twice. */
static inline void check_sources(const glim_jinja_text *chat, const glim_chat_input *in) {
    char source[1024] = "", seen[1024] = "";
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        assert_true(n + in->messages[i].content_len + 1 < sizeof source);
        memcpy(source + n, in->messages[i].content, in->messages[i].content_len);
        n += in->messages[i].content_len;
        source[n++] = '\n';
    }
    for (size_t i = 0; i < chat->n; i++) {
        size_t at = chat->from[i];
        if (!at)
            continue;
        assert_true(at <= n && !seen[at]++);
        assert_int_equal(chat->s[i], source[at - 1]);
    }
}

/* One recorded chat: the same text, or refused by both. */
static inline void check_chat(glim_context *ctx, const glim_chat_template *t,
                              const glim_tokenizer_info *info, const json_t *one,
                              const char *name) {
    glim_message messages[MOST_MESSAGES];
    glim_chat_input in = {messages, read_messages(messages, json_object_get(one, "messages")),
                          info};
    glim_error err = {0};
    glim_arena arena;
    glim_jinja_text chat;
    const json_t *want = json_object_get(one, "text");
    glim__arena_init(&arena, ctx, 1 << 12);
    glim_status status = glim__chat_write(&chat, &arena, t, &in, &err);
    if (json_is_null(want)) {
        if (status != GLIM_EUSAGE)
            fail_msg("%s: '%.*s' is written, where the template raises", name, (int)chat.n, chat.s);
    } else if (!json_string_length(want)) {
        assert_int_equal(status, GLIM_EUSAGE);
        assert_contains(err.message, "writes nothing");
    } else if (status) {
        fail_msg("%s: %s; expected '%s'", name, err.message, json_string_value(want));
    } else {
        if (chat.n != json_string_length(want) || memcmp(chat.s, json_string_value(want), chat.n))
            fail_msg("%s:\n'%.*s'\nis not\n'%s'", name, (int)chat.n, chat.s,
                     json_string_value(want));
        check_sources(&chat, &in);
    }
    glim__arena_release(&arena);
}

static inline void check_chats(glim_context *ctx, const glim_tokenizer_info *info,
                               const json_t *cases, const char *name) {
    const glim_chat_template *t = NULL;
    glim_error err = {0};
    if (glim__chat_template_find(&t, ctx, NULL, info, &err))
        fail_msg("%s: %s", name, err.message);
    assert_string_equal(glim__chat_template_name(t), "own");
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_chat(ctx, t, info, json_array_get(cases, i), name);
}

#endif
