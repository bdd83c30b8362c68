/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h: pictures, models that classify them, and sessions that run such models.
 *
 * A model of pictures is a glim_model whose task is GLIM_TASK_IMAGE. It has no
 * tokenizer; what takes text or tokens refuses it with EUSAGE. Pixels are rows of
 * (H, W, 3) float32, red first, scaled as the model's own configuration says.
 */
#ifndef GLIM_IMAGE_H
#define GLIM_IMAGE_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of red, green and blue, row after row. */
typedef struct glim_image {
    glim_context *ctx;
    int width, height;
    uint8_t *rgb; /* (height, width, 3) */
} glim_image;

/* Reads a PNG or JPEG file. Colour profiles, gamma, transparency and the orientation of
   EXIF are ignored. Errors: EIO, EFORMAT (damaged, cut short), EUNSUPPORTED (another
   format), ELIMIT (a side above 16384 or more than 64 million pixels), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_image_read(glim_image **out, glim_context *ctx, const char *path,
                                     glim_error *err);
/* The same from memory; `name` is for messages. */
GLIM_API glim_status glim_image_decode(glim_image **out, glim_context *ctx, const void *data,
                                       size_t n, const char *name, glim_error *err);
GLIM_API void glim_image_free(glim_image *image);

/* What the model sees of a picture: cropped and resized as its configuration says.
   Errors: EUSAGE (no model of pictures), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_model_sees(const glim_model *model, glim_image **out,
                                     const glim_image *image, glim_error *err);
/* The pixels (H, W, 3) of what glim_model_sees gave. */
GLIM_API void glim_model_pixels(const glim_model *model, const glim_image *seen, float *out);

/* ---- sessions ---- */

typedef struct glim_image_session glim_image_session;

typedef struct glim_image_batch {
    const float *pixels; /* (count, H, W, 3) */
    size_t count;
    const glim_hook *hooks; /* sites of maps are (H, W, C); needed until the last backward */
    size_t n_hooks;
    const glim_rules *rules; /* of the walk back; NULL = the gradient */
    bool keep;               /* for glim_image_session_backward */
} glim_image_batch;

/* Errors: EUSAGE (no model of pictures), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_image_session_new(glim_image_session **out, const glim_model *model,
                                            glim_error *err);
GLIM_API void glim_image_session_free(glim_image_session *s);
/* Bits of an image depend on neither the others nor threads. Errors: EUSAGE, ENOMEM,
   EBUDGET, ECANCELLED, ENUMERIC, or what a hook returned. */
GLIM_API glim_status glim_image_session_forward(glim_image_session *s,
                                                const glim_image_batch *batch, glim_error *err);
/* Logits (outputs) of an image of the last forward. */
GLIM_API const float *glim_image_session_logits(const glim_image_session *s, size_t image);
/* The gradient of the sum of seeds (count, outputs) times logits with respect to the pixels,
   (count, H, W, 3), overwritten. Needs keep; may be called again. */
GLIM_API glim_status glim_image_session_backward(glim_image_session *s, const float *seeds,
                                                 float *d_pixels, glim_error *err);
/* Bytes that a forward (keep: and backward) of that many images needs. */
GLIM_API uint64_t glim_image_session_plan(const glim_model *model, size_t images, bool keep);

/* ---- explaining ---- */

typedef struct glim_image_options {
    const char *target;      /* a class by name or number; NULL = the most likely */
    const char *against;     /* another, or NULL */
    const char *output;      /* "logit", "logprob", "prob"; NULL as for texts */
    int patch;               /* side of the squares that are scored, pixels; 0 = 16 */
    const char *superpixels; /* "slic" or "quickshift": cut along edges; "grid" or NULL: squares */
    int segments;            /* about how many superpixels slic makes; 0 = 100 */
    const char *name;        /* of the picture, for documents; or NULL */
} glim_image_options;

/* A picture as the model sees it (glim_model_sees), which is copied. Errors: EUSAGE (no such
   class, a cut that cannot be made), and those of a forward pass. */
GLIM_API glim_status glim_predictor_image(glim_predictor **out, const glim_model *model,
                                          const glim_image *seen, const glim_image_options *options,
                                          glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
