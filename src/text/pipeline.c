/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c: one tokenising call: added tokens cut the text into fragments, a
 * fragment is normalised, cut again, split into pieces and encoded.
 */
#include "text/pipeline.h"
#include "base/utf8.h"

#include <string.h>

glim_status glim__pipeline_new(glim_tokenizer **out, glim_context *ctx, glim_error *err) {
    glim_tokenizer *t = glim__calloc(ctx, 1, sizeof *t);
    glim_pipeline *p = glim__calloc(ctx, 1, sizeof *p);
    *out = NULL;
    if (!t || !p) {
        glim__free(ctx, t);
        glim__free(ctx, p);
        return glim__oom(ctx, err, "the tokenizer", sizeof *t);
    }
    t->ctx = ctx;
    t->pipeline = p;
    glim__arena_init(&t->arena, ctx, 1 << 16);
    glim__map_init(&t->ids, ctx);
    glim__map_init(&t->specials, ctx);
    glim__map_init(&t->merges, ctx);
    t->info.pre = "";
    t->info.bos = t->info.eos = t->info.unk = t->info.pad = -1;
    for (int i = 0; i < 256; i++)
        t->byte_ids[i] = -1;
    p->t = t;
    p->continuation = 0;
    p->longest_word = 100;
    glim__buffer_init(&p->file, ctx);
    glim__buffer_init(&p->table, ctx);
    glim__map_init(&p->pairs, ctx);
    *out = t;
    return GLIM_OK;
}

static void close_steps(glim_steps *steps) {
    for (size_t i = 0; i < steps->count; i++)
        glim__regex_close(steps->at[i].regex);
}

void glim__pipeline_free(glim_pipeline *p) {
    if (!p)
        return;
    close_steps(&p->normalizers);
    close_steps(&p->presplits);
    glim__map_release(&p->pairs);
    glim__buffer_release(&p->file);
    glim__buffer_release(&p->table);
    glim__free(p->t->ctx, p);
}

bool glim__work_emit(glim_work *w, int32_t id, size_t a, size_t b) {
    uint32_t from = UINT32_MAX, to = 0;
    for (size_t i = a; i < b; i++) {
        from = w->now.from[i] < from ? w->now.from[i] : from;
        to = w->now.to[i] > to ? w->now.to[i] : to;
    }
    return glim__token_push(w->out, id, GLIM_TOKEN_TEXT, w->origin + from, w->origin + to, -1);
}

/* ---- fragments ---- */

struct call {
    glim_work w;
    const glim_pipeline *p;
    const char *text;
    size_t base, done; /* bytes that have tokens */
    size_t slice;      /* the same in `whole` */
    bool controls;
    bool first;
};

static glim_status oom(const struct call *c, size_t n, glim_error *err) {
    return glim__oom(c->p->t->ctx, err, "the tokens", 9 * n);
}

/* Splits and encodes bytes [a, b) of the normalised fragment. */
static glim_status encode_slice(struct call *c, size_t a, size_t b, glim_error *err) {
    glim_work *w = &c->w;
    if (a >= b)
        return GLIM_OK;
    glim__run_clear(&w->now);
    glim__run_copy(&w->now, &w->whole, a, b);
    w->pieces.count = 0;
    glim__cuts_add(&w->pieces, 0, b - a);
    if (w->pieces.failed)
        return oom(c, b - a, err);
    glim_status status = glim__run_status(&w->now, err);
    if (!status)
        status = glim__presplit(c->p, w, err);
    for (size_t i = 0; i < w->pieces.count && !status; i++) {
        status = c->p->model->encode(w, w->pieces.at[i].start, w->pieces.at[i].end, err);
        if (!status && i % 4096 == 4095)
            status = glim__check_cancel(c->p->t->ctx, err);
    }
    return status;
}

static glim_status found_inside(void *data, const glim_added *a, size_t start, size_t end,
                                glim_error *err) {
    struct call *c = data;
    const glim_run *in = &c->w.whole;
    glim_status status = encode_slice(c, c->slice, start, err);
    if (!status && !glim__token_push(c->w.out, a->id, GLIM_TOKEN_TEXT, c->base + in->from[start],
                                     c->base + in->to[end - 1], -1))
        status = oom(c, 0, err);
    c->slice = end;
    return status;
}

static glim_status encode_fragment(struct call *c, size_t start, size_t end, glim_error *err) {
    glim_work *w = &c->w;
    if (start >= end)
        return GLIM_OK;
    glim__run_clear(&w->now);
    glim__run_put(&w->now, c->text + start, end - start, (uint32_t)start, (uint32_t)end);
    if (w->now.failed)
        return glim__run_status(&w->now, err);
    w->begin = start;
    w->first = c->first && !c->base && !start;
    glim_status status = glim__normalize(c->p, w, err);
    if (status)
        return status;
    glim_run r = w->whole;
    w->whole = w->now;
    w->now = r;
    c->slice = 0;
    status = glim__added_scan(c->p, &c->p->normalized, w->whole.text, w->whole.n, c->controls,
                              found_inside, c, err);
    return status ? status : encode_slice(c, c->slice, w->whole.n, err);
}

static glim_status found(void *data, const glim_added *a, size_t start, size_t end,
                         glim_error *err) {
    struct call *c = data;
    glim_status status = encode_fragment(c, c->done, start, err);
    if (!status &&
        !glim__token_push(c->w.out, a->id, GLIM_TOKEN_TEXT, c->base + start, c->base + end, -1))
        status = oom(c, 0, err);
    c->done = end;
    return status;
}

static void release(struct call *c) {
    glim__run_release(&c->w.whole);
    glim__run_release(&c->w.now);
    glim__run_release(&c->w.next);
    glim__cuts_release(&c->w.pieces);
    glim__cuts_release(&c->w.cut);
    glim__matcher_close(c->w.matcher);
    glim__merge_release(&c->w.merge);
    glim__buffer_release(&c->w.scratch);
    glim__free(c->p->t->ctx, c->w.path);
}

glim_status glim__pipeline_tokenize(const glim_tokenizer *t, glim_token_list *out, const char *text,
                                    size_t n, size_t base, bool first, bool parse_special,
                                    glim_error *err) {
    struct call c = {
        .p = t->pipeline, .text = text, .base = base, .controls = parse_special, .first = first};
    c.w = (glim_work){.t = t, .out = out, .origin = base};
    c.w.whole.ctx = c.w.now.ctx = c.w.next.ctx = t->ctx;
    c.w.pieces.ctx = c.w.cut.ctx = t->ctx;
    c.w.merge.ctx = t->ctx;
    glim__buffer_init(&c.w.scratch, t->ctx);
    if (!n)
        return GLIM_OK;
    glim_status status = glim__matcher_open(&c.w.matcher, t->ctx, err);
    if (!status)
        status = glim__added_scan(c.p, &c.p->raw, text, n, parse_special, found, &c, err);
    if (!status)
        status = encode_fragment(&c, c.done, n, err);
    release(&c);
    return status;
}
