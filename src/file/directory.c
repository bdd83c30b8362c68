/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a published directory. File names in the index are input like anything
 * else: plain names only, each file there, each tensor where the index says. A
 * directory that cannot be read is answered with what it lacks.
 */
#include "file/directory.h"
#include "base/names.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_SHARDS = 4096, MOST_JSON = 64 << 20 };

bool glim__is_directory(const char *path) {
    struct stat st;
    const char *slash = strrchr(path, '/');
    return (!stat(path, &st) && S_ISDIR(st.st_mode)) ||
           !strcmp(slash ? slash + 1 : path, "config.json") ||
           glim__ends_with(path, ".safetensors") ||
           glim__ends_with(path, ".safetensors.index.json");
}

static char *join(const glim_directory *d, const char *name) {
    size_t n = strlen(d->path) + strlen(name) + 2;
    char *full = glim__alloc(d->ctx, n);
    if (full)
        snprintf(full, n, "%s/%s", d->path, name);
    return full;
}

static bool is_file(const glim_directory *d, const char *name) {
    struct stat st;
    char full[4096];
    int n = snprintf(full, sizeof full, "%s/%s", d->path, name);
    return n > 0 && (size_t)n < sizeof full && !stat(full, &st) && S_ISREG(st.st_mode);
}

/* "DIR" of "DIR" or of a file in it, without slashes at the end. */
static char *directory_of(glim_context *ctx, const char *path) {
    struct stat st;
    size_t n = strlen(path);
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        const char *slash = strrchr(path, '/');
        if (!slash)
            return glim__strdup(ctx, ".");
        n = (size_t)(slash - path) + (slash == path);
    }
    while (n > 1 && path[n - 1] == '/')
        n--;
    return glim__strndup(ctx, path, n);
}

/* Maps and parses a JSON object; the mapping stays open when `keep` is given. */
static glim_status read_json(const glim_directory *d, const char *name, glim_mapping *keep,
                             json_t **out, glim_error *err) {
    glim_mapping file;
    char *full = join(d, name);
    if (!full)
        return glim__oom(d->ctx, err, name, strlen(d->path));
    glim_status status = glim__mapping_open(&file, d->ctx, full, err);
    if (!status && file.size > MOST_JSON)
        status = glim_fail(err, GLIM_ELIMIT, "'%s' has more than 64 MiB", full);
    else if (!status)
        status = glim__json_parse(out, (const char *)file.data, (size_t)file.size, full, err);
    if (!status && !json_is_object(*out))
        status = glim_fail(err, GLIM_EFORMAT, "'%s' is no JSON object", full);
    if (!status && keep)
        *keep = file;
    else
        glim__mapping_close(&file);
    glim__free(d->ctx, full);
    return status;
}

/* ---- weights ---- */

static glim_status add_shard(glim_directory *d, const char *name, glim_error *err) {
    char *full = join(d, name);
    if (!full)
        return glim__oom(d->ctx, err, name, strlen(d->path));
    glim_status status = glim__safetensors_open(&d->shards[d->n_shards], d->ctx, full, err);
    d->n_shards += !status;
    glim__free(d->ctx, full);
    return status;
}

static bool plain_name(const char *name) {
    return *name && *name != '.' && !strpbrk(name, "/\\") && strlen(name) < 256;
}

/* The files of the index, each once, in its order; *names are the map's own. */
static glim_status list_shards(const glim_directory *d, const json_t *map, const char **names,
                               size_t *n, glim_error *err) {
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)map, tensor, file) {
        const char *name = json_string_value(file);
        size_t k = 0;
        if (!name || !plain_name(name))
            return glim_fail(err, GLIM_EFORMAT,
                             "'%s/model.safetensors.index.json': tensor '%.80s' is in no plain "
                             "file name",
                             d->path, tensor);
        while (k < *n && strcmp(names[k], name))
            k++;
        if (k < *n)
            continue;
        if (*n == MOST_SHARDS)
            return glim_fail(err, GLIM_ELIMIT, "'%s' has more than %d shards", d->path,
                             MOST_SHARDS);
        names[(*n)++] = name;
    }
    return *n ? GLIM_OK
              : glim_fail(err, GLIM_EFORMAT, "'%s/model.safetensors.index.json' lists no tensor",
                          d->path);
}

/* Every tensor of the index is in the shard that it names, and in no other. */
static glim_status check_index(const glim_directory *d, const json_t *map, const char **names,
                               glim_error *err) {
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)map, tensor, file) {
        for (size_t k = 0; k < d->n_shards; k++) {
            bool here = glim__safetensors_find(d->shards[k], tensor) != NULL;
            bool wanted = !strcmp(names[k], json_string_value(file));
            if (here != wanted)
                return glim_fail(err, GLIM_EFORMAT, "'%s/%s' %s the tensor '%.100s' (%s)", d->path,
                                 names[k], here ? "has" : "lacks", tensor,
                                 "the index says otherwise; fetch the model again");
        }
    }
    return GLIM_OK;
}

