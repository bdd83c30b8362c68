/* SPDX-License-Identifier: Apache-2.0 */
/* What is activated, by the names that a user gives, checked against the model. */
#include "structure/activation.h"
#include "model/site-names.h"

#include <stdio.h>
#include <string.h>

glim_status glim__class_find(const glim_model *m, const char *name, int32_t *id, glim_error *err) {
    const glim_model_info *info = glim_model_facts(m);
    char list[240] = "", number[24];
    size_t at = 0;
    for (int i = 0; i < info->outputs; i++) {
        snprintf(number, sizeof number, "%d", i);
        const char *label = info->labels ? info->labels[i] : number;
        if (!strcmp(label, name) || !strcmp(number, name)) {
            *id = i;
            return GLIM_OK;
        }
        if (at + 44 < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, "%s%.40s", i ? ", " : "", label);
    }
    return glim_fail(err, GLIM_EUSAGE, "there is no class '%.60s' (there are %s)", name, list);
}

static glim_status open_output(glim_activation *a, const glim_maximize_options *o,
                               glim_error *err) {
    glim_task task = glim_model_facts(a->m)->task;
    bool words =
        task == GLIM_TASK_GENERATE || task == GLIM_TASK_FILL || task == GLIM_TASK_TRANSLATE;
    int32_t id = 0;
    if (o->site || o->n_indices || o->direction || o->head >= 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "--target names an output: it has no --site, --index, "
                         "--head or --direction");
    if (task == GLIM_TASK_EMBED)
        return glim_fail(err, GLIM_EUSAGE,
                         "this model embeds texts and has no outputs with a name "
                         "(take a --site; glim info --sites lists them)");
    glim_status status = words ? glim_model_token(a->m, o->target, &id, err)
                               : glim__class_find(a->m, o->target, &id, err);
    a->kind = GLIM_ACTIVATION_OUTPUT;
    a->n = 1;
    a->layer = -1;
    a->whole_text = task == GLIM_TASK_CLASSIFY || task == GLIM_TASK_TRANSLATE;
    snprintf(a->label, sizeof a->label, "%.60s", o->target);
    a->output = words && !a->likely ? 0 : id;
    if (!status && words && !a->likely)
        status = glim__model_part(&a->part, a->m, a->m->hyper.L, &id, 1, err);
    return status;
}

static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end);
}

static glim_status find_site(glim_activation *a, const char *site, glim_error *err) {
    static const char *const behind[] = {"ln_final.", "hook_logits", "readout.", "hook_embedding"};
    static const char *const of_rows[] = {"hook_pattern", "hook_attn_scores", "hook_result"};
    size_t n;
    const char *const *all = glim_model_sites(a->m, &n);
    bool known = false;
    for (size_t i = 0; i < n && !known; i++)
        known = !strcmp(all[i], site);
    if (!known || strlen(site) >= sizeof a->site) {
        glim_status status = glim__sites_check(a->m, site, err);
        return status ? status
                      : glim_fail(err, GLIM_EUSAGE, "'%.80s' is many sites; name one", site);
    }
    for (size_t i = 0; i < 4; i++)
        if (strstr(site, behind[i]))
            return glim_fail(err, GLIM_EUSAGE,
                             "'%s' is behind the last block (an output: --target; the last "
                             "block's own: a hook_resid_post)",
                             site);
    for (size_t i = 0; i < 3; i++)
        if (ends_in(site, of_rows[i]))
            return glim_fail(err, GLIM_EUSAGE,
                             "'%s' is no vector of a token (of a head take attn.hook_z)", site);
    strcpy(a->site, site);
    const char *block = strstr(site, "blocks.");
    a->layer = -1;
    if (block)
        sscanf(block, "blocks.%9d.", &a->layer);
    a->whole_text = a->m->encoder && strncmp(site, "encoder.", 8) != 0;
    return GLIM_OK;
}

/* One token, to see what a row is like. */
static glim_status look(glim_activation *a, glim_error *err) {
    const glim_model *m = glim__activation_model(a);
    int32_t id = 0;
    glim_session *s = NULL;
    glim_hook hook = glim__activation_hook(a, false);
    glim_sequence q = {.ids = &id, .count = 1}, w = {.ids = &a->m->start, .count = 1};
    glim_batch b = {.sequences = m->encoder ? &w : &q,
                    .count = 1,
                    .hooks = &hook,
                    .n_hooks = 1,
                    .sources = m->encoder ? &q : NULL,
                    .n_sources = m->encoder ? 1 : 0};
    glim_status status = glim_session_new(&s, m, 0, err);
    if (!status)
        status = glim_session_forward(s, &b, err);
    glim_session_free(s);
    if (!status && !a->seen)
        return glim_fail(err, GLIM_EUSAGE, "'%s' shows no values", a->site);
    return status;
}

