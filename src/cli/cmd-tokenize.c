/* SPDX-License-Identifier: Apache-2.0 */
/* glim tokenize: how a text is cut into tokens. */
#include "cli/commands.h"

static glim_status as_json(cli_run *run) {
    bool ok = true;
    json_t *list = json_array();
    for (size_t i = 0; i < run->tokens->count; i++)
        glim__json_add(&ok, list, cli_token_json(run, &run->tokens->at[i], &ok));
    return cli_put_json(run, run->o.json, list, ok);
}

static glim_status as_table(cli_run *run) {
    static const char *const kinds[] = {"", "special", "template", "generated"};
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    glim__buffer_printf(&out, "%6s  %8s  %-24s %s\n", "#", "id", "text", "bytes");
    for (size_t i = 0; i < run->tokens->count; i++) {
        const glim_token *t = &run->tokens->at[i];
        size_t n;
        const char *text = glim_model_token_bytes(run->model, t->id, &n);
        glim__buffer_printf(&out, "%6zu  %8d  ", i, t->id);
        size_t from = out.len;
        cli_visible(&out, text, n, CLI_TOKEN, cli_ascii(run));
        cli_pad(&out, from, 24);
        if (t->kind == GLIM_TOKEN_TEXT)
            glim__buffer_printf(&out, " %zu-%zu\n", t->start, t->end);
        else
            glim__buffer_printf(&out, " %s\n", kinds[t->kind]);
    }
    return cli_put_buffer(run, &out, "the answer");
}

static glim_status run_tokenize(cli_run *run) {
    glim_status status = cli_open(run);
    if (!status)
        status = cli_input(run);
    if (status)
        return status;
    return run->o.json ? as_json(run) : as_table(run);
}

static const glim_param *const groups[] = {cli_flags_model,     cli_flags_input, cli_flags_json,
                                           cli_flags_resources, cli_flags_talk,  NULL};
static const char *const examples[] = {"glim tokenize -m model.gguf \"Hello, 世界\"", NULL};

const cli_command cli_tokenize = {
    .name = "tokenize",
    .summary = "how a text is cut into tokens",
    .family = "basics",
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_tokenize,
};
