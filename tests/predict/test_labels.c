/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels as answers, against a computation that knows nothing of branches, caches and
 * shared places: every label is written behind the (masked) input and run alone.
 */
#include "../model/model-testing.h"

#include "../explain/default-options.h"
#include "predict/lm.h"

enum { MOST = 64, LABELS = 8 };

static const char *const models[] = {"llama.gguf", "qwen2.gguf", "gemma3.gguf"};
static const char prompt[] = "so {text} is it";
static const char text[] = "the small cat";
/* One token and several; one begins another; two share a beginning; not ASCII. */
static const char labels[] = "a, the light, the river, the light and day, \xe6\xad\xa3";

struct set_up {
    glim_context *ctx;
    glim_model *m;
    glim_tokens *tokens;
    glim_predictor *p;
    size_t V, C, U, K;
    int32_t ids[LABELS][MOST]; /* of the labels */
    size_t count[LABELS];
    bool mean;
};

/* The label's tokens: those of "x label" behind those of "x". */
static void cut_label(struct set_up *s, size_t k, const char *name) {
    glim_tokens *with = NULL, *without = NULL;
    char joined[128];
    snprintf(joined, sizeof joined, (unsigned char)*name < 0x80 ? "is it %s" : "is it%s", name);
    assert_int_equal(glim_model_tokenize(s->m, &without, "is it", 5, NULL), GLIM_OK);
    assert_int_equal(glim_model_tokenize(s->m, &with, joined, strlen(joined), NULL), GLIM_OK);
    for (size_t i = 0; i < without->count; i++)
        assert_int_equal(with->at[i].id, without->at[i].id);
    for (size_t i = without->count; i < with->count; i++)
        s->ids[k][s->count[k]++] = with->at[i].id;
    glim_tokens_free(with);
    glim_tokens_free(without);
}

static glim_status try_open(struct set_up *s, const char *file, const glim_target_options *o,
                            glim_error *err) {
    *s = (struct set_up){.ctx = context_with(2, 0)};
    s->m = open_model(s->ctx, file);
    s->V = (size_t)glim_model_facts(s->m)->outputs;
    s->C = (size_t)glim_model_facts(s->m)->width;
    s->mean = o->length_normalise;
    if (glim_model_tokenize_prompt(s->m, &s->tokens, &(glim_prompt){.form = prompt}, text,
                                   strlen(text), err))
        fail_msg("%s", err->message);
    return glim_predictor_lm(&s->p, s->m, s->tokens, o, err);
}

