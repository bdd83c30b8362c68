/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiny encoder-decoders against recordings of transformers: every site, gradients, and
 * what is written, greedily and in beams. And what a session promises of pairs: the same
 * bits however a batch is made up, with any number of threads, with the cache.
 */
#include "golden-testing.h"

#include <unistd.h>

#define STACKS "stacks/"

struct pair {
    glim_context *ctx;
    glim_safetensors *st;
    glim_model *m;
    int32_t *ids, *written;
    size_t S, T;
    uint32_t rows[64];
};

static void open_pair(struct pair *p, const char *name, int threads) {
    char path[300];
    glim_error err = {0};
    *p = (struct pair){.ctx = context_with(threads, 0)};
    snprintf(path, sizeof path, GOLDEN STACKS "%.*s.safetensors", (int)strcspn(name, "."), name);
    if (glim__safetensors_open(&p->st, p->ctx, path, &err))
        fail_msg("%s", err.message);
    snprintf(path, sizeof path, STACKS "%s", name);
    p->m = open_model(p->ctx, path);
    p->ids = read_ids(p->st, "ids", &p->S);
    p->written = read_ids(p->st, "target_ids", &p->T);
    assert_true(p->ids && p->written && p->T < 64);
    for (size_t i = 0; i < p->T; i++)
        p->rows[i] = (uint32_t)i;
}

static void close_pair(struct pair *p) {
    free(p->ids);
    free(p->written);
    glim_model_close(p->m);
    glim__safetensors_close(p->st);
    glim_context_free(p->ctx);
}

/* Directories, and GGUF twins of some. */
static void each_pair(void (*check)(const char *name)) {
    DIR *list = opendir(GOLDEN STACKS);
    int n = 0;
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));)
        if (e->d_name[0] != '.' && (!strchr(e->d_name, '.') || strstr(e->d_name, ".gguf"))) {
            check(e->d_name);
            n++;
        }
    closedir(list);
    assert_true(n >= 4);
}

static glim_sequence source_of(const struct pair *p) {
    return (glim_sequence){.ids = p->ids, .count = p->S};
}

static glim_sequence target_of(const struct pair *p) {
    return (glim_sequence){.ids = p->written, .count = p->T, .wanted = p->rows, .n_wanted = p->T};
}

/* ---- recordings ---- */

static void check_sites(const char *name) {
    struct pair p;
    size_t n_target;
    open_pair(&p, name, 2);
    struct check c = {.golden = p.st, .file = name};
    glim_session *s = new_session(p.m, 0);
    glim_sequence q = target_of(&p), text = source_of(&p);
    glim_hook hook = {"*", GLIM_HOOK_READ | GLIM_HOOK_GRAD, compare, &c};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = 1,
                    .keep = true,
                    .sources = &text,
                    .n_sources = 1};
    run_batch(s, &b);
    int forward = c.compared;
    int32_t *target = read_ids(p.st, "target", &n_target);
    float one[2] = {1, -1}, *dense = malloc((size_t)p.m->outputs * sizeof *dense);
    glim_seed seed = {.wanted = p.T - 1, .ids = target, .weights = one, .n = 1};
    backward_and_compare(s, &c, &seed, "grad.", p.S);
    logprob_seed(glim_session_logits(s, 0, p.T - 1), p.m->outputs, target[0], dense);
    glim_seed full = {.wanted = p.T - 1, .dense = dense};
    backward_and_compare(s, &c, &full, "grad.logprob.", p.S);
    seed.n = 2;
    backward_and_compare(s, &c, &seed, "grad.contrast.", p.S);
    print_message("%s: %d values forward, %d gradients; worst %.2g (%s)\n", name, forward,
                  c.compared - forward, c.worst, c.worst_name);
    assert_int_equal(forward, recorded_sites(p.st));
    assert_true(c.compared - forward > 20);
    free(dense);
    free(target);
    glim_session_free(s);
    close_pair(&p);
}

static void every_site_agrees_with_transformers(void **state) {
    each_pair(check_sites);
}

static glim_status write_text(const struct pair *p, const glim_writing *how, size_t n,
                              glim_tokens **out, glim_error *err) {
    const char *text = glim__safetensors_metadata(p->st, "text");
    glim_status status = glim_model_tokenize(p->m, out, text, strlen(text), err);
    return status ? status : glim_translate(p->m, *out, n, how, NULL, NULL, err);
}

