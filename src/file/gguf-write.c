/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header is made in memory, since offsets of the data stand in it; the data follow from
 * where they are, with zeros between them. Quantised tensors and arrays are left out: nothing
 * here writes a model.
 */
#include "file/gguf-write.h"

#include "base/buffer.h"
#include "base/outfile.h"

#include <string.h>

enum { ALIGNMENT = 32, VERSION = 3, TYPE_U32 = 4, TYPE_STRING = 8, TENSOR_F32 = 0 };

static void put_u32(glim_buffer *b, uint32_t x) {
    glim__buffer_append(b, &x, sizeof x);
}

static void put_u64(glim_buffer *b, uint64_t x) {
    glim__buffer_append(b, &x, sizeof x);
}

static void put_string(glim_buffer *b, const char *s) {
    put_u64(b, strlen(s));
    glim__buffer_puts(b, s);
}

static uint64_t bytes_of(const glim_gguf_floats *t) {
    uint64_t n = sizeof(float);
    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
}

static uint64_t padding(uint64_t n) {
    return (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT;
}

static void put_entry(glim_buffer *b, const glim_gguf_entry *e) {
    put_string(b, e->key);
    put_u32(b, e->text ? TYPE_STRING : TYPE_U32);
    if (e->text)
        put_string(b, e->text);
    else
        put_u32(b, e->number);
}

static void put_tensor(glim_buffer *b, const glim_gguf_floats *t, uint64_t at) {
    put_string(b, t->name);
    put_u32(b, (uint32_t)t->n_dims);
    for (int i = 0; i < t->n_dims; i++)
        put_u64(b, t->dims[i]);
    put_u32(b, TENSOR_F32);
    put_u64(b, at);
}

static glim_status put_data(glim_outfile *f, const glim_gguf_floats *t, glim_error *err) {
    static const char zeros[ALIGNMENT];
    uint64_t n = bytes_of(t);
    glim_status status = glim__outfile_write(f, t->data, (size_t)n, err);
    return status ? status : glim__outfile_write(f, zeros, (size_t)padding(n), err);
}

glim_status glim__gguf_write(glim_context *ctx, const char *path, const glim_gguf_entry *entries,
                             size_t n_entries, const glim_gguf_floats *tensors, size_t n_tensors,
                             glim_error *err) {
    glim_buffer b;
    glim_outfile f = {.fd = -1};
    uint64_t at = 0;
    for (size_t i = 0; i < n_tensors; i++)
        if (tensors[i].n_dims < 1 || tensors[i].n_dims > 4 || !bytes_of(&tensors[i]))
            return glim_fail(err, GLIM_EINTERNAL, "tensor '%s' has %d dimensions, or nothing in it",
                             tensors[i].name, tensors[i].n_dims);
    glim__buffer_init(&b, ctx);
    glim__buffer_puts(&b, "GGUF");
    put_u32(&b, VERSION);
    put_u64(&b, n_tensors);
    put_u64(&b, n_entries);
    for (size_t i = 0; i < n_entries; i++)
        put_entry(&b, &entries[i]);
    for (size_t i = 0; i < n_tensors; i++) {
        put_tensor(&b, &tensors[i], at);
        at += bytes_of(&tensors[i]);
        at += padding(at);
    }
    while (b.len % ALIGNMENT && !b.failed)
        glim__buffer_putc(&b, 0);
    glim_status status = b.failed ? glim__oom(ctx, err, path, b.len) : GLIM_OK;
    if (!status)
        status = glim__outfile_open(&f, path, err);
    if (!status)
        status = glim__outfile_write(&f, b.data, b.len, err);
    for (size_t i = 0; i < n_tensors && !status; i++)
        status = put_data(&f, &tensors[i], err);
    if (!status)
        status = glim__outfile_commit(&f, err);
    glim__outfile_abort(&f);
    glim__buffer_release(&b);
    return status;
}
