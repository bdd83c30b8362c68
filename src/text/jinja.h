/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jinja.h: the part of Jinja that chat templates are written in, with a memory
 * for where text comes from: every byte of a string knows the byte of the user's
 * text that it is, through slices, joins, strips and replacements. What a
 * template says that is not known here is an error, never a guess.
 *
 * Whitespace as the models' runtimes set it: trim_blocks, lstrip_blocks, the last
 * line end of the source dropped. A template cannot reach files, time or memory
 * beyond its limits: steps, depth and bytes are counted.
 */
#ifndef GLIM_TEXT_JINJA_H
#define GLIM_TEXT_JINJA_H

#include "base/arena.h"

typedef struct glim_jinja_node glim_jinja_node;
typedef struct glim_jinja_list glim_jinja_list;
typedef struct glim_jinja_dict glim_jinja_dict;

/* `from`: one plus the byte of the user's text, 0 = not the user's; NULL = all 0. */
typedef struct glim_jinja_text {
    const char *s;
    const uint32_t *from;
    size_t n;
} glim_jinja_text;

typedef enum glim_jinja_type {
    GLIM_JINJA_UNDEFINED, /* text: its name */
    GLIM_JINJA_NONE,
    GLIM_JINJA_BOOL,
    GLIM_JINJA_INT,
    GLIM_JINJA_FLOAT,
    GLIM_JINJA_STRING,
    GLIM_JINJA_LIST,
    GLIM_JINJA_TUPLE,
    GLIM_JINJA_DICT,
    GLIM_JINJA_NAMESPACE, /* a dict that `set` may change */
    GLIM_JINJA_MACRO,     /* node and the scope it was made in */
    GLIM_JINJA_FUNCTION   /* text: its name; list: the object of a method */
} glim_jinja_type;

typedef struct glim_jinja_value {
    glim_jinja_type type;
    int64_t i; /* bool too */
    double f;
    glim_jinja_text text;
    glim_jinja_list *list;
    glim_jinja_dict *dict;
    const glim_jinja_node *node;
    void *scope;
} glim_jinja_value;

struct glim_jinja_list {
    glim_jinja_value *at;
    size_t n;
};

/* In the order of insertion. */
struct glim_jinja_dict {
    glim_jinja_value *keys, *values;
    size_t n, cap;
};

/* Parses the source; all memory is the arena's. Errors: EUNSUPPORTED (says what
   is not known or not well formed), ENOMEM. */
glim_status glim__jinja_parse(const glim_jinja_node **out, glim_arena *arena, const char *source,
                              size_t n, glim_error *err);

/* Writes the template with the variables of the dict. Errors: EUSAGE (the template
   refuses its input: the message is its own), EUNSUPPORTED, ELIMIT, ENOMEM. */
glim_status glim__jinja_render(glim_jinja_text *out, glim_arena *arena,
                               const glim_jinja_node *template, const glim_jinja_dict *variables,
                               glim_error *err);

glim_jinja_value glim__jinja_string(const char *s, const uint32_t *from, size_t n);
/* False when memory is refused. */
bool glim__jinja_dict_set(glim_arena *arena, glim_jinja_dict *dict, glim_jinja_value key,
                          glim_jinja_value value);

#endif
