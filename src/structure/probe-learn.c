/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One linear probe, by the fits of `glim fit`: columns are standardised by the rows that are
 * fitted. The strength is chosen by the least loss (not accuracy, which has ties) of inner
 * folds that keep groups whole.
 *
 * The work is shared: all inner folds go down the strengths together, from the strongest on,
 * each fit starting where the fold before ended at this strength, the first where it ended at
 * the strength before; and the path ends once two strengths in a row did worse than the best,
 * since weak ones take the most steps and rarely win. Numbers need their second moments once
 * a fold.
 */
#include "structure/probe-rows.h"

#include <math.h>
#include <string.h>

enum { STRENGTHS = 9, PATIENCE = 2 };

static const double GRID[STRENGTHS] = {1e4, 1e3, 1e2, 1e1, 1, 1e-1, 1e-2, 1e-3, 1e-4};

/* A set of rows and what is fitted on them. */
struct part {
    glim_context *ctx;
    glim_fit_data data;
    glim_fit_problem p;
    glim_fit_moments m;
    uint32_t *rows; /* (n + rest) */
    size_t n, rest;
};

static glim_fit_data data_of(const glim_probe_learner *l) {
    const glim_probe_target *t = &l->target;
    return (glim_fit_data){.f32 = l->x,
                           .n = t->n,
                           .width = l->width,
                           .labels = t->values ? NULL : t->labels,
                           .classes = t->classes,
                           .n_classes = t->values ? 0 : t->n_classes,
                           .values = t->values};
}

static glim_status open_part(struct part *s, const glim_probe_learner *l, const uint32_t *rows,
                             size_t n, glim_error *err) {
    s->ctx = l->ctx;
    s->data = data_of(l);
    glim_status status = glim__fit_problem_init(&s->p, l->ctx, &s->data, rows, n, false, err);
    if (!status && l->target.values)
        status = glim__fit_moments(&s->m, &s->p, err);
    return status;
}

static void close_part(struct part *s) {
    if (!s->ctx)
        return;
    glim__fit_moments_release(&s->m, s->ctx);
    glim__fit_problem_release(&s->p);
    glim__free(s->ctx, s->rows);
}

static size_t weights_of(const struct part *s) {
    return s->p.O * (s->p.P + 1);
}

static glim_status solve(struct part *s, const glim_probe_learner *l, double strength,
                         double tolerance, double *w, glim_error *err) {
    glim_fit_end end;
    glim_fit_options o = {.tolerance = tolerance, .max_iterations = l->how->max_iterations};
    s->p.basis = glim__probe_basis_pays(s->p.n, s->p.P) ? l->basis : NULL;
    glim__fit_problem_set(&s->p, NULL, strength, 0);
    return s->data.values ? glim__fit_linear(&s->m, &s->p, strength, &o, w, &end, err)
                          : glim__fit_logistic(&s->p, &o, w, &end, err);
}

/* ---- what a fit says ---- */

/* z (m, O) becomes log-probabilities (m, K); numbers stay. */
static void turn_to_logs(const glim_probe_target *t, const double *z, size_t m, size_t O,
                         double *out) {
    size_t K = t->n_classes;
    for (size_t i = 0; i < m; i++, z += O) {
        if (t->values) {
            out[i] = z[0];
        } else if (O == 1) {
            double low = -log1p(exp(-fabs(z[0]))), high = low - fabs(z[0]);
            out[2 * i] = z[0] > 0 ? high : low;
            out[2 * i + 1] = z[0] > 0 ? low : high;
        } else {
            double top = z[0], sum = 0;
            for (size_t k = 1; k < K; k++)
                top = z[k] > top ? z[k] : top;
            for (size_t k = 0; k < K; k++)
                sum += exp(z[k] - top);
            for (size_t k = 0; k < K; k++)
                out[i * K + k] = z[k] - top - log(sum);
        }
    }
}

