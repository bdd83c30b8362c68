/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h: one request, what it may be answered with, and the table of routes. A handler is
 * called once the whole body is there, with the server's lock held; it queues an answer, or
 * starts an errand and says what is done with its answer.
 */
#ifndef GLIM_SERVE_REQUEST_H
#define GLIM_SERVE_REQUEST_H

#include "serve/server.h"

typedef struct serve_request serve_request;
typedef enum MHD_Result serve_result;
typedef serve_result serve_handler(serve_request *r);

/* What a query or a body holds, for the description. */
typedef enum serve_body {
    SERVE_NO_BODY,
    SERVE_JOB,      /* command, model, input, parameters */
    SERVE_QUESTION, /* the same, the command is known */
    SERVE_MARK,     /* title, pinned */
    SERVE_DOCUMENT, /* any document of glim */
    SERVE_BYTES     /* a file */
} serve_body;

typedef struct serve_route {
    const char *method, *path; /* "/api/v1/jobs/{id}": {id} is a whole number above 0 */
    const char *summary;
    serve_handler *run;
    serve_body body;
    const char *const *query; /* names, NULL-terminated; others are refused. NULL: none */
    const char *type;         /* of the answer; NULL: JSON */
    int status;               /* of a good answer */
    const char *command;      /* of SERVE_QUESTION */
    const char *form;         /* which form of a document; a file of a job's folder */
} serve_route;

extern const serve_route serve_routes[]; /* closed by a NULL method */

struct serve_request {
    glim_server *server;
    struct MHD_Connection *connection;
    serve_visitor *visitor;
    const serve_route *route;
    const char *method;
    int64_t id; /* of {id} */
    glim_buffer body;
    bool answered, too_large;
    serve_errand *errand;
    serve_handler *then;           /* once the errand has ended */
    serve_request *also;           /* waits for the same errand */
    char form[PATH_MAX], etag[64]; /* what an errand makes */
    const char *content;           /* its type */
};

/* The route for a method and a path; NULL with *allowed, a list of methods, empty when there is
   no such path. */
const serve_route *serve_route_find(const char *method, const char *path, int64_t *id,
                                    char allowed[64]);

/* Why it may not come in: an answer has been queued then (*refused). */
serve_result serve_guard(serve_request *r, const char *path, bool *refused);
/* Makes the token and tells whether the host is this machine alone. */
glim_status serve_guard_open(glim_server *s, glim_error *err);

/* A part of the query, NULL when it is not there. */
const char *serve_query(const serve_request *r, const char *name);
/* A whole number of it, within bounds. EUSAGE. */
glim_status serve_query_number(const serve_request *r, const char *name, int64_t low, int64_t high,
                               int64_t *out, glim_error *err);
glim_status serve_body_json(const serve_request *r, json_t **out, glim_error *err);

/* ---- answers (reply.c) ---- */

/* Takes the value; a NULL, or !ok, is a 503. */
serve_result serve_reply_json(serve_request *r, int status, json_t *value, bool ok);
/* {"error": {"what", "why", "todo"}} of "WHAT: WHY (TODO)"; headers by status. */
serve_result serve_reply_error(serve_request *r, int status, const char *line);
/* The same with the status that fits. */
serve_result serve_reply_status(serve_request *r, glim_status status, const glim_error *err);
serve_result serve_reply_fixed(serve_request *r, const serve_fixed *f, const char *type);
serve_result serve_reply_text(serve_request *r, int status, const char *type, const glim_buffer *b);
serve_result serve_reply_nothing(serve_request *r, int status, const char *name, const char *value);
/* A file, with its ETag; its gzip, PATH.gz, to who takes it. *found false: there is none. */
serve_result serve_reply_file(serve_request *r, const char *path, const char *type, bool *found);
/* Headers that each answer has. */
void serve_common_headers(const serve_request *r, struct MHD_Response *response, const char *type);
serve_result serve_send(serve_request *r, int status, struct MHD_Response *response);
/* Whether an answer to it has begun (daemon.c). */
void serve_spoken(const serve_request *r, bool yes);

/* What an errand's child says why it failed: the request's fault, or not. */
serve_result serve_reply_failure(serve_request *r);

/* Waits for an errand, then calls `then`. Takes the words. Who waits for the same words waits
   for the same run. */
serve_result serve_wait(serve_request *r, serve_words *words, serve_handler *then);

/* ---- handlers ---- */

serve_handler serve_get_info, serve_get_commands, serve_get_openapi, serve_get_page,
    serve_get_script, serve_get_style;
serve_handler serve_post_job, serve_list_jobs, serve_get_job, serve_patch_job, serve_delete_job,
    serve_clear_jobs, serve_cancel_job, serve_get_events;
serve_handler serve_get_document, serve_get_form, serve_post_document, serve_get_tile;
serve_handler serve_post_plan, serve_ask;
serve_handler serve_list_files, serve_post_file;
void serve_watch_end(serve_watch *w);

#endif
