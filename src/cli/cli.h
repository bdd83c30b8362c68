/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h: what the commands share. One options struct holds every flag of the
 * contract; a command names the groups of flags that it takes, so a flag means
 * the same everywhere. A command is a constant descriptor in a file of its own.
 */
#ifndef GLIM_CLI_CLI_H
#define GLIM_CLI_CLI_H

#include "base/buffer.h"
#include "base/json.h"

#include "influence/influence-methods.h"

#include <glim/glim.h>

enum { CLI_SITES = 64, CLI_OTHERS = 7, CLI_SERVED = 16 };

typedef struct cli_options {
    /* model */
    const char *model;
    /* black box */
    const char *predictor, *class_name, *mask_token, *header, *header_env, *store;
    int64_t batch_size, concurrency;
    double timeout;
    /* task */
    const char *task, *labels, *prompt_file;
    bool as_chat, length_normalise;
    /* input */
    const char *text, *file, *chat, *tmpl, *prefix;
    const char *context, *context_file;
    bool no_template;
    /* target and units */
    const char *target, *against, *continuation, *output, *units;
    int64_t generate, patch, segments;
    const char *superpixels;
    /* attention and alignment */
    const char *side, *sink, *align_at, *source, *extract, *gold;
    int64_t layer, head;
    const char *heads, *raw_layers;
    bool align;
    /* method */
    const char *method;
    bool list;
    /* judging */
    const char *explanation, *metrics, *absent, *rationale, *paraphrases;
    int64_t draws, inputs;
    bool evaluate;
    /* comparing */
    const char *methods, *other[CLI_OTHERS]; /* the models beside the first; NULL behind */
    int64_t passes;
    /* output */
    const char *json, *csv, *html, *raw, *out, *lang;
    uint64_t html_limit;
    const char *svg, *png, *pdf, *figure, *background;
    double width_mm, dpi;
    bool alt;
    /* resources */
    int64_t threads, seed;
    uint64_t memory;
    bool dry_run;
    const char *kernels;
    /* talk */
    bool quiet, verbose, ascii, numbers, help;
    const char *color;
    int64_t width;
    /* single commands */
    bool tensors, sites, grad;
    int64_t top, tokens, top_k, beams;
    double temperature, top_p, tolerance, length_penalty;
    bool early_stop;
    const char *site, *recording;
    /* advice */
    const char *access, *job, *want, *quality, *budget;
    /* rows of a table, and fitting */
    const char *table, *data, *label, *columns, *missing, *text_column, *on, *pool, *kind;
    const char *class_weights;
    int64_t row, folds, iterations;
    double strength, l1_ratio, held_out;
    bool raw_scale;
    /* sample influence */
    const char *train, *query, *by, *by_group, *checkpoint[CLI_OTHERS];
    double rate;
    int64_t check;
    /* model structure */
    const char *why, *why_not, *tuned, *fit_text, *corrupt, *subject, *ablate, *path[CLI_OTHERS];
    bool direct, noise, estimate, mlps;
    int64_t window;
    int64_t first, count, neurons;
    const char *steer[CLI_OTHERS], *positive, *negative, *neuron[CLI_SITES];
    bool detect, pairs;
    int64_t length;
    /* probes */
    const char *each, *word, *probe, *save, *concept_target, *concept_class;
    bool regression, random_model, half, no_control, no_code, no_baseline;
    int64_t repeats, permutations, hidden, concept_inputs, directions;
    double decay;
    /* what activates */
    const char *indices, *direction, *search, *start, *save_picture;
    int64_t text_window, restarts, steps, candidates, choices, jitter;
    const char *fluency;
    double l2, variation;
    /* maps */
    const char *color_by, *place, *gradient, *neighbours, *initialization;
    bool normalise;
    int64_t components, snapshots, n_iter, early_iter;
    double perplexity, early_exaggeration, exaggeration, learning_rate, momentum, theta,
        max_step_norm;
    /* the server */
    const char *served[CLI_SERVED], *host, *token, *root, *history;
    int64_t port, queue, workers, history_limit;
    uint64_t patterns;
    bool open;
} cli_options;

typedef struct cli_command cli_command;

/* A black box and what it is asked, for those that ask again. */
typedef struct cli_box_bound {
    glim_black_box *box;
    const glim_class_options *how;
    const glim_row *row;     /* of a table, or NULL */
    const glim_image *image; /* or NULL */
    const glim_image_options *cut;
} cli_box_bound;

