/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8.h: bytes to code points and back, strict (no surrogates, no overlong
 * forms, nothing above U+10FFFF). Display width and grapheme clusters live in
 * view/, segmentation into words and sentences in text/.
 */
#ifndef GLIM_BASE_UTF8_H
#define GLIM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point at s[0..n); returns its length in bytes, or 0 when
   the bytes are invalid (then *cp = U+FFFD). n > 0. */
int glim__utf8_decode(const char *s, size_t n, uint32_t *cp);
/* Writes 1 to 4 bytes; returns the count. */
int glim__utf8_encode(uint32_t cp, char out[4]);
/* The offset of the first invalid byte, or n when all is valid. */
size_t glim__utf8_check(const char *s, size_t n);
/* True when offset i of s[0..n) lies on a code point boundary (0 and n do). */
bool glim__utf8_boundary(const char *s, size_t n, size_t i);

#endif
