/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text, numbers and words of the HTML report. A character is never parted: text
 * is walked by graphemes, and a joiner inside an emoji stays what it is while
 * one that stands alone is named. Words carry their key (data-w) and mark what
 * was put in (data-a), so that the viewer can say the same in another language.
 */
#include "base/utf8.h"
#include "view/html-page.h"
#include "view/width.h"

#include <float.h>
#include <stdlib.h>
#include <utf8proc.h>

void glim__html_escape(glim_buffer *b, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '<')
            glim__buffer_puts(b, "&lt;");
        else if (s[i] == '>')
            glim__buffer_puts(b, "&gt;");
        else if (s[i] == '&')
            glim__buffer_puts(b, "&amp;");
        else if (s[i] == '"')
            glim__buffer_puts(b, "&quot;");
        else
            glim__buffer_putc(b, s[i]);
    }
}

/* ---- marks ---- */

/* Names what has no glyph of its own; false when the grapheme has one. */
static bool put_hidden(glim_buffer *b, uint32_t cp) {
    if (cp == 0x200b || cp == 0x200c || cp == 0x200d || cp == 0x2060)
        glim__buffer_printf(b, "\xe2\x80\xb9%s\xe2\x80\xba",
                            cp == 0x200b   ? "ZWSP"
                            : cp == 0x200c ? "ZWNJ"
                            : cp == 0x200d ? "ZWJ"
                                           : "WJ");
    else if (cp < 0x20 || cp == 0x7f)
        glim__buffer_printf(b, "\\x%02x", (unsigned)cp);
    else if (glim__hidden_character(cp))
        glim__buffer_printf(b, "\xe2\x80\xb9U+%04X\xe2\x80\xba", (unsigned)cp);
    else
        return false;
    return true;
}

/* Bytes that are no UTF-8, as one bracket of hexadecimal; returns how many. */
static size_t put_bytes(glim_buffer *b, const char *s, size_t n) {
    uint32_t cp;
    size_t i = 0;
    glim__buffer_puts(b, "\xe2\x9f\xa8");
    do
        glim__buffer_printf(b, i ? " %02X" : "%02X", (unsigned char)s[i]);
    while (++i < n && !glim__utf8_decode(s + i, n - i, &cp));
    glim__buffer_puts(b, "\xe2\x9f\xa9");
    return i;
}

static size_t spaces(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && s[i] == ' ')
        i++;
    return i;
}

static void put_spaces(glim_buffer *b, size_t n) {
    if (n)
        glim__buffer_puts(b, "\xc2\xb7");
    if (n > 1)
        glim__buffer_printf(b, "\xc3\x97%zu", n);
}

/* One piece of a label: spaces, broken bytes, or a grapheme; returns its bytes. */
static size_t put_piece(glim_buffer *b, const char *s, size_t n, bool at_end) {
    uint32_t cp;
    size_t len = spaces(s, n);
    if (len) {
        if (len > 1 || at_end || len == n)
            put_spaces(b, len);
        else
            glim__buffer_putc(b, ' ');
        return len;
    }
    int bytes = glim__utf8_decode(s, n, &cp);
    if (!bytes)
        return put_bytes(b, s, n);
    if (cp == '\n' || cp == '\t' || cp == 0xa0)
        glim__buffer_puts(b, cp == '\n'   ? "\xe2\x86\xb5"
                             : cp == '\t' ? "\xe2\x86\x92"
                                          : "\xe2\x90\xa3");
    else if (!put_hidden(b, cp)) {
        glim__grapheme_width(s, n, &len, 1);
        glim__html_escape(b, s, len);
        return len;
    }
    return (size_t)bytes;
}

