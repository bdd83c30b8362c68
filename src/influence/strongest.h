/* SPDX-License-Identifier: Apache-2.0 */
/* strongest.h: the highest or lowest of entries that stream by; of equal ones the earlier. */
#ifndef GLIM_INFLUENCE_STRONGEST_H
#define GLIM_INFLUENCE_STRONGEST_H

#include <glim/influence.h>

typedef struct glim_strongest {
    glim_influence_entry *at; /* [most], a heap whose root is the next to go */
    size_t n, most;
    double sign; /* 1: the highest values stay; -1: the lowest */
} glim_strongest;

/* A value that is no NaN. */
void glim__strongest_offer(glim_strongest *h, glim_influence_entry e);
/* Those that stayed, the strongest first, out (n). */
void glim__strongest_sorted(glim_strongest *h, glim_influence_entry *out);

#endif
