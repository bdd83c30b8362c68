/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_CLI_SHOW_H
#define GLIM_CLI_SHOW_H

#include "cli/cli.h"

/* Sends a document to every view that the flags ask for. */
glim_status cli_show(cli_run *run, const glim_document *doc);

/* The same of what a run handed over, whole or (interrupted) as far as it came; NULL or what
   another error ended is not shown. Keeps that error, and releases the document. */
glim_status cli_show_ended(cli_run *run, glim_document *doc, glim_status status);

#endif
