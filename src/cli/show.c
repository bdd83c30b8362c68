/* SPDX-License-Identifier: Apache-2.0 */
/* A document to the views that were asked for. */
#include "cli/show.h"

#include <string.h>

static const size_t LARGE = 10 << 20; /* bytes of a report that is slow to open and to mail */

static glim_status render(cli_run *run, const glim_document *doc, const char *name,
                          const char *path) {
    glim_view_options options = {.width = cli_width(run),
                                 .ascii = cli_ascii(run),
                                 .numbers = run->o.numbers,
                                 .lang = cli_lang(run),
                                 .limit = run->o.html_limit};
    char *text = NULL;
    size_t n = 0;
    options.color = !strcmp(name, "terminal") ? cli_color(run) : GLIM_COLOR_NONE;
    glim_status status =
        glim_view_render(glim_view_find(name), doc, &options, &text, &n, &run->err);
    if (!status)
        status =
            strcmp(path, "-") ? glim__file_write(path, text, n, &run->err) : cli_put(run, text, n);
    glim_view_free(doc->ctx, text);
    if (!status && !strcmp(name, "html") && n > LARGE && !run->o.quiet)
        fprintf(stderr, "glim: note: the report has %.1f MiB; larger units make it smaller\n",
                (double)n / (1 << 20));
    return status;
}

glim_status cli_show(cli_run *run, const glim_document *doc) {
    const cli_options *o = &run->o;
    glim_status status = GLIM_OK;
    if (o->csv)
        status = render(run, doc, "csv", o->csv);
    if (!status && o->html)
        status = render(run, doc, "html", o->html);
    if (!status && o->json)
        status = render(run, doc, "json", o->json);
    bool to_stdout = (o->json && !strcmp(o->json, "-")) || (o->csv && !strcmp(o->csv, "-")) ||
                     (o->html && !strcmp(o->html, "-"));
    if (!status && !to_stdout)
        status = render(run, doc, "terminal", "-");
    if (!status && !o->quiet) {
        const char *files[] = {o->csv, o->html, o->json, o->raw};
        for (int i = 0; i < 4; i++)
            if (files[i] && (files[i] != o->raw || !doc->partial))
                cli_wrote(run, files[i]);
        const char *note = o->html ? glim_view_note(glim_view_find("html")) : NULL;
        if (note)
            fprintf(stderr, "glim: note: %s\n", note);
    }
    return status;
}

glim_status cli_show_ended(cli_run *run, glim_document *doc, glim_status status) {
    if (doc && (!status || status == GLIM_ECANCELLED || doc->partial)) {
        glim_error kept = run->err;
        glim_context_reset(run->ctx);
        glim_status shown = cli_show(run, doc);
        if (status)
            run->err = kept;
        else
            status = shown;
    }
    glim_document_free(doc);
    return status;
}
