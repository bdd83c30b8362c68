/* SPDX-License-Identifier: Apache-2.0 */
/*
 * advise.h: which method, for this model, task, question, quality and budget.
 *
 * The answer comes from a table of rules (src/evaluate/advice-rules.c, shown in
 * docs/advice.md), so that anybody can see why, and disagree. Only methods that can run
 * are named, each with what it costs and what it cannot tell.
 */
#ifndef GLIM_ADVISE_H
#define GLIM_ADVISE_H

#include <glim/evaluate.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What there is of the model. */
typedef enum glim_access {
    GLIM_ACCESS_DECODER, /* weights that glim runs */
    GLIM_ACCESS_ENCODER,
    GLIM_ACCESS_ENCODER_DECODER,
    GLIM_ACCESS_IMAGE,
    GLIM_ACCESS_FITTED,   /* what `glim fit` made of a table */
    GLIM_ACCESS_BLACK_BOX /* answers alone */
} glim_access;

/* What the model does. */
typedef enum glim_job {
    GLIM_JOB_CLASSIFY,
    GLIM_JOB_GENERATE,
    GLIM_JOB_TRANSLATE,
    GLIM_JOB_DIALOGUE,
    GLIM_JOB_ANSWER, /* a question about a text */
    GLIM_JOB_TABLE,
    GLIM_JOB_IMAGE
} glim_job;

/* What one wants to know. */
typedef enum glim_want {
    GLIM_WANT_PARTS,     /* which parts of the input mattered */
    GLIM_WANT_CONTRAST,  /* why this and not that */
    GLIM_WANT_LOOKS,     /* where the model looks */
    GLIM_WANT_ALIGNMENT, /* which source word made which target word */
    GLIM_WANT_EXAMPLES,  /* which rows say most about the model */
    GLIM_WANT_TRAINING,  /* which training samples: methods of `glim influence` */
    GLIM_WANT_INSIDE     /* what layers know: not in this version */
} glim_want;

enum { GLIM_ACCESSES = 6, GLIM_JOBS = 7, GLIM_WANTS = 7, GLIM_HINTS = 4 };

/* "black-box", "answer", "parts", as flags have them, and a line that says it; NULL beyond. */
GLIM_API const char *glim_access_name(int access, const char **meaning);
GLIM_API const char *glim_job_name(int job, const char **meaning);
GLIM_API const char *glim_want_name(int want, const char **meaning);

typedef struct glim_question {
    glim_access access;
    glim_job job;
    glim_want want;
    glim_quality quality; /* one of the first four: it decides the order */
    double passes;        /* over the input (training: the samples), at most; 0 = no limit */
    int head;     /* training: 1 = a head was fitted on the model, -1 = none, 0 = not known */
    size_t units; /* that are scored; 0 = those of `p`, or a usual number */
    const glim_predictor *p; /* plans with it and asks what it can; may be NULL */
} glim_question;

typedef struct glim_hint {
    const glim_method *method;          /* NULL when the command is "influence" */
    const char *name, *caption, *costs; /* of the method; costs may be NULL */
    const char *command;                /* of glim: "explain", "attention", "influence" */
    const char *why;
    char flags[80]; /* behind the command, besides --method and the input; may be empty */
    double passes;  /* over the input; of training samples over those */
    bool planned;   /* `passes` is of `plan`; else by the rule's formula */
    glim_plan plan;
} glim_hint;

typedef struct glim_advice {
    size_t n; /* hints, the best first */
    glim_hint at[GLIM_HINTS];
    size_t units;
    bool assumed;       /* units is a usual number */
    const char *reason; /* why there are none, or NULL; static */
    glim_hint least;    /* without any in the budget: the cheapest that there is; its name
                           is NULL otherwise */
} glim_advice;

/* With n == 0 either `reason` or `least` says why. Errors: EUSAGE (a question that is out of
   range), those of planning. */
GLIM_API glim_status glim_advise(glim_advice *out, const glim_question *question, glim_error *err);
/* Whether a model of that kind does that; *why: a sentence when not. */
GLIM_API bool glim_access_does(glim_access access, glim_job job, const char **why);

#ifdef __cplusplus
}
#endif
#endif
