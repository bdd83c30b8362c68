/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no gradients: vectors of samples, similarity, loss, and distance. */
#include "samples-testing.h"

#include "influence-testing.h"
#include "influence/vectors.h"

enum { MOST_WIDTH = 64 };

static const char texts[] =
    "text\na fine film\na film\nthe film in the end\nno\na fine film\nxyz\n";
static const char pairs[] = "source,target\na fine film,in a\nfilm,the film in\nx,y\n"
                            "a fine film,b\nno,no\nin,in in\n";

struct pool {
    glim_context *ctx;
    glim_model *m, *base;
    glim_linear *l;
    glim_samples *s, *queries;
    glim_influence_work work;
};

static void open_pool(struct pool *p, int threads, const char *model, const char *rows,
                      const char *query) {
    *p = (struct pool){.ctx = context_with(threads, 0)};
    p->m = open_model(p->ctx, model);
    p->s = open_samples(p->m, "csv", rows, NULL);
    if (query)
        p->queries = open_samples(p->m, "tsv", query, NULL);
    p->work = (glim_influence_work){.ctx = p->ctx,
                                    .n = glim__samples_count(p->s),
                                    .n_queries = query ? glim__samples_count(p->queries) : 0,
                                    .model = p->m,
                                    .samples = p->s,
                                    .query_samples = p->queries};
}

static void close_pool(struct pool *p) {
    glim__samples_close(p->s);
    glim__samples_close(p->queries);
    glim_model_close(p->m);
    glim_context_free(p->ctx);
}

/* ---- vectors ---- */

struct caught {
    float v[8][MOST_WIDTH];
    size_t n, width;
};

static glim_status catch_vector(void *data, size_t sample, const float *v, glim_error *err) {
    struct caught *c = data;
    assert_int_equal(sample, c->n);
    memcpy(c->v[c->n++], v, c->width * sizeof *v);
    return GLIM_OK;
}

static struct caught vectors_of(const glim_model *m, glim_samples *s) {
    struct caught c = {0};
    glim_vectors v;
    glim_error err = {0};
    glim__vectors_init(&v, m, s);
    c.width = v.width;
    assert_true(v.width <= MOST_WIDTH);
    v.take = catch_vector;
    v.data = &c;
    if (glim__vectors_run(&v, 0, glim__samples_count(s), &err))
        fail_msg("%s", err.message);
    return c;
}

static const struct caught *heads_of;

/* The head's product with the vector is what the model says. */
static glim_status check_head(void *data, const glim_pass_sample *s, glim_error *err) {
    const glim_model *m = s->session->m;
    const float *z = glim_session_logits(s->session, s->sequence, 0);
    float row[MOST_WIDTH];
    for (int k = 0; k < m->outputs; k += 7) {
        glim__matrix_read_row(m->ctx, &m->head, k, row);
        double y = glim__vector_dot(row, heads_of->v[s->sample], heads_of->width) +
                   (m->head_bias ? m->head_bias[k] : 0);
        assert_true(fabs(y - z[k]) < 1e-4 * (1 + fabs(y)));
    }
    return GLIM_OK;
}

static void a_head_reads_the_vector(void **state) {
    static const char *const pools[] = {"mean", "last", NULL};
    for (size_t k = 0; k < 3; k++) {
        glim_context *ctx = context_with(1, 0);
        glim_linear *l = NULL;
        glim_model *base = open_model(ctx, k == 2 ? "qwen2.gguf" : "llama.gguf");
        glim_model *m = k < 2 ? fit_head(base, pools[k], &l) : base;
        /* of a decoder two tokens: one row */
        glim_samples *s = open_samples(
            m, "csv", k < 2 ? "text,label\na fine film,good\nno,bad\n" : "text\nab\ncd\n", NULL);
        struct caught c = vectors_of(m, s);
        heads_of = &c;
        glim_pass_visitor v = {.forward = check_head};
        assert_int_equal(glim__pass(m, s, 0, 2, NULL, &v, NULL), GLIM_OK);
        glim__samples_close(s);
        if (k < 2)
            glim_model_close(m);
        glim_linear_close(l);
        glim_model_close(base);
        glim_context_free(ctx);
    }
}

