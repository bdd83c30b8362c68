/* SPDX-License-Identifier: Apache-2.0 */
/* bind.h: the predictor that the flags name, over its input. */
#ifndef GLIM_CLI_BIND_H
#define GLIM_CLI_BIND_H

#include "cli/pick.h"

/* Called with the predictor, which is freed behind it. */
typedef glim_status cli_bound(cli_run *run, glim_predictor *p);
/* Opens what is named, binds it to input and target, and calls `use`; or, when many rows of a
   table or a file of texts are named, `many` instead. */
glim_status cli_bind(cli_run *run, cli_bound *use, cli_many *many);

/* A model over run's tokens and the target of the flags. */
glim_status cli_make_predictor(cli_run *run, glim_predictor **out);
/* Whether the same input and target can be bound to a model of the same shape; and that,
   with the document's target by its text. */
bool cli_can_rebind(const cli_run *run, const glim_predictor *p, const glim_document *doc);
glim_status cli_rebind(const cli_run *run, glim_predictor **out, const glim_model *model,
                       const char *target, glim_error *err);
/* The targets of another model's predictor and its document over run's model and tokens: those
   of `like`, which has the very tokens, or with NULL by their texts. */
glim_status cli_bind_like(cli_run *run, glim_predictor **out, const glim_predictor *like,
                          const glim_document *doc);
/* Over run's tokens, another input, the targets of a predictor of the same model. */
glim_status cli_bind_same(cli_run *run, glim_predictor **out, const glim_predictor *p);

#endif
