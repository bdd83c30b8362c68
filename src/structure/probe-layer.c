/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a site: every row is tested once in each repeat, by a probe fitted on the
 * other folds. The control has the same folds and the strength that the task chose there: it
 * is the same probe, with nothing to find.
 */
#include "base/rising.h"
#include "structure/probe-rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct layer {
    const glim_probe_learner *l;
    const glim_probe_folds *folds;
    glim_probe_layer *out;
    bool numbers, controls;
    size_t K;
    glim_probe_sums *sums; /* (n_groups) */
    uint32_t *rows;        /* (n) of a split: fitted, then tested */
    double *said;          /* (n, K) */
    double *strengths;     /* (repeats, folds) */
    int32_t *labels;       /* (n) of the control */
    double *values;
};

glim_status glim__probe_folds_make(glim_probe_folds *f, glim_context *ctx,
                                   const glim_probe_target *t, const glim_probe_how *how,
                                   glim_error *err) {
    uint32_t *rows = glim__calloc(ctx, t->n, sizeof *rows);
    f->fold = glim__calloc(ctx, how->repeats, t->n * sizeof *f->fold);
    glim_status status =
        rows && f->fold ? GLIM_OK : glim__oom(ctx, err, "the folds", how->repeats * t->n * 4);
    for (size_t i = 0; i < t->n && !status; i++)
        rows[i] = (uint32_t)i;
    for (size_t r = 0; r < how->repeats && !status; r++)
        status = glim__probe_split(ctx, t, rows, t->n, how->folds, how->seed, r, f->fold + r * t->n,
                                   err);
    glim__free(ctx, rows);
    return status;
}

void glim__probe_folds_release(glim_probe_folds *f, glim_context *ctx) {
    glim__free(ctx, f->fold);
    f->fold = NULL;
}

/* Rows outside of the fold, then those inside. */
static size_t split(struct layer *s, size_t repeat, size_t fold, size_t *tested) {
    size_t n = s->l->target.n, at = 0;
    const int32_t *own = s->folds->fold + repeat * n;
    for (size_t i = 0; i < n; i++)
        if (own[i] != (int32_t)fold)
            s->rows[at++] = (uint32_t)i;
    size_t fitted = at;
    for (size_t i = 0; i < n; i++)
        if (own[i] == (int32_t)fold)
            s->rows[at++] = (uint32_t)i;
    *tested = n - fitted;
    return fitted;
}

static size_t best_of(const double *logs, size_t K) {
    size_t best = 0;
    for (size_t k = 1; k < K; k++)
        best = logs[k] > logs[best] ? k : best;
    return best;
}

/* ---- the task ---- */

static void count_row(struct layer *s, uint32_t row, const double *said, double share) {
    const glim_probe_target *t = &s->l->target;
    glim_probe_sums *g = &s->sums[t->group[row]];
    g->n += share;
    if (s->numbers) {
        double e = said[0] - t->values[row];
        g->wrong += share * e * e;
        g->y += share * t->values[row];
        g->yy += share * t->values[row] * t->values[row];
        s->out->loss += share * e * e;
        return;
    }
    size_t y = (size_t)t->labels[row], best = best_of(said, s->K);
    g->wrong += best == y ? 0 : share;
    s->out->loss -= share * said[y];
    s->out->confusion[y * s->K + best] += share;
}

static glim_status run_task(struct layer *s, glim_error *err) {
    const glim_probe_learner *l = s->l;
    const glim_probe_how *how = l->how;
    glim_status status = GLIM_OK;
    for (size_t r = 0; r < how->repeats && !status; r++)
        for (size_t f = 0; f < how->folds && !status; f++) {
            size_t m, n = split(s, r, f, &m), at = r * how->folds + f;
            status =
                glim__probe_choose(l, s->rows, n, (uint64_t)(1 + at) << 16, &s->strengths[at], err);
            if (!status)
                status = glim__probe_fit(l, s->rows, n, s->strengths[at], (uint64_t)(1 + at) << 16,
                                         s->rows + n, m, s->said, err);
            for (size_t i = 0; i < m && !status; i++)
                count_row(s, s->rows[n + i], s->said + i * s->K, 1 / (double)how->repeats);
            glim__progress_add(l->ctx, 1);
            if (!status)
                status = glim__check_cancel(l->ctx, err);
        }
    return status;
}

/* The mean over classes of 2 right / (said + true). */
static double macro_f1(const double *confusion, size_t K) {
    double sum = 0;
    size_t classes = 0;
    for (size_t k = 0; k < K; k++) {
        double row = 0, column = 0;
        for (size_t j = 0; j < K; j++) {
            row += confusion[k * K + j];
            column += confusion[j * K + k];
        }
        classes += row + column > 0;
        sum += row + column > 0 ? 2 * confusion[k * K + k] / (row + column) : 0;
    }
    return classes ? sum / (double)classes : NAN;
}

