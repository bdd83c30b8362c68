/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of rows that stream by. The first reading tells numbers from words, the second
 * gathers the different words; of a column no more of them stay in memory than a fit takes.
 * Rejected: the table in memory, which glim fit needs anyway for its folds.
 */
#include "influence/head-columns.h"
#include "base/map.h"

#include <stdio.h>
#include <string.h>

enum { MOST_VALUES = 1000, MOST_CLASSES = 10000, FEW = 10, AT_ONCE = 256 };

/* What the cells of a column are. */
struct seen {
    size_t column;
    bool words, some_number;
    glim_map known;
    const char **values;
    size_t n, most; /* most + 1 are too many */
};

struct reading {
    glim_context *ctx;
    glim_rows *rows;
    const char *label;
    glim_arena arena;
    struct seen *all; /* (n): columns, then the label */
    size_t n;
    bool gathers;
};

static glim_status oom(const struct reading *r, glim_error *err) {
    return glim__oom(r->ctx, err, "the columns", r->n * sizeof *r->all);
}

/* ---- which columns ---- */

static glim_status name_one(struct reading *r, const char *at, size_t len, glim_error *err) {
    char name[256];
    size_t c, label = r->all[r->n].column;
    if (len >= sizeof name)
        return glim_fail(err, GLIM_EUSAGE, "a name in the list of columns is too long");
    memcpy(name, at, len);
    name[len] = 0;
    glim_status status = glim__rows_column(r->rows, name, &c, err);
    if (status)
        return status;
    for (size_t i = 0; i < r->n; i++)
        if (r->all[i].column == c)
            return glim_fail(err, GLIM_EUSAGE, "the column '%s' is named twice", name);
    if (c == label)
        return glim_fail(err, GLIM_EUSAGE, "'%s' is the label; it cannot be fitted on", name);
    r->all[r->n++].column = c;
    r->all[r->n].column = label;
    return GLIM_OK;
}

/* The label stays behind the last column that is named. */
static glim_status choose(struct reading *r, const char *columns, glim_error *err) {
    size_t room, label;
    glim__rows_columns(r->rows, &room);
    glim_status status = glim__rows_column(r->rows, r->label, &label, err);
    r->all = glim__arena_calloc(&r->arena, room + 1, sizeof *r->all);
    if (status || !r->all)
        return status ? status : oom(r, err);
    r->all[0].column = label;
    for (size_t c = 0; c < room && !columns; c++)
        if (c != label)
            r->all[r->n++].column = c;
    r->all[r->n].column = label;
    for (const char *at = columns; at && *at && !status;) {
        size_t len = strcspn(at, ",");
        status = name_one(r, at, len, err);
        at += len + (at[len] == ',');
    }
    if (!status && !r->n)
        status = glim_fail(err, GLIM_EUSAGE, "'%s' has no column beside the label",
                           glim__rows_path(r->rows));
    return status;
}

/* ---- cells ---- */

static bool keep(struct reading *r, struct seen *s, const char *cell) {
    size_t len = strlen(cell);
    if (!s->values) {
        glim__map_init(&s->known, r->ctx);
        s->values = glim__arena_calloc(&r->arena, s->most + 1, sizeof *s->values);
    }
    if (!len || s->n > s->most || (s->n && glim__map_get(&s->known, cell, len) >= 0))
        return true;
    const char *copy = s->values ? glim__arena_strndup(&r->arena, cell, len) : NULL;
    if (!copy || !glim__map_set(&s->known, copy, len, (int32_t)s->n, NULL))
        return false;
    s->values[s->n++] = copy;
    return true;
}

static glim_status look_at(struct reading *r, const char *const *cells, glim_error *err) {
    double x;
    for (size_t i = 0; i <= r->n; i++) {
        struct seen *s = &r->all[i];
        const char *cell = cells[s->column];
        if (r->gathers) {
            if ((s->words || i == r->n) && !keep(r, s, cell))
                return oom(r, err);
            continue;
        }
        bool number = !s->words && glim__table_number(cell, &x);
        s->some_number |= number;
        s->words |= !number && !glim__table_missing(cell);
        if (i == r->n && s->n <= FEW && !glim__table_missing(cell) && !keep(r, s, cell))
            return oom(r, err);
    }
    return GLIM_OK;
}

static glim_status read_all(struct reading *r, glim_error *err) {
    size_t N = glim__rows_count(r->rows), C;
    glim_arena cells;
    glim__rows_columns(r->rows, &C);
    glim__arena_init(&cells, r->ctx, (size_t)1 << 14);
    glim_status status = GLIM_OK;
    for (size_t at = 0, n; at < N && !status; at += n) {
        const char **rows = NULL;
        n = N - at < AT_ONCE ? N - at : AT_ONCE;
        status = glim__rows_read(r->rows, at, n, &cells, &rows, err);
        for (size_t i = 0; i < n && !status; i++)
            status = look_at(r, rows + i * C, err);
        glim__arena_reset(&cells);
        if (!status)
            status = glim__check_cancel(r->ctx, err);
    }
    glim__arena_release(&cells);
    return status;
}

static bool is_numeric(const struct seen *s) {
    return s->some_number && !s->words;
}

static void forget(struct seen *s) {
    if (s->values)
        glim__map_release(&s->known);
    s->values = NULL;
    s->n = 0;
}

