/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of `glim influence`: a run writes a line for every sample as blocks come by
 * (cmd-influence.c). Of a saved document there are only the samples that it lists, with the
 * numbers that put them there; the other cells are empty.
 */
#include "cli/influence-told.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_csv_text(glim_buffer *b, const char *s) {
    if (!strpbrk(s, ",\"\r\n")) {
        glim__buffer_puts(b, s);
        return;
    }
    glim__buffer_putc(b, '"');
    for (; *s; s++) {
        if (*s == '"')
            glim__buffer_putc(b, '"');
        glim__buffer_putc(b, *s);
    }
    glim__buffer_putc(b, '"');
}

void cli_csv_column(glim_buffer *b, const char *name, size_t query) {
    glim__buffer_putc(b, ',');
    cli_csv_text(b, name);
    if (query != GLIM_NO_QUERY)
        glim__buffer_printf(b, ":%zu", query + 1);
}

/* A number that a list has. */
struct cell {
    const cli_told_sample *sample;
    size_t column;
    double value;
};

static int by_place(const void *a, const void *b) {
    const struct cell *x = a, *y = b;
    if (x->sample->row != y->sample->row)
        return x->sample->row < y->sample->row ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static size_t collect(const cli_told *t, struct cell *out) {
    size_t n = 0;
    for (size_t k = 0; k < t->n_columns; k++) {
        const cli_told_column *c = &t->columns[k];
        for (size_t i = 0; i < c->n_high + c->n_low; i++, n++) {
            const cli_told_entry *e = i < c->n_high ? &c->high[i] : &c->low[i - c->n_high];
            if (out)
                out[n] = (struct cell){e->sample, k, e->value};
        }
    }
    return n;
}

static void put_lines(glim_buffer *b, const cli_told *t, const struct cell *cells, size_t n) {
    char number[40];
    for (size_t i = 0; i < n;) {
        const cli_told_sample *s = cells[i].sample;
        glim__buffer_printf(b, "%zu,", s->row);
        cli_csv_text(b, s->label ? s->label : "");
        for (size_t k = 0; k < t->n_columns; k++) {
            glim__buffer_putc(b, ',');
            bool here = false;
            for (; i < n && cells[i].sample->row == s->row && cells[i].column == k; i++) {
                if (!here && isfinite(cells[i].value)) {
                    glim__number_text(cells[i].value, false, number);
                    glim__buffer_puts(b, number);
                }
                here = true;
            }
        }
        glim__buffer_puts(b, "\r\n");
    }
}

glim_status cli_told_csv(cli_run *run, const cli_told *t) {
    glim_buffer b;
    const char *path = run->o.csv;
    size_t n = collect(t, NULL);
    struct cell *cells = glim__calloc(run->ctx, n + 1, sizeof *cells);
    if (!cells)
        return glim__oom(run->ctx, &run->err, "the table", n * sizeof *cells);
    collect(t, cells);
    qsort(cells, n, sizeof *cells, by_place);
    glim__buffer_init(&b, run->ctx);
    glim__buffer_puts(&b, "row,label");
    for (size_t k = 0; k < t->n_columns; k++)
        cli_csv_column(&b, t->columns[k].name, t->columns[k].query);
    glim__buffer_puts(&b, "\r\n");
    put_lines(&b, t, cells, n);
    glim_status status = b.failed            ? glim__oom(run->ctx, &run->err, "the table", b.len)
                         : strcmp(path, "-") ? glim__file_write(path, b.data, b.len, &run->err)
                                             : cli_put(run, b.data, b.len);
    if (!status && strcmp(path, "-") != 0)
        cli_wrote(run, path);
    glim__buffer_release(&b);
    glim__free(run->ctx, cells);
    return status;
}
