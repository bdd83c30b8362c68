/* SPDX-License-Identifier: Apache-2.0 */
/* Good files: values, tensors, split sets, digest, budget, refused memory. */
#include "../base/base-testing.h"
#include "gguf-builder.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static int make_folder(void **state) {
    strcpy(folder, "/tmp/glim-gguf-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put_all_types(builder *b) {
    static const unsigned char ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    static const struct {
        const char *key;
        glim_gguf_type type;
        size_t size;
    } integers[] = {{"u8", GLIM_GGUF_U8, 1},   {"i8", GLIM_GGUF_I8, 1},   {"u16", GLIM_GGUF_U16, 2},
                    {"i16", GLIM_GGUF_I16, 2}, {"u32", GLIM_GGUF_U32, 4}, {"i32", GLIM_GGUF_I32, 4},
                    {"u64", GLIM_GGUF_U64, 8}, {"i64", GLIM_GGUF_I64, 8}};
    float f = 0.25f, nan_value = NAN;
    double d = 1e-6;
    put_header(b, 3, 1, 17);
    for (size_t i = 0; i < 8; i++) {
        put_key(b, integers[i].key, integers[i].type);
        put(b, ones, integers[i].size);
    }
    put_key(b, "f32", GLIM_GGUF_F32), put(b, &f, 4);
    put_key(b, "f64", GLIM_GGUF_F64), put(b, &d, 8);
    put_key(b, "nan", GLIM_GGUF_F32), put(b, &nan_value, 4);
    put_key(b, "yes", GLIM_GGUF_BOOL), put(b, "\1", 1);
    put_key_string(b, "text", "words");
    put_array(b, "strings", GLIM_GGUF_STRING, 3);
    put_string(b, "one"), put_string(b, ""), put_string(b, "three");
    put_array(b, "reals", GLIM_GGUF_F32, 2), put(b, &f, 4), put(b, &f, 4);
    put_array(b, "i16s", GLIM_GGUF_I16, 2), put(b, "\xFE\xFF\5\0", 4);
    put_array(b, "none", GLIM_GGUF_STRING, 0);
    put_tensor(b, "w", GLIM_TYPE_Q4_0, 64, 3, 0);
    pad(b, 32);
    put_data(b, 3 * 2 * 18);
}

static glim_gguf *open_bytes(glim_context *ctx, const builder *b) {
    glim_gguf *g;
    glim_error err;
    if (glim__gguf_open_memory(&g, ctx, b->at, b->n, "m.gguf", &err) != GLIM_OK)
        fail_msg("%s", err.message);
    return g;
}

