/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicode NFC with the source range of every output byte, for tokenizers that
 * normalise (Qwen). Text without a character that NFC can change is the usual
 * case and costs one scan. Otherwise the text is cut into segments that
 * normalise alone: a starter with all that can join it. Every byte of a changed
 * segment takes the whole segment as its source.
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
           p->boundclass == UTF8PROC_BOUNDCLASS_SPACINGMARK || (cp >= 0x1160 && cp <= 0x11ff);
}

struct output {
    char *text;
    uint32_t *from, *to;
    size_t n, cap;
    glim_arena *arena;
};

static bool put(struct output *o, const char *s, size_t n, size_t from, size_t to, bool whole) {
    if (o->n + n > o->cap)
        return false;
    for (size_t i = 0; i < n; i++) {
        o->text[o->n] = s[i];
        o->from[o->n] = (uint32_t)(whole ? from : from + i);
        o->to[o->n++] = (uint32_t)(whole ? to : from + i + 1);
    }
    return true;
}

static bool put_segment(struct output *o, const char *s, size_t from, size_t to) {
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)s + from, (utf8proc_ssize_t)(to - from), &composed,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    bool same = n == (utf8proc_ssize_t)(to - from) && !memcmp(composed, s + from, (size_t)n);
    bool ok = n >= 0 && put(o, (const char *)composed, (size_t)n, from, to, !same);
    free(composed);
    return ok;
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
    struct output o = {.cap = 3 * n + 16, .arena = arena}; /* NFC at most triples UTF-8 */
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
        ok = simple ? put(&o, text + at, end - at, at, end, false) : put_segment(&o, text, at, end);
        at = end;
    }
    if (!ok)
        return glim__oom(arena->ctx, err, "normalising the text", 9 * n);
    *out = (glim_fragment){.text = o.text, .n = o.n, .from = o.from, .to = o.to};
    return GLIM_OK;
}
