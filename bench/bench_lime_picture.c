/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_lime_picture FILE slic|quickshift: LIME for a picture outside the predictor, cutting,
 * 1,000 masks and pictures, and the fit, with a predictor that reads a few of each picture's
 * pixels. Prints JSON: units, and processor seconds of a user (best of three) on one
 * thread, of the cut alone and of the whole.
 */
#include "predict/patches.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { RUNS = 3, STEP = 32 };

struct stub {
    glim_predictor base;
    glim_patches patches;
    uint8_t *painted, *own;
    size_t row_end;
    double value;
};

static void die(const glim_error *err) {
    fprintf(stderr, "bench: %s\n", err->message);
    exit(1);
}

static double user_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_utime.tv_sec + 1e-6 * (double)r.ru_utime.tv_usec;
}

static double look(const struct stub *s, const uint8_t *rgb) {
    double sum = 0;
    for (int y = 0; y < s->patches.height; y += STEP)
        for (int x = 0; x < s->patches.width; x += STEP)
            sum += rgb[3 * (y * s->patches.width + x)] / 255.0;
    return sum;
}

/* As a black box has it: whole pictures of bytes. */
static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct stub *s = (struct stub *)p;
    size_t bytes = (size_t)s->patches.width * (size_t)s->patches.height * 3;
    float *room = calloc(2 * bytes, sizeof *room);
    for (size_t i = 0; i < bytes; i++)
        room[i] = s->patches.seen->rgb[i];
    glim_status status =
        glim__patches_background(&s->patches, room, absent, (float[3]){0}, room + bytes, err);
    for (size_t i = 0; i < bytes; i++)
        s->own[i] = (uint8_t)(room[bytes + i] + 0.5f);
    free(room);
    for (size_t i = 0; i < n && !status; i++) {
        memcpy(s->painted, s->patches.seen->rgb, bytes);
        glim__patches_paint(&s->patches, keep + i * p->units->count, 3, s->own, s->painted);
        out[i] = look(s, s->painted);
    }
    return status;
}

static void plan_values(const glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                        glim_plan *out) {
    out->forward_tokens += n;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    doc->n_rows = 1;
    return glim__patches_describe(&((const struct stub *)p)->patches, doc) ? GLIM_OK : GLIM_ENOMEM;
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = *backward = 0;
}

static void once(glim_context *ctx, const glim_image *image, const char *how, double best[2],
                 size_t *units) {
    struct stub s = {0};
    glim_document *doc;
    glim_error err;
    glim_image_options o = {.superpixels = how};
    size_t bytes = (size_t)image->width * (size_t)image->height * 3;
    double began = user_seconds();
    if (glim__patches_cut(&s.patches, image, &o, 1, &err))
        die(&err);
    double cut = user_seconds() - began;
    s.painted = malloc(bytes);
    s.own = malloc(bytes);
    s.value = look(&s, image->rgb);
    s.row_end = s.patches.units.count;
    s.base = (glim_predictor){.ctx = ctx,
                              .name = "stub",
                              .can = GLIM_CAN_PREDICT,
                              .image = true,
                              .superpixels = true,
                              .units = &s.patches.units,
                              .n_rows = 1,
                              .row_end = &s.row_end,
                              .value = &s.value,
                              .values = values,
                              .plan_values = plan_values,
                              .describe = describe,
                              .cost = cost};
    if (glim_explain(&doc, &s.base, glim_method_find("lime"), NULL, 1, &err))
        die(&err);
    double all = user_seconds() - began;
    best[0] = cut < best[0] ? cut : best[0];
    best[1] = all < best[1] ? all : best[1];
    *units = s.patches.units.count;
    glim_document_free(doc);
    glim__patches_release(&s.patches, ctx);
    free(s.painted);
    free(s.own);
}

int main(int argc, char **argv) {
    glim_context *ctx;
    glim_image *image;
    glim_error err;
    size_t units = 0;
    double best[2] = {1e9, 1e9};
    if (argc < 3) {
        fprintf(stderr, "usage: bench_lime_picture FILE slic|quickshift\n");
        return 2;
    }
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, &err) ||
        glim_image_read(&image, ctx, argv[1], &err))
        die(&err);
    for (int i = 0; i < RUNS; i++)
        once(ctx, image, argv[2], best, &units);
    printf("{\"units\": %zu, \"cut\": %.6f, \"all\": %.6f}\n", units, best[0], best[1]);
    glim_image_free(image);
    glim_context_free(ctx);
    return 0;
}
