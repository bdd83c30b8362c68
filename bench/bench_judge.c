/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_judge MODEL FIT TEXTS METHODS METRICS UNITS TOKENS DRAWS OUT: glim's side of judge.py.
 * Each line of TEXTS, cut to TOKENS where that is not 0, is explained by each of METHODS
 * ("occlusion,gradient"), and each explanation judged by METRICS, beside DRAWS random orders. FIT
 * is
 * "-", or a fitted model that is put on MODEL. One thread; processor time. OUT gets the times,
 * tokens, units, and the masks that each judgement wants, without repeats, with glim's values, so
 * that the peer does the same work and is seen to.
 */
#include "base/buffer.h"
#include "base/json.h"
#include "base/map.h"
#include "explain/methods.h"
#include "predict/memo.h"

#include <glim/glim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MOST = 16 };

struct bench {
    glim_context *ctx;
    glim_model *base, *model;
    glim_linear *linear;
    const glim_method *methods[MOST];
    const glim_metric *metrics[2 * MOST];
    glim_unit_kind units;
    size_t tokens, draws;
    double explain, evaluate; /* seconds */
    uint64_t forward, asked;
    json_t *told; /* of the text under way */
};

/* Stands before p->values while a judgement is recorded. */
static struct {
    glim_status (*values)(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err);
    json_t *masks; /* "0110": value */
} record;

static void die(const glim_error *err) {
    fprintf(stderr, "bench: %s\n", err->message);
    exit(1);
}

static double processor(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + 1e-6 * (double)u.ru_utime.tv_usec;
}

static glim_status listen(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    size_t U = p->units->count;
    char *text = calloc(U + 1, 1);
    glim_status status = record.values(p, keep, n, absent, out, err);
    for (size_t i = 0; i < n && !status; i++) {
        for (size_t u = 0; u < U; u++)
            text[u] = keep[i * U + u] ? '1' : '0';
        json_object_set_new(record.masks, text, json_real(out[i * p->n_rows]));
    }
    free(text);
    return status;
}

/* The method's defaults, but as many steps as the peer takes. */
static void *options_of(const glim_method *m) {
    glim_error err;
    void *opts = calloc(1, m->opts_size + 1);
    const glim_param *refine = m->params ? glim_param_find(m->params, "refine") : NULL;
    if (m->params)
        glim_param_defaults(m->params, opts);
    if (refine && glim_param_set(refine, opts, "none", &err))
        die(&err);
    return opts;
}

static void judge_method(struct bench *b, glim_predictor *p, const glim_method *m) {
    glim_error err;
    void *opts = options_of(m);
    glim_document *doc = NULL;
    glim_evaluation *e = NULL;
    glim_evaluate_options how = {
        .metrics = b->metrics, .draws = b->draws, .method = m, .method_opts = opts};
    double t = processor();
    if (glim_explain(&doc, p, m, opts, 0, &err))
        die(&err);
    b->explain += processor() - t;
    record.values = p->values;
    record.masks = json_object();
    p->values = listen;
    t = processor();
    if (glim_evaluate(&e, p, doc, &how, &err))
        die(&err);
    b->evaluate += processor() - t;
    b->asked += e->asked;
    p->values = record.values;
    if (b->told)
        json_object_set_new(json_object_get(b->told, "masks"), m->name, json_incref(record.masks));
    json_decref(record.masks);
    glim_evaluation_free(e);
    glim_document_free(doc);
    free(opts);
}

static void describe(json_t *told, const glim_predictor *p, const glim_tokens *t) {
    json_t *ids = json_array(), *units = json_array();
    for (size_t i = 0; i < t->count; i++)
        json_array_append_new(ids, json_integer(t->at[i].id));
    for (size_t u = 0; u < p->units->count; u++) {
        const glim_unit *unit = &p->units->at[u];
        json_array_append_new(
            units, json_pack("[iib]", (int)unit->first, (int)unit->count, (int)unit->fixed));
    }
    json_object_set_new(told, "ids", ids);
    json_object_set_new(told, "units", units);
    json_object_set_new(told, "value", json_real(p->value[0]));
    json_object_set_new(told, "masks", json_object());
}

