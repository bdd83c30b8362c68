/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One method judged on many inputs: each metric's mean over the inputs where it says
 * something. Skills and marks are means of those of the inputs, not made of the means,
 * since what is random and what is best differ from input to input.
 */
#include "evaluate/bootstrap.h"
#include "evaluate/judging.h"

#include <math.h>
#include <string.h>

/* A number of one evaluation: its measure `at`, or its quality `at`. */
typedef double number_of(const glim_evaluation *e, size_t at);

static double value_of(const glim_evaluation *e, size_t at) {
    return e->measures[at].why ? NAN : e->measures[at].value;
}

static double random_of(const glim_evaluation *e, size_t at) {
    return e->measures[at].why ? NAN : e->measures[at].random;
}

static double reversed_of(const glim_evaluation *e, size_t at) {
    return e->measures[at].why ? NAN : e->measures[at].reversed;
}

static double best_of(const glim_evaluation *e, size_t at) {
    return e->measures[at].why ? NAN : e->measures[at].best;
}

static double skill_of(const glim_evaluation *e, size_t at) {
    return e->measures[at].why ? NAN : e->measures[at].skill;
}

static double mark_of(const glim_evaluation *e, size_t at) {
    return e->marks[at];
}

struct inputs {
    glim_evaluation *const *list;
    size_t n;
    double *x; /* (n) */
    uint64_t seed;
};

static double mean(const struct inputs *in, number_of *get, size_t at) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < in->n; i++) {
        double x = get(in->list[i], at);
        sum += isnan(x) ? 0 : x;
        n += !isnan(x);
    }
    return n > 0 ? sum / n : NAN;
}

static glim_status resample(const struct inputs *in, number_of *get, size_t at, glim_interval *out,
                            glim_error *err) {
    for (size_t i = 0; i < in->n; i++)
        in->x[i] = get(in->list[i], at);
    return glim__bootstrap(in->list[0]->ctx, out, in->x, in->n, in->seed, err);
}

/* Standard error of the mean of the inputs' random orders. */
static double random_error(const struct inputs *in, size_t at) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < in->n; i++) {
        const glim_measure *m = &in->list[i]->measures[at];
        if (!m->why && !isnan(m->random_se)) {
            sum += m->random_se * m->random_se;
            n++;
        }
    }
    return n > 0 ? sqrt(sum) / n : NAN;
}

static glim_status add_measure(const struct inputs *in, size_t at, glim_measure *m,
                               glim_error *err) {
    glim_interval told;
    const glim_measure *first = &in->list[0]->measures[at];
    *m = (glim_measure){.metric = first->metric,
                        .params = glim__measure_text(in->list[0]->ctx, first->params)};
    if (!m->params)
        return glim__oom(in->list[0]->ctx, err, "options", 0);
    glim_status status = resample(in, value_of, at, &told, err);
    if (status)
        return status;
    m->value = told.mean;
    m->low = told.low;
    m->high = told.high;
    m->inputs = told.n;
    m->random = mean(in, random_of, at);
    m->random_se = random_error(in, at);
    m->reversed = mean(in, reversed_of, at);
    m->best = mean(in, best_of, at);
    m->skill = mean(in, skill_of, at);
    for (size_t i = 0; i < in->n; i++) {
        const glim_measure *one = &in->list[i]->measures[at];
        m->n += one->why ? 0 : one->n;
        m->note = m->note || one->why || one->told ? m->note : one->note;
    }
    if (!m->inputs)
        m->why = first->told ? NULL : first->why; /* what is written lives with the first */
    m->why = m->inputs || m->why ? m->why
                                 : "undefined: the scores, or the model's answers, do not differ";
    m->failed = m->inputs && m->metric->limited &&
                (m->metric->higher ? m->value < m->metric->limit : m->value > m->metric->limit);
    return GLIM_OK;
}

