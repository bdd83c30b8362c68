/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tokenizer from the keys tokenizer.* of a GGUF file: its tables, and the
 * walk that splits text at special tokens and hands the rest to the model's
 * algorithm. Control tokens in a user's text are text unless the caller asks:
 * otherwise a prompt could end its own turn.
 */
#include "text/pipeline.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static bool is(glim_gguf_string s, const char *word) {
    return s.len == strlen(word) && !memcmp(s.data, word, s.len);
}

/* ---- tables ---- */

static glim_status read_types(glim_tokenizer *t, const glim_gguf *g, glim_error *err) {
    const glim_gguf_value *v = glim__gguf_find(g, "tokenizer.ggml.token_type");
    t->type = glim__arena_alloc(&t->arena, (size_t)t->info.vocab);
    if (!t->type)
        return glim__oom(t->ctx, err, "the vocabulary", (uint64_t)t->info.vocab);
    memset(t->type, GLIM_TT_NORMAL, (size_t)t->info.vocab);
    if (!v)
        return GLIM_OK;
    if (v->type != GLIM_GGUF_ARRAY || v->element == GLIM_GGUF_STRING ||
        v->count < (uint64_t)t->info.vocab)
        return glim_fail(err, GLIM_EFORMAT,
                         "key 'tokenizer.ggml.token_type' is shorter than the "
                         "vocabulary");
    for (int32_t i = 0; i < t->info.vocab; i++) {
        double type = v->element == GLIM_GGUF_I32 || v->element == GLIM_GGUF_U32
                          ? ((const uint8_t *)v->data)[4 * (size_t)i]
                          : glim__gguf_element(v, (uint64_t)i);
        t->type[i] = type >= 1 && type <= 6 ? (uint8_t)type : GLIM_TT_NORMAL;
    }
    return GLIM_OK;
}

static glim_status read_tokens(glim_tokenizer *t, const glim_gguf *g, glim_error *err) {
    const glim_gguf_value *v = glim__gguf_find(g, "tokenizer.ggml.tokens");
    if (!v || v->type != GLIM_GGUF_ARRAY || v->element != GLIM_GGUF_STRING || !v->count)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key 'tokenizer.ggml.tokens'");
    if (v->count > 1 << 23)
        return glim_fail(err, GLIM_ELIMIT, "the vocabulary has more than 2^23 tokens");
    t->info.vocab = (int32_t)v->count;
    size_t V = (size_t)v->count;
    t->text = glim__arena_alloc(&t->arena, V * sizeof *t->text);
    t->bytes = glim__arena_alloc(&t->arena, V * sizeof *t->bytes);
    if (!t->text || !t->bytes)
        return glim__oom(t->ctx, err, "the vocabulary", V * sizeof *t->text);
    const void *cursor = NULL;
    for (size_t i = 0; i < V; i++)
        t->text[i] = t->bytes[i] = glim__gguf_next_string(v, &cursor);
    return read_types(t, g, err);
}

static bool special(const glim_tokenizer *t, int32_t id) {
    return t->type[id] == GLIM_TT_CONTROL || t->type[id] == GLIM_TT_USER;
}

