/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact neighbours. |a - b|^2 = |a|^2 + |b|^2 - 2 ab, so the nearest b have the largest
 * ab - |b|^2 / 2: a product of matrices with one more column, in floats and of points that were
 * moved to their mean. Rounding may exchange candidates, so a few more are kept than asked for,
 * and their distances are computed again as sums of squares in double. What is kept of one point
 * depends on neither threads nor blocks: candidates come in the order of their numbers.
 */
#include "reduce/neighbours.h"

#include "base/rng.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 96, PANEL = GLIM_TILE_N, SLACK = 16, EXACT_MOST = 150000, JUDGED = 200 };

typedef struct candidate {
    float score;
    uint32_t at;
} candidate;

typedef struct near_pair {
    double square;
    uint32_t at;
} near_pair;

typedef struct search {
    glim_context *ctx;
    const glim_cloud *among;
    const float *asked;     /* (m, width), or NULL: rows `points` of among */
    const uint32_t *points; /* or NULL: all of among */
    size_t m, k, keep, depth;
    float *mean;   /* (width) */
    float *panels; /* (panels, width + 1, PANEL) */
    size_t n_panels, start;
    glim_neighbours *out;
} search;

static const float *asked_row(const search *s, size_t i) {
    return s->asked ? s->asked + i * s->among->width
                    : s->among->x + (s->points ? s->points[i] : i) * s->among->width;
}

static size_t itself(const search *s, size_t i) {
    return s->asked ? SIZE_MAX : s->points ? s->points[i] : i;
}

static void find_mean(search *s) {
    const glim_cloud *c = s->among;
    for (size_t k = 0; k < c->width; k++) {
        double sum = 0;
        for (size_t i = 0; i < c->n; i++)
            sum += c->x[i * c->width + k];
        s->mean[k] = (float)(sum / (double)c->n);
    }
}

static void pack_panel(void *data, size_t item, int worker) {
    search *s = data;
    size_t width = s->among->width;
    float *to = s->panels + item * s->depth * PANEL;
    for (size_t j = 0; j < PANEL; j++) {
        size_t row = item * PANEL + j;
        const float *x = s->among->x + row * width;
        double square = 0;
        for (size_t k = 0; k < width; k++) {
            float v = row < s->among->n ? x[k] - s->mean[k] : 0;
            to[k * PANEL + j] = v;
            square += (double)v * v;
        }
        to[width * PANEL + j] = row < s->among->n ? (float)(-square / 2) : -INFINITY;
    }
}

/* ---- the best of a row: a heap whose root is the worst ---- */

static bool worse(candidate a, candidate b) {
    return a.score < b.score || (a.score == b.score && a.at > b.at);
}

static void sink(candidate *heap, size_t n, candidate c) {
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && worse(heap[child + 1], heap[child]);
        if (!worse(heap[child], c))
            break;
        heap[at] = heap[child];
    }
    heap[at] = c;
}

/* A row of products; the first `keep` candidates of all were put in as -inf. */
static void take(const search *s, candidate *heap, const float *score, size_t first, size_t self) {
    for (size_t j = 0; j < PANEL; j++)
        if (score[j] > heap->score && first + j != self)
            sink(heap, s->keep, (candidate){score[j], (uint32_t)(first + j)});
}

static int nearer(const void *a, const void *b) {
    const near_pair *p = a, *q = b;
    return p->square != q->square ? (p->square < q->square ? -1 : 1)
                                  : (p->at > q->at) - (p->at < q->at);
}

/* Distances once more, in double; the nearest k. */
static void settle(const search *s, size_t i, const candidate *heap, near_pair *pairs) {
    const float *x = asked_row(s, i);
    size_t width = s->among->width, n = 0;
    for (size_t c = 0; c < s->keep; c++) {
        if (heap[c].score == -INFINITY)
            continue;
        const float *y = s->among->x + heap[c].at * width;
        double sum = 0;
        for (size_t k = 0; k < width; k++)
            sum += ((double)x[k] - y[k]) * ((double)x[k] - y[k]);
        pairs[n++] = (near_pair){sum, heap[c].at};
    }
    qsort(pairs, n, sizeof *pairs, nearer);
    for (size_t c = 0; c < s->k; c++) {
        s->out->of[i * s->k + c] = pairs[c].at;
        s->out->distance[i * s->k + c] = (float)sqrt(pairs[c].square);
    }
}

