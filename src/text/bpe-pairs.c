/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpe-pairs.c: BPE over code points with merges of two ids, as tokenizer.json
 * has it, and SentencePiece's BPE, whose merges are its pieces' scores. Which
 * alphabet a text is in was the pre-tokenisers' affair. What has no token
 * becomes byte tokens if all its bytes have one, else the unknown token, else
 * nothing.
 */
#include "base/utf8.h"
#include "text/pipeline.h"

#include <string.h>

enum { FROZEN = -2, UNKNOWN = -3 }; /* ids of symbols: a user-defined piece; no token */

static bool by_rank(const void *data, const glim_symbol *a, const glim_symbol *b,
                    glim_merge_pair *out) {
    const glim_pipeline *p = data;
    int32_t key[2] = {a->id, b->id};
    int32_t rank = glim__map_get(&p->pairs, key, sizeof key);
    if (rank < 0)
        return false;
    out->priority = -(float)rank; /* exact up to 2^24 */
    out->id = p->pair_ids[rank];
    return true;
}

static bool by_score(const void *data, const glim_symbol *a, const glim_symbol *b,
                     glim_merge_pair *out) {
    const glim_work *w = data;
    if (a->id == FROZEN || b->id == FROZEN)
        return false;
    out->id = glim__map_get(&w->t->ids, w->now.text + a->start, a->len + b->len);
    if (out->id < 0)
        return false;
    out->priority = glim__token_score(w->t, out->id);
    return true;
}

/* The id of a character with the prefix or suffix that its place asks for. */
static int32_t symbol_id(glim_work *w, size_t at, size_t len, bool begins, bool ends) {
    const glim_pipeline *p = w->t->pipeline;
    const char *text = w->now.text + at;
    if ((begins || !p->prefix_len) && (!ends || !p->suffix_len))
        return glim__map_get(&w->t->ids, text, len);
    glim__buffer_clear(&w->scratch);
    if (!begins)
        glim__buffer_append(&w->scratch, p->prefix, p->prefix_len);
    glim__buffer_append(&w->scratch, text, len);
    if (ends)
        glim__buffer_append(&w->scratch, p->suffix, p->suffix_len);
    return w->scratch.failed ? -1 : glim__map_get(&w->t->ids, w->scratch.data, w->scratch.len);
}

static bool has_bytes(const glim_work *w, size_t at, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (w->t->byte_ids[(uint8_t)w->now.text[at + i]] < 0)
            return false;
    return true;
}

static void push(glim_work *w, size_t at, size_t len, int32_t id) {
    glim__merge_push(&w->merge, (uint32_t)at, (uint32_t)len);
    w->merge.symbols[w->merge.count - 1].id = id;
}

/* The symbols that one character at `at` becomes. */
static void push_character(glim_work *w, size_t start, size_t at, size_t len, size_t end) {
    const glim_pipeline *p = w->t->pipeline;
    int32_t id = symbol_id(w, at, len, at == start, at + len == end);
    if (id >= 0) {
        push(w, at, len, id);
    } else if (p->byte_fallback && !p->by_score && has_bytes(w, at, len)) {
        for (size_t i = 0; i < len; i++)
            push(w, at + i, 1, w->t->byte_ids[(uint8_t)w->now.text[at + i]]);
    } else if (p->by_score) {
        push(w, at, len, UNKNOWN); /* may still become part of a piece */
    } else if (w->t->info.unk >= 0) {
        glim_symbol *last = w->merge.count ? &w->merge.symbols[w->merge.count - 1] : NULL;
        if (p->fuse_unknown && last && last->id == w->t->info.unk && last->start + last->len == at)
            last->len += (uint32_t)len;
        else
            push(w, at, len, w->t->info.unk);
    }
}

/* SentencePiece makes one of unknown neighbours. */
static bool fused(glim_work *w, const glim_symbol *s, size_t before) {
    glim_token *last = w->out->count > before ? &w->out->at[w->out->count - 1] : NULL;
    if (!w->t->pipeline->user_pieces || !last || last->id != w->t->info.unk)
        return false;
    last->end = w->origin + w->now.to[s->start + s->len - 1];
    return true;
}

/* The tokens of this piece begin at `before` of the list. */
static bool emit(glim_work *w, const glim_symbol *s, size_t before) {
    const glim_tokenizer *t = w->t;
    if (s->id >= 0)
        return glim__work_emit(w, s->id, s->start, s->start + s->len);
    int32_t id = glim__map_get(&t->ids, w->now.text + s->start, s->len);
    if (id < 0 && t->pipeline->byte_fallback && has_bytes(w, s->start, s->len)) {
        bool ok = true;
        for (uint32_t i = 0; i < s->len && ok; i++)
            ok = glim__work_emit(w, t->byte_ids[(uint8_t)w->now.text[s->start + i]], s->start + i,
                                 s->start + i + 1);
        return ok;
    }
    if (id < 0 && fused(w, s, before))
        return true;
    id = id < 0 ? t->info.unk : id;
    return id < 0 || glim__work_emit(w, id, s->start, s->start + s->len);
}

static size_t characters(const char *s, size_t start, size_t end) {
    size_t count = 0;
    for (size_t i = start; i < end; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

static glim_status encode(glim_work *w, size_t start, size_t end, glim_error *err) {
    const glim_pipeline *p = w->t->pipeline;
    int32_t whole =
        p->ignore_merges ? glim__map_get(&w->t->ids, w->now.text + start, end - start) : -1;
    if (whole >= 0)
        return glim__work_emit(w, whole, start, end) ? GLIM_OK
                                                     : glim__oom(w->t->ctx, err, "the tokens", 0);
    size_t most = p->byte_fallback ? end - start : characters(w->now.text, start, end);
    if (!glim__merge_reserve(&w->merge, most))
        return glim__oom(w->t->ctx, err, "the tokens", most * sizeof(glim_symbol));
    w->merge.priority = p->by_score ? by_score : by_rank;
    w->merge.data = p->by_score ? (const void *)w : p;
    for (size_t at = start, len; at < end; at += len) {
        uint32_t cp;
        int32_t user =
            p->by_score ? glim__trie_longest(&p->users, 0, w->now.text + at, end - at, &len) : -1;
        if (user >= 0) {
            push(w, at, len, FROZEN);
            continue;
        }
        len = (size_t)glim__utf8_decode(w->now.text + at, end - at, &cp);
        len = len ? len : 1;
        push_character(w, start, at, len, end);
    }
    if (w->scratch.failed)
        return glim__oom(w->t->ctx, err, "the tokens", end - start);
    glim__merge_run(&w->merge);
    size_t before = w->out->count;
    bool ok = true;
    for (int32_t i = w->merge.count ? 0 : -1; i >= 0 && ok; i = w->merge.symbols[i].after)
        ok = emit(w, &w->merge.symbols[i], before);
    return ok ? GLIM_OK : glim__oom(w->t->ctx, err, "the tokens", 0);
}

const glim_model_kind glim_model_bpe = {"BPE", encode};
