/* SPDX-License-Identifier: Apache-2.0 */
/* The value of an expression. */
#include "text/jinja-inside.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 5000000 };

bool glim__jinja_step(glim_jinja_run *r) {
    if (!r->status && ++r->steps > MOST_STEPS)
        glim__jinja_fail(r, GLIM_ELIMIT, "the chat template takes more than %d steps", MOST_STEPS);
    return !r->status;
}

/* ---- names ---- */

static bool function(glim_jinja_text name) {
    static const char *const names[] = {"namespace", "range", "raise_exception", "dict"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (glim__jinja_is(name, names[i]))
            return true;
    return false;
}

static glim_jinja_value look_up(const glim_jinja_run *r, glim_jinja_text name) {
    for (const glim_jinja_scope *s = r->scope; s; s = s->parent) {
        const glim_jinja_value *v = glim__jinja_dict_get(&s->variables, glim__jinja_of_text(name));
        if (v)
            return *v;
    }
    return (glim_jinja_value){.type = function(name) ? GLIM_JINJA_FUNCTION : GLIM_JINJA_UNDEFINED,
                              .text = name};
}

/* ---- operators ---- */

static glim_jinja_value undefined(glim_jinja_run *r, const glim_jinja_value *v) {
    return glim__jinja_fail(r, GLIM_EUNSUPPORTED,
                            "the chat template needs '%.*s', which is undefined",
                            (int)(v->text.n < 60 ? v->text.n : 60), v->text.s ? v->text.s : "");
}

static bool whole(const glim_jinja_value *v) {
    return v->type == GLIM_JINJA_INT || v->type == GLIM_JINJA_BOOL;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b && (a < 0) != (b < 0));
}

static glim_jinja_value integers(glim_jinja_run *r, glim_jinja_op op, int64_t a, int64_t b) {
    int64_t out = 1;
    bool over = false;
    if (!b && (op == JINJA_DIV || op == JINJA_FLOOR || op == JINJA_MOD))
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template divides by zero");
    if (op == JINJA_DIV || (op == JINJA_POW && b < 0))
        return glim__jinja_float(op == JINJA_DIV ? (double)a / (double)b
                                                 : pow((double)a, (double)b));
    if (b == -1 && (op == JINJA_FLOOR || op == JINJA_MOD)) {
        over = op == JINJA_FLOOR && __builtin_sub_overflow((int64_t)0, a, &out);
        out = op == JINJA_MOD ? 0 : out;
    } else if (op == JINJA_ADD) {
        over = __builtin_add_overflow(a, b, &out);
    } else if (op == JINJA_SUB) {
        over = __builtin_sub_overflow(a, b, &out);
    } else if (op == JINJA_MUL) {
        over = __builtin_mul_overflow(a, b, &out);
    } else if (op == JINJA_FLOOR) {
        out = floor_div(a, b);
    } else if (op == JINJA_MOD) {
        out = a - b * floor_div(a, b);
    } else {
        bool small = a >= -1 && a <= 1;
        for (int64_t i = 0; i < b && (!small || i < 2 - b % 2) && !over; i++)
            over = __builtin_mul_overflow(out, a, &out);
    }
    return over ? glim__jinja_fail(r, GLIM_ELIMIT, "the chat template counts too far")
                : glim__jinja_int(out);
}

static glim_jinja_value reals(glim_jinja_run *r, glim_jinja_op op, double a, double b) {
    switch (op) {
    case JINJA_ADD:
        return glim__jinja_float(a + b);
    case JINJA_SUB:
        return glim__jinja_float(a - b);
    case JINJA_MUL:
        return glim__jinja_float(a * b);
    case JINJA_POW:
        return glim__jinja_float(pow(a, b));
    default:
        break;
    }
    if (b == 0)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template divides by zero");
    return glim__jinja_float(op == JINJA_DIV     ? a / b
                             : op == JINJA_FLOOR ? floor(a / b)
                                                 : a - b * floor(a / b));
}

