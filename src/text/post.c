/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post.c: the post-processors of tokenizer.json as templates: which special
 * tokens stand around a text or a pair, and of which type each part is.
 */
#include "text/pipeline.h"

#include <string.h>

static glim_status add_slot(glim_template *t, int32_t id, int64_t type, glim_error *err) {
    if (t->count == GLIM_SLOTS)
        return glim_fail(err, GLIM_ELIMIT, "a template of tokenizer.json has more than %d parts",
                         GLIM_SLOTS);
    if (type < 0 || type > 255)
        return glim_fail(err, GLIM_EFORMAT, "a template of tokenizer.json has the type %lld",
                         (long long)type);
    t->at[t->count++] = (glim_slot){id, (uint8_t)type};
    return GLIM_OK;
}

static bool valid(const glim_pipeline *p, const json_t *id) {
    return json_is_integer(id) && json_integer_value(id) >= 0 &&
           json_integer_value(id) < p->t->info.vocab;
}

static glim_status add_special(const glim_pipeline *p, glim_template *t, const json_t *ids,
                               const char *name, int64_t type, glim_error *err) {
    glim_status status = GLIM_OK;
    if (!json_is_array(ids) || !json_array_size(ids))
        return glim_fail(err, GLIM_EFORMAT, "the template names '%.60s', which has no ids", name);
    for (size_t i = 0; i < json_array_size(ids) && !status; i++) {
        const json_t *id = json_array_get(ids, i);
        if (!valid(p, id))
            return glim_fail(err, GLIM_EFORMAT,
                             "the template's '%.60s' has an id outside of the "
                             "vocabulary",
                             name);
        status = add_slot(t, (int32_t)json_integer_value(id), type, err);
    }
    return status;
}

static glim_status read_template(const glim_pipeline *p, glim_template *t, const json_t *list,
                                 const json_t *specials, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        const json_t *part = json_array_get(list, i);
        const json_t *special = json_object_get(part, "SpecialToken");
        const json_t *text = json_object_get(part, "Sequence");
        const json_t *either = special ? special : text;
        const char *id = json_string_value(json_object_get(either, "id"));
        int64_t type = json_integer_value(json_object_get(either, "type_id"));
        if (!id)
            return glim_fail(err, GLIM_EFORMAT,
                             "part %zu of a template of tokenizer.json is "
                             "neither a SpecialToken nor a Sequence",
                             i);
        if (special)
            status = add_special(p, t, json_object_get(json_object_get(specials, id), "ids"), id,
                                 type, err);
        else
            status = add_slot(t, !strcmp(id, "B") ? -2 : -1, type, err);
    }
    return status;
}

static glim_status read_processing(glim_step *s, glim_pipeline *p, const json_t *json,
                                   glim_error *err) {
    const json_t *specials = json_object_get(json, "special_tokens");
    if (p->single.count)
        return glim_fail(err, GLIM_EUNSUPPORTED, "tokenizer.json has two templates in a row");
    glim_status status =
        read_template(p, &p->single, json_object_get(json, "single"), specials, err);
    return status ? status
                  : read_template(p, &p->pair, json_object_get(json, "pair"), specials, err);
}

/* ["[SEP]", 102] */
static glim_status named(const glim_pipeline *p, const json_t *json, const char *key, int32_t *out,
                         glim_error *err) {
    const json_t *id = json_array_get(json_object_get(json, key), 1);
    if (!valid(p, id))
        return glim_fail(err, GLIM_EFORMAT, "the post_processor's '%s' has no id of the vocabulary",
                         key);
    *out = (int32_t)json_integer_value(id);
    return GLIM_OK;
}

void glim__template_fill(glim_template *t, const glim_slot *slots, size_t n) {
    memcpy(t->at, slots, n * sizeof *slots);
    t->count = n;
}
#define FILL(t, ...)                                                                               \
    glim__template_fill(t, (const glim_slot[]){__VA_ARGS__},                                       \
                        sizeof(const glim_slot[]){__VA_ARGS__} / sizeof(glim_slot))

void glim__template_bert(glim_pipeline *p, int32_t cls, int32_t sep) {
    FILL(&p->single, {cls, 0}, {-1, 0}, {sep, 0});
    FILL(&p->pair, {cls, 0}, {-1, 0}, {sep, 0}, {-2, 1}, {sep, 1});
}

void glim__template_roberta(glim_pipeline *p, int32_t cls, int32_t sep) {
    FILL(&p->single, {cls, 0}, {-1, 0}, {sep, 0});
    FILL(&p->pair, {cls, 0}, {-1, 0}, {sep, 0}, {sep, 0}, {-2, 0}, {sep, 0});
}

void glim__template_ends(glim_pipeline *p, int32_t bos, int32_t eos) {
    p->single.count = p->pair.count = 0;
    for (int32_t part = 0; part < 2; part++) {
        if (bos >= 0)
            p->pair.at[p->pair.count++] = (glim_slot){bos, (uint8_t)part};
        p->pair.at[p->pair.count++] = (glim_slot){-1 - part, (uint8_t)part};
        if (eos >= 0)
            p->pair.at[p->pair.count++] = (glim_slot){eos, (uint8_t)part};
        if (!part)
            p->single = p->pair;
    }
}

static glim_status read_bert(glim_step *s, glim_pipeline *p, const json_t *json, glim_error *err) {
    int32_t cls = -1, sep = -1;
    glim_status status = named(p, json, "cls", &cls, err);
    if (!status)
        status = named(p, json, "sep", &sep, err);
    if (!status)
        glim__template_bert(p, cls, sep);
    return status;
}

static glim_status read_roberta(glim_step *s, glim_pipeline *p, const json_t *json,
                                glim_error *err) {
    int32_t cls = -1, sep = -1;
    glim_status status = named(p, json, "cls", &cls, err);
    if (!status)
        status = named(p, json, "sep", &sep, err);
    if (!status)
        glim__template_roberta(p, cls, sep);
    return status;
}

static const glim_step_kind template = {"TemplateProcessing", read_processing, NULL, false};
static const glim_step_kind bert = {"BertProcessing", read_bert, NULL, false};
static const glim_step_kind roberta = {"RobertaProcessing", read_roberta, NULL, false};
static const glim_step_kind byte_level = {"ByteLevel", NULL, NULL, false}; /* trims spans only */

static const glim_step_kind *const kinds[] = {&template, &bert, &roberta, &byte_level, NULL};

glim_status glim__postprocessor_read(glim_pipeline *p, const json_t *json, glim_error *err) {
    glim_steps steps = {.count = 0};
    return glim__steps_read(&steps, p, json, kinds, "post_processor", err);
}

/* ---- using them ---- */

const glim_template *glim__template_of(const glim_tokenizer *t, bool pair) {
    static const glim_template plain = {{{-1, 0}}, 1}, plain_pair = {{{-1, 0}, {-2, 1}}, 2};
    const glim_pipeline *p = t->pipeline;
    const glim_template *own = !p ? NULL : pair ? &p->pair : &p->single;
    return own && own->count ? own : pair ? &plain_pair : &plain;
}
