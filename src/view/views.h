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

/* A quoted field of a table in CSV (csv.c). */
void glim__csv_field(glim_buffer *b, const char *s, size_t n);

/* ---- levels.c ---- */

/* A level as it is shown: the groups of the input itself, over all rows. */
typedef struct glim_level_view {
    size_t n;
    size_t *group;        /* [n] which of the level's groups */
    double *score, sizes; /* [n]; the sum of their sizes */
    size_t top;           /* what raises the target most; the largest when nothing does */
    bool raises;          /* or it only lowers it least */
} glim_level_view;
/* False when memory is refused. */
bool glim__level_open(glim_level_view *out, const glim_document *d,
                      const glim_document_level *level);
void glim__level_close(glim_level_view *v, glim_context *ctx);
/* Levels that are shown: those of units that a reader does not see as words anyway. */
bool glim__level_shown(const glim_document_level *level);
/* A check by its name, or NaN. */
double glim__check_value(const glim_document *d, const char *name);

/* ---- document-levels.c ---- */

json_t *glim__document_levels_json(bool *ok, const glim_document *d);
glim_status glim__document_levels_parse(glim_document *d, const json_t *levels, const char *name,
                                        glim_error *err);
/* An offset of the text as JSON has it: a broken byte becomes three. */
json_t *glim__document_offset(const glim_document *d, size_t at);

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
/* A place inside the unit: the middle of its widest row of pixels. */
void glim__regions_middle(const glim_document *d, size_t unit, double *x, double *y);
/* Appends a unit's outline as the path of an SVG. seen (H W): 0 where this unit is. */
void glim__regions_outline(glim_buffer *b, const glim_document *d, size_t unit, uint8_t *seen);

/* ---- document-attention.c ---- */

json_t *glim__document_patterns_json(bool *ok, const glim_document *d);
glim_status glim__document_patterns_parse(glim_document *d, const json_t *o, const char *file,
                                          glim_error *err);
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

/* ---- document-prediction.c ---- */

json_t *glim__document_prediction_json(bool *ok, const glim_document *d);
/* Reads the member `prediction`, if any, behind units. Errors: EFORMAT, ENOMEM. */
glim_status glim__document_prediction_parse(glim_document *d, const json_t *o, const char *name,
                                            glim_error *err);
/* Whether there is anything of it to show. */
bool glim__document_predicts(const glim_document *d);
/* Whether class c is the one that is explained. */
bool glim__document_explains(const glim_document *d, const glim_document_class *c);
enum { GLIM_VALUES_SHOWN = 30 }; /* of a row, in pictures */

/* ---- profile-json.c ---- */

/* What doc.evaluation says, as glim__json_write wrote it; NULL when memory is refused. */
json_t *glim__profile_value(const glim_document *doc);
/* Reads the member `evaluation`, if any. Errors: EFORMAT, ENOMEM. */
glim_status glim__profile_parse(glim_document *doc, const json_t *o, const char *name,
                                glim_error *err);

/* The document as a JSON value (a new reference); NULL when memory is refused. */
json_t *glim__document_json(const glim_document *doc);

#endif
