/* SPDX-License-Identifier: Apache-2.0 */
#include "influence/row-set.h"

enum { WORD = 64, COUNTED = 8 }; /* words of one count */

static size_t words_of(const glim_row_set *s) {
    return (s->rows + WORD - 1) / WORD;
}

static size_t ones(uint64_t word) {
    return (size_t)__builtin_popcountll(word);
}

bool glim__row_set_init(glim_row_set *s, glim_context *ctx, size_t rows) {
    *s = (glim_row_set){.rows = rows};
    s->bits = glim__calloc(ctx, words_of(s) + 1, sizeof *s->bits);
    s->before = glim__calloc(ctx, words_of(s) / COUNTED + 2, sizeof *s->before);
    return s->bits && s->before;
}

void glim__row_set_release(glim_row_set *s, glim_context *ctx) {
    glim__free(ctx, s->bits);
    glim__free(ctx, s->before);
    *s = (glim_row_set){0};
}

void glim__row_set_put(glim_row_set *s, size_t row, bool is) {
    uint64_t bit = (uint64_t)1 << row % WORD, *word = &s->bits[row / WORD];
    *word = is ? *word | bit : *word & ~bit;
}

void glim__row_set_count(glim_row_set *s) {
    s->n = 0;
    for (size_t w = 0; w < words_of(s); w++) {
        if (w % COUNTED == 0)
            s->before[w / COUNTED] = s->n;
        s->n += ones(s->bits[w]);
    }
}

size_t glim__row_set_find(const glim_row_set *s, size_t i) {
    size_t low = 0, high = (words_of(s) + COUNTED - 1) / COUNTED;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (s->before[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    size_t left = i - s->before[low], w = low * COUNTED;
    for (; left >= ones(s->bits[w]); w++)
        left -= ones(s->bits[w]);
    uint64_t word = s->bits[w];
    for (; left; left--)
        word &= word - 1; /* without its lowest bit */
    return w * WORD + (size_t)__builtin_ctzll(word);
}
