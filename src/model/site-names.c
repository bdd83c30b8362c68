/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Site names that nobody knows. A model has hundreds, mostly the same of every layer; so a
 * name with a number in it is near to the one of that layer, and a pattern with a star to the
 * one where a star stands for the number.
 */
#include "model/site-names.h"
#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

enum { NEAR = 3, LONGEST = GLIM_NEAREST_MOST + 1 };

/* The name with a star for the number of its layer. */
static void starred(const char *name, char out[LONGEST]) {
    size_t n = 0;
    const char *number = strstr(name, "blocks.");
    for (const char *s = name; *s && n + 1 < LONGEST; s++) {
        bool digit = number && s >= number + 7 && *s >= '0' && *s <= '9';
        if (!digit)
            out[n++] = *s;
        else if (s == number + 7)
            out[n++] = '*';
        if (number && s > number + 7 && *s == '.')
            number = NULL;
    }
    out[n] = 0;
}

struct near {
    char name[NEAR][LONGEST];
    int distance[NEAR];
    size_t n;
};

/* Keeps the nearest names, the first of equal ones before. */
static void consider(struct near *near, const char *name, int distance) {
    for (size_t i = 0; i < near->n; i++)
        if (!strcmp(near->name[i], name))
            return;
    size_t at = near->n < NEAR ? near->n : NEAR;
    while (at && near->distance[at - 1] > distance)
        at--;
    if (at == NEAR)
        return;
    near->n += near->n < NEAR;
    for (size_t i = near->n - 1; i > at; i--) {
        memcpy(near->name[i], near->name[i - 1], LONGEST);
        near->distance[i] = near->distance[i - 1];
    }
    snprintf(near->name[at], LONGEST, "%s", name);
    near->distance[at] = distance;
}

glim_status glim__sites_check(const glim_model *m, const char *pattern, glim_error *err) {
    size_t n, length = strlen(pattern);
    const char *const *sites = glim_model_sites(m, &n);
    struct near near = {.n = 0};
    char list[NEAR * (LONGEST + 4)] = "";
    for (size_t i = 0; i < n; i++)
        if (glim__site_match(pattern, sites[i]))
            return GLIM_OK;
    for (size_t i = 0; i < n; i++) {
        char name[LONGEST];
        if (strchr(pattern, '*'))
            starred(sites[i], name);
        else
            snprintf(name, sizeof name, "%s", sites[i]);
        int distance = glim__edit_distance(pattern, length, name);
        if (3 * (size_t)distance <= 2 * length)
            consider(&near, name, distance);
    }
    for (size_t i = 0, at = 0; i < near.n; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
                               i ? ", " : "; near to it: ", near.name[i]);
    return glim_fail(err, GLIM_EUSAGE,
                     "no site of this model fits '%.80s'%s (glim info --sites lists them)", pattern,
                     list);
}
