/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shingles and their signatures. A hash with a number takes the place of a permutation:
 * (shingle, number) through the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
 */
#include "influence/shingles.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { RUN = 3 };

static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static bool ideograph(uint32_t c) {
    return (c >= 0x3040 && c < 0xa4d0) || (c >= 0xf900 && c < 0xfb00) ||
           (c >= 0x20000 && c < 0x40000);
}

static bool letter(uint32_t c) {
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO;
}

/* Hashes of words, into out (as many as there are bytes); returns how many. */
static size_t words(const char *text, uint64_t *out) {
    size_t n = 0, len = strlen(text);
    bool inside = false;
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t k = glim__utf8_decode(text + at, len - at, &c);
        at += k ? k : 1;
        if (!k || !letter(c)) {
            inside = false;
            continue;
        }
        if (!inside || ideograph(c))
            out[n++] = 0;
        out[n - 1] = mix(out[n - 1] ^ (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
        inside = !ideograph(c);
    }
    return n;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

glim_status glim__shingles_make(glim_shingles *out, const char *text, glim_arena *arena,
                                glim_error *err) {
    size_t len = strlen(text);
    uint64_t *at = glim__arena_alloc(arena, (len + 1) * sizeof *at);
    *out = (glim_shingles){.at = at};
    if (!at)
        return glim__oom(arena->ctx, err, "the words of a text", len * sizeof *at);
    size_t n = words(text, at), runs = n >= RUN ? n - RUN + 1 : 1;
    if (!n) { /* marks alone: the text itself */
        at[0] = 1;
        for (size_t i = 0; i < len; i++)
            at[0] = mix(at[0] ^ (unsigned char)text[i]);
    }
    for (size_t i = 0; i < runs && n; i++) {
        uint64_t h = 0;
        for (size_t k = i; k < n && k < i + RUN; k++)
            h = mix(h ^ at[k]);
        at[i] = h;
    }
    qsort(at, runs, sizeof *at, by_size);
    for (size_t i = 0; i < runs; i++)
        if (!i || at[i] != out->at[out->n - 1])
            out->at[out->n++] = at[i];
    return GLIM_OK;
}

double glim__shingles_likeness(const glim_shingles *a, const glim_shingles *b) {
    size_t i = 0, k = 0, shared = 0;
    while (i < a->n && k < b->n) {
        shared += a->at[i] == b->at[k];
        bool first = a->at[i] <= b->at[k], second = b->at[k] <= a->at[i];
        i += first;
        k += second;
    }
    return (double)shared / (double)(a->n + b->n - shared);
}

void glim__shingles_bands(const glim_shingles *s, size_t first, size_t count, uint32_t *out) {
    for (size_t b = 0; b < count; b++) {
        uint64_t band = 0;
        for (size_t r = 0; r < GLIM_BAND_ROWS; r++) {
            uint64_t least = UINT64_MAX, by = mix((first + b) * GLIM_BAND_ROWS + r + 1);
            for (size_t i = 0; i < s->n; i++) {
                uint64_t h = mix(s->at[i] ^ by);
                least = h < least ? h : least;
            }
            band = mix(band ^ least);
        }
        out[b] = (uint32_t)(band >> 32);
    }
}
