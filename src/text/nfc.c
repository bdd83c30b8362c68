/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicode NFC with the source range of every output byte, for tokenizers that
 * normalise (Qwen). Text without a character that NFC can change is the usual
 * case and costs one scan. Otherwise the text is cut into segments that
 * normalise alone: a starter with all that can join it. The source of a changed
 * segment is shared out evenly over its bytes.
 */
#include "base/utf8.h"
#include "text/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Characters that are NFC by themselves and never join a neighbour: most text. */
static bool plain(uint32_t cp) {
    return cp < 0x300 || (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0x2010 && cp <= 0x2027) ||
           (cp >= 0x3001 && cp <= 0x3098) || (cp >= 0x309b && cp <= 0x30fe) ||
           (cp >= 0xac00 && cp <= 0xd7a3) || (cp >= 0xff00 && cp <= 0xffef);
}

/* True when cp can join what stands before it. */
static bool joins(uint32_t cp) {
    if (plain(cp))
        return false;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    return p->combining_class != 0 || p->boundclass == UTF8PROC_BOUNDCLASS_EXTEND ||
           p->boundclass == UTF8PROC_BOUNDCLASS_SPACINGMARK ||
           (cp >= 0x1160 && cp <= 0x11ff && cp != 0x11a7);
}

struct output {
    char *text;
    uint32_t *from, *to;
    size_t n, cap;
    glim_context *ctx;
    utf8proc_int32_t *points; /* one segment, decomposed */
    uint64_t *order;          /* its marks, to be sorted */
    size_t room;              /* code points that both have room for */
};

/* n bytes that stand for the source bytes [from, to): shared out evenly, so that
   the spans of any tokens go on from each other. */
static bool put(struct output *o, const char *s, size_t n, size_t from, size_t to) {
    if (o->n + n > o->cap)
        return false;
    memmove(o->text + o->n, s, n); /* a segment lies there already */
    for (size_t i = 0; i < n; i++, o->n++) {
        o->from[o->n] = (uint32_t)(from + i * (to - from) / n);
        o->to[o->n] = (uint32_t)(from + (i + 1) * (to - from) / n);
    }
    return true;
}

static bool make_room(struct output *o, size_t n) {
    if (o->points && n <= o->room)
        return true;
    o->room = 0;
    glim__free(o->ctx, o->points);
    glim__free(o->ctx, o->order);
    o->points = glim__calloc(o->ctx, n, sizeof *o->points);
    o->order = glim__calloc(o->ctx, n, sizeof *o->order);
    o->room = o->points && o->order ? n : 0;
    return o->room > 0;
}

static uint64_t combining_class(utf8proc_int32_t cp) {
    return (uint64_t)utf8proc_get_property(cp)->combining_class;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Canonical order: marks between starters by class, equal classes as they stand.
   The library's own sort is quadratic, which a megabyte of marks makes felt. */
static void sort_marks(struct output *o, size_t n) {
    for (size_t at = 0, run = 0; at < n; at += run ? run : 1) {
        bool sorted = true;
        for (run = 0; at + run < n; run++) {
            uint64_t class = combining_class(o->points[at + run]);
            if (!class)
                break;
            o->order[run] = class << 56 | (uint64_t)run << 24 | (uint32_t)o->points[at + run];
            sorted = sorted && (!run || o->order[run - 1] < o->order[run]);
        }
        if (sorted)
            continue;
        qsort(o->order, run, sizeof *o->order, ascending);
        for (size_t i = 0; i < run; i++)
            o->points[at + i] = (utf8proc_int32_t)(o->order[i] & 0xffffff);
    }
}

static bool put_segment(struct output *o, const char *s, size_t from, size_t to) {
    enum { MOST = 4 }; /* code points of one character's canonical decomposition */
    size_t n = 0, len = 0, start = o->n;
    uint32_t cp;
    if (!make_room(o, MOST * (to - from)))
        return false;
    for (size_t at = from; at < to;) {
        at += (size_t)glim__utf8_decode(s + at, to - at, &cp);
        utf8proc_ssize_t more =
            utf8proc_decompose_char((utf8proc_int32_t)cp, o->points + n,
                                    (utf8proc_ssize_t)(o->room - n), UTF8PROC_DECOMPOSE, NULL);
        if (more < 0)
            return false;
        n += (size_t)more;
    }
    sort_marks(o, n);
    utf8proc_ssize_t left = utf8proc_normalize_utf32(o->points, (utf8proc_ssize_t)n,
                                                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    char *bytes = o->text + start;
    for (utf8proc_ssize_t i = 0; i < left && start + len + 4 <= o->cap; i++)
        len += (size_t)glim__utf8_encode((uint32_t)o->points[i], bytes + len);
    return left >= 0 && put(o, bytes, len, from, to);
}

glim_status glim__nfc(glim_fragment *out, glim_arena *arena, const char *text, size_t n,
                      glim_error *err) {
    size_t at = 0;
    uint32_t cp;
    *out = (glim_fragment){0};
    for (int len; at < n && (len = glim__utf8_decode(text + at, n - at, &cp)) && plain(cp);)
        at += (size_t)len;
    if (at == n)
        return GLIM_OK;
    struct output o = {.cap = 3 * n + 16, .ctx = arena->ctx}; /* NFC at most triples UTF-8 */
    o.text = glim__arena_alloc(arena, o.cap);
    o.from = glim__arena_alloc(arena, o.cap * sizeof *o.from);
    o.to = glim__arena_alloc(arena, o.cap * sizeof *o.to);
    bool ok = o.text && o.from && o.to;
    for (at = 0; at < n && ok;) {
        size_t end = at + (size_t)glim__utf8_decode(text + at, n - at, &cp);
        bool simple = plain(cp);
        for (int len; end < n && (len = glim__utf8_decode(text + end, n - end, &cp)) && joins(cp);
             end += (size_t)len)
            simple = false;
        ok = simple ? put(&o, text + at, end - at, at, end) : put_segment(&o, text, at, end);
        at = end;
    }
    glim__free(o.ctx, o.points);
    glim__free(o.ctx, o.order);
    if (!ok)
        return glim__oom(arena->ctx, err, "normalising the text", 9 * n);
    *out = (glim_fragment){.text = o.text, .n = o.n, .from = o.from, .to = o.to};
    return GLIM_OK;
}
