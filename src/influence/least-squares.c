/* SPDX-License-Identifier: Apache-2.0 */
/* The coefficients of a regression as a fitted model, whose features are standardised. */
#include "influence/least-squares.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct moments {
    glim_linear *l;
    size_t n;
};

/* Welford 1962; the sums of squares gather where deviations will be. */
static glim_status add(void *data, size_t first, size_t count, double *x, double *y,
                       glim_error *err) {
    struct moments *m = data;
    size_t P = m->l->info.width;
    for (size_t i = 0; i < count; i++, x += P) {
        m->n++;
        for (size_t j = 0; j < P; j++) {
            double off = x[j] - m->l->mean[j];
            m->l->mean[j] += off / (double)m->n;
            m->l->scale[j] += off * (x[j] - m->l->mean[j]);
        }
    }
    return GLIM_OK;
}

static void take_over(glim_linear *l, const glim_regression *r) {
    l->bias[0] = r->beta[0];
    for (size_t j = 0; j + 1 < r->p; j++) {
        l->weights[j] = r->beta[j + 1] * l->scale[j];
        l->bias[0] += r->beta[j + 1] * l->mean[j];
    }
    l->info.rows = r->n;
    l->info.kind = GLIM_FIT_LINEAR;
}

glim_status glim__standardise(glim_linear *l, const glim_features *f, glim_error *err) {
    struct moments m = {.l = l};
    glim_status status = glim__features_each(l->ctx, f, add, &m, err);
    double n = (double)m.n;
    for (size_t j = 0; j < f->width && !status; j++) {
        double deviation = sqrt(l->scale[j] / n);
        l->scale[j] = deviation > n * DBL_EPSILON * fabs(l->mean[j]) ? deviation : 1;
    }
    return status;
}

glim_status glim__least_squares(glim_linear *l, const glim_features *f, double strength,
                                glim_error *err) {
    glim_regression r = {0};
    double *penalty = glim__calloc(l->ctx, f->width + 1, sizeof *penalty);
    glim_status status = penalty ? glim__standardise(l, f, err)
                                 : glim__oom(l->ctx, err, "the penalty", f->width * 8);
    for (size_t j = 0; j < f->width && !status; j++)
        penalty[j] = strength * l->scale[j] * l->scale[j];
    if (!status)
        status = glim__regression_init(&r, l->ctx, f,
                                       &(glim_regression_options){.penalty = penalty}, err);
    if (!status)
        take_over(l, &r);
    l->info.strength = strength;
    glim__regression_release(&r);
    glim__free(l->ctx, penalty);
    return status;
}
