/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of activations with packed weights.
 *
 * Forward, Y = X W^T: X is packed once, transposed, into blocks of 32 rows; a
 * worker unpacks 12 rows of W at a time into its scratch and multiplies them
 * with every block, W on the broadcast side, so that W's rows are used as they
 * lie. Backward, dX += dY W: a worker owns a strip of columns of W, unpacks
 * some hundred rows of it at a time, and adds into its own columns of dX.
 *
 * Why not a BLAS call per panel: the packing that sgemm repeats for each call
 * is done once here and fused with unpacking, which is a third of the time at
 * 128 rows; and every element is one chain of multiply-adds in ascending order,
 * cut at fixed places, so that its bits depend on nothing but its own row and
 * W. Processors without AVX2 do use the BLAS (linear-blas.c).
 */
#include "tensor/linear.h"
#include "tensor/linear-blas.h"

#include <string.h>

enum {
    M = GLIM_TILE_M,
    N = GLIM_TILE_N,
    K_CHUNK = 512,         /* terms of one chain; sums of chunks are added in order */
    ROWS_ITEM = 48,        /* rows of W of one work item, forward */
    BACK_ROWS = 384,       /* rows of W unpacked at a time, backward */
    STRIP_MOST = 320,      /* columns of a strip at most */
    DECODE_BYTES = 1 << 20 /* packed rows of one work item, one row times few vectors */
};

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

void glim__matrix_read_row(const glim_context *ctx, const glim_matrix *w, int64_t r, float *out) {
    glim__matrix_panel(glim__kernels(ctx), w, r, 1, 0, (size_t)w->cols, out, (size_t)w->cols);
}

/* A stored row of a turned matrix holds a column; a few of its elements are read
   at a time. */
static void turned_panel(const glim_kernels *kernels, const glim_matrix *w, int64_t r0, int m,
                         size_t c0, size_t cols, float *out, size_t ld) {
    enum { PIECE = 64 };
    size_t element = (size_t)glim__type_info(w->type)->block_bytes;
    for (int i = 0; i < m; i += PIECE) {
        float piece[PIECE];
        int n = m - i < PIECE ? m - i : PIECE;
        size_t at = (size_t)(w->first_row + r0 + i) * element;
        for (size_t c = 0; c < cols; c++) {
            kernels->dequantise[w->type]((const char *)w->data + (c0 + c) * w->row_bytes + at,
                                         piece, (size_t)n);
            for (int k = 0; k < n; k++)
                out[(size_t)(i + k) * ld + c] = piece[k];
        }
    }
}

void glim__matrix_panel(const glim_kernels *kernels, const glim_matrix *w, int64_t r0, int m,
                        size_t c0, size_t cols, float *out, size_t ld) {
    const glim_type_info *info = glim__type_info(w->type);
    size_t at = c0 / info->block_len * info->block_bytes;
    if (w->turned)
        turned_panel(kernels, w, r0, m, c0, cols, out, ld);
    for (int i = 0; i < m && !w->turned; i++)
        kernels->dequantise[w->type]((const char *)glim__matrix_row_data(w, r0 + i) + at,
                                     out + (size_t)i * ld, cols);
}

void glim__product(const glim_kernels *kernels, int m, int n, size_t k, const float *a,
                   ptrdiff_t a_row, ptrdiff_t a_col, const float *b, ptrdiff_t b_row, float *c,
                   ptrdiff_t c_row, bool add) {
    for (int j = 0; j < n; j += N)
        for (int i = 0; i < m; i += M)
            kernels->tile(m - i < M ? m - i : M, n - j < N ? n - j : N, k, a + i * a_row, a_row,
                          a_col, b + j, b_row, c + i * c_row + j, c_row, add);
}

typedef float four __attribute__((vector_size(16)));

