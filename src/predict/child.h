/* SPDX-License-Identifier: Apache-2.0 */
/* child.h: a child process with two pipes, for box-process.c. */
#ifndef GLIM_PREDICT_CHILD_H
#define GLIM_PREDICT_CHILD_H

#include "predict/black-box.h"

#include <sys/types.h>

typedef struct glim_child {
    pid_t pid;   /* 0 = none; leader of its own process group */
    int in, out; /* our ends, not blocking: its standard input and output */
} glim_child;

/* Starts the command: split into words here when it is plain, else by /bin/sh.
   Errors: EIO (it cannot be started), EUSAGE (an open quote). */
glim_status glim__child_start(glim_child *child, const glim_black_box *box, const char *command,
                              glim_error *err);
/* Closes its pipes and reaps it: with `now` killed at once, else after it had a
   moment to end by itself. `how` (may be NULL) says how it ended. */
void glim__child_stop(glim_child *child, bool now, char how[48]);
/* Like write, without SIGPIPE. */
ssize_t glim__child_write(const glim_child *child, const void *data, size_t n);
/* Splits a plain command into at most `most` words, in place; 0 when it needs a
   shell: an operator, a variable, a pattern, an assignment, too many words. */
size_t glim__command_split(char *command, char **words, size_t most);

#endif
