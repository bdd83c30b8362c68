/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions over rows of pixels. A 1x1 kernel is a product of the rows as they lie; a
 * wider one is the same product over rows that a worker gathers for its block first;
 * a depthwise one adds up its taps channel by channel. What comes behind the sum (norm,
 * ReLU6) is done while a block is in the cache. Pixels are rows with the channels
 * side by side, so that all three read and write whole vectors.
 */
#include "tensor/conv.h"
#include "tensor/conv-pack.h"
#include "tensor/linear.h"

#include <math.h>
#include <string.h>

enum {
    ROWS = 96,  /* pixels of a work item */
    COLS = 128, /* its channels at most */
    PLAIN = 64, /* rows of an item that only scales */
    TAPS = GLIM_CONV_KERNEL * GLIM_CONV_KERNEL
};

static void shape_side(int in, int kernel, int stride, bool same, int *out, int *before) {
    int pad = kernel / 2, padding = 2 * pad;
    *out = (in + padding - kernel) / stride + 1;
    *before = pad;
    if (!same)
        return;
    *out = (in + stride - 1) / stride;
    padding = (*out - 1) * stride + kernel - in;
    *before = padding > 0 ? padding / 2 : 0;
}

void glim__conv_shape(glim_conv *c, int in_h, int in_w, bool same) {
    c->in_h = in_h;
    c->in_w = in_w;
    shape_side(in_h, c->kernel, c->stride, same, &c->out_h, &c->pad_top);
    shape_side(in_w, c->kernel, c->stride, same, &c->out_w, &c->pad_left);
}

/* ---- products ---- */

struct product {
    glim_context *ctx;
    const glim_kernels *kernels;
    const glim_conv *c; /* the geometry, and what comes behind the sum */
    const float *x, *w;
    float *y;
    size_t K, N, ldw, col_items;
    int64_t T;
    bool gather, add, finish;
};

/* Rows first .. first + m of the output, as the input pixels under the kernel. */
static void gather_rows(const struct product *s, float *out, int64_t first, int m) {
    const glim_conv *c = s->c;
    size_t in_c = (size_t)c->in_c;
    for (int64_t r = first; r < first + m; r++) {
        int64_t image = r / ((int64_t)c->out_h * c->out_w);
        int oy = (int)(r / c->out_w % c->out_h), ox = (int)(r % c->out_w);
        for (int ky = 0; ky < c->kernel; ky++)
            for (int kx = 0; kx < c->kernel; kx++, out += in_c) {
                int iy = oy * c->stride + ky - c->pad_top, ix = ox * c->stride + kx - c->pad_left;
                if (iy < 0 || ix < 0 || iy >= c->in_h || ix >= c->in_w)
                    memset(out, 0, in_c * sizeof *out);
                else
                    memcpy(out, s->x + (size_t)((image * c->in_h + iy) * c->in_w + ix) * in_c,
                           in_c * sizeof *out);
            }
    }
}

static void product_item(void *data, size_t item, int worker) {
    const struct product *s = data;
    int64_t first = (int64_t)(item / s->col_items) * ROWS;
    size_t c0 = item % s->col_items * COLS, n = s->N - c0 < COLS ? s->N - c0 : COLS;
    int m = (int)(s->T - first < ROWS ? s->T - first : ROWS);
    const float *a = s->x + (size_t)first * s->K;
    float *y = s->y + (size_t)first * s->N + c0;
    if (s->gather) {
        float *rows = glim__scratch(s->ctx, worker);
        gather_rows(s, rows, first, m);
        a = rows;
    }
    glim__product(s->kernels, m, (int)n, s->K, a, (ptrdiff_t)s->K, 1, s->w + c0, (ptrdiff_t)s->ldw,
                  y, (ptrdiff_t)s->N, s->add);
    for (int r = 0; r < m && s->finish; r++)
        s->kernels->affine(y + (size_t)r * s->N, s->c->scale + c0, s->c->shift + c0, s->c->low,
                           s->c->high, n);
}

static glim_status run_product(struct product *s, glim_error *err) {
    glim_status status =
        s->gather ? glim__scratch_reserve(s->ctx, ROWS * s->K * sizeof(float), err) : GLIM_OK;
    s->kernels = glim__kernels(s->ctx);
    s->col_items = (s->N + COLS - 1) / COLS;
    if (!status)
        glim__parallel(s->ctx, (size_t)((s->T + ROWS - 1) / ROWS) * s->col_items, product_item, s);
    return status;
}

/* ---- depthwise ---- */

