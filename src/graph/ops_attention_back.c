/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backward of attention (formulas in ops_attention.c), in two passes that
 * write to different places and so need no locks and no fixed order between
 * workers: blocks of queries give dq, blocks of keys give dk and dv. The second
 * pass recomputes the scores of its columns; that costs two products more and
 * buys even work for any number of threads. Sums run over query blocks and the
 * heads of a group in ascending order.
 */
#include "graph/attention.h"

#include <math.h>
#include <string.h>

/* Turns dP into dS for row i of a block over n keys; delta is <P, dP> of the
   whole row. cap holds the capped scores, -inf where P is 0; with halves the scores
   before the cap, whose rule is capped score / score. */
static void row_gradient(const glim_attention_run *run, float delta, const float *p,
                         const float *cap, float *dp, int64_t n) {
    const glim_attention *how = &run->node->as.attention;
    float scale = run->halved ? how->scale / 2 : how->scale;
    run->kernels->softmax_backward(dp, p, delta, scale, (size_t)n);
    for (int64_t j = 0; j < n && how->soft_cap > 0; j++) {
        float u = cap[j] / how->soft_cap;
        float slope = !run->halved ? 1 - u * u : u == 0 ? 1 : tanhf(u) / u;
        dp[j] = p[j] > 0 ? dp[j] * slope : 0;
    }
}

/* P (m, ld) and dP of a block restricted to keys from .. to. */
static void block_gradient(const glim_attention_run *run, const glim_attention_block *b, float *p,
                           float *cap, float *dp, int64_t ld) {
    const glim_attention *how = &run->node->as.attention;
    glim_attention_pack pack = glim__attention_pack(run, b->part, b->group);
    int64_t HD = (int64_t)how->heads * run->D, n = b->to - b->from;
    const float *dz = run->node->grad + b->row * HD + b->head * run->D;
    glim__attention_scores(run, b, p, ld);
    if (how->soft_cap > 0 && run->halved) {
        glim_attention_run open = *run;
        open.uncapped = true;
        glim__attention_scores(&open, b, cap, ld);
    } else if (how->soft_cap > 0) {
        memcpy(cap, p, (size_t)(b->m * ld) * sizeof *p);
    }
    for (int i = 0; i < b->m; i++) {
        const float *aux = glim__attention_aux(run, b->head, b->row + i);
        float *row = p + i * ld;
        if (run->node->pattern) {
            int64_t whole_ld;
            const float *kept = glim__attention_whole(run, b, run->node->pattern, &whole_ld);
            memcpy(row, kept + i * whole_ld + b->from, (size_t)n * sizeof *row);
            continue;
        }
        run->kernels->exp_sum(row, row, aux[0], (size_t)n);
        run->kernels->scale(row, aux[1], (size_t)n);
    }
    glim__product(run->kernels, b->m, (int)n, (size_t)run->D, dz, HD, 1, pack.vt + b->from, pack.Sp,
                  dp, ld, false);
}

static void query_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    const glim_attention *how = &run->node->as.attention;
    glim_attention_block b = glim__attention_block(run, item);
    glim_attention_pack pack = glim__attention_pack(run, b.part, b.group);
    int64_t ld = run->ld, HD = (int64_t)how->heads * run->D;
    float *p = glim__scratch(run->tape->ctx, worker), *dp = p + GLIM_QUERY_BLOCK * ld;
    float *cap = dp + GLIM_QUERY_BLOCK * ld;
    block_gradient(run, &b, p, cap, dp, ld);
    if (run->d_pattern) {
        int64_t whole_ld;
        float *whole = glim__attention_whole(run, &b, run->d_pattern, &whole_ld);
        for (int i = 0; i < b.m; i++)
            for (int64_t j = b.from; j < b.to; j++)
                if (glim__attention_sees(run, &b, i, j))
                    whole[i * whole_ld + j] = dp[i * ld + j - b.from];
    }
    if (run->head_gradient)
        glim__attention_head_take(run, &b, p, dp, ld);
    if (run->frozen)
        return;
    for (int i = 0; i < b.m; i++) {
        int64_t n = b.to - b.from;
        float *aux = glim__attention_aux(run, b.head, b.row + i);
        aux[2] = run->kernels->dot_f32(p + i * ld, dp + i * ld, (size_t)n);
        row_gradient(run, aux[2], p + i * ld, cap + i * ld, dp + i * ld, n);
    }
    float *dq = run->tape->nodes[run->node->inputs[0]].grad + b.row * HD + b.head * run->D;
    for (int64_t k = b.from; k < b.to; k += GLIM_KEY_CHUNK) {
        int64_t n = b.to - k < GLIM_KEY_CHUNK ? b.to - k : GLIM_KEY_CHUNK;
        glim__product(run->kernels, b.m, run->D, (size_t)n, dp + (k - b.from), ld, 1,
                      pack.k + k * run->Dp, run->Dp, dq, HD, true);
    }
}

/* One block of own keys k0 .. k0+n (within the sequence's new rows) of key head
   g: all heads of the group, all query blocks that see it. Runs after the query
   blocks, which have left <P, dP> in aux. */
