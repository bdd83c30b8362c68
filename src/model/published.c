/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renaming. A tensor that no rule knows keeps its published name, so that the
 * check for leftovers refuses it by the name that its user can find.
 */
#include "model/published.h"

#include "tensor/types.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- config.json ---- */

void glim__published_refuse(glim_published *p, glim_status status, const char *key,
                            const char *why) {
    if (!p->status)
        p->status = glim_fail(p->err, status, "'%s/config.json', %s: %s", p->d->path, key, why);
}

bool glim__published_int(glim_published *p, const json_t *o, const char *key, int64_t *out) {
    const json_t *v = json_object_get(o, key);
    double x = json_real_value(v);
    if (!v || json_is_null(v))
        return false;
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
    } else if (json_is_real(v) && x >= -9e15 && x <= 9e15 && x == (double)(int64_t)x) {
        *out = (int64_t)x;
    } else {
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is no integer");
        return false;
    }
    return true;
}

bool glim__published_real(glim_published *p, const json_t *o, const char *key, double *out) {
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v))
        return false;
    if (!json_is_number(v)) {
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is no number");
        return false;
    }
    *out = json_number_value(v);
    return true;
}

bool glim__published_true(glim_published *p, const char *key, bool otherwise) {
    const json_t *v = json_object_get(p->config, key);
    if (!v || json_is_null(v))
        return otherwise;
    if (!json_is_boolean(v))
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is neither true nor false");
    return json_is_true(v);
}

static void full_key(const glim_published *p, const char *suffix, char out[128]) {
    snprintf(out, 128, "%s.%s", p->family->arch, suffix);
}

static void check_put(glim_published *p, bool ok, const char *what) {
    if (!ok && !p->status)
        p->status = glim__oom(p->d->ctx, p->err, what, 64);
}

void glim__published_put_int(glim_published *p, const char *suffix, int64_t value) {
    char key[128];
    full_key(p, suffix, key);
    check_put(p, p->status || glim__gguf_put_int(p->g, key, value), key);
}

void glim__published_put_real(glim_published *p, const char *suffix, double value) {
    char key[128];
    full_key(p, suffix, key);
    check_put(p, p->status || glim__gguf_put_real(p->g, key, value), key);
}

void glim__published_put_text(glim_published *p, const char *suffix, const char *value) {
    char key[128];
    full_key(p, suffix, key);
    check_put(p, p->status || glim__gguf_put_text(p->g, key, value), key);
}

void glim__published_put_bool(glim_published *p, const char *suffix, bool value) {
    char key[128];
    full_key(p, suffix, key);
    check_put(p, p->status || glim__gguf_put_bool(p->g, key, value), key);
}

void glim__published_copy_int(glim_published *p, const char *key, const char *suffix, bool need) {
    int64_t value = 0;
    if (glim__published_int(p, p->config, key, &value))
        glim__published_put_int(p, suffix, value);
    else if (need)
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is missing");
}

void glim__published_copy_real(glim_published *p, const char *key, const char *suffix, bool need) {
    double value = 0;
    if (glim__published_real(p, p->config, key, &value))
        glim__published_put_real(p, suffix, value);
    else if (need)
        glim__published_refuse(p, GLIM_EFORMAT, key, "it is missing");
}