static glim_status say(struct part *s, const glim_probe_target *t, const double *w,
                       const uint32_t *test, size_t m, double *out, glim_error *err) {
    double *z = glim__calloc(s->ctx, m + 1, s->p.O * sizeof *z);
    if (!z)
        return glim__oom(s->ctx, err, "the answers", m * s->p.O * sizeof *z);
    glim__fit_outputs(&s->p, w, test, m, z);
    turn_to_logs(t, z, m, s->p.O, out);
    glim__free(s->ctx, z);
    return GLIM_OK;
}

double glim__probe_losses(const glim_probe_target *t, const uint32_t *rows, size_t n,
                          const double *said) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double e = t->values ? said[i] - t->values[rows[i]]
                             : -said[i * t->n_classes + (size_t)t->labels[rows[i]]];
        sum += t->values ? e * e : e;
    }
    return sum;
}

/* ---- the strength ---- */

struct path {
    const glim_probe_learner *l;
    struct part *parts;
    size_t folds, most;
    double *w;    /* (folds, weights) */
    double *said; /* (most rest, outputs) */
};

static glim_status part_rows(struct part *s, const glim_probe_learner *l, const uint32_t *rows,
                             size_t n, const int32_t *fold, int32_t without, glim_error *err) {
    s->rows = glim__calloc(l->ctx, n, sizeof *s->rows);
    if (!s->rows)
        return glim__oom(l->ctx, err, "the folds", n * sizeof *s->rows);
    for (size_t i = 0; i < n; i++)
        if (fold[i] != without)
            s->rows[s->n++] = rows[i];
    for (size_t i = 0; i < n; i++)
        if (fold[i] == without)
            s->rows[s->n + s->rest++] = rows[i];
    return GLIM_OK;
}

static glim_status step_down(struct path *q, double strength, bool first, double *loss,
                             glim_error *err) {
    size_t size = weights_of(&q->parts[0]);
    glim_status status = GLIM_OK;
    *loss = 0;
    for (size_t f = 0; f < q->folds && !status; f++) {
        struct part *s = &q->parts[f];
        double *w = q->w + f * size;
        if (f)
            memcpy(w, w - size, size * sizeof *w);
        else if (!first)
            memcpy(w, q->w + (q->folds - 1) * size, size * sizeof *w);
        status = solve(s, q->l, strength, 3e-5, w, err);
        if (!status)
            status = say(s, &q->l->target, w, s->rows + s->n, s->rest, q->said, err);
        if (!status)
            *loss += glim__probe_losses(&q->l->target, s->rows + s->n, s->rest, q->said);
        if (!status)
            status = glim__check_cancel(q->l->ctx, err);
    }
    return status;
}

static glim_status walk(struct path *q, double *strength, glim_error *err) {
    double best = INFINITY;
    glim_status status = GLIM_OK;
    for (size_t i = 0, worse = 0; i < STRENGTHS && worse < PATIENCE && !status; i++) {
        double loss;
        status = step_down(q, GRID[i], !i, &loss, err);
        worse++;
        if (!status && loss < best) {
            best = loss;
            *strength = GRID[i];
            worse = 0;
        }
    }
    return status;
}

static glim_status choose(struct path *q, const uint32_t *rows, size_t n, const int32_t *fold,
                          double *strength, glim_error *err) {
    const glim_probe_learner *l = q->l;
    glim_status status = GLIM_OK;
    for (size_t f = 0; f < q->folds && !status; f++) {
        struct part *s = &q->parts[f];
        status = part_rows(s, l, rows, n, fold, (int32_t)f, err);
        if (!status)
            status = open_part(s, l, s->rows, s->n, err);
        q->most = s->rest > q->most ? s->rest : q->most;
    }
    if (status)
        return status;
    q->w = glim__calloc(l->ctx, q->folds, weights_of(&q->parts[0]) * sizeof *q->w);
    q->said = glim__calloc(l->ctx, q->most + 1, glim__probe_outputs(&l->target) * sizeof *q->said);
    if (!q->w || !q->said)
        return glim__oom(l->ctx, err, "the folds", q->most * 8);
    return walk(q, strength, err);
}

