/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's attention as a document: who looks at whom, by words. The patterns of all
 * heads are gone when the run ends; kept are a line of numbers of each head and the
 * matrix that is shown. A sink is a token that draws attention whatever it says (Xiao et
 * al. 2023): the first one of a causal model, and those that get more than 0.3 on average
 * from rows that are not near. It flattens every picture, so that its share is told, and
 * it can be hidden or taken out.
 */
#include "explain/attention-look.h"
#include "base/json.h"
#include "model/model.h"
#include "predict/lm.h"

#include <math.h>
#include <string.h>

enum { MOST_UNITS = 1024, LEAST_ROWS = 4, NEAR = 8 };
static const double SINK = 0.3, ROW_SUM = 1e-4;

/* ---- options ---- */

static glim_status find_side(glim_look *look, glim_error *err) {
    static const char *const names[] = {"self", "encoder", "decoder", "cross"};
    const char *name = look->o->side;
    look->side = look->m->encoder ? GLIM_SIDE_CROSS : GLIM_SIDE_SELF;
    if (name && !look->m->encoder)
        return glim_fail(err, GLIM_EUSAGE,
                         "this model has one kind of attention (--attention is for "
                         "encoder-decoders)");
    for (int i = GLIM_SIDE_ENCODER; name && i <= GLIM_SIDE_CROSS; i++)
        if (!strcmp(name, names[i])) {
            look->side = (glim_side)i;
            return GLIM_OK;
        }
    return name
               ? glim_fail(err, GLIM_EUSAGE, "'%.40s' is no side (encoder, decoder or cross)", name)
               : GLIM_OK;
}

static glim_status check_align(const glim_look *look, glim_error *err) {
    const glim_attention_options *o = look->o;
    glim_extract rule;
    if (!o->align)
        return o->links.gold || o->links.extract || (o->source && !look->m->encoder)
                   ? glim_fail(err, GLIM_EUSAGE, "links are for --align")
                   : GLIM_OK;
    if (look->side == GLIM_SIDE_ENCODER || look->side == GLIM_SIDE_DECODER)
        return glim_fail(err, GLIM_EUSAGE, "a translation is aligned by --attention cross");
    if (look->side == GLIM_SIDE_SELF && glim_model_facts(look->m)->both_ways)
        return glim_fail(err, GLIM_EUSAGE, "this model writes no translation");
    if (look->side == GLIM_SIDE_SELF && !o->continuation && !o->generate)
        return glim_fail(err, GLIM_EUSAGE,
                         "a decoder's translation is what follows the input (--continuation TEXT "
                         "or --generate N)");
    if (look->side == GLIM_SIDE_SELF && !o->source)
        return glim_fail(err, GLIM_EUSAGE,
                         "name the part of the input that is translated (--source TEXT)");
    return glim__align_rule(&rule, &o->links, err);
}

static glim_status begin(glim_look *look, const glim_model *m, glim_tokens *tokens,
                         const glim_attention_options *o, glim_error *err) {
    *look = (glim_look){.m = m, .ctx = glim_model_context(m), .o = o, .tokens = tokens};
    look->keep.ctx = look->ctx;
    look->raw.fd = -1;
    glim_status status = find_side(look, err);
    bool encoder = look->side == GLIM_SIDE_ENCODER;
    const glim_hyper *h = encoder ? &m->encoder->hyper : &m->hyper;
    look->L = h->L;
    look->H = h->H;
    look->causal = look->side != GLIM_SIDE_CROSS && !h->both_ways && !encoder;
    if (!status && (o->layer >= look->L || o->head >= look->H))
        return glim_fail(err, GLIM_EUSAGE, "there is no %s %d (the first is 0, the last %d)",
                         o->layer >= look->L ? "layer" : "head",
                         o->layer >= look->L ? o->layer : o->head,
                         (o->layer >= look->L ? look->L : look->H) - 1);
    if (!status &&
        (o->raw_layer < 0 || o->raw_layers < 0 || o->raw_layer + o->raw_layers > look->L))
        return glim_fail(err, GLIM_EUSAGE,
                         "there are no layers %d-%d (the first is 0, the last %d)", o->raw_layer,
                         o->raw_layer + o->raw_layers - 1, look->L - 1);
    return status ? status : check_align(look, err);
}

