/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c: every allocation of the library. A block carries a 64-byte header
 * with its size, so that a free can give back exactly what was counted and the
 * data stays aligned to a cache line. The budget counts whole blocks with
 * their headers; it is checked before the system is asked. Rejected: counting
 * through malloc_usable_size (differs between C libraries) and a tree of
 * sizes on the side (a lock on every call).
 */
#include "base/context-state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };

typedef struct header {
    size_t room; /* bytes of data that the block holds, a multiple of 64 */
} header;

_Static_assert(sizeof(header) <= ALIGNMENT, "the header fits before the data");

static header *header_of(void *p) {
    return (header *)((char *)p - ALIGNMENT);
}

static bool refuse(glim_memory *m, bool over_budget) {
    atomic_store(&m->over_budget, over_budget);
    return false;
}

static void raise_peak(glim_memory *m, uint64_t bytes) {
    uint64_t peak = atomic_load(&m->peak);
    while (bytes > peak && !atomic_compare_exchange_weak(&m->peak, &peak, bytes)) {
    }
}

static bool try_reserve(glim_memory *m, uint64_t bytes) {
    uint64_t now = atomic_load(&m->bytes), next;
    do {
        uint64_t limit = m->budget ? m->budget : UINT64_MAX;
        if (bytes > limit || now > limit - bytes)
            return refuse(m, m->budget != 0);
        next = now + bytes;
    } while (!atomic_compare_exchange_weak(&m->bytes, &now, next));
    raise_peak(m, next);
    return true;
}

/* Idle buffers are given up before anything is refused: spare ones, then those of
   workspaces. */
bool glim__reserve(glim_context *ctx, uint64_t bytes) {
    if (try_reserve(&ctx->memory, bytes))
        return true;
    glim__spare_trim(ctx);
    if (try_reserve(&ctx->memory, bytes))
        return true;
    glim__holders_trim(ctx);
    return try_reserve(&ctx->memory, bytes);
}

void glim__unreserve(glim_context *ctx, uint64_t bytes) {
    atomic_fetch_sub(&ctx->memory.bytes, bytes);
}

/* False when a test wants this allocation to fail. */
static bool may_allocate(glim_memory *m) {
    uint64_t nth = atomic_fetch_add(&m->allocations, 1) + 1;
    uint64_t fail_at = atomic_load(&m->fail_at);
    return fail_at == 0 || nth < fail_at || refuse(m, false);
}

/* Rounds up to whole cache lines, at least one; 0 on overflow. */
static size_t round_up(size_t n) {
    if (n > SIZE_MAX / 2)
        return 0;
    return n == 0 ? ALIGNMENT : (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Large blocks ask for huge pages: touching fresh memory by 4 KiB faults costs
   as much as a matrix product over it. A refusal of the advice is no harm. */
static char *system_alloc(size_t size) {
    void *block;
    if (posix_memalign(&block, size < HUGE_FROM ? ALIGNMENT : HUGE_PAGE, size) != 0)
        return NULL;
    if (size >= HUGE_FROM)
        (void)madvise(block, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return block;
}

void *glim__alloc(glim_context *ctx, size_t n) {
    size_t room = round_up(n);
    if (!may_allocate(&ctx->memory))
        return NULL;
    if (room == 0) {
        refuse(&ctx->memory, false);
        return NULL;
    }
    if (!glim__reserve(ctx, room + ALIGNMENT))
        return NULL;
    char *block = system_alloc(room + ALIGNMENT);
    if (!block) {
        glim__unreserve(ctx, room + ALIGNMENT);
        refuse(&ctx->memory, false);
        return NULL;
    }
    ((header *)block)->room = room;
    return block + ALIGNMENT;
}

void *glim__calloc(glim_context *ctx, size_t count, size_t size) {
    size_t n;
    if (__builtin_mul_overflow(count, size, &n)) {
        refuse(&ctx->memory, false);
        return NULL;
    }
    void *p = glim__alloc(ctx, n);
    if (p)
        memset(p, 0, n);
    return p;
}

void *glim__realloc(glim_context *ctx, void *p, size_t n) {
    if (!p)
        return glim__alloc(ctx, n);
    size_t room = header_of(p)->room;
    if (n <= room && n >= room / 2)
        return p;
    void *moved = glim__alloc(ctx, n);
    if (!moved)
        return NULL;
    memcpy(moved, p, n < room ? n : room);
    glim__free(ctx, p);
    return moved;
}

void glim__free(glim_context *ctx, void *p) {
    if (!p)
        return;
    glim__unreserve(ctx, header_of(p)->room + ALIGNMENT);
    free(header_of(p));
}

char *glim__strndup(glim_context *ctx, const char *s, size_t n) {
    char *copy = n < SIZE_MAX ? glim__alloc(ctx, n + 1) : NULL;
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *glim__strdup(glim_context *ctx, const char *s) {
    return glim__strndup(ctx, s, strlen(s));
}

glim_status glim__check_budget(const glim_context *ctx, uint64_t bytes, const char *what,
                               const char *otherwise, glim_error *err) {
    uint64_t budget = glim_context_budget(ctx);
    if (!budget || bytes <= budget)
        return GLIM_OK;
    return glim_fail(err, GLIM_EBUDGET,
                     "%s at least %.0f MiB here; the budget is %.0f MiB (raise --memory, or %s)",
                     what, ceil((double)bytes / 1048576), floor((double)budget / 1048576),
                     otherwise);
}

uint64_t glim__budget_left(const glim_context *ctx) {
    uint64_t now = atomic_load(&ctx->memory.bytes);
    if (ctx->memory.budget == 0)
        return UINT64_MAX;
    return now < ctx->memory.budget ? ctx->memory.budget - now : 0;
}

uint64_t glim__fail_allocation(glim_context *ctx, uint64_t nth) {
    atomic_store(&ctx->memory.fail_at, nth);
    return atomic_exchange(&ctx->memory.allocations, 0);
}

uint64_t glim_context_bytes(const glim_context *ctx) {
    return atomic_load(&ctx->memory.bytes);
}

uint64_t glim_context_peak(const glim_context *ctx) {
    return atomic_load(&ctx->memory.peak);
}

uint64_t glim_context_budget(const glim_context *ctx) {
    return ctx->memory.budget;
}

void glim_context_reset_peak(glim_context *ctx) {
    atomic_store(&ctx->memory.peak, atomic_load(&ctx->memory.bytes));
}

const char *glim__size_text(uint64_t bytes, char out[24]) {
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        snprintf(out, 24, "%d bytes", (int)bytes);
        return out;
    }
    double size = (double)bytes / 1024;
    size_t unit = 0;
    while (size >= 1023.95 && unit + 2 < sizeof units) {
        size /= 1024;
        unit++;
    }
    snprintf(out, 24, "%.1f %ciB", size, units[unit]);
    return out;
}

bool glim__oom_tell(glim_context *ctx, glim_error *err, const char *what, uint64_t bytes) {
    const glim_memory *m = &ctx->memory;
    char need[24], left[24], budget[24];
    uint64_t used = glim_context_bytes(ctx);
    glim__size_text(bytes, need);
    if (!atomic_load(&m->over_budget)) {
        glim_fail(err, GLIM_ENOMEM, "out of memory: %s needs %s", what, need);
        return false;
    }
    glim_fail(err, GLIM_EBUDGET,
              "%s needs %s; of the memory budget of %s, %s are left (raise --memory)", what, need,
              glim__size_text(m->budget, budget),
              glim__size_text(used < m->budget ? m->budget - used : 0, left));
    return true;
}
