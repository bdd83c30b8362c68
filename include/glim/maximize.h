/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maximize.h: which inputs most activate a neuron, a head, a direction or an output. Texts of
 * a corpus that do, beside ordinary ones; tokens that are searched for; of a model of pictures
 * a picture that is climbed to.
 */
#ifndef GLIM_MAXIMIZE_H
#define GLIM_MAXIMIZE_H

#include <glim/document.h>
#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GLIM_MAXIMIZE_UNITS = 4096, GLIM_MAXIMIZE_LENGTH = 256 };

/* Strings are borrowed for the call; 0 and NULL stand for what is said in brackets, but `head`
   -1 for none. */
typedef struct glim_maximize_options {
    /* What is activated. */
    const char *site;      /* "blocks.5.mlp.hook_post"; none with `target` */
    const size_t *indices; /* [n_indices] neurons of it, within `head` if there is one */
    size_t n_indices;
    int head;              /* its value is the length of its vector unless there are others */
    const char *direction; /* "FILE" or "FILE:TENSOR": safetensors, (width) or (layers, width);
                              what is read is its product with the vector made of length 1 */
    const char *target;    /* a token, or a class: its logit */
    const char *pool;      /* a text's value of its tokens': "max", "last", "mean" [max] */
    /* Texts of a corpus. */
    const char *data, *text_column; /* .txt: a text a line; .csv, .tsv, .jsonl ["text"] */
    size_t top, bins, window;       /* texts of each unit [10]; of each bin [3]; tokens that a
                                       longer text is cut to [128] */
    /* Inputs that are searched for. */
    const char *search; /* "tokens", "embeddings", "both", "none"; [tokens, with data none] */
    const char *start;  /* a text that the first restart begins from [tokens at random] */
    size_t length, restarts, steps; /* tokens [8]; [3]; [60], pictures [256] */
    size_t candidates, choices;     /* inputs asked in a step [64], tokens of a place [64] */
    double fluency;                 /* lambda: less lambda times the mean of -log p of a token */
    const double *fluencies;        /* [n_fluencies] several of them instead, each searched with */
    size_t n_fluencies;
    /* Pictures. */
    double rate, l2, variation; /* of a step [0.05]; of what draws to grey [0.01] and neighbours
                                   to each other [0.2]; -1 = none */
    int jitter;                 /* pixels that a step moves it by [8]; -1 = none */
    const char *store; /* a file where texts and searches that are done are kept, so that a run
                          that was killed goes on there (SQLite) [none]; not of pictures */
    uint64_t seed;
} glim_maximize_options;

/* A document of the kind "maximize", whose panels are
     units        TABLE  a row for each unit: largest, mean, deviation, share above 0, ...
     histogram    LINES  how many tokens have an activation, by unit
     top, quantile-90, quantile-50, random, bottom   TEXTS of the corpus; not of a head: bottom
     optimised    TABLE  what was found, and from where
     found        TEXTS  the same with the activation of each token
     progress     LINES  the best so far, by step
     front        TABLE  with several weights of fluency: the best of each, what it reached against
                         how likely its tokens are, and whether another is better at both
   Of texts found for one unit and weight that have three quarters of their tokens in common the
   best is shown; how many were left out is told.
   On ECANCELLED it is a valid partial one. Errors: EUSAGE (no such site, index, head, token or
   class, a kind of model that has none), EFORMAT, EIO (the corpus, the direction), and those of
   passes. */
GLIM_API glim_status glim_maximize(glim_document **out, const glim_model *model,
                                   const glim_maximize_options *options, glim_error *err);
/* What that will cost. */
GLIM_API glim_status glim_maximize_plan(glim_plan *out, const glim_model *model,
                                        const glim_maximize_options *options, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
