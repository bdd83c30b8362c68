/* SPDX-License-Identifier: Apache-2.0 */
/* t-SNE's parts: affinities, the slope and its three ways to repel, held against doubles. */
#include "map-testing.h"

#include "reduce/tsne.h"

enum { N = 400, WIDTH = 6, K = 45 };

struct parts {
    glim_context *ctx;
    float *x, *xy;
    glim_neighbours near;
    glim_affinity p;
    double *full; /* (N, N) */
};

static void open_parts(struct parts *s, double spread) {
    glim_error err;
    *s = (struct parts){.ctx = make_context(2), .x = make_groups(N, WIDTH, 4, 3)};
    glim_cloud c = {s->x, N, WIDTH};
    assert_int_equal(glim__neighbours_find(&s->near, s->ctx, &c, K, GLIM_MAP_SEARCH_EXACT, 0, &err),
                     GLIM_OK);
    assert_int_equal(glim__affinity(&s->p, &s->near, 15, &err), GLIM_OK);
    s->xy = malloc(2 * N * sizeof *s->xy);
    for (size_t i = 0; i < 2 * N; i++)
        s->xy[i] = (float)(spread * glim__rng_normal(7, i, 0));
    s->full = calloc((size_t)N * N, sizeof *s->full);
    for (size_t i = 0; i < N; i++)
        for (uint64_t e = s->p.from[i]; e < s->p.from[i + 1]; e++)
            s->full[i * N + s->p.to[e]] = s->p.p[e];
}

static void close_parts(struct parts *s) {
    glim__affinity_release(&s->p);
    glim__neighbours_release(&s->near);
    free(s->x);
    free(s->xy);
    free(s->full);
    end_context(s->ctx);
}

static void neighbours_are_those_of_all_distances(void **state) {
    struct parts s;
    open_parts(&s, 1);
    for (size_t i = 0; i < N; i++) {
        double last = -1;
        size_t closer = 0;
        for (size_t j = 0; j < K; j++) {
            double sum = 0;
            for (size_t k = 0; k < WIDTH; k++)
                sum += pow(s.x[i * WIDTH + k] - s.x[s.near.of[i * K + j] * WIDTH + k], 2);
            assert_near(s.near.distance[i * K + j], sqrt(sum), 1e-6 * sqrt(sum), "distance");
            assert_true(sum >= last);
            last = sum;
        }
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < WIDTH; k++)
                sum += pow(s.x[i * WIDTH + k] - s.x[j * WIDTH + k], 2);
            closer += j != i && sum < last;
        }
        assert_int_equal(closer, K - 1);
    }
    close_parts(&s);
}

static void rows_of_affinities_have_the_perplexity(void **state) {
    struct parts s;
    double p[K], sum = 0;
    open_parts(&s, 1);
    for (size_t i = 0; i < N; i++) {
        double entropy = 0, all = 0;
        glim__affinity_row(p, s.near.distance + i * K, K, 15);
        for (size_t j = 0; j < K; j++) {
            entropy -= p[j] > 0 ? p[j] * log(p[j]) : 0;
            all += p[j];
        }
        assert_near(entropy, log(15), 1e-8, "entropy");
        assert_near(all, 1, 1e-12, "sum of a row");
        for (size_t j = 0; j < N; j++) {
            assert_true(s.full[i * N + j] == s.full[j * N + i]);
            sum += s.full[i * N + j];
        }
    }
    assert_near(sum, 1, 1e-5, "sum");
    float same[3] = {2, 2, 2}, two[3] = {1, 1, 5};
    glim__affinity_row(p, same, 3, 2);
    assert_near(p[1], 1.0 / 3, 1e-15, "equally far");
    glim__affinity_row(p, two, 3, 1.5); /* two are always as near: no width has less than 2 */
    assert_near(p[0] + p[1], 1, 1e-6, "two as near");
    close_parts(&s);
}

