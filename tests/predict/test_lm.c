/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language model as a predictor, against a computation that knows nothing of
 * masks, batches and caches: every masked input is written down as a list of
 * tokens (or embeddings, or hidden positions) and run alone through a session.
 */
#include "lm-testing.h"

enum { MOST = 64, DRAWS = 12 };

static const char *const models[] = {"llama.gguf", "qwen2.gguf", "gemma3.gguf"};
static const char *const classifiers[] = {"published/bert-classes", "published/distilbert-classes",
                                          "published/roberta-classes"};

/* ---- the independent computation ---- */

static double log_share(const float *x, size_t V, int32_t id) {
    double sum = 0;
    for (size_t i = 0; i < V; i++)
        sum += exp((double)x[i] - x[id]);
    return -log(sum);
}

/* One input alone: rows[r] is the position whose logits say row r. */
static void run_alone(const struct set_up *s, const int32_t *ids, const float *embeddings,
                      const uint8_t *hidden, size_t n, const size_t *at, double *out) {
    glim_session *session = new_session(s->m, 0);
    uint32_t wanted[MOST];
    const glim_lm *lm = (const glim_lm *)s->p;
    for (size_t i = 0; i < n; i++)
        wanted[i] = (uint32_t)i;
    glim_sequence q = {.ids = ids,
                       .embeddings = embeddings,
                       .hidden = hidden,
                       .count = n,
                       .wanted = wanted,
                       .n_wanted = n};
    glim_batch b = {.sequences = &q, .count = 1};
    run_batch(session, &b);
    for (size_t r = 0; r < s->p->n_rows; r++) {
        const float *x = glim_session_logits(session, 0, at[r]);
        out[r] = log_share(x, s->V, lm->rows[r].id);
    }
    glim_session_free(session);
}

static bool is_gone(const struct set_up *s, const uint8_t *keep, size_t token) {
    for (size_t u = 0; u < s->U; u++) {
        const glim_unit *unit = &s->p->units->at[u];
        if (token >= unit->first && token < unit->first + unit->count)
            return !unit->fixed && !keep[u];
    }
    return false;
}

static void expect(const struct set_up *s, const uint8_t *keep, glim_absent absent, double *out) {
    const glim_lm *lm = (const glim_lm *)s->p;
    int32_t ids[MOST];
    uint8_t hidden[MOST] = {0};
    size_t at[MOST], n = 0, T = s->p->T, row = 0, first = lm->rows[0].at;
    float *x = calloc(MOST * s->C, sizeof *x), *mean = calloc(s->C, sizeof *mean);
    bool nothing = absent == GLIM_ABSENT_DELETE;
    for (size_t t = 0; t <= first; t++)
        nothing = nothing && is_gone(s, keep, t);
    if (nothing) /* no token is left for the first row */
        ids[n++] = lm->neutral;
    assert_int_equal(glim_model_embedding(s->m, -1, mean, NULL), GLIM_OK);
    for (size_t t = 0; t < T; t++) {
        bool gone = is_gone(s, keep, t);
        int32_t id = s->tokens->at[t].id;
        if (!gone || absent != GLIM_ABSENT_DELETE) {
            ids[n] = gone && absent == GLIM_ABSENT_MASK ? lm->neutral : id;
            hidden[n] = gone;
            if (gone && absent == GLIM_ABSENT_MEAN)
                memcpy(x + n * s->C, mean, s->C * sizeof *x);
            else
                assert_int_equal(glim_model_embedding(s->m, id, x + n * s->C, NULL), GLIM_OK);
            n++;
        }
        if (t >= first && row < s->p->n_rows)
            at[row++] = n - 1;
    }
    run_alone(s, ids, absent == GLIM_ABSENT_MEAN ? x : NULL,
              absent == GLIM_ABSENT_ATTENTION ? hidden : NULL, n, at, out);
    free(x);
    free(mean);
}

/* ---- slopes ---- */

struct kept {
    size_t n;
    float *rows;
};

static glim_status keep_rows(void *data, size_t sample, size_t row, const float *g,
                             glim_error *err) {
    struct kept *k = data;
    memcpy(k->rows + row * k->n, g, k->n * sizeof *g);
    return GLIM_OK;
}

