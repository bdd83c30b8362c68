/* SPDX-License-Identifier: Apache-2.0 */
/* picture-testing.h: a tiny model of pictures with a picture, as the tests of explaining
   pictures share it. */
#ifndef GLIM_TESTS_PICTURE_TESTING_H
#define GLIM_TESTS_PICTURE_TESTING_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "file/image.h"
#include "predict/predictor.h"

#include <glim/glim.h>

#define IMAGES GLIM_TESTS "/golden/images/"
enum { SIDE = 37, PIXELS = SIDE * SIDE }; /* of efficientnet-lite */

struct seen {
    glim_context *ctx;
    glim_model *m;
    glim_image *image;
    glim_predictor *p;
};

/* The model alone. */
static inline void open_picture(struct seen *s, const char *model, int threads) {
    char path[256];
    glim_error err = {0};
    *s = (struct seen){0};
    snprintf(path, sizeof path, IMAGES "%s", model);
    if (glim_context_new(&s->ctx, &(glim_context_options){.threads = threads}, &err) ||
        glim_model_open(&s->m, s->ctx, path, &err))
        fail_msg("%s", err.message);
}

/* efficientnet-lite and a made-up picture of broad stripes with noise. */
static inline void open_seen(struct seen *s, int threads, const glim_image_options *o) {
    glim_error err = {0};
    static uint8_t rgb[60 * 50 * 3];
    glim_image raw = {NULL, 60, 50, rgb};
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(glim__rng_below(5, 1, i / 300, 200) + glim__rng_below(5, 2, i, 56));
    open_picture(s, "efficientnet-lite", threads);
    raw.ctx = s->ctx;
    if (glim_model_sees(s->m, &s->image, &raw, &err) ||
        glim_predictor_image(&s->p, s->m, s->image, o, &err))
        fail_msg("%s", err.message);
}

static inline void close_seen(struct seen *s) {
    glim_predictor_free(s->p);
    glim_image_free(s->image);
    glim_model_close(s->m);
    glim_context_free(s->ctx);
}

#endif
