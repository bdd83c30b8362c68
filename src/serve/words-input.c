/* SPDX-License-Identifier: Apache-2.0 */
/* The model of a request, and what it is to read: a text, a chat, a file. */
#include "serve/words-inside.h"

#include <string.h>

glim_status serve_add_model(serve_asking *a, const serve_model **model) {
    const json_t *v = json_object_get(a->body, "model");
    const char *id = NULL;
    *model = NULL;
    if (v && !json_is_null(v)) {
        glim_status status = serve_text_of(a, v, "model", LONGEST_VALUE, &id);
        *model = status ? NULL : serve_model_find(a->models, id);
        if (status || !*model)
            return status
                       ? status
                       : serve_wrong(a, "model", "there is none of this id (GET /info names them)");
    } else if (a->w->command->wants_model) {
        if (a->models->n != 1)
            return serve_wrong(a, "model", "one of GET /info has to be named");
        *model = a->models->at;
    }
    if (!*model)
        return GLIM_OK;
    if (!serve_flag_find(a->w->command, "model"))
        return serve_wrong(a, "model", "this command takes none");
    serve_words_add(a->w, "--model=%s", (*model)->path);
    glim__buffer_puts(&a->w->line, " -m ");
    serve_put_quoted(&a->w->line, (*model)->given);
    return GLIM_OK;
}

/* Behind all flags. A long text goes through a descriptor: a word's length is limited. */
static glim_status add_text(serve_asking *a, const json_t *v) {
    const char *text;
    glim_status status = serve_text_of(a, v, "input.text", SIZE_MAX, &text);
    if (status)
        return status;
    if (!a->w->command->text || strcmp(a->w->command->text, "text") != 0)
        return serve_wrong(a, "input.text", "this command reads none");
    serve_add_title(a->w, text);
    glim__buffer_puts(&a->w->line, *text == '-' ? " -- " : " ");
    serve_put_quoted(&a->w->line, text);
    if (strlen(text) < LONGEST_WORD && strcmp(text, "-") != 0) {
        serve_words_add(a->w, "--");
        serve_words_add(a->w, "%s", text);
        return GLIM_OK;
    }
    if (!serve_flag_find(a->w->command, "file"))
        return serve_wrong(a, "input.text", "this command reads no long text");
    serve_words_add(a->w, "--file=/proc/self/fd/4");
    glim__buffer_printf(&a->w->blob, "%s\n", text); /* a file's last line end is not the text's */
    return GLIM_OK;
}

static glim_status check_message(const serve_asking *a, const json_t *message) {
    const char *text, *key;
    const json_t *v;
    json_object_foreach((json_t *)message, key, v) {
        if (strcmp(key, "role") && strcmp(key, "content"))
            return serve_wrong(a, "input.chat", "a message has \"role\" and \"content\" alone");
    }
    glim_status status =
        serve_text_of(a, json_object_get(message, "role"), "input.chat.role", LONGEST_VALUE, &text);
    return status ? status
                  : serve_text_of(a, json_object_get(message, "content"), "input.chat.content",
                                  SIZE_MAX, &text);
}

static glim_status add_chat(serve_asking *a, const json_t *chat) {
    size_t n = json_array_size(chat);
    glim_status status =
        n ? GLIM_OK
          : serve_wrong(a, "input.chat",
                        "a list of {\"role\", \"content\"} is expected, one at least");
    if (!status && !serve_flag_find(a->w->command, "chat"))
        status = serve_wrong(a, "input.chat", "this command reads no chat");
    if (!status && json_object_get(a->parameters, "corrupt"))
        status =
            serve_wrong(a, "corrupt", "of a chat it would be a file (put the chat into one text)");
    for (size_t i = 0; !status && i < n; i++)
        status = check_message(a, json_array_get(chat, i));
    if (!status)
        status = glim__json_write(&a->w->blob, chat, 0, false, a->err);
    if (status)
        return status;
    serve_add_title(a->w,
                    json_string_value(json_object_get(json_array_get(chat, n - 1), "content")));
    serve_words_add(a->w, "--chat=/proc/self/fd/4");
    glim__buffer_puts(&a->w->line, " --chat chat.json");
    return GLIM_OK;
}

/* Its word without a flag is the name of a file: of vectors. */
bool serve_reads_path(const serve_command *c) {
    return c->text && strcmp(c->text, "text") != 0 && !c->wants_model;
}

/* A file of text; of a model that looks at pictures the picture. */
static glim_status add_file(serve_asking *a, const json_t *v, bool picture) {
    char path[PATH_MAX];
    const char *name;
    glim_status status = serve_text_of(a, v, "input.file", PATH_MAX, &name);
    if (!status)
        status = serve_resolve(a->places, name, false, path, a->err);
    if (status)
        return status;
    bool word = picture || serve_reads_path(a->w->command);
    if (!word && !serve_flag_find(a->w->command, "file"))
        return serve_wrong(a, "input.file", "this command reads no file of text");
    serve_add_title(a->w, strrchr(path, '/') + 1);
    if (word) {
        serve_words_add(a->w, "--");
        serve_words_add(a->w, "%s", path);
        glim__buffer_putc(&a->w->line, ' ');
        serve_put_quoted(&a->w->line, name);
    } else {
        serve_words_add(a->w, "--file=%s", path);
        glim__buffer_puts(&a->w->line, " --file ");
        serve_put_quoted(&a->w->line, name);
    }
    return GLIM_OK;
}

glim_status serve_add_input(serve_asking *a, const serve_model *model) {
    const json_t *input = json_object_get(a->body, "input"), *v;
    const char *key, *task = json_string_value(json_object_get(a->parameters, "task"));
    bool picture = (model && model->picture) || (task && !strcmp(task, "image"));
    if (!input || json_is_null(input))
        return GLIM_OK;
    if (!json_is_object(input) || json_object_size(input) > 1)
        return serve_wrong(a, "input", "one of text, chat, source and file is expected");
    json_object_foreach((json_t *)input, key, v) {
        bool text = !strcmp(key, "text") || !strcmp(key, "source");
        if (picture && strcmp(key, "file") != 0)
            return serve_wrong(a, "input", "a picture is expected (input.file)");
        if (!text && strcmp(key, "chat") && strcmp(key, "file"))
            return serve_wrong(a, "input", "one of text, chat, source and file is expected");
        return text ? add_text(a, v) : *key == 'c' ? add_chat(a, v) : add_file(a, v, picture);
    }
    return GLIM_OK;
}
