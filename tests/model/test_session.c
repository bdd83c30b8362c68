/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session promises on every tiny model: the same bits for any number of
 * threads, alone or inside a batch, behind a cached prefix cut anywhere, with
 * values kept or computed again; hooks that read change nothing; and the
 * gradient is the slope.
 */
#include "model-testing.h"

enum { T = 61 }; /* more than one block of queries */

static const uint32_t last_row[1] = {T - 1};

struct outcome {
    float *logits, *gradient;
    size_t V, n;
};

static struct outcome run(const char *file, int threads, uint64_t memory, int keep_layers,
                          const glim_hook *hook) {
    glim_context *ctx = context_with(threads, memory);
    glim_model *m = open_model(ctx, file);
    glim_session *s = new_session(m, 0);
    int32_t ids[T];
    some_ids(ids, T, m->hyper.V, 1);
    glim_session_keep_layers(s, keep_layers);
    glim_sequence q = {.ids = ids, .count = T, .wanted = last_row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1, .keep = true, .hooks = hook, .n_hooks = hook != 0};
    run_batch(s, &b);
    struct outcome o = {.V = (size_t)m->hyper.V, .n = T * (size_t)m->hyper.C};
    o.logits = malloc(o.V * sizeof(float));
    o.gradient = malloc(o.n * sizeof(float));
    memcpy(o.logits, glim_session_logits(s, 0, 0), o.V * sizeof(float));
    int32_t id = 11;
    float one = 1;
    glim_seed seed = {.ids = &id, .weights = &one, .n = 1};
    glim_error err = {0};
    if (glim_session_backward(s, &seed, 1, o.gradient, &err))
        fail_msg("%s", err.message);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
    return o;
}

static void assert_same(const struct outcome *a, struct outcome b, const char *file,
                        const char *what) {
    if (memcmp(a->logits, b.logits, a->V * sizeof(float)))
        fail_msg("%s: logits differ %s", file, what);
    if (memcmp(a->gradient, b.gradient, a->n * sizeof(float)))
        fail_msg("%s: gradients differ %s", file, what);
    free(b.logits);
    free(b.gradient);
}

static glim_status look(void *data, const glim_site *site, glim_error *err) {
    ++*(int *)data;
    return GLIM_OK;
}

static void check_bits(const char *file) {
    int seen = 0;
    glim_hook every = {"*", GLIM_HOOK_READ | GLIM_HOOK_WRITE | GLIM_HOOK_GRAD, look, &seen};
    struct outcome first = run(file, 1, 0, -1, NULL);
    assert_same(&first, run(file, 2, 0, -1, NULL), file, "with 2 threads");
    assert_same(&first, run(file, 3, 0, -1, NULL), file, "with 3 threads");
    assert_same(&first, run(file, 2, 0, 0, NULL), file, "when all blocks are computed again");
    assert_same(&first, run(file, 2, 0, 1, NULL), file, "when one block keeps its values");
    assert_same(&first, run(file, 2, 0, -1, &every), file, "when every site is read and written");
    assert_same(&first, run(file, 2, 0, 0, &every), file, "when sites are written again");
    assert_true(seen > 20);
    free(first.logits);
    free(first.gradient);
}

static void bits_depend_on_neither_threads_nor_memory_nor_hooks(void **state) {
    assert_true(each_golden(".gguf", check_bits) > 0);
}

