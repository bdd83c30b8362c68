/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template's source to its tree. Precedence, from loose to tight: if-else, or,
 * and, not, comparisons, + -, ~, * / // %, **, sign, then calls, filters, tests.
 */
#include "text/jinja-lex.h"

#include <stdlib.h>
#include <string.h>

typedef glim_jinja_parser parser;

static glim_jinja_node *node(parser *p, glim_jinja_kind kind) {
    glim_jinja_node *n = p->status ? NULL : glim__arena_calloc(p->arena, 1, sizeof *n);
    if (!n && !p->status)
        p->status = glim__oom(p->arena->ctx, p->err, "the chat template", sizeof *n);
    if (n)
        n->kind = kind;
    return n;
}

static glim_jinja_node *with(parser *p, glim_jinja_kind kind, glim_jinja_node *a,
                             glim_jinja_node *b) {
    glim_jinja_node *n = node(p, kind);
    if (n) {
        n->a = a;
        n->b = b;
    }
    return n;
}

static glim_jinja_node *named(parser *p, glim_jinja_kind kind, glim_jinja_text name) {
    glim_jinja_node *n = node(p, kind);
    if (n)
        n->value = glim__jinja_of_text(name);
    return n;
}

/* ---- expressions ---- */

static glim_jinja_node *expression(parser *p);
static glim_jinja_node *unary(parser *p, bool filters);
static glim_jinja_node *disjunction(parser *p);

/* Items up to the closing sign, linked by next. */
static glim_jinja_node *items(parser *p, const char *close, bool pairs, bool *comma) {
    glim_jinja_node *first = NULL, **tail = &first;
    while (!p->status && !glim__jinja_at(p, close)) {
        glim_jinja_node *n = expression(p);
        if (pairs && n) {
            glim__jinja_expect(p, ":");
            n->next = expression(p);
        }
        *tail = n;
        for (; n; n = n->next)
            tail = &n->next;
        if (!glim__jinja_skip(p, ","))
            break;
        if (comma)
            *comma = true;
    }
    glim__jinja_expect(p, close);
    return first;
}

/* The arguments behind an open parenthesis; a keyword is in value.text. */
static glim_jinja_node *arguments(parser *p) {
    glim_jinja_node *first = NULL, **tail = &first;
    while (!p->status && !glim__jinja_at(p, ")")) {
        glim_jinja_node *n = expression(p), *arg = with(p, JINJA_CALL, n, NULL);
        if (n && n->kind == JINJA_NAME && glim__jinja_skip(p, "=") && arg) {
            arg->value = n->value;
            arg->a = expression(p);
        }
        *tail = arg;
        if (arg)
            tail = &arg->next;
        if (!glim__jinja_skip(p, ","))
            break;
    }
    glim__jinja_expect(p, ")");
    return first;
}

static glim_jinja_node *string(parser *p) {
    size_t most = 0, n = 0;
    const parser before = *p;
    for (; p->kind == STRING; glim__jinja_next(p)) /* neighbours are one string */
        most += p->word.n;
    char *text = glim__arena_alloc(p->arena, most + 1);
    if (!text && !p->status)
        p->status = glim__oom(p->arena->ctx, p->err, "the chat template", most);
    if (p->status)
        return NULL;
    parser again = before;
    for (; again.kind == STRING; glim__jinja_next(&again))
        n += glim__jinja_unescape(again.word, text + n);
    return named(p, JINJA_CONST, (glim_jinja_text){text, NULL, n});
}

static glim_jinja_node *number(parser *p) {
    char text[48];
    size_t n = 0;
    bool real = memchr(p->word.s, '.', p->word.n) != NULL;
    for (size_t i = 0; i < p->word.n && n + 1 < sizeof text; i++)
        if (p->word.s[i] != '_')
            text[n++] = p->word.s[i];
    text[n] = 0;
    if (n > 18)
        return glim__jinja_wrong(p, "the chat template has the number", p->word);
    glim__jinja_next(p);
    glim_jinja_node *c = node(p, JINJA_CONST);
    if (c)
        c->value =
            real ? glim__jinja_float(strtod(text, NULL)) : glim__jinja_int(strtoll(text, NULL, 10));
    return c;
}

static glim_jinja_node *name(parser *p) {
    glim_jinja_text word = glim__jinja_take_name(p);
    bool yes = glim__jinja_is(word, "true") || glim__jinja_is(word, "True");
    bool none = glim__jinja_is(word, "none") || glim__jinja_is(word, "None");
    if (!yes && !none && !glim__jinja_is(word, "false") && !glim__jinja_is(word, "False"))
        return named(p, JINJA_NAME, word);
    glim_jinja_node *c = node(p, JINJA_CONST);
    if (c)
        c->value = none ? (glim_jinja_value){.type = GLIM_JINJA_NONE} : glim__jinja_bool(yes);
    return c;
}

