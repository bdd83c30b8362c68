/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows and their labels. Classes are sorted (those that are all numbers by size), so they do
 * not depend on the order of the rows. Without a column of groups each text is its own; words
 * belong to their sentence.
 */
#include "structure/probe-data.h"
#include "base/buffer.h"
#include "predict/fit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

static glim_status oom(const glim_probe_data *d, size_t n, glim_error *err) {
    return glim__oom(d->ctx, err, "the rows of a probe", n);
}

/* ---- strings by number ---- */

static void intern_init(glim_interned *s, glim_probe_data *d) {
    glim__map_init(&s->map, d->ctx);
    s->arena = &d->arena;
}

int32_t glim__intern(glim_interned *s, const char *text, size_t n) {
    int32_t at = glim__map_get(&s->map, text, n);
    if (at >= 0)
        return at;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        const char **grown = glim__realloc(s->arena->ctx, s->at, cap * sizeof *grown);
        if (!grown)
            return -1;
        s->at = grown;
        s->cap = cap;
    }
    char *own = glim__arena_strndup(s->arena, text, n);
    if (!own || s->n >= INT32_MAX || !glim__map_set(&s->map, own, n, (int32_t)s->n, NULL))
        return -1;
    s->at[s->n] = own;
    return (int32_t)s->n++;
}

static void intern_release(glim_interned *s, glim_context *ctx) {
    glim__map_release(&s->map);
    glim__free(ctx, s->at);
}

/* ---- rows ---- */

static bool grow(glim_probe_data *d) {
    size_t room = d->room ? 2 * d->room : 256;
    int32_t *labels = glim__realloc(d->ctx, d->labels, room * sizeof *labels);
    d->labels = labels ? labels : d->labels;
    double *values = glim__realloc(d->ctx, d->values, room * sizeof *values);
    d->values = values ? values : d->values;
    uint32_t *group = glim__realloc(d->ctx, d->group, room * sizeof *group);
    d->group = group ? group : d->group;
    uint32_t *type = glim__realloc(d->ctx, d->type, room * sizeof *type);
    d->type = type ? type : d->type;
    uint32_t *taken = glim__realloc(d->ctx, d->taken, room * sizeof *taken);
    d->taken = taken ? taken : d->taken;
    glim_probe_span *spans = glim__realloc(d->ctx, d->spans, room * sizeof *spans);
    d->spans = spans ? spans : d->spans;
    if (!labels || !values || !group || !type || !taken || !spans)
        return false;
    d->room = room;
    return true;
}

glim_status glim__probe_add(glim_probe_data *d, const char *label, uint32_t group, uint32_t type,
                            const char *where, glim_error *err) {
    if (d->n == d->room && !grow(d))
        return oom(d, 2 * d->room * 36, err);
    if (d->numbers && !glim__table_number(label, &d->values[d->n]))
        return glim_fail(err, GLIM_EFORMAT, "%s: '%.40s' is no number, which --regression predicts",
                         where, label);
    if (!d->numbers) {
        int32_t k = glim__intern(&d->classes, label, strlen(label));
        if (k < 0)
            return oom(d, strlen(label), err);
        if (k >= GLIM_PROBE_CLASSES)
            return glim_fail(err, GLIM_EUSAGE,
                             "%s: more than %d different labels: these are no classes "
                             "(--regression predicts numbers)",
                             where, GLIM_PROBE_CLASSES);
        d->labels[d->n] = k;
    }
    d->group[d->n] = group;
    d->type[d->n++] = type;
    return GLIM_OK;
}

/* ---- tables ---- */

