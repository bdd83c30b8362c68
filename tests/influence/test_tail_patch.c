/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of first order on files of samples through tiny models, packed ones among them, and
   real steps of training beside them. */
#include "samples-testing.h"

#include "influence/tail-patch.h"

enum { MOST = 32, COLUMNS = 16 };

static const char *const train_rows = "prompt,completion\na fine film,in the end\nno film,no end\n"
                                      "a fine film,x y z\nin the film,a fine end\nb c d,e f g\n"
                                      "the end,the film\n";
/* Cells of a query: the fourth sample itself. */
static const char *const names[] = {"prompt", "completion"};
static const char *const cells[] = {"in the film", "a fine end"};

struct rows {
    double at[MOST * COLUMNS];
    size_t n, seen;
    char names[COLUMNS][64];
};

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    struct rows *r = data;
    memcpy(r->at + b->first * r->n, b->values, b->count * r->n * sizeof *r->at);
    r->seen += b->count;
    return GLIM_OK;
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    struct rows *r = data;
    assert_true(n <= COLUMNS);
    r->n = n;
    for (size_t i = 0; i < n; i++)
        snprintf(r->names[i], sizeof r->names[i], "%s", columns[i].name);
    *sink = (glim_influence_sink){take, r};
    return GLIM_OK;
}

struct bench {
    glim_context *ctx;
    glim_model *m;
    glim_samples *train, *query;
    glim_influence_work w;
};

static void open_work(struct bench *b, const char *file, int threads, const char *rows,
                      const char *const *query) {
    glim_error err = {0};
    b->ctx = context_with(threads, 0);
    b->m = open_model(b->ctx, file);
    b->train = open_samples(b->m, "csv", rows, NULL);
    b->query = NULL;
    if (query && glim__samples_one(&b->query, b->m, names, query, 2, NULL, &err))
        fail_msg("%s", err.message);
    b->w = (glim_influence_work){.ctx = b->ctx,
                                 .n = glim__samples_count(b->train),
                                 .n_queries = query ? 1 : 0,
                                 .model = b->m,
                                 .samples = b->train,
                                 .query_samples = b->query};
}

static void close_work(struct bench *b) {
    glim__samples_close(b->train);
    glim__samples_close(b->query);
    glim_model_close(b->m);
    glim_context_free(b->ctx);
}

static struct rows *run(const struct bench *b, const char *method) {
    struct rows *r = calloc(1, sizeof *r);
    glim_error err = {0};
    const glim_influence_out out = {.begin = begin, .data = r};
    if (glim__influence_run(&b->w, glim__influence_find(method), NULL, &out, &err))
        fail_msg("%s: %s", method, err.message);
    assert_int_equal(r->seen, b->w.n);
    return r;
}

static const char *const methods[] = {"tracin", "gradient-product", "gradient-cosine", "datainf",
                                      "trak"};
enum { METHODS = sizeof methods / sizeof *methods };

/* A query that is a sample: none pulls more the same way. */
static void a_sample_finds_itself(void **state) {
    static const char *const files[] = {"llama-q4_0.gguf", "gemma3.gguf"};
    for (size_t k = 0; k < 2; k++) {
        struct bench b;
        open_work(&b, files[k], 1, train_rows, cells);
        struct rows *r = run(&b, "gradient-cosine");
        assert_true(fabs(r->at[3] - 1) < 1e-5);
        for (size_t i = 0; i < b.w.n; i++)
            assert_true(i == 3 || r->at[i] < 0.999);
        free(r);
        close_work(&b);
    }
}

static void threads_change_no_bit(void **state) {
    for (size_t k = 0; k < METHODS; k++) {
        struct bench one, three;
        open_work(&one, "llama-q4_0.gguf", 1, train_rows, cells);
        open_work(&three, "llama-q4_0.gguf", 3, train_rows, cells);
        struct rows *x = run(&one, methods[k]), *y = run(&three, methods[k]);
        assert_memory_equal(x->at, y->at, sizeof x->at);
        free(x);
        free(y);
        close_work(&one);
        close_work(&three);
    }
}

static void plans_cover_peaks(void **state) {
    for (size_t k = 0; k < METHODS; k++) {
        struct bench b;
        glim_plan plan;
        open_work(&b, "llama-q4_0.gguf", 1, train_rows, cells);
        uint64_t before = glim_context_bytes(b.ctx);
        assert_int_equal(
            glim__influence_plan(&b.w, glim__influence_find(methods[k]), NULL, &plan, NULL),
            GLIM_OK);
        assert_true(plan.forward_tokens > 0);
        glim_context_reset_peak(b.ctx);
        free(run(&b, methods[k]));
        if (plan.bytes_wanted + before < glim_context_peak(b.ctx))
            fail_msg("%s: %zu + %zu < %zu", methods[k], (size_t)before, (size_t)plan.bytes_wanted,
                     (size_t)glim_context_peak(b.ctx));
        close_work(&b);
    }
}

