/* SPDX-License-Identifier: Apache-2.0 */
/* Whole maps: openTSNE's, scikit-learn's and NumPy's numbers of digits; groups that stay together;
   bits that no thread changes; few, equal and broken points; refused memory; a run that is ended.
 */
#include "map-testing.h"

#include "reduce/neighbours.h"

static glim_embedding *embed(glim_context *ctx, const float *x, size_t n, size_t width,
                             glim_map_options how) {
    glim_embedding *map;
    glim_error err = {0};
    if (glim_embed(&map, ctx, x, n, width, &how, &err))
        fail_msg("%s", err.message);
    return map;
}

static void digits_have_the_numbers_of_peers(void **state) {
    glim_context *ctx = make_context(2);
    glim_safetensors *file = open_digits(ctx);
    const float *x = recorded(file, "x"), *xy = recorded(file, "xy");
    const float *numbers = recorded(file, "numbers");
    const int64_t *label = recorded(file, "label");
    int32_t classes[300];
    glim_map_quality q;
    glim_error err;
    for (size_t i = 0; i < 300; i++)
        classes[i] = (int32_t)label[i];
    assert_int_equal(glim_embed_quality(&q, ctx, x, 300, 64, xy, classes, 0, &err), GLIM_OK);
    assert_near(q.recall_10, numbers[1], 2e-3, "recall"); /* pixels tie */
    assert_near(q.trustworthiness, numbers[2], 2e-4, "trustworthiness");
    assert_near(q.continuity, numbers[3], 2e-4, "continuity");
    assert_near(q.silhouette, numbers[4], 1e-5, "silhouette");
    assert_near(q.silhouette_map, numbers[5], 1e-5, "silhouette of the map");
    assert_near(q.distance_correlation, numbers[7], 0.02, "distances");
    glim_embedding *map = embed(ctx, x, 300, 64, (glim_map_options){.seed = 1});
    assert_true(map->kl <= 1.02 * numbers[0]);
    double recall = q.recall_10;
    assert_int_equal(glim_embed_quality(&q, ctx, x, 300, 64, map->xy, NULL, 0, &err), GLIM_OK);
    assert_true(q.recall_10 > recall - 0.02);
    assert_true(isnan(q.silhouette));
    for (size_t i = 5; i + 1 < map->n_history; i++) /* behind the early phase */
        assert_true(map->history[i + 1].kl < map->history[i].kl + 1e-3);
    glim_embedding_free(map);
    glim__safetensors_close(file);
    end_context(ctx);
}

static void components_are_numpys(void **state) {
    glim_context *ctx = make_context(2);
    glim_safetensors *file = open_digits(ctx);
    const float *x = recorded(file, "x"), *components = recorded(file, "components");
    const float *explained = recorded(file, "explained");
    double mean[300], own[5 * 300], share[5];
    float scores[300 * 5], turned[64 * 300];
    glim_error err;
    assert_int_equal(glim_pca(mean, own, share, scores, ctx, x, 300, 64, 5, 0, &err), GLIM_OK);
    for (size_t k = 0; k < 5; k++)
        assert_near(share[k], explained[k], 1e-6, "share");
    for (size_t k = 0; k < 5 * 64; k++)
        assert_near(own[k], components[k], 2e-5, "component");
    for (size_t i = 0; i < 300; i += 37) {
        double sum = 0;
        for (size_t k = 0; k < 64; k++)
            sum += (x[i * 64 + k] - mean[k]) * own[2 * 64 + k];
        assert_near(scores[i * 5 + 2], sum, 1e-4, "score");
    }
    /* more dimensions than points */
    for (size_t i = 0; i < 64; i++)
        for (size_t k = 0; k < 300; k++)
            turned[i * 300 + k] = x[k * 64 + i];
    assert_int_equal(glim_pca(mean, own, share, scores, ctx, turned, 64, 300, 5, 0, &err), GLIM_OK);
    for (size_t j = 0; j < 5; j++)
        for (size_t k = 0; k <= j; k++) {
            double dot = 0, a = 0;
            for (size_t i = 0; i < 300; i++)
                dot += own[j * 300 + i] * own[k * 300 + i];
            for (size_t i = 0; i < 64; i++)
                a += (double)scores[i * 5 + j] * scores[i * 5 + k];
            assert_near(dot, j == k, 1e-9, "orthogonal");
            assert_true(j == k || fabs(a) < 1e-2);
        }
    assert_int_equal(glim_pca(mean, own, share, NULL, ctx, x, 300, 64, 65, 0, &err), GLIM_EUSAGE);
    glim__safetensors_close(file);
    end_context(ctx);
}

