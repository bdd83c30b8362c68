/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that --pick chooses among, and that a method is judged over: a column of the file of
   --data, read as glim fit reads it. */
#include "cli/pick.h"
#include "explain/lime.h"

#include <string.h>

static const glim_lime_params *params_of(const cli_run *run) {
    return run->method == &glim_method_lime ? run->method_opts : NULL;
}

bool cli_wants_texts(const cli_run *run) {
    return run->o.data || (params_of(run) && params_of(run)->data);
}

glim_status cli_texts_open(cli_run *run, cli_texts *out) {
    const cli_options *o = &run->o;
    const glim_lime_params *how = params_of(run);
    const char *file = o->data ? o->data : how->data;
    *out = (cli_texts){0};
    if (!o->data && !how->pick)
        return glim_fail(&run->err, GLIM_EUSAGE, "--data is for --pick (one text: TEXT, --file)");
    if (o->table || o->row)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "give either --data, for texts, or --table, for rows");
    if (o->text || o->file || o->chat || o->context || o->context_file || o->prompt_file ||
        o->as_chat || o->labels || o->prefix)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--data gives the texts, as they are (leave out TEXT, --file, --chat, "
                         "--context, --prefix, prompts and labels)");
    glim_status status = glim__table_open(&out->table, run->ctx, file, &run->err);
    return status ? status
                  : glim__table_column(out->table, o->data ? o->text_column : how->text,
                                       &out->column, &run->err);
}

void cli_texts_close(cli_texts *t) {
    glim__table_close(t->table);
}

const char *cli_texts_at(const cli_texts *t, size_t row) {
    const char *text = glim__table_cell(t->table, row, t->column);
    return text[strspn(text, " \t\r\n")] ? text : NULL;
}

glim_status cli_texts_tokens(cli_run *run, const cli_texts *t, size_t row) {
    const char *text = cli_texts_at(t, row);
    glim_tokens_free(run->tokens);
    run->tokens = NULL;
    if (!text)
        return GLIM_OK;
    glim_status status =
        glim_model_tokenize(run->model, &run->tokens, text, strlen(text), &run->err);
    if (status)
        return glim_prefix(&run->err, status, "row %zu of '%.200s'", row + 1, t->table->path);
    if (run->tokens->count > (size_t)glim_model_facts(run->model)->context_length) {
        glim_tokens_free(run->tokens);
        run->tokens = NULL;
    }
    return GLIM_OK;
}
