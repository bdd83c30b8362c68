/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model's chat template: refused, or a prompt that names each byte
   of the messages at most once. */
#include "text/chat.h"

#include <glim/glim.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { SOURCE = 8 + 1 + 13 + 1 + 20 + 1 + 3 }; /* the messages, joined by line ends */

static void check_sources(const glim_jinja_text *chat) {
    bool seen[SOURCE + 1] = {false};
    for (size_t i = 0; i < chat->n; i++) {
        uint32_t from = chat->from[i];
        if (from > SOURCE || (from && seen[from]))
            abort();
        seen[from] = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const glim_message messages[] = {{"system", "Be kind.", 8},
                                            {"user", "  Hi <x>\n\xe4\xbd\xa0 ", 13},
                                            {"assistant", "<think>a</think> b,c", 20},
                                            {"user", "end", 3}};
    static glim_context *ctx;
    glim_context_options options = {.threads = 1};
    glim_tokenizer_info info = {.chat_template = (const char *)data,
                                .chat_template_len = n,
                                .bos_text = {"<s>", 3},
                                .eos_text = {"</s>", 4}};
    glim_chat_input in = {messages, 4, &info};
    const glim_chat_template *t;
    glim_jinja_text chat;
    glim_arena arena;
    glim_error err;
    if (!ctx && glim_context_new(&ctx, &options, &err))
        abort();
    glim__arena_init(&arena, ctx, 1 << 14);
    if (!glim__chat_template_find(&t, ctx, NULL, &info, &err) &&
        !glim__chat_write(&chat, &arena, t, &in, &err))
        check_sources(&chat);
    glim__arena_release(&arena);
    if (glim_context_bytes(ctx))
        abort();
    return 0;
}
