/* SPDX-License-Identifier: Apache-2.0 */
/* Chats by the templates inside the real files against jinja2's renderings. */
#include "chat-testing.h"

#include <stdio.h>

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

static void chats_of_the_real_files_are_those_of_their_templates(void **state) {
    glim_context *ctx = make_context(1, 0);
    json_t *golden = read_golden(ctx, GLIM_TESTS "/golden/text/chat/real.json"), *one;
    const char *name;
    assert_true(json_object_size(golden) >= 2);
    json_object_foreach(golden, name, one) {
        char path[512];
        glim_error err = {0};
        glim_gguf *g = NULL;
        glim_tokenizer *t = NULL;
        if (!find_file(json_string_value(json_object_get(one, "file")), path, sizeof path)) {
            if (getenv("GLIM_REQUIRE_MODELS") || getenv("CI"))
                fail_msg("'%s' is missing (scripts/fetch %s)", path, name);
            print_message("'%s' is not here: skipped\n", path);
            continue;
        }
        if (glim__gguf_open(&g, ctx, path, &err) || glim__tokenizer_open(&t, ctx, g, "", &err))
            fail_msg("%s", err.message);
        check_chats(ctx, glim__tokenizer_info(t), json_object_get(one, "cases"), name);
        glim__tokenizer_close(t);
        glim__gguf_close(g);
    }
    json_decref(golden);
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chats_of_the_real_files_are_those_of_their_templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
