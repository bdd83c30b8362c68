/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run, seen from further away: the scores of units become those of words,
 * sentences and turns, each level from the units themselves, so that no rounding
 * gathers. Groups of a level never reach over one of the next: a word ends where its
 * sentence does, a sentence where its turn does. What the model wrote itself is in
 * groups of its own. A level that would show what another shows is left out.
 *
 * Sums of additive scores are exact. Sums of single losses are not what the target
 * would lose without the whole group, which views say; asking again with larger units
 * would be another run.
 */
#include "explain/methods.h"
#include "text/breaks.h"

#include <math.h>
#include <string.h>

enum level_kind { WORD, SENTENCE, TURN, KINDS };

struct folder {
    glim_document *doc;
    uint8_t *starts[TURN]; /* [text_len + 1] where words and sentences begin */
    size_t *at;            /* [units] the first visible byte of each */
};

const char *glim__fold_name(glim_fold fold, bool is_signed) {
    switch (fold) {
    case GLIM_FOLD_AUTO:
        return is_signed ? "sum" : "max";
    case GLIM_FOLD_SUM:
        return "sum";
    case GLIM_FOLD_L2:
        return "l2";
    case GLIM_FOLD_MAX:
        return "max";
    case GLIM_FOLD_NONE:
        break;
    }
    return NULL;
}

/* The smallest level above the units, or KINDS when they are no parts of a text. */
static enum level_kind lowest(const char *unit) {
    if (!unit)
        return KINDS;
    if (!strcmp(unit, "token") || !strcmp(unit, "character"))
        return WORD;
    if (!strcmp(unit, "word"))
        return SENTENCE;
    return !strcmp(unit, "sentence") ? TURN : KINDS;
}

/* ---- groups ---- */

static bool starts_between(const uint8_t *starts, size_t a, size_t b) {
    for (size_t i = a + 1; i <= b; i++)
        if (starts[i])
            return true;
    return b < a;
}

static bool together(const struct folder *f, enum level_kind kind, size_t a, size_t b) {
    const glim_document_unit *u = &f->doc->input.units[a], *v = &f->doc->input.units[b];
    if (u->turn != v->turn || u->generated != v->generated)
        return false;
    for (int k = kind; k < TURN; k++)
        if (starts_between(f->starts[k], f->at[a], f->at[b]))
            return false;
    return true;
}

/* Writes the groups of a kind, at most as many as there are units; *seen counts those
   of the input itself. */
static size_t cut(const struct folder *f, enum level_kind kind, glim_document_group *out,
                  size_t *seen) {
    const glim_document *d = f->doc;
    size_t n = 0, last = SIZE_MAX;
    *seen = 0;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        if (unit->fixed)
            continue;
        if (last == SIZE_MAX || !together(f, kind, last, u)) {
            out[n++] = (glim_document_group){.start = unit->start,
                                             .end = unit->end,
                                             .first = u,
                                             .turn = unit->turn,
                                             .generated = unit->generated};
            *seen += !unit->generated;
        }
        glim_document_group *g = &out[n - 1];
        g->count = u + 1 - g->first;
        g->start = unit->start < g->start ? unit->start : g->start;
        g->end = unit->end > g->end ? unit->end : g->end;
        last = u;
    }
    return n;
}

/* ---- scores ---- */

/* A group's score in one row of units; its error when errors are there. */
static double fold_one(const glim_document *d, const glim_document_group *g, const char *rule,
                       const double *x, const double *errors, double *error) {
    double sum = 0, squares = 0, most = NAN, off = 0, off_squares = 0, off_most = NAN;
    bool any = false;
    for (size_t u = g->first; u < g->first + g->count; u++) {
        if (d->input.units[u].fixed || !isfinite(x[u]))
            continue;
        double e = errors && isfinite(errors[u]) ? errors[u] : 0;
        any = true;
        sum += x[u];
        squares += x[u] * x[u];
        off += e;
        off_squares += e * e;
        if (isnan(most) || fabs(x[u]) > fabs(most)) {
            most = x[u];
            off_most = e;
        }
    }
    bool length = !strcmp(rule, "l2"), largest = !strcmp(rule, "max");
    *error = !any ? NAN : length ? sqrt(off_squares) : largest ? off_most : off;
    return !any ? NAN : length ? sqrt(squares) : largest ? most : sum;
}

static bool fill(glim_document *d, glim_document_level *level) {
    size_t n = level->n_groups, U = d->input.n_units;
    level->scores = glim_document_alloc(d, d->n_rows * n * sizeof *level->scores);
    level->error = d->error ? glim_document_alloc(d, d->n_rows * n * sizeof *level->error) : NULL;
    if (!level->scores || (d->error && !level->error))
        return false;
    for (size_t r = 0; r < d->n_rows; r++)
        for (size_t i = 0; i < n; i++) {
            double error;
            level->scores[r * n + i] =
                fold_one(d, &level->groups[i], level->rule, d->scores + r * U,
                         d->error ? d->error + r * U : NULL, &error);
            if (level->error)
                level->error[r * n + i] = error;
        }
    return true;
}

/* ---- levels ---- */

static bool is_pair(const glim_document *d) {
    static const char *const names[][2] = {{"first", "second"}, {"question", "context"}};
    for (int i = 0; i < 2 && d->input.n_turns == 2; i++)
        if (!strcmp(d->input.turns[0].role, names[i][0]) &&
            !strcmp(d->input.turns[1].role, names[i][1]))
            return true;
    return false;
}

