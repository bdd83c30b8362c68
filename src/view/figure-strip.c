/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text as text, each unit on the colour of its step, wrapped like prose. The sign has a
 * second cue: a solid line below raises the target, a dashed one lowers it, a dotted one may
 * be chance. Turns stand under their role; what a template adds is folded into a count.
 */
#include "view/sheet.h"

#include <string.h>

static const double WIDE = 1.96; /* standard errors to each side of a 95 % interval */

enum { FOLDED = 3 }; /* fixed units in a row that are still shown one by one */

typedef struct strip {
    sheet *t;
    svg_font font;
    double x, line; /* where the next unit begins; a line's height */
    bool rtl, numbers;
} strip;

static double mirrored(const strip *p, double x, double w) {
    return p->rtl ? p->t->left + p->t->right - x - w : x;
}

static void new_line(strip *p) {
    p->x = p->t->left;
    p->t->y += p->line;
}

/* ---- one box ---- */

struct look {
    uint32_t back, text;
    const char *dash; /* of the line below; "" solid, NULL none */
    bool missing, outlined, italic;
};

static struct look look_of(const sheet *t, size_t u) {
    const html_page *page = &t->page;
    const glim_document_unit *unit = &page->d->input.units[u];
    double x = page->scores[u], error = page->d->error && !page->d->rows ? page->d->error[u] : 0;
    struct look look = {SVG_NONE, SHEET_INK, NULL, false, false, false};
    if (unit->fixed || !glim__html_counts(page, u)) {
        look.text = SHEET_GREY;
        look.outlined = true;
        look.italic = unit->fixed;
        return look;
    }
    if (!isfinite(x)) {
        look.missing = !glim__html_later(page, SIZE_MAX, u);
        look.back = SHEET_ABSENT;
        return look;
    }
    bool both = page->d->method.is_signed;
    int step = both ? glim__step(x, page->limit) : glim__amount(x, page->limit);
    const glim_shade *shade = sheet_shade(both, step);
    look.text = shade->text;
    look.back = step ? shade->back : SVG_NONE;
    if (isfinite(error) && error > 0 && fabs(x) < WIDE * error)
        look.dash = "1.5 2";
    else if (both && step)
        look.dash = step < 0 ? "5 2" : "";
    return look;
}

static void put_below(strip *p, double x, double y, double w, const struct look *look) {
    if (look->dash)
        svg_line(&p->t->s, x + 1, y, x + w - 1, y, look->text == SHEET_INK ? SHEET_INK : look->text,
                 1.2, *look->dash ? look->dash : NULL);
}

/* A part of a unit on one line: a gap for spaces before it, then its text. */
static void put_box(strip *p, size_t u, const char *s, size_t n, double gap, double text, double w,
                    const char *number) {
    sheet *t = p->t;
    struct look look = look_of(t, u);
    double height = p->font.size * 1.35, x = mirrored(p, p->x, w), y = t->y;
    double from = mirrored(p, p->x + gap, text);
    svg_font font = p->font;
    font.italic = look.italic;
    svg_note(&t->s, "data-unit=\"%zu\"", u);
    if (isfinite(t->page.scores[u]))
        svg_value(&t->s, "score", t->page.scores[u]);
    svg_rect(&t->s, x + 0.5, y, w - 1, height, look.back, look.outlined ? SHEET_RULE : SVG_NONE);
    if (look.missing)
        sheet_missing(t, x + 0.5, y, w - 1, height);
    svg_text(&t->s, from, y + font.size * 1.05, font, look.text, SVG_START, s, n);
    put_below(p, x, y + height - 1.6, w, &look);
    if (number)
        svg_text(&t->s, x + w / 2, y + height + SVG_TINY, (svg_font){SVG_TINY}, SHEET_GREY,
                 SVG_MIDDLE, number, strlen(number));
    p->x += w;
}

/* ---- a unit ---- */

static double measure(strip *p, const char *s, size_t n) {
    return svg_text_width(p->t->s.ruler, p->font, s, n);
}

