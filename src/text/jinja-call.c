/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of a template, and the methods of strings and dicts. Those that
 * would change a list or a dict are missing, as they are in the sandbox that the
 * models' runtimes use.
 */
#include "base/utf8.h"
#include "text/jinja-inside.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

const glim_jinja_value *glim__jinja_arg(const glim_jinja_args *args, size_t i,
                                        const char *keyword) {
    for (size_t k = 0; k < args->n; k++)
        if (args->keyword[k].n ? keyword && glim__jinja_is(args->keyword[k], keyword) : k == i)
            return &args->at[k];
    return NULL;
}

static glim_jinja_value no_method(glim_jinja_run *r, const glim_jinja_value *v,
                                  glim_jinja_text name) {
    return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template uses the method '%.*s' of %s",
                            (int)(name.n < 40 ? name.n : 40), name.s, glim__jinja_type_name(v));
}

/* ---- text ---- */

static bool among(uint32_t cp, const glim_jinja_value *chars) {
    uint32_t other;
    if (!chars)
        return glim__jinja_space(cp);
    for (size_t i = 0; i < chars->text.n;) {
        int len = glim__utf8_decode(chars->text.s + i, chars->text.n - i, &other);
        if (len && other == cp)
            return true;
        i += len ? (size_t)len : 1;
    }
    return false;
}

glim_jinja_text glim__jinja_strip(glim_jinja_text t, const glim_jinja_value *chars, bool front,
                                  bool back) {
    size_t cut = 0, keep = 0;
    uint32_t cp;
    chars = chars && chars->type == GLIM_JINJA_STRING ? chars : NULL;
    for (size_t i = 0; i < t.n;) {
        int len = glim__utf8_decode(t.s + i, t.n - i, &cp);
        bool blank = len && among(cp, chars);
        i += len ? (size_t)len : 1;
        if (blank && !keep)
            cut = i;
        else if (!blank)
            keep = i; /* the end of the last character that stays */
    }
    cut = front ? cut : 0;
    return glim__jinja_cut(t, cut, !back ? t.n : keep > cut ? keep : cut);
}

glim_jinja_text glim__jinja_replace(glim_jinja_run *r, glim_jinja_text t, glim_jinja_text old,
                                    glim_jinja_text with, int64_t most) {
    glim_jinja_out o = {0};
    size_t done = 0;
    if (!old.n) {
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template replaces an empty text");
        return t;
    }
    for (size_t at; most && (at = glim__jinja_find(t, old, done)) <= t.n && glim__jinja_step(r);
         most--) {
        glim__jinja_put(r, &o, glim__jinja_cut(t, done, at));
        glim__jinja_put(r, &o, with);
        done = at + old.n;
    }
    if (!done)
        return t;
    glim__jinja_put(r, &o, glim__jinja_cut(t, done, t.n));
    return glim__jinja_taken(&o);
}

/* Characters whose other case is more than one character, or depends on its place. */
static bool odd_case(uint32_t cp) {
    return cp == 0xdf || cp == 0x130 || cp == 0x149 || cp == 0x1f0 || cp == 0x390 || cp == 0x3a3 ||
           cp == 0x3b0 || cp == 0x587 || (cp >= 0x1e96 && cp <= 0x1e9e) ||
           (cp >= 0x1f50 && cp <= 0x1ffc) || (cp >= 0xfb00 && cp <= 0xfb17);
}

