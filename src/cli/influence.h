/* SPDX-License-Identifier: Apache-2.0 */
/* influence.h: what the files of `glim influence` share. */
#ifndef GLIM_CLI_INFLUENCE_H
#define GLIM_CLI_INFLUENCE_H

#include "cli/cli.h"
#include "base/map.h"
#include "file/store.h"
#include "base/outfile.h"
#include "influence/head.h"
#include "influence/head-samples.h"
#include "influence/samples.h"
#include "influence/spool.h"
#include "influence/truth.h"
#include "influence/twins.h"

/* Rows of a file as samples of a head, or samples that stream through a model. */
typedef struct cli_samples {
    const char *path; /* for messages */
    size_t n, width;
    size_t left_out, held_out, cut;
    size_t label, text, group; /* columns; SIZE_MAX = none */
    char digest[65];
    glim_rows *rows; /* NULL: a text */
    glim_head_samples *of_head;
    glim_features features;
    glim_samples *stream; /* then no more of the above than path, n, left_out and digest */
    glim_arena words;     /* of the sample that was read last */
    bool lost;            /* words could not be read again */
} cli_samples;

/* What is kept of every sample for flags and figures, on disk (influence-marks.c). */
typedef struct cli_mark {
    float score, leverage, residual; /* Cook's distance, or self-influence; NaN = not there */
    float loss;
} cli_mark;

typedef struct cli_marks {
    bool open;
    glim_spool spool;
    size_t first, held; /* of those in memory */
    cli_mark block[256];
    glim_status status; /* of reading them again; then marks are NaN */
} cli_marks;

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

enum { CLI_TERMINAL_QUERIES = 3 };

/* A score that is shown, by tokens, layers or modules. */
typedef struct cli_share {
    size_t query, sample;
    double score, rest; /* rest: what no token has */
    size_t n;
    const char **names;
    double *values; /* (n); with the rest they sum to the score */
} cli_share;

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
    cli_marks marks;
    size_t score, leverage, residual, loss; /* columns, or SIZE_MAX */
    size_t done;                            /* samples */
    double score_limit;
    glim_outfile csv, raw;
    bool writes_csv, writes_raw;
    glim_buffer line;
    float *single;      /* a block as floats */
    glim_groups groups; /* of a stream without `of` */
    bool grouped;
    size_t group_room;
    glim_map group_map; /* names to groups */
    glim_arena group_names;
    glim_twins twins;
    glim_truth truth;
    cli_steps steps;
    cli_share *shares;
    size_t n_shares;
    bool checked; /* the truth is filled in */
    double seconds;
    bool partial;
} cli_influence;

/* --list: what the methods say of themselves, as text or glim.influence-methods/1. */
glim_status cli_influence_list(cli_run *run);
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
/* --group (influence-groups.c): before the run, once its columns are known, and block by block. */
glim_status cli_groups_find(cli_influence *c);
glim_status cli_groups_begin(const cli_influence *c, glim_error *err);
glim_status cli_groups_take(cli_influence *c, const glim_influence_block *b, glim_error *err);
void cli_groups_release(cli_influence *c);
/* --by: takes what is shown apart (influence-shares.c). */
glim_status cli_influence_why(void *data, const glim_why *why, glim_error *err);
/* Whether the samples at a column's ends are shown anywhere. */
bool cli_column_listed(const cli_influence *c, size_t column);
void cli_stream_words(const cli_samples *s, size_t i, glim_buffer *out);
const char *cli_stream_label(const cli_samples *s, size_t i);

/* Opens or fits the head, reads samples and queries (influence-data.c). */
glim_status cli_influence_open(cli_influence *c);
void cli_influence_close(cli_influence *c);
/* --dry-run (influence-plan.c). */
glim_status cli_influence_put_plan(cli_influence *c, const glim_influence_work *w);
/* With --dry-run texts are not run: their tokens, and the bytes of a session. */
glim_status cli_influence_count(cli_influence *c, uint64_t *tokens, uint64_t *session);
/* The cell of a sample in a column, until the next is read; NULL when it cannot be read. */
const char *cli_sample_cell(const cli_samples *s, size_t i, size_t column);
/* The row of its file, from 1. */
size_t cli_sample_row(const cli_samples *s, size_t i);
/* The words of a sample: its text, or its cells. */
void cli_sample_words(const cli_influence *c, const cli_samples *s, size_t i, glim_buffer *out);
/* Its label as written, or NULL; until the next is read. And what the head says of it:
 * the class, or (numbers) the value.
 */
const char *cli_sample_label(const cli_samples *s, size_t i);
double cli_sample_says(cli_influence *c, const cli_samples *s, size_t i);

/* --csv and --raw (influence-files.c). What ended with an interruption is kept in the table. */
glim_status cli_files_begin(cli_influence *c, glim_error *err);
glim_status cli_files_write(cli_influence *c, const glim_influence_block *b, glim_error *err);
glim_status cli_files_end(cli_influence *c, glim_status status);

/* Marks as blocks come by, and of a sample again. */
glim_status cli_marks_put(cli_influence *c, size_t first, size_t count, const cli_mark *marks,
                          glim_error *err);
cli_mark cli_mark_of(cli_influence *c, size_t i);
void cli_marks_close(cli_influence *c);

/* Why a sample wants a look (influence-flags.c). */
enum { CLI_MISLABELLED = 1, CLI_FAR = 2, CLI_INFLUENTIAL = 4 };
unsigned cli_sample_flags(cli_influence *c, size_t i, const cli_mark *mark);
/* Finds twins and the limit of scores, after the run. */
glim_status cli_influence_flags(cli_influence *c);
/* Flagged samples by their scores (those that lie far: leverages), the largest first: at most
   `most` into out; the number of all. `kinds` are those that count. */
size_t cli_flagged(cli_influence *c, unsigned kinds, size_t most, size_t *out);

/* Samples with the largest scores, at most `most`; returns how many. */
size_t cli_largest(cli_influence *c, size_t most, size_t *out);

#endif
