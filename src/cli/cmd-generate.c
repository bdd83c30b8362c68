/* SPDX-License-Identifier: Apache-2.0 */
/* glim generate: continues a text or a chat, printing whole characters as they
   come. */
#include "base/utf8.h"
#include "cli/commands.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const glim_param own_flags[] = {
    {.name = "tokens",
     .type = GLIM_INT,
     .offset = offsetof(cli_options, tokens),
     .def.i = 64,
     .min = 1,
     .max = 1000000,
     .help = "how many at most",
     .group = "Generation"},
    {.name = "temperature",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, temperature),
     .min = 0,
     .max = 100,
     .help = "0 is greedy"},
    {.name = "top-k",
     .type = GLIM_INT,
     .offset = offsetof(cli_options, top_k),
     .min = 0,
     .max = 1000000,
     .help = "draw from the k most likely (0: all)"},
    {.name = "top-p",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, top_p),
     .def.r = 1,
     .min = 0,
     .max = 1,
     .help = "draw from the most likely that hold this share"},
    {.name = "beams",
     .type = GLIM_INT,
     .offset = offsetof(cli_options, beams),
     .def.i = 1,
     .min = 1,
     .max = GLIM_MOST_BEAMS,
     .help = "encoder-decoders: beginnings that are kept in step"},
    {.name = "length-penalty",
     .type = GLIM_REAL,
     .offset = offsetof(cli_options, length_penalty),
     .def.r = 1,
     .min = -10,
     .max = 10,
     .help = "beams: scores are divided by length to this power"},
    {.name = "early-stop",
     .type = GLIM_BOOL,
     .offset = offsetof(cli_options, early_stop),
     .help = "beams: done when as many texts are finished"},
    {0},
};

struct stream {
    cli_run *run;
    char pending[64];
    size_t n;
    double *probs;
    size_t count;
    bool ascii;
    glim_buffer shown; /* what is ready, made safe */
    glim_status status;
};

/* Whole characters go out, with whatever could steer a terminal written as an
   escape. */
static bool put_safe(struct stream *s, const char *text, size_t n) {
    glim__buffer_clear(&s->shown);
    cli_visible(&s->shown, text, n, CLI_STREAM, s->ascii);
    if (s->shown.failed)
        s->status = glim__oom(s->run->ctx, &s->run->err, "the text", n);
    else if (s->shown.len)
        s->status = cli_put(s->run, s->shown.data, s->shown.len);
    return !s->status;
}

/* Bytes of pending that form whole characters (a broken byte counts). */
static size_t whole(const char *s, size_t n) {
    size_t at = 0;
    while (at < n) {
        uint32_t cp;
        int len = glim__utf8_decode(s + at, n - at, &cp);
        unsigned char c = (unsigned char)s[at];
        size_t wants = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (!len && n - at < wants)
            break;
        at += len ? (size_t)len : 1;
    }
    return at;
}

static bool show(void *data, int32_t id, double probability) {
    struct stream *s = data;
    size_t len;
    const char *bytes = glim_model_token_bytes(s->run->model, id, &len);
    s->probs[s->count++] = probability;
    if (s->run->model->encoder && s->count == 1 && len && *bytes == ' ') {
        bytes++; /* nothing stands before the word */
        len--;
    }
    if (s->run->o.json)
        return !glim_context_cancelled(s->run->ctx);
    while (len) {
        size_t part = sizeof s->pending - s->n < len ? sizeof s->pending - s->n : len;
        memcpy(s->pending + s->n, bytes, part);
        s->n += part;
        bytes += part;
        len -= part;
        size_t ready = whole(s->pending, s->n);
        if (!put_safe(s, s->pending, ready))
            return false;
        memmove(s->pending, s->pending + ready, s->n - ready);
        s->n -= ready;
    }
    return !glim_context_cancelled(s->run->ctx);
}

