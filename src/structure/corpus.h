/* SPDX-License-Identifier: Apache-2.0 */
/*
 * corpus.h: texts that stream from a file of any size: a line each of a .txt, a column of a
 * table. A text longer than the window is cut, where words begin if there are any, into
 * passages that are texts of their own: what is shown of one can be run again as it is.
 */
#ifndef GLIM_STRUCTURE_CORPUS_H
#define GLIM_STRUCTURE_CORPUS_H

#include "base/arena.h"

#include <glim/model.h>

typedef struct glim_corpus glim_corpus;

typedef struct glim_passage {
    const char *text; /* n bytes */
    size_t n;
    size_t row, part; /* of the file, from 0; of the text, 0 = its beginning */
    glim_tokens *tokens;
} glim_passage;

typedef struct glim_corpus_counts {
    size_t texts, passages; /* that were read */
    size_t twice, broken;   /* left out: seen before; no UTF-8, or nothing to read */
    bool forgot;            /* so many that a passage may have been seen before all the same */
} glim_corpus_counts;

/* Errors: EUSAGE (the name, the column), EIO, EFORMAT, ENOMEM, EBUDGET. */
glim_status glim__corpus_open(glim_corpus **out, const glim_model *m, const char *path,
                              const char *column, size_t window, glim_error *err);
void glim__corpus_close(glim_corpus *c); /* NULL is fine */
/* The next one that was not seen before; its text is in the arena, its tokens are the
   caller's. *more = false: there is none. */
glim_status glim__corpus_next(glim_corpus *c, glim_arena *arena, glim_passage *out, bool *more,
                              glim_error *err);
/* How far it is: of `total` work units (bytes, or rows). */
uint64_t glim__corpus_total(const glim_corpus *c);
uint64_t glim__corpus_done(const glim_corpus *c);
const glim_corpus_counts *glim__corpus_counts(const glim_corpus *c);
/* Tokens of a passage at most, special ones included. */
size_t glim__corpus_window(const glim_corpus *c);
/* About how many tokens the whole corpus has, by its beginning, which is then gone. */
glim_status glim__corpus_estimate(glim_corpus *c, uint64_t *tokens, glim_error *err);

#endif
