/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every op of the table against central differences of its own forward, for
 * every input, over odd sizes. An op without a case here fails the test.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "graph/ops.h"

enum { MOST = 4096 };

static glim_context *ctx;
static float weights[MOST], bias[64], norm[64];
static glim_rope rope_tables[3];

/* One op on small inputs: cols of up to three inputs, and how to build it. */
struct op_case {
    const char *op, *what;
    int64_t T, cols[3];
    int64_t prefix;
    const uint8_t *hidden;
    float spread;
    glim_node (*build)(glim_tape *t, const glim_node *in);
    int64_t S; /* rows of the second and third input; 0 = T */
};

static int64_t rows_of(const struct op_case *c, int input) {
    return input && c->S ? c->S : c->T;
}

static glim_matrix matrix = {
    .data = weights, .type = GLIM_TYPE_F32, .rows = 5, .cols = 7, .row_bytes = 28};
static float cached[2][64 * 12];

static glim_node build_input(glim_tape *t, const glim_node *in) {
    return glim__op_scale(t, in[0], 1);
}
static glim_node build_linear(glim_tape *t, const glim_node *in) {
    return glim__op_linear(t, in[0], &matrix, bias);
}
static glim_node build_add(glim_tape *t, const glim_node *in) {
    return glim__op_add(t, in[0], in[1]);
}
static glim_node build_add_self(glim_tape *t, const glim_node *in) {
    return glim__op_add(t, in[0], in[0]);
}
static glim_node build_scale(glim_tape *t, const glim_node *in) {
    return glim__op_scale(t, in[0], -1.7f);
}
static glim_node build_shift(glim_tape *t, const glim_node *in) {
    return glim__op_shift(t, in[0], bias);
}
static glim_node build_norm(glim_tape *t, const glim_node *in) {
    return glim__op_rms_norm(t, in[0], norm, 1e-5f, 1);
}
static glim_node build_head_norm(glim_tape *t, const glim_node *in) {
    return glim__op_rms_norm(t, in[0], norm, 1e-5f, 3);
}
static glim_node build_rope(glim_tape *t, const glim_node *in) {
    return glim__op_rope(t, in[0], &rope_tables[0], 2);
}
static glim_node build_rope_interleaved(glim_tape *t, const glim_node *in) {
    return glim__op_rope(t, in[0], &rope_tables[1], 2);
}
static glim_node build_rope_partial(glim_tape *t, const glim_node *in) {
    return glim__op_rope(t, in[0], &rope_tables[2], 2);
}
static glim_node attention_with(glim_tape *t, const glim_node *in, int window, float cap) {
    glim_attention how = {.heads = 4,
                          .kv_heads = 2,
                          .head_width = 6,
                          .scale = 0.4f,
                          .window = window,
                          .soft_cap = cap,
                          .cached_k = cached[0],
                          .cached_v = cached[1]};
    return glim__op_attention(t, in[0], in[1], in[2], &how);
}
static glim_node build_attention(glim_tape *t, const glim_node *in) {
    return attention_with(t, in, 0, 0);
}
static glim_node build_attention_window(glim_tape *t, const glim_node *in) {
    return attention_with(t, in, 3, 0);
}
static glim_node build_attention_cap(glim_tape *t, const glim_node *in) {
    return attention_with(t, in, 0, 2.0f);
}
static glim_node build_attention_both(glim_tape *t, const glim_node *in) {
    glim_node z = attention_with(t, in, 0, 0);
    t->nodes[z].as.attention.both_ways = true;
    return z;
}
static float bias_table[4 * (2 * 3 + 1)];
static glim_node build_attention_bias(glim_tape *t, const glim_node *in) {
    glim_node z = attention_with(t, in, 0, 0);
    t->nodes[z].as.attention.bias = bias_table;
    t->nodes[z].as.attention.reach = 3;
    return z;
}
static glim_node build_attention_bias_both(glim_tape *t, const glim_node *in) {
    glim_node z = build_attention_bias(t, in);
    t->nodes[z].as.attention.both_ways = true;
    return z;
}
static glim_node build_attention_across(glim_tape *t, const glim_node *in) {
    glim_node z = attention_with(t, in, 0, 0);
    t->nodes[z].as.attention.across = true;
    return z;
}
/* The last row of the one sequence, `rows` being the test's. */
static glim_node picked(glim_tape *t, glim_node x) {
    static glim_rows_part part;
    static int32_t position;
    static glim_rows last;
    const glim_rows_part *whole = &t->rows->parts[0];
    position = (int32_t)(whole->prefix + whole->count - 1);
    part = (glim_rows_part){0, 1, position, whole->hidden};
    last = (glim_rows){1, &position, &part, 1};
    return glim__op_pick(t, x, &last);
}
/* The one sequence as one row. */
static glim_node build_mean(glim_tape *t, const glim_node *in) {
    static const glim_rows_part part = {0, 1, 0, NULL};
    static const int32_t position = 0;
    static const glim_rows one = {1, &position, &part, 1};
    return glim__op_mean(t, in[0], &one);
}
static glim_node build_unit(glim_tape *t, const glim_node *in) {
    return glim__op_unit(t, in[0]);
}
static glim_node build_linear_few(glim_tape *t, const glim_node *in) {
    glim_node y = build_linear(t, in);
    t->nodes[y].as.linear.few = true;
    return y;
}
static glim_node build_pick(glim_tape *t, const glim_node *in) {
    return glim__op_scale(t, picked(t, in[0]), 3);
}
static glim_node build_attention_picked(glim_tape *t, const glim_node *in) {
    glim_node some[3] = {picked(t, in[0]), in[1], in[2]};
    return attention_with(t, some, 5, 2.0f);
}
static glim_node build_layer_norm(glim_tape *t, const glim_node *in) {
    return glim__op_layer_norm(t, in[0], norm, bias, 1e-5f);
}
static glim_node build_layer_norm_plain(glim_tape *t, const glim_node *in) {
    return glim__op_layer_norm(t, in[0], norm, NULL, 1e-5f);
}
static glim_node build_act_gelu_tanh(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, in[0], GLIM_ACT_GELU_TANH);
}
static glim_node build_act_gelu_erf(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, in[0], GLIM_ACT_GELU_ERF);
}
/* Five experts of width 3 over rows of 7, two for a row. */
static glim_node experts_with(glim_tape *t, const glim_node *in, bool sigmoid, bool normalise) {
    enum { E = 5, F = 3, C = 7 };
    static glim_matrix gate[E], up[E], down[E];
    static glim_experts how;
    static const float choice[E] = {0, 0.45f, -0.4f, 0.15f, 0.25f};
    for (int e = 0; e < E; e++) {
        const float *w = weights + 3 * e * F * C;
        gate[e] = (glim_matrix){w, GLIM_TYPE_F32, F, C, .row_bytes = 4 * C};
        up[e] = (glim_matrix){w + F * C, GLIM_TYPE_F32, F, C, .row_bytes = 4 * C};
        down[e] = (glim_matrix){w + 2 * F * C, GLIM_TYPE_F32, C, F, .row_bytes = 4 * F};
    }
    how = (glim_experts){.gate = gate,
                         .up = up,
                         .down = down,
                         .count = E,
                         .used = 2,
                         .sigmoid = sigmoid,
                         .normalise = normalise,
                         .scale = 1.5f,
                         .choice_bias = sigmoid ? choice : NULL,
                         .act = GLIM_ACT_SILU};
    return glim__op_experts(t, in[0], in[1], &how);
}
static glim_node build_experts_softmax(glim_tape *t, const glim_node *in) {
    return experts_with(t, in, false, true);
}
static glim_node build_experts_plain(glim_tape *t, const glim_node *in) {
    return experts_with(t, in, false, false);
}
static glim_node build_experts_sigmoid(glim_tape *t, const glim_node *in) {
    return experts_with(t, in, true, true);
}
static glim_node build_experts_raw_sigmoid(glim_tape *t, const glim_node *in) {
    return experts_with(t, in, true, false);
}
static glim_node build_silu(glim_tape *t, const glim_node *in) {
    return glim__op_gate(t, in[0], in[1], GLIM_ACT_SILU);
}
static glim_node build_gelu_tanh(glim_tape *t, const glim_node *in) {
    return glim__op_gate(t, in[0], in[1], GLIM_ACT_GELU_TANH);
}
static glim_node build_gelu_erf(glim_tape *t, const glim_node *in) {
    return glim__op_gate(t, in[0], in[1], GLIM_ACT_GELU_ERF);
}
static glim_node build_soft_cap(glim_tape *t, const glim_node *in) {
    return glim__op_soft_cap(t, in[0], 1.5f);
}

