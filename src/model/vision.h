/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vision.h: models of pictures made of inverted residual blocks (MobileNet-V2, Sandler et
 * al. 2018; EfficientNet-Lite): a stem, blocks of expansion, depthwise convolution and
 * projection, a last 1x1 convolution, the mean over the map, a linear layer.
 *
 * A model is run as stages, a tape each: stage 0 is the stem, the last one everything
 * behind the blocks.
 */
#ifndef GLIM_MODEL_VISION_H
#define GLIM_MODEL_VISION_H

#include "model/model.h"

#include <glim/image.h>

enum { GLIM_VISION_SIDE = 2048, GLIM_VISION_SIZES = 24 };

typedef struct glim_vision_block {
    glim_conv expand, depthwise, project; /* expand.w NULL = none */
    bool residual;
} glim_vision_block;

/* How a picture becomes pixels: crop a centred square of `share` of the shorter side, if
   not 0; scale the shorter side to `shortest`, if not 0; cut or scale to the size of the
   input; pixel = (byte rescale - mean) / std. */
typedef struct glim_vision_eye {
    double share, rescale;
    int shortest;
    const float *mean, *std;
} glim_vision_eye;

typedef struct glim_vision {
    int height, width;
    glim_vision_eye eye;
    glim_conv stem, head;
    glim_vision_block *blocks; /* [hyper.L] */
    int widths[2];             /* channels behind the last block, behind the head */
} glim_vision;

/* Names of tensors; `blocks` is followed by the block's number less `shift`; block 0 has
   the prefix `first`. */
typedef struct glim_vision_names {
    const char *stem, *first, *blocks, *head, *classifier;
    const char *expand, *depthwise, *project;
    const char *weight, *norm; /* behind a convolution's name */
    int shift;
} glim_vision_names;

/* Reads sizes and tensors by the keys that glim__published_vision puts. */
glim_status glim__load_vision(glim_loader *l, const glim_vision_names *names, glim_error *err);

/* Rows of maps of every size for a number of images. */
typedef struct glim_vision_rows {
    glim_context *ctx;
    size_t images;
    int n;
    glim_rows at[GLIM_VISION_SIZES];
    glim_rows_part *parts; /* (sizes, images) */
} glim_vision_rows;

/* Errors: ENOMEM, EBUDGET. */
glim_status glim__vision_rows_init(glim_vision_rows *r, glim_context *ctx, size_t images,
                                   glim_error *err);
void glim__vision_rows_release(glim_vision_rows *r);
/* Rows of maps of that many pixels; NULL when there are too many sizes. */
const glim_rows *glim__vision_rows(glim_vision_rows *r, int64_t pixels);

static inline int glim__vision_stages(const glim_model *m) {
    return m->hyper.L + 2;
}
/* Pixels and channels of what a stage reads. */
void glim__vision_input(const glim_model *m, int stage, int *height, int *width, int *channels);
/* Numbers of the largest map of one picture. */
uint64_t glim__vision_largest(const glim_model *m);
/* Appends a stage to the tape, whose rows are those of its input; x as glim__vision_input
   says (images H W, C). Returns its last node. */
glim_node glim__vision_stage(glim_tape *t, const glim_model *m, glim_vision_rows *rows, int stage,
                             glim_node x);
/* Bytes that a rule needs to run a stage's largest convolution again. */
uint64_t glim__vision_rule_bytes(const glim_model *m, size_t images);
/* The site names of the model. */
glim_status glim__vision_sites(glim_model *m, glim_error *err);

#endif
