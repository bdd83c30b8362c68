/* SPDX-License-Identifier: Apache-2.0 */
/* jinja-inside.h: the tree of a template, and the machine that walks it. */
#ifndef GLIM_TEXT_JINJA_INSIDE_H
#define GLIM_TEXT_JINJA_INSIDE_H

#include "text/jinja.h"

typedef enum glim_jinja_kind {
    /* expressions */
    JINJA_CONST,  /* value */
    JINJA_NAME,   /* value.text */
    JINJA_LIST,   /* a: items, by next */
    JINJA_TUPLE,  /* a: items */
    JINJA_DICT,   /* a: key, value, key, value, ... */
    JINJA_ATTR,   /* a . value.text */
    JINJA_ITEM,   /* a [ b ] */
    JINJA_SLICE,  /* a [ b : c : d ]; each may be NULL */
    JINJA_CALL,   /* a ( b: arguments; value.text: the keyword of one ) */
    JINJA_FILTER, /* a | value.text ( b ) */
    JINJA_TEST,   /* a is value.text ( b ) */
    JINJA_BINARY, /* a op b */
    JINJA_NOT,
    JINJA_NEGATE,
    JINJA_AND,
    JINJA_OR,
    JINJA_COMPARE, /* a, then b: operands, each with its op */
    JINJA_CHOICE,  /* a if b else c */
    /* statements, by next */
    JINJA_DATA,  /* value.text */
    JINJA_PRINT, /* a */
    JINJA_FOR,   /* b: target, a: sequence, c: body, d: else, e: condition */
    JINJA_IF,    /* a: condition, c: body, d: else */
    JINJA_SET,   /* b: target, a: value; c: body of the block form */
    JINJA_MACRO, /* value.text, b: parameters (a: default), c: body */
    JINJA_GROUP, /* c: body */
    JINJA_BREAK,
    JINJA_CONTINUE
} glim_jinja_kind;

typedef enum glim_jinja_op {
    JINJA_ADD,
    JINJA_SUB,
    JINJA_MUL,
    JINJA_DIV,
    JINJA_FLOOR,
    JINJA_MOD,
    JINJA_POW,
    JINJA_CONCAT,
    JINJA_EQ,
    JINJA_NE,
    JINJA_LT,
    JINJA_LE,
    JINJA_GT,
    JINJA_GE,
    JINJA_IN,
    JINJA_NOT_IN
} glim_jinja_op;

struct glim_jinja_node {
    glim_jinja_kind kind;
    glim_jinja_op op;
    glim_jinja_value value;
    glim_jinja_node *a, *b, *c, *d, *e, *next;
};

enum { JINJA_DEPTH = 200 }; /* of the tree, and of calls within calls */

typedef struct glim_jinja_out {
    char *s;
    uint32_t *from;
    size_t n, cap;
} glim_jinja_out;

typedef struct glim_jinja_scope {
    struct glim_jinja_scope *parent;
    glim_jinja_dict variables;
} glim_jinja_scope;

typedef struct glim_jinja_run {
    glim_arena *arena;
    glim_error *err;
    glim_status status; /* the first error: all later work stops */
    glim_jinja_scope *scope;
    glim_jinja_out *out;
    size_t steps;
    int depth;
    enum { JINJA_GO, JINJA_TO_BREAK, JINJA_TO_CONTINUE } flow;
} glim_jinja_run;

/* The arguments of a call: by place, then by keyword. */
typedef struct glim_jinja_args {
    glim_jinja_value *at;
    glim_jinja_text *keyword; /* n 0: by place */
    size_t n;
} glim_jinja_args;

/* ---- jinja-value.c ---- */

/* Notes the first error; returns undefined, for `return glim__jinja_fail(...)`. */
glim_jinja_value glim__jinja_fail(glim_jinja_run *r, glim_status status, const char *format, ...)
    GLIM_PRINTF(3, 4);