/* The encoder's last rows are the memory that a decoder looks up: normed, all of them. */
static void a_translators_vector_is_the_mean_of_what_is_read(void **state) {
    static const char *const models[] = {"stacks/t5", "stacks/marian"};
    for (size_t k = 0; k < 2; k++) {
        struct pool p;
        open_pool(&p, 1, models[k], pairs, NULL);
        struct caught c = vectors_of(p.m, p.s);
        glim_arena arena;
        glim_example x;
        glim__arena_init(&arena, p.ctx, 1 << 12);
        assert_int_equal(glim__samples_read(p.s, 0, 1, &arena, &x, NULL), GLIM_OK);
        glim_session *s = new_session(p.m->encoder, 0);
        uint32_t every[32];
        for (uint32_t i = 0; i < 32; i++)
            every[i] = i;
        glim_sequence q = {
            .ids = x.source, .count = x.n_source, .wanted = every, .n_wanted = x.n_source};
        run_batch(s, &(glim_batch){.sequences = &q, .count = 1});
        for (size_t i = 0; i < c.width; i++) {
            double mean = 0;
            for (size_t t = 0; t < x.n_source; t++)
                mean += glim_session_logits(s, 0, t)[i] / (double)x.n_source;
            assert_true(fabs(mean - c.v[0][i]) < 1e-5 * (1 + fabs(mean)));
        }
        glim_session_free(s);
        glim__arena_release(&arena);
        close_pool(&p);
    }
}

/* ---- methods ---- */

static void a_sample_is_most_like_itself(void **state) {
    static const struct {
        const char *model, *rows, *query;
    } tasks[] = {
        {"qwen2.gguf", texts, "text\na fine film\nno\n"},
        {"stacks/t5", pairs, "source\ttarget\na fine film\tb\nno\tno\n"},
        {"published/bert-classes",
         "text,label\na fine film,bad\nb,good\nthe end,odd\nx,bad\na fine film,good\ny y,bad\n",
         "text\tlabel\na fine film\tbad\nx\tgood\n"},
    };
    for (size_t k = 0; k < 3; k++) {
        struct pool p;
        double was[12];
        for (int threads = 1; threads < 3; threads++) {
            open_pool(&p, threads, tasks[k].model, tasks[k].rows, tasks[k].query);
            kept r = run_method(&p.work, "similarity", NULL);
            assert_int_equal(r.n, 6);
            assert_int_equal(r.n_columns, 2);
            for (size_t i = 0; i < 6; i++)
                for (size_t q = 0; q < 2; q++) {
                    double x = r.values[i * 2 + q];
                    assert_true(x <= 1 + 1e-6 && x >= -1 - 1e-6);
                    assert_int_equal(r.columns[q].query, q);
                }
            assert_near(r.values[0], 1, 1e-6, "similarity", 0);
            assert_true(fabs(r.values[1]) < 1 - 1e-6);
            assert_true(kept_check(&r, "spread_of_similarity") > 0);
            if (threads > 1)
                assert_memory_equal(r.values, was, sizeof was);
            memcpy(was, r.values, sizeof was);
            kept_release(&r);
            close_pool(&p);
        }
    }
}

static void losses_are_means_and_perplexities_their_powers(void **state) {
    struct pool p;
    open_pool(&p, 1, "qwen2.gguf", "prompt,completion\na fine, film\na,b\nfilm,in the end\n", NULL);
    kept r = run_method(&p.work, "loss", NULL);
    glim_arena arena;
    glim_example x[3];
    double total = 0;
    size_t labels = 0;
    glim__arena_init(&arena, p.ctx, 1 << 12);
    assert_int_equal(glim__samples_read(p.s, 0, 3, &arena, x, NULL), GLIM_OK);
    for (size_t i = 0; i < 3; i++) {
        double loss = kept_value(&r, i, "loss");
        assert_near(kept_value(&r, i, "perplexity"), exp(loss), 1e-12, "perplexity", i);
        total += loss * (double)x[i].n_labels;
        labels += x[i].n_labels;
    }
    assert_near(kept_check(&r, "mean_loss"), total / (double)labels, 1e-12, "mean", 0);
    assert_true(isnan(r.columns[0].threshold));
    glim__arena_release(&arena);
    kept_release(&r);
    close_pool(&p);
    open_pool(&p, 1, "published/bert-classes", "text,label\na,bad\na,good\na,odd\n", NULL);
    r = run_method(&p.work, "loss", NULL);
    double sum = 0;
    for (size_t i = 0; i < 3; i++)
        sum += kept_value(&r, i, "probability");
    assert_near(sum, 1, 1e-6, "probabilities", 0);
    assert_true(r.columns[0].threshold == log(2));
    kept_release(&r);
    close_pool(&p);
}

