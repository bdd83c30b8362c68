/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `attention-gradient`: attention weighted with the target's gradient, through all layers
 * (Chefer, Gur and Wolf 2021, ICCV; the generic rules, without relevance):
 *
 *   A^_l = mean over heads of max(0, A . df/dA),  R <- R + A^ R from R = I,  row of R - I
 *
 * A walk back meets the layers from the top down, so a row goes along with it, r <- r +
 * r A^_l, and one layer lives. Of an encoder-decoder the rules need both stacks, which
 * are kept, and are applied from the bottom up once a row has been walked:
 *
 *   encoder  R_kk += A^ R_kk          itself  R_qk += A^ R_qk, R_qq += A^ R_qq
 *   across   R_qk += N(R_qq)^T A^ N(R_kk),  N(R) = I + rows of (R - I) made to sum to one
 */
#include "explain/attention.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *sink;
};

static const glim_param params[] = {
    {.name = "sink",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, sink),
     .def.s = "show",
     .choices = "show|hide",
     .help = "positions that draw attention whatever they say: as they are, or as 0"},
    {0},
};

enum { COLUMNS = 128 };

struct work {
    glim_predictor *p;
    glim_document *doc;
    glim_pattern_shape shapes[GLIM_PATTERN_KINDS];
    glim_sinks sinks; /* of the columns of the scores */
    bool pair;
    size_t row;
    float *kept[GLIM_PATTERN_KINDS]; /* (T, S) of one layer; of a pair of all layers */
    double *r, *next;                /* (T) twice */
    double *room;                    /* of a pair */
    double largest;
};

/* ---- one head into its layer ---- */

struct mix {
    const struct work *w;
    const glim_pattern *one;
    float *into;
    glim_sinks *sinks;
};

static void mix_item(void *data, size_t item, int worker) {
    const struct mix *m = data;
    const glim_pattern *one = m->one;
    size_t S = one->shape.S, from = item * COLUMNS, to = from + COLUMNS < S ? from + COLUMNS : S;
    float share = 1.0f / (float)one->shape.heads;
    for (size_t t = one->shape.causal ? from : 0; t < one->shape.T; t++) {
        const float *a = one->weights + t * S, *d = one->gradient + t * S;
        float *into = m->into + t * S;
        size_t past = one->shape.causal && t + 1 < to ? t + 1 : to;
        for (size_t s = from; s < past; s++) {
            float x = a[s] * d[s];
            into[s] = (one->head ? into[s] : 0) + (x > 0 ? share * x : 0);
        }
    }
    if (m->sinks)
        glim__sinks_add(m->sinks, one, from, to);
}

static void hide_sinks(const struct work *w, const glim_pattern *one, float *layer) {
    for (size_t t = 0; t < one->shape.T && w->sinks.way == GLIM_SINK_HIDE; t++)
        for (size_t s = 0; s < one->shape.S; s++)
            layer[t * one->shape.S + s] *= !w->sinks.here[s];
}

/* ---- one stack: the row goes along ---- */

struct step {
    const float *layer;
    const double *from;
    double *into;
    size_t T;
    bool causal;
};

static void step_item(void *data, size_t item, int worker) {
    const struct step *s = data;
    size_t from = item * COLUMNS, to = from + COLUMNS < s->T ? from + COLUMNS : s->T;
    memcpy(s->into + from, s->from + from, (to - from) * sizeof *s->into);
    for (size_t t = s->causal ? from : 0; t < s->T; t++) {
        size_t past = s->causal && t + 1 < to ? t + 1 : to;
        for (size_t k = from; k < past && s->from[t] != 0; k++)
            s->into[k] += s->from[t] * s->layer[t * s->T + k];
    }
}

static void begin_row(struct work *w) {
    size_t T = w->shapes[GLIM_PATTERN_SELF].T, at = w->p->row_at(w->p, w->row);
    for (size_t t = 0; t < T; t++)
        w->r[t] = at == SIZE_MAX ? 1.0 / (double)T : at == t;
}

