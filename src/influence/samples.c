/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples: which columns a model's task reads, a check of every row when the file is
 * opened (so that a bad one is told before hours of work), and rows read again as they are
 * asked for. What is kept of the rows are the numbers of those that are left out.
 */
#include "influence/sample-tokens.h"
#include "base/buffer.h"
#include "base/map.h"
#include "file/row-parser.h"
#include "file/rows.h"
#include "model/model.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct glim_samples {
    glim_context *ctx;
    const glim_model *model;
    glim_rows *rows; /* NULL: one row was given */
    glim_arena arena;
    const char *path;
    const char *const *columns;
    size_t n_columns;
    const char *const *given; /* its cells */
    glim_form form;
    const char *template; /* of chats, or NULL */
    size_t in, label;     /* columns; label SIZE_MAX: none */
    glim_map classes;
    size_t *bad; /* rows that are left out, rising */
    size_t n_bad, room;
    char digest[2 * crypto_hash_sha256_BYTES + 1], origin[2 * crypto_hash_sha256_BYTES + 1];
};

static glim_status oom(const glim_samples *s, glim_error *err) {
    return glim__oom(s->ctx, err, "the samples", s->room * sizeof *s->bad);
}

/* "row 3 of 'reviews.csv'" in front of an error. */
static glim_status at_row(const glim_samples *s, size_t row, glim_status status, glim_error *err) {
    if (s->rows)
        return glim_prefix(err, status, "row %zu of '%.200s'", row + 1, s->path);
    return glim_prefix(err, status, "%s", s->path);
}

/* ---- columns ---- */

static const struct choice {
    glim_task task;
    glim_form form;
    const char *in, *label;
} choices[] = {
    {GLIM_TASK_CLASSIFY, GLIM_FORM_CLASS, "text", "label"},
    {GLIM_TASK_GENERATE, GLIM_FORM_CHAT, "messages", NULL},
    {GLIM_TASK_GENERATE, GLIM_FORM_ANSWER, "prompt", "completion"},
    {GLIM_TASK_GENERATE, GLIM_FORM_WORD, "text", "label"},
    {GLIM_TASK_GENERATE, GLIM_FORM_TEXT, "text", NULL},
    {GLIM_TASK_GENERATE, GLIM_FORM_REPLY, "chat", "completion"},
    {GLIM_TASK_TRANSLATE, GLIM_FORM_PAIR, "source", "target"},
    {GLIM_TASK_TRANSLATE, GLIM_FORM_PAIR, "prompt", "completion"},
    {GLIM_TASK_TRANSLATE, GLIM_FORM_PAIR, "text", "label"},
};
enum { CHOICES = sizeof choices / sizeof *choices };

static size_t column(const glim_samples *s, const char *name) {
    for (size_t c = 0; c < s->n_columns; c++)
        if (!strcmp(s->columns[c], name))
            return c;
    return SIZE_MAX;
}

/* What the user calls the column of labels that this choice has, or NULL. */
static const char *asked_label(const struct choice *c, const glim_samples_options *o) {
    if (!c->label)
        return NULL;
    return !strcmp(c->label, "label")        ? o->label
           : !strcmp(c->label, "completion") ? o->completion
                                             : o->target;
}

static bool takes(glim_samples *s, const struct choice *c, const glim_samples_options *o) {
    bool chat = c->form == GLIM_FORM_CHAT || c->form == GLIM_FORM_REPLY;
    bool any = o->label || o->completion || o->target;
    const char *asked = asked_label(c, o), *in = o->text && !chat ? o->text : c->in;
    const char *label = asked ? asked : c->label;
    if (c->task != glim_model_facts(s->model)->task || (any && !asked) ||
        (chat && o->text && strcmp(o->text, c->in) != 0))
        return false;
    s->form = c->form;
    s->in = column(s, in);
    s->label = label ? column(s, label) : SIZE_MAX;
    return s->in < SIZE_MAX && (!label || s->label < SIZE_MAX);
}

/* Names that were given must be there. */
static glim_status check_names(const glim_samples *s, const glim_samples_options *o,
                               glim_error *err) {
    const char *const names[] = {o->text, o->label, o->completion, o->target};
    size_t at;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < 4 && !status; i++)
        if (names[i])
            status = glim__columns_find(s->columns, s->n_columns, s->path, names[i], &at, err);
    return status;
}

