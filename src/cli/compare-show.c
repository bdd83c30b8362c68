/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of `glim compare` in the terminal: how much the explanations agree, and what
 * each of them names first. Methods are numbered, so that the table stays narrow.
 */
#include "cli/compare.h"
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { NAME = 24, CELL = 5, SCORE = 10, MOST_UNITS = 60, UNIT = 24 };

const char *cli_compared_name(const cli_comparison *c, size_t i) {
    return !c->models ? c->docs[i]->method.name : i ? "other" : "model";
}

/* Words of a line that grows, wrapped to the page; releases them. */
static void put_line(glim_page *p, glim_buffer *line) {
    p->b.failed = p->b.failed || line->failed;
    glim__page_wrapped(p, line->data ? line->data : "");
    glim__buffer_release(line);
}

static void put_target(glim_page *p, const cli_comparison *c) {
    const glim_document *d = c->docs[0];
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    glim__buffer_puts(&line, "Target \"");
    if (d->target.text)
        cli_visible(&line, d->target.text, d->target.text_len, CLI_TOKEN, p->o->ascii);
    glim__buffer_printf(&line, "\": %s %.4g", d->target.output ? d->target.output : "value",
                        d->target.value);
    if (c->models)
        glim__buffer_printf(&line, ", on the other model %.4g", c->docs[1]->target.value);
    glim__buffer_printf(&line, "; %zu unit%s scored", c->n_units, c->n_units == 1 ? "" : "s");
    put_line(p, &line);
}

/* A unit as it is read in a line: its commas and spaces are its own. */
static void put_unit(glim_buffer *out, const glim_page *p, const glim_document_unit *u) {
    glim__buffer_putc(out, '"');
    if (u->text)
        cli_visible(out, u->text, u->text_len, CLI_TOKEN, p->o->ascii);
    glim__buffer_putc(out, '"');
}

