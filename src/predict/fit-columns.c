/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's columns as features. A column is numeric when every cell is a number or
 * missing; else it is a category, and every value is a feature that is 1 or 0. Values
 * are sorted, so they do not depend on the order of the rows.
 */
#include "predict/fit.h"

#include <stdio.h>
#include <string.h>

enum { MOST_VALUES = 1000 };

struct reading {
    glim_context *ctx;
    const glim_table *t;
    const glim_fit_table *how;
    glim_fit_target target;
    size_t *used; /* columns */
    size_t n_used, P;
    glim_arena arena;
    glim_fit_column *columns; /* (n_used) */
    double *x;
};

static glim_status oom(const struct reading *r, glim_error *err) {
    return glim__oom(r->ctx, err, "the features", r->t->n_rows * r->P * sizeof(double));
}

/* ---- columns ---- */

/* The names of --columns, or all but the label. */
static glim_status choose_columns(struct reading *r, glim_error *err) {
    size_t room = r->t->n_columns;
    char name[256];
    r->used = glim__arena_calloc(&r->arena, room + 1, sizeof *r->used);
    if (!r->used)
        return oom(r, err);
    for (size_t c = 0; c < room && !r->how->columns; c++)
        if (c != r->target.column)
            r->used[r->n_used++] = c;
    for (const char *at = r->how->columns; at && *at;) {
        size_t n = strcspn(at, ","), c;
        if (n >= sizeof name)
            return glim_fail(err, GLIM_EUSAGE, "a name in the list of columns is too long");
        memcpy(name, at, n);
        name[n] = 0;
        glim_status status = glim__table_column(r->t, name, &c, err);
        if (status)
            return status;
        for (size_t i = 0; i < r->n_used; i++)
            if (r->used[i] == c)
                return glim_fail(err, GLIM_EUSAGE, "the column '%s' is named twice", name);
        if (c == r->target.column)
            return glim_fail(err, GLIM_EUSAGE, "'%s' is the label; it cannot be fitted on", name);
        r->used[r->n_used++] = c;
        at += n + (at[n] == ',');
    }
    return r->n_used
               ? GLIM_OK
               : glim_fail(err, GLIM_EUSAGE, "'%s' has no column beside the label", r->t->path);
}

