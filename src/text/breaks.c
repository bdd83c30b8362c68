/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments of a text. Words with ICU: UAX #29, and dictionaries for Chinese,
 * Japanese and Thai. Without it: letters, digits and marks in a run, with the
 * apostrophes and points inside of it, an ideograph or a mark by itself. Graphemes
 * are utf8proc's in both, with the conjuncts of Indian scripts that Unicode 15.1
 * made one (rule GB9c).
 */
#include "text/breaks.h"
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

#ifdef GLIM_WITH_ICU
#include <unicode/ubrk.h>
#endif

static int decode(const char *text, size_t n, size_t at, uint32_t *cp) {
    int len = glim__utf8_decode(text + at, n - at, cp);
    return len ? len : 1;
}

/* ---- graphemes ---- */

/* The virama of the six scripts whose conjuncts are one grapheme. */
static bool virama(uint32_t cp) {
    return cp == 0x94d || cp == 0x9cd || cp == 0xacd || cp == 0xb4d || cp == 0xc4d || cp == 0xd4d;
}

static bool conjoins(uint32_t cp) {
    static const uint16_t consonants[][2] = {
        {0x915, 0x939}, {0x958, 0x95f}, {0x978, 0x97f}, {0x995, 0x9a8}, {0x9aa, 0x9b0},
        {0x9b2, 0x9b2}, {0x9b6, 0x9b9}, {0x9dc, 0x9dd}, {0x9df, 0x9df}, {0x9f0, 0x9f1},
        {0xa95, 0xaa8}, {0xaaa, 0xab0}, {0xab2, 0xab3}, {0xab5, 0xab9}, {0xaf9, 0xaf9},
        {0xb15, 0xb28}, {0xb2a, 0xb30}, {0xb32, 0xb33}, {0xb35, 0xb39}, {0xb5c, 0xb5d},
        {0xb5f, 0xb5f}, {0xb71, 0xb71}, {0xc15, 0xc28}, {0xc2a, 0xc39}, {0xc58, 0xc5a},
        {0xd15, 0xd3a}};
    for (size_t i = 0; i < sizeof consonants / sizeof *consonants; i++)
        if (cp >= consonants[i][0] && cp <= consonants[i][1])
            return true;
    return false;
}

static void graphemes(uint8_t *starts, const char *text, size_t n) {
    enum { NONE, CONSONANT, LINKED } cluster = NONE; /* a consonant, then a virama */
    utf8proc_int32_t state = 0;
    uint32_t before = 0, cp;
    for (size_t i = 0; i < n;) {
        int len = decode(text, n, i, &cp);
        bool begins = !i || utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                                             (utf8proc_int32_t)cp, &state);
        bool consonant = conjoins(cp);
        if (cluster == LINKED && consonant)
            begins = false;
        if (consonant)
            cluster = CONSONANT;
        else if (!begins && cluster == CONSONANT && virama(cp))
            cluster = LINKED;
        else if (begins ||
                 (cp != 0x200d && !utf8proc_get_property((utf8proc_int32_t)cp)->combining_class))
            cluster = NONE;
        starts[i] = begins;
        before = cp;
        i += (size_t)len;
    }
}

/* ---- words ---- */

#ifdef GLIM_WITH_ICU

static glim_status words(uint8_t *starts, const char *text, size_t n, glim_error *err) {
    UErrorCode code = U_ZERO_ERROR;
    UText *u = utext_openUTF8(NULL, text, (int64_t)n, &code);
    UBreakIterator *it = ubrk_open(UBRK_WORD, "", NULL, 0, &code);
    if (U_SUCCESS(code))
        ubrk_setUText(it, u, &code);
    if (U_SUCCESS(code))
        for (int32_t at = ubrk_first(it); at != UBRK_DONE; at = ubrk_next(it))
            starts[at] = 1;
    if (it)
        ubrk_close(it);
    if (u)
        utext_close(u);
    if (U_FAILURE(code))
        return glim_fail(err, GLIM_EINTERNAL, "word breaking failed: %s", u_errorName(code));
    return GLIM_OK;
}

#else

enum word_class { SPACE, LETTER, SINGLE };

static enum word_class class_of(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    bool ideograph = (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0x3040 && cp <= 0x30ff) ||
                     (cp >= 0x20000 && cp <= 0x3ffff);
    if (ideograph)
        return SINGLE;
    if ((c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO) || cp == '_')
        return LETTER;
    return c == UTF8PROC_CATEGORY_ZS || cp == '\t' ? SPACE : SINGLE;
}

/* Marks that stay inside of a word: can't, 3.14, 1,000. */
static bool joins(uint32_t cp, uint32_t before, uint32_t after) {
    bool digits = before < 0x80 && after < 0x80 && before >= '0' && before <= '9' && after >= '0' &&
                  after <= '9';
    if (cp == ',')
        return digits;
    return (cp == '\'' || cp == '.' || cp == 0x2019) && class_of(before) == LETTER &&
           class_of(after) == LETTER;
}

static glim_status words(uint8_t *starts, const char *text, size_t n, glim_error *err) {
    enum word_class before = SINGLE;
    uint32_t cp, last = 0, after = 0;
    for (size_t i = 0; i < n;) {
        int len = decode(text, n, i, &cp);
        enum word_class now = class_of(cp);
        if (i + (size_t)len < n && before == LETTER) {
            decode(text, n, i + (size_t)len, &after);
            now = joins(cp, last, after) ? LETTER : now;
        }
        starts[i] = !i || now == SINGLE || now != before;
        before = now;
        last = cp;
        i += (size_t)len;
    }
    return GLIM_OK;
}

#endif

glim_status glim__breaks(uint8_t *starts, glim_context *ctx, const char *text, size_t n,
                         glim_break kind, glim_error *err) {
    memset(starts, 0, n + 1);
    glim_status status = GLIM_OK;
    if (n > (size_t)1 << 30)
        return glim_fail(err, GLIM_ELIMIT, "the text has %zu bytes; at most 2^30", n);
    switch (kind) {
    case GLIM_BREAK_GRAPHEME:
        graphemes(starts, text, n);
        break;
    case GLIM_BREAK_WORD:
        status = words(starts, text, n, err);
        break;
    case GLIM_BREAK_SENTENCE:
        glim__sentences(starts, text, n);
    }
    starts[0] = starts[n] = 1;
    return status;
}
