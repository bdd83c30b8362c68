/* SPDX-License-Identifier: Apache-2.0 */
/* examples.h: how much of what many explanations say is in a few of them. */
#ifndef GLIM_EVALUATE_EXAMPLES_H
#define GLIM_EVALUATE_EXAMPLES_H

#include "base/arena.h"
#include "base/map.h"
#include "evaluate/metrics.h"

/* The scores of all explanations so far: of units without the spaces around them, which are one
   feature wherever they stand, or of columns by their names. */
typedef struct glim_examples {
    glim_map features; /* text -> number */
    glim_arena texts, entries;
    struct glim_example *all; /* the newest first */
    size_t n;
} glim_examples;

void glim__examples_init(glim_examples *x, glim_context *ctx);
void glim__examples_release(glim_examples *x);
/* columns (units) or NULL. Errors: ENOMEM, EBUDGET. */
glim_status glim__examples_add(glim_examples *x, const glim_document *doc,
                               const char *const *columns, glim_error *err);
/* Fills e's measure example-coverage, if it is there: c(V) / c(all) of the picks, beside that of as
   many at random. opts: of the metric, or NULL. Errors: ENOMEM, EBUDGET. */
glim_status glim__examples_tell(const glim_examples *x, const void *opts, uint64_t seed,
                                glim_evaluation *e, glim_error *err);

#endif
