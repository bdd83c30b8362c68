/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h: what the files of `glim compare` share. A comparison has runs: several methods
 * on one model, or one method on several models. Each input is explained by every run; what
 * is kept of it is how the runs agree (`cli_said`, beside the first run, and `cli_pair`),
 * and of the first input the explanations themselves, which are shown.
 */
#ifndef GLIM_CLI_COMPARE_H
#define GLIM_CLI_COMPARE_H

#include "base/arena.h"
#include "cli/cli.h"
#include "cli/pick.h"
#include "evaluate/bootstrap.h"
#include "evaluate/likeness.h"

enum {
    COMPARE_MOST = 32,
    COMPARE_METRICS = 2,
    CLI_COLUMNS = 15
}; /* runs at most; there are fewer methods */

typedef struct cli_left_out {
    const char *method;
    char why[512];
} cli_left_out;

/* A mean that NaN does not enter. */
typedef struct cli_tally {
    double sum;
    size_t n;
} cli_tally;
void cli_tally_add(cli_tally *t, double x);
double cli_tally_mean(const cli_tally *t); /* NaN of none */

/* The likeliest answer at the targets' places, cut where it is longer. */
typedef struct cli_answer {
    char text[96];
    size_t len;
    bool told;
} cli_answer;

/* What one pass shows of a model at the R targets. */
typedef struct cli_seen {
    size_t R, V, L, C;
    float *logits; /* (R, V), of labels their scores; NULL: no answers of this kind */
    float *inside; /* (L, R, C) what blocks hand on; NULL: not told */
    double tokens, seconds;
} cli_seen;

/* What a run says of one input; of models beside the first. NaN = not told. */
typedef struct cli_said {
    cli_answer answer;
    double value, prob, logprob; /* of the target; logprob: the mean over targets */
    double kl, flips;            /* means over targets, from the first model */
    glim_likeness like;          /* with the first run */
    double *drift;               /* [layers] or NULL */
    double *row_kl;              /* [targets] or NULL, of the input that is shown */
    cli_answer *row_answers;     /* [targets] or NULL, likewise */
    double pass_tokens, pass_seconds, tokens, seconds;
    double metrics[COMPARE_METRICS];
} cli_said;

typedef struct cli_compared_input {
    size_t row; /* of the file */
    const char *text, *target;
    size_t len, target_len;
    cli_said *said; /* [n] */
} cli_compared_input;

/* Two runs, over all inputs. */
typedef struct cli_pair {
    cli_tally tau, jaccard, rbo, signs;
    size_t units;
} cli_pair;

/* A run: a method, or a model. Numbers are over all inputs. */
typedef struct cli_compared {
    const glim_method *method;
    cli_run at;        /* of a model beside the first: its own */
    bool same_answers; /* its answers are the first model's, in their order */
    cli_tally kl, flips, logprob, right;
    cli_tally *drift; /* [layers] */
    size_t layers;
    double pass_tokens, pass_seconds, tokens, seconds;
    const char *no_kl, *no_drift; /* why there is none, or NULL */
} cli_compared;

/* Two methods over many inputs, by one metric: first less second. */
typedef struct cli_difference {
    size_t first, second;
    glim_interval told;
    double p; /* corrected for the number of pairs */
} cli_difference;

/* What a metric says of each method over many inputs. */
typedef struct cli_judgement {
    const glim_metric *metric;
    glim_interval *means; /* [n] */
    cli_difference *pairs;
    size_t n_pairs;
} cli_judgement;

typedef struct cli_comparison {
    cli_run *run;
    bool models, many, partial;
    bool asks;           /* a black box, whose cost is inputs that were asked */
    const json_t *saved; /* what it was read from, or NULL: then names and told say what runs do */
    const char **names;  /* [n] */
    double *told;        /* (n, CLI_COLUMNS) */
    size_t n;
    cli_compared *runs;
    cli_pair *pairs; /* (n, n) */
    glim_arena arena;
    cli_compared_input *inputs; /* [n_inputs] */
    size_t n_inputs, room;
    const glim_table *table; /* of many inputs, and the column of texts */
    size_t column;
    size_t available, chosen, failed, empty;
    glim_error first; /* of the first that failed */
    cli_left_out left_out[COMPARE_MOST];
    size_t n_left_out;
    cli_judgement judged[COMPARE_METRICS];
    size_t n_judged;
    glim_plan plan; /* of --dry-run */
    uint64_t masked;
    /* the first input */
    glim_document *docs[COMPARE_MOST];
    size_t n_units; /* that are scored */
    size_t *units;  /* [n_units] which of docs[0] */
    double *scores; /* (n, n_units) sums over the targets */
} cli_comparison;

/* ---- cmd-compare.c ---- */

