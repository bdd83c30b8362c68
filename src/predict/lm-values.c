/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target with units absent. The input itself lies in the session's cache;
 * every masked input shares with it the positions before its first absent token
 * and only runs the rest. Masked inputs go through in ragged batches of some
 * hundred rows, in the order of their masks, so that neighbours begin alike: each also shares
 * what it has in common with the one before it. Results depend neither on the batch nor on
 * what is shared: the session promises the same bits.
 */
#include "predict/lm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_ROWS = 512, BATCH_SAMPLES = 64 };

/* One masked input on its way through. */
struct sample {
    size_t index; /* of the mask */
    size_t prefix, count;
    size_t first, rows_at; /* into the batch's ids and wanted rows */
};

/* Rows and samples that go through together. */
struct size {
    size_t rows, samples;
};

struct batch {
    glim_lm *lm;
    glim_absent absent;
    const uint8_t *keep;
    double *out;
    struct sample *samples;
    glim_sequence *sequences;
    int32_t *ids;
    float *embeddings;      /* MEAN only */
    uint8_t *hidden;        /* ATTENTION only: (samples, T) */
    uint8_t *types;         /* encoders only, as ids */
    uint32_t *wanted;       /* (samples, n_rows): index of each row, in order */
    uint8_t *gone, *before; /* (T) tokens absent from the sample, and from the one before it */
    size_t n, rows;         /* samples, rows so far */
    struct size most;
};

bool glim__lm_removed(const glim_lm *lm, const uint8_t *keep, size_t token) {
    for (size_t u = 0; u < lm->units.count; u++) {
        const glim_unit *unit = &lm->units.at[u];
        if (token >= unit->first && token < unit->first + unit->count)
            return !unit->fixed && !keep[u];
    }
    return false;
}

/* First token that the mask removes and some row sees, or T. */
static size_t first_removed(const glim_lm *lm, const uint8_t *keep) {
    for (size_t u = 0; u < lm->units.count; u++)
        if (!lm->units.at[u].fixed && !keep[u])
            return lm->units.at[u].first < lm->base.T ? lm->units.at[u].first : lm->base.T;
    return lm->base.T;
}

/* Deleting leaves the first row nothing to read: the neutral token stands in. */
static bool is_bare(const glim_lm *lm, const uint8_t *keep) {
    for (size_t t = 0; t <= lm->rows[0].at; t++)
        if (!glim__lm_removed(lm, keep, t))
            return false;
    return true;
}

/* Deleting: the rows read the last token left before them. The prefix gives up
   a token when a row would lie inside it. Returns the rows of the suffix. */
static size_t plan_sample(const glim_lm *lm, const uint8_t *keep, glim_absent absent,
                          size_t *prefix) {
    size_t c = first_removed(lm, keep), T = lm->base.T, count = 0;
    *prefix = c;
    if (c == T)
        return 0;
    if (lm->whole)
        *prefix = c = 0; /* every row sees every change */
    if (absent != GLIM_ABSENT_DELETE)
        return T - c;
    bool needs_before = false;
    for (size_t r = 0; r < lm->base.n_rows; r++) {
        size_t at = lm->rows[r].at;
        if (at < c)
            continue;
        while (at >= c && at > 0 && glim__lm_removed(lm, keep, at))
            at--;
        needs_before = needs_before || at < c;
    }
    if (needs_before)
        *prefix = c - 1;
    for (size_t t = *prefix; t < T; t++)
        count += !glim__lm_removed(lm, keep, t);
    return count + is_bare(lm, keep);
}

static void find_gone(const struct batch *b, const uint8_t *keep) {
    const glim_lm *lm = b->lm;
    memset(b->gone, 0, lm->base.T);
    for (size_t u = 0; u < lm->units.count; u++) {
        const glim_unit *unit = &lm->units.at[u];
        if (!unit->fixed && !keep[u])
            for (size_t t = unit->first; t < unit->first + unit->count && t < lm->base.T; t++)
                b->gone[t] = 1;
    }
}

