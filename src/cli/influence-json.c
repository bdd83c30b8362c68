/* SPDX-License-Identifier: Apache-2.0 */
/* The document of `glim influence`, glim.influence/1 (docs/schema/); influence-read.c reads it. */
#include "cli/influence-told.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *count(size_t n) {
    return json_integer((json_int_t)n);
}

static json_t *word(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

/* The class, or the number. */
static json_t *says(const cli_told_sample *s) {
    return s->says ? word(s->says) : glim__json_number(s->number);
}

static json_t *sample_json(const cli_told_sample *s, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "row", count(s->row));
    glim__json_set(ok, o, "label", word(s->label));
    glim__json_set(ok, o, "predicted", says(s));
    glim__json_set(ok, o, "text", word(s->text));
    return o;
}

static json_t *entries_json(const cli_told_entry *e, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++) {
        json_t *o = sample_json(e[k].sample, ok);
        glim__json_set(ok, o, "value", glim__json_number(e[k].value));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *histogram_json(const cli_told_column *c, bool *ok) {
    json_t *o = json_object(), *bins = json_array();
    for (size_t i = 0; i < GLIM_INFLUENCE_BINS; i++)
        glim__json_add(ok, bins, count((size_t)c->bins[i]));
    glim__json_set(ok, o, "reach", glim__json_number(c->reach));
    glim__json_set(ok, o, "bins", bins);
    return o;
}

static json_t *columns_json(const cli_told *t, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < t->n_columns; k++) {
        const cli_told_column *c = &t->columns[k];
        bool query = c->query != GLIM_NO_QUERY;
        json_t *o = json_object();
        glim__json_set(ok, o, "name", word(c->name));
        glim__json_set(ok, o, "query", query ? count(c->query + 1) : json_null());
        glim__json_set(ok, o, "signed", json_boolean(c->is_signed));
        glim__json_set(ok, o, "threshold", glim__json_number(c->threshold));
        glim__json_set(ok, o, "beyond", count(c->beyond));
        glim__json_set(ok, o, "defined", count(c->defined));
        glim__json_set(ok, o, "mean", glim__json_number(c->mean));
        glim__json_set(ok, o, "deviation", glim__json_number(c->deviation));
        if (c->bins && c->reach > 0)
            glim__json_set(ok, o, "histogram", histogram_json(c, ok));
        glim__json_set(ok, o, "high", entries_json(c->high, c->n_high, ok));
        glim__json_set(ok, o, "low", entries_json(c->low, c->n_low, ok));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *queries_json(const cli_told *t, bool *ok) {
    json_t *list = json_array();
    for (size_t q = 0; q < t->n_queries; q++) {
        const cli_told_sample *s = &t->queries[q];
        json_t *o = json_object();
        glim__json_set(ok, o, "text", word(s->text));
        glim__json_set(ok, o, "label", word(s->label));
        glim__json_set(ok, o, "of", word(s->of));
        glim__json_set(ok, o, "predicted", says(s));
        glim__json_set(ok, o, "value", glim__json_number(s->value));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *flags_json(const cli_told *t, bool *ok) {
    static const char *const names[CLI_TOLD_FLAGS] = {"mislabelled", "far", "influential"};
    json_t *o = json_object(), *twins = json_object(), *pairs = json_array();
    for (size_t k = 0; k < CLI_TOLD_FLAGS; k++) {
        const cli_told_flag *f = &t->flags[k];
        json_t *one = json_object();
        glim__json_set(ok, one, "count", count(f->count));
        glim__json_set(ok, one, "samples", entries_json(f->samples, f->n, ok));
        glim__json_set(ok, o, names[k], one);
    }
    for (size_t i = 0; i < t->twins.n; i++) {
        json_t *pair = json_array();
        glim__json_add(ok, pair, count(t->twins.first[i]));
        glim__json_add(ok, pair, count(t->twins.other[i]));
        glim__json_add(ok, pairs, pair);
    }
    glim__json_set(ok, twins, "count", count(t->twins.pairs));
    glim__json_set(ok, twins, "groups", count(t->twins.groups));
    glim__json_set(ok, twins, "other_label", count(t->twins.differing));
    glim__json_set(ok, twins, "rows", pairs);
    glim__json_set(ok, o, "duplicates", twins);
    glim__json_set(ok, o, "score_limit", glim__json_number(t->score_limit));
    return o;
}

static json_t *numbers_json(const double *x, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++)
        glim__json_add(ok, list, glim__json_number(x[k]));
    return list;
}

/* Whole numbers. */
static json_t *counts_json(const double *x, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++)
        glim__json_add(ok, list, json_integer((json_int_t)x[k]));
    return list;
}

static json_t *figures_json(const cli_told_figures *f, bool *ok) {
    json_t *o = json_object(), *stems = json_object(), *plane = json_object();
    glim__json_set(ok, stems, "each", count(f->column));
    glim__json_set(ok, stems, "place", counts_json(f->place, f->n, ok));
    glim__json_set(ok, stems, "row", counts_json(f->row, f->n, ok));
    glim__json_set(ok, stems, "value", numbers_json(f->stem, f->n, ok));
    glim__json_set(ok, plane, "row", counts_json(f->mark, f->drawn, ok));
    glim__json_set(ok, plane, "leverage", numbers_json(f->leverage, f->drawn, ok));
    glim__json_set(ok, plane, "residual", numbers_json(f->residual, f->drawn, ok));
    glim__json_set(ok, plane, "value", numbers_json(f->distance, f->drawn, ok));
    glim__json_set(ok, o, "stems", stems);
    glim__json_set(ok, o, "plane", plane);
    return o;
}

static json_t *groups_json(const cli_told *t, bool *ok) {
    json_t *list = json_array();
    size_t Q = t->n_queries;
    for (size_t k = 0; k < t->groups.n; k++) {
        json_t *o = json_object();
        glim__json_set(ok, o, "name", word(t->groups.names[k]));
        glim__json_set(ok, o, "samples", count(t->groups.sizes[k]));
        glim__json_set(ok, o, "influence", numbers_json(t->groups.sum + k * Q, Q, ok));
        glim__json_set(ok, o, "refit", numbers_json(t->groups.actual + k * Q, Q, ok));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *shares_json(const cli_told *t, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < t->n_shares; k++) {
        const cli_share *s = &t->shares[k];
        json_t *o = json_object(), *names = json_array();
        for (size_t i = 0; i < s->n; i++)
            glim__json_add(ok, names, word(s->names[i]));
        glim__json_set(ok, o, "query", count(s->query + 1));
        glim__json_set(ok, o, "row", count(s->sample));
        glim__json_set(ok, o, "score", glim__json_number(s->score));
        glim__json_set(ok, o, "names", names);
        glim__json_set(ok, o, "values", numbers_json(s->values, s->n, ok));
        glim__json_set(ok, o, "rest", glim__json_number(s->rest));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *detection_json(const glim_detection *d, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "by", json_string(d->name));
    glim__json_set(ok, o, "area", glim__json_number(d->area));
    glim__json_set(ok, o, "recall", glim__json_number(d->recall));
    glim__json_set(ok, o, "curve", numbers_json(d->curve, GLIM_TRUTH_CURVE, ok));
    return o;
}

/* A sample's influences on the queries, and what really changed. */
static json_t *changed_json(size_t row, const double *influence, const char *key,
                            const double *change, size_t n, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "row", count(row));
    glim__json_set(ok, o, "influence", numbers_json(influence, n, ok));
    glim__json_set(ok, o, key, numbers_json(change, n, ok));
    return o;
}

static json_t *truth_json(const glim_truth *t, bool *ok) {
    json_t *o = json_object(), *found = json_array(), *samples = json_array();
    size_t Q = t->queries;
    for (size_t k = 0; k < t->removed; k++)
        glim__json_add(
            ok, samples,
            changed_json(t->samples[k], t->predicted + k * Q, "refit", t->actual + k * Q, Q, ok));
    for (size_t k = 0; k < 3 && t->planted; k++)
        glim__json_add(ok, found, detection_json(&t->found[k], ok));
    glim__json_set(ok, o, "queries", count(t->queries));
    glim__json_set(ok, o, "pearson", glim__json_number(t->pearson));
    glim__json_set(ok, o, "spearman", glim__json_number(t->spearman));
    glim__json_set(ok, o, "left_out", samples);
    glim__json_set(ok, o, "halves", count(t->subsets));
    glim__json_set(ok, o, "lds", glim__json_number(t->lds));
    glim__json_set(ok, o, "lds_gradient_cosine", glim__json_number(t->lds_gradient));
    glim__json_set(ok, o, "lds_cosine", glim__json_number(t->lds_cosine));
    glim__json_set(ok, o, "planted", count(t->planted));
    glim__json_set(ok, o, "detection", found);
    glim__json_set(ok, o, "slope_left", glim__json_number(t->left));
    return o;
}

/* Steps of training beside influences. */
static json_t *steps_json(const cli_steps *t, bool *ok) {
    json_t *o = json_object(), *samples = json_array();
    size_t Q = t->queries;
    for (size_t k = 0; k < t->n; k++)
        glim__json_add(
            ok, samples,
            changed_json(t->samples[k], t->influence + k * Q, "change", t->change + k * Q, Q, ok));
    glim__json_set(ok, o, "pearson", glim__json_number(t->pearson));
    glim__json_set(ok, o, "spearman", glim__json_number(t->rank));
    glim__json_set(ok, o, "samples", samples);
    return o;
}

static json_t *model_json(const cli_told *t, bool *ok) {
    json_t *o = json_object(), *names = json_array();
    for (size_t k = 0; k < t->model.n_names; k++)
        glim__json_add(ok, names, word(t->model.names[k]));
    glim__json_set(ok, o, "file", word(t->model.file));
    glim__json_set(ok, o, "digest", word(t->model.digest));
    if (t->model.streams) {
        glim__json_set(ok, o, "kind", json_string("model"));
        glim__json_set(ok, o, "architecture", word(t->model.architecture));
        glim__json_set(ok, o, "quantisation", word(t->model.quantisation));
        glim__json_set(ok, o, "checkpoints", names);
        return o;
    }
    glim__json_set(ok, o, "kind", json_string(t->model.classes ? "logistic" : "linear"));
    glim__json_set(ok, o, "features", count(t->model.features));
    glim__json_set(ok, o, "classes", names);
    glim__json_set(ok, o, "strength", glim__json_number(t->model.strength));
    glim__json_set(ok, o, "site", word(t->model.site));
    return o;
}

static json_t *train_json(const cli_told *t, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "file", word(t->train.file));
    glim__json_set(ok, o, "digest", word(t->train.digest));
    glim__json_set(ok, o, "samples", count(t->train.samples));
    glim__json_set(ok, o, "left_out", count(t->train.left_out));
    glim__json_set(ok, o, "held_out", count(t->train.held_out));
    glim__json_set(ok, o, "cut", count(t->train.cut));
    glim__json_set(ok, o, "done", count(t->train.done));
    return o;
}

static json_t *method_json(const glim_document *d, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", word(d->method.name));
    glim__json_set(ok, o, "summary", word(d->method.summary));
    glim__json_set(ok, o, "cite", word(d->method.cite));
    glim__json_set(ok, o, "caption", word(d->method.caption));
    glim__json_set(ok, o, "params", json_loads(d->method.params, 0, NULL));
    return o;
}

static json_t *checks_json(const glim_document *d, bool *ok) {
    json_t *o = json_object();
    for (size_t i = 0; i < d->n_checks; i++) {
        json_t *one = json_object();
        glim__json_set(ok, one, "value", glim__json_number(d->checks[i].value));
        glim__json_set(ok, one, "meaning", word(d->checks[i].meaning));
        glim__json_set(ok, o, d->checks[i].name, one);
    }
    return o;
}

json_t *cli_told_json(const cli_told *t, bool *ok) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    const glim_document *d = t->doc;
    json_t *o = json_object(), *notes = json_array(), *cost = json_object();
    for (size_t i = 0; i < d->n_notes; i++)
        glim__json_add(ok, notes, word(d->notes[i]));
    glim__json_set(ok, cost, "seconds", glim__json_number(d->cost.seconds));
    glim__json_set(ok, cost, "peak_bytes", json_integer((json_int_t)d->cost.peak_bytes));
    glim__json_set(ok, cost, "threads", json_integer(d->cost.threads));
    glim__json_set(ok, o, "schema", json_string("glim.influence/1"));
    glim__json_set(ok, o, "glim", word(d->version));
    glim__json_set(ok, o, "method", method_json(d, ok));
    glim__json_set(ok, o, "model", model_json(t, ok));
    glim__json_set(ok, o, "train", train_json(t, ok));
    glim__json_set(ok, o, "sign",
                   json_string("influence > 0: the sample raised the query's value; without it "
                               "the value would change by about minus the influence"));
    glim__json_set(ok, o, "output", word(t->output));
    glim__json_set(ok, o, "against", word(t->against));
    glim__json_set(ok, o, "top", count(t->top));
    glim__json_set(ok, o, "queries", queries_json(t, ok));
    glim__json_set(ok, o, "columns", columns_json(t, ok));
    glim__json_set(ok, o, "flags", flags_json(t, ok));
    glim__json_set(ok, o, "by", word(t->by));
    glim__json_set(ok, o, "shares", shares_json(t, ok));
    glim__json_set(ok, o, "grouped_by", word(t->grouped));
    glim__json_set(ok, o, "groups", groups_json(t, ok));
    glim__json_set(ok, o, "truth", t->checked ? truth_json(&t->truth, ok) : json_null());
    glim__json_set(ok, o, "steps", t->steps.n ? steps_json(&t->steps, ok) : json_null());
    glim__json_set(ok, o, "figures", t->figures.n ? figures_json(&t->figures, ok) : json_null());
    glim__json_set(ok, o, "checks", checks_json(d, ok));
    glim__json_set(ok, o, "verdict", json_string(verdicts[d->verdict]));
    glim__json_set(ok, o, "verdict_reason", word(d->verdict_reason));
    glim__json_set(ok, o, "notes", notes);
    glim__json_set(ok, o, "cost", cost);
    glim__json_set(ok, o, "seed", json_integer((json_int_t)d->seed));
    glim__json_set(ok, o, "partial", json_boolean(d->partial));
    return o;
}
