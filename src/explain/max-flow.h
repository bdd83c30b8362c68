/* SPDX-License-Identifier: Apache-2.0 */
/*
 * max-flow.h: the most that flows from a node to another through edges of limited
 * capacity. The network is built once; each problem has capacities of its own, so
 * problems can run beside one another.
 */
#ifndef GLIM_EXPLAIN_MAX_FLOW_H
#define GLIM_EXPLAIN_MAX_FLOW_H

#include "base/context.h"

/* Edge k runs from tail[k] to tail[k ^ 1]; an odd one is the way back, capacity 0. */
typedef struct glim_network {
    glim_context *ctx;
    size_t nodes, edges, most; /* edges: ways back included; most: that there is room for */
    uint32_t *tail, *next, *first;
    double *capacity;
} glim_network;

/* What a problem needs while it is solved. */
typedef struct glim_flow {
    double *left;                        /* (edges) capacity that is left */
    uint32_t *level, *at, *queue, *path; /* (nodes) each */
} glim_flow;

/* Room for `edges` edges. Errors: ENOMEM, EBUDGET. */
glim_status glim__network_init(glim_network *n, glim_context *ctx, size_t nodes, size_t edges,
                               glim_error *err);
void glim__network_release(glim_network *n);
void glim__network_add(glim_network *n, size_t from, size_t to, double capacity);
uint64_t glim__network_bytes(size_t nodes, size_t edges);

glim_status glim__flow_init(glim_flow *f, const glim_network *n, glim_error *err);
void glim__flow_release(glim_flow *f, const glim_network *n);
uint64_t glim__flow_bytes(size_t nodes, size_t edges);
/* The largest flow; *cut = capacity of the cut that it fills, the same but for rounding. */
double glim__max_flow(const glim_network *n, glim_flow *f, size_t from, size_t to, double *cut);

#endif
