/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as JSON: glim.evaluation/1, and as the member `evaluation` of an explanation,
 * which has the same members but those that the explanation tells already. It is kept there
 * as text, so that a saved document is drawn again without the model that was judged.
 */
#include "view/profile.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

static const char *const curve_keys[] = {"own",    "low",        "high",
                                         "random", "random_low", "random_high"};

double *glim__curve_line(glim_curve *c, size_t i, const char **key) {
    double *const lines[] = {c->own, c->low, c->high, c->random, c->random_low, c->random_high};
    *key = i < sizeof lines / sizeof *lines ? curve_keys[i] : NULL;
    return *key ? lines[i] : NULL;
}

static json_t *curve_json(bool *ok, glim_curve *c) {
    json_t *o = json_object();
    const char *key;
    const double *line;
    for (size_t i = 0; (line = glim__curve_line(c, i, &key)); i++) {
        json_t *list = isnan(line[0]) ? json_null() : json_array();
        for (size_t k = 0; k < GLIM_CURVE && !json_is_null(list); k++)
            glim__json_add(ok, list, glim__json_number(line[k]));
        glim__json_set(ok, o, key, list);
    }
    return o;
}

static json_t *measure_json(bool *ok, const glim_measure *m) {
    const glim_metric *how = m->metric;
    json_t *o = json_object();
    glim__json_set(ok, o, "metric", json_string(how->name));
    glim__json_set(ok, o, "quality", json_string(glim_quality_name(how->quality)));
    glim__json_set(ok, o, "summary", json_string(how->summary));
    glim__json_set(ok, o, "cite", how->cite ? json_string(how->cite) : json_null());
    glim__json_set(ok, o, "better", json_string(how->higher ? "higher" : "lower"));
    glim__json_set(ok, o, "value", glim__json_number(m->value));
    glim__json_set(ok, o, "random", glim__json_number(m->random));
    glim__json_set(ok, o, "random_se", glim__json_number(m->random_se));
    glim__json_set(ok, o, "reversed", glim__json_number(m->reversed));
    glim__json_set(ok, o, "best", glim__json_number(m->best));
    glim__json_set(ok, o, "skill", glim__json_number(m->skill));
    glim__json_set(ok, o, "rows", json_integer((json_int_t)m->n));
    glim__json_set(ok, o, "inputs", json_integer((json_int_t)m->inputs));
    glim__json_set(ok, o, "low", m->inputs ? glim__json_number(m->low) : json_null());
    glim__json_set(ok, o, "high", m->inputs ? glim__json_number(m->high) : json_null());
    glim__json_set(ok, o, "limit", how->limited ? glim__json_number(how->limit) : json_null());
    glim__json_set(ok, o, "failed", json_boolean(m->failed));
    glim__json_set(ok, o, "why", m->why ? json_string(m->why) : json_null());
    glim__json_set(ok, o, "note", m->note ? json_string(m->note) : json_null());
    glim__json_set(ok, o, "params", m->params ? json_loads(m->params, 0, NULL) : json_object());
    glim__json_set(ok, o, "curve", m->curve ? curve_json(ok, m->curve) : json_null());
    return o;
}

static json_t *explanation_json(bool *ok, const glim_document *d) {
    json_t *o = json_object(), *target = json_object();
    glim__json_set(ok, target, "text",
                   glim__json_text(d->target.text ? d->target.text : "",
                                   d->target.text ? d->target.text_len : 0));
    glim__json_set(ok, target, "output",
                   json_string(d->target.output ? d->target.output : "logit"));
    glim__json_set(ok, target, "value", glim__json_number(d->target.value));
    glim__json_set(ok, o, "method", glim__json_text(d->method.name, strlen(d->method.name)));
    glim__json_set(ok, o, "model",
                   d->model.file ? glim__json_text(d->model.file, strlen(d->model.file))
                                 : json_null());
    glim__json_set(ok, o, "target", target);
    glim__json_set(ok, o, "units", json_integer((json_int_t)d->input.n_units));
    glim__json_set(ok, o, "rows", json_integer((json_int_t)d->n_rows));
    glim__json_set(ok, o, "seed", json_integer((json_int_t)d->seed));
    return o;
}

static json_t *inputs_json(bool *ok, const glim_profile *p) {
    const glim_profile_inputs *in = p->inputs;
    json_t *o = json_object(), *all = json_object();
    for (int q = 0; q < GLIM_QUALITIES; q++) {
        json_t *pair = isnan(p->e->low[q]) ? json_null() : json_array();
        if (!isnan(p->e->low[q])) {
            glim__json_add(ok, pair, glim__json_number(p->e->low[q]));
            glim__json_add(ok, pair, glim__json_number(p->e->high[q]));
        }
        glim__json_set(ok, all, glim_quality_name((glim_quality)q), pair);
    }
    glim__json_set(ok, o, "available", json_integer((json_int_t)in->available));
    glim__json_set(ok, o, "chosen", json_integer((json_int_t)in->chosen));
    glim__json_set(ok, o, "judged", json_integer((json_int_t)in->judged));
    glim__json_set(ok, o, "failed", json_integer((json_int_t)in->failed));
    glim__json_set(ok, o, "empty", json_integer((json_int_t)in->empty));
    glim__json_set(ok, o, "partial", json_boolean(in->partial));
    glim__json_set(ok, o, "intervals", all);
    return o;
}

