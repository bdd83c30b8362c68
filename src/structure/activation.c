/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations by a hook: on the way there it reads rows, on the way back it adds what they
 * weigh to their gradient, so that a site is a target as a logit is. The model is cut behind
 * the block of the site; of outputs the head has the one row that is asked for. Rejected: an
 * objective on the logits with a hook that throws them away; the blocks above would be run.
 */
#include "structure/activation.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 1024, MOST_SEQUENCES = 128 };
static const uint64_t TAKEN_AT_MOST = (uint64_t)384 << 20;

/* ---- a run ---- */

static void read_row(const glim_activation *a, const float *x, float *out) {
    double sum = 0;
    x += a->offset;
    switch (a->kind) {
    case GLIM_ACTIVATION_NEURON:
        for (size_t u = 0; u < a->n; u++)
            out[u] = x[a->indices[u]];
        return;
    case GLIM_ACTIVATION_HEAD:
        for (size_t c = 0; c < a->width; c++)
            sum += (double)x[c] * x[c];
        *out = (float)sqrt(sum);
        return;
    default:
        for (size_t c = 0; c < a->width; c++)
            sum += (double)x[c] * a->direction[c];
        *out = (float)sum;
    }
}

static void weigh_row(const glim_activation *a, size_t row, float *d) {
    double weight = a->weights[row], length = 0;
    const float *x = a->vectors ? a->vectors + row * a->width : NULL;
    d += a->offset;
    switch (a->kind) {
    case GLIM_ACTIVATION_NEURON:
        d[a->indices[a->unit]] += (float)weight;
        return;
    case GLIM_ACTIVATION_HEAD:
        for (size_t c = 0; c < a->width && x; c++)
            length += (double)x[c] * x[c];
        for (size_t c = 0; c < a->width && x && length > 0; c++)
            d[c] += (float)(weight * x[c] / sqrt(length));
        return;
    default:
        for (size_t c = 0; c < a->width; c++)
            d[c] += (float)(weight * a->direction[c]);
    }
}

static glim_status visit(void *data, const glim_site *site, glim_error *err) {
    glim_activation *a = data;
    size_t first = a->row_at ? a->row_at[site->sequence] : 0, cols = 1;
    for (int i = 1; i < site->n_dims; i++)
        cols *= site->dims[i];
    a->seen = true;
    if (!a->row_at) { /* the first look */
        a->cols = cols;
        a->width = site->n_dims == 3 ? site->dims[2] : 0;
        return GLIM_OK;
    }
    for (size_t r = 0; r < site->dims[0] && a->out && !site->gradient; r++) {
        read_row(a, site->data + r * cols, a->out + (first + r) * a->n);
        if (a->vectors)
            memcpy(a->vectors + (first + r) * a->width, site->data + r * cols + a->offset,
                   a->width * sizeof(float));
    }
    for (size_t r = 0; r < site->dims[0] && a->weights && site->gradient; r++)
        if (a->weights[first + r] != 0)
            weigh_row(a, first + r, site->data + r * cols);
    return GLIM_OK;
}

glim_hook glim__activation_hook(const glim_activation *a, bool keep) {
    return (glim_hook){.pattern = a->site,
                       .actions = GLIM_HOOK_READ | (keep ? GLIM_HOOK_GRAD : 0),
                       .visit = visit,
                       .data = (void *)a};
}

static bool has_logits(const glim_activation *a) {
    return a->kind == GLIM_ACTIVATION_OUTPUT || a->likely;
}

static void take_logits(const glim_activation *a, size_t n, float *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t r = a->row_at[i]; r < a->row_at[i + 1]; r++)
            out[r] = glim_session_logits(a->s, i, r - a->row_at[i])[a->output];
}

/* What a run needs beside its values. */
struct run {
    glim_sequence *q;
    size_t *row_at;
    uint32_t *every;
};

static void release_run(glim_activation *a, struct run *r) {
    glim__free(a->ctx, r->q);
    glim__free(a->ctx, r->row_at);
    glim__free(a->ctx, r->every);
    a->row_at = NULL;
    a->out = NULL;
}

