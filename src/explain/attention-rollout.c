/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `attention-rollout`: attention through all layers, the residual stream counted as a
 * share of every row (Abnar and Zuidema 2020):
 *
 *   A~_l = w I + (1 - w) A_l, rows normalised,  R = A~_L ... A~_1,  scores = row of R
 *
 * Only rows of targets are wanted, so they go from the top layer down, r <- r A~_l: T^2 a
 * layer. Of an encoder-decoder a share 1 - w of what is at a written token crosses to the
 * text at every layer and goes down the encoder afterwards; what never crosses is
 * reported. The same for every target at a position: it knows attention, not the target.
 */
#include "explain/attention.h"

#include <math.h>
#include <string.h>

struct opts {
    double residual;
    const char *head, *sink;
};

static const glim_param params[] = {
    GLIM_RESIDUAL_PARAM(struct opts),
    GLIM_HEAD_PARAM(struct opts, "what is made of the heads of a layer, or which one"),
    GLIM_SINK_PARAM(struct opts, "renormalise"),
    {0},
};

enum { COLUMNS = 128, ROWS = 16, BEGINNING = 2 };

struct work {
    glim_predictor *p;
    double residual;
    glim_sinks sinks[GLIM_PATTERN_KINDS];
    double *own, *next, *text; /* (n_rows, T) twice; of an encoder-decoder (n_rows, S) */
    double *whole;             /* what the rows of the layer at hand sum to */
};

/* One layer for all rows: into += share_t r[t] A[t]; diagonal: and keep_t r[t] at t. */
struct step {
    const glim_attended *layer;
    const double *from;
    double *into, *whole;
    size_t rows, T, S;
    double residual;
    bool diagonal;
};

/* Sum of a row, for rows that do not sum to one: four chains, which end in a fixed order. */
static double row_sum(const float *row, size_t n) {
    double sum[4] = {0};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (int i = 0; i < 4; i++)
            sum[i] += row[k + (size_t)i];
    for (; k < n; k++)
        sum[0] += row[k];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void sums_item(void *data, size_t item, int worker) {
    const struct step *s = data;
    for (size_t t = item * ROWS; t < (item + 1) * ROWS && t < s->T; t++) {
        size_t n;
        const float *row = glim__attended_row(s->layer, t, &n);
        double sum = row_sum(row, n);
        s->whole[t] = s->diagonal ? s->residual + (1 - s->residual) * sum : sum;
    }
}

static void step_item(void *data, size_t item, int worker) {
    const struct step *s = data;
    size_t from = item * COLUMNS, to = from + COLUMNS < s->S ? from + COLUMNS : s->S;
    for (size_t t = s->layer->shape.causal ? from : 0; t < s->T; t++) {
        size_t n;
        const float *row = glim__attended_row(s->layer, t, &n);
        size_t past = n < to ? n : to;
        double whole = s->whole[t];
        for (size_t r = 0; r < s->rows && whole > 0; r++) {
            double here = s->from[r * s->T + t];
            double share = here * (s->diagonal ? 1 - s->residual : 1) / whole;
            double *into = s->into + r * s->S;
            if (here == 0)
                continue;
            for (size_t k = from; k < past; k++)
                into[k] += share * row[k];
            if (s->diagonal && t >= from && t < to)
                into[t] += here * s->residual / whole;
        }
    }
}

static void take_step(const struct work *w, const glim_attended *layer, const double *from,
                      double *into, bool diagonal) {
    struct step s = {.layer = layer,
                     .from = from,
                     .into = into,
                     .whole = w->whole,
                     .rows = w->p->n_rows,
                     .T = layer->shape.T,
                     .S = layer->shape.S,
                     .residual = w->residual,
                     .diagonal = diagonal};
    glim__parallel(w->p->ctx, (s.T + ROWS - 1) / ROWS, sums_item, &s);
    glim__parallel(w->p->ctx, (s.S + COLUMNS - 1) / COLUMNS, step_item, &s);
}

/* What crosses to the text leaves the written tokens. */
static void cross(struct work *w, const glim_attended *layer) {
    size_t n = w->p->n_rows * layer->shape.T;
    for (size_t i = 0; i < n; i++)
        w->next[i] = w->own[i] * (1 - w->residual);
    for (size_t r = 0; r < w->p->n_rows; r++)
        for (size_t t = 0; t < layer->shape.T; t++) {
            size_t columns;
            const float *row = glim__attended_row(layer, t, &columns);
            if (row_sum(row, columns) > 0) /* with nothing to look at, all stays */
                w->own[r * layer->shape.T + t] *= w->residual;
        }
    take_step(w, layer, w->next, w->text, false);
}

static glim_status down(void *data, const glim_attended *layer, glim_error *err) {
    struct work *w = data;
    if (layer->kind == GLIM_PATTERN_CROSS) {
        cross(w, layer);
        return GLIM_OK;
    }
    double **rows = layer->kind == GLIM_PATTERN_ENCODER ? &w->text : &w->own;
    memset(w->next, 0, w->p->n_rows * layer->shape.S * sizeof *w->next);
    take_step(w, layer, *rows, w->next, true);
    double *swap = *rows;
    *rows = w->next;
    w->next = swap;
    return GLIM_OK;
}

static void begin(struct work *w, const glim_pattern_shape *self) {
    for (size_t r = 0; r < w->p->n_rows; r++) {
        size_t at = w->p->row_at(w->p, r);
        for (size_t t = 0; t < self->T; t++)
            w->own[r * self->T + t] = at == SIZE_MAX ? 1.0 / (double)self->T : at == t;
    }
}

/* In a deep causal model all mass moves to the beginning, whatever the text says. */
static void judge_drained(const struct work *w, glim_document *doc) {
    double most = 0;
    for (size_t r = 0; r < w->p->n_rows; r++) {
        size_t at = w->p->row_at(w->p, r);
        if (at >= 2 * BEGINNING && at < w->p->T)
            most = fmax(most, w->own[r * w->p->T] + w->own[r * w->p->T + 1]);
    }
    glim_document_check_add(doc, "beginning_share", most,
                            "what goes to the first two tokens, the most of any row");
    if (most > 0.5)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% has drained to the first two tokens, as it does in any deep "
                            "causal model; compare with attention-gradient",
                            100 * most);
}

