/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels as answers and masked words, against what transformers and Captum computed on
 * the same published models (scripts/record-tasks.py). Recordings are found by scanning.
 */
#include "../model/model-testing.h"

#include "explain/methods.h"
#include "predict/lm.h"

#define TASKS GOLDEN "tasks/"

struct bench {
    glim_context *ctx;
    glim_model *m;
    glim_safetensors *st;
    glim_tokens *tokens;
    glim_predictor *p;
    const char *file;
    size_t T, C;
    double worst;
};

static const char *said(const struct bench *b, const char *key) {
    return glim__safetensors_metadata(b->st, key);
}

static float *recorded(const struct bench *b, const char *name, size_t n) {
    const glim_st_tensor *t = glim__safetensors_find(b->st, name);
    float *x = malloc(n * sizeof *x);
    assert_non_null(t);
    assert_int_equal(t->bytes, n * sizeof *x);
    memcpy(x, t->data, n * sizeof *x);
    return x;
}

static int64_t recorded_id(const struct bench *b, const char *name, size_t i) {
    const glim_st_tensor *t = glim__safetensors_find(b->st, name);
    int64_t id;
    assert_non_null(t);
    memcpy(&id, (const char *)t->data + 8 * i, 8);
    return id;
}

static void near(struct bench *b, const char *name, double have, double want, double scale,
                 double tolerance) {
    double off = fabs(have - want) / fmax(scale, 1e-6);
    if (!(off <= tolerance))
        fail_msg("%s, %s: %g, recorded %g (scale %g)", b->file, name, have, want, scale);
    b->worst = fmax(b->worst, off);
}

static double largest(const float *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)x[i]));
    return most;
}

/* ---- opening ---- */

static void open_bench(struct bench *b, const char *file) {
    char path[512], name[96];
    glim_error err = {0};
    *b = (struct bench){.ctx = context_with(2, 0), .file = file};
    snprintf(path, sizeof path, TASKS "%s", file);
    if (glim__safetensors_open(&b->st, b->ctx, path, &err))
        fail_msg("%s", err.message);
    snprintf(name, sizeof name, "published/%.64s", said(b, "model"));
    b->m = open_model(b->ctx, name);
    b->C = (size_t)glim_model_facts(b->m)->width;
    glim_prompt prompt = {.form = said(b, "form")};
    const char *text = said(b, "text");
    glim_status status =
        prompt.form
            ? glim_model_tokenize_prompt(b->m, &b->tokens, &prompt, text, strlen(text), &err)
            : glim_model_tokenize(b->m, &b->tokens, text, strlen(text), &err);
    if (status)
        fail_msg("%s", err.message);
    b->T = b->tokens->count;
    assert_int_equal(b->T, glim__safetensors_find(b->st, "ids")->dims[0]);
    for (size_t t = 0; t < b->T; t++)
        assert_int_equal(b->tokens->at[t].id, recorded_id(b, "ids", t));
}

static void bind(struct bench *b, const glim_target_options *o) {
    glim_error err = {0};
    glim_predictor_free(b->p);
    if (glim_predictor_lm(&b->p, b->m, b->tokens, o, &err))
        fail_msg("%s", err.message);
}

static void close_bench(struct bench *b) {
    print_message("%s: worst %.2g\n", b->file, b->worst);
    glim_predictor_free(b->p);
    glim_tokens_free(b->tokens);
    glim_model_close(b->m);
    glim__safetensors_close(b->st);
    glim_context_free(b->ctx);
}

/* ---- comparing ---- */

static glim_status keep(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct bench *b = ((void **)data)[0];
    memcpy(((void **)data)[1], g, b->T * b->C * sizeof *g);
    return GLIM_OK;
}

static void compare_gradient(struct bench *b) {
    glim_error err = {0};
    size_t n = b->T * b->C;
    float *x = malloc(n * sizeof *x), *g = malloc(n * sizeof *g);
    float *want = recorded(b, "grad", n), *value = recorded(b, "value", 1);
    void *data[2] = {b, g};
    double have;
    assert_int_equal(b->p->embed(b->p, x, &err), GLIM_OK);
    assert_int_equal(b->p->gradient(b->p, x, 1, -1, &have, keep, data, &err), GLIM_OK);
    near(b, "value", have, *value, fabs(*value), 1e-5);
    near(b, "value", b->p->value[0], *value, fabs(*value), 1e-5);
    double scale = largest(want, n);
    assert_true(scale > 1e-3);
    for (size_t i = 0; i < n; i++)
        near(b, "grad", g[i], want[i], scale, 1e-5);
    free(x);
    free(g);
    free(want);
    free(value);
}

