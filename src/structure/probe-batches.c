/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts as batches. Products go by tiles of rows, so a batch that ends inside one pays for the
 * whole of it: when the next text does not fit, the longest of those behind it that does is
 * taken first.
 */
#include "structure/probe-batches.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_AHEAD = 48 };

static int by_tokens(const void *a, const void *b, void *data) {
    const glim_probe_inputs *in = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b, n = 0;
    const glim_probe_input *x = &in->at[i], *y = &in->at[k];
    while (n < x->n && n < y->n && x->ids[n] == y->ids[n])
        n++;
    if (n < x->n && n < y->n)
        return x->ids[n] < y->ids[n] ? -1 : 1;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return i < k ? -1 : i > k;
}

glim_status glim__probe_batches_init(glim_probe_batches *b, const glim_model *m,
                                     const glim_probe_inputs *in, size_t most, bool last,
                                     glim_error *err) {
    *b = (glim_probe_batches){.m = m, .in = in, .most = most};
    bool sorts = last && m->task == GLIM_TASK_GENERATE && !m->hyper.both_ways;
    size_t texts = GLIM_PROBE_BATCH_TEXTS;
    b->sequences = glim__calloc(in->ctx, 2 * texts, sizeof *b->sequences);
    b->last = glim__calloc(in->ctx, texts, sizeof *b->last);
    b->order = sorts ? glim__calloc(in->ctx, in->n, sizeof *b->order) : NULL;
    if (!b->sequences || !b->last || (sorts && !b->order)) {
        glim__probe_batches_release(b);
        return glim__oom(in->ctx, err, "batches", glim__probe_batches_plan(in));
    }
    b->sources = b->sequences + texts;
    return GLIM_OK;
}

void glim__probe_batches_block(glim_probe_batches *b, size_t from, size_t to) {
    b->at = from;
    b->end = to;
    for (size_t i = from; i < to && b->order; i++)
        b->order[i] = i;
    if (b->order)
        qsort_r(b->order + from, to - from, sizeof *b->order, by_tokens, (void *)b->in);
}

void glim__probe_batches_release(glim_probe_batches *b) {
    if (!b->in)
        return;
    glim__free(b->in->ctx, b->sequences);
    glim__free(b->in->ctx, b->last);
    glim__free(b->in->ctx, b->order);
    b->in = NULL;
}

size_t glim__probe_batches_text(const glim_probe_batches *b, size_t sequence) {
    size_t i = b->first + sequence;
    return b->order ? b->order[i] : i;
}

/* Tokens that a text has from the one before it in the batch: never its last. */
static size_t shared(const glim_probe_batches *b, const glim_probe_input *x) {
    size_t n = 0;
    if (!b->order || !b->n)
        return 0;
    const glim_probe_input *y = &b->in->at[glim__probe_batches_text(b, b->n - 1)];
    while (n + 1 < x->n && n < y->n && x->ids[n] == y->ids[n])
        n++;
    return n;
}

/* Brings the longest text that fits into `room` rows to where the next is taken from. */
static bool find_fitting(glim_probe_batches *b, size_t room) {
    size_t end = b->at + LOOK_AHEAD < b->end ? b->at + LOOK_AHEAD : b->end, best = 0, most = 0;
    for (size_t i = b->at; i < end && b->order; i++) {
        const glim_probe_input *x = &b->in->at[b->order[i]];
        size_t rows = x->n - shared(b, x);
        if (rows <= room && rows > most) {
            most = rows;
            best = i;
        }
    }
    if (!most)
        return false;
    size_t text = b->order[best];
    memmove(b->order + b->at + 1, b->order + b->at, (best - b->at) * sizeof *b->order);
    b->order[b->at] = text;
    return true;
}

/* Returns the rows that it takes. */
static size_t add(glim_probe_batches *b) {
    static const uint32_t zero = 0;
    const glim_probe_input *x = &b->in->at[glim__probe_batches_text(b, b->n)];
    glim_sequence q = glim__probe_sequence(b->m, x, &zero);
    if (b->order) {
        q.prefix = shared(b, x);
        q.parent = q.prefix ? b->n : 0;
        q.ids += q.prefix;
        q.types = q.types ? q.types + q.prefix : NULL;
        q.count -= q.prefix;
        b->last[b->n] = (uint32_t)q.count - 1;
        q.wanted = &b->last[b->n];
        q.n_wanted = 1;
    }
    b->sequences[b->n] = q;
    b->sources[b->n] = (glim_sequence){.ids = x->ids, .count = x->n};
    b->tokens += x->n;
    b->n++;
    b->at++;
    return b->m->encoder ? x->n : q.count;
}

bool glim__probe_batches_next(glim_probe_batches *b, glim_batch *out) {
    size_t rows = 0;
    b->first = b->at;
    b->n = 0;
    b->tokens = 0;
    while (b->at < b->end && b->n < GLIM_PROBE_BATCH_TEXTS) {
        const glim_probe_input *x = &b->in->at[glim__probe_batches_text(b, b->n)];
        size_t room = rows < b->most ? b->most - rows : 0;
        if (b->n && x->n - shared(b, x) > room && !find_fitting(b, room))
            break;
        rows += add(b);
    }
    *out = (glim_batch){.sequences = b->sequences, .count = b->n, .inner = b->order != NULL};
    if (b->m->encoder) {
        out->sources = b->sources;
        out->n_sources = b->n;
    }
    return b->n > 0;
}

uint64_t glim__probe_batches_plan(const glim_probe_inputs *in) {
    return GLIM_PROBE_BATCH_TEXTS * (2 * sizeof(glim_sequence) + sizeof(uint32_t)) +
           in->n * sizeof(size_t);
}
