/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A comparison as a report in one file, in the page of the explanations' reports and
 * whole without a script: tables with bars, answers that flip, how alike every two runs are as a
 * heat map, drift by layer as lines, and the explanations of the first input under each
 * other (compare-html-input.c). What --json writes is embedded.
 */
#include "cli/compare-html.h"
#include "cli/told-html.h"

enum { BAR = 56, MOST_FLIPS = 100 };

void cli_html_name(html_page *p, const cli_comparison *c, size_t i) {
    const char *name = cli_compared_name(c, i);
    glim__buffer_printf(p->b, "<b>%zu</b> ", i + 1);
    glim__html_label(p->b, name, strlen(name), 40);
}

void cli_html_open(html_page *p, const char *class) {
    glim__buffer_printf(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"%s\">\n", class);
}

void cli_html_close(html_page *p) {
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

/* ---- head ---- */

static void put_head(html_page *p, const cli_comparison *c) {
    const glim_document *d = c->docs[0];
    glim__buffer_printf(glim__html_arg(p), "%zu", c->n);
    glim__html_say(p, "h1", c->models ? "compare.models" : "compare.methods");
    if (c->many) {
        glim__buffer_printf(glim__html_arg(p), "%zu", c->n_inputs);
        glim__buffer_printf(glim__html_arg(p), "%zu", c->available);
        glim__buffer_printf(glim__html_arg(p), "%zu", c->failed + c->empty);
        glim__html_say(p, "p class=\"target\"", "compare.many");
    } else {
        glim__html_quote(glim__html_arg(p), d->target.text ? d->target.text : "",
                         d->target.text ? d->target.text_len : 0, 48);
        glim__buffer_printf(glim__html_arg(p), "%zu", d->n_rows);
        glim__html_say(p, "p class=\"target\"", d->n_rows > 1 ? "compare.targets" : "compare.one");
    }
    if (c->models) {
        glim__html_plain(glim__html_arg(p), d->method.name, strlen(d->method.name), 40);
        glim__html_say(p, "p", "compare.by");
    }
    glim__buffer_puts(p->b, "</header>\n");
    if (c->partial)
        glim__html_say(p, "p class=\"verdict v1\"", "compare.partial");
}

/* ---- the table of models ---- */

static double largest(const cli_comparison *c, const cli_column *column) {
    double most = 0;
    for (size_t i = 0; i < c->n; i++)
        most = fmax(most, isfinite(cli_column_value(c, column, i))
                              ? fabs(cli_column_value(c, column, i))
                              : 0);
    return most;
}

static void put_cell(html_page *p, const cli_comparison *c, const cli_column *column, size_t i) {
    char text[32];
    double x = cli_column_value(c, column, i), most = largest(c, column);
    double width = most > 0 && x > 0 && isfinite(x) ? BAR * x / most : 0;
    glim__buffer_puts(p->b, "<td>");
    const char *cell = cli_column_text(text, column->form, x);
    glim__html_escape(p->b, cell, strlen(cell));
    if (most > 0 && x >= 0) /* what is negative is no length */
        glim__buffer_printf(
            p->b,
            "<svg class=\"bar\" width=\"%d\" height=\"6\" aria-hidden=\"true\"><rect "
            "class=\"amount\" width=\"%.1f\" height=\"6\"/></svg></td>",
            BAR, width);
}

static void put_columns(html_page *p, const cli_comparison *c, size_t from, size_t to) {
    cli_html_open(p, "ranks profile compare");
    glim__buffer_puts(p->b, "<thead><tr><th scope=\"col\">");
    glim__html_term(p, p->b, "compare.model");
    glim__buffer_puts(p->b, "</th>");
    for (size_t k = from; k < to; k++) {
        char key[48];
        if (!cli_column_told(c, &cli_columns[k]))
            continue;
        snprintf(key, sizeof key, "compare.%.30s", cli_columns[k].key);
        glim__buffer_puts(p->b, "<th scope=\"col\">");
        glim__html_term(p, p->b, key);
        glim__buffer_puts(p->b, "</th>");
    }
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < c->n; i++) {
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        cli_html_name(p, c, i);
        glim__buffer_puts(p->b, "</th>");
        for (size_t k = from; k < to; k++)
            if (cli_column_told(c, &cli_columns[k]))
                put_cell(p, c, &cli_columns[k], i);
        glim__buffer_puts(p->b, "</tr>\n");
    }
    cli_html_close(p);
}

