/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed-forward part of a block: what of it a file has, and its graph.
 *
 *   gated    (act(m Wg^T) * (m Wu^T)) Wd^T      two tensors, or one with Wg's rows first
 *   plain    act(m Wu^T + b) Wd^T + b
 *   mixture  the same gated part, of the experts that a router picks for each row,
 *            and one that every row goes through when the file has it
 */
#include "model/model.h"

#include <string.h>

/* ---- loading ---- */

static glim_status load_gated(glim_loader *l, int i, glim_layer *w, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_status status;
    if ((status =
             glim__load_matrix(l, "ffn_gate.weight", i, h->F, h->C, !l->fused_gate, &w->gate, err)))
        return status;
    int rows = w->gate.data ? h->F : 2 * h->F;
    if ((status = glim__load_matrix(l, "ffn_up.weight", i, rows, h->C, true, &w->up, err)))
        return status;
    if (!w->gate.data) {
        w->gate = w->up;
        w->gate.rows = w->up.rows = h->F;
        w->up.first_row = h->F;
        return GLIM_OK;
    }
    if ((status = glim__load_vector(l, "ffn_gate.bias", i, h->F, false, &w->gate_bias, err)))
        return status;
    return glim__load_vector(l, "ffn_up.bias", i, h->F, false, &w->up_bias, err);
}

static glim_status load_plain(glim_loader *l, int i, glim_layer *w, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_status status = glim__load_matrix(l, "ffn_up.weight", i, h->F, h->C, true, &w->up, err);
    return status ? status : glim__load_vector(l, "ffn_up.bias", i, h->F, false, &w->up_bias, err);
}

static glim_status load_shared(glim_loader *l, int i, glim_mixture *x, int width, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_status status;
    if ((status = glim__load_matrix(l, "ffn_gate_shexp.weight", i, width, h->C, true,
                                    &x->shared_gate, err)) ||
        (status =
             glim__load_matrix(l, "ffn_up_shexp.weight", i, width, h->C, true, &x->shared_up, err)))
        return status;
    return glim__load_matrix(l, "ffn_down_shexp.weight", i, h->C, width, true, &x->shared_down,
                             err);
}

static glim_status load_mixture(glim_loader *l, int i, glim_layer *w, glim_error *err) {
    const glim_mixture_sizes *n = &l->mixture;
    const glim_hyper *h = &l->m->hyper;
    glim_mixture *x = glim__arena_calloc(&l->m->arena, 1, sizeof *x);
    glim_status status;
    if (!x)
        return glim__oom(l->m->ctx, err, "a mixture of experts", sizeof *x);
    x->how = (glim_experts){.count = n->count,
                            .used = n->used,
                            .sigmoid = n->sigmoid,
                            .normalise = n->normalise,
                            .scale = n->scale,
                            .act = h->act};
    if ((status = glim__load_matrix(l, "ffn_gate_inp.weight", i, n->count, h->C, true, &x->router,
                                    err)) ||
        (status = glim__load_stack(l, "ffn_gate_exps", i, n->count, n->width, h->C, &x->how.gate,
                                   err)) ||
        (status =
             glim__load_stack(l, "ffn_up_exps", i, n->count, n->width, h->C, &x->how.up, err)) ||
        (status = glim__load_stack(l, "ffn_down_exps", i, n->count, h->C, n->width, &x->how.down,
                                   err)) ||
        (status = glim__load_vector(l, "exp_probs_b.bias", i, n->count, false, &x->how.choice_bias,
                                    err)))
        return status;
    w->mixture = x;
    return n->shared ? load_shared(l, i, x, n->shared * n->width, err) : GLIM_OK;
}

glim_status glim__load_mixture_sizes(glim_loader *l, bool sigmoid, glim_error *err) {
    enum { SOFTMAX = 1, SIGMOID = 2 };
    glim_mixture_sizes *n = &l->mixture;
    int func = sigmoid ? SIGMOID : SOFTMAX, groups = 1;
    double scale = 1;
    const glim_gguf_value *norm;
    glim_status status;
    if ((status = glim__load_int(l, "expert_count", 1, GLIM_MOST_EXPERTS, true, &n->count, err)) ||
        (status = glim__load_int(l, "expert_used_count", 1, n->count, true, &n->used, err)) ||
        (status =
             glim__load_int(l, "expert_feed_forward_length", 1, 1 << 20, true, &n->width, err)) ||
        (status = glim__load_int(l, "expert_shared_count", 0, 64, false, &n->shared, err)) ||
        (status = glim__load_int(l, "leading_dense_block_count", 0, GLIM_MAX_LAYERS, false,
                                 &n->dense, err)) ||
        (status = glim__load_int(l, "expert_gating_func", SOFTMAX, SIGMOID, false, &func, err)) ||
        (status = glim__load_int(l, "expert_group_count", 1, 1, false, &groups, err)) ||
        (status = glim__load_int(l, "expert_group_used_count", 1, 1, false, &groups, err)) ||
        (status = glim__load_real(l, "expert_weights_scale", false, &scale, err)))
        return status;
    norm = glim__loader_key(l, "expert_weights_norm");
    if (norm && norm->type != GLIM_GGUF_BOOL)
        return glim_fail(err, GLIM_EFORMAT, "key '%s.expert_weights_norm' is no bool", l->arch);
    n->sigmoid = func == SIGMOID;
    n->normalise = !norm || *(const unsigned char *)norm->data;
    n->scale = scale == 0 ? 1 : (float)scale;
    return GLIM_OK;
}

