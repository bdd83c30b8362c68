/* SPDX-License-Identifier: Apache-2.0 */
/* What masked inputs share, and what a predictor takes over from another one: never a bit less. */
#include "lm-testing.h"

#include "predict/memo.h"

static const char *const models[] = {"llama.gguf", "qwen2.gguf", "gemma3.gguf"};

/* Values of all masks at once have the bits of each alone, and cost less. */
static void check_together(const char *file, const glim_target_options *o) {
    enum { MASKS = 90 };
    struct set_up s;
    glim_error err = {0};
    uint64_t cost[3], back;
    open_up(&s, file, "the cat sat on the mat and the cat sat again", o);
    size_t R = s.p->n_rows;
    uint8_t *keep = malloc(MASKS * s.U);
    double *together = calloc(MASKS * R, sizeof *together), *alone = calloc(R, sizeof *alone);
    for (size_t i = 0; i < MASKS; i++) /* every third is its neighbour, but for one unit */
        for (size_t u = 0; u < s.U; u++)
            keep[i * s.U + u] = glim__rng_below(1, i / 3, u, 2) || u == s.U - 1 - i % 3;
    for (int absent = GLIM_ABSENT_DELETE; absent <= GLIM_ABSENT_ATTENTION; absent++) {
        s.p->cost(s.p, &cost[0], &back);
        if (s.p->values(s.p, keep, MASKS, (glim_absent)absent, together, &err))
            fail_msg("%s", err.message);
        s.p->cost(s.p, &cost[1], &back);
        for (size_t i = 0; i < MASKS; i++) {
            assert_int_equal(s.p->values(s.p, keep + i * s.U, 1, (glim_absent)absent, alone, &err),
                             GLIM_OK);
            if (memcmp(alone, together + i * R, R * sizeof *alone))
                fail_msg("%s, absence %d: mask %zu has other bits among others", file, absent, i);
        }
        s.p->cost(s.p, &cost[2], &back);
        assert_true(R > 1 || 3 * (cost[1] - cost[0]) < 2 * (cost[2] - cost[1]));
    }
    free(keep);
    free(together);
    free(alone);
    close_down(&s);
}

static void masks_together_have_the_bits_of_each_alone(void **state) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        check_together(models[i], &(glim_target_options){.units = GLIM_UNIT_TOKEN});
        check_together(models[i],
                       &(glim_target_options){.units = GLIM_UNIT_TOKEN, .continuation = " and on"});
    }
}

static void what_was_asked_is_remembered(void **state) {
    struct set_up s;
    glim_memo *memo = NULL, *second = NULL;
    glim_error err = {0};
    double first[3], again[3];
    uint64_t cost[2], back;
    open_up(&s, "llama.gguf", "the cat sat on", &(glim_target_options){.units = GLIM_UNIT_TOKEN});
    uint8_t *keep = malloc(3 * s.U);
    memset(keep, 1, 3 * s.U);
    keep[s.U - 1] = keep[s.U + 1] = 0; /* the third lacks nothing */
    glim_status (*plain)(glim_predictor *, const uint8_t *, size_t, glim_absent, double *,
                         glim_error *) = s.p->values;
    assert_int_equal(plain(s.p, keep, 3, GLIM_ABSENT_DELETE, first, &err), GLIM_OK);
    assert_int_equal(glim__memo_open(&memo, s.p, &err), GLIM_OK);
    assert_int_equal(glim__memo_open(&second, s.p, &err), GLIM_OK);
    assert_null(second);
    for (size_t n = 1; n <= 3; n++) { /* what is known, and one more */
        memset(again, 0, sizeof again);
        assert_int_equal(s.p->values(s.p, keep, n, GLIM_ABSENT_DELETE, again, &err), GLIM_OK);
        assert_memory_equal(again, first, n * sizeof *again);
        assert_int_equal(glim__memo_hits(memo), n * (n - 1) / 2);
    }
    s.p->cost(s.p, &cost[0], &back);
    assert_int_equal(s.p->values(s.p, keep, 3, GLIM_ABSENT_DELETE, again, &err), GLIM_OK);
    s.p->cost(s.p, &cost[1], &back);
    assert_int_equal(cost[0], cost[1]);
    assert_int_equal(s.p->values(s.p, keep, 3, GLIM_ABSENT_MASK, again, &err), GLIM_OK);
    assert_int_equal(glim__memo_hits(memo), 6); /* another way of being absent is not known */
    assert_true(again[0] != first[0]);
    glim__memo_close(memo);
    assert_ptr_equal(s.p->values, plain);
    free(keep);
    close_down(&s);
}

/* Of written tokens, labels of tokens, a span and a next token: no name tells them again. */
static void targets_of_another_predictor_are_taken_token_by_token(void **state) {
    static const struct {
        const char *file;
        glim_target_options o;
    } cases[] = {{"llama.gguf", {.generate = 4}},
                 {"llama.gguf", {.target = "s", .output = "prob"}},
                 {"stacks/marian", {.output = "logit"}},
                 {"published/bert-labels", {.generate = 0}},
                 {"published/bert-span", {.generate = 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct set_up s;
        glim_error err = {0};
        glim_predictor *q;
        open_up(&s, cases[i].file, "the cat is red", &cases[i].o);
        size_t count = s.tokens->count;
        const glim_target_options like = {.like = s.p, .output = cases[i].o.output};
        if (glim_predictor_lm(&q, s.m, s.tokens, &like, &err))
            fail_msg("%s: %s", cases[i].file, err.message);
        assert_int_equal(s.tokens->count, count);
        assert_int_equal(q->n_rows, s.p->n_rows);
        assert_int_equal(q->units->count, s.p->units->count);
        for (size_t r = 0; r < q->n_rows; r++) {
            assert_true(q->value[r] == s.p->value[r]);
            assert_int_equal(q->row_end[r], s.p->row_end[r]);
        }
        glim_predictor_free(q);
        close_down(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_together_have_the_bits_of_each_alone),
        cmocka_unit_test(what_was_asked_is_remembered),
        cmocka_unit_test(targets_of_another_predictor_are_taken_token_by_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
