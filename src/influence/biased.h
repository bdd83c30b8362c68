/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biased.h: gradients of weights and of the biases behind them. y = W a + b is (W b)(a 1), so
 * whoever gets 1 behind every input has the gradient of the bias as one more column, and no
 * method needs to know.
 */
#ifndef GLIM_INFLUENCE_BIASED_H
#define GLIM_INFLUENCE_BIASED_H

#include "influence/gradients.h"

/* What stands behind gradients with biases; stays where it is. */
typedef struct glim_biased {
    glim_gradients plain;
    glim_weight *weights; /* with one more column for a bias */
    float *a;             /* rows of one weight with their 1 */
    size_t room;
} glim_biased;

/* g gets its biases. Those of weights without one change nothing. Errors: ENOMEM, EBUDGET. */
glim_status glim__gradients_add_biases(glim_gradients *g, glim_biased *room, glim_error *err);
void glim__biased_release(glim_biased *room); /* zeroed is fine */

#endif
