/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `glim influence`: one page without a script, with the figures of
 * influence-figures.c, lists of samples, and the document as --json writes it.
 */
#include "cli/influence-figures.h"

#include <stdarg.h>

enum { MOST_QUERIES = 20, MOST_MARKS = 2000, TEXT = 160 };

static const char *const marks[] = {"\xe2\x9c\x93", "\xe2\x96\xb2", "\xe2\x9c\x96"};
static const char *const verdicts[] = {"verdict.ok", "verdict.careful", "verdict.distrust"};

static void argument(html_page *p, const char *format, ...) GLIM_PRINTF(2, 3);
static void argument(html_page *p, const char *format, ...) {
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glim__html_plain(glim__html_arg(p), text, strlen(text), 0);
}

static void words_argument(html_page *p, const cli_influence *c, const cli_samples *s, size_t i) {
    glim_buffer words;
    glim__buffer_init(&words, c->run->ctx);
    cli_sample_words(c, s, i, &words);
    glim__html_plain(glim__html_arg(p), words.data ? words.data : "", words.len, TEXT);
    p->b->failed = p->b->failed || words.failed;
    glim__buffer_release(&words);
}

static const char *class_name(const cli_influence *c, size_t k) {
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    return i->n_classes ? i->classes[k] : "\xc5\xb7";
}

/* ---- lists ---- */

static void put_cell(html_page *p, const char *text, int most) {
    glim__buffer_puts(p->b, "<td>");
    glim__html_plain(p->b, text, strlen(text), most);
    glim__buffer_puts(p->b, "</td>");
}

static void put_row(html_page *p, cli_influence *c, size_t i, double value) {
    char text[48];
    double says = cli_sample_says(c, &c->train, i);
    glim_buffer words;
    glim__buffer_init(&words, c->run->ctx);
    glim__buffer_printf(p->b, "<tr><th scope=\"row\">%zu</th><td>%.4g</td>",
                        cli_sample_row(&c->train, i), value);
    const char *label = cli_sample_label(&c->train, i);
    put_cell(p, label ? label : "", c->streams ? TEXT : 24);
    cli_sample_words(c, &c->train, i, &words);
    snprintf(text, sizeof text, "%.4g", says);
    if (!c->streams)
        put_cell(p, c->head.logistic && says >= 0 ? class_name(c, (size_t)says) : text, 24);
    put_cell(p, words.data ? words.data : "", TEXT);
    glim__buffer_puts(p->b, "</tr>\n");
    p->b->failed = p->b->failed || words.failed;
    glim__buffer_release(&words);
}

/* What a whole model would have said of each sample is not asked. */
static void open_list(html_page *p, const cli_influence *c) {
    static const char *const of_head[] = {"influence.row",  "influence.number", "influence.label",
                                          "influence.says", "influence.words",  NULL};
    static const char *const of_model[] = {"influence.row", "influence.number", "influence.label",
                                           "influence.words", NULL};
    const char *const *keys = c->streams ? of_model : of_head;
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"samples\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>\n");
}

