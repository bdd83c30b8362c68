/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot products of gradients from their factors. The queries' factors of a weight are stacked
 * into one matrix of rows, so that a sample meets all of them in two products; sums over
 * pairs of rows run in double, in the order of the sample's rows and then the query's.
 *
 * A gradient is formed where its T (F + C) numbers are no fewer than the F C of the matrix:
 * that is also where the product by rows needs fewer multiply-adds. A sample's gradient is
 * formed when that saves work over all queries.
 */
#include "influence/products.h"
#include "tensor/linear.h"

#include <string.h>

struct kept {
    size_t rows;   /* of all factors */
    float *g, *a;  /* (rows, F), (rows, C) */
    size_t *ends;  /* (queries) where the rows of each end; formed ones have none */
    float **forms; /* (queries) (F, C), or NULL */
    double *norm2; /* (queries) */
    size_t n_formed;
};

struct glim_products {
    glim_context *ctx;
    const glim_weight *weights;
    size_t n_weights, queries;
    bool formed;
    struct kept *kept; /* (n_weights) */
    double *loss;      /* (queries) */
};

enum { GRAM_MOST = 1 << 20 }; /* numbers of one piece of a table of rows by rows */

double glim__product_dot(const float *x, const float *y, size_t n) {
    double sum[8] = {0}, rest = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            sum[k] += (double)x[i + k] * (double)y[i + k];
    for (; i < n; i++)
        rest += (double)x[i] * (double)y[i];
    for (size_t k = 0; k < 8; k++)
        rest += sum[k];
    return rest;
}

static glim_matrix plain(const float *data, size_t rows, size_t cols) {
    return (glim_matrix){.data = data,
                         .type = GLIM_TYPE_F32,
                         .rows = (int64_t)rows,
                         .cols = (int64_t)cols,
                         .row_bytes = cols * sizeof *data};
}

static bool smaller_formed(const glim_weight *w, size_t rows) {
    return (double)rows * (double)(w->rows + w->cols) >= (double)w->rows * (double)w->cols;
}

/* y (n, rows of b) = x (n, cols) b^T */
static glim_status times(glim_context *ctx, float *y, const float *x, size_t n, const float *b,
                         size_t b_rows, size_t cols, glim_error *err) {
    glim_matrix m = plain(b, b_rows, cols);
    return glim__linear(ctx, y, b_rows, x, cols, (int64_t)n, &m, NULL, err);
}

glim_status glim__product_form(glim_context *ctx, const glim_weight *w, const glim_factors_view *s,
                               float *out, glim_error *err) {
    float *turned = glim__spare_take(ctx, (s->rows * w->rows + 16) * sizeof *turned);
    if (!turned)
        return glim__oom(ctx, err, "a gradient's rows", s->rows * w->rows * sizeof *turned);
    glim__transpose(turned, s->rows, s->g, w->rows, (int)s->rows, (int)w->rows);
    memset(out, 0, w->rows * w->cols * sizeof *out);
    glim_matrix a = plain(s->a, s->rows, w->cols);
    glim_status status =
        glim__linear_backward(ctx, out, w->cols, turned, s->rows, (int64_t)w->rows, &a, err);
    glim__spare_give(ctx, turned);
    return status;
}

/* ---- rows by rows ---- */

/* Factors that are met: those of all queries, or of the sample itself. */
struct other {
    size_t rows, n; /* n: of how many gradients */
    const float *g, *a;
    const size_t *ends;
};

/* out [(rows,)] (n) += sums over pairs of rows. */
static void add_pairs(const float *gg, const float *aa, size_t rows, const struct other *o,
                      double *out, bool by_row) {
    for (size_t t = 0; t < rows; t++)
        for (size_t q = 0, from = 0; q < o->n; from = o->ends[q++])
            out[(by_row ? t * o->n : 0) + q] += glim__product_dot(
                gg + t * o->rows + from, aa + t * o->rows + from, o->ends[q] - from);
}

