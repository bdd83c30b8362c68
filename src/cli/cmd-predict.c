/* SPDX-License-Identifier: Apache-2.0 */
/* glim predict: the most likely next tokens, or all logits as an array. */
#include "cli/commands.h"
#include "file/safetensors.h"

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
     .help = "how many tokens",
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
    size_t V = (size_t)glim_model_facts(a->run->model)->vocabulary, have = 0;
    double sum = 0;
    if (a->all)
        memcpy(a->all + row * V, logits, V * sizeof *logits);
    if (row + 1 != a->run->tokens->count)
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

static glim_status as_json(cli_run *run, const struct answer *a) {
    bool ok = true;
    json_t *all = json_object(), *outputs = json_array(), *tokens = json_array();
    for (size_t i = 0; i < a->n; i++) {
        size_t len;
        const char *text = glim_model_token_bytes(run->model, a->ids[i], &len);
        json_t *o = json_object();
        glim__json_set(&ok, o, "text", glim__json_text(text, len));
        glim__json_set(&ok, o, "id", json_integer(a->ids[i]));
        glim__json_set(&ok, o, "logit", glim__json_number(a->logits[i]));
        glim__json_set(&ok, o, "prob", glim__json_number(a->probs[i]));
        glim__json_add(&ok, outputs, o);
    }
    for (size_t i = 0; i < run->tokens->count; i++)
        glim__json_add(&ok, tokens, cli_token_json(run, &run->tokens->at[i], &ok));
    glim__json_set(&ok, all, "schema", json_string("glim.prediction/1"));
    glim__json_set(&ok, all, "text", glim__json_text(run->tokens->text, run->tokens->text_len));
    glim__json_set(&ok, all, "outputs", outputs);
    glim__json_set(&ok, all, "tokens", tokens);
    return cli_put_json(run, run->o.json, all, ok);
}

static glim_status as_table(cli_run *run, const struct answer *a) {
    enum { BAR = 30 };
    bool ascii = cli_ascii(run);
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < a->n; i++) {
        size_t len;
        const char *text = glim_model_token_bytes(run->model, a->ids[i], &len);
        glim__buffer_printf(&out, "%3zu  ", i + 1);
        size_t from = out.len;
        cli_visible(&out, text, len, CLI_TOKEN, ascii);
        cli_pad(&out, from, 20);
        glim__buffer_printf(&out, " %6.1f %%  ", 100 * a->probs[i]);
        for (int k = 0; k < (int)(BAR * a->probs[i] + 0.5); k++)
            glim__buffer_puts(&out, ascii ? "#" : "\xe2\x96\x88");
        glim__buffer_putc(&out, '\n');
    }
    glim_status status = out.failed ? glim__oom(run->ctx, &run->err, "the answer", out.len)
                                    : cli_put(run, out.data ? out.data : "", out.len);
    glim__buffer_release(&out);
    return status;
}

static glim_status run_predict(cli_run *run) {
    glim_status status = cli_open(run);
    if (!status)
        status = cli_input(run);
    if (!status && run->o.dry_run)
        return cli_plan_pass(run, run->o.raw ? run->tokens->count : 1, 0, false);
    if (status)
        return status;
    size_t V = (size_t)glim_model_facts(run->model)->vocabulary, T = run->tokens->count;
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
        status = glim__npy_write(run->ctx, run->o.raw, a.all, 2, (uint64_t[]){T, V}, &run->err);
    if (!status && run->o.raw)
        cli_wrote(run, run->o.raw);
    if (!status && run->o.json)
        status = as_json(run, &a);
    if (!status && cli_wants_terminal(run))
        status = as_table(run, &a);
    glim__free(run->ctx, a.ids);
    glim__free(run->ctx, a.probs);
    glim__free(run->ctx, a.all);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model, cli_flags_input, own_flags,
                                           cli_flags_json,  cli_flags_raw,   cli_flags_resources,
                                           cli_flags_plan,  cli_flags_talk,  NULL};
static const char *const examples[] = {"glim predict -m model.gguf \"The capital of France is\"",
                                       "glim predict -m model.gguf --chat talk.json --json", NULL};

const cli_command cli_predict = {
    .name = "predict",
    .summary = "the most likely next tokens",
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_predict,
};