static glim_status choose(glim_samples *s, const glim_samples_options *o, glim_error *err) {
    char have[200] = "", want[200] = "";
    size_t h = 0, w = 0;
    glim_task task = glim_model_facts(s->model)->task;
    glim_status status = check_names(s, o, err);
    for (size_t i = 0; i < CHOICES && !status; i++)
        if (takes(s, &choices[i], o))
            return s->in != s->label
                       ? GLIM_OK
                       : glim_fail(err, GLIM_EUSAGE, "'%.60s' is named both as text and as label",
                                   s->columns[s->in]);
    for (size_t i = 0; i < CHOICES; i++)
        if (choices[i].task == task && w + 40 < sizeof want)
            w += (size_t)snprintf(want + w, sizeof want - w, "%s%s%s%s", w ? "; or " : "",
                                  choices[i].in, choices[i].label ? " and " : "",
                                  choices[i].label ? choices[i].label : "");
    for (size_t c = 0; c < s->n_columns && h + 60 < sizeof have; c++)
        h += (size_t)snprintf(have + h, sizeof have - h, "%s%.40s", c ? ", " : "", s->columns[c]);
    if (status)
        return status;
    if (!w)
        return glim_fail(err, GLIM_EUSAGE,
                         "samples are for classifiers, models that go on with a text, and those "
                         "that write about one; '%.200s' is none of them (fit a head with `glim "
                         "fit`)",
                         glim_model_facts(s->model)->path);
    return glim_fail(err, GLIM_EUSAGE,
                     "'%.200s' has the columns %s; this model learns from %s (name other columns "
                     "by flags)",
                     s->path, have, want);
}

/* ---- labels ---- */

/* "LABEL_3" is what a configuration without names has. */
static bool nameless(const char *const *labels, size_t k) {
    char plain[40];
    snprintf(plain, sizeof plain, "LABEL_%zu", k);
    return !labels || !strcmp(labels[k], plain);
}

static glim_status list_classes(glim_samples *s, glim_error *err) {
    const glim_model_info *i = glim_model_facts(s->model);
    if (s->form != GLIM_FORM_CLASS)
        return GLIM_OK;
    for (size_t k = 0; k < (size_t)i->outputs; k++) {
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", k);
        bool bare = nameless(i->labels, k);
        const char *copy = bare ? glim__arena_strdup(&s->arena, number) : "";
        if (!copy || (bare && !glim__map_set(&s->classes, copy, (size_t)n, (int32_t)k, NULL)) ||
            (i->labels &&
             !glim__map_set(&s->classes, i->labels[k], strlen(i->labels[k]), (int32_t)k, NULL)))
            return oom(s, err);
    }
    return GLIM_OK;
}

static glim_status no_class(const glim_samples *s, const char *cell, glim_error *err) {
    const glim_model_info *i = glim_model_facts(s->model);
    char list[240] = "";
    size_t at = 0;
    for (int k = 0; k < i->outputs && at + 50 < sizeof list; k++)
        at += (size_t)(i->labels ? snprintf(list + at, sizeof list - at, "%s%.40s", k ? ", " : "",
                                            i->labels[k])
                                 : snprintf(list + at, sizeof list - at, "%s%d", k ? ", " : "", k));
    return glim_fail(err, GLIM_EFORMAT, "'%.60s' is no class of the model (there are %s)", cell,
                     list);
}

/* ---- checks ---- */

static glim_status check_chat(glim_samples *s, const char *json, glim_arena *arena, bool *bad,
                              glim_error *err) {
    glim_message *messages;
    size_t n;
    glim_status status =
        glim__chat_parse(&messages, &n, arena, json, strlen(json), "messages", err);
    *bad = !status;
    for (size_t i = 0; i < n && !status; i++)
        if (!strcmp(messages[i].role, "assistant") && messages[i].content_len)
            *bad = false;
    return status;
}

static glim_status leave_out(glim_samples *s, size_t row, glim_error *err) {
    if (!s->bad || s->n_bad == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        size_t *grown = glim__realloc(s->ctx, s->bad, room * sizeof *grown);
        if (!grown)
            return oom(s, err);
        s->bad = grown;
        s->room = room;
    }
    s->bad[s->n_bad++] = row;
    return GLIM_OK;
}

