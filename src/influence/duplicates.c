/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Duplicates. Texts that are the same to the letter are found by their hashes; of the
 * others, those that share a band of their MinHash signatures (Broder 1997) are read again
 * and compared by the runs of three words that they share. What is kept of a sample are 13
 * bytes, and while hashes are sorted 24 more, or 8 for each band: as many bands at a time
 * as memory allows, which shows in no bit.
 *
 * Rejected: every pair, whose number grows with the square; a candidate that is believed
 * without being read, since short texts share bands by chance.
 */
#include "base/team.h"
#include "influence/influence-methods.h"
#include "influence/samples.h"
#include "influence/shingles.h"
#include "base/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128 };
static const uint32_t NOBODY = UINT32_MAX;
static const uint64_t BANDS_AT_MOST = (uint64_t)256 << 20;

struct options {
    double alike;
};

struct twins {
    const glim_influence_work *w;
    double alike;
    size_t n;
    uint32_t *same;   /* (n) the sample that it is alike, an earlier one; or NOBODY */
    float *likeness;  /* (n) to that */
    uint32_t *group;  /* (n) of one that has none before it: how many are alike it */
    uint8_t *differs; /* (n) same text, another label */
    size_t exact, near, told;
    glim_arena arena;
};

/* ---- words ---- */

static glim_status words_of(struct twins *t, size_t i, const char **text, const char **label,
                            glim_error *err) {
    return glim__samples_words(t->w->samples, i, &t->arena, text, label, err);
}

static glim_status after_sample(struct twins *t, size_t i, glim_error *err) {
    glim__arena_reset(&t->arena);
    glim__progress_add(t->w->ctx, 1);
    return i % 64 ? GLIM_OK : glim__check_cancel(t->w->ctx, err);
}

/* Without the spaces around it. */
static uint64_t hash_of(const char *text) {
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    return glim__hash(text, n);
}

static uint32_t root(const struct twins *t, uint32_t i) {
    while (t->same[i] != NOBODY)
        i = t->same[i];
    return i;
}

static void join(struct twins *t, uint32_t i, uint32_t with, double likeness) {
    uint32_t top = root(t, with);
    t->same[i] = with;
    t->likeness[i] = (float)likeness;
    t->group[top] += 1 + t->group[i];
    t->group[i] = 0;
}

/* ---- the same to the letter ---- */

struct print {
    uint64_t text, label;
    uint32_t sample;
};

static int by_text(const void *a, const void *b) {
    const struct print *x = a, *y = b;
    if (x->text != y->text)
        return x->text < y->text ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static void join_same(struct twins *t, const struct print *prints) {
    for (size_t i = 0, end; i < t->n; i = end) {
        bool differ = false;
        for (end = i + 1; end < t->n && prints[end].text == prints[i].text; end++) {
            join(t, prints[end].sample, prints[i].sample, 1);
            differ = differ || prints[end].label != prints[i].label;
            t->exact++;
        }
        for (size_t k = i; k < end && differ; k++)
            t->differs[prints[k].sample] = 1;
        t->told += differ ? end - i : 0;
    }
}

static glim_status find_same(struct twins *t, glim_error *err) {
    struct print *prints = glim__calloc(t->w->ctx, t->n, sizeof *prints);
    glim_status status =
        prints ? GLIM_OK : glim__oom(t->w->ctx, err, "hashes of texts", t->n * sizeof *prints);
    for (size_t i = 0; i < t->n && !status; i++) {
        const char *text, *label;
        status = words_of(t, i, &text, &label, err);
        if (status)
            break;
        prints[i] = (struct print){hash_of(text), label ? hash_of(label) : 0, (uint32_t)i};
        status = after_sample(t, i, err);
    }
    if (!status) {
        qsort(prints, t->n, sizeof *prints, by_text);
        join_same(t, prints);
    }
    glim__free(t->w->ctx, prints);
    return status;
}

/* ---- nearly the same ---- */

static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static glim_status likeness(struct twins *t, uint32_t a, uint32_t b, double *out, glim_error *err) {
    const uint32_t both[] = {a, b};
    glim_shingles s[2];
    glim_status status = GLIM_OK;
    for (int k = 0; k < 2 && !status; k++) {
        const char *text, *label;
        status = words_of(t, both[k], &text, &label, err);
        if (!status)
            status = glim__shingles_make(&s[k], text, &t->arena, err);
    }
    *out = status ? NAN : glim__shingles_likeness(&s[0], &s[1]);
    glim__arena_reset(&t->arena);
    return status;
}

/* Those that are alike nobody after the bands before, however many were hashed at a time. */
static size_t still_alone(const struct twins *t, uint64_t *keys, size_t n) {
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        if (t->same[(uint32_t)keys[i]] == NOBODY)
            keys[left++] = keys[i];
    return left;
}

/* Samples with the same band are compared with the first of them. */
static glim_status compare_band(struct twins *t, uint64_t *keys, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    n = still_alone(t, keys, n);
    qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 0, end; i < n && !status; i = end) {
        uint32_t first = (uint32_t)keys[i];
        for (end = i + 1; end < n && keys[end] >> 32 == keys[i] >> 32 && !status; end++) {
            uint32_t other = (uint32_t)keys[end];
            double share;
            status = likeness(t, other, first, &share, err);
            if (!status)
                status = glim__check_cancel(t->w->ctx, err);
            if (status || share < t->alike)
                continue;
            join(t, other, first, share);
            t->near++;
        }
    }
    return status;
}

