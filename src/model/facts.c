/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model can be asked besides running: its facts, its tokens, rows of its
 * embedding. The digest is made at the first question, because hashing the
 * metadata of a large vocabulary costs more than opening the file.
 */
#include "base/buffer.h"
#include "base/utf8.h"
#include "model/vision.h"

#include <stdio.h>
#include <string.h>

static const char *text_key(glim_model *m, const char *key) {
    glim_gguf_string s = {0};
    bool found = false;
    if (glim__gguf_text(m->file, key, &s, &found, NULL) || !found)
        return NULL;
    return glim__arena_strndup(&m->arena, s.data, s.len);
}

static const char *languages(glim_model *m) {
    const glim_gguf_value *v = glim__gguf_find(m->file, "general.languages");
    if (!v || v->type != GLIM_GGUF_ARRAY || v->element != GLIM_GGUF_STRING)
        return NULL;
    char list[128];
    size_t at = 0;
    const void *cursor = NULL;
    for (uint64_t i = 0; i < v->count && at < sizeof list - 16; i++) {
        glim_gguf_string s = glim__gguf_next_string(v, &cursor);
        int n = snprintf(list + at, sizeof list - at, "%s%.*s", i ? ", " : "",
                         (int)(s.len < 8 ? s.len : 8), s.data);
        at += n > 0 ? (size_t)n : 0;
    }
    return glim__arena_strndup(&m->arena, list, at);
}

static glim_status count_types(glim_model *m, glim_error *err) {
    glim_model_info *info = &m->info;
    glim_type_use *types = glim__arena_calloc(&m->arena, GLIM_TYPE_COUNT, sizeof *types);
    uint64_t most = 0;
    if (!types)
        return glim__oom(m->ctx, err, "the table of types", GLIM_TYPE_COUNT * sizeof *types);
    for (size_t i = 0; i < glim__gguf_tensor_count(m->file); i++) {
        const glim_tensor *t = glim__gguf_tensor_at(m->file, i);
        const glim_type_info *type = glim__type_info(t->type);
        const char *name = type ? type->name : "unknown";
        size_t k = 0;
        while (k < info->n_types && strcmp(types[k].type, name))
            k++;
        if (k == GLIM_TYPE_COUNT)
            continue;
        if (k == info->n_types)
            types[info->n_types++].type = name;
        uint64_t parameters = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        types[k].tensors++;
        types[k].bytes += t->bytes;
        types[k].parameters += parameters;
        info->parameters += parameters;
    }
    info->types = types; /* what holds most weights names the file */
    for (size_t k = 0; k < info->n_types; k++)
        if (types[k].parameters > most) {
            most = types[k].parameters;
            info->quantisation = types[k].type;
        }
    return GLIM_OK;
}

glim_status glim__model_facts(glim_model *m, glim_error *err) {
    glim_model_info *info = &m->info;
    const glim_hyper *h = &m->hyper;
    static const glim_tokenizer_info none = {.model = "none", .pre = "", .bos = -1, .eos = -1};
    const glim_tokenizer_info *t = m->vision ? &none : glim__tokenizer_info(m->tokenizer);
    char format[32];
    uint32_t version = glim__gguf_version(m->file);
    snprintf(format, sizeof format, version ? "GGUF %u" : "safetensors", version);
    info->path = glim__gguf_path(m->file);
    info->format = glim__arena_strdup(&m->arena, format);
    info->architecture = m->arch->name;
    info->name = text_key(m, "general.name");
    info->license = text_key(m, "general.license");
    info->languages = languages(m);
    info->tokenizer = t->model;
    info->pre = t->pre;
    info->chat_template = m->chat ? glim__chat_template_name(m->chat) : NULL;
    info->warning = t->warning;
    info->file_bytes = glim__gguf_bytes(m->file);
    info->layers = h->L;
    info->width = h->C;
    info->heads = h->H;
    info->kv_heads = h->G;
    info->head_width = h->D;
    info->feed_forward = h->F;
    info->vocabulary = h->V;
    info->context_length = h->context;
    info->sliding_window = h->window;
    info->rope_base = m->ropes[0].base;
    info->bos = t->bos;
    info->eos = t->eos;
    info->adds_bos = t->add_bos;
    info->task = m->task;
    info->outputs = m->outputs;
    info->labels = m->labels;
    info->both_ways = h->both_ways;
    info->image_height = m->vision ? m->vision->height : 0;
    info->image_width = m->vision ? m->vision->width : 0;
    info->encoder_layers = m->encoder ? m->encoder->hyper.L : 0;
    info->start = m->encoder ? m->start : -1;
    info->tied_head = m->head.data == m->embedding.data;
    return count_types(m, err);
}

const glim_model_info *glim_model_facts(const glim_model *m) {
    /* The digest lives in the file object, made once under its lock; the copy of
       the pointer written here is the same for every thread. */
    glim_model *mine = (glim_model *)m;
    const char *digest = glim__gguf_digest(m->file);
    __atomic_store_n(&mine->info.digest, digest, __ATOMIC_RELEASE);
    return &m->info;
}

