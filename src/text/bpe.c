/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE (Sennrich et al. 2016; GPT-2's byte alphabet). A piece is
 * written in the alphabet, starts as one symbol a byte, and the adjacent pair of
 * lowest rank is merged, leftmost first, until none is left (merge.h). Symbols
 * are ranges of the written piece, so a merged text is looked up where it lies,
 * in the file's own strings: nothing is decoded or copied at opening.
 */
#include "base/utf8.h"
#include "text/merge.h"
#include "text/vocabulary.h"

#include <string.h>

uint32_t glim__alphabet_letter(uint8_t b) {
    if ((b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae)
        return b;
    if (b <= 0x20)
        return 0x100u + b;
    if (b <= 0xa0)
        return 0x121u + (b - 0x7fu);
    return 0x143;
}

int glim__alphabet_byte(uint32_t letter) {
    if (letter < 0x100)
        return glim__alphabet_letter((uint8_t)letter) == letter ? (int)letter : -1;
    if (letter < 0x121)
        return (int)(letter - 0x100);
    if (letter < 0x143)
        return (int)(letter - 0x121 + 0x7f);
    return letter == 0x143 ? 0xad : -1;
}

struct work {
    const glim_tokenizer *t;
    const glim_fragment *f;
    glim_token_list *out;
    size_t base;
    glim_buffer written;
    char *key; /* room for the longest merge */
    glim_merge merge;
};

/* Lower ranks first; ranks are exact as floats up to 2^24. */
static bool rank(const void *data, const glim_symbol *left, const glim_symbol *right,
                 glim_merge_pair *out) {
    const struct work *w = data;
    const char *text = w->written.data + left->start;
    uint32_t a = left->len, b = right->len;
    if ((size_t)a + 1 + b > w->t->longest_merge)
        return false;
    memcpy(w->key, text, a);
    w->key[a] = ' ';
    memcpy(w->key + a + 1, text + a, b);
    int32_t found = glim__map_get(&w->t->merges, w->key, a + 1 + b);
    out->priority = -(float)found;
    return found >= 0 && glim__map_get(&w->t->ids, text, a + b) >= 0;
}

static bool emit(struct work *w, int32_t id, size_t from, size_t to) {
    size_t start, end;
    glim__fragment_span(w->f, from, to, &start, &end);
    return glim__token_push(w->out, id, GLIM_TOKEN_TEXT, w->base + start, w->base + end, -1);
}

/* Letters of a symbol = bytes of the piece that it covers. */
static size_t count_letters(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

static glim_status emit_symbols(struct work *w, size_t start, glim_error *err) {
    const glim_tokenizer *t = w->t;
    size_t at = start;
    for (int32_t i = 0; i >= 0; i = w->merge.symbols[i].after) {
        const glim_symbol *s = &w->merge.symbols[i];
        const char *text = w->written.data + s->start;
        size_t covered = count_letters(text, s->len);
        int32_t id = glim__map_get(&t->ids, text, s->len);
        id = id < 0 ? t->info.unk : id;
        if (id < 0)
            return glim_fail(err, GLIM_EFORMAT, "the vocabulary has no token for the byte 0x%02x",
                             (uint8_t)w->f->text[at]);
        if (!emit(w, id, at, at + covered))
            return glim__oom(t->ctx, err, "the tokens", 0);
        at += covered;
    }
    return GLIM_OK;
}

static glim_status piece(void *data, size_t start, size_t end, glim_error *err) {
    struct work *w = data;
    const glim_tokenizer *t = w->t;
    size_t n = end - start;
    if (!glim__merge_reserve(&w->merge, n))
        return glim__oom(t->ctx, err, "the tokens", n * sizeof(glim_symbol));
    glim__buffer_clear(&w->written);
    for (size_t i = 0; i < n; i++) {
        char letter[4];
        int len = glim__utf8_encode(glim__alphabet_letter((uint8_t)w->f->text[start + i]), letter);
        glim__merge_push(&w->merge, (uint32_t)w->written.len, (uint32_t)len);
        glim__buffer_append(&w->written, letter, (size_t)len);
    }
    if (w->written.failed)
        return glim__oom(t->ctx, err, "the tokens", 2 * n);
    int32_t whole = t->ignore_merges ? glim__map_get(&t->ids, w->written.data, w->written.len) : -1;
    if (whole >= 0)
        return emit(w, whole, start, end) ? GLIM_OK : glim__oom(t->ctx, err, "the tokens", 0);
    glim__merge_run(&w->merge);
    return emit_symbols(w, start, err);
}

glim_status glim__bpe_encode(const glim_tokenizer *t, glim_token_list *out, const glim_fragment *f,
                             size_t base, glim_error *err) {
    struct work w = {.t = t, .f = f, .out = out, .base = base};
    w.merge = (glim_merge){.ctx = t->ctx, .priority = rank, .data = &w};
    glim__buffer_init(&w.written, t->ctx);
    w.key = glim__alloc(t->ctx, t->longest_merge + 1);
    glim_status status = w.key ? glim__pretokenize(t->pre, f->text, f->n, piece, &w, err)
                               : glim__oom(t->ctx, err, "the tokens", t->longest_merge);
    glim__free(t->ctx, w.key);
    glim__buffer_release(&w.written);
    glim__merge_release(&w.merge);
    return status;
}