static void put_words(bool *ok, json_t *o, const glim_profile *p) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    glim_buffer words;
    glim__buffer_init(&words, p->doc->ctx);
    glim__profile_words(&words, p);
    *ok = *ok && !words.failed;
    glim__json_set(ok, o, "verdict", json_string(verdicts[glim__profile_verdict(p).verdict]));
    glim__json_set(ok, o, "reason", json_string(words.data ? words.data : ""));
    glim__json_set(ok, o, "capped", json_boolean(p->e->capped));
    glim__buffer_release(&words);
}

static json_t *ranks_json(bool *ok, const glim_seed_ranks *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_units; i++) {
        json_t *o = json_object(), *ranks = json_array();
        const char *text = r->units[i].text ? r->units[i].text : "";
        for (size_t k = 0; k < r->n_seeds; k++)
            glim__json_add(ok, ranks, json_integer((json_int_t)r->units[i].rank[k]));
        glim__json_set(ok, o, "unit", json_integer((json_int_t)r->units[i].unit));
        glim__json_set(ok, o, "text", glim__json_text(text, r->units[i].text_len));
        glim__json_set(ok, o, "ranks", ranks);
        glim__json_add(ok, list, o);
    }
    return list;
}

/* What the evaluation itself says, into o. */
static void put_told(bool *ok, json_t *o, const glim_profile *p) {
    json_t *marks = json_object(), *list = json_array();
    for (int q = 0; q < GLIM_QUALITIES; q++)
        glim__json_set(ok, marks, glim_quality_name((glim_quality)q),
                       glim__json_number(p->e->marks[q]));
    for (size_t i = 0; i < p->e->n_measures; i++)
        glim__json_add(ok, list, measure_json(ok, &p->e->measures[i]));
    put_words(ok, o, p);
    glim__json_set(ok, o, "marks", marks);
    glim__json_set(ok, o, "measures", list);
    glim__json_set(ok, o, "seed_ranks", p->e->ranks ? ranks_json(ok, p->e->ranks) : json_null());
    glim__json_set(ok, o, "absent", json_string(p->absent ? p->absent : "auto"));
    glim__json_set(ok, o, "draws", json_integer((json_int_t)p->draws));
    glim__json_set(ok, o, "seed", json_integer((json_int_t)p->seed));
    glim__json_set(ok, o, "asked", json_integer((json_int_t)p->e->asked));
    glim__json_set(ok, o, "seconds", glim__json_number(p->e->seconds));
}

static json_t *as_json(bool *ok, const glim_profile *p) {
    json_t *o = json_object(), *notes = json_array();
    for (size_t i = 0; i < p->doc->n_notes; i++)
        glim__json_add(ok, notes, glim__json_text(p->doc->notes[i], strlen(p->doc->notes[i])));
    glim__json_set(ok, o, "schema", json_string("glim.evaluation/1"));
    glim__json_set(ok, o, "glim", json_string(glim_version()));
    glim__json_set(ok, o, "explanation", explanation_json(ok, p->doc));
    glim__json_set(ok, o, "inputs", p->inputs ? inputs_json(ok, p) : json_null());
    put_told(ok, o, p);
    glim__json_set(ok, o, "notes", notes);
    return o;
}

glim_status glim__profile_json(const glim_profile *p, const glim_view_options *o, char **out,
                               size_t *n, glim_error *err) {
    glim_buffer b;
    bool ok = true;
    glim__buffer_init(&b, p->doc->ctx);
    json_t *all = p->saved ? NULL : as_json(&ok, p);
    const json_t *told = p->saved ? p->saved : all;
    glim_status status = glim__json_write(&b, ok ? told : NULL, 1, false, err);
    json_decref(all);
    glim__buffer_putc(&b, '\n');
    if (!status)
        return glim__view_finish(&b, out, n, err);
    glim__buffer_release(&b);
    return status;
}

/* ---- inside an explanation ---- */

glim_status glim__profile_keep(glim_document *doc, const glim_profile *p, glim_error *err) {
    glim_buffer b;
    bool ok = true;
    glim__buffer_init(&b, doc->ctx);
    json_t *o = json_object();
    put_told(&ok, o, p);
    glim_status status = glim__json_write(&b, ok ? o : NULL, 0, false, err);
    json_decref(o);
    if (!status) {
        doc->evaluation = glim_document_text(doc, b.data, b.len);
        status = doc->evaluation ? GLIM_OK : glim__oom(doc->ctx, err, "the evaluation", b.len);
    }
    glim__buffer_release(&b);
    return status;
}

/* Read and written again: Jansson drops a byte of a text when its buffer may not grow. */
json_t *glim__profile_value(const glim_document *doc) {
    glim_buffer b;
    json_t *o = json_loads(doc->evaluation, 0, NULL);
    glim__buffer_init(&b, doc->ctx);
    bool whole = o && !glim__json_write(&b, o, 0, false, NULL) && !strcmp(b.data, doc->evaluation);
    glim__buffer_release(&b);
    if (whole)
        return o;
    json_decref(o);
    return NULL;
}

glim_status glim__profile_parse(glim_document *doc, const json_t *o, const char *name,
                                glim_error *err) {
    glim_profile_kept kept;
    glim_buffer b;
    if (!o || json_is_null(o))
        return GLIM_OK;
    if (!json_is_object(o))
        return glim_fail(err, GLIM_EFORMAT, "'%s': member 'evaluation' is not an object", name);
    glim__buffer_init(&b, doc->ctx);
    glim_status status = glim__json_write(&b, o, 0, false, err);
    if (!status) {
        doc->evaluation = glim_document_text(doc, b.data, b.len);
        status = doc->evaluation ? glim__profile_open(&kept, doc, name, err)
                                 : glim__oom(doc->ctx, err, "the evaluation", b.len);
        if (!status)
            glim__profile_close(&kept);
    }
    glim__buffer_release(&b);
    return status;
}
