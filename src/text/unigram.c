/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unigram.c: the segmentation of highest probability (Kudo 2018), by Viterbi over
 * byte positions in f64. A strictly better path replaces another, so that ties go
 * to the shorter token. A character that is no token by itself is unknown;
 * unknown neighbours become one.
 */
#include "base/utf8.h"
#include "text/pipeline.h"

#include <string.h>

struct node {
    double score;
    uint32_t from; /* where its last token starts */
    int32_t id;    /* -2: not reached; -1: unknown */
};

static bool reserve(glim_work *w, size_t n) {
    if (n <= w->path_size)
        return true;
    glim__free(w->t->ctx, w->path);
    w->path = glim__calloc(w->t->ctx, n, sizeof(struct node));
    w->path_size = w->path ? n : 0;
    return w->path != NULL;
}

/* SentencePiece keeps sums as floats, which decides some ties. */
static void offer(struct node *to, double score, size_t from, int32_t id, bool single) {
    score = single ? (float)score : score;
    if (to->id == -2 || score > to->score)
        *to = (struct node){score, (uint32_t)from, id};
}

static double score_of(const glim_pipeline *p, int32_t id, size_t len) {
    if (p->user_pieces && !p->piece_ids &&
        p->t->type[id] == GLIM_TT_USER) /* always kept together */
        return (double)len * p->user_score - 0.1;
    return p->scores[id];
}

static void search(glim_work *w, const char *text, size_t n) {
    const glim_pipeline *p = w->t->pipeline;
    struct node *best = w->path;
    uint32_t cp;
    for (size_t i = 0; i <= n; i++)
        best[i].id = -2;
    best[0] = (struct node){0};
    for (size_t at = 0, len; at < n; at += len) {
        len = (size_t)glim__utf8_decode(text + at, n - at, &cp);
        len = len ? len : 1;
        bool single = false;
        double here = best[at].score;
        uint32_t k = 0;
        for (size_t i = at; i < n && (k = glim__trie_step(&p->trie, k, (uint8_t)text[i])); i++) {
            int32_t id = p->trie.id[k];
            if (id < 0)
                continue;
            offer(&best[i + 1], here + score_of(p, id, i + 1 - at), at, id, p->user_pieces);
            single = single || i + 1 - at == len;
        }
        if (!single)
            offer(&best[at + len], here + p->unknown_score, at, -1, p->user_pieces);
    }
}

/* Unknown text: the token it is as a whole, its bytes, or the unknown token. */
static glim_status emit_unknown(glim_work *w, size_t start, size_t end, glim_error *err) {
    const glim_tokenizer *t = w->t;
    int32_t id = glim__map_get(&t->ids, w->now.text + start, end - start);
    bool bytes = id < 0 && t->pipeline->byte_fallback, ok = true;
    for (size_t i = start; i < end && bytes; i++)
        bytes = t->byte_ids[(uint8_t)w->now.text[i]] >= 0;
    for (size_t i = start; i < end && bytes && ok; i++)
        ok = glim__work_emit(w, t->byte_ids[(uint8_t)w->now.text[i]], i, i + 1);
    if (bytes)
        return ok ? GLIM_OK : glim__oom(t->ctx, err, "the tokens", 0);
    id = id < 0 ? t->info.unk : id;
    if (id < 0)
        return glim_fail(err, GLIM_EFORMAT,
                         "the vocabulary has no token for '%.*s' and no "
                         "unknown token",
                         (int)(end - start < 40 ? end - start : 40), w->now.text + start);
    return glim__work_emit(w, id, start, end) ? GLIM_OK : glim__oom(t->ctx, err, "the tokens", 0);
}

/* An unknown piece joins its unknown neighbours even where the text spells it. */
static bool known(const glim_work *w, int32_t id) {
    return id >= 0 && (w->t->pipeline->piece_ids || id != w->t->info.unk);
}

static glim_status encode(glim_work *w, size_t start, size_t end, glim_error *err) {
    size_t n = end - start, stop;
    glim_status status = GLIM_OK;
    if (!reserve(w, n + 1))
        return glim__oom(w->t->ctx, err, "the tokens", n * sizeof(struct node));
    search(w, w->now.text + start, n);
    struct node *best = w->path;
    for (size_t at = n; at; at = best[at].from)
        best[best[at].from].score = (double)at; /* where the token that starts there ends */
    for (size_t at = 0; at < n && !status; at = stop) {
        stop = (size_t)best[at].score;
        if (known(w, best[stop].id)) {
            const int32_t *ids = w->t->pipeline->piece_ids;
            int32_t id = ids ? ids[best[stop].id] : best[stop].id;
            if (!glim__work_emit(w, id, start + at, start + stop))
                status = glim__oom(w->t->ctx, err, "the tokens", 0);
            continue;
        }
        while (stop < n && !known(w, best[(size_t)best[stop].score].id))
            stop = (size_t)best[stop].score;
        status = emit_unknown(w, start + at, start + stop, err);
    }
    return status;
}

const glim_model_kind glim_model_unigram = {"Unigram", encode};
