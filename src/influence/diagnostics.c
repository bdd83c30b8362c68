/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regression diagnostics: what each sample does to a fitted linear or logistic model.
 * Which numbers there are depends on the kind of model: diagnose-linear.c has those of
 * numbers and two classes, diagnose-classes.c those of more classes.
 *
 * Samples whose leverage is 1 (they alone say what one coefficient is) have no residual to
 * be judged by: what would be divided by 1 - h is undefined for them, and they are counted.
 */
#include "influence/diagnostics.h"
#include "influence/regression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double PINNED = 1e-8, AT_OPTIMUM = 1e-6, SEPARATE = 1e-3, EXACT = 1e-10;

glim_status glim__diagnosis_init(glim_diagnosis *d, const glim_influence_work *w,
                                 const glim_influence_out *out, const glim_influence_column *fixed,
                                 size_t n_fixed, size_t extra, glim_error *err) {
    size_t n = n_fixed + extra;
    *d = (glim_diagnosis){.w = w, .out = out, .n_columns = n};
    d->columns = glim__calloc(w->ctx, n, sizeof *d->columns);
    d->names = glim__calloc(w->ctx, n, sizeof *d->names);
    d->values = glim__calloc(w->ctx, n, GLIM_FEATURES_BLOCK * sizeof *d->values);
    if (!d->columns || !d->names || !d->values)
        return glim__oom(w->ctx, err, "a block of results", n * GLIM_FEATURES_BLOCK * 8);
    memcpy(d->columns, fixed, n_fixed * sizeof *fixed);
    return GLIM_OK;
}

void glim__diagnosis_dfbetas(glim_diagnosis *d, size_t k, size_t j) {
    char room[40];
    snprintf(d->names[k], sizeof d->names[k], "dfbetas:%s",
             j ? glim__features_name(d->w->train, j - 1, room) : "(intercept)");
    d->columns[k] = (glim_influence_column){.name = d->names[k],
                                            .query = GLIM_NO_QUERY,
                                            .threshold = 2 / sqrt((double)d->w->n),
                                            .is_signed = true};
}

glim_status glim__diagnosis_begin(glim_diagnosis *d, glim_error *err) {
    return d->out->begin(d->out->data, d->columns, d->n_columns, &d->sink, err);
}

glim_status glim__diagnosis_put(glim_diagnosis *d, size_t first, size_t count, glim_error *err) {
    glim_influence_block b = {first, count, d->values};
    return d->sink.take(d->sink.data, &b, err);
}

void glim__diagnosis_release(glim_diagnosis *d) {
    glim__free(d->w->ctx, d->columns);
    glim__free(d->w->ctx, d->names);
    glim__free(d->w->ctx, d->values);
}

bool glim__diagnosis_free(glim_diagnosis *d, double h) {
    d->leverage_sum += h;
    d->pinned += !(1 - h > PINNED);
    return 1 - h > PINNED;
}

void glim__diagnosis_judge(const glim_diagnosis *d) {
    glim_document *doc = d->out->doc;
    double off = fabs(d->leverage_sum - d->df) / d->df;
    glim_document_check_add(doc, "leverage_sum", off,
                            "the sum of leverages against the number of free coefficients, "
                            "relative: rounding");
    if (off > 1e-6)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "leverages sum to %.6g, not to the %.6g free coefficients: the "
                            "features nearly depend on each other",
                            d->leverage_sum, d->df);
    if (d->pinned)
        glim_document_note(doc,
                           "%zu samples have a leverage of 1: they alone decide one coefficient, "
                           "so nothing can be said of them by leaving them out",
                           d->pinned);
}

/* How far predictions are from 0: the bias and the weights of standardised features. */
static double size_of(const glim_head *h) {
    double sum = 0;
    for (size_t j = 0; j < h->dim; j++)
        sum += h->w[j] * h->w[j];
    return sqrt(sum);
}

bool glim__tell_optimum(const glim_head *h, double scale, glim_document *doc) {
    bool at = h->slope <= AT_OPTIMUM * scale;
    if (!h->logistic && !(h->strength > 0) && scale <= EXACT * size_of(h)) {
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the fit goes through every sample: what is left is rounding, and so "
                            "are these numbers (a penalty, --strength 1; or fewer --columns)");
        return true;
    }
    glim_document_check_add(doc, "slope_at_fit", h->slope / scale,
                            "the largest slope of the fitted objective a sample; 0 at its best");
    if (!at)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "the model is not at its best on these samples (slope %.1e): it was "
                            "fitted on others, or with other options, or not to the end",
                            h->slope / scale);
    if (h->logistic && !(h->strength > 0) && h->loss < SEPARATE * (double)h->f->n)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the classes are told apart without error and without a penalty, so "
                            "there are no best weights and these numbers mean nothing (--strength "
                            "above 0)");
    return at;
}

/* ---- the method ---- */

static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    const struct glim_diagnosis_options *o = opts;
    const glim_linear_info *i = glim_linear_facts(w->head);
    if (o->dfbetas && i->outputs > 1)
        return glim_fail(err, GLIM_EUSAGE,
                         "--dfbetas is for numbers and two classes; here are %zu classes",
                         i->n_classes);
    return GLIM_OK;
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct glim_diagnosis_options *o = opts;
    const glim_linear_info *i = glim_linear_facts(w->head);
    uint64_t columns = 12 + (o->dfbetas ? i->width + 1 : 0);
    uint64_t steps = o->dfbetas ? (i->width + 1) * GLIM_FEATURES_BLOCK * 8 : 0;
    out->bytes = glim__head_bytes(w->head, i->n_classes > 0) + steps +
                 columns * (GLIM_FEATURES_BLOCK * 8 + 96 + sizeof(glim_influence_column));
    if (i->outputs == 1)
        out->bytes += glim__regression_bytes(i->width);
    else
        out->bytes += i->outputs * i->outputs * (i->width + 64) * GLIM_FEATURES_BLOCK * 8;
    out->bytes_wanted = out->bytes;
    return GLIM_OK;
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    const struct glim_diagnosis_options *o = opts;
    const glim_linear_info *i = glim_linear_facts(w->head);
    if (i->kind == GLIM_FIT_LINEAR)
        return glim__diagnose_numbers(w, o, out, err);
    return i->outputs == 1 ? glim__diagnose_two(w, o, out, err)
                           : glim__diagnose_classes(w, out, err);
}

static const glim_param params[] = {
    {.name = "dfbetas",
     .type = GLIM_BOOL,
     .offset = offsetof(struct glim_diagnosis_options, dfbetas),
     .help = "a column for every coefficient: how far the sample moves it"},
    {0},
};

const glim_influence_method glim_influence_diagnostics = {
    .name = "diagnostics",
    .summary = "regression diagnostics: leverage, residuals, Cook's distance, DFFITS, DFBETAS",
    .cite = "Cook 1977; Belsley, Kuh, Welsch 1980; Pregibon 1981",
    .formula = "h = x' (X'X)^-1 x;  r = e / (s sqrt(1 - h));  Cook: r^2 h / (p (1 - h));  of two "
               "classes one Newton step without the sample",
    .use = "for a table: which rows hold the fit up or lie far from the others, before you trust "
           "it; no query is needed",
    .costs = "two passes over the features",
    .caption = "a large Cook's distance says that the fit leans on a sample, not that the sample "
               "is wrong; the thresholds are conventions, not tests",
    .needs = GLIM_INFLUENCE_HEAD,
    .params = params,
    .opts_size = sizeof(struct glim_diagnosis_options),
    .fits = fits,
    .plan = plan,
    .run = run,
};
