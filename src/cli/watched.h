/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watched.h: a program that started this one may want to know how far it is. It names a
 * descriptor, GLIM_PROGRESS_FD=N, and reads JSON lines there: {"fraction", "stage", "left_s"},
 * null where something is not known, and {"token": {"text", "id", "prob"}} for each token that
 * is written.
 */
#ifndef GLIM_CLI_WATCHED_H
#define GLIM_CLI_WATCHED_H

#include "base/buffer.h"

/* True when somebody reads. */
bool cli_watched(void);
/* True when somebody was told. */
bool cli_watched_progress(const glim_progress *p);
void cli_watched_token(int32_t id, const char *text, size_t n, double probability);

#endif