static glim_status take_row(glim_probe_data *d, const glim_probe_options *o, size_t row,
                            const size_t columns[3], const char *const *cells, glim_error *err) {
    char where[320];
    const char *text = cells[columns[0]], *label = cells[columns[1]];
    snprintf(where, sizeof where, "row %zu of '%.200s'", row + 1, d->path);
    bool missing = !*text || (d->numbers ? glim__table_missing(label) : !*label);
    if (missing && !o->drop_missing)
        return glim_fail(err, GLIM_EFORMAT,
                         "%s has no '%.60s' (--missing drop leaves such rows out)", where,
                         *text ? o->label : o->text);
    d->left_out += missing;
    if (missing)
        return GLIM_OK;
    uint32_t group = (uint32_t)d->n;
    if (columns[2] < SIZE_MAX) {
        const char *name = cells[columns[2]];
        int32_t k = glim__intern(&d->groups, name, strlen(name));
        if (k < 0)
            return oom(d, strlen(name), err);
        group = (uint32_t)k;
    }
    glim_status status = glim__probe_add(d, label, group, 0, where, err);
    if (!status)
        d->taken[d->n - 1] = (uint32_t)row;
    return status;
}

static glim_status read_table(glim_probe_data *d, const glim_probe_options *o, glim_error *err) {
    enum { AT_ONCE = 256 };
    size_t columns[3] = {0, 0, SIZE_MAX}, width;
    glim_arena arena;
    glim_status status = glim__rows_open(&d->table, d->ctx, d->path, false, err);
    if (!status)
        status = glim__rows_column(d->table, o->text, &columns[0], err);
    if (!status)
        status = glim__rows_column(d->table, o->label, &columns[1], err);
    if (!status && o->group)
        status = glim__rows_column(d->table, o->group, &columns[2], err);
    if (!status && columns[0] == columns[1])
        status = glim_fail(err, GLIM_EUSAGE, "'%.60s' is named both as text and as label", o->text);
    if (status)
        return status;
    d->text = columns[0];
    glim__rows_columns(d->table, &width);
    glim__arena_init(&arena, d->ctx, 1 << 16);
    size_t all = glim__rows_count(d->table);
    for (size_t at = 0, m; at < all && !status; at += m) {
        const char **cells;
        m = all - at < AT_ONCE ? all - at : AT_ONCE;
        status = glim__rows_read(d->table, at, m, &arena, &cells, err);
        for (size_t i = 0; i < m && !status; i++)
            status = take_row(d, o, at + i, columns, cells + i * width, err);
        glim__arena_reset(&arena);
    }
    glim__arena_release(&arena);
    return status;
}

/* ---- sorted classes ---- */

static glim_status sort_classes(glim_probe_data *d, glim_error *err) {
    glim_interned *c = &d->classes;
    bool numbers = true;
    double x;
    int32_t *place = glim__calloc(d->ctx, c->n + 1, sizeof *place);
    if (!place)
        return oom(d, c->n * sizeof *place, err);
    for (size_t k = 0; k < c->n; k++)
        numbers = numbers && glim__table_number(c->at[k], &x);
    glim__fit_sort(c->at, c->n, numbers); /* all differ */
    for (size_t k = 0; k < c->n; k++)
        place[glim__map_get(&c->map, c->at[k], strlen(c->at[k]))] = (int32_t)k;
    for (size_t i = 0; i < d->n; i++)
        d->labels[i] = place[d->labels[i]];
    glim__free(d->ctx, place);
    return GLIM_OK;
}

static glim_status finish(glim_probe_data *d, const glim_probe_options *o, glim_error *err) {
    if (!d->n)
        return glim_fail(err, GLIM_EUSAGE, "'%.200s' has no %s to probe", d->path,
                         d->words ? "words" : "rows");
    if (!d->numbers && d->classes.n < 2)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%.200s': all %zu %s have the label '%.60s': there is nothing to tell "
                         "apart",
                         d->path, d->n, d->words ? "words" : "rows", d->classes.at[0]);
    if (!d->numbers) {
        glim_status status = sort_classes(d, err);
        if (status)
            return status;
    }
    d->target = (glim_probe_target){.n = d->n,
                                    .labels = d->numbers ? NULL : d->labels,
                                    .classes = d->classes.at,
                                    .n_classes = d->numbers ? 0 : d->classes.n,
                                    .values = d->numbers ? d->values : NULL,
                                    .group = d->group,
                                    .n_groups = d->words   ? d->n_sentences
                                                : o->group ? d->groups.n
                                                           : d->n,
                                    .type = d->words ? d->type : NULL,
                                    .n_types = d->types.n};
    return GLIM_OK;
}

