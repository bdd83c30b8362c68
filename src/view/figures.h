/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures.h: documents as figures without a browser: SVG, and from that very SVG PNG and PDF.
 */
#ifndef GLIM_VIEW_FIGURES_H
#define GLIM_VIEW_FIGURES_H

#include "view/views.h"

extern const glim_view glim__view_svg, glim__view_png, glim__view_pdf, glim__view_alt;

/* A document that is not glim.explanation/1 but JSON with a schema of its own: evaluation,
   comparison, influence, map. `all` is what was parsed of `json`. */
glim_status glim__figures_json(const char *view, glim_context *ctx, const json_t *all,
                               const char *json, size_t json_len, const glim_view_options *o,
                               char **out, size_t *n, glim_error *err);
/* Whether there are figures for a document with this schema. */
bool glim__figures_know(const json_t *all);

typedef struct sheet sheet;

/* ---- one file each; they draw what the document has of them ---- */

void glim__figure_strip(sheet *t);
void glim__figure_bars(sheet *t);
void glim__figure_waterfall(sheet *t);
void glim__figure_prediction(sheet *t);
void glim__figure_levels(sheet *t);
void glim__figure_matrix(sheet *t);
void glim__figure_picture(sheet *t);
void glim__figure_attention(sheet *t);
void glim__figure_links(sheet *t);
void glim__figure_panels(sheet *t);
void glim__figure_seen(sheet *t); /* the picture alone */
/* Of JSON: head and figures. `inside`: below an explanation, which has a head of its own. */
void glim__figure_evaluation(sheet *t, const json_t *all);
void glim__figure_profile(sheet *t, const json_t *all, bool inside);
void glim__figure_comparison(sheet *t, const json_t *all);
void glim__figure_scatter(sheet *t, const json_t *all); /* of a comparison */
void glim__figure_influence(sheet *t, const json_t *all);
void glim__figure_map(sheet *t, const json_t *all);

#endif