static void fill(struct work *w, glim_document *doc, bool pair) {
    glim_shares shares = {0};
    double most = 0;
    for (size_t r = 0; r < w->p->n_rows; r++) {
        double written = 0;
        for (size_t t = 0; t < w->p->n_rows && pair; t++)
            written += w->own[r * w->p->n_rows + t];
        most = fmax(most, written);
        glim__shares_put(&shares, w->p, doc, r, (pair ? w->text : w->own) + r * w->p->T,
                         1 - written);
    }
    if (!pair && glim__pattern_shape(w->p, GLIM_PATTERN_SELF).causal)
        judge_drained(w, doc);
    if (pair)
        glim_document_check_add(doc, "written_share", most,
                                "what never crosses to the text, the most of any row");
    glim__shares_tell(&shares, doc, "how far the shares of a row are from a sum of one");
}

static size_t room_of(const glim_predictor *p, size_t *each) {
    glim_pattern_shape self = glim__pattern_shape(p, GLIM_PATTERN_SELF);
    *each = p->n_rows * (self.T > p->T ? self.T : p->T) + 1;
    return 3 * *each + (self.T > p->T ? self.T : p->T);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {.p = p, .residual = o->residual};
    glim_attended_how how = {0};
    glim_pattern_shape self = glim__pattern_shape(p, GLIM_PATTERN_SELF);
    bool pair = glim__pattern_source(p) == GLIM_PATTERN_CROSS;
    size_t each, all = room_of(p, &each);
    glim_status status = glim__heads_choose(&how.heads, o->head, &self, err);
    if (!status)
        status = glim__scores_new(p, doc, false, err);
    for (int k = 0; k < GLIM_PATTERN_KINDS && !status; k++) {
        how.sinks[k] = &w.sinks[k];
        status = glim__sinks_init(&w.sinks[k], p, (glim_pattern_kind)k, o->sink, err);
    }
    double *room = status ? NULL : glim__calloc(p->ctx, all, sizeof *room);
    if (!status && !room)
        status = glim__oom(p->ctx, err, "the rollout", all * sizeof *room);
    if (!status) {
        w.own = room;
        w.next = room + each;
        w.text = room + 2 * each;
        w.whole = room + 3 * each;
        begin(&w, &self);
        status = glim__attended_down(p, pair ? 7u : 1u << GLIM_PATTERN_SELF, &how, down, &w, err);
    }
    if (!status)
        fill(&w, doc, pair);
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++) {
        if (!status && k == (int)glim__pattern_source(p))
            glim__sinks_tell(&w.sinks[k], p, doc);
        glim__sinks_release(&w.sinks[k]);
    }
    glim__free(p->ctx, room);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    bool pair = glim__pattern_source(p) == GLIM_PATTERN_CROSS;
    size_t each, all = room_of(p, &each);
    glim__attended_plan(p, pair ? 7u : 1u << GLIM_PATTERN_SELF, out);
    out->bytes += 8 * all;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        out->bytes += glim__sinks_bytes(glim__pattern_shape(p, (glim_pattern_kind)k).S);
    return GLIM_OK;
}

const glim_method glim_method_attention_rollout = {
    .name = "attention-rollout",
    .summary = "attention followed through all layers to the words",
    .cite = "Abnar, Zuidema 2020, arXiv:2005.00928",
    .family = "attention",
    .costs = "1 pass",
    .caption = "The same for every target at a position: it follows attention and knows nothing of "
               "what is said. Compare with attention-gradient or occlusion.",
    .formula = "R = product over layers of (w I + (1 - w) A), rows made to sum to one, A the mean "
               "over heads;  score_i = R[t, i]",
    .use = "for a picture of how words mix through all layers",
    .avoid = "to tell two targets at one position apart: it gives the same for both",
    .needs = GLIM_CAN_ATTENTION,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fold = GLIM_FOLD_SUM,
    .unit = "share",
    .plan = plan,
    .run = run,
};
