/* SPDX-License-Identifier: Apache-2.0 */
/* Reading samples block by block; a NaN or an infinity among the features is refused with
   the sample's number, since it would make every result of every sample NaN. */
#include "influence/features.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static glim_status read_array(void *data, size_t first, size_t count, double *x, double *y,
                              glim_error *err) {
    const glim_features_array *a = data;
    size_t at = first * a->width, n = count * a->width;
    if (a->x)
        memcpy(x, a->x + at, n * sizeof *x);
    for (size_t i = 0; i < n && !a->x; i++)
        x[i] = (double)a->x32[at + i];
    for (size_t i = 0; i < count; i++)
        y[i] = a->y ? a->y[first + i] : NAN;
    return GLIM_OK;
}

glim_features glim__features_of(const glim_features_array *array, size_t n) {
    return (glim_features){
        .n = n, .width = array->width, .read = read_array, .data = (void *)array};
}

static glim_status check(const glim_features *f, size_t first, size_t count, const double *x,
                         glim_error *err) {
    char room[40];
    for (size_t i = 0; i < count * f->width; i++)
        if (!isfinite(x[i]))
            return glim_fail(err, GLIM_ENUMERIC, "'%.60s' of sample %zu is not finite",
                             glim__features_name(f, i % f->width, room), first + i / f->width + 1);
    return GLIM_OK;
}

glim_status glim__features_each(glim_context *ctx, const glim_features *f, glim_features_fn *each,
                                void *data, glim_error *err) {
    enum { BLOCK = GLIM_FEATURES_BLOCK };
    double *x = glim__calloc(ctx, BLOCK, (f->width + 1) * sizeof *x),
           *y = x ? x + BLOCK * f->width : NULL;
    glim_status status =
        x ? GLIM_OK : glim__oom(ctx, err, "a block of samples", BLOCK * (f->width + 1) * 8);
    for (size_t at = 0; at < f->n && !status; at += BLOCK) {
        size_t count = f->n - at < BLOCK ? f->n - at : BLOCK;
        status = glim__check_cancel(ctx, err);
        if (!status)
            status = f->read(f->data, at, count, x, y, err);
        if (!status)
            status = check(f, at, count, x, err);
        if (!status)
            status = each(data, at, count, x, y, err);
        glim__progress_add(ctx, count);
    }
    glim__free(ctx, x);
    return status;
}

const char *glim__features_name(const glim_features *f, size_t j, char room[40]) {
    if (f->names)
        return f->names[j];
    snprintf(room, 40, "feature %zu", j + 1);
    return room;
}