/* Both sides above 2,000: a random subspace finds what has rank 3, and a little noise. */
static void a_random_subspace_finds_few_components(void **state) {
    enum { ROWS = 2010, WIDTH = 2005 };
    glim_context *ctx = make_context(2);
    float *x = malloc((size_t)ROWS * WIDTH * sizeof *x);
    double *mean = malloc(4 * WIDTH * sizeof *mean), share[3];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < WIDTH; k++)
            x[i * WIDTH + k] = (float)(5 * sin((double)i) * (k % 3 == 0) +
                                       2 * cos(2.0 * (double)i) * (k % 3 == 1) +
                                       sin(3.0 * (double)i) * (k % 3 == 2));
    glim_error err;
    assert_int_equal(glim_pca(mean, mean + WIDTH, share, NULL, ctx, x, ROWS, WIDTH, 3, 1, &err),
                     GLIM_OK);
    assert_near(share[0], 25.0 / 30, 1e-3, "first");
    assert_near(share[1], 4.0 / 30, 1e-3, "second");
    assert_near(share[0] + share[1] + share[2], 1, 1e-6, "all");
    assert_near(mean[WIDTH], sqrt(1.0 / 669), 1e-5, "component");
    free(x);
    free(mean);
    end_context(ctx);
}

static void groups_stay_together_and_take_new_points(void **state) {
    enum { N = 600, NEW = 30, ALL = N + NEW, WIDTH = 8 };
    float *x = make_groups(ALL, WIDTH, 6, 6), xy[2 * NEW], distance[2 * NEW];
    uint32_t of[2 * NEW];
    int32_t label[N];
    glim_context *ctx = make_context(2);
    glim_map_quality q;
    glim_error err;
    for (size_t i = 0; i < N; i++)
        label[i] = (int32_t)(i % 6);
    for (int normalise = 0; normalise < 2; normalise++)
        for (int method = 0; method < 2; method++) {
            glim_map_options how = {.method = method ? GLIM_MAP_PCA : GLIM_MAP_TSNE,
                                    .pca = normalise ? 5 : 0,
                                    .normalise = normalise};
            glim_embedding *map = embed(ctx, x, N, WIDTH, how);
            assert_int_equal(glim_embed_quality(&q, ctx, x, N, WIDTH, map->xy, label, 0, &err),
                             GLIM_OK);
            assert_true(method || q.label_accuracy_map >= 0.98);
            assert_int_equal(
                glim_embed_place(xy, of, distance, 2, map, x, x + N * WIDTH, NEW, &err), GLIM_OK);
            for (size_t i = 0; i < NEW; i++) { /* by its nearest old point */
                size_t near = 0;
                double best = INFINITY;
                for (size_t j = 0; j < N; j++) {
                    double d =
                        hypot(xy[2 * i] - map->xy[2 * j], xy[2 * i + 1] - map->xy[2 * j + 1]);
                    near = d < best ? j : near;
                    best = fmin(d, best);
                }
                assert_true(method || near % 6 == (N + i) % 6);
                assert_int_equal(of[2 * i] % 6, (N + i) % 6);
                assert_true(distance[2 * i] <= distance[2 * i + 1]);
            }
            /* a point of the map itself */
            assert_int_equal(glim_embed_place(xy, NULL, NULL, 0, map, x, x, 1, &err), GLIM_OK);
            assert_true(!method || fabs(xy[0] - map->xy[0]) < 1e-4);
            glim_embedding_free(map);
        }
    free(x);
    end_context(ctx);
}