static size_t scratch_floats(const search *s) {
    return ROWS * (s->depth + PANEL);
}

static void search_rows(void *data, size_t item, int worker) {
    search *s = data;
    size_t width = s->among->width, first = (s->start + item) * ROWS;
    size_t rows = s->m - first < ROWS ? s->m - first : ROWS;
    float *a = glim__scratch(s->ctx, worker), *scores = a + ROWS * s->depth;
    candidate *heaps = (candidate *)(scores + ROWS * PANEL);
    near_pair *pairs = (near_pair *)(heaps + ROWS * s->keep);
    if (glim_context_cancelled(s->ctx))
        return;
    for (size_t i = 0; i < rows; i++) {
        const float *x = asked_row(s, first + i);
        for (size_t k = 0; k < width; k++)
            a[i * s->depth + k] = x[k] - s->mean[k];
        a[i * s->depth + width] = 1;
        for (size_t c = 0; c < s->keep; c++)
            heaps[i * s->keep + c] = (candidate){-INFINITY, UINT32_MAX};
    }
    const glim_kernels *kernels = glim__kernels(s->ctx);
    for (size_t p = 0; p < s->n_panels; p++) {
        kernels->tile((int)rows, PANEL, s->depth, a, (ptrdiff_t)s->depth, 1,
                      s->panels + p * s->depth * PANEL, PANEL, scores, PANEL, false);
        for (size_t i = 0; i < rows; i++)
            if (kernels->max(scores + i * PANEL, PANEL) > heaps[i * s->keep].score)
                take(s, heaps + i * s->keep, scores + i * PANEL, p * PANEL, itself(s, first + i));
    }
    for (size_t i = 0; i < rows; i++)
        settle(s, first + i, heaps + i * s->keep, pairs);
}

static glim_status make_room(search *s, glim_error *err) {
    glim_neighbours *o = s->out;
    const glim_cloud *c = s->among;
    s->depth = c->width + 1;
    s->n_panels = (c->n + PANEL - 1) / PANEL;
    s->keep = s->k + SLACK < c->n ? s->k + SLACK : c->n;
    size_t bytes = scratch_floats(s) * sizeof(float) + ROWS * s->keep * sizeof(candidate) +
                   s->keep * sizeof(near_pair) + 64;
    *o = (glim_neighbours){.ctx = s->ctx, .n = s->m, .k = s->k, .recall = 1};
    s->mean = glim__alloc(s->ctx, s->depth * sizeof *s->mean);
    s->panels = glim__calloc(s->ctx, s->n_panels * s->depth + 1, PANEL * sizeof *s->panels);
    o->of = glim__calloc(s->ctx, s->m, s->k * sizeof *o->of);
    o->distance = glim__calloc(s->ctx, s->m, s->k * sizeof *o->distance);
    if (!s->mean || !s->panels || !o->of || !o->distance)
        return glim__oom(s->ctx, err, "nearest neighbours",
                         s->n_panels * s->depth * PANEL * sizeof(float));
    return glim__scratch_reserve(s->ctx, bytes, err);
}

static glim_status run(search *s, glim_error *err) {
    glim_status status = make_room(s, err);
    if (!status) {
        find_mean(s);
        glim__parallel(s->ctx, s->n_panels, pack_panel, s);
        size_t items = (s->m + ROWS - 1) / ROWS, step = 64;
        glim__progress_begin(s->ctx, "nearest neighbours", items);
        for (s->start = 0; s->start < items && !status; s->start += step) {
            size_t some = items - s->start < step ? items - s->start : step;
            glim__parallel(s->ctx, some, search_rows, s);
            glim__progress_add(s->ctx, some);
            status = glim__check_cancel(s->ctx, err);
        }
        glim__progress_end(s->ctx);
    }
    glim__free(s->ctx, s->mean);
    glim__free(s->ctx, s->panels);
    if (status)
        glim__neighbours_release(s->out);
    return status;
}

