/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trie.h: byte strings to ids, for finding every key that a text begins with.
 * Nodes lie in breadth-first order, so that a node's children are neighbours
 * and one memchr over their labels finds the next. Nine bytes a node. A double
 * array is a little faster and much slower to build.
 */
#ifndef GLIM_TEXT_TRIE_H
#define GLIM_TEXT_TRIE_H

#include "base/arena.h"
#include "file/gguf.h"

typedef struct glim_trie {
    uint32_t nodes;
    const uint8_t *label;  /* [nodes] the byte that leads to the node */
    const uint32_t *first; /* [nodes + 1] children of k are first[k] .. first[k + 1] - 1 */
    const int32_t *id;     /* [nodes] or -1 */
} glim_trie;

/* Keys with ids[i] < 0 and empty keys are left out; of equal keys the last one's
   id stays. Memory is the arena's. Errors: ENOMEM, EBUDGET, ELIMIT. */
glim_status glim__trie_build(glim_trie *out, glim_arena *arena, const glim_gguf_string *keys,
                             const int32_t *ids, size_t n, glim_error *err);
/* The child of node under byte, or 0. The root is node 0. */
uint32_t glim__trie_step(const glim_trie *t, uint32_t node, uint8_t byte);
/* The node that key leads to from the root, or 0. */
uint32_t glim__trie_walk(const glim_trie *t, const char *key, size_t n);
/* The id of the longest key that s[0..n) begins with (its length in *len) from
   `node` on, or -1. */
int32_t glim__trie_longest(const glim_trie *t, uint32_t node, const char *s, size_t n, size_t *len);

#endif
