/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows are fitted, which are held out, which fold each belongs to. Each class is
 * shuffled by itself (Fisher, Yates; a draw depends on seed, class and place alone) and
 * dealt out, so every part has the classes in the shares of the whole, and the same
 * file and seed give the same parts everywhere.
 */
#include "base/rng.h"
#include "predict/fit.h"

#include <math.h>

static void shuffle(uint32_t *rows, size_t n, uint64_t seed, uint64_t stream) {
    for (size_t i = n; i > 1; i--) {
        uint32_t k = glim__rng_below(seed, stream, i, (uint32_t)i), swap = rows[i - 1];
        rows[i - 1] = rows[k];
        rows[k] = swap;
    }
}

/* A class of one row is fitted; else at least one row is, and the share is rounded. */
static size_t share_of(size_t n, double held_out) {
    size_t k = (size_t)floor((double)n * held_out + 0.5);
    return k < n ? k : n ? n - 1 : 0;
}

glim_status glim__fit_split(glim_context *ctx, const glim_fit_data *data, double held_out,
                            size_t folds, uint64_t seed, int32_t *fold, glim_error *err) {
    size_t classes = data->labels ? data->n_classes : 1, dealt = 0;
    uint32_t *rows = glim__calloc(ctx, data->n + 1, sizeof *rows);
    if (!rows)
        return glim__oom(ctx, err, "the split", data->n * sizeof *rows);
    for (size_t k = 0; k < classes; k++) {
        size_t n = 0;
        for (size_t i = 0; i < data->n; i++)
            if (!data->labels || data->labels[i] == (int32_t)k)
                rows[n++] = (uint32_t)i;
        shuffle(rows, n, seed, k);
        size_t out = share_of(n, held_out);
        for (size_t i = 0; i < n; i++)
            fold[rows[i]] = i < out ? -1 : (int32_t)(dealt++ % folds);
    }
    glim__free(ctx, rows);
    return GLIM_OK;
}

void glim__wilson(size_t k, size_t n, double *low, double *high) {
    const double z = 1.959963984540054;
    double N = (double)n, p = N > 0 ? (double)k / N : 0, zz = z * z / N;
    double middle = p + zz / 2, half = z * sqrt(p * (1 - p) / N + zz / (4 * N));
    *low = n ? (middle - half) / (1 + zz) : NAN;
    *high = n ? (middle + half) / (1 + zz) : NAN;
    *low = k ? *low : n ? 0 : NAN;
    *high = k < n || !n ? *high : 1;
}
