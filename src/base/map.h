/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h: byte strings to 32-bit numbers, open addressing, keys borrowed. The
 * hash is keyed by a constant; a flood of colliding keys costs time, not
 * memory, and files bound the number of keys.
 */
#ifndef GLIM_BASE_MAP_H
#define GLIM_BASE_MAP_H

#include "base/context.h"

typedef struct glim_map_slot glim_map_slot;

typedef struct glim_map {
    glim_context *ctx;
    glim_map_slot *slots;
    size_t count, capacity;
} glim_map;

void glim__map_init(glim_map *map, glim_context *ctx);
void glim__map_release(glim_map *map);
/* Makes room for n keys in all; false when memory is refused. */
bool glim__map_reserve(glim_map *map, size_t n);
/* Sets key -> value (never -1); *old (may be NULL) gets the former value or -1. The key's
   bytes must outlive the map. False when memory is refused. */
bool glim__map_set(glim_map *map, const void *key, size_t len, int32_t value, int32_t *old);
/* The value, or -1. */
int32_t glim__map_get(const glim_map *map, const void *key, size_t len);

uint64_t glim__hash(const void *data, size_t n);

#endif
