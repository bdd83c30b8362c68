/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Near-duplicates among what was found: restarts often climb to the same tokens in another order,
 * or with one that is idle. Two texts are alike when three quarters of the tokens of either stand
 * in the other, wherever they stand; of those the one that reached most is shown.
 */
#include "structure/maximize.h"

#include <math.h>

static size_t shared(const glim_found *a, const glim_found *b) {
    uint8_t used[GLIM_MAXIMIZE_LENGTH] = {0};
    size_t n = 0;
    for (size_t i = 0; i < a->pieces; i++)
        for (size_t k = 0; k < b->pieces && k < GLIM_MAXIMIZE_LENGTH; k++)
            if (!used[k] && a->ids[i] == b->ids[k]) {
                used[k] = 1;
                n++;
                break;
            }
    return n;
}

static bool is_alike(const glim_found *a, const glim_found *b) {
    size_t longer = a->pieces > b->pieces ? a->pieces : b->pieces;
    return a->unit == b->unit && a->lambda == b->lambda && 4 * shared(a, b) >= 3 * longer;
}

/* What was climbed; without fluency the value. */
static double score(const glim_found *f) {
    return f->lambda > 0 && !isnan(f->nll) ? f->value - f->lambda * f->nll : f->value;
}

void glim__found_leave_out(glim_maximized *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_found; i++) {
        size_t twin = 0;
        while (twin < n && !is_alike(&r->found[twin], &r->found[i]))
            twin++;
        if (twin == n) {
            r->found[n++] = r->found[i];
            continue;
        }
        glim_found *worse = score(&r->found[i]) > score(&r->found[twin]) ? &r->found[twin] : NULL;
        glim__found_release(r->ctx, worse ? worse : &r->found[i]);
        if (worse)
            *worse = r->found[i];
        r->alike++;
    }
    r->n_found = n;
}