/* Positions that the last sample of the batch and this one have in common; none when this one
   is all neutral. */
static size_t in_common(const struct batch *b) {
    size_t t = 0, n = 0;
    for (; t < b->lm->base.T && b->gone[t] == b->before[t]; t++)
        n += b->absent != GLIM_ABSENT_DELETE || !b->gone[t];
    return n;
}

/* The new sample q, ids[0, n), gives up what the one before it has as well, but no row that
   is read. */
static size_t follow(struct batch *b, glim_sequence *q, uint32_t *wanted, size_t n) {
    size_t shared = b->n && !b->lm->whole ? in_common(b) : 0, most = q->prefix + n - 1;
    if (q->n_wanted && q->prefix + wanted[0] < most)
        most = q->prefix + wanted[0];
    shared = shared < most ? shared : most;
    if (shared <= q->prefix)
        return n;
    size_t cut = shared - q->prefix;
    int32_t *ids = b->ids + b->rows;
    memmove(ids, ids + cut, (n - cut) * sizeof *ids);
    for (size_t r = 0; r < q->n_wanted; r++)
        wanted[r] -= (uint32_t)cut;
    q->prefix = shared;
    q->count = n - cut;
    q->parent = b->n;
    return n - cut;
}

static void add_sample(struct batch *b, size_t index, size_t prefix, size_t first) {
    glim_lm *lm = b->lm;
    struct sample *s = &b->samples[b->n];
    bool deletes = b->absent == GLIM_ABSENT_DELETE;
    size_t T = lm->base.T, n = 0, R = lm->base.n_rows, row = 0, skip = 0;
    uint32_t *wanted = b->wanted + b->n * R;
    int32_t *ids = b->ids + b->rows;
    uint8_t *hidden = b->hidden ? b->hidden + b->n * T : NULL;
    uint8_t *types = b->types ? b->types + b->rows : NULL;
    bool bare = deletes && is_bare(lm, b->keep + index * lm->units.count);
    if (hidden)
        memset(hidden, 0, T);
    if (bare)
        ids[n++] = lm->neutral;
    for (size_t t = prefix; t < T; t++) {
        bool gone = b->gone[t];
        if (hidden)
            hidden[t] = gone;
        if (types && (!gone || !deletes))
            types[n] = lm->types[t];
        if (!gone || !deletes)
            ids[n++] = gone && b->absent == GLIM_ABSENT_MASK ? lm->neutral : lm->ids[t];
        while (row < R && lm->rows[row].at < t)
            wanted[row++] = 0; /* before the prefix: not read */
        for (; row < R && lm->rows[row].at == t; row++)
            wanted[row] = (uint32_t)n - 1;
    }
    while (skip < R && !lm->whole && lm->rows[skip].at < first)
        skip++;
    glim_sequence *q = &b->sequences[b->n];
    *q = (glim_sequence){.ids = ids, .count = n, .prefix = prefix, .hidden = hidden};
    if (types)
        q->types = types;
    glim__lm_wanted(lm, wanted + skip, R - skip, n, q);
    if (!bare)
        n = follow(b, q, wanted + skip, n);
    *s = (struct sample){
        .index = index, .prefix = q->prefix, .count = n, .first = b->rows, .rows_at = skip};
    b->rows += n;
    b->n++;
    uint8_t *swap = b->before;
    b->before = b->gone;
    b->gone = swap;
}

/* Embedding rows of a batch in which absent tokens take the vocabulary's mean. */
static glim_status fill_mean(struct batch *b, const float *mean, glim_error *err) {
    glim_lm *lm = b->lm;
    size_t C = lm->base.C;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < b->n && !status; i++) {
        const uint8_t *keep = b->keep + b->samples[i].index * lm->units.count;
        float *x = b->embeddings + b->samples[i].first * C;
        b->sequences[i].embeddings = x;
        for (size_t k = 0; k < b->samples[i].count && !status; k++) {
            size_t t = b->samples[i].prefix + k;
            if (glim__lm_removed(lm, keep, t))
                memcpy(x + k * C, mean, C * sizeof *x);
            else
                status = glim_model_embedding(lm->model, lm->ids[t], x + k * C, err);
        }
    }
    return status;
}

