/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_safetensors.c: any bytes as a safetensors file. What opens is walked to
 * the end, and its tensors must fill the file.
 */
#include "file/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void walk(const glim_safetensors *st, size_t size) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < glim__safetensors_count(st); i++) {
        const glim_st_tensor *t = glim__safetensors_at(st, i);
        const unsigned char *p = t->data;
        bytes += t->bytes;
        if (t->bytes)
            sink = p[0] ^ p[t->bytes - 1];
        if (glim__safetensors_find(st, t->name) != t)
            abort();
    }
    if (bytes > size - 8)
        abort();
    sink = glim__safetensors_metadata(st, "format") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_context *ctx;
    glim_safetensors *st;
    glim_error err;
    glim_context_options options = {.threads = 1, .memory = 256 << 20};
    if (glim__context_new(&ctx, &options, NULL) != GLIM_OK)
        return 0;
    glim_status status = glim__safetensors_open_memory(&st, ctx, data, size, "fuzz", &err);
    if (status == GLIM_OK)
        walk(st, size);
    else if (err.status != status || !err.message[0])
        abort();
    glim__safetensors_close(st);
    if (glim_context_bytes(ctx) != 0)
        abort();
    glim_context_free(ctx);
    return 0;
}
