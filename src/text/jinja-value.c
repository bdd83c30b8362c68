/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a template as Python has them: truth, equality, order, str() and
 * JSON; strings that carry the source of each byte.
 */
#include "base/utf8.h"
#include "text/jinja-inside.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 28 }; /* that one rendering may take */

glim_jinja_value glim__jinja_fail(glim_jinja_run *r, glim_status status, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!r->status)
        r->status = glim_fail(r->err, status, "%s", text);
    return (glim_jinja_value){0};
}

void *glim__jinja_alloc(glim_jinja_run *r, size_t count, size_t size) {
    if (r->status)
        return NULL;
    if (count > MOST_BYTES / size || r->arena->used + count * size > MOST_BYTES) {
        glim__jinja_fail(r, GLIM_ELIMIT, "the chat template takes more than %d MiB",
                         MOST_BYTES >> 20);
        return NULL;
    }
    void *at = glim__arena_calloc(r->arena, count + 1, size);
    if (!at)
        r->status = glim__oom(r->arena->ctx, r->err, "the chat", count * size);
    return at;
}

glim_jinja_value glim__jinja_bool(bool b) {
    return (glim_jinja_value){.type = GLIM_JINJA_BOOL, .i = b};
}

glim_jinja_value glim__jinja_int(int64_t i) {
    return (glim_jinja_value){.type = GLIM_JINJA_INT, .i = i};
}

glim_jinja_value glim__jinja_float(double f) {
    return (glim_jinja_value){.type = GLIM_JINJA_FLOAT, .f = f};
}

glim_jinja_value glim__jinja_of_text(glim_jinja_text t) {
    return (glim_jinja_value){.type = GLIM_JINJA_STRING, .text = t};
}

glim_jinja_value glim__jinja_string(const char *s, const uint32_t *from, size_t n) {
    return glim__jinja_of_text((glim_jinja_text){s, from, n});
}

glim_jinja_value glim__jinja_new_list(glim_jinja_run *r, glim_jinja_type type, size_t n) {
    glim_jinja_value v = {.type = type, .list = glim__jinja_alloc(r, 1, sizeof *v.list)};
    if (v.list) {
        v.list->at = glim__jinja_alloc(r, n, sizeof *v.list->at);
        v.list->n = v.list->at ? n : 0;
    }
    return r->status ? (glim_jinja_value){0} : v;
}

const char *glim__jinja_type_name(const glim_jinja_value *v) {
    static const char *const names[] = {"undefined", "none",      "bool",  "int",
                                        "float",     "str",       "list",  "tuple",
                                        "dict",      "namespace", "macro", "function"};
    return names[v->type];
}

bool glim__jinja_is(glim_jinja_text t, const char *word) {
    return t.n == strlen(word) && !memcmp(t.s, word, t.n);
}

/* What str.isspace holds. */
bool glim__jinja_space(uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
           c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* ---- comparing ---- */

static bool number(const glim_jinja_value *v, double *out) {
    *out = v->type == GLIM_JINJA_FLOAT ? v->f : (double)v->i;
    return v->type == GLIM_JINJA_BOOL || v->type == GLIM_JINJA_INT || v->type == GLIM_JINJA_FLOAT;
}

bool glim__jinja_truth(const glim_jinja_value *v) {
    switch (v->type) {
    case GLIM_JINJA_UNDEFINED:
    case GLIM_JINJA_NONE:
        return false;
    case GLIM_JINJA_BOOL:
    case GLIM_JINJA_INT:
        return v->i != 0;
    case GLIM_JINJA_FLOAT:
        return v->f != 0;
    case GLIM_JINJA_STRING:
        return v->text.n > 0;
    case GLIM_JINJA_LIST:
    case GLIM_JINJA_TUPLE:
        return v->list->n > 0;
    case GLIM_JINJA_DICT:
        return v->dict->n > 0;
    case GLIM_JINJA_NAMESPACE:
    case GLIM_JINJA_MACRO:
    case GLIM_JINJA_FUNCTION:
        break;
    }
    return true;
}

static bool same_text(glim_jinja_text a, glim_jinja_text b) {
    return a.n == b.n && (!a.n || !memcmp(a.s, b.s, a.n));
}

bool glim__jinja_equal(const glim_jinja_value *a, const glim_jinja_value *b) {
    double x, y;
    if (a->type != GLIM_JINJA_FLOAT && b->type != GLIM_JINJA_FLOAT && number(a, &x) &&
        number(b, &y))
        return a->i == b->i;
    if (number(a, &x) && number(b, &y))
        return x == y;
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case GLIM_JINJA_STRING:
        return same_text(a->text, b->text);
    case GLIM_JINJA_LIST:
    case GLIM_JINJA_TUPLE:
        for (size_t i = 0; i < a->list->n && a->list->n == b->list->n; i++)
            if (!glim__jinja_equal(&a->list->at[i], &b->list->at[i]))
                return false;
        return a->list->n == b->list->n;
    case GLIM_JINJA_DICT:
        for (size_t i = 0; i < a->dict->n; i++) {
            const glim_jinja_value *other = glim__jinja_dict_get(b->dict, a->dict->keys[i]);
            if (!other || !glim__jinja_equal(&a->dict->values[i], other))
                return false;
        }
        return a->dict->n == b->dict->n;
    case GLIM_JINJA_NAMESPACE:
        return a->dict == b->dict;
    case GLIM_JINJA_MACRO:
        return a->node == b->node;
    case GLIM_JINJA_FUNCTION:
        return same_text(a->text, b->text);
    default:
        return true;
    }
}

