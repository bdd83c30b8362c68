/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advice from the table of rules: those that fit the question and can run within the budget,
 * in the order of the quality that is wanted. Since that order does not depend on the budget,
 * a smaller one only takes methods away: what is then first is never dearer.
 */
#include "evaluate/advice-rules.h"
#include "influence/influence-methods.h"
#include "predict/predictor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct name {
    const char *name, *meaning;
};

static const struct name accesses[] = {
    {"decoder", "a language model that glim runs: it continues texts"},
    {"encoder", "an encoder that glim runs: classes, spans, likeness"},
    {"encoder-decoder", "a model that glim runs and that writes about a text"},
    {"image", "a classifier of pictures that glim runs"},
    {"fitted", "what `glim fit` made of a table"},
    {"black-box", "answers alone: a program, a server"},
    {0}};
static const struct name jobs[] = {{"classify", "puts texts into classes"},
                                   {"generate", "continues a text"},
                                   {"translate", "translates"},
                                   {"dialogue", "answers in a chat"},
                                   {"answer", "answers questions about a text"},
                                   {"table", "tells something of rows of a table"},
                                   {"image", "says what is in a picture"},
                                   {0}};
static const struct name wants[] = {{"parts", "which parts of the input mattered"},
                                    {"contrast", "why this and not that"},
                                    {"looks", "where the model looks"},
                                    {"alignment", "which source word made which target word"},
                                    {"examples", "which examples to look at"},
                                    {"training", "which training samples made it so"},
                                    {"inside", "what layers and neurons know"},
                                    {0}};

static const char *name_at(const struct name *list, int n, int i, const char **meaning) {
    bool in = i >= 0 && i < n;
    if (meaning)
        *meaning = in ? list[i].meaning : NULL;
    return in ? list[i].name : NULL;
}

const char *glim_access_name(int access, const char **meaning) {
    return name_at(accesses, GLIM_ACCESSES, access, meaning);
}

const char *glim_job_name(int job, const char **meaning) {
    return name_at(jobs, GLIM_JOBS, job, meaning);
}

const char *glim_want_name(int want, const char **meaning) {
    return name_at(wants, GLIM_WANTS, want, meaning);
}

static const glim_refusal *refusal(glim_access access, glim_job job, unsigned want) {
    for (const glim_refusal *r = glim__advice_refusals; r->why; r++)
        if ((r->access >> access & 1) && (r->jobs >> job & 1) && (r->wants & want) == want)
            return r;
    return NULL;
}

bool glim_access_does(glim_access access, glim_job job, const char **why) {
    const glim_refusal *r = refusal(access, job, ~0U);
    if (why)
        *why = r ? r->why : NULL;
    return !r;
}

/* What such a model lets methods do, when it is not there to ask. */
static unsigned usual_can(const glim_question *q) {
    const unsigned inner = GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT | GLIM_CAN_ACTIVATIONS;
    if (q->p)
        return q->p->can;
    switch (q->access) {
    case GLIM_ACCESS_DECODER:
        return inner | GLIM_CAN_ATTENTION | (q->job == GLIM_JOB_CLASSIFY ? 0 : GLIM_CAN_PROPOSE);
    case GLIM_ACCESS_ENCODER:
    case GLIM_ACCESS_ENCODER_DECODER:
        return inner | GLIM_CAN_ATTENTION;
    case GLIM_ACCESS_IMAGE:
        return inner | GLIM_CAN_MAPS;
    case GLIM_ACCESS_FITTED:
        return GLIM_CAN_PREDICT | GLIM_CAN_GRADIENT;
    default:
        return GLIM_CAN_PREDICT;
    }
}

static void count_units(const glim_question *q, glim_advice *out) {
    static const size_t usual[GLIM_JOBS] = {20, 20, 20, 60, 60, 10, 49};
    out->units = q->units;
    if (!q->units && q->p)
        for (size_t u = 0; u < q->p->units->count; u++)
            out->units += !q->p->units->at[u].fixed;
    out->assumed = !out->units;
    if (out->assumed)
        out->units = usual[q->job];
}

static bool fits(const glim_rule *r, const glim_question *q, size_t units) {
    return (r->access >> q->access & 1) && (r->jobs >> q->job & 1) && (r->wants >> q->want & 1) &&
           (!r->head || q->head >= 0) && units >= r->from && (!r->to || units <= r->to);
}

/* ---- what it costs ---- */

/* By the rule's formula; with fewer samples when that is what the budget allows. */
static double formula(const glim_rule *r, double units, double budget, double *samples) {
    double passes = r->power ? exp2(units) : ceil(r->fixed + r->each * units);
    *samples = 0;
    if (!r->elastic || !budget || passes <= budget)
        return passes;
    double left = floor(budget - r->each * units);
    if (left < r->least)
        left = r->least;
    *samples = left;
    return ceil(left + r->each * units);
}

