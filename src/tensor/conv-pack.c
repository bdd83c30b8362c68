/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of a convolution as floats in the order that a loop wants. Nothing is done
 * for what lies so in the file; the rest is unpacked and turned for one call, some rows
 * at a time, and never kept.
 */
#include "tensor/conv-pack.h"
#include "tensor/linear.h"

#include <string.h>

enum { ROWS = 16 };

struct pack {
    glim_context *ctx;
    const glim_conv *c;
    float *out;
    size_t ld, rows, cols; /* as stored */
    bool turn, reorder;    /* reorder: (in, taps) becomes (taps, in) */
};

static void reorder(const struct pack *s, float *to, const float *from) {
    size_t taps = (size_t)s->c->kernel * (size_t)s->c->kernel, in = s->cols / taps;
    for (size_t t = 0; t < taps; t++)
        for (size_t i = 0; i < in; i++)
            to[t * in + i] = from[i * taps + t];
}

static void pack_item(void *data, size_t item, int worker) {
    const struct pack *s = data;
    const glim_type_info *info = glim__type_info(s->c->type);
    float *room = glim__scratch(s->ctx, worker), *other = room + ROWS * s->cols;
    size_t first = item * ROWS, n = s->rows - first < ROWS ? s->rows - first : ROWS;
    for (size_t r = 0; r < n; r++) {
        const char *row =
            (const char *)s->c->w + (first + r) * s->cols * info->block_bytes / info->block_len;
        float *to = s->turn ? room + r * s->cols : s->out + (first + r) * s->ld;
        glim__kernels(s->ctx)->dequantise[s->c->type](row, s->reorder ? other : to, s->cols);
        if (s->reorder)
            reorder(s, to, other);
    }
    if (s->turn)
        glim__transpose(s->out + first, s->ld, room, s->cols, (int)n, (int)s->cols);
}

static bool lies_so(const struct pack *s) {
    return !s->turn && !s->reorder && s->c->type == GLIM_TYPE_F32 &&
           (uintptr_t)s->c->w % sizeof(float) == 0 && (s->c->depthwise || s->cols % 16 == 0);
}

glim_status glim__conv_weights_take(glim_conv_weights *out, glim_context *ctx, const glim_conv *c,
                                    bool forward, glim_error *err) {
    size_t terms = glim__conv_terms(c), outs = (size_t)c->out_c;
    struct pack s = {.ctx = ctx,
                     .c = c,
                     .rows = c->in_first ? terms : outs,
                     .cols = c->in_first ? outs : terms,
                     .turn = c->in_first != forward,
                     .reorder = !c->in_first && !c->depthwise && c->kernel > 1};
    size_t width = forward ? outs : terms, height = forward ? terms : outs;
    if (lies_so(&s)) {
        *out = (glim_conv_weights){.w = (const float *)c->w, .ld = width};
        return GLIM_OK;
    }
    s.ld = (width + 15) / 16 * 16;
    glim_status status = glim__scratch_reserve(ctx, (ROWS + 1) * s.cols * sizeof(float), err);
    if (status)
        return status;
    *out = (glim_conv_weights){.ld = s.ld};
    out->owned = s.out = glim__spare_take(ctx, (height * s.ld + 16) * sizeof(float));
    if (!s.out)
        return glim__oom(ctx, err, "a convolution", height * s.ld * sizeof(float));
    out->w = s.out;
    glim__parallel(ctx, (s.rows + ROWS - 1) / ROWS, pack_item, &s);
    return GLIM_OK;
}

void glim__conv_weights_give(glim_conv_weights *w, glim_context *ctx) {
    glim__spare_give(ctx, w->owned);
    *w = (glim_conv_weights){0};
}
