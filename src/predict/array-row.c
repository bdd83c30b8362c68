/* SPDX-License-Identifier: Apache-2.0 */
/* A row of numbers and the caller's function as a predictor: rows go over as they are drawn. */
#include "base/json.h"
#include "predict/black-box.h"
#include "predict/array.h"
#include "predict/background.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

enum { AT_ONCE = 8192 }; /* rows of a call: a forest or a network is asked in large batches */

struct array_row {
    glim_predictor base;
    const glim_array *array;
    glim_array_target target;
    glim_arena arena;
    glim_unit *unit; /* (d) */
    glim_units units;
    glim_cell *own; /* (d) the row's cells, a text even when it is empty */
    glim_buffer text;
    size_t row_end;
    double value;
    uint64_t asked;
};

/* ---- asking ---- */

static glim_status check(const struct array_row *s, const double *values, size_t n,
                         glim_error *err) {
    size_t K = s->target.n_classes;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++) {
            double v = values[i * K + k];
            if (!isfinite(v))
                return glim_fail(err, GLIM_ENUMERIC,
                                 "the predictor answered row %zu of %zu with %s for class %zu", i,
                                 n, isnan(v) ? "NaN" : "an infinity", k);
            sum += v;
            if (s->target.prob && (v < -GLIM_PROB_TOLERANCE || v > 1 + GLIM_PROB_TOLERANCE))
                return glim_fail(err, GLIM_EFORMAT,
                                 "the predictor answered row %zu with the probability %g", i, v);
        }
        if (s->target.prob && K > 1 && fabs(sum - 1) > GLIM_PROB_TOLERANCE)
            return glim_fail(err, GLIM_EFORMAT,
                             "the probabilities of row %zu sum to %.6g, not to 1", i, sum);
    }
    return GLIM_OK;
}

/* values (n, K) of rows (n, d). */
static glim_status ask(struct array_row *s, const double *rows, size_t n, double *values,
                       glim_error *err) {
    glim_status status = glim__check_cancel(s->base.ctx, err);
    for (size_t i = 0; i < n * s->target.n_classes; i++)
        values[i] = NAN;
    if (!status)
        status = s->target.function(s->target.data, rows, n, values, err);
    if (!status)
        status = check(s, values, n, err);
    if (!status) {
        s->asked += n;
        glim__progress_add(s->base.ctx, n);
    }
    return status;
}

/* The targets, or with `each` all classes, of n rows that `put` writes. */
typedef void put_row(const struct array_row *s, const void *from, size_t i, double *row);

static glim_status ask_put(struct array_row *s, put_row *put, const void *from, size_t n, bool each,
                           double *out, glim_error *err) {
    size_t d = s->array->d, K = s->target.n_classes, most = n < AT_ONCE ? n : AT_ONCE;
    double *rows = glim__calloc(s->base.ctx, most * (d + K), sizeof *rows);
    glim_status status = rows ? GLIM_OK : glim__oom(s->base.ctx, err, "rows", 8 * most * (d + K));
    double *values = status ? NULL : rows + most * d;
    for (size_t at = 0; at < n && !status; at += most) {
        size_t m = n - at < most ? n - at : most;
        for (size_t i = 0; i < m; i++)
            put(s, from, at + i, rows + i * d);
        status = ask(s, rows, m, values, err);
        for (size_t i = 0; i < m && !status; i++)
            for (size_t k = 0; k < (each ? K : 1); k++)
                out[(at + i) * (each ? K : 1) + k] =
                    values[i * K + (each ? k : s->target.class_index)];
    }
    glim__free(s->base.ctx, rows);
    return status;
}

static void put_cells(const struct array_row *s, const void *from, size_t i, double *row) {
    const glim_cell *cells = (const glim_cell *)from + i * s->array->d;
    for (size_t u = 0; u < s->array->d; u++) {
        row[u] = cells[u].number;
        if (cells[u].text && isnan(row[u]))
            glim__table_number(cells[u].text, &row[u]);
    }
}

static glim_status rows(glim_predictor *p, const glim_cell *cells, size_t n, bool each, double *out,
                        glim_error *err) {
    return ask_put((struct array_row *)p, put_cells, cells, n, each, out, err);
}

