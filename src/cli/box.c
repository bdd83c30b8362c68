/* SPDX-License-Identifier: Apache-2.0 */
/* Black boxes on the command line: --predictor and its flags, for predict and info.
   Headers may come from a file or a variable, so that a key is in no history. */
#include "cli/box.h"
#include "cli/box-row.h"
#include "cli/picture.h"
#include "base/utf8.h"
#include "predict/black-box.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 1 << 20 };

static glim_status read_file(cli_run *run, const char *path, glim_buffer *out) {
    glim_status status = glim__file_read(out, path, MOST_WORDS, &run->err);
    if (!status && out->data && strlen(out->data) != out->len)
        status = glim_fail(&run->err, GLIM_EFORMAT, "'%.200s' holds a NUL byte", path);
    return status;
}

/* Lines "Name: value" of --header, of its file, and of --header-env. */
static glim_status gather_headers(cli_run *run, glim_buffer *out) {
    const char *line = run->o.header, *variable = run->o.header_env;
    const char *value = variable ? getenv(variable) : NULL;
    glim_status status = GLIM_OK;
    if (variable && !value)
        return glim_fail(&run->err, GLIM_EUSAGE, "--header-env: the variable '%.60s' is not set",
                         variable);
    if (line && *line == '@')
        status = read_file(run, line + 1, out);
    else if (line)
        glim__buffer_puts(out, line);
    if (value)
        glim__buffer_printf(out, "\n%s", value);
    return status;
}

glim_status cli_read_prompt(cli_run *run, glim_buffer *out) {
    glim_status status = read_file(run, run->o.prompt_file, out);
    while (out->len && out->data[out->len - 1] == '\n')
        out->data[--out->len] = 0;
    if (!status && !out->len)
        status = glim_fail(&run->err, GLIM_EFORMAT, "'%.200s' is empty", run->o.prompt_file);
    return status;
}

glim_status cli_open_box(cli_run *run, glim_black_box **out) {
    const cli_options *o = &run->o;
    glim_buffer headers, prompt;
    if (o->model)
        return glim_fail(&run->err, GLIM_EUSAGE, "give either --model or --predictor");
    if (run->command->steers && o->steer[0])
        return glim_fail(&run->err, GLIM_EUSAGE, "--steer is for models; this only answers");
    if (o->as_chat)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--as-chat is for models (openai:.../chat/completions asks for chats)");
    glim__buffer_init(&headers, run->ctx);
    glim__buffer_init(&prompt, run->ctx);
    glim_status status = gather_headers(run, &headers);
    if (!status && o->prompt_file)
        status = cli_read_prompt(run, &prompt);
    if (!status && (headers.failed || prompt.failed))
        status = glim__oom(run->ctx, &run->err, "the prompt", prompt.len);
    if (!status)
        status = glim_black_box_open(
            out, run->ctx, o->predictor,
            &(glim_black_box_options){.timeout = o->timeout,
                                      .batch_size = (size_t)o->batch_size,
                                      .concurrency = (size_t)o->concurrency,
                                      .headers = headers.data,
                                      .store = o->store,
                                      .labels = o->labels,
                                      .prompt = o->prompt_file ? prompt.data : NULL,
                                      .length_normalise = o->length_normalise},
            &run->err);
    glim__buffer_release(&headers);
    glim__buffer_release(&prompt);
    return status;
}

/* ---- predict ---- */

static double output_of(const glim_black_box *box, const double *row, size_t k, const char *name) {
    double x;
    return glim_black_box_output(box, row, k, name, &x, NULL) ? NAN : x;
}

static glim_status box_json(cli_run *run, const glim_black_box *box, const glim_buffer *text,
                            const double *row, const size_t *order, size_t n) {
    const glim_black_box_info *info = glim_black_box_facts(box);
    bool ok = true;
    json_t *all = json_object(), *outputs = json_array();
    for (size_t i = 0; i < n; i++) {
        size_t k = order[i];
        const char *name = info->classes[k];
        json_t *o = cli_output_json(name, strlen(name), (int64_t)k, output_of(box, row, k, "logit"),
                                    output_of(box, row, k, "prob"), &ok);
        glim__json_set(&ok, o, "score", glim__json_number(row[k]));
        glim__json_add(&ok, outputs, o);
    }
    glim__json_set(&ok, all, "schema", json_string("glim.prediction/1"));
    glim__json_set(&ok, all, "text", glim__json_text(text->data ? text->data : "", text->len));
    glim__json_set(&ok, all, "predictor", json_string(info->spec));
    glim__json_set(&ok, all, "outputs", outputs);
    glim__json_set(&ok, all, "tokens", json_array());
    if (cli_wants_picture(run)) {
        const char *slash = strrchr(run->o.text, '/'), *name = slash ? slash + 1 : run->o.text;
        glim__json_set(&ok, all, "image", glim__json_text(name, strlen(name)));
    }
    return cli_put_json(run, run->o.json, all, ok);
}

static glim_status box_table(cli_run *run, const glim_black_box *box, const double *row,
                             const size_t *order, size_t n) {
    const glim_black_box_info *info = glim_black_box_facts(box);
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    for (size_t i = 0; i < n; i++) {
        size_t k = order[i];
        const char *name = info->classes[k];
        cli_rank(run, &out, i + 1, name, strlen(name), output_of(box, row, k, "prob"), row[k]);
    }
    return cli_put_buffer(run, &out, "the answer");
}