static glim_status check_row(glim_samples *s, size_t row, const char *const *cells, bool skip,
                             glim_arena *arena, glim_error *err) {
    bool silent = false, labelled = s->label < SIZE_MAX;
    const char *text = cells[s->in], *label = labelled ? cells[s->label] : "";
    glim_status status = GLIM_OK;
    size_t missing = !*text ? s->in : labelled && !*label ? s->label : SIZE_MAX;
    if (missing == SIZE_MAX && s->form == GLIM_FORM_CHAT)
        status = check_chat(s, text, arena, &silent, err);
    else if (missing == SIZE_MAX && s->form == GLIM_FORM_CLASS &&
             glim__map_get(&s->classes, label, strlen(label)) < 0)
        status = no_class(s, label, err);
    if (status)
        return at_row(s, row, status, err);
    if (missing == SIZE_MAX && !silent)
        return GLIM_OK;
    if (skip)
        return leave_out(s, row, err);
    if (!silent && !s->rows)
        return glim_fail(err, GLIM_EFORMAT, "%s: its '%.60s' is empty", s->path,
                         s->columns[missing]);
    status = silent ? glim_fail(err, GLIM_EFORMAT, "the assistant says nothing")
                    : glim_fail(err, GLIM_EFORMAT,
                                "there is no '%.60s' (--missing drop leaves such rows out)",
                                s->columns[missing]);
    return at_row(s, row, status, err);
}

static size_t rows_of(const glim_samples *s) {
    return s->rows ? glim__rows_count(s->rows) : 1;
}

static glim_status check_rows(glim_samples *s, bool skip, glim_error *err) {
    enum { AT_ONCE = 64 };
    size_t N = rows_of(s);
    glim_arena arena;
    glim_status status = GLIM_OK;
    glim__arena_init(&arena, s->ctx, 1 << 14);
    for (size_t i = 0, n; i < N && !status; i += n) {
        const char **cells = NULL;
        n = N - i < AT_ONCE ? N - i : AT_ONCE;
        if (s->rows)
            status = glim__rows_read(s->rows, i, n, &arena, &cells, err);
        for (size_t k = 0; k < n && !status; k++)
            status = check_row(s, i + k, s->rows ? cells + k * s->n_columns : s->given, skip,
                               &arena, err);
        glim__arena_reset(&arena);
        if (!status)
            status = glim__check_cancel(s->ctx, err);
    }
    glim__arena_release(&arena);
    if (!status && s->n_bad == N)
        status =
            glim_fail(err, GLIM_EUSAGE, "'%.200s': every row lacks a text or a label", s->path);
    return status;
}

/* ---- opening ---- */

static glim_samples *new_samples(const glim_model *model) {
    glim_samples *s = glim__calloc(model->ctx, 1, sizeof *s);
    if (!s)
        return NULL;
    s->ctx = model->ctx;
    s->model = model;
    glim__arena_init(&s->arena, s->ctx, 1 << 10);
    glim__map_init(&s->classes, s->ctx);
    return s;
}

/* Of all that says what a sample is: the same file may be read by other columns. */
static void find_origin(glim_samples *s) {
    const char *const parts[] = {s->digest, s->columns[s->in],
                                 s->label < SIZE_MAX ? s->columns[s->label] : "",
                                 s->template ? s->template : ""};
    const unsigned char form = (unsigned char)s->form;
    crypto_hash_sha256_state state;
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, &form, 1);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        crypto_hash_sha256_update(&state, (const unsigned char *)parts[i], strlen(parts[i]) + 1);
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(s->origin, sizeof s->origin, hash, sizeof hash);
}

static glim_status finish(glim_samples **out, glim_samples *s, glim_status status,
                          const glim_samples_options *options, glim_error *err) {
    static const glim_samples_options none = {0};
    const glim_samples_options *o = options ? options : &none;
    if (!status && o->template && !(s->template = glim__arena_strdup(&s->arena, o->template)))
        status = oom(s, err);
    if (!status)
        status = choose(s, o, err);
    if (!status)
        status = list_classes(s, err);
    if (!status)
        find_origin(s);
    if (!status)
        status = check_rows(s, o->skip_bad, err);
    if (status) {
        glim__samples_close(s);
        return status;
    }
    *out = s;
    return GLIM_OK;
}

