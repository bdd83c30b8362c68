/* SPDX-License-Identifier: Apache-2.0 */
/* maximize.h: the parts of one run of glim_maximize: texts of a corpus, what is searched for,
   and the document of both. */
#ifndef GLIM_STRUCTURE_MAXIMIZE_H
#define GLIM_STRUCTURE_MAXIMIZE_H

#include "base/packing.h"
#include "structure/corpus.h"
#include "structure/kept-texts.h"
#include "structure/kept-work.h"

/* An input that was found. */
typedef struct glim_found {
    size_t unit;
    const char *how; /* "tokens", "embeddings" */
    double lambda;   /* the weight of fluency */
    char *text;      /* [n], NUL behind */
    size_t n, pieces;
    int32_t *ids;         /* [pieces] */
    uint32_t *ends;       /* [pieces] */
    float *values;        /* [pieces], or NULL: one value of the whole text */
    double start, value;  /* where the search began, and what it reached */
    double nll;           /* mean of -log p of a token, nats; NaN: the model has none */
    double *best;         /* [n_best] the value so far, of step 0, 1, ... */
    size_t n_best, asked; /* inputs that were run */
} glim_found;

typedef struct glim_maximized {
    glim_context *ctx;
    const glim_maximize_options *o; /* with all defaults filled in */
    glim_text_pool pool;
    glim_kept_work work;
    glim_kept_texts kept;
    bool read; /* a corpus was */
    glim_corpus_counts counts;
    glim_found *found;           /* [n_found] */
    size_t n_found, room, alike; /* alike: near-duplicates that were left out */
    double *ordinary; /* [units] mean value of random texts of that length, NaN: not asked */
    uint64_t forward, backward;
} glim_maximized;

/* The corpus through the model, batch by batch. On ECANCELLED what was seen stays. */
glim_status glim__maximize_corpus(glim_maximized *r, glim_activation *a, glim_error *err);
/* Adds what is activated and the corpus to a digest. */
glim_status glim__maximize_digest(const glim_maximized *r, const glim_activation *a, glim_digest *d,
                                  glim_error *err);
/* The searches, into r->found. */
glim_status glim__maximize_search(glim_maximized *r, glim_activation *a, glim_error *err);
void glim__found_release(glim_context *ctx, glim_found *f);
/* found-record.c: one as bytes and back (EFORMAT, ENOMEM); found-alike.c: leaves out those that
   are nearly another one, which is better. */
void glim__found_write(glim_buffer *b, const glim_found *f);
glim_status glim__found_read(glim_unpacking *r, glim_context *ctx, glim_found *f, glim_error *err);
void glim__found_leave_out(glim_maximized *r);
void glim__maximized_release(glim_maximized *r);
/* Fills a document's head and panels. False when memory is refused. */
bool glim__maximize_tell(glim_maximized *r, const glim_activation *a, glim_document *doc);

/* Of a model of pictures; both as the public calls. */
glim_status glim__maximize_picture(glim_document *doc, const glim_model *m,
                                   const glim_maximize_options *o, glim_error *err);
void glim__maximize_picture_plan(glim_plan *out, const glim_model *m,
                                 const glim_maximize_options *o);

#endif
