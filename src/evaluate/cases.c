/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases of a row: what is judged, and what it is judged beside. Random orders deal the
 * same scores out to other features, so that a metric that reads sizes sees the same sizes.
 */
#include "base/rng.h"
#include "evaluate/judging.h"

#include <math.h>
#include <string.h>

enum { STREAM = 3 }; /* of random numbers, for orders */

static void put_case(struct judging *j, size_t k, const glim_case *like) {
    glim_case *c = &j->cases[k];
    *c = *like;
    c->phi = j->phi + k * like->d;
    c->order = j->order + k * like->d;
    glim__importance_order(c->phi, c->d, c->is_signed, j->order + k * like->d);
}

/* Deals the scores out, the largest to the first of a random order that is the same for every
   method: methods are judged beside the same orders, and what one asked helps the next. `order`
   (d) is room. */
static void deal(const glim_case *own, uint64_t seed, uint64_t stream, size_t *order, double *phi) {
    for (size_t i = 0; i < own->d; i++)
        order[i] = i;
    for (size_t i = own->d; i > 1; i--) {
        size_t at = glim__rng_below(seed, stream, i, (uint32_t)i);
        size_t swap = order[i - 1];
        order[i - 1] = order[at];
        order[at] = swap;
    }
    for (size_t i = 0; i < own->d; i++)
        phi[order[i]] = own->phi[own->order[i]];
}

/* The best order that is known beforehand takes away what the target loses most by, also
   for scores without sign, which cannot know it. */
static void put_oracle(struct judging *j, const glim_case *like) {
    glim_case oracle = *like;
    oracle.is_signed = true;
    memcpy(j->phi + ORACLE * like->d, like->loo, like->d * sizeof *j->phi);
    put_case(j, ORACLE, &oracle);
}

void glim__cases_make(struct judging *j, const glim_case *like) {
    size_t d = like->d;
    put_case(j, AS_IT_IS, like);
    const glim_case *own = &j->cases[AS_IT_IS];
    for (size_t i = 0; i < d; i++)
        j->phi[REVERSED * d + own->order[i]] = own->phi[own->order[d - 1 - i]];
    put_case(j, REVERSED, like);
    if (like->loo)
        put_oracle(j, like);
    for (size_t k = FIRST_DRAW; k < j->n_cases; k++) {
        deal(own, j->o->seed, (uint64_t)STREAM << 40 | k, j->order + k * d, j->phi + k * d);
        put_case(j, k, like);
    }
}
