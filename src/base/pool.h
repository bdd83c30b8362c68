/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h: the threads of a context; for the files of base alone. Everybody
 * else calls glim__parallel.
 */
#ifndef GLIM_BASE_POOL_H
#define GLIM_BASE_POOL_H

#include "base/context.h"

typedef struct glim_pool glim_pool;

/* Starts threads - 1 workers; NULL when memory or a thread is refused. */
glim_pool *glim__pool_new(int threads);
void glim__pool_free(glim_pool *pool);
int glim__pool_threads(const glim_pool *pool);
void glim__pool_run(glim_pool *pool, size_t items, glim_work_fn *fn, void *data);
/* Keeps runs out while the scratch of the workers is exchanged. */
void glim__pool_lock(glim_pool *pool);
void glim__pool_unlock(glim_pool *pool);

#endif
