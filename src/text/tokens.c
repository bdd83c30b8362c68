/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs as tokens: a plain text, a chat, and what a model adds. A chat's source
 * text is its messages' contents joined by newlines; tokens of the template have
 * no bytes of it. The whole rendered chat is tokenised as one text, because that
 * is what the model was trained on: a token may hold bytes of the template and
 * of a message; it belongs to the message. Names of special tokens are special in
 * the template's bytes alone. The usual runtimes also parse those that a message
 * spells; glim does not, so that a text cannot end its own turn: there, and only
 * there, the ids differ from theirs.
 */
#include "text/chat.h"
#include "text/pipeline.h"

#include <string.h>

void glim_tokens_free(glim_tokens *tokens) {
    if (!tokens)
        return;
    for (size_t i = 0; tokens->turns && i < tokens->n_turns; i++)
        glim__free(tokens->ctx, (char *)tokens->turns[i].role);
    glim__free(tokens->ctx, tokens->turns);
    glim__free(tokens->ctx, tokens->at);
    glim__free(tokens->ctx, tokens->text);
    glim__free(tokens->ctx, tokens);
}

static glim_tokens *new_tokens(glim_context *ctx, size_t text_len) {
    glim_tokens *tokens = glim__calloc(ctx, 1, sizeof *tokens);
    if (!tokens)
        return NULL;
    tokens->ctx = ctx;
    tokens->text = glim__calloc(ctx, 1, text_len + 1);
    tokens->text_len = text_len;
    if (!tokens->text) {
        glim_tokens_free(tokens);
        return NULL;
    }
    return tokens;
}

static bool add_special(glim_token_list *list, int32_t id, size_t at) {
    return glim__token_push(list, id, GLIM_TOKEN_SPECIAL, at, at, -1);
}

/* A text in which the name of the mask is the mask: a place, not words. */
static glim_status tokenize_masked(const glim_tokenizer *t, glim_token_list *list,
                                   glim_gguf_string s, glim_error *err) {
    glim_gguf_string name = glim__token_bytes(t, t->info.mask);
    size_t run = 0;
    for (size_t i = 0; name.len && i + name.len <= s.len;) {
        size_t start = i, end = i + name.len;
        if (memcmp(s.data + i, name.data, name.len) != 0) {
            i++;
            continue;
        }
        glim__added_reach(t, t->info.mask, s.data, s.len, run, &start, &end);
        glim_status status =
            start > run ? glim__tokenize(t, list, s.data + run, start - run, run, true, false, err)
                        : GLIM_OK;
        if (!status &&
            !glim__token_push(list, t->info.mask, GLIM_TOKEN_TEMPLATE, i, i + name.len, -1))
            status = glim__oom(t->ctx, err, "the tokens", 0);
        if (status)
            return status;
        i = run = end;
    }
    return run < s.len ? glim__tokenize(t, list, s.data + run, s.len - run, run, true, false, err)
                       : GLIM_OK;
}

/* Whether the texts are one, two, or one with masks in it. */
enum form { ONE, PAIR, MASKED };

/* One or two texts in the tokenizer's template; texts[i] starts at starts[i] of the
   source. */
static glim_status fill_template(glim_token_list *list, const glim_tokenizer *t,
                                 const glim_gguf_string *texts, const size_t *starts, enum form how,
                                 glim_error *err) {
    bool pair = how == PAIR;
    const glim_template *form = glim__template_of(t, pair);
    glim_status status = GLIM_OK;
    size_t at = 0;
    for (size_t i = 0; i < form->count && !status; i++) {
        int which = -1 - form->at[i].id;
        if (which < 0) {
            if (!add_special(list, form->at[i].id, at))
                status = glim__oom(t->ctx, err, "the tokens", 0);
            continue;
        }
        glim_gguf_string s = texts[which];
        size_t from = list->count;
        glim_token_list part = {.ctx = t->ctx};
        status = how == MASKED && t->info.mask >= 0
                     ? tokenize_masked(t, &part, s, err)
                     : glim__tokenize(t, &part, s.data, s.len, 0, true, false, err);
        for (size_t k = 0; k < part.count && !status; k++) {
            const glim_token *x = &part.at[k];
            if (!glim__token_push(list, x->id, x->kind, starts[which] + x->start,
                                  starts[which] + x->end, pair ? which : -1))
                status = glim__oom(t->ctx, err, "the tokens", 0);
        }
        glim__token_list_release(&part);
        at = list->count > from ? starts[which] + s.len : at;
    }
    return status;
}

