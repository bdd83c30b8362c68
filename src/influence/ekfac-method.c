/* SPDX-License-Identifier: Apache-2.0 */
/* EK-FAC as a method: samples and queries of a model, and a store of factors. */
#include "influence/ekfac.h"
#include "influence/factor-store.h"
#include "influence/gradient-work.h"
#include "influence/queries.h"

#include <math.h>
#include <string.h>

struct options {
    const char *weights, *labels;
    double damping;
    int64_t fit_samples, query_rank;
    bool self;
};

/* A walk of samples through the model. */
struct passer {
    const glim_model *model;
    glim_samples *samples;
    uint64_t seed;
    bool logit; /* what is walked back is the label's output, not its log-probability */
    glim_pass_visitor visitor;
};

struct work {
    const glim_influence_work *w;
    const struct options *o;
    struct passer train, asked;
    uint8_t *chosen;
    glim_factor_store store;
    glim_factor_keeper keeper;
    glim_ekfac k;
};

/* ---- walks ---- */

static glim_status seed_logit(void *data, const glim_pass_sample *s, size_t k, glim_seed *seed,
                              glim_error *err) {
    seed->log_softmax = false;
    return GLIM_OK;
}

static glim_status go(void *data, size_t first, size_t count, bool sampled, const uint8_t *chosen,
                      const glim_pass_visitor *visitor, glim_error *err) {
    struct passer *p = data;
    glim_pass_options o = {.chosen = chosen, .sampled = sampled, .seed = p->seed};
    p->visitor = *visitor;
    if (p->logit)
        p->visitor.seed = seed_logit;
    return glim__pass(p->model, p->samples, first, count, &o, &p->visitor, err);
}

static bool is(const char *what, const char *name) {
    return what && !strcmp(what, name);
}

static void lay_out(struct work *s, const glim_weight *weights, size_t n) {
    const glim_influence_work *w = s->w;
    size_t most = s->o->fit_samples > 0 ? (size_t)s->o->fit_samples : 0;
    s->train = (struct passer){.model = w->model, .samples = w->samples, .seed = w->seed};
    s->asked = (struct passer){.model = w->model,
                               .samples = w->query_samples,
                               .seed = w->seed,
                               .logit = is(w->target.output, "logit")};
    s->k = (glim_ekfac){.ctx = w->ctx,
                        .train = {go, &s->train, w->n},
                        .queries = {go, &s->asked, w->query_samples ? w->n_queries : 0},
                        .factors = {.weights = weights,
                                    .chosen = s->chosen,
                                    .n_weights = n,
                                    .empirical = is(s->o->labels, "given"),
                                    .most = most < w->n ? most : 0},
                        .rank = s->o->query_rank > 0 ? (size_t)s->o->query_rank : 0,
                        .seed = w->seed,
                        .damping = s->o->damping < 0 ? NAN : s->o->damping,
                        .sign = is(w->target.output, "loss") ? -1 : 1,
                        .parts = w->by};
    s->k.self = s->o->self || !s->k.queries.count;
}

static void end(struct work *s) {
    glim__free(s->w->ctx, s->chosen);
}

static glim_status begin(struct work *s, const glim_influence_work *w, const void *opts,
                         glim_error *err) {
    size_t n;
    const glim_weight *weights = glim_model_weights(w->model, &n);
    *s = (struct work){.w = w, .o = opts, .chosen = glim__calloc(w->ctx, n + 1, 1)};
    if (!s->chosen)
        return glim__oom(w->ctx, err, "weights", n);
    lay_out(s, weights, n);
    const char *patterns = s->o->weights && *s->o->weights ? s->o->weights : NULL;
    return glim__weights_choose(w->model, patterns, s->chosen, err);
}

