/* SPDX-License-Identifier: Apache-2.0 */
/* Members of JSON documents as words and numbers, and what stands around their figures. */
#include "view/figure-json.h"

#include <math.h>
#include <string.h>

static const svg_font SMALL = {12, false, false, false};

const json_t *figure_get(const json_t *o, const char *key) {
    return o ? json_object_get(o, key) : NULL;
}

double figure_real(const json_t *o, const char *key) {
    const json_t *x = figure_get(o, key);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

double figure_real_at(const json_t *list, size_t i) {
    const json_t *x = json_array_get(list, i);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

size_t figure_count(const json_t *o, const char *key) {
    json_int_t n = json_integer_value(figure_get(o, key));
    return n > 0 ? (size_t)n : 0;
}

const char *figure_text(const json_t *o, const char *key) {
    const char *s = json_string_value(figure_get(o, key));
    return s ? s : "";
}

/* ---- words ---- */

void figure_arg_count(sheet *t, size_t n) {
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", n);
}

void figure_arg_text(sheet *t, const char *s, int most) {
    glim__html_plain(glim__html_arg(&t->page), s, strlen(s), most);
}

void figure_arg_quote(sheet *t, const char *s, int most) {
    glim__html_quote(glim__html_arg(&t->page), s, strlen(s), most);
}

static void put_real(glim_buffer *b, double x) {
    if (isfinite(x))
        glim__buffer_printf(b, "%s%.4g", x < 0 ? "\xe2\x88\x92" : "", fabs(x));
    else
        glim__buffer_puts(b, "\xc3\x97");
}

void figure_arg_real(sheet *t, double x) {
    put_real(glim__html_arg(&t->page), x);
}

const char *figure_number_text(sheet *t, double x) {
    put_real(&t->markup, x);
    return sheet_taken(t);
}

void figure_title(sheet *t, const char *words) {
    snprintf(t->title, sizeof t->title, "%.250s", words);
    sheet_paragraph(t, (svg_font){SVG_TITLE, true}, SHEET_INK, 0, words);
    sheet_gap(t, 4);
}

void figure_note(sheet *t, const char *words) {
    sheet_paragraph(t, SMALL, SHEET_GREY, 0, words);
}

void figure_verdict(sheet *t, const json_t *all, const char *reason) {
    static const char *const names[] = {"ok", "careful", "distrust"};
    static const char *const marks[] = {"\xe2\x9c\x93", "\xe2\x96\xb2", "\xe2\x9c\x96"};
    const char *verdict = figure_text(all, "verdict");
    size_t v = 0;
    char key[32];
    while (v < 3 && strcmp(names[v], verdict) != 0)
        v++;
    if (v == 3)
        return;
    snprintf(key, sizeof key, "verdict.%s", names[v]);
    glim__buffer_printf(&t->markup, "%s ", marks[v]);
    glim__html_term(&t->page, &t->markup, key);
    if (*reason) {
        glim__buffer_puts(&t->markup, ": ");
        glim__html_plain(&t->markup, reason, strlen(reason), 0);
    }
    const char *words = sheet_taken(t);
    sheet_verdict(t, (glim_verdict)v, words);
    sheet_alt(t, words);
}

double figure_box(sheet *t, double x, const char *words, const glim_shade *shade, bool framed) {
    static const double BOX = 17, LINE = 21;
    double room = t->right - t->left - 4;
    glim_buffer cut;
    glim__buffer_init(&cut, t->s.body.ctx);
    svg_text_fit(t->s.ruler, SMALL, room, words, strlen(words), &cut);
    const char *s = cut.data ? cut.data : "";
    double w = svg_text_width(t->s.ruler, SMALL, s, cut.len) + 4;
    if (x > t->left && x + w > t->right) {
        x = t->left;
        t->y += LINE;
    }
    if (shade)
        svg_rect(&t->s, x + 0.5, t->y, w - 1, BOX, shade->back, framed ? SHEET_INK : SVG_NONE);
    svg_text(&t->s, x + 2, t->y + 13, SMALL, shade ? shade->text : SHEET_GREY, SVG_START, s,
             cut.len);
    t->s.body.failed = t->s.body.failed || cut.failed;
    glim__buffer_release(&cut);
    return x + w;
}

void sheet_json_foot(sheet *t, const json_t *all, const char *digest) {
    const json_t *notes = figure_get(all, "notes"), *model = figure_get(all, "model");
    const json_t *method = figure_get(all, "method");
    const char *name = figure_text(method, "name"), *caption = figure_text(method, "caption");
    char key[64];
    if (!*caption)
        caption = figure_text(all, "caption");
    sheet_gap(t, 8);
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const char *s = json_string_value(json_array_get(notes, i));
        glim__html_told(&t->page, "p", NULL, s ? s : "");
    }
    snprintf(key, sizeof key, "%.40s.caption", name);
    if (*caption)
        glim__html_told(&t->page, "p", key, caption);
    sheet_lines(t, SMALL, SHEET_GREY);
    sheet_gap(t, 4);
    svg_line(&t->s, t->left, t->y, t->right, t->y, SHEET_RULE, 1, NULL);
    sheet_gap(t, 2);
    const char *file = figure_text(model, "file"), *version = figure_text(all, "glim");
    if (!*file)
        file = figure_text(figure_get(all, "explanation"), "model");
    if (*file) {
        glim__html_plain(&t->markup, file, strlen(file), 60);
        glim__buffer_puts(&t->markup, " \xc2\xb7 ");
    }
    glim__buffer_puts(&t->markup, "glim ");
    glim__html_plain(&t->markup, version, strlen(version), 20);
    glim__buffer_puts(&t->markup, " \xc2\xb7 ");
    glim__buffer_puts(glim__html_arg(&t->page), digest);
    glim__html_say(&t->page, "span", "document");
    sheet_lines(t, (svg_font){SVG_TINY}, SHEET_GREY);
    sheet_gap(t, SHEET_MARGIN / 2.0);
}