static glim_jinja_node *primary(parser *p) {
    bool comma = false;
    if (p->kind == NAME)
        return name(p);
    if (p->kind == STRING)
        return string(p);
    if (p->kind == NUMBER)
        return number(p);
    if (glim__jinja_skip(p, "(")) {
        glim_jinja_node *first = items(p, ")", false, &comma);
        return first && !first->next && !comma ? first : with(p, JINJA_TUPLE, first, NULL);
    }
    if (glim__jinja_skip(p, "["))
        return with(p, JINJA_LIST, items(p, "]", false, NULL), NULL);
    if (glim__jinja_skip(p, "{"))
        return with(p, JINJA_DICT, items(p, "}", true, NULL), NULL);
    return glim__jinja_wrong(p, "the chat template has no expression at", p->word);
}

static glim_jinja_node *subscript(parser *p, glim_jinja_node *a) {
    glim_jinja_node *part[3] = {NULL}, *n;
    int i = 0;
    for (; i < 3 && !p->status; i++) {
        part[i] = glim__jinja_at(p, ":") || glim__jinja_at(p, "]") ? NULL : expression(p);
        if (!glim__jinja_skip(p, ":"))
            break;
    }
    glim__jinja_expect(p, "]");
    if (i == 0 && !part[0])
        return glim__jinja_wrong(p, "the chat template has an empty subscript", p->word);
    n = with(p, i ? JINJA_SLICE : JINJA_ITEM, a, part[0]);
    if (n) {
        n->c = part[1];
        n->d = part[2];
    }
    return n;
}

static glim_jinja_node *postfix(parser *p, glim_jinja_node *n) {
    while (!p->status) {
        if (glim__jinja_skip(p, ".")) {
            bool index = p->kind == NUMBER;
            glim_jinja_node *item = index ? number(p) : NULL;
            glim_jinja_node *attr = index ? with(p, JINJA_ITEM, n, item)
                                          : named(p, JINJA_ATTR, glim__jinja_take_name(p));
            if (attr)
                attr->a = n;
            n = attr;
        } else if (glim__jinja_skip(p, "[")) {
            n = subscript(p, n);
        } else if (glim__jinja_skip(p, "(")) {
            n = with(p, JINJA_CALL, n, arguments(p));
        } else {
            return n;
        }
    }
    return NULL;
}

static glim_jinja_node *test(parser *p, glim_jinja_node *a) {
    bool negate = glim__jinja_skip(p, "not");
    glim_jinja_node *n = named(p, JINJA_TEST, glim__jinja_take_name(p));
    if (!n)
        return NULL;
    n->a = a;
    if (glim__jinja_skip(p, "(")) {
        n->b = arguments(p);
    } else if (p->kind == STRING || p->kind == NUMBER || glim__jinja_at(p, "[") ||
               glim__jinja_at(p, "{") ||
               (p->kind == NAME && !glim__jinja_at(p, "else") && !glim__jinja_at(p, "or") &&
                !glim__jinja_at(p, "and") && !glim__jinja_at(p, "if") &&
                !glim__jinja_at(p, "is"))) {
        n->b = with(p, JINJA_CALL, postfix(p, primary(p)), NULL);
    }
    return negate ? with(p, JINJA_NOT, n, NULL) : n;
}

static glim_jinja_node *filters_and_tests(parser *p, glim_jinja_node *n) {
    while (!p->status) {
        if (glim__jinja_skip(p, "|")) {
            glim_jinja_node *f = named(p, JINJA_FILTER, glim__jinja_take_name(p));
            if (f) {
                f->a = n;
                f->b = glim__jinja_skip(p, "(") ? arguments(p) : NULL;
            }
            n = f;
        } else if (glim__jinja_skip(p, "is")) {
            n = test(p, n);
        } else if (glim__jinja_skip(p, "(")) {
            n = with(p, JINJA_CALL, n, arguments(p));
        } else {
            return n;
        }
    }
    return NULL;
}

static glim_jinja_node *unary(parser *p, bool filters) {
    glim_jinja_node *n;
    if (++p->depth > JINJA_DEPTH)
        return glim__jinja_wrong(p, "the chat template is nested too deeply at", p->word);
    if (glim__jinja_skip(p, "-"))
        n = with(p, JINJA_NEGATE, unary(p, false), NULL);
    else if (glim__jinja_skip(p, "+"))
        n = unary(p, false);
    else
        n = primary(p);
    n = postfix(p, n);
    p->depth--;
    return filters ? filters_and_tests(p, n) : n;
}

