/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of a batch. An answer is read in two sweeps: the first finds the members
 * and where they end (so their order is free), the second reads the numbers where
 * they lie. Jansson would make an object of every number, which costs more than
 * the whole protocol may; it reads the few names alone. A number that reads as NaN
 * is a finding, so the words that Python writes for it are understood.
 */
#include "predict/black-box.h"
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

size_t glim__batch_limit(size_t n) {
    return ((size_t)1 << 20) + n * ((size_t)1 << 16);
}

/* ---- the request ---- */

void glim__batch_string(glim_buffer *out, const char *s, size_t n) {
    static const char hex[] = "0123456789abcdef";
    size_t from = 0;
    glim__buffer_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        glim__buffer_append(out, s + from, i - from);
        if (c == '"' || c == '\\')
            escape[1] = (char)c;
        glim__buffer_append(out, escape, c == '"' || c == '\\' ? 2 : 6);
        from = i + 1;
    }
    glim__buffer_append(out, s + from, n - from);
    glim__buffer_putc(out, '"');
}

const char *glim__input_kind(glim_input_kind kind) {
    return kind == GLIM_INPUT_IMAGE ? "image" : kind == GLIM_INPUT_ROW ? "row" : "text";
}

void glim__batch_request(glim_buffer *out, glim_input_kind kind, const glim_input *inputs,
                         size_t n) {
    glim__buffer_printf(out, "{\"schema\":\"glim.batch/1\",\"kind\":\"%s\",\"inputs\":[",
                        glim__input_kind(kind));
    for (size_t i = 0; i < n; i++) {
        if (i)
            glim__buffer_putc(out, ',');
        if (kind == GLIM_INPUT_ROW) /* is JSON */
            glim__buffer_append(out, inputs[i].text, inputs[i].len);
        else
            glim__batch_string(out, inputs[i].text, inputs[i].len);
    }
    glim__buffer_puts(out, "]}\n");
}

/* ---- first sweep ---- */

struct cursor {
    const char *at, *end;
};

struct extent {
    const char *at;
    size_t len;
};

static void skip_space(struct cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, char wanted) {
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool skip_string(struct cursor *c) {
    if (!take(c, '"'))
        return false;
    for (; c->at < c->end; c->at++) {
        if (*c->at == '\\' && c->end - c->at > 1)
            c->at++;
        else if (*c->at == '"') {
            c->at++;
            return true;
        }
    }
    return false;
}

/* Passes a value: its brackets close in order, at most MAX_DEPTH deep. */
static bool skip_value(struct cursor *c, struct extent *out) {
    char open[MAX_DEPTH];
    int depth = 0;
    skip_space(c);
    out->at = c->at;
    do {
        skip_space(c);
        if (c->at == c->end)
            return false;
        char b = *c->at;
        if (b == '"') {
            if (!skip_string(c))
                return false;
        } else if (b == '[' || b == '{') {
            if (depth == MAX_DEPTH)
                return false;
            open[depth++] = b;
            c->at++;
        } else if (b == ']' || b == '}') {
            if (!depth || open[--depth] != (b == ']' ? '[' : '{'))
                return false;
            c->at++;
        } else if (depth) {
            c->at++;
        } else { /* a bare word or number */
            while (c->at < c->end && !strchr(",]} \t\r\n", *c->at))
                c->at++;
            if (c->at == out->at)
                return false;
        }
    } while (depth);
    out->len = (size_t)(c->at - out->at);
    return true;
}

struct members {
    struct extent outputs, classes, scale, error;
};

static bool is_key(struct extent key, const char *name) {
    return key.len == strlen(name) + 2 && !memcmp(key.at + 1, name, key.len - 2);
}

static bool find_members(struct cursor c, struct members *m) {
    if (!take(&c, '{'))
        return false;
    skip_space(&c);
    while (c.at < c.end && *c.at != '}') {
        struct extent key, value;
        key.at = c.at;
        if (!skip_string(&c))
            return false;
        key.len = (size_t)(c.at - key.at);
        if (!take(&c, ':') || !skip_value(&c, &value))
            return false;
        if (is_key(key, "outputs"))
            m->outputs = value;
        else if (is_key(key, "classes"))
            m->classes = value;
        else if (is_key(key, "scale"))
            m->scale = value;
        else if (is_key(key, "error"))
            m->error = value;
        skip_space(&c);
        if (c.at < c.end && *c.at == ',') {
            c.at++;
            skip_space(&c);
            if (c.at < c.end && *c.at == '}')
                return false;
        } else if (c.at == c.end || *c.at != '}') {
            return false;
        }
    }
    if (!take(&c, '}'))
        return false;
    skip_space(&c);
    return c.at == c.end;
}

/* ---- numbers ---- */

enum number { NUMBER, NOT_FINITE, NO_NUMBER };

static bool word(struct cursor *c, const char *s) {
    size_t n = strlen(s);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, s, n))
        return false;
    c->at += n;
    return true;
}

