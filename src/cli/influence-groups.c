/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --group: influences summed over the samples that share a value of a column. Rows in memory
 * know their groups before; of samples that stream the value is read with the block, and
 * what is kept grows with the number of groups alone.
 */
#include "cli/influence.h"

#include <math.h>
#include <string.h>

static glim_status no_memory(cli_influence *c, size_t bytes) {
    return glim__oom(c->run->ctx, &c->run->err, "the groups", bytes);
}

/* ---- names ---- */

/* Doubles the arrays; what is new has no sum yet. */
static bool grow(cli_influence *c) {
    glim_context *ctx = c->run->ctx;
    glim_groups *g = &c->groups;
    size_t Q = c->query.n, was = c->group_room, more = was ? 2 * was : 64;
    const char **names = glim__realloc(ctx, g->names, more * sizeof *names);
    g->names = names ? names : g->names;
    size_t *sizes = glim__realloc(ctx, g->sizes, more * sizeof *sizes);
    g->sizes = sizes ? sizes : g->sizes;
    double *sum = glim__realloc(ctx, g->sum, more * Q * sizeof *sum);
    g->sum = sum ? sum : g->sum;
    double *actual = glim__realloc(ctx, g->actual, more * Q * sizeof *actual);
    g->actual = actual ? actual : g->actual;
    if (!names || !sizes || !sum || !actual)
        return false;
    for (size_t k = was * Q; k < more * Q; k++) {
        sum[k] = 0;
        actual[k] = NAN;
    }
    memset(sizes + was, 0, (more - was) * sizeof *sizes);
    c->group_room = more;
    return true;
}

/* The group of a name; SIZE_MAX when memory is refused. */
static size_t group_of(cli_influence *c, const char *name) {
    glim_groups *g = &c->groups;
    int32_t k = glim__map_get(&c->group_map, name, strlen(name));
    if (k >= 0)
        return (size_t)k;
    if ((g->n == c->group_room && !grow(c)) || g->n == INT32_MAX)
        return SIZE_MAX;
    char *own = glim__arena_strdup(&c->group_names, name);
    if (!own || !glim__map_set(&c->group_map, own, strlen(own), (int32_t)g->n, NULL))
        return SIZE_MAX;
    g->names[g->n] = own;
    return g->n++;
}

/* ---- before the run ---- */

static glim_status find_rows(cli_influence *c) {
    const cli_samples *s = &c->train;
    glim_groups *g = &c->groups;
    g->of = glim__calloc(c->run->ctx, s->n + 1, sizeof *g->of);
    if (!g->of)
        return no_memory(c, s->n * sizeof *g->of);
    for (size_t i = 0; i < s->n; i++) {
        const char *name = cli_sample_cell(s, i, s->group);
        if (!name)
            return glim_fail(&c->run->err, GLIM_EIO, "cannot read '%.200s' again", s->path);
        size_t k = group_of(c, name);
        if (k == SIZE_MAX)
            return no_memory(c, g->n * c->query.n * 16);
        g->of[i] = k;
        g->sizes[k]++;
    }
    return GLIM_OK;
}

glim_status cli_groups_find(cli_influence *c) {
    cli_run *run = c->run;
    const char *by = run->o.by_group;
    if (!by)
        return GLIM_OK;
    if (!c->query.n)
        return glim_fail(&run->err, GLIM_EUSAGE,
                         "--group sums influences on a query (a TEXT, "
                         "--query FILE or --table FILE --row N)");
    glim__map_init(&c->group_map, run->ctx);
    glim__arena_init(&c->group_names, run->ctx, 1 << 12);
    c->grouped = true;
    if (!c->streams)
        return find_rows(c);
    if (c->method == &glim_influence_gradient_cosine)
        glim_document_note(c->doc,
                           "A sum of cosines says which groups pull the same way; influences that "
                           "add up are those of tracin, datainf and ekfac.");
    return glim__samples_column(c->train.stream, by, &c->train.group, &run->err);
}

/* ---- while blocks come ---- */

/* A method without influences has nothing to sum. */
glim_status cli_groups_begin(const cli_influence *c, glim_error *err) {
    bool any = !c->grouped;
    for (size_t k = 0; k < c->n_columns; k++)
        any = any || !strcmp(c->names[k], "influence");
    return any ? GLIM_OK
               : glim_fail(err, GLIM_EUSAGE,
                           "--group sums influences, and %s has none (--method tracin, datainf or "
                           "ekfac; influence-functions of a fitted model)",
                           c->method->name);
}

static glim_status stream_group(cli_influence *c, size_t i, size_t *out, glim_error *err) {
    const char *name;
    glim__arena_reset(&c->train.words);
    glim_status status =
        glim__samples_cell(c->train.stream, i, c->train.group, &c->train.words, &name, err);
    if (status)
        return status;
    *out = group_of(c, name);
    if (*out == SIZE_MAX)
        return glim__oom(c->run->ctx, err, "the groups", c->groups.n * c->query.n * 16);
    c->groups.sizes[*out]++;
    return GLIM_OK;
}

glim_status cli_groups_take(cli_influence *c, const glim_influence_block *b, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < b->count && c->grouped && !status; i++) {
        const double *v = b->values + i * c->n_columns;
        size_t group = 0;
        if (c->streams)
            status = stream_group(c, b->first + i, &group, err);
        else
            group = c->groups.of[b->first + i];
        for (size_t k = 0; k < c->n_columns && !status; k++)
            if (!strcmp(c->names[k], "influence") && !isnan(v[k]))
                c->groups.sum[group * c->query.n + c->columns[k].query] += v[k];
    }
    return status;
}

void cli_groups_release(cli_influence *c) {
    glim_context *ctx = c->run->ctx;
    glim__free(ctx, c->groups.of);
    glim__free(ctx, c->groups.names);
    glim__free(ctx, c->groups.sizes);
    glim__free(ctx, c->groups.sum);
    glim__free(ctx, c->groups.actual);
    if (!c->grouped)
        return;
    glim__map_release(&c->group_map);
    glim__arena_release(&c->group_names);
}
