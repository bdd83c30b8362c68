/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fitted model is linear up to its outputs, so each background row is read once, and
 * a coalition only adds what its columns change: its cost is columns times rows, and no
 * masked row is ever written.
 */
#include "predict/background.h"
#include "base/rng.h"
#include "predict/black-box.h"

#include <stdio.h>
#include <string.h>

enum { USUAL_ROWS = 100 };

size_t glim__background_count(const glim_predictor *p) {
    size_t most = p->background ? p->background : USUAL_ROWS;
    return p->table && p->table->n_rows < most ? p->table->n_rows : most;
}

glim_status glim__background_rows(const glim_predictor *p, size_t **rows, size_t *n,
                                  glim_error *err) {
    *rows = NULL;
    *n = glim__background_count(p);
    if (!p->table || !p->table->n_rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "there is no table to take rows from (--absent resample needs --table)");
    size_t N = p->table->n_rows, found = 0;
    size_t *all = glim__calloc(p->ctx, N, sizeof *all);
    uint8_t *taken = glim__calloc(p->ctx, N, 1);
    glim_status status =
        all && taken ? GLIM_OK : glim__oom(p->ctx, err, "rows of the table", 9 * N);
    for (size_t i = 0; i < N && !status; i++)
        all[i] = i;
    for (size_t i = 0; i < *n && !status; i++) {
        size_t k = i + glim__rng_below(p->background_seed, (uint64_t)1 << 41, i, (uint32_t)(N - i));
        size_t swap = all[i];
        all[i] = all[k];
        all[k] = swap;
        taken[all[i]] = 1;
    }
    for (size_t i = 0; i < N && !status; i++)
        if (taken[i])
            all[found++] = i;
    glim__free(p->ctx, taken);
    if (status)
        glim__free(p->ctx, all);
    else
        *rows = all;
    return status;
}

void glim__background_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                  glim_absent absent, glim_plan *out) {
    size_t rows = absent == GLIM_ABSENT_RESAMPLE ? glim__background_count(p) : 1;
    glim__box_plan_values(p, keep, n * rows, absent, out);
}

/* ---- of fitted models ---- */

void glim__fit_background_release(glim_fit_background *b, glim_context *ctx) {
    glim__free(ctx, b->base);
    glim__free(ctx, b->away);
    *b = (glim_fit_background){0};
}

uint64_t glim__fit_background_bytes(const glim_predictor *p, const glim_linear *l) {
    uint64_t n = glim__background_count(p), U = l->info.n_columns, O = l->info.outputs;
    uint64_t N = p->table ? p->table->n_rows : 0;
    return 8 * (n * (U + 1) * O + l->info.width + 2 * U) + 9 * N + 1024;
}

/* Row x of the background, standardised, as the next one. */
static void add_row(glim_fit_background *b, const glim_linear *l, const double *own,
                    const double *x) {
    size_t P = l->info.width;
    double *base = b->base + b->n * b->O;
    for (size_t k = 0; k < b->O; k++) {
        base[k] = l->bias[k];
        for (size_t j = 0; j < P; j++)
            base[k] += l->weights[k * P + j] * x[j];
    }
    for (size_t u = 0; u < b->U; u++) {
        const glim_fit_column *c = &l->columns[u];
        double *away = b->away + (b->n * b->U + u) * b->O;
        for (size_t k = 0; k < b->O; k++)
            for (size_t j = c->first; j < c->first + (c->values ? c->n_values : 1); j++)
                away[k] += l->weights[k * P + j] * (own[j] - x[j]);
    }
    b->n++;
}

static glim_status read_rows(glim_fit_background *b, const glim_predictor *p, const glim_linear *l,
                             const double *own, const size_t *rows, size_t n, size_t *column,
                             const char **cells, double *x, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t u = 0; u < b->U && !status; u++)
        status = glim__table_column(p->table, l->columns[u].name, &column[u], err);
    for (size_t i = 0; i < n && !status; i++) {
        bool missing = false;
        char where[64];
        snprintf(where, sizeof where, "row %zu of the table", rows[i] + 1);
        for (size_t u = 0; u < b->U; u++)
            cells[u] = glim__table_cell(p->table, rows[i], column[u]);
        status = glim__fit_encode(l->columns, b->U, cells, where, &missing, x, err);
        if (status || missing)
            continue;
        for (size_t j = 0; j < l->info.width; j++)
            x[j] = (x[j] - l->mean[j]) / l->scale[j];
        add_row(b, l, own, x);
    }
    if (!status && !b->n)
        status = glim_fail(err, GLIM_EUSAGE,
                           "no row of the table is whole: there is nothing that an absent column "
                           "could have (take --absent mean)");
    return status;
}

glim_status glim__fit_background_make(glim_fit_background *b, const glim_predictor *p,
                                      const glim_linear *l, const double *x, glim_error *err) {
    glim_context *ctx = p->ctx;
    size_t *rows, n, U = l->info.n_columns, O = l->info.outputs;
    if (b->n && b->most == p->background && b->seed == p->background_seed)
        return GLIM_OK;
    glim__fit_background_release(b, ctx);
    glim_status status = glim__background_rows(p, &rows, &n, err);
    if (status || !rows)
        return status;
    *b = (glim_fit_background){.U = U, .O = O, .most = p->background, .seed = p->background_seed};
    b->base = glim__calloc(ctx, n * O, sizeof *b->base);
    b->away = glim__calloc(ctx, n * U * O, sizeof *b->away);
    size_t *column = glim__calloc(ctx, U, sizeof *column);
    const char **cells = glim__calloc(ctx, U, sizeof *cells);
    double *other = glim__calloc(ctx, l->info.width, sizeof *other);
    status = b->base && b->away && column && cells && other
                 ? read_rows(b, p, l, x, rows, n, column, cells, other, err)
                 : glim__oom(ctx, err, "rows of the table", glim__fit_background_bytes(p, l));
    glim__free(ctx, rows);
    glim__free(ctx, column);
    glim__free(ctx, cells);
    glim__free(ctx, other);
    if (status)
        glim__fit_background_release(b, ctx);
    return status;
}

void glim__fit_background_outputs(const glim_fit_background *b, size_t i, const uint8_t *keep,
                                  double *z) {
    const double *away = b->away + i * b->U * b->O;
    memcpy(z, b->base + i * b->O, b->O * sizeof *z);
    for (size_t u = 0; u < b->U; u++)
        for (size_t k = 0; k < b->O && keep[u]; k++)
            z[k] += away[u * b->O + k];
}
