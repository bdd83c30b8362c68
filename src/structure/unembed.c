/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a model on rows of the residual stream. */
#include "structure/unembed.h"

#include <string.h>

glim_status glim__unembed_init(glim_unembed *u, const glim_model *m, size_t most, glim_error *err) {
    memset(u, 0, sizeof *u);
    u->m = m;
    if (m->task != GLIM_TASK_GENERATE && m->task != GLIM_TASK_TRANSLATE && m->task != GLIM_TASK_FILL)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.200s' writes no tokens, so what it holds inside has no words to be "
                         "read as (a language model has; `glim probe` reads any)",
                         m->info.path);
    glim__workspace_init(&u->space, m->ctx);
    u->most = most;
    u->zeros = glim__calloc(m->ctx, most, sizeof *u->zeros);
    u->parts = glim__calloc(m->ctx, most, sizeof *u->parts);
    if (!u->zeros || !u->parts) {
        glim__unembed_release(u);
        return glim__oom(m->ctx, err, "rows of a lens", most * sizeof *u->parts);
    }
    for (size_t i = 0; i < most; i++)
        u->parts[i] = (glim_rows_part){.first = (int64_t)i, .count = 1};
    return GLIM_OK;
}

void glim__unembed_release(glim_unembed *u) {
    if (!u->m)
        return;
    glim__tape_release(&u->tape);
    glim__workspace_release(&u->space);
    glim__free(u->m->ctx, u->zeros);
    glim__free(u->m->ctx, u->parts);
    u->m = NULL;
}

glim_status glim__unembed(glim_unembed *u, const float *h, size_t n, const float **logits,
                          const float **normed, glim_error *err) {
    glim_rows rows = {(int64_t)n, u->zeros, u->parts, n};
    glim_tape *t = &u->tape;
    glim_node norm;
    if (n > u->most || !n)
        return glim_fail(err, GLIM_EUSAGE, "%zu rows; a lens takes 1 to %zu", n, u->most);
    glim__tape_release(t);
    glim__tape_begin(t, u->m->ctx, &u->space, &rows);
    t->hooks = NULL;
    t->n_hooks = 0;
    t->keep = t->decode = t->replay = false;
    t->rules = NULL;
    t->picked = &rows;
    glim_node out =
        glim__model_head(t, u->m, glim__op_input(t, (float *)h, u->m->hyper.C), &norm);
    if (t->status)
        return glim_fail(err, t->status, "the end of the model could not be built");
    t->nodes[norm].hold = true;
    glim_status status = glim__tape_forward(t, err);
    if (!status) {
        *logits = t->nodes[out].data;
        if (normed)
            *normed = t->nodes[norm].data;
    }
    return status;
}
