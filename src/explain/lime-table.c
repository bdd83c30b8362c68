/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIME for a row of a table: the sampling of lime 0.2.0.1 (lime_tabular.py). Every column
 * is drawn by itself: a bin or a word as often as the table has it, and in the bin a number
 * from a normal distribution cut off at its ends. A feature is whether the sample has what
 * the row has; samples count by exp(-D^2 / 2 sigma^2), D^2 the number of features that
 * differ. Without bins numbers are normal, and features are the numbers themselves, in
 * standard deviations.
 *
 * Where lime has a bin of one number only it puts 0; here it is that number. A cell that
 * is missing in the row is a feature of its own; else missing cells are not drawn, since
 * not every model can take them. Constant columns are no features.
 */
#include "explain/lime.h"
#include "base/names.h"
#include "base/normal.h"
#include "base/rng.h"
#include "explain/columns.h"
#include "predict/fit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 5000, AT_ONCE = 256 };

struct table_work {
    glim_predictor *p;
    const glim_lime_params *o;
    const glim_table *t;
    uint64_t seed;
    glim_discretizer how;
    glim_arena arena;
    glim_column *columns; /* (U) */
    glim_cell *own;       /* (U) the row's cells */
    size_t *bin;          /* (U) its bins */
    double *real;         /* (U) its numbers in standard deviations */
    glim_normal *normal;
    size_t *feature;    /* (U) SIZE_MAX: none */
    size_t n, d, K;     /* samples, features, values of a sample */
    uint8_t *z;         /* (n, d) with bins, else */
    double *x;          /* (n, d) */
    double *weight, *y; /* (n), (n, K) */
};

bool glim__lime_of_table(const glim_predictor *p, const glim_lime_params *o) {
    return p->rows && p->table && !strcmp(o->absent, "auto");
}

static size_t samples_of(const glim_lime_params *o) {
    return o->n_samples ? (size_t)o->n_samples : SAMPLES;
}

/* ---- the columns ---- */

/* Every name of --categorical must be a column. */
static glim_status check_names(const struct table_work *w, glim_error *err) {
    char name[256];
    for (const char *at = w->o->categorical; at && *at;) {
        size_t n = strcspn(at, ","), c;
        snprintf(name, sizeof name, "%.*s", (int)(n < 255 ? n : 255), at);
        glim_status status = glim__table_column(w->t, name, &c, err);
        if (status)
            return glim_prefix(err, status, "--categorical");
        at += n + (at[n] == ',');
    }
    return GLIM_OK;
}

/* labels (n_rows) of --discretizer entropy: classes in the order of their names. */
static glim_status read_labels(struct table_work *w, int32_t **out, glim_error *err) {
    const glim_table *t = w->t;
    const char *name = w->o->label_column ? w->o->label_column : w->p->label, **values;
    size_t column, n;
    if (!name)
        return glim_fail(err, GLIM_EUSAGE,
                         "--discretizer entropy cuts where labels change (name their column with "
                         "--label-column)");
    if (!w->o->label_column && !w->p->n_classes)
        return glim_fail(err, GLIM_EUSAGE,
                         "--discretizer entropy needs classes; '%.60s' holds numbers", name);
    glim_status status = glim__table_column(t, name, &column, err);
    bool numbers = !status && glim__table_numeric(t, column);
    if (!status)
        status = glim__fit_different(&w->arena, t, column, numbers, &values, &n, err);
    if (!status && !(*out = glim__arena_alloc(&w->arena, t->n_rows * sizeof **out)))
        status = glim__oom(t->ctx, err, "the labels", t->n_rows * sizeof **out);
    for (size_t i = 0; i < t->n_rows && !status; i++)
        (*out)[i] = glim__fit_find(values, n, glim__table_cell(t, i, column), numbers);
    return status;
}

