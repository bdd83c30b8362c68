/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve-child.h: one run of the program as a child in a group of its own, with what it says read
 * through pipes. Descriptor 3 of the child tells progress (GLIM_PROGRESS_FD), 4 holds a chat or
 * a long text. A child dies with the thread that started it.
 */
#ifndef GLIM_SERVE_SERVE_CHILD_H
#define GLIM_SERVE_SERVE_CHILD_H

#include "base/buffer.h"

#include <poll.h>
#include <sys/types.h>

enum { SERVE_TOLD = 3, SERVE_BLOB = 4, SERVE_PIPES = 3 };

typedef struct serve_child {
    pid_t pid; /* 0: none */
    struct {
        int fd; /* -1: closed */
        glim_buffer text;
        size_t most; /* bytes that are kept: the first of `out`, the last of the others */
    } out, err, told;
    bool overflown; /* `out` was longer */
    int exit;       /* once reaped: what the shell would say */
    double kill_at; /* 0: never */
} serve_child;

void serve_child_init(serve_child *c, glim_context *ctx);
void serve_child_release(serve_child *c);
/* words: `n` strings behind each other, each closed by NUL, without the program's name. Without
   `answers` its standard output goes nowhere. */
glim_status serve_child_start(serve_child *c, const glim_buffer *words, size_t n,
                              const glim_buffer *blob, bool answers, glim_error *err);
/* Adds what to wait for (SERVE_PIPES at most); returns how many. */
size_t serve_child_poll(const serve_child *c, struct pollfd *out);
/* Reads what is there. True once it has ended and everything is read. */
bool serve_child_pump(serve_child *c);
/* Asks it to end, as Ctrl-C does; five seconds later it is killed. */
void serve_child_interrupt(serve_child *c, double now);
void serve_child_kill(serve_child *c);
/* To the end, for at most `seconds`; then it is killed. */
void serve_child_wait(serve_child *c, double seconds);
/* {"what", "why", "todo"} of its last words. */
struct json_t *serve_child_error(bool *ok, const serve_child *c);
/* The same of one line as glim writes errors: "WHAT: WHY (TODO)". */
struct json_t *serve_error_json(bool *ok, const char *line, size_t n);

#endif
