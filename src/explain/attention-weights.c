/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `attention`: where the row that tells a target looks, as it is: one layer or the mean of
 * all, one head or the mean or maximum of them. Of an encoder-decoder it is where each
 * written token looks in the text. Weights of one row are shares that sum to one, those of
 * `max` need not.
 */
#include "explain/attention.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t layer;
    const char *head, *sink;
};

static const glim_param params[] = {
    GLIM_LAYER_PARAM(struct opts),
    GLIM_HEAD_PARAM(struct opts, "which head, or what is made of all of them"),
    GLIM_SINK_PARAM(struct opts, "show"),
    {0},
};

enum { COLUMNS = 128 };

struct work {
    glim_predictor *p;
    const struct opts *o;
    glim_head_choice heads;
    glim_sinks sinks;
    double *row;         /* (S) of the head at hand */
    double *layer, *sum; /* (n_rows, S) twice: of the layer, of all layers */
    int layers;
};

struct head {
    struct work *w;
    const glim_pattern *one;
};

static void mix(const struct work *w, const glim_pattern *one, double *into) {
    size_t S = one->shape.S;
    if (w->heads.how == GLIM_HEADS_ONE ? one->head == w->heads.one : !one->head) {
        memcpy(into, w->row, S * sizeof *into);
        return;
    }
    for (size_t s = 0; s < S; s++)
        into[s] = w->heads.how == GLIM_HEADS_MEAN  ? into[s] + w->row[s]
                  : w->heads.how == GLIM_HEADS_MAX ? fmax(into[s], w->row[s])
                  : w->heads.how == GLIM_HEADS_MIN ? fmin(into[s], w->row[s])
                                                   : into[s];
}

static void end_layer(struct work *w, const glim_pattern *one) {
    size_t S = one->shape.S;
    glim__sinks_find(&w->sinks, &one->shape);
    for (size_t r = 0; r < w->p->n_rows; r++) {
        double *row = w->layer + r * S;
        for (size_t s = 0; s < S && w->heads.how == GLIM_HEADS_MEAN; s++)
            row[s] /= one->shape.heads;
        glim__sinks_apply_row(&w->sinks, row,
                              one->kind == GLIM_PATTERN_SELF ? w->p->row_at(w->p, r) : SIZE_MAX);
        for (size_t s = 0; s < S; s++)
            w->sum[r * S + s] += row[s];
    }
    w->layers++;
}

static void received_item(void *data, size_t item, int worker) {
    const struct head *h = data;
    size_t S = h->one->shape.S, from = item * COLUMNS;
    glim__sinks_add(&h->w->sinks, h->one, from, from + COLUMNS < S ? from + COLUMNS : S);
}

static glim_status see(void *data, const glim_pattern *one, glim_error *err) {
    struct work *w = data;
    if (w->o->layer >= 0 && one->layer != w->o->layer)
        return GLIM_OK;
    for (size_t r = 0; r < w->p->n_rows; r++) {
        glim__pattern_row(w->p, r, one->weights, &one->shape, w->row);
        mix(w, one, w->layer + r * one->shape.S);
    }
    glim__parallel(w->p->ctx, (one->shape.S + COLUMNS - 1) / COLUMNS, received_item,
                   &(struct head){w, one});
    if (one->head == one->shape.heads - 1)
        end_layer(w, one);
    return GLIM_OK;
}

static void fill(struct work *w, glim_document *doc) {
    size_t S = w->sinks.S;
    glim_shares shares = {0};
    bool whole = w->sinks.way != GLIM_SINK_HIDE && w->heads.how != GLIM_HEADS_MAX &&
                 w->heads.how != GLIM_HEADS_MIN;
    for (size_t r = 0; r < w->p->n_rows; r++) {
        double *row = w->sum + r * S, sum = 0;
        for (size_t s = 0; s < S; s++)
            sum += row[s] /= w->layers;
        glim__shares_put(&shares, w->p, doc, r, row, whole && sum > 0 ? 1 : sum);
    }
    glim__shares_tell(&shares, doc, "how far the weights of a row are from a sum of one");
    glim__sinks_tell(&w->sinks, w->p, doc);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    struct work w = {.p = p, .o = opts};
    glim_pattern_kind kind = glim__pattern_source(p);
    glim_pattern_shape shape = glim__pattern_shape(p, kind);
    size_t all = p->n_rows * shape.S;
    glim_status status = glim__layer_choose(w.o->layer, &shape, err);
    if (!status)
        status = glim__heads_choose(&w.heads, w.o->head, &shape, err);
    if (!status)
        status = glim__scores_new(p, doc, false, err);
    if (!status)
        status = glim__sinks_init(&w.sinks, p, kind, w.o->sink, err);
    w.row = status ? NULL : glim__calloc(p->ctx, shape.S + 2 * all, sizeof *w.row);
    if (!status && !w.row)
        status = glim__oom(p->ctx, err, "attention", (shape.S + 2 * all) * sizeof *w.row);
    if (!status) {
        w.layer = w.row + shape.S;
        w.sum = w.layer + all;
        status = glim__patterns_each(p, 1u << kind, see, &w, err);
    }
    if (!status)
        fill(&w, doc);
    glim__sinks_release(&w.sinks);
    glim__free(p->ctx, w.row);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    glim_pattern_kind kind = glim__pattern_source(p);
    uint64_t S = glim__pattern_shape(p, kind).S;
    glim__patterns_plan(p, 1u << kind, false, out);
    out->bytes += 8 * (S + 2 * p->n_rows * S) + glim__sinks_bytes((size_t)S);
    return GLIM_OK;
}

const glim_method glim_method_attention = {
    .name = "attention",
    .summary = "where the model looks when it makes the target",
    .cite = "Bahdanau, Cho, Bengio 2014, arXiv:1409.0473",
    .family = "attention",
    .costs = "1 pass",
    .caption = "Where it looks is not what decides (Jain and Wallace 2019): weights say nothing of "
               "what is taken from there. Compare with occlusion.",
    .formula = "score_i = A[layer, head, t, i], or their mean",
    .use = "to see where a head looks",
    .avoid = "as the reason of an answer: weights do not say what is taken",
    .needs = GLIM_CAN_ATTENTION,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fold = GLIM_FOLD_SUM,
    .unit = "share",
    .plan = plan,
    .run = run,
};
