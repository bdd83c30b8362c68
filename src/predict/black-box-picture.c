/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A black box with one picture as a predictor. The box gets whole pictures of the size that
 * the user gave, each a PNG file in base64; absent patches are painted over in
 * bytes. Pictures weigh much more than texts, so only some are made at a time.
 */
#include "predict/black-box.h"
#include "predict/patches.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

enum { AT_ONCE = 16, ACROSS = 14 };

struct picture_box {
    glim_predictor base;
    glim_black_box *box;
    glim_patches patches;
    glim_box_target target;
    size_t row_end;
};

/* ---- pictures as inputs ---- */

/* Appends the picture in base64 without an end. */
static glim_status append(glim_buffer *out, const glim_image *image, glim_error *err) {
    glim_buffer png;
    glim__buffer_init(&png, out->ctx);
    glim_status status = glim__png_write(&png, out->ctx, image, err);
    size_t room = sodium_base64_encoded_len(png.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = status ? NULL : glim__alloc(out->ctx, room);
    if (text) {
        sodium_bin2base64(text, room, (const unsigned char *)png.data, png.len,
                          sodium_base64_VARIANT_ORIGINAL);
        glim__buffer_append(out, text, room - 1);
    }
    if (!status && (!text || out->failed))
        status = glim__oom(out->ctx, err, "a picture", room);
    glim__free(out->ctx, text);
    glim__buffer_release(&png);
    return status;
}

static glim_status ask(glim_black_box *box, const glim_input *inputs, size_t n, double **values,
                       glim_error *err) {
    if (!strcmp(box->info.kind, "openai"))
        return glim__box_fail(box, err, GLIM_EUSAGE, NULL, 0,
                              "it is asked in words; pictures go to process:, http: and plugin:");
    box->kind = GLIM_INPUT_IMAGE;
    glim_status status = glim_black_box_ask(box, inputs, n, values, err);
    box->kind = GLIM_INPUT_TEXT;
    return status;
}

glim_status glim_black_box_ask_image(glim_black_box *box, const glim_image *image, double **values,
                                     glim_error *err) {
    glim_buffer text;
    *values = NULL;
    glim__buffer_init(&text, box->ctx);
    glim_status status = append(&text, image, err);
    if (!status)
        status = ask(box, &(glim_input){text.data, text.len}, 1, values, err);
    glim__buffer_release(&text);
    return status;
}

/* ---- masks ---- */

/* What a painted patch has, in bytes. */
static glim_status background(const struct picture_box *s, glim_absent absent, uint8_t *out,
                              glim_error *err) {
    size_t n = (size_t)s->patches.width * (size_t)s->patches.height * 3;
    float *room = glim__calloc(s->base.ctx, 2 * n, sizeof *room);
    if (!room)
        return glim__oom(s->base.ctx, err, "a background", 2 * n * sizeof *room);
    for (size_t i = 0; i < n; i++)
        room[i] = s->patches.seen->rgb[i];
    glim_status status =
        glim__patches_background(&s->patches, room, absent, (float[3]){0}, room + n, err);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(room[n + i] + 0.5f);
    glim__free(s->base.ctx, room);
    return status;
}

static void paint(const struct picture_box *s, const uint8_t *keep, const uint8_t *from,
                  uint8_t *out) {
    memcpy(out, s->patches.seen->rgb, (size_t)s->patches.width * (size_t)s->patches.height * 3);
    glim__patches_paint(&s->patches, keep, 3, from, out);
}

/* The targets of m masked pictures, m <= AT_ONCE. */
static glim_status ask_some(struct picture_box *s, const uint8_t *keep, size_t m,
                            const uint8_t *from, glim_image *room, double *out, glim_error *err) {
    glim_input inputs[AT_ONCE] = {{0}};
    size_t starts[AT_ONCE + 1] = {0}, K;
    double *rows = NULL;
    glim_buffer texts;
    glim_status status = GLIM_OK;
    glim__buffer_init(&texts, s->base.ctx);
    for (size_t i = 0; i < m && !status; i++) {
        paint(s, keep + i * s->patches.units.count, from, room->rgb);
        status = append(&texts, room, err);
        starts[i + 1] = texts.len;
    }
    for (size_t i = 0; i < m && !status; i++)
        inputs[i] = (glim_input){texts.data + starts[i], starts[i + 1] - starts[i]};
    if (!status)
        status = ask(s->box, inputs, m, &rows, err);
    K = s->box->info.n_classes;
    for (size_t i = 0; rows && i < m; i++)
        out[i] = glim__box_target(s->box, &s->target, rows + i * K);
    glim_black_box_values_free(s->box, rows);
    glim__buffer_release(&texts);
    return status;
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct picture_box *s = (struct picture_box *)p;
    size_t bytes = (size_t)s->patches.width * (size_t)s->patches.height * 3;
    uint8_t *two = glim__alloc(p->ctx, 2 * bytes);
    glim_image room = {p->ctx, s->patches.width, s->patches.height, two};
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    if (!two)
        return glim__oom(p->ctx, err, "a picture", 2 * bytes);
    glim_status status = background(s, absent, two + bytes, err);
    for (size_t i = 0; i < n && !status; i += AT_ONCE)
        status = ask_some(s, keep + i * s->patches.units.count, n - i < AT_ONCE ? n - i : AT_ONCE,
                          two + bytes, &room, out + i, err);
    glim__free(p->ctx, two);
    return status;
}

/* ---- the rest ---- */

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct picture_box *s = (const struct picture_box *)p;
    return glim__patches_describe(&s->patches, doc) && glim__box_describe(s->box, &s->target, doc)
               ? GLIM_OK
               : glim__oom(p->ctx, err, "the document", 0);
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = ((const struct picture_box *)p)->box->info.asked;
    *backward = 0;
}

static void free_picture(glim_predictor *p) {
    struct picture_box *s = (struct picture_box *)p;
    glim__patches_release(&s->patches, p->ctx);
    glim__free(p->ctx, s);
}

glim_status glim_predictor_black_box_image(glim_predictor **out, glim_black_box *box,
                                           const glim_image *image, const glim_image_options *cut,
                                           const glim_class_options *o, glim_error *err) {
    glim_context *ctx = box->ctx;
    double *row = NULL;
    int longer = image->width > image->height ? image->width : image->height;
    int shorter = image->width + image->height - longer, side = (longer + ACROSS - 1) / ACROSS;
    *out = NULL;
    struct picture_box *s = glim__calloc(ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(ctx, err, "the predictor", sizeof *s);
    s->box = box;
    s->base = (glim_predictor){.ctx = ctx,
                               .name = "black box",
                               .can = GLIM_CAN_PREDICT,
                               .image = true,
                               .chunk = AT_ONCE,
                               .n_rows = 1,
                               .units = &s->patches.units,
                               .row_end = &s->row_end,
                               .value = &s->target.value,
                               .values = values,
                               .plan_values = glim__box_plan_values,
                               .describe = describe,
                               .cost = cost,
                               .free = free_picture};
    glim_status status =
        glim__patches_cut(&s->patches, image, cut, side < shorter ? side : shorter, err);
    s->base.superpixels = s->patches.superpixels;
    s->row_end = s->patches.units.count;
    if (!status)
        status = glim_black_box_ask_image(box, image, &row, err);
    if (!status)
        status = glim__box_choose(box, &s->target, row, o, err);
    glim_black_box_values_free(box, row);
    if (status) {
        free_picture(&s->base);
        return status;
    }
    *out = &s->base;
    return GLIM_OK;
}
