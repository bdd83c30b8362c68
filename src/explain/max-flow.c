/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maximum flow by Dinic's algorithm (1970): levels by breadth, then paths along levels
 * until none is left, and again until the target has no level. Every path fills an edge
 * exactly, so it ends for real capacities too; what is below TINY counts as nothing. The
 * search keeps its path itself: residual paths can be as long as there are nodes.
 */
#include "explain/max-flow.h"

#include <string.h>

static const double TINY = 1e-13;
static const uint32_t NONE = UINT32_MAX;

glim_status glim__network_init(glim_network *n, glim_context *ctx, size_t nodes, size_t edges,
                               glim_error *err) {
    *n = (glim_network){.ctx = ctx, .nodes = nodes, .most = 2 * edges};
    n->tail = glim__calloc(ctx, n->most + 1, sizeof *n->tail);
    n->next = glim__calloc(ctx, n->most + 1, sizeof *n->next);
    n->capacity = glim__calloc(ctx, n->most + 1, sizeof *n->capacity);
    n->first = glim__calloc(ctx, nodes + 1, sizeof *n->first);
    if (!n->tail || !n->next || !n->capacity || !n->first) {
        glim__network_release(n);
        return glim__oom(ctx, err, "a network", glim__network_bytes(nodes, edges));
    }
    for (size_t i = 0; i < nodes; i++)
        n->first[i] = NONE;
    return GLIM_OK;
}

void glim__network_release(glim_network *n) {
    if (!n->ctx)
        return;
    glim__free(n->ctx, n->tail);
    glim__free(n->ctx, n->next);
    glim__free(n->ctx, n->capacity);
    glim__free(n->ctx, n->first);
    *n = (glim_network){0};
}

uint64_t glim__network_bytes(size_t nodes, size_t edges) {
    return (uint64_t)(2 * edges + 1) * (2 * sizeof(uint32_t) + sizeof(double)) +
           (nodes + 1) * sizeof(uint32_t) + 256;
}

static void add_one(glim_network *n, size_t from, double capacity) {
    uint32_t k = (uint32_t)n->edges++;
    n->tail[k] = (uint32_t)from;
    n->capacity[k] = capacity;
    n->next[k] = n->first[from];
    n->first[from] = k;
}

void glim__network_add(glim_network *n, size_t from, size_t to, double capacity) {
    if (capacity <= TINY || n->edges + 2 > n->most)
        return;
    add_one(n, from, capacity);
    add_one(n, to, 0);
}

glim_status glim__flow_init(glim_flow *f, const glim_network *n, glim_error *err) {
    *f = (glim_flow){.left = glim__calloc(n->ctx, n->most + 1, sizeof *f->left),
                     .level = glim__calloc(n->ctx, 4 * n->nodes + 1, sizeof *f->level)};
    if (!f->left || !f->level) {
        glim__flow_release(f, n);
        return glim__oom(n->ctx, err, "a flow", glim__flow_bytes(n->nodes, n->most / 2));
    }
    f->at = f->level + n->nodes;
    f->queue = f->at + n->nodes;
    f->path = f->queue + n->nodes;
    return GLIM_OK;
}

void glim__flow_release(glim_flow *f, const glim_network *n) {
    glim__free(n->ctx, f->left);
    glim__free(n->ctx, f->level);
    *f = (glim_flow){0};
}

uint64_t glim__flow_bytes(size_t nodes, size_t edges) {
    return (uint64_t)(2 * edges + 1) * sizeof(double) + (4 * nodes + 1) * sizeof(uint32_t) + 128;
}

/* Levels of what can still be reached; false when the target cannot. */
static bool find_levels(const glim_network *n, glim_flow *f, uint32_t from, uint32_t to) {
    size_t head = 0, tail = 0;
    for (size_t i = 0; i < n->nodes; i++)
        f->level[i] = NONE;
    f->level[from] = 0;
    f->queue[tail++] = from;
    while (head < tail) {
        uint32_t u = f->queue[head++];
        for (uint32_t k = n->first[u]; k != NONE; k = n->next[k]) {
            uint32_t v = n->tail[k ^ 1];
            if (f->left[k] <= TINY || f->level[v] != NONE)
                continue;
            f->level[v] = f->level[u] + 1;
            f->queue[tail++] = v;
        }
    }
    return f->level[to] != NONE;
}

/* Fills the path of `length` edges; returns how much of it stays: up to the first edge
   that is full now. */
static size_t fill_path(const glim_network *n, glim_flow *f, size_t length, double *flow) {
    double most = f->left[f->path[0]];
    size_t stays = 0;
    for (size_t i = 1; i < length; i++)
        most = f->left[f->path[i]] < most ? f->left[f->path[i]] : most;
    for (size_t i = length; i-- > 0;) {
        f->left[f->path[i]] -= most;
        f->left[f->path[i] ^ 1] += most;
        stays = f->left[f->path[i]] <= TINY ? i : stays;
    }
    *flow += most;
    return stays;
}

/* Paths along levels until none is left. */
static double fill_levels(const glim_network *n, glim_flow *f, uint32_t from, uint32_t to) {
    double flow = 0;
    size_t length = 0;
    uint32_t u = from;
    memcpy(f->at, n->first, n->nodes * sizeof *f->at);
    for (;;) {
        if (u == to) {
            length = fill_path(n, f, length, &flow);
            u = n->tail[f->path[length]];
            continue;
        }
        uint32_t k = f->at[u];
        while (k != NONE && (f->left[k] <= TINY || f->level[n->tail[k ^ 1]] != f->level[u] + 1))
            k = n->next[k];
        f->at[u] = k;
        if (k != NONE) {
            f->path[length++] = k;
            u = n->tail[k ^ 1];
        } else if (length) { /* a dead end: back, and never again */
            u = n->tail[f->path[--length]];
            f->at[u] = n->next[f->at[u]];
        } else {
            return flow;
        }
    }
}

double glim__max_flow(const glim_network *n, glim_flow *f, size_t from, size_t to, double *cut) {
    double flow = 0;
    memcpy(f->left, n->capacity, n->edges * sizeof *f->left);
    while (find_levels(n, f, (uint32_t)from, (uint32_t)to))
        flow += fill_levels(n, f, (uint32_t)from, (uint32_t)to);
    *cut = 0;
    for (size_t k = 0; k < n->edges; k += 2)
        if (f->level[n->tail[k]] != NONE && f->level[n->tail[k + 1]] == NONE)
            *cut += n->capacity[k];
    return flow;
}
