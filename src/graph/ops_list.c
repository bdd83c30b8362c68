/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of ops. */
#include "graph/ops.h"

static const glim_op *const ops[] = {
    &glim__op_input_op,    &glim__op_linear_op,    &glim__op_add_op,
    &glim__op_scale_op,    &glim__op_shift_op,     &glim__op_rms_norm_op,
    &glim__op_rope_op,     &glim__op_attention_op, &glim__op_gate_op,
    &glim__op_soft_cap_op, &glim__op_pick_op,      &glim__op_layer_norm_op,
    &glim__op_act_op,      &glim__op_experts_op,   &glim__op_mean_op,
    &glim__op_unit_op,     &glim__op_conv_op,      NULL,
};

const glim_op *const *glim__ops(void) {
    return ops;
}
