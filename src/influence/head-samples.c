/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows become features once: a method reads them many times, and parsing or, of texts, a pass
 * through a model is what costs. They are kept by rows, 256 at a time, whether a row is a
 * sample or not, so that a store serves other labels too. Samples are found by counting bits.
 * Rejected: row numbers of all samples, 4 bytes each, which would need a budget.
 */
#include "influence/head-samples-state.h"
#include "model/weights-digest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = GLIM_FEATURES_BLOCK };

static size_t cell_bytes(const glim_linear *l) {
    return l->info.site ? sizeof(float) : sizeof(double);
}

static size_t block_bytes(const glim_linear *l) {
    return BLOCK * l->info.width * cell_bytes(l) + sizeof(uint64_t);
}

/* ---- reading ---- */

glim_status glim__head_rows_cells(glim_head_samples *s, size_t first, size_t n,
                                  const char *const **cells, glim_error *err) {
    const char **rows = NULL;
    glim__arena_reset(&s->cells);
    if (!s->o.rows) {
        *cells = s->given;
        return GLIM_OK;
    }
    glim_status status = glim__rows_read(s->o.rows, s->from + first, n, &s->cells, &rows, err);
    *cells = (const char *const *)rows;
    return status;
}

static glim_status load(glim_head_samples *s, size_t b, glim_error *err) {
    bool found;
    if (s->held == b)
        return GLIM_OK;
    s->held = SIZE_MAX;
    glim_status status =
        glim__kept_features_get(&s->kept, b, s->block, s->kept.block_bytes, &found, err);
    if (!status && !found)
        status = glim_fail(err, GLIM_EIO, "features that were kept on disk are gone");
    if (!status)
        status = glim__spool_read(&s->said, b * BLOCK, s->y, glim__head_rows_in(s, b), err);
    s->held = status ? SIZE_MAX : b;
    return status;
}

static glim_status read_samples(void *data, size_t first, size_t count, double *x, double *y,
                                glim_error *err) {
    glim_head_samples *s = data;
    size_t P = s->linear->info.width, row = count ? glim__row_set_find(&s->samples, first) : 0;
    for (size_t i = 0; i < count; i++, row++) {
        while (!glim__row_set_has(&s->samples, row))
            row++;
        glim_status status = load(s, row / BLOCK, err);
        if (status)
            return status;
        const float *single = (const float *)(const void *)s->block + row % BLOCK * P;
        const double *whole = (const double *)(const void *)s->block + row % BLOCK * P;
        for (size_t j = 0; j < P; j++)
            x[i * P + j] = s->linear->info.site ? (double)single[j] : whole[j];
        y[i] = s->y[row % BLOCK];
    }
    return GLIM_OK;
}

/* ---- rows that were held out ---- */

static glim_status read_classes(glim_head_samples *s, int32_t *out, glim_error *err) {
    size_t i = 0;
    glim_status status = GLIM_OK;
    for (size_t b = 0; b * BLOCK < s->rows && !status; b++) {
        status = load(s, b, err);
        for (size_t k = 0; k < glim__head_rows_in(s, b) && !status; k++)
            if (glim__row_set_has(&s->samples, b * BLOCK + k))
                out[i++] = (int32_t)s->y[k];
    }
    return status;
}

static void leave_out(glim_head_samples *s, const int32_t *fold) {
    size_t i = 0;
    for (size_t row = 0; row < s->rows; row++)
        if (glim__row_set_has(&s->samples, row) && fold[i++] < 0)
            glim__row_set_put(&s->samples, row, false);
}

