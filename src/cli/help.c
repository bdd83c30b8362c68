/* SPDX-License-Identifier: Apache-2.0 */
/* Help pages and the machine-readable list of commands, from the tables. */
#include "cli/judge-flags.h"
#include "cli/menu.h"

#include <string.h>

static void value_name(const glim_param *p, char *out, size_t size) {
    const char *by_type = p->type == GLIM_INT    ? "N"
                          : p->type == GLIM_REAL ? "X"
                          : p->type == GLIM_SIZE ? "SIZE"
                                                 : "VALUE";
    const char *name = p->value_name            ? p->value_name
                       : p->type == GLIM_CHOICE ? p->choices
                                                : by_type;
    if (p->type == GLIM_BOOL)
        out[0] = 0;
    else
        snprintf(out, size, p->optional_value ? " [%s]" : " %s", name);
}

static void default_text(const glim_param *p, char *out, size_t size) {
    out[0] = 0;
    if (p->type == GLIM_INT && p->def.i > 0)
        snprintf(out, size, " [%lld]", (long long)p->def.i);
    else if (p->type == GLIM_REAL && p->def.r != 0)
        snprintf(out, size, " [%g]", p->def.r);
    else if ((p->type == GLIM_CHOICE || p->type == GLIM_STRING) && p->def.s)
        snprintf(out, size, " [%s]", p->def.s);
}

enum { COLUMNS = 79, TEXT_AT = 31 };

/* Words within the columns; later lines begin at `indent`. Help is ASCII. */
static void print_wrapped(const char *text, int column, int indent, FILE *out) {
    bool first = true;
    while (*text) {
        int n = (int)strcspn(text, " \n");
        if (!first && column + 1 + n > COLUMNS) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", n, text);
        column += n;
        first = false;
        text += n + (int)strspn(text + n, " \n");
    }
    fputc('\n', out);
}

void cli_print_params(const glim_param *p, FILE *out) {
    for (; p->type != GLIM_PARAM_END; p++) {
        char value[96], def[64], flag[160], text[320];
        value_name(p, value, sizeof value);
        default_text(p, def, sizeof def);
        if (p->letter)
            snprintf(flag, sizeof flag, "-%c, --%s%s", p->letter, p->name, value);
        else
            snprintf(flag, sizeof flag, "    --%s%s", p->name, value);
        snprintf(text, sizeof text, "%s%s", p->help, def);
        if (strlen(flag) > 28)
            fprintf(out, "  %s\n%*s", flag, TEXT_AT, "");
        else
            fprintf(out, "  %-28s ", flag);
        print_wrapped(text, TEXT_AT, TEXT_AT, out);
    }
}

void cli_print_wrapped(const char *text, FILE *out) {
    print_wrapped(text, 0, 0, out);
}

/* Names alone, so that a page fits on a screen; `column` is where the line stands, 0
   before its beginning. Returns where it ends. */
