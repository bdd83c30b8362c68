/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tokenizer-dir.c: the tokenizer of a model directory: the file that has the
 * vocabulary, and what the files beside it say about special tokens. Where they
 * disagree the order is that of transformers: explicit add_bos_token and
 * add_eos_token replace the post-processor, chat_template.jinja comes before
 * the template inside tokenizer_config.json.
 */
#include "text/vocabulary-files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_BYTES = 1 << 28, MOST_CONFIG = 1 << 26 };

bool glim__dir_has(const char *dir, const char *name) {
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && !stat(path, &st);
}

glim_status glim__dir_read(glim_buffer *out, const char *dir, const char *name, size_t limit,
                           glim_error *err) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return glim_fail(err, GLIM_EIO, "the path of '%s' is too long", name);
    return glim__file_read(out, path, limit, err);
}

/* A JSON object beside the vocabulary; *out is NULL when there is no such file. */
static glim_status read_config(json_t **out, glim_context *ctx, const char *dir, const char *name,
                               glim_error *err) {
    glim_buffer text;
    *out = NULL;
    if (!glim__dir_has(dir, name))
        return GLIM_OK;
    glim__buffer_init(&text, ctx);
    glim_status status = glim__dir_read(&text, dir, name, MOST_CONFIG, err);
    if (!status)
        status = glim__json_parse(out, text.data ? text.data : "", text.len, name, err);
    glim__buffer_release(&text);
    if (!status && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        status = glim_fail(err, GLIM_EFORMAT, "%s is not an object", name);
    }
    return status;
}

/* ---- special tokens ---- */