static glim_status open_folder(struct folder *f, glim_document *doc, glim_error *err) {
    static const glim_break kinds[] = {GLIM_BREAK_WORD, GLIM_BREAK_SENTENCE};
    size_t n = doc->input.text_len;
    *f = (struct folder){.doc = doc};
    f->at = glim__calloc(doc->ctx, doc->input.n_units + 1, sizeof *f->at);
    if (!f->at)
        return glim__oom(doc->ctx, err, "the sentences", n);
    for (int k = WORD; k < TURN; k++) {
        f->starts[k] = glim__alloc(doc->ctx, n + 1);
        glim_status status =
            f->starts[k] ? glim__breaks(f->starts[k], doc->ctx, doc->input.text, n, kinds[k], err)
                         : glim__oom(doc->ctx, err, "the sentences", n);
        if (status)
            return status;
    }
    for (size_t u = 0; u < doc->input.n_units; u++) {
        size_t at = doc->input.units[u].start;
        while (at < n && (doc->input.text[at] == ' ' || doc->input.text[at] == '\t'))
            at++; /* as units are cut */
        f->at[u] = at < n ? at : n - (n > 0);
    }
    return GLIM_OK;
}

/* Adds a level before those that are there, unless it says what the next one says. */
static bool add_level(const struct folder *f, enum level_kind kind, size_t *above, size_t scored) {
    static const char *const names[] = {"word", "sentence", "turn"};
    glim_document *d = f->doc;
    glim_document_group *groups = glim_document_alloc(d, scored * sizeof *groups);
    size_t seen = 0, n = groups ? cut(f, kind, groups, &seen) : 0;
    if (seen < 2 || n <= *above || n >= scored)
        return groups != NULL;
    glim_document_level *levels = glim_document_alloc(d, (d->n_levels + 1) * sizeof *levels);
    if (!levels)
        return false;
    if (d->n_levels)
        memcpy(levels + 1, d->levels, d->n_levels * sizeof *levels);
    *levels = (glim_document_level){.unit = kind == TURN && is_pair(d) ? "segment" : names[kind],
                                    .rule = d->method.fold,
                                    .groups = groups,
                                    .n_groups = n};
    if (!fill(d, levels))
        return false;
    d->levels = levels;
    d->n_levels++;
    *above = n;
    return true;
}

glim_status glim__fold_levels(glim_document *doc, glim_error *err) {
    enum level_kind low = lowest(doc->input.unit);
    size_t scored = 0, above = 1;
    for (size_t u = 0; u < doc->input.n_units; u++)
        scored += !doc->input.units[u].fixed;
    if (low == KINDS || !doc->method.fold || scored < 3 || !doc->scores)
        return GLIM_OK;
    struct folder f;
    bool ok = true;
    glim_status status = open_folder(&f, doc, err);
    for (int k = TURN; k >= (int)low && !status && ok; k--)
        if (k != TURN || doc->input.n_turns)
            ok = add_level(&f, (enum level_kind)k, &above, scored);
    if (!status && !ok)
        status = glim__oom(doc->ctx, err, "the sentences", scored * sizeof *doc->levels);
    glim__free(doc->ctx, f.at);
    for (int k = WORD; k < TURN; k++)
        glim__free(doc->ctx, f.starts[k]);
    return status;
}

/* ---- what is never absent ---- */

static double sizes(const glim_document *d) {
    double sum = 0;
    for (size_t i = 0; d->scores && i < d->n_rows * d->input.n_units; i++)
        sum += isfinite(d->scores[i]) ? fabs(d->scores[i]) : 0;
    return sum;
}

void glim__tell_fixed(glim_document *doc, const glim_method *m) {
    const double most = 0.25;
    size_t tokens = 0, scored = 0;
    for (size_t u = 0; u < doc->input.n_units; u++) {
        tokens += doc->input.units[u].fixed ? doc->input.units[u].count : 0;
        scored += !doc->input.units[u].fixed;
    }
    if (!scored)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "there is nothing to score: every token of the input is fixed");
    if (!tokens)
        return;
    double fixed = isfinite(doc->fixed_size) ? doc->fixed_size : fabs(doc->fixed_total);
    double all = fixed + sizes(doc);
    if (isfinite(fixed)) {
        double share = all > 0 ? fixed / all : 0;
        glim_document_check_add(doc, "template_share", share,
                                "of the sizes of all scores, what fixed tokens have: template, "
                                "special tokens, a prompt's words; none of it is a unit's");
        if (share > most)
            glim_document_judge(
                doc, GLIM_VERDICT_CAREFUL,
                "fixed tokens (template, special) hold %.0f %% of the sizes, which no "
                "unit of the text shows; check with --method occlusion",
                100 * share);
    } else if (m->needs == GLIM_CAN_PREDICT) {
        glim_document_note(doc,
                           "%zu token%s of the template or special %s always kept: what they do is "
                           "in the baseline value, in no score",
                           tokens, tokens == 1 ? "" : "s", tokens == 1 ? "is" : "are");
    } else {
        glim_document_note(doc,
                           "what %zu token%s of the template or special may have is in no score",
                           tokens, tokens == 1 ? "" : "s");
    }
}
