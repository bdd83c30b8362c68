/* SPDX-License-Identifier: Apache-2.0 */
/* influence-model.h: what the files of `glim influence` through a model's weights share. */
#ifndef GLIM_CLI_INFLUENCE_MODEL_H
#define GLIM_CLI_INFLUENCE_MODEL_H

#include "base/arena.h"
#include "base/outfile.h"
#include "cli/cli.h"
#include "influence/samples.h"

/* A sample that a real step was taken on. */
typedef struct cli_tried {
    size_t sample;
    double value, change; /* influence on the first query; change of it */
} cli_tried;

typedef struct cli_model_influence {
    cli_run *run;
    const glim_influence_method *method;
    glim_samples *train, *query; /* query NULL: none is asked */
    glim_model **checkpoints;
    double *rates; /* [1 + n_checkpoints] */
    size_t n_checkpoints;
    struct glim_store *store;
    glim_arena arena;
    glim_document *doc;
    glim_influence_column *columns;
    size_t n_columns, done;
    glim_extremes *ends;
    glim_outfile csv;
    bool writes_csv;
    glim_buffer line;
    cli_tried *tried;
    size_t n_tried;
    bool checked, partial;
    double pearson, spearman, rate, seconds;
} cli_model_influence;

/* A method that asks gradients of a model. */
glim_status cli_model_influence_run(cli_run *run);
/* Answers (influence-model-show.c). */
glim_status cli_model_influence_show(cli_model_influence *c);
json_t *cli_model_influence_json(cli_model_influence *c, bool *ok);
/* The method's --weights, or NULL. */
const char *cli_method_weights(const cli_run *run);

#endif
