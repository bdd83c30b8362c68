/* SPDX-License-Identifier: Apache-2.0 */
/* glim info: what is in a file, also in one that glim cannot run. */
#include "cli/box.h"
#include "cli/commands.h"
#include "cli/fitted.h"
#include "model/published.h"
#include "file/gguf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const glim_param own_flags[] = {
    {.name = "tensors",
     .type = GLIM_BOOL,
     .offset = offsetof(cli_options, tensors),
     .help = "list the tensors",
     .group = "Info"},
    {.name = "sites",
     .type = GLIM_BOOL,
     .offset = offsetof(cli_options, sites),
     .help = "list the sites that capture can read"},
    {0},
};

/* Memory of one pass over T tokens, mapped file included. */
static uint64_t memory_for(const cli_run *run, size_t T, bool keep) {
    return glim_session_plan(run->model, T, 1, T, 1, keep, NULL) + glim_context_bytes(run->ctx);
}

static void row(glim_buffer *out, const char *name, const char *format, ...) GLIM_PRINTF(3, 4);
static void row(glim_buffer *out, const char *name, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glim__buffer_printf(out, "%-15s ", name);
    cli_visible(out, text, strlen(text), CLI_PLAIN, false); /* a file may name itself anything */
    glim__buffer_putc(out, '\n');
}

/* What the model is for, and the names of its classes. */
static void show_task(const glim_model_info *i, glim_buffer *out) {
    static const char *const tasks[] = {
        "continues a text",         "fills in masked tokens",
        "classifies a text",        "labels tokens",
        "finds a span of the text", "embeds a text",
        "classifies a picture",     "writes about a text, as a translation"};
    glim_buffer names;
    glim__buffer_init(&names, out->ctx);
    for (int k = 0; k < i->outputs && k < 12 && i->labels; k++)
        glim__buffer_printf(&names, "%s%s", k ? ", " : ": ", i->labels[k]);
    row(out, "task", "%s%s%s", tasks[i->task], names.len ? names.data : "",
        i->labels && i->outputs > 12 ? ", ..." : "");
    glim__buffer_release(&names);
}

static void describe(cli_run *run, glim_buffer *out) {
    const glim_model_info *i = glim_model_facts(run->model);
    char a[32], b[32];
    row(out, "file", "%s, %s, %s", i->path, i->format, cli_size(a, i->file_bytes));
    if (i->name)
        row(out, "name", "%s", i->name);
    row(out, "architecture",
        "%s: %d layers, width %d, %d heads of %d over %d key heads, "
        "feed-forward %d",
        i->architecture, i->layers, i->width, i->heads, i->head_width, i->kv_heads,
        i->feed_forward);
    if (i->encoder_layers)
        row(out, "encoder", "%d layers of the same shape; the others above are the decoder's",
            i->encoder_layers);
    row(out, "parameters", "%.1f million, mostly %s", (double)i->parameters / 1e6, i->quantisation);
    for (size_t k = 0; k < i->n_types; k++)
        row(out, k ? "" : "types", "%-6s %4" PRIu64 " tensors, %s", i->types[k].type,
            i->types[k].tensors, cli_size(a, i->types[k].bytes));
    row(out, "vocabulary", "%d tokens, %s%s%s%s", i->vocabulary, i->tokenizer, *i->pre ? " / " : "",
        i->pre, i->adds_bos ? ", a first token is added" : "");
    row(out, "chat template", "%s", i->chat_template ? i->chat_template : "none recognised");
    row(out, "context", "%d tokens", i->context_length);
    if (i->sliding_window)
        row(out, "window", "%d tokens in sliding layers", i->sliding_window);
    if (i->rope_base > 0)
        row(out, "rope base", "%g", i->rope_base);
    show_task(i, out);
    row(out, "licence", "%s", i->license ? i->license : "not said in the file");
    for (size_t T = 128; T <= 2048 && T <= (size_t)i->context_length; T *= 4)
        row(out, T == 128 ? "memory" : "", "%zu tokens: %s forward, %s with gradients", T,
            cli_size(a, memory_for(run, T, false)), cli_size(b, memory_for(run, T, true)));
    row(out, "digest", "%s", i->digest);
    if (i->warning)
        row(out, "note", "%s", i->warning);
}

