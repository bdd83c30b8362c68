/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job-words.h: from a request to the words of a command. Every parameter is looked up in the
 * tables of flags and checked by its row there; one that names a file is looked for under the
 * root; whatever writes a file, runs a program or is the server's own business is refused. A
 * value always stands behind the equals sign of its flag, and a text behind "--", so that
 * neither can become a flag.
 */
#ifndef GLIM_SERVE_JOB_WORDS_H
#define GLIM_SERVE_JOB_WORDS_H

#include "serve/rooted.h"
#include "serve/serve.h"

/* A model that is served. */
typedef struct serve_model {
    char id[64];
    char *path; /* whole, so that a child may stand anywhere */
    const char *given;
    bool picture;
    json_t *info; /* of GET /info */
} serve_model;

typedef struct serve_models {
    serve_model *at;
    size_t n;
} serve_models;

/* What a flag may hold for a request. */
typedef enum serve_flag {
    SERVE_PLAIN,  /* anything that its row allows */
    SERVE_FILE,   /* a file under the root, maybe with something behind it */
    SERVE_EITHER, /* something short, or else such a file */
    SERVE_FITTED, /* "fit:" and such a file; nothing else */
    SERVE_HIDDEN  /* nothing: it writes, runs a program, or is the server's */
} serve_flag;
serve_flag serve_flag_kind(const glim_param *p);

typedef struct serve_words {
    const serve_command *command;
    glim_buffer words; /* closed by NUL each, behind the program's name */
    size_t n;
    glim_buffer line;  /* the same for people to copy */
    glim_buffer blob;  /* what descriptor 4 holds */
    glim_buffer title; /* a line's worth of the input */
    json_t *asked;     /* {"model", "input", "parameters"} */
} serve_words;

/* A request's body {command, model, input, parameters} as words; `command` when it is not in the
   body. Nothing says yet where the answer goes: serve_words_answer. Errors: EUSAGE naming the
   member. On an error everything is released. */
glim_status serve_words_make(serve_words *w, const serve_options *o, const serve_models *models,
                             const serve_places *places, const json_t *body, const char *command,
                             glim_error *err);
/* --json=PATH, "-" is standard output; `dry_run`: the plan. EUSAGE where there is none. */
glim_status serve_words_answer(serve_words *w, const char *path, bool dry_run, glim_error *err);
/* --html=PATH where glim view cannot draw the report of the document again (evaluations). */
glim_status serve_words_report(serve_words *w, const char *path, glim_error *err);
/* --FLAG[=VALUE] of the server's own, before what the request says. */
void serve_words_flag(serve_words *w, const char *flag, const char *value);
void serve_words_release(serve_words *w);
/* An empty one for `command`, filled in word by word. */
void serve_words_init(serve_words *w, glim_context *ctx, const serve_command *command);
void serve_words_add(serve_words *w, const char *format, ...) GLIM_PRINTF(2, 3);

bool serve_reads_path(const serve_command *c);
const serve_command *serve_command_find(const serve_options *o, const char *name);
const serve_model *serve_model_find(const serve_models *models, const char *id);
/* The row of a parameter that a request names: of the command, of the method, of metrics. */
const glim_param *serve_param_find(const serve_command *c, const char *method, const char *name);

#endif