static void integers_of_any_type_serve_an_integer_key(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    builder b;
    put_all_types(&b);
    glim_gguf *g = open_bytes(ctx, &b);
    static const struct {
        const char *key;
        int64_t value;
    } good[] = {{"u8", 255}, {"i8", -1},          {"u16", 65535}, {"i16", -1},
                {"i32", -1}, {"u32", UINT32_MAX}, {"i64", -1}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t x = 77;
        bool found = false;
        assert_int_equal(glim__gguf_int(g, good[i].key, -1, UINT32_MAX, &x, &found, &err), GLIM_OK);
        assert_true(found && x == good[i].value);
    }
    int64_t x = 77;
    assert_int_equal(glim__gguf_int(g, "u64", 0, INT64_MAX, &x, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "is 18446744073709551615; expected 0 to");
    assert_int_equal(glim__gguf_int(g, "u8", 1, 254, &x, NULL, &err), GLIM_EFORMAT);
    assert_string_equal(err.message, "'m.gguf': key 'u8' is 255; expected 1 to 254");
    assert_int_equal(glim__gguf_int(g, "f32", 0, 1, &x, NULL, &err), GLIM_EFORMAT);
    assert_string_equal(err.message, "'m.gguf': key 'f32' has type f32; expected an integer");
    assert_int_equal(glim__gguf_int(g, "yes", 0, 1, &x, NULL, &err), GLIM_EFORMAT);
    assert_int_equal(x, 77);
    glim__gguf_close(g);
    end_context(ctx);
}

static void other_values_are_read_by_their_type(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    builder b;
    put_all_types(&b);
    glim_gguf *g = open_bytes(ctx, &b);
    double r = 0;
    bool yes = false, found;
    glim_gguf_string s = {0};
    assert_int_equal(glim__gguf_real(g, "f32", &r, &found, &err), GLIM_OK);
    assert_true(found && r == 0.25);
    assert_int_equal(glim__gguf_real(g, "f64", &r, NULL, &err), GLIM_OK);
    assert_true(r == 1e-6);
    assert_int_equal(glim__gguf_real(g, "u8", &r, NULL, &err), GLIM_EFORMAT);
    assert_int_equal(glim__gguf_real(g, "nan", &r, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "key 'nan' is not finite");
    assert_int_equal(glim__gguf_bool(g, "yes", &yes, &found, &err), GLIM_OK);
    assert_true(found && yes);
    assert_int_equal(glim__gguf_bool(g, "u8", &yes, NULL, &err), GLIM_EFORMAT);
    assert_int_equal(glim__gguf_text(g, "text", &s, &found, &err), GLIM_OK);
    assert_int_equal(s.len, 5);
    assert_memory_equal(s.data, "words", 5);
    assert_int_equal(glim__gguf_text(g, "strings", &s, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "has type array; expected string");
    glim__gguf_close(g);
    end_context(ctx);
}

static void an_absent_key_is_no_error_and_changes_nothing(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    put_all_types(&b);
    glim_gguf *g = open_bytes(ctx, &b);
    int64_t x = 5;
    double r = 5;
    bool yes = true, found = true;
    glim_gguf_string s = {"kept", 4};
    assert_int_equal(glim__gguf_int(g, "lacking", 0, 1, &x, &found, NULL), GLIM_OK);
    assert_true(!found && x == 5);
    assert_int_equal(glim__gguf_real(g, "lacking", &r, NULL, NULL), GLIM_OK);
    assert_int_equal(glim__gguf_bool(g, "lacking", &yes, NULL, NULL), GLIM_OK);
    assert_int_equal(glim__gguf_text(g, "lacking", &s, NULL, NULL), GLIM_OK);
    assert_true(r == 5 && yes && s.len == 4);
    assert_null(glim__gguf_find(g, "lacking"));
    glim__gguf_close(g);
    end_context(ctx);
}

static void arrays_are_walked_in_the_map(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    put_all_types(&b);
    glim_gguf *g = open_bytes(ctx, &b);
    const glim_gguf_value *v = glim__gguf_find(g, "strings");
    static const char *const expected[] = {"one", "", "three"};
    const void *cursor = NULL;
    assert_int_equal(v->type, GLIM_GGUF_ARRAY);
    assert_int_equal(v->element, GLIM_GGUF_STRING);
    assert_int_equal(v->count, 3);
    for (int i = 0; i < 3; i++) {
        glim_gguf_string s = glim__gguf_next_string(v, &cursor);
        assert_int_equal(s.len, strlen(expected[i]));
        assert_memory_equal(s.data, expected[i], s.len);
        assert_true(s.data >= (char *)b.at && s.data < (char *)b.at + b.n);
    }
    v = glim__gguf_find(g, "i16s");
    assert_true(glim__gguf_element(v, 0) == -2 && glim__gguf_element(v, 1) == 5);
    assert_true(glim__gguf_element(v, 2) == 0);
    v = glim__gguf_find(g, "reals");
    assert_true(glim__gguf_element(v, 1) == 0.25);
    assert_true(glim__gguf_element(glim__gguf_find(g, "u64"), 0) == 0x1p64);
    assert_int_equal(glim__gguf_find(g, "none")->count, 0);
    assert_int_equal(glim__gguf_value_count(g), 17);
    assert_memory_equal(glim__gguf_value_at(g, 12)->key.data, "text", 4);
    glim__gguf_close(g);
    end_context(ctx);
}

static void tensors_have_their_shape_size_and_bytes(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    put_all_types(&b);
    glim_gguf *g = open_bytes(ctx, &b);
    const glim_tensor *t = glim__gguf_tensor(g, "w");
    assert_ptr_equal(t, glim__gguf_tensor_at(g, 0));
    assert_string_equal(t->name, "w");
    assert_int_equal(t->type, GLIM_TYPE_Q4_0);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 64);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->dims[2] * t->dims[3], 1);
    assert_int_equal(t->bytes, 108);
    assert_ptr_equal(t->data, b.at + b.n - 108);
    assert_null(glim__gguf_tensor(g, "v"));
    assert_int_equal(glim__gguf_tensor_count(g), 1);
    assert_int_equal(glim__gguf_version(g), 3);
    assert_int_equal(glim__gguf_parts(g), 1);
    assert_int_equal(glim__gguf_bytes(g), b.n);
    assert_string_equal(glim__gguf_path(g), "m.gguf");
    glim__gguf_close(g);
    end_context(ctx);
}

static void a_scalar_has_one_element(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    put_header(&b, 3, 1, 0);
    put_string(&b, "s"), put_u32(&b, 0), put_u32(&b, GLIM_TYPE_F32), put_u64(&b, 0);
    pad(&b, 32);
    put_data(&b, 4);
    glim_gguf *g = open_bytes(ctx, &b);
    assert_int_equal(glim__gguf_tensor_at(g, 0)->n_dims, 0);
    assert_int_equal(glim__gguf_tensor_at(g, 0)->bytes, 4);
    glim__gguf_close(g);
    end_context(ctx);
}

static void a_type_that_glim_cannot_compute_with_is_still_listed(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    put_header(&b, 3, 1, 0);
    put_tensor(&b, "iq", GLIM_TYPE_IQ1_S, 256, 0, 0);
    pad(&b, 32);
    put_data(&b, 50);
    glim_gguf *g = open_bytes(ctx, &b);
    assert_int_equal(glim__gguf_tensor_at(g, 0)->bytes, 50);
    glim__gguf_close(g);
    end_context(ctx);
}

static void an_empty_model_opens(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    put_header(&b, 2, 0, 0);
    glim_gguf *g = open_bytes(ctx, &b);
    assert_int_equal(glim__gguf_tensor_count(g), 0);
    assert_null(glim__gguf_tensor(g, ""));
    assert_int_equal(glim__gguf_version(g), 2);
    glim__gguf_close(g);
    end_context(ctx);
}

static void hash_tables(const builder *b, size_t n, char hex[65]) {
    unsigned char hash[32];
    crypto_hash_sha256(hash, b->at, n);
    sodium_bin2hex(hex, 65, hash, 32);
}

static void digest_covers_the_tables_and_not_the_weights(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    char expected[65];
    put_header(&b, 3, 1, 1);
    put_key_u32(&b, "k", 7);
    put_tensor(&b, "w", GLIM_TYPE_F32, 4, 0, 0);
    hash_tables(&b, b.n, expected);
    pad(&b, 32);
    put_data(&b, 16);
    glim_gguf *g = open_bytes(ctx, &b);
    assert_string_equal(glim__gguf_digest(g), expected);
    assert_ptr_equal(glim__gguf_digest(g), glim__gguf_digest(g));
    glim__gguf_close(g);
    b.at[b.n - 1] ^= 1;
    g = open_bytes(ctx, &b);
    assert_string_equal(glim__gguf_digest(g), expected);
    glim__gguf_close(g);
    b.at[24 + 8 + 1 + 4] ^= 1;
    g = open_bytes(ctx, &b);
    assert_string_not_equal(glim__gguf_digest(g), expected);
    glim__gguf_close(g);
    end_context(ctx);
}

static void *ask_digest(void *g) {
    return (void *)glim__gguf_digest(g);
}

static void threads_may_ask_for_the_digest_at_once(void **state) {
    glim_context *ctx = make_context(1, 0);
    builder b;
    pthread_t threads[4];
    put_all_types(&b);
    glim_gguf *g = open_bytes(ctx, &b);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_digest, g), 0);
    for (int i = 0; i < 4; i++) {
        void *digest;
        pthread_join(threads[i], &digest);
        assert_int_equal(strlen(digest), 64);
    }
    glim__gguf_close(g);
    end_context(ctx);
}

