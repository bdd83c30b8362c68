/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention, causal, both ways or across to another text, with grouped queries, sliding
 * window, soft cap, position bias, cached prefix and hidden keys. For head h with
 * key/value head g = h / (H/G):
 *
 *   S = scale q k^T [+ bias of key - query], S = c tanh(S/c) if capped, masked = -inf
 *   P = softmax(S), z = P v
 *   dv += P^T dz, dP = dz v^T, dS = P (dP - <P, dP>), through the cap
 *   dS (1 - (S/c)^2), dq += scale dS k, dk += scale dS^T q
 *
 * Work is cut into blocks of query rows (forward, dq) and blocks of keys (dk,
 * dv); a block holds its rows of S and nothing longer lives, so memory grows
 * with T, not T^2. Backward recomputes P from the row maximum and 1/sum kept in
 * aux; <P, dP> is taken from the row itself, so that z need not be kept. The whole pattern is made
 * only when a hook asks for it, by the same steps, so that asking changes no bit. Products over
 * keys are cut at absolute multiples of KEY_CHUNK: a row's bits depend neither on where the prefix
 * was cut nor on which other rows are in its block. The running-maximum form was not chosen: with
 * whole rows of S the result needs no rescaling.
 */
#include "graph/ops_attention.h"

#include <math.h>
#include <string.h>

/* ---- packing: keys and values of one sequence and one head, contiguous ---- */

/* The part among whose own rows position j of a sequence is; NULL: it is cached. */
static const glim_rows_part *holder(const glim_attention_run *run, size_t part, int64_t j) {
    const glim_rows_part *p = &run->keys->parts[part];
    while (p && j < p->prefix)
        p = p->parent ? &run->keys->parts[p->parent - 1] : NULL;
    return p;
}

const float *glim__attention_key(const glim_attention_run *run, size_t part, int g, int64_t j,
                                 bool value) {
    const glim_attention *how = &run->node->as.attention;
    const glim_rows_part *p = holder(run, part, j);
    int64_t G = how->kv_heads, D = how->head_width;
    const float *cached = value ? how->cached_v : how->cached_k;
    const float *own = run->tape->nodes[run->node->inputs[value ? 2 : 1]].data;
    return p ? own + ((p->first + j - p->prefix) * G + g) * D : cached + (j * G + g) * D;
}

/* Positions from .. to of one head, which lie one behind the other. */
static void pack_stretch(const glim_attention_run *run, size_t part, int g, int64_t from,
                         int64_t to) {
    glim_attention_pack pack = glim__attention_pack(run, part, g);
    size_t D = (size_t)run->D, step = (size_t)run->node->as.attention.kv_heads * D;
    const float *k = glim__attention_key(run, part, g, from, false);
    const float *v = glim__attention_key(run, part, g, from, true);
    for (int64_t j = from; j < to; j++) {
        if (pack.k)
            memcpy(pack.k + j * run->Dp, k + (size_t)(j - from) * step, D * sizeof *k);
        if (pack.v)
            memcpy(pack.v + j * run->Dp, v + (size_t)(j - from) * step, D * sizeof *v);
    }
    glim__transpose(pack.kt + from, (size_t)pack.Sp, k, step, (int)(to - from), run->D);
    if (pack.vt)
        glim__transpose(pack.vt + from, (size_t)pack.Sp, v, step, (int)(to - from), run->D);
}

static void pack_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    size_t G = (size_t)run->node->as.attention.kv_heads, part = item / G;
    for (int64_t to = glim__attention_source(run, part), from; to > 0; to = from) {
        const glim_rows_part *p = holder(run, part, to - 1);
        from = p ? p->prefix : 0;
        pack_stretch(run, part, (int)(item % G), from, to);
    }
}

glim_attention_pack glim__attention_pack(const glim_attention_run *run, size_t part, int g) {
    const glim_rows_part *p = &run->keys->parts[part];
    int64_t S = p->prefix + p->count, Sp = glim__attention_pad(S) + 16;
    size_t across = (size_t)(run->D * Sp), along = (size_t)(S * run->Dp);
    size_t one = run->backward ? 2 * across + along : across + along;
    float *at = run->packed + run->part_at[part] + (size_t)g * one;
    glim_attention_pack pack = {.kt = at, .S = S, .Sp = Sp};
    if (run->backward) {
        pack.vt = at + across;
        pack.k = at + 2 * across;
    } else {
        pack.v = at + across;
    }
    return pack;
}

