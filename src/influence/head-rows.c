/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows to features, once: all rows are checked first, so that a bad one is told before
 * texts go through a model for hours. A block that a store has is not run again.
 */
#include "influence/head-samples-state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = GLIM_FEATURES_BLOCK };

static glim_status oom(const glim_head_samples *s, glim_error *err) {
    return glim__oom(s->ctx, err, "the samples", s->kept.block_bytes);
}

/* ---- rows ---- */

/* The label of a row as a number; NaN when it is missing. */
static glim_status read_label(const glim_head_samples *s, const char *cell, const char *where,
                              double *y, glim_error *err) {
    const glim_linear_info *i = &s->linear->info;
    double number, other;
    *y = NAN;
    if (i->n_classes ? !*cell : glim__table_missing(cell))
        return GLIM_OK;
    bool is_number = glim__table_number(cell, &number);
    if (!i->n_classes) {
        *y = number;
        return is_number ? GLIM_OK
                         : glim_fail(err, GLIM_EFORMAT, "%s: '%.40s' is no number", where, cell);
    }
    for (size_t k = 0; k < i->n_classes && isnan(*y); k++)
        if (!strcmp(cell, i->classes[k]) ||
            (is_number && glim__table_number(i->classes[k], &other) && other == number))
            *y = (double)k;
    if (isnan(*y))
        return glim_fail(err, GLIM_EUSAGE,
                         "%s: '%.60s' is no class of the model (is this what it was fitted on?)",
                         where, cell);
    return GLIM_OK;
}

static glim_status lacks(const char *where, const char *what, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "%s has no %s (--missing drop leaves such rows out)", where,
                     what);
}

/* Row k of a block: its label, its features if it is one of numbers, and whether it counts. */
static glim_status take_row(glim_head_samples *s, size_t row, const char *const *cells,
                            const char **own, bool *missing, glim_error *err) {
    const glim_linear *l = s->linear;
    const char *label = s->label == SIZE_MAX ? "" : cells[s->label];
    char where[320];
    snprintf(where, sizeof where, "row %zu of '%.200s'", s->from + row + 1, s->path);
    glim_status status = read_label(s, label, where, &s->y[row % BLOCK], err);
    if (status)
        return status;
    *missing = isnan(s->y[row % BLOCK]) && !s->o.queries;
    if (*missing && !s->o.drop)
        return lacks(where, "label", err);
    if (l->info.site) {
        bool empty = !*cells[s->text];
        *missing |= empty;
        return empty && !s->o.drop ? lacks(where, "text", err) : GLIM_OK;
    }
    for (size_t k = 0; k < l->info.n_columns; k++)
        own[k] = cells[s->used[k]];
    bool none = false;
    double *x = (double *)(void *)s->block + row % BLOCK * l->info.width;
    status = glim__fit_encode(l->columns, l->info.n_columns, own, where, s->o.drop ? &none : NULL,
                              x, err);
    *missing |= none;
    return status;
}

static size_t columns_of(const glim_head_samples *s) {
    size_t n = 1;
    if (s->o.rows)
        glim__rows_columns(s->o.rows, &n);
    return n;
}

static glim_status take_block(glim_head_samples *s, size_t b, const char **own, glim_error *err) {
    const char *const *cells;
    size_t n = glim__head_rows_in(s, b), C = columns_of(s);
    memset(s->block, 0, s->kept.block_bytes);
    glim_status status = glim__head_rows_cells(s, b * BLOCK, n, &cells, err);
    for (size_t k = 0; k < n && !status; k++) {
        bool missing = false;
        status = take_row(s, b * BLOCK + k, cells + k * C, own, &missing, err);
        glim__row_set_put(&s->samples, b * BLOCK + k, !missing);
        s->left_out += !status && missing;
    }
    if (status || s->o.counted)
        return status;
    if (!s->linear->info.site)
        status = glim__kept_features_put(&s->kept, b, s->block, s->kept.block_bytes, err);
    return status ? status : glim__spool_write(&s->said, b * BLOCK, s->y, n, err);
}

glim_status glim__head_rows_take(glim_head_samples *s, glim_error *err) {
    const char **own = glim__calloc(s->ctx, s->linear->info.n_columns + 1, sizeof *own);
    glim_status status = own ? GLIM_OK : oom(s, err);
    for (size_t b = 0; b * BLOCK < s->rows && !status; b++) {
        status = take_block(s, b, own, err);
        if (!status)
            status = glim__check_cancel(s->ctx, err);
    }
    glim__free(s->ctx, own);
    glim__head_rows_count(s);
    if (!status && !s->features.n)
        status = glim_fail(err, GLIM_EUSAGE, "'%.200s' has no row that could be used", s->path);
    return status;
}

/* ---- texts ---- */

static uint64_t *cut_of(const glim_head_samples *s) {
    return (uint64_t *)(void *)(s->block + s->kept.block_bytes - sizeof(uint64_t));
}

/* Texts of a block through the model, to the places of their rows. */
static glim_status represent_block(glim_head_samples *s, glim_representer *r, size_t b, float *x,
                                   glim_error *err) {
    const char *const *cells, *texts[BLOCK];
    size_t n = glim__head_rows_in(s, b), C = columns_of(s), P = s->linear->info.width, m = 0,
           cut = 0;
    float *out = (float *)(void *)s->block;
    memset(s->block, 0, s->kept.block_bytes);
    glim_status status = glim__head_rows_cells(s, b * BLOCK, n, &cells, err);
    for (size_t k = 0; k < n && !status; k++)
        if (*cells[k * C + s->text])
            texts[m++] = cells[k * C + s->text];
    if (!status)
        status = glim__represent(r, texts, m, x, &cut, err);
    for (size_t k = 0, at = 0; k < n && !status; k++)
        if (*cells[k * C + s->text])
            memcpy(out + k * P, x + at++ * P, P * sizeof *out);
    *cut_of(s) = cut;
    if (!status)
        status = glim__kept_features_put(&s->kept, b, s->block, s->kept.block_bytes, err);
    return status;
}

glim_status glim__head_rows_represent(glim_head_samples *s, glim_error *err) {
    glim_representer *r = NULL;
    float *x = glim__calloc(s->ctx, BLOCK, s->linear->info.width * sizeof *x);
    glim_status status = x ? glim__representer_new(&r, s->o.model, &s->how, err) : oom(s, err);
    glim__progress_begin_items(s->ctx, "represent texts", s->rows);
    for (size_t b = 0; b * BLOCK < s->rows && !status; b++) {
        bool found = false;
        if (s->o.store)
            status =
                glim__kept_features_get(&s->kept, b, s->block, s->kept.block_bytes, &found, err);
        if (!status && !found)
            status = represent_block(s, r, b, x, err);
        s->cut += status ? 0 : *cut_of(s);
        glim__progress_add(s->ctx, glim__head_rows_in(s, b));
        if (!status)
            status = glim__check_cancel(s->ctx, err);
    }
    glim__progress_end(s->ctx);
    glim__representer_free(r);
    glim__free(s->ctx, x);
    return status;
}
