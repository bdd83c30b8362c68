/* SPDX-License-Identifier: Apache-2.0 */
#include "base/packing.h"

#include <string.h>

void glim__pack_number(glim_buffer *b, uint64_t n) {
    glim__buffer_append(b, &n, sizeof n);
}

void glim__pack_real(glim_buffer *b, double x) {
    glim__buffer_append(b, &x, sizeof x);
}

void glim__pack_text(glim_buffer *b, const char *s) {
    glim__buffer_putc(b, s != NULL);
    if (s)
        glim__buffer_append(b, s, strlen(s) + 1);
}

void glim__unpack_bytes(glim_unpacking *r, void *out, size_t n) {
    r->failed = r->failed || (size_t)(r->end - r->at) < n;
    if (r->failed) {
        memset(out, 0, n);
        return;
    }
    if (n)
        memcpy(out, r->at, n);
    r->at += n;
}

uint64_t glim__unpack_number(glim_unpacking *r) {
    uint64_t n;
    glim__unpack_bytes(r, &n, sizeof n);
    return n;
}

double glim__unpack_real(glim_unpacking *r) {
    double x;
    glim__unpack_bytes(r, &x, sizeof x);
    return x;
}

const char *glim__unpack_text(glim_unpacking *r) {
    char there;
    glim__unpack_bytes(r, &there, 1);
    const char *s = r->at, *end = there ? memchr(s, 0, (size_t)(r->end - s)) : NULL;
    r->failed = r->failed || (there && !end);
    if (!end || r->failed)
        return NULL;
    r->at = end + 1;
    return s;
}
