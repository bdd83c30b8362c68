/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steering: what is added has the bits of a hook written by hand, at every step of generation,
 * cached or not; strength 0 changes no bit; a direction of texts is the difference of means;
 * files are read back, and those of another shape are refused.
 */
#include "structure-testing.h"

#include "file/gguf-write.h"

#include <glim/directions.h>
#include <glim/steer.h>
#include <unistd.h>

static const char *const text = "The capital of France is the city of light";

static glim_steering *steering_of(const glim_model *m) {
    glim_steering *s = NULL;
    glim_error err = {0};
    if (glim_steering_new(&s, m, &err))
        fail_msg("%s", err.message);
    return s;
}

static float *some_direction(size_t C, uint64_t stream) {
    float *d = malloc(C * sizeof *d);
    for (size_t c = 0; c < C; c++)
        d[c] = (float)glim__rng_normal(11, stream, c);
    return d;
}

/* ---- what is added ---- */

struct by_hand {
    const float *v;
    size_t C, calls, rows;
};

static glim_status add_by_hand(void *data, const glim_site *s, glim_error *err) {
    struct by_hand *h = data;
    for (size_t i = 0; i < s->dims[0] * h->C; i++)
        s->data[i] += h->v[i % h->C];
    h->calls++;
    h->rows += s->dims[0];
    return GLIM_OK;
}

struct heard {
    double probs[16];
    size_t n;
};

static bool hear(void *data, int32_t id, double probability) {
    struct heard *h = data;
    h->probs[h->n++] = probability;
    return true;
}

/* The text that the model writes, and the probabilities of its tokens. */
static glim_tokens *written(const glim_model *m, const glim_hook *hook, size_t n_hooks,
                            struct heard *heard) {
    glim_tokens *t = NULL;
    glim_error err = {0};
    *heard = (struct heard){.n = 0};
    glim_sampling how = {.hooks = hook, .n_hooks = n_hooks};
    if (glim_model_tokenize(m, &t, text, strlen(text), &err) ||
        glim_generate(m, t, 12, &how, hear, heard, &err))
        fail_msg("%s", err.message);
    return t;
}

static void same_words(const glim_tokens *a, const struct heard *p, const glim_tokens *b,
                       const struct heard *q, bool same) {
    bool is = a->count == b->count && p->n == q->n &&
              !memcmp(p->probs, q->probs, p->n * sizeof *p->probs);
    for (size_t i = 0; is && i < a->count; i++)
        is = a->at[i].id == b->at[i].id;
    assert_true(is == same);
}

static void check_generation(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    glim_error err = {0};
    glim_hook hook;
    struct heard p, q, r;
    size_t C = (size_t)m->hyper.C;
    int layer = m->hyper.L - 1;
    char name[64];
    if (m->task != GLIM_TASK_GENERATE)
        goto done;
    float *d = some_direction(C, 1), *v = malloc(C * sizeof *v);
    for (size_t c = 0; c < C; c++)
        v[c] = 1.5f * d[c];
    glim_tokens *plain = written(m, NULL, 0, &p);

    glim_steering *s = steering_of(m);
    assert_int_equal(glim_steering_add(s, layer, d, C, 0, &err), GLIM_OK);
    assert_false(glim_steering_hook(s, &hook));
    glim_tokens *zero = written(m, &hook, 1, &q); /* the hook itself changes no bit either */
    same_words(plain, &p, zero, &q, true);
    assert_null(glim_steering_at(s, layer).vector);

    assert_int_equal(glim_steering_add(s, layer, d, C, 1.5, &err), GLIM_OK);
    assert_true(glim_steering_hook(s, &hook));
    glim_tokens *steered = written(m, &hook, 1, &q);
    same_words(plain, &p, steered, &q, false);
    struct by_hand h = {.v = v, .C = C};
    snprintf(name, sizeof name, "blocks.%d.hook_resid_post", layer);
    hook = (glim_hook){name, GLIM_HOOK_WRITE, add_by_hand, &h};
    glim_tokens *mine = written(m, &hook, 1, &r);
    same_words(steered, &q, mine, &r, true);
    /* each row once: the prompt, and every token but the last, which is never fed */
    assert_int_equal(h.rows, mine->count - (r.n == 12));
    assert_int_equal(h.calls, r.n + (r.n < 12));

    glim_tokens_free(plain);
    glim_tokens_free(zero);
    glim_tokens_free(steered);
    glim_tokens_free(mine);
    glim_steering_free(s);
    free(d);
    free(v);
done:
    glim_model_close(m);
    glim_context_free(ctx);
}