static glim_status open_index(glim_directory *d, glim_error *err) {
    json_t *index = NULL;
    const char **names = glim__calloc(d->ctx, MOST_SHARDS, sizeof *names);
    size_t n = 0;
    glim_status status = names ? read_json(d, "model.safetensors.index.json", NULL, &index, err)
                               : glim__oom(d->ctx, err, "the index", MOST_SHARDS);
    const json_t *map = json_object_get(index, "weight_map");
    if (!status && !json_is_object(map))
        status = glim_fail(err, GLIM_EFORMAT,
                           "'%s/model.safetensors.index.json' lacks its weight_map", d->path);
    if (!status)
        status = list_shards(d, map, names, &n, err);
    if (!status && !(d->shards = glim__calloc(d->ctx, n, sizeof *d->shards)))
        status = glim__oom(d->ctx, err, "the shards", n);
    for (size_t k = 0; k < n && !status; k++)
        status = add_shard(d, names[k], err);
    if (!status)
        status = check_index(d, map, names, err);
    json_decref(index);
    glim__free(d->ctx, names);
    return status;
}

/* The only other *.safetensors file, and whether there are pickles instead. */
static int look_around(const glim_directory *d, char other[256], bool *pickles) {
    DIR *list = opendir(d->path);
    int found = 0;
    for (struct dirent *e; list && (e = readdir(list));) {
        size_t n = strlen(e->d_name);
        bool tensors = n > 12 && n < 256 && !strcmp(e->d_name + n - 12, ".safetensors");
        *pickles =
            *pickles ||
            (n > 4 && (!strcmp(e->d_name + n - 4, ".bin") || !strcmp(e->d_name + n - 4, ".pth"))) ||
            (n > 3 && !strcmp(e->d_name + n - 3, ".pt"));
        found += tensors;
        if (tensors)
            memcpy(other, e->d_name, n + 1);
    }
    if (list)
        closedir(list);
    return found;
}

static glim_status open_weights(glim_directory *d, glim_error *err) {
    char name[256] = "model.safetensors";
    bool pickles = false;
    if (!is_file(d, name)) {
        if (is_file(d, "model.safetensors.index.json"))
            return open_index(d, err);
        int found = look_around(d, name, &pickles);
        if (found > 1)
            return glim_fail(err, GLIM_EFORMAT,
                             "'%s' has %d safetensors files, but no model.safetensors.index.json",
                             d->path, found);
        if (!found && pickles)
            return glim_fail(err, GLIM_EUNSUPPORTED,
                             "'%s' has its weights in PyTorch pickles, which can run code "
                             "(convert them to model.safetensors)",
                             d->path);
        if (!found)
            return glim_fail(err, GLIM_EFORMAT, "'%s' lacks model.safetensors", d->path);
    }
    d->shards = glim__calloc(d->ctx, 1, sizeof *d->shards);
    return d->shards ? add_shard(d, name, err) : glim__oom(d->ctx, err, "the weights", 8);
}

static glim_status check_scheme(const glim_directory *d, glim_error *err) {
    const json_t *q = json_object_get(d->config, "quantization_config");
    const char *how = json_string_value(json_object_get(q, "quant_method"));
    if (!json_is_object(q))
        return GLIM_OK;
    return glim_fail(err, GLIM_EUNSUPPORTED,
                     "'%s' is quantised by '%.40s', which glim does not read (take the unquantised "
                     "model, or a GGUF file of it)",
                     d->path, how ? how : "an unnamed method");
}

static glim_status read_generation(glim_directory *d, glim_error *err) {
    return is_file(d, "generation_config.json")
               ? read_json(d, "generation_config.json", NULL, &d->generation, err)
               : GLIM_OK;
}

glim_status glim__directory_open(glim_directory *out, glim_context *ctx, const char *path,
                                 glim_error *err) {
    *out = (glim_directory){.ctx = ctx, .path = directory_of(ctx, path)};
    if (!out->path)
        return glim__oom(ctx, err, path, strlen(path));
    glim_status status = GLIM_OK;
    if (!is_file(out, "config.json"))
        status = glim_fail(err, GLIM_EFORMAT, "'%s' lacks config.json, so it is no model directory",
                           out->path);
    else if (!(status = read_json(out, "config.json", &out->config_file, &out->config, err)) &&
             !(status = check_scheme(out, err)) && !(status = read_generation(out, err)))
        status = open_weights(out, err);
    if (status)
        glim__directory_close(out);
    return status;
}

glim_status glim__directory_json(const glim_directory *d, const char *name, json_t **out,
                                 glim_error *err) {
    *out = NULL;
    return is_file(d, name) ? read_json(d, name, NULL, out, err) : GLIM_OK;
}

void glim__directory_close(glim_directory *d) {
    for (size_t i = 0; i < d->n_shards; i++)
        glim__safetensors_close(d->shards[i]);
    glim__free(d->ctx, d->shards);
    json_decref(d->config);
    json_decref(d->generation);
    glim__mapping_close(&d->config_file);
    glim__free(d->ctx, d->path);
    *d = (glim_directory){.ctx = d->ctx};
}
