/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `glim influence` through a model's weights: in the terminal, and as JSON. */
#include "cli/influence-model.h"
#include "view/page.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { MOST_QUERIES = 3, NUMBER = 11, ROW = 7, LABEL = 14 };

struct showing {
    cli_model_influence *c;
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

static const char *number(char out[32], double x, bool is_signed) {
    const char *plus = is_signed && x > 0 ? "+" : "";
    bool odd = fabs(x) >= 1e5 || (x != 0 && fabs(x) < 1e-3);
    if (!isfinite(x))
        return "-";
    snprintf(out, 32, odd ? "%s%.2e" : "%s%.4g", plus, x);
    return out;
}

/* Text in what is left of the line, and before it the label. */
static void put_words(struct showing *s, glim_samples *from, size_t i, int used, bool labelled) {
    glim_arena arena;
    const char *text = NULL, *label = NULL;
    int narrow = s->p.width < 60, most = narrow ? 8 : LABEL;
    glim__arena_init(&arena, s->c->run->ctx, 4096);
    if (glim__samples_words(from, i, &arena, &text, &label, NULL) || !text)
        text = "";
    if (labelled && label) {
        glim__page_label(&s->p, &s->p.b, label, strlen(label), most, most);
        glim__buffer_putc(&s->p.b, ' ');
        used += most + 1;
    }
    if (s->p.width - used > 4)
        glim__page_label(&s->p, &s->p.b, text, strlen(text), s->p.width - used, 0);
    glim__arena_release(&arena);
    glim__page_end_line(&s->p);
}

static void put_entries(struct showing *s, const char *title, const glim_influence_entry *e,
                        size_t n, bool is_signed) {
    char room[32];
    say(s, "%s", title);
    for (size_t k = 0; k < n; k++) {
        glim__buffer_printf(&s->p.b, "%*zu %*s  ", ROW,
                            glim__samples_row(s->c->train, e[k].sample) + 1, NUMBER,
                            number(room, e[k].value, is_signed));
        put_words(s, s->c->train, e[k].sample, ROW + 1 + NUMBER + 2, true);
    }
}

static void put_column(struct showing *s, size_t k) {
    const glim_influence_column *column = &s->c->columns[k];
    const glim_influence_ends *e = glim_extremes_column(s->c->ends, k);
    bool loss = s->c->run->o.output && !strcmp(s->c->run->o.output, "loss");
    bool query = column->query != GLIM_NO_QUERY;
    char title[80];
    snprintf(title, sizeof title, "Largest %.40s (row, value):", column->name);
    glim__buffer_putc(&s->p.b, '\n');
    if (query) {
        glim__buffer_printf(&s->p.b, "Query %zu: ", column->query + 1);
        put_words(s, s->c->query, column->query, 14, false);
    }
    if (!query || strcmp(column->name, "influence") != 0) {
        put_entries(s, title, e->high, e->n_high, query);
        return;
    }
    const char *more = loss ? "Raised its loss" : "Made it more probable";
    const char *less = loss ? "Lowered it:" : "Made it less probable:";
    bool one_sign = e->n_low && e->low[0].value >= 0;
    size_t n_low = e->n_low;
    while (!one_sign && n_low && e->low[n_low - 1].value >= 0)
        n_low--;
    snprintf(title, sizeof title, "%s (row, influence):", more);
    put_entries(s, title, e->high, e->n_high, true);
    put_entries(s, one_sign ? "The least:" : less, e->low, n_low, true);
}

static void put_steps(struct showing *s) {
    const cli_model_influence *c = s->c;
    char a[32], b[32];
    if (c->checked)
        say(s,
            "\nIs it true? One real step (rate %.2g) on each of %zu samples: what it did to query "
            "1 agrees with the influences by Pearson %s, Spearman %s (1 is right)",
            c->rate, c->n_tried, number(a, c->pearson, false), number(b, c->spearman, false));
}

glim_status cli_model_influence_show(cli_model_influence *c) {
    const glim_view_options o = {.ascii = cli_ascii(c->run), .color = GLIM_COLOR_NONE};
    struct showing s = {.c = c, .p = {.d = c->doc, .o = &o, .width = cli_width(c->run)}};
    static const char *const verdicts[] = {"ok", "careful", "do not trust"};
    glim__buffer_init(&s.p.b, c->run->ctx);
    s.p.width = s.p.width > 120 ? 120 : s.p.width < 40 ? 40 : s.p.width;
    say(&s, "%s of %zu samples in %s", c->method->name, glim__samples_count(c->train),
        c->run->o.train);
    say(&s, "Verdict: %s%s%s", verdicts[c->doc->verdict], *c->doc->verdict_reason ? ": " : "",
        c->doc->verdict_reason);
    if (c->partial)
        say(&s, "Interrupted after %zu samples: what follows is about those", c->done);
    for (size_t k = 0; k < c->n_columns; k++) {
        const glim_influence_column *column = &c->columns[k];
        if (column->query == GLIM_NO_QUERY ||
            (column->query < MOST_QUERIES && !strchr(column->name, '.')) /* no part */)
            put_column(&s, k);
    }
    if (c->query && glim__samples_count(c->query) > MOST_QUERIES)
        say(&s, "\n... and %zu more queries (--json, --csv)",
            glim__samples_count(c->query) - MOST_QUERIES);
    put_steps(&s);
    for (size_t i = 0; i < c->doc->n_notes; i++)
        say(&s, "%sNote: %s", i ? "" : "\n", c->doc->notes[i]);
    say(&s, "\n%s", c->method->caption);
    return cli_put_buffer(c->run, &s.p.b, "the answer");
}

/* ---- JSON ---- */

static json_t *word(const char *text) {
    return text ? json_string(text) : json_null();
}

static json_t *sample_json(glim_samples *from, glim_context *ctx, size_t i, bool *ok) {
    json_t *o = json_object();
    glim_arena arena;
    const char *text = NULL, *label = NULL;
    glim__arena_init(&arena, ctx, 4096);
    *ok = !glim__samples_words(from, i, &arena, &text, &label, NULL) && *ok;
    glim__json_set(ok, o, "row", json_integer((json_int_t)glim__samples_row(from, i) + 1));
    glim__json_set(ok, o, "text", word(text));
    glim__json_set(ok, o, "label", word(label));
    glim__arena_release(&arena);
    return o;
}

static json_t *entries_json(cli_model_influence *c, const glim_influence_entry *e, size_t n,
                            bool *ok) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = sample_json(c->train, c->run->ctx, e[i].sample, ok);
        glim__json_set(ok, o, "value", glim__json_number(e[i].value));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *columns_json(cli_model_influence *c, bool *ok) {
    json_t *list = json_array();
    for (size_t k = 0; k < c->n_columns; k++) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, k);
        bool query = c->columns[k].query != GLIM_NO_QUERY;
        json_t *o = json_object();
        glim__json_set(ok, o, "name", json_string(c->columns[k].name));
        glim__json_set(ok, o, "query",
                       query ? json_integer((json_int_t)c->columns[k].query + 1) : json_null());
        glim__json_set(ok, o, "signed", json_boolean(c->columns[k].is_signed));
        glim__json_set(ok, o, "defined", json_integer((json_int_t)e->defined));
        glim__json_set(ok, o, "mean", glim__json_number(e->mean));
        glim__json_set(ok, o, "deviation", glim__json_number(e->deviation));
        glim__json_set(ok, o, "high", entries_json(c, e->high, e->n_high, ok));
        glim__json_set(ok, o, "low", entries_json(c, e->low, e->n_low, ok));
        glim__json_add(ok, list, o);
    }
    return list;
}

