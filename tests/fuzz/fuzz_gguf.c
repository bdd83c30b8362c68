/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gguf.c: any bytes as a model file. What opens is walked to the end:
 * every value, every string, the first and last byte of every tensor.
 */
#include "file/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void walk_value(const glim_gguf *g, const glim_gguf_value *v) {
    const void *cursor = NULL;
    char key[64];
    for (uint64_t i = 0; i < v->count; i++) {
        if (v->element == GLIM_GGUF_STRING) {
            glim_gguf_string s = glim__gguf_next_string(v, &cursor);
            if (s.len)
                sink = (unsigned char)(s.data[0] ^ s.data[s.len - 1]);
        } else {
            sink = glim__gguf_element(v, i) > 0;
        }
    }
    if (v->key.len >= sizeof key)
        return;
    memcpy(key, v->key.data, v->key.len);
    key[v->key.len] = '\0';
    int64_t x;
    double r;
    bool yes;
    glim_gguf_string s;
    glim_error err;
    glim__gguf_int(g, key, 1, 1 << 20, &x, NULL, &err);
    glim__gguf_real(g, key, &r, NULL, &err);
    glim__gguf_bool(g, key, &yes, NULL, &err);
    glim__gguf_text(g, key, &s, NULL, &err);
    if (glim__gguf_find(g, key) != v)
        abort();
}

static void walk(const glim_gguf *g) {
    for (size_t i = 0; i < glim__gguf_value_count(g); i++)
        walk_value(g, glim__gguf_value_at(g, i));
    for (size_t i = 0; i < glim__gguf_tensor_count(g); i++) {
        const glim_tensor *t = glim__gguf_tensor_at(g, i);
        const unsigned char *bytes = t->data;
        sink = bytes[0] ^ bytes[t->bytes - 1];
        if (glim__gguf_tensor(g, t->name) != t)
            abort();
    }
    sink = (unsigned char)glim__gguf_digest(g)[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_context *ctx;
    glim_gguf *g;
    glim_error err;
    glim_context_options options = {.threads = 1, .memory = 256 << 20};
    if (glim__context_new(&ctx, &options, NULL) != GLIM_OK)
        return 0;
    glim_status status = glim__gguf_open_memory(&g, ctx, data, size, "fuzz.gguf", &err);
    if (status == GLIM_OK)
        walk(g);
    else if (err.status != status || !err.message[0])
        abort();
    glim__gguf_close(g);
    if (glim_context_bytes(ctx) != 0)
        abort();
    glim_context_free(ctx);
    return 0;
}
