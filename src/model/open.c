/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a model: map the file, find the architecture, let it read its sizes
 * and tensors, open the tokenizer, list the sites. Nothing large is touched:
 * weights are read by the first pass that needs them.
 */
#include "model/model.h"
#include "model/published.h"
#include "model/vision.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

extern const glim_architecture glim__arch_llama, glim__arch_qwen2, glim__arch_qwen3,
    glim__arch_qwen3moe, glim__arch_gemma2, glim__arch_gemma3, glim__arch_phi3, glim__arch_gpt2,
    glim__arch_gptneox, glim__arch_bert, glim__arch_chatglm, glim__arch_glm4, glim__arch_glm4moe,
    glim__arch_efficientnet, glim__arch_mobilenet;

static const glim_architecture *const architectures[] = {
    &glim__arch_llama,   &glim__arch_qwen2,        &glim__arch_qwen3,     &glim__arch_qwen3moe,
    &glim__arch_gemma2,  &glim__arch_gemma3,       &glim__arch_phi3,      &glim__arch_gpt2,
    &glim__arch_gptneox, &glim__arch_bert,         &glim__arch_chatglm,   &glim__arch_glm4,
    &glim__arch_glm4moe, &glim__arch_efficientnet, &glim__arch_mobilenet, NULL,
};

const glim_architecture *const *glim__architectures(void) {
    return architectures;
}

static glim_status find_architecture(glim_model *m, glim_error *err) {
    glim_gguf_string name = {0}, kind = {"model", 5};
    bool found = false;
    glim_status status;
    if ((status = glim__gguf_text(m->file, "general.architecture", &name, &found, err)) ||
        (status = glim__gguf_text(m->file, "general.type", &kind, NULL, err)))
        return status;
    if (!found)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the key 'general.architecture'");
    if (kind.len != 5 || memcmp(kind.data, "model", 5))
        return glim_fail(err, GLIM_EUNSUPPORTED, "the file holds a '%.*s', not a model",
                         (int)(kind.len < 40 ? kind.len : 40), kind.data);
    char list[256] = "";
    for (size_t i = 0, at = 0; architectures[i]; i++) {
        const char *known = architectures[i]->name;
        if (strlen(known) == name.len && !memcmp(known, name.data, name.len)) {
            m->arch = architectures[i];
            return GLIM_OK;
        }
        int n = snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", known);
        at += n > 0 ? (size_t)n : 0;
    }
    return glim_fail(err, GLIM_EUNSUPPORTED, "architecture '%.*s' is not known (known: %s)",
                     (int)(name.len < 40 ? name.len : 40), name.data, list);
}

/* ---- sites: what a tape of every block names ---- */

static bool add_sites(glim_model *m, const glim_tape *t) {
    for (int i = 1; i <= t->count; i++)
        for (int k = 0; k < t->nodes[i].n_sites; k++) {
            size_t n = strlen(t->prefix) + strlen(t->nodes[i].sites[k].name) + 1;
            char *name = glim__arena_alloc(&m->arena, n);
            if (!name)
                return false;
            snprintf(name, n, "%s%s", t->prefix, t->nodes[i].sites[k].name);
            m->sites[m->n_sites++] = name;
        }
    return true;
}

static glim_status list_sites(glim_model *m, glim_error *err) {
    size_t L = (size_t)m->hyper.L, most = L * GLIM_TAPE_NODES * GLIM_NODE_SITES + 8;
    glim_tape *t = glim__calloc(m->ctx, 1, sizeof *t);
    m->block_prefixes = glim__arena_calloc(&m->arena, L, sizeof *m->block_prefixes);
    const char **names = glim__calloc(m->ctx, most, sizeof *names);
    m->sites = names;
    bool ok = t && m->block_prefixes && names;
    glim_rows rows = {.T = 1};
    if (ok)
        m->sites[m->n_sites++] = "hook_embed";
    if (ok && m->positions.data)
        m->sites[m->n_sites++] = "hook_pos_embed";
    if (ok && m->types.data)
        m->sites[m->n_sites++] = "hook_token_type_embed";
    if (ok && m->embed_norm) {
        glim__tape_begin(t, m->ctx, NULL, &rows);
        glim__model_front(t, m, glim__op_input(t, NULL, m->hyper.C));
        ok = add_sites(m, t);
        t->count = 0;
    }
    for (size_t i = 0; i < L && ok; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "blocks.%zu.", i);
        m->block_prefixes[i] = glim__arena_strdup(&m->arena, prefix);
        glim_node k, v;
        glim__tape_begin(t, m->ctx, NULL, &rows);
        t->prefix = m->block_prefixes[i];
        ok = t->prefix &&
             m->arch->block(t, m, (int)i, glim__op_input(t, NULL, m->hyper.C), &k, &v) &&
             add_sites(m, t);
        t->count = 0;
    }
    if (ok) {
        glim_node normed;
        glim_rows_part part = {.count = 1};
        rows.parts = &part;
        rows.n_parts = 1;
        glim__tape_begin(t, m->ctx, NULL, &rows);
        t->picked = &rows;
        glim__model_head(t, m, glim__op_input(t, NULL, m->hyper.C), &normed);
        ok = add_sites(m, t);
        m->sites = glim__arena_alloc(&m->arena, m->n_sites * sizeof *m->sites);
        if (m->sites)
            memcpy(m->sites, names, m->n_sites * sizeof *names);
        ok = ok && m->sites;
    }
    glim__free(m->ctx, names);
    glim__free(m->ctx, t);
    return ok ? GLIM_OK : glim__oom(m->ctx, err, "the list of sites", most * sizeof *names);
}

