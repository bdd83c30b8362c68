/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c: linear probing in a table of a power of two, at most two thirds full.
 * Each slot keeps 32 bits of the hash, so that probing compares bytes only for
 * what is almost surely the key. Nothing is ever deleted, which is what makes
 * linear probing this short.
 */
#include "base/map.h"

#include <string.h>

struct glim_map_slot {
    const void *key;
    size_t len;
    uint32_t hash;
    int32_t value; /* -1: the slot is free */
};

/* Eight bytes at a time: rotate, xor, multiply by an odd constant; then the
   finaliser of MurmurHash3 (Appleby 2011), so that the low bits depend on
   every byte. */
uint64_t glim__hash(const void *data, size_t n) {
    const uint64_t k = 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio */
    const char *p = data;
    uint64_t h = 0x243F6A8885A308D3u ^ n * k, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = ((h << 23 | h >> 41) ^ word) * k;
    }
    if (n) {
        word = 0;
        memcpy(&word, p, n);
        h = ((h << 23 | h >> 41) ^ word) * k;
    }
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}

void glim__map_init(glim_map *map, glim_context *ctx) {
    *map = (glim_map){.ctx = ctx};
}

void glim__map_release(glim_map *map) {
    glim__free(map->ctx, map->slots);
    *map = (glim_map){.ctx = map->ctx};
}

static glim_map_slot *find(const glim_map *map, const void *key, size_t len, uint64_t hash) {
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        glim_map_slot *s = &map->slots[i];
        if (s->value == -1 || (s->hash == (uint32_t)(hash >> 32) && s->len == len &&
                               (len == 0 || memcmp(s->key, key, len) == 0)))
            return s;
    }
}

static bool resize(glim_map *map, size_t capacity) {
    glim_map fresh = {.ctx = map->ctx, .count = map->count, .capacity = capacity};
    if (capacity > SIZE_MAX / sizeof *fresh.slots)
        return false;
    fresh.slots = glim__alloc(map->ctx, capacity * sizeof *fresh.slots);
    if (!fresh.slots)
        return false;
    for (size_t i = 0; i < capacity; i++)
        fresh.slots[i].value = -1;
    for (size_t i = 0; i < map->capacity; i++) {
        const glim_map_slot *s = &map->slots[i];
        if (s->value != -1)
            *find(&fresh, s->key, s->len, glim__hash(s->key, s->len)) = *s;
    }
    glim__free(map->ctx, map->slots);
    *map = fresh;
    return true;
}

bool glim__map_reserve(glim_map *map, size_t n) {
    size_t capacity = 16;
    if (n > SIZE_MAX / 4)
        return false;
    while (capacity / 3 * 2 < n)
        capacity *= 2;
    return capacity <= map->capacity || resize(map, capacity);
}

bool glim__map_set(glim_map *map, const void *key, size_t len, int32_t value, int32_t *old) {
    if (!glim__map_reserve(map, map->count + 1))
        return false;
    uint64_t hash = glim__hash(key, len);
    glim_map_slot *s = find(map, key, len, hash);
    if (old)
        *old = s->value;
    if (s->value == -1) {
        map->count++;
        *s = (glim_map_slot){.key = key, .len = len, .hash = (uint32_t)(hash >> 32)};
    }
    s->value = value;
    return true;
}

int32_t glim__map_get(const glim_map *map, const void *key, size_t len) {
    return map->capacity ? find(map, key, len, glim__hash(key, len))->value : -1;
}
