/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and encoding again. Some tokenizers put a space before a text, so that of its first
   word is left out where the tokens come back without it. */
#include "structure/token-wording.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <string.h>

enum { DRAWS = 400 };

static bool is_seen(const char *s, size_t n) {
    if (!n || glim__utf8_check(s, n) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    for (size_t i = 0; i + 2 < n; i++)
        if (!memcmp(s + i, "\xef\xbf\xbd", 3)) /* stands for what is no character */
            return false;
    return true;
}

static glim_status around(glim_wording *w, glim_error *err) {
    glim_tokens *t = NULL;
    glim_status status = glim_model_tokenize(w->m, &t, "a", 1, err);
    size_t n = status ? 0 : t->count;
    w->front = glim__calloc(w->ctx, n + 1, sizeof *w->front);
    w->back = glim__calloc(w->ctx, n + 1, sizeof *w->back);
    if (!status && (!w->front || !w->back))
        status = glim__oom(w->ctx, err, "the tokens", n * sizeof *w->front);
    bool before = true;
    for (size_t k = 0; k < n && !status; k++) {
        if (t->at[k].kind == GLIM_TOKEN_TEXT)
            before = false;
        else if (before)
            w->front[w->n_front++] = t->at[k].id;
        else
            w->back[w->n_back++] = t->at[k].id;
    }
    glim_tokens_free(t);
    return status;
}

glim_status glim__wording_init(glim_wording *w, const glim_model *m, glim_error *err) {
    size_t V = (size_t)glim__tokenizer_info(m->tokenizer)->vocab;
    V = V < (size_t)m->hyper.V ? V : (size_t)m->hyper.V; /* rows without a token */
    *w = (glim_wording){.ctx = m->ctx, .m = m};
    glim__buffer_init(&w->text, m->ctx);
    w->allowed = glim__calloc(m->ctx, (size_t)m->hyper.V, 1);
    w->list = glim__calloc(m->ctx, (size_t)m->hyper.V, sizeof *w->list);
    glim_status status = w->allowed && w->list
                             ? around(w, err)
                             : glim__oom(m->ctx, err, "the vocabulary", V * sizeof *w->list);
    for (size_t v = 0; v < V && !status; v++) {
        size_t n = 0;
        const char *s = glim_model_token_bytes(m, (int32_t)v, &n);
        w->allowed[v] = !glim__token_is_control(m->tokenizer, (int32_t)v) &&
                        !glim__token_ends(m->tokenizer, (int32_t)v) && s && is_seen(s, n);
        if (w->allowed[v])
            w->list[w->n_list++] = (int32_t)v;
    }
    if (!status && !w->n_list)
        status = glim_fail(err, GLIM_EUSAGE, "the vocabulary has no words to search among");
    if (status)
        glim__wording_release(w);
    return status;
}

void glim__wording_release(glim_wording *w) {
    if (!w->ctx)
        return;
    glim__free(w->ctx, w->front);
    glim__free(w->ctx, w->back);
    glim__free(w->ctx, w->allowed);
    glim__free(w->ctx, w->list);
    glim__buffer_release(&w->text);
    *w = (glim_wording){0};
}

/* Whether a text gives exactly the tokens. */
static glim_status gives(const glim_wording *w, const char *text, size_t len, const int32_t *ids,
                         size_t n, bool *yes, glim_error *err) {
    glim_tokens *t = NULL;
    glim_status status = glim_model_tokenize(w->m, &t, text, len, err);
    *yes = !status && t->count == w->n_front + n + w->n_back;
    for (size_t k = 0; *yes && k < n; k++)
        *yes = t->at[w->n_front + k].id == ids[k] && t->at[w->n_front + k].kind == GLIM_TOKEN_TEXT;
    glim_tokens_free(t);
    return status == GLIM_EUSAGE || status == GLIM_EFORMAT ? GLIM_OK : status;
}

glim_status glim__wording_survives(glim_wording *w, const int32_t *ids, size_t n, bool *yes,
                                   glim_error *err) {
    *yes = false;
    w->text.len = 0;
    for (size_t k = 0; k < n; k++) {
        size_t len = 0;
        if (!w->allowed[ids[k]])
            return GLIM_OK;
        const char *s = glim_model_token_bytes(w->m, ids[k], &len);
        glim__buffer_append(&w->text, s, len);
    }
    if (w->text.failed)
        return glim__oom(w->ctx, err, "a text", w->text.len);
    glim_status status = GLIM_OK;
    bool spaced = w->text.len > 1 && *w->text.data == ' ';
    if (spaced)
        status = gives(w, w->text.data + 1, w->text.len - 1, ids, n, yes, err);
    if (*yes) {
        memmove(w->text.data, w->text.data + 1, w->text.len); /* and its end */
        w->text.len--;
    } else if (!status) {
        status = gives(w, w->text.data, w->text.len, ids, n, yes, err);
    }
    return status;
}

glim_status glim__wording_draw(glim_wording *w, uint64_t seed, uint64_t stream, size_t n,
                               int32_t *ids, glim_error *err) {
    glim_status status = GLIM_OK;
    uint64_t at = 0;
    for (size_t k = 0; k < n && !status; k++) {
        bool yes = false;
        for (size_t turn = 0; turn < DRAWS && !yes && !status; turn++) {
            ids[k] = w->list[glim__rng_below(seed, stream, at++, (uint32_t)w->n_list)];
            status = glim__wording_survives(w, ids, k + 1, &yes, err);
        }
        if (!status && !yes)
            status = glim_fail(err, GLIM_EUSAGE,
                               "no text of %zu tokens by chance gives the same tokens again (give "
                               "one: --start TEXT)",
                               n);
    }
    return status;
}
