/* SPDX-License-Identifier: Apache-2.0 */
/*
 * projected.h: TRAK (Park, Georgiev, Ilyas, Leclerc, Madry 2023, arXiv:2303.14186): the model
 * is taken to be a logistic regression over projected gradients phi_i = P^T grad m(z_i) of
 * the log odds m = log(p / (1 - p)), and answers as one does:
 *
 *   I_i = phi_q^T (Phi^T Phi + ridge)^-1 phi_i (1 - p_i)      f = m(q)
 *
 * p is the probability of the whole answer: of a text with several labels their product, so
 * that grad m = -grad L / (1 - p) and one walk gives it. Long answers have p = 0 and m is
 * their log-probability. Of several checkpoints the mean of the products is multiplied with
 * the mean of (1 - p_i).
 *
 * Features are kept on disk, k + 1 numbers a sample; with a store, other queries and an
 * interrupted run find them there.
 */
#ifndef GLIM_INFLUENCE_PROJECTED_H
#define GLIM_INFLUENCE_PROJECTED_H

#include "influence/influence-methods.h"
#include "influence/kept-features.h"
#include "influence/sketch.h"

typedef struct glim_projected {
    const glim_gradients *train, *queries; /* [n] of each checkpoint */
    size_t n;
    size_t k; /* 0: a fifth of the samples, 2,048 at most */
    uint64_t seed;
    double ridge;               /* of the mean of the diagonal */
    glim_store *store;          /* NULL = features are gone with the run */
    const glim_store_key *keys; /* [n] with a store: of model, samples and weights; k and seed
                                   are added here */
} glim_projected;

glim_status glim__projected_run(const glim_projected *f, const glim_influence_out *out,
                                glim_error *err);
/* Bytes at least beside the walks; *disk: of features. */
glim_status glim__projected_plan(const glim_projected *f, uint64_t *bytes, uint64_t *disk,
                                 glim_error *err);

#endif
