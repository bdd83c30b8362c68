/* SPDX-License-Identifier: Apache-2.0 */
/* A record points into the copy of its bytes. */
#include "evaluate/record.h"

#include "evaluate/judging.h"

#include <math.h>
#include <string.h>

enum { CURVE_REALS = sizeof(glim_curve) / sizeof(double) };

/* ---- an evaluation ---- */

static void write_measure(glim_buffer *b, const glim_measure *m) {
    const double reals[] = {m->value, m->random, m->random_se, m->reversed, m->best, m->skill};
    glim__pack_text(b, m->metric->name);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        glim__pack_real(b, reals[i]);
    glim__pack_number(b, m->n);
    glim__pack_number(b, m->failed);
    glim__pack_text(b, m->why);
    glim__pack_text(b, m->note);
    glim__pack_number(b, m->told != NULL);
    glim__pack_text(b, m->params);
    glim__pack_number(b, m->curve != NULL);
    for (size_t i = 0; m->curve && i < CURVE_REALS; i++)
        glim__pack_real(b, ((const double *)m->curve)[i]);
}

static void write_ranks(glim_buffer *b, const glim_seed_ranks *r) {
    glim__pack_number(b, r ? r->n_units : 0);
    for (size_t i = 0; r && i < r->n_units; i++) {
        glim__pack_number(b, i ? 0 : r->n_seeds);
        glim__pack_number(b, r->units[i].unit);
        glim__pack_text(b, r->units[i].text);
        for (size_t k = 0; k < r->n_seeds; k++)
            glim__pack_number(b, r->units[i].rank[k]);
    }
}

static void read_ranks(glim_unpacking *r, glim_evaluation *e) {
    uint64_t n = glim__unpack_number(r);
    if (r->failed || !n)
        return;
    glim_seed_ranks *to = e->ranks = glim__calloc(e->ctx, 1, sizeof *to);
    r->failed = !to || n > GLIM_RANKED_UNITS;
    for (size_t i = 0; !r->failed && i < n; i++) {
        uint64_t seeds = glim__unpack_number(r);
        to->n_units = i + 1;
        to->n_seeds = i ? to->n_seeds : (size_t)seeds;
        r->failed = r->failed || to->n_seeds > GLIM_RANKED_SEEDS;
        to->units[i].unit = (size_t)glim__unpack_number(r);
        to->units[i].text = glim__unpack_text(r);
        to->units[i].text_len = to->units[i].text ? strlen(to->units[i].text) : 0;
        for (size_t k = 0; !r->failed && k < to->n_seeds; k++)
            to->units[i].rank[k] = (size_t)glim__unpack_number(r);
    }
}

void glim__evaluation_write(glim_buffer *b, const glim_evaluation *e) {
    glim__pack_number(b, e->n_measures);
    for (size_t i = 0; i < e->n_measures; i++)
        write_measure(b, &e->measures[i]);
    for (size_t q = 0; q < GLIM_QUALITIES; q++)
        glim__pack_real(b, e->marks[q]);
    glim__pack_number(b, e->capped);
    glim__pack_number(b, e->asked);
    glim__pack_real(b, e->seconds);
    write_ranks(b, e->ranks);
}

static void read_measure(glim_unpacking *r, glim_context *ctx, const glim_metric *metric,
                         glim_measure *m) {
    const char *name = glim__unpack_text(r);
    *m = (glim_measure){.metric = metric, .low = NAN, .high = NAN};
    r->failed = r->failed || !name || strcmp(name, metric->name) != 0;
    double *reals[] = {&m->value, &m->random, &m->random_se, &m->reversed, &m->best, &m->skill};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        *reals[i] = glim__unpack_real(r);
    m->n = (size_t)glim__unpack_number(r);
    m->failed = glim__unpack_number(r) != 0;
    m->why = glim__unpack_text(r);
    m->note = glim__unpack_text(r);
    bool told = glim__unpack_number(r) != 0;
    if (told && m->note)
        m->note = m->told = glim__measure_text(ctx, m->note);
    r->failed = r->failed || (told && !m->told);
    const char *params = glim__unpack_text(r);
    m->params = params ? glim__measure_text(ctx, params) : NULL;
    r->failed = r->failed || !m->params;
    if (r->failed || !glim__unpack_number(r))
        return;
    m->curve = glim__calloc(ctx, 1, sizeof *m->curve);
    r->failed = !m->curve;
    for (size_t i = 0; m->curve && i < CURVE_REALS; i++)
        ((double *)m->curve)[i] = glim__unpack_real(r);
}

static void read_all(glim_unpacking *r, const glim_metric *const *list, glim_evaluation *e) {
    r->failed = r->failed || glim__unpack_number(r) != e->n_measures;
    for (size_t i = 0; i < e->n_measures; i++)
        read_measure(r, e->ctx, list[i], &e->measures[i]);
    for (size_t q = 0; q < GLIM_QUALITIES; q++) {
        e->marks[q] = glim__unpack_real(r);
        e->low[q] = e->high[q] = NAN;
    }
    e->capped = glim__unpack_number(r) != 0;
    e->asked = glim__unpack_number(r);
    e->seconds = glim__unpack_real(r);
    read_ranks(r, e);
}

glim_status glim__evaluation_read(glim_evaluation **out, glim_context *ctx, glim_unpacking *r,
                                  const glim_metric *const *metrics, glim_error *err) {
    const glim_metric *const *list = metrics ? metrics : glim_metrics();
    size_t n = 0, bytes = (size_t)(r->end - r->at);
    *out = NULL;
    while (list[n])
        n++;
    glim_evaluation *e = glim__calloc(ctx, 1, sizeof *e);
    if (e) {
        e->ctx = ctx;
        e->n_measures = n;
        e->measures = glim__calloc(ctx, n + 1, sizeof *e->measures);
        e->words = glim__alloc(ctx, bytes + 1);
    }
    if (!e || !e->measures || !e->words) {
        glim_evaluation_free(e);
        return glim__oom(ctx, err, "an evaluation", bytes);
    }
    memcpy(e->words, r->at, bytes);
    glim_unpacking own = {e->words, (const char *)e->words + bytes, r->failed};
    read_all(&own, list, e);
    r->at += own.at - (const char *)e->words;
    r->failed = own.failed;
    if (!r->failed) {
        *out = e;
        return GLIM_OK;
    }
    glim_evaluation_free(e);
    return glim_fail(err, GLIM_EFORMAT, "what was kept is no evaluation by these metrics");
}