int glim__jinja_order(glim_jinja_run *r, const glim_jinja_value *a, const glim_jinja_value *b) {
    double x, y;
    if (number(a, &x) && number(b, &y))
        return x < y ? -1 : x > y;
    if (a->type == GLIM_JINJA_STRING && b->type == GLIM_JINJA_STRING) {
        size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
        int order = n ? memcmp(a->text.s, b->text.s, n) : 0;
        return order ? (order < 0 ? -1 : 1) : a->text.n < b->text.n ? -1 : a->text.n > b->text.n;
    }
    glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template compares %s with %s",
                     glim__jinja_type_name(a), glim__jinja_type_name(b));
    return 0;
}

size_t glim__jinja_find(glim_jinja_text in, glim_jinja_text what, size_t from) {
    if (from > in.n || what.n > in.n - from)
        return in.n + 1;
    if (!what.n)
        return from;
    const char *at = memmem(in.s + from, in.n - from, what.s, what.n);
    return at ? (size_t)(at - in.s) : in.n + 1;
}

bool glim__jinja_contains(glim_jinja_run *r, const glim_jinja_value *in,
                          const glim_jinja_value *what) {
    if (in->type == GLIM_JINJA_STRING && what->type == GLIM_JINJA_STRING)
        return glim__jinja_find(in->text, what->text, 0) <= in->text.n;
    if (in->type == GLIM_JINJA_DICT)
        return glim__jinja_dict_get(in->dict, *what) != NULL;
    if (in->type == GLIM_JINJA_LIST || in->type == GLIM_JINJA_TUPLE) {
        for (size_t i = 0; i < in->list->n; i++)
            if (glim__jinja_equal(&in->list->at[i], what))
                return true;
    } else if (in->type != GLIM_JINJA_UNDEFINED) {
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template looks for %s in %s",
                         glim__jinja_type_name(what), glim__jinja_type_name(in));
    }
    return false;
}

/* ---- dicts and elements ---- */

const glim_jinja_value *glim__jinja_dict_get(const glim_jinja_dict *d, glim_jinja_value key) {
    for (size_t i = 0; i < d->n; i++)
        if (glim__jinja_equal(&d->keys[i], &key))
            return &d->values[i];
    return NULL;
}

bool glim__jinja_dict_set(glim_arena *arena, glim_jinja_dict *d, glim_jinja_value key,
                          glim_jinja_value value) {
    glim_jinja_value *old = (glim_jinja_value *)glim__jinja_dict_get(d, key);
    if (old) {
        *old = value;
        return true;
    }
    if (!d->values || d->n == d->cap) {
        size_t cap = d->values ? 2 * d->cap : 4;
        glim_jinja_value *keys = glim__arena_alloc(arena, cap * sizeof *keys);
        glim_jinja_value *values = glim__arena_alloc(arena, cap * sizeof *values);
        if (!keys || !values)
            return false;
        if (d->values) {
            memcpy(keys, d->keys, d->n * sizeof *keys);
            memcpy(values, d->values, d->n * sizeof *values);
        }
        d->keys = keys;
        d->values = values;
        d->cap = cap;
    }
    d->keys[d->n] = key;
    d->values[d->n++] = value;
    return true;
}

static glim_jinja_list characters(glim_jinja_run *r, glim_jinja_text t) {
    glim_jinja_value *at = glim__jinja_alloc(r, t.n, sizeof *at);
    size_t n = 0;
    uint32_t cp;
    for (size_t i = 0; at && i < t.n;) {
        int len = glim__utf8_decode(t.s + i, t.n - i, &cp);
        size_t to = i + (len ? (size_t)len : 1);
        at[n++] = glim__jinja_of_text(glim__jinja_cut(t, i, to));
        i = to;
    }
    return (glim_jinja_list){at, n};
}

