/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ReAGent on a function of tokens whose answer is known, and on tiny models: what is asked,
 * what repeats, what is refused.
 */
#include "../model/model-testing.h"
#include "analytic.h"
#include "default-options.h"

enum { OWN = 100 };

/* The probability needs the tokens of units 1 and 3 to be there. */
struct known {
    struct analytic a;
    size_t asked, replaced[AT];
    double both, one, none;
    double log; /* answers are logarithms */
};

static glim_context *ctx;

static glim_status propose(glim_predictor *p, size_t most, int32_t *own, int32_t *ids,
                           float *shares, glim_error *err) {
    for (size_t t = 0; t < AT; t++) {
        own[t] = (int32_t)(OWN + t);
        for (size_t k = 0; k < most; k++) {
            ids[t * most + k] = (int32_t)k;
            shares[t * most + k] = (float)(k + 1) / (float)most;
        }
    }
    return GLIM_OK;
}

static glim_status values_of(glim_predictor *p, const int32_t *ids, size_t n, double *out,
                             glim_error *err) {
    struct known *k = (struct known *)p;
    for (size_t i = 0; i < n; i++) {
        int have = 0;
        for (int32_t t = 0; t < AT; t++) {
            bool own = ids[i * AT + (size_t)t] == OWN + t;
            k->replaced[t] += !own;
            have += own && (t == 1 || t == 3);
        }
        double prob = have == 2 ? k->both : have ? k->one : k->none;
        out[i] = k->log > 0 ? log(prob) : prob;
        if (k->a.cancel_after && ++k->a.calls > k->a.cancel_after)
            glim_context_cancel(p->ctx);
    }
    k->asked += n;
    return GLIM_OK;
}

static void plan_propose(const glim_predictor *p, size_t n, size_t inputs, glim_plan *out) {
    out->forward_tokens += inputs * AT;
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    glim_status status = analytic_describe(p, doc, err);
    doc->target.output = ((const struct known *)p)->log > 0 ? "logprob" : "prob";
    return status;
}

static void begin(struct known *k, bool log_scale, bool first_fixed) {
    *k = (struct known){.both = 0.9, .one = 0.4, .none = 0.02, .log = log_scale};
    analytic_init(&k->a, ctx, LINEAR, first_fixed);
    k->a.value[0] = log_scale ? log(k->both) : k->both;
    k->a.base.can = GLIM_CAN_PREDICT | GLIM_CAN_PROPOSE;
    k->a.base.propose = propose;
    k->a.base.values_of = values_of;
    k->a.base.plan_propose = plan_propose;
    k->a.base.describe = describe;
}

struct setting {
    const char *name, *value;
};

static glim_document *explain_as(glim_predictor *p, const struct setting *s, uint64_t seed,
                                 glim_status want) {
    const glim_method *m = glim_method_find("reagent");
    glim_error err = {0};
    glim_document *doc = NULL;
    void *opts = default_options(m);
    for (; s && s->name; s++)
        if (glim_param_set(glim_param_find(m->params, s->name), opts, s->value, &err))
            fail_msg("%s", err.message);
    glim_status status = glim_explain(&doc, p, m, opts, seed, &err);
    if (status != want)
        fail_msg("status %d: %s", status, err.message);
    free(opts);
    return doc;
}