static void release(glim_look *look) {
    glim_context *ctx = look->ctx;
    glim__outfile_abort(&look->raw);
    glim__keep_release(&look->keep);
    glim_units_free(&look->rows);
    glim_units_free(&look->columns);
    void *const all[] = {look->ids,      look->written,   look->row_token, look->shown,
                         look->received, look->layers,    look->row_stats, look->same,
                         look->row_of,   look->column_of, look->open,      look->stats,
                         look->raw_row};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(ctx, all[i]);
}

/* ---- sinks ---- */

/* The rows that are not near column s. */
static size_t far_rows(const glim_look *look, size_t s) {
    size_t after = look->T > s + NEAR + 1 ? look->T - s - NEAR - 1 : 0;
    if (look->side == GLIM_SIDE_CROSS)
        return look->T;
    return after + (!look->causal && s > NEAR ? s - NEAR : 0);
}

static bool is_sink(const glim_look *look, size_t s) {
    size_t n = far_rows(look, s);
    double mean = n ? look->received[s] / (double)n / (double)look->heads_shown : 0;
    return (look->causal && !s) || (n >= LEAST_ROWS && mean > SINK);
}

static bool find_sinks(const glim_look *look, glim_document *doc) {
    size_t n = 0, *at = glim_document_alloc(doc, look->S * sizeof *at);
    double share = 0;
    for (size_t s = 0; at && s < look->S; s++)
        if (is_sink(look, s)) {
            at[n++] = s;
            for (size_t r = 0; r < look->rows.count; r++)
                share += look->shown[r * look->S + s];
        }
    doc->attention.sinks = at;
    doc->attention.n_sinks = n;
    doc->attention.sink_share = share / (double)look->rows.count / (double)look->heads_shown;
    return at != NULL;
}

/* ---- the matrix that is shown ---- */

/* A unit that no token of the row can see. */
static bool later(const glim_look *look, size_t r, size_t u) {
    const glim_unit *row = &look->rows.at[r];
    return look->causal && look->columns.at[u].first >= row->first + row->count;
}

static double cell(const glim_look *look, const uint8_t *sink, size_t r, size_t u) {
    const glim_unit *c = &look->columns.at[u];
    double sum = 0;
    bool any = false;
    for (size_t s = c->first; s < c->first + c->count; s++)
        if (!sink[s]) {
            sum += look->shown[r * look->S + s];
            any = true;
        }
    return any && !later(look, r, u) ? sum / (double)look->heads_shown : NAN;
}

/* What a row has left without its sinks is made its whole; one that has nothing left
   looks at itself. */
static void renormalise(double *row, size_t n, size_t self) {
    double sum = 0;
    for (size_t u = 0; u < n; u++)
        sum += isfinite(row[u]) ? row[u] : 0;
    for (size_t u = 0; u < n; u++)
        row[u] = sum > 1e-9 ? row[u] / sum : u == self ? 1 : isnan(row[u]) ? NAN : 0;
}

static glim_status show_matrix(const glim_look *look, glim_document *doc, glim_error *err) {
    size_t R = look->rows.count, U = look->columns.count;
    const char *how = look->o->sink ? look->o->sink : "show";
    bool gone = strcmp(how, "show") != 0, renormalised = !strcmp(how, "renormalise");
    uint8_t *sink = glim__calloc(look->ctx, look->S + 1, 1);
    doc->scores = glim_document_alloc(doc, (R * U + 1) * sizeof *doc->scores);
    bool found = sink && doc->scores && find_sinks(look, doc);
    for (size_t i = 0; found && gone && i < doc->attention.n_sinks; i++)
        sink[doc->attention.sinks[i]] = 1;
    for (size_t r = 0; found && r < R; r++) {
        for (size_t u = 0; u < U; u++)
            doc->scores[r * U + u] = cell(look, sink, r, u);
        if (renormalised)
            renormalise(doc->scores + r * U, U, look->side == GLIM_SIDE_CROSS ? U : r);
    }
    glim__free(look->ctx, sink);
    return found ? GLIM_OK : glim__oom(look->ctx, err, "the scores", R * U * sizeof(double));
}

/* ---- the document ---- */

