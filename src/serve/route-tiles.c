/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Squares of a job's attention patterns, for its report. The patterns of a layer are made by a
 * run of the job's own words when the layer is first wanted (who asks meanwhile waits for the
 * same run), and lie as FOLDER/patterns/JOB-LAYER.npy while there is room: what was not wanted
 * for longest goes first, all of a job with the job, and everything when a server starts, since
 * its models may be others.
 */
#include "serve/request.h"
#include "view/tiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder ---- */

static void layer_path(const glim_server *s, int64_t job, int64_t layer, const char *end,
                       char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.3800s/%lld-%lld.%s", s->places.patterns, (long long)job,
             (long long)layer, end);
}

static bool is_file(const struct dirent *e) {
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

void serve_patterns_forget(glim_server *s, int64_t job) {
    DIR *d = opendir(s->places.patterns);
    for (struct dirent *e; d && (e = readdir(d));)
        if (is_file(e) && (!job || strtoll(e->d_name, NULL, 10) == job))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

/* Bytes of all files, and the one that was not wanted for longest. What a run that was killed has
   left grows old as well. */
static uint64_t look_around(DIR *d, char oldest[256]) {
    uint64_t bytes = 0;
    struct timespec first = {0};
    struct stat st;
    *oldest = 0;
    rewinddir(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (!is_file(e) || fstatat(dirfd(d), e->d_name, &st, 0))
            continue;
        bytes += (uint64_t)st.st_size;
        bool older = st.st_mtim.tv_sec < first.tv_sec ||
                     (st.st_mtim.tv_sec == first.tv_sec && st.st_mtim.tv_nsec < first.tv_nsec);
        if (!*oldest || older) {
            snprintf(oldest, 256, "%s", e->d_name);
            first = st.st_mtim;
        }
    }
    return bytes;
}

static void make_room(glim_server *s) {
    char oldest[256];
    DIR *d = opendir(s->places.patterns);
    while (d && look_around(d, oldest) > s->o->patterns && *oldest)
        if (unlinkat(dirfd(d), oldest, 0))
            break;
    if (d)
        closedir(d);
}

/* A run has left a layer: the first of those who waited for it puts it in its place. */
static glim_status take_in(serve_request *r, const char *part, const char *path, glim_error *err) {
    char need[24], most[24];
    struct stat st;
    if (stat(part, &st))
        return GLIM_OK;
    if ((uint64_t)st.st_size > r->server->o->patterns) {
        unlink(part);
        return glim_fail(err, GLIM_EBUDGET,
                         "patterns: a layer takes %s, the server keeps %s "
                         "(start it with more --patterns)",
                         glim__size_text((uint64_t)st.st_size, need),
                         glim__size_text(r->server->o->patterns, most));
    }
    make_room(r->server);
    return rename(part, path)
               ? glim_fail(err, GLIM_EIO, "cannot keep '%s': %s", path, strerror(errno))
               : GLIM_OK;
}

/* ---- a request ---- */

struct wanted {
    glim_tile at;
    int64_t layer;
};

static glim_status read_place(const serve_request *r, struct wanted *w, glim_error *err) {
    enum { MOST = 4095, MOST_LEVEL = 12 };
    static const struct {
        const char *name;
        int64_t most;
    } parts[] = {
        {"layer", MOST}, {"head", MOST}, {"level", MOST_LEVEL}, {"row", MOST}, {"column", MOST}};
    int64_t v[5] = {0};
    for (size_t i = 0; i < 5; i++) {
        if (!serve_query(r, parts[i].name))
            return glim_fail(err, GLIM_EUSAGE, "%s: a whole number is expected", parts[i].name);
        glim_status status = serve_query_number(r, parts[i].name, 0, parts[i].most, &v[i], err);
        if (status)
            return status;
    }
    w->layer = v[0];
    w->at = (glim_tile){
        .head = (size_t)v[1], .level = (int)v[2], .row = (size_t)v[3], .column = (size_t)v[4]};
    return GLIM_OK;
}

/* Nothing looks ahead in a causal pattern. */
static bool is_causal(const glim_tiles *t, size_t head) {
    float ahead = 0;
    uint64_t base = (uint64_t)head * t->rows * t->columns;
    for (size_t i = 0; t->rows == t->columns && i + 1 < t->rows && ahead == 0; i++)
        glim__npy_floats(&t->npy, base + i * t->columns + i + 1, 1, &ahead);
    return t->rows == t->columns && ahead == 0;
}

static glim_status cut(const serve_request *r, const char *path, const glim_tile *at, uint8_t *out,
                       float *scale, glim_error *err) {
    glim_tiles t;
    glim_status status = glim__tiles_open(&t, r->server->ctx, path, false, err);
    if (status)
        return status;
    t.causal = at->head < t.heads && is_causal(&t, at->head);
    status = glim__tiles_cut(&t, at, out, scale, err);
    glim__tiles_close(&t);
    return status;
}

static serve_result reply_tile(serve_request *r, const char *path, const glim_tile *at) {
    glim_error err;
    float scale = 0;
    char number[40];
    uint8_t *bytes = malloc(TILE_BYTES); /* the daemon frees it */
    glim_status status = bytes ? cut(r, path, at, bytes, &scale, &err)
                               : glim__oom(r->server->ctx, &err, "a tile", TILE_BYTES);
    struct MHD_Response *response =
        status ? NULL : MHD_create_response_from_buffer(TILE_BYTES, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(bytes);
    if (status == GLIM_EBUDGET)
        return serve_reply_error(r, 503, err.message);
    if (status)
        return serve_reply_status(r, status, &err);
    if (!response)
        return MHD_NO;
    utimensat(AT_FDCWD, path, NULL, 0); /* wanted now */
    serve_common_headers(r, response, r->route->type);
    glim__number_text((double)scale, false, number);
    MHD_add_response_header(response, "Glim-Scale", number);
    MHD_add_response_header(response, "Cache-Control", "private, max-age=3600");
    return serve_send(r, 200, response);
}

/* The words of the job again, and where the patterns go. */
static glim_status words_of(const serve_request *r, const serve_row *row, const struct wanted *w,
                            serve_words *words, glim_error *err) {
    glim_server *s = r->server;
    char part[PATH_MAX], number[24];
    json_t *asked = NULL;
    glim_status status = glim__json_parse(&asked, row->asked.data, row->asked.len, "the job", err);
    if (!status && json_is_true(json_object_get(json_object_get(asked, "parameters"), "detect")))
        status = glim_fail(err, GLIM_EUSAGE, "patterns: a search for heads keeps none");
    if (!status)
        status = serve_words_make(words, s->o, &s->models, &s->places, asked, "attention", err);
    json_decref(asked);
    if (status)
        return status;
    layer_path(s, row->id, w->layer, "part", part);
    snprintf(number, sizeof number, "%lld", (long long)w->layer);
    serve_words_flag(words, "raw-layers", number);
    serve_words_flag(words, "half", NULL);
    serve_words_flag(words, "raw", part);
    if (!words->words.failed)
        return GLIM_OK;
    serve_words_release(words);
    return glim__oom(s->ctx, err, "the words of the job", 0);
}

static serve_result find_layer(serve_request *r, const serve_row *row, const struct wanted *w) {
    char path[PATH_MAX], part[PATH_MAX];
    glim_error err;
    serve_words words;
    layer_path(r->server, row->id, w->layer, "npy", path);
    layer_path(r->server, row->id, w->layer, "part", part);
    bool ended = r->errand && !r->errand->child.exit;
    glim_status status = ended ? take_in(r, part, path, &err) : GLIM_OK;
    if (status)
        return serve_reply_error(r, 503, err.message);
    if (!access(path, R_OK))
        return reply_tile(r, path, &w->at);
    if (ended)
        return serve_reply_error(r, 503, "patterns: there is no room for them (try again later)");
    if (r->errand)
        return serve_reply_failure(r);
    status = words_of(r, row, w, &words, &err);
    return status ? serve_reply_status(r, status, &err) : serve_wait(r, &words, serve_get_tile);
}

serve_result serve_get_tile(serve_request *r) {
    serve_row row;
    glim_error err;
    struct wanted w = {0};
    bool found = false;
    serve_result result;
    serve_row_init(&row, r->server->ctx);
    glim_status status = read_place(r, &w, &err);
    if (!status)
        status = serve_history_get(r->server->store, r->id, &row, &found, &err);
    if (status)
        result = serve_reply_status(r, status, &err);
    else if (!found)
        result = serve_reply_error(r, 404, "job: there is none of this number");
    else if (strcmp(row.command, "attention") != 0)
        result = serve_reply_error(r, 400, "job: it is none of attention");
    else if (!row.document)
        result = serve_reply_error(r, 404, "document: the job has none (see its state)");
    else
        result = find_layer(r, &row, &w);
    if (!found && r->errand) /* removed meanwhile */
        serve_patterns_forget(r->server, r->id);
    serve_row_release(&row);
    return result;
}
