/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting: rows are split, the strength is chosen by cross-validation over the rows that
 * are not held out, the model is fitted on all of those and measured on the rest. What
 * is given back is the model that was measured, not one fitted anew on all rows.
 * Folds standardise by their own rows. Of strengths that tell equally many rows right the
 * one with the smaller loss is taken (scikit-learn takes the strongest, whose
 * probabilities may all be near one half).
 */
#include "predict/fit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double GRID[GLIM_FIT_GRID] = {1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4};

struct work {
    glim_context *ctx;
    const glim_fit_data *data;
    glim_fit_options o; /* with defaults */
    glim_fit_report *report;
    int32_t *fold;  /* (n) */
    uint32_t *rows; /* (n) scratch: a part's rows, then those measured */
    double *weight; /* (n_classes) or NULL */
    size_t train;
};

/* ---- checks ---- */

static glim_status check_options(struct work *w, const glim_fit_options *o, glim_error *err) {
    w->o = *o;
    w->o.folds = o->folds ? o->folds : 5;
    w->o.max_iterations = o->max_iterations ? o->max_iterations : 1000;
    w->o.tolerance = o->tolerance > 0 ? o->tolerance : 1e-8;
    if (!(o->l1_ratio >= 0 && o->l1_ratio <= 1))
        return glim_fail(err, GLIM_EUSAGE, "the L1 share %g is not between 0 and 1", o->l1_ratio);
    if (isnan(o->strength) || isinf(o->strength))
        return glim_fail(err, GLIM_EUSAGE, "the strength %g is no number", o->strength);
    if (!(o->held_out >= 0 && o->held_out < 1))
        return glim_fail(err, GLIM_EUSAGE, "the held-out share %g is not between 0 and 1",
                         o->held_out);
    if (w->o.folds < 2 || w->o.folds > 1000)
        return glim_fail(err, GLIM_EUSAGE, "%zu folds are not between 2 and 1000", w->o.folds);
    if (o->class_weights && o->kind == GLIM_FIT_LINEAR)
        return glim_fail(err, GLIM_EUSAGE, "weights of classes are for logistic models");
    return GLIM_OK;
}

/* Without an early end, so that it is done many at a time. */
static bool row_is_finite(const glim_fit_data *d, size_t row) {
    const float *f = d->f32 ? d->f32 + row * d->width : NULL;
    const double *x = f ? NULL : d->f64 + row * d->width;
    int bad = 0;
    for (size_t j = 0; f && j < d->width; j++)
        bad |= !(fabsf(f[j]) <= FLT_MAX);
    for (size_t j = 0; x && j < d->width; j++)
        bad |= !(fabs(x[j]) <= DBL_MAX);
    return !bad;
}

static glim_status check_values(const glim_fit_data *d, glim_error *err) {
    for (size_t i = 0; i < d->n; i++) {
        if (row_is_finite(d, i))
            continue;
        size_t at = i * d->width, j = 0;
        while (isfinite(d->f32 ? (double)d->f32[at + j] : d->f64[at + j]))
            j++;
        return glim_fail(err, GLIM_ENUMERIC,
                         "feature %zu of row %zu is not finite (leave the row out)", j + 1, i + 1);
    }
    for (size_t i = 0; i < d->n && d->values; i++)
        if (!isfinite(d->values[i]))
            return glim_fail(err, GLIM_ENUMERIC, "the target of row %zu is not finite", i + 1);
    return GLIM_OK;
}

static glim_status check_data(const glim_fit_data *d, bool logistic, glim_error *err) {
    if (!d->n || !d->width)
        return glim_fail(err, GLIM_EUSAGE, "there is nothing to fit: %zu rows of %zu features",
                         d->n, d->width);
    if (d->n > INT32_MAX || d->width > INT32_MAX / 64)
        return glim_fail(err, GLIM_ELIMIT, "%zu rows of %zu features are too many", d->n, d->width);
    if (logistic && d->n_classes < 2)
        return glim_fail(err, GLIM_EUSAGE,
                         "there is only one class, '%.60s': nothing to tell apart",
                         d->n_classes ? d->classes[0] : "");
    if (logistic && d->n_classes > 10000)
        return glim_fail(err, GLIM_ELIMIT, "%zu classes are more than 10000", d->n_classes);
    for (size_t i = 0; i < d->n && logistic; i++)
        if (d->labels[i] < 0 || (size_t)d->labels[i] >= d->n_classes)
            return glim_fail(err, GLIM_EUSAGE, "row %zu has the class %d of %zu", i + 1,
                             d->labels[i], d->n_classes);
    return check_values(d, err);
}

