/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far to trust a map. Each point of a sample is compared with all points, in the space as
 * given and in the map: its distances to all are in memory, one point at a time for each thread,
 * so that no matrix of all pairs is made. Trustworthiness and continuity: Venna, Kaski 2001.
 */
#include "base/context.h"
#include "base/rng.h"
#include "influence/truth.h"

#include <glim/map.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 2000, SAMPLE = 1000, NEAR = 10, WIDE = 50, PAIRS = 10000, DRAW = 0x7175 };

typedef struct one {
    double recall_10, recall_50, far_in_map, far_in_truth;
    double right, right_map, silhouette, silhouette_map; /* NaN: no label */
} one;

typedef struct judging {
    glim_context *ctx;
    const float *x, *xy;
    size_t n, width, sample, classes;
    const int32_t *label;
    const uint32_t *asked;
    const size_t *counts; /* (classes) points of each */
    one *each;            /* (sample) */
    double *pair, *pair_map;
    uint64_t seed;
} judging;

static double square(const float *a, const float *b, size_t width) {
    double sum = 0;
    for (size_t k = 0; k < width; k++)
        sum += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
    return sum;
}

static void squares(double *out, const float *x, size_t n, size_t width, size_t i) {
    for (size_t j = 0; j < n; j++)
        out[j] = square(x + i * width, x + j * width, width);
    out[i] = INFINITY;
}

/* ---- nearest ones and ranks ---- */

/* The k nearest, nearest first, equal ones by their number. */
static void nearest(const double *square, size_t n, uint32_t *out, size_t k) {
    size_t have = 0;
    memset(out, 0, k * sizeof *out);
    for (size_t j = 0; j < n; j++) {
        if (have == k && (!k || square[j] >= square[out[k - 1]]))
            continue;
        size_t at = have < k ? have++ : k - 1;
        for (; at > 0 && square[out[at - 1]] > square[j]; at--)
            out[at] = out[at - 1];
        out[at] = (uint32_t)j;
    }
}

static double shared(const uint32_t *a, const uint32_t *b, size_t k) {
    size_t both = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            both += a[i] == b[j];
    return (double)both / (double)k;
}

/* By how much the k nearest of one space miss to be among those of the other. */
static double misses(const double *square, size_t n, const uint32_t *near, size_t k) {
    double sum = 0;
    for (size_t c = 0; c < k; c++) {
        size_t rank = 1, at = near[c];
        for (size_t j = 0; j < n; j++)
            rank += square[j] < square[at] || (square[j] == square[at] && j < at);
        sum += rank > k ? (double)(rank - k) : 0;
    }
    return sum;
}

/* ---- labels ---- */

/* 1 when most of the k nearest that have a label have this one; of equals the nearer wins. */
static double vote(const judging *s, const uint32_t *near, size_t k, int32_t label) {
    int32_t best = -1;
    size_t most = 0;
    for (size_t c = 0; c < k; c++) {
        size_t count = 0;
        for (size_t d = 0; d < k; d++)
            count += s->label[near[d]] == s->label[near[c]];
        if (s->label[near[c]] >= 0 && count > most) {
            most = count;
            best = s->label[near[c]];
        }
    }
    return best == label;
}

/* (b - a) / max(a, b): a the mean distance to one's own, b to the nearest other label's. */
static double silhouette(const judging *s, const double *square, size_t i, double *sums) {
    size_t own = (size_t)s->label[i];
    memset(sums, 0, s->classes * sizeof *sums);
    for (size_t j = 0; j < s->n; j++)
        if (s->label[j] >= 0 && j != i)
            sums[s->label[j]] += sqrt(square[j]);
    if (s->counts[own] < 2)
        return 0;
    double a = sums[own] / (double)(s->counts[own] - 1), b = INFINITY;
    for (size_t c = 0; c < s->classes; c++)
        if (c != own && s->counts[c])
            b = fmin(b, sums[c] / (double)s->counts[c]);
    return fmax(a, b) > 0 && isfinite(b) ? (b - a) / fmax(a, b) : isfinite(b) ? 0 : NAN;
}

static void judge_one(void *data, size_t item, int worker) {
    judging *s = data;
    size_t i = s->asked[item], k = s->n - 1 < NEAR ? s->n - 1 : NEAR;
    size_t wide = s->n - 1 < WIDE ? s->n - 1 : WIDE;
    double *truth = glim__scratch(s->ctx, worker), *map = truth + s->n, *sums = map + s->n;
    uint32_t near[WIDE], near_map[WIDE];
    if (glim_context_cancelled(s->ctx))
        return;
    squares(truth, s->x, s->n, s->width, i);
    squares(map, s->xy, s->n, 2, i);
    nearest(truth, s->n, near, wide);
    nearest(map, s->n, near_map, wide);
    bool labelled = s->label && s->label[i] >= 0 && s->classes > 1;
    s->each[item] = (one){
        .recall_10 = shared(near, near_map, k),
        .recall_50 = shared(near, near_map, wide),
        .far_in_truth = misses(truth, s->n, near_map, k),
        .far_in_map = misses(map, s->n, near, k),
        .right = labelled ? vote(s, near, k, s->label[i]) : NAN,
        .right_map = labelled ? vote(s, near_map, k, s->label[i]) : NAN,
        .silhouette = labelled ? silhouette(s, truth, i, sums) : NAN,
        .silhouette_map = labelled ? silhouette(s, map, i, sums) : NAN,
    };
}

