/* SPDX-License-Identifier: Apache-2.0 */
/* glim view: a saved document again, in any form, without the model. */
#include "cli/commands.h"
#include "cli/show.h"

#include <string.h>

enum { MOST_DOCUMENT = 1 << 28 };

static glim_status run_view(cli_run *run) {
    glim_buffer in;
    glim_document *doc = NULL;
    if (!run->o.text)
        return glim_fail(&run->err, GLIM_EUSAGE, "view needs a document (glim view why.json)");
    glim__buffer_init(&in, run->ctx);
    glim_status status = glim__file_read(&in, run->o.text, MOST_DOCUMENT, &run->err);
    const char *name = strcmp(run->o.text, "-") ? run->o.text : "standard input";
    if (!status)
        status =
            glim_document_parse(&doc, run->ctx, in.data ? in.data : "", in.len, name, &run->err);
    if (!status)
        status = cli_show(run, doc);
    glim_document_free(doc);
    glim__buffer_release(&in);
    return status;
}

static const glim_param *const groups[] = {cli_flags_output, cli_flags_talk, NULL};
static const char *const examples[] = {"glim view why.json --html why.html", NULL};

const cli_command cli_view = {
    .name = "view",
    .summary = "a saved document again, in any form",
    .synopsis = "DOCUMENT.json",
    .text = "document",
    .examples = examples,
    .groups = groups,
    .run = run_view,
};
