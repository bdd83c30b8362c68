/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of model structure share: a tiny model, a text, a target. */
#ifndef GLIM_TESTS_STRUCTURE_TESTING_H
#define GLIM_TESTS_STRUCTURE_TESTING_H

#include "../model/model-testing.h"

#include "predict/lm.h"

struct bench {
    glim_context *ctx;
    glim_model *m;
    glim_tokens *tokens;
    glim_predictor *p;
};

static inline void bind_bench(struct bench *b, const char *text, const glim_target_options *o) {
    glim_error err = {0};
    if (glim_model_tokenize(b->m, &b->tokens, text, strlen(text), &err) ||
        glim_predictor_lm(&b->p, b->m, b->tokens, o, &err))
        fail_msg("%s: %s", text, err.message);
}

static inline void open_bench(struct bench *b, const char *file, const char *text, int threads,
                              const glim_target_options *o) {
    *b = (struct bench){.ctx = context_with(threads, 0)};
    b->m = open_model(b->ctx, file);
    bind_bench(b, text, o);
}

static inline void close_bench(struct bench *b) {
    glim_predictor_free(b->p);
    glim_tokens_free(b->tokens);
    glim_model_close(b->m);
    glim_context_free(b->ctx);
}

/* One read of one site, whole. */
struct reading {
    float *data; /* free */
    size_t floats, dims[3];
};

static inline glim_status take_reading(void *data, const glim_site *s, glim_error *err) {
    struct reading *r = data;
    r->floats = 1;
    for (int i = 0; i < s->n_dims; i++)
        r->floats *= r->dims[i] = s->dims[i];
    free(r->data);
    r->data = malloc(r->floats * sizeof *r->data);
    memcpy(r->data, s->data, r->floats * sizeof *r->data);
    return GLIM_OK;
}

static inline struct reading read_site(struct bench *b, const char *site) {
    struct reading r = {0};
    glim_error err = {0};
    glim_hook hook = {site, GLIM_HOOK_READ, take_reading, &r};
    if (b->p->observe(b->p, &hook, 1, 0, &err))
        fail_msg("%s: %s", site, err.message);
    if (!r.data)
        fail_msg("no site '%s'", site);
    return r;
}

/* A document of a tiny model alone, whose n-th allocation is refused, for all n. */
static inline void refuse_allocations(glim_status (*make)(glim_document **, const glim_model *,
                                                          glim_error *)) {
    for (uint64_t fail = 1;; fail++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, "llama.gguf");
        glim_document *doc = NULL;
        glim_error err = {0};
        glim__fail_allocation(ctx, fail);
        glim_status status = make(&doc, m, &err);
        glim__fail_allocation(ctx, 0);
        if (status && status != GLIM_ENOMEM && status != GLIM_EBUDGET)
            fail_msg("allocation %d: %s", (int)fail, err.message);
        glim_document_free(doc);
        glim_model_close(m);
        glim_context_free(ctx);
        if (!status)
            break;
    }
}

#endif
