/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Panels in the terminal: a title, the picture of its kind, what its marks mean, and what
 * must not be read from it. Grids, lines and tables are files of their own; texts are the
 * strips that units have, of the pieces around the best one.
 */
#include "view/panels-page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { MOST_TEXTS = 12, WHOLE = 60 };

void glim__panel_say(glim_page *p, glim_buffer *b) {
    p->b.failed = p->b.failed || b->failed;
    if (b->len)
        glim__page_wrapped(p, b->data);
    glim__buffer_release(b);
}

void glim__panel_pad(glim_page *p, int n) {
    for (int i = 0; i < n; i++)
        glim__buffer_putc(&p->b, ' ');
}

/* ---- labels and numbers ---- */

int glim__panel_label(glim_page *p, glim_buffer *b, const char *s, int most, int least) {
    const char *word = s + strspn(s, " ");
    if (*s && !*word)
        word = glim__page_pick(p, "\xc2\xb7", "_");
    return glim__page_label(p, b, word, strlen(word), most < 1 ? 1 : most, least);
}

int glim__panel_label_width(glim_page *p, const char *s, int most) {
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    int width = glim__panel_label(p, &b, s, most, 0);
    p->b.failed = p->b.failed || b.failed;
    glim__buffer_release(&b);
    return width;
}

int glim__panel_axis_width(glim_page *p, const glim_panel_axis *axis, int most) {
    int widest = 0;
    for (size_t i = 0; i < axis->n && widest < most; i++) {
        int width = glim__panel_label_width(p, glim__axis_label(axis, i), most);
        widest = width > widest ? width : widest;
    }
    return widest;
}

const char *glim__panel_number(const glim_panel_page *m, char out[32], double x, bool brief) {
    if (!isfinite(x))
        return glim__page_pick(m->p, "\xc3\x97", "x");
    if (m->panel->scale == GLIM_SCALE_SHARE) {
        const char *sign = x < 0 ? glim__page_pick(m->p, "\xe2\x88\x92", "-") : "";
        double size = fabs(100 * x), least = brief ? 0.5 : 0.05;
        if (size > 0 && size < least)
            snprintf(out, 32, "%s<%s %%", sign, brief ? "1" : "0.1");
        else
            snprintf(out, 32, size < 1e6 ? "%s%.*f %%" : "%s%.*g %%", sign,
                     brief && size < 1e6 ? 0 : 1, size);
        return out;
    }
    if (m->panel->scale == GLIM_SCALE_RANK && fabs(x) < 1e7) {
        snprintf(out, 32, x == floor(x) ? "%.0f" : "%.1f", x);
        return out;
    }
    const char *text = out;
    if (brief && m->range.limit >= 0.1 &&
        fabs(x) < 0.995) /* two digits are as many as a cell has */
        snprintf(out, 32, "%s%.2f",
                 fabs(x) < 0.005 ? ""
                 : x < 0         ? glim__page_pick(m->p, "\xe2\x88\x92", "-")
                                 : "+",
                 fabs(x));
    else
        text = glim__page_number(m->p, out, x);
    return !m->range.is_signed && *text == '+' ? text + 1 : text;
}

static int columns(const char *s) {
    return glim__text_width(s, strlen(s), 1);
}

void glim__panel_number_right(const glim_panel_page *m, double x, bool brief, int width) {
    char text[32];
    const char *shown = glim__panel_number(m, text, x, brief);
    glim__panel_pad(m->p, width - columns(shown));
    glim__buffer_puts(&m->p->b, shown);
}

/* ---- legend ---- */