glim_jinja_list glim__jinja_elements(glim_jinja_run *r, const glim_jinja_value *v) {
    switch (v->type) {
    case GLIM_JINJA_UNDEFINED:
        return (glim_jinja_list){0};
    case GLIM_JINJA_STRING:
        return characters(r, v->text);
    case GLIM_JINJA_LIST:
    case GLIM_JINJA_TUPLE:
        return *v->list;
    case GLIM_JINJA_DICT:
        return (glim_jinja_list){v->dict->keys, v->dict->n};
    default:
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template walks over %s",
                         glim__jinja_type_name(v));
        return (glim_jinja_list){0};
    }
}

/* ---- text ---- */

static bool grow(glim_jinja_run *r, glim_jinja_out *o, size_t n) {
    if (r->status || o->n + n <= o->cap)
        return !r->status;
    size_t cap = o->n + n < 64 ? 128 : 2 * (o->n + n);
    char *s = glim__jinja_alloc(r, cap, 1);
    uint32_t *from = glim__jinja_alloc(r, cap, sizeof *from);
    if (!s || !from)
        return false;
    if (o->n) {
        memcpy(s, o->s, o->n);
        memcpy(from, o->from, o->n * sizeof *from);
    }
    *o = (glim_jinja_out){s, from, o->n, cap};
    return true;
}

void glim__jinja_put(glim_jinja_run *r, glim_jinja_out *o, glim_jinja_text t) {
    if (!t.n || !grow(r, o, t.n))
        return;
    memcpy(o->s + o->n, t.s, t.n);
    if (t.from)
        memcpy(o->from + o->n, t.from, t.n * sizeof *t.from);
    else
        memset(o->from + o->n, 0, t.n * sizeof *t.from);
    o->n += t.n;
}

void glim__jinja_puts(glim_jinja_run *r, glim_jinja_out *o, const char *s) {
    glim__jinja_put(r, o, (glim_jinja_text){s, NULL, strlen(s)});
}

glim_jinja_text glim__jinja_taken(const glim_jinja_out *o) {
    return (glim_jinja_text){o->s ? o->s : "", o->from, o->n};
}

glim_jinja_text glim__jinja_cut(glim_jinja_text t, size_t from, size_t to) {
    return (glim_jinja_text){t.s + from, t.from ? t.from + from : NULL, to - from};
}

