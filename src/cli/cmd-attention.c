/* SPDX-License-Identifier: Apache-2.0 */
/* glim attention: where the model looks, and which words of a translation belong together. */
#include "cli/align-flags.h"
#include "cli/commands.h"
#include "cli/picture.h"
#include "cli/show.h"

#include <string.h>

#define AT(field) offsetof(cli_options, field)

static const glim_param look_flags[] = {
    {.name = "attention",
     .type = GLIM_CHOICE,
     .offset = AT(side),
     .choices = "encoder|decoder|cross",
     .help = "which one of an encoder-decoder (cross)",
     .group = "Attention"},
    {.name = "layer",
     .type = GLIM_INT,
     .offset = AT(layer),
     .def.i = -1,
     .min = -1,
     .max = 4095,
     .help = "show this layer, from 0 (default: mean of all)"},
    {.name = "head",
     .type = GLIM_INT,
     .offset = AT(head),
     .def.i = -1,
     .min = -1,
     .max = 4095,
     .help = "and this head of it"},
    {.name = "heads",
     .type = GLIM_STRING,
     .offset = AT(heads),
     .value_name = "LIST",
     .help = "keep their largest weights: 3.7,4 or auto"},
    {.name = "sink",
     .type = GLIM_CHOICE,
     .offset = AT(sink),
     .choices = "show|hide|renormalise",
     .help = "tokens that draw attention whatever they say"},
    {.name = "units",
     .type = GLIM_CHOICE,
     .offset = AT(units),
     .def.s = "auto",
     .choices = "auto|token|word|sentence",
     .help = "what looks and is looked at"},
    {.name = "detect",
     .type = GLIM_BOOL,
     .offset = AT(detect),
     .help = "instead: previous-token, duplicate-token and induction heads"},
    {.name = "length",
     .type = GLIM_INT,
     .offset = AT(length),
     .min = 0,
     .max = 1 << 20,
     .help = "of the random tokens that it repeats (50)"},
    {.name = "draws",
     .type = GLIM_INT,
     .offset = AT(draws),
     .min = 0,
     .max = 10000,
     .help = "of them (4)"},
    {0},
};

static const glim_param write_flags[] = {
    {.name = "continuation",
     .type = GLIM_STRING,
     .offset = AT(continuation),
     .value_name = "TEXT",
     .help = "what is written behind the text, or about it",
     .group = "Translation"},
    {.name = "target",
     .type = GLIM_STRING,
     .offset = AT(target),
     .value_name = "TEXT",
     .help = "the same, for encoder-decoders"},
    {.name = "generate",
     .type = GLIM_INT,
     .offset = AT(generate),
     .min = 0,
     .max = 4096,
     .help = "let it write N tokens"},
    {.name = "align-at",
     .type = GLIM_CHOICE,
     .offset = AT(align_at),
     .def.s = "input",
     .choices = "input|output",
     .help = "where a word is read, or written"},
    {0},
};

static const glim_param raw_flags[] = {
    {.name = "raw",
     .type = GLIM_STRING,
     .offset = AT(raw),
     .value_name = "FILE.npy",
     .help = "all patterns (L, H, rows, columns), float32",
     .group = "Patterns"},
    {.name = "half", .type = GLIM_BOOL, .offset = AT(half), .help = "as float16"},
    {.name = "raw-layers",
     .type = GLIM_STRING,
     .offset = AT(raw_layers),
     .value_name = "A[-B]",
     .help = "of these layers alone"},
    {0},
};

/* "3" or "3-5". */
static glim_status read_layers(cli_run *run, glim_attention_options *a) {
    const char *s = run->o.raw_layers;
    int first, last, n = 0;
    if ((run->o.half || s) && !run->o.raw)
        return glim_fail(&run->err, GLIM_EUSAGE, "--half and --raw-layers are for --raw FILE");
    if (!s)
        return GLIM_OK;
    if (sscanf(s, "%4d-%4d%n", &first, &last, &n) != 2 || s[n]) {
        n = 0;
        if (sscanf(s, "%4d%n", &first, &n) != 1 || s[n])
            first = -1;
        last = first;
    }
    if (first < 0 || last < first)
        return glim_fail(&run->err, GLIM_EUSAGE, "--raw-layers takes 3 or 3-5, not '%.40s'", s);
    a->raw_layer = first;
    a->raw_layers = last - first + 1;
    return GLIM_OK;
}

