/* SPDX-License-Identifier: Apache-2.0 */
/* width.h: terminal columns of text, by grapheme and not by locale. */
#ifndef GLIM_VIEW_WIDTH_H
#define GLIM_VIEW_WIDTH_H

#include "base/buffer.h"

/* Columns of one grapheme that begins at s; *len gets its bytes (1 for a broken
   byte). ambiguous: columns of East Asian ambiguous characters, 1 or 2. */
int glim__grapheme_width(const char *s, size_t n, size_t *len, int ambiguous);
int glim__text_width(const char *s, size_t n, int ambiguous);
/* Control, format and direction characters, which are never written raw. */
bool glim__hidden_character(uint32_t cp);

#endif
