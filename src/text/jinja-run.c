/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a template's tree. Loops, macros and the blocks of `set` have a scope
 * of their own, `if` has none, as Jinja rules; the first error ends everything.
 */
#include "text/jinja-inside.h"

#include <string.h>

static void statements(glim_jinja_run *r, const glim_jinja_node *n);

/* ---- names ---- */

static void define(glim_jinja_run *r, glim_jinja_text name, glim_jinja_value value) {
    if (!r->status &&
        !glim__jinja_dict_set(r->arena, &r->scope->variables, glim__jinja_of_text(name), value))
        r->status = glim__oom(r->arena->ctx, r->err, "the chat", 0);
}

static void assign(glim_jinja_run *r, const glim_jinja_node *target, glim_jinja_value value) {
    if (target->kind == JINJA_NAME) {
        define(r, target->value.text, value);
    } else if (target->kind == JINJA_TUPLE) {
        glim_jinja_list parts = glim__jinja_elements(r, &value);
        size_t i = 0;
        for (const glim_jinja_node *t = target->a; t && !r->status; t = t->next, i++)
            if (i < parts.n)
                assign(r, t, parts.at[i]);
            else
                break;
        size_t want = 0;
        for (const glim_jinja_node *t = target->a; t; t = t->next)
            want++;
        if (want != parts.n)
            glim__jinja_fail(r, GLIM_EUNSUPPORTED,
                             "the chat template takes %zu values for %zu names", parts.n, want);
    } else if (target->kind == JINJA_ATTR) {
        glim_jinja_value space = glim__jinja_eval(r, target->a);
        if (space.type != GLIM_JINJA_NAMESPACE)
            glim__jinja_fail(r, GLIM_EUNSUPPORTED,
                             "the chat template sets '%.*s' of what is no namespace",
                             (int)target->value.text.n, target->value.text.s);
        else if (!glim__jinja_dict_set(r->arena, space.dict, target->value, value))
            r->status = glim__oom(r->arena->ctx, r->err, "the chat", 0);
    } else {
        glim__jinja_fail(r, GLIM_EUNSUPPORTED, "the chat template sets what is no name");
    }
}

static glim_jinja_scope *enter(glim_jinja_run *r, glim_jinja_scope *parent) {
    glim_jinja_scope *before = r->scope, *s = glim__jinja_alloc(r, 1, sizeof *s);
    if (s) {
        s->parent = parent;
        r->scope = s;
    }
    return before;
}

glim_jinja_value glim__jinja_macro(glim_jinja_run *r, const glim_jinja_value *m,
                                   const glim_jinja_args *args) {
    glim_jinja_out mine = {0}, *before_out = r->out;
    glim_jinja_scope *before = enter(r, m->scope);
    size_t i = 0, used = 0;
    if (r->status)
        return *m;
    for (const glim_jinja_node *p = m->node->b; p && !r->status; p = p->next, i++) {
        const glim_jinja_value *given = NULL;
        for (size_t k = 0; k < args->n && !given; k++)
            if (args->keyword[k].n
                    ? args->keyword[k].n == p->value.text.n &&
                          !memcmp(args->keyword[k].s, p->value.text.s, p->value.text.n)
                    : k == i)
                given = &args->at[k];
        used += given != NULL;
        glim_jinja_value v = {.text = p->value.text};
        define(r, p->value.text, given ? *given : p->a ? glim__jinja_eval(r, p->a) : v);
    }
    if (used != args->n)
        glim__jinja_fail(r, GLIM_EUNSUPPORTED,
                         "the chat template calls a macro with wrong arguments");
    r->out = &mine;
    statements(r, m->node->c);
    r->out = before_out;
    r->scope = before;
    r->flow = JINJA_GO;
    return glim__jinja_of_text(glim__jinja_taken(&mine));
}

/* ---- statements ---- */

static void set_loop(glim_jinja_run *r, const glim_jinja_list *list, size_t i) {
    glim_jinja_value loop = {.type = GLIM_JINJA_DICT,
                             .dict = glim__jinja_alloc(r, 1, sizeof *loop.dict)};
    const struct {
        const char *name;
        glim_jinja_value value;
    } parts[] = {{"index", glim__jinja_int((int64_t)i + 1)},
                 {"index0", glim__jinja_int((int64_t)i)},
                 {"revindex", glim__jinja_int((int64_t)(list->n - i))},
                 {"revindex0", glim__jinja_int((int64_t)(list->n - i - 1))},
                 {"first", glim__jinja_bool(!i)},
                 {"last", glim__jinja_bool(i + 1 == list->n)},
                 {"length", glim__jinja_int((int64_t)list->n)},
                 {"previtem", i ? list->at[i - 1] : (glim_jinja_value){0}},
                 {"nextitem", i + 1 < list->n ? list->at[i + 1] : (glim_jinja_value){0}}};
    for (size_t k = 0; k < sizeof parts / sizeof *parts && !r->status; k++)
        if (parts[k].value.type != GLIM_JINJA_UNDEFINED &&
            !glim__jinja_dict_set(r->arena, loop.dict,
                                  glim__jinja_string(parts[k].name, NULL, strlen(parts[k].name)),
                                  parts[k].value))
            r->status = glim__oom(r->arena->ctx, r->err, "the chat", 0);
    define(r, (glim_jinja_text){"loop", NULL, 4}, loop);
}

