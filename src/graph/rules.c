/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule sets: what takes the place of an op's slope on a walk back. An op that a set does
 * not name is walked as always; the plain gradient is the empty set.
 *
 *   frozen-norm     norms with their divisor held constant
 *   direct          the same, and a logit's soft cap is not there
 *   frozen-pattern  attention whose pattern is constant: queries and keys get nothing
 *   attnlrp         Achtibat et al. 2024, arXiv:2402.05602, as input times gradient
 *   cp-lrp          Ali et al. 2022, arXiv:2202.07304, likewise
 *   guided          Springenberg et al. 2014, arXiv:1412.6806
 *   deconvnet       Zeiler, Fergus 2014, arXiv:1311.2901
 *
 * Relevance is x times what arrives at x. So that it is neither made nor lost on the way,
 *
 *   y = act(x)       dx += dy act(x) / x       (soft cap, tanh and bounds of a convolution too)
 *   y = act(a) b     da += dy b act(a) / 2a,   db += dy act(a) / 2
 *   y = norm(x)      dx with the divisor constant
 *   z = P v          attnlrp: dv / 2, dq / 4, dk / 4; cp-lrp: dv, and P constant
 *
 * The weights that a router gives to experts are constant. Guided back-propagation and
 * deconvnet are rules for rectifiers: of y = relu(x), with [.] one or zero,
 *
 *   guided           dx += dy [x > 0] [dy > 0]
 *   deconvnet        dx += dy [dy > 0]
 *
 * and ReLU6's upper bound is a bound (where it holds nothing passes). An activation that is
 * no ReLU (GELU, SiLU, the one inside a gate) is taken for one, with its own slope where
 * guided lets it through; Captum leaves such activations alone.
 */
#include "graph/ops.h"

#include <math.h>
#include <string.h>

/* ---- activations ---- */

enum { PIECE = 256 };

/* What a of y = act(a) gets for d, its output's; h is act(a). */
static float passed(enum glim_manner how, float d, float a, float h, float slope, glim_act act) {
    switch (how) {
    case GLIM_MANNER_GUIDED:
        return d > 0 && a > 0 ? d * slope : 0;
    case GLIM_MANNER_DECONVNET:
        return d > 0 ? d : 0;
    case GLIM_MANNER_LRP:
        break;
    }
    float limit = act == GLIM_ACT_RELU ? 0 : 0.5f;
    return d * (a == 0 ? limit : h / a);
}

void glim__gate_back_by(const glim_kernels *kernels, enum glim_manner how,
                        const glim_gate_slopes *s, size_t n, glim_act act) {
    float ones[PIECE], h[PIECE], slope[PIECE], lost[PIECE];
    float share = how == GLIM_MANNER_LRP && s->up ? 0.5f : 1;
    for (int i = 0; i < PIECE; i++)
        ones[i] = 1;
    for (size_t at = 0; at < n; at += PIECE) {
        size_t m = n - at < PIECE ? n - at : PIECE;
        const float *a = s->gate + at, *b = s->up ? s->up + at : ones, *dy = s->dy + at;
        memset(slope, 0, sizeof slope);
        memset(lost, 0, sizeof lost);
        kernels->gate(h, a, ones, m, act);
        kernels->gate_backward(slope, lost, ones, a, ones, m, act);
        for (size_t i = 0; i < m; i++) {
            s->d_gate[at + i] += share * passed(how, dy[i] * b[i], a[i], h[i], slope[i], act);
            if (s->d_up)
                s->d_up[at + i] += share * dy[i] * h[i];
        }
    }
}

struct bend {
    const glim_kernels *kernels;
    enum glim_manner how;
    glim_gate_slopes s;
    int64_t cols;
    glim_act act;
};

