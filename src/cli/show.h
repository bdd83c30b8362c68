/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_CLI_SHOW_H
#define GLIM_CLI_SHOW_H

#include "cli/cli.h"

/* Sends a document to every view that the flags ask for. */
glim_status cli_show(cli_run *run, const glim_document *doc);

#endif