static void open_up(struct set_up *s, const char *file, const glim_target_options *o) {
    glim_error err = {0};
    if (try_open(s, file, o, &err))
        fail_msg("%s: %s", file, err.message);
    const glim_label_score *l = glim_predictor_label_scores(s->p, &s->K);
    for (size_t k = 0; k < s->K; k++)
        cut_label(s, k, l[k].text);
    s->U = s->p->units->count;
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

struct input {
    int32_t ids[MOST];
    uint8_t hidden[MOST];
    float *x; /* (MOST, C), or NULL */
    size_t n;
};

/* One label behind one input, alone. */
static double score_alone(const struct set_up *s, const struct input *in, size_t k) {
    glim_session *session = new_session(s->m, 0);
    struct input all = *in;
    uint32_t wanted[MOST];
    double sum = 0;
    for (size_t i = 0; i < s->count[k]; i++, all.n++) {
        all.ids[all.n] = s->ids[k][i];
        if (all.x)
            assert_int_equal(glim_model_embedding(s->m, s->ids[k][i], all.x + all.n * s->C, NULL),
                             GLIM_OK);
    }
    for (size_t i = 0; i < all.n; i++)
        wanted[i] = (uint32_t)i;
    glim_sequence q = {.ids = all.ids,
                       .embeddings = all.x,
                       .hidden = all.hidden,
                       .count = all.n,
                       .wanted = wanted,
                       .n_wanted = all.n};
    run_batch(session, &(glim_batch){.sequences = &q, .count = 1});
    for (size_t i = 0; i < s->count[k]; i++)
        sum += log_share(glim_session_logits(session, 0, in->n - 1 + i), s->V, s->ids[k][i]);
    glim_session_free(session);
    return s->mean ? sum / (double)s->count[k] : sum;
}

/* The target as its words say: of label t, or of t against a. */
static double target_alone(const struct set_up *s, const struct input *in, const char *output,
                           size_t t, long a) {
    double score[LABELS] = {0}, sum = 0;
    for (size_t k = 0; k < s->K; k++) {
        score[k] = score_alone(s, in, k);
        sum += exp(score[k]);
    }
    double of_t = score[t], of_a = a < 0 ? 0 : score[a];
    if (output && !strcmp(output, "prob")) {
        of_t = exp(of_t) / sum;
        of_a = a < 0 ? 0 : exp(of_a) / sum;
    } else if (output && !strcmp(output, "logprob")) {
        of_t -= log(sum);
        of_a -= a < 0 ? 0 : log(sum);
    }
    return of_t - of_a;
}

static void whole_input(const struct set_up *s, struct input *in) {
    *in = (struct input){.n = s->tokens->count};
    for (size_t i = 0; i < in->n; i++)
        in->ids[i] = s->tokens->at[i].id;
}

static bool is_gone(const struct set_up *s, const uint8_t *keep, size_t token) {
    for (size_t u = 0; u < s->U; u++) {
        const glim_unit *unit = &s->p->units->at[u];
        if (token >= unit->first && token < unit->first + unit->count)
            return !unit->fixed && !keep[u];
    }
    return false;
}

static void masked_input(const struct set_up *s, const uint8_t *keep, glim_absent absent,
                         struct input *in) {
    const glim_lm *lm = (const glim_lm *)s->p;
    *in = (struct input){0};
    if (absent == GLIM_ABSENT_MEAN)
        in->x = calloc(MOST * s->C, sizeof *in->x);
    for (size_t t = 0; t < s->tokens->count; t++) {
        bool gone = is_gone(s, keep, t);
        if (gone && absent == GLIM_ABSENT_DELETE)
            continue;
        in->ids[in->n] = gone && absent == GLIM_ABSENT_MASK ? lm->neutral : s->tokens->at[t].id;
        in->hidden[in->n] = gone && absent == GLIM_ABSENT_ATTENTION;
        if (in->x)
            assert_int_equal(glim_model_embedding(s->m, gone ? -1 : s->tokens->at[t].id,
                                                  in->x + in->n * s->C, NULL),
                             GLIM_OK);
        in->n++;
    }
}

static void near(double got, double want, const char *where, const char *what) {
    if (!(fabs(got - want) < 1e-4))
        fail_msg("%s, %s: %g, alone %g", where, what, got, want);
}

/* ---- tests ---- */

static void scores_are_sums_of_log_probabilities(void **state) {
    for (size_t i = 0; i < 6; i++) {
        struct set_up s;
        struct input in;
        double sum = 0, total = 0;
        open_up(&s, models[i % 3],
                &(glim_target_options){.labels = labels, .length_normalise = i > 2});
        const glim_label_score *l = glim_predictor_label_scores(s.p, &s.K);
        assert_int_equal(s.K, 5);
        assert_true(s.count[0] == 1 && s.count[3] > s.count[1] && s.count[4] > 1);
        whole_input(&s, &in);
        for (size_t k = 0; k < s.K; k++) {
            near(l[k].score, score_alone(&s, &in, k), models[i % 3], l[k].text);
            assert_int_equal(l[k].tokens, s.count[k]);
            sum += exp(l[k].score);
        }
        for (size_t k = 0; k < s.K; k++) {
            assert_true(fabs(l[k].prob - exp(l[k].score) / sum) < 1e-9);
            total += l[k].prob;
        }
        assert_true(fabs(total - 1) < 1e-9);
        close_down(&s);
    }
}

static const struct {
    const char *output, *against;
} targets[] = {{"score", NULL}, {"logprob", NULL},        {"prob", NULL},
               {NULL, "a"},     {"logprob", "the light"}, {"prob", "a"}};
enum { TARGETS = sizeof targets / sizeof *targets };

static glim_target_options options_of(size_t i) {
    return (glim_target_options){.labels = labels,
                                 .target = "the river",
                                 .against = targets[i].against,
                                 .output = targets[i].output,
                                 .length_normalise = i % 2 || i == 2,
                                 .units = GLIM_UNIT_TOKEN};
}

static long against_of(size_t i) {
    return !targets[i].against ? -1 : strcmp(targets[i].against, "a") ? 1 : 0;
}

static void only_the_text_is_scored(void **state) {
    for (size_t i = 0; i < 3; i++) {
        struct set_up s;
        size_t at = strlen("so "), end = at + strlen(text), scored = 0;
        open_up(&s, models[i], &(glim_target_options){.labels = labels, .units = GLIM_UNIT_WORD});
        assert_string_equal(s.tokens->text, "so the small cat is it");
        for (size_t u = 0; u < s.U; u++) {
            const glim_unit *unit = &s.p->units->at[u];
            bool inside = unit->end > at && unit->start < end;
            assert_int_equal(unit->fixed, !inside);
            scored += inside;
            if (inside)
                assert_true(unit->start + 1 >= at && unit->end <= end);
        }
        assert_int_equal(scored, 3);
        close_down(&s);
    }
}

/* Each unit alone, all of them, pairs; in an order that makes the cache go back. */
static void masked_inputs_are_what_they_say(void **state) {
    for (size_t i = 0; i < 3 * TARGETS; i++) {
        struct set_up s;
        glim_error err = {0};
        glim_target_options o = options_of(i % TARGETS);
        open_up(&s, models[i / TARGETS], &o);
        size_t U = s.U, n = 2 * U + 1;
        uint8_t *keep = malloc(n * U);
        double *got = calloc(n, sizeof *got);
        memset(keep, 1, n * U);
        for (size_t u = 0; u < U; u++) {
            keep[u * U + u] = 0;
            keep[(U + u) * U + u] = keep[(U + u) * U + (u + 2) % U] = 0;
        }
        memset(keep + 2 * U * U, 0, U);
        for (int absent = GLIM_ABSENT_DELETE; absent <= GLIM_ABSENT_ATTENTION; absent++) {
            if (s.p->values(s.p, keep, n, (glim_absent)absent, got, &err))
                fail_msg("%s", err.message);
            for (size_t k = 0; k < n; k++) {
                struct input in;
                masked_input(&s, keep + k * U, (glim_absent)absent, &in);
                near(got[k], target_alone(&s, &in, o.output, 2, against_of(i % TARGETS)),
                     models[i / TARGETS], targets[i % TARGETS].output);
                free(in.x);
            }
        }
        free(keep);
        free(got);
        close_down(&s);
    }
}

/* Nothing but the text: taking all of it out leaves the neutral token. */
static void a_bare_prompt_can_lose_its_text(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_error err = {0};
    double out[2];
    assert_int_equal(glim_model_tokenize_prompt(m, &tokens, &(glim_prompt){0}, "the cat", 7, &err),
                     GLIM_OK);
    if (glim_predictor_lm(&p, m, tokens, &(glim_target_options){.labels = "good day, bad day, a"},
                          &err))
        fail_msg("%s", err.message);
    uint8_t keep[2 * MOST] = {0};
    memset(keep + p->units->count, 1, p->units->count);
    assert_int_equal(p->values(p, keep, 2, GLIM_ABSENT_DELETE, out, &err), GLIM_OK);
    assert_true(isfinite(out[0]) && out[0] != out[1]);
    assert_true(out[1] == p->value[0]);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(m);
    glim_context_free(ctx);
}

struct kept {
    size_t n;
    float *rows;
};

static glim_status keep_rows(void *data, size_t sample, size_t row, const float *g,
                             glim_error *err) {
    struct kept *k = data;
    memcpy(k->rows + sample * k->n, g, k->n * sizeof *g);
    return GLIM_OK;
}

/* The gradient along a random direction against differences, and the same bits alone
   and in a batch. */
static void gradients_are_the_slope_of_every_target(void **state) {
    for (size_t i = 0; i < 3 * TARGETS; i++) {
        struct set_up s;
        glim_error err = {0};
        glim_target_options o = options_of(i % TARGETS);
        open_up(&s, models[i / TARGETS], &o);
        size_t n = s.p->T * s.p->C;
        const float h = 1e-3f;
        double values[3], first, slope = 0;
        float *x = calloc(3 * n, sizeof *x);
        struct kept one = {n, calloc(n, sizeof(float))}, many = {n, calloc(3 * n, sizeof(float))};
        assert_int_equal(s.p->embed(s.p, x, &err), GLIM_OK);
        for (size_t c = 0; c < n; c++) {
            float u = (float)glim__rng_normal(4, i, c);
            x[n + c] = x[c] + h * u;
            x[2 * n + c] = x[c] - h * u;
        }
        assert_int_equal(s.p->gradient(s.p, x, 1, -1, &first, keep_rows, &one, &err), GLIM_OK);
        assert_int_equal(s.p->gradient(s.p, x, 3, 0, values, keep_rows, &many, &err), GLIM_OK);
        assert_memory_equal(one.rows, many.rows, n * sizeof(float));
        assert_true(first == values[0] && fabs(first - s.p->value[0]) < 1e-5);
        for (size_t c = 0; c < n; c++)
            slope += (double)one.rows[c] * glim__rng_normal(4, i, c);
        double taken = (values[1] - values[2]) / (2 * h);
        if (fabs(slope - taken) > 0.02 * fabs(taken) + 0.005 || fabs(slope) < 1e-4)
            fail_msg("%s, %s: slope %g, by differences %g", models[i / TARGETS],
                     targets[i % TARGETS].output, slope, taken);
        free(one.rows);
        free(many.rows);
        free(x);
        close_down(&s);
    }
}

static void every_method_explains_a_label(void **state) {
    for (size_t i = 0; glim_methods()[i]; i++) {
        struct set_up s;
        glim_error err = {0};
        glim_document *doc = NULL;
        size_t scored = 0;
        open_up(&s, "llama.gguf",
                &(glim_target_options){
                    .labels = labels, .target = "the river", .units = GLIM_UNIT_WORD});
        unsigned needs = glim_methods()[i]->needs, inside = GLIM_CAN_ATTENTION | GLIM_CAN_GRADIENT;
        if (needs & ~s.p->can) {
            close_down(&s);
            continue;
        }
        void *opts = default_options(glim_methods()[i]);
        glim_status status = glim_explain(&doc, s.p, glim_methods()[i], opts, 1, &err);
        free(opts);
        if ((needs & inside) == inside) { /* a label of several tokens is many inner values */
            assert_int_equal(status, GLIM_EUNSUPPORTED);
            assert_non_null(strstr(err.message, "labels of one token"));
            close_down(&s);
            continue;
        }
        if (status)
            fail_msg("%s: %s", glim_methods()[i]->name, err.message);
        assert_string_equal(doc->target.kind, "class");
        assert_string_equal(doc->target.text, "the river");
        assert_string_equal(doc->target.output, "logprob");
        assert_true(fabs(exp(doc->target.value) - doc->target.prob) < 1e-9);
        for (size_t u = 0; u < s.U; u++) {
            assert_int_equal(isfinite(doc->scores[u]), !doc->input.units[u].fixed);
            scored += isfinite(doc->scores[u]) && doc->scores[u] != 0;
        }
        assert_int_equal(scored, 3);
        assert_true(doc->n_notes >= 1);
        glim_document_free(doc);
        close_down(&s);
    }
}

/* The answer takes neither threads nor the order of the masks. */
static void scores_depend_on_neither_threads_nor_order(void **state) {
    double first[MOST];
    for (int threads = 1; threads <= 3; threads++) {
        struct set_up s;
        glim_error err = {0};
        open_up(&s, "gemma3.gguf", &(glim_target_options){.labels = labels});
        size_t U = s.U;
        uint8_t *keep = malloc(U * U);
        double out[MOST];
        memset(keep, 1, U * U);
        for (size_t i = 0; i < U; i++) /* forwards, then backwards */
            keep[i * U + (threads == 2 ? U - 1 - i : i)] = 0;
        assert_int_equal(s.p->values(s.p, keep, U, GLIM_ABSENT_DELETE, out, &err), GLIM_OK);
        for (size_t i = 0; i < U; i++) {
            size_t u = threads == 2 ? U - 1 - i : i;
            if (threads == 1)
                first[u] = out[i];
            else
                assert_true(first[u] == out[i]);
        }
        free(keep);
        close_down(&s);
    }
}

static void what_makes_no_sense_is_refused(void **state) {
    static const glim_target_options wrong[] = {
        {.labels = ""},
        {.labels = "a"},
        {.labels = "a,,b"},
        {.labels = "a,b,"},
        {.labels = "a, b, a"},
        {.labels = "a,b", .target = "c"},
        {.labels = "a,b", .against = "c"},
        {.labels = "a,b", .target = "a", .against = "a"},
        {.labels = "a,b", .generate = 2},
        {.labels = "a,b", .continuation = "x"},
        {.labels = "a,b", .output = "loss"},
    };
    struct set_up s;
    glim_error err = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (glim_error){0};
        if (try_open(&s, "llama.gguf", &wrong[i], &err) != GLIM_EUSAGE || !*err.message)
            fail_msg("case %zu is not refused", i);
        assert_null(s.p);
        close_down(&s);
    }
    assert_int_equal(try_open(&s, "llama.gguf", &(glim_target_options){.output = "score"}, &err),
                     GLIM_EUSAGE);
    close_down(&s);
}

