/* SPDX-License-Identifier: Apache-2.0 */
/*
 * presplit.c: the pre-tokenisers of tokenizer.json, one descriptor each. A step
 * parts every piece of the one before; some rewrite the text as well (a space in
 * front, the byte alphabet), which makes a new run.
 */
#include "base/utf8.h"
#include "text/characters.h"
#include "text/pipeline.h"

#include <string.h>

static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                           "\\s+(?!\\S)|\\s+";

/* ---- matches to pieces ---- */

enum { ISOLATED, REMOVED, WITH_PREVIOUS, WITH_NEXT, CONTIGUOUS, BEHAVIOURS };
static const char *const behaviours[BEHAVIOURS] = {"Isolated", "Removed", "MergedWithPrevious",
                                                   "MergedWithNext", "Contiguous"};
enum { BEHAVIOUR = 7, INVERT = 8, PREFIX_SPACE = 16, BY_REGEX = 32, INDIVIDUAL = 64 };

static glim_status read_behaviour(glim_step *s, const json_t *json, unsigned fallback,
                                  glim_error *err) {
    const json_t *v = json_object_get(json, "behavior");
    const char *name = json_string_value(v);
    s->flags |= fallback;
    if (!v)
        return GLIM_OK;
    for (unsigned i = 0; name && i < BEHAVIOURS; i++) {
        if (!strcasecmp(name, behaviours[i])) {
            s->flags = (s->flags & ~(unsigned)BEHAVIOUR) | i;
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_EUNSUPPORTED, "the behavior '%.40s' of a '%s' is not known",
                     name ? name : "", s->kind->type);
}

/* Takes a piece's matches and the gaps between them, in order. */
struct joiner {
    glim_cuts *out;
    unsigned behaviour;
    bool invert;
    bool open, match; /* a piece is held back; the last part was a match */
    size_t start, end;
};

static void let_go(struct joiner *j) {
    if (j->open)
        glim__cuts_add(j->out, j->start, j->end);
    j->open = false;
}

static void hold(struct joiner *j, size_t start, size_t end) {
    let_go(j);
    j->open = true;
    j->start = start;
    j->end = end;
}

static void part(struct joiner *j, size_t start, size_t end, bool match) {
    match = match != j->invert;
    bool joins = false;
    switch (j->behaviour) {
    case REMOVED:
        if (!match)
            glim__cuts_add(j->out, start, end);
        return;
    case CONTIGUOUS:
        joins = match == j->match;
        break;
    case WITH_PREVIOUS:
        joins = match && !j->match;
        break;
    case WITH_NEXT: /* a match waits for the gap behind it */
        joins = !match && j->match;
        break;
    default:
        break;
    }
    if (joins && j->open)
        j->end = end;
    else
        hold(j, start, end);
    j->match = match;
}

typedef bool class_fn(uint32_t cp);

/* Every character of the class is a match of its own. */
static void part_by_class(glim_work *w, glim_cut piece, class_fn *is, unsigned behaviour) {
    struct joiner j = {.out = &w->cut, .behaviour = behaviour};
    size_t gap = piece.start;
    for (size_t at = piece.start; at < piece.end;) {
        uint32_t cp;
        int len = glim__utf8_decode(w->now.text + at, piece.end - at, &cp);
        size_t end = at + (size_t)(len ? len : 1);
        if (is(cp)) {
            if (gap < at)
                part(&j, gap, at, false);
            part(&j, at, end, true);
            gap = end;
        }
        at = end;
    }
    if (gap < piece.end)
        part(&j, gap, piece.end, false);
    let_go(&j);
}

static glim_status part_by_regex(glim_work *w, const glim_regex *regex, glim_cut piece,
                                 unsigned flags, glim_error *err) {
    struct joiner j = {
        .out = &w->cut, .behaviour = flags & BEHAVIOUR, .invert = (flags & INVERT) != 0};
    const char *text = w->now.text + piece.start;
    size_t n = piece.end - piece.start;
    for (size_t at = 0; at < n;) {
        glim_match m;
        glim_status status = glim__regex_find(regex, w->matcher, text, n, at, &m, err);
        if (status)
            return status;
        if (m.start > at)
            part(&j, piece.start + at, piece.start + m.start, false);
        if (m.found)
            part(&j, piece.start + m.start, piece.start + m.end, true);
        at = m.end;
    }
    let_go(&j);
    return GLIM_OK;
}

static glim_status all_by_class(glim_work *w, class_fn *is, unsigned behaviour) {
    for (size_t i = 0; i < w->pieces.count; i++)
        part_by_class(w, w->pieces.at[i], is, behaviour);
    return GLIM_OK;
}

static glim_status all_by_regex(const glim_step *s, glim_work *w, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < w->pieces.count && !status; i++)
        status = part_by_regex(w, s->regex, w->pieces.at[i], s->flags, err);
    return status;
}

/* ---- by class ---- */

static glim_status run_whitespace_split(const glim_step *s, glim_work *w, glim_error *err) {
    return all_by_class(w, glim__is_space, REMOVED);
}

