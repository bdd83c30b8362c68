/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_FILE_BASE64_H
#define GLIM_FILE_BASE64_H

#include "base/buffer.h"

void glim__base64_write(glim_buffer *out, const void *data, size_t n);
/* Decodes n letters into at most n bytes; their count, or SIZE_MAX. */
size_t glim__base64(const char *s, size_t n, char *out);

#endif
