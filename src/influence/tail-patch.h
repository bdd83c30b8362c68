/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail-patch.h: what one step of training on a sample really does to what queries say. The
 * weights stay as they are, packed: a step of rate eta makes W into W - eta g^T a, so that
 * a product x W^T becomes x W^T - eta (x a^T) g, which a hook adds. That costs about as much
 * as the sample has rows, and is exact up to float32.
 *
 * To first order the log-probability of a query changes by eta <grad L_q, grad L_i>. The
 * change that is measured judges any method: a score that cannot tell what one step does
 * will not tell what training did.
 */
#ifndef GLIM_INFLUENCE_TAIL_PATCH_H
#define GLIM_INFLUENCE_TAIL_PATCH_H

#include "influence/gradient-work.h"

typedef struct glim_tail_patch glim_tail_patch;

/* Through the model of `g` (its first checkpoint), on its chosen weights; borrows it. Walks
   the queries once. */
glim_status glim__tail_patch_new(glim_tail_patch **out, const glim_gradient_work *g,
                                 glim_error *err);
void glim__tail_patch_free(glim_tail_patch *t); /* NULL is fine */
/* ||grad L_i||^2 of a sample. eta ||grad L_i||^2 is how far its own loss goes down. */
glim_status glim__tail_patch_square(glim_tail_patch *t, size_t sample, double *out,
                                    glim_error *err);
/* changes (queries): of f after one step of this rate on the sample. */
glim_status glim__tail_patch_try(glim_tail_patch *t, size_t sample, double rate, double *changes,
                                 glim_error *err);

#endif
