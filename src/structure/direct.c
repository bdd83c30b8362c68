/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct logit attribution on any decoder, without a formula for any of them. The logit is
 * walked back with the divisors of norms held constant, and the walk is stopped where blocks
 * read the stream: at queries, keys and values, and where a feed-forward part begins. What
 * arrives at a part is then the slope of the logit along its direct path alone, through
 * norms behind it, scales and parallel blocks as the model has them, and the part adds its
 * value times that slope. A second pass says where heads took it from.
 */
#include "model/model.h"
#include "structure/report.h"

#include <glim/lens.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part {
    EMBED,
    ATTN,
    CROSS,
    MLP,
    Z,
    CROSS_Z,
    POST,
    END,
    PARTS,
    STOPS = 4,
    HOOKS = PARTS + STOPS
};

static const char *const part_sites[PARTS] = {
    "blocks.0.hook_resid_pre", "blocks.*.hook_attn_out",  "blocks.*.hook_cross_attn_out",
    "blocks.*.hook_mlp_out",   "blocks.*.attn.hook_z",    "blocks.*.cross_attn.hook_z",
    "blocks.*.mlp.hook_post",  "blocks.*.hook_resid_post"};
static const char *const stops[STOPS] = {"blocks.*attn.hook_q", "blocks.*attn.hook_k",
                                         "blocks.*attn.hook_v", "blocks.*.mlp.hook_pre*"};

struct work {
    glim_direct *d;
    const glim_model *m;
    glim_predictor *p;
    size_t at, C, width[PARTS];
    float *value[PARTS], *slope[PARTS]; /* (L, width) of row `at` */
    bool experts;                       /* feed-forward parts without one way in */
    float *v;                           /* of the layer at hand, (rows, G D) */
    char names[HOOKS][64];
    struct watch {
        struct work *w;
        enum part part;
    } watches[PARTS];
};

/* ---- the walk ---- */

static size_t row_of(const glim_site *s) {
    size_t width = 1;
    for (int i = 1; i < s->n_dims; i++)
        width *= s->dims[i];
    return width;
}

static glim_status watch(void *data, const glim_site *s, glim_error *err) {
    const struct watch *mine = data;
    struct work *w = mine->w;
    enum part k = mine->part;
    size_t width = row_of(s), layer = (size_t)s->layer;
    if (!w->width[k]) {
        w->width[k] = width;
        w->value[k] = glim__calloc(w->d->ctx, (size_t)w->d->layers * width, sizeof(float));
        w->slope[k] = glim__calloc(w->d->ctx, (size_t)w->d->layers * width, sizeof(float));
    }
    if (!w->value[k] || !w->slope[k])
        return glim__oom(w->d->ctx, err, "parts of a logit", (uint64_t)w->d->layers * width * 8);
    if (w->width[k] != width || s->dims[0] <= w->at)
        return glim_fail(err, GLIM_EUNSUPPORTED, "blocks of several widths (%s)", s->name);
    memcpy((s->gradient ? w->slope[k] : w->value[k]) + layer * width, s->data + w->at * width,
           width * sizeof(float));
    if (s->gradient && k == MLP && w->experts)
        memset(s->data, 0, s->dims[0] * width * sizeof(float));
    return GLIM_OK;
}

static glim_status stop(void *data, const glim_site *s, glim_error *err) {
    memset(s->data, 0, s->dims[0] * row_of(s) * sizeof(float));
    return GLIM_OK;
}

/* Whether every block has a feed-forward part with one way in. */
static bool has_neurons(const glim_model *m) {
    size_t n, found = 0;
    const char *const *sites = glim_model_sites(m, &n);
    for (size_t i = 0; i < n; i++)
        found += !strncmp(sites[i], m->site_prefix, strlen(m->site_prefix)) &&
                 glim__site_match("*blocks.*.mlp.hook_pre", sites[i]) &&
                 !(m->encoder && !strncmp(sites[i], "encoder.", 8));
    return found == (size_t)m->hyper.L;
}

static glim_status walk(struct work *w, size_t row, glim_error *err) {
    glim_hook hooks[HOOKS];
    for (int k = 0; k < PARTS; k++) {
        w->watches[k] = (struct watch){w, (enum part)k};
        snprintf(w->names[k], sizeof w->names[k], "%s%s", w->m->site_prefix, part_sites[k]);
        hooks[k] = (glim_hook){w->names[k], GLIM_HOOK_READ | GLIM_HOOK_GRAD, watch, &w->watches[k]};
    }
    for (int k = 0; k < STOPS; k++) {
        snprintf(w->names[PARTS + k], sizeof w->names[0], "%s%s", w->m->site_prefix, stops[k]);
        hooks[PARTS + k] = (glim_hook){w->names[PARTS + k], GLIM_HOOK_GRAD, stop, w};
    }
    w->p->rules = glim_rules_find("direct");
    glim_status status = w->p->observe(w->p, hooks, HOOKS, (long)row, err);
    w->p->rules = NULL;
    return status;
}

