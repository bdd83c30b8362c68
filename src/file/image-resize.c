/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bilinear resizing in two passes, rows first, as Pillow does it for bytes: weights of
 * a triangle as wide as the shrinking asks, in fixed point with 22 bits, every pass
 * rounded to bytes. Models were trained on pictures made so; a resize that only nearly
 * agrees moves logits.
 */
#include "file/image.h"

#include <math.h>
#include <string.h>

enum { BITS = 22 };

/* For each output position: its first input position, count and weights. */
struct weights {
    int *first, *count;
    int32_t *w; /* (n, most) */
    int most;
};

static double triangle(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static void fill_one(struct weights *s, int at, double scale, int in) {
    double width = scale < 1 ? 1 : scale, by = 1 / width, sum = 0;
    double centre = (at + 0.5) * scale;
    int from = (int)(centre - width + 0.5), to = (int)(centre + width + 0.5);
    int32_t *out = s->w + (size_t)at * (size_t)s->most;
    from = from < 0 ? 0 : from;
    to = to > in ? in : to;
    s->first[at] = from;
    s->count[at] = to - from;
    for (int x = 0; x < to - from; x++)
        sum += triangle((x + from - centre + 0.5) * by);
    for (int x = 0; x < to - from; x++) {
        double v = triangle((x + from - centre + 0.5) * by);
        v = sum != 0 ? v / sum : v;
        out[x] = (int32_t)(0.5 + v * (1 << BITS));
    }
}

static bool make_weights(struct weights *s, glim_context *ctx, int in, int out) {
    double scale = (double)in / out, width = scale < 1 ? 1 : scale;
    s->most = (int)ceil(width) * 2 + 1;
    s->first = glim__calloc(ctx, (size_t)out * 2, sizeof *s->first);
    s->w = glim__calloc(ctx, (size_t)out * (size_t)s->most, sizeof *s->w);
    if (!s->first || !s->w)
        return false;
    s->count = s->first + out;
    for (int i = 0; i < out; i++)
        fill_one(s, i, scale, in);
    return true;
}

static uint8_t clip(int32_t v) {
    v >>= BITS;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

/* out[i] along an axis: `step` bytes between neighbours, three channels. */
static void pass(const struct weights *s, uint8_t *out, size_t out_step, const uint8_t *in,
                 size_t in_step, int n) {
    for (int i = 0; i < n; i++) {
        const int32_t *w = s->w + (size_t)i * (size_t)s->most;
        int32_t sum[3] = {1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1)};
        const uint8_t *from = in + (size_t)s->first[i] * in_step;
        for (int x = 0; x < s->count[i]; x++, from += in_step)
            for (int c = 0; c < 3; c++)
                sum[c] += from[c] * w[x];
        for (int c = 0; c < 3; c++)
            out[(size_t)i * out_step + (size_t)c] = clip(sum[c]);
    }
}

static glim_status resize_axis(glim_image **out, const glim_image *in, int width, int height,
                               glim_error *err) {
    struct weights s = {0};
    bool across = width != in->width;
    size_t in_row = (size_t)in->width * 3, row = (size_t)width * 3;
    glim_status status = glim__image_new(out, in->ctx, width, height, "the picture", err);
    if (!status &&
        !make_weights(&s, in->ctx, across ? in->width : in->height, across ? width : height))
        status = glim__oom(in->ctx, err, "a picture's weights", 0);
    for (int y = 0; y < height && across && !status; y++)
        pass(&s, (*out)->rgb + (size_t)y * row, 3, in->rgb + (size_t)y * in_row, 3, width);
    for (int x = 0; x < width && !across && !status; x++)
        pass(&s, (*out)->rgb + (size_t)x * 3, row, in->rgb + (size_t)x * 3, in_row, height);
    glim__free(in->ctx, s.first);
    glim__free(in->ctx, s.w);
    if (status) {
        glim_image_free(*out);
        *out = NULL;
    }
    return status;
}

glim_status glim__image_resize(glim_image **out, const glim_image *in, int width, int height,
                               glim_error *err) {
    glim_image *wide = NULL;
    *out = NULL;
    if (width == in->width && height == in->height)
        return glim__image_crop(out, in, 0, 0, width, height, err);
    if (width == in->width)
        return resize_axis(out, in, width, height, err);
    glim_status status = resize_axis(&wide, in, width, in->height, err);
    if (!status && height != in->height) {
        status = resize_axis(out, wide, width, height, err);
        glim_image_free(wide);
    } else {
        *out = wide;
    }
    return status;
}
