/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `attention-flow` (Abnar and Zuidema 2020): layers as a network of pipes. An edge runs
 * from position i behind a layer to position j before it, as wide as A~[i, j] = w I + (1 -
 * w) A; a unit's score is the most that flows from the target's position on top to the
 * unit's tokens at the bottom. Each unit is a problem of its own, so scores need not add
 * up. Of an encoder-decoder written tokens have a pipe to the text in every layer.
 *
 * Exact, which is why it is for short texts: edges grow with T^2 a layer.
 */
#include "explain/attention.h"
#include "explain/max-flow.h"

#include <math.h>
#include <string.h>

struct opts {
    double residual;
    int64_t max_tokens;
    const char *head, *sink;
};

static const glim_param params[] = {
    GLIM_RESIDUAL_PARAM(struct opts),
    GLIM_HEAD_PARAM(struct opts, "what is made of the heads of a layer, or which one"),
    GLIM_SINK_PARAM(struct opts, "renormalise"),
    {.name = "max-tokens",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, max_tokens),
     .def.i = 128,
     .min = 1,
     .max = 1024,
     .help = "longest text; the work grows with its fourth power"},
    {0},
};

struct work {
    glim_predictor *p;
    glim_document *doc;
    double residual;
    bool pair;
    glim_pattern_shape shapes[GLIM_PATTERN_KINDS];
    glim_sinks sinks[GLIM_PATTERN_KINDS];
    glim_network net;
    size_t own, text; /* first node of the level at hand: written or only tokens; the text */
    size_t top, text_top;
    size_t bottom;    /* first node of the tokens that units are made of */
    glim_flow *flows; /* [threads] */
    double *off;      /* [threads] largest distance of a flow from its cut */
};

/* ---- the network ---- */

/* Levels of the stack that holds the targets, and nodes in all; two more for a source
   (pooled outputs) and each problem's end, which is the units' ends. */
static size_t count_nodes(const struct work *w, size_t *edges) {
    const glim_pattern_shape *self = &w->shapes[GLIM_PATTERN_SELF],
                             *encoder = &w->shapes[GLIM_PATTERN_ENCODER],
                             *cross = &w->shapes[GLIM_PATTERN_CROSS];
    size_t L = (size_t)self->layers, Le = (size_t)encoder->layers, T = self->T, S = encoder->S;
    size_t square = self->causal ? T * (T + 1) / 2 : T * T;
    *edges = L * (square + (w->pair ? T + T * cross->S : 0)) + Le * S * S + T + w->p->T;
    return (L * (w->pair ? 2 : 1) + 1) * T + (w->pair ? (Le + 1) * S : 0) + w->p->units->count + 1;
}

static void add_layer(struct work *w, const glim_attended *layer, size_t from, size_t to) {
    for (size_t t = 0; t < layer->shape.T; t++) {
        size_t n;
        double sum = 0;
        const float *row = glim__attended_row(layer, t, &n);
        for (size_t k = 0; k < n; k++)
            sum += row[k];
        double whole = w->residual + (1 - w->residual) * sum;
        for (size_t k = 0; k < n && whole > 0; k++)
            glim__network_add(&w->net, from + t, to + k,
                              ((k == t ? w->residual : 0) + (1 - w->residual) * row[k]) / whole);
    }
}

static void add_cross(struct work *w, const glim_attended *layer, size_t to) {
    for (size_t t = 0; t < layer->shape.T; t++) {
        size_t n;
        double sum = 0;
        const float *row = glim__attended_row(layer, t, &n);
        for (size_t k = 0; k < n; k++)
            sum += row[k];
        glim__network_add(&w->net, w->own + t, to + t, sum > 0 ? w->residual : 1);
        for (size_t k = 0; k < n && sum > 0; k++)
            glim__network_add(&w->net, w->own + t, w->text_top + k,
                              (1 - w->residual) * row[k] / sum);
    }
}

static glim_status down(void *data, const glim_attended *layer, glim_error *err) {
    struct work *w = data;
    size_t *level = layer->kind == GLIM_PATTERN_ENCODER ? &w->text : &w->own;
    size_t to = *level + layer->shape.T;
    if (layer->kind == GLIM_PATTERN_CROSS)
        add_cross(w, layer, to);
    else
        add_layer(w, layer, *level, to);
    *level = to;
    return GLIM_OK;
}

/* Nodes from the top: levels of the targets' stack, of the text, units' ends, a source. */
static glim_status build(struct work *w, const glim_attended_how *how, glim_error *err) {
    size_t edges, nodes = count_nodes(w, &edges), T = w->shapes[GLIM_PATTERN_SELF].T;
    size_t levels = (size_t)w->shapes[GLIM_PATTERN_SELF].layers * (w->pair ? 2 : 1) + 1;
    const glim_units *units = w->p->units;
    glim_status status = glim__network_init(&w->net, w->p->ctx, nodes, edges, err);
    w->text = w->text_top = levels * T;
    if (!status)
        status =
            glim__attended_down(w->p, w->pair ? 7u : 1u << GLIM_PATTERN_SELF, how, down, w, err);
    w->bottom = w->pair ? w->text : w->own;
    size_t ends = nodes - 1 - units->count;
    for (size_t u = 0; u < units->count && !status; u++)
        for (size_t t = units->at[u].first;
             t < units->at[u].first + units->at[u].count && t < w->p->T; t++)
            glim__network_add(&w->net, w->bottom + t, ends + u, 2);
    if (!status && w->p->row_at(w->p, 0) == SIZE_MAX) /* pooled: an even share of each */
        for (size_t t = 0; t < T; t++)
            glim__network_add(&w->net, nodes - 1, t, 1.0 / (double)T);
    return status;
}

