/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of black boxes on disk (--store FILE), so that an interrupted run goes on where
 * it stopped and a repeat asks nothing. One SQLite file may serve many boxes: answers belong
 * to what was asked how (spec, labels, prompt, a plugin's bytes), and to the input by its
 * hash. Every batch is committed when it comes, and several programs may use one file. A program
 * that changed behind the same command cannot be seen from here; its answers are the file's.
 */
#include "predict/black-box.h"
#include "base/json.h"
#include "file/store.h"

#include <math.h>
#include <string.h>

enum { HASH = 32 };

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS box(id INTEGER PRIMARY KEY, identity BLOB UNIQUE NOT NULL,"
    " spec TEXT NOT NULL, classes TEXT NOT NULL, named INTEGER NOT NULL, scale TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS answer(box INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " input BLOB NOT NULL, numbers BLOB NOT NULL,"
    " PRIMARY KEY(box, kind, input)) WITHOUT ROWID;";

struct glim_box_store {
    glim_store *file;
    sqlite3_stmt *find, *put;
    sqlite3_int64 box; /* its number; 0 = it has not answered yet */
    uint8_t identity[HASH];
};

/* ---- who answers ---- */

static void add_text(crypto_generichash_state *h, const char *s) {
    crypto_generichash_update(h, (const unsigned char *)(s ? s : ""), s ? strlen(s) + 1 : 1);
}

static void identify(glim_box_store *s, const glim_black_box *box) {
    crypto_generichash_state h;
    unsigned char normal = box->length_normalise;
    crypto_generichash_init(&h, NULL, 0, HASH);
    add_text(&h, box->spec);
    add_text(&h, box->labels);
    add_text(&h, box->prompt);
    add_text(&h, box->digest);
    crypto_generichash_update(&h, &normal, 1);
    crypto_generichash_final(&h, s->identity, HASH);
}

/* Names of classes from their JSON, into the box. */
static glim_status set_classes(glim_box_store *s, glim_black_box *box, const char *text, bool named,
                               const char *scale, glim_error *err) {
    json_t *list = NULL;
    glim_scale how;
    glim_status status = glim__json_parse(&list, text, strlen(text), "a store's classes", err);
    if (status)
        return status;
    size_t n = json_array_size(list);
    const char **names = glim__calloc(box->ctx, n + 1, sizeof *names);
    bool ok = n && glim__scale_find(scale, &how);
    for (size_t k = 0; k < n && names; k++)
        ok = ok && (names[k] = json_string_value(json_array_get(list, k)));
    if (!names)
        status = glim__oom(box->ctx, err, "the classes", n * sizeof *names);
    else if (!ok)
        status = glim__store_unsound(s->file, err);
    else
        status = glim__box_set_classes(box, named ? names : NULL, n, how, NULL, 0, err);
    glim__free(box->ctx, names);
    json_decref(list);
    return status;
}

static glim_status find_box(glim_box_store *s, glim_black_box *box, glim_error *err) {
    sqlite3_stmt *q = NULL;
    glim_status status = GLIM_OK;
    if (sqlite3_prepare_v2(glim__store_db(s->file),
                           "SELECT id, classes, named, scale FROM box WHERE identity = ?", -1, &q,
                           NULL) != SQLITE_OK ||
        sqlite3_bind_blob(q, 1, s->identity, HASH, SQLITE_STATIC) != SQLITE_OK) {
        status = glim__store_fail(s->file, err);
    } else {
        int step = sqlite3_step(q);
        const char *classes = (const char *)sqlite3_column_text(q, 1),
                   *scale = (const char *)sqlite3_column_text(q, 3);
        if (step == SQLITE_ROW && classes && scale) {
            s->box = sqlite3_column_int64(q, 0);
            status = set_classes(s, box, classes, sqlite3_column_int(q, 2), scale, err);
        } else if (step != SQLITE_DONE) {
            status = glim__store_fail(s->file, err);
        }
    }
    sqlite3_finalize(q);
    return status;
}

/* The classes are known now: the box gets its number. */
static glim_status add_box(glim_box_store *s, const glim_black_box *box, glim_error *err) {
    sqlite3_stmt *q = NULL;
    json_t *list = json_array();
    for (size_t k = 0; list && k < box->info.n_classes; k++)
        json_array_append_new(list, json_string(box->classes[k]));
    char *text = list && json_array_size(list) == box->info.n_classes
                     ? json_dumps(list, JSON_COMPACT)
                     : NULL;
    bool ok = text &&
              sqlite3_prepare_v2(glim__store_db(s->file),
                                 "INSERT INTO box(identity, spec, classes, named, scale)"
                                 " VALUES(?, ?, ?, ?, ?)"
                                 " ON CONFLICT(identity) DO UPDATE SET spec = excluded.spec"
                                 " RETURNING id",
                                 -1, &q, NULL) == SQLITE_OK &&
              sqlite3_bind_blob(q, 1, s->identity, HASH, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_bind_text(q, 2, box->spec, -1, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_bind_text(q, 3, text, -1, SQLITE_STATIC) == SQLITE_OK &&
              sqlite3_bind_int(q, 4, box->named) == SQLITE_OK &&
              sqlite3_bind_text(q, 5, glim__scale_name(box->info.scale), -1, SQLITE_STATIC) ==
                  SQLITE_OK &&
              sqlite3_step(q) == SQLITE_ROW;
    s->box = ok ? sqlite3_column_int64(q, 0) : 0;
    ok = ok && sqlite3_step(q) == SQLITE_DONE;
    glim_status status = ok     ? GLIM_OK
                         : text ? glim__store_fail(s->file, err)
                                : glim__oom(box->ctx, err, "the classes", box->info.n_classes * 8);
    sqlite3_finalize(q);
    free(text);
    json_decref(list);
    return status;
}

/* ---- opening ---- */

glim_status glim__box_store_open(glim_black_box *box, const char *path, glim_error *err) {
    glim_box_store *s = box->store = glim__calloc(box->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(box->ctx, err, "the store", sizeof *s);
    glim_status status = glim__store_open(&s->file, box->ctx, path, tables, err);
    if (!status)
        status = glim__store_prepare(
            s->file, &s->find,
            "SELECT numbers FROM answer WHERE box = ? AND kind = ? AND input = ?", err);
    if (!status)
        status = glim__store_prepare(
            s->file, &s->put,
            "INSERT OR REPLACE INTO answer(box, kind, input, numbers) VALUES(?, ?, ?, ?)", err);
    identify(s, box);
    return status ? status : find_box(s, box, err);
}

void glim__box_store_close(glim_black_box *box) {
    glim_box_store *s = box->store;
    if (!s)
        return;
    sqlite3_finalize(s->find);
    sqlite3_finalize(s->put);
    glim__store_close(s->file);
    glim__free(box->ctx, s);
    box->store = NULL;
}

/* ---- answers ---- */

static bool bind_input(glim_box_store *s, sqlite3_stmt *q, glim_input_kind kind,
                       const glim_input *in, uint8_t hash[HASH]) {
    crypto_generichash(hash, HASH, (const unsigned char *)in->text, in->len, NULL, 0);
    sqlite3_reset(q);
    return sqlite3_bind_int64(q, 1, s->box) == SQLITE_OK &&
           sqlite3_bind_int(q, 2, (int)kind) == SQLITE_OK &&
           sqlite3_bind_blob(q, 3, hash, HASH, SQLITE_STATIC) == SQLITE_OK;
}

glim_status glim__box_store_find(glim_black_box *box, const glim_input *in, double *row,
                                 bool *found, glim_error *err) {
    glim_box_store *s = box->store;
    size_t bytes = box->info.n_classes * sizeof *row;
    uint8_t hash[HASH];
    *found = false;
    if (!s->box)
        return GLIM_OK;
    if (!bind_input(s, s->find, box->kind, in, hash))
        return glim__store_fail(s->file, err);
    int step = sqlite3_step(s->find);
    if (step == SQLITE_ROW && (size_t)sqlite3_column_bytes(s->find, 0) == bytes) {
        memcpy(row, sqlite3_column_blob(s->find, 0), bytes);
        *found = true;
        for (size_t k = 0; k < box->info.n_classes; k++)
            *found = *found && isfinite(row[k]);
    }
    sqlite3_reset(s->find);
    return step == SQLITE_ROW || step == SQLITE_DONE ? GLIM_OK : glim__store_fail(s->file, err);
}

static glim_status put_rows(glim_black_box *box, const glim_input *inputs, const double *rows,
                            size_t n, glim_error *err) {
    glim_box_store *s = box->store;
    size_t K = box->info.n_classes;
    uint8_t hash[HASH];
    glim_status status = s->box ? GLIM_OK : add_box(s, box, err);
    for (size_t i = 0; i < n && !status; i++)
        if (!bind_input(s, s->put, box->kind, &inputs[i], hash) ||
            sqlite3_bind_blob(s->put, 4, rows + i * K, (int)(K * sizeof *rows), SQLITE_STATIC) !=
                SQLITE_OK ||
            sqlite3_step(s->put) != SQLITE_DONE)
            status = glim__store_fail(s->file, err);
    sqlite3_reset(s->put);
    return status;
}

glim_status glim__box_store_put(glim_black_box *box, const glim_input *inputs, const double *rows,
                                size_t n, glim_error *err) {
    glim_box_store *s = box->store;
    sqlite3_int64 known = s->box;
    glim_status status = glim__store_begin(s->file, err);
    if (status)
        return status;
    status = put_rows(box, inputs, rows, n, err);
    if (status)
        glim__store_rollback(s->file);
    else
        status = glim__store_commit(s->file, err);
    if (status)
        s->box = known;
    return status;
}