glim_status glim__samples_open(glim_samples **out, const glim_model *model, const char *path,
                               const glim_samples_options *options, glim_error *err) {
    *out = NULL;
    glim_samples *s = new_samples(model);
    if (!s)
        return glim__oom(model->ctx, err, "the samples", sizeof *s);
    glim_status status = glim__rows_open(&s->rows, s->ctx, path, true, err);
    if (!status) {
        s->path = glim__rows_path(s->rows);
        s->columns = glim__rows_columns(s->rows, &s->n_columns);
        memcpy(s->digest, glim__rows_digest(s->rows), sizeof s->digest);
    }
    return finish(out, s, status, options, err);
}

/* Copies the row, and makes its digest. */
static glim_status take_one(glim_samples *s, const char *const *names, const char *const *cells,
                            size_t n, glim_error *err) {
    const char **columns = glim__arena_calloc(&s->arena, n + 1, sizeof *columns);
    const char **given = glim__arena_calloc(&s->arena, n + 1, sizeof *given);
    crypto_hash_sha256_state state;
    unsigned char hash[crypto_hash_sha256_BYTES];
    bool ok = columns && given;
    crypto_hash_sha256_init(&state);
    for (size_t c = 0; c < n && ok; c++) {
        columns[c] = glim__arena_strdup(&s->arena, names[c]);
        given[c] = glim__arena_strdup(&s->arena, cells[c] ? cells[c] : "");
        ok = columns[c] && given[c];
        const char *const both[] = {columns[c], given[c]};
        for (size_t k = 0; k < 2 && ok; k++)
            crypto_hash_sha256_update(&state, (const unsigned char *)both[k], strlen(both[k]) + 1);
    }
    if (!ok)
        return oom(s, err);
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(s->digest, sizeof s->digest, hash, sizeof hash);
    s->columns = columns;
    s->given = given;
    s->n_columns = n;
    return GLIM_OK;
}

glim_status glim__samples_one(glim_samples **out, const glim_model *model, const char *const *names,
                              const char *const *cells, size_t n,
                              const glim_samples_options *options, glim_error *err) {
    *out = NULL;
    glim_samples *s = new_samples(model);
    if (!s)
        return glim__oom(model->ctx, err, "the samples", sizeof *s);
    s->path = "the query";
    return finish(out, s, take_one(s, names, cells, n, err), options, err);
}

void glim__samples_close(glim_samples *s) {
    if (!s)
        return;
    glim_context *ctx = s->ctx;
    glim__rows_close(s->rows);
    glim__map_release(&s->classes);
    glim__arena_release(&s->arena);
    glim__free(ctx, s->bad);
    glim__free(ctx, s);
}

/* ---- facts ---- */

const glim_model *glim__samples_model(const glim_samples *s) {
    return s->model;
}

size_t glim__samples_count(const glim_samples *s) {
    return rows_of(s) - s->n_bad;
}

size_t glim__samples_left_out(const glim_samples *s) {
    return s->n_bad;
}

const char *glim__samples_digest(const glim_samples *s) {
    return s->digest;
}

bool glim__samples_are_chats(const glim_samples *s) {
    return s->form == GLIM_FORM_CHAT;
}

const char *glim__samples_origin(const glim_samples *s) {
    return s->origin;
}

/* Row r has r samples before it, but for the bad ones: bad[k] - k rises, and is the first
   sample behind bad row k. */
size_t glim__samples_row(const glim_samples *s, size_t i) {
    size_t low = 0, high = s->n_bad;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->bad[middle] - middle <= i)
            low = middle + 1;
        else
            high = middle;
    }
    return i + low;
}

/* ---- reading ---- */

static glim_status row_cells(glim_samples *s, size_t row, glim_arena *arena,
                             const char *const **cells, glim_error *err) {
    const char **read = NULL;
    *cells = s->given;
    if (!s->rows)
        return GLIM_OK;
    glim_status status = glim__rows_read(s->rows, row, 1, arena, &read, err);
    *cells = read;
    return status;
}

