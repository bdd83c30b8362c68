/* SPDX-License-Identifier: Apache-2.0 */
/* The levels of a document as JSON, and read back: groups point at units, so sizes and
   places must agree with them. */
#include "view/views.h"

#include <math.h>
#include <string.h>

/* ---- writing ---- */

static json_t *group_json(bool *ok, const glim_document *d, const glim_document_group *g) {
    json_t *o = json_object();
    bool inside = g->end >= g->start && g->end <= d->input.text_len && d->input.text;
    glim__json_set(
        ok, o, "text",
        glim__json_text(inside ? d->input.text + g->start : "", inside ? g->end - g->start : 0));
    glim__json_set(ok, o, "start", glim__document_offset(d, g->start));
    glim__json_set(ok, o, "end", glim__document_offset(d, g->end));
    glim__json_set(ok, o, "first", json_integer((json_int_t)g->first));
    glim__json_set(ok, o, "count", json_integer((json_int_t)g->count));
    glim__json_set(ok, o, "turn", g->turn < 0 ? json_null() : json_integer(g->turn));
    glim__json_set(ok, o, "generated", json_boolean(g->generated));
    return o;
}

static json_t *numbers_json(bool *ok, const glim_document *d, size_t n, const double *x) {
    if (!x)
        return json_null();
    json_t *list = json_array();
    for (size_t r = 0; r < d->n_rows; r++) {
        json_t *row = d->rows ? json_array() : list;
        for (size_t i = 0; i < n; i++)
            glim__json_add(ok, row, glim__json_number(x[r * n + i]));
        if (d->rows)
            glim__json_add(ok, list, row);
    }
    return list;
}

json_t *glim__document_levels_json(bool *ok, const glim_document *d) {
    json_t *list = json_array();
    for (size_t k = 0; k < d->n_levels; k++) {
        const glim_document_level *level = &d->levels[k];
        json_t *o = json_object(), *groups = json_array();
        for (size_t i = 0; i < level->n_groups; i++)
            glim__json_add(ok, groups, group_json(ok, d, &level->groups[i]));
        glim__json_set(ok, o, "unit", json_string(level->unit));
        glim__json_set(ok, o, "rule", json_string(level->rule));
        glim__json_set(ok, o, "units", groups);
        glim__json_set(ok, o, "scores", numbers_json(ok, d, level->n_groups, level->scores));
        glim__json_set(ok, o, "error", numbers_json(ok, d, level->n_groups, level->error));
        glim__json_add(ok, list, o);
    }
    return list;
}

/* ---- reading ---- */

struct reader {
    glim_document *doc;
    const char *name;
    glim_error *err;
    glim_status status; /* sticky */
};

static void wrong(struct reader *r, const char *what) {
    if (!r->status)
        r->status = glim_fail(r->err, GLIM_EFORMAT, "'%s': member 'levels' %s", r->name, what);
}

static void *room(struct reader *r, size_t n) {
    void *p = r->status ? NULL : glim_document_alloc(r->doc, n);
    if (!p && !r->status)
        r->status = glim__oom(r->doc->ctx, r->err, "the levels", n);
    return p;
}

static size_t whole(struct reader *r, const json_t *o, const char *key, size_t most) {
    const json_t *v = json_object_get(o, key);
    if (json_is_integer(v) && json_integer_value(v) >= 0 && (uint64_t)json_integer_value(v) <= most)
        return (size_t)json_integer_value(v);
    wrong(r, "has a place that is not in the input");
    return 0;
}

/* One of the words that a level may have there; views write them as they are. */
static const char *word(struct reader *r, const json_t *o, const char *key,
                        const char *const *known) {
    const char *s = json_string_value(json_object_get(o, key));
    for (; s && *known; known++)
        if (!strcmp(*known, s))
            return *known;
    wrong(r, "lacks a unit or a rule that is known");
    return "";
}

static void read_group(struct reader *r, const json_t *o, glim_document_group *g) {
    const glim_document *d = r->doc;
    const json_t *turn = json_object_get(o, "turn");
    g->start = whole(r, o, "start", d->input.text_len);
    g->end = whole(r, o, "end", d->input.text_len);
    g->first = whole(r, o, "first", d->input.n_units);
    g->count = whole(r, o, "count", d->input.n_units - g->first);
    g->turn = json_is_null(turn) ? -1 : (int)whole(r, o, "turn", INT32_MAX);
    g->generated = json_is_true(json_object_get(o, "generated"));
    if (g->end < g->start)
        wrong(r, "has a group that ends before it starts");
}

static double *read_numbers(struct reader *r, const json_t *v, size_t n) {
    const glim_document *d = r->doc;
    double *out = room(r, d->n_rows * n * sizeof *out);
    if (d->rows && json_array_size(v) != d->n_rows)
        wrong(r, "lacks a list for each row");
    for (size_t i = 0; i < d->n_rows && !r->status; i++) {
        const json_t *line = d->rows ? json_array_get(v, i) : v;
        if (!json_is_array(line) || json_array_size(line) != n)
            wrong(r, "lacks a number for each group");
        for (size_t k = 0; k < n && !r->status; k++) {
            const json_t *x = json_array_get(line, k);
            if (!json_is_number(x) && !json_is_null(x))
                wrong(r, "has a score that is no number");
            out[i * n + k] = json_is_number(x) ? json_number_value(x) : NAN;
        }
    }
    return out;
}

static void read_level(struct reader *r, const json_t *o, glim_document_level *level) {
    static const char *const units[] = {"word", "sentence", "turn", "segment", NULL};
    static const char *const rules[] = {"sum", "l2", "max", NULL};
    const json_t *groups = json_object_get(o, "units"), *error = json_object_get(o, "error");
    size_t n = json_array_size(groups);
    level->unit = word(r, o, "unit", units);
    level->rule = word(r, o, "rule", rules);
    level->groups = room(r, n * sizeof *level->groups);
    for (size_t i = 0; i < n && !r->status; i++)
        read_group(r, json_array_get(groups, i), &level->groups[i]);
    level->n_groups = n;
    level->scores = read_numbers(r, json_object_get(o, "scores"), n);
    if (error && !json_is_null(error))
        level->error = read_numbers(r, error, n);
}

/* Documents of before there were levels have none. */
glim_status glim__document_levels_parse(glim_document *d, const json_t *levels, const char *name,
                                        glim_error *err) {
    enum { MOST = 8 };
    struct reader r = {.doc = d, .name = name, .err = err};
    size_t n = json_array_size(levels);
    if (levels && !json_is_array(levels))
        wrong(&r, "is not a list");
    if (n > MOST)
        wrong(&r, "is too long");
    d->levels = n ? room(&r, n * sizeof *d->levels) : NULL;
    for (size_t k = 0; k < n && !r.status; k++)
        read_level(&r, json_array_get(levels, k), &d->levels[k]);
    d->n_levels = r.status ? 0 : n;
    return r.status;
}
