/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs are dealt out in turn and not asked for: samples of a file are much alike in length,
 * and a process that waits for its next run would wait while the first one works on its own.
 */
#include "influence/shares.h"

#include <string.h>

/* ---- rows ---- */

/* Samples of a run: a whole block, or a part of it where there are few samples, so that every
   process gets four. */
static size_t run_of(const glim_share *s, int size) {
    size_t run = s->block;
    while (size > 1 && run > 1 && s->n / run < (size_t)size * 4)
        run = (run + 1) / 2;
    return run;
}

static glim_status one_run(const glim_share *s, size_t first, size_t count, int who, void *records,
                           glim_error *err) {
    const glim_team *t = glim__team(s->ctx);
    bool own = who == t->rank;
    glim_status status = glim__check_cancel(s->ctx, err);
    if (!status && own) {
        memset(records, 0, count * s->bytes);
        status = s->work(s->data, first, count, records, err);
    }
    if (!status && own && who)
        status = t->send(t->data, 0, records, count * s->bytes, err);
    else if (!status && !own && !t->rank)
        status = t->receive(t->data, who, records, count * s->bytes, err);
    if (!status && !t->rank)
        status = s->take(s->data, first, count, records, err);
    if (!own || !s->inner)
        glim__progress_add(s->ctx, count);
    return status;
}

glim_status glim__share(const glim_share *s, glim_error *err) {
    const glim_team *t = glim__team(s->ctx);
    size_t run = run_of(s, t->size), turn = 0;
    void *records = glim__alloc(s->ctx, run * s->bytes);
    glim_status status =
        records ? GLIM_OK : glim__oom(s->ctx, err, "records of samples", run * s->bytes);
    if (s->inner)
        glim__progress_begin_inner(s->ctx, s->stage, s->n);
    else
        glim__progress_begin_items(s->ctx, s->stage, s->n);
    for (size_t block = 0; block < s->n && !status; block += s->block) {
        size_t end = s->n - block < s->block ? s->n : block + s->block;
        bool wanted = !s->wanted || s->wanted(s->data, block);
        if (!wanted) {
            status = t->rank ? GLIM_OK : s->take(s->data, block, end - block, NULL, err);
            glim__progress_add(s->ctx, end - block);
        }
        for (size_t at = block; wanted && at < end && !status; at += run, turn++)
            status = one_run(s, at, end - at < run ? end - at : run, (int)(turn % (size_t)t->size),
                             records, err);
    }
    glim__progress_end(s->ctx);
    glim__free(s->ctx, records);
    return status;
}

/* ---- sums ---- */

size_t glim__pieces(size_t n) {
    size_t pieces = n / GLIM_PIECE_LEAST;
    return pieces < 1 ? 1 : pieces < GLIM_PIECES ? pieces : GLIM_PIECES;
}

size_t glim__piece_begins(size_t n, size_t p) {
    size_t pieces = glim__pieces(n), rest = n % pieces;
    return n / pieces * p + (p < rest ? p : rest);
}

int glim__sum_owner(const glim_context *ctx, size_t i) {
    return (int)(i % (size_t)glim__team(ctx)->size);
}

/* Pieces first .. first + count - 1, one a process. */
static glim_status one_each(const glim_piecewise *s, size_t first, size_t count, glim_error *err) {
    size_t rank = (size_t)glim__team(s->ctx)->rank, own = 0;
    size_t from = glim__piece_begins(s->n, first), all = glim__piece_begins(s->n, first + count);
    glim_status status = glim__check_cancel(s->ctx, err);
    if (!status && rank < count) {
        size_t at = glim__piece_begins(s->n, first + rank);
        own = glim__piece_begins(s->n, first + rank + 1) - at;
        status = s->piece(s->data, at, own, err);
    }
    if (!status)
        status = s->add(s->data, first, count, err);
    glim__progress_add(s->ctx, all - from - (s->inner ? own : 0));
    return status;
}

glim_status glim__piecewise(const glim_piecewise *s, glim_error *err) {
    size_t pieces = glim__pieces(s->n), size = (size_t)glim__team(s->ctx)->size;
    glim_status status = GLIM_OK;
    if (s->inner)
        glim__progress_begin_inner(s->ctx, s->stage, s->n);
    else
        glim__progress_begin_items(s->ctx, s->stage, s->n);
    glim__progress_add(s->ctx, s->skip);
    for (size_t p = 0; p < pieces && !status; p += size)
        if (glim__piece_begins(s->n, p) >= s->skip)
            status = one_each(s, p, pieces - p < size ? pieces - p : size, err);
    glim__progress_end(s->ctx);
    return status;
}

/* Numbers from .. from + n - 1 of the sum. */
static void add_numbers(const glim_partial *s, size_t from, size_t n, const void *more) {
    if (s->type == GLIM_SUM_F64) {
        double *to = (double *)s->total + from;
        for (size_t i = 0; i < n; i++)
            to[i] += ((const double *)more)[i];
    } else if (s->type == GLIM_SUM_F32) {
        float *to = (float *)s->total + from;
        for (size_t i = 0; i < n; i++)
            to[i] += ((const float *)more)[i];
    } else {
        uint64_t *to = (uint64_t *)s->total + from;
        for (size_t i = 0; i < n; i++)
            to[i] += ((const uint64_t *)more)[i];
    }
}

/* Messages are short, so that nobody needs room for a second sum. */
static glim_status add_other(const glim_team *t, int who, const glim_partial *s, size_t each,
                             glim_error *err) {
    enum { SHORT = 4096 };
    double room[SHORT];
    glim_status status = GLIM_OK;
    for (size_t at = 0, n; at < s->n && !status; at += n) {
        n = s->n - at < SHORT ? s->n - at : SHORT;
        const char *own = (const char *)s->part + at * each;
        status = t->rank == who ? t->send(t->data, s->owner, own, n * each, err)
                                : t->receive(t->data, who, room, n * each, err);
        if (!status && t->rank == s->owner)
            add_numbers(s, at, n, room);
    }
    return status;
}

glim_status glim__pieces_add(glim_context *ctx, size_t first, size_t count, const glim_partial *s,
                             glim_error *err) {
    const glim_team *t = glim__team(ctx);
    glim_status status = GLIM_OK;
    for (size_t p = first; p < first + count && !status; p++) {
        int who = (int)(p % (size_t)t->size);
        if (who == t->rank && who == s->owner)
            add_numbers(s, 0, s->n, s->part);
        else if (who == t->rank || s->owner == t->rank)
            status =
                add_other(t, who, s, s->type == GLIM_SUM_F32 ? sizeof(float) : sizeof(double), err);
    }
    return status;
}
