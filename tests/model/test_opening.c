/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file may hold besides what is known: keys and tensors that would change
 * the model are refused by name, those that change nothing leave the logits as
 * they were. Golden files with a key or a tensor put in.
 */
#include "model-testing.h"

#include <unistd.h>

enum { T = 12, ROOM = 4096 };

struct bytes {
    unsigned char *at;
    size_t n;
};

static struct bytes read_golden(const char *file) {
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s.gguf", file);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    struct bytes b = {.n = (size_t)ftell(f)};
    rewind(f);
    b.at = calloc(1, b.n + ROOM);
    assert_int_equal(fread(b.at, 1, b.n, f), b.n);
    fclose(f);
    return b;
}

static void insert(struct bytes *b, size_t at, const void *data, size_t n) {
    memmove(b->at + at + n, b->at + at, b->n - at);
    memcpy(b->at + at, data, n);
    b->n += n;
}

static void count_one_more(struct bytes *b, size_t at) {
    uint64_t n;
    memcpy(&n, b->at + at, sizeof n);
    n++;
    memcpy(b->at + at, &n, sizeof n);
}

static size_t put(unsigned char *out, size_t at, const void *data, size_t n) {
    memcpy(out + at, data, n);
    return at + n;
}

static size_t put_name(unsigned char *out, size_t at, const char *name) {
    uint64_t n = strlen(name);
    return put(out, put(out, at, &n, sizeof n), name, n);
}

/* Puts one key before the others, and a second that fills up to the alignment. */
static void add_key(struct bytes *b, const char *key, glim_gguf_type type, const void *value,
                    size_t size) {
    static const char filler[64];
    unsigned char text[1024];
    uint32_t kind = type, string = GLIM_GGUF_STRING;
    size_t n = put(text, put(text, put_name(text, 0, key), &kind, 4), value, size);
    n = put(text, put_name(text, n, "x"), &string, 4);
    uint64_t fill = (32 - (n + 8) % 32) % 32;
    n = put(text, put(text, n, &fill, 8), filler, fill);
    insert(b, 24, text, n);
    count_one_more(b, 16);
    count_one_more(b, 16);
}

/* A vector of `width` floats behind the others' data; the name is lengthened. */
static void add_tensor(struct bytes *b, const char *start, uint64_t width) {
    static const unsigned char first[] = "\x11\0\0\0\0\0\0\0token_embd.weight";
    unsigned char text[512];
    char name[128];
    unsigned char *found = memmem(b->at, b->n, first, sizeof first - 1);
    assert_non_null(found);
    size_t whole = 8 + strlen(start) + 4 + 8 + 4 + 8, more = (32 - whole % 32) % 32;
    snprintf(name, sizeof name, "%s%.*s", start, (int)more, "________________________________");
    uint32_t dims = 1, type = 0;
    uint64_t offset = 0;
    size_t at = (size_t)(found - b->at), n = put(text, put_name(text, 0, name), &dims, 4);
    n = put(text, put(text, put(text, n, &width, 8), &type, 4), &offset, 8);
    insert(b, at, text, n);
    count_one_more(b, 8);
    glim_context *ctx = context_with(1, 0); /* where the data of the others ends */
    glim_gguf *g = NULL;
    struct bytes before = read_golden("llama");
    assert_int_equal(glim__gguf_open_memory(&g, ctx, before.at, before.n, "m", NULL), GLIM_OK);
    const unsigned char *base = NULL, *end = NULL;
    for (size_t i = 0; i < glim__gguf_tensor_count(g); i++) {
        const glim_tensor *t = glim__gguf_tensor_at(g, i);
        const unsigned char *from = t->data;
        base = !base || from < base ? from : base;
        end = !end || from + t->bytes > end ? from + t->bytes : end;
    }
    offset = ((uint64_t)(end - base) + 31) / 32 * 32;
    memcpy(b->at + at + n - 8, &offset, 8);
    b->n = (size_t)(base - before.at) + n + offset + width * 4;
    glim__gguf_close(g);
    glim_context_free(ctx);
    free(before.at);
}

/* Opens the bytes as a file; logits of some ids, or the error's text. */
static glim_status try(const struct bytes *b, float **logits, char *message, size_t size) {
    char path[] = "/tmp/glim-opening-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, b->at, b->n) == (ssize_t)b->n);
    close(fd);
    glim_context *ctx = context_with(1, 0);
    glim_model *m = NULL;
    glim_error err = {0};
    glim_status status = glim_model_open(&m, ctx, path, &err);
    snprintf(message, size, "%s", err.message);
    const char *again = status ? strstr(err.message + 1, path) : NULL;
    if (again && strstr(again + 1, path))
        fail_msg("the file is named twice: %s", err.message);
    if (!status) {
        glim_session *s = new_session(m, 0);
        int32_t ids[T];
        uint32_t row = T - 1;
        some_ids(ids, T, m->hyper.V, 1);
        glim_sequence q = {.ids = ids, .count = T, .wanted = &row, .n_wanted = 1};
        run_batch(s, &(glim_batch){.sequences = &q, .count = 1});
        *logits = malloc((size_t)m->hyper.V * sizeof **logits);
        memcpy(*logits, glim_session_logits(s, 0, 0), (size_t)m->hyper.V * sizeof **logits);
        glim_session_free(s);
    }
    glim_model_close(m);
    glim_context_free(ctx);
    unlink(path);
    return status;
}

