/* SPDX-License-Identifier: Apache-2.0 */
/* What a document says of the model, the input and the target. */
#include "model/model.h"
#include "predict/lm.h"
#include "text/breaks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *copy(glim_document *doc, const char *s) {
    return s ? glim_document_text(doc, s, strlen(s)) : NULL;
}

static const char *token_text(const glim_lm *lm, glim_document *doc, int32_t id, size_t *len) {
    const char *bytes = glim_model_token_bytes(lm->model, id, len);
    return glim_document_text(doc, bytes, *len);
}

/* The name of what row 0 may be: a token, or a class. */
static const char *output_text(const glim_lm *lm, glim_document *doc, int32_t id, size_t *len) {
    const char *const *labels = glim_model_facts(lm->model)->labels;
    char number[16];
    if ((!lm->whole || lm->task == GLIM_TASK_FILL) && !lm->labels)
        return token_text(lm, doc, id, len);
    if (lm->labels) {
        const char *name = glim__lm_label_name(lm, id);
        *len = strlen(name);
        return glim_document_text(doc, name, *len);
    }
    if (lm->direction) {
        *len = strlen("similarity");
        return glim_document_text(doc, "similarity", *len);
    }
    snprintf(number, sizeof number, "class %d", id);
    const char *name = labels ? labels[id] : number;
    *len = strlen(name);
    return glim_document_text(doc, name, *len);
}

/* A unit's text: its bytes of the source, or the name of a fixed token. */
bool glim__describe_unit(const glim_model *m, const glim_tokens *tokens, const glim_unit *u,
                         glim_document *doc, glim_document_unit *out) {
    const glim_token *first = &tokens->at[u->first];
    *out = (glim_document_unit){.start = u->start,
                                .end = u->end,
                                .first = u->first,
                                .count = u->count,
                                .fixed = u->fixed,
                                .turn = u->turn,
                                .generated = first->kind == GLIM_TOKEN_GENERATED};
    if (u->end > u->start) {
        out->text_len = u->end - u->start;
        out->text = doc->input.text + u->start;
        return true;
    }
    const char *name = glim_model_token_bytes(m, first->id, &out->text_len);
    out->text = glim_document_text(doc, name, out->text_len);
    return out->text != NULL;
}

/* With `asks`, the turns are a question and its context. */
bool glim__describe_text(const glim_tokens *t, glim_unit_kind kind, bool asks, glim_document *doc) {
    static const char *const parts[] = {"question", "context"};
    doc->input.text = glim_document_text(doc, t->text, t->text_len);
    doc->input.text_len = t->text_len;
    doc->input.unit = glim_unit_kind_name(kind);
    doc->input.turns = glim_document_alloc(doc, (t->n_turns + 1) * sizeof *doc->input.turns);
    if (!doc->input.text || !doc->input.turns)
        return false;
    for (size_t i = 0; i < t->n_turns; i++) {
        const glim_turn *turn = &t->turns[i];
        const char *role = asks ? parts[i] : turn->role;
        doc->input.turns[i] = (glim_document_turn){copy(doc, role), turn->start, turn->end};
        if (!doc->input.turns[i].role)
            return false;
    }
    doc->input.n_turns = t->n_turns;
    return true;
}

static bool describe_input(const glim_lm *lm, glim_document *doc) {
    bool asks = lm->task == GLIM_TASK_SPAN && lm->tokens->n_turns == 2;
    if (!glim__describe_text(lm->tokens, lm->units.kind, asks, doc))
        return false;
    doc->input.units = glim_document_alloc(doc, lm->units.count * sizeof *doc->input.units);
    for (size_t u = 0; u < lm->units.count && doc->input.units; u++)
        if (!glim__describe_unit(lm->model, lm->tokens, &lm->units.at[u], doc,
                                 &doc->input.units[u]))
            return false;
    doc->input.n_units = lm->units.count;
    return doc->input.units != NULL;
}

/* A model reads tokens, so characters that share one cannot be absent one by one. */
static bool note_characters(const glim_lm *lm, glim_document *doc) {
    size_t wide = 0, scored = 0, n = lm->tokens->text_len;
    uint8_t *starts = glim__alloc(doc->ctx, n + 1);
    if (!starts || glim__breaks(starts, doc->ctx, lm->tokens->text, n, GLIM_BREAK_GRAPHEME, NULL)) {
        glim__free(doc->ctx, starts);
        return false;
    }
    for (size_t i = 0; i < lm->units.count; i++) {
        const glim_unit *u = &lm->units.at[i];
        size_t graphemes = 0;
        for (size_t at = u->start; at < u->end && !u->fixed; at++)
            graphemes += starts[at];
        wide += graphemes > 1;
        scored += !u->fixed;
    }
    glim__free(doc->ctx, starts);
    return !wide || glim_document_note(doc,
                                       "the model reads tokens: %zu of %zu units are tokens of "
                                       "several characters, which cannot be parted",
                                       wide, scored);
}

