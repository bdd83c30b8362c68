/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One good file and every way to spoil it: each row patches a place that the
 * builder remembered, and states the status and the words that must come out.
 * Then blunter tools: cut at every byte, change every byte.
 */
#include "../base/base-testing.h"
#include "gguf-builder.h"

#include <stdlib.h>

/* Places in the good file. */
enum {
    MAGIC,
    VERSION,
    N_TENSORS,
    N_VALUES,
    KEY,      /* length of the first key's name */
    KEY_TYPE, /* of the same */
    TEXT,     /* length of its string */
    ALIGN_TYPE,
    ALIGN,
    BOOL_KEY, /* "t.bool", length */
    BOOL,
    REAL_KEY, /* "t.real", length */
    BOOLS,    /* data of [0, 1] */
    INTS_ELEMENT,
    INTS_COUNT,
    STRINGS_COUNT,
    STRINGS_FIRST, /* length of the first of two */
    TENSOR_A,      /* name length */
    TENSOR_B,      /* name length */
    B_DIMS,        /* number of dimensions */
    B_TYPE,
    B_OFFSET,
    C_DIMS, /* number; one dimension */
    C_TYPE,
    C_OFFSET,
    DATA,
    N_MARKS
};

static builder good;
static size_t mark[N_MARKS];

static void put_good_values(builder *b) {
    mark[KEY] = b->n;
    put_key_string(b, "general.architecture", "llama");
    mark[TEXT] = b->n - 8 - 5;
    mark[KEY_TYPE] = mark[TEXT] - 4;
    put_key_u32(b, "general.alignment", 64);
    mark[ALIGN] = b->n - 4;
    mark[ALIGN_TYPE] = b->n - 8;
    mark[BOOL_KEY] = b->n;
    put_key(b, "t.bool", GLIM_GGUF_BOOL);
    mark[BOOL] = b->n;
    put(b, "\1", 1);
    mark[REAL_KEY] = b->n;
    put_key(b, "t.real", GLIM_GGUF_F32);
    put_u32(b, 0x3F000000); /* 0.5 */
    put_array(b, "t.bools", GLIM_GGUF_BOOL, 2);
    mark[BOOLS] = b->n;
    put(b, "\0\1", 2);
    put_array(b, "t.ints", GLIM_GGUF_U32, 3);
    mark[INTS_COUNT] = b->n - 8;
    mark[INTS_ELEMENT] = b->n - 12;
    for (uint32_t i = 0; i < 3; i++)
        put_u32(b, 10 + i);
    put_array(b, "t.strings", GLIM_GGUF_STRING, 2);
    mark[STRINGS_COUNT] = b->n - 8;
    mark[STRINGS_FIRST] = b->n;
    put_string(b, "one");
    put_string(b, "");
}

static void make_good(void) {
    builder *b = &good;
    mark[VERSION] = 4;
    mark[N_TENSORS] = 8;
    mark[N_VALUES] = 16;
    put_header(b, 3, 3, 7);
    put_good_values(b);
    mark[TENSOR_A] = b->n;
    put_tensor(b, "a.weight", GLIM_TYPE_F32, 4, 2, 0);
    mark[TENSOR_B] = b->n;
    put_tensor(b, "b.weight", GLIM_TYPE_Q8_0, 32, 2, 64);
    mark[B_OFFSET] = b->n - 8;
    mark[B_TYPE] = b->n - 12;
    mark[B_DIMS] = b->n - 32;
    put_tensor(b, "c.bias", GLIM_TYPE_F32, 8, 0, 192);
    mark[C_OFFSET] = b->n - 8;
    mark[C_TYPE] = b->n - 12;
    mark[C_DIMS] = b->n - 24;
    pad(b, 64);
    mark[DATA] = b->n;
    put_data(b, 192 + 32);
}

