/* SPDX-License-Identifier: Apache-2.0 */
/* The list of methods of sample influence, and what is checked before each. */
#include "influence/influence-methods.h"

#include <stdio.h>
#include <string.h>

static const glim_influence_method *const methods[] = {
    &glim_influence_diagnostics,
    &glim_influence_functions,
    &glim_influence_similarity,
    &glim_influence_loss,
    &glim_influence_distance,
    &glim_influence_duplicates,
    &glim_influence_tracin,
    &glim_influence_gradient_product,
    &glim_influence_gradient_cosine,
    &glim_influence_datainf,
    &glim_influence_trak,
    &glim_influence_ekfac,
    NULL,
};

const glim_influence_method *const *glim__influence_methods(void) {
    return methods;
}

const glim_influence_method *glim__influence_find(const char *name) {
    for (size_t i = 0; methods[i]; i++)
        if (!strcmp(methods[i]->name, name))
            return methods[i];
    return NULL;
}

/* What of a method's needs the work has. */
static unsigned has(const glim_influence_work *w) {
    return (w->head && w->train ? GLIM_INFLUENCE_HEAD : 0u) |
           (w->model && w->samples ? GLIM_INFLUENCE_GRADIENT : 0u) |
           (w->n_queries ? GLIM_INFLUENCE_QUERIES : 0u) | GLIM_INFLUENCE_CHECKPOINTS |
           GLIM_INFLUENCE_WHY;
}

/* Whether scores can be taken apart as is asked. */
static glim_status check_why(const glim_influence_work *w, const glim_influence_method *m,
                             glim_error *err) {
    char able[200] = "";
    if (!w->by)
        return GLIM_OK;
    for (size_t i = 0; methods[i]; i++)
        if (methods[i]->needs & GLIM_INFLUENCE_WHY)
            snprintf(able + strlen(able), sizeof able - strlen(able), "%s%s", *able ? ", " : "",
                     methods[i]->name);
    if (!(m->needs & GLIM_INFLUENCE_WHY))
        return glim_fail(
            err, GLIM_EUSAGE,
            "%s cannot say what a %s has of a score; these can: %s (or leave out --by)", m->name,
            w->by, able);
    if (!w->n_queries)
        return glim_fail(err, GLIM_EUSAGE,
                         "what a %s has is told of influences on a query: give a text or --query "
                         "FILE (or leave out --by)",
                         w->by);
    return GLIM_OK;
}

static glim_status check(const glim_influence_work *w, const glim_influence_method *m,
                         const void *opts, glim_error *err) {
    unsigned missing = m->needs & ~has(w);
    const char *other = "none";
    for (size_t i = 0; methods[i]; i++)
        if (!(methods[i]->needs & ~has(w)))
            other = methods[i]->name;
    if (missing & GLIM_INFLUENCE_HEAD)
        return glim_fail(err, GLIM_EUSAGE,
                         "%s is exact for a fitted linear or logistic model, which is not here "
                         "(--predictor fit:FILE); what can run: %s",
                         m->name, other);
    if (missing & GLIM_INFLUENCE_GRADIENT)
        return glim_fail(err, GLIM_EUSAGE,
                         "%s reads training texts through a model (-m MODEL); what can run: %s",
                         m->name, other);
    if (missing & GLIM_INFLUENCE_QUERIES)
        return glim_fail(err, GLIM_EUSAGE,
                         "%s tells which samples made the model say something: give a text or "
                         "--query FILE; what can run without: %s",
                         m->name, other);
    glim_status status = check_why(w, m, err);
    return !status && m->fits ? m->fits(w, opts, err) : status;
}

/* The call with the method's defaults where there are no options. */
static glim_status with_options(const glim_influence_work *w, const glim_influence_method *m,
                                const void *opts, const glim_influence_out *out, glim_plan *plan,
                                glim_error *err) {
    char *own = opts ? NULL : glim__calloc(w->ctx, 1, m->opts_size + 1);
    if (!opts && !own)
        return glim__oom(w->ctx, err, "options", m->opts_size);
    if (own && m->params)
        glim_param_defaults(m->params, own);
    const void *use = opts ? opts : own;
    glim_status status = check(w, m, use, err);
    if (!status)
        status = plan ? m->plan(w, use, plan, err) : m->run(w, use, out, err);
    glim__free(w->ctx, own);
    return status;
}

glim_status glim__influence_run(const glim_influence_work *w, const glim_influence_method *method,
                                const void *opts, const glim_influence_out *out, glim_error *err) {
    return with_options(w, method, opts, out, NULL, err);
}

glim_status glim__influence_plan(const glim_influence_work *w, const glim_influence_method *method,
                                 const void *opts, glim_plan *out, glim_error *err) {
    *out = (glim_plan){.seconds = -1, .bounded = true};
    return with_options(w, method, opts, NULL, out, err);
}
