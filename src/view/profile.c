/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict on an explanation, and its profile as data: glim.evaluation/1 and CSV. Never
 * one number over all qualities.
 */
#include "view/profile.h"
#include "view/html.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

static const double CHANCE = 0.25, GOOD = 0.75; /* marks of accuracy, by convention */

/* ---- the verdict ---- */

glim_profile_verdict glim__profile_verdict(const glim_profile *p) {
    double mark = p->e->marks[GLIM_ACCURACY];
    for (size_t i = 0; i < p->e->n_measures; i++)
        if (p->e->measures[i].failed)
            return (glim_profile_verdict){GLIM_VERDICT_DISTRUST, "profile.failed",
                                          &p->e->measures[i]};
    if (p->inputs && p->inputs->partial)
        return (glim_profile_verdict){GLIM_VERDICT_DISTRUST, "profile.partial", NULL};
    if (p->e->capped)
        return (glim_profile_verdict){GLIM_VERDICT_DISTRUST, "profile.distrust", NULL};
    if (isnan(mark))
        return (glim_profile_verdict){GLIM_VERDICT_CAREFUL, "profile.unknown", NULL};
    if (mark < GOOD)
        return (glim_profile_verdict){GLIM_VERDICT_CAREFUL,
                                      mark < CHANCE ? "profile.chance" : "profile.weak", NULL};
    return (glim_profile_verdict){GLIM_VERDICT_OK, "profile.good", NULL};
}

static void put_argument(glim_buffer *b, const glim_profile *p, const glim_measure *failed,
                         char which) {
    if (!failed)
        glim__buffer_printf(b, "%.2f", p->e->marks[GLIM_ACCURACY]);
    else if (which == '0')
        glim__buffer_puts(b, failed->metric->name);
    else
        glim__buffer_printf(b, "%.3g", which == '1' ? failed->value : failed->metric->limit);
}

void glim__profile_words(glim_buffer *b, const glim_profile *p) {
    glim_profile_verdict v = glim__profile_verdict(p);
    const glim_html_word *w = glim__html_words;
    while (w->key && strcmp(w->key, v.key) != 0)
        w++;
    for (const char *s = w->key ? w->en : v.key; *s; s++) {
        if (s[0] == '{' && s[1] && s[2] == '}') {
            put_argument(b, p, v.failed, s[1]);
            s += 2;
        } else {
            glim__buffer_putc(b, *s);
        }
    }
}

/* ---- JSON ---- */

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

static json_t *as_json(bool *ok, const glim_profile *p) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    json_t *o = json_object(), *marks = json_object(), *list = json_array(), *notes = json_array();
    glim_buffer words;
    glim__buffer_init(&words, p->doc->ctx);
    glim__profile_words(&words, p);
    *ok = *ok && !words.failed;
    for (int q = 0; q < GLIM_QUALITIES; q++)
        glim__json_set(ok, marks, glim_quality_name((glim_quality)q),
                       glim__json_number(p->e->marks[q]));
    for (size_t i = 0; i < p->e->n_measures; i++)
        glim__json_add(ok, list, measure_json(ok, &p->e->measures[i]));
    for (size_t i = 0; i < p->doc->n_notes; i++)
        glim__json_add(ok, notes, glim__json_text(p->doc->notes[i], strlen(p->doc->notes[i])));
    glim__json_set(ok, o, "schema", json_string("glim.evaluation/1"));
    glim__json_set(ok, o, "glim", json_string(glim_version()));
    glim__json_set(ok, o, "explanation", explanation_json(ok, p->doc));
    glim__json_set(ok, o, "inputs", p->inputs ? inputs_json(ok, p) : json_null());
    glim__json_set(ok, o, "verdict", json_string(verdicts[glim__profile_verdict(p).verdict]));
    glim__json_set(ok, o, "reason", json_string(words.data ? words.data : ""));
    glim__json_set(ok, o, "capped", json_boolean(p->e->capped));
    glim__json_set(ok, o, "marks", marks);
    glim__json_set(ok, o, "measures", list);
    glim__json_set(ok, o, "absent", json_string(p->absent ? p->absent : "auto"));
    glim__json_set(ok, o, "draws", json_integer((json_int_t)p->draws));
    glim__json_set(ok, o, "seed", json_integer((json_int_t)p->seed));
    glim__json_set(ok, o, "asked", json_integer((json_int_t)p->e->asked));
    glim__json_set(ok, o, "seconds", glim__json_number(p->e->seconds));
    glim__json_set(ok, o, "notes", notes);
    glim__buffer_release(&words);
    return o;
}

