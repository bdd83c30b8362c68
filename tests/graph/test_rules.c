/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule sets op by op: what arrives at the inputs against the formula, and for relevance
 * that an op gives its inputs as much as its output has.
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

enum { T = 5, MOST = 4096 };

typedef glim_node build_fn(glim_tape *t, const glim_node *in);

static glim_context *ctx;
static float weights[MOST], ones[64], zeros[64];

/* One op on T rows, and what each of its inputs gets by a rule set. */
struct walked {
    float *x[3], *d[3], *y, *dy;
    size_t n[3], outs;
    uint64_t kept;
};

static void fill(float *x, size_t n, uint64_t stream) {
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * (float)glim__rng_normal(3, stream, i);
}

static void walk_input(struct walked *w, build_fn *build, const int64_t *cols, int input,
                       const char *rules) {
    static glim_tape t;
    glim_workspace space;
    glim_error err = {0};
    glim_node in[3] = {0};
    int32_t position[T * 16];
    int64_t rows = T;
    for (int32_t i = 0; i < T * 16; i++)
        position[i] = i;
    glim_rows_part part = {0, rows, 0, NULL};
    glim_rows all = {rows, position, &part, 1};
    glim__workspace_init(&space, ctx);
    glim__tape_begin(&t, ctx, &space, &all);
    t.keep = true;
    t.rules = rules ? glim_rules_find(rules) : NULL;
    for (int i = 0; i < 3 && cols[i]; i++)
        in[i] = glim__op_input(&t, w->x[i], cols[i]);
    glim_node out = build(&t, in);
    if (glim__tape_forward(&t, &err))
        fail_msg("%s", err.message);
    const glim_tape_node *n = &t.nodes[out];
    w->outs = (size_t)(n->rows->T * n->cols);
    w->y = realloc(w->y, w->outs * sizeof *w->y);
    w->dy = realloc(w->dy, w->outs * sizeof *w->dy);
    memcpy(w->y, n->data, w->outs * sizeof *w->y);
    for (size_t i = 0; i < w->outs; i++)
        w->dy[i] = (float)glim__rng_normal(4, 1, i);
    if (glim__tape_backward(&t, out, w->dy, in[input], w->d[input], t.rules, &err))
        fail_msg("%s", err.message);
    glim__tape_release(&t);
    glim__workspace_release(&space);
}

static struct walked walk(build_fn *build, int64_t a, int64_t b, int64_t c, const char *rules) {
    struct walked w = {0};
    int64_t cols[3] = {a, b, c};
    for (int i = 0; i < 3 && cols[i]; i++) {
        w.n[i] = (size_t)(T * cols[i]);
        w.x[i] = calloc(w.n[i] + 16, sizeof(float));
        w.d[i] = calloc(w.n[i] + 16, sizeof(float));
        fill(w.x[i], w.n[i], (uint64_t)i + 20);
    }
    for (int i = 0; i < 3 && cols[i]; i++)
        walk_input(&w, build, cols, i, rules);
    return w;
}

static void drop(struct walked *w) {
    for (int i = 0; i < 3; i++) {
        free(w->x[i]);
        free(w->d[i]);
    }
    free(w->y);
    free(w->dy);
}

static double product(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static void check(const char *what, size_t i, double have, double want) {
    if (!(fabs(have - want) <= 2e-5 * fabs(want) + 2e-6))
        fail_msg("%s, element %zu: %g, by the formula %g", what, i, have, want);
}

static void check_conserves(const char *what, const struct walked *w) {
    double in = 0, out = product(w->y, w->dy, w->outs);
    for (int i = 0; i < 3 && w->x[i]; i++)
        in += product(w->x[i], w->d[i], w->n[i]);
    check(what, 0, in, out);
}

/* ---- activations ---- */

static glim_node build_silu(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, in[0], GLIM_ACT_SILU);
}
static glim_node build_gelu_tanh(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, in[0], GLIM_ACT_GELU_TANH);
}
static glim_node build_gelu_erf(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, in[0], GLIM_ACT_GELU_ERF);
}
static glim_node build_relu(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, in[0], GLIM_ACT_RELU);
}
static build_fn *const acts[] = {build_silu, build_gelu_tanh, build_gelu_erf, build_relu};

/* act(x) / x in closed form. */
static double share(int act, double x) {
    double c = sqrt(2 / acos(-1.0));
    return act == 0   ? 1 / (1 + exp(-x))
           : act == 1 ? 0.5 * (1 + tanh(c * (x + 0.044715 * x * x * x)))
           : act == 2 ? 0.5 * (1 + erf(x / sqrt(2)))
                      : x > 0;
}

static double slope(int act, double x) {
    double h = 1e-6;
    return ((x + h) * share(act, x + h) - (x - h) * share(act, x - h)) / (2 * h);
}

