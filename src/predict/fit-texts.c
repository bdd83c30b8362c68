/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's representation of texts as features: the model is cut off at the site and
 * run over all texts, sorted by length, in ragged batches without padding. What was
 * fitted becomes the head of the cut model afterwards, with the standardisation folded
 * into it.
 */
#include "model/model.h"
#include "predict/fit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_ROWS = 512 };

struct text {
    int32_t *ids;
    size_t n;
};

struct reading {
    glim_context *ctx;
    glim_model *cut;
    const glim_table *t;
    const glim_fit_texts *how;
    glim_fit_target target;
    size_t column;
    struct text *texts; /* (target.n) */
    size_t *order;      /* shortest first */
    uint32_t *every;    /* 0, 1, ... */
    glim_arena arena;   /* ids */
    size_t total, longest, shortened;
    float *x; /* (target.n, C) */
};

/* ---- tokens ---- */

static glim_status take_text(struct reading *r, const char *text, const char *where,
                             glim_error *err) {
    size_t most = (size_t)glim_model_facts(r->cut)->context_length;
    glim_tokens *tokens = NULL;
    struct text *out = &r->texts[r->target.n];
    glim_status status = glim_model_tokenize(r->cut, &tokens, text, strlen(text), err);
    if (status)
        return glim_prefix(err, status, "%s", where);
    size_t n = tokens->count < most ? tokens->count : most;
    uint32_t *kept = glim__alloc(r->ctx, n * sizeof *kept);
    out->ids = glim__arena_alloc(&r->arena, n * sizeof *out->ids);
    if (kept && out->ids) {
        out->n = glim__tokens_shorten(tokens, most, kept);
        for (size_t i = 0; i < out->n; i++)
            out->ids[i] = tokens->at[kept[i]].id;
    } else {
        status = glim__oom(r->ctx, err, "the tokens", n * sizeof *out->ids);
    }
    glim__free(r->ctx, kept);
    r->shortened += tokens->count > most;
    r->total += n;
    r->longest = n > r->longest ? n : r->longest;
    glim_tokens_free(tokens);
    return status;
}

static glim_status take_row(struct reading *r, size_t row, glim_error *err) {
    char where[320];
    bool missing = false, drop = r->how->drop_missing;
    const char *text = glim__table_cell(r->t, row, r->column);
    snprintf(where, sizeof where, "row %zu of '%.200s'", row + 1, r->t->path);
    glim_status status = glim__fit_target_take(&r->target, row, where, drop, &missing, err);
    if (!status && !*text && !drop)
        return glim_fail(err, GLIM_EFORMAT,
                         "%s has no '%.60s' (--missing drop leaves such rows out)", where,
                         r->how->text);
    if (status || missing || !*text)
        return status;
    status = take_text(r, text, where, err);
    r->target.n += !status;
    return status;
}

static glim_status take_rows(struct reading *r, glim_error *err) {
    size_t N = r->t->n_rows;
    r->texts = glim__calloc(r->ctx, N, sizeof *r->texts);
    glim_status status =
        r->texts ? GLIM_OK : glim__oom(r->ctx, err, "the texts", N * sizeof *r->texts);
    for (size_t i = 0; i < N && !status; i++) {
        status = take_row(r, i, err);
        if (!status)
            status = glim__check_cancel(r->ctx, err);
    }
    if (!status && !r->target.n)
        status = glim_fail(err, GLIM_EUSAGE, "'%s': every row has a missing cell", r->t->path);
    return status;
}

/* ---- the representation ---- */

static int by_length(const void *a, const void *b, void *data) {
    const struct text *texts = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    if (texts[i].n != texts[k].n)
        return texts[i].n < texts[k].n ? -1 : 1;
    return i < k ? -1 : i > k;
}

static void want(const struct reading *r, const struct text *text, glim_sequence *q) {
    *q = (glim_sequence){.ids = text->ids, .count = text->n, .wanted = r->every, .n_wanted = 1};
    if (r->cut->pool == GLIM_POOL_MEAN)
        q->n_wanted = text->n;
    else if (r->cut->pool == GLIM_POOL_LAST)
        q->wanted = r->every + text->n - 1;
}

/* Rows of a batch that memory allows. */
static size_t batch_rows(const struct reading *r) {
    size_t rows = BATCH_ROWS > r->longest ? BATCH_ROWS : r->longest;
    uint64_t left = glim__budget_left(r->ctx);
    while (rows > r->longest &&
           glim_session_plan(r->cut, rows, rows, r->longest, rows, false, NULL) > left / 2)
        rows = rows / 2 > r->longest ? rows / 2 : r->longest;
    return rows;
}

