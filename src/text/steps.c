/* SPDX-License-Identifier: Apache-2.0 */
/* steps.c: reading a part of tokenizer.json whose steps may nest in Sequences. */
#include "text/pipeline.h"

#include <string.h>

static const json_t *members(const json_t *json) {
    static const char *const names[] = {"normalizers", "pretokenizers", "processors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_object_get(json, names[i]))
            return json_object_get(json, names[i]);
    return NULL;
}

glim_status glim__steps_read(glim_steps *steps, glim_pipeline *p, const json_t *json,
                             const glim_step_kind *const *kinds, const char *what,
                             glim_error *err) {
    const char *type = json_string_value(json_object_get(json, "type"));
    if (!json || json_is_null(json))
        return GLIM_OK;
    if (!type)
        return glim_fail(err, GLIM_EFORMAT, "a %s of tokenizer.json has no type", what);
    if (!strcmp(type, "Sequence")) {
        const json_t *list = members(json);
        glim_status status = GLIM_OK;
        if (!json_is_array(list))
            return glim_fail(err, GLIM_EFORMAT, "a Sequence of tokenizer.json has no %ss", what);
        for (size_t i = 0; i < json_array_size(list) && !status; i++)
            status = glim__steps_read(steps, p, json_array_get(list, i), kinds, what, err);
        return status;
    }
    for (; *kinds; kinds++)
        if (!strcmp((*kinds)->type, type))
            break;
    if (!*kinds)
        return glim_fail(err, GLIM_EUNSUPPORTED, "the %s '%.60s' of tokenizer.json is not known",
                         what, type);
    if (steps->count == GLIM_STEPS)
        return glim_fail(err, GLIM_ELIMIT, "tokenizer.json has more than %d %ss", GLIM_STEPS, what);
    glim_step *s = &steps->at[steps->count++];
    *s = (glim_step){.kind = *kinds};
    return s->kind->read ? s->kind->read(s, p, json, err) : GLIM_OK;
}