/* An image of 7 x 6 pixels; the map behind a kernel. */
static glim_node conv_with(glim_tape *t, glim_node x, glim_conv *c) {
    static glim_rows_part part;
    static glim_rows rows;
    glim__conv_shape(c, 7, 6, true);
    part = (glim_rows_part){.count = (int64_t)c->out_h * c->out_w};
    rows = (glim_rows){part.count, NULL, &part, 1};
    c->w = weights;
    c->scale = norm;
    c->shift = bias;
    return glim__op_conv(t, x, c, &rows);
}
static glim_node build_conv_point(glim_tape *t, const glim_node *in) {
    static glim_conv c;
    c = (glim_conv){
        .kernel = 1, .stride = 1, .in_c = 5, .out_c = 9, .low = -INFINITY, .high = INFINITY};
    return conv_with(t, in[0], &c);
}
static glim_node build_conv_dense(glim_tape *t, const glim_node *in) {
    static glim_conv c;
    c = (glim_conv){.kernel = 3,
                    .stride = 2,
                    .in_c = 3,
                    .out_c = 17,
                    .in_first = true,
                    .low = -INFINITY,
                    .high = INFINITY};
    return conv_with(t, in[0], &c);
}
static glim_node build_conv_depthwise(glim_tape *t, const glim_node *in) {
    static glim_conv c;
    c = (glim_conv){.kernel = 5,
                    .stride = 2,
                    .in_c = 19,
                    .out_c = 19,
                    .depthwise = true,
                    .low = -INFINITY,
                    .high = INFINITY};
    return conv_with(t, in[0], &c);
}
/* Bounds between values that the differences do not cross. */
static glim_node build_conv_bounded(glim_tape *t, const glim_node *in) {
    static glim_conv c;
    c = (glim_conv){.kernel = 3,
                    .stride = 1,
                    .in_c = 5,
                    .out_c = 5,
                    .depthwise = true,
                    .low = -0.6f,
                    .high = 0.9f};
    return conv_with(t, in[0], &c);
}

