/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probes cost: all sites of a model in one pass over texts, and a site's fits (five folds,
 * each choosing among nine strengths by five inner ones) on 10,000 rows of 576 features. Wall
 * seconds, and those of processors for a machine that is busy. The rows are left in a folder,
 * for bench/probe.py; FOLDER "-" measures the pass alone.
 * usage: bench_probe THREADS FOLDER [MODEL TEXTS.csv]
 */
#include "base/rng.h"
#include "file/safetensors.h"
#include "structure/probe-run.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 10000, WIDTH = 576 };

static double processors(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

static int fail(const glim_error *err) {
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

/* Features that depend on each other, two classes that can be told apart in part. */
static void make(float *x, int32_t *labels, float *y) {
    for (size_t i = 0; i < ROWS; i++) {
        double z = 12 * glim__rng_normal(2, i, 0);
        for (size_t j = 0; j < WIDTH; j++) {
            float *at = x + i * WIDTH + j;
            *at = (float)glim__rng_normal(1, i, j) + (j ? 0.9F * at[-1] : 0);
            if (j % 7 == 0)
                z += *at * glim__rng_normal(3, 0, j);
        }
        labels[i] = z > 0;
        y[i] = (float)labels[i];
    }
}

static int fits(glim_context *ctx, const char *folder) {
    static const char *const names[] = {"no", "yes"};
    float *x = malloc(sizeof *x * ROWS * WIDTH), *y = malloc(2 * sizeof *y * ROWS);
    int32_t *labels = malloc(sizeof *labels * ROWS);
    uint32_t *group = malloc(sizeof *group * ROWS);
    char path[512];
    glim_error err;
    glim_probe_layer out;
    glim_probe_folds folds = {0};
    make(x, labels, y);
    for (size_t i = 0; i < ROWS; i++)
        group[i] = (uint32_t)i;
    glim_probe_how how = {
        .strength = -1, .folds = 5, .inner = 5, .repeats = 1, .max_iterations = 1000, .seed = 1};
    glim_probe_learner l = {.ctx = ctx,
                            .how = &how,
                            .target = {.n = ROWS,
                                       .labels = labels,
                                       .classes = names,
                                       .n_classes = 2,
                                       .group = group,
                                       .n_groups = ROWS},
                            .x = x,
                            .width = WIDTH};
    if (glim__probe_folds_make(&folds, ctx, &l.target, &how, &err))
        return fail(&err);
    double began = glim__seconds(), used = processors();
    if (glim__probe_layer(&l, &folds, true, &out, &err))
        return fail(&err);
    printf("fits: %.2f s, %.2f s of processors, accuracy %.4f, loss %.6f, strength %.3g\n",
           glim__seconds() - began, processors() - used, out.task.value, out.loss, out.strength);
    for (size_t i = 0; i < ROWS; i++)
        y[ROWS + i] = (float)folds.fold[i];
    snprintf(path, sizeof path, "%.400s/x.npy", folder);
    glim_status status = glim__npy_write(ctx, path, x, 2, (uint64_t[]){ROWS, WIDTH}, &err);
    snprintf(path, sizeof path, "%.400s/y.npy", folder);
    if (!status)
        status = glim__npy_write(ctx, path, y, 2, (uint64_t[]){2, ROWS}, &err);
    glim__probe_folds_release(&folds, ctx);
    glim__probe_layer_release(&out, ctx);
    free(x);
    free(y);
    free(labels);
    free(group);
    return status ? fail(&err) : 0;
}

static int pass(glim_context *ctx, const char *model, const char *texts) {
    glim_model *m;
    glim_error err;
    glim_probe_data d;
    glim_probe_inputs in;
    glim_probe_store s;
    glim_probe_options o = {.path = texts, .text = "text", .label = "label"};
    if (glim_model_open(&m, ctx, model, &err) || glim__probe_data_open(&d, ctx, &o, &err) ||
        glim__probe_tokens(&in, m, &d, &err) || glim__probe_store_open(&s, m, &o, &in, d.n, &err))
        return fail(&err);
    double began = glim__seconds(), used = processors();
    if (glim__probe_pass(&s, &in, &d, NULL, NULL, &err))
        return fail(&err);
    printf("pass: %.2f s, %.2f s of processors, %zu texts, %llu tokens, %zu sites, %.1f MB\n",
           glim__seconds() - began, processors() - used, in.n, (unsigned long long)in.total,
           s.n_sites, (double)s.bytes / 1e6);
    glim__probe_store_close(&s);
    glim__probe_inputs_release(&in);
    glim__probe_data_close(&d);
    glim_model_close(m);
    return 0;
}

int main(int argc, char **argv) {
    glim_context *ctx;
    glim_error err;
    if (argc < 3 || glim_context_new(&ctx, &(glim_context_options){.threads = atoi(argv[1])}, &err))
        return 2;
    int failed = strcmp(argv[2], "-") != 0 && fits(ctx, argv[2]);
    if (!failed && argc > 4)
        failed = pass(ctx, argv[3], argv[4]);
    glim_context_free(ctx);
    return failed;
}
