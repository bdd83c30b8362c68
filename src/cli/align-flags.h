/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_CLI_ALIGN_FLAGS_H
#define GLIM_CLI_ALIGN_FLAGS_H

#include "cli/cli.h"

/* --extract and --gold; a file of links is read into `gold`, which the caller releases.
   Errors: EUSAGE when one is given without --align. */
glim_status cli_align(cli_run *run, glim_buffer *gold, glim_align_options *out);

#endif
