/* SPDX-License-Identifier: Apache-2.0 */
/* submodular.h: which explanations of many to look at. */
#ifndef GLIM_EXPLAIN_SUBMODULAR_H
#define GLIM_EXPLAIN_SUBMODULAR_H

#include "base/context.h"

/* Takes k of n explanations w (n, d), greedily: a feature is worth sqrt(sum_i |w_ij|), and
   each pick adds the most worth that none before it has (Ribeiro, Singh, Guestrin 2016,
   section 4; of equally good ones the first, where lime takes the last). worth (d),
   covered (k): the share of all worth that the first picks have. Returns how many were
   taken, at most n. seen (d): scratch, zero. */
size_t glim__pick(const double *w, size_t n, size_t d, size_t k, size_t *picks, double *worth,
                  double *covered, uint8_t *seen);

#endif
