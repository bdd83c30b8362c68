/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of a language model as a predictor share: one opened on a text. */
#ifndef GLIM_TESTS_LM_TESTING_H
#define GLIM_TESTS_LM_TESTING_H

#include "../model/model-testing.h"

#include "predict/lm.h"

struct set_up {
    glim_context *ctx;
    glim_model *m;
    glim_tokens *tokens;
    glim_predictor *p;
    size_t V, C, U;
};

static inline glim_status try_open(struct set_up *s, const char *file, const char *text,
                                   const glim_target_options *o, glim_error *err) {
    *s = (struct set_up){.ctx = context_with(2, 0)};
    s->m = open_model(s->ctx, file);
    s->V = (size_t)glim_model_facts(s->m)->outputs;
    s->C = (size_t)glim_model_facts(s->m)->width;
    if (glim_model_tokenize(s->m, &s->tokens, text, strlen(text), err))
        fail_msg("%s", err->message);
    glim_status status = glim_predictor_lm(&s->p, s->m, s->tokens, o, err);
    s->U = status ? 0 : s->p->units->count;
    return status;
}

static inline void open_up(struct set_up *s, const char *file, const char *text,
                           const glim_target_options *o) {
    glim_error err = {0};
    if (try_open(s, file, text, o, &err))
        fail_msg("%s: %s", file, err.message);
}

static inline void close_down(struct set_up *s) {
    glim_predictor_free(s->p);
    glim_tokens_free(s->tokens);
    glim_model_close(s->m);
    glim_context_free(s->ctx);
}

#endif