static glim_status lay_out(glim_activation *a, const glim_sequence *x, size_t n, struct run *r,
                           glim_error *err) {
    size_t longest = 1;
    bool reads = a->m->encoder != NULL;
    for (size_t i = 0; i < n; i++)
        longest = x[i].count > longest ? x[i].count : longest;
    *r = (struct run){.q = glim__calloc(a->ctx, 2 * n, sizeof *r->q),
                      .row_at = glim__calloc(a->ctx, n + 1, sizeof *r->row_at),
                      .every = glim__calloc(a->ctx, longest, sizeof *r->every)};
    if (!r->q || !r->row_at || !r->every)
        return glim__oom(a->ctx, err, "a batch of texts", n * 2 * sizeof *r->q);
    for (size_t k = 0; k < longest; k++)
        r->every[k] = (uint32_t)k;
    for (size_t i = 0; i < n; i++) {
        r->row_at[i + 1] = r->row_at[i] + (a->whole_text ? 1 : x[i].count);
        r->q[i] = x[i];
        if (reads) {
            r->q[n + i] = x[i];
            r->q[i] = (glim_sequence){.ids = &a->m->start, .count = 1};
        }
        r->q[i].wanted = r->every;
        r->q[i].n_wanted = !has_logits(a) ? 0 : a->whole_text || reads ? 1 : x[i].count;
    }
    return GLIM_OK;
}

static glim_status run(glim_activation *a, const glim_sequence *x, size_t n, bool append, bool keep,
                       float *out, struct run *r, glim_error *err) {
    glim_status status = lay_out(a, x, n, r, err);
    if (status)
        return status;
    a->hook = glim__activation_hook(a, keep);
    a->row_at = r->row_at;
    a->out = out;
    a->weights = NULL;
    glim_batch b = {.sequences = r->q,
                    .count = n,
                    .hooks = &a->hook,
                    .n_hooks = *a->site ? 1 : 0,
                    .append = append,
                    .keep = keep};
    if (a->m->encoder) {
        b.sources = r->q + n;
        b.n_sources = n;
    }
    status = glim_session_forward(a->s, &b, err);
    if (!status && a->kind == GLIM_ACTIVATION_OUTPUT)
        take_logits(a, n, out);
    return status;
}

glim_status glim__activation_run(glim_activation *a, const glim_sequence *x, size_t n, bool append,
                                 float *out, glim_error *err) {
    struct run r;
    float *vectors = a->vectors;
    a->vectors = NULL;
    glim_status status = run(a, x, n, append, false, out, &r, err);
    release_run(a, &r);
    a->vectors = vectors;
    return status;
}

glim_status glim__activation_run_kept(glim_activation *a, const glim_sequence *q, float *out,
                                      glim_error *err) {
    struct run r;
    glim__free(a->ctx, a->vectors);
    a->vectors = NULL;
    if (a->kind == GLIM_ACTIVATION_HEAD) {
        a->vectors = glim__alloc(a->ctx, q->count * a->width * sizeof *a->vectors);
        if (!a->vectors)
            return glim__oom(a->ctx, err, "a head", q->count * a->width * sizeof *a->vectors);
    }
    glim_status status = run(a, q, 1, false, true, out, &r, err);
    a->kept_rows = a->whole_text ? 1 : q->count;
    release_run(a, &r);
    return status;
}

/* A seed for each row that weighs, behind those that are given. */
static size_t add_seeds(const glim_activation *a, size_t rows, float *weights, glim_seed *all,
                        size_t n) {
    for (size_t r = 0; r < rows; r++) {
        weights[r] = (float)a->weights[r];
        if (a->weights[r] != 0)
            all[n++] = (glim_seed){.wanted = r, .ids = &a->output, .weights = &weights[r], .n = 1};
    }
    return n;
}

glim_status glim__activation_gradient(glim_activation *a, size_t unit, const double *weights,
                                      const glim_seed *seeds, size_t n, float *d, glim_error *err) {
    bool output = a->kind == GLIM_ACTIVATION_OUTPUT;
    size_t rows = a->kept_rows, row_at[2] = {0, rows};
    glim_seed *all = glim__calloc(a->ctx, n + rows, sizeof *all);
    float *own = glim__calloc(a->ctx, rows, sizeof *own);
    glim_status status =
        all && own ? GLIM_OK : glim__oom(a->ctx, err, "the seeds", (n + rows) * sizeof *all);
    a->weights = weights;
    a->unit = unit;
    a->row_at = row_at;
    a->seen = false;
    if (!status && n)
        memcpy(all, seeds, n * sizeof *all);
    if (!status && output)
        n = add_seeds(a, rows, own, all, n);
    if (!status)
        status = glim_session_backward(a->s, all, n, d, err);
    a->weights = NULL;
    a->row_at = NULL;
    glim__free(a->ctx, all);
    glim__free(a->ctx, own);
    if (!status && !output && !a->seen)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' has no gradient to search by (take the value before it, or give "
                         "texts: --data FILE)",
                         a->site);
    return status;
}

