/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbours-index.cc: approximate neighbours by hnswlib (Malkov, Yashunin 2018), the one file of
 * C++. Points that several threads add at once make another graph every time; so there is a
 * fixed number of graphs, each of every SHARDS-th point and built in order by one thread. All
 * are asked, and the nearest of their answers kept.
 */
extern "C" {
#include "reduce/neighbours.h"
}

#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <vector>

namespace {

constexpr size_t SHARDS = 8, LINKS = 16, BREADTH = 120, ROWS = 256;

struct index_run {
    index_run(glim_neighbours *to, const glim_cloud *c, uint64_t first, size_t width)
        : out(to), among(c), seed(first), space(width) {}
    glim_neighbours *out;
    const glim_cloud *among;
    uint64_t seed;
    hnswlib::L2Space space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> shard[SHARDS];
    std::atomic<bool> failed{false};
    size_t start = 0;
};

void build(void *data, size_t item, int) {
    auto *r = static_cast<index_run *>(data);
    const glim_cloud *c = r->among;
    try {
        size_t count = (c->n - item + SHARDS - 1) / SHARDS;
        r->shard[item] = std::make_unique<hnswlib::HierarchicalNSW<float>>(&r->space, count, LINKS,
                                                                           BREADTH, r->seed + item);
        for (size_t i = item; i < c->n; i += SHARDS) {
            if ((i / SHARDS) % 1024 == 0 && glim_context_cancelled(r->out->ctx))
                return;
            r->shard[item]->addPoint(c->x + i * c->width, i);
        }
        r->shard[item]->setEf(std::max<size_t>(r->out->k / 2 + 32, 64));
    } catch (...) {
        r->failed = true;
    }
}

using found = std::pair<double, uint32_t>;

double square(const float *a, const float *b, size_t width) {
    double sum = 0;
    for (size_t k = 0; k < width; k++)
        sum += (double(a[k]) - b[k]) * (double(a[k]) - b[k]);
    return sum;
}

void ask_one(index_run *r, size_t i, std::vector<found> &all) {
    glim_neighbours *o = r->out;
    const glim_cloud *c = r->among;
    const float *x = c->x + i * c->width;
    all.clear();
    for (auto &shard : r->shard) {
        auto heap = shard->searchKnn(x, std::min(o->k + 1, size_t(shard->cur_element_count)));
        for (; !heap.empty(); heap.pop())
            if (heap.top().second != i) {
                auto at = uint32_t(heap.top().second);
                all.emplace_back(square(x, c->x + at * c->width, c->width), at);
            }
    }
    std::sort(all.begin(), all.end());
    for (size_t k = 0; k < o->k; k++) {
        o->of[i * o->k + k] = all[k].second;
        o->distance[i * o->k + k] = float(std::sqrt(all[k].first));
    }
}

void ask(void *data, size_t item, int) {
    auto *r = static_cast<index_run *>(data);
    size_t from = (r->start + item) * ROWS, to = std::min(from + ROWS, r->among->n);
    try {
        std::vector<found> all;
        for (size_t i = from; i < to; i++)
            ask_one(r, i, all);
    } catch (...) {
        r->failed = true;
    }
}

glim_status run(index_run &r, glim_error *err) {
    glim_context *ctx = r.out->ctx;
    size_t items = (r.among->n + ROWS - 1) / ROWS, step = 32;
    glim__progress_begin(ctx, "index of neighbours", 2 * items);
    glim__parallel(ctx, SHARDS, build, &r);
    glim__progress_add(ctx, items);
    glim_status status = glim__check_cancel(ctx, err);
    for (; r.start < items && !status && !r.failed; r.start += step) {
        size_t some = std::min(step, items - r.start);
        glim__parallel(ctx, some, ask, &r);
        glim__progress_add(ctx, some);
        status = glim__check_cancel(ctx, err);
    }
    glim__progress_end(ctx);
    if (!status && r.failed)
        status = glim_fail(err, GLIM_ENOMEM, "out of memory: the index of neighbours");
    return status;
}

} // namespace

extern "C" uint64_t glim__neighbours_index_plan(size_t n, size_t width) {
    return uint64_t(n) * (width * sizeof(float) + 2 * LINKS * 4 + 64);
}

extern "C" glim_status glim__neighbours_index(glim_neighbours *out, const glim_cloud *among,
                                              uint64_t seed, glim_error *err) {
    if (among->n < SHARDS * (out->k + 1))
        return glim_fail(err, GLIM_EUSAGE,
                         "%zu points are too few for an index (--neighbours exact)", among->n);
    uint64_t bytes = glim__neighbours_index_plan(among->n, among->width);
    if (!glim__reserve(out->ctx, bytes))
        return glim__oom(out->ctx, err, "the index of neighbours", bytes);
    glim_status status;
    try {
        index_run r{out, among, seed, among->width};
        status = run(r, err);
    } catch (...) {
        status = glim_fail(err, GLIM_ENOMEM, "out of memory: the index of neighbours");
    }
    glim__unreserve(out->ctx, bytes);
    return status;
}
