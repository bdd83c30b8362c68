/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PNG through libpng. Its memory comes from the context, so a picture's budget holds
 * inside of it too; its errors jump, and what a jump must free is in one struct that
 * lives outside of the jumping function.
 */
#include "file/image.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

struct reader {
    glim_context *ctx;
    const uint8_t *data;
    size_t n, at;
    const char *name;
    glim_image *image;
    png_structp png;
    png_infop info;
    png_bytepp rows;
    char message[96];
    bool no_memory;
};

static void fail(png_structp png, png_const_charp message) {
    struct reader *r = png_get_error_ptr(png);
    strncpy(r->message, message, sizeof r->message - 1);
    longjmp(png_jmpbuf(png), 1);
}

static void warn(png_structp png, png_const_charp message) {}

static png_voidp take(png_structp png, png_alloc_size_t n) {
    struct reader *r = png_get_mem_ptr(png);
    void *p = glim__alloc(r->ctx, n);
    r->no_memory = r->no_memory || !p;
    return p;
}

static void give(png_structp png, png_voidp p) {
    struct reader *r = png_get_mem_ptr(png);
    glim__free(r->ctx, p);
}

static void read_bytes(png_structp png, png_bytep out, size_t n) {
    struct reader *r = png_get_io_ptr(png);
    if (n > r->n - r->at)
        png_error(png, "it is cut short");
    memcpy(out, r->data + r->at, n);
    r->at += n;
}

/* Eight bits, red, green, blue, whatever the file has; alpha is dropped. */
static void set_up(struct reader *r) {
    png_set_read_fn(r->png, r, read_bytes);
    png_set_user_limits(r->png, GLIM_IMAGE_SIDE, GLIM_IMAGE_SIDE);
    png_set_chunk_malloc_max(r->png, 8 << 20);
    png_set_crc_action(r->png, PNG_CRC_DEFAULT, PNG_CRC_QUIET_USE);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    png_set_strip_16(r->png);
    png_set_palette_to_rgb(r->png);
    png_set_expand_gray_1_2_4_to_8(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static glim_status decode(struct reader *r, glim_error *err) {
    if (setjmp(png_jmpbuf(r->png)))
        return r->no_memory ? glim__oom(r->ctx, err, r->name, 0)
                            : glim_fail(err, GLIM_EFORMAT, "'%s' is no sound PNG file: %s", r->name,
                                        r->message);
    set_up(r);
    png_uint_32 width = png_get_image_width(r->png, r->info);
    png_uint_32 height = png_get_image_height(r->png, r->info);
    glim_status status = glim__image_new(&r->image, r->ctx, width, height, r->name, err);
    if (status)
        return status;
    if (png_get_rowbytes(r->png, r->info) != (size_t)width * 3)
        png_error(r->png, "its pixels are not of a known kind");
    r->rows = glim__calloc(r->ctx, height, sizeof *r->rows);
    if (!r->rows)
        return glim__oom(r->ctx, err, r->name, height * sizeof *r->rows);
    for (png_uint_32 y = 0; y < height; y++)
        r->rows[y] = r->image->rgb + (size_t)y * width * 3;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    return GLIM_OK;
}

glim_status glim__png_decode(glim_image **out, glim_context *ctx, const uint8_t *data, size_t n,
                             const char *name, glim_error *err) {
    struct reader r = {.ctx = ctx, .data = data, .n = n, .name = name};
    *out = NULL;
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, fail, warn, &r, take, give);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    glim_status status = r.info ? decode(&r, err) : glim__oom(ctx, err, name, 0);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    glim__free(ctx, r.rows);
    if (status)
        glim_image_free(r.image);
    else
        *out = r.image;
    return status;
}

/* ---- writing ---- */

struct writer {
    struct reader base; /* memory and errors */
    glim_buffer *out;
};

static void write_bytes(png_structp png, png_bytep data, size_t n) {
    struct writer *w = png_get_io_ptr(png);
    glim__buffer_append(w->out, data, n);
}

static void flush(png_structp png) {}

static glim_status encode(struct writer *w, const glim_image *image, glim_error *err) {
    png_structp png = w->base.png;
    if (setjmp(png_jmpbuf(png)))
        return w->base.no_memory ? glim__oom(w->base.ctx, err, "a picture", 0)
                                 : glim_fail(err, GLIM_EINTERNAL, "a picture was not written: %s",
                                             w->base.message);
    png_set_write_fn(png, w, write_bytes, flush);
    png_set_IHDR(png, w->base.info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, w->base.info);
    for (int y = 0; y < image->height; y++)
        png_write_row(png, image->rgb + (size_t)y * (size_t)image->width * 3);
    png_write_end(png, w->base.info);
    return w->out->failed ? glim__oom(w->base.ctx, err, "a picture", w->out->len) : GLIM_OK;
}

glim_status glim__png_write(glim_buffer *out, glim_context *ctx, const glim_image *image,
                            glim_error *err) {
    struct writer w = {.base = {.ctx = ctx}, .out = out};
    struct reader *r = &w.base;
    r->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, r, fail, warn, r, take, give);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    glim_status status = r->info ? encode(&w, image, err) : glim__oom(ctx, err, "a picture", 0);
    png_destroy_write_struct(&r->png, &r->info);
    return status;
}
