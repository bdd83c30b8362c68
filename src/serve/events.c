/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events. A job's log is one growing run of bytes, just as it is sent; a reader is a
 * place in it, so replay is where one begins. Progress does not pile up: only the latest stands
 * beside the log, and a slow reader skips what is old. An event's number is where the next one
 * begins, which is what a browser that lost the connection sends back.
 */
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LOG = 64 << 20 };

/* "event: NAME", "id: N" where it has one, "data: JSON", an empty line. */
static void put_event(glim_buffer *out, const char *event, const json_t *data, bool numbered) {
    char number[24] = "";
    char *text = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return;
    size_t n = 7 + strlen(event) + 1 + 6 + strlen(text) + 2; /* all but the number's line */
    for (size_t digits = 1; numbered && digits < 20; digits++) {
        snprintf(number, sizeof number, "%zu", out->len + n + 4 + digits + 1);
        if (strlen(number) == digits)
            break;
    }
    glim__buffer_printf(out, "event: %s\n", event);
    if (numbered)
        glim__buffer_printf(out, "id: %s\n", number);
    glim__buffer_puts(out, "data: ");
    glim__buffer_puts(out, text);
    glim__buffer_puts(out, "\n\n");
    free(text);
}

void serve_log(serve_job *job, const char *event, json_t *data) {
    if (data && (job->log.len < MOST_LOG || strcmp(event, "token") != 0))
        put_event(&job->log, event, data, true);
    json_decref(data);
}

void serve_log_progress(serve_job *job, const json_t *data) {
    glim__buffer_clear(&job->latest);
    glim__buffer_clear(&job->doing);
    put_event(&job->latest, "progress", data, false);
    glim__json_write(&job->doing, data, 0, false, NULL);
    job->progresses++;
}

void serve_watchers_resume(glim_server *s, serve_job *job, bool all) {
    double now = glim__seconds();
    for (serve_watch *w = job->watchers; w; w = w->next) {
        bool late = now - w->last > 15;
        if (!w->suspended || (!all && !late && !s->stopping))
            continue;
        w->beat = late;
        w->suspended = false;
        MHD_resume_connection(w->connection);
    }
}