static void bend_rows(void *data, int64_t first, int64_t count) {
    const struct bend *w = data;
    size_t at = (size_t)(first * w->cols);
    glim_gate_slopes s = {.d_gate = w->s.d_gate + at,
                          .d_up = w->s.d_up ? w->s.d_up + at : NULL,
                          .dy = w->s.dy + at,
                          .gate = w->s.gate + at,
                          .up = w->s.up ? w->s.up + at : NULL};
    glim__gate_back_by(w->kernels, w->how, &s, (size_t)(count * w->cols), w->act);
}

/* Of `gate`, and of `act`, which has no second input. */
static glim_status bend_back(glim_tape *t, glim_tape_node *n, enum glim_manner how,
                             glim_error *err) {
    struct bend w = {.kernels = glim__kernels(t->ctx),
                     .how = how,
                     .s = {.dy = n->grad, .gate = t->nodes[n->inputs[0]].data},
                     .cols = n->cols,
                     .act = n->as.act};
    glim_status status = glim__tape_grad(t, n, 0, &w.s.d_gate, err);
    if (!status && n->inputs[1]) {
        w.s.up = t->nodes[n->inputs[1]].data;
        status = glim__tape_grad(t, n, 1, &w.s.d_up, err);
    }
    if (!status)
        glim__tape_rows(t, n, bend_rows, &w);
    return status;
}

static glim_status bend_lrp(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return bend_back(t, n, GLIM_MANNER_LRP, err);
}

static glim_status bend_guided(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return bend_back(t, n, GLIM_MANNER_GUIDED, err);
}

static glim_status bend_deconvnet(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return bend_back(t, n, GLIM_MANNER_DECONVNET, err);
}

/* ---- soft cap, unit ---- */

static glim_status cap_lrp(glim_tape *t, glim_tape_node *n, glim_error *err) {
    const float *x = t->nodes[n->inputs[0]].data;
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    for (int64_t i = 0; i < n->rows->T * n->cols && !status; i++)
        d[i] += n->grad[i] * (x[i] == 0 ? 1 : n->data[i] / x[i]);
    return status;
}

/* The logit as it was before the cap. */
static glim_status cap_open(glim_tape *t, glim_tape_node *n, glim_error *err) {
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    for (int64_t i = 0; i < n->rows->T * n->cols && !status; i++)
        d[i] += n->grad[i];
    return status;
}

static glim_status unit_lrp(glim_tape *t, glim_tape_node *n, glim_error *err) {
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    for (int64_t i = 0; i < n->rows->T * n->cols && !status; i++)
        d[i] += n->aux[i / n->cols] > 0 ? n->grad[i] / n->aux[i / n->cols] : 0;
    return status;
}

/* ---- convolution: its bounds are its activation ---- */

static glim_status conv_back(glim_tape *t, glim_tape_node *n, const glim_conv *c, glim_error *err) {
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    return status ? status
                  : glim__conv_backward(t->ctx, c, d, n->grad, n->data, (int64_t)n->rows->n_parts,
                                        err);
}

static void keep_positive(glim_tape_node *n) {
    for (int64_t i = 0; i < n->rows->T * n->cols && isfinite(n->as.conv->low); i++)
        n->grad[i] = n->grad[i] > 0 ? n->grad[i] : 0;
}

static glim_status conv_guided(glim_tape *t, glim_tape_node *n, glim_error *err) {
    keep_positive(n);
    return conv_back(t, n, n->as.conv, err);
}

static glim_status conv_deconvnet(glim_tape *t, glim_tape_node *n, glim_error *err) {
    glim_conv open = *n->as.conv;
    open.low = -INFINITY;
    keep_positive(n);
    return conv_back(t, n, &open, err);
}

/* Of z, the sum that the upper bound cuts, y / z passes; what z was, only another run of
   the convolution tells. */
