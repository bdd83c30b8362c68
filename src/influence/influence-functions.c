/* SPDX-License-Identifier: Apache-2.0 */
#include "influence/influence-methods.h"
const glim_influence_method glim_influence_functions = {.name = "influence-functions"};
