/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compare.h"
glim_status cli_compare_html(cli_comparison *c) {
    return GLIM_OK;
}
