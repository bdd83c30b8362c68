/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of the command line, by group: the only place where they are named. */
#include "cli/cli.h"

#define AT(field) offsetof(cli_options, field)

const glim_param cli_flags_model[] = {
    {.name = "model", .letter = 'm', .type = GLIM_STRING, .offset = AT(model),
     .value_name = "FILE", .help = "the GGUF file", .group = "Model"},
    {0},
};

const glim_param cli_flags_input[] = {
    {.name = "file", .letter = 'f', .type = GLIM_STRING, .offset = AT(file), .value_name = "FILE",
     .help = "read the text from a file (- is standard input)", .group = "Input"},
    {.name = "chat", .type = GLIM_STRING, .offset = AT(chat), .value_name = "FILE.json",
     .help = "a list of {\"role\", \"content\"} through the chat template"},
    {.name = "template", .type = GLIM_STRING, .offset = AT(tmpl), .value_name = "NAME",
     .help = "chat template by name, instead of the model's own"},
    {.name = "no-template", .type = GLIM_BOOL, .offset = AT(no_template),
     .help = "the chat's contents as plain text, joined by newlines"},
    {0},
};

const glim_param cli_flags_target[] = {
    {.name = "target", .type = GLIM_STRING, .offset = AT(target), .value_name = "TOKEN",
     .help = "explain this next token (default: the most likely)", .group = "Target"},
    {.name = "against", .type = GLIM_STRING, .offset = AT(against), .value_name = "TOKEN",
     .help = "why the target and not this token"},
    {.name = "continuation", .type = GLIM_STRING, .offset = AT(continuation),
     .value_name = "TEXT", .help = "explain every token of this continuation"},
    {.name = "generate", .type = GLIM_INT, .offset = AT(generate), .min = 0, .max = 4096,
     .help = "let the model continue by N tokens and explain each"},
    {.name = "output", .type = GLIM_CHOICE, .offset = AT(output), .choices = "logit|logprob|prob",
     .help = "what is explained (default: logit; logprob for several tokens)"},
    {.name = "units", .type = GLIM_CHOICE, .offset = AT(units), .def.s = "auto",
     .choices = "auto|token|word|sentence|turn", .help = "what is scored"},
    {0},
};

const glim_param cli_flags_method[] = {
    {.name = "method", .type = GLIM_STRING, .offset = AT(method), .value_name = "NAME",
     .help = "how to explain (default: chosen for the input)", .group = "Method"},
    {.name = "list", .type = GLIM_BOOL, .offset = AT(list), .help = "name the methods"},
    {0},
};

const glim_param cli_flags_json[] = {
    {.name = "json", .type = GLIM_STRING, .offset = AT(json), .value_name = "FILE",
     .optional_value = true, .help = "JSON to standard output, or to FILE", .group = "Output"},
    {0},
};

const glim_param cli_flags_output[] = {
    {.name = "json", .type = GLIM_STRING, .offset = AT(json), .value_name = "FILE",
     .optional_value = true, .help = "JSON to standard output, or to FILE", .group = "Output"},
    {.name = "csv", .type = GLIM_STRING, .offset = AT(csv), .value_name = "FILE",
     .help = "scores as a table"},
    {.name = "html", .type = GLIM_STRING, .offset = AT(html), .value_name = "FILE",
     .help = "a report in one file that needs no network"},
    {.name = "numbers", .type = GLIM_BOOL, .offset = AT(numbers),
     .help = "a number under every unit"},
    {0},
};

const glim_param cli_flags_raw[] = {
    {.name = "raw", .type = GLIM_STRING, .offset = AT(raw), .value_name = "FILE.npy",
     .help = "the underlying array, float32"},
    {0},
};

const glim_param cli_flags_resources[] = {
    {.name = "threads", .type = GLIM_INT, .offset = AT(threads), .min = 0, .max = 256,
     .help = "worker threads (default: all processors)", .group = "Resources"},
    {.name = "memory", .type = GLIM_SIZE, .offset = AT(memory),
     .help = "never use more than this, e.g. 2G"},
    {.name = "seed", .type = GLIM_INT, .offset = AT(seed), .min = 0, .max = 9007199254740992.0,
     .help = "of random numbers"},
    {.name = "dry-run", .type = GLIM_BOOL, .offset = AT(dry_run),
     .help = "print what it would cost and stop"},
    {.name = "kernels", .type = GLIM_STRING, .offset = AT(kernels), .value_name = "NAME",
     .help = "avx512, avx2, blas or ref (default: the best)"},
    {0},
};

const glim_param cli_flags_talk[] = {
    {.name = "quiet", .letter = 'q', .type = GLIM_BOOL, .offset = AT(quiet),
     .help = "no progress, no notes", .group = "Talk"},
    {.name = "verbose", .letter = 'v', .type = GLIM_BOOL, .offset = AT(verbose),
     .help = "say more"},
    {.name = "color", .type = GLIM_CHOICE, .offset = AT(color), .def.s = "auto",
     .choices = "auto|always|never", .help = "colours (NO_COLOR is honoured)"},
    {.name = "width", .type = GLIM_INT, .offset = AT(width), .min = 0, .max = 1000,
     .help = "columns (default: the terminal's)"},
    {.name = "ascii", .type = GLIM_BOOL, .offset = AT(ascii), .help = "plain ASCII output"},
    {.name = "help", .letter = 'h', .type = GLIM_BOOL, .offset = AT(help), .help = "this page"},
    {0},
};
