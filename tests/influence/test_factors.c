/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factors against what they stand for: the exact Fisher information of one matrix, products of
 * eigenvalues, and the inverse by definition; a fit that stops and goes on.
 */
#include "../model/model-testing.h"

#include "influence/factor-store.h"
#include "influence/queries.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { F = 5, C = 4, R = C + 1, SAMPLES = 4000, FC = F * R };

/* Rows of one made-up weight: a (C), and g that does not depend on it; some rows a sample. */
struct made {
    size_t rows, seen;
    size_t stop_at; /* the walk ends when so many were seen; 0 = never */
    size_t kill_at; /* the process ends */
    bool silent;    /* no gradient at all */
    uint64_t seed;
};

static void make_row(const struct made *m, size_t sample, size_t t, float *g, float *a) {
    for (size_t c = 0; c < C; c++) {
        a[c] = (float)((double)(c + 1) / 3 * glim__rng_normal(m->seed, sample * 64 + t, c));
        if (c) /* correlated */
            a[c] += 0.5f * a[c - 1];
    }
    for (size_t f = 0; f < F; f++) {
        double x = glim__rng_normal(m->seed + 1, sample * 64 + t, f);
        g[f] = m->silent ? 0 : (float)(x / (double)(f + 1));
        if (f)
            g[f] -= 0.3f * g[f - 1];
    }
}

static glim_status walk_made(void *data, size_t first, size_t count, bool sampled,
                             const uint8_t *chosen, const glim_pass_visitor *v, glim_error *err) {
    struct made *m = data;
    float g[64 * F], a[64 * C];
    glim_status status = GLIM_OK;
    for (size_t i = first; i < first + count && !status; i++) {
        if (m->stop_at && m->seen == m->stop_at)
            return glim_fail(err, GLIM_ECANCELLED, "stopped");
        if (m->kill_at && m->seen == m->kill_at)
            raise(SIGKILL);
        for (size_t t = 0; t < m->rows; t++)
            make_row(m, i, t, g + t * F, a + t * C);
        for (size_t w = 0; w < 2 && !status; w++)
            if (chosen[w])
                status = v->weight(v->data, i, w, m->rows, g, a, err);
        m->seen++;
        if (!status && v->batch)
            status = v->batch(v->data, i, 1, NULL, err);
    }
    return status;
}

static const glim_weight weights[] = {{"one", F, C, true}, {"two", F, C, true}};
static const uint8_t both[] = {1, 1}, one[] = {1, 0};

static glim_factors fit(glim_context *ctx, struct made *m, size_t n, const uint8_t *chosen,
                        const glim_factor_keeper *keeper) {
    glim_factors out;
    glim_error err = {0};
    glim_walk walk = {walk_made, m, n};
    glim_factor_options o = {
        .weights = weights, .chosen = chosen, .n_weights = 2, .keeper = keeper};
    if (glim__factors_fit(&out, ctx, &walk, &o, &err))
        fail_msg("%s", err.message);
    return out;
}

/* The gradient of a sample, (F, R). */
static void gradient(const struct made *m, size_t i, double *out) {
    float g[F], a[R];
    memset(out, 0, FC * sizeof *out);
    for (size_t t = 0; t < m->rows; t++) {
        make_row(m, i, t, g, a);
        a[C] = 1;
        for (size_t e = 0; e < FC; e++)
            out[e] += (double)g[e / R] * (double)a[e % R];
    }
}

/* H (FC, FC) by its factors: sum over eigenvectors of Lambda v v^T. */
static void curvature(const glim_factor *f, double damping, double *h) {
    memset(h, 0, (size_t)FC * FC * sizeof *h);
    for (size_t i = 0; i < F; i++)
        for (size_t j = 0; j < R; j++) {
            double at = (double)f->lambda[i * R + j] + damping, v[FC];
            for (size_t e = 0; e < FC; e++)
                v[e] = (double)f->out[i * F + e / R] * (double)f->in[j * R + e % R];
            for (size_t x = 0; x < FC; x++)
                for (size_t y = 0; y < FC; y++)
                    h[x * FC + y] += at * v[x] * v[y];
        }
}

