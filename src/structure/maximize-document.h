/* SPDX-License-Identifier: Apache-2.0 */
/* maximize-document.h: what the files share that fill the document of glim_maximize. All give
   false (NULL) when memory is refused. */
#ifndef GLIM_STRUCTURE_MAXIMIZE_DOCUMENT_H
#define GLIM_STRUCTURE_MAXIMIZE_DOCUMENT_H

#include "structure/maximize.h"

enum { GLIM_TOLD_NAME = 160 };

typedef struct glim_teller {
    glim_maximized *r;
    const glim_activation *a;
    glim_document *doc;
} glim_teller;

/* A panel of texts, with the unit of the activation. */
glim_panel *glim__tell_texts(glim_teller *t, const char *name, const char *title, size_t rows);
/* The pieces of a text with a value each, values[i * stride]; NULL: they have none. */
bool glim__tell_strip(glim_teller *t, glim_panel_text *out, const char *text, const uint32_t *ends,
                      size_t n, const float *values, size_t stride);
/* "[123] what", the neuron only where there are several. */
bool glim__tell_label(glim_teller *t, glim_panel_text *out, size_t unit, const char *what);
/* A row's label: the unit's name. */
bool glim__tell_unit(const glim_teller *t, glim_panel *p, size_t row, size_t unit);
bool glim__tell_columns(glim_document *doc, glim_panel *p, const char *const *names);
/* What was searched for: three panels. */
bool glim__tell_found(glim_teller *t);
/* What was reached with several weights of fluency (found-front.c). */
bool glim__tell_front(glim_teller *t);

#endif
