/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy.c: one array as NumPy reads it (NumPy Enhancement Proposal 1, format
 * 1.0): a magic, the length of a Python literal that says type and shape, the
 * literal padded so that the data starts at a multiple of 64, the data.
 */
#include "file/safetensors.h"

#include "base/outfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PREAMBLE = 10, MAX_DIMS = 32 };

/* "{'descr': '<f4', ...}" with its preamble and padding; its length, or 0. */
static size_t make_header(char *out, size_t size, bool half, int n_dims, const uint64_t *dims) {
    size_t n = PREAMBLE;
    n += (size_t)snprintf(out + n, size - n, "{'descr': '<f%c', 'fortran_order': False, 'shape': (",
                          half ? '2' : '4');
    for (int i = 0; i < n_dims; i++)
        n += (size_t)snprintf(out + n, size - n, "%" PRIu64 "%s", dims[i],
                              i + 1 < n_dims ? ", "
                              : n_dims == 1  ? ","
                                             : "");
    n += (size_t)snprintf(out + n, size - n, "), }");
    while ((n + 1) % 64)
        out[n++] = ' ';
    out[n++] = '\n';
    size_t literal = n - PREAMBLE;
    static const char magic[8] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
    memcpy(out, magic, sizeof magic);
    out[8] = (char)(literal & 0xFF);
    out[9] = (char)(literal >> 8);
    return n;
}

glim_status glim__npy_begin(glim_outfile *f, const char *path, bool half, int n_dims,
                            const uint64_t *dims, glim_error *err) {
    char header[PREAMBLE + 64 + 24 * MAX_DIMS + 64];
    f->fd = -1;
    f->temporary[0] = 0;
    if (n_dims < 0 || n_dims > MAX_DIMS)
        return glim_fail(err, GLIM_ELIMIT, "'%s': %d dimensions; NumPy has at most %d", path,
                         n_dims, (int)MAX_DIMS);
    uint64_t bytes = sizeof(float);
    bool overflow = false;
    for (int i = 0; i < n_dims; i++)
        overflow |= __builtin_mul_overflow(bytes, dims[i], &bytes);
    if (overflow || bytes > INT64_MAX)
        return glim_fail(err, GLIM_ELIMIT, "'%s': the array's size does not fit 63 bits", path);
    glim_status status = glim__outfile_open(f, path, err);
    if (status != GLIM_OK)
        return status;
    status =
        glim__outfile_write(f, header, make_header(header, sizeof header, half, n_dims, dims), err);
    if (status != GLIM_OK)
        glim__outfile_abort(f);
    return status;
}

glim_status glim__npy_write(glim_context *ctx, const char *path, const float *data, int n_dims,
                            const uint64_t *dims, glim_error *err) {
    glim_outfile f;
    uint64_t n = 1;
    (void)ctx;
    glim_status status = glim__npy_begin(&f, path, false, n_dims, dims, err);
    if (status != GLIM_OK)
        return status;
    for (int i = 0; i < n_dims; i++)
        n *= dims[i];
    status = glim__outfile_write(&f, data, (size_t)(n * sizeof *data), err);
    if (status == GLIM_OK)
        return glim__outfile_commit(&f, err);
    glim__outfile_abort(&f);
    return status;
}
