/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lenses: the last layer of one has the model's own numbers; every layer those of the end of
 * the model worked out by hand; a translator that does nothing is the logit lens, and what a fit
 * keeps of one is never worse on the tokens that it was chosen by.
 */
#include "structure-testing.h"

#include "structure/tuned-lens.h"
#include "structure/unembed.h"

#include <unistd.h>

static const char *const text = "The capital of France is the city of light";

static glim_document *read_lens(struct bench *b, const glim_lens_options *o) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_lens_read(&doc, b->p, o, &err))
        fail_msg("%s", err.message);
    return doc;
}

static double cell(const glim_document *doc, const char *panel, size_t row, size_t column) {
    const glim_panel *p = glim_document_panel(doc, panel);
    assert_non_null(p);
    return p->values[row * p->columns.n + column];
}

/* The last layer's probabilities, entropy and ranks are those of a pass. */
static void check_last(const char *file) {
    struct bench b;
    open_bench(&b, file, text, 2, &(glim_target_options){.output = "logit"});
    const glim_lm *lm = (const glim_lm *)b.p;
    size_t T = b.p->T, V = lm->outputs;
    glim_document *doc = read_lens(&b, &(glim_lens_options){.top = 3});
    glim_session *s = new_session(b.m, 0);
    uint32_t rows[64];
    for (size_t t = 0; t < T; t++)
        rows[t] = (uint32_t)t;
    glim_sequence q = {.ids = lm->ids, .count = T, .wanted = rows, .n_wanted = T};
    run_batch(s, &(glim_batch){.sequences = &q, .count = 1});
    for (size_t t = 0; t < T; t++) {
        const float *x = glim_session_logits(s, 0, t);
        double lse = glim__log_sum_exp(x, V), entropy = 0, most = 0;
        for (size_t v = 0; v < V; v++) {
            entropy -= exp(x[v] - lse) * (x[v] - lse);
            most = fmax(most, exp(x[v] - lse));
        }
        if (fabs(cell(doc, "lens", 0, t) - most) > 1e-6 ||
            fabs(cell(doc, "lens-entropy", 0, t) - entropy) > 1e-5 ||
            cell(doc, "lens-divergence", 0, t) != 0 || cell(doc, "lens-rank", 0, t) != 1)
            fail_msg("%s: the last layer differs at %zu", file, t);
    }
    const glim_panel *p = glim_document_panel(doc, "lens");
    assert_int_equal(p->rows.n, b.m->hyper.L + 1);
    assert_string_equal(p->rows.labels[b.m->hyper.L], "embed");
    assert_non_null(glim_document_panel(doc, "lens-top"));
    glim_session_free(s);
    glim_document_free(doc);
    close_bench(&b);
}

static void the_last_layer_is_the_model(void **state) {
    assert_true(each_golden(".gguf", check_last) > 20);
}

/* softmax(W_U norm(h)) in double. */
static void a_layer_has_the_formula(void **state) {
    struct bench b;
    open_bench(&b, "llama.gguf", text, 1, &(glim_target_options){.output = "logit"});
    const glim_lm *lm = (const glim_lm *)b.p;
    size_t C = (size_t)b.m->hyper.C, V = lm->outputs, T = b.p->T, L = (size_t)b.m->hyper.L;
    glim_document *doc = read_lens(&b, &(glim_lens_options){.first = 1, .count = T - 1});
    struct reading h = read_site(&b, "blocks.0.hook_resid_post");
    double *z = malloc(V * sizeof *z);
    float *row = malloc(C * sizeof *row);
    for (size_t t = 1; t < T; t++) {
        double squares = 0, sum = 0, most = 0;
        for (size_t c = 0; c < C; c++)
            squares += (double)h.data[t * C + c] * h.data[t * C + c];
        double by = 1 / sqrt(squares / (double)C + b.m->hyper.eps);
        for (size_t v = 0; v < V; v++) {
            glim__matrix_read_row(b.ctx, &b.m->head, (int64_t)v, row);
            z[v] = 0;
            for (size_t c = 0; c < C; c++)
                z[v] += h.data[t * C + c] * by * b.m->final_norm[c] * row[c];
        }
        for (size_t v = 0; v < V; v++)
            sum += exp(z[v]);
        for (size_t v = 0; v < V; v++)
            most = fmax(most, exp(z[v]) / sum);
        assert_true(fabs(cell(doc, "lens", L - 1, t - 1) - most) < 1e-5);
    }
    free(z);
    free(row);
    free(h.data);
    glim_document_free(doc);
    close_bench(&b);
}

static void models_without_words_are_refused(void **state) {
    struct bench b;
    glim_document *doc;
    glim_error err = {0};
    open_bench(&b, "published/bert-classes", text, 1, &(glim_target_options){0});
    assert_int_equal(glim_lens_read(&doc, b.p, &(glim_lens_options){0}, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "writes no tokens"));
    close_bench(&b);
    open_bench(&b, "llama.gguf", text, 1, &(glim_target_options){0});
    assert_int_equal(glim_lens_read(&doc, b.p, &(glim_lens_options){.first = 99}, &err),
                     GLIM_EUSAGE);
    close_bench(&b);
}

