/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workspace is a flat list: a session has some dozens of buffers at most, so a
 * linear search for the best fit costs less than any structure. A buffer fits
 * when it wastes at most half of itself; otherwise a large one would be tied
 * up by a small value while the next layer asks for it.
 */
#include "graph/workspace.h"

enum { SLACK = 16 }; /* floats behind every buffer */

void glim__workspace_init(glim_workspace *space, glim_context *ctx) {
    *space = (glim_workspace){.ctx = ctx};
}

static glim_workspace_buffer *best_fit(glim_workspace *space, size_t floats) {
    glim_workspace_buffer *best = NULL;
    for (size_t i = 0; i < space->count; i++) {
        glim_workspace_buffer *b = &space->buffers[i];
        if (!b->used && b->size >= floats && b->size / 2 <= floats &&
            (!best || b->size < best->size))
            best = b;
    }
    return best;
}

static bool grow_list(glim_workspace *space) {
    if (space->count < space->cap)
        return true;
    size_t cap = space->cap ? space->cap * 2 : 32;
    glim_workspace_buffer *list = glim__realloc(space->ctx, space->buffers, cap * sizeof *list);
    if (!list)
        return false;
    space->buffers = list;
    space->cap = cap;
    return true;
}

float *glim__workspace_take(glim_workspace *space, size_t floats) {
    glim_workspace_buffer *b = best_fit(space, floats);
    if (!b) {
        if (floats > SIZE_MAX / sizeof(float) - SLACK || !grow_list(space))
            return NULL;
        float *data = glim__alloc(space->ctx, (floats + SLACK) * sizeof(float));
        if (!data) { /* give idle buffers back to the budget and try once more */
            glim__workspace_trim(space);
            data = glim__alloc(space->ctx, (floats + SLACK) * sizeof(float));
        }
        if (!data)
            return NULL;
        for (int i = 0; i < SLACK; i++)
            data[floats + i] = 0;
        b = &space->buffers[space->count++];
        *b = (glim_workspace_buffer){.data = data, .size = floats};
    }
    b->used = true;
    return b->data;
}

void glim__workspace_give(glim_workspace *space, float *data) {
    for (size_t i = 0; data && i < space->count; i++)
        if (space->buffers[i].data == data)
            space->buffers[i].used = false;
}

void glim__workspace_trim(glim_workspace *space) {
    size_t kept = 0;
    for (size_t i = 0; i < space->count; i++) {
        if (space->buffers[i].used)
            space->buffers[kept++] = space->buffers[i];
        else
            glim__free(space->ctx, space->buffers[i].data);
    }
    space->count = kept;
}

void glim__workspace_release(glim_workspace *space) {
    for (size_t i = 0; i < space->count; i++)
        glim__free(space->ctx, space->buffers[i].data);
    glim__free(space->ctx, space->buffers);
    *space = (glim_workspace){.ctx = space->ctx};
}
