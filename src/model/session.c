/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session runs a ragged batch through the blocks, one tape a block. Without
 * `keep` a block's values go back to the workspace as soon as the next block
 * has its input. With it, the inputs of all blocks stay, the last blocks keep
 * what backward reads, as many as memory allows, and the others are computed
 * again on the way back: the same steps on the same numbers, so not a bit
 * changes.
 */
#include "model/session.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

glim_status glim_session_new(glim_session **out, const glim_model *m, size_t positions,
                             glim_error *err) {
    *out = NULL;
    if (m->vision)
        return glim_fail(err, GLIM_EUSAGE, "'%s' reads pictures, not text", m->info.path);
    if (positions > (size_t)m->hyper.context)
        return glim_fail(err, GLIM_ELIMIT,
                         "%zu tokens are more than the context of %d (shorten "
                         "the input)",
                         positions, m->hyper.context);
    glim_session *s = glim__calloc(m->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(m->ctx, err, "a session", sizeof *s);
    size_t L = (size_t)m->hyper.L, row = (size_t)m->hyper.G * (size_t)m->hyper.D;
    s->m = m;
    s->ctx = m->ctx;
    s->keep_layers = -1;
    s->positions = positions;
    glim__workspace_init(&s->space, m->ctx);
    s->x = glim__calloc(s->ctx, L + 1, sizeof *s->x);
    s->tapes = glim__calloc(s->ctx, L, sizeof *s->tapes);
    s->out = glim__calloc(s->ctx, L, sizeof *s->out);
    bool ok = s->x && s->tapes && s->out;
    if (ok && positions) {
        s->cache_k = glim__alloc(s->ctx, L * positions * row * sizeof(float));
        s->cache_v = glim__alloc(s->ctx, L * positions * row * sizeof(float));
        ok = s->cache_k && s->cache_v;
    }
    if (!ok) {
        glim_session_free(s);
        return glim__oom(m->ctx, err, "a session", 2 * L * positions * row * sizeof(float));
    }
    glim_status status = glim__source_new(s, err);
    if (status) {
        glim_session_free(s);
        return status;
    }
    *out = s;
    return GLIM_OK;
}

void glim_session_free(glim_session *s) {
    if (!s)
        return;
    glim__session_clear(s);
    glim__source_free(s);
    glim__workspace_release(&s->space);
    for (int i = 0; i < GLIM_MAX_ROPES; i++)
        glim__rope_release(&s->ropes[i], s->ctx);
    glim__free(s->ctx, s->cache_k);
    glim__free(s->ctx, s->cache_v);
    glim__free(s->ctx, s->x);
    glim__free(s->ctx, s->tapes);
    glim__free(s->ctx, s->out);
    glim__free(s->ctx, s);
}

size_t glim_session_length(const glim_session *s) {
    return s->length;
}

void glim_session_truncate(glim_session *s, size_t n) {
    if (n < s->length)
        s->length = n;
}

void glim_session_keep_layers(glim_session *s, int layers) {
    s->keep_layers = layers;
}

void glim_session_cost(const glim_session *s, uint64_t *forward, uint64_t *backward) {
    uint64_t L = (uint64_t)s->m->hyper.L;
    *forward = (s->forward_rows + L - 1) / L;
    *backward = (s->backward_rows + L - 1) / L;
}

void glim__session_clear(glim_session *s) {
    for (int i = 0; i < s->m->hyper.L && s->tapes; i++)
        glim__tape_release(&s->tapes[i]);
    glim__tape_release(&s->head);
    glim__tape_release(&s->front);
    glim__workspace_give(&s->space, s->raw);
    s->raw = NULL;
    for (int i = 0; i <= s->m->hyper.L && s->x; i++) {
        glim__workspace_give(&s->space, s->x[i]);
        s->x[i] = NULL;
    }
    glim__workspace_give(&s->space, s->wanted_x);
    s->wanted_x = NULL;
    glim__free(s->ctx, s->position);
    glim__free(s->ctx, s->parts);
    glim__free(s->ctx, s->wanted_row);
    glim__free(s->ctx, s->source_parts);
    s->position = NULL;
    s->parts = s->source_parts = NULL;
    s->wanted_row = NULL;
    s->kept = false;
}

/* ---- the batch ---- */

/* Whether the sequence that q follows has the positions that q does not. */
static bool may_follow(const glim_sequence *q, const glim_batch *b) {
    const glim_sequence *from = &b->sequences[q->parent - 1];
    return q->prefix <= from->prefix + from->count;
}

static glim_status check_batch(const glim_session *s, const glim_batch *b, glim_error *err) {
    const glim_hyper *h = &s->m->hyper;
    if (!b->count)
        return glim_fail(err, GLIM_EUSAGE, "a batch without sequences");
    if (b->append && (b->count != 1 || b->sequences[0].prefix != s->length))
        return glim_fail(err, GLIM_EUSAGE, "append takes one sequence that continues the cache");
    if (b->first_layer < 0 || b->first_layer >= h->L || (b->first_layer && (b->keep || b->append)))
        return glim_fail(err, GLIM_EUSAGE, "a pass cannot begin at block %d", b->first_layer);
    for (size_t i = 0; i < b->count; i++) {
        const glim_sequence *q = &b->sequences[i];
        if (!q->count)
            return glim_fail(err, GLIM_EUSAGE, "sequence %zu is empty", i);
        if (b->first_layer && !q->embeddings)
            return glim_fail(err, GLIM_EUSAGE, "sequence %zu has nothing that enters block %d", i,
                             b->first_layer);
        if (q->prefix && h->both_ways)
            return glim_fail(err, GLIM_EUSAGE, "an encoder reads whole sequences");
        if (q->parent && (q->parent > i || b->keep || b->append || !may_follow(q, b)))
            return glim_fail(err, GLIM_EUSAGE, "sequence %zu cannot follow sequence %zu", i,
                             q->parent - 1);
        if (q->prefix > s->length && !q->parent)
            return glim_fail(err, GLIM_EUSAGE, "sequence %zu wants %zu cached positions of %zu", i,
                             q->prefix, s->length);
        if (q->count > (size_t)h->context || q->prefix + q->count > (size_t)h->context)
            return glim_fail(err, GLIM_ELIMIT,
                             "%zu tokens are more than the context of %d "
                             "(shorten the input)",
                             q->prefix + q->count, h->context);
        if (b->append && q->prefix + q->count > s->positions)
            return glim_fail(err, GLIM_EUSAGE, "the cache holds %zu positions; %zu are needed",
                             s->positions, q->prefix + q->count);
        for (size_t k = 0; k < q->count && q->ids; k++)
            if (q->ids[k] < 0 || q->ids[k] >= h->V)
                return glim_fail(err, GLIM_EUSAGE, "token %d is outside the vocabulary of %d",
                                 q->ids[k], h->V);
        for (size_t k = 0; k < q->n_wanted; k++)
            if (q->wanted[k] >= q->count)
                return glim_fail(err, GLIM_EUSAGE, "row %u is outside sequence %zu", q->wanted[k],
                                 i);
    }
    return GLIM_OK;
}

/* When the last row of every sequence is all that is wanted, the last block need
   not compute the others. Hooks see whole sequences unless they want no more than it. */
static bool wants_last_rows(const glim_batch *b, bool both_ways) {
    bool longer = false;
    for (size_t i = 0; i < b->count; i++) {
        const glim_sequence *q = &b->sequences[i];
        if (q->n_wanted != 1 || q->wanted[0] != q->count - 1)
            return false;
        longer = longer || q->count > 1;
    }
    return longer && (!b->n_hooks || b->inner) && !both_ways;
}

/* Rows, positions and wanted rows of the batch, in three allocations. */
static glim_status lay_out(glim_session *s, const glim_batch *b, glim_error *err) {
    size_t T = 0, R = 0;
    for (size_t i = 0; i < b->count; i++) {
        T += b->sequences[i].count;
        R += b->sequences[i].n_wanted;
    }
    s->position = glim__calloc(s->ctx, T + R, sizeof *s->position);
    s->parts = glim__calloc(s->ctx, 3 * b->count, sizeof *s->parts);
    s->wanted_row = glim__calloc(s->ctx, R + b->count + 1, sizeof *s->wanted_row);
    if (!s->position || !s->parts || !s->wanted_row)
        return glim__oom(s->ctx, err, "a batch", T * sizeof *s->position);
    s->head_position = s->position + T;
    s->head_parts = s->parts + b->count;
    s->wanted_at = (size_t *)(s->wanted_row + R);
    size_t row = 0, wanted = 0;
    s->picked = wants_last_rows(b, s->m->hyper.both_ways);
    for (size_t i = 0; i < b->count; i++) {
        const glim_sequence *q = &b->sequences[i];
        s->parts[i] = (glim_rows_part){.first = (int64_t)row,
                                       .count = (int64_t)q->count,
                                       .prefix = (int64_t)q->prefix,
                                       .parent = q->parent,
                                       .hidden = q->hidden};
        s->head_parts[i] = (glim_rows_part){.first = (int64_t)wanted,
                                            .count = (int64_t)q->n_wanted,
                                            .prefix = (int64_t)(q->prefix + q->count) - 1,
                                            .hidden = q->hidden};
        s->wanted_at[i] = wanted;
        for (size_t k = 0; k < q->n_wanted; k++, wanted++) {
            s->wanted_row[wanted] = (int64_t)(s->picked ? wanted : row + q->wanted[k]);
            s->head_position[wanted] = (int32_t)(q->prefix + q->wanted[k]);
        }
        for (size_t k = 0; k < q->count; k++)
            s->position[row++] = (int32_t)(q->prefix + k);
    }
    s->wanted_at[b->count] = wanted;
    s->rows = (glim_rows){(int64_t)T, s->position, s->parts, b->count};
    s->head_rows = (glim_rows){(int64_t)R, s->head_position, s->head_parts, b->count};
    glim_rows_part *pooled = s->head_parts + b->count;
    for (size_t i = 0; i < b->count; i++)
        pooled[i] = (glim_rows_part){.first = (int64_t)i, .count = 1};
    s->pool_rows = (glim_rows){(int64_t)b->count, s->position, pooled, b->count};
    return GLIM_OK;
}

/* Position tables long enough for the batch; grown by doubling. */
static glim_status make_ropes(glim_session *s, glim_error *err) {
    int need = 0;
    for (int64_t r = 0; r < s->rows.T; r++)
        need = s->position[r] >= need ? s->position[r] + 1 : need;
    bool far =
        s->m->long_from && (need > s->m->long_from || s->positions > (size_t)s->m->long_from);
    if (far != s->far)
        glim__rope_release(&s->ropes[0], s->ctx);
    s->far = far;
    for (int i = 0; i < s->m->n_ropes; i++) {
        int have = s->ropes[i].positions ? s->ropes[i].positions : 64;
        if (s->ropes[i].positions >= need)
            continue;
        while (have < need)
            have *= 2;
        glim_rope fresh;
        const glim_rope_recipe *recipe = far && i == 0 ? &s->m->rope_long : &s->m->ropes[i];
        glim_status status = glim__rope_init(&fresh, s->ctx, recipe, have, err);
        if (status)
            return status;
        glim__rope_release(&s->ropes[i], s->ctx);
        s->ropes[i] = fresh;
    }
    return GLIM_OK;
}

/* ---- blocks ---- */

glim_status glim__session_block(glim_session *s, int i, bool keep, bool decode, bool replay,
                                glim_node *k, glim_node *v, glim_error *err) {
    glim_tape *t = &s->tapes[i];
    size_t layer = (size_t)i * s->positions * (size_t)s->m->hyper.G * (size_t)s->m->hyper.D;
    glim__tape_begin(t, s->ctx, &s->space, &s->rows);
    t->prefix = s->m->block_prefixes[i];
    t->layer = i;
    t->hooks = s->hooks;
    t->n_hooks = s->n_hooks;
    t->keep = keep;
    t->rules = s->rules;
    t->decode = decode;
    t->replay = replay;
    t->ropes = s->ropes;
    t->picked = s->picked && i == s->m->hyper.L - 1 ? &s->head_rows : NULL;
    t->cached_k = s->cache_k ? s->cache_k + layer : NULL;
    t->cached_v = s->cache_v ? s->cache_v + layer : NULL;
    glim__source_lend(s, t, i);
    s->out[i] = s->m->arch->block(t, s->m, i, glim__op_input(t, s->x[i], s->m->hyper.C), k, v);
    if (t->status)
        return glim_fail(err, t->status, "block %d could not be built", i);
    t->nodes[*k].hold = t->nodes[*v].hold = true;
    t->nodes[t->across_nodes[0]].hold = t->nodes[t->across_nodes[1]].hold = true;
    glim_status status = glim__tape_forward(t, err);
    if (!status)
        s->forward_rows += (uint64_t)s->rows.T;
    return status;
}

static void store_cache(glim_session *s, int i, glim_node k, glim_node v) {
    size_t row = (size_t)s->m->hyper.G * (size_t)s->m->hyper.D;
    size_t at = ((size_t)i * s->positions + s->length) * row;
    memcpy(s->cache_k + at, s->tapes[i].nodes[k].data, (size_t)s->rows.T * row * sizeof(float));
    memcpy(s->cache_v + at, s->tapes[i].nodes[v].data, (size_t)s->rows.T * row * sizeof(float));
    glim__source_store(s, i);
}

/* Where kept values outweigh the weights, the weights' pages are let go of when a
   block is done; they come back from the kernel's cache. */
void glim__session_forget(const glim_session *s) {
    enum { MANY_ROWS = 256 };
    if (s->m->file && s->rows.T >= MANY_ROWS)
        glim__gguf_forget(s->m->file);
}

/* What enters a block later than the first. */
static glim_status enter_later(glim_session *s, const glim_batch *b, glim_error *err) {
    size_t C = (size_t)s->m->hyper.C;
    float *x = s->x[b->first_layer] = glim__workspace_take(&s->space, (size_t)s->rows.T * C);
    if (!x)
        return glim__oom(s->ctx, err, "what enters the block", (uint64_t)s->rows.T * C * 4);
    for (size_t i = 0; i < b->count; i++)
        memcpy(x + (size_t)s->parts[i].first * C, b->sequences[i].embeddings,
               b->sequences[i].count * C * sizeof *x);
    return GLIM_OK;
}

static glim_status run_blocks(glim_session *s, const glim_batch *b, glim_error *err) {
    for (int i = b->first_layer; i < s->m->hyper.L; i++) {
        glim_node k, v;
        bool keep = b->keep && i >= s->first_kept;
        glim_status status = glim__session_block(s, i, keep, b->decode, false, &k, &v, err);
        if (status)
            return status;
        if (b->append)
            store_cache(s, i, k, v);
        glim_tape_node *out = &s->tapes[i].nodes[s->out[i]];
        s->x[i + 1] = out->data; /* from here on the session's */
        out->borrowed = true;
        if (!keep)
            glim__tape_release(&s->tapes[i]);
        if (b->keep)
            glim__session_forget(s);
        if (!b->keep) {
            glim__workspace_give(&s->space, s->x[i]);
            s->x[i] = NULL;
        }
    }
    return GLIM_OK;
}

static glim_status run_head(glim_session *s, const glim_batch *b, glim_error *err) {
    size_t C = (size_t)s->m->hyper.C, R = (size_t)s->head_rows.T;
    if (!R || b->inner)
        return GLIM_OK;
    s->wanted_x = glim__workspace_take(&s->space, R * C);
    if (!s->wanted_x)
        return glim__oom(s->ctx, err, "the wanted rows", R * C * 4);
    for (size_t r = 0; r < R; r++)
        memcpy(s->wanted_x + r * C, s->x[s->m->hyper.L] + (size_t)s->wanted_row[r] * C,
               C * sizeof(float));
    glim_tape *t = &s->head;
    glim__tape_begin(t, s->ctx, &s->space, &s->head_rows);
    t->hooks = s->hooks;
    t->n_hooks = s->n_hooks;
    t->keep = b->keep;
    t->rules = s->rules;
    t->decode = b->decode;
    t->replay = false;
    t->picked = &s->pool_rows;
    s->head_logits =
        glim__model_head(t, s->m, glim__op_input(t, s->wanted_x, (int64_t)C), &s->head_normed);
    glim_status status = glim__tape_forward(t, err);
    const float *y = status ? NULL : t->nodes[s->head_logits].data;
    size_t values = (size_t)(status ? 0 : t->nodes[s->head_logits].rows->T * s->m->outputs);
    for (size_t i = 0; i < values && !status; i++)
        if (!isfinite(y[i]))
            status = glim_fail(err, GLIM_ENUMERIC,
                               "a logit is not finite (broken weights; "
                               "`glim verify -m FILE` finds them)");
    return status;
}

glim_status glim_session_forward(glim_session *s, const glim_batch *b, glim_error *err) {
    int64_t before = s->rows.T;
    glim__session_clear(s);
    glim_status status = check_batch(s, b, err);
    if (status)
        return status;
    s->backward = b->keep;
    if ((status = lay_out(s, b, err)) || (status = make_ropes(s, err)) ||
        (status = glim__source_read(s, b, err)))
        goto done;
    if (before && s->rows.T > before)
        glim__workspace_trim(&s->space); /* smaller buffers will not fit again */
    s->hooks = b->hooks;
    s->n_hooks = b->n_hooks;
    s->rules = b->rules;
    s->first_kept =
        b->keep ? s->m->hyper.L - glim__session_fits(s, (size_t)s->head_rows.T) : s->m->hyper.L;
    if (b->append && (status = glim__source_keep(s, err)))
        goto done;
    status = b->first_layer ? enter_later(s, b, err) : glim__session_embed(s, b, err);
    if (status || (status = run_blocks(s, b, err)) || (status = run_head(s, b, err)))
        goto done;
    s->kept = b->keep;
    if (b->append)
        s->length += (size_t)s->rows.T;
done:
    if (status)
        glim__session_clear(s);
    return status;
}

size_t glim__session_output(const glim_session *s, size_t sequence, size_t wanted) {
    bool pooled = s->m->task == GLIM_TASK_EMBED || s->m->pool == GLIM_POOL_MEAN;
    return pooled ? sequence : s->wanted_at[sequence] + wanted;
}

const float *glim_session_logits(const glim_session *s, size_t sequence, size_t wanted) {
    size_t r = glim__session_output(s, sequence, wanted);
    return s->head.nodes[s->head_logits].data + r * (size_t)s->m->outputs;
}
