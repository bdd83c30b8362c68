/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a corpus as bytes: back with every bit, and refused where bytes are missing,
   turned, or memory is. */
#include "structure-testing.h"

#include "base/rng.h"
#include "structure/kept-record.h"

enum { UNITS = 3, TOP = 2 };

static glim_kept_texts empty(glim_context *ctx) {
    glim_kept_texts k;
    glim_error err = {0};
    if (glim__kept_init(&k, ctx, UNITS, TOP, GLIM_TEXT_MAX, 3, &err))
        fail_msg("%s", err.message);
    return k;
}

static glim_kept_texts some(const glim_model *m) {
    static const char *const texts[] = {"the river", "an old dog", "light", "a cat and more", "it"};
    glim_kept_texts k = empty(m->ctx);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        glim_tokens *t = NULL;
        glim_error err = {0};
        float values[64 * UNITS];
        assert_int_equal(glim_model_tokenize(m, &t, texts[i], strlen(texts[i]), &err), GLIM_OK);
        for (size_t v = 0; v < t->count * UNITS; v++)
            values[v] = (float)glim__rng_normal(1, i, v);
        assert_int_equal(glim__kept_add(&k, texts[i], t, i, 0, values, false, &err), GLIM_OK);
        glim_tokens_free(t);
    }
    return k;
}

static glim_status read_back(glim_context *ctx, const char *bytes, size_t n, glim_buffer *again) {
    glim_kept_texts k = empty(ctx);
    glim_error err = {0};
    glim_unpacking r = {bytes, bytes + n, false};
    glim_status status = glim__kept_read(&r, &k, &err);
    if (!status && again)
        glim__kept_write(again, &k);
    glim__kept_release(&k);
    return status;
}

static void every_bit_comes_back_and_nothing_less_is_taken(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_kept_texts k = some(m);
    glim_buffer bytes, again;
    glim__buffer_init(&bytes, ctx);
    glim__buffer_init(&again, ctx);
    glim__kept_write(&bytes, &k);
    assert_int_equal(read_back(ctx, bytes.data, bytes.len, &again), GLIM_OK);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    for (size_t n = 0; n < bytes.len; n += 7)
        assert_int_equal(read_back(ctx, bytes.data, n, NULL), GLIM_EFORMAT);
    for (size_t i = 0; i < bytes.len; i += 5) { /* whatever is turned ends in order */
        char kept = bytes.data[i];
        bytes.data[i] = (char)~kept;
        glim_status status = read_back(ctx, bytes.data, bytes.len, NULL);
        assert_true(!status || status == GLIM_EFORMAT || status == GLIM_ENOMEM);
        bytes.data[i] = kept;
    }
    uint64_t before = glim_context_bytes(ctx);
    glim_status status = GLIM_ENOMEM;
    for (uint64_t nth = 1; status; nth++) {
        glim_kept_texts own = empty(ctx);
        glim_error err = {0};
        glim_unpacking r = {bytes.data, bytes.data + bytes.len, false};
        glim__fail_allocation(ctx, nth);
        status = glim__kept_read(&r, &own, &err);
        glim__fail_allocation(ctx, 0);
        assert_true(!status || status == GLIM_ENOMEM);
        glim__kept_release(&own);
        assert_true(nth < 1000 && glim_context_bytes(ctx) == before);
    }
    glim__buffer_release(&bytes);
    glim__buffer_release(&again);
    glim__kept_release(&k);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_comes_back_and_nothing_less_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
