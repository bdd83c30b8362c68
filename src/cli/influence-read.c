/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved document of `glim influence` read back. The file is anybody's: every member's type
 * is checked, and sizes must agree. What documents of earlier versions lack is left out.
 */
#include "cli/influence-member.h"

#include <math.h>
#include <string.h>

/* ---- samples ---- */

static void read_sample(cli_reader *r, const json_t *o, bool query, cli_told_sample *out) {
    const json_t *says = json_object_get(o, "predicted");
    out->number = out->value = NAN;
    out->row = query ? 0 : cli_member_count(r, o, "row");
    out->text = cli_member_string(r, o, "text");
    out->label = cli_member_maybe_string(r, o, "label");
    if (json_is_string(says))
        out->says = cli_member_copy(r, says);
    else
        out->number = cli_member_number_of(r, says, "predicted");
    if (query) {
        out->of = cli_member_maybe_string(r, o, "of");
        out->value = cli_member_number(r, o, "value");
    }
}

static cli_told_entry *read_entries(cli_reader *r, const json_t *o, const char *key, size_t *n) {
    const json_t *v = cli_member_list(r, o, key, n);
    cli_told_entry *out = cli_member_room(r, *n, sizeof *out);
    cli_told_sample *samples = cli_member_room(r, *n, sizeof *samples);
    for (size_t i = 0; i < *n && !r->status; i++) {
        const json_t *one = json_array_get(v, i);
        read_sample(r, one, false, &samples[i]);
        out[i] = (cli_told_entry){&samples[i], cli_member_number(r, one, "value")};
    }
    return out;
}

static void read_queries(cli_reader *r, const json_t *all) {
    size_t n;
    const json_t *v = cli_member_list(r, all, "queries", &n);
    r->t->queries = cli_member_room(r, n, sizeof *r->t->queries);
    r->t->n_queries = r->status ? 0 : n;
    for (size_t q = 0; q < r->t->n_queries && !r->status; q++)
        read_sample(r, json_array_get(v, q), true, &r->t->queries[q]);
}

static void read_histogram(cli_reader *r, const json_t *o, cli_told_column *c) {
    const json_t *h = json_object_get(o, "histogram"), *bins = json_object_get(h, "bins");
    if (!h || json_is_null(h) || r->status)
        return;
    c->reach = cli_member_number(r, h, "reach");
    if (json_array_size(bins) != GLIM_INFLUENCE_BINS || !(c->reach > 0))
        cli_member_wrong(r, "histogram", "64 counts and how far they reach");
    uint64_t *out = cli_member_room(r, GLIM_INFLUENCE_BINS, sizeof *out);
    for (size_t i = 0; i < GLIM_INFLUENCE_BINS && !r->status; i++) {
        json_int_t n = json_integer_value(json_array_get(bins, i));
        out[i] = n > 0 ? (uint64_t)n : 0;
    }
    c->bins = out;
}

static void read_column(cli_reader *r, const json_t *o, cli_told_column *c) {
    const json_t *query = json_object_get(o, "query");
    bool own = !query || json_is_null(query);
    size_t q = own ? 0 : cli_member_count(r, o, "query");
    if (!own && (q < 1 || q > r->t->n_queries))
        cli_member_wrong(r, "query", "one of the queries");
    *c = (cli_told_column){.name = cli_member_string(r, o, "name"),
                           .query = own ? GLIM_NO_QUERY : q - 1,
                           .is_signed = json_is_true(json_object_get(o, "signed")),
                           .threshold = cli_member_number(r, o, "threshold"),
                           .mean = cli_member_number(r, o, "mean"),
                           .deviation = cli_member_number(r, o, "deviation"),
                           .beyond = cli_member_count(r, o, "beyond"),
                           .defined = cli_member_count(r, o, "defined")};
    c->high = read_entries(r, o, "high", &c->n_high);
    c->low = read_entries(r, o, "low", &c->n_low);
    read_histogram(r, o, c);
}

static size_t find_column(const cli_told *t, const char *name) {
    for (size_t k = 0; k < t->n_columns; k++)
        if (!strcmp(t->columns[k].name, name))
            return k;
    return SIZE_MAX;
}

static void read_columns(cli_reader *r, const json_t *all) {
    cli_told *t = r->t;
    size_t n;
    const json_t *v = cli_member_list(r, all, "columns", &n);
    t->columns = cli_member_room(r, n, sizeof *t->columns);
    for (size_t k = 0; k < n && !r->status; k++)
        read_column(r, json_array_get(v, k), &t->columns[k]);
    t->n_columns = r->status ? 0 : n;
    t->score = find_column(t, "cooks-distance");
    t->score = t->score == SIZE_MAX ? find_column(t, "self-influence") : t->score;
}