static bool tell_units(const glim_look *look, glim_document *doc) {
    const glim_token start = {.id = look->m->start};
    const glim_tokens only = {.at = (glim_token *)&start, .count = 1};
    bool decoder = look->side == GLIM_SIDE_DECODER;
    size_t n = look->columns.count;
    doc->input.units = glim_document_alloc(doc, (n + 1) * sizeof *doc->input.units);
    for (size_t u = 0; u < n && doc->input.units; u++) {
        glim_unit unit = look->columns.at[u];
        bool first = decoder && !unit.first;
        if (decoder && !first)
            unit.first += look->given - 1;
        if (!glim__describe_unit(look->m, first ? &only : look->tokens, &unit, doc,
                                 &doc->input.units[u]))
            return false;
        doc->input.units[u].first = look->columns.at[u].first;
    }
    doc->input.n_units = n;
    return doc->input.units != NULL;
}

static bool tell_rows(const glim_look *look, glim_document *doc) {
    doc->n_rows = look->rows.count;
    doc->rows = glim_document_alloc(doc, (doc->n_rows + 1) * sizeof *doc->rows);
    for (size_t r = 0; r < doc->n_rows && doc->rows; r++) {
        const glim_unit *u = &look->rows.at[r];
        glim_document_row *row = &doc->rows[r];
        size_t t = look->row_token[r];
        *row = (glim_document_row){.id = t == SIZE_MAX   ? look->m->start
                                         : u->count == 1 ? look->tokens->at[t].id
                                                         : -1,
                                   .start = u->start,
                                   .end = u->end,
                                   .value = NAN,
                                   .baseline_value = NAN,
                                   .prob = NAN,
                                   .residual = NAN};
        if (u->end > u->start) {
            row->text = doc->input.text + u->start;
            row->text_len = u->end - u->start;
            continue;
        }
        const char *name = glim_model_token_bytes(
            look->m, t == SIZE_MAX ? look->m->start : look->tokens->at[t].id, &row->text_len);
        row->text = glim_document_text(doc, name, row->text_len);
        if (!row->text)
            return false;
    }
    return doc->rows != NULL;
}

/* Tokens of a side; of a decoder first its start, which is no token of the text. */
static const glim_document_token *side_tokens(const glim_look *look, glim_document *doc, size_t n,
                                              bool written) {
    glim_document_token *out = glim_document_alloc(doc, (n + 1) * sizeof *out);
    for (size_t i = 0; i < n && out; i++) {
        bool start = written && !i;
        const glim_token *t = start ? NULL : &look->tokens->at[written ? look->given + i - 1 : i];
        size_t len;
        out[i] = (glim_document_token){.start = t ? t->start : 0, .end = t ? t->end : 0};
        if (out[i].end > out[i].start)
            continue;
        const char *name = glim_model_token_bytes(look->m, t ? t->id : look->m->start, &len);
        out[i].name = glim_document_text(doc, name ? name : "", name ? len : 0);
        if (!out[i].name)
            return NULL;
    }
    return out;
}

static bool tell_tokens(const glim_look *look, glim_document *doc) {
    glim_document_patterns *p = &doc->attention.patterns;
    bool decoder = look->side == GLIM_SIDE_DECODER, cross = look->side == GLIM_SIDE_CROSS;
    if (!p->T)
        return true;
    p->rows = side_tokens(look, doc, p->T, decoder || cross);
    p->columns = cross ? side_tokens(look, doc, p->S, false) : p->rows;
    return p->rows && p->columns;
}

static const char *params_text(const glim_look *look, glim_document *doc) {
    const glim_attention_options *o = look->o;
    bool ok = true;
    json_t *p = json_object();
    if (o->layer >= 0)
        glim__json_set(&ok, p, "layer", json_integer(o->layer));
    if (o->head >= 0)
        glim__json_set(&ok, p, "head", json_integer(o->head));
    glim__json_set(&ok, p, "sink", json_string(doc->attention.sink));
    if (look->side == GLIM_SIDE_CROSS || o->align)
        glim__json_set(&ok, p, "at", json_string(o->at ? o->at : "input"));
    char *text = ok ? json_dumps(p, JSON_COMPACT) : NULL;
    const char *copy = text ? glim_document_text(doc, text, strlen(text)) : NULL;
    free(text);
    json_decref(p);
    return copy;
}

