/* SPDX-License-Identifier: Apache-2.0 */
/*
 * texts-at-site.h: texts as vectors, the values of sites of a model, pooled over their tokens;
 * and the class that a classifier gives each. All sites are read in one pass and lie on disk, so
 * that one of them is in memory at a time.
 */
#ifndef GLIM_REDUCE_TEXTS_AT_SITE_H
#define GLIM_REDUCE_TEXTS_AT_SITE_H

#include "structure/probe-store.h"

typedef struct glim_texts_at_site {
    const glim_model *model;
    const char *path, *text; /* the file, the column of texts */
    const char *site, *pool; /* NULL: the end of the last block; decoders last, else mean */
    const uint32_t *rows;    /* (n) of the file */
    size_t n;
    bool classes; /* ask the model's classes too */
    /* what comes out */
    size_t n_sites, widest, cut;
    uint64_t tokens;
    const char *pool_name;
    int32_t *predicted; /* (n) owned by the caller, or NULL */
    struct glim_texts_reading *reading;
} glim_texts_at_site;

/* Fills n_sites, widest, cut and tokens: `site` is a list of patterns. Close in any case. Errors:
   those of rows, tokens and sites. */
glim_status glim__texts_open(glim_texts_at_site *r, glim_error *err);
void glim__texts_close(glim_texts_at_site *r); /* zeroed is fine */
/* Bytes that a run takes at least; what is read of a site is besides. */
uint64_t glim__texts_plan(const glim_texts_at_site *r);
/* All texts through the model, once, whatever the number of sites. Errors: those of passes. */
glim_status glim__texts_run(glim_texts_at_site *r, glim_error *err);
/* Name and width of a site, in the order of the model. */
const char *glim__texts_site(const glim_texts_at_site *r, size_t site, size_t *width);
/* Behind a run: x (n, width of the site). */
glim_status glim__texts_get(const glim_texts_at_site *r, size_t site, float *x, glim_error *err);

#endif
