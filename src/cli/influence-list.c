/* SPDX-License-Identifier: Apache-2.0 */
/* glim influence --list: the methods by what they are asked of, as text and as JSON, which
   docs/methods.md is written from. */
#include "cli/influence.h"

#include <string.h>

static const struct family {
    const char *name, *title;
} families[] = {
    {"head", "Fitted models of tables, and heads of texts: exact"},
    {"model", "A model's own weights: gradients of packed weights, samples stream"},
    {"data", "The samples themselves: which want a look, and likeness"},
};
enum { FAMILIES = sizeof families / sizeof *families };

/* Methods that meet no gradient are of the samples. */
static const struct family *family_of(const glim_influence_method *m) {
    bool meets = m->params && glim_param_find(m->params, "weights");
    return m->needs & GLIM_INFLUENCE_HEAD ? &families[0] : meets ? &families[1] : &families[2];
}

static json_t *needs_json(const glim_influence_method *m, bool *ok) {
    json_t *list = json_array();
    bool head = m->needs & GLIM_INFLUENCE_HEAD;
    glim__json_add(ok, list, json_string(head ? "a fitted model" : "a model"));
    if (m->needs & GLIM_INFLUENCE_QUERIES)
        glim__json_add(ok, list, json_string("a query"));
    return list;
}

static json_t *method_json(const glim_influence_method *m, bool *ok) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(m->name));
    glim__json_set(ok, o, "summary", json_string(m->summary));
    glim__json_set(ok, o, "family", json_string(family_of(m)->name));
    glim__json_set(ok, o, "formula", json_string(m->formula));
    glim__json_set(ok, o, "use", json_string(m->use));
    glim__json_set(ok, o, "caption", json_string(m->caption));
    glim__json_set(ok, o, "needs", needs_json(m, ok));
    glim__json_set(ok, o, "costs", json_string(m->costs));
    glim__json_set(ok, o, "checkpoints", json_boolean(m->needs & GLIM_INFLUENCE_CHECKPOINTS));
    glim__json_set(ok, o, "by", json_boolean(m->needs & GLIM_INFLUENCE_WHY));
    glim__json_set(ok, o, "cite", json_string(m->cite));
    glim__json_set(ok, o, "params", cli_params_json(ok, m->params));
    return o;
}

static glim_status put_json(cli_run *run) {
    bool ok = true;
    json_t *all = json_object(), *list = json_array();
    for (size_t i = 0; glim__influence_methods()[i]; i++)
        glim__json_add(&ok, list, method_json(glim__influence_methods()[i], &ok));
    glim__json_set(&ok, all, "schema", json_string("glim.influence-methods/1"));
    glim__json_set(&ok, all, "glim", json_string(glim_version()));
    glim__json_set(&ok, all, "methods", list);
    return cli_put_json(run, run->o.json, all, ok);
}

static void put_method(const cli_run *run, glim_buffer *out, const glim_influence_method *m) {
    char text[640];
    int width = cli_sheet_width(run);
    glim__buffer_printf(out, "%s\n", m->name);
    cli_put_wrapped(out, width, 2, m->summary);
    snprintf(text, sizeof text, "when: %s", m->use);
    cli_put_wrapped(out, width, 2, text);
    snprintf(text, sizeof text, "cost: %s%s", m->costs,
             m->needs & GLIM_INFLUENCE_QUERIES ? "; needs a query" : "");
    cli_put_wrapped(out, width, 2, text);
}

glim_status cli_influence_list(cli_run *run) {
    glim_buffer out;
    if (run->o.json)
        return put_json(run);
    glim__buffer_init(&out, run->ctx);
    for (size_t f = 0; f < FAMILIES; f++) {
        glim__buffer_puts(&out, f ? "\n" : "");
        cli_put_wrapped(&out, cli_sheet_width(run), 0, families[f].title);
        for (size_t i = 0; glim__influence_methods()[i]; i++)
            if (family_of(glim__influence_methods()[i]) == &families[f])
                put_method(run, &out, glim__influence_methods()[i]);
    }
    glim__buffer_putc(&out, '\n');
    cli_put_wrapped(&out, cli_sheet_width(run), 0,
                    "Formulas and sources: --list --json, docs/methods.md. Parameters: glim "
                    "influence --method NAME --help");
    return cli_put_buffer(run, &out, "the list");
}
