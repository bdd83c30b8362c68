/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rooted.h: the files that requests may name: those under one folder, if the server was given
 * one, and those that were sent to it ("upload:NAME"). A name is resolved as the system would,
 * links and all, and what comes out must lie under the folder; what lies outside and what is not
 * there are told alike.
 */
#ifndef GLIM_SERVE_ROOTED_H
#define GLIM_SERVE_ROOTED_H

#include "base/json.h"

#include <limits.h>

typedef struct serve_places {
    glim_context *ctx;
    char root[PATH_MAX];    /* without links; "" when no files may be named */
    char uploads[PATH_MAX]; /* the same */
    char folder[PATH_MAX];  /* where documents lie */
    char patterns[PATH_MAX];
} serve_places;

/* The whole path of a regular file; with `folder` of a folder. EUSAGE: there is none. */
glim_status serve_resolve(const serve_places *p, const char *name, bool folder, char out[PATH_MAX],
                          glim_error *err);
/* {"path", "entries": [{"name", "path", "kind", "bytes"}]} of a folder under the root. What begins
   with a dot, and links that leave, are not told. */
glim_status serve_list(const serve_places *p, const char *name, json_t **out, glim_error *err);
/* Keeps an upload; its name for requests into `out`. EUSAGE: no such name for a file. */
glim_status serve_upload(const serve_places *p, const char *name, const void *data, size_t n,
                         char out[NAME_MAX + 16], glim_error *err);

#endif
