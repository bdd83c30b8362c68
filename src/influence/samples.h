/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samples.h: training samples and queries as a model reads them. They stream from a file;
 * what stays in memory is where blocks of rows begin.
 *
 *   text, label          a classifier's class; of a decoder the label's words are the answer
 *   text                 every token is what a decoder should have said
 *   prompt, completion   the completion's tokens are
 *   messages             a chat, a JSON list: the words of the assistant are, as far as they
 *                        are its own and not the template's
 *   chat, completion     a chat, and what follows it (behind the words of a column `prefix`)
 *   source, target       of an encoder-decoder (or prompt, completion; text, label): the
 *                        target's tokens and the end behind them are
 *
 * The loss of a sample is the sum of -log softmax(outputs of a row)[its label].
 */
#ifndef GLIM_INFLUENCE_SAMPLES_H
#define GLIM_INFLUENCE_SAMPLES_H

#include "base/arena.h"

#include <glim/influence.h>

/* One sample in tokens (model.h has a function glim_sample). The session runs `ids` and is
   asked for the `wanted` rows; output k of it, glim_session_logits(s, sequence, k), should
   have said labels[k]. There are as many labels as outputs, which are as many as wanted
   rows unless the model pools them. What stands behind the last label is not run. */
typedef struct glim_example {
    const int32_t *ids; /* (count) what is run; of an encoder-decoder what is written */
    const uint8_t *types;
    size_t count;
    const int32_t *source; /* (n_source) what is read, of an encoder-decoder; else NULL */
    size_t n_source;
    const uint32_t *wanted; /* (n_wanted) rows */
    size_t n_wanted;
    const int32_t *labels; /* (n_labels) token, or class; none: nothing is left to be said */
    size_t n_labels;
    bool cut; /* longer than the context: its end is lost */
} glim_example;

typedef struct glim_samples glim_samples;

/* What the columns are called; NULL = by the names above, whichever are there. `text` is
   what is read, whatever the task. */
typedef struct glim_samples_options {
    const char *text, *label, *completion, *target;
    const char *template; /* of chats, as glim_model_tokenize_chat; NULL = the model's own */
    bool skip_bad;        /* leave out (and count) rows without text or label; else an error */
} glim_samples_options;

/* Opens and checks a file of rows for a model, which must outlive the samples. Errors:
   those of rows (with the row), EUSAGE (columns that fit no task of the model, or a task
   that has no samples), EFORMAT (a row without text or label, a label that is no class
   of the model: names both). options may be NULL. */
glim_status glim__samples_open(glim_samples **out, const glim_model *model, const char *path,
                               const glim_samples_options *options, glim_error *err);
/* One row that is given by itself: a query. `names` and `cells` as in a file. */
glim_status glim__samples_one(glim_samples **out, const glim_model *model, const char *const *names,
                              const char *const *cells, size_t n,
                              const glim_samples_options *options, glim_error *err);
void glim__samples_close(glim_samples *s); /* NULL is fine */
const glim_model *glim__samples_model(const glim_samples *s);
size_t glim__samples_count(const glim_samples *s);
size_t glim__samples_left_out(const glim_samples *s);
bool glim__samples_are_chats(const glim_samples *s);
/* The row of the file (from 0) that sample i is. */
size_t glim__samples_row(const glim_samples *s, size_t i);
/* A column by its name, and what sample i has there; the cell is in `arena`. Errors: EUSAGE (no
   such column: names those that there are), and those of rows. */
glim_status glim__samples_column(const glim_samples *s, const char *name, size_t *out,
                                 glim_error *err);
glim_status glim__samples_cell(glim_samples *s, size_t i, size_t at, glim_arena *arena,
                               const char **out, glim_error *err);
/* SHA-256 of the file's bytes, hex; of a row that was given, of its names and cells. */
const char *glim__samples_digest(const glim_samples *s);
/* The same of that and of how it is read: columns, template. What is kept of samples is kept
   under this. */
const char *glim__samples_origin(const glim_samples *s);
/* Samples first .. first + count - 1; everything is in `arena`. Errors: EIO (the file has
   changed since), and those of tokens and chats. */
glim_status glim__samples_read(glim_samples *s, size_t first, size_t count, glim_arena *arena,
                               glim_example *out, glim_error *err);
/* What people see of a sample: its text (what is read first; of a chat "role: words" lines)
   and what it should say, NULL when that is the text itself. */
glim_status glim__samples_words(glim_samples *s, size_t i, glim_arena *arena, const char **text,
                                const char **label, glim_error *err);

#endif