/* Point by point, over the inputs that have a curve. */
static glim_status add_curve(const struct inputs *in, size_t at, glim_measure *m, glim_error *err) {
    glim_context *ctx = in->list[0]->ctx;
    glim_status status = GLIM_OK;
    bool any = false;
    for (size_t i = 0; i < in->n; i++)
        any = any || in->list[i]->measures[at].curve;
    m->curve = any ? glim__calloc(ctx, 1, sizeof *m->curve) : NULL;
    if (any && !m->curve)
        return glim__oom(ctx, err, "a curve", sizeof *m->curve);
    for (size_t p = 0; any && p < GLIM_CURVE && !status; p++) {
        glim_interval told = {0};
        double n = 0;
        for (size_t i = 0; i < in->n; i++) {
            const glim_measure *one = &in->list[i]->measures[at];
            const glim_curve *c = one->why ? NULL : one->curve;
            in->x[i] = c ? c->own[p] : NAN;
            m->curve->random[p] += c ? c->random[p] : 0;
            m->curve->random_low[p] += c ? c->random_low[p] : 0;
            m->curve->random_high[p] += c ? c->random_high[p] : 0;
            n += c != NULL;
        }
        m->curve->random[p] = glim__curve_round(m->curve->random[p] / n);
        m->curve->random_low[p] = glim__curve_round(m->curve->random_low[p] / n);
        m->curve->random_high[p] = glim__curve_round(m->curve->random_high[p] / n);
        status = glim__bootstrap(ctx, &told, in->x, in->n, in->seed, err);
        m->curve->own[p] = glim__curve_round(told.mean);
        m->curve->low[p] = glim__curve_round(told.low);
        m->curve->high[p] = glim__curve_round(told.high);
    }
    return status;
}

static glim_status add_mark(const struct inputs *in, size_t quality, glim_evaluation *e,
                            glim_error *err) {
    glim_interval told;
    glim_status status = resample(in, mark_of, quality, &told, err);
    e->marks[quality] = told.mean;
    e->low[quality] = told.low;
    e->high[quality] = told.high;
    return status;
}

static glim_status check(glim_evaluation *const *list, size_t n, glim_error *err) {
    if (!n)
        return glim_fail(err, GLIM_EUSAGE, "there is no evaluation to take the mean of");
    for (size_t i = 1; i < n; i++) {
        bool same = list[i]->n_measures == list[0]->n_measures;
        for (size_t k = 0; k < list[0]->n_measures && same; k++)
            same = list[i]->measures[k].metric == list[0]->measures[k].metric;
        if (!same)
            return glim_fail(err, GLIM_EUSAGE, "the evaluations are by different metrics");
    }
    return GLIM_OK;
}

static glim_status fill(const struct inputs *in, glim_evaluation *e, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < e->n_measures && !status; i++) {
        status = add_measure(in, i, &e->measures[i], err);
        if (!status && !e->measures[i].why)
            status = add_curve(in, i, &e->measures[i], err);
        e->capped = e->capped || e->measures[i].failed;
    }
    for (size_t q = 0; q < GLIM_QUALITIES && !status; q++)
        status = add_mark(in, q, e, err);
    if (e->capped) {
        e->marks[GLIM_ACCURACY] = glim__mark_capped(e->marks[GLIM_ACCURACY]);
        e->low[GLIM_ACCURACY] = glim__mark_capped(e->low[GLIM_ACCURACY]);
        e->high[GLIM_ACCURACY] = glim__mark_capped(e->high[GLIM_ACCURACY]);
    }
    for (size_t i = 0; i < in->n; i++) {
        e->asked += in->list[i]->asked;
        e->seconds += in->list[i]->seconds;
    }
    return status;
}

glim_status glim_evaluations_mean(glim_evaluation **out, glim_context *ctx,
                                  glim_evaluation *const *list, size_t n, uint64_t seed,
                                  glim_error *err) {
    *out = NULL;
    glim_status status = check(list, n, err);
    if (status)
        return status;
    struct inputs in = {list, n, glim__calloc(ctx, n, sizeof(double)), seed};
    glim_evaluation *e = glim__calloc(ctx, 1, sizeof *e);
    size_t room = list[0]->n_measures;
    if (e) {
        e->ctx = ctx;
        e->inputs = n;
        e->n_measures = room;
        e->measures = glim__calloc(ctx, room + 1, sizeof *e->measures);
    }
    if (!in.x || !e || !e->measures)
        status = glim__oom(ctx, err, "an evaluation", n * sizeof *in.x);
    else
        status = fill(&in, e, err);
    glim__free(ctx, in.x);
    if (status)
        glim_evaluation_free(e);
    else
        *out = e;
    return status;
}