/* Why a model has no such number. */
static void put_why(html_page *p, size_t i, const char *key, const char *why) {
    if (!why)
        return;
    glim__buffer_printf(p->b, "<p class=\"note\"><b>%zu</b> ", i + 1);
    glim__html_term(p, p->b, key);
    glim__buffer_puts(p->b, ": ");
    glim__html_told(p, "span", NULL, why);
    glim__buffer_puts(p->b, "</p>\n");
}

/* Three tables, each as wide as a page; `from` is the key of a group's first column. */
static void put_models(html_page *p, const cli_comparison *c) {
    static const struct {
        const char *title, *from;
    } groups[] = {{"compare.speed", "file_bytes"},
                  {"compare.quality", "kl"},
                  {"compare.explanation", "kendall"},
                  {NULL, NULL}};
    size_t n = 0, at = 0;
    while (cli_columns[n].name)
        n++;
    glim__buffer_puts(p->b, "<section id=\"glim-models\">");
    for (size_t g = 0; groups[g].title; g++) {
        size_t end = at + 1;
        while (end < n && (!groups[g + 1].from || strcmp(cli_columns[end].key, groups[g + 1].from)))
            end++;
        bool any = false;
        for (size_t k = at; k < end; k++)
            any = any || cli_column_told(c, &cli_columns[k]);
        if (any) {
            glim__html_say(p, "h2", groups[g].title);
            put_columns(p, c, at, end);
        }
        at = end;
    }
    for (size_t i = 1; i < c->n; i++) {
        put_why(p, i, "compare.kl", c->runs[i].no_kl);
        put_why(p, i, "compare.drift", c->runs[i].no_drift);
    }
    glim__html_say(p, "p class=\"note\"", "compare.legend");
    glim__buffer_puts(p->b, "</section>\n");
}

/* ---- answers that flip ---- */

static bool flips(const cli_comparison *c, const cli_compared_input *in) {
    bool any = false;
    for (size_t i = 1; i < c->n; i++)
        any = any || in->said[i].flips > 0;
    return any;
}

static void put_answers(html_page *p, const cli_comparison *c, const cli_compared_input *in) {
    glim__buffer_printf(p->b, "<tr><td>%zu</td><th scope=\"row\">",
                        c->many ? in->row + 1 : (size_t)1);
    glim__html_label(p->b, in->text ? in->text : "", in->text ? in->len : 0, 80);
    glim__buffer_puts(p->b, "</th>");
    for (size_t i = 0; i < c->n; i++) {
        const cli_answer *a = &in->said[i].answer;
        bool other = in->said[i].flips > 0;
        glim__buffer_puts(p->b, other ? "<td><strong>" : "<td>");
        if (a->told)
            glim__html_label(p->b, a->text, a->len, HTML_LABEL);
        glim__buffer_puts(p->b, other ? "</strong> \xe2\x87\x84</td>" : "</td>");
    }
    glim__buffer_puts(p->b, "</tr>\n");
}

