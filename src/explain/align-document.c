/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links for any explanation of a translation: its rows, a token each, become words, and
 * each word finds its source among the units. Log-probabilities of tokens add up to that
 * of their word, and so do additive scores; a standard error grows as the root of sums
 * of squares.
 */
#include "explain/attention-look.h"
#include "text/breaks.h"

#include <math.h>
#include <string.h>

/* ---- rows to words ---- */

/* Whether row b goes on in the word of the row before: no word begins where it does. */
static bool goes_on(const glim_document *doc, const uint8_t *starts, size_t b) {
    size_t at = doc->rows[b].start, end = doc->input.text_len;
    while (at < end && (doc->input.text[at] == ' ' || doc->input.text[at] == '\n'))
        at++;
    size_t first = doc->rows[b - 1].start;
    while (first < end && (doc->input.text[first] == ' ' || doc->input.text[first] == '\n'))
        first++;
    for (size_t i = first + 1; i <= at && i < end; i++)
        if (starts[i])
            return false;
    return true;
}

static double sum_of(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

static void add_row(glim_document *doc, size_t word, size_t row) {
    glim_document_row *w = &doc->rows[word], *r = &doc->rows[row];
    size_t U = doc->input.n_units;
    w->end = r->end > w->end ? r->end : w->end;
    w->id = -1;
    w->value += r->value;
    w->baseline_value += r->baseline_value;
    w->prob *= r->prob;
    w->residual += r->residual;
    for (size_t u = 0; u < U; u++) {
        double *a = &doc->scores[word * U + u], b = doc->scores[row * U + u];
        *a = sum_of(*a, b);
        if (doc->error) {
            double *e = &doc->error[word * U + u], f = doc->error[row * U + u];
            *e = sqrt(sum_of(*e * *e, f * f));
        }
    }
}

static void take_row(glim_document *doc, size_t word, size_t row) {
    size_t U = doc->input.n_units;
    doc->rows[word] = doc->rows[row];
    memmove(doc->scores + word * U, doc->scores + row * U, U * sizeof *doc->scores);
    if (doc->error)
        memmove(doc->error + word * U, doc->error + row * U, U * sizeof *doc->error);
}

/* A word's text is what it covers; a row without text keeps its name. */
static void name_word(const glim_document *doc, glim_document_row *w) {
    if (w->end > w->start) {
        w->text = doc->input.text + w->start;
        w->text_len = w->end - w->start;
    }
}

static glim_status join_rows(glim_document *doc, glim_error *err) {
    size_t n = doc->input.text_len, words = 0;
    uint8_t *starts = glim__calloc(doc->ctx, n + 1, 1);
    if (!starts)
        return glim__oom(doc->ctx, err, "the words", n);
    glim_status status = glim__breaks(starts, doc->ctx, doc->input.text, n, GLIM_BREAK_WORD, err);
    for (size_t r = 0; r < doc->n_rows && !status; r++) {
        if (r && goes_on(doc, starts, r))
            add_row(doc, words - 1, r);
        else
            take_row(doc, words++, r);
        name_word(doc, &doc->rows[words - 1]);
    }
    if (!status)
        doc->n_rows = words;
    glim__free(doc->ctx, starts);
    return status;
}

/* ---- links ---- */

struct words {
    size_t *unit_of; /* [n] units of the source */
    size_t n;
    double *shares; /* (rows, n) */
};

static glim_status choose_words(struct words *w, const glim_document *doc, glim_error *err) {
    size_t U = doc->input.n_units;
    w->unit_of = glim__calloc(doc->ctx, U + 1, sizeof *w->unit_of);
    w->shares = glim__calloc(doc->ctx, doc->n_rows * U + 1, sizeof *w->shares);
    if (!w->unit_of || !w->shares)
        return glim__oom(doc->ctx, err, "the links", doc->n_rows * U * sizeof *w->shares);
    for (size_t u = 0; u < U; u++)
        if (!doc->input.units[u].fixed && !doc->input.units[u].generated)
            w->unit_of[w->n++] = u;
    for (size_t r = 0; r < doc->n_rows; r++)
        for (size_t i = 0; i < w->n; i++)
            w->shares[r * w->n + i] = doc->scores[r * U + w->unit_of[i]];
    glim__align_shares(w->shares, doc->n_rows, w->n, w->shares);
    return GLIM_OK;
}

glim_status glim_document_align(glim_document *doc, const glim_align_options *o, glim_error *err) {
    struct words w = {0};
    glim_links found = {0}, gold = {0};
    glim_extract rule;
    if (!doc->rows)
        return glim_fail(err, GLIM_EUSAGE,
                         "links join words that were written with words that were read; this "
                         "explains one token (--continuation TEXT or --generate N)");
    glim_status status = glim__align_rule(&rule, o, err);
    if (!status)
        status = join_rows(doc, err);
    if (!status)
        status = choose_words(&w, doc, err);
    if (!status)
        status = glim__align_gold(&gold, doc->ctx, o, w.n, doc->n_rows, err);
    if (!status)
        status = glim__align_links(&found, doc->ctx, w.shares, doc->n_rows, w.n, rule, err);
    if (!status)
        status = glim__align_tell(doc, &found, o->gold ? &gold : NULL, rule, w.unit_of, err);
    glim__links_free(&found);
    glim__links_free(&gold);
    glim__free(doc->ctx, w.unit_of);
    glim__free(doc->ctx, w.shares);
    return status;
}