/* ---- how large ---- */

uint64_t glim__activation_plan(const glim_activation *a, size_t rows, size_t sequences,
                               size_t longest, bool keep) {
    const glim_model *m = glim__activation_model(a);
    glim_hook hook = glim__activation_hook(a, keep);
    size_t wanted = !has_logits(a) ? 0 : a->whole_text ? sequences : m->encoder ? sequences : rows;
    size_t own = m->encoder ? sequences : rows;
    uint64_t each = 0, bytes = glim_session_plan(m, own, sequences, longest, wanted, keep, &each);
    bytes += glim_session_plan_hooks(m, &hook, *a->site ? 1 : 0, own, longest, keep, NULL);
    return bytes + sequences * 2 * sizeof(glim_sequence) + rows * a->n * sizeof(float) +
           (keep ? 2 * rows * (uint64_t)m->hyper.C * 4 : 0) + 4096;
}

size_t glim__activation_take(const glim_activation *a, const glim_sequence *x, size_t n) {
    uint64_t left = glim__budget_left(a->ctx) / 2;
    uint64_t room = left < TAKEN_AT_MOST ? left : TAKEN_AT_MOST;
    for (size_t limit = MOST_ROWS;; limit /= 2) {
        size_t k = 0, rows = 0, longest = 0;
        for (; k < n && k < MOST_SEQUENCES && (!k || rows + x[k].count <= limit); k++) {
            size_t whole = x[k].prefix + x[k].count;
            rows += x[k].count;
            longest = whole > longest ? whole : longest;
        }
        if (k <= 1 || glim__activation_plan(a, rows, k, longest, false) <= room)
            return k;
    }
}

/* ---- a text's value ---- */

glim_status glim__text_pool_find(glim_text_pool *out, const char *name, glim_error *err) {
    static const char *const names[] = {"max", "last", "mean"};
    *out = GLIM_TEXT_MAX;
    for (int i = 0; i < 3 && name; i++)
        if (!strcmp(name, names[i])) {
            *out = (glim_text_pool)i;
            return GLIM_OK;
        }
    return name ? glim_fail(err, GLIM_EUSAGE, "the pool '%.40s' is none of max, last, mean", name)
                : GLIM_OK;
}

double glim__text_value(const float *values, size_t stride, const uint8_t *is_free, size_t rows,
                        glim_text_pool pool, size_t *at) {
    double best = NAN, sum = 0, n = 0, last = NAN;
    *at = SIZE_MAX;
    for (size_t r = 0; r < rows; r++) {
        if (is_free && !is_free[r])
            continue;
        last = values[r * stride];
        sum += last;
        n++;
        if (!(last <= best)) {
            best = last;
            *at = r;
        }
    }
    return pool == GLIM_TEXT_MAX ? best : pool == GLIM_TEXT_LAST ? last : n > 0 ? sum / n : NAN;
}

void glim__text_slope(const float *values, size_t stride, const uint8_t *is_free, size_t rows,
                      glim_text_pool pool, double *out) {
    size_t at, n = 0, last = SIZE_MAX;
    glim__text_value(values, stride, is_free, rows, pool, &at);
    for (size_t r = 0; r < rows; r++) {
        out[r] = 0;
        if (is_free && !is_free[r])
            continue;
        last = r;
        n++;
    }
    for (size_t r = 0; r < rows; r++)
        if (pool == GLIM_TEXT_MEAN && (!is_free || is_free[r]))
            out[r] = 1 / (double)n;
    if (pool == GLIM_TEXT_MAX && at < SIZE_MAX)
        out[at] = 1;
    if (pool == GLIM_TEXT_LAST && last < SIZE_MAX)
        out[last] = 1;
}