static json_t *steps_json(const cli_model_influence *c, bool *ok) {
    json_t *o = json_object(), *list = json_array();
    for (size_t k = 0; k < c->n_tried; k++) {
        json_t *one = json_object();
        size_t row = glim__samples_row(c->train, c->tried[k].sample) + 1;
        glim__json_set(ok, one, "row", json_integer((json_int_t)row));
        glim__json_set(ok, one, "influence", glim__json_number(c->tried[k].value));
        glim__json_set(ok, one, "change", glim__json_number(c->tried[k].change));
        glim__json_add(ok, list, one);
    }
    glim__json_set(ok, o, "rate", glim__json_number(c->rate));
    glim__json_set(ok, o, "pearson", glim__json_number(c->pearson));
    glim__json_set(ok, o, "spearman", glim__json_number(c->spearman));
    glim__json_set(ok, o, "steps", list);
    return o;
}

json_t *cli_model_influence_json(cli_model_influence *c, bool *ok) {
    static const char *const verdicts[] = {"ok", "careful", "distrust"};
    const glim_model_info *info = glim_model_facts(c->run->model);
    json_t *o = json_object(), *queries = json_array(), *notes = json_array();
    json_t *model = json_object(), *train = json_object(), *method = json_object();
    for (size_t q = 0; c->query && q < glim__samples_count(c->query); q++)
        glim__json_add(ok, queries, sample_json(c->query, c->run->ctx, q, ok));
    for (size_t i = 0; i < c->doc->n_notes; i++)
        glim__json_add(ok, notes, json_string(c->doc->notes[i]));
    glim__json_set(ok, model, "file", word(info->path));
    glim__json_set(ok, model, "digest", word(info->digest));
    glim__json_set(ok, model, "checkpoints", json_integer((json_int_t)c->n_checkpoints));
    glim__json_set(ok, train, "file", word(c->run->o.train));
    glim__json_set(ok, train, "digest", word(glim__samples_digest(c->train)));
    glim__json_set(ok, train, "samples", json_integer((json_int_t)glim__samples_count(c->train)));
    glim__json_set(ok, train, "left_out",
                   json_integer((json_int_t)glim__samples_left_out(c->train)));
    glim__json_set(ok, method, "name", json_string(c->method->name));
    glim__json_set(ok, method, "summary", json_string(c->method->summary));
    glim__json_set(ok, method, "cite", json_string(c->method->cite));
    glim__json_set(ok, method, "caption", json_string(c->method->caption));
    glim__json_set(ok, o, "schema", json_string("glim.model-influence/1"));
    glim__json_set(ok, o, "glim", json_string(glim_version()));
    glim__json_set(ok, o, "method", method);
    glim__json_set(ok, o, "model", model);
    glim__json_set(ok, o, "train", train);
    glim__json_set(ok, o, "queries", queries);
    glim__json_set(ok, o, "columns", columns_json(c, ok));
    glim__json_set(ok, o, "truth", c->checked ? steps_json(c, ok) : json_null());
    glim__json_set(ok, o, "verdict", json_string(verdicts[c->doc->verdict]));
    glim__json_set(ok, o, "verdict_reason", word(c->doc->verdict_reason));
    glim__json_set(ok, o, "notes", notes);
    glim__json_set(ok, o, "seconds", glim__json_number(c->seconds));
    glim__json_set(ok, o, "seed", json_integer((json_int_t)c->run->o.seed));
    glim__json_set(ok, o, "partial", json_boolean(c->partial));
    return o;
}
