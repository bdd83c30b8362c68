/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods and metrics ask a predictor for the same masks: leave-one-out of occlusion and of
 * the metrics, curves that begin alike, the same random orders for every method. A memo
 * stands before p->values and hands on what is new, in one call, so that batches stay large.
 * Values have the same bits however they are batched; so they have them from memory. Black
 * boxes remember inputs by themselves. When the memo is full it forgets nothing and learns no
 * more: what comes first, leave-one-out and the curves of the scores, is what comes again.
 */
#include "predict/memo.h"
#include "base/arena.h"
#include "base/map.h"

#include <string.h>

enum { MOST = 16 << 20, PART = 16, HEAD = 1 + 2 * sizeof(uint64_t), SLOT = 48 };

struct glim_memo {
    glim_predictor *p;
    glim_status (*values)(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err);
    glim_map index;   /* key -> number of a row */
    glim_arena arena; /* keys */
    double *rows;     /* (most, n_rows) */
    size_t n, most;   /* rows */
    size_t key_bytes;
    uint8_t *key; /* under way */
    uint64_t hits;
};

/* The way, what is drawn instead, and the mask in bits; fixed units are always there. */
static void make_key(glim_memo *m, const uint8_t *keep, glim_absent absent) {
    const glim_predictor *p = m->p;
    const uint64_t drawn[] = {p->background, p->background_seed};
    memset(m->key, 0, m->key_bytes);
    m->key[0] = (uint8_t)absent;
    if (absent == GLIM_ABSENT_RESAMPLE)
        memcpy(m->key + 1, drawn, sizeof drawn);
    for (size_t u = 0; u < p->units->count; u++)
        if (keep[u] || p->units->at[u].fixed)
            m->key[HEAD + u / 8] |= (uint8_t)(1u << u % 8);
}

/* What is not remembered is not an error. */
static void learn(glim_memo *m, const uint8_t *keep, glim_absent absent, const double *row) {
    size_t R = m->p->n_rows;
    make_key(m, keep, absent);
    uint8_t *key = m->n < m->most ? glim__arena_alloc(&m->arena, m->key_bytes) : NULL;
    if (!key)
        return;
    memcpy(key, m->key, m->key_bytes);
    memcpy(m->rows + m->n * R, row, R * sizeof *row);
    m->n += glim__map_set(&m->index, key, m->key_bytes, (int32_t)m->n, NULL);
}

static int32_t find(glim_memo *m, const uint8_t *keep, glim_absent absent) {
    make_key(m, keep, absent);
    return glim__map_get(&m->index, m->key, m->key_bytes);
}

/* Fills in what is known; the masks that are not move to the front of `fresh`, which says where
   each was. Returns how many. */
static size_t sort_out(glim_memo *m, const uint8_t *keep, size_t n, glim_absent absent, double *out,
                       uint8_t *masks, size_t *fresh) {
    size_t R = m->p->n_rows, U = m->p->units->count, k = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t row = find(m, keep + i * U, absent);
        if (row >= 0) {
            memcpy(out + i * R, m->rows + (size_t)row * R, R * sizeof *out);
            continue;
        }
        memcpy(masks + k * U, keep + i * U, U);
        fresh[k++] = i;
    }
    m->hits += n - k;
    return k;
}

static glim_status ask(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                       double *out, glim_error *err) {
    glim_memo *m = p->memo;
    size_t R = p->n_rows, U = p->units->count;
    uint8_t *masks = glim__calloc(p->ctx, n + 1, U + 1);
    size_t *fresh = glim__calloc(p->ctx, n + 1, sizeof *fresh);
    double *values = glim__calloc(p->ctx, n + 1, R * sizeof *values);
    glim_status status = GLIM_OK;
    if (masks && fresh && values) {
        size_t k = sort_out(m, keep, n, absent, out, masks, fresh);
        status = k ? m->values(p, masks, k, absent, values, err) : GLIM_OK;
        for (size_t i = 0; i < k; i++) {
            memcpy(out + fresh[i] * R, values + i * R, R * sizeof *out);
            if (!status)
                learn(m, masks + i * U, absent, values + i * R);
        }
    } else {
        status = m->values(p, keep, n, absent, out, err);
    }
    glim__free(p->ctx, masks);
    glim__free(p->ctx, fresh);
    glim__free(p->ctx, values);
    return status;
}

/* ---- opening ---- */

glim_status glim__memo_open(glim_memo **out, glim_predictor *p, glim_error *err) {
    size_t key = HEAD + (p->units->count + 7) / 8, one = key + SLOT + p->n_rows * sizeof(double);
    uint64_t left = glim__budget_left(p->ctx) / PART, room = left < MOST ? left : MOST;
    *out = NULL;
    if (!p->model || p->memo || room / one < 16) /* black boxes remember by themselves */
        return GLIM_OK;
    glim_memo *m = *out = glim__calloc(p->ctx, 1, sizeof *m);
    if (!m)
        return glim__oom(p->ctx, err, "a memory of masks", sizeof *m);
    m->p = p;
    m->most = (size_t)(room / one);
    m->key_bytes = key;
    glim__map_init(&m->index, p->ctx);
    glim__arena_init(&m->arena, p->ctx, 1 << 16);
    m->rows = glim__calloc(p->ctx, m->most, p->n_rows * sizeof *m->rows);
    m->key = glim__calloc(p->ctx, key, 1);
    if (!m->rows || !m->key) {
        glim__memo_close(m);
        *out = NULL;
        return glim__oom(p->ctx, err, "a memory of masks", room);
    }
    m->values = p->values;
    p->values = ask;
    p->memo = m;
    return GLIM_OK;
}

void glim__memo_close(glim_memo *m) {
    if (!m)
        return;
    glim_predictor *p = m->p;
    if (m->values)
        p->values = m->values;
    if (p->memo == m)
        p->memo = NULL;
    glim__map_release(&m->index);
    glim__arena_release(&m->arena);
    glim__free(p->ctx, m->rows);
    glim__free(p->ctx, m->key);
    glim__free(p->ctx, m);
}

uint64_t glim__memo_hits(const glim_memo *m) {
    return m ? m->hits : 0;
}
