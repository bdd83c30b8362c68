/* SPDX-License-Identifier: Apache-2.0 */
/*
 * superpixel.h: a picture cut along its own edges. Every function fills label (H W) with
 * numbers 0 .. *n - 1 in the order in which they are met, row after row; the same
 * picture has the same labels always. Errors: ENOMEM, EBUDGET, ECANCELLED.
 */
#ifndef GLIM_PREDICT_SUPERPIXEL_H
#define GLIM_PREDICT_SUPERPIXEL_H

#include "file/image.h"

/* About `segments` connected parts of like colour and size (superpixel-slic.c). */
glim_status glim__superpixel_slic(uint32_t *label, size_t *n, const glim_image *image, int segments,
                                  glim_error *err);
/* As many parts as the picture has hills of like pixels (superpixel-quickshift.c). */
glim_status glim__superpixel_quickshift(uint32_t *label, size_t *n, const glim_image *image,
                                        glim_error *err);

/* lab (H W, 3) = CIELAB (D65, 2 degrees) of the picture times `factor`; with `stretch` the
   bytes are stretched first, so that the darkest is 0 and the brightest 1. */
void glim__superpixel_lab(float *lab, const glim_image *image, bool stretch, double factor);
/* Numbers labels anew in the order in which they are met; map has room for `most` old
   ones. Returns how many there are. */
size_t glim__superpixel_number(uint32_t *label, size_t pixels, uint32_t *map, size_t most);

#endif
