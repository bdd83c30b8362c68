/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SentencePiece BPE with scores (Kudo & Richardson 2018), GGUF model `llama`:
 * spaces become U+2581, symbols start as code points, and the adjacent pair
 * whose text is the token of highest score is merged, leftmost first (merge.h).
 * What is no token at the end becomes byte tokens <0xHH>, else the unknown
 * token. The whole fragment is one word.
 */
#include "base/utf8.h"
#include "text/merge.h"
#include "text/vocabulary.h"

#include <string.h>

struct work {
    const glim_tokenizer *t;
    char *text; /* with U+2581 for spaces */
    uint32_t *from, *to;
    size_t n;
    glim_merge merge;
};

static bool score(const void *data, const glim_symbol *a, const glim_symbol *b,
                  glim_merge_pair *out) {
    const struct work *w = data;
    int32_t id = glim__map_get(&w->t->ids, w->text + a->start, a->len + b->len);
    if (id < 0)
        return false;
    out->priority = glim__token_score(w->t, id);
    return true;
}

/* Writes the fragment with U+2581 for spaces and the source of every byte. */
static glim_status normalise(struct work *w, const glim_fragment *f, glim_error *err) {
    bool prefix = w->t->space_prefix && f->first;
    size_t most = 3 * f->n + 3;
    w->text = glim__alloc(w->t->ctx, most);
    w->from = glim__alloc(w->t->ctx, 2 * most * sizeof *w->from);
    if (!w->text || !w->from)
        return glim__oom(w->t->ctx, err, "the tokens", 9 * most);
    w->to = w->from + most;
    for (size_t i = prefix ? 0 : 1; i < f->n + 1; i++) {
        bool space = !i || f->text[i - 1] == ' ';
        uint32_t at = i ? (uint32_t)i - 1 : 0;
        const char *bytes = space ? "\xe2\x96\x81" : f->text + at;
        for (int k = 0; k < (space ? 3 : 1); k++) {
            w->text[w->n] = bytes[k];
            w->from[w->n] = at;
            w->to[w->n++] = i ? at + 1 : 0;
        }
    }
    return GLIM_OK;
}

static glim_status split_symbols(struct work *w, glim_error *err) {
    if (!glim__merge_reserve(&w->merge, w->n))
        return glim__oom(w->t->ctx, err, "the tokens", w->n * sizeof(glim_symbol));
    for (size_t at = 0; at < w->n;) {
        uint32_t cp;
        int len = glim__utf8_decode(w->text + at, w->n - at, &cp);
        len = len ? len : 1;
        glim__merge_push(&w->merge, (uint32_t)at, (uint32_t)len);
        at += (size_t)len;
    }
    return GLIM_OK;
}

static bool emit(const struct work *w, glim_token_list *out, const glim_fragment *f, int32_t id,
                 size_t a, size_t b, size_t base) {
    size_t start, end;
    glim__fragment_span(f, w->from[a], w->to[b - 1], &start, &end);
    return glim__token_push(out, id, GLIM_TOKEN_TEXT, base + start, base + end, -1);
}

static glim_status emit_symbol(const struct work *w, glim_token_list *out, const glim_fragment *f,
                               const glim_symbol *s, size_t base, glim_error *err) {
    const glim_tokenizer *t = w->t;
    int32_t id = glim__map_get(&t->ids, w->text + s->start, s->len);
    bool ok = true, bytes = id < 0;
    for (uint32_t i = 0; i < s->len && bytes; i++)
        bytes = t->byte_ids[(uint8_t)w->text[s->start + i]] >= 0;
    if (id >= 0 || !bytes) {
        id = id >= 0 ? id : t->info.unk;
        if (id < 0)
            return glim_fail(err, GLIM_EFORMAT, "the vocabulary has no token for '%.*s'",
                             (int)s->len, w->text + s->start);
        ok = emit(w, out, f, id, s->start, s->start + s->len, base);
    }
    for (uint32_t i = 0; i < s->len && bytes && ok; i++)
        ok = emit(w, out, f, t->byte_ids[(uint8_t)w->text[s->start + i]], s->start + i,
                  s->start + i + 1, base);
    return ok ? GLIM_OK : glim__oom(t->ctx, err, "the tokens", 0);
}

glim_status glim__spm_encode(const glim_tokenizer *t, glim_token_list *out, const glim_fragment *f,
                             size_t base, glim_error *err) {
    struct work w = {.t = t};
    w.merge = (glim_merge){.ctx = t->ctx, .priority = score, .data = &w};
    glim_status status = normalise(&w, f, err);
    if (!status && w.n)
        status = split_symbols(&w, err);
    if (!status && w.n) {
        glim__merge_run(&w.merge);
        for (int32_t i = 0; i >= 0 && !status; i = w.merge.symbols[i].after)
            status = emit_symbol(&w, out, f, &w.merge.symbols[i], base, err);
    }
    glim__free(t->ctx, w.text);
    glim__free(t->ctx, w.from);
    glim__merge_release(&w.merge);
    return status;
}
