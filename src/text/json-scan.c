/* SPDX-License-Identifier: Apache-2.0 */
/* json-scan.c: see json-scan.h. The text is valid UTF-8 and ends in a NUL byte. */
#include "text/json-scan.h"
#include "base/utf8.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

glim_status glim__scan_bad(const glim_scan *s, const char *expected, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "%s: byte %zu: not valid JSON: expected %s", s->name,
                     (size_t)(s->at - s->begin), expected);
}

char glim__scan_peek(glim_scan *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
    return s->at < s->end ? *s->at : '\0';
}

glim_status glim__scan_enter(glim_scan *s, char open, glim_error *err) {
    if (glim__scan_peek(s) != open)
        return glim__scan_bad(s, open == '{' ? "an object" : "a list", err);
    s->at++;
    return GLIM_OK;
}

glim_status glim__scan_next(glim_scan *s, char open, bool first, bool *more, glim_error *err) {
    char close = open == '{' ? '}' : ']', c = glim__scan_peek(s);
    *more = c != close;
    if (!*more) {
        s->at++;
        return GLIM_OK;
    }
    if (first)
        return GLIM_OK;
    if (c != ',')
        return glim__scan_bad(s, close == '}' ? "',' or '}'" : "',' or ']'", err);
    s->at++;
    return glim__scan_peek(s) == close ? glim__scan_bad(s, "a value", err) : GLIM_OK;
}

static int hex4(const char *s, const char *end) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = s + i < end ? s[i] : 0;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = 16 * value + digit;
    }
    return value;
}

/* Decodes the escape behind s->at (which is at the backslash); bytes written, or 0. */
static int unescape(glim_scan *s, const char *end, char *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = s->at + 1 < end ? s->at[1] : 0;
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        s->at += 2;
        *out = to[simple - from];
        return 1;
    }
    int high = c == 'u' ? hex4(s->at + 2, end) : -1;
    if (high < 0 || (high >= 0xdc00 && high < 0xe000))
        return 0;
    s->at += 6;
    if (high < 0xd800 || high >= 0xe000)
        return glim__utf8_encode((uint32_t)high, out);
    int low = end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u' ? hex4(s->at + 2, end) : -1;
    if (low < 0xdc00 || low >= 0xe000)
        return 0;
    s->at += 6;
    return glim__utf8_encode(
        0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00), out);
}

glim_status glim__scan_string(glim_scan *s, glim_gguf_string *out, glim_error *err) {
    bool escapes = false;
    if (glim__scan_peek(s) != '"')
        return glim__scan_bad(s, "a string", err);
    const char *start = ++s->at, *end = start;
    for (; end < s->end && *end != '"'; end++) {
        if ((unsigned char)*end < 0x20) {
            s->at = end;
            return glim__scan_bad(s, "no control character in a string", err);
        }
        if (*end == '\\') {
            escapes = true;
            end++;
        }
    }
    if (end >= s->end)
        return glim__scan_bad(s, "the end of the string", err);
    *out = (glim_gguf_string){start, (size_t)(end - start)};
    if (escapes) {
        char *text = glim__arena_strndup(s->arena, start, out->len); /* it only gets shorter */
        if (!text)
            return glim__oom(s->arena->ctx, err, s->name, out->len);
        size_t n = 0;
        while (s->at < end) {
            if (*s->at != '\\') {
                text[n++] = *s->at++;
                continue;
            }
            int len = unescape(s, end, text + n);
            if (!len)
                return glim__scan_bad(s, "a valid escape", err);
            n += (size_t)len;
        }
        *out = (glim_gguf_string){text, n};
    }
    s->at = end + 1;
    return GLIM_OK;
}

glim_status glim__scan_key(glim_scan *s, glim_gguf_string *out, glim_error *err) {
    glim_status status = glim__scan_string(s, out, err);
    if (status)
        return status;
    if (glim__scan_peek(s) != ':')
        return glim__scan_bad(s, "':'", err);
    s->at++;
    return GLIM_OK;
}

glim_status glim__scan_id(glim_scan *s, int32_t *out, glim_error *err) {
    int64_t value = 0;
    glim__scan_peek(s);
    const char *start = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9' && value <= INT32_MAX; s->at++)
        value = 10 * value + (*s->at - '0');
    char c = s->at < s->end ? *s->at : 0;
    if (s->at == start || value > INT32_MAX || c == '.' || c == 'e' || c == 'E') {
        s->at = start;
        return glim__scan_bad(s, "a token's number", err);
    }
    *out = (int32_t)value;
    return GLIM_OK;
}

glim_status glim__scan_real(glim_scan *s, double *out, glim_error *err) {
    char text[64];
    size_t n = 0;
    glim__scan_peek(s);
    while (n < sizeof text - 1 && s->at + n < s->end && s->at[n] &&
           strchr("+-.0123456789eE", s->at[n])) {
        text[n] = s->at[n];
        n++;
    }
    text[n] = 0;
    char *end = text;
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!plain)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: %s", s->name);
    *out = n ? strtod_l(text, &end, plain) : 0;
    freelocale(plain);
    if (!n || *end || !(*out - *out == 0))
        return glim__scan_bad(s, "a number", err);
    s->at += n;
    return GLIM_OK;
}

glim_status glim__scan_skip(glim_scan *s, glim_gguf_string *out, glim_error *err) {
    glim__scan_peek(s);
    const char *start = s->at;
    size_t depth = 0;
    for (; s->at < s->end; s->at++) {
        char c = *s->at;
        if (c == '"') {
            for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
                s->at += *s->at == '\\';
            if (s->at >= s->end)
                break;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            if (!depth)
                break;
            depth--;
        } else if (!depth && c == ',') {
            break;
        }
        if (!depth && (c == '"' || c == ']' || c == '}')) {
            s->at++;
            break;
        }
    }
    s->at = s->at > s->end ? s->end : s->at;
    if (s->at == start || depth)
        return glim__scan_bad(s, "a value", err);
    *out = (glim_gguf_string){start, (size_t)(s->at - start)};
    return GLIM_OK;
}
