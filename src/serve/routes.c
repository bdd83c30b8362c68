/* SPDX-License-Identifier: Apache-2.0 */
/* Every address of the server; the description for programs is made of this table. */
#include "serve/request.h"

#include <string.h>

#define API "/api/v1"

static const char *const list_query[] = {"limit", "before", "search", NULL};
static const char *const file_query[] = {"path", NULL};
static const char *const name_query[] = {"name", NULL};
static const char *const tile_query[] = {"layer", "head", "level", "row", "column", NULL};
static const char *const lang_query[] = {"lang", NULL};
static const char *const token_query[] = {"token", NULL};

static const char HTML[] = "text/html; charset=utf-8";

const serve_route serve_routes[] = {
    {"GET", "/", "the page", serve_get_page, .query = token_query, .type = HTML},
    {"GET", "/app.js", "its script", serve_get_script, .type = "text/javascript; charset=utf-8"},
    {"GET", "/app.css", "its style", serve_get_style, .type = "text/css; charset=utf-8"},
    {"GET", API "/info", "the server and its models", serve_get_info},
    {"GET", API "/commands", "commands, methods, metrics and their parameters", serve_get_commands},
    {"GET", API "/openapi.json", "this description", serve_get_openapi},
    {"GET", API "/jobs", "jobs, the newest first", serve_list_jobs, .query = list_query},
    {"POST", API "/jobs", "runs a command", serve_post_job, SERVE_JOB, .status = 202},
    {"DELETE", API "/jobs", "removes all jobs that are over and not pinned", serve_clear_jobs},
    {"GET", API "/jobs/{id}", "a job", serve_get_job},
    {"PATCH", API "/jobs/{id}", "renames or pins a job", serve_patch_job, SERVE_MARK},
    {"DELETE", API "/jobs/{id}", "cancels and removes a job", serve_delete_job, .status = 204},
    {"POST", API "/jobs/{id}/cancel", "asks a job to end", serve_cancel_job},
    {"GET", API "/jobs/{id}/events", "state, progress and tokens as they come", serve_get_events,
     .type = "text/event-stream"},
    {"GET", API "/jobs/{id}/document", "what a job found", serve_get_document},
    {"GET", API "/jobs/{id}/report", "the report", serve_get_form, .query = lang_query,
     .type = HTML, .form = "html"},
    {"GET", API "/jobs/{id}/figure.svg", "the figure", serve_get_form, .type = "image/svg+xml",
     .form = "svg"},
    {"GET", API "/jobs/{id}/figure.png", "the same as pixels", serve_get_form, .type = "image/png",
     .form = "png"},
    {"GET", API "/jobs/{id}/figure.pdf", "the same for print", serve_get_form,
     .type = "application/pdf", .form = "pdf"},
    {"GET", API "/jobs/{id}/table.csv", "its numbers as a table", serve_get_form,
     .type = "text/csv; charset=utf-8", .form = "csv"},
    {"GET", API "/jobs/{id}/tiles", "256 x 256 bytes of a pattern of attention", serve_get_tile,
     .query = tile_query, .type = "application/octet-stream"},
    {"POST", API "/documents", "adds a saved document to the jobs", serve_post_document,
     SERVE_DOCUMENT, .status = 201},
    {"POST", API "/plan", "what a job would cost", serve_post_plan, SERVE_JOB},
    {"POST", API "/tokenize", "the tokens of a text or a chat", serve_ask, SERVE_QUESTION,
     .command = "tokenize"},
    {"POST", API "/advise", "which method to take", serve_ask, SERVE_QUESTION, .command = "advise"},
    {"POST", API "/generate", "runs generate; its events are tokens", serve_post_job,
     SERVE_QUESTION, .status = 202, .command = "generate"},
    {"GET", API "/files", "what lies in a folder under the root", serve_list_files,
     .query = file_query},
    {"POST", API "/files", "sends a file that parameters may name", serve_post_file, SERVE_BYTES,
     .query = name_query, .status = 201},
    {0},
};

/* A path against a pattern; {id} is a number above 0 of at most 18 digits. */
static bool matches(const char *pattern, const char *path, int64_t *id) {
    while (*pattern && *path) {
        if (!strncmp(pattern, "{id}", 4)) {
            size_t n = strspn(path, "0123456789");
            int64_t v = 0;
            if (!n || n > 18 || *path == '0')
                return false;
            for (size_t i = 0; i < n; i++)
                v = 10 * v + (path[i] - '0');
            *id = v;
            pattern += 4;
            path += n;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*pattern && !*path;
}

const serve_route *serve_route_find(const char *method, const char *path, int64_t *id,
                                    char allowed[64]) {
    size_t n = 0;
    *allowed = 0;
    for (const serve_route *r = serve_routes; r->method; r++) {
        if (!matches(r->path, path, id))
            continue;
        bool head = !strcmp(method, "HEAD") && !strcmp(r->method, "GET");
        if (head || !strcmp(method, r->method))
            return r;
        n += (size_t)snprintf(allowed + n, 64 - n, "%s%s", n ? ", " : "", r->method);
    }
    return NULL;
}
