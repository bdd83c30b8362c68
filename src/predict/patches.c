/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a picture, what stands for an absent patch, and what a document says of both. */
#include "predict/patches.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void glim__patch_box(const glim_patches *p, size_t u, int box[4]) {
    int row = (int)u / p->columns, column = (int)u % p->columns;
    box[0] = column * p->side;
    box[1] = row * p->side;
    box[2] = p->width - box[0] < p->side ? p->width - box[0] : p->side;
    box[3] = p->height - box[1] < p->side ? p->height - box[1] : p->side;
}

glim_status glim__patches_cut(glim_patches *p, const glim_image *image, const char *name, int side,
                              int otherwise, glim_error *err) {
    glim_context *ctx = image->ctx;
    const char *slash = name ? strrchr(name, '/') : NULL;
    *p = (glim_patches){
        .width = image->width, .height = image->height, .side = side ? side : otherwise};
    p->units.ctx = ctx;
    if (p->side < 1 || p->side > p->width || p->side > p->height)
        return glim_fail(err, GLIM_EUSAGE, "a patch of %d pixels does not fit a picture of %d x %d",
                         p->side, p->width, p->height);
    p->columns = (p->width + p->side - 1) / p->side;
    size_t n = (size_t)p->columns * (size_t)((p->height + p->side - 1) / p->side), at = 0;
    p->units.at = glim__calloc(ctx, n, sizeof *p->units.at);
    p->name = glim__strdup(ctx, slash ? slash + 1 : name ? name : "picture");
    if (!p->units.at || !p->name)
        return glim__oom(ctx, err, "the patches", n * sizeof *p->units.at);
    p->units.count = n;
    for (size_t u = 0; u < n; u++) {
        int box[4];
        glim__patch_box(p, u, box);
        p->units.at[u] =
            (glim_unit){.first = at, .count = (size_t)box[2] * (size_t)box[3], .turn = -1};
        at += p->units.at[u].count;
    }
    return glim__image_crop(&p->seen, image, 0, 0, p->width, p->height, err);
}

void glim__patches_release(glim_patches *p, glim_context *ctx) {
    glim_image_free(p->seen);
    glim__free(ctx, p->name);
    glim__free(ctx, p->units.at);
    *p = (glim_patches){0};
}

/* ---- absence ---- */

static void mean_colour(const float *pixels, size_t n, float *out) {
    double sum[3] = {0};
    for (size_t i = 0; i < 3 * n; i++)
        sum[i % 3] += pixels[i];
    for (size_t i = 0; i < 3 * n; i++)
        out[i] = (float)(sum[i % 3] / (double)n);
}

/* One pass of a Gaussian along `n` pixels that lie `step` apart. */
static void blur_line(float *out, const float *in, int n, size_t step, double sigma) {
    int reach = (int)(3 * sigma) + 1;
    for (int i = 0; i < n; i++) {
        double sum[3] = {0}, weights = 0;
        int from = i - reach > 0 ? i - reach : 0, to = i + reach < n - 1 ? i + reach : n - 1;
        for (int k = from; k <= to; k++) {
            double w = exp(-0.5 * (k - i) * (k - i) / (sigma * sigma));
            weights += w;
            for (size_t c = 0; c < 3; c++)
                sum[c] += w * in[(size_t)k * step + c];
        }
        for (size_t c = 0; c < 3; c++)
            out[(size_t)i * step + c] = (float)(sum[c] / weights);
    }
}

/* As wide as a patch: what is smaller than one is gone. */
static glim_status blur(const glim_patches *p, const float *pixels, float *out, glim_error *err) {
    size_t W = (size_t)p->width, H = (size_t)p->height, bytes = W * H * 3 * sizeof(float);
    glim_context *ctx = p->seen->ctx;
    float *half = glim__alloc(ctx, bytes);
    if (!half)
        return glim__oom(ctx, err, "a blurred picture", bytes);
    for (size_t y = 0; y < H; y++)
        blur_line(half + y * W * 3, pixels + y * W * 3, p->width, 3, p->side);
    for (size_t x = 0; x < W; x++)
        blur_line(out + x * 3, half + x * 3, p->height, W * 3, p->side);
    glim__free(ctx, half);
    return GLIM_OK;
}

glim_status glim__patches_background(const glim_patches *p, const float *pixels, glim_absent absent,
                                     float *out, glim_error *err) {
    size_t n = (size_t)p->width * (size_t)p->height;
    switch (absent) {
    case GLIM_ABSENT_MASK:
    case GLIM_ABSENT_MEAN:
        mean_colour(pixels, n, out);
        return GLIM_OK;
    case GLIM_ABSENT_ZERO:
        memset(out, 0, n * 3 * sizeof *out);
        return GLIM_OK;
    case GLIM_ABSENT_BLUR:
        return blur(p, pixels, out, err);
    default:
        return glim_fail(err, GLIM_EUSAGE,
                         "a patch of a picture cannot be taken out, only painted over (--absent "
                         "mean, zero or blur)");
    }
}

/* ---- the document ---- */

bool glim__patches_describe(const glim_patches *p, glim_document *doc) {
    size_t n = p->units.count, bytes = (size_t)p->width * (size_t)p->height * 3;
    uint8_t *rgb = glim_document_alloc(doc, bytes);
    doc->input.text = "";
    doc->input.unit = "patch";
    doc->input.units = glim_document_alloc(doc, n * sizeof *doc->input.units);
    doc->input.image.name = glim_document_text(doc, p->name, strlen(p->name));
    doc->input.image.width = p->width;
    doc->input.image.height = p->height;
    doc->input.image.rgb = rgb;
    if (!doc->input.units || !doc->input.image.name || !rgb)
        return false;
    memcpy(rgb, p->seen->rgb, bytes);
    for (size_t u = 0; u < n; u++) {
        char name[32];
        int box[4];
        glim__patch_box(p, u, box);
        int len = snprintf(name, sizeof name, "%d,%d", box[0], box[1]);
        doc->input.units[u] =
            (glim_document_unit){.text = glim_document_text(doc, name, (size_t)len),
                                 .text_len = (size_t)len,
                                 .first = p->units.at[u].first,
                                 .count = p->units.at[u].count,
                                 .turn = -1,
                                 .x = box[0],
                                 .y = box[1],
                                 .width = box[2],
                                 .height = box[3]};
        if (!doc->input.units[u].text)
            return false;
    }
    doc->input.n_units = n;
    return true;
}
