/* SPDX-License-Identifier: Apache-2.0 */
/* The list of metrics, and what they share. */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

static const glim_metric *const metrics[] = {
    &glim_metric_aopc_comprehensiveness,
    &glim_metric_aopc_sufficiency,
    &glim_metric_log_odds,
    &glim_metric_deletion_auc,
    &glim_metric_insertion_auc,
    &glim_metric_infidelity,
    &glim_metric_faithfulness_correlation,
    &glim_metric_sensitivity_n,
    &glim_metric_monotonicity,
    &glim_metric_local_r2,
    &glim_metric_completeness_residual,
    &glim_metric_model_randomisation,
    &glim_metric_random_class,
    &glim_metric_seed_kendall,
    &glim_metric_seed_jaccard,
    &glim_metric_seed_rbo,
    &glim_metric_sensitivity_max,
    &glim_metric_masking_kendall,
    &glim_metric_wording_kendall,
    &glim_metric_paraphrase_kendall,
    &glim_metric_gini,
    &glim_metric_entropy,
    &glim_metric_effective_number,
    &glim_metric_n90,
    &glim_metric_effective_complexity,
    &glim_metric_feature_coverage,
    &glim_metric_row_coverage,
    &glim_metric_class_coverage,
    &glim_metric_example_coverage,
    &glim_metric_shown_share,
    &glim_metric_completeness,
    &glim_metric_token_f1,
    &glim_metric_token_iou,
    &glim_metric_auprc,
    NULL,
};

const glim_metric *const *glim_metrics(void) {
    return metrics;
}

const glim_metric *glim_metric_find(const char *name) {
    for (size_t i = 0; metrics[i]; i++)
        if (!strcmp(metrics[i]->name, name))
            return metrics[i];
    return NULL;
}

const char *glim_quality_name(glim_quality quality) {
    static const char *const names[] = {"accuracy", "consistency", "simplicity",
                                        "comprehensiveness", "plausibility"};
    return names[quality];
}

double glim__score(double phi) {
    return isnan(phi) ? 0 : phi;
}

double glim__size(double phi) {
    return isnan(phi) ? 0 : fabs(phi);
}

double glim__sizes(const glim_case *c) {
    double sum = 0;
    for (size_t i = 0; i < c->d; i++)
        sum += glim__size(c->phi[i]);
    return sum;
}

/* By insertion: stable, and few features are ever judged. */
void glim__importance_order(const double *phi, size_t d, bool is_signed, size_t *order) {
    double (*weight)(double) = is_signed ? glim__score : glim__size;
    for (size_t i = 0; i < d; i++) {
        size_t at = i;
        for (; at && weight(phi[order[at - 1]]) < weight(phi[i]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}
