/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document and its arena. Everything a document points to lives in the arena,
 * so it outlives the model and is freed by one call.
 */
#include "base/arena.h"
#include "base/buffer.h"

#include <glim/document.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

glim_status glim_document_new(glim_document **out, glim_context *ctx, glim_error *err) {
    *out = NULL;
    glim_document *doc = glim__calloc(ctx, 1, sizeof *doc);
    glim_arena *arena = glim__calloc(ctx, 1, sizeof *arena);
    if (!doc || !arena) {
        glim__free(ctx, doc);
        glim__free(ctx, arena);
        return glim__oom(ctx, err, "the document", sizeof *doc);
    }
    glim__arena_init(arena, ctx, 1 << 14);
    doc->ctx = ctx;
    doc->owner = arena;
    doc->kind = "attribution";
    doc->target.id = doc->target.against_id = -1;
    doc->target.value = doc->target.baseline_value = doc->target.prob = NAN;
    doc->fixed_total = doc->fixed_size = NAN;
    doc->verdict_reason = "";
    doc->version = GLIM_VERSION;
    *out = doc;
    return GLIM_OK;
}

void glim_document_free(glim_document *doc) {
    if (!doc)
        return;
    glim_context *ctx = doc->ctx;
    glim__arena_release(doc->owner);
    glim__free(ctx, doc->owner);
    glim__free(ctx, doc);
}

void *glim_document_alloc(glim_document *doc, size_t n) {
    void *p = glim__arena_alloc(doc->owner, n ? n : 1);
    if (p)
        memset(p, 0, n ? n : 1);
    return p;
}

const char *glim_document_text(glim_document *doc, const char *s, size_t n) {
    return glim__arena_strndup(doc->owner, s, n);
}

/* The list grows by copying into the arena; documents have a dozen entries. */
static void *grow(glim_document *doc, const void *old, size_t count, size_t size) {
    char *fresh = glim_document_alloc(doc, (count + 1) * size);
    if (fresh && count)
        memcpy(fresh, old, count * size);
    return fresh;
}

bool glim_document_check_add(glim_document *doc, const char *name, double value,
                             const char *meaning) {
    glim_document_check *list = grow(doc, doc->checks, doc->n_checks, sizeof *list);
    if (!list)
        return false;
    glim_document_check *c = &list[doc->n_checks];
    c->name = glim_document_text(doc, name, strlen(name));
    c->value = value;
    c->meaning = meaning ? glim_document_text(doc, meaning, strlen(meaning)) : NULL;
    if (!c->name || (meaning && !c->meaning))
        return false;
    doc->checks = list;
    doc->n_checks++;
    return true;
}

static const char *format_text(glim_document *doc, const char *format, va_list args) {
    char text[512];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0)
        return NULL;
    return glim_document_text(doc, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

bool glim_document_note(glim_document *doc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(doc, format, args);
    va_end(args);
    const char **list = text ? grow(doc, doc->notes, doc->n_notes, sizeof *list) : NULL;
    if (!list)
        return false;
    list[doc->n_notes++] = text;
    doc->notes = list;
    return true;
}

void glim_document_judge(glim_document *doc, glim_verdict verdict, const char *format, ...) {
    if (verdict <= doc->verdict && *doc->verdict_reason)
        return;
    if (verdict == GLIM_VERDICT_OK)
        return;
    va_list args;
    va_start(args, format);
    const char *text = format_text(doc, format, args);
    va_end(args);
    doc->verdict = verdict;
    doc->verdict_reason = text ? text : "the check failed";
}
