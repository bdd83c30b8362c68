/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grid-fft.h: a square grid of charges convolved with t-SNE's kernels by KissFFT. Only the lower
 * left quarter of the transformed square has charges, and only there is the field wanted: rows
 * and columns of zeros are left out.
 */
#ifndef GLIM_REDUCE_GRID_FFT_H
#define GLIM_REDUCE_GRID_FFT_H

#include "base/context.h"

#include <kiss_fft.h>

typedef struct glim_grid_fft {
    glim_context *ctx;
    size_t m, half; /* side of the transform, and of the quarter in use */
    double h;       /* between nodes */
    kiss_fft_cfg forth, back;
    kiss_fft_cpx *columns; /* (half + 1, half): rows' transforms, turned */
    kiss_fft_cpx *field;   /* (half, m): the field, real part x and imaginary part y */
    float *w;              /* (half + 1, m) spectrum of w, by columns */
    float *a;              /* (half + 1, m) imaginary part of that of w^2 dx */
    float *b;              /* the same of w^2 dy */
    double *z;             /* (half + 1) */
} glim_grid_fft;

/* Room for `nodes` each way, h apart; does nothing when there is. Errors: ENOMEM, EBUDGET. */
glim_status glim__grid_fft_size(glim_grid_fft *f, glim_context *ctx, size_t nodes, double h,
                                glim_error *err);
void glim__grid_fft_release(glim_grid_fft *f);

/* Adds the charges of a row to out[column * stride]. */
typedef void glim_grid_row(void *data, size_t row, float *out, size_t stride);
/* Fills the field; returns the sum of w over all pairs of charges, each with itself as well. */
double glim__grid_fft_run(glim_grid_fft *f, glim_grid_row *charges, void *data);

#endif
