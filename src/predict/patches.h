/* SPDX-License-Identifier: Apache-2.0 */
/* patches.h: a picture cut into the units that are scored, squares or superpixels, for
   predictors whose input is one. */
#ifndef GLIM_PREDICT_PATCHES_H
#define GLIM_PREDICT_PATCHES_H

#include "file/image.h"
#include "predict/predictor.h"

typedef struct glim_patches {
    int width, height;
    int side;         /* of a square; of superpixels that of one as large as the mean */
    bool superpixels; /* of any shape */
    const char *how;  /* "grid", "slic", "quickshift" */
    char *name;       /* of the picture, without its folders */
    glim_image *seen; /* a copy */
    glim_units units; /* `first` and `count` are pixels, unit after unit */
    uint32_t *place;  /* [H W] where pixel number t of the units lies in the picture */
    int (*box)[4];    /* [units] x, y, width, height around unit u */
} glim_patches;

/* Cuts a copy of the picture by the options' superpixels, patch and segments; a patch of 0
   takes `otherwise`. Errors: EUSAGE (a patch that does not fit, a way of cutting that there
   is not), ENOMEM, EBUDGET, ECANCELLED. */
glim_status glim__patches_cut(glim_patches *p, const glim_image *image, const glim_image_options *o,
                              int otherwise, glim_error *err);
void glim__patches_release(glim_patches *p, glim_context *ctx);
/* Where keep is 0, pixels of `size` bytes go from one picture into the other. */
void glim__patches_paint(const glim_patches *p, const uint8_t *keep, size_t size, const void *from,
                         void *out);
/* The picture (H W, 3) that absent patches are taken from; pixels likewise. What is black
   to the caller (GLIM_ABSENT_BLACK) only the caller knows: `black` has a pixel of it.
   Errors: EUSAGE (patches cannot be taken out), ENOMEM, EBUDGET. */
glim_status glim__patches_background(const glim_patches *p, const float *pixels, glim_absent absent,
                                     const float black[3], float *out, glim_error *err);
/* The input of a document; false when memory is refused. */
bool glim__patches_describe(const glim_patches *p, glim_document *doc);

#endif
