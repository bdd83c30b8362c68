/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention for hooks that see patterns one head at a time. The work of a head is the
 * same blocks of queries that run without hooks, in the same steps, so no bit differs
 * from the whole pattern; workers share the blocks of one head, and a head is shown
 * before the next begins. What lives is one head, (T, S), and on the way back its
 * gradient beside it: 4,096 tokens take 64 MiB instead of 64 MiB a head.
 */
#include "graph/ops_attention.h"

#include <string.h>

void glim__attention_head_take(const glim_attention_run *run, const glim_attention_block *b,
                               const float *p, const float *dp, int64_t ld) {
    size_t S = (size_t)glim__attention_source(run, b->part), from = (size_t)b->from,
           to = (size_t)b->to;
    for (int i = 0; i < b->m; i++) {
        float *row = run->head_value + ((size_t)b->q0 + (size_t)i) * S;
        memcpy(row + from, p + i * ld, (to - from) * sizeof *row);
        if (!run->head) { /* every head leaves out the same */
            memset(row, 0, from * sizeof *row);
            memset(row + to, 0, (S - to) * sizeof *row);
        }
        if (!dp)
            continue;
        row = run->head_gradient + ((size_t)b->q0 + (size_t)i) * S;
        for (size_t j = 0; j < S; j++)
            row[j] = j >= from && j < to && glim__attention_sees(run, b, i, (int64_t)j)
                         ? dp[i * ld + (int64_t)(j - from)]
                         : 0;
    }
}

struct head_work {
    glim_attention_run *run;
    void (*item)(void *data, size_t item, int worker);
};

/* Block `index` of the head's sequence, as an item of the whole run. */
static void head_item(void *data, size_t index, int worker) {
    struct head_work *w = data;
    size_t H = (size_t)w->run->node->as.attention.heads;
    w->item(w->run, (w->run->block_at[w->run->head_part] + index) * H + (size_t)w->run->head,
            worker);
}

static glim_status show_head(glim_attention_run *run, glim_error *err) {
    bool back = run->head_gradient;
    glim_site site = {.sequence = run->head_part,
                      .n_dims = 2,
                      .dims = {(size_t)run->queries->parts[run->head_part].count,
                               (size_t)glim__attention_source(run, run->head_part)},
                      .data = back ? run->head_gradient : run->head_value,
                      .gradient = back,
                      .head = run->head,
                      .heads = run->node->as.attention.heads,
                      .value = back ? run->head_value : NULL};
    glim_status status =
        glim__tape_show(run->tape, run->node, GLIM_SITE_PATTERN,
                        GLIM_HOOK_HEADS | (back ? GLIM_HOOK_GRAD : GLIM_HOOK_READ), &site, err);
    return status ? status : glim__check_cancel(run->tape->ctx, err);
}

glim_status glim__attention_heads(glim_attention_run *run,
                                  void (*item)(void *data, size_t item, int worker),
                                  glim_error *err) {
    glim_tape *t = run->tape;
    struct head_work work = {run, item};
    glim_status status = GLIM_OK;
    for (size_t p = 0; p < run->queries->n_parts && !status; p++) {
        size_t n = (size_t)run->queries->parts[p].count * (size_t)glim__attention_source(run, p);
        run->head_part = p;
        run->head_value = glim__workspace_take(t->space, n);
        run->head_gradient = run->backward ? glim__workspace_take(t->space, n) : NULL;
        if (!run->head_value || (run->backward && !run->head_gradient))
            status = glim__oom(t->ctx, err, "a head's attention pattern", (uint64_t)n * 4);
        for (run->head = 0; run->head < run->node->as.attention.heads && !status; run->head++) {
            glim__parallel(t->ctx, run->block_at[p + 1] - run->block_at[p], head_item, &work);
            status = show_head(run, err);
        }
        glim__workspace_give(t->space, run->head_value);
        glim__workspace_give(t->space, run->head_gradient);
        run->head_value = run->head_gradient = NULL;
    }
    return status;
}
