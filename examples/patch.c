/* SPDX-License-Identifier: Apache-2.0 */
/* Activation patching by hand: what enters each block at the last token is read from one text's
   run and put into another's, one block at a time; 1 restores the first text's answer, 0 changes
   nothing. usage: patch MODEL TEXT OTHER-TEXT */
#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct patch {
    size_t width;
    int put;       /* the block whose input is put in, or -1: all are read */
    float *stream; /* (layers, width) at the last token */
};

/* (T, C), a block's hook_resid_pre. */
static glim_status visit(void *data, const glim_site *s, glim_error *err) {
    struct patch *p = data;
    float *here = s->data + (s->dims[0] - 1) * p->width;
    float *kept = p->stream + (size_t)s->layer * p->width;
    (void)err; /* a hook that fails says why there */
    if (p->put < 0)
        memcpy(kept, here, p->width * sizeof *kept);
    else if (p->put == s->layer)
        memcpy(here, kept, p->width * sizeof *here);
    return GLIM_OK;
}

/* The answer's logit behind the text; an answer < 0 becomes the likeliest token. */
static glim_status run(glim_session *s, const glim_model *m, const glim_tokens *t, struct patch *p,
                       int32_t *answer, float *logit, glim_error *err) {
    int32_t *ids = malloc(t->count * sizeof *ids);
    uint32_t last = (uint32_t)t->count - 1;
    if (!ids)
        return glim_fail(err, GLIM_ENOMEM, "out of memory");
    for (size_t i = 0; i < t->count; i++)
        ids[i] = t->at[i].id;
    const glim_hook hook = {"blocks.*.hook_resid_pre",
                            p->put < 0 ? GLIM_HOOK_READ : GLIM_HOOK_WRITE, visit, p};
    const glim_sequence q = {.ids = ids, .count = t->count, .wanted = &last, .n_wanted = 1};
    const glim_batch b = {.sequences = &q,
                          .count = 1,
                          .hooks = p->stream ? &hook : NULL,
                          .n_hooks = p->stream != NULL};
    glim_status status = glim_session_forward(s, &b, err);
    if (!status) {
        const float *logits = glim_session_logits(s, 0, 0);
        if (*answer < 0)
            *answer = glim_sample(logits, glim_model_facts(m)->outputs, NULL, 0);
        *logit = logits[*answer];
    }
    free(ids);
    return status;
}

static glim_status patch(const glim_model *m, const glim_tokens *clean, const glim_tokens *other,
                         glim_error *err) {
    const glim_model_info *info = glim_model_facts(m);
    struct patch read = {.width = (size_t)info->width, .put = -1}, none = {.put = -1};
    glim_session *s = NULL;
    float full = 0, bare = 0, now = 0;
    int32_t answer = -1;
    if (info->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_EUSAGE, "a model is needed that goes on with a text");
    read.stream = calloc((size_t)info->layers * read.width, sizeof *read.stream);
    glim_status status = read.stream ? glim_session_new(&s, m, 0, err)
                                     : glim_fail(err, GLIM_ENOMEM, "out of memory");
    if (!status)
        status = run(s, m, clean, &read, &answer, &full, err);
    if (!status)
        status = run(s, m, other, &none, &answer, &bare, err);
    if (!status)
        printf("the answer's logit: %.3f, of the other text %.3f\n", full, bare);
    for (int layer = 0; layer < info->layers && !status; layer++) {
        read.put = layer;
        status = run(s, m, other, &read, &answer, &now, err);
        if (!status)
            printf("before block %d: %+.3f\n", layer, (now - bare) / (full - bare));
    }
    glim_session_free(s);
    free(read.stream);
    return status;
}

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *model = NULL;
    glim_tokens *clean = NULL, *other = NULL;
    glim_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL TEXT OTHER-TEXT\n", argv[0]);
        return 2;
    }
    glim_status status = glim_context_new(&ctx, NULL, &err);
    if (!status)
        status = glim_model_open(&model, ctx, argv[1], &err);
    if (!status)
        status = glim_model_tokenize(model, &clean, argv[2], strlen(argv[2]), &err);
    if (!status)
        status = glim_model_tokenize(model, &other, argv[3], strlen(argv[3]), &err);
    if (!status)
        status = patch(model, clean, other, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    glim_tokens_free(clean);
    glim_tokens_free(other);
    glim_model_close(model);
    glim_context_free(ctx);
    return glim_status_exit(status);
}
