/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_embed MODEL [THREADS]: embeddings of the 1,000 sentences of peers.py, texts in
 * and numbers out, the best of several runs after a warm-up; one JSON object.
 */
#include "base/context.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCES = 1000, LONGEST = 512 };

/* The words of peers.py. */
static const char words_text[] =
    "The old bridge had been closed since the flood, and the people of the valley went the long "
    "way round by the mill. In the evening the miller's daughter counted the carts that passed, "
    "wrote the number in a blue book, and read it to her father. When the engineers came at last "
    "to measure the river, they found that nobody else had kept any record at all. So they bought "
    "the blue book for the price of a horse, and built the new bridge where the carts had gone. ";

static char sentences[SENTENCES][LONGEST];

/* Sentence i: 5 to 41 words, taken round and round. As sentences_of in peers.py. */
static void write_sentences(void) {
    static char copy[sizeof words_text];
    char *words[200], *save = NULL;
    size_t n = 0;
    memcpy(copy, words_text, sizeof copy);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    for (size_t i = 0; i < SENTENCES; i++)
        for (size_t k = 0; k < 5 + i * 7919 % 37; k++) {
            if (k)
                strcat(sentences[i], " ");
            strcat(sentences[i], words[(i * 31 + k) % n]);
        }
}

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *model = NULL;
    glim_error err;
    const char *texts[SENTENCES];
    double top = 1e9;
    glim_context_options options = {.threads = argc > 2 ? atoi(argv[2]) : 2};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_embed MODEL [THREADS]\n");
        return 2;
    }
    write_sentences();
    for (size_t i = 0; i < SENTENCES; i++)
        texts[i] = sentences[i];
    glim_status status = glim_context_new(&ctx, &options, &err);
    if (!status)
        status = glim_model_open(&model, ctx, argv[1], &err);
    float *out =
        status ? NULL : malloc(SENTENCES * sizeof *out * (size_t)glim_model_facts(model)->outputs);
    for (int i = 0; i < 6 && !status; i++) {
        double t = glim__seconds();
        status = glim_model_embed(model, texts, SENTENCES, out, &err);
        t = glim__seconds() - t;
        top = i && t < top ? t : top;
    }
    if (status)
        fprintf(stderr, "bench: %s\n", err.message);
    else
        printf("{\"embed_1000\": %.6f, \"first\": [%.6f, %.6f, %.6f]}\n", top, out[0], out[1],
               out[2]);
    free(out);
    glim_model_close(model);
    glim_context_free(ctx);
    return status ? 1 : 0;
}
