/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping.h: a whole file in memory, read-only. The bytes count against the
 * context's budget while they are mapped. A file that shrinks under the map
 * raises SIGBUS on access; nobody can guard against that, but a change can be
 * told afterwards.
 */
#ifndef GLIM_FILE_MAPPING_H
#define GLIM_FILE_MAPPING_H

#include "base/context.h"

#include <sys/stat.h>

typedef struct glim_mapping {
    glim_context *ctx;
    char *path; /* owned */
    const unsigned char *data;
    uint64_t size;
    bool borrowed;     /* bytes of the caller, not a file */
    struct stat state; /* at open */
} glim_mapping;

/* Errors: EIO (absent, no regular file, ...), ENOMEM, EBUDGET. */
glim_status glim__mapping_open(glim_mapping *m, glim_context *ctx, const char *path,
                               glim_error *err);
/* Bytes that the caller keeps alive, under a name for messages. */
glim_status glim__mapping_borrow(glim_mapping *m, glim_context *ctx, const void *bytes, size_t n,
                                 const char *name, glim_error *err);
void glim__mapping_close(glim_mapping *m);
/* Lets go of the pages that have been read: the kernel's cache has them still. */
void glim__mapping_forget(const glim_mapping *m);
/* EIO when the file at the path is no longer the one that was opened. */
glim_status glim__mapping_unchanged(const glim_mapping *m, glim_error *err);

#endif
