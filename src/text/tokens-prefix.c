/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning of an answer, read behind an input as if it had been written there: so a word
 * of an answer is the next one. Its tokens are cut by themselves, as those are that a model
 * writes, and never joined with the input's or the template's.
 */
#include "text/tokenizer.h"

#include <string.h>

static glim_status add_turn(glim_tokens *tokens, size_t start, size_t end, glim_error *err) {
    glim_turn *turns =
        glim__realloc(tokens->ctx, tokens->turns, (tokens->n_turns + 1) * sizeof *turns);
    if (!turns)
        return glim__oom(tokens->ctx, err, "the turns", sizeof *turns);
    tokens->turns = turns;
    char *role = glim__strdup(tokens->ctx, "assistant");
    if (!role)
        return glim__oom(tokens->ctx, err, "a role", 0);
    turns[tokens->n_turns++] = (glim_turn){role, start, end};
    return GLIM_OK;
}

/* The text behind that of the input; of a chat on a line of its own, as all its messages are. */
static glim_status add_text(glim_tokens *tokens, const char *text, size_t n, size_t *start,
                            glim_error *err) {
    bool chat = tokens->n_turns > 0;
    char *all = glim__realloc(tokens->ctx, tokens->text, tokens->text_len + chat + n + 1);
    if (!all)
        return glim__oom(tokens->ctx, err, "the text", n);
    tokens->text = all;
    if (chat)
        all[tokens->text_len++] = '\n';
    *start = tokens->text_len;
    memcpy(all + *start, text, n);
    tokens->text_len += n;
    all[tokens->text_len] = 0;
    return chat ? add_turn(tokens, *start, tokens->text_len, err) : GLIM_OK;
}

glim_status glim__tokens_prefix(glim_tokens *tokens, const glim_tokenizer *t, const char *text,
                                size_t n, glim_error *err) {
    glim_token_list list = {.ctx = tokens->ctx};
    size_t start;
    glim_status status = glim__tokenize(t, &list, text, n, 0, false, false, err);
    glim_token *at = NULL;
    if (!status) {
        at = glim__realloc(tokens->ctx, tokens->at, (tokens->count + list.count + 1) * sizeof *at);
        status = at ? add_text(tokens, text, n, &start, err)
                    : glim__oom(tokens->ctx, err, "the tokens", list.count * sizeof *at);
        tokens->at = at ? at : tokens->at;
    }
    for (size_t i = 0; !status && i < list.count; i++) {
        glim_token *token = &at[tokens->count++];
        *token = list.at[i];
        token->kind = GLIM_TOKEN_TEXT;
        token->turn = (int)tokens->n_turns - 1;
        token->start += start;
        token->end += start;
    }
    glim__token_list_release(&list);
    return status;
}
