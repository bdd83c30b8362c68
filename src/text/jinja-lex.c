/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words are cut where the parser stands (in text, in a tag), so that "}}" within
 * a dict and "-%}" after an expression need no second look.
 */
#include "text/jinja-lex.h"
#include "base/utf8.h"

#include <string.h>

glim_jinja_node *glim__jinja_wrong(glim_jinja_parser *p, const char *why, glim_jinja_text what) {
    if (!p->status)
        p->status = glim_fail(p->err, GLIM_EUNSUPPORTED, "%s '%.*s'", why,
                              (int)(what.n < 40 ? what.n : 40), what.s ? what.s : "");
    p->kind = END;
    return NULL;
}

bool glim__jinja_starts(const glim_jinja_parser *p, const char *word) {
    size_t n = strlen(word);
    return (size_t)(p->end - p->s) >= n && !memcmp(p->s, word, n);
}

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

void glim__jinja_skip_space(glim_jinja_parser *p) {
    uint32_t cp;
    for (int len; p->s < p->end && (len = glim__utf8_decode(p->s, (size_t)(p->end - p->s), &cp)) &&
                  glim__jinja_space(cp);)
        p->s += len;
}

static void take(glim_jinja_parser *p, enum glim_jinja_word kind, size_t n) {
    p->kind = kind;
    p->word = (glim_jinja_text){p->s, NULL, n};
    p->s += n;
}

/* The end of a tag, with what it eats of the text behind it. */
static bool tag_end(glim_jinja_parser *p) {
    const char *close = p->print ? "}}" : "%}";
    bool strip = *p->s == '-', keep = *p->s == '+' && !p->print;
    size_t sign = strip || keep;
    if (p->brackets || (size_t)(p->end - p->s) < 2 + sign || memcmp(p->s + sign, close, 2))
        return false;
    take(p, TAG_END, 2 + sign);
    const char *before = p->s;
    if (strip)
        glim__jinja_skip_space(p);
    else if (!p->print && !keep && p->s < p->end && *p->s == '\n')
        p->s++;
    p->line_start = p->s > before && p->s[-1] == '\n';
    return true;
}

void glim__jinja_next(glim_jinja_parser *p) {
    static const char *const twos[] = {"==", "!=", "<=", ">=", "//", "**"};
    if (p->status) {
        p->kind = END;
        return;
    }
    glim__jinja_skip_space(p);
    if (p->s >= p->end) {
        glim__jinja_wrong(p, "the chat template ends within a tag", (glim_jinja_text){0});
        return;
    }
    char c = *p->s;
    size_t left = (size_t)(p->end - p->s), n = 1;
    if (tag_end(p))
        return;
    if (letter(c)) {
        while (n < left && (letter(p->s[n]) || digit(p->s[n])))
            n++;
        take(p, NAME, n);
    } else if (digit(c)) {
        while (n < left && (digit(p->s[n]) || p->s[n] == '_'))
            n++;
        if (n + 1 < left && p->s[n] == '.' && digit(p->s[n + 1]))
            for (n++; n < left && digit(p->s[n]);)
                n++;
        take(p, NUMBER, n);
    } else if (c == '\'' || c == '"') {
        while (n < left && p->s[n] != c)
            n += p->s[n] == '\\' ? 2 : 1;
        if (n >= left)
            glim__jinja_wrong(p, "the chat template has an endless string",
                              (glim_jinja_text){p->s, NULL, left});
        else
            take(p, STRING, n + 1);
    } else {
        for (size_t i = 0; i < sizeof twos / sizeof *twos; i++)
            if (glim__jinja_starts(p, twos[i]))
                n = 2;
        if (!strchr("+-*/%~<>=!.,:|()[]{}", c) || (c == '!' && n == 1)) {
            glim__jinja_wrong(p, "the chat template has an unknown sign",
                              (glim_jinja_text){p->s, NULL, 1});
            return;
        }
        p->brackets += strchr("([{", c) ? 1 : strchr(")]}", c) ? -1 : 0;
        take(p, OPERATOR, n);
    }
}

bool glim__jinja_at(const glim_jinja_parser *p, const char *word) {
    return (p->kind == NAME || p->kind == OPERATOR) && glim__jinja_is(p->word, word);
}

