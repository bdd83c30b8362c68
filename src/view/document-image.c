/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of a document: a PNG file in base64, so that a saved document can be drawn
 * wherever it goes. One that is read back is anybody's: it must be of the size that
 * the document says, and patches must lie in it.
 */
#include "base/json.h"
#include "file/image.h"
#include "view/views.h"

#include <sodium.h>
#include <string.h>

static char *png_text(const glim_image *image, size_t *n) {
    glim_buffer png;
    glim__buffer_init(&png, image->ctx);
    char *text = NULL;
    if (!glim__png_write(&png, image->ctx, image, NULL)) {
        size_t room = sodium_base64_encoded_len(png.len, sodium_base64_VARIANT_ORIGINAL);
        text = glim__alloc(image->ctx, room);
        if (text)
            sodium_bin2base64(text, room, (const unsigned char *)png.data, png.len,
                              sodium_base64_VARIANT_ORIGINAL);
        *n = room - 1;
    }
    glim__buffer_release(&png);
    return text;
}

char *glim__document_png(const glim_document *d, size_t *n) {
    const glim_image image = {d->ctx, d->input.image.width, d->input.image.height,
                              (uint8_t *)d->input.image.rgb};
    return png_text(&image, n);
}

/* The map of units as a picture: number = red + 256 green + 65536 blue. */
static char *map_text(const glim_document *d, size_t *n) {
    size_t pixels = (size_t)d->input.image.width * (size_t)d->input.image.height;
    uint8_t *rgb = glim__alloc(d->ctx, pixels * 3);
    const glim_image image = {d->ctx, d->input.image.width, d->input.image.height, rgb};
    for (size_t i = 0; i < pixels && rgb; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)(d->input.image.label[i] >> 8 * c);
    char *text = rgb ? png_text(&image, n) : NULL;
    glim__free(d->ctx, rgb);
    return text;
}

static void set_png(bool *ok, json_t *o, const char *key, const glim_document *d,
                    char *made(const glim_document *, size_t *)) {
    size_t n = 0;
    char *png = made(d, &n);
    *ok = *ok && png;
    glim__json_set(ok, o, key, png ? json_stringn(png, n) : json_null());
    glim__free(d->ctx, png);
}

json_t *glim__document_image_json(bool *ok, const glim_document *d) {
    json_t *o = json_object();
    const char *name = d->input.image.name;
    glim__json_set(ok, o, "name", name ? glim__json_text(name, strlen(name)) : json_null());
    glim__json_set(ok, o, "width", json_integer(d->input.image.width));
    glim__json_set(ok, o, "height", json_integer(d->input.image.height));
    if (d->input.image.rgb)
        set_png(ok, o, "png", d, glim__document_png);
    else
        glim__json_set(ok, o, "png", json_null());
    if (d->input.image.label)
        set_png(ok, o, "labels", d, map_text);
    return o;
}

/* The bytes of a PNG file in base64, of the size that the document says; *rgb is the
   document's. */
static glim_status decode(glim_document *d, const json_t *png, const char *name,
                          const uint8_t **out, glim_error *err) {
    glim_image *image = NULL;
    size_t n = json_string_length(png), len = 0;
    unsigned char *bytes = glim__alloc(d->ctx, n + 1);
    glim_status status = GLIM_OK;
    if (!bytes)
        return glim__oom(d->ctx, err, "the picture", n);
    if (sodium_base642bin(bytes, n + 1, json_string_value(png), n, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL))
        status = glim_fail(err, GLIM_EFORMAT, "'%s': the picture is not in base64", name);
    if (!status)
        status = glim_image_decode(&image, d->ctx, bytes, len, "the picture", err);
    if (!status && (image->width != d->input.image.width || image->height != d->input.image.height))
        status =
            glim_fail(err, GLIM_EFORMAT, "'%s': the picture has %d x %d pixels, not %d x %d", name,
                      image->width, image->height, d->input.image.width, d->input.image.height);
    size_t size = status ? 0 : (size_t)image->width * (size_t)image->height * 3;
    uint8_t *rgb = status ? NULL : glim_document_alloc(d, size);
    if (rgb)
        memcpy(rgb, image->rgb, size);
    else if (!status)
        status = glim__oom(d->ctx, err, "the picture", size);
    *out = rgb;
    glim_image_free(image);
    glim__free(d->ctx, bytes);
    return status;
}

