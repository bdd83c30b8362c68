/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run tells. The samples that any list names are read once, in the order of their
 * file; lists point at them. Marks of figures have six digits, which is more than a screen
 * shows, so that a saved document is not long.
 */
#include "base/rising.h"
#include "cli/influence-told.h"
#include "cli/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct telling {
    cli_influence *c;
    cli_told *t;
    size_t *list; /* (n) samples that are named, at last rising */
    size_t n, room;
    cli_told_sample *samples; /* (n) */
    bool failed;
};

static void *room(struct telling *s, size_t count, size_t size) {
    void *p = count < SIZE_MAX / size ? glim_document_alloc(s->t->doc, count * size) : NULL;
    s->failed = s->failed || !p;
    return p;
}

static const char *copy(struct telling *s, const char *text, size_t n) {
    const char *out = glim_document_text(s->t->doc, text, n);
    s->failed = s->failed || !out;
    return out ? out : "";
}

/* ---- samples ---- */

static void name_sample(struct telling *s, size_t i) {
    if (s->n == s->room) {
        size_t more = 2 * s->room + 64;
        size_t *grown = glim__realloc(s->c->run->ctx, s->list, more * sizeof *grown);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->list = grown;
        s->room = more;
    }
    s->list[s->n++] = i;
}

static const cli_told_sample *find_sample(const struct telling *s, size_t i) {
    const size_t *at = bsearch(&i, s->list, s->n, sizeof *s->list, glim__rising_size);
    return &s->samples[at - s->list];
}

static void describe_sample(struct telling *s, const cli_samples *from, size_t i,
                            cli_told_sample *out) {
    cli_influence *c = s->c;
    glim_buffer words;
    glim__buffer_init(&words, c->run->ctx);
    cli_sample_words(c, from, i, &words);
    s->failed = s->failed || words.failed;
    *out = (cli_told_sample){.row = cli_sample_row(from, i), .number = NAN, .value = NAN};
    out->text = copy(s, words.data ? words.data : "", words.len);
    glim__buffer_release(&words);
    const char *label = cli_sample_label(from, i);
    out->label = label ? copy(s, label, strlen(label)) : NULL;
    double says = cli_sample_says(c, from, i);
    if (isnan(says))
        return;
    const glim_linear_info *l = glim_linear_facts(c->run->linear);
    if (l->n_classes)
        out->says = l->classes[(size_t)says];
    else
        out->number = says;
}

static void read_samples(struct telling *s) {
    size_t kept = 0;
    qsort(s->list, s->n, sizeof *s->list, glim__rising_size);
    for (size_t k = 0; k < s->n; k++)
        if (!kept || s->list[k] != s->list[kept - 1])
            s->list[kept++] = s->list[k];
    s->n = kept;
    s->samples = room(s, s->n, sizeof *s->samples);
    for (size_t k = 0; k < s->n && !s->failed; k++)
        describe_sample(s, &s->c->train, s->list[k], &s->samples[k]);
}

/* ---- columns and flags ---- */

/* What only files show is not read for the terminal. */
bool cli_column_listed(const cli_influence *c, size_t column) {
    size_t query = c->columns[column].query;
    return query == GLIM_NO_QUERY || query < CLI_TERMINAL_QUERIES || c->run->o.json ||
           c->run->o.html || cli_wants_figures(c->run);
}

static void name_ends(struct telling *s) {
    for (size_t k = 0; k < s->c->n_columns && !s->failed; k++) {
        const glim_influence_ends *e = glim_extremes_column(s->c->ends, k);
        for (size_t i = 0; i < e->n_high && cli_column_listed(s->c, k) && !s->failed; i++)
            name_sample(s, e->high[i].sample);
        for (size_t i = 0; i < e->n_low && cli_column_listed(s->c, k) && !s->failed; i++)
            name_sample(s, e->low[i].sample);
    }
}

static cli_told_entry *tell_entries(struct telling *s, const glim_influence_entry *e, size_t n) {
    cli_told_entry *out = room(s, n, sizeof *out);
    for (size_t k = 0; k < n && !s->failed; k++)
        out[k] = (cli_told_entry){find_sample(s, e[k].sample), e[k].value};
    return out;
}

static void tell_columns(struct telling *s) {
    const cli_influence *c = s->c;
    cli_told *t = s->t;
    t->columns = room(s, c->n_columns, sizeof *t->columns);
    t->n_columns = s->failed ? 0 : c->n_columns;
    t->score = c->score;
    t->score_limit = c->score_limit;
    for (size_t k = 0; k < t->n_columns && !s->failed; k++) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        cli_told_column *to = &t->columns[k];
        *to = (cli_told_column){.name = c->columns[k].name,
                                .query = c->columns[k].query,
                                .is_signed = c->columns[k].is_signed,
                                .threshold = c->columns[k].threshold,
                                .mean = e->mean,
                                .deviation = e->deviation,
                                .beyond = e->beyond,
                                .defined = e->defined,
                                .reach = e->reach,
                                .bins = e->bins};
        if (!cli_column_listed(c, k))
            continue;
        to->high = tell_entries(s, e->high, e->n_high);
        to->low = tell_entries(s, e->low, e->n_low);
        to->n_high = e->n_high;
        to->n_low = e->n_low;
    }
}