static void an_index_finds_most_and_the_same(void **state) {
    enum { N = 3000, WIDTH = 10, K = 15 };
    float *x = make_groups(N, WIDTH, 5, 2);
    glim_neighbours first = {0};
    glim_error err;
    for (int threads = 1; threads <= 3; threads += 2) {
        glim_context *ctx = make_context(threads);
        glim_neighbours near;
        glim_cloud c = {x, N, WIDTH};
        assert_int_equal(
            glim__neighbours_find(&near, ctx, &c, K, GLIM_MAP_SEARCH_APPROXIMATE, 1, &err),
            GLIM_OK);
        assert_true(near.approximate && near.recall > 0.97);
        if (threads == 1) {
            first.of = malloc(N * K * sizeof *first.of);
            memcpy(first.of, near.of, N * K * sizeof *first.of);
        }
        assert_memory_equal(first.of, near.of, N * K * sizeof *first.of);
        glim__neighbours_release(&near);
        end_context(ctx);
    }
    free(first.of);
    free(x);
}

static void bits_depend_on_no_thread(void **state) {
    static const glim_map_gradient ways[] = {GLIM_MAP_GRADIENT_EXACT, GLIM_MAP_GRADIENT_BARNES_HUT,
                                             GLIM_MAP_GRADIENT_FFT};
    enum { N = 500, WIDTH = 12 };
    float *x = make_groups(N, WIDTH, 4, 2), first[2 * N], xy[6];
    for (size_t w = 0; w < 3; w++)
        for (int threads = 1; threads <= 3; threads++) {
            glim_context *ctx = make_context(threads);
            glim_error err;
            glim_embedding *map = embed(ctx, x, N, WIDTH,
                                        (glim_map_options){.gradient = ways[w],
                                                           .pca = 7,
                                                           .early_exaggeration_iter = 30,
                                                           .n_iter = 40,
                                                           .snapshots = 2});
            assert_int_equal(map->n_snapshots, 2);
            assert_int_equal(map->snapshots[1].iteration, 35);
            if (threads == 1)
                memcpy(first, map->xy, sizeof first);
            assert_memory_equal(first, map->xy, sizeof first);
            assert_int_equal(glim_embed_place(xy, NULL, NULL, 0, map, x, x, 3, &err), GLIM_OK);
            glim_embedding_free(map);
            end_context(ctx);
        }
    free(x);
}