static int print_names(const glim_param *p, int column, FILE *out) {
    for (; p->type != GLIM_PARAM_END; p++) {
        char value[96], flag[160];
        value_name(p, value, sizeof value);
        snprintf(flag, sizeof flag, "--%s%s", p->name, value);
        if (column && column + 2 + (int)strlen(flag) > COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        column += fprintf(out, "  %s", flag);
    }
    return column;
}

/* Those of input, task and target are told by the page of explain. */
static bool is_common(const cli_command *c, const glim_param *group) {
    if ((!strcmp(c->name, "evaluate") || !strcmp(c->name, "compare")) &&
        (group == cli_flags_input || group == cli_flags_task || group == cli_flags_target))
        return true;
    return group == cli_flags_predictor || group == cli_flags_calls || group == cli_flags_picture ||
           group == cli_flags_align || group == cli_flags_judged || group == cli_flags_output ||
           group == cli_flags_resources || group == cli_flags_talk || group == cli_flags_plan;
}

/* With a method chosen, its parameters are the page. */
static void method_help(const cli_run *run, FILE *out) {
    const glim_method *m = run->method;
    const glim_influence_method *s = run->influence;
    const char *command = s ? "influence" : "explain";
    char title[320];
    snprintf(title, sizeof title, "glim %s --method %s: %s", command, s ? s->name : m->name,
             s ? s->summary : m->summary);
    print_wrapped(title, 0, 0, out);
    print_wrapped(s ? s->cite : m->cite, 0, 0, out);
    fputc('\n', out);
    if (cli_own_params(run))
        cli_print_params(cli_own_params(run), out);
    else
        fprintf(out, "  no parameters\n");
    fputc('\n', out);
    print_wrapped(s ? s->caption : m->caption, 0, 0, out);
    fprintf(out, "Other flags: glim %s --help\n", command);
}

/* A long example goes on behind a backslash, as a shell takes it. */
static void print_example(const char *text, bool first, FILE *out) {
    const char *cut = strlen(text) > COLUMNS - 2 ? strstr(text, " -o ") : NULL;
    cut = cut || strlen(text) <= COLUMNS - 2 ? cut : strstr(text, " --");
    fprintf(out, "%s  %.*s", first ? "Examples\n" : "", cut ? (int)(cut - text) : 1000, text);
    fprintf(out, cut ? " \\\n      %s\n" : "\n", cut ? cut + 1 : "");
}

glim_status cli_help(cli_run *run, FILE *out) {
    const cli_command *c = run->command;
    if (run->o.metrics)
        return cli_metrics_help(run, out);
    if (run->method || run->influence) {
        method_help(run, out);
        return GLIM_OK;
    }
    fprintf(out, "glim %s: %s\n\n  glim %s %s\n", c->name, c->summary, c->name, c->synopsis);
    int column = 0;
    for (size_t g = 0; c->groups[g]; g++) {
        const glim_param *group = c->groups[g], *next = c->groups[g + 1];
        bool names = is_common(c, group) && !run->o.verbose;
        if (group[0].group)
            fprintf(out, "%s\n", group[0].group);
        if (!names) {
            cli_print_params(group, out);
            continue;
        }
        column = print_names(group, column, out);
        if (next && !next[0].group && is_common(c, next))
            continue; /* on the same line */
        fputc('\n', out);
        column = 0;
    }
    if (!run->o.verbose)
        fprintf(out, "  (glim %s --help --verbose says what these mean)\n", c->name);
    for (size_t i = 0; c->examples && c->examples[i]; i++)
        print_example(c->examples[i], i == 0, out);
    return GLIM_OK;
}

void cli_overview(FILE *out) {
    fprintf(out, "glim %s: why did the language model say that?\n\n", glim_version());
    for (size_t i = 0; cli_commands[i]; i++)
        fprintf(out, "  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fprintf(out, "\nBegin with   glim explain -m MODEL.gguf \"The capital of France is\"\n"
                 "Help         glim COMMAND --help\n");
}

/* ---- for man pages, completions and docs ---- */

json_t *cli_params_json(bool *ok, const glim_param *p) {
    static const char *const types[] = {"", "bool", "int", "real", "string", "choice", "size"};
    json_t *list = json_array();
    for (; p && p->type != GLIM_PARAM_END; p++) {
        char value[96], def[64];
        value_name(p, value, sizeof value);
        default_text(p, def, sizeof def);
        json_t *row = json_object();
        glim__json_set(ok, row, "name", json_string(p->name));
        glim__json_set(ok, row, "type", json_string(types[p->type]));
        glim__json_set(ok, row, "value", json_string(*value ? value + 1 : ""));
        glim__json_set(ok, row, "help", json_string(p->help));
        if (p->letter)
            glim__json_set(ok, row, "letter", json_stringn(&p->letter, 1));
        if (p->choices)
            glim__json_set(ok, row, "choices", json_string(p->choices));
        if (*def)
            glim__json_set(ok, row, "default", json_stringn(def + 2, strlen(def) - 3));
        if (p->group)
            glim__json_set(ok, row, "group", json_string(p->group));
        glim__json_add(ok, list, row);
    }
    return list;
}

static json_t *command_json(bool *ok, const cli_command *c) {
    json_t *object = json_object(), *flags = json_array(), *examples = json_array();
    for (size_t g = 0; c->groups[g]; g++) {
        json_t *table = cli_params_json(ok, c->groups[g]);
        *ok = *ok && json_array_extend(flags, table) == 0;
        json_decref(table);
    }
    for (size_t i = 0; c->examples && c->examples[i]; i++)
        glim__json_add(ok, examples, json_string(c->examples[i]));
    glim__json_set(ok, object, "name", json_string(c->name));
    glim__json_set(ok, object, "summary", json_string(c->summary));
    glim__json_set(ok, object, "synopsis", json_string(c->synopsis));
    glim__json_set(ok, object, "flags", flags);
    glim__json_set(ok, object, "examples", examples);
    return object;
}

static json_t *method_json(bool *ok, const glim_method *m) {
    json_t *object = json_object();
    glim__json_set(ok, object, "name", json_string(m->name));
    glim__json_set(ok, object, "summary", json_string(m->summary));
    glim__json_set(ok, object, "cite", json_string(m->cite));
    glim__json_set(ok, object, "caption", json_string(m->caption));
    glim__json_set(ok, object, "formula", json_string(m->formula ? m->formula : ""));
    glim__json_set(ok, object, "use", json_string(m->use ? m->use : ""));
    glim__json_set(ok, object, "avoid", json_string(m->avoid ? m->avoid : ""));
    glim__json_set(ok, object, "family", json_string(cli_method_family(m)));
    glim__json_set(ok, object, "needs", cli_method_needs(ok, m));
    glim__json_set(ok, object, "costs", json_string(m->costs ? m->costs : ""));
    glim__json_set(ok, object, "params", cli_params_json(ok, m->params));
    return object;
}

glim_status cli_dump_commands(cli_run *run, FILE *out) {
    bool ok = true;
    json_t *all = json_object(), *commands = json_array(), *methods = json_array();
    for (size_t i = 0; cli_commands[i]; i++)
        glim__json_add(&ok, commands, command_json(&ok, cli_commands[i]));
    for (size_t i = 0; glim_methods()[i]; i++)
        glim__json_add(&ok, methods, method_json(&ok, glim_methods()[i]));
    glim__json_set(&ok, all, "version", json_string(glim_version()));
    glim__json_set(&ok, all, "commands", commands);
    glim__json_set(&ok, all, "methods", methods);
    ok = ok && json_dumpf(all, out, JSON_INDENT(1)) == 0;
    fputc('\n', out);
    json_decref(all);
    return ok ? GLIM_OK : glim_fail(&run->err, GLIM_ENOMEM, "out of memory: the commands");
}
