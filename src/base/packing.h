/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packing.h: numbers and texts as bytes that are kept, and back, bit by bit. Numbers lie as the
 * machine has them: what is kept is read by the glim that wrote it, on a machine of the same
 * kind. Texts end in a NUL, so that what is read owns one copy of its bytes and points into it.
 */
#ifndef GLIM_BASE_PACKING_H
#define GLIM_BASE_PACKING_H

#include "base/buffer.h"

void glim__pack_number(glim_buffer *b, uint64_t n);
void glim__pack_real(glim_buffer *b, double x);      /* by its bits */
void glim__pack_text(glim_buffer *b, const char *s); /* NULL stays NULL */

/* What is read from the front of bytes on; `failed` stays when they end too soon. */
typedef struct glim_unpacking {
    const char *at, *end;
    bool failed;
} glim_unpacking;

uint64_t glim__unpack_number(glim_unpacking *r);
double glim__unpack_real(glim_unpacking *r);
const char *glim__unpack_text(glim_unpacking *r); /* in the bytes */
/* n bytes into `out`, zeros where there are fewer. */
void glim__unpack_bytes(glim_unpacking *r, void *out, size_t n);

#endif