/* ---- sums ---- */

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static double part_of(const struct work *w, enum part k, size_t layer, size_t first, size_t n) {
    if (!w->width[k])
        return 0;
    size_t at = layer * w->width[k] + first;
    return dot(w->value[k] + at, w->slope[k] + at, n);
}

static void add_heads(const struct work *w, enum part k, double *out) {
    size_t H = (size_t)w->d->heads, D = w->width[k] / H;
    for (size_t i = 0; i < (size_t)w->d->layers * H && w->width[k]; i++)
        out[i] = part_of(w, k, i / H, i % H * D, D);
}

static int by_size(const void *a, const void *b) {
    const glim_direct_neuron *x = a, *y = b;
    double p = fabs(x->part), q = fabs(y->part);
    if (p != q)
        return p > q ? -1 : 1;
    return x->layer != y->layer ? x->layer - y->layer : x->neuron < y->neuron ? -1 : 1;
}

/* The largest of all neurons: the list is sorted when it is twice as long as asked for. */
static glim_status name_neurons(const struct work *w, size_t most, glim_error *err) {
    glim_direct *d = w->d;
    size_t F = w->width[POST], n = 0;
    if (!F || !most)
        return GLIM_OK;
    d->neurons = glim__calloc(d->ctx, 2 * most, sizeof *d->neurons);
    if (!d->neurons)
        return glim__oom(d->ctx, err, "neurons", 2 * most * sizeof *d->neurons);
    for (size_t i = 0; i < (size_t)d->layers * F; i++) {
        d->neurons[n++] = (glim_direct_neuron){(int)(i / F), i % F, w->value[POST][i],
                                               (double)w->value[POST][i] * w->slope[POST][i]};
        if (n == 2 * most) {
            qsort(d->neurons, n, sizeof *d->neurons, by_size);
            n = most;
        }
    }
    qsort(d->neurons, n, sizeof *d->neurons, by_size);
    d->n_neurons = n < most ? n : most;
    return GLIM_OK;
}

static double uncapped(const glim_model *m, double logit) {
    double cap = m->hyper.logit_cap;
    return cap > 0 ? cap * atanh(logit / cap) : logit;
}

/* What the biases of the last norm and of the head give to a logit. */
static glim_status head_constant(const struct work *w, int32_t id, double *out, glim_error *err) {
    const glim_model *m = w->m;
    float *row = glim__calloc(m->ctx, w->C, sizeof *row);
    if (!row)
        return glim__oom(m->ctx, err, "a row of the head", w->C * sizeof *row);
    if (m->final_norm_bias) {
        glim__matrix_read_row(m->ctx, &m->head, id, row);
        *out =
            dot(row, m->final_norm_bias, w->C) * (m->hyper.out_scale > 0 ? m->hyper.out_scale : 1);
    }
    *out += m->head_bias ? m->head_bias[id] : 0;
    glim__free(m->ctx, row);
    return GLIM_OK;
}

static glim_status add_up(struct work *w, const glim_lm_row *row, size_t neurons, glim_error *err) {
    glim_direct *d = w->d;
    const float *logits =
        glim_session_logits(((glim_lm *)w->p)->work, 0, row - ((glim_lm *)w->p)->rows);
    double constant = 0, less = 0, sum;
    d->value = uncapped(w->m, logits[row->id]);
    d->value -= row->against >= 0 ? uncapped(w->m, logits[row->against]) : 0;
    sum = d->embedding = part_of(w, EMBED, 0, 0, w->C);
    for (size_t l = 0; l < (size_t)d->layers; l++) {
        sum += d->attention[l] = part_of(w, ATTN, l, 0, w->C);
        sum += d->feed_forward[l] = part_of(w, MLP, l, 0, w->C);
        if (d->cross)
            sum += d->cross[l] = part_of(w, CROSS, l, 0, w->C);
    }
    add_heads(w, Z, d->head);
    if (d->cross)
        add_heads(w, CROSS_Z, d->cross_head);
    glim_status status = head_constant(w, row->id, &constant, err);
    if (!status && row->against >= 0)
        status = head_constant(w, row->against, &less, err);
    d->constant = constant - less;
    for (size_t l = 0; l < (size_t)d->layers && w->width[END]; l++)
        if (w->m->layers[l].shift)
            d->constant += dot(w->m->layers[l].shift, w->slope[END] + l * w->C, w->C);
    d->residual = d->value - sum - d->constant;
    return status ? status : name_neurons(w, neurons, err);
}

/* ---- where heads took it from ---- */

static glim_status keep_values(void *data, const glim_site *s, glim_error *err) {
    struct work *w = data;
    memcpy(w->v, s->data, s->dims[0] * row_of(s) * sizeof *w->v);
    return GLIM_OK;
}

