/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steer.h: steering, directions that are added to the residual stream behind blocks at every
 * position (activation addition: Turner et al. 2023, arXiv:2308.10248; representation
 * engineering: Zou et al. 2023, arXiv:2310.01405).
 *
 * Two kinds of file hold them. Control vectors of llama.cpp are GGUF files of the architecture
 * "controlvector": "direction.N", F32 (C), is added to what block N puts out, blocks counted
 * from 0 as in the names of sites; block 0 has none there. Files of directions.h have "SITE.weight"
 * for the sites "blocks.N.hook_resid_post".
 */
#ifndef GLIM_STEER_H
#define GLIM_STEER_H

#include <glim/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glim_steering glim_steering;

/* Nothing is added yet. The model must outlive it. Errors: EUSAGE (a model of pictures), ENOMEM,
   EBUDGET. */
GLIM_API glim_status glim_steering_new(glim_steering **out, const glim_model *model,
                                       glim_error *err);
GLIM_API void glim_steering_free(glim_steering *s);

/* Adds strength * d (width) behind block `layer` to what is added there; strength 0: nothing.
   Errors: EUSAGE (no such block, another width), ENUMERIC. */
GLIM_API glim_status glim_steering_add(glim_steering *s, int layer, const float *d, size_t width,
                                       double strength, glim_error *err);

typedef struct glim_steering_file {
    const char *path;
    const char *class_name; /* of directions with one for each class; else NULL */
    double strength;
    int first, last; /* blocks, of those that the file has; last < 0: all from first on */
} glim_steering_file;

/* The same of a file's directions, as they are: neither kind is brought to length one. Errors:
   EIO, EFORMAT, EUSAGE (another width, blocks that the model or the file does not have), ENOMEM,
   EBUDGET. */
GLIM_API glim_status glim_steering_load(glim_steering *s, const glim_steering_file *file,
                                        glim_error *err);
/* Why a file that was loaded may be meant for another model, or NULL. */
GLIM_API const char *glim_steering_warning(const glim_steering *s);

/* Texts, and words around each of them (or NULL). */
typedef struct glim_steering_texts {
    const char *const *positive, *const *negative;
    size_t n_positive, n_negative;
    const glim_prompt *prompt;
    bool principal; /* else the difference of means */
} glim_steering_texts;

/* Adds, behind every block, a direction of the residual stream at the last token: the mean of the
   positive texts minus that of the negative ones; or the first principal component of the
   differences of pairs, text i of either list, of length 1, turned so that positive texts lie
   further along it on average. Components are of the differences as they are and of their
   opposites, so their own mean counts (as in llama.cpp's cvector-generator). Errors: EUSAGE (no
   texts, no decoder, lists of other lengths), ELIMIT (a text beyond the context), ENUMERIC (no
   difference), ENOMEM, EBUDGET, ECANCELLED. */
GLIM_API glim_status glim_steering_learn(glim_steering *s, const glim_steering_texts *texts,
                                         glim_error *err);

/* What is added behind a block. */
typedef struct glim_steering_layer {
    const float *vector; /* (C), NULL = nothing */
    double length;       /* of it */
    double stream;       /* mean length of the residual stream there at the last tokens of the
                            texts that it was learnt of, else NaN */
} glim_steering_layer;

GLIM_API glim_steering_layer glim_steering_at(const glim_steering *s, int layer);

/* As a hook for a batch, for glim_sampling or for a method's observation. False: nothing is
   added, and no hook is needed. It writes the same when a block is computed again. */
GLIM_API bool glim_steering_hook(const glim_steering *s, glim_hook *out);

/* A copy of the model that shares its weights and whose blocks add it, for everything that takes a
   model. Documents about it say `told`. The model must outlive it, the steering need not; closed
   by glim_model_close. Errors: ENOMEM, EBUDGET. */
GLIM_API glim_status glim_steering_model(glim_model **out, const glim_steering *s, const char *told,
                                         glim_error *err);

/* Under a name that ends in .gguf a control vector, which leaves block 0 out; else a file of
   directions.h. Errors: EUSAGE (nothing to save), EIO, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_steering_save(const glim_steering *s, const char *path, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
