/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pictures DIR [THREADS]: a forward, and a forward with the walk back to the pixels, of
 * one picture and of four; the best of several runs after a warm-up, as one JSON object of
 * seconds a picture.
 */
#include "base/context.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>

static void die(const glim_error *err) {
    fprintf(stderr, "bench: %s\n", err->message);
    exit(1);
}

static double once(glim_image_session *s, const glim_image_batch *b, const float *seeds, float *d) {
    glim_error err;
    double t = glim__seconds();
    if (glim_image_session_forward(s, b, &err) ||
        (b->keep && glim_image_session_backward(s, seeds, d, &err)))
        die(&err);
    return (glim__seconds() - t) / (double)b->count;
}

int main(int argc, char **argv) {
    enum { MOST = 4, RUNS = 40 };
    glim_context *ctx;
    glim_model *m;
    glim_image_session *s;
    glim_error err;
    glim_context_options options = {.threads = argc > 2 ? atoi(argv[2]) : 2};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_pictures DIR [THREADS]\n");
        return 2;
    }
    if (glim_context_new(&ctx, &options, &err) || glim_model_open(&m, ctx, argv[1], &err) ||
        glim_image_session_new(&s, m, &err))
        die(&err);
    const glim_model_info *info = glim_model_facts(m);
    size_t n = (size_t)info->image_height * (size_t)info->image_width * 3 * MOST;
    float *x = malloc(n * sizeof *x), *d = malloc(n * sizeof *d);
    float *seeds = calloc(MOST * (size_t)info->outputs, sizeof *seeds);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(i * 7919 % 2000) / 1000 - 1;
    for (size_t i = 0; i < MOST; i++)
        seeds[i * (size_t)info->outputs] = 1;
    for (int k = 0; k < 4; k++) {
        glim_image_batch b = {.pixels = x, .count = k % 2 ? MOST : 1, .keep = k > 1};
        double best = once(s, &b, seeds, d);
        for (int i = 0; i < RUNS; i++) {
            double t = once(s, &b, seeds, d);
            best = t < best ? t : best;
        }
        printf("%s\"%s_%zu\": %.6f", k ? ", " : "{", k > 1 ? "gradient" : "forward", b.count, best);
    }
    printf("}\n");
    free(x);
    free(d);
    free(seeds);
    glim_image_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
    return 0;
}