/* ---- masks ---- */

struct masks {
    const uint8_t *keep;
    const double *others; /* (B, d) rows that absent columns take their cells from; or NULL */
    size_t B;
};

static void put_masked(const struct array_row *s, const void *from, size_t i, double *row) {
    const struct masks *m = from;
    size_t d = s->array->d;
    const uint8_t *keep = m->keep + i / m->B * d;
    const double *other = m->others ? m->others + i % m->B * d : s->array->usual;
    for (size_t u = 0; u < d; u++)
        row[u] = keep[u] ? s->own[u].number : other[u];
}

static glim_status resampled(struct array_row *s, const uint8_t *keep, size_t n, double *out,
                             glim_error *err) {
    size_t d = s->array->d, B, *chosen;
    glim_context *ctx = s->base.ctx;
    glim_status status = glim__background_rows(&s->base, &chosen, &B, err);
    if (status)
        return status;
    double *others = glim__calloc(ctx, B * (d + 1), sizeof *others);
    double *each = others ? others + B * d : NULL;
    if (!others)
        status = glim__oom(ctx, err, "rows of the table", 8 * B * (d + 1));
    for (size_t i = 0; i < B * d && !status; i++)
        if (!glim__table_number(glim__table_cell(&s->array->table, chosen[i / d], i % d),
                                &others[i]))
            others[i] = NAN;
    for (size_t i = 0; i < n && !status; i++) {
        struct masks m = {keep + i * d, others, B};
        status = ask_put(s, put_masked, &m, B, false, each, err);
        for (size_t k = 0; k < B && !status; k++)
            out[i] = (k ? out[i] : 0) + each[k] / (double)B;
    }
    glim__free(ctx, others);
    glim__free(ctx, chosen);
    return status;
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct array_row *s = (struct array_row *)p;
    struct masks m = {keep, NULL, 1};
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    if (absent == GLIM_ABSENT_RESAMPLE)
        return resampled(s, keep, n, out, err);
    if (absent == GLIM_ABSENT_ATTENTION)
        return glim_fail(err, GLIM_EUSAGE,
                         "a row of numbers has no attention to hide a column from "
                         "(take absent mean)");
    return ask_put(s, put_masked, &m, n, false, out, err);
}

/* ---- the document ---- */

static const char *name_of(const struct array_row *s) {
    return s->target.classes ? s->target.classes[s->target.class_index] : "the value";
}

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct array_row *s = (const struct array_row *)p;
    const char *name = name_of(s);
    doc->kind = "attribution";
    doc->model.file = "a function";
    doc->model.architecture = "function";
    doc->n_rows = 1;
    doc->target.kind = "class";
    doc->target.output = s->target.prob ? "prob" : "score";
    doc->target.text = glim_document_text(doc, name, strlen(name));
    doc->target.text_len = strlen(name);
    doc->target.id = (int32_t)s->target.class_index;
    doc->target.against_id = -1;
    doc->target.value = s->value;
    doc->target.prob = s->target.prob ? s->value : NAN;
    doc->target.baseline_value = NAN;
    return doc->target.text &&
                   glim__columns_describe(s->text.data, s->text.len, s->unit, s->units.count, doc)
               ? GLIM_OK
               : glim__oom(p->ctx, err, "the document", 0);
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = ((const struct array_row *)p)->asked;
    *backward = 0;
}

static void free_row(glim_predictor *p) {
    struct array_row *s = (struct array_row *)p;
    glim__arena_release(&s->arena);
    glim__buffer_release(&s->text);
    glim__free(p->ctx, s);
}

/* ---- making ---- */

