/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h: ways to show a document. A view is a function of the document and
 * options; it computes nothing but layout, binning and ranking.
 */
#ifndef GLIM_VIEW_H
#define GLIM_VIEW_H

#include <glim/document.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_color {
    GLIM_COLOR_NONE,
    GLIM_COLOR_16,
    GLIM_COLOR_256,
    GLIM_COLOR_TRUE
} glim_color;

typedef struct glim_view_options {
    int width; /* terminal columns; 0 = 80 */
    glim_color color;
    bool ascii;           /* only ASCII letters and marks */
    bool numbers;         /* a number under (or after) every unit */
    int ambiguous;        /* columns of East Asian ambiguous characters: 1 or 2; 0 = 1 */
    int top;              /* bars shown; 0 = 30, terminal 10 */
    double threshold;     /* units with |score| below it are not coloured */
    const char *lang;     /* "en", "zh-CN"; NULL = en */
    uint64_t limit;       /* bytes of an HTML file; 0 = 50 MB */
    struct {              /* of SVG, PNG and PDF */
        const char *name; /* one of the document's figures, or its number; NULL = all */
        double width_mm;  /* on paper; 0 = by pixels */
        double width;     /* CSS pixels; 0 = 720 */
        double dpi;       /* of a PNG; 0 = 192 */
        bool transparent; /* nothing behind it */
    } figure;
} glim_view_options;

typedef struct glim_view {
    const char *name, *summary; /* "terminal", "json", "csv", "html"; "svg", "png", "pdf", "alt" */
    glim_status (*render)(const glim_document *doc, const glim_view_options *options, char **out,
                          size_t *n, glim_error *err);
} glim_view;

/* All views that are text, NULL-terminated; one by name, figures too, or NULL. A figure's
   fonts and pixels are not the context's memory (src/view/svg.h, render.h). */
GLIM_API const glim_view *const *glim_views(void);
GLIM_API const glim_view *glim_view_find(const char *name);
/* What this build's view lacks, in a sentence, or NULL: an HTML report is static
   when the viewer was not built in. */
GLIM_API const char *glim_view_note(const glim_view *view);
/* Renders into a new string (NUL-terminated, *n without it); free with
   glim_view_free(doc->ctx, out). Errors: EUSAGE, ELIMIT, ENOMEM. */
GLIM_API glim_status glim_view_render(const glim_view *view, const glim_document *doc,
                                      const glim_view_options *options, char **out, size_t *n,
                                      glim_error *err);
GLIM_API void glim_view_free(glim_context *ctx, char *text);

/* Reads a saved document. Errors: EFORMAT naming the member that is wrong. */
GLIM_API glim_status glim_document_parse(glim_document **out, glim_context *ctx, const char *json,
                                         size_t n, const char *name, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