static void mapped_bytes_count_against_the_budget(void **state) {
    glim_error err;
    glim_gguf *g;
    builder b;
    put_all_types(&b);
    put_data(&b, 8000);
    save(&b, in_folder("m.gguf"));
    glim_context *ctx = make_context(1, 0);
    assert_int_equal(glim__gguf_open(&g, ctx, path, &err), GLIM_OK);
    assert_true(glim_context_bytes(ctx) > b.n);
    uint64_t used = glim_context_bytes(ctx);
    glim__gguf_close(g);
    end_context(ctx);
    ctx = make_context(1, used - 1);
    assert_int_equal(glim__gguf_open(&g, ctx, path, &err), GLIM_EBUDGET);
    assert_contains(err.message, "raise --memory");
    assert_null(g);
    end_context(ctx);
    ctx = make_context(1, b.n - 1);
    assert_int_equal(glim__gguf_open(&g, ctx, path, &err), GLIM_EBUDGET);
    assert_contains(err.message, "m.gguf");
    end_context(ctx);
}

static void what_is_no_file_is_told(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    assert_int_equal(glim__gguf_open(&g, ctx, in_folder("absent"), &err), GLIM_EIO);
    assert_contains(err.message, "absent': No such file");
    assert_int_equal(glim__gguf_open(&g, ctx, folder, &err), GLIM_EIO);
    assert_contains(err.message, "directory");
    assert_int_equal(glim__gguf_open(&g, ctx, "/dev/null", &err), GLIM_EIO);
    assert_contains(err.message, "no regular file");
    builder b = {.n = 0};
    save(&b, in_folder("empty"));
    assert_int_equal(glim__gguf_open(&g, ctx, path, &err), GLIM_EFORMAT);
    assert_contains(err.message, "at least 24 bytes");
    end_context(ctx);
}