static glim_status find_kinds(struct reading *r, glim_error *err) {
    r->columns = glim__arena_calloc(&r->arena, r->n_used, sizeof *r->columns);
    if (!r->columns)
        return oom(r, err);
    for (size_t i = 0; i < r->n_used; i++) {
        glim_fit_column *c = &r->columns[i];
        c->name = r->t->columns[r->used[i]];
        c->first = r->P;
        if (!glim__table_numeric(r->t, r->used[i])) {
            glim_status status = glim__fit_different(&r->arena, r->t, r->used[i], false, &c->values,
                                                     &c->n_values, err);
            if (status)
                return status;
            if (!c->n_values)
                return glim_fail(err, GLIM_EFORMAT, "'%s': column '%.60s' is empty", r->t->path,
                                 c->name);
            if (c->n_values > MOST_VALUES)
                return glim_fail(err, GLIM_EUSAGE,
                                 "column '%.60s' has %zu different values, which are too many for "
                                 "indicators (leave it out with --columns)",
                                 c->name, c->n_values);
        }
        r->P += c->values ? c->n_values : 1;
        glim_status status = glim__check_cancel(r->ctx, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

glim_status glim__fit_encode(const glim_fit_column *columns, size_t n, const char *const *cells,
                             const char *where, bool *missing, double *x, glim_error *err) {
    for (size_t i = 0; i < n; i++) {
        const glim_fit_column *c = &columns[i];
        double *at = x + c->first;
        bool none = c->values ? !*cells[i] : glim__table_missing(cells[i]);
        if (none && missing) {
            *missing = true;
            return GLIM_OK;
        }
        if (none)
            return glim_fail(err, GLIM_EFORMAT, "%s has no '%.60s'", where, c->name);
        if (!c->values && !glim__table_number(cells[i], at))
            return glim_fail(err, GLIM_EFORMAT, "%s: '%.40s' is no number, which '%.60s' holds",
                             where, cells[i], c->name);
        if (!c->values)
            continue;
        int32_t k = glim__fit_find(c->values, c->n_values, cells[i], false);
        if (k < 0)
            return glim_fail(err, GLIM_EFORMAT,
                             "%s: '%.60s' holds '%.40s', which it did not when it was fitted",
                             where, c->name, cells[i]);
        memset(at, 0, c->n_values * sizeof *at);
        at[k] = 1;
    }
    return GLIM_OK;
}

/* ---- rows ---- */

static glim_status take_row(struct reading *r, size_t row, const char **cells, glim_error *err) {
    char where[320];
    bool missing = false;
    snprintf(where, sizeof where, "row %zu of '%.200s'", row + 1, r->t->path);
    for (size_t i = 0; i < r->n_used; i++)
        cells[i] = glim__table_cell(r->t, row, r->used[i]);
    glim_status status =
        glim__fit_target_take(&r->target, row, where, r->how->drop_missing, &missing, err);
    if (!status && !missing)
        status = glim__fit_encode(r->columns, r->n_used, cells, where,
                                  r->how->drop_missing ? &missing : NULL, r->x + r->target.n * r->P,
                                  err);
    if (!status && !missing)
        r->target.n++;
    return status;
}

static glim_status take_rows(struct reading *r, glim_error *err) {
    size_t N = r->t->n_rows, bytes;
    if (__builtin_mul_overflow(N, r->P * sizeof *r->x, &bytes))
        return glim_fail(err, GLIM_ELIMIT, "%zu rows of %zu features are too many", N, r->P);
    r->x = glim__alloc(r->ctx, bytes);
    const char **cells = glim__calloc(r->ctx, r->n_used, sizeof *cells);
    glim_status status = r->x && cells ? GLIM_OK : oom(r, err);
    for (size_t i = 0; i < N && !status; i++) {
        status = take_row(r, i, cells, err);
        if (!status && i % 1024 == 0)
            status = glim__check_cancel(r->ctx, err);
    }
    glim__free(r->ctx, cells);
    if (!status && !r->target.n)
        status = glim_fail(err, GLIM_EUSAGE, "'%s': every row has a missing cell", r->t->path);
    return status;
}

static glim_status read_all(struct reading *r, bool logistic, glim_error *err) {
    glim_status status =
        glim__fit_target_init(&r->target, r->ctx, r->t, r->how->label, logistic, err);
    if (!status)
        status = choose_columns(r, err);
    if (!status)
        status = find_kinds(r, err);
    return status ? status : take_rows(r, err);
}

/* Columns and target, as the model's own. */
static glim_status keep(glim_linear *l, const struct reading *r, glim_error *err) {
    glim_arena *a = &l->arena;
    l->columns = glim__arena_calloc(a, r->n_used, sizeof *l->columns);
    l->column_names = glim__arena_calloc(a, r->n_used, sizeof *l->column_names);
    l->info.target = glim__arena_strdup(a, r->how->label);
    bool ok = l->columns && l->column_names && l->info.target;
    for (size_t i = 0; i < r->n_used && ok; i++) {
        const glim_fit_column *from = &r->columns[i];
        glim_fit_column *to = &l->columns[i];
        *to = (glim_fit_column){.first = from->first, .n_values = from->n_values};
        to->name = l->column_names[i] = glim__arena_strdup(a, from->name);
        ok = to->name;
        if (!from->values || !ok)
            continue;
        ok = (to->values = glim__arena_calloc(a, from->n_values, sizeof *to->values));
        for (size_t k = 0; k < from->n_values && ok; k++)
            ok = (to->values[k] = glim__arena_strdup(a, from->values[k]));
    }
    l->info.columns = l->column_names;
    l->info.n_columns = r->n_used;
    return ok ? GLIM_OK : glim__oom(l->ctx, err, "the columns", r->n_used * sizeof *l->columns);
}

static void release(struct reading *r) {
    glim__free(r->ctx, r->x);
    glim__fit_target_release(&r->target);
    glim__arena_release(&r->arena);
}

glim_status glim_fit_columns(glim_linear **out, glim_fit_report *report, glim_context *ctx,
                             const glim_fit_table *table, const glim_fit_options *options,
                             glim_error *err) {
    glim_table *t;
    *out = NULL;
    glim_status status = glim__table_open(&t, ctx, table->path, err);
    if (status)
        return status;
    struct reading r = {.ctx = ctx, .t = t, .how = table};
    glim__arena_init(&r.arena, ctx, 1 << 16);
    status = read_all(&r, options->kind == GLIM_FIT_LOGISTIC, err);
    if (!status) {
        glim_fit_data d = glim__fit_target_data(&r.target);
        d.f64 = r.x;
        d.width = r.P;
        status = glim_fit(out, report, ctx, &d, options, err);
    }
    if (!status) {
        report->left_out = t->n_rows - r.target.n;
        status = keep(*out, &r, err);
    }
    if (status) {
        glim_linear_close(*out);
        *out = NULL;
    }
    release(&r);
    glim__table_close(t);
    return status;
}
