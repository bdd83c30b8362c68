/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least squares, exact. With h the leverage, e the residual, s^2 = e'e/(n - p):
 *
 *   internally studentised  r = e / (s sqrt(1 - h))
 *   externally studentised  t = r sqrt((n - p - 1) / (n - p - r^2))
 *   Cook's distance         r^2 h / (p (1 - h))
 *   DFFITS                  t sqrt(h / (1 - h))
 *   COVRATIO                1 / (((n - p - 1 + t^2) / (n - p))^p (1 - h))
 *   PRESS residual          e / (1 - h)
 *   DFBETAS                 u_j e / (1 - h) / (s_(i) sqrt(A^-1_jj)),  u = A^-1 x
 *
 * With a penalty p is the sum of leverages (a convention; refits are still exact).
 *
 * Two classes, by Pregibon's one step: h = w x'H^-1 x with w = p (1 - p), the change of
 * the coefficients is H^-1 x (y - p) / (1 - h), one Newton step of the problem without the
 * sample; Cook's distance is that change measured by H, over the number of coefficients.
 */
#include "base/student.h"
#include "influence/diagnostics.h"
#include "influence/regression.h"

#include <math.h>
#include <string.h>

struct diagnosing {
    glim_diagnosis d;
    glim_regression r;
    glim_head head; /* two classes */
    double *penalty, *steps, *h, *z;
    double sum; /* of PRESS residuals' squares */
};

static glim_status make_room(struct diagnosing *s, bool steps, glim_error *err) {
    glim_context *ctx = s->d.w->ctx;
    size_t P = s->d.w->train->width, room = GLIM_FEATURES_BLOCK;
    const glim_linear *l = s->d.w->head;
    s->penalty = glim__calloc(ctx, P + 1, sizeof *s->penalty);
    s->steps = steps ? glim__calloc(ctx, P + 1, room * sizeof *s->steps) : NULL;
    s->h = glim__calloc(ctx, room, sizeof *s->h);
    s->z = glim__calloc(ctx, room, sizeof *s->z);
    if (!s->penalty || (steps && !s->steps) || !s->h || !s->z)
        return glim__oom(ctx, err, "a block of samples", (P + 1) * room * 8);
    for (size_t j = 0; j < P; j++)
        s->penalty[j] = l->info.strength * l->scale[j] * l->scale[j];
    return GLIM_OK;
}

static void release(struct diagnosing *s) {
    glim_context *ctx = s->d.w->ctx;
    glim__free(ctx, s->penalty);
    glim__free(ctx, s->steps);
    glim__free(ctx, s->h);
    glim__free(ctx, s->z);
    glim__regression_release(&s->r);
    glim__head_release(&s->head);
    glim__diagnosis_release(&s->d);
}

static void tell_rank(const struct diagnosing *s) {
    enum { MOST = 20 };
    const glim_regression *r = &s->r;
    glim_document *doc = s->d.out->doc;
    char words[240], room[40];
    glim_document_check_add(doc, "rank", (double)r->rank,
                            "independent columns, intercept included");
    for (size_t k = r->rank; k < r->p && k < r->rank + MOST; k++) {
        glim__regression_words(r, k - r->rank, words, sizeof words);
        glim_document_note(doc, "column '%.60s' %s: left out, its coefficient is 0",
                           glim__features_name(r->f, r->order[k] - 1, room), words);
    }
    if (r->p > r->rank + MOST)
        glim_document_note(doc, "%zu more columns depend on others and were left out",
                           r->p - r->rank - MOST);
}

static glim_status check_rows(const struct diagnosing *s, glim_error *err) {
    const glim_regression *r = &s->r;
    if (s->d.w->head->info.strength > 0 || r->n >= 2 * r->rank)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE,
                     "%zu samples for %zu coefficients leave too little to judge samples by (a "
                     "penalty, --strength 1; or fewer --columns)",
                     r->n, r->rank);
}

/* DFBETAS of a block into the columns from `at` on; by: e/(1-h)/s of each sample. */
static void put_dfbetas(struct diagnosing *s, size_t count, size_t at, const double *by) {
    const glim_regression *r = &s->r;
    for (size_t j = 0; j < r->p; j++)
        for (size_t i = 0; i < count; i++)
            s->d.values[i * s->d.n_columns + at + j] =
                s->steps[j * count + i] * by[i] / r->spread[j];
}

/* ---- numbers ---- */

enum { LEVERAGE, FITTED, RESIDUAL, INTERNAL, EXTERNAL, COOK, DFFITS, COVRATIO, PRESS, NUMBERS };

