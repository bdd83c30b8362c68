/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's body to the words of a command (job-words.h). */
#include "serve/words-inside.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 400, TITLE = 100 };

/* ---- finding ---- */

const serve_command *serve_command_find(const serve_options *o, const char *name) {
    for (const serve_command *c = o->commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

const serve_model *serve_model_find(const serve_models *models, const char *id) {
    for (size_t i = 0; i < models->n; i++)
        if (!strcmp(models->at[i].id, id))
            return &models->at[i];
    return NULL;
}

const glim_param *serve_flag_find(const serve_command *c, const char *name) {
    for (size_t g = 0; c->groups[g]; g++) {
        const glim_param *p = glim_param_find(c->groups[g], name);
        if (p)
            return p;
    }
    return NULL;
}

static const glim_param *own_table(const serve_command *c, const char *method) {
    const glim_method *m = method && c->takes_method ? glim_method_find(method) : NULL;
    const glim_influence_method *s =
        method && c->takes_influence ? glim__influence_find(method) : NULL;
    return m ? m->params : s ? s->params : NULL;
}

static const glim_param *find_metric_param(const char *name) {
    const char *dot = strchr(name, '.');
    for (size_t i = 0; dot && glim_metrics()[i]; i++) {
        const glim_metric *m = glim_metrics()[i];
        if (strlen(m->name) == (size_t)(dot - name) &&
            !strncmp(m->name, name, (size_t)(dot - name)))
            return m->params ? glim_param_find(m->params, dot + 1) : NULL;
    }
    return NULL;
}

const glim_param *serve_param_find(const serve_command *c, const char *method, const char *name) {
    const glim_param *own = own_table(c, method), *p = serve_flag_find(c, name);
    if (!p && own)
        p = glim_param_find(own, name);
    if (!p && c->takes_metrics)
        p = find_metric_param(name);
    return p && serve_flag_kind(p) != SERVE_HIDDEN ? p : NULL;
}

/* ---- words ---- */

void serve_words_init(serve_words *w, glim_context *ctx, const serve_command *command) {
    *w = (serve_words){.command = command};
    glim__buffer_init(&w->words, ctx);
    glim__buffer_init(&w->line, ctx);
    glim__buffer_init(&w->blob, ctx);
    glim__buffer_init(&w->title, ctx);
    if (command) {
        serve_words_add(w, "%s", command->name);
        glim__buffer_printf(&w->line, "glim %s", command->name);
    }
}

void serve_words_release(serve_words *w) {
    glim__buffer_release(&w->words);
    glim__buffer_release(&w->line);
    glim__buffer_release(&w->blob);
    glim__buffer_release(&w->title);
    json_decref(w->asked);
    w->asked = NULL;
}

void serve_words_add(serve_words *w, const char *format, ...) {
    char few[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(few, sizeof few, format, args);
    va_end(args);
    char *many = n < (int)sizeof few ? NULL : glim__alloc(w->words.ctx, (size_t)n + 1);
    if (n >= (int)sizeof few && many) {
        va_start(args, format);
        vsnprintf(many, (size_t)n + 1, format, args);
        va_end(args);
    }
    if (n >= (int)sizeof few && !many)
        w->words.failed = true;
    else
        glim__buffer_append(&w->words, many ? many : few, (size_t)n + 1);
    glim__free(w->words.ctx, many);
    w->n++;
}

/* A word as a shell reads it. */
void serve_put_quoted(glim_buffer *out, const char *s) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%^";
    if (*s && strspn(s, plain) == strlen(s)) {
        glim__buffer_puts(out, s);
        return;
    }
    glim__buffer_putc(out, '\'');
    for (; *s; s++)
        glim__buffer_puts(out, *s == '\'' ? "'\\''" : (char[]){*s, 0});
    glim__buffer_putc(out, '\'');
}

/* --name=value for the child; for people with what they would have typed. */
static void add_flag(serve_words *w, const char *name, const char *value, const char *typed) {
    glim__buffer_printf(&w->line, " --%s", name);
    if (value) {
        serve_words_add(w, "--%s=%s", name, value);
        glim__buffer_putc(&w->line, *typed == '-' ? '=' : ' ');
        serve_put_quoted(&w->line, typed);
    } else {
        serve_words_add(w, "--%s", name);
    }
}

/* The first line of it, cut between characters. */
void serve_add_title(serve_words *w, const char *text) {
    size_t n = strcspn(text, "\n"), cut = n < TITLE ? n : TITLE;
    while (cut && cut < n && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    if (w->title.len || !cut)
        return;
    glim__buffer_append(&w->title, text, cut);
    if (text[cut])
        glim__buffer_puts(&w->title, "\xe2\x80\xa6");
}

/* ---- values ---- */

glim_status serve_wrong(const serve_asking *a, const char *member, const char *why) {
    return glim_fail(a->err, GLIM_EUSAGE, "%.80s: %s", member, why);
}

/* A string without NUL that a system hands on. */
glim_status serve_text_of(const serve_asking *a, const json_t *v, const char *member, size_t most,
                          const char **out) {
    *out = json_string_value(v);
    if (!*out)
        return serve_wrong(a, member, "a text is expected");
    if (strlen(*out) != json_string_length(v))
        return serve_wrong(a, member, "a text holds no NUL");
    if (json_string_length(v) > most)
        return glim_fail(a->err, GLIM_EUSAGE, "%.80s: longer than %zu bytes (send a file)", member,
                         most);
    return GLIM_OK;
}

/* The path that a value begins with, or that of a model named by its id. */
static glim_status file_value(serve_asking *a, const glim_param *p, const char *given,
                              glim_buffer *out) {
    char path[PATH_MAX];
    size_t from = !strncmp(given, "upload:", 7) ? 7 : 0;
    const char *form = p->value_name ? p->value_name : "";
    bool alone = !strpbrk(form, ":[") && strcmp(form, "SPEC") && strcmp(p->name, "color-by");
    size_t n = alone ? strlen(given) : from + strcspn(given + from, "#:@");
    char *name = glim__strndup(a->w->words.ctx, given, n);
    if (!name)
        return glim__oom(a->w->words.ctx, a->err, "a name", n);
    const serve_model *m = serve_model_find(a->models, name);
    bool models = m && (!strcmp(p->name, "other") || !strcmp(p->name, "checkpoint"));
    glim_status status = models ? GLIM_OK : serve_resolve(a->places, name, false, path, a->err);
    glim__free(a->w->words.ctx, name);
    if (!status)
        glim__buffer_printf(out, "%s%s", models ? m->path : path, given + n);
    return status ? glim_prefix(a->err, status, "%s", p->name) : GLIM_OK;
}

/* FILE#COLUMN is one, a column alone is not; links and units are numbers and signs, or one. */
static bool names_file(const glim_param *p, const char *s) {
    return !strcmp(p->name, "color-by") ? strchr(s, '#') != NULL
                                        : strspn(s, "0123456789 ,-p?") != strlen(s);
}

static glim_status string_value(serve_asking *a, const glim_param *p, const char *given,
                                glim_buffer *out) {
    serve_flag kind = serve_flag_kind(p);
    if (kind == SERVE_FITTED) {
        if (strncmp(given, "fit:", 4) != 0)
            return serve_wrong(a, p->name, "only what was fitted may be asked (fit:FILE)");
        glim__buffer_puts(out, "fit:");
        return file_value(a, p, given + 4, out);
    }
    if (kind == SERVE_FILE || (kind == SERVE_EITHER && names_file(p, given)))
        return file_value(a, p, given, out);
    glim__buffer_puts(out, given);
    return GLIM_OK;
}

/* The value in the form of a flag's word, checked by the flag's row. */
static glim_status word_of(serve_asking *a, const glim_param *p, const char *name, const json_t *v,
                           char number[40], const char **out) {
    union {
        int64_t i;
        double r;
        const char *s;
        uint64_t u;
        bool b;
    } scratch;
    glim_param row = *p;
    row.offset = 0;
    row.name = name;
    bool whole = json_is_integer(v) ||
                 (json_is_real(v) && json_real_value(v) >= -0x1p53 &&
                  json_real_value(v) <= 0x1p53 && json_real_value(v) == floor(json_real_value(v)));
    *out = number;
    if (json_is_string(v) && p->type != GLIM_INT && p->type != GLIM_REAL) {
        glim_status status = serve_text_of(a, v, name, LONGEST_VALUE, out);
        if (status)
            return status;
    } else if (json_is_integer(v) && p->type != GLIM_STRING && p->type != GLIM_CHOICE) {
        snprintf(number, 40, "%lld", (long long)json_integer_value(v));
    } else if (whole && p->type == GLIM_INT) {
        snprintf(number, 40, "%.0f", json_real_value(v));
    } else if (json_is_real(v) && p->type == GLIM_REAL) {
        glim__number_text(json_real_value(v), false, number);
    } else {
        return serve_wrong(a, name,
                           p->type == GLIM_INT    ? "a whole number is expected"
                           : p->type == GLIM_REAL ? "a number is expected"
                           : p->type == GLIM_SIZE
                               ? "a number of bytes is expected, or a text such as 2G"
                               : "a text is expected");
    }
    return glim_param_set(&row, &scratch, *out, a->err);
}

static glim_status add_value(serve_asking *a, const glim_param *p, const char *name,
                             const json_t *v) {
    char number[40] = "";
    const char *word;
    glim_buffer value;
    glim__buffer_init(&value, a->w->words.ctx);
    glim_status status = word_of(a, p, name, v, number, &word);
    if (!status)
        status = p->type == GLIM_STRING ? string_value(a, p, word, &value) : GLIM_OK;
    if (!status && p->type != GLIM_STRING)
        glim__buffer_puts(&value, word);
    if (!status && value.failed)
        status = glim__oom(a->w->words.ctx, a->err, "a parameter", value.len);
    if (!status)
        add_flag(a->w, name, value.data ? value.data : "", word);
    glim__buffer_release(&value);
    return status;
}

static glim_status add_parameter(serve_asking *a, const char *name, const json_t *v) {
    const glim_param *p = serve_param_find(a->w->command, a->method, name);
    if (!p)
        return glim_fail(a->err, GLIM_EUSAGE,
                         "%.80s: %s has no such parameter for requests (GET /commands names them)",
                         name, a->w->command->name);
    if (json_is_null(v))
        return GLIM_OK;
    if (p->type == GLIM_BOOL) {
        if (!json_is_boolean(v))
            return serve_wrong(a, name, "true or false is expected");
        if (json_is_true(v))
            add_flag(a->w, name, NULL, NULL);
        return GLIM_OK;
    }
    if (!json_is_array(v))
        return add_value(a, p, name, v);
    if (p->type != GLIM_STRING || p->max <= 1)
        return serve_wrong(a, name, "one value is expected, not a list");
    glim_status status =
        json_array_size(v) > (size_t)p->max
            ? glim_fail(a->err, GLIM_EUSAGE, "%s: %.0f values at most", name, p->max)
            : GLIM_OK;
    for (size_t i = 0; !status && i < json_array_size(v); i++)
        status = add_value(a, p, name, json_array_get(v, i));
    return status;
}

static glim_status add_parameters(serve_asking *a) {
    const char *name;
    const json_t *v;
    glim_status status = GLIM_OK;
    const json_t *method = json_object_get(a->parameters, "method");
    if (json_is_string(method))
        status = serve_text_of(a, method, "method", LONGEST_VALUE, &a->method);
    if (status)
        return status;
    if (a->method && a->w->command->takes_method && !glim_method_find(a->method))
        return serve_wrong(a, "method", "there is none of this name (GET /commands names them)");
    if (a->method && a->w->command->takes_influence && !glim__influence_find(a->method))
        return serve_wrong(a, "method", "there is none of this name (GET /commands names them)");
    json_object_foreach((json_t *)a->parameters, name, v) {
        if (!status)
            status = add_parameter(a, name, v);
    }
    return status;
}

/* ---- the whole ---- */

static glim_status find_command(serve_asking *a, const char *command, glim_context *ctx) {
    const json_t *v = json_object_get(a->body, "command");
    const char *key;
    const json_t *member;
    if (!json_is_object(a->body))
        return serve_wrong(a, "the body", "an object is expected");
    json_object_foreach((json_t *)a->body, key, member) {
        if ((strcmp(key, "command") || command) && strcmp(key, "model") && strcmp(key, "input") &&
            strcmp(key, "parameters"))
            return serve_wrong(a, key,
                               "there is no such member (command, model, input, parameters)");
    }
    if (!command) {
        glim_status status = serve_text_of(a, v, "command", LONGEST_VALUE, &command);
        if (status)
            return status;
    }
    const serve_command *c = serve_command_find(a->o, command);
    if (!c)
        return serve_wrong(a, "command", "there is none of this name (GET /commands names them)");
    serve_words_init(a->w, ctx, c);
    return GLIM_OK;
}

/* What the server says itself, where the command has such a flag. */
static void add_own(serve_asking *a) {
    const serve_options *o = a->o;
    if (serve_flag_find(a->w->command, "quiet"))
        serve_words_add(a->w, "--quiet");
    if (o->threads && serve_flag_find(a->w->command, "threads"))
        serve_words_add(a->w, "--threads=%lld", (long long)o->threads);
    if (o->memory && serve_flag_find(a->w->command, "memory"))
        serve_words_add(a->w, "--memory=%llu", (unsigned long long)o->memory);
}

static glim_status keep_asked(serve_asking *a, const serve_model *model) {
    bool ok = true;
    json_t *asked = a->w->asked = json_object();
    json_t *input = json_object_get(a->body, "input"), *parameters = (json_t *)a->parameters;
    glim__json_set(&ok, asked, "model", model ? json_string(model->id) : json_null());
    glim__json_set(&ok, asked, "input", input ? json_incref(input) : json_null());
    glim__json_set(&ok, asked, "parameters", parameters ? json_incref(parameters) : json_object());
    return ok ? GLIM_OK : glim_fail(a->err, GLIM_ENOMEM, "out of memory: the request");
}

glim_status serve_words_make(serve_words *w, const serve_options *o, const serve_models *models,
                             const serve_places *places, const json_t *body, const char *command,
                             glim_error *err) {
    const serve_model *model = NULL;
    serve_asking a = {.w = w, .o = o, .models = models, .places = places, .body = body, .err = err};
    *w = (serve_words){0};
    glim_status status = find_command(&a, command, places->ctx);
    if (status)
        return status;
    const json_t *parameters = json_object_get(body, "parameters");
    a.parameters = json_is_null(parameters) ? NULL : parameters;
    if (a.parameters && !json_is_object(a.parameters))
        status = serve_wrong(&a, "parameters", "an object is expected");
    add_own(&a);
    if (!status)
        status = serve_add_model(&a, &model);
    if (!status && a.parameters)
        status = add_parameters(&a);
    if (!status)
        status = serve_add_input(&a, model);
    if (!status)
        status = keep_asked(&a, model);
    serve_add_title(w, w->command->name);
    if (!status && w->n > MOST_WORDS)
        status = serve_wrong(&a, "parameters", "too many");
    if (!status && (w->words.failed || w->line.failed || w->blob.failed || w->title.failed))
        status = glim__oom(places->ctx, err, "the words of the request", w->words.len);
    if (status)
        serve_words_release(w);
    return status;
}

/* Behind the command's name, since behind "--" nothing is a flag. */
void serve_words_flag(serve_words *w, const char *flag, const char *value) {
    glim_buffer all, old = w->words;
    if (old.failed)
        return;
    size_t first = strlen(old.data) + 1;
    glim__buffer_init(&all, old.ctx);
    glim__buffer_append(&all, old.data, first);
    glim__buffer_printf(&all, "--%s%s%s", flag, value ? "=" : "", value ? value : "");
    glim__buffer_append(&all, "", 1);
    glim__buffer_append(&all, old.data + first, old.len - first);
    w->words = all;
    w->n++;
    glim__buffer_release(&old);
}

glim_status serve_words_report(serve_words *w, const char *path, glim_error *err) {
    const char *produces = w->command->produces ? w->command->produces : "";
    bool viewed = !strcmp(produces, "glim.explanation/1") || !strcmp(produces, "glim.influence/1");
    if (!viewed && serve_flag_find(w->command, "html"))
        serve_words_flag(w, "html", path);
    return w->words.failed ? glim__oom(w->words.ctx, err, "the words of the request", w->words.len)
                           : GLIM_OK;
}

glim_status serve_words_answer(serve_words *w, const char *path, bool dry_run, glim_error *err) {
    if (dry_run && !serve_flag_find(w->command, "dry-run"))
        return glim_fail(err, GLIM_EUSAGE, "command: %s has no plan", w->command->name);
    if (dry_run)
        serve_words_flag(w, "dry-run", NULL);
    serve_words_flag(w, "json", path);
    return w->words.failed ? glim__oom(w->words.ctx, err, "the words of the request", w->words.len)
                           : GLIM_OK;
}