static void close_list(html_page *p) {
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

static void put_ends(html_page *p, cli_influence *c, const glim_influence_entry *e, size_t n) {
    if (!n) {
        glim__html_say(p, "p class=\"note\"", "influence.none");
        return;
    }
    open_list(p, c);
    for (size_t k = 0; k < n; k++)
        put_row(p, c, e[k].sample, e[k].value);
    close_list(p);
}

/* ---- parts ---- */

static void put_model(html_page *p, const cli_influence *c) {
    if (c->streams) {
        argument(p, "%.200s", glim_model_facts(c->run->model)->path);
        argument(p, "%.100s", c->train.path);
        argument(p, "%s", c->method->name);
        glim__html_say(p, "p", "influence.whole-model");
        return;
    }
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    argument(p, "%s", i->n_classes ? "logistic" : "linear");
    argument(p, "%zu", i->width);
    argument(p, "%g", i->strength);
    argument(p, "%.100s", c->train.path);
    argument(p, "%s", c->method->name);
    glim__html_say(p, "p", "influence.model");
}

static void put_head(html_page *p, const cli_influence *c) {
    glim_verdict v = c->doc->verdict;
    argument(p, "%zu", c->train.n);
    glim__html_say(p, "h1", c->query.n ? "influence.traced" : "influence.title");
    put_model(p, c);
    glim__buffer_puts(p->b, "</header>\n");
    glim__buffer_printf(p->b, "<p class=\"verdict v%d\"><span aria-hidden=\"true\">%s</span> ",
                        (int)v, marks[v]);
    glim__html_say(p, "strong", verdicts[v]);
    if (*c->doc->verdict_reason) {
        glim__buffer_puts(p->b, ": ");
        glim__html_plain(p->b, c->doc->verdict_reason, strlen(c->doc->verdict_reason), 0);
    }
    glim__buffer_puts(p->b, "</p>\n");
}

static void put_query(html_page *p, cli_influence *c, size_t q) {
    argument(p, "%zu", q + 1);
    words_argument(p, c, &c->query, q);
    glim__buffer_puts(p->b, "<section class=\"level\">");
    glim__html_say(p, "h2", "influence.query");
    argument(p, "%s", c->run->o.output ? c->run->o.output : "logprob");
    const char *of = c->streams ? cli_sample_label(&c->query, q) : class_name(c, c->queries[q].of);
    glim__html_plain(glim__html_arg(p), of ? of : "…", of ? strlen(of) : 3, TEXT);
    argument(p, "%.4g", c->queries[q].value);
    glim__html_say(p, "p class=\"note\"", "influence.value");
    for (size_t k = 0; k < c->n_columns; k++) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        if (c->columns[k].query == q && !strcmp(c->names[k], "similarity")) {
            glim__html_say(p, "h3", "influence.alike");
            put_ends(p, c, e->high, e->n_high);
        }
        if (c->columns[k].query != q || strcmp(c->names[k], "influence") != 0)
            continue;
        glim__html_say(p, "h3", "influence.helpful");
        put_ends(p, c, e->high, cli_of_sign(e->high, e->n_high, 1));
        glim__html_say(p, "h3", "influence.harmful");
        put_ends(p, c, e->low, cli_of_sign(e->low, e->n_low, -1));
    }
    glim__buffer_puts(p->b, "</section>\n");
}

static void put_figures(html_page *p, cli_influence *c) {
    const glim_influence_ends *e = glim_extremes_column(c->ends, c->score);
    size_t column = cli_figure_column(c);
    argument(p, "%zu", e->beyond);
    argument(p, "%zu", e->defined);
    argument(p, "%.4g", c->score_limit);
    glim__buffer_puts(p->b, "<section>");
    glim__html_say(p, "h2", "influence.stems");
    cli_figure_stems(p, c);
    if (column > 1) {
        argument(p, "%zu", column);
        glim__html_say(p, "p class=\"note\"", "influence.band");
    }
    glim__buffer_puts(p->b, "</section>\n");
    if (c->leverage == SIZE_MAX || c->residual == SIZE_MAX)
        return;
    glim__buffer_puts(p->b, "<section>");
    glim__html_say(p, "h2", "influence.plane");
    cli_figure_plane(p, c, MOST_MARKS);
    argument(p, "%d", c->done < MOST_MARKS ? (int)c->done : (int)MOST_MARKS);
    glim__html_say(p, "p class=\"note\"", "influence.plane-note");
    glim__buffer_puts(p->b, "</section>\n");
}

static void put_flags(html_page *p, cli_influence *c) {
    static const char *const keys[] = {"influence.mislabelled", "influence.far"};
    const unsigned kinds[] = {CLI_MISLABELLED, CLI_FAR};
    size_t most = (size_t)c->run->o.top;
    size_t *list = glim__calloc(c->run->ctx, most, sizeof *list);
    for (size_t k = 0; k < 2 && list; k++) {
        size_t n = cli_flagged(c, kinds[k], most, list);
        if (!n)
            continue;
        argument(p, "%zu", n);
        glim__html_say(p, "h2", keys[k]);
        open_list(p, c);
        for (size_t i = 0; i < n && i < most; i++) {
            cli_mark mark = cli_mark_of(c, list[i]);
            put_row(p, c, list[i], (double)(k ? mark.leverage : mark.score));
        }
        close_list(p);
    }
    glim__free(c->run->ctx, list);
    if (!c->twins.pairs)
        return;
    argument(p, "%zu", c->twins.pairs);
    argument(p, "%zu", c->twins.differing);
    glim__html_say(p, "p", "influence.same");
}