static bool tell_head(const glim_look *look, glim_document *doc) {
    static const char *const sides[] = {"self", "encoder", "decoder", "cross"};
    const glim_attention_options *o = look->o;
    doc->kind = "attention";
    doc->target.kind = "attention";
    doc->target.output = "share";
    doc->target.text = "";
    doc->method.name = "attention-map";
    doc->method.summary = "which words look at which";
    doc->method.cite = "Vaswani et al. 2017, arXiv:1706.03762; Clark et al. 2019, arXiv:1906.04341";
    doc->method.caption = "Attention says where a head looks, not why the model said what it said: "
                          "leaving a word out tells that.";
    doc->attention = (glim_document_attention){.side = sides[look->side],
                                               .layers = look->L,
                                               .heads = look->H,
                                               .layer = o->layer,
                                               .head = o->head,
                                               .sink = o->sink    ? o->sink
                                                       : o->align ? "renormalise"
                                                                  : "show",
                                               .sink_share = NAN};
    doc->method.params = params_text(look, doc);
    if (!glim__describe_model(look->m, doc) ||
        !glim__describe_text(look->tokens, look->kind, false, doc))
        return false;
    size_t written = look->given < look->tokens->count ? look->tokens->at[look->given].start : 0;
    if (written) {
        doc->target.text = doc->input.text + written;
        doc->target.text_len = doc->input.text_len - written;
    }
    return doc->method.params != NULL;
}

static bool tell_stats(const glim_look *look, glim_document *doc) {
    size_t n = look->n_stats;
    glim_document_head *stats = glim_document_alloc(doc, (n + 1) * sizeof *stats);
    if (!stats)
        return false;
    memcpy(stats, look->stats, n * sizeof *stats);
    doc->attention.stats = stats;
    doc->attention.n_stats = n;
    if (look->worst_sum > ROW_SUM)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "a row of attention adds up to 1 only within %.2g", look->worst_sum);
    return glim_document_check_add(doc, "row_sum", look->worst_sum,
                                   "largest difference of a row's sum from 1");
}

/* What a reader must know before the picture. */
static bool tell_notes(const glim_look *look, glim_document *doc) {
    const glim_document_attention *a = &doc->attention;
    const char *fate = !strcmp(a->sink, "show")   ? "--sink renormalise takes it out"
                       : !strcmp(a->sink, "hide") ? "left out here"
                                                  : "taken out here, and rows made whole again";
    if (look->o->align)
        return glim_document_note(
            doc, "layer %d of %d, %s; what the model looks at when it %s a word", a->layer,
            a->layers,
            look->o->layer >= 0   ? "as asked"
            : look->o->links.gold ? "the one with the lowest error"
            : look->L > 1         ? "the one before the last"
                                  : "the only one",
            look->o->at && !strcmp(look->o->at, "output") ? "is about to write" : "reads");
    if (!a->n_sinks)
        return true;
    return glim_document_note(
        doc,
        "%.0f %% of the attention goes to %zu token%s that draw%s it whatever "
        "is said there (a sink): %s",
        100 * a->sink_share, a->n_sinks, a->n_sinks > 1 ? "s" : "", a->n_sinks > 1 ? "" : "s",
        fate);
}

static glim_status fill(glim_look *look, glim_document *doc, glim_error *err) {
    glim_status status = GLIM_OK;
    bool told = tell_head(look, doc) && tell_units(look, doc) && tell_rows(look, doc) &&
                tell_stats(look, doc);
    if (!told)
        return glim__oom(look->ctx, err, "the document", 0);
    if (look->o->align)
        status = glim__look_align(look, doc, &doc->attention.layer, err);
    else
        status = show_matrix(look, doc, err);
    if (!status && look->o->raw && !doc->partial) {
        const char *slash = strrchr(look->o->raw, '/'), *name = slash ? slash + 1 : look->o->raw;
        doc->attention.raw = glim_document_text(doc, name, strlen(name));
        doc->attention.raw_rows = look->T;
        doc->attention.raw_columns = look->S;
        doc->attention.raw_layer = look->o->raw_layer;
        doc->attention.raw_layers =
            look->o->raw_layers ? look->o->raw_layers : look->L - look->o->raw_layer;
        doc->attention.raw_half = look->o->half;
    }
    if (!status)
        status = glim__keep_tell(&look->keep, doc, err);
    if (!status && !tell_tokens(look, doc))
        status = glim__oom(look->ctx, err, "the tokens", 0);
    return status || tell_notes(look, doc) ? status : glim__oom(look->ctx, err, "the document", 0);
}

