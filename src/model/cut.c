/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model cut off at a site of the residual stream: its blocks up to there, one vector
 * a text pooled from its rows, and a linear head if there is one. It is a model as any
 * other, so predictions, masks and gradients through it need nothing of their own. The
 * weights are those of the model that it was cut from.
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

static glim_status no_site(const glim_model *base, const char *site, glim_error *err) {
    return glim_fail(err, GLIM_EUSAGE,
                     "a model is not fitted on at '%.80s' (take blocks.N.hook_resid_post%s, N from "
                     "0 to %d)",
                     site, base->hyper.both_ways ? " or hook_normalized_resid_post" : "",
                     base->hyper.L - 1);
}

/* Blocks that run, and whether the last one ends before its norm. */
static glim_status find_site(const glim_model *base, const char *site, int *blocks, bool *bare,
                             glim_error *err) {
    int n = -1, end = 0;
    bool known = false;
    for (size_t i = 0; i < base->n_sites && !known; i++)
        known = !strcmp(base->sites[i], site);
    if (!known || sscanf(site, "blocks.%9d.%n", &n, &end) != 1 || !end)
        return no_site(base, site, err);
    const char *name = site + end;
    *bare = base->hyper.both_ways && !strcmp(name, "hook_resid_post");
    *blocks = n + 1;
    if (!strcmp(name, "hook_resid_pre"))
        *blocks = n;
    else if (strcmp(name, "hook_resid_post") != 0 &&
             strcmp(name, "hook_normalized_resid_post") != 0)
        return no_site(base, site, err);
    return *blocks > 0 && *blocks <= base->hyper.L ? GLIM_OK : no_site(base, site, err);
}

static glim_status find_pool(const glim_model *base, const char *name, glim_pool *out,
                             glim_error *err) {
    *out = !strcmp(name, "mean")   ? GLIM_POOL_MEAN
           : !strcmp(name, "last") ? GLIM_POOL_LAST
           : !strcmp(name, "cls")  ? GLIM_POOL_FIRST
                                   : GLIM_POOL_NONE;
    if (*out == GLIM_POOL_NONE)
        return glim_fail(err, GLIM_EUSAGE, "the pool '%.40s' is none of mean, last, cls", name);
    if (*out == GLIM_POOL_FIRST && !base->hyper.both_ways)
        return glim_fail(err, GLIM_EUSAGE,
                         "the first token of this model sees no other (take --pool last or mean)");
    return GLIM_OK;
}

/* Weights are listed in walk order: how many of them lie in the first blocks. */
static size_t weights_below(const glim_model *base, int blocks) {
    size_t n = 0;
    int at = 0;
    while (n < base->n_weights && sscanf(base->weights[n].name, "blocks.%9d.", &at) == 1 &&
           at < blocks)
        n++;
    return n;
}

glim_status glim__model_cut(glim_model **out, const glim_model *base, const char *site,
                            const char *pool, glim_error *err) {
    int blocks = 0;
    bool bare = false;
    glim_pool how = GLIM_POOL_NONE;
    *out = NULL;
    if (base->task == GLIM_TASK_IMAGE || base->task == GLIM_TASK_TRANSLATE)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "'%.200s' %s; a fit reads texts through a decoder or an encoder",
                         base->info.path,
                         base->task == GLIM_TASK_IMAGE ? "reads pictures" : "writes translations");
    glim_status status = find_site(base, site, &blocks, &bare, err);
    if (!status)
        status = find_pool(base, pool, &how, err);
    if (status)
        return status;
    glim_model *m = glim__alloc(base->ctx, sizeof *m);
    if (!m)
        return glim__oom(base->ctx, err, "the model", sizeof *m);
    *m = *base;
    glim__arena_init(&m->arena, m->ctx, 1 << 12);
    m->base = base;
    m->pool = how;
    m->bare = bare;
    m->hyper.L = blocks;
    m->hyper.logit_cap = 0;
    m->task = GLIM_TASK_CLASSIFY;
    m->outputs = m->hyper.C;
    m->labels = NULL;
    m->head = (glim_matrix){0};
    m->head_bias = NULL;
    m->readout = (glim_readout){.act = GLIM_READOUT_NONE};
    m->n_sites = 0;
    m->n_weights = weights_below(base, blocks);
    m->info.task = m->task;
    m->info.outputs = m->outputs;
    m->info.labels = NULL;
    m->info.layers = blocks;
    *out = m;
    return GLIM_OK;
}