/* One head's pattern: its row of the target, times what each position's value gives. */
static glim_status share_out(void *data, const glim_site *s, glim_error *err) {
    struct work *w = data;
    bool cross = strstr(s->name, "cross_attn.");
    enum part k = cross ? CROSS_Z : Z;
    size_t H = (size_t)w->d->heads, G = (size_t)w->m->hyper.G, D = w->width[k] / H, S = s->dims[1],
           group = (size_t)s->head / (H / G), n = cross ? w->d->n_read : w->d->n_tokens;
    const float *slope = w->slope[k] + (size_t)s->layer * w->width[k] + (size_t)s->head * D;
    const float *row = s->data + w->at * S;
    double *out = cross ? w->d->read : w->d->token;
    for (size_t j = 0; j < S && j < n; j++)
        if (row[j] != 0)
            out[j] += (double)row[j] * dot(w->v + (j * G + group) * D, slope, D);
    return GLIM_OK;
}

static glim_status look_where(struct work *w, glim_error *err) {
    enum { WHERE = 4 };
    static const char *const where[WHERE] = {"blocks.*.attn.hook_v", "blocks.*.attn.hook_pattern",
                                             "blocks.*cross_attn.hook_v",
                                             "blocks.*cross_attn.hook_pattern"};
    glim_hook hooks[WHERE];
    char names[WHERE][64];
    size_t rows = w->d->n_read > w->d->n_tokens ? w->d->n_read : w->d->n_tokens;
    w->v =
        glim__calloc(w->d->ctx, rows * (size_t)w->m->hyper.G * (size_t)w->m->hyper.D, sizeof *w->v);
    if (!w->v)
        return glim__oom(w->d->ctx, err, "values of a layer", rows * w->C * sizeof *w->v);
    for (int i = 0; i < WHERE; i++) {
        snprintf(names[i], sizeof names[i], "%s%s", w->m->site_prefix, where[i]);
        hooks[i] = (glim_hook){names[i], GLIM_HOOK_READ | (i % 2 ? GLIM_HOOK_HEADS : 0),
                               i % 2 ? share_out : keep_values, w};
    }
    return w->p->observe(w->p, hooks, w->d->cross ? WHERE : 2, 0, err);
}

/* ---- the whole ---- */

static glim_status check(const glim_predictor *p, size_t row, glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    glim_task task = p->model ? glim_model_facts(p->model)->task : GLIM_TASK_EMBED;
    if (!p->observe || (task != GLIM_TASK_GENERATE && task != GLIM_TASK_TRANSLATE))
        return glim_fail(err, GLIM_EUSAGE,
                         "only of models that write is a logit a sum of what layers add");
    if (lm->labels || lm->whole || row >= p->n_rows)
        return glim_fail(err, GLIM_EUSAGE, "the target is no single token");
    if (lm->output != GLIM_OUTPUT_LOGIT)
        return glim_fail(err, GLIM_EUSAGE,
                         "parts add up to logits, or to a difference of two, not to other outputs");
    return GLIM_OK;
}

static glim_status make(glim_direct **out, const glim_predictor *p, glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    const glim_model *m = lm->model;
    size_t L = (size_t)m->hyper.L, H = (size_t)m->hyper.H;
    glim_direct *d = glim__calloc(p->ctx, 1, sizeof *d);
    if (!d)
        return glim__oom(p->ctx, err, "parts of a logit", sizeof *d);
    *out = d;
    d->ctx = p->ctx;
    d->layers = m->hyper.L;
    d->heads = m->hyper.H;
    d->n_tokens = glim__lm_positions(p, false, NULL);
    d->n_read = lm->written ? p->T : 0;
    size_t n = 2 * L + L * H + d->n_tokens + (lm->written ? L + L * H + d->n_read : 0);
    d->attention = glim__calloc(p->ctx, n, sizeof *d->attention);
    if (!d->attention)
        return glim__oom(p->ctx, err, "parts of a logit", n * sizeof *d->attention);
    d->feed_forward = d->attention + L;
    d->head = d->feed_forward + L;
    d->token = d->head + L * H;
    if (lm->written) {
        d->cross = d->token + d->n_tokens;
        d->cross_head = d->cross + L;
        d->read = d->cross_head + L * H;
    }
    return GLIM_OK;
}

glim_status glim_direct_read(glim_direct **out, glim_predictor *p, size_t row, size_t neurons,
                             glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    *out = NULL;
    glim_status status = check(p, row, err);
    if (status)
        return status;
    struct work w = {.m = lm->model,
                     .p = p,
                     .at = lm->written ? row : lm->rows[row].at,
                     .C = (size_t)lm->model->hyper.C,
                     .experts = !has_neurons(lm->model)};
    status = make(&w.d, p, err);
    if (!status)
        status = walk(&w, row, err);
    if (!status)
        status = add_up(&w, &lm->rows[row], neurons, err);
    if (!status)
        status = look_where(&w, err);
    for (int k = 0; k < PARTS; k++) {
        glim__free(p->ctx, w.value[k]);
        glim__free(p->ctx, w.slope[k]);
    }
    glim__free(p->ctx, w.v);
    if (status) {
        glim_direct_free(w.d);
        return status;
    }
    *out = w.d;
    return GLIM_OK;
}

void glim_direct_free(glim_direct *d) {
    if (!d)
        return;
    glim__free(d->ctx, d->attention);
    glim__free(d->ctx, d->neurons);
    glim__free(d->ctx, d);
}
