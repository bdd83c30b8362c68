/* SPDX-License-Identifier: Apache-2.0 */
/* explain-why.h: "why A and not B" from inside the model, beside the scores of the input. */
#ifndef GLIM_CLI_WHY_H
#define GLIM_CLI_WHY_H

#include "cli/cli.h"

/* --why and --not as target and against. Errors: EUSAGE. */
glim_status cli_why_target(cli_run *run);
/* Adds what layers say by and by, what parts add directly, and what is lost without them.
   What a model has not is noted. */
glim_status cli_why(cli_run *run, glim_predictor *p, glim_document *doc);

/* What the model says of the input, into its explanation (explain-prediction.c). */
glim_status cli_predicted(cli_run *run, glim_predictor *p, glim_document *doc);

#endif
