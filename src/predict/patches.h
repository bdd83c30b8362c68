/* SPDX-License-Identifier: Apache-2.0 */
/* patches.h: a picture cut into squares, for predictors whose input is one. */
#ifndef GLIM_PREDICT_PATCHES_H
#define GLIM_PREDICT_PATCHES_H

#include "file/image.h"
#include "predict/predictor.h"

typedef struct glim_patches {
    int width, height, side, columns;
    char *name;       /* of the picture, without its folders */
    glim_image *seen; /* a copy */
    glim_units units; /* `first` and `count` are pixels, patch after patch */
} glim_patches;

/* Cuts a copy of the picture; side 0 takes `otherwise`. Errors: EUSAGE (a patch that does not
   fit), ENOMEM, EBUDGET. */
glim_status glim__patches_cut(glim_patches *p, const glim_image *image, const char *name, int side,
                              int otherwise, glim_error *err);
void glim__patches_release(glim_patches *p, glim_context *ctx);
/* Patch u: x, y, width, height. */
void glim__patch_box(const glim_patches *p, size_t u, int box[4]);
/* The picture (H W, 3) that absent patches are taken from; pixels likewise. Errors: EUSAGE
   (patches cannot be taken out), ENOMEM, EBUDGET. */
glim_status glim__patches_background(const glim_patches *p, const float *pixels, glim_absent absent,
                                     float *out, glim_error *err);
/* The input of a document; false when memory is refused. */
bool glim__patches_describe(const glim_patches *p, glim_document *doc);

#endif