static glim_status try_open(glim_context *ctx, const void *bytes, size_t n, glim_error *err) {
    /* A block of its own size, so that a read past the end is seen. */
    void *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    glim_gguf *g;
    err->message[0] = '\0';
    glim_status status = glim__gguf_open_memory(&g, ctx, copy, n, "m.gguf", err);
    assert_true((g != NULL) == (status == GLIM_OK));
    if (status != GLIM_OK) {
        assert_int_equal(err->status, status);
        assert_contains(err->message, "'m.gguf'");
    }
    glim__gguf_close(g);
    free(copy);
    return status;
}

static void the_good_file_opens(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    make_good();
    assert_int_equal(try_open(ctx, good.at, good.n, &err), GLIM_OK);
    good.at[4] = 2;
    assert_int_equal(try_open(ctx, good.at, good.n, &err), GLIM_OK);
    end_context(ctx);
}

#define U32(x) 4, (x), NULL
#define U64(x) 8, (x), NULL
#define TXT(s) sizeof(s) - 1, 0, s

static const struct damage {
    const char *name;
    int mark;
    size_t delta;
    size_t width;
    uint64_t value;
    const char *bytes; /* instead of value */
    glim_status status;
    const char *words;
} damages[] = {
    {"magic", MAGIC, 0, TXT("GGUX"), GLIM_EFORMAT, "begins with 47 47 55 58"},
    {"zip", MAGIC, 0, TXT("PK\3\4"), GLIM_EFORMAT, "zip archive"},
    {"pickle", MAGIC, 0, TXT("\x80\2}q"), GLIM_EFORMAT, "Python pickle"},
    {"json", MAGIC, 0, TXT("{\"a\":"), GLIM_EFORMAT, "looks like JSON"},
    {"lfs", MAGIC, 0, TXT("version https://git-lfs.github.com/spec/v1"), GLIM_EFORMAT, "git lfs"},
    {"html", MAGIC, 0, TXT("<!DOCTYPE html>"), GLIM_EFORMAT, "web page"},
    {"ggml", MAGIC, 0, TXT("tjgg"), GLIM_EFORMAT, "before GGUF"},
    {"gzip", MAGIC, 0, TXT("\x1f\x8b\x08\0"), GLIM_EFORMAT, "gzip"},
    {"safetensors", MAGIC, 0, TXT("\x40\0\0\0\0\0\0\0{\"a"), GLIM_EFORMAT, "safetensors"},
    {"version 0", VERSION, 0, U32(0), GLIM_EUNSUPPORTED, "GGUF version 0"},
    {"version 1", VERSION, 0, U32(1), GLIM_EUNSUPPORTED, "GGUF version 1"},
    {"version 4", VERSION, 0, U32(4), GLIM_EUNSUPPORTED, "glim reads versions 2 and 3"},
    {"big endian", VERSION, 0, U32(0x03000000), GLIM_EUNSUPPORTED, "big-endian"},
    {"many keys", N_VALUES, 0, U64(1ull << 60), GLIM_EFORMAT, "1152921504606846976 keys"},
    {"many tensors", N_TENSORS, 0, U64(1ull << 40), GLIM_EFORMAT, "tensors, more than fit"},
    {"one key more", N_VALUES, 0, U64(8), GLIM_EFORMAT, "tensor 1 of 3"},
    {"one tensor more", N_TENSORS, 0, U64(4), GLIM_EFORMAT, "tensor 4 of 4"},
    {"key too long", KEY, 0, U64(1ull << 40), GLIM_EFORMAT, "at most 1073741824"},
    {"key past the end", KEY, 0, U64(100000), GLIM_EFORMAT, "its name needs 100000 bytes"},
    {"key empty", KEY, 0, U64(0), GLIM_EFORMAT, "its name has 0 bytes"},
    {"key not ascii", KEY, 9, TXT("\xC3"), GLIM_EFORMAT, "byte C3 in its name"},
    {"key with control", KEY, 9, TXT("\n"), GLIM_EFORMAT, "byte 0A in its name"},
    {"key twice", REAL_KEY, 8, TXT("t.bool"), GLIM_EFORMAT, "key 't.bool': this key occurs twice"},
    {"value type", KEY_TYPE, 0, U32(13), GLIM_EFORMAT, "its type is 13"},
    {"string too long", TEXT, 0, U64(UINT64_MAX), GLIM_EFORMAT, "18446744073709551615 bytes"},
    {"string past the end", TEXT, 0, U64(9999), GLIM_EFORMAT, "its string needs 9999"},
    {"element type", INTS_ELEMENT, 0, U32(99), GLIM_EFORMAT, "its element type is 99"},
    {"array of arrays", INTS_ELEMENT, 0, U32(9), GLIM_EUNSUPPORTED, "array of arrays"},
    {"array past the end", INTS_COUNT, 0, U64(1000), GLIM_EFORMAT, "needs 4000 bytes"},
    {"array too long", INTS_COUNT, 0, U64((1ull << 30) + 1), GLIM_EFORMAT, "1073741825 elements"},
    {"array overflow", INTS_COUNT, 0, U64(1ull << 62), GLIM_EFORMAT, "elements; at most"},
    {"strings too many", STRINGS_COUNT, 0, U64(1u << 20), GLIM_EFORMAT, "its array needs"},
    {"strings run on", STRINGS_COUNT, 0, U64(40), GLIM_EFORMAT, "string 4 of 40"},
    {"string of array", STRINGS_FIRST, 0, U64(5000), GLIM_EFORMAT, "string 1 of 2 needs 5000"},
    {"bool", BOOL, 0, TXT("\2"), GLIM_EFORMAT, "key 't.bool': a bool is 0 or 1, not 2"},
    {"bool of array", BOOLS, 1, TXT("\xFF"), GLIM_EFORMAT, "not 255"},
    {"alignment 0", ALIGN, 0, U32(0), GLIM_EFORMAT, "general.alignment is 0"},
    {"alignment 48", ALIGN, 0, U32(48), GLIM_EFORMAT, "power of two"},
    {"alignment 4", ALIGN, 0, U32(4), GLIM_EFORMAT, "power of two"},
    {"alignment huge", ALIGN, 0, U32(131072), GLIM_EFORMAT, "power of two"},
    {"alignment type", ALIGN_TYPE, 0, U32(5), GLIM_EFORMAT, "has type i32; expected u32"},
    {"tensor unnamed", TENSOR_A, 0, U64(0), GLIM_EFORMAT, "its name has 0 bytes"},
    {"tensor name 65", TENSOR_A, 0, U64(65), GLIM_EFORMAT, "its name has 65 bytes; 1 to 64"},
    {"tensor name zero", TENSOR_A, 9, TXT("\0"), GLIM_EFORMAT, "zero byte in its name"},
    {"tensor twice", TENSOR_B, 8, TXT("a"), GLIM_EFORMAT, "tensor 'a.weight' occurs twice"},
    {"five dimensions", B_DIMS, 0, U32(5), GLIM_EFORMAT, "tensor 'b.weight': 5 dimensions"},
    {"dimension 0", B_DIMS, 4, U64(0), GLIM_EFORMAT, "dimension 0 is 0"},
    {"second dimension 0", B_DIMS, 12, U64(0), GLIM_EFORMAT, "dimension 1 is 0"},
    {"dimension 2^63", B_DIMS, 4, U64(1ull << 63), GLIM_EFORMAT, "is 9223372036854775808"},
    {"product 2^63", B_DIMS, 4, U64(1ull << 62), GLIM_EFORMAT, "product of its dimensions"},
    {"type 43", B_TYPE, 0, U32(43), GLIM_EUNSUPPORTED, "re-quantise the model to Q8_0 or F16"},
    {"type 4", B_TYPE, 0, U32(4), GLIM_EUNSUPPORTED, "tensor 'b.weight': element type 4"},
    {"type 31", B_TYPE, 0, U32(31), GLIM_EUNSUPPORTED, "element type 31"},
    {"type 36", B_TYPE, 0, U32(36), GLIM_EUNSUPPORTED, "element type 36"},
    {"half a block", B_DIMS, 4, U64(33), GLIM_EFORMAT,
     "rows of 33 elements; Q8_0 has blocks of 32"},
    {"bytes overflow", C_DIMS, 4, U64(1ull << 62), GLIM_EFORMAT, "its size does not fit 64 bits"},
    {"offset unaligned", C_OFFSET, 0, U64(200), GLIM_EFORMAT, "no multiple of the alignment, 64"},
    {"offset far", C_OFFSET, 0, U64(640), GLIM_EFORMAT, "448 bytes are missing"},
    {"offset overflow", C_OFFSET, 0, U64(UINT64_MAX - 63), GLIM_EFORMAT, "bytes are missing"},
    {"offset wraps", B_OFFSET, 0, U64(UINT64_MAX - 63), GLIM_EFORMAT, "does not fit 64 bits"},
    {"overlap", B_OFFSET, 0, U64(128), GLIM_EFORMAT, "'b.weight' and 'c.bias' overlap"},
    {"same place", B_OFFSET, 0, U64(0), GLIM_EFORMAT, "'b.weight' overlap"},
};

