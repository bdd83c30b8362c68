/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents and their forms. A report, figure or table is made by `glim view` when it is first
 * wanted, and kept in the job's folder.
 */
#include "serve/described.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char NO_JOB[] = "job: there is none of this number";
static const char NO_DOCUMENT[] = "document: the job has none (see its state)";

/* True when the job has a document; else an answer has been queued. */
static bool has_document(serve_request *r, serve_result *result) {
    serve_row row;
    glim_error err;
    bool found, there;
    serve_row_init(&row, r->server->ctx);
    glim_status status = serve_history_get(r->server->store, r->id, &row, &found, &err);
    there = !status && found && row.document;
    serve_row_release(&row);
    if (!there)
        *result = status ? serve_reply_status(r, status, &err)
                         : serve_reply_error(r, 404, found ? NO_DOCUMENT : NO_JOB);
    return there;
}

serve_result serve_get_document(serve_request *r) {
    char path[PATH_MAX];
    bool found;
    serve_result result = MHD_NO;
    if (!has_document(r, &result))
        return result;
    serve_job_path(r->server, r->id, "document.json", path);
    result = serve_reply_file(r, path, "application/json", &found);
    return found ? result : serve_reply_error(r, 404, NO_DOCUMENT);
}

/* ---- forms ---- */

static serve_result put_form(serve_request *r) {
    bool found, ok = true;
    serve_errand *e = r->errand;
    serve_result result = serve_reply_file(r, r->form, r->route->type, &found);
    if (found)
        return result;
    json_t *all = json_object();
    glim__json_set(&ok, all, "error", serve_child_error(&ok, &e->child));
    bool unfit = e->child.exit == 2 || e->child.exit == 3; /* a document without such a form */
    return serve_reply_json(r, unfit ? 404 : 503, all, ok);
}

serve_result serve_get_form(serve_request *r) {
    glim_server *s = r->server;
    const char *form = r->route->form, *lang = serve_query(r, "lang");
    char name[64], path[PATH_MAX], line[128];
    bool found;
    serve_words words;
    serve_result result = MHD_NO;
    if (lang && strcmp(lang, "en") && strcmp(lang, "zh-CN"))
        return serve_reply_error(r, 400, "lang: it is neither en nor zh-CN");
    if (!has_document(r, &result))
        return result;
    if (!serve_has_flag(s->o->view, form)) {
        snprintf(line, sizeof line, "figure: this glim draws no %s (take the report)", form);
        return serve_reply_error(r, 501, line);
    }
    lang = lang ? lang : "en";
    bool spoken = !strcmp(form, "html");
    snprintf(name, sizeof name, "form%s%s.%s", spoken ? "." : "", spoken ? lang : "", form);
    if (spoken) { /* one that the run itself has left speaks both languages */
        serve_job_path(s, r->id, "form.html", r->form);
        result = serve_reply_file(r, r->form, r->route->type, &found);
        if (found)
            return result;
    }
    serve_job_path(s, r->id, name, r->form);
    result = serve_reply_file(r, r->form, r->route->type, &found);
    if (found)
        return result;
    serve_job_path(s, r->id, "document.json", path);
    serve_words_init(&words, s->ctx, s->o->view);
    serve_words_add(&words, "--%s=%s", form, r->form);
    if (spoken)
        serve_words_add(&words, "--lang=%s", lang);
    serve_words_add(&words, "--quiet");
    serve_words_add(&words, "--");
    serve_words_add(&words, "%s", path);
    return serve_wait(r, &words, put_form);
}

/* ---- documents that are sent ---- */

/* What it would have been as a job. */
static void describe(serve_row *row, const json_t *doc) {
    const char *schema = json_string_value(json_object_get(doc, "schema"));
    const char *kind = json_string_value(json_object_get(doc, "kind"));
    const json_t *input = json_object_get(doc, "input");
    const char *text = json_string_value(json_is_object(input) ? json_object_get(input, "text")
                                                               : json_object_get(doc, "text"));
    size_t n = strcspn(schema + 5, "/");
    row->state = SERVE_DONE;
    row->document = true;
    snprintf(row->schema, sizeof row->schema, "%.60s", schema);
    snprintf(row->command, sizeof row->command, "%.*s", n < 60 ? (int)n : 60, schema + 5);
    if (!kind)
        kind = row->command;
    text = text && *text ? text : kind;
    n = strcspn(text, "\n");
    n = n < 100 ? n : 100;
    while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    glim__buffer_append(&row->title, text, n);
    glim__buffer_puts(&row->line, "glim view document.json");
    glim__buffer_puts(&row->asked, "{\"model\": null, \"input\": null, \"parameters\": {}}");
}

static glim_status keep(serve_request *r, serve_row *row, glim_error *err) {
    glim_server *s = r->server;
    char path[PATH_MAX];
    glim_status status = serve_history_add(s->store, row, err);
    if (status)
        return status;
    serve_job_path(s, row->id, "", path);
    if (mkdir(path, 0700) && errno != EEXIST)
        status = glim_fail(err, GLIM_EIO, "cannot make '%s': %s", path, strerror(errno));
    serve_job_path(s, row->id, "document.json", path);
    if (!status)
        status = glim__file_write(path, r->body.data, r->body.len, err);
    if (status)
        serve_history_remove(s->store, row->id, NULL);
    return status;
}

serve_result serve_post_document(serve_request *r) {
    serve_row row;
    glim_error err;
    json_t *doc = NULL;
    bool ok = true;
    glim_status status = serve_body_json(r, &doc, &err);
    const char *schema = json_string_value(json_object_get(doc, "schema"));
    if (!status && (!schema || strncmp(schema, "glim.", 5) != 0))
        status =
            glim_fail(&err, GLIM_EFORMAT,
                      "the body: it is no document of glim (\"schema\": \"glim.explanation/1\")");
    serve_row_init(&row, r->server->ctx);
    if (!status) {
        describe(&row, doc);
        status = keep(r, &row, &err);
        serve_jobs_forget(r->server);
    }
    json_decref(doc);
    json_t *all = json_object();
    glim__json_set(&ok, all, "id", json_integer(row.id));
    glim__json_set(&ok, all, "state", json_string("done"));
    serve_row_release(&row);
    if (!status)
        return serve_reply_json(r, r->route->status, all, ok);
    json_decref(all);
    return serve_reply_status(r, status, &err);
}