static void put_flips(html_page *p, const cli_comparison *c) {
    size_t all = 0, shown = 0;
    if (!c->inputs[0].said[0].answer.told)
        return;
    for (size_t i = 0; i < c->n_inputs; i++)
        all += flips(c, &c->inputs[i]);
    glim__buffer_puts(p->b, "<section id=\"glim-flips\">");
    glim__html_say(p, "h2", "compare.flipped");
    if (!all)
        glim__html_say(p, "p", "compare.none-flips");
    if (all || !c->many) {
        cli_html_open(p, "ranks");
        glim__buffer_puts(p->b, "<thead><tr><th scope=\"col\">");
        glim__html_term(p, p->b, "column.row");
        glim__buffer_puts(p->b, "</th><th scope=\"col\">");
        glim__html_term(p, p->b, "compare.text");
        glim__buffer_puts(p->b, "</th>");
        for (size_t i = 0; i < c->n; i++)
            glim__buffer_printf(p->b, "<th scope=\"col\">%zu</th>", i + 1);
        glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
        for (size_t i = 0; i < c->n_inputs; i++)
            if (flips(c, &c->inputs[i]) ? shown++ < MOST_FLIPS : !all)
                put_answers(p, c, &c->inputs[i]);
        cli_html_close(p);
    }
    if (all > MOST_FLIPS) {
        glim__buffer_printf(glim__html_arg(p), "%zu", all - MOST_FLIPS);
        glim__html_say(p, "p class=\"note\"", "compare.more-flips");
    }
    glim__buffer_puts(p->b, "</section>\n");
}

/* ---- the page ---- */

static void put_foot(html_page *p, const cli_comparison *c, const char *digest) {
    if (c->n_left_out) {
        glim__buffer_puts(p->b, "<details class=\"checks\"><summary>");
        glim__html_say(p, "span", "profile.left");
        glim__buffer_puts(p->b, "</summary>\n<ul>");
        for (size_t i = 0; i < c->n_left_out; i++) {
            glim__buffer_printf(p->b, "<li><code>%s</code> ", c->left_out[i].method);
            glim__html_told(p, "span", NULL, c->left_out[i].why);
            glim__buffer_puts(p->b, "</li>\n");
        }
        glim__buffer_puts(p->b, "</ul></details>\n");
    }
    glim__buffer_puts(p->b, "<footer>");
    if (c->docs[0]->model.file)
        glim__html_label(p->b, c->docs[0]->model.file, strlen(c->docs[0]->model.file), 0);
    glim__buffer_printf(p->b, " \xc2\xb7 glim %s \xc2\xb7 ", glim_version());
    glim__buffer_printf(glim__html_arg(p), "<code id=\"glim-digest\">%s</code>", digest);
    glim__html_say(p, "span", "document");
    glim__buffer_puts(p->b, "</footer>\n");
}

static void put_page(html_page *p, cli_comparison *c, const json_t *all, const glim_buffer *json) {
    char digest[9];
    glim__html_digest(digest, json->data, json->len);
    glim__html_begin(p);
    put_head(p, c);
    if (c->models) {
        put_models(p, c);
        put_flips(p, c);
        cli_html_drift(p, c);
    } else {
        cli_html_judgements(p, c);
        cli_html_matrices(p, c);
    }
    cli_html_strips(p, c);
    cli_html_scatter(p, c, all);
    cli_html_rows(p, c);
    if (c->models && c->n > 2)
        cli_html_matrices(p, c);
    put_foot(p, c, digest);
    glim__html_end(p, json->data, json->len);
}

glim_status cli_compare_html(cli_comparison *c) {
    cli_run *run = c->run;
    glim_buffer b, json;
    html_page p = {.b = &b, .d = c->docs[0], .zh = !strcmp(cli_lang(run), "zh-CN"), .limit = 1};
    json_t *value = NULL;
    glim__buffer_init(&b, run->ctx);
    glim__buffer_init(&json, run->ctx);
    glim__buffer_init(&p.args, run->ctx);
    glim_status status = cli_compare_json(c, &value);
    if (!status)
        status = glim__json_write(&json, value, 0, false, &run->err);
    if (!status && json.failed)
        status = glim__oom(run->ctx, &run->err, "the report", json.len);
    if (!status) {
        put_page(&p, c, value, &json);
        b.failed = b.failed || p.args.failed;
        status = cli_html_write(run, &b, "");
    }
    json_decref(value);
    glim__buffer_release(&json);
    glim__buffer_release(&p.args);
    glim__buffer_release(&b);
    return status;
}