static glim_status as_json(cli_run *run, size_t start, const double *probs, bool partial) {
    bool ok = true;
    json_t *all = json_object(), *list = json_array();
    size_t from = start < run->tokens->count ? run->tokens->at[start].start : run->tokens->text_len;
    for (size_t i = start; i < run->tokens->count; i++) {
        json_t *o = cli_token_json(run, &run->tokens->at[i], &ok);
        glim__json_set(&ok, o, "prob", glim__json_number(probs[i - start]));
        glim__json_add(&ok, list, o);
    }
    glim__json_set(&ok, all, "schema", json_string("glim.generation/1"));
    glim__json_set(&ok, all, "text",
                   glim__json_text(run->tokens->text + from, run->tokens->text_len - from));
    glim__json_set(&ok, all, "tokens", list);
    if (run->model->steering)
        glim__json_set(&ok, all, "steering", json_string(run->model->steering));
    glim__json_set(&ok, all, "partial", json_boolean(partial));
    return cli_put_json(run, run->o.json, all, ok);
}

static glim_status check_beams(cli_run *run) {
    if (run->o.beams <= 1)
        return GLIM_OK;
    if (!run->model->encoder)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--beams is for encoder-decoders; '%s' continues a text", run->o.model);
    return run->o.temperature > 0
               ? glim_fail(&run->err, GLIM_EUSAGE, "give either --beams or --temperature")
               : GLIM_OK;
}

/* The model's own way to go on. */
static glim_status produce(cli_run *run, size_t most, struct stream *s) {
    glim_sampling how = {.temperature = run->o.temperature,
                         .top_k = run->o.top_k,
                         .top_p = run->o.top_p,
                         .seed = (uint64_t)run->o.seed};
    glim_writing write = {.beams = (int)run->o.beams,
                          .length_penalty = run->o.length_penalty,
                          .early_stop = run->o.early_stop,
                          .sampling = &how};
    return run->model->encoder
               ? glim_translate(run->model, run->tokens, most, &write, show, s, &run->err)
               : glim_generate(run->model, run->tokens, most, &how, show, s, &run->err);
}

static glim_status run_generate(cli_run *run) {
    glim_status status = cli_open(run);
    if (!status)
        status = check_beams(run);
    if (!status)
        status = cli_input(run);
    if (!status && run->o.dry_run)
        return cli_plan_pass(run, 1, (size_t)run->o.tokens, false);
    if (status)
        return status;
    struct stream s = {.run = run, .ascii = cli_ascii(run)};
    size_t start = run->tokens->count;
    glim__buffer_init(&s.shown, run->ctx);
    size_t most = (size_t)glim_model_facts(run->model)->context_length;
    most = (size_t)run->o.tokens < most ? (size_t)run->o.tokens : most;
    s.probs = glim__calloc(run->ctx, most, sizeof *s.probs);
    if (!s.probs)
        return glim__oom(run->ctx, &run->err, "probabilities", most * sizeof *s.probs);
    status = produce(run, most, &s);
    status = status ? status : s.status;
    if (!status && glim_context_cancelled(run->ctx))
        status = glim_fail(&run->err, GLIM_ECANCELLED, "interrupted");
    glim_status written = GLIM_OK;
    glim_error kept = run->err;
    bool partial = status == GLIM_ECANCELLED;
    glim_context_reset(run->ctx);
    if (run->o.json && (!status || partial))
        written = as_json(run, start, s.probs, partial);
    else if (!run->o.json && (!status || s.count) && put_safe(&s, s.pending, s.n))
        written = cli_put(run, "\n", 1);
    if (status)
        run->err = kept;
    else
        status = written;
    if (!status && !run->model->encoder && !run->o.quiet &&
        run->tokens->count == (size_t)glim_model_facts(run->model)->context_length)
        fprintf(stderr, "glim: note: the context is full\n");
    glim__buffer_release(&s.shown);
    glim__free(run->ctx, s.probs);
    return status;
}

static const glim_param *const groups[] = {cli_flags_model, cli_flags_input, own_flags,
                                           cli_flags_steer, cli_flags_json,  cli_flags_resources,
                                           cli_flags_plan,  cli_flags_talk,  NULL};
static const char *const examples[] = {
    "glim generate -m model.gguf --chat talk.json --tokens 40",
    "glim generate -m model.gguf --steer calm.gguf:2@8-16 \"I feel\"", NULL};

const cli_command cli_generate = {
    .name = "generate",
    .summary = "continue a text or a chat; translate",
    .synopsis = "-m MODEL TEXT",
    .steers = true,
    .text = "text",
    .examples = examples,
    .groups = groups,
    .run = run_generate,
};
