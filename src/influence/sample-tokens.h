/* SPDX-License-Identifier: Apache-2.0 */
/* sample-tokens.h: the words of one row become tokens and labels. */
#ifndef GLIM_INFLUENCE_SAMPLE_TOKENS_H
#define GLIM_INFLUENCE_SAMPLE_TOKENS_H

#include "influence/samples.h"
#include "text/tokenizer.h"

typedef enum glim_form {
    GLIM_FORM_CLASS,  /* a text and its class */
    GLIM_FORM_TEXT,   /* a text alone */
    GLIM_FORM_ANSWER, /* a text and what follows it, to the letter */
    GLIM_FORM_WORD,   /* a text and a label, as words that follow */
    GLIM_FORM_CHAT,
    GLIM_FORM_REPLY, /* a chat, and what its answer says behind its beginning */
    GLIM_FORM_PAIR   /* a text and what is written about it */
} glim_form;

/* What a row says. */
typedef struct glim_example_words {
    glim_form form;
    const char *text, *label;
    int32_t class_id;     /* the label of GLIM_FORM_CLASS */
    const char *prefix;   /* of a reply: how it begins, "" = not at all */
    const char *template; /* of a chat, by name; NULL = the model's own */
} glim_example_words;

glim_status glim__example_make(const glim_model *m, const glim_example_words *words,
                               glim_arena *arena, glim_example *out, glim_error *err);

#endif
