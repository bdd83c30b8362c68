/* SPDX-License-Identifier: Apache-2.0 */
/* Filters (x | name) and tests (x is name) of templates. */
#include "base/utf8.h"
#include "text/jinja-inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static glim_jinja_value wrong(glim_jinja_run *r, const char *kind, glim_jinja_text name,
                              const glim_jinja_value *v) {
    return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template uses the %s '%.*s' on %s",
                            kind, (int)(name.n < 40 ? name.n : 40), name.s,
                            glim__jinja_type_name(v));
}

static bool sequence(const glim_jinja_value *v) {
    return v->type == GLIM_JINJA_LIST || v->type == GLIM_JINJA_TUPLE;
}

/* ---- tests ---- */

static bool simple_test(glim_jinja_text name, const glim_jinja_value *v, bool *yes) {
    bool whole = v->type == GLIM_JINJA_INT || v->type == GLIM_JINJA_BOOL;
    bool text = v->type == GLIM_JINJA_STRING, dict = v->type == GLIM_JINJA_DICT;
    const struct {
        const char *name;
        bool yes;
    } tests[] = {{"defined", v->type != GLIM_JINJA_UNDEFINED},
                 {"undefined", v->type == GLIM_JINJA_UNDEFINED},
                 {"none", v->type == GLIM_JINJA_NONE},
                 {"string", text},
                 {"mapping", dict},
                 {"sequence", text || dict || sequence(v) || v->type == GLIM_JINJA_UNDEFINED},
                 {"iterable", text || dict || sequence(v) || v->type == GLIM_JINJA_UNDEFINED},
                 {"number", whole || v->type == GLIM_JINJA_FLOAT},
                 {"integer", v->type == GLIM_JINJA_INT},
                 {"float", v->type == GLIM_JINJA_FLOAT},
                 {"boolean", v->type == GLIM_JINJA_BOOL},
                 {"true", v->type == GLIM_JINJA_BOOL && v->i},
                 {"false", v->type == GLIM_JINJA_BOOL && !v->i},
                 {"callable", v->type == GLIM_JINJA_MACRO || v->type == GLIM_JINJA_FUNCTION},
                 {"odd", whole && v->i % 2 != 0},
                 {"even", whole && v->i % 2 == 0}};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (glim__jinja_is(name, tests[i].name)) {
            *yes = tests[i].yes;
            return true;
        }
    return false;
}

bool glim__jinja_test(glim_jinja_run *r, glim_jinja_text name, const glim_jinja_value *v,
                      const glim_jinja_args *args) {
    static const char *const orders[][3] = {{"lt", "<", "lessthan"},
                                            {"le", "<=", "le"},
                                            {"gt", ">", "greaterthan"},
                                            {"ge", ">=", "ge"}};
    bool yes = false;
    const glim_jinja_value *a = glim__jinja_arg(args, 0, NULL);
    if (!a && simple_test(name, v, &yes))
        return yes;
    if (a && (glim__jinja_is(name, "equalto") || glim__jinja_is(name, "eq") ||
              glim__jinja_is(name, "==") || glim__jinja_is(name, "sameas")))
        return glim__jinja_equal(v, a);
    if (a && (glim__jinja_is(name, "ne") || glim__jinja_is(name, "!=")))
        return !glim__jinja_equal(v, a);
    if (a && glim__jinja_is(name, "in"))
        return glim__jinja_contains(r, a, v);
    if (a && glim__jinja_is(name, "divisibleby") && v->type == GLIM_JINJA_INT &&
        a->type == GLIM_JINJA_INT && a->i)
        return a->i == -1 || v->i % a->i == 0;
    for (size_t i = 0; a && i < 4; i++)
        for (size_t k = 0; k < 3; k++)
            if (glim__jinja_is(name, orders[i][k])) {
                int order = glim__jinja_order(r, v, a);
                return i == 0 ? order < 0 : i == 1 ? order <= 0 : i == 2 ? order > 0 : order >= 0;
            }
    wrong(r, "test", name, v);
    return false;
}

