/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directions as concepts (TCAV: Kim et al. 2018): the share of texts whose output grows when the
 * site's vectors move along the direction,
 *
 *   S = |{x : <df/dh(x), v> > 0}| / N
 *
 * dh being that of the rows that the probe saw: the last, the first, or all by the same step.
 * A share means little alone (of one token's logit nearly all directions have one that is not a
 * half), so it stands beside those of random directions, drawn from the normal distribution, and
 * a two-sided t test says how odd it is among them.
 */
#include "base/rng.h"
#include "base/student.h"
#include "structure/probe-run.h"

#include <math.h>
#include <string.h>

struct walk {
    glim_probe_run *r;
    size_t n_random;
    float **random; /* (sites) each (n_random, width) */
    float **own;    /* (sites) (width) */
    size_t *raised; /* (sites, 1 + n_random) */
    const char *how;
    float *sum;  /* (widest) gradient of what moves */
    int32_t id;  /* of the output */
    size_t seen; /* texts */
};

static glim_status oom(const glim_probe_run *r, uint64_t n, glim_error *err) {
    return glim__oom(r->ctx, err, "the concepts", n);
}

/* ---- what is asked ---- */

static glim_status find_output(const glim_probe_run *r, int32_t *id, glim_error *err) {
    const glim_model_info *i = glim_model_facts(r->model);
    const char *name = r->o->concept_target;
    *id = -1;
    if (i->task == GLIM_TASK_GENERATE)
        return glim_model_token(r->model, name, id, err);
    if (i->task != GLIM_TASK_CLASSIFY)
        return glim_fail(err, GLIM_EUSAGE,
                         "--concept-target is for models that write tokens or tell classes");
    for (int k = 0; k < i->outputs && i->labels; k++)
        if (!strcmp(i->labels[k], name))
            *id = k;
    return *id >= 0 ? GLIM_OK : glim_fail(err, GLIM_EUSAGE, "the model has no class '%.60s'", name);
}

static glim_status find_class(const glim_probe_run *r, size_t *out, glim_error *err) {
    const glim_probe_target *t = &r->data.target;
    const char *name = r->o->concept_class;
    *out = t->values ? 0 : t->n_classes - 1;
    if (!name)
        return GLIM_OK;
    for (size_t k = 0; k < t->n_classes; k++)
        if (!strcmp(t->classes[k], name)) {
            *out = k;
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_EUSAGE, "'%.200s' has no class '%.60s' whose direction is taken",
                     r->o->path, name);
}

glim_status glim__probe_concept_check(const glim_probe_run *r, glim_error *err) {
    int32_t id;
    size_t k;
    if (!r->o->concept_target)
        return r->o->concept_class ? glim_fail(err, GLIM_EUSAGE,
                                               "--concept needs the output that it may raise "
                                               "(--concept-target)")
                                   : GLIM_OK;
    if (r->how.kind == GLIM_PROBE_MLP)
        return glim_fail(err, GLIM_EUSAGE,
                         "a probe with a hidden layer has no one direction (--probe linear)");
    if (r->model->encoder)
        return glim_fail(err, GLIM_EUSAGE,
                         "--concept-target is for models that write tokens or tell classes");
    glim_status status = find_output(r, &id, err);
    return status ? status : find_class(r, &k, err);
}

/* ---- directions ---- */

/* Towards class k: of two classes plus or minus the log odds; of more against their mean. */
static void towards(const glim_direction *d, size_t k, float *out) {
    for (size_t j = 0; j < d->width; j++) {
        double mean = 0;
        for (size_t o = 0; o < d->outputs && d->outputs > 1; o++)
            mean += (double)d->weights[o * d->width + j] / (double)d->outputs;
        out[j] =
            d->outputs > 1 ? (float)((double)d->weights[k * d->width + j] - mean) : d->weights[j];
    }
}

static glim_status make_directions(struct walk *w, glim_error *err) {
    glim_probe_run *r = w->r;
    size_t S = r->store.n_sites, k;
    glim_status status = find_class(r, &k, err);
    w->random = glim__calloc(r->ctx, S, sizeof *w->random);
    w->own = glim__calloc(r->ctx, S, sizeof *w->own);
    w->raised = glim__calloc(r->ctx, S, (1 + w->n_random) * sizeof *w->raised);
    w->sum = glim__calloc(r->ctx, r->store.widest, sizeof *w->sum);
    if (!status && (!w->random || !w->own || !w->raised || !w->sum))
        status = oom(r, S * w->n_random * 8, err);
    for (size_t s = 0; s < S && !status; s++) {
        size_t width = r->store.sites[s].width;
        w->own[s] = glim__calloc(r->ctx, width, sizeof **w->own);
        w->random[s] = glim__calloc(r->ctx, w->n_random, width * sizeof **w->random);
        if (!w->own[s] || !w->random[s])
            return oom(r, w->n_random * width * sizeof **w->random, err);
        towards(&r->directions[s], k, w->own[s]);
        for (size_t j = 0;
             j < width && r->directions[s].outputs == 1 && r->data.target.n_classes && !k; j++)
            w->own[s][j] = -w->own[s][j];
        for (size_t j = 0; j < w->n_random * width; j++)
            w->random[s][j] = (float)glim__rng_normal(r->how.seed, 0x74636176 + s, j);
    }
    return status;
}