static glim_status open_store(struct work *s, glim_error *err) {
    glim_factor_origin origin = {.model = s->w->model,
                                 .samples = glim__samples_origin(s->w->samples),
                                 .most = s->k.factors.most,
                                 .seed = s->w->seed,
                                 .empirical = s->k.factors.empirical};
    if (!s->w->store)
        return GLIM_OK;
    glim_status status = glim__factor_store_init(&s->store, s->w->store, &origin, err);
    s->keeper = glim__factor_store_keeper(&s->store);
    s->k.factors.keeper = &s->keeper;
    return status;
}

/* ---- what is told ---- */

/* Samples that are cut, or have no answer. */
static glim_status tell_samples(struct work *s, glim_document *doc, glim_error *err) {
    glim_model_gradients room = {
        .model = s->w->model, .samples = s->w->samples, .chosen = s->chosen};
    glim_gradient_work g = {.ctx = s->w->ctx, .rooms = &room, .work = s->w, .n = 1};
    return glim__gradient_work_tell(&g, doc, err);
}

static void judge(const struct work *s, const glim_ekfac_told *told, glim_document *doc) {
    glim_document_check_add(doc, "damping", told->damping,
                            "added to the eigenvalues, the mean over matrices");
    glim_document_check_add(doc, "matrices", (double)told->weights, "that the curvature is of");
    if (s->k.rank)
        glim_document_check_add(doc, "query_rank_error", told->lost,
                                "of a query's gradient, what its low rank leaves out; the worst");
    if (told->lost > 0.3)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "rank %zu leaves out %.0f %% of a query's gradient (a larger "
                            "--query-rank)",
                            s->k.rank, 100 * told->lost);
    if (s->store.found)
        glim_document_note(doc, "The store had the factors of %zu of %zu matrices.", s->store.found,
                           told->weights);
    if (s->store.other)
        glim_document_note(doc, "The store has factors of another model, training file or option "
                                "as well: those were not used.");
    if (told->zero)
        glim_document_note(doc, "%zu of %zu matrices have no gradient on these samples.",
                           told->zero, told->weights);
    if (told->zero == told->weights)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "no sample has a gradient: all influences are 0");
    else if (s->k.train.count < 10)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL, "a curvature of %zu samples says little",
                            s->k.train.count);
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    struct work s;
    glim_ekfac_told told = {0};
    glim_status status = begin(&s, w, opts, err);
    if (!status)
        status = open_store(&s, err);
    if (!status)
        status = glim__ekfac_run(&s.k, out, &told, err);
    if (!status && out->doc)
        judge(&s, &told, out->doc);
    if (!status && out->doc)
        status = tell_samples(&s, out->doc, err);
    end(&s);
    return status;
}

static glim_status plan_passes(const struct work *s, uint64_t bytes[2], glim_plan *out,
                               uint64_t kept, glim_error *err) {
    const glim_influence_work *w = s->w;
    glim_pass_options o = {.chosen = s->chosen};
    glim_pass_size train = {0}, asked = {0};
    glim_status status = glim__pass_measure(w->model, w->samples, &o, true, &train, err);
    if (!status && s->k.queries.count)
        status = glim__pass_measure(w->model, w->query_samples, &o, true, &asked, err);
    double share = s->k.factors.most ? (double)s->k.factors.most / (double)w->n : 1;
    uint64_t fit = (uint64_t)(share * (double)train.tokens);
    uint64_t left = glim__budget_left(w->ctx);
    left = left > kept ? left - kept : 0;
    size_t rounds = glim__factors_rounds(&s->k.factors, left);
    size_t group = glim__ekfac_group(&s->k, left), Q = s->k.queries.count;
    uint64_t groups = group ? (Q + group - 1) / group : 1;
    out->forward_tokens = 2 * rounds * fit + groups * train.tokens + asked.tokens;
    out->backward_tokens = out->forward_tokens;
    bytes[0] = train.bytes > asked.bytes ? train.bytes : asked.bytes;
    bytes[1] = train.wanted > asked.wanted ? train.wanted : asked.wanted;
    size_t longest = train.longest > asked.longest ? train.longest : asked.longest;
    size_t rows = longest > 1024 ? longest : 1024; /* that are gathered, and turned */
    for (size_t i = 0; i < s->k.factors.n_weights; i++) {
        const glim_weight *m = &s->k.factors.weights[i];
        uint64_t turned =
            8 * (uint64_t)rows * (m->rows + m->cols + 64) + 8 * (uint64_t)m->rows * (m->cols + 1);
        if (s->chosen[i] && 2 * turned > out->bytes)
            out->bytes = 2 * turned;
    }
    out->bounded = train.counted;
    return status;
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    struct work s;
    uint64_t sums, all, pass[2] = {0}, Q = w->query_samples ? w->n_queries : 0;
    glim_status status = begin(&s, w, opts, err);
    uint64_t kept = status ? 0 : glim__factors_plan(&s.k.factors, &sums, &all);
    if (!status)
        status = plan_passes(&s, pass, out, kept, err);
    if (!status) {
        uint64_t few = glim__queries_plan(&s.k.factors, s.k.rank, Q < 16 ? Q : 16);
        uint64_t many = glim__queries_plan(&s.k.factors, s.k.rank, Q);
        uint64_t file = glim_model_facts(w->model)->file_bytes, own = kept + out->bytes;
        uint64_t rows = 2 * 128 * 8 * (Q + 1) * (s.k.parts ? 1 + s.k.factors.n_weights : 1);
        out->bytes = file + own + pass[0] + rows + (sums > few ? sums : few);
        out->bytes_wanted = file + own + pass[1] + rows + (all > many ? all : many);
        out->disk = w->store || w->keeps ? glim__factor_store_plan(&s.k.factors) : 0;
    }
    end(&s);
    return status;
}

