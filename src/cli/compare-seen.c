/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model answers and what it holds inside at the targets, seen in one pass: hooks
 * take the logits and what the blocks hand on. Labels are answers of several tokens; the
 * predictor has their scores already.
 */
#include "base/cosine.h"
#include "cli/compare.h"
#include "model/model.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

static const glim_no_direction NONE = {NAN, NAN};

/* ---- answers ---- */

/* Which answers a model has in a row of logits: tokens, classes, or none. */
static bool has_logits(const cli_run *run) {
    const glim_model_info *info = glim_model_facts(run->model);
    return info->task != GLIM_TASK_SPAN && info->task != GLIM_TASK_EMBED;
}

static bool has_classes(const glim_model_info *info) {
    return info->task == GLIM_TASK_CLASSIFY || info->task == GLIM_TASK_LABEL ||
           info->task == GLIM_TASK_IMAGE;
}

static const char *answer_text(const glim_model *model, size_t i, char number[32], size_t *len) {
    const glim_model_info *info = glim_model_facts(model);
    if (!has_classes(info))
        return glim_model_token_bytes(model, (int32_t)i, len);
    snprintf(number, 32, "class %zu", i);
    const char *name = info->labels ? info->labels[i] : number;
    *len = strlen(name);
    return name;
}

bool cli_same_answers(const glim_model *a, const glim_model *b) {
    size_t n = (size_t)glim_model_facts(a)->outputs, x, y;
    char one[32], two[32];
    if (glim_model_facts(b)->outputs != (int)n ||
        glim_model_facts(a)->task != glim_model_facts(b)->task)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *s = answer_text(a, i, one, &x), *t = answer_text(b, i, two, &y);
        if (x != y || (x && memcmp(s, t, x) != 0))
            return false;
    }
    return true;
}

static void append(cli_answer *a, const char *text, size_t len) {
    size_t room = sizeof a->text - a->len;
    len = len < room ? len : room;
    if (len)
        memcpy(a->text + a->len, text, len);
    a->len += len;
    a->told = true;
}