/* Scores of a row: what came of it, less where it began. */
static void end_row(struct work *w, double *scores, bool begun) {
    size_t U = w->p->units->count, at = w->p->row_at(w->p, w->row);
    double fixed;
    for (size_t t = 0; t < w->p->T && begun; t++)
        scores[t] -= at == SIZE_MAX ? 1.0 / (double)w->p->T : at == t;
    glim__units_sum(w->p, w->row, scores, w->doc->scores + w->row * U, &fixed);
    if (w->p->n_rows == 1)
        w->doc->fixed_total = fixed;
    w->largest = fmax(w->largest, glim__tokens_total(w->p, scores));
    w->row++;
}

static void walk_layer(struct work *w, const glim_pattern *one) {
    struct step s = {.layer = w->kept[one->kind],
                     .from = w->r,
                     .into = w->next,
                     .T = one->shape.T,
                     .causal = one->shape.causal};
    glim__parallel(w->p->ctx, (s.T + COLUMNS - 1) / COLUMNS, step_item, &s);
    double *swap = w->r;
    w->r = w->next;
    w->next = swap;
    if (one->layer)
        return;
    end_row(w, w->r, true);
    if (w->row < w->p->n_rows)
        begin_row(w);
}

/* ---- two stacks: the rules from the bottom up ---- */

/* into (n, m) += a (n, k) b (k, m); a transposed when asked. */
static void add_product(double *into, const double *a, bool turned, const double *b, size_t n,
                        size_t k, size_t m) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) {
            double x = turned ? a[j * n + i] : a[i * k + j];
            for (size_t c = 0; c < m && x != 0; c++)
                into[i * m + c] += x * b[j * m + c];
        }
}

static void widen(double *out, const float *in, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = in[i];
}

/* out = I + rows of (R - I) made to sum to one. */
static void normalise(double *out, const double *r, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double sum = -1;
        for (size_t j = 0; j < n; j++)
            sum += r[i * n + j];
        for (size_t j = 0; j < n; j++)
            out[i * n + j] = (i == j) + (sum > 0 ? (r[i * n + j] - (i == j)) / sum : 0);
    }
}

/* R += A^ R for a square A^ and R (n, m). */
static void add_layer(double *r, const float *layer, size_t n, size_t m, double *a, double *copy) {
    widen(a, layer, n * n);
    memcpy(copy, r, n * m * sizeof *r);
    add_product(r, a, false, copy, n, n, m);
}

static size_t pair_room(const glim_predictor *p) {
    size_t R = p->n_rows, S = p->T, most = R > S ? R : S;
    return S * S + R * R + R * S + 4 * most * most + 1;
}

static void walk_pair(struct work *w) {
    size_t R = w->p->n_rows, S = w->p->T, most = R > S ? R : S;
    double *kk = w->room, *qq = kk + S * S, *qk = qq + R * R, *a = qk + R * S, *b = a + most * most,
           *c = b + most * most, *d = c + most * most;
    memset(w->room, 0, pair_room(w->p) * sizeof *w->room);
    for (size_t i = 0; i < S; i++)
        kk[i * S + i] = 1;
    for (size_t i = 0; i < R; i++)
        qq[i * R + i] = 1;
    for (int l = 0; l < w->shapes[GLIM_PATTERN_ENCODER].layers; l++)
        add_layer(kk, w->kept[GLIM_PATTERN_ENCODER] + (size_t)l * S * S, S, S, a, b);
    normalise(d, kk, S);
    for (int l = 0; l < w->shapes[GLIM_PATTERN_SELF].layers; l++) {
        const float *self = w->kept[GLIM_PATTERN_SELF] + (size_t)l * R * R;
        add_layer(qk, self, R, S, a, b);
        add_layer(qq, self, R, R, a, b);
        widen(a, w->kept[GLIM_PATTERN_CROSS] + (size_t)l * R * S, R * S);
        memset(b, 0, R * S * sizeof *b);
        add_product(b, a, false, d, R, S, S);
        normalise(c, qq, R);
        add_product(qk, c, true, b, R, R, S);
    }
    end_row(w, qk + w->p->row_at(w->p, w->row) * S, false);
}

/* ---- running ---- */