/* KL and its slope of all pairs, in double. */
static double kl_of(const struct parts *s, const double *xy, double *slope) {
    double z = 0, kl = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            z += i == j ? 0
                        : 1 / (1 + pow(xy[2 * i] - xy[2 * j], 2) +
                               pow(xy[2 * i + 1] - xy[2 * j + 1], 2));
    memset(slope, 0, 2 * N * sizeof *slope);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double dx = xy[2 * i] - xy[2 * j], dy = xy[2 * i + 1] - xy[2 * j + 1];
            double w = 1 / (1 + dx * dx + dy * dy), p = s->full[i * N + j];
            if (i == j)
                continue;
            kl += p > 0 ? p * log(p / (w / z)) : 0;
            slope[2 * i] += (p - w / z) * w * dx;
            slope[2 * i + 1] += (p - w / z) * w * dy;
        }
    return kl;
}

static void the_slope_is_that_of_differences(void **state) {
    struct parts s;
    open_parts(&s, 2);
    double xy[2 * N], slope[2 * N], other[2 * N], sum = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            sum += s.full[i * N + j];
    for (size_t i = 0; i < (size_t)N * N; i++)
        s.full[i] /= sum; /* P is kept in floats */
    for (size_t i = 0; i < 2 * N; i++)
        xy[i] = s.xy[i];
    kl_of(&s, xy, slope);
    for (size_t i = 0; i < 2 * N; i += 191) {
        double h = 1e-5, keep = xy[i];
        xy[i] = keep + h;
        double up = kl_of(&s, xy, other);
        xy[i] = keep - h;
        double down = kl_of(&s, xy, other);
        xy[i] = keep;
        assert_near((up - down) / (2 * h), 4 * slope[i], 1e-8, "slope by differences");
    }
    close_parts(&s);
}

/* Largest difference from doubles, as a share of the largest slope. */
static double off(struct parts *s, glim_map_gradient how, double theta, double step, double *kl) {
    glim_tsne t;
    glim_error err;
    double xy[2 * N], slope[2 * N], most = 0, largest = 0, exact;
    assert_int_equal(glim__tsne_init(&t, s->ctx, &s->p, s->xy, how, theta, &err), GLIM_OK);
    t.repulsion.step = step;
    assert_int_equal(glim__tsne_slope(&t, 1, kl, &err), GLIM_OK);
    for (size_t i = 0; i < 2 * N; i++)
        xy[i] = s->xy[i];
    exact = kl_of(s, xy, slope);
    for (size_t i = 0; i < N; i++) {
        most = fmax(most, fabs(t.slope.x[i] - slope[2 * i]));
        most = fmax(most, fabs(t.slope.y[i] - slope[2 * i + 1]));
        largest = fmax(largest, fmax(fabs(slope[2 * i]), fabs(slope[2 * i + 1])));
    }
    *kl -= exact;
    glim__tsne_release(&t);
    return most / largest;
}

static void all_ways_to_repel_have_the_exact_slope(void **state) {
    static const double spreads[] = {1e-4, 1, 20};
    for (size_t i = 0; i < 3; i++) {
        struct parts s;
        double kl;
        open_parts(&s, spreads[i]);
        assert_true(off(&s, GLIM_MAP_GRADIENT_EXACT, 0, 0, &kl) < 1e-5);
        assert_near(kl, 0, 1e-5, "KL of all pairs");
        assert_true(off(&s, GLIM_MAP_GRADIENT_BARNES_HUT, 0, 0, &kl) < 1e-5);
        assert_near(kl, 0, 1e-5, "KL of the tree");
        assert_true(off(&s, GLIM_MAP_GRADIENT_BARNES_HUT, 0.5, 0, &kl) < 0.05);
        assert_true(off(&s, GLIM_MAP_GRADIENT_FFT, 0, 0.1, &kl) < 1e-3);
        assert_near(kl, 0, 1e-4, "KL of a fine grid");
        assert_true(off(&s, GLIM_MAP_GRADIENT_FFT, 0, 0, &kl) < 0.02);
        assert_near(kl, 0, 5e-3, "KL of the grid");
        close_parts(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_those_of_all_distances),
        cmocka_unit_test(rows_of_affinities_have_the_perplexity),
        cmocka_unit_test(the_slope_is_that_of_differences),
        cmocka_unit_test(all_ways_to_repel_have_the_exact_slope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