/* "--name value" pairs into a method's options; others are the command's. */
static glim_status set_flags(const glim_method *m, void *opts, char *flags, glim_error *err) {
    char *rest = NULL;
    for (char *name = strtok_r(flags, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        const glim_param *p = m->params ? glim_param_find(m->params, name + 2) : NULL;
        const char *value = p && p->type != GLIM_BOOL ? strtok_r(NULL, " ", &rest) : NULL;
        glim_status status = value ? glim_param_set(p, opts, value, err) : GLIM_OK;
        if (status)
            return status;
    }
    return GLIM_OK;
}

/* Tokens of one pass over the input. */
static double one_pass(const glim_predictor *p) {
    glim_plan one = {0};
    if (p->plan_gradient && (p->can & GLIM_CAN_GRADIENT))
        p->plan_gradient(p, 1, &one);
    return (double)one.forward_tokens;
}

/* Whether a plan says what the command would do: not when its flags cut the input otherwise. */
static bool can_plan(const glim_hint *h, const glim_question *q) {
    return q->p && !strcmp(h->command, "explain") && !strstr(h->flags, "--units") &&
           !strstr(h->flags, "--superpixels") && !strstr(h->flags, "--pick");
}

static glim_status plan(glim_hint *h, const glim_question *q, glim_error *err) {
    char flags[sizeof h->flags];
    const glim_method *m = h->method;
    void *opts = glim__calloc(q->p->ctx, 1, m->opts_size + 1);
    if (!opts)
        return glim__oom(q->p->ctx, err, "options", m->opts_size);
    if (m->params)
        glim_param_defaults(m->params, opts);
    memcpy(flags, h->flags, sizeof flags);
    glim_status status = set_flags(m, opts, flags, err);
    if (!status)
        status = glim_explain_plan(&h->plan, q->p, m, opts, err);
    double pass = one_pass(q->p),
           tokens = (double)(h->plan.forward_tokens + h->plan.backward_tokens);
    h->planned = !status && (h->plan.asks || (pass > 0 && tokens > 0));
    if (h->planned)
        h->passes = h->plan.asks ? (double)h->plan.asks : ceil(tokens / pass);
    glim__free(q->p->ctx, opts);
    return status;
}

/* ---- choosing ---- */

static bool has(const glim_advice *a, const char *name) {
    for (size_t i = 0; i < a->n; i++)
        if (!strcmp(a->at[i].name, name))
            return true;
    return false;
}

/* A method of sample influence: nothing is planned, its samples are not here. */
static void make_influence(const glim_rule *r, const glim_question *q, glim_hint *h, bool *drop) {
    const glim_influence_method *m = glim__influence_find(r->method);
    *h = (glim_hint){.command = r->command, .why = r->why, .passes = r->fixed};
    *drop = !m;
    if (!m)
        return;
    h->name = m->name;
    h->caption = m->caption;
    h->costs = m->costs;
    snprintf(h->flags, sizeof h->flags, "%s", r->head && q->head > 0 ? "" : r->flags);
}

/* One rule as a hint. A method that refuses to plan here (EUSAGE) is left out: *drop. */
static glim_status make(const glim_rule *r, const glim_question *q, const glim_advice *a,
                        glim_hint *h, bool *drop, glim_error *err) {
    double samples;
    glim_error own = {0};
    if (!strcmp(r->command, "influence")) {
        make_influence(r, q, h, drop);
        return GLIM_OK;
    }
    *h = (glim_hint){.method = glim_method_find(r->method), .command = r->command, .why = r->why};
    h->name = r->method;
    h->caption = h->method ? h->method->caption : NULL;
    h->costs = h->method ? h->method->costs : NULL;
    h->passes = formula(r, (double)a->units, q->passes, &samples);
    int n = snprintf(h->flags, sizeof h->flags, "%s", r->flags);
    if (samples > 0)
        snprintf(h->flags + n, sizeof h->flags - (size_t)n, "%s--%s %.0f", n ? " " : "", r->elastic,
                 samples);
    *drop = !h->method || (h->method->needs & ~usual_can(q));
    if (*drop || !can_plan(h, q))
        return GLIM_OK;
    glim_status status = plan(h, q, &own);
    *drop = status == GLIM_EUSAGE;
    return !status || *drop ? GLIM_OK : glim_fail(err, status, "%s", own.message);
}

/* The next rule in the order of a quality behind place `last` of rule `at`, or NULL. */
static const glim_rule *next_rule(const glim_question *q, size_t units, const glim_rule *last) {
    const glim_rule *best = NULL;
    for (const glim_rule *r = glim__advice_rules; r->method; r++) {
        unsigned place = r->place[q->quality], bar = last ? last->place[q->quality] : 0;
        bool behind = !last || place > bar || (place == bar && r > last);
        if (fits(r, q, units) && behind && (!best || place < best->place[q->quality]))
            best = r;
    }
    return best;
}

static glim_status check(const glim_question *q, glim_error *err) {
    bool in = q->access >= 0 && (int)q->access < GLIM_ACCESSES && q->job >= 0 &&
              (int)q->job < GLIM_JOBS && q->want >= 0 && (int)q->want < GLIM_WANTS &&
              q->quality >= 0 && q->quality <= GLIM_COMPREHENSIVENESS && q->passes >= 0;
    return in ? GLIM_OK : glim_fail(err, GLIM_EUSAGE, "there is no such question");
}

glim_status glim_advise(glim_advice *out, const glim_question *q, glim_error *err) {
    *out = (glim_advice){0};
    glim_status status = check(q, err);
    if (status)
        return status;
    count_units(q, out);
    const glim_refusal *no = refusal(q->access, q->job, 1U << q->want);
    out->reason = no ? no->why : NULL;
    const glim_rule *r = no ? NULL : next_rule(q, out->units, NULL);
    for (; r && out->n < GLIM_HINTS && !status; r = next_rule(q, out->units, r)) {
        glim_hint hint;
        bool drop;
        status = make(r, q, out, &hint, &drop, err);
        if (status || drop)
            continue;
        if (q->passes > 0 && hint.passes > q->passes) {
            if (!out->least.name || hint.passes < out->least.passes)
                out->least = hint;
        } else if (!has(out, hint.name)) {
            out->at[out->n++] = hint;
        }
    }
    if (out->n)
        out->least = (glim_hint){0};
    if (!status && !out->n && !out->least.name && !out->reason)
        out->reason = "no method of this version answers that";
    return status;
}