/* A command's run: the parsed options and what was made of them. */
typedef struct cli_run cli_run;
struct cli_run {
    const cli_command *command;
    cli_options o;
    void *method_opts;  /* of the chosen method */
    void **metric_opts; /* [glim_metrics()] NULL where no flag names one; or NULL */
    const glim_method *method;
    const glim_influence_method *influence; /* of glim influence */
    glim_context *ctx;
    glim_model *model;
    glim_model *base;         /* what a fitted model was put on, or NULL */
    glim_linear *linear;      /* of --predictor fit:FILE */
    struct glim_table *table; /* whose row is explained, or NULL */
    const cli_box_bound *box; /* of --predictor, while it is open; or NULL */
    glim_tokens *tokens;
    uint64_t program; /* bytes of the program itself, once counted */
    bool planned;     /* the whole need is known and was compared with the budget */
    glim_error err;
};

struct cli_command {
    const char *name, *summary, *synopsis;
    const char *family;              /* which question it answers; for pages */
    const char *produces;            /* schema of its JSON, or NULL */
    const char *text;                /* what a word without a flag is, "text"; NULL: refused */
    const char *const *examples;     /* NULL-terminated */
    const glim_param *const *groups; /* NULL-terminated */
    bool takes_method;               /* the method's own parameters are flags too */
    bool takes_metrics;              /* and those of metrics, --METRIC.PARAM */
    bool takes_influence;            /* the same, of a method of sample influence */
    bool steers;                     /* --steer changes the model that it runs */
    bool keeps;                      /* --store is not only for the answers of programs */
    glim_status (*run)(cli_run *run);
};

/* Adds what --steer and --from name, FILE[#CLASS][:STRENGTH][@LAYERS] (steer-flags.c), to a new
   steering of the model; what is worth telling goes to standard error. */
glim_status cli_steer(cli_run *run, glim_steering **out);
/* The same in the model itself, of commands that steer. */
glim_status cli_steer_model(cli_run *run);

/* Groups of flags (flags.c). */
extern const glim_param cli_flags_model[], cli_flags_task[], cli_flags_predictor[],
    cli_flags_calls[], cli_flags_input[], cli_flags_target[], cli_flags_align[],
    cli_flags_picture[], cli_flags_judged[], cli_flags_method[], cli_flags_output[],
    cli_flags_figure[], cli_flags_json[], cli_flags_raw[], cli_flags_many[], cli_flags_resources[],
    cli_flags_plan[], cli_flags_store[], cli_flags_steer[], cli_flags_talk[];

/* All commands, NULL-terminated. */
extern const cli_command *const cli_commands[];
const cli_command *cli_find(const char *name);
/* The command whose name is nearest, or NULL when none is near. */
const cli_command *cli_nearest(const char *name);

/* The parameters of the chosen method, or NULL. */
const glim_param *cli_own_params(const cli_run *run);
/* Parses argv[2..) into run->o. EUSAGE names the flag and the nearest one. */
glim_status cli_parse(cli_run *run, int argc, char **argv);
/* Refuses two answers at one place, and answers that would overwrite an input. */
glim_status cli_check_outputs(cli_run *run);
/* Of the command, or of the method or the metrics that are named. Errors: EUSAGE (none such). */
glim_status cli_help(cli_run *run, FILE *out);
/* A table of flags as help prints it, a paragraph, and the table as JSON. */
void cli_print_params(const glim_param *p, FILE *out);
void cli_print_wrapped(const char *text, FILE *out);
json_t *cli_params_json(bool *ok, const glim_param *p);
void cli_overview(FILE *out);
glim_status cli_dump_commands(cli_run *run, FILE *out);

/* Makes the context; opens the model; reads the input into run->tokens. */
glim_status cli_context(cli_run *run);
glim_status cli_open(cli_run *run);
glim_status cli_input(cli_run *run);
/* Of an encoder-decoder: what its decoder reads, ids[0, n), when it writes `text`, or with
   NULL what it says itself; the written tokens are appended to run->tokens. */
glim_status cli_written(cli_run *run, const char *text, int32_t **ids, size_t *n);
/* The TEXT or --file, without the line end of a file. */
glim_status cli_read_text(cli_run *run, glim_buffer *out);
/* The words of --prompt-file, without line ends behind them. */
glim_status cli_read_prompt(cli_run *run, glim_buffer *out);
/* Opens what --predictor names, with the flags of its group. */
glim_status cli_open_box(cli_run *run, glim_black_box **out);
/* Counts the program, its libraries and stacks against the budget. */
glim_status cli_count_program(cli_run *run);
/* True when a list of site patterns names sites behind the last block. */
bool cli_wants_ends(const char *patterns);
/* After EBUDGET: what the whole run would need, into run->err. */
void cli_tell_need(cli_run *run);