static glim_status read_punctuation(glim_step *s, glim_pipeline *p, const json_t *json,
                                    glim_error *err) {
    return read_behaviour(s, json, ISOLATED, err);
}

static glim_status run_punctuation(const glim_step *s, glim_work *w, glim_error *err) {
    return all_by_class(w, glim__is_punctuation, s->flags & BEHAVIOUR);
}

static glim_status read_digits(glim_step *s, glim_pipeline *p, const json_t *json,
                               glim_error *err) {
    s->flags = json_is_true(json_object_get(json, "individual_digits")) ? ISOLATED : CONTIGUOUS;
    return GLIM_OK;
}

static glim_status run_digits(const glim_step *s, glim_work *w, glim_error *err) {
    return all_by_class(w, glim__is_numeric, s->flags & BEHAVIOUR);
}

static glim_status run_bert(const glim_step *s, glim_work *w, glim_error *err) {
    all_by_class(w, glim__is_space, REMOVED);
    glim_cuts words = w->cut;
    w->cut = w->pieces;
    w->cut.count = 0;
    w->pieces = words;
    return all_by_class(w, glim__is_punctuation, ISOLATED);
}

/* Runs of word characters, and runs of what is neither word nor space. */
static int sort_of(uint32_t cp) {
    return glim__is_word(cp) ? 1 : glim__is_space(cp) ? 0 : 2;
}

static glim_status run_whitespace(const glim_step *s, glim_work *w, glim_error *err) {
    for (size_t i = 0; i < w->pieces.count; i++) {
        glim_cut piece = w->pieces.at[i];
        size_t start = piece.start;
        int sort = 0;
        for (size_t at = piece.start; at < piece.end;) {
            uint32_t cp;
            int len = glim__utf8_decode(w->now.text + at, piece.end - at, &cp);
            if (sort_of(cp) != sort) {
                if (sort)
                    glim__cuts_add(&w->cut, start, at);
                start = at;
                sort = sort_of(cp);
            }
            at += (size_t)(len ? len : 1);
        }
        if (sort)
            glim__cuts_add(&w->cut, start, piece.end);
    }
    return GLIM_OK;
}

/* ---- Split ---- */

static glim_status read_split(glim_step *s, glim_pipeline *p, const json_t *json, glim_error *err) {
    s->flags = json_is_true(json_object_get(json, "invert")) ? INVERT : 0;
    glim_status status = read_behaviour(s, json, ISOLATED, err);
    return status ? status : glim__pattern_read(s, p, json, err);
}

static glim_status run_split(const glim_step *s, glim_work *w, glim_error *err) {
    return all_by_regex(s, w, err);
}

/* ---- ByteLevel ---- */

static glim_status read_byte_level(glim_step *s, glim_pipeline *p, const json_t *json,
                                   glim_error *err) {
    const json_t *by_regex = json_object_get(json, "use_regex");
    s->flags = ISOLATED |
               (json_is_true(json_object_get(json, "add_prefix_space")) ? PREFIX_SPACE : 0) |
               (json_is_false(by_regex) ? 0 : BY_REGEX);
    p->byte_level = true;
    return glim__regex_open(&s->regex, p->t->ctx, gpt2, sizeof gpt2 - 1, false, err);
}

/* Pieces of now with a space in front of those that do not begin with one. */
static void add_spaces(glim_work *w) {
    for (size_t i = 0; i < w->pieces.count; i++) {
        glim_cut *c = &w->pieces.at[i];
        size_t start = w->next.n;
        if (w->now.text[c->start] != ' ')
            glim__run_put(&w->next, " ", 1, w->now.from[c->start], w->now.from[c->start]);
        glim__run_copy(&w->next, &w->now, c->start, c->end);
        *c = (glim_cut){(uint32_t)start, (uint32_t)w->next.n};
    }
    glim_run r = w->now;
    w->now = w->next;
    w->next = r;
    glim__run_clear(&w->next);
}

static glim_status run_byte_level(const glim_step *s, glim_work *w, glim_error *err) {
    glim_status status = GLIM_OK;
    if (s->flags & PREFIX_SPACE)
        add_spaces(w);
    if (w->now.failed)
        return glim__run_status(&w->now, err);
    if (s->flags & BY_REGEX)
        status = all_by_regex(s, w, err);
    else
        for (size_t i = 0; i < w->pieces.count; i++)
            glim__cuts_add(&w->cut, w->pieces.at[i].start, w->pieces.at[i].end);
    for (size_t i = 0; i < w->cut.count && !status; i++) {
        glim_cut *c = &w->cut.at[i];
        size_t start = w->next.n;
        for (size_t at = c->start; at < c->end; at++)
            glim__run_put_point(&w->next, glim__alphabet_letter((uint8_t)w->now.text[at]),
                                w->now.from[at], w->now.to[at]);
        *c = (glim_cut){(uint32_t)start, (uint32_t)w->next.n};
    }
    return status;
}

/* ---- Metaspace ---- */

enum { ALWAYS = 16, FIRST = 32, SPLIT = 64 };

