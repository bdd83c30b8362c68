/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TRAK in two stages. Of each checkpoint: the features of all samples, their table of products
 * Phi^T Phi (upper half; the lower becomes its factor), and the queries solved against it.
 * Then rows of influence, from features that are read back.
 */
#include "influence/projected.h"
#include "influence/shares.h"

#include "base/solve.h"

#include <math.h>
#include <string.h>

struct run {
    const glim_projected *f;
    glim_context *ctx;
    size_t k, width, queries, checkpoint, first; /* width: k and 1 - p */
    glim_sketch sketch;
    glim_kept_features *kept; /* [checkpoints] */
    float *rows;              /* (block, width), of samples or of queries */
    float *at;                /* where they are put */
    uint8_t *found;           /* (blocks) features that the store has */
    double *table, *diagonal; /* (k, k), (k) */
    double *solved;           /* (checkpoints, queries, k) */
    double *values, *sums;    /* (block, queries), (block) */
    double ridge;             /* what was needed at most */
    glim_influence_column *columns;
    glim_influence_sink sink;
};

/* Below this the gradient of float32 logits is rounding. */
static const double LEAST_DOUBT = 1e-6;

static size_t default_k(const glim_projected *f) {
    size_t fifth = f->train->n / 5;
    return f->k ? f->k : fifth > 2048 ? 2048 : fifth ? fifth : 1;
}

/* ---- features ---- */

static glim_status see(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                       const float *a, glim_error *err) {
    struct run *r = data;
    const glim_factors_view view = {weight, rows, g, a};
    return glim__sketch_add(&r->sketch, &view, r->at + (sample - r->first) * r->width, err);
}

/* Gradients of losses become those of log odds. */
static glim_status see_loss(void *data, size_t first, size_t count, const double *loss,
                            glim_error *err) {
    struct run *r = data;
    for (size_t i = 0; i < count; i++) {
        float *row = r->at + (first + i - r->first) * r->width;
        double doubt = -expm1(-loss[i]); /* NaN of a sample without an answer */
        double by = isnan(doubt) ? 0 : -1 / (doubt > LEAST_DOUBT ? doubt : LEAST_DOUBT);
        for (size_t j = 0; j < r->k; j++)
            row[j] = (float)(by * (double)row[j]);
        row[r->k] = (float)doubt;
    }
    return GLIM_OK;
}

/* rows (count, width), zeroed. */
static glim_status features(struct run *r, const glim_gradients *g, size_t first, size_t count,
                            float *rows, glim_error *err) {
    const glim_pass_visitor visitor = {.weight = see, .batch = see_loss, .data = r};
    r->first = first;
    r->at = rows;
    return g->walk(g->data, first, count, &visitor, err);
}

struct piece { /* of the table: some of its rows */
    struct run *r;
    size_t count;
};

enum { TABLE_ROWS = 32, FEW = 100 /* features */ };

static void add_piece(void *data, size_t item, int worker) {
    const struct piece *p = data;
    const struct run *r = p->r;
    size_t end = (item + 1) * TABLE_ROWS < r->k ? (item + 1) * TABLE_ROWS : r->k;
    for (size_t a = item * TABLE_ROWS; a < end; a++)
        for (size_t i = 0; i < p->count; i++) {
            const float *row = r->rows + i * r->width;
            double by = (double)row[a], *to = r->table + a * r->k;
            for (size_t b = a; b < r->k; b++)
                to[b] += by * (double)row[b];
        }
}

static size_t block_count(const struct run *r, size_t block) {
    size_t left = r->f->train->n - block * GLIM_GRADIENTS_BLOCK;
    return left < GLIM_GRADIENTS_BLOCK ? left : GLIM_GRADIENTS_BLOCK;
}

static size_t blocks_of(size_t n) {
    return (n + GLIM_GRADIENTS_BLOCK - 1) / GLIM_GRADIENTS_BLOCK;
}

