/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiny models against Captum's recordings: integrated gradients at the same
 * baseline and nodes, norms of the gradient, input times gradient, and deletion.
 * The recordings are found by scanning.
 */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "default-options.h"
#include "explain/methods.h"
#include "file/safetensors.h"
#include "predict/lm.h"

#define GOLDEN GLIM_TESTS "/golden/models/"

struct bench {
    glim_context *ctx;
    glim_model *model;
    glim_tokens *tokens;
    glim_predictor *p;
    glim_safetensors *st;
    char target[64];
};

static float *recorded(const struct bench *b, const char *name, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(b->st, name);
    if (!t)
        return NULL;
    assert_int_equal(t->bytes, n * sizeof(float));
    float *x = malloc(n * sizeof *x);
    memcpy(x, t->data, n * sizeof *x);
    return x;
}

static int64_t recorded_id(const struct bench *b, const char *name, size_t i) {
    const glim_st_tensor *t = glim__safetensors_find(b->st, name);
    int64_t id;
    assert_non_null(t);
    memcpy(&id, (const char *)t->data + 8 * i, 8);
    return id;
}

/* The recorded ids as an input of their own, all scored, whatever the text. */
static void open_bench(struct bench *b, const char *file, int threads, uint64_t memory) {
    char path[512];
    glim_error err = {0};
    glim_context_options options = {.threads = threads, .memory = memory};
    memset(b, 0, sizeof *b);
    assert_int_equal(glim_context_new(&b->ctx, &options, &err), GLIM_OK);
    snprintf(path, sizeof path, GOLDEN "%s", file);
    assert_int_equal(glim__safetensors_open(&b->st, b->ctx, path, &err), GLIM_OK);
    snprintf(path, sizeof path, GOLDEN "%s", glim__safetensors_metadata(b->st, "model"));
    if (glim_model_open(&b->model, b->ctx, path, &err))
        fail_msg("%s", err.message);
    size_t T = (size_t)glim__safetensors_find(b->st, "ids")->dims[0];
    b->tokens = glim__calloc(b->ctx, 1, sizeof *b->tokens);
    b->tokens->ctx = b->ctx;
    b->tokens->at = glim__calloc(b->ctx, T, sizeof *b->tokens->at);
    b->tokens->text = glim__calloc(b->ctx, 1, T + 1);
    b->tokens->text_len = b->tokens->count = T;
    for (size_t i = 0; i < T; i++) {
        b->tokens->text[i] = 'x';
        b->tokens->at[i] = (glim_token){
            .id = (int32_t)recorded_id(b, "ids", i), .start = i, .end = i + 1, .turn = -1};
    }
    glim_target_options o = {.units = GLIM_UNIT_TOKEN, .output = "logit"};
    if (glim_predictor_lm(&b->p, b->model, b->tokens, &o, &err))
        fail_msg("%s", err.message);
    assert_int_equal(((glim_lm *)b->p)->rows[0].id, recorded_id(b, "target", 0));
}

static void close_bench(struct bench *b) {
    glim_predictor_free(b->p);
    glim_tokens_free(b->tokens);
    glim_model_close(b->model);
    glim__safetensors_close(b->st);
    glim_context_free(b->ctx);
}

static glim_document *explain(struct bench *b, const char *method, const char *const *settings) {
    const glim_method *m = glim_method_find(method);
    glim_document *doc = NULL;
    glim_error err = {0};
    void *opts = default_options(m);
    for (; settings && *settings; settings += 2)
        assert_int_equal(
            glim_param_set(glim_param_find(m->params, settings[0]), opts, settings[1], &err),
            GLIM_OK);
    if (glim_explain(&doc, b->p, m, opts, 0, &err))
        fail_msg("%s", err.message);
    free(opts);
    return doc;
}

static int compare(struct bench *b, const char *file, const char *method,
                   const char *const *settings, const char *name, double tolerance) {
    size_t T = b->tokens->count;
    float *want = recorded(b, name, T);
    if (!want)
        return 0;
    glim_document *doc = explain(b, method, settings);
    double scale = 1e-6;
    for (size_t t = 0; t < T; t++)
        scale = fmax(scale, fabs(want[t]));
    for (size_t t = 0; t < T; t++)
        if (!(fabs(doc->scores[t] - want[t]) <= tolerance * scale))
            fail_msg("%s, %s, token %zu: %g, recorded %g", file, name, t, doc->scores[t], want[t]);
    glim_document_free(doc);
    free(want);
    return 1;
}

