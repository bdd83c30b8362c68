/* SPDX-License-Identifier: Apache-2.0 */
/*
 * influence-told.h: what `glim influence` tells, apart from how it was found. A run fills it
 * (influence-tell.c), or a saved document does (influence-read.c); the terminal, JSON, HTML
 * and figures are drawn from it alone, so that `glim view` shows what the run has shown.
 */
#ifndef GLIM_CLI_INFLUENCE_TOLD_H
#define GLIM_CLI_INFLUENCE_TOLD_H

#include "cli/influence.h"

typedef struct cli_told_sample {
    size_t row;        /* of its file, from 1 */
    const char *text;  /* of a table its cells */
    const char *label; /* as written, or NULL */
    const char *says;  /* the class that a head gives it, or NULL */
    double number;     /* or the number; NaN */
    const char *of;    /* of a query: the class that its value is about, or NULL */
    double value;      /* of a query */
} cli_told_sample;

typedef struct cli_told_entry {
    const cli_told_sample *sample;
    double value; /* NaN: not kept */
} cli_told_entry;

typedef struct cli_told_column {
    const char *name;
    size_t query; /* GLIM_NO_QUERY */
    bool is_signed;
    double threshold, mean, deviation;
    size_t beyond, defined;
    cli_told_entry *high, *low; /* as of glim_influence_ends */
    size_t n_high, n_low;
    double reach;         /* of the histogram, from -reach to reach; 0: none */
    const uint64_t *bins; /* [GLIM_INFLUENCE_BINS] or NULL */
} cli_told_column;

typedef struct cli_told_flag {
    size_t count; /* all that have it */
    cli_told_entry *samples;
    size_t n;
} cli_told_flag;

enum { CLI_TOLD_FLAGS = 3 }; /* mislabelled, far, influential */

/* Marks of the figures of diagnostics, in six digits. */
typedef struct cli_told_figures {
    size_t n, column;           /* stems; samples that share one */
    double *place, *row, *stem; /* (n) place among the samples; Cook's distance */
    size_t drawn;               /* marks of leverage and residual, the largest distance first */
    double *mark, *leverage, *residual, *distance; /* (drawn); mark: its row */
} cli_told_figures;

typedef struct cli_told {
    glim_document *doc; /* method, verdict, checks, notes; all that is told lies in it */
    struct {
        bool streams; /* a model whose weights have the gradients; else a head */
        bool classes; /* a head of classes */
        const char *file, *digest, *architecture, *quantisation, *site;
        size_t features;
        double strength;
        const char **names; /* classes of a head, checkpoints of a model */
        size_t n_names;
    } model;
    struct {
        const char *file, *digest;
        size_t samples, left_out, held_out, cut, done;
    } train;
    const char *output, *against, *grouped; /* as they were asked for, or NULL */
    size_t top;
    cli_told_sample *queries;
    size_t n_queries;
    cli_told_column *columns;
    size_t n_columns, score; /* score: Cook's distance or self-influence, or SIZE_MAX */
    double score_limit;
    cli_told_flag flags[CLI_TOLD_FLAGS];
    struct {
        size_t pairs, groups, differing;
        size_t *first, *other; /* (n) rows */
        size_t n;
    } twins;
    glim_groups groups; /* without `of` */
    bool checked;
    glim_truth truth; /* its samples are rows */
    cli_steps steps;  /* theirs too */
    cli_told_figures figures;
    const char *by;    /* "token", "layer", "module", or NULL */
    cli_share *shares; /* (n_shares) by rows of samples; their samples are rows */
    size_t n_shares;
} cli_told;

/* From the run, once it is over. The told borrows from it and from its document. */
glim_status cli_tell(cli_influence *c, cli_told *out);
/* From a document that was saved; `doc` is new and empty. Errors: EFORMAT, ENOMEM. */
glim_status cli_told_read(cli_told *out, glim_document *doc, const json_t *all, const char *name,
                          glim_error *err);
/* Every answer that the flags ask for. */
glim_status cli_told_answer(cli_run *run, const cli_told *t);

glim_status cli_told_show(cli_run *run, const cli_told *t);
json_t *cli_told_json(const cli_told *t, bool *ok);
glim_status cli_told_html(cli_run *run, const cli_told *t);
/* The samples that are listed, with the columns of the run's own table (influence-csv.c). */
glim_status cli_told_csv(cli_run *run, const cli_told *t);
/* Appends a cell; and the line of columns. */
void cli_csv_text(glim_buffer *b, const char *s);
void cli_csv_column(glim_buffer *b, const char *name, size_t query);

/* What tokens or parts have of a sample's score for a query; NULL: it was not asked. */
const cli_share *cli_told_share(const cli_told *t, const cli_told_sample *s, size_t query);

/* The n groups with the largest sums for a query, in the order of the document. */
void cli_groups_largest(const cli_told *t, size_t query, size_t n, size_t *out);

/* How many of a column's highest are shown: those beyond its threshold, where it has one. */
static inline size_t cli_worth_a_look(const cli_told_column *c) {
    return c->threshold == c->threshold && c->beyond < c->n_high ? c->beyond : c->n_high;
}

/* How many of the entries, which are sorted, have this sign. */
static inline size_t cli_of_sign(const cli_told_entry *e, size_t n, int sign) {
    size_t k = 0;
    while (k < n && e[k].value * sign > 0)
        k++;
    return k;
}

#endif
