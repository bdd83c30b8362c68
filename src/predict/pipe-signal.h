/* SPDX-License-Identifier: Apache-2.0 */
/* pipe-signal.h: writing to a peer that may be gone, without a SIGPIPE. */
#ifndef GLIM_PREDICT_PIPE_SIGNAL_H
#define GLIM_PREDICT_PIPE_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

typedef struct glim_pipe_signal {
    sigset_t before;
    bool was_pending;
} glim_pipe_signal;

/* Blocks SIGPIPE in this thread; end takes away one that came meanwhile and
   restores the mask. errno is kept. */
void glim__pipe_signal_begin(glim_pipe_signal *s);
void glim__pipe_signal_end(const glim_pipe_signal *s);

#endif