static glim_jinja_value repeat(glim_jinja_run *r, const glim_jinja_value *v, int64_t times) {
    size_t n = times > 0 ? (size_t)times : 0;
    glim_jinja_out o = {0};
    if (v->type == GLIM_JINJA_STRING) {
        for (size_t i = 0; i < n && v->text.n && glim__jinja_step(r); i++)
            glim__jinja_put(r, &o, v->text);
        return glim__jinja_of_text(glim__jinja_taken(&o));
    }
    if (v->list->n && n > ((size_t)1 << 24) / v->list->n)
        return glim__jinja_fail(r, GLIM_ELIMIT, "the chat template counts too far");
    glim_jinja_value list = glim__jinja_new_list(r, v->type, n * v->list->n);
    for (size_t i = 0; i < n && !r->status; i++)
        for (size_t k = 0; k < v->list->n; k++)
            list.list->at[i * v->list->n + k] = v->list->at[k];
    return list;
}

static glim_jinja_value join_lists(glim_jinja_run *r, const glim_jinja_value *a,
                                   const glim_jinja_value *b) {
    glim_jinja_value list = glim__jinja_new_list(r, a->type, a->list->n + b->list->n);
    for (size_t i = 0; !r->status && i < list.list->n; i++)
        list.list->at[i] = i < a->list->n ? a->list->at[i] : b->list->at[i - a->list->n];
    return list;
}

static bool sequence(const glim_jinja_value *v) {
    return v->type == GLIM_JINJA_LIST || v->type == GLIM_JINJA_TUPLE;
}

static glim_jinja_value binary(glim_jinja_run *r, glim_jinja_op op, glim_jinja_value a,
                               glim_jinja_value b) {
    glim_jinja_out o = {0};
    if (r->status)
        return a;
    if (op == JINJA_CONCAT) {
        glim__jinja_put(r, &o, glim__jinja_str(r, &a));
        glim__jinja_put(r, &o, glim__jinja_str(r, &b));
        return glim__jinja_of_text(glim__jinja_taken(&o));
    }
    if (a.type == GLIM_JINJA_UNDEFINED || b.type == GLIM_JINJA_UNDEFINED)
        return undefined(r, a.type == GLIM_JINJA_UNDEFINED ? &a : &b);
    if (whole(&a) && whole(&b))
        return integers(r, op, a.i, b.i);
    if ((whole(&a) || a.type == GLIM_JINJA_FLOAT) && (whole(&b) || b.type == GLIM_JINJA_FLOAT))
        return reals(r, op, whole(&a) ? (double)a.i : a.f, whole(&b) ? (double)b.i : b.f);
    if (op == JINJA_ADD && a.type == GLIM_JINJA_STRING && b.type == GLIM_JINJA_STRING) {
        glim__jinja_put(r, &o, a.text);
        glim__jinja_put(r, &o, b.text);
        return glim__jinja_of_text(glim__jinja_taken(&o));
    }
    if (op == JINJA_ADD && sequence(&a) && a.type == b.type)
        return join_lists(r, &a, &b);
    if (op == JINJA_MUL && (sequence(&a) || a.type == GLIM_JINJA_STRING) && whole(&b))
        return repeat(r, &a, b.i);
    if (op == JINJA_MUL && (sequence(&b) || b.type == GLIM_JINJA_STRING) && whole(&a))
        return repeat(r, &b, a.i);
    if (op == JINJA_MOD && a.type == GLIM_JINJA_STRING)
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template formats with '%%'");
    return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template computes with %s and %s",
                            glim__jinja_type_name(&a), glim__jinja_type_name(&b));
}

static bool compares(glim_jinja_run *r, glim_jinja_op op, const glim_jinja_value *a,
                     const glim_jinja_value *b) {
    bool undef = a->type == GLIM_JINJA_UNDEFINED || b->type == GLIM_JINJA_UNDEFINED;
    switch (op) {
    case JINJA_EQ:
        return glim__jinja_equal(a, b);
    case JINJA_NE:
        return !glim__jinja_equal(a, b);
    case JINJA_IN:
        return glim__jinja_contains(r, b, a);
    case JINJA_NOT_IN:
        return !glim__jinja_contains(r, b, a);
    default:
        break;
    }
    if (undef)
        undefined(r, a->type == GLIM_JINJA_UNDEFINED ? a : b);
    int order = r->status ? 0 : glim__jinja_order(r, a, b);
    return op == JINJA_LT   ? order < 0
           : op == JINJA_LE ? order <= 0
           : op == JINJA_GT ? order > 0
                            : order >= 0;
}

