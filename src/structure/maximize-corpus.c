/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus through the model. Passages are read some at a time, run in as large batches as
 * memory allows, which show in no bit, and given to what keeps the best of them. All units of
 * a site are read off the same pass.
 */
#include "structure/maximize.h"

#include <string.h>

enum { AT_ONCE = 64 };

struct pass {
    glim_maximized *r;
    glim_activation *a;
    glim_corpus *corpus;
    glim_arena arena;
    glim_passage x[AT_ONCE];
    glim_sequence q[AT_ONCE];
    size_t n;
    bool more;
};

static void forget(struct pass *p) {
    for (size_t i = 0; i < p->n; i++)
        glim_tokens_free(p->x[i].tokens);
    p->n = 0;
    glim__arena_reset(&p->arena);
}

static glim_status make_sequence(struct pass *p, const glim_tokens *t, glim_sequence *q,
                                 glim_error *err) {
    const glim_model *m = p->a->m;
    int32_t *ids = glim__arena_calloc(&p->arena, t->count, sizeof *ids);
    uint8_t *types = glim__arena_calloc(&p->arena, t->count, 1);
    if (!ids || !types)
        return glim__oom(m->ctx, err, "a text's tokens", t->count * sizeof *ids);
    for (size_t k = 0; k < t->count; k++)
        ids[k] = t->at[k].id;
    glim__token_types(m->tokenizer, t, types);
    *q = (glim_sequence){.ids = ids, .count = t->count, .types = m->types.data ? types : NULL};
    return GLIM_OK;
}

static glim_status read_some(struct pass *p, glim_error *err) {
    glim_status status = GLIM_OK;
    forget(p);
    while (p->n < AT_ONCE && p->more && !status) {
        status = glim__corpus_next(p->corpus, &p->arena, &p->x[p->n], &p->more, err);
        if (status || !p->more)
            break;
        p->n++;
        status = make_sequence(p, p->x[p->n - 1].tokens, &p->q[p->n - 1], err);
    }
    return status;
}

static glim_status run_some(struct pass *p, glim_error *err) {
    glim_context *ctx = p->a->ctx;
    glim_status status = GLIM_OK;
    for (size_t i = 0, n; i < p->n && !status; i += n) {
        size_t rows = 0, at = 0;
        n = glim__activation_take(p->a, p->q + i, p->n - i);
        for (size_t k = i; k < i + n; k++)
            rows += p->q[k].count;
        float *values = glim__spare_take(ctx, rows * p->a->n * sizeof *values);
        status = values ? glim__activation_run(p->a, p->q + i, n, false, values, err)
                        : glim__oom(ctx, err, "activations", rows * p->a->n * sizeof *values);
        p->r->forward += status ? 0 : rows;
        for (size_t k = i; k < i + n && !status; k++) {
            const glim_passage *x = &p->x[k];
            status = glim__kept_add(&p->r->kept, x->text, x->tokens, x->row, x->part,
                                    values + at * p->a->n, p->a->whole_text, err);
            at += p->a->whole_text ? 1 : p->q[k].count;
        }
        glim__spare_give(ctx, values);
        if (!status)
            status = glim__check_cancel(ctx, err);
    }
    return status;
}

glim_status glim__maximize_corpus(glim_maximized *r, glim_activation *a, glim_error *err) {
    const glim_maximize_options *o = r->o;
    struct pass *p = glim__calloc(a->ctx, 1, sizeof *p);
    if (!p)
        return glim__oom(a->ctx, err, "a corpus", sizeof *p);
    *p = (struct pass){.r = r, .a = a, .more = true};
    glim__arena_init(&p->arena, a->ctx, 1 << 16);
    glim_status status = glim__kept_init(&r->kept, a->ctx, a->n, o->top, r->pool, o->seed, err);
    if (!status)
        status = glim__corpus_open(&p->corpus, a->m, o->data, o->text_column, o->window, err);
    r->read = !status;
    if (!status) {
        uint64_t done = 0;
        glim__progress_begin_items(a->ctx, "texts", glim__corpus_total(p->corpus));
        while (!status && p->more) {
            status = read_some(p, err);
            if (!status)
                status = run_some(p, err);
            glim__progress_add(a->ctx, glim__corpus_done(p->corpus) - done);
            done = glim__corpus_done(p->corpus);
        }
        glim__progress_end(a->ctx);
        r->counts = *glim__corpus_counts(p->corpus);
    }
    forget(p);
    glim__arena_release(&p->arena);
    glim__corpus_close(p->corpus);
    glim__free(a->ctx, p);
    return status;
}