/* ---- tokens ---- */

static glim_status check_reads_text(const glim_model *m, glim_error *err) {
    return m->tokenizer ? GLIM_OK
                        : glim_fail(err, GLIM_EUSAGE, "'%s' reads pictures, not text",
                                    m->info.path ? m->info.path : "the model");
}

glim_status glim_model_tokenize(const glim_model *m, glim_tokens **out, const char *text, size_t n,
                                glim_error *err) {
    *out = NULL;
    glim_status status = check_reads_text(m, err);
    if (status)
        return status;
    status = m->task == GLIM_TASK_FILL ? glim__tokens_from_masked(out, m->tokenizer, text, n, err)
                                       : glim__tokens_from_text(out, m->tokenizer, text, n, err);
    if (!status && !(*out)->count) {
        glim_tokens_free(*out);
        *out = NULL;
        return glim_fail(err, GLIM_EUSAGE,
                         "the text is empty, and this tokenizer adds no token of "
                         "its own (give some text)");
    }
    return status;
}

glim_status glim_model_tokenize_pair(const glim_model *m, glim_tokens **out, const char *a,
                                     size_t na, const char *b, size_t nb, glim_error *err) {
    *out = NULL;
    glim_status status = check_reads_text(m, err);
    return status ? status : glim__tokens_from_pair(out, m->tokenizer, a, na, b, nb, err);
}

glim_status glim_model_tokenize_chat(const glim_model *m, glim_tokens **out, const char *json,
                                     size_t n, const char *name, const char *tmpl,
                                     glim_error *err) {
    glim_arena arena;
    glim_message *messages = NULL;
    size_t count = 0;
    const glim_chat_template *chat = m->chat;
    *out = NULL;
    glim_status status = check_reads_text(m, err);
    if (status)
        return status;
    glim__arena_init(&arena, m->ctx, 1 << 14);
    if (tmpl || !chat)
        status =
            glim__chat_template_find(&chat, m->ctx, tmpl, glim__tokenizer_info(m->tokenizer), err);
    if (!status)
        status = glim__chat_parse(&messages, &count, &arena, json, n, name, err);
    if (!status)
        status = glim__tokens_from_chat(out, m->tokenizer, chat, messages, count, err);
    glim__arena_release(&arena);
    return status;
}

/* One message of a user. */
static glim_status tokenize_message(const glim_model *m, glim_tokens **out, const glim_buffer *text,
                                    const char *tmpl, glim_error *err) {
    const glim_chat_template *chat = m->chat;
    const glim_message message = {"user", text->data ? text->data : "", text->len};
    size_t bad = glim__utf8_check(message.content, text->len);
    glim_status status = check_reads_text(m, err);
    if (status)
        return status;
    if (bad < text->len)
        return glim_fail(err, GLIM_EFORMAT, "the text is not UTF-8 at byte %zu", bad);
    if (tmpl || !chat)
        status =
            glim__chat_template_find(&chat, m->ctx, tmpl, glim__tokenizer_info(m->tokenizer), err);
    return status ? status : glim__tokens_from_chat(out, m->tokenizer, chat, &message, 1, err);
}

/* What a tokenizer adds behind a text does not belong before an answer. */
static void open_end(glim_tokens *tokens) {
    while (tokens->count > 1 && tokens->at[tokens->count - 1].kind == GLIM_TOKEN_SPECIAL)
        tokens->count--;
}

glim_status glim_model_tokenize_prompt(const glim_model *m, glim_tokens **out, const glim_prompt *p,
                                       const char *text, size_t n, glim_error *err) {
    static const char mark[] = "{text}";
    const char *form = p->form ? p->form : mark, *at = strstr(form, mark);
    glim_tokens *tokens = NULL;
    glim_buffer all;
    *out = NULL;
    if (!at)
        return glim_fail(err, GLIM_EUSAGE, "the prompt has no {text}, where the text goes");
    if (strstr(at + 1, mark))
        return glim_fail(err, GLIM_EUSAGE, "the prompt has {text} twice");
    size_t from = (size_t)(at - form);
    glim__buffer_init(&all, m->ctx);
    glim__buffer_append(&all, form, from);
    glim__buffer_append(&all, text, n);
    glim__buffer_puts(&all, at + strlen(mark));
    glim_status status =
        all.failed ? glim__oom(m->ctx, err, "the prompt", from + n)
        : p->chat  ? tokenize_message(m, &tokens, &all, p->tmpl, err)
                   : glim_model_tokenize(m, &tokens, all.data ? all.data : "", all.len, err);
    glim__buffer_release(&all);
    if (status || !tokens)
        return status;
    if (!p->chat)
        open_end(tokens);
    glim__tokens_frame(tokens, from, from + n);
    *out = tokens;
    return GLIM_OK;
}

