/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layer-wise relevance propagation for transformers, as input times what a walk by rules
 * brings to the input (src/graph/rules.c has the rules):
 *
 *   R_t = sum_c x_tc r_tc        r: the walk back from the target
 *
 * Rules are made so that relevance is neither made nor lost. With a constant pattern
 * (cp) the sum over tokens is the target itself, but for what biases and positions take;
 * AttnLRP lets relevance through the softmax, whose linear form leaves a remainder. The
 * share that arrived is a check. Relevance begins at the logits: of a log-probability
 * begins the plain gradient there, and what begins is not what the document calls the
 * target, so that no share can be told.
 *
 * Off unless asked for: the authors' own code says that no patent rights are granted.
 */
#include "explain/methods.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *rule;
    bool accept;
};

static const glim_param params[] = {
    {.name = "rule",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, rule),
     .def.s = "attnlrp",
     .choices = "attnlrp|cp",
     .help = "through attention's patterns as well (AttnLRP), or with patterns held constant "
             "(CP-LRP, which conserves)"},
    {.name = "accept-patent-note",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, accept),
     .help = "needed: the authors of these rules publish their code with the words that no patent "
             "rights are granted; whether you may use them where you are is yours to find out"},
    {0},
};

static glim_status check_accepted(const struct opts *o, glim_error *err) {
    return o->accept
               ? GLIM_OK
               : glim_fail(err, GLIM_EUSAGE,
                           "'lrp' is off until you choose it: its authors' code grants no patent "
                           "rights (add --accept-patent-note if you may use it; input-x-gradient "
                           "is the like without)");
}

static const glim_rules *rules_of(const struct opts *o) {
    return glim_rules_find(!strcmp(o->rule, "cp") ? "cp-lrp" : "attnlrp");
}

struct work {
    glim_predictor *p;
    glim_document *doc;
    const float *x;
    double *tokens, *share; /* (T); (n_rows) sum of relevance / target */
};

static glim_status take(void *data, size_t sample, size_t row, const float *r, glim_error *err) {
    struct work *w = data;
    const glim_predictor *p = w->p;
    double fixed;
    for (size_t t = 0; t < p->T; t++) {
        double sum = 0;
        for (size_t c = t * p->C; c < (t + 1) * p->C; c++)
            sum += (double)w->x[c] * r[c];
        w->tokens[t] = sum;
    }
    glim__units_sum(p, row, w->tokens, w->doc->scores + row * p->units->count, &fixed);
    if (p->n_rows == 1)
        w->doc->fixed_total = fixed;
    w->share[row] = glim__tokens_total(p, w->tokens) / p->value[row];
    return GLIM_OK;
}

/* Whether the target is what relevance begins with. */
static bool begins_with_target(const glim_document *doc) {
    const char *output = doc->target.output ? doc->target.output : "logit";
    return !strcmp(output, "logit") || !strcmp(output, "similarity");
}

static void judge(const struct work *w) {
    double worst = 1;
    for (size_t r = 0; r < w->p->n_rows; r++)
        if (!(fabs(w->share[r] - 1) <= fabs(worst - 1)))
            worst = w->share[r];
    if (!begins_with_target(w->doc)) {
        glim_document_judge(w->doc, GLIM_VERDICT_CAREFUL,
                            "the target is no logit, so that how much relevance arrived cannot be "
                            "told; take --output logit");
        return;
    }
    glim_document_check_add(w->doc, "conservation", worst,
                            "sum of relevance, fixed tokens included, as a share of the target; 1 "
                            "when nothing was lost on the way");
    if (worst < 0 || worst > 3)
        glim_document_judge(w->doc, GLIM_VERDICT_DISTRUST,
                            "%.0f %% of the target arrived: biases, positions or the softmax took "
                            "or made the rest",
                            100 * worst);
    else if (fabs(worst - 1) > 0.5)
        glim_document_judge(w->doc, GLIM_VERDICT_CAREFUL,
                            "%.0f %% of the target arrived: biases, positions or the softmax took "
                            "or made the rest",
                            100 * worst);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {.p = p, .doc = doc};
    float *x = NULL;
    glim_status status = check_accepted(o, err);
    if (status)
        return status;
    double *values = glim__calloc(p->ctx, p->n_rows, sizeof *values);
    w.tokens = glim__calloc(p->ctx, p->T + p->n_rows, sizeof *w.tokens);
    status = values && w.tokens
                 ? glim__scores_new(p, doc, false, err)
                 : glim__oom(p->ctx, err, "relevance", (p->T + p->n_rows) * sizeof *values);
    if (!status)
        status = glim__embedded(p, &x, 1, err);
    w.x = x;
    w.share = w.tokens ? w.tokens + p->T : NULL;
    if (!status)
        status = glim__ruled_gradient(p, rules_of(o), x, values, take, &w, err);
    if (!status)
        judge(&w);
    glim__free(p->ctx, x);
    glim__free(p->ctx, values);
    glim__free(p->ctx, w.tokens);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    glim_status status = check_accepted(opts, err);
    if (status)
        return status;
    glim__ruled_plan(p, rules_of(opts), 1, out);
    out->bytes += 4 * p->T * p->C + 8 * (p->T + 2 * p->n_rows);
    return GLIM_OK;
}

const glim_method glim_method_lrp = {
    .name = "lrp",
    .summary = "relevance sent back by rules; off until accepted",
    .cite = "Achtibat et al. 2024, arXiv:2402.05602; Ali et al. 2022, arXiv:2202.07304; Bach et "
            "al. 2015",
    .family = "gradients",
    .costs = "1 gradient",
    .caption = "Shares of the target by rules, not effects: what would happen without a word they "
               "do not say.",
    .formula =
        "R_i = sum over j of R_j z_ij / (sum over i of z_ij), layer by layer from the target down",
    .use = "when signed shares of a logit are wanted for the price of one gradient",
    .avoid = "when its patent note cannot be accepted, or for an effect: use occlusion",
    .needs = GLIM_CAN_GRADIENT,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
