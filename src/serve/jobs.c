/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: queued, running, ended. A job is in memory until it has ended and nobody reads its events
 * any more; everything else about it is in the history and in its folder, where `events` holds
 * what was told, so that who comes late reads the same.
 */
#include "serve/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void serve_job_path(const glim_server *s, int64_t id, const char *name, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.3800s/%lld%s%.200s", s->places.folder, (long long)id,
             *name ? "/" : "", name);
}

serve_job *serve_job_find(glim_server *s, int64_t id) {
    serve_job *job = s->jobs;
    while (job && job->id != id)
        job = job->next;
    return job;
}

void serve_job_free(glim_server *s, serve_job *job) {
    if (!job)
        return;
    for (serve_job **at = &s->jobs; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            break;
        }
    serve_child_release(&job->child);
    serve_words_release(&job->words);
    glim__buffer_release(&job->log);
    glim__buffer_release(&job->latest);
    glim__buffer_release(&job->doing);
    glim__free(s->ctx, job);
}

/* ---- coming ---- */

static glim_status check_queue(const glim_server *s, glim_error *err) {
    int64_t queued = 0;
    for (const serve_job *j = s->jobs; j; j = j->next)
        queued += j->state == SERVE_QUEUED;
    return queued < s->o->queue
               ? GLIM_OK
               : glim_fail(err, GLIM_EBUDGET, "the queue is full: %lld jobs wait (try again later)",
                           (long long)queued);
}

/* Its row, its folder, and where its document goes. */
static glim_status enter(glim_server *s, serve_words *words, int64_t *id, glim_error *err) {
    serve_row row;
    char path[PATH_MAX];
    serve_row_init(&row, s->ctx);
    snprintf(row.command, sizeof row.command, "%s", words->command->name);
    glim__buffer_append(&row.title, words->title.data, words->title.len);
    glim__buffer_append(&row.line, words->line.data, words->line.len);
    glim_status status = glim__json_write(&row.asked, words->asked, 0, false, err);
    if (!status && (row.title.failed || row.line.failed || row.asked.failed))
        status = glim__oom(s->ctx, err, "a job", row.line.len);
    if (!status)
        status = serve_history_add(s->store, &row, err);
    *id = row.id;
    serve_row_release(&row);
    if (status)
        return status;
    serve_job_path(s, *id, "", path);
    if (mkdir(path, 0700) && errno != EEXIST)
        status = glim_fail(err, GLIM_EIO, "cannot make '%s': %s", path, strerror(errno));
    serve_job_path(s, *id, "document.json", path);
    if (!status)
        status = serve_words_answer(words, path, false, err);
    serve_job_path(s, *id, "form.html", path);
    if (!status)
        status = serve_words_report(words, path, err);
    if (status)
        serve_history_remove(s->store, *id, NULL);
    return status;
}

glim_status serve_job_add(glim_server *s, serve_words *words, int64_t *id, glim_error *err) {
    bool ok = true;
    serve_job *job = NULL, **last = &s->jobs;
    glim_status status = check_queue(s, err);
    if (!status) {
        job = glim__calloc(s->ctx, 1, sizeof *job);
        status = job ? enter(s, words, id, err) : glim__oom(s->ctx, err, "a job", sizeof *job);
    }
    if (status) {
        glim__free(s->ctx, job);
        serve_words_release(words);
        return status;
    }
    job->id = *id;
    job->words = *words;
    *words = (serve_words){0};
    serve_child_init(&job->child, s->ctx);
    glim__buffer_init(&job->log, s->ctx);
    glim__buffer_init(&job->latest, s->ctx);
    glim__buffer_init(&job->doing, s->ctx);
    while (*last)
        last = &(*last)->next;
    *last = job;
    json_t *state = json_object();
    glim__json_set(&ok, state, "state", json_string("queued"));
    serve_log(job, "state", state);
    serve_jobs_forget(s);
    serve_wake(s);
    return GLIM_OK;
}

/* ---- telling ---- */

static json_t *parsed(const glim_buffer *b) {
    json_t *v = b->len ? json_loadb(b->data, b->len, JSON_ALLOW_NUL, NULL) : NULL;
    return v ? v : json_null();
}

