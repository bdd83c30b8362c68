/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h: how far two names are apart, for errors that say what was perhaps meant. */
#ifndef GLIM_BASE_NEAREST_H
#define GLIM_BASE_NEAREST_H

#include <stddef.h>

enum { GLIM_NEAREST_MOST = 80 }; /* bytes of a name; longer ones are this far from all */

/* Levenshtein's edit distance of a (n bytes) and b. */
int glim__edit_distance(const char *a, size_t n, const char *b);

#endif
