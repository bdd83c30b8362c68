/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JPEG through libjpeg-turbo, with the slow exact transform. The library allocates by
 * itself, so what a picture will need is counted against the budget first; a
 * progressive file may have only so many scans.
 */
#include "file/image.h"

#include <stdio.h> /* jpeglib.h lacks it */

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <string.h>

enum { MOST_SCANS = 500 };

struct reader {
    struct jpeg_error_mgr errors; /* first: the library hands it back */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf out;
    glim_context *ctx;
    const char *name;
    glim_image *image;
    uint64_t reserved;
    char message[JMSG_LENGTH_MAX];
};

static void fail(j_common_ptr jpeg) {
    struct reader *r = (struct reader *)jpeg->err;
    jpeg->err->format_message(jpeg, r->message);
    longjmp(r->out, 1);
}

/* Some warnings are of harmless junk; these say that pixels are missing. */
static void warn(j_common_ptr jpeg, int level) {
    int code = jpeg->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER ||
                      code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC))
        fail(jpeg);
}

static void count_scans(j_common_ptr jpeg) {
    if (jpeg->is_decompressor && ((j_decompress_ptr)jpeg)->input_scan_number > MOST_SCANS)
        ERREXIT(jpeg, JERR_BAD_PROGRESSION);
}

static glim_status decode(struct reader *r, const uint8_t *data, size_t n, glim_error *err) {
    j_decompress_ptr jpeg = &r->jpeg;
    if (setjmp(r->out))
        return glim_fail(err, GLIM_EFORMAT, "'%s' is no sound JPEG file: %.*s", r->name, 160,
                         r->message);
    jpeg_create_decompress(jpeg);
    jpeg->progress = &r->progress;
    jpeg_mem_src(jpeg, data, (unsigned long)n);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "'%s' is made for printing (CMYK); convert it to RGB", r->name);
    glim_status status = glim__image_new(&r->image, r->ctx, (int64_t)jpeg->image_width,
                                         (int64_t)jpeg->image_height, r->name, err);
    if (status)
        return status;
    uint64_t pixels = (uint64_t)jpeg->image_width * jpeg->image_height;
    uint64_t need = (jpeg_has_multiple_scans(jpeg) ? pixels * 6 : 0) + (1 << 20);
    if (!glim__reserve(r->ctx, need))
        return glim__oom(r->ctx, err, r->name, need);
    r->reserved = need;
    jpeg->out_color_space = JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = r->image->rgb + (size_t)jpeg->output_scanline * jpeg->output_width * 3;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return GLIM_OK;
}

glim_status glim__jpeg_decode(glim_image **out, glim_context *ctx, const uint8_t *data, size_t n,
                              const char *name, glim_error *err) {
    struct reader *r = glim__calloc(ctx, 1, sizeof *r);
    *out = NULL;
    if (!r)
        return glim__oom(ctx, err, name, sizeof *r);
    r->ctx = ctx;
    r->name = name;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = fail;
    r->errors.emit_message = warn;
    r->progress.progress_monitor = count_scans;
    glim_status status = decode(r, data, n, err);
    jpeg_destroy_decompress(&r->jpeg);
    glim__unreserve(ctx, r->reserved);
    if (status)
        glim_image_free(r->image);
    else
        *out = r->image;
    glim__free(ctx, r);
    return status;
}