json_t *serve_job_json(glim_server *s, bool *ok, const serve_row *row, bool brief) {
    json_t *o = json_object();
    const serve_job *job = serve_job_find(s, row->id);
    serve_state state = job && job->state < SERVE_DONE ? job->state : row->state;
    glim__json_set(ok, o, "id", json_integer(row->id));
    glim__json_set(ok, o, "command", json_string(row->command));
    glim__json_set(ok, o, "state", json_string(serve_state_name(state)));
    glim__json_set(ok, o, "created", glim__json_number(row->created));
    glim__json_set(ok, o, "seconds",
                   row->seconds < 0 ? json_null() : glim__json_number(row->seconds));
    glim__json_set(ok, o, "title", glim__json_text(row->title.data, row->title.len));
    glim__json_set(ok, o, "line", glim__json_text(row->line.data, row->line.len));
    glim__json_set(ok, o, "pinned", json_boolean(row->pinned));
    glim__json_set(ok, o, "document", json_boolean(row->document));
    glim__json_set(ok, o, "schema", *row->schema ? json_string(row->schema) : json_null());
    if (brief)
        return o;
    json_t *asked = parsed(&row->asked);
    static const char *const members[] = {"model", "input", "parameters"};
    for (size_t i = 0; i < 3; i++) {
        json_t *v = json_object_get(asked, members[i]);
        glim__json_set(ok, o, members[i], v ? json_incref(v) : json_null());
    }
    json_decref(asked);
    glim__json_set(ok, o, "progress", job ? parsed(&job->doing) : json_null());
    glim__json_set(ok, o, "error", parsed(&row->error));
    return o;
}

/* ---- ending ---- */

/* "schema" of a document stands near its beginning. */
static void find_schema(const char *path, char out[64]) {
    char head[512];
    FILE *f = fopen(path, "rbe");
    size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;
    head[n] = 0;
    const char *at = strstr(head, "\"schema\": \"");
    size_t len = at ? strcspn(at + 11, "\"") : 0;
    snprintf(out, 64, "%.*s", len < 64 ? (int)len : 0, at ? at + 11 : "");
    if (f)
        fclose(f);
}

static void put_events(glim_server *s, const serve_job *job) {
    char path[PATH_MAX];
    serve_job_path(s, job->id, "events", path);
    glim__file_write(path, job->log.data, job->log.len, NULL);
}

/* Into the history, and told to those who watch. A disk that is full may keep the row as it
   was; the next server will find the document all the same. */
static void settle(glim_server *s, serve_job *job, serve_row *row, json_t *error) {
    bool ok = true, found = false;
    glim_status status = GLIM_OK;
    row->id = job->id;
    row->state = job->state;
    if (error)
        status = glim__json_write(&row->error, error, 0, false, NULL);
    json_decref(error);
    if (!status && !job->removed)
        serve_history_end(s->store, row, NULL);
    glim__buffer_clear(&job->doing);
    json_t *state = json_object();
    glim__json_set(&ok, state, "state", json_string(serve_state_name(job->state)));
    serve_log(job, "state", state);
    serve_row whole;
    serve_row_init(&whole, s->ctx);
    if (!job->removed && !serve_history_get(s->store, job->id, &whole, &found, NULL) && found)
        serve_log(job, "done", serve_job_json(s, &ok, &whole, false));
    serve_row_release(&whole);
    if (!job->removed)
        put_events(s, job);
}

static json_t *plain_error(const char *line) {
    bool ok = true;
    return serve_error_json(&ok, line, strlen(line));
}

