/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals are the model's own, and an input with other tokens is what it says. */
#include "../model/model-testing.h"

#include "predict/lm.h"

enum { MOST = 5, LONGEST = 80 };

struct set_up {
    glim_context *ctx;
    glim_model *m;
    glim_tokens *tokens;
    glim_predictor *p;
    int32_t own[LONGEST], ids[LONGEST * MOST];
    float shares[LONGEST * MOST];
};

static void open_up(struct set_up *s, const char *file, const char *text,
                    const glim_target_options *o) {
    glim_error err = {0};
    *s = (struct set_up){.ctx = context_with(2, 0)};
    s->m = open_model(s->ctx, file);
    if (glim_model_tokenize(s->m, &s->tokens, text, strlen(text), &err) ||
        glim_predictor_lm(&s->p, s->m, s->tokens, o, &err))
        fail_msg("%s", err.message);
    assert_true(s->p->T <= LONGEST && (s->p->can & GLIM_CAN_PROPOSE));
    if (s->p->propose(s->p, MOST, s->own, s->ids, s->shares, &err))
        fail_msg("%s", err.message);
}

static void close_down(struct set_up *s) {
    glim_predictor_free(s->p);
    glim_tokens_free(s->tokens);
    glim_model_close(s->m);
    glim_context_free(s->ctx);
}

/* Logits of one row of a sequence by itself. */
static void logits_at(const struct set_up *s, const int32_t *ids, size_t n, size_t row,
                      float *out) {
    glim_session *one = new_session(s->m, 0);
    uint32_t wanted = (uint32_t)row;
    uint8_t types[LONGEST] = {0};
    glim_sequence q = {.ids = ids,
                       .count = n,
                       .types = s->m->types.data ? types : NULL,
                       .wanted = &wanted,
                       .n_wanted = 1};
    run_batch(one, &(glim_batch){.sequences = &q, .count = 1});
    memcpy(out, glim_session_logits(one, 0, 0), (size_t)s->m->outputs * sizeof *out);
    glim_session_free(one);
}

/* The proposals of a place against the logits there. */
static void check_place(const struct set_up *s, size_t t, const float *logits) {
    const int32_t *ids = s->ids + t * MOST;
    double sum = 0, before = 0;
    for (int k = 0; k < MOST; k++)
        sum += exp((double)logits[ids[k]]);
    for (int k = 0; k < MOST; k++) {
        assert_int_not_equal(ids[k], s->own[t]);
        assert_false(glim__token_is_control(s->m->tokenizer, ids[k]));
        double share = (double)s->shares[t * MOST + (size_t)k] - before;
        assert_true(fabs(share - exp((double)logits[ids[k]]) / sum) < 1e-5);
        before = (double)s->shares[t * MOST + (size_t)k];
    }
    assert_true(before == 1);
    for (int32_t v = 0; v < s->m->outputs; v++) {
        bool in = false;
        for (int k = 0; k < MOST; k++)
            in = in || ids[k] == v;
        if (!in && v != s->own[t] && !glim__token_is_control(s->m->tokenizer, v))
            assert_true(logits[v] <= logits[ids[MOST - 1]]);
    }
}

static void a_decoder_proposes_what_follows(void **state) {
    struct set_up s;
    const char *text = "the light and the river and the bridge and the light and the river and the "
                       "bridge and the light and the river and the bridge";
    open_up(&s, "llama.gguf", text, &(glim_target_options){.units = GLIM_UNIT_TOKEN});
    float *logits = malloc((size_t)s.m->outputs * sizeof *logits);
    assert_true(s.p->T > 40); /* more than a piece */
    for (size_t t = 1; t < s.p->T; t++) {
        assert_int_equal(s.own[t], s.tokens->at[t].id);
        if (s.p->units->at[t].fixed)
            continue;
        logits_at(&s, s.own, t, t - 1, logits);
        check_place(&s, t, logits);
    }
    free(logits);
    close_down(&s);
}

