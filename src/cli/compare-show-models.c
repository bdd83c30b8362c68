/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models side by side in the terminal: a table with a row for each, in blocks as wide as
 * the page; then answers that flip, the drift by layer, and the scores of the first input.
 */
#include "cli/compare-show.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { WIDE = 10, MOST_UNITS = 60, MOST_FLIPS = 5, MOST_ROWS = 40, SHORT = 16 };

void cli_put_row_name(glim_page *p, const glim_document *d, size_t r) {
    const char *text = d->rows && d->rows[r].text ? d->rows[r].text : "";
    size_t n = d->rows && d->rows[r].text ? d->rows[r].text_len : 0;
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    cli_visible(&b, text, n, CLI_TOKEN, p->o->ascii);
    p->b.failed = p->b.failed || b.failed;
    glim__page_label(p, &p->b, b.data ? b.data : "", b.len, CLI_NAME - 1, CLI_NAME);
    glim__buffer_release(&b);
}

static int name_width(const glim_page *p) {
    return p->width < 60 ? SHORT : CLI_NAME;
}

static void put_name(glim_page *p, const cli_comparison *c, size_t i) {
    char label[300];
    snprintf(label, sizeof label, "%zu %.250s", i + 1, cli_compared_name(c, i));
    glim__page_label(p, &p->b, label, strlen(label), name_width(p) - 1, name_width(p));
}

/* ---- the table ---- */

/* The next columns that have numbers, as many as there is room for; NULL-terminated. */
static const cli_column *take_columns(const cli_comparison *c, const cli_column *from, size_t room,
                                      const cli_column **out) {
    size_t n = 0;
    for (; from->name && n < room; from++)
        if (cli_column_told(c, from))
            out[n++] = from;
    out[n] = NULL;
    return from;
}

static void put_block(glim_page *p, const cli_comparison *c, const cli_column *const *columns) {
    glim__buffer_printf(&p->b, "\n%*s", name_width(p), "");
    for (size_t k = 0; columns[k]; k++)
        cli_put_right(p, columns[k]->name, WIDE);
    glim__page_end_line(p);
    for (size_t i = 0; i < c->n; i++) {
        put_name(p, c, i);
        for (size_t k = 0; columns[k]; k++) {
            char text[32];
            double x = cli_column_value(c, columns[k], i);
            const char *cell = cli_column_text(text, columns[k]->form, x);
            cli_put_right(p, cell, WIDE);
        }
        glim__page_end_line(p);
    }
}

static void put_table(glim_page *p, const cli_comparison *c) {
    enum { MOST = 16 };
    const cli_column *columns[MOST + 1], *next = cli_columns;
    size_t room = (size_t)(p->width - name_width(p)) / WIDE;
    room = room < MOST ? room : MOST;
    while (next->name) {
        next = take_columns(c, next, room, columns);
        if (columns[0])
            put_block(p, c, columns);
    }
    glim__buffer_putc(&p->b, '\n');
    glim__page_wrapped(
        p, "size, bits a weight; tokens a second of a pass and of the explanation, and how many "
           "times the first's; against the first: KL in nats, answers that flip, drift of the "
           "last layer, and of the scores Kendall's tau_b, Jaccard@5, RBO 0.9, signs that "
           "change. log-prob: of the target.");
}

/* ---- answers ---- */

static void put_answer(glim_buffer *line, const glim_page *p, const cli_answer *a) {
    glim__buffer_putc(line, '"');
    cli_visible(line, a->text, a->len, CLI_TOKEN, p->o->ascii);
    glim__buffer_putc(line, '"');
}

static bool flips(const cli_comparison *c, const cli_compared_input *in) {
    bool any = false;
    for (size_t i = 1; i < c->n; i++)
        any = any || in->said[i].flips > 0;
    return any;
}

static void put_flip(glim_page *p, const cli_comparison *c, const cli_compared_input *in) {
    glim_buffer line;
    size_t most = 60, n = in->len < most ? in->len : most;
    while (n && n < in->len && ((unsigned char)in->text[n] & 0xc0) == 0x80)
        n--; /* a character is not parted */
    glim__buffer_init(&line, c->run->ctx);
    if (c->many) {
        glim__buffer_printf(&line, "row %zu \"", in->row + 1);
        cli_visible(&line, in->text ? in->text : "", n, CLI_PLAIN, p->o->ascii);
        glim__buffer_puts(&line, n < in->len ? "...\": " : "\": ");
    } else {
        glim__buffer_puts(&line, "Likeliest answer: ");
    }
    for (size_t i = 0; i < c->n; i++) {
        glim__buffer_printf(&line, "%s%zu ", i ? ", " : "", i + 1);
        put_answer(&line, p, &in->said[i].answer);
        glim__buffer_puts(&line, in->said[i].flips > 0 ? " flips" : "");
    }
    cli_put_line(p, &line);
}

static void put_answers(glim_page *p, const cli_comparison *c) {
    size_t shown = 0, all = 0;
    if (!c->inputs[0].said[0].answer.told)
        return;
    glim__buffer_putc(&p->b, '\n');
    for (size_t i = 0; i < c->n_inputs; i++)
        all += flips(c, &c->inputs[i]);
    for (size_t i = 0; i < c->n_inputs; i++)
        if ((flips(c, &c->inputs[i]) && shown++ < MOST_FLIPS) || (!all && !c->many))
            put_flip(p, c, &c->inputs[i]);
    if (all > MOST_FLIPS)
        glim__page_wrapped(p, "More answers that flip: --json or --html.");
    if (!all)
        glim__page_wrapped(p, "No answer flips.");
}

/* ---- inside ---- */

