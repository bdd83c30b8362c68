/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-scan.h: walking a large JSON text value by value. A vocabulary of 200,000
 * tokens and as many merges as a tree of JSON values is some ten times the
 * file and most of a second; walked, its texts stay where they lie.
 * Errors everywhere: EFORMAT with the byte, ENOMEM.
 */
#ifndef GLIM_TEXT_JSON_SCAN_H
#define GLIM_TEXT_JSON_SCAN_H

#include "base/arena.h"
#include "file/gguf.h"

typedef struct glim_scan {
    const char *begin, *at, *end;
    const char *name;  /* of the file */
    glim_arena *arena; /* for strings with escapes */
} glim_scan;

/* Enters an object ('{') or array ('['). */
glim_status glim__scan_enter(glim_scan *s, char open, glim_error *err);
/* Steps to the next member; *more is false behind the last one. `first` is true
   right after entering. */
glim_status glim__scan_next(glim_scan *s, char open, bool first, bool *more, glim_error *err);
/* A key and its colon. */
glim_status glim__scan_key(glim_scan *s, glim_gguf_string *out, glim_error *err);
/* The text lies in the file, or in the arena when it had escapes. */
glim_status glim__scan_string(glim_scan *s, glim_gguf_string *out, glim_error *err);
/* An integer of 0 to 2^31 - 1. */
glim_status glim__scan_id(glim_scan *s, int32_t *out, glim_error *err);
glim_status glim__scan_real(glim_scan *s, double *out, glim_error *err);
/* The extent of any value; what is inside is not looked at. */
glim_status glim__scan_skip(glim_scan *s, glim_gguf_string *out, glim_error *err);
/* The next byte that is no space, not consumed; 0 at the end. */
char glim__scan_peek(glim_scan *s);
glim_status glim__scan_bad(const glim_scan *s, const char *expected, glim_error *err);

#endif
