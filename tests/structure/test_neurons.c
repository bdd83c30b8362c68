/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neurons by their weights: what one says is what a pass adds when it alone is put to one, read
 * by the final norm's weight and the head; what one reads are cosines worked out by hand.
 */
#include "structure-testing.h"

#include <glim/lens.h>

enum { TOP = 4 };

static glim_document *neurons_of(const glim_model *m, const glim_neuron *at, size_t n) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_neurons_read(&doc, m, at, n, TOP, &err))
        fail_msg("%s: %s", glim_model_facts(m)->path, err.message);
    assert_string_equal(doc->kind, "structure");
    return doc;
}

struct lone {
    size_t neuron;
    float value;
};

static glim_status put_alone(void *data, const glim_site *s, glim_error *err) {
    const struct lone *l = data;
    memset(s->data, 0, s->dims[0] * s->dims[1] * sizeof *s->data);
    for (size_t t = 0; t < s->dims[0]; t++)
        s->data[t * s->dims[1] + l->neuron] = l->value;
    return GLIM_OK;
}

/* What the feed-forward part puts out for the neuron alone, less what it does for none. */
static void push(const glim_model *m, int layer, size_t neuron, double *out) {
    char post[64], mlp[64];
    int32_t ids[3];
    some_ids(ids, 3, m->hyper.V, 1);
    snprintf(post, sizeof post, "blocks.%d.mlp.hook_post", layer);
    snprintf(mlp, sizeof mlp, "blocks.%d.hook_mlp_out", layer);
    memset(out, 0, (size_t)m->hyper.C * sizeof *out);
    for (int i = 0; i < 2; i++) {
        struct lone lone = {neuron, (float)i};
        struct reading r = {0};
        const glim_hook hooks[] = {{post, GLIM_HOOK_WRITE, put_alone, &lone},
                                   {mlp, GLIM_HOOK_READ, take_reading, &r}};
        glim_sequence q = {.ids = ids, .count = 3};
        glim_session *s = new_session(m, 0);
        run_batch(s, &(glim_batch){.sequences = &q, .count = 1, .hooks = hooks, .n_hooks = 2});
        assert_non_null(r.data);
        for (int c = 0; c < m->hyper.C; c++)
            out[c] += (i ? 1 : -1) * (double)r.data[c];
        free(r.data);
        glim_session_free(s);
    }
}

static int descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* scores (V), of rows of a matrix with a vector; and the table's numbers beside them, up to a
   factor when a norm behind the part divides. */
static void beside(const glim_document *doc, const char *panel, size_t first, double *scores,
                   size_t V, bool scaled) {
    const glim_panel *p = glim_document_panel(doc, panel);
    assert_non_null(p);
    qsort(scores, V, sizeof *scores, descending);
    double by = scaled ? p->cells[first * 5 + 2].number / scores[0] : 1;
    assert_true(by > 0);
    for (size_t i = 0; i < TOP; i++) {
        const glim_panel_cell *cell = p->cells + (first + i) * 5;
        double most = scores[i] * by, least = scores[V - 1 - i] * by;
        double size = fabs(scores[0] * by) + 1e-6;
        if (fabs(cell[2].number - most) > 2e-4 * size || fabs(cell[4].number - least) > 2e-4 * size)
            fail_msg("%s, %zu: %g and %g, expected %g and %g", panel, i, cell[2].number,
                     cell[4].number, most, least);
    }
}

static void check_says(const char *file) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, file);
    const glim_layer *last = &m->layers[m->hyper.L - 1];
    size_t C = (size_t)m->hyper.C, V = (size_t)glim__tokenizer_info(m->tokenizer)->vocab;
    glim_error err = {0};
    glim_document *doc = NULL;
    const glim_neuron at[] = {{m->hyper.L - 1, 7}, {0, 3}, {m->hyper.L - 1, 0}};
    if (last->mixture || m->layers[0].mixture) {
        assert_int_equal(glim_neurons_read(&doc, m, at, 3, 0, &err), GLIM_EUNSUPPORTED);
        goto done;
    }
    V = V < (size_t)m->head.rows ? V : (size_t)m->head.rows;
    doc = neurons_of(m, at, 3);
    double *d = malloc(C * sizeof *d), *scores = malloc(V * sizeof *scores);
    float *row = malloc(C * sizeof *row);
    for (size_t k = 0; k < 3; k++) {
        double mean = 0, all = 0, scale = m->hyper.out_scale > 0 ? m->hyper.out_scale : 1;
        push(m, at[k].layer, at[k].neuron, d);
        for (size_t c = 0; c < C && m->hyper.layer_norm; c++)
            mean += d[c] / (double)C;
        for (size_t v = 0; v < V; v++) {
            glim__matrix_read_row(ctx, &m->head, (int64_t)v, row);
            scores[v] = 0;
            for (size_t c = 0; c < C; c++)
                scores[v] += scale * row[c] * m->final_norm[c] * (d[c] - mean);
            all += scores[v] / (double)V;
        }
        size_t best = 0;
        for (size_t v = 0; v < V; v++) {
            scores[v] -= all;
            best = scores[v] > scores[best] ? v : best;
        }
        const glim_panel *p = glim_document_panel(doc, "neurons-say");
        size_t n;
        const char *word = glim_model_token_bytes(m, (int32_t)best, &n);
        assert_memory_equal(p->cells[k * TOP * 5 + 1].text, word,
                            strlen(p->cells[k * TOP * 5 + 1].text));
        beside(doc, "neurons-say", k * TOP, scores, V, m->layers[at[k].layer].ffn_post_norm);
    }
    free(d);
    free(scores);
    free(row);
