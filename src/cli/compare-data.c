/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `glim compare` as data: glim.comparison/1, and scores side by side as CSV. */
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

static json_t *run_json(bool *ok, cli_comparison *c, size_t run) {
    const glim_document *d = c->docs[run];
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    json_t *o = json_object(), *model = json_object(), *cost = json_object();
    json_t *scores = json_array();
    glim__json_set(ok, model, "file", text_json(d->model.file));
    glim__json_set(ok, model, "quantisation", text_json(d->model.quantisation));
    glim__json_set(ok, model, "digest", text_json(d->model.digest));
    glim__json_set(ok, cost, "forward_tokens", json_integer((json_int_t)d->cost.forward_tokens));
    glim__json_set(ok, cost, "backward_tokens", json_integer((json_int_t)d->cost.backward_tokens));
    glim__json_set(ok, cost, "seconds", glim__json_number(d->cost.seconds));
    for (size_t u = 0; u < c->n_units; u++)
        glim__json_add(ok, scores, glim__json_number(c->scores[run * c->n_units + u]));
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
    glim__json_set(ok, o, "scores", scores);
    return o;
}

static double tau(const glim_likeness *l) {
    return l->tau;
}

static double jaccard(const glim_likeness *l) {
    return l->jaccard;
}

static double rbo(const glim_likeness *l) {
    return l->rbo;
}

static double flips(const glim_likeness *l) {
    return l->flips;
}

static json_t *matrix_json(bool *ok, const cli_comparison *c, double (*of)(const glim_likeness *)) {
    json_t *rows = json_array();
    for (size_t i = 0; i < c->n; i++) {
        json_t *row = json_array();
        for (size_t k = 0; k < c->n; k++)
            glim__json_add(ok, row, glim__json_number(of(&c->like[i * c->n + k])));
        glim__json_add(ok, rows, row);
    }
    return rows;
}

static json_t *agreement_json(bool *ok, const cli_comparison *c) {
    json_t *o = json_object();
    glim__json_set(ok, o, "k", json_integer(GLIM_LIKENESS_TOP));
    glim__json_set(ok, o, "p", glim__json_number(GLIM_LIKENESS_DEPTH));
    glim__json_set(ok, o, "kendall", matrix_json(ok, c, tau));
    glim__json_set(ok, o, "jaccard", matrix_json(ok, c, jaccard));
    glim__json_set(ok, o, "rbo", matrix_json(ok, c, rbo));
    glim__json_set(ok, o, "sign_flips", matrix_json(ok, c, flips));
    return o;
}

static json_t *models_json(bool *ok, const cli_comparison *c) {
    const cli_answer *a = &c->answers[0], *b = &c->answers[1];
    json_t *o = json_object(), *drift = json_array();
    bool told = a->told && b->told;
    bool flips_over = told && (a->len != b->len || memcmp(a->text, b->text, a->len) != 0);
    glim__json_set(ok, o, "likeliest", told ? glim__json_text(a->text, a->len) : json_null());
    glim__json_set(ok, o, "likeliest_other", told ? glim__json_text(b->text, b->len) : json_null());
    glim__json_set(ok, o, "flips", told ? json_boolean(flips_over) : json_null());
    glim__json_set(ok, o, "kl", glim__json_number(c->kl));
    glim__json_set(ok, o, "no_kl", text_json(c->no_kl));
    for (size_t l = 0; l < c->layers; l++)
        glim__json_add(ok, drift, glim__json_number(c->drift[l]));
    glim__json_set(ok, o, "drift", drift);
    glim__json_set(ok, o, "no_drift", text_json(c->no_drift));
    return o;
}

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

glim_status cli_compare_json(cli_comparison *c) {
    const glim_document *d = c->docs[0];
    bool ok = true;
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
    glim__json_set(&ok, o, "unit", text_json(d->input.unit));
    glim__json_set(&ok, o, "units", units_json(&ok, c));
    glim__json_set(&ok, o, "runs", runs);
    glim__json_set(&ok, o, "agreement", agreement_json(&ok, c));
    glim__json_set(&ok, o, "models", c->models ? models_json(&ok, c) : json_null());
    glim__json_set(&ok, o, "left_out", left);
    glim__json_set(&ok, o, "seed", json_integer((json_int_t)d->seed));
    return cli_put_json(c->run, c->run->o.json, o, ok);
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

glim_status cli_compare_csv(cli_comparison *c) {
    cli_run *run = c->run;
    glim_buffer b;
    glim__buffer_init(&b, run->ctx);
    glim__buffer_puts(&b, "unit,text");
    for (size_t i = 0; i < c->n; i++)
        glim__buffer_printf(&b, ",%s", cli_compared_name(c, i));
    for (size_t u = 0; u < c->n_units; u++) {
        const glim_document_unit *unit = unit_at(c, u);
        glim__buffer_printf(&b, "\r\n%zu,", u);
        field(&b, unit->text ? unit->text : "", unit->text ? unit->text_len : 0);
        for (size_t i = 0; i < c->n; i++) {
            double score = c->scores[i * c->n_units + u];
            glim__buffer_putc(&b, ',');
            if (isfinite(score))
                glim__buffer_printf(&b, "%.9g", score);
        }
    }
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
