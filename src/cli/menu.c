/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim explain --list: the methods as a menu, by family: what each says and what it
 * costs. What a family needs stands in its heading, and at a method only what it needs
 * besides. With a model or a predictor named, those that can run on it have a mark.
 */
#include "cli/menu.h"
#include "cli/fitted.h"
#include "cli/picture.h"

#include <string.h>

enum { INDENT = 2, GAP = 2 };

static const struct family {
    const char *name, *title;
    unsigned needs;
} families[] = {
    {"gradients",
     "Gradients: how the target reacts to small changes. Need a model that glim runs, or a fitted "
     "one",
     GLIM_CAN_GRADIENT | GLIM_CAN_ACTIVATIONS},
    {"attention", "Attention: where the model looks. Need a transformer that glim runs",
     GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS},
    {"perturbation", "Perturbation: parts are taken away. Need predictions, of black boxes as well",
     GLIM_CAN_PREDICT},
    {"surrogate",
     "Surrogates: a simple model of what is said around the input. Need predictions, as well",
     GLIM_CAN_PREDICT},
};
enum { FAMILIES = sizeof families / sizeof *families };

static const struct {
    unsigned bit;
    const char *name;
} abilities[] = {{GLIM_CAN_PREDICT, "predictions"}, {GLIM_CAN_GRADIENT, "gradients"},
                 {GLIM_CAN_ATTENTION, "attention"}, {GLIM_CAN_ACTIVATIONS, "activations"},
                 {GLIM_CAN_PROPOSE, "proposals"},   {GLIM_CAN_MAPS, "a picture"}};
enum { ABILITIES = sizeof abilities / sizeof *abilities };

/* By name, else by what it needs. */
static size_t family_of(const glim_method *m) {
    for (size_t i = 0; i < FAMILIES; i++)
        if (!strcmp(m->family, families[i].name))
            return i;
    return m->needs & GLIM_CAN_ATTENTION ? 1 : m->needs & GLIM_CAN_GRADIENT ? 0 : 2;
}

/* ---- what can run ---- */

/* What the named model or predictor gives; false when none is named. */
struct given {
    bool known, picture, table;
    unsigned can;
};

/* Whether it says what else might stand at a place: a decoder, and who fills gaps. */
static bool proposes(const cli_run *run) {
    const glim_model_info *i = glim_model_facts(run->model);
    return i->task == GLIM_TASK_FILL ||
           (i->task == GLIM_TASK_GENERATE && !i->both_ways && !run->o.labels);
}

static glim_status find_given(cli_run *run, struct given *out) {
    const cli_options *o = &run->o;
    *out = (struct given){.known = o->model || o->predictor, .can = GLIM_CAN_PREDICT};
    out->table = o->table != NULL;
    if (o->predictor) {
        out->can |= cli_is_fitted(run) ? GLIM_CAN_GRADIENT : 0;
        out->can |= cli_is_fitted(run) && o->model ? GLIM_CAN_ATTENTION | GLIM_CAN_ACTIVATIONS : 0;
        return GLIM_OK;
    }
    glim_status status = o->model ? cli_open(run) : GLIM_OK;
    if (status || !o->model)
        return status;
    out->picture = cli_reads_pictures(run);
    out->can |= GLIM_CAN_GRADIENT | GLIM_CAN_ACTIVATIONS;
    out->can |= out->picture ? GLIM_CAN_MAPS : GLIM_CAN_ATTENTION;
    out->can |= !out->picture && proposes(run) ? GLIM_CAN_PROPOSE : 0;
    return GLIM_OK;
}

static bool can_run(const struct given *g, const glim_method *m) {
    if (m->needs & ~g->can)
        return false;
    return !m->wants || (!strcmp(m->wants, "a picture") ? g->picture
                         : !strcmp(m->wants, "a table") ? g->table
                                                        : true);
}

/* ---- as text ---- */

struct sheet {
    cli_run *run;
    glim_buffer b;
    struct given given;
    int name, cost, width; /* columns */
};

/* Bytes of a summary that fit: up to a bracket, colon or comma, else a word, behind which
 *cut says that more was to come. */
static size_t fitting(const char *s, size_t most, bool *cut) {
    size_t n = strlen(s), phrase = 0, word = 0;
    *cut = false;
    if (n <= most)
        return n;
    for (size_t i = 1; i <= most; i++) {
        if (s[i] == ' ' && i + 3 <= most)
            word = i;
        if ((s[i] == ' ' && s[i + 1] == '(') || s[i] == ':' || s[i] == ',')
            phrase = i;
    }
    if (phrase > most / 4)
        return phrase;
    *cut = true;
    return word ? word : most - 3;
}

/* "; and attention, a picture": what a method needs besides its family. */
static void extra_needs(const glim_method *m, char out[64]) {
    unsigned extra = m->needs & ~families[family_of(m)].needs & ~(unsigned)GLIM_CAN_PREDICT;
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < ABILITIES; i++)
        if (extra & abilities[i].bit)
            n += (size_t)snprintf(out + n, 64 - n, "%s%s", n ? ", " : "; and ", abilities[i].name);
    if (m->wants)
        snprintf(out + n, 64 - n, "%s%.24s", n ? ", " : "; ", m->wants);
}