/* Every class must be among the rows fitted; twice when there are folds. */
static glim_status check_parts(struct work *w, glim_error *err) {
    const glim_fit_data *d = w->data;
    size_t least = w->o.strength < 0 ? 2 : 1, K = d->labels ? d->n_classes : 0;
    size_t *count = glim__calloc(w->ctx, K + 1, sizeof *count);
    if (!count)
        return glim__oom(w->ctx, err, "the classes", K * sizeof *count);
    for (size_t i = 0; i < d->n; i++)
        if (w->fold[i] >= 0) {
            w->train++;
            count[K ? (size_t)d->labels[i] : 0]++;
        }
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < K && !status; k++)
        if (count[k] < least)
            status = glim_fail(err, GLIM_EUSAGE, "class '%.60s' has %zu row%s to fit; %s",
                               d->classes[k], count[k], count[k] == 1 ? "" : "s",
                               least == 1 ? "each class needs one"
                                          : "cross-validation needs two of each class (give more "
                                            "rows, or a --strength)");
    glim__free(w->ctx, count);
    if (!status && w->train < (w->o.strength < 0 ? w->o.folds : 1))
        status = glim_fail(err, GLIM_EUSAGE,
                           "%zu rows to fit are fewer than %zu folds (fewer --folds, or give a "
                           "--strength)",
                           w->train, w->o.folds);
    w->report->rows = w->train;
    w->report->held_out = d->n - w->train;
    return status;
}

/* ---- weights of classes ---- */

/* "A=2,B=1": the name may hold '=' but no comma. */
static glim_status set_weight(struct work *w, const char *at, size_t n, glim_error *err) {
    const glim_fit_data *d = w->data;
    char text[40] = "";
    size_t equals = n;
    while (equals && at[equals - 1] != '=')
        equals--;
    double value = 0;
    if (equals)
        snprintf(text, sizeof text, "%.*s", (int)(n - equals < 39 ? n - equals : 39), at + equals);
    if (!equals || !glim__table_number(text, &value) || !(value > 0))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.*s' is no weight of a class (balanced, or NAME=2,OTHER=1)",
                         (int)(n < 60 ? n : 60), at);
    for (size_t k = 0; k < d->n_classes; k++)
        if (strlen(d->classes[k]) == equals - 1 && !memcmp(d->classes[k], at, equals - 1)) {
            w->weight[k] = value;
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_EUSAGE, "there is no class '%.*s' to give a weight to",
                     (int)(equals - 1 < 60 ? equals - 1 : 60), at);
}

static glim_status read_weights(struct work *w, glim_error *err) {
    const char *text = w->o.class_weights;
    const glim_fit_data *d = w->data;
    size_t K = d->n_classes;
    if (!text)
        return GLIM_OK;
    w->weight = glim__calloc(w->ctx, K, sizeof *w->weight);
    if (!w->weight)
        return glim__oom(w->ctx, err, "the weights of classes", K * sizeof *w->weight);
    if (!strcmp(text, "balanced")) {
        for (size_t i = 0; i < d->n; i++)
            if (w->fold[i] >= 0)
                w->weight[d->labels[i]]++;
        for (size_t k = 0; k < K; k++)
            w->weight[k] = (double)w->train / ((double)K * w->weight[k]);
        return GLIM_OK;
    }
    for (size_t k = 0; k < K; k++)
        w->weight[k] = 1;
    glim_status status = GLIM_OK;
    for (const char *at = text; *at && !status;) {
        size_t n = strcspn(at, ",");
        status = set_weight(w, at, n, err);
        at += n + (at[n] == ',');
    }
    return status;
}

/* ---- measuring ---- */

static size_t best_of(const double *z, size_t O) {
    size_t best = 0;
    if (O == 1)
        return z[0] > 0;
    for (size_t k = 1; k < O; k++)
        best = z[k] > z[best] ? k : best;
    return best;
}

/* -log of the probability of class y. */
static double cross_entropy(const double *z, size_t O, size_t y) {
    double top = O == 1 && z[0] < 0 ? 0 : z[0], sum = O == 1 ? exp(-top) : 0;
    for (size_t k = 1; k < O; k++)
        top = z[k] > top ? z[k] : top;
    for (size_t k = 0; k < O; k++)
        sum += exp(z[k] - top);
    return log(sum) + top - (O > 1 ? z[y] : y ? z[0] : 0);
}

/* How many of the rows are told right, and the sum of their losses; of a linear model
   that of squared errors. */
