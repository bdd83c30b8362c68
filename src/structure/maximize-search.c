/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searches for every unit, every way and every restart. The first restart begins at the text
 * that was given, or at the strongest of the corpus, the others at tokens drawn by chance.
 * What is told of an input is what the model has when it reads its text alone.
 */
#include "structure/token-search.h"

#include <math.h>
#include <string.h>

enum { ORDINARY = 16 };
static const uint64_t ORDINARY_STREAM = (uint64_t)1 << 40;
static const char *const ways[] = {"tokens", "embeddings"};

/* One search: of which unit, by which way, from which beginning, with which weight of fluency. */
struct turn {
    size_t unit, way, number;
    double lambda;
};

/* ---- beginnings ---- */

/* The text's own tokens from `first` on, if they come back; else *n is 0. */
static glim_status take_tokens(glim_wording *w, const char *text, size_t len, size_t last,
                               size_t most, int32_t *ids, size_t *n, glim_error *err) {
    glim_tokens *t = NULL;
    bool yes = false;
    size_t own = 0;
    *n = 0;
    glim_status status = glim_model_tokenize(w->m, &t, text, len, err);
    for (size_t k = 0; !status && k < t->count; k++)
        own += t->at[k].kind == GLIM_TOKEN_TEXT;
    last = last < own ? last + 1 : own;
    size_t first = last > most ? last - most : 0, at = 0;
    for (size_t k = 0; !status && k < t->count; k++) {
        if (t->at[k].kind != GLIM_TOKEN_TEXT)
            continue;
        if (at >= first && at < last)
            ids[(*n)++] = t->at[k].id;
        at++;
    }
    glim_tokens_free(t);
    if (!status && *n)
        status = glim__wording_survives(w, ids, *n, &yes, err);
    *n = yes ? *n : 0;
    return status;
}

static glim_status begin_at(glim_maximized *r, glim_wording *w, size_t unit, size_t restart,
                            uint64_t stream, int32_t *ids, size_t *n, glim_error *err) {
    const glim_maximize_options *o = r->o;
    glim_status status = GLIM_OK;
    *n = 0;
    if (!restart && o->start) {
        size_t all = strlen(o->start);
        status = take_tokens(w, o->start, all, SIZE_MAX, GLIM_MAXIMIZE_LENGTH, ids, n, err);
        if (!status && !*n)
            status = glim_fail(err, GLIM_EUSAGE,
                               "--start '%.80s' is no text of seen characters that gives its "
                               "tokens again, %d at most",
                               o->start, GLIM_MAXIMIZE_LENGTH);
        return status;
    }
    if (!restart && r->read && r->kept.unit[unit].n_top) {
        const glim_kept *top = &r->kept.unit[unit].top[0];
        size_t best = top->values ? 0 : SIZE_MAX;
        for (size_t k = 1; top->values && k < top->text->pieces; k++)
            best = top->values[k] > top->values[best] ? k : best;
        status = take_tokens(w, top->text->text, top->text->n, best, o->length, ids, n, err);
    }
    if (!status && !*n) {
        *n = o->length;
        status = glim__wording_draw(w, o->seed, stream, *n, ids, err);
    }
    return status;
}

/* ---- what was found ---- */

static bool keep_text(glim_maximized *r, glim_search *s, glim_found *f, glim_error *err) {
    bool yes = false;
    glim_tokens *t = NULL;
    if (glim__wording_survives(s->w, s->ids + s->front, s->n, &yes, err) || !yes)
        return false;
    f->n = s->w->text.len;
    f->pieces = s->n;
    f->text = glim__strndup(r->ctx, s->w->text.data, f->n);
    f->ends = glim__calloc(r->ctx, s->n, sizeof *f->ends);
    f->ids = glim__calloc(r->ctx, s->n, sizeof *f->ids);
    if (!f->text || !f->ends || !f->ids || glim_model_tokenize(s->m, &t, f->text, f->n, err))
        return false;
    glim__tokens_pieces(t, f->n, f->ends);
    glim_tokens_free(t);
    memcpy(f->ids, s->ids + s->front, s->n * sizeof *f->ids);
    if (s->a->whole_text)
        return true;
    f->values = glim__alloc(r->ctx, s->n * sizeof *f->values);
    if (f->values)
        memcpy(f->values, s->values + s->front, s->n * sizeof *f->values);
    return f->values != NULL;
}