static glim_status check(const glim_cloud *among, size_t k, size_t others, glim_error *err) {
    if (k < 1 || k > others)
        return glim_fail(err, GLIM_EUSAGE, "%zu neighbours of %zu points", k, among->n);
    return GLIM_OK;
}

glim_map_search glim__neighbours_choose(size_t n, glim_map_search how) {
    return how != GLIM_MAP_SEARCH_AUTO ? how
           : n > EXACT_MOST            ? GLIM_MAP_SEARCH_APPROXIMATE
                                       : GLIM_MAP_SEARCH_EXACT;
}

/* ---- how good an index is: some points asked exactly ---- */

static bool is_among(const uint32_t *list, size_t k, uint32_t at) {
    for (size_t i = 0; i < k; i++)
        if (list[i] == at)
            return true;
    return false;
}

static glim_status judge_index(glim_neighbours *out, const glim_cloud *among, uint64_t seed,
                               glim_error *err) {
    uint32_t points[JUDGED];
    glim_neighbours exact;
    size_t found = 0;
    for (size_t i = 0; i < JUDGED; i++)
        points[i] = glim__rng_below(seed, i, 0, (uint32_t)among->n);
    glim_status status =
        glim__neighbours_some(&exact, out->ctx, among, points, JUDGED, out->k, err);
    if (status)
        return status;
    for (size_t i = 0; i < JUDGED; i++)
        for (size_t c = 0; c < out->k; c++)
            found += is_among(out->of + points[i] * out->k, out->k, exact.of[i * out->k + c]);
    out->recall = (double)found / (double)(JUDGED * out->k);
    glim__neighbours_release(&exact);
    return GLIM_OK;
}

static glim_status by_index(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                            size_t k, uint64_t seed, glim_error *err) {
    *out = (glim_neighbours){.ctx = ctx, .n = among->n, .k = k, .approximate = true};
    out->of = glim__calloc(ctx, among->n, k * sizeof *out->of);
    out->distance = glim__calloc(ctx, among->n, k * sizeof *out->distance);
    glim_status status = out->of && out->distance
                             ? glim__neighbours_index(out, among, seed, err)
                             : glim__oom(ctx, err, "nearest neighbours", among->n * k * 8);
    if (!status)
        status = judge_index(out, among, seed, err);
    if (status)
        glim__neighbours_release(out);
    return status;
}

glim_status glim__neighbours_find(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                                  size_t k, glim_map_search how, uint64_t seed, glim_error *err) {
    search s = {.ctx = ctx, .among = among, .m = among->n, .k = k, .out = out};
    *out = (glim_neighbours){0};
    glim_status status = check(among, k, among->n - 1, err);
    if (status)
        return status;
    return glim__neighbours_choose(among->n, how) == GLIM_MAP_SEARCH_APPROXIMATE
               ? by_index(out, ctx, among, k, seed, err)
               : run(&s, err);
}

glim_status glim__neighbours_ask(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                                 const glim_cloud *of, size_t k, glim_error *err) {
    search s = {.ctx = ctx, .among = among, .asked = of->x, .m = of->n, .k = k, .out = out};
    *out = (glim_neighbours){0};
    glim_status status = check(among, k, among->n, err);
    return status ? status : run(&s, err);
}

glim_status glim__neighbours_some(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                                  const uint32_t *points, size_t m, size_t k, glim_error *err) {
    search s = {.ctx = ctx, .among = among, .points = points, .m = m, .k = k, .out = out};
    *out = (glim_neighbours){0};
    glim_status status = check(among, k, among->n - 1, err);
    return status ? status : run(&s, err);
}

void glim__neighbours_release(glim_neighbours *out) {
    if (out->ctx) {
        glim__free(out->ctx, out->of);
        glim__free(out->ctx, out->distance);
    }
    *out = (glim_neighbours){0};
}

uint64_t glim__neighbours_plan(size_t n, size_t width, size_t k, glim_map_search how) {
    uint64_t lists = (uint64_t)n * k * 8;
    return lists + (glim__neighbours_choose(n, how) == GLIM_MAP_SEARCH_APPROXIMATE
                        ? glim__neighbours_index_plan(n, width)
                        : (uint64_t)(n + PANEL) * (width + 1) * sizeof(float));
}
