/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts as tokens, and words as runs of them: those that share a byte with the word. A token
 * that two words share counts for both.
 */
#include "structure/probe-store.h"

#include <stdio.h>
#include <string.h>

static glim_status oom(const glim_probe_inputs *in, size_t n, glim_error *err) {
    return glim__oom(in->ctx, err, "the tokens", n * sizeof(int32_t));
}

static glim_status align(glim_probe_data *d, const glim_probe_sentence *s, const glim_tokens *t,
                         const char *where, glim_error *err) {
    size_t at = 0;
    for (size_t w = s->first; w < s->first + s->count; w++) {
        glim_probe_span *span = &d->spans[w];
        while (at < t->count && (t->at[at].kind != GLIM_TOKEN_TEXT || t->at[at].end <= span->start))
            at++;
        size_t last = at;
        while (last < t->count && t->at[last].kind == GLIM_TOKEN_TEXT &&
               t->at[last].start < span->end)
            last++;
        if (last == at)
            return glim_fail(err, GLIM_EFORMAT,
                             "%s: the model has no token for '%.*s', so its tag belongs to nothing "
                             "(leave the word out)",
                             where,
                             (int)(span->end - span->start < 60 ? span->end - span->start : 60),
                             s->text + span->start);
        *span = (glim_probe_span){(uint32_t)at, (uint32_t)last};
    }
    return GLIM_OK;
}

static glim_status take(glim_probe_inputs *in, const glim_model *model, glim_probe_data *d,
                        size_t i, const glim_tokens *t, const char *where, glim_error *err) {
    const glim_model *half = model->encoder ? model->encoder : model;
    size_t most = (size_t)half->hyper.context, T = t->count;
    uint32_t *kept = glim__alloc(in->ctx, T * sizeof *kept);
    int32_t *ids = glim__arena_alloc(&in->arena, T * sizeof *ids);
    uint8_t *types = glim__arena_alloc(&in->arena, T + 1);
    glim_status status = GLIM_OK;
    if (!kept || !ids || !types) {
        status = oom(in, T, err);
    } else if (d->words && T > most) {
        status = glim_fail(err, GLIM_ELIMIT,
                           "%s: the sentence has %zu tokens, more than the model's context of %zu",
                           where, T, most);
    } else {
        size_t n = glim__tokens_shorten(t, most, kept);
        glim__token_types(model->tokenizer, t, types);
        for (size_t k = 0; k < n; k++) {
            ids[k] = t->at[kept[k]].id;
            types[k] = types[kept[k]];
        }
        in->at[i] = (glim_probe_input){ids, half->hyper.both_ways ? types : NULL, (uint32_t)n};
        in->total += n;
        in->cut += T > n;
        in->longest = n > in->longest ? n : in->longest;
        if (d->words)
            status = align(d, &d->sentences[i], t, where, err);
    }
    glim__free(in->ctx, kept);
    return status;
}

glim_status glim__probe_tokens(glim_probe_inputs *in, const glim_model *model, glim_probe_data *d,
                               glim_error *err) {
    glim_arena words;
    *in = (glim_probe_inputs){.ctx = model->ctx, .n = glim__probe_texts(d)};
    glim__arena_init(&in->arena, model->ctx, 1 << 18);
    glim__arena_init(&words, model->ctx, 1 << 14);
    in->at = glim__calloc(model->ctx, in->n + 1, sizeof *in->at);
    glim_status status = in->at ? GLIM_OK : oom(in, in->n, err);
    for (size_t i = 0; i < in->n && !status; i++) {
        const char *text;
        char where[320];
        glim_tokens *tokens = NULL;
        status = glim__probe_text(d, i, &words, &text, where, err);
        if (status)
            break;
        status = glim_model_tokenize(model, &tokens, text, strlen(text), err);
        status = status ? glim_prefix(err, status, "%s", where)
                        : take(in, model, d, i, tokens, where, err);
        glim_tokens_free(tokens);
        glim__arena_reset(&words);
        if (!status && !(i & 63))
            status = glim__check_cancel(model->ctx, err);
    }
    glim__arena_release(&words);
    return status;
}

void glim__probe_inputs_release(glim_probe_inputs *in) {
    if (!in->ctx)
        return;
    glim__free(in->ctx, in->at);
    glim__arena_release(&in->arena);
    in->ctx = NULL;
}
