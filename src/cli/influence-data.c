/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of `glim influence`: a head that is opened, or fitted here, and tables whose
 * rows become samples. Everything that reads a table is in load(), so that a reader that
 * streams can take its place.
 */
#include "cli/fitted.h"
#include "cli/influence.h"
#include "influence/least-squares.h"
#include "influence/shares.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

/* ---- rows ---- */

static glim_status digest_of(const char *path, char out[65], glim_error *err) {
    unsigned char hash[crypto_hash_sha256_BYTES], bytes[65536];
    crypto_hash_sha256_state state;
    FILE *f = fopen(path, "rb");
    if (!f)
        return glim_fail(err, GLIM_EIO, "cannot read '%.200s'", path);
    crypto_hash_sha256_init(&state);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f));)
        crypto_hash_sha256_update(&state, bytes, n);
    fclose(f);
    crypto_hash_sha256_final(&state, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
    return GLIM_OK;
}

/* The label of a row as a number; NaN when it is missing. */
static glim_status read_label(const cli_influence *c, const cli_samples *s, size_t row, double *y,
                              glim_error *err) {
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    const char *cell = s->label == SIZE_MAX ? "" : glim__table_cell(s->t, row, s->label);
    double number, other;
    *y = NAN;
    if (i->n_classes ? !*cell : glim__table_missing(cell))
        return GLIM_OK;
    bool is_number = glim__table_number(cell, &number);
    if (!i->n_classes) {
        *y = number;
        return is_number ? GLIM_OK
                         : glim_fail(err, GLIM_EFORMAT, "row %zu of '%.200s': '%.40s' is no number",
                                     row + 1, s->path, cell);
    }
    for (size_t k = 0; k < i->n_classes && isnan(*y); k++)
        if (!strcmp(cell, i->classes[k]) ||
            (is_number && glim__table_number(i->classes[k], &other) && other == number))
            *y = (double)k;
    if (isnan(*y))
        return glim_fail(err, GLIM_EUSAGE,
                         "row %zu of '%.200s': '%.60s' is no class of the model (is this what it "
                         "was fitted on?)",
                         row + 1, s->path, cell);
    return GLIM_OK;
}

