/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns come from utf8proc's tables, so that a picture does not depend on the
 * C library's locale. A grapheme is as wide as its widest character; emoji
 * sequences are two columns.
 */
#include "view/width.h"
#include "base/utf8.h"

#include <utf8proc.h>

/* Format characters that are seen: signs that enclose the digits behind them. */
static bool is_prepended(uint32_t cp) {
    return (cp >= 0x600 && cp <= 0x605) || cp == 0x6dd || cp == 0x70f || cp == 0x890 ||
           cp == 0x891 || cp == 0x8e2 || cp == 0x110bd || cp == 0x110cd;
}

bool glim__hidden_character(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    bool selects = (cp >= 0xfe00 && cp <= 0xfe0f) || (cp >= 0xe0100 && cp <= 0xe01ef);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP ||
           (c == UTF8PROC_CATEGORY_CF && !is_prepended(cp)) || selects;
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
        bool flag = next >= 0x1f1e6 && next <= 0x1f1ff; /* two letters make a flag */
        int w = next == 0xfe0f || flag ? 2 : utf8proc_charwidth((utf8proc_int32_t)next);
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

int glim__put_grapheme(glim_buffer *out, const char *s, size_t n, size_t *len, bool ascii) {
    uint32_t cp;
    int step = glim__utf8_decode(s, n, &cp), width = glim__grapheme_width(s, n, len, 1);
    bool hidden = step && glim__hidden_character(cp);
    size_t before = out->len;
    if (step && !hidden && !(ascii && (cp > 0x7e || *len > 1))) {
        glim__buffer_append(out, s, *len);
        return width;
    }
    *len = step ? (size_t)step : 1; /* the rest of the cluster is shown by itself */
    if (!step)
        glim__buffer_printf(out, "<%02X>", (unsigned char)*s);
    else
        glim__buffer_printf(out, hidden || cp > 0x7e ? "\\u%04x" : "%c", (unsigned)cp);
    return out->failed ? 1 : (int)(out->len - before);
}
