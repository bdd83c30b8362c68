/* SPDX-License-Identifier: Apache-2.0 */
/* compare.h: what the files of `glim compare` share. */
#ifndef GLIM_CLI_COMPARE_H
#define GLIM_CLI_COMPARE_H

#include "cli/cli.h"
#include "evaluate/likeness.h"

enum { COMPARE_MOST = 32 }; /* methods; there are fewer */

typedef struct cli_left_out {
    const char *method;
    char why[512];
} cli_left_out;

/* What a model answers at the target's place. */
typedef struct cli_answer {
    size_t n;
    float *logits;  /* [n] */
    char text[128]; /* the likeliest, cut where it is longer */
    size_t len;
    bool told;
} cli_answer;

/* Explanations of the same units: of several methods, or of two models. */
typedef struct cli_comparison {
    cli_run *run;
    size_t n;
    glim_document *docs[COMPARE_MOST];
    glim_likeness *like; /* (n, n) */
    size_t n_units;      /* that are scored */
    size_t *units;       /* [n_units] which of docs[0] */
    double *scores;      /* (n, n_units) */
    cli_left_out left_out[COMPARE_MOST];
    size_t n_left_out;
    /* two models: docs[0] of the first, docs[1] of the other */
    bool models;
    cli_answer answers[2];
    double kl; /* of the first from the other; NaN = `no_kl` says why */
    const char *no_kl;
    double *drift; /* [layers] or NULL: `no_drift` says why */
    size_t layers;
    const char *no_drift;
} cli_comparison;

/* Explains on both models and fills the members of two models (compare-models.c). */
glim_status cli_compare_models(cli_comparison *c, glim_predictor *p);
/* A method's name, or "model" and "other". */
const char *cli_compared_name(const cli_comparison *c, size_t i);
/* To where the flags say: the terminal (compare-show.c), JSON and CSV (compare-data.c). */
glim_status cli_compare_show(cli_comparison *c);
glim_status cli_compare_json(cli_comparison *c);
glim_status cli_compare_csv(cli_comparison *c);

#endif