static const uint8_t hidden[16] = {0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0};

static const struct op_case cases[] = {
    {"input", "through", 3, {5}, 0, NULL, 1, build_input},
    {"linear", "with bias", 5, {7}, 0, NULL, 1, build_linear},
    {"linear", "few rows", 3, {7}, 0, NULL, 1, build_linear_few},
    {"add", "two", 5, {7, 7}, 0, NULL, 1, build_add},
    {"add", "itself", 5, {7}, 0, NULL, 1, build_add_self},
    {"scale", "negative", 5, {7}, 0, NULL, 1, build_scale},
    {"shift", "", 5, {7}, 0, NULL, 1, build_shift},
    {"rms-norm", "row", 5, {7}, 0, NULL, 1, build_norm},
    {"rms-norm", "large", 5, {7}, 0, NULL, 30, build_norm},
    {"rms-norm", "heads", 5, {9}, 0, NULL, 1, build_head_norm},
    {"rope", "halves", 5, {12}, 0, NULL, 1, build_rope},
    {"rope", "interleaved", 5, {12}, 3, NULL, 1, build_rope_interleaved},
    {"rope", "partial", 5, {12}, 0, NULL, 1, build_rope_partial},
    {"attention", "causal", 7, {24, 12, 12}, 0, NULL, 1, build_attention},
    {"attention", "one row", 1, {24, 12, 12}, 0, NULL, 1, build_attention},
    {"attention", "prefix", 5, {24, 12, 12}, 4, NULL, 1, build_attention},
    {"attention", "hidden", 7, {24, 12, 12}, 4, hidden, 1, build_attention},
    {"attention", "window", 9, {24, 12, 12}, 2, NULL, 1, build_attention_window},
    {"attention", "cap", 7, {24, 12, 12}, 0, NULL, 1, build_attention_cap},
    {"attention", "both ways", 9, {24, 12, 12}, 0, NULL, 1, build_attention_both},
    {"attention", "both ways, hidden", 7, {24, 12, 12}, 0, hidden, 1, build_attention_both},
    {"attention", "both ways, blocks", 101, {24, 12, 12}, 0, NULL, 1, build_attention_both},
    {"attention", "bias", 7, {24, 12, 12}, 4, NULL, 1, build_attention_bias},
    {"attention", "bias both ways", 9, {24, 12, 12}, 0, NULL, 1, build_attention_bias_both},
    {"attention", "across", 3, {24, 12, 12}, 0, NULL, 1, build_attention_across, 8},
    {"attention", "across, blocks", 53, {24, 12, 12}, 0, NULL, 1, build_attention_across, 101},
    {"attention", "across to few", 9, {24, 12, 12}, 0, NULL, 1, build_attention_across, 1},
    {"attention", "across, hidden", 5, {24, 12, 12}, 6, hidden, 1, build_attention_across, 12},
    {"attention", "blocks", 53, {24, 12, 12}, 0, NULL, 1, build_attention_window},
    {"attention", "picked", 53, {24, 12, 12}, 0, NULL, 1, build_attention_picked},
    {"attention", "picked behind a prefix", 7, {24, 12, 12}, 4, hidden, 1, build_attention_picked},
    {"conv", "1x1", 42, {5}, 0, NULL, 1, build_conv_point},
    {"conv", "3x3, steps of two", 42, {3}, 0, NULL, 1, build_conv_dense},
    {"conv", "depthwise 5x5, steps of two", 42, {19}, 0, NULL, 1, build_conv_depthwise},
    {"conv", "bounds", 42, {5}, 0, NULL, 1, build_conv_bounded},
    {"mean", "", 5, {7}, 0, NULL, 1, build_mean},
    {"unit", "", 5, {7}, 0, NULL, 1, build_unit},
    {"pick", "", 5, {7}, 0, NULL, 1, build_pick},
    {"gate", "silu", 5, {7, 7}, 0, NULL, 1, build_silu},
    {"gate", "gelu tanh", 5, {7, 7}, 0, NULL, 1, build_gelu_tanh},
    {"gate", "gelu erf", 5, {7, 7}, 0, NULL, 1, build_gelu_erf},
    {"layer-norm", "with bias", 5, {7}, 0, NULL, 1, build_layer_norm},
    {"layer-norm", "large", 5, {7}, 0, NULL, 30, build_layer_norm_plain},
    {"act", "gelu tanh", 5, {7}, 0, NULL, 1, build_act_gelu_tanh},
    {"act", "gelu erf", 3, {700}, 0, NULL, 1, build_act_gelu_erf},
    {"experts", "softmax", 9, {7, 5}, 0, NULL, 1, build_experts_softmax},
    {"experts", "softmax as it is", 9, {7, 5}, 0, NULL, 1, build_experts_plain},
    {"experts", "sigmoid", 9, {7, 5}, 0, NULL, 1, build_experts_sigmoid},
    {"experts", "sigmoid as it is", 9, {7, 5}, 0, NULL, 1, build_experts_raw_sigmoid},
    {"soft-cap", "", 5, {7}, 0, NULL, 1, build_soft_cap},
};
enum { CASES = sizeof cases / sizeof *cases };

