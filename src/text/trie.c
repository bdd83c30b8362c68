/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trie.c: the keys below a node are a range of one list; taking a node means to
 * part its range by the next byte, which makes the ranges of its children. Every
 * byte of every key is looked at once.
 */
#include "text/trie.h"

#include <string.h>

enum { SMALL = 16 };

struct key {
    const char *data;
    uint32_t len;
    int32_t id;
};

struct span {
    uint32_t first, count, depth;
};

struct build {
    struct key *keys, *other;
    struct span *spans; /* [nodes] the keys below each node */
    uint8_t *label;
    uint32_t *first;
    int32_t *id;
    uint32_t nodes;
};

static int byte_at(const struct key *k, uint32_t depth) {
    return depth < k->len ? (unsigned char)k->data[depth] : -1;
}

/* Sorts a range by the byte at depth; keys that end there come first. Stable, so
   that of equal keys the last stays last. */
static void part(struct build *b, const struct span *s) {
    struct key *keys = b->keys + s->first;
    if (s->count <= SMALL) {
        for (uint32_t i = 1; i < s->count; i++) {
            struct key k = keys[i];
            uint32_t j = i;
            for (; j && byte_at(&keys[j - 1], s->depth) > byte_at(&k, s->depth); j--)
                keys[j] = keys[j - 1];
            keys[j] = k;
        }
        return;
    }
    uint32_t at[258] = {0};
    for (uint32_t i = 0; i < s->count; i++)
        at[byte_at(&keys[i], s->depth) + 2]++;
    for (int i = 1; i < 258; i++)
        at[i] += at[i - 1];
    for (uint32_t i = 0; i < s->count; i++)
        b->other[at[byte_at(&keys[i], s->depth) + 1]++] = keys[i];
    memcpy(keys, b->other, s->count * sizeof *keys);
}

/* Takes node k: its id, and its children at the end of the list. */
static void take(struct build *b, uint32_t k) {
    struct span s = b->spans[k];
    uint32_t i = s.first, end = s.first + s.count;
    part(b, &s);
    b->first[k] = b->nodes;
    b->id[k] = -1;
    for (; i < end && b->keys[i].len == s.depth; i++)
        b->id[k] = b->keys[i].id;
    while (i < end) {
        uint32_t from = i;
        int byte = byte_at(&b->keys[i], s.depth);
        while (i < end && byte_at(&b->keys[i], s.depth) == byte)
            i++;
        b->label[b->nodes] = (uint8_t)byte;
        b->spans[b->nodes++] = (struct span){from, i - from, s.depth + 1};
    }
}

glim_status glim__trie_build(glim_trie *out, glim_arena *arena, const glim_gguf_string *keys,
                             const int32_t *ids, size_t n, glim_error *err) {
    glim_context *ctx = arena->ctx;
    size_t bytes = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        bytes += ids[i] >= 0 ? keys[i].len : 0;
    if (bytes > (size_t)1 << 28)
        return glim_fail(err, GLIM_ELIMIT, "the vocabulary has more than 2^28 bytes");
    struct build b = {.nodes = 1};
    b.keys = glim__calloc(ctx, n + 1, sizeof *b.keys);
    b.other = glim__calloc(ctx, n + 1, sizeof *b.other);
    b.spans = glim__alloc(ctx, (bytes + 1) * sizeof *b.spans);
    b.label = glim__arena_alloc(arena, bytes + 1);
    b.first = glim__arena_alloc(arena, (bytes + 2) * sizeof *b.first);
    b.id = glim__arena_alloc(arena, (bytes + 1) * sizeof *b.id);
    bool ok = b.keys && b.other && b.spans && b.label && b.first && b.id;
    for (size_t i = 0; i < n && ok; i++)
        if (ids[i] >= 0 && keys[i].len)
            b.keys[count++] = (struct key){keys[i].data, (uint32_t)keys[i].len, ids[i]};
    if (ok) {
        b.spans[0] = (struct span){0, (uint32_t)count, 0};
        b.label[0] = 0;
        for (uint32_t k = 0; k < b.nodes; k++)
            take(&b, k);
        b.first[b.nodes] = b.nodes;
        *out = (glim_trie){b.nodes, b.label, b.first, b.id};
    }
    glim__free(ctx, b.keys);
    glim__free(ctx, b.other);
    glim__free(ctx, b.spans);
    return ok ? GLIM_OK : glim__oom(ctx, err, "the vocabulary", 9 * bytes);
}

uint32_t glim__trie_step(const glim_trie *t, uint32_t node, uint8_t byte) {
    uint32_t first = t->first[node], count = t->first[node + 1] - first;
    if (count == 1) /* long keys are mostly such nodes */
        return t->label[first] == byte ? first : 0;
    const uint8_t *found = count ? memchr(t->label + first, byte, count) : NULL;
    return found ? (uint32_t)(found - t->label) : 0;
}

uint32_t glim__trie_walk(const glim_trie *t, const char *key, size_t n) {
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++)
        if (!(node = glim__trie_step(t, node, (uint8_t)key[i])))
            return 0;
    return node;
}

int32_t glim__trie_longest(const glim_trie *t, uint32_t node, const char *s, size_t n,
                           size_t *len) {
    int32_t best = -1;
    for (size_t i = 0; i < n && t->nodes; i++) {
        if (!(node = glim__trie_step(t, node, (uint8_t)s[i])))
            break;
        if (t->id[node] >= 0) {
            best = t->id[node];
            *len = i + 1;
        }
    }
    return best;
}
