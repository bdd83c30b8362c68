/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: decoders, resizing and PNG writing, for the floors above. */
#ifndef GLIM_FILE_IMAGE_H
#define GLIM_FILE_IMAGE_H

#include "base/buffer.h"

#include <glim/image.h>

enum { GLIM_IMAGE_SIDE = 16384, GLIM_IMAGE_PIXELS = 64 << 20, GLIM_IMAGE_FILE = 256 << 20 };

/* A picture whose bytes are undefined. Errors: ELIMIT, ENOMEM, EBUDGET. */
glim_status glim__image_new(glim_image **out, glim_context *ctx, int64_t width, int64_t height,
                            const char *name, glim_error *err);
glim_status glim__png_decode(glim_image **out, glim_context *ctx, const uint8_t *data, size_t n,
                             const char *name, glim_error *err);
glim_status glim__jpeg_decode(glim_image **out, glim_context *ctx, const uint8_t *data, size_t n,
                              const char *name, glim_error *err);

/* Appends the picture as a PNG file. Errors: ENOMEM, EBUDGET. */
glim_status glim__png_write(glim_buffer *out, glim_context *ctx, const glim_image *image,
                            glim_error *err);

/* The part (left, top, width, height) of a picture. */
glim_status glim__image_crop(glim_image **out, const glim_image *in, int left, int top, int width,
                             int height, glim_error *err);
/* Bilinear, smoothed when it shrinks: bit for bit what Pillow's resize gives. */
glim_status glim__image_resize(glim_image **out, const glim_image *in, int width, int height,
                               glim_error *err);

#endif
