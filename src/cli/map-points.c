/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The points of a map: numbers of a .npy, numeric columns of a table, or a model's
 * representations of texts (map-texts.c). What is known of them besides is a table, too: of a .npy
 * that of
 * --labels.
 */
#include "cli/map-told.h"
#include "base/names.h"
#include "file/npy-read.h"

#include <math.h>
#include <string.h>

enum { MOST_NPY = 0x7fffffff };

static glim_status oom(cli_run *run, uint64_t bytes) {
    return glim__oom(run->ctx, &run->err, "the points", bytes);
}

glim_status cli_points_named(cli_run *run, const cli_points *p) {
    const char *by = run->o.color_by, *label = run->o.label;
    size_t at;
    if (label && glim__table_find(p->facts, label) == SIZE_MAX)
        return glim__table_column(p->facts, label, &at, &run->err);
    if (!by || strchr(by, '#') || !strcmp(by, "prediction") || !strcmp(by, "error") ||
        glim__table_find(p->facts, by) != SIZE_MAX || (label && !strcmp(by, "label")))
        return GLIM_OK;
    return cli_map_no_color(run);
}

/* ---- numbers of NumPy ---- */

static glim_status read_npy(cli_run *run, cli_points *p) {
    size_t dims[2];
    p->kind = "vectors";
    glim_status status = glim__npy_read(&p->x, dims, run->ctx, p->file, MOST_NPY, &run->err);
    if (status)
        return status;
    p->n = dims[0];
    p->width = dims[1];
    if (!run->o.labels)
        return GLIM_OK;
    status = glim__table_open(&p->facts, run->ctx, run->o.labels, &run->err);
    if (!status)
        status = cli_points_named(run, p);
    if (!status && p->facts->n_rows != p->n)
        status = glim_fail(&run->err, GLIM_EUSAGE,
                           "'%.200s' has %zu rows for the %zu points of "
                           "'%.200s'",
                           run->o.labels, p->facts->n_rows, p->n, p->file);
    return status;
}

/* ---- columns of a table ---- */

/* That a list names columns that are there. */
static glim_status check_list(cli_run *run, const cli_points *p, const char *list) {
    char name[256];
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t unused;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
        glim_status status = glim__table_column(p->facts, name, &unused, &run->err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

/* Numbers that are neither labels nor names of points; or those of --columns. */
static glim_status choose_columns(cli_run *run, cli_points *p) {
    const glim_table *t = p->facts;
    const char *label = run->o.label ? run->o.label : "label";
    p->used = glim__calloc(run->ctx, t->n_columns, sizeof *p->used);
    if (!p->used)
        return oom(run, t->n_columns * sizeof *p->used);
    for (size_t k = 0; k < t->n_columns; k++) {
        const char *name = t->columns[k];
        bool wanted = run->o.columns ? glim__listed(run->o.columns, name)
                                     : strcmp(name, label) != 0 && strcmp(name, "id") != 0 &&
                                           (!run->o.color_by || strcmp(name, run->o.color_by)) &&
                                           glim__table_numeric(t, k);
        if (wanted && !glim__table_numeric(t, k))
            return glim_fail(&run->err, GLIM_EUSAGE, "column '%.60s' of '%.200s' is not numbers",
                             name, p->file);
        if (wanted)
            p->used[p->n_used++] = k;
    }
    if (!p->n_used)
        return glim_fail(&run->err, GLIM_EUSAGE, "'%.200s' has no column of numbers to draw",
                         p->file);
    return GLIM_OK;
}

static glim_status read_row(cli_run *run, cli_points *p, size_t row) {
    float *x = p->x + p->n * p->n_used;
    for (size_t k = 0; k < p->n_used; k++) {
        const char *cell = glim__table_cell(p->facts, row, p->used[k]);
        double v;
        if (glim__table_missing(cell)) {
            if (strcmp(run->o.missing, "drop") != 0)
                return glim_fail(&run->err, GLIM_EFORMAT,
                                 "row %zu of '%.200s' has no '%.60s' (--missing drop leaves such "
                                 "rows out)",
                                 row + 1, p->file, p->facts->columns[p->used[k]]);
            p->left_out++;
            return GLIM_OK;
        }
        if (!glim__table_number(cell, &v))
            v = NAN;
        x[k] = (float)v;
    }
    p->row[p->n++] = row;
    return GLIM_OK;
}

static glim_status read_table(cli_run *run, cli_points *p) {
    p->kind = "table";
    glim_status status = glim__table_open(&p->facts, run->ctx, p->file, &run->err);
    if (!status)
        status = check_list(run, p, run->o.columns);
    if (!status)
        status = cli_points_named(run, p);
    if (!status)
        status = choose_columns(run, p);
    if (status)
        return status;
    size_t rows = p->facts->n_rows;
    p->width = p->n_used;
    p->row = glim__calloc(run->ctx, rows + 1, sizeof *p->row);
    p->x = glim__calloc(run->ctx, rows + 1, p->n_used * sizeof *p->x);
    status = p->row && p->x ? GLIM_OK : oom(run, rows * p->n_used * sizeof *p->x);
    for (size_t i = 0; i < rows && !status; i++)
        status = read_row(run, p, i);
    return status;
}

/* ---- whichever it is ---- */

static const char *file_of(const cli_run *run) {
    return run->o.data ? run->o.data : run->o.table ? run->o.table : run->o.text;
}

static glim_status check(cli_run *run) {
    const cli_options *o = &run->o;
    int ways = (o->data != NULL) + (o->table != NULL) + (o->text != NULL);
    if (ways != 1)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         ways ? "one of --data, --table and a file of vectors, not more"
                              : "map needs points (a .npy, --table FILE, or --data FILE with -m)");
    if (o->data && !o->model)
        return glim_fail(&run->err, GLIM_EUSAGE, "--data has texts, and needs a model (-m FILE)");
    if (!o->data && (o->model || o->site || o->pool))
        return glim_fail(&run->err, GLIM_EUSAGE, "%s is for texts (--data FILE)",
                         o->model  ? "-m"
                         : o->site ? "--site"
                                   : "--pool");
    if (o->labels && (!o->text || !glim__ends_with(o->text, ".npy")))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--labels is for a .npy; a table has its own "
                         "(--label COLUMN)");
    return GLIM_OK;
}

glim_status cli_points_open(cli_run *run, cli_points *p) {
    *p = (cli_points){.file = file_of(run), .n_sites = 1};
    glim_status status = check(run);
    if (!status)
        status = run->o.data                        ? cli_map_texts_open(run, p)
                 : glim__ends_with(p->file, ".npy") ? read_npy(run, p)
                                                    : read_table(run, p);
    if (!status && !p->n)
        status = glim_fail(&run->err, GLIM_EUSAGE, "'%.200s' has no points", p->file);
    return status;
}

glim_status cli_points_at(cli_run *run, cli_points *p, size_t site) {
    return run->o.data ? cli_map_texts_at(run, p, site) : GLIM_OK;
}

void cli_points_release(cli_run *run, cli_points *p) {
    cli_map_texts_release(run, p);
    glim__table_close(p->facts);
    glim__free(run->ctx, p->x);
    glim__free(run->ctx, p->row);
    glim__free(run->ctx, p->used);
    glim__free(run->ctx, p->predicted);
    *p = (cli_points){0};
}
