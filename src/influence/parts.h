/* SPDX-License-Identifier: Apache-2.0 */
/* parts.h: the chosen weights of a model sorted into layers or modules by their names. */
#ifndef GLIM_INFLUENCE_PARTS_H
#define GLIM_INFLUENCE_PARTS_H

#include "base/arena.h"
#include "influence/gradients.h"

typedef struct glim_parts {
    size_t n;           /* 1 when they are not parted */
    const char **names; /* [n] "blocks.3", "mlp.W_in"; of one part NULL */
    size_t *of;         /* (weights) the part of each chosen weight */
} glim_parts;

/* by: "layer", "module"; NULL or "none": one part. What lies in the arena is made there. */
glim_status glim__parts_make(glim_parts *out, glim_arena *arena, const glim_gradients *g,
                             const char *by, glim_error *err);

#endif