/* A logit has a gradient as well, besides what all methods of gradients take. */
static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    glim_influence_work plain = *w;
    if (is(w->target.output, "logit"))
        plain.target.output = NULL;
    return glim__gradient_work_fits(&plain, err);
}

static const glim_param params[] = {
    GLIM_WEIGHTS_PARAM(struct options, "curvature is made"),
    {.name = "damping",
     .type = GLIM_REAL,
     .offset = offsetof(struct options, damping),
     .def.r = -1,
     .min = -1,
     .max = 1e30,
     .help = "added to eigenvalues; -1: a tenth of their mean, matrix by matrix"},
    {.name = "labels",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct options, labels),
     .def.s = "sampled",
     .choices = "sampled|given",
     .help = "of the curvature: drawn from the model's answers, or the samples' own"},
    {.name = "fit-samples",
     .type = GLIM_INT,
     .offset = offsetof(struct options, fit_samples),
     .def.i = 100000,
     .min = 0,
     .max = 1e15,
     .help = "samples that the curvature is made of, from the first; 0: all"},
    {.name = "query-rank",
     .type = GLIM_INT,
     .offset = offsetof(struct options, query_rank),
     .min = 0,
     .max = 4096,
     .help = "vectors that stand for a query's gradient in each matrix; 0: all of it"},
    {.name = "self",
     .type = GLIM_BOOL,
     .offset = offsetof(struct options, self),
     .help = "also a sample's influence on itself: large for rare and wrong ones"},
    {0},
};

const glim_influence_method glim_influence_ekfac = {
    .name = "ekfac",
    .summary = "how each sample moved what a model says, by curvature in Kronecker factors",
    .cite = "Grosse et al. 2023, arXiv:2308.03296; George et al. 2018, arXiv:1806.03884",
    .formula = "I_i = <U_q, grad L_i> / n,  U_q = (H + damping)^-1 grad L_q,  H = Q' diag(Lambda) "
               "Q in Kronecker factors, matrix by matrix",
    .use = "when accuracy matters most: what other samples made up for is taken off; factors are "
           "kept (--store)",
    .costs = "three passes forward and back over the samples, and eigenvectors of each matrix",
    .caption = "these are samples that training would have to weigh differently to change the "
               "answer, near the weights as they are; it is no account of where a fact came from",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_WHY,
    .params = params,
    .opts_size = sizeof(struct options),
    .fits = fits,
    .plan = plan,
    .run = run,
};
