/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer-json.c: the parts of a tokenizer.json. The vocabulary and the merges,
 * which are nearly all of the file, are walked where they lie; every other part
 * is small and is parsed to a tree.
 */
#include "base/utf8.h"
#include "text/json-scan.h"
#include "text/pipeline.h"

#include <string.h>

enum { PART_ADDED, PART_NORMALIZER, PART_PRE, PART_POST, PART_DECODER, PARTS };
static const char *const part_names[PARTS] = {"added_tokens", "normalizer", "pre_tokenizer",
                                              "post_processor", "decoder"};

enum {
    O_TYPE,
    O_UNK,
    O_UNK_ID,
    O_PREFIX,
    O_SUFFIX,
    O_FUSE,
    O_BYTES,
    O_IGNORE,
    O_LONGEST,
    O_DROPOUT,
    OPTIONS
};
static const char *const option_names[OPTIONS] = {
    "type",     "unk_token",     "unk_id",        "continuing_subword_prefix", "end_of_word_suffix",
    "fuse_unk", "byte_fallback", "ignore_merges", "max_input_chars_per_word",  "dropout"};

struct reader {
    glim_pipeline *p;
    glim_scan scan;
    json_t *parts[PARTS], *options[OPTIONS];
    glim_gguf_string vocab, merges;
    bool seen_model;
};

static bool is(glim_gguf_string s, const char *word) {
    return s.len == strlen(word) && !memcmp(s.data, word, s.len);
}

/* Parses a member if its name is in the list; the others are checked and dropped. */
static glim_status parse_member(struct reader *r, glim_gguf_string key, const char *const *names,
                                json_t **values, size_t n, glim_error *err) {
    glim_gguf_string span;
    json_t *value = NULL;
    glim_status status = glim__scan_skip(&r->scan, &span, err);
    if (!status)
        status = glim__json_parse(&value, span.data, span.len, r->scan.name, err);
    for (size_t i = 0; i < n && !status; i++) {
        if (!is(key, names[i]))
            continue;
        if (values[i]) {
            status = glim_fail(err, GLIM_EFORMAT, "%s has '%s' twice", r->scan.name, names[i]);
            break;
        }
        values[i] = value;
        return GLIM_OK;
    }
    json_decref(value);
    return status;
}

static glim_status read_model_members(struct reader *r, glim_error *err) {
    bool more, first = true;
    glim_status status = glim__scan_enter(&r->scan, '{', err);
    if (r->seen_model && !status)
        return glim_fail(err, GLIM_EFORMAT, "%s has 'model' twice", r->scan.name);
    r->seen_model = true;
    for (; !status; first = false) {
        glim_gguf_string key = {0};
        if ((status = glim__scan_next(&r->scan, '{', first, &more, err)) || !more)
            break;
        if ((status = glim__scan_key(&r->scan, &key, err)))
            break;
        glim_gguf_string *span = is(key, "vocab")    ? &r->vocab
                                 : is(key, "merges") ? &r->merges
                                                     : NULL;
        if (span && span->data)
            return glim_fail(err, GLIM_EFORMAT, "the model of %s has '%.*s' twice", r->scan.name,
                             (int)key.len, key.data);
        status = span ? glim__scan_skip(&r->scan, span, err)
                      : parse_member(r, key, option_names, r->options, OPTIONS, err);
    }
    return status;
}

static glim_status read_members(struct reader *r, glim_error *err) {
    bool more, first = true;
    glim_status status = glim__scan_enter(&r->scan, '{', err);
    for (; !status; first = false) {
        glim_gguf_string key;
        if ((status = glim__scan_next(&r->scan, '{', first, &more, err)) || !more)
            break;
        if ((status = glim__scan_key(&r->scan, &key, err)))
            break;
        status = is(key, "model") ? read_model_members(r, err)
                                  : parse_member(r, key, part_names, r->parts, PARTS, err);
    }
    if (!status && glim__scan_peek(&r->scan))
        status = glim__scan_bad(&r->scan, "the end of the file", err);
    if (!status && !r->seen_model)
        status = glim_fail(err, GLIM_EFORMAT, "%s has no 'model'", r->scan.name);
    return status;
}

/* ---- added tokens ---- */

