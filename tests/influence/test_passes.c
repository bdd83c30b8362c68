/* SPDX-License-Identifier: Apache-2.0 */
/* Samples through a model: what is seen of one is what it gives alone, however they are
   batched, whatever the threads and the budget. */
#include "samples-testing.h"

#include "influence/passes.h"

enum { MOST_SAMPLES = 32, ROWS = 10 };

static const struct {
    const char *model, *end, *rows;
} tasks[] = {
    {"qwen2.gguf", "csv",
     "prompt,completion\na fine, film\nb, c d e f\na b c d e f g h i j,k\nfilm,\"a, b\"\n"
     "a,b\nthe film in the film, the film\n字,字\nx,yz\nx y,z\na fine film in, the end of it\n"},
    {"gemma3.gguf", "csv",
     "text\na fine film\nb\nno\na b c d e f g\nthe film\nin\nfilm and film\nz\nzz\nxyz xyz\n"},
    {"published/bert-classes", "txt",
     "bad\ta fine film\ngood\tno\nodd\tx\nbad\ta b c d e\ngood\tthe film\nbad\tz\nodd\tzz\n"
     "good\tin\nbad\ta\ngood\tb c\n"},
    {"stacks/t5", "csv",
     "source,target\na fine film,in a\nfilm,the film in\nx,y\na,b c d\nno,no\nin,in in\nz,a b\n"
     "the film,film\na b c d,e\nend,end\n"},
};
enum { TASKS = sizeof tasks / sizeof *tasks };

/* A number made of every gradient: sum_t (g_t . p)(a_t . q), of each sample and weight. */
struct seen {
    const glim_weight *weights;
    size_t n;
    double *sum; /* (MOST_SAMPLES, n) */
    double loss[MOST_SAMPLES];
    size_t last[512]; /* sample that a weight saw last, plus 1 */
    size_t next, batches, forwards, visits;
};

static glim_status see_weight(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                              const float *a, glim_error *err) {
    struct seen *s = data;
    size_t F = s->weights[weight].rows, C = s->weights[weight].cols;
    assert_true(sample + 1 > s->last[weight]); /* in order */
    s->last[weight] = sample + 1;
    for (size_t t = 0; t < rows; t++) {
        double x = 0, y = 0;
        for (size_t f = 0; f < F; f++)
            x += (double)g[t * F + f] * cos((double)f);
        for (size_t c = 0; c < C; c++)
            y += (double)a[t * C + c] * sin((double)c + 1);
        s->sum[sample * s->n + weight] += x * y;
    }
    s->visits++;
    return GLIM_OK;
}

static glim_status see_batch(void *data, size_t first, size_t count, const double *loss,
                             glim_error *err) {
    struct seen *s = data;
    assert_int_equal(first, s->next);
    for (size_t i = 0; i < count; i++)
        s->loss[first + i] = loss[i];
    s->next += count;
    s->batches++;
    return GLIM_OK;
}

static glim_status see_forward(void *data, const glim_pass_sample *x, glim_error *err) {
    struct seen *s = data;
    double sum = 0;
    size_t V = (size_t)glim_model_facts(x->session->m)->outputs;
    assert_int_equal(x->sample, s->forwards++);
    for (size_t k = 0; k < x->example->n_labels; k++) {
        const float *z = glim_session_logits(x->session, x->sequence, k);
        double all = 0;
        for (size_t v = 0; v < V; v++)
            all += exp((double)z[v] - z[x->labels[k]]);
        sum += log(all);
    }
    assert_true(isnan(x->loss) ? !x->example->n_labels : fabs(x->loss - sum) < 1e-9 * (1 + sum));
    return GLIM_OK;
}

static void forget(struct seen *s) {
    free(s->sum);
    *s = (struct seen){0};
}

static glim_status try_pass(const glim_model *m, glim_samples *samples, size_t first, size_t count,
                            const glim_pass_options *how, struct seen *s, glim_error *err) {
    glim_pass_options o = *how;
    *s = (struct seen){.next = first, .forwards = first};
    s->weights = glim_model_weights(m, &s->n);
    s->sum = calloc(MOST_SAMPLES * s->n, sizeof *s->sum);
    uint8_t *chosen = calloc(s->n, 1);
    assert_true(s->sum && chosen && s->n <= 512);
    glim_status status = glim__weights_choose(m, "*", chosen, err);
    o.chosen = chosen;
    glim_pass_visitor v = {see_weight, see_batch, s, .forward = see_forward};
    if (!status)
        status = glim__pass(m, samples, first, count, &o, &v, err);
    free(chosen);
    return status;
}