/* out (4, 4) = in (4, 4), transposed, in registers. */
static inline void turn_four(float *out, size_t ld, const float *in, size_t ldi) {
    four r[4], low, high;
    for (int i = 0; i < 4; i++)
        memcpy(&r[i], in + (size_t)i * ldi, sizeof r[i]);
    four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    four b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    four c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    four d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    low = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    high = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    memcpy(out, &low, sizeof low);
    memcpy(out + ld, &high, sizeof high);
    low = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    high = __builtin_shufflevector(c, d, 2, 3, 6, 7);
    memcpy(out + 2 * ld, &low, sizeof low);
    memcpy(out + 3 * ld, &high, sizeof high);
}

void glim__transpose(float *out, size_t ld, const float *in, size_t ldi, int rows, int cols) {
    for (int r = 0; r < rows; r += 4)
        for (int c = 0; c < cols; c += 4) {
            float *to = out + (size_t)c * ld + (size_t)r;
            const float *from = in + (size_t)r * ldi + (size_t)c;
            if (r + 4 <= rows && c + 4 <= cols) {
                turn_four(to, ld, from, ldi);
                continue;
            }
            for (int j = 0; j < 4 && c + j < cols; j++)
                for (int i = 0; i < 4 && r + i < rows; i++)
                    to[(size_t)j * ld + (size_t)i] = from[(size_t)i * ldi + (size_t)j];
        }
}

/* ---- forward ------------------------------------------------------------- */

struct forward {
    glim_context *ctx;
    const glim_kernels *kernels;
    const glim_matrix *w;
    const float *x, *bias;
    float *y, *packed; /* packed: (blocks, K, 32) */
    size_t ldx, ldy, K;
    int64_t T;
};

/* X rows of one block, transposed; rows beyond T are zero. */
static void pack_item(void *data, size_t item, int worker) {
    struct forward *s = data;
    float *out = s->packed + item * s->K * N;
    int64_t first = (int64_t)item * N;
    int rows = (int)(s->T - first < N ? s->T - first : N);
    const float *x = s->x + (size_t)first * s->ldx;
    for (size_t k = 0; k < s->K; k += 16) { /* a cache line of each row at a time */
        size_t n = s->K - k < 16 ? s->K - k : 16;
        glim__transpose(out + k * N, N, x + k, s->ldx, rows, (int)n);
        for (size_t c = k; c < k + n && rows < N; c++)
            memset(out + c * N + rows, 0, (size_t)(N - rows) * sizeof *out);
    }
}

/* Y rows (first .. first+n) x columns (r .. r+m) from the tile (m, 32), to which the bias is
   added while a row of it is a row of W. */
static void put_tile(const struct forward *s, float *tile, int64_t first, int n, int64_t r, int m) {
    for (int i = 0; i < m && s->bias; i++)
        for (int t = 0; t < n; t++)
            tile[i * N + t] += s->bias[r + i];
    glim__transpose(s->y + (size_t)first * s->ldy + (size_t)r, s->ldy, tile, N, m, n);
}

static void forward_item(void *data, size_t item, int worker) {
    struct forward *s = data;
    float *panel = glim__scratch(s->ctx, worker), tile[M * N] = {0};
    size_t ld = round_up(s->K, 16) + 16; /* no power of two: rows would share a cache set */
    int64_t from = (int64_t)item * ROWS_ITEM, to = from + ROWS_ITEM;
    to = to < s->w->rows ? to : s->w->rows;
    for (int64_t r = from; r < to; r += M) {
        int m = (int)(to - r < M ? to - r : M);
        glim__matrix_panel(s->kernels, s->w, r, m, 0, s->K, panel, ld);
        for (int64_t t = 0; t < s->T; t += N) {
            int n = (int)(s->T - t < N ? s->T - t : N);
            const float *b = s->packed + (size_t)(t / N) * s->K * N;
            for (size_t k = 0; k < s->K; k += K_CHUNK)
                s->kernels->tile(m, n, s->K - k < K_CHUNK ? s->K - k : K_CHUNK, panel + k,
                                 (ptrdiff_t)ld, 1, b + k * N, N, tile, N, k > 0);
            put_tile(s, tile, t, n, r, m);
        }
    }
}

