/* SPDX-License-Identifier: Apache-2.0 */
/* patch.h: what the files of patching two runs share. */
#ifndef GLIM_STRUCTURE_PATCH_H
#define GLIM_STRUCTURE_PATCH_H

#include "structure/patching.h"
#include "structure/report.h"

#include <glim/patch.h>

enum { GLIM_MOST_MAPS = 2 * GLIM_PATCH_KINDS };

/* Numbers of one kind of site: (layers, columns), columns being positions or heads. */
typedef struct glim_patch_map {
    glim_patch_kind kind;
    bool encoder;
    size_t layers, columns;
    double *value; /* effects; NaN = none */
} glim_patch_map;

typedef struct glim_patch_work {
    glim_predictor *clean, *corrupted, *base, *donor;
    const glim_patch_options *o;
    glim_patching run;
    glim_kept_work kept;
    int64_t *map[2];
    glim_patch_map maps[GLIM_MOST_MAPS];
    size_t n_maps, n_items;
    double from, to;                   /* the target of the base and of the donor */
    size_t marked_first, marked_count; /* with one input: its tokens that are drowned */
} glim_patch_work;

/* That both are inputs of one model with one target. Errors: EUSAGE. */
glim_status glim__patch_check(const glim_predictor *a, const glim_predictor *b, glim_error *err);
/* The kinds that are named in a list; all of a half or halves. Errors: EUSAGE. */
glim_status glim__patch_choose(glim_patch_work *w, const char *sites, glim_error *err);
/* Item i of a map. */
glim_patch_item glim__patch_item(const glim_patch_map *m, size_t i);
/* The target of a predictor's input: the sum over its rows. */
double glim__patch_target(const glim_predictor *p);
/* Tokens that two inputs, x (n) and y (m), have in common at both ends, none of them twice. */
void glim__patch_common(const int32_t *x, size_t n, const int32_t *y, size_t m, size_t *head,
                        size_t *tail);
/* Where base and donor belong together. Errors: EUSAGE. */
glim_status glim__patch_align(glim_patch_work *w, glim_error *err);

/* Fills the maps by one gradient of the base (patch-estimate.c). */
glim_status glim__patch_estimate(glim_patch_work *w, glim_error *err);
/* The `most` largest by size of all maps, into which map and item; returns how many. */
size_t glim__patch_strongest(const glim_patch_work *w, size_t most, size_t *map, size_t *item);

/* patch-show.c. exact [n] of the strongest, or NULL when the maps are exact themselves. */
bool glim__patch_show(const glim_patch_work *w, const glim_report *r, const size_t *map,
                      const size_t *item, const double *exact, size_t n);
bool glim__patch_put_map(const glim_patch_work *w, const glim_report *r, const glim_patch_map *m,
                         const char *unit, glim_panel_scale scale);

#endif