static void an_activation_passes_its_share(void **state) {
    static const char *const sets[] = {"attnlrp", "cp-lrp"};
    for (int a = 0; a < 4; a++)
        for (int k = 0; k < 2; k++) {
            struct walked w = walk(acts[a], 301, 0, 0, sets[k]);
            for (size_t i = 0; i < w.n[0]; i++)
                check("act", i, w.d[0][i], w.dy[i] * share(a, (double)w.x[0][i]));
            check_conserves("act", &w);
            drop(&w);
        }
}

static glim_node build_nothing(glim_tape *t, const glim_node *in) {
    return glim__op_act(t, glim__op_scale(t, in[0], 0), GLIM_ACT_SILU);
}

static void an_activation_at_zero_has_its_limit(void **state) {
    struct walked w = walk(build_nothing, 7, 0, 0, "attnlrp");
    for (size_t i = 0; i < w.n[0]; i++)
        assert_true(w.d[0][i] == 0 && isfinite(w.d[0][i]));
    drop(&w);
}

static void guided_and_deconvnet_pass_what_is_positive(void **state) {
    for (int a = 0; a < 4; a++) {
        struct walked g = walk(acts[a], 301, 0, 0, "guided");
        struct walked d = walk(acts[a], 301, 0, 0, "deconvnet");
        for (size_t i = 0; i < g.n[0]; i++) {
            double x = g.x[0][i], dy = g.dy[i];
            if (fabs(g.d[0][i] - (dy > 0 && x > 0 ? dy * slope(a, x) : 0)) > 1e-4)
                fail_msg("guided %d: %g at %g, %g", a, (double)g.d[0][i], x, dy);
            check("deconvnet", i, d.d[0][i], dy > 0 ? dy : 0);
        }
        drop(&g);
        drop(&d);
    }
}

static glim_node build_gate(glim_tape *t, const glim_node *in) {
    return glim__op_gate(t, in[0], in[1], GLIM_ACT_SILU);
}

static void a_gated_product_is_shared_by_both_sides(void **state) {
    struct walked w = walk(build_gate, 301, 301, 0, "attnlrp");
    for (size_t i = 0; i < w.n[0]; i++) {
        double a = w.x[0][i], b = w.x[1][i], dy = w.dy[i], s = share(0, a);
        check("gate", i, w.d[0][i], dy * b * s / 2);
        check("up", i, w.d[1][i], dy * a * s / 2);
    }
    check_conserves("gate", &w);
    drop(&w);
    w = walk(build_gate, 301, 301, 0, "guided");
    for (size_t i = 0; i < w.n[0]; i++) {
        double a = w.x[0][i], b = w.x[1][i], dy = w.dy[i];
        check("up", i, w.d[1][i], dy * a * share(0, a));
        if (fabs(w.d[0][i] - (dy * b > 0 && a > 0 ? dy * b * slope(0, a) : 0)) > 1e-4)
            fail_msg("gate by guided, element %zu", i);
    }
    drop(&w);
}

/* ---- caps, norms ---- */

static glim_node build_cap(glim_tape *t, const glim_node *in) {
    return glim__op_soft_cap(t, glim__op_scale(t, in[0], 1), 1.5f);
}
static glim_node build_unit(glim_tape *t, const glim_node *in) {
    return glim__op_unit(t, in[0]);
}
static glim_node build_rms(glim_tape *t, const glim_node *in) {
    return glim__op_rms_norm(t, in[0], weights, 1e-5f, 3);
}
static glim_node build_layer(glim_tape *t, const glim_node *in) {
    return glim__op_layer_norm(t, in[0], weights, NULL, 1e-5f);
}

static void caps_and_norms_conserve(void **state) {
    build_fn *const builds[] = {build_cap, build_unit, build_rms, build_layer};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) {
            struct walked w = walk(builds[i], 21, 0, 0, k ? "cp-lrp" : "attnlrp");
            check_conserves("cap or norm", &w);
            drop(&w);
        }
    struct walked w = walk(build_cap, 21, 0, 0, "attnlrp");
    for (size_t i = 0; i < w.n[0]; i++)
        check("cap", i, w.d[0][i], w.dy[i] * 1.5 * tanh(w.x[0][i] / 1.5) / w.x[0][i]);
    drop(&w);
}

/* ---- attention ---- */

static glim_node attention_with(glim_tape *t, const glim_node *in, float cap) {
    glim_attention how = {
        .heads = 4, .kv_heads = 2, .head_width = 6, .scale = 0.4f, .soft_cap = cap};
    return glim__op_attention(t, in[0], in[1], in[2], &how);
}
static glim_node build_attention(glim_tape *t, const glim_node *in) {
    return attention_with(t, in, 0);
}
static glim_node build_capped(glim_tape *t, const glim_node *in) {
    return attention_with(t, in, 1.5f);
}

