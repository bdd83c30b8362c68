/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `glim compare` as data: glim.comparison/1; as CSV the models, or scores side by
   side. */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

static json_t *text_json(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

/* ---- JSON ---- */

static json_t *checks_json(bool *ok, const glim_document *d) {
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_checks; i++) {
        json_t *o = json_object();
        glim__json_set(ok, o, "name", text_json(d->checks[i].name));
        glim__json_set(ok, o, "value", glim__json_number(d->checks[i].value));
        glim__json_set(ok, o, "meaning", text_json(d->checks[i].meaning));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *top_json(bool *ok, cli_comparison *c, size_t run) {
    json_t *list = json_array();
    size_t *order = glim__calloc(c->run->ctx, c->n_units + 1, sizeof *order), n = 0;
    *ok = *ok && order;
    if (order)
        n = glim__likeness_order(c->scores + run * c->n_units, c->n_units,
                                 c->docs[run]->method.is_signed, order);
    for (size_t i = 0; i < n && i < GLIM_LIKENESS_TOP; i++)
        glim__json_add(ok, list, json_integer((json_int_t)order[i]));
    glim__free(c->run->ctx, order);
    return list;
}

/* One a unit; of several targets a list of such lists. */
static json_t *scores_json(bool *ok, const cli_comparison *c, size_t run) {
    const glim_document *d = c->docs[run];
    size_t *at = glim__calloc(c->run->ctx, d->input.n_units + 1, sizeof *at);
    json_t *rows = json_array();
    size_t n = at ? glim__scored_units(d, at) : 0;
    *ok = *ok && at;
    for (size_t r = 0; r < d->n_rows; r++) {
        json_t *row = json_array();
        for (size_t u = 0; u < n; u++)
            glim__json_add(ok, row, glim__json_number(d->scores[r * d->input.n_units + at[u]]));
        if (d->n_rows == 1) {
            json_decref(rows);
            rows = row;
        } else {
            glim__json_add(ok, rows, row);
        }
    }
    glim__free(c->run->ctx, at);
    return rows;
}

static json_t *run_json(bool *ok, cli_comparison *c, size_t run) {
    const glim_document *d = c->docs[run];
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    json_t *o = json_object(), *model = json_object(), *cost = json_object();
    glim__json_set(ok, model, "file", text_json(d->model.file));
    glim__json_set(ok, model, "quantisation", text_json(d->model.quantisation));
    glim__json_set(ok, model, "digest", text_json(d->model.digest));
    glim__json_set(ok, cost, "forward_tokens", json_integer((json_int_t)d->cost.forward_tokens));
    glim__json_set(ok, cost, "backward_tokens", json_integer((json_int_t)d->cost.backward_tokens));
    glim__json_set(ok, cost, "seconds", glim__json_number(d->cost.seconds));
    glim__json_set(ok, o, "method", text_json(d->method.name));
    glim__json_set(ok, o, "signed", json_boolean(d->method.is_signed));
    glim__json_set(ok, o, "model", model);
    glim__json_set(ok, o, "value", glim__json_number(d->target.value));
    glim__json_set(ok, o, "prob", glim__json_number(d->target.prob));
    glim__json_set(ok, o, "verdict", json_string(verdicts[d->verdict]));
    glim__json_set(ok, o, "reason", text_json(d->verdict_reason ? d->verdict_reason : ""));
    glim__json_set(ok, o, "checks", checks_json(ok, d));
    glim__json_set(ok, o, "cost", cost);
    glim__json_set(ok, o, "top", top_json(ok, c, run));
    glim__json_set(ok, o, "scores", scores_json(ok, c, run));
    return o;
}

/* The runs are a table of pairs: one of tau, Jaccard, RBO, signs for each two of them. */
static json_t *matrix_json(bool *ok, const cli_comparison *c, int which) {
    json_t *rows = json_array();
    for (size_t i = 0; i < c->n; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k < c->n; k++)
            glim__json_add(ok, row,
                           glim__json_number(cli_pair_value(&c->pairs[i * c->n + k], which)));
        glim__json_add(ok, rows, row);
    }
    return rows;
}

static const char *const measures[] = {"kendall", "jaccard", "rbo", "sign_flips"};

static json_t *agreement_json(bool *ok, const cli_comparison *c) {
    json_t *o = json_object();
    glim__json_set(ok, o, "k", json_integer(GLIM_LIKENESS_TOP));
    glim__json_set(ok, o, "p", glim__json_number(GLIM_LIKENESS_DEPTH));
    for (int which = 0; which < 4; which++)
        glim__json_set(ok, o, measures[which], matrix_json(ok, c, which));
    return o;
}

/* ---- targets of the first input ---- */

static json_t *row_matrix(bool *ok, const cli_comparison *c, const glim_likeness *like, int which) {
    json_t *rows = json_array();
    for (size_t i = 0; i < c->n; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k < c->n; k++)
            glim__json_add(ok, row, glim__json_number(cli_like_value(&like[i * c->n + k], which)));
        glim__json_add(ok, rows, row);
    }
    return rows;
}