static glim_status lay_out(struct array_row *s, const double *row, glim_error *err) {
    const glim_array *a = s->array;
    s->unit = glim__arena_calloc(&s->arena, a->d, sizeof *s->unit);
    s->own = glim__arena_calloc(&s->arena, a->d, sizeof *s->own);
    if (!s->unit || !s->own)
        return glim__oom(a->ctx, err, "the columns", a->d * sizeof *s->unit);
    for (size_t u = 0; u < a->d; u++) {
        char number[40] = "";
        if (isinf(row[u]))
            return glim_fail(err, GLIM_ENUMERIC, "column '%.60s' of the row is an infinity",
                             a->table.columns[u]);
        if (!isnan(row[u]))
            glim__number_text(row[u], false, number);
        s->own[u] = (glim_cell){.text = glim__arena_strdup(&s->arena, number), .number = row[u]};
        if (!s->own[u].text)
            return glim__oom(a->ctx, err, "the columns", a->d * sizeof *s->own);
        s->unit[u] = (glim_unit){.start = s->text.len, .first = u, .count = 1, .turn = -1};
        glim__columns_name(&s->text, a->table.columns[u]);
        glim__buffer_puts(&s->text, *number ? number : "null");
        s->unit[u].end = s->text.len;
    }
    if (s->text.failed)
        return glim__oom(a->ctx, err, "the columns", s->text.len);
    s->units = (glim_units){.ctx = a->ctx, .at = s->unit, .count = a->d};
    s->row_end = a->d;
    return GLIM_OK;
}

/* The target on the row itself, which is the first question. */
static glim_status choose(struct array_row *s, const double *row, glim_error *err) {
    size_t K = s->target.n_classes;
    double *values = glim__calloc(s->base.ctx, K, sizeof *values);
    if (!values)
        return glim__oom(s->base.ctx, err, "the classes", K * sizeof *values);
    glim_status status = ask(s, row, 1, values, err);
    if (!status && s->target.class_index == SIZE_MAX) {
        s->target.class_index = 0;
        for (size_t k = 1; k < K; k++)
            if (values[k] > values[s->target.class_index])
                s->target.class_index = k;
    }
    if (!status)
        s->value = values[s->target.class_index];
    glim__free(s->base.ctx, values);
    return status;
}

static glim_status check_target(const glim_array_target *t, glim_error *err) {
    if (!t->n_classes || t->n_classes > GLIM_MOST_CLASSES)
        return glim_fail(err, t->n_classes ? GLIM_ELIMIT : GLIM_EUSAGE,
                         "the predictor has %zu classes; between 1 and %d are possible",
                         t->n_classes, GLIM_MOST_CLASSES);
    if (t->n_classes > 1 && !t->classes)
        return glim_fail(err, GLIM_EUSAGE, "%zu classes have no names", t->n_classes);
    if (t->class_index != SIZE_MAX && t->class_index >= t->n_classes)
        return glim_fail(err, GLIM_EUSAGE, "there is no class %zu (there are %zu)", t->class_index,
                         t->n_classes);
    return GLIM_OK;
}

glim_status glim_predictor_array(glim_predictor **out, const glim_array *a, const double *row,
                                 const glim_array_target *target, glim_error *err) {
    *out = NULL;
    glim_status status = check_target(target, err);
    if (status)
        return status;
    struct array_row *s = glim__calloc(a->ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(a->ctx, err, "the predictor", sizeof *s);
    s->array = a;
    s->target = *target;
    glim__arena_init(&s->arena, a->ctx, 1 << 12);
    glim__buffer_init(&s->text, a->ctx);
    s->base = (glim_predictor){.ctx = a->ctx,
                               .name = "a function of rows",
                               .can = GLIM_CAN_PREDICT,
                               .columns = true,
                               .chunk = AT_ONCE,
                               .n_rows = 1,
                               .units = &s->units,
                               .row_end = &s->row_end,
                               .value = &s->value,
                               .table = &a->table,
                               .table_row = SIZE_MAX,
                               .column_names = a->table.columns,
                               .label = a->labels,
                               .classes = target->classes,
                               .n_classes = target->classes ? target->n_classes : 0,
                               .values = values,
                               .rows = rows,
                               .plan_values = glim__background_plan_values,
                               .describe = describe,
                               .cost = cost,
                               .free = free_row};
    status = lay_out(s, row, err);
    s->base.own = s->own;
    if (!status)
        status = choose(s, row, err);
    if (status) {
        free_row(&s->base);
        return status;
    }
    *out = &s->base;
    return GLIM_OK;
}