/* Swatches from one end to the other, when they fit. */
static void put_swatches(const glim_panel_page *m) {
    glim_page *p = m->p;
    const glim_panel_range *r = &m->range;
    bool ranks = m->panel->scale == GLIM_SCALE_RANK;
    char a[32], b[32];
    const char *low = glim__panel_number(m, a,
                                         ranks          ? r->limit
                                         : r->is_signed ? -r->limit
                                                        : 0,
                                         1),
               *high = glim__panel_number(m, b, ranks ? 1 : r->limit, true);
    const char *unit = m->panel->unit ? m->panel->unit : ranks ? "rank" : "";
    int steps = r->is_signed ? 2 * GLIM_STEPS : GLIM_AMOUNTS;
    int used = columns(low) + columns(high) + 2 + (r->is_signed ? 3 : 0);
    int cell = used + 2 * steps > p->width ? 1 : 2;
    if (used + steps > p->width)
        return;
    glim__page_swatches(p, r->is_signed, cell, used, low, high, unit);
}

/* "9 is +2.1 nats, · rounds to 0" */
static void put_digits(const glim_panel_page *m, glim_buffer *b) {
    char text[32];
    const glim_panel_range *r = &m->range;
    const char *unit = m->panel->unit ? m->panel->unit : "", *gap = *unit ? " " : "";
    if (m->panel->scale == GLIM_SCALE_RANK) {
        glim__buffer_printf(b, "9 is rank 1, %s is rank %s or worse, by logarithm; ",
                            glim__page_pick(m->p, "\xc2\xb7", "."),
                            glim__panel_number(m, text, r->limit, true));
        return;
    }
    const char *most = glim__panel_number(m, text, r->limit, true);
    glim__buffer_printf(b, "9 is %s%s%.40s, %s rounds to 0; ", most + (*most == '+'), gap, unit,
                        glim__page_pick(m->p, "\xc2\xb7", "."));
}

void glim__panel_legend(const glim_panel_page *m, bool shades, bool digits) {
    const glim_panel_range *r = &m->range;
    const glim_panel *panel = m->panel;
    char low[32], high[32];
    glim_buffer b;
    glim__buffer_init(&b, m->p->b.ctx);
    if (shades && r->limit > 0 && m->p->o->color != GLIM_COLOR_NONE)
        put_swatches(m);
    else if (digits && r->limit > 0)
        put_digits(m, &b);
    else if (panel->unit)
        glim__buffer_printf(&b, "numbers are in %.40s; ", panel->unit);
    if (panel->scale == GLIM_SCALE_EFFECT)
        glim__buffer_puts(&b, "0 changes nothing, 1 is the whole difference; ");
    if (r->beyond)
        glim__buffer_printf(&b, "%zu beyond %s0.2 to 1.2, from %s to %s; ", r->beyond,
                            glim__page_pick(m->p, "\xe2\x88\x92", "-"),
                            glim__panel_number(m, low, r->least, false),
                            glim__panel_number(m, high, r->most, false));
    if (r->unsure)
        glim__buffer_printf(&b, "%zu interval%s 0; ", r->unsure,
                            r->unsure > 1 ? "s cover" : " covers");
    if (r->marked)
        glim__buffer_printf(&b, "* marks %zu cell%s; ", r->marked, r->marked > 1 ? "s" : "");
    if (r->missing)
        glim__buffer_printf(&b, "%zu number%s not there; ", r->missing,
                            r->missing > 1 ? "s are" : " is");
    if (b.len >= 2 && !b.failed)
        b.data[b.len -= 2] = '\0';
    glim__panel_say(m->p, &b);
}

/* ---- texts ---- */

/* Strips shade by size alone: what has no shade here is none there, unless it is read. */
static double strip_value(const glim_panel_page *m, double x) {
    if (m->panel->scale == GLIM_SCALE_RANK && isfinite(x) && !m->p->o->numbers)
        return m->range.limit * glim__panel_step(m->panel, &m->range, x) / GLIM_AMOUNTS;
    return !m->range.is_signed && x < 0 && !m->p->o->numbers ? 0 : x;
}

struct strip {
    glim_document_unit *units;
    double *values;
    size_t *starts, n; /* where each unit begins in the bytes */
    glim_buffer bytes;
};

static void end_unit(struct strip *s, size_t start, bool fixed, double value) {
    s->starts[s->n] = start;
    s->values[s->n] = value;
    s->units[s->n++] = (glim_document_unit){
        .text_len = s->bytes.len - start, .end = 1, .fixed = fixed, .turn = -1};
}

