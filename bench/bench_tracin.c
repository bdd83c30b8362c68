/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_tracin MODEL FILE TEXT LABEL [SAMPLES] [THREADS]: TracIn over texts with their labels
 * as answers ("" = the texts themselves), beside the forward and backward that `glim explain
 * --method gradient` does for each text by itself. Processor seconds; one JSON object.
 */
#include "influence/first-order.h"
#include "influence/gradient-work.h"

#include <glim/glim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static glim_error err;
static uint64_t tokens;

static double processor_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec;
}

/* Each text alone, one target: what explain does. */
static glim_status explain_each(const glim_model *m, glim_samples *s, size_t n) {
    glim_session *session;
    glim_arena arena;
    size_t C = (size_t)glim_model_facts(m)->width;
    glim__arena_init(&arena, glim_model_context(m), 1 << 16);
    glim_status status = glim_session_new(&session, m, 0, &err);
    for (size_t i = 0; i < n && !status; i++) {
        glim_example x;
        const float one = 1;
        status = glim__samples_read(s, i, 1, &arena, &x, &err);
        float *d = malloc(x.count * C * sizeof *d);
        uint32_t last = (uint32_t)x.count - 1;
        glim_sequence q = {.ids = x.ids, .count = x.count, .wanted = &last, .n_wanted = 1};
        glim_batch b = {.sequences = &q, .count = 1, .keep = true};
        glim_seed seed = {.ids = x.ids, .weights = &one, .n = 1};
        if (!status)
            status = glim_session_forward(session, &b, &err);
        if (!status)
            status = glim_session_backward(session, &seed, 1, d, &err);
        tokens += x.count;
        free(d);
        glim__arena_reset(&arena);
    }
    glim__arena_release(&arena);
    glim_session_free(session);
    return status;
}

static glim_status nothing(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                           const float *a, glim_error *e) {
    return GLIM_OK;
}

static glim_status drop(void *data, const glim_influence_block *b, glim_error *e) {
    return GLIM_OK;
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *e) {
    *sink = (glim_influence_sink){.take = drop};
    return GLIM_OK;
}

static glim_status measure(const glim_model *m, glim_samples *s, size_t n, size_t queries) {
    glim_gradients train;
    glim_model_gradients room;
    const glim_pass_visitor visitor = {.weight = nothing};
    const glim_influence_out out = {.begin = begin};
    double t[4];
    glim_status status = glim__model_gradients_init(&train, &room, m, s, NULL, &err);
    if (status)
        return status;
    glim_gradients query = train; /* the first samples */
    train.n = n;
    query.n = queries;
    t[0] = processor_seconds();
    status = explain_each(m, s, n);
    t[1] = processor_seconds();
    if (!status)
        status = train.walk(train.data, 0, n, &visitor, &err);
    t[2] = processor_seconds();
    const glim_first_order f = {.train = &train, .queries = &query};
    if (!status)
        status = glim__first_order_run(&f, &out, &err);
    t[3] = processor_seconds();
    if (!status)
        printf("{\"samples\": %zu, \"tokens\": %llu, \"queries\": %zu, \"explain\": %.2f, "
               "\"walk\": %.2f, \"tracin\": %.2f, \"ratio\": %.3f, \"peak\": %llu}\n",
               n, (unsigned long long)tokens, queries, t[1] - t[0], t[2] - t[1], t[3] - t[2],
               (t[1] - t[0]) / (t[3] - t[2]),
               (unsigned long long)glim_context_peak(glim_model_context(m)));
    glim__model_gradients_release(&room);
    return status;
}

int main(int argc, char **argv) {
    glim_context *ctx = NULL;
    glim_model *model = NULL;
    glim_samples *samples = NULL;
    if (argc < 5) {
        fprintf(stderr, "usage: bench_tracin MODEL FILE TEXT LABEL [SAMPLES] [THREADS]\n");
        return 2;
    }
    glim_context_options options = {.threads = argc > 6 ? atoi(argv[6]) : 1};
    const glim_samples_options columns = {.text = argv[3], .label = *argv[4] ? argv[4] : NULL};
    glim_status status = glim_context_new(&ctx, &options, &err);
    if (!status)
        status = glim_model_open(&model, ctx, argv[1], &err);
    if (!status)
        status = glim__samples_open(&samples, model, argv[2], &columns, &err);
    size_t n = argc > 5 ? (size_t)atoi(argv[5]) : 1000;
    if (!status && n > glim__samples_count(samples))
        n = glim__samples_count(samples);
    if (!status)
        status = measure(model, samples, n, 1);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    glim__samples_close(samples);
    glim_model_close(model);
    glim_context_free(ctx);
    return status != GLIM_OK;
}