static void every_damage_gets_its_status_and_words(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    int wrong = 0;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const struct damage *d = &damages[i];
        make_good();
        memcpy(good.at + mark[d->mark] + d->delta,
               d->bytes ? (const void *)d->bytes : (const void *)&d->value, d->width);
        glim_status status = try_open(ctx, good.at, good.n, &err);
        assert_int_equal(glim_context_bytes(ctx), 0);
        if (status == d->status && strstr(err.message, d->words))
            continue;
        print_error("%s: status %d, %s; expected %d, '%s'\n", d->name, status, err.message,
                    d->status, d->words);
        wrong++;
    }
    assert_int_equal(wrong, 0);
    end_context(ctx);
}

static void a_file_cut_at_any_byte_is_refused(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    make_good();
    for (size_t n = 0; n < good.n; n++)
        assert_int_equal(try_open(ctx, good.at, n, &err), GLIM_EFORMAT);
    char missing[64];
    try_open(ctx, good.at, good.n - 5, &err);
    snprintf(missing, sizeof missing, "truncated: 5 bytes are missing");
    assert_contains(err.message, missing);
    try_open(ctx, good.at, mark[DATA] - 3, &err);
    snprintf(missing, sizeof missing, "truncated: %d bytes are missing", 3 + 224);
    assert_contains(err.message, missing);
    end_context(ctx);
}

