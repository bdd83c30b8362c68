/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves the history: a job by itself, all of them, and the oldest ones when there are more
 * than the server keeps. A job's row goes first and its folder after it, so that a server that is
 * killed between the two leaves a folder without a row, which the next one removes.
 */
#include "serve/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void serve_folder_remove(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(path);
}

glim_status serve_job_remove(glim_server *s, int64_t id, bool *found, glim_error *err) {
    serve_row row;
    char path[PATH_MAX];
    serve_row_init(&row, s->ctx);
    glim_status status = serve_history_get(s->store, id, &row, found, err);
    serve_row_release(&row);
    if (!status && *found)
        status = serve_history_remove(s->store, id, err);
    if (status || !*found)
        return status;
    serve_patterns_forget(s, id);
    serve_job *job = serve_job_find(s, id);
    if (job) {
        job->removed = true; /* its folder goes with it */
        serve_job_cancel(s, job);
    } else {
        serve_job_path(s, id, "", path);
        serve_folder_remove(path);
    }
    return GLIM_OK;
}

/* The oldest that are over and not pinned, behind the newest `keep` of them; some at a time. */
static glim_status remove_old(glim_server *s, int64_t keep, size_t *n, glim_error *err) {
    enum { AT_ONCE = 64 };
    int64_t ids[AT_ONCE];
    bool found;
    *n = 0;
    glim_status status = serve_history_surplus(s->store, keep, ids, AT_ONCE, n, err);
    for (size_t i = 0; i < *n && !status; i++)
        status = serve_job_remove(s, ids[i], &found, err);
    return status;
}

void serve_jobs_forget(glim_server *s) {
    size_t n;
    if (s->o->keep)
        remove_old(s, s->o->keep, &n, NULL);
}

glim_status serve_jobs_clear(glim_server *s, int64_t *n, glim_error *err) {
    size_t more = 1;
    glim_status status = GLIM_OK;
    for (*n = 0; more && !status; *n += status ? 0 : (int64_t)more)
        status = remove_old(s, 0, &more, err);
    return status;
}

glim_status serve_folders_sweep(glim_server *s, glim_error *err) {
    serve_row row;
    char path[PATH_MAX];
    glim_status status = GLIM_OK;
    DIR *d = opendir(s->places.folder);
    serve_row_init(&row, s->ctx);
    for (struct dirent *e; d && !status && (e = readdir(d));) {
        size_t n = strspn(e->d_name, "0123456789");
        bool found = true;
        if (!n || e->d_name[n] || n > 18)
            continue;
        int64_t id = strtoll(e->d_name, NULL, 10);
        status = serve_history_get(s->store, id, &row, &found, err);
        serve_job_path(s, id, "", path);
        if (!status && !found)
            serve_folder_remove(path);
    }
    serve_row_release(&row);
    if (d)
        closedir(d);
    return status;
}