static void check_slopes(struct set_up *s, const char *where) {
    glim_predictor *p = s->p;
    size_t n = p->T * p->C, R = p->n_rows;
    glim_error err = {0};
    float *x = calloc(3 * n, sizeof *x), *u = calloc(n, sizeof *u);
    double values[3 * MOST], most = 0;
    struct kept k = {n, calloc(n * R, sizeof(float))};
    assert_int_equal(p->embed(p, x, &err), GLIM_OK);
    assert_int_equal(p->gradient(p, x, 1, -1, values, keep_rows, &k, &err), GLIM_OK);
    for (size_t r = 0; r < R; r++)
        assert_true(fabs(values[r] - p->value[r]) < 1e-5);
    const float h = 2e-3f;
    for (size_t i = 0; i < n; i++) {
        u[i] = (float)glim__rng_normal(4, 2, i);
        x[n + i] = x[i] + h * u[i];
        x[2 * n + i] = x[i] - h * u[i];
    }
    assert_int_equal(p->gradient(p, x + n, 2, -1, values, NULL, NULL, &err), GLIM_OK);
    for (size_t r = 0; r < R; r++) {
        double slope = 0, taken = (values[r] - values[R + r]) / (2 * h);
        for (size_t i = 0; i < n; i++)
            slope += (double)k.rows[r * n + i] * u[i];
        if (fabs(slope - taken) > 0.02 * fabs(taken) + 0.01)
            fail_msg("%s, row %zu: slope %g, by differences %g", where, r, slope, taken);
        most = fabs(slope) > most ? fabs(slope) : most;
    }
    if (most < 0.01)
        fail_msg("%s: no slope at all", where);
    free(k.rows);
    free(x);
    free(u);
}

/* ---- masks ---- */

static void compare(struct set_up *s, const uint8_t *keep, size_t n, glim_absent absent,
                    const char *where) {
    glim_error err = {0};
    size_t R = s->p->n_rows;
    double *got = calloc(n * R, sizeof *got), want[MOST];
    if (s->p->values(s->p, keep, n, absent, got, &err))
        fail_msg("%s: %s", where, err.message);
    for (size_t i = 0; i < n; i++) {
        expect(s, keep + i * s->U, absent, want);
        for (size_t r = 0; r < R; r++)
            if (!(fabs(got[i * R + r] - want[r]) < 1e-4))
                fail_msg("%s, absence %d, mask %zu, row %zu: %g, alone %g", where, absent, i, r,
                         got[i * R + r], want[r]);
    }
    free(got);
}

/* Each unit alone, all of them, and some at random. */
static void check_masks(const char *file, const char *text, const glim_target_options *o) {
    struct set_up s;
    open_up(&s, file, text, o);
    size_t n = s.U + 1 + DRAWS;
    uint8_t *keep = malloc(n * s.U);
    memset(keep, 1, n * s.U);
    for (size_t u = 0; u < s.U; u++)
        keep[u * s.U + u] = s.p->units->at[u].fixed;
    for (size_t i = s.U; i < n; i++)
        for (size_t u = 0; u < s.U; u++)
            keep[i * s.U + u] = s.p->units->at[u].fixed || (i > s.U && glim__rng_below(1, i, u, 2));
    for (int absent = GLIM_ABSENT_DELETE; absent <= GLIM_ABSENT_ATTENTION; absent++)
        compare(&s, keep, n, (glim_absent)absent, file);
    free(keep);
    close_down(&s);
}

static void masked_inputs_are_what_they_say_for_one_row(void **state) {
    for (size_t i = 0; i < 3; i++) {
        check_masks(models[i], "the small cat sat", &(glim_target_options){0});
        check_masks(models[i], "the small cat sat",
                    &(glim_target_options){.units = GLIM_UNIT_WORD});
    }
}

static void masked_inputs_are_what_they_say_for_a_class(void **state) {
    for (size_t i = 0; i < 3; i++) {
        check_masks(classifiers[i], "the small cat sat", &(glim_target_options){0});
        check_masks(classifiers[i], "the small cat sat",
                    &(glim_target_options){.units = GLIM_UNIT_WORD, .target = "odd"});
    }
}

