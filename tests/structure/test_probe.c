/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs of probes on tiny models: what is read off which site, documents, directions. */
#include "../model/model-testing.h"

#include "structure/probe-run.h"

#include <glim/directions.h>
#include <unistd.h>

static void path_of(const char *end, char out[64]) {
    snprintf(out, 64, "/tmp/glim-probe-%d.%s", (int)getpid(), end);
}

static const char *save_text(const char *end, const char *text) {
    static char path[64];
    path_of(end, path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static int clean(void **state) {
    static const char *const ends[] = {"csv",   "conll", "conllu",     "tags",
                                       "jsonl", "txt",   "safetensors"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char path[64];
        path_of(ends[i], path);
        unlink(path);
    }
    return 0;
}

/* n texts whose first word tells the class, with the same last word. */
static const char *first_words(size_t n) {
    static const char *const words[] = {"alpha", "omega"};
    static const char *const middle[] = {"one", "two", "six", "ten", "red"};
    char text[1 << 16];
    int at = snprintf(text, sizeof text, "text,label,size\n");
    for (size_t i = 0; i < n; i++) {
        unsigned k = glim__rng_below(1, i, 0, 2), a = glim__rng_below(1, i, 1, 5);
        unsigned b = glim__rng_below(1, i, 2, 5);
        at += snprintf(text + at, sizeof text - (size_t)at, "%s %s %s end,%s,%u.5\n", words[k],
                       middle[a], middle[b], k ? "last" : "first", k);
    }
    return save_text("csv", text);
}

static glim_document *probe(const glim_model *m, const glim_probe_options *o) {
    glim_document *doc = NULL;
    glim_error err = {0};
    if (glim_probe(&doc, m, o, &err))
        fail_msg("%s", err.message);
    return doc;
}

static double line_at(const glim_panel *p, const char *series, size_t site) {
    for (size_t i = 0; i < p->rows.n; i++)
        if (!strcmp(p->rows.labels[i], series))
            return p->values[i * p->columns.n + site];
    fail_msg("no line '%s'", series);
    return 0;
}

static double cell_at(const glim_panel *p, size_t row, const char *column) {
    for (size_t c = 0; c < p->columns.n; c++)
        if (!strcmp(p->columns.labels[c], column))
            return p->cells[row * p->columns.n + c].number;
    fail_msg("no column '%s'", column);
    return 0;
}

static void refuse(const glim_model *m, const glim_probe_options *o, glim_status want,
                   const char *says) {
    glim_document *doc;
    glim_error err = {0};
    glim_status status = glim_probe(&doc, m, o, &err);
    if (status != want || !strstr(err.message, says))
        fail_msg("status %d, '%s', not '%s'", status, err.message, says);
    assert_null(doc);
}

/* ---- what is found where ---- */

static void an_earlier_word_is_known_behind_attention_and_not_before(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_probe_options o = {.path = first_words(120), .strength = -1, .permutations = 10};
    glim_document *doc = probe(m, &o);
    const glim_panel *p = glim_document_panel(doc, "accuracy");
    assert_string_equal(doc->kind, "probe");
    assert_string_equal(p->columns.labels[0], "embed");
    assert_string_equal(p->columns.labels[2], "1");
    assert_int_equal(p->columns.n, (size_t)glim_model_facts(m)->layers + 1);
    double majority = line_at(p, "majority", 0);
    assert_true(majority >= 0.5 && majority < 0.65);
    assert_true(line_at(p, "probe", 0) <= majority + 0.01); /* all last words are the same */
    for (size_t s = 1; s < p->columns.n; s++) {
        assert_true(line_at(p, "probe", s) > 0.95);
        assert_true(line_at(p, "selectivity", s) > 0.3);
        assert_true(line_at(p, "control", s) < 0.65);
    }
    assert_true(line_at(p, "bag of words", 1) > 0.95); /* the word is in the text */
    assert_true(line_at(glim_document_panel(doc, "compression"), "compression", 1) > 2);
    assert_true(line_at(glim_document_panel(doc, "compression"), "compression", 0) < 1.1);
    const glim_panel *all = glim_document_panel(doc, "layers");
    assert_true(cell_at(all, 1, "p") < 0.1);
    assert_string_equal(all->cells[all->columns.n - 1].text, "");
    assert_string_equal(all->cells[2 * all->columns.n - 1].text, "best");
    const glim_panel *confusion = glim_document_panel(doc, "confusion");
    assert_string_equal(confusion->rows.labels[0], "first");
    double sum = 0;
    for (size_t i = 0; i < 4; i++)
        sum += confusion->values[i];
    assert_true(fabs(sum - 120) < 1e-6);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void numbers_and_a_hidden_layer_are_probed_too(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_probe_options o = {.path = first_words(80),
                            .label = "size",
                            .numbers = true,
                            .strength = -1,
                            .permutations = 3,
                            .sites = "blocks.*.hook_resid_post"};
    glim_document *doc = probe(m, &o);
    assert_true(line_at(glim_document_panel(doc, "r2"), "probe", 0) > 0.9);
    assert_null(glim_document_panel(doc, "confusion"));
    glim_document_free(doc);
    o.label = "label";
    o.numbers = false;
    o.kind = GLIM_PROBE_MLP;
    o.hidden = 8;
    o.no_code = o.no_baseline = o.half = true;
    doc = probe(m, &o);
    assert_true(line_at(glim_document_panel(doc, "accuracy"), "probe", 1) > 0.9);
    assert_null(glim_document_panel(doc, "compression"));
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- vectors ---- */

struct seen {
    float x[64 * 512];
    size_t rows, width;
};

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    struct seen *s = data;
    s->rows = site->dims[0];
    s->width = site->dims[1];
    memcpy(s->x, site->data, s->rows * s->width * sizeof(float));
    return GLIM_OK;
}

/* The values of one text at a site, straight from a session. */
static void look(const glim_model *m, const char *site, const glim_probe_input *x,
                 struct seen *out) {
    uint32_t row = 0;
    glim_sequence q = {
        .ids = x->ids, .types = x->types, .count = x->n, .wanted = &row, .n_wanted = 1};
    glim_hook hook = {.pattern = site, .actions = GLIM_HOOK_READ, .visit = see, .data = out};
    glim_batch b = {.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1};
    glim_session *s = new_session(m, 0);
    run_batch(s, &b);
    glim_session_free(s);
}

static void check_vectors(const glim_model *m, const char *file, const char *how, bool half) {
    const char *site = glim_model_facts(m)->both_ways ? "blocks.1.hook_normalized_resid_post"
                                                      : "blocks.1.hook_resid_post";
    glim_probe_options o = {.path = file,
                            .text = "text",
                            .label = "label",
                            .sites = site,
                            .pool = how,
                            .word = how,
                            .half = half};
    glim_probe_data d;
    glim_probe_inputs in;
    glim_probe_store store;
    glim_error err = {0};
    glim_kept_work none = {.ctx = m->ctx};
    uint64_t ran = 0;
    static struct seen seen;
    if (glim__probe_data_open(&d, m->ctx, &o, &err) || glim__probe_tokens(&in, m, &d, &err) ||
        glim__probe_store_open(&store, m, &o, &in, d.n, &err) ||
        glim__probe_pass(&store, &in, &d, &none, &ran, &err))
        fail_msg("%s", err.message);
    size_t C = store.sites[0].width, row = 0;
    float *x = calloc(d.n, C * sizeof *x), want[512];
    assert_int_equal(glim__probe_store_get(&store, 0, x, &err), GLIM_OK);
    for (size_t i = 0; i < in.n; i++) {
        look(m, site, &in.at[i], &seen);
        size_t words = d.words ? d.sentences[i].count : 1;
        for (size_t w = 0; w < words; w++, row++) {
            size_t from = d.words ? d.spans[row].start : 0;
            size_t to = d.words ? d.spans[row].end : seen.rows;
            from = !strcmp(how, "last") ? to - 1 : from;
            to = !strcmp(how, "first") ? from + 1 : to;
            for (size_t j = 0; j < C; j++) {
                double sum = 0;
                for (size_t t = from; t < to; t++)
                    sum += (double)seen.x[t * C + j] / (double)(to - from);
                want[j] = (float)sum;
                double off = fabs((double)x[row * C + j] - (double)want[j]);
                if (off > (half ? 5e-4 : 1e-6) * fmax(1, fabs(sum)))
                    fail_msg("%s, row %zu: %g, not %g", how, row, (double)x[row * C + j], sum);
            }
        }
    }
    assert_int_equal(row, d.n);
    free(x);
    glim__probe_store_close(&store);
    glim__probe_inputs_release(&in);
    glim__probe_data_close(&d);
}

static void vectors_are_those_of_the_site(void **state) {
    static const char *const files[] = {"llama.gguf", "published/bert-embed"};
    static const char *const how[] = {"last", "first", "mean"};
    for (size_t f = 0; f < 2; f++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, files[f]);
        for (size_t k = 0; k < 3; k++) {
            check_vectors(m, first_words(9), how[k], k == 2);
            check_vectors(m,
                          save_text("tags", "The/D cats/N slept/V\n\nOne/N unbelievable/A end/N\n"),
                          how[k], false);
        }
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* ---- tags ---- */

static void open_tags(glim_context *ctx, const char *end, const char *text, glim_probe_data *d) {
    glim_probe_options o = {.path = save_text(end, text), .each = "word"};
    glim_error err = {0};
    if (glim__probe_data_open(d, ctx, &o, &err))
        fail_msg("%s: %s", end, err.message);
}

static void three_forms_of_tags_say_the_same(void **state) {
    static const struct {
        const char *end, *text;
    } forms[] = {{"tags", "I/P run/V\nthe/D 1/2/C\n"},
                 {"txt", "\xef\xbb\xbfI/P\trun/V\r\n\r\nthe/D 1/2/C"},
                 {"conll", "I\tP\nrun\tV\n\nthe\tD\n1/2\tC\n"},
                 {"conllu",
                  "# text = I run\n1\tI\t_\tP\t_\t_\t_\t_\t_\t_\n2\trun\t_\tV\t_\t_\t_\t_\t_\t_\n\n"
                  "1-2\tthe1/2\t_\t_\t_\t_\t_\t_\t_\t_\n1\tthe\t_\tD\t_\t_\t_\t_\t_\t_\n"
                  "2\t1/2\t_\tC\t_\t_\t_\t_\t_\t_\n"},
                 {"jsonl",
                  "{\"tokens\":[\"I\",\"run\"],\"tags\":[\"P\",\"V\"]}\n"
                  "{\"tags\":[\"D\",\"C\"],\"tokens\":[\"the\",\"1/2\"],\"text\":\"the 1/2\"}\n"}};
    glim_context *ctx = context_with(1, 0);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        glim_probe_data d;
        open_tags(ctx, forms[f].end, forms[f].text, &d);
        assert_int_equal(d.n, 4);
        assert_int_equal(d.n_sentences, 2);
        assert_string_equal(d.sentences[0].text, "I run");
        assert_string_equal(d.sentences[1].text, "the 1/2");
        assert_int_equal(d.sentences[1].first, 2);
        assert_int_equal(d.target.n_classes, 4);
        assert_string_equal(d.target.classes[d.labels[2]], "D");
        assert_string_equal(d.target.classes[0], "C");
        assert_int_equal(d.spans[3].start, 4);
        assert_int_equal(d.spans[3].end, 7);
        glim__probe_data_close(&d);
    }
    glim_probe_data d;
    open_tags(ctx, "jsonl", "{\"tokens\":[\"a\",\"b\"],\"tags\":[\"X\",\"Y\"],\"text\":\"ab\"}\n",
              &d);
    assert_int_equal(d.spans[1].start, 1);
    glim__probe_data_close(&d);
    glim_context_free(ctx);
}

static void bad_tags_are_refused_with_their_line(void **state) {
    static const struct {
        const char *end, *text, *says;
    } cases[] = {
        {"tags", "a/X b/Y\nc d/X\n", "line 2"},
        {"tags", "a/X b/\n", "'b/' has no tag"},
        {"conll", "a\tX\nb\tY\n\nc\n", "line 4"},
        {"conll", "a\tX\tZ\n", "has 3 columns"},
        {"conll", "a\tX\n\tY\n", "line 2"},
        {"jsonl", "{\"tokens\":[\"a\",\"b\"],\"tags\":[\"X\"]}\n", "2 tokens and 1 tags"},
        {"jsonl", "{\"tokens\":[\"a\"],\"tags\":[\"X\"],\"text\":\"b\"}\n", "'a', is not in"},
        {"jsonl", "{\"tokens\":[1],\"tags\":[\"X\"]}\n", "no string"},
        {"jsonl", "{\"tokens\":[\"a\"],\"tags\":[\"X\"]}\n{", "line 2"},
        {"tags", "a/X b/X\n", "nothing to tell apart"},
        {"tags", "\n", "no words to probe"}};
    glim_context *ctx = context_with(1, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_probe_data d;
        glim_error err = {0};
        glim_probe_options o = {.path = save_text(cases[i].end, cases[i].text), .each = "word"};
        assert_true(glim__probe_data_open(&d, ctx, &o, &err) != GLIM_OK);
        if (!strstr(err.message, cases[i].says))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].says);
        glim__probe_data_close(&d);
    }
    glim_context_free(ctx);
}

/* The tag is the word's own first letter, so the embedding tells it. */
static void words_are_probed_with_controls_of_their_spelling(void **state) {
    static const char *const words[] = {"cat", "dog", "run", "sit", "red", "big"};
    static const char *const tags[] = {"N", "N", "V", "V", "A", "A"};
    char text[1 << 14];
    int at = 0;
    for (size_t i = 0; i < 60; i++)
        for (size_t k = 0; k < 5; k++) {
            unsigned w = glim__rng_below(2, i, k, 6);
            at += snprintf(text + at, sizeof text - (size_t)at, "%s/%s%c", words[w], tags[w],
                           k < 4 ? ' ' : '\n');
        }
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_probe_options o = {.path = save_text("tags", text), .strength = 0.1, .no_code = true};
    glim_document *doc = probe(m, &o);
    const glim_panel *p = glim_document_panel(doc, "accuracy");
    assert_true(line_at(p, "probe", 1) > 0.9);
    assert_true(line_at(p, "control", 1) > 0.9); /* six spellings are soon learnt by heart */
    assert_true(line_at(p, "most frequent tag of the word", 1) == 1);
    assert_int_equal(doc->verdict, GLIM_VERDICT_CAREFUL);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- directions and concepts ---- */

struct slope {
    const glim_direction *v;
    double along;
};

static glim_status see_slope(void *data, const glim_site *site, glim_error *err) {
    struct slope *s = data;
    size_t C = site->dims[1];
    for (size_t j = 0; j < C && site->gradient; j++)
        s->along += (double)site->data[(site->dims[0] - 1) * C + j] * (double)s->v->weights[j];
    return GLIM_OK;
}

/* The slope of the next token's logit along the direction, at the last row. */
static double slope_along(const glim_model *m, const glim_direction *v, int32_t id,
                          const glim_probe_input *x) {
    struct slope s = {v, 0};
    uint32_t row = x->n - 1;
    float one = 1, *d = calloc(x->n * v->width, sizeof *d);
    glim_sequence q = {.ids = x->ids, .count = x->n, .wanted = &row, .n_wanted = 1};
    glim_hook hook = {
        .pattern = v->site, .actions = GLIM_HOOK_GRAD, .visit = see_slope, .data = &s};
    glim_batch b = {.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1, .keep = true};
    glim_seed seed = {.ids = &id, .weights = &one, .n = 1};
    glim_session *session = new_session(m, 0);
    glim_error err = {0};
    run_batch(session, &b);
    assert_int_equal(glim_session_backward(session, &seed, 1, d, &err), GLIM_OK);
    glim_session_free(session);
    free(d);
    return s.along;
}

static void directions_are_saved_and_read_back(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    char path[64];
    path_of("safetensors", path);
    glim_probe_options o = {.path = first_words(60),
                            .strength = 1,
                            .sites = "blocks.1.hook_resid_post",
                            .no_control = true,
                            .no_code = true,
                            .save = path,
                            .concept_target = "e",
                            .directions = 8};
    glim_document *doc = probe(m, &o);
    const glim_panel *c = glim_document_panel(doc, "concept");
    double share = c->values[0], raised = 0;
    assert_true(c->low[1] <= c->high[1]);
    glim_document_free(doc);
    glim_directions *d;
    glim_error err = {0};
    assert_int_equal(glim_directions_load(&d, ctx, path, &err), GLIM_OK);
    assert_int_equal(d->n, 1);
    assert_string_equal(d->classes[1], "last");
    assert_string_equal(d->pool, "last");
    assert_string_equal(d->model_digest, glim_model_facts(m)->digest);
    const glim_direction *v = glim_directions_find(d, "blocks.1.hook_resid_post");
    assert_non_null(v);
    assert_null(glim_directions_find(d, "blocks.0.hook_resid_post"));
    assert_int_equal(v->outputs, 1);
    /* On the site's values the log odds have the sign of the class. */
    glim_probe_data data;
    glim_probe_inputs in;
    o.text = "text";
    o.label = "label";
    static struct seen seen;
    if (glim__probe_data_open(&data, ctx, &o, &err) || glim__probe_tokens(&in, m, &data, &err))
        fail_msg("%s", err.message);
    int32_t id;
    assert_int_equal(glim_model_token(m, "e", &id, &err), GLIM_OK);
    for (size_t i = 0; i < in.n; i++)
        raised += (slope_along(m, v, id, &in.at[i]) > 0) / (double)in.n;
    assert_true(fabs(share - raised) < 1e-9);
    for (size_t i = 0; i < in.n; i++) {
        double z = (double)v->bias[0];
        look(m, v->site, &in.at[i], &seen);
        for (size_t j = 0; j < v->width; j++)
            z += (double)v->weights[j] * (double)seen.x[(seen.rows - 1) * seen.width + j];
        assert_true((z > 0) == (data.labels[i] == 1));
    }
    glim__probe_inputs_release(&in);
    glim__probe_data_close(&data);
    glim_directions_free(d);
    assert_int_equal(glim_directions_load(&d, ctx, save_text("txt", "no"), &err), GLIM_EFORMAT);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* ---- plans, refusals, interruption, memory ---- */

static void what_cannot_be_probed_is_refused(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_probe_options o = {.path = first_words(20), .strength = 1};
    o.sites = "blocks.*.hook_resid_pots";
    refuse(m, &o, GLIM_EUSAGE, "near to it: blocks.*.hook_resid_post");
    o.sites = "blocks.0.attn.hook_pattern";
    refuse(m, &o, GLIM_EUSAGE, "no vector for each token");
    o.sites = NULL;
    o.label = "nothing";
    refuse(m, &o, GLIM_EUSAGE, "nothing");
    o.label = NULL;
    o.folds = 30;
    refuse(m, &o, GLIM_EUSAGE, "fewer than 30 folds");
    o.folds = 0;
    o.pool = "middle";
    refuse(m, &o, GLIM_EUSAGE, "'middle' is none of last, mean, first");
    o.pool = NULL;
    o.concept_target = "no such token at all";
    refuse(m, &o, GLIM_EUSAGE, "token");
    o.concept_target = NULL;
    o.path = save_text("csv", "text,label\na,x\nb,x\nc,x\n");
    refuse(m, &o, GLIM_EUSAGE, "nothing to tell apart");
    o.path = save_text("csv", "text,label\na,x\nb,x\nc,x\nd,x\ne,y\nf,x\n");
    refuse(m, &o, GLIM_EUSAGE, "class 'y' has one row");
    o.path = save_text("csv", "text,label\na,x\nb,\n");
    refuse(m, &o, GLIM_EFORMAT, "row 2");
    o.path = save_text("csv", "text,label\na,x\nb,1\n");
    o.numbers = true;
    refuse(m, &o, GLIM_EFORMAT, "'x' is no number");
    glim_model_close(m);
    glim_context_free(ctx);
}

static void a_plan_tells_what_a_run_takes(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_probe_options o = {.path = first_words(50), .strength = 1, .permutations = 1};
    glim_plan plan;
    uint64_t disk;
    glim_error err = {0};
    assert_int_equal(glim_probe_plan(&plan, &disk, m, &o, &err), GLIM_OK);
    const glim_model_info *i = glim_model_facts(m);
    assert_int_equal(disk, (uint64_t)50 * (uint64_t)i->width * 4 * (uint64_t)(i->layers + 1));
    glim_context_reset_peak(ctx);
    glim_document *doc = probe(m, &o);
    assert_int_equal(doc->cost.forward_tokens, plan.forward_tokens);
    assert_true(glim_context_peak(ctx) <= plan.bytes_wanted);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
    /* The least does, too; and less is refused before anything runs. */
    ctx = context_with(1, plan.bytes + (1 << 16));
    m = open_model(ctx, "llama.gguf");
    doc = probe(m, &o);
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
    ctx = context_with(1, plan.bytes / 2);
    m = open_model(ctx, "llama.gguf");
    refuse(m, &o, GLIM_EBUDGET, "the budget is");
    glim_model_close(m);
    glim_context_free(ctx);
}

static void cancel(void *data, const glim_progress *p) {
    if (!strcmp(p->stage, "probes") && 2 * p->done > p->total)
        glim_context_cancel(*(glim_context **)data);
}

static void an_interrupted_run_leaves_the_sites_that_were_done(void **state) {
    glim_context *ctx = NULL;
    glim_error err = {0};
    glim_context_options options = {.threads = 1, .progress = cancel, .progress_data = &ctx};
    assert_int_equal(glim_context_new(&ctx, &options, &err), GLIM_OK);
    glim_model *m = open_model(ctx, "llama.gguf");
    glim_probe_options o = {.path = first_words(40), .strength = 1, .permutations = 40};
    glim_document *doc;
    assert_int_equal(glim_probe(&doc, m, &o, &err), GLIM_ECANCELLED);
    assert_non_null(doc);
    assert_true(doc->partial);
    const glim_panel *p = glim_document_panel(doc, "accuracy");
    assert_false(isnan(line_at(p, "probe", 0)));
    assert_true(isnan(line_at(p, "probe", p->columns.n - 1)));
    glim_document_free(doc);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    char path[64];
    path_of("safetensors", path);
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    uint64_t before = glim_context_bytes(ctx);
    glim_status status = GLIM_ENOMEM;
    for (int words = 0; words < 2; words++, status = GLIM_ENOMEM)
        for (uint64_t nth = 1; status; nth++) {
            glim_probe_options o = {.path = words ? save_text("tags", "a/X b/Y\nb/Y a/X\n")
                                                  : first_words(10),
                                    .strength = 1,
                                    .sites = "blocks.1.hook_resid_post",
                                    .folds = 2,
                                    .permutations = 1,
                                    .save = path,
                                    .concept_target = words ? NULL : "e",
                                    .concept_inputs = 2,
                                    .directions = 2};
            glim_document *doc;
            glim_error err = {0};
            glim__fail_allocation(ctx, nth);
            status = glim_probe(&doc, m, &o, &err);
            glim__fail_allocation(ctx, 0);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%s", err.message);
            glim_document_free(doc);
            glim__spare_trim(ctx);
            assert_true(nth < 20000);
        }
    assert_true(glim_context_bytes(ctx) < before + (8 << 20)); /* scratch stays */
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_earlier_word_is_known_behind_attention_and_not_before),
        cmocka_unit_test(numbers_and_a_hidden_layer_are_probed_too),
        cmocka_unit_test(vectors_are_those_of_the_site),
        cmocka_unit_test(three_forms_of_tags_say_the_same),
        cmocka_unit_test(bad_tags_are_refused_with_their_line),
        cmocka_unit_test(words_are_probed_with_controls_of_their_spelling),
        cmocka_unit_test(directions_are_saved_and_read_back),
        cmocka_unit_test(what_cannot_be_probed_is_refused),
        cmocka_unit_test(a_plan_tells_what_a_run_takes),
        cmocka_unit_test(an_interrupted_run_leaves_the_sites_that_were_done),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