static double check_value(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

static void what_carries_the_target_comes_first(void **state) {
    for (int scale = 0; scale < 2; scale++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct known k;
            struct setting with[] = {{"keep", "0.4"},
                                     {"patience", "10"},
                                     {"stop", "0.9"},
                                     {"max-steps", "200"},
                                     {NULL, NULL}};
            begin(&k, scale == 1, false);
            glim_document *doc = explain_as(&k.a.base, with, seed, GLIM_OK);
            double sum = 0;
            for (int t = 0; t < AT; t++) {
                sum += doc->scores[t];
                if (t != 1 && t != 3 &&
                    !(doc->scores[t] < doc->scores[1] && doc->scores[t] < doc->scores[3]))
                    fail_msg("seed %d: %g %g %g", (int)seed, doc->scores[1], doc->scores[3],
                             doc->scores[t]);
                assert_true(doc->error[t] >= 0);
            }
            assert_true(fabs(sum - 1) < 1e-12);
            assert_true(check_value(doc, "settled") > 0.8);
            assert_true(check_value(doc, "probability_left") > 0.8);
            glim_document_free(doc);
        }
}

/* A step replaces one unit of five. Where that matters the target loses a half, so that the
   unit has log 3 and the others have -log 3: shares 9 / 13 and 1 / 13; else all have 1 / 5. */
static void one_step_is_the_formula(void **state) {
    struct known k;
    struct setting with[] = {
        {"max-steps", "1"}, {"probes", "64"}, {"replace", "0.2"}, {NULL, NULL}};
    begin(&k, false, false);
    glim_document *doc = explain_as(&k.a.base, with, 3, GLIM_OK);
    const double *s = doc->scores;
    double hit = 64 / (8.0 / 13); /* probes by differences of scores */
    double one = (s[1] - s[0]) * hit, three = (s[3] - s[0]) * hit;
    assert_true(fabs(one - round(one)) < 1e-9 && one >= 4 && one < 30);
    assert_true(fabs(three - round(three)) < 1e-9 && three >= 4 && three < 30);
    assert_true(fabs(s[0] - ((one + three) / 13 + (64 - one - three) / 5) / 64) < 1e-12);
    assert_true(s[0] == s[2] && s[2] == s[4]);
    assert_int_equal(k.asked, 2 * 64);
    size_t all = 0;
    for (int t = 0; t < AT; t++)
        all += k.replaced[t];
    assert_int_equal(all, 64 * (1 + 3)); /* the step; then all but 0.3 of five */
    glim_document_free(doc);
}

static void fixed_units_are_never_replaced(void **state) {
    struct known k;
    begin(&k, true, true);
    glim_document *doc = explain_as(&k.a.base, NULL, 1, GLIM_OK);
    assert_true(isnan(doc->scores[0]) && isfinite(doc->scores[1]));
    assert_int_equal(k.replaced[0], 0);
    assert_true(k.replaced[2] > 0);
    glim_document_free(doc);
}

static void without_units_nothing_is_asked(void **state) {
    struct known k;
    begin(&k, true, true);
    for (int t = 0; t < AT; t++)
        k.a.unit[t].fixed = true;
    glim_document *doc = explain_as(&k.a.base, NULL, 1, GLIM_OK);
    assert_int_equal(k.asked, 0);
    for (int t = 0; t < AT; t++)
        assert_true(isnan(doc->scores[t]));
    glim_document_free(doc);
    for (int t = 0; t < AT; t++)
        k.a.unit[t].fixed = t != 3;
    doc = explain_as(&k.a.base, NULL, 1, GLIM_OK);
    assert_true(doc->scores[3] == 1);
    glim_document_free(doc);
}

/* A constant target settles at once and tells nothing apart. */
static void a_constant_target_gives_equal_shares(void **state) {
    struct known k;
    struct setting with[] = {{"max-steps", "4"}, {NULL, NULL}};
    begin(&k, false, false);
    k.one = k.none = k.both;
    glim_document *doc = explain_as(&k.a.base, with, 1, GLIM_OK);
    for (int t = 0; t < AT; t++)
        assert_true(fabs(doc->scores[t] - 0.2) < 1e-12);
    assert_true(check_value(doc, "settled") == 1 && check_value(doc, "steps") == 16);
    glim_document_free(doc);
}

static void a_target_that_few_units_cannot_carry_is_told(void **state) {
    struct known k;
    begin(&k, false, false);
    k.one = k.none = 0.01;
    struct setting with[] = {{"keep", "0.2"}, {NULL, NULL}};
    glim_document *doc = explain_as(&k.a.base, with, 1, GLIM_OK);
    assert_int_equal(doc->verdict, GLIM_VERDICT_CAREFUL);
    assert_true(check_value(doc, "settled") == 0);
    glim_document_free(doc);
}

static void interrupted_it_leaves_a_partial_document(void **state) {
    struct known k;
    begin(&k, false, false);
    k.a.cancel_after = 3;
    glim_document *doc = explain_as(&k.a.base, NULL, 1, GLIM_ECANCELLED);
    glim_context_reset(ctx);
    assert_true(doc->partial && isnan(doc->scores[1]));
    glim_document_free(doc);
}

static void no_refused_allocation_leaks(void **state) {
    for (uint64_t nth = 1; nth < 1000; nth++) {
        struct known k;
        glim_document *doc = NULL;
        begin(&k, false, false);
        uint64_t before = glim_context_bytes(ctx);
        glim__fail_allocation(ctx, nth);
        glim_status status =
            glim_explain(&doc, &k.a.base, glim_method_find("reagent"), NULL, 0, NULL);
        glim__fail_allocation(ctx, 0);
        glim_document_free(doc);
        assert_int_equal(glim_context_bytes(ctx), before);
        if (!status)
            return;
        assert_int_equal(status, GLIM_ENOMEM);
    }
    fail();
}

static void predictors_without_proposals_are_refused(void **state) {
    struct analytic a;
    glim_document *doc = NULL;
    glim_error err = {0};
    analytic_init(&a, ctx, LINEAR, false);
    assert_int_equal(glim_explain(&doc, &a.base, glim_method_find("reagent"), NULL, 0, &err),
                     GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "proposals"));
}

