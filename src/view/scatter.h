/* SPDX-License-Identifier: Apache-2.0 */
/* scatter.h: scores of two runs of a comparison, unit by unit, for the report and figures. */
#ifndef GLIM_VIEW_SCATTER_H
#define GLIM_VIEW_SCATTER_H

#include "base/context.h"
#include "base/json.h"

enum { SCATTER_MOST = 4, SCATTER_NAMED = 4 }; /* runs beside the first; units that are named */

typedef struct scatter {
    glim_context *ctx;
    double *x, *y; /* [n] of the first run and of the other */
    size_t *unit;  /* [n] */
    size_t n;
    double x0, x1, y0, y1; /* where axes begin and end: zero is inside */
    bool same;             /* one scale for both */
    bool failed;           /* memory was refused */
} scatter;

/* Of a glim.comparison/1; false when no unit has a score in both. Close in any case. */
bool scatter_open(scatter *s, glim_context *ctx, const json_t *all, size_t run, bool same);
void scatter_close(scatter *s);
/* The points farthest from the line on which scores agree, `out` [SCATTER_NAMED]; how many. */
size_t scatter_far(const scatter *s, size_t *out);

#endif