/* Columns of the table that the head reads, in its order. */
static glim_status find_columns(const glim_linear *l, const cli_samples *s, size_t *out,
                                glim_error *err) {
    for (size_t k = 0; k < l->info.n_columns; k++) {
        glim_status status = glim__table_column(s->t, l->info.columns[k], &out[k], err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

struct loading {
    cli_influence *c;
    cli_samples *s;
    const size_t *used;
    const char **cells, **texts;
    bool queries, drop;
};

/* Row as sample s->n, unless something is missing. */
static glim_status take_row(struct loading *l, size_t row, glim_error *err) {
    cli_samples *s = l->s;
    const glim_linear *head = l->c->run->linear;
    char where[320];
    bool missing = false;
    double y;
    glim_status status = read_label(l->c, s, row, &y, err);
    snprintf(where, sizeof where, "row %zu of '%.200s'", row + 1, s->path);
    if (!status && isnan(y) && !l->queries) {
        missing = true;
        if (!l->drop)
            return glim_fail(err, GLIM_EFORMAT,
                             "%s has no label (--missing drop leaves such rows out)", where);
    }
    if (!status && head->info.site) {
        l->texts[s->n] = glim__table_cell(s->t, row, s->text);
        missing |= !*l->texts[s->n];
        if (!*l->texts[s->n] && !l->drop)
            return glim_fail(err, GLIM_EFORMAT,
                             "%s has no text (--missing drop leaves such rows out)", where);
    } else if (!status) {
        for (size_t k = 0; k < head->info.n_columns; k++)
            l->cells[k] = glim__table_cell(s->t, row, l->used[k]);
        status = glim__fit_encode(head->columns, head->info.n_columns, l->cells, where,
                                  l->drop ? &missing : NULL, s->x + s->n * s->width, err);
    }
    if (status || missing)
        return status;
    s->y[s->n] = y;
    s->rows[s->n++] = (uint32_t)row;
    return GLIM_OK;
}

/* Texts first .. first + count - 1 through the model. */
static glim_status represent_some(struct loading *l, size_t first, size_t count, float **out,
                                  glim_error *err) {
    const glim_linear_info *i = glim_linear_facts(l->c->run->linear);
    const glim_fit_texts how = {.site = i->site, .pool = i->pool};
    size_t cut = 0;
    glim_status status =
        glim__represent(out, l->c->run->base, &how, l->texts + first, count, &cut, err);
    l->s->cut += cut;
    return status;
}

static glim_status represent_run(void *data, size_t first, size_t count, void *records,
                                 glim_error *err) {
    struct loading *l = data;
    float *x = NULL;
    glim_status status = represent_some(l, first, count, &x, err);
    if (!status)
        memcpy(records, x, count * l->s->width * sizeof *x);
    glim__free(l->c->run->ctx, x);
    return status;
}

static glim_status take_represented(void *data, size_t first, size_t count, const void *records,
                                    glim_error *err) {
    const struct loading *l = data;
    memcpy(l->s->x32 + first * l->s->width, records, count * l->s->width * sizeof *l->s->x32);
    return GLIM_OK;
}

static glim_status same_texts(const struct loading *l) {
    const glim_linear_info *i = glim_linear_facts(l->c->run->linear);
    glim_digest d;
    glim__digest_begin(&d);
    for (size_t k = 0; k < l->s->n; k++)
        glim__digest_text(&d, l->texts[k]);
    glim__digest_text(&d, i->site);
    glim__digest_text(&d, i->pool ? i->pool : "");
    return cli_influence_same(l->c->run, l->c->run->base, &d);
}

/* Processes of a team part the texts; the first has all of them in the end. */
static glim_status represent(struct loading *l) {
    cli_run *run = l->c->run;
    cli_samples *s = l->s;
    const glim_share share = {.ctx = run->ctx,
                              .stage = "texts",
                              .n = s->n,
                              .block = GLIM_FEATURES_BLOCK,
                              .bytes = s->width * sizeof *s->x32,
                              .work = represent_run,
                              .take = take_represented,
                              .data = l};
    if (glim__team(run->ctx)->size == 1)
        return represent_some(l, 0, s->n, &s->x32, &run->err);
    s->x32 = glim__calloc(run->ctx, s->n, s->width * sizeof *s->x32);
    glim_status status =
        s->x32 ? GLIM_OK
               : glim__oom(run->ctx, &run->err, "the samples", s->n * s->width * sizeof *s->x32);
    if (!status)
        status = same_texts(l);
    if (!status)
        status = glim__share(&share, &run->err);
    return status ? status : glim__team_total(run->ctx, &s->cut, &run->err);
}

/* All rows of the table, or one (from 1). */
static glim_status load(cli_influence *c, cli_samples *s, size_t one, bool queries) {
    cli_run *run = c->run;
    const glim_linear *head = run->linear;
    size_t N = s->t->n_rows, columns = head->info.n_columns;
    s->width = head->info.width;
    s->rows = glim__calloc(run->ctx, N + 1, sizeof *s->rows);
    s->y = glim__calloc(run->ctx, N + 1, sizeof *s->y);
    s->x = head->info.site ? NULL : glim__calloc(run->ctx, N + 1, s->width * sizeof *s->x);
    size_t *used = glim__calloc(run->ctx, columns + 1, sizeof *used);
    struct loading l = {.c = c, .s = s, .used = used, .queries = queries};
    l.drop = !strcmp(run->o.missing, "drop");
    l.cells = glim__calloc(run->ctx, columns + 1, sizeof *l.cells);
    l.texts = glim__calloc(run->ctx, N + 1, sizeof *l.texts);
    glim_status status = GLIM_OK;
    if (!s->rows || !s->y || (!s->x && !head->info.site) || !used || !l.cells || !l.texts)
        status = glim__oom(run->ctx, &run->err, "the samples", N * s->width * 8);
    if (!status)
        status = find_columns(head, s, used, &run->err);
    for (size_t i = one ? one - 1 : 0; i < (one ? one : N) && !status; i++) {
        status = take_row(&l, i, &run->err);
        if (!status && i % 1024 == 0)
            status = glim__check_cancel(run->ctx, &run->err);
    }
    s->left_out = (one ? 1 : N) - s->n;
    if (!status && !s->n)
        status =
            glim_fail(&run->err, GLIM_EUSAGE, "'%.200s' has no row that could be used", s->path);
    if (!status && head->info.site && !run->o.dry_run)
        status = represent(&l);
    glim__free(run->ctx, used);
    glim__free(run->ctx, l.cells);
    glim__free(run->ctx, l.texts);
    return status;
}

static void point(cli_influence *c, cli_samples *s) {
    const glim_linear *l = c->run->linear;
    s->array = (glim_features_array){.x = s->x, .x32 = s->x32, .y = s->y, .width = s->width};
    s->features = glim__features_of(&s->array, s->n);
    bool plain = l->info.n_columns == s->width; /* no column has become several features */
    s->features.names = plain ? l->info.columns : NULL;
}

/* ---- the head ---- */

/* Numbers that differ much are predicted as such. */
static glim_status looks_linear(cli_influence *c, bool *linear) {
    enum { FEW = 10 };
    const glim_table *t = c->train.t;
    const char *kind = c->run->o.kind;
    size_t label, different = 0;
    const char *seen[FEW];
    const char *name = c->run->o.label ? c->run->o.label : "label";
    glim_status status = glim__table_column(t, name, &label, &c->run->err);
    *linear = !strcmp(kind, "linear");
    if (status || strcmp(kind, "auto") != 0 || !glim__table_numeric(t, label))
        return status;
    for (size_t i = 0; i < t->n_rows && different < FEW; i++) {
        const char *cell = glim__table_cell(t, i, label);
        bool known = glim__table_missing(cell);
        for (size_t k = 0; k < different && !known; k++)
            known = !strcmp(cell, seen[k]);
        if (!known)
            seen[different++] = cell;
    }
    *linear = different == FEW;
    return GLIM_OK;
}

/* Without a fitted model: the classical one of the columns. Columns that depend on each
   other are no fault of least squares here, so the fit with a penalty gives only the columns. */
static glim_status fit_here(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    bool linear;
    glim_fit_report report;
    glim_status status = looks_linear(c, &linear);
    if (status)
        return status;
    double strength = o->strength >= 0 ? o->strength : linear ? 0 : 1;
    glim_fit_options how = {.kind = linear ? GLIM_FIT_LINEAR : GLIM_FIT_LOGISTIC,
                            .strength = linear && strength == 0 ? 1 : strength,
                            .tolerance = 1e-9};
    glim_fit_table table = {.path = o->train,
                            .label = o->label ? o->label : "label",
                            .columns = o->columns,
                            .drop_missing = !strcmp(o->missing, "drop")};
    status = glim_fit_columns(&run->linear, &report, run->ctx, &table, &how, &run->err);
    if (!status)
        run->linear->info.strength = linear ? strength : run->linear->info.strength;
    return status;
}

static glim_status plain_least_squares(cli_influence *c) {
    glim_linear *l = c->run->linear, *plain;
    glim_status status = glim__least_squares(&plain, c->run->ctx, &c->train.features, &c->run->err);
    if (status)
        return status;
    size_t P = l->info.width;
    memcpy(l->mean, plain->mean, P * sizeof *l->mean);
    memcpy(l->scale, plain->scale, P * sizeof *l->scale);
    memcpy(l->weights, plain->weights, P * sizeof *l->weights);
    *l->bias = *plain->bias;
    glim_linear_close(plain);
    return GLIM_OK;
}

static glim_status open_head(cli_influence *c) {
    cli_run *run = c->run;
    if (cli_is_fitted(run))
        return cli_open_fitted(run);
    if (run->o.predictor)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "the influence of samples is known for fitted models (--predictor "
                         "fit:FILE), not for '%.60s'",
                         run->o.predictor);
    if (run->o.model)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "%s is about a fitted head: fit one (glim fit -m MODEL --data FILE -o "
                         "HEAD), then give --predictor fit:HEAD; --list names methods for models",
                         run->influence->name);
    return fit_here(c);
}

/* ---- which rows ---- */

/* The rows that a fit held out, drawn again: when their number is the one in the file, they
   are not among its training samples. */
static glim_status leave_held_out(cli_influence *c) {
    cli_run *run = c->run;
    cli_samples *s = &c->train;
    const glim_linear_info *i = glim_linear_facts(run->linear);
    if (!cli_is_fitted(run) || !i->held_out || s->n != i->rows + i->held_out)
        return GLIM_OK;
    const double shares[] = {0.2, (double)i->held_out / (double)s->n};
    int32_t *fold = glim__calloc(run->ctx, s->n, sizeof *fold);
    int32_t *labels = glim__calloc(run->ctx, s->n, sizeof *labels);
    glim_status status =
        fold && labels ? GLIM_OK : glim__oom(run->ctx, &run->err, "the split", s->n * 8);
    for (size_t k = 0; k < s->n && !status; k++)
        labels[k] = (int32_t)s->y[k];
    glim_fit_data d = {
        .n = s->n, .labels = i->n_classes ? labels : NULL, .n_classes = i->n_classes};
    size_t out = 0;
    for (size_t k = 0; k < 2 && out != i->held_out && !status; k++) {
        status =
            glim__fit_split(run->ctx, &d, shares[k], 5, (uint64_t)run->o.seed, fold, &run->err);
        out = 0;
        for (size_t j = 0; j < s->n; j++)
            out += fold[j] < 0;
    }
    size_t kept = 0;
    for (size_t j = 0; j < s->n && !status && out == i->held_out; j++) {
        if (fold[j] < 0)
            continue;
        s->y[kept] = s->y[j];
        s->rows[kept] = s->rows[j];
        if (s->x)
            memmove(s->x + kept * s->width, s->x + j * s->width, s->width * sizeof *s->x);
        else if (s->x32)
            memmove(s->x32 + kept * s->width, s->x32 + j * s->width, s->width * sizeof *s->x32);
        kept++;
    }
    if (!status && out == i->held_out) {
        s->held_out = s->n - kept;
        s->n = kept;
    }
    glim__free(run->ctx, fold);
    glim__free(run->ctx, labels);
    return status;
}

static glim_status columns_of(cli_influence *c, cli_samples *s, bool queries) {
    cli_run *run = c->run;
    const glim_linear_info *i = glim_linear_facts(run->linear);
    const char *label = run->o.label ? run->o.label : i->target ? i->target : "label";
    glim_status status = GLIM_OK;
    s->text = s->group = SIZE_MAX;
    s->label = glim__table_find(s->t, label);
    if (s->label == SIZE_MAX && !queries)
        status = glim__table_column(s->t, label, &s->label, &run->err);
    if (!status && i->site)
        status = glim__table_column(s->t, run->o.text_column, &s->text, &run->err);
    if (!status && !queries && run->o.by_group)
        status = glim__table_column(s->t, run->o.by_group, &s->group, &run->err);
    return status;
}

static glim_status open_train(cli_influence *c) {
    cli_run *run = c->run;
    cli_samples *s = &c->train;
    glim_status status = columns_of(c, s, false);
    if (!status)
        status = load(c, s, 0, false);
    if (!status)
        status = leave_held_out(c);
    if (!status)
        status = digest_of(s->path, s->digest, &run->err);
    if (status)
        return status;
    point(c, s);
    const glim_linear_info *i = glim_linear_facts(run->linear);
    if (!cli_is_fitted(run) && !i->n_classes && !(i->strength > 0))
        return plain_least_squares(c);
    return GLIM_OK;
}

/* A TEXT is a table of one row. */
static glim_status text_table(cli_run *run, glim_table **out) {
    glim_buffer csv;
    glim__buffer_init(&csv, run->ctx);
    glim__buffer_printf(&csv, "%s\n\"", run->o.text_column);
    for (const char *t = run->o.text; *t; t++) {
        if (*t == '"')
            glim__buffer_putc(&csv, '"');
        glim__buffer_putc(&csv, *t);
    }
    glim__buffer_puts(&csv, "\"\n");
    glim_status status = csv.failed ? glim__oom(run->ctx, &run->err, "the text", csv.len)
                                    : glim__table_read(out, run->ctx, csv.data, csv.len,
                                                       GLIM_TABLE_CSV, "the text", &run->err);
    glim__buffer_release(&csv);
    return status;
}

static glim_status open_queries(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    cli_samples *s = &c->query;
    bool texts = glim_linear_facts(run->linear)->site != NULL;
    if (!!o->query + !!o->text + !!o->table > 1)
        return glim_fail(&run->err, GLIM_EUSAGE, "give one of TEXT, --query and --table");
    s->path = o->query ? o->query : o->table ? o->table : "the text";
    if (!o->query && !o->text && !o->table)
        return GLIM_OK;
    if (o->text && !texts)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "this model reads the columns of a table (--table FILE --row N), no text");
    glim_status status =
        o->text ? text_table(run, &s->t) : glim__table_open(&s->t, run->ctx, s->path, &run->err);
    if (!status && o->row && (size_t)o->row > s->t->n_rows)
        status = glim_fail(&run->err, GLIM_EUSAGE, "'%.200s' has %zu rows; there is no row %lld",
                           s->path, s->t->n_rows, (long long)o->row);
    if (!status)
        status = columns_of(c, s, true);
    if (!status)
        status = load(c, s, (size_t)o->row, true);
    if (!status)
        point(c, s);
    return status;
}

