/* SPDX-License-Identifier: Apache-2.0 */
/* A direction from a file: the vector of a probe, or a row of one for each layer. */
#include "file/safetensors.h"
#include "structure/activation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The tensor that is named, or the only one. */
static glim_status find(const glim_safetensors *st, const char *name, const char *spec,
                        const glim_st_tensor **out, glim_error *err) {
    char list[280] = "";
    size_t at = 0, n = glim__safetensors_count(st);
    *out = name ? glim__safetensors_find(st, name) : n == 1 ? glim__safetensors_at(st, 0) : NULL;
    for (size_t i = 0; i < n && at + 60 < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%.56s", i ? ", " : "",
                               glim__safetensors_at(st, i)->name);
    if (*out)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE, "which tensor of '%.100s'? --direction FILE:TENSOR (%s)",
                     spec, n ? list : "it has none");
}

static glim_status type_of(const glim_st_tensor *t, glim_type *out, glim_error *err) {
    *out = !strcmp(t->dtype, "F32")   ? GLIM_TYPE_F32
           : !strcmp(t->dtype, "F16") ? GLIM_TYPE_F16
                                      : GLIM_TYPE_BF16;
    if (*out == GLIM_TYPE_BF16 && strcmp(t->dtype, "BF16") != 0)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "the direction '%.80s' has elements %.20s (F32, F16 or BF16 are read)",
                         t->name, t->dtype);
    return GLIM_OK;
}

static glim_status read_tensor(float *out, glim_context *ctx, const glim_st_tensor *t, int layer,
                               size_t width, glim_error *err) {
    uint64_t rows = t->n_dims == 2 ? t->dims[0] : 1, cols = t->n_dims ? t->dims[t->n_dims - 1] : 0;
    uint64_t row = rows > 1 ? (uint64_t)layer : 0;
    glim_type type;
    glim_status status = type_of(t, &type, err);
    if (status)
        return status;
    if (t->n_dims < 1 || t->n_dims > 2 || cols != width)
        return glim_fail(err, GLIM_EUSAGE,
                         "the direction '%.80s' has %d dimensions and rows of %llu; the site needs "
                         "(%zu) or (layers, %zu)",
                         t->name, t->n_dims, (unsigned long long)cols, width, width);
    if ((layer < 0 && rows > 1) || row >= rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "the direction '%.80s' has %llu rows, a layer each; that of the site is "
                         "not among them",
                         t->name, (unsigned long long)rows);
    size_t bytes = width * (type == GLIM_TYPE_F32 ? 4 : 2);
    glim_matrix one = {.data = (const char *)t->data + row * bytes,
                       .type = type,
                       .rows = 1,
                       .cols = (int64_t)width,
                       .row_bytes = bytes};
    if (type == GLIM_TYPE_F32)
        memcpy(out, one.data, bytes); /* which need not be aligned */
    else
        glim__matrix_read_row(ctx, &one, 0, out);
    double sum = 0;
    for (size_t c = 0; c < width; c++)
        sum += (double)out[c] * out[c];
    if (!isfinite(sum) || !(sum > 0))
        return glim_fail(err, GLIM_EFORMAT, "the direction '%.80s' %s", t->name,
                         sum == 0 ? "is zero" : "is not finite");
    for (size_t c = 0; c < width; c++)
        out[c] = (float)(out[c] / sqrt(sum));
    return GLIM_OK;
}

glim_status glim__direction_read(float **out, glim_context *ctx, const char *spec, int layer,
                                 size_t width, glim_error *err) {
    char path[4096];
    const char *colon = access(spec, R_OK) ? strrchr(spec, ':') : NULL; /* a file's own name */
    glim_safetensors *st = NULL;
    const glim_st_tensor *t = NULL;
    *out = NULL;
    if (strlen(spec) >= sizeof path)
        return glim_fail(err, GLIM_EUSAGE, "the name of the direction is too long");
    snprintf(path, sizeof path, "%.*s", colon ? (int)(colon - spec) : (int)strlen(spec), spec);
    glim_status status = glim__safetensors_open(&st, ctx, path, err);
    if (!status)
        status = find(st, colon ? colon + 1 : NULL, path, &t, err);
    if (!status && !(*out = glim__alloc(ctx, width * sizeof **out)))
        status = glim__oom(ctx, err, "a direction", width * sizeof **out);
    if (!status && t && *out)
        status = read_tensor(*out, ctx, t, layer, width, err);
    if (status) {
        glim__free(ctx, *out);
        *out = NULL;
    }
    glim__safetensors_close(st);
    return status;
}