static void classes_have_names_and_numbers(void **state) {
    struct set_up s;
    glim_error err = {0};
    open_up(&s, classifiers[0], "a cat", &(glim_target_options){.target = "odd", .against = "0"});
    glim_document *doc = NULL;
    assert_int_equal(glim_explain(&doc, s.p, glim_method_find("gradient"), NULL, 0, &err), GLIM_OK);
    assert_string_equal(doc->target.text, "odd");
    assert_string_equal(doc->target.against, "bad");
    assert_int_equal(doc->target.id, 2);
    glim_document_free(doc);
    close_down(&s);
    const glim_target_options wrong[] = {
        {.target = "fine"}, {.target = "3"},       {.target = "odd", .against = "2"},
        {.generate = 2},    {.continuation = "x"}, {.labels = "a,b"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(try_open(&s, classifiers[0], "a cat", &wrong[i], &err), GLIM_EUSAGE);
        close_down(&s);
    }
}

/* Gradients at given embeddings against slopes, for every kind of encoder target: a
   step along one token's row. */
static void encoders_have_the_slopes_of_their_targets(void **state) {
    static const struct {
        const char *model, *against, *output;
    } cases[] = {
        {"published/bert-classes", NULL, "logprob"}, {"published/bert-classes", NULL, "logit"},
        {"published/bert-classes", NULL, "prob"},    {"published/bert-labels", NULL, "logit"},
        {"published/bert-labels", NULL, "logprob"},  {"published/bert-span", NULL, "logit"},
        {"published/bert-embed", "a dog", NULL},     {"published/roberta-classes", NULL, "logit"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct set_up s;
        open_up(&s, cases[i].model, "the small cat sat",
                &(glim_target_options){.against = cases[i].against, .output = cases[i].output});
        check_slopes(&s, cases[i].model);
        close_down(&s);
    }
}

/* Produced tokens are units too: removing one leaves every later row something else. */
static void masked_inputs_are_what_they_say_for_many_rows(void **state) {
    for (size_t i = 0; i < 3; i++) {
        check_masks(models[i], "the small cat", &(glim_target_options){.generate = 6});
        check_masks(models[i], "the cat", &(glim_target_options){.continuation = " sat on a mat"});
        check_masks(models[i], "x", &(glim_target_options){.generate = 12});
    }
}

static void rows_that_see_no_removed_unit_keep_their_value(void **state) {
    struct set_up s;
    glim_error err = {0};
    open_up(&s, "llama.gguf", "the cat", &(glim_target_options){.generate = 5});
    uint8_t keep[MOST];
    double out[MOST];
    memset(keep, 1, sizeof keep);
    keep[s.U - 1] = 0; /* the last one produced: no row sees it */
    assert_int_equal(s.p->values(s.p, keep, 1, GLIM_ABSENT_DELETE, out, &err), GLIM_OK);
    for (size_t r = 0; r < s.p->n_rows; r++)
        assert_true(out[r] == s.p->value[r]);
    close_down(&s);
}

/* ---- targets ---- */

/* Logits behind the whole input. */
static void last_logits(struct set_up *s, float *out) {
    glim_session *session = new_session(s->m, 0);
    int32_t ids[MOST];
    uint32_t last = (uint32_t)s->tokens->count - 1;
    for (size_t i = 0; i < s->tokens->count; i++)
        ids[i] = s->tokens->at[i].id;
    glim_sequence q = {.ids = ids, .count = s->tokens->count, .wanted = &last, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1};
    run_batch(session, &b);
    memcpy(out, glim_session_logits(session, 0, 0), s->V * sizeof *out);
    glim_session_free(session);
}

static void targets_are_logit_logprob_prob_and_their_contrasts(void **state) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    for (size_t i = 0; i < 3; i++)
        for (int o = 0; o < 3; o++)
            for (int contrast = 0; contrast < 2; contrast++) {
                struct set_up s;
                float x[1024];
                int32_t a, b;
                open_up(&s, models[i], "the cat",
                        &(glim_target_options){
                            .target = "a", .against = contrast ? "b" : NULL, .output = outputs[o]});
                last_logits(&s, x);
                assert_int_equal(glim_model_token(s.m, "a", &a, NULL), GLIM_OK);
                assert_int_equal(glim_model_token(s.m, "b", &b, NULL), GLIM_OK);
                double of_a = o == 0   ? x[a]
                              : o == 1 ? log_share(x, s.V, a)
                                       : exp(log_share(x, s.V, a));
                double of_b = o == 0   ? x[b]
                              : o == 1 ? log_share(x, s.V, b)
                                       : exp(log_share(x, s.V, b));
                assert_true(fabs(s.p->value[0] - (of_a - (contrast ? of_b : 0))) < 1e-5);
                close_down(&s);
            }
}

static void the_target_without_a_name_is_the_most_likely_token(void **state) {
    for (size_t i = 0; i < 3; i++) {
        struct set_up s;
        float x[1024];
        open_up(&s, models[i], "the cat", &(glim_target_options){0});
        last_logits(&s, x);
        int32_t id = ((const glim_lm *)s.p)->rows[0].id;
        for (size_t v = 0; v < s.V; v++)
            assert_true(x[v] <= x[id]);
        close_down(&s);
    }
}

/* Nothing tells a token from itself, named or the most likely. */
static void a_target_against_itself_is_refused(void **state) {
    struct set_up s;
    glim_error err = {0};
    char name[64];
    size_t n;
    open_up(&s, "llama.gguf", "the cat", &(glim_target_options){0});
    const char *bytes = glim_model_token_bytes(s.m, ((const glim_lm *)s.p)->rows[0].id, &n);
    snprintf(name, sizeof name, "%.*s", (int)n, bytes);
    close_down(&s);
    assert_int_equal(
        try_open(&s, "llama.gguf", "the cat", &(glim_target_options){.against = name}, &err),
        GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "the target itself"));
    close_down(&s);
}