/* The row's own cell of a column, and whether there is something to tell. */
static bool take_own(struct table_work *w, size_t u) {
    const glim_column *c = &w->columns[u];
    const char *text =
        w->p->own ? w->p->own[u].text : glim__table_cell(w->t, w->p->table_row, c->at);
    glim_cell *own = &w->own[u];
    *own = (glim_cell){.text = text, .number = NAN};
    if (glim__table_missing(text)) {
        own->text = NULL;
        return c->there > 0;
    }
    if (c->numeric)
        glim__table_number(text, &own->number);
    if (c->constant || c->category || w->how == GLIM_BINS_NONE)
        return !c->constant;
    w->bin[u] = glim__column_bin(c, own->number);
    return c->bins[w->bin[u]].share < 1;
}

static glim_status learn(struct table_work *w, glim_error *err) {
    size_t U = w->p->units->count, at = 0;
    int32_t *labels = NULL;
    glim_arena *a = &w->arena;
    w->columns = glim__arena_calloc(a, U, sizeof *w->columns);
    w->own = glim__arena_calloc(a, U, sizeof *w->own);
    w->bin = glim__arena_calloc(a, U, sizeof *w->bin);
    w->feature = glim__arena_calloc(a, U, sizeof *w->feature);
    w->real = glim__arena_calloc(a, U, sizeof *w->real);
    w->normal = glim__arena_alloc(a, sizeof *w->normal);
    if (!w->columns || !w->own || !w->bin || !w->feature || !w->real || !w->normal)
        return glim__oom(a->ctx, err, "the columns", U * sizeof *w->columns);
    glim__normal_fill(w->normal);
    glim_status status = check_names(w, err);
    if (!status && w->how == GLIM_BINS_ENTROPY)
        status = read_labels(w, &labels, err);
    for (size_t u = 0; u < U && !status; u++) {
        glim_column *c = &w->columns[u];
        const char *name = w->p->column_names[u];
        if (at >= w->t->n_columns || strcmp(w->t->columns[at], name) != 0)
            at = glim__table_find(w->t, name); /* most often they come in order */
        c->at = at++;
        c->category = glim__listed(w->o->categorical, name);
        status = glim__column_learn(c, w->t, a, w->how, labels, err);
        w->feature[u] = !status && take_own(w, u) ? w->d++ : SIZE_MAX;
        w->real[u] = (w->own[u].number - c->mean) / c->deviation;
    }
    return status;
}

/* ---- one sample ---- */

/* All that is drawn of a column comes from one number v, uniform in [0, 1): whether the cell
   is missing, which bin, where in it; what is left after each step is uniform again. */

/* A number of a bin: a normal distribution cut off at its ends. */
static double draw_inside(const struct table_work *w, const glim_bin *b, double v) {
    double x =
        b->mean + b->deviation * glim__normal_draw(w->normal, b->below + (v - b->start) * b->gain);
    return x >= b->least ? x <= b->most ? x : b->most : b->least;
}

/* A cell as often as the table has it. */
static glim_cell draw_word(const struct table_work *w, const glim_column *c, double v) {
    size_t row = (size_t)(v * (double)c->there);
    row = c->rows ? c->rows[row] : row;
    glim_cell cell = {.text = glim__table_cell(w->t, row, c->at), .number = NAN};
    if (c->numeric)
        glim__table_number(cell.text, &cell.number);
    return cell;
}

/* Column u of a sample; *same: it has what the row has, *real: in standard deviations. */
static glim_cell draw_cell(const struct table_work *w, size_t u, double v, bool *same,
                           double *real) {
    const glim_column *c = &w->columns[u];
    const glim_cell *own = &w->own[u];
    bool missing = !own->text;
    *same = true;
    if ((c->constant && !missing) || !c->there)
        return *own;
    if (missing) {
        v *= (double)w->t->n_rows / (double)c->there;
        if (v >= 1)
            return *own;
    }
    if (c->category) {
        glim_cell cell = draw_word(w, c, v);
        *same = !missing && !strcmp(cell.text, own->text);
        return cell;
    }
    if (w->how == GLIM_BINS_NONE) {
        double middle = w->o->sample_around_instance && !missing ? own->number : c->mean;
        double x = middle + c->deviation * glim__normal_draw(w->normal, v > 0 ? v : 0x1p-54);
        *same = false;
        *real = (x - c->mean) / c->deviation;
        return (glim_cell){.number = x};
    }
    size_t b = 0;
    for (size_t k = 1; k <= c->n_cuts; k++)
        b += v >= c->bins[k].start;
    *same = !missing && b == w->bin[u];
    return (glim_cell){.number = draw_inside(w, &c->bins[b], v)};
}