/* The values of the whole text, unless the run is to end. */
static glim_status read_again(glim_search *s, double *nll, glim_error *err) {
    glim_sequence q = {.ids = s->ids, .count = s->T, .types = s->types};
    size_t at;
    *nll = NAN;
    glim_status status = glim__activation_run(s->a, &q, 1, false, s->values, err);
    if (!status)
        status = glim__search_likely(s, nll, err);
    if (!status)
        s->value = s->a->whole_text
                       ? (double)s->values[0]
                       : glim__text_value(s->values, 1, s->is_free, s->T, s->pool, &at);
    return status;
}

static glim_status search(glim_maximized *r, glim_search *s, glim_found *f, glim_error *err) {
    bool swaps = !strcmp(f->how, "tokens");
    f->best = glim__calloc(r->ctx, r->o->steps + 1, sizeof *f->best);
    glim_status status =
        f->best ? glim__search_gradient(s, err) : glim__oom(r->ctx, err, "a search", 0);
    size_t done = 0;
    if (status)
        return status;
    f->start = s->value;
    status = swaps ? glim__search_swaps(s, f->best, &done, err)
                   : glim__search_ascend(s, f->best, &done, err);
    f->n_best = done + 1;
    f->asked = s->asked;
    if (status && status != GLIM_ECANCELLED)
        return status;
    f->nll = NAN;
    if (!status)
        status = read_again(s, &f->nll, err);
    f->value = s->value;
    return status;
}

static glim_status search_from(glim_maximized *r, glim_activation *a, glim_wording *w,
                               const struct turn *t, glim_found *f, glim_error *err) {
    int32_t ids[GLIM_MAXIMIZE_LENGTH];
    glim_search s;
    size_t n;
    uint64_t stream = (uint64_t)t->unit << 12 | t->number;
    glim_status status = begin_at(r, w, t->unit, t->number, stream, ids, &n, err);
    if (status)
        return status;
    status = glim__search_init(&s, r, a, w, stream, ids, n, err);
    s.lambda = t->lambda;
    if (!status)
        status = search(r, &s, f, err);
    /* one that was stopped is not shown: its tokens may be from the middle */
    if (!status && !keep_text(r, &s, f, err))
        status = glim__oom(r->ctx, err, "what was found", s.T * 16);
    r->forward += s.forward;
    r->backward += s.backward;
    glim__search_release(&s);
    return status;
}

static glim_status restart(glim_maximized *r, glim_activation *a, glim_wording *w,
                           const struct turn *t, glim_error *err) {
    glim_found f = {.unit = t->unit, .how = ways[t->way], .lambda = t->lambda};
    uint64_t at = (uint64_t)t->unit << 12 | (uint64_t)t->way << 11 | t->number;
    glim_buffer b;
    bool found;
    glim__buffer_init(&b, r->ctx);
    glim_status status = glim__work_get(&r->work, at, &b, &found, err);
    if (!status && found) {
        glim_unpacking reading = {b.data, b.data + b.len, false};
        status = glim__found_read(&reading, r->ctx, &f, err);
        glim__progress_add(r->ctx, r->o->steps);
    } else if (!status) {
        status = search_from(r, a, w, t, &f, err);
        if (!status)
            glim__found_write(&b, &f);
        if (!status)
            status = b.failed ? glim__oom(r->ctx, err, "what was found", b.len)
                              : glim__work_put(&r->work, at, b.data, b.len, err);
    }
    glim__buffer_release(&b);
    if (status)
        glim__found_release(r->ctx, &f);
    else
        r->found[r->n_found++] = f;
    return status;
}

/* Texts by chance, for scale. */
static glim_status ask_ordinary(glim_maximized *r, glim_activation *a, glim_wording *w, size_t unit,
                                glim_error *err) {
    int32_t first[GLIM_MAXIMIZE_LENGTH];
    double values[ORDINARY], sum = 0;
    glim_search s = {.ctx = r->ctx};
    size_t n = r->o->length;
    glim_status status =
        glim__wording_draw(w, r->o->seed, ORDINARY_STREAM | unit << 8, n, first, err);
    if (!status)
        status = glim__search_init(&s, r, a, w, 0, first, n, err);
    s.lambda = 0;
    int32_t *ids = status ? NULL : glim__calloc(r->ctx, ORDINARY * s.T, sizeof *ids);
    if (!status && !ids)
        status = glim__oom(r->ctx, err, "texts by chance", ORDINARY * s.T * sizeof *ids);
    for (size_t i = 0; i < ORDINARY && !status; i++) {
        memcpy(ids + i * s.T, s.ids, s.T * sizeof *ids);
        status = glim__wording_draw(w, r->o->seed, ORDINARY_STREAM | unit << 8 | i, n,
                                    ids + i * s.T + s.front, err);
    }
    if (!status)
        status = glim__search_values(&s, ids, ORDINARY, values, err);
    for (size_t i = 0; i < ORDINARY && !status; i++)
        sum += values[i];
    if (!status)
        r->ordinary[unit] = sum / ORDINARY;
    r->forward += s.forward;
    glim__free(r->ctx, ids);
    glim__search_release(&s);
    return status;
}