/* The texts in their template. The GGUF form of one is two flags. */
static glim_status fill(glim_token_list *list, const glim_tokenizer *t,
                        const glim_gguf_string *texts, const size_t *starts, enum form how,
                        glim_error *err) {
    bool pair = how == PAIR;
    size_t end = starts[pair] + texts[pair].len;
    if (!t->pipeline && t->info.add_bos && !add_special(list, t->info.bos, 0))
        return glim__oom(t->ctx, err, "the tokens", 0);
    glim_status status = fill_template(list, t, texts, starts, how, err);
    if (!status && !t->pipeline && t->info.add_eos && !add_special(list, t->info.eos, end))
        status = glim__oom(t->ctx, err, "the tokens", 0);
    return status;
}

/* Hands the list over to the tokens, or frees both. */
static glim_status finish(glim_tokens **out, glim_tokens *tokens, glim_token_list *list,
                          glim_status status) {
    if (status) {
        glim__token_list_release(list);
        glim_tokens_free(tokens);
        return status;
    }
    tokens->at = list->at;
    tokens->count = list->count;
    *out = tokens;
    return GLIM_OK;
}

static glim_status from_text(glim_tokens **out, const glim_tokenizer *t, const char *text, size_t n,
                             enum form how, glim_error *err) {
    *out = NULL;
    glim_token_list list = {.ctx = t->ctx};
    glim_tokens *tokens = new_tokens(t->ctx, n);
    glim_status status = tokens ? GLIM_OK : glim__oom(t->ctx, err, "the text", n);
    if (!status)
        status = fill(&list, t, &(glim_gguf_string){text, n}, &(size_t){0}, how, err);
    if (!status)
        memcpy(tokens->text, text, n);
    return finish(out, tokens, &list, status);
}

glim_status glim__tokens_from_text(glim_tokens **out, const glim_tokenizer *t, const char *text,
                                   size_t n, glim_error *err) {
    return from_text(out, t, text, n, ONE, err);
}

glim_status glim__tokens_from_masked(glim_tokens **out, const glim_tokenizer *t, const char *text,
                                     size_t n, glim_error *err) {
    return from_text(out, t, text, n, MASKED, err);
}

/* ---- chat ---- */

static glim_tokens *chat_source(glim_context *ctx, const glim_message *messages, size_t n) {
    size_t len = n ? n - 1 : 0, at = 0;
    for (size_t i = 0; i < n; i++)
        len += messages[i].content_len;
    glim_tokens *tokens = new_tokens(ctx, len);
    if (!tokens)
        return NULL;
    tokens->turns = glim__calloc(ctx, n, sizeof *tokens->turns);
    for (size_t i = 0; i < n && tokens->turns; i++) {
        glim_turn *turn = &tokens->turns[tokens->n_turns];
        turn->role = glim__strdup(ctx, messages[i].role);
        if (!turn->role)
            break;
        turn->start = at;
        memcpy(tokens->text + at, messages[i].content, messages[i].content_len);
        at += messages[i].content_len;
        turn->end = at;
        if (i + 1 < n)
            tokens->text[at++] = '\n';
        tokens->n_turns++;
    }
    if (tokens->n_turns == n)
        return tokens;
    glim_tokens_free(tokens);
    return NULL;
}

glim_status glim__tokens_from_pair(glim_tokens **out, const glim_tokenizer *t, const char *a,
                                   size_t na, const char *b, size_t nb, glim_error *err) {
    const glim_message both[2] = {{"first", a, na}, {"second", b, nb}};
    const glim_gguf_string texts[2] = {{a, na}, {b, nb}};
    const size_t starts[2] = {0, na + 1};
    glim_token_list list = {.ctx = t->ctx};
    glim_tokens *tokens = chat_source(t->ctx, both, 2);
    *out = NULL;
    glim_status status = tokens ? fill(&list, t, texts, starts, true, err)
                                : glim__oom(t->ctx, err, "the texts", na + nb);
    return finish(out, tokens, &list, status);
}

void glim__token_types(const glim_tokenizer *t, const glim_tokens *tokens, uint8_t *types) {
    bool pair = tokens->n_turns == 2;
    const glim_template *form = glim__template_of(t, pair);
    size_t at = 0;
    memset(types, 0, tokens->count);
    for (size_t i = 0; i < form->count; i++) {
        int which = -1 - form->at[i].id;
        if (which < 0 && at < tokens->count)
            types[at++] = form->at[i].type;
        for (; which >= 0 && at < tokens->count && tokens->at[at].kind == GLIM_TOKEN_TEXT &&
               (!pair || tokens->at[at].turn == which);
             at++)
            types[at] = form->at[i].type;
    }
}

static int turn_of(const glim_tokens *tokens, size_t at) {
    size_t low = 0, high = tokens->n_turns;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (tokens->turns[middle].start <= at)
            low = middle;
        else
            high = middle;
    }
    return (int)low;
}

