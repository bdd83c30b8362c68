/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of `glim influence` in the terminal: the head, the verdict, for every query
 * what helped and what harmed, the samples that the fit leans on, and what wants a look.
 */
#include "cli/influence.h"
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { MOST_QUERIES = 3, LABEL = 14, NUMBER = 11, ROW = 7 };

struct showing {
    cli_influence *c;
    glim_page p;
};

static void GLIM_PRINTF(2, 3) say(struct showing *s, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glim__page_wrapped(&s->p, text);
}

static const char *number(char out[32], double x) {
    if (!isfinite(x))
        return "-";
    snprintf(out, 32, fabs(x) >= 1e5 || (x != 0 && fabs(x) < 1e-3) ? "%.2e" : "%.4g", x);
    return out;
}

/* Text of a sample in what is left of the line. */
static void put_words(struct showing *s, const cli_samples *from, size_t i, int used) {
    glim_buffer words;
    glim__buffer_init(&words, s->c->run->ctx);
    cli_sample_words(s->c, from, i, &words);
    int room = s->p.width - used;
    if (room > 4 && words.data)
        glim__page_label(&s->p, &s->p.b, words.data, words.len, room, 0);
    s->p.b.failed = s->p.b.failed || words.failed;
    glim__buffer_release(&words);
}

static int put_label(struct showing *s, const char *text, int most) {
    return glim__page_label(&s->p, &s->p.b, text, strlen(text), most, most);
}

/* "   row 12  +0.031  negative  a film ..." */
static void put_sample(struct showing *s, size_t i, double value, bool is_signed) {
    char room[32], text[48];
    const char *label = cli_sample_label(&s->c->train, i);
    int narrow = s->p.width < 60, most = narrow ? 8 : LABEL;
    bool labelled = label || !s->c->streams;
    snprintf(text, sizeof text, "%s%s", is_signed && value > 0 ? "+" : "", number(room, value));
    glim__buffer_printf(&s->p.b, "%*zu %*s  ", ROW, cli_sample_row(&s->c->train, i), NUMBER, text);
    if (labelled) {
        put_label(s, label ? label : "", most);
        glim__buffer_putc(&s->p.b, ' ');
    }
    put_words(s, &s->c->train, i, ROW + 1 + NUMBER + 2 + (labelled ? most + 1 : 0));
    glim__page_end_line(&s->p);
}

static const char *class_name(const cli_influence *c, size_t k) {
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    return i->n_classes ? i->classes[k] : "the number";
}

/* ---- parts ---- */

static void put_model(struct showing *s) {
    const cli_influence *c = s->c;
    if (c->streams) {
        const glim_model_info *m = glim_model_facts(c->run->model);
        say(s, "Model: %s, %s%s%s", m->path, m->architecture, m->quantisation ? ", " : "",
            m->quantisation ? m->quantisation : "");
        if (c->n_checkpoints)
            say(s, "and %zu checkpoints of its training", c->n_checkpoints);
        return;
    }
    const glim_linear_info *i = glim_linear_facts(c->run->linear);
    say(s, "Model: %s, %zu features%s%s, penalty %g%s", i->n_classes ? "logistic" : "linear",
        i->width, i->site ? " of " : "", i->site ? i->site : "", i->strength,
        c->run->o.predictor ? "" : ", fitted here");
}

static void put_head(struct showing *s) {
    const cli_influence *c = s->c;
    static const char *const verdicts[] = {"ok", "careful", "do not trust"};
    say(s, "%s of %zu samples in %s", c->method->name, c->train.n, c->train.path);
    put_model(s);
    say(s, "Verdict: %s%s%s", verdicts[c->doc->verdict], *c->doc->verdict_reason ? ": " : "",
        c->doc->verdict_reason);
    if (c->partial)
        say(s, "Interrupted after %zu samples: what follows is about those", c->done);
}

static void put_ends(struct showing *s, const char *title, const glim_influence_entry *e, size_t n,
                     bool is_signed) {
    if (title)
        say(s, "%s", title);
    for (size_t k = 0; k < n; k++)
        put_sample(s, e[k].sample, e[k].value, is_signed);
}

/* Samples whose influence has the sign: with few samples an end has others too. */
static void put_side(struct showing *s, const char *title, const glim_influence_entry *e, size_t n,
                     int sign) {
    size_t of_sign = cli_of_sign(e, n, sign);
    put_ends(s, title, e, of_sign, true);
    if (!of_sign)
        say(s, "(none)");
}

