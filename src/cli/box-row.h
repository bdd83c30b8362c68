/* SPDX-License-Identifier: Apache-2.0 */
/* box-row.h: rows of --table for black boxes. */
#ifndef GLIM_CLI_BOX_ROW_H
#define GLIM_CLI_BOX_ROW_H

#include "cli/cli.h"
#include "file/table.h"

#include <glim/predictor.h>

/* A row of a table, with what is usual in its columns; from the context's memory. */
typedef struct cli_row {
    glim_table *table;
    glim_cell *cells; /* those of the row, then the usual ones */
    glim_row row;
} cli_row;

/* Reads --table and its --row. Errors: EUSAGE (no such row, a text besides), and those
   of the table. */
glim_status cli_row_open(cli_run *run, cli_row *out);
/* Makes it another row of its table, 0 is the first. */
void cli_row_move(cli_row *r, size_t row);
void cli_row_close(cli_row *r);

#endif
