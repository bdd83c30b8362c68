/* SPDX-License-Identifier: Apache-2.0 */
/* A pass that begins at a later block, behind a cut anywhere, has the bits of the whole. */
#include "model-testing.h"

enum { T = 29 };

static const uint32_t last_row[1] = {T - 1};

struct stream {
    float *rows; /* (L, T, C) */
    size_t floats;
};

static glim_status take_stream(void *data, const glim_site *site, glim_error *err) {
    struct stream *s = data;
    memcpy(s->rows + (size_t)site->layer * s->floats, site->data, s->floats * sizeof(float));
    return GLIM_OK;
}

/* From every block and every cut with what entered it, as the whole pass. */
static void check_later_start(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_session *s = new_session(m, T);
    size_t V = (size_t)m->hyper.V, C = (size_t)m->hyper.C;
    int32_t ids[T];
    some_ids(ids, T, m->hyper.V, 1);
    struct stream stream = {.floats = T * C};
    stream.rows = calloc((size_t)m->hyper.L * T * C, sizeof(float));
    float *plain = malloc(V * sizeof *plain);
    glim_hook hook = {"blocks.*.hook_resid_pre", GLIM_HOOK_READ, take_stream, &stream};
    glim_sequence q = {.ids = ids, .count = T, .wanted = last_row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1, .append = true, .hooks = &hook, .n_hooks = 1};
    run_batch(s, &b);
    memcpy(plain, glim_session_logits(s, 0, 0), V * sizeof *plain);
    for (int layer = 1; layer < m->hyper.L; layer++)
        for (size_t cut = 0; cut < T; cut += 7) {
            uint32_t last = (uint32_t)(T - 1 - cut);
            float *x = stream.rows + ((size_t)layer * T + cut) * C;
            glim_sequence later = {.ids = ids + cut,
                                   .count = T - cut,
                                   .prefix = cut,
                                   .embeddings = x,
                                   .wanted = &last,
                                   .n_wanted = 1};
            glim_sequence two[2] = {later, later};
            glim_batch from = {.sequences = two, .count = 2, .first_layer = layer};
            run_batch(s, &from);
            for (size_t i = 0; i < 2; i++)
                if (memcmp(plain, glim_session_logits(s, i, 0), V * sizeof *plain))
                    fail_msg("%s: from block %d and row %zu on the bits are others", file, layer,
                             cut);
            x[last * C] += 1; /* a window may hide earlier rows */
            run_batch(s, &from);
            if (!memcmp(plain, glim_session_logits(s, 0, 0), V * sizeof *plain))
                fail_msg("%s: what enters block %d does not count", file, layer);
            run_batch(s, &(glim_batch){.sequences = &q, .count = 1}); /* and back */
            if (memcmp(plain, glim_session_logits(s, 0, 0), V * sizeof *plain))
                fail_msg("%s: a whole pass behind it has other bits", file);
            glim_session_truncate(s, 0);
            run_batch(s, &b);
        }
    free(plain);
    free(stream.rows);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void a_pass_may_begin_at_any_block(void **state) {
    assert_true(each_golden(".gguf", check_later_start) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_pass_may_begin_at_any_block)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
