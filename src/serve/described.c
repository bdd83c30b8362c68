/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says of itself: its models, and the commands with their parameters, from the
 * tables that the command line is made of. It does not change while the server runs.
 */
#include "serve/described.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static json_t *text_or_null(const char *s) {
    return s ? json_string(s) : json_null();
}

/* ---- parameters ---- */

json_t *serve_choices_json(bool *ok, const char *choices) {
    json_t *list = json_array();
    for (const char *c = choices; c && *c;) {
        size_t n = strcspn(c, "|");
        glim__json_add(ok, list, json_stringn(c, n));
        c += n + (c[n] == '|');
    }
    return list;
}

static const char *type_of(const glim_param *p) {
    switch (p->type) {
    case GLIM_BOOL:
        return "bool";
    case GLIM_INT:
        return "integer";
    case GLIM_REAL:
        return "number";
    case GLIM_CHOICE:
        return "choice";
    default:
        return p->type == GLIM_STRING && p->max > 1 ? "list" : "text";
    }
}

/* As help tells it: what is not said is left to the command. */
static json_t *default_of(const glim_param *p) {
    if (p->type == GLIM_BOOL)
        return json_false();
    if (p->type == GLIM_INT)
        return p->def.i > 0 ? json_integer(p->def.i) : json_null();
    if (p->type == GLIM_REAL)
        return p->def.r != 0 ? json_real(p->def.r) : json_null();
    return p->type == GLIM_SIZE ? json_null() : text_or_null(p->def.s);
}

static json_t *param_json(bool *ok, const glim_param *p, const char *group) {
    json_t *o = json_object();
    bool bounded = (p->type == GLIM_INT || p->type == GLIM_REAL) && (p->min != 0 || p->max != 0);
    serve_flag kind = serve_flag_kind(p);
    glim__json_set(ok, o, "name", json_string(p->name));
    glim__json_set(ok, o, "type", json_string(type_of(p)));
    glim__json_set(ok, o, "default", default_of(p));
    glim__json_set(ok, o, "minimum", bounded ? glim__json_number(p->min) : json_null());
    glim__json_set(ok, o, "maximum", bounded ? glim__json_number(p->max) : json_null());
    glim__json_set(ok, o, "choices",
                   p->type == GLIM_CHOICE ? serve_choices_json(ok, p->choices) : json_null());
    glim__json_set(ok, o, "help", json_string(p->help));
    glim__json_set(ok, o, "group", text_or_null(group));
    glim__json_set(ok, o, "file", json_boolean(kind == SERVE_FILE || kind == SERVE_FITTED));
    return o;
}

static void add_params(bool *ok, json_t *list, const glim_param *p, const char **group) {
    for (; p && p->type != GLIM_PARAM_END; p++) {
        *group = p->group ? p->group : *group;
        if (serve_flag_kind(p) != SERVE_HIDDEN)
            glim__json_add(ok, list, param_json(ok, p, *group));
    }
}

static json_t *own_params(bool *ok, const glim_param *p) {
    const char *group = NULL;
    json_t *list = json_array();
    add_params(ok, list, p, &group);
    return list;
}

/* ---- commands and methods ---- */

bool serve_has_flag(const serve_command *c, const char *name) {
    for (size_t g = 0; c->groups[g]; g++)
        if (glim_param_find(c->groups[g], name))
            return true;
    return false;
}

static json_t *inputs_of(bool *ok, const serve_command *c) {
    json_t *list = json_array();
    if (c->text && !strcmp(c->text, "text")) {
        glim__json_add(ok, list, json_string("text"));
        glim__json_add(ok, list, json_string("source"));
    }
    if (serve_has_flag(c, "chat"))
        glim__json_add(ok, list, json_string("chat"));
    if (serve_has_flag(c, "file") || serve_reads_path(c))
        glim__json_add(ok, list, json_string("file"));
    return list;
}

static json_t *command_json(bool *ok, const serve_command *c) {
    const char *group = NULL;
    json_t *o = json_object(), *params = json_array();
    for (size_t g = 0; c->groups[g]; g++)
        add_params(ok, params, c->groups[g], &group);
    glim__json_set(ok, o, "name", json_string(c->name));
    glim__json_set(ok, o, "summary", json_string(c->summary));
    glim__json_set(ok, o, "family", text_or_null(c->family));
    glim__json_set(ok, o, "input", inputs_of(ok, c));
    glim__json_set(ok, o, "produces", text_or_null(c->produces));
    glim__json_set(ok, o, "wants_model", json_boolean(c->wants_model));
    glim__json_set(ok, o, "takes_model", json_boolean(serve_has_flag(c, "model")));
    glim__json_set(ok, o, "plans", json_boolean(serve_has_flag(c, "dry-run")));
    glim__json_set(ok, o, "takes_methods", json_boolean(c->takes_method));
    glim__json_set(ok, o, "takes_metrics", json_boolean(c->takes_metrics));
    glim__json_set(ok, o, "takes_influence_methods", json_boolean(c->takes_influence));
    glim__json_set(ok, o, "parameters", params);
    return o;
}

