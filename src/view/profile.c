/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict on an explanation, and its profile as CSV (as JSON: profile-json.c). Never
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
