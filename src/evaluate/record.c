/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers lie as the machine has them: a record is read by the glim that wrote it, on a
 * machine of the same kind, since its key names both. Texts end in a NUL, so that a record
 * that is read owns one copy of its bytes and points into it.
 */
#include "evaluate/record.h"

#include "evaluate/judging.h"

#include <math.h>
#include <string.h>

/* ---- parts ---- */

void glim__record_number(glim_buffer *b, uint64_t n) {
    glim__buffer_append(b, &n, sizeof n);
}

void glim__record_real(glim_buffer *b, double x) {
    glim__buffer_append(b, &x, sizeof x);
}

void glim__record_text(glim_buffer *b, const char *s) {
    glim__buffer_putc(b, s != NULL);
    if (s)
        glim__buffer_append(b, s, strlen(s) + 1);
}

static void take(glim_reading *r, void *out, size_t n) {
    memset(out, 0, n);
    r->failed = r->failed || (size_t)(r->end - r->at) < n;
    if (r->failed)
        return;
    memcpy(out, r->at, n);
    r->at += n;
}

uint64_t glim__reading_number(glim_reading *r) {
    uint64_t n;
    take(r, &n, sizeof n);
    return n;
}

double glim__reading_real(glim_reading *r) {
    double x;
    take(r, &x, sizeof x);
    return x;
}

const char *glim__reading_text(glim_reading *r) {
    char there;
    take(r, &there, 1);
    const char *s = r->at, *end = there ? memchr(s, 0, (size_t)(r->end - s)) : NULL;
    r->failed = r->failed || (there && !end);
    if (!end || r->failed)
        return NULL;
    r->at = end + 1;
    return s;
}

/* ---- an evaluation ---- */

static void write_measure(glim_buffer *b, const glim_measure *m) {
    const double reals[] = {m->value, m->random, m->random_se, m->reversed, m->best, m->skill};
    glim__record_text(b, m->metric->name);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        glim__record_real(b, reals[i]);
    glim__record_number(b, m->n);
    glim__record_number(b, m->failed);
    glim__record_text(b, m->why);
    glim__record_text(b, m->note);
    glim__record_number(b, m->told != NULL);
    glim__record_text(b, m->params);
}

void glim__evaluation_write(glim_buffer *b, const glim_evaluation *e) {
    glim__record_number(b, e->n_measures);
    for (size_t i = 0; i < e->n_measures; i++)
        write_measure(b, &e->measures[i]);
    for (size_t q = 0; q < GLIM_QUALITIES; q++)
        glim__record_real(b, e->marks[q]);
    glim__record_number(b, e->capped);
    glim__record_number(b, e->asked);
    glim__record_real(b, e->seconds);
}

static void read_measure(glim_reading *r, glim_context *ctx, const glim_metric *metric,
                         glim_measure *m) {
    const char *name = glim__reading_text(r);
    *m = (glim_measure){.metric = metric, .low = NAN, .high = NAN};
    r->failed = r->failed || !name || strcmp(name, metric->name) != 0;
    double *reals[] = {&m->value, &m->random, &m->random_se, &m->reversed, &m->best, &m->skill};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        *reals[i] = glim__reading_real(r);
    m->n = (size_t)glim__reading_number(r);
    m->failed = glim__reading_number(r) != 0;
    m->why = glim__reading_text(r);
    m->note = glim__reading_text(r);
    bool told = glim__reading_number(r) != 0;
    if (told && m->note)
        m->note = m->told = glim__measure_text(ctx, m->note);
    r->failed = r->failed || (told && !m->told);
    const char *params = glim__reading_text(r);
    m->params = params ? glim__measure_text(ctx, params) : NULL;
    r->failed = r->failed || !m->params;
}

static void read_all(glim_reading *r, const glim_metric *const *list, glim_evaluation *e) {
    r->failed = r->failed || glim__reading_number(r) != e->n_measures;
    for (size_t i = 0; i < e->n_measures; i++)
        read_measure(r, e->ctx, list[i], &e->measures[i]);
    for (size_t q = 0; q < GLIM_QUALITIES; q++) {
        e->marks[q] = glim__reading_real(r);
        e->low[q] = e->high[q] = NAN;
    }
    e->capped = glim__reading_number(r) != 0;
    e->asked = glim__reading_number(r);
    e->seconds = glim__reading_real(r);
}

glim_status glim__evaluation_read(glim_evaluation **out, glim_context *ctx, glim_reading *r,
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
    glim_reading own = {e->words, (const char *)e->words + bytes, r->failed};
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
