/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of `glim compare` in the terminal: how much explanations agree, and of methods
 * what each of them names first. Methods are numbered, so that the table stays narrow. What
 * is said of models is in compare-show-models.c.
 */
#include "cli/compare-show.h"
#include "cli/show.h"
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { CELL = 5, MOST_ROWS = 40, FEW_PAIRS = 6 };

/* Words of a line that grows, wrapped to the page; releases them. */
void cli_put_line(glim_page *p, glim_buffer *line) {
    p->b.failed = p->b.failed || line->failed;
    glim__page_wrapped(p, line->data ? line->data : "");
    glim__buffer_release(line);
}

/* What is explained: of one input the target, else how many inputs there are. */
static void put_target(glim_page *p, const cli_comparison *c) {
    const glim_document *d = c->docs[0];
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    if (c->many) {
        glim__buffer_printf(&line, "Means over %zu of %zu inputs", c->n_inputs, c->available);
        if (c->failed + c->empty)
            glim__buffer_printf(&line, "; left out: %zu", c->failed + c->empty);
        if (c->failed)
            glim__buffer_printf(&line, " (%zu failed%s%s)", c->failed,
                                c->saved ? "" : ", the first: ", c->first.message);
        cli_put_line(p, &line);
        return;
    }
    glim__buffer_puts(&line, "Target \"");
    if (d->target.text) {
        glim_buffer text;
        glim__buffer_init(&text, c->run->ctx);
        cli_visible(&text, d->target.text, d->target.text_len, CLI_TOKEN, p->o->ascii);
        glim__page_label(p, &line, text.data ? text.data : "", text.len, 60, 0);
        line.failed = line.failed || text.failed;
        glim__buffer_release(&text);
    }
    glim__buffer_putc(&line, '"');
    if (isfinite(d->target.value))
        glim__buffer_printf(&line, ": %s %.4g", d->target.output ? d->target.output : "value",
                            d->target.value);
    if (d->n_rows > 1)
        glim__buffer_printf(&line, "; %zu targets", d->n_rows);
    glim__buffer_printf(&line, "; %zu unit%s scored", c->n_units, c->n_units == 1 ? "" : "s");
    cli_put_line(p, &line);
}

/* A unit as it is read in a line: its commas and spaces are its own. */
static void put_unit(glim_buffer *out, const glim_page *p, const glim_document_unit *u) {
    glim__buffer_putc(out, '"');
    if (u->text)
        cli_visible(out, u->text, u->text_len, CLI_TOKEN, p->o->ascii);
    glim__buffer_putc(out, '"');
}

void cli_put_right(glim_page *p, const char *text, int columns) {
    for (int i = glim__text_width(text, strlen(text), 1); i < columns; i++)
        glim__buffer_putc(&p->b, ' ');
    glim__buffer_puts(&p->b, text);
}

/* ---- several methods ---- */

/* "1.00", ".73", "-.07", "-1": a cell of the table, narrower than a column. */
static const char *share(char out[16], double x) {
    if (isnan(x))
        return "-";
    snprintf(out, 16, "%.2f", fabs(x));
    if (*out == '0') {
        out[0] = x < -0.005 ? '-' : '+';
        return out + (out[0] == '+');
    }
    return x < 0 ? "-1" : out;
}

/* The columns [from, to) of one measure for every method. */
static void put_block(glim_page *p, const cli_comparison *c, int which, size_t from, size_t to) {
    char label[48];
    glim__page_label(p, &p->b, "", 0, CLI_NAME, CLI_NAME);
    for (size_t k = from; k < to; k++)
        glim__buffer_printf(&p->b, "%*zu", CELL, k + 1);
    glim__page_end_line(p);
    for (size_t i = 0; i < c->n; i++) {
        snprintf(label, sizeof label, "%2zu %s", i + 1, cli_compared_name(c, i));
        glim__page_label(p, &p->b, label, strlen(label), CLI_NAME - 1, CLI_NAME);
        for (size_t k = from; k < to; k++) {
            char text[16];
            cli_put_right(p, share(text, cli_pair_value(&c->pairs[i * c->n + k], which)), CELL);
        }
        glim__page_end_line(p);
    }
}