/* The samples of each flag, as numbers: `found` (flags, top). */
static void find_flagged(struct telling *s, size_t *found) {
    size_t most = s->t->top;
    for (size_t k = 0; k < CLI_TOLD_FLAGS; k++) {
        cli_told_flag *to = &s->t->flags[k];
        to->count = cli_flagged(s->c, 1U << k, most, found + k * most);
        to->n = to->count < most ? to->count : most;
        for (size_t i = 0; i < to->n && !s->failed; i++)
            name_sample(s, found[k * most + i]);
    }
}

static void tell_flags(struct telling *s, const size_t *found) {
    for (size_t k = 0; k < CLI_TOLD_FLAGS && !s->failed; k++) {
        cli_told_flag *to = &s->t->flags[k];
        to->samples = room(s, to->n, sizeof *to->samples);
        for (size_t i = 0; i < to->n && !s->failed; i++) {
            size_t at = found[k * s->t->top + i];
            cli_mark mark = cli_mark_of(s->c, at);
            float score = isnan(mark.score) ? mark.loss : mark.score;
            double by = (double)(1U << k == CLI_FAR ? mark.leverage : score);
            to->samples[i] = (cli_told_entry){find_sample(s, at), by};
        }
    }
}

static void tell_lists(struct telling *s) {
    size_t *found = glim__calloc(s->c->run->ctx, CLI_TOLD_FLAGS * s->t->top, sizeof *found);
    s->failed = s->failed || !found;
    if (found)
        find_flagged(s, found);
    name_ends(s);
    if (!s->failed)
        read_samples(s);
    if (!s->failed) {
        tell_columns(s);
        tell_flags(s, found);
    }
    glim__free(s->c->run->ctx, found);
}

/* ---- figures ---- */

static double short_of(float x) {
    char text[32];
    snprintf(text, sizeof text, "%.6g", (double)x);
    return isnan(x) ? NAN : strtod(text, NULL);
}

/* Of more samples than can be told apart the largest of each column of pixels. */
static void tell_stems(struct telling *s) {
    enum { EACH = 5000, COLUMNS = 650 };
    cli_influence *c = s->c;
    cli_told_figures *f = &s->t->figures;
    f->column = c->done <= EACH ? 1 : (c->done + COLUMNS - 1) / COLUMNS;
    size_t n = (c->done + f->column - 1) / f->column;
    f->place = room(s, n, sizeof *f->place);
    f->row = room(s, n, sizeof *f->row);
    f->stem = room(s, n, sizeof *f->stem);
    for (size_t at = 0; at < c->done && !s->failed; at += f->column) {
        size_t best = at;
        float most = cli_mark_of(c, at).score;
        for (size_t i = at + 1; i < at + f->column && i < c->done; i++) {
            float score = cli_mark_of(c, i).score;
            bool more = score > most || isnan(most);
            best = more ? i : best;
            most = more ? score : most;
        }
        f->place[f->n] = (double)best;
        f->row[f->n] = (double)cli_sample_row(&c->train, best);
        f->stem[f->n++] = short_of(most);
    }
}

static void tell_plane(struct telling *s) {
    enum { MOST = 2000 };
    cli_influence *c = s->c;
    cli_told_figures *f = &s->t->figures;
    size_t *list = room(s, MOST, sizeof *list), n = list ? cli_largest(c, MOST, list) : 0;
    f->mark = room(s, n, sizeof *f->mark);
    f->leverage = room(s, n, sizeof *f->leverage);
    f->residual = room(s, n, sizeof *f->residual);
    f->distance = room(s, n, sizeof *f->distance);
    for (size_t k = 0; k < n && !s->failed; k++) {
        const cli_mark m = cli_mark_of(c, list[k]);
        if (isnan(m.leverage) || isnan(m.residual))
            continue;
        f->mark[f->drawn] = (double)cli_sample_row(&c->train, list[k]);
        f->leverage[f->drawn] = short_of(m.leverage);
        f->residual[f->drawn] = short_of(m.residual);
        f->distance[f->drawn++] = short_of(m.score);
    }
}

static void tell_figures(struct telling *s) {
    const cli_influence *c = s->c;
    if (c->score == SIZE_MAX || strcmp(c->names[c->score], "cooks-distance") != 0)
        return;
    tell_stems(s);
    if (c->leverage != SIZE_MAX && c->residual != SIZE_MAX)
        tell_plane(s);
}

/* ---- the rest ---- */

