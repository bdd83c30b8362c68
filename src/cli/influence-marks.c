/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four numbers of every sample, for flags and figures, 16 bytes on disk: what wants a look is
 * known only when all have come by (a limit is a mean and three deviations), and then they are
 * gone through again, a block in memory. Rejected: the largest alone, since flags count all.
 */
#include "cli/influence.h"
#include "influence/strongest.h"

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

size_t cli_flagged(cli_influence *c, unsigned kinds, size_t most, size_t *out) {
    glim_strongest h = {.most = most, .sign = 1};
    size_t n = 0;
    h.at = glim__calloc(c->run->ctx, most + 1, sizeof *h.at);
    for (size_t i = 0; i < c->done && h.at; i++) {
        cli_mark mark = cli_mark_of(c, i);
        if (kinds ? !(cli_sample_flags(c, i, &mark) & kinds) : isnan(mark.score))
            continue;
        float by = kinds == CLI_FAR ? mark.leverage : isnan(mark.score) ? mark.loss : mark.score;
        glim__strongest_offer(&h, (glim_influence_entry){i, isnan(by) ? -INFINITY : (double)by});
        n++;
    }
    if (h.at)
        glim__strongest_sorted(&h, h.at);
    for (size_t i = 0; i < h.n && h.at; i++)
        out[i] = h.at[i].sample;
    glim__free(c->run->ctx, h.at);
    return n;
}

size_t cli_largest(cli_influence *c, size_t most, size_t *out) {
    size_t n = cli_flagged(c, 0, most, out);
    return n < most ? n : most;
}
