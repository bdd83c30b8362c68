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
    glim__arch_efficientnet, glim__arch_mobilenet, glim__arch_t5, glim__arch_marian;

static const glim_architecture *const architectures[] = {
    &glim__arch_llama,    &glim__arch_qwen2,        &glim__arch_qwen3,
    &glim__arch_qwen3moe, &glim__arch_gemma2,       &glim__arch_gemma3,
    &glim__arch_phi3,     &glim__arch_gpt2,         &glim__arch_gptneox,
    &glim__arch_bert,     &glim__arch_chatglm,      &glim__arch_glm4,
    &glim__arch_glm4moe,  &glim__arch_efficientnet, &glim__arch_mobilenet,
    &glim__arch_t5,       &glim__arch_marian,       NULL,
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

struct listing {
    glim_model *m; /* whose arena names live in */
    const char **names;
    size_t n;
    glim_weight *weights;
    size_t n_weights;
};

static const char *full_name(struct listing *l, const char *prefix, const char *name) {
    size_t n = strlen(prefix) + strlen(name) + 1;
    char *full = glim__arena_alloc(&l->m->arena, n);
    if (full)
        snprintf(full, n, "%s%s", prefix, name);
    return full;
}

static bool add_site(struct listing *l, const char *prefix, const char *name) {
    return (l->names[l->n++] = full_name(l, prefix, name)) != NULL;
}

static bool add_weight(struct listing *l, const char *prefix, const glim_tape_node *n,
                       const char *name) {
    glim_weight *w = &l->weights[l->n_weights++];
    *w = (glim_weight){.name = full_name(l, prefix, name),
                       .rows = (size_t)n->as.linear.w->rows,
                       .cols = (size_t)n->as.linear.w->cols,
                       .bias = n->as.linear.bias != NULL};
    return w->name != NULL;
}

static bool add_sites(struct listing *l, const glim_tape *t) {
    bool ok = true;
    for (int i = 1; i <= t->count; i++)
        for (int k = 0; k < t->nodes[i].n_sites && ok; k++)
            ok = t->nodes[i].sites[k].kind == GLIM_SITE_WEIGHT
                     ? add_weight(l, t->prefix, &t->nodes[i], t->nodes[i].sites[k].name)
                     : add_site(l, t->prefix, t->nodes[i].sites[k].name);
    return ok;
}

static bool list_front(struct listing *l, glim_model *m, glim_tape *t, const glim_rows *rows) {
    bool ok = add_site(l, m->site_prefix, "hook_embed");
    if (ok && m->positions.data)
        ok = add_site(l, m->site_prefix, "hook_pos_embed");
    if (ok && m->types.data)
        ok = add_site(l, m->site_prefix, "hook_token_type_embed");
    if (ok && m->embed_norm) {
        glim__tape_begin(t, m->ctx, NULL, rows);
        glim__model_front(t, m, glim__op_input(t, NULL, m->hyper.C));
        ok = add_sites(l, t);
        t->count = 0;
    }
    return ok;
}

static bool list_blocks(struct listing *l, glim_model *m, glim_tape *t, const glim_rows *rows) {
    size_t L = (size_t)m->hyper.L;
    m->block_prefixes = glim__arena_calloc(&m->arena, L, sizeof *m->block_prefixes);
    bool ok = m->block_prefixes != NULL;
    for (size_t i = 0; i < L && ok; i++) {
        char prefix[48];
        glim_node k, v;
        snprintf(prefix, sizeof prefix, "%sblocks.%zu.", m->site_prefix, i);
        m->block_prefixes[i] = glim__arena_strdup(&m->arena, prefix);
        glim__tape_begin(t, m->ctx, NULL, rows);
        t->prefix = m->block_prefixes[i];
        t->memory_rows = rows;
        ok = t->prefix &&
             m->arch->block(t, m, (int)i, glim__op_input(t, NULL, m->hyper.C), &k, &v) &&
             add_sites(l, t);
        t->count = 0;
    }
    return ok;
}

static bool list_model(struct listing *l, glim_model *m, glim_tape *t) {
    glim_node normed;
    glim_rows_part part = {.count = 1};
    glim_rows rows = {.T = 1, .parts = &part, .n_parts = 1};
    if ((m->encoder && !list_model(l, m->encoder, t)) || !list_front(l, m, t, &rows) ||
        !list_blocks(l, m, t, &rows))
        return false;
    glim__tape_begin(t, m->ctx, NULL, &rows);
    t->picked = &rows;
    glim__model_head(t, m, glim__op_input(t, NULL, m->hyper.C), &normed);
    bool ok = add_sites(l, t);
    t->count = 0;
    return ok;
}

static glim_status list_sites(glim_model *m, glim_error *err) {
    size_t L = (size_t)m->hyper.L + (size_t)(m->encoder ? m->encoder->hyper.L : 0);
    size_t most = L * GLIM_TAPE_NODES * GLIM_NODE_SITES + 32;
    glim_tape *t = glim__calloc(m->ctx, 1, sizeof *t);
    struct listing l = {.m = m,
                        .names = glim__calloc(m->ctx, most, sizeof *l.names),
                        .weights = glim__calloc(m->ctx, most, sizeof *l.weights)};
    bool ok = t && l.names && l.weights && list_model(&l, m, t);
    m->sites = ok ? glim__arena_alloc(&m->arena, l.n * sizeof *m->sites) : NULL;
    m->weights = ok ? glim__arena_alloc(&m->arena, l.n_weights * sizeof *m->weights) : NULL;
    ok = m->sites && m->weights;
    if (ok) {
        memcpy(m->sites, l.names, l.n * sizeof *l.names);
        memcpy(m->weights, l.weights, l.n_weights * sizeof *l.weights);
        m->n_sites = l.n;
        m->n_weights = l.n_weights;
    }
    if (m->encoder) { /* plans ask it for them */
        m->encoder->sites = m->sites;
        m->encoder->n_sites = m->n_sites;
    }
    glim__free(m->ctx, l.names);
    glim__free(m->ctx, l.weights);
    glim__free(m->ctx, t);
    return ok ? GLIM_OK : glim__oom(m->ctx, err, "the list of sites", most * sizeof *l.names);
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
    const char *type = m->model_type ? m->model_type : m->arch->name;
    glim_status status =
        published
            ? glim__tokenizer_open_dir(&m->tokenizer, m->ctx, glim__gguf_path(m->file), type, err)
            : glim__tokenizer_open(&m->tokenizer, m->ctx, m->file, m->arch->name, err);
    if (status)
        return status;
    const glim_tokenizer_info *t = glim__tokenizer_info(m->tokenizer);
    if (t->vocab > m->hyper.V)
        return glim_fail(err, GLIM_EFORMAT, "the tokenizer has %d tokens, the embedding %d rows",
                         t->vocab, m->hyper.V);
    if (published && m->encoder &&
        (status =
             glim__tokenizer_open_target(&m->writer, m->ctx, glim__gguf_path(m->file), type, err)))
        return status;
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
    m->site_prefix = "";
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
    if (!m->base) { /* else they are another model's */
        if (m->encoder)
            glim__arena_release(&m->encoder->arena);
        glim__tokenizer_close(m->tokenizer);
        glim__tokenizer_close(m->writer);
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

const glim_weight *glim_model_weights(const glim_model *m, size_t *count) {
    *count = m->n_weights;
    return m->weights;
}