static void number_row(struct diagnosing *s, double h, double fitted, double y, double *v) {
    double n = (double)s->r.n, p = s->r.df, e = y - fitted;
    v[LEVERAGE] = h;
    v[FITTED] = fitted;
    v[RESIDUAL] = e;
    for (size_t k = INTERNAL; k < NUMBERS; k++)
        v[k] = NAN;
    if (!glim__diagnosis_free(&s->d, h))
        return;
    double r = e / sqrt(s->r.variance * (1 - h));
    double t = r * sqrt((n - p - 1) / (n - p - r * r));
    v[INTERNAL] = r;
    v[EXTERNAL] = t;
    v[COOK] = r * r * h / (p * (1 - h));
    v[DFFITS] = t * sqrt(h / (1 - h));
    v[COVRATIO] = 1 / (pow((n - p - 1 + t * t) / (n - p), p) * (1 - h));
    v[PRESS] = e / (1 - h);
    s->sum += v[PRESS] * v[PRESS];
}

static glim_status number_block(void *data, size_t first, size_t count, double *x, double *y,
                                glim_error *err) {
    struct diagnosing *s = data;
    size_t P = s->r.p - 1, C = s->d.n_columns;
    double n = (double)s->r.n, p = s->r.df;
    glim__regression_leverage(&s->r, count, x, s->h, s->steps);
    for (size_t i = 0; i < count; i++) {
        double *v = s->d.values + i * C, e;
        number_row(s, s->h[i], glim__regression_at(&s->r, x + i * P), y[i], v);
        e = v[PRESS] * v[RESIDUAL];
        s->z[i] = v[PRESS] / sqrt(((n - p) * s->r.variance - e) / (n - p - 1));
    }
    if (s->steps)
        put_dfbetas(s, count, NUMBERS, s->z);
    return glim__diagnosis_put(&s->d, first, count, err);
}

static glim_status begin_numbers(struct diagnosing *s, const glim_influence_work *w, bool dfbetas,
                                 const glim_influence_out *out, glim_error *err) {
    double n = (double)w->n, p = s->r.df;
    const glim_influence_column columns[NUMBERS] = {
        [LEVERAGE] = {"leverage", GLIM_NO_QUERY, 2 * p / n, false},
        [FITTED] = {"fitted", GLIM_NO_QUERY, NAN, true},
        [RESIDUAL] = {"residual", GLIM_NO_QUERY, NAN, true},
        [INTERNAL] = {"studentised-internal", GLIM_NO_QUERY, NAN, true},
        [EXTERNAL] = {"studentised-external", GLIM_NO_QUERY,
                      glim__student_quantile(0.025 / n, n - p - 1), true},
        [COOK] = {"cooks-distance", GLIM_NO_QUERY, 4 / n, false},
        [DFFITS] = {"dffits", GLIM_NO_QUERY, 2 * sqrt(p / n), true},
        [COVRATIO] = {"covratio", GLIM_NO_QUERY, NAN, false},
        [PRESS] = {"press-residual", GLIM_NO_QUERY, NAN, true},
    };
    glim_regression r = s->r;
    glim_status status =
        glim__diagnosis_init(&s->d, w, out, columns, NUMBERS, dfbetas ? r.p : 0, err);
    for (size_t j = 0; j < r.p && dfbetas && !status; j++)
        glim__diagnosis_dfbetas(&s->d, NUMBERS + j, j);
    s->d.df = r.df;
    return status ? status : glim__diagnosis_begin(&s->d, err);
}

static void judge_numbers(const struct diagnosing *s) {
    const glim_regression *r = &s->r;
    glim_document *doc = s->d.out->doc;
    glim__diagnosis_judge(&s->d);
    glim_document_check_add(doc, "free_coefficients", r->df,
                            "p of the formulas: the sum of leverages");
    glim_document_check_add(doc, "residual_deviation", sqrt(r->variance), "s of the formulas");
    glim_document_check_add(doc, "press", s->sum, "sum of squared leave-one-out residuals");
    if (r->o.penalty && s->d.w->head->info.strength > 0)
        glim_document_note(doc,
                           "with a penalty p is the sum of leverages, %.4g, in s, Cook's "
                           "distance, DFFITS and COVRATIO: a convention",
                           r->df);
}

glim_status glim__diagnose_numbers(const glim_influence_work *w,
                                   const struct glim_diagnosis_options *o,
                                   const glim_influence_out *out, glim_error *err) {
    struct diagnosing s = {.d = {.w = w, .out = out}};
    glim_status status = glim__head_init(&s.head, w->ctx, w->head, w->train, err);
    if (!status)
        status = make_room(&s, o->dfbetas, err);
    glim_regression_options how = {.penalty = s.penalty};
    glim__progress_begin(w->ctx, "diagnose samples", 2 * w->n);
    if (!status)
        status = glim__regression_init(&s.r, w->ctx, w->train, &how, err);
    if (!status)
        status = check_rows(&s, err);
    if (!status)
        status = begin_numbers(&s, w, o->dfbetas, out, err);
    if (!status) {
        tell_rank(&s);
        glim__tell_optimum(&s.head, sqrt(s.r.rss / (double)w->n) + 1e-300, out->doc);
        status = glim__features_each(w->ctx, w->train, number_block, &s, err);
    }
    if (!status)
        judge_numbers(&s);
    glim__progress_end(w->ctx);
    release(&s);
    return status;
}

