/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.h: a file being written that appears under its name only when it is
 * whole. Made for results: a reader sees the old file or the new one, and a
 * full disk leaves neither a torso nor a temporary file behind.
 */
#ifndef GLIM_BASE_OUTFILE_H
#define GLIM_BASE_OUTFILE_H

#include <glim/base.h>

#include <limits.h>

typedef struct glim_outfile {
    int fd;                   /* -1: nothing is open */
    char name[256];           /* for messages: the path as given, maybe cut */
    char path[PATH_MAX];      /* what the temporary file becomes */
    char temporary[PATH_MAX]; /* "" when writing goes straight to the target */
} glim_outfile;

/* "-", and whatever else is standard output, is written as that; pipes and devices are written
   directly, a symbolic link's target is replaced, not the link. The file gets the mode of the one
   that it replaces. Errors: EIO. */
glim_status glim__outfile_open(glim_outfile *f, const char *path, glim_error *err);
glim_status glim__outfile_write(glim_outfile *f, const void *data, size_t n, glim_error *err);
/* Writes at an offset, holes allowed; regular files only. */
glim_status glim__outfile_write_at(glim_outfile *f, uint64_t offset, const void *data, size_t n,
                                   glim_error *err);
/* Closes and renames. On failure everything is as before the open. */
glim_status glim__outfile_commit(glim_outfile *f, glim_error *err);
/* Gives up; fine after commit and after a failed open. */
void glim__outfile_abort(glim_outfile *f);

#endif
