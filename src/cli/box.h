/* SPDX-License-Identifier: Apache-2.0 */
/* box.h: what predict and info do with a black box. */
#ifndef GLIM_CLI_BOX_H
#define GLIM_CLI_BOX_H

#include "cli/cli.h"

glim_status cli_predict_box(cli_run *run);
glim_status cli_info_box(cli_run *run);

#endif
