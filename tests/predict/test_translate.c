/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encoder-decoder as a predictor, against a computation that knows nothing of masks
 * and batches: every masked text is written down and run alone. And, on a translator of a
 * toy pair that is known to be right, whether each written word is traced to its source.
 */
#include "../model/model-testing.h"

#include "predict/lm.h"

#include <glim/explain.h>

enum { MOST = 64 };

static const char *const models[] = {"stacks/t5", "stacks/t5-gated", "stacks/marian",
                                     "stacks/t5.gguf"};

struct set_up {
    glim_context *ctx;
    glim_model *m;
    glim_tokens *tokens;
    glim_predictor *p;
    size_t U, R;
};

static glim_status try_open(struct set_up *s, const char *file, const char *text,
                            const glim_target_options *o, glim_error *err) {
    *s = (struct set_up){.ctx = context_with(2, 0)};
    s->m = open_model(s->ctx, file);
    if (glim_model_tokenize(s->m, &s->tokens, text, strlen(text), err))
        fail_msg("%s", err->message);
    glim_status status = glim_predictor_lm(&s->p, s->m, s->tokens, o, err);
    s->U = status ? 0 : s->p->units->count;
    s->R = status ? 0 : s->p->n_rows;
    return status;
}

static void open_up(struct set_up *s, const char *file, const char *text,
                    const glim_target_options *o) {
    glim_error err = {0};
    if (try_open(s, file, text, o, &err))
        fail_msg("%s: %s", file, err.message);
}

static void close_down(struct set_up *s) {
    glim_predictor_free(s->p);
    glim_tokens_free(s->tokens);
    glim_model_close(s->m);
    glim_context_free(s->ctx);
}

/* ---- the independent computation ---- */

static double log_share(const float *x, size_t V, int32_t id) {
    double sum = 0;
    for (size_t i = 0; i < V; i++)
        sum += exp((double)x[i] - x[id]);
    return -log(sum);
}

static void run_alone(const struct set_up *s, const glim_sequence *text, double *out) {
    glim_session *session = new_session(s->m, 0);
    const glim_lm *lm = (const glim_lm *)s->p;
    int32_t ids[MOST];
    uint32_t wanted[MOST];
    for (size_t r = 0; r < s->R; r++) {
        ids[r] = r ? lm->rows[r - 1].id : s->m->start;
        wanted[r] = (uint32_t)r;
    }
    glim_sequence q = {.ids = ids, .count = s->R, .wanted = wanted, .n_wanted = s->R};
    glim_batch b = {.sequences = &q, .count = 1, .sources = text, .n_sources = 1};
    run_batch(session, &b);
    for (size_t r = 0; r < s->R; r++)
        out[r] =
            log_share(glim_session_logits(session, 0, r), (size_t)s->m->outputs, lm->rows[r].id);
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
    size_t n = 0, C = s->p->C;
    float *x = calloc(MOST * C, sizeof *x), *mean = calloc(C, sizeof *mean);
    assert_int_equal(glim_model_embedding(s->m, -1, mean, NULL), GLIM_OK);
    for (size_t t = 0; t < s->p->T; t++) {
        bool gone = is_gone(s, keep, t);
        if (gone && absent == GLIM_ABSENT_DELETE)
            continue;
        ids[n] = gone && absent == GLIM_ABSENT_MASK ? lm->neutral : s->tokens->at[t].id;
        hidden[n] = gone;
        assert_int_equal(glim_model_embedding(s->m, ids[n], x + n * C, NULL), GLIM_OK);
        if (gone && absent == GLIM_ABSENT_MEAN)
            memcpy(x + n * C, mean, C * sizeof *x);
        n++;
    }
    glim_sequence text = {.ids = ids,
                          .count = n,
                          .embeddings = absent == GLIM_ABSENT_MEAN ? x : NULL,
                          .hidden = absent == GLIM_ABSENT_ATTENTION ? hidden : NULL};
    run_alone(s, &text, out);
    free(mean);
    free(x);
}

