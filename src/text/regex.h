/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.h: the expressions of tokenizer.json. They are written for Oniguruma and
 * are rewritten for PCRE2 where the two differ. A matcher holds what a search
 * needs besides; one for each tokenising call.
 */
#ifndef GLIM_TEXT_REGEX_H
#define GLIM_TEXT_REGEX_H

#include "base/context.h"

typedef struct glim_regex glim_regex;
typedef struct glim_matcher glim_matcher;

/* A literal text matches itself. Errors: EUNSUPPORTED (does not compile, quoting
   it), ENOMEM, EBUDGET. */
glim_status glim__regex_open(glim_regex **out, glim_context *ctx, const char *pattern, size_t n,
                             bool literal, glim_error *err);
void glim__regex_close(glim_regex *r);

glim_status glim__matcher_open(glim_matcher **out, glim_context *ctx, glim_error *err);
void glim__matcher_close(glim_matcher *m);

/* The first match at or behind `at` in the valid UTF-8 text[0..n); an empty match
   at `at` counts only when `empty` is set. *found says whether there is one.
   Errors: ELIMIT (too much work), ENOMEM. */
typedef struct glim_match {
    size_t start, end;
    bool found;
} glim_match;
glim_status glim__regex_find(const glim_regex *r, glim_matcher *m, const char *text, size_t n,
                             size_t at, glim_match *out, glim_error *err);

#endif
