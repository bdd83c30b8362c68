/* SPDX-License-Identifier: Apache-2.0 */
/* "blocks.3.mlp.W_in" is of layer "blocks.3" and of module "mlp.W_in"; of an encoder-decoder
   "encoder.blocks.3" and "encoder.mlp.W_in". What is in no block is a part of its own. */
#include "influence/parts.h"

#include <ctype.h>
#include <string.h>

/* Where "blocks.3." begins and ends in a name. */
static bool in_block(const char *name, size_t *from, size_t *to) {
    const char *at = strstr(name, "blocks.");
    if (!at)
        return false;
    const char *end = at + strlen("blocks.");
    while (isdigit((unsigned char)*end))
        end++;
    *from = (size_t)(at - name);
    *to = (size_t)(end - name);
    return *end == '.';
}

static char *part_name(glim_arena *arena, const char *name, bool layer) {
    size_t from, to;
    char *out = glim__arena_strdup(arena, name);
    if (!out || !in_block(name, &from, &to))
        return out;
    if (layer)
        out[to] = 0;
    else
        memmove(out + from, name + to + 1, strlen(name + to + 1) + 1);
    return out;
}

static bool place(glim_parts *p, glim_arena *arena, const glim_gradients *g, size_t w, bool layer) {
    char *name = part_name(arena, g->weights[w].name, layer);
    if (!name)
        return false;
    size_t i = 0;
    while (i < p->n && strcmp(p->names[i], name) != 0)
        i++;
    p->names[i] = name;
    p->of[w] = i;
    p->n += i == p->n;
    return true;
}

glim_status glim__parts_make(glim_parts *out, glim_arena *arena, const glim_gradients *g,
                             const char *by, glim_error *err) {
    bool layer = by && !strcmp(by, "layer"), parted = layer || (by && !strcmp(by, "module"));
    *out = (glim_parts){.n = parted ? 0 : 1,
                        .names = glim__arena_calloc(arena, g->n_weights + 1, sizeof *out->names),
                        .of = glim__arena_calloc(arena, g->n_weights + 1, sizeof *out->of)};
    bool ok = out->names && out->of;
    for (size_t w = 0; w < g->n_weights && ok && parted; w++)
        ok = !g->chosen[w] || place(out, arena, g, w, layer);
    return ok ? GLIM_OK : glim__oom(g->ctx, err, "parts of a model", g->n_weights * 64);
}
