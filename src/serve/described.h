/* SPDX-License-Identifier: Apache-2.0 */
/* described.h: what both descriptions, for pages and for programs, are made of. */
#ifndef GLIM_SERVE_DESCRIBED_H
#define GLIM_SERVE_DESCRIBED_H

#include "serve/request.h"

/* "a|b" as a list. */
json_t *serve_choices_json(bool *ok, const char *choices);
bool serve_has_flag(const serve_command *c, const char *name);

#endif
