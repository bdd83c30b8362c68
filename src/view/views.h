/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_VIEW_VIEWS_H
#define GLIM_VIEW_VIEWS_H

#include "base/buffer.h"
#include "base/json.h"

#include <glim/view.h>

extern const glim_view glim__view_terminal, glim__view_json, glim__view_csv, glim__view_html;

/* Hands the buffer's memory to *out. Errors: ENOMEM. */
glim_status glim__view_finish(glim_buffer *b, char **out, size_t *n, glim_error *err);
/* The role of a turn >= 0; what the model said behind the last one is "(generated)". */
const char *glim__turn_name(const glim_document *doc, int turn);
/* ---- document-image.c ---- */

/* The picture as a PNG file in base64; NULL when memory is refused. Free with glim__free. */
char *glim__document_png(const glim_document *d, size_t *n);
/* *ok becomes false when memory is refused. */
json_t *glim__document_image_json(bool *ok, const glim_document *d);
/* Reads the member `image` of a document's input, and where its units lie. Errors: EFORMAT and
   those of decoding. */
glim_status glim__document_image_parse(glim_document *d, const json_t *input, const char *name,
                                       glim_error *err);

/* ---- regions.c: units of a picture as shapes ---- */

/* The units whose scores raise (sign 1) or lower (-1) the target most, at most `most`, into
   `units`, the largest first; returns how many. */
size_t glim__regions_top(const glim_document *d, const double *scores, int sign, size_t most,
                         size_t *units);
/* Their share of the picture. */
double glim__regions_share(const glim_document *d, const size_t *units, size_t n);
/* Appends a unit's outline as the path of an SVG. seen (H W): 0 where this unit is. */
void glim__regions_outline(glim_buffer *b, const glim_document *d, size_t unit, uint8_t *seen);

/* The document as a JSON value (a new reference); NULL when memory is refused. */
json_t *glim__document_json(const glim_document *doc);

#endif