static glim_status load(glim_model *m, glim_error *err) {
    size_t n = glim__gguf_tensor_count(m->file), keys = glim__gguf_value_count(m->file);
    glim_loader l = {
        .m = m, .g = m->file, .arch = m->arch->name, .published = glim__gguf_version(m->file) == 0};
    l.used = glim__calloc(m->ctx, n + keys + 1, 1);
    if (!l.used)
        return glim__oom(m->ctx, err, "the tensor table", n);
    l.read = l.used + n;
    glim_status status = m->arch->load(&l, err);
    if (!status)
        status = glim__load_finish(&l, err);
    glim__free(m->ctx, l.used);
    return status;
}

static glim_status open_tokenizer(glim_model *m, glim_error *err) {
    bool published = glim__gguf_version(m->file) == 0;
    if (m->vision)
        return GLIM_OK;
    glim_status status =
        published ? glim__tokenizer_open_dir(&m->tokenizer, m->ctx, glim__gguf_path(m->file),
                                             m->arch->name, err)
                  : glim__tokenizer_open(&m->tokenizer, m->ctx, m->file, m->arch->name, err);
    if (status)
        return status;
    const glim_tokenizer_info *t = glim__tokenizer_info(m->tokenizer);
    if (t->vocab > m->hyper.V)
        return glim_fail(err, GLIM_EFORMAT, "the tokenizer has %d tokens, the embedding %d rows",
                         t->vocab, m->hyper.V);
    if (t->chat_template)
        glim__chat_template_find(&m->chat, m->ctx, NULL, t,
                                 NULL); /* NULL stays: asked for when used */
    return GLIM_OK;
}

/* Readers of keys have named the file already. */
static void name_file(const char *path, glim_status status, glim_error *err) {
    size_t n = strlen(path);
    if (!err || (err->message[0] == '\'' && !strncmp(err->message + 1, path, n) &&
                 err->message[n + 1] == '\''))
        return;
    glim_prefix(err, status, "'%s'", path);
}

glim_status glim_model_open(glim_model **out, glim_context *ctx, const char *path,
                            glim_error *err) {
    *out = NULL;
    glim_model *m = glim__calloc(ctx, 1, sizeof *m);
    if (!m)
        return glim__oom(ctx, err, "the model", sizeof *m);
    m->ctx = ctx;
    glim__arena_init(&m->arena, ctx, 1 << 16);
    glim_status status = glim__model_file_open(&m->file, ctx, path, err);
    if (status)
        goto done;
    if ((status = find_architecture(m, err)) || (status = load(m, err)) ||
        (status = open_tokenizer(m, err)) ||
        (status = m->vision ? glim__vision_sites(m, err) : list_sites(m, err)) ||
        (status = glim__model_facts(m, err)))
        name_file(path, status, err);
done:
    if (status) {
        glim_model_close(m);
        return status;
    }
    *out = m;
    return GLIM_OK;
}

void glim_model_close(glim_model *m) {
    if (!m)
        return;
    if (!m->base) {
        glim__tokenizer_close(m->tokenizer);
        glim__gguf_close(m->file);
    }
    glim__arena_release(&m->arena);
    glim__free(m->ctx, m);
}

glim_context *glim_model_context(const glim_model *m) {
    return m->ctx;
}

const char *const *glim_model_sites(const glim_model *m, size_t *count) {
    *count = m->n_sites;
    return m->sites;
}