static glim_status meet_rows(glim_context *ctx, const glim_weight *w, const glim_factors_view *s,
                             const struct other *o, double *out, bool by_row, glim_error *err) {
    size_t piece = o->rows ? GRAM_MOST / o->rows : 0;
    piece = !piece ? 1 : piece < s->rows ? piece : s->rows;
    if (!o->rows || !s->rows)
        return GLIM_OK;
    size_t bytes = 2 * piece * o->rows * sizeof(float);
    float *gg = glim__spare_take(ctx, bytes), *aa = gg ? gg + piece * o->rows : NULL;
    if (!gg)
        return glim__oom(ctx, err, "products of rows", bytes);
    glim_status status = GLIM_OK;
    for (size_t t = 0; t < s->rows && !status; t += piece) {
        size_t n = s->rows - t < piece ? s->rows - t : piece;
        status = times(ctx, gg, s->g + t * w->rows, n, o->g, o->rows, w->rows, err);
        if (!status)
            status = times(ctx, aa, s->a + t * w->cols, n, o->a, o->rows, w->cols, err);
        if (!status)
            add_pairs(gg, aa, n, o, out + (by_row ? t * o->n : 0), by_row);
    }
    glim__spare_give(ctx, gg);
    return status;
}

/* out [(rows,)] += g_t G' a_t, G' a matrix. */
static glim_status meet_form(glim_context *ctx, const glim_weight *w, const glim_factors_view *s,
                             const float *form, double *out, size_t by_row, glim_error *err) {
    size_t F = w->rows, bytes = s->rows * F * sizeof(float);
    float *y = glim__spare_take(ctx, bytes + 64);
    if (!y)
        return glim__oom(ctx, err, "products of rows", bytes);
    glim_status status = times(ctx, y, s->a, s->rows, form, F, w->cols, err);
    for (size_t t = 0; t < s->rows && !status; t++)
        out[t * by_row] += glim__product_dot(s->g + t * F, y + t * F, F);
    glim__spare_give(ctx, y);
    return status;
}

glim_status glim__product_square(glim_context *ctx, const glim_weight *w,
                                 const glim_factors_view *s, double *out, glim_error *err) {
    size_t size = w->rows * w->cols;
    struct other self = {.rows = s->rows, .n = 1, .g = s->g, .a = s->a, .ends = &s->rows};
    *out = 0;
    if (!smaller_formed(w, s->rows))
        return meet_rows(ctx, w, s, &self, out, false, err);
    float *form = glim__spare_take(ctx, size * sizeof *form);
    if (!form)
        return glim__oom(ctx, err, "a gradient", size * sizeof *form);
    glim_status status = glim__product_form(ctx, w, s, form, err);
    if (!status)
        *out = glim__product_dot(form, form, size);
    glim__spare_give(ctx, form);
    return status;
}

/* ---- queries ---- */

static struct other all_rows(const glim_products *p, const struct kept *k) {
    return (struct other){.rows = k->rows, .n = p->queries, .g = k->g, .a = k->a, .ends = k->ends};
}

/* Whether all of it costs less with the sample's gradient formed. */
static bool forms(const struct kept *k, const glim_weight *w, size_t rows) {
    double size = (double)w->rows * (double)w->cols, T = (double)rows, R = (double)k->rows;
    double apart = T * (R * (double)(w->rows + w->cols) + (double)k->n_formed * size);
    return size * (T + R + (double)k->n_formed) < apart;
}

static glim_status take_formed(glim_products *p, const glim_factors_view *s, const float *form,
                               double *out, glim_error *err) {
    const struct kept *k = &p->kept[s->weight];
    const glim_weight *w = &p->weights[s->weight];
    glim_status status = GLIM_OK;
    for (size_t q = 0, from = 0; q < p->queries && !status; from = k->ends[q++]) {
        glim_factors_view rows = {.weight = s->weight, .rows = k->ends[q] - from};
        rows.g = k->g ? k->g + from * w->rows : NULL;
        rows.a = k->a ? k->a + from * w->cols : NULL;
        if (k->forms[q])
            out[q] = glim__product_dot(form, k->forms[q], w->rows * w->cols);
        else if (rows.rows)
            status = meet_form(p->ctx, w, &rows, form, &out[q], 0, err);
    }
    return status;
}

static glim_status meet_all(glim_products *p, const glim_factors_view *s, double *out, bool by_row,
                            glim_error *err) {
    const struct kept *k = &p->kept[s->weight];
    const glim_weight *w = &p->weights[s->weight];
    struct other o = all_rows(p, k);
    glim_status status = meet_rows(p->ctx, w, s, &o, out, by_row, err);
    for (size_t q = 0; q < p->queries && !status; q++)
        if (k->forms[q])
            status = meet_form(p->ctx, w, s, k->forms[q], out + q, by_row ? p->queries : 0, err);
    return status;
}

