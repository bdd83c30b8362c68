/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts written otherwise, by rules, so that a run can be repeated. What could change what a text
 * says is left alone: a question mark, letters of short words, characters of Chinese, where one
 * that is wrong is another word.
 */
#include "evaluate/variants.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

enum { STREAM = 7, SHORTEST = 4, TRIES = 40 };

static size_t next(const char *s, size_t n, uint32_t *cp) {
    int len = glim__utf8_decode(s, n, cp);
    return len ? (size_t)len : 1;
}

static void put(glim_buffer *out, uint32_t cp) {
    char bytes[4];
    glim__buffer_append(out, bytes, (size_t)glim__utf8_encode(cp, bytes));
}

static bool is_letter(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

/* Chinese, Japanese, and their punctuation. */
static bool is_wide(uint32_t cp) {
    return (cp >= 0x2e80 && cp <= 0x9fff) || (cp >= 0xf900 && cp <= 0xfaff) ||
           (cp >= 0xff00 && cp <= 0xffef) || (cp >= 0x20000 && cp <= 0x3ffff);
}

/* ---- of the whole text ---- */

static void put_cased(glim_buffer *out, const char *text, size_t n, bool title) {
    bool begins = true;
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp;
        len = next(text + i, n - i, &cp);
        if (!glim__utf8_decode(text + i, n - i, &cp)) { /* a broken byte stays */
            glim__buffer_putc(out, text[i]);
            continue;
        }
        utf8proc_int32_t old = (utf8proc_int32_t)cp;
        if (!title)
            put(out, (uint32_t)utf8proc_tolower(old));
        else
            put(out, (uint32_t)(begins ? utf8proc_toupper(old) : old));
        begins = cp == ' ' || cp == '\n' || cp == '\t';
    }
}

static void put_ended(glim_buffer *out, const char *text, size_t n) {
    size_t end = n, last = 0;
    uint32_t cp = 0;
    while (end && strchr(" \t\r\n", text[end - 1]))
        end--;
    for (size_t i = 0, len; i < end; i += len) {
        last = i;
        len = next(text + i, end - i, &cp);
    }
    bool ends = cp == '.' || cp == '!' || cp == 0x3002 || cp == 0xff01;
    glim__buffer_append(out, text, ends ? last : end);
    if (!ends && is_letter(cp))
        put(out, is_wide(cp) ? 0x3002 : '.');
    glim__buffer_append(out, text + end, n - end);
}

static void put_spaced(glim_buffer *out, const char *text, size_t n, uint64_t seed) {
    size_t spaces = 0;
    for (size_t i = 1; i + 1 < n; i++)
        spaces += text[i] == ' ';
    size_t at = spaces ? glim__rng_below(seed, (uint64_t)STREAM << 40, 0, (uint32_t)spaces) : 0;
    for (size_t i = 0; i < n; i++) {
        glim__buffer_putc(out, text[i]);
        if (i && i + 1 < n && text[i] == ' ' && at-- == 0)
            glim__buffer_putc(out, ' ');
    }
}

/* Full-width marks become narrow ones; a text that has none gets them. */
static void put_width(glim_buffer *out, const char *text, size_t n) {
    static const uint32_t pairs[][2] = {{',', 0xff0c}, {'.', 0x3002}, {'!', 0xff01}, {'?', 0xff1f},
                                        {':', 0xff1a}, {';', 0xff1b}, {'(', 0xff08}, {')', 0xff09}};
    bool wide = false, full = false;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0, len; i < n; i += len) {
            uint32_t cp, other;
            len = next(text + i, n - i, &cp);
            other = cp;
            for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
                full = full || (!pass && cp == pairs[k][1]);
                if (cp == pairs[k][full])
                    other = pairs[k][!full];
            }
            wide = wide || (!pass && is_wide(cp) && is_letter(cp));
            if (pass && wide && other != cp)
                put(out, other);
            else if (pass)
                glim__buffer_append(out, text + i, len);
        }
}

/* ---- of one word ---- */

/* The k-th word of at least SHORTEST letters of an alphabet; false: there are fewer. */
static bool find_word(const char *text, size_t n, size_t k, size_t *from, size_t *letters) {
    size_t have = 0, start = 0;
    for (size_t i = 0, len; i <= n; i += len) {
        uint32_t cp = ' ';
        len = i < n ? next(text + i, n - i, &cp) : 1;
        bool inside = i < n && is_letter(cp) && !is_wide(cp);
        start = inside && !have ? i : start;
        if (!inside && have >= SHORTEST && k-- == 0) {
            *from = start;
            *letters = have;
            return true;
        }
        have = inside ? have + 1 : 0;
    }
    return false;
}