/* Tokens as transformers writes them, the end included when it was reached. */
static void check_written(const char *name) {
    static const struct {
        const char *way;
        glim_writing how;
    } ways[] = {{"greedy", {.beams = 1}},
                {"beams2", {.beams = 2, .length_penalty = 1}},
                {"beams4", {.beams = 4, .length_penalty = 1}},
                {"beams4.long", {.beams = 4, .length_penalty = 2}},
                {"beams3.short", {.beams = 3, .length_penalty = 0.3}},
                {"beams3.early", {.beams = 3, .length_penalty = 1, .early_stop = true}}};
    enum { MOST = 14 };
    struct pair p;
    open_pair(&p, name, 2);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        char key[64];
        size_t n = 0;
        glim_tokens *tokens = NULL;
        glim_error err = {0};
        snprintf(key, sizeof key, "written.%s", ways[w].way);
        int32_t *want = read_ids(p.st, key, &n);
        assert_non_null(want);
        if (write_text(&p, &ways[w].how, MOST, &tokens, &err))
            fail_msg("%s, %s: %s", name, key, err.message);
        for (size_t i = 0; i < p.S; i++)
            assert_int_equal(tokens->at[i].id, p.ids[i]);
        n -= glim_model_token_ends(p.m, want[n - 1]);
        if (tokens->count - p.S != n)
            fail_msg("%s, %s: %zu tokens; expected %zu", name, key, tokens->count - p.S, n);
        for (size_t i = 0; i < n; i++)
            if (tokens->at[p.S + i].id != want[i])
                fail_msg("%s, %s: token %zu is %d; expected %d", name, key, i,
                         tokens->at[p.S + i].id, want[i]);
        free(want);
        glim_tokens_free(tokens);
    }
    close_pair(&p);
}

static void what_is_written_agrees_with_transformers(void **state) {
    each_pair(check_written);
}