static glim_status fetch(struct run *r, size_t block, bool *found, glim_error *err) {
    return glim__kept_features_get(&r->kept[r->checkpoint], block, r->rows,
                                   block_count(r, block) * r->width * sizeof *r->rows, found, err);
}

/* Only the first process has the store. */
static glim_status look(struct run *r, glim_error *err) {
    size_t n = blocks_of(r->f->train->n);
    glim_status status = GLIM_OK;
    memset(r->found, 0, n);
    for (size_t b = 0; b < n && r->f->store && !status; b++) {
        bool found = false;
        status = fetch(r, b, &found, err);
        r->found[b] = found;
    }
    return status ? status : glim__team_broadcast(r->ctx, 0, r->found, n, err);
}

static bool missing(void *data, size_t first) {
    const struct run *r = data;
    return !r->found[first / GLIM_GRADIENTS_BLOCK];
}

static glim_status work(void *data, size_t first, size_t count, void *records, glim_error *err) {
    struct run *r = data;
    return features(r, &r->f->train[r->checkpoint], first, count, records, err);
}

/* A block may come in parts. */
static glim_status take_features(void *data, size_t first, size_t count, const void *records,
                                 glim_error *err) {
    struct run *r = data;
    size_t block = first / GLIM_GRADIENTS_BLOCK, at = first % GLIM_GRADIENTS_BLOCK;
    struct piece piece = {r, block_count(r, block)};
    bool found = true;
    glim_status status = GLIM_OK;
    if (records)
        memcpy(r->rows + at * r->width, records, count * r->width * sizeof *r->rows);
    else
        status = fetch(r, block, &found, err);
    if (!status && !found)
        return glim_fail(err, GLIM_EIO, "features of samples from %zu on are gone", first);
    if (status || at + count < piece.count)
        return status;
    if (records)
        status = glim__kept_features_put(&r->kept[r->checkpoint], block, r->rows,
                                         piece.count * r->width * sizeof *r->rows, err);
    if (!status)
        glim__parallel(r->ctx, (r->k + TABLE_ROWS - 1) / TABLE_ROWS, add_piece, &piece);
    return status;
}

/* ---- solving ---- */

static bool factor(struct run *r, double ridge) {
    double trace = 0;
    for (size_t a = 0; a < r->k; a++)
        trace += r->diagonal[a];
    for (size_t a = 0; a < r->k; a++) {
        for (size_t b = 0; b < a; b++)
            r->table[a * r->k + b] = r->table[b * r->k + a];
        r->table[a * r->k + a] = r->diagonal[a] + ridge * trace / (double)r->k;
    }
    return glim__cholesky(r->table, r->k);
}

/* Features that depend on each other have no inverse without a ridge. */
static glim_status factor_somehow(struct run *r, glim_error *err) {
    static const double more[] = {0, 1e-8, 1e-6, 1e-4};
    for (size_t a = 0; a < r->k; a++)
        r->diagonal[a] = r->table[a * r->k + a];
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        double ridge = r->f->ridge > more[i] ? r->f->ridge : more[i];
        if (factor(r, ridge)) {
            r->ridge = ridge > r->ridge ? ridge : r->ridge;
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_ENUMERIC,
                     "the %zu projected gradients have no inverse: all gradients are zero, or not "
                     "finite",
                     r->k);
}

static glim_status solve_queries(struct run *r, glim_error *err) {
    const glim_gradients *g = &r->f->queries[r->checkpoint];
    glim_status status = factor_somehow(r, err);
    for (size_t q = 0; q < r->queries && !status; q++) {
        double *x = r->solved + (r->checkpoint * r->queries + q) * r->k;
        memset(r->rows, 0, r->width * sizeof *r->rows);
        status = features(r, g, q, 1, r->rows, err);
        for (size_t a = 0; a < r->k; a++)
            x[a] = (double)r->rows[a];
        if (!status)
            glim__cholesky_solve(r->table, r->k, x);
    }
    return status;
}

