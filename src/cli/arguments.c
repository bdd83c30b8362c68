/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags from the tables. getopt_long is not used: it abbreviates, it cannot take
 * `--json` and `--json FILE.json` alike, and its messages name no neighbour. One
 * grammar: --name VALUE, --name=VALUE, -m VALUE, -qv, -- ends the flags, anything
 * else is the text.
 */
#include "base/nearest.h"
#include "cli/cli.h"
#include "cli/judge-flags.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

struct found {
    const glim_param *param;
    void *options;
};

const glim_param *cli_own_params(const cli_run *run) {
    return run->influence ? run->influence->params : run->method ? run->method->params : NULL;
}

static struct found find_in(cli_run *run, const char *name, size_t len, char letter) {
    for (size_t g = 0; run->command->groups[g]; g++)
        for (const glim_param *p = run->command->groups[g]; p->type != GLIM_PARAM_END; p++)
            if (letter ? p->letter == letter
                       : strlen(p->name) == len && !memcmp(p->name, name, len))
                return (struct found){p, &run->o};
    const glim_param *own = cli_own_params(run);
    for (; own && own->type != GLIM_PARAM_END && !letter; own++)
        if (strlen(own->name) == len && !memcmp(own->name, name, len))
            return (struct found){own, run->method_opts};
    return (struct found){0};
}

static void consider(const glim_param *table, const char *name, size_t n, int *best,
                     const char **out) {
    for (; table && table->type != GLIM_PARAM_END; table++) {
        int d = glim__edit_distance(name, n, table->name);
        if (d < *best && (size_t)d < n) {
            *best = d;
            *out = table->name;
        }
    }
}

/* The method that has such a parameter, or NULL. */
static const char *method_with(const char *name, size_t n) {
    for (size_t i = 0; glim_methods()[i]; i++)
        for (const glim_param *p = glim_methods()[i]->params; p && p->type != GLIM_PARAM_END; p++)
            if (strlen(p->name) == n && !memcmp(p->name, name, n))
                return glim_methods()[i]->name;
    return NULL;
}

static glim_status unknown(cli_run *run, const char *arg, size_t n) {
    const char *near = NULL;
    const char *other = run->command->takes_method ? method_with(arg + 2, n - 2) : NULL;
    int best = 4;
    if (other)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "'%.*s' is for other methods, such as %s (name the method: --method %s)",
                         (int)n, arg, other, other);
    for (size_t g = 0; run->command->groups[g]; g++)
        consider(run->command->groups[g], arg + 2, n - 2, &best, &near);
    consider(cli_own_params(run), arg + 2, n - 2, &best, &near);
    if (near)
        return glim_fail(&run->err, GLIM_EUSAGE, "%s has no flag '%.*s' (did you mean --%s?)",
                         run->command->name, (int)n, arg, near);
    return glim_fail(&run->err, GLIM_EUSAGE, "%s has no flag '%.*s' (see glim %s --help)",
                     run->command->name, (int)n, arg, run->command->name);
}

/* ---- values ---- */

/* A flag with an optional value takes the next word only when it looks like a
   file of its kind, so that `--json TEXT` leaves the text alone. */
static bool looks_like_file(const char *flag, const char *word) {
    char end[16];
    snprintf(end, sizeof end, ".%.12s", flag);
    size_t n = strlen(word), m = strlen(end);
    return n > m && !strcmp(word + n - m, end);
}

/* The next free place of a flag that may be given several times. */
static glim_status add_value(const glim_param *p, void *options, const char *value,
                             glim_error *err) {
    const char **at = (const char **)(void *)((char *)options + p->offset);
    for (size_t i = 0; i < (size_t)p->max; i++)
        if (!at[i]) {
            at[i] = value;
            return GLIM_OK;
        }
    return glim_fail(err, GLIM_EUSAGE, "--%s may be given %.0f times", p->name, p->max);
}

static glim_status set_flag(cli_run *run, struct found f, const char *inline_value, int argc,
                            char **argv, int *i) {
    const glim_param *p = f.param;
    if (p->type == GLIM_BOOL) {
        if (inline_value)
            return glim_fail(&run->err, GLIM_EUSAGE, "--%s takes no value", p->name);
        *(bool *)(void *)((char *)f.options + p->offset) = true;
        return GLIM_OK;
    }
    const char *value = inline_value;
    bool next = *i + 1 < argc;
    if (!value && p->optional_value)
        value = next && argv[*i + 1][0] != '-' && looks_like_file(p->name, argv[*i + 1])
                    ? argv[++*i]
                    : "-";
    else if (!value && next)
        value = argv[++*i];
    if (!value)
        return glim_fail(&run->err, GLIM_EUSAGE, "--%s wants a value", p->name);
    if (p->type == GLIM_STRING && p->max > 1)
        return add_value(p, f.options, value, &run->err);
    return glim_param_set(p, f.options, value, &run->err);
}

