/* SPDX-License-Identifier: Apache-2.0 */
/* words-inside.h: what the files that make words of a request share. */
#ifndef GLIM_SERVE_WORDS_INSIDE_H
#define GLIM_SERVE_WORDS_INSIDE_H

#include "serve/job-words.h"

enum { LONGEST_VALUE = 100000, LONGEST_WORD = 60000 }; /* bytes; a longer text is no word */

/* A request while words are made of it. */
typedef struct serve_asking {
    serve_words *w;
    const serve_options *o;
    const serve_models *models;
    const serve_places *places;
    const json_t *body, *parameters;
    const char *method;
    glim_error *err;
} serve_asking;

const glim_param *serve_flag_find(const serve_command *c, const char *name);
/* EUSAGE: "MEMBER: WHY" */
glim_status serve_wrong(const serve_asking *a, const char *member, const char *why);
/* A string without NUL, of at most so many bytes. */
glim_status serve_text_of(const serve_asking *a, const json_t *v, const char *member, size_t most,
                          const char **out);
/* A word as a shell reads it. */
void serve_put_quoted(glim_buffer *out, const char *s);
/* The first line of a text is the title, if there is none yet. */
void serve_add_title(serve_words *w, const char *text);

/* words-input.c */
glim_status serve_add_model(serve_asking *a, const serve_model **model);
glim_status serve_add_input(serve_asking *a, const serve_model *model);

#endif
