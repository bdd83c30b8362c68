/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context.h: what is inside a context, for the floors above base.
 *
 * Memory. All memory of the library comes from glim__alloc and friends, so
 * that the budget sees it and a test can fail the n-th allocation. Blocks are
 * aligned to 64 bytes. A mapped model file is counted with glim__reserve.
 *
 * Threads. glim__parallel cuts work into `items` numbered pieces; which worker
 * takes which piece is not fixed, so a piece must write only its own part of
 * the result and never read another's.
 */
#ifndef GLIM_BASE_CONTEXT_H
#define GLIM_BASE_CONTEXT_H

#include <glim/base.h>

struct glim_kernels; /* tensor/kernels.h */

/* Makes a context without kernels. glim_context_new and glim_context_kernels
   live on the tensor floor, which knows the kernel sets: it calls this, then
   glim__context_set_kernels. Errors: EUSAGE (threads out of range), ENOMEM. */
glim_status glim__context_new(glim_context **out, const glim_context_options *options,
                              glim_error *err);
void glim__context_set_kernels(glim_context *ctx, const struct glim_kernels *kernels);

/* Returns NULL when the system or the budget refuses. n == 0 gives a valid,
   unique pointer. Every free accepts NULL. */
void *glim__alloc(glim_context *ctx, size_t n);
void *glim__calloc(glim_context *ctx, size_t count, size_t size); /* overflow-checked */
void *glim__realloc(glim_context *ctx, void *p, size_t n);        /* keeps p on failure */
void glim__free(glim_context *ctx, void *p);
char *glim__strdup(glim_context *ctx, const char *s);
char *glim__strndup(glim_context *ctx, const char *s, size_t n);
/* Fills in the message of glim__oom; true when it was the budget. */
bool glim__oom_tell(glim_context *ctx, glim_error *err, const char *what, uint64_t bytes);
/* The status and message that fit the last refusal: EBUDGET with the numbers
   and the advice to raise --memory, or ENOMEM. `what` names the subject. */
static inline glim_status glim__oom(glim_context *ctx, glim_error *err, const char *what,
                                    uint64_t bytes) {
    return glim__oom_tell(ctx, err, what, bytes) ? GLIM_EBUDGET : GLIM_ENOMEM;
}
/* Counts (or gives back) memory that did not come from glim__alloc. */
bool glim__reserve(glim_context *ctx, uint64_t bytes);
void glim__unreserve(glim_context *ctx, uint64_t bytes);
/* EBUDGET when more bytes than the budget are needed: "<what> at least 5 MiB here; ... (raise
   --memory, or <otherwise>)". */
glim_status glim__check_budget(const glim_context *ctx, uint64_t bytes, const char *what,
                               const char *otherwise, glim_error *err);
/* Bytes that the budget still allows; UINT64_MAX without a budget. */
uint64_t glim__budget_left(const glim_context *ctx);
/* For tests: the n-th allocation from now (1 = the next) and all later ones
   fail; 0 switches it off. Returns how many allocations were made since. */
uint64_t glim__fail_allocation(glim_context *ctx, uint64_t nth);

/* Runs fn(data, item, worker) for item = 0 .. items-1, worker < threads. The
   caller is worker 0. Returns when all are done; pieces may not nest. Callers
   that share a context take turns. */
typedef void glim_work_fn(void *data, size_t item, int worker);
void glim__parallel(glim_context *ctx, size_t items, glim_work_fn *fn, void *data);

/* Scratch of one worker, 64-byte aligned, kept until the context goes. First
   reserve n bytes for every worker, outside of glim__parallel; then, inside of
   it, glim__scratch gives at least that many. Errors: ENOMEM, EBUDGET. */
glim_status glim__scratch_reserve(glim_context *ctx, size_t n, glim_error *err);
void *glim__scratch(glim_context *ctx, int worker);

/* A buffer of at least n bytes, 64-byte aligned, content undefined; given back it
   stays with the context for the next taker. NULL when refused. */
void *glim__spare_take(glim_context *ctx, size_t n);
void glim__spare_give(glim_context *ctx, void *p); /* NULL is fine */
/* Frees the buffers that nobody uses. */
void glim__spare_trim(glim_context *ctx);

/* Someone who keeps idle memory for later. Before an allocation is refused he is
   asked, on any thread, to give it back; he must not allocate then. The struct
   stays in its place from add to remove. */
typedef struct glim_holder {
    struct glim_holder *next;
    void (*give_back)(void *data);
    void *data;
} glim_holder;
void glim__holder_add(glim_context *ctx, glim_holder *h);
void glim__holder_remove(glim_context *ctx, glim_holder *h);
void glim__holders_trim(glim_context *ctx);

const struct glim_kernels *glim__kernels(const glim_context *ctx);

/* Progress of one stage; begin and end nest, only the outermost reports, and
   what is added inside a nested stage counts towards the outermost one. For
   the thread that began the outermost stage; calls of others do nothing. */
void glim__progress_begin(glim_context *ctx, const char *stage, uint64_t total);
/* The same, but what is added inside nested stages does not count: for things that are
   counted one by one. */
void glim__progress_begin_items(glim_context *ctx, const char *stage, uint64_t total);
/* The same, where the stages right inside count those things. */
void glim__progress_begin_inner(glim_context *ctx, const char *stage, uint64_t total);
void glim__progress_add(glim_context *ctx, uint64_t done);
/* `more` is still to come: what is done and that become the total of a stage that began with
   none. */
void glim__progress_expect(glim_context *ctx, uint64_t more);
void glim__progress_end(glim_context *ctx);
/* GLIM_ECANCELLED once the flag is up, else GLIM_OK. */
glim_status glim__check_cancel(const glim_context *ctx, glim_error *err);

/* Seconds on a clock that never goes back. */
double glim__seconds(void);
/* A size for people: "17 bytes", "1.5 MiB". Returns out. */
const char *glim__size_text(uint64_t bytes, char out[24]);

#endif