static void put_method(struct sheet *s, const glim_method *m) {
    char extra[64];
    extra_needs(m, extra);
    const char *yes = cli_ascii(s->run) ? "+ " : "\xe2\x9c\x93 ";
    int room = s->width - INDENT - s->name - s->cost - 2 * GAP - (int)strlen(extra);
    bool cut;
    size_t n = fitting(m->summary, room > 8 ? (size_t)room : 8, &cut);
    const char *dots = !cut ? "" : cli_ascii(s->run) ? "..." : "\xe2\x80\xa6";
    int used = (int)n + (cut ? cli_ascii(s->run) ? 3 : 1 : 0);
    glim__buffer_puts(&s->b, s->given.known && can_run(&s->given, m) ? yes : "  ");
    glim__buffer_printf(&s->b, "%-*s  %.*s%s%s", s->name, m->name, (int)n, m->summary, dots, extra);
    for (int i = used; i < room + GAP; i++)
        glim__buffer_putc(&s->b, ' ');
    glim__buffer_printf(&s->b, "%s\n", m->costs ? m->costs : "");
}

static void put_family(struct sheet *s, size_t family) {
    bool any = false;
    for (size_t i = 0; glim_methods()[i]; i++) {
        if (family_of(glim_methods()[i]) != family)
            continue;
        if (!any)
            cli_put_wrapped(&s->b, s->width, 0, families[family].title);
        any = true;
        put_method(s, glim_methods()[i]);
    }
}

/* Which of them, by how many parts are scored and how many passes may be spent. */
static void put_foot(struct sheet *s) {
    const char *marks = !s->given.known     ? "-m MODEL marks what can run on it."
                        : cli_ascii(s->run) ? "+ can run here."
                                            : "\xe2\x9c\x93 can run here.";
    glim__buffer_putc(&s->b, '\n');
    cli_put_wrapped(&s->b, s->width, 0,
                    "Choosing: occlusion is cheapest. Up to 12 parts shapley is exact "
                    "(--exact-units 12), up to 100 take kernel-shap, of more the gradient, or "
                    "--units sentence. A short answer: lime.");
    char text[128];
    snprintf(text, sizeof text, "d: scored parts; a gradient costs 2 or 3 passes. %s", marks);
    cli_put_wrapped(&s->b, s->width, 0, text);
    glim__buffer_puts(&s->b, "Parameters: glim explain --method NAME --help\n");
}

static glim_status put_text(cli_run *run, const struct given *given) {
    struct sheet s = {.run = run, .given = *given, .width = cli_sheet_width(run)};
    glim__buffer_init(&s.b, run->ctx);
    for (size_t i = 0; glim_methods()[i]; i++) {
        const glim_method *m = glim_methods()[i];
        int name = (int)strlen(m->name), cost = m->costs ? (int)strlen(m->costs) : 0;
        s.name = name > s.name ? name : s.name;
        s.cost = cost > s.cost ? cost : s.cost;
    }
    for (size_t f = 0; f < FAMILIES; f++)
        put_family(&s, f);
    put_foot(&s);
    return cli_put_buffer(run, &s.b, "the list");
}

/* ---- as JSON ---- */

json_t *cli_method_needs(bool *ok, const glim_method *m) {
    json_t *list = json_array();
    for (size_t i = 0; i < ABILITIES; i++)
        if (m->needs & abilities[i].bit)
            glim__json_add(ok, list, json_string(abilities[i].name));
    if (m->wants)
        glim__json_add(ok, list, json_string(m->wants));
    return list;
}

const char *cli_method_family(const glim_method *m) {
    return families[family_of(m)].name;
}

static json_t *method_json(bool *ok, const glim_method *m, const struct given *given) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", json_string(m->name));
    glim__json_set(ok, o, "summary", json_string(m->summary));
    glim__json_set(ok, o, "family", json_string(cli_method_family(m)));
    glim__json_set(ok, o, "needs", cli_method_needs(ok, m));
    glim__json_set(ok, o, "costs", m->costs ? json_string(m->costs) : json_null());
    glim__json_set(ok, o, "additive", json_boolean(m->additive));
    glim__json_set(ok, o, "signed", json_boolean(m->is_signed));
    glim__json_set(ok, o, "caption", json_string(m->caption));
    glim__json_set(ok, o, "formula", json_string(m->formula ? m->formula : ""));
    glim__json_set(ok, o, "use", json_string(m->use ? m->use : ""));
    glim__json_set(ok, o, "avoid", json_string(m->avoid ? m->avoid : ""));
    glim__json_set(ok, o, "cite", json_string(m->cite));
    glim__json_set(ok, o, "possible", given->known ? json_boolean(can_run(given, m)) : json_null());
    return o;
}

glim_status cli_menu(cli_run *run) {
    struct given given;
    bool ok = true;
    glim_status status = find_given(run, &given);
    if (status || !run->o.json)
        return status ? status : put_text(run, &given);
    json_t *all = json_object(), *list = json_array();
    for (size_t i = 0; glim_methods()[i]; i++)
        glim__json_add(&ok, list, method_json(&ok, glim_methods()[i], &given));
    glim__json_set(&ok, all, "schema", json_string("glim.methods/1"));
    glim__json_set(&ok, all, "glim", json_string(glim_version()));
    glim__json_set(&ok, all, "methods", list);
    return cli_put_json(run, run->o.json, all, ok);
}
