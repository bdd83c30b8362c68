/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vocabulary-files.c: directories without tokenizer.json: the older files of each
 * family, with the steps that the family's tokenizer has in transformers.
 */
#include "text/vocabulary-files.h"
#include "base/utf8.h"
#include "text/json-scan.h"

#include <string.h>

enum { MOST_BYTES = 1 << 28, MOST_ADDED = 1 << 16 };

/* ---- added tokens ---- */

glim_status glim__added_put(glim_pipeline *p, glim_added a, const char *content, size_t n,
                            glim_error *err) {
    if (!n)
        return GLIM_OK;
    for (size_t i = 0; i < p->n_added; i++)
        if (p->added[i].content.len == n && !memcmp(p->added[i].content.data, content, n))
            return GLIM_OK; /* the first to name it knows most */
    if (p->n_added % 64 == 0) {
        glim_added *more = glim__arena_alloc(&p->t->arena, (p->n_added + 64) * sizeof *more);
        if (!more || p->n_added >= MOST_ADDED)
            return more ? glim_fail(err, GLIM_ELIMIT, "more than 2^16 added tokens")
                        : glim__oom(p->t->ctx, err, "the tokenizer", n);
        if (p->n_added)
            memcpy(more, p->added, p->n_added * sizeof *more);
        p->added = more;
    }
    a.content.len = n;
    a.content.data = glim__arena_strndup(&p->t->arena, content, n);
    if (!a.content.data)
        return glim__oom(p->t->ctx, err, "the tokenizer", n);
    p->added[p->n_added++] = a;
    return GLIM_OK;
}

static bool decimal(const char *s, int32_t *out) {
    int64_t value = 0;
    size_t n = strspn(s, "0123456789");
    if (!n || n > 9 || s[n])
        return false;
    for (size_t i = 0; i < n; i++)
        value = 10 * value + (s[i] - '0');
    *out = (int32_t)value;
    return true;
}

/* added_tokens_decoder {"id": {content, flags}} of tokenizer_config.json. */
static glim_status read_decoder(glim_pipeline *p, const glim_side_files *f, glim_error *err) {
    json_t *all = json_object_get(f->config, "added_tokens_decoder");
    glim_status status = GLIM_OK;
    for (void *i = json_object_iter(all); i && !status; i = json_object_iter_next(all, i)) {
        const json_t *j = json_object_iter_value(i), *content = json_object_get(j, "content");
        glim_added a = {.special = json_is_true(json_object_get(j, "special")),
                        .normalized = json_is_true(json_object_get(j, "normalized")),
                        .lstrip = json_is_true(json_object_get(j, "lstrip")),
                        .rstrip = json_is_true(json_object_get(j, "rstrip")),
                        .single_word = json_is_true(json_object_get(j, "single_word"))};
        if (!decimal(json_object_iter_key(i), &a.id) || !json_is_string(content))
            return glim_fail(err, GLIM_EFORMAT, "added_tokens_decoder has a broken entry '%.40s'",
                             json_object_iter_key(i));
        status =
            glim__added_put(p, a, json_string_value(content), json_string_length(content), err);
    }
    return status;
}

/* added_tokens.json {"text": id}. */
static glim_status read_added(glim_pipeline *p, const char *dir, glim_error *err) {
    glim_buffer text;
    json_t *all = NULL;
    if (!glim__dir_has(dir, "added_tokens.json"))
        return GLIM_OK;
    glim__buffer_init(&text, p->t->ctx);
    glim_status status = glim__dir_read(&text, dir, "added_tokens.json", MOST_BYTES, err);
    if (!status)
        status =
            glim__json_parse(&all, text.data ? text.data : "", text.len, "added_tokens.json", err);
    glim__buffer_release(&text);
    for (void *i = json_object_iter(all); i && !status; i = json_object_iter_next(all, i)) {
        const json_t *id = json_object_iter_value(i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > 1 << 23)
            status = glim_fail(err, GLIM_EFORMAT, "added_tokens.json has a broken id");
        else
            status = glim__added_put(
                p, (glim_added){.id = (int32_t)json_integer_value(id), .special = true},
                json_object_iter_key(i), json_object_iter_key_len(i), err);
    }
    json_decref(all);
    return status;
}

