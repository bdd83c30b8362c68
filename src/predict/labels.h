/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels.h: answers that are scored as classes, and the prompt that asks for them;
 * for language models (lm-labels.c) and servers (box-openai.c).
 */
#ifndef GLIM_PREDICT_LABELS_H
#define GLIM_PREDICT_LABELS_H

#include "base/buffer.h"

enum { GLIM_MOST_LABELS = 1000 };

typedef struct glim_labels {
    glim_context *ctx;
    char **at;
    size_t count;
} glim_labels;

/* Cuts "a, b" at its commas; a label is what is left without spaces around it.
   Errors: EUSAGE (an empty label, equal ones), ELIMIT, ENOMEM. */
glim_status glim__labels_cut(glim_labels *out, glim_context *ctx, const char *list,
                             glim_error *err);
void glim__labels_release(glim_labels *labels);
/* The prompt when nobody gave one; holds "{text}". */
void glim__labels_ask(const glim_labels *labels, glim_buffer *out);
/* Whether a space belongs between a text and the label behind it: as between words,
   but not before letters of a script that writes none. */
bool glim__labels_gap(const char *text, size_t n, const char *label);

#endif