enum result { SAME, CHANGED, REFUSED };

static enum result with_key(const char *arch, const char *suffix, glim_gguf_type type,
                            const void *value, size_t size, char *message) {
    char key[128];
    float *before = NULL, *after = NULL;
    struct bytes b = read_golden(arch);
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    assert_int_equal(try(&b, &before, message, 512), GLIM_OK);
    add_key(&b, key, type, value, size);
    glim_status status = try(&b, &after, message, 512);
    enum result r = status ? REFUSED : memcmp(before, after, 300 * sizeof *after) ? CHANGED : SAME;
    if (status && !strstr(message, key))
        fail_msg("'%s' does not name the key %s", message, key);
    free(before);
    free(after);
    free(b.at);
    return r;
}

/* An array of integers stands for a list of blocks. */
struct key_case {
    const char *suffix;
    glim_gguf_type type;
    double value;
    enum result llama, qwen2, gemma3;
};

static const struct key_case key_cases[] = {
    {"attention.causal", GLIM_GGUF_BOOL, 0, REFUSED, REFUSED, REFUSED},
    {"attention.causal", GLIM_GGUF_BOOL, 1, SAME, SAME, SAME},
    {"attention.scale", GLIM_GGUF_F32, 0.5, CHANGED, CHANGED, CHANGED},
    {"attention.clamp_kqv", GLIM_GGUF_F32, 8, REFUSED, REFUSED, REFUSED},
    {"attention.max_alibi_bias", GLIM_GGUF_F32, 8, REFUSED, REFUSED, REFUSED},
    {"attention.key_length_swa", GLIM_GGUF_U32, 8, REFUSED, REFUSED, REFUSED},
    {"attention.temperature_scale", GLIM_GGUF_F32, 0.1, REFUSED, REFUSED, REFUSED},
    {"attn_logit_softcapping", GLIM_GGUF_F32, 5, REFUSED, REFUSED, REFUSED},
    {"final_logit_softcapping", GLIM_GGUF_F32, 5, REFUSED, REFUSED, CHANGED},
    {"final_logit_softcapping", GLIM_GGUF_F32, 0, SAME, SAME, SAME},
    {"logit_scale", GLIM_GGUF_F32, 2, REFUSED, REFUSED, REFUSED},
    {"logit_scale", GLIM_GGUF_F32, 1, SAME, SAME, SAME},
    {"residual_scale", GLIM_GGUF_F32, 0.5, REFUSED, REFUSED, REFUSED},
    {"embedding_scale", GLIM_GGUF_F32, 12, REFUSED, REFUSED, REFUSED},
    {"use_parallel_residual", GLIM_GGUF_BOOL, 1, REFUSED, REFUSED, REFUSED},
    {"expert_used_count", GLIM_GGUF_U32, 2, SAME, SAME, SAME},
    {"expert_count", GLIM_GGUF_U32, 0, SAME, SAME, SAME},
    {"nextn_predict_layers", GLIM_GGUF_U32, 1, REFUSED, REFUSED, REFUSED},
    {"rope.scaling.attn_factor", GLIM_GGUF_F32, 1.2, REFUSED, REFUSED, REFUSED},
    {"rope.scaling.attn_factor", GLIM_GGUF_F32, 1, SAME, SAME, SAME},
    {"rope.scaling.alpha", GLIM_GGUF_F32, 1000, REFUSED, REFUSED, REFUSED},
    {"rope.scaling.factor", GLIM_GGUF_F32, 4, CHANGED, CHANGED, CHANGED},
    {"rope.scale_linear", GLIM_GGUF_F32, 4, CHANGED, CHANGED, CHANGED},
    {"rope.scaling.finetuned", GLIM_GGUF_BOOL, 1, SAME, SAME, SAME},
    {"rope.freq_base_swa", GLIM_GGUF_F32, 5000, SAME, SAME, CHANGED},
    {"rope.local.freq_base", GLIM_GGUF_F32, 5000, REFUSED, REFUSED, CHANGED},
    {"pooling_type", GLIM_GGUF_U32, 3, SAME, SAME, SAME},
    {"vision.block_count", GLIM_GGUF_U32, 3, SAME, SAME, SAME},
    {"a_key_of_tomorrow", GLIM_GGUF_U32, 3, REFUSED, REFUSED, REFUSED},
};