/* ---- tuned ---- */

static char *long_text(size_t words) {
    static const char *const some[] = {"the ", "city ", "of ",      "light ",
                                       "is ",  "a ",    "capital ", "and "};
    char *out = calloc(words, 10);
    for (size_t i = 0; i < words; i++)
        strcat(out + (i > 50 ? strlen(out) - 1 : 0), some[glim__rng_below(5, 1, i, 8)]);
    return out;
}

static void translators_help_and_are_read_back(void **state) {
    struct bench b;
    glim_tuned_lens *t = NULL, *again = NULL;
    glim_error err = {0};
    char *many = long_text(900);
    size_t n;
    open_bench(&b, "llama.gguf", text, 2, &(glim_target_options){.output = "logit"});
    if (glim_tuned_fit(&t, b.m, many, strlen(many), &(glim_tuned_options){.length = 32}, &err))
        fail_msg("%s", err.message);
    const glim_tuned_layer *layers = glim_tuned_layers(t, &n);
    assert_int_equal(n, b.m->hyper.L);
    double logit = 0, tuned = 0;
    for (size_t l = 0; l < n; l++) {
        logit += layers[l].logit;
        tuned += layers[l].tuned;
    }
    assert_true(tuned < 0.8 * logit);
    glim_document *plain = read_lens(&b, &(glim_lens_options){0});
    glim_document *through = read_lens(&b, &(glim_lens_options){.tuned = t});
    assert_string_equal(through->method.name, "tuned-lens");
    double a = 0, c = 0;
    for (size_t i = 0; i < b.p->T; i++) {
        a += cell(plain, "lens-divergence", n, i);
        c += cell(through, "lens-divergence", n, i);
        assert_true(cell(plain, "lens", 0, i) == cell(through, "lens", 0, i));
    }
    assert_true(c < a);
    char path[] = "/tmp/glim-lens-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(glim_tuned_save(t, path, &err), GLIM_OK);
    if (glim_tuned_open(&again, b.m, path, &err))
        fail_msg("%s", err.message);
    assert_memory_equal(t->a, again->a, n * t->C * t->C * sizeof(float));
    assert_memory_equal(t->b, again->b, n * t->C * sizeof(float));
    glim_tuned_free(again);
    glim_model *other = open_model(b.ctx, "qwen2.gguf");
    assert_int_equal(glim_tuned_open(&again, other, path, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "another model"));
    glim_model_close(other);
    unlink(path);
    assert_int_equal(glim_tuned_fit(&again, b.m, "too few", 7, &(glim_tuned_options){0}, &err),
                     GLIM_EUSAGE);
    glim_tuned_free(t);
    glim_document_free(plain);
    glim_document_free(through);
    free(many);
    close_bench(&b);
}

/* The share 0 is the logit lens, bit for bit. */
static void a_translator_of_nothing_is_the_logit_lens(void **state) {
    struct bench b;
    glim_tuned_lens *t = NULL;
    glim_error err = {0};
    open_bench(&b, "gemma3.gguf", text, 1, &(glim_target_options){.output = "logit"});
    assert_int_equal(glim__tuned_new(&t, b.m, &err), GLIM_OK);
    glim_document *plain = read_lens(&b, &(glim_lens_options){0});
    glim_document *through = read_lens(&b, &(glim_lens_options){.tuned = t});
    const glim_panel *p = glim_document_panel(plain, "lens-divergence");
    assert_memory_equal(p->values, glim_document_panel(through, "lens-divergence")->values,
                        p->rows.n * p->columns.n * sizeof(double));
    glim_tuned_free(t);
    glim_document_free(plain);
    glim_document_free(through);
    close_bench(&b);
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    for (uint64_t fail = 1;; fail++) {
        struct bench b;
        glim_document *doc = NULL;
        glim_direct *d = NULL;
        glim_error err = {0};
        open_bench(&b, "llama.gguf", "a b", 1, &(glim_target_options){.output = "logit"});
        glim__fail_allocation(b.ctx, fail);
        glim_status status = glim_lens_read(&doc, b.p, &(glim_lens_options){.top = 2}, &err);
        if (!status)
            status = glim_direct_read(&d, b.p, 0, 3, &err);
        if (!status)
            status = glim_direct_show(d, b.p, doc, &err);
        bool done = !status;
        if (status && status != GLIM_ENOMEM && status != GLIM_EBUDGET)
            fail_msg("allocation %d: %s", (int)fail, err.message);
        glim_direct_free(d);
        glim_document_free(doc);
        glim__fail_allocation(b.ctx, 0);
        close_bench(&b);
        if (done)
            break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_layer_is_the_model),
        cmocka_unit_test(a_layer_has_the_formula),
        cmocka_unit_test(models_without_words_are_refused),
        cmocka_unit_test(translators_help_and_are_read_back),
        cmocka_unit_test(a_translator_of_nothing_is_the_logit_lens),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
