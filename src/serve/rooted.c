/* SPDX-License-Identifier: Apache-2.0 */
/*
 * realpath, then a comparison: whoever could swap a folder for a link between the two could read
 * the file anyway, since only those on this machine can.
 */
#include "serve/rooted.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_ENTRIES = 5000 };
static const char UPLOAD[] = "upload:";

static glim_status no_such(const char *name, glim_error *err) {
    return glim_fail(err, GLIM_EUSAGE,
                     "'%.200s': there is no such file under the server's root (GET /files lists "
                     "what there is)",
                     name);
}

static bool lies_under(const char *path, const char *root) {
    size_t n = strlen(root);
    if (n == 1) /* "/" */
        return true;
    return !strncmp(path, root, n) && (path[n] == '/' || !path[n]);
}

/* A file that was sent; its name has no folder in it. */
static bool upload_path(const serve_places *p, const char *name, char out[PATH_MAX]) {
    struct stat st;
    int n = snprintf(out, PATH_MAX, "%s/%s", p->uploads, name);
    return *name && !strchr(name, '/') && *name != '.' && n < PATH_MAX && !lstat(out, &st) &&
           S_ISREG(st.st_mode);
}

glim_status serve_resolve(const serve_places *p, const char *name, bool folder, char out[PATH_MAX],
                          glim_error *err) {
    char joined[PATH_MAX];
    struct stat st;
    if (!strncmp(name, UPLOAD, sizeof UPLOAD - 1) && !folder)
        return upload_path(p, name + sizeof UPLOAD - 1, out) ? GLIM_OK : no_such(name, err);
    if (!*p->root)
        return glim_fail(err, GLIM_EUSAGE,
                         "this server opens no files (start it with --root DIR, or send the file "
                         "first)");
    int n = snprintf(joined, sizeof joined, "%s/%s", p->root, name);
    if (*name == '/' || n >= (int)sizeof joined || !realpath(joined, out) ||
        !lies_under(out, p->root) || stat(out, &st) ||
        !(folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
        return no_such(name, err);
    return GLIM_OK;
}

/* ---- listing ---- */

static json_t *entry_json(bool *ok, const char *name, const char *path, const struct stat *st) {
    json_t *o = json_object();
    glim__json_set(ok, o, "name", glim__json_text(name, strlen(name)));
    glim__json_set(ok, o, "path", glim__json_text(path, strlen(path)));
    glim__json_set(ok, o, "kind", json_string(S_ISDIR(st->st_mode) ? "folder" : "file"));
    glim__json_set(ok, o, "bytes",
                   json_integer(S_ISDIR(st->st_mode) ? 0 : (json_int_t)st->st_size));
    return o;
}

static int shown(const struct dirent *d) {
    return *d->d_name != '.';
}

glim_status serve_list(const serve_places *p, const char *name, json_t **out, glim_error *err) {
    char path[PATH_MAX], inner[PATH_MAX], whole[PATH_MAX];
    struct dirent **names = NULL;
    struct stat st;
    bool ok = true;
    *out = NULL;
    glim_status status = serve_resolve(p, name, true, path, err);
    if (status)
        return status;
    int n = scandir(path, &names, shown, alphasort);
    if (n < 0)
        return glim_fail(err, GLIM_EIO, "cannot list '%.200s': %s", name, strerror(errno));
    const char *rest = path + strlen(p->root);
    rest += *rest == '/';
    json_t *list = json_array(), *all = json_object();
    for (int i = 0; i < n && json_array_size(list) < MOST_ENTRIES; i++) {
        int len = snprintf(inner, sizeof inner, "%s%s%s", rest, *rest ? "/" : "", names[i]->d_name);
        int len2 = snprintf(whole, sizeof whole, "%s/%s", path, names[i]->d_name);
        char real[PATH_MAX];
        if (len < (int)sizeof inner && len2 < (int)sizeof whole && realpath(whole, real) &&
            lies_under(real, p->root) && !stat(real, &st) &&
            (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
            glim__json_add(&ok, list, entry_json(&ok, names[i]->d_name, inner, &st));
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    glim__json_set(&ok, all, "path", glim__json_text(rest, strlen(rest)));
    glim__json_set(&ok, all, "entries", list);
    if (ok)
        *out = all;
    else
        json_decref(all);
    return ok ? GLIM_OK : glim_fail(err, GLIM_ENOMEM, "out of memory: the list of files");
}

/* ---- uploads ---- */

glim_status serve_upload(const serve_places *p, const char *name, const void *data, size_t n,
                         char out[NAME_MAX + 16], glim_error *err) {
    enum { LONGEST = 120 };
    char path[PATH_MAX];
    bool plain = *name && *name != '.' && strlen(name) <= LONGEST;
    for (const char *c = name; *c && plain; c++) /* what stands behind a file's name has # : @ */
        plain = (unsigned char)*c >= ' ' && !strchr("/\\#:@\"'", *c);
    if (!plain)
        return glim_fail(err, GLIM_EUSAGE,
                         "name: '%.60s' is no name for a file (letters and digits, such as "
                         "texts.csv)",
                         name);
    snprintf(out, NAME_MAX + 16, "%s%08x-%s", UPLOAD, randombytes_random(), name);
    int len = snprintf(path, sizeof path, "%s/%s", p->uploads, out + sizeof UPLOAD - 1);
    return len < (int)sizeof path ? glim__file_write(path, data, n, err) : no_such(name, err);
}
