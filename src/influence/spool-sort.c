/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a run serves the merges: a third for each of the two that are read, the rest
   for what is written. */
#include "influence/spool-sort.h"

#include <stdlib.h>
#include <string.h>

enum { RUN = 1 << 15, NUMBERS = sizeof(glim_sort_record) / sizeof(double) };

static int compare(const void *a, const void *b) {
    const glim_sort_record *x = a, *y = b;
    int order = memcmp(x->mark, y->mark, sizeof x->mark);
    return order ? order : x->sample < y->sample ? -1 : x->sample > y->sample;
}

static glim_status put(const glim_sort *s, int which, size_t at, const glim_sort_record *r,
                       size_t n, glim_error *err) {
    return glim__spool_write(&s->spools[which], at * NUMBERS, (const double *)(const void *)r,
                             n * NUMBERS, err);
}

static glim_status get(const glim_sort *s, int which, size_t at, glim_sort_record *r, size_t n,
                       glim_error *err) {
    return glim__spool_read(&s->spools[which], at * NUMBERS, (double *)(void *)r, n * NUMBERS, err);
}

glim_status glim__sort_begin(glim_sort *s, glim_context *ctx, glim_error *err) {
    *s = (glim_sort){.ctx = ctx, .spools = {{.fd = -1}, {.fd = -1}}, .length = RUN};
    s->run = glim__calloc(ctx, RUN, sizeof *s->run);
    return s->run ? GLIM_OK : glim__oom(ctx, err, "marks of samples", RUN * sizeof *s->run);
}

void glim__sort_release(glim_sort *s) {
    if (!s->ctx)
        return;
    glim__spool_close(&s->spools[0]);
    glim__spool_close(&s->spools[1]);
    glim__free(s->ctx, s->run);
    *s = (glim_sort){0};
}

static glim_status end_run(glim_sort *s, glim_error *err) {
    glim_status status = GLIM_OK;
    qsort(s->run, s->waiting, sizeof *s->run, compare);
    if (s->spools[0].fd < 0)
        status = glim__spool_open(&s->spools[0], "marks of samples", err);
    if (!status)
        status = put(s, 0, s->n - s->waiting, s->run, s->waiting, err);
    s->waiting = 0;
    return status;
}

glim_status glim__sort_add(glim_sort *s, const glim_sort_record *r, glim_error *err) {
    glim_status status = s->waiting == RUN ? end_run(s, err) : GLIM_OK;
    s->run[s->waiting++] = *r;
    s->n++;
    return status;
}

/* ---- merging ---- */

/* A run that is read piece by piece. */
struct reader {
    const glim_sort *s;
    glim_sort_record *room;
    size_t at, end, held, next; /* next: of the held ones */
};

static glim_status fill(struct reader *r, size_t room, glim_error *err) {
    if (r->next < r->held || r->at == r->end)
        return GLIM_OK;
    r->held = r->end - r->at < room ? r->end - r->at : room;
    r->next = 0;
    glim_status status = get(r->s, r->s->from, r->at, r->room, r->held, err);
    r->at += r->held;
    return status;
}

static bool is_empty(const struct reader *r) {
    return r->next == r->held && r->at == r->end;
}

/* Two runs that lie behind each other from `first` on, into one. */
static glim_status merge(glim_sort *s, size_t first, glim_error *err) {
    const size_t third = RUN / 3;
    size_t middle = first + s->length < s->n ? first + s->length : s->n;
    size_t end = middle + s->length < s->n ? middle + s->length : s->n, n = 0, to = first;
    struct reader a = {.s = s, .room = s->run, .at = first, .end = middle};
    struct reader b = {.s = s, .room = s->run + third, .at = middle, .end = end};
    glim_sort_record *out = s->run + 2 * third;
    glim_status status = glim__check_cancel(s->ctx, err);
    while (!status && !(is_empty(&a) && is_empty(&b))) {
        status = fill(&a, third, err);
        if (!status)
            status = fill(&b, third, err);
        if (status)
            break;
        bool left =
            is_empty(&b) || (!is_empty(&a) && compare(&a.room[a.next], &b.room[b.next]) < 0);
        out[n++] = left ? a.room[a.next++] : b.room[b.next++];
        if (n < third && !(is_empty(&a) && is_empty(&b)))
            continue;
        status = put(s, !s->from, to, out, n, err);
        to += n;
        n = 0;
    }
    return status;
}

static glim_status merge_all(glim_sort *s, glim_error *err) {
    glim_status status = GLIM_OK;
    if (s->length < s->n)
        status = glim__spool_open(&s->spools[1], "marks of samples", err);
    for (; s->length < s->n && !status; s->length *= 2, s->from = !s->from)
        for (size_t at = 0; at < s->n && !status; at += 2 * s->length)
            status = merge(s, at, err);
    return status;
}

glim_status glim__sort_end(glim_sort *s, glim_sort_fn *each, void *data, glim_error *err) {
    if (s->n <= RUN) {
        qsort(s->run, s->n, sizeof *s->run, compare);
        for (size_t i = 0; i < s->n; i++)
            each(data, &s->run[i]);
        return GLIM_OK;
    }
    glim_status status = end_run(s, err);
    if (!status)
        status = merge_all(s, err);
    for (size_t at = 0, n; at < s->n && !status; at += n) {
        n = s->n - at < RUN ? s->n - at : RUN;
        status = get(s, s->from, at, s->run, n, err);
        for (size_t i = 0; i < n && !status; i++)
            each(data, &s->run[i]);
    }
    return status;
}