static glim_status run_batches(struct reading *r, glim_session *s, glim_sequence *q, size_t most,
                               glim_error *err) {
    size_t C = (size_t)r->cut->hyper.C, N = r->target.n;
    glim_status status = GLIM_OK;
    for (size_t at = 0, n; at < N && !status; at += n) {
        size_t rows = 0;
        for (n = 0; at + n < N; n++) {
            const struct text *text = &r->texts[r->order[at + n]];
            if (n && rows + text->n > most)
                break;
            want(r, text, &q[n]);
            rows += text->n;
        }
        status = glim_session_forward(s, &(glim_batch){.sequences = q, .count = n}, err);
        for (size_t i = 0; i < n && !status; i++)
            memcpy(r->x + r->order[at + i] * C, glim_session_logits(s, i, 0), C * sizeof *r->x);
        glim__progress_add(r->ctx, rows);
        if (!status)
            status = glim__check_cancel(r->ctx, err);
    }
    return status;
}

static glim_status represent(struct reading *r, glim_error *err) {
    size_t N = r->target.n, C = (size_t)r->cut->hyper.C, bytes;
    if (__builtin_mul_overflow(N, C * sizeof *r->x, &bytes))
        return glim_fail(err, GLIM_ELIMIT, "%zu texts are too many", N);
    glim_session *s = NULL;
    r->x = glim__alloc(r->ctx, bytes);
    r->order = glim__calloc(r->ctx, N, sizeof *r->order);
    r->every = glim__calloc(r->ctx, r->longest + 1, sizeof *r->every);
    if (!r->x || !r->order || !r->every)
        return glim__oom(r->ctx, err, "the representation", bytes);
    for (size_t i = 0; i < N; i++)
        r->order[i] = i;
    for (size_t i = 0; i <= r->longest; i++)
        r->every[i] = (uint32_t)i;
    qsort_r(r->order, N, sizeof *r->order, by_length, r->texts);
    size_t most = batch_rows(r);
    glim_sequence *q = glim__calloc(r->ctx, most, sizeof *q);
    glim_status status = q ? glim_session_new(&s, r->cut, 0, err)
                           : glim__oom(r->ctx, err, "a batch", most * sizeof *q);
    glim__progress_begin(r->ctx, "represent texts", r->total);
    if (!status)
        status = run_batches(r, s, q, most, err);
    glim__progress_end(r->ctx);
    glim_session_free(s);
    glim__free(r->ctx, q);
    return status;
}

/* ---- fitting ---- */

static glim_status keep(glim_linear *l, const struct reading *r, glim_error *err) {
    const glim_model_info *i = glim_model_facts(r->cut);
    const char *const from[] = {r->how->site, r->how->pool, i->architecture, i->digest,
                                r->how->label};
    const char **into[] = {&l->info.site, &l->info.pool, &l->info.architecture,
                           &l->info.model_digest, &l->info.target};
    for (size_t k = 0; k < sizeof from / sizeof *from; k++)
        if (!(*into[k] = glim__arena_strdup(&l->arena, from[k])))
            return glim__oom(l->ctx, err, "the model", 0);
    return GLIM_OK;
}

static void forget_texts(struct reading *r) {
    glim__free(r->ctx, r->texts);
    glim__free(r->ctx, r->order);
    glim__free(r->ctx, r->every);
    glim__free(r->ctx, r->x);
    r->texts = NULL;
    r->order = NULL;
    r->every = NULL;
    r->x = NULL;
    glim__arena_reset(&r->arena);
}

static void release(struct reading *r) {
    forget_texts(r);
    glim__fit_target_release(&r->target);
    glim__arena_release(&r->arena);
    glim_model_close(r->cut);
}

static glim_status read_and_fit(glim_linear **out, glim_fit_report *report, struct reading *r,
                                const glim_fit_options *options, glim_error *err) {
    glim_status status = glim__fit_target_init(&r->target, r->ctx, r->t, r->how->label, true, err);
    if (!status)
        status = glim__table_column(r->t, r->how->text, &r->column, err);
    if (!status && r->column == r->target.column)
        status =
            glim_fail(err, GLIM_EUSAGE, "'%.60s' is named both as text and as label", r->how->text);
    if (!status)
        status = take_rows(r, err);
    if (!status)
        status = represent(r, err);
    if (status)
        return status;
    glim_fit_data d = glim__fit_target_data(&r->target);
    d.f32 = r->x;
    d.width = (size_t)r->cut->hyper.C;
    status = glim_fit(out, report, r->ctx, &d, options, err);
    if (status)
        return status;
    report->left_out = r->t->n_rows - r->target.n;
    report->cut = r->shortened;
    return keep(*out, r, err);
}