glim_status glim__head_samples_leave_held_out(glim_head_samples *s, uint64_t seed,
                                              glim_error *err) {
    const glim_linear_info *i = &s->linear->info;
    size_t n = s->features.n, out = 0;
    if (!i->held_out || n != i->rows + i->held_out)
        return GLIM_OK;
    if (s->o.counted) {
        s->features.n = i->rows;
        s->held_out = i->held_out;
        return GLIM_OK;
    }
    const double shares[] = {0.2, (double)i->held_out / (double)n};
    int32_t *fold = glim__calloc(s->ctx, n, sizeof *fold);
    int32_t *labels = glim__calloc(s->ctx, n, sizeof *labels);
    glim_status status =
        fold && labels ? GLIM_OK : glim__oom(s->ctx, err, "the split", n * sizeof *fold);
    if (!status && i->n_classes)
        status = read_classes(s, labels, err);
    glim_fit_data d = {.n = n, .labels = i->n_classes ? labels : NULL, .n_classes = i->n_classes};
    for (size_t k = 0; k < 2 && out != i->held_out && !status; k++) {
        status = glim__fit_split(s->ctx, &d, shares[k], 5, seed, fold, err);
        out = 0;
        for (size_t j = 0; j < n; j++)
            out += fold[j] < 0;
    }
    if (!status && out == i->held_out) {
        leave_out(s, fold);
        glim__head_rows_count(s);
        s->held_out = out;
    }
    glim__free(s->ctx, fold);
    glim__free(s->ctx, labels);
    return status;
}

/* ---- opening ---- */

static glim_status find_columns(glim_head_samples *s, glim_error *err) {
    const glim_linear_info *i = &s->linear->info;
    glim_rows *rows = s->o.rows;
    glim_status status = GLIM_OK;
    s->label = s->text = SIZE_MAX;
    if (!rows) {
        s->text = 0;
        s->given[0] = s->o.given;
        return GLIM_OK;
    }
    s->label = glim__rows_find(rows, s->o.label);
    if (s->label == SIZE_MAX && !s->o.queries)
        status = glim__rows_column(rows, s->o.label, &s->label, err);
    if (!status && i->site)
        status = glim__rows_column(rows, s->o.text, &s->text, err);
    for (size_t k = 0; k < i->n_columns && !status; k++)
        status = glim__rows_column(rows, i->columns[k], &s->used[k], err);
    return status;
}

static glim_status choose_rows(glim_head_samples *s, glim_error *err) {
    size_t n = s->o.rows ? glim__rows_count(s->o.rows) : 1, one = s->o.one;
    if (one > n)
        return glim_fail(err, GLIM_EUSAGE, "'%.200s' has %zu rows; there is no row %zu", s->path, n,
                         one);
    s->from = one ? one - 1 : 0;
    s->rows = one ? 1 : n;
    return GLIM_OK;
}

/* A model's digest is of its header: its weights count too. */
static glim_status key_of(const glim_head_samples *s, glim_store_key *out, glim_error *err) {
    glim_digest d;
    glim__digest_begin(&d);
    glim__digest_text(&d, "features of texts");
    glim__digest_text(&d, glim_version());
    glim__digest_text(&d, glim__kernels(s->ctx)->name);
    glim__digest_text(&d, glim_model_facts(s->o.model)->digest);
    glim_status status = glim__digest_weights(&d, s->o.model, err);
    glim__digest_text(&d, s->how.site);
    glim__digest_text(&d, s->how.pool);
    glim__digest_text(&d, s->o.rows ? glim__rows_digest(s->o.rows) : s->o.given);
    glim__digest_text(&d, s->o.rows ? s->o.text : NULL);
    glim__digest_number(&d, s->from);
    *out = glim__digest_end(&d);
    return status;
}

static glim_status make_room(glim_head_samples *s, glim_error *err) {
    const glim_linear_info *i = &s->linear->info;
    glim_status status = choose_rows(s, err);
    if (status)
        return status;
    size_t bytes = block_bytes(s->linear);
    s->used = glim__calloc(s->ctx, i->n_columns + 1, sizeof *s->used);
    s->block = glim__alloc(s->ctx, bytes);
    s->y = glim__calloc(s->ctx, BLOCK, sizeof *s->y);
    if (!glim__row_set_init(&s->samples, s->ctx, s->rows) || !s->used || !s->block || !s->y)
        return glim__oom(s->ctx, err, "the samples", bytes);
    s->kept.block_bytes = bytes;
    status = find_columns(s, err);
    if (status || s->o.counted)
        return status;
    glim_store *store = i->site ? s->o.store : NULL;
    glim_store_key key = {{0}};
    s->o.store = store;
    if (store)
        status = key_of(s, &key, err);
    if (!status)
        status = glim__kept_features_open(&s->kept, s->ctx, store, &key, bytes, err);
    if (!status)
        status = glim__kept_features_look(&s->kept, "texts", 0, err);
    return status ? status : glim__spool_open(&s->said, "labels of samples", err);
}

