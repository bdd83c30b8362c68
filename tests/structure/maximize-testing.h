/* SPDX-License-Identifier: Apache-2.0 */
/* maximize-testing.h: corpora, and values of a site read by a hook of the test's own. */
#ifndef GLIM_TESTS_MAXIMIZE_TESTING_H
#define GLIM_TESTS_MAXIMIZE_TESTING_H

#include "../model/model-testing.h"

#include <glim/maximize.h>
#include <unistd.h>

enum { LONGEST = 64 };

static inline const char *save_corpus(const char *end, const char *text) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/glim-maximize-%d.%s", (int)getpid(), end);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static inline int clean_corpora(void **state) {
    static const char *const ends[] = {"csv", "txt", "jsonl", "safetensors"};
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "/tmp/glim-maximize-%d.%s", (int)getpid(), ends[i]);
        unlink(path);
    }
    return 0;
}

static inline glim_document *maximize(const glim_model *m, const glim_maximize_options *o) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_maximize(&doc, m, o, &err))
        fail_msg("%s", err.message);
    return doc;
}

static inline const glim_panel *panel(const glim_document *doc, const char *name) {
    const glim_panel *p = glim_document_panel(doc, name);
    if (!p)
        fail_msg("no panel '%s'", name);
    return p;
}

struct rows {
    float x[LONGEST * 512];
    size_t rows, cols;
};

static inline glim_status take_rows(void *data, const glim_site *site, glim_error *err) {
    struct rows *r = data;
    r->rows = site->dims[0];
    r->cols = 1;
    for (int i = 1; i < site->n_dims; i++)
        r->cols *= site->dims[i];
    assert_true(r->rows * r->cols <= LONGEST * 512);
    memcpy(r->x, site->data, r->rows * r->cols * sizeof *r->x);
    return GLIM_OK;
}

/* A site's rows for a text by itself, of the whole model, and which tokens are its own. */
static inline void site_of(const glim_model *m, const char *text, size_t n, const char *site,
                           struct rows *out, uint8_t *own) {
    glim_tokens *t = NULL;
    glim_error err = {0};
    int32_t ids[LONGEST];
    uint8_t types[LONGEST] = {0};
    uint32_t every[LONGEST];
    if (glim_model_tokenize(m, &t, text, n, &err))
        fail_msg("%s", err.message);
    assert_true(t->count <= LONGEST);
    for (size_t k = 0; k < t->count; k++) {
        ids[k] = t->at[k].id;
        own[k] = t->at[k].kind == GLIM_TOKEN_TEXT;
        every[k] = (uint32_t)k;
    }
    glim_hook hook = {site, GLIM_HOOK_READ, take_rows, out};
    glim_sequence q = {.ids = ids,
                       .count = t->count,
                       .types = m->types.data ? types : NULL,
                       .wanted = every,
                       .n_wanted = t->count};
    glim_sequence w = {.ids = &m->start, .count = 1, .wanted = every, .n_wanted = 1};
    glim_session *s = new_session(m, 0);
    run_batch(s, &(glim_batch){.sequences = m->encoder ? &w : &q,
                               .count = 1,
                               .hooks = &hook,
                               .n_hooks = 1,
                               .sources = m->encoder ? &q : NULL,
                               .n_sources = m->encoder ? 1 : 0});
    glim_session_free(s);
    glim_tokens_free(t);
}

/* The largest entry `index` of the text's own rows. */
static inline double largest_of(const glim_model *m, const char *text, size_t n, const char *site,
                                size_t index) {
    static struct rows r;
    uint8_t own[LONGEST];
    double best = -INFINITY;
    site_of(m, text, n, site, &r, own);
    for (size_t k = 0; k < r.rows; k++)
        if (own[k] && (double)r.x[k * r.cols + index] > best)
            best = (double)r.x[k * r.cols + index];
    return best;
}

static inline double least_of(const glim_model *m, const char *text, size_t n, const char *site,
                              size_t index) {
    static struct rows r;
    uint8_t own[LONGEST];
    double least = INFINITY;
    site_of(m, text, n, site, &r, own);
    for (size_t k = 0; k < r.rows; k++)
        if (own[k])
            least = fmin(least, (double)r.x[k * r.cols + index]);
    return least;
}

static inline double mean_of(const glim_model *m, const char *text, size_t n, const char *site,
                             size_t index) {
    static struct rows r;
    uint8_t own[LONGEST];
    double sum = 0, all = 0;
    site_of(m, text, n, site, &r, own);
    for (size_t k = 0; k < r.rows; k++) {
        sum += own[k] ? (double)r.x[k * r.cols + index] : 0;
        all += own[k];
    }
    return sum / all;
}

/* The pieces of a strip in one. */
static inline size_t joined(const glim_panel_text *s, char *out, size_t n) {
    size_t len = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t k = strlen(s->pieces[i]);
        assert_true(len + k < n);
        memcpy(out + len, s->pieces[i], k + 1);
        len += k;
    }
    return len;
}

/* Asks with the n-th allocation refused, for all n up to `all` and every eleventh behind (later
   ones repeat those of a step): an error or a document, and all memory back. */
static inline void refuse_each(glim_context *ctx, const glim_model *m,
                               const glim_maximize_options *o, uint64_t all) {
    uint64_t before = glim_context_bytes(ctx);
    bool through = false;
    for (uint64_t nth = 1; !through; nth += nth < all ? 1 : 11) {
        glim_document *doc = NULL;
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_maximize(&doc, m, o, &err);
        glim__fail_allocation(ctx, 0);
        through = !status;
        if (!through && status != GLIM_ENOMEM)
            fail_msg("%s", err.message);
        assert_true(through == (doc != NULL));
        glim_document_free(doc);
        assert_true(nth < 20000);
        glim__spare_trim(ctx);
        assert_true(glim_context_bytes(ctx) <= before);
    }
}

/* Mean of -log p of a text's tokens but the first, by its logits. */
static inline double unlikely(const glim_model *m, const char *text) {
    static struct rows r;
    uint8_t own[LONGEST];
    glim_tokens *t = NULL;
    glim_error err = {0};
    double sum = 0;
    site_of(m, text, strlen(text), "hook_logits", &r, own);
    assert_int_equal(glim_model_tokenize(m, &t, text, strlen(text), &err), GLIM_OK);
    for (size_t k = 1; k < t->count; k++) {
        double all = 0;
        for (size_t v = 0; v < r.cols; v++)
            all += exp((double)r.x[(k - 1) * r.cols + v]);
        sum += log(all) - (double)r.x[(k - 1) * r.cols + (size_t)t->at[k].id];
    }
    double mean = sum / (double)(t->count - 1);
    glim_tokens_free(t);
    return mean;
}

/* Near-duplicates, by the note. */
static inline size_t left_out(const glim_document *doc) {
    for (size_t i = 0; i < doc->n_notes; i++)
        if (strstr(doc->notes[i], "near-duplicate"))
            return strtoul(doc->notes[i], NULL, 10);
    return 0;
}

#endif
