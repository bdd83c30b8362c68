/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map of float32 rows in a file; map.py measures the same beside openTSNE. bench_map FILE
 * POINTS WIDTH THREADS [auto|exact|barnes-hut|fft [exact|approximate [PERPLEXITY]]] prints
 * seconds, user seconds of the processor, and the divergence; FILE.xy gets the map.
 */
#include "base/context.h"

#include <glim/map.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static double user(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec;
}

static int choice(const char *given, const char *const *names) {
    for (int i = 0; given && names[i]; i++)
        if (!strcmp(given, names[i]))
            return i;
    return 0;
}

static void stage(void *data, const glim_progress *p) {
    static char last[64];
    static double began;
    double now = glim__seconds();
    if (strcmp(last, p->stage)) {
        if (last[0])
            fprintf(stderr, "%s %.2f s\n", last, now - began);
        snprintf(last, sizeof last, "%s", p->stage);
        began = now;
    }
}

int main(int argc, char **argv) {
    static const char *const gradients[] = {"auto", "exact", "barnes-hut", "fft", NULL};
    static const char *const searches[] = {"auto", "exact", "approximate", NULL};
    if (argc < 5)
        return 2;
    size_t n = strtoull(argv[2], NULL, 10), width = strtoull(argv[3], NULL, 10);
    float *x = malloc(n * width * sizeof *x);
    FILE *f = fopen(argv[1], "rb");
    if (!x || !f || fread(x, sizeof *x, n * width, f) != n * width)
        return 1;
    fclose(f);
    glim_context *ctx;
    glim_error err;
    glim_map_options how = {.gradient =
                                (glim_map_gradient)choice(argc > 5 ? argv[5] : NULL, gradients),
                            .search = (glim_map_search)choice(argc > 6 ? argv[6] : NULL, searches),
                            .perplexity = argc > 7 ? strtod(argv[7], NULL) : 0};
    glim_context_options o = {.threads = (int)strtol(argv[4], NULL, 10), .progress = stage};
    if (glim_context_new(&ctx, &o, &err))
        return 1;
    glim_embedding *map;
    double began = glim__seconds(), used = user();
    glim_status status = glim_embed(&map, ctx, x, n, width, &how, &err);
    if (status) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%.3f %.3f %.6f %.4f\n", glim__seconds() - began, user() - used, map->kl,
           map->index_recall);
    char path[4096];
    snprintf(path, sizeof path, "%s.xy", argv[1]);
    f = fopen(path, "wb");
    if (!f || fwrite(map->xy, sizeof(float), 2 * n, f) != 2 * n || fclose(f))
        return 1;
    glim_embedding_free(map);
    glim_context_free(ctx);
    free(x);
    return 0;
}