static glim_jinja_value compare(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value a = glim__jinja_eval(r, n->a);
    for (const glim_jinja_node *b = n->b; b && !r->status; b = b->next) {
        glim_jinja_value other = glim__jinja_eval(r, b->a);
        if (!r->status && !compares(r, b->op, &a, &other))
            return glim__jinja_bool(false);
        a = other;
    }
    return glim__jinja_bool(true);
}

/* ---- parts of values ---- */

static glim_jinja_value item(glim_jinja_run *r, const glim_jinja_value *v,
                             const glim_jinja_value *key) {
    if (r->status)
        return *v;
    if (v->type == GLIM_JINJA_UNDEFINED)
        return undefined(r, v);
    if (v->type == GLIM_JINJA_DICT) {
        const glim_jinja_value *found = glim__jinja_dict_get(v->dict, *key);
        if (found)
            return *found;
    } else if (whole(key) && (sequence(v) || v->type == GLIM_JINJA_STRING)) {
        glim_jinja_list list = glim__jinja_elements(r, v);
        int64_t i = key->i < 0 ? key->i + (int64_t)list.n : key->i;
        if (i >= 0 && (size_t)i < list.n)
            return list.at[i];
    }
    if (key->type == GLIM_JINJA_STRING)
        return glim__jinja_attribute(r, v, key->text, false);
    return (glim_jinja_value){0};
}

static int64_t bound(glim_jinja_run *r, const glim_jinja_node *n, int64_t fallback, int64_t size,
                     int64_t step) {
    glim_jinja_value v = n ? glim__jinja_eval(r, n) : (glim_jinja_value){.type = GLIM_JINJA_NONE};
    if (v.type == GLIM_JINJA_NONE || r->status)
        return fallback;
    if (!whole(&v)) {
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template slices by %s",
                         glim__jinja_type_name(&v));
        return fallback;
    }
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;
    int64_t at = v.i < 0 ? v.i + size : v.i;
    return at < low ? low : at > high ? high : at;
}

static glim_jinja_value slice(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value v = glim__jinja_eval(r, n->a), by = {.type = GLIM_JINJA_NONE};
    if (n->d)
        by = glim__jinja_eval(r, n->d);
    int64_t step = whole(&by) ? by.i : 1;
    if (r->status)
        return v;
    if (v.type == GLIM_JINJA_UNDEFINED)
        return undefined(r, &v);
    if (!step || !(sequence(&v) || v.type == GLIM_JINJA_STRING))
        return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template slices %s",
                                glim__jinja_type_name(&v));
    glim_jinja_list list = glim__jinja_elements(r, &v);
    int64_t size = (int64_t)list.n;
    int64_t from = bound(r, n->b, step < 0 ? size - 1 : 0, size, step);
    int64_t to = bound(r, n->c, step < 0 ? -1 : size, size, step);
    glim_jinja_value out = glim__jinja_new_list(
        r, v.type == GLIM_JINJA_TUPLE ? GLIM_JINJA_TUPLE : GLIM_JINJA_LIST, list.n);
    if (r->status)
        return out;
    out.list->n = 0;
    for (int64_t i = from; step < 0 ? i > to : i < to; i += step) {
        out.list->at[out.list->n++] = list.at[i];
        if (step > size || step < -size)
            break;
    }
    if (v.type != GLIM_JINJA_STRING)
        return out;
    glim_jinja_out o = {0};
    for (size_t i = 0; i < out.list->n; i++)
        glim__jinja_put(r, &o, out.list->at[i].text);
    return glim__jinja_of_text(glim__jinja_taken(&o));
}

/* ---- calls ---- */

static glim_jinja_args arguments(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_args args = {0};
    size_t count = 0;
    for (const glim_jinja_node *a = n; a; a = a->next)
        count++;
    if (!count)
        return args;
    args.at = glim__jinja_alloc(r, count, sizeof *args.at);
    args.keyword = glim__jinja_alloc(r, count, sizeof *args.keyword);
    for (const glim_jinja_node *a = n; a && !r->status; a = a->next) {
        args.keyword[args.n] = a->value.text;
        args.at[args.n] = glim__jinja_eval(r, a->a);
        args.n++;
    }
    return args;
}