static glim_status conv_lrp(glim_tape *t, glim_tape_node *n, glim_error *err) {
    glim_conv open = *n->as.conv;
    int64_t images = (int64_t)n->rows->n_parts, all = n->rows->T * n->cols;
    if (!isfinite(open.high))
        return conv_back(t, n, &open, err);
    open.low = -INFINITY;
    open.high = INFINITY;
    float *z = glim__workspace_take(t->space, (size_t)all);
    glim_status status = z ? glim__conv(t->ctx, &open, z, t->nodes[n->inputs[0]].data, images, err)
                           : glim__oom(t->ctx, err, "a convolution", (uint64_t)all * sizeof *z);
    for (int64_t i = 0; i < all && !status; i++)
        n->grad[i] *= z[i] == 0 ? 0 : n->data[i] / z[i];
    glim__workspace_give(t->space, z);
    return status ? status : conv_back(t, n, &open, err);
}

/* ---- the sets ---- */

static const glim_rule frozen_norm[] = {
    {&glim__op_rms_norm_op, glim__rms_norm_backward_frozen, 0},
    {&glim__op_layer_norm_op, glim__layer_norm_backward_frozen, 0}};
static const glim_rule direct[] = {{&glim__op_rms_norm_op, glim__rms_norm_backward_frozen, 0},
                                   {&glim__op_layer_norm_op, glim__layer_norm_backward_frozen, 0},
                                   {&glim__op_soft_cap_op, cap_open, 0}};
static const glim_rule frozen_pattern[] = {
    {&glim__op_attention_op, glim__attention_backward_frozen, 0}};
static const glim_rule attnlrp[] = {
    {&glim__op_rms_norm_op, glim__rms_norm_backward_frozen, 0},
    {&glim__op_layer_norm_op, glim__layer_norm_backward_frozen, 0},
    {&glim__op_attention_op, glim__attention_backward_halved, 0},
    {&glim__op_gate_op, bend_lrp, 0},
    {&glim__op_act_op, bend_lrp, 0},
    {&glim__op_soft_cap_op, cap_lrp, 1u},
    {&glim__op_unit_op, unit_lrp, 0},
    {&glim__op_experts_op, glim__experts_backward_lrp, 0},
    {&glim__op_conv_op, conv_lrp, 1u},
};
static const glim_rule cp_lrp[] = {
    {&glim__op_rms_norm_op, glim__rms_norm_backward_frozen, 0},
    {&glim__op_layer_norm_op, glim__layer_norm_backward_frozen, 0},
    {&glim__op_attention_op, glim__attention_backward_frozen, 0},
    {&glim__op_gate_op, bend_lrp, 0},
    {&glim__op_act_op, bend_lrp, 0},
    {&glim__op_soft_cap_op, cap_lrp, 1u},
    {&glim__op_unit_op, unit_lrp, 0},
    {&glim__op_experts_op, glim__experts_backward_lrp, 0},
    {&glim__op_conv_op, conv_lrp, 1u},
};
static const glim_rule guided[] = {
    {&glim__op_gate_op, bend_guided, 0},
    {&glim__op_act_op, bend_guided, 0},
    {&glim__op_experts_op, glim__experts_backward_guided, 0},
    {&glim__op_conv_op, conv_guided, 0},
};
static const glim_rule deconvnet[] = {
    {&glim__op_gate_op, bend_deconvnet, 0},
    {&glim__op_act_op, bend_deconvnet, 0},
    {&glim__op_experts_op, glim__experts_backward_deconvnet, 0},
    {&glim__op_conv_op, conv_deconvnet, 0},
};

#define SET(name, rules)                                                                           \
    { name, rules, sizeof(rules) / sizeof *(rules) }
static const glim_rules sets[] = {
    SET("frozen-norm", frozen_norm), SET("frozen-pattern", frozen_pattern),
    SET("attnlrp", attnlrp),         SET("cp-lrp", cp_lrp),
    SET("guided", guided),           SET("deconvnet", deconvnet),
    SET("direct", direct),
};

const glim_rules *glim_rules_find(const char *name) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i].name, name))
            return &sets[i];
    return NULL;
}
