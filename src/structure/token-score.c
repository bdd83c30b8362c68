/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The score of tokens and its gradient. A swap of token t for w gains to the first order
 * <E_w - E_t, dscore/dE_t> (HotFlip, Ebrahimi et al. 2018); of what the model finds likely the
 * part that w has itself as a prediction is known exactly and added.
 */
#include "predict/lm.h"
#include "structure/token-search.h"

#include <math.h>
#include <string.h>

static glim_status oom(const glim_search *s, uint64_t bytes, glim_error *err) {
    return glim__oom(s->ctx, err, "a search", bytes);
}

/* ---- the score ---- */

bool glim__search_predicted(const glim_search *s, size_t t) {
    return t > 0 && s->is_free[t];
}

double glim__search_mean(const glim_search *s, const double *terms) {
    double sum = 0;
    size_t n = 0;
    for (size_t t = 0; t < s->T; t++)
        if (glim__search_predicted(s, t)) {
            sum += terms[t];
            n++;
        }
    return n ? sum / (double)n : 0;
}

static size_t n_predicted(const glim_search *s) {
    size_t n = 0;
    for (size_t t = 0; t < s->T; t++)
        n += glim__search_predicted(s, t);
    return n;
}

double glim__search_pooled(const glim_search *s, const float *values) {
    size_t at;
    return s->a->whole_text ? (double)values[0]
                            : glim__text_value(values, 1, s->is_free, s->T, s->pool, &at);
}

double glim__less_log(const float *logits, size_t V, int32_t id) {
    return glim__log_sum_exp(logits, V) - (double)logits[id];
}

/* The score of what was run, row 0 of the session's sequence 0 being the first. */
static void take_score(glim_search *s) {
    size_t V = (size_t)s->m->outputs;
    s->value = glim__search_pooled(s, s->values);
    for (size_t t = 0; t < s->T; t++)
        s->terms[t] = s->lambda > 0 && glim__search_predicted(s, t)
                          ? glim__less_log(glim_session_logits(s->a->s, 0, t - 1), V, s->ids[t])
                          : 0;
    s->nll = s->lambda > 0 ? glim__search_mean(s, s->terms) : 0;
    s->score = s->value - s->lambda * s->nll;
}

glim_status glim__search_gradient(glim_search *s, glim_error *err) {
    size_t n = 0, rows = s->a->whole_text ? 1 : s->T;
    glim_sequence q = {.ids = s->ids, .count = s->T, .types = s->types};
    double *weights = glim__calloc(s->ctx, rows, sizeof *weights);
    glim_seed *seeds = glim__calloc(s->ctx, s->T, sizeof *seeds);
    float weight = (float)(s->lambda / (double)(n_predicted(s) ? n_predicted(s) : 1));
    glim_status status = weights && seeds ? GLIM_OK : oom(s, s->T * sizeof *seeds, err);
    if (!status)
        status = glim__activation_run_kept(s->a, &q, s->values, err);
    if (!status) {
        take_score(s);
        s->forward += s->T;
        s->asked++;
        if (s->a->whole_text)
            weights[0] = 1;
        else
            glim__text_slope(s->values, 1, s->is_free, s->T, s->pool, weights);
        for (size_t t = 0; t < s->T && s->lambda > 0; t++)
            if (glim__search_predicted(s, t))
                seeds[n++] = (glim_seed){.wanted = t - 1,
                                         .ids = &s->ids[t],
                                         .weights = &weight,
                                         .n = 1,
                                         .log_softmax = true};
        status = glim__activation_gradient(s->a, 0, weights, seeds, n, s->d, err);
        s->backward += s->T;
    }
    glim__free(s->ctx, weights);
    glim__free(s->ctx, seeds);
    return status;
}

/* ---- gains ---- */

const glim_model *glim__search_reader(const glim_search *s) {
    return s->m->encoder ? s->m->encoder : s->m;
}

glim_status glim__search_gains(glim_search *s, glim_error *err) {
    const glim_model *m = glim__search_reader(s);
    size_t V = (size_t)m->hyper.V, C = (size_t)m->hyper.C;
    float scale = m->hyper.embed_scale;
    glim_status status = glim__linear(s->ctx, s->gain, V, s->d + s->front * C, C, (int64_t)s->n,
                                      &m->embedding, NULL, err);
    double weight = s->lambda / (double)(n_predicted(s) ? n_predicted(s) : 1);
    for (size_t k = 0; k < s->n && !status; k++) {
        float *row = s->gain + k * V, own = row[s->ids[s->front + k]];
        for (size_t v = 0; v < V; v++)
            row[v] = (row[v] - own) * scale;
        if (!(s->lambda > 0) || !glim__search_predicted(s, s->front + k))
            continue;
        const float *logits = glim_session_logits(s->a->s, 0, s->front + k - 1);
        for (size_t v = 0; v < V; v++)
            row[v] += (float)(weight * ((double)logits[v] - logits[s->ids[s->front + k]]));
    }
    return status;
}

