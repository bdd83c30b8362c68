/* SPDX-License-Identifier: Apache-2.0 */
/* pick.h: explain many rows of a table, and show those that together say most. */
#ifndef GLIM_CLI_PICK_H
#define GLIM_CLI_PICK_H

#include "cli/cli.h"
#include "file/table.h"

/* Whether the chosen method is asked for it (--method lime --pick K). */
bool cli_wants_pick(const cli_run *run);
/* Row `row` of the table as a predictor. */
typedef glim_status cli_pick_make(cli_run *run, void *data, size_t row, glim_predictor **out);
glim_status cli_pick(cli_run *run, const glim_table *t, cli_pick_make *make, void *data);

#endif
