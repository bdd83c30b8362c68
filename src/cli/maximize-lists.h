/* SPDX-License-Identifier: Apache-2.0 */
/* maximize-lists.h: numbers by commas that glim maximize takes: neurons, weights of fluency. */
#ifndef GLIM_CLI_MAXIMIZE_LISTS_H
#define GLIM_CLI_MAXIMIZE_LISTS_H

#include "cli/cli.h"

enum { CLI_WEIGHTS = 64 };

/* --index, with ranges: *out [n] is freed by the caller. */
glim_status cli_read_indices(cli_run *run, size_t **out, size_t *n);
/* --fluency, different ones: out [CLI_WEIGHTS]. */
glim_status cli_read_weights(cli_run *run, double *out, size_t *n);

#endif
