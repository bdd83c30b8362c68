/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite does the writing: its journal is what makes a killed process harmless, and its locks
 * let several programs use one file. The file's application id says that it is glim's, its
 * user version how bytes and keys lie in it. SQLite does not check its pages, so bytes have a
 * sum of their own: a bit that turned is an error, not a wrong number.
 */
#include "file/store.h"

#include <stdio.h>
#include <string.h>

enum { APPLICATION = 0x676C696D, VERSION = 1, SUM = 16, PATIENCE = 2000 }; /* "glim"; ms */

struct glim_store {
    glim_context *ctx;
    sqlite3 *db;
    sqlite3_stmt *get, *put; /* prepared when first wanted */
    char path[256];          /* for messages, maybe cut */
};

/* ---- what went wrong ---- */

glim_status glim__store_unsound(const glim_store *s, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%s' is no sound store (name another file)", s->path);
}

glim_status glim__store_fail(const glim_store *s, glim_error *err) {
    switch (s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return glim__store_unsound(s, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return glim_fail(err, GLIM_EIO, "the store '%s' is in use by another process", s->path);
    case SQLITE_FULL:
        return glim_fail(err, GLIM_EIO, "the disk of the store '%s' is full", s->path);
    case SQLITE_READONLY:
        return glim_fail(err, GLIM_EIO, "the store '%s' cannot be written: it is read-only",
                         s->path);
    case SQLITE_NOMEM:
        return glim_fail(err, GLIM_ENOMEM, "the store '%s': out of memory", s->path);
    default:
        return glim_fail(err, GLIM_EIO, "the store '%s': %s", s->path, sqlite3_errmsg(s->db));
    }
}

glim_status glim__store_run(glim_store *s, const char *sql, glim_error *err) {
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? GLIM_OK
                                                                   : glim__store_fail(s, err);
}

glim_status glim__store_prepare(glim_store *s, sqlite3_stmt **out, const char *sql,
                                glim_error *err) {
    return sqlite3_prepare_v2(s->db, sql, -1, out, NULL) == SQLITE_OK ? GLIM_OK
                                                                      : glim__store_fail(s, err);
}

sqlite3 *glim__store_db(glim_store *s) {
    return s->db;
}

/* ---- opening ---- */

/* The first column of the first row. */
static glim_status number(glim_store *s, const char *sql, sqlite3_int64 *out, glim_error *err) {
    sqlite3_stmt *q = NULL;
    glim_status status = glim__store_prepare(s, &q, sql, err);
    if (!status && sqlite3_step(q) == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else if (!status)
        status = glim__store_fail(s, err);
    sqlite3_finalize(q);
    return status;
}

/* A file of another program is left alone; one of another version as well. */
static glim_status check_file(glim_store *s, bool *fresh, glim_error *err) {
    sqlite3_int64 application = 0, tables = 0, version = 0;
    glim_status status = number(s, "PRAGMA application_id", &application, err);
    if (!status)
        status = number(s, "SELECT count(*) FROM sqlite_master", &tables, err);
    if (!status)
        status = number(s, "PRAGMA user_version", &version, err);
    if (status)
        return status;
    *fresh = !tables;
    if (tables && application != APPLICATION)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s' is another program's database (name another file)", s->path);
    if (tables && version != VERSION)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "'%s' is a store of version %lld; this glim has %d", s->path,
                         (long long)version, VERSION);
    return GLIM_OK;
}

static glim_status make_tables(glim_store *s, const char *tables, glim_error *err) {
    char set[128];
    bool fresh = false;
    glim_status status = check_file(s, &fresh, err);
    snprintf(set, sizeof set, "PRAGMA application_id=%d;PRAGMA user_version=%d;", APPLICATION,
             VERSION);
    if (!status && fresh)
        status = glim__store_run(s, set, err);
    if (!status)
        status = glim__store_run(s,
                                 "CREATE TABLE IF NOT EXISTS kept(key BLOB NOT NULL,"
                                 " at INTEGER NOT NULL, sum BLOB NOT NULL, data BLOB NOT NULL,"
                                 " PRIMARY KEY(key, at)) WITHOUT ROWID;",
                                 err);
    return status || !tables ? status : glim__store_run(s, tables, err);
}

static glim_status open_file(glim_store *s, const char *path, const char *tables, glim_error *err) {
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK)
        return glim__store_fail(s, err);
    sqlite3_busy_timeout(s->db, PATIENCE);
    glim_status status = glim__store_begin(s, err); /* several may begin with it at once */
    if (!status) {
        status = make_tables(s, tables, err);
        if (status)
            glim__store_rollback(s);
        else
            status = glim__store_commit(s, err);
    }
    return status ? status : glim__store_run(s, "PRAGMA cache_size=-2000", err);
}