static glim_status flush(struct batch *b, const float *mean, glim_error *err) {
    glim_lm *lm = b->lm;
    size_t R = lm->base.n_rows;
    if (!b->n)
        return GLIM_OK;
    glim_status status = mean ? fill_mean(b, mean, err) : GLIM_OK;
    glim_batch run = {.sequences = b->sequences, .count = b->n};
    if (!status)
        status = glim_session_forward(lm->cache, &run, err);
    for (size_t i = 0; i < b->n && !status; i++) {
        const struct sample *s = &b->samples[i];
        for (size_t r = s->rows_at; r < R; r++)
            b->out[s->index * R + r] = glim__lm_target(
                lm, &lm->rows[r], glim_session_logits(lm->cache, i, r - s->rows_at), NULL);
    }
    lm->forward += b->rows;
    glim__progress_add(lm->base.ctx, b->rows);
    b->n = b->rows = 0;
    return status;
}

/* What a batch of that size needs beside the model's own values. */
static uint64_t batch_bytes(const glim_lm *lm, struct size size, glim_absent absent) {
    uint64_t T = lm->base.T, rows = size.rows + T, R = lm->base.n_rows, n = size.samples;
    uint64_t bytes =
        2 * T + n * (sizeof(struct sample) + sizeof(glim_sequence) + 4 * R) + 5 * rows + 512;
    bytes += absent == GLIM_ABSENT_MEAN ? 4 * (rows + 1) * lm->base.C : 0;
    bytes += absent == GLIM_ABSENT_ATTENTION ? n * T : 0;
    return bytes + glim_session_plan(lm->model, size.rows, n, T, n * R, false, NULL);
}

/* The largest batch that the budget allows; at least one sample. */
static struct size batch_size(const glim_lm *lm, glim_absent absent) {
    size_t T = lm->base.T;
    struct size size = {BATCH_ROWS > T ? BATCH_ROWS : T, BATCH_SAMPLES};
    uint64_t left = glim__budget_left(lm->base.ctx);
    while ((size.rows > T || size.samples > 1) && batch_bytes(lm, size, absent) >= left / 2) {
        size.rows = size.rows / 2 > T ? size.rows / 2 : T;
        size.samples = size.samples > 1 ? size.samples / 2 : 1;
    }
    return size;
}

static glim_status make_batch(struct batch *b, glim_error *err) {
    glim_lm *lm = b->lm;
    glim_context *ctx = lm->base.ctx;
    size_t T = lm->base.T, n = b->most.samples, rows = b->most.rows + T;
    b->samples = glim__calloc(ctx, n, sizeof *b->samples);
    b->sequences = glim__calloc(ctx, n, sizeof *b->sequences);
    b->ids = glim__calloc(ctx, rows, sizeof *b->ids);
    b->wanted = glim__calloc(ctx, n * lm->base.n_rows + 1, sizeof *b->wanted);
    bool ok = b->samples && b->sequences && b->ids && b->wanted;
    if (b->absent == GLIM_ABSENT_MEAN)
        ok = ok && (b->embeddings = glim__calloc(ctx, rows * lm->base.C, sizeof(float)));
    b->gone = glim__calloc(ctx, T + 1, 1);
    b->before = glim__calloc(ctx, T + 1, 1);
    ok = ok && b->gone && b->before;
    if (b->absent == GLIM_ABSENT_ATTENTION)
        ok = ok && (b->hidden = glim__calloc(ctx, n, T));
    if (lm->types)
        ok = ok && (b->types = glim__calloc(ctx, rows, 1));
    return ok ? GLIM_OK : glim__oom(ctx, err, "masked inputs", n * T);
}

