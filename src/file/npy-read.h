/* SPDX-License-Identifier: Apache-2.0 */
/* npy-read.h: a table of numbers as NumPy saves it. */
#ifndef GLIM_FILE_NPY_READ_H
#define GLIM_FILE_NPY_READ_H

#include "base/context.h"

/* x (dims[0], dims[1]) as floats, which the caller frees. Errors: EIO, EFORMAT, ELIMIT (a file
   above `limit` bytes), ENOMEM, EBUDGET. */
glim_status glim__npy_read(float **out, size_t dims[2], glim_context *ctx, const char *path,
                           size_t limit, glim_error *err);

#endif
