/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A black box with a row of a table as a predictor. The box gets whole rows, each an
 * object of column and cell; an absent cell has what is usual in its column. Columns
 * are units, so methods need not know.
 */
#include "predict/background.h"
#include "predict/black-box.h"
#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 1024 };

struct row_box {
    glim_predictor base;
    glim_black_box *box;
    glim_unit *unit; /* (n) */
    glim_units units;
    glim_box_target target;
    size_t row_end;
    glim_buffer text; /* as it is shown: "name = cell" */
    glim_row row;     /* borrowed, for the names, and what is usual: a number or a text */
    /* members of the object, `"name":value`: with the cell, and with what is usual */
    glim_buffer members;
    size_t *at; /* (2 n + 1) where they begin in `members` */
    /* of --absent resample, once it was asked: members of other rows */
    glim_buffer others;
    size_t *other, n_others; /* (n_others n + 1) where they begin in `others` */
    size_t others_most;      /* drawn for these */
    uint64_t others_seed;
};

/* ---- rows as inputs ---- */

static void append_cell(glim_buffer *out, const glim_cell *c) {
    char number[40] = "null";
    if (!c->text) {
        if (isfinite(c->number))
            glim__number_text(c->number, false, number);
        glim__buffer_puts(out, number);
    } else {
        glim__batch_string(out, c->text, strlen(c->text));
    }
}

static void append_member(glim_buffer *out, const char *name, const glim_cell *c) {
    glim__batch_string(out, name, strlen(name));
    glim__buffer_putc(out, ':');
    append_cell(out, c);
}

static glim_status ask(glim_black_box *box, const glim_input *inputs, size_t n, double **values,
                       glim_error *err) {
    if (!strcmp(box->info.kind, "openai"))
        return glim__box_fail(box, err, GLIM_EUSAGE, NULL, 0,
                              "it is asked in words; rows go to process:, http: and plugin:");
    box->kind = GLIM_INPUT_ROW;
    glim_status status = glim_black_box_ask(box, inputs, n, values, err);
    box->kind = GLIM_INPUT_TEXT;
    return status;
}

static glim_status check(const char *s, glim_error *err) {
    size_t n = strlen(s), bad = glim__utf8_check(s, n);
    return bad == n ? GLIM_OK
                    : glim_fail(err, GLIM_EFORMAT, "a cell is not UTF-8 at byte %zu", bad);
}

static glim_status check_row(const glim_row *row, glim_error *err) {
    glim_status status = row->n ? GLIM_OK : glim_fail(err, GLIM_EUSAGE, "a row without columns");
    for (size_t i = 0; i < row->n && !status; i++) {
        status = check(row->columns[i], err);
        if (!status && row->cells[i].text)
            status = check(row->cells[i].text, err);
        if (!status && row->usual && row->usual[i].text)
            status = check(row->usual[i].text, err);
    }
    return status;
}

glim_status glim_black_box_ask_row(glim_black_box *box, const glim_row *row, double **values,
                                   glim_error *err) {
    glim_buffer text;
    *values = NULL;
    glim__buffer_init(&text, box->ctx);
    glim_status status = check_row(row, err);
    for (size_t i = 0; i < row->n && !status; i++) {
        glim__buffer_putc(&text, i ? ',' : '{');
        append_member(&text, row->columns[i], &row->cells[i]);
    }
    glim__buffer_putc(&text, '}');
    if (!status && text.failed)
        status = glim__oom(box->ctx, err, "a row", text.len);
    if (!status)
        status = ask(box, &(glim_input){text.data, text.len}, 1, values, err);
    glim__buffer_release(&text);
    return status;
}

/* ---- masks ---- */

/* Unit u of a masked row, and of another row. */
static void put_masked(glim_buffer *out, const struct row_box *s, const uint8_t *keep, size_t u,
                       size_t other) {
    const size_t *from = other < s->n_others ? s->other + other * s->units.count + u : NULL;
    if (from && !keep[u]) {
        glim__buffer_append(out, s->others.data + from[0], from[1] - from[0]);
        return;
    }
    size_t k = 2 * u + !keep[u];
    glim__buffer_append(out, s->members.data + s->at[k], s->at[k + 1] - s->at[k]);
}

static void put_other(glim_buffer *out, const struct row_box *s, const glim_cell *cells, size_t u) {
    glim_cell c = cells[u];
    if (!s->row.usual[u].text)
        c.text = NULL; /* a column of numbers */
    append_member(out, s->row.columns[u], &c);
}

/* The targets of m rows, masked ones or others; with `each`, all their classes. Absent
   columns have what is usual, or (`others` > 0) each mask stands for that many rows, in
   which they have the cells of others. */