static const char *const roles[] = {"bos_token", "eos_token",  "unk_token", "pad_token",
                                    "cls_token", "mask_token", "sep_token"};

/* Tokens with a role that stand in the vocabulary: by the files, or by default. */
static glim_status add_roles(glim_pipeline *p, const glim_side_files *f,
                             const char *const *fallback, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < sizeof roles / sizeof *roles && !status; i++) {
        const char *name = glim__token_name(f->config, roles[i]);
        name = name ? name : glim__token_name(f->specials, roles[i]);
        name = name || !fallback ? name : fallback[i];
        int32_t id = name ? glim__vocabulary_find(p->t, name, strlen(name)) : -1;
        bool mask = !strcmp(roles[i], "mask_token") && p->byte_level;
        if (id >= 0)
            status = glim__added_put(p, (glim_added){.id = id, .special = true, .lstrip = mask},
                                     name, strlen(name), err);
    }
    return status;
}

/* The highest id that an added token has. */
static size_t room(const glim_pipeline *p, size_t count) {
    for (size_t i = 0; i < p->n_added; i++)
        count = (size_t)p->added[i].id >= count ? (size_t)p->added[i].id + 1 : count;
    return count;
}

static int32_t find(const glim_pipeline *p, const char *name) {
    return glim__vocabulary_find(p->t, name, strlen(name));
}

static glim_status steps(glim_pipeline *p, const char *normalizer, const char *pre,
                         glim_error *err) {
    json_t *json = NULL;
    glim_status status = GLIM_OK;
    if (normalizer)
        status = glim__json_parse(&json, normalizer, strlen(normalizer), "the normalizer", err);
    if (!status)
        status = glim__normalizers_read(p, json, err);
    json_decref(json);
    json = NULL;
    if (pre && !status)
        status = glim__json_parse(&json, pre, strlen(pre), "the pre-tokenizer", err);
    if (!status)
        status = glim__presplits_read(p, json, err);
    json_decref(json);
    return status;
}

/* ---- vocab.txt ---- */

static const char *const bert_names[] = {NULL, NULL, "[UNK]", "[PAD]", "[CLS]", "[MASK]", "[SEP]"};

static glim_status bert_steps(glim_pipeline *p, const glim_side_files *f, glim_error *err) {
    const json_t *lower = json_object_get(f->config, "do_lower_case");
    const json_t *accents = json_object_get(f->config, "strip_accents");
    const json_t *chinese = json_object_get(f->config, "tokenize_chinese_chars");
    json_t *options = json_pack("{s:s, s:b, s:b, s:b, s:O?}", "type", "BertNormalizer",
                                "clean_text", 1, "handle_chinese_chars", !json_is_false(chinese),
                                "lowercase", !json_is_false(lower), "strip_accents", accents);
    if (!options)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: the tokenizer");
    glim_status status = glim__normalizers_read(p, options, err);
    json_decref(options);
    return status ? status : steps(p, NULL, "{\"type\": \"BertPreTokenizer\"}", err);
}

static size_t count_lines(const char *s, size_t n) {
    size_t count = n && s[n - 1] != '\n';
    for (size_t i = 0; i < n; i++)
        count += s[i] == '\n';
    return count;
}

/* The next line without its end; false behind the last. */
static bool next_line(const char **at, const char *end, glim_gguf_string *out) {
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    stop = stop ? stop : end;
    *out = (glim_gguf_string){*at, (size_t)(stop - *at)};
    out->len -= out->len && stop[-1] == '\r';
    *at = stop < end ? stop + 1 : end;
    return true;
}