/* ---- whole texts ---- */

glim_status glim__search_values(glim_search *s, const int32_t *ids, size_t n, double *values,
                                glim_error *err) {
    size_t rows = s->a->whole_text ? 1 : s->T;
    glim_sequence *q = glim__calloc(s->ctx, n, sizeof *q);
    float *out = glim__alloc(s->ctx, n * rows * sizeof *out);
    glim_status status = q && out ? GLIM_OK : oom(s, n * rows * sizeof *out, err);
    for (size_t i = 0; i < n && !status; i++)
        q[i] = (glim_sequence){.ids = ids + i * s->T, .count = s->T, .types = s->types};
    for (size_t i = 0, k; i < n && !status; i += k) {
        k = glim__activation_take(s->a, q + i, n - i);
        status = glim__activation_run(s->a, q + i, k, false, out + i * rows, err);
        s->forward += k * s->T;
    }
    for (size_t i = 0; i < n && !status; i++)
        values[i] = glim__search_pooled(s, out + i * rows);
    glim__free(s->ctx, q);
    glim__free(s->ctx, out);
    return status;
}

glim_status glim__search_likely(const glim_search *s, double *nll, glim_error *err) {
    size_t V = (size_t)s->m->outputs;
    glim_session *whole = NULL;
    *nll = NAN;
    if (s->m->task != GLIM_TASK_GENERATE || s->m->hyper.both_ways || !n_predicted(s))
        return GLIM_OK;
    uint32_t *every = glim__calloc(s->ctx, s->T, sizeof *every);
    double *terms = glim__calloc(s->ctx, s->T, sizeof *terms);
    glim_status status =
        every && terms ? glim_session_new(&whole, s->m, 0, err) : oom(s, s->T * sizeof *terms, err);
    for (size_t t = 0; t < s->T && !status; t++)
        every[t] = (uint32_t)t;
    glim_sequence q = {
        .ids = s->ids, .count = s->T, .types = s->types, .wanted = every, .n_wanted = s->T};
    if (!status)
        status = glim_session_forward(whole, &(glim_batch){.sequences = &q, .count = 1}, err);
    for (size_t t = 0; t < s->T && !status; t++)
        if (glim__search_predicted(s, t))
            terms[t] = glim__less_log(glim_session_logits(whole, 0, t - 1), V, s->ids[t]);
    if (!status)
        *nll = glim__search_mean(s, terms);
    glim_session_free(whole);
    glim__free(s->ctx, every);
    glim__free(s->ctx, terms);
    return status;
}

/* ---- beginning ---- */

glim_status glim__search_init(glim_search *s, glim_maximized *r, glim_activation *a,
                              glim_wording *w, uint64_t stream, const int32_t *ids, size_t n,
                              glim_error *err) {
    size_t T = w->n_front + n + w->n_back;
    *s = (glim_search){.ctx = a->ctx,
                       .m = a->m,
                       .o = r->o,
                       .a = a,
                       .w = w,
                       .pool = r->pool,
                       .lambda = r->o->fluency,
                       .stream = stream,
                       .shares = !a->m->hyper.both_ways && !a->m->encoder,
                       .n = n,
                       .T = T,
                       .front = w->n_front};
    size_t C = (size_t)glim__search_reader(s)->hyper.C, V = (size_t)glim__search_reader(s)->hyper.V;
    s->ids = glim__calloc(s->ctx, T, sizeof *s->ids);
    s->is_free = glim__calloc(s->ctx, T, 1);
    s->types = a->m->types.data ? glim__calloc(s->ctx, T, 1) : NULL;
    s->values = glim__calloc(s->ctx, T, sizeof *s->values);
    s->terms = glim__calloc(s->ctx, T, sizeof *s->terms);
    s->d = glim__calloc(s->ctx, T * C, sizeof *s->d);
    s->gain = glim__calloc(s->ctx, n * V, sizeof *s->gain);
    if (!s->ids || !s->is_free || (a->m->types.data && !s->types) || !s->values || !s->terms ||
        !s->d || !s->gain)
        return oom(s, n * V * sizeof *s->gain, err);
    memcpy(s->ids, w->front, w->n_front * sizeof *s->ids);
    memcpy(s->ids + w->n_front, ids, n * sizeof *s->ids);
    memcpy(s->ids + w->n_front + n, w->back, w->n_back * sizeof *s->ids);
    memset(s->is_free + w->n_front, 1, n);
    return GLIM_OK;
}

void glim__search_release(glim_search *s) {
    glim__free(s->ctx, s->ids);
    glim__free(s->ctx, s->is_free);
    glim__free(s->ctx, s->types);
    glim__free(s->ctx, s->values);
    glim__free(s->ctx, s->terms);
    glim__free(s->ctx, s->d);
    glim__free(s->ctx, s->gain);
}