void *glim__jinja_alloc(glim_jinja_run *r, size_t count, size_t size);
glim_jinja_value glim__jinja_bool(bool b);
glim_jinja_value glim__jinja_int(int64_t i);
glim_jinja_value glim__jinja_float(double f);
glim_jinja_value glim__jinja_of_text(glim_jinja_text t);
glim_jinja_value glim__jinja_new_list(glim_jinja_run *r, glim_jinja_type type, size_t n);
bool glim__jinja_is(glim_jinja_text t, const char *word);
bool glim__jinja_truth(const glim_jinja_value *v);
bool glim__jinja_equal(const glim_jinja_value *a, const glim_jinja_value *b);
/* -1, 0, 1; fails for what has no order. */
int glim__jinja_order(glim_jinja_run *r, const glim_jinja_value *a, const glim_jinja_value *b);
bool glim__jinja_contains(glim_jinja_run *r, const glim_jinja_value *in,
                          const glim_jinja_value *what);
const glim_jinja_value *glim__jinja_dict_get(const glim_jinja_dict *d, glim_jinja_value key);
void glim__jinja_put(glim_jinja_run *r, glim_jinja_out *o, glim_jinja_text t);
void glim__jinja_puts(glim_jinja_run *r, glim_jinja_out *o, const char *s);
glim_jinja_text glim__jinja_taken(const glim_jinja_out *o);
glim_jinja_text glim__jinja_cut(glim_jinja_text t, size_t from, size_t to);
/* As str() writes it. */
glim_jinja_text glim__jinja_str(glim_jinja_run *r, const glim_jinja_value *v);
/* As json.dumps writes it; indent < 0: on one line. */
void glim__jinja_json(glim_jinja_run *r, glim_jinja_out *o, const glim_jinja_value *v, int indent,
                      int level);
/* Elements of anything that can be walked; fails for what cannot. */
glim_jinja_list glim__jinja_elements(glim_jinja_run *r, const glim_jinja_value *v);
bool glim__jinja_space(uint32_t cp); /* what Python's strip takes away */
size_t glim__jinja_find(glim_jinja_text in, glim_jinja_text what, size_t from); /* n: not there */
const char *glim__jinja_type_name(const glim_jinja_value *v);

/* ---- jinja-call.c: functions and methods; jinja-filter.c: filters and tests ---- */

glim_jinja_value glim__jinja_call(glim_jinja_run *r, const glim_jinja_value *f,
                                  const glim_jinja_args *args);
glim_jinja_value glim__jinja_attribute(glim_jinja_run *r, const glim_jinja_value *v,
                                       glim_jinja_text name, bool method_first);
glim_jinja_value glim__jinja_filter(glim_jinja_run *r, glim_jinja_text name,
                                    const glim_jinja_value *v, const glim_jinja_args *args);
bool glim__jinja_test(glim_jinja_run *r, glim_jinja_text name, const glim_jinja_value *v,
                      const glim_jinja_args *args);
/* The i-th argument, or the one of that keyword, or NULL. */
const glim_jinja_value *glim__jinja_arg(const glim_jinja_args *args, size_t i, const char *keyword);
glim_jinja_text glim__jinja_strip(glim_jinja_text t, const glim_jinja_value *chars, bool front,
                                  bool back);
glim_jinja_text glim__jinja_replace(glim_jinja_run *r, glim_jinja_text t, glim_jinja_text old,
                                    glim_jinja_text with, int64_t most);
/* JINJA_WORDS: the filter `title`, which knows fewer ends of words than the method. */
typedef enum {
    JINJA_UPPER,
    JINJA_LOWER,
    JINJA_TITLE,
    JINJA_CAPITALIZE,
    JINJA_WORDS
} glim_jinja_case;
glim_jinja_text glim__jinja_case_of(glim_jinja_run *r, glim_jinja_text t, glim_jinja_case how);

/* ---- jinja-eval.c, jinja-run.c ---- */

glim_jinja_value glim__jinja_eval(glim_jinja_run *r, const glim_jinja_node *n);
glim_jinja_value glim__jinja_macro(glim_jinja_run *r, const glim_jinja_value *macro,
                                   const glim_jinja_args *args);
bool glim__jinja_step(glim_jinja_run *r); /* counts; false when the run is over */

#endif
