/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text-testing.h: tiny tokenizers built in memory. Byte-level: ids 0 to 255 are
 * the bytes, then the merges' results in order, then the specials. Scored: ids 0
 * to 2 are <unk> <s> </s>, then (unless left out) 256 byte tokens, then the
 * pieces with scores -1, -2, ...
 */
#ifndef GLIM_TESTS_TEXT_TESTING_H
#define GLIM_TESTS_TEXT_TESTING_H

#include "../base/base-testing.h"
#include "../file/gguf-builder.h"

#include "base/utf8.h"
#include "text/vocabulary.h"

enum { TINY_MOST = 400, TINY_TEXT = 2100, TINY_BYTES = 3 };

struct tiny {
    builder b; /* the tokenizer points into it */
    glim_gguf *g;
    glim_tokenizer *t;
    glim_context *ctx;
};

struct tiny_options {
    const char *pre;            /* byte-level when set, else scored */
    const char *const *merges;  /* "h e", in letters that are their own alphabet */
    const char *const *pieces;  /* scored */
    const char *const *control; /* texts of control tokens */
    const char *const *user;    /* user-defined tokens */
    bool no_bytes, no_prefix;   /* scored: without byte tokens; without the space before */
};

struct tiny_table {
    char text[TINY_MOST][TINY_TEXT];
    int type[TINY_MOST];
    float score[TINY_MOST];
    size_t n;
};

static inline void add_row(struct tiny_table *v, const char *text, int type, float score) {
    assert_true(v->n < TINY_MOST && strlen(text) < sizeof v->text[0]);
    strcpy(v->text[v->n], text);
    v->type[v->n] = type;
    v->score[v->n++] = score;
}

static inline void add_rows(struct tiny_table *v, const char *const *texts, int type) {
    for (size_t i = 0; texts && texts[i]; i++)
        add_row(v, texts[i], type, type == GLIM_TT_NORMAL ? -1 - (float)i : 0);
}

static inline void fill_bytes(struct tiny_table *v, const struct tiny_options *o) {
    char text[8];
    for (int i = 0; i < 256; i++) {
        memset(text, 0, sizeof text);
        glim__utf8_encode(glim__alphabet_letter((uint8_t)i), text);
        add_row(v, text, GLIM_TT_NORMAL, 0);
    }
    for (size_t i = 0; o->merges && o->merges[i]; i++) {
        const char *m = o->merges[i], *space = strchr(m, ' ');
        char joined[TINY_TEXT];
        snprintf(joined, sizeof joined, "%.*s%s", (int)(space - m), m, space + 1);
        add_row(v, joined, GLIM_TT_NORMAL, 0);
    }
}

static inline void fill_pieces(struct tiny_table *v, const struct tiny_options *o) {
    char text[8];
    add_row(v, "<unk>", GLIM_TT_UNKNOWN, 0);
    add_row(v, "<s>", GLIM_TT_CONTROL, 0);
    add_row(v, "</s>", GLIM_TT_CONTROL, 0);
    for (int i = 0; i < 256 && !o->no_bytes; i++) {
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)i);
        add_row(v, text, GLIM_TT_BYTE, 0);
    }
    add_rows(v, o->pieces, GLIM_TT_NORMAL);
}

static inline void put_merges(builder *b, const char *const *merges) {
    uint64_t n = 0;
    while (merges && merges[n])
        n++;
    put_array(b, "tokenizer.ggml.merges", GLIM_GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++)
        put_string(b, merges[i]);
}

static inline void put_vocabulary(builder *b, const struct tiny_table *v) {
    put_array(b, "tokenizer.ggml.tokens", GLIM_GGUF_STRING, v->n);
    for (size_t i = 0; i < v->n; i++)
        put_string(b, v->text[i]);
    put_array(b, "tokenizer.ggml.token_type", GLIM_GGUF_I32, v->n);
    for (size_t i = 0; i < v->n; i++)
        put_u32(b, (uint32_t)v->type[i]);
    put_array(b, "tokenizer.ggml.scores", GLIM_GGUF_F32, v->n);
    put(b, v->score, 0);
    for (size_t i = 0; i < v->n; i++)
        put(b, &v->score[i], 4);
}

static inline void tiny_open(struct tiny *y, glim_context *ctx, const struct tiny_options *o) {
    static struct tiny_table v;
    glim_error err = {0};
    v.n = 0;
    if (o->pre)
        fill_bytes(&v, o);
    else
        fill_pieces(&v, o);
    add_rows(&v, o->control, GLIM_TT_CONTROL);
    add_rows(&v, o->user, GLIM_TT_USER);
    *y = (struct tiny){.ctx = ctx};
    put_header(&y->b, 3, 0, 6);
    put_key_string(&y->b, "tokenizer.ggml.model", o->pre ? "gpt2" : "llama");
    put_key_string(&y->b, "tokenizer.ggml.pre", o->pre ? o->pre : "default");
    put_key(&y->b, "tokenizer.ggml.add_space_prefix", GLIM_GGUF_BOOL);
    put(&y->b, o->pre || o->no_prefix ? "\0" : "\1", 1);
    put_vocabulary(&y->b, &v);
    if (o->pre)
        put_merges(&y->b, o->merges);
    y->b.at[16] = o->pre ? 7 : 6; /* the count of keys */
    pad(&y->b, 32);
    if (glim__gguf_open_memory(&y->g, ctx, y->b.at, y->b.n, "tiny.gguf", &err) ||
        glim__tokenizer_open(&y->t, ctx, y->g, "llama", &err))
        fail_msg("%s", err.message);
}

static inline void tiny_close(struct tiny *y) {
    glim__tokenizer_close(y->t);
    glim__gguf_close(y->g);
}

/* Tokens of a text; release with glim__token_list_release. */
static inline glim_token_list tiny_tokens(const struct tiny *y, const char *text, size_t n,
                                          bool specials) {
    glim_token_list list = {.ctx = y->ctx};
    glim_error err = {0};
    if (glim__tokenize(y->t, &list, text, n, 0, true, specials, &err))
        fail_msg("%s", err.message);
    return list;
}

/* Spans go forward, leave nothing out, and end at the end. */
static inline void check_cover(const glim_token *at, size_t count, size_t n, const char *name) {
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (at[i].start > end || at[i].end < end || at[i].end > n || at[i].start > at[i].end)
            fail_msg("%s: token %zu has the bytes %zu to %zu after %zu", name, i, at[i].start,
                     at[i].end, end);
        end = at[i].end;
    }
    if (end != n)
        fail_msg("%s: the tokens end at byte %zu of %zu", name, end, n);
}

#endif