void glim__published_windows(glim_published *p, int period) {
    const json_t *types = json_object_get(p->config, "layer_types");
    int64_t L = 0, window = 0;
    glim__published_int(p, p->config, "num_hidden_layers", &L);
    if (!glim__published_int(p, p->config, "sliding_window", &window) || window <= 0 || p->status)
        return;
    if (L < 1 || L > 4096 || (types && json_array_size(types) != (size_t)L)) {
        glim__published_refuse(p, GLIM_EFORMAT, "layer_types", "it does not name every layer");
        return;
    }
    bool slides[4096];
    char key[128];
    for (int64_t i = 0; i < L; i++) {
        const char *kind = json_string_value(json_array_get(types, (size_t)i));
        slides[i] = kind ? !strcmp(kind, "sliding_attention") : !period || (i + 1) % period != 0;
        if (kind && !slides[i] && strcmp(kind, "full_attention"))
            glim__published_refuse(p, GLIM_EUNSUPPORTED, "layer_types",
                                   "a layer is neither full_attention nor sliding_attention");
    }
    glim__published_put_int(p, "attention.sliding_window", window);
    full_key(p, "attention.sliding_window_pattern", key);
    check_put(p, p->status || glim__gguf_put_bools(p->g, key, slides, (size_t)L), key);
}

/* ---- tensors ---- */

static const char *const prefixes[] = {"bert.",
                                       "roberta.",
                                       "distilbert.",
                                       "model.language_model.",
                                       "language_model.model.",
                                       "model.",
                                       "transformer.encoder.",
                                       "transformer.",
                                       "gpt_neox.",
                                       NULL};

static const glim_published_name outside[] = {
    {"embed_tokens", "token_embd"},
    {"wte", "token_embd"},
    {"embed_in", "token_embd"},
    {"embedding.word_embeddings", "token_embd"},
    {"wpe", "position_embd"},
    {"norm", "output_norm"},
    {"ln_f", "output_norm"},
    {"final_layer_norm", "output_norm"},
    {"final_layernorm", "output_norm"},
    {"lm_head", "output"},
    {"embed_out", "output"},
    {"output_layer", "output"},
    {NULL, NULL},
};

/* Not weights: buffers that old files carry. */
static bool is_buffer(const char *name) {
    static const char *const ends[] = {
        "rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", ".attn.bias",    ".attn.masked_bias",
        ".attention.bias",     ".attention.masked_bias",  ".position_ids", ".num_batches_tracked"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n >= strlen(ends[i]) && !strcmp(name + n - strlen(ends[i]), ends[i]))
            return true;
    return false;
}

/* theirs with '#' matches the n bytes; *number gets what '#' stands for. */
static bool matches(const char *theirs, const char *name, size_t n, int *number) {
    size_t i = 0;
    for (; *theirs; theirs++) {
        if (*theirs != '#') {
            if (i >= n || name[i++] != *theirs)
                return false;
            continue;
        }
        if (i >= n || !isdigit((unsigned char)name[i]))
            return false;
        *number = 0;
        for (; i < n && isdigit((unsigned char)name[i]) && *number < 1000000; i++)
            *number = *number * 10 + name[i] - '0';
    }
    return i == n;
}

static bool rename_stem(const glim_published_name *names, const char *stem, size_t n, char *out,
                        size_t size) {
    int number = 0;
    for (; names->theirs; names++) {
        if (!matches(names->theirs, stem, n, &number))
            continue;
        const char *hash = strchr(names->ours, '#');
        if (hash)
            snprintf(out, size, "%.*s%d%s", (int)(hash - names->ours), names->ours, number,
                     hash + 1);
        else
            snprintf(out, size, "%s", names->ours);
        return true;
    }
    return false;
}

/* "layers.3.", "h.3." and the like -> 3 and its length; -1 outside the blocks. */
static int block_of(const char *name, size_t *len) {
    static const char *const kinds[] = {"layers.", "h.", "encoder.layer.", "transformer.layer.",
                                        "layer."};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = strlen(kinds[i]);
        char *end;
        if (strncmp(name, kinds[i], n) || !isdigit((unsigned char)name[n]))
            continue;
        unsigned long layer = strtoul(name + n, &end, 10);
        if (*end != '.' || layer > 1000000)
            continue;
        *len = (size_t)(end + 1 - name);
        return (int)layer;
    }
    return -1;
}

