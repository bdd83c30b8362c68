/* SPDX-License-Identifier: Apache-2.0 */
/* Work to gradients, and its checks. */
#include "influence/gradient-work.h"

#include <string.h>

const glim_model *glim__gradient_work_model(const glim_gradient_work *g, size_t k) {
    return k ? g->work->checkpoints[k - 1] : g->work->model;
}

static glim_status same_weights(const glim_model *a, const glim_model *b, glim_error *err) {
    size_t n, m;
    const glim_weight *x = glim_model_weights(a, &n), *y = glim_model_weights(b, &m);
    bool same = n == m;
    for (size_t i = 0; i < n && same; i++)
        same = !strcmp(x[i].name, y[i].name) && x[i].rows == y[i].rows && x[i].cols == y[i].cols;
    if (same)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE,
                     "checkpoint '%s' is not of the same model as '%s': its weights have other "
                     "names or shapes",
                     glim_model_facts(b)->path, glim_model_facts(a)->path);
}

static glim_status place(glim_gradient_work *g, size_t k, const char *patterns, glim_error *err) {
    const glim_model *m = glim__gradient_work_model(g, k);
    glim_status status = k ? same_weights(g->work->model, m, err) : GLIM_OK;
    if (!status)
        status = glim__model_gradients_init(&g->train[k], &g->rooms[2 * k], m, g->work->samples,
                                            patterns, err);
    if (!status && g->work->query_samples)
        status = glim__model_gradients_init(&g->queries[k], &g->rooms[2 * k + 1], m,
                                            g->work->query_samples, patterns, err);
    return status;
}

glim_status glim__gradient_work_init(glim_gradient_work *g, const glim_influence_work *w,
                                     const char *patterns, glim_error *err) {
    size_t n = 1 + w->n_checkpoints;
    bool loss = w->target.output && !strcmp(w->target.output, "loss");
    *g = (glim_gradient_work){.ctx = w->ctx, .work = w, .n = n, .sign = loss ? -1 : 1};
    g->train = glim__calloc(w->ctx, n, sizeof *g->train);
    g->queries = glim__calloc(w->ctx, n, sizeof *g->queries);
    g->rooms = glim__calloc(w->ctx, 2 * n, sizeof *g->rooms);
    glim_status status = g->train && g->queries && g->rooms
                             ? GLIM_OK
                             : glim__oom(w->ctx, err, "checkpoints", n * sizeof *g->rooms);
    for (size_t k = 0; k < n && !status; k++)
        status = place(g, k, patterns, err);
    if (!status && !glim__gradients_width(g->train))
        status = glim_fail(err, GLIM_EUSAGE, "no weight is chosen (--weights)");
    if (status)
        glim__gradient_work_release(g);
    return status;
}

glim_status glim__gradient_work_add_biases(glim_gradient_work *g, glim_error *err) {
    glim_status status = GLIM_OK;
    g->biased = glim__calloc(g->ctx, 2 * g->n, sizeof *g->biased);
    if (!g->biased)
        return glim__oom(g->ctx, err, "checkpoints", 2 * g->n * sizeof *g->biased);
    for (size_t k = 0; k < g->n && !status; k++) {
        status = glim__gradients_add_biases(&g->train[k], &g->biased[2 * k], err);
        if (!status && g->work->query_samples)
            status = glim__gradients_add_biases(&g->queries[k], &g->biased[2 * k + 1], err);
    }
    return status;
}

void glim__gradient_work_release(glim_gradient_work *g) {
    for (size_t k = 0; g->biased && k < 2 * g->n; k++)
        glim__biased_release(&g->biased[k]);
    for (size_t k = 0; g->rooms && k < 2 * g->n; k++)
        glim__model_gradients_release(&g->rooms[k]);
    if (g->ctx) {
        glim__free(g->ctx, g->train);
        glim__free(g->ctx, g->queries);
        glim__free(g->ctx, g->rooms);
        glim__free(g->ctx, g->biased);
    }
    *g = (glim_gradient_work){0};
}

/* A query that says nothing has no gradient. */
static glim_status check_queries(const glim_influence_work *w, glim_error *err) {
    glim_model_gradients room = {.model = w->model, .samples = w->query_samples};
    glim_status status = GLIM_OK;
    glim_arena arena;
    glim__arena_init(&arena, w->ctx, (size_t)1 << 14);
    for (size_t q = 0; q < w->n_queries && !status; q++) {
        glim_example x = {0};
        status = glim__samples_read(room.samples, q, 1, &arena, &x, err);
        if (!status && !x.n_labels)
            status = glim_fail(err, GLIM_EUSAGE,
                               "query %zu says nothing whose probability could have been changed: "
                               "it is a single token, or its answer lies beyond the context",
                               q + 1);
        glim__arena_reset(&arena);
    }
    glim__arena_release(&arena);
    return status;
}

glim_status glim__gradient_work_fits(const glim_influence_work *w, glim_error *err) {
    const glim_influence_target *t = &w->target;
    if (t->output && strcmp(t->output, "logprob") != 0 && strcmp(t->output, "loss") != 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "gradients of weights are those of a log-probability or a loss; '%s' can "
                         "be asked of influence-functions",
                         t->output);
    if (t->class_name || t->against)
        return glim_fail(err, GLIM_EUSAGE,
                         "give the class as the query's label: gradients of weights are those of "
                         "what the query says");
    return w->n_queries && w->query_samples ? check_queries(w, err) : GLIM_OK;
}

glim_status glim__gradient_work_plan(const glim_gradient_work *g, size_t passes, uint64_t beside,
                                     glim_plan *out, glim_error *err) {
    uint64_t tokens = 0, least = 0, wanted = 0;
    for (size_t k = 0; k < 2 * g->n; k++) {
        const glim_model_gradients *room = &g->rooms[k];
        const glim_pass_options options = {.chosen = room->chosen};
        glim_pass_size size;
        if (!room->samples)
            continue;
        glim_status status =
            glim__pass_measure(room->model, room->samples, &options, true, &size, err);
        if (status)
            return status;
        tokens += size.tokens * (k % 2 ? 1 : passes);
        least = size.bytes > least ? size.bytes : least;
        wanted = size.wanted > wanted ? size.wanted : wanted;
    }
    out->forward_tokens = out->backward_tokens = tokens;
    out->bytes = least + beside;
    out->bytes_wanted = wanted + beside;
    return GLIM_OK;
}

glim_status glim__gradient_work_tell(const glim_gradient_work *g, glim_document *doc,
                                     glim_error *err) {
    const glim_pass_options options = {.chosen = g->rooms[0].chosen};
    glim_pass_size size;
    if (!doc)
        return GLIM_OK;
    glim_status status =
        glim__pass_measure(g->work->model, g->work->samples, &options, true, &size, err);
    const char *about = size.counted ? "" : "about ";
    if (!status && size.cut)
        glim_document_note(doc, "Samples longer than the context, and cut: %s%zu.", about,
                           size.cut);
    if (!status && size.silent)
        glim_document_note(doc,
                           "Samples without an answer to learn from, and so without influence: "
                           "%s%zu.",
                           about, size.silent);
    return status;
}
