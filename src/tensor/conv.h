/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv.h: convolutions over images whose pixels are rows: (images H W, C), row after
 * row of each image. Kernels are square; padding is zeros. Behind the sum come a
 * factor and a shift a channel (a batch norm, a bias) and bounds (ReLU6 is 0 to 6):
 *
 *   y[o] = clamp(scale[o] sum over taps and i of x[i] w[tap, i, o] + shift[o], low, high)
 *
 * An element is one chain of multiply-adds over (tap, i), so its bits depend on
 * neither threads nor the other images.
 */
#ifndef GLIM_TENSOR_CONV_H
#define GLIM_TENSOR_CONV_H

#include "tensor/kernels.h"

enum { GLIM_CONV_KERNEL = 7 }; /* widest kernel */

typedef struct glim_conv {
    int in_h, in_w, in_c, out_h, out_w, out_c;
    int kernel, stride, pad_top, pad_left;
    bool depthwise; /* every channel by itself: in_c == out_c */
    /* The kernel: (out, in, k, k), depthwise (C, 1, k, k), as PyTorch has it; or with
       in_first (k, k, in, out), depthwise (k, k, C). */
    const void *w;
    glim_type type;
    bool in_first;
    const float *scale, *shift; /* (out_c) */
    float low, high;            /* -INFINITY, INFINITY = unbounded */
} glim_conv;

/* Sizes of the output, and TensorFlow's "SAME" padding (the odd pixel below and to the
   right), or `kernel / 2` on all sides. */
void glim__conv_shape(glim_conv *c, int in_h, int in_w, bool same);

/* y (images out_h out_w, out_c) of x (images in_h in_w, in_c). Errors: ENOMEM, EBUDGET. */
glim_status glim__conv(glim_context *ctx, const glim_conv *c, float *y, const float *x,
                       int64_t images, glim_error *err);
/* dx += the gradient of dy, which becomes the sum's own gradient; y is what forward
   gave. */
glim_status glim__conv_backward(glim_context *ctx, const glim_conv *c, float *dx, float *dy,
                                const float *y, int64_t images, glim_error *err);
/* Bytes that a call has in use besides its arrays, at most. */
uint64_t glim__conv_scratch(const glim_context *ctx, const glim_conv *c, int64_t images,
                            bool backward);

#endif