static bool cased(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

glim_jinja_text glim__jinja_case_of(glim_jinja_run *r, glim_jinja_text t, glim_jinja_case how) {
    glim_jinja_out o = {0};
    bool inside = false;
    uint32_t cp;
    for (size_t i = 0; i < t.n && !r->status;) {
        int len = glim__utf8_decode(t.s + i, t.n - i, &cp);
        size_t to = i + (len ? (size_t)len : 1);
        bool up = how == JINJA_UPPER || ((how == JINJA_TITLE || how == JINJA_WORDS) && !inside) ||
                  (how == JINJA_CAPITALIZE && !i);
        char text[4];
        utf8proc_int32_t point = (utf8proc_int32_t)cp;
        uint32_t other = (uint32_t)(!up                  ? utf8proc_tolower(point)
                                    : how == JINJA_UPPER ? utf8proc_toupper(point)
                                                         : utf8proc_totitle(point));
        if (odd_case(cp))
            glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template changes the case of U+%04X",
                             (unsigned)cp);
        int n = glim__utf8_encode(other, text);
        glim_jinja_text piece = glim__jinja_cut(t, i, to);
        if (other != cp && n == len) /* the same bytes of the source */
            memcpy((piece.s = glim__jinja_alloc(r, 4, 1)) ? (char *)piece.s : text, text,
                   (size_t)n);
        else if (other != cp)
            piece = (glim_jinja_text){text, NULL, (size_t)n};
        if (!r->status)
            glim__jinja_put(r, &o, piece);
        inside = how == JINJA_WORDS
                     ? !glim__jinja_space(cp) && (cp > 127 || !strchr("-({[<", (int)cp))
                     : len && cased(cp);
        i = to;
    }
    return glim__jinja_taken(&o);
}

/* ---- methods of strings ---- */

struct pieces {
    glim_jinja_value list;
    size_t cap;
};

static void add_piece(glim_jinja_run *r, struct pieces *p, glim_jinja_text t) {
    size_t n = p->list.list ? p->list.list->n : 0;
    if (n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        glim_jinja_value more = glim__jinja_new_list(r, GLIM_JINJA_LIST, p->cap);
        if (r->status)
            return;
        if (n)
            memcpy(more.list->at, p->list.list->at, n * sizeof *more.list->at);
        more.list->n = n;
        p->list = more;
    }
    p->list.list->at[p->list.list->n++] = glim__jinja_of_text(t);
}

static glim_jinja_value split_spaces(glim_jinja_run *r, glim_jinja_text t, int64_t most) {
    struct pieces p = {.list = glim__jinja_new_list(r, GLIM_JINJA_LIST, 0)};
    for (t = glim__jinja_strip(t, NULL, true, false); t.n && glim__jinja_step(r);) {
        size_t end = 0;
        uint32_t cp;
        for (int len; end < t.n && (len = glim__utf8_decode(t.s + end, t.n - end, &cp)) &&
                      !glim__jinja_space(cp);)
            end += (size_t)len;
        if (!most--) /* the rest as it is */
            end = t.n;
        add_piece(r, &p, glim__jinja_cut(t, 0, end));
        t = glim__jinja_strip(glim__jinja_cut(t, end, t.n), NULL, true, false);
    }
    return p.list;
}

static glim_jinja_value split(glim_jinja_run *r, glim_jinja_text t, glim_jinja_text by,
                              int64_t most) {
    struct pieces p = {.list = glim__jinja_new_list(r, GLIM_JINJA_LIST, 0)};
    size_t done = 0;
    if (!by.n)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template splits by an empty text");
    for (size_t at; most && (at = glim__jinja_find(t, by, done)) <= t.n && glim__jinja_step(r);
         most--) {
        add_piece(r, &p, glim__jinja_cut(t, done, at));
        done = at + by.n;
    }
    add_piece(r, &p, glim__jinja_cut(t, done, t.n));
    return p.list;
}

static size_t find_last(glim_jinja_text t, glim_jinja_text what) {
    for (size_t at = t.n >= what.n ? t.n - what.n + 1 : 0; at-- > 0;)
        if (!what.n || !memcmp(t.s + at, what.s, what.n))
            return at;
    return t.n + 1;
}

static glim_jinja_value rsplit(glim_jinja_run *r, glim_jinja_text t, glim_jinja_text by,
                               int64_t most) {
    struct pieces p = {.list = glim__jinja_new_list(r, GLIM_JINJA_LIST, 0)};
    if (!by.n)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template splits by an empty text");
    for (size_t at; most && (at = find_last(t, by)) <= t.n && glim__jinja_step(r); most--) {
        add_piece(r, &p, glim__jinja_cut(t, at + by.n, t.n));
        t = glim__jinja_cut(t, 0, at);
    }
    add_piece(r, &p, t);
    for (size_t i = 0, n = r->status ? 0 : p.list.list->n; i < n / 2; i++) {
        glim_jinja_value last = p.list.list->at[n - 1 - i];
        p.list.list->at[n - 1 - i] = p.list.list->at[i];
        p.list.list->at[i] = last;
    }
    return p.list;
}

