/* SPDX-License-Identifier: Apache-2.0 */
/* chat.h: a chat written out by its template, with the source of every byte. */
#ifndef GLIM_TEXT_CHAT_H
#define GLIM_TEXT_CHAT_H

#include "text/jinja.h"
#include "text/tokenizer.h"

typedef struct glim_chat_input {
    const glim_message *messages;
    size_t n;
    const glim_tokenizer_info *info;
} glim_chat_input;

/* The prompt. A byte's source is counted in the messages' contents joined by
   newlines; no byte of them occurs twice: where a template repeats a message, its
   second writing is the template's. Memory is from the arena. Errors: EUSAGE (no
   message, a role, or what the template itself refuses), EUNSUPPORTED (names
   --template), ELIMIT, ENOMEM. */
glim_status glim__chat_write(glim_jinja_text *out, glim_arena *arena, const glim_chat_template *t,
                             const glim_chat_input *in, glim_error *err);

#endif