static void keys_change_the_model_or_nothing_or_are_refused(void **state) {
    static const char *const archs[] = {"llama", "qwen2", "gemma3"};
    char message[512];
    for (size_t i = 0; i < sizeof key_cases / sizeof *key_cases; i++)
        for (int a = 0; a < 3; a++) {
            const struct key_case *c = &key_cases[i];
            float real = (float)c->value;
            uint32_t whole = (uint32_t)c->value;
            bool is_real = c->type == GLIM_GGUF_F32;
            enum result want = a == 0 ? c->llama : a == 1 ? c->qwen2 : c->gemma3;
            enum result have =
                with_key(archs[a], c->suffix, c->type, is_real ? (void *)&real : (void *)&whole,
                         c->type == GLIM_GGUF_BOOL ? 1 : 4, message);
            if (have != want)
                fail_msg("%s.%s = %g: result %d, expected %d (%s)", archs[a], c->suffix, c->value,
                         have, want, message);
        }
}

static void windows_need_to_know_their_blocks(void **state) {
    char message[512];
    uint32_t four = 4, wide = 1 << 20, two = 2;
    const char *window = "attention.sliding_window";
    assert_int_equal(with_key("llama", window, GLIM_GGUF_U32, &four, 4, message), CHANGED);
    assert_int_equal(with_key("llama", window, GLIM_GGUF_U32, &wide, 4, message), SAME);
    assert_int_equal(with_key("qwen2", window, GLIM_GGUF_U32, &four, 4, message), REFUSED);
    assert_non_null(strstr(message, "qwen2.attention.sliding_window_pattern"));
    assert_int_equal(with_key("qwen2", window, GLIM_GGUF_U32, &wide, 4, message), SAME);
    const char *pattern = "attention.sliding_window_pattern";
    assert_int_equal(with_key("gemma3", pattern, GLIM_GGUF_U32, &two, 4, message), CHANGED);
    unsigned char list[4 + 8 + 2] = {GLIM_GGUF_BOOL, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0};
    assert_int_equal(with_key("gemma3", pattern, GLIM_GGUF_ARRAY, list, sizeof list, message),
                     REFUSED); /* seven blocks */
}

static void text_keys(void **state) {
    char message[512];
    static const char *const kinds[] = {"longrope", "dynamic", "none", "linear"};
    for (int i = 0; i < 4; i++) {
        unsigned char text[32];
        size_t n = put_name(text, 0, kinds[i]);
        struct bytes b = read_golden("llama");
        float *logits = NULL;
        add_key(&b, "llama.rope.scaling.type", GLIM_GGUF_STRING, text, n);
        assert_int_equal(try(&b, &logits, message, sizeof message),
                         i < 2 ? GLIM_EUNSUPPORTED : GLIM_OK);
        if (i < 2)
            assert_non_null(strstr(message, kinds[i]));
        free(logits);
        free(b.at);
    }
    struct bytes b = read_golden("llama"); /* the kind "none" undoes a factor */
    float *plain = NULL, *none = NULL, four = 4;
    unsigned char text[32];
    size_t n = put_name(text, 0, "none");
    assert_int_equal(try(&b, &plain, message, sizeof message), GLIM_OK);
    add_key(&b, "llama.rope.scaling.factor", GLIM_GGUF_F32, &four, 4);
    b.at[24 + 8 + strlen("llama.rope.scaling.factor") + 4 + 4 + 8] = 'y'; /* the filler's name */
    add_key(&b, "llama.rope.scaling.type", GLIM_GGUF_STRING, text, n);
    if (try(&b, &none, message, sizeof message))
        fail_msg("%s", message);
    assert_memory_equal(plain, none, 300 * sizeof *none);
    free(plain);
    free(none);
    free(b.at);
}

static void tensors_are_used_or_harmless_or_refused(void **state) {
    char message[512];
    static const struct {
        const char *name;
        uint64_t width;
        bool refused;
    } cases[] = {{"blk.0.attn_q_norm.weight", 8, true}, {"blk.0.ffn_gate_inp.weight", 8, true},
                 {"output_norm.bias", 32, true},        {"blk.7.attn_norm.weight", 32, true},
                 {"v.blk.0.attn_q.weight", 8, false},   {"mm.input_projection", 8, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = read_golden("llama");
        float *before = NULL, *after = NULL;
        assert_int_equal(try(&b, &before, message, sizeof message), GLIM_OK);
        add_tensor(&b, cases[i].name, cases[i].width);
        glim_status status = try(&b, &after, message, sizeof message);
        if (cases[i].refused != (status == GLIM_EUNSUPPORTED) || (status && !cases[i].refused))
            fail_msg("%s: status %d, %s", cases[i].name, status, message);
        if (status)
            assert_non_null(strstr(message, cases[i].name));
        else
            assert_memory_equal(before, after, 300 * sizeof *after);
        free(before);
        free(after);
        free(b.at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_change_the_model_or_nothing_or_are_refused),
        cmocka_unit_test(windows_need_to_know_their_blocks),
        cmocka_unit_test(text_keys),
        cmocka_unit_test(tensors_are_used_or_harmless_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