static glim_status measure(const struct work *w, glim_fit_problem *p, const double *model,
                           const uint32_t *rows, size_t n, size_t *correct, double *loss,
                           glim_error *err) {
    double *z = glim__calloc(w->ctx, n, p->O * sizeof *z);
    if (!z)
        return glim__oom(w->ctx, err, "the answers", n * p->O * sizeof *z);
    glim__fit_outputs(p, model, rows, n, z);
    *correct = 0;
    *loss = 0;
    for (size_t i = 0; i < n; i++) {
        if (w->data->values) {
            double e = z[i] - w->data->values[rows[i]];
            *loss += e * e;
        } else {
            size_t y = (size_t)w->data->labels[rows[i]];
            *correct += best_of(z + i * p->O, p->O) == y;
            *loss += cross_entropy(z + i * p->O, p->O, y);
        }
    }
    glim__free(w->ctx, z);
    return GLIM_OK;
}

/* Rows of all folds but `without` (-2: of all), then those that are left, of which
 *rest is told. Held-out rows are left when there is no fold to leave. */
static size_t part(struct work *w, int32_t without, size_t *rest) {
    size_t n = 0, m = 0;
    int32_t left = without == -2 ? -1 : without;
    for (size_t i = 0; i < w->data->n; i++)
        if (w->fold[i] >= 0 && w->fold[i] != without)
            w->rows[n++] = (uint32_t)i;
    for (size_t i = 0; i < w->data->n; i++)
        if (w->fold[i] == left)
            w->rows[n + m++] = (uint32_t)i;
    *rest = m;
    return n;
}

/* ---- cross-validation ---- */

static glim_status solve(const struct work *w, glim_fit_problem *p, const glim_fit_moments *m,
                         const glim_fit_options *o, double *model, glim_fit_end *end,
                         glim_error *err) {
    glim__fit_problem_set(p, w->weight, o->strength, o->l1_ratio);
    glim_status status = w->data->values ? glim__fit_linear(m, p, o->strength, o, model, end, err)
                                         : glim__fit_logistic(p, o, model, end, err);
    glim__progress_add(w->ctx, 1);
    return status;
}

/* What was found at one strength in one fold: accuracy or squared error, and the mean
   loss. */
struct score {
    double score, loss;
};

/* Scores of one fold, from the strongest penalty on, each fit starting at the last. */
static glim_status run_fold(struct work *w, int32_t fold, struct score *scores, glim_error *err) {
    glim_fit_problem p = {0};
    glim_fit_moments m = {0};
    glim_fit_end end;
    glim_fit_options o = w->o;
    size_t rest, n = part(w, fold, &rest);
    o.tolerance = 100 * w->o.tolerance; /* only what is told right counts */
    glim_status status =
        glim__fit_problem_init(&p, w->ctx, w->data, w->rows, n, w->o.raw_scale, err);
    double *model = glim__calloc(w->ctx, p.O * (p.P + 1), sizeof *model);
    if (!status && !model)
        status = glim__oom(w->ctx, err, "the weights", p.O * p.P * sizeof *model);
    if (!status && w->data->values)
        status = glim__fit_moments(&m, &p, err);
    for (size_t i = GLIM_FIT_GRID; i-- > 0 && !status;) {
        size_t correct = 0;
        double loss = 0;
        o.strength = GRID[i];
        status = solve(w, &p, &m, &o, model, &end, err);
        if (!status)
            status = measure(w, &p, model, w->rows + n, rest, &correct, &loss, err);
        if (!status)
            scores[i] = (struct score){(w->data->values ? loss : (double)correct) / (double)rest,
                                       loss / (double)rest};
    }
    glim__free(w->ctx, model);
    glim__fit_moments_release(&m, w->ctx);
    glim__fit_problem_release(&p);
    return status;
}

/* The best mean score; of equal ones the one with the smaller loss. */
static void choose(struct work *w, const struct score *scores) {
    size_t F = w->o.folds, best = 0;
    double losses[GLIM_FIT_GRID] = {0};
    for (size_t i = 0; i < GLIM_FIT_GRID; i++) {
        double sum = 0, square = 0;
        for (size_t f = 0; f < F; f++) {
            sum += scores[f * GLIM_FIT_GRID + i].score;
            losses[i] += scores[f * GLIM_FIT_GRID + i].loss;
        }
        double mean = sum / (double)F;
        for (size_t f = 0; f < F; f++)
            square += pow(scores[f * GLIM_FIT_GRID + i].score - mean, 2);
        w->report->grid[i].strength = GRID[i];
        w->report->grid[i].score = mean;
        w->report->grid[i].error = sqrt(square / (double)(F - 1) / (double)F);
    }
    for (size_t i = 1; i < GLIM_FIT_GRID; i++) {
        double ahead = w->report->grid[i].score - w->report->grid[best].score;
        ahead = w->data->values ? -ahead : ahead;
        if (ahead > 1e-12 || (ahead > -1e-12 && losses[i] < losses[best]))
            best = i;
    }
    w->report->n_grid = GLIM_FIT_GRID;
    w->report->folds = F;
    w->o.strength = GRID[best];
}

