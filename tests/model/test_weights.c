/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of weights, as hooks see them: rows of output gradients and of inputs, whose
 * outer products are slopes. An element of a matrix is nudged by adding to the product what
 * the nudge would add, so packed weights are checked too.
 */
#include "model-testing.h"

enum { T = 6, MOST = 64 };

struct seen {
    char name[64];
    size_t rows, F, C;
    float *g, *a;
};

struct run {
    const glim_model *m;
    int32_t ids[T], read[T];
    uint32_t wanted[T];
    size_t n_wanted;
    struct seen seen[MOST];
    size_t n_seen;
    /* the nudge */
    const struct seen *at;
    const char *site;
    size_t f, c;
    float by;
};

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    struct run *r = data;
    struct seen *s = &r->seen[r->n_seen++];
    assert_true(r->n_seen <= MOST && site->n_dims == 3 && site->gradient);
    snprintf(s->name, sizeof s->name, "%s", site->name);
    s->rows = site->dims[0];
    s->F = site->dims[1];
    s->C = site->dims[2];
    s->g = malloc(s->rows * s->F * sizeof *s->g);
    s->a = malloc(s->rows * s->C * sizeof *s->a);
    memcpy(s->g, site->data, s->rows * s->F * sizeof *s->g);
    memcpy(s->a, site->value, s->rows * s->C * sizeof *s->a);
    return GLIM_OK;
}

static glim_status nudge(void *data, const glim_site *site, glim_error *err) {
    const struct run *r = data;
    for (size_t t = 0; t < r->at->rows; t++)
        site->data[t * r->at->F + r->f] += r->by * r->at->a[t * r->at->C + r->c];
    return GLIM_OK;
}

static void forget(struct run *r) {
    for (size_t i = 0; i < r->n_seen; i++) {
        free(r->seen[i].g);
        free(r->seen[i].a);
    }
    r->n_seen = 0;
}

static int32_t label_of(const struct run *r, size_t k) {
    return (int32_t)((size_t)(r->ids[k] + 3) % (size_t)glim_model_facts(r->m)->outputs);
}

/* The mean log-probability of the labels; with `keep`, walks back and sees. */
static double loss(struct run *r, bool keep, int keep_layers, const glim_rules *rules) {
    glim_error err = {0};
    glim_session *s = new_session(r->m, 0);
    const glim_model_info *info = glim_model_facts(r->m);
    size_t V = (size_t)info->outputs, C = (size_t)info->width;
    glim_sequence q = {.ids = r->ids, .count = T, .wanted = r->wanted, .n_wanted = r->n_wanted};
    glim_sequence read = {.ids = r->read, .count = T};
    glim_hook hook = {.pattern = keep ? "*" : r->site,
                      .actions = keep ? GLIM_HOOK_WEIGHT : GLIM_HOOK_WRITE,
                      .visit = keep ? see : nudge,
                      .data = r};
    glim_batch b = {.sequences = &q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = keep || r->site,
                    .rules = rules,
                    .keep = keep};
    if (info->encoder_layers) {
        b.sources = &read;
        b.n_sources = 1;
    }
    glim_session_keep_layers(s, keep_layers);
    run_batch(s, &b);
    double sum = 0;
    glim_seed seeds[T];
    int32_t labels[T];
    float each = 1.0f / (float)r->n_wanted, d[T * 512];
    for (size_t k = 0; k < r->n_wanted; k++) {
        const float *y = glim_session_logits(s, 0, k);
        double total = 0;
        labels[k] = label_of(r, k);
        for (size_t v = 0; v < V; v++)
            total += exp((double)y[v]);
        sum += (double)y[labels[k]] - log(total);
        seeds[k] = (glim_seed){
            .wanted = k, .ids = &labels[k], .weights = &each, .n = 1, .log_softmax = true};
    }
    assert_true(C <= 512);
    if (keep && glim_session_backward(s, seeds, r->n_wanted, d, &err))
        fail_msg("%s", err.message);
    glim_session_free(s);
    return sum / (double)r->n_wanted;
}

