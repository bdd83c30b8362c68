/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workspace.h: float buffers that are used again and again by one session. Fresh
 * pages cost more than the arithmetic on them, so a buffer given back is kept
 * for the next value of at most its size. Every buffer has 64 bytes of slack
 * behind it, which vector kernels may read.
 */
#ifndef GLIM_GRAPH_WORKSPACE_H
#define GLIM_GRAPH_WORKSPACE_H

#include "base/context.h"

typedef struct glim_workspace_buffer {
    float *data;
    size_t size; /* floats */
    bool used;
} glim_workspace_buffer;

typedef struct glim_workspace {
    glim_context *ctx;
    glim_workspace_buffer *buffers;
    size_t count, cap;
} glim_workspace;

void glim__workspace_init(glim_workspace *space, glim_context *ctx);
/* NULL when refused. The content is undefined. */
float *glim__workspace_take(glim_workspace *space, size_t floats);
void glim__workspace_give(glim_workspace *space, float *data); /* NULL is fine */
/* Frees the buffers that nobody uses. */
void glim__workspace_trim(glim_workspace *space);
void glim__workspace_release(glim_workspace *space);

#endif