static void an_encoder_proposes_what_fills_the_place(void **state) {
    struct set_up s;
    size_t checked = 0;
    open_up(&s, "published/bert-fill", "the light <|special_5|> and the river",
            &(glim_target_options){.units = GLIM_UNIT_TOKEN});
    float *logits = malloc((size_t)s.m->outputs * sizeof *logits);
    for (size_t u = 0; u < s.p->units->count; u++) {
        size_t t = s.p->units->at[u].first;
        int32_t masked[LONGEST];
        if (s.p->units->at[u].fixed) {
            for (int k = 0; k < MOST; k++)
                assert_int_equal(s.ids[t * MOST + (size_t)k], s.own[t]);
            continue;
        }
        memcpy(masked, s.own, sizeof masked);
        masked[t] = glim__tokenizer_info(s.m->tokenizer)->mask;
        logits_at(&s, masked, s.p->T, t, logits);
        check_place(&s, t, logits);
        checked++;
    }
    assert_true(checked >= 4);
    free(logits);
    close_down(&s);
}

/* Every row of every changed input, run by itself from the beginning. */
static void changed_inputs_are_what_they_say(void **state) {
    struct set_up s;
    enum { N = 23 };
    open_up(&s, "gemma3.gguf", "the light and the river and the bridge",
            &(glim_target_options){.units = GLIM_UNIT_WORD, .generate = 3, .output = "logit"});
    size_t T = s.p->T, R = s.p->n_rows;
    int32_t *ids = malloc(N * T * sizeof *ids);
    double *out = malloc(N * R * sizeof *out);
    float *logits = malloc((size_t)s.m->outputs * sizeof *logits);
    glim_error err = {0};
    for (size_t i = 0; i < N; i++) {
        memcpy(ids + i * T, s.own, T * sizeof *ids);
        if (i)
            ids[i * T + i % T] = s.ids[(i % T) * MOST + i % MOST];
    }
    if (s.p->values_of(s.p, ids, N, out, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < N; i++)
        for (size_t r = 0; r < R; r++) {
            const glim_lm_row *row = &((glim_lm *)s.p)->rows[r];
            logits_at(&s, ids + i * T, row->at + 1, row->at, logits);
            if (out[i * R + r] != (double)logits[row->id])
                fail_msg("input %zu, row %zu: %.9g, alone %.9g", i, r, out[i * R + r],
                         (double)logits[row->id]);
        }
    assert_memory_equal(out, s.p->value, R * sizeof *out);
    free(ids);
    free(out);
    free(logits);
    close_down(&s);
}

static void labels_classes_and_translators_propose_nothing(void **state) {
    glim_context *ctx = context_with(1, 0);
    static const struct {
        const char *file, *text;
        glim_target_options o;
    } cases[] = {{"llama.gguf", "the cat", {.labels = "a, the light", .auto_units = true}},
                 {"published/bert-classes", "the cat", {.auto_units = true}},
                 {"stacks/marian", "we have", {.auto_units = true}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_model *m = open_model(ctx, cases[i].file);
        glim_tokens *tokens = NULL;
        glim_predictor *p = NULL;
        glim_error err = {0};
        glim_status status =
            cases[i].o.labels
                ? glim_model_tokenize_prompt(m, &tokens, &(glim_prompt){.form = "{text}:"},
                                             cases[i].text, strlen(cases[i].text), &err)
                : glim_model_tokenize(m, &tokens, cases[i].text, strlen(cases[i].text), &err);
        if (status || glim_predictor_lm(&p, m, tokens, &cases[i].o, &err))
            fail_msg("%s", err.message);
        assert_false(p->can & GLIM_CAN_PROPOSE);
        assert_null(p->propose);
        glim_predictor_free(p);
        glim_tokens_free(tokens);
        glim_model_close(m);
    }
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decoder_proposes_what_follows),
        cmocka_unit_test(an_encoder_proposes_what_fills_the_place),
        cmocka_unit_test(changed_inputs_are_what_they_say),
        cmocka_unit_test(labels_classes_and_translators_propose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
