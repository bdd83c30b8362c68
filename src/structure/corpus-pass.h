/* SPDX-License-Identifier: Apache-2.0 */
/*
 * corpus-pass.h: a corpus through a model. Passages are read some at a time and handed over in
 * batches, in their order.
 */
#ifndef GLIM_STRUCTURE_CORPUS_PASS_H
#define GLIM_STRUCTURE_CORPUS_PASS_H

#include "structure/corpus.h"

#include "model/session.h"

typedef struct glim_corpus_batch {
    const glim_passage *x;
    const glim_sequence *q;
    size_t n, rows;
} glim_corpus_batch;

/* How many of n sequences make the next batch; and what is done with it. */
typedef struct glim_corpus_reader {
    size_t (*take)(void *data, const glim_sequence *q, size_t n);
    glim_status (*run)(void *data, const glim_corpus_batch *batch, glim_error *err);
    void *data;
    uint64_t skip; /* passages at the beginning that are read and not handed over */
} glim_corpus_reader;

/* All of the corpus; progress by its work units. Errors: ECANCELLED, those of the corpus and of
   the reader. */
glim_status glim__corpus_pass(glim_corpus *c, const glim_model *m, const glim_corpus_reader *reader,
                              glim_error *err);

#endif
