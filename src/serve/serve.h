/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h: a web server on this machine whose jobs are commands of the program itself. A job is
 * a child process of the same program, so a crash harms one job, a cancel is what Ctrl-C is, and
 * whatever a page asks, a person could have typed. That is also why there is no public header:
 * a program that links libglim has no commands to run.
 *
 * The floor knows no command. Whoever opens a server hands in descriptors, and all that a
 * request may say comes from their tables of flags.
 */
#ifndef GLIM_SERVE_SERVE_H
#define GLIM_SERVE_SERVE_H

#include "base/json.h"
#include "influence/influence-methods.h"

#include <glim/evaluate.h>

typedef struct glim_server glim_server;

/* A command of the program, as a request may ask for it. */
typedef struct serve_command {
    const char *name, *summary, *family, *produces;
    const char *text;                /* what a word without a flag is; NULL: refused */
    const glim_param *const *groups; /* NULL-terminated */
    bool wants_model, takes_method, takes_metrics, takes_influence;
} serve_command;

typedef struct serve_options {
    const serve_command *commands; /* of jobs; closed by a NULL name; borrowed */
    const serve_command *view;     /* shows a document in any form */
    /* What a method needs, and what its family is called. */
    json_t *(*needs)(bool *ok, const glim_method *m);
    const char *(*family)(const glim_method *m);
    const char *const *models; /* paths */
    size_t n_models;
    const char *host;    /* an address, or a name of this machine */
    int port;            /* 0: any that is free */
    const char *token;   /* a file that holds it, "auto", or NULL: none, if the host is loopback */
    const char *root;    /* the folder whose files requests may name, or NULL */
    const char *history; /* a SQLite file; FILE.files beside it holds the documents */
    int64_t keep;        /* jobs that stay in the history besides pinned ones, 0 = all */
    int64_t queue, workers, threads;
    uint64_t memory, body; /* of a job, 0 = no bound; of a request */
    uint64_t patterns;     /* bytes on disk of attention patterns that are kept for pages */
    double patience;       /* seconds in which a request must have come */
} serve_options;

/* Opens history and models (each is asked what it is by a child) and listens. The options must
   outlive the server. Errors: EUSAGE, EIO (the port, the history), those of `glim info`. */
glim_status glim__server_open(glim_server **out, glim_context *ctx, const serve_options *options,
                              glim_error *err);
/* Where it is, "http://127.0.0.1:8080/", with "?token=..." when one is needed. */
const char *glim__server_address(const glim_server *s);
/* Runs jobs until the context is cancelled, which is a good end; then children are asked to end,
   and killed after five seconds. For the thread that opened it: children die with that one. */
glim_status glim__server_run(glim_server *s, glim_error *err);
void glim__server_close(glim_server *s);

#endif
