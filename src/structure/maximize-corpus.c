/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus through the model, in as large batches as memory allows, which show in no bit, and
 * given to what keeps the best of it. All units of a site are read off the same pass. With a
 * store what is kept of the texts so far is put there now and then: it does not grow, and texts
 * before that point are not run again.
 */
#include "structure/corpus-pass.h"
#include "structure/kept-record.h"
#include "structure/maximize.h"

#include <string.h>

struct pass {
    glim_maximized *r;
    glim_activation *a;
    uint64_t passages; /* that were run */
};

static size_t take(void *data, const glim_sequence *q, size_t n) {
    return glim__activation_take(((struct pass *)data)->a, q, n);
}

/* ---- what is put into the store ---- */

static glim_status put_state(struct pass *p, glim_error *err) {
    glim_buffer b;
    double began = glim__seconds();
    glim__buffer_init(&b, p->r->ctx);
    glim__pack_number(&b, p->passages);
    glim__kept_write(&b, &p->r->kept);
    glim_status status = b.failed ? glim__oom(p->r->ctx, err, "the kept texts", b.len)
                                  : glim__work_put(&p->r->work, 0, b.data, b.len, err);
    glim__buffer_release(&b);
    glim__work_was_put(&p->r->work, began);
    return status;
}

static glim_status get_state(struct pass *p, glim_error *err) {
    glim_buffer b;
    bool found;
    glim__buffer_init(&b, p->r->ctx);
    glim_status status = glim__work_get(&p->r->work, 0, &b, &found, err);
    if (!status && found) {
        glim_unpacking r = {b.data, b.data + b.len, false};
        p->passages = glim__unpack_number(&r);
        status = glim__kept_read(&r, &p->r->kept, err);
    }
    glim__buffer_release(&b);
    return status;
}

/* ---- the pass ---- */

static glim_status run(void *data, const glim_corpus_batch *b, glim_error *err) {
    struct pass *p = data;
    glim_activation *a = p->a;
    glim_context *ctx = a->ctx;
    size_t at = 0;
    float *values = glim__spare_take(ctx, b->rows * a->n * sizeof *values);
    glim_status status = values ? glim__activation_run(a, b->q, b->n, false, values, err)
                                : glim__oom(ctx, err, "activations", b->rows * a->n * 4);
    p->r->forward += status ? 0 : b->rows;
    for (size_t k = 0; k < b->n && !status; k++) {
        const glim_passage *x = &b->x[k];
        status = glim__kept_add(&p->r->kept, x->text, x->tokens, x->row, x->part,
                                values + at * a->n, a->whole_text, err);
        at += a->whole_text ? 1 : b->q[k].count;
    }
    glim__spare_give(ctx, values);
    p->passages += b->n;
    return status || !glim__work_is_due(&p->r->work) ? status : put_state(p, err);
}

glim_status glim__maximize_corpus(glim_maximized *r, glim_activation *a, glim_error *err) {
    const glim_maximize_options *o = r->o;
    struct pass p = {.r = r, .a = a};
    glim_corpus *c = NULL;
    glim_status status = glim__kept_init(&r->kept, a->ctx, a->n, o->top, r->pool, o->seed, err);
    if (!status)
        status = glim__corpus_open(&c, a->m, o->data, o->text_column, o->window, err);
    r->read = !status;
    if (!status && r->work.store) {
        glim_digest d = glim__work_digest(&r->work, "texts of a corpus");
        status = glim__maximize_digest(r, a, &d, err);
        r->work.key = glim__digest_end(&d);
    }
    if (!status)
        status = get_state(&p, err);
    const glim_corpus_reader reader = {take, run, &p, p.passages};
    if (!status)
        status = glim__corpus_pass(c, a->m, &reader, err);
    if (!status && r->work.store)
        status = put_state(&p, err);
    if (c)
        r->counts = *glim__corpus_counts(c);
    glim__corpus_close(c);
    return status;
}
