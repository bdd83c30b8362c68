/* SPDX-License-Identifier: Apache-2.0 */
/* Whether larger scores stand where the target changes more without the feature: a
   correlation of ranks of |phi| and |leave-one-out|. */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *by;
};

static const glim_param params[] = {
    {.name = "by",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, by),
     .def.s = "spearman",
     .choices = "spearman|kendall",
     .help = "correlation of ranks, or tau_b of pairs"},
    {0},
};

static double read_monotonicity(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    return strcmp(o->by, "kendall") != 0 ? glim__spearman(c->phi, c->loo, c->d, true)
                                         : glim__kendall_tau_b(c->phi, c->loo, c->d, true);
}

const glim_metric glim_metric_monotonicity = {
    .name = "monotonicity",
    .summary = "whether larger scores stand where the target changes more",
    .cite = "Arya et al. 2019, arXiv:1909.03012; Attanasio et al. 2023, arXiv:2208.01575",
    .caption = "Leave-one-out wins its own game here, and misses what only matters together.",
    .quality = GLIM_ACCURACY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .needs = GLIM_NEEDS_VALUES | GLIM_NEEDS_LOO,
    .cost = "d forwards",
    .params = params,
    .opts_size = sizeof(struct opts),
    .read = read_monotonicity,
};