/* ---- filters of lists ---- */

static glim_jinja_value copy(glim_jinja_run *r, const glim_jinja_value *v) {
    glim_jinja_list from = glim__jinja_elements(r, v);
    glim_jinja_value list = glim__jinja_new_list(r, GLIM_JINJA_LIST, from.n);
    if (!r->status && from.n)
        memcpy(list.list->at, from.at, from.n * sizeof *from.at);
    return list;
}

/* A dotted attribute of an element. */
static glim_jinja_value attribute(glim_jinja_run *r, const glim_jinja_value *v,
                                  glim_jinja_text path) {
    glim_jinja_value at = *v;
    while (!r->status && path.n) {
        const char *dot = memchr(path.s, '.', path.n);
        size_t n = dot ? (size_t)(dot - path.s) : path.n;
        if (at.type == GLIM_JINJA_UNDEFINED)
            return at;
        at = glim__jinja_attribute(r, &at, glim__jinja_cut(path, 0, n), false);
        path = glim__jinja_cut(path, dot ? n + 1 : n, path.n);
    }
    return at;
}

/* select, reject, selectattr, rejectattr. */
static glim_jinja_value pick(glim_jinja_run *r, glim_jinja_text name, const glim_jinja_value *v,
                             const glim_jinja_args *args) {
    bool keep = name.s[0] == 's', by_attribute = name.n > 6;
    glim_jinja_list from = {0};
    if (glim__jinja_truth(v)) /* none is an empty list here */
        from = glim__jinja_elements(r, v);
    glim_jinja_value list = glim__jinja_new_list(r, GLIM_JINJA_LIST, from.n);
    size_t skip = by_attribute, n = 0;
    if (args->n < skip || (skip && args->at[0].type != GLIM_JINJA_STRING))
        return wrong(r, "filter", name, v);
    for (size_t i = 0; i < from.n && glim__jinja_step(r); i++) {
        glim_jinja_value part =
            by_attribute ? attribute(r, &from.at[i], args->at[0].text) : from.at[i];
        bool yes = glim__jinja_truth(&part);
        if (args->n > skip && args->at[skip].type == GLIM_JINJA_STRING) {
            glim_jinja_args rest = {args->at + skip + 1, args->keyword + skip + 1,
                                    args->n - skip - 1};
            yes = glim__jinja_test(r, args->at[skip].text, &part, &rest);
        }
        if (yes == keep && !r->status)
            list.list->at[n++] = from.at[i];
    }
    if (!r->status)
        list.list->n = n;
    return list;
}

static glim_jinja_value map(glim_jinja_run *r, const glim_jinja_value *v,
                            const glim_jinja_args *args) {
    const glim_jinja_value *attr = glim__jinja_arg(args, SIZE_MAX, "attribute");
    const glim_jinja_value *other = glim__jinja_arg(args, SIZE_MAX, "default");
    const glim_jinja_value *filter = glim__jinja_arg(args, 0, NULL);
    if (!glim__jinja_truth(v)) /* none is an empty list here */
        return glim__jinja_new_list(r, GLIM_JINJA_LIST, 0);
    glim_jinja_value list = copy(r, v);
    for (size_t i = 0; !r->status && i < list.list->n && glim__jinja_step(r); i++) {
        glim_jinja_value *at = &list.list->at[i];
        if (attr && attr->type == GLIM_JINJA_STRING) {
            *at = attribute(r, at, attr->text);
            if (at->type == GLIM_JINJA_UNDEFINED && other)
                *at = *other;
        } else if (filter && filter->type == GLIM_JINJA_STRING) {
            glim_jinja_args rest = {args->at + 1, args->keyword + 1, args->n - 1};
            *at = glim__jinja_filter(r, filter->text, at, &rest);
        } else {
            return wrong(r, "filter", (glim_jinja_text){"map", NULL, 3}, v);
        }
    }
    return list;
}

