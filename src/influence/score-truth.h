/* SPDX-License-Identifier: Apache-2.0 */
/*
 * score-truth.h: how good scores of samples are, given what really happened: models that were
 * trained on subsets, or labels that are known to be wrong. Whoever can train gives these;
 * glim does so for heads (truth.h).
 */
#ifndef GLIM_INFLUENCE_SCORE_TRUTH_H
#define GLIM_INFLUENCE_SCORE_TRUTH_H

#include "base/context.h"

/* Linear datamodelling score (Ilyas et al. 2022, arXiv:2202.00622): the rank correlation of
   sums of scores (n) over subsets (m, n; 1 = in it) with f (m) of the models trained on them.
   NaN when either does not vary. A random score gives 0 +- 1/sqrt(m). */
glim_status glim__score_lds(glim_context *ctx, const double *scores, size_t n,
                            const uint8_t *subsets, const double *f, size_t m, double *out,
                            glim_error *err);
/* Area under the curve of wrong labels (wrong, n: 1 = wrong) found against others that were
   looked at, largest scores first: the chance that a wrong one has the larger score. Equal
   scores count half. NaN without either kind, or with an undefined score. */
glim_status glim__score_auc(glim_context *ctx, const double *scores, const uint8_t *wrong, size_t n,
                            double *out, glim_error *err);

#endif