static void free_batch(struct batch *b) {
    glim_context *ctx = b->lm->base.ctx;
    glim__free(ctx, b->samples);
    glim__free(ctx, b->sequences);
    glim__free(ctx, b->ids);
    glim__free(ctx, b->wanted);
    glim__free(ctx, b->embeddings);
    glim__free(ctx, b->hidden);
    glim__free(ctx, b->gone);
    glim__free(ctx, b->before);
    glim__free(ctx, b->types);
}

struct masks {
    const uint8_t *keep;
    size_t units;
};

static int by_mask(const void *a, const void *b, void *data) {
    const struct masks *m = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    int order = memcmp(m->keep + i * m->units, m->keep + k * m->units, m->units);
    return order ? order : i < k ? -1 : i > k;
}

/* Rows of a sample that needs count of them behind the cache; with several target rows at most. */
static size_t own_rows(const struct batch *b, size_t prefix, size_t count) {
    size_t shared = b->n && !b->lm->whole && b->lm->base.n_rows == 1 ? in_common(b) : 0;
    size_t less = shared > prefix ? shared - prefix : 0;
    return less < count ? count - less : 1;
}

static glim_status run_masks(struct batch *b, const size_t *order, size_t n, const float *mean,
                             glim_error *err) {
    glim_lm *lm = b->lm;
    size_t R = lm->base.n_rows;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const uint8_t *keep = b->keep + order[i] * lm->units.count;
        size_t prefix, count = plan_sample(lm, keep, b->absent, &prefix);
        memcpy(b->out + order[i] * R, lm->value, R * sizeof *b->out);
        if (!count)
            continue;
        find_gone(b, keep);
        if (b->n &&
            (b->n == b->most.samples || b->rows + own_rows(b, prefix, count) > b->most.rows))
            status = flush(b, mean, err);
        if (!status)
            add_sample(b, order[i], prefix, first_removed(lm, keep));
    }
    return status ? status : flush(b, mean, err);
}

glim_status glim__lm_values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                            double *out, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    struct batch b = {
        .lm = lm, .absent = absent, .keep = keep, .out = out, .most = batch_size(lm, absent)};
    float *mean = NULL;
    if (lm->whole && lm->rows[0].token != SIZE_MAX && absent == GLIM_ABSENT_DELETE)
        return glim_fail(err, GLIM_EUSAGE,
                         "labels and spans keep their places, so units cannot be deleted (take "
                         "--absent mask)");
    size_t *order = glim__calloc(p->ctx, n + 1, sizeof *order);
    glim_status status =
        order ? make_batch(&b, err) : glim__oom(p->ctx, err, "masked inputs", n * sizeof *order);
    if (!status && absent == GLIM_ABSENT_MEAN) {
        mean = glim__calloc(p->ctx, p->C, sizeof *mean);
        status = mean ? glim_model_embedding(lm->model, -1, mean, err)
                      : glim__oom(p->ctx, err, "the mean embedding", p->C * sizeof *mean);
    }
    for (size_t i = 0; i < n && order; i++)
        order[i] = i;
    if (!status)
        qsort_r(order, n, sizeof *order, by_mask, &(struct masks){keep, lm->units.count});
    if (!status)
        status = run_masks(&b, order, n, mean, err);
    for (size_t i = 0; i < n * p->n_rows && status; i++)
        out[i] = NAN; /* which of them a failed batch held is not told */
    glim__free(p->ctx, mean);
    glim__free(p->ctx, order);
    free_batch(&b);
    return status;
}

void glim__lm_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                          glim_absent absent, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    struct size size = batch_size(lm, absent);
    for (size_t i = 0; i < n; i++) {
        size_t prefix;
        out->forward_tokens += plan_sample(lm, keep + i * lm->units.count, absent, &prefix);
    }
    uint64_t bytes = batch_bytes(lm, (struct size){p->T, 1}, absent);
    uint64_t most = batch_bytes(lm, size, absent);
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = most > out->bytes_wanted ? most : out->bytes_wanted;
}