/* ---- what wants a look ---- */

static void read_twins(cli_reader *r, const json_t *o) {
    cli_told *t = r->t;
    size_t n;
    const json_t *pairs = cli_member_list(r, o, "rows", &n);
    t->twins.pairs = cli_member_count(r, o, "count");
    t->twins.groups = cli_member_count(r, o, "groups");
    t->twins.differing = cli_member_count(r, o, "other_label");
    t->twins.first = cli_member_room(r, n, sizeof *t->twins.first);
    t->twins.other = cli_member_room(r, n, sizeof *t->twins.other);
    for (size_t i = 0; i < n && !r->status; i++) {
        const json_t *pair = json_array_get(pairs, i);
        t->twins.first[i] = (size_t)json_integer_value(json_array_get(pair, 0));
        t->twins.other[i] = (size_t)json_integer_value(json_array_get(pair, 1));
        t->twins.n++;
    }
}

static void read_flags(cli_reader *r, const json_t *all) {
    static const char *const names[CLI_TOLD_FLAGS] = {"mislabelled", "far", "influential"};
    const json_t *o = cli_member_object(r, all, "flags");
    for (size_t k = 0; k < CLI_TOLD_FLAGS && !r->status; k++) {
        const json_t *one = cli_member_object(r, o, names[k]);
        r->t->flags[k].count = cli_member_count(r, one, "count");
        r->t->flags[k].samples = read_entries(r, one, "samples", &r->t->flags[k].n);
    }
    r->t->score_limit = cli_member_number(r, o, "score_limit");
    const json_t *twins = cli_member_object(r, o, "duplicates");
    if (!r->status)
        read_twins(r, twins);
}

static void read_groups(cli_reader *r, const json_t *all) {
    glim_groups *g = &r->t->groups;
    size_t n, Q = r->t->n_queries;
    const json_t *v = cli_member_list(r, all, "groups", &n);
    g->names = cli_member_room(r, n, sizeof *g->names);
    g->sizes = cli_member_room(r, n, sizeof *g->sizes);
    g->sum = cli_member_room(r, n * Q, sizeof *g->sum);
    g->actual = cli_member_room(r, n * Q, sizeof *g->actual);
    if (n && !Q)
        cli_member_wrong(r, "groups", "empty, as there are no queries");
    for (size_t k = 0; k < n && !r->status; k++) {
        const json_t *o = json_array_get(v, k);
        g->names[k] = cli_member_string(r, o, "name");
        g->sizes[k] = cli_member_count(r, o, "samples");
        cli_member_numbers(r, o, "influence", Q, g->sum + k * Q);
        cli_member_numbers(r, o, "refit", Q, g->actual + k * Q);
    }
    g->n = r->status ? 0 : n;
    r->t->grouped = cli_member_maybe_string(r, all, "grouped_by");
}

static void read_shares(cli_reader *r, const json_t *all) {
    cli_told *t = r->t;
    size_t n = 0;
    t->by = cli_member_maybe_string(r, all, "by");
    if (!json_object_get(all, "shares"))
        return;
    const json_t *v = cli_member_list(r, all, "shares", &n);
    t->shares = cli_member_room(r, n, sizeof *t->shares);
    for (size_t k = 0; k < n && !r->status; k++) {
        const json_t *o = json_array_get(v, k);
        cli_share *s = &t->shares[k];
        s->query = cli_member_count(r, o, "query") - 1; /* of none there is no share */
        s->sample = cli_member_count(r, o, "row");
        s->score = cli_member_number(r, o, "score");
        s->rest = cli_member_number(r, o, "rest");
        s->names = cli_member_strings(r, o, "names", &s->n);
        s->values = cli_member_many(r, o, "values", s->n);
    }
    t->n_shares = r->status ? 0 : n;
}

/* ---- whether it is true ---- */

/* Rows, influences and changes of `n` samples. */
static void read_changed(cli_reader *r, const json_t *v, size_t n, size_t Q, const char *key,
                         size_t **rows, double **influence, double **change) {
    *rows = cli_member_room(r, n, sizeof **rows);
    *influence = cli_member_room(r, n * Q, sizeof **influence);
    *change = cli_member_room(r, n * Q, sizeof **change);
    for (size_t k = 0; k < n && !r->status; k++) {
        const json_t *o = json_array_get(v, k);
        (*rows)[k] = cli_member_count(r, o, "row");
        cli_member_numbers(r, o, "influence", Q, *influence + k * Q);
        cli_member_numbers(r, o, key, Q, *change + k * Q);
    }
}