/* What the numbers of a query are about. */
static void put_value(struct showing *s, size_t q, const char *output) {
    const cli_influence *c = s->c;
    const char *against = c->run->o.against;
    char room[32];
    if (c->streams) {
        const char *says = cli_sample_label(&c->query, q);
        glim__buffer_printf(&s->p.b, "%s of ", output);
        if (says)
            glim__page_label(&s->p, &s->p.b, says, strlen(says), s->p.width - 30, 0);
        else
            glim__buffer_puts(&s->p.b, "its own words");
        glim__buffer_printf(&s->p.b, ": %s", number(room, c->queries[q].value));
        glim__page_end_line(&s->p);
        return;
    }
    say(s, "%s of %s%s%s: %s", output, class_name(c, c->queries[q].of), against ? " against " : "",
        against ? against : "", number(room, c->queries[q].value));
    if (c->head.logistic && c->queries[q].predicted != c->queries[q].of)
        say(s, "(the model says %s)", class_name(c, c->queries[q].predicted));
}

static void put_query(struct showing *s, size_t q) {
    cli_influence *c = s->c;
    char title[160];
    const char *label = cli_sample_label(&c->query, q);
    const char *output = c->run->o.output                          ? c->run->o.output
                         : c->run->o.against                       ? "logit"
                         : c->streams || c->head.logistic || label ? "logprob"
                                                                   : "value";
    bool loss = !strcmp(output, "loss");
    glim__buffer_printf(&s->p.b, "\nQuery %zu: ", q + 1);
    put_words(s, &c->query, q, 14);
    glim__page_end_line(&s->p);
    put_value(s, q, output);
    for (size_t k = 0; k < c->n_columns; k++) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        if (c->columns[k].query == q && !strcmp(c->names[k], "similarity"))
            put_ends(s, "Most alike (row, cosine, label):", e->high, e->n_high, true);
        if (c->columns[k].query != q || strcmp(c->names[k], "influence") != 0)
            continue;
        snprintf(title, sizeof title, "%s (row, influence, label): without it %s would fall",
                 loss ? "Raise it" : "Helpful", output);
        put_side(s, title, e->high, e->n_high, 1);
        snprintf(title, sizeof title, "%s: without it %s would rise", loss ? "Lower it" : "Harmful",
                 output);
        put_side(s, title, e->low, e->n_low, -1);
    }
}

static void put_leaned(struct showing *s) {
    cli_influence *c = s->c;
    char room[32];
    if (c->score == SIZE_MAX)
        return;
    const glim_influence_ends *e = glim_extremes_column(c->ends, c->score);
    bool cook = !strcmp(c->names[c->score], "cooks-distance");
    glim__buffer_putc(&s->p.b, '\n');
    if (cook)
        say(s,
            "The fit leans most on (row, Cook's distance, label): %zu of %zu lie beyond 4/n = %s",
            e->beyond, e->defined, number(room, c->score_limit));
    else
        say(s, "The fit leans most on (row, influence on its own loss, label):");
    put_ends(s, NULL, e->high, e->n_high, false);
}

static void put_flags(struct showing *s) {
    cli_influence *c = s->c;
    size_t most = (size_t)c->run->o.top;
    size_t *list = glim__calloc(c->run->ctx, most, sizeof *list);
    const unsigned kinds[] = {CLI_MISLABELLED, CLI_FAR};
    for (size_t k = 0; k < 2 && list; k++) {
        size_t n = cli_flagged(c, kinds[k], most, list), shown = n < most ? n : most;
        if (!n)
            continue;
        say(s, "\n%s: %zu (row, %s, label)",
            k ? "Far from the others (leverage beyond 2p/n)"
              : "Likely mislabelled (the fit leans on them and says another class)",
            n, k ? "leverage" : "score");
        for (size_t i = 0; i < shown; i++) {
            cli_mark mark = cli_mark_of(c, list[i]);
            put_sample(s, list[i], (double)(k ? mark.leverage : mark.score), false);
        }
    }
    glim__free(c->run->ctx, list);
    if (c->twins.pairs)
        say(s,
            "\nThe same to the model: %zu samples repeat one before (%zu groups), %zu of them with "
            "another label",
            c->twins.pairs, c->twins.groups, c->twins.differing);
    for (size_t i = 0; i < c->twins.n && i < most; i++)
        say(s, "  rows %zu and %zu", cli_sample_row(&c->train, c->twins.first[i]),
            cli_sample_row(&c->train, c->twins.other[i]));
}