static void attention_gives_a_half_to_values_and_a_quarter_to_queries_and_keys(void **state) {
    struct walked plain = walk(build_attention, 24, 12, 12, NULL);
    struct walked w = walk(build_attention, 24, 12, 12, "attnlrp");
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < w.n[i]; k++)
            check("attention", k, w.d[i][k], plain.d[i][k] * (i == 2 ? 0.5 : 0.25));
    drop(&plain);
    drop(&w);
}

static void a_constant_pattern_leaves_all_to_values(void **state) {
    struct walked plain = walk(build_attention, 24, 12, 12, NULL);
    struct walked w = walk(build_attention, 24, 12, 12, "cp-lrp");
    for (size_t k = 0; k < w.n[2]; k++)
        check("values", k, w.d[2][k], plain.d[2][k]);
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < w.n[i]; k++)
            assert_true(w.d[i][k] == 0);
    check_conserves("attention", &w);
    drop(&plain);
    drop(&w);
}

/* dq of a capped score by plain loops, in double. */
static double capped_dq(const struct walked *w, int row, int h, int d) {
    double s[T], share_of[T], p[T], dp[T], sum = 0, mean = 0, dq = 0;
    const float *q = w->x[0] + row * 24 + h * 6, *dz = w->dy + row * 24 + h * 6;
    int g = h / 2;
    for (int j = 0; j <= row; j++) {
        double raw = 0.4 * product(q, w->x[1] + j * 12 + g * 6, 6);
        s[j] = 1.5 * tanh(raw / 1.5);
        share_of[j] = s[j] / raw;
        dp[j] = product(dz, w->x[2] + j * 12 + g * 6, 6) / 2;
        sum += p[j] = exp(s[j]);
    }
    for (int j = 0; j <= row; j++) {
        p[j] /= sum;
        mean += p[j] * dp[j];
    }
    for (int j = 0; j <= row; j++)
        dq += p[j] * (dp[j] - mean) * share_of[j] * 0.4 / 2 * w->x[1][j * 12 + g * 6 + d];
    return dq;
}

static void a_cap_within_attention_passes_its_share(void **state) {
    struct walked w = walk(build_capped, 24, 12, 12, "attnlrp");
    for (int row = 0; row < T; row++)
        for (int i = 0; i < 24; i++) {
            double want = capped_dq(&w, row, i / 6, i % 6);
            if (fabs(w.d[0][row * 24 + i] - want) > 1e-4 * fabs(want) + 1e-5)
                fail_msg("row %d, %d: %g, by the formula %g", row, i, w.d[0][row * 24 + i], want);
        }
    drop(&w);
}

/* ---- experts ---- */

static glim_node build_experts(glim_tape *t, const glim_node *in) {
    enum { E = 5, F = 3, C = 7 };
    static glim_matrix gate[E], up[E], down[E];
    static glim_experts how;
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
                         .normalise = true,
                         .scale = 1.5f,
                         .act = GLIM_ACT_SILU};
    return glim__op_experts(t, in[0], in[1], &how);
}

static void a_router_is_constant_and_experts_conserve(void **state) {
    struct walked w = walk(build_experts, 7, 5, 0, "attnlrp");
    for (size_t i = 0; i < w.n[1]; i++)
        assert_true(w.d[1][i] == 0);
    check_conserves("experts", &w);
    drop(&w);
    struct walked plain = walk(build_experts, 7, 5, 0, NULL);
    w = walk(build_experts, 7, 5, 0, "guided");
    double routed = 0;
    for (size_t i = 0; i < w.n[1]; i++) {
        check("router", i, w.d[1][i], plain.d[1][i]);
        routed += fabs((double)w.d[1][i]);
    }
    assert_true(routed > 0 && memcmp(w.d[0], plain.d[0], w.n[0] * sizeof(float)) != 0);
    drop(&plain);
    drop(&w);
}

/* ---- convolution with bounds ---- */

/* One point: y = clamp(x . w), each row a pixel. */
static glim_node conv_of(glim_tape *t, glim_node x, float low, float high) {
    static glim_conv c;
    static glim_rows rows;
    static glim_rows_part part;
    c = (glim_conv){.kernel = 1, .stride = 1, .in_c = 5, .out_c = 9, .low = low, .high = high};
    glim__conv_shape(&c, T, 1, true);
    c.w = weights;
    c.scale = ones;
    c.shift = zeros;
    part = (glim_rows_part){.count = T};
    rows = (glim_rows){T, NULL, &part, 1};
    return glim__op_conv(t, x, &c, &rows);
}
static glim_node build_relu6(glim_tape *t, const glim_node *in) {
    return conv_of(t, in[0], 0, 6);
}
static glim_node build_open(glim_tape *t, const glim_node *in) {
    return conv_of(t, in[0], -INFINITY, INFINITY);
}

