/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of rows into means, and means into marks. Skill puts metrics with different units
 * beside each other: 0 = a random order of the same scores, 1 = the best that is known. A
 * mark is the mean skill of a quality; there is none over all qualities, which would add
 * what cannot be added.
 */
#include "evaluate/judging.h"

#include <math.h>

static const double CAP = 0.3; /* of the accuracy mark when a check failed */

/* Of one row: the metric's own, or the best of all orders that were tried. */
static double best_of(const struct judging *j, const glim_metric *m, const void *opts,
                      const double *said) {
    if (m->ideal)
        return m->ideal(&j->cases[AS_IT_IS], opts);
    if (!isnan(m->best) || !m->ranked)
        return m->best;
    double best = said[AS_IT_IS];
    for (size_t k = 0; k < j->n_cases; k++)
        if (m->higher ? said[k] > best : said[k] < best)
            best = said[k];
    return best;
}

/* Mean of the random orders for which the metric is defined, and its squared error. */
static void add_draws(glim_measure *m, const double *said, size_t n) {
    double sum = 0, squares = 0, draws = 0;
    for (size_t k = FIRST_DRAW; k < n; k++)
        if (!isnan(said[k])) {
            sum += said[k];
            draws++;
        }
    for (size_t k = FIRST_DRAW; k < n; k++)
        if (!isnan(said[k]))
            squares += (said[k] - sum / draws) * (said[k] - sum / draws);
    m->random += draws > 0 ? sum / draws : NAN;
    m->random_se += draws > 1 ? squares / (draws - 1) / draws : 0;
}

void glim__measures_trace(struct judging *j, size_t metric, size_t kase, const double *values) {
    const glim_metric *m = j->e->measures[metric].metric;
    glim_curve *curve = j->e->measures[metric].curve;
    double *low = j->reach + 2 * GLIM_CURVE * metric, *high = low + GLIM_CURVE;
    double draws = (double)(j->n_cases - FIRST_DRAW);
    for (size_t i = 0; curve && i < GLIM_CURVE; i++) {
        double share = (double)i / (GLIM_CURVE - 1);
        double y = m->trace(&j->cases[kase], j->opts[metric], values, share);
        if (isnan(y))
            continue;
        if (kase == AS_IT_IS)
            curve->own[i] += y;
        if (kase < FIRST_DRAW)
            continue;
        curve->random[i] += y / draws;
        low[i] = isnan(low[i]) || y < low[i] ? y : low[i];
        high[i] = isnan(high[i]) || y > high[i] ? y : high[i];
    }
}

static void add_reach(struct judging *j, size_t metric) {
    glim_curve *curve = j->e->measures[metric].curve;
    const double *low = j->reach + 2 * GLIM_CURVE * metric, *high = low + GLIM_CURVE;
    for (size_t i = 0; curve && i < GLIM_CURVE; i++) {
        curve->random_low[i] += low[i];
        curve->random_high[i] += high[i];
    }
}

double glim__curve_round(double x) {
    return round(1e4 * x) / 1e4;
}

/* Sums over n rows become means. */
static void close_curve(glim_curve *curve, double n) {
    double *const all[] = {curve->own, curve->random, curve->random_low, curve->random_high};
    for (size_t i = 0; i < GLIM_CURVE; i++) {
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            all[k][i] = glim__curve_round(all[k][i] / n);
        curve->low[i] = curve->high[i] = NAN;
    }
}

void glim__measures_add(struct judging *j) {
    for (size_t i = 0; i < j->e->n_measures; i++) {
        glim_measure *m = &j->e->measures[i];
        const double *said = j->said + i * j->n_cases;
        if (m->why || m->metric->run || isnan(said[AS_IT_IS]))
            continue;
        add_reach(j, i);
        m->n++;
        m->value += said[AS_IT_IS];
        m->best += best_of(j, m->metric, j->opts[i], said);
        if (m->metric->ranked) {
            m->reversed += said[REVERSED];
            add_draws(m, said, j->n_cases);
        } else if (m->metric->floor) {
            m->random += m->metric->floor(&j->cases[AS_IT_IS], j->opts[i]);
        } else {
            m->random = NAN;
        }
    }
}

/* Where best and random meet, nothing can be told. */
static double skill(const glim_measure *m) {
    double span = m->best - m->random, size = fabs(m->best) + fabs(m->random);
    if (isnan(span) || fabs(span) <= 1e-9 * size + 1e-12)
        return NAN;
    double s = (m->value - m->random) / span;
    return s < 0 ? 0 : s > 1 ? 1 : s;
}

static void close_measure(glim_measure *m) {
    double n = (double)m->n;
    if (!m->n) {
        m->value = m->random = m->random_se = m->reversed = m->best = m->skill = NAN;
        m->why = m->why    ? m->why
                 : m->note ? m->note
                           : "undefined: the scores, or the model's answers, do not differ";
        return;
    }
    if (m->curve)
        close_curve(m->curve, n);
    m->value /= n;
    m->best /= n;
    m->random /= n;
    m->random_se = m->metric->ranked ? sqrt(m->random_se) / n : NAN;
    m->reversed = m->metric->ranked ? m->reversed / n : NAN;
    m->skill = skill(m);
    m->failed = m->metric->limited &&
                (m->metric->higher ? m->value < m->metric->limit : m->value > m->metric->limit);
}

static void mark(glim_evaluation *e) {
    for (size_t q = 0; q < GLIM_QUALITIES; q++) {
        double sum = 0, n = 0;
        for (size_t i = 0; i < e->n_measures; i++)
            if (e->measures[i].metric->quality == q && !isnan(e->measures[i].skill)) {
                sum += e->measures[i].skill;
                n++;
            }
        e->marks[q] = n > 0 ? sum / n : NAN;
    }
}

double glim__mark_capped(double mark) {
    return mark > CAP ? CAP : mark;
}

void glim__measures_close(struct judging *j) {
    glim_evaluation *e = j->e;
    e->capped = j->doc->verdict == GLIM_VERDICT_DISTRUST;
    for (size_t i = 0; i < e->n_measures; i++) {
        close_measure(&e->measures[i]);
        e->capped = e->capped || e->measures[i].failed;
    }
    mark(e);
    if (e->capped)
        e->marks[GLIM_ACCURACY] = glim__mark_capped(e->marks[GLIM_ACCURACY]);
}