static void generation_is_steered_as_by_hand(void **state) {
    assert_true(each_golden(".gguf", check_generation) > 20);
}

/* What was decoded from the cache is what one pass over all of it says. */
static void cached_steps_agree_with_one_pass(void **state) {
    struct heard q;
    glim_hook hook;
    glim_error err = {0};
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    size_t C = (size_t)m->hyper.C, V = (size_t)m->outputs;
    float *d = some_direction(C, 2);
    glim_steering *s = steering_of(m);
    for (int l = 0; l < m->hyper.L; l++)
        assert_int_equal(glim_steering_add(s, l, d, C, 0.5, &err), GLIM_OK);
    assert_true(glim_steering_hook(s, &hook));
    glim_tokens *t = written(m, &hook, 1, &q);
    size_t n = t->count, first = n - q.n;
    int32_t *ids = malloc(n * sizeof *ids);
    uint32_t *rows = malloc(n * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        ids[i] = t->at[i].id;
        rows[i] = (uint32_t)i;
    }
    glim_session *session = new_session(m, 0);
    glim_sequence all = {.ids = ids, .count = n, .wanted = rows, .n_wanted = n};
    run_batch(session, &(glim_batch){.sequences = &all, .count = 1, .hooks = &hook, .n_hooks = 1});
    for (size_t i = first; i < n; i++) {
        const float *x = glim_session_logits(session, 0, i - 1);
        double prob = exp(x[ids[i]] - glim__log_sum_exp(x, V));
        if (fabs(prob - q.probs[i - first]) > 1e-4)
            fail_msg("token %zu: %g in steps, %g at once", i, q.probs[i - first], prob);
    }
    free(ids);
    free(rows);
    free(d);
    glim_session_free(session);
    glim_tokens_free(t);
    glim_steering_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* Greedy, drawn and in beams: the decoder's half is steered, and not the encoder's. */
static void translations_are_steered(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "stacks/t5");
    glim_steering *s = steering_of(m);
    glim_hook hook;
    glim_error err = {0};
    size_t C = (size_t)m->hyper.C;
    float *d = some_direction(C, 3);
    assert_int_equal(glim_steering_add(s, 0, d, C, 2, &err), GLIM_OK);
    assert_true(glim_steering_hook(s, &hook));
    assert_string_equal(hook.pattern, "decoder.blocks.*.hook_resid_post");
    for (int beams = 1; beams <= 3; beams += 2) {
        struct heard p = {.n = 0}, q = {.n = 0};
        glim_sampling how = {.hooks = &hook, .n_hooks = 1};
        for (int i = 0; i < 2; i++) {
            glim_tokens *t = NULL;
            if (glim_model_tokenize(m, &t, text, strlen(text), &err) ||
                glim_translate(m, t, 6,
                               &(glim_writing){.beams = beams, .sampling = i ? &how : NULL}, hear,
                               i ? &q : &p, &err))
                fail_msg("%s", err.message);
            glim_tokens_free(t);
        }
        assert_true(p.n != q.n || memcmp(p.probs, q.probs, p.n * sizeof *p.probs) != 0);
    }
    free(d);
    glim_steering_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- from texts ---- */

static const char *const positive[] = {"the city of light", "a capital"};
static const char *const negative[] = {"is", "the dark of night", "France"};

static void last_row(const glim_model *m, const char *words, const char *site, double by,
                     double *sum) {
    glim_tokens *t = NULL;
    glim_error err = {0};
    struct reading r = {0};
    if (glim_model_tokenize(m, &t, words, strlen(words), &err))
        fail_msg("%s", err.message);
    int32_t *ids = malloc(t->count * sizeof *ids);
    for (size_t i = 0; i < t->count; i++)
        ids[i] = t->at[i].id;
    glim_sequence q = {.ids = ids, .count = t->count};
    const glim_hook hook = {site, GLIM_HOOK_READ, take_reading, &r};
    glim_session *s = new_session(m, 0);
    run_batch(s, &(glim_batch){.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1});
    for (size_t c = 0; c < r.dims[1]; c++)
        sum[c] += by * r.data[(r.dims[0] - 1) * r.dims[1] + c];
    glim_session_free(s);
    glim_tokens_free(t);
    free(ids);
    free(r.data);
}

/* Of two pairs of differences a and b the component lies in their plane; its share of a is the
   eigenvector's of their products. Positive texts lie further along it. */
static void a_component_is_that_of_the_pairs(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_steering *s = steering_of(m);
    glim_error err = {0};
    size_t C = (size_t)m->hyper.C;
    const glim_steering_texts t = {positive, negative, 2, 2, NULL, true};
    if (glim_steering_learn(s, &t, &err))
        fail_msg("%s", err.message);
    for (int l = 0; l < m->hyper.L; l++) {
        char site[64];
        double *d[2], g[3] = {0}, want = 0, along = 0, off = 0;
        snprintf(site, sizeof site, "blocks.%d.hook_resid_post", l);
        for (size_t i = 0; i < 2; i++) {
            d[i] = calloc(C, sizeof **d);
            last_row(m, positive[i], site, 1, d[i]);
            last_row(m, negative[i], site, -1, d[i]);
        }
        for (size_t c = 0; c < C; c++) {
            g[0] += d[0][c] * d[0][c];
            g[1] += d[0][c] * d[1][c];
            g[2] += d[1][c] * d[1][c];
        }
        double most = (g[0] + g[2]) / 2 + hypot((g[0] - g[2]) / 2, g[1]);
        double x = most - g[2], y = g[1]; /* the eigenvector of the products */
        const float *v = glim_steering_at(s, l).vector;
        for (size_t c = 0; c < C; c++) {
            want += pow(x * d[0][c] + y * d[1][c], 2);
            along += v[c] * (d[0][c] + d[1][c]);
        }
        double sign = 0;
        for (size_t c = 0; c < C; c++)
            sign += v[c] * (x * d[0][c] + y * d[1][c]);
        for (size_t c = 0; c < C; c++)
            off += pow(v[c] - (sign < 0 ? -1 : 1) * (x * d[0][c] + y * d[1][c]) / sqrt(want), 2);
        assert_true(off < 1e-9 && along > 0);
        assert_true(fabs(glim_steering_at(s, l).length - 1) < 1e-6);
        free(d[0]);
        free(d[1]);
    }
    const glim_steering_texts odd = {positive, negative, 2, 3, NULL, true};
    assert_int_equal(glim_steering_learn(s, &odd, &err), GLIM_EUSAGE);
    const glim_steering_texts same = {positive, positive, 2, 2, NULL, true};
    assert_int_equal(glim_steering_learn(s, &same, &err), GLIM_ENUMERIC);
    glim_steering_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void directions_of_texts_are_differences_of_means(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_steering *s = steering_of(m);
    glim_error err = {0};
    size_t C = (size_t)m->hyper.C;
    const glim_steering_texts t = {positive, negative, 2, 3, NULL, false};
    if (glim_steering_learn(s, &t, &err))
        fail_msg("%s", err.message);
    for (int l = 0; l < m->hyper.L; l++) {
        char site[64];
        double *sum = calloc(C, sizeof *sum);
        snprintf(site, sizeof site, "blocks.%d.hook_resid_post", l);
        for (size_t i = 0; i < 2; i++)
            last_row(m, positive[i], site, 1.0 / 2, sum);
        for (size_t i = 0; i < 3; i++)
            last_row(m, negative[i], site, -1.0 / 3, sum);
        glim_steering_layer at = glim_steering_at(s, l);
        double squares = 0;
        for (size_t c = 0; c < C; c++) {
            assert_true(fabs(at.vector[c] - sum[c]) < 1e-6);
            squares += sum[c] * sum[c];
        }
        assert_true(fabs(at.length - sqrt(squares)) < 1e-5 && at.stream > 0);
        free(sum);
    }
    const glim_steering_texts none = {positive, negative, 2, 0, NULL, false};
    assert_int_equal(glim_steering_learn(s, &none, &err), GLIM_EUSAGE);
    glim_steering_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- files ---- */

static char path[64];

static const char *a_file(const char *end) {
    snprintf(path, sizeof path, "/tmp/glim-steer-%d%s", (int)getpid(), end);
    return path;
}

static void both_kinds_of_file_are_read_back(void **state) {
    static const char *const ends[] = {".gguf", ".safetensors"};
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "gemma3.gguf");
    glim_model *other = open_model(ctx, "gemma2.gguf");
    glim_error err = {0};
    size_t C = (size_t)m->hyper.C;
    int L = m->hyper.L;
    assert_true(L > 2);
    for (int kind = 0; kind < 2; kind++) {
        glim_steering *s = steering_of(m), *again = steering_of(m), *foreign = steering_of(other);
        for (int l = 0; l < L; l++) {
            float *d = some_direction(C, 20 + (uint64_t)l);
            assert_int_equal(glim_steering_add(s, l, d, C, 1, &err), GLIM_OK);
            free(d);
        }
        glim_steering_file f = {.path = a_file(ends[kind]), .strength = -2, .last = -1};
        if (glim_steering_save(s, f.path, &err) || glim_steering_load(again, &f, &err))
            fail_msg("%s", err.message);
        assert_null(glim_steering_warning(again));
        for (int l = 0; l < L; l++) {
            const float *a = glim_steering_at(s, l).vector, *b = glim_steering_at(again, l).vector;
            assert_true((b != NULL) == (l > 0 || kind));
            for (size_t c = 0; b && c < C; c++)
                assert_true(b[c] == -2 * a[c]);
        }
        glim_steering_free(again);
        again = steering_of(m);
        f.first = f.last = 1;
        f.strength = 1;
        assert_int_equal(glim_steering_load(again, &f, &err), GLIM_OK);
        assert_int_equal(glim_steering_load(again, &f, &err), GLIM_OK); /* added up */
        assert_null(glim_steering_at(again, 0).vector);
        assert_null(glim_steering_at(again, 2).vector);
        for (size_t c = 0; c < C; c++)
            assert_true(glim_steering_at(again, 1).vector[c] ==
                        2 * glim_steering_at(s, 1).vector[c]);
        f.last = L;
        assert_int_equal(glim_steering_load(again, &f, &err), GLIM_EUSAGE);
        assert_non_null(strstr(err.message, "the model has 0 to"));
        f = (glim_steering_file){.path = path, .strength = 1, .last = -1};
        glim_status status = glim_steering_load(foreign, &f, &err);
        if (other->hyper.C == m->hyper.C && other->hyper.L == L) {
            assert_int_equal(status, GLIM_OK);
            assert_non_null(glim_steering_warning(foreign));
        } else {
            assert_int_equal(status, GLIM_EUSAGE);
        }
        if (!kind) {
            f.first = f.last = 0;
            assert_int_equal(glim_steering_load(again, &f, &err), GLIM_EUSAGE);
            assert_non_null(strstr(err.message, "no direction for these blocks"));
        }
        unlink(path);
        glim_steering_free(s);
        glim_steering_free(again);
        glim_steering_free(foreign);
    }
    glim_model_close(m);
    glim_model_close(other);
    glim_context_free(ctx);
}

/* A probe's file: of two classes the second is meant, of more one must be named. */
static void directions_of_classes_are_chosen(void **state) {
    static const char *const classes[] = {"joy", "fear", "rage"};
    static const float bias[3];
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_error err = {0};
    size_t C = (size_t)m->hyper.C;
    float *w = some_direction(3 * C, 5);
    for (size_t n = 2; n <= 3; n++) {
        const glim_direction at = {"blocks.1.hook_resid_post", n == 2 ? 1 : 3, C, w, bias};
        const glim_directions d = {
            .ctx = ctx, .at = &at, .n = 1, .classes = classes, .n_classes = n};
        assert_int_equal(glim_directions_save(&d, a_file(".safetensors"), &err), GLIM_OK);
        for (size_t k = 0; k < 5; k++) {
            glim_steering *s = steering_of(m);
            const char *name = k < 3 ? classes[k] : k == 3 ? NULL : "awe";
            const glim_steering_file f = {path, name, 1, 0, -1};
            glim_status status = glim_steering_load(s, &f, &err);
            bool fine = k < n || (k == 3 && n == 2);
            assert_int_equal(status, fine ? GLIM_OK : GLIM_EUSAGE);
            const float *v = glim_steering_at(s, 1).vector;
            for (size_t c = 0; c < C && fine; c++) {
                double mean = (w[c] + w[C + c] + (double)w[2 * C + c]) / 3;
                double want = n == 3 ? w[k * C + c] - mean : k ? w[c] : -w[c];
                assert_true(fabs(v[c] - want) < 1e-6);
            }
            glim_steering_free(s);
        }
        unlink(path);
    }
    free(w);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void other_files_are_refused(void **state) {
    static const float zeros[64];
    static const struct {
        const char *architecture, *name;
        int n_dims;
        uint64_t width;
        glim_status status;
        const char *why;
    } cases[] = {
        {"llama", "direction.1", 1, 32, GLIM_EFORMAT, "no control vector"},
        {"controlvector", "direction.0", 1, 32, GLIM_EFORMAT, "no direction.0"},
        {"controlvector", "direction.x", 1, 32, GLIM_EFORMAT, "no direction.N"},
        {"controlvector", "blk.1.weight", 1, 32, GLIM_EFORMAT, "no direction.N"},
        {"controlvector", "direction.1", 2, 32, GLIM_EFORMAT, "one dimension"},
        {"controlvector", "direction.1", 1, 31, GLIM_EUSAGE, "the model's stream has 32"},
        {"controlvector", "direction.2", 1, 32, GLIM_EUSAGE, "there is no block 2"},
        {"controlvector", "direction.1", 1, 32, GLIM_OK, NULL},
    };
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_error err = {0};
    assert_int_equal(m->hyper.C, 32);
    assert_int_equal(m->hyper.L, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const glim_gguf_entry entry = {"general.architecture", cases[i].architecture, 0};
        const glim_gguf_floats t = {cases[i].name, cases[i].n_dims, {cases[i].width, 2}, zeros};
        glim_steering *s = steering_of(m);
        const glim_steering_file f = {a_file(".gguf"), NULL, 1, 0, -1};
        assert_int_equal(glim__gguf_write(ctx, path, &entry, 1, &t, 1, &err), GLIM_OK);
        glim_status status = glim_steering_load(s, &f, &err);
        if (status != cases[i].status || (status && !strstr(err.message, cases[i].why)))
            fail_msg("%zu: %d, %s", i, status, err.message);
        unlink(path);
        glim_steering_free(s);
    }
    glim_model_close(m);
    glim_model *picture = NULL;
    glim_steering *s = NULL;
    float nan_value = NAN, wide[32] = {0};
    m = open_model(ctx, "llama.gguf");
    s = steering_of(m);
    wide[3] = nan_value;
    assert_int_equal(glim_steering_add(s, 0, wide, 32, 1, &err), GLIM_ENUMERIC);
    assert_int_equal(glim_steering_add(s, -1, zeros, 32, 1, &err), GLIM_EUSAGE);
    assert_int_equal(glim_steering_save(s, "/tmp/never.gguf", &err), GLIM_EUSAGE);
    assert_int_equal(glim_steering_add(s, 0, zeros, 32, 1, &err), GLIM_OK);
    assert_int_equal(glim_steering_save(s, "/tmp/never.gguf", &err), GLIM_EUSAGE);
    assert_non_null(strstr(err.message, "no direction for block 0"));
    glim_steering_free(s);
    glim_model_close(picture);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    for (uint64_t fail = 1;; fail++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, "llama.gguf");
        glim_steering *s = NULL, *again = NULL;
        glim_error err = {0};
        const glim_steering_texts t = {positive, negative, 1, 1, NULL};
        glim__fail_allocation(ctx, fail);
        glim_status status = glim_steering_new(&s, m, &err);
        if (!status)
            status = glim_steering_learn(s, &t, &err);
        for (int kind = 0; kind < 2 && !status; kind++) {
            const glim_steering_file f = {a_file(kind ? ".gguf" : ".safetensors"), NULL, 1, 0, -1};
            status = glim_steering_new(&again, m, &err);
            if (!status)
                status = glim_steering_save(s, path, &err);
            if (!status)
                status = glim_steering_load(again, &f, &err);
            glim_steering_free(again);
            unlink(path);
        }
        if (status && status != GLIM_ENOMEM && status != GLIM_EBUDGET)
            fail_msg("allocation %d: %s", (int)fail, err.message);
        glim_steering_free(s);
        glim__fail_allocation(ctx, 0);
        glim_model_close(m);
        glim_context_free(ctx);
        if (!status)
            break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generation_is_steered_as_by_hand),
        cmocka_unit_test(cached_steps_agree_with_one_pass),
        cmocka_unit_test(translations_are_steered),
        cmocka_unit_test(directions_of_texts_are_differences_of_means),
        cmocka_unit_test(a_component_is_that_of_the_pairs),
        cmocka_unit_test(both_kinds_of_file_are_read_back),
        cmocka_unit_test(directions_of_classes_are_chosen),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