static void pass(const glim_model *m, glim_samples *samples, const glim_pass_options *how,
                 struct seen *s) {
    glim_error err = {0};
    if (try_pass(m, samples, 0, glim__samples_count(samples), how, s, &err))
        fail_msg("%s", err.message);
}

static void compare(const struct seen *x, const struct seen *y, size_t n) {
    assert_memory_equal(x->loss, y->loss, n * sizeof *x->loss);
    assert_memory_equal(x->sum, y->sum, n * x->n * sizeof *x->sum);
}

static void batches_threads_and_memory_show_in_no_bit(void **state) {
    static const struct {
        int threads;
        size_t most;
        bool sampled;
    } ways[] = {{1, 1, false}, {1, 0, false}, {3, 25, false}, {1, 1, true}, {2, 0, true}};
    for (size_t k = 0; k < TASKS; k++) {
        struct seen was[2] = {{0}}, now;
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            glim_context *ctx = context_with(ways[w].threads, 0);
            glim_model *m = open_model(ctx, tasks[k].model);
            glim_samples *s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
            glim_pass_options o = {
                .most_tokens = ways[w].most, .sampled = ways[w].sampled, .seed = 5};
            pass(m, s, &o, &now);
            assert_int_equal(now.next, ROWS);
            assert_int_equal(now.batches, ways[w].most == 1 ? ROWS : now.batches);
            assert_true(ways[w].most == 1 || now.batches < ROWS);
            assert_int_equal(now.visits, now.n * ROWS);
            if (ways[w].most == 1)
                was[ways[w].sampled] = now;
            else
                compare(&was[ways[w].sampled], &now, ROWS);
            if (ways[w].most != 1)
                forget(&now);
            glim__samples_close(s);
            glim_model_close(m);
            glim_context_free(ctx);
        }
        assert_memory_not_equal(was[0].loss, was[1].loss, sizeof was[0].loss);
        forget(&was[0]);
        forget(&was[1]);
    }
}

