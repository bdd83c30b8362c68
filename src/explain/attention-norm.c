/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two readings of what attention adds at the target's position, v = sum_s a_s x_s, where
 * x_s is what the heads take from source s:
 *
 *   attention-norm  |a_s x_s| / sum_k |a_k x_k|     sizes (Kobayashi et al. 2020)
 *   weighted-sum    <a_s x_s, v> / <v, v>           how far each goes v's way: they add
 *                                                   up to one, some may be negative
 *
 * Layer by layer, and their mean. A weight alone misleads where the value is nearly zero,
 * as it is at attention sinks.
 */
#include "explain/attention-parts.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t layer;
};

static const glim_param params[] = {
    GLIM_LAYER_PARAM(struct opts),
    {0},
};

struct work {
    glim_predictor *p;
    bool lengths;
    double *sum;    /* (n_rows, S) of the layers so far */
    double *share;  /* (S) of the layer at hand */
    double *vector; /* (C) sum of the parts */
    size_t S, layers;
    double cancelled; /* sum of lengths by length of the sum, the most */
};

static double length_of(const float *x, size_t n) {
    double squares = 0;
    for (size_t c = 0; c < n; c++)
        squares += (double)x[c] * x[c];
    return sqrt(squares);
}

static glim_status see(void *data, const glim_parts *one, glim_error *err) {
    struct work *w = data;
    size_t C = one->C;
    double lengths = 0, squares = 0;
    memset(w->vector, 0, C * sizeof *w->vector);
    for (size_t i = 0; i < one->S * C; i++)
        w->vector[i % C] += one->parts[i];
    for (size_t c = 0; c < C; c++)
        squares += w->vector[c] * w->vector[c];
    for (size_t s = 0; s < one->S; s++) {
        double length = length_of(one->parts + s * C, C), along = 0;
        for (size_t c = 0; c < C; c++)
            along += one->parts[s * C + c] * w->vector[c];
        w->share[s] = w->lengths ? length : along;
        lengths += length;
    }
    double whole = w->lengths ? lengths : squares;
    for (size_t s = 0; s < one->S && whole > 0; s++)
        w->sum[one->row * w->S + s] += w->share[s] / whole;
    if (squares > 0)
        w->cancelled = fmax(w->cancelled, lengths / sqrt(squares));
    w->layers += !one->row;
    return GLIM_OK;
}

static void fill(struct work *w, double off, glim_document *doc) {
    glim_shares shares = {0};
    for (size_t r = 0; r < w->p->n_rows; r++) {
        double *row = w->sum + r * w->S, sum = 0;
        for (size_t s = 0; s < w->S; s++)
            sum += row[s] /= (double)w->layers;
        glim__shares_put(&shares, w->p, doc, r, row, sum == 0 ? 0 : 1);
    }
    glim__attention_parts_tell(off, doc);
    glim__shares_tell(&shares, doc, "how far the shares of a row are from a sum of one");
    if (w->lengths)
        return;
    glim_document_check_add(doc, "cancelled", w->cancelled,
                            "lengths of the parts by the length of their sum, the most of any "
                            "layer");
    if (w->cancelled > 30)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "in some layer the parts are %.0f times longer than their sum: its "
                            "shares are what little remains; compare with attention-norm",
                            w->cancelled);
}

static glim_status run_as(glim_predictor *p, const struct opts *o, bool lengths, glim_document *doc,
                          glim_error *err) {
    struct work w = {.p = p, .lengths = lengths};
    glim_pattern_shape shape = glim__pattern_shape(p, glim__pattern_source(p));
    glim_parts_how how = {.layer = o->layer, .n = p->n_rows};
    double off = 0;
    w.S = shape.S;
    size_t all = (p->n_rows + 1) * w.S + p->C;
    glim_status status = glim__layer_choose(o->layer, &shape, err);
    if (!status)
        status = glim__scores_new(p, doc, false, err);
    w.sum = status ? NULL : glim__calloc(p->ctx, all, sizeof *w.sum);
    if (!status && !w.sum)
        status = glim__oom(p->ctx, err, "shares", all * sizeof *w.sum);
    if (!status) {
        w.share = w.sum + p->n_rows * w.S;
        w.vector = w.share + w.S;
        status = glim__attention_parts(p, &how, see, &w, &off, err);
    }
    if (!status)
        fill(&w, off, doc);
    glim__free(p->ctx, w.sum);
    return status;
}

static glim_status run_norm(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                            glim_error *err) {
    return run_as(p, opts, true, doc, err);
}

static glim_status run_sum(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                           glim_error *err) {
    return run_as(p, opts, false, doc, err);
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    uint64_t own = 8 * ((p->n_rows + 1) * glim__pattern_shape(p, glim__pattern_source(p)).S + p->C);
    glim__attention_parts_plan(p, p->n_rows, out);
    out->bytes += own;
    out->bytes_wanted += own;
    return GLIM_OK;
}

const glim_method glim_method_attention_norm = {
    .name = "attention-norm",
    .summary = "attention times the size of what is taken",
    .cite = "Kobayashi et al. 2020, arXiv:2004.10102",
    .family = "attention",
    .costs = "1 pass",
    .caption = "Sizes only: what is taken may speak for the target or against it, and layers are "
               "looked at one by one.",
    .formula = "score_i = |a_i x_i| / sum over k of |a_k x_k|, x_i what the heads take from i;  "
               "layer by layer, and their mean",
    .use = "instead of raw weights: sinks with empty values drop out",
    .avoid = "for or against: sizes only",
    .needs = GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS,
    .params = params,
    .opts_size = sizeof(struct opts),
    .unit = "share",
    .plan = plan,
    .run = run_norm,
};

const glim_method glim_method_weighted_sum = {
    .name = "weighted-sum",
    .summary = "each word's share in what attention adds",
    .cite = "Kobayashi et al. 2020, arXiv:2004.10102; Bahdanau, Cho, Bengio 2014",
    .family = "attention",
    .costs = "1 pass",
    .caption = "Shares of what attention adds, layer by layer: negative ones pull the other way. "
               "They tell nothing of what later layers make of it.",
    .formula = "score_i = (a_i x_i . v) / (v . v), v = sum over i of a_i x_i, x_i what the heads "
               "take from i",
    .use = "for signed shares of what one layer of attention adds",
    .avoid = "for the answer itself: later layers may undo it",
    .needs = GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .unit = "share",
    .plan = plan,
    .run = run_sum,
};
