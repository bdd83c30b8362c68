/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a picture, what stands for an absent patch, and what a document says of both. A
   cut is a label for every pixel; squares are one like the others. */
#include "predict/patches.h"
#include "predict/superpixel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEGMENTS = 100 };

/* ---- cutting ---- */

static glim_status cut_squares(glim_patches *p, uint32_t *label, int side, glim_error *err) {
    if (side < 1 || side > p->width || side > p->height)
        return glim_fail(err, GLIM_EUSAGE, "a patch of %d pixels does not fit a picture of %d x %d",
                         side, p->width, p->height);
    p->side = side;
    size_t across = ((size_t)p->width + (size_t)side - 1) / (size_t)side;
    size_t down = ((size_t)p->height + (size_t)side - 1) / (size_t)side;
    for (size_t y = 0, i = 0; y < (size_t)p->height; y++)
        for (size_t x = 0; x < (size_t)p->width; x++)
            label[i++] = (uint32_t)(y / (size_t)side * across + x / (size_t)side);
    p->units.count = across * down;
    return GLIM_OK;
}

static glim_status cut(glim_patches *p, uint32_t *label, const glim_image_options *o, int otherwise,
                       glim_error *err) {
    const char *how = o->superpixels ? o->superpixels : "grid";
    double pixels = (double)p->width * p->height;
    glim_status status;
    p->superpixels = strcmp(how, "grid") != 0;
    p->how = !p->superpixels ? "grid" : !strcmp(how, "slic") ? "slic" : "quickshift";
    if (strcmp(how, p->how) != 0)
        return glim_fail(err, GLIM_EUSAGE, "'%.40s' is not one of grid, slic, quickshift", how);
    if (p->superpixels && o->patch)
        return glim_fail(err, GLIM_EUSAGE, "--patch is the side of squares; %s makes none", how);
    if (o->segments && strcmp(how, "slic") != 0)
        return glim_fail(err, GLIM_EUSAGE, "a number of segments is for slic%s",
                         p->superpixels ? "; quickshift finds its own" : " (squares: --patch)");
    if (o->segments < 0)
        return glim_fail(err, GLIM_EUSAGE, "%d segments are too few", o->segments);
    if (!p->superpixels)
        return cut_squares(p, label, o->patch ? o->patch : otherwise, err);
    status = !strcmp(how, "slic")
                 ? glim__superpixel_slic(label, &p->units.count, p->seen,
                                         o->segments ? o->segments : SEGMENTS, err)
                 : glim__superpixel_quickshift(label, &p->units.count, p->seen, err);
    if (!status)
        p->side = (int)fmax(1, round(sqrt(pixels / (double)p->units.count)));
    return status;
}

/* Pixels in the order of their units, and within one in that of the picture. */
static void sort_pixels(glim_patches *p, const uint32_t *label) {
    size_t n = (size_t)p->width * (size_t)p->height, at = 0;
    for (size_t i = 0; i < n; i++)
        p->units.at[label[i]].count++;
    for (size_t u = 0; u < p->units.count; u++) {
        p->units.at[u].first = at;
        p->units.at[u].turn = -1;
        at += p->units.at[u].count;
        p->units.at[u].count = 0;
    }
    for (size_t i = 0; i < n; i++) {
        glim_unit *unit = &p->units.at[label[i]];
        int *box = p->box[label[i]], x = (int)(i % (size_t)p->width),
            y = (int)(i / (size_t)p->width);
        if (!unit->count) { /* rows come from the top: y stays the least */
            box[0] = x;
            box[1] = y;
            box[2] = 1;
        }
        if (x < box[0]) {
            box[2] += box[0] - x;
            box[0] = x;
        }
        box[2] = x - box[0] + 1 > box[2] ? x - box[0] + 1 : box[2];
        box[3] = y - box[1] + 1;
        p->place[unit->first + unit->count++] = (uint32_t)i;
    }
}

glim_status glim__patches_cut(glim_patches *p, const glim_image *image, const glim_image_options *o,
                              int otherwise, glim_error *err) {
    glim_context *ctx = image->ctx;
    const char *slash = o->name ? strrchr(o->name, '/') : NULL;
    size_t n = (size_t)image->width * (size_t)image->height;
    *p = (glim_patches){.width = image->width, .height = image->height};
    p->units.ctx = ctx;
    glim_status status = glim__image_crop(&p->seen, image, 0, 0, image->width, image->height, err);
    uint32_t *label = status ? NULL : glim__calloc(ctx, n, sizeof *label);
    if (!status && !label)
        status = glim__oom(ctx, err, "the patches", n * sizeof *label);
    if (!status)
        status = cut(p, label, o, otherwise, err);
    if (!status) {
        p->place = glim__calloc(ctx, n, sizeof *p->place);
        p->box = glim__calloc(ctx, p->units.count, sizeof *p->box);
        p->units.at = glim__calloc(ctx, p->units.count, sizeof *p->units.at);
        p->name = glim__strdup(ctx, slash ? slash + 1 : o->name ? o->name : "picture");
        if (!p->place || !p->box || !p->units.at || !p->name)
            status = glim__oom(ctx, err, "the patches", n * sizeof *p->place);
    }
    if (!status)
        sort_pixels(p, label);
    glim__free(ctx, label);
    return status;
}