struct run {
    glim_workspace space;
    glim_tape tape;
    glim_rows rows, others; /* others: of a text that is read across */
    glim_rows_part part, other;
    int32_t position[128];
    glim_node in[3], out;
    float *x[3];
};

static void fill(float *x, size_t n, uint64_t stream, float spread) {
    for (size_t i = 0; i < n; i++)
        x[i] = spread * (float)glim__rng_normal(7, stream, i);
}

static void open_run(struct run *r, const struct op_case *c) {
    memset(r, 0, sizeof *r);
    glim__workspace_init(&r->space, ctx);
    r->part = (glim_rows_part){0, c->T, c->prefix, c->hidden};
    for (int i = 0; i < c->T; i++)
        r->position[i] = (int32_t)(c->prefix + i);
    r->rows = (glim_rows){c->T, r->position, &r->part, 1};
    r->other = (glim_rows_part){0, c->S, 0, c->hidden};
    r->others = (glim_rows){c->S, r->position, &r->other, 1};
    for (int i = 0; i < 3 && c->cols[i]; i++) {
        size_t n = (size_t)(rows_of(c, i) * c->cols[i]);
        r->x[i] = calloc(n + 16, sizeof(float));
        fill(r->x[i], n, (uint64_t)i + 10, c->spread);
    }
}