/* Texts without anything to say, one sample alone, no query. */
static void odd_samples_are_fine(void **state) {
    struct bench b;
    open_work(&b, "llama-q4_0.gguf", 1, "prompt,completion\na fine film,in the end\n", cells);
    for (size_t k = 0; k < METHODS; k++)
        free(run(&b, methods[k]));
    close_work(&b);
    open_work(&b, "llama-q4_0.gguf", 1, "text\na\nfilm film\nb\n", NULL);
    struct rows *r = run(&b, "tracin");
    assert_int_equal(r->n, 1);
    assert_string_equal(r->names[0], "self-influence");
    assert_true(r->at[1] > 0);
    free(r);
    close_work(&b);
}

static glim_status refusal(const struct bench *b, const char *method, const void *opts,
                           glim_error *err) {
    struct rows *r = calloc(1, sizeof *r);
    const glim_influence_out out = {.begin = begin, .data = r};
    glim_status status = glim__influence_run(&b->w, glim__influence_find(method), opts, &out, err);
    free(r);
    return status;
}

static void what_cannot_be_asked_is_said(void **state) {
    struct bench b;
    glim_error err = {0};
    open_work(&b, "llama-q4_0.gguf", 1, train_rows, cells);
    b.w.target.output = "logit";
    assert_int_equal(refusal(&b, "tracin", NULL, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "log-probability"));
    b.w.target = (glim_influence_target){.class_name = "good"};
    assert_int_equal(refusal(&b, "trak", NULL, &err), GLIM_EUSAGE);
    b.w.target = (glim_influence_target){0};
    const char *const weights = "*nothing*";
    assert_int_equal(refusal(&b, "gradient-product", &(struct {
                         const char *a, *b;
                         bool c[4];
                     }){weights, NULL, {false}},
                             &err),
                     GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "nothing"));
    glim_model *other = open_model(b.ctx, "qwen2.gguf");
    const glim_model *const more[] = {other};
    b.w.checkpoints = more;
    b.w.n_checkpoints = 1;
    assert_int_equal(refusal(&b, "tracin", NULL, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "checkpoint"));
    glim_model_close(other);
    b.w.n_checkpoints = 0;
    glim_context_cancel(b.ctx);
    assert_int_equal(refusal(&b, "tracin", NULL, &err), GLIM_ECANCELLED);
    close_work(&b);
}

/* The same model as a checkpoint: twice the product, at the sum of the rates. */
static void checkpoints_add(void **state) {
    struct bench b;
    open_work(&b, "llama-q4_0.gguf", 1, train_rows, cells);
    struct rows *once = run(&b, "gradient-product");
    const glim_model *const more[] = {b.m};
    const double rates[] = {0.5, 0.25};
    b.w.checkpoints = more;
    b.w.n_checkpoints = 1;
    b.w.rates = rates;
    struct rows *twice = run(&b, "tracin");
    for (size_t i = 0; i < b.w.n; i++)
        assert_true(fabs(twice->at[i] - 0.75 * once->at[i]) <= 1e-9 * fabs(once->at[i]));
    free(once);
    free(twice);
    close_work(&b);
}

/* ---- real steps ---- */

/* A small step on each sample does to the query what the product of gradients says. */
static void steps_do_what_products_say(void **state) {
    static const char *const files[] = {"llama-q4_0.gguf", "gemma3.gguf", "qwen3.gguf"};
    for (size_t k = 0; k < 3; k++) {
        struct bench b;
        glim_gradient_work g;
        glim_tail_patch *t;
        double change, square, scale = 0;
        open_work(&b, files[k], 1, train_rows, cells);
        struct rows *r = run(&b, "gradient-product");
        assert_int_equal(glim__gradient_work_init(&g, &b.w, NULL, NULL), GLIM_OK);
        assert_int_equal(glim__tail_patch_new(&t, &g, NULL), GLIM_OK);
        assert_int_equal(glim__tail_patch_square(t, 3, &square, NULL), GLIM_OK);
        assert_true(fabs(square - r->at[3]) <= 1e-5 * square);
        double rate = 0.02 / square;
        for (size_t i = 0; i < b.w.n; i++)
            scale = fmax(scale, rate * fabs(r->at[i]));
        for (size_t i = 0; i < b.w.n; i++) {
            assert_int_equal(glim__tail_patch_try(t, i, rate, &change, NULL), GLIM_OK);
            if (!(fabs(change - rate * r->at[i]) <= 0.05 * scale))
                fail_msg("%s, sample %zu: %g, the product says %g", files[k], i, change,
                         rate * r->at[i]);
        }
        assert_int_equal(glim__tail_patch_try(t, 2, 0, &change, NULL), GLIM_OK);
        assert_true(fabs(change) < 1e-6);
        glim__tail_patch_free(t);
        glim__gradient_work_release(&g);
        free(r);
        close_work(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_finds_itself),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(plans_cover_peaks),
        cmocka_unit_test(odd_samples_are_fine),
        cmocka_unit_test(what_cannot_be_asked_is_said),
        cmocka_unit_test(checkpoints_add),
        cmocka_unit_test(steps_do_what_products_say),
    };
    return cmocka_run_group_tests(tests, NULL, clean_rows);
}
