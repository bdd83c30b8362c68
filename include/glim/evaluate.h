/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evaluate.h: how good an explanation is. A metric is a constant descriptor, as a method
 * is; it belongs to one quality. What it gives is told beside what a random order of the
 * same scores gets, and the best that is known, since a number alone says little.
 */
#ifndef GLIM_EVALUATE_H
#define GLIM_EVALUATE_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first four say how good an explanation is. Plausibility says something else, whether
   people would have pointed at the same: a true account of a model that is wrong looks
   implausible. It has a mark of its own and enters none of theirs. */
typedef enum glim_quality {
    GLIM_ACCURACY,          /* does it describe what the model does? */
    GLIM_CONSISTENCY,       /* does it stay the same when it should? */
    GLIM_SIMPLICITY,        /* can a person take it in? */
    GLIM_COMPREHENSIVENESS, /* is everything in it that matters? */
    GLIM_PLAUSIBILITY       /* do people agree with it? */
} glim_quality;
enum { GLIM_QUALITIES = 5 };
GLIM_API const char *glim_quality_name(glim_quality quality);

enum {                           /* what a metric needs beside the scores */
       GLIM_NEEDS_VALUES = 1,    /* the predictor's answer to masked inputs */
       GLIM_NEEDS_METHOD = 2,    /* the method that made them, to run it again */
       GLIM_NEEDS_ADDITIVE = 4,  /* scores that claim to sum to the target */
       GLIM_NEEDS_RATIONALE = 8, /* units that people marked */
       GLIM_NEEDS_SIGNED = 16,   /* scores that say for and against */
       GLIM_NEEDS_MODEL = 32,    /* a model whose weights can be changed */
       GLIM_NEEDS_LOO = 64,      /* what the target loses without each feature */
       GLIM_NEEDS_SEEDS = 128,   /* the method's scores with other seeds */
       GLIM_NEEDS_PROB = 256,    /* a target that is a probability or its logarithm */
       GLIM_NEEDS_RIVALS = 512,  /* the other classes or next tokens, and their probabilities */
       GLIM_NEEDS_WORDING = 1024 /* a text that can be put otherwise */
};

/* The scores of one target row over the d features that it can see, as metrics get them. */
typedef struct glim_case {
    size_t d;
    const double *phi;        /* (d); NaN = nothing is said about it */
    const size_t *order;      /* (d) most important first: by score, without sign by its size; equal
                                 ones and those that nothing is said about stay in place */
    const uint8_t *rationale; /* (d) 1 = people marked it; or NULL */
    const double *loo;        /* (d) what the target loses without each; or NULL */
    double all, none;         /* the target with every feature there, and with none */
    double claimed;           /* what the explanation says of the latter; NaN = nothing */
    double fixed;             /* score of what cannot be taken out */
    bool is_signed, additive;
    bool log; /* the target is the logarithm of a probability */
    uint64_t seed;
} glim_case;

/* A class, or a next token, that the model might say of the input. */
typedef struct glim_rival {
    const char *text;
    size_t len;
    double prob;
} glim_rival;

/* The same question asked otherwise, by whoever bound the predictor. */
typedef struct glim_otherwise {
    void *data;
    /* The predictor of the same input for another target, or of another text (NULL: the same) for
       the same; target NULL: the likeliest. One lives at a time; freed by the caller of this. */
    glim_status (*bind)(void *data, glim_predictor **out, const char *target, const char *text,
                        size_t n, glim_error *err);
    /* The likeliest first, the target among them; owned by data. NULL: they are not known. */
    glim_status (*rivals)(void *data, const glim_rival **list, size_t *n, glim_error *err);
    const char *text; /* what may be put otherwise; NULL = nothing */
    size_t len;
    const char *const *paraphrases; /* NULL-terminated, that people wrote; or NULL */
} glim_otherwise;

/* What is judged, for metrics that run the method again. */
typedef struct glim_subject {
    glim_predictor *p;
    const glim_document *doc;
    const glim_method *method;
    const void *opts;
    uint64_t seed;
    /* Scores (n_again, rows, units) of other seeds, the document's own first. same_bits:
       another seed gave the same, so no more were tried. */
    const double *again;
    size_t n_again;
    bool same_bits;
    glim_status (*remake)(void *data, glim_predictor **out, const glim_model *model,
                          glim_error *err);
    void *remake_data;
    const glim_otherwise *otherwise; /* or NULL */
} glim_subject;

