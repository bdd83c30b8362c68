/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of black boxes: two lines, the second one under the classes of the first;
   then the same bytes as an answer of the OpenAI API. */
#include "predict/openai.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A copy that ends where the answer ends, so that a read behind it is seen. */
static char *copy_of(const uint8_t *data, size_t n) {
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    return text;
}

static void answer(glim_black_box *box, const uint8_t *data, size_t n) {
    enum { INPUTS = 2 };
    glim_error err;
    char *text = copy_of(data, n);
    box->n_fresh = INPUTS;
    if (box->info.n_classes)
        box->fresh = glim__calloc(box->ctx, INPUTS, box->info.n_classes * sizeof *box->fresh);
    glim__batch_answer(box, text, n, 0, INPUTS, &err);
    glim__free(box->ctx, box->fresh);
    box->fresh = NULL;
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static glim_context *ctx;
    static const char *const labels[] = {"positive", "negative"};
    glim_context_options options = {.threads = 1};
    glim_black_box *box;
    glim_error err;
    glim_top top;
    double sum;
    size_t tokens;
    if (!ctx && glim_context_new(&ctx, &options, &err))
        return 0;
    if (glim_black_box_open(&box, ctx, "process:true", NULL, &err))
        return 0;
    const uint8_t *line = n ? memchr(data, '\n', n) : NULL;
    size_t first = line ? (size_t)(line - data) : n;
    answer(box, data, first);
    if (line)
        answer(box, line + 1, n - first - 1);
    char *text = copy_of(data, n);
    for (int chat = 0; chat < 2; chat++)
        if (!glim__openai_top(box, text, n, chat, &top, &err))
            for (size_t k = 0; k < 2; k++)
                glim__openai_label(&top, labels, 2, k);
    glim__openai_echo(box, text, n, 3, 9, &sum, &tokens, &err);
    free(text);
    glim_black_box_close(box);
    return 0;
}
