/* SPDX-License-Identifier: Apache-2.0 */
/*
 * align.h: which word of a source belongs to which word of a target, from a matrix of
 * scores; and how far such links are from those that people gave. Knows no model.
 */
#ifndef GLIM_EXPLAIN_ALIGN_H
#define GLIM_EXPLAIN_ALIGN_H

#include "base/context.h"

typedef struct glim_link {
    uint32_t source, target; /* numbers of words, from 0 */
    bool sure;               /* of gold: else possible */
} glim_link;

/* Each pair at most once; sorted by target, then source. */
typedef struct glim_links {
    glim_context *ctx;
    glim_link *at;
    size_t count;
} glim_links;

void glim__links_free(glim_links *links);

typedef enum glim_extract {
    GLIM_EXTRACT_ARGMAX,       /* each target word's best source word, unless below 1/S */
    GLIM_EXTRACT_INTERSECTION, /* and best the other way as well */
    GLIM_EXTRACT_SOFTMAX,      /* softmax over rows and over columns, both above a threshold */
    GLIM_EXTRACT_GROW,         /* grow-diag-final-and */
    GLIM_EXTRACT_RULES
} glim_extract;

/* "argmax", "intersection", "softmax-threshold", "grow-diag-final-and". */
const char *glim__extract_name(glim_extract rule);
/* GLIM_EXTRACT_RULES when there is no such rule. */
glim_extract glim__extract_find(const char *name);

/* Links of m (T, S), target words by source words; NaN is never linked. `threshold` is
   SOFTMAX's (0.001 in Dou and Neubig 2021), which wants similarities or logarithms of
   shares; the other rules want shares of each row. Errors: ENOMEM, EBUDGET. */
glim_status glim__extract_links(glim_links *out, glim_context *ctx, const double *m, size_t T,
                                size_t S, glim_extract rule, double threshold, glim_error *err);

/* A line of Pharaoh's format, "0-0 1p1": i-j links source word i with target word j for
   sure, ipj possibly. Words count from 0. `name` and `line` (from 1) are for messages;
   words beyond S and T are refused. Errors: EFORMAT, ENOMEM. */
glim_status glim__gold_parse(glim_links *out, glim_context *ctx, const char *text, size_t n,
                             const char *name, size_t line, size_t S, size_t T, glim_error *err);

/* Counts over any number of sentences: A are links, S the sure ones of gold, P all of it. */
typedef struct glim_aer {
    size_t a, s, a_and_s, a_and_p;
} glim_aer;

void glim__aer_add(glim_aer *sum, const glim_links *gold, const glim_links *links);
/* 1 - (|A and S| + |A and P|) / (|A| + |S|); NaN when there is neither (Och, Ney 2003). */
double glim__aer(const glim_aer *sum);
double glim__aer_precision(const glim_aer *sum); /* |A and P| / |A|, NaN without links */
double glim__aer_recall(const glim_aer *sum);    /* |A and S| / |S|, NaN without sure ones */

#endif
