/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens to units. A token belongs to the word (or sentence) that its first
 * byte that is no space lies in, or the next such byte when it is only spaces; a
 * unit is a run of neighbouring tokens of one word. Tokens whose common boundary
 * is inside a grapheme are never parted, whatever the kind: a rare Chinese
 * character is two or three tokens, and none of them is text alone.
 */
#include "text/breaks.h"

#include <glim/text.h>
#include <string.h>

void glim_units_free(glim_units *units) {
    if (!units)
        return;
    glim__free(units->ctx, units->at);
    *units = (glim_units){0};
}

const char *glim_unit_kind_name(glim_unit_kind kind) {
    static const char *const names[] = {"token", "word", "sentence", "turn", "character"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

static bool is_fixed(const glim_token *t) {
    return t->kind == GLIM_TOKEN_SPECIAL || t->kind == GLIM_TOKEN_TEMPLATE;
}

/* The number of the segment that the token's first visible byte lies in: a
   tokenizer may cut the space before a word off. */
static size_t segment_of(const glim_tokens *tokens, const glim_token *t, const uint32_t *number) {
    size_t at = t->start;
    while (at < tokens->text_len && (tokens->text[at] == ' ' || tokens->text[at] == '\t'))
        at++;
    return at < tokens->text_len ? number[at] : number[at ? at - 1 : 0];
}

struct grouping {
    const glim_tokens *tokens;
    glim_unit_kind kind;
    const uint8_t *graphemes;
    const uint32_t *number; /* [text_len + 1] segment of each byte */
};

/* Words of a prompt lie in the text; a template's own have no bytes there. */
static bool lies_in_text(const glim_token *t) {
    return t->kind == GLIM_TOKEN_TEMPLATE && t->end > t->start;
}

static bool joined(const struct grouping *g, const glim_token *a, const glim_token *b) {
    if (is_fixed(a) || is_fixed(b))
        return lies_in_text(a) && lies_in_text(b) && !g->graphemes[b->start];
    if (b->start <= g->tokens->text_len && !g->graphemes[b->start])
        return true;
    if (b->start < a->end || a->start == a->end) /* one source range, or a token of none */
        return a->turn == b->turn; /* but a template may write a later message first */
    if (a->turn != b->turn ||
        (a->kind == GLIM_TOKEN_GENERATED) != (b->kind == GLIM_TOKEN_GENERATED))
        return false;
    if (a->kind == GLIM_TOKEN_GENERATED) /* each was produced knowing those before it alone */
        return false;
    switch (g->kind) {
    case GLIM_UNIT_TOKEN:
    case GLIM_UNIT_CHARACTER:
        return false;
    case GLIM_UNIT_TURN:
        return true;
    case GLIM_UNIT_WORD:
    case GLIM_UNIT_SENTENCE:
        break;
    }
    return segment_of(g->tokens, a, g->number) == segment_of(g->tokens, b, g->number);
}

static void group(glim_units *out, const struct grouping *g) {
    const glim_tokens *tokens = g->tokens;
    for (size_t i = 0; i < tokens->count; i++) {
        const glim_token *t = &tokens->at[i];
        glim_unit *u = out->count ? &out->at[out->count - 1] : NULL;
        if (u && joined(g, t - 1, t)) {
            u->count++;
            u->end = t->end > u->end ? t->end : u->end;
            continue;
        }
        out->at[out->count++] = (glim_unit){.start = t->start,
                                            .end = t->end,
                                            .first = i,
                                            .count = 1,
                                            .fixed = is_fixed(t),
                                            .turn = t->turn};
    }
}

/* Text that no token stands for, such as the spaces that WordPiece drops, goes to the
   unit behind it, so that units of a turn leave no gap between them. */
static void close_gaps(glim_units *units) {
    const glim_unit *before = NULL;
    for (size_t i = 0; i < units->count; i++) {
        glim_unit *u = &units->at[i];
        if (u->fixed && u->end > u->start)
            before = NULL; /* words of a prompt stand between */
        if (u->fixed || u->end == u->start)
            continue;
        if (before && before->turn == u->turn && before->end < u->start)
            u->start = before->end;
        before = u;
    }
}

glim_status glim_units_make(glim_units *out, const glim_tokens *tokens, glim_unit_kind kind,
                            glim_error *err) {
    glim_context *ctx = tokens->ctx;
    size_t n = tokens->text_len;
    *out = (glim_units){.ctx = ctx, .kind = kind};
    if (kind == GLIM_UNIT_TURN && !tokens->n_turns)
        return glim_fail(err, GLIM_EUSAGE, "units 'turn' need a chat (--chat)");
    uint8_t *graphemes = glim__alloc(ctx, n + 1), *starts = glim__alloc(ctx, n + 1);
    uint32_t *number = glim__calloc(ctx, n + 1, sizeof *number);
    out->at = glim__calloc(ctx, tokens->count + 1, sizeof *out->at);
    glim_status status = GLIM_OK;
    if (!graphemes || !starts || !number || !out->at)
        status = glim__oom(ctx, err, "the units", n * 6);
    if (!status)
        status = glim__breaks(graphemes, ctx, tokens->text, n, GLIM_BREAK_GRAPHEME, err);
    if (!status && (kind == GLIM_UNIT_WORD || kind == GLIM_UNIT_SENTENCE)) {
        status = glim__breaks(starts, ctx, tokens->text, n,
                              kind == GLIM_UNIT_WORD ? GLIM_BREAK_WORD : GLIM_BREAK_SENTENCE, err);
        for (size_t i = 0; i <= n && !status; i++)
            number[i] = (i ? number[i - 1] : 0) + starts[i];
    }
    if (!status) {
        struct grouping g = {tokens, kind, graphemes, number};
        group(out, &g);
        close_gaps(out);
    }
    glim__free(ctx, graphemes);
    glim__free(ctx, starts);
    glim__free(ctx, number);
    if (status)
        glim_units_free(out);
    return status;
}