static void finish_task(struct layer *s) {
    glim_probe_layer *out = s->out;
    const glim_probe_how *how = s->l->how;
    glim_probe_sums all = {0};
    double log_strength = 0, fits = (double)(how->repeats * how->folds);
    for (size_t g = 0; g < s->l->target.n_groups; g++) {
        all.n += s->sums[g].n;
        all.wrong += s->sums[g].wrong;
        all.y += s->sums[g].y;
        all.yy += s->sums[g].yy;
        out->wrong[g] = (float)s->sums[g].wrong;
    }
    out->task.value = glim__probe_value(&all, s->numbers, false);
    out->loss = s->numbers ? sqrt(out->loss / all.n) : out->loss / all.n;
    out->f1 = s->numbers ? NAN : macro_f1(out->confusion, s->K);
    for (size_t i = 0; i < how->repeats * how->folds; i++)
        log_strength += log(s->strengths[i] > 0 ? s->strengths[i] : 1e-300) / fits;
    out->strength = exp(log_strength);
}

/* ---- the control ---- */

/* One set of labels that mean nothing through the folds of a repeat: its score, and in
   `sums` the share of this run. */
static glim_status run_control(struct layer *s, size_t repeat, uint64_t stream, double share,
                               double *score, glim_error *err) {
    glim_probe_learner l = *s->l;
    glim_probe_sums all = {0};
    size_t F = l.how->folds;
    glim_status status =
        glim__probe_control(l.ctx, &s->l->target, l.how->seed, stream, s->labels, s->values, err);
    l.target.labels = s->numbers ? NULL : s->labels;
    l.target.values = s->numbers ? s->values : NULL;
    for (size_t f = 0; f < F && !status; f++) {
        size_t m, n = split(s, repeat, f, &m);
        status = glim__probe_fit(&l, s->rows, n, s->strengths[repeat * F + f], (stream << 8) + f,
                                 s->rows + n, m, s->said, err);
        for (size_t i = 0; i < m && !status; i++) {
            uint32_t row = s->rows[n + i];
            glim_probe_sums *g = &s->sums[l.target.group[row]];
            double y = s->numbers ? s->values[row] : 0, e = s->numbers ? s->said[i] - y : 0;
            double wrong =
                s->numbers ? e * e : best_of(s->said + i * s->K, s->K) != (size_t)s->labels[row];
            g->control_wrong += share * wrong;
            g->control_y += share * y;
            g->control_yy += share * y * y;
            all.n += 1;
            all.control_wrong += wrong;
            all.control_y += y;
            all.control_yy += y * y;
        }
        glim__progress_add(l.ctx, 1);
        if (!status)
            status = glim__check_cancel(l.ctx, err);
    }
    *score = glim__probe_value(&all, s->numbers, true);
    return status;
}

/* Words: a labelling for each repeat. Texts: permutations, all in the folds of the first. */
static glim_status run_controls(struct layer *s, glim_error *err) {
    const glim_probe_how *how = s->l->how;
    bool words = s->l->target.type;
    size_t runs = words ? how->repeats : how->permutations, as_good = 0;
    double mean = 0, *scores = glim__calloc(s->l->ctx, runs + 1, sizeof *scores);
    glim_status status =
        scores ? GLIM_OK : glim__oom(s->l->ctx, err, "the controls", runs * sizeof *scores);
    for (size_t i = 0; i < runs && !status; i++) {
        status = run_control(s, words ? i : 0, 0x10000 + i, 1 / (double)runs, &scores[i], err);
        as_good += scores[i] >= s->out->task.value;
        mean += scores[i] / (double)runs;
    }
    if (!status) {
        qsort(scores, runs, sizeof *scores, glim__rising_double);
        s->out->control.value = mean;
        s->out->selectivity.value = s->out->task.value - mean;
        s->out->p = words ? NAN : (1 + (double)as_good) / (1 + (double)runs);
        s->out->control.low = words ? NAN : scores[(size_t)(0.025 * (double)(runs - 1))];
        s->out->control.high = words ? NAN : scores[(size_t)ceil(0.975 * (double)(runs - 1))];
    }
    glim__free(s->l->ctx, scores);
    return status;
}

/* ---- all ---- */

