/* SPDX-License-Identifier: Apache-2.0 */
/*
 * black-box.h: what the files of black boxes share. A backend (process, http,
 * openai, plugin, function) answers the inputs that nobody has asked before; the
 * front (black-box.c) removes duplicates, remembers answers, checks every row and
 * owns classes and scale.
 */
#ifndef GLIM_PREDICT_BLACK_BOX_H
#define GLIM_PREDICT_BLACK_BOX_H

#include "base/buffer.h"
#include "base/map.h"
#include "base/arena.h"
#include "predict/predictor.h"

#include <glim/predictor.h>

/* Probabilities of a row may miss one by this much. */
#define GLIM_PROB_TOLERANCE 1e-3

enum { GLIM_MOST_CLASSES = 10000 };

typedef struct glim_backend {
    const char *kind;
    glim_status (*open)(glim_black_box *box, const char *rest, glim_error *err);
    /* Asks for every input and calls glim__box_store for each batch of rows. */
    glim_status (*ask)(glim_black_box *box, const glim_input *inputs, size_t n, glim_error *err);
    void (*close)(glim_black_box *box);
} glim_backend;

extern const glim_backend glim__backend_process, glim__backend_http, glim__backend_openai,
    glim__backend_plugin;

typedef struct glim_box_store glim_box_store;

struct glim_black_box {
    glim_context *ctx;
    const glim_backend *backend;
    void *state; /* of the backend */
    glim_black_box_info info;
    double timeout;
    char *headers, *labels, *prompt; /* copies, or NULL */
    bool length_normalise;
    glim_input_kind kind; /* of the call under way */
    char *spec, *name, *digest, *how;
    char **classes;
    bool named;          /* the box said its class names */
    uint64_t names_hash; /* of the JSON text of the names, so that a repeat is not parsed */
    size_t names_len;
    /* answers so far: text -> row of `rows` */
    glim_map index;
    glim_arena texts;
    double *rows; /* (n_known, K) */
    size_t n_known, room, bytes;
    glim_box_store *store; /* answers on disk, or NULL */
    /* the call under way */
    const glim_input *asking; /* (n_fresh) */
    double *fresh; /* (n_fresh, K) of the inputs handed to the backend; NaN = not reached */
    size_t n_fresh;
};

/* Sets K, names (NULL = 0, 1, ...) and scale; once set, they must not change.
   `quote` is the answer, for the message. Errors: EFORMAT, ELIMIT, ENOMEM. */
glim_status glim__box_set_classes(glim_black_box *box, const char *const *names, size_t n,
                                  glim_scale scale, const char *quote, size_t quote_len,
                                  glim_error *err);
/* Stores n checked rows (n, K) of the inputs from `first` on and counts them as
   progress. Errors: ENUMERIC, EFORMAT (probabilities that are none). */
glim_status glim__box_store(glim_black_box *box, size_t first, const double *rows, size_t n,
                            const char *quote, size_t quote_len, glim_error *err);

/* Fails with "predictor 'SPEC': message: 'QUOTE'", the quote shortened. */
glim_status glim__box_fail(const glim_black_box *box, glim_error *err, glim_status status,
                           const char *quote, size_t quote_len, const char *format, ...)
    GLIM_PRINTF(6, 7);
/* A copy of a string in the box's memory. */
glim_status glim__box_copy(glim_black_box *box, char **out, const char *s, size_t n,
                           glim_error *err);
/* "prob" and its like; false when it is none of them. */
bool glim__scale_find(const char *name, glim_scale *out);
const char *glim__scale_name(glim_scale scale);

/* ---- answers on disk (box-store.c) ---- */

/* Opens or makes the file; what it knows of the box becomes the box's classes. On an
   error glim__box_store_close is still due. Errors: EIO, EFORMAT, EUNSUPPORTED, ENOMEM. */
glim_status glim__box_store_open(glim_black_box *box, const char *path, glim_error *err);
void glim__box_store_close(glim_black_box *box);
/* row (K) when the answer is there. */
glim_status glim__box_store_find(glim_black_box *box, const glim_input *in, double *row,
                                 bool *found, glim_error *err);
/* Writes n answers, all or none. */
glim_status glim__box_store_put(glim_black_box *box, const glim_input *inputs, const double *rows,
                                size_t n, glim_error *err);

/* ---- what a predictor explains of it (black-box-predictor.c) ---- */

typedef struct glim_box_target {
    const char *output; /* constant */
    size_t class_index, against;
    bool contrast;
    double value, prob;
} glim_box_target;

/* The target from the row of the input itself. Errors: EUSAGE. */
glim_status glim__box_choose(const glim_black_box *box, glim_box_target *t, const double *row,
                             const glim_class_options *o, glim_error *err);
double glim__box_target(const glim_black_box *box, const glim_box_target *t, const double *row);
/* Model and target of a document; false when memory is refused. */
bool glim__box_describe(const glim_black_box *box, const glim_box_target *t, glim_document *doc);

/* Every mask is one input to ask. */
void glim__box_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                           glim_absent absent, glim_plan *out);

/* ---- the JSON of a batch (batch.c) ---- */

/* "text", "image" or "row". */
const char *glim__input_kind(glim_input_kind kind);

/* Appends s as a JSON string. */
void glim__batch_string(glim_buffer *out, const char *s, size_t n);
/* The request for these inputs: one line with its end. */
void glim__batch_request(glim_buffer *out, glim_input_kind kind, const glim_input *inputs,
                         size_t n);
/* Reads an answer to n inputs from `first` on and stores its rows. */
glim_status glim__batch_answer(glim_black_box *box, const char *text, size_t len, size_t first,
                               size_t n, glim_error *err);
/* An answer's most bytes. */
size_t glim__batch_limit(size_t n);

#endif
