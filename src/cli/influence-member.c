/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a document that is anybody's. */
#include "cli/influence-member.h"

#include <math.h>

void cli_member_wrong(cli_reader *r, const char *member, const char *want) {
    if (!r->status)
        r->status =
            glim_fail(r->err, GLIM_EFORMAT, "'%s': member '%s' is not %s", r->name, member, want);
}

void *cli_member_room(cli_reader *r, size_t count, size_t size) {
    void *p = glim_document_alloc(r->t->doc, count * size);
    if (!p && !r->status)
        r->status = glim__oom(r->t->doc->ctx, r->err, "the document", count * size);
    return p;
}

const json_t *cli_member_object(cli_reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_object(v))
        cli_member_wrong(r, key, "an object");
    return v;
}

/* NULL when it is null or not there. */
const json_t *cli_member_maybe_object(cli_reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return !v || json_is_null(v) ? NULL : cli_member_object(r, o, key);
}

/* A list and its length; 0 after a failure. */
const json_t *cli_member_list(cli_reader *r, const json_t *o, const char *key, size_t *n) {
    const json_t *v = json_object_get(o, key);
    if (!json_is_array(v))
        cli_member_wrong(r, key, "a list");
    *n = r->status ? 0 : json_array_size(v);
    return v;
}

const char *cli_member_copy(cli_reader *r, const json_t *v) {
    const char *s = glim_document_text(r->t->doc, json_string_value(v), json_string_length(v));
    if (!s && !r->status)
        r->status = glim__oom(r->t->doc->ctx, r->err, "the document", json_string_length(v));
    return s;
}

const char *cli_member_maybe_string(cli_reader *r, const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_string(v) && !json_is_null(v))
        cli_member_wrong(r, key, "a string or null");
    return json_is_string(v) ? cli_member_copy(r, v) : NULL;
}

const char *cli_member_string(cli_reader *r, const json_t *o, const char *key) {
    if (!json_is_string(json_object_get(o, key)))
        cli_member_wrong(r, key, "a string");
    const char *s = r->status ? NULL : cli_member_maybe_string(r, o, key);
    return s ? s : "";
}

double cli_member_number_of(cli_reader *r, const json_t *v, const char *key) {
    if (v && !json_is_null(v) && !json_is_number(v))
        cli_member_wrong(r, key, "a number or null");
    return json_is_number(v) ? json_number_value(v) : NAN;
}

double cli_member_number(cli_reader *r, const json_t *o, const char *key) {
    return cli_member_number_of(r, json_object_get(o, key), key);
}

size_t cli_member_count_or(cli_reader *r, const json_t *o, const char *key, size_t absent) {
    const json_t *v = json_object_get(o, key);
    if (!v)
        return absent;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        cli_member_wrong(r, key, "a whole number");
    return r->status ? 0 : (size_t)json_integer_value(v);
}

size_t cli_member_count(cli_reader *r, const json_t *o, const char *key) {
    if (!json_object_get(o, key))
        cli_member_wrong(r, key, "a whole number");
    return cli_member_count_or(r, o, key, 0);
}

const char **cli_member_strings(cli_reader *r, const json_t *o, const char *key, size_t *n) {
    const json_t *v = cli_member_list(r, o, key, n);
    const char **out = cli_member_room(r, *n, sizeof *out);
    for (size_t i = 0; i < *n && !r->status; i++) {
        const json_t *one = json_array_get(v, i);
        if (!json_is_string(one))
            cli_member_wrong(r, key, "a list of strings");
        else
            out[i] = cli_member_copy(r, one);
    }
    return out;
}

/* Exactly n numbers into out. */
void cli_member_numbers(cli_reader *r, const json_t *o, const char *key, size_t n, double *out) {
    size_t have;
    const json_t *v = cli_member_list(r, o, key, &have);
    if (!r->status && have != n)
        cli_member_wrong(r, key, "as long as it should be");
    for (size_t i = 0; i < n && !r->status; i++)
        out[i] = cli_member_number_of(r, json_array_get(v, i), key);
}

double *cli_member_many(cli_reader *r, const json_t *o, const char *key, size_t n) {
    double *out = cli_member_room(r, n, sizeof *out);
    if (!r->status)
        cli_member_numbers(r, o, key, n, out);
    return out;
}
