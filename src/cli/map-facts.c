/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the points: the column of labels, texts, names, and what they can be coloured
 * by: other columns of their table, what a classifier says, a column of another table
 * (FILE#COLUMN, as `glim influence --csv` writes it).
 */
#include "base/map.h"
#include "cli/map-told.h"
#include "predict/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static glim_status oom(cli_run *run) {
    return glim__oom(run->ctx, &run->err, "labels of points", 1 << 16);
}

/* ---- columns ---- */

typedef struct column {
    const glim_table *t;
    size_t at;
    const size_t *row; /* (n), or NULL: the same */
    size_t n;
} column;

static const char *cell(const column *c, size_t i) {
    size_t row = c->row ? c->row[i] : i;
    return row == SIZE_MAX ? "" : glim__table_cell(c->t, row, c->at);
}

static int32_t name_of(cli_map *m, glim_map *map, cli_map_color *c, const char *name, bool *ok) {
    size_t len = strlen(name);
    int32_t at = glim__map_get(map, name, len);
    if (at >= 0 || !len || c->n_names == CLI_MAP_CLASSES)
        return len ? at : -1;
    const char *own = glim__arena_strdup(&m->arena, name);
    *ok = *ok && own && glim__map_set(map, own, len, (int32_t)c->n_names, NULL);
    c->names[c->n_names] = own;
    return (int32_t)c->n_names++;
}

/* Names sorted, those that are all numbers by size. */
static bool sort_names(cli_map *m, cli_map_color *c, glim_map *map, size_t n) {
    bool numbers = true;
    double x;
    int32_t *place = glim__arena_calloc(&m->arena, c->n_names + 1, sizeof *place);
    for (size_t k = 0; k < c->n_names; k++)
        numbers = numbers && glim__table_number(c->names[k], &x);
    if (!place)
        return false;
    glim__fit_sort(c->names, c->n_names, numbers);
    for (size_t k = 0; k < c->n_names; k++)
        place[glim__map_get(map, c->names[k], strlen(c->names[k]))] = (int32_t)k;
    for (size_t i = 0; i < n; i++)
        c->category[i] = c->category[i] < 0 ? -1 : place[c->category[i]];
    return true;
}

static bool categories(cli_map *m, cli_map_color *out, const column *from) {
    glim_map map;
    bool ok = true;
    glim__map_init(&map, m->ctx);
    out->names = glim__arena_calloc(&m->arena, CLI_MAP_CLASSES, sizeof *out->names);
    out->category = glim__arena_calloc(&m->arena, from->n, sizeof *out->category);
    ok = out->names && out->category;
    for (size_t i = 0; i < from->n && ok; i++)
        out->category[i] = name_of(m, &map, out, cell(from, i), &ok);
    ok = ok && sort_names(m, out, &map, from->n);
    glim__map_release(&map);
    return ok;
}

static bool numbers(cli_map *m, cli_map_color *out, const column *from) {
    out->number = glim__arena_calloc(&m->arena, from->n, sizeof *out->number);
    for (size_t i = 0; i < from->n && out->number; i++)
        if (!glim__table_number(cell(from, i), &out->number[i]))
            out->number[i] = NAN;
    return out->number != NULL;
}

/* Too many different words to be categories. */
static bool too_many(const cli_map_color *c) {
    return c->n_names == CLI_MAP_CLASSES;
}

static glim_status add_column(cli_run *run, cli_map *m, const column *from, const char *name) {
    cli_map_color *c = &m->colors[m->n_colors];
    *c = (cli_map_color){.name = glim__arena_strdup(&m->arena, name)};
    bool numeric = glim__table_numeric(from->t, from->at);
    if (!c->name || !(numeric ? numbers(m, c, from) : categories(m, c, from)))
        return oom(run);
    if (too_many(c))
        cli_map_note(m, "column '%.60s' has too many different words to colour by", name);
    else
        m->n_colors++;
    return GLIM_OK;
}

/* ---- another table ---- */

