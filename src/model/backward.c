/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk back: from seeds on the logits through head, final norm and blocks
 * to the embeddings. Sparse seeds (a logit, a contrast) touch only the rows of
 * the head that they name; the whole vocabulary is walked for dense ones.
 */
#include "model/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static glim_status check_seeds(const glim_session *s, const glim_seed *seeds, size_t n,
                               glim_error *err) {
    if (!s->kept)
        return glim_fail(err, GLIM_EUSAGE, "backward needs a forward with keep");
    for (size_t i = 0; i < n; i++) {
        const glim_seed *e = &seeds[i];
        if (e->sequence >= s->rows.n_parts || e->wanted >= (size_t)s->head_parts[e->sequence].count)
            return glim_fail(err, GLIM_EUSAGE, "seed %zu names a row that was not wanted", i);
        for (size_t k = 0; k < e->n && !e->dense; k++)
            if (e->ids[k] < 0 || e->ids[k] >= s->m->outputs)
                return glim_fail(err, GLIM_EUSAGE, "seed %zu names token %d", i, e->ids[k]);
    }
    return GLIM_OK;
}

/* d(normed) (R, C) of sparse seeds: weighted rows of the head. A soft cap is
   undone at the named logits. */
static void seed_sparse(glim_session *s, const glim_seed *seeds, size_t n, float *d, float *row) {
    const glim_kernels *kernels = glim__kernels(s->ctx);
    size_t C = (size_t)s->m->hyper.C, V = (size_t)s->m->outputs;
    float cap = s->m->hyper.logit_cap;
    const float *logits = s->head.nodes[s->head_logits].data;
    for (size_t i = 0; i < n; i++) {
        size_t r = s->wanted_at[seeds[i].sequence] + seeds[i].wanted;
        for (size_t k = 0; k < seeds[i].n; k++) {
            int32_t id = seeds[i].ids[k];
            float weight = seeds[i].weights[k];
            float u = cap > 0 ? logits[r * V + (size_t)id] / cap : 0;
            glim__matrix_read_row(s->ctx, &s->m->head, id, row);
            kernels->axpy(d + r * C, weight * (1 - u * u), row, C);
        }
    }
}

/* Weighted log-probabilities: w (onehot - softmax), with sums in double. */
static void seed_log_softmax(const glim_seed *seed, const float *logits, size_t V, float *row) {
    double most = -INFINITY, sum = 0, total = 0;
    for (size_t k = 0; k < V; k++)
        most = logits[k] > most ? logits[k] : most;
    for (size_t k = 0; k < V; k++)
        sum += exp((double)logits[k] - most);
    for (size_t k = 0; k < seed->n; k++)
        total += seed->weights[k];
    for (size_t k = 0; k < V; k++)
        row[k] -= (float)(total * exp((double)logits[k] - most) / sum);
    for (size_t k = 0; k < seed->n; k++)
        row[seed->ids[k]] += seed->weights[k];
}

static void seed_dense(glim_session *s, const glim_seed *seeds, size_t n, float *d) {
    size_t V = (size_t)s->m->outputs;
    for (size_t i = 0; i < n; i++) {
        size_t r = glim__session_output(s, seeds[i].sequence, seeds[i].wanted);
        float *row = d + r * V;
        if (seeds[i].log_softmax && !seeds[i].dense) {
            seed_log_softmax(&seeds[i], s->head.nodes[s->head_logits].data + r * V, V, row);
            continue;
        }
        for (size_t k = 0; k < V && seeds[i].dense; k++)
            row[k] += seeds[i].dense[k];
        for (size_t k = 0; k < seeds[i].n && !seeds[i].dense; k++)
            row[seeds[i].ids[k]] += seeds[i].weights[k];
    }
}

/* d_wanted (R, C): the gradient of the wanted rows before the final norm. */
static glim_status walk_head(glim_session *s, const glim_seed *seeds, size_t n, float *d_wanted,
                             glim_error *err) {
    size_t C = (size_t)s->m->hyper.C, V = (size_t)s->m->outputs, R = (size_t)s->head_rows.T;
    bool dense =
        glim__tape_wants(&s->head, &s->head.nodes[s->head_logits], GLIM_SITE_VALUE, GLIM_HOOK_GRAD);
    for (size_t i = 0; i < n; i++)
        dense = dense || seeds[i].dense || seeds[i].log_softmax;
    for (size_t i = 0; i < s->n_hooks; i++)
        dense = dense || ((s->hooks[i].actions & GLIM_HOOK_WEIGHT) &&
                          glim__site_match(s->hooks[i].pattern, "unembed.W_U"));
    dense = dense || !s->m->head.data || s->m->pool == GLIM_POOL_MEAN;
    dense = dense || (s->rules && s->m->hyper.logit_cap > 0); /* a rule may be the cap's */
    size_t width = dense ? V : (size_t)s->head.nodes[s->head_normed].cols;
    float *d = glim__workspace_take(&s->space, R * width);
    float *row = glim__workspace_take(&s->space, C);
    glim_status status = GLIM_OK;
    if (!d || !row) {
        status = glim__oom(s->ctx, err, "a gradient", R * width * 4);
    } else {
        memset(d, 0, R * width * sizeof *d);
        if (dense)
            seed_dense(s, seeds, n, d);
        else
            seed_sparse(s, seeds, n, d, row);
        memset(d_wanted, 0, R * C * sizeof *d_wanted);
        status = glim__tape_backward(&s->head, dense ? s->head_logits : s->head_normed, d, 1,
                                     d_wanted, s->rules, err);
    }
    glim__workspace_give(&s->space, d);
    glim__workspace_give(&s->space, row);
    return status;
}