struct depthwise {
    glim_context *ctx;
    const glim_kernels *kernels;
    const glim_conv *c;
    const float *x, *w; /* w: (taps, C) */
    float *y;
    size_t ldw;
};

/* One row of pixels of the output. */
static void depthwise_item(void *data, size_t item, int worker) {
    const struct depthwise *s = data;
    const glim_conv *c = s->c;
    const float *x[TAPS], *w[TAPS];
    size_t C = (size_t)c->in_c, image = item / (size_t)c->out_h;
    int oy = (int)(item % (size_t)c->out_h);
    for (int ox = 0; ox < c->out_w; ox++) {
        float *y = s->y + (item * (size_t)c->out_w + (size_t)ox) * C;
        int n = 0;
        for (int ky = 0; ky < c->kernel; ky++)
            for (int kx = 0; kx < c->kernel; kx++) {
                int iy = oy * c->stride + ky - c->pad_top, ix = ox * c->stride + kx - c->pad_left;
                if (iy < 0 || ix < 0 || iy >= c->in_h || ix >= c->in_w)
                    continue;
                x[n] = s->x +
                       ((image * (size_t)c->in_h + (size_t)iy) * (size_t)c->in_w + (size_t)ix) * C;
                w[n++] = s->w + (size_t)(ky * c->kernel + kx) * s->ldw;
            }
        s->kernels->taps(y, x, w, n, C);
        s->kernels->affine(y, c->scale, c->shift, c->low, c->high, C);
    }
}

/* The output pixel that tap k of the input pixel i reaches, or -1. */
static int reached(int i, int k, int pad, int stride, int out) {
    int at = i + pad - k;
    return at >= 0 && at % stride == 0 && at / stride < out ? at / stride : -1;
}

/* One row of pixels of the input: y is its gradient, x that of the sums. */
static void depthwise_back_item(void *data, size_t item, int worker) {
    const struct depthwise *s = data;
    const glim_conv *c = s->c;
    const float *x[TAPS], *w[TAPS];
    float *room = glim__scratch(s->ctx, worker);
    size_t C = (size_t)c->in_c, image = item / (size_t)c->in_h;
    int iy = (int)(item % (size_t)c->in_h);
    for (int ix = 0; ix < c->in_w; ix++) {
        float *y = s->y + (item * (size_t)c->in_w + (size_t)ix) * C;
        int n = 0;
        for (int ky = 0; ky < c->kernel; ky++)
            for (int kx = 0; kx < c->kernel; kx++) {
                int oy = reached(iy, ky, c->pad_top, c->stride, c->out_h);
                int ox = reached(ix, kx, c->pad_left, c->stride, c->out_w);
                if (oy < 0 || ox < 0)
                    continue;
                x[n] =
                    s->x +
                    ((image * (size_t)c->out_h + (size_t)oy) * (size_t)c->out_w + (size_t)ox) * C;
                w[n++] = s->w + (size_t)(ky * c->kernel + kx) * s->ldw;
            }
        s->kernels->taps(room, x, w, n, C);
        s->kernels->add(y, y, room, C);
    }
}

/* ---- forward ---- */

glim_status glim__conv(glim_context *ctx, const glim_conv *c, float *y, const float *x,
                       int64_t images, glim_error *err) {
    glim_conv_weights w;
    glim_status status = glim__conv_weights_take(&w, ctx, c, true, err);
    if (status)
        return status;
    if (c->depthwise) {
        struct depthwise s = {ctx, glim__kernels(ctx), c, x, w.w, y, w.ld};
        glim__parallel(ctx, (size_t)(images * c->out_h), depthwise_item, &s);
    } else {
        struct product s = {.ctx = ctx,
                            .c = c,
                            .x = x,
                            .w = w.w,
                            .y = y,
                            .K = glim__conv_terms(c),
                            .N = (size_t)c->out_c,
                            .ldw = w.ld,
                            .T = images * c->out_h * c->out_w,
                            .gather = c->kernel > 1 || c->stride > 1,
                            .finish = true};
        status = run_product(&s, err);
    }
    glim__conv_weights_give(&w, ctx);
    return status;
}

/* ---- backward ---- */

struct slope {
    const glim_conv *c;
    float *dy;
    const float *y;
    int64_t T;
};