static bool has_end(glim_jinja_text t, glim_jinja_text end, bool front) {
    return end.n <= t.n && !memcmp(front ? t.s : t.s + t.n - end.n, end.s, end.n);
}

/* startswith and endswith; the argument may be a tuple of choices. */
static glim_jinja_value ends(glim_jinja_text t, const glim_jinja_value *a, bool front) {
    if (a->type == GLIM_JINJA_STRING)
        return glim__jinja_bool(has_end(t, a->text, front));
    for (size_t i = 0; a->type == GLIM_JINJA_TUPLE && i < a->list->n; i++)
        if (a->list->at[i].type == GLIM_JINJA_STRING && has_end(t, a->list->at[i].text, front))
            return glim__jinja_bool(true);
    return glim__jinja_bool(false);
}

static int64_t characters_before(glim_jinja_text t, size_t at) {
    int64_t n = 0;
    for (size_t i = 0; i < at; i++)
        n += ((unsigned char)t.s[i] & 0xc0) != 0x80;
    return n;
}

static int64_t count(glim_jinja_text t, glim_jinja_text what) {
    int64_t n = 0;
    for (size_t at = 0; what.n && (at = glim__jinja_find(t, what, at)) <= t.n; at += what.n)
        n++;
    return what.n ? n : characters_before(t, t.n) + 1;
}

static glim_jinja_value all_of(glim_jinja_text t, bool (*is)(uint32_t)) {
    uint32_t cp;
    for (size_t i = 0; i < t.n;) {
        int len = glim__utf8_decode(t.s + i, t.n - i, &cp);
        if (!len || !is(cp))
            return glim__jinja_bool(false);
        i += (size_t)len;
    }
    return glim__jinja_bool(t.n > 0);
}

static bool decimal(uint32_t cp) {
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}