static glim_status read_added(struct reader *r, glim_error *err) {
    glim_pipeline *p = r->p;
    const json_t *list = r->parts[PART_ADDED];
    size_t n = json_array_size(list);
    p->added = glim__arena_calloc(&p->t->arena, n + 1, sizeof *p->added);
    if (!p->added)
        return glim__oom(p->t->ctx, err, "the tokenizer", n * sizeof *p->added);
    for (size_t i = 0; i < n; i++) {
        const json_t *j = json_array_get(list, i), *id = json_object_get(j, "id");
        const json_t *content = json_object_get(j, "content");
        if (!json_is_integer(id) || !json_is_string(content) || json_integer_value(id) < 0 ||
            json_integer_value(id) > INT32_MAX)
            return glim_fail(err, GLIM_EFORMAT, "added token %zu of %s lacks its id or content", i,
                             r->scan.name);
        glim_added *a = &p->added[p->n_added];
        *a = (glim_added){.id = (int32_t)json_integer_value(id),
                          .special = json_is_true(json_object_get(j, "special")),
                          .normalized = json_is_true(json_object_get(j, "normalized")),
                          .lstrip = json_is_true(json_object_get(j, "lstrip")),
                          .rstrip = json_is_true(json_object_get(j, "rstrip")),
                          .single_word = json_is_true(json_object_get(j, "single_word"))};
        a->content.len = json_string_length(content);
        a->content.data =
            glim__arena_strndup(&p->t->arena, json_string_value(content), a->content.len);
        if (!a->content.data)
            return glim__oom(p->t->ctx, err, "the tokenizer", a->content.len);
        p->n_added += a->content.len > 0;
    }
    return GLIM_OK;
}

/* ---- vocabulary ---- */

typedef glim_status entry_fn(struct reader *r, size_t i, glim_gguf_string text, double value,
                             glim_error *err);

/* Calls fn for each entry of {"text": id, ...} or [["text", score], ...]. */
static glim_status walk_vocab(struct reader *r, bool list, entry_fn *fn, glim_error *err) {
    glim_scan s = r->scan;
    bool more, first = true;
    char open = list ? '[' : '{';
    if (!r->vocab.data)
        return glim_fail(err, GLIM_EFORMAT, "the model of %s has no vocab", s.name);
    s.at = r->vocab.data;
    s.end = r->vocab.data + r->vocab.len;
    glim_status status = glim__scan_enter(&s, open, err);
    for (size_t i = 0; !status; i++, first = false) {
        glim_gguf_string text = {0};
        double value = 0;
        int32_t id = 0;
        if ((status = glim__scan_next(&s, open, first, &more, err)) || !more)
            break;
        if (list) {
            status = glim__scan_enter(&s, '[', err);
            if (!status)
                status = glim__scan_string(&s, &text, err);
            if (!status)
                status = glim__scan_next(&s, '[', false, &more, err);
            if (!status)
                status = glim__scan_real(&s, &value, err);
            if (!status)
                status = glim__scan_next(&s, '[', false, &more, err);
            if (!status && more)
                status = glim__scan_bad(&s, "']'", err);
        } else {
            status = glim__scan_key(&s, &text, err);
            if (!status)
                status = glim__scan_id(&s, &id, err);
            value = id;
        }
        if (!status)
            status = fn(r, i, text, value, err);
    }
    return status;
}

struct counter {
    struct reader r; /* first: the callbacks get it */
    size_t count;
    double highest;
};

static glim_status count_entry(struct reader *r, size_t i, glim_gguf_string text, double value,
                               glim_error *err) {
    struct counter *c = (struct counter *)(void *)r;
    c->count = i + 1;
    c->highest = value > c->highest ? value : c->highest;
    return GLIM_OK;
}

static glim_status set_entry(struct reader *r, size_t i, glim_gguf_string text, double value,
                             glim_error *err) {
    if (glim__map_get(&r->p->t->ids, text.data, text.len) >= 0)
        return glim_fail(err, GLIM_EFORMAT, "the vocabulary has '%.*s' twice",
                         (int)(text.len < 60 ? text.len : 60), text.data);
    return glim__vocabulary_set(r->p->t, (int32_t)value, text, err);
}

static glim_status set_scored(struct reader *r, size_t i, glim_gguf_string text, double value,
                              glim_error *err) {
    r->p->scores[i] = value;
    if (!i || value - 10 < r->p->unknown_score)
        r->p->unknown_score = value - 10;
    return glim__vocabulary_set(r->p->t, (int32_t)i, text, err);
}