static void one_matrix_has_its_exact_fisher_information(void **state) {
    glim_context *ctx = context_with(2, 0);
    struct made m = {.rows = 1, .seed = 3};
    double *exact = calloc((size_t)FC * FC, sizeof *exact), *h = malloc(sizeof *h * FC * FC);
    double off = 0, all = 0, product = 0, lambda = 0;
    glim_factors fs = fit(ctx, &m, SAMPLES, one, NULL);
    const glim_factor *f = &fs.each[0];
    for (size_t i = 0; i < SAMPLES; i++) {
        double v[FC];
        gradient(&m, i, v);
        for (size_t e = 0; e < (size_t)FC * FC; e++)
            exact[e] += v[e / FC] * v[e % FC] / SAMPLES;
    }
    curvature(f, 0, h);
    for (size_t e = 0; e < (size_t)FC * FC; e++) {
        off += (h[e] - exact[e]) * (h[e] - exact[e]);
        all += exact[e] * exact[e];
    }
    assert_true(sqrt(off / all) < 0.05);
    /* a and g are independent: what is corrected is about the product of eigenvalues */
    for (size_t e = 0; e < FC; e++) {
        double want = f->out_at[e / R] * f->in_at[e % R];
        product += (want - (double)f->lambda[e]) * (want - (double)f->lambda[e]);
        lambda += want * want;
    }
    assert_true(sqrt(product / lambda) < 0.06);
    free(exact);
    free(h);
    glim__factors_release(&fs);
    glim_context_free(ctx);
}

/* What queries are made into: U with H U = the gradient. */
struct unpack {
    glim_queries *q;
    double u[FC];
};

static glim_status take_unit(void *data, const glim_gathered *all, glim_error *err) {
    struct unpack *s = data;
    double out[GLIM_GATHER_MOST];
    glim_status status = glim__queries_score(s->q, 0, all, out, err);
    for (size_t k = 0; k < all->count; k++)
        s->u[all->sample[k]] = out[k];
    return status;
}

/* U, by the scores of samples whose gradients are differences of unit matrices. */
static void read_query(glim_context *ctx, glim_queries *q, double *u) {
    struct unpack s = {.q = q};
    glim_gather gather = {.ctx = ctx, .weights = weights, .take = take_unit, .data = &s};
    for (size_t e = 0; e < FC; e++) {
        float g[F] = {0}, a[C] = {0};
        g[e / R] = 1;
        if (e % R < C)
            a[e % R] = 1;
        assert_int_equal(glim__gather_add(&gather, e, 0, 1, g, a, NULL), GLIM_OK);
    }
    assert_int_equal(glim__gather_flush(&gather, NULL), GLIM_OK);
    for (size_t e = 0; e < FC; e++) /* every row has the 1 of the bias */
        u[e] = s.u[e] - (e % R < C ? s.u[e / R * R + C] : 0);
    glim__gather_release(&gather);
}

static void queries_are_the_inverse_times_the_gradient(void **state) {
    static const double dampings[] = {NAN, 0.01, 1e6};
    glim_context *ctx = context_with(1, 0);
    struct made m = {.rows = 9, .seed = 8};
    double *h = malloc(sizeof *h * FC * FC), u[FC], v[FC];
    glim_factors fs = fit(ctx, &m, 300, one, NULL);
    glim_factor_options o = {.weights = weights, .chosen = one, .n_weights = 2};
    glim_walk walk = {walk_made, &m, 300};
    for (size_t d = 0; d < 3; d++) {
        glim_queries q;
        double damping = glim__factor_damping(&fs.each[0], dampings[d]), size = 0;
        assert_int_equal(glim__queries_make(&q, &fs,
                                            &(glim_query_options){&walk, &o, dampings[d], 0, 0}, 11,
                                            1, NULL),
                         GLIM_OK);
        read_query(ctx, &q, u);
        curvature(&fs.each[0], damping, h);
        gradient(&m, 11, v);
        for (size_t e = 0; e < FC; e++)
            size = fmax(size, fabs(v[e]));
        for (size_t x = 0; x < FC; x++) {
            double sum = 0;
            for (size_t y = 0; y < FC; y++)
                sum += h[x * FC + y] * u[y];
            assert_true(fabs(sum - v[x]) < 2e-5 * size);
            if (d == 2) /* then what is left is the product of gradients */
                assert_true(fabs(u[x] * damping - v[x]) < 1e-3 * size);
        }
        glim__queries_release(&q);
    }
    free(h);
    glim__factors_release(&fs);
    glim_context_free(ctx);
}