/* Decimal digits into *mantissa while they fit; returns how many were read. */
static int digits(struct cursor *c, uint64_t *mantissa, bool *exact) {
    int n = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, n++) {
        if (*mantissa >= UINT64_MAX / 10 - 1)
            *exact = false;
        else
            *mantissa = *mantissa * 10 + (uint64_t)(*c->at - '0');
    }
    return n;
}

/* A power of ten up to 22 and a mantissa up to 2^53 are exact doubles, so their
   product is rounded once; other numbers go to strtod. The text behind c->end
   must not go on with a number: there is a bracket. */
static enum number read_number(struct cursor *c, locale_t plain, double *out) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *start = c->at;
    uint64_t mantissa = 0, power = 0;
    bool exact = true, minus = word(c, "-"), down = false;
    int whole, fraction = 0;
    if (word(c, "NaN") || word(c, "Infinity") || word(c, "null"))
        return NOT_FINITE;
    whole = digits(c, &mantissa, &exact);
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        fraction = digits(c, &mantissa, &exact);
        if (!fraction)
            return NO_NUMBER;
    }
    if (!whole)
        return NO_NUMBER;
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        down = word(c, "-");
        if (!down)
            word(c, "+");
        if (!digits(c, &power, &exact))
            return NO_NUMBER;
    }
    long ten = (long)(power < 100000 ? power : 100000) * (down ? -1 : 1) - fraction;
    if (exact && mantissa <= (uint64_t)1 << 53 && ten >= -22 && ten <= 22) {
        double x = ten < 0 ? (double)mantissa / tens[-ten] : (double)mantissa * tens[ten];
        *out = minus ? -x : x;
        return NUMBER;
    }
    *out = strtod_l(start, NULL, plain);
    return isfinite(*out) ? NUMBER : NOT_FINITE;
}

/* ---- second sweep ---- */

struct reading {
    glim_black_box *box;
    const char *text; /* the whole answer, for quotes */
    size_t len;
    locale_t plain;
    glim_error *err;
};

/* Quotes the answer from the place that offends. */
static glim_status wrong(const struct reading *r, const char *at, glim_status status,
                         const char *message) {
    return glim__box_fail(r->box, r->err, status, at, r->len - (size_t)(at - r->text), "%s",
                          message);
}

static glim_status read_row(const struct reading *r, struct cursor *c, size_t index, double *row,
                            size_t K) {
    const char *start = (skip_space(c), c->at);
    size_t k = 0;
    if (!take(c, '['))
        return glim__box_fail(r->box, r->err, GLIM_EFORMAT, start,
                              r->len - (size_t)(start - r->text), "row %zu is no list of numbers",
                              index);
    for (skip_space(c); c->at < c->end && *c->at != ']'; k++, skip_space(c)) {
        const char *at = c->at;
        double x = NAN;
        if (k && !take(c, ','))
            return wrong(r, at, GLIM_EFORMAT, "numbers want a comma between them");
        skip_space(c);
        at = c->at;
        enum number kind = read_number(c, r->plain, &x);
        if (kind != NUMBER)
            return glim__box_fail(r->box, r->err, kind == NO_NUMBER ? GLIM_EFORMAT : GLIM_ENUMERIC,
                                  at, r->len - (size_t)(at - r->text),
                                  kind == NO_NUMBER ? "row %zu holds something else than a number"
                                                    : "row %zu holds a number that is not finite",
                                  index);
        if (k < K)
            row[k] = x;
    }
    take(c, ']');
    if (k == K)
        return GLIM_OK;
    return glim__box_fail(r->box, r->err, GLIM_EFORMAT, start, (size_t)(c->at - start),
                          "row %zu has %zu number%s, not %zu", index, k, k == 1 ? "" : "s", K);
}

/* Numbers in the first row: its commas and one more. */
static size_t count_first_row(struct cursor c) {
    size_t n = 1;
    for (int depth = 0; depth < 2; depth++)
        if (!take(&c, '['))
            return 1; /* reported when read */
    skip_space(&c);
    if (c.at < c.end && *c.at == ']')
        return 0;
    for (; c.at < c.end && *c.at != ']'; c.at++)
        n += *c.at == ',';
    return n;
}

static glim_status read_rows(const struct reading *r, struct extent outputs, double *rows, size_t n,
                             size_t K) {
    struct cursor c = {outputs.at, outputs.at + outputs.len};
    size_t i = 0;
    take(&c, '[');
    for (skip_space(&c); c.at < c.end && *c.at != ']'; skip_space(&c)) {
        if (i && !take(&c, ','))
            return wrong(r, c.at, GLIM_EFORMAT, "rows want a comma between them");
        if (i == n)
            return glim__box_fail(r->box, r->err, GLIM_EFORMAT, r->text, r->len,
                                  "it answered more rows than the %zu inputs", n);
        glim_status status = read_row(r, &c, i, rows + i * K, K);
        if (status)
            return status;
        i++;
    }
    if (i == n)
        return GLIM_OK;
    return glim__box_fail(r->box, r->err, GLIM_EFORMAT, r->text, r->len,
                          "it answered %zu row%s to %zu inputs", i, i == 1 ? "" : "s", n);
}