/* All searches of a unit with one weight of fluency. */
static glim_status search_unit(glim_maximized *r, const glim_model *m, glim_wording *w, size_t unit,
                               double lambda, glim_error *err) {
    glim_maximize_options one = *r->o;
    glim_activation a = {0};
    size_t T = GLIM_MAXIMIZE_LENGTH + w->n_front + w->n_back;
    bool shares = !m->hyper.both_ways && !m->encoder;
    if (!r->o->start)
        T = r->o->length + w->n_front + w->n_back;
    if (one.n_indices) {
        one.indices += unit;
        one.n_indices = 1;
    }
    T = T < (size_t)m->hyper.context ? T : (size_t)m->hyper.context;
    glim_status status = glim__activation_open(&a, m, &one, shares ? T : 0, lambda > 0, err);
    if (!status && isnan(r->ordinary[unit]))
        status = ask_ordinary(r, &a, w, unit, err);
    for (size_t way = 0; way < 2; way++) {
        bool wanted = !strcmp(one.search, "both") || !strcmp(one.search, ways[way]);
        for (size_t k = 0; k < one.restarts && wanted && !status; k++) {
            const struct turn t = {unit, way, k, lambda};
            status = restart(r, &a, w, &t, err);
        }
    }
    glim__activation_close(&a);
    return status;
}

/* What restarts depend on beside their own numbers. */
static glim_status make_key(glim_maximized *r, const glim_activation *a, double lambda,
                            glim_error *err) {
    const glim_maximize_options *o = r->o;
    if (!r->work.store)
        return GLIM_OK;
    glim_digest d = glim__work_digest(&r->work, "searches");
    glim_status status = glim__maximize_digest(r, a, &d, err);
    glim__digest_text(&d, o->start);
    glim__digest_number(&d, o->length);
    glim__digest_number(&d, o->steps);
    glim__digest_number(&d, o->candidates);
    glim__digest_number(&d, o->choices);
    glim__digest_real(&d, lambda);
    r->work.key = glim__digest_end(&d);
    return status;
}

glim_status glim__maximize_search(glim_maximized *r, glim_activation *a, glim_error *err) {
    const glim_maximize_options *o = r->o;
    size_t n_ways = !strcmp(o->search, "both") ? 2 : 1, units = a->n;
    size_t weights = o->n_fluencies ? o->n_fluencies : 1;
    bool decoder = a->m->task == GLIM_TASK_GENERATE && !a->m->hyper.both_ways;
    glim_wording w = {0};
    if (o->fluency > 0 && !decoder)
        return glim_fail(
            err, GLIM_EUSAGE,
            "--fluency is for models that continue a text, which say how likely it is");
    r->room = units * weights * n_ways * o->restarts;
    r->found = glim__calloc(r->ctx, r->room, sizeof *r->found);
    r->ordinary = glim__calloc(r->ctx, units, sizeof *r->ordinary);
    glim_status status = r->found && r->ordinary
                             ? glim__wording_init(&w, a->m, err)
                             : glim__oom(r->ctx, err, "searches", r->room * sizeof *r->found);
    if (!status && o->length + w.n_front + w.n_back > (size_t)a->m->hyper.context)
        status = glim_fail(err, GLIM_EUSAGE, "%zu tokens do not fit the model's context of %d",
                           o->length, a->m->hyper.context);
    for (size_t u = 0; u < units && !status; u++)
        r->ordinary[u] = NAN;
    glim__progress_begin_items(r->ctx, "search", r->room * o->steps);
    for (size_t i = 0; i < weights && !status; i++) {
        double lambda = o->n_fluencies ? o->fluencies[i] : o->fluency;
        status = make_key(r, a, lambda, err);
        for (size_t u = 0; u < units && !status; u++)
            status = search_unit(r, a->m, &w, u, lambda, err);
    }
    glim__progress_end(r->ctx);
    glim__wording_release(&w);
    glim__found_leave_out(r);
    return status;
}