/* Under budgets that hold less and less, down to what the plan says. */
static void the_plan_is_enough(void **state) {
    for (size_t k = 0; k < TASKS; k++) {
        struct seen whole = {0}, now;
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, tasks[k].model);
        glim_samples *s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
        uint8_t all[512] = {1};
        glim_error err = {0};
        glim_pass_size size;
        pass(m, s, &(glim_pass_options){0}, &whole);
        assert_int_equal(
            glim__pass_measure(m, s, &(glim_pass_options){.chosen = all}, true, &size, &err),
            GLIM_OK);
        assert_true(size.counted && size.wanted >= size.bytes);
        uint64_t held = glim_context_bytes(ctx) + size.bytes;
        assert_int_equal(size.bytes, glim__pass_plan(m, s, &(glim_pass_options){.chosen = all}));
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
        ctx = context_with(1, held);
        m = open_model(ctx, tasks[k].model);
        s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
        pass(m, s, &(glim_pass_options){0}, &now);
        assert_true(glim_context_peak(ctx) <= held);
        compare(&whole, &now, ROWS);
        forget(&whole);
        forget(&now);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void parts_of_the_samples_are_those_of_all(void **state) {
    struct seen whole, part;
    glim_error err = {0};
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, tasks[0].model);
    glim_samples *s = open_samples(m, tasks[0].end, tasks[0].rows, NULL);
    glim_pass_options o = {.sampled = true, .seed = 9};
    pass(m, s, &o, &whole);
    assert_int_equal(try_pass(m, s, 3, 4, &o, &part, &err), GLIM_OK);
    assert_memory_equal(whole.loss + 3, part.loss + 3, 4 * sizeof *part.loss);
    assert_memory_equal(whole.sum + 3 * whole.n, part.sum + 3 * whole.n,
                        4 * whole.n * sizeof *part.sum);
    assert_true(part.sum[2 * part.n] == 0 && part.sum[7 * part.n] == 0);
    forget(&whole);
    forget(&part);
    assert_int_equal(try_pass(m, s, 8, 4, &o, &part, &err), GLIM_EUSAGE);
    forget(&part);
    glim__samples_close(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* One text a thousand times: the draws are as often as likely. */
static size_t drawn[3];
static double likely[3];

static glim_status count_draw(void *data, const glim_pass_sample *x, glim_error *err) {
    const float *z = glim_session_logits(x->session, x->sequence, 0);
    double sum = exp(z[0]) + exp(z[1]) + exp(z[2]);
    for (size_t k = 0; k < 3; k++)
        likely[k] = exp(z[k]) / sum;
    drawn[x->labels[0]]++;
    return GLIM_OK;
}

static void drawn_labels_are_as_often_as_likely(void **state) {
    enum { N = 1000 };
    char rows[20 * N] = "";
    for (size_t i = 0; i < N; i++)
        strcat(rows, "bad\ta film\n");
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "published/bert-classes");
    glim_samples *s = open_samples(m, "txt", rows, NULL);
    glim_pass_options o = {.sampled = true, .seed = 1};
    glim_pass_visitor v = {.forward = count_draw};
    assert_int_equal(glim__pass(m, s, 0, N, &o, &v, NULL), GLIM_OK);
    for (size_t k = 0; k < 3; k++) {
        double p = likely[k];
        assert_true(fabs((double)drawn[k] / N - p) < 4 * sqrt(p * (1 - p) / N));
    }
    glim__samples_close(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static glim_status plain_logit(void *data, const glim_pass_sample *x, size_t k, glim_seed *seed,
                               glim_error *err) {
    static const float two = 2;
    assert_int_equal(seed->ids[0], x->labels[k]);
    seed->log_softmax = false;
    seed->weights = &two;
    return GLIM_OK;
}

/* Twice the logit's slope by the head's weight is twice the row that it read. */
static glim_status see_twice(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                             const float *a, glim_error *err) {
    size_t *visits = data;
    float most = 0, sum = 0;
    for (size_t t = 0; t < rows; t++)
        for (size_t f = 0; f < 300; f++) {
            sum += g[t * 300 + f];
            most = fmaxf(most, fabsf(g[t * 300 + f]));
        }
    assert_true(most >= 2 && fmodf(sum, 2) == 0);
    ++*visits;
    return GLIM_OK;
}

static void other_seeds_can_be_walked(void **state) {
    size_t visits = 0, n;
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_samples *s = open_samples(m, tasks[0].end, tasks[0].rows, NULL);
    glim_error err = {0};
    glim_model_weights(m, &n);
    uint8_t *chosen = calloc(n, 1);
    assert_int_equal(glim__weights_choose(m, "unembed.W_U", chosen, &err), GLIM_OK);
    glim_pass_options o = {.chosen = chosen};
    glim_pass_visitor v = {.weight = see_twice, .data = &visits, .seed = plain_logit};
    if (glim__pass(m, s, 0, ROWS, &o, &v, &err))
        fail_msg("%s", err.message);
    assert_int_equal(visits, ROWS);
    free(chosen);
    glim__samples_close(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void samples_with_nothing_to_say_have_no_loss(void **state) {
    struct seen seen;
    for (int k = 0; k < 2; k++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, "qwen2.gguf");
        /* one token, and none before it */
        glim_samples *s = open_samples(m, "csv", k ? "text\na\nb\n" : "text\na\na film\nb\n", NULL);
        pass(m, s, &(glim_pass_options){0}, &seen);
        assert_true(isnan(seen.loss[0]));
        assert_true(k || (seen.loss[1] > 0 && isnan(seen.loss[2])));
        for (size_t w = 0; w < seen.n; w++)
            assert_true(seen.sum[w] == 0);
        forget(&seen);
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

static void heads_on_representations_are_walked(void **state) {
    static const char *const pools[] = {"mean", "last"};
    for (size_t k = 0; k < 2; k++) {
        struct seen one, all;
        glim_linear *l;
        glim_context *ctx = context_with(1, 0);
        glim_model *base = open_model(ctx, "llama.gguf"), *m = fit_head(base, pools[k], &l);
        glim_samples *s = open_samples(m, "txt", "good\ta fine film\nbad\tno\ngood\ta\n", NULL);
        pass(m, s, &(glim_pass_options){.most_tokens = 1}, &one);
        pass(m, s, &(glim_pass_options){0}, &all);
        compare(&one, &all, 3);
        assert_true(one.sum[0] != 0);
        forget(&one);
        forget(&all);
        glim__samples_close(s);
        glim_model_close(m);
        glim_linear_close(l);
        glim_model_close(base);
        glim_context_free(ctx);
    }
}

static void weights_are_chosen_by_patterns(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "qwen2.gguf");
    glim_error err = {0};
    size_t n, count[3] = {0};
    const glim_weight *all = glim_model_weights(m, &n);
    uint8_t *chosen = calloc(n, 1);
    static const char *const patterns[] = {NULL, "all", "blocks.0.attn.W_Q,*.W_O"};
    for (int k = 0; k < 3; k++) {
        assert_int_equal(glim__weights_choose(m, patterns[k], chosen, &err), GLIM_OK);
        for (size_t i = 0; i < n; i++) {
            bool mlp = strstr(all[i].name, ".mlp.W_") != NULL;
            bool block = !strncmp(all[i].name, "blocks.", 7);
            bool third = !strcmp(all[i].name, "blocks.0.attn.W_Q") || strstr(all[i].name, ".W_O");
            assert_int_equal(chosen[i], k == 0 ? mlp : k == 1 ? block : third);
            count[k] += chosen[i];
        }
    }
    assert_true(count[0] && count[1] > count[0] && count[2] > 1);
    assert_int_equal(glim__weights_choose(m, "blocks.0.*,nothing", chosen, &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "no weight is called 'nothing' (there are blocks.0."));
    free(chosen);
    glim_model_close(m);
    glim_context_free(ctx);
}

static glim_status refuse(void *data, size_t first, size_t count, const double *loss,
                          glim_error *err) {
    glim_context_cancel(data);
    return GLIM_OK;
}

static void a_pass_ends_when_it_is_told_to(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, tasks[0].model);
    glim_samples *s = open_samples(m, tasks[0].end, tasks[0].rows, NULL);
    glim_pass_visitor v = {.batch = refuse, .data = ctx};
    glim_error err = {0};
    glim_pass_options o = {.most_tokens = 1};
    assert_int_equal(glim__pass(m, s, 0, ROWS, &o, &v, &err), GLIM_ECANCELLED);
    glim_context_reset(ctx);
    glim_model *other = open_model(ctx, "gemma3.gguf");
    assert_int_equal(glim__pass(other, s, 0, 1, NULL, &v, &err), GLIM_EUSAGE);
    glim_model_close(other);
    glim__samples_close(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    for (size_t k = 0; k < TASKS; k++) {
        glim_status status = GLIM_ENOMEM;
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, tasks[k].model);
        glim_samples *s = open_samples(m, tasks[k].end, tasks[k].rows, NULL);
        struct seen seen;
        for (uint64_t nth = 1; status; nth += 1 + nth / 40) {
            glim_error err = {0};
            glim__spare_trim(ctx);
            uint64_t before = glim_context_bytes(ctx);
            glim__fail_allocation(ctx, nth);
            status = try_pass(m, s, 0, 2, &(glim_pass_options){0}, &seen, &err);
            glim__fail_allocation(ctx, 0);
            forget(&seen);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim__spare_trim(ctx);
            /* a worker's scratch, and a block of rows, stay */
            assert_true(nth < 3 || glim_context_bytes(ctx) < before + 400000);
        }
        glim__samples_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_threads_and_memory_show_in_no_bit),
        cmocka_unit_test(the_plan_is_enough),
        cmocka_unit_test(parts_of_the_samples_are_those_of_all),
        cmocka_unit_test(drawn_labels_are_as_often_as_likely),
        cmocka_unit_test(other_seeds_can_be_walked),
        cmocka_unit_test(samples_with_nothing_to_say_have_no_loss),
        cmocka_unit_test(heads_on_representations_are_walked),
        cmocka_unit_test(weights_are_chosen_by_patterns),
        cmocka_unit_test(a_pass_ends_when_it_is_told_to),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, clean_rows);
}
