/* SPDX-License-Identifier: Apache-2.0 */
/* ops.h: the op descriptors, for the list, rule sets and tests. */
#ifndef GLIM_GRAPH_OPS_H
#define GLIM_GRAPH_OPS_H

#include "graph/tape.h"

extern const glim_op glim__op_input_op, glim__op_linear_op, glim__op_add_op, glim__op_scale_op,
    glim__op_shift_op, glim__op_rms_norm_op, glim__op_rope_op, glim__op_attention_op,
    glim__op_gate_op, glim__op_soft_cap_op, glim__op_pick_op, glim__op_layer_norm_op,
    glim__op_act_op, glim__op_experts_op, glim__op_mean_op, glim__op_unit_op, glim__op_conv_op;

/* How the tables of one kind of layer are made. */
typedef struct glim_rope_recipe {
    int width;
    bool interleaved;
    double base, magnitude;
    const float *factors; /* (R/2) or NULL */
} glim_rope_recipe;

/* ---- what rule sets are made of (rules.c) ---- */

/* Norms with their divisor held constant. */
glim_status glim__rms_norm_backward_frozen(glim_tape *t, glim_tape_node *n, glim_error *err);
glim_status glim__layer_norm_backward_frozen(glim_tape *t, glim_tape_node *n, glim_error *err);
/* Attention with its pattern held constant; with both products' factors halved. */
glim_status glim__attention_backward_frozen(glim_tape *t, glim_tape_node *n, glim_error *err);
glim_status glim__attention_backward_halved(glim_tape *t, glim_tape_node *n, glim_error *err);
/* Experts with the router's weights held constant, or only with other activations. */
glim_status glim__experts_backward_lrp(glim_tape *t, glim_tape_node *n, glim_error *err);
glim_status glim__experts_backward_guided(glim_tape *t, glim_tape_node *n, glim_error *err);
glim_status glim__experts_backward_deconvnet(glim_tape *t, glim_tape_node *n, glim_error *err);

enum glim_manner { GLIM_MANNER_LRP, GLIM_MANNER_GUIDED, GLIM_MANNER_DECONVNET };

/* Slopes of y = act(gate) up, or of act(gate) where up and d_up are NULL; added. */
typedef struct glim_gate_slopes {
    float *d_gate, *d_up;
    const float *dy, *gate, *up;
} glim_gate_slopes;
void glim__gate_back_by(const glim_kernels *kernels, enum glim_manner how,
                        const glim_gate_slopes *s, size_t n, glim_act act);
/* Bytes that the op has in use besides its values when all rows choose one expert. */
uint64_t glim__experts_scratch(const glim_experts *how, uint64_t rows, bool back);

/* Tables for `positions` positions. `factors` (R/2) divide the frequencies, or
   NULL; `magnitude` multiplies the rotated values (1 but for yarn). Errors:
   ENOMEM, EBUDGET. */
glim_status glim__rope_init(glim_rope *rope, glim_context *ctx, const glim_rope_recipe *recipe,
                            int positions, glim_error *err);
void glim__rope_release(glim_rope *rope, glim_context *ctx);

#endif
