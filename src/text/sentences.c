/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where sentences begin, in Chinese and English and in scripts that stop alike. A
 * stop of full width ends a sentence where it stands, another one only before
 * white space or an ideograph. Its closing quotes and the white space behind stay
 * with it; a new line begins a sentence too. The rules of UAX #29 part "Dr. Smith",
 * "1. First" and a question in a web address; what follows a full stop decides here.
 */
#include "text/breaks.h"
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

static bool in(uint32_t cp, const uint32_t *list) {
    for (; *list; list++)
        if (*list == cp)
            return true;
    return false;
}

static bool wide_stop(uint32_t cp) {
    static const uint32_t stops[] = {0x3002, 0xff01, 0xff1f, 0xff1b, 0xff0e, 0xff61, 0};
    return in(cp, stops);
}

/* ... and of Arabic, Urdu, Hindi, Armenian, Ethiopic, Burmese, Khmer. */
static bool stop(uint32_t cp) {
    static const uint32_t stops[] = {'.',    '!',    '?',    0x2026, 0x203c, 0x2047,
                                     0x2048, 0x2049, 0x61f,  0x6d4,  0x964,  0x965,
                                     0x589,  0x1362, 0x104b, 0x17d4, 0};
    return in(cp, stops) || wide_stop(cp);
}

static bool closes(uint32_t cp) {
    static const uint32_t marks[] = {'"',    '\'',   ')',    ']',    '}',    0x201d, 0x2019, 0xbb,
                                     0x300d, 0x300f, 0xff09, 0x300b, 0x3009, 0x3011, 0x3015, 0};
    return in(cp, marks);
}

static bool line_end(uint32_t cp) {
    return cp == '\n' || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

static bool space(uint32_t cp) {
    return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0x85 || cp == 0xa0 || cp == 0x3000 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f;
}

static bool ideograph(uint32_t cp) {
    return (cp >= 0x2e80 && cp <= 0x9fff) || (cp >= 0xf900 && cp <= 0xfaff) ||
           (cp >= 0xff00 && cp <= 0xff60) || (cp >= 0x20000 && cp <= 0x3ffff);
}

static utf8proc_category_t category(uint32_t cp) {
    return utf8proc_category((utf8proc_int32_t)cp);
}

static bool letter(uint32_t cp) {
    utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static bool digit(uint32_t cp) {
    return cp >= '0' && cp <= '9';
}

/* Neither white space nor punctuation: what makes a sentence more than its stop. */
static bool content(uint32_t cp) {
    utf8proc_category_t c = category(cp);
    return !space(cp) && !stop(cp) && !closes(cp) &&
           (c < UTF8PROC_CATEGORY_PC || c > UTF8PROC_CATEGORY_PO) && c < UTF8PROC_CATEGORY_ZS;
}

static size_t decode(const char *text, size_t n, size_t at, uint32_t *cp) {
    int len = at < n ? glim__utf8_decode(text + at, n - at, cp) : 0;
    if (!len)
        *cp = 0;
    return len ? (size_t)len : 1;
}

/* Is the word s[0..n) in the list, whose words stand between spaces? */
static bool listed(const char *s, size_t n, const char *list, bool any_case) {
    char word[16] = " ";
    if (!n || n + 3 > sizeof word)
        return false;
    for (size_t i = 0; i < n; i++)
        word[i + 1] = s[i] >= 'A' && s[i] <= 'Z' && any_case ? (char)(s[i] + 32) : s[i];
    word[n + 1] = ' ';
    word[n + 2] = 0;
    return strstr(list, word) != NULL;
}

static size_t ascii_word(const char *s, size_t n) {
    size_t len = 0;
    while (len < n && ((s[len] | 32) >= 'a' && (s[len] | 32) <= 'z'))
        len++;
    return len;
}

/* True for the full stop at text[dot] of "Dr. Smith", "e.g. this", "No. 5", "J. R.
   Smith", "the U.S. Army"; `next` is the first visible byte behind it. */
static bool abbreviates(const char *text, size_t n, size_t dot, size_t next) {
    static const char always[] = " dr mr mrs ms prof st rev hon gen col lt sgt capt gov sen messrs "
                                 "vs cf viz e.g i.e ";
    static const char before_digits[] = " no nos p pp fig figs eq eqs sec ch vol vols art ref refs "
                                        "jan feb mar apr jun jul aug sep sept oct nov dec ft ca al "
                                        "approx ";
    static const char starters[] =
        " The This That These Those It He She We They You I A An In On At But And So If When Then "
        "There What Why How Who My Our Your His Her Their As For After Before However No Yes ";
    size_t from = dot, inner = 0;
    while (from && (ascii_word(text + from - 1, 1) || text[from - 1] == '.'))
        inner += text[--from] == '.';
    size_t len = dot - from;
    const char *word = text + from;
    if (listed(word, len, always, true))
        return true;
    if (listed(word, len, before_digits, true))
        return next < n && (digit((uint32_t)(unsigned char)text[next]) || text[next] == '(');
    bool initial = len == 1 && *word >= 'A' && *word <= 'Z' && *word != 'I';
    if (!initial && !(inner && len <= 7))
        return false;
    return next < n && !listed(text + next, ascii_word(text + next, n - next), starters, false);
}

struct scan {
    const char *text;
    size_t n;
    bool content, letter; /* in the sentence so far */
};

/* Goes past the stops, closing marks and white space at `at`; says whether a
   sentence begins where it arrives. */
static size_t pass_stop(const struct scan *s, size_t at, bool *begins) {
    size_t dot = at, stops = 0, spaces = 0;
    uint32_t cp;
    bool wide = false, line = false, full_stop = false;
    for (size_t len; len = decode(s->text, s->n, at, &cp), at < s->n && stop(cp); at += len) {
        full_stop = cp == '.' && !stops++;
        wide = wide || wide_stop(cp);
    }
    for (size_t len; len = decode(s->text, s->n, at, &cp), at < s->n && closes(cp);)
        at += len;
    for (size_t len; len = decode(s->text, s->n, at, &cp), at < s->n && space(cp); at += len) {
        line = line || line_end(cp);
        spaces++;
    }
    utf8proc_category_t c = category(cp);
    *begins = s->content && at < s->n;
    if (wide || line || !*begins)
        return at;
    *begins = (spaces || ideograph(cp)) && c != UTF8PROC_CATEGORY_LL && !closes(cp);
    if (*begins && full_stop)
        *begins = s->letter && !abbreviates(s->text, s->n, dot, at);
    return at;
}

static size_t pass_lines(const struct scan *s, size_t at) {
    uint32_t cp;
    for (size_t len;
         len = decode(s->text, s->n, at, &cp), at < s->n && (line_end(cp) || cp == '\r');)
        at += len;
    return at;
}

void glim__sentences(uint8_t *starts, const char *text, size_t n) {
    struct scan s = {.text = text, .n = n};
    size_t last = 0;
    uint32_t cp;
    for (size_t at = 0; at < n;) {
        bool begins = false;
        size_t len = decode(text, n, at, &cp), to = at + len;
        if (stop(cp)) {
            to = pass_stop(&s, at, &begins);
        } else if (line_end(cp)) {
            to = pass_lines(&s, at);
            begins = s.content && to < n;
        }
        s.content = s.content || content(cp);
        s.letter = s.letter || letter(cp);
        if (begins) {
            starts[to] = 1;
            s.content = s.letter = false;
            last = to;
        }
        at = to;
    }
    if (!s.content && last < n) /* a rest without a word is no sentence */
        starts[last] = 0;
    starts[0] = 1;
}
