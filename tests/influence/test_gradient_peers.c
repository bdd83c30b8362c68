/* SPDX-License-Identifier: Apache-2.0 */
/* Products of gradients, cosines and DataInf beside PyTorch's autograd on tiny models, recorded
   by scripts/record-influence-gradients.py. */
#include "../model/model-testing.h"

#include "file/safetensors.h"
#include "influence/biased.h"
#include "influence/first-order.h"
#include "influence/inverse-mean.h"

enum { MOST = 8, T_MOST = 16, WEIGHTS = 32 };

/* Rows of token ids through a model, all in one batch. */
struct rows {
    glim_gradients g;
    const glim_model *m;
    const int32_t *ids;
    size_t T, first;
    uint8_t chosen[WEIGHTS];
    const glim_pass_visitor *visitor;
};

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    const struct rows *r = data;
    for (size_t i = 0; i < r->g.n_weights; i++)
        if (r->chosen[i] && !strcmp(r->g.weights[i].name, site->name))
            return r->visitor->weight(r->visitor->data, r->first + site->sequence, i, site->dims[0],
                                      site->data, site->value, err);
    return GLIM_OK;
}

static glim_status walk(void *data, size_t first, size_t count, const glim_pass_visitor *v,
                        glim_error *err) {
    static const float minus = -1;
    struct rows *r = data;
    size_t T = r->T;
    uint32_t wanted[T_MOST];
    double loss[MOST] = {0};
    glim_sequence q[MOST];
    glim_seed seeds[MOST * T_MOST];
    float *d = malloc(count * T * (size_t)glim_model_facts(r->m)->width * sizeof *d);
    glim_hook hook = {.pattern = "*", .actions = GLIM_HOOK_WEIGHT, .visit = see, .data = r};
    glim_session *s = new_session(r->m, 0);
    assert_true(count <= MOST && T <= T_MOST);
    r->visitor = v;
    r->first = first;
    for (size_t i = 0; i < count; i++) {
        const int32_t *ids = r->ids + (first + i) * T;
        q[i] = (glim_sequence){.ids = ids, .count = T, .wanted = wanted, .n_wanted = T - 1};
        for (uint32_t k = 0; k + 1 < T; k++) {
            wanted[k] = k;
            seeds[i * (T - 1) + k] = (glim_seed){.sequence = i,
                                                 .wanted = k,
                                                 .ids = ids + k + 1,
                                                 .weights = &minus,
                                                 .n = 1,
                                                 .log_softmax = true};
        }
    }
    glim_batch b = {.sequences = q, .count = count, .hooks = &hook, .n_hooks = 1, .keep = true};
    run_batch(s, &b);
    assert_int_equal(glim_session_backward(s, seeds, count * (T - 1), d, err), GLIM_OK);
    if (v->batch)
        assert_int_equal(v->batch(v->data, first, count, loss, err), GLIM_OK);
    glim_session_free(s);
    free(d);
    return GLIM_OK;
}

static const glim_st_tensor *find(const glim_safetensors *st, const char *name) {
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    if (!t)
        fail_msg("no '%s' is recorded", name);
    return t;
}

static void open_rows(struct rows *r, const glim_model *m, const glim_safetensors *st,
                      const char *name) {
    const glim_st_tensor *ids = find(st, name);
    *r = (struct rows){.m = m, .ids = ids->data, .T = (size_t)ids->dims[1]};
    r->g = (glim_gradients){.ctx = glim_model_context(m),
                            .n = (size_t)ids->dims[0],
                            .chosen = r->chosen,
                            .walk = walk,
                            .data = r};
    r->g.weights = glim_model_weights(m, &r->g.n_weights);
    assert_true(r->g.n_weights <= WEIGHTS);
    for (size_t i = 0; i < r->g.n_weights; i++) {
        char tensor[96];
        snprintf(tensor, sizeof tensor, "dot.%s", r->g.weights[i].name);
        r->chosen[i] = glim__safetensors_find(st, tensor) != NULL;
    }
}

/* ---- all columns ---- */

struct values {
    char names[64][64];
    size_t queries[64];
    size_t n;
    double at[MOST * 64];
};

static glim_status take(void *data, const glim_influence_block *b, glim_error *err) {
    struct values *v = data;
    memcpy(v->at + b->first * v->n, b->values, b->count * v->n * sizeof *v->at);
    return GLIM_OK;
}

static glim_status begin(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err) {
    struct values *v = data;
    assert_true(n <= 64);
    v->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(v->names[i], sizeof v->names[i], "%s", columns[i].name);
        v->queries[i] = columns[i].query;
    }
    *sink = (glim_influence_sink){take, v};
    return GLIM_OK;
}

static double norm(const glim_st_tensor *t, size_t i) {
    return sqrt((double)((const float *)t->data)[i]);
}

