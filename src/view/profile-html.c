/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as a report: a table with bars for each quality, in the page of the
 * explanations' reports, without a script. The evaluation is embedded as --json writes it.
 */
#include "view/html-page.h"
#include "view/profile.h"

static const uint64_t LIMIT = (uint64_t)50 << 20;

static const char *const marks[] = {"\xe2\x9c\x93", "\xe2\x96\xb2", "\xe2\x9c\x96"};
static const char *const verdicts[] = {"verdict.ok", "verdict.careful", "verdict.distrust"};

static const char *quality_key(char out[48], glim_quality q) {
    snprintf(out, 48, "quality.%.24s", glim_quality_name(q));
    return out;
}

static void put_share(glim_buffer *b, double x) {
    if (isfinite(x))
        glim__buffer_printf(b, "%.2f", x + 0.0); /* of -0, 0 */
    else
        glim__buffer_puts(b, "\xe2\x80\x93");
}

static void put_verdict(html_page *p, const glim_profile *f) {
    glim_profile_verdict v = glim__profile_verdict(f);
    glim__buffer_printf(p->b, "<p class=\"verdict v%d\"><span aria-hidden=\"true\">%s</span> ",
                        (int)v.verdict, marks[v.verdict]);
    glim__html_say(p, "strong", verdicts[v.verdict]);
    glim__buffer_puts(p->b, ": ");
    if (v.failed) {
        glim__buffer_puts(glim__html_arg(p), v.failed->metric->name);
        glim__buffer_printf(glim__html_arg(p), "%.3g", v.failed->value);
        glim__buffer_printf(glim__html_arg(p), "%.3g", v.failed->metric->limit);
    } else {
        put_share(glim__html_arg(p), f->e->marks[GLIM_ACCURACY]);
    }
    glim__html_say(p, "span", v.key);
    glim__buffer_puts(p->b, "</p>\n");
}

static void put_head(html_page *p, const glim_profile *f) {
    const glim_document *d = f->doc;
    glim__html_quote(glim__html_arg(p), d->target.text ? d->target.text : "",
                     d->target.text ? d->target.text_len : 0, 48);
    glim__html_plain(glim__html_arg(p), d->method.name, strlen(d->method.name), 40);
    glim__html_say(p, f->inside ? "h2" : "h1", f->inputs ? "profile.many" : "profile.title");
    if (!f->inside)
        glim__buffer_puts(p->b, "</header>\n");
    put_verdict(p, f);
}

static void put_name(html_page *p, const glim_metric *m) {
    char key[64];
    snprintf(key, sizeof key, "%.40s.metric", m->name);
    glim__buffer_printf(p->b, "<th scope=\"row\"><code>%s</code> %s<br>", m->name,
                        m->higher ? "\xe2\x86\x91" : "\xe2\x86\x93");
    glim__html_told(p, "small", key, m->summary);
}

/* The cells of many inputs; of one there are none. */
static void put_interval(html_page *p, const glim_profile *f, size_t inputs, double low,
                         double high) {
    if (!f->inputs)
        return;
    glim__buffer_puts(p->b, "<td>");
    if (isfinite(low) && isfinite(high)) {
        glim__html_number(p->b, low, 0, false);
        glim__buffer_puts(p->b, " \xe2\x80\xa6 ");
        glim__html_number(p->b, high, 0, false);
    }
    glim__buffer_printf(p->b, "</td><td>%zu</td>", inputs);
}

static void put_measure(html_page *p, const glim_profile *f, const glim_measure *m) {
    glim__buffer_puts(p->b, "<tr>");
    put_name(p, m->metric);
    if (m->failed) {
        glim__buffer_puts(p->b, "<br>");
        glim__buffer_printf(glim__html_arg(p), "%.3g", m->metric->limit);
        glim__html_say(p, "strong", "profile.limit");
    }
    glim__buffer_puts(p->b, "</th><td>");
    glim__html_number(p->b, m->value, 0, false);
    glim__buffer_puts(p->b, "</td>");
    put_interval(p, f, m->inputs, m->low, m->high);
    glim__buffer_puts(p->b, "<td>");
    if (isfinite(m->random))
        glim__html_number(p->b, m->random, 0, false);
    if (isfinite(m->random_se))
        glim__buffer_printf(p->b, " \xc2\xb1%.1g", m->random_se);
    glim__buffer_puts(p->b, "</td><td>");
    if (isfinite(m->best))
        glim__html_number(p->b, m->best, 0, false);
    glim__buffer_puts(p->b, "</td><td>");
    put_share(p->b, m->skill);
    glim__buffer_puts(p->b, "</td>");
    glim__html_bar_cell(p, isfinite(m->skill) ? m->skill : 0, false);
    glim__buffer_puts(p->b, "</tr>\n");
}