glim_status glim__probe_choose(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                               uint64_t stream, double *strength, glim_error *err) {
    const glim_probe_how *how = l->how;
    struct path q = {.l = l};
    bool mlp = how->kind == GLIM_PROBE_MLP;
    *strength = how->strength >= 0 ? how->strength : mlp ? 1e-3 : 1;
    if (how->strength >= 0)
        return GLIM_OK;
    size_t groups = glim__probe_groups(l->ctx, &l->target, rows, n);
    if (groups == SIZE_MAX)
        return glim__oom(l->ctx, err, "the folds", l->target.n_groups);
    q.folds = how->inner < groups ? how->inner : groups;
    if (q.folds < 2) /* too few rows to choose by */
        return GLIM_OK;
    q.parts = glim__calloc(l->ctx, q.folds, sizeof *q.parts);
    int32_t *fold = glim__calloc(l->ctx, n, sizeof *fold);
    glim_status status = q.parts && fold ? GLIM_OK : glim__oom(l->ctx, err, "the folds", n * 4);
    if (!status)
        status =
            glim__probe_split(l->ctx, &l->target, rows, n, q.folds, how->seed, stream, fold, err);
    if (!status)
        status = mlp ? glim__probe_choose_decay(l, rows, n, fold, q.folds, stream, strength, err)
                     : choose(&q, rows, n, fold, strength, err);
    for (size_t f = 0; f < q.folds && q.parts; f++)
        close_part(&q.parts[f]);
    glim__free(l->ctx, q.parts);
    glim__free(l->ctx, q.w);
    glim__free(l->ctx, q.said);
    glim__free(l->ctx, fold);
    return status;
}

/* ---- a fit ---- */

glim_status glim__probe_fit(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                            double strength, uint64_t stream, const uint32_t *test, size_t m,
                            double *out, glim_error *err) {
    struct part s = {0};
    if (l->how->kind == GLIM_PROBE_MLP)
        return glim__probe_mlp(l, rows, n, strength, stream, test, m, out, err);
    glim_status status = open_part(&s, l, rows, n, err);
    double *w = status ? NULL : glim__calloc(l->ctx, weights_of(&s), sizeof *w);
    if (!status && !w)
        status = glim__oom(l->ctx, err, "the weights", weights_of(&s) * sizeof *w);
    if (!status)
        status = solve(&s, l, strength, 1e-6, w, err);
    if (!status)
        status = say(&s, &l->target, w, test, m, out, err);
    glim__free(l->ctx, w);
    close_part(&s);
    return status;
}

glim_status glim__probe_direction(const glim_probe_learner *l, double strength, float *weights,
                                  float *bias, glim_error *err) {
    struct part s = {0};
    size_t n = l->target.n;
    uint32_t *rows = glim__calloc(l->ctx, n, sizeof *rows);
    double *w = NULL;
    for (size_t i = 0; i < n && rows; i++)
        rows[i] = (uint32_t)i;
    glim_status status =
        rows ? open_part(&s, l, rows, n, err) : glim__oom(l->ctx, err, "the rows", n * 4);
    if (!status && !(w = glim__calloc(l->ctx, weights_of(&s), sizeof *w)))
        status = glim__oom(l->ctx, err, "the weights", weights_of(&s) * sizeof *w);
    if (!status)
        status = solve(&s, l, strength, 1e-7, w, err);
    for (size_t k = 0; k < s.p.O && !status; k++) {
        double shift = w[s.p.O * s.p.P + k];
        for (size_t j = 0; j < s.p.P; j++) {
            double raw = w[k * s.p.P + j] * s.p.factor[j];
            weights[k * s.p.P + j] = (float)raw;
            shift -= raw * s.p.mean[j];
        }
        bias[k] = (float)shift;
    }
    glim__free(l->ctx, w);
    glim__free(l->ctx, rows);
    close_part(&s);
    return status;
}