/* What an encoder says of a token: "Paris: B-LOC", "start: Paris". */
static const char *said_of(const glim_lm *lm, glim_document *doc, const glim_lm_row *row,
                           size_t *len) {
    const glim_token *t = &lm->tokens->at[row->token];
    const char *const *labels = glim_model_facts(lm->model)->labels;
    char text[160], label[24];
    int n = (int)(t->end - t->start < 60 ? t->end - t->start : 60);
    const char *bytes = lm->tokens->text + t->start;
    snprintf(label, sizeof label, "%d", row->id);
    if (lm->task == GLIM_TASK_SPAN)
        snprintf(text, sizeof text, "%s: %.*s", row->id ? "end" : "start", n, bytes);
    else
        snprintf(text, sizeof text, "%.*s: %.60s", n, bytes, labels ? labels[row->id] : label);
    *len = strlen(text);
    return glim_document_text(doc, text, *len);
}

static bool describe_rows(const glim_lm *lm, glim_document *doc) {
    size_t n = lm->base.n_rows;
    doc->n_rows = n;
    if (lm->rows[0].token == SIZE_MAX)
        return true;
    doc->rows = glim_document_alloc(doc, n * sizeof *doc->rows);
    if (!doc->rows)
        return false;
    for (size_t r = 0; r < n; r++) {
        const glim_token *t = &lm->tokens->at[lm->rows[r].token];
        glim_document_row *row = &doc->rows[r];
        *row = (glim_document_row){.id = t->id,
                                   .start = t->start,
                                   .end = t->end,
                                   .value = lm->value[r],
                                   .baseline_value = NAN,
                                   .prob = lm->prob[r],
                                   .residual = NAN};
        row->text = lm->whole ? said_of(lm, doc, &lm->rows[r], &row->text_len)
                              : token_text(lm, doc, t->id, &row->text_len);
        if (lm->whole)
            row->id = lm->rows[r].id;
        if (!row->text)
            return false;
    }
    return true;
}

static bool describe_target(const glim_lm *lm, glim_document *doc) {
    static const char *const outputs[] = {"logit", "logprob", "prob"};
    const glim_lm_row *row = &lm->rows[0];
    double sum = 0;
    doc->target.kind = lm->kind;
    doc->target.output = lm->direction                                   ? "similarity"
                         : lm->labels && lm->output == GLIM_OUTPUT_LOGIT ? "score"
                                                                         : outputs[lm->output];
    doc->target.against_id = row->against;
    doc->target.baseline_value = NAN;
    if (row->token == SIZE_MAX) {
        doc->target.id = row->id;
        doc->target.value = doc->target.prob = NAN;
        if (row->id < 0 && !lm->direction) { /* not read yet */
            doc->target.text = "";
            return true;
        }
        doc->target.text = output_text(lm, doc, row->id, &doc->target.text_len);
        doc->target.value = lm->value[0];
        doc->target.prob = lm->prob[0];
        if (row->against >= 0)
            doc->target.against = output_text(lm, doc, row->against, &doc->target.against_len);
        return doc->target.text && (row->against < 0 || doc->target.against);
    }
    size_t start = lm->tokens->at[row->token].start;
    for (size_t r = 0; r < lm->base.n_rows; r++)
        sum += lm->value[r];
    doc->target.id = -1;
    size_t end = doc->input.text_len;
    if (lm->whole) /* the answer; the labelled stretch */
        end = lm->tokens->at[lm->rows[lm->base.n_rows - 1].token].end;
    doc->target.text = doc->input.text + start;
    doc->target.text_len = end - start;
    doc->target.value = sum;
    doc->target.prob = NAN;
    return true;
}

bool glim__lm_describe_target(const glim_lm *lm, glim_document *doc) {
    return describe_rows(lm, doc) && describe_target(lm, doc);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool glim__describe_model(const glim_model *m, glim_document *doc) {
    const glim_model_info *info = glim_model_facts(m);
    const struct {
        const char **to, *from;
    } names[] = {{&doc->model.file, file_name(info->path)},
                 {&doc->model.name, info->name},
                 {&doc->model.architecture, info->architecture},
                 {&doc->model.quantisation, info->quantisation},
                 {&doc->model.digest, info->digest}};
    bool named = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *names[i].to = copy(doc, names[i].from);
        named = named && (*names[i].to || !names[i].from);
    }
    if (m->steering)
        named = named && glim_document_note(doc, "the model is steered: %s", m->steering);
    return named;
}

glim_status glim__lm_describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const glim_lm *lm = (const glim_lm *)p;
    doc->kind = lm->rows[0].token == SIZE_MAX ? "attribution" : "attribution-matrix";
    if (!glim__describe_model(lm->model, doc) || !describe_input(lm, doc) ||
        !describe_rows(lm, doc) || !describe_target(lm, doc) ||
        (lm->labels && !glim__lm_label_notes(lm, doc)) ||
        (lm->units.kind == GLIM_UNIT_CHARACTER && !note_characters(lm, doc)))
        return glim__oom(p->ctx, err, "the document", 0);
    return GLIM_OK;
}