/* Gives a token of the rendered text its kind, turn and bytes of the source. */
static void place(glim_token *token, const glim_jinja_text *chat, const glim_tokens *tokens) {
    size_t start = token->start, end = token->end;
    token->kind = GLIM_TOKEN_TEMPLATE;
    token->turn = -1;
    token->start = token->end = 0;
    for (size_t i = start; i < end; i++) {
        size_t at = chat->from[i] ? chat->from[i] - 1 : 0;
        if (!chat->from[i] || (token->turn >= 0 && turn_of(tokens, at) != token->turn))
            continue;
        if (token->turn < 0) {
            token->start = at;
            token->turn = turn_of(tokens, at);
            token->kind = GLIM_TOKEN_TEXT;
        }
        token->start = at < token->start ? at : token->start;
        token->end = at + 1 > token->end ? at + 1 : token->end;
    }
}

/* Tokenises the rendered text: special tokens of the template are parsed, those
   that a message spells are not. */
static glim_status tokenize_chat(const glim_tokenizer *t, glim_token_list *list,
                                 const glim_jinja_text *chat, glim_error *err) {
    size_t n = chat->n, run = 0;
    bool first = true;
    for (size_t i = 0; i < n;) {
        size_t most = 0, len = 0, longest = t->n_lengths ? t->special_lengths[0] : 0;
        int32_t id = -1;
        if (t->special_first[(uint8_t)chat->s[i]])
            while (i + most < n && !chat->from[i + most] && most < longest)
                most++;
        for (size_t k = 0; k < t->n_lengths && id < 0; k++) {
            len = t->special_lengths[k];
            id = len <= most ? glim__map_get(&t->specials, chat->s + i, len) : -1;
            if (id >= 0 && t->type[id] != GLIM_TT_CONTROL)
                id = -1; /* user-defined: found in any text, over the template's edge too */
        }
        if (id < 0) {
            i++;
            continue;
        }
        size_t start = i, end = i + len;
        glim__added_reach(t, id, chat->s, n, run, &start, &end);
        glim_status status =
            glim__tokenize(t, list, chat->s + run, start - run, run, first, false, err);
        if (!status && !glim__token_push(list, id, GLIM_TOKEN_TEMPLATE, start, end, -1))
            status = glim__oom(t->ctx, err, "the tokens", 0);
        if (status)
            return status;
        i = run = end;
        first = true;
    }
    return glim__tokenize(t, list, chat->s + run, n - run, run, first, false, err);
}

static glim_status render(glim_token_list *list, const glim_tokenizer *t,
                          const glim_chat_template *tmpl, const glim_chat_input *in,
                          const glim_tokens *tokens, glim_error *err) {
    glim_arena arena;
    glim_jinja_text chat = {0};
    glim__arena_init(&arena, t->ctx, 1 << 16);
    glim_status status = glim__chat_write(&chat, &arena, tmpl, in, err);
    glim_gguf_string bos = t->info.bos_text;
    bool has_bos = bos.len && chat.n >= bos.len && !memcmp(chat.s, bos.data, bos.len);
    if (!status && t->info.add_bos && !has_bos &&
        !glim__token_push(list, t->info.bos, GLIM_TOKEN_SPECIAL, 0, 0, -1))
        status = glim__oom(t->ctx, err, "the tokens", 0);
    size_t skip = list->count;
    if (!status)
        status = tokenize_chat(t, list, &chat, err);
    for (size_t i = skip; i < list->count && !status; i++)
        place(&list->at[i], &chat, tokens);
    glim__arena_release(&arena);
    return status;
}

glim_status glim__tokens_from_chat(glim_tokens **out, const glim_tokenizer *t,
                                   const glim_chat_template *tmpl, const glim_message *messages,
                                   size_t n, glim_error *err) {
    *out = NULL;
    glim_token_list list = {.ctx = t->ctx};
    glim_chat_input in = {messages, n, &t->info};
    glim_tokens *tokens = chat_source(t->ctx, messages, n);
    glim_status status =
        tokens ? render(&list, t, tmpl, &in, tokens, err) : glim__oom(t->ctx, err, "the chat", 0);
    return finish(out, tokens, &list, status);
}

size_t glim__tokens_shorten(const glim_tokens *tokens, size_t most, uint32_t *kept) {
    size_t end = tokens->count, marks = 0, n = 0;
    while (marks < end && tokens->at[end - 1 - marks].kind == GLIM_TOKEN_SPECIAL)
        marks++;
    marks = end <= most ? 0 : marks < most ? marks : most;
    size_t text = end > most ? most - marks : end;
    for (size_t i = 0; i < text; i++)
        kept[n++] = (uint32_t)i;
    for (size_t i = 0; i < marks; i++)
        kept[n++] = (uint32_t)(end - marks + i);
    return n;
}