static void read_detections(cli_reader *r, const json_t *o, glim_truth *t) {
    size_t n;
    const json_t *v = cli_member_list(r, o, "detection", &n);
    if (t->planted && n != 3)
        cli_member_wrong(r, "detection", "of three ways to find wrong labels");
    for (size_t k = 0; k < 3 && t->planted && !r->status; k++) {
        const json_t *one = json_array_get(v, k);
        t->found[k].name = cli_member_string(r, one, "by");
        t->found[k].area = cli_member_number(r, one, "area");
        t->found[k].recall = cli_member_number(r, one, "recall");
        cli_member_numbers(r, one, "curve", GLIM_TRUTH_CURVE, t->found[k].curve);
    }
}

static void read_truth(cli_reader *r, const json_t *all) {
    const json_t *o = cli_member_maybe_object(r, all, "truth");
    glim_truth *t = &r->t->truth;
    if (!o || r->status)
        return;
    const json_t *samples = cli_member_list(r, o, "left_out", &t->removed);
    t->queries = cli_member_count(r, o, "queries");
    if (t->queries > r->t->n_queries)
        cli_member_wrong(r, "queries", "the number of queries at most");
    t->pearson = cli_member_number(r, o, "pearson");
    t->spearman = cli_member_number(r, o, "spearman");
    t->subsets = cli_member_count(r, o, "halves");
    t->lds = cli_member_number(r, o, "lds");
    t->lds_gradient = cli_member_number(r, o, "lds_gradient_cosine");
    t->lds_cosine = cli_member_number(r, o, "lds_cosine");
    t->planted = cli_member_count(r, o, "planted");
    t->left = cli_member_number(r, o, "slope_left");
    if (!r->status)
        read_changed(r, samples, t->removed, t->queries, "refit", &t->samples, &t->predicted,
                     &t->actual);
    if (!r->status)
        read_detections(r, o, t);
    r->t->checked = !r->status;
}

static void read_steps(cli_reader *r, const json_t *all) {
    const json_t *o = cli_member_maybe_object(r, all, "steps");
    cli_steps *s = &r->t->steps;
    if (!o || r->status)
        return;
    const json_t *samples = cli_member_list(r, o, "samples", &s->n);
    s->queries = r->t->n_queries;
    s->pearson = cli_member_number(r, o, "pearson");
    s->rank = cli_member_number(r, o, "spearman");
    read_changed(r, samples, s->n, s->queries, "change", &s->samples, &s->influence, &s->change);
}

static void read_figures(cli_reader *r, const json_t *all) {
    const json_t *o = cli_member_maybe_object(r, all, "figures");
    cli_told_figures *f = &r->t->figures;
    if (!o || r->status || r->t->score == SIZE_MAX)
        return;
    const json_t *stems = cli_member_object(r, o, "stems"),
                 *plane = cli_member_object(r, o, "plane");
    cli_member_list(r, stems, "place", &f->n);
    f->column = cli_member_count(r, stems, "each");
    f->place = cli_member_many(r, stems, "place", f->n);
    f->row = cli_member_many(r, stems, "row", f->n);
    f->stem = cli_member_many(r, stems, "value", f->n);
    cli_member_list(r, plane, "row", &f->drawn);
    f->mark = cli_member_many(r, plane, "row", f->drawn);
    f->leverage = cli_member_many(r, plane, "leverage", f->drawn);
    f->residual = cli_member_many(r, plane, "residual", f->drawn);
    f->distance = cli_member_many(r, plane, "value", f->drawn);
    if (find_column(r->t, "leverage") == SIZE_MAX)
        f->drawn = 0;
}

/* ---- the whole ---- */

static void read_method(cli_reader *r, const json_t *all) {
    glim_document *d = r->t->doc;
    const json_t *m = cli_member_object(r, all, "method"),
                 *params = cli_member_object(r, m, "params");
    d->method.name = cli_member_string(r, m, "name");
    d->method.summary = cli_member_string(r, m, "summary");
    d->method.cite = cli_member_string(r, m, "cite");
    d->method.caption = cli_member_string(r, m, "caption");
    glim_buffer text;
    glim__buffer_init(&text, d->ctx);
    if (!r->status)
        r->status = glim__json_write(&text, params, 0, false, r->err);
    if (!r->status) {
        d->method.params = glim_document_text(d, text.data, text.len);
        if (!d->method.params)
            r->status = glim__oom(d->ctx, r->err, "the document", text.len);
    }
    glim__buffer_release(&text);
}

