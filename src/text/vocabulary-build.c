/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vocabulary-build.c: the tables of a tokenizer that a directory describes, filled
 * token by token in any order. Control tokens are not among the texts that the
 * model looks up: a user's text could spell them. One that is a single character
 * is a text all the same.
 */
#include "base/utf8.h"
#include "text/pipeline.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 23, MOST_MERGES = 1 << 24, LONGEST_TOKEN = 1 << 12 };

glim_status glim__vocabulary_room(glim_tokenizer *t, size_t count, glim_error *err) {
    if (!count)
        return glim_fail(err, GLIM_EFORMAT, "the vocabulary is empty");
    if (count > MOST_TOKENS)
        return glim_fail(err, GLIM_ELIMIT, "the vocabulary has more than 2^23 tokens");
    t->info.vocab = (int32_t)count;
    t->text = glim__arena_calloc(&t->arena, count, sizeof *t->text);
    t->bytes = glim__arena_calloc(&t->arena, count, sizeof *t->bytes);
    t->type = glim__arena_calloc(&t->arena, count, 1);
    bool ok = t->text && t->bytes && t->type && glim__map_reserve(&t->ids, count);
    if (ok)
        memset(t->type, GLIM_TT_UNUSED, count);
    return ok ? GLIM_OK : glim__oom(t->ctx, err, "the vocabulary", count * sizeof *t->text);
}

glim_status glim__vocabulary_set(glim_tokenizer *t, int32_t id, glim_gguf_string text,
                                 glim_error *err) {
    if (id < 0 || id >= t->info.vocab)
        return glim_fail(err, GLIM_EFORMAT, "token '%.*s' has the id %d; the vocabulary has %d",
                         (int)(text.len < 60 ? text.len : 60), text.data, id, t->info.vocab);
    if (text.len > LONGEST_TOKEN)
        return glim_fail(err, GLIM_ELIMIT, "token %d has %zu bytes; at most %d", id, text.len,
                         LONGEST_TOKEN);
    if (t->type[id] != GLIM_TT_UNUSED)
        return glim_fail(err, GLIM_EFORMAT, "two tokens have the id %d ('%.*s' and '%.*s')", id,
                         (int)(t->text[id].len < 60 ? t->text[id].len : 60), t->text[id].data,
                         (int)(text.len < 60 ? text.len : 60), text.data);
    t->text[id] = t->bytes[id] = text;
    t->type[id] = GLIM_TT_NORMAL;
    return glim__map_set(&t->ids, text.data, text.len, id, NULL)
               ? GLIM_OK
               : glim__oom(t->ctx, err, "the vocabulary", 0);
}

int32_t glim__vocabulary_find(const glim_tokenizer *t, const char *text, size_t n) {
    int32_t id = glim__map_get(&t->ids, text, n);
    return id >= 0 ? id : glim__map_get(&t->specials, text, n);
}

glim_status glim__merges_room(glim_pipeline *p, size_t count, glim_error *err) {
    if (count > MOST_MERGES)
        return glim_fail(err, GLIM_ELIMIT, "the tokenizer has more than 2^24 merges");
    p->pair_keys = glim__arena_alloc(&p->t->arena, (count + 1) * sizeof *p->pair_keys);
    p->pair_ids = glim__arena_alloc(&p->t->arena, (count + 1) * sizeof *p->pair_ids);
    bool ok = p->pair_keys && p->pair_ids && glim__map_reserve(&p->pairs, count);
    return ok ? GLIM_OK : glim__oom(p->t->ctx, err, "the merges", 12 * count);
}

static glim_status no_token(glim_gguf_string s, size_t rank, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "merge %zu names '%.*s', which is no token", rank,
                     (int)(s.len < 60 ? s.len : 60), s.data);
}

glim_status glim__merges_add(glim_pipeline *p, size_t rank, glim_gguf_string a, glim_gguf_string b,
                             glim_error *err) {
    char both[2 * LONGEST_TOKEN];
    const glim_tokenizer *t = p->t;
    int32_t *key = p->pair_keys[rank];
    key[0] = glim__vocabulary_find(t, a.data, a.len);
    key[1] = glim__vocabulary_find(t, b.data, b.len);
    if (key[0] < 0 || key[1] < 0)
        return no_token(key[0] < 0 ? a : b, rank, err);
    size_t cut = p->prefix_len <= b.len ? p->prefix_len : b.len;
    memcpy(both, a.data, a.len);
    memcpy(both + a.len, b.data + cut, b.len - cut);
    glim_gguf_string made = {both, a.len + b.len - cut};
    p->pair_ids[rank] = glim__vocabulary_find(t, made.data, made.len);
    if (p->pair_ids[rank] < 0)
        return no_token(made, rank, err);
    return glim__map_set(&p->pairs, key, sizeof *p->pair_keys, (int32_t)rank, NULL)
               ? GLIM_OK
               : glim__oom(t->ctx, err, "the merges", 0);
}

/* ---- added tokens and types ---- */

static bool is_one_character(glim_gguf_string s) {
    uint32_t cp;
    return s.len && (size_t)glim__utf8_decode(s.data, s.len, &cp) == s.len;
}

