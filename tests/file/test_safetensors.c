/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading, streamed writing, and one by the other. */
#include "../base/base-testing.h"

#include "base/buffer.h"
#include "file/safetensors.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static int make_folder(void **state) {
    strcpy(folder, "/tmp/glim-st-XXXXXX");
    snprintf(path, sizeof path, "%s/acts.safetensors", mkdtemp(folder));
    return 0;
}

static int remove_folder(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static int files_in_folder(void) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Opens a header with `room` bytes of data behind it, in a block of its size. */
static glim_status try_open(const char *header, size_t room, glim_error *err) {
    glim_context *ctx = make_context(1, 0);
    uint64_t n = strlen(header);
    char *bytes = calloc(1, 8 + n + room);
    glim_safetensors *st;
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, header, n);
    err->message[0] = '\0';
    glim_status status =
        glim__safetensors_open_memory(&st, ctx, bytes, 8 + n + room, "acts.safetensors", err);
    assert_true((st != NULL) == (status == GLIM_OK));
    glim__safetensors_close(st);
    free(bytes);
    end_context(ctx);
    return status;
}

#define T(dtype, shape, begin, end)                                                                \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static const struct {
    const char *header;
    size_t room;
    const char *words;
} bad[] = {
    {"", 0, "header should have 0 bytes"},
    {"[]", 0, "begins with byte 5B instead of '{'"},
    {"{\"a\":}", 0, "not valid JSON"},
    {"{}x", 0, "not valid JSON"},
    {"{\"a\":1}", 0, "it must have dtype"},
    {"{\"a\":{}}", 0, "it must have dtype"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"a\":" T("F32", "[1]", 0, 4) "}", 4, "duplicate"},
    {"{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "it must have dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}}", 4, "and no more"},
    {"{\"a\":" T("F32", "[1.0]", 0, 4) "}", 4, "a dimension is no integer"},
    {"{\"a\":" T("F32", "[-1]", 0, 4) "}", 4, "a dimension is no integer"},
    {"{\"a\":" T("F32", "[1e0]", 0, 4) "}", 4, "a dimension is no integer"},
    {"{\"a\":" T("F32", "7", 0, 4) "}", 4, "its shape is no array"},
    {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "at most 8"},
    {"{\"a\":" T("F32", "[4294967296,4294967296]", 0, 4) "}", 4, "does not fit 64 bits"},
    {"{\"a\":" T("F32", "[4611686018427387904]", 0, 4) "}", 4, "does not fit 64 bits"},
    {"{\"a\":" T("F4", "[3]", 0, 1) "}", 1, "do not fill whole bytes"},
    {"{\"a\":" T("F32", "[2]", 0, 4) "}", 4, "needs 8 bytes, but its data_offsets span 4"},
    {"{\"a\":" T("F32", "[1]", 4, 0) "}", 4, "end before they begin"},
    {"{\"a\":" T("F32", "[2]", 0, 8) "}", 4, "truncated"},
    {"{\"a\":" T("F32", "[1]", 0.0, 4) "}", 4, "no two integers"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0]}}", 4, "no two integers"},
    {"{\"a\":" T("F32", "[1]", 4, 8) "}", 8, "a hole in the data before it"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"b\":" T("F32", "[1]", 2, 6) "}", 6, "overlap"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"b\":" T("F32", "[1]", 0, 4) "}", 4, "overlap"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"b\":" T("F32", "[1]", 5, 9) "}", 9, "hole"},
    {"{\"a\":" T("F32", "[1]", 0, 4) "}", 5, "1 bytes after the last"},
    {"{}", 3, "3 bytes after the last"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is no JSON object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "'k' is no string"},
    {"{\"a\":[[[[[[[[[[]]]]]]]]]]}", 0, "it must have dtype"},
    {"{\"\xff\":1}", 0, "not valid JSON"},
};