static void check_values(struct set_up *s, const char *file, glim_absent absent) {
    enum { DRAWS = 40 };
    uint8_t *keep = malloc(DRAWS * s->U);
    double *all = malloc(DRAWS * s->R * sizeof *all), *one = malloc(s->R * sizeof *one);
    glim_error err = {0};
    for (size_t i = 0; i < DRAWS * s->U; i++)
        keep[i] = glim__rng_below(5, 1, i, 3) > 0;
    memset(keep, 0, s->U);        /* nothing is left but the end */
    memset(keep + s->U, 1, s->U); /* all is */
    if (s->p->values(s->p, keep, DRAWS, absent, all, &err))
        fail_msg("%s: %s", file, err.message);
    for (size_t i = 0; i < DRAWS; i++) {
        expect(s, keep + i * s->U, absent, one);
        for (size_t r = 0; r < s->R; r++)
            if (fabs(one[r] - all[i * s->R + r]) > 1e-5 * (1 + fabs(one[r])))
                fail_msg("%s, absent %d, mask %zu, row %zu: %.9g, alone %.9g", file, absent, i, r,
                         all[i * s->R + r], one[r]);
        assert_int_equal(s->p->values(s->p, keep + i * s->U, 1, absent, one, &err), GLIM_OK);
        assert_memory_equal(one, all + i * s->R, s->R * sizeof *one); /* in no batch */
    }
    free(keep);
    free(all);
    free(one);
}

static void masked_texts_are_what_they_say(void **state) {
    static const glim_absent kinds[] = {GLIM_ABSENT_DELETE, GLIM_ABSENT_MASK, GLIM_ABSENT_MEAN,
                                        GLIM_ABSENT_ATTENTION};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct set_up s;
        glim_target_options o = {.target = "das Haus ist rot", .auto_units = true};
        open_up(&s, models[i], "the house is red", &o);
        assert_true(s.R > 3 && s.U == 5);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            check_values(&s, models[i], kinds[k]);
        close_down(&s);
    }
}

/* ---- gradients ---- */

struct kept {
    float *d; /* (R, T, C) */
    size_t one;
};

static glim_status keep_row(void *data, size_t sample, size_t row, const float *g,
                            glim_error *err) {
    struct kept *k = data;
    if (!sample)
        memcpy(k->d + row * k->one, g, k->one * sizeof *g);
    return GLIM_OK;
}

/* Along random directions, against central differences of the values; of models whose
   floats carry differences: t5's scores are large (test_stacks.c compares its gradients). */
static void gradients_agree_with_differences(void **state) {
    static const char *const outputs[] = {"logprob", "logit", "prob"};
    for (size_t i = 1; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            struct set_up s;
            glim_error err = {0};
            glim_target_options o = {
                .target = "das Haus", .output = outputs[k], .units = GLIM_UNIT_TOKEN};
            open_up(&s, models[i], "the house is red", &o);
            size_t one = s.p->T * s.p->C;
            float *x = malloc(3 * one * sizeof *x), *way = malloc(one * sizeof *way);
            struct kept kept = {malloc(s.R * one * sizeof(float)), one};
            double *values = malloc(3 * s.R * sizeof *values);
            const float h = 1e-3f;
            assert_int_equal(s.p->embed(s.p, x, &err), GLIM_OK);
            for (size_t c = 0; c < one; c++) {
                way[c] = (float)glim__rng_normal(11, 1, c);
                x[one + c] = x[c] + h * way[c];
                x[2 * one + c] = x[c] - h * way[c];
            }
            assert_int_equal(s.p->gradient(s.p, x, 3, -1, values, keep_row, &kept, &err), GLIM_OK);
            for (size_t r = 0; r < s.R; r++) {
                double slope = (values[s.R + r] - values[2 * s.R + r]) / (2.0 * h), dot = 0;
                for (size_t c = 0; c < one; c++)
                    dot += (double)way[c] * kept.d[r * one + c];
                assert_true(fabs(values[r] - s.p->value[r]) < 1e-5 * (1 + fabs(values[r])));
                if (fabs(slope - dot) > 2e-2 * fabs(slope) + 1e-2)
                    fail_msg("%s, %s, row %zu: %g by differences, %g", models[i], outputs[k], r,
                             slope, dot);
            }
            free(x);
            free(way);
            free(kept.d);
            free(values);
            close_down(&s);
        }
}

/* ---- sense ---- */

static const char *strongest(const glim_document *doc, size_t row, size_t *len) {
    size_t U = doc->input.n_units, best = SIZE_MAX;
    const double *scores = doc->scores + row * U;
    for (size_t u = 0; u < U; u++)
        if (isfinite(scores[u]) && (best == SIZE_MAX || scores[u] > scores[best]))
            best = u;
    assert_true(best != SIZE_MAX);
    const char *text = doc->input.units[best].text;
    *len = doc->input.units[best].text_len;
    while (*len && *text == ' ') {
        text++;
        --*len;
    }
    return text;
}

