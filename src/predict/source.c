/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a prompt that alone is asked about: the source of a translation, a document. */
#include "predict/lm.h"

#include <string.h>

glim_status glim__tokens_restrict(glim_tokens *tokens, const char *source, glim_error *err) {
    size_t n = strlen(source);
    const char *at = n ? strstr(tokens->text, source) : NULL;
    if (!at)
        return glim_fail(err, GLIM_EUSAGE, "--source '%.60s' does not stand in the input", source);
    if (strstr(at + 1, source))
        return glim_fail(err, GLIM_EUSAGE,
                         "--source '%.60s' stands in the input more than once (write more of it)",
                         source);
    size_t from = (size_t)(at - tokens->text), to = from + n;
    for (size_t i = 0; i < tokens->count; i++) {
        glim_token *t = &tokens->at[i];
        if (t->kind == GLIM_TOKEN_TEXT && (t->end <= from || t->start >= to))
            t->kind = GLIM_TOKEN_TEMPLATE;
    }
    return GLIM_OK;
}