void glim__html_plain(glim_buffer *b, const char *s, size_t n, int most) {
    int width = glim__text_width(s, n, 1), used = 0;
    int head = most - most / 2, tail = width - most / 2 + 1;
    bool cut = most && width > most, dots = false;
    glim_buffer piece;
    glim__buffer_init(&piece, b->ctx);
    if (!n)
        glim__buffer_puts(b, "\xe2\x88\x85");
    for (size_t i = 0, len; i < n; i += len) {
        glim__buffer_clear(&piece);
        len = put_piece(&piece, s + i, n - i, !i);
        used += glim__text_width(s + i, len, 1);
        if (!cut || used <= head || used > tail)
            glim__buffer_append(b, piece.data ? piece.data : "", piece.len);
        else if (!dots)
            glim__buffer_puts(b, "\xe2\x80\xa6");
        dots = dots || (cut && used > head);
    }
    b->failed = b->failed || piece.failed;
    glim__buffer_release(&piece);
}

void glim__html_label(glim_buffer *b, const char *s, size_t n, int most) {
    glim__buffer_puts(b, "<bdi>");
    glim__html_plain(b, s, n, most);
    glim__buffer_puts(b, "</bdi>");
}

void glim__html_quote(glim_buffer *b, const char *s, size_t n, int most) {
    glim__buffer_puts(b, "\xe2\x80\x9c");
    glim__html_label(b, s, n, most);
    glim__buffer_puts(b, "\xe2\x80\x9d");
}

static void put_mark(glim_buffer *b, const char *mark) {
    glim__buffer_printf(b, "<i class=\"m\" data-m=\"%s\"></i>", mark);
}

void glim__html_run(glim_buffer *b, const char *s, size_t n) {
    size_t gap = spaces(s, n), len;
    uint32_t cp;
    if (gap && gap < n)
        glim__buffer_printf(b,
                            gap == 1 ? "<i class=\"g\" data-m=\"\xc2\xb7\"> </i>"
                                     : "<i class=\"g\" data-m=\"\xc2\xb7\xc3\x97%zu\">%*s</i>",
                            gap, (int)gap, "");
    glim__buffer_puts(b, "<bdi>");
    if (!n)
        put_mark(b, "\xe2\x88\x85");
    if (gap == n && n) {
        glim__buffer_puts(b, "<i class=\"m\" data-m=\"");
        put_spaces(b, gap);
        glim__buffer_printf(b, "\"></i><i class=\"g\">%*s</i>", (int)gap, "");
    }
    for (size_t i = gap; i < n; i += len) {
        len = 1;
        int bytes = glim__utf8_decode(s + i, n - i, &cp);
        if (!bytes)
            len = put_bytes(b, s + i, n - i);
        else if (cp == '\n' && i + 1 == n)
            put_mark(b, "\xe2\x86\xb5");
        else if (cp == '\n' || cp == '\t') {
            put_mark(b, cp == '\n' ? "\xe2\x86\xb5" : "\xe2\x86\x92");
            glim__buffer_putc(b, s[i]);
        } else if (!put_hidden(b, cp)) {
            glim__grapheme_width(s + i, n - i, &len, 1);
            if (cp == 0xa0)
                put_mark(b, "\xe2\x90\xa3");
            glim__html_escape(b, s + i, len);
        } else {
            len = (size_t)bytes;
        }
    }
    glim__buffer_puts(b, "</bdi>");
}

void glim__html_row(html_page *p, glim_buffer *b, const glim_document_row *row, int most) {
    const char *text = p->d->input.text;
    size_t n = p->d->input.text_len, start = row->start, end = row->end;
    if (!p->starts || start >= end || end > n || (p->starts[start] && p->starts[end])) {
        glim__html_label(b, row->text, row->text_len, most);
        return;
    }
    while (start && !p->starts[start])
        start--;
    while (end < n && !p->starts[end])
        end++;
    glim__html_label(b, text + start, end - start, most);
    glim__buffer_puts(b, " <bdi class=\"bytes\">\xe2\x9f\xa8");
    for (size_t i = row->start; i < row->end; i++)
        glim__buffer_printf(b, i > row->start ? " %02X" : "%02X", (unsigned char)text[i]);
    glim__buffer_puts(b, "\xe2\x9f\xa9</bdi>");
}