static int longer_first(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void note_length(glim_tokenizer *t, size_t len) {
    for (size_t i = 0; i < t->n_lengths; i++)
        if (t->special_lengths[i] == len)
            return;
    t->special_lengths[t->n_lengths++] = len;
}

bool glim__specials_begin(glim_tokenizer *t, size_t most) {
    t->special_lengths = glim__arena_calloc(&t->arena, most + 1, sizeof *t->special_lengths);
    return t->special_lengths != NULL;
}

bool glim__specials_add(glim_tokenizer *t, int32_t id) {
    glim_gguf_string s = t->text[id];
    t->special_first[(uint8_t)s.data[0]] = true;
    note_length(t, s.len);
    return glim__map_set(&t->specials, s.data, s.len, id, NULL);
}

void glim__specials_end(glim_tokenizer *t) {
    qsort(t->special_lengths, t->n_lengths, sizeof *t->special_lengths, longer_first);
}

/* The last id of equal texts wins; empty texts are never matched. */
static glim_status index_tokens(glim_tokenizer *t, glim_error *err) {
    size_t specials = 0;
    for (int32_t i = 0; i < t->info.vocab; i++)
        specials += special(t, i);
    bool ok =
        glim__specials_begin(t, specials) && glim__map_reserve(&t->ids, (size_t)t->info.vocab);
    for (int32_t i = 0; i < t->info.vocab && ok; i++) {
        glim_gguf_string s = t->text[i];
        if (!s.len || t->type[i] == GLIM_TT_BYTE || t->type[i] == GLIM_TT_UNKNOWN)
            continue;
        if (special(t, i))
            ok = glim__specials_add(t, i);
        if (t->type[i] != GLIM_TT_CONTROL && ok)
            ok = glim__map_set(&t->ids, s.data, s.len, i, NULL);
    }
    glim__specials_end(t);
    return ok ? GLIM_OK : glim__oom(t->ctx, err, "the vocabulary", 0);
}

static glim_status read_merges(glim_tokenizer *t, const glim_gguf *g, glim_error *err) {
    const glim_gguf_value *v = glim__gguf_find(g, "tokenizer.ggml.merges");
    if (!v || v->type != GLIM_GGUF_ARRAY || v->element != GLIM_GGUF_STRING)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key 'tokenizer.ggml.merges'");
    if (v->count > 1 << 24)
        return glim_fail(err, GLIM_ELIMIT, "the tokenizer has more than 2^24 merges");
    bool ok = glim__map_reserve(&t->merges, (size_t)v->count);
    const void *cursor = NULL;
    for (uint64_t i = 0; i < v->count && ok; i++) {
        glim_gguf_string s = glim__gguf_next_string(v, &cursor);
        int32_t old;
        t->longest_merge = s.len > t->longest_merge ? s.len : t->longest_merge;
        ok = glim__map_set(&t->merges, s.data, s.len, (int32_t)i, &old);
        if (ok && old >= 0) /* the first of equal merges counts */
            ok = glim__map_set(&t->merges, s.data, s.len, old, NULL);
    }
    return ok ? GLIM_OK : glim__oom(t->ctx, err, "the merges", 0);
}

/* ---- bytes of tokens, decoded where they differ from the text ---- */

/* Room in the slab that glim__tokens_decode made for all of them. */
static char *take(glim_tokenizer *t, size_t n) {
    char *at = t->slab;
    t->slab += n;
    return at;
}

static void decode_alphabet(glim_tokenizer *t, int32_t id) {
    glim_gguf_string s = t->text[id];
    size_t i = 0, n = 0;
    while (i < s.len && s.data[i] > 0x20 && s.data[i] < 0x7f)
        i++;
    if (i == s.len)
        return;
    char *out = take(t, s.len);
    for (i = 0; i < s.len;) {
        uint32_t cp;
        int len = glim__utf8_decode(s.data + i, s.len - i, &cp), byte;
        if (!len || (byte = glim__alphabet_byte(cp)) < 0)
            return; /* outside the alphabet: shown raw */
        out[n++] = (char)byte;
        i += (size_t)len;
    }
    t->bytes[id] = (glim_gguf_string){out, n};
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void decode_pieces(glim_tokenizer *t, int32_t id) {
    glim_gguf_string s = t->text[id];
    if (t->type[id] == GLIM_TT_BYTE) {
        if (s.len != 6 || hex(s.data[3]) < 0 || hex(s.data[4]) < 0)
            return;
        char *out = take(t, 1);
        *out = (char)(hex(s.data[3]) * 16 + hex(s.data[4]));
        t->byte_ids[(uint8_t)*out] = id;
        t->bytes[id] = (glim_gguf_string){out, 1};
        return;
    }
    if (s.len < 3 || !memmem(s.data, s.len, "\xe2\x96\x81", 3))
        return;
    char *out = take(t, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len;) {
        bool space = s.len - i >= 3 && !memcmp(s.data + i, "\xe2\x96\x81", 3);
        out[n++] = space ? ' ' : s.data[i];
        i += space ? 3 : 1;
    }
    t->bytes[id] = (glim_gguf_string){out, n};
}

glim_status glim__tokens_decode(glim_tokenizer *t, glim_error *err) {
    bool gpt2 = !strcmp(t->info.model, "gpt2");
    size_t total = 0;
    for (int i = 0; i < 256; i++)
        t->byte_ids[i] = -1;
    for (int32_t i = 0; i < t->info.vocab; i++)
        total += t->text[i].len;
    t->slab = glim__arena_alloc(&t->arena, total + 1);
    if (!t->slab)
        return glim__oom(t->ctx, err, "the vocabulary", total);
    for (int32_t i = 0; i < t->info.vocab; i++) {
        if (special(t, i))
            continue;
        if (gpt2)
            decode_alphabet(t, i);
        else
            decode_pieces(t, i);
    }
    return GLIM_OK;
}

/* ---- opening ---- */

static int32_t read_id(const glim_gguf *g, const char *key, int32_t vocab, int32_t fallback) {
    int64_t id = fallback;
    bool found;
    if (glim__gguf_int(g, key, 0, vocab - 1, &id, &found, NULL))
        return -1;
    return id < vocab ? (int32_t)id : -1;
}

void glim__ends_add(glim_tokenizer *t, int32_t id) {
    if (id >= 0 && id < t->info.vocab && t->n_ends < GLIM_ENDS && !glim__token_ends(t, id))
        t->ends[t->n_ends++] = id;
}

void glim__ends_by_name(glim_tokenizer *t) {
    static const char *const names[] = {
        "<|eot_id|>",    "<|im_end|>",      "<|end|>", "<end_of_turn>",
        "<|endoftext|>", "<|end_of_text|>", "</s>",    "<eos>",
        "<|eom_id|>",    "<|observation|>", "<|user|>"};
    bool glm = glim__token_by_name(t, "[gMASK]") >= 0;
    for (size_t i = 0; i < sizeof names / sizeof *names - (glm ? 0 : 2); i++) {
        int32_t id = glim__token_by_name(t, names[i]);
        if (id >= 0 && t->type[id] == GLIM_TT_CONTROL)
            glim__ends_add(t, id);
    }
}

static void find_ends(glim_tokenizer *t, const glim_gguf *g) {
    glim__ends_add(t, t->info.eos);
    glim__ends_add(t, read_id(g, "tokenizer.ggml.eot_token_id", t->info.vocab, -1));
    glim__ends_add(t, read_id(g, "tokenizer.ggml.eom_token_id", t->info.vocab, -1));
    glim__ends_by_name(t);
}

static glim_gguf_string name_of(const glim_tokenizer *t, int32_t id) {
    return id < 0 ? (glim_gguf_string){0} : t->text[id];
}

void glim__name_specials(glim_tokenizer *t) {
    t->info.bos_text = name_of(t, t->info.bos);
    t->info.eos_text = name_of(t, t->info.eos);
    t->info.unk_text = name_of(t, t->info.unk);
    t->info.pad_text = name_of(t, t->info.pad);
}

static glim_status read_specials(glim_tokenizer *t, const glim_gguf *g, glim_error *err) {
    bool llama = !strcmp(t->info.model, "llama");
    int32_t V = t->info.vocab;
    int32_t gpt2_end = V > 11 && t->type[11] == GLIM_TT_CONTROL ? 11 : -1;
    t->info.bos = read_id(g, "tokenizer.ggml.bos_token_id", V, llama ? 1 : gpt2_end);
    t->info.eos = read_id(g, "tokenizer.ggml.eos_token_id", V, llama ? 2 : gpt2_end);
    t->info.unk = read_id(g, "tokenizer.ggml.unknown_token_id", V, llama ? 0 : -1);
    t->info.pad = read_id(g, "tokenizer.ggml.padding_token_id", V, -1);
    glim__name_specials(t);
    t->info.add_bos = llama || glim__pretokenizer_adds_bos(t->info.pre);
    t->space_prefix = llama;
    glim_status status;
    if ((status =
             glim__gguf_bool(g, "tokenizer.ggml.add_bos_token", &t->info.add_bos, NULL, err)) ||
        (status =
             glim__gguf_bool(g, "tokenizer.ggml.add_eos_token", &t->info.add_eos, NULL, err)) ||
        (status =
             glim__gguf_bool(g, "tokenizer.ggml.add_space_prefix", &t->space_prefix, NULL, err)))
        return status;
    t->info.add_bos = t->info.add_bos && t->info.bos >= 0;
    t->info.add_eos = t->info.add_eos && t->info.eos >= 0;
    glim_gguf_string chat = {0};
    bool found = false;
    if ((status = glim__gguf_text(g, "tokenizer.chat_template", &chat, &found, err)))
        return status;
    if (found) {
        t->info.chat_template = chat.data;
        t->info.chat_template_len = chat.len;
    }
    find_ends(t, g);
    return GLIM_OK;
}

static glim_status read_model(glim_tokenizer *t, const glim_gguf *g, glim_error *err) {
    glim_gguf_string model = {0}, pre = {0};
    bool has_model = false, has_pre = false;
    glim_status status;
    if ((status = glim__gguf_text(g, "tokenizer.ggml.model", &model, &has_model, err)) ||
        (status = glim__gguf_text(g, "tokenizer.ggml.pre", &pre, &has_pre, err)))
        return status;
    if (!has_model)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key 'tokenizer.ggml.model'");
    if (is(model, "gpt2")) {
        t->info.model = "gpt2";
        t->encode = glim__bpe_encode;
        t->info.pre = glim__arena_strndup(&t->arena, pre.data ? pre.data : "", pre.len);
        if (!t->info.pre)
            return glim__oom(t->ctx, err, "the tokenizer", pre.len);
        if (!has_pre)
            t->info.warning = "the file does not name its pre-tokenizer: tokens may be wrong";
        t->ignore_merges = glim__pretokenizer_ignores_merges(t->info.pre);
        t->nfc = !strcmp(t->info.pre, "qwen2") || !strcmp(t->info.pre, "qwen35");
        return glim__pretokenizer_open(&t->pre, t->ctx, t->info.pre, err);
    }
    if (is(model, "llama")) {
        t->info.model = "llama";
        t->info.pre = "";
        t->encode = glim__spm_encode;
        return GLIM_OK;
    }
    return glim_fail(err, GLIM_EUNSUPPORTED,
                     "the tokenizer '%.*s' is not known (known: gpt2, llama, t5)",
                     (int)(model.len < 40 ? model.len : 40), model.data);
}

static glim_status read_scores(glim_tokenizer *t, const glim_gguf *g, glim_error *err) {
    const glim_gguf_value *v = glim__gguf_find(g, "tokenizer.ggml.scores");
    if (!v)
        return GLIM_OK;
    if (v->type != GLIM_GGUF_ARRAY || v->element != GLIM_GGUF_F32 ||
        v->count < (uint64_t)t->info.vocab)
        return glim_fail(err, GLIM_EFORMAT, "key 'tokenizer.ggml.scores' is not one float a token");
    t->scores = v->data;
    return GLIM_OK;
}

glim_status glim__tokenizer_open(glim_tokenizer **out, glim_context *ctx, const glim_gguf *g,
                                 const char *arch, glim_error *err) {
    *out = NULL;
    glim_gguf_string model = {0};
    if (!glim__gguf_text(g, "tokenizer.ggml.model", &model, NULL, NULL) && is(model, "t5"))
        return glim__unigram_open(out, ctx, g, err);
    glim_tokenizer *t = glim__calloc(ctx, 1, sizeof *t);
    if (!t)
        return glim__oom(ctx, err, "the tokenizer", sizeof *t);
    t->ctx = ctx;
    glim__arena_init(&t->arena, ctx, 1 << 18);
    glim__map_init(&t->ids, ctx);
    glim__map_init(&t->specials, ctx);
    glim__map_init(&t->merges, ctx);
    glim_status status = read_model(t, g, err);
    if (!status)
        status = read_tokens(t, g, err);
    if (!status)
        status = index_tokens(t, err);
    if (!status && !strcmp(t->info.model, "gpt2"))
        status = read_merges(t, g, err);
    if (!status)
        status = read_scores(t, g, err);
    if (!status)
        status = glim__tokens_decode(t, err);
    if (!status)
        status = read_specials(t, g, err);
    if (status) {
        glim__tokenizer_close(t);
        return status;
    }
    *out = t;
    return GLIM_OK;
}

void glim__tokenizer_close(glim_tokenizer *t) {
    if (!t)
        return;
    glim__pretokenizer_close(t->pre);
    glim__pipeline_free(t->pipeline);
    glim__map_release(&t->ids);
    glim__map_release(&t->specials);
    glim__map_release(&t->merges);
    glim__arena_release(&t->arena);
    glim__free(t->ctx, t);
}

const glim_tokenizer_info *glim__tokenizer_info(const glim_tokenizer *t) {
    return &t->info;
}

/* ---- looking up ---- */

float glim__token_score(const glim_tokenizer *t, int32_t id) {
    float score = 0;
    if (t->scores)
        memcpy(&score, (const char *)t->scores + 4 * (size_t)id, 4);
    return score;
}

glim_gguf_string glim__token_bytes(const glim_tokenizer *t, int32_t id) {
    return id >= 0 && id < t->info.vocab ? t->bytes[id] : (glim_gguf_string){"", 0};
}

bool glim__token_is_control(const glim_tokenizer *t, int32_t id) {
    return id >= 0 && id < t->info.vocab &&
           (t->type[id] == GLIM_TT_CONTROL || t->type[id] == GLIM_TT_UNKNOWN);
}

bool glim__token_ends(const glim_tokenizer *t, int32_t id) {
    for (int i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return true;
    return false;
}

int32_t glim__token_by_bytes(const glim_tokenizer *t, const char *bytes, size_t n) {
    char written[1024];
    size_t len = 0;
    bool gpt2 = !strcmp(t->info.model, "gpt2");
    if (!n || n > 256)
        return -1;
    if (!strcmp(t->info.model, "bert")) /* no token of it has a space */
        return glim__map_get(&t->ids, bytes + (*bytes == ' '), n - (*bytes == ' '));
    for (size_t i = 0; i < n; i++) {
        if (gpt2)
            len +=
                (size_t)glim__utf8_encode(glim__alphabet_letter((uint8_t)bytes[i]), written + len);
        else if (bytes[i] == ' ')
            len += (size_t)glim__utf8_encode(0x2581, written + len);
        else
            written[len++] = bytes[i];
    }
    int32_t id = glim__map_get(&t->ids, written, len);
    return id < 0 && n == 1 && !gpt2 ? t->byte_ids[(uint8_t)bytes[0]] : id;
}

int32_t glim__token_by_name(const glim_tokenizer *t, const char *name) {
    return glim__map_get(&t->specials, name, strlen(name));
}

/* ---- lists ---- */

bool glim__token_push(glim_token_list *list, int32_t id, glim_token_kind kind, size_t start,
                      size_t end, int turn) {
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        glim_token *at = glim__realloc(list->ctx, list->at, cap * sizeof *at);
        if (!at)
            return false;
        list->at = at;
        list->cap = cap;
    }
    list->at[list->count++] = (glim_token){id, kind, start, end, turn};
    return true;
}

void glim__token_list_release(glim_token_list *list) {
    glim__free(list->ctx, list->at);
    *list = (glim_token_list){.ctx = list->ctx};
}

void glim__fragment_span(const glim_fragment *f, size_t a, size_t b, size_t *start, size_t *end) {
    *start = f->from ? (a < f->n ? f->from[a] : f->to[f->n - 1]) : a;
    *end = f->to ? (b ? f->to[b - 1] : *start) : b;
    if (*end < *start)
        *end = *start;
}

/* ---- text -> tokens ---- */

/* The special token at text[0..n), longest first, or -1. */
static int32_t special_at(const glim_tokenizer *t, const char *text, size_t n, bool controls,
                          size_t *len) {
    if (!t->special_first[(uint8_t)text[0]])
        return -1;
    for (size_t i = 0; i < t->n_lengths; i++) {
        size_t want = t->special_lengths[i];
        int32_t id = want <= n ? glim__map_get(&t->specials, text, want) : -1;
        if (id >= 0 && (controls || t->type[id] == GLIM_TT_USER)) {
            *len = want;
            return id;
        }
    }
    return -1;
}

static glim_status encode_run(const glim_tokenizer *t, glim_token_list *out, const char *text,
                              size_t n, size_t base, bool first, glim_error *err) {
    glim_fragment f = {.text = text, .n = n, .first = first};
    if (!n)
        return GLIM_OK;
    if (!t->nfc)
        return t->encode(t, out, &f, base, err);
    glim_arena arena;
    glim_fragment composed;
    glim__arena_init(&arena, t->ctx, 1 << 12);
    glim_status status = glim__nfc(&composed, &arena, text, n, err);
    composed.first = first;
    if (!status)
        status = t->encode(t, out, composed.text ? &composed : &f, base, err);
    glim__arena_release(&arena);
    return status;
}

glim_status glim__tokenize(const glim_tokenizer *t, glim_token_list *out, const char *text,
                           size_t n, size_t base, bool first, bool parse_special, glim_error *err) {
    size_t bad = glim__utf8_check(text, n), run = 0;
    if (bad < n)
        return glim_fail(err, GLIM_EFORMAT, "the text is not valid UTF-8 at byte %zu", base + bad);
    if (n > (size_t)1 << 30)
        return glim_fail(err, GLIM_ELIMIT, "the text has %zu bytes; at most 2^30", n);
    if (t->pipeline)
        return glim__pipeline_tokenize(t, out, text, n, base, first, parse_special, err);
    for (size_t i = 0; i < n;) {
        size_t len;
        int32_t id = special_at(t, text + i, n - i, parse_special, &len);
        if (id < 0) {
            i++;
            continue;
        }
        glim_status status = encode_run(t, out, text + run, i - run, base + run, first, err);
        if (status)
            return status;
        if (!glim__token_push(out, id, GLIM_TOKEN_TEXT, base + i, base + i + len, -1))
            return glim__oom(t->ctx, err, "the tokens", 0);
        i = run = i + len;
        first = true;
    }
    return encode_run(t, out, text + run, n - run, base + run, first, err);
}