glim_status glim__products_take(glim_products *p, const glim_factors_view *s, double *out,
                                glim_error *err) {
    const glim_weight *w = &p->weights[s->weight];
    memset(out, 0, p->queries * sizeof *out);
    if (!forms(&p->kept[s->weight], w, s->rows))
        return meet_all(p, s, out, false, err);
    size_t bytes = w->rows * w->cols * sizeof(float);
    float *form = glim__spare_take(p->ctx, bytes);
    if (!form)
        return glim__oom(p->ctx, err, "a gradient", bytes);
    glim_status status = glim__product_form(p->ctx, w, s, form, err);
    if (!status)
        status = take_formed(p, s, form, out, err);
    glim__spare_give(p->ctx, form);
    return status;
}

glim_status glim__products_rows(glim_products *p, const glim_factors_view *s, double *out,
                                glim_error *err) {
    return meet_all(p, s, out, true, err);
}

/* ---- keeping ---- */

/* The array with n more numbers behind its `have`. */
static bool append(glim_context *ctx, float **array, size_t have, const float *more, size_t n) {
    float *grown = glim__realloc(ctx, *array, (have + n) * sizeof *grown);
    if (!grown)
        return false;
    memcpy(grown + have, more, n * sizeof *more);
    *array = grown;
    return true;
}

static glim_status keep(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                        const float *a, glim_error *err) {
    glim_products *p = data;
    struct kept *k = &p->kept[weight];
    const glim_weight *w = &p->weights[weight];
    glim_factors_view view = {weight, rows, g, a};
    glim_status status = glim__product_square(p->ctx, w, &view, &k->norm2[sample], err);
    if (status)
        return status;
    if (p->formed || smaller_formed(w, rows)) {
        size_t bytes = w->rows * w->cols * sizeof(float);
        k->forms[sample] = glim__alloc(p->ctx, bytes);
        if (!k->forms[sample])
            return glim__oom(p->ctx, err, "a query's gradient", bytes);
        k->n_formed++;
        return glim__product_form(p->ctx, w, &view, k->forms[sample], err);
    }
    if (!append(p->ctx, &k->g, k->rows * w->rows, g, rows * w->rows) ||
        !append(p->ctx, &k->a, k->rows * w->cols, a, rows * w->cols))
        return glim__oom(p->ctx, err, "a query's gradient",
                         (k->rows + rows) * (w->rows + w->cols) * sizeof *g);
    k->rows += rows;
    for (size_t q = sample; q < p->queries; q++)
        k->ends[q] = k->rows;
    return GLIM_OK;
}

static glim_status keep_loss(void *data, size_t first, size_t count, const double *loss,
                             glim_error *err) {
    glim_products *p = data;
    memcpy(p->loss + first, loss, count * sizeof *loss);
    return GLIM_OK;
}

static bool make_room(glim_products *p) {
    p->kept = glim__calloc(p->ctx, p->n_weights + 1, sizeof *p->kept);
    p->loss = glim__calloc(p->ctx, p->queries + 1, sizeof *p->loss);
    bool ok = p->kept && p->loss;
    for (size_t w = 0; w < p->n_weights && ok; w++) {
        struct kept *k = &p->kept[w];
        k->ends = glim__calloc(p->ctx, p->queries + 1, sizeof *k->ends);
        k->forms = glim__calloc(p->ctx, p->queries + 1, sizeof *k->forms);
        k->norm2 = glim__calloc(p->ctx, p->queries + 1, sizeof *k->norm2);
        ok = k->ends && k->forms && k->norm2;
    }
    return ok;
}