/* Cells, features and weight of sample i; 0 is the row itself. */
static void draw(struct table_work *w, size_t i, double width, glim_cell *cells) {
    double square = 0, v[2];
    for (size_t u = 0; u < w->p->units->count; u++) {
        size_t f = w->feature[u];
        const glim_column *c = &w->columns[u];
        bool same = true;
        double own = w->real[u], real = own;
        if (u % 2 == 0)
            glim__rng_pair(w->seed, i, u / 2, v);
        cells[u] = i ? draw_cell(w, u, v[u % 2], &same, &real) : w->own[u];
        if (f == SIZE_MAX)
            continue;
        bool word = w->z || c->category || !w->own[u].text;
        square += word ? !same : (real - own) * (real - own);
        if (w->z)
            w->z[i * w->d + f] = same;
        else
            w->x[i * w->d + f] = word ? same : real;
    }
    w->weight[i] = exp(-square / (2 * width * width));
}

static glim_status ask(struct table_work *w, glim_error *err) {
    size_t U = w->p->units->count;
    double width = w->o->kernel_width > 0 ? w->o->kernel_width : 0.75 * sqrt((double)U);
    size_t most = w->p->chunk > AT_ONCE ? w->p->chunk : AT_ONCE;
    glim_status status = GLIM_OK;
    glim_cell *cells = glim__calloc(w->p->ctx, most * U, sizeof *cells);
    if (!cells)
        return glim__oom(w->p->ctx, err, "samples", most * U * sizeof *cells);
    for (size_t i = 0; i < w->n && !status; i += most) {
        size_t m = w->n - i < most ? w->n - i : most;
        for (size_t k = 0; k < m; k++)
            draw(w, i + k, width, cells + k * U);
        status = w->p->rows(w->p, cells, m, w->o->top_labels > 1, w->y + i * w->K, err);
    }
    glim__free(w->p->ctx, cells);
    return status;
}

/* ---- the document ---- */

/* Units become rules. */
static glim_status say_rules(const struct table_work *w, glim_document *doc, glim_error *err) {
    size_t U = w->p->units->count;
    glim_buffer text;
    glim_unit *units = glim__calloc(w->p->ctx, U, sizeof *units);
    glim__buffer_init(&text, w->p->ctx);
    for (size_t u = 0; u < U && units; u++) {
        units[u] = w->p->units->at[u];
        units[u].start = text.len;
        glim__buffer_puts(&text, u ? " " : "");
        glim__column_rule(&text, &w->columns[u], w->how, w->own[u].text ? w->own[u].text : "");
        units[u].end = text.len;
    }
    bool ok = units && !text.failed && glim_document_note(doc, "the row: %s", doc->input.text) &&
              glim__columns_describe(text.data, text.len, units, U, doc);
    glim__buffer_release(&text);
    glim__free(w->p->ctx, units);
    return ok ? GLIM_OK : glim__oom(w->p->ctx, err, "the rules", U * sizeof *units);
}

static const char *const note_heads[] = {"numbers: ", "words: ", "left out, always the same: "};

/* How the columns of a kind were read: 0 numbers, 1 words, 2 constant. */
static void note_columns(const struct table_work *w, int kind, glim_document *doc) {
    enum { SHOWN = 8 };
    size_t n = 0;
    glim_buffer b;
    glim__buffer_init(&b, w->p->ctx);
    for (size_t u = 0; u < w->p->units->count; u++) {
        const glim_column *c = &w->columns[u];
        int is = c->constant ? 2 : c->category ? 1 : 0;
        if (is != kind || n++ >= SHOWN)
            continue;
        glim__buffer_printf(&b, "%s%.40s", n > 1 ? ", " : note_heads[kind], c->name);
        if (is == 0)
            glim__buffer_printf(&b, " %.6g to %.6g", c->least, c->most);
        else if (is == 1)
            glim__buffer_printf(&b, " (%zu)", c->values);
    }
    if (n > SHOWN)
        glim__buffer_printf(&b, " and %zu more", n - SHOWN);
    if (n && !b.failed)
        glim_document_note(doc, "%s", b.data);
    glim__buffer_release(&b);
}