/* Rows of the head as floats. */
static glim_status pick_outputs(glim_model *m, const int32_t *ids, size_t n, glim_error *err) {
    size_t C = (size_t)m->head.cols;
    float *w = glim__arena_alloc(&m->arena, n * C * sizeof *w);
    float *b = glim__arena_calloc(&m->arena, n, sizeof *b);
    if (!w || !b)
        return glim__oom(m->ctx, err, "the outputs", n * C * sizeof *w);
    for (size_t k = 0; k < n; k++) {
        glim__matrix_read_row(m->ctx, &m->head, ids[k], w + k * C);
        b[k] = m->head_bias ? m->head_bias[ids[k]] : 0;
    }
    m->head = (glim_matrix){.data = w,
                            .type = GLIM_TYPE_F32,
                            .rows = (int64_t)n,
                            .cols = (int64_t)C,
                            .row_bytes = C * sizeof *w};
    m->head_bias = m->head_bias ? b : NULL;
    m->outputs = m->info.outputs = (int)n;
    return GLIM_OK;
}

glim_status glim__model_part(glim_model **out, const glim_model *base, int blocks,
                             const int32_t *ids, size_t n, glim_error *err) {
    *out = NULL;
    glim_model *m = glim__alloc(base->ctx, sizeof *m);
    if (!m)
        return glim__oom(base->ctx, err, "the model", sizeof *m);
    *m = *base;
    glim__arena_init(&m->arena, m->ctx, 1 << 12);
    m->base = base;
    m->hyper.L = m->info.layers = blocks;
    m->n_weights = 0;
    glim_status status = n ? pick_outputs(m, ids, n, err) : GLIM_OK;
    if (status) {
        glim_model_close(m);
        return status;
    }
    *out = m;
    return GLIM_OK;
}

/* The head stands behind the weights of the blocks. */
static bool list_head(glim_model *m) {
    glim_weight *all = glim__arena_alloc(&m->arena, (m->n_weights + 1) * sizeof *all);
    if (!all)
        return false;
    memcpy(all, m->weights, m->n_weights * sizeof *all);
    all[m->n_weights++] = (glim_weight){.name = "unembed.W_U",
                                        .rows = (size_t)m->head.rows,
                                        .cols = (size_t)m->head.cols,
                                        .bias = true};
    m->weights = all;
    return true;
}

glim_status glim__model_cut_head(glim_model *m, const float *weights, const float *bias,
                                 const char *const *labels, int n, glim_error *err) {
    size_t C = (size_t)m->hyper.C, K = (size_t)n;
    float *w = glim__arena_alloc(&m->arena, K * C * sizeof *w);
    float *b = glim__arena_alloc(&m->arena, K * sizeof *b);
    m->labels = glim__arena_calloc(&m->arena, K, sizeof *m->labels);
    bool ok = w && b && m->labels;
    for (size_t k = 0; k < K && ok; k++)
        ok = (m->labels[k] = glim__arena_strdup(&m->arena, labels[k]));
    if (!ok)
        return glim__oom(m->ctx, err, "the head", K * C * sizeof *w);
    memcpy(w, weights, K * C * sizeof *w);
    memcpy(b, bias, K * sizeof *b);
    m->head = (glim_matrix){.data = w,
                            .type = GLIM_TYPE_F32,
                            .rows = n,
                            .cols = m->hyper.C,
                            .row_bytes = C * sizeof *w};
    m->head_bias = b;
    m->outputs = m->info.outputs = n;
    m->info.labels = m->labels;
    return list_head(m) ? GLIM_OK : glim__oom(m->ctx, err, "the head", sizeof(glim_weight));
}
