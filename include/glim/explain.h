/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h: predictors, methods and the one call that explains.
 *
 * A predictor is bound to one input: it knows the units that are scored, the
 * target rows, and can evaluate the target with some units absent, and (white
 * box) its gradient with respect to the input embeddings. A method sees nothing
 * else. A method is a constant descriptor in a file of its own.
 */
#ifndef GLIM_EXPLAIN_H
#define GLIM_EXPLAIN_H

#include <glim/document.h>
#include <glim/model.h>
#include <glim/param.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glim_predictor glim_predictor;

enum { /* capability bits */
       GLIM_CAN_PREDICT = 1,
       GLIM_CAN_GRADIENT = 2,
       GLIM_CAN_ATTENTION = 4,
       GLIM_CAN_ACTIVATIONS = 8,
       GLIM_CAN_PROPOSE = 16, /* says what else might stand at a place */
       GLIM_CAN_MAPS = 32     /* among its activations are maps over a picture */
};

/* What is explained, and over which units. Strings are borrowed for the call.
   Exactly one kind of target: continuation, or generate > 0, or labels, or a next
   token. */
typedef struct glim_target_options {
    const char *target;         /* token text; NULL = the most likely next token */
    const char *against;        /* token text to contrast with, or NULL */
    const char *continuation;   /* text whose tokens become rows, or NULL */
    size_t generate;            /* greedy tokens that become rows; 0 = none */
    const char *labels;         /* "positive, negative": answers of a decoder that are scored as
                                   classes, which target and against then name; or NULL */
    bool length_normalise;      /* of labels: the mean over a label's tokens, not the sum */
    const char *output;         /* "logit", "logprob", "prob"; NULL = logprob, for a contrast the
                                   difference of logits. Of labels also "score": log-probability of
                                   the answer; logprob and prob are among the labels */
    const char *source;         /* a part of the input, which stands there once: nothing else is
                                   scored, what is written least of all; NULL = all of it */
    bool late;                  /* the target of a decoder may be read with the pass that shows
                                   attention; only for a predictor that glim_explain gets next */
    const glim_predictor *like; /* the targets of this predictor, by another model, over the very
                                   tokens that `tokens` are, with the same outputs: target,
                                   continuation and generate are left out. NULL = as above. Of
                                   labels and likeness without effect */
    const glim_predictor *same; /* the targets of this predictor of the same model, as tokens or
                                   classes, asked of another input: target and against are left
                                   out. Of labels of tokens and spans the inputs have as many
                                   tokens. NULL = as above */
    glim_unit_kind units;
    bool auto_units; /* choose: words; turns of a long chat fold to sentences */
} glim_target_options;

/* The language model as a predictor over `tokens`, which are borrowed, and grow
   when options ask for a generated or given continuation. Errors: EUSAGE (a
   target that is not one token, a contrast with rows, a prompt longer than the
   context), and those of a forward pass. */
GLIM_API glim_status glim_predictor_lm(glim_predictor **out, const glim_model *model,
                                       glim_tokens *tokens, const glim_target_options *options,
                                       glim_error *err);
GLIM_API void glim_predictor_free(glim_predictor *p);

/* What a label got on the input. */
typedef struct glim_label_score {
    const char *text;
    size_t tokens;
    double score; /* log-probability of its tokens behind the input, or their mean */
    double prob;  /* softmax of the scores of all labels */
} glim_label_score;

/* The labels of options.labels in their order, owned by the predictor; NULL and *n = 0
   when the target is something else. */
GLIM_API const glim_label_score *glim_predictor_label_scores(const glim_predictor *p, size_t *n);

/* How much work a method will be, before it runs. */
typedef struct glim_plan {
    uint64_t forward_tokens, backward_tokens; /* of a black box: texts, and 0 */
    uint64_t asks;         /* texts that a black box is asked for at most; 0 for a model */
    uint64_t bytes;        /* working memory at the least, mapped model included */
    uint64_t bytes_wanted; /* with nothing recomputed */
    uint64_t disk;         /* bytes that are written to a store or to temporary files */
    double seconds;        /* estimate on this machine; < 0 = unknown */
    bool bounded;          /* false: the work depends on convergence; numbers are the most */
} glim_plan;

/* What the score of a group of units is made of: a sentence of words, a turn. */
typedef enum glim_fold {
    GLIM_FOLD_AUTO, /* the sum of signed scores, the largest of sizes */
    GLIM_FOLD_SUM,
    GLIM_FOLD_L2, /* the length: root of the sum of squares */
    GLIM_FOLD_MAX,
    GLIM_FOLD_NONE /* a group's score cannot be had from those of its units */
} glim_fold;

typedef struct glim_method {
    const char *name, *summary; /* summary: one line, lower case */
    const char *cite;           /* "Author year, arXiv:..." */
    const char *family;         /* "gradients", "attention", "perturbation", "surrogate" */
    const char *costs;          /* in passes over the input, d scored units: "d + 1 passes" */
    const char *wants;          /* what else it needs: "a picture", "a table"; NULL = nothing */
    const char *caption;        /* what must not be read from it; one sentence */
    const char *formula;        /* in plain letters, lines parted by ";  "; f: the target */
    const char *use, *avoid;    /* when to take it, and when not; half a sentence each */
    unsigned needs;             /* capability bits */
    bool additive;              /* scores sum to value - baseline when all is well */
    bool is_signed;
    glim_fold fold;
    const char *unit; /* of scores that are not in the target's: "share" (of one), "size" (to be
                         compared with each other only); NULL = the target's */
    const glim_param *params; /* closed table; may be NULL */
    size_t opts_size;
    glim_status (*plan)(const glim_predictor *p, const void *opts, glim_plan *out, glim_error *err);
    /* Fills scores, error, checks, verdict and the baseline values of a document
       whose model, input, target, rows and method are filled in. On ECANCELLED
       what is done so far is in the document and the rest is NaN. */
    glim_status (*run)(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err);
} glim_method;

/* All methods, NULL-terminated; one by name, or NULL. */
GLIM_API const glim_method *const *glim_methods(void);
GLIM_API const glim_method *glim_method_find(const char *name);
/* The method that evidence recommends for this predictor (docs/default-method.md). */
GLIM_API const glim_method *glim_method_default(const glim_predictor *p, const char **why);

/* Explains. opts is the method's own options struct (NULL = defaults). A
   cancelled run returns GLIM_ECANCELLED and a valid partial document. Errors:
   EUSAGE (the predictor lacks a capability: names it and a method that would
   do), EBUDGET (names the least memory that would do), and those of the model. */
GLIM_API glim_status glim_explain(glim_document **out, glim_predictor *p, const glim_method *method,
                                  const void *opts, uint64_t seed, glim_error *err);
GLIM_API glim_status glim_explain_plan(glim_plan *out, const glim_predictor *p,
                                       const glim_method *method, const void *opts,
                                       glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
