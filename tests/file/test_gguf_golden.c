/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the reference packages wrote (scripts/record-gguf-cases.py): every
 * key, shape and byte as the reference readers saw them. The recordings are
 * found by scanning tests/golden/gguf.
 */
#include "../base/base-testing.h"

#include "base/json.h"
#include "file/gguf.h"
#include "file/safetensors.h"

#include <glob.h>
#include <sodium.h>
#include <stdio.h>

static json_t *load(const char *path) {
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    json_t *value;
    glim_error err;
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__file_read(&b, path, 1 << 20, &err), GLIM_OK);
    assert_int_equal(glim__json_parse(&value, b.data, b.len, path, &err), GLIM_OK);
    glim__buffer_release(&b);
    end_context(ctx);
    return value;
}

static void check_hash(const json_t *expected, const void *data, uint64_t n) {
    unsigned char hash[32];
    char hex[65];
    crypto_hash_sha256(hash, data, n);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    assert_string_equal(hex, json_string_value(json_object_get(expected, "sha256")));
}

static void check_string(glim_gguf_string s, const json_t *expected) {
    assert_int_equal(s.len, json_string_length(expected));
    assert_memory_equal(s.data, json_string_value(expected), s.len);
}

static void check_array(const glim_gguf_value *v, const json_t *expected) {
    const void *cursor = NULL;
    assert_int_equal(v->type, GLIM_GGUF_ARRAY);
    assert_int_equal(v->count, json_array_size(expected));
    for (size_t i = 0; i < v->count; i++) {
        const json_t *e = json_array_get(expected, i);
        if (json_is_string(e))
            check_string(glim__gguf_next_string(v, &cursor), e);
        else if (json_is_boolean(e))
            assert_true(glim__gguf_element(v, i) == json_is_true(e));
        else
            assert_true(glim__gguf_element(v, i) == json_number_value(e));
    }
}

static void check_value(const glim_gguf *g, const char *key, const json_t *expected) {
    int64_t x = 0;
    double r = 0;
    bool yes = false, found = false;
    glim_gguf_string s = {0};
    if (json_is_integer(expected)) {
        assert_int_equal(glim__gguf_int(g, key, INT64_MIN, INT64_MAX, &x, &found, NULL), GLIM_OK);
        assert_true(x == json_integer_value(expected));
    } else if (json_is_real(expected)) {
        assert_int_equal(glim__gguf_real(g, key, &r, &found, NULL), GLIM_OK);
        assert_true(r == json_real_value(expected));
    } else if (json_is_boolean(expected)) {
        assert_int_equal(glim__gguf_bool(g, key, &yes, &found, NULL), GLIM_OK);
        assert_int_equal(yes, json_is_true(expected));
    } else if (json_is_string(expected)) {
        assert_int_equal(glim__gguf_text(g, key, &s, &found, NULL), GLIM_OK);
        check_string(s, expected);
    } else {
        found = glim__gguf_find(g, key) != NULL;
        assert_true(found);
        check_array(glim__gguf_find(g, key), expected);
    }
    assert_true(found);
}

static void check_tensor(const glim_tensor *t, const json_t *expected) {
    const json_t *dims = json_object_get(expected, "dims");
    assert_string_equal(t->name, json_string_value(json_object_get(expected, "name")));
    assert_string_equal(glim__type_info(t->type)->name,
                        json_string_value(json_object_get(expected, "type")));
    assert_int_equal(t->n_dims, json_array_size(dims));
    for (size_t i = 0; i < json_array_size(dims); i++)
        assert_int_equal(t->dims[i], json_integer_value(json_array_get(dims, i)));
    check_hash(expected, t->data, t->bytes);
}

static void check_gguf(const char *recording) {
    char path[512];
    glim_gguf *g;
    glim_error err;
    json_t *expected = load(recording), *value;
    const json_t *tensors = json_object_get(expected, "tensors");
    const char *key;
    snprintf(path, sizeof path, "%.*s.gguf", (int)strlen(recording) - 5, recording);
    glim_context *ctx = make_context(1, 0);
    if (glim__gguf_open(&g, ctx, path, &err) != GLIM_OK)
        fail_msg("%s", err.message);
    assert_int_equal(glim__gguf_parts(g), json_integer_value(json_object_get(expected, "parts")));
    json_object_foreach(json_object_get(expected, "values"), key, value) {
        check_value(g, key, value);
    }
    assert_int_equal(glim__gguf_value_count(g),
                     json_object_size(json_object_get(expected, "values")));
    assert_int_equal(glim__gguf_tensor_count(g), json_array_size(tensors));
    for (size_t i = 0; i < json_array_size(tensors); i++)
        check_tensor(glim__gguf_tensor_at(g, i), json_array_get(tensors, i));
    glim__gguf_close(g);
    end_context(ctx);
    json_decref(expected);
}

static void recorded_gguf_files_read_as_the_reference_reads_them(void **state) {
    glob_t found;
    int files = 0;
    assert_int_equal(glob(GLIM_TESTS "/golden/gguf/*.json", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (strstr(found.gl_pathv[i], ".safetensors.json"))
            continue;
        check_gguf(found.gl_pathv[i]);
        files++;
    }
    globfree(&found);
    assert_true(files >= 3);
}

static void a_recorded_safetensors_file_reads_as_the_reference_wrote_it(void **state) {
    glim_safetensors *st;
    glim_error err;
    json_t *expected = load(GLIM_TESTS "/golden/gguf/reference.safetensors.json");
    const json_t *tensors = json_object_get(expected, "tensors");
    glim_context *ctx = make_context(1, 0);
    if (glim__safetensors_open(&st, ctx, GLIM_TESTS "/golden/gguf/reference.safetensors", &err))
        fail_msg("%s", err.message);
    assert_int_equal(glim__safetensors_count(st), json_array_size(tensors));
    assert_string_equal(glim__safetensors_metadata(st, "text"),
                        json_string_value(json_object_get(expected, "text")));
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *e = json_array_get(tensors, i), *dims = json_object_get(e, "dims");
        const glim_st_tensor *t =
            glim__safetensors_find(st, json_string_value(json_object_get(e, "name")));
        assert_non_null(t);
        assert_string_equal(t->dtype, json_string_value(json_object_get(e, "dtype")));
        assert_int_equal(t->n_dims, json_array_size(dims));
        for (size_t d = 0; d < json_array_size(dims); d++)
            assert_int_equal(t->dims[d], json_integer_value(json_array_get(dims, d)));
        check_hash(e, t->data, t->bytes);
    }
    glim__safetensors_close(st);
    end_context(ctx);
    json_decref(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_gguf_files_read_as_the_reference_reads_them),
        cmocka_unit_test(a_recorded_safetensors_file_reads_as_the_reference_wrote_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
