/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EK-FAC of decoders, packed ones, an encoder with a head, and an encoder-decoder: a sample
 * asked about itself scores its self-influence; parts sum to the whole; what is kept is used;
 * memory is enough as planned.
 */
#include "ekfac-testing.h"
#include "samples-testing.h"

#include "file/store.h"

static const struct {
    const char *model, *end, *rows;
} tasks[] = {
    {"llama-q4_0.gguf", "csv",
     "text\na fine film\nb c\nno way\na b c d e f g\nthe film\nin it\nfilm and film\nz z\nzz z\n"
     "xyz xyz\n"},
    {"llama-q8_0.gguf", "csv",
     "text\na fine film\nb c\nno way\na b c d e f g\nthe film\nin it\nfilm and film\nz z\nzz z\n"
     "xyz xyz\n"},
    {"published/bert-classes", "csv",
     "label,text\nbad,a fine film\ngood,no\nodd,x\nbad,a b c d e\ngood,the film\nbad,z\nodd,zz\n"
     "good,in\nbad,a\ngood,b c\n"},
    {"stacks/t5", "csv",
     "source,target\na fine film,in a\nfilm,the film in\nx,y\na,b c d\nno,no\nin,in in\nz,a b\n"
     "the film,film\na b c d,e\nend,end\n"},
};
enum { TASKS = sizeof tasks / sizeof *tasks };

struct options { /* as the method has them */
    const char *weights, *labels;
    double damping;
    int64_t fit_samples, query_rank;
    bool self;
};

static struct options defaults(void) {
    struct options o = {0};
    assert_true(glim_influence_ekfac.opts_size == sizeof o);
    glim_param_defaults(glim_influence_ekfac.params, &o);
    return o;
}

static glim_influence_work work_of(const glim_model *m, glim_samples *s, bool ask) {
    size_t n = glim__samples_count(s);
    return (glim_influence_work){.ctx = glim_model_context(m),
                                 .n = n,
                                 .n_queries = ask ? n : 0,
                                 .seed = 4,
                                 .model = m,
                                 .samples = s,
                                 .query_samples = ask ? s : NULL};
}