static size_t blocks_of(int64_t rows) {
    return (size_t)((rows + GLIM_QUERY_BLOCK - 1) / GLIM_QUERY_BLOCK);
}

/* Lays out offsets of every part and the list of work items, and packs. */
glim_status glim__attention_begin(glim_attention_run *run, glim_tape *t, glim_tape_node *n,
                                  bool backward, glim_error *err) {
    const glim_rows *queries = n->rows, *keys = t->nodes[n->inputs[1]].rows;
    *run = (glim_attention_run){.tape = t,
                                .node = n,
                                .queries = queries,
                                .keys = keys,
                                .kernels = glim__kernels(t->ctx),
                                .backward = backward,
                                .D = n->as.attention.head_width};
    run->Dp = (int)glim__attention_pad(run->D);
    size_t floats = 0, G = (size_t)n->as.attention.kv_heads, whole = 0;
    run->part_at = glim__calloc(t->ctx, 4 * keys->n_parts + 2, sizeof *run->part_at);
    if (!run->part_at)
        return glim__oom(t->ctx, err, "attention", 0);
    run->pattern_at = run->part_at + keys->n_parts;
    run->block_at = run->pattern_at + keys->n_parts;
    run->keys_at = run->block_at + keys->n_parts + 1;
    for (size_t p = 0; p < keys->n_parts; p++) {
        int64_t S = keys->parts[p].prefix + keys->parts[p].count;
        size_t across = (size_t)(run->D * (glim__attention_pad(S) + 16)),
               along = (size_t)(S * run->Dp);
        run->part_at[p] = floats;
        floats += G * (backward ? 2 * across + along : across + along);
        run->pattern_at[p] = whole;
        whole += (size_t)n->as.attention.heads * (size_t)queries->parts[p].count *
                 (size_t)glim__attention_pad(S);
        run->block_at[p + 1] = run->block_at[p] + blocks_of(queries->parts[p].count);
        run->keys_at[p + 1] = run->keys_at[p] + blocks_of(keys->parts[p].count);
        if (S > run->longest)
            run->longest = S;
    }
    run->pattern_floats = whole;
    run->ld = glim__attention_pad(run->longest) + 16;
    run->packed = glim__workspace_take(t->space, floats);
    if (!run->packed)
        return glim__oom(t->ctx, err, "attention", (uint64_t)floats * 4);
    size_t scratch = (size_t)(backward ? 3 : 1) * GLIM_QUERY_BLOCK * (size_t)run->ld;
    glim_status status = glim__scratch_reserve(t->ctx, (scratch + 16) * sizeof(float), err);
    if (!status)
        glim__parallel(t->ctx, keys->n_parts * G, pack_item, run);
    return status;
}

void glim__attention_end(glim_attention_run *run) {
    glim__workspace_give(run->tape->space, run->packed);
    glim__free(run->tape->ctx, run->part_at);
}

/* Work item -> sequence, query head, first query row (within the sequence) and
   how many. Long sequences first would balance better, but order is free. */
glim_attention_block glim__attention_block(const glim_attention_run *run, size_t item) {
    size_t H = (size_t)run->node->as.attention.heads, b = item / H, p = 0;
    while (b >= run->block_at[p + 1])
        p++;
    const glim_rows_part *part = &run->queries->parts[p];
    int64_t q0 = (int64_t)(b - run->block_at[p]) * GLIM_QUERY_BLOCK;
    int64_t m = part->count - q0 < GLIM_QUERY_BLOCK ? part->count - q0 : GLIM_QUERY_BLOCK;
    int h = (int)(item % H);
    const glim_attention *how = &run->node->as.attention;
    int64_t from = how->window ? part->prefix + q0 - how->window + 1 : 0;
    from = from > 0 ? from / GLIM_KEY_CHUNK * GLIM_KEY_CHUNK : 0;
    return (glim_attention_block){.part = p,
                                  .head = h,
                                  .group = h / (how->heads / how->kv_heads),
                                  .q0 = q0,
                                  .m = (int)m,
                                  .row = part->first + q0,
                                  .from = from,
                                  .to = how->both_ways || how->across
                                            ? glim__attention_source(run, p)
                                            : part->prefix + q0 + m};
}