static void a_changed_file_is_noticed(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    builder b;
    put_all_types(&b);
    save(&b, in_folder("m.gguf"));
    assert_int_equal(glim__gguf_open(&g, ctx, path, &err), GLIM_OK);
    assert_int_equal(glim__gguf_unchanged(g, &err), GLIM_OK);
    struct stat st;
    struct timespec later[2];
    assert_int_equal(stat(path, &st), 0);
    put_data(&b, 1);
    save(&b, path);
    later[0] = later[1] = st.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0); /* the size alone differs */
    assert_int_equal(glim__gguf_unchanged(g, &err), GLIM_EIO);
    assert_contains(err.message, "has changed");
    b.n--;
    save(&b, path);
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    assert_int_equal(glim__gguf_unchanged(g, &err), GLIM_OK);
    later[1].tv_nsec ^= 1;
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    assert_int_equal(glim__gguf_unchanged(g, &err), GLIM_EIO);
    unlink(path);
    assert_int_equal(glim__gguf_unchanged(g, &err), GLIM_EIO);
    assert_contains(err.message, "is gone");
    glim__gguf_close(g);
    end_context(ctx);
}

/* Part `no` of `count` with two tensors, "a<no>" and "b<no>". */
static void save_part(const char *name, int no, int count, int total, const char *first_tensor) {
    builder b;
    char tensor[8];
    put_header(&b, 3, 2, no ? 3 : 4);
    put_key_u16(&b, "split.no", (uint16_t)no);
    put_key_u16(&b, "split.count", (uint16_t)count);
    put_key_u32(&b, "split.tensors.count", (uint32_t)total);
    if (no == 0)
        put_key_string(&b, "general.architecture", "llama");
    snprintf(tensor, sizeof tensor, "a%d", no);
    put_tensor(&b, first_tensor ? first_tensor : tensor, GLIM_TYPE_F32, 8, 0, 0);
    tensor[0] = 'b';
    put_tensor(&b, tensor, GLIM_TYPE_F32, 8, 0, 32);
    pad(&b, 32);
    put_data(&b, 64);
    b.at[b.n - 1] = (unsigned char)no;
    save(&b, in_folder(name));
}

static void save_three_parts(void) {
    save_part("m-00001-of-00003.gguf", 0, 3, 6, NULL);
    save_part("m-00002-of-00003.gguf", 1, 3, 6, NULL);
    save_part("m-00003-of-00003.gguf", 2, 3, 6, NULL);
}

static void a_split_model_opens_by_its_first_part(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    save_three_parts();
    assert_int_equal(glim__gguf_open(&g, ctx, in_folder("m-00001-of-00003.gguf"), &err), GLIM_OK);
    assert_int_equal(glim__gguf_parts(g), 3);
    assert_int_equal(glim__gguf_tensor_count(g), 6);
    static const char *const names[] = {"a0", "b0", "a1", "b1", "a2", "b2"};
    for (size_t i = 0; i < 6; i++) {
        const glim_tensor *t = glim__gguf_tensor_at(g, i);
        assert_string_equal(t->name, names[i]);
        assert_ptr_equal(glim__gguf_tensor(g, names[i]), t);
        assert_int_equal(((const char *)t->data)[31], i % 2 ? (int)i / 2 : 32);
    }
    assert_non_null(glim__gguf_find(g, "general.architecture"));
    assert_int_equal(glim__gguf_unchanged(g, &err), GLIM_OK);
    char digest[65];
    strcpy(digest, glim__gguf_digest(g));
    glim__gguf_close(g);
    save_part("m-00003-of-00003.gguf", 2, 3, 6, "z2");
    assert_int_equal(glim__gguf_open(&g, ctx, in_folder("m-00001-of-00003.gguf"), &err), GLIM_OK);
    assert_string_not_equal(glim__gguf_digest(g), digest);
    glim__gguf_close(g);
    end_context(ctx);
}

