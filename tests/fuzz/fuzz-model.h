/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny models that the fuzzers of texts and chats use, opened once. */
#ifndef GLIM_FUZZ_MODEL_H
#define GLIM_FUZZ_MODEL_H

#include <glim/glim.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline glim_model *fuzz_model(size_t which) {
    static const char *const files[] = {"llama", "qwen2", "gemma3"};
    static glim_context *ctx;
    static glim_model *models[3];
    char path[512] = GLIM_TESTS "/golden/models/";
    glim_context_options options = {.threads = 1};
    glim_error err;
    if (!ctx && glim_context_new(&ctx, &options, &err))
        abort();
    strcat(path, files[which % 3]);
    strcat(path, ".gguf");
    if (!models[which % 3] && glim_model_open(&models[which % 3], ctx, path, &err))
        abort();
    return models[which % 3];
}

/* Spans lie in the text, in order, and units cover all tokens. */
static inline void fuzz_check_tokens(glim_tokens *t) {
    glim_error err;
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i].end < t->at[i].start || t->at[i].end > t->text_len)
            abort();
    for (int kind = GLIM_UNIT_TOKEN; kind <= GLIM_UNIT_TURN; kind++) {
        glim_units units;
        size_t covered = 0;
        if (glim_units_make(&units, t, (glim_unit_kind)kind, &err))
            continue;
        for (size_t u = 0; u < units.count; u++) {
            if (units.at[u].first != covered)
                abort();
            covered += units.at[u].count;
        }
        if (covered != t->count)
            abort();
        glim_units_free(&units);
    }
    glim_tokens_free(t);
}

#endif