static json_t *answer_json(const cli_answer *a) {
    return a->told ? glim__json_text(a->text, a->len) : json_null();
}

static void set_models(bool *ok, json_t *o, const cli_comparison *c, size_t r) {
    json_t *kl = json_array(), *answers = json_array();
    for (size_t i = 0; i < c->n; i++) {
        const cli_said *s = &c->inputs[0].said[i];
        glim__json_add(ok, kl, s->row_kl ? glim__json_number(s->row_kl[r]) : json_null());
        glim__json_add(ok, answers, s->row_answers ? answer_json(&s->row_answers[r]) : json_null());
    }
    glim__json_set(ok, o, "kl", kl);
    glim__json_set(ok, o, "likeliest", answers);
}

static json_t *row_json(bool *ok, const cli_comparison *c, glim_likeness *like, size_t r) {
    const glim_document *d = c->docs[0];
    json_t *o = json_object();
    for (size_t i = 0; i < c->n * c->n; i++)
        *ok = *ok && !glim__likeness_row(&like[i], c->docs[i / c->n], c->docs[i % c->n], r, NULL);
    const char *text = d->rows ? d->rows[r].text : NULL;
    glim__json_set(ok, o, "text", text ? glim__json_text(text, d->rows[r].text_len) : json_null());
    for (int which = 0; which < 4; which++)
        glim__json_set(ok, o, measures[which], row_matrix(ok, c, like, which));
    if (c->models)
        set_models(ok, o, c, r);
    return o;
}

static json_t *rows_json(bool *ok, const cli_comparison *c) {
    json_t *rows = json_array();
    size_t n = c->docs[0]->n_rows;
    glim_likeness *like = glim__calloc(c->run->ctx, c->n * c->n, sizeof *like);
    *ok = *ok && like;
    for (size_t r = 0; r < n && n > 1 && *ok; r++)
        glim__json_add(ok, rows, row_json(ok, c, like, r));
    glim__free(c->run->ctx, like);
    return rows;
}

/* ---- models ---- */

static json_t *model_json(bool *ok, const cli_comparison *c, size_t i) {
    const cli_compared *r = &c->runs[i];
    const char *name = cli_compared_name(c, i);
    json_t *o = json_object(), *drift = json_array();
    glim__json_set(ok, o, "name", glim__json_text(name, strlen(name)));
    for (const cli_column *column = cli_columns; column->name; column++)
        glim__json_set(ok, o, column->key, glim__json_number(cli_column_value(c, column, i)));
    glim__json_set(ok, o, "likeliest", answer_json(&c->inputs[0].said[i].answer));
    glim__json_set(ok, o, "no_kl", text_json(r->kl.n ? NULL : r->no_kl));
    for (size_t l = 0; l < r->layers; l++)
        glim__json_add(ok, drift, glim__json_number(cli_tally_mean(&r->drift[l])));
    glim__json_set(ok, o, "drift", drift);
    glim__json_set(ok, o, "no_drift", text_json(r->layers ? NULL : r->no_drift));
    return o;
}

static json_t *models_json(bool *ok, const cli_comparison *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->n; i++)
        glim__json_add(ok, list, model_json(ok, c, i));
    return list;
}

/* ---- many inputs ---- */

static void add_said(bool *ok, const cli_comparison *c, const cli_said *s, json_t *const *lists) {
    glim__json_add(ok, lists[0], glim__json_number(s->value));
    glim__json_add(ok, lists[1], glim__json_number(s->like.tau));
    if (!c->models)
        return;
    glim__json_add(ok, lists[2], answer_json(&s->answer));
    glim__json_add(ok, lists[3], glim__json_number(s->flips));
    glim__json_add(ok, lists[4], glim__json_number(s->kl));
}

static json_t *input_json(bool *ok, const cli_comparison *c, const cli_compared_input *in) {
    static const char *const keys[] = {"value", "kendall", "likeliest", "flips", "kl"};
    json_t *o = json_object(), *lists[5];
    size_t n = c->models ? 5 : 2;
    for (size_t k = 0; k < 5; k++)
        lists[k] = k < n ? json_array() : NULL;
    for (size_t i = 0; i < c->n; i++)
        add_said(ok, c, &in->said[i], lists);
    glim__json_set(ok, o, "row", json_integer((json_int_t)in->row + 1));
    glim__json_set(ok, o, "text", in->text ? glim__json_text(in->text, in->len) : json_null());
    glim__json_set(ok, o, "target",
                   in->target ? glim__json_text(in->target, in->target_len) : json_null());
    for (size_t k = 0; k < n; k++)
        glim__json_set(ok, o, keys[k], lists[k]);
    return o;
}