/* ---- the steps of forward ------------------------------------------------ */

/* -inf for the keys from .. to that row i does not see. */
static void hide(const glim_attention_run *run, const glim_attention_block *b, int i, float *row) {
    const glim_attention *how = &run->node->as.attention;
    const uint8_t *hidden = run->keys->parts[b->part].hidden;
    int64_t pos = run->queries->parts[b->part].prefix + b->q0 + i, window = how->window;
    int64_t first = window && pos - window + 1 > b->from ? pos - window + 1 : b->from;
    int64_t past = pos + 1 < b->to && !how->both_ways && !how->across ? pos + 1 : b->to;
    for (int64_t j = b->from; j < first && j < b->to; j++)
        row[j - b->from] = -INFINITY;
    for (int64_t j = past > b->from ? past : b->from; j < b->to; j++)
        row[j - b->from] = -INFINITY;
    for (int64_t j = first; j < past && hidden; j++)
        if (hidden[j] && (j != pos || how->across))
            row[j - b->from] = -INFINITY;
}

/* The bias of keys from .. to at the distance to row i. */
static void add_bias(const glim_attention_run *run, const glim_attention_block *b, int i,
                     float *row) {
    const glim_attention *how = &run->node->as.attention;
    int64_t pos = run->queries->parts[b->part].prefix + b->q0 + i, reach = how->reach;
    const float *bias = how->bias + b->head * (2 * reach + 1) + reach;
    for (int64_t j = b->from; j < b->to; j++) {
        int64_t far = j - pos;
        row[j - b->from] += bias[far < -reach ? -reach : far > reach ? reach : far];
    }
}

/* Scores of a block: s (m, ld) over keys from .. to, scaled, capped, masked. */
void glim__attention_scores(const glim_attention_run *run, const glim_attention_block *b, float *s,
                            int64_t ld) {
    const glim_attention *how = &run->node->as.attention;
    glim_attention_pack pack = glim__attention_pack(run, b->part, b->group);
    int64_t HD = (int64_t)how->heads * run->D;
    const float *q = run->tape->nodes[run->node->inputs[0]].data + b->row * HD + b->head * run->D;
    int n = (int)(b->to - b->from);
    glim__product(run->kernels, b->m, n, (size_t)run->D, q, HD, 1, pack.kt + b->from, pack.Sp, s,
                  ld, false);
    for (int i = 0; i < b->m; i++) {
        float *row = s + i * ld;
        run->kernels->scale(row, how->scale, (size_t)n);
        if (how->bias)
            add_bias(run, b, i, row);
        if (how->soft_cap > 0 && !run->uncapped)
            run->kernels->soft_cap(row, row, how->soft_cap, (size_t)n);
        hide(run, b, i, row);
    }
}

static void softmax_rows(const glim_attention_run *run, const glim_attention_block *b, float *s,
                         int64_t ld) {
    for (int i = 0; i < b->m; i++) {
        float *row = s + i * ld;
        size_t n = (size_t)(b->to - b->from);
        float top = run->kernels->max(row, n);
        float inverse = 1.0f / run->kernels->exp_sum(row, row, top, n);
        run->kernels->scale(row, inverse, n);
        float *aux = glim__attention_aux(run, b->head, b->row + i);
        aux[0] = top;
        aux[1] = inverse;
    }
}

/* z rows of a block from its pattern rows p (m, ld). */
static void mix_values(const glim_attention_run *run, const glim_attention_block *b, const float *p,
                       int64_t ld) {
    const glim_attention *how = &run->node->as.attention;
    glim_attention_pack pack = glim__attention_pack(run, b->part, b->group);
    int64_t HD = (int64_t)how->heads * run->D;
    float *z = run->node->data + b->row * HD + b->head * run->D;
    for (int64_t k = b->from; k < b->to; k += GLIM_KEY_CHUNK) {
        int64_t n = b->to - k < GLIM_KEY_CHUNK ? b->to - k : GLIM_KEY_CHUNK;
        glim__product(run->kernels, b->m, run->D, (size_t)n, p + (k - b->from), ld, 1,
                      pack.v + k * run->Dp, run->Dp, z, HD, k > b->from);
    }
}

