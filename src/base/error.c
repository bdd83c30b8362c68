/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.c: statuses and messages. A message often quotes bytes of a file or a
 * prompt, and it ends on a terminal or in a log: so whatever could steer a
 * terminal or reorder its text is written as an escape here, once, for every
 * message. Formatting goes through a local buffer, so an error may be built
 * from its own former message.
 */
#include <glim/base.h>

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int exit_status;
    const char *words;
} statuses[] = {
#define STATUS_ROW(name, exit_status, words) {exit_status, words},
    GLIM_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static bool known(glim_status status) {
    return (size_t)status < sizeof statuses / sizeof *statuses;
}

const char *glim_status_text(glim_status status) {
    return known(status) ? statuses[status].words : "unknown status";
}

int glim_status_exit(glim_status status) {
    return known(status) ? statuses[status].exit_status : 1;
}

const char *glim_version(void) {
    return GLIM_VERSION;
}

/* Controls, and the marks that reorder or hide the text around them. */
static bool must_escape(uint32_t cp) {
    return cp < 0x20 || (cp >= 0x7F && cp <= 0x9F) || cp == 0x061C || cp == 0x200B ||
           cp == 0x200E || cp == 0x200F || (cp >= 0x2028 && cp <= 0x202E) ||
           (cp >= 0x2066 && cp <= 0x2069) || cp == 0xFEFF;
}

/* Writes the next piece of s as it may be shown into piece (NUL-terminated);
   returns how many bytes of s it stands for. */
static size_t show(const char *s, size_t n, char piece[12]) {
    uint32_t cp;
    int len = glim__utf8_decode(s, n, &cp);
    if (len == 0) {
        snprintf(piece, 12, "\\x%02X", (unsigned char)*s);
        return 1;
    }
    if (!must_escape(cp)) {
        memcpy(piece, s, (size_t)len);
        piece[len] = '\0';
    } else if (cp == '\n' || cp == '\t' || cp == '\r') {
        snprintf(piece, 12, "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : 'r');
    } else if (cp < 0x80) {
        snprintf(piece, 12, "\\x%02X", (unsigned)cp);
    } else {
        snprintf(piece, 12, "\\u%04X", (unsigned)cp);
    }
    return (size_t)len;
}

/* Escapes s into out; what does not fit ends in "...", never inside a
   character or an escape. */
static void escape(char *out, size_t size, const char *s) {
    size_t n = strlen(s), used = 0, fits = 0;
    for (size_t i = 0; i < n;) {
        char piece[12];
        i += show(s + i, n - i, piece);
        size_t len = strlen(piece);
        if (used + len + 1 > size) {
            memcpy(out + fits, "...", 4);
            return;
        }
        memcpy(out + used, piece, len);
        used += len;
        if (used + 4 <= size)
            fits = used;
    }
    out[used] = '\0';
}

static void fill(glim_error *err, glim_status status, const char *prefix, const char *text) {
    char whole[2048];
    snprintf(whole, sizeof whole, "%s%s%s", prefix, *prefix ? ": " : "", text);
    err->status = status;
    escape(err->message, sizeof err->message, whole);
}

glim_status glim_fail(glim_error *err, glim_status status, const char *format, ...) {
    if (err) {
        char text[1536];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        fill(err, status, "", text);
    }
    return status;
}

glim_status glim_prefix(glim_error *err, glim_status status, const char *format, ...) {
    if (err) {
        char prefix[512], text[sizeof err->message];
        va_list args;
        va_start(args, format);
        vsnprintf(prefix, sizeof prefix, format, args);
        va_end(args);
        memcpy(text, err->message, sizeof text);
        text[sizeof text - 1] = '\0';
        fill(err, status, prefix, text);
    }
    return status;
}
