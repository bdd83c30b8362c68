/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiny models of every architecture against recordings of transformers: every
 * site, the logits, and gradients with respect to embeddings and sites. The
 * recordings are found by scanning the directory.
 */
#include "golden-testing.h"

#include <unistd.h>

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
