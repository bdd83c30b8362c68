/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: opens the server, then starts children, reads what they tell and ends them, until
 * the context is cancelled. It alone makes children, since the kernel ends a child with the
 * thread that made it.
 */
#include "serve/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const double PATIENCE = 30; /* of `glim info` at the start */

void serve_wake(glim_server *s) {
    uint64_t one = 1;
    ssize_t n = write(s->wake, &one, sizeof one); /* full: it is awake */
    (void)n;
}

/* ---- models ---- */

/* The file's name without its end, told apart from those before. */
static void name_model(const glim_server *s, serve_model *m) {
    char base[40];
    const char *slash = strrchr(m->path, '/');
    snprintf(base, sizeof base, "%s", slash ? slash + 1 : m->path);
    char *dot = strrchr(base, '.');
    if (dot && dot > base && !strcmp(dot, ".gguf"))
        *dot = 0;
    for (char *c = base; *c; c++)
        if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              strchr("-_.", *c)))
            *c = '-';
    snprintf(m->id, sizeof m->id, "%s", *base ? base : "model");
    for (int k = 2; serve_model_find(&s->models, m->id); k++)
        snprintf(m->id, sizeof m->id, "%s-%d", base, k);
}

/* Which side of a text it stands on. */
static const char *side_of(const char *task) {
    return !strcmp(task, "generate")    ? "decoder"
           : !strcmp(task, "translate") ? "encoder-decoder"
           : !strcmp(task, "image")     ? "picture"
                                        : "encoder";
}

/* What pages want of glim.info/1. */
static glim_status take_info(serve_model *m, const serve_child *c, glim_error *err) {
    static const char *const same[] = {"name",           "architecture", "quantisation", "task",
                                       "layers",         "heads",        "vocabulary",   "width",
                                       "context_length", "labels",       "chat_template"};
    bool ok = true;
    json_t *told = NULL, *o = m->info = json_object();
    glim_status status = glim__json_parse(&told, c->out.text.data, c->out.text.len, m->given, err);
    if (status)
        return status;
    json_t *bytes = json_object_get(told, "file_bytes"), *tasks = json_array();
    const char *task = json_string_value(json_object_get(told, "task"));
    const char *slash = strrchr(m->path, '/');
    m->picture = task && !strcmp(task, "image");
    glim__json_set(&ok, o, "id", json_string(m->id));
    glim__json_set(
        &ok, o, "file",
        glim__json_text(slash ? slash + 1 : m->path, strlen(slash ? slash + 1 : m->path)));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *v = json_object_get(told, same[i]);
        glim__json_set(&ok, o, same[i], v ? json_incref(v) : json_null());
    }
    glim__json_add(&ok, tasks, json_string(task ? task : "generate"));
    if (json_is_string(json_object_get(told, "chat_template")))
        glim__json_add(&ok, tasks, json_string("dialogue"));
    glim__json_set(&ok, o, "tasks", tasks);
    glim__json_set(&ok, o, "side", json_string(side_of(task ? task : "")));
    glim__json_set(&ok, o, "bytes", bytes ? json_incref(bytes) : json_integer(0));
    json_decref(told);
    return ok ? GLIM_OK : glim_fail(err, GLIM_ENOMEM, "out of memory: the models");
}

/* The words of `glim info`, which also says why a model cannot be opened. */
static glim_status ask_model(glim_server *s, serve_model *m, glim_error *err) {
    serve_words words;
    serve_child child;
    bool ok = true;
    serve_words_init(&words, s->ctx, serve_command_find(s->o, "info"));
    serve_child_init(&child, s->ctx);
    serve_words_add(&words, "--json=-");
    serve_words_add(&words, "--quiet");
    serve_words_add(&words, "--model=%s", m->path);
    glim_status status = words.words.failed
                             ? glim__oom(s->ctx, err, "a model's name", strlen(m->path))
                             : serve_child_start(&child, &words.words, words.n, NULL, true, err);
    if (!status)
        serve_child_wait(&child, PATIENCE);
    if (!status && child.exit) {
        json_t *why = serve_child_error(&ok, &child);
        status = glim_fail(err, GLIM_EFORMAT, "the model '%s': %s: %s", m->given,
                           json_string_value(json_object_get(why, "what")),
                           json_string_value(json_object_get(why, "why")));
        json_decref(why);
    }
    if (!status)
        status = take_info(m, &child, err);
    serve_child_release(&child);
    serve_words_release(&words);
    return status;
}

