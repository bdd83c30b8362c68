/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of numbers as a table: each cell is the shortest text that reads as its number again. */
#include "predict/array.h"
#include "base/json.h"
#include "base/map.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

static const char LABELS[] = "(label)";

static glim_status check(const double *x, size_t n, size_t d, const char *const *names,
                         const double *labels, glim_context *ctx, glim_error *err) {
    glim_map seen;
    glim_status status = GLIM_OK;
    if (!n || !d)
        return glim_fail(err, GLIM_EUSAGE, "training rows: there are %zu of %zu columns", n, d);
    if (d >= GLIM_MOST_COLUMNS || n > SIZE_MAX / 64 / (d + 1) || n > UINT32_MAX)
        return glim_fail(err, GLIM_ELIMIT, "training rows: %zu of %zu columns are too many", n, d);
    for (size_t i = 0; i < n * d && !status; i++)
        if (isinf(x[i]))
            status = glim_fail(err, GLIM_ENUMERIC, "training rows: row %zu holds an infinity",
                               i / d + 1);
    for (size_t i = 0; labels && i < n && !status; i++)
        if (!isfinite(labels[i]))
            status = glim_fail(err, GLIM_ENUMERIC, "the label of row %zu is no number", i + 1);
    glim__map_init(&seen, ctx);
    for (size_t u = 0; u < d && !status; u++) {
        size_t len = strlen(names[u]);
        if (glim__utf8_check(names[u], len) != len)
            status = glim_fail(err, GLIM_EFORMAT, "the name of column %zu is not UTF-8", u + 1);
        else if (!len || glim__map_get(&seen, names[u], len) >= 0 || !strcmp(names[u], LABELS))
            status = glim_fail(err, GLIM_EUSAGE,
                               "column %zu is called '%.60s': names are all "
                               "different and not empty",
                               u + 1, names[u]);
        else if (!glim__map_set(&seen, names[u], len, 0, NULL))
            status = glim__oom(ctx, err, "the columns", d);
    }
    glim__map_release(&seen);
    return status;
}

/* Numbers repeat: a cell that is the one above it is the same text. */
static const char *cell_text(glim_arena *arena, double x, const char *above, double was) {
    char text[40] = "";
    if (above && (x == was || (isnan(x) && isnan(was))))
        return above;
    if (!isnan(x))
        glim__number_text(x, false, text);
    return glim__arena_strdup(arena, text);
}

static bool fill(glim_array *a, const double *x, const char *const *names, const double *labels) {
    glim_table *t = &a->table;
    size_t width = a->d + (labels != NULL);
    t->columns = glim__arena_calloc(&t->arena, width, sizeof *t->columns);
    t->cells = glim__arena_calloc(&t->arena, a->n * width, sizeof *t->cells);
    a->usual = glim__arena_calloc(&t->arena, a->d, sizeof *a->usual);
    if (!t->columns || !t->cells || !a->usual)
        return false;
    for (size_t u = 0; u < width; u++) {
        size_t there = 0;
        double sum = 0, was = 0;
        const char *above = NULL;
        t->columns[u] = glim__arena_strdup(&t->arena, u < a->d ? names[u] : LABELS);
        for (size_t i = 0; i < a->n; i++) {
            double value = u < a->d || !labels ? x[i * a->d + u] : labels[i];
            above = t->cells[i * width + u] = cell_text(&t->arena, value, above, was);
            if (!above)
                return false;
            was = value;
            there += !isnan(value);
            sum += isnan(value) ? 0 : value;
        }
        if (u < a->d)
            a->usual[u] = there ? sum / (double)there : NAN;
        if (!t->columns[u])
            return false;
    }
    t->n_columns = width;
    t->n_rows = a->n;
    a->labels = labels ? t->columns[a->d] : NULL;
    return true;
}

glim_status glim_array_new(glim_array **out, glim_context *ctx, const double *x, size_t n, size_t d,
                           const char *const *names, const double *labels, glim_error *err) {
    *out = NULL;
    glim_status status = check(x, n, d, names, labels, ctx, err);
    if (status)
        return status;
    glim_array *a = glim__calloc(ctx, 1, sizeof *a);
    if (!a)
        return glim__oom(ctx, err, "training rows", sizeof *a);
    *a = (glim_array){.ctx = ctx, .n = n, .d = d, .table = {.ctx = ctx, .path = "training rows"}};
    glim__arena_init(&a->table.arena, ctx, 1 << 16);
    if (!fill(a, x, names, labels)) {
        glim_array_free(a);
        return glim__oom(ctx, err, "training rows", n * d * 16);
    }
    *out = a;
    return GLIM_OK;
}

void glim_array_free(glim_array *a) {
    if (!a)
        return;
    glim__arena_release(&a->table.arena);
    glim__free(a->ctx, a);
}
