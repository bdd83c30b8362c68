/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of attention on tiny models: against what numpy, networkx and autograd make of
 * transformers' patterns (scripts/record-attention.py; recordings are found by scanning),
 * and what must hold on every one of them.
 */
#include "../model/model-testing.h"

#include "explain/attention-parts.h"
#include "predict/lm.h"

#define RECORDED GOLDEN "attention/"
enum { MOST_T = 64 };

struct bench {
    glim_context *ctx;
    glim_model *m;
    glim_tokens *tokens;
    glim_predictor *p;
};

static void open_bench(struct bench *b, const char *file, const char *text, int threads,
                       uint64_t memory, const glim_target_options *o) {
    glim_error err = {0};
    *b = (struct bench){.ctx = context_with(threads, memory)};
    b->m = open_model(b->ctx, file);
    if (glim_model_tokenize(b->m, &b->tokens, text, strlen(text), &err) ||
        glim_predictor_lm(&b->p, b->m, b->tokens, o, &err))
        fail_msg("%s: %s", file, err.message);
}

static void close_bench(struct bench *b) {
    glim_predictor_free(b->p);
    glim_tokens_free(b->tokens);
    glim_model_close(b->m);
    glim_context_free(b->ctx);
}

static glim_document *explain(struct bench *b, const char *method, const char *const (*set)[2],
                              const char *where) {
    static double room[32];
    const glim_method *m = glim_method_find(method);
    glim_document *doc = NULL;
    glim_error err = {0};
    assert_true(m && m->opts_size <= sizeof room);
    memset(room, 0, sizeof room);
    glim_param_defaults(m->params, room);
    for (int i = 0; set && i < 2 && set[i][0]; i++)
        if (glim_param_set(glim_param_find(m->params, set[i][0]), room, set[i][1], &err))
            fail_msg("%s", err.message);
    if (glim_explain(&doc, b->p, m, room, 1, &err))
        fail_msg("%s, %s: %s", where, method, err.message);
    return doc;
}

static double check_of(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

/* ---- recordings ---- */

static const struct {
    const char *tensor, *method, *set[2][2];
    double tolerance; /* of the row's largest number */
} kinds[] = {
    {"attention", "attention", {{"sink", "show"}}, 1e-5},
    {"rollout", "attention-rollout", {{"sink", "show"}}, 1e-5},
    {"rollout.max", "attention-rollout", {{"sink", "show"}, {"head", "max"}}, 1e-5},
    {"flow", "attention-flow", {{"sink", "show"}}, 1e-5},
    {"gradient", "attention-gradient", {{"sink", "show"}}, 1e-4},
    {"norm", "attention-norm", {{0}}, 1e-4},
    {"sum", "weighted-sum", {{0}}, 1e-4},
    {"zeroing", "value-zeroing", {{0}}, 1e-3},
};

static void compare_rows(const struct bench *b, const glim_document *doc, const double *want,
                         size_t rows, double tolerance, bool shares, const char *where) {
    size_t T = b->p->T, U = b->p->units->count, seen = 0;
    for (size_t r = 0; r < rows; r++) {
        size_t row = rows == 2 ? r * (b->p->n_rows - 1) : r; /* flow: the first and the last */
        double largest = 0;
        for (size_t t = 0; t < T; t++)
            largest = fmax(largest, fabs(want[r * T + t]));
        for (size_t u = 0; u < U; u++) {
            const glim_unit *unit = &b->p->units->at[u];
            double have = doc->scores[row * U + u], sum = 0;
            if (isnan(have) || (unit->count > 1 && !shares))
                continue;
            for (size_t t = unit->first; t < unit->first + unit->count; t++)
                sum += want[r * T + t];
            if (!(fabs(have - sum) <= tolerance * largest))
                fail_msg("%s, row %zu, unit %zu: %.8g, recorded %.8g", where, row, u, have, sum);
            seen++;
        }
    }
    assert_true(seen >= rows * 3);
}

static void compare_file(const char *file) {
    char path[512], where[128];
    glim_context *ctx = context_with(1, 0);
    glim_safetensors *st = NULL;
    glim_error err = {0};
    struct bench b;
    snprintf(path, sizeof path, RECORDED "%s", file);
    if (glim__safetensors_open(&st, ctx, path, &err))
        fail_msg("%s", err.message);
    glim_target_options o = {.output = "logit",
                             .target = glim__safetensors_metadata(st, "written"),
                             .units = GLIM_UNIT_TOKEN};
    open_bench(&b, glim__safetensors_metadata(st, "model"), glim__safetensors_metadata(st, "text"),
               2, 0, &o);
    assert_int_equal(b.p->T, glim__safetensors_find(st, "ids")->dims[0]);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const glim_st_tensor *t = glim__safetensors_find(st, kinds[k].tensor);
        snprintf(where, sizeof where, "%s, %s", file, kinds[k].tensor);
        if (!t)
            continue;
        assert_int_equal(t->dims[1], b.p->T);
        double *want = malloc(t->bytes);
        memcpy(want, t->data, t->bytes);
        glim_document *doc = explain(&b, kinds[k].method, kinds[k].set, file);
        compare_rows(&b, doc, want, (size_t)t->dims[0], kinds[k].tolerance,
                     strcmp(kinds[k].tensor, "flow") != 0, where);
        glim_document_free(doc);
        free(want);
    }
    close_bench(&b);
    glim__safetensors_close(st);
    glim_context_free(ctx);
}