static glim_status open_models(glim_server *s, glim_error *err) {
    char path[PATH_MAX];
    glim_status status = GLIM_OK;
    s->models.at = glim__calloc(s->ctx, s->o->n_models + 1, sizeof *s->models.at);
    if (!s->models.at)
        return glim__oom(s->ctx, err, "the models", sizeof *s->models.at);
    for (size_t i = 0; i < s->o->n_models && !status; i++) {
        serve_model *m = &s->models.at[i];
        m->given = s->o->models[i];
        if (!realpath(m->given, path))
            return glim_fail(err, GLIM_EIO, "cannot open '%s': %s", m->given, strerror(errno));
        m->path = glim__strdup(s->ctx, path);
        if (!m->path)
            return glim__oom(s->ctx, err, "a model's name", strlen(path));
        name_model(s, m);
        status = ask_model(s, m, err);
        s->models.n++;
    }
    return status;
}

/* ---- places ---- */

static glim_status make_folder(const char *path, glim_error *err) {
    return mkdir(path, 0700) && errno != EEXIST
               ? glim_fail(err, GLIM_EIO, "cannot make '%s': %s", path, strerror(errno))
               : GLIM_OK;
}

static glim_status open_places(glim_server *s, glim_error *err) {
    serve_places *p = &s->places;
    char given[PATH_MAX];
    struct stat st;
    p->ctx = s->ctx;
    if (s->o->root &&
        (!realpath(s->o->root, p->root) || stat(p->root, &st) || !S_ISDIR(st.st_mode)))
        return glim_fail(err, GLIM_EUSAGE, "--root '%s' is no folder", s->o->root);
    snprintf(given, sizeof given, "%.3000s.files", s->o->history);
    glim_status status = make_folder(given, err);
    if (!status && !realpath(given, p->folder))
        status = glim_fail(err, GLIM_EIO, "cannot open '%s': %s", given, strerror(errno));
    snprintf(p->uploads, sizeof p->uploads, "%.3500s/uploads", p->folder);
    snprintf(p->patterns, sizeof p->patterns, "%.3500s/patterns", p->folder);
    if (!status)
        status = make_folder(p->uploads, err);
    if (!status)
        status = make_folder(p->patterns, err);
    return status;
}

/* ---- opening and closing ---- */

static glim_status open_server(glim_server *s, glim_error *err) {
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake < 0)
        return glim_fail(err, GLIM_EIO, "cannot make an eventfd: %s", strerror(errno));
    glim_status status = serve_guard_open(s, err);
    if (!status)
        status = open_places(s, err);
    if (!status)
        status = serve_history_open(&s->store, s->ctx, s->o->history, s->places.folder, err);
    if (!status)
        status = serve_folders_sweep(s, err);
    if (!status)
        serve_patterns_forget(s, 0);
    if (!status)
        status = open_models(s, err);
    if (!status)
        status = serve_describe(s, err);
    return status ? status : serve_http_open(s, err);
}

glim_status glim__server_open(glim_server **out, glim_context *ctx, const serve_options *options,
                              glim_error *err) {
    pthread_mutexattr_t again;
    glim_server *s = *out = glim__calloc(ctx, 1, sizeof *s);
    if (!s)
        return glim__oom(ctx, err, "the server", sizeof *s);
    s->ctx = ctx;
    s->o = options;
    pthread_mutexattr_init(&again);
    pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE); /* an answer may end a reader */
    pthread_mutex_init(&s->lock, &again);
    pthread_mutexattr_destroy(&again);
    glim_status status = open_server(s, err);
    if (status) {
        glim__server_close(s);
        *out = NULL;
    }
    return status;
}

const char *glim__server_address(const glim_server *s) {
    return s->address;
}

void glim__server_close(glim_server *s) {
    if (!s)
        return;
    serve_http_close(s);
    while (s->jobs)
        serve_job_free(s, s->jobs);
    for (size_t i = 0; i < s->models.n; i++) {
        glim__free(s->ctx, s->models.at[i].path);
        json_decref(s->models.at[i].info);
    }
    glim__free(s->ctx, s->models.at);
    glim__store_close(s->store);
    glim__buffer_release(&s->info.text);
    glim__buffer_release(&s->commands.text);
    glim__buffer_release(&s->openapi.text);
    if (s->wake >= 0)
        close(s->wake);
    pthread_mutex_destroy(&s->lock);
    glim__free(s->ctx, s);
}