static void every_damage_gets_its_words(void **state) {
    glim_error err;
    int wrong = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glim_status status = try_open(bad[i].header, bad[i].room, &err);
        if (status == GLIM_EFORMAT && strstr(err.message, bad[i].words) &&
            strstr(err.message, "acts.safetensors"))
            continue;
        print_error("%s: status %d, %s; expected '%s'\n", bad[i].header, status, err.message,
                    bad[i].words);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void what_the_format_allows_is_taken(void **state) {
    glim_error err;
    static const struct {
        const char *header;
        size_t room;
    } good[] = {
        {"{}   ", 0},
        {"{\"s\":" T("F64", "[]", 0, 8) "}", 8},
        {"{\"e\":" T("F32", "[0,5]", 0, 0) ",\"a\":" T("U8", "[3]", 0, 3) "}", 3},
        {"{\"b\":" T("BF16", "[2]", 3, 7) ",\"a\":" T("BOOL", "[3]", 0, 3) "}", 7},
        {"{\"f\":" T("F4", "[3,2]", 0, 3) "}", 3},
        {"{\"n\":" T("FROM_THE_FUTURE", "[3]", 0, 5) "}", 5},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (try_open(good[i].header, good[i].room, &err) != GLIM_OK)
            fail_msg("%s: %s", good[i].header, err.message);
}

static void a_header_longer_than_the_limit_is_refused(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_safetensors *st;
    uint64_t n = 100000001;
    char *bytes = calloc(1, 8 + n);
    memcpy(bytes, &n, 8);
    bytes[8] = '{';
    assert_int_equal(glim__safetensors_open_memory(&st, ctx, bytes, 8 + n, "big", &err),
                     GLIM_ELIMIT);
    free(bytes);
    end_context(ctx);
}

static glim_status declare_two(glim_st_writer *w, glim_error *err) {
    static const uint64_t shape[] = {2, 3}, ids[] = {2};
    glim_status status =
        glim__st_writer_declare(w, "blocks.0.hook_resid_post", "F32", 2, shape, err);
    if (status == GLIM_OK)
        status = glim__st_writer_declare(w, "ids", "I64", 1, ids, err);
    if (status == GLIM_OK)
        status = glim__st_writer_metadata(w, "text", "Paris \"巴黎\"\xff", err);
    return status == GLIM_OK ? glim__st_writer_begin(w, err) : status;
}

static const float values[6] = {1, 2, 3, 4, 5.5f, -6};
static const int64_t two_ids[2] = {INT64_MAX, -1};

static glim_status put_two(glim_st_writer *w, glim_error *err) {
    glim_status status = glim__st_writer_put(w, "ids", 0, two_ids, 2, err);
    if (status == GLIM_OK)
        status = glim__st_writer_put(w, "blocks.0.hook_resid_post", 4, values + 4, 2, err);
    if (status == GLIM_OK)
        status = glim__st_writer_put(w, "blocks.0.hook_resid_post", 0, values, 4, err);
    return status == GLIM_OK ? glim__st_writer_end(w, err) : status;
}

/* The whole job; the writer is freed in any case. */
static glim_status write_two(glim_context *ctx, glim_error *err) {
    glim_st_writer *w;
    glim_status status = glim__st_writer_new(&w, ctx, path, err);
    if (status == GLIM_OK)
        status = declare_two(w, err);
    if (status == GLIM_OK)
        status = put_two(w, err);
    glim__st_writer_free(w);
    return status;
}

static void what_is_written_is_read_back(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_safetensors *st;
    assert_int_equal(write_two(ctx, &err), GLIM_OK);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(glim__safetensors_open(&st, ctx, path, &err), GLIM_OK);
    assert_int_equal(glim__safetensors_count(st), 2);
    const glim_st_tensor *t = glim__safetensors_find(st, "blocks.0.hook_resid_post");
    assert_ptr_equal(t, glim__safetensors_at(st, 0));
    assert_string_equal(t->dtype, "F32");
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->dims[1], 3);
    assert_int_equal(t->bytes, 24);
    assert_int_equal((uintptr_t)t->data % 8, 0);
    assert_memory_equal(t->data, values, 24);
    t = glim__safetensors_find(st, "ids");
    assert_string_equal(t->dtype, "I64");
    assert_memory_equal(t->data, two_ids, 16);
    assert_null(glim__safetensors_find(st, "other"));
    assert_string_equal(glim__safetensors_metadata(st, "text"), "Paris \"巴黎\"\uFFFD");
    assert_null(glim__safetensors_metadata(st, "other"));
    glim__safetensors_close(st);
    end_context(ctx);
}

static void a_written_file_cut_at_any_byte_is_refused(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_buffer b;
    glim_safetensors *st;
    glim__buffer_init(&b, ctx);
    assert_int_equal(write_two(ctx, &err), GLIM_OK);
    assert_int_equal(glim__file_read(&b, path, 1 << 20, &err), GLIM_OK);
    for (size_t n = 0; n < b.len; n++) {
        void *copy = malloc(n ? n : 1);
        memcpy(copy, b.data, n);
        assert_int_equal(glim__safetensors_open_memory(&st, ctx, copy, n, "cut", &err),
                         GLIM_EFORMAT);
        free(copy);
    }
    glim__buffer_release(&b);
    end_context(ctx);
}

static void every_refused_allocation_is_survived(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_safetensors *st;
    uint64_t n = 1;
    for (;; n++) {
        glim__fail_allocation(ctx, n);
        glim_status status = write_two(ctx, &err);
        if (status == GLIM_OK)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_int_equal(glim_context_bytes(ctx), 0);
        assert_int_equal(files_in_folder(), 0);
    }
    assert_true(n > 4);
    for (n = 1;; n++) {
        glim__fail_allocation(ctx, n);
        glim_status status = glim__safetensors_open(&st, ctx, path, &err);
        if (status == GLIM_OK)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_int_equal(glim_context_bytes(ctx), 0);
    }
    assert_true(n > 4);
    glim__fail_allocation(ctx, 0);
    glim__safetensors_close(st);
    end_context(ctx);
}

static void the_map_and_the_header_count_against_the_budget(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_safetensors *st;
    assert_int_equal(write_two(ctx, &err), GLIM_OK);
    glim_context_reset_peak(ctx);
    assert_int_equal(glim__safetensors_open(&st, ctx, path, &err), GLIM_OK);
    uint64_t peak = glim_context_peak(ctx);
    assert_true(peak > 32 * 150);
    glim__safetensors_close(st);
    end_context(ctx);
    ctx = make_context(1, peak - 1);
    assert_int_equal(glim__safetensors_open(&st, ctx, path, &err), GLIM_EBUDGET);
    end_context(ctx);
    ctx = make_context(1, peak);
    assert_int_equal(glim__safetensors_open(&st, ctx, path, &err), GLIM_OK);
    glim__safetensors_close(st);
    end_context(ctx);
}

static void an_unfinished_file_leaves_nothing_behind(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_st_writer *w;
    assert_int_equal(glim__st_writer_new(&w, ctx, path, &err), GLIM_OK);
    assert_int_equal(declare_two(w, &err), GLIM_OK);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(glim__st_writer_put(w, "ids", 0, two_ids, 1, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_end(w, &err), GLIM_EINTERNAL);
    assert_contains(err.message, "not all of its elements");
    glim__st_writer_free(w);
    assert_int_equal(files_in_folder(), 0);
    end_context(ctx);
}

static void misuse_of_the_writer_is_told(void **state) {
    static const uint64_t one[] = {1}, huge[] = {INT64_MAX, 2};
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_st_writer *w;
    float x = 0;
    assert_int_equal(glim__st_writer_new(&w, ctx, path, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_declare(w, "a", "F16", 1, one, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_declare(w, "a", "F32", 2, huge, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_declare(w, "a", "F32", 9, huge, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_declare(w, "__metadata__", "F32", 1, one, &err),
                     GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_declare(w, "a", "F32", 1, one, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_declare(w, "a", "F32", 1, one, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_put(w, "a", 0, &x, 1, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_end(w, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_begin(w, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_begin(w, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_declare(w, "b", "F32", 1, one, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_metadata(w, "k", "v", &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_put(w, "b", 0, &x, 1, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_put(w, "a", 1, &x, 1, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_put(w, "a", 0, &x, 1, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_put(w, "a", 0, &x, 1, &err), GLIM_EINTERNAL);
    assert_int_equal(glim__st_writer_end(w, &err), GLIM_OK);
    glim__st_writer_free(w);
    end_context(ctx);
}

static void a_disk_that_fills_up_leaves_nothing_behind(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_st_writer *w;
    static float big[10000];
    static const uint64_t shape[] = {10000};
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 8192, .rlim_max = old.rlim_max};
    assert_int_equal(glim__st_writer_new(&w, ctx, path, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_declare(w, "big", "F32", 1, shape, &err), GLIM_OK);
    assert_int_equal(glim__st_writer_begin(w, &err), GLIM_OK);
    setrlimit(RLIMIT_FSIZE, &small);
    glim_status status = glim__st_writer_put(w, "big", 0, big, 10000, &err);
    glim__st_writer_free(w);
    static const uint64_t square[] = {100, 100};
    glim_status npy = glim__npy_write(ctx, path, big, 2, square, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, GLIM_EIO);
    assert_contains(err.message, "File too large");
    assert_int_equal(npy, GLIM_EIO);
    assert_int_equal(files_in_folder(), 0);
    end_context(ctx);
}

static void npy_has_the_header_that_numpy_writes(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_buffer b;
    static const uint64_t dims[] = {2, 3};
    static const struct {
        int n_dims;
        const char *shape;
    } cases[] = {{2, "(2, 3)"}, {1, "(2,)"}, {0, "()"}};
    for (size_t i = 0; i < 3; i++) {
        char expected[129];
        memset(expected, ' ', sizeof expected);
        expected[127] = '\n';
        memcpy(expected, "\x93NUMPY\x01\0\x76\0", 10);
        char literal[100];
        int n = snprintf(literal, sizeof literal,
                         "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", cases[i].shape);
        memcpy(expected + 10, literal, (size_t)n);
        assert_int_equal(glim__npy_write(ctx, path, values, cases[i].n_dims, dims, &err), GLIM_OK);
        glim__buffer_init(&b, ctx);
        assert_int_equal(glim__file_read(&b, path, 1000, &err), GLIM_OK);
        size_t bytes = i == 0 ? 24 : i == 1 ? 8 : 4;
        assert_int_equal(b.len, 128 + bytes);
        assert_memory_equal(b.data, expected, 128);
        assert_memory_equal(b.data + 128, values, bytes);
        glim__buffer_release(&b);
    }
    static const uint64_t huge[] = {INT64_MAX, 4};
    assert_int_equal(glim__npy_write(ctx, path, values, 2, huge, &err), GLIM_ELIMIT);
    assert_int_equal(glim__npy_write(ctx, path, values, 33, huge, &err), GLIM_ELIMIT);
    end_context(ctx);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_damage_gets_its_words),
        cmocka_unit_test(what_the_format_allows_is_taken),
        cmocka_unit_test(a_header_longer_than_the_limit_is_refused),
        IN_FOLDER(what_is_written_is_read_back),
        IN_FOLDER(a_written_file_cut_at_any_byte_is_refused),
        IN_FOLDER(every_refused_allocation_is_survived),
        IN_FOLDER(the_map_and_the_header_count_against_the_budget),
        IN_FOLDER(an_unfinished_file_leaves_nothing_behind),
        IN_FOLDER(misuse_of_the_writer_is_told),
        IN_FOLDER(a_disk_that_fills_up_leaves_nothing_behind),
        IN_FOLDER(npy_has_the_header_that_numpy_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
