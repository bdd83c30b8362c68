/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tiktoken-file.c: GLM-4's own vocabulary: lines of a token in base64 and its
 * rank. The rank is also the priority of the merge that makes the token, so the
 * list needs no merges: it is BPE by score over the byte alphabet, with the
 * negative rank for a score.
 */
#include "base/utf8.h"
#include "file/base64.h"
#include "text/vocabulary-files.h"

#include <string.h>

#define GLM                                                                                        \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "                     \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

struct line {
    const char *token;
    size_t len;
    int32_t rank;
};

/* The next line of the file; false at the end or where it is no such line. */
static bool next_line(const char **at, const char *end, struct line *out) {
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    stop = stop ? stop : end;
    const char *space = memchr(*at, ' ', (size_t)(stop - *at)), *p = space ? space + 1 : stop;
    int64_t rank = 0;
    for (; p < stop && *p >= '0' && *p <= '9' && rank < 1 << 24; p++)
        rank = 10 * rank + (*p - '0');
    while (p < stop && *p == '\r')
        p++;
    if (!space || p < stop || space + 1 == stop || rank >= 1 << 23)
        return false;
    *out = (struct line){*at, (size_t)(space - *at), (int32_t)rank};
    *at = stop < end ? stop + 1 : end;
    return true;
}

glim_status glim__tiktoken_count(glim_pipeline *p, glim_error *err) {
    const char *at = p->file.data, *end = at + p->file.len;
    struct line x;
    size_t lines = 0;
    while (next_line(&at, end, &x)) {
        p->n_pieces = (size_t)x.rank >= p->n_pieces ? (size_t)x.rank + 1 : p->n_pieces;
        lines++;
    }
    if (at < end || p->n_pieces > 4 * lines + (1 << 16))
        return glim_fail(err, GLIM_EFORMAT,
                         "tokenizer.model is neither a SentencePiece model nor a list of tokens "
                         "and ranks (byte %zu)",
                         (size_t)(at - p->file.data));
    return GLIM_OK;
}

static glim_status set_token(glim_pipeline *p, const struct line *x, float *scores,
                             glim_error *err) {
    char raw[1 << 12], text[2 << 12];
    if (x->len > sizeof raw)
        return glim_fail(err, GLIM_ELIMIT, "token %d is too long", x->rank);
    size_t n = glim__base64(x->token, x->len, raw), len = 0;
    if (n == SIZE_MAX)
        return glim_fail(err, GLIM_EFORMAT, "token %d is not base64", x->rank);
    for (size_t i = 0; i < n; i++)
        len += (size_t)glim__utf8_encode(glim__alphabet_letter((uint8_t)raw[i]), text + len);
    const char *kept = glim__arena_strndup(&p->t->arena, text, len);
    if (!kept)
        return glim__oom(p->t->ctx, err, "the vocabulary", len);
    scores[x->rank] = -(float)x->rank;
    return glim__vocabulary_set(p->t, x->rank, (glim_gguf_string){kept, len}, err);
}

static glim_status add_steps(glim_pipeline *p, glim_error *err) {
    json_t *json =
        json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s, s:b, s:b}]}", "type", "Sequence",
                  "pretokenizers", "type", "Split", "pattern", "Regex", GLM, "behavior", "Isolated",
                  "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 0);
    if (!json)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: the tokenizer");
    glim_status status = glim__presplits_read(p, json, err);
    json_decref(json);
    return status;
}

glim_status glim__tiktoken_read(glim_pipeline *p, glim_error *err) {
    const char *at = p->file.data, *end = at + p->file.len;
    size_t V = (size_t)p->t->info.vocab;
    float *scores = glim__arena_calloc(&p->t->arena, V, sizeof *scores);
    glim_status status = scores ? GLIM_OK : glim__oom(p->t->ctx, err, "the vocabulary", 4 * V);
    struct line x;
    p->model = &glim_model_bpe;
    p->t->info.model = "gpt2";
    p->t->scores = scores;
    p->by_score = p->ignore_merges = true;
    while (!status && next_line(&at, end, &x))
        status = set_token(p, &x, scores, err);
    return status ? status : add_steps(p, err);
}