static void put_matrices(glim_page *p, const cli_comparison *c) {
    static const char *const titles[] = {
        "Order of all units (Kendall's tau_b, 1 = the same, 0 = chance)",
        "The five most important units (Jaccard@5)", "Orders, the top counting most (RBO 0.9)"};
    size_t room = p->width > CLI_NAME + CELL ? (size_t)(p->width - CLI_NAME) / CELL : 1;
    for (int which = 0; which < 3; which++) {
        if (which == 1 && !c->many && c->pairs[0].units <= GLIM_LIKENESS_TOP)
            continue; /* all are among the first five */
        glim__buffer_putc(&p->b, '\n');
        glim__page_wrapped(p, titles[which]);
        for (size_t from = 0; from < c->n; from += room)
            put_block(p, c, which, from, from + room < c->n ? from + room : c->n);
    }
    bool by_size = false;
    for (size_t i = 0; i < c->n; i++)
        by_size = by_size || !c->docs[i]->method.is_signed;
    if (by_size)
        glim__page_wrapped(p, "A method without signs is compared by the size of scores.");
}

/* What one method says first, what its checks say, and what it cost. */
static void put_method(glim_page *p, const cli_comparison *c, size_t i, size_t *order) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    const glim_document *d = c->docs[i];
    const double *scores = c->scores + i * c->n_units;
    uint64_t forward = d->cost.forward_tokens;
    size_t n = glim__likeness_order(scores, c->n_units, d->method.is_signed, order);
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    glim__buffer_printf(&line, "%zu %s (%s%s%s; ", i + 1, cli_compared_name(c, i),
                        verdicts[d->verdict], d->verdict ? ", " : "",
                        d->verdict && d->verdict_reason ? d->verdict_reason : "");
    if (c->asks) /* it keeps its answers: one method asks for another's, too */
        glim__buffer_printf(&line, "%llu more inputs asked", (unsigned long long)forward);
    else
        glim__buffer_printf(&line, "%llu tokens forward, %llu back", (unsigned long long)forward,
                            (unsigned long long)d->cost.backward_tokens);
    glim__buffer_printf(&line, "; %.2g s): ", d->cost.seconds);
    for (size_t k = 0; k < n && k < GLIM_LIKENESS_TOP; k++) {
        const glim_document_unit *u = &c->docs[0]->input.units[c->units[order[k]]];
        char score[32];
        glim__buffer_puts(&line, k ? ", " : "");
        put_unit(&line, p, u);
        glim__buffer_printf(&line, " %s",
                            glim__page_number(p, score, scores[order[k]]) +
                                (!d->method.is_signed && scores[order[k]] >= 0));
    }
    cli_put_line(p, &line);
}

/* Of several targets each by itself: how alike all pairs are there. */
static void put_rows(glim_page *p, const cli_comparison *c) {
    const glim_document *d = c->docs[0];
    if (d->n_rows < 2 || c->partial)
        return;
    glim__buffer_puts(&p->b, "\n");
    glim__page_wrapped(p, c->many ? "The first input, target by target: the mean tau_b of all pairs"
                                  : "Target by target: the mean tau_b of all pairs");
    for (size_t r = 0; r < d->n_rows && r < MOST_ROWS; r++) {
        char text[16];
        cli_tally t = {0};
        for (size_t i = 0; i < c->n; i++)
            for (size_t k = i + 1; k < c->n; k++) {
                glim_likeness l;
                if (!glim__likeness_row(&l, c->docs[i], c->docs[k], r, NULL))
                    cli_tally_add(&t, l.tau);
            }
        cli_put_row_name(p, d, r);
        cli_put_right(p, share(text, cli_tally_mean(&t)), CELL);
        glim__page_end_line(p);
    }
    if (d->n_rows > MOST_ROWS)
        glim__page_wrapped(p, "More targets: --json.");
}

/* ---- methods over many inputs ---- */

/* All while they are few, else those that differ. */
static void put_pairs(glim_page *p, const cli_comparison *c, const cli_judgement *j) {
    size_t left = 0;
    for (size_t i = 0; i < j->n_pairs; i++) {
        const cli_difference *d = &j->pairs[i];
        bool differ = d->p < 0.05;
        glim_buffer line;
        if (!differ && j->n_pairs > FEW_PAIRS) {
            left++;
            continue;
        }
        glim__buffer_init(&line, c->run->ctx);
        glim__buffer_printf(&line, "%zu - %zu: %.3g", d->first + 1, d->second + 1, d->told.mean);
        if (isfinite(d->told.low))
            glim__buffer_printf(&line, " (%.3g to %.3g), p %.2g", d->told.low, d->told.high, d->p);
        const size_t *better = cli_difference_better(c, j, d);
        if (better)
            glim__buffer_printf(&line, ": %zu is better", *better + 1);
        cli_put_line(p, &line);
    }
    if (left) {
        char text[80];
        snprintf(text, sizeof text, "%zu %spairs do not differ (p at least 0.05).", left,
                 left < j->n_pairs ? "other " : "");
        glim__page_wrapped(p, text);
    }
}

