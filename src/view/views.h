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

/* ---- document-attention.c ---- */

json_t *glim__document_attention_json(bool *ok, const glim_document *d);
json_t *glim__document_links_json(bool *ok, const glim_document *d);
/* Read the members behind units and rows. Errors: EFORMAT. */
glim_status glim__document_attention_parse(glim_document *d, const json_t *o, const char *file,
                                           glim_error *err);
glim_status glim__document_links_parse(glim_document *d, const json_t *o, const char *file,
                                       glim_error *err);
/* The number of a unit among the words of a source, which is what links count. */
size_t glim__source_word(const glim_document *d, size_t unit);
/* The links as "0-0 1-1"; false when memory is refused. */
bool glim__put_pharaoh(glim_buffer *b, const glim_document *d);

/* The document as a JSON value (a new reference); NULL when memory is refused. */
json_t *glim__document_json(const glim_document *doc);

#endif
