/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of attention's output by source (Kobayashi et al. 2020), for the rows that tell
 * targets. One product a row and layer gives all sources' vectors: the heads' values,
 * weighted, go through the packed output projection together. (Gram matrices of heads
 * give lengths alone, and pay when there are more rows than heads.) The mean of a pooled
 * output is the same with the mean of the weights, since parts are linear in them.
 */
#include "explain/attention-parts.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

enum { MOST_HOOKS = 8 };

struct work {
    glim_predictor *p;
    const glim_parts_how *how;
    glim_pattern_kind kind;
    glim_pattern_shape shape;
    size_t H, G, D, C;
    float *weights; /* (n, H, S) */
    float *values;  /* (S, G, D) of the layer */
    float *mixed;   /* (S, H, D) */
    float *parts;   /* (S, C) */
    float *out;     /* (C) */
    double *row;    /* (S), and behind it (C) twice */
    glim_parts_visit *visit;
    void *data;
    double off;
};

static bool wanted(const struct work *w, int layer) {
    return w->how->layer < 0 || layer == w->how->layer;
}

static glim_status see_values(void *data, const glim_site *site, glim_error *err) {
    const struct work *w = data;
    if (wanted(w, site->layer))
        memcpy(w->values, site->data, w->shape.S * w->G * w->D * sizeof(float));
    return GLIM_OK;
}

static glim_status see_head(void *data, const glim_site *site, glim_error *err) {
    const struct work *w = data;
    size_t S = w->shape.S;
    for (size_t i = 0; i < w->how->n && wanted(w, site->layer); i++) {
        float *into = w->weights + (i * w->H + (size_t)site->head) * S;
        glim__pattern_row(w->p, w->how->first + i, site->data, &w->shape, w->row);
        for (size_t s = 0; s < S; s++)
            into[s] = (float)w->row[s];
    }
    return GLIM_OK;
}

/* (S, H, D): values of each source, weighted by head. */
static void mix(const struct work *w, size_t i, size_t S) {
    size_t H = w->H, D = w->D, per = H / w->G;
    for (size_t s = 0; s < S; s++)
        for (size_t h = 0; h < H; h++) {
            float a = w->weights[(i * H + h) * w->shape.S + s];
            const float *v = w->values + (s * w->G + h / per) * D;
            for (size_t d = 0; d < D; d++)
                w->mixed[(s * H + h) * D + d] = a * v[d];
        }
}

/* sum (C) = the parts and the bias. */
static void sum_parts(const struct work *w, const glim_layer *l, size_t S, double *sum) {
    for (size_t c = 0; c < w->C; c++) {
        sum[c] = l->o_bias ? l->o_bias[c] : 0;
        for (size_t s = 0; s < S; s++)
            sum[c] += w->parts[s * w->C + c];
    }
}

/* by (C): what the norm behind attention multiplies with at `sum`. */
static void norm_factors(const struct work *w, const float *norm, const double *sum, double *by) {
    double squares = 0;
    for (size_t c = 0; c < w->C; c++)
        squares += sum[c] * sum[c];
    double inverse = 1 / sqrt(squares / (double)w->C + w->p->model->hyper.eps);
    for (size_t c = 0; c < w->C; c++)
        by[c] = norm ? norm[c] * inverse : 1;
}

/* The model's own output at a target's position, (T, C) given. */
static void take_out(const struct work *w, size_t row, const float *all, size_t T) {
    size_t at = w->p->row_at(w->p, row), C = w->C;
    for (size_t c = 0; c < C; c++) {
        double sum = 0;
        for (size_t t = 0; t < T && at == SIZE_MAX; t++)
            sum += all[t * C + c];
        w->out[c] = at == SIZE_MAX ? (float)(sum / (double)T) : all[at * C + c];
    }
}

static void compare(struct work *w, const double *sum, const double *by) {
    double largest = 0, off = 0;
    for (size_t c = 0; c < w->C; c++) {
        largest = fmax(largest, fabs((double)w->out[c]));
        off = fmax(off, fabs(w->out[c] - sum[c] * by[c]));
    }
    w->off = fmax(w->off, largest > 0 ? off / largest : off);
}