glim_status cli_influence_open(cli_influence *c) {
    cli_run *run = c->run;
    if (!run->o.train)
        return glim_fail(&run->err, GLIM_EUSAGE, "there are no training samples (--train FILE)");
    if (cli_influence_streams(run))
        return cli_influence_open_model(c);
    c->train.path = run->o.train;
    glim_status status = glim__table_open(&c->train.t, run->ctx, run->o.train, &run->err);
    if (!status)
        status = open_head(c);
    if (!status)
        status = open_train(c);
    if (!status)
        status = open_queries(c);
    if (!glim__team_first(run->ctx)) /* the rest takes moments */
        return status;
    if (!status && !(run->o.dry_run && run->base))
        status = glim__head_init(&c->head, run->ctx, run->linear, &c->train.features, &run->err);
    return status;
}

static glim_status count_texts(cli_influence *c, const cli_samples *s, uint64_t *tokens,
                               size_t *longest) {
    const glim_model *model = c->run->base;
    size_t most = (size_t)glim_model_facts(model)->context_length;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < s->n && !status; i++) {
        glim_tokens *one = NULL;
        const char *text = glim__table_cell(s->t, s->rows[i], s->text);
        status = glim_model_tokenize(model, &one, text, strlen(text), &c->run->err);
        size_t n = status ? 0 : one->count < most ? one->count : most;
        *tokens += n;
        *longest = n > *longest ? n : *longest;
        glim_tokens_free(one);
    }
    return status;
}