/* factor(z, dy) of what passes the bounds. */
static double relu6_lrp(double z, double dy) {
    return z <= 0 ? 0 : z < 6 ? dy : dy * 6 / z;
}
static double relu6_guided(double z, double dy) {
    return z > 0 && z < 6 && dy > 0 ? dy : 0;
}
static double relu6_deconvnet(double z, double dy) {
    return z < 6 && dy > 0 ? dy : 0;
}

static void bounds_of_convolutions_follow_their_rule(void **state) {
    static const struct {
        const char *set;
        double (*passes)(double z, double dy);
    } cases[] = {{"attnlrp", relu6_lrp},
                 {"cp-lrp", relu6_lrp},
                 {"guided", relu6_guided},
                 {"deconvnet", relu6_deconvnet}};
    struct walked open = walk(build_open, 5, 0, 0, NULL);
    for (int k = 0; k < 4; k++) {
        struct walked w = walk(build_relu6, 5, 0, 0, cases[k].set);
        int cut = 0;
        for (size_t r = 0; r < T; r++)
            for (size_t i = 0; i < 5; i++) {
                double want = 0;
                for (size_t o = 0; o < 9; o++) {
                    double z = open.y[r * 9 + o];
                    cut += z > 6;
                    want += weights[o * 5 + i] * cases[k].passes(z, w.dy[r * 9 + o]);
                }
                if (fabs(w.d[0][r * 5 + i] - want) > 1e-4 * fabs(want) + 1e-5)
                    fail_msg("%s: %g, by the formula %g", cases[k].set, w.d[0][r * 5 + i], want);
            }
        assert_true(cut > 0);
        if (k < 2)
            check_conserves("convolution", &w);
        drop(&w);
    }
    struct walked bare = walk(build_open, 5, 0, 0, "guided");
    for (size_t i = 0; i < open.n[0]; i++)
        assert_true(bare.d[0][i] == open.d[0][i]);
    drop(&bare);
    drop(&open);
}

/* ---- the sets ---- */

static void what_a_set_does_not_name_is_walked_as_always(void **state) {
    struct walked plain = walk(build_attention, 24, 12, 12, NULL);
    struct walked w = walk(build_attention, 24, 12, 12, "guided");
    for (int i = 0; i < 3; i++)
        assert_memory_equal(plain.d[i], w.d[i], w.n[i] * sizeof(float));
    drop(&plain);
    drop(&w);
    assert_null(glim_rules_find("no-such-set"));
}

/* A cap's rule reads its input, which its slope does not: the plan says so. */
static void a_rule_that_reads_more_is_planned(void **state) {
    static glim_tape t;
    uint64_t kept[2], working;
    glim_rows_part part = {0, T, 0, NULL};
    glim_rows rows = {T, NULL, &part, 1};
    for (int k = 0; k < 2; k++) {
        glim__tape_begin(&t, ctx, NULL, &rows);
        t.rules = k ? glim_rules_find("attnlrp") : NULL;
        glim_node in[3] = {glim__op_input(&t, NULL, 8)};
        build_cap(&t, in);
        glim__tape_plan(&t, true, &kept[k], &working);
        t.count = 0;
    }
    assert_int_equal(kept[1] - kept[0], T * 8 * sizeof(float));
}

static int set_up(void **state) {
    glim_error err;
    glim_context_options options = {.threads = 2};
    for (size_t i = 0; i < MOST; i++)
        weights[i] = (float)glim__rng_normal(1, 1, i);
    for (int i = 0; i < 64; i++)
        ones[i] = 1;
    return glim_context_new(&ctx, &options, &err) != GLIM_OK;
}

static int tear_down(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_activation_passes_its_share),
        cmocka_unit_test(an_activation_at_zero_has_its_limit),
        cmocka_unit_test(guided_and_deconvnet_pass_what_is_positive),
        cmocka_unit_test(a_gated_product_is_shared_by_both_sides),
        cmocka_unit_test(caps_and_norms_conserve),
        cmocka_unit_test(attention_gives_a_half_to_values_and_a_quarter_to_queries_and_keys),
        cmocka_unit_test(a_constant_pattern_leaves_all_to_values),
        cmocka_unit_test(a_cap_within_attention_passes_its_share),
        cmocka_unit_test(a_router_is_constant_and_experts_conserve),
        cmocka_unit_test(bounds_of_convolutions_follow_their_rule),
        cmocka_unit_test(what_a_set_does_not_name_is_walked_as_always),
        cmocka_unit_test(a_rule_that_reads_more_is_planned),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