static size_t best_of(const cli_seen *l, size_t r) {
    const float *x = l->logits + r * l->V;
    size_t best = 0;
    for (size_t i = 1; i < l->V; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

static void append_row(cli_answer *a, const cli_run *run, const glim_predictor *p,
                       const cli_seen *l, size_t r) {
    size_t n, len;
    char number[32];
    const glim_label_score *labels = glim_predictor_label_scores(p, &n);
    size_t best = best_of(l, r);
    const char *text = labels ? labels[best].text : answer_text(run->model, best, number, &len);
    append(a, text, labels ? strlen(text) : len);
}

cli_answer cli_seen_answer(const cli_run *run, const glim_predictor *p, const cli_seen *l,
                           size_t r) {
    cli_answer a = {.len = 0};
    bool words = has_classes(glim_model_facts(run->model));
    for (size_t i = r == SIZE_MAX ? 0 : r; l->logits && i < (r == SIZE_MAX ? l->R : r + 1); i++) {
        if (words && a.len)
            append(&a, " ", 1);
        append_row(&a, run, p, l, i);
    }
    return a;
}

/* ---- the pass ---- */

struct watch {
    const glim_predictor *p;
    cli_seen *seen;
    bool logits;
};

static glim_status keep_logits(void *data, const glim_site *site, glim_error *err) {
    struct watch *w = data;
    size_t V = site->dims[site->n_dims - 1], rows = site->n_dims > 1 ? site->dims[0] : 1;
    w->logits = V == w->seen->V && rows == w->seen->R;
    if (w->logits)
        memcpy(w->seen->logits, site->data, V * rows * sizeof(float));
    return GLIM_OK;
}

static glim_status keep_rows(void *data, const glim_site *site, glim_error *err) {
    struct watch *w = data;
    cli_seen *l = w->seen;
    if (site->layer < 0 || (size_t)site->layer >= l->L || site->n_dims != 2 ||
        site->dims[1] != l->C || !site->dims[0])
        return GLIM_OK;
    for (size_t r = 0; r < l->R; r++) {
        size_t T = site->dims[0], row = w->p->row_at ? w->p->row_at(w->p, r) : SIZE_MAX;
        row = row < T ? row : T - 1;
        memcpy(l->inside + ((size_t)site->layer * l->R + r) * l->C, site->data + row * l->C,
               l->C * sizeof(float));
    }
    return GLIM_OK;
}

static glim_status make_room(cli_run *run, cli_seen *l, const glim_predictor *p) {
    const glim_model_info *info = glim_model_facts(run->model);
    size_t labels = 0;
    (void)glim_predictor_label_scores(p, &labels);
    *l = (cli_seen){.R = p->n_rows};
    bool layered = p->observe && p->model && info->task != GLIM_TASK_IMAGE;
    l->L = layered ? (size_t)info->layers : 0;
    l->C = layered ? (size_t)info->width : 0;
    l->V = labels ? labels : has_logits(run) ? (size_t)info->outputs : 0;
    if (l->V)
        l->logits = glim__calloc(run->ctx, l->R * l->V, sizeof *l->logits);
    if (l->L)
        l->inside = glim__calloc(run->ctx, l->L * l->R * l->C, sizeof *l->inside);
    return (l->V && !l->logits) || (l->L && !l->inside)
               ? glim__oom(run->ctx, &run->err, "what a pass shows",
                           l->R * (l->V + l->L * l->C) * sizeof(float))
               : GLIM_OK;
}

static glim_status pass(cli_run *run, struct watch *w, glim_predictor *p, bool labels) {
    bool pair = glim_model_facts(run->model)->encoder_layers > 0;
    const char *site = pair ? "decoder.blocks.*.hook_resid_post" : "blocks.*.hook_resid_post";
    glim_hook hooks[2] = {{"hook_logits", GLIM_HOOK_READ, keep_logits, w}};
    size_t n = w->seen->logits && !labels;
    if (w->seen->inside)
        hooks[n++] = (glim_hook){site, GLIM_HOOK_READ, keep_rows, w};
    uint64_t before, after, back;
    double began = glim__seconds();
    p->cost(p, &before, &back);
    glim_status status = p->observe(p, hooks, n, 0, &run->err);
    double seconds = glim__seconds() - began;
    p->cost(p, &after, &back);
    if (!w->seen->tokens || seconds < w->seen->seconds)
        w->seen->seconds = seconds;
    w->seen->tokens = (double)(after - before);
    return status;
}

glim_status cli_seen_at(cli_run *run, cli_seen *out, glim_predictor *p, size_t passes) {
    size_t labels;
    const glim_label_score *scores = glim_predictor_label_scores(p, &labels);
    struct watch w = {.p = p, .seen = out};
    glim_status status = make_room(run, out, p);
    for (size_t i = 0; i < labels && !status; i++)
        out->logits[i] = (float)scores[i].score;
    for (size_t i = 0; i < passes && p->observe && !status; i++)
        status = pass(run, &w, p, labels > 0);
    if (!w.logits && !labels) {
        glim__free(run->ctx, out->logits);
        out->logits = NULL;
    }
    return status;
}

void cli_seen_release(cli_run *run, cli_seen *l) {
    glim__free(run->ctx, l->logits);
    glim__free(run->ctx, l->inside);
    *l = (cli_seen){0};
}

uint64_t cli_seen_bytes(const glim_predictor *p) {
    const glim_model_info *info = glim_model_facts(p->model);
    return 2 * sizeof(float) * (uint64_t)p->n_rows *
           ((uint64_t)info->outputs + (uint64_t)info->layers * (uint64_t)info->width);
}

/* ---- two of them ---- */

static glim_status compare_inside(cli_comparison *c, const cli_seen *a, const cli_seen *b,
                                  cli_said *said) {
    said->drift = glim__arena_calloc(&c->arena, a->L + 1, sizeof *said->drift);
    if (!said->drift)
        return glim__oom(c->run->ctx, &c->run->err, "the drift", a->L * sizeof(double));
    for (size_t l = 0; l < a->L; l++) {
        cli_tally t = {0};
        for (size_t r = 0; r < a->R; r++) {
            size_t at = (l * a->R + r) * a->C;
            cli_tally_add(&t, glim__cosine_distance(a->inside + at, b->inside + at, a->C, NONE));
        }
        said->drift[l] = cli_tally_mean(&t);
    }
    return GLIM_OK;
}

glim_status cli_seen_compare(cli_comparison *c, const cli_seen *a, const cli_seen *b, bool same,
                             cli_said *said) {
    cli_tally kl = {0}, flips = {0};
    glim_status status = GLIM_OK;
    bool rows = a->R == b->R;
    if (same && rows && a->logits && b->logits && a->V == b->V) {
        said->row_kl = glim__arena_calloc(&c->arena, a->R, sizeof *said->row_kl);
        if (!said->row_kl)
            return glim__oom(c->run->ctx, &c->run->err, "the divergence", a->R * sizeof(double));
        for (size_t r = 0; r < a->R; r++) {
            said->row_kl[r] = glim__divergence(a->logits + r * a->V, b->logits + r * a->V, a->V);
            cli_tally_add(&kl, said->row_kl[r]);
            cli_tally_add(&flips, best_of(a, r) != best_of(b, r));
        }
        said->flips = cli_tally_mean(&flips);
    }
    said->kl = cli_tally_mean(&kl);
    if (rows && a->inside && b->inside && a->L == b->L && a->C == b->C)
        status = compare_inside(c, a, b, said);
    return status;
}