void glim__attention_forward_block(const glim_attention_run *run, const glim_attention_block *b,
                                   float *s) {
    glim__attention_scores(run, b, s, run->ld);
    softmax_rows(run, b, s, run->ld);
    mix_values(run, b, s, run->ld);
}

static void forward_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    glim_attention_block b = glim__attention_block(run, item);
    float *s = glim__scratch(run->tape->ctx, worker);
    glim__attention_forward_block(run, &b, s);
    if (run->head_value)
        glim__attention_head_take(run, &b, s, NULL, run->ld);
}

/* ---- the whole pattern, for hooks ---------------------------------------- */

float *glim__attention_whole(const glim_attention_run *run, const glim_attention_block *b,
                             float *base, int64_t *ld) {
    const glim_rows_part *part = &run->queries->parts[b->part];
    *ld = glim__attention_pad(glim__attention_source(run, b->part));
    return base + run->pattern_at[b->part] + ((int64_t)b->head * part->count + b->q0) * *ld;
}

static void whole_scores_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    glim_attention_block b = glim__attention_block(run, item);
    int64_t ld, source = glim__attention_source(run, b.part);
    float *s = glim__attention_whole(run, &b, run->node->pattern, &ld);
    for (int i = 0; i < b.m; i++)
        for (int64_t j = 0; j < source; j++)
            s[i * ld + j] = -INFINITY;
    float *block = glim__scratch(run->tape->ctx, worker);
    glim__attention_scores(run, &b, block, run->ld);
    for (int i = 0; i < b.m; i++)
        memcpy(s + i * ld + b.from, block + i * run->ld, (size_t)(b.to - b.from) * sizeof *s);
}

static void whole_softmax_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    glim_attention_block b = glim__attention_block(run, item);
    int64_t ld, source = glim__attention_source(run, b.part);
    float *s = glim__attention_whole(run, &b, run->node->pattern, &ld);
    softmax_rows(run, &b, s + b.from, ld);
    for (int i = 0; i < b.m; i++)
        for (int64_t j = 0; j < source; j++)
            if (j < b.from || j >= b.to)
                s[i * ld + j] = 0;
}

static void whole_mix_item(void *data, size_t item, int worker) {
    glim_attention_run *run = data;
    glim_attention_block b = glim__attention_block(run, item);
    int64_t ld;
    const float *s = glim__attention_whole(run, &b, run->node->pattern, &ld);
    mix_values(run, &b, s + b.from, ld);
}

/* The heads of a tight pattern to those who see them one at a time. */
static glim_status show_heads(glim_attention_run *run, const glim_site *whole, unsigned actions,
                              glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t h = 0; h < whole->dims[0] && !status; h++) {
        glim_site site = {.sequence = whole->sequence,
                          .n_dims = 2,
                          .dims = {whole->dims[1], whole->dims[2]},
                          .data = whole->data + h * whole->dims[1] * whole->dims[2],
                          .head = (int)h,
                          .heads = (int)whole->dims[0]};
        status = glim__tape_show(run->tape, run->node, GLIM_SITE_PATTERN, actions, &site, err);
    }
    return status;
}

/* Shows (H, T, S) of every sequence; the rows are padded inside, so hooks get a
   tight copy, which is copied back after a write. */
glim_status glim__attention_show(glim_attention_run *run, float *base, glim_site_kind kind,
                                 unsigned actions, glim_error *err) {
    glim_tape *t = run->tape;
    glim_status status = GLIM_OK;
    for (size_t p = 0; p < run->queries->n_parts && !status; p++) {
        const glim_rows_part *part = &run->queries->parts[p];
        size_t S = (size_t)glim__attention_source(run, p),
               ld = (size_t)glim__attention_pad((int64_t)S);
        size_t lines = (size_t)run->node->as.attention.heads * (size_t)part->count;
        float *tight = glim__workspace_take(t->space, lines * S), *from = base + run->pattern_at[p];
        if (!tight)
            return glim__oom(t->ctx, err, "an attention pattern", (uint64_t)(lines * S) * 4);
        for (size_t i = 0; i < lines; i++)
            memcpy(tight + i * S, from + i * ld, S * sizeof *tight);
        glim_site site = {
            .sequence = p, .n_dims = 3, .data = tight, .gradient = actions == GLIM_HOOK_GRAD};
        site.dims[0] = (size_t)run->node->as.attention.heads;
        site.dims[1] = (size_t)part->count;
        site.dims[2] = S;
        status = glim__tape_show(t, run->node, kind, actions, &site, err);
        unsigned heads = GLIM_HOOK_READ | GLIM_HOOK_HEADS;
        if (!status && kind == GLIM_SITE_PATTERN && (actions & GLIM_HOOK_READ))
            status = show_heads(run, &site, heads, err);
        for (size_t i = 0; i < lines && (actions & GLIM_HOOK_WRITE); i++)
            memcpy(from + i * ld, tight + i * S, S * sizeof *tight);
        glim__workspace_give(t->space, tight);
    }
    return status;
}

