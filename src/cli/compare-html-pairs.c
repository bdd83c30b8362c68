/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a comparison's report about every two runs: how alike they are, as heat maps, and
   over many inputs which of two methods describes the model better. */
#include "cli/compare-html.h"

enum { FEW_PAIRS = 6 };

/* ---- how alike ---- */

static void put_matrix(html_page *p, const cli_comparison *c, int which, const char *title) {
    glim__html_say(p, "h3", title);
    cli_html_open(p, "heat");
    glim__buffer_puts(p->b, "<thead><tr><td></td>");
    for (size_t k = 0; k < c->n; k++)
        glim__buffer_printf(p->b, "<th scope=\"col\">%zu</th>", k + 1);
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < c->n; i++) {
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        cli_html_name(p, c, i);
        glim__buffer_puts(p->b, "</th>");
        for (size_t k = 0; k < c->n; k++) {
            double x = cli_pair_value(&c->pairs[i * c->n + k], which);
            if (isfinite(x))
                glim__buffer_printf(p->b, "<td class=\"s%d\">%s%.2f</td>",
                                    glim__step(x, 1) + GLIM_STEPS, x < -0.005 ? "\xe2\x88\x92" : "",
                                    fabs(x));
            else
                glim__buffer_puts(p->b, "<td class=\"nil\"></td>");
        }
        glim__buffer_puts(p->b, "</tr>\n");
    }
    cli_html_close(p);
}

void cli_html_matrices(html_page *p, const cli_comparison *c) {
    bool five = c->many || c->pairs[0].units > GLIM_LIKENESS_TOP;
    glim__buffer_puts(p->b, "<section id=\"glim-alike\">");
    glim__html_say(p, "h2", "compare.alike");
    put_matrix(p, c, 0, "compare.tau");
    if (five)
        put_matrix(p, c, 1, "compare.five");
    put_matrix(p, c, 2, "compare.overlap");
    glim__html_say(p, "p class=\"note\"", "compare.sizes");
    glim__buffer_puts(p->b, "</section>\n");
}

/* ---- methods over many inputs ---- */

static void put_pair(html_page *p, const cli_comparison *c, const cli_judgement *j,
                     const cli_difference *d) {
    const size_t *better = cli_difference_better(c, j, d);
    glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
    cli_html_name(p, c, d->first);
    glim__buffer_puts(p->b, " \xe2\x88\x92 ");
    cli_html_name(p, c, d->second);
    glim__buffer_puts(p->b, "</th><td>");
    glim__html_number(p->b, d->told.mean, 0, true);
    glim__buffer_puts(p->b, "</td><td>");
    if (isfinite(d->told.low)) {
        glim__html_number(p->b, d->told.low, 0, true);
        glim__buffer_puts(p->b, " \xe2\x80\xa6 ");
        glim__html_number(p->b, d->told.high, 0, true);
    }
    glim__buffer_puts(p->b, "</td><td>");
    if (isfinite(d->p))
        glim__buffer_printf(p->b, "%.2g", d->p);
    glim__buffer_puts(p->b, "</td><td>");
    if (better)
        cli_html_name(p, c, *better);
    glim__buffer_puts(p->b, "</td></tr>\n");
}

static void put_mean(html_page *p, const cli_comparison *c, const glim_interval *m, size_t i) {
    glim__buffer_puts(p->b, "<tr class=\"top\"><th scope=\"row\">");
    cli_html_name(p, c, i);
    glim__buffer_puts(p->b, "</th><td>");
    if (isfinite(m->mean))
        glim__html_number(p->b, m->mean, 0, false);
    glim__buffer_puts(p->b, "</td><td>");
    if (isfinite(m->low)) {
        glim__html_number(p->b, m->low, 0, false);
        glim__buffer_puts(p->b, " \xe2\x80\xa6 ");
        glim__html_number(p->b, m->high, 0, false);
    }
    glim__buffer_puts(p->b, "</td></tr>\n");
}

/* Open when there are few; else the summary says how many differ. */
static void put_pairs(html_page *p, const cli_comparison *c, const cli_judgement *j) {
    const char *const keys[] = {"compare.difference", "column.value",   "column.interval",
                                "compare.p",          "compare.better", NULL};
    size_t differ = 0;
    for (size_t i = 0; i < j->n_pairs; i++)
        differ += cli_difference_better(c, j, &j->pairs[i]) != NULL;
    glim__buffer_puts(p->b,
                      j->n_pairs <= FEW_PAIRS ? "<details open><summary>" : "<details><summary>");
    glim__buffer_printf(glim__html_arg(p), "%zu", differ);
    glim__buffer_printf(glim__html_arg(p), "%zu", j->n_pairs);
    glim__html_say(p, "span", c->n_inputs < GLIM_FEW_INPUTS ? "compare.pairs" : "compare.differ");
    glim__buffer_puts(p->b, "</summary>\n");
    cli_html_open(p, "ranks profile compare");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t i = 0; i < j->n_pairs; i++)
        put_pair(p, c, j, &j->pairs[i]);
    cli_html_close(p);
    glim__buffer_puts(p->b, "</details>\n");
}

static void put_judgement(html_page *p, const cli_comparison *c, const cli_judgement *j) {
    const char *const keys[] = {"compare.method", "column.value", "column.interval", NULL};
    char key[64];
    snprintf(key, sizeof key, "%.40s.metric", j->metric->name);
    glim__buffer_printf(p->b, "<h3><code>%s</code> %s</h3>\n", j->metric->name,
                        j->metric->higher ? "\xe2\x86\x91" : "\xe2\x86\x93");
    glim__html_told(p, "p class=\"note\"", key, j->metric->summary);
    cli_html_open(p, "ranks profile compare");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t i = 0; i < c->n; i++)
        put_mean(p, c, &j->means[i], i);
    cli_html_close(p);
    put_pairs(p, c, j);
}

void cli_html_judgements(html_page *p, const cli_comparison *c) {
    if (!c->n_judged)
        return;
    glim__buffer_puts(p->b, "<section id=\"glim-judged\">");
    glim__html_say(p, "h2", "compare.judged");
    for (size_t i = 0; i < c->n_judged; i++)
        put_judgement(p, c, &c->judged[i]);
    glim__html_say(p, "p class=\"note\"", "compare.holm");
    if (c->n_inputs < GLIM_FEW_INPUTS)
        glim__html_say(p, "p class=\"verdict v1\"", "compare.few");
    glim__buffer_puts(p->b, "</section>\n");
}
