/* SPDX-License-Identifier: Apache-2.0 */
/* kept-record.h: what is kept of a corpus as bytes, and back. */
#ifndef GLIM_STRUCTURE_KEPT_RECORD_H
#define GLIM_STRUCTURE_KEPT_RECORD_H

#include "base/packing.h"
#include "structure/kept-texts.h"

void glim__kept_write(glim_buffer *b, const glim_kept_texts *k);
/* Into one that is initialised as that one was, and empty. Errors: EFORMAT (too few bytes, or
   of something else), ENOMEM. */
glim_status glim__kept_read(glim_unpacking *r, glim_kept_texts *k, glim_error *err);

#endif