static void self_influence_is_the_score_with_oneself(void **state) {
    glim_context *ctx = context_with(1, 0);
    struct made m = {.rows = 33, .seed = 5};
    glim_factors fs = fit(ctx, &m, 50, one, NULL);
    double damping = glim__factor_damping(&fs.each[0], NAN);
    double v[FC], self;
    float g[64 * F], a[64 * C];
    glim_factor_options o = {.weights = weights, .chosen = one, .n_weights = 2};
    glim_walk walk = {walk_made, &m, 50};
    glim_queries q;
    assert_int_equal(
        glim__queries_make(&q, &fs, &(glim_query_options){&walk, &o, NAN, 0, 0}, 7, 1, NULL),
        GLIM_OK);
    double u[FC], score = 0;
    read_query(ctx, &q, u);
    gradient(&m, 7, v);
    for (size_t e = 0; e < FC; e++)
        score += u[e] * v[e];
    for (size_t t = 0; t < m.rows; t++)
        make_row(&m, 7, t, g + t * F, a + t * C);
    glim_gather gather = {.ctx = ctx, .weights = weights};
    glim_spectrum spectrum = {.ctx = ctx};
    assert_int_equal(glim__gather_add(&gather, 0, 0, m.rows, g, a, NULL), GLIM_OK);
    assert_int_equal(glim__spectrum_self(&spectrum, &fs.each[0], &gather.now, damping, &self, NULL),
                     GLIM_OK);
    assert_true(fabs(self - score) < 1e-4 * self);
    assert_true(self > 0);
    glim__gather_release(&gather);
    glim__spectrum_release(&spectrum);
    glim__queries_release(&q);
    glim__factors_release(&fs);
    glim_context_free(ctx);
}

static void weights_without_a_gradient_have_no_influence(void **state) {
    glim_context *ctx = context_with(1, 0);
    struct made m = {.rows = 3, .silent = true};
    glim_factors fs = fit(ctx, &m, 4, both, NULL);
    glim_queries q;
    double u[FC];
    assert_int_equal(fs.zero, 2);
    glim_factor_options o = {.weights = weights, .chosen = both, .n_weights = 2};
    glim_walk walk = {walk_made, &m, 4};
    assert_int_equal(
        glim__queries_make(&q, &fs, &(glim_query_options){&walk, &o, NAN, 0, 0}, 0, 1, NULL),
        GLIM_OK);
    read_query(ctx, &q, u);
    for (size_t e = 0; e < FC; e++)
        assert_true(u[e] == 0);
    glim__queries_release(&q);
    glim__factors_release(&fs);
    glim_context_free(ctx);
}

static void one_sample_is_enough(void **state) {
    glim_context *ctx = context_with(1, 0);
    struct made m = {.rows = 1, .seed = 2};
    glim_factors fs = fit(ctx, &m, 1, one, NULL);
    assert_int_equal(fs.samples, 1);
    assert_true(isfinite(fs.each[0].mean) && fs.each[0].mean > 0);
    glim__factors_release(&fs);
    glim_walk none = {walk_made, &m, 0};
    glim_factor_options o = {.weights = weights, .chosen = one, .n_weights = 2};
    assert_int_equal(glim__factors_fit(&fs, ctx, &none, &o, NULL), GLIM_EUSAGE);
    glim_context_free(ctx);
}

/* ---- kept ---- */

static const char *store_path(void) {
    static char path[64];
    if (!*path) /* children have that of their parent */
        snprintf(path, sizeof path, "/tmp/glim-factors-%d.store", (int)getpid());
    return path;
}

static glim_factor_keeper open_keeper(glim_factor_store *s, glim_context *ctx, const glim_model *m,
                                      const char *samples) {
    glim_error err = {0};
    glim_store *store;
    glim_factor_origin o = {.model = m, .samples = samples, .seed = 1};
    if (glim__store_open(&store, ctx, store_path(), NULL, &err) ||
        glim__factor_store_init(s, store, &o, &err))
        fail_msg("%s", err.message);
    s->weights = weights; /* the made-up ones */
    return glim__factor_store_keeper(s);
}

