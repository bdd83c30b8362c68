/* SPDX-License-Identifier: Apache-2.0 */
/* pick.h: explain many rows of a table or texts of a file, and show those that together
   say most. */
#ifndef GLIM_CLI_PICK_H
#define GLIM_CLI_PICK_H

#include "cli/cli.h"
#include "file/table.h"

/* Whether the chosen method is asked for it (--method lime --pick K). */
bool cli_wants_pick(const cli_run *run);
/* Or, when a method is judged, over more than one input. */
bool cli_wants_many(const cli_run *run);
/* Row `row` of the table as a predictor; NULL and GLIM_OK: it is left out. */
typedef glim_status cli_pick_make(cli_run *run, void *data, size_t row, glim_predictor **out);
/* What is done with the rows. texts: the column of the table whose cells are texts; SIZE_MAX: each
 * row is an input. */
typedef glim_status cli_many(cli_run *run, const glim_table *t, size_t texts, cli_pick_make *make,
                             void *data);
cli_many cli_pick;
/* taken (N): 1 for n of N rows, drawn by --seed. */
void cli_draw_rows(const cli_run *run, size_t N, size_t n, uint8_t *taken);

/* The texts of --data FILE --text COLUMN (pick-texts.c). */
typedef struct cli_texts {
    glim_table *table;
    size_t column;
} cli_texts;
bool cli_wants_texts(const cli_run *run);
glim_status cli_texts_open(cli_run *run, cli_texts *out);
void cli_texts_close(cli_texts *t);
/* Borrowed from the table; NULL: empty. */
const char *cli_texts_at(const cli_texts *t, size_t row);
/* Row `row` as run->tokens of the open model; NULL there: empty, or longer than it reads. */
glim_status cli_texts_tokens(cli_run *run, const cli_texts *t, size_t row);

#endif
