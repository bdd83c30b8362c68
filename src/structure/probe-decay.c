/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weight decay of a hidden layer, by inner folds: from the strongest on, until two in a row
 * did worse than the best. Every fit begins anew, with the same first weights for a fold.
 */
#include "structure/probe-rows.h"

#include <math.h>

enum { DECAYS = 6, PATIENCE = 2 };

static const double GRID[DECAYS] = {1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5};

/* Rows outside of the fold, then those inside; returns how many are outside. */
static size_t part(const uint32_t *rows, size_t n, const int32_t *fold, int32_t f, uint32_t *out) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        if (fold[i] != f)
            out[at++] = rows[i];
    size_t outside = at;
    for (size_t i = 0; i < n; i++)
        if (fold[i] == f)
            out[at++] = rows[i];
    return outside;
}

glim_status glim__probe_choose_decay(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                                     const int32_t *fold, size_t folds, uint64_t stream,
                                     double *decay, glim_error *err) {
    uint32_t *own = glim__calloc(l->ctx, n, sizeof *own);
    double best = INFINITY,
           *said = glim__calloc(l->ctx, n, glim__probe_outputs(&l->target) * sizeof *said);
    glim_status status = own && said ? GLIM_OK : glim__oom(l->ctx, err, "the folds", n * 8);
    for (size_t i = 0, worse = 0; i < DECAYS && worse < PATIENCE && !status; i++) {
        double loss = 0;
        for (size_t f = 0; f < folds && !status; f++) {
            size_t k = part(rows, n, fold, (int32_t)f, own);
            status = glim__probe_mlp(l, own, k, GRID[i], stream + 1 + f, own + k, n - k, said, err);
            loss += glim__probe_losses(&l->target, own + k, n - k, said);
            if (!status)
                status = glim__check_cancel(l->ctx, err);
        }
        worse++;
        if (!status && loss < best) {
            best = loss;
            *decay = GRID[i];
            worse = 0;
        }
    }
    glim__free(l->ctx, own);
    glim__free(l->ctx, said);
    return status;
}