/* Gathers words, where there are any. */
static glim_status find_values(struct reading *r, bool logistic, glim_error *err) {
    bool any = logistic;
    forget(&r->all[r->n]);
    for (size_t i = 0; i < r->n; i++) {
        struct seen *s = &r->all[i];
        s->words = !is_numeric(s); /* an empty column has none, which is told */
        s->most = MOST_VALUES;
        any |= s->words;
    }
    r->all[r->n].most = logistic ? MOST_CLASSES : 0;
    r->gathers = true;
    glim_status status = any ? read_all(r, err) : GLIM_OK;
    for (size_t i = 0; i < r->n && !status; i++) {
        struct seen *s = &r->all[i];
        const char *const *names = glim__rows_columns(r->rows, &(size_t){0});
        const char *name = names[s->column];
        if (s->words && !s->n)
            status = glim_fail(err, GLIM_EFORMAT, "'%s': column '%.60s' is empty",
                               glim__rows_path(r->rows), name);
        else if (s->words && s->n > MOST_VALUES)
            status = glim_fail(err, GLIM_EUSAGE,
                               "column '%.60s' has more than %d different values, which are too "
                               "many for indicators (leave it out with --columns)",
                               name, MOST_VALUES);
        else if (s->words)
            s->n = glim__fit_sort(s->values, s->n, false);
    }
    return status;
}

static glim_status find_classes(struct reading *r, glim_error *err) {
    struct seen *s = &r->all[r->n];
    size_t N = glim__rows_count(r->rows), n = s->n;
    if (n > MOST_CLASSES || (n > 100 && 2 * n > N))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.60s' has %s%zu different values in %zu rows: these are no classes "
                         "(--kind linear predicts numbers)",
                         r->label, n > MOST_CLASSES ? "more than " : "",
                         n > MOST_CLASSES ? (size_t)MOST_CLASSES : n, N);
    if (n < 2)
        return glim_fail(err, GLIM_EUSAGE,
                         "there is only one class, '%.60s': nothing to tell apart",
                         n ? s->values[0] : "");
    s->n = glim__fit_sort(s->values, n, is_numeric(s));
    return GLIM_OK;
}

/* ---- the model ---- */

static const char **copies(glim_arena *a, const char *const *from, size_t n) {
    const char **out = glim__arena_calloc(a, n + 1, sizeof *out);
    for (size_t i = 0; i < n && out; i++)
        if (!(out[i] = glim__arena_strdup(a, from[i])))
            return NULL;
    return out;
}

static bool fill(glim_linear *l, const struct reading *r, size_t *P) {
    glim_arena *a = &l->arena;
    const char *const *names = glim__rows_columns(r->rows, &(size_t){0});
    l->columns = glim__arena_calloc(a, r->n, sizeof *l->columns);
    l->column_names = glim__arena_calloc(a, r->n, sizeof *l->column_names);
    l->info.target = glim__arena_strdup(a, r->label);
    bool ok = l->columns && l->column_names && l->info.target;
    for (size_t i = 0; i < r->n && ok; i++) {
        const struct seen *s = &r->all[i];
        glim_fit_column *to = &l->columns[i];
        *to = (glim_fit_column){.first = *P, .n_values = s->words ? s->n : 0};
        to->name = l->column_names[i] = glim__arena_strdup(a, names[s->column]);
        if (s->words)
            to->values = copies(a, s->values, s->n);
        ok = to->name && (to->values || !s->words);
        *P += s->words ? s->n : 1;
    }
    l->info.columns = l->column_names;
    l->info.n_columns = r->n;
    return ok;
}

static glim_status make(glim_linear **out, const struct reading *r, bool logistic,
                        glim_error *err) {
    const struct seen *label = &r->all[r->n];
    size_t P = 0, K = logistic ? label->n : 0;
    glim_status status = glim__linear_new(out, r->ctx, err);
    glim_linear *l = *out;
    if (status)
        return status;
    l->info.kind = logistic ? GLIM_FIT_LOGISTIC : GLIM_FIT_LINEAR;
    l->info.n_classes = K;
    l->classes = K ? copies(&l->arena, label->values, K) : NULL;
    l->info.classes = l->classes;
    if (!fill(l, r, &P) || (K && !l->classes))
        return oom(r, err);
    return glim__linear_shape(l, P, K > 2 ? K : 1, err);
}

glim_status glim__head_columns(glim_linear **out, glim_context *ctx, glim_rows *rows,
                               const char *label, const char *columns, glim_head_kind kind,
                               glim_error *err) {
    struct reading r = {.ctx = ctx, .rows = rows, .label = label};
    *out = NULL;
    glim__arena_init(&r.arena, ctx, (size_t)1 << 14);
    glim_status status = choose(&r, columns, err);
    if (!status) {
        r.all[r.n].most = FEW;
        status = read_all(&r, err);
    }
    bool logistic = kind == GLIM_HEAD_LOGISTIC;
    if (!status && kind == GLIM_HEAD_AUTO)
        logistic = !is_numeric(&r.all[r.n]) || r.all[r.n].n < FEW;
    if (!status)
        status = find_values(&r, logistic, err);
    if (!status && logistic)
        status = find_classes(&r, err);
    if (!status)
        status = make(out, &r, logistic, err);
    for (size_t i = 0; r.all && i <= r.n; i++)
        forget(&r.all[i]);
    glim__arena_release(&r.arena);
    if (status) {
        glim_linear_close(*out);
        *out = NULL;
    }
    return status;
}
