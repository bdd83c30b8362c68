/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/influence.h"
glim_status cli_influence_html(cli_influence *c) {
    return GLIM_OK;
}