/* ---- turns ---- */

enum { TICK_MS = 200, MOST_PACKED = 32 << 20 };

/* PATH.gz, for who takes it; a document that is larger goes as it is. */
static void pack(const char *path) {
    char packed[PATH_MAX], part[PATH_MAX], piece[65536];
    struct stat st;
    size_t n;
    if (stat(path, &st) || st.st_size > MOST_PACKED ||
        snprintf(packed, sizeof packed, "%s.gz", path) >= PATH_MAX ||
        snprintf(part, sizeof part, "%s.part", packed) >= PATH_MAX)
        return;
    FILE *in = fopen(path, "rbe");
    gzFile out = in ? gzopen(part, "wb1e") : NULL;
    bool ok = out != NULL;
    while (ok && (n = fread(piece, 1, sizeof piece, in)) > 0)
        ok = gzwrite(out, piece, (unsigned)n) == (int)n;
    ok = ok && !ferror(in);
    if (out)
        ok = gzclose(out) == Z_OK && ok;
    if (in)
        fclose(in);
    if (!ok || rename(part, packed))
        unlink(part);
}

static void pack_one(glim_server *s) {
    char path[PATH_MAX];
    pthread_mutex_lock(&s->lock);
    int64_t id = s->n_to_pack ? s->to_pack[--s->n_to_pack] : 0;
    pthread_mutex_unlock(&s->lock);
    if (!id)
        return;
    serve_job_path(s, id, "document.json", path);
    pack(path);
}

/* Everything that a child or a request may have brought. True when a child has closed its pipes
   and is about to end. */
static bool turn(glim_server *s) {
    bool ending = false;
    pthread_mutex_lock(&s->lock);
    serve_jobs_pump(s);
    serve_errands_turn(s);
    serve_jobs_start(s);
    for (serve_job *j = s->jobs; j; j = j->next) {
        serve_watchers_resume(s, j, false);
        ending |= j->state == SERVE_RUNNING && j->child.err.fd < 0;
    }
    for (serve_errand *e = s->errands; e; e = e->next)
        ending |= e->state == ERRAND_RUNS && e->child.err.fd < 0;
    serve_visitors_check(s);
    pthread_mutex_unlock(&s->lock);
    return ending;
}

static void wait_for_news(glim_server *s, int milliseconds) {
    enum { MOST = 1 + SERVE_PIPES * (SERVE_ERRANDS + 64) };
    struct pollfd fds[MOST] = {{.fd = s->wake, .events = POLLIN}};
    size_t n = 1;
    uint64_t count;
    for (const serve_job *j = s->jobs; j && n + SERVE_PIPES <= MOST; j = j->next)
        if (j->state == SERVE_RUNNING)
            n += serve_child_poll(&j->child, fds + n);
    for (const serve_errand *e = s->errands; e && n + SERVE_PIPES <= MOST; e = e->next)
        if (e->state == ERRAND_RUNS)
            n += serve_child_poll(&e->child, fds + n);
    pthread_mutex_unlock(&s->lock);
    poll(fds, n, milliseconds);
    if (read(s->wake, &count, sizeof count) < 0) {
        /* nobody called */
    }
}

static bool jobs_run(const glim_server *s) {
    for (const serve_job *j = s->jobs; j; j = j->next)
        if (j->state == SERVE_RUNNING)
            return true;
    return false;
}

glim_status glim__server_run(glim_server *s, glim_error *err) {
    while (!glim_context_cancelled(s->ctx)) {
        bool ending = turn(s);
        pack_one(s);
        pthread_mutex_lock(&s->lock);
        wait_for_news(s, ending || s->n_to_pack ? 2 : TICK_MS);
    }
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    serve_jobs_stop(s);
    serve_errands_stop(s);
    while (jobs_run(s)) {
        wait_for_news(s, 20);
        turn(s);
        pthread_mutex_lock(&s->lock);
    }
    for (serve_job *j = s->jobs; j; j = j->next)
        serve_watchers_resume(s, j, true);
    pthread_mutex_unlock(&s->lock);
    return GLIM_OK;
}
