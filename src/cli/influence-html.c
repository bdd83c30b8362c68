/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `glim influence`: one page, whole without a script, with the figures of
 * influence-figures.c, lists of samples, and the document as --json writes it.
 */
#include "cli/influence-apart.h"
#include "cli/influence-figures.h"
#include "cli/told-html.h"

enum { MOST_QUERIES = 20, TEXT = 160 };

static void text_argument(html_page *p, const char *text) {
    glim__html_plain(glim__html_arg(p), text, strlen(text), TEXT);
}

/* Four digits, with the sign that is as wide as a plus. */
static void put_number(glim_buffer *b, double x) {
    if (isfinite(x))
        glim__buffer_printf(b, "%s%.4g", x < 0 ? "\xe2\x88\x92" : "", fabs(x));
    else
        glim__buffer_puts(b, "\xc3\x97");
}

/* ---- lists ---- */

static void put_cell(html_page *p, const char *text, int most) {
    glim__buffer_puts(p->b, "<td>");
    glim__html_plain(p->b, text, strlen(text), most);
    glim__buffer_puts(p->b, "</td>");
}

static void put_row(html_page *p, const cli_told *t, const cli_told_entry *e) {
    const cli_told_sample *s = e->sample;
    glim__buffer_printf(p->b, "<tr data-p=\"%zu\"><th scope=\"row\">%zu</th><td>", s->row, s->row);
    put_number(p->b, e->value);
    glim__buffer_puts(p->b, "</td>");
    put_cell(p, s->label ? s->label : "", t->model.streams ? TEXT : 24);
    if (!t->model.streams && s->says) {
        put_cell(p, s->says, 24);
    } else if (!t->model.streams) {
        glim__buffer_puts(p->b, "<td>");
        put_number(p->b, s->number);
        glim__buffer_puts(p->b, "</td>");
    }
    put_cell(p, s->text, TEXT);
    glim__buffer_puts(p->b, "</tr>\n");
}

/* What a whole model would have said of each sample is not asked. */
static void open_list(html_page *p, const cli_told *t) {
    static const char *const of_head[] = {"influence.row",  "influence.number", "influence.label",
                                          "influence.says", "influence.words",  NULL};
    static const char *const of_model[] = {"influence.row", "influence.number", "influence.label",
                                           "influence.words", NULL};
    const char *const *keys = t->model.streams ? of_model : of_head;
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"samples\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>\n");
}

