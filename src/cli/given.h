/* SPDX-License-Identifier: Apache-2.0 */
/* given.h: explanations that are read from a file instead of made. */
#ifndef GLIM_CLI_GIVEN_H
#define GLIM_CLI_GIVEN_H

#include "cli/cli.h"

/* The scores of --explanation for the units of p: a document of glim explain --json, which
   must be of this input and target; {"units": [text ..], "scores": [number or null ..]}; or
   CSV with a header, `unit` (its text, or the column of a table) and `score`. Units come in
   the input's order; those that are left out have no score, which a note says. Errors:
   EFORMAT (not such a file, units that the input lacks), EUSAGE (of another target). */
glim_status cli_given(cli_run *run, const glim_predictor *p, glim_document **out);

#endif
