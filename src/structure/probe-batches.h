/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe-batches.h: texts as batches. Where only a text's last token is looked at and a model
 * reads forwards, texts are sorted by their tokens, so that each has its beginning from the one
 * before it in the batch, and the last block runs no other row than those. Else they come in
 * their order, and whole. None of it shows in a bit.
 */
#ifndef GLIM_STRUCTURE_PROBE_BATCHES_H
#define GLIM_STRUCTURE_PROBE_BATCHES_H

#include "structure/probe-store.h"

/* So few that activations stay in the cache between products: a quarter faster than 1,024. */
enum { GLIM_PROBE_BATCH_ROWS = 256, GLIM_PROBE_BATCH_TEXTS = 128 };

typedef struct glim_probe_batches {
    const glim_model *m;
    const glim_probe_inputs *in;
    size_t most;   /* rows */
    size_t *order; /* (n) texts, or NULL: as they come */
    glim_sequence *sequences, *sources;
    uint32_t *last; /* a row for each sequence, to be wanted */
    size_t at, end; /* texts that are done with, of the block at hand */
    /* of the batch at hand */
    size_t n, first;
    uint64_t tokens; /* of its texts, shared or not */
} glim_probe_batches;

/* `most` rows, or one text that is longer. With `last` no other row of a text is looked at.
   Errors: ENOMEM, EBUDGET. */
glim_status glim__probe_batches_init(glim_probe_batches *b, const glim_model *m,
                                     const glim_probe_inputs *in, size_t most, bool last,
                                     glim_error *err);
void glim__probe_batches_release(glim_probe_batches *b); /* zeroed is fine */
/* From here on batches are of texts [from, to), sorted among themselves. */
void glim__probe_batches_block(glim_probe_batches *b, size_t from, size_t to);
/* The next batch, without its hooks; false when there is none. */
bool glim__probe_batches_next(glim_probe_batches *b, glim_batch *out);
/* The text of a sequence of the batch at hand. */
size_t glim__probe_batches_text(const glim_probe_batches *b, size_t sequence);
uint64_t glim__probe_batches_plan(const glim_probe_inputs *in);

#endif
