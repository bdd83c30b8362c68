/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_CLI_SHOW_H
#define GLIM_CLI_SHOW_H

#include "cli/cli.h"

/* What the flags say of a view by its name. */
glim_view_options cli_view_options(const cli_run *run, const char *view);
/* Whether some answer goes to standard output, so that the terminal's is not wanted there. */
bool cli_to_stdout(const cli_run *run);
bool cli_wants_figures(const cli_run *run);
/* The figures of a document with a schema of its own, as the flags ask for them. */
glim_status cli_show_figures(cli_run *run, const json_t *all);

/* Sends a document to every view that the flags ask for. */
glim_status cli_show(cli_run *run, const glim_document *doc);

/* The same of what a run handed over, whole or (interrupted) as far as it came; NULL or what
   another error ended is not shown. Keeps that error, and releases the document. */
glim_status cli_show_ended(cli_run *run, glim_document *doc, glim_status status);

#endif
