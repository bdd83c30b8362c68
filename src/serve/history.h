/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h: the jobs of a server in a SQLite file, that outlive it. Documents lie beside it, in
 * FILE.files/ID/, since they are made and read by programs. One server has the file at a time.
 * Calls have no lock of their own.
 */
#ifndef GLIM_SERVE_HISTORY_H
#define GLIM_SERVE_HISTORY_H

#include "base/json.h"
#include "file/store.h"

typedef enum serve_state {
    SERVE_QUEUED,
    SERVE_RUNNING,
    SERVE_DONE,
    SERVE_FAILED,
    SERVE_CANCELLED
} serve_state;
const char *serve_state_name(serve_state state);

typedef struct serve_row {
    int64_t id;
    serve_state state;
    double created, seconds; /* since 1970; that it ran, < 0 while unknown */
    bool pinned, document;
    char command[64], schema[64];          /* of the document, or "" */
    glim_buffer title, line, asked, error; /* asked, error: JSON, or empty */
} serve_row;

void serve_row_init(serve_row *row, glim_context *ctx);
void serve_row_release(serve_row *row);

/* Opens or makes the file, for this process alone. What was under way when its last server was
   killed has failed, unless its document is there. */
glim_status serve_history_open(glim_store **out, glim_context *ctx, const char *path,
                               const char *folder, glim_error *err);
/* Adds a row; its number into row->id. */
glim_status serve_history_add(glim_store *s, serve_row *row, glim_error *err);
glim_status serve_history_get(glim_store *s, int64_t id, serve_row *row, bool *found,
                              glim_error *err);
/* State, seconds, document, schema and error, by row->id. */
glim_status serve_history_end(glim_store *s, const serve_row *row, glim_error *err);
/* What is NULL or < 0 stays. */
glim_status serve_history_mark(glim_store *s, int64_t id, const char *title, int pinned,
                               glim_error *err);
glim_status serve_history_remove(glim_store *s, int64_t id, glim_error *err);
/* The oldest `most` of those that are too many: ended, not pinned, behind the newest `keep` of
   such. *n <= most. */
glim_status serve_history_surplus(glim_store *s, int64_t keep, int64_t *ids, size_t most, size_t *n,
                                  glim_error *err);

/* The newest `limit` with numbers below `before` (0: all) that have `search` (or NULL) in their
   title, line or command; pinned ones have no place of their own. */
typedef struct serve_look {
    glim_context *ctx;
    int64_t before, limit;
    const char *search;
    glim_status (*each)(void *data, const serve_row *row);
    void *data;
} serve_look;
glim_status serve_history_look(glim_store *s, const serve_look *look, glim_error *err);

#endif