static bool within(const json_t *o, const char *key, int least, int most, int *out) {
    const json_t *v = json_object_get(o, key);
    *out = json_is_integer(v) && json_integer_value(v) >= least && json_integer_value(v) <= most
               ? (int)json_integer_value(v)
               : -1;
    return *out >= least;
}

/* Patches inside the picture. */
static glim_status read_patches(glim_document *d, const json_t *units, const char *name,
                                glim_error *err) {
    int w = d->input.image.width, h = d->input.image.height;
    for (size_t i = 0; i < d->input.n_units; i++) {
        const json_t *o = json_array_get(units, i);
        glim_document_unit *u = &d->input.units[i];
        if (!within(o, "x", 0, w - 1, &u->x) || !within(o, "y", 0, h - 1, &u->y) ||
            !within(o, "width", 1, w - u->x, &u->width) ||
            !within(o, "height", 1, h - u->y, &u->height))
            return glim_fail(err, GLIM_EFORMAT, "'%s': unit %zu is no patch of the picture", name,
                             i);
    }
    return GLIM_OK;
}

/* Every pixel's unit is one of the document's, inside its box. */
static glim_status read_labels(glim_document *d, const json_t *png, const char *name,
                               glim_error *err) {
    const uint8_t *rgb = NULL;
    size_t w = (size_t)d->input.image.width, pixels = w * (size_t)d->input.image.height;
    glim_status status = decode(d, png, name, &rgb, err);
    uint32_t *label = status ? NULL : glim_document_alloc(d, pixels * sizeof *label);
    if (!status && !label)
        return glim__oom(d->ctx, err, "the map of units", pixels * sizeof *label);
    for (size_t i = 0; i < pixels && !status; i++) {
        label[i] = rgb[3 * i] | (uint32_t)rgb[3 * i + 1] << 8 | (uint32_t)rgb[3 * i + 2] << 16;
        const glim_document_unit *u =
            label[i] < d->input.n_units ? &d->input.units[label[i]] : NULL;
        int x = (int)(i % w), y = (int)(i / w);
        if (!u || x < u->x || x >= u->x + u->width || y < u->y || y >= u->y + u->height)
            status = glim_fail(err, GLIM_EFORMAT, "'%s': pixel %d,%d is in no unit", name, x, y);
    }
    d->input.image.label = label;
    return status;
}

glim_status glim__document_image_parse(glim_document *d, const json_t *input, const char *name,
                                       glim_error *err) {
    const json_t *o = json_object_get(input, "image"), *said = json_object_get(o, "name");
    const json_t *png = json_object_get(o, "png");
    if (!o)
        return GLIM_OK;
    if (!within(o, "width", 1, GLIM_IMAGE_SIDE, &d->input.image.width) ||
        !within(o, "height", 1, GLIM_IMAGE_SIDE, &d->input.image.height))
        return glim_fail(err, GLIM_EFORMAT, "'%s': member 'image' has no size", name);
    if (json_is_string(said))
        d->input.image.name =
            glim_document_text(d, json_string_value(said), json_string_length(said));
    const json_t *labels = json_object_get(o, "labels");
    glim_status status =
        json_is_string(png) ? decode(d, png, name, &d->input.image.rgb, err) : GLIM_OK;
    if (!status)
        status = read_patches(d, json_object_get(input, "units"), name, err);
    return status || !json_is_string(labels) ? status : read_labels(d, labels, name, err);
}