const char *glim_model_token_bytes(const glim_model *m, int32_t id, size_t *len) {
    glim_gguf_string s = {"", 0};
    if (m->tokenizer && id >= 0 && id < glim__tokenizer_info(m->tokenizer)->vocab)
        s = glim__token_bytes(m->tokenizer, id);
    if (len)
        *len = s.len;
    return s.data;
}

bool glim_model_token_ends(const glim_model *m, int32_t id) {
    return m->tokenizer && glim__token_ends(m->tokenizer, id);
}

/* "'a' + 'b'" of the tokens that a text splits into, for the error. */
static void describe_split(const glim_model *m, const char *text, char *out, size_t size) {
    glim_token_list list = {.ctx = m->ctx};
    size_t at = 0;
    out[0] = 0;
    if (!glim__tokenize(m->tokenizer, &list, text, strlen(text), 0, false, false, NULL))
        for (size_t i = 0; i < list.count && at + 24 < size; i++) {
            glim_gguf_string s = glim__token_bytes(m->tokenizer, list.at[i].id);
            int n = snprintf(out + at, size - at, "%s'%.*s'", i ? " + " : "",
                             (int)(s.len < 16 ? s.len : 16), s.data);
            at += n > 0 ? (size_t)n : 0;
        }
    glim__token_list_release(&list);
}

glim_status glim_model_token(const glim_model *m, const char *text, int32_t *id, glim_error *err) {
    size_t n = strlen(text);
    *id = -1;
    glim_status status = check_reads_text(m, err);
    if (status)
        return status;
    *id = glim__token_by_bytes(m->tokenizer, text, n);
    if (*id < 0)
        *id = glim__token_by_name(m->tokenizer, text);
    if (*id < 0 && n && n < 256) {
        char spaced[258];
        snprintf(spaced, sizeof spaced, " %s", text);
        *id = glim__token_by_bytes(m->tokenizer, spaced, n + 1);
    }
    if (*id >= 0)
        return GLIM_OK;
    char split[256];
    describe_split(m, text, split, sizeof split);
    return glim_fail(err, GLIM_EUSAGE,
                     "'%.100s' is not one token of this model but %s (take its "
                     "first token, or --continuation for the whole)",
                     text, *split ? split : "none");
}

/* ---- embedding rows ---- */

enum { MEAN_BLOCK = 1024 };

struct mean {
    const glim_model *m;
    double *sums; /* (blocks, C) */
    float *rows;  /* one a worker */
};

static void mean_item(void *data, size_t item, int worker) {
    struct mean *s = data;
    int C = s->m->hyper.C, V = s->m->hyper.V, first = (int)item * MEAN_BLOCK;
    int last = first + MEAN_BLOCK < V ? first + MEAN_BLOCK : V;
    double *sum = s->sums + item * (size_t)C;
    float *row = s->rows + (size_t)worker * (size_t)C;
    for (int r = first; r < last; r++) {
        glim__matrix_read_row(s->m->ctx, &s->m->embedding, r, row);
        for (int c = 0; c < C; c++)
            sum[c] += row[c];
    }
}

static glim_status mean_row(const glim_model *m, float *out, glim_error *err) {
    size_t C = (size_t)m->hyper.C, blocks = ((size_t)m->hyper.V + MEAN_BLOCK - 1) / MEAN_BLOCK;
    struct mean s = {.m = m};
    s.sums = glim__calloc(m->ctx, blocks * C, sizeof *s.sums);
    s.rows = glim__calloc(m->ctx, (size_t)glim_context_threads(m->ctx) * C, sizeof *s.rows);
    glim_status status = GLIM_OK;
    if (s.sums && s.rows) {
        glim__parallel(m->ctx, blocks, mean_item, &s);
        for (size_t c = 0; c < C; c++) {
            double sum = 0;
            for (size_t b = 0; b < blocks; b++)
                sum += s.sums[b * C + c];
            out[c] = (float)(sum / m->hyper.V * m->hyper.embed_scale);
        }
    } else {
        status = glim__oom(m->ctx, err, "the mean embedding", blocks * C * sizeof *s.sums);
    }
    glim__free(m->ctx, s.sums);
    glim__free(m->ctx, s.rows);
    return status;
}

glim_status glim_model_embedding(const glim_model *m, int32_t id, float *out, glim_error *err) {
    glim_status status = check_reads_text(m, err);
    m = m->encoder ? m->encoder : m;
    if (status || id == -1)
        return status ? status : mean_row(m, out, err);
    if (id < 0 || id >= m->hyper.V)
        return glim_fail(err, GLIM_EUSAGE, "token %d is outside the vocabulary of %d", id,
                         m->hyper.V);
    glim__matrix_read_row(m->ctx, &m->embedding, id, out);
    for (int c = 0; c < m->hyper.C && m->hyper.embed_scale != 1; c++)
        out[c] *= m->hyper.embed_scale;
    return GLIM_OK;
}