/* What the block adds to the memory's gradient. */
static void lend_memory(const glim_session *s, glim_tape *t) {
    if (!s->encoder)
        return;
    t->nodes[t->memory_node].grad = s->d_memory;
    t->nodes[t->memory_node].lent_grad = true;
}

static glim_status walk_blocks(glim_session *s, float **d, float **d_in, glim_error *err) {
    size_t bytes = (size_t)s->rows.T * (size_t)s->m->hyper.C * sizeof(float);
    for (int i = s->m->hyper.L - 1; i >= 0; i--) {
        bool again = i < s->first_kept;
        glim_node k, v;
        glim_status status =
            again ? glim__session_block(s, i, true, false, true, &k, &v, err) : GLIM_OK;
        if (!status) {
            memset(*d_in, 0, bytes);
            lend_memory(s, &s->tapes[i]);
            status = glim__tape_backward(&s->tapes[i], s->out[i], *d, 1, *d_in, s->rules, err);
            s->backward_rows += (uint64_t)s->rows.T;
        }
        if (again)
            glim__tape_release(&s->tapes[i]);
        glim__session_forget(s);
        if (status)
            return status;
        float *swap = *d;
        *d = *d_in;
        *d_in = swap;
    }
    return GLIM_OK;
}

/* Shows the gradient at hook_embed to the hooks. */
static glim_status show_embed(glim_session *s, float *d, glim_error *err) {
    size_t C = (size_t)s->m->hyper.C;
    char name[32];
    snprintf(name, sizeof name, "%shook_embed", s->m->site_prefix);
    for (size_t h = 0; h < s->n_hooks; h++) {
        const glim_hook *hook = &s->hooks[h];
        if (!(hook->actions & GLIM_HOOK_GRAD) || !glim__site_match(hook->pattern, name))
            continue;
        for (size_t p = 0; p < s->rows.n_parts; p++) {
            glim_site site = {.name = name,
                              .layer = -1,
                              .sequence = p,
                              .n_dims = 2,
                              .dims = {(size_t)s->parts[p].count, C},
                              .data = d + (size_t)s->parts[p].first * C,
                              .gradient = true};
            glim_status status = hook->visit(hook->data, &site, err);
            if (status)
                return status;
        }
    }
    return GLIM_OK;
}

glim_status glim_session_backward(glim_session *s, const glim_seed *seeds, size_t n, float *d_embed,
                                  glim_error *err) {
    glim_status status = check_seeds(s, seeds, n, err);
    if (status)
        return status;
    size_t C = (size_t)s->m->hyper.C, T = (size_t)s->rows.T, R = (size_t)s->head_rows.T;
    float *d = glim__workspace_take(&s->space, T * C);
    float *d_in = glim__workspace_take(&s->space, T * C);
    float *d_wanted = glim__workspace_take(&s->space, R * C);
    size_t S = s->encoder ? (size_t)s->source_rows.T : 0;
    s->d_memory = S ? glim__workspace_take(&s->space, S * C) : NULL;
    if (!d || !d_in || !d_wanted || (S && !s->d_memory))
        status = glim__oom(s->ctx, err, "a gradient", (S + T) * C * 4);
    else if (S)
        memset(s->d_memory, 0, S * C * sizeof *s->d_memory);
    if (!status && R) /* a hook alone may be what is walked back from */
        status = walk_head(s, seeds, n, d_wanted, err);
    if (!status) {
        memset(d, 0, T * C * sizeof *d);
        for (size_t r = 0; r < R; r++)
            for (size_t c = 0; c < C; c++)
                d[(size_t)s->wanted_row[r] * C + c] += d_wanted[r * C + c];
        status = walk_blocks(s, &d, &d_in, err);
    }
    if (!status)
        status = glim__session_embed_back(s, &d, &d_in, err);
    if (!status)
        status = show_embed(s, d, err);
    for (size_t i = 0; i < T * C && !status; i++)
        if (!isfinite(d[i]))
            status = glim_fail(err, GLIM_ENUMERIC,
                               "a gradient is not finite: the model's values are too large for it");
    if (!status && S)
        status = glim__source_back(s, s->d_memory, d_embed, err);
    else if (!status)
        memcpy(d_embed, d, T * C * sizeof *d);
    glim__workspace_give(&s->space, s->d_memory);
    glim__workspace_give(&s->space, d);
    glim__workspace_give(&s->space, d_in);
    glim__workspace_give(&s->space, d_wanted);
    return status;
}