/* What of a row counts. */
static glim_status choose(glim_activation *a, const glim_maximize_options *o, glim_error *err) {
    size_t heads = a->width ? a->cols / a->width : 0;
    if (o->head >= 0 && !heads)
        return glim_fail(err, GLIM_EUSAGE, "'%s' has no heads (attn.hook_z has)", a->site);
    if (o->head >= 0 && (size_t)o->head >= heads)
        return glim_fail(err, GLIM_EUSAGE, "'%s' has heads 0 to %zu, not %d", a->site, heads - 1,
                         o->head);
    a->offset = o->head >= 0 ? (size_t)o->head * a->width : 0;
    a->width = o->head >= 0 ? a->width : a->cols;
    if (o->direction && o->n_indices)
        return glim_fail(err, GLIM_EUSAGE, "give either --index or --direction");
    if (o->n_indices > GLIM_MAXIMIZE_UNITS)
        return glim_fail(err, GLIM_EUSAGE, "%zu units; at most %d at once", o->n_indices,
                         GLIM_MAXIMIZE_UNITS);
    for (size_t i = 0; i < o->n_indices; i++)
        if (o->indices[i] >= a->width)
            return glim_fail(err, GLIM_EUSAGE, "'%s' has indices 0 to %zu, not %zu", a->site,
                             a->width - 1, o->indices[i]);
    a->indices = o->indices;
    a->n = o->n_indices ? o->n_indices : 1;
    a->kind = o->n_indices   ? GLIM_ACTIVATION_NEURON
              : o->direction ? GLIM_ACTIVATION_DIRECTION
                             : GLIM_ACTIVATION_HEAD;
    if (a->kind == GLIM_ACTIVATION_HEAD && o->head < 0)
        return glim_fail(err, GLIM_EUSAGE, "what of '%s'? (--index 0 to %zu, a --direction FILE%s)",
                         a->site, a->cols - 1, heads ? ", or a --head" : "");
    const char *slash = o->direction ? strrchr(o->direction, '/') : NULL;
    snprintf(a->label, sizeof a->label, "%.60s",
             slash          ? slash + 1
             : o->direction ? o->direction
                            : "");
    return o->direction
               ? glim__direction_read(&a->direction, a->ctx, o->direction, a->layer, a->width, err)
               : GLIM_OK;
}

static glim_status open_site(glim_activation *a, const glim_maximize_options *o, glim_error *err) {
    if (!o->site)
        return glim_fail(err, GLIM_EUSAGE,
                         "say what is to be activated: a --site with --index, --head or "
                         "--direction, or an output's --target");
    glim_status status = find_site(a, o->site, err);
    if (!status && !a->likely && !a->m->encoder)
        status = glim__model_part(&a->part, a->m, a->layer < 0 ? 1 : a->layer + 1, NULL, 0, err);
    if (!status)
        status = look(a, err);
    return status ? status : choose(a, o, err);
}

glim_status glim__activation_open(glim_activation *a, const glim_model *m,
                                  const glim_maximize_options *o, size_t positions, bool likely,
                                  glim_error *err) {
    *a = (glim_activation){.ctx = m->ctx, .m = m, .likely = likely};
    glim_status status = o->target ? open_output(a, o, err) : open_site(a, o, err);
    if (!status)
        status = glim_session_new(&a->s, glim__activation_model(a), positions, err);
    if (status)
        glim__activation_close(a);
    return status;
}

void glim__activation_close(glim_activation *a) {
    if (!a->ctx)
        return;
    glim_session_free(a->s);
    glim__free(a->ctx, a->direction);
    glim__free(a->ctx, a->vectors);
    glim_model_close(a->part);
    *a = (glim_activation){0};
}

void glim__activation_name(const glim_activation *a, size_t unit, char *out, size_t n) {
    char head[24] = "";
    if (a->offset || (a->width && a->width < a->cols))
        snprintf(head, sizeof head, ".%zu", a->offset / a->width);
    if (a->kind == GLIM_ACTIVATION_NEURON)
        snprintf(out, n, "%s%s[%zu]", a->site, head, a->indices[unit]);
    else if (a->kind == GLIM_ACTIVATION_HEAD)
        snprintf(out, n, "%s%s", a->site, head);
    else if (a->kind == GLIM_ACTIVATION_DIRECTION)
        snprintf(out, n, "%s%s along %s", a->site, head, a->label);
    else
        snprintf(out, n, "logit of %s", a->label);
}
