/* SPDX-License-Identifier: Apache-2.0 */
/* Passages are read some at a time, so that batches can be as large as memory allows. */
#include "structure/corpus-pass.h"

#include "model/model.h"

enum { AT_ONCE = 64 };

struct pass {
    const glim_model *m;
    glim_corpus *corpus;
    glim_arena arena;
    glim_passage x[AT_ONCE];
    glim_sequence q[AT_ONCE];
    size_t n;
    uint64_t skip;
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
    const glim_model *m = p->m;
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
        glim_passage *x = &p->x[p->n];
        status = glim__corpus_next(p->corpus, &p->arena, x, &p->more, err);
        if (status || !p->more)
            break;
        if (p->skip) {
            p->skip--;
            glim_tokens_free(x->tokens);
            status = glim__check_cancel(p->m->ctx, err);
            continue;
        }
        p->n++;
        status = make_sequence(p, x->tokens, &p->q[p->n - 1], err);
    }
    return status;
}

static glim_status run_some(struct pass *p, const glim_corpus_reader *reader, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0, n; i < p->n && !status; i += n) {
        n = reader->take(reader->data, p->q + i, p->n - i);
        glim_corpus_batch b = {p->x + i, p->q + i, n, 0};
        for (size_t k = i; k < i + n; k++)
            b.rows += p->q[k].count;
        status = reader->run(reader->data, &b, err);
        if (!status)
            status = glim__check_cancel(p->m->ctx, err);
    }
    return status;
}

glim_status glim__corpus_pass(glim_corpus *c, const glim_model *m, const glim_corpus_reader *reader,
                              glim_error *err) {
    struct pass *p = glim__calloc(m->ctx, 1, sizeof *p);
    if (!p)
        return glim__oom(m->ctx, err, "a corpus", sizeof *p);
    *p = (struct pass){.m = m, .corpus = c, .more = true, .skip = reader->skip};
    glim__arena_init(&p->arena, m->ctx, 1 << 16);
    uint64_t done = 0;
    glim_status status = GLIM_OK;
    glim__progress_begin_items(m->ctx, "texts", glim__corpus_total(c));
    while (!status && p->more) {
        status = read_some(p, err);
        if (!status)
            status = run_some(p, reader, err);
        glim__progress_add(m->ctx, glim__corpus_done(c) - done);
        done = glim__corpus_done(c);
    }
    glim__progress_end(m->ctx);
    forget(p);
    glim__arena_release(&p->arena);
    glim__free(m->ctx, p);
    return status;
}
