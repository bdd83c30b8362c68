/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unigram-gguf.c: SentencePiece's Unigram as GGUF carries it (tokenizer model `t5`): the
 * pieces with scores and types, and the options of the normaliser under keys of their
 * own. It becomes the same pipeline that a directory's spiece.model becomes.
 */
#include "text/vocabulary-files.h"

#include <float.h>
#include <string.h>

#define KEY "tokenizer.ggml."

struct pieces {
    const glim_gguf_value *texts, *scores, *types;
    glim_gguf_string *text;
    int32_t *trie_ids, *user_ids;
};

/* A list with one element of the kind for each piece; NULL when absent or other. */
static const glim_gguf_value *list(const glim_gguf *g, const char *key, uint64_t count) {
    const glim_gguf_value *v = glim__gguf_find(g, key);
    bool fits = v && v->type == GLIM_GGUF_ARRAY && v->element != GLIM_GGUF_STRING &&
                v->element != GLIM_GGUF_ARRAY && v->count == count;
    return fits ? v : NULL;
}

static glim_status find_lists(struct pieces *r, const glim_gguf *g, glim_error *err) {
    r->texts = glim__gguf_find(g, KEY "tokens");
    if (!r->texts || r->texts->type != GLIM_GGUF_ARRAY || r->texts->element != GLIM_GGUF_STRING)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key '" KEY "tokens'");
    r->scores = list(g, KEY "scores", r->texts->count);
    r->types = list(g, KEY "token_type", r->texts->count);
    return r->scores && r->types
               ? GLIM_OK
               : glim_fail(err, GLIM_EFORMAT, "key '" KEY "%s' is not one number a token",
                           r->scores ? "token_type" : "scores");
}

static glim_status read_options(glim_pipeline *p, const glim_gguf *g, glim_error *err) {
    glim_status status;
    const glim_gguf_value *map = glim__gguf_find(g, KEY "precompiled_charsmap");
    p->spm = (glim_spm_options){.type = 1, .dummy_prefix = true, .collapse = true, .escape = true};
    if ((status = glim__gguf_bool(g, KEY "add_space_prefix", &p->spm.dummy_prefix, NULL, err)) ||
        (status = glim__gguf_bool(g, KEY "remove_extra_whitespaces", &p->spm.collapse, NULL, err)))
        return status;
    glim_step *s = &p->normalizers.at[p->normalizers.count++];
    *s = (glim_step){.kind = &glim_norm_sentencepiece};
    if (!map)
        return GLIM_OK;
    if (map->type != GLIM_GGUF_ARRAY ||
        (map->element != GLIM_GGUF_U8 && map->element != GLIM_GGUF_I8))
        return glim_fail(err, GLIM_EFORMAT, "key '" KEY "precompiled_charsmap' is no bytes");
    p->spm.charsmap = (glim_gguf_string){map->data, (size_t)map->count};
    return map->count ? glim__charsmap_read(s, map->data, (size_t)map->count, err) : GLIM_OK;
}

static glim_status take(glim_pipeline *p, struct pieces *r, int32_t i, glim_gguf_string text,
                        glim_error *err) {
    glim_tokenizer *t = p->t;
    double score = glim__gguf_element(r->scores, (uint64_t)i);
    double type = glim__gguf_element(r->types, (uint64_t)i);
    if (!(score - score == 0))
        return glim_fail(err, GLIM_EFORMAT, "the score of token %d is not finite", i);
    glim_status status = glim__vocabulary_set(t, i, text, err);
    if (status)
        return status;
    t->type[i] = type >= 1 && type <= 6 ? (uint8_t)type : GLIM_TT_NORMAL;
    bool normal = t->type[i] == GLIM_TT_NORMAL, user = t->type[i] == GLIM_TT_USER;
    r->text[i] = text;
    p->scores[i] = score;
    r->trie_ids[i] = (normal || user) && text.len ? i : -1;
    r->user_ids[i] = user && text.len ? i : -1;
    if (normal && score - 10 < p->unknown_score)
        p->unknown_score = score - 10;
    if (normal && score > p->user_score)
        p->user_score = score;
    return t->type[i] == GLIM_TT_CONTROL && text.len
               ? glim__added_put(p, (glim_added){.id = i, .special = true}, text.data, text.len,
                                 err)
               : GLIM_OK;
}