static glim_status read_wordpiece(glim_pipeline *p, const char *dir, const char *model_type,
                                  const glim_side_files *f, glim_error *err) {
    glim_gguf_string line;
    p->model = &glim_model_wordpiece;
    p->t->info.model = "bert";
    p->prefix = "##";
    p->prefix_len = 2;
    glim_status status = glim__dir_read(&p->file, dir, "vocab.txt", MOST_BYTES, err);
    const char *at = p->file.data ? p->file.data : "", *end = at + p->file.len;
    if (!status && glim__utf8_check(at, p->file.len) < p->file.len)
        status = glim_fail(err, GLIM_EFORMAT, "vocab.txt is not valid UTF-8");
    if (!status)
        status = glim__vocabulary_room(p->t, room(p, count_lines(at, p->file.len)), err);
    for (int32_t i = 0; !status && next_line(&at, end, &line); i++)
        status = glim__vocabulary_set(p->t, i, line, err);
    if (!status)
        status = bert_steps(p, f, err);
    if (!status)
        status = add_roles(p, f, bert_names, err);
    const char *unk = glim__token_name(f->config, "unk_token");
    p->t->info.unk = status ? -1 : find(p, unk ? unk : "[UNK]");
    if (!status)
        status = glim__vocabulary_finish(p, err);
    int32_t cls = status ? -1 : find(p, "[CLS]"), sep = status ? -1 : find(p, "[SEP]");
    p->t->info.cls = cls;
    p->t->info.sep = sep;
    p->t->info.pad = find(p, "[PAD]");
    p->t->info.mask = find(p, "[MASK]");
    if (cls >= 0 && sep >= 0)
        glim__template_bert(p, cls, sep);
    return status;
}

/* ---- vocab.json and merges.txt ---- */

#define QWEN                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "              \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define BYTES "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": "

static const struct family {
    const char *types[16];
    const char *normalizer, *pre;
    bool roberta; /* <s> A </s></s> B </s> */
} families[] = {
    {{"gpt2", "gptj", "gpt_neo", "codegen", "gpt_bigcode", "starcoder2", "whisper"},
     NULL,
     BYTES "true}",
     false},
    {{"roberta", "bart", "longformer", "led", "camembert", "blenderbot", "mvp", "ibert",
      "roberta-prelayernorm", "data2vec-text"},
     NULL,
     BYTES "true}",
     true},
    {{"qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "qwen2_vl", "qwen2_5_vl"},
     "{\"type\": \"NFC\"}",
     "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "
     "{\"Regex\": \"" QWEN "\"}, \"behavior\": \"Isolated\", \"invert\": false}, " BYTES "false}]}",
     false},
};

static const struct family *find_family(const char *model_type) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (size_t k = 0; families[i].types[k]; k++)
            if (!strcmp(families[i].types[k], model_type))
                return &families[i];
    return NULL;
}

static glim_status set_entries(glim_pipeline *p, glim_scan s, int32_t *highest, bool set,
                               glim_error *err) {
    bool more, first = true;
    glim_status status = glim__scan_enter(&s, '{', err);
    for (; !status; first = false) {
        glim_gguf_string text;
        int32_t id = 0;
        if ((status = glim__scan_next(&s, '{', first, &more, err)) || !more)
            break;
        if ((status = glim__scan_key(&s, &text, err)) || (status = glim__scan_id(&s, &id, err)))
            break;
        *highest = id > *highest ? id : *highest;
        if (set && glim__map_get(&p->t->ids, text.data, text.len) >= 0)
            status = glim_fail(err, GLIM_EFORMAT, "vocab.json has '%.*s' twice",
                               (int)(text.len < 60 ? text.len : 60), text.data);
        else if (set)
            status = glim__vocabulary_set(p->t, id, text, err);
    }
    if (!status && glim__scan_peek(&s))
        status = glim__scan_bad(&s, "the end of the file", err);
    return status;
}

/* {"text": id} of a file into the vocabulary. */
static glim_status read_table(glim_pipeline *p, glim_buffer *file, const char *dir,
                              const char *name, glim_error *err) {
    int32_t highest = -1;
    glim_status status = glim__dir_read(file, dir, name, MOST_BYTES, err);
    const char *text = file->data ? file->data : "";
    glim_scan s = {text, text, text + file->len, name, &p->t->arena};
    if (!status && glim__utf8_check(text, file->len) < file->len)
        status = glim_fail(err, GLIM_EFORMAT, "%s is not valid UTF-8", name);
    if (!status)
        status = set_entries(p, s, &highest, false, err);
    if (!status && (size_t)highest > file->len) /* an entry has five bytes at least */
        status = glim_fail(err, GLIM_ELIMIT, "%s has the id %d; it has not so many tokens", name,
                           highest);
    if (!status)
        status = glim__vocabulary_room(p->t, room(p, (size_t)highest + 1), err);
    return status ? status : set_entries(p, s, &highest, true, err);
}

