/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention-keep.h: what is kept of patterns for a report while they stream by: of every
 * head cells that are means over squares, and of some heads each row's largest weights.
 * Memory is bounded: 4 kB a head, and so many heads as fit into a mebibyte, at least 16.
 */
#ifndef GLIM_EXPLAIN_ATTENTION_KEEP_H
#define GLIM_EXPLAIN_ATTENTION_KEEP_H

#include <glim/attention.h>

typedef struct glim_keep {
    glim_context *ctx;
    bool on;
    int L, H;
    glim_document_patterns p;
    uint8_t *asked;   /* [L * H] which heads are named; NULL: those that tell most */
    double *telling;  /* [most_kept] how much the kept ones tell */
    size_t most_kept; /* room in p.kept */
    double *sums;     /* (cell_rows, cell_columns) of one head */
    double chance;    /* entropy of a row that looks everywhere, the mean over rows */
} glim_keep;

/* T and S are known; `heads` as in glim_attention_options. Errors: EUSAGE (there is no such
   head), ELIMIT (more columns than 16 bits number), ENOMEM, EBUDGET. */
glim_status glim__keep_init(glim_keep *k, glim_context *ctx, const char *heads, int L, int H,
                            size_t T, size_t S, bool causal, glim_error *err);
/* One head's pattern (T, S) and its numbers. */
void glim__keep_head(glim_keep *k, const glim_document_head *stats, const float *pattern);
/* Hands all of it over to a document, whose tokens are filled in by others. */
glim_status glim__keep_tell(const glim_keep *k, glim_document *doc, glim_error *err);
void glim__keep_release(glim_keep *k);
/* At most, the document's copy included. */
uint64_t glim__keep_bytes(const char *heads, int L, int H, size_t T, size_t S);

#endif
