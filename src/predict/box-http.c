/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http:URL: the protocol of process: by POST. Batches are under way together; an
 * answer's rows go to the places of its inputs, so their order never shows.
 */
#include "predict/http.h"

#include <string.h>

struct server {
    glim_http *http;
    char *url;
    const glim_input *inputs; /* of the call under way */
    size_t n;
};

static size_t batch(const glim_black_box *box, size_t index, size_t n, size_t *count) {
    size_t first = index * box->info.batch_size;
    *count = n - first < box->info.batch_size ? n - first : box->info.batch_size;
    return first;
}

static glim_status make(void *data, glim_http_job *job, glim_error *err) {
    glim_black_box *box = data;
    const struct server *s = box->state;
    size_t n, first = batch(box, job->index, s->n, &n);
    glim__buffer_puts(&job->url, s->url);
    glim__batch_request(&job->body, box->kind, s->inputs + first, n);
    job->limit = glim__batch_limit(n);
    return GLIM_OK;
}

static glim_status done(void *data, glim_http_job *job, glim_error *err) {
    glim_black_box *box = data;
    const struct server *s = box->state;
    size_t n, first = batch(box, job->index, s->n, &n);
    if (job->code < 200 || job->code > 299)
        return glim__http_refused(box, job, err);
    return glim__batch_answer(box, job->answer.data ? job->answer.data : "", job->answer.len, first,
                              n, err);
}

static glim_status ask(glim_black_box *box, const glim_input *inputs, size_t n, glim_error *err) {
    struct server *s = box->state;
    s->inputs = inputs;
    s->n = n;
    size_t batches = (n + box->info.batch_size - 1) / box->info.batch_size;
    return glim__http_run(s->http, batches, make, done, box, err);
}

static void close_server(glim_black_box *box) {
    struct server *s = box->state;
    if (!s)
        return;
    glim__http_close(s->http);
    glim__free(box->ctx, s->url);
    glim__free(box->ctx, s);
    box->state = NULL;
}

static glim_status open_server(glim_black_box *box, const char *rest, glim_error *err) {
    struct server *s = box->state = glim__calloc(box->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(box->ctx, err, "the predictor", sizeof *s);
    glim_status status = glim__box_copy(box, &s->url, rest, strlen(rest), err);
    return status ? status : glim__http_open(&s->http, box, rest, err);
}

const glim_backend glim__backend_http = {
    .kind = "http", .open = open_server, .ask = ask, .close = close_server};
