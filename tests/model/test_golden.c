/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiny models of every architecture against recordings of transformers: every
 * site, the logits, and gradients with respect to embeddings and sites. The
 * recordings are found by scanning the directory.
 */
#include "model-testing.h"

#include <unistd.h>

struct check {
    const glim_safetensors *golden;
    const char *file;
    const char *prefix; /* "" or "grad." or "grad.logprob." */
    int compared;
    double worst;
    char worst_name[160];
};

static double scale_of(const float *x, size_t n) {
    double most = 1e-6;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most)
            most = fabs(x[i]);
    return most;
}

static double difference(const float *a, const float *b, size_t n) {
    double scale = scale_of(b, n), most = 0;
    for (size_t i = 0; i < n; i++) {
        if (isinf(b[i]) && a[i] == b[i])
            continue;
        double d = fabs((double)a[i] - b[i]) / scale;
        if (!(d <= most))
            most = isnan(d) ? INFINITY : d;
    }
    return most;
}

static double tolerance(const char *name, bool gradient) {
    if (gradient)
        return 5e-5;
    return strstr(name, "hook_logits") ? 2e-5 : 1e-5;
}

static glim_status compare(void *data, const glim_site *site, glim_error *err) {
    struct check *c = data;
    char name[160];
    snprintf(name, sizeof name, "%s%s", site->gradient ? c->prefix : "", site->name);
    const glim_st_tensor *t = glim__safetensors_find(c->golden, name);
    if (!t)
        return GLIM_OK;
    size_t n = 1, have = 1;
    for (int i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    for (int i = 0; i < site->n_dims; i++)
        have *= site->dims[i];
    if (n != have)
        fail_msg("%s, %s: %zu values, recorded %zu", c->file, name, have, n);
    float *want = malloc(n * sizeof *want);
    memcpy(want, t->data, n * sizeof *want);
    double d = difference(site->data, want, n);
    if (d > tolerance(name, site->gradient))
        fail_msg("%s, %s differs by %.3g of its largest value", c->file, name, d);
    if (d > c->worst) {
        c->worst = d;
        snprintf(c->worst_name, sizeof c->worst_name, "%s", name);
    }
    c->compared++;
    free(want);
    return GLIM_OK;
}

static int32_t *read_ids(const glim_safetensors *st, const char *name, size_t *n) {
    const glim_st_tensor *t = glim__safetensors_find(st, name);
    if (!t)
        return NULL;
    *n = (size_t)t->dims[0];
    int32_t *ids = malloc(*n * sizeof *ids);
    for (size_t i = 0; i < *n; i++) {
        int64_t id;
        memcpy(&id, (const char *)t->data + 8 * i, 8);
        ids[i] = (int32_t)id;
    }
    return ids;
}

/* Log-probability seed of the recorded target at the last row. */
static void logprob_seed(const float *logits, int V, int32_t id, float *dense) {
    double top = logits[0], sum = 0;
    for (int i = 1; i < V; i++)
        top = logits[i] > top ? logits[i] : top;
    for (int i = 0; i < V; i++)
        sum += exp(logits[i] - top);
    for (int i = 0; i < V; i++)
        dense[i] = (float)((i == id) - exp(logits[i] - top) / sum);
}

static void backward_and_compare(glim_session *s, struct check *c, const glim_seed *seed,
                                 const char *prefix, size_t T) {
    glim_error err = {0};
    float *d = malloc(T * (size_t)s->m->hyper.C * sizeof *d);
    c->prefix = prefix;
    if (glim_session_backward(s, seed, 1, d, &err))
        fail_msg("%s: %s", c->file, err.message);
    free(d);
}

/* Sites of the recording: the model must have every one of them. */
static int recorded_sites(const glim_safetensors *st) {
    static const char *const kinds[] = {"hook_", "blocks.", "ln_final.", "embed."};
    int n = 0;
    for (size_t i = 0; i < glim__safetensors_count(st); i++)
        for (size_t k = 0; k < 4; k++)
            n += !strncmp(glim__safetensors_at(st, i)->name, kinds[k], strlen(kinds[k]));
    return n;
}

static void check_model(const char *file, bool directory) {
    char path[600], model[256];
    glim_error err = {0};
    glim_context *ctx = context_with(2, 0);
    glim_safetensors *st = NULL;
    snprintf(path, sizeof path, GOLDEN "%s", file);
    if (access(path, R_OK)) /* a recording of its own lies beside the directory */
        snprintf(path, sizeof path, GOLDEN "published/%s", file);
    if (glim__safetensors_open(&st, ctx, path, &err))
        fail_msg("%s", err.message);
    const char *named = glim__safetensors_metadata(st, "model");
    size_t T = 0;
    int32_t *ids = read_ids(st, "ids", &T);
    if (!named || !ids)
        fail_msg("%s lacks its ids or the name of its model", file);
    if (directory) /* published/NAME has the weights of NAME.gguf */
        snprintf(model, sizeof model, "published/%.*s", (int)strcspn(named, "."), named);
    else
        snprintf(model, sizeof model, "%s", named);
    struct check c = {.golden = st, .file = file};
    glim_model *m = open_model(ctx, model);
    glim_session *s = new_session(m, 0);
    uint32_t *wanted = malloc(T * sizeof *wanted);
    for (size_t i = 0; i < T; i++)
        wanted[i] = (uint32_t)i;
    glim_sequence q = {.ids = ids, .count = T, .wanted = wanted, .n_wanted = T};
    glim_hook hook = {"*", GLIM_HOOK_READ | GLIM_HOOK_GRAD, compare, &c};
    glim_batch b = {.sequences = &q, .count = 1, .hooks = &hook, .n_hooks = 1, .keep = true};
    run_batch(s, &b);
    int forward = c.compared;
    size_t n_target = 0, n_row = 0;
    int32_t *target = read_ids(st, "target", &n_target), *row = read_ids(st, "row", &n_row);
    size_t at = row ? (size_t)row[0] : T - 1;
    const glim_st_tensor *direction = glim__safetensors_find(st, "direction");
    if (direction) {
        float *dense = malloc(direction->bytes);
        memcpy(dense, direction->data, direction->bytes);
        glim_seed seed = {.dense = dense};
        backward_and_compare(s, &c, &seed, "grad.direction.", T);
        free(dense);
    }
    if (target) {
        float one[2] = {1, -1};
        float *dense = malloc((size_t)m->outputs * sizeof *dense);
        glim_seed seed = {.wanted = at, .ids = target, .weights = one, .n = 1};
        backward_and_compare(s, &c, &seed, "grad.", T);
        logprob_seed(glim_session_logits(s, 0, at), m->outputs, target[0], dense);
        glim_seed full = {.wanted = at, .dense = dense};
        backward_and_compare(s, &c, &full, "grad.logprob.", T);
        if (n_target > 1) {
            seed.n = 2;
            backward_and_compare(s, &c, &seed, "grad.contrast.", T);
        }
        free(dense);
    }
    print_message("%s: %d values forward, %d gradients; worst %.2g (%s)\n", file, forward,
                  c.compared - forward, c.worst, c.worst_name);
    if (forward != recorded_sites(st))
        fail_msg("%s: %d of %d recorded sites", file, forward, recorded_sites(st));
    if (target || direction)
        assert_true(c.compared > forward);
    free(row);
    free(target);
    free(wanted);
    free(ids);
    glim_session_free(s);
    glim_model_close(m);
    glim__safetensors_close(st);
    glim_context_free(ctx);
}

static void check_recording(const char *file) {
    check_model(file, false);
}

/* Directories as transformers writes them, beside the recordings of their twins. */
static void published_directories_agree_with_transformers(void **state) {
    DIR *list = opendir(GOLDEN "published");
    int found = 0;
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));) {
        char file[300];
        snprintf(file, sizeof file, "%s.safetensors", e->d_name);
        if (e->d_name[0] == '.' || strstr(e->d_name, ".safetensors"))
            continue;
        check_model(file, true);
        found++;
    }
    closedir(list);
    assert_true(found > 8);
}

static void tiny_models_agree_with_transformers(void **state) {
    assert_true(each_golden(".safetensors", check_recording) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_models_agree_with_transformers),
        cmocka_unit_test(published_directories_agree_with_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