/* Each kind of value as the last thing in the file. */
static void values_cut_at_any_byte_are_refused(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    builder b;
    for (int kind = 0; kind < 4; kind++) {
        put_header(&b, 3, 0, 1);
        if (kind == 0)
            put_key_string(&b, "k", "text");
        else if (kind == 1)
            put_key_u32(&b, "k", 7);
        else
            put_array(&b, "k", kind == 2 ? GLIM_GGUF_STRING : GLIM_GGUF_U64, 2);
        if (kind == 2)
            put_string(&b, "one"), put_string(&b, "and the other");
        else if (kind == 3)
            put_u64(&b, 1), put_u64(&b, 2);
        assert_int_equal(try_open(ctx, b.at, b.n, &err), GLIM_OK);
        for (size_t n = 24; n < b.n; n++)
            assert_int_equal(try_open(ctx, b.at, n, &err), GLIM_EFORMAT);
    }
    end_context(ctx);
}

/* No change of a byte may crash, leak or report nothing. */
static void a_change_of_any_byte_is_survived(void **state) {
    static const unsigned char flips[] = {0x01, 0x02, 0x10, 0x80, 0xFF};
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    int refused = 0;
    make_good();
    for (size_t at = 0; at < mark[DATA]; at++) {
        for (size_t f = 0; f < sizeof flips; f++) {
            good.at[at] ^= flips[f];
            refused += try_open(ctx, good.at, good.n, &err) != GLIM_OK;
            good.at[at] ^= flips[f];
        }
    }
    assert_true(refused > 1000);
    end_context(ctx);
}