static void describe_picture_model(cli_run *run, glim_buffer *out) {
    const glim_model_info *i = glim_model_facts(run->model);
    char a[32], b[32];
    row(out, "file", "%s, %s, %s", i->path, i->format, cli_size(a, i->file_bytes));
    if (i->name)
        row(out, "name", "%s", i->name);
    row(out, "architecture", "%s: %d blocks, %d features", i->architecture, i->layers, i->width);
    row(out, "parameters", "%.1f million, mostly %s", (double)i->parameters / 1e6, i->quantisation);
    row(out, "input", "%d x %d pixels of three colours", i->image_width, i->image_height);
    show_task(i, out);
    row(out, "memory", "%s forward, %s with gradients",
        cli_size(a, glim_image_session_plan(run->model, 1, false) + glim_context_bytes(run->ctx)),
        cli_size(b, glim_image_session_plan(run->model, 1, true) + glim_context_bytes(run->ctx)));
    row(out, "digest", "%s", i->digest);
}

/* A file that cannot be run is still listed, with the reason. */
static void describe_file(const glim_gguf *g, const char *why, glim_buffer *out) {
    char a[32];
    glim_gguf_string arch = {"?", 1}, name = {0};
    glim__gguf_text(g, "general.architecture", &arch, NULL, NULL);
    glim__gguf_text(g, "general.name", &name, NULL, NULL);
    row(out, "file", "%s, GGUF %u, %s", glim__gguf_path(g), glim__gguf_version(g),
        cli_size(a, glim__gguf_bytes(g)));
    if (name.len)
        row(out, "name", "%.*s", (int)(name.len < 200 ? name.len : 200), name.data);
    row(out, "architecture", "%.*s", (int)(arch.len < 60 ? arch.len : 60), arch.data);
    row(out, "holds", "%zu keys, %zu tensors", glim__gguf_value_count(g),
        glim__gguf_tensor_count(g));
    row(out, "cannot run", "%s", why);
}

static void list_tensors(const glim_gguf *g, glim_buffer *out) {
    for (size_t i = 0; i < glim__gguf_tensor_count(g); i++) {
        const glim_tensor *t = glim__gguf_tensor_at(g, i);
        const glim_type_info *type = glim__type_info(t->type);
        char shape[96];
        int at = snprintf(shape, sizeof shape, "(");
        for (int d = t->n_dims - 1; d >= 0; d--)
            at += snprintf(shape + at, sizeof shape - (size_t)at, "%" PRIu64 "%s", t->dims[d],
                           d ? ", " : ")");
        size_t from = out->len;
        cli_visible(out, t->name, strlen(t->name), CLI_PLAIN, false);
        cli_pad(out, from, 40);
        glim__buffer_printf(out, " %-8s %s\n", type ? type->name : "unknown",
                            t->n_dims ? shape : "()");
    }
}

static json_t *text_or_null(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

static glim_status put_facts(cli_run *run) {
    bool ok = true;
    static const char *const tasks[] = {"generate", "fill",  "classify", "label",
                                        "span",     "embed", "image",    "translate"};
    const glim_model_info *i = glim_model_facts(run->model);
    json_t *labels = json_array();
    json_t *o = json_object(), *types = json_array(), *memory = json_array();
    const struct {
        const char *name;
        const char *text;
    } texts[] = {{"path", i->path},
                 {"format", i->format},
                 {"architecture", i->architecture},
                 {"name", i->name},
                 {"license", i->license},
                 {"digest", i->digest},
                 {"quantisation", i->quantisation},
                 {"tokenizer", i->tokenizer},
                 {"pre", i->pre},
                 {"chat_template", i->chat_template},
                 {"task", tasks[i->task]},
                 {"warning", i->warning}};
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"file_bytes", (int64_t)i->file_bytes},
                   {"parameters", (int64_t)i->parameters},
                   {"layers", i->layers},
                   {"width", i->width},
                   {"heads", i->heads},
                   {"kv_heads", i->kv_heads},
                   {"head_width", i->head_width},
                   {"feed_forward", i->feed_forward},
                   {"vocabulary", i->vocabulary},
                   {"context_length", i->context_length},
                   {"sliding_window", i->sliding_window},
                   {"outputs", i->outputs},
                   {"image_height", i->image_height},
                   {"image_width", i->image_width},
                   {"bos", i->bos},
                   {"eos", i->eos}};
    glim__json_set(&ok, o, "schema", json_string("glim.info/1"));
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        glim__json_set(&ok, o, texts[k].name, text_or_null(texts[k].text));
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        glim__json_set(&ok, o, numbers[k].name, json_integer(numbers[k].value));
    glim__json_set(&ok, o, "rope_base", json_real(i->rope_base));
    for (size_t k = 0; k < i->n_types; k++) {
        json_t *t = json_object();
        glim__json_set(&ok, t, "type", json_string(i->types[k].type));
        glim__json_set(&ok, t, "tensors", json_integer((json_int_t)i->types[k].tensors));
        glim__json_set(&ok, t, "bytes", json_integer((json_int_t)i->types[k].bytes));
        glim__json_add(&ok, types, t);
    }
    for (size_t T = 128; T <= 2048 && T <= (size_t)i->context_length; T *= 4) {
        json_t *t = json_object();
        glim__json_set(&ok, t, "tokens", json_integer((json_int_t)T));
        glim__json_set(&ok, t, "forward", json_integer((json_int_t)memory_for(run, T, false)));
        glim__json_set(&ok, t, "gradient", json_integer((json_int_t)memory_for(run, T, true)));
        glim__json_add(&ok, memory, t);
    }
    for (int k = 0; k < i->outputs && i->labels; k++)
        glim__json_add(&ok, labels, text_or_null(i->labels[k]));
    glim__json_set(&ok, o, "labels", labels);
    glim__json_set(&ok, o, "types", types);
    glim__json_set(&ok, o, "memory", memory);
    return cli_put_json(run, run->o.json, o, ok);
}

