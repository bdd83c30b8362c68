/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h: a SQLite file that keeps what was costly to make, so that an interrupted run goes
 * on where it stopped. One file may serve several uses and programs at once: each use has its
 * tables, or puts bytes under a key and a number. A key is a digest of all that the bytes
 * depend on, so that what was made otherwise is never found. Every transaction is on disk
 * when it ends; kill -9 loses the open one alone.
 *
 * Errors of all calls: EIO (locked by another process, full disk, no right to write), EFORMAT
 * (broken, or another program's), EUNSUPPORTED (of another version), ENOMEM.
 */
#ifndef GLIM_FILE_STORE_H
#define GLIM_FILE_STORE_H

#include "base/buffer.h"

#include <sodium.h>
#include <sqlite3.h>

typedef struct glim_store glim_store;

/* Opens or makes the file; `tables`, SQL that makes those of the caller where they are not
   there yet ("CREATE TABLE IF NOT EXISTS ..."), or NULL. */
glim_status glim__store_open(glim_store **out, glim_context *ctx, const char *path,
                             const char *tables, glim_error *err);
void glim__store_close(glim_store *s);

/* ---- bytes by key and number ---- */

typedef struct glim_store_key {
    uint8_t bytes[32];
} glim_store_key;

/* Replaces what `out` holds; *found is false where there is nothing. Bytes that are not those
   that were put are EFORMAT. */
glim_status glim__store_get(glim_store *s, const glim_store_key *key, int64_t at, glim_buffer *out,
                            bool *found, glim_error *err);
/* By itself a transaction of its own; between begin and commit, part of it. */
glim_status glim__store_put(glim_store *s, const glim_store_key *key, int64_t at, const void *data,
                            size_t n, glim_error *err);
/* How many numbers of the key are there. */
glim_status glim__store_count(glim_store *s, const glim_store_key *key, uint64_t *n,
                              glim_error *err);

/* A commit that fails has rolled back. */
glim_status glim__store_begin(glim_store *s, glim_error *err);
glim_status glim__store_commit(glim_store *s, glim_error *err);
void glim__store_rollback(glim_store *s);

/* ---- keys ---- */

/* Every part is hashed with its length, so that "ab", "c" is not "a", "bc". */
typedef struct glim_digest {
    crypto_generichash_state state;
} glim_digest;
void glim__digest_begin(glim_digest *d);
void glim__digest_bytes(glim_digest *d, const void *data, size_t n);
void glim__digest_text(glim_digest *d, const char *s); /* NULL is not "" */
void glim__digest_number(glim_digest *d, uint64_t n);
void glim__digest_real(glim_digest *d, double x); /* by its bits */
glim_store_key glim__digest_end(glim_digest *d);

/* ---- tables of one's own ---- */

sqlite3 *glim__store_db(glim_store *s);
/* What SQLite says of its last call. */
glim_status glim__store_fail(const glim_store *s, glim_error *err);
glim_status glim__store_run(glim_store *s, const char *sql, glim_error *err);
glim_status glim__store_prepare(glim_store *s, sqlite3_stmt **out, const char *sql,
                                glim_error *err);
/* "'FILE' is no sound store", where rows say what cannot be. */
glim_status glim__store_unsound(const glim_store *s, glim_error *err);

#endif