/* The first letter of a word stays, by which it is read. */
static void put_typo(glim_buffer *out, const char *text, size_t n, uint64_t seed, uint64_t draw) {
    size_t words = 0, from = 0, letters = 0;
    uint64_t stream = (uint64_t)STREAM << 40 | (draw + 1);
    while (find_word(text, n, words, &from, &letters))
        words++;
    if (!words)
        return;
    find_word(text, n, glim__rng_below(seed, stream, 0, (uint32_t)words), &from, &letters);
    size_t at = from, skip = 1 + glim__rng_below(seed, stream, 1, (uint32_t)letters - 2);
    uint32_t a = 0, b = 0;
    for (; skip; skip--)
        at += next(text + at, n - at, &a);
    size_t first = next(text + at, n - at, &a),
           second = next(text + at + first, n - at - first, &b);
    uint32_t how = glim__rng_below(seed, stream, 2, 3);
    how = how == 0 && a == b ? 1 : how; /* equal ones cannot change places */
    glim__buffer_append(out, text, at);
    if (how == 0)
        put(out, b);
    if (how != 1)
        put(out, a);
    if (how == 2)
        put(out, a);
    if (how)
        put(out, b);
    at += first + second;
    glim__buffer_append(out, text + at, n - at);
}

bool glim__variant(glim_buffer *out, const char *text, size_t n, glim_variant_kind kind,
                   uint64_t seed, uint64_t draw) {
    glim__buffer_clear(out);
    if (kind == GLIM_VARIANT_LOWER || kind == GLIM_VARIANT_TITLE)
        put_cased(out, text, n, kind == GLIM_VARIANT_TITLE);
    else if (kind == GLIM_VARIANT_PUNCTUATION)
        put_ended(out, text, n);
    else if (kind == GLIM_VARIANT_SPACE)
        put_spaced(out, text, n, seed);
    else if (kind == GLIM_VARIANT_WIDTH)
        put_width(out, text, n);
    else
        put_typo(out, text, n, seed, draw);
    return out->failed || (out->len && (out->len != n || memcmp(out->data, text, n) != 0));
}

/* ---- which word is which ---- */

/* A unit's text without what does not matter, as a number of its letters. */
static uint64_t fold(const glim_document_unit *u) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0, len; i < u->text_len; i += len) {
        uint32_t cp;
        len = next(u->text + i, u->text_len - i, &cp);
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        bool counts = is_letter(cp) || (c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_NO);
        if (counts)
            hash = (hash ^ (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp)) * 0x100000001b3U;
    }
    return hash;
}

struct side {
    size_t n, *unit; /* [n] scored units */
    uint64_t *word;  /* [n] */
};

static bool fill(glim_context *ctx, struct side *s, const glim_document *d) {
    size_t U = d->input.n_units;
    s->unit = glim__calloc(ctx, U + 1, sizeof *s->unit);
    s->word = glim__calloc(ctx, U + 1, sizeof *s->word);
    for (size_t u = 0; u < U && s->unit && s->word; u++)
        if (!d->input.units[u].fixed) {
            s->unit[s->n] = u;
            s->word[s->n++] = fold(&d->input.units[u]);
        }
    return s->unit && s->word;
}

/* best[i, k]: of the words from i and from k on. */
static void walk(const struct side *a, const struct side *b, uint32_t *best, size_t *other) {
    size_t w = b->n + 1, i = 0, k = 0;
    for (i = a->n; i-- > 0;)
        for (k = b->n; k-- > 0;) {
            uint32_t down = best[(i + 1) * w + k], right = best[i * w + k + 1];
            best[i * w + k] = a->word[i] == b->word[k] ? best[(i + 1) * w + k + 1] + 1
                              : down > right           ? down
                                                       : right;
        }
    for (i = k = 0; i < a->n || k < b->n;) {
        size_t from_i = i, from_k = k;
        while (i < a->n && k < b->n && a->word[i] != b->word[k]) {
            bool down = best[(i + 1) * w + k] >= best[i * w + k + 1];
            i += down;
            k += !down;
        }
        if (i == a->n || k == b->n) { /* the rest has no partner in it */
            i = a->n;
            k = b->n;
        }
        for (size_t g = 0; i - from_i == k - from_k && from_i + g < i; g++)
            other[a->unit[from_i + g]] = b->unit[from_k + g];
        if (i < a->n && k < b->n)
            other[a->unit[i++]] = b->unit[k++];
    }
}

/* The first of a word is the first of it there, wherever it stands. */
static void find_each(const struct side *a, const struct side *b, size_t *other) {
    for (size_t i = 0; i < a->n; i++) {
        size_t before = 0;
        for (size_t q = 0; q < i; q++)
            before += a->word[q] == a->word[i];
        for (size_t k = 0; k < b->n; k++)
            if (b->word[k] == a->word[i] && before-- == 0) {
                other[a->unit[i]] = b->unit[k];
                break;
            }
    }
}

glim_status glim__words_align(glim_context *ctx, const glim_document *a, const glim_document *b,
                              bool in_order, size_t *other, glim_error *err) {
    struct side x = {0}, y = {0};
    uint32_t *best = NULL;
    bool ok = fill(ctx, &x, a) && fill(ctx, &y, b);
    for (size_t u = 0; u < a->input.n_units; u++)
        other[u] = SIZE_MAX;
    if (ok)
        best = glim__calloc(ctx, in_order ? (x.n + 1) * (y.n + 1) : 1, sizeof *best);
    if (best && in_order)
        walk(&x, &y, best, other);
    else if (best)
        find_each(&x, &y, other);
    glim__free(ctx, x.unit);
    glim__free(ctx, x.word);
    glim__free(ctx, y.unit);
    glim__free(ctx, y.word);
    glim__free(ctx, best);
    return best ? GLIM_OK : glim__oom(ctx, err, "pairs of words", (x.n + 1) * (y.n + 1) * 4);
}
