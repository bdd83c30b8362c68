/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token ids of a mixed corpus against transformers, for the tokenizers of the
 * three real files; spans that cover the text; decoding that gives it back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "text/tokenizer.h"

#include <glim/base.h>

static glim_context *test_ctx;

static const char *const files[][3] = {
    {"smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "llama"},
    {"gemma3", "gemma-3-270m-Q4_K_M.gguf", "gemma3"},
    {"qwen2.5", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "qwen2"},
};

static bool find_file(const char *name, char *path, size_t size) {
    const char *cache = getenv("GLIM_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache)
        snprintf(path, size, "%s/%s", cache, name);
    else if (xdg && *xdg)
        snprintf(path, size, "%s/glim/%s", xdg, name);
    else
        snprintf(path, size, "%s/.cache/glim/%s", home ? home : "", name);
    FILE *f = fopen(path, "rb");
    if (f)
        fclose(f);
    return f != NULL;
}

static void check_line(const glim_tokenizer *t, const char *file, const json_t *line,
                       const json_t *ids) {
    const char *text = json_string_value(line);
    size_t n = json_string_length(line), at = 0;
    glim_token_list list = {.ctx = test_ctx};
    glim_error err = {0};

    if (glim__tokenize(t, &list, text, n, 0, true, false, &err))
        fail_msg("%s", err.message);
    bool same = list.count == json_array_size(ids);
    for (size_t i = 0; same && i < list.count; i++)
        same = list.at[i].id == json_integer_value(json_array_get(ids, i));
    if (!same) {
        for (size_t i = 0; i < list.count; i++)
            print_message("%d ", list.at[i].id);
        fail_msg("%s: '%s' has other tokens than recorded", file, text);
    }
    for (size_t i = 0; i < list.count; i++) {
        assert_true(list.at[i].start <= at && list.at[i].end <= n);
        at = list.at[i].end > at ? list.at[i].end : at;
    }
    assert_int_equal(at, n);
    glim__token_list_release(&list);
}

static void check_file(const char *const *file, const json_t *golden) {
    char path[512];
    glim_error err = {0};
    glim_gguf *g = NULL;
    glim_tokenizer *t = NULL;
    if (!find_file(file[1], path, sizeof path)) {
        if (getenv("GLIM_REQUIRE_MODELS") || getenv("CI"))
            fail_msg("'%s' is missing (scripts/fetch %s)", path, file[0]);
        print_message("'%s' is not here: skipped\n", path);
        return;
    }
    if (glim__gguf_open(&g, test_ctx, path, &err) ||
        glim__tokenizer_open(&t, test_ctx, g, file[2], &err))
        fail_msg("%s", err.message);
    const json_t *lines = json_object_get(golden, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++)
        check_line(t, file[0], json_array_get(lines, i),
                   json_array_get(json_object_get(golden, file[0]), i));
    glim__tokenizer_close(t);
    glim__gguf_close(g);
}

static void tokens_are_those_of_transformers(void **state) {
    glim_buffer in;
    json_t *golden = NULL;
    glim_error err = {0};
    glim_context_options options = {.threads = 1};
    assert_int_equal(glim_context_new(&test_ctx, &options, &err), GLIM_OK);
    glim__buffer_init(&in, test_ctx);
    if (glim__file_read(&in, GLIM_TESTS "/golden/text/real.json", 1 << 24, &err) ||
        glim__json_parse(&golden, in.data, in.len, "real.json", &err))
        fail_msg("%s", err.message);
    assert_true(json_array_size(json_object_get(golden, "lines")) > 150);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        check_file(files[i], golden);
    json_decref(golden);
    glim__buffer_release(&in);
    glim_context_free(test_ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_are_those_of_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