static glim_status forward_whole(glim_attention_run *run, size_t items, glim_error *err) {
    glim_tape *t = run->tape;
    glim_tape_node *n = run->node;
    unsigned actions = t->replay ? GLIM_HOOK_WRITE : GLIM_HOOK_READ | GLIM_HOOK_WRITE;
    n->pattern = glim__workspace_take(t->space, run->pattern_floats);
    if (!n->pattern)
        return glim__oom(t->ctx, err, "attention patterns", (uint64_t)run->pattern_floats * 4);
    glim__parallel(t->ctx, items, whole_scores_item, run);
    glim_status status = GLIM_OK;
    if (glim__tape_wants(t, n, GLIM_SITE_SCORES, actions))
        status = glim__attention_show(run, n->pattern, GLIM_SITE_SCORES, actions, err);
    if (!status) {
        glim__parallel(t->ctx, items, whole_softmax_item, run);
        if (glim__tape_wants(t, n, GLIM_SITE_PATTERN, actions) ||
            glim__tape_wants(t, n, GLIM_SITE_PATTERN, actions | GLIM_HOOK_HEADS))
            status = glim__attention_show(run, n->pattern, GLIM_SITE_PATTERN, actions, err);
    }
    if (!status)
        glim__parallel(t->ctx, items, whole_mix_item, run);
    if (!t->keep) {
        glim__workspace_give(t->space, n->pattern);
        n->pattern = NULL;
    }
    return status;
}

static glim_status attention_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    glim_attention_run run;
    const unsigned any = GLIM_HOOK_READ | GLIM_HOOK_WRITE | GLIM_HOOK_GRAD;
    glim_status status = glim__attention_begin(&run, t, n, false, err);
    size_t items = status ? 0 : run.block_at[n->rows->n_parts] * (size_t)n->as.attention.heads;
    if (!status && (glim__tape_wants(t, n, GLIM_SITE_SCORES, any) ||
                    glim__tape_wants(t, n, GLIM_SITE_PATTERN, any)))
        status = forward_whole(&run, items, err);
    else if (!status && !t->replay &&
             glim__tape_wants(t, n, GLIM_SITE_PATTERN, GLIM_HOOK_READ | GLIM_HOOK_HEADS))
        status = glim__attention_heads(&run, forward_item, err);
    else if (!status)
        glim__parallel(t->ctx, items, forward_item, &run);
    glim__attention_end(&run);
    return status;
}

static size_t attention_aux(const glim_tape *t, const glim_tape_node *n) {
    return (size_t)(GLIM_ATTENTION_AUX * n->rows->T * n->as.attention.heads);
}

const glim_op glim__op_attention_op = {
    .name = "attention",
    .saves = 7u,
    .forward = attention_forward,
    .backward = glim__attention_backward,
    .aux = attention_aux,
};

glim_node glim__op_attention(glim_tape *t, glim_node q, glim_node k, glim_node v,
                             const glim_attention *how) {
    int64_t kv = (int64_t)how->kv_heads * how->head_width;
    if (!q || !k || !v || t->nodes[q].cols != (int64_t)how->heads * how->head_width ||
        t->nodes[k].cols != kv || t->nodes[v].cols != kv)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n =
        glim__tape_append(t, &glim__op_attention_op, q, k, v, t->status ? 0 : t->nodes[q].cols);
    if (n)
        n->as.attention = *how;
    return glim__tape_index(t, n);
}