static void note(const struct table_work *w, glim_document *doc) {
    for (int kind = 0; kind < 3; kind++)
        note_columns(w, kind, doc);
    if (w->how == GLIM_BINS_NONE)
        glim_document_note(doc, "every column is drawn by itself; the score of a number is for one "
                                "standard deviation more of it, which its name ends with");
    else
        glim_document_note(doc, "every column is drawn by itself, as often as the table has it, so "
                                "that rows come out that cannot be; a score is for having what the "
                                "row has");
    glim_document_note(doc, "the baseline value is the local model's intercept; columns that were "
                            "not selected have 0");
}

/* The `n` largest of the classes' values become rows of the document, whose targets move
   to the front of y. */
static glim_status take_classes(struct table_work *w, size_t n, glim_document *doc,
                                glim_error *err) {
    size_t K = w->K;
    doc->rows = glim_document_alloc(doc, n * sizeof *doc->rows);
    if (!doc->rows)
        return glim__oom(w->p->ctx, err, "the classes", n * sizeof *doc->rows);
    for (size_t r = 0; r < n; r++) {
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < K; k++) {
            bool taken = false;
            for (size_t i = 0; i < r; i++)
                taken = taken || doc->rows[i].id == (int32_t)k;
            if (!taken && (best == SIZE_MAX || w->y[k] > w->y[best]))
                best = k;
        }
        const char *name = w->p->classes[best];
        doc->rows[r] = (glim_document_row){.text = glim_document_text(doc, name, strlen(name)),
                                           .text_len = strlen(name),
                                           .id = (int32_t)best,
                                           .start = doc->input.text_len,
                                           .end = doc->input.text_len,
                                           .value = w->y[best],
                                           .prob = NAN,
                                           .residual = NAN};
        if (!doc->rows[r].text)
            return glim__oom(w->p->ctx, err, "the classes", 0);
        if (!strcmp(doc->target.output, "prob"))
            doc->rows[r].prob = w->y[best];
    }
    double row[100];
    for (size_t i = 0; i < w->n; i++) {
        for (size_t r = 0; r < n; r++)
            row[r] = w->y[i * K + (size_t)doc->rows[r].id];
        memcpy(w->y + i * n, row, n * sizeof *row);
    }
    glim_buffer names;
    glim__buffer_init(&names, w->p->ctx);
    for (size_t r = 0; r < n; r++)
        glim__buffer_printf(&names, "%s%s", r ? ", " : "", doc->rows[r].text);
    const char *text = names.failed ? NULL : glim_document_text(doc, names.data, names.len);
    if (text)
        doc->target.text = text;
    doc->target.text_len = text ? names.len : 0;
    glim__buffer_release(&names);
    if (!text)
        return glim__oom(w->p->ctx, err, "the classes", 0);
    doc->kind = "attribution-matrix";
    doc->n_rows = n;
    doc->target.value = doc->target.prob = NAN;
    doc->target.id = -1;
    return GLIM_OK;
}

static glim_status make_scores(glim_document *doc, glim_error *err) {
    size_t n = doc->n_rows * doc->input.n_units;
    doc->scores = glim_document_alloc(doc, n * sizeof *doc->scores);
    doc->error = glim_document_alloc(doc, n * sizeof *doc->error);
    if (!doc->scores || !doc->error)
        return glim__oom(doc->ctx, err, "the scores", 2 * n * sizeof *doc->scores);
    for (size_t i = 0; i < n; i++)
        doc->scores[i] = doc->error[i] = NAN;
    return GLIM_OK;
}

/* ---- the whole ---- */