static json_t *interval_json(bool *ok, const glim_interval *t) {
    json_t *o = json_object();
    glim__json_set(ok, o, "mean", glim__json_number(t->mean));
    glim__json_set(ok, o, "low", glim__json_number(t->low));
    glim__json_set(ok, o, "high", glim__json_number(t->high));
    glim__json_set(ok, o, "inputs", json_integer((json_int_t)t->n));
    return o;
}

static json_t *judgement_json(bool *ok, const cli_comparison *c, const cli_judgement *j) {
    json_t *o = json_object(), *means = json_array(), *pairs = json_array();
    for (size_t i = 0; i < c->n; i++)
        glim__json_add(ok, means, interval_json(ok, &j->means[i]));
    for (size_t i = 0; i < j->n_pairs; i++) {
        json_t *one = interval_json(ok, &j->pairs[i].told);
        glim__json_set(ok, one, "first", json_integer((json_int_t)j->pairs[i].first));
        glim__json_set(ok, one, "second", json_integer((json_int_t)j->pairs[i].second));
        glim__json_set(ok, one, "p",
                       glim__json_number(j->pairs[i].told.n > 1 ? j->pairs[i].told.p : NAN));
        glim__json_set(ok, one, "p_holm", glim__json_number(j->pairs[i].p));
        glim__json_add(ok, pairs, one);
    }
    glim__json_set(ok, o, "metric", json_string(j->metric->name));
    glim__json_set(ok, o, "higher_is_better", json_boolean(j->metric->higher));
    glim__json_set(ok, o, "means", means);
    glim__json_set(ok, o, "differences", pairs);
    return o;
}

static json_t *many_json(bool *ok, const cli_comparison *c) {
    json_t *o = json_object(), *inputs = json_array(), *judged = json_array();
    for (size_t i = 0; i < c->n_inputs; i++)
        glim__json_add(ok, inputs, input_json(ok, c, &c->inputs[i]));
    for (size_t i = 0; i < c->n_judged; i++)
        glim__json_add(ok, judged, judgement_json(ok, c, &c->judged[i]));
    glim__json_set(ok, o, "available", json_integer((json_int_t)c->available));
    glim__json_set(ok, o, "chosen", json_integer((json_int_t)c->chosen));
    glim__json_set(ok, o, "compared", json_integer((json_int_t)c->n_inputs));
    glim__json_set(ok, o, "failed", json_integer((json_int_t)c->failed));
    glim__json_set(ok, o, "empty", json_integer((json_int_t)c->empty));
    glim__json_set(ok, o, "enough_to_rank", json_boolean(c->n_inputs >= GLIM_FEW_INPUTS));
    glim__json_set(ok, o, "inputs", inputs);
    glim__json_set(ok, o, "judged", judged);
    return o;
}

/* ---- the whole ---- */

static const glim_document_unit *unit_at(const cli_comparison *c, size_t u) {
    return &c->docs[0]->input.units[c->units[u]];
}

static json_t *units_json(bool *ok, const cli_comparison *c) {
    json_t *list = json_array();
    for (size_t u = 0; u < c->n_units; u++) {
        const glim_document_unit *unit = unit_at(c, u);
        glim__json_add(
            ok, list,
            glim__json_text(unit->text ? unit->text : "", unit->text ? unit->text_len : 0));
    }
    return list;
}

/* Units that were written behind the input; they are the last. */
static size_t written(const cli_comparison *c) {
    size_t n = 0;
    for (size_t u = 0; u < c->n_units; u++)
        n += unit_at(c, u)->generated;
    return n;
}

