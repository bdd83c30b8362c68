/* SPDX-License-Identifier: Apache-2.0 */
/* fitted.h: what predict, explain and info do with a fitted model (--predictor fit:FILE). */
#ifndef GLIM_CLI_FITTED_H
#define GLIM_CLI_FITTED_H

#include "cli/cli.h"
#include "file/table.h"

/* Opens --table; EUSAGE when it has no --row, with *out open all the same. */
glim_status cli_open_rows(cli_run *run, glim_table **out);
/* True when --predictor names one. */
bool cli_is_fitted(const cli_run *run);
/* Opens its file into run->linear; when it reads texts, the model, too, into
   run->model. */
glim_status cli_open_fitted(cli_run *run);
/* Opens --table for a fitted model that reads its columns, into run->table. */
glim_status cli_fitted_table(cli_run *run);
/* Row `row` of run->table, 0 is the first, as a predictor. */
glim_status cli_fitted_at(cli_run *run, size_t row, glim_predictor **out);
/* The row that --table and --row name, as a predictor. */
glim_status cli_fitted_row(cli_run *run, glim_predictor **out);
glim_status cli_predict_fitted(cli_run *run);
glim_status cli_info_fitted(cli_run *run);

#endif