/* Bands first .. first + count - 1 of all that are alike nobody yet. */
static glim_status compare_bands(struct twins *t, uint64_t *keys, size_t first, size_t count,
                                 glim_error *err) {
    uint32_t bands[GLIM_BANDS];
    size_t n = 0;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < t->n && !status; i++) {
        const char *text, *label;
        glim_shingles s;
        if (t->same[i] == NOBODY) {
            status = words_of(t, i, &text, &label, err);
            if (!status)
                status = glim__shingles_make(&s, text, &t->arena, err);
            if (status)
                break;
            glim__shingles_bands(&s, first, count, bands);
            for (size_t b = 0; b < count; b++)
                keys[b * t->n + n] = (uint64_t)bands[b] << 32 | i;
            n++;
        }
        status = after_sample(t, i, err);
    }
    for (size_t b = 0; b < count && !status; b++)
        status = compare_band(t, keys + b * t->n, n, err);
    return status;
}

static size_t bands_at_once(const struct twins *t, uint64_t left) {
    uint64_t room = left / 2 < BANDS_AT_MOST ? left / 2 : BANDS_AT_MOST, each = 8 * t->n;
    size_t n = (size_t)(room / each);
    return n < 1 ? 1 : n < GLIM_BANDS ? n : GLIM_BANDS;
}

static glim_status find_near(struct twins *t, size_t at_once, glim_error *err) {
    uint64_t *keys = glim__calloc(t->w->ctx, t->n, at_once * sizeof *keys);
    glim_status status =
        keys ? GLIM_OK : glim__oom(t->w->ctx, err, "hashes of words", t->n * at_once * 8);
    for (size_t b = 0, count; b < GLIM_BANDS && !status; b += count) {
        count = GLIM_BANDS - b < at_once ? GLIM_BANDS - b : at_once;
        status = compare_bands(t, keys, b, count, err);
    }
    glim__free(t->w->ctx, keys);
    return status;
}

/* ---- rows ---- */

static const glim_influence_column columns[] = {
    {.name = "duplicate-of", .query = GLIM_NO_QUERY, .threshold = NAN},
    {.name = "likeness", .query = GLIM_NO_QUERY, .threshold = NAN},
    {.name = "copies", .query = GLIM_NO_QUERY, .threshold = 0},
    {.name = "label-differs", .query = GLIM_NO_QUERY, .threshold = 0},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static glim_status hand_out(const struct twins *t, const glim_influence_out *out, glim_error *err) {
    double values[BLOCK][COLUMNS];
    glim_influence_sink sink;
    glim_status status = out->begin(out->data, columns, COLUMNS, &sink, err);
    for (size_t at = 0, n; at < t->n && !status; at += n) {
        n = t->n - at < BLOCK ? t->n - at : BLOCK;
        for (size_t i = 0; i < n; i++) {
            uint32_t own = (uint32_t)(at + i);
            bool copy = t->same[own] != NOBODY;
            values[i][0] = copy ? t->same[own] : NAN;
            values[i][1] = copy ? (double)t->likeness[own] : NAN;
            values[i][2] = t->group[root(t, own)];
            values[i][3] = t->differs[own];
        }
        const glim_influence_block b = {at, n, values[0]};
        status = sink.take(sink.data, &b, err);
    }
    return status;
}

static void judge(const struct twins *t, glim_document *doc) {
    glim_document_check_add(doc, "same_text", (double)t->exact,
                            "samples whose text an earlier one has to the letter");
    glim_document_check_add(doc, "nearly_same_text", (double)t->near,
                            "samples that share most runs of three words with an earlier one");
    glim_document_check_add(doc, "same_text_other_label", (double)t->told,
                            "samples with the text of another and a label that differs");
    if (t->told)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%zu samples have the same text as another but not the same label: no "
                            "model can learn both",
                            t->told);
}

