/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention-parts.h: what attention adds at a target's position, taken apart by source:
 *
 *   out_t = sum_s part_s + b,  part_s = W_O concat_h(a_h[t, s] v_h[s])
 *
 * with the norm behind it, where there is one, as the linear map that it is at out_t.
 */
#ifndef GLIM_EXPLAIN_ATTENTION_PARTS_H
#define GLIM_EXPLAIN_ATTENTION_PARTS_H

#include "explain/attention.h"

typedef struct glim_parts {
    int layer;
    size_t row;         /* of the target */
    size_t S, C;        /* S: positions that are seen */
    const float *parts; /* (S, C) */
    const float *out;   /* (C) what the model itself adds there */
    /* Of `raw` parts with a norm behind attention: its weight (C), what it is taken of with
       all sources, sum_s part_s + b (C), and its epsilon; else NULL. */
    const float *norm;
    const double *sum;
    float eps;
} glim_parts;

typedef glim_status glim_parts_visit(void *data, const glim_parts *parts, glim_error *err);

/* Visits target rows `first` .. `first + n` of every layer (`layer` -1), or of one, in one
   pass: layers upwards, rows ascending. Across to the text that is read where there is one.
   *off = the largest distance of the parts' sum from what the model adds, relative to that.
   Hooks in `more` run in the same pass, before the parts of their layer. */
typedef struct glim_parts_how {
    int64_t layer;
    size_t first, n;
    bool raw;              /* parts before the norm that comes behind attention, if any */
    const glim_hook *more; /* at most 4 */
    size_t n_more;
} glim_parts_how;

glim_status glim__attention_parts(glim_predictor *p, const glim_parts_how *how,
                                  glim_parts_visit *visit, void *data, double *off,
                                  glim_error *err);
void glim__attention_parts_plan(const glim_predictor *p, size_t rows, glim_plan *out);
/* The check on `off`, and its verdict. */
void glim__attention_parts_tell(double off, glim_document *doc);

#endif