/* One merge a line; lines that begin with "#version" and empty ones are none. */
static glim_status read_merges(glim_pipeline *p, const char *dir, glim_error *err) {
    glim_buffer file;
    glim_gguf_string line;
    size_t rank = 0;
    glim__buffer_init(&file, p->t->ctx);
    glim_status status = glim__dir_read(&file, dir, "merges.txt", MOST_BYTES, err);
    const char *at = file.data ? file.data : "", *end = at + file.len;
    if (!status)
        status = glim__merges_room(p, count_lines(at, file.len), err);
    while (!status && next_line(&at, end, &line)) {
        const char *space = memchr(line.data, ' ', line.len);
        if (!line.len || (line.len >= 8 && !memcmp(line.data, "#version", 8)))
            continue;
        if (!space) {
            status = glim_fail(err, GLIM_EFORMAT, "merges.txt: merge %zu has no space", rank);
            break;
        }
        size_t left = (size_t)(space - line.data);
        status = glim__merges_add(p, rank++, (glim_gguf_string){line.data, left},
                                  (glim_gguf_string){space + 1, line.len - left - 1}, err);
    }
    glim__buffer_release(&file);
    return status;
}

static const char *const roberta_names[] = {"<s>", "</s>",   "<unk>", "<pad>",
                                            "<s>", "<mask>", "</s>"};
static const char *const gpt2_names[] = {
    "<|endoftext|>", "<|endoftext|>", NULL, NULL, NULL, NULL, NULL};

static glim_status read_bytes(glim_pipeline *p, const char *dir, const char *model_type,
                              const glim_side_files *f, glim_error *err) {
    const struct family *family = find_family(model_type);
    if (!family)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "how the model type '%.60s' splits text is not known without "
                         "tokenizer.json (save the tokenizer again with transformers)",
                         model_type);
    p->model = &glim_model_bpe;
    p->t->info.model = "gpt2";
    glim_status status = read_table(p, &p->file, dir, "vocab.json", err);
    if (!status)
        status = read_merges(p, dir, err);
    if (!status)
        status = steps(p, family->normalizer, family->pre, err);
    if (!status)
        status = add_roles(p, f, family->roberta ? roberta_names : gpt2_names, err);
    if (!status)
        status = glim__vocabulary_finish(p, err);
    if (status || !family->roberta)
        return status;
    int32_t cls = find(p, "<s>"), sep = find(p, "</s>");
    p->t->info.bos = p->t->info.cls = cls;
    p->t->info.eos = p->t->info.sep = sep;
    p->t->info.pad = find(p, "<pad>");
    p->t->info.mask = find(p, "<mask>");
    if (cls >= 0 && sep >= 0)
        glim__template_roberta(p, cls, sep);
    return GLIM_OK;
}

/* ---- SentencePiece and GLM-4's list ---- */

static glim_status add_names(glim_pipeline *p, int32_t from, const char *const *names, size_t n,
                             glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = glim__added_put(p, (glim_added){.id = from + (int32_t)i, .special = true},
                                 names[i], strlen(names[i]), err);
    return status;
}

/* T5 counts its sentinels down from the end; mT5 has none besides its pieces. */
static glim_status add_sentinels(glim_pipeline *p, int32_t from, const glim_side_files *f,
                                 glim_error *err) {
    enum { SENTINELS = 100, MOST = 1000 };
    const json_t *said = json_object_get(f->config, "extra_ids");
    json_int_t count = json_is_integer(said) ? json_integer_value(said) : SENTINELS;
    glim_status status = GLIM_OK;
    if (count < 0 || count > MOST)
        return glim_fail(err, GLIM_EFORMAT, "tokenizer_config.json says %lld extra_ids",
                         (long long)count);
    for (int i = 0; i < count && !status; i++) {
        char name[24];
        int n = snprintf(name, sizeof name, "<extra_id_%d>", i);
        status =
            glim__added_put(p, (glim_added){.id = from + (int32_t)count - 1 - i, .special = true},
                            name, (size_t)n, err);
    }
    return status;
}

