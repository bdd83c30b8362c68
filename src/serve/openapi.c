/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description for programs (OpenAPI 3.1): addresses from the table of routes, bodies from the
 * tables of flags. What a table cannot say, that a parameter is of one method alone, that a file
 * must be there, or that no text holds a NUL, is told by the answer 400.
 */
#include "serve/described.h"

#include <string.h>

enum { LONGEST = 100000 };

/* ---- parameters ---- */

static json_t *text_schema(void) {
    return json_pack("{s:s, s:i}", "type", "string", "maxLength", LONGEST);
}

static json_t *schema_of(bool *ok, const glim_param *p) {
    json_t *o = NULL;
    bool bounded = p->min != 0 || p->max != 0;
    switch (p->type) {
    case GLIM_BOOL:
        o = json_pack("{s:s}", "type", "boolean");
        break;
    case GLIM_INT:
    case GLIM_REAL:
        o = json_pack("{s:s}", "type", p->type == GLIM_INT ? "integer" : "number");
        if (bounded) {
            glim__json_set(ok, o, "minimum", json_real(p->min));
            glim__json_set(ok, o, "maximum", json_real(p->max));
        }
        break;
    case GLIM_CHOICE:
        o = json_pack("{s:o}", "enum", serve_choices_json(ok, p->choices));
        break;
    default:
        o = p->type == GLIM_SIZE ? json_pack("{s:s, s:i}", "type", "integer", "minimum", 0)
            : p->max > 1 ? json_pack("{s:s, s:o, s:f}", "type", "array", "items", text_schema(),
                                     "maxItems", p->max)
                         : text_schema();
    }
    glim__json_set(ok, o, "description", json_string(p->help));
    return o;
}

/* A name that methods use differently may hold anything here. */
static void add_params(bool *ok, json_t *properties, const glim_param *p, const char *before) {
    for (; p && p->type != GLIM_PARAM_END; p++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s%s", before ? before : "", before ? "." : "", p->name);
        if (serve_flag_kind(p) == SERVE_HIDDEN)
            continue;
        bool taken = json_object_get(properties, name) != NULL;
        glim__json_set(ok, properties, name, taken ? json_object() : schema_of(ok, p));
    }
}

static json_t *parameters_of(bool *ok, const serve_command *c) {
    json_t *properties = json_object(), *own = json_object(), *v;
    const char *name;
    for (size_t g = 0; c->groups[g]; g++)
        add_params(ok, properties, c->groups[g], NULL);
    for (size_t i = 0; c->takes_method && glim_methods()[i]; i++)
        add_params(ok, own, glim_methods()[i]->params, NULL);
    for (size_t i = 0; c->takes_influence && glim__influence_methods()[i]; i++)
        add_params(ok, own, glim__influence_methods()[i]->params, NULL);
    for (size_t i = 0; c->takes_metrics && glim_metrics()[i]; i++)
        add_params(ok, own, glim_metrics()[i]->params, glim_metrics()[i]->name);
    json_object_foreach(own, name, v) { /* the command's own rows go before */
        if (!json_object_get(properties, name))
            glim__json_set(ok, properties, name, json_incref(v));
    }
    json_decref(own);
    return json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties",
                     properties);
}

/* ---- bodies ---- */

static json_t *long_text(void) {
    return json_pack("{s:s}", "type", "string");
}

static json_t *chat_schema(void) {
    json_t *message = json_pack("{s:s, s:b, s:[s,s], s:{s:o, s:o}}", "type", "object",
                                "additionalProperties", 0, "required", "role", "content",
                                "properties", "role", text_schema(), "content", long_text());
    return json_pack("{s:s, s:i, s:o}", "type", "array", "minItems", 1, "items", message);
}

static json_t *input_of(bool *ok, const serve_command *c) {
    json_t *properties = json_object();
    if (c->text && !strcmp(c->text, "text")) {
        glim__json_set(ok, properties, "text", long_text());
        glim__json_set(ok, properties, "source", long_text());
    }
    if (serve_has_flag(c, "chat"))
        glim__json_set(ok, properties, "chat", chat_schema());
    if (serve_has_flag(c, "file") || serve_reads_path(c))
        glim__json_set(ok, properties, "file", text_schema());
    return json_pack("{s:s, s:b, s:i, s:o}", "type", "object", "additionalProperties", 0,
                     "maxProperties", 1, "properties", properties);
}