/* The names, unless they are the same bytes as before. *list is the caller's. */
static glim_status read_names(const struct reading *r, struct extent classes, json_t **list,
                              const char ***names, size_t *count) {
    glim_error why;
    uint64_t hash = glim__hash(classes.at, classes.len);
    *names = NULL;
    *list = NULL;
    if (!classes.at || (r->box->names_len == classes.len && r->box->names_hash == hash))
        return GLIM_OK;
    glim_status status = glim__json_parse(list, classes.at, classes.len, "classes", &why);
    size_t n = json_array_size(*list);
    bool ok = !status && json_is_array(*list);
    for (size_t k = 0; ok && k < n; k++) {
        const json_t *s = json_array_get(*list, k);
        ok = json_is_string(s) && strlen(json_string_value(s)) == json_string_length(s);
    }
    if (!ok)
        return wrong(r, classes.at, GLIM_EFORMAT, "\"classes\" is no list of names");
    *names = glim__calloc(r->box->ctx, n, sizeof **names);
    if (!*names)
        return glim__oom(r->box->ctx, r->err, "the classes", n * sizeof **names);
    for (size_t k = 0; k < n; k++)
        (*names)[k] = json_string_value(json_array_get(*list, k));
    *count = n;
    return GLIM_OK;
}

static glim_status set_classes(const struct reading *r, const struct members *m, size_t K) {
    glim_black_box *box = r->box;
    glim_scale scale = box->info.n_classes ? box->info.scale : GLIM_SCALE_RAW;
    const char **names;
    json_t *list;
    size_t n = K;
    char word[12] = "";
    if (m->scale.at) {
        if (m->scale.len > 2 && m->scale.len < sizeof word + 2)
            memcpy(word, m->scale.at + 1, m->scale.len - 2);
        if (!glim__scale_find(word, &scale))
            return wrong(r, m->scale.at, GLIM_EFORMAT,
                         "\"scale\" is none of \"prob\", \"logprob\", \"logit\", \"raw\"");
    }
    glim_status status = read_names(r, m->classes, &list, &names, &n);
    if (!status && n != K)
        status = glim__box_fail(box, r->err, GLIM_EFORMAT, m->classes.at, m->classes.len,
                                "it names %zu classes and answers %zu numbers a row", n, K);
    if (!status)
        status = glim__box_set_classes(box, names, K, scale, r->text, r->len, r->err);
    if (!status && names) {
        box->names_hash = glim__hash(m->classes.at, m->classes.len);
        box->names_len = m->classes.len;
    }
    glim__free(box->ctx, names);
    json_decref(list);
    return status;
}

static glim_status read_outputs(const struct reading *r, const struct members *m, size_t first,
                                size_t n) {
    glim_black_box *box = r->box;
    struct cursor c = {m->outputs.at, m->outputs.at + m->outputs.len};
    if (*c.at != '[')
        return wrong(r, c.at, GLIM_EFORMAT, "\"outputs\" is no list of rows");
    size_t K = box->info.n_classes ? box->info.n_classes : count_first_row(c);
    if (K == 0 || K > GLIM_MOST_CLASSES)
        return glim__box_set_classes(box, NULL, K, GLIM_SCALE_RAW, r->text, r->len, r->err);
    double *rows = glim__calloc(box->ctx, n, K * sizeof *rows);
    if (!rows)
        return glim__oom(box->ctx, r->err, "the answers", n * K * sizeof *rows);
    glim_status status = read_rows(r, m->outputs, rows, n, K);
    if (!status)
        status = set_classes(r, m, K);
    if (!status)
        status = glim__box_store(box, first, rows, n, r->text, r->len, r->err);
    glim__free(box->ctx, rows);
    return status;
}

glim_status glim__batch_answer(glim_black_box *box, const char *text, size_t len, size_t first,
                               size_t n, glim_error *err) {
    struct members m = {0};
    struct reading r = {.box = box, .text = text, .len = len, .err = err};
    if (!find_members((struct cursor){text, text + len}, &m))
        return glim__box_fail(box, err, GLIM_EFORMAT, text, len, "its answer is no JSON object");
    if (m.error.at)
        return glim__box_fail(box, err, GLIM_EIO, m.error.at, m.error.len, "it says");
    if (!m.outputs.at)
        return glim__box_fail(box, err, GLIM_EFORMAT, text, len,
                              "its answer has no member \"outputs\"");
    r.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!r.plain)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: a locale");
    glim_status status = read_outputs(&r, &m, first, n);
    freelocale(r.plain);
    return status;
}