static void put_judgement(glim_page *p, const cli_comparison *c, const cli_judgement *j) {
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    glim__buffer_printf(&line, "%s: %s (%s is better), mean and 95 %% interval", j->metric->name,
                        j->metric->summary, j->metric->higher ? "higher" : "lower");
    glim__buffer_puts(&p->b, "\n");
    cli_put_line(p, &line);
    for (size_t i = 0; i < c->n; i++) {
        char label[48], text[64];
        const glim_interval *m = &j->means[i];
        snprintf(label, sizeof label, "%2zu %s", i + 1, cli_compared_name(c, i));
        glim__page_label(p, &p->b, label, strlen(label), CLI_NAME - 1, CLI_NAME);
        if (isfinite(m->low))
            snprintf(text, sizeof text, "%.3g  %.3g..%.3g", m->mean, m->low, m->high);
        else
            snprintf(text, sizeof text, "%.3g", m->mean);
        glim__buffer_puts(&p->b, isnan(m->mean) ? "-" : text);
        glim__page_end_line(p);
    }
    put_pairs(p, c, j);
}

static void put_judgements(glim_page *p, const cli_comparison *c) {
    for (size_t i = 0; i < c->n_judged; i++)
        put_judgement(p, c, &c->judged[i]);
    if (!c->n_judged)
        return;
    char text[400];
    size_t pairs = c->judged[0].n_pairs;
    snprintf(text, sizeof text, "Differences are paired over the inputs (%d resamples)%s.%s",
             GLIM_RESAMPLES, pairs > 1 ? "; p is corrected for the number of pairs (Holm)" : "",
             c->n_inputs < GLIM_FEW_INPUTS
                 ? " Fewer than 30 inputs: too few to say which method is better."
                 : "");
    glim__buffer_puts(&p->b, "\n");
    glim__page_wrapped(p, text);
}

/* ---- all of methods ---- */

static void put_methods(glim_page *p, const cli_comparison *c) {
    size_t *order = glim__calloc(c->run->ctx, c->n_units + 1, sizeof *order);
    p->b.failed = p->b.failed || !order;
    put_matrices(p, c);
    put_judgements(p, c);
    glim__buffer_puts(&p->b, "\n");
    glim__page_wrapped(p, c->many ? "What each puts first in the first input, with what its own "
                                    "checks say and its cost"
                                  : "What each puts first, with what its own checks say and its "
                                    "cost");
    for (size_t i = 0; i < c->n && order; i++)
        put_method(p, c, i, order);
    put_rows(p, c);
    for (size_t i = 0; i < c->n_left_out; i++) {
        glim_buffer line;
        glim__buffer_init(&line, c->run->ctx);
        glim__buffer_printf(&line, "left out: %s (%s)", c->left_out[i].method, c->left_out[i].why);
        cli_put_line(p, &line);
    }
    glim__free(c->run->ctx, order);
}

/* ---- the whole ---- */

static glim_status show_terminal(cli_comparison *c) {
    cli_run *run = c->run;
    const glim_view_options o = {.ascii = cli_ascii(run), .color = GLIM_COLOR_NONE};
    glim_page p = {.d = c->docs[0], .o = &o, .width = cli_width(run)};
    glim__buffer_init(&p.b, run->ctx);
    p.width = p.width > 120 ? 120 : p.width < 40 ? 40 : p.width;
    put_target(&p, c);
    if (c->partial)
        glim__page_wrapped(&p, "Interrupted: what was not reached is missing.");
    if (c->models)
        cli_put_models(&p, c);
    else
        put_methods(&p, c);
    return cli_put_buffer(run, &p.b, "the comparison");
}

glim_status cli_compare_show(cli_comparison *c) {
    const cli_options *o = &c->run->o;
    glim_status status = o->csv ? cli_compare_csv(c) : GLIM_OK;
    if (!status && o->html)
        status = cli_compare_html(c);
    if (!status && (o->json || cli_wants_figures(c->run))) {
        json_t *value = NULL;
        status = cli_compare_json(c, &value);
        if (!status)
            status = cli_show_figures(c->run, value);
        if (!status && o->json)
            status = cli_put_json(c->run, o->json, value, true);
        else
            json_decref(value);
    }
    return status || cli_to_stdout(c->run) ? status : show_terminal(c);
}