static glim_status run_all(struct layer *s, bool bare, glim_error *err) {
    const glim_probe_learner *l = s->l;
    glim_status status = run_task(s, err);
    if (status)
        return status;
    finish_task(s);
    s->controls = !bare && l->how->controls;
    if (s->controls)
        status = run_controls(s, err);
    double low = s->out->control.low, high = s->out->control.high;
    if (!status)
        status = glim__probe_intervals(l->ctx, s->sums, l->target.n_groups, s->numbers, s->controls,
                                       l->how->seed, s->out, err);
    if (!status && s->controls && !l->target.type) { /* of permutations, not of groups */
        s->out->control.low = low;
        s->out->control.high = high;
    }
    if (!status && !bare && l->how->codelength) {
        status = glim__probe_codelength(l, &s->out->bits, err);
        glim__progress_add(l->ctx, 1);
        s->out->compression = glim__probe_flat_bits(&l->target) / s->out->bits;
    }
    return status;
}

static glim_status run_in_basis(struct layer *s, bool bare, glim_error *err) {
    const glim_probe_learner *given = s->l;
    glim_probe_learner own = *given;
    glim_fit_basis basis;
    glim_status status = glim__probe_basis(&own, &basis, err);
    own.basis = basis.values ? &basis : NULL;
    s->l = &own;
    if (!status)
        status = run_all(s, bare, err);
    glim__probe_basis_release(&basis, own.ctx);
    s->l = given;
    return status;
}

glim_status glim__probe_layer(const glim_probe_learner *l, const glim_probe_folds *folds, bool bare,
                              glim_probe_layer *out, glim_error *err) {
    const glim_probe_target *t = &l->target;
    glim_context *ctx = l->ctx;
    size_t K = glim__probe_outputs(t), fits = l->how->repeats * l->how->folds;
    const glim_probe_score none = {NAN, NAN, NAN};
    *out = (glim_probe_layer){.task = none, .control = none, .selectivity = none};
    out->f1 = out->p = out->bits = out->compression = out->strength = NAN;
    struct layer s = {.l = l,
                      .folds = folds,
                      .out = out,
                      .numbers = t->values,
                      .K = K,
                      .sums = glim__calloc(ctx, t->n_groups, sizeof *s.sums),
                      .rows = glim__calloc(ctx, t->n, sizeof *s.rows),
                      .said = glim__calloc(ctx, t->n, K * sizeof *s.said),
                      .strengths = glim__calloc(ctx, fits, sizeof *s.strengths),
                      .labels = glim__calloc(ctx, t->n, sizeof *s.labels),
                      .values = glim__calloc(ctx, t->n, sizeof *s.values)};
    out->wrong = glim__calloc(ctx, t->n_groups, sizeof *out->wrong);
    out->confusion = t->values ? NULL : glim__calloc(ctx, K, K * sizeof *out->confusion);
    bool ok = s.sums && s.rows && s.said && s.strengths && s.labels && s.values && out->wrong &&
              (out->confusion || t->values);
    glim_status status = ok ? run_in_basis(&s, bare, err)
                            : glim__oom(ctx, err, "the answers", t->n * K * sizeof *s.said);
    out->done = !status;
    glim__free(ctx, s.sums);
    glim__free(ctx, s.rows);
    glim__free(ctx, s.said);
    glim__free(ctx, s.strengths);
    glim__free(ctx, s.labels);
    glim__free(ctx, s.values);
    return status;
}

void glim__probe_layer_release(glim_probe_layer *layer, glim_context *ctx) {
    glim__free(ctx, layer->confusion);
    glim__free(ctx, layer->wrong);
    layer->confusion = NULL;
    layer->wrong = NULL;
}

uint64_t glim__probe_layer_fits(const glim_probe_target *t, const glim_probe_how *how, bool bare) {
    uint64_t controls = !how->controls || bare ? 0 : t->type ? how->repeats : how->permutations;
    return (how->repeats + controls) * how->folds + (how->codelength && !bare);
}

uint64_t glim__probe_layer_plan(const glim_probe_target *t, const glim_probe_how *how,
                                size_t width) {
    uint64_t K = glim__probe_outputs(t), P = width + 16, n = t->n, F = how->inner;
    uint64_t rows = n * (8 * K * 2 + 32) + t->n_groups * (sizeof(glim_probe_sums) + 24);
    uint64_t weights = 8 * K * (P + 1), sums = 16 * weights;
    if (how->kind == GLIM_PROBE_MLP)
        return rows + 4 * n + 8 * n * K + 4 * n * P + 8 * 28 * (how->hidden * P + K * how->hidden) +
               4 * 19 * how->hidden * P;
    uint64_t moments = t->values ? 16 * P * P : 0;
    rows += glim__probe_basis_plan(t, width);
    return rows + F * (sums + 6 * weights + 24 * P + moments + 4 * n) + 30 * weights;
}