/* ---- opening ---- */

static bool ends_with(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n > m && !strcmp(path + n - m, end);
}

bool glim__probe_is_tagged(const char *path) {
    return ends_with(path, ".conll") || ends_with(path, ".conllu") || ends_with(path, ".tags");
}

/* Whether the beginning of a .jsonl has tags. */
static bool holds_tags(const char *path) {
    char bytes[1 << 16];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes - 1, f) : 0;
    if (f)
        fclose(f);
    bytes[n] = 0;
    char *end = strchr(bytes, '\n');
    if (end)
        *end = 0;
    return strstr(bytes, "\"tags\"") && strstr(bytes, "\"tokens\"");
}

static glim_status read_words(glim_probe_data *d, glim_error *err) {
    glim_buffer bytes;
    glim__buffer_init(&bytes, d->ctx);
    glim_status status = glim__file_read(&bytes, d->path, MOST_BYTES, err);
    char *own =
        status ? NULL : glim__arena_strndup(&d->arena, bytes.data ? bytes.data : "", bytes.len);
    if (!status && !own)
        status = oom(d, bytes.len, err);
    if (!status)
        status = glim__probe_read_tags(d, own, bytes.len, err);
    glim__buffer_release(&bytes);
    return status;
}

glim_status glim__probe_data_open(glim_probe_data *d, glim_context *ctx,
                                  const glim_probe_options *o, glim_error *err) {
    glim_status status = GLIM_OK;
    *d = (glim_probe_data){.ctx = ctx, .path = o->path, .numbers = o->numbers};
    glim__arena_init(&d->arena, ctx, 1 << 16);
    intern_init(&d->classes, d);
    intern_init(&d->groups, d);
    intern_init(&d->types, d);
    d->words = o->each ? !strcmp(o->each, "word")
                       : glim__probe_is_tagged(o->path) ||
                             (ends_with(o->path, ".jsonl") && holds_tags(o->path));
    if (d->words && (o->group || o->numbers))
        status = glim_fail(err, GLIM_EUSAGE, "%s texts, not for words with tags",
                           o->group ? "--group is for" : "--regression is for");
    if (!status)
        status = d->words ? read_words(d, err) : read_table(d, o, err);
    return status ? status : finish(d, o, err);
}

void glim__probe_data_close(glim_probe_data *d) {
    if (!d->ctx)
        return;
    glim__rows_close(d->table);
    intern_release(&d->classes, d->ctx);
    intern_release(&d->groups, d->ctx);
    intern_release(&d->types, d->ctx);
    void *const all[] = {d->labels, d->values, d->group, d->type, d->taken, d->spans, d->sentences};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(d->ctx, all[i]);
    glim__arena_release(&d->arena);
    d->ctx = NULL;
}

/* ---- texts ---- */

size_t glim__probe_texts(const glim_probe_data *d) {
    return d->words ? d->n_sentences : d->n;
}

glim_status glim__probe_text(glim_probe_data *d, size_t i, glim_arena *arena, const char **text,
                             char where[320], glim_error *err) {
    if (d->words) {
        *text = d->sentences[i].text;
        snprintf(where, 320, "line %zu of '%.200s'", d->sentences[i].line, d->path);
        return GLIM_OK;
    }
    const char **cells;
    snprintf(where, 320, "row %u of '%.200s'", d->taken[i] + 1, d->path);
    glim_status status = glim__rows_read(d->table, d->taken[i], 1, arena, &cells, err);
    *text = status ? NULL : cells[d->text];
    return status;
}
