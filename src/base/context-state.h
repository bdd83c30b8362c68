/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context-state.h: the fields of a context, for the files of base alone. Each
 * group belongs to one file: memory.c, pool.c, progress.c, context.c.
 */
#ifndef GLIM_BASE_CONTEXT_STATE_H
#define GLIM_BASE_CONTEXT_STATE_H

#include "base/context.h"
#include "base/pool.h"
#include "base/team.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct glim_memory {
    uint64_t budget; /* 0 = none */
    _Atomic uint64_t bytes, peak;
    _Atomic uint64_t allocations; /* since glim__fail_allocation */
    _Atomic uint64_t fail_at;     /* 0 = never */
    atomic_bool over_budget;      /* the last refusal came from the budget */
} glim_memory;

typedef struct glim_progress_state {
    pthread_mutex_t lock;
    void (*report)(void *data, const glim_progress *report);
    void *data;
    pthread_t owner;
    int depth;
    const char *stage;
    uint64_t done, total;
    double began, reported; /* seconds; reported < 0: nothing yet */
    bool shown;             /* this stage has reported */
    bool open;              /* it began without a total */
    int counted;            /* what stages nested deeper than that add does not count */
} glim_progress_state;

enum { GLIM_SPARES = 4 };

typedef struct glim_spare {
    void *data;
    size_t size;
    bool used;
} glim_spare;

struct glim_context {
    glim_memory memory;
    atomic_bool cancelled;
    glim_pool *pool;
    void **scratch; /* one per worker */
    size_t scratch_size;
    pthread_mutex_t spares_lock;
    glim_spare spares[GLIM_SPARES];
    pthread_mutex_t holders_lock;
    glim_holder *holders;
    const struct glim_kernels *kernels;
    const glim_team *team; /* NULL = of one */
    glim_progress_state progress;
};

void glim__progress_init(glim_progress_state *p, const glim_context_options *options);
void glim__progress_release(glim_progress_state *p);

#endif