static void list_sites(cli_run *run, glim_buffer *out) {
    size_t n;
    const char *const *sites = glim_model_sites(run->model, &n);
    for (size_t i = 0; i < n; i++)
        glim__buffer_printf(out, "%s\n", sites[i]);
}

static glim_status show(cli_run *run, glim_gguf *g, glim_status opened) {
    glim_buffer out;
    glim__buffer_init(&out, run->ctx);
    if (run->o.tensors)
        list_tensors(g, &out);
    if (run->o.sites)
        list_sites(run, &out);
    if (!run->o.tensors && !run->o.sites && opened)
        describe_file(g, run->err.message, &out);
    bool tells = !run->o.tensors && !run->o.sites && !opened;
    if (tells && glim_model_facts(run->model)->task == GLIM_TASK_IMAGE)
        describe_picture_model(run, &out);
    else if (tells)
        describe(run, &out);
    return cli_put_buffer(run, &out, "the answer");
}

static glim_status run_info(cli_run *run) {
    glim_gguf *g = NULL;
    if (run->o.table || run->o.row)
        return glim_fail(&run->err, GLIM_EUSAGE, "--table is for predict and explain");
    if (run->o.predictor)
        return cli_is_fitted(run) ? cli_info_fitted(run) : cli_info_box(run);
    if (run->o.labels || run->o.prompt_file || run->o.as_chat || run->o.length_normalise)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--labels and prompts are for predict and explain, or for --predictor");
    if (run->o.text && run->o.model)
        return glim_fail(&run->err, GLIM_EUSAGE, "there are two models, '%.80s' and '%.80s'",
                         run->o.model, run->o.text);
    if (run->o.json && (run->o.tensors || run->o.sites))
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s is a plain list (leave out --json)",
                         run->o.tensors ? "tensors" : "sites");
    if (run->o.text) /* `glim info model.gguf` is clear enough */
        run->o.model = run->o.text;
    glim_status opened = cli_open(run);
    bool readable = opened == GLIM_EUNSUPPORTED || opened == GLIM_EFORMAT;
    if (!run->o.model || (opened && (!readable || run->o.json || run->o.sites)))
        return opened;
    if (opened && glim__is_directory(run->o.model))
        return opened; /* says what it lacks */
    if (opened || run->o.tensors) {
        glim_status status = glim__model_file_open(&g, run->ctx, run->o.model, &run->err);
        if (status)
            return status;
    }
    glim_status status = run->o.json ? put_facts(run) : show(run, g, opened);
    glim__gguf_close(g);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model,     cli_flags_task, cli_flags_predictor,
                                           cli_flags_calls,     own_flags,      cli_flags_json,
                                           cli_flags_resources, cli_flags_talk, NULL};
static const char *const examples[] = {"glim info -m model.gguf", NULL};

const cli_command cli_info = {
    .name = "info",
    .summary = "what is in a model file, and what it will need",
    .family = "basics",
    .produces = "glim.info/1",
    .synopsis = "-m MODEL",
    .text = "model",
    .examples = examples,
    .groups = groups,
    .run = run_info,
};
