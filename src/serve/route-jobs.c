/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: asked for, listed, told, marked, cancelled, removed. */
#include "serve/request.h"

#include <stdlib.h>
#include <string.h>

const char *serve_query(const serve_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

glim_status serve_query_number(const serve_request *r, const char *name, int64_t low, int64_t high,
                               int64_t *out, glim_error *err) {
    const char *text = serve_query(r, name);
    if (!text)
        return GLIM_OK;
    size_t n = strspn(text, "0123456789");
    int64_t v = n && n <= 18 && !text[n] ? strtoll(text, NULL, 10) : -1;
    if (v < low || v > high)
        return glim_fail(err, GLIM_EUSAGE, "%s: a whole number from %lld to %lld is expected", name,
                         (long long)low, (long long)high);
    *out = v;
    return GLIM_OK;
}

glim_status serve_body_json(const serve_request *r, json_t **out, glim_error *err) {
    return glim__json_parse(out, r->body.data ? r->body.data : "", r->body.len, "the body", err);
}

static serve_result no_such(serve_request *r) {
    return serve_reply_error(r, 404, "job: there is none of this number");
}

static serve_result reply_job(serve_request *r, int64_t id, int status) {
    serve_row row;
    glim_error err;
    bool found, ok = true;
    serve_row_init(&row, r->server->ctx);
    glim_status failed = serve_history_get(r->server->store, id, &row, &found, &err);
    serve_result result = failed   ? serve_reply_status(r, failed, &err)
                          : !found ? no_such(r)
                                   : MHD_NO;
    if (!failed && found) {
        json_t *o = serve_job_json(r->server, &ok, &row, false);
        result = serve_reply_json(r, status, o, ok);
    }
    serve_row_release(&row);
    return result;
}

serve_result serve_post_job(serve_request *r) {
    glim_server *s = r->server;
    glim_error err;
    json_t *body = NULL;
    serve_words words;
    int64_t id = 0;
    glim_status status = serve_body_json(r, &body, &err);
    if (!status)
        status =
            serve_words_make(&words, s->o, &s->models, &s->places, body, r->route->command, &err);
    json_decref(body);
    if (!status)
        status = serve_job_add(s, &words, &id, &err);
    if (status)
        return serve_reply_status(r, status, &err);
    return reply_job(r, id, r->route->status);
}

/* ---- lists ---- */

struct list {
    glim_server *server;
    json_t *jobs;
    bool ok;
};

static glim_status add_row(void *data, const serve_row *row) {
    struct list *list = data;
    glim__json_add(&list->ok, list->jobs, serve_job_json(list->server, &list->ok, row, true));
    return GLIM_OK;
}

serve_result serve_list_jobs(serve_request *r) {
    glim_error err;
    struct list list = {.server = r->server, .jobs = json_array(), .ok = true};
    serve_look look = {.ctx = r->server->ctx,
                       .limit = 100,
                       .search = serve_query(r, "search"),
                       .each = add_row,
                       .data = &list};
    glim_status status = serve_query_number(r, "limit", 1, 1000, &look.limit, &err);
    if (!status)
        status = serve_query_number(r, "before", 1, 999999999999999999, &look.before, &err);
    if (!status)
        status = serve_history_look(r->server->store, &look, &err);
    if (status) {
        json_decref(list.jobs);
        return serve_reply_status(r, status, &err);
    }
    json_t *all = json_object();
    glim__json_set(&list.ok, all, "jobs", list.jobs);
    return serve_reply_json(r, 200, all, list.ok);
}

serve_result serve_get_job(serve_request *r) {
    return reply_job(r, r->id, 200);
}

/* ---- changes ---- */

static glim_status read_marks(const json_t *body, const char **title, int *pinned,
                              glim_error *err) {
    enum { LONGEST = 400 };
    const char *key;
    const json_t *v;
    if (!json_is_object(body) || !json_object_size(body))
        return glim_fail(err, GLIM_EUSAGE, "the body: an object with title or pinned is expected");
    json_object_foreach((json_t *)body, key, v) {
        if (!strcmp(key, "title") && json_is_string(v) && json_string_length(v) <= LONGEST &&
            strlen(json_string_value(v)) == json_string_length(v))
            *title = json_string_value(v);
        else if (!strcmp(key, "pinned") && json_is_boolean(v))
            *pinned = json_is_true(v);
        else
            return glim_fail(err, GLIM_EUSAGE,
                             "%.60s: a title of %d bytes at most, or pinned, true or false, is "
                             "expected",
                             key, LONGEST);
    }
    return GLIM_OK;
}

serve_result serve_patch_job(serve_request *r) {
    glim_error err;
    json_t *body = NULL;
    const char *title = NULL;
    int pinned = -1;
    glim_status status = serve_body_json(r, &body, &err);
    if (!status)
        status = read_marks(body, &title, &pinned, &err);
    if (!status)
        status = serve_history_mark(r->server->store, r->id, title, pinned, &err);
    json_decref(body);
    return status ? serve_reply_status(r, status, &err) : reply_job(r, r->id, 200);
}

serve_result serve_delete_job(serve_request *r) {
    glim_error err;
    bool found;
    glim_status status = serve_job_remove(r->server, r->id, &found, &err);
    if (status)
        return serve_reply_status(r, status, &err);
    return found ? serve_reply_nothing(r, 204, NULL, NULL) : no_such(r);
}

serve_result serve_clear_jobs(serve_request *r) {
    glim_error err;
    int64_t n;
    bool ok = true;
    glim_status status = serve_jobs_clear(r->server, &n, &err);
    if (status)
        return serve_reply_status(r, status, &err);
    json_t *o = json_object();
    glim__json_set(&ok, o, "removed", json_integer(n));
    return serve_reply_json(r, 200, o, ok);
}

serve_result serve_cancel_job(serve_request *r) {
    serve_job *job = serve_job_find(r->server, r->id);
    if (job)
        serve_job_cancel(r->server, job);
    return reply_job(r, r->id, 200);
}
