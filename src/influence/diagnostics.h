/* SPDX-License-Identifier: Apache-2.0 */
/* diagnostics.h: what the three kinds of diagnosed models share. */
#ifndef GLIM_INFLUENCE_DIAGNOSTICS_H
#define GLIM_INFLUENCE_DIAGNOSTICS_H

#include "influence/head.h"
#include "influence/influence-methods.h"

struct glim_diagnosis_options {
    bool dfbetas; /* a column for every coefficient */
};

/* Columns of a run and the block of rows that is handed out. */
typedef struct glim_diagnosis {
    const glim_influence_work *w;
    const glim_influence_out *out;
    glim_influence_column *columns;
    size_t n_columns;
    char (*names)[96];
    double *values; /* (256, n_columns) */
    glim_influence_sink sink;
    double df;           /* free coefficients */
    double leverage_sum; /* so far */
    size_t pinned;       /* samples with 1 - h below 1e-8 */
} glim_diagnosis;

/* `fixed` are the columns that every run has; `extra` more get room. */
glim_status glim__diagnosis_init(glim_diagnosis *d, const glim_influence_work *w,
                                 const glim_influence_out *out, const glim_influence_column *fixed,
                                 size_t n_fixed, size_t extra, glim_error *err);
/* Names extra column k "dfbetas:FEATURE" (j = 0: the intercept), with its threshold. */
void glim__diagnosis_dfbetas(glim_diagnosis *d, size_t k, size_t j);
/* Tells the columns; hands out a block; frees. */
glim_status glim__diagnosis_begin(glim_diagnosis *d, glim_error *err);
glim_status glim__diagnosis_put(glim_diagnosis *d, size_t first, size_t count, glim_error *err);
void glim__diagnosis_release(glim_diagnosis *d);
/* Checks and notes that every diagnosis ends with. */
void glim__diagnosis_judge(const glim_diagnosis *d);
/* Whether h is a leverage with which a sample can be judged; counts those that are not. */
bool glim__diagnosis_free(glim_diagnosis *d, double h);
/* Whether the head is at its best on these samples; says so in the document. */
bool glim__tell_optimum(const glim_head *h, double scale, glim_document *doc);

glim_status glim__diagnose_numbers(const glim_influence_work *w,
                                   const struct glim_diagnosis_options *o,
                                   const glim_influence_out *out, glim_error *err);
glim_status glim__diagnose_two(const glim_influence_work *w, const struct glim_diagnosis_options *o,
                               const glim_influence_out *out, glim_error *err);
glim_status glim__diagnose_classes(const glim_influence_work *w, const glim_influence_out *out,
                                   glim_error *err);

#endif