glim_status glim_fit_representation(glim_linear **out, glim_fit_report *report,
                                    const glim_model *model, const glim_fit_texts *texts,
                                    const glim_fit_options *options, glim_error *err) {
    struct reading r = {.ctx = model->ctx, .how = texts};
    glim_table *t = NULL;
    *out = NULL;
    if (options->kind != GLIM_FIT_LOGISTIC)
        return glim_fail(err, GLIM_EUSAGE,
                         "texts are told apart by classes; numbers are predicted from tables");
    glim_status status = glim__model_cut(&r.cut, model, texts->site, texts->pool, err);
    if (status)
        return status;
    glim__arena_init(&r.arena, r.ctx, 1 << 18);
    status = glim__table_open(&t, r.ctx, texts->path, err);
    r.t = t;
    if (!status)
        status = read_and_fit(out, report, &r, options, err);
    release(&r);
    glim__table_close(t);
    if (status) {
        glim_linear_close(*out);
        *out = NULL;
    }
    return status;
}

/* ---- texts of others ---- */

struct glim_representer {
    struct reading r;
};

glim_status glim__representer_new(glim_representer **out, const glim_model *model,
                                  const glim_fit_texts *how, glim_error *err) {
    *out = NULL;
    glim_representer *p = glim__calloc(model->ctx, 1, sizeof *p);
    if (!p)
        return glim__oom(model->ctx, err, "the representation", sizeof *p);
    p->r = (struct reading){.ctx = model->ctx, .how = how};
    glim__arena_init(&p->r.arena, p->r.ctx, 1 << 16);
    glim_status status = glim__model_cut(&p->r.cut, model, how->site, how->pool, err);
    if (status) {
        glim__representer_free(p);
        return status;
    }
    *out = p;
    return GLIM_OK;
}

void glim__representer_free(glim_representer *p) {
    if (!p)
        return;
    glim_context *ctx = p->r.ctx;
    release(&p->r);
    glim__free(ctx, p);
}

glim_status glim__represent(glim_representer *p, const char *const *texts, size_t n, float *out,
                            size_t *cut, glim_error *err) {
    struct reading *r = &p->r;
    char where[64];
    glim_status status = GLIM_OK;
    r->target.n = r->total = r->longest = r->shortened = 0;
    r->texts = glim__calloc(r->ctx, n + 1, sizeof *r->texts);
    if (!r->texts)
        status = glim__oom(r->ctx, err, "the texts", n * sizeof *r->texts);
    for (; r->target.n < n && !status; r->target.n++) {
        snprintf(where, sizeof where, "text %zu", r->target.n + 1);
        status = take_text(r, texts[r->target.n], where, err);
        if (!status)
            status = glim__check_cancel(r->ctx, err);
    }
    if (!status && n)
        status = represent(r, err);
    if (!status && n)
        memcpy(out, r->x, n * (size_t)r->cut->hyper.C * sizeof *out);
    *cut += r->shortened;
    forget_texts(r);
    return status;
}

/* ---- the head ---- */

/* Of two classes each gets half of the log odds: the softmax is the same. */
static glim_status add_head(glim_model *cut, const glim_linear *l, glim_error *err) {
    const glim_linear_info *i = &l->info;
    size_t K = i->n_classes, O = i->outputs, C = i->width;
    double *w = glim__calloc(cut->ctx, O * C + O, sizeof *w);
    float *head = glim__calloc(cut->ctx, K * C + K, sizeof *head);
    glim_status status = w && head ? GLIM_OK : glim__oom(cut->ctx, err, "the head", K * C * 4);
    if (!status) {
        glim_linear_weights(l, w, w + O * C);
        for (size_t k = 0; k < K; k++) {
            double by = O > 1 ? 1 : k ? 0.5 : -0.5;
            size_t from = O > 1 ? k : 0;
            for (size_t c = 0; c < C; c++)
                head[k * C + c] = (float)(by * w[from * C + c]);
            head[K * C + k] = (float)(by * w[O * C + from]);
        }
        status = glim__model_cut_head(cut, head, head + K * C, i->classes, (int)K, err);
    }
    glim__free(cut->ctx, w);
    glim__free(cut->ctx, head);
    return status;
}

glim_status glim_model_open_fitted(glim_model **out, const glim_model *model,
                                   const glim_linear *linear, glim_error *err) {
    const glim_linear_info *i = &linear->info;
    const glim_model_info *m = glim_model_facts(model);
    const char *path = i->path ? i->path : "the fitted model";
    *out = NULL;
    if (!i->site)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' reads the columns of a table, no texts (leave out --model)", path);
    if (strcmp(i->architecture, m->architecture) != 0 || i->width != (size_t)m->width ||
        strcmp(i->model_digest, m->digest) != 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' was fitted on another model (%.40s, width %zu) than '%.200s'", path,
                         i->architecture, i->width, m->path);
    glim_status status = glim__model_cut(out, model, i->site, i->pool, err);
    if (!status)
        status = add_head(*out, linear, err);
    if (status) {
        glim_model_close(*out);
        *out = NULL;
    }
    return status;
}