void glim__tokens_frame(glim_tokens *tokens, size_t from, size_t to) {
    for (size_t i = 0; i < tokens->count; i++) {
        glim_token *t = &tokens->at[i];
        if (t->kind != GLIM_TOKEN_TEXT)
            continue;
        if (t->end <= from || t->start >= to) {
            t->kind = GLIM_TOKEN_TEMPLATE;
            continue;
        }
        while (t->start < from && tokens->text[t->start] != ' ')
            t->start++;
        t->end = t->end < to ? t->end : to;
    }
}

glim_status glim__tokens_append(glim_tokens *tokens, const glim_tokenizer *t, const int32_t *ids,
                                size_t n, int turn, glim_error *err) {
    size_t extra = 0;
    for (size_t i = 0; i < n; i++)
        extra += glim__token_bytes(t, ids[i]).len;
    glim_token *at = glim__realloc(tokens->ctx, tokens->at, (tokens->count + n) * sizeof *at);
    if (!at)
        return glim__oom(tokens->ctx, err, "the tokens", n * sizeof *at);
    tokens->at = at;
    char *text = glim__realloc(tokens->ctx, tokens->text, tokens->text_len + extra + 1);
    if (!text)
        return glim__oom(tokens->ctx, err, "the text", extra);
    tokens->text = text;
    for (size_t i = 0; i < n; i++) {
        glim_gguf_string s = glim__token_bytes(t, ids[i]);
        memcpy(text + tokens->text_len, s.data, s.len);
        at[tokens->count++] = (glim_token){ids[i], GLIM_TOKEN_GENERATED, tokens->text_len,
                                           tokens->text_len + s.len, turn};
        tokens->text_len += s.len;
    }
    text[tokens->text_len] = 0;
    return GLIM_OK;
}

static bool put_line_end(glim_tokens *tokens) {
    char *text = glim__realloc(tokens->ctx, tokens->text, tokens->text_len + 2);
    if (!text)
        return false;
    tokens->text = text;
    text[tokens->text_len++] = '\n';
    text[tokens->text_len] = 0;
    return true;
}

glim_status glim__tokens_append_text(glim_tokens *tokens, const glim_tokenizer *t,
                                     const int32_t *ids, size_t n, glim_error *err) {
    size_t first = tokens->count;
    if (!n || (first && tokens->at[first - 1].kind == GLIM_TOKEN_GENERATED))
        return glim__tokens_append(tokens, t, ids, n, -1, err);
    glim_gguf_string s = glim__token_bytes(t, ids[0]);
    bool spaced = s.len && *s.data == ' ';
    if (!spaced && !put_line_end(tokens))
        return glim__oom(tokens->ctx, err, "the text", 1);
    glim_status status = glim__tokens_append(tokens, t, ids, n, -1, err);
    if (!status && spaced)
        tokens->text[tokens->at[first].start++] = '\n';
    return status;
}

/* ---- chat files ---- */

glim_status glim__chat_parse(glim_message **out, size_t *n, glim_arena *arena, const char *json,
                             size_t len, const char *name, glim_error *err) {
    json_t *list = NULL;
    glim_status status = glim__json_parse(&list, json, len, name, err);
    *out = NULL;
    *n = 0;
    if (!status && (!json_is_array(list) || !json_array_size(list)))
        status = glim_fail(err, GLIM_EFORMAT,
                           "'%s' is not a list of messages like "
                           "[{\"role\": \"user\", \"content\": \"...\"}]",
                           name);
    size_t count = status ? 0 : json_array_size(list);
    glim_message *messages = status ? NULL : glim__arena_calloc(arena, count, sizeof *messages);
    if (!status && !messages)
        status = glim__oom(arena->ctx, err, "the chat", count * sizeof *messages);
    for (size_t i = 0; i < count && !status; i++) {
        const json_t *m = json_array_get(list, i);
        const json_t *role = json_object_get(m, "role"), *text = json_object_get(m, "content");
        if (!json_is_string(role) || !json_is_string(text)) {
            status = glim_fail(err, GLIM_EFORMAT,
                               "message %zu of '%s' lacks a \"role\" or a "
                               "\"content\" that is a string",
                               i, name);
            break;
        }
        messages[i].content_len = json_string_length(text);
        messages[i].role = glim__arena_strdup(arena, json_string_value(role));
        messages[i].content =
            glim__arena_strndup(arena, json_string_value(text), messages[i].content_len);
        if (!messages[i].role || !messages[i].content)
            status = glim__oom(arena->ctx, err, "the chat", messages[i].content_len);
    }
    json_decref(list);
    if (!status) {
        *out = messages;
        *n = count;
    }
    return status;
}
