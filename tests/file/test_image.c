/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of every kind against what Pillow reads, its resizes, and damaged files: every
   prefix of a file, every flipped byte, sizes that would not fit. */
#include "../base/base-testing.h"

#include "file/image.h"
#include "file/safetensors.h"

#include <stdio.h>
#include <stdlib.h>

#define IMAGES GLIM_TESTS "/golden/images/"

static glim_context *ctx;
static glim_safetensors *st;

static void expect_pixels(const glim_image *image, const glim_st_tensor *t) {
    assert_int_equal(t->dims[0], image->height);
    assert_int_equal(t->dims[1], image->width);
    assert_memory_equal(image->rgb, t->data, t->bytes);
}

static void pictures_are_those_that_pillow_reads(void **state) {
    size_t n = 0;
    for (size_t i = 0; i < glim__safetensors_count(st); i++) {
        const glim_st_tensor *t = glim__safetensors_at(st, i);
        glim_image *image;
        glim_error err;
        char path[512];
        if (strncmp(t->name, "picture.", 8))
            continue;
        snprintf(path, sizeof path, IMAGES "pictures/%s", t->name + 8);
        if (glim_image_read(&image, ctx, path, &err))
            fail_msg("%s", err.message);
        expect_pixels(image, t);
        glim_image_free(image);
        n++;
    }
    assert_true(n >= 9);
}

static void resizes_are_those_of_pillow(void **state) {
    const glim_st_tensor *source = glim__safetensors_find(st, "resize");
    glim_image in = {ctx, (int)source->dims[1], (int)source->dims[0], (uint8_t *)source->data};
    size_t n = 0;
    for (size_t i = 0; i < glim__safetensors_count(st); i++) {
        const glim_st_tensor *t = glim__safetensors_at(st, i);
        glim_image *out;
        if (strncmp(t->name, "resize.", 7))
            continue;
        assert_int_equal(glim__image_resize(&out, &in, (int)t->dims[1], (int)t->dims[0], NULL),
                         GLIM_OK);
        expect_pixels(out, t);
        glim_image_free(out);
        n++;
    }
    assert_true(n >= 7);
}

static void read_file(const char *name, glim_buffer *out) {
    char path[512];
    glim_error err;
    snprintf(path, sizeof path, IMAGES "pictures/%s", name);
    glim__buffer_init(out, ctx);
    if (glim__file_read(out, path, 1 << 20, &err))
        fail_msg("%s", err.message);
}

static glim_status decode(const void *data, size_t n, glim_error *err) {
    glim_image *image = NULL;
    glim_status status = glim_image_decode(&image, ctx, data, n, "it", err);
    assert_true(!status == (image != NULL));
    glim_image_free(image);
    return status;
}

static void a_file_that_is_cut_short_is_refused(void **state) {
    static const char *const names[] = {"rgb.png", "palette.png", "small.jpg", "progressive.jpg"};
    for (int i = 0; i < 4; i++) {
        glim_buffer file;
        glim_error err;
        read_file(names[i], &file);
        size_t tail = i < 2 ? 0 : 2; /* without its end mark a JPEG is whole */
        for (size_t n = 0; n + tail + (i < 2 ? 12 : 1) < file.len; n++)
            if (decode(file.data, n, &err) != GLIM_EFORMAT)
                fail_msg("%s, %zu of %zu bytes", names[i], n, file.len);
        glim__buffer_release(&file);
    }
}

static void a_damaged_file_never_crashes(void **state) {
    static const char *const names[] = {"rgb.png", "palette.png", "bits.png", "small.jpg",
                                        "progressive.jpg"};
    for (int i = 0; i < 5; i++) {
        glim_buffer file;
        read_file(names[i], &file);
        for (size_t n = 0; n < file.len; n++)
            for (int bit = 0; bit < 8; bit += 3) {
                file.data[n] ^= (char)(1 << bit);
                decode(file.data, file.len, NULL);
                file.data[n] ^= (char)(1 << bit);
            }
        glim__buffer_release(&file);
    }
}