/* What a metric that works by itself says of each target row; NaN beforehand. */
typedef struct glim_answer {
    double *value, *chance; /* (rows) chance: what scores that say nothing get */
    const char *note;       /* what else to know, or NULL */
    char told[200];         /* the same where it has to be written; else empty */
} glim_answer;

/* A metric asks in one of two ways. `masks` and `read`: the engine gathers the masks of all
   metrics, asks once, and hands each its values, for the scores as they are and for other
   orders of them. `run`: the metric works by itself, once for all rows.
   `masks` returns how many masks it needs and, unless keep is NULL, fills in (n, d): 1 = the
   feature is there; `read` gets the target's values (n) in the same order. Metrics of the
   scores alone have no `masks`; their `read` gets NULL. NaN = undefined here. Options are
   never NULL where there are params. */
typedef struct glim_metric {
    const char *name, *summary, *cite; /* "aopc-comprehensiveness"; one line, lower case */
    const char *caption;               /* what must not be read from it; one sentence */
    glim_quality quality;
    bool higher;     /* higher is better */
    double best;     /* the value of a perfect explanation; NaN = it depends on the input: the best
                        of all orders that were tried is taken, among them leave-one-out's */
    bool ranked;     /* a random order of the scores is a floor for it */
    bool same_masks; /* its masks do not depend on the order */
    bool limited;    /* beyond `limit` the explanation fails: its accuracy mark is capped */
    double limit;
    unsigned needs;
    const char *cost; /* "d + 1 forwards" */
    const glim_param *params;
    size_t opts_size;
    size_t (*masks)(const glim_case *c, const void *opts, uint8_t *keep);
    double (*read)(const glim_case *c, const void *opts, const double *values);
    /* Where the value is the area under a curve: its height at a share of the features, 0 .. 1, in
       the same units; or NULL. */
    double (*trace)(const glim_case *c, const void *opts, const double *values, double share);
    /* Instead of best, and of random orders: functions of the input, or NULL. */
    double (*ideal)(const glim_case *c, const void *opts);
    double (*floor)(const glim_case *c, const void *opts);
    glim_status (*run)(const glim_subject *s, const void *opts, glim_answer *out, glim_error *err);
    const char *(*unfit)(const glim_subject *s); /* why it cannot run here, or NULL */
    /* With `run`: how often it runs the method, at most; those of other seeds do not count.
       NULL: never. */
    uint64_t (*runs)(const glim_subject *s, const void *opts);
} glim_metric;

/* All metrics, NULL-terminated; one by name, or NULL. */
GLIM_API const glim_metric *const *glim_metrics(void);
GLIM_API const glim_metric *glim_metric_find(const char *name);

enum { GLIM_CURVE = 51 }; /* points of a curve: shares of the features 0, 0.02 .. 1 */

/* A curve whose area a metric is, mean over target rows (of many inputs: over these): 0 = the
   target with nothing there, 1 or -1 = with everything. To four decimals. */
typedef struct glim_curve {
    double own[GLIM_CURVE];        /* of the scores as they are */
    double low[GLIM_CURVE];        /* over many inputs the interval of 95 %, */
    double high[GLIM_CURVE];       /* by bootstrap; NaN of fewer than two */
    double random[GLIM_CURVE];     /* the mean of random orders, */
    double random_low[GLIM_CURVE]; /* and the lowest and highest of them */
    double random_high[GLIM_CURVE];
} glim_curve;

typedef struct glim_measure {
    const glim_metric *metric;
    double value;             /* mean over target rows; NaN = undefined */
    double random, random_se; /* of random orders of the same scores, or of scores that say
                                 nothing; NaN = no floor */
    double reversed;          /* of the reversed order; NaN = the order does not matter */
    double best;  /* of a perfect explanation, or the best that was found; NaN = unknown */
    double skill; /* 0 = random, 1 = best; NaN = no floor, or best unknown */
    size_t n;     /* target rows that it is the mean of */
    /* Over many inputs, else 0 and NaN: how many have a value, and the interval of its mean. */
    size_t inputs;
    double low, high;  /* 95 % by bootstrap; NaN with fewer than two inputs */
    bool failed;       /* beyond the metric's limit */
    const char *why;   /* undefined or left out: why; else NULL */
    const char *note;  /* what else to know of the value, or NULL */
    char *params;      /* of the metric, a JSON object; owned by the evaluation */
    char *told;        /* what note points to, when it was written for this; or NULL */
    glim_curve *curve; /* or NULL; owned by the evaluation */
} glim_measure;