/* ---- walking back ---- */

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    struct walk *w = data;
    const glim_probe_store *store = &w->r->store;
    size_t s = 0, rows = site->dims[0], R = w->n_random;
    if (!site->gradient)
        return GLIM_OK;
    while (strcmp(store->sites[s].name, site->name) != 0)
        s++;
    size_t width = store->sites[s].width, from = 0, to = rows;
    if (!strcmp(w->how, "last"))
        from = rows - 1;
    else if (!strcmp(w->how, "first"))
        to = 1;
    memset(w->sum, 0, width * sizeof *w->sum);
    for (size_t t = from; t < to; t++)
        for (size_t j = 0; j < width; j++)
            w->sum[j] += site->data[t * width + j];
    for (size_t k = 0; k <= R; k++) {
        const float *v = k ? w->random[s] + (k - 1) * width : w->own[s];
        double along = 0;
        for (size_t j = 0; j < width; j++)
            along += (double)v[j] * (double)w->sum[j];
        w->raised[s * (R + 1) + k] += along > 0;
    }
    return GLIM_OK;
}

static glim_status run_text(struct walk *w, glim_session *session, const glim_probe_input *x,
                            float *d, glim_error *err) {
    const glim_probe_run *r = w->r;
    static const float one = 1;
    uint32_t row =
        r->model->task == GLIM_TASK_GENERATE || r->model->pool == GLIM_POOL_LAST ? x->n - 1 : 0;
    glim_sequence q = {
        .ids = x->ids, .types = x->types, .count = x->n, .wanted = &row, .n_wanted = 1};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = r->store.hooks,
                    .n_hooks = r->store.n_hooks,
                    .keep = true};
    glim_seed seed = {.ids = &w->id, .weights = &one, .n = 1};
    glim_status status = glim_session_forward(session, &b, err);
    return status ? status : glim_session_backward(session, &seed, 1, d, err);
}

static void score(struct walk *w, size_t s, glim_probe_concept *out) {
    size_t R = w->n_random;
    const size_t *raised = w->raised + s * (R + 1);
    double n = (double)w->seen, mean = 0, square = 0;
    for (size_t k = 1; k <= R; k++)
        mean += (double)raised[k] / n / (double)R;
    for (size_t k = 1; k <= R; k++)
        square += pow((double)raised[k] / n - mean, 2);
    double deviation = sqrt(square / (double)(R - 1));
    *out = (glim_probe_concept){(double)raised[0] / n, mean, deviation, NAN, NAN};
    if (deviation > 0) {
        out->t = (out->share - mean) / (deviation * sqrt(1 + 1 / (double)R));
        out->p = 2 * glim__student_tail(fabs(out->t), (double)(R - 1));
    }
}

static glim_status run_texts(struct walk *w, glim_session *session, float *d, glim_error *err) {
    glim_probe_run *r = w->r;
    size_t most = r->o->concept_inputs ? r->o->concept_inputs : 200, all = r->inputs.n;
    size_t n = all < most ? all : most;
    glim_status status = GLIM_OK;
    glim__progress_begin_items(r->ctx, "concepts", n);
    for (size_t i = 0; i < n && !status; i++) {
        const glim_probe_input *x = &r->inputs.at[i * all / n];
        status = run_text(w, session, x, d, err);
        w->seen += !status;
        r->forward_tokens += x->n;
        r->backward_tokens += x->n;
        glim__progress_add(r->ctx, 1);
        if (!status)
            status = glim__check_cancel(r->ctx, err);
    }
    glim__progress_end(r->ctx);
    return status;
}

uint64_t glim__probe_concept_plan(const glim_probe_run *r) {
    uint64_t longest = r->inputs.longest, C = (uint64_t)r->model->hyper.C, values = 0;
    size_t R = r->o->directions ? r->o->directions : 20;
    for (size_t s = 0; s < r->store.n_sites; s++)
        values += (R + 2) * (uint64_t)r->store.sites[s].width;
    return glim_session_plan(r->model, longest, 1, longest, 1, true, NULL) + 4 * longest * C +
           4 * values;
}

glim_status glim__probe_concepts(glim_probe_run *r, glim_error *err) {
    struct walk w = {.r = r, .n_random = r->o->directions ? r->o->directions : 20};
    const char *usual = r->model->hyper.both_ways ? "mean" : "last";
    glim_session *session = NULL;
    w.how = r->data.words ? "mean" : r->o->pool ? r->o->pool : usual;
    float *d = glim__calloc(r->ctx, r->inputs.longest, (size_t)r->model->hyper.C * sizeof *d);
    r->concepts = glim__calloc(r->ctx, r->store.n_sites, sizeof *r->concepts);
    glim_status status =
        d && r->concepts ? find_output(r, &w.id, err) : oom(r, r->inputs.longest, err);
    if (!status)
        status = make_directions(&w, err);
    for (size_t i = 0; i < r->store.n_hooks; i++) {
        r->store.hooks[i].actions = GLIM_HOOK_READ | GLIM_HOOK_GRAD;
        r->store.hooks[i].visit = see;
        r->store.hooks[i].data = &w;
    }
    if (!status)
        status = glim_session_new(&session, r->model, 0, err);
    if (!status)
        status = run_texts(&w, session, d, err);
    for (size_t s = 0; s < r->store.n_sites && r->concepts; s++)
        if (w.seen)
            score(&w, s, &r->concepts[s]);
        else
            r->concepts[s] = (glim_probe_concept){NAN, NAN, NAN, NAN, NAN};
    r->concept_texts = w.seen;
    glim_session_free(session);
    for (size_t s = 0; s < r->store.n_sites; s++) {
        glim__free(r->ctx, w.own ? w.own[s] : NULL);
        glim__free(r->ctx, w.random ? w.random[s] : NULL);
    }
    glim__free(r->ctx, w.own);
    glim__free(r->ctx, w.random);
    glim__free(r->ctx, w.raised);
    glim__free(r->ctx, w.sum);
    glim__free(r->ctx, d);
    return status;
}
