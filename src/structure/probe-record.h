/* SPDX-License-Identifier: Apache-2.0 */
/* probe-record.h: what a run of probes keeps in a store of what was found at a site. */
#ifndef GLIM_STRUCTURE_PROBE_RECORD_H
#define GLIM_STRUCTURE_PROBE_RECORD_H

#include "structure/kept-work.h"
#include "structure/probe-run.h"

/* Keys of the values of a store's sites, and of what is fitted on them. `shuffled`: of the copy
   with shuffled weights. */
void glim__probe_keys(const glim_probe_run *r, const glim_probe_store *s, bool shuffled,
                      glim_store_key *values, glim_store_key *layers);
/* What was found at a site: with `direction` its weights as well (n floats, filled). */
glim_status glim__probe_layer_put(glim_probe_run *r, uint64_t site, const glim_probe_layer *l,
                                  const float *direction, size_t n, glim_error *err);
/* *found is false where there is nothing; then `out` stays as it is. */
glim_status glim__probe_layer_get(glim_probe_run *r, uint64_t site, glim_probe_layer *out,
                                  float *direction, size_t n, bool *found, glim_error *err);

#endif
