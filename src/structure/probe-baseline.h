/* SPDX-License-Identifier: Apache-2.0 */
/* probe-baseline.h: a score that needs no layer of the model. */
#ifndef GLIM_STRUCTURE_PROBE_BASELINE_H
#define GLIM_STRUCTURE_PROBE_BASELINE_H

#include "structure/probe-store.h"

/* Of a learner's target, by the same folds; out->done stays false when no token is in two
   texts. The learner's vectors are not read. */
glim_status glim__probe_baseline(const glim_probe_learner *l, const glim_probe_folds *folds,
                                 const glim_probe_inputs *in, size_t vocabulary,
                                 glim_probe_layer *out, glim_error *err);
/* Bytes that it takes. */
uint64_t glim__probe_baseline_plan(const glim_probe_target *t, const glim_probe_how *how);

#endif