static glim_status check_range(const glim_samples *s, size_t first, size_t count, glim_error *err) {
    size_t n = glim__samples_count(s);
    if (first <= n && count <= n - first)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE, "there are %zu samples, not %zu", n, first + count);
}

/* How a reply begins, "" where nothing says so. */
static const char *prefix_of(const glim_samples *s, const char *const *cells) {
    size_t at = s->form == GLIM_FORM_REPLY ? column(s, "prefix") : SIZE_MAX;
    return at < SIZE_MAX ? cells[at] : "";
}

glim_status glim__samples_read(glim_samples *s, size_t first, size_t count, glim_arena *arena,
                               glim_example *out, glim_error *err) {
    glim_arena words;
    glim_status status = check_range(s, first, count, err);
    glim__arena_init(&words, s->ctx, 1 << 14);
    for (size_t i = 0; i < count && !status; i++) {
        size_t row = glim__samples_row(s, first + i);
        const char *const *cells;
        status = row_cells(s, row, &words, &cells, err);
        if (status)
            break;
        glim_example_words said = {.form = s->form,
                                   .text = cells[s->in],
                                   .label = s->label < SIZE_MAX ? cells[s->label] : "",
                                   .class_id = -1,
                                   .prefix = prefix_of(s, cells),
                                   .template = s->template};
        if (s->form == GLIM_FORM_CLASS)
            said.class_id = glim__map_get(&s->classes, said.label, strlen(said.label));
        status = glim__example_make(s->model, &said, arena, &out[i], err);
        if (status)
            at_row(s, row, status, err);
        glim__arena_reset(&words);
    }
    glim__arena_release(&words);
    return status;
}

/* A chat as lines: all but the assistant's last words, and those; of a reply all. */
static glim_status chat_words(glim_samples *s, const char *const *cells, glim_arena *arena,
                              const char **text, const char **label, glim_error *err) {
    glim_message *m;
    const char *json = cells[s->in], *prefix = prefix_of(s, cells);
    size_t n, last = SIZE_MAX;
    glim_buffer out;
    glim_status status = glim__chat_parse(&m, &n, arena, json, strlen(json), "messages", err);
    for (size_t i = 0; i < n && s->form == GLIM_FORM_CHAT; i++)
        if (last == SIZE_MAX || (!strcmp(m[i].role, "assistant") && m[i].content_len))
            last = i;
    glim__buffer_init(&out, s->ctx);
    for (size_t i = 0; i < n && !status; i++)
        if (i != last)
            glim__buffer_printf(&out, "%s%s: %s", out.len ? "\n" : "", m[i].role, m[i].content);
    if (*prefix)
        glim__buffer_printf(&out, "%sassistant: %s", out.len ? "\n" : "", prefix);
    *text = out.failed || status ? NULL : glim__arena_strdup(arena, out.data ? out.data : "");
    *label = status ? NULL : last < SIZE_MAX ? m[last].content : cells[s->label];
    glim__buffer_release(&out);
    return status || *text ? status : oom(s, err);
}

glim_status glim__samples_words(glim_samples *s, size_t i, glim_arena *arena, const char **text,
                                const char **label, glim_error *err) {
    const char *const *cells;
    *text = *label = NULL;
    glim_status status = check_range(s, i, 1, err);
    if (!status)
        status = row_cells(s, glim__samples_row(s, i), arena, &cells, err);
    if (status)
        return status;
    if (s->form == GLIM_FORM_CHAT || s->form == GLIM_FORM_REPLY)
        return chat_words(s, cells, arena, text, label, err);
    *text = cells[s->in];
    *label = s->label < SIZE_MAX ? cells[s->label] : NULL;
    return GLIM_OK;
}

glim_status glim__samples_column(const glim_samples *s, const char *name, size_t *out,
                                 glim_error *err) {
    return glim__columns_find(s->columns, s->n_columns, s->path, name, out, err);
}

glim_status glim__samples_cell(glim_samples *s, size_t i, size_t at, glim_arena *arena,
                               const char **out, glim_error *err) {
    const char *const *cells;
    glim_status status = check_range(s, i, 1, err);
    if (!status)
        status = row_cells(s, glim__samples_row(s, i), arena, &cells, err);
    *out = status || at >= s->n_columns || !cells[at] ? "" : cells[at];
    return status;
}
