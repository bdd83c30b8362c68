/* SPDX-License-Identifier: Apache-2.0 */
/* A document to the views that were asked for. */
#include "cli/show.h"
#include "view/figures.h"

#include <string.h>

static const size_t LARGE = 10 << 20; /* bytes of a report that is slow to open and to mail */

glim_view_options cli_view_options(const cli_run *run, const char *view) {
    const cli_options *o = &run->o;
    return (glim_view_options){
        .width = cli_width(run),
        .ascii = cli_ascii(run),
        .numbers = o->numbers,
        .lang = cli_lang(run),
        .limit = o->html_limit,
        .color = !strcmp(view, "terminal") ? cli_color(run) : GLIM_COLOR_NONE,
        .figure = {.name = o->figure,
                   .width_mm = o->width_mm,
                   .dpi = o->dpi,
                   .transparent = o->background && !strcmp(o->background, "none")}};
}

static glim_status put(cli_run *run, const char *path, const char *text, size_t n) {
    return strcmp(path, "-") ? glim__file_write(path, text, n, &run->err) : cli_put(run, text, n);
}

static glim_status render(cli_run *run, const glim_document *doc, const char *name,
                          const char *path) {
    glim_view_options options = cli_view_options(run, name);
    char *text = NULL;
    size_t n = 0;
    glim_status status =
        glim_view_render(glim_view_find(name), doc, &options, &text, &n, &run->err);
    if (!status)
        status = put(run, path, text, n);
    glim_view_free(doc->ctx, text);
    if (!status && !strcmp(name, "html") && n > LARGE && !run->o.quiet)
        fprintf(stderr, "glim: note: the report has %.1f MiB; larger units make it smaller\n",
                (double)n / (1 << 20));
    return status;
}

enum { FILES = 6, FIGURES = 3 };

struct place {
    const char *view, *path;
};

/* Figures come first. */
static void places(const cli_options *o, struct place out[FILES]) {
    const struct place all[FILES] = {{"svg", o->svg}, {"png", o->png},   {"pdf", o->pdf},
                                     {"csv", o->csv}, {"html", o->html}, {"json", o->json}};
    memcpy(out, all, sizeof all);
}

bool cli_to_stdout(const cli_run *run) {
    struct place all[FILES];
    places(&run->o, all);
    bool any = run->o.alt;
    for (int i = 0; i < FILES; i++)
        any = any || (all[i].path && !strcmp(all[i].path, "-"));
    return any;
}

bool cli_wants_figures(const cli_run *run) {
    return run->o.svg || run->o.png || run->o.pdf || run->o.alt;
}

glim_status cli_show(cli_run *run, const glim_document *doc) {
    const cli_options *o = &run->o;
    glim_status status = GLIM_OK;
    struct place all[FILES];
    places(o, all);
    for (int i = 0; i < FILES && !status; i++)
        if (all[i].path)
            status = render(run, doc, all[i].view, all[i].path);
    if (!status && o->alt)
        status = render(run, doc, "alt", "-");
    if (!status && !cli_to_stdout(run))
        status = render(run, doc, "terminal", "-");
    if (!status && !o->quiet) {
        for (int i = 0; i < FILES; i++)
            cli_wrote(run, all[i].path);
        if (!doc->partial)
            cli_wrote(run, o->raw);
        const char *note = o->html ? glim_view_note(glim_view_find("html")) : NULL;
        if (note)
            fprintf(stderr, "glim: note: %s\n", note);
    }
    return status;
}

static glim_status figure(cli_run *run, const json_t *all, const glim_buffer *json,
                          const char *view, const char *path) {
    glim_view_options options = cli_view_options(run, view);
    char *text = NULL;
    size_t n = 0;
    glim_status status = glim__figures_json(view, run->ctx, all, json->data, json->len, &options,
                                            &text, &n, &run->err);
    if (!status)
        status = put(run, path, text, n);
    if (!status)
        cli_wrote(run, path);
    glim_view_free(run->ctx, text);
    return status;
}

glim_status cli_show_figures(cli_run *run, const json_t *all) {
    glim_buffer json;
    struct place files[FILES];
    if (!cli_wants_figures(run))
        return GLIM_OK;
    places(&run->o, files);
    glim__buffer_init(&json, run->ctx);
    glim_status status = glim__json_write(&json, all, 1, false, &run->err);
    glim__buffer_putc(&json, '\n');
    if (!status && json.failed)
        status = glim__oom(run->ctx, &run->err, "the figures", json.len);
    for (int i = 0; i < FIGURES && !status; i++)
        if (files[i].path)
            status = figure(run, all, &json, files[i].view, files[i].path);
    if (!status && run->o.alt)
        status = figure(run, all, &json, "alt", "-");
    glim__buffer_release(&json);
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
