/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of a request to glim serve: words of a command, or a message. No value
   becomes a flag of its own: each word is a known flag, "--", or the text behind it. */
#include "cli/commands.h"
#include "serve/job-words.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const serve_words *w) {
    static const char *const never[] = {
        "--predictor=process", "--kernels", "--store", "--raw", "--html", "--out"};
    const char *word = w->words.data;
    bool text = false;
    for (size_t i = 0; i < w->n; i++, word += strlen(word) + 1) {
        if (word >= w->words.data + w->words.len || (i && !text && strncmp(word, "--", 2) != 0))
            abort();
        for (size_t k = 0; !text && k < sizeof never / sizeof *never; k++)
            if (!strncmp(word, never[k], strlen(never[k])))
                abort();
        text = text || !strcmp(word, "--");
    }
    if (word != w->words.data + w->words.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    serve_command commands[64];
    serve_model model = {.id = "m", .path = (char[]){"/m.gguf"}, .given = "m.gguf"};
    serve_models models = {&model, 1};
    serve_places places = {.root = "/nosuch", .uploads = "/nosuch", .folder = "/nosuch"};
    serve_options options = {.commands = commands};
    serve_words words;
    glim_error err = {0};
    json_t *body = NULL;
    glim_context *ctx;
    if (glim__context_new(&ctx, &(glim_context_options){.threads = 1}, &err))
        return 0;
    places.ctx = ctx;
    cli_serve_commands(commands, 64);
    glim_status status = glim__json_parse(&body, (const char *)data, n, "the body", &err);
    if (!status)
        status = serve_words_make(&words, &options, &models, &places, body, NULL, &err);
    if (!status) {
        check(&words);
        serve_words_release(&words);
    } else if (!*err.message) {
        abort();
    }
    json_decref(body);
    glim_context_free(ctx);
    return 0;
}
