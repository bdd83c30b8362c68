/* SPDX-License-Identifier: Apache-2.0 */
/* steer.h: steering inside. */
#ifndef GLIM_STRUCTURE_STEER_H
#define GLIM_STRUCTURE_STEER_H

#include "model/model.h"

#include <glim/steer.h>

struct glim_steering {
    glim_context *ctx;
    const glim_model *m;
    size_t L, C;
    float *sum;     /* (L, C) */
    bool *some;     /* [L] whether anything is added */
    double *stream; /* [L] */
    char pattern[48];
    char warning[320]; /* "" = none */
};

/* The block of a site that steering writes to, "blocks.3.hook_resid_post" behind the model's
   prefix, or -1. */
int glim__steering_block(const glim_steering *s, const char *site);

#endif