static void few_equal_and_broken_points_are_told(void **state) {
    glim_context *ctx = make_context(1);
    glim_error err;
    glim_map_quality q;
    glim_embedding *map;
    float x[40 * 3] = {0};
    for (size_t n = 1; n <= 40; n += n < 5 ? 1 : 35) /* all the same */
        for (int method = 0; method < 2; method++) {
            map = embed(ctx, x, n, 3, (glim_map_options){.method = (glim_map_method)method});
            for (size_t i = 0; i < 2 * n; i++)
                assert_true(isfinite(map->xy[i]));
            assert_int_equal(map->k, n > 5 ? 5 : n - 1);
            assert_true(method || n == 1 || map->duplicates == n);
            assert_true(method || map->used.perplexity <= fmax(1, ((double)n - 1) / 3));
            assert_int_equal(glim_embed_quality(&q, ctx, x, n, 3, map->xy, NULL, 0, &err), GLIM_OK);
            glim_embedding_free(map);
        }
    x[7] = NAN;
    assert_int_equal(glim_embed(&map, ctx, x, 40, 3, NULL, &err), GLIM_ENUMERIC);
    assert_non_null(strstr(err.message, "point 3"));
    glim_map_options bad = {.perplexity = NAN};
    x[7] = 0;
    assert_int_equal(glim_embed(&map, ctx, x, 40, 3, &bad, &err), GLIM_EUSAGE);
    assert_int_equal(glim_embed(&map, ctx, x, 0, 3, NULL, &err), GLIM_EUSAGE);
    end_context(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    static const glim_map_gradient ways[] = {GLIM_MAP_GRADIENT_EXACT, GLIM_MAP_GRADIENT_BARNES_HUT,
                                             GLIM_MAP_GRADIENT_FFT};
    float *x = make_groups(150, 5, 3, 2), xy[4], distance[4];
    uint32_t of[4];
    int32_t label[150];
    for (size_t i = 0; i < 150; i++)
        label[i] = (int32_t)(i % 3);
    for (size_t w = 0; w < 3; w++)
        for (uint64_t nth = 1;; nth++) {
            glim_context *ctx = make_context(1);
            glim_embedding *map = NULL;
            glim_map_quality q;
            glim_error err;
            glim_map_options how = {.gradient = ways[w],
                                    .pca = 3,
                                    .normalise = true,
                                    .early_exaggeration_iter = 2,
                                    .n_iter = 2,
                                    .snapshots = 2,
                                    .search = w == 1 ? GLIM_MAP_SEARCH_APPROXIMATE
                                                     : GLIM_MAP_SEARCH_EXACT,
                                    .perplexity = 4};
            glim__fail_allocation(ctx, nth);
            glim_status status = glim_embed(&map, ctx, x, 150, 5, &how, &err);
            if (!status)
                status = glim_embed_place(xy, of, distance, 2, map, x, x, 2, &err);
            if (!status)
                status = glim_embed_quality(&q, ctx, x, 150, 5, map->xy, label, 0, &err);
            glim__fail_allocation(ctx, 0);
            glim_embedding_free(map);
            end_context(ctx);
            if (!status)
                break;
            assert_int_equal(status, GLIM_ENOMEM);
        }
    free(x);
}

static void stop(void *data, const glim_progress *p) {
    if (!strcmp(p->stage, "t-SNE") && p->done >= 5)
        glim_context_cancel(*(glim_context **)data);
}

static void an_ended_run_leaves_a_map(void **state) {
    glim_context *ctx;
    glim_error err;
    glim_embedding *map;
    float *x = make_groups(2500, 5, 3, 2);
    assert_int_equal(
        glim_context_new(
            &ctx, &(glim_context_options){.threads = 1, .progress = stop, .progress_data = &ctx},
            &err),
        GLIM_OK);
    assert_int_equal(glim_embed(&map, ctx, x, 2500, 5, NULL, &err), GLIM_ECANCELLED);
    assert_non_null(map);
    assert_true(map->done >= 5 && map->done < 750 && isfinite(map->kl));
    assert_int_equal(map->history[map->n_history - 1].iteration, map->done);
    glim_embedding_free(map);
    free(x);
    end_context(ctx);
}

static void a_turned_map_is_the_same(void **state) {
    glim_context *ctx = make_context(1);
    glim_safetensors *file = open_digits(ctx);
    const float *xy = recorded(file, "xy"), *numbers = recorded(file, "numbers");
    float other[600], fitted[600];
    double disparity;
    for (size_t i = 0; i < 300; i++) { /* mirrored, turned, half as large, moved */
        other[2 * i] = (float)(0.5 * (xy[2 * i] * 0.6 + xy[2 * i + 1] * 0.8) + 7);
        other[2 * i + 1] = (float)(0.5 * (xy[2 * i] * 0.8 - xy[2 * i + 1] * 0.6) - 1);
    }
    glim_procrustes(&disparity, fitted, xy, other, 300);
    assert_near(disparity, 0, 1e-6, "turned");
    for (size_t i = 0; i < 600; i++)
        assert_near(fitted[i], xy[i], 1e-3, "fitted");
    for (size_t i = 0; i < 300; i++) {
        other[2 * i] = xy[2 * i + 1] * 1.5F + 3;
        other[2 * i + 1] = xy[2 * i] * 0.5F + 3;
    }
    glim_procrustes(&disparity, NULL, xy, other, 300);
    assert_near(disparity, numbers[6], 1e-5, "scipy's disparity");
    glim__safetensors_close(file);
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_have_the_numbers_of_peers),
        cmocka_unit_test(components_are_numpys),
        cmocka_unit_test(a_random_subspace_finds_few_components),
        cmocka_unit_test(groups_stay_together_and_take_new_points),
        cmocka_unit_test(an_index_finds_most_and_the_same),
        cmocka_unit_test(bits_depend_on_no_thread),
        cmocka_unit_test(few_equal_and_broken_points_are_told),
        cmocka_unit_test(no_refused_allocation_leaks),
        cmocka_unit_test(an_ended_run_leaves_a_map),
        cmocka_unit_test(a_turned_map_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