static struct run *new_run(const glim_model *m, bool first_only) {
    struct run *r = calloc(1, sizeof *r);
    r->m = m;
    some_ids(r->ids, T, glim_model_facts(m)->vocabulary, 1);
    some_ids(r->read, T, glim_model_facts(m)->vocabulary, 2);
    r->n_wanted = first_only ? 1 : T;
    for (uint32_t k = 0; k < T; k++)
        r->wanted[k] = k;
    return r;
}

static double element(const struct seen *s, size_t f, size_t c) {
    double sum = 0;
    for (size_t t = 0; t < s->rows; t++)
        sum += (double)s->g[t * s->F + f] * (double)s->a[t * s->C + c];
    return sum;
}

/* The site of what the product gives, when nothing comes between. */
static const char *output_of(const struct run *r, const char *name, char *site, size_t size) {
    static const char *const pairs[][2] = {{"attn.W_Q", "attn.hook_q"},
                                           {"attn.W_K", "attn.hook_k"},
                                           {"attn.W_V", "attn.hook_v"},
                                           {"attn.W_O", "hook_attn_out"},
                                           {"mlp.W_gate", "mlp.hook_pre"},
                                           {"mlp.W_in", "mlp.hook_pre_linear"},
                                           {"mlp.W_out", "hook_mlp_out"},
                                           {"mlp.W_router", "mlp.hook_router_logits"},
                                           {"unembed.W_U", "hook_logits"},
                                           {"cross_attn.W_Q", "cross_attn.hook_q"},
                                           {"cross_attn.W_K", "cross_attn.hook_k"},
                                           {"cross_attn.W_V", "cross_attn.hook_v"},
                                           {"cross_attn.W_O", "hook_cross_attn_out"},
                                           {"readout.W", "readout.hook_pre"}};
    bool gated = false;
    for (size_t i = 0; i < r->n_seen; i++)
        gated = gated || strstr(r->seen[i].name, "W_gate");
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = strlen(name), end = strlen(pairs[i][0]);
        if (n < end || strcmp(name + n - end, pairs[i][0]) || (n > end && name[n - end - 1] != '.'))
            continue;
        const char *out = !gated && i == 5 ? "mlp.hook_pre" : pairs[i][1];
        snprintf(site, size, "%.*s%s", (int)(n - end), name, out);
        return site;
    }
    return NULL;
}

/* Norms behind attention and the feed-forward part stand between. */
static bool normed_after(const glim_model *m, const char *name) {
    size_t n;
    const char *const *sites = glim_model_sites(m, &n);
    bool post = false;
    for (size_t i = 0; i < n; i++)
        post = post || strstr(sites[i], "ln1_post");
    return post && (strstr(name, ".attn.W_O") || strstr(name, "mlp.W_out"));
}

static void check_element(struct run *r, const struct seen *s, size_t f, size_t c, double scale) {
    double want[2];
    r->at = s;
    r->f = f;
    r->c = c;
    for (int k = 0; k < 2; k++) {
        r->by = k ? -5e-3f : 5e-3f;
        want[k] = loss(r, false, -1, NULL);
    }
    double have = element(s, f, c), slope = (want[0] - want[1]) / 1e-2;
    if (!(fabs(have - slope) <= 1e-2 * scale + 3e-4))
        fail_msg("%s, %s (%zu, %zu): %g, slope %g", glim_model_facts(r->m)->path, s->name, f, c,
                 have, slope);
}

static void check_matrix(struct run *r, const struct seen *s, uint64_t stream) {
    double most = 0;
    size_t top_f = 0, top_c = 0;
    for (size_t f = 0; f < s->F; f++)
        for (size_t c = 0; c < s->C; c++)
            if (fabs(element(s, f, c)) > most) {
                most = fabs(element(s, f, c));
                top_f = f;
                top_c = c;
            }
    check_element(r, s, top_f, top_c, most);
    check_element(r, s, glim__rng_below(9, stream, 0, (uint32_t)s->F),
                  glim__rng_below(9, stream, 1, (uint32_t)s->C), most);
}

