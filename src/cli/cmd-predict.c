/* SPDX-License-Identifier: Apache-2.0 */
/* glim predict: the most likely next tokens or classes, or all outputs as an array. */
#include "cli/box.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "model/model.h"
#include "cli/picture.h"

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

/* What is best at one row: of the text's end, or of a masked word. */
struct place {
    size_t row;
    int32_t *ids;
    double *probs, *logits; /* [n] */
};

struct answer {
    cli_run *run;
    struct place *places;
    size_t n_places, n;
    float *all; /* (T, V) for --raw */
};

/* The n largest logits in order, by insertion. */
static void rank(const struct place *a, size_t n, const float *logits, size_t V) {
    double sum = 0;
    size_t have = 0;
    for (size_t i = 0; i < V; i++) {
        if (have == n && logits[i] <= a->logits[have - 1])
            continue;
        size_t at = have < n ? have++ : have - 1;
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
}

static glim_status take(void *data, size_t row, const float *logits, glim_error *err) {
    struct answer *a = data;
    size_t V = (size_t)glim_model_facts(a->run->model)->outputs;
    if (a->all)
        memcpy(a->all + row * V, logits, V * sizeof *logits);
    for (size_t i = 0; i < a->n_places; i++)
        if (a->places[i].row == row)
            rank(&a->places[i], a->n, logits, V);
    return GLIM_OK;
}

/* The rows that are read, with room for what is best there. */
static glim_status find_places(cli_run *run, struct answer *a) {
    const glim_model_info *info = glim_model_facts(run->model);
    const glim_tokens *t = run->tokens;
    a->n_places = info->task == GLIM_TASK_FILL ? cli_masks(run, NULL) : 1;
    if (!a->n_places && run->o.raw && !run->o.json)
        return GLIM_OK; /* an array of all rows */
    size_t len;
    const char *name = cli_mask_name(run, &len);
    if (!a->n_places)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "'%s' fills in masked words, and the text has none (write %.*s in the "
                         "place of one)",
                         info->path, (int)len, name);
    a->places = glim__calloc(run->ctx, a->n_places, sizeof *a->places);
    bool ok = a->places != NULL;
    size_t *rows = ok ? glim__calloc(run->ctx, a->n_places, sizeof *rows) : NULL;
    for (size_t i = 0; i < a->n_places && ok; i++) {
        struct place *p = &a->places[i];
        p->ids = glim__calloc(run->ctx, a->n, sizeof *p->ids);
        p->probs = glim__calloc(run->ctx, 2 * a->n, sizeof *p->probs);
        p->logits = p->probs ? p->probs + a->n : NULL;
        ok = p->ids && p->probs && rows;
    }
    if (ok && info->task == GLIM_TASK_FILL)
        cli_masks(run, rows);
    else if (ok)
        rows[0] = info->task == GLIM_TASK_CLASSIFY || info->task == GLIM_TASK_TRANSLATE
                      ? 0
                      : t->count - 1;
    for (size_t i = 0; i < a->n_places && ok; i++)
        a->places[i].row = rows[i];
    glim__free(run->ctx, rows);
    return ok ? GLIM_OK : glim__oom(run->ctx, &run->err, "the answer", a->n * sizeof(double));
}

static void free_places(cli_run *run, struct answer *a) {
    for (size_t i = 0; a->places && i < a->n_places; i++) {
        glim__free(run->ctx, a->places[i].ids);
        glim__free(run->ctx, a->places[i].probs);
    }
    glim__free(run->ctx, a->places);
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
    bool ok = true;
    json_t *outputs = json_array();
    bool fill = glim_model_facts(run->model)->task == GLIM_TASK_FILL;
    for (size_t i = 0; i < a->n * a->n_places; i++) {
        size_t len, k = i % a->n;
        char number[16];
        const struct place *p = &a->places[i / a->n];
        const char *text = output_text(run, p->ids[k], &len, number);
        json_t *o = cli_output_json(text, len, p->ids[k], p->logits[k], p->probs[k], &ok);
        const glim_token *t = &run->tokens->at[p->row];
        if (fill) {
            glim__json_set(&ok, o, "start", json_integer((json_int_t)t->start));
            glim__json_set(&ok, o, "end", json_integer((json_int_t)t->end));
        }
        glim__json_add(&ok, outputs, o);
    }
    json_t *all = cli_prediction_json(run, outputs, &ok);
    return cli_put_json(run, run->o.json, all, ok);
}

