/* SPDX-License-Identifier: Apache-2.0 */
/* width.h: terminal columns of text, by grapheme and not by locale. */
#ifndef GLIM_VIEW_WIDTH_H
#define GLIM_VIEW_WIDTH_H

#include "base/buffer.h"

/* Columns of one grapheme that begins at s; *len gets its bytes (1 for a broken
   byte). ambiguous: columns of East Asian ambiguous characters, 1 or 2. */
int glim__grapheme_width(const char *s, size_t n, size_t *len, int ambiguous);
int glim__text_width(const char *s, size_t n, int ambiguous);
/* Control, format and direction characters, which are never written raw where a
   grapheme begins; inside of one (a family of emoji) they are its business. */
bool glim__hidden_character(uint32_t cp);
/* Appends the grapheme that begins at s, or an escape of what must not be written
   raw; *len gets the bytes it stands for; returns the columns. */
int glim__put_grapheme(glim_buffer *out, const char *s, size_t n, size_t *len, bool ascii);

#endif