void glim__patches_release(glim_patches *p, glim_context *ctx) {
    glim_image_free(p->seen);
    glim__free(ctx, p->name);
    glim__free(ctx, p->units.at);
    glim__free(ctx, p->place);
    glim__free(ctx, p->box);
    *p = (glim_patches){0};
}

void glim__patches_paint(const glim_patches *p, const uint8_t *keep, size_t size, const void *from,
                         void *out) {
    for (size_t u = 0; u < p->units.count; u++) {
        size_t t = p->units.at[u].first, end = t + p->units.at[u].count, n;
        for (; t < end && !keep[u]; t += n) { /* pixels side by side go together */
            size_t at = p->place[t] * size;
            for (n = 1; t + n < end && p->place[t + n] == p->place[t] + n;)
                n++;
            memcpy((char *)out + at, (const char *)from + at, n * size);
        }
    }
}

/* ---- absence ---- */

static void mean_colour(const float *pixels, size_t n, float *out) {
    double sum[3] = {0};
    for (size_t i = 0; i < 3 * n; i++)
        sum[i % 3] += pixels[i];
    for (size_t i = 0; i < 3 * n; i++)
        out[i] = (float)(sum[i % 3] / (double)n);
}

/* Every unit has its own mean colour. */
static void own_colours(const glim_patches *p, const float *pixels, float *out) {
    for (size_t u = 0; u < p->units.count; u++) {
        const glim_unit *unit = &p->units.at[u];
        const uint32_t *place = p->place + unit->first;
        double sum[3] = {0};
        for (size_t t = 0; t < unit->count; t++)
            for (size_t c = 0; c < 3; c++)
                sum[c] += pixels[3 * (size_t)place[t] + c];
        for (size_t t = 0; t < unit->count; t++)
            for (size_t c = 0; c < 3; c++)
                out[3 * (size_t)place[t] + c] = (float)(sum[c] / (double)unit->count);
    }
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
                                     const float black[3], float *out, glim_error *err) {
    size_t n = (size_t)p->width * (size_t)p->height;
    switch (absent) {
    case GLIM_ABSENT_MASK:
    case GLIM_ABSENT_MEAN:
        mean_colour(pixels, n, out);
        return GLIM_OK;
    case GLIM_ABSENT_OWN:
        own_colours(p, pixels, out);
        return GLIM_OK;
    case GLIM_ABSENT_BLACK:
        for (size_t i = 0; i < 3 * n; i++)
            out[i] = black[i % 3];
        return GLIM_OK;
    case GLIM_ABSENT_ZERO:
        memset(out, 0, n * 3 * sizeof *out);
        return GLIM_OK;
    case GLIM_ABSENT_BLUR:
        return blur(p, pixels, out, err);
    default:
        return glim_fail(err, GLIM_EUSAGE,
                         "a patch of a picture cannot be taken out, only painted over (--absent "
                         "mean, own, zero, black or blur)");
    }
}

/* ---- the document ---- */

/* Which unit every pixel is of; squares are known by their boxes. */
static bool describe_labels(const glim_patches *p, glim_document *doc) {
    size_t n = (size_t)p->width * (size_t)p->height;
    uint32_t *label = glim_document_alloc(doc, n * sizeof *label);
    for (size_t u = 0; u < p->units.count && label; u++)
        for (size_t t = 0; t < p->units.at[u].count; t++)
            label[p->place[p->units.at[u].first + t]] = (uint32_t)u;
    doc->input.image.label = label;
    return label;
}

static bool describe_unit(const glim_patches *p, size_t u, glim_document *doc) {
    const glim_unit *unit = &p->units.at[u];
    const int *box = p->box[u];
    char name[48];
    int len = p->superpixels ? snprintf(name, sizeof name, "%zu at %d,%d", u, box[0] + box[2] / 2,
                                        box[1] + box[3] / 2)
                             : snprintf(name, sizeof name, "%d,%d", box[0], box[1]);
    doc->input.units[u] = (glim_document_unit){.text = glim_document_text(doc, name, (size_t)len),
                                               .text_len = (size_t)len,
                                               .first = unit->first,
                                               .count = unit->count,
                                               .turn = -1,
                                               .x = box[0],
                                               .y = box[1],
                                               .width = box[2],
                                               .height = box[3]};
    return doc->input.units[u].text;
}

bool glim__patches_describe(const glim_patches *p, glim_document *doc) {
    size_t n = p->units.count, bytes = (size_t)p->width * (size_t)p->height * 3;
    uint8_t *rgb = glim_document_alloc(doc, bytes);
    doc->input.text = "";
    doc->input.unit = p->superpixels ? "superpixel" : "patch";
    doc->input.units = glim_document_alloc(doc, n * sizeof *doc->input.units);
    doc->input.image.name = glim_document_text(doc, p->name, strlen(p->name));
    doc->input.image.width = p->width;
    doc->input.image.height = p->height;
    doc->input.image.rgb = rgb;
    if (!doc->input.units || !doc->input.image.name || !rgb)
        return false;
    memcpy(rgb, p->seen->rgb, bytes);
    for (size_t u = 0; u < n; u++)
        if (!describe_unit(p, u, doc))
            return false;
    doc->input.n_units = n;
    if (!p->superpixels)
        return true;
    return describe_labels(p, doc) &&
           glim_document_note(doc, "%zu superpixels by %s; numbers are those of the stored map", n,
                              p->how);
}
