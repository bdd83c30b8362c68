/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directions.h: directions in a model's inner values, from probes or elsewhere: for each site
 * weights W (O, C) and bias b (O) of the values h as the site has them, not standardised, so
 * that z = W h + b. One output: what z measures grows along W (of two classes the log odds of
 * the second); more: one for each class.
 *
 * The file is safetensors: "SITE.weight" F32 (O, C) and "SITE.bias" F32 (O) for each site, and
 * in __metadata__ "format": "glim.directions/1", "classes": a JSON list (not of numbers),
 * "model_digest", "architecture", "pool" ("last", "mean", "first"; of words "word-last", ...),
 * "target": what was predicted.
 */
#ifndef GLIM_DIRECTIONS_H
#define GLIM_DIRECTIONS_H

#include <glim/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glim_direction {
    const char *site; /* "blocks.3.hook_resid_post" */
    size_t outputs, width;
    const float *weights; /* (outputs, width) */
    const float *bias;    /* (outputs) */
} glim_direction;

typedef struct glim_directions {
    glim_context *ctx;
    void *owner; /* of all that it points to; NULL: somebody else's */
    const glim_direction *at;
    size_t n;
    const char *const *classes; /* [n_classes]; none of numbers */
    size_t n_classes;
    const char *model_digest, *architecture, *pool, *target; /* or NULL */
} glim_directions;

/* Errors: EIO, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_directions_save(const glim_directions *d, const char *path,
                                          glim_error *err);
/* Errors: EIO, EFORMAT (naming the tensor that is wrong), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_directions_load(glim_directions **out, glim_context *ctx,
                                          const char *path, glim_error *err);
GLIM_API void glim_directions_free(glim_directions *d); /* of those that were loaded */
/* By its site, or NULL. */
GLIM_API const glim_direction *glim_directions_find(const glim_directions *d, const char *site);

#ifdef __cplusplus
}
#endif
#endif