static void forward(struct run *r, const struct op_case *c) {
    glim_error err = {0};
    glim__tape_begin(&r->tape, ctx, &r->space, &r->rows);
    r->tape.keep = true;
    for (int i = 0; i < 3 && c->cols[i]; i++)
        r->in[i] = i && c->S ? glim__op_input_of(&r->tape, r->x[i], c->cols[i], &r->others)
                             : glim__op_input(&r->tape, r->x[i], c->cols[i]);
    r->out = c->build(&r->tape, r->in);
    if (glim__tape_forward(&r->tape, &err))
        fail_msg("%s: %s", c->op, err.message);
}

static double weighted(struct run *r, const float *c) {
    const glim_tape_node *n = &r->tape.nodes[r->out];
    double sum = 0;
    for (int64_t i = 0; i < n->rows->T * n->cols; i++)
        sum += (double)c[i] * n->data[i];
    return sum;
}

static void close_run(struct run *r) {
    glim__tape_release(&r->tape);
    glim__workspace_release(&r->space);
    for (int i = 0; i < 3; i++)
        free(r->x[i]);
}

static void check_input(const struct op_case *c, int input) {
    struct run r;
    glim_error err = {0};
    open_run(&r, c);
    forward(&r, c);
    size_t n = (size_t)(rows_of(c, input) * c->cols[input]);
    size_t outs = (size_t)(c->T * r.tape.nodes[r.out].cols);
    float *seed = calloc(outs + 16, sizeof *seed), *d = calloc(n + 16, sizeof *d);
    for (size_t i = 0; i < outs; i++)
        seed[i] = (float)(2 * glim__rng_uniform(9, 1, i) - 1);
    assert_int_equal(glim__tape_backward(&r.tape, r.out, seed, r.in[input], d, NULL, &err),
                     GLIM_OK);
    for (size_t i = 0; i<n; i += n> 200 ? 7 : 1) {
        float was = r.x[input][i], h = 2e-3f * fmaxf(1, fabsf(was));
        r.x[input][i] = was + h;
        forward(&r, c);
        double up = weighted(&r, seed);
        r.x[input][i] = was - h;
        forward(&r, c);
        double down = weighted(&r, seed);
        r.x[input][i] = was;
        double numeric = (up - down) / (2.0 * h);
        if (fabs(numeric - d[i]) > 1e-2 * fabs(numeric) + 2e-3)
            fail_msg("%s (%s), input %d, element %zu: %g by differences, %g by backward", c->op,
                     c->what, input, i, numeric, d[i]);
    }
    free(seed);
    free(d);
    close_run(&r);
}

static void every_op_agrees_with_differences(void **state) {
    for (int i = 0; i < CASES; i++)
        for (int input = 0; input < 3 && cases[i].cols[input]; input++)
            check_input(&cases[i], input);
}

static void every_op_of_the_table_has_a_case(void **state) {
    for (const glim_op *const *op = glim__ops(); *op; op++) {
        bool found = false;
        for (int i = 0; i < CASES; i++)
            found = found || !strcmp(cases[i].op, (*op)->name);
        if (!found)
            fail_msg("op '%s' has no case", (*op)->name);
    }
}

/* <R x, y> = <x, R^T y> for the rotation, to rounding. */
static void rope_backward_is_the_transpose(void **state) {
    struct run r;
    const struct op_case *c = NULL;
    for (int i = 0; i < CASES; i++)
        if (cases[i].build == build_rope)
            c = &cases[i];
    open_run(&r, c);
    forward(&r, c);
    float y[64], d[64] = {0};
    fill(y, 60, 3, 1);
    glim_error err;
    assert_int_equal(glim__tape_backward(&r.tape, r.out, y, r.in[0], d, NULL, &err), GLIM_OK);
    double left = weighted(&r, y), right = 0;
    for (int i = 0; i < 60; i++)
        right += (double)r.x[0][i] * d[i];
    assert_true(fabs(left - right) < 1e-5 * fabs(left) + 1e-6);
    close_run(&r);
}

static void a_failed_node_makes_the_run_fail(void **state) {
    struct run r;
    glim_error err = {0};
    open_run(&r, &cases[1]);
    glim__tape_begin(&r.tape, ctx, &r.space, &r.rows);
    glim_node x = glim__op_input(&r.tape, r.x[0], 3); /* W has 7 columns */
    glim_node y = glim__op_add(&r.tape, x, glim__op_linear(&r.tape, x, &matrix, NULL));
    assert_int_equal(y, 0);
    assert_int_equal(glim__tape_forward(&r.tape, &err), GLIM_EINTERNAL);
    close_run(&r);
}

