/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pairs MODEL [THREADS] [SOURCE WRITTEN]: an encoder-decoder reads that many tokens
 * and has written that many; forward, and forward with the walk back from one logit of
 * the last row to the source's embeddings, the best of several runs as JSON.
 */
#include "base/context.h"
#include "base/rng.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>

struct bench {
    glim_session *session;
    glim_sequence source, written;
    float *d;
};

static void die(const glim_error *err) {
    fprintf(stderr, "bench: %s\n", err->message);
    exit(1);
}

static void pass(struct bench *b, bool back) {
    glim_error err;
    int32_t id = 100;
    float one = 1;
    glim_batch batch = {
        .sequences = &b->written, .count = 1, .keep = back, .sources = &b->source, .n_sources = 1};
    glim_seed seed = {.ids = &id, .weights = &one, .n = 1};
    if (glim_session_forward(b->session, &batch, &err) ||
        (back && glim_session_backward(b->session, &seed, 1, b->d, &err)))
        die(&err);
}

static double best(struct bench *b, bool back) {
    double top = 1e9, spent = 0;
    pass(b, back);
    for (int i = 0; i < 5 || spent < 3; i++) {
        double t = glim__seconds();
        pass(b, back);
        t = glim__seconds() - t;
        spent += t;
        top = t < top ? t : top;
    }
    return top;
}

static int32_t *some_ids(size_t n, uint64_t stream) {
    int32_t *ids = calloc(n, sizeof *ids);
    for (size_t i = 0; i < n && ids; i++)
        ids[i] = (int32_t)(100 + glim__rng_below(1, stream, i, 20000));
    return ids;
}

int main(int argc, char **argv) {
    glim_context *ctx;
    glim_model *model;
    glim_error err;
    struct bench b = {0};
    glim_context_options options = {.threads = argc > 2 ? atoi(argv[2]) : 2};
    size_t S = argc > 4 ? strtoul(argv[3], NULL, 10) : 128;
    size_t T = argc > 4 ? strtoul(argv[4], NULL, 10) : 64;
    uint32_t last = (uint32_t)T - 1;
    if (argc < 2 || !S || !T) {
        fprintf(stderr, "usage: bench_pairs MODEL [THREADS] [SOURCE WRITTEN]\n");
        return 2;
    }
    if (glim_context_new(&ctx, &options, &err) || glim_model_open(&model, ctx, argv[1], &err) ||
        glim_session_new(&b.session, model, 0, &err))
        die(&err);
    b.source = (glim_sequence){.ids = some_ids(S, 1), .count = S};
    b.written = (glim_sequence){.ids = some_ids(T, 2), .count = T, .wanted = &last, .n_wanted = 1};
    b.d = malloc(S * (size_t)glim_model_facts(model)->width * sizeof *b.d);
    printf("{\"forward\": %.6f, ", best(&b, false));
    printf("\"gradient\": %.6f}\n", best(&b, true));
    return 0;
}
