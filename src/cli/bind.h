/* SPDX-License-Identifier: Apache-2.0 */
/* bind.h: the predictor that the flags name, over its input. */
#ifndef GLIM_CLI_BIND_H
#define GLIM_CLI_BIND_H

#include "cli/cli.h"

/* Called with the predictor, which is freed behind it. */
typedef glim_status cli_bound(cli_run *run, glim_predictor *p);
/* Opens what is named, binds it to input and target, and calls `use`; with --pick rows of
   a table are explained here, and `use` is not called. */
glim_status cli_bind(cli_run *run, cli_bound *use);

/* Whether the same input and target can be bound to a model of the same shape; and that,
   with the document's target by its text. */
bool cli_can_rebind(const cli_run *run, const glim_predictor *p, const glim_document *doc);
glim_status cli_rebind(const cli_run *run, glim_predictor **out, const glim_model *model,
                       const char *target, glim_error *err);

#endif