static glim_status as_table(cli_run *run, const struct answer *a) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < a->n * a->n_places; i++) {
        size_t len, k = i % a->n;
        char number[16];
        const struct place *p = &a->places[i / a->n];
        const char *text = output_text(run, p->ids[k], &len, number);
        if (i && !k) /* the next masked word */
            glim__buffer_putc(&out, '\n');
        cli_rank(run, &out, k + 1, text, len, p->probs[k], p->logits[k]);
    }
    return cli_put_buffer(run, &out, "the answer");
}

static glim_status run_predict(cli_run *run) {
    if (run->o.predictor && !cli_is_fitted(run))
        return cli_predict_box(run);
    glim_status status = cli_is_fitted(run) ? cli_open_fitted(run) : cli_open(run);
    if (!status && run->linear && !run->model)
        return cli_predict_fitted(run);
    if (!status && !run->linear && cli_reads_pictures(run))
        return cli_predict_picture(run);
    if (!status)
        status = cli_input(run);
    if (!status && run->o.dry_run)
        return cli_plan_pass(run, run->o.raw ? run->tokens->count : 1, 0, false);
    if (status)
        return status;
    if (run->o.labels)
        return cli_predict_labels(run);
    const glim_model_info *info = glim_model_facts(run->model);
    if (info->task == GLIM_TASK_LABEL || info->task == GLIM_TASK_SPAN ||
        info->task == GLIM_TASK_EMBED)
        return cli_predict_encoder(run);
    size_t V = (size_t)info->outputs;
    size_t T = info->task == GLIM_TASK_TRANSLATE || run->model->pool ? 1 : run->tokens->count;
    struct answer a = {.run = run, .n = (size_t)run->o.top < V ? (size_t)run->o.top : V};
    status = find_places(run, &a);
    a.all = run->o.raw && !status ? glim__calloc(run->ctx, T * V, sizeof *a.all) : NULL;
    if (!status && run->o.raw && !a.all)
        status = glim__oom(run->ctx, &run->err, "the logits", T * V * sizeof *a.all);
    if (!status)
        status = cli_logits(run, !run->o.raw, take, &a);
    if (!status && run->o.raw)
        status = cli_put_raw(run, a.all, T, V);
    if (!status && run->o.json)
        status = as_json(run, &a);
    if (!status && cli_wants_terminal(run))
        status = as_table(run, &a);
    free_places(run, &a);
    glim__free(run->ctx, a.all);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,
                                           cli_flags_task,
                                           cli_flags_predictor,
                                           cli_flags_calls,
                                           cli_flags_input,
                                           cli_flags_steer,
                                           own_flags,
                                           cli_flags_json,
                                           cli_flags_raw,
                                           cli_flags_resources,
                                           cli_flags_plan,
                                           cli_flags_talk,
                                           NULL};
static const char *const examples[] = {
    "glim predict -m model.gguf \"The capital of France is\"",
    "glim predict -m model.gguf --labels \"good,bad\" \"a fine film\"",
    "glim predict -m model.gguf --chat talk.json --json",
    "glim predict -m efficientnet-lite0 cat.png", NULL};

const cli_command cli_predict = {
    .name = "predict",
    .summary = "the most likely next tokens, or classes",
    .synopsis = "-m MODEL TEXT",
    .steers = true,
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_predict,
};