static glim_status write_row(cli_run *run, const double *row, size_t n) {
    float *all = glim__calloc(run->ctx, n, sizeof *all);
    if (!all)
        return glim__oom(run->ctx, &run->err, "the array", n * sizeof *all);
    for (size_t k = 0; k < n; k++)
        all[k] = (float)row[k];
    glim_status status = cli_put_raw(run, all, 1, n);
    glim__free(run->ctx, all);
    return status;
}

static glim_status show_row(cli_run *run, const glim_black_box *box, const glim_buffer *text,
                            const double *row) {
    size_t K = glim_black_box_facts(box)->n_classes;
    size_t n = (size_t)run->o.top < K ? (size_t)run->o.top : K;
    size_t *order = glim__calloc(run->ctx, K, sizeof *order);
    if (!order)
        return glim__oom(run->ctx, &run->err, "the classes", K * sizeof *order);
    cli_order(row, K, order);
    glim_status status = run->o.raw ? write_row(run, row, K) : GLIM_OK;
    if (!status && run->o.json)
        status = box_json(run, box, text, row, order, n);
    if (!status && cli_wants_terminal(run))
        status = box_table(run, box, row, order, n);
    glim__free(run->ctx, order);
    return status;
}

glim_status cli_predict_box(cli_run *run) {
    glim_black_box *box = NULL;
    glim_buffer text;
    double *row = NULL;
    glim_image *image = NULL;
    cli_row cells = {0};
    bool picture = cli_wants_picture(run), in_table = run->o.table || run->o.row;
    glim__buffer_init(&text, run->ctx);
    glim_status status = in_table  ? cli_row_open(run, &cells)
                         : picture ? cli_read_picture(run, &image)
                                   : cli_read_text(run, &text);
    if (!status)
        status = cli_open_box(run, &box);
    size_t bad = glim__utf8_check(text.data ? text.data : "", text.len);
    if (!status && bad != text.len)
        status = glim_fail(&run->err, GLIM_EFORMAT, "the text is not UTF-8 at byte %zu", bad);
    if (!status && in_table)
        status = glim_black_box_ask_row(box, &cells.row, &row, &run->err);
    else if (!status && picture)
        status = glim_black_box_ask_image(box, image, &row, &run->err);
    else if (!status)
        status = glim_black_box_ask(box, &(glim_input){text.data ? text.data : "", text.len}, 1,
                                    &row, &run->err);
    glim_image_free(image);
    if (!status)
        status = show_row(run, box, &text, row);
    if (box)
        glim_black_box_values_free(box, row);
    glim_black_box_close(box);
    cli_row_close(&cells);
    glim__buffer_release(&text);
    return status;
}

/* ---- info ---- */

static const char *scale_words(glim_scale scale) {
    static const char *const words[] = {"raw scores", "logits", "log-probabilities",
                                        "probabilities"};
    return words[scale];
}

static glim_status info_json(cli_run *run, const glim_black_box_info *info) {
    bool ok = true;
    json_t *o = json_object(), *classes = json_array();
    const char *texts[][2] = {{"predictor", info->spec}, {"kind", info->kind},
                              {"name", info->name},      {"how", info->how},
                              {"digest", info->digest},  {"scale", glim__scale_name(info->scale)}};
    glim__json_set(&ok, o, "schema", json_string("glim.predictor/1"));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        glim__json_set(&ok, o, texts[i][0], texts[i][1] ? json_string(texts[i][1]) : json_null());
    for (size_t k = 0; k < info->n_classes; k++)
        glim__json_add(&ok, classes, json_string(info->classes[k]));
    glim__json_set(&ok, o, "classes", classes);
    return cli_put_json(run, run->o.json, o, ok);
}

static void info_line(glim_buffer *out, const char *name, const char *text, bool ascii) {
    glim__buffer_printf(out, "%-15s ", name);
    cli_visible(out, text, strlen(text), CLI_PLAIN, ascii);
    glim__buffer_putc(out, '\n');
}

static glim_status info_text(cli_run *run, const glim_black_box_info *info) {
    bool ascii = cli_ascii(run);
    char scale[80];
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    snprintf(scale, sizeof scale, "%zu numbers a text: %s", info->n_classes,
             scale_words(info->scale));
    info_line(&out, "predictor", info->spec, ascii);
    info_line(&out, "kind", info->kind, ascii);
    if (info->name)
        info_line(&out, "name", info->name, ascii);
    info_line(&out, "answers", scale, ascii);
    if (info->how)
        info_line(&out, "how", info->how, ascii);
    for (size_t k = 0; k < info->n_classes; k++)
        info_line(&out, k ? "" : "classes", info->classes[k], ascii);
    info_line(&out, "can", "predict (methods that need gradients are for models)", ascii);
    if (info->digest)
        info_line(&out, "digest", info->digest, ascii);
    return cli_put_buffer(run, &out, "the answer");
}

/* Classes are known once it has answered; a TEXT may say to what. */
glim_status cli_info_box(cli_run *run) {
    glim_black_box *box = NULL;
    double *row = NULL;
    const char *text = run->o.text ? run->o.text : "a text";
    glim_status status = cli_open_box(run, &box);
    if (!status)
        status = glim_black_box_ask(box, &(glim_input){text, strlen(text)}, 1, &row, &run->err);
    if (!status)
        status = run->o.json ? info_json(run, glim_black_box_facts(box))
                             : info_text(run, glim_black_box_facts(box));
    if (box)
        glim_black_box_values_free(box, row);
    glim_black_box_close(box);
    return status;
}
