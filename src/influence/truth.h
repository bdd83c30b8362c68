/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truth.h: what influence says against what really happens: the head is fitted again
 * without samples, or without groups of them, on halves of the samples, and with labels
 * that were made wrong.
 */
#ifndef GLIM_INFLUENCE_TRUTH_H
#define GLIM_INFLUENCE_TRUTH_H

#include "influence/head-query.h"

/* Samples that go together; `of` (n samples) says to which of the groups. */
typedef struct glim_groups {
    size_t n;
    const char **names; /* borrowed */
    size_t *of, *sizes;
    double *sum;    /* (n, queries) sum of influences */
    double *actual; /* (n, queries) f with all less f without it; NaN: not fitted again */
} glim_groups;

enum { GLIM_TRUTH_QUERIES = 10, GLIM_TRUTH_CURVE = 21 };

/* A way to find wrong labels, as recall against the share that is looked at. */
typedef struct glim_detection {
    const char *name;
    double area;                    /* 0.5 by chance */
    double recall;                  /* when as many are looked at as were made wrong */
    double curve[GLIM_TRUTH_CURVE]; /* at shares 0, 0.05, ... 1 */
} glim_detection;

typedef struct glim_truth {
    glim_context *ctx;
    size_t queries;             /* the first so many */
    size_t removed;             /* samples that were left out one by one */
    size_t *samples;            /* (removed) */
    double *predicted, *actual; /* (removed, queries): influence; f with all less f without */
    double pearson, spearman;   /* means over queries */
    size_t subsets;
    double lds, lds_cosine, lds_gradient; /* means over queries; NaN = not done */
    size_t planted;                       /* wrong labels */
    glim_detection found[3];              /* own influence, loss, similarity */
    double left;                          /* the largest slope that a refit ended with */
} glim_truth;

/* Leaves out `count` samples, half those with the largest influences and half drawn, and fits
   `count` halves. The head must have been polished and factored. With groups, fits without each
   of the largest `count` of them as well. Errors: those of refits. */
glim_status glim__truth_check(glim_truth *t, glim_head *h, const glim_features *queries,
                              const glim_influence_target *target, size_t count, uint64_t seed,
                              glim_groups *groups, glim_error *err);
/* Makes a tenth of the labels wrong, fits, and looks for them (mislabel.c). */
glim_status glim__truth_mislabel(glim_truth *t, const glim_head *h, uint64_t seed, glim_error *err);
void glim__truth_release(glim_truth *t);

/* Correlations of two lists; NaN when one does not vary. Ranks of equal values are shared. */
double glim__truth_pearson(const double *a, const double *b, size_t n);
glim_status glim__truth_spearman(glim_context *ctx, const double *a, const double *b, size_t n,
                                 double *out, glim_error *err);

#endif
