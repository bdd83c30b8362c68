/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of ops and the one list of rule sets. */
#include "graph/ops.h"

#include <string.h>

static const glim_op *const ops[] = {
    &glim__op_input_op,
    &glim__op_linear_op,
    &glim__op_add_op,
    &glim__op_scale_op,
    &glim__op_rms_norm_op,
    &glim__op_rope_op,
    &glim__op_attention_op,
    &glim__op_gate_op,
    &glim__op_soft_cap_op,
    &glim__op_pick_op,
    &glim__op_layer_norm_op,
    &glim__op_act_op,
    &glim__op_experts_op,
    &glim__op_mean_op,
    &glim__op_unit_op,
    &glim__op_conv_op,
    NULL,
};

static const glim_rules *const rule_sets[] = {&glim__rules_frozen_norm,
                                              &glim__rules_frozen_pattern};

const glim_op *const *glim__ops(void) {
    return ops;
}

const glim_rules *glim__rules_find(const char *name) {
    for (size_t i = 0; i < sizeof rule_sets / sizeof *rule_sets; i++)
        if (!strcmp(rule_sets[i]->name, name))
            return rule_sets[i];
    return NULL;
}
