/* SPDX-License-Identifier: Apache-2.0 */
/* menu.h: the methods as a menu, and what of it other answers hold. */
#ifndef GLIM_CLI_MENU_H
#define GLIM_CLI_MENU_H

#include "cli/cli.h"

/* What --list prints, as text or as glim.methods/1. Errors: those of opening the model. */
glim_status cli_menu(cli_run *run);
/* "predictions", "gradients", ..., "a picture": a list. *ok: false when memory is refused. */
json_t *cli_method_needs(bool *ok, const glim_method *m);
const char *cli_method_family(const glim_method *m);

#endif
