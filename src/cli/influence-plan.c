/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --dry-run of `glim influence`: tokens, memory, what goes to disk, and how long the passes
 * take. The time is measured, by a short text through the model: so many tokens that a small
 * model is timed in full batches and a large one is not waited for. A token that goes back is
 * counted like one that goes forward, which is what walks take; what a method does beside its
 * passes (eigenvectors, products) is not in it.
 */
#include "cli/influence.h"

#include <string.h>

/* Seconds that a token takes forward; < 0 where that is not known. */
static double time_token(cli_influence *c, const glim_model *model) {
    enum { LEAST = 8, MOST = 256 };
    const double work = 2e10;
    const glim_model_info *i = glim_model_facts(model);
    int32_t ids[MOST] = {0};
    const uint32_t last[] = {0};
    double most = work / (2 * (double)(i->parameters ? i->parameters : 1)), seconds = -1;
    size_t T = most > MOST ? MOST : most < LEAST ? LEAST : (size_t)most;
    glim_session *s = NULL;
    if (i->task == GLIM_TASK_TRANSLATE || i->vocabulary <= 0)
        return -1;
    T = T < (size_t)i->context_length ? T : (size_t)i->context_length;
    for (size_t k = 0; k < T; k++)
        ids[k] = (int32_t)(k % (size_t)i->vocabulary);
    const glim_sequence one = {.ids = ids, .count = T, .wanted = last, .n_wanted = 1};
    const glim_batch batch = {.sequences = &one, .count = 1};
    for (int k = 0; k < 2; k++) { /* the first reads weights and makes room */
        double begun = glim__seconds();
        glim_session_free(s);
        s = NULL;
        if (glim_session_new(&s, model, 0, NULL) || glim_session_forward(s, &batch, NULL))
            break;
        seconds = (glim__seconds() - begun) / (double)T;
    }
    glim_session_free(s);
    return seconds;
}

/* What the command keeps beside the method. */
static void add_own(cli_influence *c, const glim_influence_work *w, glim_plan *plan) {
    enum { SORTING = 1 << 20, LINES = 1 << 20, COLUMNS = 8 };
    cli_run *run = c->run;
    size_t N = c->train.n, columns = COLUMNS + 4 * c->query.n;
    plan->bytes += LINES + 4 * columns * (size_t)run->o.top * sizeof(glim_influence_entry);
    plan->disk += N * sizeof(cli_mark);
    if (c->streams)
        return;
    const glim_linear_info *i = glim_linear_facts(run->linear);
    uint64_t cell = i->site ? sizeof(float) : sizeof(double);
    plan->bytes += SORTING + glim__head_samples_bytes(run->linear, N + c->train.held_out) +
                   glim__head_samples_bytes(run->linear, c->query.n) +
                   glim__head_bytes(run->linear, i->n_classes > 0);
    if (c->train.group != SIZE_MAX)
        plan->bytes += 8 * N;
    if (run->o.check) /* scores of samples on ten queries, and what refits take */
        plan->bytes += 24 * N * 10 + 48 * N + 2 * glim__head_bytes(run->linear, true);
    plan->disk += (N + c->query.n) * (i->width * cell + sizeof(double));
    (void)w;
}

glim_status cli_influence_put_plan(cli_influence *c, const glim_influence_work *w) {
    cli_run *run = c->run;
    glim_plan plan;
    glim_status status = glim__influence_plan(w, c->method, run->method_opts, &plan, &run->err);
    uint64_t session = 0, held = glim_context_bytes(run->ctx);
    bool texts = run->base && !c->streams;
    if (!status && texts)
        status = cli_influence_count(c, &plan.forward_tokens, &session);
    if (status)
        return status;
    uint64_t more = plan.bytes_wanted > plan.bytes ? plan.bytes_wanted - plan.bytes : 0;
    add_own(c, w, &plan);
    plan.bytes = held + (plan.bytes > session ? plan.bytes : session);
    plan.bytes_wanted = plan.bytes + more;
    const glim_model *model = texts ? run->base : run->model;
    double token = model && plan.forward_tokens ? time_token(c, model) : -1;
    if (token > 0)
        plan.seconds = token * (double)(plan.forward_tokens + plan.backward_tokens);
    return cli_put_plan(run, c->method->name, &plan);
}
