/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a logistic fit takes on 10,000 rows of 576 features (what a small model's
 * representation of texts is) with 2 and 20 classes, at the tolerance that scikit-learn
 * stops at and at a finer one. With a folder the data are left there, for bench/fit.py.
 * usage: bench_fit [THREADS [FOLDER]]
 */
#include "base/rng.h"
#include "file/safetensors.h"

#include <glim/fit.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 10000, WIDTH = 576, RUNS = 3 };

/* Features that depend on each other, classes that can be told apart in part. */
static void make(float *x, int32_t *labels, int classes) {
    for (size_t i = 0; i < ROWS; i++) {
        double best = -1e9;
        float *row = x + i * WIDTH;
        for (size_t j = 0; j < WIDTH; j++) {
            row[j] = (float)glim__rng_normal(1, i, j);
            row[j] += j ? 0.7F * row[j - 1] : 0;
        }
        for (int k = 0; k < classes; k++) {
            double z = 6 * glim__rng_normal(2, i, (uint64_t)k);
            for (size_t j = 0; j < WIDTH; j += 7)
                z += row[j] * glim__rng_normal(3, (uint64_t)k, j);
            if (z > best) {
                best = z;
                labels[i] = k;
            }
        }
    }
}

static int leave(glim_context *ctx, const char *folder, const float *x, const int32_t *labels,
                 int classes) {
    char path[512];
    glim_error err;
    float *y = calloc(ROWS, sizeof *y);
    for (size_t i = 0; i < ROWS; i++)
        y[i] = (float)labels[i];
    snprintf(path, sizeof path, "%.400s/x%d.npy", folder, classes);
    glim_status status = glim__npy_write(ctx, path, x, 2, (uint64_t[]){ROWS, WIDTH}, &err);
    snprintf(path, sizeof path, "%.400s/y%d.npy", folder, classes);
    if (!status)
        status = glim__npy_write(ctx, path, y, 1, (uint64_t[]){ROWS}, &err);
    free(y);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    return status != GLIM_OK;
}

static int measure(glim_context *ctx, const glim_fit_data *data, double tolerance) {
    glim_fit_report r = {0};
    double best = 1e9, work = 1e9; /* work: processor seconds, for a machine that is busy */
    for (int i = 0; i < RUNS; i++) {
        clock_t began = clock();
        glim_linear *l;
        glim_error err;
        glim_fit_options how = {.strength = 1, .tolerance = tolerance, .max_iterations = 10000};
        if (glim_fit(&l, &r, ctx, data, &how, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        glim_linear_close(l);
        double used = (double)(clock() - began) / CLOCKS_PER_SEC;
        best = r.seconds < best ? r.seconds : best;
        work = used < work ? used : work;
    }
    printf("fit: %2zu classes, tolerance %.0e: %.3f s, %.3f s of processors, %zu iterations, loss "
           "%.9f\n",
           data->n_classes, tolerance, best, work, r.iterations, r.loss);
    return 0;
}

int main(int argc, char **argv) {
    static const char *names[20];
    int threads = argc > 1 ? atoi(argv[1]) : 2, failed = 0;
    float *x = malloc(sizeof(float) * ROWS * WIDTH);
    int32_t *labels = malloc(sizeof(int32_t) * ROWS);
    glim_context *ctx;
    glim_error err;
    if (!x || !labels || glim_context_new(&ctx, &(glim_context_options){.threads = threads}, &err))
        return 2;
    for (int k = 0; k < 20; k++)
        names[k] = "class";
    for (int classes = 2; classes <= 20 && !failed; classes += 18) {
        make(x, labels, classes);
        glim_fit_data data = {.f32 = x,
                              .n = ROWS,
                              .width = WIDTH,
                              .labels = labels,
                              .classes = names,
                              .n_classes = (size_t)classes};
        if (argc > 2)
            failed = leave(ctx, argv[2], x, labels, classes);
        failed = failed || measure(ctx, &data, 1e-4) || measure(ctx, &data, 1e-7);
    }
    glim_context_free(ctx);
    free(x);
    free(labels);
    return failed;
}
