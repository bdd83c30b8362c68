/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h: many allocations, one owner. An arena takes blocks from its context
 * and gives them all back at once. Functions that allocate from an arena own
 * nothing and may return early.
 */
#ifndef GLIM_BASE_ARENA_H
#define GLIM_BASE_ARENA_H

#include "base/context.h"

typedef struct glim_arena_block glim_arena_block;

typedef struct glim_arena {
    glim_context *ctx;
    glim_arena_block *head; /* newest block first */
    size_t block_size;      /* bytes asked for at a time */
    size_t used;            /* bytes handed out since init or reset */
} glim_arena;

void glim__arena_init(glim_arena *arena, glim_context *ctx, size_t block_size);
void *glim__arena_alloc(glim_arena *arena, size_t n); /* 64-byte aligned; NULL when refused */
void *glim__arena_calloc(glim_arena *arena, size_t count, size_t size);
char *glim__arena_strdup(glim_arena *arena, const char *s);
char *glim__arena_strndup(glim_arena *arena, const char *s, size_t n);
/* Forgets every allocation but keeps the largest block for the next use. */
void glim__arena_reset(glim_arena *arena);
void glim__arena_release(glim_arena *arena);

#endif