static void what_is_unlike_the_rest_is_far(void **state) {
    char rows[3000] = "text\n";
    for (size_t i = 0; i < 60; i++)
        sprintf(rows + strlen(rows),
                i == 41 ? "字字 123 字字\n" : "the film in the %c end and a film in it\n",
                (char)('a' + i % 26));
    for (int few = 0; few < 2; few++) {
        struct pool p;
        open_pool(&p, 1, "qwen2.gguf", rows, NULL);
        p.work.seed = 3;
        static const char *const some[] = {"references=20", NULL};
        kept r = run_method(&p.work, "distance", few ? some : NULL);
        assert_int_equal(r.n, 60);
        for (size_t i = 0; i < 60; i++) {
            assert_true(r.values[i] > 0);
            assert_true(i == 41 || r.values[i] < r.values[41]);
        }
        assert_true(r.values[41] > r.columns[0].threshold);
        assert_int_equal((int)kept_check(&r, "references"), few ? 20 : 60);
        kept_release(&r);
        close_pool(&p);
    }
}

static void plans_are_enough(void **state) {
    static const char *const methods[] = {"similarity", "loss", "distance"};
    char rows[2000] = "text\n";
    for (size_t i = 0; i < 40; i++)
        sprintf(rows + strlen(rows), "film %zu and %c\n", i, (char)('a' + i % 26));
    for (size_t k = 0; k < 3; k++) {
        struct pool p;
        glim_plan plan;
        glim_error err = {0};
        open_pool(&p, 1, "qwen2.gguf", rows, "text\na fine film\n");
        if (glim__influence_plan(&p.work, glim__influence_find(methods[k]), NULL, &plan, &err))
            fail_msg("%s", err.message);
        assert_true(plan.forward_tokens > 100 && plan.backward_tokens == 0);
        assert_true(plan.bytes_wanted >= plan.bytes);
        glim__spare_trim(p.ctx);
        glim_context_reset_peak(p.ctx);
        uint64_t before = glim_context_bytes(p.ctx);
        kept r = run_method(&p.work, methods[k], NULL);
        uint64_t took = glim_context_peak(p.ctx) - before;
        if (took > plan.bytes_wanted)
            fail_msg("%s took %lu, not %lu", methods[k], (unsigned long)took,
                     (unsigned long)plan.bytes_wanted);
        kept_release(&r);
        close_pool(&p);
    }
}

static void what_cannot_run_is_told(void **state) {
    struct pool p;
    kept k;
    glim_error err = {0};
    open_pool(&p, 1, "qwen2.gguf", texts, NULL);
    assert_int_equal(try_run(&k, &p.work, "similarity", NULL, &err), GLIM_EUSAGE);
    assert_contains(err.message, "--query FILE");
    kept_release(&k);
    assert_int_equal(try_run(&k, &p.work, "distance", NULL, &err), GLIM_EUSAGE);
    assert_contains(err.message, "too few");
    kept_release(&k);
    glim_context_cancel(p.ctx);
    assert_int_equal(try_run(&k, &p.work, "loss", NULL, &err), GLIM_ECANCELLED);
    kept_release(&k);
    close_pool(&p);
}

static void no_refused_allocation_leaks(void **state) {
    static const char *const methods[] = {"similarity", "loss", "distance"};
    char rows[400] = "text\n";
    for (size_t i = 0; i < 11; i++)
        sprintf(rows + strlen(rows), "film %zu\n", i);
    struct pool p;
    open_pool(&p, 1, "qwen2.gguf", rows, "text\na fine film\n");
    for (size_t k = 0; k < 3; k++) {
        glim_status status = GLIM_ENOMEM;
        kept r = run_method(&p.work, methods[k], NULL); /* what the context keeps is there */
        kept_release(&r);
        for (uint64_t nth = 2; status; nth += 1 + nth / 30) {
            glim_error err = {0};
            glim__spare_trim(p.ctx);
            uint64_t before = glim_context_bytes(p.ctx);
            status = run_refused(&r, &p.work, methods[k], nth, &err);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            kept_release(&r);
            glim__spare_trim(p.ctx);
            assert_true(glim_context_bytes(p.ctx) <= before + 100000);
        }
    }
    close_pool(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_reads_the_vector),
        cmocka_unit_test(a_translators_vector_is_the_mean_of_what_is_read),
        cmocka_unit_test(a_sample_is_most_like_itself),
        cmocka_unit_test(losses_are_means_and_perplexities_their_powers),
        cmocka_unit_test(what_is_unlike_the_rest_is_far),
        cmocka_unit_test(plans_are_enough),
        cmocka_unit_test(what_cannot_run_is_told),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, clean_rows);
}
