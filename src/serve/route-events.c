/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job's events: from the log as it grows, or from the file that it left. */
#include "serve/request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char STREAM[] = "text/event-stream";

/* ---- while it runs ---- */

static ssize_t hand_out(serve_watch *w, const char *from, size_t n, char *out, size_t most) {
    n = n < most ? n : most;
    memcpy(out, from, n);
    w->last = glim__seconds();
    return (ssize_t)n;
}

/* Progress goes between whole events alone: at the end of the log. */
static ssize_t next_bytes(serve_watch *w, char *out, size_t most) {
    serve_job *job = w->job;
    if (w->sent < w->piece.len) {
        ssize_t n = hand_out(w, w->piece.data + w->sent, w->piece.len - w->sent, out, most);
        w->sent += (size_t)n;
        return n;
    }
    if (w->at < job->log.len) {
        ssize_t n = hand_out(w, job->log.data + w->at, job->log.len - w->at, out, most);
        w->at += (size_t)n;
        return n;
    }
    if (job->state >= SERVE_DONE || w->server->stopping || w->piece.failed)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (w->seen < job->progresses || w->beat) {
        bool news = w->seen < job->progresses;
        glim__buffer_clear(&w->piece);
        w->sent = 0;
        w->seen = job->progresses;
        w->beat = false;
        if (news)
            glim__buffer_append(&w->piece, job->latest.data, job->latest.len);
        else
            glim__buffer_puts(&w->piece, ":\n\n");
        return w->piece.failed ? MHD_CONTENT_READER_END_OF_STREAM : next_bytes(w, out, most);
    }
    w->suspended = true;
    MHD_suspend_connection(w->connection);
    return 0;
}

static ssize_t read_events(void *data, uint64_t at, char *out, size_t most) {
    serve_watch *w = data;
    pthread_mutex_lock(&w->server->lock);
    ssize_t n = next_bytes(w, out, most);
    pthread_mutex_unlock(&w->server->lock);
    return n;
}

void serve_watch_end(serve_watch *w) {
    glim_server *s = w->server;
    pthread_mutex_lock(&s->lock);
    for (serve_watch **at = &w->job->watchers; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    s->watchers--;
    pthread_mutex_unlock(&s->lock);
    glim__buffer_release(&w->piece);
    glim__free(s->ctx, w);
    serve_wake(s);
}

static void end_watch(void *data) {
    serve_watch_end(data);
}

/* Where a browser that lost the connection goes on; 0 for whatever is no place in the log. */
static size_t last_seen(const serve_request *r) {
    const char *given =
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Last-Event-ID");
    size_t n = given ? strspn(given, "0123456789") : 0;
    return n && n < 19 && !given[n] ? (size_t)strtoull(given, NULL, 10) : 0;
}

static serve_result watch(serve_request *r, serve_job *job) {
    glim_server *s = r->server;
    size_t at = last_seen(r);
    if (job->state >= SERVE_DONE && at == job->log.len)
        return serve_reply_nothing(r, 204, NULL, NULL); /* a browser does not come again */
    if (s->watchers >= MOST_WATCHERS)
        return serve_reply_error(r, 429, "events: too many read them already (close some)");
    serve_watch *w = glim__calloc(s->ctx, 1, sizeof *w);
    if (!w)
        return serve_reply_error(r, 503, "out of memory: a reader (try again later)");
    bool place = at <= job->log.len && at > 1 && !memcmp(job->log.data + at - 2, "\n\n", 2);
    *w = (serve_watch){.server = s,
                       .connection = r->connection,
                       .job = job,
                       .at = place ? at : 0,
                       .last = glim__seconds()};
    glim__buffer_init(&w->piece, s->ctx);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_events, w, end_watch);
    if (!response) {
        glim__free(s->ctx, w);
        return MHD_NO;
    }
    w->next = job->watchers;
    job->watchers = w;
    s->watchers++;
    serve_common_headers(r, response, STREAM);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    return serve_send(r, 200, response);
}

/* ---- afterwards ---- */

/* What a job that has left no events, such as a document that was sent, would have told. */
static serve_result tell(serve_request *r, const serve_row *row) {
    glim_buffer b;
    bool ok = true;
    json_t *job = serve_job_json(r->server, &ok, row, false);
    char *text = ok ? json_dumps(job, JSON_COMPACT) : NULL;
    json_decref(job);
    glim__buffer_init(&b, r->server->ctx);
    if (!text)
        b.failed = true;
    glim__buffer_printf(&b, "event: state\ndata: {\"state\":\"%s\"}\n\nevent: done\nid: 1\ndata: ",
                        serve_state_name(row->state));
    glim__buffer_puts(&b, text ? text : "");
    glim__buffer_puts(&b, "\n\n");
    free(text);
    serve_result result = last_seen(r) ? serve_reply_nothing(r, 204, NULL, NULL)
                                       : serve_reply_text(r, 200, STREAM, &b);
    glim__buffer_release(&b);
    return result;
}

static serve_result replay(serve_request *r, const serve_row *row) {
    char path[PATH_MAX];
    struct stat st;
    serve_job_path(r->server, row->id, "events", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tell(r, row);
    size_t at = last_seen(r);
    if (fstat(fd, &st) || (size_t)st.st_size <= at) {
        close(fd);
        return serve_reply_nothing(r, 204, NULL, NULL); /* a browser does not come again */
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64((uint64_t)st.st_size - at, fd, at);
    if (!response) {
        close(fd);
        return MHD_NO;
    }
    serve_common_headers(r, response, STREAM);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    return serve_send(r, 200, response);
}

serve_result serve_get_events(serve_request *r) {
    serve_row row;
    glim_error err;
    bool found = false;
    serve_job *job = serve_job_find(r->server, r->id);
    if (job && !job->removed)
        return watch(r, job);
    serve_row_init(&row, r->server->ctx);
    glim_status status = serve_history_get(r->server->store, r->id, &row, &found, &err);
    serve_result result = status  ? serve_reply_status(r, status, &err)
                          : found ? replay(r, &row)
                                  : serve_reply_error(r, 404, "job: there is none of this number");
    serve_row_release(&row);
    return result;
}
