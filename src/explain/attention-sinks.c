/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention sinks: positions that rows look at when they look for nothing, as a rule the
 * first. They are found layer by layer while patterns stream by, so that no pass is spent
 * on them. In a causal pattern a near row has little choice, which is why only rows well
 * behind a position count, and at least a few of them.
 */
#include "explain/attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NEAR = 8, FEW_ROWS = 8, NAMED = 4 };
static const double SINK_SHARE = 0.3, EVEN_TIMES = 3;

glim_status glim__sinks_init(glim_sinks *s, const glim_predictor *p, glim_pattern_kind kind,
                             const char *way, glim_error *err) {
    glim_pattern_shape shape = glim__pattern_shape(p, kind);
    *s = (glim_sinks){.ctx = p->ctx,
                      .S = shape.S,
                      .causal = shape.causal,
                      .way = !strcmp(way, "show")   ? GLIM_SINK_SHOW
                             : !strcmp(way, "hide") ? GLIM_SINK_HIDE
                                                    : GLIM_SINK_RENORMALISE};
    s->here = glim__calloc(p->ctx, shape.S + 1, sizeof *s->here);
    s->layers = glim__calloc(p->ctx, shape.S + 1, sizeof *s->layers);
    s->received = glim__calloc(p->ctx, shape.S + 1, sizeof *s->received);
    if (s->here && s->layers && s->received)
        return GLIM_OK;
    glim_status status = glim__oom(p->ctx, err, "attention sinks", glim__sinks_bytes(shape.S));
    glim__sinks_release(s);
    return status;
}

void glim__sinks_release(glim_sinks *s) {
    if (!s->ctx)
        return;
    glim__free(s->ctx, s->here);
    glim__free(s->ctx, s->layers);
    glim__free(s->ctx, s->received);
    *s = (glim_sinks){0};
}

uint64_t glim__sinks_bytes(size_t S) {
    return (uint64_t)(S + 1) * (sizeof(uint8_t) + sizeof(uint32_t) + sizeof(double)) + 192;
}

void glim__sinks_add(glim_sinks *s, const glim_pattern *one, size_t from, size_t to) {
    size_t S = one->shape.S;
    for (size_t t = s->causal ? from : 0; t < one->shape.T; t++) {
        const float *row = one->weights + t * S;
        size_t past = !s->causal ? to : t > NEAR && t - NEAR < to ? t - NEAR : t > NEAR ? to : 0;
        for (size_t k = from; k < past; k++)
            s->received[k] += row[k];
    }
}

void glim__sinks_find(glim_sinks *s, const glim_pattern_shape *shape) {
    for (size_t k = 0; k < s->S; k++) {
        size_t behind = shape->T > k + NEAR + 1 ? shape->T - k - NEAR - 1 : 0;
        size_t rows = s->causal ? behind : shape->T;
        double mean = rows ? s->received[k] / ((double)rows * shape->heads) : 0;
        double least = s->causal ? SINK_SHARE : fmax(SINK_SHARE, EVEN_TIMES / (double)s->S);
        bool enough = !s->causal || rows >= FEW_ROWS;
        s->here[k] = (s->causal && !k) || (enough && mean > least);
        s->layers[k] += s->here[k];
        s->received[k] = 0;
    }
    s->seen++;
}

void glim__sinks_apply(const glim_sinks *s, float *row, size_t n, size_t self) {
    double rest = 0;
    if (s->way == GLIM_SINK_SHOW)
        return;
    for (size_t k = 0; k < n; k++) {
        row[k] = s->here[k] ? 0 : row[k];
        rest += row[k];
    }
    if (s->way == GLIM_SINK_HIDE)
        return;
    for (size_t k = 0; k < n && rest > 0; k++)
        row[k] = (float)(row[k] / rest);
    if (rest <= 0 && self < n)
        row[self] = 1;
}

void glim__sinks_apply_row(glim_sinks *s, double *row, size_t self) {
    double rest = 0, all = 0;
    for (size_t k = 0; k < s->S; k++) {
        all += row[k];
        rest += s->here[k] ? 0 : row[k];
    }
    s->share += all > 0 ? (all - rest) / all : 0;
    s->counted++;
    if (s->way == GLIM_SINK_SHOW)
        return;
    for (size_t k = 0; k < s->S; k++)
        row[k] = s->here[k] ? 0 : s->way == GLIM_SINK_HIDE || rest <= 0 ? row[k] : row[k] / rest;
    if (rest <= 0 && self < s->S && s->way == GLIM_SINK_RENORMALISE)
        row[self] = 1;
}

/* The text of the unit that holds a token, as far as the document shows it. */
static int name_token(const glim_predictor *p, const glim_document *doc, size_t token, char *out,
                      size_t size) {
    for (size_t u = 0; u < p->units->count && u < doc->input.n_units; u++) {
        const glim_document_unit *unit = &doc->input.units[u];
        if (token < unit->first || token >= unit->first + unit->count || unit->text_len > 24)
            continue;
        return snprintf(out, size, " '%.*s'", (int)unit->text_len, unit->text);
    }
    return 0;
}

void glim__sinks_tell(const glim_sinks *s, const glim_predictor *p, glim_document *doc) {
    static const char *const done[] = {"shown as they are", "shown as 0",
                                       "taken out, and the rest scaled up"};
    bool names = glim__pattern_shape(p, GLIM_PATTERN_ENCODER).layers == 0 || !s->causal;
    char list[240] = "";
    size_t at = 0, n = 0;
    for (size_t k = 0; k < s->S; k++) {
        if (!s->layers[k])
            continue;
        if (n++ >= NAMED || at > sizeof list - 96)
            continue;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%zu", n > 1 ? ", " : "", k);
        if (names)
            at += (size_t)name_token(p, doc, k, list + at, sizeof list - at);
        at += (size_t)snprintf(list + at, sizeof list - at, " (%u of %u layers)", s->layers[k],
                               s->seen);
    }
    double share = s->counted > 0 ? s->share / s->counted : 0;
    if (n)
        glim_document_note(doc, "attention sinks at token %s%s: %s", list, n > NAMED ? ", ..." : "",
                           done[s->way]);
    else
        glim_document_note(doc, "no attention sink was found");
    if (s->counted <= 0)
        return;
    glim_document_check_add(doc, "sink_share", share,
                            "mean share of the targets' attention that sinks draw");
    if (share > 0.5 && s->way != GLIM_SINK_RENORMALISE)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% of the attention lies on sinks, which says nothing of their "
                            "words; compare with --sink renormalise",
                            100 * share);
    else if (share > 0.5)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% of the attention lay on sinks and was taken out; the scores "
                            "tell of what is left",
                            100 * share);
}
