/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of `glim influence` in the terminal: the head, the verdict, for every query
 * what helped and what harmed, the samples that the fit leans on, and what wants a look.
 */
#include "cli/influence-apart.h"
#include "view/width.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { LABEL = 14, NUMBER = 11, ROW = 7 };

struct showing {
    const cli_told *t;
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
static void put_words(struct showing *s, const char *text, int used) {
    int room = s->p.width - used;
    if (room > 4 && *text)
        glim__page_label(&s->p, &s->p.b, text, strlen(text), room, 0);
}

static int put_label(struct showing *s, const char *text, int most) {
    return glim__page_label(&s->p, &s->p.b, text, strlen(text), most, most);
}

/* "   row 12  +0.031  negative  a film ..." */
static void put_sample(struct showing *s, const cli_told_entry *e, bool is_signed) {
    char room[32], text[48];
    const cli_told_sample *one = e->sample;
    int narrow = s->p.width < 60, most = narrow ? 8 : LABEL;
    bool labelled = one->label || !s->t->model.streams;
    snprintf(text, sizeof text, "%s%s", is_signed && e->value > 0 ? "+" : "",
             number(room, e->value));
    glim__buffer_printf(&s->p.b, "%*zu %*s  ", ROW, one->row, NUMBER, text);
    if (labelled) {
        put_label(s, one->label ? one->label : "", most);
        glim__buffer_putc(&s->p.b, ' ');
    }
    put_words(s, one->text, ROW + 1 + NUMBER + 2 + (labelled ? most + 1 : 0));
    glim__page_end_line(&s->p);
}

/* ---- parts ---- */

static void put_model(struct showing *s) {
    const cli_told *t = s->t;
    const char *quantised = t->model.quantisation, *site = t->model.site;
    if (t->model.streams) {
        say(s, "Model: %s, %s%s%s", t->model.file ? t->model.file : "?",
            t->model.architecture ? t->model.architecture : "?", quantised ? ", " : "",
            quantised ? quantised : "");
        if (t->model.n_names)
            say(s, "and %zu checkpoints of its training", t->model.n_names);
        return;
    }
    say(s, "Model: %s, %zu features%s%s, penalty %g%s", t->model.classes ? "logistic" : "linear",
        t->model.features, site ? " of " : "", site ? site : "", t->model.strength,
        t->model.file ? "" : ", fitted here");
}

static void put_head(struct showing *s) {
    const cli_told *t = s->t;
    const glim_document *d = t->doc;
    static const char *const verdicts[] = {"ok", "careful", "do not trust"};
    say(s, "%s of %zu samples in %s", d->method.name, t->train.samples, t->train.file);
    put_model(s);
    say(s, "Verdict: %s%s%s", verdicts[d->verdict], *d->verdict_reason ? ": " : "",
        d->verdict_reason);
    if (d->partial)
        say(s, "Interrupted after %zu samples: what follows is about those", t->train.done);
}

static void put_ends(struct showing *s, const char *title, const cli_told_entry *e, size_t n,
                     bool is_signed) {
    if (title)
        say(s, "%s", title);
    for (size_t k = 0; k < n; k++)
        put_sample(s, &e[k], is_signed);
}

/* Samples whose influence on a query has the sign: with few samples an end has others too. */
static void put_side(struct showing *s, const char *title, const cli_told_column *c, int sign) {
    const cli_told_entry *e = sign > 0 ? c->high : c->low;
    size_t of_sign = cli_of_sign(e, sign > 0 ? c->n_high : c->n_low, sign);
    say(s, "%s", title);
    for (size_t k = 0; k < of_sign; k++) {
        put_sample(s, &e[k], true);
        cli_share_show(&s->p, s->t, cli_told_share(s->t, e[k].sample, c->query));
    }
    if (!of_sign)
        say(s, "(none)");
}

/* What the numbers of a query are about. */
static void put_value(struct showing *s, const cli_told_sample *q, const char *output) {
    const char *against = s->t->against;
    char room[32];
    if (s->t->model.streams) {
        glim__buffer_printf(&s->p.b, "%s of ", output);
        if (q->label)
            glim__page_label(&s->p, &s->p.b, q->label, strlen(q->label), s->p.width - 30, 0);
        else
            glim__buffer_puts(&s->p.b, "its own words");
        glim__buffer_printf(&s->p.b, ": %s", number(room, q->value));
        glim__page_end_line(&s->p);
        return;
    }
    say(s, "%s of %s%s%s: %s", output, q->of ? q->of : "the number", against ? " against " : "",
        against ? against : "", number(room, q->value));
    if (q->of && q->says && strcmp(q->of, q->says) != 0)
        say(s, "(the model says %s)", q->says);
}

static void put_query(struct showing *s, size_t q) {
    const cli_told *t = s->t;
    const cli_told_sample *asked = &t->queries[q];
    char title[160];
    const char *output = t->output                                              ? t->output
                         : t->against                                           ? "logit"
                         : t->model.streams || t->model.classes || asked->label ? "logprob"
                                                                                : "value";
    bool loss = !strcmp(output, "loss");
    glim__buffer_printf(&s->p.b, "\nQuery %zu: ", q + 1);
    put_words(s, asked->text, 14);
    glim__page_end_line(&s->p);
    put_value(s, asked, output);
    for (size_t k = 0; k < t->n_columns; k++) {
        const cli_told_column *c = &t->columns[k];
        if (c->query == q && !strcmp(c->name, "similarity"))
            put_ends(s, "Most alike (row, cosine, label):", c->high, c->n_high, true);
        if (c->query != q || strcmp(c->name, "influence") != 0)
            continue;
        snprintf(title, sizeof title, "%s (row, influence, label): without it %s would fall",
                 loss ? "Raise it" : "Helpful", output);
        put_side(s, title, c, 1);
        snprintf(title, sizeof title, "%s: without it %s would rise", loss ? "Lower it" : "Harmful",
                 output);
        put_side(s, title, c, -1);
    }
}

static void put_leaned(struct showing *s) {
    const cli_told *t = s->t;
    char room[32];
    if (t->score == SIZE_MAX)
        return;
    const cli_told_column *c = &t->columns[t->score];
    bool cook = !strcmp(c->name, "cooks-distance");
    glim__buffer_putc(&s->p.b, '\n');
    if (cook)
        say(s,
            "The fit leans most on (row, Cook's distance, label): %zu of %zu lie beyond 4/n = %s",
            c->beyond, c->defined, number(room, t->score_limit));
    else
        say(s, "The fit leans most on (row, influence on its own loss, label):");
    put_ends(s, NULL, c->high, c->n_high, false);
}

static void put_flags(struct showing *s) {
    const cli_told *t = s->t;
    for (size_t k = 0; k < 2; k++) {
        const cli_told_flag *f = &t->flags[k];
        if (!f->count)
            continue;
        say(s, "\n%s: %zu (row, %s, label)",
            k ? "Far from the others (leverage beyond 2p/n)"
            : t->model.streams
                ? "Likely mislabelled (the model gives their label less than a half)"
                : "Likely mislabelled (the fit leans on them and says another class)",
            f->count,
            k                  ? "leverage"
            : t->model.streams ? "loss"
                               : "score");
        put_ends(s, NULL, f->samples, f->n, false);
    }
    if (t->twins.pairs)
        say(s,
            "\nThe same to the model: %zu samples repeat one before (%zu groups), %zu of them with "
            "another label",
            t->twins.pairs, t->twins.groups, t->twins.differing);
    for (size_t i = 0; i < t->twins.n && i < t->top; i++)
        say(s, "  rows %zu and %zu", t->twins.first[i], t->twins.other[i]);
}

/* Whether any was fitted without. */
static bool refitted(const cli_told *t) {
    for (size_t k = 0; k < t->groups.n * t->n_queries; k++)
        if (!isnan(t->groups.actual[k]))
            return true;
    return false;
}

static void put_group(struct showing *s, size_t k, bool actual) {
    const cli_told *t = s->t;
    char room[32];
    glim__buffer_printf(&s->p.b, "%*zu %*s", ROW, t->groups.sizes[k], NUMBER,
                        number(room, t->groups.sum[k * t->n_queries]));
    if (actual)
        glim__buffer_printf(&s->p.b, " %*s", NUMBER,
                            number(room, t->groups.actual[k * t->n_queries]));
    glim__buffer_puts(&s->p.b, "  ");
    put_label(s, t->groups.names[k], s->p.width < 60 ? 14 : 30);
    glim__page_end_line(&s->p);
}

static void put_groups(struct showing *s) {
    enum { MOST = 20 };
    const cli_told *t = s->t;
    size_t order[MOST], n = t->groups.n < MOST ? t->groups.n : MOST;
    bool actual = refitted(t);
    if (!t->groups.n)
        return;
    say(s, "\nGroups by %s (samples, sum of influences on query 1%s):",
        t->grouped ? t->grouped : "a column", actual ? ", change by a refit without them" : "");
    cli_groups_largest(t, 0, n, order);
    for (size_t k = 0; k < n; k++)
        put_group(s, order[k], actual);
    if (t->groups.n > MOST)
        say(s, "... and %zu more (--json)", t->groups.n - MOST);
}

static void put_truth(struct showing *s) {
    const glim_truth *t = &s->t->truth;
    char a[32], b[32], d[32];
    if (!s->t->checked)
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
    const cli_told *t = s->t;
    char room[32], title[200];
    for (size_t k = 0; k < t->n_columns && t->model.streams; k++) {
        const cli_told_column *c = &t->columns[k];
        if (c->query != GLIM_NO_QUERY || k == t->score || !strcmp(c->name, "duplicate-of"))
            continue;
        bool limited = !isnan(c->threshold);
        snprintf(title, sizeof title, "Largest %s (row, %s, label)%s%s", c->name, c->name,
                 limited ? ": beyond " : "", limited ? number(room, c->threshold) : "");
        glim__buffer_putc(&s->p.b, '\n');
        say(s, limited ? "%s: %zu of %zu" : "%s", title, c->beyond, c->defined);
        put_ends(s, NULL, c->high, cli_worth_a_look(c), c->is_signed);
    }
}

static void put_steps(struct showing *s) {
    const cli_steps *t = &s->t->steps;
    char room[32];
    if (t->n)
        say(s,
            "\nIs it true? A step of training was taken on each of %zu samples: what it changed "
            "agrees with the influences by Spearman %s (1 is right)",
            t->n, number(room, t->rank));
}

static bool speaks_of_queries(const cli_told *t) {
    for (size_t k = 0; k < t->n_columns; k++)
        if (t->columns[k].query != GLIM_NO_QUERY)
            return true;
    return false;
}

glim_status cli_told_show(cli_run *run, const cli_told *t) {
    const glim_view_options o = {.ascii = cli_ascii(run), .color = cli_color(run)};
    struct showing s = {.t = t, .p = {.d = t->doc, .o = &o, .width = cli_width(run)}};
    size_t most = CLI_TERMINAL_QUERIES, shown = t->n_queries < most ? t->n_queries : most;
    glim__buffer_init(&s.p.b, run->ctx);
    s.p.width = s.p.width > 120 ? 120 : s.p.width < 40 ? 40 : s.p.width;
    put_head(&s);
    for (size_t q = 0; q < shown && speaks_of_queries(t); q++)
        put_query(&s, q);
    if (shown < t->n_queries && speaks_of_queries(t))
        say(&s, "\n... and %zu more queries (--json, --csv)", t->n_queries - shown);
    put_leaned(&s);
    put_columns(&s);
    put_flags(&s);
    put_groups(&s);
    put_truth(&s);
    put_steps(&s);
    for (size_t i = 0; i < t->doc->n_notes; i++)
        say(&s, "%sNote: %s", i ? "" : "\n", t->doc->notes[i]);
    say(&s, "\n%s", t->doc->method.caption);
    return cli_put_buffer(run, &s.p.b, "the answer");
}
