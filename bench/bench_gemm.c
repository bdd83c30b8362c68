/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_gemm: matrix products with packed weights as a share of the processor's
 * multiply-add peak, which is measured in registers first. Shapes are those of
 * SmolLM2. Prints one line a product and kernel set.
 */
#include "tensor/linear.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double best_seconds(void (*fn)(void *), void *data) {
    double best = 1e9;
    double until = glim__seconds() + 0.25;
    for (int i = 0; i < 5 || glim__seconds() < until; i++) {
        double t = glim__seconds();
        fn(data);
        t = glim__seconds() - t;
        best = t < best ? t : best;
    }
    return best;
}

struct job {
    glim_context *ctx;
    glim_matrix w;
    float *x, *y;
    int64_t T;
    int kind;
};

static void run_job(void *data) {
    struct job *j = data;
    glim_error err;
    size_t K = (size_t)j->w.cols, R = (size_t)j->w.rows;
    if (j->kind == 0)
        glim__linear(j->ctx, j->y, R, j->x, K, j->T, &j->w, NULL, &err);
    else if (j->kind == 1)
        glim__linear_backward(j->ctx, j->x, K, j->y, R, j->T, &j->w, &err);
    else
        glim__linear_decode(j->ctx, j->y, R, j->x, K, j->T, &j->w, NULL, &err);
}

/* The tile kernel on data that stays in the first cache: the practical peak. */
static float hot[64 * 1024];

static void hot_item(void *data, size_t item, int worker) {
    const glim_kernels *k = data;
    float c[12 * 32];
    for (int i = 0; i < 2000; i++)
        k->tile(12, 32, 128, hot, 128, 1, hot + 2048, 32, c, 32, false);
}

int main(int argc, char **argv) {
    static const glim_type types[] = {GLIM_TYPE_Q4_1, GLIM_TYPE_Q8_0, GLIM_TYPE_F32,
                                      GLIM_TYPE_Q5_0, GLIM_TYPE_Q4_K, GLIM_TYPE_Q6_K};
    static const int shapes[][2] = {{576, 576}, {1536, 576}, {576, 1536}, {2048, 768}};
    static const int64_t rows[] = {1, 8, 32, 128, 512};
    size_t most = (size_t)2048 * 2048 * 4;
    void *w = aligned_alloc(64, most);
    memset(w, 0, most);
    for (size_t s = 0; s < 4; s++) {
        const glim_kernels *k = glim__kernels_at(s);
        glim_context *ctx;
        glim_context_options options = {.threads = 2, .kernels = k ? k->name : "none"};
        if (!k || !strcmp(k->name, "ref") || (argc > 1 && strcmp(argv[1], k->name)))
            continue;
        if (glim_context_new(&ctx, &options, NULL))
            return 1;
        double t = glim__seconds();
        glim__parallel(ctx, 16, hot_item, (void *)k);
        t = glim__seconds() - t;
        double peak = 16.0 * 2000 * 2 * 12 * 32 * 128 / t / 1e9;
        printf("%s: peak %.0f GFLOP/s\n", k->name, peak);
        for (size_t type = 0; type < sizeof types / sizeof *types; type++)
            for (size_t sh = 0; sh < 4; sh++)
                for (size_t r = 0; r < 5; r++) {
                    const glim_type_info *info = glim__type_info(types[type]);
                    struct job j = {.ctx = ctx, .T = rows[r]};
                    j.w = (glim_matrix){.data = w, .type = types[type], .rows = shapes[sh][0],
                                        .cols = shapes[sh][1]};
                    if (j.w.cols % info->block_len)
                        continue;
                    j.w.row_bytes = (size_t)j.w.cols / info->block_len * info->block_bytes;
                    j.x = calloc((size_t)(j.T * j.w.cols) + 64, 4);
                    j.y = calloc((size_t)(j.T * j.w.rows) + 64, 4);
                    double flop = 2.0 * (double)(j.T * j.w.rows * j.w.cols) / 1e9;
                    double f = flop / best_seconds(run_job, &j);
                    j.kind = 1;
                    double b = flop / best_seconds(run_job, &j);
                    j.kind = 2;
                    double d = flop / best_seconds(run_job, &j);
                    printf("%-6s %-5s (%4d, %4d) T %3d: forward %3.0f %%  backward %3.0f %%  "
                           "decode %5.1f Gweights/s\n",
                           k->name, info->name, shapes[sh][0], shapes[sh][1], (int)j.T,
                           100 * f / peak, 100 * b / peak, d / 2);
                    free(j.x);
                    free(j.y);
                }
        glim_context_free(ctx);
    }
    free(w);
    return 0;
}
