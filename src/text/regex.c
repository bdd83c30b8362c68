/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.c: what Oniguruma and PCRE2 read differently, by what tokenizers use:
 * \s is White_Space (PCRE2 also counts U+180E), \w holds marks and all
 * connectors but no number that is no digit, \h is a hexadecimal digit, ^ and $
 * stand at every line, (?m) lets the point match line ends, and the letters of
 * Unicode 15 and 16 are letters. Everything else goes through as it is.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"
#include "base/buffer.h"
#include "text/new-letters.h"

#include <pcre2.h>
#include <string.h>

#define WS                                                                                         \
    "\\t-\\r "                                                                                     \
    "\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define LETTERS NEW_LU NEW_LL NEW_LM NEW_LO

struct glim_regex {
    glim_context *ctx;
    pcre2_general_context *memory;
    pcre2_code *code;
    char *literal; /* or NULL */
    size_t len;
};

struct glim_matcher {
    glim_context *ctx;
    pcre2_general_context *memory;
    pcre2_match_data *match;
    pcre2_match_context *how;
    pcre2_jit_stack *stack;
};

static void *take(size_t n, void *ctx) {
    return glim__alloc(ctx, n);
}

static void give(void *p, void *ctx) {
    glim__free(ctx, p);
}

/* ---- rewriting ---- */

/* What stands for an escape inside a class; outside, brackets go around it. */
static const struct rule {
    const char *escape, *set;
    bool negated;
} rules[] = {
    {"\\s", WS, false},
    {"\\S", WS, true},
    {"\\w", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}" LETTERS NEW_M, false},
    {"\\W", "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}" LETTERS NEW_M, true},
    {"\\h", "0-9A-Fa-f", false},
    {"\\H", "0-9A-Fa-f", true},
    {"\\p{L}", "\\p{L}" LETTERS, false},
    {"\\P{L}", "\\p{L}" LETTERS, true},
    {"\\p{Lu}", "\\p{Lu}" NEW_LU, false},
    {"\\p{Ll}", "\\p{Ll}" NEW_LL, false},
    {"\\p{Lm}", "\\p{Lm}" NEW_LM, false},
    {"\\p{Lo}", "\\p{Lo}" NEW_LO, false},
    {"\\p{M}", "\\p{M}" NEW_M, false},
    {"\\P{M}", "\\p{M}" NEW_M, true},
    {"\\p{N}", "\\p{N}" NEW_N, false},
    {"\\P{N}", "\\p{N}" NEW_N, true},
    {"\\p{P}", "\\p{P}" NEW_P, false},
    {"\\P{P}", "\\p{P}" NEW_P, true},
    {"\\p{S}", "\\p{S}" NEW_S, false},
    {"\\P{S}", "\\p{S}" NEW_S, true},
};

static const struct rule *rule_at(const char *s, size_t n) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        size_t len = strlen(rules[i].escape);
        if (len <= n && !memcmp(rules[i].escape, s, len))
            return &rules[i];
    }
    return NULL;
}

/* "(?m" and the like: Oniguruma's m is PCRE2's s. Returns the bytes taken. */
static size_t rewrite_options(glim_buffer *out, const char *s, size_t n) {
    size_t i = 2;
    while (i < n && strchr("imx-", s[i]) && s[i])
        i++;
    if (i == 2 || i >= n || (s[i] != ':' && s[i] != ')'))
        return 0;
    for (size_t k = 0; k < i; k++)
        glim__buffer_putc(out, s[k] == 'm' ? 's' : s[k]);
    return i;
}

/* False when PCRE2 has no way to say it. */
static bool rewrite(glim_buffer *out, const char *s, size_t n) {
    int depth = 0; /* of classes */
    for (size_t i = 0; i < n;) {
        const struct rule *r = s[i] == '\\' ? rule_at(s + i, n - i) : NULL;
        if (r) {
            if (r->negated && depth && s[i + 1] != 'S' && s[i + 1] != 'W' && s[i + 1] != 'P')
                return false;
            if (!depth)
                glim__buffer_printf(out, "[%s%s]", r->negated ? "^" : "", r->set);
            else if (r->negated) /* rare; the engine's own sets are near enough */
                glim__buffer_puts(out, r->escape);
            else
                glim__buffer_puts(out, r->set);
            i += strlen(r->escape);
        } else if (s[i] == '\\' && i + 1 < n) {
            glim__buffer_append(out, s + i, 2);
            i += 2;
        } else if (s[i] == '(' && !depth && i + 2 < n && s[i + 1] == '?') {
            size_t used = rewrite_options(out, s + i, n - i);
            if (!used)
                glim__buffer_putc(out, s[i]);
            i += used ? used : 1;
        } else {
            bool posix = depth && s[i] == '[' && i + 1 < n && s[i + 1] == ':';
            if (depth && !posix && (s[i] == '[' || (s[i] == '&' && i + 1 < n && s[i + 1] == '&')))
                return false; /* classes in classes and intersections */
            if (posix) {
                const char *end = memmem(s + i, n - i, ":]", 2);
                size_t len = end ? (size_t)(end - s) - i + 2 : 1;
                glim__buffer_append(out, s + i, len);
                i += len;
                continue;
            }
            depth += s[i] == '[' ? 1 : s[i] == ']' && depth ? -1 : 0;
            glim__buffer_putc(out, s[i++]);
        }
    }
    return true;
}

