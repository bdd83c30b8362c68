/* SPDX-License-Identifier: Apache-2.0 */
/*
 * characters.h: classes of characters as the engines of published tokenizers
 * count them. Where such an engine knows an older Unicode, so does this: a
 * character that it takes for a letter stays in its word.
 */
#ifndef GLIM_TEXT_CHARACTERS_H
#define GLIM_TEXT_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool glim__is_space(uint32_t cp);       /* property White_Space */
bool glim__is_punctuation(uint32_t cp); /* category P, and all ASCII symbols */
bool glim__is_numeric(uint32_t cp);     /* category N */
bool glim__is_mark(uint32_t cp);        /* category M */
bool glim__is_nonspacing(uint32_t cp);  /* category Mn */
bool glim__is_other(uint32_t cp);       /* Cc, Cf, Co; unassigned ones are not */
bool glim__is_ideograph(uint32_t cp);   /* what BERT puts spaces around */
/* Letters, marks, digits, connectors, joiners: what \w is. */
bool glim__is_word(uint32_t cp);

/* The canonical combining class, 0 for marks that the reference does not know. */
uint8_t glim__combining_class(uint32_t cp);

/* The code point before s[n], or 0 at the beginning; valid UTF-8. */
uint32_t glim__character_before(const char *s, size_t n);

#endif