static json_t *method_json(bool *ok, const serve_options *options, const glim_method *m) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(m->name));
    glim__json_set(ok, o, "summary", json_string(m->summary));
    glim__json_set(ok, o, "family", json_string(options->family(m)));
    glim__json_set(ok, o, "needs", options->needs(ok, m));
    glim__json_set(ok, o, "cost", text_or_null(m->costs));
    glim__json_set(ok, o, "caption", text_or_null(m->caption));
    glim__json_set(ok, o, "cite", text_or_null(m->cite));
    glim__json_set(ok, o, "parameters", own_params(ok, m->params));
    return o;
}

static json_t *influence_json(bool *ok, const glim_influence_method *m) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(m->name));
    glim__json_set(ok, o, "summary", json_string(m->summary));
    glim__json_set(ok, o, "use", text_or_null(m->use));
    glim__json_set(ok, o, "cost", text_or_null(m->costs));
    glim__json_set(ok, o, "caption", text_or_null(m->caption));
    glim__json_set(ok, o, "cite", text_or_null(m->cite));
    glim__json_set(ok, o, "parameters", own_params(ok, m->params));
    return o;
}

static json_t *metric_json(bool *ok, const glim_metric *m) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(m->name));
    glim__json_set(ok, o, "summary", json_string(m->summary));
    glim__json_set(ok, o, "quality", json_string(glim_quality_name(m->quality)));
    glim__json_set(ok, o, "cost", text_or_null(m->cost));
    glim__json_set(ok, o, "caption", text_or_null(m->caption));
    glim__json_set(ok, o, "cite", text_or_null(m->cite));
    glim__json_set(ok, o, "parameters", own_params(ok, m->params));
    return o;
}

static json_t *commands_json(bool *ok, const serve_options *options) {
    json_t *o = json_object(), *commands = json_array(), *methods = json_array();
    json_t *influence = json_array(), *metrics = json_array();
    for (const serve_command *c = options->commands; c->name; c++)
        glim__json_add(ok, commands, command_json(ok, c));
    for (size_t i = 0; glim_methods()[i]; i++)
        glim__json_add(ok, methods, method_json(ok, options, glim_methods()[i]));
    for (size_t i = 0; glim__influence_methods()[i]; i++)
        glim__json_add(ok, influence, influence_json(ok, glim__influence_methods()[i]));
    for (size_t i = 0; glim_metrics()[i]; i++)
        glim__json_add(ok, metrics, metric_json(ok, glim_metrics()[i]));
    glim__json_set(ok, o, "commands", commands);
    glim__json_set(ok, o, "methods", methods);
    glim__json_set(ok, o, "influence_methods", influence);
    glim__json_set(ok, o, "metrics", metrics);
    return o;
}

/* ---- the server ---- */

static json_t *info_json(bool *ok, const glim_server *s) {
    json_t *o = json_object(), *models = json_array(), *limits = json_object();
    for (size_t i = 0; i < s->models.n; i++)
        glim__json_add(ok, models, json_incref(s->models.at[i].info));
    glim__json_set(ok, limits, "queue", json_integer(s->o->queue));
    glim__json_set(ok, limits, "workers", json_integer(s->o->workers));
    glim__json_set(ok, limits, "body_bytes", json_integer((json_int_t)s->o->body));
    glim__json_set(ok, limits, "memory",
                   s->o->memory ? json_integer((json_int_t)s->o->memory) : json_null());
    glim__json_set(ok, limits, "threads", json_integer(s->o->threads));
    glim__json_set(ok, o, "version", json_string(glim_version()));
    glim__json_set(ok, o, "models", models);
    glim__json_set(ok, o, "root", json_boolean(*s->places.root));
    glim__json_set(ok, o, "history_limit", s->o->keep ? json_integer(s->o->keep) : json_null());
    glim__json_set(ok, o, "token_required", json_boolean(*s->token));
    glim__json_set(ok, o, "limits", limits);
    return o;
}

static glim_status fix(glim_server *s, serve_fixed *f, json_t *value, bool ok, glim_error *err) {
    uint8_t hash[8];
    char hex[17];
    char *text = ok && value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    glim__buffer_init(&f->text, s->ctx);
    glim__buffer_puts(&f->text, text ? text : "");
    bool refused = !text || f->text.failed;
    free(text);
    if (refused)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: the server's description");
    uint8_t whole[16];
    crypto_generichash(whole, sizeof whole, (const uint8_t *)f->text.data, f->text.len, NULL, 0);
    memcpy(hash, whole, sizeof hash);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(f->etag, sizeof f->etag, "\"%s\"", hex);
    return GLIM_OK;
}

glim_status serve_describe(glim_server *s, glim_error *err) {
    bool ok = true;
    json_t *value = info_json(&ok, s);
    glim_status status = fix(s, &s->info, value, ok, err);
    value = status ? NULL : commands_json(&ok, s->o);
    if (!status)
        status = fix(s, &s->commands, value, ok, err);
    value = status ? NULL : serve_openapi(s, &ok);
    if (!status)
        status = fix(s, &s->openapi, value, ok, err);
    return status;
}

serve_result serve_get_info(serve_request *r) {
    return serve_reply_fixed(r, &r->server->info, "application/json");
}

serve_result serve_get_commands(serve_request *r) {
    return serve_reply_fixed(r, &r->server->commands, "application/json");
}

serve_result serve_get_openapi(serve_request *r) {
    return serve_reply_fixed(r, &r->server->openapi, "application/json");
}
