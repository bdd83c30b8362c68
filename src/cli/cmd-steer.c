/* SPDX-License-Identifier: Apache-2.0 */
/* glim steer: makes directions that steer a model, from texts or from other directions. */
#include "cli/commands.h"

#include <math.h>
#include <string.h>

#define AT(field) offsetof(cli_options, field)

enum { MOST_TEXT = 1 << 28 };

static const glim_param steer_flags[] = {
    {.name = "positive",
     .type = GLIM_STRING,
     .offset = AT(positive),
     .value_name = "FILE",
     .help = "texts that have what is wanted, a line each",
     .group = "Steering"},
    {.name = "negative",
     .type = GLIM_STRING,
     .offset = AT(negative),
     .value_name = "FILE",
     .help = "texts that have it not"},
    {.name = "pca",
     .type = GLIM_BOOL,
     .offset = AT(pca),
     .help = "principal component of pairs of lines, of length 1"},
    {.name = "as-chat",
     .type = GLIM_BOOL,
     .offset = AT(as_chat),
     .help = "each text as a user's message of a chat"},
    {.name = "from",
     .type = GLIM_STRING,
     .offset = AT(steer),
     .max = CLI_OTHERS,
     .value_name = "SPEC",
     .help = "instead: FILE[#CLASS][:STRENGTH][@LAYERS]; several are added"},
    {.name = "out",
     .letter = 'o',
     .type = GLIM_STRING,
     .offset = AT(out),
     .value_name = "FILE",
     .help = "where to: .gguf (a control vector), .safetensors"},
    {0},
};

/* The lines of a file that are not empty, as strings in `text`. */
static glim_status read_lines(cli_run *run, const char *path, glim_buffer *text,
                              const char ***lines, size_t *n) {
    size_t most = 1;
    *lines = NULL;
    *n = 0;
    glim_status status = glim__file_read(text, path, MOST_TEXT, &run->err);
    if (status)
        return status;
    for (size_t i = 0; i < text->len; i++)
        most += text->data[i] == '\n';
    *lines = glim__calloc(run->ctx, most, sizeof **lines);
    if (!*lines)
        return glim__oom(run->ctx, &run->err, path, most * sizeof **lines);
    for (char *at = text->len ? text->data : NULL, *next; at; at = next) {
        if ((next = strchr(at, '\n')))
            *next++ = 0;
        size_t len = strlen(at);
        if (len && at[len - 1] == '\r')
            at[len - 1] = 0;
        if (*at)
            (*lines)[(*n)++] = at;
    }
    return *n ? GLIM_OK
              : glim_fail(&run->err, GLIM_EUSAGE, "'%.200s' has no lines of text in it", path);
}

static glim_status learn(cli_run *run, glim_steering *s) {
    const cli_options *o = &run->o;
    const glim_prompt chat = {.chat = true};
    glim_steering_texts t = {.prompt = o->as_chat ? &chat : NULL, .principal = o->pca};
    const char **lines[2] = {NULL, NULL};
    glim_buffer text[2];
    glim__buffer_init(&text[0], run->ctx);
    glim__buffer_init(&text[1], run->ctx);
    glim_status status = read_lines(run, o->positive, &text[0], &lines[0], &t.n_positive);
    if (!status)
        status = read_lines(run, o->negative, &text[1], &lines[1], &t.n_negative);
    t.positive = lines[0];
    t.negative = lines[1];
    if (!status)
        status = glim_steering_learn(s, &t, &run->err);
    for (int i = 0; i < 2; i++) {
        glim__free(run->ctx, lines[i]);
        glim__buffer_release(&text[i]);
    }
    return status;
}

static glim_status tell(cli_run *run, const glim_steering *s) {
    glim_buffer out;
    int L = glim_model_facts(run->model)->layers;
    size_t end = strlen(run->o.out);
    bool gguf = end > 5 && !strcmp(run->o.out + end - 5, ".gguf"); /* which leaves block 0 out */
    glim__buffer_init(&out, run->ctx);
    glim__buffer_puts(&out, "block    length  of the stream's\n");
    for (int l = gguf; l < L; l++) {
        glim_steering_layer at = glim_steering_at(s, l);
        if (!at.vector)
            continue;
        glim__buffer_printf(&out, "%5d  %8.4g", l, at.length);
        if (at.stream > 0)
            glim__buffer_printf(&out, "  %14.1f%%", 100 * at.length / at.stream);
        glim__buffer_putc(&out, '\n');
    }
    return cli_put_buffer(run, &out, "the directions");
}

static glim_status check(cli_run *run) {
    const cli_options *o = &run->o;
    bool texts = o->positive || o->negative;
    if (!o->out)
        return glim_fail(&run->err, GLIM_EUSAGE, "a file to write is missing: --out calm.gguf");
    if (o->pca && !texts)
        return glim_fail(&run->err, GLIM_EUSAGE, "--pca is for --positive and --negative");
    if (texts == (o->steer[0] != NULL) || (texts && !(o->positive && o->negative)))
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "give --positive and --negative (files of texts), or --from (directions)");
    return GLIM_OK;
}

static glim_status run_steer(cli_run *run) {
    glim_steering *s = NULL;
    glim_status status = check(run);
    if (!status)
        status = cli_open(run);
    if (!status)
        status = cli_steer(run, &s);
    if (!status && run->o.positive)
        status = learn(run, s);
    if (!status)
        status = glim_steering_save(s, run->o.out, &run->err);
    if (!status) {
        status = run->o.quiet ? GLIM_OK : tell(run, s);
        cli_wrote(run, run->o.out);
    }
    glim_steering_free(s);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model, steer_flags, cli_flags_resources,
                                           cli_flags_talk, NULL};
static const char *const examples[] = {
    "glim steer -m model.gguf --positive calm.txt --negative angry.txt -o calm.gguf",
    "glim steer -m model.gguf --from mood.safetensors#joy:4@8-16 -o joy.gguf", NULL};

const cli_command cli_steer_command = {
    .name = "steer",
    .summary = "make directions that glim generate --steer adds",
    .synopsis = "-m MODEL --positive FILE --negative FILE -o FILE",
    .examples = examples,
    .groups = groups,
    .run = run_steer,
};