static glim_status read_metaspace(glim_step *s, glim_pipeline *p, const json_t *json,
                                  glim_error *err) {
    const json_t *text = json_object_get(json, "replacement");
    const json_t *scheme = json_object_get(json, "prepend_scheme");
    const json_t *old = json_object_get(json, "add_prefix_space");
    const char *name = json_is_string(scheme) ? json_string_value(scheme) : NULL;
    s->text = "\xe2\x96\x81";
    if (json_is_string(text))
        s->text = glim__arena_strdup(&p->t->arena, json_string_value(text));
    if (!s->text)
        return glim__oom(p->t->ctx, err, "the tokenizer", 0);
    s->len = strlen(s->text);
    if (!s->len)
        return glim_fail(err, GLIM_EFORMAT, "the replacement of a 'Metaspace' is empty");
    s->flags = WITH_NEXT | (json_is_false(json_object_get(json, "split")) ? 0 : SPLIT);
    if (name ? !strcmp(name, "always") : !json_is_false(old))
        s->flags |= ALWAYS;
    else if (name && !strcmp(name, "first"))
        s->flags |= FIRST;
    else if (name && strcmp(name, "never"))
        return glim_fail(err, GLIM_EUNSUPPORTED, "the prepend_scheme '%.40s' is not known", name);
    return glim__regex_open(&s->regex, p->t->ctx, s->text, s->len, true, err);
}

/* Copies a piece with the replacement for spaces; its first byte in front where
   the scheme says so. */
static void put_metaspace(const glim_step *s, glim_work *w, glim_cut c) {
    const glim_run *in = &w->now;
    size_t at = c.start, origin = c.start ? in->from[c.start] : w->begin;
    bool starts =
        in->text[at] == ' ' || (c.end - at >= s->len && !memcmp(in->text + at, s->text, s->len));
    if (!starts && (s->flags & ALWAYS || (s->flags & FIRST && !origin && w->first)))
        glim__run_put(&w->next, s->text, s->len, in->from[at], in->from[at]);
    while (at < c.end) {
        const char *space = memchr(in->text + at, ' ', c.end - at);
        size_t stop = space ? (size_t)(space - in->text) : c.end;
        glim__run_copy(&w->next, in, at, stop);
        if (space)
            glim__run_put(&w->next, s->text, s->len, in->from[stop], in->to[stop]);
        at = stop + (space != NULL);
    }
}

static glim_status run_metaspace(const glim_step *s, glim_work *w, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < w->pieces.count; i++) {
        size_t start = w->next.n;
        put_metaspace(s, w, w->pieces.at[i]);
        w->pieces.at[i] = (glim_cut){(uint32_t)start, (uint32_t)w->next.n};
    }
    glim_run r = w->now;
    w->now = w->next;
    w->next = r;
    if (w->now.failed)
        return glim__run_status(&w->now, err);
    if (s->flags & SPLIT)
        status = all_by_regex(&(glim_step){.kind = s->kind, .regex = s->regex, .flags = WITH_NEXT},
                              w, err);
    else
        for (size_t i = 0; i < w->pieces.count; i++)
            glim__cuts_add(&w->cut, w->pieces.at[i].start, w->pieces.at[i].end);
    r = w->now; /* the caller takes next */
    w->now = w->next;
    w->next = r;
    return status;
}

/* ---- the list ---- */

static const glim_step_kind byte_level = {"ByteLevel", read_byte_level, run_byte_level, true};
static const glim_step_kind split = {"Split", read_split, run_split, false};
static const glim_step_kind digits = {"Digits", read_digits, run_digits, false};
static const glim_step_kind metaspace = {"Metaspace", read_metaspace, run_metaspace, true};
static const glim_step_kind bert = {"BertPreTokenizer", NULL, run_bert, false};
static const glim_step_kind whitespace = {"Whitespace", NULL, run_whitespace, false};
static const glim_step_kind whitespace_split = {"WhitespaceSplit", NULL, run_whitespace_split,
                                                false};
static const glim_step_kind punctuation = {"Punctuation", read_punctuation, run_punctuation, false};

static const glim_step_kind *const kinds[] = {&byte_level,       &split,       &digits,
                                              &metaspace,        &bert,        &whitespace,
                                              &whitespace_split, &punctuation, NULL};

glim_status glim__presplits_read(glim_pipeline *p, const json_t *json, glim_error *err) {
    return glim__steps_read(&p->presplits, p, json, kinds, "pre_tokenizer", err);
}

glim_status glim__presplit(const glim_pipeline *p, glim_work *w, glim_error *err) {
    for (size_t i = 0; i < p->presplits.count; i++) {
        const glim_step *s = &p->presplits.at[i];
        w->cut.count = 0;
        glim__run_clear(&w->next);
        glim_status status = s->kind->run(s, w, err);
        if (!status)
            status = glim__run_status(&w->next, err);
        if (!status)
            status = glim__run_status(&w->now, err);
        if (status)
            return status;
        if (w->cut.failed)
            return glim__oom(w->t->ctx, err, "splitting the text", 9 * w->now.n);
        glim_cuts c = w->pieces;
        w->pieces = w->cut;
        w->cut = c;
        if (s->kind->rewrites) {
            glim_run r = w->now;
            w->now = w->next;
            w->next = r;
        }
    }
    return GLIM_OK;
}
