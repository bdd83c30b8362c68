/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h: many POSTs to one server, some of them under way at once. For the
 * backends `http` and `openai`.
 */
#ifndef GLIM_PREDICT_HTTP_H
#define GLIM_PREDICT_HTTP_H

#include "predict/black-box.h"

typedef struct glim_http glim_http;

/* One POST. The caller's `make` fills in what to send, `done` reads the answer. */
typedef struct glim_http_job {
    size_t index;     /* of the job, from 0 */
    glim_buffer url;  /* empty at first: the address */
    glim_buffer body; /* JSON */
    size_t limit;     /* bytes that the answer may have */
    bool once;        /* do not try again after a 5xx */
    long code;        /* HTTP status of the answer */
    glim_buffer answer;
} glim_http_job;

typedef glim_status glim_http_fn(void *data, glim_http_job *job, glim_error *err);

/* Checks the address and prepares; nothing is sent. Errors: EUSAGE (an address
   that is none, a header that is none), EUNSUPPORTED (built without libcurl). */
glim_status glim__http_open(glim_http **out, glim_black_box *box, const char *url, glim_error *err);
void glim__http_close(glim_http *http);
/* Runs jobs 0 .. n-1, box->info.concurrency at a time. Answers 408, 429 and 5xx and
   lost connections are tried again after a growing pause; what is left goes to
   `done`, which sees every other status. Stops at the first failure of a callback.
   Errors: EIO, ELIMIT, ECANCELLED, those of the callbacks. */
glim_status glim__http_run(glim_http *http, size_t n, glim_http_fn *make, glim_http_fn *done,
                           void *data, glim_error *err);
/* The error for an answer whose status is not 2xx. */
glim_status glim__http_refused(const glim_black_box *box, const glim_http_job *job,
                               glim_error *err);

#endif