/* One column of one weight, or of all, against a recorded (N, Q). */
static void same(const struct values *v, size_t column, const glim_st_tensor *want, double most,
                 size_t n, size_t Q) {
    for (size_t i = 0; i < n; i++) {
        double have = v->at[i * v->n + column];
        double peer = (double)((const float *)want->data)[i * Q + v->queries[column]];
        if (!(fabs(have - peer) <= most))
            fail_msg("%s of sample %zu: %g, autograd %g", v->names[column], i, have, peer);
    }
}

static double largest(const glim_st_tensor *t, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)((const float *)t->data)[i]));
    return most;
}

/* Every weight by itself. */
static void check_products(struct rows *train, struct rows *queries, const glim_safetensors *st,
                           const char *start) {
    struct values *v = calloc(1, sizeof *v);
    const glim_influence_out out = {.begin = begin, .data = v};
    uint8_t all[WEIGHTS];
    size_t checked = 0, N = train->g.n, Q = queries->g.n;
    memcpy(all, train->chosen, sizeof all);
    for (size_t w = 0; w < train->g.n_weights; w++) {
        if (!all[w])
            continue;
        char dot[96], square[96];
        snprintf(dot, sizeof dot, "%sdot.%s", start, train->g.weights[w].name);
        snprintf(square, sizeof square, "%ssquare.%s", start, train->g.weights[w].name);
        memset(train->chosen, 0, sizeof all);
        train->chosen[w] = 1;
        memcpy(queries->chosen, train->chosen, sizeof all);
        const glim_first_order f = {.train = &train->g, .queries = &queries->g, .self = true};
        assert_int_equal(glim__first_order_run(&f, &out, NULL), GLIM_OK);
        for (size_t q = 0; q < Q; q++)
            same(v, q, find(st, dot), 2e-5 * largest(find(st, square), N), N, Q);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs(sqrt(v->at[i * v->n + Q]) - norm(find(st, square), i)) <=
                        2e-5 * norm(find(st, square), i));
        checked++;
    }
    assert_true(checked >= 4);
    memcpy(train->chosen, all, sizeof all);
    memcpy(queries->chosen, all, sizeof all);
    free(v);
}

static void check_whole(struct rows *train, struct rows *queries, const glim_safetensors *st,
                        const char *start) {
    char cosine[32], datainf[32];
    snprintf(cosine, sizeof cosine, "%scosine", start);
    snprintf(datainf, sizeof datainf, "%sdatainf", start);
    struct values *v = calloc(1, sizeof *v);
    const glim_influence_out out = {.begin = begin, .data = v};
    size_t N = train->g.n, Q = queries->g.n;
    const glim_first_order f = {.train = &train->g, .queries = &queries->g, .cosine = true};
    assert_int_equal(glim__first_order_run(&f, &out, NULL), GLIM_OK);
    for (size_t q = 0; q < Q; q++)
        same(v, q, find(st, cosine), 2e-5, N, Q);
    const glim_inverse_mean d = {.train = &train->g, .queries = &queries->g, .damping = 0.1};
    assert_int_equal(glim__inverse_mean_run(&d, &out, NULL), GLIM_OK);
    for (size_t q = 0; q < Q; q++)
        same(v, q, find(st, datainf), 1e-4 * largest(find(st, datainf), N * Q), N, Q);
    free(v);
}

static void check_model(const char *name) {
    char path[256], file[64];
    glim_safetensors *st;
    glim_context *ctx = context_with(2, 0);
    struct rows train, queries;
    snprintf(path, sizeof path, GLIM_TESTS "/golden/influence/gradients-%s.safetensors", name);
    snprintf(file, sizeof file, "%s.gguf", name);
    assert_int_equal(glim__safetensors_open(&st, ctx, path, NULL), GLIM_OK);
    glim_model *m = open_model(ctx, file);
    open_rows(&train, m, st, "ids");
    open_rows(&queries, m, st, "queries");
    check_products(&train, &queries, st, "");
    check_whole(&train, &queries, st, "");
    glim_biased rooms[2];
    assert_int_equal(glim__gradients_add_biases(&train.g, &rooms[0], NULL), GLIM_OK);
    assert_int_equal(glim__gradients_add_biases(&queries.g, &rooms[1], NULL), GLIM_OK);
    check_products(&train, &queries, st, "biased-");
    check_whole(&train, &queries, st, "biased-");
    glim__biased_release(&rooms[0]);
    glim__biased_release(&rooms[1]);
    glim_model_close(m);
    glim__safetensors_close(st);
    glim_context_free(ctx);
}

static void gradients_agree_with_autograd(void **state) {
    check_model("llama-biases");
    check_model("gpt2");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_agree_with_autograd)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