/* Its column "row" says which point each row is about; without one they stand in order. */
static glim_status rows_of(cli_run *run, const glim_table *t, const cli_points *p, size_t *row) {
    size_t at = glim__table_find(t, "row"), facts = p->facts ? p->facts->n_rows : p->n;
    if (at == SIZE_MAX && t->n_rows != facts)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "'%.200s' has %zu rows for %zu points, and no column 'row' that says "
                         "which",
                         t->path, t->n_rows, facts);
    size_t *of = glim__calloc(run->ctx, facts + 1, sizeof *of);
    if (!of)
        return oom(run);
    for (size_t i = 0; i < facts; i++)
        of[i] = at == SIZE_MAX ? i : SIZE_MAX;
    for (size_t i = 0; i < t->n_rows && at != SIZE_MAX; i++) {
        double v;
        if (glim__table_number(glim__table_cell(t, i, at), &v) && v >= 1 && v <= (double)facts)
            of[(size_t)v - 1] = i;
    }
    for (size_t i = 0; i < p->n; i++)
        row[i] = of[p->row ? p->row[i] : i];
    glim__free(run->ctx, of);
    return GLIM_OK;
}

static glim_status add_other(cli_run *run, cli_map *m, const cli_points *p, const char *given) {
    char path[4096];
    const char *hash = strrchr(given, '#');
    snprintf(path, sizeof path, "%.*s", (int)(hash - given), given);
    glim_table *t = NULL;
    column from = {.n = p->n};
    size_t *row = glim__calloc(run->ctx, p->n, sizeof *row);
    glim_status status = row ? glim__table_open(&t, run->ctx, path, &run->err) : oom(run);
    if (!status)
        status = glim__table_column(t, hash + 1, &from.at, &run->err);
    if (!status)
        status = rows_of(run, t, p, row);
    from.t = t;
    from.row = row;
    if (!status)
        status = add_column(run, m, &from, hash + 1);
    if (!status && m->n_colors)
        m->color_by = m->colors[m->n_colors - 1].name;
    glim__table_close(t);
    glim__free(run->ctx, row);
    return status;
}

/* ---- what a classifier says ---- */

static glim_status add_prediction(cli_run *run, cli_map *m, const cli_points *p) {
    const glim_model_info *info = glim_model_facts(run->model);
    size_t K = (size_t)info->outputs;
    cli_map_color *c = &m->colors[m->n_colors++];
    *c = (cli_map_color){.name = "prediction", .n_names = K};
    c->names = glim__arena_calloc(&m->arena, K, sizeof *c->names);
    c->category = glim__arena_calloc(&m->arena, p->n, sizeof *c->category);
    if (!c->names || !c->category)
        return oom(run);
    memcpy(c->category, p->predicted, p->n * sizeof *c->category);
    for (size_t k = 0; k < K; k++) {
        char number[40];
        snprintf(number, sizeof number, "class %zu", k);
        c->names[k] = glim__arena_strdup(&m->arena, info->labels ? info->labels[k] : number);
        if (!c->names[k])
            return oom(run);
    }
    return GLIM_OK;
}

/* Whether that is the label, by name or by number. */
static glim_status add_error(cli_run *run, cli_map *m, const cli_points *p) {
    static const char *names[] = {"right", "wrong"};
    const cli_map_color *said = &m->colors[m->n_colors - 1], *label = m->label;
    cli_map_color *c = &m->colors[m->n_colors++];
    if (!label)
        return glim_fail(&run->err, GLIM_EUSAGE, "--color-by error needs labels (--label COLUMN)");
    *c = (cli_map_color){.name = "error", .names = names, .n_names = 2};
    c->category = glim__arena_calloc(&m->arena, p->n, sizeof *c->category);
    if (!c->category)
        return oom(run);
    for (size_t i = 0; i < p->n; i++) {
        const char *is = label->category[i] < 0 ? NULL : label->names[label->category[i]];
        char number[40];
        snprintf(number, sizeof number, "%d", p->predicted[i]);
        bool right = is && (!strcasecmp(is, said->names[said->category[i]]) || !strcmp(is, number));
        c->category[i] = is ? !right : -1;
    }
    return GLIM_OK;
}