static glim_status see_out(void *data, const glim_site *site, glim_error *err) {
    struct work *w = data;
    const glim_layer *block = &w->p->model->layers[site->layer];
    const glim_layer *l = w->kind == GLIM_PATTERN_CROSS ? block->cross : block;
    glim_context *ctx = w->p->ctx;
    glim_status status = GLIM_OK;
    if (!wanted(w, site->layer))
        return GLIM_OK;
    const float *norm = w->kind == GLIM_PATTERN_CROSS ? NULL : l->attn_post_norm;
    double *sum = w->row + w->shape.S, *by = sum + w->C;
    for (size_t i = 0; i < w->how->n && !status; i++) {
        size_t row = w->how->first + i, at = w->p->row_at(w->p, row);
        size_t S = w->shape.causal && at != SIZE_MAX ? at + 1 : w->shape.S;
        mix(w, i, S);
        status =
            glim__linear(ctx, w->parts, w->C, w->mixed, w->H * w->D, (int64_t)S, &l->o, NULL, err);
        if (status)
            break;
        sum_parts(w, l, S, sum);
        norm_factors(w, norm, sum, by);
        take_out(w, row, site->data, site->dims[0]);
        compare(w, sum, by);
        for (size_t k = 0; k < S * w->C && norm && !w->how->raw; k++)
            w->parts[k] = (float)(w->parts[k] * by[k % w->C]);
        glim_parts one = {.layer = site->layer,
                          .row = row,
                          .S = S,
                          .C = w->C,
                          .parts = w->parts,
                          .out = w->out,
                          .norm = w->how->raw ? norm : NULL,
                          .sum = sum,
                          .eps = w->p->model->hyper.eps};
        status = w->visit(w->data, &one, err);
    }
    return status;
}

/* ---- running ---- */

static void shape_work(struct work *w, const glim_predictor *p) {
    const glim_hyper *h = &p->model->hyper;
    w->kind = glim__pattern_source(p);
    w->shape = glim__pattern_shape(p, w->kind);
    w->H = (size_t)h->H;
    w->G = (size_t)h->G;
    w->D = (size_t)h->D;
    w->C = (size_t)h->C;
}

static size_t make_hooks(struct work *w, glim_hook *hooks) {
    static const char *const names[][3] = {
        {"blocks.*.attn.hook_v", "blocks.*.attn.hook_pattern", "blocks.*.hook_attn_out"},
        {"decoder.blocks.*.cross_attn.hook_v", "decoder.blocks.*.cross_attn.hook_pattern",
         "decoder.blocks.*.hook_cross_attn_out"}};
    const char *const *mine = names[w->kind == GLIM_PATTERN_CROSS];
    size_t n = w->how ? w->how->n_more : 0;
    for (size_t i = 0; i < n; i++)
        hooks[i] = w->how->more[i];
    hooks[n++] = (glim_hook){mine[0], GLIM_HOOK_READ, see_values, w};
    hooks[n++] = (glim_hook){mine[1], GLIM_HOOK_READ | GLIM_HOOK_HEADS, see_head, w};
    hooks[n++] = (glim_hook){mine[2], GLIM_HOOK_READ, see_out, w};
    return n;
}

static size_t room_of(const struct work *w, size_t rows) {
    size_t S = w->shape.S;
    return rows * w->H * S + S * (w->G + w->H) * w->D + (S + 1) * w->C + 64;
}

glim_status glim__attention_parts(glim_predictor *p, const glim_parts_how *how,
                                  glim_parts_visit *visit, void *data, double *off,
                                  glim_error *err) {
    struct work w = {.p = p, .how = how, .visit = visit, .data = data};
    glim_hook hooks[MOST_HOOKS];
    shape_work(&w, p);
    size_t n = make_hooks(&w, hooks), S = w.shape.S, floats = room_of(&w, how->n);
    w.weights = glim__calloc(p->ctx, floats, sizeof(float));
    w.row = glim__calloc(p->ctx, S + 2 * w.C, sizeof *w.row);
    if (!w.weights || !w.row) {
        glim__free(p->ctx, w.weights);
        glim__free(p->ctx, w.row);
        return glim__oom(p->ctx, err, "attention's parts", floats * sizeof(float));
    }
    w.values = w.weights + how->n * w.H * S;
    w.mixed = w.values + S * w.G * w.D;
    w.out = w.mixed + S * w.H * w.D;
    w.parts = w.out + w.C; /* last: products read a little beyond */
    glim_status status = p->observe(p, hooks, n, -1, err);
    *off = fmax(*off, w.off);
    glim__free(p->ctx, w.weights);
    glim__free(p->ctx, w.row);
    return status;
}

void glim__attention_parts_plan(const glim_predictor *p, size_t rows, glim_plan *out) {
    struct work w = {0};
    glim_hook hooks[MOST_HOOKS];
    glim_plan pass = {0};
    shape_work(&w, p);
    p->plan_observe(p, hooks, make_hooks(&w, hooks), -1, &pass);
    uint64_t own = 4 * (uint64_t)room_of(&w, rows) + 8 * (w.shape.S + 2 * w.C) + 256;
    out->forward_tokens += pass.forward_tokens;
    out->bytes += pass.bytes + own;
    out->bytes_wanted += pass.bytes_wanted + own;
}

void glim__attention_parts_tell(double off, glim_document *doc) {
    glim_document_check_add(doc, "output_residual", off,
                            "how far the parts are from what the model adds, relative to its "
                            "largest number");
    if (off > 1e-2)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the parts miss what the model adds by %.2g of it", off);
}
