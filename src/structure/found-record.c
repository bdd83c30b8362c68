/* SPDX-License-Identifier: Apache-2.0 */
/* An input that was found as bytes, and back. Whose it is, is known by where it is kept. */
#include "structure/maximize.h"

void glim__found_release(glim_context *ctx, glim_found *f) {
    glim__free(ctx, f->text);
    glim__free(ctx, f->ids);
    glim__free(ctx, f->ends);
    glim__free(ctx, f->values);
    glim__free(ctx, f->best);
}

void glim__found_write(glim_buffer *b, const glim_found *f) {
    const double reals[] = {f->start, f->value, f->nll};
    glim__pack_number(b, f->n);
    glim__pack_number(b, f->pieces);
    glim__pack_number(b, f->n_best);
    glim__pack_number(b, f->asked);
    glim__pack_number(b, f->values != NULL);
    glim__buffer_append(b, reals, sizeof reals);
    glim__buffer_append(b, f->text, f->n);
    glim__buffer_append(b, f->ids, f->pieces * sizeof *f->ids);
    glim__buffer_append(b, f->ends, f->pieces * sizeof *f->ends);
    glim__buffer_append(b, f->best, f->n_best * sizeof *f->best);
    if (f->values)
        glim__buffer_append(b, f->values, f->pieces * sizeof *f->values);
}

static void *take(glim_unpacking *r, glim_context *ctx, size_t n, size_t size, bool *refused) {
    bool there = !r->failed && n <= (size_t)(r->end - r->at) / size;
    void *out = there ? glim__calloc(ctx, n + 1, size) : NULL;
    *refused = *refused || (there && !out);
    r->failed = r->failed || !out;
    if (out)
        glim__unpack_bytes(r, out, n * size);
    return out;
}

glim_status glim__found_read(glim_unpacking *r, glim_context *ctx, glim_found *f, glim_error *err) {
    double reals[3];
    bool refused = false;
    f->n = (size_t)glim__unpack_number(r);
    f->pieces = (size_t)glim__unpack_number(r);
    f->n_best = (size_t)glim__unpack_number(r);
    f->asked = (size_t)glim__unpack_number(r);
    bool by_piece = glim__unpack_number(r);
    glim__unpack_bytes(r, reals, sizeof reals);
    f->start = reals[0];
    f->value = reals[1];
    f->nll = reals[2];
    f->text = take(r, ctx, f->n, 1, &refused);
    f->ids = take(r, ctx, f->pieces, sizeof *f->ids, &refused);
    f->ends = take(r, ctx, f->pieces, sizeof *f->ends, &refused);
    f->best = take(r, ctx, f->n_best, sizeof *f->best, &refused);
    if (by_piece)
        f->values = take(r, ctx, f->pieces, sizeof *f->values, &refused);
    if (refused)
        return glim__oom(ctx, err, "what was found", f->n);
    return r->failed ? glim_fail(err, GLIM_EFORMAT, "what the store has of a search is broken")
                     : GLIM_OK;
}
