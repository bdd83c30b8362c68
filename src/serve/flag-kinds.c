/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request may say of each flag. A flag that names a file is only open when it stands
 * below as one that is read: a new one is closed until somebody has said so, and a test fails
 * until somebody has.
 */
#include "serve/job-words.h"

#include <string.h>

static const char *const read_ones[] = {
    "against",  "checkpoint", "context-file", "data",        "direction",   "explanation", "from",
    "negative", "other",      "positive",     "paraphrases", "prompt-file", "labels",      "place",
    "query",    "steer",      "table",        "train",       "tuned",       NULL};

/* Who writes, runs or reaches out; and what the server says itself. */
static const char *const hidden[] = {
    "json",       "csv",     "html",         "html-limit", "raw",     "out",     "store",
    "save",       "fit",     "save-picture", "header",     "timeout", "lang",    "header-env",
    "batch-size", "model",   "concurrency",  "threads",    "memory",  "kernels", "quiet",
    "verbose",    "color",   "width",        "ascii",      "numbers", "help",    "list",
    "dry-run",    "tensors", "sites",        "file",       "chat",    NULL};

static bool is_among(const char *name, const char *const *list) {
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

serve_flag serve_flag_kind(const glim_param *p) {
    const char *value = p->value_name ? p->value_name : "";
    if (is_among(p->name, hidden))
        return SERVE_HIDDEN;
    if (p->type != GLIM_STRING)
        return SERVE_PLAIN;
    if (!strcmp(p->name, "predictor"))
        return SERVE_FITTED;
    if (!strcmp(value, "LINKS") || !strcmp(value, "UNITS") || !strcmp(p->name, "color-by"))
        return SERVE_EITHER;
    if (strstr(value, "FILE") || strstr(value, "DIR") || !strcmp(value, "SPEC") ||
        !strcmp(value, "MAP"))
        return is_among(p->name, read_ones) ? SERVE_FILE : SERVE_HIDDEN;
    return SERVE_PLAIN;
}