static void methods_agree_with_their_peers(void **state) {
    DIR *d = opendir(RECORDED);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".safetensors")) {
            compare_file(e->d_name);
            n++;
        }
    closedir(d);
    assert_true(n >= 10);
}

/* ---- what holds for every model ---- */

static const char TEXT[] = "the small cat is in the light of the river";

static void check_parts(const char *file) {
    struct bench b;
    glim_target_options o = {.auto_units = true};
    if (strstr(file, "-q") || strstr(file, "f16") || strstr(file, "kquants"))
        return;
    open_bench(&b, file, TEXT, 1, 0, &o);
    glim_document *norm = explain(&b, "attention-norm", NULL, file),
                  *sum = explain(&b, "weighted-sum", NULL, file);
    double off = check_of(norm, "output_residual");
    if (!(off < 1e-5))
        fail_msg("%s: the parts miss the output by %g", file, off);
    assert_true(check_of(sum, "share_residual") < 1e-9);
    assert_true(check_of(norm, "share_residual") < 1e-9);
    glim_document_free(norm);
    glim_document_free(sum);
    close_bench(&b);
}

static void parts_add_up_to_what_attention_adds(void **state) {
    assert_true(each_golden(".gguf", check_parts) > 10);
    check_parts("published/bert-classes");
    check_parts("stacks/marian");
    check_parts("stacks/t5");
}

static const char *const methods[] = {"attention",          "attention-rollout", "attention-flow",
                                      "attention-gradient", "attention-norm",    "weighted-sum",
                                      "value-zeroing"};
enum { METHODS = 7 };

static void same_scores(struct bench *b, const char *method, const double *want,
                        const char *where) {
    glim_document *doc = explain(b, method, NULL, where);
    size_t n = b->p->n_rows * b->p->units->count;
    for (size_t i = 0; i < n; i++)
        if (memcmp(&doc->scores[i], &want[i], sizeof *want) && !isnan(want[i]))
            fail_msg("%s, %s: score %zu is %.17g, was %.17g", where, method, i, doc->scores[i],
                     want[i]);
    glim_document_free(doc);
}

/* Threads, and memory in which layers come in several passes. */
static void bits_depend_on_neither_threads_nor_memory(void **state) {
    static const struct {
        const char *file;
        glim_target_options o;
    } subjects[] = {{"gemma3.gguf", {.generate = 2, .auto_units = true}},
                    {"stacks/t5", {.target = "der Fluss", .auto_units = true}}};
    for (size_t i = 0; i < 2; i++) {
        struct bench one, many;
        open_bench(&one, subjects[i].file, TEXT, 1, 0, &subjects[i].o);
        for (size_t k = 0; k < METHODS; k++) {
            glim_plan plan;
            glim_error err = {0};
            glim_document *doc = explain(&one, methods[k], NULL, subjects[i].file);
            assert_int_equal(
                glim_explain_plan(&plan, one.p, glim_method_find(methods[k]), NULL, &err), 0);
            open_bench(&many, subjects[i].file, TEXT, 4, 0, &subjects[i].o);
            same_scores(&many, methods[k], doc->scores, "threads");
            close_bench(&many);
            open_bench(&many, subjects[i].file, TEXT, 1, plan.bytes + (1 << 18), &subjects[i].o);
            same_scores(&many, methods[k], doc->scores, "memory");
            close_bench(&many);
            glim_document_free(doc);
        }
        close_bench(&one);
    }
}

