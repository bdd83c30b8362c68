/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published directories as input that may be wrong: every member of config.json of
 * every tiny model removed or made something else, weights cut, shards and an
 * index that lie. Nothing crashes, and a refusal names what is wrong.
 */
#include "model-testing.h"

#include "base/json.h"

#include <sys/stat.h>
#include <unistd.h>

#define PUBLISHED GOLDEN "published/"

static char folder[64];

static void write_file(const char *name, const void *data, size_t n) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static char *read_file(const char *from, const char *name, size_t *n) {
    char path[600];
    snprintf(path, sizeof path, PUBLISHED "%s/%s", from, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*n + 1);
    assert_int_equal(fread(data, 1, *n, f), *n);
    data[*n] = 0;
    fclose(f);
    return data;
}

static void copy_file(const char *from, const char *name) {
    size_t n;
    char *data = read_file(from, name, &n);
    write_file(name, data, n);
    free(data);
}

static void clear_folder(void) {
    DIR *list = opendir(folder);
    char path[400];
    for (struct dirent *e; list && (e = readdir(list));)
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            unlink(path);
        }
    if (list)
        closedir(list);
}

static void make_folder(const char *from) {
    strcpy(folder, "/tmp/glim-published-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char path[600];
    snprintf(path, sizeof path, PUBLISHED "%s", from);
    DIR *list = opendir(path);
    assert_non_null(list);
    for (struct dirent *e; (e = readdir(list));)
        if (e->d_name[0] != '.')
            copy_file(from, e->d_name);
    closedir(list);
}

static void remove_folder(void) {
    clear_folder();
    rmdir(folder);
}

/* Opens the folder and, when that works, runs one token through it. */
static glim_status try_model(glim_context *ctx, glim_error *err) {
    glim_model *m = NULL;
    *err = (glim_error){0};
    glim_status status = glim_model_open(&m, ctx, folder, err);
    if (status)
        return status;
    glim_session *s = new_session(m, 0);
    int32_t id = 9;
    uint32_t row = 0;
    glim_sequence q = {.ids = &id, .count = 1, .wanted = &row, .n_wanted = 1};
    glim_batch b = {.sequences = &q, .count = 1, .sources = &q, .n_sources = m->encoder != NULL};
    status = glim_session_forward(s, &b, err);
    glim_session_free(s);
    glim_model_close(m);
    return status;
}

static void must_fail(glim_context *ctx, glim_status expected, const char *word) {
    glim_error err;
    glim_status status = try_model(ctx, &err);
    if (status != expected || !strstr(err.message, word))
        fail_msg("status %d, \"%s\"; expected %d and the word %s", status, err.message, expected,
                 word);
}

/* ---- config.json ---- */

static json_t *variant(int kind) {
    switch (kind) {
    case 0:
        return json_null();
    case 1:
        return json_string("x");
    case 2:
        return json_integer(-1);
    case 3:
        return json_integer(0);
    case 4:
        return json_integer(1 << 30);
    case 5:
        return json_real(0.37);
    case 6:
        return json_array();
    case 7:
        return json_object();
    default:
        return json_true();
    }
}

static void write_config(const json_t *config) {
    char *text = json_dumps(config, JSON_INDENT(1));
    write_file("config.json", text, strlen(text));
    free(text);
}

static void check_members(const char *name) {
    enum { VARIANTS = 9 };
    glim_context *ctx = context_with(1, 0);
    size_t n;
    make_folder(name);
    char *text = read_file(name, "config.json", &n);
    json_t *config = json_loads(text, 0, NULL);
    const char *key;
    json_t *value;
    int refused = 0;
    json_object_foreach(config, key, value) {
        for (int kind = -1; kind < VARIANTS; kind++) {
            json_t *other = json_deep_copy(config);
            glim_error err;
            if (kind < 0)
                json_object_del(other, key);
            else
                json_object_set_new(other, key, variant(kind));
            write_config(other);
            glim_status status = try_model(ctx, &err);
            if (status && (!*err.message || strchr(err.message, '\n')))
                fail_msg("%s, %s, variant %d: status %d says nothing", name, key, kind, status);
            if (status == GLIM_EINTERNAL || status == GLIM_EUSAGE)
                fail_msg("%s, %s, variant %d: %s", name, key, kind, err.message);
            refused += status != GLIM_OK;
            json_decref(other);
        }
    }
    assert_true(refused > 20);
    json_decref(config);
    free(text);
    remove_folder();
    glim_context_free(ctx);
}

/* Encoder-decoders lie beside the others. */
static void each_directory(void (*check)(const char *name)) {
    static const char *const places[] = {"", "../stacks/"};
    for (int i = 0; i < 2; i++) {
        char name[400];
        snprintf(name, sizeof name, PUBLISHED "%s", places[i]);
        DIR *list = opendir(name);
        assert_non_null(list);
        for (struct dirent *e; (e = readdir(list));) {
            snprintf(name, sizeof name, "%s%s", places[i], e->d_name);
            if (e->d_name[0] != '.' && !strchr(e->d_name, '.'))
                check(name);
        }
        closedir(list);
    }
}

static void every_member_may_be_wrong(void **state) {
    each_directory(check_members);
}

static void settings_that_change_the_model_are_refused(void **state) {
    static const struct {
        const char *model, *key, *json, *word;
        glim_status status;
    } cases[] = {
        {"llama", "model_type", "\"mamba\"", "mamba", GLIM_EUNSUPPORTED},
        {"llama", "hidden_act", "\"gelu\"", "hidden_act", GLIM_EUNSUPPORTED},
        {"llama", "quantization_config", "{\"quant_method\": \"gptq\"}", "gptq", GLIM_EUNSUPPORTED},
        {"llama", "num_hidden_layers", "3", "blk.2", GLIM_EFORMAT},
        {"llama", "intermediate_size", "41", "ffn", GLIM_EFORMAT},
        {"llama", "tie_word_embeddings", "false", "tie_word_embeddings", GLIM_EFORMAT},
        {"qwen2", "use_sliding_window", "true", "", GLIM_OK},
        {"gpt2", "scale_attn_by_inverse_layer_idx", "true", "scale_attn", GLIM_EUNSUPPORTED},
        {"qwen3moe", "mlp_only_layers", "[0]", "mlp_only_layers", GLIM_EUNSUPPORTED},
        {"glm4moe", "n_group", "2", "expert_group_count", GLIM_EFORMAT},
        {"bert-classes", "position_embedding_type", "\"relative_key\"", "position_embedding_type",
         GLIM_EUNSUPPORTED},
        {"bert-classes", "problem_type", "\"regression\"", "problem_type", GLIM_EUNSUPPORTED},
        {"bert-classes", "architectures", "[\"BertForNextSentencePrediction\"]", "head",
         GLIM_EUNSUPPORTED},
        {"../stacks/t5", "feed_forward_proj", "\"gated-silu\"", "feed_forward_proj",
         GLIM_EUNSUPPORTED},
        {"../stacks/t5-gated", "model_type", "\"mt5\"", "", GLIM_OK},
        {"../stacks/t5", "num_decoder_layers", "4", "dec.blk.3", GLIM_EFORMAT},
        {"../stacks/t5", "num_decoder_layers", "2", "dec.blk.2", GLIM_EUNSUPPORTED},
        {"../stacks/t5", "relative_attention_max_distance", "16", "buckets", GLIM_EFORMAT},
        {"../stacks/marian", "normalize_before", "true", "normalize_before", GLIM_EUNSUPPORTED},
        {"../stacks/marian", "share_encoder_decoder_embeddings", "false", "share_encoder",
         GLIM_EUNSUPPORTED},
        {"../stacks/marian", "decoder_ffn_dim", "40", "decoder_ffn_dim", GLIM_EUNSUPPORTED},
        {"../stacks/marian", "bad_words_ids", "[[1, 2]]", "", GLIM_OK}, /* generation_config's */
        {"../stacks/marian", "max_position_embeddings", "100000", "positions", GLIM_ELIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_error err;
        size_t n;
        make_folder(cases[i].model);
        char *text = read_file(cases[i].model, "config.json", &n);
        json_t *config = json_loads(text, 0, NULL);
        json_object_set_new(config, cases[i].key, json_loads(cases[i].json, JSON_DECODE_ANY, NULL));
        write_config(config);
        glim_status status = try_model(ctx, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].word))
            fail_msg("%s with %s = %s: status %d, \"%s\"", cases[i].model, cases[i].key,
                     cases[i].json, status, err.message);
        json_decref(config);
        free(text);
        remove_folder();
        glim_context_free(ctx);
    }
}

