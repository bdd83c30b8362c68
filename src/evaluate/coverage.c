/* SPDX-License-Identifier: Apache-2.0 */
/* Whether anything was left out: features without a score, and target rows (produced
   tokens) without any. What cannot be taken out counts as no feature. */
#include "evaluate/metrics.h"
#include "predict/predictor.h"

#include <math.h>

static double read_coverage(const glim_case *c, const void *opts, const double *values) {
    double n = 0;
    for (size_t i = 0; i < c->d; i++)
        n += !isnan(c->phi[i]);
    return n / (double)c->d;
}

static double none_covered(const glim_case *c, const void *opts) {
    return 0;
}

static glim_status run_rows(const glim_subject *s, const void *opts, glim_answer *out,
                            glim_error *err) {
    size_t U = s->doc->input.n_units;
    for (size_t r = 0; r < s->doc->n_rows; r++) {
        bool sees = false, said = false;
        for (size_t u = 0; u < U && u < s->p->row_end[r]; u++)
            if (!s->p->units->at[u].fixed) {
                sees = true;
                said = said || !isnan(s->doc->scores[r * U + u]);
            }
        if (sees) {
            out->value[r] = said;
            out->chance[r] = 0;
        }
    }
    return GLIM_OK;
}

const glim_metric glim_metric_feature_coverage = {
    .name = "feature-coverage",
    .summary = "share of the features that have a score",
    .cite = "Nauta et al. 2023, arXiv:2201.08164",
    .caption = "A score of 0 covers a feature too.",
    .quality = GLIM_COMPREHENSIVENESS,
    .higher = true,
    .best = 1,
    .cost = "none",
    .read = read_coverage,
    .floor = none_covered,
};

const glim_metric glim_metric_row_coverage = {
    .name = "row-coverage",
    .summary = "share of the target's tokens that are explained",
    .cite = "Nauta et al. 2023, arXiv:2201.08164",
    .caption = "Tokens that see nothing that could be taken out are left aside.",
    .quality = GLIM_COMPREHENSIVENESS,
    .higher = true,
    .best = 1,
    .cost = "none",
    .run = run_rows,
};
