/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is predicted: a column as classes, or as numbers. Classes are sorted (those that
 * are all numbers by size), so they do not depend on the order of the rows.
 */
#include "predict/fit.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_size(const void *a, const void *b) {
    double x = 0, y = 0;
    glim__table_number(*(const char *const *)a, &x);
    glim__table_number(*(const char *const *)b, &y);
    return x != y ? (x < y ? -1 : 1) : by_text(a, b);
}

int32_t glim__fit_find(const char *const *values, size_t n, const char *text, bool numbers) {
    const char *const *at = bsearch(&text, values, n, sizeof *values, numbers ? by_size : by_text);
    return at ? (int32_t)(at - values) : -1;
}

size_t glim__fit_sort(const char **values, size_t n, bool numbers) {
    int (*order)(const void *, const void *) = numbers ? by_size : by_text;
    size_t kept = 0;
    qsort(values, n, sizeof *values, order);
    for (size_t i = 0; i < n; i++)
        if (!kept || order(&values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    return kept;
}

glim_status glim__fit_different(glim_arena *arena, const glim_table *t, size_t column, bool numbers,
                                const char ***out, size_t *n, glim_error *err) {
    const char **all = glim__arena_alloc(arena, (t->n_rows + 1) * sizeof *all);
    size_t have = 0;
    if (!all)
        return glim__oom(arena->ctx, err, "the values", t->n_rows * sizeof *all);
    for (size_t i = 0; i < t->n_rows; i++)
        if (*glim__table_cell(t, i, column))
            all[have++] = glim__table_cell(t, i, column);
    *out = all;
    *n = glim__fit_sort(all, have, numbers);
    return GLIM_OK;
}

glim_status glim__fit_target_init(glim_fit_target *g, glim_context *ctx, const glim_table *t,
                                  const char *name, bool logistic, glim_error *err) {
    *g = (glim_fit_target){.ctx = ctx, .t = t, .logistic = logistic};
    glim__arena_init(&g->arena, ctx, 1 << 14);
    glim_status status = glim__table_column(t, name, &g->column, err);
    if (status)
        return status;
    g->numbers = glim__table_numeric(t, g->column);
    g->values = glim__calloc(ctx, t->n_rows, sizeof *g->values);
    g->labels = glim__calloc(ctx, t->n_rows, sizeof *g->labels);
    if (!g->values || !g->labels)
        return glim__oom(ctx, err, "the target", t->n_rows * 12);
    if (logistic)
        status = glim__fit_different(&g->arena, t, g->column, g->numbers, &g->classes,
                                     &g->n_classes, err);
    if (!status && g->n_classes > 100 && 2 * g->n_classes > t->n_rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.60s' has %zu different values in %zu rows: these are no classes "
                         "(--kind linear predicts numbers)",
                         name, g->n_classes, t->n_rows);
    return status;
}

void glim__fit_target_release(glim_fit_target *g) {
    if (!g->ctx)
        return;
    glim__free(g->ctx, g->values);
    glim__free(g->ctx, g->labels);
    glim__arena_release(&g->arena);
}

glim_status glim__fit_target_take(glim_fit_target *g, size_t row, const char *where, bool drop,
                                  bool *missing, glim_error *err) {
    const char *cell = glim__table_cell(g->t, row, g->column);
    const char *name = g->t->columns[g->column];
    if (g->logistic ? !*cell : glim__table_missing(cell)) {
        *missing = true;
        return drop ? GLIM_OK
                    : glim_fail(err, GLIM_EFORMAT,
                                "%s has no '%.60s' (--missing drop leaves such rows out)", where,
                                name);
    }
    if (g->logistic) {
        g->labels[g->n] = glim__fit_find(g->classes, g->n_classes, cell, g->numbers);
        return GLIM_OK;
    }
    return glim__table_number(cell, &g->values[g->n])
               ? GLIM_OK
               : glim_fail(err, GLIM_EFORMAT,
                           "%s: '%.40s' is no number, which a linear model predicts", where, cell);
}

glim_fit_data glim__fit_target_data(const glim_fit_target *g) {
    return (glim_fit_data){.n = g->n,
                           .labels = g->logistic ? g->labels : NULL,
                           .classes = g->classes,
                           .n_classes = g->n_classes,
                           .values = g->logistic ? NULL : g->values};
}
