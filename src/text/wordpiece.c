/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wordpiece.c: greedy longest match from the left (Wu et al. 2016); what
 * continues a word is looked up behind the prefix "##". A word with a part that
 * is no token, or a very long one, is one unknown token.
 */
#include "base/utf8.h"
#include "text/pipeline.h"

static bool too_long(const glim_work *w, size_t start, size_t end) {
    size_t characters = 0;
    for (size_t i = start; i < end; i++)
        characters += ((unsigned char)w->now.text[i] & 0xc0) != 0x80;
    return characters > w->t->pipeline->longest_word;
}

static glim_status encode(glim_work *w, size_t start, size_t end, glim_error *err) {
    const glim_pipeline *p = w->t->pipeline;
    size_t before = w->out->count, at = start, len = 0;
    bool known = !too_long(w, start, end), ok = true;
    while (at < end && known && ok) {
        uint32_t node = at == start ? 0 : p->continuation;
        bool can = at == start || !p->prefix_len || node;
        int32_t id =
            can ? glim__trie_longest(&p->trie, node, w->now.text + at, end - at, &len) : -1;
        known = id >= 0;
        ok = !known || glim__work_emit(w, id, at, at + len);
        at += len;
    }
    if (!known) {
        w->out->count = before;
        if (w->t->info.unk < 0)
            return glim_fail(err, GLIM_EFORMAT, "the vocabulary has no unknown token");
        ok = glim__work_emit(w, w->t->info.unk, start, end);
    }
    return ok ? GLIM_OK : glim__oom(w->t->ctx, err, "the tokens", 0);
}

const glim_model_kind glim_model_wordpiece = {"WordPiece", encode};
