/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8.c: the strict decoder of RFC 3629, table 3-7 of the Unicode Standard:
 * the second byte's range depends on the first, and that alone excludes
 * overlong forms, surrogates and everything above U+10FFFF. utf8proc decodes
 * too, but with another idea of errors and a call per code point.
 */
#include "base/utf8.h"

#include <string.h>

/* Length of the sequence that byte b starts, with the range of its second
   byte; 0 when no sequence starts with b. */
static int lead(unsigned char b, unsigned char *low, unsigned char *high) {
    *low = 0x80;
    *high = 0xBF;
    if (b < 0x80)
        return 1;
    if (b < 0xC2)
        return 0;
    if (b < 0xE0)
        return 2;
    if (b < 0xF0) {
        if (b == 0xE0)
            *low = 0xA0;
        if (b == 0xED)
            *high = 0x9F;
        return 3;
    }
    if (b > 0xF4)
        return 0;
    if (b == 0xF0)
        *low = 0x90;
    if (b == 0xF4)
        *high = 0x8F;
    return 4;
}

int glim__utf8_decode(const char *s, size_t n, uint32_t *cp) {
    const unsigned char *u = (const unsigned char *)s;
    unsigned char low, high;
    int len = lead(u[0], &low, &high);
    *cp = 0xFFFD;
    if (len == 0 || (size_t)len > n)
        return 0;
    if (len == 1) {
        *cp = u[0];
        return 1;
    }
    if (u[1] < low || u[1] > high)
        return 0;
    uint32_t value = u[0] & (0xFF >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((u[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (u[i] & 0x3F);
    }
    *cp = value;
    return len;
}

int glim__utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

size_t glim__utf8_check(const char *s, size_t n) {
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= 8 && (memcpy(&eight, s + i, 8), (eight & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        uint32_t cp;
        int len = glim__utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            return i;
        i += (size_t)len;
    }
    return n;
}

bool glim__utf8_boundary(const char *s, size_t n, size_t i) {
    if (i == 0 || i >= n)
        return i <= n;
    /* A continuation byte is inside a code point only if one that is valid
       starts at most three bytes before it and reaches beyond i. */
    for (size_t back = 1; back <= 3 && back <= i; back++) {
        uint32_t cp;
        int len = glim__utf8_decode(s + i - back, n - (i - back), &cp);
        if (len > 0)
            return (size_t)len <= back;
    }
    return true;
}