static void key_block(glim_attention_run *run, size_t part, int g, int64_t k0, int64_t n,
                      float *scratch) {
    const glim_attention *how = &run->node->as.attention;
    const glim_rows_part *rows = &run->queries->parts[part], *own = &run->keys->parts[part];
    int64_t first = own->prefix + k0; /* position of the first key */
    glim_tape_node *nodes = run->tape->nodes;
    int64_t D = run->D, HD = how->heads * D, GD = how->kv_heads * D, ld = glim__attention_pad(n);
    int per = how->heads / how->kv_heads;
    float *dk = nodes[run->node->inputs[1]].grad + (own->first + k0) * GD + g * D;
    float *dv = nodes[run->node->inputs[2]].grad + (own->first + k0) * GD + g * D;
    float *p = scratch, *dp = p + GLIM_QUERY_BLOCK * ld, *cap = dp + GLIM_QUERY_BLOCK * ld;
    for (int h = g * per; h < (g + 1) * per; h++)
        for (int64_t q0 = first > rows->prefix && !how->both_ways && !how->across
                              ? (first - rows->prefix) / GLIM_QUERY_BLOCK * GLIM_QUERY_BLOCK
                              : 0;
             q0 < rows->count; q0 += GLIM_QUERY_BLOCK) {
            if (how->window && rows->prefix + q0 >= first + n - 1 + how->window)
                break;
            int64_t m = rows->count - q0 < GLIM_QUERY_BLOCK ? rows->count - q0 : GLIM_QUERY_BLOCK;
            glim_attention_block b = {.part = part,
                                      .head = h,
                                      .group = g,
                                      .q0 = q0,
                                      .m = (int)m,
                                      .row = rows->first + q0,
                                      .from = first,
                                      .to = first + n};
            block_gradient(run, &b, p, cap, dp, ld);
            int64_t at = b.row * HD + h * D;
            glim__product(run->kernels, (int)n, (int)D, (size_t)m, p, 1, ld, run->node->grad + at,
                          HD, dv, GD, true);
            if (run->frozen)
                continue;
            for (int i = 0; i < m; i++)
                row_gradient(run, glim__attention_aux(run, h, b.row + i)[2], p + i * ld,
                             cap + i * ld, dp + i * ld, n);
            glim__product(run->kernels, (int)n, (int)D, (size_t)m, dp, 1, ld,
                          nodes[run->node->inputs[0]].data + at, HD, dk, GD, true);
        }
}

static void key_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    size_t G = (size_t)run->node->as.attention.kv_heads, b = item / G, p = 0;
    while (b >= run->keys_at[p + 1])
        p++;
    int64_t count = run->keys->parts[p].count;
    int64_t k0 = (int64_t)(b - run->keys_at[p]) * GLIM_QUERY_BLOCK;
    int64_t n = count - k0 < GLIM_QUERY_BLOCK ? count - k0 : GLIM_QUERY_BLOCK;
    key_block(run, p, (int)(item % G), k0, n, glim__scratch(run->tape->ctx, worker));
}

enum way { PLAIN, FROZEN, HALVED };

static glim_status walk(glim_tape *t, glim_tape_node *n, enum way way, glim_error *err) {
    glim_attention_run run;
    glim_status status = GLIM_OK;
    float *d; /* the run takes them from the nodes */
    for (int i = 0; i < 3 && !status; i++)
        status = glim__tape_grad(t, n, i, &d, err);
    if (status)
        return status;
    status = glim__attention_begin(&run, t, n, true, err);
    bool asked = n->pattern && glim__tape_wants(t, n, GLIM_SITE_PATTERN, GLIM_HOOK_GRAD);
    run.frozen = way == FROZEN;
    run.halved = way == HALVED;
    if (run.halved) /* of P and v; row_gradient halves again for q and k */
        run.kernels->scale(n->grad, 0.5f, (size_t)(n->rows->T * n->cols));
    if (!status && asked) {
        run.d_pattern = glim__workspace_take(t->space, run.pattern_floats);
        if (run.d_pattern)
            memset(run.d_pattern, 0, run.pattern_floats * sizeof(float));
        else
            status = glim__oom(t->ctx, err, "pattern gradients", (uint64_t)run.pattern_floats * 4);
    }
    size_t parts = n->rows->n_parts;
    if (!status && glim__tape_wants(t, n, GLIM_SITE_PATTERN, GLIM_HOOK_GRAD | GLIM_HOOK_HEADS))
        status = glim__attention_heads(&run, query_item, err);
    else if (!status)
        glim__parallel(t->ctx, run.block_at[parts] * (size_t)n->as.attention.heads, query_item,
                       &run);
    if (!status) {
        glim__parallel(t->ctx, run.keys_at[parts] * (size_t)n->as.attention.kv_heads, key_item,
                       &run);
    }
    if (!status && asked)
        status = glim__attention_show(&run, run.d_pattern, GLIM_SITE_PATTERN, GLIM_HOOK_GRAD, err);
    glim__workspace_give(t->space, run.d_pattern);
    glim__attention_end(&run);
    return status;
}

glim_status glim__attention_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, PLAIN, err);
}

/* The rule "frozen pattern": only values carry gradient. */
glim_status glim__attention_backward_frozen(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, FROZEN, err);
}

/* P v and q k^T are products: each factor gets half of what its product has. */
glim_status glim__attention_backward_halved(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk(t, n, HALVED, err);
}