static size_t check_model(const char *file, bool first_only) {
    char site[96];
    size_t checked = 0, n;
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, file);
    struct run *r = new_run(m, first_only);
    loss(r, true, -1, NULL);
    const glim_weight *all = glim_model_weights(m, &n);
    assert_int_equal(n, r->n_seen);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < r->n_seen; k++)
            found = found || (!strcmp(all[i].name, r->seen[k].name) &&
                              all[i].rows == r->seen[k].F && all[i].cols == r->seen[k].C);
        if (!found)
            fail_msg("%s: '%s' is listed, but no hook sees it", file, all[i].name);
    }
    for (size_t i = 0; i < r->n_seen; i++) {
        r->site = output_of(r, r->seen[i].name, site, sizeof site);
        if (!r->site || normed_after(m, r->seen[i].name))
            continue;
        check_matrix(r, &r->seen[i], i);
        checked++;
    }
    forget(r);
    free(r);
    glim_model_close(m);
    glim_context_free(ctx);
    return checked;
}

static void outer_products_are_slopes(void **state) {
    assert_int_equal(check_model("gpt2.gguf", false), 2 * 6 + 1);
    assert_int_equal(check_model("llama-q4_0.gguf", false), 7 + 1);
    assert_true(check_model("gemma3.gguf", false) >= 5);
    assert_true(check_model("chatglm.gguf", false) >= 15);
    assert_true(check_model("glm4moe.gguf", false) >= 5);
    assert_true(check_model("published/bert-classes", true) >= 12);
    assert_true(check_model("published/roberta-classes", true) >= 12);
    assert_true(check_model("stacks/t5-gated", false) >= 20);
}

/* Whatever is kept or computed again, and beside other sequences. */
static void recomputing_changes_no_bit(void **state) {
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "qwen3.gguf");
    struct run *a = new_run(m, false), *b = new_run(m, false);
    loss(a, true, -1, NULL);
    loss(b, true, 0, NULL);
    assert_int_equal(a->n_seen, b->n_seen);
    for (size_t i = 0; i < a->n_seen; i++) {
        const struct seen *x = &a->seen[i], *y = &b->seen[i];
        assert_string_equal(x->name, y->name);
        assert_memory_equal(x->g, y->g, x->rows * x->F * sizeof *x->g);
        assert_memory_equal(x->a, y->a, x->rows * x->C * sizeof *x->a);
    }
    forget(a);
    forget(b);
    free(a);
    free(b);
    glim_model_close(m);
    glim_context_free(ctx);
}

/* A hook of weights is no hook of sites, and the other way round. */
static glim_status never(void *data, const glim_site *site, glim_error *err) {
    fail_msg("'%s' was shown", site->name);
    return GLIM_EINTERNAL;
}

static void weights_are_no_sites(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "gpt2.gguf");
    glim_session *s = new_session(m, 0);
    int32_t ids[T];
    uint32_t wanted = T - 1;
    float one = 1, *d = malloc(T * (size_t)glim_model_facts(m)->width * sizeof *d);
    some_ids(ids, T, glim_model_facts(m)->vocabulary, 1);
    glim_sequence q = {.ids = ids, .count = T, .wanted = &wanted, .n_wanted = 1};
    glim_hook hooks[2] = {
        {.pattern = "*hook_*", .actions = GLIM_HOOK_WEIGHT, .visit = never},
        {.pattern = "*W_*", .actions = GLIM_HOOK_READ | GLIM_HOOK_GRAD, .visit = never}};
    glim_batch b = {.sequences = &q, .count = 1, .hooks = hooks, .n_hooks = 2, .keep = true};
    run_batch(s, &b);
    glim_seed seed = {.ids = ids, .weights = &one, .n = 1};
    assert_int_equal(glim_session_backward(s, &seed, 1, d, NULL), GLIM_OK);
    free(d);
    glim_session_free(s);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outer_products_are_slopes),
        cmocka_unit_test(recomputing_changes_no_bit),
        cmocka_unit_test(weights_are_no_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