static void patterns_match_names(void **state) {
    assert_true(glim__site_match("blocks.*.hook_resid_post", "blocks.12.hook_resid_post"));
    assert_true(glim__site_match("*", "hook_embed"));
    assert_true(glim__site_match("*hook_z", "blocks.0.attn.hook_z"));
    assert_false(glim__site_match("blocks.*.hook_resid_pos", "blocks.1.hook_resid_post"));
    assert_false(glim__site_match("blocks.1.*", "blocks.11.hook_resid_post"));
    assert_true(glim__site_match("a*b*c", "aXbYbZc"));
}

static void frozen_norm_keeps_the_divisor(void **state) {
    struct run r;
    const struct op_case *c = cases;
    while (c->build != build_norm)
        c++;
    glim_error err;
    open_run(&r, c);
    forward(&r, c);
    float seed[35], d[35] = {0};
    fill(seed, 35, 4, 1);
    assert_int_equal(
        glim__tape_backward(&r.tape, r.out, seed, r.in[0], d, glim_rules_find("frozen-norm"), &err),
        GLIM_OK);
    for (int i = 0; i < 35; i++) {
        float *x = r.x[0] + i / 7 * 7;
        double sum = 0;
        for (int k = 0; k < 7; k++)
            sum += (double)x[k] * x[k];
        double want = seed[i] * norm[i % 7] / sqrt(sum / 7 + 1e-5);
        assert_true(fabs(want - d[i]) < 1e-5 * fabs(want) + 1e-6);
    }
    close_run(&r);
}

static void frozen_pattern_gives_queries_no_gradient(void **state) {
    struct run r;
    const struct op_case *c = NULL;
    for (int i = 0; i < CASES; i++)
        if (cases[i].build == build_attention && !c)
            c = &cases[i];
    glim_error err;
    open_run(&r, c);
    forward(&r, c);
    float *seed = calloc(7 * 24 + 16, sizeof *seed), *d = calloc(7 * 24 + 16, sizeof *d);
    fill(seed, 7 * 24, 4, 1);
    assert_int_equal(glim__tape_backward(&r.tape, r.out, seed, r.in[0], d,
                                         glim_rules_find("frozen-pattern"), &err),
                     GLIM_OK);
    for (int i = 0; i < 7 * 24; i++)
        assert_true(d[i] == 0);
    free(seed);
    free(d);
    close_run(&r);
}

static int set_up(void **state) {
    glim_error err;
    glim_context_options options = {.threads = 2};
    if (glim_context_new(&ctx, &options, &err))
        return 1;
    fill(weights, MOST, 1, 0.5f);
    fill(bias, 64, 2, 1);
    fill(norm, 64, 3, 1);
    fill(bias_table, sizeof bias_table / sizeof *bias_table, 8, 2);
    fill(cached[0], 64 * 12, 5, 1);
    fill(cached[1], 64 * 12, 6, 1);
    glim_rope_recipe whole = {.width = 6, .base = 100, .magnitude = 1};
    glim_rope_recipe pairs = {.width = 6, .interleaved = true, .base = 100, .magnitude = 1.3};
    glim_rope_recipe part = {.width = 4, .base = 100, .magnitude = 1};
    return glim__rope_init(&rope_tables[0], ctx, &whole, 16, &err) ||
           glim__rope_init(&rope_tables[1], ctx, &pairs, 16, &err) ||
           glim__rope_init(&rope_tables[2], ctx, &part, 16, &err);
}

static int tear_down(void **state) {
    for (int i = 0; i < 3; i++)
        glim__rope_release(&rope_tables[i], ctx);
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_of_the_table_has_a_case),
        cmocka_unit_test(every_op_agrees_with_differences),
        cmocka_unit_test(rope_backward_is_the_transpose),
        cmocka_unit_test(a_failed_node_makes_the_run_fail),
        cmocka_unit_test(patterns_match_names),
        cmocka_unit_test(frozen_norm_keeps_the_divisor),
        cmocka_unit_test(frozen_pattern_gives_queries_no_gradient),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
