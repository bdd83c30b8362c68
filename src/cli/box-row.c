/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of --table for black boxes. A column whose cells are all numbers or missing is
 * sent as numbers, and its mean is usual; of others it is the most frequent cell, of
 * equally frequent ones the first.
 */
#include "cli/box-row.h"
#include "cli/fitted.h"
#include "cli/pick.h"
#include "base/map.h"

#include <math.h>
#include <string.h>

static glim_cell cell_of(const char *text, bool numeric) {
    glim_cell c = {.text = text, .number = NAN};
    if (numeric || glim__table_missing(text)) {
        c.text = NULL;
        if (!glim__table_number(text, &c.number))
            c.number = NAN;
    }
    return c;
}

static glim_cell mean_of(const glim_table *t, size_t column) {
    double sum = 0, n = 0, x;
    for (size_t i = 0; i < t->n_rows; i++)
        if (glim__table_number(glim__table_cell(t, i, column), &x)) {
            sum += x;
            n++;
        }
    return (glim_cell){.number = n > 0 ? sum / n : NAN};
}

/* counts (n_rows): scratch. */
static glim_status most_frequent(const glim_table *t, size_t column, size_t *counts, glim_cell *out,
                                 glim_error *err) {
    glim_map map;
    size_t best = 0;
    glim_status status = GLIM_OK;
    glim__map_init(&map, t->ctx);
    for (size_t i = 0; i < t->n_rows && !status; i++) {
        const char *text = glim__table_cell(t, i, column);
        size_t len = strlen(text);
        counts[i] = 0;
        if (glim__table_missing(text))
            continue;
        int32_t first = glim__map_get(&map, text, len);
        if (first < 0 && !glim__map_set(&map, text, len, first = (int32_t)i, NULL))
            status = glim__oom(t->ctx, err, "the values", t->n_rows * 16);
        counts[first]++;
    }
    for (size_t i = 0; i < t->n_rows && !status; i++)
        best = counts[i] > counts[best] ? i : best;
    if (!status)
        *out = cell_of(glim__table_cell(t, best, column), false);
    glim__map_release(&map);
    return status;
}

static glim_status fill(cli_run *run, cli_row *r) {
    const glim_table *t = r->table;
    size_t n = t->n_columns, at = run->o.row ? (size_t)run->o.row - 1 : 0;
    glim_status status = GLIM_OK;
    size_t *counts = glim__calloc(run->ctx, t->n_rows + 1, sizeof *counts);
    r->cells = glim__calloc(run->ctx, 2 * n, sizeof *r->cells);
    if (!r->cells || !counts)
        status = glim__oom(run->ctx, &run->err, "a row", 2 * n * sizeof *r->cells);
    for (size_t c = 0; c < n && !status; c++) {
        bool numeric = glim__table_numeric(t, c);
        r->cells[c] = cell_of(glim__table_cell(t, at, c), numeric);
        if (numeric)
            r->cells[n + c] = mean_of(t, c);
        else
            status = most_frequent(t, c, counts, &r->cells[n + c], &run->err);
    }
    r->row = (glim_row){t->columns, r->cells, r->cells ? r->cells + n : NULL, n};
    glim__free(run->ctx, counts);
    return status;
}

void cli_row_move(cli_row *r, size_t row) {
    size_t n = r->row.n; /* what is usual in a column of numbers is a number */
    for (size_t c = 0; c < n; c++)
        r->cells[c] = cell_of(glim__table_cell(r->table, row, c), !r->row.usual[c].text);
}

glim_status cli_row_open(cli_run *run, cli_row *out) {
    const cli_options *o = &run->o;
    *out = (cli_row){0};
    if (o->text || o->file || o->chat || o->context || o->context_file)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--table gives a row (leave out the text, or the table)");
    if (!o->row && !cli_wants_many(run))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--table needs --row N (1 is the first row below the header)");
    glim_status status = cli_open_rows(run, &out->table);
    return status ? status : fill(run, out);
}

void cli_row_close(cli_row *r) {
    if (r->table)
        glim__free(r->table->ctx, r->cells);
    glim__table_close(r->table);
}