/* Sequences that want one row and many, together and alone. */
static void check_mixed_wants(glim_session *s, const glim_sequence *q, size_t V) {
    enum { MANY = 9 };
    uint32_t rows[MANY];
    float *alone = malloc((MANY + 1) * V * sizeof *alone);
    for (uint32_t i = 0; i < MANY; i++)
        rows[i] = 3 * i;
    glim_sequence both[2] = {*q, *q};
    both[1].wanted = rows;
    both[1].n_wanted = MANY;
    for (int i = 0; i < 2; i++) {
        run_batch(s, &(glim_batch){.sequences = &both[i], .count = 1});
        memcpy(alone + (size_t)i * V, glim_session_logits(s, 0, 0),
               (i ? MANY : 1) * V * sizeof *alone);
    }
    run_batch(s, &(glim_batch){.sequences = both, .count = 2});
    assert_memory_equal(alone, glim_session_logits(s, 0, 0), V * sizeof *alone);
    assert_memory_equal(alone + V, glim_session_logits(s, 1, 0), MANY * V * sizeof *alone);
    free(alone);
}

static void check_batch_bits(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_session *s = new_session(m, 64);
    size_t V = (size_t)m->hyper.V;
    int32_t ids[T], other[T];
    float *alone = malloc(V * sizeof *alone);
    some_ids(ids, T, m->hyper.V, 1);
    some_ids(other, T, m->hyper.V, 2);
    glim_sequence q = {.ids = ids, .count = T, .wanted = last_row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1};
    run_batch(s, &b);
    memcpy(alone, glim_session_logits(s, 0, 0), V * sizeof *alone);
    static const uint32_t rows[5] = {0, T - 1, 4, T - 1, 2};
    glim_sequence many[5] = {
        {.ids = other, .count = 1}, q, {.ids = other, .count = 5}, q, {.ids = other, .count = 7}};
    for (int i = 0; i < 5; i++) {
        many[i].wanted = &rows[i];
        many[i].n_wanted = 1;
    }
    b = (glim_batch){.sequences = many, .count = 5};
    run_batch(s, &b);
    assert_memory_equal(alone, glim_session_logits(s, 1, 0), V * sizeof *alone);
    assert_memory_equal(alone, glim_session_logits(s, 3, 0), V * sizeof *alone);
    check_mixed_wants(s, &q, V);
    for (size_t cut = 1; cut < T; cut++) { /* a prefix in the cache, then the rest */
        glim_session_truncate(s, 0);
        glim_sequence head = {.ids = ids, .count = cut};
        uint32_t row = (uint32_t)(T - 1 - cut);
        glim_sequence tail = {
            .ids = ids + cut, .count = T - cut, .prefix = cut, .wanted = &row, .n_wanted = 1};
        b = (glim_batch){.sequences = &head, .count = 1, .append = true};
        run_batch(s, &b);
        glim_sequence pair[2] = {{.ids = other, .count = 3}, tail};
        b = (glim_batch){.sequences = pair, .count = 2};
        run_batch(s, &b);
        if (memcmp(alone, glim_session_logits(s, 1, 0), V * sizeof *alone))
            fail_msg("%s: a prefix of %zu tokens changes the logits", file, cut);
    }
    free(alone);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* Sequences that follow others: the whole input, one that leaves it at `cut` and one that leaves
   that one, sooner or later. */
static void check_followers(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_session *s = new_session(m, 64);
    size_t V = (size_t)m->hyper.V;
    int32_t ids[T], two[T], three[T];
    float *alone = malloc(3 * V * sizeof *alone);
    some_ids(ids, T, m->hyper.V, 1);
    for (size_t cut = 1; cut < T; cut++) {
        size_t late = cut > 2 ? cut - 2 : cut + 2 < T ? cut + 2 : cut;
        some_ids(two, T, m->hyper.V, 2);
        some_ids(three, T, m->hyper.V, 3);
        memcpy(two, ids, cut * sizeof *ids);
        memcpy(three, two, late * sizeof *two);
        glim_sequence q[3] = {
            {.ids = ids, .count = T}, {.ids = two, .count = T}, {.ids = three, .count = T}};
        for (int i = 0; i < 3; i++) {
            q[i].wanted = last_row;
            q[i].n_wanted = 1;
            glim_batch b = {.sequences = &q[i], .count = 1};
            run_batch(s, &b);
            memcpy(alone + (size_t)i * V, glim_session_logits(s, 0, 0), V * sizeof *alone);
        }
        const uint32_t last[] = {(uint32_t)(T - 1 - cut), (uint32_t)(T - 1 - late)};
        q[1] = (glim_sequence){.ids = two + cut,
                               .count = T - cut,
                               .prefix = cut,
                               .parent = 1,
                               .wanted = &last[0],
                               .n_wanted = 1};
        q[2] = (glim_sequence){.ids = three + late,
                               .count = T - late,
                               .prefix = late,
                               .parent = 2,
                               .wanted = &last[1],
                               .n_wanted = 1};
        glim_batch b = {.sequences = q, .count = 3};
        run_batch(s, &b);
        for (size_t i = 0; i < 3; i++)
            if (memcmp(alone + i * V, glim_session_logits(s, i, 0), V * sizeof *alone))
                fail_msg("%s: sequence %zu, which leaves another at %zu, has other logits", file, i,
                         cut);
    }
    free(alone);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void sequences_that_follow_others_have_the_bits_of_the_whole(void **state) {
    assert_true(each_golden(".gguf", check_followers) > 0);
}

static void bits_depend_on_neither_batch_nor_prefix(void **state) {
    assert_true(each_golden(".gguf", check_batch_bits) > 0);
}

/* (L(x + h u) - L(x - h u)) / 2h against <g, u> along random directions. */
static void check_slope(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_session *s = new_session(m, 0);
    size_t n = T * (size_t)m->hyper.C;
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y), *g = malloc(n * sizeof *g);
    int32_t ids[T], id = 11;
    float one = 1;
    glim_error err = {0};
    some_ids(ids, T, m->hyper.V, 1);
    for (int i = 0; i < T; i++)
        glim_model_embedding(m, ids[i], x + i * m->hyper.C, &err);
    glim_sequence q = {.count = T, .embeddings = x, .wanted = last_row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1, .keep = true};
    run_batch(s, &b);
    glim_seed seed = {.ids = &id, .weights = &one, .n = 1};
    assert_int_equal(glim_session_backward(s, &seed, 1, g, &err), GLIM_OK);
    double norm = 0;
    for (size_t i = 0; i < n; i++)
        norm += (double)x[i] * x[i];
    double h = 2e-3 * sqrt(norm / (double)n);
    q.embeddings = y;
    for (uint64_t k = 0; k < 10; k++) {
        double slope = 0, size = 0, up = 0;
        for (size_t i = 0; i < n; i++) {
            double u = glim__rng_normal(5, k, i);
            slope += g[i] * u;
            size += (double)g[i] * g[i];
            y[i] = (float)(x[i] + h * u);
        }
        run_batch(s, &b);
        up = glim_session_logits(s, 0, 0)[id];
        for (size_t i = 0; i < n; i++)
            y[i] = (float)(x[i] - h * glim__rng_normal(5, k, i));
        run_batch(s, &b);
        double numeric = (up - glim_session_logits(s, 0, 0)[id]) / (2 * h);
        if (fabs(numeric - slope) > 0.02 * sqrt(size) + 1e-4)
            fail_msg("%s: slope %g by differences, %g by backward", file, numeric, slope);
    }
    free(x);
    free(y);
    free(g);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void the_gradient_is_the_slope(void **state) {
    assert_true(each_golden(".gguf", check_slope) > 0);
}

/* One step after another through the cache and the decode path gives the
   logits of the whole prompt, within rounding. */
static void check_decode(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_session *s = new_session(m, T);
    int32_t ids[T];
    uint32_t zero = 0;
    some_ids(ids, T, m->hyper.V, 1);
    glim_sequence q = {.ids = ids, .count = T, .wanted = last_row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1};
    run_batch(s, &b);
    size_t V = (size_t)m->hyper.V;
    float *whole = malloc(V * sizeof *whole), most = 0, diff = 0;
    memcpy(whole, glim_session_logits(s, 0, 0), V * sizeof *whole);
    for (size_t i = 0; i < T; i++) {
        glim_sequence one = {
            .ids = ids + i, .count = 1, .prefix = i, .wanted = &zero, .n_wanted = 1};
        b = (glim_batch){.sequences = &one, .count = 1, .append = true, .decode = true};
        run_batch(s, &b);
    }
    for (size_t i = 0; i < V; i++) {
        most = fmaxf(most, fabsf(whole[i]));
        diff = fmaxf(diff, fabsf(whole[i] - glim_session_logits(s, 0, 0)[i]));
    }
    if (diff > 2e-5f * most)
        fail_msg("%s: decoding differs by %g of %g", file, diff, most);
    free(whole);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void decoding_agrees_with_the_whole_prompt(void **state) {
    assert_true(each_golden(".gguf", check_decode) > 0);
}

static void hidden_keys_are_not_seen(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_session *s = new_session(m, 0);
    int32_t ids[T], changed[T];
    uint8_t hide[T] = {0};
    some_ids(ids, T, m->hyper.V, 1);
    memcpy(changed, ids, sizeof ids);
    changed[4] = ids[4] == 20 ? 21 : 20;
    hide[4] = 1;
    glim_sequence q[2] = {
        {.ids = ids, .count = T, .hidden = hide, .wanted = last_row, .n_wanted = 1},
        {.ids = changed, .count = T, .hidden = hide, .wanted = last_row, .n_wanted = 1}};
    glim_batch b = {.sequences = q, .count = 2};
    run_batch(s, &b);
    assert_memory_equal(glim_session_logits(s, 0, 0), glim_session_logits(s, 1, 0),
                        (size_t)m->hyper.V * sizeof(float));
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

struct plant {
    float value;
    int times;
};

static glim_status set_all(void *data, const glim_site *site, glim_error *err) {
    struct plant *p = data;
    size_t n = 1;
    for (int i = 0; i < site->n_dims; i++)
        n *= site->dims[i];
    for (size_t i = 0; i < n; i++)
        site->data[i] = p->value;
    p->times++;
    return GLIM_OK;
}

static void writing_a_site_changes_what_follows(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_session *s = new_session(m, 0);
    int32_t ids[T];
    float *plain = malloc((size_t)m->hyper.V * sizeof *plain);
    some_ids(ids, T, m->hyper.V, 1);
    glim_sequence q = {.ids = ids, .count = T, .wanted = last_row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1};
    run_batch(s, &b);
    memcpy(plain, glim_session_logits(s, 0, 0), (size_t)m->hyper.V * sizeof *plain);
    struct plant p = {0, 0};
    glim_hook hook = {"blocks.1.attn.hook_z", GLIM_HOOK_WRITE, set_all, &p};
    b.hooks = &hook;
    b.n_hooks = 1;
    run_batch(s, &b);
    assert_int_equal(p.times, 1);
    assert_memory_not_equal(plain, glim_session_logits(s, 0, 0),
                            (size_t)m->hyper.V * sizeof *plain);
    free(plain);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void wrong_batches_are_refused(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_session *s = new_session(m, 4);
    int32_t good[2] = {9, 10}, bad[1] = {m->hyper.V};
    uint32_t far = 7;
    glim_error err;
    glim_sequence cases[] = {
        {.ids = good, .count = 0},
        {.ids = bad, .count = 1},
        {.ids = good, .count = 2, .prefix = 1},
        {.ids = good, .count = 2, .wanted = &far, .n_wanted = 1},
        {.ids = good, .count = 1, .prefix = 1, .parent = 1},
        {.ids = good, .count = (size_t)m->hyper.context + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_batch b = {.sequences = &cases[i], .count = 1};
        assert_int_not_equal(glim_session_forward(s, &b, &err), GLIM_OK);
        assert_true(strlen(err.message) > 10);
    }
    glim_sequence fine = {.ids = good, .count = 2};
    const glim_batch late[] = {{.sequences = &fine, .count = 1, .first_layer = 1},
                               {.sequences = &fine, .count = 1, .first_layer = m->hyper.L},
                               {.sequences = &fine, .count = 1, .first_layer = -1}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(glim_session_forward(s, &late[i], &err), GLIM_EUSAGE);
    glim_seed seed = {0};
    float d[1];
    assert_int_equal(glim_session_backward(s, &seed, 1, d, &err), GLIM_EUSAGE);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* Fails the n-th allocation for all n, from opening to the gradient. */
static void no_refused_allocation_leaks_or_crashes(void **state) {
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = NULL;
        glim_session *s = NULL;
        glim_error err = {0};
        int32_t ids[3] = {9, 10, 12};
        uint32_t row = 2;
        float one = 1, *d = NULL;
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_model_open(&m, ctx, GOLDEN "llama.gguf", &err);
        if (!status)
            status = glim_session_new(&s, m, 8, &err);
        glim_sequence q = {.ids = ids, .count = 3, .wanted = &row, .n_wanted = 1};
        glim_batch b = {.sequences = &q, .count = 1, .keep = true};
        glim_seed seed = {.ids = ids, .weights = &one, .n = 1};
        if (!status)
            status = glim_session_forward(s, &b, &err);
        if (!status) {
            d = malloc(3 * (size_t)m->hyper.C * sizeof *d);
            status = glim_session_backward(s, &seed, 1, d, &err);
        }
        free(d);
        glim_session_free(s);
        glim_model_close(m);
        glim__fail_allocation(ctx, 0);
        uint64_t left = glim_context_bytes(ctx);
        glim_context_free(ctx);
        if (!status)
            break;
        if (status != GLIM_ENOMEM && status != GLIM_EBUDGET)
            fail_msg("allocation %lu: status %d, %s", (unsigned long)nth, status, err.message);
        if (left > (1 << 20)) /* scratch of the workers stays with the context */
            fail_msg("allocation %lu: %lu bytes are left", (unsigned long)nth, (unsigned long)left);
        assert_true(nth < 100000);
    }
}

static void a_gradient_that_overflows_is_an_error(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_session *s = new_session(m, 0);
    int32_t ids[4];
    uint32_t last = 3;
    float *d = malloc(4 * (size_t)m->hyper.C * sizeof *d), huge = 3e38f;
    glim_error err = {0};
    some_ids(ids, 4, m->hyper.V, 1);
    glim_sequence q = {.ids = ids, .count = 4, .wanted = &last, .n_wanted = 1};
    run_batch(s, &(glim_batch){.sequences = &q, .count = 1, .keep = true});
    glim_seed seed = {.ids = ids, .weights = &huge, .n = 1};
    assert_int_equal(glim_session_backward(s, &seed, 1, d, &err), GLIM_ENUMERIC);
    assert_non_null(strstr(err.message, "not finite"));
    free(d);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void generation_is_greedy_and_repeatable(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_sampling hot = {.temperature = 1.5, .top_k = 20, .top_p = 0.9, .seed = 4};
    int32_t first[16];
    for (int round = 0; round < 2; round++) {
        glim_tokens *t = NULL;
        glim_error err = {0};
        if (glim_model_tokenize(m, &t, "Hello world", 11, &err))
            fail_msg("%s", err.message);
        size_t start = t->count;
        assert_int_equal(glim_generate(m, t, 16, &hot, NULL, NULL, &err), GLIM_OK);
        for (size_t i = start; i < t->count; i++) {
            assert_int_equal(t->at[i].kind, GLIM_TOKEN_GENERATED);
            if (round)
                assert_int_equal(first[i - start], t->at[i].id);
            else
                first[i - start] = t->at[i].id;
        }
        glim_tokens_free(t);
    }
    glim_model_close(m);
    glim_context_free(ctx);
}

static void sampling_follows_the_probabilities(void **state) {
    float logits[4] = {0, logf(2), logf(4), logf(1)};
    int counts[4] = {0};
    glim_sampling how = {.temperature = 1, .top_p = 1, .seed = 1};
    for (uint64_t i = 0; i < 8000; i++)
        counts[glim_sample(logits, 4, &how, i)]++;
    int want[4] = {1000, 2000, 4000, 1000};
    for (int i = 0; i < 4; i++)
        assert_true(abs(counts[i] - want[i]) < 5 * sqrt(want[i]));
    how.top_k = 1;
    assert_int_equal(glim_sample(logits, 4, &how, 0), 2);
    how = (glim_sampling){.temperature = 1, .top_k = 2, .top_p = 1};
    for (uint64_t i = 0; i < 200; i++) {
        int32_t id = glim_sample(logits, 4, &how, i);
        assert_true(id == 1 || id == 2);
    }
    how = (glim_sampling){.temperature = 1, .top_p = 0.4};
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(glim_sample(logits, 4, &how, i), 2);
}

static const float *compared;
static int more_likely(const void *a, const void *b) {
    int i = *(const int *)a, k = *(const int *)b;
    float x = compared[i], y = compared[k];
    return x < y ? 1 : x > y ? -1 : i - k;
}

/* What is drawn is what a sort would allow, ties and flat distributions included,
   and all of that is drawn at times. */
static void sampling_is_cut_where_a_sort_would_cut(void **state) {
    enum { V = 40, DRAWS = 6000 };
    static const glim_sampling hows[] = {{.temperature = 1, .top_k = 7},
                                         {.temperature = 1, .top_p = 0.6},
                                         {.temperature = 0.5, .top_k = 30, .top_p = 0.9},
                                         {.temperature = 2, .top_p = 0.31}};
    for (int flat = 0; flat < 2; flat++)
        for (size_t h = 0; h < sizeof hows / sizeof *hows; h++) {
            float logits[V];
            int ids[V], seen[V] = {0}, n = 0;
            double all = 0, sum = 0;
            for (int i = 0; i < V; i++) {
                logits[i] = flat ? -3 : (float)((i * 17) % 10) - 8;
                ids[i] = i;
                all += exp(logits[i] / hows[h].temperature);
            }
            compared = logits;
            qsort(ids, V, sizeof *ids, more_likely);
            double limit = (hows[h].top_p > 0 ? hows[h].top_p : 1) * all * (1 - 1e-9);
            int most = hows[h].top_k ? hows[h].top_k : V;
            while (n < most && sum < limit)
                sum += exp(logits[ids[n++]] / hows[h].temperature);
            for (uint64_t i = 0; i < DRAWS; i++)
                seen[glim_sample(logits, V, &hows[h], i)]++;
            for (int i = 0; i < V; i++)
                assert_true(i >= n ? seen[ids[i]] == 0
                                   : exp(logits[ids[i]] / hows[h].temperature) / sum < 2e-3 ||
                                         seen[ids[i]] > 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_depend_on_neither_threads_nor_memory_nor_hooks),
        cmocka_unit_test(bits_depend_on_neither_batch_nor_prefix),
        cmocka_unit_test(sequences_that_follow_others_have_the_bits_of_the_whole),
        cmocka_unit_test(the_gradient_is_the_slope),
        cmocka_unit_test(decoding_agrees_with_the_whole_prompt),
        cmocka_unit_test(hidden_keys_are_not_seen),
        cmocka_unit_test(writing_a_site_changes_what_follows),
        cmocka_unit_test(wrong_batches_are_refused),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
        cmocka_unit_test(a_gradient_that_overflows_is_an_error),
        cmocka_unit_test(generation_is_greedy_and_repeatable),
        cmocka_unit_test(sampling_follows_the_probabilities),
        cmocka_unit_test(sampling_is_cut_where_a_sort_would_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