static void put_right(glim_page *p, const char *text, int columns) {
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

static double value_of(const glim_likeness *l, int which) {
    return which == 0 ? l->tau : which == 1 ? l->jaccard : l->rbo;
}

/* The columns [from, to) of one measure for every method. */
static void put_block(glim_page *p, const cli_comparison *c, int which, size_t from, size_t to) {
    char label[48];
    glim__page_label(p, &p->b, "", 0, NAME, NAME);
    for (size_t k = from; k < to; k++)
        glim__buffer_printf(&p->b, "%*zu", CELL, k + 1);
    glim__page_end_line(p);
    for (size_t i = 0; i < c->n; i++) {
        snprintf(label, sizeof label, "%2zu %s", i + 1, cli_compared_name(c, i));
        glim__page_label(p, &p->b, label, strlen(label), NAME - 1, NAME);
        for (size_t k = from; k < to; k++) {
            char text[16];
            put_right(p, share(text, value_of(&c->like[i * c->n + k], which)), CELL);
        }
        glim__page_end_line(p);
    }
}

static void put_matrices(glim_page *p, const cli_comparison *c) {
    static const char *const titles[] = {
        "Order of all units (Kendall's tau_b, 1 = the same, 0 = chance)",
        "The five most important units (Jaccard@5)", "Orders, the top counting most (RBO 0.9)"};
    size_t room = p->width > NAME + CELL ? (size_t)(p->width - NAME) / CELL : 1;
    for (int which = 0; which < 3; which++) {
        if (which == 1 && c->like[0].n <= GLIM_LIKENESS_TOP)
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
    if (c->run->o.predictor) /* it keeps its answers: one method asks for another's, too */
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
    put_line(p, &line);
}

static void put_methods(glim_page *p, const cli_comparison *c) {
    size_t *order = glim__calloc(c->run->ctx, c->n_units + 1, sizeof *order);
    p->b.failed = p->b.failed || !order;
    put_matrices(p, c);
    glim__buffer_puts(&p->b, "\n");
    glim__page_wrapped(p, "What each puts first, with what its own checks say and its cost");
    for (size_t i = 0; i < c->n && order; i++)
        put_method(p, c, i, order);
    for (size_t i = 0; i < c->n_left_out; i++) {
        glim_buffer line;
        glim__buffer_init(&line, c->run->ctx);
        glim__buffer_printf(&line, "left out: %s (%s)", c->left_out[i].method, c->left_out[i].why);
        put_line(p, &line);
    }
    glim__free(c->run->ctx, order);
}

/* ---- two models ---- */

static void put_answers(glim_page *p, const cli_comparison *c) {
    const cli_answer *a = &c->answers[0], *b = &c->answers[1];
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    if (a->told && b->told) {
        bool same = a->len == b->len && !memcmp(a->text, b->text, a->len);
        glim__buffer_puts(&line, "Likeliest answer: \"");
        cli_visible(&line, a->text, a->len, CLI_TOKEN, p->o->ascii);
        glim__buffer_puts(&line, same ? "\" on both" : "\", on the other model \"");
        if (!same)
            cli_visible(&line, b->text, b->len, CLI_TOKEN, p->o->ascii);
        glim__buffer_puts(&line, same ? "." : "\": it flips.");
    }
    if (c->no_kl)
        glim__buffer_printf(&line, " No divergence: %s.", c->no_kl);
    else
        glim__buffer_printf(&line, " KL(model || other) %.4g nats.", c->kl);
    put_line(p, &line);
}

static void put_alike(glim_page *p, const cli_comparison *c) {
    const glim_likeness *l = &c->like[1];
    const double values[] = {l->tau, l->jaccard, l->rbo};
    static const char *const names[] = {"Kendall's tau_b", "Jaccard@5", "RBO 0.9"};
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    glim__buffer_printf(&line, "Scores of %s: ", c->docs[0]->method.name);
    for (int i = 0; i < 3; i++) {
        glim__buffer_printf(&line, "%s%s ", i ? ", " : "", names[i]);
        if (isnan(values[i]))
            glim__buffer_puts(&line, "undefined");
        else
            glim__buffer_printf(&line, "%.2f", values[i]);
    }
    if (isnan(l->flips))
        glim__buffer_puts(&line, ".");
    else
        glim__buffer_printf(&line, "; %.0f of %zu change sign.", l->flips, l->n);
    put_line(p, &line);
}

static void put_drift(glim_page *p, const cli_comparison *c) {
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    if (c->no_drift) {
        glim__buffer_printf(&line, "No drift by layer: %s.", c->no_drift);
        put_line(p, &line);
        return;
    }
    glim__buffer_puts(&line, "Drift by layer (1 - cosine of what blocks hand on at the target's "
                             "place):");
    for (size_t i = 0; i < c->layers; i++)
        glim__buffer_printf(&line, "%s layer %zu %.2g", i ? "," : "", i, c->drift[i]);
    put_line(p, &line);
}

static void put_scores(glim_page *p, const cli_comparison *c) {
    const glim_document *a = c->docs[0];
    const double *one = c->scores, *two = one + c->n_units;
    size_t shown = 0;
    glim__buffer_printf(&p->b, "\n%*s%*s%*s\n", UNIT, "", SCORE, "model", SCORE, "other");
    for (size_t u = 0; u < c->n_units; u++) {
        const glim_document_unit *unit = &a->input.units[c->units[u]];
        char x[32], y[32];
        if (isnan(one[u]) && isnan(two[u]))
            continue;
        if (shown++ == MOST_UNITS) {
            glim__page_wrapped(p, "More units: --csv or --json.");
            return;
        }
        glim_buffer text;
        glim__buffer_init(&text, c->run->ctx);
        cli_visible(&text, unit->text ? unit->text : "", unit->text ? unit->text_len : 0, CLI_TOKEN,
                    p->o->ascii);
        p->b.failed = p->b.failed || text.failed;
        glim__page_label(p, &p->b, text.data ? text.data : "", text.len, UNIT - 1, UNIT);
        glim__buffer_release(&text);
        put_right(p, glim__page_score(p, x, one[u]), SCORE);
        put_right(p, glim__page_score(p, y, two[u]), SCORE);
        bool flips =
            a->method.is_signed && ((one[u] > 0 && two[u] < 0) || (one[u] < 0 && two[u] > 0));
        glim__buffer_puts(&p->b, flips ? "  changes sign" : "");
        glim__page_end_line(p);
    }
}

static void put_models(glim_page *p, const cli_comparison *c) {
    for (size_t i = 0; i < 2; i++) {
        const glim_document *d = c->docs[i];
        static const char *const verdicts[] = {"ok", "careful", "distrust"};
        glim_buffer line;
        glim__buffer_init(&line, c->run->ctx);
        glim__buffer_printf(&line, "%s: ", cli_compared_name(c, i));
        const char *file = d->model.file ? d->model.file : "";
        cli_visible(&line, file, strlen(file), CLI_PLAIN, p->o->ascii);
        glim__buffer_printf(&line, ", %s; checks: %s%s%s",
                            d->model.quantisation ? d->model.quantisation : "",
                            verdicts[d->verdict], d->verdict ? ", " : "",
                            d->verdict && d->verdict_reason ? d->verdict_reason : "");
        put_line(p, &line);
    }
    put_answers(p, c);
    put_alike(p, c);
    put_drift(p, c);
    put_scores(p, c);
}

/* ---- the whole ---- */

static glim_status show_terminal(cli_comparison *c) {
    cli_run *run = c->run;
    const glim_view_options o = {.ascii = cli_ascii(run), .color = GLIM_COLOR_NONE};
    glim_page p = {.d = c->docs[0], .o = &o, .width = cli_width(run)};
    glim__buffer_init(&p.b, run->ctx);
    p.width = p.width > 120 ? 120 : p.width < NAME + 2 * SCORE ? NAME + 2 * SCORE : p.width;
    put_target(&p, c);
    if (c->models)
        put_models(&p, c);
    else
        put_methods(&p, c);
    return cli_put_buffer(run, &p.b, "the comparison");
}

glim_status cli_compare_show(cli_comparison *c) {
    const cli_options *o = &c->run->o;
    glim_status status = o->csv ? cli_compare_csv(c) : GLIM_OK;
    if (!status && o->json)
        status = cli_compare_json(c);
    bool to_stdout = (o->csv && !strcmp(o->csv, "-")) || (o->json && !strcmp(o->json, "-"));
    return status || to_stdout ? status : show_terminal(c);
}
