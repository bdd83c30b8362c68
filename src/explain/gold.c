/* SPDX-License-Identifier: Apache-2.0 */
/* Links that people gave, as Pharaoh and the tools behind it write them. */
#include "explain/align.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MOST_LINKS = (size_t)1 << 20;

struct line {
    const char *name;
    size_t number, S, T;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Digits at s[*i]; false when there are none or too many. */
static bool number(const char *s, size_t n, size_t *i, uint32_t *out) {
    size_t from = *i;
    *out = 0;
    for (; *i < n && s[*i] >= '0' && s[*i] <= '9'; ++*i)
        *out = *out * 10 + (uint32_t)(s[*i] - '0');
    return *i > from && *i - from <= 9;
}

static glim_status wrong(const struct line *l, const char *token, size_t n, const char *why,
                         glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%s', line %zu: '%.*s' %s", l->name, l->number,
                     (int)(n < 40 ? n : 40), token, why);
}

static glim_status beyond(const struct line *l, const char *token, size_t n, bool source,
                          glim_error *err) {
    char why[96];
    snprintf(why, sizeof why, "names word %s, of which there are %zu (the first is 0)",
             source ? "i of the source" : "j of the target", source ? l->S : l->T);
    return wrong(l, token, n, why, err);
}

static glim_status read_link(glim_link *out, const struct line *l, const char *token, size_t n,
                             glim_error *err) {
    size_t i = 0;
    bool ok = number(token, n, &i, &out->source) && i < n && (token[i] == '-' || token[i] == 'p');
    out->sure = ok && token[i] == '-';
    i++;
    if (!ok || !number(token, n, &i, &out->target) || i != n)
        return wrong(l, token, n, "is no link (write i-j for a sure one, ipj for a possible one)",
                     err);
    if (out->source >= l->S)
        return beyond(l, token, n, true, err);
    return out->target >= l->T ? beyond(l, token, n, false, err) : GLIM_OK;
}

/* Sure ones first among equals, so that the first of each pair is the one to keep. */
static int by_target(const void *a, const void *b) {
    const glim_link *x = a, *y = b;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (int)y->sure - (int)x->sure;
}

static void keep_one_of_each(glim_links *links) {
    size_t n = 0;
    if (links->count)
        qsort(links->at, links->count, sizeof *links->at, by_target);
    for (size_t i = 0; i < links->count; i++)
        if (!n || links->at[i].source != links->at[n - 1].source ||
            links->at[i].target != links->at[n - 1].target)
            links->at[n++] = links->at[i];
    links->count = n;
}

static size_t count_tokens(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += !is_space(text[i]) && (!i || is_space(text[i - 1]));
    return count;
}

glim_status glim__gold_parse(glim_links *out, glim_context *ctx, const char *text, size_t n,
                             const char *name, size_t line, size_t S, size_t T, glim_error *err) {
    struct line l = {name, line, S, T};
    size_t count = count_tokens(text, n);
    *out = (glim_links){.ctx = ctx};
    if (count > MOST_LINKS)
        return glim_fail(err, GLIM_ELIMIT, "'%s', line %zu: %zu links; at most %zu", name, line,
                         count, MOST_LINKS);
    out->at = glim__calloc(ctx, count + 1, sizeof *out->at);
    if (!out->at)
        return glim__oom(ctx, err, "the links", count * sizeof *out->at);
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i++) {
        size_t from = i;
        while (i < n && !is_space(text[i]))
            i++;
        if (i > from)
            status = read_link(&out->at[out->count++], &l, text + from, i - from, err);
    }
    if (status)
        glim__links_free(out);
    else
        keep_one_of_each(out);
    return status;
}
