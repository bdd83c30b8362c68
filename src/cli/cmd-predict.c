/* SPDX-License-Identifier: Apache-2.0 */
/* glim predict: the most likely next tokens or classes, or all outputs as an array. */
#include "cli/box.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const glim_param own_flags[] = {
    {.name = "top",
     .type = GLIM_INT,
     .offset = offsetof(cli_options, top),
     .def.i = 10,
     .min = 1,
     .max = 10000,
     .help = "how many tokens or classes",
     .group = "Prediction"},
    {0},
};

struct answer {
    cli_run *run;
    int32_t *ids;
    double *probs, *logits;
    size_t n;
    float *all; /* (T, V) for --raw */
};

/* The n largest logits in order, by insertion. */
static glim_status take(void *data, size_t row, const float *logits, glim_error *err) {
    struct answer *a = data;
    const glim_model_info *info = glim_model_facts(a->run->model);
    size_t V = (size_t)info->outputs, have = 0;
    double sum = 0;
    if (a->all)
        memcpy(a->all + row * V, logits, V * sizeof *logits);
    if (row != (info->task == GLIM_TASK_CLASSIFY ? 0 : a->run->tokens->count - 1))
        return GLIM_OK;
    for (size_t i = 0; i < V; i++) {
        if (have == a->n && logits[i] <= a->logits[have - 1])
            continue;
        size_t at = have < a->n ? have++ : have - 1;
        for (; at && a->logits[at - 1] < logits[i]; at--) {
            a->logits[at] = a->logits[at - 1];
            a->ids[at] = a->ids[at - 1];
        }
        a->logits[at] = logits[i];
        a->ids[at] = (int32_t)i;
    }
    for (size_t i = 0; i < V; i++)
        sum += exp(logits[i] - a->logits[0]);
    for (size_t i = 0; i < have; i++)
        a->probs[i] = exp(a->logits[i] - a->logits[0]) / sum;
    a->n = have;
    return GLIM_OK;
}

/* A token's bytes, or a class by name. */
static const char *output_text(const cli_run *run, int32_t id, size_t *len, char number[16]) {
    const glim_model_info *info = glim_model_facts(run->model);
    if (info->task != GLIM_TASK_CLASSIFY)
        return glim_model_token_bytes(run->model, id, len);
    snprintf(number, 16, "class %d", id);
    const char *name = info->labels ? info->labels[id] : number;
    *len = strlen(name);
    return name;
}

static glim_status as_json(cli_run *run, const struct answer *a) {
    json_t *outputs = json_array();
    for (size_t i = 0; i < a->n; i++) {
        size_t len;
        char number[16];
        const char *text = output_text(run, a->ids[i], &len, number);
        json_array_append_new(outputs,
                              cli_output_json(text, len, a->ids[i], a->logits[i], a->probs[i]));
    }
    return cli_put_json(run, run->o.json, cli_prediction_json(run, outputs), false);
}

static glim_status as_table(cli_run *run, const struct answer *a) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < a->n; i++) {
        size_t len;
        char number[16];
        const char *text = output_text(run, a->ids[i], &len, number);
        cli_rank(run, &out, i + 1, text, len, a->probs[i], a->logits[i]);
    }
    return cli_put_buffer(run, &out, "the answer");
}

static glim_status run_predict(cli_run *run) {
    if (run->o.predictor && !cli_is_fitted(run))
        return cli_predict_box(run);
    glim_status status = cli_is_fitted(run) ? cli_open_fitted(run) : cli_open(run);
    if (!status && run->linear && !run->model)
        return cli_predict_fitted(run);
    if (!status)
        status = cli_input(run);
    if (!status && run->o.dry_run)
        return cli_plan_pass(run, run->o.raw ? run->tokens->count : 1, 0, false);
    if (status)
        return status;
    const glim_model_info *info = glim_model_facts(run->model);
    if (info->task == GLIM_TASK_LABEL || info->task == GLIM_TASK_SPAN ||
        info->task == GLIM_TASK_EMBED)
        return cli_predict_encoder(run);
    if (info->task == GLIM_TASK_FILL && (run->o.json || !run->o.raw))
        return glim_fail(&run->err, GLIM_EUNSUPPORTED,
                         "'%s' fills in masked tokens (--raw FILE.npy writes its logits)",
                         info->path);
    size_t V = (size_t)info->outputs;
    size_t T = run->model->pool ? 1 : run->tokens->count;
    struct answer a = {.run = run, .n = (size_t)run->o.top < V ? (size_t)run->o.top : V};
    a.ids = glim__calloc(run->ctx, a.n, sizeof *a.ids);
    a.probs = glim__calloc(run->ctx, 2 * a.n, sizeof *a.probs);
    a.logits = a.probs ? a.probs + a.n : NULL;
    a.all = run->o.raw ? glim__calloc(run->ctx, T * V, sizeof *a.all) : NULL;
    if (!a.ids || !a.probs || (run->o.raw && !a.all))
        status = glim__oom(run->ctx, &run->err, "the logits", T * V * sizeof *a.all);
    if (!status)
        status = cli_logits(run, !run->o.raw, take, &a);
    if (!status && run->o.raw)
        status = cli_put_raw(run, a.all, T, V);
    if (!status && run->o.json)
        status = as_json(run, &a);
    if (!status && cli_wants_terminal(run))
        status = as_table(run, &a);
    glim__free(run->ctx, a.ids);
    glim__free(run->ctx, a.probs);
    glim__free(run->ctx, a.all);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,
                                           cli_flags_predictor,
                                           cli_flags_calls,
                                           cli_flags_input,
                                           own_flags,
                                           cli_flags_json,
                                           cli_flags_raw,
                                           cli_flags_resources,
                                           cli_flags_plan,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {"glim predict -m model.gguf \"The capital of France is\"",
                                       "glim predict -m model.gguf --chat talk.json --json", NULL};

const cli_command cli_predict = {
    .name = "predict",
    .summary = "the most likely next tokens, or classes",
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_predict,
};