static void check_same(const glim_factors *a, const glim_factors *b) {
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_memory_equal(a->each[i].in, b->each[i].in, R * R * sizeof(float));
        assert_memory_equal(a->each[i].out, b->each[i].out, F * F * sizeof(float));
        assert_memory_equal(a->each[i].lambda, b->each[i].lambda, FC * sizeof(float));
        assert_true(a->each[i].mean == b->each[i].mean);
    }
}

/* Stopped after so many samples shown: in any pass of any round. What was whole is not made
   again. */
static void a_stopped_fit_goes_on_with_the_same_bits(void **state) {
    enum { MANY = 30 };
    static const size_t shown[] = {20, 50, 40, 40, 30, 0};
    glim_context *ctx = context_with(1, 0);
    glim_model *model = open_model(ctx, "gpt2.gguf");
    struct made m = {.rows = 5, .seed = 6};
    glim_factors whole = fit(ctx, &m, MANY, both, NULL), fs;
    unlink(store_path());
    for (int k = 0; k < 6; k++) {
        glim_factor_store s;
        glim_factor_keeper keeper = open_keeper(&s, ctx, model, "abc");
        struct made again = {.rows = 5, .seed = 6, .stop_at = shown[k] * (k < 4)};
        glim_walk walk = {walk_made, &again, MANY};
        glim_factor_options o = {
            .weights = weights, .chosen = both, .n_weights = 2, .keeper = &keeper, .room = 1};
        glim_status status = glim__factors_fit(&fs, ctx, &walk, &o, NULL);
        assert_int_equal(status, k < 4 ? GLIM_ECANCELLED : GLIM_OK);
        assert_int_equal(again.seen, shown[k]);
        if (!status)
            check_same(&fs, &whole);
        assert_int_equal(s.found, k < 3 ? 0 : k < 5 ? 1 : 2);
        glim__factors_release(&fs);
        glim__store_close(s.store);
    }
    unlink(store_path());
    glim__factors_release(&whole);
    glim_model_close(model);
    glim_context_free(ctx);
}

/* Stopped again and again before a pass is over: its sums are found, and go when it is. A pass has
   six pieces of 16 samples; of 40 that are shown two pieces are whole. */
static void sums_of_a_pass_go_on_with_the_same_bits(void **state) {
    enum { MANY = 96, ROWS = 5, AT_ONCE = 40, EVERY = 16, RUNS = 12 };
    glim_context *ctx = context_with(1, 0);
    glim_model *model = open_model(ctx, "gpt2.gguf");
    struct made m = {.rows = ROWS, .seed = 6};
    glim_factors whole = fit(ctx, &m, MANY, both, NULL), fs;
    unlink(store_path());
    for (int k = 1; k <= RUNS; k++) {
        glim_factor_store s;
        glim_factor_keeper keeper = open_keeper(&s, ctx, model, "abc");
        struct made again = {.rows = ROWS, .seed = 6, .stop_at = AT_ONCE};
        glim_walk walk = {walk_made, &again, MANY};
        glim_factor_options o = {.weights = weights,
                                 .chosen = both,
                                 .n_weights = 2,
                                 .keeper = &keeper,
                                 .room = 1,
                                 .every = EVERY};
        glim_status status = glim__factors_fit(&fs, ctx, &walk, &o, NULL);
        assert_int_equal(status, k < RUNS ? GLIM_ECANCELLED : GLIM_OK);
        assert_int_equal(again.seen, k < RUNS ? AT_ONCE : MANY - 4 * EVERY);
        if (!status)
            check_same(&fs, &whole);
        glim__factors_release(&fs);
        sqlite3_stmt *rows;
        glim_error err = {0};
        if (glim__store_prepare(s.store, &rows, "SELECT count(*) FROM kept WHERE length(data) = 8",
                                &err)) /* how many samples are in them */
            fail_msg("%s", err.message);
        assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int64(rows, 0) > 0, k % 3 != 0);
        sqlite3_finalize(rows);
        glim__store_close(s.store);
    }
    unlink(store_path());
    glim__factors_release(&whole);
    glim_model_close(model);
    glim_context_free(ctx);
}