/* ---- the method ---- */

static glim_status make_room(struct twins *t, glim_error *err) {
    glim_context *ctx = t->w->ctx;
    t->same = glim__calloc(ctx, t->n, sizeof *t->same);
    t->likeness = glim__calloc(ctx, t->n, sizeof *t->likeness);
    t->group = glim__calloc(ctx, t->n, sizeof *t->group);
    t->differs = glim__calloc(ctx, t->n, sizeof *t->differs);
    if (!t->same || !t->likeness || !t->group || !t->differs)
        return glim__oom(ctx, err, "what is known of samples", 13 * (uint64_t)t->n);
    memset(t->same, 0xff, t->n * sizeof *t->same);
    return GLIM_OK;
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    const struct options *o = opts;
    struct twins t = {.w = w, .alike = o->alike, .n = w->n};
    if (!glim__team_first(w->ctx)) /* no model runs: one process is quick enough */
        return GLIM_OK;
    glim__arena_init(&t.arena, w->ctx, 1 << 14);
    glim_status status = make_room(&t, err);
    size_t at_once = bands_at_once(&t, glim__budget_left(w->ctx));
    size_t scans = 1 + (GLIM_BANDS + at_once - 1) / at_once;
    glim__progress_begin_items(w->ctx, "duplicates", scans * w->n);
    if (!status)
        status = find_same(&t, err);
    if (!status)
        status = find_near(&t, at_once, err);
    if (!status)
        status = hand_out(&t, out, err);
    glim__progress_end(w->ctx);
    if (!status)
        judge(&t, out->doc);
    glim__free(w->ctx, t.same);
    glim__free(w->ctx, t.likeness);
    glim__free(w->ctx, t.group);
    glim__free(w->ctx, t.differs);
    glim__arena_release(&t.arena);
    return status;
}

static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    return w->n < UINT32_MAX ? GLIM_OK : glim_fail(err, GLIM_ELIMIT, "more than 2^32 - 2 samples");
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    struct twins t = {.n = w->n};
    uint64_t all = bands_at_once(&t, UINT64_MAX), n = w->n, texts = 1 << 20;
    out->bytes = n * (13 + sizeof(struct print)) + texts;
    out->bytes_wanted =
        n * (13 + (8 * all > sizeof(struct print) ? 8 * all : sizeof(struct print)));
    out->bytes_wanted += texts;
    return GLIM_OK;
}

static const glim_param params[] = {
    {.name = "alike",
     .type = GLIM_REAL,
     .offset = offsetof(struct options, alike),
     .def.r = 0.8,
     .min = 0.6,
     .max = 1,
     .help = "share of runs of three words from which on two texts are near duplicates"},
    {0},
};

const glim_influence_method glim_influence_duplicates = {
    .name = "duplicates",
    .summary = "samples with the same or nearly the same text, and those whose labels differ then",
    .cite = "Broder 1997; Lee et al. 2022, arXiv:2107.06499",
    .formula = "|A_i and A_k| / |A_i or A_k|,  A the runs of three words of a text",
    .use = "before any training: copies, and the same text with two labels",
    .costs = "reads the texts; no model runs",
    .caption = "sample numbers begin at 0; near duplicates may differ in the one word that matters",
    .needs = GLIM_INFLUENCE_GRADIENT,
    .params = params,
    .opts_size = sizeof(struct options),
    .fits = fits,
    .plan = plan,
    .run = run,
};
