/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c: Jansson for parsing and for values, our own writer for output.
 * Jansson prints reals with 17 digits or a fixed count; results hold many
 * thousand floats, and the fewest digits that read back to the same float are
 * half as long and what people expect to see. Jansson allocates by malloc: its
 * hooks are global to the process, so that memory escapes the budget; inputs
 * are bounded by their readers instead.
 */
#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

/* The offset of the bracket that nests too deep, or len. Brackets inside
   strings do not count; broken JSON is left to the parser. */
static size_t too_deep(const char *text, size_t len) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH)
                return i;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return len;
}

glim_status glim__json_parse(json_t **out, const char *text, size_t len, const char *name,
                             glim_error *err) {
    *out = NULL;
    if (len >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) { /* some editors put a mark in front */
        text += 3;
        len -= 3;
    }
    size_t deep = too_deep(text, len);
    if (deep < len)
        return glim_fail(err, GLIM_EFORMAT, "%s: byte %zu: JSON nests deeper than %d levels", name,
                         deep, MAX_DEPTH);
    json_error_t why;
    size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    *out = json_loadb(len ? text : "", len, flags, &why);
    if (*out)
        return GLIM_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: %s", name);
    return glim_fail(err, GLIM_EFORMAT, "%s: line %d, column %d: not valid JSON: %s", name,
                     why.line, why.column, why.text);
}

/* Any decimal of 6 (15) digits survives a float (double), so shorter forms show at
   once, as zeros that %g drops. */
bool glim__number_text(double x, bool single, char out[40]) {
    char text[40];
    for (int digits = single ? 6 : 15; digits <= (single ? 9 : 17); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (single ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x)
            break;
    }
    /* The locale's decimal point, of however many bytes, becomes a point. */
    size_t n = 0;
    bool is_real = false, in_point = false;
    for (const char *p = text; *p; p++) {
        bool plain = strchr("0123456789+-eE", *p) != NULL;
        if (plain || !in_point)
            out[n++] = plain ? *p : '.';
        in_point = !plain;
        is_real |= !plain || *p == 'e';
    }
    out[n] = 0;
    return is_real;
}

static void format_real(double x, bool single, char out[40]) {
    if (!glim__number_text(x, single, out))
        strcat(out, ".0");
}

static void write_string(glim_buffer *out, const char *s, size_t n) {
    glim__buffer_putc(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        glim__buffer_append(out, s + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            glim__buffer_printf(out, "\\%c", c);
        else if (c == '\n')
            glim__buffer_puts(out, "\\n");
        else
            glim__buffer_printf(out, "\\u%04x", c);
    }
    glim__buffer_append(out, s + from, n - from);
    glim__buffer_putc(out, '"');
}

typedef struct writer {
    glim_buffer *out;
    int indent;
    bool single;
} writer;

static bool write_value(const writer *w, const json_t *value, int depth);

static void new_line(const writer *w, int depth) {
    if (w->indent)
        glim__buffer_printf(w->out, "\n%*s", w->indent * depth, "");
}

/* Arrays without arrays or objects inside stay on one line. */
static bool is_flat(const json_t *array) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *v = json_array_get(array, i);
        if (json_is_array(v) || json_is_object(v))
            return false;
    }
    return true;
}

static bool write_array(const writer *w, const json_t *array, int depth) {
    bool flat = is_flat(array);
    glim__buffer_putc(w->out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i)
            glim__buffer_puts(w->out, flat && w->indent ? ", " : ",");
        if (!flat)
            new_line(w, depth + 1);
        if (!write_value(w, json_array_get(array, i), depth + 1))
            return false;
    }
    if (!flat)
        new_line(w, depth);
    glim__buffer_putc(w->out, ']');
    return true;
}

static bool write_object(const writer *w, json_t *object, int depth) {
    glim__buffer_putc(w->out, '{');
    void *i = json_object_iter(object);
    for (bool first = true; i; i = json_object_iter_next(object, i), first = false) {
        if (!first)
            glim__buffer_putc(w->out, ',');
        new_line(w, depth + 1);
        const char *key = json_object_iter_key(i);
        write_string(w->out, key, json_object_iter_key_len(i));
        glim__buffer_puts(w->out, w->indent ? ": " : ":");
        if (!write_value(w, json_object_iter_value(i), depth + 1))
            return false;
    }
    if (json_object_size(object))
        new_line(w, depth);
    glim__buffer_putc(w->out, '}');
    return true;
}

/* False for what JSON cannot say: no value, or nesting without end. */
static bool write_value(const writer *w, const json_t *value, int depth) {
    char text[40];
    if (!value || depth > MAX_DEPTH)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(w, (json_t *)value, depth);
    case JSON_ARRAY:
        return write_array(w, value, depth);
    case JSON_STRING:
        write_string(w->out, json_string_value(value), json_string_length(value));
        return true;
    case JSON_INTEGER:
        glim__buffer_printf(w->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_REAL:
        format_real(json_real_value(value), w->single, text);
        glim__buffer_puts(w->out, text);
        return true;
    case JSON_TRUE:
        glim__buffer_puts(w->out, "true");
        return true;
    case JSON_FALSE:
        glim__buffer_puts(w->out, "false");
        return true;
    case JSON_NULL:
        glim__buffer_puts(w->out, "null");
        return true;
    }
    return false;
}

glim_status glim__json_write(glim_buffer *out, const json_t *value, int indent, bool single,
                             glim_error *err) {
    writer w = {.out = out, .indent = indent, .single = single};
    if (!write_value(&w, value, 0))
        return value ? glim_fail(err, GLIM_EINTERNAL, "JSON to write nests deeper than %d levels",
                                 MAX_DEPTH)
                     : glim_fail(err, GLIM_ENOMEM, "out of memory: a JSON value");
    return out->failed ? glim__oom(out->ctx, err, "JSON text", out->len) : GLIM_OK;
}

json_t *glim__json_text(const char *data, size_t len) {
    size_t valid = glim__utf8_check(data, len);
    if (valid == len)
        return json_stringn_nocheck(len ? data : "", len);
    if (len > SIZE_MAX / 3)
        return NULL;
    char *text = malloc(3 * len);
    if (!text)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        int bytes = glim__utf8_decode(data + i, len - i, &cp);
        n += (size_t)glim__utf8_encode(cp, text + n);
        i += bytes ? (size_t)bytes : 1;
    }
    json_t *string = json_stringn_nocheck(text, n);
    free(text);
    return string;
}

json_t *glim__json_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

void glim__json_set(bool *ok, json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) != 0)
        *ok = false;
}

void glim__json_add(bool *ok, json_t *list, json_t *value) {
    if (json_array_append_new(list, value) != 0)
        *ok = false;
}