glim_status cli_compare_json(cli_comparison *c, json_t **out) {
    const glim_document *d = c->docs[0];
    const cli_compared_input *in = &c->inputs[0];
    bool ok = true;
    if (c->saved) {
        *out = json_incref((json_t *)c->saved);
        return GLIM_OK;
    }
    json_t *o = json_object(), *target = json_object(), *runs = json_array();
    json_t *left = json_array();
    glim__json_set(&ok, target, "text",
                   d->target.text ? glim__json_text(d->target.text, d->target.text_len)
                                  : json_null());
    glim__json_set(&ok, target, "output", text_json(d->target.output));
    for (size_t i = 0; i < c->n; i++)
        glim__json_add(&ok, runs, run_json(&ok, c, i));
    for (size_t i = 0; i < c->n_left_out; i++) {
        json_t *one = json_object();
        glim__json_set(&ok, one, "method", text_json(c->left_out[i].method));
        glim__json_set(&ok, one, "why", text_json(c->left_out[i].why));
        glim__json_add(&ok, left, one);
    }
    glim__json_set(&ok, o, "schema", json_string("glim.comparison/1"));
    glim__json_set(&ok, o, "glim", json_string(glim_version()));
    glim__json_set(&ok, o, "of", json_string(c->models ? "models" : "methods"));
    glim__json_set(&ok, o, "target", target);
    glim__json_set(&ok, o, "text", in->text ? glim__json_text(in->text, in->len) : json_null());
    glim__json_set(&ok, o, "black_box", json_boolean(c->asks));
    glim__json_set(&ok, o, "unit", text_json(d->input.unit));
    glim__json_set(&ok, o, "units", units_json(&ok, c));
    glim__json_set(&ok, o, "written", json_integer((json_int_t)written(c)));
    glim__json_set(&ok, o, "runs", runs);
    glim__json_set(&ok, o, "agreement", agreement_json(&ok, c));
    glim__json_set(&ok, o, "rows", rows_json(&ok, c));
    glim__json_set(&ok, o, "models", c->models ? models_json(&ok, c) : json_null());
    glim__json_set(&ok, o, "many", c->many ? many_json(&ok, c) : json_null());
    glim__json_set(&ok, o, "partial", json_boolean(c->partial));
    glim__json_set(&ok, o, "left_out", left);
    glim__json_set(&ok, o, "seed", json_integer((json_int_t)d->seed));
    *out = ok ? o : NULL;
    if (!ok)
        json_decref(o);
    return ok ? GLIM_OK : glim__oom(c->run->ctx, &c->run->err, "the comparison", 0);
}

/* ---- CSV ---- */

static void field(glim_buffer *b, const char *s, size_t n) {
    json_t *clean = glim__json_text(s, n); /* valid UTF-8 */
    const char *text = json_string_value(clean);
    b->failed = b->failed || !text;
    glim__buffer_putc(b, '"');
    for (size_t i = 0; text && i < json_string_length(clean); i++) {
        if (text[i] == '"')
            glim__buffer_putc(b, '"');
        glim__buffer_putc(b, text[i]);
    }
    glim__buffer_putc(b, '"');
    json_decref(clean);
}

/* Of models the table of them, a row each. */
static void put_models(glim_buffer *b, const cli_comparison *c) {
    glim__buffer_puts(b, "model");
    for (const cli_column *column = cli_columns; column->name; column++)
        glim__buffer_printf(b, ",%s", column->key);
    for (size_t i = 0; i < c->n; i++) {
        const char *name = cli_compared_name(c, i);
        glim__buffer_puts(b, "\r\n");
        field(b, name, strlen(name));
        for (const cli_column *column = cli_columns; column->name; column++) {
            double x = cli_column_value(c, column, i);
            glim__buffer_puts(b, ",");
            if (isfinite(x))
                glim__buffer_printf(b, "%.9g", x);
        }
    }
}

static void put_scores(glim_buffer *b, const cli_comparison *c) {
    glim__buffer_puts(b, "unit,text");
    for (size_t i = 0; i < c->n; i++)
        glim__buffer_printf(b, ",%s", cli_compared_name(c, i));
    for (size_t u = 0; u < c->n_units; u++) {
        const glim_document_unit *unit = unit_at(c, u);
        glim__buffer_printf(b, "\r\n%zu,", u);
        field(b, unit->text ? unit->text : "", unit->text ? unit->text_len : 0);
        for (size_t i = 0; i < c->n; i++) {
            double score = c->scores[i * c->n_units + u];
            glim__buffer_putc(b, ',');
            if (isfinite(score))
                glim__buffer_printf(b, "%.9g", score);
        }
    }
}

glim_status cli_compare_csv(cli_comparison *c) {
    cli_run *run = c->run;
    glim_buffer b;
    glim__buffer_init(&b, run->ctx);
    if (c->models)
        put_models(&b, c);
    else
        put_scores(&b, c);
    glim__buffer_puts(&b, "\r\n");
    if (!strcmp(run->o.csv, "-"))
        return cli_put_buffer(run, &b, "the table");
    glim_status status = b.failed ? glim__oom(run->ctx, &run->err, "the table", b.len)
                                  : glim__file_write(run->o.csv, b.data, b.len, &run->err);
    if (!status)
        cli_wrote(run, run->o.csv);
    glim__buffer_release(&b);
    return status;
}