static glim_status cross_validate(struct work *w, glim_error *err) {
    size_t F = w->o.folds;
    struct score *scores = glim__calloc(w->ctx, F * GLIM_FIT_GRID, sizeof *scores);
    glim_status status = scores ? GLIM_OK : glim__oom(w->ctx, err, "the scores", F * 144);
    for (size_t f = 0; f < F && !status; f++) {
        size_t rest;
        part(w, (int32_t)f, &rest);
        status = rest ? run_fold(w, (int32_t)f, scores + f * GLIM_FIT_GRID, err)
                      : glim_fail(err, GLIM_EUSAGE, "fold %zu has no rows", f);
    }
    if (!status)
        choose(w, scores);
    glim__free(w->ctx, scores);
    return status;
}

/* ---- the last fit ---- */

static glim_status keep(glim_linear *l, const struct work *w, const glim_fit_problem *p,
                        const double *model, glim_error *err) {
    const glim_fit_data *d = w->data;
    glim_status status = glim__linear_shape(l, p->P, p->O, err);
    if (status)
        return status;
    memcpy(l->mean, p->mean, p->P * sizeof *l->mean);
    memcpy(l->scale, p->scale, p->P * sizeof *l->scale);
    memcpy(l->weights, model, p->O * p->P * sizeof *l->weights);
    memcpy(l->bias, model + p->O * p->P, p->O * sizeof *l->bias);
    l->info.kind = w->o.kind;
    size_t K = d->labels ? d->n_classes : 0;
    l->classes = glim__arena_calloc(&l->arena, K + 1, sizeof *l->classes);
    for (size_t k = 0; k < K && l->classes; k++)
        if (!(l->classes[k] = glim__arena_strdup(&l->arena, d->classes[k])))
            l->classes = NULL;
    if (!l->classes)
        return glim__oom(w->ctx, err, "the classes", K * sizeof *l->classes);
    l->info.classes = l->classes;
    l->info.n_classes = K;
    return GLIM_OK;
}

static glim_status measure_rest(struct work *w, glim_fit_problem *p, const double *model, size_t n,
                                size_t rest, glim_error *err) {
    glim_fit_report *r = w->report;
    const uint32_t *rows = w->rows + n;
    double squares = 0, mean = 0, spread = 0;
    size_t most = 0;
    r->accuracy = r->low = r->high = r->majority = r->rmse = r->r2 = NAN;
    if (!rest)
        return GLIM_OK;
    glim_status status = measure(w, p, model, rows, rest, &r->correct, &squares, err);
    if (status)
        return status;
    if (w->data->values) {
        for (size_t i = 0; i < rest; i++)
            mean += w->data->values[rows[i]] / (double)rest;
        for (size_t i = 0; i < rest; i++)
            spread += pow(w->data->values[rows[i]] - mean, 2);
        r->rmse = sqrt(squares / (double)rest);
        r->r2 = spread > 0 ? 1 - squares / spread : NAN;
        return GLIM_OK;
    }
    r->accuracy = (double)r->correct / (double)rest;
    glim__wilson(r->correct, rest, &r->low, &r->high);
    size_t *count = glim__calloc(w->ctx, w->data->n_classes, sizeof *count);
    if (!count)
        return glim__oom(w->ctx, err, "the classes", w->data->n_classes * sizeof *count);
    for (size_t i = 0; i < rest; i++) {
        size_t c = ++count[w->data->labels[rows[i]]];
        most = c > most ? c : most;
    }
    glim__free(w->ctx, count);
    r->majority = (double)most / (double)rest;
    return GLIM_OK;
}