static glim_store_key key_of(const struct run *r) {
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_text(&d, "glim projected gradients 1");
    glim__digest_bytes(&d, r->f->keys[r->checkpoint].bytes, sizeof r->f->keys->bytes);
    glim__digest_number(&d, r->k);
    glim__digest_number(&d, r->f->seed);
    return glim__digest_end(&d);
}

static glim_status checkpoint(struct run *r, glim_error *err) {
    const glim_share share = {.ctx = r->ctx,
                              .stage = "gradients",
                              .n = r->f->train->n,
                              .block = GLIM_GRADIENTS_BLOCK,
                              .bytes = r->width * sizeof *r->rows,
                              .wanted = missing,
                              .work = work,
                              .take = take_features,
                              .data = r};
    glim_store_key key = {{0}};
    if (r->f->store)
        key = key_of(r);
    memset(r->table, 0, r->k * r->k * sizeof *r->table);
    glim_status status =
        glim__kept_features_open(&r->kept[r->checkpoint], r->ctx, r->f->store, &key,
                                 GLIM_GRADIENTS_BLOCK * r->width * sizeof *r->rows, err);
    if (!status)
        status = glim__kept_features_look(&r->kept[r->checkpoint], "gradients", r->checkpoint, err);
    if (!status)
        status = look(r, err);
    if (!status)
        status = glim__share(&share, err);
    return status || !glim__team_first(r->ctx) ? status : solve_queries(r, err);
}

/* ---- rows ---- */

static void add_rows(struct run *r, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float *row = r->rows + i * r->width;
        r->sums[i] += (double)row[r->k] / (double)r->f->n;
        for (size_t q = 0; q < r->queries; q++) {
            const double *x = r->solved + (r->checkpoint * r->queries + q) * r->k;
            double sum = 0;
            for (size_t a = 0; a < r->k; a++)
                sum += x[a] * (double)row[a];
            r->values[i * r->queries + q] += sum / (double)r->f->n;
        }
    }
}

static glim_status row_block(void *data, size_t first, size_t count, glim_error *err) {
    struct run *r = data;
    glim_status status = GLIM_OK;
    memset(r->values, 0, count * r->queries * sizeof *r->values);
    memset(r->sums, 0, count * sizeof *r->sums);
    for (r->checkpoint = 0; r->checkpoint < r->f->n && !status; r->checkpoint++) {
        bool found;
        status = fetch(r, first / GLIM_GRADIENTS_BLOCK, &found, err);
        if (!status && !found)
            status = glim_fail(err, GLIM_EIO, "features of samples from %zu on are gone", first);
        if (!status)
            add_rows(r, count);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t q = 0; q < r->queries; q++)
            r->values[i * r->queries + q] *= r->sums[i];
    const glim_influence_block rows = {first, count, r->values};
    return status ? status : r->sink.take(r->sink.data, &rows, err);
}

/* ---- a run ---- */

static glim_status make_room(struct run *r, glim_error *err) {
    size_t B = GLIM_GRADIENTS_BLOCK, k = r->k, Q = r->queries;
    r->kept = glim__calloc(r->ctx, r->f->n, sizeof *r->kept);
    r->rows = glim__calloc(r->ctx, B * r->width, sizeof *r->rows);
    r->found = glim__calloc(r->ctx, blocks_of(r->f->train->n), 1);
    r->table = glim__calloc(r->ctx, k * k, sizeof *r->table);
    r->diagonal = glim__calloc(r->ctx, k, sizeof *r->diagonal);
    r->solved = glim__calloc(r->ctx, r->f->n * Q * k, sizeof *r->solved);
    r->values = glim__calloc(r->ctx, B * Q, sizeof *r->values);
    r->sums = glim__calloc(r->ctx, B, sizeof *r->sums);
    r->columns = glim__calloc(r->ctx, Q, sizeof *r->columns);
    if (!r->kept || !r->rows || !r->found || !r->table || !r->diagonal || !r->solved ||
        !r->values || !r->sums || !r->columns)
        return glim__oom(r->ctx, err, "projected gradients", (uint64_t)k * k * sizeof *r->table);
    for (size_t q = 0; q < Q; q++)
        r->columns[q] = (glim_influence_column){
            .name = "influence", .query = q, .threshold = NAN, .is_signed = true};
    return GLIM_OK;
}

