/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands on both sides of a pattern. Rows look, columns are looked at:
 *
 *   self     all tokens                       the same
 *   encoder  tokens of the input              the same
 *   decoder  its start and what was written   the same
 *   cross    what was written                 tokens of the input
 *
 * Row t of a decoder reads token t and is about to write token t + 1, so a word of the
 * target has two rows: where it is read (the default, which aligns better: Chen et al.
 * 2020) and where it is written.
 */
#include "explain/attention-look.h"
#include "model/model.h"
#include "predict/lm.h"

#include <string.h>

enum { MOST_WRITTEN = 128, AUTO_WORDS = 400 };

/* ---- tokens ---- */

static glim_status write_about(glim_look *look, glim_error *err) {
    const glim_attention_options *o = look->o;
    glim_status status =
        o->continuation
            ? glim__append_target(look->m, look->tokens, o->continuation, err)
            : glim_translate(look->m, look->tokens, o->generate ? o->generate : MOST_WRITTEN, NULL,
                             NULL, NULL, err);
    if (!status && look->tokens->count == look->given)
        status = glim_fail(err, GLIM_EUSAGE,
                           o->continuation ? "the text that was written is empty"
                                           : "the model writes nothing about this text");
    return status;
}

static glim_status write_behind(glim_look *look, glim_error *err) {
    const glim_attention_options *o = look->o;
    bool whole = glim_model_facts(look->m)->both_ways;
    if ((o->continuation || o->generate) && whole)
        return glim_fail(err, GLIM_EUSAGE, "this model writes nothing: it reads the whole text");
    if (o->continuation && o->generate)
        return glim_fail(err, GLIM_EUSAGE, "give either --continuation or --generate");
    if (o->continuation)
        return glim__append_continuation(look->m, look->tokens, o->continuation, err);
    if (!o->generate)
        return GLIM_OK;
    glim_status status = glim_generate(look->m, look->tokens, o->generate, NULL, NULL, NULL, err);
    if (!status && look->tokens->count == look->given)
        status = glim_fail(err, GLIM_EUSAGE, "the model ends at once: it writes nothing");
    return status;
}

static glim_status take_ids(glim_look *look, glim_error *err) {
    const glim_tokens *t = look->tokens;
    bool two = look->side != GLIM_SIDE_SELF;
    size_t more = t->count - look->given;
    look->n_ids = two ? look->given : t->count;
    look->n_written = two ? more + 1 : 0; /* the last word is read, too */
    look->ids = glim__calloc(look->ctx, look->n_ids + 1, sizeof *look->ids);
    look->written = two ? glim__calloc(look->ctx, more + 1, sizeof *look->written) : NULL;
    if (!look->ids || (two && !look->written))
        return glim__oom(look->ctx, err, "the tokens", t->count * sizeof *look->ids);
    for (size_t i = 0; i < look->n_ids; i++)
        look->ids[i] = t->at[i].id;
    for (size_t i = 0; i < look->n_written; i++)
        look->written[i] = i ? t->at[look->given + i - 1].id : look->m->start;
    size_t most = (size_t)look->m->hyper.context;
    if (look->n_ids > most || look->n_written > most)
        return glim_fail(err, GLIM_ELIMIT, "%zu tokens do not fit the context of %zu",
                         look->n_ids > most ? look->n_ids : look->n_written, most);
    return GLIM_OK;
}

/* ---- units ---- */

/* Units of tokens first .. first + count, what was written as words as well; `first` of a
   unit counts tokens of the whole. */
static glim_status cut(glim_units *out, const glim_tokens *all, size_t first, size_t count,
                       glim_unit_kind kind, glim_error *err) {
    glim_tokens part = *all;
    part.at = glim__calloc(all->ctx, count + 1, sizeof *part.at);
    if (!part.at)
        return glim__oom(all->ctx, err, "the units", count * sizeof *part.at);
    part.count = count;
    for (size_t i = 0; i < count; i++) {
        part.at[i] = all->at[first + i];
        if (part.at[i].kind == GLIM_TOKEN_GENERATED)
            part.at[i].kind = GLIM_TOKEN_TEXT;
    }
    glim_status status = glim_units_make(out, &part, kind, err);
    for (size_t u = 0; u < out->count && !status; u++)
        out->at[u].first += first;
    glim__free(all->ctx, part.at);
    return status;
}

/* One list behind the other; `more` is used up. */
static glim_status join(glim_units *out, glim_units *more, glim_error *err) {
    glim_context *ctx = out->ctx;
    glim_unit *at = glim__realloc(ctx, out->at, (out->count + more->count + 1) * sizeof *at);
    if (at) {
        memcpy(at + out->count, more->at, more->count * sizeof *at);
        out->at = at;
        out->count += more->count;
    }
    glim_units_free(more);
    return at ? GLIM_OK : glim__oom(ctx, err, "the units", out->count * sizeof *at);
}

static glim_status cut_all(glim_units *out, const glim_look *look, size_t first, size_t end,
                           glim_error *err) {
    size_t given = look->given < end ? look->given : end;
    glim_units more = {0};
    glim_status status = first < given
                             ? cut(out, look->tokens, first, given - first, look->kind, err)
                             : cut(out, look->tokens, first, end - first, look->kind, err);
    if (status || first >= given || given == end)
        return status;
    status = cut(&more, look->tokens, given, end - given, look->kind, err);
    return status ? status : join(out, &more, err);
}

