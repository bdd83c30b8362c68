/* SPDX-License-Identifier: Apache-2.0 */
/*
 * influence-member.h: members of a saved document with their types checked. The first that is
 * wrong is told and stays; what comes behind it reads as nothing.
 */
#ifndef GLIM_CLI_INFLUENCE_MEMBER_H
#define GLIM_CLI_INFLUENCE_MEMBER_H

#include "cli/influence-told.h"

typedef struct cli_reader {
    cli_told *t; /* what is read lies in its document */
    const char *name;
    glim_error *err;
    glim_status status; /* sticky */
} cli_reader;

/* "member 'KEY' is not WANT" */
void cli_member_wrong(cli_reader *r, const char *member, const char *want);
void *cli_member_room(cli_reader *r, size_t count, size_t size); /* zeroed */
const json_t *cli_member_object(cli_reader *r, const json_t *o, const char *key);
/* NULL when it is null or not there. */
const json_t *cli_member_maybe_object(cli_reader *r, const json_t *o, const char *key);
/* A list and its length; 0 after a failure. */
const json_t *cli_member_list(cli_reader *r, const json_t *o, const char *key, size_t *n);
const char *cli_member_copy(cli_reader *r, const json_t *v);
const char *cli_member_maybe_string(cli_reader *r, const json_t *o, const char *key);
const char *cli_member_string(cli_reader *r, const json_t *o, const char *key); /* no NULL */
double cli_member_number_of(cli_reader *r, const json_t *v, const char *key);
double cli_member_number(cli_reader *r, const json_t *o, const char *key); /* NaN for null */
size_t cli_member_count_or(cli_reader *r, const json_t *o, const char *key, size_t absent);
size_t cli_member_count(cli_reader *r, const json_t *o, const char *key);
const char **cli_member_strings(cli_reader *r, const json_t *o, const char *key, size_t *n);
/* Exactly n numbers, into out or new. */
void cli_member_numbers(cli_reader *r, const json_t *o, const char *key, size_t n, double *out);
double *cli_member_many(cli_reader *r, const json_t *o, const char *key, size_t n);

#endif
