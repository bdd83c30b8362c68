/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of views: those that are text first, then figures, which measure and draw. */
#include "view/figures.h"
#include "view/html.h"
#include "view/views.h"

#include <string.h>

static const glim_view *const views[] = {&glim__view_terminal, &glim__view_json, &glim__view_csv,
                                         &glim__view_html, NULL};
static const glim_view *const figures[] = {&glim__view_svg, &glim__view_png, &glim__view_pdf,
                                           &glim__view_alt, NULL};

const glim_view *const *glim_views(void) {
    return views;
}

const glim_view *glim_view_find(const char *name) {
    for (size_t i = 0; views[i]; i++)
        if (!strcmp(views[i]->name, name))
            return views[i];
    for (size_t i = 0; figures[i]; i++)
        if (!strcmp(figures[i]->name, name))
            return figures[i];
    return NULL;
}

const char *glim_view_note(const glim_view *view) {
    return view == &glim__view_html && *glim__html_missing ? glim__html_missing : NULL;
}

glim_status glim_view_render(const glim_view *view, const glim_document *doc,
                             const glim_view_options *options, char **out, size_t *n,
                             glim_error *err) {
    static const glim_view_options plain;
    *out = NULL;
    *n = 0;
    if (!view)
        return glim_fail(err, GLIM_EUSAGE, "there is no such view");
    return view->render(doc, options ? options : &plain, out, n, err);
}

void glim_view_free(glim_context *ctx, char *text) {
    glim__free(ctx, text);
}

glim_status glim__view_finish(glim_buffer *b, char **out, size_t *n, glim_error *err) {
    glim__buffer_append(b, "", 0);
    if (b->failed) {
        glim__buffer_release(b);
        return glim__oom(b->ctx, err, "the picture", b->len);
    }
    *out = b->data;
    *n = b->len;
    return GLIM_OK;
}

const char *glim__turn_name(const glim_document *doc, int turn) {
    return (size_t)turn < doc->input.n_turns ? doc->input.turns[turn].role : "(generated)";
}
