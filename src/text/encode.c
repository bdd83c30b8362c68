/* SPDX-License-Identifier: Apache-2.0 */
/* encode.c: growing runs and lists of pieces, with sticky failures. */
#include "base/utf8.h"
#include "text/pipeline.h"

#include <string.h>

enum { MOST = 1 << 28 }; /* bytes; every step may make a text longer */

static bool room(glim_run *r, size_t n) {
    if (r->failed || n <= r->cap - r->n)
        return !r->failed;
    if (n > MOST || r->n + n > MOST) {
        r->failed = r->too_long = true;
        return false;
    }
    size_t cap = 2 * r->cap > r->n + n ? 2 * r->cap : r->n + n + 64;
    char *text = glim__realloc(r->ctx, r->text, cap);
    r->text = text ? text : r->text;
    uint32_t *from = text ? glim__realloc(r->ctx, r->from, cap * sizeof *from) : NULL;
    r->from = from ? from : r->from;
    uint32_t *to = from ? glim__realloc(r->ctx, r->to, cap * sizeof *to) : NULL;
    r->to = to ? to : r->to;
    r->failed = !to;
    r->cap = to ? cap : r->cap;
    return !r->failed;
}

glim_status glim__run_status(const glim_run *r, glim_error *err) {
    if (r->too_long)
        return glim_fail(err, GLIM_ELIMIT, "the normalised text has more than 2^28 bytes");
    return r->failed ? glim__oom(r->ctx, err, "normalising the text", 9 * r->cap) : GLIM_OK;
}

void glim__run_clear(glim_run *r) {
    r->n = 0;
}

void glim__run_release(glim_run *r) {
    glim__free(r->ctx, r->text);
    glim__free(r->ctx, r->from);
    glim__free(r->ctx, r->to);
    *r = (glim_run){.ctx = r->ctx};
}

void glim__run_put(glim_run *r, const char *s, size_t n, uint32_t from, uint32_t to) {
    if (!room(r, n))
        return;
    bool same = to - from == n;
    for (size_t i = 0; i < n; i++, r->n++) {
        r->text[r->n] = s[i];
        r->from[r->n] = from + (uint32_t)(same ? i : i * (to - from) / n);
        r->to[r->n] = from + (uint32_t)(same ? i + 1 : (i + 1) * (to - from) / n);
    }
}

void glim__run_put_point(glim_run *r, uint32_t cp, uint32_t from, uint32_t to) {
    char bytes[4];
    glim__run_put(r, bytes, (size_t)glim__utf8_encode(cp, bytes), from, to);
}

void glim__run_copy(glim_run *r, const glim_run *other, size_t a, size_t b) {
    if (a >= b || !room(r, b - a))
        return;
    memcpy(r->text + r->n, other->text + a, b - a);
    memcpy(r->from + r->n, other->from + a, (b - a) * sizeof *r->from);
    memcpy(r->to + r->n, other->to + a, (b - a) * sizeof *r->to);
    r->n += b - a;
}

void glim__cuts_add(glim_cuts *c, size_t start, size_t end) {
    if (start >= end || c->failed)
        return;
    if (c->count == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 64;
        glim_cut *at = glim__realloc(c->ctx, c->at, cap * sizeof *at);
        c->failed = !at;
        if (!at)
            return;
        c->at = at;
        c->cap = cap;
    }
    c->at[c->count++] = (glim_cut){(uint32_t)start, (uint32_t)end};
}

void glim__cuts_release(glim_cuts *c) {
    glim__free(c->ctx, c->at);
    *c = (glim_cuts){.ctx = c->ctx};
}