static glim_status ask_some(struct row_box *s, const uint8_t *keep, const glim_cell *cells,
                            size_t others, size_t m, bool each, double *out, glim_error *err) {
    size_t U = s->units.count, from = 0, K = each ? s->box->info.n_classes : 1;
    glim_context *ctx = s->base.ctx;
    double *rows = NULL;
    glim_buffer texts;
    glim_input *inputs = glim__calloc(ctx, m, sizeof *inputs);
    if (!inputs)
        return glim__oom(ctx, err, "masked rows", m * sizeof *inputs);
    glim__buffer_init(&texts, ctx);
    for (size_t i = 0; i < m; i++) {
        size_t start = texts.len;
        for (size_t u = 0; u < U; u++) {
            glim__buffer_putc(&texts, u ? ',' : '{');
            if (keep)
                put_masked(&texts, s, keep + (others ? i / others : i) * U, u,
                           others ? i % others : SIZE_MAX);
            else if (cells)
                put_other(&texts, s, cells + i * U, u);
        }
        glim__buffer_putc(&texts, '}');
        inputs[i].len = texts.len - start;
    }
    for (size_t i = 0; i < m && !texts.failed; from += inputs[i++].len)
        inputs[i].text = texts.data + from;
    glim_status status = texts.failed ? glim__oom(ctx, err, "masked rows", texts.len)
                                      : ask(s->box, inputs, m, &rows, err);
    for (size_t i = 0; rows && i < m; i++)
        for (size_t k = 0; k < K; k++) {
            glim_box_target t = s->target;
            if (each) {
                t.class_index = k;
                t.contrast = false;
            }
            out[i * K + k] = glim__box_target(s->box, &t, rows + i * s->box->info.n_classes);
        }
    glim_black_box_values_free(s->box, rows);
    glim__free(ctx, inputs);
    glim__buffer_release(&texts);
    return status;
}

/* Members of the rows that absent columns take their cells from. */
static glim_status read_others(struct row_box *s, glim_error *err) {
    const glim_predictor *p = &s->base;
    size_t U = s->units.count, n, *rows;
    if (s->other && s->others_most == p->background && s->others_seed == p->background_seed)
        return GLIM_OK;
    glim_status status = glim__background_rows(p, &rows, &n, err);
    if (status)
        return status;
    glim__buffer_clear(&s->others);
    glim__free(p->ctx, s->other);
    s->other = glim__calloc(p->ctx, n * U + 1, sizeof *s->other);
    if (!s->other)
        status = glim__oom(p->ctx, err, "rows of the table", n * U * sizeof *s->other);
    for (size_t i = 0; i < n * U && !status; i++) {
        size_t column = glim__table_find(p->table, s->row.columns[i % U]);
        if (column == SIZE_MAX) {
            status = glim__table_column(p->table, s->row.columns[i % U], &column, err);
            break;
        }
        glim_cell c = {.text = glim__table_cell(p->table, rows[i / U], column), .number = NAN};
        if (!s->row.usual[i % U].text || glim__table_missing(c.text)) {
            if (!glim__table_number(c.text, &c.number))
                c.number = NAN;
            c.text = NULL;
        }
        append_member(&s->others, s->row.columns[i % U], &c);
        s->other[i + 1] = s->others.len;
    }
    if (!status && s->others.failed)
        status = glim__oom(p->ctx, err, "rows of the table", s->others.len);
    glim__free(p->ctx, rows);
    s->n_others = status ? 0 : n;
    s->others_most = p->background;
    s->others_seed = p->background_seed;
    return status;
}

static glim_status resampled(struct row_box *s, const uint8_t *keep, size_t n, double *out,
                             glim_error *err) {
    glim_status status = read_others(s, err);
    size_t B = s->n_others, at_once = status || B > AT_ONCE ? 1 : AT_ONCE / B;
    double *each = status ? NULL : glim__calloc(s->base.ctx, at_once * B, sizeof *each);
    if (!status && !each)
        status = glim__oom(s->base.ctx, err, "masked rows", at_once * B * sizeof *each);
    for (size_t i = 0; i < n && !status; i += at_once) {
        size_t m = n - i < at_once ? n - i : at_once;
        status = ask_some(s, keep + i * s->units.count, NULL, B, m * B, false, each, err);
        for (size_t k = 0; k < m * B && !status; k++)
            out[i + k / B] = (k % B ? out[i + k / B] : 0) + each[k] / (double)B;
    }
    glim__free(s->base.ctx, each);
    return status;
}

static glim_status values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                          double *out, glim_error *err) {
    struct row_box *s = (struct row_box *)p;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    if (absent == GLIM_ABSENT_RESAMPLE)
        return resampled(s, keep, n, out, err);
    if (absent == GLIM_ABSENT_ATTENTION)
        return glim_fail(err, GLIM_EUSAGE,
                         "a row of a table has no attention to hide a column from (take --absent "
                         "mean)");
    for (size_t i = 0; i < n && !status; i += AT_ONCE)
        status = ask_some(s, keep + i * s->units.count, NULL, 0, n - i < AT_ONCE ? n - i : AT_ONCE,
                          false, out + i, err);
    return status;
}