glim_status glim__profile_json(const glim_profile *p, const glim_view_options *o, char **out,
                               size_t *n, glim_error *err) {
    glim_buffer b;
    bool ok = true;
    glim__buffer_init(&b, p->doc->ctx);
    json_t *all = as_json(&ok, p);
    glim_status status = glim__json_write(&b, ok ? all : NULL, 1, false, err);
    json_decref(all);
    glim__buffer_putc(&b, '\n');
    if (!status)
        return glim__view_finish(&b, out, n, err);
    glim__buffer_release(&b);
    return status;
}

/* ---- CSV ---- */

static void number(glim_buffer *b, double x) {
    glim__buffer_putc(b, ',');
    if (isfinite(x))
        glim__buffer_printf(b, "%.9g", x);
}

/* Nothing of one explanation. */
static void put_interval(glim_buffer *b, size_t inputs, double low, double high) {
    number(b, inputs ? (double)inputs : NAN);
    number(b, low);
    number(b, high);
    glim__buffer_puts(b, "\r\n");
}

/* Names and reasons are glim's own words, without quotes. */
static glim_status as_csv(const glim_profile *p, const glim_view_options *o, char **out, size_t *n,
                          glim_error *err) {
    glim_buffer b;
    glim__buffer_init(&b, p->doc->ctx);
    glim__buffer_puts(&b, "quality,metric,better,value,random,random_se,reversed,best,skill,failed,"
                          "why,inputs,low,high\r\n");
    for (size_t i = 0; i < p->e->n_measures; i++) {
        const glim_measure *m = &p->e->measures[i];
        const double numbers[] = {m->value,    m->random, m->random_se,
                                  m->reversed, m->best,   m->skill};
        glim__buffer_printf(&b, "%s,%s,%s", glim_quality_name(m->metric->quality), m->metric->name,
                            m->metric->higher ? "higher" : "lower");
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            number(&b, numbers[k]);
        glim__buffer_printf(&b, ",%d,\"%s\"", m->failed, m->why ? m->why : "");
        put_interval(&b, m->inputs, m->low, m->high);
    }
    for (int q = 0; q < GLIM_QUALITIES; q++) {
        glim__buffer_printf(&b, "%s,,,,,,,", glim_quality_name((glim_quality)q));
        number(&b, p->e->marks[q]);
        glim__buffer_printf(&b, ",%d,\"\"", q == GLIM_ACCURACY && p->e->capped);
        put_interval(&b, p->e->inputs, p->e->low[q], p->e->high[q]);
    }
    return glim__view_finish(&b, out, n, err);
}

glim_status glim__profile_render(const char *view, const glim_profile *p,
                                 const glim_view_options *o, char **out, size_t *n,
                                 glim_error *err) {
    static const struct {
        const char *name;
        glim_profile_view *render;
    } views[] = {{"terminal", glim__profile_terminal},
                 {"json", glim__profile_json},
                 {"csv", as_csv},
                 {"html", glim__profile_html}};
    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (!strcmp(view, views[i].name))
            return views[i].render(p, o, out, n, err);
    return glim_fail(err, GLIM_EUSAGE, "there is no view '%.40s' of an evaluation", view);
}