static json_t *request_of(bool *ok, const glim_server *s, const serve_command *c, bool named) {
    json_t *properties = json_object(), *ids = json_array();
    for (size_t i = 0; i < s->models.n; i++)
        glim__json_add(ok, ids, json_string(s->models.at[i].id));
    if (named)
        glim__json_set(ok, properties, "command", json_pack("{s:s}", "const", c->name));
    bool model = json_array_size(ids) && serve_has_flag(c, "model");
    if (model)
        glim__json_set(ok, properties, "model", json_pack("{s:o}", "enum", ids));
    else
        json_decref(ids);
    glim__json_set(ok, properties, "input", input_of(ok, c));
    glim__json_set(ok, properties, "parameters", parameters_of(ok, c));
    json_t *required = json_array();
    if (named)
        glim__json_add(ok, required, json_string("command"));
    if (c->wants_model && s->models.n > 1)
        glim__json_add(ok, required, json_string("model"));
    return json_pack("{s:s, s:b, s:o, s:o}", "type", "object", "additionalProperties", 0,
                     "required", required, "properties", properties);
}

static json_t *any_request(bool *ok, const glim_server *s, bool plans) {
    json_t *list = json_array();
    for (const serve_command *c = s->o->commands; c->name; c++)
        if (!plans || serve_has_flag(c, "dry-run"))
            glim__json_add(ok, list, request_of(ok, s, c, true));
    return json_pack("{s:o}", "oneOf", list);
}

static json_t *mark_schema(void) {
    return json_pack("{s:s, s:b, s:i, s:{s:{s:s, s:i}, s:{s:s}}}", "type", "object",
                     "additionalProperties", 0, "minProperties", 1, "properties", "title", "type",
                     "string", "maxLength", 100, "pinned", "type", "boolean");
}

static json_t *body_of(bool *ok, const glim_server *s, const serve_route *r) {
    const char *type = r->body == SERVE_BYTES ? "application/octet-stream" : "application/json";
    json_t *schema = NULL;
    if (r->body == SERVE_JOB)
        schema = any_request(ok, s, strstr(r->path, "plan") != NULL);
    else if (r->body == SERVE_QUESTION)
        schema = request_of(ok, s, serve_command_find(s->o, r->command), false);
    else if (r->body == SERVE_MARK)
        schema = mark_schema();
    else if (r->body == SERVE_DOCUMENT)
        schema = json_pack("{s:s, s:[s], s:{s:{s:s, s:s}}}", "type", "object", "required", "schema",
                           "properties", "schema", "type", "string", "pattern", "^glim\\.");
    else
        schema = json_object();
    return json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content", type, "schema", schema);
}

/* ---- addresses ---- */

static json_t *query_of(const char *name) {
    static const char *const places[] = {"layer", "head", "level", "row", "column"};
    bool number = !strcmp(name, "limit") || !strcmp(name, "before"), place = false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        place |= !strcmp(name, places[i]);
    json_t *schema = place ? json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 0,
                                       "maximum", !strcmp(name, "level") ? 12 : 4095)
                     : number
                         ? json_pack("{s:s, s:i, s:I}", "type", "integer", "minimum", 1, "maximum",
                                     !strcmp(name, "limit") ? (json_int_t)1000 : 999999999999999999)
                     : !strcmp(name, "lang") ? json_pack("{s:[s,s]}", "enum", "en", "zh-CN")
                     : !strcmp(name, "name") ? json_pack("{s:s, s:s}", "type", "string", "pattern",
                                                         "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")
                                             : json_pack("{s:s}", "type", "string");
    return json_pack("{s:s, s:s, s:b, s:o}", "name", name, "in", "query", "required",
                     place || !strcmp(name, "name"), "schema", schema);
}

static json_t *id_parameter(void) {
    return json_pack("{s:s, s:s, s:b, s:{s:s, s:i, s:I}}", "name", "id", "in", "path", "required",
                     1, "schema", "type", "integer", "minimum", 1, "maximum",
                     (json_int_t)999999999999999999);
}

static json_t *error_answer(const char *what) {
    return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", what, "content", "application/json",
                     "schema", "$ref", "#/components/schemas/Error");
}

static json_t *good_answer(const serve_route *r) {
    if (r->status == 204)
        return json_pack("{s:s}", "description", r->summary);
    const char *ref = r->run == serve_get_job || r->run == serve_patch_job ||
                              r->run == serve_cancel_job || r->run == serve_post_job
                          ? "#/components/schemas/Job"
                      : r->run == serve_list_jobs ? "#/components/schemas/Jobs"
                                                  : NULL;
    json_t *schema = ref ? json_pack("{s:s}", "$ref", ref) : json_object();
    return json_pack("{s:s, s:{s:{s:o}}}", "description", r->summary, "content",
                     r->type ? r->type : "application/json", "schema", schema);
}