static void put_groups(struct showing *s) {
    enum { MOST = 20 };
    cli_influence *c = s->c;
    char a[32], b[32];
    if (!c->grouped)
        return;
    say(s,
        "\nGroups by %s (samples, sum of influences on query 1, change by a refit without them):",
        c->run->o.by_group);
    for (size_t k = 0; k < c->groups.n && k < MOST; k++) {
        glim__buffer_printf(&s->p.b, "%*zu %*s %*s  ", ROW, c->groups.sizes[k], NUMBER,
                            number(a, c->groups.sum[k * c->query.n]), NUMBER,
                            number(b, c->groups.actual[k * c->query.n]));
        put_label(s, c->groups.names[k], 30);
        glim__page_end_line(&s->p);
    }
    if (c->groups.n > MOST)
        say(s, "... and %zu more (--json)", c->groups.n - MOST);
}

static void put_truth(struct showing *s) {
    const glim_truth *t = &s->c->truth;
    char a[32], b[32], d[32];
    if (!s->c->checked)
        return;
    say(s,
        "\nIs it true? Fitted again without each of %zu samples: the changes agree with the "
        "influences by Pearson %s, Spearman %s (1 is right)",
        t->removed, number(a, t->pearson), number(b, t->spearman));
    if (!isnan(t->lds))
        say(s,
            "Fitted on %zu halves: sums of influences order them by Spearman %s; cosine of "
            "gradients "
            "%s, of features %s",
            t->subsets, number(a, t->lds), number(b, t->lds_gradient), number(d, t->lds_cosine));
    if (!t->planted)
        return;
    say(s, "With %zu labels made wrong: area under the detection curve", t->planted);
    for (size_t k = 0; k < 3; k++)
        say(s, "  %s %.3f; %.0f %% found among the first %zu", t->found[k].name, t->found[k].area,
            100 * t->found[k].recall, t->planted);
}

/* Numbers of samples by themselves, of methods that have others than a score. */
static void put_columns(struct showing *s) {
    cli_influence *c = s->c;
    char room[32], title[200];
    for (size_t k = 0; k < c->n_columns && c->streams; k++) {
        const glim_influence_column *column = &c->columns[k];
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        if (column->query != GLIM_NO_QUERY || k == c->score || !strcmp(c->names[k], "duplicate-of"))
            continue;
        bool limited = !isnan(column->threshold);
        snprintf(title, sizeof title, "Largest %s (row, %s, label)%s%s", c->names[k], c->names[k],
                 limited ? ": beyond " : "", limited ? number(room, column->threshold) : "");
        glim__buffer_putc(&s->p.b, '\n');
        say(s, limited ? "%s: %zu of %zu" : "%s", title, e->beyond, e->defined);
        put_ends(s, NULL, e->high, cli_worth_a_look(column, e), column->is_signed);
    }
}

static void put_steps(struct showing *s) {
    const cli_steps *t = &s->c->steps;
    char room[32];
    if (t->n)
        say(s,
            "\nIs it true? A step of training was taken on each of %zu samples: what it changed "
            "agrees with the influences by Spearman %s (1 is right)",
            t->n, number(room, t->rank));
}

static bool speaks_of_queries(const cli_influence *c) {
    for (size_t k = 0; k < c->n_columns; k++)
        if (c->columns[k].query != GLIM_NO_QUERY)
            return true;
    return false;
}

glim_status cli_influence_show(cli_influence *c) {
    const glim_view_options o = {.ascii = cli_ascii(c->run), .color = GLIM_COLOR_NONE};
    struct showing s = {.c = c, .p = {.d = c->doc, .o = &o, .width = cli_width(c->run)}};
    size_t shown = c->query.n < MOST_QUERIES ? c->query.n : MOST_QUERIES;
    glim__buffer_init(&s.p.b, c->run->ctx);
    s.p.width = s.p.width > 120 ? 120 : s.p.width < 40 ? 40 : s.p.width;
    put_head(&s);
    for (size_t q = 0; q < shown && speaks_of_queries(c); q++)
        put_query(&s, q);
    if (shown < c->query.n && speaks_of_queries(c))
        say(&s, "\n... and %zu more queries (--json, --csv)", c->query.n - shown);
    put_leaned(&s);
    put_columns(&s);
    put_flags(&s);
    put_groups(&s);
    put_truth(&s);
    put_steps(&s);
    for (size_t i = 0; i < c->doc->n_notes; i++)
        say(&s, "%sNote: %s", i ? "" : "\n", c->doc->notes[i]);
    say(&s, "\n%s", c->method->caption);
    return cli_put_buffer(c->run, &s.p.b, "the answer");
}