/* Removes the progress line before an answer is printed. */
void cli_erase_progress(void);

/* Where the answer goes. `to_stdout` is true when nothing was sent to a file and
   so the terminal form is wanted. */
bool cli_wants_terminal(const cli_run *run);
glim_status cli_put(cli_run *run, const char *text, size_t n); /* stdout */
/* The same of a whole answer, which `what` names when there was no memory for it;
   releases it. */
glim_status cli_put_buffer(cli_run *run, glim_buffer *out, const char *what);
/* (rows, width) to the file of --raw. */
glim_status cli_put_raw(cli_run *run, const float *data, uint64_t rows, uint64_t width);
/* A JSON answer to a file, or to standard output for "-"; takes the reference. `ok` is
   false when a part of it was refused. */
glim_status cli_put_json(cli_run *run, const char *path, json_t *value, bool ok);
/* Says on standard error that a file was written, unless asked to be quiet. */
void cli_wrote(const cli_run *run, const char *path);
/* A plan as JSON (glim.plan/1), with what a black box is asked for when `asks`. */
json_t *cli_plan_json(bool *ok, const char *method, const glim_plan *plan, bool asks);
/* What a run would cost, as text or glim.plan/1. */
glim_status cli_put_plan(cli_run *run, const char *method, const glim_plan *plan);
/* What a predictor of the tokens holds: the cached input. */
uint64_t cli_bound_bytes(const cli_run *run);
/* The plan of a command that runs the tokens once: rows whose logits are wanted,
   tokens to come, with a backward pass or not. */
glim_status cli_plan_pass(cli_run *run, size_t wanted, size_t more, bool backward);
glim_color cli_color(const cli_run *run);
int cli_width(const cli_run *run);
/* Columns of a page that is read, at most 100, also where nothing says how wide it is. */
int cli_sheet_width(const cli_run *run);
/* Appends words within the width, later lines under the first. */
void cli_put_wrapped(glim_buffer *out, int width, int indent, const char *text);
bool cli_ascii(const cli_run *run);
/* "zh-CN" or "en", from --lang or the environment. */
const char *cli_lang(const cli_run *run);

/* Appends text for people: control characters and broken UTF-8 escaped; with
   CLI_TOKEN spaces are a middle dot, with CLI_STREAM line ends and tabs stay. */
typedef enum cli_look { CLI_PLAIN, CLI_TOKEN, CLI_STREAM } cli_look;
void cli_visible(glim_buffer *out, const char *s, size_t n, cli_look look, bool ascii);
/* Pads the last `from`.. of the buffer to a number of terminal columns. */
void cli_pad(glim_buffer *out, size_t from, int columns);
/* A size like "94 MiB". */
const char *cli_size(char out[32], uint64_t bytes);
/* {"id", "text", "start", "end", "kind"} of one token. */
json_t *cli_token_json(const cli_run *run, const glim_token *t, bool *ok);
/* {"text", "id", "logit", "prob"}: what a model may say next, or a class. */
json_t *cli_output_json(const char *text, size_t n, int64_t id, double logit, double prob,
                        bool *ok);
/* glim.prediction/1 of the input; takes the reference to the outputs. */
json_t *cli_prediction_json(const cli_run *run, json_t *outputs, bool *ok);
/* order (n): the indices of values, largest first; equal ones in their own order. */
void cli_order(const double *values, size_t n, size_t *order);
/* A line of a ranking: place, text, probability as a number and a bar. With a
   probability of NaN the value stands instead. */
void cli_rank(const cli_run *run, glim_buffer *out, size_t place, const char *text, size_t n,
              double prob, double value);

/* The masked words of the input: their rows into `rows` unless it is NULL; returns how
   many. And what a user writes for one. */
size_t cli_masks(const cli_run *run, size_t *rows);
const char *cli_mask_name(const cli_run *run, size_t *len);

/* Logits of rows [first, first + n) of the tokens, in pieces: each row is handed
   to fn. Only the last row when last_only. */
glim_status cli_logits(cli_run *run, bool last_only,
                       glim_status (*fn)(void *data, size_t row, const float *logits,
                                         glim_error *err),
                       void *data);

#endif