static bool alphabetic(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

static glim_jinja_value join(glim_jinja_run *r, glim_jinja_text by, const glim_jinja_value *v) {
    glim_jinja_out o = {0};
    glim_jinja_list list = glim__jinja_elements(r, v);
    for (size_t i = 0; i < list.n && glim__jinja_step(r); i++) {
        if (list.at[i].type != GLIM_JINJA_STRING)
            return glim__jinja_fail(r, GLIM_EUNSUPPORTED,
                                    "the chat template joins what is no text");
        glim__jinja_put(r, &o, i ? by : (glim_jinja_text){0});
        glim__jinja_put(r, &o, list.at[i].text);
    }
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

/* str.format with {}, {0} and {name}; what else braces may hold is not known. */
static glim_jinja_value format(glim_jinja_run *r, const glim_jinja_value *v,
                               const glim_jinja_args *args) {
    glim_jinja_text t = v->text;
    glim_jinja_out o = {0};
    size_t next = 0;
    for (size_t i = 0; i < t.n && glim__jinja_step(r);) {
        bool open = t.s[i] == '{', twice = i + 1 < t.n && t.s[i + 1] == t.s[i];
        if ((!open && t.s[i] != '}') || twice) {
            glim__jinja_put(r, &o, glim__jinja_cut(t, i, i + 1));
            i += (open || t.s[i] == '}') ? 2 : 1;
            continue;
        }
        const char *close = open ? memchr(t.s + i, '}', t.n - i) : NULL;
        char name[32] = "";
        size_t n = close ? (size_t)(close - t.s) - i - 1 : sizeof name;
        if (n >= sizeof name)
            return no_method(r, v, (glim_jinja_text){"format", NULL, 6});
        memcpy(name, t.s + i + 1, n);
        bool place = strspn(name, "0123456789") == n;
        size_t at = !n ? next++ : place && n < 4 ? (size_t)atoi(name) : SIZE_MAX;
        const glim_jinja_value *a = glim__jinja_arg(args, at, name);
        if (!a || strpbrk(name, ":!.[{"))
            return no_method(r, v, (glim_jinja_text){"format", NULL, 6});
        glim__jinja_put(r, &o, glim__jinja_str(r, a));
        i += n + 2;
    }
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

/* Methods whose arguments are texts and a count. */
static glim_jinja_value with_text(glim_jinja_run *r, const glim_jinja_value *v,
                                  glim_jinja_text name, const glim_jinja_args *args) {
    glim_jinja_text t = v->text;
    const glim_jinja_value *a = glim__jinja_arg(args, 0, NULL);
    const glim_jinja_value *b = glim__jinja_arg(args, 1, "maxsplit");
    if (glim__jinja_is(name, "startswith") || glim__jinja_is(name, "endswith"))
        if (a && !b)
            return ends(t, a, name.s[0] == 's');
    if (glim__jinja_is(name, "join") && a)
        return join(r, t, a);
    bool by_spaces = !a || a->type == GLIM_JINJA_NONE;
    int64_t most = b && b->type == GLIM_JINJA_INT ? b->i : -1;
    if (glim__jinja_is(name, "split") && by_spaces)
        return split_spaces(r, t, most);
    if (by_spaces || a->type != GLIM_JINJA_STRING)
        return no_method(r, v, name);
    if (glim__jinja_is(name, "split"))
        return split(r, t, a->text, most);
    if (glim__jinja_is(name, "rsplit"))
        return rsplit(r, t, a->text, most);
    if (glim__jinja_is(name, "find") && !b) {
        size_t at = glim__jinja_find(t, a->text, 0);
        return glim__jinja_int(at > t.n ? -1 : characters_before(t, at));
    }
    if (glim__jinja_is(name, "rfind") && !b) {
        size_t at = find_last(t, a->text);
        return glim__jinja_int(at > t.n ? -1 : characters_before(t, at));
    }
    if (glim__jinja_is(name, "count") && !b)
        return glim__jinja_int(count(t, a->text));
    if (glim__jinja_is(name, "removeprefix") || glim__jinja_is(name, "removesuffix")) {
        bool front = name.s[6] == 'p';
        size_t cut = has_end(t, a->text, front) ? a->text.n : 0;
        return glim__jinja_of_text(glim__jinja_cut(t, front ? cut : 0, front ? t.n : t.n - cut));
    }
    if (glim__jinja_is(name, "replace") && b && b->type == GLIM_JINJA_STRING) {
        const glim_jinja_value *times = glim__jinja_arg(args, 2, "count");
        return glim__jinja_of_text(glim__jinja_replace(
            r, t, a->text, b->text, times && times->type == GLIM_JINJA_INT ? times->i : -1));
    }
    return no_method(r, v, name);
}

static glim_jinja_value string_method(glim_jinja_run *r, const glim_jinja_value *v,
                                      glim_jinja_text name, const glim_jinja_args *args) {
    static const char *const cases[] = {"upper", "lower", "title", "capitalize"};
    glim_jinja_text t = v->text;
    bool left = glim__jinja_is(name, "lstrip"), right = glim__jinja_is(name, "rstrip");
    if (left || right || glim__jinja_is(name, "strip"))
        return glim__jinja_of_text(
            glim__jinja_strip(t, glim__jinja_arg(args, 0, "chars"), !right, !left));
    for (int i = 0; i < 4 && !args->n; i++)
        if (glim__jinja_is(name, cases[i]))
            return glim__jinja_of_text(glim__jinja_case_of(r, t, (glim_jinja_case)i));
    if (glim__jinja_is(name, "format"))
        return format(r, v, args);
    if (glim__jinja_is(name, "isdigit") || glim__jinja_is(name, "isnumeric"))
        return all_of(t, decimal);
    if (glim__jinja_is(name, "isalpha"))
        return all_of(t, alphabetic);
    if (glim__jinja_is(name, "isspace"))
        return all_of(t, glim__jinja_space);
    return with_text(r, v, name, args);
}

/* ---- methods of dicts ---- */

static glim_jinja_value pairs(glim_jinja_run *r, const glim_jinja_dict *d) {
    glim_jinja_value list = glim__jinja_new_list(r, GLIM_JINJA_LIST, d->n);
    for (size_t i = 0; i < d->n && !r->status; i++) {
        glim_jinja_value pair = glim__jinja_new_list(r, GLIM_JINJA_TUPLE, 2);
        if (r->status)
            break;
        pair.list->at[0] = d->keys[i];
        pair.list->at[1] = d->values[i];
        list.list->at[i] = pair;
    }
    return list;
}

static glim_jinja_value dict_method(glim_jinja_run *r, const glim_jinja_value *v,
                                    glim_jinja_text name, const glim_jinja_args *args) {
    const glim_jinja_value *key = glim__jinja_arg(args, 0, NULL);
    const glim_jinja_value *other = glim__jinja_arg(args, 1, NULL);
    if (glim__jinja_is(name, "get") && key) {
        const glim_jinja_value *found = glim__jinja_dict_get(v->dict, *key);
        return found ? *found : other ? *other : (glim_jinja_value){.type = GLIM_JINJA_NONE};
    }
    if (glim__jinja_is(name, "items"))
        return pairs(r, v->dict);
    glim_jinja_value list = glim__jinja_new_list(r, GLIM_JINJA_LIST, v->dict->n);
    bool keys = glim__jinja_is(name, "keys");
    if (!keys && !glim__jinja_is(name, "values"))
        return no_method(r, v, name);
    for (size_t i = 0; i < v->dict->n && !r->status; i++)
        list.list->at[i] = keys ? v->dict->keys[i] : v->dict->values[i];
    return list;
}

/* ---- attributes ---- */

static bool method_of(const glim_jinja_value *v, glim_jinja_text name) {
    static const char *const of_strings[] = {
        "strip",      "lstrip",    "rstrip",   "split",   "rsplit",       "startswith",
        "endswith",   "upper",     "lower",    "title",   "capitalize",   "replace",
        "join",       "find",      "rfind",    "count",   "removeprefix", "removesuffix",
        "isdigit",    "isnumeric", "isalpha",  "isspace", "splitlines",   "format",
        "index",      "zfill",     "ljust",    "rjust",   "center",       "partition",
        "rpartition", "casefold",  "swapcase", "isalnum", "isupper",      "islower"};
    static const char *const of_dicts[] = {"get", "items",  "keys", "values",
                                           "pop", "update", "copy"};
    static const char *const of_lists[] = {"append", "extend",  "pop",  "insert", "index", "count",
                                           "remove", "reverse", "sort", "copy",   "clear"};
    bool string = v->type == GLIM_JINJA_STRING, dict = v->type == GLIM_JINJA_DICT;
    bool list = v->type == GLIM_JINJA_LIST || v->type == GLIM_JINJA_TUPLE;
    const char *const *names = string ? of_strings : dict ? of_dicts : of_lists;
    size_t n = string ? sizeof of_strings : dict ? sizeof of_dicts : list ? sizeof of_lists : 0;
    for (size_t i = 0; i < n / sizeof *names; i++)
        if (glim__jinja_is(name, names[i]))
            return true;
    return false;
}

/* v.name, and v['name'] where no item of that name is. */
glim_jinja_value glim__jinja_attribute(glim_jinja_run *r, const glim_jinja_value *v,
                                       glim_jinja_text name, bool method_first) {
    bool dict = v->type == GLIM_JINJA_DICT || v->type == GLIM_JINJA_NAMESPACE;
    const glim_jinja_value *found =
        dict ? glim__jinja_dict_get(v->dict, glim__jinja_of_text(name)) : NULL;
    if (found && !(method_first && method_of(v, name)))
        return *found;
    if (!method_of(v, name))
        return (glim_jinja_value){.text = name};
    glim_jinja_value method = glim__jinja_new_list(r, GLIM_JINJA_LIST, 1);
    if (!r->status) {
        method.list->at[0] = *v;
        method.type = GLIM_JINJA_FUNCTION;
        method.text = name;
    }
    return method;
}

/* ---- functions ---- */

static glim_jinja_value range(glim_jinja_run *r, const glim_jinja_args *args) {
    int64_t v[3] = {0, 0, 1};
    enum { MOST = 100000 }; /* the sandbox's limit */
    if (!args->n || args->n > 3)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template calls 'range' wrongly");
    for (size_t i = 0; i < args->n; i++) {
        if (args->at[i].type != GLIM_JINJA_INT)
            return glim__jinja_fail(r, GLIM_EUNSUPPORTED,
                                    "the chat template calls 'range' wrongly");
        v[args->n == 1 ? 1 : i] = args->at[i].i;
    }
    double n = v[2] ? ((double)v[1] - (double)v[0]) / (double)v[2] : 0;
    if (!v[2] || n > MOST)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template counts further than %d",
                                MOST);
    glim_jinja_value list = glim__jinja_new_list(r, GLIM_JINJA_LIST, n > 0 ? (size_t)n + 1 : 0);
    if (r->status)
        return list;
    list.list->n = 0;
    for (int64_t i = v[0]; n > 0 && (v[2] > 0 ? i < v[1] : i > v[1]); i += v[2])
        list.list->at[list.list->n++] = glim__jinja_int(i);
    return list;
}

static glim_jinja_value make_dict(glim_jinja_run *r, const glim_jinja_args *args,
                                  glim_jinja_type type) {
    glim_jinja_value v = {.type = type, .dict = glim__jinja_alloc(r, 1, sizeof *v.dict)};
    for (size_t i = 0; i < args->n && !r->status; i++) {
        const glim_jinja_dict *from = args->at[i].dict;
        bool copied = !args->keyword[i].n && args->at[i].type == GLIM_JINJA_DICT, ok = true;
        if (!args->keyword[i].n && !copied)
            return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template makes a %s of %s",
                                    glim__jinja_type_name(&v), glim__jinja_type_name(&args->at[i]));
        for (size_t k = 0; copied && k < from->n && ok; k++)
            ok = glim__jinja_dict_set(r->arena, v.dict, from->keys[k], from->values[k]);
        if (!copied)
            ok = glim__jinja_dict_set(r->arena, v.dict, glim__jinja_of_text(args->keyword[i]),
                                      args->at[i]);
        if (!ok)
            r->status = glim__oom(r->arena->ctx, r->err, "the chat", 0);
    }
    return v;
}

glim_jinja_value glim__jinja_call(glim_jinja_run *r, const glim_jinja_value *f,
                                  const glim_jinja_args *args) {
    if (f->type == GLIM_JINJA_MACRO)
        return glim__jinja_macro(r, f, args);
    if (f->type != GLIM_JINJA_FUNCTION)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template calls %s",
                                glim__jinja_type_name(f));
    if (f->list && f->list->at[0].type == GLIM_JINJA_STRING)
        return string_method(r, &f->list->at[0], f->text, args);
    if (f->list && f->list->at[0].type == GLIM_JINJA_DICT)
        return dict_method(r, &f->list->at[0], f->text, args);
    if (f->list)
        return no_method(r, &f->list->at[0], f->text);
    if (glim__jinja_is(f->text, "range"))
        return range(r, args);
    if (glim__jinja_is(f->text, "raise_exception")) {
        glim_jinja_text why = args->n ? glim__jinja_str(r, &args->at[0]) : (glim_jinja_text){0};
        return glim__jinja_fail(r, GLIM_EUSAGE, "the model's chat template refuses this chat: %.*s",
                                (int)(why.n < 200 ? why.n : 200), why.s ? why.s : "");
    }
    return make_dict(r, args,
                     glim__jinja_is(f->text, "dict") ? GLIM_JINJA_DICT : GLIM_JINJA_NAMESPACE);
}