/* The pieces of a window as units; what is left out at either end is a fixed one, which is
   grey and has no number. */
static void fill_strip(const glim_panel_page *m, const glim_panel_text *t, struct strip *s,
                       size_t from, size_t to) {
    const char *dots = glim__page_pick(m->p, "\xe2\x80\xa6", "...");
    if (from) {
        glim__buffer_puts(&s->bytes, dots);
        end_unit(s, 0, true, NAN);
    }
    for (size_t i = from, end; i < to; i = end) {
        size_t start = s->bytes.len;
        end = glim__pieces_end(t, i);
        end = end > to ? to : end;
        glim__pieces_put(&s->bytes, t, i, end);
        end_unit(s, start, false, strip_value(m, glim__pieces_value(t, i, end)));
    }
    if (to < t->n) {
        size_t start = s->bytes.len;
        glim__buffer_puts(&s->bytes, dots);
        end_unit(s, start, true, NAN);
    }
    for (size_t i = 0; i < s->n; i++)
        s->units[i].text = s->bytes.data ? s->bytes.data + s->starts[i] : "";
}

static void put_strip(const glim_panel_page *m, const glim_panel_text *t) {
    glim_page *p = m->p;
    glim_context *ctx = p->b.ctx;
    glim_document look = *p->d;
    const glim_document *was = p->d;
    size_t from, to;
    glim__pieces_window(t, WHOLE, &from, &to);
    struct strip s = {.units = glim__calloc(ctx, to - from + 2, sizeof *s.units),
                      .values = glim__calloc(ctx, to - from + 2, sizeof *s.values),
                      .starts = glim__calloc(ctx, to - from + 2, sizeof *s.starts)};
    glim__buffer_init(&s.bytes, ctx);
    if (s.units && s.values && s.starts)
        fill_strip(m, t, &s, from, to);
    p->b.failed = p->b.failed || !s.units || !s.values || !s.starts || s.bytes.failed;
    look.input.units = s.units;
    look.input.n_units = s.n;
    p->d = &look;
    if (!p->b.failed)
        glim__page_strip(p, s.values, m->range.limit);
    p->d = was;
    glim__buffer_release(&s.bytes);
    glim__free(ctx, s.units);
    glim__free(ctx, s.values);
    glim__free(ctx, s.starts);
}

/* "1 reviews.csv, row 7: 12.5, most at “ Paris”" */
static void put_string(const glim_panel_page *m, size_t i) {
    const glim_panel_text *t = &m->panel->strings[i];
    const char *label = glim__string_label(m->panel, i);
    char number[32];
    glim_buffer b, bytes;
    glim__buffer_init(&b, m->p->b.ctx);
    glim__buffer_init(&bytes, m->p->b.ctx);
    glim__buffer_printf(&b, "%zu", i + 1);
    glim__buffer_puts(&b, *label ? " " : "");
    glim__page_label(m->p, &b, label, strlen(label), 2 * m->p->width, 0);
    if (isfinite(t->value))
        glim__buffer_printf(&b, ": %s", glim__panel_number(m, number, t->value, false));
    if (t->best < t->n) {
        size_t end = glim__pieces_end(t, t->best);
        glim__pieces_put(&bytes, t, t->best, end);
        glim__buffer_printf(&b, "%s most at %s", isfinite(t->value) ? "," : ":",
                            glim__page_pick(m->p, "\xe2\x80\x9c", "\""));
        glim__panel_label(m->p, &b, bytes.data ? bytes.data : "", 24, 0);
        glim__buffer_puts(&b, glim__page_pick(m->p, "\xe2\x80\x9d", "\""));
    }
    b.failed = b.failed || bytes.failed;
    glim__buffer_release(&bytes);
    glim__panel_say(m->p, &b);
    put_strip(m, t);
}