const char *glim__token_name(const json_t *config, const char *key) {
    const json_t *v = json_object_get(config, key);
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

/* The id of a named token; `now` when the files do not name it. */
static int32_t named(const glim_tokenizer *t, const glim_side_files *f, const char *key,
                     int32_t now) {
    const char *name = glim__token_name(f->config, key);
    name = name ? name : glim__token_name(f->specials, key);
    return name ? glim__vocabulary_find(t, name, strlen(name)) : now;
}

static void read_names(glim_tokenizer *t, const glim_side_files *f) {
    t->info.bos = named(t, f, "bos_token", t->info.bos);
    t->info.eos = named(t, f, "eos_token", t->info.eos);
    t->info.pad = named(t, f, "pad_token", t->info.pad);
    t->info.mask = named(t, f, "mask_token", t->info.mask);
    for (int i = 0; i < 2 && t->info.mask < 0; i++)
        t->info.mask = glim__token_by_name(t, i ? "<mask>" : "[MASK]");
    t->info.cls = named(t, f, "cls_token", t->info.cls);
    t->info.sep = named(t, f, "sep_token", t->info.sep);
}

static void read_additions(glim_tokenizer *t, const glim_side_files *f) {
    const json_t *bos = json_object_get(f->config, "add_bos_token");
    const json_t *eos = json_object_get(f->config, "add_eos_token");
    glim_pipeline *p = t->pipeline;
    if (bos || eos)
        glim__template_ends(p, json_is_true(bos) ? t->info.bos : -1,
                            json_is_true(eos) ? t->info.eos : -1);
    const glim_template *form = glim__template_of(t, false);
    t->info.add_bos = t->info.bos >= 0 && form->at[0].id == t->info.bos;
    t->info.add_eos = t->info.eos >= 0 && form->at[form->count - 1].id == t->info.eos;
}

static void add_ends(glim_tokenizer *t, const json_t *config) {
    const json_t *ids = json_object_get(config, "eos_token_id");
    for (size_t i = 0; i < (json_is_array(ids) ? json_array_size(ids) : 1); i++) {
        const json_t *id = json_is_array(ids) ? json_array_get(ids, i) : ids;
        if (json_is_integer(id) && json_integer_value(id) >= 0 &&
            json_integer_value(id) < t->info.vocab)
            glim__ends_add(t, (int32_t)json_integer_value(id));
    }
}

/* ---- chat templates ---- */

static glim_status keep_template(glim_tokenizer *t, const char *s, size_t n, glim_error *err) {
    t->info.chat_template = glim__arena_strndup(&t->arena, s, n);
    t->info.chat_template_len = n;
    return t->info.chat_template ? GLIM_OK : glim__oom(t->ctx, err, "the chat template", n);
}

/* A string, or a list of {name, template} with one named "default". */
static const json_t *pick_template(const json_t *json) {
    for (size_t i = 0; json_is_array(json) && i < json_array_size(json); i++) {
        const json_t *one = json_array_get(json, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && !strcmp(name, "default"))
            return json_object_get(one, "template");
    }
    return json;
}

static glim_status read_template(glim_tokenizer *t, const char *dir, const glim_side_files *f,
                                 glim_error *err) {
    glim_status status = GLIM_OK;
    if (glim__dir_has(dir, "chat_template.jinja")) {
        glim_buffer text;
        glim__buffer_init(&text, t->ctx);
        status = glim__dir_read(&text, dir, "chat_template.jinja", MOST_CONFIG, err);
        if (!status)
            status = keep_template(t, text.data ? text.data : "", text.len, err);
        glim__buffer_release(&text);
        return status;
    }
    json_t *own = NULL;
    const json_t *v = pick_template(json_object_get(f->config, "chat_template"));
    if (!v) {
        status = read_config(&own, t->ctx, dir, "chat_template.json", err);
        v = pick_template(json_object_get(own, "chat_template"));
    }
    if (!status && json_is_string(v))
        status = keep_template(t, json_string_value(v), json_string_length(v), err);
    json_decref(own);
    return status;
}

/* ---- opening ---- */

static glim_status read_vocabulary(glim_pipeline *p, const char *dir, const char *model_type,
                                   const glim_side_files *f, glim_error *err) {
    struct stat st;
    if (glim__dir_has(dir, "tokenizer.json") && !f->target) {
        glim_status status = glim__dir_read(&p->file, dir, "tokenizer.json", MOST_BYTES, err);
        return status ? status : glim__tokenizer_json_read(p, err);
    }
    if (stat(dir, &st))
        return glim_fail(err, GLIM_EIO, "there is no directory '%s'", dir);
    return glim__vocabulary_files_read(p, dir, model_type ? model_type : "", f, err);
}

static glim_status read_all(glim_tokenizer *t, const char *dir, const char *model_type,
                            glim_side_files *f, glim_error *err) {
    glim_status status;
    if ((status = read_config(&f->config, t->ctx, dir, "tokenizer_config.json", err)) ||
        (status = read_config(&f->specials, t->ctx, dir, "special_tokens_map.json", err)) ||
        (status = read_config(&f->generation, t->ctx, dir, "generation_config.json", err)) ||
        (status = read_vocabulary(t->pipeline, dir, model_type, f, err)))
        return status;
    read_names(t, f);
    read_additions(t, f);
    glim__ends_add(t, t->info.eos);
    add_ends(t, f->generation);
    glim__ends_by_name(t);
    glim__name_specials(t);
    return read_template(t, dir, f, err);
}

static glim_status open_dir(glim_tokenizer **out, glim_context *ctx, const char *dir,
                            const char *model_type, bool target, glim_error *err) {
    glim_side_files f = {.target = target};
    glim_tokenizer *t;
    *out = NULL;
    glim_status status = glim__pipeline_new(&t, ctx, err);
    if (status)
        return status;
    t->info.mask = t->info.cls = t->info.sep = -1;
    status = read_all(t, dir, model_type, &f, err);
    json_decref(f.config);
    json_decref(f.specials);
    json_decref(f.generation);
    if (status) {
        glim__tokenizer_close(t);
        return status;
    }
    *out = t;
    return GLIM_OK;
}

glim_status glim__tokenizer_open_dir(glim_tokenizer **out, glim_context *ctx, const char *dir,
                                     const char *model_type, glim_error *err) {
    return open_dir(out, ctx, dir, model_type, false, err);
}

glim_status glim__tokenizer_open_target(glim_tokenizer **out, glim_context *ctx, const char *dir,
                                        const char *model_type, glim_error *err) {
    *out = NULL;
    return glim__dir_has(dir, "target.spm") && glim__dir_has(dir, "source.spm")
               ? open_dir(out, ctx, dir, model_type, true, err)
               : GLIM_OK;
}