static glim_status read_vocab(struct reader *r, bool list, glim_error *err) {
    glim_pipeline *p = r->p;
    struct counter c = {.r = *r, .highest = -1};
    c.r.scan.arena = &p->t->arena;
    glim_status status = walk_vocab(&c.r, list, count_entry, err);
    if (status)
        return status;
    double top = list ? (double)c.count - 1 : c.highest;
    for (size_t i = 0; i < p->n_added; i++)
        top = p->added[i].id > top ? p->added[i].id : top;
    if (top > 4.0 * (double)(c.count + p->n_added) + (1 << 16))
        return glim_fail(err, GLIM_ELIMIT, "a token has the id %.0f; there are only %zu tokens",
                         top, c.count + p->n_added);
    if ((status = glim__vocabulary_room(p->t, (size_t)(top + 1), err)))
        return status;
    if (list) {
        p->scores = glim__arena_calloc(&p->t->arena, (size_t)p->t->info.vocab, sizeof *p->scores);
        if (!p->scores)
            return glim__oom(p->t->ctx, err, "the vocabulary", 8 * c.count);
    }
    return walk_vocab(r, list, list ? set_scored : set_entry, err);
}

/* ---- merges ---- */

static glim_status read_merge(struct reader *r, glim_scan *s, size_t rank, bool add,
                              glim_error *err) {
    glim_gguf_string a, b = {0};
    glim_status status;
    if (glim__scan_peek(s) == '[') {
        bool more;
        status = glim__scan_enter(s, '[', err);
        if (!status)
            status = glim__scan_string(s, &a, err);
        if (!status)
            status = glim__scan_next(s, '[', false, &more, err);
        if (!status)
            status = glim__scan_string(s, &b, err);
        if (!status)
            status = glim__scan_next(s, '[', false, &more, err);
        if (!status && more)
            status = glim__scan_bad(s, "']'", err);
    } else {
        status = glim__scan_string(s, &a, err);
        const char *space = status ? NULL : memchr(a.data, ' ', a.len);
        if (!status && !space)
            status = glim_fail(err, GLIM_EFORMAT, "merge %zu has no space", rank);
        if (!status) {
            b = (glim_gguf_string){space + 1, a.len - (size_t)(space + 1 - a.data)};
            a.len = (size_t)(space - a.data);
        }
    }
    return status || !add ? status : glim__merges_add(r->p, rank, a, b, err);
}

/* Twice: to count them, and to add them. */
static glim_status read_merges(struct reader *r, glim_error *err) {
    size_t count = 0;
    glim_status status = GLIM_OK;
    if (!r->merges.data)
        return glim_fail(err, GLIM_EFORMAT, "the model of %s has no merges", r->scan.name);
    for (int pass = 0; pass < 2 && !status; pass++) {
        glim_scan s = r->scan;
        bool more, first = true;
        s.at = r->merges.data;
        s.end = r->merges.data + r->merges.len;
        if (pass)
            status = glim__merges_room(r->p, count, err);
        count = 0;
        if (!status)
            status = glim__scan_enter(&s, '[', err);
        for (; !status; first = false) {
            if ((status = glim__scan_next(&s, '[', first, &more, err)) || !more)
                break;
            status = read_merge(r, &s, count++, pass > 0, err);
        }
    }
    return status;
}

/* ---- models ---- */

static glim_status option_text(struct reader *r, int which, const char **out, size_t *len,
                               glim_error *err) {
    const json_t *v = r->options[which];
    if (!json_is_string(v))
        return GLIM_OK;
    *len = json_string_length(v);
    *out = glim__arena_strndup(&r->p->t->arena, json_string_value(v), *len);
    return *out ? GLIM_OK : glim__oom(r->p->t->ctx, err, "the tokenizer", *len);
}

static glim_status find_unknown(struct reader *r, glim_error *err) {
    const json_t *v = r->options[O_UNK];
    glim_tokenizer *t = r->p->t;
    if (!json_is_string(v))
        return GLIM_OK;
    t->info.unk = glim__map_get(&t->ids, json_string_value(v), json_string_length(v));
    for (size_t i = 0; i < r->p->n_added && t->info.unk < 0; i++)
        if (is(r->p->added[i].content, json_string_value(v)))
            t->info.unk = r->p->added[i].id;
    return t->info.unk >= 0 ? GLIM_OK
                            : glim_fail(err, GLIM_EFORMAT,
                                        "the unknown token '%.60s' is not in "
                                        "the vocabulary",
                                        json_string_value(v));
}

