/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why.h: what tokens, layers or modules have of a score. A score is a sum over rows and
 * weights of a sample's gradient, so a method that has met the rows can take it apart. Which
 * scores are worth it is known once all of them are: then the method hands out a glim_why
 * (influence-methods.h), and whoever asked has single samples taken apart.
 */
#ifndef GLIM_INFLUENCE_WHY_H
#define GLIM_INFLUENCE_WHY_H

#include "influence/influence-methods.h"
#include "influence/parts.h"
#include "influence/products.h"

/* Where the pieces of a sample's scores go. */
typedef struct glim_why_room {
    const glim_why_sample *sample;
    const glim_weight *weights;
    const glim_parts *parts; /* of layers or modules; one part: tokens */
    size_t count;            /* queries */
    double *out, *rest;      /* as of glim_why.tell */
} glim_why_room;

/* Whether there are layers or modules. */
static inline bool glim__why_parted(const glim_parts *parts) {
    return parts->names[0] != NULL;
}

static inline void glim__why_parts(glim_why *why, const glim_parts *parts) {
    why->parts = glim__why_parted(parts) ? parts->n : 0;
    why->names = parts->names;
}

/* Numbers that tell() fills for a sample. */
static inline size_t glim__why_size(const glim_parts *parts, const glim_why_sample *s) {
    return glim__why_parted(parts) ? parts->n : s->source + s->tokens;
}

/* Adds by x each (rows, count), what the rows of a weight have of the scores. Rows that are no
   token of the sample, such as that of a pooled output, go to the rest. */
void glim__why_add(const glim_why_room *r, size_t weight, size_t rows, const double *each,
                   double by);

/* The same of products that the rows of a view are met with. Errors: those of the products,
   ENOMEM. */
glim_status glim__why_meet(const glim_why_room *r, glim_context *ctx, glim_products *products,
                           const glim_factors_view *view, double by, glim_error *err);

#endif