enum { GLIM_RANKED_UNITS = 10, GLIM_RANKED_SEEDS = 16 }; /* at most */

/* Where the units that matter most stand when the method runs with other seeds; of several target
   rows by the sums of their scores. Texts are the document's. */
typedef struct glim_seed_ranks {
    size_t n_units, n_seeds; /* the document's own seed first */
    struct {
        const char *text;
        size_t text_len, unit;
        size_t rank[GLIM_RANKED_SEEDS]; /* 1 = the most important */
    } units[GLIM_RANKED_UNITS];         /* by their mean rank */
} glim_seed_ranks;

typedef struct glim_evaluation {
    glim_context *ctx;
    glim_measure *measures;
    size_t n_measures;
    double marks[GLIM_QUALITIES]; /* mean skill of a quality's measures; NaN = none has one */
    bool capped;                  /* a check failed: the accuracy mark is 0.3 at most */
    size_t inputs;                /* what it is the mean of; 0 = one explanation */
    double low[GLIM_QUALITIES], high[GLIM_QUALITIES]; /* of the marks over many inputs */
    uint64_t asked;                                   /* masked inputs that were evaluated */
    double seconds;
    glim_seed_ranks *ranks; /* NULL: the method draws nothing, was run once, or over many inputs */
    void *words;            /* texts of one that was read back, else NULL */
} glim_evaluation;

/* Zero means the default. */
typedef struct glim_evaluate_options {
    const glim_metric *const *metrics; /* NULL-terminated; NULL = all that apply */
    const char *absent;                /* how features are taken out; NULL = "auto" */
    size_t draws;                      /* random orders; default 20 */
    size_t seeds;                      /* runs of the method with different seeds; default 5 */
    uint64_t seed;
    const glim_method *method; /* what made the scores, with its options; NULL = another tool */
    const void *method_opts;
    const uint8_t *rationale;       /* (units) 1 = people marked it; or NULL */
    const void *const *metric_opts; /* for each of glim_metrics() its options or NULL; or NULL */
    /* Makes the same predictor over another model of the same shape: same input, same target
       token. It is freed by the caller of this. NULL: no metric changes the model. */
    glim_status (*remake)(void *data, glim_predictor **out, const glim_model *model,
                          glim_error *err);
    void *remake_data;
    const glim_otherwise *otherwise; /* NULL: no metric asks otherwise */
} glim_evaluate_options;

/* Judges the scores of doc, whose units are those of p. Metrics that do not apply are there
   with a `why`. Errors: EUSAGE (units that differ, a way of removing that the predictor
   lacks), and those of the predictor and the method; ECANCELLED leaves nothing. */
GLIM_API glim_status glim_evaluate(glim_evaluation **out, glim_predictor *p,
                                   const glim_document *doc, const glim_evaluate_options *options,
                                   glim_error *err);
/* What it would cost at most, beside what made the scores. */
typedef struct glim_evaluate_cost {
    uint64_t masks; /* masked inputs */
    uint64_t runs;  /* of the method */
    glim_plan plan; /* tokens of the masked inputs alone; bytes of judging and of the method */
} glim_evaluate_cost;
/* doc needs no scores. Asks nothing. Errors: those of glim_evaluate. */
GLIM_API glim_status glim_evaluate_plan(glim_evaluate_cost *most, glim_predictor *p,
                                        const glim_document *doc,
                                        const glim_evaluate_options *options, glim_error *err);
/* Means over n evaluations by the same metrics, of one method on different inputs, with
   intervals by a bootstrap over the inputs; skills and marks are means of those of the
   inputs. Errors: EUSAGE (none, other metrics), ENOMEM. */
GLIM_API glim_status glim_evaluations_mean(glim_evaluation **out, glim_context *ctx,
                                           glim_evaluation *const *list, size_t n, uint64_t seed,
                                           glim_error *err);
GLIM_API void glim_evaluation_free(glim_evaluation *e);

#ifdef __cplusplus
}
#endif
#endif
