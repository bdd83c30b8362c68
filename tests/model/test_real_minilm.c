/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MiniLM's real weights against recorded sentence embeddings of transformers: ids, the
 * embedding, and the same sentences as one batch. Without the model it is skipped; in CI
 * it fails.
 */
#include "model-testing.h"

#include <unistd.h>

static const char model_name[] = "all-MiniLM-L6-v2";

static bool find_model(char *path, size_t size) {
    const char *cache = getenv("GLIM_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char file[600];
    if (cache)
        snprintf(path, size, "%s/%s", cache, model_name);
    else if (xdg && *xdg)
        snprintf(path, size, "%s/glim/%s", xdg, model_name);
    else
        snprintf(path, size, "%s/.cache/glim/%s", home ? home : "", model_name);
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    return access(file, R_OK) == 0;
}

static void check_ids(const glim_model *m, const glim_safetensors *st, int i, const char *text) {
    char name[32];
    glim_tokens *t = NULL;
    glim_error err = {0};
    snprintf(name, sizeof name, "%d.ids", i);
    const glim_st_tensor *ids = glim__safetensors_find(st, name);
    assert_non_null(ids);
    if (glim_model_tokenize(m, &t, text, strlen(text), &err))
        fail_msg("%s", err.message);
    assert_int_equal(t->count, ids->dims[0]);
    for (size_t k = 0; k < t->count; k++) {
        int64_t id;
        memcpy(&id, (const char *)ids->data + 8 * k, 8);
        assert_int_equal(t->at[k].id, id);
    }
    glim_tokens_free(t);
}

static void embeddings_agree_with_transformers(void **state) {
    enum { MOST = 64 };
    char path[512], key[32];
    const char *texts[MOST];
    glim_error err = {0};
    glim_safetensors *st = NULL;
    glim_model *m = NULL;
    size_t n = 0;
    if (!find_model(path, sizeof path)) {
        if (getenv("GLIM_REQUIRE_MODELS") || getenv("CI"))
            fail_msg("'%s' is missing (scripts/fetch minilm)", path);
        print_message("'%s' is not here: skipped (scripts/fetch minilm)\n", path);
        return;
    }
    glim_context *ctx = context_with(2, 0);
    if (glim_model_open(&m, ctx, path, &err))
        fail_msg("%s", err.message);
    if (glim__safetensors_open(&st, ctx, GOLDEN "real/minilm.safetensors", &err))
        fail_msg("%s", err.message);
    for (; n < MOST; n++) {
        snprintf(key, sizeof key, "text.%zu", n);
        if (!(texts[n] = glim__safetensors_metadata(st, key)))
            break;
        check_ids(m, st, (int)n, texts[n]);
    }
    const glim_st_tensor *want = glim__safetensors_find(st, "embeddings");
    size_t W = (size_t)glim_model_facts(m)->outputs;
    assert_true(want && n >= 12 && want->dims[0] == n && want->dims[1] == W);
    float *have = calloc(n * W, sizeof *have), *recorded = calloc(n * W, sizeof *recorded);
    memcpy(recorded, want->data, n * W * sizeof *recorded);
    if (glim_model_embed(m, texts, n, have, &err))
        fail_msg("%s", err.message);
    double worst = 0, size = 0;
    for (size_t i = 0; i < n * W; i++) {
        worst = fmax(worst, fabs((double)have[i] - recorded[i]));
        size = fmax(size, fabs((double)recorded[i]));
    }
    print_message("%zu sentences, worst difference %.2g of %.2g\n", n, worst, size);
    assert_true(worst <= 1e-5 * size);
    free(have);
    free(recorded);
    glim__safetensors_close(st);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(embeddings_agree_with_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
