/* SPDX-License-Identifier: Apache-2.0 */
/*
 * site-means.h: means of sites of every block over the rows of many texts, which stream by.
 * Sums run in the order of the texts, so that batches show in no bit. The first row of a text
 * draws attention whatever it says, and counts nowhere unless it is alone.
 */
#ifndef GLIM_STRUCTURE_SITE_MEANS_H
#define GLIM_STRUCTURE_SITE_MEANS_H

#include "predict/lm.h"
#include "structure/kept-work.h"

enum { GLIM_SITE_MEANS = 4 };

typedef struct glim_site_sum {
    const glim_model *m;
    char name[64];
    double *sum; /* (L, width) once seen */
    size_t width;
} glim_site_sum;

typedef struct glim_site_means {
    glim_context *ctx;
    const glim_model *m;
    size_t n; /* sites */
    glim_site_sum at[GLIM_SITE_MEANS];
    glim_hook hooks[GLIM_SITE_MEANS];
    uint64_t rows, passages;
} glim_site_means;

/* Sites by what stands behind "blocks.*."; s stays where it is. */
void glim__site_means_init(glim_site_means *s, const glim_model *m, const char *const *sites,
                           size_t n);
void glim__site_means_release(glim_site_means *s); /* zeroed is fine */
/* Adds the rows of a predictor's input, or of a whole corpus (.txt: a text a line; a column of a
   table), whose sums so far are kept; *ran grows by tokens that were run. Errors: EUSAGE (a site
   that there is not), those of passes, corpora and stores. */
glim_status glim__site_means_input(glim_site_means *s, glim_predictor *p, glim_error *err);
glim_status glim__site_means_corpus(glim_site_means *s, const char *data, const char *column,
                                    glim_kept_work *kept, uint64_t *ran, glim_error *err);
float glim__site_mean(const glim_site_means *s, int site, size_t layer, size_t c);

#endif
