/* SPDX-License-Identifier: Apache-2.0 */
/* report.h: a document of panels about a predictor's input: its head, its costs, its end. */
#ifndef GLIM_STRUCTURE_REPORT_H
#define GLIM_STRUCTURE_REPORT_H

#include "predict/lm.h"

/* What the document says of how it was made; borrowed for good. */
typedef struct glim_report_words {
    const char *kind; /* of the document */
    const char *name, *summary, *cite, *caption;
} glim_report_words;

typedef struct glim_report {
    glim_document *doc;
    const glim_model *m;
    const glim_predictor *p; /* NULL: the document is about a model, not about an input */
    double began;
    const glim_predictor *also; /* another that is run, or NULL */
    uint64_t forward, backward; /* that were run before */
} glim_report;

/* A document with model, input, target and method, and without units. `params` is a JSON object.
   Errors: ENOMEM, EBUDGET. */
glim_status glim__report_begin(glim_report *r, const glim_predictor *p,
                               const glim_report_words *words, const char *params, glim_error *err);
/* What another predictor runs from here on is counted as well. */
void glim__report_count(glim_report *r, const glim_predictor *also);
/* The same of a model without an input; costs are whoever runs it's to count. */
glim_status glim__report_begin_model(glim_report *r, const glim_model *m,
                                     const glim_report_words *words, const char *params,
                                     glim_error *err);
/* Costs; hands the document over when all went well, or on ECANCELLED as a partial one. Returns
   the status. */
glim_status glim__report_end(glim_report *r, glim_status status, glim_document **out);

/* The token at a position of what the predictor's model reads last (of an encoder-decoder what
   its decoder reads), as the label of an axis. False when memory is refused. */
bool glim__report_token(const glim_report *r, glim_panel_axis *axis, size_t i, int32_t id);
/* A token's text that lives as long as the document; NULL when memory is refused. */
const char *glim__report_word(const glim_report *r, int32_t id);
/* The positions of what a predictor's model reads, with their ids (unless NULL): of an
   encoder-decoder those of the text, or else of what its decoder reads. */
size_t glim__lm_positions(const glim_predictor *p, bool encoder, const int32_t **ids);

#endif