/* The name in GGUF; false when no rule knows it. */
static bool rename_tensor(const glim_published *p, const char *name, char *out, size_t size) {
    for (const char *const *prefix = prefixes; *prefix; prefix++)
        if (!strncmp(name, *prefix, strlen(*prefix))) {
            name += strlen(*prefix);
            break;
        }
    size_t skip = 0;
    int layer = block_of(name, &skip);
    const char *stem = name + skip, *dot = strrchr(stem, '.');
    char ours[96];
    if (!dot) /* a whole name */
        return p->family->outside && rename_stem(p->family->outside, stem, strlen(stem), out, size);
    bool bias_only = !strcmp(dot, ".e_score_correction_bias");
    const char *end = bias_only || !strcmp(dot, ".beta") ? ".bias" : dot;
    if (!strcmp(dot, ".gamma"))
        end = ".weight";
    if (strcmp(end, ".weight") && strcmp(end, ".bias"))
        return false;
    const glim_published_name *names = p->family->names;
    if (layer < 0)
        names = p->family->outside ? p->family->outside : outside;
    size_t n = bias_only ? strlen(stem) : (size_t)(dot - stem);
    if (!rename_stem(names, stem, n, ours, sizeof ours))
        return false;
    if (!*ours) { /* nothing that glim computes with */
        *out = '\0';
        return true;
    }
    if (layer < 0)
        snprintf(out, size, "%s%s", ours, end);
    else
        snprintf(out, size, "blk.%d.%s%s", layer, ours, end);
    return true;
}

static uint32_t type_of(const char *dtype) {
    static const struct {
        const char *name;
        glim_type type;
    } types[] = {{"F32", GLIM_TYPE_F32}, {"F16", GLIM_TYPE_F16}, {"BF16", GLIM_TYPE_BF16},
                 {"F64", GLIM_TYPE_F64}, {"I64", GLIM_TYPE_I64}, {"I32", GLIM_TYPE_I32},
                 {"I16", GLIM_TYPE_I16}, {"I8", GLIM_TYPE_I8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, dtype))
            return types[i].type;
    return UINT32_MAX;
}

static void put_tensor(glim_published *p, const glim_st_tensor *st, bool tied) {
    char name[160];
    bool known = rename_tensor(p, st->name, name, sizeof name);
    if (p->status || is_buffer(st->name) || (known && !*name) ||
        (known && tied && !strcmp(name, "output.weight")))
        return;
    if (!known)
        snprintf(name, sizeof name, "%.150s", st->name);
    if (st->n_dims > 4 && known) {
        p->status =
            glim_fail(p->err, GLIM_EFORMAT, "tensor '%s' has %d dimensions", st->name, st->n_dims);
        return;
    }
    glim_tensor t = {.type = type_of(st->dtype),
                     .n_dims = st->n_dims,
                     .dims = {1, 1, 1, 1},
                     .bytes = st->bytes,
                     .data = st->data};
    for (int i = 0; i < st->n_dims && i < 4; i++)
        t.dims[i] = st->dims[st->n_dims - 1 - i];
    check_put(p, glim__gguf_put_tensor(p->g, name, &t), st->name);
}

/* ---- the whole ---- */

static void common_keys(glim_published *p) {
    const json_t *act = json_object_get(p->config, p->family->act_key);
    const char *is = json_string_value(act), *want = p->family->act;
    const char *at = is ? strstr(want, is) : NULL;
    size_t n = is ? strlen(is) : 0;
    bool whole = at && (at == want || at[-1] == '|') && (!at[n] || at[n] == '|');
    if (is && !whole)
        glim__published_refuse(p, GLIM_EUNSUPPORTED, p->family->act_key,
                               "this activation is not the family's");
    const char *name = strrchr(p->d->path, '/');
    check_put(p,
              glim__gguf_put_text(p->g, "general.architecture", p->family->arch) &&
                  glim__gguf_put_text(p->g, "general.name", name ? name + 1 : p->d->path),
              "the keys");
    p->family->keys(p);
}