static void tell_model(struct telling *s) {
    const cli_influence *c = s->c;
    cli_told *t = s->t;
    t->model.streams = c->streams;
    if (c->streams) {
        const glim_model_info *m = glim_model_facts(c->run->model);
        t->model.file = m->path;
        t->model.digest = m->digest;
        t->model.architecture = m->architecture;
        t->model.quantisation = m->quantisation;
        t->model.names = room(s, c->n_checkpoints, sizeof *t->model.names);
        for (size_t k = 0; k < c->n_checkpoints && !s->failed; k++)
            t->model.names[t->model.n_names++] = glim_model_facts(c->checkpoints[k])->path;
        return;
    }
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    t->model.file = c->run->o.predictor ? i->path : NULL; /* NULL: fitted here */
    t->model.digest = i->digest;
    t->model.classes = i->n_classes > 0;
    t->model.features = i->width;
    t->model.strength = i->strength;
    t->model.site = i->site;
    t->model.names = (const char **)i->classes;
    t->model.n_names = i->n_classes;
}

static void tell_queries(struct telling *s) {
    cli_influence *c = s->c;
    cli_told *t = s->t;
    t->queries = room(s, c->query.n, sizeof *t->queries);
    t->n_queries = s->failed ? 0 : c->query.n;
    for (size_t q = 0; q < t->n_queries && !s->failed; q++) {
        describe_sample(s, &c->query, q, &t->queries[q]);
        t->queries[q].value = c->queries[q].value;
        if (c->head.logistic)
            t->queries[q].of = glim_linear_facts(c->run->linear)->classes[c->queries[q].of];
    }
}

static size_t *rows_of(struct telling *s, const size_t *samples, size_t n) {
    size_t *out = room(s, n, sizeof *out);
    for (size_t k = 0; k < n && !s->failed; k++)
        out[k] = cli_sample_row(&s->c->train, samples[k]);
    return out;
}

static void tell_checks(struct telling *s) {
    const cli_influence *c = s->c;
    cli_told *t = s->t;
    t->twins.pairs = c->twins.pairs;
    t->twins.groups = c->twins.groups;
    t->twins.differing = c->twins.differing;
    t->twins.n = c->twins.n;
    t->twins.first = rows_of(s, c->twins.first, c->twins.n);
    t->twins.other = rows_of(s, c->twins.other, c->twins.n);
    t->groups = c->groups;
    t->checked = c->checked;
    t->truth = c->truth;
    t->truth.samples = rows_of(s, c->truth.samples, c->checked ? c->truth.removed : 0);
    t->steps = c->steps;
    t->steps.samples = rows_of(s, c->steps.samples, c->steps.n);
}

static void tell_shares(struct telling *s) {
    const cli_influence *c = s->c;
    cli_told *t = s->t;
    t->shares = room(s, c->n_shares, sizeof *t->shares);
    t->n_shares = s->failed ? 0 : c->n_shares;
    for (size_t k = 0; k < t->n_shares; k++) {
        t->shares[k] = c->shares[k];
        t->shares[k].sample = cli_sample_row(&c->train, c->shares[k].sample);
    }
}

static void tell_document(struct telling *s) {
    const cli_influence *c = s->c;
    const glim_influence_method *m = c->method;
    void *own = c->run->method_opts || !m->params ? NULL : calloc(1, m->opts_size + 1);
    if (own)
        glim_param_defaults(m->params, own); /* where none were given */
    bool there = own || c->run->method_opts || !m->params;
    char *text = !there ? NULL : glim__params_text(m->params, own ? own : c->run->method_opts);
    glim_document *d = s->t->doc;
    d->method.params = text ? copy(s, text, strlen(text)) : NULL;
    s->failed = s->failed || !text;
    d->partial = c->partial;
    d->version = glim_version();
    d->cost.seconds = c->seconds;
    d->cost.peak_bytes = glim_context_peak(c->run->ctx);
    d->cost.threads = glim_context_threads(c->run->ctx);
    free(text);
    free(own);
}

glim_status cli_tell(cli_influence *c, cli_told *out) {
    const cli_options *o = &c->run->o;
    struct telling s = {.c = c, .t = out};
    *out = (cli_told){.doc = c->doc,
                      .output = o->output,
                      .against = o->against,
                      .grouped = c->grouped ? o->by_group : NULL,
                      .by = o->by,
                      .top = (size_t)o->top};
    out->train.file = c->train.path;
    out->train.digest = c->train.digest;
    out->train.samples = c->train.n;
    out->train.left_out = c->train.left_out;
    out->train.held_out = c->train.held_out;
    out->train.cut = c->train.cut;
    out->train.done = c->done;
    tell_model(&s);
    tell_queries(&s);
    tell_lists(&s);
    tell_figures(&s);
    tell_checks(&s);
    tell_shares(&s);
    tell_document(&s);
    glim__free(c->run->ctx, s.list);
    return s.failed ? glim__oom(c->run->ctx, &c->run->err, "the answer", s.n * sizeof *s.samples)
                    : GLIM_OK;
}
