/* SPDX-License-Identifier: Apache-2.0 */
/* The document of `glim influence`, glim.influence/1 (docs/schema/). */
#include "cli/influence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *count(size_t n) {
    return json_integer((json_int_t)n);
}

static json_t *word(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

static json_t *words_of(cli_influence *c, const cli_samples *s, size_t i) {
    glim_buffer b;
    glim__buffer_init(&b, c->run->ctx);
    cli_sample_words(c, s, i, &b);
    json_t *out = b.failed ? NULL : glim__json_text(b.data ? b.data : "", b.len);
    glim__buffer_release(&b);
    return out;
}

/* The class, or the number. */
static json_t *says(const cli_influence *c, double what) {
    if (isnan(what))
        return json_null();
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    if (!i->n_classes)
        return glim__json_number(what);
    return word(i->classes[(size_t)what]);
}

static json_t *sample_json(cli_influence *c, size_t i, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "row", count(cli_sample_row(&c->train, i)));
    glim__json_set(ok, o, "label", word(cli_sample_label(&c->train, i)));
    glim__json_set(ok, o, "predicted", says(c, cli_sample_says(c, &c->train, i)));
    glim__json_set(ok, o, "text", words_of(c, &c->train, i));
    return o;
}

static json_t *entries_json(cli_influence *c, const glim_influence_entry *e, size_t n, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++) {
        json_t *o = sample_json(c, e[k].sample, ok);
        glim__json_set(ok, o, "value", glim__json_number(e[k].value));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *columns_json(cli_influence *c, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < c->n_columns; k++) {
        const glim_influence_column *column = &c->columns[k];
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        bool query = column->query != GLIM_NO_QUERY;
        json_t *o = json_object();
        glim__json_set(ok, o, "name", word(column->name));
        glim__json_set(ok, o, "query", query ? count(column->query + 1) : json_null());
        glim__json_set(ok, o, "signed", json_boolean(column->is_signed));
        glim__json_set(ok, o, "threshold", glim__json_number(column->threshold));
        glim__json_set(ok, o, "beyond", count(e->beyond));
        glim__json_set(ok, o, "defined", count(e->defined));
        glim__json_set(ok, o, "mean", glim__json_number(e->mean));
        glim__json_set(ok, o, "deviation", glim__json_number(e->deviation));
        glim__json_set(ok, o, "high", entries_json(c, e->high, e->n_high, ok));
        glim__json_set(ok, o, "low", entries_json(c, e->low, e->n_low, ok));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *queries_json(cli_influence *c, bool *ok) {
    json_t *list = json_array();
    for (size_t q = 0; q < c->query.n; q++) {
        json_t *o = json_object();
        bool classes = c->head.logistic;
        glim__json_set(ok, o, "text", words_of(c, &c->query, q));
        glim__json_set(ok, o, "label", word(cli_sample_label(&c->query, q)));
        glim__json_set(ok, o, "of", classes ? says(c, (double)c->queries[q].of) : json_null());
        glim__json_set(ok, o, "predicted", says(c, cli_sample_says(c, &c->query, q)));
        glim__json_set(ok, o, "value", glim__json_number(c->queries[q].value));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *flags_json(cli_influence *c, bool *ok) {
    static const char *const names[] = {"mislabelled", "far", "influential"};
    size_t most = (size_t)c->run->o.top;
    size_t *list = glim__calloc(c->run->ctx, most, sizeof *list);
    json_t *o = json_object(), *twins = json_object(), *pairs = json_array();
    for (size_t k = 0; k < 3; k++) {
        size_t n = list ? cli_flagged(c, 1U << k, most, list) : 0;
        json_t *one = json_object(), *samples = json_array();
        for (size_t i = 0; i < n && i < most; i++)
            glim__json_add(ok, samples, sample_json(c, list[i], ok));
        glim__json_set(ok, one, "count", count(n));
        glim__json_set(ok, one, "samples", samples);
        glim__json_set(ok, o, names[k], one);
    }
    for (size_t i = 0; i < c->twins.n; i++) {
        json_t *pair = json_array();
        glim__json_add(ok, pair, count(cli_sample_row(&c->train, c->twins.first[i])));
        glim__json_add(ok, pair, count(cli_sample_row(&c->train, c->twins.other[i])));
        glim__json_add(ok, pairs, pair);
    }
    glim__json_set(ok, twins, "count", count(c->twins.pairs));
    glim__json_set(ok, twins, "groups", count(c->twins.groups));
    glim__json_set(ok, twins, "other_label", count(c->twins.differing));
    glim__json_set(ok, twins, "rows", pairs);
    glim__json_set(ok, o, "duplicates", twins);
    glim__json_set(ok, o, "score_limit", glim__json_number(c->score_limit));
    *ok = *ok && list;
    glim__free(c->run->ctx, list);
    return o;
}

static json_t *groups_json(const cli_influence *c, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < c->groups.n; k++) {
        json_t *o = json_object(), *sums = json_array(), *actual = json_array();
        for (size_t q = 0; q < c->query.n; q++) {
            glim__json_add(ok, sums, glim__json_number(c->groups.sum[k * c->query.n + q]));
            glim__json_add(ok, actual, glim__json_number(c->groups.actual[k * c->query.n + q]));
        }
        glim__json_set(ok, o, "name", word(c->groups.names[k]));
        glim__json_set(ok, o, "samples", count(c->groups.sizes[k]));
        glim__json_set(ok, o, "influence", sums);
        glim__json_set(ok, o, "refit", actual);
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *detection_json(const glim_detection *d, bool *ok) {
    json_t *o = json_object(), *curve = json_array();
    for (size_t i = 0; i < GLIM_TRUTH_CURVE; i++)
        glim__json_add(ok, curve, glim__json_number(d->curve[i]));
    glim__json_set(ok, o, "by", json_string(d->name));
    glim__json_set(ok, o, "area", glim__json_number(d->area));
    glim__json_set(ok, o, "recall", glim__json_number(d->recall));
    glim__json_set(ok, o, "curve", curve);
    return o;
}

static json_t *truth_json(const cli_influence *c, bool *ok) {
    const glim_truth *t = &c->truth;
    json_t *o = json_object(), *found = json_array(), *samples = json_array();
    for (size_t k = 0; k < t->removed; k++) {
        json_t *one = json_object(), *predicted = json_array(), *actual = json_array();
        for (size_t q = 0; q < t->queries; q++) {
            glim__json_add(ok, predicted, glim__json_number(t->predicted[k * t->queries + q]));
            glim__json_add(ok, actual, glim__json_number(t->actual[k * t->queries + q]));
        }
        glim__json_set(ok, one, "row", count(cli_sample_row(&c->train, t->samples[k])));
        glim__json_set(ok, one, "influence", predicted);
        glim__json_set(ok, one, "refit", actual);
        glim__json_add(ok, samples, one);
    }
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

static json_t *streamed_model(const cli_influence *c, bool *ok) {
    const glim_model_info *m = glim_model_facts(c->run->model);
    json_t *o = json_object(), *more = json_array();
    for (size_t k = 0; k < c->n_checkpoints; k++)
        glim__json_add(ok, more, word(glim_model_facts(c->checkpoints[k])->path));
    glim__json_set(ok, o, "file", word(m->path));
    glim__json_set(ok, o, "digest", word(m->digest));
    glim__json_set(ok, o, "kind", json_string("model"));
    glim__json_set(ok, o, "architecture", word(m->architecture));
    glim__json_set(ok, o, "quantisation", word(m->quantisation));
    glim__json_set(ok, o, "checkpoints", more);
    return o;
}

/* Steps of training beside influences. */
static json_t *steps_json(const cli_influence *c, bool *ok) {
    const cli_steps *t = &c->steps;
    json_t *o = json_object(), *samples = json_array();
    for (size_t k = 0; k < t->n; k++) {
        json_t *one = json_object(), *predicted = json_array(), *actual = json_array();
        for (size_t q = 0; q < t->queries; q++) {
            glim__json_add(ok, predicted, glim__json_number(t->influence[k * t->queries + q]));
            glim__json_add(ok, actual, glim__json_number(t->change[k * t->queries + q]));
        }
        glim__json_set(ok, one, "row", count(cli_sample_row(&c->train, t->samples[k])));
        glim__json_set(ok, one, "influence", predicted);
        glim__json_set(ok, one, "change", actual);
        glim__json_add(ok, samples, one);
    }
    glim__json_set(ok, o, "pearson", glim__json_number(t->pearson));
    glim__json_set(ok, o, "spearman", glim__json_number(t->rank));
    glim__json_set(ok, o, "samples", samples);
    return o;
}

static json_t *model_json(const cli_influence *c, bool *ok) {
    if (c->streams)
        return streamed_model(c, ok);
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    json_t *o = json_object(), *classes = json_array();
    for (size_t k = 0; k < i->n_classes; k++)
        glim__json_add(ok, classes, word(i->classes[k]));
    glim__json_set(ok, o, "file", word(i->path));
    glim__json_set(ok, o, "digest", word(i->digest));
    glim__json_set(ok, o, "kind", json_string(i->n_classes ? "logistic" : "linear"));
    glim__json_set(ok, o, "features", count(i->width));
    glim__json_set(ok, o, "classes", classes);
    glim__json_set(ok, o, "strength", glim__json_number(i->strength));
    glim__json_set(ok, o, "site", word(i->site));
    return o;
}

static json_t *train_json(const cli_influence *c, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "file", word(c->train.path));
    glim__json_set(ok, o, "digest", word(c->train.digest));
    glim__json_set(ok, o, "samples", count(c->train.n));
    glim__json_set(ok, o, "left_out", count(c->train.left_out));
    glim__json_set(ok, o, "held_out", count(c->train.held_out));
    glim__json_set(ok, o, "cut", count(c->train.cut));
    return o;
}

/* As they were given, or the defaults. */
static json_t *params_json(const cli_influence *c) {
    const glim_influence_method *m = c->method;
    void *own = c->run->method_opts || !m->params ? NULL : calloc(1, m->opts_size + 1);
    if (own)
        glim_param_defaults(m->params, own);
    bool there = own || c->run->method_opts || !m->params;
    char *text = !there ? NULL : glim__params_text(m->params, own ? own : c->run->method_opts);
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    free(own);
    return o;
}

static json_t *method_json(const cli_influence *c, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(c->method->name));
    glim__json_set(ok, o, "summary", json_string(c->method->summary));
    glim__json_set(ok, o, "cite", json_string(c->method->cite));
    glim__json_set(ok, o, "caption", json_string(c->method->caption));
    glim__json_set(ok, o, "params", params_json(c));
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

json_t *cli_influence_json(cli_influence *c, bool *ok) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    json_t *o = json_object(), *notes = json_array(), *cost = json_object();
    for (size_t i = 0; i < c->doc->n_notes; i++)
        glim__json_add(ok, notes, word(c->doc->notes[i]));
    glim__json_set(ok, cost, "seconds", glim__json_number(c->seconds));
    glim__json_set(ok, cost, "peak_bytes",
                   json_integer((json_int_t)glim_context_peak(c->run->ctx)));
    glim__json_set(ok, cost, "threads", json_integer(glim_context_threads(c->run->ctx)));
    glim__json_set(ok, o, "schema", json_string("glim.influence/1"));
    glim__json_set(ok, o, "glim", json_string(glim_version()));
    glim__json_set(ok, o, "method", method_json(c, ok));
    glim__json_set(ok, o, "model", model_json(c, ok));
    glim__json_set(ok, o, "train", train_json(c, ok));
    glim__json_set(ok, o, "sign",
                   json_string("influence > 0: the sample raised the query's value; without it "
                               "the value would change by about minus the influence"));
    glim__json_set(ok, o, "output", word(c->run->o.output));
    glim__json_set(ok, o, "queries", queries_json(c, ok));
    glim__json_set(ok, o, "columns", columns_json(c, ok));
    glim__json_set(ok, o, "flags", flags_json(c, ok));
    glim__json_set(ok, o, "groups", groups_json(c, ok));
    glim__json_set(ok, o, "truth", c->checked ? truth_json(c, ok) : json_null());
    glim__json_set(ok, o, "steps", c->steps.n ? steps_json(c, ok) : json_null());
    glim__json_set(ok, o, "checks", checks_json(c->doc, ok));
    glim__json_set(ok, o, "verdict", json_string(verdicts[c->doc->verdict]));
    glim__json_set(ok, o, "verdict_reason", word(c->doc->verdict_reason));
    glim__json_set(ok, o, "notes", notes);
    glim__json_set(ok, o, "cost", cost);
    glim__json_set(ok, o, "seed", json_integer((json_int_t)c->run->o.seed));
    glim__json_set(ok, o, "partial", json_boolean(c->partial));
    return o;
}
