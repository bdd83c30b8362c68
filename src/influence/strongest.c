/* SPDX-License-Identifier: Apache-2.0 */
#include "influence/strongest.h"

#include <stdlib.h>
#include <string.h>

/* Whether a is the first to go of the two: less extreme, and of equal ones the later. */
static bool weaker(const glim_strongest *h, glim_influence_entry a, glim_influence_entry b) {
    return a.value != b.value ? (a.value < b.value) == (h->sign > 0) : a.sample > b.sample;
}

static void swap(glim_influence_entry *a, glim_influence_entry *b) {
    glim_influence_entry kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_down(glim_strongest *h) {
    size_t i = 0;
    for (;;) {
        size_t weakest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
            if (weaker(h, h->at[child], h->at[weakest]))
                weakest = child;
        if (weakest == i)
            return;
        swap(&h->at[i], &h->at[weakest]);
        i = weakest;
    }
}

void glim__strongest_offer(glim_strongest *h, glim_influence_entry e) {
    if (h->n == h->most) {
        if (!h->most || weaker(h, e, h->at[0]))
            return;
        h->at[0] = e;
        sift_down(h);
        return;
    }
    size_t i = h->n++;
    h->at[i] = e;
    for (size_t up = (i - 1) / 2; i && weaker(h, h->at[i], h->at[up]); up = (i - 1) / 2) {
        swap(&h->at[i], &h->at[up]);
        i = up;
    }
}

static int by_strength(const void *a, const void *b, void *heap) {
    const glim_influence_entry *x = a, *y = b;
    return weaker(heap, *x, *y) ? 1 : weaker(heap, *y, *x) ? -1 : 0;
}

void glim__strongest_sorted(glim_strongest *h, glim_influence_entry *out) {
    if (h->n)
        memmove(out, h->at, h->n * sizeof *out);
    qsort_r(out, h->n, sizeof *out, by_strength, h);
}
