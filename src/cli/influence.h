/* SPDX-License-Identifier: Apache-2.0 */
/* influence.h: what the files of `glim influence` share. */
#ifndef GLIM_CLI_INFLUENCE_H
#define GLIM_CLI_INFLUENCE_H

#include "cli/cli.h"
#include "file/store.h"
#include "file/table.h"
#include "base/outfile.h"
#include "influence/head.h"
#include "influence/samples.h"
#include "influence/truth.h"

/* Rows of a table as samples of a head, in memory; or samples that stream through a model. */
typedef struct cli_samples {
    const char *path; /* for messages */
    glim_table *t;
    size_t n, width;
    uint32_t *rows; /* (n) of the table */
    double *x;      /* (n, width) of a table */
    float *x32;     /* (n, width) of texts */
    double *y;      /* (n) value or class; NaN = not given */
    size_t left_out, held_out, cut;
    size_t label, text, group; /* columns; SIZE_MAX = none */
    char digest[65];
    glim_features_array array;
    glim_features features;
    glim_samples *stream; /* then no more of the above than path, n, left_out and digest */
    glim_arena words;     /* of the sample that was read last */
} cli_samples;

/* What is kept of every sample for flags and figures. */
typedef struct cli_mark {
    float score, leverage, residual; /* Cook's distance, or self-influence; NaN = not there */
    float loss;
} cli_mark;

typedef struct cli_query {
    double value; /* f */
    size_t of;    /* class that f is about */
    size_t predicted;
} cli_query;

/* What one step of training on a sample does to what queries say, beside its influence. */
typedef struct cli_steps {
    size_t n, queries;
    size_t *samples;   /* (n) rising */
    double *influence; /* (n, queries) */
    double *change;    /* (n, queries) */
    /* means over queries of Pearson's and Spearman's correlation; NaN = undefined */
    double pearson, rank;
} cli_steps;

/* Samples that look alike to the model. */
typedef struct cli_twins {
    size_t pairs, groups, differing; /* samples with a twin before; groups; with other labels */
    size_t *first, *other;           /* (n) examples */
    size_t n;
} cli_twins;

enum { CLI_TWINS = 20 };

typedef struct cli_influence {
    cli_run *run;
    cli_samples train, query;
    bool streams;
    glim_model *checkpoints[CLI_OTHERS];
    double rates[1 + CLI_OTHERS];
    size_t n_checkpoints;
    struct glim_store *store;
    glim_head head;     /* for predictions */
    cli_query *queries; /* (query.n) */
    const glim_influence_method *method;
    glim_document *doc;
    /* what came: columns, their ends, marks */
    glim_influence_column *columns;
    char **names;
    size_t n_columns;
    glim_extremes *ends;
    cli_mark *marks;                        /* (train.n) */
    size_t score, leverage, residual, loss; /* columns, or SIZE_MAX */
    size_t done;                            /* samples */
    double score_limit;
    glim_outfile csv, raw;
    bool writes_csv, writes_raw;
    glim_buffer line;
    float *single; /* a block as floats */
    glim_groups groups;
    bool grouped;
    cli_twins twins;
    glim_truth truth;
    cli_steps steps;
    bool checked; /* the truth is filled in */
    double seconds;
    bool partial;
} cli_influence;

/* The same of samples that stream (influence-model.c); cli_influence_streams tells when. */
bool cli_influence_streams(const cli_run *run);
glim_status cli_influence_open_model(cli_influence *c);
/* Whether all processes of a team have the same glim, model, and what is in the digest. */
glim_status cli_influence_same(cli_run *run, const glim_model *model, glim_digest *d);
void cli_influence_close_model(cli_influence *c);
void cli_influence_model_work(const cli_influence *c, glim_influence_work *w);
glim_status cli_influence_value_model(cli_influence *c);
/* --check of a model (influence-steps.c): which samples, their influences as blocks come by,
   and after the run the steps. */
glim_status cli_influence_choose_steps(cli_influence *c);
void cli_influence_take_steps(cli_influence *c, const glim_influence_block *b);
glim_status cli_influence_steps(cli_influence *c, const glim_influence_work *w);
void cli_stream_words(const cli_samples *s, size_t i, glim_buffer *out);
const char *cli_stream_label(const cli_samples *s, size_t i);

/* Opens or fits the head, reads samples and queries (influence-data.c). */
glim_status cli_influence_open(cli_influence *c);
void cli_influence_close(cli_influence *c);
/* With --dry-run texts are not run: their tokens, and the bytes of a session. */
glim_status cli_influence_count(cli_influence *c, uint64_t *tokens, uint64_t *session);
/* The row of its file, from 1. */
size_t cli_sample_row(const cli_samples *s, size_t i);
/* The words of a sample: its text, or its cells. */
void cli_sample_words(const cli_influence *c, const cli_samples *s, size_t i, glim_buffer *out);
/* Its label as written, or NULL; of a stream until the next is read. And what the head says of it:
 * the class, or (numbers) the value.
 */
const char *cli_sample_label(const cli_samples *s, size_t i);
double cli_sample_says(cli_influence *c, const cli_samples *s, size_t i);

/* Why a sample wants a look (influence-flags.c). */
enum { CLI_MISLABELLED = 1, CLI_FAR = 2, CLI_INFLUENTIAL = 4 };
unsigned cli_sample_flags(cli_influence *c, size_t i);
/* Finds twins and the limit of scores, after the run. */
glim_status cli_influence_flags(cli_influence *c);
/* Flagged samples by their scores, the largest first: at most `most` into out; the number of
   all. `kinds` are those that count. */
size_t cli_flagged(cli_influence *c, unsigned kinds, size_t most, size_t *out);

/* Samples with the largest scores, at most `most`; returns how many. */
size_t cli_largest(cli_influence *c, size_t most, size_t *out);

/* How many of a column's highest are shown: those beyond its threshold, where it has one. */
static inline size_t cli_worth_a_look(const glim_influence_column *c,
                                      const glim_influence_ends *e) {
    return c->threshold == c->threshold && e->beyond < e->n_high ? e->beyond : e->n_high;
}

/* How many of the entries, which are sorted, have this sign. */
static inline size_t cli_of_sign(const glim_influence_entry *e, size_t n, int sign) {
    size_t k = 0;
    while (k < n && e[k].value * sign > 0)
        k++;
    return k;
}

/* Answers: terminal, JSON, HTML. */
glim_status cli_influence_show(cli_influence *c);
json_t *cli_influence_json(cli_influence *c, bool *ok);
glim_status cli_influence_html(cli_influence *c);

#endif