static void release(struct run *r) {
    for (size_t m = 0; r->kept && m < r->f->n; m++)
        glim__kept_features_close(&r->kept[m]);
    glim__sketch_release(&r->sketch);
    glim__free(r->ctx, r->kept);
    glim__free(r->ctx, r->rows);
    glim__free(r->ctx, r->found);
    glim__free(r->ctx, r->table);
    glim__free(r->ctx, r->diagonal);
    glim__free(r->ctx, r->solved);
    glim__free(r->ctx, r->values);
    glim__free(r->ctx, r->sums);
    glim__free(r->ctx, r->columns);
}

static void tell(const struct run *r, glim_document *doc) {
    if (!doc)
        return;
    glim_document_check_add(doc, "projection", (double)r->k,
                            r->sketch.exact ? "numbers of all chosen weights: nothing is projected"
                                            : "numbers that stand for a gradient");
    if (!r->sketch.exact && r->k < FEW)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "only %zu numbers stand for a gradient, a fifth of the samples: with "
                            "so few, rankings are noise; gradient-cosine needs no more samples",
                            r->k);
    if (r->ridge > r->f->ridge)
        glim_document_note(doc,
                           "The projected gradients depend on each other: a ridge of %.0e of their "
                           "mean square was added.",
                           r->ridge);
    bool other = false;
    for (size_t k = 0; k < r->f->n; k++)
        other |= r->kept[k].other;
    if (other)
        glim_document_note(doc, "The store has features of another model, training file or option "
                                "as well: those were not used.");
}

static glim_status rows(struct run *r, const glim_influence_out *out, glim_error *err) {
    glim_status status = out->begin(out->data, r->columns, r->queries, &r->sink, err);
    if (!status)
        status = glim__gradients_each(r->f->train, "samples", row_block, r, err);
    if (!status)
        tell(r, out->doc);
    return status;
}

glim_status glim__projected_run(const glim_projected *f, const glim_influence_out *out,
                                glim_error *err) {
    struct run r = {.f = f, .ctx = f->train->ctx, .queries = f->queries->n};
    glim_status status = glim__sketch_init(&r.sketch, f->train, default_k(f), f->seed, err);
    r.k = r.sketch.k;
    r.width = r.k + 1;
    if (!status)
        status = make_room(&r, err);
    for (r.checkpoint = 0; r.checkpoint < f->n && !status; r.checkpoint++)
        status = checkpoint(&r, err);
    if (!status && glim__team_first(r.ctx)) /* rows come of what it keeps, without a pass */
        status = rows(&r, out, err);
    release(&r);
    return status;
}

glim_status glim__projected_plan(const glim_projected *f, uint64_t *bytes, uint64_t *disk,
                                 glim_error *err) {
    uint64_t width = glim__gradients_width(f->train), k = default_k(f), Q = f->queries->n;
    size_t rows = 1;
    bool exact = width <= k;
    k = exact ? width : k;
    for (size_t q = 0; q < Q; q++) {
        size_t T;
        glim_status status = f->queries->sizes(f->queries->data, q, 1, &T, NULL, err);
        if (status)
            return status;
        rows = T > rows ? T : rows;
    }
    *bytes = 8 * (k * k + k + f->n * Q * k) + 2 * 4 * GLIM_GRADIENTS_BLOCK * (k + 1) +
             blocks_of(f->train->n) + 8 * GLIM_GRADIENTS_BLOCK * (Q + 1) +
             Q * sizeof(glim_influence_column) + f->n * sizeof(glim_kept_features) +
             glim__sketch_plan(f->train, rows) +
             (f->store ? 2 * 4 * GLIM_GRADIENTS_BLOCK * (k + 1) : 0);
    *bytes += exact ? 4 * width * 2 : 0;
    *disk = 4 * (uint64_t)f->train->n * (k + 1) * f->n;
    return GLIM_OK;
}
