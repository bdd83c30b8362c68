/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches keep dot products; TRAK over a logistic head is its formula; features are found
   again. */
#include "factors-testing.h"

#include "base/solve.h"
#include "influence/projected.h"

#include <unistd.h>

/* ---- sketches ---- */

static float *sketch_of(glim_sketch *s, const made_up *m, size_t i) {
    float *out = calloc(s->k, sizeof *out);
    for (size_t w = 0; w < MADE_UP - 1; w++) {
        size_t F = made_up_weights[w].rows, C = made_up_weights[w].cols, T = made_up_rows(m, i);
        float *g = malloc(T * F * sizeof *g), *a = malloc(T * C * sizeof *a);
        for (size_t k = 0; k < T * F; k++)
            g[k] = (float)made_up_number(m, i, w, 0, k);
        for (size_t k = 0; k < T * C; k++)
            a[k] = (float)made_up_number(m, i, w, 1, k);
        const glim_factors_view view = {w, T, g, a};
        assert_int_equal(glim__sketch_add(s, &view, out, NULL), GLIM_OK);
        free(g);
        free(a);
    }
    return out;
}

static double whole_dot(const made_up *m, size_t i, size_t j) {
    double sum = 0;
    for (size_t w = 0; w < MADE_UP - 1; w++)
        sum += made_up_dot(m, i, m, j, w);
    return sum;
}

/* Off by less than 3/sqrt(k) of the lengths for more than nine in ten pairs, and by less on
   average over seeds: the error has no direction. */
static void dot_products_stay_within_the_bound(void **state) {
    enum { n = 8, SEEDS = 30, k = 400 };
    made_up m;
    size_t inside = 0, all = 0;
    double lean = 0;
    make_up(&m, n, 1, 2);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        glim_sketch s;
        float *x[n];
        assert_int_equal(glim__sketch_init(&s, &m.g, k, seed, NULL), GLIM_OK);
        assert_false(s.exact);
        for (size_t i = 0; i < n; i++)
            x[i] = sketch_of(&s, &m, i);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++, all++) {
                double size = sqrt(whole_dot(&m, i, i) * whole_dot(&m, j, j));
                double off = (glim__product_dot(x[i], x[j], k) - whole_dot(&m, i, j)) / size;
                inside += fabs(off) < 3 / sqrt(k);
                lean += off;
            }
        for (size_t i = 0; i < n; i++)
            free(x[i]);
        glim__sketch_release(&s);
    }
    assert_true((double)inside > 0.9 * (double)all);
    assert_true(fabs(lean / (double)all) < 0.3 / sqrt(k));
}

/* Rows wider than the first step's: the bound of both steps, at twice its deviation. */
static void wide_rows_stay_within_theirs(void **state) {
    enum { F = 700, C = 300, n = 12, k = 1000, T = 3 };
    static const glim_weight weight = {.name = "w", .rows = F, .cols = C};
    static const uint8_t chosen = 1;
    const glim_gradients g = {
        .ctx = ctx, .weights = &weight, .n_weights = 1, .chosen = &chosen, .n = n};
    float *gs = malloc(n * T * F * sizeof *gs), *as = malloc(n * T * C * sizeof *as);
    float *x = calloc(n * k, sizeof *x), *whole = malloc(n * F * C * sizeof *whole);
    glim_sketch s;
    for (size_t i = 0; i < n * T * F; i++)
        gs[i] = (float)glim__rng_normal(1, 0, i);
    for (size_t i = 0; i < n * T * C; i++)
        as[i] = (float)glim__rng_normal(2, 0, i);
    assert_int_equal(glim__sketch_init(&s, &g, k, 5, NULL), GLIM_OK);
    size_t inside = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const glim_factors_view view = {0, T, gs + i * T * F, as + i * T * C};
        assert_int_equal(glim__sketch_add(&s, &view, x + i * k, NULL), GLIM_OK);
        assert_int_equal(glim__product_form(ctx, &weight, &view, whole + i * F * C, NULL), GLIM_OK);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++, all++) {
            const float *a = whole + i * F * C, *b = whole + j * F * C;
            double size = sqrt(glim__product_dot(a, a, F * C) * glim__product_dot(b, b, F * C));
            double off =
                glim__product_dot(x + i * k, x + j * k, k) - glim__product_dot(a, b, (size_t)F * C);
            inside += fabs(off) < 2 * sqrt(2.0 / k + 4.0 / 256) * size;
        }
    assert_true((double)inside > 0.9 * (double)all);
    glim__sketch_release(&s);
    free(gs);
    free(as);
    free(x);
    free(whole);
}