static glim_status see(void *data, const glim_pattern *one, glim_error *err) {
    struct work *w = data;
    size_t n = one->shape.T * one->shape.S;
    struct mix m = {.w = w,
                    .one = one,
                    .into = w->kept[one->kind] + (w->pair ? (size_t)one->layer * n : 0),
                    .sinks = one->kind == glim__pattern_source(w->p) ? &w->sinks : NULL};
    glim__parallel(w->p->ctx, (one->shape.S + COLUMNS - 1) / COLUMNS, mix_item, &m);
    if (one->head < one->shape.heads - 1)
        return GLIM_OK;
    if (m.sinks) {
        glim__sinks_find(m.sinks, &one->shape);
        hide_sinks(w, one, m.into);
    }
    if (!w->pair)
        walk_layer(w, one);
    else if (one->kind == GLIM_PATTERN_ENCODER && !one->layer)
        walk_pair(w);
    return GLIM_OK;
}

/* Floats that are kept of a kind. */
static size_t kept_of(const struct work *w, int kind) {
    const glim_pattern_shape *s = &w->shapes[kind];
    return s->T * s->S * (size_t)(w->pair ? s->layers : s->layers > 0);
}

static void shape_work(struct work *w, const glim_predictor *p) {
    w->pair = glim__pattern_source(p) == GLIM_PATTERN_CROSS;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        w->shapes[k] = glim__pattern_shape(p, (glim_pattern_kind)k);
}

static glim_status make_room(struct work *w, glim_error *err) {
    glim_context *ctx = w->p->ctx;
    size_t T = w->shapes[GLIM_PATTERN_SELF].T, doubles = w->pair ? pair_room(w->p) : 2 * T + 1;
    bool ok = true;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++) {
        w->kept[k] = glim__calloc(ctx, kept_of(w, k) + 1, sizeof(float));
        ok = ok && w->kept[k];
    }
    w->room = glim__calloc(ctx, doubles, sizeof *w->room);
    if (!ok || !w->room)
        return glim__oom(ctx, err, "weighted attention", 4 * kept_of(w, GLIM_PATTERN_SELF));
    w->r = w->room;
    w->next = w->room + T;
    if (!w->pair)
        begin_row(w);
    return GLIM_OK;
}

static void finish(const struct work *w, glim_document *doc) {
    glim_document_check_add(doc, "largest_total", w->largest,
                            "sum of the scores of a row, the most of any row");
    glim__sinks_tell(&w->sinks, w->p, doc);
    if (w->largest <= 1e-12)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "no attention speaks for the target: all scores are nearly 0");
    else if (w->largest < 0.02 && doc->target.output && strcmp(doc->target.output, "logit"))
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "gradients are small, as they are where the model is sure; try "
                            "--output logit");
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {.p = p, .doc = doc};
    shape_work(&w, p);
    glim_status status = glim__scores_new(p, doc, false, err);
    if (!status)
        status = glim__sinks_init(&w.sinks, p, glim__pattern_source(p), o->sink, err);
    if (!status)
        status = make_room(&w, err);
    if (!status)
        status = glim__patterns_gradient(p, w.pair ? 7u : 1u << GLIM_PATTERN_SELF, see, &w, err);
    if (!status)
        finish(&w, doc);
    glim__sinks_release(&w.sinks);
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        glim__free(p->ctx, w.kept[k]);
    glim__free(p->ctx, w.room);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    struct work w = {0};
    shape_work(&w, p);
    glim__patterns_plan(p, w.pair ? 7u : 1u << GLIM_PATTERN_SELF, true, out);
    uint64_t own = glim__sinks_bytes(w.shapes[glim__pattern_source(p)].S) +
                   8 * (w.pair ? pair_room(p) : 2 * p->T + 1) + 256;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        own += 4 * (kept_of(&w, k) + 1);
    out->bytes += own;
    out->bytes_wanted += own;
    return GLIM_OK;
}

const glim_method glim_method_attention_gradient = {
    .name = "attention-gradient",
    .summary = "attention that speaks for the target, through all layers",
    .cite = "Chefer, Gur, Wolf 2021, arXiv:2103.15679",
    .family = "attention",
    .costs = "1 gradient",
    .caption = "Only what raises the target is counted, and sizes of different targets are not "
               "comparable: the map is no linear function of the target.",
    .formula = "R = R + B R from R = I, layer by layer, B = mean over heads of max(0, A * df/dA);  "
               "score_i = R[t, i]",
    .use = "when a map of attention must be about this target",
    .avoid = "for evidence against the target: only what raises it counts",
    .needs = GLIM_CAN_ATTENTION | GLIM_CAN_GRADIENT,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fold = GLIM_FOLD_SUM,
    .unit = "size",
    .plan = plan,
    .run = run,
};