/* The first row is the quality's own: its mark, the mean of the skills below. */
static void put_quality(html_page *p, const glim_profile *f, glim_quality q) {
    const char *keys[] = {"column.metric",
                          "column.value",
                          "column.random",
                          "column.best",
                          "column.skill",
                          "column.bar",
                          NULL};
    const char *many[] = {"column.metric", "column.value",  "column.interval",
                          "column.inputs", "column.random", "column.best",
                          "column.skill",  "column.bar",    NULL};
    char name[48];
    size_t told = 0;
    for (size_t i = 0; i < f->e->n_measures; i++)
        told += f->e->measures[i].metric->quality == q && !f->e->measures[i].why;
    if (!told)
        return;
    glim__buffer_printf(p->b, "<section class=\"level\" id=\"glim-%s\">", glim_quality_name(q));
    glim__html_say(p, f->inside ? "h3" : "h2", quality_key(name, q));
    if (q == GLIM_PLAUSIBILITY)
        glim__html_say(p, "p class=\"note\"", "profile.apart");
    glim__buffer_puts(p->b,
                      "\n<div class=\"scroll\" tabindex=\"0\"><table class=\"ranks profile\">");
    glim__html_head(p, f->inputs ? many : keys);
    glim__buffer_puts(p->b, "<tbody><tr class=\"top\"><th scope=\"row\">");
    glim__html_say(p, "strong", "profile.mark");
    glim__buffer_puts(p->b, "</th><td></td>");
    put_interval(p, f, f->e->inputs, f->e->low[q], f->e->high[q]);
    glim__buffer_puts(p->b, "<td></td><td></td><td><strong>");
    put_share(p->b, f->e->marks[q]);
    glim__buffer_puts(p->b, "</strong></td>");
    glim__html_bar_cell(p, isfinite(f->e->marks[q]) ? f->e->marks[q] : 0, false);
    glim__buffer_puts(p->b, "</tr>\n");
    for (size_t i = 0; i < f->e->n_measures; i++)
        if (f->e->measures[i].metric->quality == q && !f->e->measures[i].why)
            put_measure(p, f, &f->e->measures[i]);
    glim__buffer_puts(p->b, "</tbody></table></div></section>\n");
}

static void put_left_out(html_page *p, const glim_profile *f) {
    bool any = false;
    for (size_t i = 0; i < f->e->n_measures; i++) {
        const glim_measure *m = &f->e->measures[i];
        if (!m->why && !m->note)
            continue;
        if (!any) {
            glim__buffer_puts(p->b, "<details class=\"checks\"><summary>");
            glim__html_say(p, "span", "profile.left");
            glim__buffer_puts(p->b, "</summary>\n<ul>");
        }
        any = true;
        glim__buffer_printf(p->b, "<li><code>%s</code> ", m->metric->name);
        glim__html_told(p, "span", NULL, m->why ? m->why : m->note);
        glim__buffer_puts(p->b, "</li>\n");
    }
    if (any)
        glim__buffer_puts(p->b, "</ul></details>\n");
}

/* How it was judged, and what could not be. */
static void put_ways(html_page *p, const glim_profile *f) {
    glim__buffer_printf(glim__html_arg(p), "%zu", f->draws);
    glim__html_say(p, "p class=\"note\"", "profile.legend");
    put_left_out(p, f);
    glim__buffer_puts(p->b, "<p>");
    glim__buffer_printf(glim__html_arg(p), "%llu", (unsigned long long)f->e->asked);
    glim__html_plain(glim__html_arg(p), f->absent ? f->absent : "auto",
                     strlen(f->absent ? f->absent : "auto"), HTML_LABEL);
    glim__buffer_printf(glim__html_arg(p), "%llu", (unsigned long long)f->seed);
    glim__html_number(glim__html_arg(p), f->e->seconds, 0, false);
    glim__html_say(p, "span", "profile.cost");
    glim__buffer_puts(p->b, "</p>\n");
}