static glim_status take_all(glim_pipeline *p, const glim_gguf *g, glim_error *err) {
    struct pieces r = {0};
    glim_arena *arena = &p->t->arena;
    const void *cursor = NULL;
    glim_status status = find_lists(&r, g, err);
    size_t n = status ? 0 : (size_t)r.texts->count;
    if (status || (status = glim__vocabulary_room(p->t, n, err)))
        return status;
    p->n_pieces = n;
    r.text = glim__arena_calloc(arena, n, sizeof *r.text);
    r.trie_ids = glim__arena_calloc(arena, n, sizeof *r.trie_ids);
    r.user_ids = glim__arena_calloc(arena, n, sizeof *r.user_ids);
    p->scores = glim__arena_calloc(arena, n, sizeof *p->scores);
    if (!r.text || !r.trie_ids || !r.user_ids || !p->scores)
        return glim__oom(p->t->ctx, err, "the vocabulary", n * sizeof *r.text);
    for (int32_t i = 0; i < p->t->info.vocab && !status; i++)
        status = take(p, &r, i, glim__gguf_next_string(r.texts, &cursor), err);
    if (!status)
        status = glim__trie_build(&p->users, arena, r.text, r.user_ids, n, err);
    return status ? status : glim__trie_build(&p->trie, arena, r.text, r.trie_ids, n, err);
}

static int32_t role(const glim_pipeline *p, const glim_gguf *g, const char *key, int64_t id) {
    bool found;
    if (glim__gguf_int(g, key, -1, p->t->info.vocab - 1, &id, &found, NULL))
        return -1;
    return id < p->t->info.vocab ? (int32_t)id : -1;
}

static glim_status read_roles(glim_pipeline *p, const glim_gguf *g, glim_error *err) {
    glim_tokenizer_info *info = &p->t->info;
    bool bos = false, eos = true;
    glim_status status;
    info->bos = role(p, g, KEY "bos_token_id", -1);
    info->eos = role(p, g, KEY "eos_token_id", 1);
    info->unk = role(p, g, KEY "unknown_token_id", 2);
    info->pad = role(p, g, KEY "padding_token_id", 0);
    if ((status = glim__gguf_bool(g, KEY "add_bos_token", &bos, NULL, err)) ||
        (status = glim__gguf_bool(g, KEY "add_eos_token", &eos, NULL, err)))
        return status;
    info->add_bos = bos && info->bos >= 0;
    info->add_eos = eos && info->eos >= 0;
    glim__template_ends(p, info->add_bos ? info->bos : -1, info->add_eos ? info->eos : -1);
    return GLIM_OK;
}

glim_status glim__unigram_open(glim_tokenizer **out, glim_context *ctx, const glim_gguf *g,
                               glim_error *err) {
    glim_tokenizer *t;
    *out = NULL;
    glim_status status = glim__pipeline_new(&t, ctx, err);
    if (status)
        return status;
    glim_pipeline *p = t->pipeline;
    t->info.mask = t->info.cls = t->info.sep = -1;
    t->info.model = "t5";
    p->model = &glim_model_unigram;
    p->user_pieces = true;
    p->unknown_score = FLT_MAX;
    p->user_score = FLT_MIN; /* so SentencePiece begins, too */
    if ((status = take_all(p, g, err)) || (status = read_options(p, g, err)) ||
        (status = glim__vocabulary_finish(p, err)) || (status = read_roles(p, g, err))) {
        glim__tokenizer_close(t);
        return status;
    }
    glim__ends_add(t, t->info.eos);
    glim__name_specials(t);
    *out = t;
    return GLIM_OK;
}
