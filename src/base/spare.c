/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large buffers that one call needs and the next one needs again, such as the
 * packed activations of a matrix product. Fresh pages cost more than the copy
 * into them, so a few buffers stay with the context. Two callers get two
 * buffers; what is kept is given back to the budget when an allocation would
 * otherwise be refused.
 */
#include "base/context-state.h"

void *glim__spare_take(glim_context *ctx, size_t n) {
    glim_spare *best = NULL;
    pthread_mutex_lock(&ctx->spares_lock);
    for (int i = 0; i < GLIM_SPARES; i++) {
        glim_spare *s = &ctx->spares[i];
        if (s->data && !s->used && s->size >= n && (!best || s->size < best->size))
            best = s;
    }
    if (best)
        best->used = true;
    pthread_mutex_unlock(&ctx->spares_lock);
    if (best)
        return best->data;
    void *fresh = glim__alloc(ctx, n);
    if (!fresh)
        return NULL;
    pthread_mutex_lock(&ctx->spares_lock);
    for (int i = 0; i < GLIM_SPARES && !best; i++) /* an idle smaller one makes room */
        if (!ctx->spares[i].used)
            best = &ctx->spares[i];
    if (best) {
        glim__free(ctx, best->data);
        *best = (glim_spare){.data = fresh, .size = n, .used = true};
    }
    pthread_mutex_unlock(&ctx->spares_lock);
    return fresh;
}

void glim__spare_give(glim_context *ctx, void *p) {
    bool known = false;
    pthread_mutex_lock(&ctx->spares_lock);
    for (int i = 0; p && i < GLIM_SPARES; i++)
        if (ctx->spares[i].data == p) {
            ctx->spares[i].used = false;
            known = true;
        }
    pthread_mutex_unlock(&ctx->spares_lock);
    if (!known)
        glim__free(ctx, p);
}

void glim__spare_trim(glim_context *ctx) {
    pthread_mutex_lock(&ctx->spares_lock);
    for (int i = 0; i < GLIM_SPARES; i++)
        if (!ctx->spares[i].used) {
            glim__free(ctx, ctx->spares[i].data);
            ctx->spares[i] = (glim_spare){0};
        }
    pthread_mutex_unlock(&ctx->spares_lock);
}

void glim__holder_add(glim_context *ctx, glim_holder *h) {
    pthread_mutex_lock(&ctx->holders_lock);
    h->next = ctx->holders;
    ctx->holders = h;
    pthread_mutex_unlock(&ctx->holders_lock);
}

void glim__holder_remove(glim_context *ctx, glim_holder *h) {
    pthread_mutex_lock(&ctx->holders_lock);
    for (glim_holder **at = &ctx->holders; *at; at = &(*at)->next)
        if (*at == h) {
            *at = h->next;
            break;
        }
    pthread_mutex_unlock(&ctx->holders_lock);
}

void glim__holders_trim(glim_context *ctx) {
    pthread_mutex_lock(&ctx->holders_lock);
    for (glim_holder *h = ctx->holders; h; h = h->next)
        h->give_back(h->data);
    pthread_mutex_unlock(&ctx->holders_lock);
}