/* The recorded baseline is one token's embedding: make it the neutral token. */
static int compare_all(const char *file) {
    static const char *const zero[] = {"baseline", "zero", "refine", "none", NULL};
    static const char *const token[] = {"baseline", "token", "refine", "none", NULL};
    static const char *const middle[] = {"baseline", "zero",     "refine", "none",
                                         "rule",     "midpoint", NULL};
    static const char *const l1[] = {"norm", "l1", NULL};
    static const char *const mean[] = {"absent", "mean", NULL};
    static const char *const mask[] = {"absent", "mask", NULL};
    struct bench b;
    int n = 0;
    open_bench(&b, file, 2, 0);
    if (glim__safetensors_find(b.st, "captum.baseline")) {
        ((glim_lm *)b.p)->neutral = (int32_t)recorded_id(&b, "captum.baseline", 0);
        n += compare(&b, file, "integrated-gradients", zero, "captum.ig.zero.tokens", 1e-4);
        n += compare(&b, file, "integrated-gradients", token, "captum.ig.token.tokens", 1e-4);
        n +=
            compare(&b, file, "integrated-gradients", middle, "captum.ig.zero.middle.tokens", 1e-4);
        n += compare(&b, file, "gradient", NULL, "captum.saliency.l2", 1e-4);
        n += compare(&b, file, "gradient", l1, "captum.saliency.l1", 1e-4);
        n += compare(&b, file, "input-x-gradient", NULL, "captum.input_x_gradient.tokens", 1e-4);
        n += compare(&b, file, "occlusion", mean, "captum.ablation.mean", 1e-3);
        n += compare(&b, file, "occlusion", mask, "captum.ablation.token", 1e-3);
        n += compare(&b, file, "occlusion", NULL, "deletion", 1e-3);
    }
    close_bench(&b);
    return n;
}

static void methods_agree_with_captum(void **state) {
    DIR *d = opendir(GOLDEN);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const char *end = strstr(e->d_name, ".safetensors");
        if (end && !end[12] && !strstr(e->d_name, ".one."))
            n += compare_all(e->d_name);
    }
    closedir(d);
    print_message("%d comparisons\n", n);
    assert_true(n >= 20);
}

/* The same bits for any number of threads and any budget, for every method and
   way of removing. */
static void scores_depend_on_neither_threads_nor_memory(void **state) {
    static const char *const ways[] = {"delete", "mask", "mean", "attention"};
    static const struct {
        int threads;
        uint64_t memory;
    } runs[] = {{1, 0}, {2, 0}, {3, 0}, {2, 3 << 20}};
    double first[64][64];
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        struct bench b;
        open_bench(&b, "gemma3.safetensors", runs[r].threads, runs[r].memory);
        size_t k = 0, T = b.tokens->count;
        for (size_t i = 0; glim_methods()[i]; i++)
            for (size_t w = 0; w < 4; w++) {
                bool occlusion = glim_methods()[i] == &glim_method_occlusion;
                const char *settings[] = {"absent", ways[w], NULL};
                if ((w && !occlusion) || (glim_methods()[i]->needs & ~b.p->can))
                    continue;
                glim_document *doc =
                    explain(&b, glim_methods()[i]->name, occlusion ? settings : NULL);
                if (!r)
                    memcpy(first[k], doc->scores, T * sizeof(double));
                else if (memcmp(first[k], doc->scores, T * sizeof(double)))
                    fail_msg("%s differs with %d threads and %llu bytes", glim_methods()[i]->name,
                             runs[r].threads, (unsigned long long)runs[r].memory);
                k++;
                glim_document_free(doc);
            }
        close_bench(&b);
    }
}

/* Every masked input by itself, without a shared prefix, gives the same value. */
static void shared_prefixes_change_nothing(void **state) {
    struct bench b;
    glim_error err = {0};
    open_bench(&b, "qwen2.safetensors", 2, 0);
    size_t T = b.tokens->count;
    uint8_t *keep = calloc(T, T);
    double *out = calloc(T, sizeof *out);
    memset(keep, 1, T * T);
    for (size_t t = 0; t < T; t++)
        keep[t * T + t] = 0;
    assert_int_equal(b.p->values(b.p, keep, T, GLIM_ABSENT_DELETE, out, &err), GLIM_OK);
    for (size_t t = 0; t < T; t++) {
        int32_t ids[64];
        size_t n = 0;
        for (size_t i = 0; i < T; i++)
            if (i != t)
                ids[n++] = b.tokens->at[i].id;
        glim_session *s = NULL;
        uint32_t last = (uint32_t)n - 1;
        assert_int_equal(glim_session_new(&s, b.model, 0, &err), GLIM_OK);
        glim_sequence q = {.ids = ids, .count = n, .wanted = &last, .n_wanted = 1};
        glim_batch batch = {.sequences = &q, .count = 1};
        assert_int_equal(glim_session_forward(s, &batch, &err), GLIM_OK);
        float logit = glim_session_logits(s, 0, 0)[((glim_lm *)b.p)->rows[0].id];
        assert_true(out[t] == (double)logit);
        glim_session_free(s);
    }
    free(keep);
    free(out);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_agree_with_captum),
        cmocka_unit_test(scores_depend_on_neither_threads_nor_memory),
        cmocka_unit_test(shared_prefixes_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