static glim_status take_text(cli_run *run, const char *arg) {
    const cli_command *c = run->command;
    if (!c->text)
        return glim_fail(&run->err, GLIM_EUSAGE, "%s takes no text, but there is '%.40s'", c->name,
                         arg);
    if (run->o.text)
        return glim_fail(&run->err, GLIM_EUSAGE, "there are two %ss, '%.40s' and '%.40s'%s",
                         c->text, run->o.text, arg,
                         strcmp(c->text, "text") ? "" : " (put a text of several words in quotes)");
    run->o.text = arg;
    return GLIM_OK;
}

/* -m VALUE, -mVALUE, -qv. */
static glim_status parse_letters(cli_run *run, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    for (size_t k = 1; arg[k]; k++) {
        struct found f = find_in(run, NULL, 0, arg[k]);
        if (!f.param)
            return glim_fail(&run->err, GLIM_EUSAGE,
                             "%s has no flag '%s%.40s' (see glim %s --help%s)", run->command->name,
                             k == 1 ? "" : "-", arg + (k == 1 ? 0 : k), run->command->name,
                             run->command->text ? "; what begins with - goes behind --" : "");
        if (f.param->type != GLIM_BOOL)
            return set_flag(run, f, arg[k + 1] ? arg + k + 1 : NULL, argc, argv, i);
        set_flag(run, f, NULL, argc, argv, i);
    }
    return GLIM_OK;
}

/* --METRIC.PARAM, whose messages name it whole. */
static glim_status set_metric(cli_run *run, const char *name, const char *inline_value, int argc,
                              char **argv, int *i) {
    struct found f = {0};
    glim_status status = cli_metric_param(run, name, &f.param, &f.options);
    if (status)
        return status;
    glim_param whole = *f.param;
    whole.name = name;
    f.param = &whole;
    return set_flag(run, f, inline_value, argc, argv, i);
}

static glim_status parse_word(cli_run *run, int argc, char **argv, int *i) {
    char *arg = argv[*i];
    if (arg[0] != '-' || !arg[1])
        return take_text(run, arg);
    if (arg[1] != '-')
        return parse_letters(run, argc, argv, i);
    char *equals = strchr(arg, '=');
    size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
    if (run->command->takes_metrics && memchr(arg + 2, '.', n - 2)) {
        char name[100];
        snprintf(name, sizeof name, "%.*s", (int)(n - 2 < 90 ? n - 2 : 90), arg + 2);
        return set_metric(run, name, equals ? equals + 1 : NULL, argc, argv, i);
    }
    struct found f = find_in(run, arg + 2, n - 2, 0);
    if (!f.param)
        return unknown(run, arg, n);
    return set_flag(run, f, equals ? equals + 1 : NULL, argc, argv, i);
}

/* The method is looked up first, because its parameters are flags. */
static glim_status find_method(cli_run *run, int argc, char **argv) {
    const char *name = NULL;
    for (int i = 2; i < argc && strcmp(argv[i], "--"); i++) {
        if (!strcmp(argv[i], "--method") && i + 1 < argc)
            name = argv[++i];
        else if (!strncmp(argv[i], "--method=", 9))
            name = argv[i] + 9;
    }
    if (!name)
        return GLIM_OK;
    bool samples = run->command->takes_influence;
    run->influence = samples ? glim__influence_find(name) : NULL;
    run->method = samples ? NULL : glim_method_find(name);
    if (!run->method && !run->influence)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "there is no method '%.60s' (glim %s --list names them)", name,
                         samples ? "influence" : "explain");
    run->method_opts =
        calloc(1, (samples ? run->influence->opts_size : run->method->opts_size) + 1);
    if (!run->method_opts)
        return glim_fail(&run->err, GLIM_ENOMEM, "out of memory");
    if (cli_own_params(run))
        glim_param_defaults(cli_own_params(run), run->method_opts);
    return GLIM_OK;
}

glim_status cli_parse(cli_run *run, int argc, char **argv) {
    for (size_t g = 0; run->command->groups[g]; g++)
        glim_param_defaults(run->command->groups[g], &run->o);
    bool methods = run->command->takes_method || run->command->takes_influence;
    glim_status status = methods ? find_method(run, argc, argv) : GLIM_OK;
    bool flags = true;
    for (int i = 2; i < argc && !status; i++) {
        if (flags && !strcmp(argv[i], "--")) {
            flags = false;
        } else {
            status = flags ? parse_word(run, argc, argv, &i) : take_text(run, argv[i]);
        }
    }
    return status;
}