/* ---- files ---- */

static void what_is_missing_is_named(void **state) {
    glim_context *ctx = context_with(1, 0);
    char path[200];
    make_folder("llama");
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    must_fail(ctx, GLIM_EFORMAT, "lacks model.safetensors");
    write_file("pytorch_model.bin", "x", 1);
    must_fail(ctx, GLIM_EUNSUPPORTED, "pickles");
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    must_fail(ctx, GLIM_EFORMAT, "lacks config.json");
    write_file("config.json", "[1]", 3);
    must_fail(ctx, GLIM_EFORMAT, "no JSON object");
    write_file("config.json", "{", 1);
    must_fail(ctx, GLIM_EFORMAT, "config.json");
    remove_folder();
    glim_context_free(ctx);
}

static void cut_weights_are_refused_at_every_length(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_error err;
    size_t n;
    make_folder("phi3");
    char *data = read_file("phi3", "model.safetensors", &n);
    for (size_t len = 0; len < n; len += len < 4096 ? 37 : 9973) {
        write_file("model.safetensors", data, len);
        glim_status status = try_model(ctx, &err);
        if (status != GLIM_EFORMAT && status != GLIM_ELIMIT)
            fail_msg("%zu of %zu bytes: status %d, %s", len, n, status, err.message);
    }
    free(data);
    remove_folder();
    glim_context_free(ctx);
}