static void read_model(cli_reader *r, const json_t *all) {
    cli_told *t = r->t;
    const json_t *m = cli_member_object(r, all, "model");
    const char *kind = cli_member_string(r, m, "kind");
    t->model.streams = !strcmp(kind, "model");
    t->model.classes = !strcmp(kind, "logistic");
    t->model.file = cli_member_maybe_string(r, m, "file");
    t->model.digest = cli_member_maybe_string(r, m, "digest");
    t->model.architecture = cli_member_maybe_string(r, m, "architecture");
    t->model.quantisation = cli_member_maybe_string(r, m, "quantisation");
    t->model.site = cli_member_maybe_string(r, m, "site");
    t->model.features = cli_member_count_or(r, m, "features", 0);
    t->model.strength = cli_member_number(r, m, "strength");
    t->model.names =
        cli_member_strings(r, m, t->model.streams ? "checkpoints" : "classes", &t->model.n_names);
}

static void read_train(cli_reader *r, const json_t *all) {
    cli_told *t = r->t;
    const json_t *o = cli_member_object(r, all, "train");
    t->train.file = cli_member_string(r, o, "file");
    t->train.digest = cli_member_string(r, o, "digest");
    t->train.samples = cli_member_count(r, o, "samples");
    t->train.left_out = cli_member_count(r, o, "left_out");
    t->train.held_out = cli_member_count(r, o, "held_out");
    t->train.cut = cli_member_count(r, o, "cut");
    t->train.done = cli_member_count_or(r, o, "done", t->train.samples);
    t->doc->kind = "influence";
    t->doc->target.text = t->train.file;
    t->doc->target.text_len = strlen(t->train.file);
}

static void read_verdict(cli_reader *r, const json_t *all) {
    glim_document *d = r->t->doc;
    const char *verdict = cli_member_string(r, all, "verdict"),
               *reason = cli_member_string(r, all, "verdict_reason");
    d->verdict = !strcmp(verdict, "careful")    ? GLIM_VERDICT_CAREFUL
                 : !strcmp(verdict, "distrust") ? GLIM_VERDICT_DISTRUST
                                                : GLIM_VERDICT_OK;
    d->verdict_reason = reason;
    d->notes = cli_member_strings(r, all, "notes", &d->n_notes);
    const json_t *checks = cli_member_object(r, all, "checks");
    for (void *i = json_object_iter((json_t *)checks); i && !r->status;
         i = json_object_iter_next((json_t *)checks, i)) {
        const json_t *one = json_object_iter_value(i);
        double value = cli_member_number(r, one, "value");
        if (!glim_document_check_add(d, json_object_iter_key(i), value,
                                     cli_member_maybe_string(r, one, "meaning")))
            r->status = glim__oom(d->ctx, r->err, "the document", 64);
    }
}

static void read_cost(cli_reader *r, const json_t *all) {
    glim_document *d = r->t->doc;
    const json_t *cost = cli_member_object(r, all, "cost");
    d->version = cli_member_string(r, all, "glim");
    d->cost.seconds = cli_member_number(r, cost, "seconds");
    d->cost.peak_bytes = cli_member_count(r, cost, "peak_bytes");
    d->cost.threads = (int)cli_member_count(r, cost, "threads");
    d->seed = cli_member_count(r, all, "seed");
    d->partial = json_is_true(json_object_get(all, "partial"));
    r->t->output = cli_member_maybe_string(r, all, "output");
    r->t->against = cli_member_maybe_string(r, all, "against");
    r->t->top = cli_member_count_or(r, all, "top", 5);
}

glim_status cli_told_read(cli_told *out, glim_document *doc, const json_t *all, const char *name,
                          glim_error *err) {
    static void (*const parts[])(cli_reader *, const json_t *) = {
        read_method,  read_model,   read_train, read_verdict, read_cost,
        read_queries, read_columns, read_flags, read_groups,  read_truth,
        read_steps,   read_figures, read_shares};
    cli_reader r = {.t = out, .name = name, .err = err};
    const char *schema = json_string_value(json_object_get(all, "schema"));
    *out = (cli_told){.doc = doc, .score = SIZE_MAX, .score_limit = NAN};
    if (!schema || strcmp(schema, "glim.influence/1") != 0)
        return glim_fail(err, GLIM_EFORMAT, "'%s': the schema is not glim.influence/1", name);
    for (size_t k = 0; k < sizeof parts / sizeof *parts && !r.status; k++)
        parts[k](&r, all);
    return r.status;
}
