/* SPDX-License-Identifier: Apache-2.0 */
/* breaks.h: where words, sentences and graphemes begin. */
#ifndef GLIM_TEXT_BREAKS_H
#define GLIM_TEXT_BREAKS_H

#include "base/context.h"

typedef enum glim_break { GLIM_BREAK_GRAPHEME, GLIM_BREAK_WORD, GLIM_BREAK_SENTENCE } glim_break;

/* starts[i] = 1 where a segment begins at byte i of text[0..n) (n + 1 entries;
   the last is 1). Invalid UTF-8 counts byte by byte. */
glim_status glim__breaks(uint8_t *starts, glim_context *ctx, const char *text, size_t n,
                         glim_break kind, glim_error *err);

/* Marks the sentences' starts in a zeroed array (sentences.c). */
void glim__sentences(uint8_t *starts, const char *text, size_t n);

#endif
