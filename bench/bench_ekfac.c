/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EK-FAC on one thread: factors, then pairwise scores, of rows of token ids.
 * usage: bench_ekfac FOLDER SAMPLES TOKENS QUERIES, the folder a model with ids.bin, as
 * bench/ekfac.py makes it. Scores go to glim.bin, as the peer scales them.
 */
#include "influence/ekfac.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { BATCH = 16, LONGEST = 512 };

struct rows {
    const glim_model *m;
    const int32_t *ids;
    size_t T, first;
    const glim_pass_visitor *visitor;
    const uint8_t *chosen;
    double fitted; /* processor seconds when the queries begin */
    bool queries;
    struct rows *train;
};

static double seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_utime.tv_sec + 1e-6 * (double)use.ru_utime.tv_usec;
}

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    const struct rows *r = data;
    size_t n;
    const glim_weight *all = glim_model_weights(r->m, &n);
    for (size_t i = 0; i < n; i++)
        if (r->chosen[i] && !strcmp(all[i].name, site->name))
            return r->visitor->weight(r->visitor->data, r->first + site->sequence, i, site->dims[0],
                                      site->data, site->value, err);
    return GLIM_OK;
}

static glim_status batch(struct rows *r, glim_session *s, size_t n, float *d, glim_error *err) {
    static const float minus = -1;
    uint32_t wanted[LONGEST];
    glim_sequence q[BATCH];
    glim_seed seeds[BATCH * LONGEST];
    glim_hook hook = {.pattern = "*.mlp.W_*", .actions = GLIM_HOOK_WEIGHT, .visit = see, .data = r};
    for (uint32_t t = 0; t < r->T; t++)
        wanted[t] = t;
    for (size_t i = 0; i < n; i++) {
        const int32_t *ids = r->ids + (r->first + i) * r->T;
        q[i] = (glim_sequence){.ids = ids, .count = r->T, .wanted = wanted, .n_wanted = r->T - 1};
        for (size_t k = 0; k + 1 < r->T; k++)
            seeds[i * (r->T - 1) + k] = (glim_seed){.sequence = i,
                                                    .wanted = k,
                                                    .ids = ids + k + 1,
                                                    .weights = &minus,
                                                    .n = 1,
                                                    .log_softmax = true};
    }
    glim_batch b = {.sequences = q, .count = n, .hooks = &hook, .n_hooks = 1, .keep = true};
    glim_status status = glim_session_forward(s, &b, err);
    return status ? status : glim_session_backward(s, seeds, n * (r->T - 1), d, err);
}

static glim_status go(void *data, size_t first, size_t count, bool sampled, const uint8_t *chosen,
                      const glim_pass_visitor *v, glim_error *err) {
    struct rows *r = data;
    glim_session *s = NULL;
    float *d = malloc(BATCH * r->T * (size_t)glim_model_facts(r->m)->width * sizeof *d);
    glim_status status = d ? glim_session_new(&s, r->m, 0, err) : GLIM_ENOMEM;
    if (r->queries && r->train->fitted == 0)
        r->train->fitted = seconds();
    r->visitor = v;
    r->chosen = chosen;
    for (size_t at = 0, n; at < count && !status; at += n) {
        n = count - at < BATCH ? count - at : BATCH;
        r->first = first + at;
        status = batch(r, s, n, d, err);
        if (!status && v->batch)
            status = v->batch(v->data, r->first, n, NULL, err);
    }
    glim_session_free(s);
    free(d);
    return status;
}

struct scores {
    float *values; /* (queries, samples) */
    size_t samples, queries;
};

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    const struct scores *s = data;
    for (size_t i = 0; i < b->count; i++)
        for (size_t q = 0; q < s->queries; q++)
            s->values[q * s->samples + b->first + i] =
                (float)(b->values[i * s->queries + q] * (double)s->samples);
    return GLIM_OK;
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    *sink = (glim_influence_sink){take, data};
    return GLIM_OK;
}

static int32_t *read_ids(const char *folder, size_t n) {
    char path[512];
    snprintf(path, sizeof path, "%.400s/ids.bin", folder);
    FILE *f = fopen(path, "rb");
    int32_t *ids = malloc(n * sizeof *ids);
    if (!f || !ids || fread(ids, sizeof *ids, n, f) != n)
        exit(2);
    fclose(f);
    return ids;
}

static void leave(const char *folder, const struct scores *s) {
    char path[512];
    snprintf(path, sizeof path, "%.400s/glim.bin", folder);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(s->values, sizeof(float), s->samples * s->queries, f) == 0)
        exit(2);
    fclose(f);
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 2;
    size_t N = strtoul(argv[2], NULL, 10), T = strtoul(argv[3], NULL, 10);
    size_t Q = strtoul(argv[4], NULL, 10), n;
    glim_context *ctx;
    glim_model *m;
    glim_error err = {0};
    uint8_t chosen[512] = {0};
    int32_t *ids = read_ids(argv[1], (N + Q) * T);
    if (T > LONGEST || glim_context_new(&ctx, &(glim_context_options){.threads = 1}, &err) ||
        glim_model_open(&m, ctx, argv[1], &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    const glim_weight *weights = glim_model_weights(m, &n);
    for (size_t i = 0; i < n && i < sizeof chosen; i++)
        chosen[i] = strstr(weights[i].name, ".mlp.W_") != NULL;
    struct scores s = {.values = calloc(N * Q, sizeof(float)), .samples = N, .queries = Q};
    struct rows train = {.m = m, .ids = ids, .T = T};
    struct rows asked = {.m = m, .ids = ids + N * T, .T = T, .queries = true, .train = &train};
    glim_ekfac k = {
        .ctx = ctx,
        .train = {go, &train, N},
        .queries = {go, &asked, Q},
        .factors = {.weights = weights, .chosen = chosen, .n_weights = n, .empirical = true},
        .damping = NAN,
        .sign = 1};
    glim_influence_out out = {.begin = begin, .data = &s};
    glim_ekfac_told told;
    double before = seconds();
    if (glim__ekfac_run(&k, &out, &told, &err))
        return fprintf(stderr, "%s\n", err.message), 1;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("ekfac: %.2f s of factors, %.2f s of scores, %.0f MiB\n", train.fitted - before,
           seconds() - train.fitted, (double)use.ru_maxrss / 1024);
    leave(argv[1], &s);
    glim_model_close(m);
    glim_context_free(ctx);
    free(s.values);
    free(ids);
    return 0;
}
