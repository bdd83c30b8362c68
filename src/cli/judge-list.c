/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics for those who choose: by the quality that they serve, with costs and flags. */
#include "cli/judge-flags.h"
#include "cli/menu.h"
#include "view/html.h"

#include <math.h>
#include <string.h>

/* "Accuracy: does it describe the model?", as reports have it. */
static const char *question(glim_quality q) {
    char key[48];
    snprintf(key, sizeof key, "quality.%.24s", glim_quality_name(q));
    const glim_html_word *w = glim__html_words;
    while (w->key && strcmp(w->key, key) != 0)
        w++;
    return w->key ? w->en : glim_quality_name(q);
}

/* ---- as text ---- */

static void put_metric(glim_buffer *out, const glim_metric *m, int width) {
    enum { NAME = 2, TEXT = 6 };
    char line[400];
    snprintf(line, sizeof line, "%s (%s is better)", m->name, m->higher ? "higher" : "lower");
    cli_put_wrapped(out, width, NAME, line);
    snprintf(line, sizeof line, "%s; cost: %s", m->summary, m->cost);
    cli_put_wrapped(out, width, TEXT, line);
    size_t n = 0;
    for (const glim_param *p = m->params; p && p->type != GLIM_PARAM_END && n < 300; p++)
        n += (size_t)snprintf(line + n, sizeof line - n, "%s--%s.%s", n ? " " : "", m->name,
                              p->name);
    if (n)
        cli_put_wrapped(out, width, TEXT, line);
}

static glim_status list_text(cli_run *run) {
    glim_buffer out;
    int width = cli_sheet_width(run);
    glim__buffer_init(&out, run->ctx);
    for (int q = 0; q < GLIM_QUALITIES; q++) {
        if (q)
            glim__buffer_putc(&out, '\n');
        cli_put_wrapped(&out, width, 0, question((glim_quality)q));
        for (size_t i = 0; glim_metrics()[i]; i++)
            if (glim_metrics()[i]->quality == (glim_quality)q)
                put_metric(&out, glim_metrics()[i], width);
    }
    glim__buffer_putc(&out, '\n');
    cli_put_wrapped(&out, width, 0,
                    "d: scored parts. Parameters: glim evaluate --metrics NAME --help");
    return cli_put_buffer(run, &out, "the list");
}

/* ---- as JSON ---- */

static json_t *needs_json(bool *ok, unsigned needs) {
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {{GLIM_NEEDS_VALUES, "predictions"},
                {GLIM_NEEDS_METHOD, "the method"},
                {GLIM_NEEDS_SEEDS, "the method"},
                {GLIM_NEEDS_ADDITIVE, "scores that sum"},
                {GLIM_NEEDS_RATIONALE, "what people marked"},
                {GLIM_NEEDS_SIGNED, "scores with signs"},
                {GLIM_NEEDS_MODEL, "a model's weights"},
                {GLIM_NEEDS_PROB, "a probability"}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (needs & bits[i].bit)
            glim__json_add(ok, list, json_string(bits[i].name));
    return list;
}

static json_t *metric_json(bool *ok, const glim_metric *m) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(m->name));
    glim__json_set(ok, o, "summary", json_string(m->summary));
    glim__json_set(ok, o, "quality", json_string(glim_quality_name(m->quality)));
    glim__json_set(ok, o, "better", json_string(m->higher ? "higher" : "lower"));
    glim__json_set(ok, o, "best", glim__json_number(m->best));
    glim__json_set(ok, o, "limit", m->limited ? glim__json_number(m->limit) : json_null());
    glim__json_set(ok, o, "needs", needs_json(ok, m->needs));
    glim__json_set(ok, o, "cost", json_string(m->cost));
    glim__json_set(ok, o, "caption", json_string(m->caption));
    glim__json_set(ok, o, "cite", m->cite ? json_string(m->cite) : json_null());
    glim__json_set(ok, o, "params", cli_params_json(ok, m->params));
    return o;
}

glim_status cli_metrics_list(cli_run *run) {
    bool ok = true;
    if (run->o.csv || run->o.html)
        return glim_fail(&run->err, GLIM_EUSAGE, "--list is text or JSON (glim evaluate --list)");
    if (!run->o.json)
        return list_text(run);
    json_t *all = json_object(), *list = json_array();
    for (size_t i = 0; glim_metrics()[i]; i++)
        glim__json_add(&ok, list, metric_json(&ok, glim_metrics()[i]));
    glim__json_set(&ok, all, "schema", json_string("glim.metrics/1"));
    glim__json_set(&ok, all, "glim", json_string(glim_version()));
    glim__json_set(&ok, all, "metrics", list);
    return cli_put_json(run, run->o.json, all, ok);
}

/* ---- one page ---- */

static void put_page(const glim_metric *m, FILE *out) {
    char text[400];
    snprintf(text, sizeof text, "glim evaluate --metrics %s: %s", m->name, m->summary);
    cli_print_wrapped(text, out);
    snprintf(text, sizeof text, "%s %s is better; cost: %s", question(m->quality),
             m->higher ? "Higher" : "Lower", m->cost);
    cli_print_wrapped(text, out);
    if (m->cite)
        cli_print_wrapped(m->cite, out);
    fputc('\n', out);
    for (const glim_param *p = m->params; p && p->type != GLIM_PARAM_END; p++) {
        char name[96];
        glim_param named[2] = {*p, {0}};
        snprintf(name, sizeof name, "%s.%s", m->name, p->name);
        named[0].name = name;
        cli_print_params(named, out);
    }
    if (!m->params)
        fprintf(out, "  no parameters\n");
    fputc('\n', out);
    cli_print_wrapped(m->caption, out);
}

glim_status cli_metrics_help(cli_run *run, FILE *out) {
    glim_status status = GLIM_OK;
    for (const char *s = run->o.metrics; *s && !status;) {
        char name[64];
        size_t len = strcspn(s, ",");
        snprintf(name, sizeof name, "%.*s", (int)(len < 60 ? len : 60), s);
        const glim_metric *m = glim_metric_find(name);
        if (m && s > run->o.metrics)
            fputc('\n', out);
        if (m)
            put_page(m, out);
        else
            status = cli_no_metric(run, name);
        s += len + (s[len] == ',');
    }
    if (!status)
        fprintf(out, "Other flags: glim evaluate --help\n");
    return status;
}
