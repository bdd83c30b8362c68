/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts of one column by the information that they give about labels: a tree of depth 3,
 * the thresholds of scikit-learn's DecisionTreeClassifier(criterion="entropy", max_depth=3)
 * to the bit. That works on values rounded to float, takes the first of equally good
 * splits, and cuts half way between two neighbours. With one feature a node is a run of
 * the sorted values, so the tree needs no structure at all.
 */
#include "explain/columns.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 3 };

struct point {
    float x;
    int32_t label;
};

struct tree {
    const struct point *at;
    size_t K;
    double *left, *right; /* (K) counts */
    double *cuts;
    size_t n_cuts;
};

static int by_value(const void *a, const void *b) {
    const struct point *p = a, *q = b;
    return (p->x > q->x) - (p->x < q->x);
}

static double entropy(const double *count, size_t K, double n) {
    double sum = 0;
    for (size_t k = 0; k < K; k++)
        if (count[k] > 0) {
            double p = count[k] / n;
            sum -= p * (log(p) / log(2.0));
        }
    return sum;
}

/* The best place to split first .. end: the first index of the right part, or 0. */
static size_t best_split(struct tree *t, size_t first, size_t end) {
    size_t best = 0;
    double top = -INFINITY;
    memset(t->left, 0, t->K * sizeof *t->left);
    for (size_t i = first + 1; i < end; i++) {
        int32_t moved = t->at[i - 1].label;
        t->left[moved]++;
        t->right[moved]--;
        if (t->at[i].x <= t->at[i - 1].x + 1e-7f)
            continue;
        double l = (double)(i - first), r = (double)(end - i);
        double gain = -r * entropy(t->right, t->K, r) - l * entropy(t->left, t->K, l);
        if (gain > top) {
            top = gain;
            best = i;
        }
    }
    return best;
}

static void grow(struct tree *t, size_t first, size_t end, int depth) {
    if (depth == DEPTH || end - first < 2)
        return;
    memset(t->right, 0, t->K * sizeof *t->right);
    for (size_t i = first; i < end; i++)
        t->right[t->at[i].label]++;
    if (entropy(t->right, t->K, (double)(end - first)) <= DBL_EPSILON)
        return;
    size_t split = best_split(t, first, end);
    if (!split)
        return;
    double below = t->at[split - 1].x, above = t->at[split].x, cut = below / 2 + above / 2;
    grow(t, first, split, depth + 1);
    t->cuts[t->n_cuts++] = cut == above || !isfinite(cut) ? below : cut;
    grow(t, split, end, depth + 1);
}

size_t glim__entropy_cuts(glim_context *ctx, const double *values, const int32_t *labels, size_t n,
                          double *cuts, glim_error *err, glim_status *status) {
    struct tree t = {.cuts = cuts};
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        t.K = labels[i] >= 0 && (size_t)labels[i] >= t.K ? (size_t)labels[i] + 1 : t.K;
    struct point *points = glim__alloc(ctx, (n + 1) * sizeof *points);
    t.left = glim__calloc(ctx, 2 * t.K + 1, sizeof *t.left);
    *status = points && t.left ? GLIM_OK : glim__oom(ctx, err, "a tree", n * sizeof *points);
    if (!*status) {
        t.right = t.left + t.K;
        t.at = points;
        for (size_t i = 0; i < n; i++)
            if (labels[i] >= 0) /* a missing label tells nothing */
                points[m++] = (struct point){(float)values[i], labels[i]};
        qsort(points, m, sizeof *points, by_value);
        grow(&t, 0, m, 0);
    }
    glim__free(ctx, points);
    glim__free(ctx, t.left);
    return t.n_cuts;
}
