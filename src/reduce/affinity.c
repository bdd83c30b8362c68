/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p_{j|i} = exp(-b_i d_ij^2) / S_i with b_i such that the entropy H = log S + b E[d^2] is the
 * logarithm of the perplexity. dH / d(log b) = -b^2 Var[d^2], so Newton's steps in log b find it
 * in five or six, held inside a bracket that every step narrows. Then
 * P = (p_{j|i} + p_{i|j}) / 2n: a row of P merges a row of p with one of its transpose, both
 * sorted; the transpose is counted out in the order of rows.
 */
#include "reduce/affinity.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 100, ROWS = 128 };

typedef struct moments {
    double entropy, spread; /* H, b^2 Var */
} moments;

/* squares are counted from the smallest, so that S >= 1 */
static moments weigh(double *p, const float *distance, size_t k, double b) {
    double sum = 0, mean = 0, var = 0, least = (double)distance[0] * distance[0];
    for (size_t j = 0; j < k; j++) {
        double t = b * ((double)distance[j] * distance[j] - least);
        p[j] = exp(-t);
        sum += p[j];
        mean += p[j] * t;
        var += p[j] * t * t;
    }
    mean /= sum;
    for (size_t j = 0; j < k; j++)
        p[j] /= sum;
    return (moments){log(sum) + mean, var / sum - mean * mean};
}

void glim__affinity_row(double *p, const float *distance, size_t k, double perplexity) {
    double first = (double)distance[0] * distance[0];
    double range = (double)distance[k - 1] * distance[k - 1] - first, goal = log(perplexity);
    if (!(range > 0) || perplexity >= (double)k) { /* all equally far */
        for (size_t j = 0; j < k; j++)
            p[j] = 1 / (double)k;
        return;
    }
    double low = -INFINITY, high = INFINITY, at = log(1 / range);
    for (int step = 0; step < STEPS; step++) {
        moments m = weigh(p, distance, k, exp(at));
        double off = m.entropy - goal;
        if (fabs(off) < 1e-9)
            break;
        *(off > 0 ? &low : &high) = at;
        double next = at + off / m.spread;
        if (!(next > low && next < high) || fabs(next - at) > 3)
            next = isinf(low) ? at - 2 : isinf(high) ? at + 2 : (low + high) / 2;
        if (next == at || fabs(next) > 600) /* as many equal distances as the perplexity */
            break;
        at = next;
    }
}

/* ---- rows, sorted by column ---- */

typedef struct entry {
    uint32_t to;
    float p;
} entry;

typedef struct merging {
    glim_context *ctx;
    const glim_neighbours *near;
    double perplexity;
    entry *rows;     /* (n, k) p_{j|i} */
    uint64_t *start; /* (n + 1) of the transpose */
    entry *turned;   /* its rows */
    glim_affinity *out;
    double *entropy; /* (blocks) */
} merging;

static int by_column(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return (x->to > y->to) - (x->to < y->to);
}

static void fill_rows(void *data, size_t item, int worker) {
    merging *m = data;
    size_t n = m->near->n, k = m->near->k;
    double *p = glim__scratch(m->ctx, worker);
    for (size_t i = item * ROWS; i < n && i < (item + 1) * ROWS; i++) {
        entry *row = m->rows + i * k;
        glim__affinity_row(p, m->near->distance + i * k, k, m->perplexity);
        for (size_t j = 0; j < k; j++)
            row[j] = (entry){m->near->of[i * k + j], (float)p[j]};
        qsort(row, k, sizeof *row, by_column);
    }
}

static void transpose(merging *m) {
    size_t n = m->near->n, k = m->near->k;
    for (size_t e = 0; e < n * k; e++)
        m->start[m->rows[e].to + 1]++;
    for (size_t i = 0; i < n; i++)
        m->start[i + 1] += m->start[i];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) {
            entry e = m->rows[i * k + j];
            m->turned[m->start[e.to]++] = (entry){(uint32_t)i, e.p};
        }
    for (size_t i = n; i > 0; i--)
        m->start[i] = m->start[i - 1];
    m->start[0] = 0;
}