/* The first token that tells a word apart is owed to the word that it translates. */
static void written_words_are_traced_to_their_source(void **state) {
    static const struct {
        const char *token, *word;
    } pairs[] = {{" Brief", "letter"}, {" Katze", "cat"}, {" Haus", "house"}, {" Fluss", "river"}};
    static const char *const texts[] = {"you have found the letter", "the cat is red",
                                        "we have lost the house", "I have seen the river"};
    int traced = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct set_up s;
        glim_error err = {0};
        glim_document *doc = NULL;
        glim_target_options o = {.auto_units = true};
        open_up(&s, "stacks/marian", texts[i], &o);
        if (glim_explain(&doc, s.p, glim_method_find("occlusion"), NULL, 1, &err))
            fail_msg("%s", err.message);
        assert_string_equal(doc->kind, "attribution-matrix");
        assert_string_equal(doc->target.kind, "generated");
        for (size_t r = 0; r < doc->n_rows; r++)
            for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
                size_t len, n = strlen(pairs[k].word);
                const char *row = doc->rows[r].text;
                if (doc->rows[r].text_len != strlen(pairs[k].token) ||
                    memcmp(row, pairs[k].token, doc->rows[r].text_len))
                    continue;
                const char *word = strongest(doc, r, &len);
                if (len != n || memcmp(word, pairs[k].word, n))
                    fail_msg("'%s' is traced to '%.*s'", pairs[k].token, (int)len, word);
                traced++;
            }
        glim_document_free(doc);
        close_down(&s);
    }
    assert_int_equal(traced, 4);
}

static void integrated_gradients_are_complete(void **state) {
    struct set_up s;
    glim_error err = {0};
    glim_document *doc = NULL;
    glim_target_options o = {.auto_units = true};
    open_up(&s, "stacks/marian", "the dog was not old", &o);
    if (glim_explain(&doc, s.p, glim_method_find("integrated-gradients"), NULL, 1, &err))
        fail_msg("%s", err.message);
    for (size_t r = 0; r < doc->n_rows; r++)
        assert_true(fabs(doc->rows[r].residual) <
                    0.05 * fabs(doc->rows[r].value - doc->rows[r].baseline_value) + 0.05);
    glim_document_free(doc);
    close_down(&s);
}

/* The logit of one less that of the other, of what is written first. */
static double told_apart(const char *a, const char *b) {
    struct set_up s;
    glim_target_options o = {.target = a, .against = b};
    open_up(&s, "stacks/t5", "the dog was not old", &o);
    assert_int_equal(s.p->n_rows, 1);
    double value = s.p->value[0];
    close_down(&s);
    return value;
}

static void two_first_tokens_are_told_apart(void **state) {
    double ab = told_apart("a", "e"), ba = told_apart("e", "a");
    assert_true(fabs(ab) > 1e-3);
    assert_true(fabs(ab + ba) < 1e-5);
    assert_true(fabs(ab + told_apart("e", "s") - told_apart("a", "s")) < 1e-5);
}

static void another_text_is_asked_for_the_same_tokens(void **state) {
    struct set_up s;
    glim_target_options o = {.auto_units = true};
    open_up(&s, "stacks/marian", "the dog was not old", &o);
    o.same = s.p;
    o.target = NULL;
    glim_error err = {0};
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    const glim_model *m = s.p->model;
    if (glim_model_tokenize(m, &tokens, "the cat", 7, &err) ||
        glim_predictor_lm(&p, m, tokens, &o, &err))
        fail_msg("%s", err.message);
    const glim_lm *x = (const glim_lm *)s.p, *y = (const glim_lm *)p;
    assert_int_equal(p->n_rows, s.p->n_rows);
    for (size_t r = 0; r < p->n_rows; r++)
        assert_int_equal(x->rows[r].id, y->rows[r].id);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    close_down(&s);
}

static void what_makes_no_sense_is_refused(void **state) {
    static const glim_target_options wrong[] = {{.against = "b"},
                                                {.target = "a", .against = "b", .generate = 3},
                                                {.target = "a", .continuation = "b"},
                                                {.continuation = "a", .generate = 3},
                                                {.target = ""},
                                                {.output = "cosine"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct set_up s;
        glim_error err = {0};
        assert_int_equal(try_open(&s, "stacks/t5", "a", &wrong[i], &err), GLIM_EUSAGE);
        assert_true(*err.message);
        close_down(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masked_texts_are_what_they_say),
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(written_words_are_traced_to_their_source),
        cmocka_unit_test(integrated_gradients_are_complete),
        cmocka_unit_test(two_first_tokens_are_told_apart),
        cmocka_unit_test(another_text_is_asked_for_the_same_tokens),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