static void too_many_entries_pass_a_stated_limit(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    size_t n = 24 + 24 * ((1 << 20) + 1);
    unsigned char *bytes = calloc(1, n);
    builder b;
    put_header(&b, 3, 0, (1 << 20) + 1);
    memcpy(bytes, b.at, 24);
    assert_int_equal(try_open(ctx, bytes, n, &err), GLIM_ELIMIT);
    assert_contains(err.message, "1048577 keys; at most 1048576");
    put_header(&b, 3, (1 << 20) + 1, 0);
    memcpy(bytes, b.at, 24);
    assert_int_equal(try_open(ctx, bytes, n, &err), GLIM_ELIMIT);
    assert_contains(err.message, "1048577 tensors");
    free(bytes);
    end_context(ctx);
}

static void a_key_of_65536_bytes_is_refused(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    size_t n = 24 + 8 + 65536 + 5;
    unsigned char *bytes = malloc(n);
    builder b;
    put_header(&b, 3, 0, 1);
    put_u64(&b, 65536);
    memset(bytes, 'k', n);
    memcpy(bytes, b.at, b.n);
    memset(bytes + n - 5, 0, 5);
    assert_int_equal(try_open(ctx, bytes, n, &err), GLIM_EFORMAT);
    assert_contains(err.message, "65536 bytes; 1 to 65535");
    b.n = 24;
    put_u64(&b, 65535);
    memcpy(bytes, b.at, b.n);
    bytes[24 + 8 + 65535] = 0;
    assert_int_equal(try_open(ctx, bytes, n, &err), GLIM_OK);
    free(bytes);
    end_context(ctx);
}

static void of_a_long_path_the_end_is_shown(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_gguf *g;
    char name[3000];
    memset(name, 'd', sizeof name);
    strcpy(name + sizeof name - 14, "/model-Q4.gguf" + 1);
    make_good();
    good.at[mark[BOOL]] = 9;
    assert_int_equal(glim__gguf_open_memory(&g, ctx, good.at, good.n, name, &err), GLIM_EFORMAT);
    assert_contains(err.message, "'...dddd");
    assert_contains(err.message, "dmodel-Q4.gguf': byte ");
    assert_contains(err.message, "key 't.bool': a bool is 0 or 1, not 9");
    end_context(ctx);
}

static void tensors_may_lie_in_any_order_with_gaps(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    builder b;
    put_header(&b, 3, 3, 0);
    put_tensor(&b, "last", GLIM_TYPE_F32, 4, 0, 256);
    put_tensor(&b, "first", GLIM_TYPE_F32, 4, 0, 32);
    put_tensor(&b, "mid", GLIM_TYPE_F32, 8, 0, 64);
    pad(&b, 32);
    put_data(&b, 272);
    assert_int_equal(try_open(ctx, b.at, b.n, &err), GLIM_OK);
    for (uint64_t n = 1; n < 20; n++) {
        glim__fail_allocation(ctx, n);
        glim_gguf *g;
        glim_status status = glim__gguf_open_memory(&g, ctx, b.at, b.n, "m", &err);
        bool all_made = glim__fail_allocation(ctx, 0) < n;
        assert_int_equal(status, all_made ? GLIM_OK : GLIM_ENOMEM);
        glim__gguf_close(g);
        assert_int_equal(glim_context_bytes(ctx), 0);
    }
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_good_file_opens),
        cmocka_unit_test(every_damage_gets_its_status_and_words),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(values_cut_at_any_byte_are_refused),
        cmocka_unit_test(a_change_of_any_byte_is_survived),
        cmocka_unit_test(too_many_entries_pass_a_stated_limit),
        cmocka_unit_test(a_key_of_65536_bytes_is_refused),
        cmocka_unit_test(of_a_long_path_the_end_is_shown),
        cmocka_unit_test(tensors_may_lie_in_any_order_with_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