static glim_status tell(struct work *w, glim_fit_problem *p, const double *model, size_t n,
                        const glim_fit_end *end, glim_error *err) {
    glim_fit_report *r = w->report;
    size_t correct = 0;
    double loss = 0;
    r->kind = w->o.kind;
    r->width = p->P;
    r->n_classes = w->data->labels ? w->data->n_classes : 0;
    r->strength = w->o.strength;
    r->l1_ratio = w->o.l1_ratio;
    r->iterations = end->iterations;
    r->slope = end->slope;
    r->converged = end->converged;
    for (size_t i = 0; i < p->O * p->P; i++)
        r->zeros += model[i] == 0 && p->factor[i % p->P] > 0;
    glim_status status = measure(w, p, model, w->rows, n, &correct, &loss, err);
    r->separable = !status && !w->data->values && w->o.strength == 0 && correct == n;
    r->loss = loss / (double)n / (w->data->values ? 2 : 1);
    return status;
}

static glim_status last_fit(struct work *w, glim_linear *l, glim_error *err) {
    glim_fit_problem p = {0};
    glim_fit_moments m = {0};
    glim_fit_end end;
    size_t rest, n = part(w, -2, &rest);
    glim_status status =
        glim__fit_problem_init(&p, w->ctx, w->data, w->rows, n, w->o.raw_scale, err);
    size_t size = p.O * (p.P + 1);
    double *model = glim__calloc(w->ctx, size, sizeof *model);
    if (!status && !model)
        status = glim__oom(w->ctx, err, "the weights", size * sizeof *model);
    if (!status && w->data->values)
        status = glim__fit_moments(&m, &p, err);
    if (!status)
        status = solve(w, &p, &m, &w->o, model, &end, err);
    if (!status)
        status = keep(l, w, &p, model, err);
    if (!status)
        status = measure_rest(w, &p, model, n, rest, err);
    if (!status)
        status = tell(w, &p, model, n, &end, err);
    glim__free(w->ctx, model);
    glim__fit_moments_release(&m, w->ctx);
    glim__fit_problem_release(&p);
    return status;
}

static void copy_facts(glim_linear *l, const glim_fit_report *r) {
    l->info.strength = r->strength;
    l->info.l1_ratio = r->l1_ratio;
    l->info.accuracy = r->kind == GLIM_FIT_LINEAR ? r->r2 : r->accuracy;
    l->info.low = r->low;
    l->info.high = r->high;
    l->info.rows = r->rows;
    l->info.held_out = r->held_out;
}

static glim_status run(struct work *w, glim_linear *l, glim_error *err) {
    const glim_fit_data *d = w->data;
    w->fold = glim__calloc(w->ctx, d->n, sizeof *w->fold);
    w->rows = glim__calloc(w->ctx, d->n, sizeof *w->rows);
    if (!w->fold || !w->rows)
        return glim__oom(w->ctx, err, "the rows", d->n * 8);
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < d->n && w->o.fold; i++) {
        w->fold[i] = w->o.fold[i];
        if (w->fold[i] < -1 || w->fold[i] >= (int32_t)w->o.folds)
            return glim_fail(err, GLIM_EUSAGE, "row %zu is in fold %d of %zu", i + 1, w->fold[i],
                             w->o.folds);
    }
    if (!w->o.fold)
        status = glim__fit_split(w->ctx, d, w->o.held_out, w->o.folds, w->o.seed, w->fold, err);
    if (!status)
        status = check_parts(w, err);
    if (!status)
        status = read_weights(w, err);
    if (!status && w->o.strength < 0)
        status = cross_validate(w, err);
    return status ? status : last_fit(w, l, err);
}

glim_status glim_fit(glim_linear **out, glim_fit_report *report, glim_context *ctx,
                     const glim_fit_data *data, const glim_fit_options *options, glim_error *err) {
    struct work w = {.ctx = ctx, .data = data, .report = report};
    glim_linear *l = NULL;
    double began = glim__seconds();
    *out = NULL;
    *report = (glim_fit_report){0};
    glim_status status = check_options(&w, options, err);
    if (!status)
        status = check_data(data, options->kind == GLIM_FIT_LOGISTIC, err);
    if (!status)
        status = glim__linear_new(&l, ctx, err);
    if (!status) {
        size_t fits = (w.o.strength < 0 ? w.o.folds * GLIM_FIT_GRID : 0) + 1;
        glim__progress_begin(ctx, "fit", fits);
        status = run(&w, l, err);
        glim__progress_end(ctx);
    }
    glim__free(ctx, w.fold);
    glim__free(ctx, w.rows);
    glim__free(ctx, w.weight);
    report->seconds = glim__seconds() - began;
    if (status) {
        glim_linear_close(l);
        return status;
    }
    copy_facts(l, report);
    *out = l;
    return GLIM_OK;
}
