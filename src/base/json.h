/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h: the few helpers over Jansson that the floors above need: strict
 * parsing with glim's errors, required and optional members with their types
 * checked, and writing without Jansson's escapes of long number arrays.
 */
#ifndef GLIM_BASE_JSON_H
#define GLIM_BASE_JSON_H

#include "base/buffer.h"

#include <glim/param.h>
#include <jansson.h>

/* Parses one JSON text (duplicate keys and trailing bytes refused, NUL in
   strings allowed, nesting at most 64). `name` is for messages.
   Errors: EFORMAT with line and column. *out is owned by the caller. */
glim_status glim__json_parse(json_t **out, const char *text, size_t len, const char *name,
                             glim_error *err);
/* Appends the value as JSON (UTF-8, keys in insertion order, indent spaces or
   0 for one line; reals with the fewest digits that read back to the same
   float when `single` is set, else to the same double; a non-finite real never
   occurs: use json_null). */
glim_status glim__json_write(glim_buffer *out, const json_t *value, int indent, bool single,
                             glim_error *err);
/* A JSON string of bytes that may be broken UTF-8: invalid bytes become
   U+FFFD. */
json_t *glim__json_text(const char *data, size_t len);
/* Sets a member, or appends an element; takes the value. A refusal, or a value that
   was refused (NULL), clears *ok, so that a builder checks once, at its end. */
void glim__json_set(bool *ok, json_t *object, const char *key, json_t *value);
void glim__json_add(bool *ok, json_t *list, json_t *value);
/* Text of x, finite, with the fewest digits that read back to the same double, or float when
   `single` is set: "3935.3", "24". Returns whether it has a point or an exponent. */
bool glim__number_text(double x, bool single, char out[40]);
/* json_real, or json_null for NaN and infinities. */
json_t *glim__json_number(double x);

/* Options of a table (NULL: none) as the text of an object; NULL when memory is refused. Free
   with free(). */
char *glim__params_text(const glim_param *table, const void *options);

#endif
