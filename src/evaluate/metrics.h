/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h: the metrics, one file a family, and what they share. */
#ifndef GLIM_EVALUATE_METRICS_H
#define GLIM_EVALUATE_METRICS_H

#include "base/context.h"

#include <glim/evaluate.h>

extern const glim_metric glim_metric_aopc_comprehensiveness, glim_metric_aopc_sufficiency,
    glim_metric_log_odds, glim_metric_deletion_auc, glim_metric_insertion_auc,
    glim_metric_infidelity, glim_metric_faithfulness_correlation, glim_metric_sensitivity_n,
    glim_metric_monotonicity, glim_metric_completeness_residual, glim_metric_local_r2,
    glim_metric_model_randomisation, glim_metric_seed_kendall, glim_metric_seed_jaccard,
    glim_metric_seed_rbo, glim_metric_sensitivity_max, glim_metric_masking_kendall,
    glim_metric_gini, glim_metric_entropy, glim_metric_effective_number, glim_metric_n90,
    glim_metric_effective_complexity, glim_metric_feature_coverage, glim_metric_row_coverage,
    glim_metric_shown_share, glim_metric_completeness, glim_metric_token_f1, glim_metric_token_iou,
    glim_metric_auprc, glim_metric_class_coverage, glim_metric_random_class,
    glim_metric_wording_kendall, glim_metric_paraphrase_kendall, glim_metric_example_coverage;

/* Fills order (d): the most important first, equal ones in place. */
void glim__importance_order(const double *phi, size_t d, bool is_signed, size_t *order);

/* A score, of which nothing said counts as nothing; and its size. */
double glim__score(double phi);
double glim__size(double phi);
/* Sum of the sizes of all scores. */
double glim__sizes(const glim_case *c);

/* ---- subsets.c: removals at random, the same for every order ---- */

/* Subset `sample` of `stream`, `size` features of c; 0 = of a size that is uniform over
   1 .. d. Returns what their scores say that the target loses; keep (d), unless NULL, gets
   0 for them and 1 for the others. *taken, unless NULL: their number. */
double glim__subset(const glim_case *c, unsigned stream, size_t sample, size_t size, uint8_t *keep,
                    size_t *taken);
/* The masks of the subsets 0 .. draws - 1, keep (draws, d) unless NULL; returns draws. */
size_t glim__subsets(const glim_case *c, unsigned stream, size_t draws, size_t size, uint8_t *keep);
enum { GLIM_STREAM_ANY_SIZE = 4, GLIM_STREAM_SIZE = 5 }; /* the latter: + the size */

/* ---- rank.c: how alike two lists are; NaN = undefined ---- */

/* Weighted moments of pairs, in one pass. Zero is empty. */
typedef struct glim_pairs {
    double n, x, y, xx, yy, xy; /* sum of weights, means, sums of products about them */
} glim_pairs;
void glim__pairs_add(glim_pairs *p, double weight, double x, double y);
double glim__pairs_correlation(const glim_pairs *p);
/* Whether one side is constant, apart from what rounding does. */
bool glim__pairs_flat(double squares, double mean, double n);

/* Of scores, where nothing said counts as 0, or of their sizes. */
double glim__spearman(const double *a, const double *b, size_t n, bool sizes);
double glim__kendall_tau_b(const double *a, const double *b, size_t n, bool sizes);
/* Orders of n things, first k: what both share, over what either has. */
double glim__jaccard_at(const size_t *a, const size_t *b, size_t n, size_t k);
/* Overlap weighted by depth (Webber, Moffat, Zobel 2010), extrapolated from the whole. */
double glim__rbo(const size_t *a, const size_t *b, size_t n, double p);
/* Expected Jaccard and overlap of an order with a random one. */
double glim__jaccard_chance(size_t n, size_t k);
double glim__rbo_chance(size_t n, double p);

#endif