/* Moves units of tokens to where those stand in a pattern. */
static void move(glim_units *units, size_t by, bool back) {
    for (size_t u = 0; u < units->count; u++)
        units->at[u].first = back ? units->at[u].first - by : units->at[u].first + by;
}

/* The decoder's beginning, which is no token of the text. */
static glim_status put_start(glim_units *units, glim_error *err) {
    glim_units start = {.ctx = units->ctx};
    start.at = glim__calloc(units->ctx, 1, sizeof *start.at);
    if (!start.at)
        return glim__oom(units->ctx, err, "the units", sizeof *start.at);
    start.at[0] = (glim_unit){.count = 1, .fixed = true, .turn = -1};
    start.count = 1;
    glim_status status = join(&start, units, err);
    start.kind = GLIM_UNIT_TOKEN;
    *units = start;
    return status;
}

static void keep_scored(glim_units *units) {
    size_t n = 0;
    for (size_t u = 0; u < units->count; u++)
        if (!units->at[u].fixed)
            units->at[n++] = units->at[u];
    units->count = n;
}

static glim_status cut_columns(glim_look *look, glim_error *err) {
    bool written = look->side == GLIM_SIDE_DECODER;
    bool all = look->side == GLIM_SIDE_SELF && !look->o->align;
    size_t end = written || all ? look->tokens->count : look->given;
    glim_status status = cut_all(&look->columns, look, written ? look->given : 0, end, err);
    if (!status && written) {
        move(&look->columns, look->given - 1, true);
        status = put_start(&look->columns, err);
    }
    if (!status && look->o->align)
        keep_scored(&look->columns);
    return status;
}

static glim_status cut_rows(glim_look *look, glim_error *err) {
    const char *at = look->o->at;
    bool output = at && !strcmp(at, "output"), two = look->side != GLIM_SIDE_SELF;
    glim_status status = cut_all(&look->rows, look, look->given, look->tokens->count, err);
    if (!status && two)
        move(&look->rows, look->given - 1, true);
    if (!status && output)
        move(&look->rows, 1, true);
    return status;
}

static glim_status name_rows(glim_look *look, glim_error *err) {
    const char *at = look->o->at;
    bool across = look->side == GLIM_SIDE_CROSS || look->o->align;
    size_t shift = across && at && !strcmp(at, "output");
    look->row_token = glim__calloc(look->ctx, look->rows.count + 1, sizeof *look->row_token);
    if (!look->row_token)
        return glim__oom(look->ctx, err, "the rows", look->rows.count * sizeof(size_t));
    for (size_t r = 0; r < look->rows.count; r++) {
        size_t t = look->rows.at[r].first + shift; /* as it is read */
        bool two = look->side == GLIM_SIDE_DECODER || look->side == GLIM_SIDE_CROSS;
        look->row_token[r] = !two ? t : t ? look->given + t - 1 : SIZE_MAX;
    }
    return GLIM_OK;
}

static size_t scored(const glim_units *units) {
    size_t n = 0;
    for (size_t u = 0; u < units->count; u++)
        n += !units->at[u].fixed;
    return n;
}

static glim_status cut_both(glim_look *look, glim_error *err) {
    bool same = look->side != GLIM_SIDE_CROSS && !look->o->align;
    glim_status status = cut_columns(look, err);
    if (!status && !same)
        status = cut_rows(look, err);
    if (status || !same)
        return status;
    look->rows = look->columns;
    look->rows.at = glim__calloc(look->ctx, look->columns.count + 1, sizeof *look->rows.at);
    if (!look->rows.at)
        return glim__oom(look->ctx, err, "the units", look->columns.count * sizeof(glim_unit));
    memcpy(look->rows.at, look->columns.at, look->columns.count * sizeof *look->rows.at);
    return GLIM_OK;
}

glim_status glim__look_sides(glim_look *look, glim_error *err) {
    bool two = look->m->encoder;
    look->given = look->tokens->count;
    glim_status status = !two                              ? write_behind(look, err)
                         : look->side != GLIM_SIDE_ENCODER ? write_about(look, err)
                                                           : GLIM_OK;
    if (!status)
        status = take_ids(look, err);
    look->kind = look->o->auto_units ? GLIM_UNIT_WORD : look->o->units;
    if (!status)
        status = cut_both(look, err);
    if (!status && look->o->auto_units && scored(&look->columns) > AUTO_WORDS) {
        glim_units_free(&look->rows);
        glim_units_free(&look->columns);
        look->kind = GLIM_UNIT_SENTENCE;
        status = cut_both(look, err);
    }
    bool reads = look->side == GLIM_SIDE_ENCODER || look->side == GLIM_SIDE_SELF;
    look->T = reads ? look->n_ids : look->n_written;
    look->S = look->side == GLIM_SIDE_DECODER ? look->n_written : look->n_ids;
    if (!status && look->o->align && (!look->rows.count || !look->columns.count))
        status = glim_fail(err, GLIM_EUSAGE, "there are no words to align");
    return status ? status : name_rows(look, err);
}
