/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotary position embedding (Su et al. 2021). Pairs (a, b) of each head turn by
 * the angle pos * theta_i, theta_i = base^(-2i/R) / f_i:
 *
 *   y_a = x_a cos - x_b sin      dx_a +=  dy_a cos + dy_b sin
 *   y_b = x_b cos + x_a sin      dx_b += -dy_a sin + dy_b cos
 *
 * Halves: (a, b) = (i, i + R/2); interleaved: (2i, 2i + 1). Dimensions from R on
 * pass through. Frequencies and angles are float32, as the reference
 * implementations (transformers) compute them; tables are made once a model.
 */
#include "graph/ops.h"

#include <math.h>

glim_status glim__rope_init(glim_rope *rope, glim_context *ctx, const glim_rope_recipe *recipe,
                            int positions, glim_error *err) {
    size_t half = (size_t)recipe->width / 2, n = half * (size_t)positions;
    *rope = (glim_rope){
        .width = recipe->width, .interleaved = recipe->interleaved, .positions = positions};
    rope->cos = glim__calloc(ctx, n, sizeof(float));
    rope->sin = glim__calloc(ctx, n, sizeof(float));
    if (!rope->cos || !rope->sin) {
        glim__rope_release(rope, ctx);
        return glim__oom(ctx, err, "position tables", 8 * (uint64_t)n);
    }
    float magnitude = (float)recipe->magnitude;
    for (size_t i = 0; i < half; i++) {
        float theta = 1.0f / powf((float)recipe->base, (float)(2 * i) / (float)recipe->width);
        if (recipe->factors)
            theta /= recipe->factors[i];
        for (int p = 0; p < positions; p++) {
            float angle = (float)p * theta;
            rope->cos[(size_t)p * half + i] = magnitude * cosf(angle);
            rope->sin[(size_t)p * half + i] = magnitude * sinf(angle);
        }
    }
    return GLIM_OK;
}

void glim__rope_release(glim_rope *rope, glim_context *ctx) {
    glim__free(ctx, rope->cos);
    glim__free(ctx, rope->sin);
    *rope = (glim_rope){0};
}

struct turn {
    const glim_rope *rope;
    const int32_t *position;
    const float *in;
    float *out;
    int64_t cols;
    int heads;
    bool back; /* turn the other way, and add */
};

static void turn_head(const struct turn *s, const float *in, float *out, const float *cs,
                      const float *sn, int64_t d) {
    int half = s->rope->width / 2, step = s->rope->interleaved ? 2 : 1;
    int apart = s->rope->interleaved ? 1 : half;
    for (int i = 0; i < half; i++) {
        int a = i * step, b = a + apart;
        float c = cs[i], n = s->back ? -sn[i] : sn[i];
        float ya = in[a] * c - in[b] * n, yb = in[b] * c + in[a] * n;
        out[a] = s->back ? out[a] + ya : ya;
        out[b] = s->back ? out[b] + yb : yb;
    }
    for (int64_t i = s->rope->width; i < d; i++)
        out[i] = s->back ? out[i] + in[i] : in[i];
}

static void turn_rows(void *data, int64_t first, int64_t count) {
    struct turn *s = data;
    int64_t d = s->cols / s->heads, half = s->rope->width / 2;
    for (int64_t r = first; r < first + count; r++) {
        const float *cs = s->rope->cos + s->position[r] * half;
        const float *sn = s->rope->sin + s->position[r] * half;
        for (int h = 0; h < s->heads; h++)
            turn_head(s, s->in + r * s->cols + h * d, s->out + r * s->cols + h * d, cs, sn, d);
    }
}

static struct turn setup(glim_tape *t, glim_tape_node *n) {
    return (struct turn){.rope = n->as.rope.rope,
                         .position = n->rows->position,
                         .cols = n->cols,
                         .heads = n->as.rope.heads};
}

static glim_status rope_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct turn s = setup(t, n);
    s.in = t->nodes[n->inputs[0]].data;
    s.out = n->data;
    glim__tape_rows(t, n, turn_rows, &s);
    return GLIM_OK;
}

static glim_status rope_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct turn s = setup(t, n);
    s.in = n->grad;
    s.back = true;
    glim_status status = glim__tape_grad(t, n, 0, &s.out, err);
    if (status)
        return status;
    glim__tape_rows(t, n, turn_rows, &s);
    return GLIM_OK;
}

const glim_op glim__op_rope_op = {
    .name = "rope", .forward = rope_forward, .backward = rope_backward};

glim_node glim__op_rope(glim_tape *t, glim_node x, const glim_rope *rope, int heads) {
    glim_tape_node *n = glim__tape_append(t, &glim__op_rope_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n) {
        n->as.rope.rope = rope;
        n->as.rope.heads = heads;
    }
    return glim__tape_index(t, n);
}