/* dy becomes the gradient of the sum: none flows where a bound holds. */
static void slope_item(void *data, size_t item, int worker) {
    const struct slope *s = data;
    size_t C = (size_t)s->c->out_c;
    int64_t first = (int64_t)item * PLAIN, past = first + PLAIN < s->T ? first + PLAIN : s->T;
    const float *scale = s->c->scale;
    float low = s->c->low, high = s->c->high;
    for (int64_t r = first; r < past; r++) {
        float *dy = s->dy + (size_t)r * C;
        const float *y = s->y + (size_t)r * C;
        for (size_t o = 0; o < C; o++)
            dy[o] = y[o] > low && y[o] < high ? dy[o] * scale[o] : 0;
    }
}

struct spread {
    const glim_kernels *kernels;
    const glim_conv *c;
    float *dx;
    const float *rows; /* (T, taps, in_c) */
};

/* One row of pixels of the input collects what the rows under a kernel hold. */
static void spread_item(void *data, size_t item, int worker) {
    const struct spread *s = data;
    const glim_conv *c = s->c;
    size_t C = (size_t)c->in_c, image = item / (size_t)c->in_h, K = glim__conv_terms(c);
    int iy = (int)(item % (size_t)c->in_h);
    for (int ix = 0; ix < c->in_w; ix++) {
        float *dx = s->dx + (item * (size_t)c->in_w + (size_t)ix) * C;
        for (int ky = 0; ky < c->kernel; ky++)
            for (int kx = 0; kx < c->kernel; kx++) {
                int oy = reached(iy, ky, c->pad_top, c->stride, c->out_h);
                int ox = reached(ix, kx, c->pad_left, c->stride, c->out_w);
                if (oy < 0 || ox < 0)
                    continue;
                size_t r = (image * (size_t)c->out_h + (size_t)oy) * (size_t)c->out_w + (size_t)ox;
                s->kernels->add(dx, dx, s->rows + r * K + (size_t)(ky * c->kernel + kx) * C, C);
            }
    }
}

static glim_status product_back(glim_context *ctx, const glim_conv *c, float *dx, const float *dy,
                                int64_t images, const glim_conv_weights *w, glim_error *err) {
    int64_t T = images * c->out_h * c->out_w;
    size_t K = glim__conv_terms(c), bytes = (size_t)T * K * sizeof(float);
    bool gather = c->kernel > 1 || c->stride > 1;
    float *rows = gather ? glim__spare_take(ctx, bytes) : dx;
    if (!rows)
        return glim__oom(ctx, err, "a convolution's gradient", bytes);
    struct product s = {.ctx = ctx,
                        .c = c,
                        .x = dy,
                        .w = w->w,
                        .y = rows,
                        .K = (size_t)c->out_c,
                        .N = K,
                        .ldw = w->ld,
                        .T = T,
                        .add = !gather};
    glim_status status = run_product(&s, err);
    if (!status && gather) {
        struct spread d = {glim__kernels(ctx), c, dx, rows};
        glim__parallel(ctx, (size_t)(images * c->in_h), spread_item, &d);
    }
    if (gather)
        glim__spare_give(ctx, rows);
    return status;
}

glim_status glim__conv_backward(glim_context *ctx, const glim_conv *c, float *dx, float *dy,
                                const float *y, int64_t images, glim_error *err) {
    struct slope slope = {c, dy, y, images * c->out_h * c->out_w};
    glim_conv_weights w;
    glim_status status = glim__conv_weights_take(&w, ctx, c, c->depthwise, err);
    if (status)
        return status;
    glim__parallel(ctx, (size_t)((slope.T + PLAIN - 1) / PLAIN), slope_item, &slope);
    if (!c->depthwise) {
        status = product_back(ctx, c, dx, dy, images, &w, err);
    } else if (!(status = glim__scratch_reserve(ctx, (size_t)c->in_c * sizeof(float), err))) {
        struct depthwise s = {ctx, glim__kernels(ctx), c, dy, w.w, dx, w.ld};
        glim__parallel(ctx, (size_t)(images * c->in_h), depthwise_back_item, &s);
    }
    glim__conv_weights_give(&w, ctx);
    return status;
}

uint64_t glim__conv_scratch(const glim_context *ctx, const glim_conv *c, int64_t images,
                            bool backward) {
    uint64_t K = glim__conv_terms(c), N = (uint64_t)c->out_c, most = K > N ? K : N;
    uint64_t gathered = c->depthwise || (c->kernel == 1 && c->stride == 1) ? 0 : K;
    uint64_t rows = (uint64_t)(images * c->out_h * c->out_w) * gathered;
    uint64_t worker = ROWS * gathered + 17 * most;
    return 4 * ((K + 16) * (N + 16) + (backward ? rows : 0) +
                worker * (uint64_t)glim_context_threads(ctx));
}