static void refused(const char *name, size_t at, const uint8_t *bytes, size_t n,
                    glim_status expected, const char *words) {
    glim_buffer file;
    glim_error err = {0};
    read_file(name, &file);
    memcpy(file.data + at, bytes, n);
    if (decode(file.data, file.len, &err) != expected)
        fail_msg("%s: %s", name, err.message);
    assert_contains(err.message, words);
    glim__buffer_release(&file);
}

static void huge_sizes_are_refused_before_memory_is_taken(void **state) {
    static const uint8_t wide[] = {0, 0, 0x40, 0, 0, 0, 0x40, 0};
    static const uint8_t tall[] = {0xf0, 0, 0xf0, 0};
    glim_context_reset_peak(ctx);
    uint64_t before = glim_context_peak(ctx);
    refused("rgb.png", 16, wide, 8, GLIM_EFORMAT, "no sound PNG"); /* its checksum is wrong */
    glim_buffer file;
    read_file("small.jpg", &file);
    size_t at = 2;
    while ((uint8_t)file.data[at + 1] != 0xc0)
        at += 2 + ((size_t)(uint8_t)file.data[at + 2] << 8) + (uint8_t)file.data[at + 3];
    glim__buffer_release(&file);
    refused("small.jpg", at + 5, tall, 4, GLIM_ELIMIT, "pixels");
    assert_true(glim_context_peak(ctx) - before < 1 << 20);
}

static void other_files_are_named(void **state) {
    glim_error err;
    glim_buffer file;
    assert_int_equal(decode("GIF89a......", 12, &err), GLIM_EUNSUPPORTED);
    assert_contains(err.message, "GIF");
    assert_int_equal(decode("hello, world", 12, &err), GLIM_EFORMAT);
    assert_contains(err.message, "neither a PNG nor a JPEG");
    assert_int_equal(decode("", 0, &err), GLIM_EFORMAT);
    read_file("cmyk.jpg", &file);
    assert_int_equal(decode(file.data, file.len, &err), GLIM_EUNSUPPORTED);
    assert_contains(err.message, "CMYK");
    glim__buffer_release(&file);
    glim_image *image;
    assert_int_equal(glim_image_read(&image, ctx, "/nowhere/x.png", &err), GLIM_EIO);
}

static void what_is_written_is_read(void **state) {
    const glim_st_tensor *source = glim__safetensors_find(st, "resize");
    glim_image in = {ctx, (int)source->dims[1], (int)source->dims[0], (uint8_t *)source->data},
               *out;
    glim_buffer file;
    glim__buffer_init(&file, ctx);
    assert_int_equal(glim__png_write(&file, ctx, &in, NULL), GLIM_OK);
    assert_int_equal(glim_image_decode(&out, ctx, file.data, file.len, "it", NULL), GLIM_OK);
    expect_pixels(out, source);
    glim_image_free(out);
    glim__buffer_release(&file);
}

static void a_refused_allocation_leaks_nothing(void **state) {
    static const char *const names[] = {"rgb.png", "small.jpg", "progressive.jpg"};
    for (int i = 0; i < 3; i++) {
        glim_buffer file;
        read_file(names[i], &file);
        uint64_t before = glim_context_bytes(ctx);
        for (uint64_t n = 1;; n++) {
            glim_image *image = NULL;
            glim_error err;
            glim__fail_allocation(ctx, n);
            glim_status status = glim_image_decode(&image, ctx, file.data, file.len, "it", &err);
            bool reached = glim__fail_allocation(ctx, 0) < n;
            glim_image_free(image);
            assert_int_equal(glim_context_bytes(ctx), before);
            if (reached)
                break;
            assert_int_equal(status, GLIM_ENOMEM);
        }
        glim__buffer_release(&file);
    }
}

static int set_up(void **state) {
    glim_error err;
    ctx = make_context(1, 0);
    return glim__safetensors_open(&st, ctx, IMAGES "pictures.safetensors", &err);
}

static int tear_down(void **state) {
    glim__safetensors_close(st);
    end_context(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_those_that_pillow_reads),
        cmocka_unit_test(resizes_are_those_of_pillow),
        cmocka_unit_test(a_file_that_is_cut_short_is_refused),
        cmocka_unit_test(a_damaged_file_never_crashes),
        cmocka_unit_test(huge_sizes_are_refused_before_memory_is_taken),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_refused_allocation_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