/* A method's name, or the file of a model. */
const char *cli_compared_name(const cli_comparison *c, size_t i);
/* Explains the input of p by every run and adds what they say. row: of the file. */
glim_status cli_compare_input(cli_comparison *c, glim_predictor *p, size_t row);

/* ---- compare-methods.c ---- */

/* Settles which methods, on the first input. */
glim_status cli_compare_choose(cli_comparison *c, const glim_predictor *p);
/* Explanations of the input, as far as they came: *n of docs. */
glim_status cli_compare_methods(cli_comparison *c, glim_predictor *p, glim_document **docs,
                                cli_said *said, size_t *n);
glim_status cli_compare_plan_methods(cli_comparison *c, glim_predictor *p);
/* Bytes of what is kept until the end: the first input's documents, what is said of each. */
uint64_t cli_compare_kept(const cli_comparison *c, const glim_predictor *p);
void cli_compare_add_plan(cli_comparison *c, const glim_plan *one);
/* Which of the two is better: told of 30 inputs and more when p is below 0.05; else NULL. */
const size_t *cli_difference_better(const cli_comparison *c, const cli_judgement *j,
                                    const cli_difference *d);
/* Differences over all inputs, by a paired bootstrap. */
glim_status cli_compare_judge(cli_comparison *c);

/* ---- compare-models.c ---- */

glim_status cli_compare_open(cli_comparison *c, const glim_predictor *p);
/* row: SIZE_MAX for the one input of the flags. */
glim_status cli_compare_models(cli_comparison *c, glim_predictor *p, size_t row,
                               glim_document **docs, cli_said *said, size_t *n);
glim_status cli_compare_plan_models(cli_comparison *c, glim_predictor *p, size_t row);

/* ---- compare-seen.c ---- */

/* Runs the input `passes` times; the fastest counts. */
glim_status cli_seen_at(cli_run *run, cli_seen *out, glim_predictor *p, size_t passes);
void cli_seen_release(cli_run *run, cli_seen *l);
/* What is likeliest in row r; and in all of them, one behind the other. */
cli_answer cli_seen_answer(const cli_run *run, const glim_predictor *p, const cli_seen *l,
                           size_t r);
/* Whether both say the same things in the same order. */
bool cli_same_answers(const glim_model *a, const glim_model *b);
/* Compares b with a: kl, flips and drift of `said`. */
glim_status cli_seen_compare(cli_comparison *c, const cli_seen *a, const cli_seen *b, bool same,
                             cli_said *said);
/* Bytes that the two looks of a comparison hold at once. */
uint64_t cli_seen_bytes(const glim_predictor *p);

/* ---- compare-many.c ---- */

/* The inputs of c->table, made by `make`. ECANCELLED: what was reached is in c. */
glim_status cli_compare_many(cli_comparison *c, cli_pick_make *make, void *data);

/* ---- compare-columns.c ---- */

typedef enum cli_form {
    CLI_BYTES,
    CLI_NUMBER,
    CLI_TIMES,   /* ratios to the first */
    CLI_SHARE,   /* told in per cent */
    CLI_LIKENESS /* 1 = the same */
} cli_form;
/* A column of the table of models: its name in the terminal, and in JSON. */
typedef struct cli_column {
    const char *name, *key;
    cli_form form;
    double (*value)(const cli_comparison *c, size_t run); /* of a run; cli_column_value */
} cli_column;
extern const cli_column cli_columns[]; /* closed by a NULL name */
double cli_column_value(const cli_comparison *c, const cli_column *column, size_t run);
/* Whether some run has a number there. */
bool cli_column_told(const cli_comparison *c, const cli_column *column);
const char *cli_column_text(char out[32], cli_form form, double x);

/* ---- what is shown ---- */

/* To where the flags say: the terminal (compare-show.c), JSON (compare-data.c), CSV, HTML. */
glim_status cli_compare_show(cli_comparison *c);
glim_status cli_compare_json(cli_comparison *c, json_t **out);
/* Opens, reads a saved comparison, which `all` stays, shows it as a run is shown, and closes. */
glim_status cli_compare_saved(cli_run *run, const json_t *all, const char *name);
/* compare-read.c: into an open comparison. Errors: EFORMAT, ENOMEM. */
glim_status cli_compare_read(cli_comparison *c, const json_t *all, const char *name);
glim_status cli_compare_csv(cli_comparison *c);
glim_status cli_compare_html(cli_comparison *c);
glim_status cli_compare_put_plan(cli_comparison *c);
/* Of a likeness or a pair by number: tau, Jaccard, RBO, signs. */
double cli_pair_value(const cli_pair *p, int which);
double cli_like_value(const glim_likeness *l, int which);

#endif
