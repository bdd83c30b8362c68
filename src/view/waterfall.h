/* SPDX-License-Identifier: Apache-2.0 */
/* waterfall.h: from the base value to the prediction, step by step, for the report and figures. */
#ifndef GLIM_VIEW_WATERFALL_H
#define GLIM_VIEW_WATERFALL_H

#include "view/html-page.h"

enum { WATERFALL_UNITS = 10, WATERFALL_STEPS = WATERFALL_UNITS + 3 };

typedef struct waterfall_step {
    size_t unit;      /* SIZE_MAX: no unit, then `word` */
    size_t others;    /* units that it holds together, 0 = none */
    const char *word; /* the key of what stands for it */
    double from, to;
} waterfall_step;

/* The steps from the largest down, as they are drawn: the first ends at the prediction, the last
   begins at the base value. */
typedef struct waterfall {
    waterfall_step steps[WATERFALL_STEPS];
    size_t n;
    double base, value; /* where it begins and ends */
    double low, high;   /* the range of all */
} waterfall;

/* False when there is none: scores that do not add up to a target, or several rows. */
bool waterfall_open(waterfall *w, html_page *p);
/* The name of a step as plain words; what it adds. */
void waterfall_name(const waterfall *w, size_t i, html_page *p, glim_buffer *b);
void waterfall_number(const waterfall *w, size_t i, glim_buffer *b);

#endif