glim_status glim__load_feed_forward(glim_loader *l, int i, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    glim_layer *w = &l->m->layers[i];
    if (l->mixture.count && i >= l->mixture.dense)
        return load_mixture(l, i, w, err);
    glim_status status = l->plain_mlp ? load_plain(l, i, w, err) : load_gated(l, i, w, err);
    if (!status)
        status = glim__load_vector(l, "ffn_down.bias", i, h->C, false, &w->down_bias, err);
    return status ? status
                  : glim__load_matrix(l, "ffn_down.weight", i, h->C, h->F, true, &w->down, err);
}

/* ---- graph ---- */

struct gated {
    const glim_matrix *gate, *up, *down;
    const float *gate_bias, *up_bias, *down_bias;
    const char *pre, *linear, *post, *w_gate, *w_in, *w_out; /* sites */
};

static glim_node run_gated(glim_tape *t, const struct gated *w, glim_act act, glim_node a) {
    glim_node gate = glim__op_linear(t, a, w->gate, w->gate_bias);
    glim__op_site(t, gate, GLIM_SITE_WEIGHT, w->w_gate, 0);
    glim__op_site(t, gate, GLIM_SITE_VALUE, w->pre, 0);
    glim_node up = glim__op_linear(t, a, w->up, w->up_bias);
    glim__op_site(t, up, GLIM_SITE_WEIGHT, w->w_in, 0);
    glim__op_site(t, up, GLIM_SITE_VALUE, w->linear, 0);
    glim_node post = glim__op_gate(t, gate, up, act);
    glim__op_site(t, post, GLIM_SITE_VALUE, w->post, 0);
    glim_node down = glim__op_linear(t, post, w->down, w->down_bias);
    return glim__op_site(t, down, GLIM_SITE_WEIGHT, w->w_out, 0);
}

static glim_node run_plain(glim_tape *t, const glim_layer *w, glim_act act, glim_node a) {
    glim_node pre = glim__op_linear(t, a, &w->up, w->up_bias);
    glim__op_site(t, pre, GLIM_SITE_WEIGHT, "mlp.W_in", 0);
    glim__op_site(t, pre, GLIM_SITE_VALUE, "mlp.hook_pre", 0);
    glim_node post = glim__op_act(t, pre, act);
    glim__op_site(t, post, GLIM_SITE_VALUE, "mlp.hook_post", 0);
    glim_node down = glim__op_linear(t, post, &w->down, w->down_bias);
    return glim__op_site(t, down, GLIM_SITE_WEIGHT, "mlp.W_out", 0);
}

static glim_node run_mixture(glim_tape *t, const glim_mixture *x, glim_node a) {
    glim_node logits = glim__op_linear(t, a, &x->router, NULL);
    glim__op_site(t, logits, GLIM_SITE_WEIGHT, "mlp.W_router", 0);
    glim__op_site(t, logits, GLIM_SITE_VALUE, "mlp.hook_router_logits", 0);
    glim_node y = glim__op_experts(t, a, logits, &x->how);
    glim__op_site(t, y, GLIM_SITE_WEIGHTS, "mlp.hook_expert_weights", 0);
    if (!x->shared_gate.data)
        return y;
    const struct gated shared = {.gate = &x->shared_gate,
                                 .up = &x->shared_up,
                                 .down = &x->shared_down,
                                 .pre = "mlp.shared.hook_pre",
                                 .linear = "mlp.shared.hook_pre_linear",
                                 .post = "mlp.shared.hook_post",
                                 .w_gate = "mlp.shared.W_gate",
                                 .w_in = "mlp.shared.W_in",
                                 .w_out = "mlp.shared.W_out"};
    return glim__op_add(t, y, run_gated(t, &shared, x->how.act, a));
}

glim_node glim__feed_forward(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node a) {
    if (w->mixture)
        return run_mixture(t, w->mixture, a);
    if (!w->gate.data)
        return run_plain(t, w, m->hyper.act, a);
    const struct gated all = {&w->gate,        &w->up,       &w->down,       w->gate_bias,
                              w->up_bias,      w->down_bias, "mlp.hook_pre", "mlp.hook_pre_linear",
                              "mlp.hook_post", "mlp.W_gate", "mlp.W_in",     "mlp.W_out"};
    return run_gated(t, &all, m->hyper.act, a);
}
