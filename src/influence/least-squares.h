/* SPDX-License-Identifier: Apache-2.0 */
/* least-squares.h: the classical fit of numbers, from samples that are read in blocks. */
#ifndef GLIM_INFLUENCE_LEAST_SQUARES_H
#define GLIM_INFLUENCE_LEAST_SQUARES_H

#include "influence/regression.h"
#include "predict/fit.h"

/* Into a model that has its shape, by the triangle of all rows, with a penalty on its weights;
   unlike glim_fit it takes columns that depend on each other (without a penalty one of them
   gets 0) and keeps no rows. Reads the samples twice. */
glim_status glim__least_squares(glim_linear *l, const glim_features *f, double strength,
                                glim_error *err);
/* Its means and deviations alone; of a constant feature the deviation is 1. */
glim_status glim__standardise(glim_linear *l, const glim_features *f, glim_error *err);

#endif
