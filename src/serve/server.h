/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h: what the files of the server share. Two threads: the one of libmicrohttpd reads
 * requests and writes answers, and never waits; the keeper (whoever called glim__server_run)
 * starts children and reads them. One lock guards all that both see. Who has to wait, for the
 * answer of a child or for the next event of a job, has his connection suspended, and the keeper
 * resumes it.
 */
#ifndef GLIM_SERVE_SERVER_H
#define GLIM_SERVE_SERVER_H

#include "serve/history.h"
#include "serve/job-words.h"
#include "serve/serve-child.h"
#include "serve/serve.h"

#include <microhttpd.h>
#include <pthread.h>
#include <sys/socket.h>

enum { SERVE_ERRANDS = 4, MOST_ERRANDS = 64, MOST_WATCHERS = 64, MOST_VISITORS = 512 };

/* A job that is queued or running, or ended and still watched. */
typedef struct serve_job {
    struct serve_job *next;
    int64_t id;
    serve_state state;
    bool cancelled, removed; /* was asked for */
    serve_words words;
    serve_child child;
    double began;
    glim_buffer log;     /* events as they are sent */
    glim_buffer latest;  /* the last progress, as it is sent */
    glim_buffer doing;   /* the same as a JSON object, or empty */
    uint64_t progresses; /* how many there were */
    struct serve_watch *watchers;
} serve_job;

/* Somebody who reads a job's events. */
typedef struct serve_watch {
    struct serve_watch *next;
    glim_server *server;
    struct MHD_Connection *connection;
    serve_job *job;
    size_t at;     /* of the log */
    uint64_t seen; /* progresses */
    size_t sent;   /* of the latest one, while it goes out */
    glim_buffer piece;
    bool suspended, beat;
    double last;
} serve_watch;

/* A short run of the program whose answer requests wait for. Theirs; in the server's list until
   it has ended. */
typedef struct serve_errand {
    struct serve_errand *next;
    serve_words words;
    serve_child child;
    struct serve_request *waiting; /* and others that wait for the same */
    size_t users;
    enum { ERRAND_WAITS, ERRAND_RUNS, ERRAND_ENDED } state;
    double ends_at;
    bool failed; /* could not be started: err */
    glim_error err;
} serve_errand;

/* An open connection: since when its request has been coming, 0 while there is none. */
typedef struct serve_visitor {
    struct serve_visitor *next;
    int fd;
    double since, patience;
    bool spoken; /* an answer has begun: nothing may be said in between */
} serve_visitor;

/* An answer that does not change. */
typedef struct serve_fixed {
    glim_buffer text;
    char etag[24];
} serve_fixed;

struct glim_server {
    glim_context *ctx;
    const serve_options *o;
    serve_models models;
    serve_places places;
    glim_store *store;
    pthread_mutex_t lock;
    int wake; /* an eventfd that the keeper waits for */
    struct MHD_Daemon *daemon;
    serve_job *jobs; /* first come, first run */
    serve_errand *errands;
    serve_visitor *visitors;
    size_t watchers;
    int64_t to_pack[16]; /* documents that have no gzip yet */
    size_t n_to_pack;
    bool stopping, open; /* open: to other addresses than loopback */
    char token[128];     /* "" when none is needed */
    char cookie[32];     /* its name */
    char host[256];
    char address[512];
    serve_fixed info, commands, openapi;
};

void serve_wake(glim_server *s);

/* ---- jobs (jobs.c); with the lock held ---- */

serve_job *serve_job_find(glim_server *s, int64_t id);
/* Takes the words. EBUDGET: the queue is full. */
glim_status serve_job_add(glim_server *s, serve_words *words, int64_t *id, glim_error *err);
void serve_job_cancel(glim_server *s, serve_job *job);
/* A job as GET /jobs/ID tells it, or in short as a list does; NULL when there is none. */
json_t *serve_job_json(glim_server *s, bool *ok, const serve_row *row, bool brief);
/* "FOLDER/ID/NAME" */
void serve_job_path(const glim_server *s, int64_t id, const char *name, char out[PATH_MAX]);
void serve_job_free(glim_server *s, serve_job *job);
/* The keeper's: starts what may start; what children told; false while there is more to do soon. */
void serve_jobs_start(glim_server *s);
void serve_jobs_pump(glim_server *s);
void serve_jobs_stop(glim_server *s);

/* ---- what leaves the history (clearing.c); with the lock held ---- */

glim_status serve_job_remove(glim_server *s, int64_t id, bool *found, glim_error *err);
/* All that are over and not pinned; *n: how many. */
glim_status serve_jobs_clear(glim_server *s, int64_t *n, glim_error *err);
/* Removes the oldest ended ones above the limit, 64 at a time. */
void serve_jobs_forget(glim_server *s);
void serve_folder_remove(const char *path);
/* At the start: folders that a killed server has left without a row. */
glim_status serve_folders_sweep(glim_server *s, glim_error *err);

/* ---- errands (errands.c) ---- */

/* A new one, or the one that is under way with the same words; for one more user. */
serve_errand *serve_errand_new(glim_server *s, serve_words *words, glim_error *err);
void serve_errand_free(glim_server *s, serve_errand *e);
void serve_errands_turn(glim_server *s);
void serve_errands_stop(glim_server *s);

/* Removes the patterns that are kept of a job, 0: of all (route-tiles.c). */
void serve_patterns_forget(glim_server *s, int64_t job);

/* ---- events (events.c); with the lock held ---- */

/* Adds an event to the log; takes the data. */
void serve_log(serve_job *job, const char *event, json_t *data);
void serve_log_progress(serve_job *job, const json_t *data);
/* Lets those go on who wait for more; all of them when something has come. */
void serve_watchers_resume(glim_server *s, serve_job *job, bool all);

/* ---- daemon.c ---- */

glim_status serve_http_open(glim_server *s, glim_error *err);
void serve_http_close(glim_server *s);
/* Ends connections whose request does not come. With the lock held. */
void serve_visitors_check(glim_server *s);

/* ---- what is told of all (described.c, openapi.c) ---- */

glim_status serve_describe(glim_server *s, glim_error *err);
json_t *serve_openapi(const glim_server *s, bool *ok);

#endif