glim_status glim__linear(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                         int64_t T, const glim_matrix *w, const float *bias, glim_error *err) {
    if (glim__kernels(ctx)->blas)
        return glim__linear_blas(ctx, y, ldy, x, ldx, T, w, bias, err);
    size_t K = (size_t)w->cols, blocks = ((size_t)T + N - 1) / N;
    struct forward s = {.ctx = ctx,
                        .kernels = glim__kernels(ctx),
                        .w = w,
                        .x = x,
                        .bias = bias,
                        .y = y,
                        .ldx = ldx,
                        .ldy = ldy,
                        .K = K,
                        .T = T};
    glim_status status =
        glim__scratch_reserve(ctx, M * (round_up(K, 16) + 16) * sizeof(float), err);
    if (status || T <= 0)
        return status;
    s.packed = glim__spare_take(ctx, (blocks * K * N + 16) * sizeof(float));
    if (!s.packed)
        return glim__oom(ctx, err, "a matrix product", blocks * K * N * sizeof(float));
    glim__parallel(ctx, blocks, pack_item, &s);
    glim__parallel(ctx, (size_t)((w->rows + ROWS_ITEM - 1) / ROWS_ITEM), forward_item, &s);
    glim__spare_give(ctx, s.packed);
    return GLIM_OK;
}

/* ---- backward ------------------------------------------------------------ */

struct backward {
    glim_context *ctx;
    const glim_kernels *kernels;
    const glim_matrix *w;
    float *dx, *packed; /* packed: (groups of 12 rows, rows of W, 12) */
    const float *dy;
    size_t lddx, lddy, strip;
    int64_t T;
};

static void pack_dy_item(void *data, size_t item, int worker) {
    struct backward *s = data;
    size_t rows = (size_t)s->w->rows;
    float *out = s->packed + item * rows * M;
    int64_t first = (int64_t)item * M;
    int m = (int)(s->T - first < M ? s->T - first : M);
    const float *dy = s->dy + (size_t)first * s->lddy;
    for (size_t r = 0; r < rows; r += 16)
        glim__transpose(out + r * M, M, dy + r, s->lddy, m, (int)(rows - r < 16 ? rows - r : 16));
}

static void backward_item(void *data, size_t item, int worker) {
    struct backward *s = data;
    float *strip = glim__scratch(s->ctx, worker);
    size_t c0 = item * s->strip, cols = (size_t)s->w->cols - c0;
    cols = cols < s->strip ? cols : s->strip;
    size_t ld = round_up(cols, 16);
    for (int64_t r0 = 0; r0 < s->w->rows; r0 += BACK_ROWS) {
        int64_t n = s->w->rows - r0 < BACK_ROWS ? s->w->rows - r0 : BACK_ROWS;
        glim__matrix_panel(s->kernels, s->w, r0, (int)n, c0, cols, strip, ld);
        for (size_t c = 0; c < cols; c += N)
            for (int64_t t = 0; t < s->T; t += M) {
                int m = (int)(s->T - t < M ? s->T - t : M);
                const float *a =
                    s->packed + ((size_t)(t / M) * (size_t)s->w->rows + (size_t)r0) * M;
                s->kernels->tile(m, (int)(cols - c < N ? cols - c : N), (size_t)n, a, 1, M,
                                 strip + c, (ptrdiff_t)ld, s->dx + (size_t)t * s->lddx + c0 + c,
                                 (ptrdiff_t)s->lddx, true);
            }
    }
}

/* Columns of a strip: whole blocks, and an even share of work. */
static size_t strip_width(const glim_context *ctx, const glim_matrix *w) {
    size_t block = glim__type_info(w->type)->block_len, cols = (size_t)w->cols;
    size_t threads = (size_t)glim_context_threads(ctx), best = STRIP_MOST, least = SIZE_MAX;
    if (block == 256)
        return 256;
    for (size_t width = 320; width >= 32; width -= 32) {
        size_t items = (cols + width - 1) / width;
        size_t span = (items + threads - 1) / threads * width;
        if (span < least) {
            least = span;
            best = width;
        }
    }
    return best;
}