glim_status glim__head_samples_open(glim_head_samples **out, const glim_linear *linear,
                                    const glim_head_samples_options *options, glim_error *err) {
    *out = NULL;
    glim_context *ctx = linear->ctx;
    glim_head_samples *s = glim__calloc(ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(ctx, err, "the samples", sizeof *s);
    *s = (glim_head_samples){.ctx = ctx, .linear = linear, .o = *options, .held = SIZE_MAX};
    s->said.fd = -1;
    s->path = options->rows ? glim__rows_path(options->rows) : "the text";
    s->how = (glim_fit_texts){.site = linear->info.site, .pool = linear->info.pool};
    s->features = (glim_features){.width = linear->info.width, .read = read_samples, .data = s};
    if (linear->info.n_columns == linear->info.width) /* no column is several features */
        s->features.names = linear->info.columns;
    glim__arena_init(&s->cells, ctx, (size_t)1 << 12);
    glim_status status = make_room(s, err);
    if (!status)
        status = glim__head_rows_take(s, err);
    if (!status && linear->info.site && !options->counted)
        status = glim__head_rows_represent(s, err);
    if (status) {
        glim__head_samples_close(s);
        return status;
    }
    *out = s;
    return GLIM_OK;
}

void glim__head_samples_close(glim_head_samples *s) {
    if (!s)
        return;
    glim_context *ctx = s->ctx;
    glim__kept_features_close(&s->kept);
    glim__spool_close(&s->said);
    glim__arena_release(&s->cells);
    glim__free(ctx, s->used);
    glim__row_set_release(&s->samples, ctx);
    glim__free(ctx, s->block);
    glim__free(ctx, s->y);
    glim__free(ctx, s);
}

/* ---- facts ---- */

const glim_features *glim__head_samples_features(const glim_head_samples *s) {
    return &s->features;
}

size_t glim__head_samples_left_out(const glim_head_samples *s) {
    return s->left_out;
}

size_t glim__head_samples_held_out(const glim_head_samples *s) {
    return s->held_out;
}

bool glim__head_samples_stored_others(const glim_head_samples *s) {
    return s->kept.other;
}

size_t glim__head_samples_cut(const glim_head_samples *s) {
    return (size_t)s->cut;
}

size_t glim__head_samples_row(const glim_head_samples *s, size_t i) {
    return s->from + glim__row_set_find(&s->samples, i);
}

glim_status glim__head_samples_cells(glim_head_samples *s, size_t i, const char *const **cells,
                                     glim_error *err) {
    return glim__head_rows_cells(s, glim__row_set_find(&s->samples, i), 1, cells, err);
}

glim_status glim__head_samples_said(glim_head_samples *s, size_t i, double *y, glim_error *err) {
    size_t row = glim__row_set_find(&s->samples, i);
    glim_status status = load(s, row / BLOCK, err);
    *y = status ? NAN : s->y[row % BLOCK];
    return status;
}

size_t glim__head_samples_text(const glim_head_samples *s) {
    return s->text;
}

size_t glim__head_samples_label(const glim_head_samples *s) {
    return s->label;
}

uint64_t glim__head_samples_bytes(const glim_linear *linear, size_t rows) {
    uint64_t block = block_bytes(linear), texts = linear->info.site ? 2 * block : 0;
    uint64_t split = linear->info.held_out ? 12 * (uint64_t)rows : 0;
    return block + texts + split + (uint64_t)rows / 4 + ((uint64_t)1 << 16);
}