static void put_texts(const glim_panel_page *m) {
    glim_page *p = m->p;
    size_t most = p->o->top > 0 ? (size_t)p->o->top : MOST_TEXTS, n = m->panel->rows.n;
    for (size_t i = 0; i < n && i < most; i++)
        put_string(m, i);
    if (n > most) {
        glim_buffer b;
        glim__buffer_init(&b, p->b.ctx);
        glim__buffer_printf(&b, "%zu more texts: --html, --csv", n - most);
        glim__panel_say(p, &b);
    }
    glim__panel_legend(m, true, true);
}

/* ---- a panel, and all ---- */

static void put_panel(glim_page *p, const glim_panel *panel) {
    glim_panel_page m = {p, panel, glim__panel_range(panel)};
    const glim_document *was = p->d;
    glim_document look = {.ctx = was->ctx, .kind = was->kind, .input.unit = "token"};
    look.method.is_signed = m.range.is_signed;
    look.target.value = NAN;
    glim__buffer_putc(&p->b, '\n');
    glim__page_wrapped(p, panel->title);
    p->d = &look;
    if (panel->kind == GLIM_PANEL_TABLE)
        glim__panel_table(&m);
    else if (panel->kind == GLIM_PANEL_TEXTS)
        put_texts(&m);
    else if (panel->kind == GLIM_PANEL_LINES)
        glim__panel_lines(&m);
    else
        glim__panel_grid(&m);
    p->d = was;
    if (panel->caption)
        glim__page_wrapped(p, panel->caption);
}

void glim__page_panels(glim_page *p) {
    for (size_t i = 0; i < p->d->n_panels; i++)
        put_panel(p, &p->d->panels[i]);
    if (p->d->n_panels)
        glim__buffer_putc(&p->b, '\n');
}

/* ---- the head of a document that has nothing else ---- */

static void put_quoted(glim_page *p, glim_buffer *b, const char *s, size_t n, int most) {
    glim__buffer_puts(b, glim__page_pick(p, "\xe2\x80\x9c", "\""));
    glim__page_label(p, b, s, n, most, 0);
    glim__buffer_puts(b, glim__page_pick(p, "\xe2\x80\x9d", "\""));
}

static void put_target(glim_page *p) {
    const glim_document *d = p->d;
    char number[32];
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    if (d->target.text && d->target.text_len) {
        glim__buffer_puts(&b, "of ");
        put_quoted(p, &b, d->target.text, d->target.text_len, p->width);
    }
    if (d->target.against) {
        glim__buffer_puts(&b, " against ");
        put_quoted(p, &b, d->target.against, d->target.against_len, p->width);
    }
    if (isfinite(d->target.value))
        glim__buffer_printf(&b, "%s%.40s %s", b.len ? ", " : "",
                            d->target.output ? d->target.output : "value",
                            glim__page_number(p, number, d->target.value));
    if (isfinite(d->target.baseline_value))
        glim__buffer_printf(&b, "%sbaseline %s", b.len ? ", " : "",
                            glim__page_number(p, number, d->target.baseline_value));
    if (isfinite(d->target.prob))
        glim__buffer_printf(&b, "%sprobability %.1f %%", b.len ? ", " : "", 100 * d->target.prob);
    glim__panel_say(p, &b);
}

void glim__page_panels_head(glim_page *p) {
    static const char *const titles[][2] = {{"lens", "What each layer would say"},
                                            {"patch", "Where activations change the answer"},
                                            {"probe", "What can be read from each layer"},
                                            {"maximize", "What drives it most"},
                                            {"structure", "What parts of the model do"}};
    const glim_document *d = p->d;
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (!strcmp(titles[i][0], d->kind))
            glim__buffer_printf(&b, "%s: %.80s", titles[i][1], d->method.name);
    glim__panel_say(p, &b);
    put_target(p);
    if (!d->input.text_len)
        return;
    glim__buffer_init(&b, p->b.ctx);
    glim__buffer_puts(&b, "input ");
    put_quoted(p, &b, d->input.text, d->input.text_len, 3 * p->width);
    glim__panel_say(p, &b);
}