glim_status glim__products_new(glim_products **out, const glim_gradients *queries, bool formed,
                               glim_error *err) {
    glim_context *ctx = queries->ctx;
    *out = NULL;
    glim_products *p = glim__calloc(ctx, 1, sizeof *p);
    if (!p)
        return glim__oom(ctx, err, "queries", sizeof *p);
    *p = (glim_products){.ctx = ctx,
                         .weights = queries->weights,
                         .n_weights = queries->n_weights,
                         .queries = queries->n,
                         .formed = formed};
    glim_pass_visitor visitor = {.weight = keep, .batch = keep_loss, .data = p};
    glim_status status = make_room(p) ? GLIM_OK : glim__oom(ctx, err, "queries", sizeof *p->kept);
    if (!status && queries->n)
        status = queries->walk(queries->data, 0, queries->n, &visitor, err);
    if (status)
        glim__products_free(p);
    else
        *out = p;
    return status;
}

void glim__products_free(glim_products *p) {
    if (!p)
        return;
    for (size_t w = 0; p->kept && w < p->n_weights; w++) {
        struct kept *k = &p->kept[w];
        for (size_t q = 0; k->forms && q < p->queries; q++)
            glim__free(p->ctx, k->forms[q]);
        glim__free(p->ctx, k->g);
        glim__free(p->ctx, k->a);
        glim__free(p->ctx, k->ends);
        glim__free(p->ctx, k->forms);
        glim__free(p->ctx, k->norm2);
    }
    glim__free(p->ctx, p->kept);
    glim__free(p->ctx, p->loss);
    glim__free(p->ctx, p);
}

/* Bytes of one weight's gradient of a query. */
static uint64_t kept_bytes(const glim_weight *w, size_t rows, bool formed) {
    uint64_t size = (uint64_t)w->rows * w->cols, factors = (uint64_t)rows * (w->rows + w->cols);
    return 4 * (formed || factors > size ? size : factors);
}

/* Beside what is kept: a gradient, its turned rows, the tables of rows, the products' own
   packing. */
static uint64_t visit_bytes(const glim_weight *w, size_t rows) {
    uint64_t size = (uint64_t)w->rows * w->cols, wide = w->rows > w->cols ? w->rows : w->cols;
    return 4 * (size + (uint64_t)rows * (2 * w->rows + w->cols) + 2 * (uint64_t)GRAM_MOST +
                (uint64_t)(rows + 32) * wide);
}

static uint64_t plan_weight(const glim_weight *w, const size_t *rows, size_t n, bool formed) {
    uint64_t bytes = 0;
    for (size_t q = 0; q < n; q++)
        bytes += kept_bytes(w, rows[q], formed);
    return bytes;
}

glim_status glim__products_plan(const glim_gradients *queries, bool formed, size_t rows,
                                uint64_t *bytes, glim_error *err) {
    uint64_t most = 0;
    size_t *T = glim__calloc(queries->ctx, queries->n + 1, sizeof *T);
    *bytes = queries->n_weights * (sizeof(struct kept) + queries->n * 24);
    if (!T)
        return glim__oom(queries->ctx, err, "queries", queries->n * sizeof *T);
    glim_status status =
        queries->n ? queries->sizes(queries->data, 0, queries->n, T, NULL, err) : GLIM_OK;
    for (size_t q = 0; q < queries->n; q++)
        rows = T[q] > rows ? T[q] : rows;
    for (size_t w = 0; w < queries->n_weights && !status; w++) {
        if (!queries->chosen[w])
            continue;
        uint64_t kept = plan_weight(&queries->weights[w], T, queries->n, formed);
        uint64_t visit = visit_bytes(&queries->weights[w], rows) + kept; /* while it grows */
        *bytes += kept;
        most = visit > most ? visit : most;
    }
    *bytes += most;
    glim__free(queries->ctx, T);
    return status;
}

/* ---- what is known of queries ---- */

double glim__products_loss(const glim_products *p, size_t query) {
    return p->loss[query];
}

double glim__products_norm2(const glim_products *p, size_t weight, size_t query) {
    return p->kept[weight].norm2[query];
}

float *glim__products_formed(glim_products *p, size_t weight, size_t query) {
    return p->kept[weight].forms[query];
}

bool glim__products_factors(const glim_products *p, size_t weight, size_t query, const float **g,
                            const float **a, size_t *rows) {
    const struct kept *k = &p->kept[weight];
    size_t from = query ? k->ends[query - 1] : 0;
    *rows = k->ends[query] - from;
    *g = k->g ? k->g + from * p->weights[weight].rows : NULL;
    *a = k->a ? k->a + from * p->weights[weight].cols : NULL;
    return *rows > 0;
}
