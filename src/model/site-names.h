/* SPDX-License-Identifier: Apache-2.0 */
/* site-names.h: patterns of site names that a user gives. */
#ifndef GLIM_MODEL_SITE_NAMES_H
#define GLIM_MODEL_SITE_NAMES_H

#include "model/model.h"

/* GLIM_OK when some site of the model fits the pattern; else EUSAGE, with the names that are
   near to it, if any are. */
glim_status glim__sites_check(const glim_model *m, const char *pattern, glim_error *err);

#endif
