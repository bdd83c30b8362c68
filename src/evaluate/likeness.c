/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How alike two explanations are. A method without signs tells only how much a unit
 * matters, so beside it the other's sizes count; two that have signs are compared with
 * them, since for and against are not alike.
 */
#include "evaluate/likeness.h"
#include "predict/lm.h"

#include <math.h>
#include <string.h>

size_t glim__scored_units(const glim_document *d, size_t *at) {
    size_t n = 0;
    for (size_t u = 0; u < d->input.n_units; u++)
        if (!d->input.units[u].fixed)
            at[n++] = u;
    return n;
}

/* The first unit from u on that is scored, or the number of units. */
static size_t next_scored(const glim_document *d, size_t u) {
    while (u < d->input.n_units && d->input.units[u].fixed)
        u++;
    return u;
}

bool glim__same_units(const glim_document *a, const glim_document *b) {
    size_t i = next_scored(a, 0), k = next_scored(b, 0);
    while (i < a->input.n_units && k < b->input.n_units) {
        const glim_document_unit *x = &a->input.units[i], *y = &b->input.units[k];
        if (x->text_len != y->text_len ||
            (x->text_len && memcmp(x->text, y->text, x->text_len) != 0))
            return false;
        i = next_scored(a, i + 1);
        k = next_scored(b, k + 1);
    }
    return i == a->input.n_units && k == b->input.n_units;
}

/* The units that both say something of in a target row: their scores side by side. */
static size_t gather(const glim_document *a, const glim_document *b, size_t row, double *x,
                     double *y) {
    const double *one = a->scores + row * a->input.n_units;
    const double *two = b->scores + row * b->input.n_units;
    size_t n = 0, i = next_scored(a, 0), k = next_scored(b, 0);
    while (i < a->input.n_units && k < b->input.n_units) {
        if (!isnan(one[i]) && !isnan(two[k])) {
            x[n] = one[i];
            y[n++] = two[k];
        }
        i = next_scored(a, i + 1);
        k = next_scored(b, k + 1);
    }
    return n;
}

size_t glim__likeness_order(const double *scores, size_t n, bool is_signed, size_t *order) {
    size_t told = 0;
    glim__importance_order(scores, n, is_signed, order);
    for (size_t i = 0; i < n; i++)
        if (!isnan(scores[order[i]]))
            order[told++] = order[i];
    return told;
}

static glim_status check(const glim_document *a, const glim_document *b, glim_error *err) {
    if (a->n_rows != b->n_rows)
        return glim_fail(err, GLIM_EUSAGE, "the explanations have %zu and %zu targets", a->n_rows,
                         b->n_rows);
    return glim__same_units(a, b)
               ? GLIM_OK
               : glim_fail(err, GLIM_EUSAGE, "the explanations have different units (%zu and %zu)",
                           a->input.n_units, b->input.n_units);
}

glim_status glim__likeness_row(glim_likeness *out, const glim_document *a, const glim_document *b,
                               size_t row, glim_error *err) {
    size_t U = a->input.n_units;
    glim_status status = check(a, b, err);
    if (status)
        return status;
    double *x = glim__calloc(a->ctx, 2 * U + 1, sizeof *x), *y = x ? x + U : NULL;
    size_t *order = glim__calloc(a->ctx, 2 * U + 1, sizeof *order);
    *out = (glim_likeness){.by_size = !a->method.is_signed || !b->method.is_signed};
    if (x && order) {
        size_t n = out->n = gather(a, b, row, x, y);
        glim__importance_order(x, n, !out->by_size, order);
        glim__importance_order(y, n, !out->by_size, order + U);
        bool same = n && !memcmp(order, order + U, n * sizeof *order);
        out->tau = glim__kendall_tau_b(x, y, n, out->by_size);
        out->jaccard = glim__jaccard_at(order, order + U, n, GLIM_LIKENESS_TOP);
        out->rbo = same ? 1 : glim__rbo(order, order + U, n, GLIM_LIKENESS_DEPTH);
        out->flips = out->by_size ? NAN : 0;
        for (size_t i = 0; i < n && !out->by_size; i++)
            out->flips += (x[i] > 0 && y[i] < 0) || (x[i] < 0 && y[i] > 0);
    }
    status = x && order ? GLIM_OK : glim__oom(a->ctx, err, "pairs of scores", U * 4 * sizeof *x);
    glim__free(a->ctx, x);
    glim__free(a->ctx, order);
    return status;
}

static void add(double *mean, double *n, double x) {
    *n += !isnan(x);
    *mean += isnan(x) ? 0 : (x - *mean) / *n;
}

glim_status glim__likeness(glim_likeness *out, const glim_document *a, const glim_document *b,
                           glim_error *err) {
    double taus = 0, jaccards = 0, rbos = 0;
    glim_likeness one = {0}, all = {0};
    glim_status status = check(a, b, err);
    for (size_t r = 0; r < a->n_rows && !status; r++) {
        status = glim__likeness_row(&one, a, b, r, err);
        add(&all.tau, &taus, one.tau);
        add(&all.jaccard, &jaccards, one.jaccard);
        add(&all.rbo, &rbos, one.rbo);
        all.flips += one.flips;
        all.n += one.n;
    }
    all.by_size = one.by_size;
    all.tau = taus > 0 ? all.tau : NAN;
    all.jaccard = jaccards > 0 ? all.jaccard : NAN;
    all.rbo = rbos > 0 ? all.rbo : NAN;
    *out = all;
    return status;
}

double glim__divergence(const float *p, const float *q, size_t n) {
    double all_p = glim__log_sum_exp(p, n), all_q = glim__log_sum_exp(q, n), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double share = p[i] - all_p;
        if (exp(share) > 0)
            sum += exp(share) * (share - (q[i] - all_q));
    }
    return fmax(sum, 0); /* below it only by rounding */
}
