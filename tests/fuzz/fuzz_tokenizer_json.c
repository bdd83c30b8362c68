/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tokenizer_json.c: any bytes as a tokenizer.json, a SentencePiece model or a
 * list of tokens and ranks. What opens tokenises texts of many kinds, and every
 * token lies inside its text.
 */
#include "text/vocabulary-files.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const texts[] = {
    "The caf\xc3\xa9, e\xcc\x81\xcc\xa3 \xe4\xb8\xad\xe5\x9b\xbd \xef\xac\x81 12\r\n <mask>!",
    "ab  ba<s>a</s> [MASK] \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd",
    "\xe2\x96\x81\xe2\x96\x81x \xea\xb0\x81 \xe1\x84\x92\xe1\x85\xa1 \xc4\xb0'll",
    " ",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
};

static void check(const glim_token_list *list, size_t n, int32_t vocab) {
    for (size_t i = 0; i < list->count; i++) {
        const glim_token *t = &list->at[i];
        if (t->start > t->end || t->end > n || t->id < 0 || t->id >= vocab)
            abort();
    }
}

static void use(const glim_tokenizer *t) {
    const glim_tokenizer_info *info = glim__tokenizer_info(t);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        glim_token_list list = {.ctx = t->ctx};
        glim_error err;
        size_t n = strlen(texts[i]);
        if (!glim__tokenize(t, &list, texts[i], n, 0, true, i % 2, &err))
            check(&list, n, info->vocab);
        else if (!err.message[0])
            abort();
        glim__token_list_release(&list);
    }
    glim_tokens *tokens;
    if (!glim__tokens_from_pair(&tokens, t, texts[0], strlen(texts[0]), "b", 1, NULL)) {
        uint8_t *types = malloc(tokens->count + 1);
        if (types)
            glim__token_types(t, tokens, types);
        free(types);
        glim_tokens_free(tokens);
    }
    for (int32_t id = -1; id <= info->vocab && id < 300; id++)
        if (glim__token_bytes(t, id).len && !glim__token_bytes(t, id).data)
            abort();
    glim__token_by_bytes(t, " a", 2);
    glim__token_by_name(t, "<s>");
}

static glim_status read_it(glim_tokenizer *t, glim_error *err) {
    glim_pipeline *p = t->pipeline;
    char first = p->file.len ? p->file.data[0] : 0;
    if (first == '{')
        return glim__tokenizer_json_read(p, err);
    glim_status status =
        first == '\n' ? glim__sentencepiece_scan(p, "fuzz", err) : glim__tiktoken_count(p, err);
    if (!status)
        status = glim__vocabulary_room(t, p->n_pieces, err);
    if (!status)
        status = first == '\n' ? glim__sentencepiece_read(p, "fuzz", false, err)
                               : glim__tiktoken_read(p, err);
    return status ? status : glim__vocabulary_finish(p, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    glim_context *ctx;
    glim_tokenizer *t;
    glim_error err = {0};
    glim_context_options options = {.threads = 1, .memory = 256 << 20};
    if (glim__context_new(&ctx, &options, NULL) != GLIM_OK)
        return 0;
    glim_status status = glim__pipeline_new(&t, ctx, &err);
    if (!status) {
        glim__buffer_append(&t->pipeline->file, data, size);
        status = read_it(t, &err);
        if (!status)
            use(t);
        else if (err.status != status || !err.message[0])
            abort();
    }
    glim__tokenizer_close(t);
    if (glim_context_bytes(ctx) != 0)
        abort();
    glim_context_free(ctx);
    return 0;
}
