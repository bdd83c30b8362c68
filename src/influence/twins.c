/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples with equal features have equal digests (BLAKE2b, 16 bytes), which are sorted on
 * disk; what stays in memory does not grow with the samples. Near twins are duplicates.c's.
 */
#include "influence/twins.h"
#include "influence/spool-sort.h"

#include <sodium.h>
#include <string.h>

struct finding {
    glim_twins *t;
    glim_sort sort;
    size_t width;
    glim_sort_record begun; /* the first of a group */
    bool any, many;         /* many: the group has a second one */
};

static glim_status add(void *data, size_t first, size_t count, double *x, double *y,
                       glim_error *err) {
    struct finding *s = data;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < count && !status; i++) {
        glim_sort_record r = {.sample = first + i, .value = y[i]};
        crypto_generichash(r.mark, sizeof r.mark, (const unsigned char *)(x + i * s->width),
                           s->width * sizeof *x, NULL, 0);
        status = glim__sort_add(&s->sort, &r, err);
    }
    return status;
}

/* Whether example k comes behind one with these facts. */
static bool behind(const glim_twins *t, size_t k, size_t other, bool differs) {
    return t->differs[k] != differs ? differs : t->other[k] > other;
}

static void keep(glim_twins *t, size_t first, size_t other, bool differs) {
    size_t at = t->n;
    if (t->n < GLIM_TWINS)
        t->n++;
    else if (behind(t, at - 1, other, differs))
        at--;
    else
        return;
    for (; at && behind(t, at - 1, other, differs); at--) {
        t->first[at] = t->first[at - 1];
        t->other[at] = t->other[at - 1];
        t->differs[at] = t->differs[at - 1];
    }
    t->first[at] = first;
    t->other[at] = other;
    t->differs[at] = differs;
}

static void meet(void *data, const glim_sort_record *r) {
    struct finding *s = data;
    glim_twins *t = s->t;
    if (!s->any || memcmp(r->mark, s->begun.mark, sizeof r->mark) != 0) {
        s->begun = *r;
        s->any = true;
        s->many = false;
        return;
    }
    bool differs = r->value != s->begun.value;
    t->pairs++;
    t->groups += !s->many;
    t->differing += differs;
    s->many = true;
    keep(t, s->begun.sample, r->sample, differs);
}

glim_status glim__twins_find(glim_twins *out, glim_context *ctx, const glim_features *f,
                             glim_error *err) {
    struct finding s = {.t = out, .width = f->width};
    *out = (glim_twins){0};
    glim_status status = glim__sort_begin(&s.sort, ctx, err);
    if (!status)
        status = glim__features_each(ctx, f, add, &s, err);
    if (!status)
        status = glim__sort_end(&s.sort, meet, &s, err);
    glim__sort_release(&s.sort);
    return status;
}
