/* SPDX-License-Identifier: Apache-2.0 */
/*
 * added.c: tokens that are looked for in the text itself, leftmost and longest
 * first. Those that are not `normalized` are found in the text as it came, the
 * others behind the normalisers, by their own normalised content.
 */
#include "base/utf8.h"
#include "text/characters.h"
#include "text/pipeline.h"

#include <string.h>

static glim_status normal_content(const glim_pipeline *p, const glim_added *a, glim_work *w,
                                  glim_gguf_string *out, glim_error *err) {
    *out = a->content;
    if (!a->normalized || !p->normalizers.count)
        return GLIM_OK;
    glim__run_clear(&w->now);
    glim__run_put(&w->now, a->content.data, a->content.len, 0, (uint32_t)a->content.len);
    if (w->now.failed)
        return glim__oom(p->t->ctx, err, "the tokenizer", a->content.len);
    glim_status status = glim__normalize(p, w, err);
    if (status)
        return status;
    out->len = w->now.n;
    out->data = glim__arena_strndup(&p->t->arena, w->now.n ? w->now.text : "", w->now.n);
    return out->data ? GLIM_OK : glim__oom(p->t->ctx, err, "the tokenizer", w->now.n);
}

glim_status glim__added_index(glim_pipeline *p, glim_error *err) {
    glim_context *ctx = p->t->ctx;
    glim_work w = {.t = p->t, .now.ctx = ctx, .next.ctx = ctx};
    glim_gguf_string *texts = glim__calloc(ctx, p->n_added + 1, sizeof *texts);
    int32_t *ids = glim__calloc(ctx, 2 * p->n_added + 1, sizeof *ids);
    glim_status status = texts && ids ? glim__matcher_open(&w.matcher, ctx, err)
                                      : glim__oom(ctx, err, "the tokenizer", 0);
    for (size_t i = 0; i < p->n_added && !status; i++) {
        const glim_added *a = &p->added[i];
        status = normal_content(p, a, &w, &texts[i], err);
        ids[i] = a->normalized ? -1 : (int32_t)i;
        ids[p->n_added + i] = a->normalized ? (int32_t)i : -1;
    }
    if (!status)
        status = glim__trie_build(&p->raw, &p->t->arena, texts, ids, p->n_added, err);
    if (!status)
        status = glim__trie_build(&p->normalized, &p->t->arena, texts, ids + p->n_added, p->n_added,
                                  err);
    glim__free(ctx, texts);
    glim__free(ctx, ids);
    glim__matcher_close(w.matcher);
    glim__run_release(&w.now);
    glim__run_release(&w.next);
    return status;
}

static bool stands_alone(const char *text, size_t n, size_t start, size_t end) {
    uint32_t behind = 0;
    if (end < n)
        glim__utf8_decode(text + end, n - end, &behind);
    return !(start && glim__is_word(glim__character_before(text, start))) &&
           !(end < n && glim__is_word(behind));
}

/* The spaces in front of text[start), down to `from`; behind text[end..n). */
static size_t spaces_before(const char *text, size_t from, size_t start) {
    while (start > from) {
        uint32_t cp = glim__character_before(text, start);
        char bytes[4];
        if (!glim__is_space(cp))
            break;
        start -= (size_t)glim__utf8_encode(cp, bytes);
    }
    return start > from ? start : from;
}

static size_t spaces_behind(const char *text, size_t n, size_t end) {
    while (end < n) {
        uint32_t cp;
        int len = glim__utf8_decode(text + end, n - end, &cp);
        if (!len || !glim__is_space(cp))
            break;
        end += (size_t)len;
    }
    return end;
}

void glim__added_reach(const glim_tokenizer *t, int32_t id, const char *text, size_t n,
                       size_t taken, size_t *start, size_t *end) {
    const glim_pipeline *p = t->pipeline;
    for (size_t i = 0; p && i < p->n_added; i++) {
        if (p->added[i].id != id)
            continue;
        if (p->added[i].lstrip)
            *start = spaces_before(text, taken, *start);
        if (p->added[i].rstrip)
            *end = spaces_behind(text, n, *end);
        return;
    }
}

glim_status glim__added_scan(const glim_pipeline *p, const glim_trie *trie, const char *text,
                             size_t n, bool controls, glim_added_fn *fn, void *data,
                             glim_error *err) {
    size_t taken = 0;
    if (trie->nodes < 2)
        return GLIM_OK;
    for (size_t at = 0; at < n;) {
        size_t len = 0;
        int32_t i = glim__trie_step(trie, 0, (uint8_t)text[at])
                        ? glim__trie_longest(trie, 0, text + at, n - at, &len)
                        : -1;
        if (i < 0) {
            at++;
            continue;
        }
        const glim_added *a = &p->added[i];
        size_t start = at, end = at + len;
        at = end;
        if ((a->special && !controls) || start < taken ||
            (a->single_word && !stands_alone(text, n, start, end)))
            continue;
        start = a->lstrip ? spaces_before(text, taken, start) : start;
        end = a->rstrip ? spaces_behind(text, n, end) : end;
        glim_status status = fn(data, a, start, end, err);
        if (status)
            return status;
        taken = end;
    }
    return GLIM_OK;
}