static glim_jinja_value join(glim_jinja_run *r, const glim_jinja_value *v,
                             const glim_jinja_args *args) {
    const glim_jinja_value *by = glim__jinja_arg(args, 0, "d");
    const glim_jinja_value *attr = glim__jinja_arg(args, 1, "attribute");
    glim_jinja_list list = glim__jinja_elements(r, v);
    glim_jinja_out o = {0};
    for (size_t i = 0; i < list.n && glim__jinja_step(r); i++) {
        glim_jinja_value part = attr && attr->type == GLIM_JINJA_STRING
                                    ? attribute(r, &list.at[i], attr->text)
                                    : list.at[i];
        if (i && by)
            glim__jinja_put(r, &o, glim__jinja_str(r, by));
        if (!r->status)
            glim__jinja_put(r, &o, glim__jinja_str(r, &part));
    }
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

static glim_jinja_value reverse(glim_jinja_run *r, const glim_jinja_value *v) {
    glim_jinja_value list = copy(r, v);
    glim_jinja_out o = {0};
    for (size_t i = 0, n = r->status ? 0 : list.list->n; i < n / 2; i++) {
        glim_jinja_value last = list.list->at[n - 1 - i];
        list.list->at[n - 1 - i] = list.list->at[i];
        list.list->at[i] = last;
    }
    if (r->status || v->type != GLIM_JINJA_STRING)
        return list;
    for (size_t i = 0; i < list.list->n; i++)
        glim__jinja_put(r, &o, list.list->at[i].text);
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

static glim_jinja_value unique(glim_jinja_run *r, const glim_jinja_value *v) {
    glim_jinja_value list = copy(r, v);
    size_t n = 0;
    for (size_t i = 0; !r->status && i < list.list->n && glim__jinja_step(r); i++) {
        bool seen = false;
        for (size_t k = 0; k < n && !seen; k++)
            seen = glim__jinja_equal(&list.list->at[k], &list.list->at[i]);
        if (!seen)
            list.list->at[n++] = list.list->at[i];
    }
    if (!r->status)
        list.list->n = n;
    return list;
}

/* Insertion sort: stable, and lists of a template are short. */
static void sort_by(glim_jinja_run *r, glim_jinja_list *list, bool pairs) {
    for (size_t i = 1; i < list->n && !r->status; i++)
        for (size_t k = i; k > 0 && glim__jinja_step(r); k--) {
            glim_jinja_value *a = &list->at[k - 1], *b = &list->at[k], t = *a;
            const glim_jinja_value *x = pairs ? &a->list->at[0] : a;
            const glim_jinja_value *y = pairs ? &b->list->at[0] : b;
            if (glim__jinja_order(r, x, y) <= 0)
                break;
            *a = *b;
            *b = t;
        }
}

static glim_jinja_value dict_items(glim_jinja_run *r, const glim_jinja_value *v, bool sorted) {
    const glim_jinja_args none = {0};
    glim_jinja_value method, out;
    if (v->type == GLIM_JINJA_UNDEFINED)
        return glim__jinja_new_list(r, GLIM_JINJA_LIST, 0);
    if (v->type != GLIM_JINJA_DICT)
        return wrong(r, "filter", (glim_jinja_text){"items", NULL, 5}, v);
    method = glim__jinja_attribute(r, v, (glim_jinja_text){"items", NULL, 5}, true);
    out = r->status ? method : glim__jinja_call(r, &method, &none);
    if (!r->status && sorted)
        sort_by(r, out.list, true);
    return out;
}

static glim_jinja_value list_filter(glim_jinja_run *r, glim_jinja_text name,
                                    const glim_jinja_value *v, const glim_jinja_args *args) {
    glim_jinja_list list;
    if (glim__jinja_is(name, "select") || glim__jinja_is(name, "reject") ||
        glim__jinja_is(name, "selectattr") || glim__jinja_is(name, "rejectattr"))
        return pick(r, name, v, args);
    if (glim__jinja_is(name, "map"))
        return map(r, v, args);
    if (glim__jinja_is(name, "join"))
        return join(r, v, args);
    if (glim__jinja_is(name, "list"))
        return copy(r, v);
    if (glim__jinja_is(name, "reverse"))
        return reverse(r, v);
    if (glim__jinja_is(name, "unique") && !args->n)
        return unique(r, v);
    if ((glim__jinja_is(name, "items") || glim__jinja_is(name, "dictsort")) && !args->n)
        return dict_items(r, v, name.s[0] == 'd');
    if (glim__jinja_is(name, "sort") && !args->n) {
        glim_jinja_value out = copy(r, v);
        if (!r->status)
            sort_by(r, out.list, false);
        return out;
    }
    if (glim__jinja_is(name, "first") || glim__jinja_is(name, "last")) {
        list = glim__jinja_elements(r, v);
        return list.n ? list.at[name.s[0] == 'f' ? 0 : list.n - 1] : (glim_jinja_value){0};
    }
    return wrong(r, "filter", name, v);
}

/* ---- filters of texts and numbers ---- */

static glim_jinja_value length(glim_jinja_run *r, const glim_jinja_value *v) {
    glim_jinja_list list = glim__jinja_elements(r, v);
    return glim__jinja_int((int64_t)list.n);
}

static glim_jinja_value to_json(glim_jinja_run *r, const glim_jinja_value *v,
                                const glim_jinja_args *args) {
    glim_jinja_out o = {0};
    const glim_jinja_value *indent = glim__jinja_arg(args, 1, "indent");
    bool spaced = indent && indent->type == GLIM_JINJA_INT && indent->i >= 0 && indent->i < 64;
    for (size_t i = 0; i < args->n; i++)
        if (!args->keyword[i].n || (!glim__jinja_is(args->keyword[i], "indent") &&
                                    !glim__jinja_is(args->keyword[i], "ensure_ascii")))
            return wrong(r, "arguments of the filter", (glim_jinja_text){"tojson", NULL, 6}, v);
    const glim_jinja_value *ascii = glim__jinja_arg(args, SIZE_MAX, "ensure_ascii");
    if (ascii && glim__jinja_truth(ascii))
        return wrong(r, "ASCII of the filter", (glim_jinja_text){"tojson", NULL, 6}, v);
    glim__jinja_json(r, &o, v, spaced ? (int)indent->i : -1, 0);
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

static glim_jinja_value indented(glim_jinja_run *r, const glim_jinja_value *v,
                                 const glim_jinja_args *args) {
    const glim_jinja_value *width = glim__jinja_arg(args, 0, "width");
    const glim_jinja_value *first = glim__jinja_arg(args, 1, "first");
    const glim_jinja_value *blank = glim__jinja_arg(args, 2, "blank");
    glim_jinja_text t = glim__jinja_str(r, v);
    glim_jinja_out o = {0};
    int64_t n = width && width->type == GLIM_JINJA_INT ? width->i : 4;
    for (size_t i = 0; i <= t.n && glim__jinja_step(r);) {
        const char *stop = i < t.n ? memchr(t.s + i, '\n', t.n - i) : NULL;
        size_t end = stop ? (size_t)(stop - t.s) : t.n;
        bool wanted =
            i ? end > i || (blank && glim__jinja_truth(blank)) : first && glim__jinja_truth(first);
        for (int64_t k = 0; k < n && wanted && glim__jinja_step(r); k++)
            glim__jinja_puts(r, &o, " ");
        glim__jinja_put(r, &o, glim__jinja_cut(t, i, stop ? end + 1 : end));
        if (!stop)
            break;
        i = end + 1;
    }
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

static glim_jinja_value to_number(glim_jinja_run *r, const glim_jinja_value *v, bool real) {
    char text[64] = "0", *end;
    if (v->type == GLIM_JINJA_STRING && v->text.n < sizeof text)
        memcpy(text, v->text.s, v->text.n), text[v->text.n] = 0;
    double f = v->type == GLIM_JINJA_FLOAT    ? v->f
               : v->type == GLIM_JINJA_STRING ? strtod(text, &end)
                                              : (double)v->i;
    if (real)
        return glim__jinja_float(f);
    if (v->type == GLIM_JINJA_INT || v->type == GLIM_JINJA_BOOL)
        return glim__jinja_int(v->i);
    return fabs(f) < 1e15 ? glim__jinja_int((int64_t)f)
                          : glim__jinja_fail(r, GLIM_ELIMIT, "the chat template counts too far");
}

static glim_jinja_value magnitude(const glim_jinja_value *v) {
    return v->type == GLIM_JINJA_FLOAT ? glim__jinja_float(fabs(v->f))
                                       : glim__jinja_int(v->i < 0 ? -v->i : v->i);
}

static glim_jinja_value text_filter(glim_jinja_run *r, glim_jinja_text name,
                                    const glim_jinja_value *v, const glim_jinja_args *args) {
    static const char *const cases[] = {"upper", "lower", "title", "capitalize"};
    glim_jinja_text t = glim__jinja_str(r, v);
    const glim_jinja_value *a = glim__jinja_arg(args, 0, NULL), *b = glim__jinja_arg(args, 1, NULL);
    if (r->status)
        return *v;
    if (glim__jinja_is(name, "trim"))
        return glim__jinja_of_text(
            glim__jinja_strip(t, glim__jinja_arg(args, 0, "chars"), true, true));
    if (glim__jinja_is(name, "string") || glim__jinja_is(name, "safe"))
        return glim__jinja_of_text(t);
    for (int i = 0; i < 4; i++)
        if (glim__jinja_is(name, cases[i]))
            return glim__jinja_of_text(
                glim__jinja_case_of(r, t, i == JINJA_TITLE ? JINJA_WORDS : (glim_jinja_case)i));
    if (glim__jinja_is(name, "replace") && a && b) {
        const glim_jinja_value *times = glim__jinja_arg(args, 2, "count");
        glim_jinja_text old = glim__jinja_str(r, a), with = glim__jinja_str(r, b);
        if (r->status)
            return *v;
        return glim__jinja_of_text(glim__jinja_replace(
            r, t, old, with, times && times->type == GLIM_JINJA_INT ? times->i : -1));
    }
    if (glim__jinja_is(name, "indent"))
        return indented(r, v, args);
    return list_filter(r, name, v, args);
}

glim_jinja_value glim__jinja_filter(glim_jinja_run *r, glim_jinja_text name,
                                    const glim_jinja_value *v, const glim_jinja_args *args) {
    const glim_jinja_value *a = glim__jinja_arg(args, 0, "default_value");
    const glim_jinja_value *too = glim__jinja_arg(args, 1, "boolean");
    static const char *const lists[] = {"select",   "reject", "selectattr", "rejectattr", "map",
                                        "join",     "list",   "reverse",    "unique",     "items",
                                        "dictsort", "sort",   "first",      "last"};
    if (!glim__jinja_step(r))
        return *v;
    if (glim__jinja_is(name, "default") || glim__jinja_is(name, "d")) {
        bool missing = v->type == GLIM_JINJA_UNDEFINED ||
                       (too && glim__jinja_truth(too) && !glim__jinja_truth(v));
        return !missing ? *v : a ? *a : glim__jinja_string("", NULL, 0);
    }
    if (glim__jinja_is(name, "tojson"))
        return to_json(r, v, args);
    if (glim__jinja_is(name, "length") || glim__jinja_is(name, "count"))
        return length(r, v);
    if ((glim__jinja_is(name, "int") || glim__jinja_is(name, "float")) && !args->n)
        return to_number(r, v, name.s[0] == 'f');
    if (glim__jinja_is(name, "abs"))
        return magnitude(v);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (glim__jinja_is(name, lists[i]))
            return list_filter(r, name, v, args);
    return text_filter(r, name, v, args);
}