/* ---- texts and names ---- */

static const char *cut_text(cli_map *m, const char *s) {
    size_t n = 0, bytes = 0;
    for (; s[bytes] && n < CLI_MAP_TEXT; n++)
        for (bytes++; ((unsigned char)s[bytes] & 0xc0) == 0x80;)
            bytes++;
    m->texts_cut += s[bytes] != 0;
    return glim__arena_strndup(&m->arena, s, bytes);
}

static glim_status take_texts(cli_run *run, cli_map *m, const column *from, const char ***out) {
    *out = glim__arena_calloc(&m->arena, from->n, sizeof **out);
    for (size_t i = 0; i < from->n && *out; i++)
        if (!((*out)[i] = cut_text(m, cell(from, i))))
            return oom(run);
    return *out ? GLIM_OK : oom(run);
}

static bool is_used(const cli_points *p, size_t at) {
    for (size_t k = 0; k < p->n_used; k++)
        if (p->used[k] == at)
            return true;
    return false;
}

/* Labels, texts, ids; whatever else the table has can be coloured by. */
static glim_status read_facts(cli_run *run, cli_map *m, const cli_points *p) {
    const glim_table *t = p->facts;
    const char *by = run->o.color_by;
    const char *label = run->o.label ? run->o.label : "label", *text = run->o.text_column;
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < t->n_columns && !status; k++) {
        column from = {t, k, p->row, p->n};
        const char *name = t->columns[k];
        bool asked = by && !strcmp(by, name);
        if (!strcmp(name, label)) {
            m->label = glim__arena_calloc(&m->arena, 1, sizeof *m->label);
            if (!m->label || !categories(m, m->label, &from))
                status = oom(run);
            else if (too_many(m->label))
                status = glim_fail(&run->err, GLIM_EUSAGE,
                                   "column '%.60s' has more than %d different labels", name,
                                   (int)CLI_MAP_CLASSES - 1);
        } else if (!strcmp(name, text)) {
            status = take_texts(run, m, &from, &m->texts);
        } else if (!strcmp(name, "id")) {
            size_t cut = m->texts_cut;
            status = take_texts(run, m, &from, &m->ids);
            m->texts_cut = cut;
        } else if (!is_used(p, k) && (asked || m->n_colors < CLI_MAP_COLORS)) {
            status = add_column(run, m, &from, name);
        }
    }
    return status;
}

static bool has_color(const cli_map *m, const char *name) {
    for (size_t k = 0; k < m->n_colors; k++)
        if (!strcmp(m->colors[k].name, name))
            return true;
    return m->label && !strcmp(name, "label");
}

glim_status cli_map_no_color(cli_run *run) {
    return glim_fail(&run->err, GLIM_EUSAGE,
                     "--color-by '%.60s' is no column of the points (label, prediction, error, a "
                     "column, or FILE#COLUMN)",
                     run->o.color_by);
}

glim_status cli_map_facts(cli_run *run, cli_map *m, const cli_points *p) {
    const char *by = run->o.color_by;
    m->colors = glim__arena_calloc(&m->arena, CLI_MAP_COLORS + 4, sizeof *m->colors);
    glim_status status = m->colors ? GLIM_OK : oom(run);
    if (!status && p->facts)
        status = read_facts(run, m, p);
    if (by && m->label && run->o.label && !strcmp(by, run->o.label))
        by = "label";
    if (!status && by && strchr(by, '#'))
        return add_other(run, m, p, by);
    if (!status && p->predicted)
        status = add_prediction(run, m, p);
    if (!status && p->predicted && by && !strcmp(by, "error"))
        status = add_error(run, m, p);
    if (!status && by && !has_color(m, by))
        status = cli_map_no_color(run);
    m->color_by = by ? by : m->label ? "label" : NULL;
    return status;
}