static glim_status read_pieces(glim_pipeline *p, const char *dir, const char *name,
                               const char *model_type, const glim_side_files *f, glim_error *err) {
    static const char *const glm[] = {"[MASK]",   "[gMASK]",       "[sMASK]",
                                      "sop",      "eop",           "<|system|>",
                                      "<|user|>", "<|assistant|>", "<|observation|>"};
    static const char *const glm4[] = {"<|endoftext|>", "[MASK]",         "[gMASK]",    "[sMASK]",
                                       "<sop>",         "<eop>",          "<|system|>", "<|user|>",
                                       "<|assistant|>", "<|observation|>"};
    bool t5 = !strcmp(model_type, "t5"), chatglm = !strcmp(model_type, "chatglm");
    bool marian = !strcmp(model_type, "marian"), had = p->n_added > 0;
    glim_status status = glim__dir_read(&p->file, dir, name, MOST_BYTES, err);
    if (status)
        return status;
    bool list = p->file.len && p->file.data[0] != '\n';
    status = list ? glim__tiktoken_count(p, err) : glim__sentencepiece_scan(p, name, err);
    int32_t n = (int32_t)p->n_pieces;
    if (!status && list && !had)
        status = add_names(p, n, glm4, sizeof glm4 / sizeof *glm4, err);
    if (!status && !list && chatglm)
        status = add_names(p, n, glm, sizeof glm / sizeof *glm, err);
    if (!status && t5 && !had)
        status = add_sentinels(p, n, f, err);
    if (!status && !marian)
        status = glim__vocabulary_room(p->t, room(p, p->n_pieces), err);
    if (!status && marian)
        status = read_table(p, &p->table, dir, "vocab.json", err);
    if (!status)
        status =
            list ? glim__tiktoken_read(p, err) : glim__sentencepiece_read(p, name, marian, err);
    if (!status)
        status = glim__vocabulary_finish(p, err);
    if (status)
        return status;
    int32_t gmask = find(p, "[gMASK]"), sop = find(p, list ? "<sop>" : "sop");
    if ((list || chatglm) && gmask >= 0 && sop >= 0) {
        glim__template_fill(&p->single, (const glim_slot[]){{gmask, 0}, {sop, 0}, {-1, 0}}, 3);
        glim__template_fill(&p->pair, (const glim_slot[]){{gmask, 0}, {sop, 0}, {-1, 0}, {-2, 0}},
                            4);
    } else if (t5 || marian || !strcmp(model_type, "mt5")) {
        glim__template_ends(p, -1, p->t->info.eos);
    } else if (!list) {
        glim__template_ends(p, p->t->info.bos, -1);
    }
    return GLIM_OK;
}

/* ---- the choice ---- */

glim_status glim__vocabulary_files_read(glim_pipeline *p, const char *dir, const char *model_type,
                                        const glim_side_files *f, glim_error *err) {
    static const char *const pieces[] = {"spiece.model", "tokenizer.model", "source.spm"};
    glim_status status = read_decoder(p, f, err);
    if (!status)
        status = read_added(p, dir, err);
    if (status)
        return status;
    if (f->target)
        return read_pieces(p, dir, "target.spm", model_type, f, err);
    if (glim__dir_has(dir, "vocab.txt"))
        return read_wordpiece(p, dir, model_type, f, err);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (glim__dir_has(dir, pieces[i]))
            return read_pieces(p, dir, pieces[i], model_type, f, err);
    if (glim__dir_has(dir, "vocab.json") && glim__dir_has(dir, "merges.txt"))
        return read_bytes(p, dir, model_type, f, err);
    return glim_fail(err, GLIM_EIO,
                     "'%s' has no tokenizer: expected tokenizer.json, vocab.txt, vocab.json with "
                     "merges.txt, spiece.model, tokenizer.model or source.spm",
                     dir);
}