/* The head is the embedding when the configuration says so, else when it is absent. */
static bool is_tied(glim_published *p) {
    if (glim__published_true(p, "tie_word_embeddings", p->family->tied))
        return true;
    for (size_t s = 0; s < p->d->n_shards; s++)
        for (size_t i = 0; i < glim__safetensors_count(p->d->shards[s]); i++) {
            char name[160];
            if (rename_tensor(p, glim__safetensors_at(p->d->shards[s], i)->name, name,
                              sizeof name) &&
                !strcmp(name, "output.weight"))
                return false;
        }
    glim__published_refuse(p, GLIM_EFORMAT, "tie_word_embeddings",
                           "it is false, but the weights lack a head (is this a base model "
                           "without its language model head?)");
    return false;
}

static void all_tensors(glim_published *p) {
    bool tied = !p->family->own_head && (p->family->outside || is_tied(p));
    for (size_t s = 0; s < p->d->n_shards; s++)
        for (size_t i = 0; i < glim__safetensors_count(p->d->shards[s]) && !p->status; i++)
            put_tensor(p, glim__safetensors_at(p->d->shards[s], i), tied);
}

/* The files live on in the tables. */
static void hand_over(glim_published *p) {
    uint64_t header = 0;
    glim_mapping map = p->d->config_file;
    p->d->config_file = (glim_mapping){.ctx = p->d->ctx};
    glim__gguf_part(p->g, &map, map.size);
    for (size_t s = 0; s < p->d->n_shards; s++) {
        glim__safetensors_move(p->d->shards[s], &map, &header);
        glim__gguf_part(p->g, &map, header);
    }
}

static glim_status find_family(glim_published *p) {
    const char *type = json_string_value(json_object_get(p->config, "model_type"));
    const json_t *text = json_object_get(p->config, "text_config");
    char list[512] = "";
    size_t at = 0;
    if (!type)
        return glim_fail(p->err, GLIM_EFORMAT, "'%s/config.json' lacks model_type", p->d->path);
    for (size_t i = 0; glim__published_families[i]; i++) {
        const glim_published_family *f = glim__published_families[i];
        if (!strcmp(f->type, type)) {
            p->family = f;
            if (json_is_object(text)) /* a model of text and images: its text part */
                p->config = text;
            return GLIM_OK;
        }
        int n = snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", f->type);
        at += n > 0 && (size_t)n < sizeof list - at ? (size_t)n : 0;
    }
    return glim_fail(p->err, GLIM_EUNSUPPORTED, "'%s': model_type '%.40s' is not known (known: %s)",
                     p->d->path, type, list);
}

glim_status glim__published_open(glim_gguf **out, glim_context *ctx, const char *path,
                                 glim_error *err) {
    glim_directory d;
    *out = NULL;
    glim_status status = glim__directory_open(&d, ctx, path, err);
    if (status)
        return status;
    glim_published p = {.d = &d, .config = d.config, .err = err};
    size_t tensors = 8;
    for (size_t s = 0; s < d.n_shards; s++)
        tensors += glim__safetensors_count(d.shards[s]);
    if (!(p.status = find_family(&p)))
        p.status = glim__gguf_begin(&p.g, ctx, d.path, tensors, (int)d.n_shards + 1, err);
    if (!p.status)
        common_keys(&p);
    if (!p.status)
        all_tensors(&p);
    if (!p.status) {
        hand_over(&p);
        p.status = glim__gguf_end(p.g, err);
    }
    glim__directory_close(&d);
    if (p.status)
        glim__gguf_close(p.g);
    else
        *out = p.g;
    return p.status;
}

glim_status glim__model_file_open(glim_gguf **out, glim_context *ctx, const char *path,
                                  glim_error *err) {
    return glim__is_directory(path) ? glim__published_open(out, ctx, path, err)
                                    : glim__gguf_open(out, ctx, path, err);
}
