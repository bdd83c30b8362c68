/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe-store.h: texts through a model, once, and the vectors of their rows (texts or words) at
 * all sites that are asked for, on disk: sites one behind the other, each (n, width), as floats
 * or halves. One site at a time is read into memory.
 */
#ifndef GLIM_STRUCTURE_PROBE_STORE_H
#define GLIM_STRUCTURE_PROBE_STORE_H

#include "influence/spool.h"
#include "model/model.h"
#include "structure/kept-work.h"
#include "structure/probe-data.h"

/* The tokens of one text. */
typedef struct glim_probe_input {
    const int32_t *ids;
    const uint8_t *types; /* of models that see segments, or NULL */
    uint32_t n;
} glim_probe_input;

typedef struct glim_probe_inputs {
    glim_context *ctx;
    glim_arena arena;
    glim_probe_input *at;
    size_t n, longest, cut; /* cut: texts that lost their end */
    uint64_t total;
} glim_probe_inputs;

/* Tokens of all texts; spans of words become [first, behind the last) token. Errors: those of
   tokens; EFORMAT (a word without a token), ELIMIT (a sentence beyond the context). */
glim_status glim__probe_tokens(glim_probe_inputs *in, const glim_model *model, glim_probe_data *d,
                               glim_error *err);
void glim__probe_inputs_release(glim_probe_inputs *in); /* zeroed is fine */

typedef struct glim_probe_site {
    const char *name;
    size_t width;
    uint64_t at; /* byte in the file */
} glim_probe_site;

typedef struct glim_probe_store {
    glim_context *ctx;
    const glim_model *model;
    const glim_probe_options *options;
    glim_arena arena;
    glim_probe_site *sites;
    size_t n_sites, room, widest, n;
    uint64_t bytes; /* of the file */
    bool half;
    glim_hook *hooks;
    size_t n_hooks;
    glim_spool spool;
} glim_probe_store;

/* Finds the sites by a pass over a few tokens. Errors: EUSAGE (a pattern that fits none, or a
   site that has no vector of each token). */
glim_status glim__probe_store_open(glim_probe_store *s, const glim_model *model,
                                   const glim_probe_options *o, const glim_probe_inputs *in,
                                   size_t n, glim_error *err);
void glim__probe_store_close(glim_probe_store *s); /* zeroed is fine */
/* All texts; progress by tokens. Blocks of texts that `kept` has are taken from there, the others
   put; *ran grows by tokens that were run. Errors: EIO, ENUMERIC (what no half holds), passes. */
glim_status glim__probe_pass(glim_probe_store *s, const glim_probe_inputs *in,
                             const glim_probe_data *d, glim_kept_work *kept, uint64_t *ran,
                             glim_error *err);
/* Vectors (n, width) of a site. */
glim_status glim__probe_store_get(const glim_probe_store *s, size_t site, float *x,
                                  glim_error *err);
/* Bytes that the pass takes at least. */
uint64_t glim__probe_pass_plan(const glim_probe_store *s, const glim_probe_inputs *in,
                               uint64_t *wanted);

/* probe-kept.c: rows of a block of texts, at all sites, as they lie in the file; *found is false
   where not all of them are kept. */
glim_status glim__probe_block_get(glim_probe_store *s, glim_kept_work *kept, size_t block,
                                  size_t first, size_t n, bool *found, glim_error *err);
glim_status glim__probe_block_put(glim_probe_store *s, glim_kept_work *kept, size_t block,
                                  size_t first, size_t n, glim_error *err);

/* probe-pool.c: one vector (width) of rows [from, to) of x, by "last", "first", "mean". */
void glim__probe_pool(const float *x, size_t width, size_t from, size_t to, const char *how,
                      float *out);
/* The sequence that runs an input, and of an encoder-decoder what it reads; `zero` is a row
   that is 0. */
glim_sequence glim__probe_sequence(const glim_model *m, const glim_probe_input *in,
                                   const uint32_t *zero);

#endif