bool glim__jinja_skip(glim_jinja_parser *p, const char *word) {
    bool found = glim__jinja_at(p, word);
    if (found)
        glim__jinja_next(p);
    return found;
}

void glim__jinja_expect(glim_jinja_parser *p, const char *word) {
    if (!glim__jinja_skip(p, word) && !p->status)
        p->status = glim_fail(p->err, GLIM_EUNSUPPORTED, "the chat template has '%.*s' for '%s'",
                              (int)(p->word.n < 40 ? p->word.n : 40), p->word.s, word);
}

glim_jinja_text glim__jinja_take_name(glim_jinja_parser *p) {
    glim_jinja_text name = p->word;
    if (p->kind != NAME)
        glim__jinja_wrong(p, "the chat template lacks a name at", p->word);
    glim__jinja_next(p);
    return name;
}

static int hex(char c) {
    return digit(c)               ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A string's text without its quotes and escapes, appended at `to`. */
size_t glim__jinja_unescape(glim_jinja_text word, char *to) {
    static const char from[] = "nrtbfva\\'\"", means[] = "\n\r\t\b\f\v\a\\'\"";
    size_t n = 0;
    for (size_t i = 1; i + 1 < word.n; i++) {
        const char *known = NULL;
        char c = word.s[i], kind = i + 2 < word.n ? word.s[i + 1] : 0;
        size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0, have = 0;
        uint32_t cp = 0;
        for (;
             c == '\\' && have < digits && i + 3 + have < word.n && hex(word.s[i + 2 + have]) >= 0;
             have++)
            cp = cp * 16 + (uint32_t)hex(word.s[i + 2 + have]);
        if (c == '\\' && kind && (known = strchr(from, kind))) {
            to[n++] = means[known - from];
            i++;
        } else if (digits && have == digits) {
            n += (size_t)glim__utf8_encode(cp <= 0x10ffff ? cp : 0xfffd, to + n);
            i += 1 + digits;
        } else if (c == '\\' && kind >= '0' && kind <= '7') {
            for (have = 0;
                 have < 3 && i + 2 < word.n && word.s[i + 1] >= '0' && word.s[i + 1] <= '7';
                 have++, i++)
                cp = cp * 8 + (uint32_t)(word.s[i + 1] - '0');
            n += (size_t)glim__utf8_encode(cp, to + n);
        } else if (c == '\\' && kind == '\n') {
            i++;
        } else {
            to[n++] = c;
        }
    }
    return n;
}

/* ---- text between tags ---- */

static size_t trimmed(const char *s, size_t n) {
    size_t keep = 0;
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        int len = glim__utf8_decode(s + i, n - i, &cp);
        i += len ? (size_t)len : 1;
        if (!len || !glim__jinja_space(cp))
            keep = i;
    }
    return keep;
}

/* What is left of the text before a tag, by the tag's sign and lstrip_blocks. */
size_t glim__jinja_text_length(const glim_jinja_parser *p, const char *text, size_t n,
                               const char *tag) {
    char sign = p->end - tag > 2 ? tag[2] : 0;
    if (sign == '-')
        return trimmed(text, n);
    if (sign == '+' || tag[1] == '{')
        return n;
    size_t line = n;
    while (line && text[line - 1] != '\n')
        line--;
    bool blank = trimmed(text + line, n - line) == 0 && (line || p->line_start);
    return blank ? line : n;
}

const char *glim__jinja_find_tag(const glim_jinja_parser *p) {
    for (const char *s = p->s; s + 1 < p->end; s++)
        if (*s == '{' && (s[1] == '{' || s[1] == '%' || s[1] == '#'))
            return s;
    return p->end;
}

void glim__jinja_skip_comment(glim_jinja_parser *p) {
    const char *close = memmem(p->s, (size_t)(p->end - p->s), "#}", 2);
    if (!close) {
        glim__jinja_wrong(p, "the chat template has an endless comment", (glim_jinja_text){0});
        return;
    }
    char sign = close > p->s ? close[-1] : 0;
    p->s = close + 2;
    const char *before = p->s;
    if (sign == '-')
        glim__jinja_skip_space(p);
    else if (sign != '+' && p->s < p->end && *p->s == '\n')
        p->s++;
    p->line_start = p->s > before && p->s[-1] == '\n';
}
