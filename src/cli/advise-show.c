/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `glim advise`, for people within a screen, and as glim.advice/1. */
#include "cli/advise.h"

#include <math.h>
#include <string.h>

struct sheet {
    cli_run *run;
    glim_buffer b;
    int width;
};

/* Passes are over the training samples. */
static bool of_samples(const glim_question *q) {
    return q->want == GLIM_WANT_TRAINING;
}

/* The question as flags have it, so that what was taken for granted can be changed. */
static void put_question(struct sheet *s, const glim_question *q, const glim_advice *a) {
    char line[320], budget[64] = "no limit of passes";
    const char *meaning, *want = glim_want_name((int)q->want, &meaning);
    if (q->passes > 0)
        snprintf(budget, sizeof budget, "%.0f passes at most", q->passes);
    int n = snprintf(line, sizeof line, "%s, %s, %s: %s. First %s, %s",
                     glim_access_name((int)q->access, NULL), glim_job_name((int)q->job, NULL), want,
                     meaning, glim_quality_name(q->quality), budget);
    if (of_samples(q))
        snprintf(line + n, sizeof line - (size_t)n, ".");
    else
        snprintf(line + n, sizeof line - (size_t)n, ", %zu parts%s.", a->units,
                 a->assumed ? " (assumed: --units N)" : "");
    cli_put_wrapped(&s->b, s->width, 0, line);
}

static void put_cost(char *out, size_t size, const glim_hint *h) {
    char bytes[32];
    if (h->planned && !h->plan.asks)
        snprintf(out, size, "%s %.0f pass%s (%s), %s", h->plan.bounded ? "about" : "at most",
                 h->passes, h->passes == 1 ? "" : "es", h->costs ? h->costs : "",
                 cli_size(bytes, h->plan.bytes));
    else
        snprintf(out, size, "about %.0f pass%s%s", h->passes, h->passes == 1 ? "" : "es",
                 h->planned ? ": what it is asked" : "");
}

static void put_hint(struct sheet *s, const glim_question *q, const glim_hint *h, size_t place) {
    char cost[160], line[512];
    put_cost(cost, sizeof cost, h);
    snprintf(line, sizeof line, "%zu %s: %s", place, h->name, cost);
    glim__buffer_putc(&s->b, '\n');
    cli_put_wrapped(&s->b, s->width, 0, line);
    cli_put_wrapped(&s->b, s->width, 2, h->why);
    snprintf(line, sizeof line, "but: %s", h->caption);
    cli_put_wrapped(&s->b, s->width, 2, line);
    cli_advise_command(s->run, q, h, s->width, &s->b);
    glim__buffer_putc(&s->b, '\n');
}

static void put_foot(struct sheet *s, const glim_question *q, double second) {
    char line[200];
    glim__buffer_putc(&s->b, '\n');
    snprintf(line, sizeof line, "A pass reads the input once, for one target.");
    if (of_samples(q))
        snprintf(
            line, sizeof line,
            "A pass reads the training samples once; there and back counts as three. --dry-run "
            "behind a command tells what it costs.");
    else if (!isnan(second))
        snprintf(line, sizeof line, "A pass reads the input once: %.3g s here.", second);
    cli_put_wrapped(&s->b, s->width, 0, line);
}

glim_status cli_advise_text(cli_run *run, const glim_question *q, const glim_advice *a,
                            double second) {
    struct sheet s = {.run = run, .width = cli_sheet_width(run)};
    char line[256];
    glim__buffer_init(&s.b, run->ctx);
    put_question(&s, q, a);
    for (size_t i = 0; i < a->n; i++)
        put_hint(&s, q, &a->at[i], i + 1);
    if (!a->n)
        glim__buffer_putc(&s.b, '\n');
    if (a->reason) {
        snprintf(line, sizeof line, "No method: %s.", a->reason);
        cli_put_wrapped(&s.b, s.width, 0, line);
    } else if (!a->n) {
        snprintf(line, sizeof line,
                 "No method can do with %.0f passes. The least is %s with about %.0f%s:", q->passes,
                 a->least.name, a->least.passes, of_samples(q) ? "" : "; larger units need fewer");
        cli_put_wrapped(&s.b, s.width, 0, line);
        cli_advise_command(run, q, &a->least, s.width, &s.b);
        glim__buffer_putc(&s.b, '\n');
    } else {
        put_foot(&s, q, second);
    }
    return cli_put_buffer(run, &s.b, "the advice");
}

/* ---- as JSON ---- */

static json_t *hint_json(cli_run *run, bool *ok, const glim_question *q, const glim_hint *h) {
    json_t *o = json_object();
    glim_buffer b;
    glim__buffer_init(&b, run->ctx);
    cli_advise_command(run, q, h, 0, &b);
    *ok = *ok && !b.failed;
    glim__json_set(ok, o, "method", json_string(h->name));
    glim__json_set(ok, o, "why", json_string(h->why));
    glim__json_set(ok, o, "caption", json_string(h->caption));
    glim__json_set(ok, o, "costs", json_string(h->costs ? h->costs : ""));
    glim__json_set(ok, o, "passes", glim__json_number(h->passes));
    glim__json_set(ok, o, "planned", json_boolean(h->planned));
    glim__json_set(ok, o, "bytes",
                   h->planned ? json_integer((json_int_t)h->plan.bytes) : json_null());
    glim__json_set(ok, o, "run", json_stringn(b.data ? b.data : "", b.len));
    glim__buffer_release(&b);
    return o;
}

glim_status cli_advise_json(cli_run *run, const glim_question *q, const glim_advice *a,
                            double second) {
    bool ok = true;
    json_t *all = json_object(), *list = json_array();
    for (size_t i = 0; i < a->n; i++)
        glim__json_add(&ok, list, hint_json(run, &ok, q, &a->at[i]));
    glim__json_set(&ok, all, "schema", json_string("glim.advice/1"));
    glim__json_set(&ok, all, "glim", json_string(glim_version()));
    glim__json_set(&ok, all, "access", json_string(glim_access_name((int)q->access, NULL)));
    glim__json_set(&ok, all, "task", json_string(glim_job_name((int)q->job, NULL)));
    glim__json_set(&ok, all, "want", json_string(glim_want_name((int)q->want, NULL)));
    glim__json_set(&ok, all, "quality", json_string(glim_quality_name(q->quality)));
    glim__json_set(&ok, all, "budget", q->passes > 0 ? glim__json_number(q->passes) : json_null());
    glim__json_set(&ok, all, "seconds_per_pass",
                   isnan(second) ? json_null() : glim__json_number(second));
    glim__json_set(&ok, all, "units", json_integer((json_int_t)a->units));
    glim__json_set(&ok, all, "assumed", json_boolean(a->assumed));
    glim__json_set(&ok, all, "methods", list);
    glim__json_set(&ok, all, "reason", a->reason ? json_string(a->reason) : json_null());
    bool least = !a->n && a->least.name;
    glim__json_set(&ok, all, "least", least ? hint_json(run, &ok, q, &a->least) : json_null());
    return cli_put_json(run, run->o.json, all, ok);
}
