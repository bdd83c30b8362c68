/* SPDX-License-Identifier: Apache-2.0 */
/*
 * charsmap.c: SentencePiece's compiled normalisation: a double-array trie of
 * source strings and the texts that replace them. The reference of
 * tokenizer.json walks it differently from SentencePiece: a grapheme of fewer
 * than six bytes is replaced as a whole by what its beginning maps to, and the
 * shortest match counts. Both are here, each for its own kind of file.
 */
#include "base/utf8.h"
#include "file/base64.h"
#include "text/pipeline.h"

#include <string.h>
#include <utf8proc.h>

static uint32_t unit(const glim_step *s, uint32_t i) {
    const uint8_t *u = s->units + 4 * (size_t)i;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static uint32_t offset(uint32_t u) {
    return (u >> 10) << ((u & 0x200) >> 6);
}

glim_status glim__charsmap_read(glim_step *s, const char *data, size_t n, glim_error *err) {
    uint32_t size = 0;
    for (size_t i = 0; i < 4 && n >= 4; i++)
        size |= (uint32_t)(uint8_t)data[i] << 8 * i;
    if (n < 4 || size > n - 4 || size % 4 || size < 4)
        return glim_fail(err, GLIM_EFORMAT, "the normalisation table (charsmap) is broken");
    s->units = (const uint8_t *)data + 4;
    s->n_units = size / 4;
    s->text = data + 4 + size;
    s->len = n - 4 - size;
    return GLIM_OK;
}

size_t glim__charsmap_find(const glim_step *s, const char *text, size_t n, bool longest,
                           const char **with, size_t *len) {
    uint32_t node = s->n_units ? offset(unit(s, 0)) : 0;
    size_t found = 0;
    for (size_t i = 0; i < n && text[i]; i++) {
        node ^= (uint8_t)text[i];
        if (node >= s->n_units)
            break;
        uint32_t u = unit(s, node);
        if ((u & 0x800000ff) != (uint8_t)text[i])
            break;
        node ^= offset(u);
        if (!(u >> 8 & 1) || node >= s->n_units)
            continue;
        uint32_t at = unit(s, node) & 0x7fffffff;
        const char *end = at < s->len ? memchr(s->text + at, 0, s->len - at) : NULL;
        if (!end)
            continue; /* points outside of the strings */
        *with = s->text + at;
        *len = (size_t)(end - *with);
        found = i + 1;
        if (!longest)
            break;
    }
    return found;
}

/* ---- Precompiled ---- */

static glim_status read_precompiled(glim_step *s, glim_pipeline *p, const json_t *json,
                                    glim_error *err) {
    const json_t *v = json_object_get(json, "precompiled_charsmap");
    size_t n = json_string_length(v);
    if (json_is_null(v) || (json_is_string(v) && !n))
        return GLIM_OK;
    if (!json_is_string(v))
        return glim_fail(err, GLIM_EFORMAT, "a 'Precompiled' lacks 'precompiled_charsmap'");
    char *data = glim__arena_alloc(&p->t->arena, n);
    if (!data)
        return glim__oom(p->t->ctx, err, "the tokenizer", n);
    size_t len = glim__base64(json_string_value(v), n, data);
    if (len == SIZE_MAX)
        return glim_fail(err, GLIM_EFORMAT, "'precompiled_charsmap' is not base64");
    return glim__charsmap_read(s, data, len, err);
}

/* Replaces bytes [at, end) if the table has something for them. */
static bool replace(const glim_step *s, glim_work *w, size_t at, size_t end) {
    const char *with;
    size_t len;
    if (!glim__charsmap_find(s, w->now.text + at, end - at, false, &with, &len))
        return false;
    glim__run_put(&w->next, with, len, w->now.from[at], w->now.to[end - 1]);
    return true;
}

static glim_status run_precompiled(const glim_step *s, glim_work *w, glim_error *err) {
    enum { SHORT = 6 };
    const glim_run *in = &w->now;
    for (size_t at = 0, end, next; at < in->n; at = end) {
        uint32_t cp, last;
        utf8proc_int32_t state = 0;
        end = at + (size_t)glim__utf8_decode(in->text + at, in->n - at, &cp);
        for (last = cp; end < in->n; end = next, last = cp) {
            next = end + (size_t)glim__utf8_decode(in->text + end, in->n - end, &cp);
            if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)last, (utf8proc_int32_t)cp,
                                                 &state))
                break;
        }
        if (end - at < SHORT && replace(s, w, at, end))
            continue;
        for (size_t i = at; i < end; i = next) {
            next = i + (size_t)glim__utf8_decode(in->text + i, in->n - i, &cp);
            if (!replace(s, w, i, next))
                glim__run_copy(&w->next, in, i, next);
        }
    }
    return glim__run_status(&w->next, err);
}

const glim_step_kind glim_norm_precompiled = {"Precompiled", read_precompiled, run_precompiled,
                                              true};