const char *glim__html_direction(const glim_document *d) {
    uint32_t cp;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        for (size_t i = 0, len; i < unit->text_len && !unit->fixed; i += len) {
            len = (size_t)glim__utf8_decode(unit->text + i, unit->text_len - i, &cp);
            len = len ? len : 1;
            utf8proc_propval_t c = utf8proc_get_property((utf8proc_int32_t)cp)->bidi_class;
            if (c == UTF8PROC_BIDI_CLASS_R || c == UTF8PROC_BIDI_CLASS_AL)
                return "rtl";
            if (c == UTF8PROC_BIDI_CLASS_L)
                return "ltr";
        }
    }
    return "ltr";
}

/* ---- numbers ---- */

/* Halves go up, as in the viewer's language. */
static const double UP = 1 + DBL_EPSILON;

void glim__html_number(glim_buffer *b, double x, double scale, bool is_signed) {
    double size = fabs(x) * UP;
    char text[40];
    if (!isfinite(x)) {
        glim__buffer_puts(b, "\xc3\x97");
        return;
    }
    if (size > 0)
        glim__buffer_puts(b, x < 0 ? "\xe2\x88\x92" : is_signed ? "+" : "");
    snprintf(text, sizeof text, "%.2e", size);
    int power = atoi(text + 5); /* "1.23e-05" */
    if (size == 0)
        glim__buffer_putc(b, '0');
    else if (power < -3 && scale >= 0.1)
        glim__buffer_puts(b, "&lt;0.001");
    else if (power < -3 || power > 5)
        glim__buffer_printf(b, "%.4se%s%d", text, power < 0 ? "\xe2\x88\x92" : "", abs(power));
    else
        glim__buffer_printf(b, "%.*f", power < 2 ? 2 - power : 0, size);
}

void glim__html_percent(glim_buffer *b, double share) {
    glim__buffer_printf(b, "%.1f\xc2\xa0%%", 100 * share * UP);
}

/* ---- words ---- */

glim_buffer *glim__html_arg(html_page *p) {
    if (p->n_args)
        glim__buffer_putc(&p->args, 0);
    if (p->n_args < HTML_ARGS)
        p->at[p->n_args++] = p->args.len;
    return &p->args;
}

static const glim_html_word *find(const char *key) {
    for (const glim_html_word *w = glim__html_words; w->key; w++)
        if (!strcmp(w->key, key))
            return w;
    return NULL;
}

void glim__html_term(html_page *p, glim_buffer *b, const char *key) {
    const glim_html_word *w = find(key);
    glim__buffer_printf(b, "<span data-w=\"%s\">%s</span>", key, w ? p->zh ? w->zh : w->en : key);
}

static void put_words(html_page *p, const char *text) {
    for (; *text; text++) {
        int i = text[0] == '{' && text[1] >= '0' && text[2] == '}' ? text[1] - '0' : -1;
        if (i >= 0 && i < p->n_args) {
            glim__buffer_printf(p->b, "<span data-a=\"%d\">", i);
            glim__buffer_puts(p->b, p->args.data ? p->args.data + p->at[i] : "");
            glim__buffer_puts(p->b, "</span>");
            text += 2;
        } else {
            glim__html_escape(p->b, text, 1);
        }
    }
}

static void close_tag(html_page *p, const char *open) {
    glim__buffer_printf(p->b, "</%.*s>", (int)strcspn(open, " "), open);
}

bool glim__html_has(const char *key) {
    return find(key) != NULL;
}

void glim__html_say(html_page *p, const char *open, const char *key) {
    const glim_html_word *w = find(key);
    glim__buffer_printf(p->b, "<%s data-w=\"%s\">", open, key);
    put_words(p, w ? p->zh ? w->zh : w->en : key);
    close_tag(p, open);
    p->b->failed = p->b->failed || p->args.failed;
    glim__buffer_clear(&p->args);
    p->n_args = 0;
}

void glim__html_told(html_page *p, const char *open, const char *key, const char *text) {
    const glim_html_word *w = key ? find(key) : NULL;
    if (w && text && !strcmp(w->en, text)) {
        glim__html_say(p, open, key);
        return;
    }
    glim__buffer_printf(p->b, "<%s lang=\"en\">", open);
    for (size_t i = 0, n = text ? strlen(text) : 0, len; i < n; i += len)
        len = put_piece(p->b, text + i, n - i, false);
    close_tag(p, open);
}
