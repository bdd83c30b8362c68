/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked inputs of a continuation, where several rows read one shared run: each
 * value against a run of its own, without a cached beginning, that holds just
 * the tokens that the row sees. (Bits may differ: one wanted row is a dot product
 * with the vocabulary, many are a product of matrices.)
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain/methods.h"
#include "predict/lm.h"

#define GOLDEN GLIM_TESTS "/golden/models/"

enum { ROWS = 5 };

struct input {
    const char *model, *text;
};

static const struct input inputs[] = {
    {"llama.gguf", "the light and"},
    {"gemma3.gguf", "was the sand"},
    {"llama.gguf", "t"}, /* one token: nothing is left when it goes */
};

/* The target of a row with units absent, from the tokens that the row sees. */
static double alone(const glim_lm *lm, const uint8_t *keep, glim_absent absent, size_t r) {
    size_t at = lm->rows[r].at, n = 0, C = lm->base.C;
    int32_t *ids = calloc(at + 1, sizeof *ids);
    uint8_t *hidden = calloc(at + 1, 1);
    float *x = calloc((at + 1) * C, sizeof *x);
    glim_error err = {0};
    for (size_t t = 0; t <= at; t++) {
        bool gone = false;
        for (size_t u = 0; u < lm->units.count; u++)
            if (t >= lm->units.at[u].first && t < lm->units.at[u].first + lm->units.at[u].count)
                gone = !lm->units.at[u].fixed && !keep[u];
        if (gone && absent == GLIM_ABSENT_DELETE)
            continue;
        hidden[n] = gone;
        ids[n] = gone && absent == GLIM_ABSENT_MASK ? lm->neutral : lm->ids[t];
        int32_t id = gone && absent == GLIM_ABSENT_MEAN ? -1 : ids[n];
        assert_int_equal(glim_model_embedding(lm->model, id, x + n++ * C, &err), GLIM_OK);
    }
    if (!n)
        ids[n++] = lm->neutral;
    uint32_t last = (uint32_t)n - 1;
    glim_sequence q = {.ids = absent == GLIM_ABSENT_MEAN ? NULL : ids,
                       .embeddings = absent == GLIM_ABSENT_MEAN ? x : NULL,
                       .hidden = absent == GLIM_ABSENT_ATTENTION ? hidden : NULL,
                       .count = n,
                       .wanted = &last,
                       .n_wanted = 1};
    glim_session *s = NULL;
    assert_int_equal(glim_session_new(&s, lm->model, 0, &err), GLIM_OK);
    if (glim_session_forward(s, &(glim_batch){.sequences = &q, .count = 1}, &err))
        fail_msg("%s", err.message);
    double value = glim__lm_target(lm, &lm->rows[r], glim_session_logits(s, 0, 0), NULL);
    glim_session_free(s);
    free(ids);
    free(hidden);
    free(x);
    return value;
}

static void compare(glim_lm *lm, const uint8_t *keep, size_t n, const char *what) {
    size_t U = lm->units.count, R = lm->base.n_rows;
    double *have = calloc(n * R, sizeof *have);
    glim_error err = {0};
    for (glim_absent a = GLIM_ABSENT_DELETE; a <= GLIM_ABSENT_ATTENTION; a++) {
        if (lm->base.values(&lm->base, keep, n, a, have, &err))
            fail_msg("%s", err.message);
        for (size_t i = 0; i < n; i++)
            for (size_t r = 0; r < R; r++) {
                double want = alone(lm, keep + i * U, a, r);
                if (!(fabs(have[i * R + r] - want) < 5e-6))
                    fail_msg("%s, way %d, mask %zu, row %zu: %.9g, alone %.9g", what, (int)a, i, r,
                             have[i * R + r], want);
            }
    }
    free(have);
}

static void check(const struct input *in) {
    char path[512];
    glim_context *ctx = NULL;
    glim_model *m = NULL;
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_error err = {0};
    snprintf(path, sizeof path, GOLDEN "%s", in->model);
    assert_int_equal(glim_context_new(&ctx, NULL, &err), GLIM_OK);
    if (glim_model_open(&m, ctx, path, &err) ||
        glim_model_tokenize(m, &tokens, in->text, strlen(in->text), &err) ||
        glim_predictor_lm(
            &p, m, tokens,
            &(glim_target_options){.generate = ROWS, .units = GLIM_UNIT_TOKEN, .output = "logit"},
            &err))
        fail_msg("%s", err.message);
    glim_lm *lm = (glim_lm *)p;
    size_t U = lm->units.count;
    assert_true(p->n_rows >= 3);
    uint8_t *keep = malloc((2 * U + 1) * U); /* without one unit, without the first ones */
    memset(keep, 1, (2 * U + 1) * U);
    for (size_t u = 0; u < U; u++) {
        keep[u * U + u] = 0;
        memset(keep + (U + u) * U, 0, u + 1);
    }
    compare(lm, keep, 2 * U + 1, in->text);
    free(keep);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void every_row_has_the_value_of_a_run_of_its_own(void **state) {
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        check(&inputs[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_the_value_of_a_run_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