static void put_truth(html_page *p, const cli_influence *c) {
    const glim_truth *t = &c->truth;
    if (!c->checked)
        return;
    argument(p, "%zu", t->removed);
    argument(p, "%.3f", t->spearman);
    argument(p, "%zu", t->subsets);
    argument(p, "%.3f", t->lds);
    glim__html_say(p, "p", "influence.loo");
    if (!t->planted)
        return;
    argument(p, "%zu", t->planted);
    for (size_t k = 0; k < 2; k++) { /* six arguments at most: two lines */
        argument(p, "%s", t->found[k].name);
        argument(p, "%.0f %%", 100 * t->found[k].recall);
    }
    glim__html_say(p, "p", "influence.found");
}

static void put_foot(html_page *p, const cli_influence *c) {
    char key[64];
    snprintf(key, sizeof key, "%.40s.caption", c->method->name);
    glim__html_told(p, "p class=\"caption\"", key, c->method->caption);
    if (c->query.n)
        glim__html_say(p, "p class=\"caption\"", "influence.sign");
    for (size_t i = 0; i < c->doc->n_notes; i++) {
        glim__buffer_puts(p->b, "<p class=\"note\">");
        glim__html_plain(p->b, c->doc->notes[i], strlen(c->doc->notes[i]), 0);
        glim__buffer_puts(p->b, "</p>\n");
    }
    glim__buffer_printf(p->b, "<footer>glim %s</footer>\n</main>\n", glim_version());
}

static glim_status put_data(html_page *p, cli_influence *c) {
    bool ok = true;
    json_t *all = cli_influence_json(c, &ok);
    glim_buffer text;
    glim__buffer_init(&text, c->run->ctx);
    glim_status status = glim__json_write(&text, ok ? all : NULL, 0, false, &c->run->err);
    json_decref(all);
    glim__buffer_puts(p->b, "<script type=\"application/json\" id=\"glim-data\">");
    if (!status && text.data)
        glim__html_data(p->b, text.data, text.len);
    glim__buffer_puts(p->b, "</script>\n</body>\n</html>\n");
    p->b->failed = p->b->failed || text.failed;
    glim__buffer_release(&text);
    return status;
}

/* Of methods that have other numbers than a score of each sample by itself. */
static void put_columns(html_page *p, cli_influence *c) {
    for (size_t k = 0; k < c->n_columns && c->streams; k++) {
        if (c->columns[k].query != GLIM_NO_QUERY || k == c->score ||
            !strcmp(c->names[k], "duplicate-of"))
            continue;
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        argument(p, "%s", c->names[k]);
        glim__html_say(p, "h2", "influence.largest");
        put_ends(p, c, e->high, cli_worth_a_look(&c->columns[k], e));
    }
}

glim_status cli_influence_html(cli_influence *c) {
    cli_run *run = c->run;
    glim_buffer b;
    html_page p = {.b = &b, .d = c->doc, .zh = !strcmp(cli_lang(run), "zh-CN"), .limit = 1};
    glim__buffer_init(&b, run->ctx);
    glim__buffer_init(&p.args, run->ctx);
    glim__html_begin(&p, false);
    put_head(&p, c);
    for (size_t q = 0; q < c->query.n && q < MOST_QUERIES && c->queries; q++)
        put_query(&p, c, q);
    if (c->score != SIZE_MAX && !strcmp(c->names[c->score], "cooks-distance"))
        put_figures(&p, c);
    if (c->score != SIZE_MAX) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, c->score);
        glim__html_say(&p, "h2", "influence.leaned");
        put_ends(&p, c, e->high, e->n_high);
    }
    put_columns(&p, c);
    put_flags(&p, c);
    put_truth(&p, c);
    if (c->steps.n) {
        argument(&p, "%zu", c->steps.n);
        argument(&p, "%.3f", c->steps.rank);
        glim__html_say(&p, "p", "influence.steps");
    }
    put_foot(&p, c);
    glim_status status = put_data(&p, c);
    b.failed = b.failed || p.args.failed;
    if (!status && b.failed)
        status = glim__oom(run->ctx, &run->err, "the report", b.len);
    if (!status && b.len > run->o.html_limit)
        status = glim_fail(&run->err, GLIM_ELIMIT,
                           "the report would have %.1f MiB (a higher --html-limit, or a lower "
                           "--top)",
                           (double)b.len / (1 << 20));
    if (!status)
        status = glim__file_write(run->o.html, b.data, b.len, &run->err);
    if (!status)
        cli_wrote(run, run->o.html);
    glim__buffer_release(&p.args);
    glim__buffer_release(&b);
    return status;
}
