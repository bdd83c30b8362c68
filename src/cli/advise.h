/* SPDX-License-Identifier: Apache-2.0 */
/* advise.h: what the files of `glim advise` share. */
#ifndef GLIM_CLI_ADVISE_H
#define GLIM_CLI_ADVISE_H

#include "cli/cli.h"

/* Whether there is something to explain, rather than a model alone. */
bool cli_advise_has_input(const cli_run *run);
/* Asks on the terminal what the flags left open: fields of q that are -1, units and passes
   that are 0. Errors: EUSAGE (no answer). */
glim_status cli_advise_ask(cli_run *run, glim_question *q);
/* The command that does what a hint says, for a shell. What the user has not named stands in
   capitals. Lines end before `width` columns, 0: one line, with the whole text. */
void cli_advise_command(const cli_run *run, const glim_question *q, const glim_hint *hint,
                        int width, glim_buffer *out);
/* The answer as text and as glim.advice/1. second: what one pass takes, NAN if not timed. */
glim_status cli_advise_text(cli_run *run, const glim_question *q, const glim_advice *a,
                            double second);
glim_status cli_advise_json(cli_run *run, const glim_question *q, const glim_advice *a,
                            double second);

#endif
