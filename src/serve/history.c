/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row is written when a job comes and when it ends, each a transaction, so that kill -9 loses
 * what runs and nothing else. The write-ahead log is flushed by the system: a power cut may cost
 * the last rows, a killed process none.
 */
#include "serve/history.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char TABLES[] =
    "CREATE TABLE IF NOT EXISTS jobs(id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " created REAL NOT NULL, seconds REAL NOT NULL, pinned INTEGER NOT NULL,"
    " document INTEGER NOT NULL, command TEXT NOT NULL, schema TEXT NOT NULL, title TEXT NOT NULL,"
    " line TEXT NOT NULL, asked TEXT NOT NULL, error TEXT NOT NULL);";
#define COLUMNS                                                                                    \
    "id, state, created, seconds, pinned, document, command, schema, title, line, asked, error"

const char *serve_state_name(serve_state state) {
    static const char *const names[] = {"queued", "running", "done", "failed", "cancelled"};
    return names[state];
}

void serve_row_init(serve_row *row, glim_context *ctx) {
    *row = (serve_row){.seconds = -1};
    glim__buffer_init(&row->title, ctx);
    glim__buffer_init(&row->line, ctx);
    glim__buffer_init(&row->asked, ctx);
    glim__buffer_init(&row->error, ctx);
}

void serve_row_release(serve_row *row) {
    glim__buffer_release(&row->title);
    glim__buffer_release(&row->line);
    glim__buffer_release(&row->asked);
    glim__buffer_release(&row->error);
}

/* ---- rows ---- */

static void bind_text(sqlite3_stmt *q, int at, const glim_buffer *b) {
    sqlite3_bind_text(q, at, b->data ? b->data : "", (int)b->len, SQLITE_STATIC);
}

/* Runs a statement that gives no rows, and ends it. */
static glim_status finish(glim_store *s, sqlite3_stmt *q, glim_error *err) {
    glim_status status = sqlite3_step(q) == SQLITE_DONE ? GLIM_OK : glim__store_fail(s, err);
    sqlite3_finalize(q);
    return status;
}

static void take_text(glim_buffer *out, sqlite3_stmt *q, int column) {
    glim__buffer_clear(out);
    const void *text = sqlite3_column_text(q, column);
    glim__buffer_append(out, text ? text : "", (size_t)sqlite3_column_bytes(q, column));
}

static bool take_row(serve_row *row, sqlite3_stmt *q) {
    int state = sqlite3_column_int(q, 1);
    row->id = sqlite3_column_int64(q, 0);
    row->state = state < 0 || state > SERVE_CANCELLED ? SERVE_FAILED : (serve_state)state;
    row->created = sqlite3_column_double(q, 2);
    row->seconds = sqlite3_column_double(q, 3);
    row->pinned = sqlite3_column_int(q, 4);
    row->document = sqlite3_column_int(q, 5);
    const void *command = sqlite3_column_text(q, 6), *schema = sqlite3_column_text(q, 7);
    snprintf(row->command, sizeof row->command, "%s", command ? (const char *)command : "");
    snprintf(row->schema, sizeof row->schema, "%s", schema ? (const char *)schema : "");
    take_text(&row->title, q, 8);
    take_text(&row->line, q, 9);
    take_text(&row->asked, q, 10);
    take_text(&row->error, q, 11);
    return !row->title.failed && !row->line.failed && !row->asked.failed && !row->error.failed;
}

glim_status serve_history_add(glim_store *s, serve_row *row, glim_error *err) {
    sqlite3_stmt *q;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    row->created = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    glim_status status = glim__store_prepare(
        s, &q, "INSERT INTO jobs(" COLUMNS ") VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?)", err);
    if (status)
        return status;
    sqlite3_bind_int(q, 1, (int)row->state);
    sqlite3_bind_double(q, 2, row->created);
    sqlite3_bind_double(q, 3, row->seconds);
    sqlite3_bind_int(q, 4, row->pinned);
    sqlite3_bind_int(q, 5, row->document);
    sqlite3_bind_text(q, 6, row->command, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 7, row->schema, -1, SQLITE_STATIC);
    bind_text(q, 8, &row->title);
    bind_text(q, 9, &row->line);
    bind_text(q, 10, &row->asked);
    bind_text(q, 11, &row->error);
    status = finish(s, q, err);
    row->id = status ? 0 : sqlite3_last_insert_rowid(glim__store_db(s));
    return status;
}

glim_status serve_history_get(glim_store *s, int64_t id, serve_row *row, bool *found,
                              glim_error *err) {
    sqlite3_stmt *q;
    *found = false;
    glim_status status =
        glim__store_prepare(s, &q, "SELECT " COLUMNS " FROM jobs WHERE id = ?", err);
    if (status)
        return status;
    sqlite3_bind_int64(q, 1, id);
    int step = sqlite3_step(q);
    *found = step == SQLITE_ROW;
    if (step == SQLITE_ROW && !take_row(row, q))
        status = glim__oom(row->title.ctx, err, "a job", row->asked.len);
    else if (step != SQLITE_ROW && step != SQLITE_DONE)
        status = glim__store_fail(s, err);
    sqlite3_finalize(q);
    return status;
}