static void judge_text(struct bench *b, const char *text, json_t *all) {
    glim_error err;
    glim_tokens *t = NULL;
    glim_predictor *p = NULL;
    glim_memo *memo = NULL;
    uint64_t forward, backward;
    glim_target_options o = {.units = b->units, .output = b->linear ? "prob" : "logprob"};
    if (glim_model_tokenize(b->model, &t, text, strlen(text), &err))
        die(&err);
    if (b->tokens && b->tokens < t->count) {
        t->count = b->tokens;
        t->text_len = t->at[t->count - 1].end;
    }
    double began = processor();
    if (glim_predictor_lm(&p, b->model, t, &o, &err) || glim__memo_open(&memo, p, &err))
        die(&err);
    b->explain += processor() - began;
    b->told = json_object();
    describe(b->told, p, t);
    for (size_t i = 0; b->methods[i]; i++)
        judge_method(b, p, b->methods[i]);
    p->cost(p, &forward, &backward);
    b->forward += forward;
    json_array_append_new(all, b->told);
    glim__memo_close(memo);
    glim_predictor_free(p);
    glim_tokens_free(t);
}

static void judge_all(struct bench *b, const char *path, json_t *all) {
    glim_error err;
    glim_buffer file;
    glim__buffer_init(&file, b->ctx);
    if (glim__file_read(&file, path, 1 << 24, &err))
        die(&err);
    for (char *line = strtok(file.data, "\n"); line; line = strtok(NULL, "\n"))
        judge_text(b, line, all);
    glim__buffer_release(&file);
}

static void read_names(struct bench *b, char *methods, char *metrics) {
    size_t n = 0;
    for (char *s = strtok(methods, ","); s && n < MOST - 1; s = strtok(NULL, ","))
        b->methods[n++] = glim_method_find(s);
    n = 0;
    for (char *s = strtok(metrics, ","); s && n < 2 * MOST - 1; s = strtok(NULL, ","))
        b->metrics[n++] = glim_metric_find(s);
}

static void open_all(struct bench *b, const char *model, const char *fit) {
    glim_error err;
    if (glim_context_new(&b->ctx, &(glim_context_options){.threads = 1}, &err) ||
        glim_model_open(&b->base, b->ctx, model, &err))
        die(&err);
    b->model = b->base;
    if (strcmp(fit, "-") && (glim_linear_open(&b->linear, b->ctx, fit, &err) ||
                             glim_model_open_fitted(&b->model, b->base, b->linear, &err)))
        die(&err);
}

int main(int argc, char **argv) {
    struct bench b = {0};
    glim_error err;
    if (argc != 10) {
        fprintf(stderr, "usage: bench_judge MODEL FIT TEXTS METHODS METRICS UNITS TOKENS DRAWS "
                        "OUT\n");
        return 2;
    }
    open_all(&b, argv[1], argv[2]);
    read_names(&b, argv[4], argv[5]);
    b.units = strcmp(argv[6], "token") ? GLIM_UNIT_WORD : GLIM_UNIT_TOKEN;
    b.tokens = (size_t)atoi(argv[7]);
    b.draws = (size_t)atoi(argv[8]);
    json_t *texts = json_array();
    judge_all(&b, argv[3], texts);
    json_t *out = json_pack("{sfsfsIsIso}", "explain", b.explain, "evaluate", b.evaluate, "forward",
                            (json_int_t)b.forward, "asked", (json_int_t)b.asked, "texts", texts);
    if (!out || json_dump_file(out, argv[9], JSON_COMPACT)) {
        glim_fail(&err, GLIM_EIO, "'%s' was not written", argv[9]);
        die(&err);
    }
    json_decref(out);
    if (b.linear)
        glim_model_close(b.model);
    glim_linear_close(b.linear);
    glim_model_close(b.base);
    glim_context_free(b.ctx);
    return 0;
}
