/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one call that explains: checks what the method needs, fills in what every
 * document says, runs the method inside a progress stage, and keeps what is done
 * when the run is cancelled.
 */
#include "base/json.h"
#include "explain/methods.h"

#include <stdio.h>
#include <string.h>

/* The method's parameters as JSON, from its table. */
static const char *params_text(glim_document *doc, const glim_method *m, const void *opts) {
    char *text = glim__params_text(m->params, opts);
    const char *copy = text ? glim_document_text(doc, text, strlen(text)) : NULL;
    free(text);
    return copy;
}

static glim_status check_needs(const glim_predictor *p, const glim_method *m, glim_error *err) {
    static const struct {
        unsigned bit;
        const char *name;
    } bits[] = {{GLIM_CAN_PREDICT, "predictions"},
                {GLIM_CAN_GRADIENT, "gradients"},
                {GLIM_CAN_ATTENTION, "attention"},
                {GLIM_CAN_ACTIVATIONS, "activations"},
                {GLIM_CAN_PROPOSE, "proposals of other words"},
                {GLIM_CAN_MAPS, "maps of a picture"}};
    unsigned lacks = m->needs & ~p->can;
    if (!lacks)
        return GLIM_OK;
    const char *what = "more", *other = "none";
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (lacks & bits[i].bit)
            what = bits[i].name;
    for (size_t i = 0; glim_methods()[i]; i++)
        if (!(glim_methods()[i]->needs & ~p->can)) {
            other = glim_methods()[i]->name;
            break;
        }
    return glim_fail(err, GLIM_EUSAGE,
                     "method '%s' needs %s, which the %s does not give (try "
                     "--method %s)",
                     m->name, what, p->name, other);
}

/* Options with every default filled in when the caller gave none. */
static void *default_opts(glim_context *ctx, const glim_method *m) {
    void *opts = glim__calloc(ctx, 1, m->opts_size + 1);
    if (opts && m->params)
        glim_param_defaults(m->params, opts);
    return opts;
}

glim_status glim_explain_plan(glim_plan *out, const glim_predictor *p, const glim_method *m,
                              const void *opts, glim_error *err) {
    void *mine = opts ? NULL : default_opts(p->ctx, m);
    *out = (glim_plan){.seconds = -1, .bounded = true};
    glim_status status = check_needs(p, m, err);
    if (!opts && !mine)
        return glim__oom(p->ctx, err, "options", m->opts_size);
    if (!status)
        status = m->plan(p, opts ? opts : mine, out, err);
    glim__free(p->ctx, mine);
    /* beside what lies there already, the document: scores, deviations, labels, texts */
    uint64_t now = glim_context_bytes(p->ctx) + (128 << 10) +
                   p->units->count * (64 * (uint64_t)p->n_rows + 512);
    out->bytes += now;
    out->bytes_wanted = out->bytes_wanted + now > out->bytes ? out->bytes_wanted + now : out->bytes;
    return status;
}

static glim_status check_budget(const glim_context *ctx, const glim_method *m,
                                const glim_plan *plan, glim_error *err) {
    char what[80];
    snprintf(what, sizeof what, "'%.60s' needs", m->name);
    return glim__check_budget(ctx, plan->bytes, what, "take larger units", err);
}

static glim_status start(glim_document *doc, glim_predictor *p, const glim_method *m,
                         const void *opts, uint64_t seed, glim_error *err) {
    glim_status status = p->describe(p, doc, err);
    if (status)
        return status;
    doc->method.name = m->name;
    doc->method.summary = m->summary;
    doc->method.cite = m->cite;
    doc->method.caption = m->caption;
    doc->method.additive = m->additive;
    doc->method.is_signed = m->is_signed;
    doc->method.unit = m->unit;
    doc->method.fold = glim__fold_name(m->fold, m->is_signed);
    doc->method.params = params_text(doc, m, opts);
    doc->seed = seed;
    return doc->method.params ? GLIM_OK : glim__oom(p->ctx, err, "the document", 0);
}

static void finish(glim_document *doc, const glim_predictor *p, double began, uint64_t forward,
                   uint64_t backward) {
    const char *kernels = glim_context_kernels(p->ctx);
    p->cost(p, &doc->cost.forward_tokens, &doc->cost.backward_tokens);
    doc->cost.forward_tokens -= forward;
    doc->cost.backward_tokens -= backward;
    doc->cost.seconds = glim__seconds() - began;
    doc->cost.peak_bytes = glim_context_peak(p->ctx);
    doc->cost.threads = glim_context_threads(p->ctx);
    doc->cost.kernels = glim_document_text(doc, kernels, strlen(kernels));
}

/* A cancelled run keeps a document whose missing scores are NaN. */
static bool keep_partial(glim_document *doc, const glim_predictor *p) {
    if (!doc->scores && glim__scores_new(p, doc, false, NULL))
        return false;
    doc->partial = true;
    glim_document_judge(doc, GLIM_VERDICT_DISTRUST, "interrupted: scores are missing");
    return true;
}

glim_status glim_explain(glim_document **out, glim_predictor *p, const glim_method *m,
                         const void *opts, uint64_t seed, glim_error *err) {
    glim_plan plan;
    glim_document *doc = NULL;
    uint64_t forward, backward;
    double began = glim__seconds();
    *out = NULL;
    void *mine = opts ? NULL : default_opts(p->ctx, m);
    if (!opts && !mine)
        return glim__oom(p->ctx, err, "options", m->opts_size);
    opts = opts ? opts : mine;
    /* a method that looks inside meets the target on its way */
    bool looks = !(m->needs & GLIM_CAN_PREDICT) && (m->needs & GLIM_CAN_ATTENTION);
    glim_status status = p->late && !looks ? p->read_late(p, NULL, err) : GLIM_OK;
    p->cost(p, &forward, &backward);
    if (!status)
        status = glim_explain_plan(&plan, p, m, opts, err);
    if (!status)
        status = check_budget(p->ctx, m, &plan, err);
    if (!status)
        status = glim_document_new(&doc, p->ctx, err);
    if (!status)
        status = start(doc, p, m, opts, seed, err);
    bool started = !status;
    if (started) {
        glim__progress_begin(p->ctx, m->name,
                             plan.bounded ? plan.forward_tokens + plan.backward_tokens : 0);
        status = m->run(p, opts, seed, doc, err);
        glim__progress_end(p->ctx);
    }
    if (!status && looks && p->read_late)
        status = p->read_late(p, doc, err);
    if (!status)
        glim__tell_fixed(doc, m);
    if (!status)
        status = glim__fold_levels(doc, err);
    if (started)
        finish(doc, p, began, forward, backward);
    glim__free(p->ctx, mine);
    if (status && !(status == GLIM_ECANCELLED && started && keep_partial(doc, p))) {
        glim_document_free(doc);
        return status;
    }
    *out = doc;
    return status;
}

/* Leave-one-out asks the model itself; docs/default-method.md has the curves. A
   gradient costs about two passes, so for many units its size ranks them. */
const glim_method *glim_method_default(const glim_predictor *p, const char **why) {
    enum { MANY_UNITS = 200 };
    size_t n = 0;
    for (size_t u = 0; u < p->units->count; u++)
        n += !p->units->at[u].fixed;
    bool many = n > MANY_UNITS && (p->can & GLIM_CAN_GRADIENT);
    if (why)
        *why = many ? "more than 200 units: one gradient instead of a pass for each"
                    : "leave-one-out asks the model itself";
    return many ? &glim_method_gradient : &glim_method_occlusion;
}