static void a_prompt_has_one_place_for_the_text(void **state) {
    static const char *const wrong[] = {"Mood:", "", "{text} and {text}", "{ text }", "{Text}"};
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        glim_tokens *tokens = NULL;
        assert_int_equal(
            glim_model_tokenize_prompt(m, &tokens, &(glim_prompt){.form = wrong[i]}, "x", 1, NULL),
            GLIM_EUSAGE);
        assert_null(tokens);
    }
    glim_model_close(m);
    glim_context_free(ctx);
}

/* A chat: the template's words and the prompt's are fixed, the text is not. */
static void a_prompt_can_be_a_users_message(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    const glim_prompt p = {.form = "Is {text} good?", .chat = true, .tmpl = "zephyr"};
    if (glim_model_tokenize_prompt(m, &tokens, &p, "the cat", 7, &err))
        fail_msg("%s", err.message);
    assert_string_equal(tokens->text, "Is the cat good?");
    assert_int_equal(tokens->n_turns, 1);
    assert_string_equal(tokens->turns[0].role, "user");
    size_t inside = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        const glim_token *t = &tokens->at[i];
        if (t->kind == GLIM_TOKEN_TEXT) {
            assert_true(t->start >= 2 && t->end <= 10);
            inside += t->end - t->start;
        }
    }
    assert_true(inside >= 7);
    glim_tokens_free(tokens);
    assert_int_equal(glim_model_tokenize_prompt(m, &tokens, &p, "a\xff", 2, &err), GLIM_EFORMAT);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_sums_of_log_probabilities),
        cmocka_unit_test(only_the_text_is_scored),
        cmocka_unit_test(masked_inputs_are_what_they_say),
        cmocka_unit_test(a_bare_prompt_can_lose_its_text),
        cmocka_unit_test(gradients_are_the_slope_of_every_target),
        cmocka_unit_test(every_method_explains_a_label),
        cmocka_unit_test(scores_depend_on_neither_threads_nor_order),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(a_prompt_has_one_place_for_the_text),
        cmocka_unit_test(a_prompt_can_be_a_users_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