/* A unit without line ends in it, wrapped where it must be. */
static void put_piece(strip *p, size_t u, const char *s, size_t n, double gap, const char *number) {
    sheet *t = p->t;
    static const svg_font tiny = {10, false, false, false};
    double pad = 2;
    while (n) {
        double room = t->right - p->x - gap - 2 * pad, text = measure(p, s, n);
        size_t take = n, shown;
        if (text > room) {
            take = svg_text_line(t->s.ruler, p->font, fmax(room, 1), p->x <= t->left, s, n);
            text = measure(p, s, take);
            if (text > room && p->x > t->left) { /* not even a word */
                new_line(p);
                continue;
            }
        }
        for (shown = take; shown > 1 && s[shown - 1] == ' ' && take < n;)
            shown--;
        text = measure(p, s, shown);
        double w = gap + text + 2 * pad;
        if (number && take == n) {
            double wide = svg_text_width(t->s.ruler, tiny, number, strlen(number)) + 4;
            if (wide > w && p->x + wide > t->right && p->x > t->left) {
                new_line(p);
                continue;
            }
            w = fmax(w, wide);
        }
        put_box(p, u, s, shown, gap + pad, text, w, take == n ? number : NULL);
        s += take;
        n -= take;
        gap = 0;
        if (n)
            new_line(p);
    }
}

static void put_unit(strip *p, size_t u) {
    sheet *t = p->t;
    const glim_document_unit *unit = &t->page.d->input.units[u];
    const char *s = unit->text;
    size_t n = unit->text_len, spaces = 0;
    char number[40] = "";
    while (spaces + 1 < n && s[spaces] == ' ')
        spaces++;
    if (p->numbers && glim__html_counts(&t->page, u))
        snprintf(number, sizeof number, "%s",
                 sheet_value(t, t->page.scores[u], t->page.limit, t->page.d->method.is_signed));
    s += spaces;
    n -= spaces;
    double gap = spaces && p->x > t->left ? measure(p, " ", 1) * fmin((double)spaces, 8) : 0;
    do { /* a line of a unit, whose end is marked and ends the line */
        const char *end = memchr(s, '\n', n);
        size_t len = end ? (size_t)(end - s) + 1 : n;
        glim_buffer text;
        glim__buffer_init(&text, t->s.body.ctx);
        glim__buffer_puts(&text, sheet_label(t, s, len, 0));
        put_piece(p, u, text.data ? text.data : "", text.len, gap,
                  *number && len == n ? number : NULL);
        t->s.body.failed = t->s.body.failed || text.failed;
        glim__buffer_release(&text);
        s += len;
        n -= len;
        gap = 0;
        if (end)
            new_line(p);
    } while (n);
}

/* ---- the text ---- */

static void put_note(strip *p, const char *words) {
    sheet *t = p->t;
    svg_font font = {12, false, true, false};
    double w = svg_text_width(t->s.ruler, font, words, strlen(words)) + 10;
    if (p->x > t->left && p->x + w > t->right)
        new_line(p);
    double x = mirrored(p, p->x, fmin(w, t->right - t->left));
    svg_rect(&t->s, x, t->y + 1, w, p->font.size * 1.25, SVG_NONE, SHEET_RULE);
    svg_text(&t->s, x + 5, t->y + p->font.size, font, SHEET_GREY, SVG_START, words, strlen(words));
    p->x += w + 6;
}

static size_t fixed_run(const glim_document *d, size_t u) {
    size_t n = 0;
    while (u + n < d->input.n_units && d->input.units[u + n].fixed)
        n++;
    return n;
}

static void put_role(strip *p, int turn) {
    sheet *t = p->t;
    const glim_document *d = t->page.d;
    const char *role = glim__turn_name(d, turn);
    if (p->x > t->left)
        new_line(p);
    t->y += 4;
    const char *words = (size_t)turn < d->input.n_turns ? sheet_label(t, role, strlen(role), 24)
                                                        : sheet_word(t, "generated");
    svg_text(&t->s, t->left, t->y + 12, (svg_font){12, true}, SHEET_GREY, SVG_START, words,
             strlen(words));
    t->y += sheet_line((svg_font){12});
}

static void put_units(strip *p) {
    sheet *t = p->t;
    const glim_document *d = t->page.d;
    int open = -2;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        size_t fixed = fixed_run(d, u);
        if (fixed > FOLDED || (fixed && d->input.n_turns)) {
            if (d->input.n_turns && open >= 0)
                new_line(p);
            glim__buffer_printf(glim__html_arg(&t->page), "%zu", fixed);
            put_note(p, sheet_word(t, fixed == 1 ? "figure.template-one" : "figure.template"));
            u += fixed - 1;
            open = -1;
            continue;
        }
        if (d->input.n_turns && unit->turn >= 0 && unit->turn != open) {
            put_role(p, unit->turn);
            open = unit->turn;
        }
        put_unit(p, u);
    }
}