glim_status cli_influence_count(cli_influence *c, uint64_t *tokens, uint64_t *session) {
    enum { ROWS = 512 }; /* of a batch of texts */
    size_t longest = 0;
    glim_status status = count_texts(c, &c->train, tokens, &longest);
    if (!status)
        status = count_texts(c, &c->query, tokens, &longest);
    size_t rows = longest > ROWS ? longest : ROWS;
    *session = glim_session_plan(c->run->base, rows, rows, longest, rows, false, NULL);
    return status;
}

static void close_samples(cli_run *run, cli_samples *s) {
    glim__table_close(s->t);
    glim__free(run->ctx, s->rows);
    glim__free(run->ctx, s->x);
    glim__free(run->ctx, s->x32);
    glim__free(run->ctx, s->y);
}

void cli_influence_close(cli_influence *c) {
    cli_influence_close_model(c);
    glim__head_release(&c->head);
    close_samples(c->run, &c->train);
    close_samples(c->run, &c->query);
}

/* ---- words ---- */

size_t cli_sample_row(const cli_samples *s, size_t i) {
    return 1 + (s->stream ? glim__samples_row(s->stream, i) : s->rows[i]);
}

void cli_sample_words(const cli_influence *c, const cli_samples *s, size_t i, glim_buffer *out) {
    if (s->stream) {
        cli_stream_words(s, i, out);
        return;
    }
    const glim_linear_info *l = glim_linear_facts(c->run->linear);
    if (s->text != SIZE_MAX) {
        glim__buffer_puts(out, glim__table_cell(s->t, s->rows[i], s->text));
        return;
    }
    for (size_t k = 0; k < l->n_columns; k++)
        glim__buffer_printf(
            out, "%s%s=%s", k ? ", " : "", l->columns[k],
            glim__table_cell(s->t, s->rows[i], glim__table_find(s->t, l->columns[k])));
}

const char *cli_sample_label(const cli_samples *s, size_t i) {
    if (s->stream)
        return cli_stream_label(s, i);
    if (s->label == SIZE_MAX || isnan(s->y[i]))
        return NULL;
    return glim__table_cell(s->t, s->rows[i], s->label);
}

double cli_sample_says(cli_influence *c, const cli_samples *s, size_t i) {
    if (s->stream)
        return NAN;
    size_t P = s->width;
    double *x = glim__calloc(c->run->ctx, P + 1 + c->head.O, sizeof *x), *z = x + P + 1, out = NAN;
    if (x && !s->features.read(s->features.data, i, 1, x, x + P, NULL)) {
        glim__linear_outputs(c->run->linear, x, z);
        out = c->head.logistic ? (double)glim__head_class(&c->head, z) : z[0];
    }
    glim__free(c->run->ctx, x);
    return out;
}