static glim_jinja_value collection(glim_jinja_run *r, const glim_jinja_node *n) {
    size_t count = 0;
    for (const glim_jinja_node *a = n->a; a; a = a->next)
        count++;
    if (n->kind == JINJA_DICT) {
        glim_jinja_value d = {.type = GLIM_JINJA_DICT,
                              .dict = glim__jinja_alloc(r, 1, sizeof *d.dict)};
        for (const glim_jinja_node *a = n->a, *b; a && (b = a->next) && !r->status; a = b->next) {
            glim_jinja_value key = glim__jinja_eval(r, a), value = glim__jinja_eval(r, b);
            if (!r->status && !glim__jinja_dict_set(r->arena, d.dict, key, value))
                r->status = glim__oom(r->arena->ctx, r->err, "the chat", 0);
        }
        return d;
    }
    glim_jinja_value list =
        glim__jinja_new_list(r, n->kind == JINJA_TUPLE ? GLIM_JINJA_TUPLE : GLIM_JINJA_LIST, count);
    size_t i = 0;
    for (const glim_jinja_node *a = n->a; a && !r->status; a = a->next)
        list.list->at[i++] = glim__jinja_eval(r, a);
    return list;
}

static glim_jinja_value negate(glim_jinja_run *r, glim_jinja_value v) {
    if (whole(&v) && v.i != INT64_MIN)
        return glim__jinja_int(-v.i);
    if (v.type == GLIM_JINJA_FLOAT)
        return glim__jinja_float(-v.f);
    return glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template negates %s",
                            glim__jinja_type_name(&v));
}

static glim_jinja_value eval(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value v = {0};
    glim_jinja_args args;
    switch (n->kind) {
    case JINJA_CONST:
        return n->value;
    case JINJA_NAME:
        return look_up(r, n->value.text);
    case JINJA_LIST:
    case JINJA_TUPLE:
    case JINJA_DICT:
        return collection(r, n);
    case JINJA_SLICE:
        return slice(r, n);
    case JINJA_COMPARE:
        return compare(r, n);
    default:
        break;
    }
    v = n->a ? glim__jinja_eval(r, n->a) : v;
    if (r->status)
        return v;
    switch (n->kind) {
    case JINJA_ATTR:
        return v.type == GLIM_JINJA_UNDEFINED ? undefined(r, &v)
                                              : glim__jinja_attribute(r, &v, n->value.text, true);
    case JINJA_ITEM: {
        glim_jinja_value key = glim__jinja_eval(r, n->b);
        return item(r, &v, &key);
    }
    case JINJA_CALL:
        args = arguments(r, n->b);
        return r->status                        ? v
               : v.type == GLIM_JINJA_UNDEFINED ? undefined(r, &v)
                                                : glim__jinja_call(r, &v, &args);
    case JINJA_FILTER:
        args = arguments(r, n->b);
        return r->status ? v : glim__jinja_filter(r, n->value.text, &v, &args);
    case JINJA_TEST:
        args = arguments(r, n->b);
        return glim__jinja_bool(!r->status && glim__jinja_test(r, n->value.text, &v, &args));
    case JINJA_BINARY:
        return binary(r, n->op, v, glim__jinja_eval(r, n->b));
    case JINJA_NOT:
        return glim__jinja_bool(!glim__jinja_truth(&v));
    case JINJA_NEGATE:
        return negate(r, v);
    case JINJA_AND:
        return glim__jinja_truth(&v) ? glim__jinja_eval(r, n->b) : v;
    case JINJA_OR:
        return glim__jinja_truth(&v) ? v : glim__jinja_eval(r, n->b);
    default: /* a choice: n->a if n->b else n->c; evaluated by glim__jinja_eval */
        return v;
    }
}

glim_jinja_value glim__jinja_eval(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value v = {0};
    if (!glim__jinja_step(r))
        return v;
    if (++r->depth > 4 * JINJA_DEPTH)
        return glim__jinja_fail(r, GLIM_ELIMIT, "the chat template calls itself too deeply");
    if (n->kind == JINJA_CHOICE) {
        v = glim__jinja_eval(r, n->b);
        bool yes = glim__jinja_truth(&v);
        v = yes    ? glim__jinja_eval(r, n->a)
            : n->c ? glim__jinja_eval(r, n->c)
                   : (glim_jinja_value){0};
    } else {
        v = eval(r, n);
    }
    r->depth--;
    return r->status ? (glim_jinja_value){0} : v;
}