/* Numbers of one sign do not pile up: the length is kept in the mean. */
static void equal_numbers_keep_their_length(void **state) {
    enum { F = 17, C = 30, k = 100, SEEDS = 20 };
    made_up m;
    float ones[F + C];
    double sum = 0;
    make_up(&m, 1, 1, 1);
    for (size_t i = 0; i < F + C; i++)
        ones[i] = 1;
    const glim_factors_view view = {1, 1, ones, ones};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        glim_sketch s;
        float x[k] = {0};
        assert_int_equal(glim__sketch_init(&s, &m.g, k, seed, NULL), GLIM_OK);
        assert_int_equal(glim__sketch_add(&s, &view, x, NULL), GLIM_OK);
        sum += glim__product_dot(x, x, k) / (F * C) / SEEDS;
        glim__sketch_release(&s);
    }
    assert_true(fabs(sum - 1) < 0.15);
}

/* ---- a logistic head without projection ---- */

enum { N = 90, P = 4, Q = 2 };

struct logistic {
    glim_gradients g;
    glim_weight weight;
    double x[N][P], beta[P];
    int y[N];
};

static double probability(const struct logistic *l, size_t i) {
    double z = 0;
    for (size_t c = 0; c < P; c++)
        z += l->x[i][c] * l->beta[c];
    return 1 / (1 + exp(l->y[i] ? -z : z)); /* of its own answer */
}

