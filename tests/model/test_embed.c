/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings of many texts are those of each text alone, bit for bit. */
#include "model-testing.h"

enum { N = 7, MOST = 64 };

static const char *const texts[N] = {
    "the small cat sat", "a", "the light and the river", "a", "b c d e f g h i j k l",
    "the cat",           "z"};

static void embed_alone(glim_context *ctx, const glim_model *m, const char *text, float *out) {
    glim_tokens *t = NULL;
    glim_session *s = new_session(m, 0);
    int32_t ids[MOST];
    uint32_t wanted[MOST];
    assert_int_equal(glim_model_tokenize(m, &t, text, strlen(text), NULL), GLIM_OK);
    for (size_t i = 0; i < t->count; i++) {
        ids[i] = t->at[i].id;
        wanted[i] = (uint32_t)i;
    }
    glim_sequence q = {.ids = ids, .count = t->count, .wanted = wanted, .n_wanted = t->count};
    run_batch(s, &(glim_batch){.sequences = &q, .count = 1});
    memcpy(out, glim_session_logits(s, 0, 0), (size_t)glim_model_facts(m)->outputs * sizeof *out);
    glim_session_free(s);
    glim_tokens_free(t);
}

static void many_texts_are_each_of_them_alone(void **state) {
    for (int threads = 1; threads <= 3; threads++) {
        glim_context *ctx = context_with(threads, threads == 3 ? (uint64_t)1 << 20 : 0);
        glim_model *m = open_model(ctx, "published/bert-embed");
        size_t W = (size_t)glim_model_facts(m)->outputs;
        glim_error err = {0};
        float *out = calloc(N * W, sizeof *out), *one = calloc(W, sizeof *one);
        if (glim_model_embed(m, texts, N, out, &err))
            fail_msg("%s", err.message);
        for (size_t i = 0; i < N; i++) {
            double length = 0;
            embed_alone(ctx, m, texts[i], one);
            assert_memory_equal(out + i * W, one, W * sizeof *one);
            for (size_t k = 0; k < W; k++)
                length += (double)one[k] * one[k];
            assert_true(fabs(length - 1) < 1e-5);
        }
        assert_memory_not_equal(out, out + W, W * sizeof *out);
        free(out);
        free(one);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void what_cannot_be_embedded_is_named(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "published/bert-embed");
    size_t W = (size_t)glim_model_facts(m)->outputs;
    float *out = calloc(3 * W, sizeof *out);
    glim_error err = {0};
    char *longer = calloc(1, 2000);
    for (int i = 0; i < 999; i++)
        strcat(longer, "a ");
    assert_int_equal(glim_model_embed(m, NULL, 0, out, &err), GLIM_OK);
    assert_int_equal(glim_model_embed(m, (const char *[]){"a", longer}, 2, out, &err), GLIM_ELIMIT);
    assert_non_null(strstr(err.message, "text 1 "));
    assert_int_equal(glim_model_embed(m, (const char *[]){"a", "b", "\xff"}, 3, out, &err),
                     GLIM_EFORMAT);
    assert_non_null(strstr(err.message, "text 2"));
    for (uint64_t nth = 1;; nth++) {
        uint64_t before = glim_context_bytes(ctx);
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_model_embed(m, texts, 3, out, &err);
        glim__fail_allocation(ctx, 0);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(glim_context_bytes(ctx) <= before + (1 << 20)); /* spare buffers stay */
    }
    glim_model_close(m);
    m = open_model(ctx, "published/bert-classes");
    assert_int_equal(glim_model_embed(m, texts, 1, out, &err), GLIM_EUSAGE);
    glim_model_close(m);
    free(out);
    free(longer);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_texts_are_each_of_them_alone),
        cmocka_unit_test(what_cannot_be_embedded_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