/* The elements that the loop's condition lets through. */
static glim_jinja_list chosen(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value over = glim__jinja_eval(r, n->a);
    glim_jinja_list all = r->status ? (glim_jinja_list){0} : glim__jinja_elements(r, &over);
    if (!n->e || r->status)
        return all;
    glim_jinja_value kept = glim__jinja_new_list(r, GLIM_JINJA_LIST, all.n);
    size_t count = 0;
    for (size_t i = 0; i < all.n && !r->status; i++) {
        glim_jinja_scope *before = enter(r, r->scope);
        if (!r->status)
            assign(r, n->b, all.at[i]);
        glim_jinja_value yes = r->status ? (glim_jinja_value){0} : glim__jinja_eval(r, n->e);
        if (glim__jinja_truth(&yes))
            kept.list->at[count++] = all.at[i];
        r->scope = before;
    }
    return r->status ? (glim_jinja_list){0} : (glim_jinja_list){kept.list->at, count};
}

static void for_loop(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_list list = chosen(r, n);
    glim_jinja_scope *before = r->scope;
    for (size_t i = 0; i < list.n && glim__jinja_step(r); i++) {
        enter(r, before);
        if (r->status)
            break;
        set_loop(r, &list, i);
        if (!r->status)
            assign(r, n->b, list.at[i]);
        statements(r, n->c);
        bool stop = r->flow == JINJA_TO_BREAK;
        r->flow = JINJA_GO;
        r->scope = before;
        if (stop)
            break;
    }
    if (!list.n && !r->status) {
        enter(r, before);
        statements(r, n->d);
    }
    r->scope = before;
}

static void set(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value value;
    if (n->a) {
        value = glim__jinja_eval(r, n->a);
    } else {
        glim_jinja_out mine = {0}, *out = r->out;
        glim_jinja_scope *before = enter(r, r->scope);
        r->out = &mine;
        statements(r, n->c);
        value = glim__jinja_of_text(glim__jinja_taken(&mine));
        if (n->d && !r->status) {
            define(r, (glim_jinja_text){"", NULL, 0}, value);
            value = glim__jinja_eval(r, n->d);
        }
        r->out = out;
        r->scope = before;
    }
    if (!r->status)
        assign(r, n->b, value);
}

static void statement(glim_jinja_run *r, const glim_jinja_node *n) {
    glim_jinja_value v = {0};
    switch (n->kind) {
    case JINJA_DATA:
        glim__jinja_put(r, r->out, n->value.text);
        break;
    case JINJA_PRINT:
        v = glim__jinja_eval(r, n->a);
        if (!r->status)
            glim__jinja_put(r, r->out, glim__jinja_str(r, &v));
        break;
    case JINJA_FOR:
        for_loop(r, n);
        break;
    case JINJA_IF:
        v = glim__jinja_eval(r, n->a);
        if (!r->status)
            statements(r, glim__jinja_truth(&v) ? n->c : n->d);
        break;
    case JINJA_SET:
        set(r, n);
        break;
    case JINJA_MACRO:
        v = (glim_jinja_value){.type = GLIM_JINJA_MACRO, .node = n, .scope = r->scope};
        define(r, n->value.text, v);
        break;
    case JINJA_BREAK:
    case JINJA_CONTINUE:
        r->flow = n->kind == JINJA_BREAK ? JINJA_TO_BREAK : JINJA_TO_CONTINUE;
        break;
    default:
        statements(r, n->c);
    }
}

static void statements(glim_jinja_run *r, const glim_jinja_node *n) {
    if (++r->depth > 4 * JINJA_DEPTH)
        glim__jinja_fail(r, GLIM_ELIMIT, "the chat template calls itself too deeply");
    for (; n && r->flow == JINJA_GO && glim__jinja_step(r); n = n->next)
        statement(r, n);
    r->depth--;
}

glim_status glim__jinja_render(glim_jinja_text *out, glim_arena *arena,
                               const glim_jinja_node *template, const glim_jinja_dict *variables,
                               glim_error *err) {
    glim_jinja_out o = {0};
    glim_jinja_scope globals = {.variables = *variables};
    glim_jinja_run r = {.arena = arena, .err = err, .scope = &globals, .out = &o};
    enter(&r, &globals);
    statements(&r, template->c);
    *out = glim__jinja_taken(&o);
    return r.status;
}
