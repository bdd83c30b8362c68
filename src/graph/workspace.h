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

#include <pthread.h>

typedef struct glim_workspace_buffer glim_workspace_buffer;

/* Stays in its place from init to release. */
typedef struct glim_workspace {
    glim_context *ctx;
    pthread_mutex_t lock; /* of the list: any thread may trim */
    glim_workspace_buffer *first;
    glim_holder holder;
} glim_workspace;

void glim__workspace_init(glim_workspace *space, glim_context *ctx);
/* NULL when refused. The content is undefined. */
float *glim__workspace_take(glim_workspace *space, size_t floats);
void glim__workspace_give(glim_workspace *space, float *data); /* NULL is fine */
/* Frees the buffers that nobody uses; the context asks for it before it refuses an
   allocation. */
void glim__workspace_trim(glim_workspace *space);
uint64_t glim__workspace_idle(glim_workspace *space); /* bytes that trim would free */
void glim__workspace_release(glim_workspace *space);

#endif
