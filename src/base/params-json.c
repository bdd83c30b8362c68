/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a table as JSON, for documents. */
#include "base/json.h"

#include <glim/param.h>

#include <stdlib.h>

static json_t *value_of(const glim_param *p, const char *field) {
    switch (p->type) {
    case GLIM_BOOL:
        return json_boolean(*(const bool *)(const void *)field);
    case GLIM_INT:
        return json_integer(*(const int64_t *)(const void *)field);
    case GLIM_REAL:
        return glim__json_number(*(const double *)(const void *)field);
    case GLIM_SIZE:
        return json_integer((json_int_t) * (const uint64_t *)(const void *)field);
    default: {
        const char *s = *(const char *const *)(const void *)field;
        return s ? json_string(s) : json_null();
    }
    }
}

char *glim__params_text(const glim_param *table, const void *options) {
    bool ok = true;
    json_t *object = json_object();
    for (const glim_param *p = table; p && p->type != GLIM_PARAM_END; p++)
        glim__json_set(&ok, object, p->name, value_of(p, (const char *)options + p->offset));
    char *text = ok ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}
