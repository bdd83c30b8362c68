/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c: how far a long call is. The time left comes from the fraction
 * done alone, since units are work: an average over the whole stage is steadier
 * than any window, and stages do not change speed much. The first thread that
 * begins owns the report; what other threads on the same context do meanwhile
 * is not shown, rather than mixed in. The callback runs without the lock, so it
 * may call the context.
 */
#include "base/context-state.h"

#include <limits.h>
#include <time.h>

static const double INTERVAL = 0.05; /* between two reports */
static const double WARM_UP = 0.3;   /* before that, no time left is told */
static const double NEVER = -1e9;

double glim__seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void glim__progress_init(glim_progress_state *p, const glim_context_options *options) {
    *p = (glim_progress_state){.reported = NEVER};
    pthread_mutex_init(&p->lock, NULL);
    if (options) {
        p->report = options->progress;
        p->data = options->progress_data;
    }
}

void glim__progress_release(glim_progress_state *p) {
    pthread_mutex_destroy(&p->lock);
}

static bool owned(const glim_progress_state *p) {
    return p->depth > 0 && pthread_equal(p->owner, pthread_self());
}

static glim_progress describe(const glim_context *ctx, double now) {
    const glim_progress_state *p = &ctx->progress;
    glim_progress r = {
        .stage = p->stage,
        .done = p->total && p->done > p->total ? p->total : p->done,
        .total = p->total,
        .bytes = glim_context_bytes(ctx),
        .seconds = now - p->began,
        .seconds_left = -1,
    };
    if (r.total && r.done && (r.seconds >= WARM_UP || r.done == r.total))
        r.seconds_left = r.seconds * (double)(r.total - r.done) / (double)r.done;
    return r;
}

/* Ends the caller's hold of the lock; reports when it is time or forced. */
static void unlock_and_report(glim_context *ctx, bool forced) {
    glim_progress_state *p = &ctx->progress;
    double now = glim__seconds();
    if (!forced && now - p->reported < INTERVAL) {
        pthread_mutex_unlock(&p->lock);
        return;
    }
    p->reported = now;
    p->shown = true;
    glim_progress r = describe(ctx, now);
    pthread_mutex_unlock(&p->lock);
    p->report(p->data, &r);
}

static void begin(glim_context *ctx, const char *stage, uint64_t total, int counted) {
    glim_progress_state *p = &ctx->progress;
    if (!p->report)
        return;
    pthread_mutex_lock(&p->lock);
    if (p->depth == 0) {
        p->owner = pthread_self();
        p->stage = stage;
        p->total = total;
        p->open = !total;
        p->done = 0;
        p->began = glim__seconds();
        p->shown = false;
        p->counted = counted;
        p->depth = 1;
        unlock_and_report(ctx, false);
        return;
    }
    if (owned(p))
        p->depth++;
    pthread_mutex_unlock(&p->lock);
}

void glim__progress_begin(glim_context *ctx, const char *stage, uint64_t total) {
    begin(ctx, stage, total, INT_MAX);
}

void glim__progress_begin_items(glim_context *ctx, const char *stage, uint64_t total) {
    begin(ctx, stage, total, 1);
}

void glim__progress_begin_inner(glim_context *ctx, const char *stage, uint64_t total) {
    begin(ctx, stage, total, 2);
}

void glim__progress_add(glim_context *ctx, uint64_t done) {
    glim_progress_state *p = &ctx->progress;
    if (!p->report)
        return;
    pthread_mutex_lock(&p->lock);
    if (!owned(p) || p->depth > p->counted) {
        pthread_mutex_unlock(&p->lock);
        return;
    }
    p->done = done > UINT64_MAX - p->done ? UINT64_MAX : p->done + done;
    unlock_and_report(ctx, false);
}

void glim__progress_expect(glim_context *ctx, uint64_t more) {
    glim_progress_state *p = &ctx->progress;
    if (!p->report)
        return;
    pthread_mutex_lock(&p->lock);
    if (owned(p) && p->open && p->depth <= p->counted)
        p->total = more > UINT64_MAX - p->done ? UINT64_MAX : p->done + more;
    pthread_mutex_unlock(&p->lock);
}

/* A stage that was shown is shown once more, with what it reached, so that a
   display does not stop short of the end. */
void glim__progress_end(glim_context *ctx) {
    glim_progress_state *p = &ctx->progress;
    if (!p->report)
        return;
    pthread_mutex_lock(&p->lock);
    bool last = owned(p) && --p->depth == 0;
    if (last && p->shown)
        unlock_and_report(ctx, true);
    else
        pthread_mutex_unlock(&p->lock);
}