static void compare_scores(struct bench *b, const char *method, const char *const *set,
                           const char *name, double tolerance) {
    const glim_method *m = glim_method_find(method);
    glim_document *doc = NULL;
    glim_error err = {0};
    size_t scored = 0;
    float *want = recorded(b, name, b->T);
    double scale = largest(want, b->T);
    void *opts = calloc(1, m->opts_size + 1);
    if (m->params)
        glim_param_defaults(m->params, opts);
    for (; set && *set; set += 2)
        assert_int_equal(glim_param_set(glim_param_find(m->params, set[0]), opts, set[1], &err),
                         GLIM_OK);
    if (glim_explain(&doc, b->p, m, opts, 0, &err))
        fail_msg("%s: %s", method, err.message);
    for (size_t u = 0; u < doc->input.n_units; u++) {
        const glim_document_unit *unit = &doc->input.units[u];
        if (unit->fixed) {
            assert_true(isnan(doc->scores[u]));
            continue;
        }
        assert_int_equal(unit->count, 1);
        assert_int_equal(unit->start, b->tokens->at[unit->first].start);
        near(b, name, doc->scores[u], want[unit->first], scale, tolerance);
        scored++;
    }
    assert_true(scored >= 3);
    free(want);
    free(opts);
    glim_document_free(doc);
}

static void compare_methods(struct bench *b) {
    static const char *const ig[] = {"baseline", "zero", "refine", "none", NULL};
    static const char *const mask[] = {"absent", "mask", NULL};
    static const char *const gone[] = {"absent", "delete", NULL};
    compare_gradient(b);
    compare_scores(b, "gradient", NULL, "captum.l2", 1e-4);
    compare_scores(b, "input-x-gradient", NULL, "captum.ixg", 1e-4);
    compare_scores(b, "integrated-gradients", ig, "captum.ig", 1e-4);
    compare_scores(b, "occlusion", mask, "masked", 1e-4);
    compare_scores(b, "occlusion", gone, "deleted", 1e-4);
}

/* ---- the tasks ---- */

static void check_labels(const char *file) {
    struct bench b;
    size_t K;
    open_bench(&b, file);
    for (int mean = 0; mean < 2; mean++) {
        bind(&b, &(glim_target_options){.labels = said(&b, "labels"), .length_normalise = mean});
        const glim_label_score *l = glim_predictor_label_scores(b.p, &K);
        float *want = recorded(&b, mean ? "mean" : "scores", K);
        for (size_t k = 0; k < K; k++)
            near(&b, l[k].text, l[k].score, want[k], fabs(want[k]), 1e-5);
        free(want);
    }
    bind(&b, &(glim_target_options){
                 .labels = said(&b, "labels"), .target = "the light", .units = GLIM_UNIT_TOKEN});
    ((glim_lm *)b.p)->neutral = (int32_t)strtol(said(&b, "neutral"), NULL, 10);
    for (size_t t = 0; t < b.T; t++) {
        bool text =
            (int64_t)t >= recorded_id(&b, "text", 0) && (int64_t)t < recorded_id(&b, "text", 1);
        assert_int_equal(b.tokens->at[t].kind, text ? GLIM_TOKEN_TEXT : GLIM_TOKEN_TEMPLATE);
    }
    compare_methods(&b);
    close_bench(&b);
}

static void check_mask(const char *file) {
    struct bench b;
    open_bench(&b, file);
    bind(&b, &(glim_target_options){.output = "logit", .units = GLIM_UNIT_TOKEN});
    const glim_lm_row *row = &((const glim_lm *)b.p)->rows[0];
    assert_int_equal(row->at, recorded_id(&b, "row", 0));
    assert_int_equal(row->id, recorded_id(&b, "target", 0));
    assert_int_equal(((const glim_lm *)b.p)->neutral, b.tokens->at[row->at].id);
    assert_int_equal(b.tokens->at[row->at].kind, GLIM_TOKEN_TEMPLATE);
    compare_methods(&b);
    close_bench(&b);
}

static int each_recording(const char *begin, void (*check)(const char *file)) {
    DIR *d = opendir(TASKS);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (!strncmp(e->d_name, begin, strlen(begin))) {
            check(e->d_name);
            n++;
        }
    closedir(d);
    return n;
}

static void labels_agree_with_transformers_and_captum(void **state) {
    assert_true(each_recording("labels-", check_labels) >= 2);
}

static void masked_words_agree_with_transformers_and_captum(void **state) {
    assert_true(each_recording("mask-", check_mask) >= 3);
}

static void a_masked_word_is_one_place_of_the_text(void **state) {
    static const struct {
        const char *text, *target, *against;
    } wrong[] = {{"the light", NULL, NULL},
                 {"", NULL, NULL},
                 {"<|special_5|> <|special_5|>", NULL, NULL},
                 {"the <|special_5|>", "much too long", NULL},
                 {"the <|special_5|>", " the", " the"}};
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "published/bert-fill");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        glim_tokens *t = NULL;
        glim_predictor *p = NULL;
        glim_error err = {0};
        const glim_target_options o = {.target = wrong[i].target, .against = wrong[i].against};
        glim_status status = glim_model_tokenize(m, &t, wrong[i].text, strlen(wrong[i].text), &err);
        if (!status)
            status = glim_predictor_lm(&p, m, t, &o, &err);
        if (status != GLIM_EUSAGE || !*err.message)
            fail_msg("case %zu: status %d, '%s'", i, status, err.message);
        glim_tokens_free(t);
    }
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_agree_with_transformers_and_captum),
        cmocka_unit_test(masked_words_agree_with_transformers_and_captum),
        cmocka_unit_test(a_masked_word_is_one_place_of_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