/* The child has ended. */
static void finish(glim_server *s, serve_job *job) {
    serve_row row;
    char path[PATH_MAX];
    bool ok = true;
    json_t *error = NULL;
    serve_row_init(&row, s->ctx);
    serve_job_path(s, job->id, "document.json", path);
    row.seconds = glim__seconds() - job->began;
    row.document = !access(path, R_OK);
    if (row.document) {
        find_schema(path, row.schema);
        if (s->n_to_pack < sizeof s->to_pack / sizeof *s->to_pack)
            s->to_pack[s->n_to_pack++] = job->id;
    }
    job->state = job->cancelled         ? SERVE_CANCELLED
                 : job->child.exit == 0 ? SERVE_DONE
                                        : SERVE_FAILED;
    if (job->state == SERVE_FAILED)
        error = serve_child_error(&ok, &job->child);
    else if (job->state == SERVE_DONE && !row.document) {
        job->state = SERVE_FAILED;
        error = plain_error("no document: the run ended without one");
    }
    settle(s, job, &row, error);
    serve_row_release(&row);
}

static void end_unstarted(glim_server *s, serve_job *job, serve_state state, const char *why) {
    serve_row row;
    serve_row_init(&row, s->ctx);
    job->state = state;
    settle(s, job, &row, why ? plain_error(why) : NULL);
    serve_row_release(&row);
}

void serve_job_cancel(glim_server *s, serve_job *job) {
    if (job->state >= SERVE_DONE || job->cancelled)
        return;
    job->cancelled = true;
    if (job->state == SERVE_QUEUED) {
        end_unstarted(s, job, SERVE_CANCELLED, NULL);
        serve_watchers_resume(s, job, true);
    } else {
        serve_child_interrupt(&job->child, glim__seconds());
    }
    serve_wake(s);
}

/* ---- the keeper's turns ---- */

static void start(glim_server *s, serve_job *job) {
    glim_error err;
    bool ok = true;
    job->began = glim__seconds();
    if (serve_child_start(&job->child, &job->words.words, job->words.n, &job->words.blob, false,
                          &err)) {
        end_unstarted(s, job, SERVE_FAILED, err.message);
    } else {
        job->state = SERVE_RUNNING;
        json_t *state = json_object();
        glim__json_set(&ok, state, "state", json_string("running"));
        serve_log(job, "state", state);
    }
    serve_watchers_resume(s, job, true);
}

void serve_jobs_start(glim_server *s) {
    int64_t running = 0;
    for (const serve_job *j = s->jobs; j; j = j->next)
        running += j->state == SERVE_RUNNING;
    for (serve_job *j = s->jobs; j && running < s->o->workers && !s->stopping; j = j->next)
        if (j->state == SERVE_QUEUED) {
            start(s, j);
            running += j->state == SERVE_RUNNING;
        }
}

/* A line of the descriptor: a token, or how far it is. */
static bool read_line(serve_job *job, const char *line, size_t n) {
    json_t *v = json_loadb(line, n, 0, NULL);
    json_t *token = json_object_get(v, "token");
    if (token)
        serve_log(job, "token", json_incref(token));
    else if (json_is_object(v))
        serve_log_progress(job, v);
    json_decref(v);
    return v != NULL;
}

static bool read_told(serve_job *job) {
    glim_buffer *told = &job->child.told.text;
    bool any = false;
    size_t from = 0;
    for (;;) {
        const char *end =
            told->len > from ? memchr(told->data + from, '\n', told->len - from) : NULL;
        if (!end)
            break;
        any |= read_line(job, told->data + from, (size_t)(end - told->data) - from);
        from = (size_t)(end - told->data) + 1;
    }
    if (from) {
        memmove(told->data, told->data + from, told->len - from + 1);
        told->len -= from;
    }
    return any;
}

void serve_jobs_pump(glim_server *s) {
    char path[PATH_MAX];
    for (serve_job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        if (j->state == SERVE_RUNNING) {
            bool ended = serve_child_pump(&j->child), told = read_told(j);
            if (ended)
                finish(s, j);
            if (ended || told)
                serve_watchers_resume(s, j, true);
        }
        if (j->state >= SERVE_DONE && !j->watchers) {
            serve_job_path(s, j->id, "", path);
            if (j->removed)
                serve_folder_remove(path);
            serve_job_free(s, j);
        }
    }
}

/* Those that wait are cancelled, those that run are asked to end. */
void serve_jobs_stop(glim_server *s) {
    for (serve_job *j = s->jobs; j; j = j->next)
        serve_job_cancel(s, j);
}
