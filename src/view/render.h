/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render.h: an SVG as pixels or as a page, by librsvg and Cairo: what is seen is that very
 * SVG. Their memory is not the context's; a PNG ends at 16,384 pixels a side and 64 million
 * in all (256 MiB while it is made).
 */
#ifndef GLIM_VIEW_RENDER_H
#define GLIM_VIEW_RENDER_H

#include "view/svg.h"

enum { RENDER_SIDE = 16384, RENDER_PIXELS = 64 << 20 };
static const double RENDER_DPI = 192;

/* dpi: 0 = RENDER_DPI, less where that is too large. Appends to out. Errors: ELIMIT with the
 * largest dpi that fits, ENOMEM. */
glim_status glim__render_png(glim_buffer *out, const glim_buffer *picture, const svg_head *head,
                             double dpi, glim_error *err);
glim_status glim__render_pdf(glim_buffer *out, const glim_buffer *picture, const svg_head *head,
                             glim_error *err);

#endif
