/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns come from utf8proc's tables, so that a picture does not depend on the
 * C library's locale. A grapheme is as wide as its widest character; emoji
 * sequences are two columns.
 */
#include "view/width.h"
#include "base/utf8.h"

#include <utf8proc.h>

bool glim__hidden_character(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP ||
           (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200e ||
           cp == 0x200f || cp == 0x061c || cp == 0xfeff;
}

int glim__grapheme_width(const char *s, size_t n, size_t *len, int ambiguous) {
    uint32_t cp, next;
    int step = glim__utf8_decode(s, n, &cp), width;
    *len = step ? (size_t)step : 1;
    if (!step)
        return 1;
    width = utf8proc_charwidth((utf8proc_int32_t)cp);
    utf8proc_int32_t state = 0;
    while (
        *len < n && (step = glim__utf8_decode(s + *len, n - *len, &next)) &&
        !utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state)) {
        int w = next == 0xfe0f ? 2 : utf8proc_charwidth((utf8proc_int32_t)next);
        width = w > width ? w : width;
        cp = next;
        *len += (size_t)step;
    }
    (void)ambiguous;
    return width;
}

int glim__text_width(const char *s, size_t n, int ambiguous) {
    int sum = 0;
    for (size_t i = 0, len; i < n; i += len)
        sum += glim__grapheme_width(s + i, n - i, &len, ambiguous);
    return sum;
}
