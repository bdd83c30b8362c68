/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unicode-forms.c: the four normal forms with the exact source of every
 * character (UAX #15). Characters are decomposed one by one, marks are put in
 * canonical order, and composing is done here and not by the library, because it
 * alone says which characters became one. Plain text costs one look a
 * character.
 */
#include "base/utf8.h"
#include "text/characters.h"
#include "text/pipeline.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct point {
    utf8proc_int32_t cp;
    uint32_t from, to;
    uint32_t order; /* before marks are sorted */
    uint32_t least; /* the first source byte of this and all that follow */
    uint8_t class;
};

struct segment {
    glim_work *w;
    struct point *at;
    size_t n, cap;
    bool failed;
};

/* Characters that every form leaves alone and that never join a neighbour. */
static bool plain(uint32_t cp, bool compat) {
    return cp < 0xa0 || (!compat && cp < 0xc0) || (cp >= 0x3400 && cp <= 0x9fff) ||
           (cp >= 0x3041 && cp <= 0x304a) || (!compat && cp >= 0xff00 && cp <= 0xffef);
}

static void add(struct segment *s, utf8proc_int32_t cp, uint32_t from, uint32_t to) {
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct point *at = glim__realloc(s->w->t->ctx, s->at, cap * sizeof *at);
        s->failed = !at;
        if (!at)
            return;
        s->at = at;
        s->cap = cap;
    }
    uint8_t class = glim__combining_class((uint32_t)cp);
    s->at[s->n] = (struct point){cp, from, to, (uint32_t)s->n, from, class};
    s->n++;
}

static void decompose(struct segment *s, uint32_t cp, unsigned form, uint32_t from, uint32_t to) {
    enum { MOST = 32 }; /* no character becomes more than 18 */
    utf8proc_int32_t points[MOST];
    int options = UTF8PROC_DECOMPOSE | UTF8PROC_STABLE;
    options |= form & GLIM_FORM_COMPAT ? UTF8PROC_COMPAT : 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, points, MOST,
                                                 (utf8proc_option_t)options, NULL);
    for (utf8proc_ssize_t i = 0; i < n && n <= MOST && !s->failed; i++)
        add(s, points[i], from, to);
}

static int by_class(const void *a, const void *b) {
    const struct point *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_marks(struct segment *s) {
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        bool sorted = true;
        for (; end < s->n && s->at[end].class; end++)
            sorted = sorted && (end == i || s->at[end - 1].class <= s->at[end].class);
        if (!sorted)
            qsort(s->at + i, end - i, sizeof *s->at, by_class);
        i = end > i ? end : i + 1;
    }
}

/* The one character that two make, or 0. */
static utf8proc_int32_t pair(utf8proc_int32_t a, utf8proc_int32_t b) {
    utf8proc_int32_t both[2] = {a, b};
    if (b < 0x300)
        return 0;
    return utf8proc_normalize_utf32(both, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1 ? both[0] : 0;
}

static void compose(struct segment *s) {
    size_t out = 0, starter = SIZE_MAX;
    int last = -1; /* class of the last character kept behind the starter; -1: none */
    for (size_t i = 0; i < s->n; i++) {
        struct point p = s->at[i];
        utf8proc_int32_t made = 0;
        if (starter != SIZE_MAX && last < (int)p.class)
            made = pair(s->at[starter].cp, p.cp);
        if (made) {
            struct point *at = &s->at[starter];
            at->cp = made;
            at->from = p.from < at->from ? p.from : at->from;
            at->to = p.to > at->to ? p.to : at->to;
            continue;
        }
        if (!p.class) {
            starter = out;
            last = -1;
        } else {
            last = p.class;
        }
        s->at[out++] = p;
    }
    s->n = out;
}

/* Writes the characters from i on whose sources overlap, as one: where a character
   became several, or marks changed places, no byte of it has a source of its own.
   Returns the index behind them. */
static size_t put_group(struct segment *s, size_t i) {
    uint32_t from = s->at[i].from, to = s->at[i].to;
    size_t end = i + 1, len = 0;
    char bytes[4 * 32], *out = bytes;
    for (; end < s->n && s->at[end].least < to; end++) {
        from = s->at[end].from < from ? s->at[end].from : from;
        to = s->at[end].to > to ? s->at[end].to : to;
    }
    if (end - i > 32 && !(out = glim__alloc(s->w->t->ctx, 4 * (end - i)))) {
        s->failed = true;
        return s->n;
    }
    for (size_t k = i; k < end; k++)
        len += (size_t)glim__utf8_encode((uint32_t)s->at[k].cp, out + len);
    glim__run_put(&s->w->next, out, len, from, to);
    if (out != bytes)
        glim__free(s->w->t->ctx, out);
    return end;
}

static void flush(struct segment *s, unsigned form) {
    if (!s->n)
        return;
    sort_marks(s);
    if (form & GLIM_FORM_COMPOSE)
        compose(s);
    for (size_t i = s->n; i--;) {
        uint32_t behind = i + 1 < s->n ? s->at[i + 1].least : UINT32_MAX;
        s->at[i].least = s->at[i].from < behind ? s->at[i].from : behind;
    }
    for (size_t i = 0; i < s->n;)
        i = put_group(s, i);
    s->n = 0;
}

glim_status glim__unicode_form(glim_work *w, unsigned form, glim_error *err) {
    const glim_run *in = &w->now;
    struct segment s = {.w = w};
    for (size_t i = 0; i < in->n && !s.failed;) {
        uint32_t cp;
        int len = glim__utf8_decode(in->text + i, in->n - i, &cp);
        size_t end = i + (size_t)(len ? len : 1);
        if (plain(cp, form & GLIM_FORM_COMPAT)) { /* nothing joins it but what comes next */
            flush(&s, form);
            add(&s, (utf8proc_int32_t)cp, in->from[i], in->to[end - 1]);
        } else {
            decompose(&s, cp, form, in->from[i], in->to[end - 1]);
        }
        i = end;
    }
    flush(&s, form);
    glim__free(w->t->ctx, s.at);
    return s.failed ? glim__oom(w->t->ctx, err, "normalising the text", 9 * in->n)
                    : glim__run_status(&w->next, err);
}
