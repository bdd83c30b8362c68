/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsne.h: the descent. Gradient without the factor 4, as openTSNE has it: of point i the sum of
 * e P_ij w_ij (y_i - y_j) less that of w_ij^2 (y_i - y_j) / Z, with the exaggeration e.
 */
#ifndef GLIM_REDUCE_TSNE_H
#define GLIM_REDUCE_TSNE_H

#include "reduce/affinity.h"
#include "reduce/repulsion.h"

typedef struct glim_tsne {
    glim_context *ctx;
    const glim_affinity *p;
    glim_repulsion repulsion;
    glim_plane at, slope, push;    /* push: what repels, before Z */
    float *step_x, *step_y, *gain; /* (n), (n), (2 n) */
    double *sums;                  /* (blocks, 2) */
} glim_tsne;

/* xy (n, 2): where points begin. Errors: ENOMEM, EBUDGET. */
glim_status glim__tsne_init(glim_tsne *t, glim_context *ctx, const glim_affinity *p,
                            const float *xy, glim_map_gradient how, double theta, glim_error *err);
void glim__tsne_release(glim_tsne *t); /* zeroed is fine */
/* Fills t->slope. *kl, unless NULL: the divergence here, without exaggeration. */
glim_status glim__tsne_slope(glim_tsne *t, double exaggeration, double *kl, glim_error *err);
/* One step down the slope. max_norm: of each point's, 0: any. */
void glim__tsne_step(glim_tsne *t, double rate, double momentum, double max_norm);
void glim__tsne_get(const glim_tsne *t, float *xy);
uint64_t glim__tsne_plan(size_t n, glim_map_gradient how);

#endif