static glim_status read_bpe(struct reader *r, glim_error *err) {
    glim_pipeline *p = r->p;
    glim_status status;
    p->model = &glim_model_bpe;
    p->fuse_unknown = json_is_true(r->options[O_FUSE]);
    p->byte_fallback = json_is_true(r->options[O_BYTES]);
    p->ignore_merges = json_is_true(r->options[O_IGNORE]);
    if (json_number_value(r->options[O_DROPOUT]) > 0)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "the model of %s has a dropout: its tokens would be random", r->scan.name);
    if ((status = option_text(r, O_PREFIX, &p->prefix, &p->prefix_len, err)) ||
        (status = option_text(r, O_SUFFIX, &p->suffix, &p->suffix_len, err)) ||
        (status = read_vocab(r, false, err)) || (status = read_merges(r, err)))
        return status;
    return find_unknown(r, err);
}

static glim_status read_wordpiece(struct reader *r, glim_error *err) {
    glim_pipeline *p = r->p;
    const json_t *longest = r->options[O_LONGEST];
    glim_status status;
    p->model = &glim_model_wordpiece;
    p->prefix = "##";
    p->prefix_len = 2;
    if (json_is_integer(longest) && json_integer_value(longest) >= 0)
        p->longest_word = (size_t)json_integer_value(longest);
    if ((status = option_text(r, O_PREFIX, &p->prefix, &p->prefix_len, err)) ||
        (status = read_vocab(r, false, err)))
        return status;
    return find_unknown(r, err);
}

static glim_status read_unigram(struct reader *r, glim_error *err) {
    glim_pipeline *p = r->p;
    const json_t *unk = r->options[O_UNK_ID];
    p->model = &glim_model_unigram;
    p->byte_fallback = json_is_true(r->options[O_BYTES]);
    glim_status status = read_vocab(r, true, err);
    if (status || !json_is_integer(unk))
        return status;
    if (json_integer_value(unk) < 0 || json_integer_value(unk) >= p->t->info.vocab)
        return glim_fail(err, GLIM_EFORMAT, "unk_id %lld is outside of the vocabulary",
                         (long long)json_integer_value(unk));
    p->t->info.unk = (int32_t)json_integer_value(unk);
    return GLIM_OK;
}

static glim_status read_model(struct reader *r, glim_error *err) {
    static const struct {
        const char *type;
        glim_status (*read)(struct reader *r, glim_error *err);
    } models[] = {{"BPE", read_bpe}, {"WordPiece", read_wordpiece}, {"Unigram", read_unigram}};
    const char *type = json_string_value(r->options[O_TYPE]);
    if (!type) /* files of the first years do not say it */
        type = r->merges.data                           ? "BPE"
               : r->vocab.data && *r->vocab.data == '[' ? "Unigram"
               : r->options[O_LONGEST]                  ? "WordPiece"
                                                        : "without a type";
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (!strcmp(models[i].type, type))
            return models[i].read(r, err);
    return glim_fail(err, GLIM_EUNSUPPORTED,
                     "the model '%.60s' of tokenizer.json is not known (known: BPE, WordPiece, "
                     "Unigram)",
                     type);
}

static const char *model_name(const glim_pipeline *p) {
    return p->model == &glim_model_wordpiece ? "bert"
           : p->model == &glim_model_unigram ? "t5"
           : p->byte_level                   ? "gpt2"
                                             : "llama";
}

glim_status glim__tokenizer_json_read(glim_pipeline *p, glim_error *err) {
    struct reader r = {.p = p};
    const char *text = p->file.data ? p->file.data : "";
    size_t bad = glim__utf8_check(text, p->file.len);
    r.scan = (glim_scan){text, text, text + p->file.len, "tokenizer.json", &p->t->arena};
    if (bad < p->file.len)
        return glim_fail(err, GLIM_EFORMAT, "tokenizer.json is not valid UTF-8 at byte %zu", bad);
    glim_status status = read_members(&r, err);
    if (!status)
        status = read_added(&r, err);
    if (!status)
        status = glim__normalizers_read(p, r.parts[PART_NORMALIZER], err);
    if (!status)
        status = glim__presplits_read(p, r.parts[PART_PRE], err);
    if (!status)
        status = read_model(&r, err);
    p->t->info.model = p->model ? model_name(p) : "";
    if (!status)
        status = glim__vocabulary_finish(p, err);
    if (!status)
        status = glim__postprocessor_read(p, r.parts[PART_POST], err);
    for (size_t i = 0; i < PARTS; i++)
        json_decref(r.parts[i]);
    for (size_t i = 0; i < OPTIONS; i++)
        json_decref(r.options[i]);
    return status;
}
