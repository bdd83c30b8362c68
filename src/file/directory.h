/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory.h: a model as Hugging Face publishes it: config.json, the weights in
 * model.safetensors or in shards that model.safetensors.index.json lists, and perhaps
 * generation_config.json.
 */
#ifndef GLIM_FILE_DIRECTORY_H
#define GLIM_FILE_DIRECTORY_H

#include "file/mapping.h"
#include "file/safetensors.h"

typedef struct glim_directory {
    glim_context *ctx;
    char *path;
    glim_mapping config_file;
    json_t *config;     /* an object */
    json_t *generation; /* generation_config.json, or NULL */
    glim_safetensors **shards;
    size_t n_shards;
} glim_directory;

/* True for a directory, and for a path that names its config.json or its weights. */
bool glim__is_directory(const char *path);
/* Errors: EIO, EFORMAT (what is missing, by name), EUNSUPPORTED (weights in
   pickles, quantised by a scheme that glim lacks), ENOMEM, EBUDGET. */
glim_status glim__directory_open(glim_directory *out, glim_context *ctx, const char *path,
                                 glim_error *err);
/* Another JSON object beside config.json; *out NULL when there is no such file. */
glim_status glim__directory_json(const glim_directory *d, const char *name, json_t **out,
                                 glim_error *err);
void glim__directory_close(glim_directory *d);

#endif
