/* SPDX-License-Identifier: Apache-2.0 */
/* A list of labels, and the words around them. */
#include "predict/labels.h"
#include "base/utf8.h"

#include <string.h>

static glim_status check(const glim_labels *labels, const char *list, glim_error *err) {
    for (size_t k = 0; k < labels->count; k++) {
        if (!*labels->at[k])
            return glim_fail(err, GLIM_EUSAGE, "--labels '%.80s' holds an empty label", list);
        for (size_t i = 0; i < k; i++)
            if (!strcmp(labels->at[i], labels->at[k]))
                return glim_fail(err, GLIM_EUSAGE, "--labels names '%.60s' twice", labels->at[k]);
    }
    return GLIM_OK;
}

glim_status glim__labels_cut(glim_labels *out, glim_context *ctx, const char *list,
                             glim_error *err) {
    size_t most = 1;
    for (const char *c = list; *c; c++)
        most += *c == ',';
    *out = (glim_labels){.ctx = ctx};
    if (most > GLIM_MOST_LABELS)
        return glim_fail(err, GLIM_ELIMIT, "%zu labels are more than %d", most, GLIM_MOST_LABELS);
    out->at = glim__calloc(ctx, most, sizeof *out->at);
    glim_status status =
        out->at ? GLIM_OK : glim__oom(ctx, err, "the labels", most * sizeof *out->at);
    for (const char *c = list; !status && out->count < most;) {
        c += strspn(c, " \t\r\n");
        size_t all = strcspn(c, ","), n = all;
        while (n && strchr(" \t\r\n", c[n - 1]))
            n--;
        out->at[out->count] = glim__strndup(ctx, c, n);
        if (!out->at[out->count++])
            status = glim__oom(ctx, err, "the labels", n);
        c += all + (c[all] == ',');
    }
    if (!status)
        status = check(out, list, err);
    if (status)
        glim__labels_release(out);
    return status;
}

void glim__labels_release(glim_labels *labels) {
    for (size_t k = 0; labels->at && k < labels->count; k++)
        glim__free(labels->ctx, labels->at[k]);
    if (labels->at)
        glim__free(labels->ctx, labels->at);
    *labels = (glim_labels){0};
}

void glim__labels_ask(const glim_labels *labels, glim_buffer *out) {
    glim__buffer_puts(out, "Classify the text as ");
    for (size_t k = 0; k < labels->count; k++)
        glim__buffer_printf(out, "%s%s",
                            !k                      ? ""
                            : k + 1 < labels->count ? ", "
                                                    : " or ",
                            labels->at[k]);
    glim__buffer_puts(out, ".\n\nText: {text}\nAnswer with one word.\nAnswer:");
}

/* Chinese and Japanese letters and full-width forms. */
static bool writes_no_spaces(uint32_t c) {
    return (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xf900 && c < 0xfb00) ||
           (c >= 0xff00 && c < 0xfff0) || (c >= 0x20000 && c < 0x40000);
}

bool glim__labels_gap(const char *text, size_t n, const char *label) {
    uint32_t first = 0;
    unsigned char last = n ? (unsigned char)text[n - 1] : ' ';
    if (last <= ' ' || last >= 0x80 || !glim__utf8_decode(label, strlen(label), &first))
        return false;
    return !writes_no_spaces(first);
}