static void put_foot(html_page *p, const glim_profile *f, const char *digest) {
    for (size_t i = 0; i < f->doc->n_notes; i++)
        glim__html_told(p, "p class=\"note\"", NULL, f->doc->notes[i]);
    put_ways(p, f);
    glim__buffer_puts(p->b, "<footer>");
    if (f->doc->model.file)
        glim__html_label(p->b, f->doc->model.file, strlen(f->doc->model.file), 0);
    glim__buffer_printf(p->b, " \xc2\xb7 glim %s \xc2\xb7 ", glim_version());
    glim__buffer_printf(glim__html_arg(p), "<code id=\"glim-digest\">%s</code>", digest);
    glim__html_say(p, "span", "document");
    glim__buffer_puts(p->b, "</footer>\n");
}

static void put_panels(html_page *p, const glim_profile *f, size_t before) {
    glim_document *panels = NULL;
    const glim_document *was = p->d;
    if (glim__profile_panels(&panels, f, 1, NULL)) {
        p->b->failed = true;
        return;
    }
    p->d = panels;
    p->panels = before;
    glim__html_panels(p);
    p->d = was;
    glim_document_free(panels);
}

void glim__html_profile(html_page *page) {
    glim_profile_kept kept;
    if (!page->d->evaluation)
        return;
    if (glim__profile_open(&kept, page->d, "the document", NULL)) {
        page->b->failed = true;
        return;
    }
    glim_document unsigned_one = *page->d; /* bars have one side */
    unsigned_one.method.is_signed = false;
    html_page p = {.b = page->b, .d = &unsigned_one, .zh = page->zh, .limit = 1};
    glim__buffer_init(&p.args, page->b->ctx);
    glim__buffer_puts(p.b, "<section id=\"glim-profile\">");
    put_head(&p, &kept.profile);
    for (int q = 0; q < GLIM_QUALITIES; q++)
        put_quality(&p, &kept.profile, (glim_quality)q);
    put_panels(&p, &kept.profile, page->d->n_panels);
    put_ways(&p, &kept.profile);
    glim__buffer_puts(p.b, "</section>\n");
    page->b->failed = page->b->failed || p.args.failed;
    glim__buffer_release(&p.args);
    glim__profile_close(&kept);
}

glim_status glim__profile_html(const glim_profile *f, const glim_view_options *o, char **out,
                               size_t *n, glim_error *err) {
    glim_buffer b;
    glim_document unsigned_one = *f->doc; /* bars have one side */
    unsigned_one.method.is_signed = false;
    html_page p = {
        .b = &b, .d = &unsigned_one, .zh = o->lang && !strcmp(o->lang, "zh-CN"), .limit = 1};
    char *json = NULL, digest[9];
    size_t len = 0;
    glim_status status = glim__profile_json(f, o, &json, &len, err);
    if (status)
        return status;
    glim__buffer_init(&b, f->doc->ctx);
    glim__buffer_init(&p.args, f->doc->ctx);
    glim__html_digest(digest, json, len);
    glim__html_begin(&p);
    put_head(&p, f);
    for (int q = 0; q < GLIM_QUALITIES; q++)
        put_quality(&p, f, (glim_quality)q);
    put_panels(&p, f, 0);
    put_foot(&p, f, digest);
    glim__html_end(&p, json, len);
    b.failed = b.failed || p.args.failed;
    glim__free(f->doc->ctx, json);
    glim__buffer_release(&p.args);
    if (b.len > (o->limit ? o->limit : LIMIT)) {
        double size = (double)b.len / (1 << 20);
        glim__buffer_release(&b);
        return glim_fail(err, GLIM_ELIMIT, "the report would have %.1f MiB (a higher --html-limit)",
                         size);
    }
    return glim__view_finish(&b, out, n, err);
}