static void assert_split_fails(glim_status status, const char *words) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    assert_int_equal(glim__gguf_open(&g, ctx, in_folder("m-00001-of-00003.gguf"), &err), status);
    assert_contains(err.message, words);
    assert_null(g);
    end_context(ctx);
}

static void a_broken_split_model_is_refused(void **state) {
    save_three_parts();
    unlink(in_folder("m-00002-of-00003.gguf"));
    assert_split_fails(GLIM_EIO, "part 2 of 3: cannot open");
    save_part("m-00002-of-00003.gguf", 2, 3, 6, NULL);
    assert_split_fails(GLIM_EFORMAT, "split.no is 2 and split.count is 3; expected 1 and 3");
    save_part("m-00002-of-00003.gguf", 1, 4, 6, NULL);
    assert_split_fails(GLIM_EFORMAT, "split.count is 4");
    save_part("m-00002-of-00003.gguf", 1, 3, 6, "a0");
    assert_split_fails(GLIM_EFORMAT, "tensor 'a0' occurs twice");
    save_part("m-00002-of-00003.gguf", 1, 3, 6, NULL);
    save_part("m-00001-of-00003.gguf", 0, 3, 7, NULL);
    assert_split_fails(GLIM_EFORMAT, "split.tensors.count is 7, but the 3 parts have 6");
    save_part("m-00001-of-00003.gguf", 0, 2, 6, NULL);
    assert_split_fails(GLIM_EFORMAT, "must end in -00001-of-00002.gguf");
    save_part("m-00001-of-00003.gguf", 0, 1, 6, NULL);
    glim_context *ctx = make_context(1, 0);
    glim_gguf *g;
    assert_int_equal(glim__gguf_open(&g, ctx, path, NULL), GLIM_OK);
    assert_int_equal(glim__gguf_parts(g), 1);
    glim__gguf_close(g);
    end_context(ctx);
}

static void a_later_part_names_the_first_one(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    save_three_parts();
    assert_int_equal(glim__gguf_open(&g, ctx, in_folder("m-00002-of-00003.gguf"), &err),
                     GLIM_EFORMAT);
    assert_contains(err.message, "part 2 of a split model; open '");
    assert_contains(err.message, "m-00001-of-00003.gguf'");
    char old[128];
    strcpy(old, path);
    assert_int_equal(rename(old, in_folder("other.gguf")), 0);
    assert_int_equal(glim__gguf_open(&g, ctx, path, &err), GLIM_EFORMAT);
    assert_contains(err.message, "open part 1");
    end_context(ctx);
}

static void a_split_model_in_memory_is_not_supported(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    builder b;
    put_header(&b, 3, 0, 1);
    put_key_u16(&b, "split.count", 2);
    assert_int_equal(glim__gguf_open_memory(&g, ctx, b.at, b.n, "m", &err), GLIM_EUNSUPPORTED);
    end_context(ctx);
}

static void every_refused_allocation_is_survived(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    uint64_t n = 1;
    save_three_parts();
    in_folder("m-00001-of-00003.gguf");
    for (;; n++) {
        glim__fail_allocation(ctx, n);
        glim_status status = glim__gguf_open(&g, ctx, path, &err);
        if (status == GLIM_OK)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_null(g);
        assert_int_equal(glim_context_bytes(ctx), 0);
    }
    assert_true(n > 10);
    glim__fail_allocation(ctx, 0);
    glim__gguf_close(g);
    end_context(ctx);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_any_type_serve_an_integer_key),
        cmocka_unit_test(other_values_are_read_by_their_type),
        cmocka_unit_test(an_absent_key_is_no_error_and_changes_nothing),
        cmocka_unit_test(arrays_are_walked_in_the_map),
        cmocka_unit_test(tensors_have_their_shape_size_and_bytes),
        cmocka_unit_test(a_scalar_has_one_element),
        cmocka_unit_test(a_type_that_glim_cannot_compute_with_is_still_listed),
        cmocka_unit_test(an_empty_model_opens),
        cmocka_unit_test(digest_covers_the_tables_and_not_the_weights),
        cmocka_unit_test(threads_may_ask_for_the_digest_at_once),
        IN_FOLDER(mapped_bytes_count_against_the_budget),
        IN_FOLDER(what_is_no_file_is_told),
        IN_FOLDER(a_changed_file_is_noticed),
        IN_FOLDER(a_split_model_opens_by_its_first_part),
        IN_FOLDER(a_broken_split_model_is_refused),
        IN_FOLDER(a_later_part_names_the_first_one),
        cmocka_unit_test(a_split_model_in_memory_is_not_supported),
        IN_FOLDER(every_refused_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