static void put_target(strip *p) {
    sheet *t = p->t;
    const glim_document *d = t->page.d;
    char words[256];
    if (d->rows || !d->target.text)
        return;
    snprintf(words, sizeof words, "\xe2\x86\x92 %s",
             sheet_label(t, d->target.text, d->target.text_len, 32));
    svg_font font = p->font;
    font.bold = true;
    double w = svg_text_width(t->s.ruler, font, words, strlen(words)) + 6;
    if (p->x > t->left && p->x + w > t->right)
        new_line(p);
    double x = mirrored(p, p->x, w);
    sheet_text(t, x + 6, t->y + font.size * 1.05, t->right - t->left - 6, font, SHEET_INK,
               SVG_START, words);
    p->x += w;
}

/* ---- legend ---- */

static size_t count(const sheet *t, bool wanted(const sheet *t, size_t u)) {
    size_t n = 0;
    for (size_t u = 0; u < t->page.d->input.n_units; u++)
        n += wanted(t, u);
    return n;
}

static bool is_hollow(const sheet *t, size_t u) {
    struct look look = look_of(t, u);
    return look.dash && !strcmp(look.dash, "1.5 2");
}

static bool is_missing(const sheet *t, size_t u) {
    return look_of(t, u).missing;
}

static bool is_lined(const sheet *t, size_t u) {
    struct look look = look_of(t, u);
    return look.dash && !is_hollow(t, u);
}

static bool is_aside(const sheet *t, size_t u) {
    return !t->page.d->input.units[u].fixed && !glim__html_counts(&t->page, u);
}

static void put_key(sheet *t, sheet_mark mark, const char *key, size_t n) {
    if (!n)
        return;
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", n);
    sheet_key(t, mark, sheet_word(t, key));
}

void sheet_signed_scale(sheet *t, bool both, double limit) {
    char low[32], middle[32], high[32], weak[96], strong[96];
    bool looks = t->page.d->attention.side;
    snprintf(low, sizeof low, "%s", sheet_value(t, both ? -limit : 0, limit, both));
    snprintf(middle, sizeof middle, "%s", sheet_value(t, both ? 0 : limit / 2, limit, false));
    snprintf(high, sizeof high, "%s", sheet_value(t, limit, limit, both));
    snprintf(weak, sizeof weak, "%s",
             sheet_word(t, both    ? "legend.lowers"
                           : looks ? "attention.little"
                                   : "legend.weak"));
    snprintf(strong, sizeof strong, "%s",
             sheet_word(t, both    ? "legend.raises"
                           : looks ? "attention.much"
                                   : "legend.strong"));
    sheet_scale(t, both, weak, low, middle, high, strong);
}

void sheet_score_legend(sheet *t) {
    const glim_document *d = t->page.d;
    char key[48];
    bool both = d->method.is_signed;
    const char *unit = d->method.unit ? d->method.unit : d->target.output;
    sheet_legend(t);
    sheet_signed_scale(t, both, t->page.limit);
    snprintf(key, sizeof key, "output.%.20s", unit ? unit : "");
    if (glim__html_has(key))
        sheet_key(t, SHEET_BARE, sheet_word(t, key));
    if (d->rows)
        put_key(t, SHEET_BARE, "legend.sum", d->n_rows);
    put_key(t, SHEET_BARE, "legend.given", count(t, is_aside));
    put_key(t, SHEET_HOLLOW, "figure.hollow", count(t, is_hollow));
    put_key(t, SHEET_CROSS, "legend.missing", count(t, is_missing));
    if (both && !d->input.image.rgb && count(t, is_lined))
        sheet_key(t, SHEET_DASHED, sheet_word(t, "figure.dashed"));
    sheet_legend_end(t);
}

void glim__figure_strip(sheet *t) {
    const glim_document *d = t->page.d;
    strip p = {.t = t, .font = {SVG_TEXT}, .numbers = t->o->numbers};
    if (!sheet_enter(t, "strip"))
        return;
    p.line = ceil(p.font.size * 1.35 + 4 + (p.numbers ? SVG_TINY + 3 : 0));
    p.x = t->left;
    p.rtl = !strcmp(glim__html_direction(d), "rtl");
    put_units(&p);
    put_target(&p);
    t->y += p.line + 4;
    sheet_score_legend(t);
    sheet_leave(t);
}