/* ---- opening ---- */

static glim_status compile(glim_regex *r, const char *pattern, size_t n, const char *shown,
                           glim_error *err) {
    int number = 0;
    PCRE2_SIZE at = 0;
    pcre2_compile_context *how = pcre2_compile_context_create(r->memory);
    if (!how)
        return glim__oom(r->ctx, err, "the tokenizer", 0);
    pcre2_set_newline(how, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(how, 60);
    r->code = pcre2_compile((PCRE2_SPTR)pattern, n,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_MULTILINE |
                                PCRE2_NEVER_BACKSLASH_C,
                            &number, &at, how);
    pcre2_compile_context_free(how);
    if (!r->code && number == PCRE2_ERROR_HEAP_FAILED)
        return glim__oom(r->ctx, err, "the tokenizer", 0);
    if (!r->code)
        return glim_fail(err, GLIM_EUNSUPPORTED,
                         "the expression '%.80s' cannot be compiled (error %d at byte %zu of its "
                         "rewriting)",
                         shown, number, (size_t)at);
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without it, it only runs slower */
    return GLIM_OK;
}

glim_status glim__regex_open(glim_regex **out, glim_context *ctx, const char *pattern, size_t n,
                             bool literal, glim_error *err) {
    glim_status status = GLIM_OK;
    *out = NULL;
    if (n > 1 << 16)
        return glim_fail(err, GLIM_ELIMIT, "an expression has more than 2^16 bytes");
    glim_regex *r = glim__calloc(ctx, 1, sizeof *r);
    if (!r)
        return glim__oom(ctx, err, "the tokenizer", sizeof *r);
    *r = (glim_regex){.ctx = ctx, .len = n};
    r->literal = glim__strndup(ctx, pattern, n);
    r->memory = pcre2_general_context_create(take, give, ctx);
    if (!r->literal || !r->memory)
        status = glim__oom(ctx, err, "the tokenizer", n);
    if (!status && !literal) {
        glim_buffer text;
        glim__buffer_init(&text, ctx);
        if (!rewrite(&text, pattern, n))
            status =
                glim_fail(err, GLIM_EUNSUPPORTED,
                          "the expression '%.80s' has a class that glim does not read", r->literal);
        else if (text.failed)
            status = glim__oom(ctx, err, "the tokenizer", n);
        else
            status = compile(r, text.data ? text.data : "", text.len, r->literal, err);
        glim__buffer_release(&text);
    }
    if (status) {
        glim__regex_close(r);
        return status;
    }
    *out = r;
    return GLIM_OK;
}

void glim__regex_close(glim_regex *r) {
    if (!r)
        return;
    pcre2_code_free(r->code);
    pcre2_general_context_free(r->memory);
    glim__free(r->ctx, r->literal);
    glim__free(r->ctx, r);
}

glim_status glim__matcher_open(glim_matcher **out, glim_context *ctx, glim_error *err) {
    glim_matcher *m = glim__calloc(ctx, 1, sizeof *m);
    *out = m;
    if (!m)
        return glim__oom(ctx, err, "splitting the text", sizeof *m);
    m->ctx = ctx;
    m->memory = pcre2_general_context_create(take, give, ctx);
    m->match = m->memory ? pcre2_match_data_create(1, m->memory) : NULL;
    m->how = m->match ? pcre2_match_context_create(m->memory) : NULL;
    m->stack = m->how ? pcre2_jit_stack_create(1 << 15, 1 << 22, m->memory) : NULL;
    if (m->stack) {
        pcre2_jit_stack_assign(m->how, NULL, m->stack);
        return GLIM_OK;
    }
    glim__matcher_close(m);
    *out = NULL;
    return glim__oom(ctx, err, "splitting the text", 1 << 15);
}

void glim__matcher_close(glim_matcher *m) {
    if (!m)
        return;
    pcre2_match_data_free(m->match);
    pcre2_match_context_free(m->how);
    pcre2_jit_stack_free(m->stack);
    pcre2_general_context_free(m->memory);
    glim__free(m->ctx, m);
}

/* ---- searching ---- */

glim_status glim__regex_find(const glim_regex *r, glim_matcher *m, const char *text, size_t n,
                             size_t at, glim_match *out, glim_error *err) {
    *out = (glim_match){n, n, false};
    if (!r->code) {
        const char *found = r->len ? memmem(text + at, n - at, r->literal, r->len) : NULL;
        if (found)
            *out = (glim_match){(size_t)(found - text), (size_t)(found - text) + r->len, true};
        return GLIM_OK;
    }
    int code = pcre2_match(r->code, (PCRE2_SPTR)text, n, at,
                           PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY_ATSTART, m->match, m->how);
    if (code == PCRE2_ERROR_NOMATCH)
        return GLIM_OK;
    if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAPLIMIT)
        return glim__oom(m->ctx, err, "splitting the text", 0);
    if (code < 0)
        return glim_fail(err, GLIM_ELIMIT,
                         "the text is too intricate to split (engine error %d); shorten runs of "
                         "equal characters",
                         code);
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->match);
    if (v[1] >= v[0] && v[0] >= at && v[1] > at) /* \K can turn them round */
        *out = (glim_match){v[0], v[1], true};
    return GLIM_OK;
}
