/* SPDX-License-Identifier: Apache-2.0 */
/* openai.h: requests and answers of the OpenAI API, for box-openai.c. */
#ifndef GLIM_PREDICT_OPENAI_H
#define GLIM_PREDICT_OPENAI_H

#include "predict/black-box.h"

enum { GLIM_MOST_TOP = 64 };

/* The likeliest tokens of one place, best first, equal texts added up. */
typedef struct glim_top {
    size_t n;
    double least; /* log-probability of the last */
    struct {
        char text[64];
        double logprob;
    } at[GLIM_MOST_TOP];
} glim_top;

typedef struct glim_completion {
    const char *model; /* or NULL */
    const char *prompt;
    size_t prompt_len;
    bool chat, echo;
    int top;
} glim_completion;

void glim__openai_request(glim_buffer *out, const glim_completion *c);
/* The likeliest first tokens of an answer; EUNSUPPORTED when there are none. */
glim_status glim__openai_top(const glim_black_box *box, const char *text, size_t len, bool chat,
                             glim_top *out, glim_error *err);
/* Sum of the log-probabilities of the tokens that begin in [from, to), counted in
   code points of an echoed prompt, and their number. EUNSUPPORTED when the answer
   has none. */
glim_status glim__openai_echo(const glim_black_box *box, const char *text, size_t len, size_t from,
                              size_t to, double *sum, size_t *tokens, glim_error *err);
/* log p that the answer begins with this label: tokens that begin it, whatever
   their case and the space before them. NaN when none does. `all` are the n labels;
   a token that begins two of them counts for none. */
double glim__openai_label(const glim_top *top, const char *const *all, size_t n, size_t k);

#endif