static glim_status walk(void *data, size_t first, size_t count, const glim_pass_visitor *v,
                        glim_error *err) {
    const struct logistic *l = data;
    for (size_t i = first; i < first + count; i++) {
        double p = probability(l, i), loss = -log(p);
        float a[P], g = (float)(l->y[i] ? p - 1 : 1 - p);
        for (size_t c = 0; c < P; c++)
            a[c] = (float)l->x[i][c];
        glim_status status = v->weight(v->data, i, 0, 1, &g, a, err);
        if (!status)
            status = v->batch(v->data, i, 1, &loss, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

static void make_logistic(struct logistic *l, uint64_t seed, size_t n) {
    static const uint8_t chosen = 1;
    *l = (struct logistic){.beta = {0.5, -1, 0.3, 0.8},
                           .weight = {.name = "unembed.W_U", .rows = 1, .cols = P}};
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < P; c++)
            l->x[i][c] = glim__rng_normal(seed, i, c);
        l->y[i] = (int)glim__rng_below(seed, i, 99, 2);
    }
    l->g = (glim_gradients){.ctx = ctx,
                            .n = n,
                            .weights = &l->weight,
                            .n_weights = 1,
                            .chosen = &chosen,
                            .walk = walk,
                            .sizes = head_sizes,
                            .data = l};
}

/* x_q' (X'X)^-1 x_i, with the labels' signs. */
static double kernel(const struct logistic *train, const struct logistic *query, size_t i,
                     size_t q) {
    double A[P * P] = {0}, u[P], sum = 0;
    for (size_t s = 0; s < N; s++)
        for (size_t a = 0; a < P; a++)
            for (size_t b = 0; b < P; b++)
                A[a * P + b] += train->x[s][a] * train->x[s][b];
    memcpy(u, query->x[q], sizeof u);
    assert_true(glim__cholesky(A, P));
    glim__cholesky_solve(A, P, u);
    for (size_t c = 0; c < P; c++)
        sum += u[c] * train->x[i][c];
    return sum * (train->y[i] == query->y[q] ? 1 : -1);
}

static all_rows *run_of(const glim_projected *f) {
    all_rows *r = new_rows();
    glim_error err = {0};
    if (glim__projected_run(f, &r->out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r->rows, f->train->n);
    return r;
}

static void a_logistic_head_without_projection_is_exact(void **state) {
    struct logistic *train = malloc(sizeof *train), *query = malloc(sizeof *query);
    make_logistic(train, 1, N);
    make_logistic(query, 2, Q);
    glim_projected f = {.train = &train->g, .queries = &query->g, .n = 1};
    all_rows *r = run_of(&f);
    for (size_t i = 0; i < N; i++)
        for (size_t q = 0; q < Q; q++)
            close_to(row_value(r, i, q), kernel(train, query, i, q) * (1 - probability(train, i)),
                     0.1);
    free(r);
    free(train);
    free(query);
}

/* Products and doubts are averaged apart. */
static void checkpoints_are_averaged_before_they_are_multiplied(void **state) {
    struct logistic *train = malloc(2 * sizeof *train), *query = malloc(2 * sizeof *query);
    for (size_t m = 0; m < 2; m++) {
        make_logistic(&train[m], 1, N);
        make_logistic(&query[m], 2, Q);
        train[m].beta[0] = query[m].beta[0] = m ? 2 : -1;
        train[m].x[7][0] = m ? 3 : -3; /* so that products differ as well */
    }
    const glim_gradients t[2] = {train[0].g, train[1].g}, q[2] = {query[0].g, query[1].g};
    glim_projected f = {.train = t, .queries = q, .n = 2};
    all_rows *r = run_of(&f);
    for (size_t i = 5; i < 10; i++) {
        double products =
            (kernel(&train[0], &query[0], i, 1) + kernel(&train[1], &query[1], i, 1)) / 2;
        double doubts = 1 - (probability(&train[0], i) + probability(&train[1], i)) / 2;
        close_to(row_value(r, i, 1), products * doubts, 0.1);
    }
    free(r);
    free(train);
    free(query);
}

/* Features that depend on each other get a ridge, and a sample as its own query leads. */
static void duplicates_lead_through_a_projection(void **state) {
    made_up train, queries;
    glim_projected f = {.train = make_up(&train, 100, 1, 2),
                        .queries = make_up(&queries, 3, 1, 2), /* the first three samples */
                        .n = 1};
    all_rows *r = run_of(&f);
    for (size_t q = 0; q < 3; q++)
        for (size_t i = 0; i < 100; i++)
            if (i != q && made_up_loss(i) > 0)
                assert_true(fabs(row_value(r, i, q)) < row_value(r, q, q));
    free(r);
}

/* ---- features that are kept ---- */

struct counted {
    made_up m;
    size_t walked;
};

static glim_status counting_walk(void *data, size_t first, size_t count, const glim_pass_visitor *v,
                                 glim_error *err) {
    struct counted *c = data;
    c->walked += count;
    return made_up_walk(&c->m, first, count, v, err);
}

static void a_store_saves_the_walk(void **state) {
    struct counted train = {.walked = 0};
    made_up queries;
    char path[] = "/tmp/glim-projected-XXXXXX";
    glim_store *store;
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(glim__store_open(&store, ctx, path, NULL, NULL), GLIM_OK);
    make_up(&train.m, 130, 1, 1);
    train.m.g.walk = counting_walk;
    train.m.g.data = &train;
    glim_store_key key = {{1}};
    glim_projected f = {.train = &train.m.g,
                        .queries = make_up(&queries, 2, 2, 1),
                        .n = 1,
                        .store = store,
                        .keys = &key};
    train.m.stop = 100; /* the first block is on disk when it stops */
    all_rows *stopped = new_rows();
    assert_int_equal(glim__projected_run(&f, &stopped->out, NULL), GLIM_ECANCELLED);
    train.walked = train.m.stop = 0;
    all_rows *went_on = run_of(&f);
    assert_int_equal(train.walked, 130 - GLIM_GRADIENTS_BLOCK);
    train.walked = 0;
    all_rows *again = run_of(&f);
    assert_int_equal(train.walked, 0);
    f.store = NULL;
    all_rows *alone = run_of(&f);
    assert_memory_equal(alone->values, again->values, sizeof again->values);
    assert_memory_equal(alone->values, went_on->values, sizeof again->values);
    f.store = store;
    f.seed = 1;
    free(run_of(&f));
    assert_int_equal(train.walked, 130 + 130);
    glim__store_close(store);
    unlink(path);
    free(stopped);
    free(went_on);
    free(again);
    free(alone);
}

static void the_plan_covers_the_peak(void **state) {
    made_up train, queries;
    uint64_t plan, disk;
    glim_context *was = ctx;
    ctx = context_of(1);
    glim_projected f = {
        .train = make_up(&train, 300, 1, 1), .queries = make_up(&queries, 2, 2, 1), .n = 1};
    assert_int_equal(glim__projected_plan(&f, &plan, &disk, NULL), GLIM_OK);
    free(run_of(&f));
    assert_true(plan >= glim_context_peak(ctx));
    assert_int_equal(disk, 4 * 300 * 61);
    glim_context_free(ctx);
    ctx = was;
}

static void refused_memory_leaks_nothing(void **state) {
    made_up train, queries;
    glim_projected f = {
        .train = make_up(&train, 12, 1, 1), .queries = make_up(&queries, 1, 2, 1), .n = 1};
    for (uint64_t n = 1;; n++) {
        all_rows *r = new_rows();
        glim__spare_trim(ctx);
        glim__fail_allocation(ctx, n);
        glim_status status = glim__projected_run(&f, &r->out, NULL);
        glim__fail_allocation(ctx, 0);
        free(r);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(n < 500);
    }
}

int main(void) {
    ctx = context_of(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dot_products_stay_within_the_bound),
        cmocka_unit_test(wide_rows_stay_within_theirs),
        cmocka_unit_test(equal_numbers_keep_their_length),
        cmocka_unit_test(a_logistic_head_without_projection_is_exact),
        cmocka_unit_test(checkpoints_are_averaged_before_they_are_multiplied),
        cmocka_unit_test(duplicates_lead_through_a_projection),
        cmocka_unit_test(a_store_saves_the_walk),
        cmocka_unit_test(the_plan_covers_the_peak),
        cmocka_unit_test(refused_memory_leaks_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