static glim_status read_options(cli_run *run, glim_attention_options *a, glim_buffer *gold) {
    static const char *const names[] = {"token", "word", "sentence"};
    const cli_options *o = &run->o;
    bool two = glim_model_facts(run->model)->encoder_layers;
    *a = (glim_attention_options){.side = o->side,
                                  .continuation = o->target ? o->target : o->continuation,
                                  .generate = (size_t)o->generate,
                                  .layer = (int)o->layer,
                                  .head = (int)o->head,
                                  .sink = o->sink,
                                  .auto_units = !strcmp(o->units, "auto"),
                                  .raw = o->raw,
                                  .half = o->half,
                                  .heads = o->heads  ? o->heads
                                           : o->html ? "auto"
                                                     : NULL,
                                  .align = o->align,
                                  .at = o->align_at,
                                  .source = o->source};
    for (int i = 0; i < 3; i++)
        if (!strcmp(o->units, names[i]))
            a->units = (glim_unit_kind)i;
    if (o->target && (o->continuation || !two))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         two ? "give either --target or --continuation"
                             : "--target is for encoder-decoders (what is written behind the "
                               "text: --continuation)");
    if (o->head >= 0 && o->layer < 0 && !o->align)
        return glim_fail(&run->err, GLIM_EUSAGE, "--head needs its --layer");
    glim_status status = read_layers(run, a);
    return status ? status : cli_align(run, gold, &a->links);
}

static glim_status read_and_show(cli_run *run, const glim_attention_options *a) {
    glim_document *doc = NULL;
    glim_status status = glim_attention_read(&doc, run->model, run->tokens, a, &run->err);
    return cli_show_ended(run, doc, status);
}

static glim_status run_attention(cli_run *run) {
    glim_attention_options a;
    glim_plan plan;
    glim_buffer gold;
    if (run->o.detect)
        return cli_detect_heads(run);
    glim_status status = cli_open(run);
    if (!status && cli_reads_pictures(run))
        status = glim_fail(&run->err, GLIM_EUSAGE, "a model of pictures has no attention to show");
    if (!status)
        status = cli_input(run);
    if (status)
        return status;
    glim__buffer_init(&gold, run->ctx);
    status = read_options(run, &a, &gold);
    if (!status)
        status = glim_attention_plan(&plan, run->model, run->tokens, &a, &run->err);
    if (!status && run->o.dry_run) {
        status = cli_put_plan(run, "attention", &plan);
    } else if (!status) {
        run->planned = true;
        status = glim__check_budget(run->ctx, plan.bytes, "attention needs", "take a shorter text",
                                    &run->err);
        if (!status)
            status = read_and_show(run, &a);
    }
    glim__buffer_release(&gold);
    return status;
}

static const glim_param *const groups[] = {
    cli_flags_model, look_flags,       write_flags, cli_flags_align,
    cli_flags_input, cli_flags_output, raw_flags,   cli_flags_resources,
    cli_flags_plan,  cli_flags_talk,   NULL};
static const char *const examples[] = {
    "glim attention -m model.gguf --layer 3 --head 7 \"The capital of France is\"",
    "glim attention -m opus-mt-en-de --align --gold \"0-0 1-1\" \"good day\"",
    "glim attention -m model.gguf --raw patterns.npy -f page.txt",
    "glim attention -m model.gguf --detect", NULL};

const cli_command cli_attention = {
    .name = "attention",
    .summary = "where the model looks, and word alignment of translations",
    .family = "importance",
    .produces = "glim.explanation/1",
    .synopsis = "-m MODEL TEXT",
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_attention,
};
