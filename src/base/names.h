/* SPDX-License-Identifier: Apache-2.0 */
/* names.h: what names are made of: ends, parts of a path, lists by commas. */
#ifndef GLIM_BASE_NAMES_H
#define GLIM_BASE_NAMES_H

#include <stdbool.h>
#include <string.h>

static inline bool glim__ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && !strcmp(s + n - m, end);
}

/* What stands behind the last slash; of "folder/" all of it. */
static inline const char *glim__file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Whether "a,b,c", or NULL, has a name. */
static inline bool glim__listed(const char *list, const char *name) {
    size_t len = strlen(name);
    for (const char *at = list; at && *at;) {
        size_t n = strcspn(at, ",");
        if (n == len && !memcmp(at, name, n))
            return true;
        at += n + (at[n] == ',');
    }
    return false;
}

#endif
