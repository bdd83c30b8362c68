/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workspace is a list: a session has some dozens of buffers at most, so a linear
 * search for the best fit costs less than any structure. A buffer fits when it
 * wastes at most half of itself; otherwise a large one would be tied up by a small
 * value while the next layer asks for it. Under a budget next to nothing may be
 * wasted, since plans count what values need. What a buffer is stands in front of
 * its floats. Idle buffers are anybody's when memory runs short: a product or another
 * session would otherwise be refused what lies here unused.
 */
#include "graph/workspace.h"

enum { SLACK = 16, HEAD = 64 }; /* floats behind every buffer; bytes before */

struct glim_workspace_buffer {
    glim_workspace_buffer *next;
    size_t size; /* floats */
    bool used;
};

_Static_assert(sizeof(glim_workspace_buffer) <= HEAD, "the head fits before the floats");

static float *floats_of(glim_workspace_buffer *b) {
    return (float *)(void *)((char *)b + HEAD);
}

static void give_back(void *data) {
    glim__workspace_trim(data);
}

void glim__workspace_init(glim_workspace *space, glim_context *ctx) {
    *space = (glim_workspace){.ctx = ctx};
    pthread_mutex_init(&space->lock, NULL);
    space->holder = (glim_holder){.give_back = give_back, .data = space};
    glim__holder_add(ctx, &space->holder);
}

static glim_workspace_buffer *best_fit(const glim_workspace *space, size_t floats) {
    glim_workspace_buffer *best = NULL;
    size_t most = glim_context_budget(space->ctx) ? floats + floats / 32 : 2 * floats + 1;
    for (glim_workspace_buffer *b = space->first; b; b = b->next)
        if (!b->used && b->size >= floats && b->size <= most && (!best || b->size < best->size))
            best = b;
    return best;
}

float *glim__workspace_take(glim_workspace *space, size_t floats) {
    pthread_mutex_lock(&space->lock);
    glim_workspace_buffer *b = best_fit(space, floats);
    if (b)
        b->used = true;
    pthread_mutex_unlock(&space->lock);
    if (b)
        return floats_of(b);
    if (floats > (SIZE_MAX - HEAD) / sizeof(float) - SLACK)
        return NULL;
    b = glim__alloc(space->ctx, HEAD + (floats + SLACK) * sizeof(float));
    if (!b)
        return NULL;
    *b = (glim_workspace_buffer){.size = floats, .used = true};
    for (int i = 0; i < SLACK; i++)
        floats_of(b)[floats + (size_t)i] = 0;
    pthread_mutex_lock(&space->lock);
    glim_workspace_buffer **at = &space->first;
    while (*at)
        at = &(*at)->next;
    *at = b;
    pthread_mutex_unlock(&space->lock);
    return floats_of(b);
}

void glim__workspace_give(glim_workspace *space, float *data) {
    pthread_mutex_lock(&space->lock);
    for (glim_workspace_buffer *b = space->first; b && data; b = b->next)
        if (floats_of(b) == data)
            b->used = false;
    pthread_mutex_unlock(&space->lock);
}

void glim__workspace_trim(glim_workspace *space) {
    pthread_mutex_lock(&space->lock);
    glim_workspace_buffer **at = &space->first;
    while (*at) {
        glim_workspace_buffer *b = *at;
        if (b->used) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        glim__free(space->ctx, b);
    }
    pthread_mutex_unlock(&space->lock);
}

uint64_t glim__workspace_idle(glim_workspace *space) {
    uint64_t idle = 0;
    pthread_mutex_lock(&space->lock);
    for (glim_workspace_buffer *b = space->first; b; b = b->next)
        idle += b->used ? 0 : b->size * sizeof(float);
    pthread_mutex_unlock(&space->lock);
    return idle;
}

void glim__workspace_release(glim_workspace *space) {
    if (!space->ctx)
        return;
    glim__holder_remove(space->ctx, &space->holder);
    while (space->first) {
        glim_workspace_buffer *b = space->first;
        space->first = b->next;
        glim__free(space->ctx, b);
    }
    pthread_mutex_destroy(&space->lock);
    *space = (glim_workspace){0};
}
