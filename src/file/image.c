/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures: which decoder, limits, cropping. A picture is refused by its stated size
 * before anything is made for it.
 */
#include "file/image.h"

#include <inttypes.h>
#include <string.h>

glim_status glim__image_new(glim_image **out, glim_context *ctx, int64_t width, int64_t height,
                            const char *name, glim_error *err) {
    *out = NULL;
    if (width < 1 || height < 1)
        return glim_fail(err, GLIM_EFORMAT, "'%s' is a picture without pixels", name);
    if (width > GLIM_IMAGE_SIDE || height > GLIM_IMAGE_SIDE || width * height > GLIM_IMAGE_PIXELS)
        return glim_fail(err, GLIM_ELIMIT,
                         "'%s' has %" PRId64 " x %" PRId64 " pixels; at most %d a side and %d "
                         "million are read (make it smaller)",
                         name, width, height, GLIM_IMAGE_SIDE, GLIM_IMAGE_PIXELS >> 20);
    size_t bytes = (size_t)(width * height) * 3;
    glim_image *image = glim__calloc(ctx, 1, sizeof *image);
    uint8_t *rgb = image ? glim__alloc(ctx, bytes) : NULL;
    if (!rgb) {
        glim__free(ctx, image);
        return glim__oom(ctx, err, name, bytes);
    }
    *image = (glim_image){ctx, (int)width, (int)height, rgb};
    *out = image;
    return GLIM_OK;
}

void glim_image_free(glim_image *image) {
    if (!image)
        return;
    glim__free(image->ctx, image->rgb);
    glim__free(image->ctx, image);
}

glim_status glim_image_decode(glim_image **out, glim_context *ctx, const void *data, size_t n,
                              const char *name, glim_error *err) {
    static const struct {
        const char *magic, *name;
    } others[] = {
        {"GIF8", "GIF"}, {"RIFF", "WebP"}, {"BM", "BMP"}, {"II*", "TIFF"}, {"MM", "TIFF"}};
    const uint8_t *d = data;
    *out = NULL;
    if (n >= 8 && !memcmp(d, "\x89PNG\r\n\x1a\n", 8))
        return glim__png_decode(out, ctx, d, n, name, err);
    if (n >= 3 && !memcmp(d, "\xff\xd8\xff", 3))
        return glim__jpeg_decode(out, ctx, d, n, name, err);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (n > 4 && !memcmp(d, others[i].magic, strlen(others[i].magic)))
            return glim_fail(err, GLIM_EUNSUPPORTED,
                             "'%s' is a %s file; pictures are read from PNG and JPEG", name,
                             others[i].name);
    return glim_fail(err, GLIM_EFORMAT, "'%s' is neither a PNG nor a JPEG file", name);
}

glim_status glim_image_read(glim_image **out, glim_context *ctx, const char *path,
                            glim_error *err) {
    glim_buffer file;
    *out = NULL;
    glim__buffer_init(&file, ctx);
    glim_status status = glim__file_read(&file, path, GLIM_IMAGE_FILE, err);
    if (!status)
        status = glim_image_decode(out, ctx, file.data ? file.data : "", file.len, path, err);
    glim__buffer_release(&file);
    return status;
}

glim_status glim__image_crop(glim_image **out, const glim_image *in, int left, int top, int width,
                             int height, glim_error *err) {
    glim_status status = glim__image_new(out, in->ctx, width, height, "the crop", err);
    for (int y = 0; y < height && *out; y++)
        memcpy((*out)->rgb + (size_t)y * (size_t)width * 3,
               in->rgb + ((size_t)(top + y) * (size_t)in->width + (size_t)left) * 3,
               (size_t)width * 3);
    return status;
}