/* In a child that is killed when it has seen so many samples, or whose files cannot grow. */
static void fit_in_a_child(size_t kill_at, rlim_t most_bytes) {
    pid_t child = fork();
    if (!child) {
        glim_context *ctx = context_with(1, 0);
        glim_model *model = open_model(ctx, "gpt2.gguf");
        glim_factor_store s;
        glim_factors fs;
        glim_error err = {0};
        struct made m = {.rows = 5, .seed = 6, .kill_at = kill_at};
        glim_factor_keeper keeper = open_keeper(&s, ctx, model, "abc");
        glim_walk walk = {walk_made, &m, 30};
        glim_factor_options o = {
            .weights = weights, .chosen = both, .n_weights = 2, .keeper = &keeper, .room = 1};
        signal(SIGXFSZ, SIG_IGN);
        if (most_bytes)
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){most_bytes, most_bytes});
        glim_status status = glim__factors_fit(&fs, ctx, &walk, &o, &err);
        _exit(status == GLIM_EIO && strstr(err.message, store_path()) ? 7 : status ? 8 : 0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(kill_at ? WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL
                        : WIFEXITED(how) && WEXITSTATUS(how) == (most_bytes ? 7 : 0));
}

static void a_killed_fit_and_a_full_disk_lose_nothing_that_was_kept(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *model = open_model(ctx, "gpt2.gguf");
    struct made m = {.rows = 5, .seed = 6}, again = m;
    glim_factors whole = fit(ctx, &m, 30, both, NULL);
    glim_factor_store s;
    unlink(store_path());
    fit_in_a_child(45, 0); /* in the second pass */
    fit_in_a_child(0, 8192);
    fit_in_a_child(50, 0); /* in the second round */
    glim_factor_keeper keeper = open_keeper(&s, ctx, model, "abc");
    glim_walk walk = {walk_made, &again, 30};
    glim_factor_options o = {
        .weights = weights, .chosen = both, .n_weights = 2, .keeper = &keeper, .room = 1};
    glim_factors fs;
    assert_int_equal(glim__factors_fit(&fs, ctx, &walk, &o, NULL), GLIM_OK);
    assert_int_equal(s.found, 1);
    assert_true(again.seen <= 60);
    check_same(&fs, &whole);
    glim__factors_release(&fs);
    glim__factors_release(&whole);
    glim__store_close(s.store);
    unlink(store_path());
    glim_model_close(model);
    glim_context_free(ctx);
}

static void factors_of_something_else_are_not_found(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *models[] = {open_model(ctx, "gpt2.gguf"), open_model(ctx, "gpt2-q5_0.gguf")};
    struct made m = {.rows = 5, .seed = 6};
    unlink(store_path());
    for (int k = 0; k < 4; k++) {
        glim_factor_store s;
        glim_factor_keeper keeper =
            open_keeper(&s, ctx, models[k == 1], k == 2 ? "other file" : "abc");
        glim_factors fs = fit(ctx, &m, 10, one, &keeper);
        assert_int_equal(s.found, k == 3);
        assert_int_equal(s.other, k == 1 || k == 2);
        assert_int_equal(fs.rounds, k != 3);
        glim__factors_release(&fs);
        glim__store_close(s.store);
    }
    unlink(store_path());
    glim_model_close(models[0]);
    glim_model_close(models[1]);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_matrix_has_its_exact_fisher_information),
        cmocka_unit_test(queries_are_the_inverse_times_the_gradient),
        cmocka_unit_test(self_influence_is_the_score_with_oneself),
        cmocka_unit_test(weights_without_a_gradient_have_no_influence),
        cmocka_unit_test(one_sample_is_enough),
        cmocka_unit_test(a_stopped_fit_goes_on_with_the_same_bits),
        cmocka_unit_test(sums_of_a_pass_go_on_with_the_same_bits),
        cmocka_unit_test(a_killed_fit_and_a_full_disk_lose_nothing_that_was_kept),
        cmocka_unit_test(factors_of_something_else_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