static void tell_cost(const glim_look *look, glim_document *doc, double began) {
    const char *kernels = glim_context_kernels(look->ctx);
    doc->cost.forward_tokens = look->forward;
    doc->cost.seconds = glim__seconds() - began;
    doc->cost.peak_bytes = glim_context_peak(look->ctx);
    doc->cost.threads = glim_context_threads(look->ctx);
    doc->cost.kernels = glim_document_text(doc, kernels, strlen(kernels));
}

/* ---- the call ---- */

static glim_status check_units(const glim_look *look, glim_error *err) {
    size_t n = look->rows.count > look->columns.count ? look->rows.count : look->columns.count;
    if (n <= MOST_UNITS)
        return GLIM_OK;
    return glim_fail(err, GLIM_ELIMIT,
                     "%zu units make a matrix of %.1f million numbers; at most %d units (--units "
                     "sentence, or a shorter text)",
                     n, (double)n * (double)n / 1e6, MOST_UNITS);
}

static glim_status run(glim_look *look, glim_error *err) {
    glim_status status = glim__look_sides(look, err);
    if (!status)
        status = check_units(look, err);
    if (!status)
        status = glim__look_room(look, err);
    if (status)
        return status;
    glim__progress_begin(look->ctx, "attention", (uint64_t)look->L * (uint64_t)look->H);
    status = glim__look_pass(look, err);
    glim__progress_end(look->ctx);
    if (!status && look->o->raw)
        status = glim__outfile_commit(&look->raw, err);
    return status;
}

/* What was seen before a cancelled run ended is worth a document. */
static bool may_keep(const glim_look *look, glim_status status) {
    return status == GLIM_ECANCELLED && !look->o->align && look->heads_shown;
}

glim_status glim_attention_read(glim_document **out, const glim_model *m, glim_tokens *tokens,
                                const glim_attention_options *o, glim_error *err) {
    glim_look look;
    glim_document *doc = NULL;
    double began = glim__seconds();
    *out = NULL;
    glim_status status = begin(&look, m, tokens, o, err);
    if (!status && o->source)
        status = glim__tokens_restrict(tokens, o->source, err);
    if (!status)
        status = run(&look, err);
    bool partial = may_keep(&look, status);
    glim_status made = status && !partial ? status : glim_document_new(&doc, look.ctx, err);
    if (!made) {
        doc->partial = partial;
        if (partial)
            glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                                "interrupted: %zu heads of %d were seen", look.n_stats,
                                look.L * look.H);
        made = fill(&look, doc, partial ? NULL : err);
        tell_cost(&look, doc, began);
    }
    release(&look);
    if (made)
        glim_document_free(doc);
    else
        *out = doc;
    return status ? status : made;
}

glim_status glim_attention_plan(glim_plan *out, const glim_model *m, const glim_tokens *tokens,
                                const glim_attention_options *o, glim_error *err) {
    glim_look look;
    glim_status status = begin(&look, m, (glim_tokens *)tokens, o, err);
    size_t given = tokens->count, more = o->continuation ? strlen(o->continuation) : o->generate;
    if (m->encoder && !more)
        more = 128;
    size_t whole = m->encoder ? given : given + more, rows = m->encoder ? more + 1 : whole;
    bool own = look.side == GLIM_SIDE_SELF || look.side == GLIM_SIDE_ENCODER;
    look.T = own ? whole : rows;
    look.S = look.side == GLIM_SIDE_DECODER ? rows : whole;
    look.rows.count = look.T < MOST_UNITS ? look.T : MOST_UNITS;
    look.columns.count = look.S < MOST_UNITS ? look.S : MOST_UNITS;
    glim_hook hook = glim__look_hook(&look);
    size_t longest = whole > rows ? whole : rows;
    uint64_t cells = (uint64_t)look.rows.count * look.columns.count;
    uint64_t bytes = glim_session_plan(m, rows, 1, longest, 1, false, NULL) +
                     glim_session_plan_hooks(m, &hook, 1, look.T, look.S, false, NULL) +
                     glim__look_bytes(&look) + 64 * cells + (256 << 10) +
                     3 * glim__keep_bytes(o->heads, look.L, look.H, look.T, look.S) +
                     glim_context_bytes(look.ctx);
    *out = (glim_plan){.forward_tokens = whole + (m->encoder ? rows : 0),
                       .bytes = bytes,
                       .bytes_wanted = bytes,
                       .seconds = -1,
                       .bounded = !more || o->continuation};
    look.rows = look.columns = (glim_units){0};
    return status;
}