/* ---- the gradient at the pattern is its slope ---- */

struct nudge {
    int layer, head;
    size_t at;
    float by, gradient;
    size_t S;
};

static glim_status write_nudge(void *data, const glim_site *site, glim_error *err) {
    const struct nudge *n = data;
    if (site->layer == n->layer && !site->gradient)
        site->data[(size_t)n->head * site->dims[1] * site->dims[2] + n->at] += n->by;
    return GLIM_OK;
}

static glim_status read_slope(void *data, const glim_pattern *one, glim_error *err) {
    struct nudge *n = data;
    if (one->layer == n->layer && one->head == n->head)
        n->gradient = one->gradient[n->at];
    return GLIM_OK;
}

static double run_nudged(struct bench *b, struct nudge *n, float by) {
    const glim_lm *lm = (const glim_lm *)b->p;
    glim_hook hook = {"blocks.*.attn.hook_pattern", GLIM_HOOK_WRITE, write_nudge, n};
    uint32_t at = (uint32_t)lm->rows[0].at;
    glim_session *session = new_session(b->m, 0);
    glim_sequence q = {
        .ids = lm->ids, .types = lm->types, .count = b->p->T, .wanted = &at, .n_wanted = 1};
    glim_batch batch = {.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1};
    n->by = by;
    run_batch(session, &batch);
    double value = glim_session_logits(session, 0, 0)[lm->rows[0].id];
    glim_session_free(session);
    return value;
}

static void gradients_at_patterns_are_slopes(void **state) {
    static const char *const files[] = {"llama.gguf", "gemma2.gguf", "gptneox.gguf",
                                        "published/bert-classes"};
    const float step = 1e-2f;
    for (size_t i = 0; i < 4; i++) {
        struct bench b;
        glim_error err = {0};
        glim_target_options o = {.output = "logit", .auto_units = true};
        open_bench(&b, files[i], "the small cat", 2, 0, &o);
        size_t T = b.p->T;
        int L = glim_model_facts(b.m)->layers, H = glim_model_facts(b.m)->heads;
        for (int k = 0; k < 2 * L; k++) {
            struct nudge n = {.layer = k % L, .head = k % H, .at = (T - 1) * T + (size_t)k % T};
            if (i == 3)
                n.at = (size_t)k % T; /* the first row is the target's */
            assert_int_equal(
                glim__patterns_gradient(b.p, 1u << GLIM_PATTERN_SELF, read_slope, &n, &err),
                GLIM_OK);
            double slope =
                (run_nudged(&b, &n, step) - run_nudged(&b, &n, -step)) / (2 * (double)step);
            if (n.gradient == 0) /* outside of the window */
                continue;
            if (!(fabs(slope - n.gradient) <= 2e-3 * fmax(fabs(slope), 0.05)))
                fail_msg("%s, layer %d, head %d: %g by differences, %g", files[i], n.layer, n.head,
                         slope, n.gradient);
        }
        close_bench(&b);
    }
}

/* ---- what they refuse ---- */

static void value_zeroing_refuses_the_mean_of_all_positions(void **state) {
    struct bench b;
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_target_options o = {.against = "a dog", .auto_units = true};
    open_bench(&b, "published/bert-embed", "a cat", 1, 0, &o);
    assert_int_equal(glim_explain(&doc, b.p, glim_method_find("value-zeroing"), NULL, 1, &err),
                     GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "attention-norm"));
    close_bench(&b);
}

static void labels_of_several_tokens_have_attention_but_no_gradient(void **state) {
    struct bench b;
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_target_options o = {.labels = "a b, c d", .auto_units = true};
    open_bench(&b, "llama.gguf", "the cat", 1, 0, &o);
    glim_document_free(explain(&b, "attention", NULL, "labels"));
    assert_int_equal(glim_explain(&doc, b.p, glim_method_find("attention-gradient"), NULL, 1, &err),
                     GLIM_EUNSUPPORTED);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_agree_with_their_peers),
        cmocka_unit_test(parts_add_up_to_what_attention_adds),
        cmocka_unit_test(bits_depend_on_neither_threads_nor_memory),
        cmocka_unit_test(gradients_at_patterns_are_slopes),
        cmocka_unit_test(value_zeroing_refuses_the_mean_of_all_positions),
        cmocka_unit_test(labels_of_several_tokens_have_attention_but_no_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
