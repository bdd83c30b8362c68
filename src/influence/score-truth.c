/* SPDX-License-Identifier: Apache-2.0 */
/* Scores against what happened. */
#include "influence/score-truth.h"
#include "influence/truth.h"

#include <math.h>
#include <stdlib.h>

glim_status glim__score_lds(glim_context *ctx, const double *scores, size_t n,
                            const uint8_t *subsets, const double *f, size_t m, double *out,
                            glim_error *err) {
    double *sums = glim__calloc(ctx, m + 1, sizeof *sums);
    if (!sums)
        return glim__oom(ctx, err, "sums of scores", m * sizeof *sums);
    for (size_t k = 0; k < m; k++)
        for (size_t i = 0; i < n; i++)
            sums[k] += subsets[k * n + i] ? scores[i] : 0;
    glim_status status = glim__truth_spearman(ctx, sums, f, m, out, err);
    glim__free(ctx, sums);
    return status;
}

struct scored {
    double score;
    bool wrong;
};

static int by_score(const void *a, const void *b) {
    const struct scored *x = a, *y = b;
    return x->score < y->score ? -1 : x->score > y->score;
}

/* Pairs of a wrong and a right label in which the wrong one's score is larger. */
static double larger_pairs(const struct scored *all, size_t n) {
    double pairs = 0, right = 0;
    for (size_t i = 0, end; i < n; i = end) {
        double wrong_here = 0, right_here = 0;
        for (end = i; end < n && !(all[end].score > all[i].score); end++) {
            wrong_here += all[end].wrong;
            right_here += !all[end].wrong;
        }
        pairs += wrong_here * (right + right_here / 2);
        right += right_here;
    }
    return pairs;
}

glim_status glim__score_auc(glim_context *ctx, const double *scores, const uint8_t *wrong, size_t n,
                            double *out, glim_error *err) {
    struct scored *all = glim__calloc(ctx, n + 1, sizeof *all);
    double bad = 0;
    bool defined = true;
    if (!all)
        return glim__oom(ctx, err, "scores", n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct scored){scores[i], wrong[i] != 0};
        bad += all[i].wrong;
        defined = defined && !isnan(scores[i]);
    }
    qsort(all, n, sizeof *all, by_score);
    double pairs = bad * ((double)n - bad);
    *out = defined && pairs > 0 ? larger_pairs(all, n) / pairs : NAN;
    glim__free(ctx, all);
    return GLIM_OK;
}