/* ---- models ---- */

static void bits_depend_on_neither_threads_nor_memory(void **state) {
    static const char *const files[] = {"llama.gguf", "published/bert-fill"};
    static const char *const texts[] = {"the light and the river and",
                                        "the light <|special_5|> and the river"};
    for (int f = 0; f < 2; f++) {
        double first[2][32] = {{0}};
        for (int run = 0; run < 4; run++) {
            glim_context *own = context_with(1 + run % 3, run == 3 ? 3 << 20 : 0);
            glim_model *m = open_model(own, files[f]);
            glim_tokens *tokens = NULL;
            glim_predictor *p = NULL;
            glim_error err = {0};
            glim_target_options o = {.units = GLIM_UNIT_WORD, .generate = f ? 0 : 2};
            if (glim_model_tokenize(m, &tokens, texts[f], strlen(texts[f]), &err) ||
                glim_predictor_lm(&p, m, tokens, &o, &err))
                fail_msg("%s", err.message);
            glim_document *doc = explain_as(p, NULL, 11, GLIM_OK);
            size_t n = p->n_rows * p->units->count * sizeof(double);
            assert_true(n <= sizeof first);
            if (!run)
                memcpy(first, doc->scores, n);
            assert_memory_equal(first, doc->scores, n);
            glim_document_free(doc);
            doc = explain_as(p, NULL, 12, GLIM_OK);
            assert_true(memcmp(first, doc->scores, n) != 0);
            glim_document_free(doc);
            glim_predictor_free(p);
            glim_tokens_free(tokens);
            glim_model_close(m);
            glim_context_free(own);
        }
    }
}

static int set_up(void **state) {
    ctx = context_with(1, 0);
    return 0;
}

static int tear_down(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_carries_the_target_comes_first),
        cmocka_unit_test(one_step_is_the_formula),
        cmocka_unit_test(fixed_units_are_never_replaced),
        cmocka_unit_test(without_units_nothing_is_asked),
        cmocka_unit_test(a_constant_target_gives_equal_shares),
        cmocka_unit_test(a_target_that_few_units_cannot_carry_is_told),
        cmocka_unit_test(interrupted_it_leaves_a_partial_document),
        cmocka_unit_test(no_refused_allocation_leaks),
        cmocka_unit_test(predictors_without_proposals_are_refused),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
