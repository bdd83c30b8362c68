/* SPDX-License-Identifier: Apache-2.0 */
/* head-fit.h: a linear or logistic model fitted to samples that stream by. */
#ifndef GLIM_INFLUENCE_HEAD_FIT_H
#define GLIM_INFLUENCE_HEAD_FIT_H

#include "influence/features.h"
#include "predict/fit.h"

/* Fills means, deviations, weights and bias of a model that has its kind, its shape and its
   classes, as glim_fit does with all rows and without an L1 part. Up to 512 weights of a
   logistic model by Newton steps, more of them by L-BFGS; the samples are read once a step.
   Errors: EUSAGE (a class without a sample), ENUMERIC, those of reading, ECANCELLED. */
glim_status glim__head_fit(glim_linear *l, const glim_features *f, double strength,
                           glim_error *err);

#endif
