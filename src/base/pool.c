/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c: persistent workers for parallel loops of some microseconds and up.
 * One atomic word `state` holds the run's number, whether it is open, and how
 * many workers are in it. A worker joins an open run by counting itself in;
 * the caller works as worker 0, closes the run when no item is left, and waits
 * only for those who joined: a worker that wakes up late delays nobody. Idle
 * workers watch the word for a short while, since layers follow each other
 * closely, then sleep. Rejected: OpenMP (a hidden global pool, no say over its
 * spinning) and a queue of tasks (a lock per item).
 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COUNT_MASK = 0xFFFF, OPEN = 0x10000, RUN = 0x20000 };

static const double SPIN_SECONDS = 40e-6;

typedef struct worker {
    glim_pool *pool;
    int index;
    pthread_t thread;
} worker;

struct glim_pool {
    /* A cache line of its own for each of the two words that all contend for. */
    _Alignas(64) _Atomic uint64_t state;
    _Alignas(64) atomic_size_t next;
    _Alignas(64) size_t items;
    glim_work_fn *fn;
    void *data;
    int threads, started;
    bool spins;            /* more processors than threads */
    pthread_mutex_t turn;  /* callers, one at a time */
    pthread_mutex_t lock;  /* of the two conditions */
    pthread_cond_t opened; /* workers sleep on it */
    pthread_cond_t left;   /* the caller sleeps on it */
    atomic_int sleepers;
    atomic_bool caller_sleeps, stop;
    worker workers[];
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void work(glim_pool *pool, int index) {
    for (;;) {
        size_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (item >= pool->items)
            return;
        pool->fn(pool->data, item, index);
    }
}

/* Whether there is something to do for a worker that has seen run `seen`. */
static bool news(glim_pool *pool, uint64_t seen) {
    uint64_t state = atomic_load(&pool->state);
    return ((state & OPEN) && state / RUN != seen) || atomic_load(&pool->stop);
}

static void wait_for_news(glim_pool *pool, uint64_t seen) {
    if (pool->spins) {
        double until = glim__seconds() + SPIN_SECONDS;
        do {
            for (int i = 0; i < 32; i++) {
                if (news(pool, seen))
                    return;
                relax();
            }
        } while (glim__seconds() < until);
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!news(pool, seen))
        pthread_cond_wait(&pool->opened, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

/* Counts this worker into the open run; false when there is none (any more). */
static bool join_run(glim_pool *pool, uint64_t *seen) {
    uint64_t state = atomic_load(&pool->state);
    do {
        if (!(state & OPEN) || state / RUN == *seen)
            return false;
    } while (!atomic_compare_exchange_weak(&pool->state, &state, state + 1));
    *seen = state / RUN;
    return true;
}

static void leave_run(glim_pool *pool) {
    uint64_t state = atomic_fetch_sub(&pool->state, 1) - 1;
    if ((state & OPEN) || (state & COUNT_MASK) || !atomic_load(&pool->caller_sleeps))
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->left);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *arg) {
    worker *self = arg;
    uint64_t seen = 0;
    while (!atomic_load(&self->pool->stop)) {
        wait_for_news(self->pool, seen);
        if (join_run(self->pool, &seen)) {
            work(self->pool, self->index);
            leave_run(self->pool);
        }
    }
    return NULL;
}

static void open_run(glim_pool *pool) {
    uint64_t run = atomic_load(&pool->state) / RUN + 1;
    atomic_store(&pool->state, run * RUN + OPEN);
    if (atomic_load(&pool->sleepers) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->opened);
    pthread_mutex_unlock(&pool->lock);
}

static bool all_left(glim_pool *pool) {
    return (atomic_load(&pool->state) & COUNT_MASK) == 0;
}

static void close_run(glim_pool *pool) {
    atomic_fetch_and(&pool->state, ~(uint64_t)OPEN);
    if (pool->spins) {
        double until = glim__seconds() + SPIN_SECONDS;
        do {
            for (int i = 0; i < 32; i++) {
                if (all_left(pool))
                    return;
                relax();
            }
        } while (glim__seconds() < until);
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (!all_left(pool))
        pthread_cond_wait(&pool->left, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

void glim__pool_run(glim_pool *pool, size_t items, glim_work_fn *fn, void *data) {
    pthread_mutex_lock(&pool->turn);
    if (pool->threads == 1 || items <= 1) {
        for (size_t i = 0; i < items; i++)
            fn(data, i, 0);
    } else {
        pool->items = items;
        pool->fn = fn;
        pool->data = data;
        atomic_store(&pool->next, 0);
        open_run(pool);
        work(pool, 0);
        close_run(pool);
    }
    pthread_mutex_unlock(&pool->turn);
}

/* Workers take no signals: the handler of an interrupt runs on the threads of
   the program, which the cancel flag then reaches. */
static bool start(glim_pool *pool) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->started < pool->threads - 1) {
        worker *w = &pool->workers[pool->started];
        w->pool = pool;
        w->index = pool->started + 1;
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            break;
        char name[16];
        snprintf(name, sizeof name, "glim-%d", w->index);
        pthread_setname_np(w->thread, name);
        pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->started == pool->threads - 1;
}

glim_pool *glim__pool_new(int threads) {
    size_t size = sizeof(glim_pool) + (size_t)(threads - 1) * sizeof(worker);
    glim_pool *pool = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!pool)
        return NULL;
    *pool = (glim_pool){.threads = threads};
    pool->spins = threads <= sysconf(_SC_NPROCESSORS_ONLN);
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->opened, NULL);
    pthread_cond_init(&pool->left, NULL);
    if (!start(pool)) {
        glim__pool_free(pool);
        return NULL;
    }
    return pool;
}

void glim__pool_free(glim_pool *pool) {
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->opened);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->opened);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    free(pool);
}

int glim__pool_threads(const glim_pool *pool) {
    return pool->threads;
}

void glim__pool_lock(glim_pool *pool) {
    pthread_mutex_lock(&pool->turn);
}

void glim__pool_unlock(glim_pool *pool) {
    pthread_mutex_unlock(&pool->turn);
}
