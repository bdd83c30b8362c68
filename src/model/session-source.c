/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading half of an encoder-decoder. The session has one of its own for the encoder;
 * its last rows are the memory that every block of the decoder looks up, and gradients
 * gather there before the encoder is walked back. A memory stays until other texts are
 * given, and keys and values made of it stay with the cache, so that writing a token
 * costs no more than the decoder.
 */
#include "model/session.h"

#include <string.h>

glim_status glim__source_new(glim_session *s, glim_error *err) {
    return s->m->encoder ? glim_session_new(&s->encoder, s->m->encoder, 0, err) : GLIM_OK;
}

static void forget_keys(glim_session *s) {
    glim__free(s->ctx, s->across);
    s->across = NULL;
    s->across_known = false;
}

void glim__source_free(glim_session *s) {
    forget_keys(s);
    glim_session_free(s->encoder);
}

static glim_status check(const glim_session *s, const glim_batch *b, glim_error *err) {
    size_t n = b->n_sources ? b->n_sources : s->n_sources;
    if (!s->encoder)
        return b->n_sources ? glim_fail(err, GLIM_EUSAGE, "this model reads no second text")
                            : GLIM_OK;
    if (!n || (b->keep && !b->n_sources))
        return glim_fail(err, GLIM_EUSAGE, "there is no text to write about");
    if (n != b->count && (n != 1 || b->keep))
        return glim_fail(err, GLIM_EUSAGE, "%zu texts to read for %zu to write", n, b->count);
    for (size_t i = 0; i < b->n_sources; i++) {
        const glim_sequence *q = &b->sources[i];
        bool seen = !q->hidden;
        for (size_t k = 0; k < q->count && !seen; k++)
            seen = !q->hidden[k];
        if (!seen)
            return glim_fail(err, GLIM_EUSAGE, "all of text %zu is hidden", i);
    }
    return GLIM_OK;
}

/* Runs the texts; every row is wanted. */
static glim_status encode(glim_session *s, const glim_batch *b, glim_error *err) {
    size_t longest = 0;
    glim_sequence *q = glim__calloc(s->ctx, b->n_sources, sizeof *q);
    for (size_t i = 0; i < b->n_sources; i++)
        longest = b->sources[i].count > longest ? b->sources[i].count : longest;
    uint32_t *all = glim__calloc(s->ctx, longest + 1, sizeof *all);
    glim_status status =
        q && all ? GLIM_OK : glim__oom(s->ctx, err, "the texts", longest * sizeof *all);
    for (size_t k = 0; k < longest && !status; k++)
        all[k] = (uint32_t)k;
    for (size_t i = 0; i < b->n_sources && !status; i++) {
        q[i] = b->sources[i];
        q[i].wanted = all;
        q[i].n_wanted = q[i].count;
    }
    glim_batch run = {.sequences = q,
                      .count = b->n_sources,
                      .hooks = b->hooks,
                      .n_hooks = b->n_hooks,
                      .rules = b->rules,
                      .keep = b->keep};
    s->encoder->keep_layers = s->keep_layers;
    s->encoder->reserve = glim__session_least(s, b);
    s->n_sources = 0;
    forget_keys(s);
    if (!status)
        status = glim_session_forward(s->encoder, &run, err);
    if (!status)
        s->n_sources = b->n_sources;
    glim__free(s->ctx, q);
    glim__free(s->ctx, all);
    return status;
}

/* The memory's rows as each sequence of the batch sees them. */
static glim_status lay_out(glim_session *s, const glim_batch *b, glim_error *err) {
    const glim_session *e = s->encoder;
    s->source_parts = glim__calloc(s->ctx, b->count, sizeof *s->source_parts);
    if (!s->source_parts)
        return glim__oom(s->ctx, err, "a batch", b->count * sizeof *s->source_parts);
    for (size_t i = 0; i < b->count; i++)
        s->source_parts[i] = e->parts[s->n_sources == 1 ? 0 : i];
    s->source_rows = (glim_rows){e->rows.T, e->position, s->source_parts, b->count};
    return GLIM_OK;
}

glim_status glim__source_read(glim_session *s, const glim_batch *b, glim_error *err) {
    glim_status status = check(s, b, err);
    if (!status && b->n_sources)
        status = encode(s, b, err);
    return status || !s->encoder ? status : lay_out(s, b, err);
}

/* Keys or values of block i as they are kept. */
static float *kept(const glim_session *s, int i, bool value) {
    size_t one = (size_t)s->source_rows.T * (size_t)s->m->hyper.G * (size_t)s->m->hyper.D;
    return s->across + (2 * (size_t)i + value) * one;
}

void glim__source_lend(const glim_session *s, glim_tape *t, int i) {
    const glim_session *e = s->encoder;
    if (!e)
        return;
    t->memory = e->head.nodes[e->head_logits].data;
    t->memory_rows = &s->source_rows;
    if (s->across_known && !s->backward) {
        t->across_k = kept(s, i, false);
        t->across_v = kept(s, i, true);
    }
}

/* Before the first block of a batch that is appended. */
glim_status glim__source_keep(glim_session *s, glim_error *err) {
    size_t one = (size_t)s->source_rows.T * (size_t)s->m->hyper.G * (size_t)s->m->hyper.D;
    if (!s->encoder || s->across)
        return GLIM_OK;
    s->across = glim__alloc(s->ctx, 2 * (size_t)s->m->hyper.L * one * sizeof *s->across);
    return s->across ? GLIM_OK
                     : glim__oom(s->ctx, err, "the keys of the text",
                                 2 * (uint64_t)s->m->hyper.L * one * sizeof *s->across);
}

void glim__source_store(glim_session *s, int i) {
    const glim_tape *t = &s->tapes[i];
    size_t one = (size_t)s->source_rows.T * (size_t)s->m->hyper.G * (size_t)s->m->hyper.D;
    if (!s->encoder || s->across_known)
        return;
    for (int v = 0; v < 2; v++)
        memcpy(kept(s, i, v), t->nodes[t->across_nodes[v]].data, one * sizeof(float));
    s->across_known = i + 1 == s->m->hyper.L;
}

/* ---- back ---- */

/* The encoder's walk: the memory's gradient is the seed of each of its rows. */
glim_status glim__source_back(glim_session *s, const float *d, float *d_embed, glim_error *err) {
    glim_session *e = s->encoder;
    size_t C = (size_t)s->m->hyper.C, T = (size_t)e->rows.T, r = 0;
    glim_seed *seeds = glim__calloc(s->ctx, T, sizeof *seeds);
    if (!seeds)
        return glim__oom(s->ctx, err, "the seeds", T * sizeof *seeds);
    for (size_t p = 0; p < e->rows.n_parts; p++)
        for (size_t k = 0; k < (size_t)e->parts[p].count; k++, r++)
            seeds[r] = (glim_seed){.sequence = p, .wanted = k, .dense = d + r * C};
    glim_status status = glim_session_backward(e, seeds, T, d_embed, err);
    glim__free(s->ctx, seeds);
    return status;
}