/* ---- the problems ---- */

static void solve(void *data, size_t item, int worker) {
    struct work *w = data;
    size_t U = w->p->units->count, r = item / U, u = item % U, at = w->p->row_at(w->p, r);
    double cut;
    if (w->p->units->at[u].fixed || u >= w->p->row_end[r] || glim__check_cancel(w->p->ctx, NULL))
        return;
    double flow = glim__max_flow(&w->net, &w->flows[worker], at == SIZE_MAX ? w->net.nodes - 1 : at,
                                 w->net.nodes - 1 - U + u, &cut);
    w->doc->scores[item] = flow;
    w->off[worker] = fmax(w->off[worker], fabs(flow - cut));
}

static glim_status solve_all(struct work *w, glim_error *err) {
    size_t n = (size_t)glim_context_threads(w->p->ctx);
    glim_status status = GLIM_OK;
    w->flows = glim__calloc(w->p->ctx, n, sizeof *w->flows);
    w->off = glim__calloc(w->p->ctx, n, sizeof *w->off);
    if (!w->flows || !w->off)
        status = glim__oom(w->p->ctx, err, "a flow", n * sizeof *w->flows);
    for (size_t i = 0; i < n && !status; i++)
        status = glim__flow_init(&w->flows[i], &w->net, err);
    if (!status)
        glim__parallel(w->p->ctx, w->p->n_rows * w->p->units->count, solve, w);
    if (!status)
        status = glim__check_cancel(w->p->ctx, err);
    double off = 0;
    for (size_t i = 0; i < n && w->off; i++)
        off = fmax(off, w->off[i]);
    for (size_t i = 0; i < n && w->flows; i++)
        glim__flow_release(&w->flows[i], &w->net);
    glim__free(w->p->ctx, w->flows);
    glim__free(w->p->ctx, w->off);
    if (status)
        return status;
    glim_document_check_add(w->doc, "cut_residual", off,
                            "how far a flow is from the cut that limits it");
    if (off > 1e-6)
        glim_document_judge(w->doc, GLIM_VERDICT_DISTRUST,
                            "a flow misses the cut that limits it by %.2g", off);
    return GLIM_OK;
}

/* ---- running ---- */

static void shape_work(struct work *w, const glim_predictor *p) {
    w->p = (glim_predictor *)p;
    w->pair = glim__pattern_source(p) == GLIM_PATTERN_CROSS;
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        w->shapes[k] = glim__pattern_shape(p, (glim_pattern_kind)k);
}

static glim_status check_length(const struct work *w, const struct opts *o, glim_error *err) {
    size_t n = w->shapes[GLIM_PATTERN_SELF].T > w->p->T ? w->shapes[GLIM_PATTERN_SELF].T : w->p->T;
    if (n <= (size_t)o->max_tokens)
        return GLIM_OK;
    return glim_fail(err, GLIM_ELIMIT,
                     "%zu tokens are many for exact flows (at most %lld; raise --max-tokens, or "
                     "take --method attention-rollout)",
                     n, (long long)o->max_tokens);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {.doc = doc, .residual = o->residual};
    glim_attended_how how = {0};
    shape_work(&w, p);
    glim_status status = check_length(&w, o, err);
    if (!status)
        status = glim__heads_choose(&how.heads, o->head, &w.shapes[GLIM_PATTERN_SELF], err);
    if (!status)
        status = glim__scores_new(p, doc, false, err);
    for (int k = 0; k < GLIM_PATTERN_KINDS && !status; k++) {
        how.sinks[k] = &w.sinks[k];
        status = glim__sinks_init(&w.sinks[k], p, (glim_pattern_kind)k, o->sink, err);
    }
    if (!status)
        status = build(&w, &how, err);
    if (!status)
        status = solve_all(&w, err);
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++) {
        if (!status && k == (int)glim__pattern_source(p))
            glim__sinks_tell(&w.sinks[k], p, doc);
        glim__sinks_release(&w.sinks[k]);
    }
    glim__network_release(&w.net);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    struct work w = {0};
    size_t edges;
    shape_work(&w, p);
    glim_status status = check_length(&w, opts, err);
    if (status)
        return status;
    size_t nodes = count_nodes(&w, &edges), threads = (size_t)glim_context_threads(p->ctx);
    glim__attended_plan(p, w.pair ? 7u : 1u << GLIM_PATTERN_SELF, out);
    uint64_t own = glim__network_bytes(nodes, edges) +
                   threads * (glim__flow_bytes(nodes, edges) + sizeof(glim_flow) + 136);
    for (int k = 0; k < GLIM_PATTERN_KINDS; k++)
        own += glim__sinks_bytes(w.shapes[k].S);
    out->bytes += own;
    out->bytes_wanted += own;
    return GLIM_OK;
}

const glim_method glim_method_attention_flow = {
    .name = "attention-flow",
    .summary = "the most that can flow from each word to the target",
    .cite = "Abnar, Zuidema 2020, arXiv:2005.00928",
    .family = "attention",
    .costs = "1 pass and flows",
    .caption = "Each word's flow is a problem of its own, so they need not add up; it knows "
               "nothing of what is said. Compare with attention-gradient or occlusion.",
    .formula = "score_i = max flow from i to t through layers, pipes as wide as w I + (1 - w) A",
    .use = "of short texts, when rollout washes out over many layers",
    .avoid = "above 128 tokens, or to tell targets apart",
    .needs = GLIM_CAN_ATTENTION,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fold = GLIM_FOLD_NONE,
    .unit = "size",
    .plan = plan,
    .run = run,
};