struct level {
    const char *sign;
    glim_jinja_op op;
};

static glim_jinja_node *binary(parser *p, int level) {
    static const struct level levels[4][4] = {
        {{"+", JINJA_ADD}, {"-", JINJA_SUB}},
        {{"~", JINJA_CONCAT}},
        {{"*", JINJA_MUL}, {"/", JINJA_DIV}, {"//", JINJA_FLOOR}, {"%", JINJA_MOD}},
        {{"**", JINJA_POW}}};
    if (level == 4)
        return unary(p, true);
    glim_jinja_node *n = binary(p, level + 1);
    for (int i = 0; i < 4 && levels[level][i].sign && !p->status; i++) {
        if (!glim__jinja_skip(p, levels[level][i].sign))
            continue;
        n = with(p, JINJA_BINARY, n, binary(p, level + 1));
        if (n)
            n->op = levels[level][i].op;
        i = -1;
    }
    return n;
}

static bool comparison(parser *p, glim_jinja_op *op) {
    static const struct level signs[] = {{"==", JINJA_EQ}, {"!=", JINJA_NE}, {"<=", JINJA_LE},
                                         {">=", JINJA_GE}, {"<", JINJA_LT},  {">", JINJA_GT},
                                         {"in", JINJA_IN}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (glim__jinja_skip(p, signs[i].sign)) {
            *op = signs[i].op;
            return true;
        }
    parser before = *p;
    if (glim__jinja_skip(p, "not") && glim__jinja_skip(p, "in")) {
        *op = JINJA_NOT_IN;
        return true;
    }
    if (!p->status)
        *p = before;
    return false;
}

static glim_jinja_node *compare(parser *p) {
    glim_jinja_node *n = binary(p, 0), *first = NULL, **tail = &first;
    for (glim_jinja_op op; !p->status && comparison(p, &op);) {
        glim_jinja_node *operand = with(p, JINJA_COMPARE, binary(p, 0), NULL);
        if (operand)
            operand->op = op;
        *tail = operand;
        if (operand)
            tail = &operand->next;
    }
    return first ? with(p, JINJA_COMPARE, n, first) : n;
}

static glim_jinja_node *negation(parser *p) {
    glim_jinja_node *n;
    if (++p->depth > JINJA_DEPTH)
        return glim__jinja_wrong(p, "the chat template is nested too deeply at", p->word);
    n = glim__jinja_skip(p, "not") ? with(p, JINJA_NOT, negation(p), NULL) : compare(p);
    p->depth--;
    return n;
}

static glim_jinja_node *conjunction(parser *p) {
    glim_jinja_node *n = negation(p);
    while (!p->status && glim__jinja_skip(p, "and"))
        n = with(p, JINJA_AND, n, negation(p));
    return n;
}

static glim_jinja_node *disjunction(parser *p) {
    glim_jinja_node *n = conjunction(p);
    while (!p->status && glim__jinja_skip(p, "or"))
        n = with(p, JINJA_OR, n, conjunction(p));
    return n;
}

static glim_jinja_node *expression(parser *p) {
    if (++p->depth > JINJA_DEPTH)
        return glim__jinja_wrong(p, "the chat template is nested too deeply at", p->word);
    glim_jinja_node *n = disjunction(p);
    while (!p->status && glim__jinja_skip(p, "if")) {
        n = with(p, JINJA_CHOICE, n, disjunction(p));
        if (n && glim__jinja_skip(p, "else"))
            n->c = expression(p);
    }
    p->depth--;
    return n;
}

/* An expression, or a tuple without parentheses. */
static glim_jinja_node *tuple(parser *p, glim_jinja_node *(*part)(parser *)) {
    glim_jinja_node *first = part(p), *last = first;
    if (p->status || !glim__jinja_at(p, ","))
        return first;
    while (!p->status && glim__jinja_skip(p, ",") && p->kind != TAG_END &&
           !glim__jinja_at(p, "=") && !glim__jinja_at(p, "in")) {
        last->next = part(p);
        last = last->next ? last->next : last;
    }
    return with(p, JINJA_TUPLE, first, NULL);
}

/* ---- statements ---- */

static glim_jinja_node *body(parser *p, const char *const *ends, glim_jinja_text *ended);

static void end_tag(parser *p) {
    if (p->kind != TAG_END && !p->status)
        glim__jinja_wrong(p, "the chat template has a tag with", p->word);
}

static glim_jinja_node *postfixed(parser *p) {
    return postfix(p, primary(p));
}

static glim_jinja_node *block(parser *p, const char *const *ends, glim_jinja_text *ended) {
    end_tag(p);
    return p->status ? NULL : body(p, ends, ended);
}

static glim_jinja_node *for_loop(parser *p) {
    static const char *const ends[] = {"else", "endfor", NULL};
    glim_jinja_text ended = {0};
    glim_jinja_node *n = node(p, JINJA_FOR), *target = tuple(p, postfixed);
    glim__jinja_expect(p, "in");
    glim_jinja_node *over = tuple(p, disjunction);
    glim_jinja_node *only = glim__jinja_skip(p, "if") ? expression(p) : NULL;
    if (glim__jinja_at(p, "recursive"))
        return glim__jinja_wrong(p, "the chat template uses", p->word);
    glim_jinja_node *inner = block(p, ends, &ended);
    glim_jinja_node *other = glim__jinja_is(ended, "else") ? block(p, ends + 1, &ended) : NULL;
    end_tag(p);
    if (!n || p->status)
        return NULL;
    n->a = over;
    n->b = target;
    n->c = inner;
    n->d = other;
    n->e = only;
    return n;
}

static glim_jinja_node *if_else(parser *p) {
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    glim_jinja_text ended = {0};
    glim_jinja_node *first = NULL, **where = &first;
    do {
        glim_jinja_node *n = with(p, JINJA_IF, tuple(p, expression), NULL);
        glim_jinja_node *inner = block(p, ends, &ended);
        *where = n;
        if (!n || p->status)
            return NULL;
        n->c = inner;
        where = &n->d;
    } while (glim__jinja_is(ended, "elif"));
    if (glim__jinja_is(ended, "else"))
        *where = block(p, ends + 2, &ended);
    end_tag(p);
    return first;
}

static glim_jinja_node *set(parser *p) {
    static const char *const ends[] = {"endset", NULL};
    glim_jinja_text ended;
    glim_jinja_node *n = node(p, JINJA_SET), *target = tuple(p, postfixed), *inner = NULL;
    glim_jinja_node *value = glim__jinja_skip(p, "=") ? tuple(p, expression) : NULL;
    if (!value && !p->status) {
        if (glim__jinja_at(p, "|"))
            value = filters_and_tests(p, named(p, JINJA_NAME, (glim_jinja_text){"", NULL, 0}));
        inner = block(p, ends, &ended);
    }
    end_tag(p);
    if (!n || p->status)
        return NULL;
    n->a = inner ? NULL : value;
    n->b = target;
    n->c = inner ? inner : value ? NULL : node(p, JINJA_GROUP);
    n->d = inner ? value : NULL; /* the filters of a block: the nameless name is its text */
    return n;
}

static glim_jinja_node *macro(parser *p) {
    static const char *const ends[] = {"endmacro", NULL};
    glim_jinja_text ended;
    glim_jinja_node *n = named(p, JINJA_MACRO, glim__jinja_take_name(p)), *first = NULL,
                    **tail = &first;
    glim__jinja_expect(p, "(");
    while (!p->status && p->kind == NAME) {
        glim_jinja_node *parameter = named(p, JINJA_NAME, glim__jinja_take_name(p));
        if (parameter && glim__jinja_skip(p, "="))
            parameter->a = expression(p);
        *tail = parameter;
        if (parameter)
            tail = &parameter->next;
        if (!glim__jinja_skip(p, ","))
            break;
    }
    glim__jinja_expect(p, ")");
    glim_jinja_node *inner = block(p, ends, &ended);
    end_tag(p);
    if (!n || p->status)
        return NULL;
    n->b = first;
    n->c = inner;
    return n;
}

static glim_jinja_node *statement(parser *p, glim_jinja_text word) {
    static const char *const ends[] = {"endgeneration", NULL};
    glim_jinja_text ended;
    glim_jinja_node *n = NULL;
    if (++p->depth > JINJA_DEPTH)
        return glim__jinja_wrong(p, "the chat template is nested too deeply at", word);
    if (glim__jinja_is(word, "for")) {
        n = for_loop(p);
    } else if (glim__jinja_is(word, "if")) {
        n = if_else(p);
    } else if (glim__jinja_is(word, "set")) {
        n = set(p);
    } else if (glim__jinja_is(word, "macro")) {
        n = macro(p);
    } else if (glim__jinja_is(word, "generation")) {
        n = node(p, JINJA_GROUP);
        glim_jinja_node *inner = block(p, ends, &ended);
        end_tag(p);
        if (n)
            n->c = inner;
    } else if (glim__jinja_is(word, "break") || glim__jinja_is(word, "continue")) {
        n = node(p, glim__jinja_is(word, "break") ? JINJA_BREAK : JINJA_CONTINUE);
        end_tag(p);
    } else {
        glim__jinja_wrong(p, "the chat template uses the statement", word);
    }
    p->depth--;
    return n;
}

/* ---- text between tags ---- */

/* Text up to {% endraw %}; the parser stands behind {% raw %}. */
static glim_jinja_node *raw(parser *p) {
    for (const char *s = p->s; s + 1 < p->end; s++) {
        if (s[0] != '{' || s[1] != '%')
            continue;
        parser inside = *p;
        inside.s = s + 2 + (s + 2 < p->end && (s[2] == '-' || s[2] == '+'));
        glim__jinja_skip_space(&inside);
        if (!glim__jinja_starts(&inside, "endraw"))
            continue;
        glim_jinja_text text = {p->s, NULL,
                                glim__jinja_text_length(p, p->s, (size_t)(s - p->s), s)};
        p->s = inside.s + 6;
        glim__jinja_next(p);
        end_tag(p);
        return named(p, JINJA_DATA, text);
    }
    return glim__jinja_wrong(p, "the chat template has an endless statement",
                             (glim_jinja_text){"raw", NULL, 3});
}

static glim_jinja_node *tag(parser *p, const char *const *ends, glim_jinja_text *ended) {
    glim_jinja_node *n;
    p->print = p->s[1] == '{';
    p->brackets = 0;
    p->s += 2;
    if (p->s < p->end && (*p->s == '-' || (*p->s == '+' && !p->print)))
        p->s++;
    const char *begin = p->s;
    glim__jinja_next(p);
    if (p->print) {
        n = with(p, JINJA_PRINT, tuple(p, expression), NULL);
        end_tag(p);
        return n;
    }
    glim_jinja_text word = glim__jinja_take_name(p);
    for (; ends && *ends; ends++)
        if (glim__jinja_is(word, *ends)) {
            *ended = word;
            return NULL;
        }
    if (glim__jinja_is(word, "raw")) { /* its end does not eat a line end */
        p->s = begin;
        glim__jinja_skip_space(p);
        p->s += 3;
        glim__jinja_skip_space(p);
        bool strip = glim__jinja_starts(p, "-");
        p->s += strip ? 3 : 2;
        p->line_start = false;
        if (strip)
            glim__jinja_skip_space(p);
        return raw(p);
    }
    return statement(p, word);
}

/* Statements up to one of `ends`, whose name is then in *ended. */
static glim_jinja_node *body(parser *p, const char *const *ends, glim_jinja_text *ended) {
    glim_jinja_node *first = NULL, **tail = &first;
    *ended = (glim_jinja_text){0};
    while (!p->status && !ended->n) {
        const char *found = glim__jinja_find_tag(p);
        size_t n = (size_t)(found - p->s);
        n = found < p->end ? glim__jinja_text_length(p, p->s, n, found) : n;
        *tail = n ? named(p, JINJA_DATA, (glim_jinja_text){p->s, NULL, n}) : NULL;
        if (*tail)
            tail = &(*tail)->next;
        p->s = found;
        if (p->s >= p->end) {
            while (ends && ends[1])
                ends++;
            if (ends)
                glim__jinja_wrong(p, "the chat template ends without",
                                  (glim_jinja_text){*ends, NULL, strlen(*ends)});
            break;
        }
        if (p->s[1] == '#') {
            p->s += 2;
            glim__jinja_skip_comment(p);
            continue;
        }
        *tail = tag(p, ends, ended);
        if (*tail)
            tail = &(*tail)->next;
    }
    return first;
}

glim_status glim__jinja_parse(const glim_jinja_node **out, glim_arena *arena, const char *source,
                              size_t n, glim_error *err) {
    parser p = {.arena = arena, .err = err, .line_start = true};
    glim_jinja_text ended;
    char *copy = glim__arena_alloc(arena, n + 1);
    size_t len = 0;
    *out = NULL;
    if (!copy)
        return glim__oom(arena->ctx, err, "the chat template", n);
    for (size_t i = 0; i < n; i++) /* every kind of line end is one */
        if (source[i] != '\r')
            copy[len++] = source[i];
        else if (i + 1 == n || source[i + 1] != '\n')
            copy[len++] = '\n';
    len -= len && copy[len - 1] == '\n';
    p.s = copy;
    p.end = copy + len;
    glim_jinja_node *root = node(&p, JINJA_GROUP);
    glim_jinja_node *all = body(&p, NULL, &ended);
    if (p.status)
        return p.status;
    root->c = all;
    *out = root;
    return GLIM_OK;
}
