/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every method that goes through a model, in one process and in several: the same bits of every
 * row and check. The others have less memory than the first, and no store.
 */
#include "samples-testing.h"

#include "../base/team-testing.h"
#include "influence-testing.h"

#include "file/store.h"

enum { WORDS = 5, ENDS = 16, N = WORDS * ENDS, LITTLE = 3700000 };

struct run {
    const char *method, *model, *store, *const *opts;
    kept one;          /* of one process */
    glim_context *ctx; /* of that */
    uint64_t memory;   /* of processes beside the first; 0 = as much as they like */
};

static void write_texts(glim_buffer *b, bool classes) {
    static const char *const words[WORDS] = {"a fine film", "no end", "the word in it", "x y", "z"};
    static const char *const labels[] = {"bad", "good", "odd"};
    glim__buffer_puts(b, classes ? "label,text\n" : "text\n");
    for (size_t i = 0; i < N; i++)
        glim__buffer_printf(b, "%s%s%s %zu and%s\n", classes ? labels[i % 3] : "",
                            classes ? "," : "", words[i % WORDS], i, i % 4 ? "" : " so on and on");
}

static void same_numbers(const kept *a, const kept *b, const char *method) {
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_columns, b->n_columns);
    if (memcmp(a->values, b->values, a->n * a->n_columns * sizeof *a->values) != 0)
        fail_msg("%s has other bits", method);
    assert_int_equal(a->doc->n_checks, b->doc->n_checks);
    for (size_t i = 0; i < a->doc->n_checks; i++)
        assert_memory_equal(&a->doc->checks[i].value, &b->doc->checks[i].value, sizeof(double));
    for (size_t k = 0; k < a->n_columns; k++)
        assert_memory_equal(&a->columns[k].threshold, &b->columns[k].threshold, sizeof(double));
}

static bool run_in_team(const glim_team *t, void *data) {
    struct run *r = data;
    glim_context *ctx = context_with(1 + t->rank % 2, t->rank ? r->memory : 0);
    glim_buffer rows;
    kept k;
    glim_error err = {0};
    glim__context_set_team(ctx, t);
    glim__buffer_init(&rows, ctx);
    glim_model *m = open_model(ctx, r->model);
    bool classes = glim_model_facts(m)->task == GLIM_TASK_CLASSIFY;
    write_texts(&rows, classes);
    glim_samples *s = open_samples(m, "csv", rows.data, NULL);
    glim_samples *q = open_samples(m, "tsv",
                                   classes ? "label\ttext\ngood\tthe film\nbad\tno film\n"
                                           : "text\nthe film in it\nno end of it\n",
                                   NULL);
    glim_influence_work w = {.ctx = ctx,
                             .n = glim__samples_count(s),
                             .n_queries = glim__samples_count(q),
                             .seed = 3,
                             .model = m,
                             .samples = s,
                             .query_samples = q};
    assert_int_equal(w.n, N);
    if (r->store && !t->rank)
        assert_int_equal(glim__store_open(&w.store, ctx, r->store, NULL, NULL), GLIM_OK);
    bool good = !try_run(&k, &w, r->method, r->opts, &err);
    if (!good)
        fprintf(stderr, "%s, process %d of %d: %s\n", r->method, t->rank, t->size, err.message);
    bool first = !r->ctx;
    if (good && t->rank)
        good = !k.n; /* only the first hands out rows */
    else if (good && first)
        r->one = k;
    else if (good)
        same_numbers(&k, &r->one, r->method);
    if (!first)
        kept_release(&k);
    glim__store_close(w.store);
    glim__buffer_release(&rows);
    glim__samples_close(s);
    glim__samples_close(q);
    glim_model_close(m);
    if (first)
        r->ctx = ctx;
    else
        glim_context_free(ctx);
    clean_rows(NULL);
    return good;
}

static void compare(struct run *r) {
    for (int size = 1; size <= 3; size++)
        if (!team_run(size, run_in_team, r))
            fail_msg("%s in %d processes", r->method, size);
}

static void release(struct run *r) {
    kept_release(&r->one);
    glim_context_free(r->ctx);
}

static void all_methods_have_the_same_bits(void **state) {
    static const char *const models[] = {"llama-q4_0.gguf", "published/bert-classes"};
    for (size_t i = 0; glim__influence_methods()[i]; i++)
        for (size_t k = 0; k < 2; k++) {
            struct run r = {.method = glim__influence_methods()[i]->name, .model = models[k]};
            if (!(glim__influence_methods()[i]->needs & GLIM_INFLUENCE_GRADIENT))
                continue;
            compare(&r);
            release(&r);
        }
}

/* What the first process has kept is everyone's. */
static void a_store_is_the_first_processs(void **state) {
    static const char *const methods[] = {"trak", "ekfac"};
    for (size_t i = 0; i < 2; i++) {
        struct run r = {.method = methods[i], .model = "llama-q4_0.gguf"};
        compare(&r);
        r.store = "/tmp/glim-team-methods.store";
        unlink(r.store);
        for (int again = 0; again < 2; again++)
            compare(&r);
        unlink(r.store);
        release(&r);
    }
}

/* A process with little memory makes all go in rounds. */
static void rounds_are_those_of_the_least_memory(void **state) {
    static const char *const opts[] = {"weights=all", NULL};
    struct run r = {.method = "ekfac", .model = "llama-q4_0.gguf", .opts = opts, .memory = LITTLE};
    compare(&r);
    release(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_methods_have_the_same_bits),
        cmocka_unit_test(a_store_is_the_first_processs),
        cmocka_unit_test(rounds_are_those_of_the_least_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