static void check_given(const char *name) {
    struct pair p;
    size_t n = 0;
    glim_tokens *tokens = NULL;
    glim_error err = {0};
    open_pair(&p, name, 1);
    const char *text = glim__safetensors_metadata(p.st, "text");
    const char *target = glim__safetensors_metadata(p.st, "target");
    int32_t *want = read_ids(p.st, "given", &n);
    assert_true(want && text && target);
    if (glim_model_tokenize(p.m, &tokens, text, strlen(text), &err) ||
        glim__append_target(p.m, tokens, target, &err))
        fail_msg("%s", err.message);
    assert_int_equal(tokens->count, p.S + n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(tokens->at[p.S + i].id, want[i]);
    const char *shown = tokens->text + tokens->at[p.S].start;
    assert_string_equal(shown, target); /* on a line of its own, as it was given */
    assert_int_equal(shown[-1], '\n');
    free(want);
    glim_tokens_free(tokens);
    close_pair(&p);
}

static void a_given_text_is_split_as_sentencepiece_splits_it(void **state) {
    each_pair(check_given);
}

static void position_buckets_are_those_of_transformers(void **state) {
    static const struct { int buckets, longest; } kinds[] = {{32, 128}, {8, 20}, {32, 200}};
    enum { FAR = 300 };
    struct pair p;
    open_pair(&p, "t5", 1);
    const glim_st_tensor *t = glim__safetensors_find(p.st, "buckets");
    assert_non_null(t);
    assert_int_equal(t->dims[0], 6);
    assert_int_equal(t->dims[1], 2 * FAR + 1);
    for (int k = 0; k < 6; k++)
        for (int far = -FAR; far <= FAR; far++) {
            int64_t want;
            memcpy(&want, (const char *)t->data + 8 * (k * (2 * FAR + 1) + far + FAR), 8);
            assert_int_equal(
                glim__position_bucket(far, k % 2 == 0, kinds[k / 2].buckets, kinds[k / 2].longest),
                want);
        }
    close_pair(&p);
}

/* ---- what a session promises ---- */

struct outcome {
    float *logits, *d; /* (T, V), (S, C) */
    size_t n_logits, n_d;
};

/* Logits and gradient of pair number `at` of a batch. */
static struct outcome outcome_of(const struct pair *p, glim_session *s, const glim_batch *b,
                                 size_t at, size_t first_row) {
    size_t V = (size_t)p->m->outputs, C = (size_t)p->m->hyper.C, all = 0;
    struct outcome o = {.n_logits = p->T * V, .n_d = p->S * C};
    int32_t id = 5;
    float one = 1;
    glim_error err = {0};
    run_batch(s, b);
    o.logits = malloc(o.n_logits * sizeof(float));
    for (size_t t = 0; t < p->T; t++)
        memcpy(o.logits + t * V, glim_session_logits(s, at, t), V * sizeof(float));
    if (!b->keep)
        return o;
    for (size_t i = 0; i < b->n_sources; i++)
        all += b->sources[i].count * C;
    float *d = malloc(all * sizeof *d);
    glim_seed seed = {.sequence = at, .wanted = p->T - 1, .ids = &id, .weights = &one, .n = 1};
    if (glim_session_backward(s, &seed, 1, d, &err))
        fail_msg("%s", err.message);
    o.d = malloc(o.n_d * sizeof *d);
    memcpy(o.d, d + first_row * C, o.n_d * sizeof *d);
    free(d);
    return o;
}

static void assert_same(const struct outcome *a, const struct outcome *b, bool gradients) {
    assert_memory_equal(a->logits, b->logits, a->n_logits * sizeof(float));
    if (gradients)
        assert_memory_equal(a->d, b->d, a->n_d * sizeof(float));
}

static void free_outcome(struct outcome *o) {
    free(o->logits);
    free(o->d);
}

static struct outcome alone(const char *name, int threads, int keep_layers) {
    struct pair p;
    open_pair(&p, name, threads);
    glim_session *s = new_session(p.m, 0);
    glim_session_keep_layers(s, keep_layers);
    glim_sequence q = target_of(&p), text = source_of(&p);
    glim_batch b = {.sequences = &q, .count = 1, .keep = true, .sources = &text, .n_sources = 1};
    struct outcome o = outcome_of(&p, s, &b, 0, 0);
    glim_session_free(s);
    close_pair(&p);
    return o;
}

static void check_bits(const char *name) {
    struct outcome first = alone(name, 1, -1);
    for (int threads = 2; threads <= 3; threads++) {
        struct outcome o = alone(name, threads, threads == 2 ? 0 : 1); /* recomputed, too */
        assert_same(&first, &o, true);
        free_outcome(&o);
    }
    free_outcome(&first);
}

static void threads_and_kept_layers_change_no_bit(void **state) {
    each_pair(check_bits);
}

/* The pair between others, and written twice about one text. */
static void check_batches(const char *name) {
    struct pair p;
    open_pair(&p, name, 2);
    struct outcome first = alone(name, 2, -1);
    int32_t other[5];
    some_ids(other, 5, p.m->hyper.V, 4);
    glim_session *s = new_session(p.m, 0);
    glim_sequence some = {.ids = other, .count = 5, .wanted = p.rows, .n_wanted = 2};
    glim_sequence targets[3] = {some, target_of(&p), some};
    glim_sequence texts[3] = {
        {.ids = other, .count = 5}, source_of(&p), {.ids = other, .count = 2}};
    glim_batch b = {
        .sequences = targets, .count = 3, .keep = true, .sources = texts, .n_sources = 3};
    struct outcome o = outcome_of(&p, s, &b, 1, 5);
    assert_same(&first, &o, true);
    free_outcome(&o);
    glim_batch one = {.sequences = targets, .count = 3, .sources = &texts[1], .n_sources = 1};
    o = outcome_of(&p, s, &one, 1, 0);
    assert_same(&first, &o, false);
    free_outcome(&o);
    one.n_sources = 0; /* the text is remembered */
    o = outcome_of(&p, s, &one, 1, 0);
    assert_same(&first, &o, false);
    free_outcome(&o);
    free_outcome(&first);
    glim_session_free(s);
    close_pair(&p);
}

static void a_batch_changes_no_bit(void **state) {
    each_pair(check_batches);
}

/* Token by token, keys and values of the text being made once; each time against the
   whole beginning without a cache. */
static void check_cache(const char *name) {
    struct pair p;
    open_pair(&p, name, 2);
    size_t V = (size_t)p.m->outputs;
    glim_session *s = new_session(p.m, p.T), *plain = new_session(p.m, 0);
    glim_sequence text = source_of(&p);
    for (size_t at = 0; at < p.T; at++) {
        uint32_t zero = 0, last = (uint32_t)at;
        glim_sequence one = {
            .ids = p.written + at, .count = 1, .prefix = at, .wanted = &zero, .n_wanted = 1};
        glim_sequence all = {.ids = p.written, .count = at + 1, .wanted = &last, .n_wanted = 1};
        glim_batch step = {.sequences = &one,
                           .count = 1,
                           .append = true,
                           .sources = &text,
                           .n_sources = at ? 0 : 1};
        glim_batch whole = {.sequences = &all, .count = 1, .sources = &text, .n_sources = 1};
        run_batch(s, &step);
        run_batch(plain, &whole);
        assert_memory_equal(glim_session_logits(s, 0, 0), glim_session_logits(plain, 0, 0),
                            V * sizeof(float));
    }
    glim_session_free(plain);
    glim_session_free(s);
    close_pair(&p);
}

static void the_cache_changes_no_bit(void **state) {
    each_pair(check_cache);
}

/* A hidden token of the text is as good as one whose keys nobody reads: what it is does
   not matter. */
static void check_hidden(const char *name) {
    struct pair p;
    open_pair(&p, name, 1);
    glim_session *s = new_session(p.m, 0);
    uint8_t hidden[64] = {0, 0, 1};
    glim_sequence q = target_of(&p), text = source_of(&p);
    glim_batch b = {.sequences = &q, .count = 1, .sources = &text, .n_sources = 1};
    text.hidden = hidden;
    struct outcome a = outcome_of(&p, s, &b, 0, 0);
    p.ids[2] = 7;
    struct outcome c = outcome_of(&p, s, &b, 0, 0);
    assert_same(&a, &c, false);
    text.hidden = NULL;
    struct outcome d = outcome_of(&p, s, &b, 0, 0);
    assert_memory_not_equal(a.logits, d.logits, a.n_logits * sizeof(float));
    free_outcome(&a);
    free_outcome(&c);
    free_outcome(&d);
    glim_session_free(s);
    close_pair(&p);
}

static void hidden_words_are_not_read(void **state) {
    each_pair(check_hidden);
}

static void wrong_batches_are_refused(void **state) {
    struct pair p;
    glim_error err = {0};
    open_pair(&p, "t5", 1);
    glim_session *s = new_session(p.m, 0);
    uint8_t hidden[64];
    memset(hidden, 1, sizeof hidden);
    glim_sequence targets[2] = {target_of(&p), target_of(&p)}, text = source_of(&p);
    glim_sequence unseen = {.ids = p.ids, .count = p.S, .hidden = hidden};
    glim_sequence foreign = {.ids = (int32_t[]){1 << 20}, .count = 1};
    const glim_batch wrong[] = {
        {.sequences = targets, .count = 1},
        {.sequences = targets, .count = 2, .keep = true, .sources = &text, .n_sources = 1},
        {.sequences = targets, .count = 1, .sources = &unseen, .n_sources = 1},
        {.sequences = targets, .count = 1, .sources = &foreign, .n_sources = 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(glim_session_forward(s, &wrong[i], &err), GLIM_EUSAGE);
    glim_batch again = {.sequences = targets, .count = 1, .keep = true};
    glim_batch good = {.sequences = targets, .count = 1, .sources = &text, .n_sources = 1};
    run_batch(s, &good);
    assert_int_equal(glim_session_forward(s, &again, &err), GLIM_EUSAGE);
    glim_session_free(s);
    glim_model *llama = open_model(p.ctx, "llama.gguf");
    s = new_session(llama, 0);
    assert_int_equal(glim_session_forward(s, &good, &err), GLIM_EUSAGE);
    glim_session_free(s);
    glim_model_close(llama);
    close_pair(&p);
}

/* ---- damaged files ---- */

static char *read_twin(size_t *n) {
    FILE *f = fopen(GOLDEN STACKS "t5.gguf", "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*n);
    assert_int_equal(fread(data, 1, *n, f), *n);
    fclose(f);
    return data;
}

/* Opens the bytes as a file and, if it is a model, tokenises and writes with it. */
static glim_status try_bytes(glim_context *ctx, const char *data, size_t n, glim_error *err) {
    char path[] = "/tmp/glim-stacks-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    close(fd);
    glim_model *m = NULL;
    glim_tokens *tokens = NULL;
    glim_status status = glim_model_open(&m, ctx, path, err);
    if (!status)
        status = glim_model_tokenize(m, &tokens, "The old river", 13, err);
    if (!status)
        status = glim_translate(m, tokens, 3, NULL, NULL, NULL, err);
    glim_tokens_free(tokens);
    glim_model_close(m);
    unlink(path);
    return status;
}

static void what_a_file_lacks_is_named(void **state) {
    static const struct {
        const char *name;
        glim_status status;
    } lost[] = {{"tokenizer.ggml.tokens", GLIM_EFORMAT},
                {"tokenizer.ggml.scores", GLIM_EFORMAT},
                {"tokenizer.ggml.token_type", GLIM_EFORMAT},
                {"t5.block_count", GLIM_EFORMAT},
                {"enc.blk.1.attn_q.weight", GLIM_EFORMAT},
                {"dec.blk.2.cross_attn_norm.weight", GLIM_EFORMAT},
                {"dec.blk.0.attn_rel_b.weight", GLIM_EFORMAT},
                {"dec.output_norm.weight", GLIM_EFORMAT}};
    glim_context *ctx = context_with(1, 0);
    size_t n;
    char *data = read_twin(&n);
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        size_t len = strlen(lost[i].name);
        glim_error err = {0};
        char *at = memmem(data, n, lost[i].name, len);
        assert_non_null(at);
        at[len - 1] ^= 1;
        glim_status status = try_bytes(ctx, data, n, &err);
        at[len - 1] ^= 1;
        if (status != lost[i].status || !strstr(err.message, lost[i].name))
            fail_msg("without %s: status %d, \"%s\"", lost[i].name, status, err.message);
    }
    free(data);
    glim_context_free(ctx);
}

static void a_damaged_header_crashes_nothing(void **state) {
    enum { TRIES = 400, HEADER = 12000 };
    glim_context *ctx = context_with(1, 0);
    size_t n;
    int refused = 0;
    char *data = read_twin(&n);
    for (uint64_t i = 0; i < TRIES; i++) {
        size_t at = glim__rng_below(21, 1, i, HEADER);
        char was = data[at];
        glim_error err = {0};
        data[at] = (char)glim__rng_below(21, 2, i, 256);
        glim_status status = try_bytes(ctx, data, n, &err);
        if (status && (!*err.message || status == GLIM_EINTERNAL))
            fail_msg("byte %zu: status %d, \"%s\"", at, status, err.message);
        refused += status != GLIM_OK;
        data[at] = was;
    }
    assert_true(refused > TRIES / 8);
    free(data);
    glim_context_free(ctx);
}

/* ---- memory ---- */

static void no_refused_allocation_leaks_while_writing(void **state) {
    static const glim_writing ways[] = {{.beams = 1}, {.beams = 3, .length_penalty = 1}};
    struct pair p;
    open_pair(&p, "t5-gated", 1);
    for (int w = 0; w < 2; w++)
        for (uint64_t nth = 1;; nth++) {
            glim_error err = {0};
            glim_tokens *tokens = NULL;
            glim__fail_allocation(p.ctx, nth);
            glim_status status = write_text(&p, &ways[w], 4, &tokens, &err);
            glim__fail_allocation(p.ctx, 0);
            glim_tokens_free(tokens);
            if (!status)
                break;
            assert_int_equal(status, GLIM_ENOMEM);
            assert_true(*err.message && nth < 100000);
        }
    close_pair(&p);
}

/* The plan is an upper bound of what a gradient takes, and enough for one. */
static void check_plan(const char *name) {
    struct pair p;
    open_pair(&p, name, 1);
    size_t longest = p.S > p.T ? p.S : p.T;
    uint64_t before = glim_context_bytes(p.ctx);
    uint64_t need = glim_session_plan(p.m, p.T, 1, longest, p.T, true, NULL);
    glim_session *s = new_session(p.m, 0);
    glim_session_keep_layers(s, 0);
    glim_sequence q = target_of(&p), text = source_of(&p);
    glim_batch b = {.sequences = &q, .count = 1, .keep = true, .sources = &text, .n_sources = 1};
    struct outcome o = outcome_of(&p, s, &b, 0, 0);
    uint64_t peak = glim_context_peak(p.ctx) - before;
    if (peak > need + (1 << 20)) /* scratch of the context is not the session's */
        fail_msg("%s: %lu bytes, %lu planned", name, (unsigned long)peak, (unsigned long)need);
    free_outcome(&o);
    glim_session_free(s);
    close_pair(&p);
}

static void a_plan_bounds_what_a_gradient_takes(void **state) {
    each_pair(check_plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_site_agrees_with_transformers),
        cmocka_unit_test(what_is_written_agrees_with_transformers),
        cmocka_unit_test(a_given_text_is_split_as_sentencepiece_splits_it),
        cmocka_unit_test(position_buckets_are_those_of_transformers),
        cmocka_unit_test(threads_and_kept_layers_change_no_bit),
        cmocka_unit_test(a_batch_changes_no_bit),
        cmocka_unit_test(the_cache_changes_no_bit),
        cmocka_unit_test(hidden_words_are_not_read),
        cmocka_unit_test(wrong_batches_are_refused),
        cmocka_unit_test(what_a_file_lacks_is_named),
        cmocka_unit_test(a_damaged_header_crashes_nothing),
        cmocka_unit_test(no_refused_allocation_leaks_while_writing),
        cmocka_unit_test(a_plan_bounds_what_a_gradient_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
