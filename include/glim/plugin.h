/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.h: what a shared object exports to be a predictor of glim. It needs this
 * header and nothing else, no library of glim's:
 *
 *   static int predict(void *state, const glim_plugin_batch *batch, double *values,
 *                      char *why, size_t why_size) { ... return 0; }
 *   static const glim_plugin plugin = {
 *       .version = GLIM_PLUGIN_VERSION, .size = sizeof plugin, .name = "mine",
 *       .classes = classes, .n_classes = 2, .scale = "prob", .predict = predict};
 *   GLIM_PLUGIN_EXPORT const glim_plugin *glim_plugin_open(int version) {
 *       return &plugin;
 *   }
 *
 * Then: glim explain --predictor plugin:./mine.so TEXT
 *
 * Calls come from one thread at a time. A function that fails returns something
 * else than 0 and writes a line into `why`.
 */
#ifndef GLIM_PLUGIN_H
#define GLIM_PLUGIN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rises when the structs below change in a way that old objects cannot bear. */
#define GLIM_PLUGIN_VERSION 1

#if defined(__GNUC__)
#define GLIM_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define GLIM_PLUGIN_EXPORT
#endif

typedef struct glim_plugin_batch {
    const char *kind;         /* "text"; "image": PNG files in base64; "row": JSON objects;
                                 refuse others */
    const char *const *texts; /* [count] UTF-8, NUL-terminated */
    const size_t *lengths;    /* [count] bytes */
    size_t count;
} glim_plugin_batch;

typedef struct glim_plugin {
    int version;                /* GLIM_PLUGIN_VERSION */
    size_t size;                /* sizeof(glim_plugin) */
    const char *name;           /* a few words */
    const char *const *classes; /* [n_classes] UTF-8 */
    size_t n_classes;           /* 1 to 10000 */
    const char *scale;          /* "prob", "logprob", "logit" or "raw" */
    /* Makes a state; may be NULL when there is none. */
    int (*open)(void **state, char *why, size_t why_size);
    /* Fills values (count, n_classes), row after row. */
    int (*predict)(void *state, const glim_plugin_batch *batch, double *values, char *why,
                   size_t why_size);
    void (*close)(void *state); /* may be NULL */
} glim_plugin;

/* The one symbol that glim looks up. `version` is the one of the caller; NULL
   refuses it. The descriptor must live as long as the object is loaded. */
GLIM_PLUGIN_EXPORT const glim_plugin *glim_plugin_open(int version);

#ifdef __cplusplus
}
#endif
#endif
