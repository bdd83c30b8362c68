/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.c: the handle that carries what other libraries keep in globals: the
 * pool, the budget, the cancel flag, the progress callback. The parts live in
 * memory.c, pool.c and progress.c; here they are put together and taken apart.
 * The context itself is the one block that no budget counts.
 */
#include "base/context-state.h"

#include <stdlib.h>
#include <unistd.h>

enum { MAX_THREADS = 256 };

static int online_processors(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (int)n;
}

glim_status glim__context_new(glim_context **out, const glim_context_options *options,
                              glim_error *err) {
    *out = NULL;
    int threads = options ? options->threads : 0;
    if (threads < 0 || threads > MAX_THREADS)
        return glim_fail(err, GLIM_EUSAGE, "%d threads are out of range (1 to %d, or 0 for all)",
                         threads, MAX_THREADS);
    glim_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: a context");
    ctx->memory.budget = options ? options->memory : 0;
    pthread_mutex_init(&ctx->spares_lock, NULL);
    pthread_mutex_init(&ctx->holders_lock, NULL);
    glim__progress_init(&ctx->progress, options);
    threads = threads ? threads : online_processors();
    ctx->pool = glim__pool_new(threads);
    if (!ctx->pool) {
        glim_context_free(ctx);
        return glim_fail(err, GLIM_ENOMEM, "the system refuses %d threads (lower --threads)",
                         threads);
    }
    *out = ctx;
    return GLIM_OK;
}

static void free_scratch(glim_context *ctx) {
    for (int i = 0; ctx->scratch && i < glim_context_threads(ctx); i++)
        glim__free(ctx, ctx->scratch[i]);
    glim__free(ctx, ctx->scratch);
    ctx->scratch = NULL;
    ctx->scratch_size = 0;
}

void glim_context_free(glim_context *ctx) {
    if (!ctx)
        return;
    if (ctx->pool)
        free_scratch(ctx);
    glim__spare_trim(ctx);
    pthread_mutex_destroy(&ctx->spares_lock);
    pthread_mutex_destroy(&ctx->holders_lock);
    glim__pool_free(ctx->pool);
    glim__progress_release(&ctx->progress);
    free(ctx);
}

void glim__context_set_kernels(glim_context *ctx, const struct glim_kernels *kernels) {
    ctx->kernels = kernels;
}

const struct glim_kernels *glim__kernels(const glim_context *ctx) {
    return ctx->kernels;
}

void glim_context_cancel(glim_context *ctx) {
    atomic_store(&ctx->cancelled, true);
}

void glim_context_reset(glim_context *ctx) {
    atomic_store(&ctx->cancelled, false);
}

bool glim_context_cancelled(const glim_context *ctx) {
    return atomic_load_explicit(&ctx->cancelled, memory_order_relaxed);
}

glim_status glim__check_cancel(const glim_context *ctx, glim_error *err) {
    if (!glim_context_cancelled(ctx))
        return GLIM_OK;
    return glim_fail(err, GLIM_ECANCELLED, "interrupted");
}

int glim_context_threads(const glim_context *ctx) {
    return glim__pool_threads(ctx->pool);
}

void glim__parallel(glim_context *ctx, size_t items, glim_work_fn *fn, void *data) {
    glim__pool_run(ctx->pool, items, fn, data);
}

/* New blocks first, then the exchange: a refusal leaves the old ones. */
static glim_status grow_scratch(glim_context *ctx, size_t n, glim_error *err) {
    int threads = glim_context_threads(ctx);
    void **fresh = glim__calloc(ctx, (size_t)threads, sizeof *fresh);
    for (int i = 0; fresh && i < threads; i++) {
        fresh[i] = glim__alloc(ctx, n);
        if (fresh[i])
            continue;
        while (i > 0)
            glim__free(ctx, fresh[--i]);
        glim__free(ctx, fresh);
        fresh = NULL;
    }
    if (!fresh)
        return glim__oom(ctx, err, "scratch of the threads", (uint64_t)n * (uint64_t)threads);
    free_scratch(ctx);
    ctx->scratch = fresh;
    ctx->scratch_size = n;
    return GLIM_OK;
}

glim_status glim__scratch_reserve(glim_context *ctx, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    glim__pool_lock(ctx->pool);
    if (!ctx->scratch || n > ctx->scratch_size)
        status = grow_scratch(ctx, n, err);
    glim__pool_unlock(ctx->pool);
    return status;
}

void *glim__scratch(glim_context *ctx, int worker) {
    return ctx->scratch ? ctx->scratch[worker] : NULL;
}