static void put_drift(glim_page *p, const cli_comparison *c) {
    glim__buffer_putc(&p->b, '\n');
    for (size_t i = 1; i < c->n; i++) {
        const cli_compared *r = &c->runs[i];
        glim_buffer line;
        glim__buffer_init(&line, c->run->ctx);
        glim__buffer_printf(&line, "%zu: ", i + 1);
        if (r->no_kl)
            glim__buffer_printf(&line, "no divergence: %s. ", r->no_kl);
        if (r->no_drift)
            glim__buffer_printf(&line, "no drift by layer: %s.", r->no_drift);
        else
            glim__buffer_puts(&line, "drift by layer (1 - cosine of what blocks hand on there):");
        for (size_t l = 0; l < r->layers; l++)
            glim__buffer_printf(&line, "%s %zu %.2g", l ? "," : "", l,
                                cli_tally_mean(&r->drift[l]));
        cli_put_line(p, &line);
    }
}

/* ---- the first input ---- */

/* Target by target: KL, answers and tau_b against the first model. */
static void put_rows(glim_page *p, const cli_comparison *c) {
    const glim_document *d = c->docs[0];
    const cli_said *said = c->inputs[0].said;
    if (d->n_rows < 2 || c->partial)
        return;
    glim__buffer_puts(&p->b, "\n");
    glim__page_wrapped(p, c->many ? "The first input, target by target" : "Target by target");
    for (size_t r = 0; r < d->n_rows && r < MOST_ROWS; r++) {
        glim_buffer line;
        glim__buffer_init(&line, c->run->ctx);
        const char *text = d->rows[r].text ? d->rows[r].text : "";
        cli_visible(&line, text, d->rows[r].text ? d->rows[r].text_len : 0, CLI_TOKEN, p->o->ascii);
        for (size_t i = 1; i < c->n; i++) {
            glim_likeness l;
            bool same = said[i].row_kl && said[i].row_answers && said[0].row_answers;
            glim__buffer_printf(&line, "%s %zu", i > 1 ? ";" : ":", i + 1);
            if (!glim__likeness_row(&l, c->docs[0], c->docs[i], r, NULL) && isfinite(l.tau))
                glim__buffer_printf(&line, " tau_b %.2f", l.tau);
            if (same) {
                glim__buffer_printf(&line, " KL %.2g says ", said[i].row_kl[r]);
                put_answer(&line, p, &said[i].row_answers[r]);
            }
        }
        cli_put_line(p, &line);
    }
    if (d->n_rows > MOST_ROWS)
        glim__page_wrapped(p, "More targets: --json.");
}

static bool turns(const cli_comparison *c, size_t u) {
    const double *x = c->scores;
    bool any = false;
    for (size_t i = 1; i < c->n && c->docs[0]->method.is_signed; i++) {
        double y = x[i * c->n_units + u];
        any = any || (x[u] > 0 && y < 0) || (x[u] < 0 && y > 0);
    }
    return any;
}

static void put_scores(glim_page *p, const cli_comparison *c) {
    const glim_document *a = c->docs[0];
    size_t shown = 0, room = (size_t)(p->width - name_width(p)) / WIDE;
    size_t n = c->n < room ? c->n : room;
    glim__buffer_puts(&p->b, "\n");
    glim__page_wrapped(p, c->many ? "Scores of the first input (! a sign changes)"
                                  : "Scores (! a sign changes)");
    if (n < c->n)
        glim__page_wrapped(p, "More models: --html or --json.");
    glim__buffer_printf(&p->b, "%*s", name_width(p), "");
    for (size_t i = 0; i < n; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        cli_put_right(p, number, WIDE);
    }
    glim__page_end_line(p);
    for (size_t u = 0; u < c->n_units; u++) {
        const glim_document_unit *unit = &a->input.units[c->units[u]];
        glim_buffer text;
        if (shown++ == MOST_UNITS) {
            glim__page_wrapped(p, "More units: --html or --json.");
            return;
        }
        glim__buffer_init(&text, c->run->ctx);
        cli_visible(&text, unit->text ? unit->text : "", unit->text ? unit->text_len : 0, CLI_TOKEN,
                    p->o->ascii);
        p->b.failed = p->b.failed || text.failed;
        glim__buffer_puts(&p->b, turns(c, u) ? "!" : " ");
        glim__page_label(p, &p->b, text.data ? text.data : "", text.len, name_width(p) - 2,
                         name_width(p) - 1);
        glim__buffer_release(&text);
        for (size_t i = 0; i < n; i++) {
            char x[32];
            cli_put_right(p, glim__page_score(p, x, c->scores[i * c->n_units + u]), WIDE);
        }
        glim__page_end_line(p);
    }
}

static void put_model(glim_page *p, const cli_comparison *c, size_t i) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    const glim_document *d = c->docs[i];
    glim_buffer line;
    glim__buffer_init(&line, c->run->ctx);
    glim__buffer_printf(&line, "%zu: ", i + 1);
    const char *file = cli_compared_name(c, i);
    cli_visible(&line, file, strlen(file), CLI_PLAIN, p->o->ascii);
    glim__buffer_printf(&line, ", %s; %s, checks: %s%s%s",
                        d->model.quantisation ? d->model.quantisation : "", d->method.name,
                        verdicts[d->verdict], d->verdict ? ", " : "",
                        d->verdict && d->verdict_reason ? d->verdict_reason : "");
    cli_put_line(p, &line);
}

void cli_put_models(glim_page *p, const cli_comparison *c) {
    for (size_t i = 0; i < c->n; i++)
        put_model(p, c, i);
    put_table(p, c);
    put_answers(p, c);
    put_drift(p, c);
    put_rows(p, c);
    put_scores(p, c);
}