/* ---- distances of random pairs ---- */

static glim_status distance_correlation(judging *s, double *out, glim_error *err) {
    for (size_t i = 0; i < PAIRS; i++) {
        uint32_t a = glim__rng_below(s->seed, i, DRAW, (uint32_t)s->n);
        uint32_t b = glim__rng_below(s->seed, i, DRAW + 1, (uint32_t)s->n - 1);
        b += b >= a;
        s->pair[i] = square(s->x + a * s->width, s->x + b * s->width, s->width);
        s->pair_map[i] = square(s->xy + 2 * (size_t)a, s->xy + 2 * (size_t)b, 2);
    }
    return glim__truth_spearman(s->ctx, s->pair, s->pair_map, PAIRS, out, err);
}

/* ---- all of it ---- */

static void draw_sample(judging *s, uint32_t *asked) {
    for (size_t i = 0; i < s->n && s->sample == s->n; i++)
        asked[i] = (uint32_t)i;
    /* Floyd's: different numbers, without a list of all */
    for (size_t i = 0; i < s->sample && s->sample < s->n; i++) {
        size_t last = s->n - s->sample + i;
        uint32_t at = glim__rng_below(s->seed, i, DRAW + 2, (uint32_t)last + 1);
        for (size_t j = 0; j < i; j++)
            if (asked[j] == at) {
                at = (uint32_t)last;
                break;
            }
        asked[i] = at;
    }
}

static double mean_of(const judging *s, size_t offset) {
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->sample; i++) {
        double v;
        memcpy(&v, (const char *)&s->each[i] + offset, sizeof v);
        sum += isfinite(v) ? v : 0;
        n += isfinite(v);
    }
    return n ? sum / (double)n : NAN;
}

static void sum_up(const judging *s, glim_map_quality *q) {
    double n = (double)s->n, k = n - 1 < NEAR ? n - 1 : NEAR;
    double worst = 2 / (k * (2 * n - 3 * k - 1));
    bool ranks = 2 * k < n; /* beyond, the formula has no meaning */
    q->recall_10 = mean_of(s, offsetof(one, recall_10));
    q->recall_50 = s->n > WIDE ? mean_of(s, offsetof(one, recall_50)) : NAN;
    q->trustworthiness = ranks ? 1 - worst * mean_of(s, offsetof(one, far_in_truth)) : NAN;
    q->continuity = ranks ? 1 - worst * mean_of(s, offsetof(one, far_in_map)) : NAN;
    q->label_accuracy = mean_of(s, offsetof(one, right));
    q->label_accuracy_map = mean_of(s, offsetof(one, right_map));
    q->silhouette = mean_of(s, offsetof(one, silhouette));
    q->silhouette_map = mean_of(s, offsetof(one, silhouette_map));
}

static glim_status run(judging *s, glim_map_quality *q, uint32_t *asked, glim_error *err) {
    draw_sample(s, asked);
    glim_status status =
        glim__scratch_reserve(s->ctx, (2 * s->n + s->classes) * sizeof(double), err);
    glim__progress_begin(s->ctx, "quality", s->sample);
    for (size_t from = 0, step = 64; from < s->sample && !status; from += step) {
        judging part = *s;
        part.asked = asked + from;
        part.each = s->each + from;
        size_t some = s->sample - from < step ? s->sample - from : step;
        glim__parallel(s->ctx, some, judge_one, &part);
        glim__progress_add(s->ctx, some);
        status = glim__check_cancel(s->ctx, err);
    }
    glim__progress_end(s->ctx);
    if (!status) {
        sum_up(s, q);
        status = distance_correlation(s, &q->distance_correlation, err);
    }
    return status;
}

static size_t count_classes(const int32_t *label, size_t n) {
    int32_t most = -1;
    for (size_t i = 0; label && i < n; i++)
        most = label[i] > most ? label[i] : most;
    return (size_t)most + 1;
}

glim_status glim_embed_quality(glim_map_quality *out, glim_context *ctx, const float *x, size_t n,
                               size_t width, const float *xy, const int32_t *label, uint64_t seed,
                               glim_error *err) {
    judging s = {.ctx = ctx, .x = x, .xy = xy, .n = n, .width = width, .label = label};
    s.seed = seed;
    s.sample = n <= ALL ? n : SAMPLE;
    s.classes = count_classes(label, n);
    *out = (glim_map_quality){s.sample, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (n < 3)
        return GLIM_OK;
    uint32_t *asked = glim__calloc(ctx, s.sample, sizeof *asked);
    size_t *counts = glim__calloc(ctx, s.classes + 1, sizeof *counts);
    s.each = glim__calloc(ctx, s.sample, sizeof *s.each);
    s.pair = glim__calloc(ctx, PAIRS, sizeof *s.pair);
    s.pair_map = glim__calloc(ctx, PAIRS, sizeof *s.pair_map);
    s.counts = counts;
    bool ok = asked && counts && s.each && s.pair && s.pair_map;
    for (size_t i = 0; ok && label && i < n; i++)
        counts[label[i] >= 0 ? (size_t)label[i] : s.classes]++;
    glim_status status =
        ok ? run(&s, out, asked, err) : glim__oom(ctx, err, "the quality of a map", PAIRS * 16);
    void *const all[] = {asked, counts, s.each, s.pair, s.pair_map};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(ctx, all[i]);
    return status;
}