glim_status glim__linear_backward(glim_context *ctx, float *dx, size_t lddx, const float *dy,
                                  size_t lddy, int64_t T, const glim_matrix *w, glim_error *err) {
    if (glim__kernels(ctx)->blas)
        return glim__linear_backward_blas(ctx, dx, lddx, dy, lddy, T, w, err);
    size_t groups = ((size_t)T + M - 1) / M, floats = groups * (size_t)w->rows * M;
    struct backward s = {.ctx = ctx,
                         .kernels = glim__kernels(ctx),
                         .w = w,
                         .dx = dx,
                         .dy = dy,
                         .lddx = lddx,
                         .lddy = lddy,
                         .strip = strip_width(ctx, w),
                         .T = T};
    glim_status status =
        glim__scratch_reserve(ctx, (BACK_ROWS * round_up(s.strip, 16) + 32) * sizeof(float), err);
    if (status || T <= 0)
        return status;
    s.packed = glim__spare_take(ctx, (floats + 16) * sizeof(float));
    if (!s.packed)
        return glim__oom(ctx, err, "a matrix product", floats * sizeof(float));
    glim__parallel(ctx, groups, pack_dy_item, &s);
    glim__parallel(ctx, ((size_t)w->cols + s.strip - 1) / s.strip, backward_item, &s);
    glim__spare_give(ctx, s.packed);
    return GLIM_OK;
}

/* ---- decoding ------------------------------------------------------------ */

struct decode {
    const glim_kernels *kernels;
    const glim_matrix *w;
    const float *x, *bias;
    float *y;
    size_t ldx, ldy;
    int64_t T, item_rows;
};

/* Rows of a work item. Each worker reads a long run of the file, which the processor
   fetches ahead: items of 12 KiB took 1.6 times as long. All get the same share. */
static int64_t decode_rows(const glim_context *ctx, const glim_matrix *w) {
    size_t threads = (size_t)glim_context_threads(ctx), rows = (size_t)w->rows;
    size_t rounds = rows * w->row_bytes / (threads * DECODE_BYTES) + 1;
    return (int64_t)((rows + threads * rounds - 1) / (threads * rounds));
}

static void decode_item(void *data, size_t item, int worker) {
    struct decode *s = data;
    int64_t from = (int64_t)item * s->item_rows, to = from + s->item_rows;
    to = to < s->w->rows ? to : s->w->rows;
    for (int64_t r = from; r < to; r++)
        for (int64_t t = 0; t < s->T; t += 4) {
            float out[4];
            int count = (int)(s->T - t < 4 ? s->T - t : 4);
            s->kernels->dot[s->w->type](glim__matrix_row_data(s->w, r), s->x + (size_t)t * s->ldx,
                                        s->ldx, count, (size_t)s->w->cols, out);
            for (int i = 0; i < count; i++)
                s->y[(size_t)(t + i) * s->ldy + (size_t)r] = out[i] + (s->bias ? s->bias[r] : 0);
        }
}

glim_status glim__linear_decode(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                                int64_t T, const glim_matrix *w, const float *bias,
                                glim_error *err) {
    if (w->turned)
        return glim__linear(ctx, y, ldy, x, ldx, T, w, bias, err);
    struct decode s = {.kernels = glim__kernels(ctx),
                       .w = w,
                       .x = x,
                       .bias = bias,
                       .y = y,
                       .ldx = ldx,
                       .ldy = ldy,
                       .T = T,
                       .item_rows = decode_rows(ctx, w)};
    glim__parallel(ctx, (size_t)((w->rows + s.item_rows - 1) / s.item_rows), decode_item, &s);
    return GLIM_OK;
}

uint64_t glim__linear_scratch(const glim_context *ctx, const glim_matrix *w, int64_t T) {
    if (glim__kernels(ctx)->blas)
        return glim__linear_blas_scratch(ctx, w);
    uint64_t K = (uint64_t)w->cols, R = (uint64_t)w->rows;
    uint64_t threads = (uint64_t)glim_context_threads(ctx);
    uint64_t panel = M * (round_up(K, 16) + 16), strip = BACK_ROWS * STRIP_MOST + 32;
    uint64_t x = round_up((size_t)T, N) * K, dy = round_up((size_t)T, M) * R;
    return 4 * ((panel > strip ? panel : strip) * threads + (x > dy ? x : dy));
}