static json_t *answers_of(bool *ok, const serve_route *r) {
    static const struct {
        const char *code, *what;
    } errors[] = {{"400", "the request says what cannot be"},
                  {"401", "the token is missing or wrong"},
                  {"403", "another host or origin"},
                  {"404", "there is none"},
                  {"408", "it did not come in time"},
                  {"413", "the body is too large"},
                  {"429", "too many at once"},
                  {"500", "a fault of glim itself"},
                  {"501", "this glim draws no such figure"},
                  {"503", "the machine cannot now"}};
    char code[8];
    json_t *o = json_object();
    snprintf(code, sizeof code, "%d", r->status ? r->status : 200);
    glim__json_set(ok, o, code, good_answer(r));
    if (r->run == serve_get_events)
        glim__json_set(ok, o, "204", json_pack("{s:s}", "description", "all of it was read"));
    if (r->run == serve_get_page)
        glim__json_set(ok, o, "303",
                       json_pack("{s:s}", "description", "the token became a cookie"));
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        glim__json_set(ok, o, errors[i].code, error_answer(errors[i].what));
    return o;
}

static json_t *operation(bool *ok, const glim_server *s, const serve_route *r) {
    json_t *o = json_object(), *parameters = json_array();
    if (strstr(r->path, "{id}"))
        glim__json_add(ok, parameters, id_parameter());
    for (size_t i = 0; r->query && r->query[i]; i++)
        glim__json_add(ok, parameters, query_of(r->query[i]));
    glim__json_set(ok, o, "summary", json_string(r->summary));
    glim__json_set(ok, o, "parameters", parameters);
    if (r->body)
        glim__json_set(ok, o, "requestBody", body_of(ok, s, r));
    glim__json_set(ok, o, "responses", answers_of(ok, r));
    return o;
}

static json_t *paths_of(bool *ok, const glim_server *s) {
    static const char *const methods[][2] = {
        {"GET", "get"}, {"POST", "post"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
    json_t *paths = json_object();
    for (const serve_route *r = serve_routes; r->method; r++) {
        if (!json_object_get(paths, r->path))
            glim__json_set(ok, paths, r->path, json_object());
        for (size_t i = 0; i < 4; i++)
            if (!strcmp(methods[i][0], r->method))
                glim__json_set(ok, json_object_get(paths, r->path), methods[i][1],
                               operation(ok, s, r));
    }
    return paths;
}

/* ---- the whole ---- */

static json_t *job_schema(bool *ok, bool brief) {
    static const struct {
        const char *name, *a, *b;
        bool whole;
    } members[] = {{"id", "integer"},
                   {"command", "string"},
                   {"state", "string"},
                   {"created", "number"},
                   {"seconds", "number", "null"},
                   {"title", "string"},
                   {"line", "string"},
                   {"pinned", "boolean"},
                   {"document", "boolean"},
                   {"schema", "string", "null"},
                   {"model", "string", "null", true},
                   {"input", "object", "null", true},
                   {"parameters", "object", "null", true},
                   {"progress", "object", "null", true},
                   {"error", "object", "null", true}};
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (members[i].whole && brief)
            continue;
        json_t *type = json_array();
        glim__json_add(ok, type, json_string(members[i].a));
        if (members[i].b)
            glim__json_add(ok, type, json_string(members[i].b));
        glim__json_set(ok, properties, members[i].name, json_pack("{s:o}", "type", type));
        glim__json_add(ok, required, json_string(members[i].name));
    }
    return json_pack("{s:s, s:o, s:o}", "type", "object", "required", required, "properties",
                     properties);
}

json_t *serve_openapi(const glim_server *s, bool *ok) {
    json_t *error = json_pack("{s:s, s:[s], s:{s:{s:s, s:[s,s,s], s:{s:{s:s}, s:{s:s}, s:{s:s}}}}}",
                              "type", "object", "required", "error", "properties", "error", "type",
                              "object", "required", "what", "why", "todo", "properties", "what",
                              "type", "string", "why", "type", "string", "todo", "type", "string");
    json_t *jobs = json_pack("{s:s, s:[s], s:{s:{s:s, s:o}}}", "type", "object", "required", "jobs",
                             "properties", "jobs", "type", "array", "items", job_schema(ok, true));
    json_t *schemas =
        json_pack("{s:o, s:o, s:o}", "Error", error, "Jobs", jobs, "Job", job_schema(ok, false));
    json_t *all = json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.1.0", "info",
                            "title", "glim serve", "version", glim_version(), "description",
                            "Why did the language model say that? Jobs are commands of glim.",
                            "paths", paths_of(ok, s), "components", "schemas", schemas);
    *ok = *ok && all;
    return all;
}
