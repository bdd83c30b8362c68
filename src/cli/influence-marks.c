/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four numbers of every sample, for flags and figures, 16 bytes on disk: what wants a look is
 * known only when all have come by (a limit is a mean and three deviations), and then they are
 * gone through again, a block in memory. Rejected: the largest alone, since flags count all.
 */
#include "cli/influence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, NUMBERS = sizeof(cli_mark) / sizeof(double) };

glim_status cli_marks_put(cli_influence *c, size_t first, size_t count, const cli_mark *marks,
                          glim_error *err) {
    cli_marks *m = &c->marks;
    glim_status status = GLIM_OK;
    m->held = 0;
    if (!m->open) {
        status = glim__spool_open(&m->spool, "marks of samples", err);
        m->open = !status;
    }
    if (!status)
        status = glim__spool_write(&m->spool, first * NUMBERS, (const double *)(const void *)marks,
                                   count * NUMBERS, err);
    return status;
}

void cli_marks_close(cli_influence *c) {
    if (c->marks.open)
        glim__spool_close(&c->marks.spool);
    c->marks.open = false;
}

cli_mark cli_mark_of(cli_influence *c, size_t i) {
    const cli_mark none = {NAN, NAN, NAN, NAN};
    cli_marks *m = &c->marks;
    if (i < m->first || i >= m->first + m->held) {
        m->first = i / BLOCK * BLOCK;
        m->held = c->done - m->first < BLOCK ? c->done - m->first : BLOCK;
        if (!m->status)
            m->status = glim__spool_read(&m->spool, m->first * NUMBERS, (double *)(void *)m->block,
                                         m->held * NUMBERS, &c->run->err);
    }
    return m->status ? none : m->block[i - m->first];
}

/* ---- the largest ---- */

/* Samples with the largest scores, the first to go on top (a heap). */
struct best {
    size_t n, most;
    size_t *at;
    float *score;
};

static bool weaker(const struct best *b, size_t i, size_t k) {
    return b->score[i] != b->score[k] ? b->score[i] < b->score[k] : b->at[i] > b->at[k];
}

static void swap(struct best *b, size_t i, size_t k) {
    size_t at = b->at[i];
    float score = b->score[i];
    b->at[i] = b->at[k];
    b->score[i] = b->score[k];
    b->at[k] = at;
    b->score[k] = score;
}

static void sift(struct best *b, size_t i) {
    for (size_t top = i;; i = top) {
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < b->n; child++)
            if (weaker(b, child, top))
                top = child;
        if (top == i)
            return;
        swap(b, i, top);
    }
}

/* Samples come in order, so an equal one comes later and is weaker. */
static void offer(struct best *b, size_t sample, float score) {
    if (b->n == b->most) {
        if (!b->most || !(score > b->score[0]))
            return;
        b->at[0] = sample;
        b->score[0] = score;
        sift(b, 0);
        return;
    }
    size_t i = b->n++;
    b->at[i] = sample;
    b->score[i] = score;
    for (; i && weaker(b, i, (i - 1) / 2); i = (i - 1) / 2)
        swap(b, i, (i - 1) / 2);
}

/* The largest first. */
static void sort(struct best *b) {
    for (size_t n = b->n; b->n > 1; sift(b, 0)) {
        swap(b, 0, --b->n);
        if (b->n == 1) {
            b->n = n;
            return;
        }
    }
}

size_t cli_flagged(cli_influence *c, unsigned kinds, size_t most, size_t *out) {
    struct best b = {.most = most, .at = out};
    size_t n = 0;
    b.score = glim__calloc(c->run->ctx, most + 1, sizeof *b.score);
    for (size_t i = 0; i < c->done && b.score; i++) {
        cli_mark mark = cli_mark_of(c, i);
        if (kinds ? !(cli_sample_flags(c, i, &mark) & kinds) : isnan(mark.score))
            continue;
        float by = kinds == CLI_FAR ? mark.leverage : isnan(mark.score) ? mark.loss : mark.score;
        offer(&b, i, isnan(by) ? -INFINITY : by);
        n++;
    }
    sort(&b);
    glim__free(c->run->ctx, b.score);
    return n;
}

size_t cli_largest(cli_influence *c, size_t most, size_t *out) {
    size_t n = cli_flagged(c, 0, most, out);
    return n < most ? n : most;
}