glim_status serve_history_end(glim_store *s, const serve_row *row, glim_error *err) {
    sqlite3_stmt *q;
    glim_status status = glim__store_prepare(
        s, &q,
        "UPDATE jobs SET state = ?, seconds = ?, document = ?, schema = ?, error = ? WHERE id = ?",
        err);
    if (status)
        return status;
    sqlite3_bind_int(q, 1, (int)row->state);
    sqlite3_bind_double(q, 2, row->seconds);
    sqlite3_bind_int(q, 3, row->document);
    sqlite3_bind_text(q, 4, row->schema, -1, SQLITE_STATIC);
    bind_text(q, 5, &row->error);
    sqlite3_bind_int64(q, 6, row->id);
    return finish(s, q, err);
}

glim_status serve_history_mark(glim_store *s, int64_t id, const char *title, int pinned,
                               glim_error *err) {
    sqlite3_stmt *q;
    glim_status status =
        glim__store_prepare(s, &q,
                            "UPDATE jobs SET title = coalesce(?, title), pinned = coalesce(?, "
                            "pinned) WHERE id = ?",
                            err);
    if (status)
        return status;
    if (title)
        sqlite3_bind_text(q, 1, title, -1, SQLITE_STATIC);
    if (pinned >= 0)
        sqlite3_bind_int(q, 2, pinned);
    sqlite3_bind_int64(q, 3, id);
    return finish(s, q, err);
}

glim_status serve_history_remove(glim_store *s, int64_t id, glim_error *err) {
    sqlite3_stmt *q;
    glim_status status = glim__store_prepare(s, &q, "DELETE FROM jobs WHERE id = ?", err);
    if (status)
        return status;
    sqlite3_bind_int64(q, 1, id);
    return finish(s, q, err);
}

glim_status serve_history_surplus(glim_store *s, int64_t keep, int64_t *ids, size_t most, size_t *n,
                                  glim_error *err) {
    sqlite3_stmt *q;
    int step;
    *n = 0;
    glim_status status = glim__store_prepare(
        s, &q,
        "SELECT id FROM (SELECT id FROM jobs WHERE pinned = 0 AND state >= ?1 ORDER BY id DESC"
        " LIMIT -1 OFFSET ?2) ORDER BY id LIMIT ?3",
        err);
    if (status)
        return status;
    sqlite3_bind_int(q, 1, SERVE_DONE);
    sqlite3_bind_int64(q, 2, keep);
    sqlite3_bind_int64(q, 3, (int64_t)most);
    while ((step = sqlite3_step(q)) == SQLITE_ROW && *n < most)
        ids[(*n)++] = sqlite3_column_int64(q, 0);
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        status = glim__store_fail(s, err);
    sqlite3_finalize(q);
    return status;
}

glim_status serve_history_look(glim_store *s, const serve_look *look, glim_error *err) {
    sqlite3_stmt *q;
    serve_row row;
    int step = SQLITE_DONE;
    glim_status status = glim__store_prepare(
        s, &q,
        "SELECT " COLUMNS " FROM jobs WHERE (?1 = 0 OR id < ?1) AND (?3 IS NULL OR"
        " instr(lower(title || char(10) || line || char(10) || command), lower(?3)) > 0)"
        " ORDER BY id DESC LIMIT ?2",
        err);
    if (status)
        return status;
    sqlite3_bind_int64(q, 1, look->before);
    sqlite3_bind_int64(q, 2, look->limit);
    if (look->search)
        sqlite3_bind_text(q, 3, look->search, -1, SQLITE_STATIC);
    serve_row_init(&row, look->ctx);
    while (!status && (step = sqlite3_step(q)) == SQLITE_ROW)
        status = take_row(&row, q) ? look->each(look->data, &row)
                                   : glim__oom(row.title.ctx, err, "a job", row.asked.len);
    if (!status && step != SQLITE_DONE)
        status = glim__store_fail(s, err);
    serve_row_release(&row);
    sqlite3_finalize(q);
    return status;
}

/* ---- opening ---- */

static const char INTERRUPTED[] =
    "{\"what\": \"interrupted\", \"why\": \"the server was ended while it ran\", \"todo\": \"run "
    "it again\"}";

/* A document is renamed into its place once it is whole. */
static glim_status settle(glim_store *s, const char *folder, glim_error *err) {
    sqlite3_stmt *q;
    serve_row row = {.seconds = -1, .schema = ""};
    char path[4096];
    glim_status status =
        glim__store_prepare(s, &q, "SELECT id FROM jobs WHERE state IN (0, 1)", err);
    if (status)
        return status;
    while (!status && sqlite3_step(q) == SQLITE_ROW) {
        row.id = sqlite3_column_int64(q, 0);
        snprintf(path, sizeof path, "%s/%lld/document.json", folder, (long long)row.id);
        row.document = !access(path, R_OK);
        row.state = row.document ? SERVE_DONE : SERVE_FAILED;
        row.error.data = (char *)INTERRUPTED;
        row.error.len = row.document ? 0 : sizeof INTERRUPTED - 1;
        status = serve_history_end(s, &row, err);
    }
    sqlite3_finalize(q);
    return status;
}

glim_status serve_history_open(glim_store **out, glim_context *ctx, const char *path,
                               const char *folder, glim_error *err) {
    glim_status status = glim__store_open(out, ctx, path, TABLES, err);
    if (!status)
        status = glim__store_run(*out,
                                 "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; "
                                 "PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE",
                                 err);
    if (!status)
        status = settle(*out, folder, err);
    if (!status)
        status = glim__store_commit(*out, err);
    if (status) {
        glim__store_close(*out);
        *out = NULL;
    }
    return status;
}
