/* SPDX-License-Identifier: Apache-2.0 */
/* glim view: a saved document again, in any form, without the model. */
#include "cli/commands.h"
#include "cli/compare.h"
#include "cli/influence-told.h"
#include "cli/judge.h"
#include "cli/map-told.h"
#include "cli/show.h"
#include "view/figures.h"

#include <string.h>

enum { MOST_DOCUMENT = 1 << 28 };

static bool of_kind(const json_t *all, const char *schema) {
    const char *given = json_string_value(json_object_get(all, "schema"));
    return given && !strncmp(given, schema, strlen(schema));
}

static glim_status view_evaluation(cli_run *run, json_t *all, const char *name) {
    glim_document *doc = NULL;
    glim_profile_kept kept;
    glim_status status = glim_document_new(&doc, run->ctx, &run->err);
    if (!status)
        status = glim__profile_read(&kept, doc, all, name, &run->err);
    if (!status) {
        status = cli_profile_show(run, &kept.profile);
        glim__profile_close(&kept);
    }
    glim_document_free(doc);
    return status;
}

static glim_status view_influence(cli_run *run, const json_t *all, const char *name) {
    cli_told told;
    glim_document *doc = NULL;
    glim_status status = glim_document_new(&doc, run->ctx, &run->err);
    if (!status)
        status = cli_told_read(&told, doc, all, name, &run->err);
    if (!status)
        status = cli_told_answer(run, &told);
    if (!status && run->o.csv && !run->o.quiet)
        fprintf(stderr, "glim: note: the table has the samples that the document lists; all are "
                        "in that of the run (glim influence --csv)\n");
    glim_document_free(doc);
    return status;
}

/* Documents that are no explanation: read back, and shown as their run is; *done when it is one
   of them. */
static glim_status view_other(cli_run *run, const glim_buffer *in, const char *name, bool *done) {
    json_t *all = NULL;
    glim_status status = glim__json_parse(&all, in->data, in->len, name, &run->err);
    *done = status || glim__figures_know(all);
    if (!status && of_kind(all, "glim.evaluation/"))
        status = view_evaluation(run, all, name);
    else if (!status && of_kind(all, "glim.comparison/"))
        status = cli_compare_saved(run, all, name);
    else if (!status && *done)
        status = view_influence(run, all, name);
    json_decref(all);
    return status;
}

/* A map of points; *done when it is one. */
static glim_status view_map(cli_run *run, const glim_buffer *in, const char *name, bool *done) {
    json_t *all = NULL;
    cli_map m;
    glim_status status = glim__json_parse(&all, in->data, in->len, name, &run->err);
    *done = status || of_kind(all, "glim.map/");
    cli_map_init(&m, run->ctx);
    if (!status && *done)
        status = cli_map_read(&m, all, name, &run->err);
    json_decref(all);
    if (!status && *done && run->o.site)
        status = cli_map_only(&m, run->o.site, &run->err);
    if (!status && *done)
        status = cli_map_answer(run, &m);
    cli_map_release(&m);
    return status;
}

static glim_status run_view(cli_run *run) {
    glim_buffer in;
    glim_document *doc = NULL;
    bool done = false;
    if (!run->o.text)
        return glim_fail(&run->err, GLIM_EUSAGE, "view needs a document (glim view why.json)");
    glim__buffer_init(&in, run->ctx);
    glim_status status = glim__file_read(&in, run->o.text, MOST_DOCUMENT, &run->err);
    const char *name = strcmp(run->o.text, "-") ? run->o.text : "standard input";
    bool map = in.len && memmem(in.data, in.len, "glim.map/", strlen("glim.map/"));
    if (!status && run->o.site && !map)
        status = glim_fail(&run->err, GLIM_EUSAGE, "--site is for maps (glim map --json)");
    if (!status && map)
        status = view_map(run, &in, name, &done);
    if (!status && !done && in.len && !memmem(in.data, in.len, "glim.explanation/", 17))
        status = view_other(run, &in, name, &done);
    if (!status && !done)
        status =
            glim_document_parse(&doc, run->ctx, in.data ? in.data : "", in.len, name, &run->err);
    if (!status && !done)
        status = cli_show(run, doc);
    glim_document_free(doc);
    glim__buffer_release(&in);
    return status;
}

static const glim_param own[] = {
    {.name = "site",
     .type = GLIM_STRING,
     .offset = offsetof(cli_options, site),
     .value_name = "SITE",
     .help = "of a map of several: which (a list, or a pattern)",
     .group = "Document"},
    {0},
};

static const glim_param *const groups[] = {own, cli_flags_output, cli_flags_figure, cli_flags_talk,
                                           NULL};
static const char *const examples[] = {"glim view why.json --html why.html", NULL};

const cli_command cli_view = {
    .name = "view",
    .summary = "a saved document again, in any form",
    .family = "visualisation",
    .synopsis = "DOCUMENT.json",
    .text = "document",
    .examples = examples,
    .groups = groups,
    .run = run_view,
};