static void close_list(html_page *p) {
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

static void put_ends(html_page *p, const cli_told *t, const cli_told_entry *e, size_t n) {
    if (!n) {
        glim__html_say(p, "p class=\"note\"", "influence.none");
        return;
    }
    open_list(p, t);
    for (size_t k = 0; k < n; k++)
        put_row(p, t, &e[k]);
    close_list(p);
}

/* Samples of one side of a query, and what their tokens or parts have. */
static void put_side(html_page *p, const cli_told *t, const cli_told_column *c, int sign) {
    const cli_told_entry *e = sign > 0 ? c->high : c->low;
    size_t n = cli_of_sign(e, sign > 0 ? c->n_high : c->n_low, sign);
    put_ends(p, t, e, n);
    for (size_t k = 0; k < n; k++)
        cli_share_html(p, t, cli_told_share(t, e[k].sample, c->query));
}

/* ---- parts ---- */

static void put_model(html_page *p, const cli_told *t) {
    if (t->model.streams) {
        cli_html_argument(p, "%.200s", t->model.file ? t->model.file : "?");
        cli_html_argument(p, "%.100s", t->train.file);
        cli_html_argument(p, "%.60s", t->doc->method.name);
        glim__html_say(p, "p", "influence.whole-model");
        return;
    }
    cli_html_argument(p, "%s", t->model.classes ? "logistic" : "linear");
    cli_html_argument(p, "%zu", t->model.features);
    cli_html_argument(p, "%g", t->model.strength);
    cli_html_argument(p, "%.100s", t->train.file);
    cli_html_argument(p, "%.60s", t->doc->method.name);
    glim__html_say(p, "p", "influence.model");
}

static void put_head(html_page *p, const cli_told *t) {
    cli_html_argument(p, "%zu", t->train.samples);
    glim__html_say(p, "h1", t->n_queries ? "influence.traced" : "influence.title");
    put_model(p, t);
    glim__buffer_puts(p->b, "</header>\n");
    cli_html_verdict(p, t->doc->verdict, t->doc->verdict_reason);
}

/* Sums over samples that share a value, and what refits without them changed. */
static void put_groups(html_page *p, const cli_told *t, size_t q) {
    enum { MOST = 50 };
    const char *keys[] = {"influence.group", "influence.samples", "influence.sum", NULL, NULL};
    size_t order[MOST], n = t->groups.n < MOST ? t->groups.n : MOST;
    if (!n)
        return;
    for (size_t k = 0; k < t->groups.n; k++)
        if (isfinite(t->groups.actual[k * t->n_queries + q]))
            keys[3] = "influence.refit";
    cli_html_argument(p, "%.60s", t->grouped ? t->grouped : "?");
    glim__html_say(p, "h3", "influence.groups");
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table>");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>\n");
    cli_groups_largest(t, q, n, order);
    for (size_t k = 0; k < n; k++) {
        size_t at = order[k] * t->n_queries + q;
        const char *name = t->groups.names[order[k]];
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        glim__html_plain(p->b, name, strlen(name), 48);
        glim__buffer_printf(p->b, "</th><td>%zu</td><td>", t->groups.sizes[order[k]]);
        put_number(p->b, t->groups.sum[at]);
        glim__buffer_puts(p->b, keys[3] ? "</td><td>" : "");
        if (keys[3] && isfinite(t->groups.actual[at]))
            put_number(p->b, t->groups.actual[at]);
        glim__buffer_puts(p->b, "</td>");
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
    if (t->groups.n > n) {
        cli_html_argument(p, "%zu", t->groups.n - n);
        glim__html_say(p, "p class=\"note\"", "influence.more-groups");
    }
}

static void put_query(html_page *p, const cli_told *t, size_t q) {
    const cli_told_sample *s = &t->queries[q];
    cli_html_argument(p, "%zu", q + 1);
    text_argument(p, s->text);
    glim__buffer_puts(p->b, "<section class=\"level\">");
    glim__html_say(p, "h2", "influence.query");
    cli_html_argument(p, "%.40s", t->output ? t->output : "logprob");
    if (t->model.streams)
        text_argument(p, s->label ? s->label : "\xe2\x80\xa6");
    else
        text_argument(p, s->of ? s->of : "\xc5\xb7");
    put_number(glim__html_arg(p), s->value);
    glim__html_say(p, "p class=\"note\"", "influence.value");
    for (size_t k = 0; k < t->n_columns; k++) {
        const cli_told_column *c = &t->columns[k];
        if (c->query == q && !strcmp(c->name, "similarity")) {
            glim__html_say(p, "h3", "influence.alike");
            put_ends(p, t, c->high, c->n_high);
        }
        if (c->query != q || strcmp(c->name, "influence") != 0)
            continue;
        glim__html_say(p, "h3", "influence.helpful");
        put_side(p, t, c, 1);
        glim__html_say(p, "h3", "influence.harmful");
        put_side(p, t, c, -1);
        cli_share_legend(p, t);
    }
    put_groups(p, t, q);
    glim__buffer_puts(p->b, "</section>\n");
}

static void put_figures(html_page *p, const cli_told *t) {
    const cli_told_figures *f = &t->figures;
    cli_html_argument(p, "%zu", t->columns[t->score].beyond);
    cli_html_argument(p, "%zu", t->columns[t->score].defined);
    cli_html_argument(p, "%.4g", t->score_limit);
    glim__buffer_puts(p->b, "<section>");
    glim__html_say(p, "h2", "influence.stems");
    cli_figure_stems(p, t);
    if (f->column > 1) {
        cli_html_argument(p, "%zu", f->column);
        glim__html_say(p, "p class=\"note\"", "influence.band");
    }
    glim__buffer_puts(p->b, "</section>\n");
    if (!f->drawn)
        return;
    glim__buffer_puts(p->b, "<section>");
    glim__html_say(p, "h2", "influence.plane");
    cli_figure_plane(p, t);
    cli_html_argument(p, "%zu", f->drawn);
    glim__html_say(p, "p class=\"note\"", "influence.plane-note");
    glim__buffer_puts(p->b, "</section>\n");
}

static void put_flags(html_page *p, const cli_told *t) {
    static const char *const keys[] = {"influence.mislabelled", "influence.far"};
    for (size_t k = 0; k < 2; k++) {
        const cli_told_flag *f = &t->flags[k];
        if (!f->count)
            continue;
        cli_html_argument(p, "%zu", f->count);
        glim__html_say(p, "h2", k || !t->model.streams ? keys[k] : "influence.mislabelled-model");
        put_ends(p, t, f->samples, f->n);
    }
    if (!t->twins.pairs)
        return;
    cli_html_argument(p, "%zu", t->twins.pairs);
    cli_html_argument(p, "%zu", t->twins.differing);
    glim__html_say(p, "p", "influence.same");
}

static void put_truth(html_page *p, const cli_told *told) {
    const glim_truth *t = &told->truth;
    if (!told->checked)
        return;
    cli_html_argument(p, "%zu", t->removed);
    cli_html_argument(p, "%.3f", t->spearman);
    cli_html_argument(p, "%zu", t->subsets);
    cli_html_argument(p, "%.3f", t->lds);
    glim__html_say(p, "p", "influence.loo");
    if (!t->planted)
        return;
    cli_html_argument(p, "%zu", t->planted);
    for (size_t k = 0; k < 2; k++) { /* six arguments at most: two lines */
        cli_html_argument(p, "%.60s", t->found[k].name);
        cli_html_argument(p, "%.0f %%", 100 * t->found[k].recall);
    }
    glim__html_say(p, "p", "influence.found");
}

static void put_foot(html_page *p, const cli_told *t) {
    char key[64];
    const glim_document *d = t->doc;
    snprintf(key, sizeof key, "%.40s.caption", d->method.name);
    glim__html_told(p, "p class=\"caption\"", key, d->method.caption);
    if (t->n_queries)
        glim__html_say(p, "p class=\"caption\"", "influence.sign");
    cli_html_foot(p, d->notes, d->n_notes, d->version);
}

/* Of methods that have other numbers than a score of each sample by itself. */
static void put_columns(html_page *p, const cli_told *t) {
    for (size_t k = 0; k < t->n_columns && t->model.streams; k++) {
        const cli_told_column *c = &t->columns[k];
        if (c->query != GLIM_NO_QUERY || k == t->score || !strcmp(c->name, "duplicate-of"))
            continue;
        cli_html_argument(p, "%.60s", c->name);
        glim__html_say(p, "h2", "influence.largest");
        put_ends(p, t, c->high, cli_worth_a_look(c));
    }
}

static void put_body(html_page *p, const cli_told *t) {
    put_head(p, t);
    for (size_t q = 0; q < t->n_queries && q < MOST_QUERIES; q++)
        put_query(p, t, q);
    if (t->figures.n)
        put_figures(p, t);
    cli_figure_histogram(p, t);
    if (t->score != SIZE_MAX) {
        const cli_told_column *c = &t->columns[t->score];
        glim__html_say(p, "h2", "influence.leaned");
        put_ends(p, t, c->high, c->n_high);
    }
    put_columns(p, t);
    put_flags(p, t);
    put_truth(p, t);
    if (t->steps.n) {
        cli_html_argument(p, "%zu", t->steps.n);
        cli_html_argument(p, "%.3f", t->steps.rank);
        glim__html_say(p, "p", "influence.steps");
    }
    put_foot(p, t);
}

glim_status cli_told_html(cli_run *run, const cli_told *t) {
    glim_buffer b;
    html_page p = {.b = &b, .d = t->doc, .zh = !strcmp(cli_lang(run), "zh-CN"), .limit = 1};
    glim__buffer_init(&b, run->ctx);
    glim__buffer_init(&p.args, run->ctx);
    glim__html_begin(&p);
    put_body(&p, t);
    bool ok = true;
    json_t *all = cli_told_json(t, &ok);
    glim_status status = cli_html_data(&p, all, ok, &run->err);
    b.failed = b.failed || p.args.failed;
    if (!status)
        status = cli_html_write(run, &b, ", or a lower --top");
    glim__buffer_release(&p.args);
    glim__buffer_release(&b);
    return status;
}