static glim_status other_rows(glim_predictor *p, const glim_cell *cells, size_t n, bool each,
                              double *out, glim_error *err) {
    struct row_box *s = (struct row_box *)p;
    size_t K = each ? s->box->info.n_classes : 1;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i += AT_ONCE)
        status = ask_some(s, NULL, cells + i * s->units.count, 0, n - i < AT_ONCE ? n - i : AT_ONCE,
                          each, out + i * K, err);
    return status ? status : glim__check_cancel(p->ctx, err);
}

/* ---- the rest ---- */

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct row_box *s = (const struct row_box *)p;
    return glim__columns_describe(s->text.data, s->text.len, s->unit, s->units.count, doc) &&
                   glim__box_describe(s->box, &s->target, doc)
               ? GLIM_OK
               : glim__oom(p->ctx, err, "the document", 0);
}

static void cost(const glim_predictor *p, uint64_t *forward, uint64_t *backward) {
    *forward = ((const struct row_box *)p)->box->info.asked;
    *backward = 0;
}

static void free_row(glim_predictor *p) {
    struct row_box *s = (struct row_box *)p;
    glim__free(p->ctx, s->unit);
    glim__free(p->ctx, s->at);
    glim__free(p->ctx, s->other);
    glim__buffer_release(&s->others);
    glim__buffer_release(&s->text);
    glim__buffer_release(&s->members);
    glim__free(p->ctx, s);
}

/* Units, the text that is shown, and both ways to write each member. */
static glim_status lay_out(struct row_box *s, const glim_row *row, glim_error *err) {
    glim_context *ctx = s->base.ctx;
    s->unit = glim__calloc(ctx, row->n, sizeof *s->unit);
    s->at = glim__calloc(ctx, 2 * row->n + 1, sizeof *s->at);
    for (size_t u = 0; u < row->n && s->unit && s->at; u++) {
        const glim_cell *c = &row->cells[u];
        s->unit[u] = (glim_unit){.start = s->text.len, .first = u, .count = 1, .turn = -1};
        glim__columns_name(&s->text, row->columns[u]);
        if (c->text)
            glim__buffer_puts(&s->text, c->text);
        else
            append_cell(&s->text, c);
        s->unit[u].end = s->text.len;
        s->at[2 * u] = s->members.len;
        append_member(&s->members, row->columns[u], c);
        s->at[2 * u + 1] = s->members.len;
        append_member(&s->members, row->columns[u], &row->usual[u]);
        s->at[2 * u + 2] = s->members.len;
    }
    if (!s->unit || !s->at || s->text.failed || s->members.failed)
        return glim__oom(ctx, err, "the columns", row->n * sizeof *s->unit);
    s->units = (glim_units){.ctx = ctx, .at = s->unit, .count = row->n};
    s->row_end = row->n;
    return GLIM_OK;
}

glim_status glim_predictor_black_box_row(glim_predictor **out, glim_black_box *box,
                                         const glim_row *row, const glim_class_options *o,
                                         glim_error *err) {
    glim_context *ctx = box->ctx;
    double *answer = NULL;
    *out = NULL;
    struct row_box *s = glim__calloc(ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(ctx, err, "the predictor", sizeof *s);
    s->box = box;
    s->row = *row;
    glim__buffer_init(&s->text, ctx);
    glim__buffer_init(&s->members, ctx);
    glim__buffer_init(&s->others, ctx);
    s->base = (glim_predictor){.ctx = ctx,
                               .name = "black box",
                               .can = GLIM_CAN_PREDICT,
                               .columns = true,
                               .chunk = AT_ONCE,
                               .n_rows = 1,
                               .units = &s->units,
                               .row_end = &s->row_end,
                               .value = &s->target.value,
                               .column_names = row->columns,
                               .values = values,
                               .rows = other_rows,
                               .plan_values = glim__background_plan_values,
                               .describe = describe,
                               .cost = cost,
                               .free = free_row};
    glim_status status = check_row(row, err);
    if (!status && !row->usual)
        status = glim_fail(err, GLIM_EUSAGE, "it is not said what is usual in the columns");
    if (!status)
        status = lay_out(s, row, err);
    if (!status)
        status = glim_black_box_ask_row(box, row, &answer, err);
    if (!status)
        status = glim__box_choose(box, &s->target, answer, o, err);
    s->base.classes = (const char *const *)box->info.classes;
    s->base.n_classes = box->info.n_classes;
    glim_black_box_values_free(box, answer);
    if (status) {
        free_row(&s->base);
        return status;
    }
    *out = &s->base;
    return GLIM_OK;
}
