/* SPDX-License-Identifier: Apache-2.0 */
/*
 * normalize.c: the normalisers of tokenizer.json, one descriptor each. A step
 * reads the run `now` and writes `next`; what it leaves alone keeps its bytes'
 * ranges, deleted text belongs to nobody.
 */
#include "base/utf8.h"
#include "text/characters.h"
#include "text/pipeline.h"

#include <string.h>
#include <utf8proc.h>

static glim_status done(const glim_work *w, glim_error *err) {
    return glim__run_status(&w->next, err);
}

/* Walks the code points of now: for (size_t at = 0, end; next_point(...); at = end) */
static bool next_point(const glim_run *r, size_t at, size_t *end, uint32_t *cp) {
    if (at >= r->n)
        return false;
    int len = glim__utf8_decode(r->text + at, r->n - at, cp);
    *end = at + (size_t)(len ? len : 1);
    return true;
}

static bool option(const json_t *json, const char *key, bool fallback) {
    const json_t *v = json_object_get(json, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* ---- Unicode forms ---- */

static glim_status run_nfc(const glim_step *s, glim_work *w, glim_error *err) {
    return glim__unicode_form(w, GLIM_FORM_COMPOSE, err);
}
static glim_status run_nfd(const glim_step *s, glim_work *w, glim_error *err) {
    return glim__unicode_form(w, 0, err);
}
static glim_status run_nfkc(const glim_step *s, glim_work *w, glim_error *err) {
    return glim__unicode_form(w, GLIM_FORM_COMPOSE | GLIM_FORM_COMPAT, err);
}
static glim_status run_nfkd(const glim_step *s, glim_work *w, glim_error *err) {
    return glim__unicode_form(w, GLIM_FORM_COMPAT, err);
}

/* ---- case and accents ---- */

/* Full lower case: only U+0130 becomes two. */
static void put_lower(glim_run *out, uint32_t cp, uint32_t from, uint32_t to) {
    if (cp == 0x130) {
        glim__run_put(out, "i\xcc\x87", 3, from, to);
        return;
    }
    if (cp < 0x80)
        cp += cp >= 'A' && cp <= 'Z' ? 'a' - 'A' : 0;
    else
        cp = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
    glim__run_put_point(out, cp, from, to);
}

static glim_status run_lowercase(const glim_step *s, glim_work *w, glim_error *err) {
    uint32_t cp;
    for (size_t at = 0, end; next_point(&w->now, at, &end, &cp); at = end)
        put_lower(&w->next, cp, w->now.from[at], w->now.to[end - 1]);
    return done(w, err);
}

static void drop(glim_work *w, bool (*unwanted)(uint32_t)) {
    uint32_t cp;
    for (size_t at = 0, end; next_point(&w->now, at, &end, &cp); at = end)
        if (cp < 0x80 || !unwanted(cp))
            glim__run_copy(&w->next, &w->now, at, end);
}

static glim_status run_strip_accents(const glim_step *s, glim_work *w, glim_error *err) {
    drop(w, glim__is_mark);
    return done(w, err);
}

/* ---- BERT ---- */

enum { CLEAN = 1, CHINESE = 2, ACCENTS = 4, LOWER = 8 };

static glim_status read_bert(glim_step *s, glim_pipeline *p, const json_t *json, glim_error *err) {
    bool lower = option(json, "lowercase", true);
    s->flags = (option(json, "clean_text", true) ? CLEAN : 0u) |
               (option(json, "handle_chinese_chars", true) ? CHINESE : 0u) |
               (option(json, "strip_accents", lower) ? ACCENTS : 0u) | (lower ? LOWER : 0u);
    return GLIM_OK;
}

static void swap(glim_work *w) {
    glim_run r = w->now;
    w->now = w->next;
    w->next = r;
    glim__run_clear(&w->next);
}

static void clean(glim_work *w, unsigned flags) {
    uint32_t cp;
    for (size_t at = 0, end; next_point(&w->now, at, &end, &cp); at = end) {
        uint32_t from = w->now.from[at], to = w->now.to[end - 1];
        bool breaks = cp == '\t' || cp == '\n' || cp == '\r';
        if (flags & CLEAN && !breaks && (!cp || cp == 0xfffd || glim__is_other(cp)))
            continue;
        bool apart = flags & CHINESE && glim__is_ideograph(cp);
        if (apart)
            glim__run_put(&w->next, " ", 1, from, from);
        if (flags & CLEAN && (breaks || glim__is_space(cp)))
            glim__run_put(&w->next, " ", 1, from, to);
        else
            glim__run_copy(&w->next, &w->now, at, end);
        if (apart)
            glim__run_put(&w->next, " ", 1, to, to);
    }
}

static glim_status run_bert(const glim_step *s, glim_work *w, glim_error *err) {
    glim_status status = GLIM_OK;
    clean(w, s->flags);
    if (s->flags & ACCENTS) {
        swap(w);
        if ((status = glim__unicode_form(w, 0, err)))
            return status;
        swap(w);
        drop(w, glim__is_nonspacing);
    }
    if (s->flags & LOWER) {
        swap(w);
        status = run_lowercase(s, w, err);
    }
    return status ? status : done(w, err);
}

/* ---- Strip, Replace, Prepend ---- */

enum { LEFT = 1, RIGHT = 2 };

static glim_status read_strip(glim_step *s, glim_pipeline *p, const json_t *json, glim_error *err) {
    s->flags = (option(json, "strip_left", true) ? LEFT : 0u) |
               (option(json, "strip_right", true) ? RIGHT : 0u);
    return GLIM_OK;
}

static glim_status run_strip(const glim_step *s, glim_work *w, glim_error *err) {
    size_t start = w->now.n, stop = 0;
    uint32_t cp;
    for (size_t at = 0, end; next_point(&w->now, at, &end, &cp); at = end) {
        if (glim__is_space(cp))
            continue;
        start = start < at ? start : at;
        stop = end;
    }
    start = s->flags & LEFT ? start : 0;
    stop = s->flags & RIGHT ? stop : w->now.n;
    glim__run_copy(&w->next, &w->now, start, stop);
    return done(w, err);
}

static glim_status read_text(glim_step *s, glim_pipeline *p, const json_t *json, const char *key,
                             glim_error *err) {
    const json_t *v = json_object_get(json, key);
    if (!json_is_string(v))
        return glim_fail(err, GLIM_EFORMAT, "a '%s' lacks '%s'", s->kind->type, key);
    s->len = json_string_length(v);
    s->text = glim__arena_strndup(&p->t->arena, json_string_value(v), s->len);
    return s->text ? GLIM_OK : glim__oom(p->t->ctx, err, "the tokenizer", s->len);
}

glim_status glim__pattern_read(glim_step *s, glim_pipeline *p, const json_t *json,
                               glim_error *err) {
    const json_t *pattern = json_object_get(json, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    const json_t *text = regex ? regex : json_object_get(pattern, "String");
    text = json_is_string(pattern) ? pattern : text;
    if (!json_is_string(text))
        return glim_fail(err, GLIM_EFORMAT, "a '%s' has no pattern", s->kind->type);
    return glim__regex_open(&s->regex, p->t->ctx, json_string_value(text), json_string_length(text),
                            !regex, err);
}

static glim_status read_replace(glim_step *s, glim_pipeline *p, const json_t *json,
                                glim_error *err) {
    glim_status status = glim__pattern_read(s, p, json, err);
    return status ? status : read_text(s, p, json, "content", err);
}

static glim_status run_replace(const glim_step *s, glim_work *w, glim_error *err) {
    const glim_run *in = &w->now;
    glim_match m;
    for (size_t at = 0;; at = m.end) {
        glim_status status = glim__regex_find(s->regex, w->matcher, in->text, in->n, at, &m, err);
        if (status)
            return status;
        glim__run_copy(&w->next, in, at, m.start);
        if (!m.found)
            return done(w, err);
        uint32_t from = m.start < in->n ? in->from[m.start] : in->n ? in->to[in->n - 1] : 0;
        glim__run_put(&w->next, s->text, s->len, from, m.end > m.start ? in->to[m.end - 1] : from);
        if (m.end >= in->n)
            return done(w, err);
    }
}

static glim_status read_prepend(glim_step *s, glim_pipeline *p, const json_t *json,
                                glim_error *err) {
    return read_text(s, p, json, "prepend", err);
}

static glim_status run_prepend(const glim_step *s, glim_work *w, glim_error *err) {
    if (w->now.n)
        glim__run_put(&w->next, s->text, s->len, w->now.from[0], w->now.from[0]);
    glim__run_copy(&w->next, &w->now, 0, w->now.n);
    return done(w, err);
}

/* ---- the list ---- */

static const glim_step_kind nfc = {"NFC", NULL, run_nfc, true};
static const glim_step_kind nfd = {"NFD", NULL, run_nfd, true};
static const glim_step_kind nfkc = {"NFKC", NULL, run_nfkc, true};
static const glim_step_kind nfkd = {"NFKD", NULL, run_nfkd, true};
static const glim_step_kind lowercase = {"Lowercase", NULL, run_lowercase, true};
static const glim_step_kind strip_accents = {"StripAccents", NULL, run_strip_accents, true};
static const glim_step_kind bert = {"BertNormalizer", read_bert, run_bert, true};
static const glim_step_kind strip = {"Strip", read_strip, run_strip, true};
static const glim_step_kind replace = {"Replace", read_replace, run_replace, true};
static const glim_step_kind prepend = {"Prepend", read_prepend, run_prepend, true};

static const glim_step_kind *const kinds[] = {&nfc,
                                              &nfd,
                                              &nfkc,
                                              &nfkd,
                                              &lowercase,
                                              &strip_accents,
                                              &bert,
                                              &strip,
                                              &replace,
                                              &prepend,
                                              &glim_norm_precompiled,
                                              NULL};

glim_status glim__normalizers_read(glim_pipeline *p, const json_t *json, glim_error *err) {
    return glim__steps_read(&p->normalizers, p, json, kinds, "normalizer", err);
}

glim_status glim__normalize(const glim_pipeline *p, glim_work *w, glim_error *err) {
    for (size_t i = 0; i < p->normalizers.count; i++) {
        const glim_step *s = &p->normalizers.at[i];
        glim__run_clear(&w->next);
        glim_status status = s->kind->run(s, w, err);
        if (status)
            return status;
        swap(w);
    }
    return GLIM_OK;
}
