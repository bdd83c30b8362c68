/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks by rules through whole models: against relevance and guided back-propagation as
 * PyTorch and Captum have it (scripts/record-rules.py), and the same bits whatever is kept,
 * recomputed or run beside.
 */
#include "model-testing.h"

#include <glim/image.h>

enum { MOST_TOKENS = 16, MOST_WIDTH = 64 };

struct walked {
    int32_t ids[MOST_TOKENS];
    size_t T, C;
    float x[MOST_TOKENS * MOST_WIDTH], d[MOST_TOKENS * MOST_WIDTH];
    float logit;
};

/* The gradient, by rules, of logit `target` behind the ids. */
static void walk_ids(struct walked *w, const glim_model *m, int32_t target, const char *rules,
                     int keep_layers) {
    glim_error err = {0};
    glim_session *s = new_session(m, 0);
    uint32_t wanted = glim_model_facts(m)->both_ways ? 0 : (uint32_t)w->T - 1;
    w->C = (size_t)glim_model_facts(m)->width;
    assert_true(w->T <= MOST_TOKENS && w->C <= MOST_WIDTH);
    glim_sequence q[2] = {{.ids = w->ids, .count = w->T, .wanted = &wanted, .n_wanted = 1},
                          {.ids = w->ids, .count = w->T, .wanted = &wanted, .n_wanted = 1}};
    glim_batch b = {.sequences = q, .count = 2, .rules = glim_rules_find(rules), .keep = true};
    float *d = calloc(2 * w->T * w->C, sizeof *d), one = 1;
    assert_non_null(b.rules);
    glim_session_keep_layers(s, keep_layers);
    run_batch(s, &b);
    glim_seed seed = {.ids = &target, .weights = &one, .n = 1};
    if (glim_session_backward(s, &seed, 1, d, &err))
        fail_msg("%s", err.message);
    memcpy(w->d, d, w->T * w->C * sizeof *d);
    w->logit = glim_session_logits(s, 0, 0)[target];
    for (size_t t = 0; t < w->T; t++)
        assert_int_equal(glim_model_embedding(m, w->ids[t], w->x + t * w->C, &err), GLIM_OK);
    free(d);
    glim_session_free(s);
}

static int64_t number_of(glim_safetensors *st, const char *name, size_t i) {
    int64_t value;
    memcpy(&value, (const char *)glim__safetensors_find(st, name)->data + 8 * i, 8);
    return value;
}

static void read_ids(struct walked *w, glim_safetensors *st) {
    w->T = (size_t)glim__safetensors_find(st, "ids")->dims[0];
    assert_true(w->T <= MOST_TOKENS);
    for (size_t t = 0; t < w->T; t++)
        w->ids[t] = (int32_t)number_of(st, "ids", t);
}

static void compare(const char *what, const float *have, const float *by, const float *want,
                    size_t n) {
    double scale = 1e-12;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++) {
        double value = (double)have[i] * (by ? by[i] : 1);
        if (!(fabs(value - want[i]) <= 1e-4 * scale))
            fail_msg("%s, element %zu: %g, recorded %g", what, i, value, (double)want[i]);
    }
}

static void check_relevance(const char *file, glim_safetensors *st) {
    static const char *const sets[] = {"attnlrp", "cp-lrp"};
    char path[256];
    glim_context *ctx = context_with(2, 0);
    snprintf(path, sizeof path, "published/%s", glim__safetensors_metadata(st, "model"));
    glim_model *m = open_model(ctx, path);
    for (int k = 0; k < 2; k++) {
        struct walked w, again;
        read_ids(&w, st);
        again = w;
        int32_t target = (int32_t)number_of(st, "target", 0);
        walk_ids(&w, m, target, sets[k], -1);
        compare("logit", &w.logit, NULL, glim__safetensors_find(st, "logit")->data, 1);
        snprintf(path, sizeof path, "%s, %s", file, sets[k]);
        compare(path, w.d, w.x, glim__safetensors_find(st, sets[k])->data, w.T * w.C);
        walk_ids(&again, m, target, sets[k], 0);
        assert_memory_equal(w.d, again.d, w.T * w.C * sizeof(float));
    }
    glim_model_close(m);
    glim_context_free(ctx);
}

static int each_recording(const char *dir, void (*fn)(const char *file, glim_safetensors *st)) {
    DIR *d = opendir(dir);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        glim_safetensors *st = NULL;
        if (!strstr(e->d_name, ".safetensors"))
            continue;
        glim_context *ctx = context_with(1, 0);
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        assert_int_equal(glim__safetensors_open(&st, ctx, path, NULL), GLIM_OK);
        fn(e->d_name, st);
        glim__safetensors_close(st);
        glim_context_free(ctx);
        n++;
    }
    closedir(d);
    return n;
}

static void relevance_agrees_with_its_recordings_recomputed_or_kept(void **state) {
    assert_true(each_recording(GOLDEN "rules", check_relevance) >= 7);
}

