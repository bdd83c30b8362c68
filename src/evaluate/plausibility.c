/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agreement with what people marked. The K most important features against the marked
 * ones: F1 and intersection over union; K is the number of marked ones unless given
 * (ferret takes 5). Without a K, the area under precision and recall, as average
 * precision: sum (R_i - R_(i-1)) P_i over the scores that differ, as scikit-learn does,
 * not by trapezoids (ferret), which flatters.
 */
#include "evaluate/metrics.h"

#include <math.h>

struct opts {
    int64_t k;
};

static const glim_param params[] = {
    {.name = "k",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, k),
     .def.i = 0,
     .min = 0,
     .max = 100000,
     .help = "features that count as pointed at (0: as many as were marked)"},
    {0},
};

static double marked(const glim_case *c) {
    double n = 0;
    for (size_t i = 0; i < c->d; i++)
        n += c->rationale[i];
    return n;
}

/* Marked ones among the first k; *k becomes their number. */
static double hits(const glim_case *c, const struct opts *o, double *k) {
    size_t n = o->k ? (size_t)o->k : (size_t)marked(c);
    double sum = 0;
    n = n < c->d ? n : c->d;
    for (size_t i = 0; i < n; i++)
        sum += c->rationale[c->order[i]];
    *k = (double)n;
    return sum;
}

static double read_f1(const glim_case *c, const void *opts, const double *values) {
    double k, both = hits(c, opts, &k), all = marked(c);
    return all > 0 ? 2 * both / (k + all) : NAN;
}

static double read_iou(const glim_case *c, const void *opts, const double *values) {
    double k, both = hits(c, opts, &k), all = marked(c);
    return all > 0 ? both / (k + all - both) : NAN;
}

static double weight(const glim_case *c, size_t place) {
    double phi = c->phi[c->order[place]];
    return c->is_signed ? glim__score(phi) : glim__size(phi);
}

static double read_average_precision(const glim_case *c, const void *opts, const double *values) {
    double all = marked(c), found = 0, before = 0, sum = 0;
    for (size_t i = 0; i < c->d && all > 0; i++) {
        found += c->rationale[c->order[i]];
        if (i + 1 < c->d && weight(c, i + 1) == weight(c, i))
            continue; /* no threshold parts them */
        sum += (found - before) / all * found / (double)(i + 1);
        before = found;
    }
    return all > 0 ? sum : NAN;
}

const glim_metric glim_metric_token_f1 = {
    .name = "token-f1",
    .summary = "agreement of the most important features with those that people marked",
    .cite = "DeYoung et al. 2020, arXiv:1911.03429",
    .caption = "What people expect, not what the model does: a model may be right for odd reasons.",
    .quality = GLIM_PLAUSIBILITY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .needs = GLIM_NEEDS_RATIONALE,
    .cost = "none",
    .params = params,
    .opts_size = sizeof(struct opts),
    .read = read_f1,
};

const glim_metric glim_metric_token_iou = {
    .name = "token-iou",
    .summary = "what both point at, over what either does",
    .cite = "DeYoung et al. 2020, arXiv:1911.03429",
    .caption = "What people expect, not what the model does: a model may be right for odd reasons.",
    .quality = GLIM_PLAUSIBILITY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .needs = GLIM_NEEDS_RATIONALE,
    .cost = "none",
    .params = params,
    .opts_size = sizeof(struct opts),
    .read = read_iou,
};

const glim_metric glim_metric_auprc = {
    .name = "auprc",
    .summary = "average precision of the scores for what people marked",
    .cite = "DeYoung et al. 2020, arXiv:1911.03429",
    .caption = "What people expect, not what the model does: a model may be right for odd reasons.",
    .quality = GLIM_PLAUSIBILITY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .needs = GLIM_NEEDS_RATIONALE,
    .cost = "none",
    .read = read_average_precision,
};
