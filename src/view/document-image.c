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

char *glim__document_png(const glim_document *d, size_t *n) {
    const glim_image image = {d->ctx, d->input.image.width, d->input.image.height,
                              (uint8_t *)d->input.image.rgb};
    glim_buffer png;
    glim__buffer_init(&png, d->ctx);
    char *text = NULL;
    if (!glim__png_write(&png, d->ctx, &image, NULL)) {
        size_t room = sodium_base64_encoded_len(png.len, sodium_base64_VARIANT_ORIGINAL);
        text = glim__alloc(d->ctx, room);
        if (text)
            sodium_bin2base64(text, room, (const unsigned char *)png.data, png.len,
                              sodium_base64_VARIANT_ORIGINAL);
        *n = room - 1;
    }
    glim__buffer_release(&png);
    return text;
}

json_t *glim__document_image_json(bool *ok, const glim_document *d) {
    json_t *o = json_object();
    size_t n = 0;
    char *png = d->input.image.rgb ? glim__document_png(d, &n) : NULL;
    const char *name = d->input.image.name;
    *ok = *ok && (png || !d->input.image.rgb);
    glim__json_set(ok, o, "name", name ? glim__json_text(name, strlen(name)) : json_null());
    glim__json_set(ok, o, "width", json_integer(d->input.image.width));
    glim__json_set(ok, o, "height", json_integer(d->input.image.height));
    glim__json_set(ok, o, "png", png ? json_stringn(png, n) : json_null());
    glim__free(d->ctx, png);
    return o;
}

static glim_status decode(glim_document *d, const json_t *png, const char *name, glim_error *err) {
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
    d->input.image.rgb = rgb;
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
    glim_status status = json_is_string(png) ? decode(d, png, name, err) : GLIM_OK;
    return status ? status : read_patches(d, json_object_get(input, "units"), name, err);
}
