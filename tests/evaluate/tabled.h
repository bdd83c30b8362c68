/* SPDX-License-Identifier: Apache-2.0 */
/* A predictor whose target is a table over which of its few units are there, and
   documents whose scores are given. */
#ifndef GLIM_TESTS_TABLED_H
#define GLIM_TESTS_TABLED_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "evaluate/metrics.h"
#include "predict/predictor.h"

enum { TABLED_MOST = 12 };

struct tabled {
    glim_predictor base;
    size_t d;
    double v[1 << TABLED_MOST]; /* [mask]: bit i = unit i is there */
    glim_unit unit[TABLED_MOST];
    glim_units units;
    double value[1];
    size_t row_end[1];
    const char *output;
};

static inline size_t tabled_mask(const uint8_t *keep, size_t d) {
    size_t mask = 0;
    for (size_t i = 0; i < d; i++)
        mask |= (size_t)(keep[i] != 0) << i;
    return mask;
}

static inline glim_status tabled_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                        glim_absent absent, double *out, glim_error *err) {
    const struct tabled *t = (struct tabled *)p;
    for (size_t i = 0; i < n; i++)
        out[i] = t->v[tabled_mask(keep + i * t->d, t->d)];
    return GLIM_OK;
}

static inline void tabled_plan(const glim_predictor *p, const uint8_t *keep, size_t n,
                               glim_absent absent, glim_plan *out) {
    out->forward_tokens += n;
}

static inline void tabled_cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = *backward = 0;
}

static inline glim_status tabled_describe(const glim_predictor *p, glim_document *doc,
                                          glim_error *err) {
    const struct tabled *t = (const struct tabled *)p;
    doc->input.text = "abcdefghijkl";
    doc->input.text_len = t->d;
    doc->input.n_units = t->d;
    doc->input.units = glim_document_alloc(doc, t->d * sizeof *doc->input.units);
    if (!doc->input.units)
        return glim__oom(p->ctx, err, "units", 0);
    for (size_t u = 0; u < t->d; u++)
        doc->input.units[u] = (glim_document_unit){
            .text = "abcdefghijkl" + u, .text_len = 1, .start = u, .end = u + 1, .turn = -1};
    doc->n_rows = 1;
    doc->target.value = t->value[0];
    doc->target.output = t->output;
    return GLIM_OK;
}

/* Call again after the table was changed. */
static inline void tabled_init(struct tabled *t, glim_context *ctx, size_t d) {
    t->d = d;
    for (size_t u = 0; u < d; u++)
        t->unit[u] = (glim_unit){.start = u, .end = u + 1, .first = u, .count = 1, .turn = -1};
    t->units = (glim_units){.ctx = ctx, .at = t->unit, .count = d};
    t->row_end[0] = d;
    t->value[0] = t->v[((size_t)1 << d) - 1];
    t->output = t->output ? t->output : "logit";
    t->base = (glim_predictor){.ctx = ctx,
                               .name = "table",
                               .can = GLIM_CAN_PREDICT,
                               .units = &t->units,
                               .n_rows = 1,
                               .row_end = t->row_end,
                               .value = t->value,
                               .values = tabled_values,
                               .plan_values = tabled_plan,
                               .describe = tabled_describe,
                               .cost = tabled_cost};
}

/* v = none + sum of w over what is there. */
static inline void tabled_sum(struct tabled *t, glim_context *ctx, const double *w, size_t d,
                              double none) {
    for (size_t mask = 0; mask < (size_t)1 << d; mask++) {
        t->v[mask] = none;
        for (size_t i = 0; i < d; i++)
            t->v[mask] += mask >> i & 1 ? w[i] : 0;
    }
    tabled_init(t, ctx, d);
}

/* Signed and additive scores; free with glim_document_free. */
static inline glim_document *tabled_document(const struct tabled *t, const double *phi) {
    glim_document *doc;
    assert_int_equal(glim_document_new(&doc, t->base.ctx, NULL), GLIM_OK);
    assert_int_equal(tabled_describe(&t->base, doc, NULL), GLIM_OK);
    doc->scores = glim_document_alloc(doc, t->d * sizeof *doc->scores);
    memcpy(doc->scores, phi, t->d * sizeof *phi);
    doc->method.is_signed = doc->method.additive = true;
    return doc;
}

static inline const glim_measure *measure(const glim_evaluation *e, const char *name) {
    for (size_t i = 0; i < e->n_measures; i++)
        if (!strcmp(e->measures[i].metric->name, name))
            return &e->measures[i];
    fail_msg("there is no measure '%s'", name);
    return NULL;
}

static inline glim_evaluation *judged(struct tabled *t, const double *phi,
                                      const glim_evaluate_options *o) {
    glim_document *doc = tabled_document(t, phi);
    glim_evaluation *e = NULL;
    glim_error err = {0};
    if (glim_evaluate(&e, &t->base, doc, o, &err))
        fail_msg("%s", err.message);
    glim_document_free(doc);
    return e;
}

/* What a metric says of a case, its masks answered by the table. opts: NULL = defaults,
   or name and value pairs that NULL ends. */
static inline double said(const char *name, struct tabled *t, glim_case *c,
                          const char *const *set) {
    const glim_metric *m = glim_metric_find(name);
    assert_non_null(m);
    size_t order[TABLED_MOST];
    void *opts = calloc(1, m->opts_size + 1);
    if (m->params)
        glim_param_defaults(m->params, opts);
    for (size_t i = 0; set && set[i]; i += 2)
        assert_int_equal(glim_param_set(glim_param_find(m->params, set[i]), opts, set[i + 1], NULL),
                         GLIM_OK);
    if (!c->order) {
        glim__importance_order(c->phi, c->d, c->is_signed, order);
        c->order = order;
    }
    size_t n = m->masks ? m->masks(c, opts, NULL) : 0;
    uint8_t *keep = calloc(n + 1, TABLED_MOST);
    double *values = calloc(n + 1, sizeof *values);
    if (n)
        m->masks(c, opts, keep);
    for (size_t i = 0; i < n; i++)
        values[i] = t->v[tabled_mask(keep + i * c->d, c->d)];
    double value = m->read(c, opts, values);
    free(opts);
    free(keep);
    free(values);
    c->order = c->order == order ? NULL : c->order;
    return value;
}

static inline glim_case case_of(const struct tabled *t, const double *phi) {
    return (glim_case){.d = t->d,
                       .phi = phi,
                       .all = t->value[0],
                       .none = t->v[0],
                       .claimed = NAN,
                       .is_signed = true,
                       .additive = true,
                       .seed = 1};
}

#endif