done:
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void what_a_neuron_says_is_what_it_pushes(void **state) {
    assert_true(each_golden(".gguf", check_says) > 20);
}

/* cos(W_gate o norm, embedding), centred for layer norms. */
static void check_reads(const char *file, bool gated) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, file);
    const glim_layer *w = &m->layers[m->hyper.L - 1];
    size_t C = (size_t)m->hyper.C, V = (size_t)m->embedding.rows;
    const glim_neuron at = {m->hyper.L - 1, 5};
    glim_document *doc = neurons_of(m, &at, 1);
    float *in = malloc(C * sizeof *in), *row = malloc(C * sizeof *row);
    double *scores = malloc(V * sizeof *scores), mean = 0, own = 0;
    assert_true(gated == (w->gate.data != NULL));
    glim__matrix_read_row(ctx, gated ? &w->gate : &w->up, 5, in);
    for (size_t c = 0; c < C; c++)
        mean += (in[c] *= w->ffn_norm[c]) / (double)C;
    for (size_t c = 0; c < C; c++) {
        in[c] -= m->hyper.layer_norm ? (float)mean : 0;
        own += (double)in[c] * in[c];
    }
    for (size_t v = 0; v < V; v++) {
        double length = 0;
        glim__matrix_read_row(ctx, &m->embedding, (int64_t)v, row);
        scores[v] = 0;
        for (size_t c = 0; c < C; c++) {
            scores[v] += (double)row[c] * in[c];
            length += (double)row[c] * row[c];
        }
        scores[v] = length > 0 ? scores[v] / sqrt(length * own) : 0;
    }
    beside(doc, "neurons-read", 0, scores, V, false);
    free(in);
    free(row);
    free(scores);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void what_a_neuron_reads_is_near_its_weights(void **state) {
    check_reads("llama.gguf", true);
    check_reads("llama-q4_0.gguf", true);
    check_reads("gpt2.gguf", false);
}

static void other_models_and_neurons_are_refused(void **state) {
    static const struct {
        const char *file;
        glim_neuron at;
        glim_status status;
        const char *why;
    } cases[] = {{"llama.gguf", {2, 0}, GLIM_EUSAGE, "there is no block 2"},
                 {"llama.gguf", {-1, 0}, GLIM_EUSAGE, "there is no block -1"},
                 {"llama.gguf", {1, 1 << 20}, GLIM_EUSAGE, "has no neuron"},
                 {"published/bert-classes", {0, 0}, GLIM_EUSAGE, "writes no tokens"},
                 {"published/bert-fill", {0, 0}, GLIM_EUNSUPPORTED, "more than a norm"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, cases[i].file);
        glim_document *doc = NULL;
        glim_error err = {0};
        glim_status status = glim_neurons_read(&doc, m, &cases[i].at, 1, 0, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].why))
            fail_msg("%zu: %d, %s", i, status, err.message);
        glim_model_close(m);
        glim_context_free(ctx);
    }
    /* T5's decoder has a norm before its head */
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "stacks/t5");
    glim_document_free(neurons_of(m, &(glim_neuron){1, 2}, 1));
    glim_model_close(m);
    glim_context_free(ctx);
}

static void threads_change_no_bit(void **state) {
    glim_document *docs[2];
    glim_context *ctx[2];
    glim_model *m[2];
    const glim_neuron at[] = {{0, 1}, {0, 2}};
    for (int i = 0; i < 2; i++) {
        ctx[i] = context_with(i ? 3 : 1, 0);
        m[i] = open_model(ctx[i], "llama-q4_0.gguf");
        docs[i] = neurons_of(m[i], at, 2);
    }
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < 2 * TOP * 5; i++)
            assert_true(docs[0]->panels[p].cells[i].number == docs[1]->panels[p].cells[i].number ||
                        docs[0]->panels[p].cells[i].text);
    for (int i = 0; i < 2; i++) {
        glim_document_free(docs[i]);
        glim_model_close(m[i]);
        glim_context_free(ctx[i]);
    }
}

static glim_status make_document(glim_document **doc, const glim_model *m, glim_error *err) {
    return glim_neurons_read(doc, m, &(glim_neuron){1, 1}, 1, 2, err);
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    refuse_allocations(make_document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_neuron_says_is_what_it_pushes),
        cmocka_unit_test(what_a_neuron_reads_is_near_its_weights),
        cmocka_unit_test(other_models_and_neurons_are_refused),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
