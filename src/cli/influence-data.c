/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of `glim influence`: a head that is opened, or fitted here, and files whose rows
 * become samples, a block at a time. Words of samples are read again from the file when they
 * are shown.
 */
#include "cli/fitted.h"
#include "cli/influence.h"
#include "file/store.h"
#include "influence/head-columns.h"
#include "influence/head-fit.h"

#include <math.h>
#include <string.h>

static const char *label_of(const cli_run *run) {
    const glim_linear_info *i = run->linear ? glim_linear_facts(run->linear) : NULL;
    return run->o.label ? run->o.label : i && i->target ? i->target : "label";
}

/* ---- the head ---- */

/* Without a fitted model: the classical one of the columns. Only its shape is known yet. */
static glim_status shape_here(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    glim_head_kind kind = !strcmp(o->kind, "linear")     ? GLIM_HEAD_LINEAR
                          : !strcmp(o->kind, "logistic") ? GLIM_HEAD_LOGISTIC
                                                         : GLIM_HEAD_AUTO;
    glim_status status = glim__head_columns(&run->linear, run->ctx, c->train.rows, label_of(run),
                                            o->columns, kind, &run->err);
    if (status)
        return status;
    glim_linear_info *i = &run->linear->info;
    i->strength = o->strength >= 0 ? o->strength : i->n_classes ? 1 : 0;
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
    return shape_here(c);
}

/* ---- samples ---- */

static glim_status open_samples(cli_influence *c, cli_samples *s, bool queries) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    const glim_head_samples_options how = {.rows = s->rows,
                                           .given = o->text,
                                           .model = run->base,
                                           .text = o->text_column,
                                           .label = label_of(run),
                                           .queries = queries,
                                           .drop = !strcmp(o->missing, "drop"),
                                           .one = queries ? (size_t)o->row : 0,
                                           .counted = o->dry_run,
                                           .store = queries ? NULL : c->store};
    glim_status status = glim__head_samples_open(&s->of_head, run->linear, &how, &run->err);
    if (!status && !queries && cli_is_fitted(run))
        status = glim__head_samples_leave_held_out(s->of_head, (uint64_t)run->o.seed, &run->err);
    if (status)
        return status;
    s->features = *glim__head_samples_features(s->of_head);
    s->n = s->features.n;
    s->width = s->features.width;
    s->left_out = glim__head_samples_left_out(s->of_head);
    s->held_out = glim__head_samples_held_out(s->of_head);
    s->cut = glim__head_samples_cut(s->of_head);
    s->label = glim__head_samples_label(s->of_head);
    s->text = glim__head_samples_text(s->of_head);
    return GLIM_OK;
}

static glim_status open_train(cli_influence *c) {
    cli_run *run = c->run;
    cli_samples *s = &c->train;
    glim_status status = GLIM_OK;
    memcpy(s->digest, glim__rows_digest(s->rows), sizeof s->digest);
    if (run->o.by_group)
        status = glim__rows_column(s->rows, run->o.by_group, &s->group, &run->err);
    if (!status)
        status = open_samples(c, s, false);
    if (!status && !cli_is_fitted(run) && !run->o.dry_run)
        status = glim__head_fit(run->linear, &s->features, run->linear->info.strength, &run->err);
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
    if (o->text && !*o->text)
        return glim_fail(&run->err, GLIM_EUSAGE, "the text is empty");
    glim_status status =
        o->text ? GLIM_OK : glim__rows_open(&s->rows, run->ctx, s->path, false, &run->err);
    return status ? status : open_samples(c, s, true);
}

