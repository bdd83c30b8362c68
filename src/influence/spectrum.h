/* SPDX-License-Identifier: Apache-2.0 */
/* spectrum.h: squared gradients of samples in the eigenbasis of a weight's factors. */
#ifndef GLIM_INFLUENCE_SPECTRUM_H
#define GLIM_INFLUENCE_SPECTRUM_H

#include "influence/factors.h"

typedef struct glim_spectrum {
    glim_context *ctx;
    float *g, *a; /* turned rows */
    size_t room_g, room_a;
} glim_spectrum;

void glim__spectrum_release(glim_spectrum *s);
/* sum (F, C) += the square of each sample's gradient, in their order. */
glim_status glim__spectrum_add(glim_spectrum *s, const glim_factor *f, const glim_gathered *all,
                               double *sum, glim_error *err);
/* out (count) = G^T H^-1 G of each sample, H the curvature of one sample with `damping`. */
glim_status glim__spectrum_self(glim_spectrum *s, const glim_factor *f, const glim_gathered *all,
                                double damping, double *out, glim_error *err);

#endif
