/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin:FILE.so: a shared object with the descriptor of plugin.h. The object is
 * code of the user's choice and runs inside glim: what it answers is checked, what
 * it does is not.
 */
#include "predict/black-box.h"

#include <dlfcn.h>
#include <glim/plugin.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { WHY = 256 };

struct loaded {
    void *object;
    const glim_plugin *plugin;
    void *state;
    bool opened;
};

static glim_status refuse(const glim_black_box *box, glim_error *err, const char *what) {
    return glim__box_fail(box, err, GLIM_EUNSUPPORTED, NULL, 0, "%s", what);
}

static glim_status load(glim_black_box *box, struct loaded *l, const char *path, glim_error *err) {
    char near[4096];
    if (!strchr(path, '/')) { /* a name alone would be looked up among the system's */
        snprintf(near, sizeof near, "./%.4000s", path);
        path = near;
    }
    l->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!l->object) {
        const char *why = dlerror();
        return glim__box_fail(box, err, GLIM_EIO, NULL, 0, "cannot load it: %.200s",
                              why ? why : "no reason given");
    }
    const glim_plugin *(*open)(int);
    *(void **)&open = dlsym(l->object, "glim_plugin_open");
    if (!open)
        return refuse(box, err, "it has no function glim_plugin_open (plugin.h)");
    l->plugin = open(GLIM_PLUGIN_VERSION);
    if (!l->plugin)
        return refuse(box, err, "it refuses this version of glim");
    return GLIM_OK;
}

static glim_status check(const glim_black_box *box, const glim_plugin *p, glim_scale *scale,
                         glim_error *err) {
    if (p->version != GLIM_PLUGIN_VERSION)
        return glim__box_fail(box, err, GLIM_EUNSUPPORTED, NULL, 0,
                              "it was made for version %d of plugin.h, this glim has %d (build it "
                              "again)",
                              p->version, GLIM_PLUGIN_VERSION);
    if (p->size != sizeof *p || !p->predict || !p->name || !p->classes)
        return refuse(box, err, "its descriptor is not the one of plugin.h");
    if (!p->scale || !glim__scale_find(p->scale, scale))
        return refuse(box, err, "its scale is none of prob, logprob, logit, raw");
    for (size_t k = 0; k < p->n_classes && k < GLIM_MOST_CLASSES; k++)
        if (!p->classes[k])
            return refuse(box, err, "a class has no name");
    return GLIM_OK;
}

/* A plugin's own failure, in its words. */
static glim_status plugin_failed(const glim_black_box *box, const char *call, int code,
                                 const char why[WHY], glim_error *err) {
    return glim__box_fail(box, err, GLIM_EIO, *why ? why : NULL, strnlen(why, WHY),
                          "its %s failed with %d", call, code);
}

static glim_status digest(glim_black_box *box, const char *path, glim_error *err) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof hash + 1];
    glim_buffer file;
    glim__buffer_init(&file, box->ctx);
    glim_status status = glim__file_read(&file, path, (size_t)1 << 30, err);
    if (!status) {
        crypto_hash_sha256(hash, (const unsigned char *)(file.data ? file.data : ""), file.len);
        sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
        status = glim__box_copy(box, &box->digest, hex, strlen(hex), err);
        box->info.digest = box->digest;
    }
    glim__buffer_release(&file);
    return status;
}

static glim_status open_plugin(glim_black_box *box, const char *rest, glim_error *err) {
    struct loaded *l = box->state = glim__calloc(box->ctx, 1, sizeof *l);
    glim_scale scale = GLIM_SCALE_RAW;
    char why[WHY] = "";
    if (!l)
        return glim__oom(box->ctx, err, "the predictor", sizeof *l);
    glim_status status = digest(box, rest, err);
    if (!status)
        status = load(box, l, rest, err);
    if (!status)
        status = check(box, l->plugin, &scale, err);
    if (!status)
        status = glim__box_copy(box, &box->name, l->plugin->name, strlen(l->plugin->name), err);
    if (status)
        return status;
    box->info.name = box->name;
    box->info.concurrency = 1;
    int code = l->plugin->open ? l->plugin->open(&l->state, why, sizeof why) : 0;
    why[WHY - 1] = 0;
    if (code)
        return plugin_failed(box, "open", code, why, err);
    l->opened = true;
    return glim__box_set_classes(box, l->plugin->classes, l->plugin->n_classes, scale, NULL, 0,
                                 err);
}

/* Texts of a batch end in a NUL for the plugin: they are copied one behind the other. */
static glim_status call(glim_black_box *box, const glim_input *inputs, size_t n, size_t first,
                        glim_error *err) {
    const struct loaded *l = box->state;
    size_t K = box->info.n_classes, bytes = 0;
    char why[WHY] = "", *all;
    for (size_t i = 0; i < n; i++)
        bytes += inputs[i].len + 1;
    const char **texts = glim__calloc(box->ctx, n, sizeof *texts);
    size_t *lengths = glim__calloc(box->ctx, n, sizeof *lengths);
    double *rows = glim__calloc(box->ctx, n, K * sizeof *rows);
    char *block = all = glim__calloc(box->ctx, 1, bytes);
    glim_status status = texts && lengths && rows && block
                             ? GLIM_OK
                             : glim__oom(box->ctx, err, "a batch", bytes + n * K * sizeof *rows);
    for (size_t i = 0; i < n && !status; i++) {
        memcpy(all, inputs[i].text, inputs[i].len);
        texts[i] = all;
        lengths[i] = inputs[i].len;
        all += inputs[i].len + 1;
    }
    for (size_t i = 0; i < n * K && !status; i++)
        rows[i] = NAN; /* a row that it forgets is found */
    if (!status) {
        glim_plugin_batch batch = {
            .kind = glim__input_kind(box->kind), .texts = texts, .lengths = lengths, .count = n};
        int code = l->plugin->predict(l->state, &batch, rows, why, sizeof why);
        why[WHY - 1] = 0;
        box->info.calls++;
        status = code ? plugin_failed(box, "predict", code, why, err)
                      : glim__box_store(box, first, rows, n, NULL, 0, err);
    }
    glim__free(box->ctx, texts);
    glim__free(box->ctx, lengths);
    glim__free(box->ctx, rows);
    glim__free(box->ctx, block);
    return status;
}

static glim_status ask(glim_black_box *box, const glim_input *inputs, size_t n, glim_error *err) {
    size_t most = box->info.batch_size;
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < n && !status; at += most) {
        status = call(box, inputs + at, n - at < most ? n - at : most, at, err);
        if (!status)
            status = glim__check_cancel(box->ctx, err);
    }
    return status;
}

static void close_plugin(glim_black_box *box) {
    struct loaded *l = box->state;
    if (!l)
        return;
    if (l->opened && l->plugin->close)
        l->plugin->close(l->state);
    if (l->object)
        dlclose(l->object);
    glim__free(box->ctx, l);
    box->state = NULL;
}

const glim_backend glim__backend_plugin = {
    .kind = "plugin", .open = open_plugin, .ask = ask, .close = close_plugin};
