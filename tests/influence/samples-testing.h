/* SPDX-License-Identifier: Apache-2.0 */
/* samples-testing.h: files of samples, and models to read them, for the tests. */
#ifndef GLIM_TESTS_SAMPLES_TESTING_H
#define GLIM_TESTS_SAMPLES_TESTING_H

#include "../model/model-testing.h"

#include "influence/samples.h"

#include <glim/fit.h>
#include <unistd.h>

static inline const char *save_rows(const char *end, const char *text) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/glim-samples-%d.%s", (int)getpid(), end);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static inline glim_samples *open_samples(const glim_model *m, const char *end, const char *text,
                                         const glim_samples_options *o) {
    glim_samples *s;
    glim_error err = {0};
    if (glim__samples_open(&s, m, save_rows(end, text), o, &err))
        fail_msg("%s", err.message);
    return s;
}

/* A classifier: the model's vectors of texts, pooled, with a head that was fitted on them. */
static inline glim_model *fit_head(const glim_model *base, const char *pool, glim_linear **l) {
    glim_model *m;
    glim_fit_report report;
    glim_error err = {0};
    glim_fit_texts texts = {.path = save_rows("csv", "text,label\na fine film,good\nbad,bad\n"
                                                     "a finer one,good\nno film,bad\n"),
                            .text = "text",
                            .label = "label",
                            .site = "blocks.1.hook_resid_post",
                            .pool = pool};
    if (glim_fit_representation(l, &report, base, &texts, &(glim_fit_options){.strength = 1},
                                &err) ||
        glim_model_open_fitted(&m, base, *l, &err))
        fail_msg("%s", err.message);
    return m;
}

/* A group's teardown. */
static inline int clean_rows(void **state) {
    static const char *const ends[] = {"csv", "tsv", "txt", "jsonl"};
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "/tmp/glim-samples-%d.%s", (int)getpid(), ends[i]);
        unlink(path);
    }
    return 0;
}

#endif