/* ---- shards ---- */

/* Writes the tensors whose number has this parity as a file of its own. */
static void write_shard(const char *name, const glim_safetensors *st, size_t parity, json_t *map) {
    json_t *header = json_object();
    size_t at = 0;
    for (size_t i = parity; i < glim__safetensors_count(st); i += 2) {
        const glim_st_tensor *t = glim__safetensors_at(st, i);
        json_t *shape = json_array();
        for (int d = 0; d < t->n_dims; d++)
            json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
        json_object_set_new(header, t->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape,
                                      "data_offsets", (json_int_t)at, (json_int_t)(at + t->bytes)));
        json_object_set_new(map, t->name, json_string(name));
        at += t->bytes;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t n = strlen(text);
    char *all = malloc(8 + n + at), *to = all + 8 + n;
    memcpy(all, &n, 8);
    memcpy(all + 8, text, n);
    for (size_t i = parity; i < glim__safetensors_count(st); i += 2) {
        const glim_st_tensor *t = glim__safetensors_at(st, i);
        memcpy(to, t->data, t->bytes);
        to += t->bytes;
    }
    write_file(name, all, 8 + n + at);
    json_decref(header);
    free(text);
    free(all);
}

static void write_index(const json_t *map) {
    json_t *index = json_pack("{s:{s:i}, s:O}", "metadata", "total_size", 1, "weight_map", map);
    char *text = json_dumps(index, 0);
    write_file("model.safetensors.index.json", text, strlen(text));
    json_decref(index);
    free(text);
}

static float *last_logits(glim_context *ctx, const char *path, size_t *n) {
    glim_model *m = NULL;
    glim_error err = {0};
    if (glim_model_open(&m, ctx, path, &err))
        fail_msg("%s", err.message);
    glim_session *s = new_session(m, 0);
    int32_t ids[] = {9, 20, 31};
    uint32_t row = 2;
    glim_sequence q = {.ids = ids, .count = 3, .wanted = &row, .n_wanted = 1};
    run_batch(s, &(glim_batch){.sequences = &q, .count = 1});
    *n = (size_t)glim_model_facts(m)->outputs;
    float *out = malloc(*n * sizeof *out);
    memcpy(out, glim_session_logits(s, 0, 0), *n * sizeof *out);
    glim_session_free(s);
    glim_model_close(m);
    return out;
}

static void shards_are_one_model_and_their_index_must_be_true(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_safetensors *st = NULL;
    char path[600];
    size_t n, m;
    make_folder("llama");
    snprintf(path, sizeof path, PUBLISHED "llama");
    float *whole = last_logits(ctx, path, &n);
    snprintf(path, sizeof path, PUBLISHED "llama/model.safetensors");
    assert_int_equal(glim__safetensors_open(&st, ctx, path, NULL), GLIM_OK);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    json_t *map = json_object();
    write_shard("model-00001-of-00002.safetensors", st, 0, map);
    write_shard("model-00002-of-00002.safetensors", st, 1, map);
    write_index(map);
    float *parts = last_logits(ctx, folder, &m);
    assert_int_equal(n, m);
    assert_memory_equal(whole, parts, n * sizeof *whole);
    const char *first = glim__safetensors_at(st, 0)->name;
    json_object_set_new(map, first, json_string("model-00002-of-00002.safetensors"));
    write_index(map);
    must_fail(ctx, GLIM_EFORMAT, "index says otherwise");
    json_object_set_new(map, first, json_string("../model.safetensors"));
    write_index(map);
    must_fail(ctx, GLIM_EFORMAT, "plain file name");
    json_object_set_new(map, first, json_string("model-00003-of-00003.safetensors"));
    write_index(map);
    must_fail(ctx, GLIM_EIO, "model-00003");
    json_object_clear(map);
    write_index(map);
    must_fail(ctx, GLIM_EFORMAT, "lists no tensor");
    json_decref(map);
    free(whole);
    free(parts);
    glim__safetensors_close(st);
    remove_folder();
    glim_context_free(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    make_folder("glm4moe");
    bool refused = true;
    for (uint64_t nth = 1; refused; nth++) {
        glim_context *ctx = context_with(1, 0);
        glim_error err;
        glim__fail_allocation(ctx, nth);
        glim_model *m = NULL;
        glim_status status = glim_model_open(&m, ctx, folder, &err);
        glim_model_close(m);
        refused = status != GLIM_OK;
        if (refused && status != GLIM_ENOMEM)
            fail_msg("allocation %d: status %d, %s", (int)nth, status, err.message);
        assert_int_equal(glim_context_bytes(ctx), 0);
        glim__fail_allocation(ctx, 0);
        glim_context_free(ctx);
    }
    remove_folder();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_may_be_wrong),
        cmocka_unit_test(settings_that_change_the_model_are_refused),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(cut_weights_are_refused_at_every_length),
        cmocka_unit_test(shards_are_one_model_and_their_index_must_be_true),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
