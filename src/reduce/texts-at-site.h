/* SPDX-License-Identifier: Apache-2.0 */
/*
 * texts-at-site.h: texts as vectors, the values of one site of a model, pooled over their tokens;
 * and the class that a classifier gives each.
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
    float *x; /* (n, width) owned by the caller */
    size_t width, cut;
    char site_name[256];
    const char *pool_name;
    int32_t *predicted; /* (n) owned by the caller, or NULL */
    uint64_t tokens;
} glim_texts_at_site;

/* Errors: those of rows, tokens, sites and passes. */
glim_status glim__texts_at_site(glim_texts_at_site *r, glim_error *err);
/* Fills width, site_name, tokens. *bytes: what a run takes at least. */
glim_status glim__texts_at_site_plan(glim_texts_at_site *r, uint64_t *bytes, glim_error *err);

#endif