/* Greedy tokens, one by one: each is the most likely one behind those before. */
static void generated_rows_are_the_greedy_continuation(void **state) {
    for (size_t i = 0; i < 3; i++) {
        struct set_up s;
        float x[1024];
        open_up(&s, models[i], "the cat", &(glim_target_options){.generate = 5});
        size_t end = s.tokens->count;
        for (size_t r = s.p->n_rows; r-- > 0;) {
            s.tokens->count = end - s.p->n_rows + r;
            last_logits(&s, x);
            int32_t id = s.tokens->at[s.tokens->count].id;
            for (size_t v = 0; v < s.V; v++)
                assert_true(x[v] <= x[id] + 1e-4f);
            assert_true(fabs(s.p->value[r] - log_share(x, s.V, id)) < 1e-4);
        }
        s.tokens->count = end;
        close_down(&s);
    }
}

static void a_continuation_is_the_text_that_was_given(void **state) {
    struct set_up s;
    open_up(&s, "llama.gguf", "the cat", &(glim_target_options){.continuation = " sat on"});
    assert_string_equal(s.tokens->text, "the cat sat on");
    const glim_token *last = &s.tokens->at[s.tokens->count - 1];
    assert_int_equal(last->kind, GLIM_TOKEN_GENERATED);
    assert_int_equal(last->end, s.tokens->text_len);
    close_down(&s);
}

static void targets_that_contradict_each_other_are_refused(void **state) {
    static const glim_target_options wrong[] = {
        {.continuation = "a", .generate = 2}, {.continuation = "a", .target = "b"},
        {.generate = 2, .against = "b"},      {.output = "loss"},
        {.target = "a", .against = "a"},      {.output = "score"},
        {.target = "much too long a target"}, {.units = GLIM_UNIT_TURN},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct set_up s;
        glim_error err = {0};
        if (try_open(&s, "llama.gguf", "the cat", &wrong[i], &err) != GLIM_EUSAGE || !*err.message)
            fail_msg("case %zu is not refused", i);
        assert_null(s.p);
        close_down(&s);
    }
}

/* ---- embeddings and their gradient ---- */