glim_status cli_influence_open(cli_influence *c) {
    cli_run *run = c->run;
    const cli_options *o = &run->o;
    glim__arena_init(&c->train.words, run->ctx, (size_t)1 << 12);
    glim__arena_init(&c->query.words, run->ctx, (size_t)1 << 12);
    if (!o->train)
        return glim_fail(&run->err, GLIM_EUSAGE, "there are no training samples (--train FILE)");
    if (cli_influence_streams(run))
        return cli_influence_open_model(c);
    if (o->tmpl || o->chat || o->prefix)
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is of chats that a model of gradients reads",
                         o->tmpl   ? "template"
                         : o->chat ? "chat"
                                   : "prefix");
    c->train.path = o->train;
    c->train.group = c->train.label = c->train.text = SIZE_MAX;
    c->query.group = c->query.label = c->query.text = SIZE_MAX;
    glim_status status = glim__rows_open(&c->train.rows, run->ctx, o->train, false, &run->err);
    if (!status)
        status = open_head(c);
    if (!status && o->store && run->base && !o->dry_run)
        status = glim__store_open(&c->store, run->ctx, o->store, NULL, &run->err);
    if (!status)
        status = open_train(c);
    if (!status)
        status = open_queries(c);
    if (!status && !o->dry_run)
        status = glim__head_init(&c->head, run->ctx, run->linear, &c->train.features, &run->err);
    return status;
}

static void close_samples(cli_samples *s) {
    glim__head_samples_close(s->of_head);
    glim__rows_close(s->rows);
    glim__arena_release(&s->words);
}

void cli_influence_close(cli_influence *c) {
    cli_influence_close_model(c);
    glim__head_release(&c->head);
    close_samples(&c->train);
    close_samples(&c->query); /* (of a model: words alone) */
    glim__store_close(c->store);
}

/* ---- the plan ---- */

static glim_status count_texts(cli_influence *c, const cli_samples *s, uint64_t *tokens,
                               size_t *longest) {
    const glim_model *model = c->run->base;
    size_t most = (size_t)glim_model_facts(model)->context_length;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < s->n && !status; i++) {
        glim_tokens *one = NULL;
        const char *text = cli_sample_cell(s, i, s->text);
        if (!text)
            return glim_fail(&c->run->err, GLIM_EIO, "cannot read '%.200s' again", s->path);
        status = glim_model_tokenize(model, &one, text, strlen(text), &c->run->err);
        size_t n = status ? 0 : one->count < most ? one->count : most;
        *tokens += n;
        *longest = n > *longest ? n : *longest;
        glim_tokens_free(one);
        if (!status)
            status = glim__check_cancel(c->run->ctx, &c->run->err);
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

/* ---- words ---- */

size_t cli_sample_row(const cli_samples *s, size_t i) {
    return 1 +
           (s->stream ? glim__samples_row(s->stream, i) : glim__head_samples_row(s->of_head, i));
}

/* What cannot be read is told at the end, beside what could be shown. */
static bool read_cells(const cli_samples *s, size_t i, const char *const **cells) {
    bool ok = !glim__head_samples_cells(s->of_head, i, cells, NULL);
    if (!ok)
        ((cli_samples *)s)->lost = true;
    return ok;
}

const char *cli_sample_cell(const cli_samples *s, size_t i, size_t column) {
    const char *const *cells;
    return read_cells(s, i, &cells) ? cells[column] : NULL;
}

void cli_sample_words(const cli_influence *c, const cli_samples *s, size_t i, glim_buffer *out) {
    const glim_linear_info *l;
    const char *const *cells;
    if (s->stream) {
        cli_stream_words(s, i, out);
        return;
    }
    if (!read_cells(s, i, &cells))
        return;
    if (s->text != SIZE_MAX) {
        glim__buffer_puts(out, cells[s->text]);
        return;
    }
    l = glim_linear_facts(c->run->linear);
    for (size_t k = 0; k < l->n_columns; k++)
        glim__buffer_printf(out, "%s%s=%s", k ? ", " : "", l->columns[k],
                            cells[glim__rows_find(s->rows, l->columns[k])]);
}

/* A label that is missing is none. */
const char *cli_sample_label(const cli_samples *s, size_t i) {
    if (s->stream)
        return cli_stream_label(s, i);
    double y = NAN;
    if (s->label == SIZE_MAX || glim__head_samples_said(s->of_head, i, &y, NULL) || isnan(y))
        return NULL;
    return cli_sample_cell(s, i, s->label);
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