/* Models without biases: what leaves the logit arrives at the tokens. */
static void relevance_with_a_constant_pattern_is_conserved(void **state) {
    static const char *const files[] = {"llama.gguf",  "qwen3.gguf",    "gemma3.gguf",
                                        "gemma2.gguf", "mistral.gguf",  "llama-q8_0.gguf",
                                        "phi3.gguf",   "qwen3moe.gguf", "gemma3-pattern.gguf"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, files[i]);
        struct walked w = {.T = 12};
        some_ids(w.ids, w.T, glim_model_facts(m)->vocabulary, 6);
        w.ids[11] = w.ids[2];
        int32_t target = w.ids[2];
        walk_ids(&w, m, target, "cp-lrp", -1);
        double sum = 0, size = 0;
        for (size_t k = 0; k < w.T * w.C; k++) {
            sum += (double)w.x[k] * w.d[k];
            size += fabs((double)w.x[k] * w.d[k]);
        }
        if (!(fabs(sum - w.logit) <= 1e-6 * fmax(size, fabs(w.logit))))
            fail_msg("%s: %.9g of %.9g", files[i], sum, w.logit);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void bits_depend_on_no_threads(void **state) {
    struct walked first = {.T = 12};
    for (int threads = 1; threads <= 3; threads++) {
        glim_context *ctx = context_with(threads, 0);
        glim_model *m = open_model(ctx, "gemma2.gguf");
        struct walked w = {.T = 12};
        some_ids(w.ids, w.T, glim_model_facts(m)->vocabulary, 6);
        walk_ids(&w, m, 9, "attnlrp", threads == 2 ? 1 : -1);
        if (threads == 1)
            first = w;
        assert_memory_equal(first.d, w.d, sizeof w.d);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* The encoder of an encoder-decoder obeys as well: with both patterns constant and no
   bias in T5, what the source's rows get and the decoder's make the logit. */
static glim_status add_written(void *data, const glim_site *site, glim_error *err) {
    const float *const *x = data;
    double *sum = (double *)x[1];
    for (size_t i = 0; i < site->dims[0] * site->dims[1]; i++)
        *sum += (double)x[0][i] * site->data[i];
    return GLIM_OK;
}

static glim_status keep_written(void *data, const glim_site *site, glim_error *err) {
    memcpy(data, site->data, site->dims[0] * site->dims[1] * sizeof(float));
    return GLIM_OK;
}

static void both_halves_of_an_encoder_decoder_conserve(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "stacks/t5");
    glim_session *s = new_session(m, 0);
    int32_t read[6], written[3] = {glim_model_facts(m)->start, 9, 11}, target = 12;
    float x[6 * MOST_WIDTH], d[6 * MOST_WIDTH], own[3 * MOST_WIDTH], one = 1;
    size_t C = (size_t)glim_model_facts(m)->width;
    uint32_t last = 2;
    double sum = 0;
    const float *seen[2] = {own, (const float *)(const void *)&sum};
    glim_error err = {0};
    some_ids(read, 6, glim_model_facts(m)->vocabulary, 3);
    glim_hook hooks[] = {{"decoder.hook_embed", GLIM_HOOK_READ, keep_written, own},
                         {"decoder.hook_embed", GLIM_HOOK_GRAD, add_written, (void *)seen}};
    glim_sequence q = {.ids = written, .count = 3, .wanted = &last, .n_wanted = 1};
    glim_sequence source = {.ids = read, .count = 6};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = hooks,
                    .n_hooks = 2,
                    .rules = glim_rules_find("cp-lrp"),
                    .keep = true,
                    .sources = &source,
                    .n_sources = 1};
    run_batch(s, &b);
    glim_seed seed = {.ids = &target, .weights = &one, .n = 1};
    if (glim_session_backward(s, &seed, 1, d, &err))
        fail_msg("%s", err.message);
    for (size_t t = 0; t < 6; t++) {
        assert_int_equal(glim_model_embedding(m, read[t], x + t * C, &err), GLIM_OK);
        for (size_t c = t * C; c < (t + 1) * C; c++)
            sum += (double)x[c] * d[c];
    }
    double logit = glim_session_logits(s, 0, 0)[target];
    if (!(fabs(sum - logit) <= 1e-5 * fmax(1, fabs(logit))))
        fail_msg("%.9g of %.9g", sum, logit);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- pictures ---- */

static void check_picture(const char *file, glim_safetensors *st) {
    static const char *const sets[] = {"guided", "deconvnet"};
    glim_context *ctx = context_with(2, 0);
    glim_model *m = NULL;
    glim_image_session *s = NULL;
    glim_error err = {0};
    char path[512];
    snprintf(path, sizeof path, GLIM_TESTS "/golden/images/%s",
             glim__safetensors_metadata(st, "model"));
    if (glim_model_open(&m, ctx, path, &err) || glim_image_session_new(&s, m, &err))
        fail_msg("%s", err.message);
    const glim_st_tensor *pixels = glim__safetensors_find(st, "pixels");
    size_t n = pixels->bytes / sizeof(float), outputs = (size_t)glim_model_facts(m)->outputs;
    float *d = calloc(n, sizeof *d), *seeds = calloc(outputs, sizeof *seeds);
    seeds[number_of(st, "target", 0)] = 1;
    for (int k = 0; k < 2; k++) {
        glim_image_batch b = {
            .pixels = pixels->data, .count = 1, .rules = glim_rules_find(sets[k]), .keep = true};
        if (glim_image_session_forward(s, &b, &err) ||
            glim_image_session_backward(s, seeds, d, &err))
            fail_msg("%s", err.message);
        snprintf(path, sizeof path, "%s, %s", file, sets[k]);
        compare(path, d, NULL, glim__safetensors_find(st, sets[k])->data, n);
    }
    free(d);
    free(seeds);
    glim_image_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void pictures_agree_with_captum(void **state) {
    assert_true(each_recording(GLIM_TESTS "/golden/images/rules", check_picture) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relevance_agrees_with_its_recordings_recomputed_or_kept),
        cmocka_unit_test(relevance_with_a_constant_pattern_is_conserved),
        cmocka_unit_test(bits_depend_on_no_threads),
        cmocka_unit_test(both_halves_of_an_encoder_decoder_conserve),
        cmocka_unit_test(pictures_agree_with_captum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