static glim_status check_top(const struct table_work *w, const glim_document *doc,
                             glim_error *err) {
    if (w->o->top_labels < 2)
        return GLIM_OK;
    if (w->p->n_classes < 2)
        return glim_fail(err, GLIM_EUSAGE, "--top-labels needs classes; this predicts a number");
    if (doc->target.against)
        return glim_fail(err, GLIM_EUSAGE, "give either --against or --top-labels");
    return GLIM_OK;
}

static glim_status make_room(struct table_work *w, glim_error *err) {
    glim_context *ctx = w->p->ctx;
    bool bins = w->how != GLIM_BINS_NONE;
    w->z = bins ? glim__alloc(ctx, w->n * w->d) : NULL;
    w->x = bins ? NULL : glim__calloc(ctx, w->n * w->d, sizeof *w->x);
    w->weight = glim__calloc(ctx, w->n * (1 + w->K), sizeof *w->weight);
    w->y = w->weight ? w->weight + w->n : NULL;
    return (w->z || w->x) && w->weight ? GLIM_OK
                                       : glim__oom(ctx, err, "samples", w->n * (w->d + 16));
}

static glim_status fit(struct table_work *w, glim_document *doc, glim_error *err) {
    size_t rows = w->o->top_labels > 1 ? (size_t)w->o->top_labels : 1;
    rows = rows < w->K ? rows : w->K;
    glim_status status = rows > 1 ? take_classes(w, rows, doc, err) : GLIM_OK;
    if (!status)
        status = make_scores(doc, err);
    if (status || !w->d)
        return status;
    glim_game g = {.p = w->p, .rows = rows, .d = w->d, .feature = w->feature, .all = w->y};
    glim_lime_data a = {.ctx = w->p->ctx,
                        .n = w->n,
                        .d = w->d,
                        .z = w->z,
                        .x = w->x,
                        .weight = w->weight,
                        .y = w->y};
    glim_lime_options o = glim__lime_fit_options(w->o, w->seed);
    glim_lime_summary sum = glim__lime_summary();
    status = glim__lime_rows(&g, &a, &o, &sum, doc, err);
    if (!status)
        glim__lime_judge(&sum, doc);
    return status;
}

glim_status glim__lime_table(glim_predictor *p, const glim_lime_params *o, uint64_t seed,
                             glim_document *doc, glim_error *err) {
    static const char *const names[] = {"quartile", "decile", "entropy", "none"};
    struct table_work w = {.p = p, .o = o, .t = p->table, .seed = seed, .n = samples_of(o)};
    while (strcmp(names[w.how], o->discretizer))
        w.how++;
    w.K = o->top_labels > 1 ? p->n_classes : 1;
    glim__arena_init(&w.arena, p->ctx, 1 << 14);
    glim_status status = check_top(&w, doc, err);
    if (!status)
        status = learn(&w, err);
    if (!status)
        status = say_rules(&w, doc, err);
    if (!status)
        status = make_room(&w, err);
    if (!status)
        status = ask(&w, err);
    if (!status)
        status = fit(&w, doc, err);
    if (!status)
        note(&w, doc);
    glim__free(p->ctx, w.z);
    glim__free(p->ctx, w.x);
    glim__free(p->ctx, w.weight);
    glim__arena_release(&w.arena);
    return status;
}

void glim__lime_table_plan(const glim_predictor *p, const glim_lime_params *o, glim_plan *out) {
    const glim_table *t = p->table;
    uint64_t n = samples_of(o), U = p->units->count, N = t->n_rows,
             K = o->top_labels > 1 ? p->n_classes : 1;
    uint64_t most = p->chunk > AT_ONCE ? p->chunk : AT_ONCE;
    uint64_t learning =
        N * (16 + 4 + 8 + 40) + sizeof(glim_normal) + U * (sizeof(glim_column) + 4 * N + 64);
    uint64_t samples = n * (8 * U + 8 * (1 + K)) + most * U * sizeof(glim_cell);
    out->forward_tokens += n;
    out->asks += n;
    out->bytes = learning + samples + glim__lime_room(n, U) + 16 * K * U + (64 << 10);
    out->bytes_wanted = out->bytes;
    out->bounded = false;
}