static glim_status add_one(glim_pipeline *p, glim_added *a, glim_error *err) {
    glim_tokenizer *t = p->t;
    int32_t id = glim__map_get(&t->ids, a->content.data, a->content.len);
    glim_status status = GLIM_OK;
    if (id >= 0)
        a->id = id;
    else if (!(status = glim__vocabulary_set(t, a->id, a->content, err)))
        t->type[a->id] = GLIM_TT_USER;
    if (status)
        return status;
    bool outside = id < 0;
    t->type[a->id] = a->special ? GLIM_TT_CONTROL : outside ? GLIM_TT_USER : t->type[a->id];
    return glim__specials_add(t, a->id) ? GLIM_OK : glim__oom(t->ctx, err, "the vocabulary", 0);
}

static bool is_byte(glim_gguf_string s) {
    return s.len == 6 && !memcmp(s.data, "<0x", 3) && s.data[5] == '>' &&
           strspn(s.data + 3, "0123456789ABCDEF") == 2;
}

/* The map that the model looks texts up in: made anew, without control tokens. */
static glim_status index_texts(glim_pipeline *p, const uint8_t *inside, glim_error *err) {
    glim_tokenizer *t = p->t;
    glim__map_release(&t->ids);
    bool ok = glim__map_reserve(&t->ids, (size_t)t->info.vocab);
    for (int32_t i = 0; i < t->info.vocab && ok; i++) {
        if (p->byte_fallback && t->type[i] == GLIM_TT_NORMAL && is_byte(t->text[i]))
            t->type[i] = GLIM_TT_BYTE;
        bool hidden = t->type[i] == GLIM_TT_CONTROL && !is_one_character(t->text[i]);
        if (t->text[i].len && inside[i] && !hidden && t->type[i] != GLIM_TT_BYTE)
            ok = glim__map_set(&t->ids, t->text[i].data, t->text[i].len, i, NULL);
    }
    return ok ? GLIM_OK : glim__oom(t->ctx, err, "the vocabulary", 0);
}

static glim_status build_trie(glim_pipeline *p, glim_error *err) {
    glim_tokenizer *t = p->t;
    size_t V = (size_t)t->info.vocab;
    if (p->model == &glim_model_bpe || p->trie.nodes)
        return GLIM_OK;
    int32_t *ids = glim__calloc(t->ctx, V, sizeof *ids);
    if (!ids)
        return glim__oom(t->ctx, err, "the vocabulary", V * sizeof *ids);
    for (size_t i = 0; i < V; i++) {
        int32_t found =
            t->text[i].len ? glim__map_get(&t->ids, t->text[i].data, t->text[i].len) : -1;
        ids[i] = found == (int32_t)i ? found : -1;
    }
    glim_status status = glim__trie_build(&p->trie, &t->arena, t->text, ids, V, err);
    glim__free(t->ctx, ids);
    if (!status && p->prefix_len && p->model == &glim_model_wordpiece)
        p->continuation = glim__trie_walk(&p->trie, p->prefix, p->prefix_len);
    return status;
}

/* "##ing" stands for "ing". */
static void cut_prefixes(glim_pipeline *p) {
    glim_tokenizer *t = p->t;
    for (int32_t i = 0; i < t->info.vocab; i++) {
        glim_gguf_string *s = &t->bytes[i];
        if (t->type[i] == GLIM_TT_NORMAL && p->prefix_len && s->len > p->prefix_len &&
            !memcmp(s->data, p->prefix, p->prefix_len)) {
            s->data += p->prefix_len;
            s->len -= p->prefix_len;
        }
    }
}

glim_status glim__vocabulary_finish(glim_pipeline *p, glim_error *err) {
    glim_tokenizer *t = p->t;
    size_t V = (size_t)t->info.vocab;
    glim_status status = GLIM_OK;
    uint8_t *inside = glim__calloc(t->ctx, V, 1);
    if (!inside)
        return glim__oom(t->ctx, err, "the vocabulary", V);
    for (size_t i = 0; i < V; i++) /* what the model's own vocabulary has */
        inside[i] = t->type[i] != GLIM_TT_UNUSED;
    if (!glim__specials_begin(t, p->n_added))
        status = glim__oom(t->ctx, err, "the vocabulary", p->n_added * sizeof(size_t));
    for (size_t i = 0; i < p->n_added && !status; i++)
        status = add_one(p, &p->added[i], err);
    if (!status)
        glim__specials_end(t);
    if (!status)
        status = index_texts(p, inside, err);
    glim__free(t->ctx, inside);
    if (!status)
        status = build_trie(p, err);
    if (!status)
        status = glim__added_index(p, err);
    if (!status)
        status = glim__tokens_decode(t, err);
    if (!status && p->model == &glim_model_wordpiece)
        cut_prefixes(p);
    if (!status && t->info.unk >= 0 && t->type[t->info.unk] == GLIM_TT_NORMAL)
        t->type[t->info.unk] = GLIM_TT_UNKNOWN;
    return status;
}
