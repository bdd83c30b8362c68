/* SPDX-License-Identifier: Apache-2.0 */
/* chat.h: a chat written out by its template, with the owner of every byte. */
#ifndef GLIM_TEXT_CHAT_H
#define GLIM_TEXT_CHAT_H

#include "base/buffer.h"
#include "text/tokenizer.h"

typedef struct glim_chat_input {
    const glim_message *messages;
    size_t n;
    const glim_tokenizer_info *info;
} glim_chat_input;

typedef struct glim_chat_text {
    glim_buffer text;
    glim_buffer turn_of; /* int32_t a byte: the message it comes from, -1 = template */
    size_t *skipped;     /* [n] bytes trimmed from the front of each message */
} glim_chat_text;

glim_status glim__chat_write(glim_chat_text *out, const glim_chat_template *t,
                             const glim_chat_input *in, glim_error *err);

#endif
