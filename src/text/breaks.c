/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments of a text. With ICU: UAX #29 words and sentences, and dictionaries
 * for Chinese, Japanese and Thai words. Without it: a word is a run of letters,
 * digits and marks, an ideograph is a word, everything else stands alone.
 * Graphemes are utf8proc's in both. A sentence also ends after Chinese stops
 * with their closing quotes and at a newline.
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

static void graphemes(uint8_t *starts, const char *text, size_t n) {
    utf8proc_int32_t state = 0;
    uint32_t before = 0, cp;
    for (size_t i = 0; i < n;) {
        int len = decode(text, n, i, &cp);
        starts[i] = !i || utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                                           (utf8proc_int32_t)cp, &state);
        before = cp;
        i += (size_t)len;
    }
}

static bool chinese_stop(uint32_t cp) {
    return cp == 0x3002 || cp == 0xff01 || cp == 0xff1f || cp == 0xff1b || cp == 0x2026;
}

static bool closes(uint32_t cp) {
    return cp == 0x201d || cp == 0x2019 || cp == 0x300d || cp == 0x300f || cp == 0xff09 ||
           cp == 0x300b || cp == 0x3011;
}

/* Ends that UAX #29 lacks or that do not need it. */
static void own_stops(uint8_t *starts, const char *text, size_t n) {
    uint32_t cp;
    bool stopped = false;
    for (size_t i = 0; i < n;) {
        int len = decode(text, n, i, &cp);
        if (stopped && !closes(cp) && !chinese_stop(cp)) {
            starts[i] = 1;
            stopped = false;
        } else if (stopped) {
            starts[i] = 0; /* the closing quote stays with its sentence */
        }
        stopped = stopped || chinese_stop(cp);
        i += (size_t)len;
        if (cp == '\n' && i < n)
            starts[i] = 1;
    }
}

#ifdef GLIM_WITH_ICU

static glim_status by_rules(uint8_t *starts, glim_context *ctx, const char *text, size_t n,
                            glim_break kind, glim_error *err) {
    UErrorCode code = U_ZERO_ERROR;
    UText *u = utext_openUTF8(NULL, text, (int64_t)n, &code);
    UBreakIterator *it =
        ubrk_open(kind == GLIM_BREAK_WORD ? UBRK_WORD : UBRK_SENTENCE, "", NULL, 0, &code);
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
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO)
        return LETTER;
    return c == UTF8PROC_CATEGORY_ZS || cp == '\t' ? SPACE : SINGLE;
}

static bool ends_sentence(uint32_t cp) {
    return cp == '.' || cp == '!' || cp == '?';
}

static glim_status by_rules(uint8_t *starts, glim_context *ctx, const char *text, size_t n,
                            glim_break kind, glim_error *err) {
    enum word_class before = SINGLE;
    uint32_t cp, last = 0, stop = 0;
    for (size_t i = 0; i < n;) {
        int len = decode(text, n, i, &cp);
        enum word_class now = class_of(cp);
        if (kind == GLIM_BREAK_WORD) {
            starts[i] = !i || now == SINGLE || now != before;
        } else {
            starts[i] = !i || (stop && now != SPACE && class_of(last) == SPACE);
            stop = starts[i] ? 0 : ends_sentence(cp) || stop;
            stop = now == LETTER ? 0 : stop;
        }
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
    if (kind == GLIM_BREAK_GRAPHEME)
        graphemes(starts, text, n);
    else
        status = by_rules(starts, ctx, text, n, kind, err);
    if (!status && kind == GLIM_BREAK_SENTENCE)
        own_stops(starts, text, n);
    starts[0] = starts[n] = 1;
    return status;
}