static table run_method(const glim_influence_work *w, const struct options *o) {
    glim_error err = {0};
    table t = {0};
    glim_influence_out out = {.begin = table_begin, .data = &t};
    if (glim__influence_run(w, &glim_influence_ekfac, o, &out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(t.rows, w->n);
    return t;
}

static void check_rows(const table *t, size_t n, const char *name) {
    size_t each = (t->n_columns - 1) / n;
    double most = 0;
    for (size_t i = 0; i < t->rows * t->n_columns; i++)
        most = isnan(t->values[i]) ? most : fmax(most, fabs(t->values[i]));
    for (size_t i = 0; i < n; i++) {
        const double *row = t->values + i * t->n_columns;
        for (size_t q = 0; q < n; q++) {
            const double *x = row + 1 + q * each;
            double sum = 0;
            for (size_t p = 1; p < each; p++)
                sum += x[p];
            if (each > 1 && !isnan(x[0]))
                assert_true(fabs(sum - x[0]) < 1e-9 * most);
            const double *back = t->values + q * t->n_columns + 1 + i * each;
            if (!isnan(x[0]) && !isnan(back[0])) /* as the curvature is, symmetric */
                assert_true(fabs(x[0] - back[0]) < 1e-4 * most);
        }
        if (!(isnan(row[0]) || fabs(row[0] - row[1 + i * each]) < 1e-4 * row[0]))
            fail_msg("%s, sample %zu: itself %g, asked %g", name, i, row[0], row[1 + i * each]);
    }
}

static void samples_asked_about_themselves_score_their_self_influence(void **state) {
    for (size_t k = 0; k < TASKS; k++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, tasks[k].model);
        glim_samples *s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
        glim_influence_work w = work_of(m, s, true);
        struct options o = defaults();
        o.self = true;
        o.weights = "all";
        w.by = "layer";
        table t = run_method(&w, &o);
        check_rows(&t, w.n, tasks[k].model);
        free(t.values);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* ---- what tokens and parts have ---- */

struct apart {
    table t; /* first: table_begin knows no more */
    glim_samples *samples;
    size_t asked, resting; /* scores; those of which no token has a part */
};

static void check_sums(struct apart *a, const glim_why *why, size_t i, const double *out,
                       size_t n) {
    size_t n_asked = why->count, each = a->t.n_columns / a->t.rows;
    for (size_t q = 0; q < n_asked; q++) {
        double sum = out[n * n_asked + q], size = fabs(sum);
        for (size_t k = 0; k < n; k++) {
            sum += out[k * n_asked + q];
            size += fabs(out[k * n_asked + q]);
        }
        double score = a->t.values[i * a->t.n_columns + (why->first + q) * each];
        assert_true(isnan(score) || fabs(sum - score) <= 1e-4 * size);
        a->resting += out[n * n_asked + q] != 0;
        a->asked++;
    }
}

static glim_status take_apart(void *data, const glim_why *why, glim_error *err) {
    struct apart *a = data;
    glim_context *ctx = glim_model_context(glim__samples_model(a->samples));
    glim_arena arena;
    glim__arena_init(&arena, ctx, 4096);
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < a->t.rows && !status; i++) {
        glim_example x;
        assert_int_equal(glim__samples_read(a->samples, i, 1, &arena, &x, err), GLIM_OK);
        const glim_why_sample s = {i, x.n_source, x.count, NULL};
        size_t n = why->parts ? why->parts : x.n_source + x.count;
        double *out = calloc((n + 1) * why->count, sizeof *out);
        status = why->tell(why->data, &s, out, out + n * why->count, err);
        if (!status)
            check_sums(a, why, i, out, n);
        free(out);
    }
    glim__arena_release(&arena);
    return status;
}

/* A pooled output's row is no token's; of an encoder-decoder both halves have tokens. */
static void what_tokens_and_parts_have_sums_to_the_score(void **state) {
    static const char *const ways[] = {"token", "layer", "module"};
    for (size_t k = 0; k < 3 * TASKS; k++) {
        glim_error err = {0};
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, tasks[k / 3].model);
        glim_samples *s = open_samples(m, tasks[k / 3].end, tasks[k / 3].rows, NULL);
        glim_influence_work w = work_of(m, s, true);
        struct options o = defaults();
        struct apart a = {.samples = s};
        glim_influence_out out = {.begin = table_begin, .data = &a, .why = take_apart};
        o.weights = "all";
        o.query_rank = k % 2 ? 2 : 0;
        w.by = ways[k % 3];
        if (glim__influence_run(&w, &glim_influence_ekfac, &o, &out, &err))
            fail_msg("%s", err.message);
        assert_int_equal(a.asked, w.n * w.n);
        bool pools = strstr(tasks[k / 3].model, "classes") && k % 3 == 0;
        if (!pools)
            assert_int_equal(a.resting, 0);
        free(a.t.values);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void a_head_that_was_fitted_has_its_own_curvature(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_linear *l;
    glim_model *base = open_model(ctx, "llama.gguf"), *m = fit_head(base, "mean", &l);
    glim_samples *s = open_samples(m, "csv",
                                   "text,label\na fine film,good\nbad,bad\na finer one,good\n"
                                   "no film,bad\n",
                                   NULL);
    glim_influence_work w = work_of(m, s, true);
    struct options o = defaults();
    o.self = true;
    o.weights = "*mlp.W_out";
    table t = run_method(&w, &o);
    check_rows(&t, w.n, "fitted head");
    free(t.values);
    glim__samples_close(s);
    glim_model_close(m);
    glim_linear_close(l);
    glim_model_close(base);
    glim_context_free(ctx);
}

static void kept_factors_give_the_same_bits(void **state) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/glim-ekfac-%d.store", (int)getpid());
    table t[3];
    for (int k = 0; k < 3; k++) {
        glim_context *ctx = context_with(k + 1, 0);
        glim_model *m = open_model(ctx, tasks[0].model);
        glim_samples *s = open_samples(m, tasks[0].end, tasks[0].rows, NULL);
        glim_influence_work w = work_of(m, s, k != 2);
        struct options o = defaults();
        o.self = true;
        glim_store *store = NULL;
        if (k)
            assert_int_equal(glim__store_open(&store, ctx, path, NULL, NULL), GLIM_OK);
        w.store = store;
        t[k] = run_method(&w, &o);
        glim__store_close(store);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
    assert_memory_equal(t[0].values, t[1].values, t[0].rows * t[0].n_columns * sizeof(double));
    for (size_t i = 0; i < t[2].rows; i++) /* without queries: the first column alone */
        assert_memory_equal(&t[2].values[i], &t[0].values[i * t[0].n_columns], sizeof(double));
    for (int k = 0; k < 3; k++)
        free(t[k].values);
    unlink(path);
}

static void what_is_planned_is_enough(void **state) {
    for (size_t k = 0; k < TASKS; k++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, tasks[k].model);
        glim_samples *s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
        glim_influence_work w = work_of(m, s, true);
        glim_plan plan;
        glim_error err = {0};
        if (glim__influence_plan(&w, &glim_influence_ekfac, NULL, &plan, &err))
            fail_msg("%s", err.message);
        assert_true(plan.forward_tokens > 0 && plan.bytes_wanted >= plan.bytes);
        assert_true(plan.forward_tokens == plan.backward_tokens);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
        ctx = context_with(1, plan.bytes);
        m = open_model(ctx, tasks[k].model);
        s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
        w = work_of(m, s, true);
        table t = run_method(&w, NULL);
        free(t.values);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* Whatever is in its batch, a single token says nothing. */
static void samples_without_an_answer_have_no_influence(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, tasks[0].model);
    glim_samples *s = open_samples(m, "csv", "text\na fine film\nb\nfilm and film\n", NULL);
    glim_influence_work w = work_of(m, s, false);
    glim_document *doc;
    table t = {0};
    assert_int_equal(glim_document_new(&doc, ctx, NULL), GLIM_OK);
    glim_influence_out out = {.begin = table_begin, .data = &t, .doc = doc};
    assert_int_equal(glim__influence_run(&w, &glim_influence_ekfac, NULL, &out, NULL), GLIM_OK);
    assert_true(doc->n_checks == 2 && doc->n_notes == 1 && doc->verdict == GLIM_VERDICT_CAREFUL);
    glim_document_free(doc);
    assert_true(t.n_columns == 1 && t.values[0] > 0 && isnan(t.values[1]) && t.values[2] > 0);
    free(t.values);
    glim__samples_close(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void a_loss_is_minus_its_log_probability(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, tasks[2].model);
    glim_samples *s = open_samples(m, tasks[2].end, tasks[2].rows, NULL);
    table t[3];
    static const char *const outputs[] = {"logprob", "loss", "logit"};
    for (int k = 0; k < 3; k++) {
        glim_influence_work w = work_of(m, s, true);
        w.target.output = outputs[k];
        t[k] = run_method(&w, NULL);
    }
    size_t n = t[0].rows * t[0].n_columns, differ = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(t[0].values[i] == -t[1].values[i]);
        differ += t[0].values[i] != t[2].values[i];
    }
    assert_true(differ > n / 2);
    for (int k = 0; k < 3; k++)
        free(t[k].values);
    glim__samples_close(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_asked_about_themselves_score_their_self_influence),
        cmocka_unit_test(what_tokens_and_parts_have_sums_to_the_score),
        cmocka_unit_test(a_head_that_was_fitted_has_its_own_curvature),
        cmocka_unit_test(kept_factors_give_the_same_bits),
        cmocka_unit_test(what_is_planned_is_enough),
        cmocka_unit_test(samples_without_an_answer_have_no_influence),
        cmocka_unit_test(a_loss_is_minus_its_log_probability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
