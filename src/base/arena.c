/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c: a chain of blocks with a mark in the newest one. A request that is
 * large beside the block size gets a block of its own behind the newest one,
 * so that it does not waste the room left there. Strings are packed, all else
 * starts on a cache line.
 */
#include "base/arena.h"

#include <string.h>

struct glim_arena_block {
    glim_arena_block *next;
    size_t room, used;
    char pad[40];
    char data[]; /* 64-byte aligned, as the block is */
};

_Static_assert(sizeof(glim_arena_block) == 64, "data starts on a cache line");

void glim__arena_init(glim_arena *arena, glim_context *ctx, size_t block_size) {
    *arena = (glim_arena){.ctx = ctx, .block_size = block_size};
}

static glim_arena_block *new_block(glim_arena *arena, size_t room) {
    if (room > SIZE_MAX - sizeof(glim_arena_block))
        return NULL;
    glim_arena_block *b = glim__alloc(arena->ctx, sizeof *b + room);
    if (b)
        *b = (glim_arena_block){.room = room};
    return b;
}

static void *take(glim_arena *arena, glim_arena_block *b, size_t start, size_t n) {
    arena->used += n + (start - b->used);
    b->used = start + n;
    return b->data + start;
}

static void *alloc_aligned(glim_arena *arena, size_t n, size_t align) {
    glim_arena_block *head = arena->head;
    if (head) {
        size_t start = (head->used + align - 1) / align * align;
        if (start <= head->room && n <= head->room - start)
            return take(arena, head, start, n);
    }
    bool own = n > arena->block_size / 4;
    glim_arena_block *b = new_block(arena, own ? n : arena->block_size);
    if (!b)
        return NULL;
    if (own && head) {
        b->next = head->next;
        head->next = b;
    } else {
        b->next = head;
        arena->head = b;
    }
    return take(arena, b, 0, n);
}

void *glim__arena_alloc(glim_arena *arena, size_t n) {
    return alloc_aligned(arena, n ? n : 1, 64);
}

void *glim__arena_calloc(glim_arena *arena, size_t count, size_t size) {
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        return NULL;
    void *p = glim__arena_alloc(arena, n);
    if (p)
        memset(p, 0, n);
    return p;
}

char *glim__arena_strndup(glim_arena *arena, const char *s, size_t n) {
    char *copy = n < SIZE_MAX ? alloc_aligned(arena, n + 1, 1) : NULL;
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *glim__arena_strdup(glim_arena *arena, const char *s) {
    return glim__arena_strndup(arena, s, strlen(s));
}

void glim__arena_reset(glim_arena *arena) {
    glim_arena_block *largest = arena->head;
    for (glim_arena_block *b = arena->head; b; b = b->next)
        if (b->room > largest->room)
            largest = b;
    for (glim_arena_block *b = arena->head, *next; b; b = next) {
        next = b->next;
        if (b != largest)
            glim__free(arena->ctx, b);
    }
    if (largest) {
        largest->next = NULL;
        largest->used = 0;
    }
    arena->head = largest;
    arena->used = 0;
}

void glim__arena_release(glim_arena *arena) {
    for (glim_arena_block *b = arena->head, *next; b; b = next) {
        next = b->next;
        glim__free(arena->ctx, b);
    }
    arena->head = NULL;
    arena->used = 0;
}
