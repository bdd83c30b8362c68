/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLIM_CLI_COMMANDS_H
#define GLIM_CLI_COMMANDS_H

#include "cli/cli.h"

extern const cli_command cli_explain, cli_predict, cli_generate, cli_capture, cli_attention,
    cli_info, cli_tokenize, cli_verify, cli_view, cli_fit, cli_advise, cli_evaluate, cli_compare,
    cli_influence_command, cli_lens, cli_patch, cli_steer_command, cli_probe, cli_maximize,
    cli_map_command;

/* Documents about a model without an input (bare-model.c): lens --neuron, attention --detect. */
glim_status cli_neurons(cli_run *run);
glim_status cli_detect_heads(cli_run *run);

/* Labels, spans and embeddings of the input (predict-encoder.c). */
glim_status cli_predict_encoder(cli_run *run);
/* --labels: answers as classes (predict-labels.c). */
glim_status cli_predict_labels(cli_run *run);

#endif