/* The union of two sorted rows: its length, and unless `to` is NULL its entries. */
static size_t unite(const merging *m, size_t i, uint32_t *to, float *p) {
    const entry *a = m->rows + i * m->near->k, *a_end = a + m->near->k;
    const entry *b = m->turned + m->start[i], *b_end = m->turned + m->start[i + 1];
    size_t n = 0;
    for (; a < a_end || b < b_end; n++) {
        uint32_t at = b == b_end || (a < a_end && a->to < b->to) ? a->to : b->to;
        double sum = 0;
        if (a < a_end && a->to == at)
            sum += a++->p;
        if (b < b_end && b->to == at)
            sum += b++->p;
        if (to) {
            to[n] = at;
            p[n] = (float)(sum / (2 * (double)m->near->n));
        }
    }
    return n;
}

static void count_row(void *data, size_t item, int worker) {
    merging *m = data;
    for (size_t i = item * ROWS; i < m->near->n && i < (item + 1) * ROWS; i++)
        m->out->from[i + 1] = unite(m, i, NULL, NULL);
}

static void unite_row(void *data, size_t item, int worker) {
    merging *m = data;
    glim_affinity *o = m->out;
    double sum = 0;
    for (size_t i = item * ROWS; i < m->near->n && i < (item + 1) * ROWS; i++) {
        unite(m, i, o->to + o->from[i], o->p + o->from[i]);
        for (uint64_t e = o->from[i]; e < o->from[i + 1]; e++)
            sum += o->p[e] > 0 ? o->p[e] * log(o->p[e]) : 0;
    }
    m->entropy[item] = sum;
}

static glim_status merge(merging *m, glim_error *err) {
    glim_affinity *o = m->out;
    size_t n = m->near->n, items = (n + ROWS - 1) / ROWS;
    glim__parallel(m->ctx, items, fill_rows, m);
    transpose(m);
    glim__parallel(m->ctx, items, count_row, m);
    for (size_t i = 0; i < n; i++)
        o->from[i + 1] += o->from[i];
    o->to = glim__alloc(m->ctx, o->from[n] * sizeof *o->to);
    o->p = glim__alloc(m->ctx, o->from[n] * sizeof *o->p);
    if (!o->to || !o->p)
        return glim__oom(m->ctx, err, "affinities", o->from[n] * 8);
    glim__parallel(m->ctx, items, unite_row, m);
    for (size_t i = 0; i < items; i++)
        o->entropy += m->entropy[i];
    return GLIM_OK;
}

glim_status glim__affinity(glim_affinity *out, const glim_neighbours *near, double perplexity,
                           glim_error *err) {
    glim_context *ctx = near->ctx;
    size_t n = near->n, k = near->k;
    merging m = {.ctx = ctx, .near = near, .perplexity = perplexity, .out = out};
    *out = (glim_affinity){.ctx = ctx, .n = n};
    glim_status status = glim__scratch_reserve(ctx, k * sizeof(double), err);
    out->from = glim__calloc(ctx, n + 1, sizeof *out->from);
    m.start = glim__calloc(ctx, n + 2, sizeof *m.start);
    m.rows = glim__calloc(ctx, n, k * sizeof *m.rows);
    m.turned = glim__calloc(ctx, n, k * sizeof *m.turned);
    m.entropy = glim__calloc(ctx, n / ROWS + 1, sizeof *m.entropy);
    if (!status)
        status = out->from && m.start && m.rows && m.turned && m.entropy
                     ? merge(&m, err)
                     : glim__oom(ctx, err, "affinities", 16 * n * k);
    glim__free(ctx, m.start);
    glim__free(ctx, m.rows);
    glim__free(ctx, m.turned);
    glim__free(ctx, m.entropy);
    if (status)
        glim__affinity_release(out);
    return status;
}

void glim__affinity_release(glim_affinity *a) {
    if (a->ctx) {
        glim__free(a->ctx, a->from);
        glim__free(a->ctx, a->to);
        glim__free(a->ctx, a->p);
    }
    *a = (glim_affinity){0};
}

uint64_t glim__affinity_plan(size_t n, size_t k) {
    return (uint64_t)n * k * (16 + 2 * 8) + (uint64_t)n * 16;
}
