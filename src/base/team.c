/* SPDX-License-Identifier: Apache-2.0 */
/* What a team does together, made of messages between two. A broadcast goes down a binary
   tree of ranks, counted from who has the bytes. */
#include "base/context-state.h"
#include "base/team.h"

#include <string.h>

static const glim_team alone = {.size = 1};

void glim__context_set_team(glim_context *ctx, const glim_team *team) {
    ctx->team = team;
}

const glim_team *glim__team(const glim_context *ctx) {
    return ctx->team ? ctx->team : &alone;
}

bool glim__team_first(const glim_context *ctx) {
    return !ctx->team || !ctx->team->rank;
}

glim_status glim__team_broadcast(glim_context *ctx, int from, void *bytes, size_t n,
                                 glim_error *err) {
    const glim_team *t = glim__team(ctx);
    int own = (t->rank - from + t->size) % t->size; /* counted from it */
    glim_status status = GLIM_OK;
    if (own)
        status = t->receive(t->data, ((own - 1) / 2 + from) % t->size, bytes, n, err);
    for (int child = 2 * own + 1; child <= 2 * own + 2 && child < t->size && !status; child++)
        status = t->send(t->data, (child + from) % t->size, bytes, n, err);
    return status;
}

/* Every number to the first, which puts each to its own. */
static glim_status gather(glim_context *ctx, uint64_t *x, bool least, glim_error *err) {
    const glim_team *t = glim__team(ctx);
    glim_status status = GLIM_OK;
    if (t->rank)
        return t->send(t->data, 0, x, sizeof *x, err);
    for (int r = 1; r < t->size && !status; r++) {
        uint64_t other = 0;
        status = t->receive(t->data, r, &other, sizeof other, err);
        *x = !least ? *x + other : other < *x ? other : *x;
    }
    return status;
}

glim_status glim__team_least(glim_context *ctx, uint64_t *x, glim_error *err) {
    glim_status status = gather(ctx, x, true, err);
    return status ? status : glim__team_broadcast(ctx, 0, x, sizeof *x, err);
}

glim_status glim__team_total(glim_context *ctx, size_t *x, glim_error *err) {
    uint64_t all = *x;
    glim_status status = gather(ctx, &all, false, err);
    *x = (size_t)all;
    return status;
}

glim_status glim__team_same(glim_context *ctx, const char *what, const void *bytes, size_t n,
                            glim_error *err) {
    const char *own = bytes;
    char piece[256];
    for (size_t at = 0, size; at < n; at += size) {
        size = n - at < sizeof piece ? n - at : sizeof piece;
        memcpy(piece, own + at, size);
        glim_status status = glim__team_broadcast(ctx, 0, piece, size, err);
        if (!status && memcmp(piece, own + at, size) != 0)
            status = glim_fail(err, GLIM_EUSAGE, "%s", what);
        if (status)
            return status;
    }
    return GLIM_OK;
}
