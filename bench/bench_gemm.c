/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_gemm: matrix products with packed weights as a share of the processor's
 * multiply-add peak, which is measured in registers first. Shapes are those of
 * SmolLM2. Prints one line a product and kernel set.
 */
#include "tensor/linear.h"

#include <math.h>
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

/* Aligned as the library's own buffers are. */
static float *zeros(size_t n) {
    size_t bytes = (n * sizeof(float) + 127) / 64 * 64;
    float *x = aligned_alloc(64, bytes);
    return x ? memset(x, 0, bytes) : NULL;
}

/* The tile kernel on data that stays in the first cache: the practical peak. */
struct hot {
    glim_context *ctx;
    const glim_kernels *kernels;
    float *data;
};

enum { HOT_ITEMS = 16, HOT_TILES = 200, HOT_K = 128 };

static void hot_item(void *data, size_t item, int worker) {
    const struct hot *h = data;
    float c[GLIM_TILE_M * GLIM_TILE_N];
    for (int i = 0; i < HOT_TILES; i++)
        h->kernels->tile(GLIM_TILE_M, GLIM_TILE_N, HOT_K, h->data, HOT_K, 1, h->data + 2048,
                         GLIM_TILE_N, c, GLIM_TILE_N, false);
}

static void run_hot(void *data) {
    struct hot *h = data;
    glim__parallel(h->ctx, HOT_ITEMS, hot_item, h);
}

static double peak_of(glim_context *ctx, const glim_kernels *kernels) {
    struct hot h = {ctx, kernels, zeros(8192)};
    double flop = 2.0 * HOT_ITEMS * HOT_TILES * GLIM_TILE_M * GLIM_TILE_N * HOT_K;
    double seconds = h.data ? best_seconds(run_hot, &h) : INFINITY;
    free(h.data);
    return flop / seconds / 1e9;
}

static void print_product(glim_context *ctx, glim_matrix w, int64_t T, double peak) {
    const glim_type_info *info = glim__type_info(w.type);
    struct job j = {.ctx = ctx, .T = T, .w = w};
    double flop = 2.0 * (double)(T * w.rows * w.cols) / 1e9, rate[3];
    j.x = zeros((size_t)(T * w.cols));
    j.y = zeros((size_t)(T * w.rows));
    for (j.kind = 0; j.x && j.y && j.kind < 3; j.kind++)
        rate[j.kind] = flop / best_seconds(run_job, &j);
    if (j.x && j.y)
        printf("%-6s %-5s (%4d, %4d) T %3d: forward %3.0f %%  backward %3.0f %%  "
               "decode %5.1f Gweights/s\n",
               glim_context_kernels(ctx), info->name, (int)w.rows, (int)w.cols, (int)T,
               100 * rate[0] / peak, 100 * rate[1] / peak, rate[2] / 2);
    free(j.x);
    free(j.y);
}

static void print_set(const glim_kernels *k, const void *data, int threads) {
    static const glim_type types[] = {GLIM_TYPE_Q4_1, GLIM_TYPE_Q8_0, GLIM_TYPE_F32,
                                      GLIM_TYPE_Q5_0, GLIM_TYPE_Q4_K, GLIM_TYPE_Q6_K};
    static const int shapes[][2] = {{576, 576}, {1536, 576}, {576, 1536}, {2048, 768}};
    static const int64_t rows[] = {1, 8, 32, 128, 512};
    glim_context *ctx;
    glim_context_options options = {.threads = threads, .kernels = k->name};
    if (glim_context_new(&ctx, &options, NULL))
        return;
    double peak = peak_of(ctx, k->blas ? glim__kernels_at(0) : k); /* blas has no tile */
    printf("%s: peak %.0f GFLOP/s\n", k->name, peak);
    for (size_t type = 0; type < sizeof types / sizeof *types; type++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                const glim_type_info *info = glim__type_info(types[type]);
                glim_matrix w = {data, types[type], shapes[s][0], shapes[s][1]};
                w.row_bytes = (size_t)w.cols / info->block_len * info->block_bytes;
                if (w.cols % info->block_len == 0)
                    print_product(ctx, w, rows[r], peak);
            }
    glim_context_free(ctx);
}

/* bench_gemm [set [threads]] */
int main(int argc, char **argv) {
    size_t most = (size_t)2048 * 2048 * 4;
    void *data = calloc(1, most);
    const glim_kernels *k;
    for (size_t s = 0; data && (k = glim__kernels_at(s)); s++)
        if (argc > 1 ? !strcmp(argv[1], k->name) : strcmp(k->name, "ref") != 0)
            print_set(k, data, argc > 2 ? atoi(argv[2]) : 2);
    free(data);
    return 0;
}
