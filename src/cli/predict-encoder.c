/* SPDX-License-Identifier: Apache-2.0 */
/* glim predict for encoders that do not rank: labels of tokens, spans, embeddings. */
#include "cli/commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_ANSWER = 30 };

/* All outputs of all rows (T, K), or the one row of an embedding. */
struct all {
    float *values;
    size_t rows, width;
};

static glim_status keep(void *data, size_t row, const float *logits, glim_error *err) {
    struct all *a = data;
    memcpy(a->values + row * a->width, logits, a->width * sizeof *logits);
    return GLIM_OK;
}

/* exp(x[i]) over the sum, with a stride: one row's classes, or one output's rows. */
static double share(const float *x, size_t n, size_t stride, size_t i) {
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += exp((double)x[k * stride] - x[i * stride]);
    return 1 / sum;
}

static json_t *piece(const cli_run *run, size_t from, size_t to, int id, double logit, double prob,
                     bool *ok) {
    const glim_tokens *t = run->tokens;
    size_t start = t->at[from].start, end = t->at[to].end;
    json_t *o = cli_output_json(t->text + start, end - start, id, logit, prob, ok);
    glim__json_set(ok, o, "start", json_integer((json_int_t)start));
    glim__json_set(ok, o, "end", json_integer((json_int_t)end));
    return o;
}

static json_t *labels(const cli_run *run, const struct all *a, bool *ok) {
    json_t *list = json_array();
    const char *const *names = glim_model_facts(run->model)->labels;
    for (size_t t = 0; t < a->rows; t++) {
        const float *x = a->values + t * a->width;
        size_t best = 0;
        for (size_t i = 1; i < a->width; i++)
            best = x[i] > x[best] ? i : best;
        if (run->tokens->at[t].kind != GLIM_TOKEN_TEXT)
            continue;
        json_t *o = piece(run, t, t, (int)best, x[best], share(x, a->width, 1, best), ok);
        glim__json_set(ok, o, "label",
                       names ? glim__json_text(names[best], strlen(names[best])) : json_null());
        glim__json_add(ok, list, o);
    }
    return list;
}

struct span {
    size_t from, to;
    double score;
};

static bool may_answer(const cli_run *run, size_t t) {
    const glim_token *token = &run->tokens->at[t];
    return token->kind == GLIM_TOKEN_TEXT && (run->tokens->n_turns < 2 || token->turn == 1);
}

/* The best spans, best first, by insertion. */
static size_t best_spans(const cli_run *run, const struct all *a, struct span *out, size_t most) {
    size_t n = 0;
    for (size_t i = 0; i < a->rows; i++)
        for (size_t j = i; j < a->rows && j < i + LONGEST_ANSWER; j++) {
            struct span s = {i, j, (double)a->values[2 * i] + a->values[2 * j + 1]};
            if (!may_answer(run, i) || !may_answer(run, j) ||
                (n == most && s.score <= out[n - 1].score))
                continue;
            size_t at = n < most ? n++ : n - 1;
            for (; at && out[at - 1].score < s.score; at--)
                out[at] = out[at - 1];
            out[at] = s;
        }
    return n;
}

static json_t *spans(const cli_run *run, const struct all *a, bool *ok) {
    enum { MOST = 100 };
    struct span best[MOST] = {{0}};
    json_t *list = json_array();
    size_t n = best_spans(run, a, best, (size_t)(run->o.top < MOST ? run->o.top : MOST));
    for (size_t k = 0; k < n; k++) {
        double start = share(a->values, a->rows, 2, best[k].from);
        double end = share(a->values + 1, a->rows, 2, best[k].to);
        glim__json_add(
            ok, list, piece(run, best[k].from, best[k].to, (int)k, best[k].score, start * end, ok));
    }
    return list;
}

static glim_status put_json(cli_run *run, const struct all *a, json_t *outputs, bool ok) {
    json_t *all = cli_prediction_json(run, json_incref(outputs), &ok);
    if (glim_model_facts(run->model)->task == GLIM_TASK_EMBED) {
        json_t *embedding = json_array();
        for (size_t i = 0; i < a->width; i++)
            glim__json_add(&ok, embedding, glim__json_number((double)a->values[i]));
        glim__json_set(&ok, all, "embedding", embedding);
    }
    return cli_put_json(run, run->o.json, all, ok);
}

static void put_line(const cli_run *run, glim_buffer *out, const json_t *o) {
    const json_t *text = json_object_get(o, "text"), *label = json_object_get(o, "label");
    size_t from = out->len;
    cli_visible(out, json_string_value(text), json_string_length(text), CLI_TOKEN, cli_ascii(run));
    cli_pad(out, from, 28);
    glim__buffer_printf(out, " %6.1f %%  ", 100 * json_number_value(json_object_get(o, "prob")));
    if (json_is_string(label))
        cli_visible(out, json_string_value(label), json_string_length(label), CLI_PLAIN,
                    cli_ascii(run));
    else if (!label)
        glim__buffer_printf(out, "score %.3g", json_number_value(json_object_get(o, "logit")));
    else
        glim__buffer_printf(out, "class %d", (int)json_integer_value(json_object_get(o, "id")));
    glim__buffer_putc(out, '\n');
}

static glim_status as_table(cli_run *run, const struct all *a, const json_t *outputs) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < json_array_size(outputs); i++)
        put_line(run, &out, json_array_get(outputs, i));
    if (glim_model_facts(run->model)->task == GLIM_TASK_EMBED)
        glim__buffer_printf(&out,
                            "an embedding of %zu numbers and length one (--json or --raw "
                            "FILE.npy has them)\n",
                            a->width);
    return cli_put_buffer(run, &out, "the answer");
}

glim_status cli_predict_encoder(cli_run *run) {
    const glim_model_info *info = glim_model_facts(run->model);
    struct all a = {.width = (size_t)info->outputs,
                    .rows = info->task == GLIM_TASK_EMBED ? 1 : run->tokens->count};
    a.values = glim__calloc(run->ctx, a.rows * a.width, sizeof *a.values);
    glim_status status = a.values ? cli_logits(run, false, keep, &a)
                                  : glim__oom(run->ctx, &run->err, "the outputs",
                                              a.rows * a.width * sizeof *a.values);
    bool ok = true;
    json_t *outputs = status                          ? NULL
                      : info->task == GLIM_TASK_LABEL ? labels(run, &a, &ok)
                      : info->task == GLIM_TASK_SPAN  ? spans(run, &a, &ok)
                                                      : json_array();
    if (!status && run->o.raw)
        status = cli_put_raw(run, a.values, a.rows, a.width);
    if (!status && run->o.json)
        status = put_json(run, &a, outputs, ok);
    if (!status && cli_wants_terminal(run))
        status = ok ? as_table(run, &a, outputs) : glim__oom(run->ctx, &run->err, "the answer", 0);
    json_decref(outputs);
    glim__free(run->ctx, a.values);
    return status;
}