glim_status glim__store_open(glim_store **out, glim_context *ctx, const char *path,
                             const char *tables, glim_error *err) {
    glim_store *s = *out = glim__calloc(ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(ctx, err, "the store", sizeof *s);
    s->ctx = ctx;
    snprintf(s->path, sizeof s->path, "%.250s", path);
    glim_status status = open_file(s, path, tables, err);
    if (status) {
        glim__store_close(s);
        *out = NULL;
    }
    return status;
}

void glim__store_close(glim_store *s) {
    if (!s)
        return;
    sqlite3_finalize(s->get);
    sqlite3_finalize(s->put);
    sqlite3_close(s->db);
    glim__free(s->ctx, s);
}

/* ---- transactions ---- */

glim_status glim__store_begin(glim_store *s, glim_error *err) {
    return glim__store_run(s, "BEGIN IMMEDIATE", err);
}

glim_status glim__store_commit(glim_store *s, glim_error *err) {
    glim_status status = glim__store_run(s, "COMMIT", err);
    if (status)
        glim__store_rollback(s);
    return status;
}

void glim__store_rollback(glim_store *s) {
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- bytes by key and number ---- */

/* Of the place as well: a row that lies under another key is not that one. */
static void sum_of(const glim_store_key *key, int64_t at, const void *data, size_t n,
                   uint8_t out[SUM]) {
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, SUM);
    crypto_generichash_update(&h, key->bytes, sizeof key->bytes);
    crypto_generichash_update(&h, (const unsigned char *)&at, sizeof at);
    crypto_generichash_update(&h, data, n);
    crypto_generichash_final(&h, out, SUM);
}

static bool bind_place(sqlite3_stmt *q, const glim_store_key *key, int64_t at) {
    sqlite3_reset(q);
    return sqlite3_bind_blob(q, 1, key->bytes, sizeof key->bytes, SQLITE_STATIC) == SQLITE_OK &&
           sqlite3_bind_int64(q, 2, at) == SQLITE_OK;
}

static glim_status take_row(glim_store *s, const glim_store_key *key, int64_t at, glim_buffer *out,
                            glim_error *err) {
    uint8_t sum[SUM];
    const void *told = sqlite3_column_blob(s->get, 0), *data = sqlite3_column_blob(s->get, 1);
    size_t told_n = (size_t)sqlite3_column_bytes(s->get, 0);
    size_t n = (size_t)sqlite3_column_bytes(s->get, 1);
    sum_of(key, at, data ? data : "", n, sum);
    if (!told || told_n != SUM || memcmp(told, sum, SUM) != 0)
        return glim__store_unsound(s, err);
    glim__buffer_append(out, data ? data : "", n);
    return out->failed ? glim__oom(s->ctx, err, "a row of the store", n) : GLIM_OK;
}

glim_status glim__store_get(glim_store *s, const glim_store_key *key, int64_t at, glim_buffer *out,
                            bool *found, glim_error *err) {
    glim_status status = GLIM_OK;
    *found = false;
    glim__buffer_clear(out);
    if (!s->get)
        status = glim__store_prepare(s, &s->get,
                                     "SELECT sum, data FROM kept WHERE key = ? AND at = ?", err);
    if (status)
        return status;
    int step = bind_place(s->get, key, at) ? sqlite3_step(s->get) : SQLITE_ERROR;
    if (step == SQLITE_ROW)
        status = take_row(s, key, at, out, err);
    else if (step != SQLITE_DONE)
        status = glim__store_fail(s, err);
    *found = step == SQLITE_ROW && !status;
    sqlite3_reset(s->get);
    return status;
}

glim_status glim__store_put(glim_store *s, const glim_store_key *key, int64_t at, const void *data,
                            size_t n, glim_error *err) {
    uint8_t sum[SUM];
    glim_status status = GLIM_OK;
    if (!s->put)
        status = glim__store_prepare(
            s, &s->put, "INSERT OR REPLACE INTO kept(key, at, sum, data) VALUES(?, ?, ?, ?)", err);
    if (status)
        return status;
    sum_of(key, at, n ? data : "", n, sum);
    if (!bind_place(s->put, key, at) ||
        sqlite3_bind_blob(s->put, 3, sum, SUM, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_blob64(s->put, 4, n ? data : "", n, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(s->put) != SQLITE_DONE)
        status = glim__store_fail(s, err);
    sqlite3_reset(s->put);
    return status;
}

glim_status glim__store_count(glim_store *s, const glim_store_key *key, uint64_t *n,
                              glim_error *err) {
    sqlite3_stmt *q = NULL;
    glim_status status = glim__store_prepare(s, &q, "SELECT count(*) FROM kept WHERE key = ?", err);
    *n = 0;
    if (status)
        return status;
    if (sqlite3_bind_blob(q, 1, key->bytes, sizeof key->bytes, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        *n = (uint64_t)sqlite3_column_int64(q, 0);
    else
        status = glim__store_fail(s, err);
    sqlite3_finalize(q);
    return status;
}

/* ---- keys ---- */

void glim__digest_begin(glim_digest *d) {
    crypto_generichash_init(&d->state, NULL, 0, sizeof(glim_store_key));
}

void glim__digest_bytes(glim_digest *d, const void *data, size_t n) {
    uint64_t len = n;
    crypto_generichash_update(&d->state, (const unsigned char *)&len, sizeof len);
    if (n)
        crypto_generichash_update(&d->state, data, n);
}

void glim__digest_text(glim_digest *d, const char *s) {
    if (s)
        glim__digest_bytes(d, s, strlen(s));
    else
        glim__digest_number(d, UINT64_MAX);
}

void glim__digest_number(glim_digest *d, uint64_t n) {
    crypto_generichash_update(&d->state, (const unsigned char *)&n, sizeof n);
}

void glim__digest_real(glim_digest *d, double x) {
    crypto_generichash_update(&d->state, (const unsigned char *)&x, sizeof x);
}

glim_store_key glim__digest_end(glim_digest *d) {
    glim_store_key key;
    crypto_generichash_final(&d->state, key.bytes, sizeof key.bytes);
    return key;
}