static void put_float(glim_jinja_run *r, glim_jinja_out *o, double f) {
    char text[40];
    int digits = 1;
    if (isnan(f) || isinf(f)) {
        glim__jinja_puts(r, o, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    do
        snprintf(text, sizeof text, "%.*g", digits, f);
    while (strtod(text, NULL) != f && digits++ < 17);
    double size = fabs(f);
    if (size >= 1e-4 && size < 1e16) {
        snprintf(text, sizeof text, "%.*f", 0, f);
        for (int places = 1; strtod(text, NULL) != f && places < 25; places++)
            snprintf(text, sizeof text, "%.*f", places, f);
    }
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    glim__jinja_puts(r, o, text);
}

/* A string as repr() quotes it; what is not printable ASCII stands as it is. */
static void put_quoted(glim_jinja_run *r, glim_jinja_out *o, glim_jinja_text t) {
    bool single = memchr(t.s, '\'', t.n) && !memchr(t.s, '"', t.n);
    const char *quote = single ? "\"" : "'";
    glim__jinja_puts(r, o, quote);
    for (size_t i = 0; i < t.n; i++) {
        static const char from[] = "\n\r\t\\", to[] = "nrt\\";
        char c = t.s[i], code[8];
        const char *known = c ? strchr(from, c) : NULL;
        if (known) {
            snprintf(code, sizeof code, "\\%c", to[known - from]);
            glim__jinja_puts(r, o, code);
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            snprintf(code, sizeof code, "\\x%02x", (unsigned)c);
            glim__jinja_puts(r, o, code);
        } else {
            if (c == *quote)
                glim__jinja_puts(r, o, "\\");
            glim__jinja_put(r, o, glim__jinja_cut(t, i, i + 1));
        }
    }
    glim__jinja_puts(r, o, quote);
}

static void put_value(glim_jinja_run *r, glim_jinja_out *o, const glim_jinja_value *v, bool quoted);

static void put_items(glim_jinja_run *r, glim_jinja_out *o, const glim_jinja_value *v) {
    bool tuple = v->type == GLIM_JINJA_TUPLE;
    glim__jinja_puts(r, o, tuple ? "(" : "[");
    for (size_t i = 0; i < v->list->n && !r->status; i++) {
        glim__jinja_puts(r, o, i ? ", " : "");
        put_value(r, o, &v->list->at[i], true);
    }
    glim__jinja_puts(r, o, tuple ? (v->list->n == 1 ? ",)" : ")") : "]");
}

static void put_value(glim_jinja_run *r, glim_jinja_out *o, const glim_jinja_value *v,
                      bool quoted) {
    char text[32];
    switch (v->type) {
    case GLIM_JINJA_UNDEFINED:
        glim__jinja_puts(r, o, quoted ? "Undefined" : "");
        break;
    case GLIM_JINJA_NONE:
        glim__jinja_puts(r, o, "None");
        break;
    case GLIM_JINJA_BOOL:
        glim__jinja_puts(r, o, v->i ? "True" : "False");
        break;
    case GLIM_JINJA_INT:
        snprintf(text, sizeof text, "%lld", (long long)v->i);
        glim__jinja_puts(r, o, text);
        break;
    case GLIM_JINJA_FLOAT:
        put_float(r, o, v->f);
        break;
    case GLIM_JINJA_STRING:
        if (quoted)
            put_quoted(r, o, v->text);
        else
            glim__jinja_put(r, o, v->text);
        break;
    case GLIM_JINJA_LIST:
    case GLIM_JINJA_TUPLE:
        put_items(r, o, v);
        break;
    case GLIM_JINJA_DICT:
        glim__jinja_puts(r, o, "{");
        for (size_t i = 0; i < v->dict->n && !r->status; i++) {
            glim__jinja_puts(r, o, i ? ", " : "");
            put_value(r, o, &v->dict->keys[i], true);
            glim__jinja_puts(r, o, ": ");
            put_value(r, o, &v->dict->values[i], true);
        }
        glim__jinja_puts(r, o, "}");
        break;
    case GLIM_JINJA_NAMESPACE:
    case GLIM_JINJA_MACRO:
    case GLIM_JINJA_FUNCTION:
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template writes a %s",
                         glim__jinja_type_name(v));
    }
}

glim_jinja_text glim__jinja_str(glim_jinja_run *r, const glim_jinja_value *v) {
    glim_jinja_out o = {0};
    if (v->type == GLIM_JINJA_STRING)
        return v->text;
    put_value(r, &o, v, false);
    return glim__jinja_taken(&o);
}

/* ---- JSON ---- */

static void json_string(glim_jinja_run *r, glim_jinja_out *o, glim_jinja_text t) {
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    glim__jinja_puts(r, o, "\"");
    for (size_t i = 0; i < t.n; i++) {
        char code[8];
        const char *known = t.s[i] ? strchr(from, t.s[i]) : NULL;
        if (known)
            snprintf(code, sizeof code, "\\%c", to[known - from]);
        else if ((unsigned char)t.s[i] < 0x20)
            snprintf(code, sizeof code, "\\u%04x", (unsigned)t.s[i]);
        if (known || (unsigned char)t.s[i] < 0x20)
            glim__jinja_puts(r, o, code);
        else
            glim__jinja_put(r, o, glim__jinja_cut(t, i, i + 1));
    }
    glim__jinja_puts(r, o, "\"");
}

static void json_line(glim_jinja_run *r, glim_jinja_out *o, int indent, int level) {
    glim__jinja_puts(r, o, "\n");
    for (int i = 0; i < indent * level && !r->status; i++)
        glim__jinja_puts(r, o, " ");
}

static void json_members(glim_jinja_run *r, glim_jinja_out *o, const glim_jinja_value *v,
                         int indent, int level) {
    bool dict = v->type == GLIM_JINJA_DICT;
    size_t n = dict ? v->dict->n : v->list->n;
    glim__jinja_puts(r, o, dict ? "{" : "[");
    for (size_t i = 0; i < n && !r->status; i++) {
        glim__jinja_puts(r, o, !i ? "" : indent < 0 ? ", " : ",");
        if (indent >= 0)
            json_line(r, o, indent, level + 1);
        if (dict) {
            glim_jinja_text key = glim__jinja_str(r, &v->dict->keys[i]);
            json_string(r, o, key);
            glim__jinja_puts(r, o, ": ");
        }
        glim__jinja_json(r, o, dict ? &v->dict->values[i] : &v->list->at[i], indent, level + 1);
    }
    if (indent >= 0 && n)
        json_line(r, o, indent, level);
    glim__jinja_puts(r, o, dict ? "}" : "]");
}

void glim__jinja_json(glim_jinja_run *r, glim_jinja_out *o, const glim_jinja_value *v, int indent,
                      int level) {
    switch (v->type) {
    case GLIM_JINJA_NONE:
        glim__jinja_puts(r, o, "null");
        break;
    case GLIM_JINJA_BOOL:
        glim__jinja_puts(r, o, v->i ? "true" : "false");
        break;
    case GLIM_JINJA_INT:
    case GLIM_JINJA_FLOAT:
        put_value(r, o, v, false);
        break;
    case GLIM_JINJA_STRING:
        json_string(r, o, v->text);
        break;
    case GLIM_JINJA_LIST:
    case GLIM_JINJA_TUPLE:
    case GLIM_JINJA_DICT:
        json_members(r, o, v, indent, level);
        break;
    default:
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template writes %s as JSON",
                         glim__jinja_type_name(v));
    }
}