/* ---- two classes ---- */

enum { T_LEVERAGE, PROBABILITY, PEARSON, DEVIANCE, STUDENTISED, T_COOK, LOSS, TWO };

static double outcome(const glim_head *h, const double *x) {
    const glim_linear *l = h->linear;
    double z = h->w[h->P];
    for (size_t j = 0; j < h->P; j++)
        z += h->w[j] * ((x[j] - l->mean[j]) / l->scale[j]);
    return z;
}

static double weight_of(void *data, const double *x) {
    const glim_head *h = data;
    double g, m, z = outcome(h, x);
    glim__head_loss(h, &z, 0, &g, &m);
    return m;
}

static glim_status two_block(void *data, size_t first, size_t count, double *x, double *y,
                             glim_error *err) {
    struct diagnosing *s = data;
    double p = s->r.df, g, m;
    glim__regression_leverage(&s->r, count, x, s->h, s->steps);
    for (size_t i = 0; i < count; i++) {
        double *v = s->d.values + i * s->d.n_columns, h = s->h[i];
        double z = outcome(&s->head, x + i * s->head.P);
        double loss = glim__head_loss(&s->head, &z, y[i], &g, &m), r = -g / sqrt(m);
        bool free = glim__diagnosis_free(&s->d, h);
        v[T_LEVERAGE] = h;
        v[PROBABILITY] = g + y[i];
        v[PEARSON] = r;
        v[DEVIANCE] = copysign(sqrt(2 * loss), -g);
        v[STUDENTISED] = free ? r / sqrt(1 - h) : NAN;
        v[T_COOK] = free ? r * r * h / (p * (1 - h) * (1 - h)) : NAN;
        v[LOSS] = loss;
        s->z[i] = free ? -g / (1 - h) : NAN;
    }
    if (s->steps)
        put_dfbetas(s, count, TWO, s->z);
    return glim__diagnosis_put(&s->d, first, count, err);
}

static glim_status begin_two(struct diagnosing *s, const glim_influence_work *w, bool dfbetas,
                             const glim_influence_out *out, glim_error *err) {
    double n = (double)w->n, p = s->r.df;
    const glim_influence_column columns[TWO] = {
        [T_LEVERAGE] = {"leverage", GLIM_NO_QUERY, 2 * p / n, false},
        [PROBABILITY] = {"probability", GLIM_NO_QUERY, NAN, false},
        [PEARSON] = {"pearson-residual", GLIM_NO_QUERY, NAN, true},
        [DEVIANCE] = {"deviance-residual", GLIM_NO_QUERY, NAN, true},
        [STUDENTISED] = {"studentised-internal", GLIM_NO_QUERY, 3, true},
        [T_COOK] = {"cooks-distance", GLIM_NO_QUERY, 4 / n, false},
        [LOSS] = {"loss", GLIM_NO_QUERY, NAN, false},
    };
    glim_regression r = s->r;
    glim_status status = glim__diagnosis_init(&s->d, w, out, columns, TWO, dfbetas ? r.p : 0, err);
    for (size_t j = 0; j < r.p && dfbetas && !status; j++)
        glim__diagnosis_dfbetas(&s->d, TWO + j, j);
    s->d.df = r.df;
    return status ? status : glim__diagnosis_begin(&s->d, err);
}

/* Where the fit ended is where the last of its Newton steps leads; of features that depend
   on each other there is none, and the fit is taken as it is. */
static glim_status polish(struct diagnosing *s, const glim_influence_out *out, glim_error *err) {
    size_t steps;
    if (!glim__tell_optimum(&s->head, 1, out->doc))
        return GLIM_OK;
    return glim__head_polish(&s->head, &steps, err);
}

glim_status glim__diagnose_two(const glim_influence_work *w, const struct glim_diagnosis_options *o,
                               const glim_influence_out *out, glim_error *err) {
    struct diagnosing s = {.d = {.w = w, .out = out}};
    glim__progress_begin(w->ctx, "diagnose samples", 8 * w->n);
    glim_status status = glim__head_init(&s.head, w->ctx, w->head, w->train, err);
    if (!status)
        status = polish(&s, out, err);
    if (!status)
        status = make_room(&s, o->dfbetas, err);
    glim_regression_options how = {.penalty = s.penalty, .weight = weight_of, .data = &s.head};
    if (!status)
        status = glim__regression_init(&s.r, w->ctx, w->train, &how, err);
    if (!status)
        status = check_rows(&s, err);
    if (!status)
        status = begin_two(&s, w, o->dfbetas, out, err);
    if (!status) {
        tell_rank(&s);
        status = glim__features_each(w->ctx, w->train, two_block, &s, err);
    }
    if (!status)
        glim__diagnosis_judge(&s.d);
    glim__progress_end(w->ctx);
    release(&s);
    return status;
}
