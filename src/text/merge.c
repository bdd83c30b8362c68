/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry of the heap is not removed when one of its symbols changes: it is
 * recognised as stale when it comes up, by the length it was pushed with.
 */
#include "text/merge.h"

bool glim__merge_reserve(glim_merge *m, size_t n) {
    m->count = m->heap_count = 0;
    if (n <= m->cap)
        return true;
    glim__merge_release(m);
    size_t cap = n < 64 ? 64 : n;
    if (cap > SIZE_MAX / (3 * sizeof *m->heap))
        return false;
    m->symbols = glim__alloc(m->ctx, cap * sizeof *m->symbols);
    m->heap = glim__alloc(m->ctx, 3 * cap * sizeof *m->heap); /* mostly never touched */
    m->cap = m->symbols && m->heap ? cap : 0;
    return m->cap > 0;
}

void glim__merge_release(glim_merge *m) {
    glim__free(m->ctx, m->symbols);
    glim__free(m->ctx, m->heap);
    m->symbols = NULL;
    m->heap = NULL;
    m->cap = 0;
}

void glim__merge_push(glim_merge *m, uint32_t start, uint32_t len) {
    int32_t i = (int32_t)m->count++;
    m->symbols[i] = (glim_symbol){start, len, i - 1, -1, -1};
    if (i)
        m->symbols[i - 1].after = i;
}

static bool above(const glim_merge_pair *a, const glim_merge_pair *b) {
    return a->priority != b->priority ? a->priority > b->priority : a->left < b->left;
}

static void heap_push(glim_merge *m, glim_merge_pair p) {
    size_t i = m->heap_count++;
    while (i && above(&p, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = p;
}

static glim_merge_pair heap_pop(glim_merge *m) {
    glim_merge_pair top = m->heap[0], last = m->heap[--m->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < m->heap_count; i = child) {
        if (child + 1 < m->heap_count && above(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!above(&m->heap[child], &last))
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = last;
    return top;
}

static void consider(glim_merge *m, int32_t left) {
    if (left < 0 || m->symbols[left].after < 0)
        return;
    const glim_symbol *a = &m->symbols[left], *b = &m->symbols[a->after];
    glim_merge_pair pair = {.left = left, .len = a->len + b->len, .id = -1};
    if (m->priority(m->data, a, b, &pair))
        heap_push(m, pair);
}

void glim__merge_run(glim_merge *m) {
    for (size_t i = 0; i + 1 < m->count; i++)
        consider(m, (int32_t)i);
    while (m->heap_count) {
        glim_merge_pair p = heap_pop(m);
        glim_symbol *a = &m->symbols[p.left];
        if (!a->len || a->after < 0 || a->len + m->symbols[a->after].len != p.len)
            continue;
        glim_symbol *b = &m->symbols[a->after];
        a->len = p.len;
        a->id = p.id;
        a->after = b->after;
        b->len = 0;
        if (a->after >= 0)
            m->symbols[a->after].before = p.left;
        consider(m, a->before);
        consider(m, p.left);
    }
}