static void embeddings_and_baselines_keep_fixed_tokens(void **state) {
    for (size_t i = 0; i < 3; i++) {
        struct set_up s;
        open_up(&s, models[i], "the cat", &(glim_target_options){0});
        size_t n = s.p->T * s.C;
        float *x = calloc(3 * n, sizeof *x), *row = calloc(s.C, sizeof *row);
        assert_int_equal(s.p->embed(s.p, x, NULL), GLIM_OK);
        assert_int_equal(s.p->baseline(s.p, GLIM_BASELINE_ZERO, x + n, NULL), GLIM_OK);
        assert_int_equal(s.p->baseline(s.p, GLIM_BASELINE_MEAN, x + 2 * n, NULL), GLIM_OK);
        for (size_t t = 0; t < s.p->T; t++) {
            uint8_t none[MOST] = {0};
            bool fixed = !is_gone(&s, none, t);
            assert_int_equal(glim_model_embedding(s.m, s.tokens->at[t].id, row, NULL), GLIM_OK);
            assert_memory_equal(x + t * s.C, row, s.C * sizeof *row);
            if (!fixed)
                memset(row, 0, s.C * sizeof *row);
            assert_memory_equal(x + n + t * s.C, row, s.C * sizeof *row);
            if (!fixed)
                assert_int_equal(glim_model_embedding(s.m, -1, row, NULL), GLIM_OK);
            assert_memory_equal(x + 2 * n + t * s.C, row, s.C * sizeof *row);
        }
        free(x);
        free(row);
        close_down(&s);
    }
}

struct slope {
    const float *along;
    size_t n;
    double sum[MOST];
};

static glim_status add_slope(void *data, size_t sample, size_t row, const float *g,
                             glim_error *err) {
    struct slope *s = data;
    for (size_t i = 0; i < s->n; i++)
        s->sum[row] += (double)g[i] * s->along[i];
    return GLIM_OK;
}

/* The target along a random direction, by its gradient and by differences. */
static void gradients_are_the_slope_of_every_row(void **state) {
    const double step = 1e-3;
    for (size_t i = 0; i < 3; i++) {
        struct set_up s;
        glim_error err = {0};
        open_up(&s, models[i], "the cat", &(glim_target_options){.generate = 3});
        size_t n = s.p->T * s.C, R = s.p->n_rows;
        float *x = calloc(4 * n, sizeof *x), *along = x + 3 * n;
        double values[3 * MOST];
        struct slope slope = {.along = along, .n = n};
        assert_int_equal(s.p->embed(s.p, x, &err), GLIM_OK);
        for (size_t k = 0; k < n; k++) {
            along[k] = (float)(glim__rng_below(2, 0, k, 2001) / 1000.0 - 1);
            x[n + k] = (float)(x[k] + step * along[k]);
            x[2 * n + k] = (float)(x[k] - step * along[k]);
        }
        assert_int_equal(s.p->gradient(s.p, x, 3, -1, values, NULL, NULL, &err), GLIM_OK);
        double first[MOST];
        assert_int_equal(s.p->gradient(s.p, x, 1, -1, first, add_slope, &slope, &err), GLIM_OK);
        for (size_t r = 0; r < R; r++) {
            double by_steps = (values[R + r] - values[2 * R + r]) / (2 * step);
            assert_true(fabs(values[r] - s.p->value[r]) < 1e-4);
            assert_true(fabs(first[r] - values[r]) < 1e-6);
            if (fabs(by_steps - slope.sum[r]) > 0.02 * fabs(by_steps) + 0.02)
                fail_msg("%s, row %zu: slope %g, by differences %g", models[i], r, slope.sum[r],
                         by_steps);
        }
        free(x);
        close_down(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masked_inputs_are_what_they_say_for_one_row),
        cmocka_unit_test(masked_inputs_are_what_they_say_for_a_class),
        cmocka_unit_test(classes_have_names_and_numbers),
        cmocka_unit_test(encoders_have_the_slopes_of_their_targets),
        cmocka_unit_test(masked_inputs_are_what_they_say_for_many_rows),
        cmocka_unit_test(rows_that_see_no_removed_unit_keep_their_value),
        cmocka_unit_test(targets_are_logit_logprob_prob_and_their_contrasts),
        cmocka_unit_test(the_target_without_a_name_is_the_most_likely_token),
        cmocka_unit_test(a_target_against_itself_is_refused),
        cmocka_unit_test(generated_rows_are_the_greedy_continuation),
        cmocka_unit_test(a_continuation_is_the_text_that_was_given),
        cmocka_unit_test(targets_that_contradict_each_other_are_refused),
        cmocka_unit_test(embeddings_and_baselines_keep_fixed_tokens),
        cmocka_unit_test(gradients_are_the_slope_of_every_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
