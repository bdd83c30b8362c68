/* SPDX-License-Identifier: Apache-2.0 */
/* A table of numbers as NumPy writes it: two dimensions (one: a column), whole and in memory. */
#include "file/npy-read.h"

#include "base/buffer.h"
#include "file/npy-map.h"

static glim_status bad(const char *path, const char *why, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%.300s': %s", path, why);
}

static glim_status take(const glim_npy *npy, float **out, size_t dims[2], glim_context *ctx,
                        const char *path, glim_error *err) {
    if (npy->n_dims > 2)
        return bad(path, "a table has two dimensions, not more", err);
    if (!npy->n_dims || !npy->count)
        return bad(path, "the table is empty", err);
    if (npy->kind == 'f' && npy->each < 4)
        return bad(path, "numbers are float32, float64 or integers (array.astype('float32'))", err);
    dims[0] = (size_t)npy->dims[0];
    dims[1] = npy->n_dims > 1 ? (size_t)npy->dims[1] : 1;
    size_t n = dims[0] * dims[1];
    if (!(*out = glim__alloc(ctx, n * sizeof **out)))
        return glim__oom(ctx, err, "a table of numbers", n * sizeof **out);
    glim__npy_floats(npy, 0, n, *out);
    return GLIM_OK;
}

glim_status glim__npy_read(float **out, size_t dims[2], glim_context *ctx, const char *path,
                           size_t limit, glim_error *err) {
    glim_buffer b;
    glim_npy npy = {0};
    *out = NULL;
    glim__buffer_init(&b, ctx);
    glim_status status = glim__file_read(&b, path, limit, err);
    if (!status)
        status = b.len ? glim__npy_borrow(&npy, ctx, b.data, b.len, path, err)
                       : bad(path, "the file is empty", err);
    if (!status) {
        status = take(&npy, out, dims, ctx, path, err);
        glim__npy_close(&npy);
    }
    glim__buffer_release(&b);
    return status;
}
